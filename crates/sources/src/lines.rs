//! What text formats share: lines of a body, parts of a line, key=value pairs. Written once, so that all decoders agree on
//! quotes and escapes.

use std::borrow::Cow;

use crate::decode::Sink;

/// The lines of a body without their ends, blank ones left out. Bytes that are no UTF-8 show as U+FFFD: a line with one odd byte is
/// worth more than none.
pub(crate) fn lines(body: &[u8]) -> impl Iterator<Item = Cow<'_, str>> {
    raw_lines(body).map(String::from_utf8_lossy)
}

/// [`lines`] as bytes.
pub(crate) fn raw_lines(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = body.get(at..).filter(|rest| !rest.is_empty())?;
            let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            at += end + 1;
            let line = rest.get(..end).unwrap_or_default();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if !line.trim_ascii().is_empty() {
                return Some(line);
            }
        }
    })
}

/// Takes a text apart from its start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a> {
    pub(crate) rest: &'a str,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str) -> Cursor<'a> {
        Cursor { rest: text }
    }

    /// The word up to the next blank, which is passed over.
    pub(crate) fn word(&mut self) -> Option<&'a str> {
        let rest = self.rest.trim_start_matches(' ');
        if rest.is_empty() {
            self.rest = rest;
            return None;
        }
        let end = memchr::memchr(b' ', rest.as_bytes()).unwrap_or(rest.len());
        let word = rest.get(..end)?;
        self.rest = rest.get(end + 1..).unwrap_or_default();
        Some(word)
    }

    /// What stands between two delimiters at the start (`[...]`, `"..."`), a delimiter with a backslash before it not counting.
    pub(crate) fn between(&mut self, open: char, close: char) -> Option<&'a str> {
        let inner = self.rest.trim_start_matches(' ').strip_prefix(open)?;
        // Escapes are rare: the first delimiter counts when no backslash is before it.
        if let Some(delimiter) = u8::try_from(close).ok().filter(u8::is_ascii)
            && let Some(at) = memchr::memchr2(delimiter, b'\\', inner.as_bytes())
            && inner.as_bytes().get(at) == Some(&delimiter)
        {
            let rest = inner.get(at + 1..)?;
            self.rest = rest.strip_prefix(' ').unwrap_or(rest);
            return inner.get(..at);
        }
        let mut escaped = false;
        for (at, character) in inner.char_indices() {
            if escaped {
                escaped = false;
            } else if character == '\\' {
                escaped = true;
            } else if character == close {
                let text = inner.get(..at)?;
                let rest = inner.get(at + close.len_utf8()..)?;
                self.rest = rest.strip_prefix(' ').unwrap_or(rest);
                return Some(text);
            }
        }
        None
    }

    /// `"..."` or a word.
    pub(crate) fn quoted_or_word(&mut self) -> Option<&'a str> {
        if self.rest.trim_start_matches(' ').starts_with('"') {
            self.between('"', '"')
        } else {
            self.word()
        }
    }

    /// Passes over a text, if it is there.
    pub(crate) fn skip(&mut self, text: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(text)?;
        Some(())
    }
}

/// `-` and nothing are both "not there".
pub(crate) fn dash(text: &str) -> &str {
    if text == "-" { "" } else { text }
}

/// Undoes `\n`, `\t`, `\"`, `\\` and `\xNN`; text without a backslash is borrowed.
pub(crate) fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match bytes.get(at) {
            Some(b'x') => match bytes.get(at + 1..at + 3).and_then(hex_byte) {
                Some(value) => {
                    out.push(value);
                    at += 2;
                }
                None => out.extend(b"\\x"),
            },
            Some(b'n') => out.push(b'\n'),
            Some(b'r') => out.push(b'\r'),
            Some(b't') => out.push(b'\t'),
            Some(&other) => out.push(other),
            None => out.push(b'\\'),
        }
        at += 1;
    }
    String::from_utf8(out).map_or_else(
        |error| Cow::Owned(String::from_utf8_lossy(error.as_bytes()).into_owned()),
        Cow::Owned,
    )
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Bytes written as hexadecimal digits.
pub(crate) fn hex(text: &str) -> Option<Vec<u8>> {
    let bytes = text.as_bytes();
    if bytes.is_empty() || !bytes.len().is_multiple_of(2) || !bytes.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    bytes.chunks(2).map(hex_byte).collect()
}

/// The pairs of `key=value key="quoted value"` (logfmt, and the Linux audit system's records); words without `=` are passed over.
/// Values come as written, without their quotes.
pub(crate) struct Pairs<'a> {
    rest: &'a str,
}

impl<'a> Pairs<'a> {
    pub(crate) fn new(text: &'a str) -> Pairs<'a> {
        Pairs { rest: text }
    }
}

impl<'a> Iterator for Pairs<'a> {
    /// Key, value, and whether it stood in quotes
    type Item = (&'a str, &'a str, bool);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = self.rest.trim_start_matches([' ', '\t', ',']);
            if rest.is_empty() {
                return None;
            }
            let end = rest.find([' ', '=']).unwrap_or(rest.len());
            let key = rest.get(..end)?;
            if !rest.get(end..)?.starts_with('=') {
                self.rest = rest.get(end..)?;
                continue;
            }
            let value = rest.get(end + 1..)?;
            for quote in ['"', '\''] {
                let mut cursor = Cursor::new(value);
                if value.starts_with(quote)
                    && let Some(text) = cursor.between(quote, quote)
                {
                    self.rest = cursor.rest;
                    return Some((key, text, true));
                }
            }
            let stop = value.find(' ').unwrap_or(value.len());
            self.rest = value.get(stop..)?;
            return Some((key, value.get(..stop)?, false));
        }
    }
}

/// An address with a port: `10.0.4.7:8080`, `[2001:db8::1]:443`, or either alone.
pub(crate) fn address_and_port(text: &str) -> (&str, Option<i64>) {
    if let Some(rest) = text.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else {
            return (text, None);
        };
        return (address, port.strip_prefix(':').and_then(|port| port.parse().ok()));
    }
    match text.rsplit_once(':') {
        // More than one colon and no brackets is an IPv6 address alone.
        Some((address, port)) if !address.contains(':') => match port.parse() {
            Ok(port) => (address, Some(port)),
            Err(_) => (text, None),
        },
        _ => (text, None),
    }
}

/// A level by any of its usual names, as `ContainerLogV2` writes it; empty when it is none.
pub(crate) fn level_name(word: &str) -> &'static str {
    let known: [(&[&str], &str); 6] = [
        (&["info", "information", "informational", "notice", "inf", "i"], "INFO"),
        (&["warn", "warning", "wrn", "w"], "WARNING"),
        (&["error", "err", "e", "dpanic", "severe"], "ERROR"),
        (&["debug", "dbg", "d"], "DEBUG"),
        (
            &["fatal", "critical", "crit", "panic", "emerg", "emergency", "alert", "f"],
            "CRITICAL",
        ),
        (&["trace", "trc", "t"], "TRACE"),
    ];
    known
        .into_iter()
        .find(|(names, _)| names.iter().any(|name| name.eq_ignore_ascii_case(word)))
        .map_or("", |(_, level)| level)
}

impl Sink<'_> {
    /// A line that is of none of a source's forms.
    pub(crate) fn unknown_line(&mut self, line: &str, expected: &str) {
        self.reject("unknown line", &format!("expected {expected}"), line.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_in_either_way_and_blank_ones_do_not_count() {
        let all: Vec<_> = lines(b"\xEF\xBB\xBFa\r\nb\n\n  \nc\xff").collect();
        assert_eq!(all, ["a", "b", "c\u{fffd}"]);
    }

    #[test]
    fn pairs_have_quotes_and_escapes() {
        let pairs: Vec<_> = Pairs::new(r#"time="2026" level=info word msg="a \"b\" c" empty= last='x y'"#).collect();
        assert_eq!(
            pairs,
            [
                ("time", "2026", true),
                ("level", "info", false),
                ("msg", r#"a \"b\" c"#, true),
                ("empty", "", false),
                ("last", "x y", true)
            ]
        );
        assert_eq!(unescape(r"a\x22b\\c\n"), "a\"b\\c\n");
        assert_eq!(unescape(r"\x"), r"\x");
        assert_eq!(hex("2F62696E"), Some(b"/bin".to_vec()));
        assert_eq!(hex("2F6"), None);
    }

    #[test]
    fn addresses_are_split_from_ports() {
        assert_eq!(address_and_port("10.0.4.7:8080"), ("10.0.4.7", Some(8080)));
        assert_eq!(address_and_port("[2001:db8::1]:443"), ("2001:db8::1", Some(443)));
        assert_eq!(address_and_port("2001:db8::1"), ("2001:db8::1", None));
        assert_eq!(address_and_port("web"), ("web", None));
    }
}
