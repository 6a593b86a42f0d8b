//! Reading JSON without trees: text that is borrowed where it has no escapes, members found by walking, ends of values.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, Visitor};

/// A JSON string (or null, as empty), borrowed unless it has escapes.
///
/// `Option<Cow<str>>` would always copy, as serde borrows only a bare `Cow`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(value)))
            }

            fn visit_str<E>(self, value: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(value.to_owned())))
            }

            fn visit_string<E>(self, value: String) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(value)))
            }

            fn visit_unit<E>(self) -> Result<Text<'de>, E> {
                Ok(Text::default())
            }
        }
        deserializer.deserialize_any(TextVisitor)
    }
}

/// Why JSON could not be read.
#[derive(Debug, Clone)]
pub(crate) struct JsonError {
    /// What is wrong, in words
    pub(crate) message: String,
    /// Byte of the text where it was noticed
    pub(crate) at: usize,
    /// The text ended too early
    pub(crate) truncated: bool,
    /// Well-formed, but a member has the wrong type
    pub(crate) wrong_type: bool,
}

impl JsonError {
    fn new(error: &serde_json::Error, text: &[u8], start: usize) -> JsonError {
        let at = start + offset_of(text.get(start..).unwrap_or_default(), error.line(), error.column());
        // serde_json appends " at line 1 column 7", which means nothing to whoever sent a whole body.
        let full = error.to_string();
        let message = full.split(" at line ").next().unwrap_or(&full).to_owned();
        JsonError {
            message,
            at,
            truncated: error.is_eof(),
            wrong_type: error.is_data(),
        }
    }
}

fn offset_of(text: &[u8], line: usize, column: usize) -> usize {
    let start = if line <= 1 {
        0
    } else {
        memchr::memchr_iter(b'\n', text)
            .nth(line - 2)
            .map_or(text.len(), |newline| newline + 1)
    };
    (start + column.saturating_sub(1)).min(text.len())
}

/// Reads one value that starts at `start`, and where it ends.
pub(crate) fn read<'a, T: Deserialize<'a>>(text: &'a [u8], start: usize) -> Result<(T, usize), JsonError> {
    let rest = text.get(start..).unwrap_or_default();
    let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<T>();
    match values.next() {
        Some(Ok(value)) => Ok((value, start + values.byte_offset())),
        Some(Err(error)) => Err(JsonError::new(&error, text, start)),
        None => Err(JsonError {
            message: "nothing here".to_owned(),
            at: start,
            truncated: true,
            wrong_type: false,
        }),
    }
}

/// Where the value that starts at `start` ends, checked against JSON's grammar.
pub(crate) fn skip_value(text: &[u8], start: usize) -> Result<usize, JsonError> {
    read::<IgnoredAny>(text, start).map(|(_, end)| end)
}

/// Where the object or array that starts at `start` ends, going by its brackets and strings only: for text that is not
/// well-formed. `None` when they do not close or a string runs over a line end.
pub(crate) fn balanced_end(text: &[u8], start: usize) -> Option<usize> {
    let mut open = 0_usize;
    let mut at = start;
    while let Some(byte) = text.get(at) {
        at += 1;
        match byte {
            b'{' | b'[' => open += 1,
            b'}' | b']' => {
                open = open.checked_sub(1)?;
                if open == 0 {
                    return Some(at);
                }
            }
            b'"' => at = string_end(text, at)?,
            _ => {}
        }
    }
    None
}

/// Behind the closing quote of the string whose first character is at `at`.
fn string_end(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr::memchr3(b'"', b'\\', b'\n', text.get(at..)?)?;
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => return None,
        }
    }
}

pub(crate) fn skip_blank(text: &[u8], mut at: usize) -> usize {
    while matches!(text.get(at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
        at += 1;
    }
    at
}

/// Walks the members of an object without reading their values, so that a reader can stop at the first telling name and an
/// object that breaks off is still usable up to there.
pub(crate) struct Members<'a> {
    text: &'a [u8],
    at: usize,
    first: bool,
}

/// A member of an object.
pub(crate) struct Member<'a> {
    /// Name, with escapes as written
    pub(crate) name: &'a [u8],
    /// Where its value starts
    pub(crate) value: usize,
}

impl<'a> Members<'a> {
    /// Of the object whose `{` is at `start`.
    pub(crate) fn new(text: &'a [u8], start: usize) -> Members<'a> {
        Members {
            text,
            at: start + 1,
            first: true,
        }
    }

    /// Goes on behind a value that the caller has read.
    pub(crate) fn resume(text: &'a [u8], at: usize) -> Members<'a> {
        Members { text, at, first: false }
    }

    /// The next member; `None` at the end of the object, with [`Members::position`] behind its `}`.
    pub(crate) fn next(&mut self) -> Result<Option<Member<'a>>, JsonError> {
        let mut at = skip_blank(self.text, self.at);
        match self.text.get(at) {
            Some(b'}') => {
                self.at = at + 1;
                return Ok(None);
            }
            Some(b',') if !self.first => at = skip_blank(self.text, at + 1),
            Some(_) if self.first => {}
            _ => return Err(self.error(at, "expected `,` or `}`")),
        }
        self.first = false;
        if self.text.get(at) != Some(&b'"') {
            return Err(self.error(at, "expected the name of a member"));
        }
        let end = string_end(self.text, at + 1).ok_or_else(|| self.error(self.text.len(), "the name of a member does not end"))?;
        let name = self.text.get(at + 1..end - 1).unwrap_or_default();
        let colon = skip_blank(self.text, end);
        if self.text.get(colon) != Some(&b':') {
            return Err(self.error(colon, "expected `:`"));
        }
        let value = skip_blank(self.text, colon + 1);
        self.at = value;
        Ok(Some(Member { name, value }))
    }

    /// Passes over the value of the member that was given last.
    pub(crate) fn skip(&mut self) -> Result<(), JsonError> {
        self.at = skip_value(self.text, self.at)?;
        Ok(())
    }

    /// Where the walk is.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    fn error(&self, at: usize, message: &str) -> JsonError {
        JsonError {
            message: message.to_owned(),
            at,
            truncated: at >= self.text.len(),
            wrong_type: false,
        }
    }
}

/// Whether JSON was written with blanks between its parts. A guess from its first member and its line ends: programs that
/// put blanks do so everywhere, and a wrong guess only leaves blanks in a column.
pub(crate) fn is_loose(raw: &str) -> bool {
    let bytes = raw.as_bytes();
    let after_brace = bytes.get(1);
    let after_colon = raw.find(':').and_then(|colon| bytes.get(colon + 1));
    after_brace == Some(&b' ') || after_colon == Some(&b' ') || memchr::memchr3(b'\n', b'\r', b'\t', bytes).is_some()
}

/// JSON without the blanks between its parts.
pub(crate) fn compact(raw: &str) -> String {
    let bytes = raw.as_bytes();
    let mut out = String::with_capacity(raw.len());
    let mut copied = 0;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = string_end(bytes, at + 1).unwrap_or(bytes.len()),
            b' ' | b'\t' | b'\r' | b'\n' => {
                out.push_str(raw.get(copied..at).unwrap_or_default());
                at += 1;
                copied = at;
            }
            _ => at += 1,
        }
    }
    out.push_str(raw.get(copied..).unwrap_or_default());
    out
}

/// Appends a JSON string.
pub(crate) fn push_string(out: &mut String, value: &str) {
    out.push('"');
    // Most texts need no escape: whole runs are copied.
    let mut copied = 0;
    for (at, byte) in value.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..0x20 => "",
            _ => continue,
        };
        out.push_str(value.get(copied..at).unwrap_or_default());
        copied = at + 1;
        if escape.is_empty() {
            out.push_str(&format!("\\u{byte:04x}"));
        } else {
            out.push_str(escape);
        }
    }
    out.push_str(value.get(copied..).unwrap_or_default());
    out.push('"');
}

/// The values of a text of JSON values: one after the other, or the items of an array. Ends at the first that cannot be read.
pub(crate) fn records(text: &[u8]) -> impl Iterator<Item = Result<&str, JsonError>> {
    let mut at = skip_blank(text, 0);
    if text.get(at) == Some(&b'[') {
        at += 1;
    }
    let mut ended = false;
    std::iter::from_fn(move || {
        while let Some(b' ' | b'\t' | b'\r' | b'\n' | b',' | b']') = text.get(at) {
            at += 1;
        }
        if ended || at >= text.len() {
            return None;
        }
        let value = skip_value(text, at).and_then(|end| {
            let value = std::str::from_utf8(text.get(at..end).unwrap_or_default()).map_err(|_| JsonError {
                message: "it is not UTF-8".to_owned(),
                at,
                truncated: false,
                wrong_type: false,
            })?;
            at = end;
            Ok(value)
        });
        ended = value.is_err();
        Some(value)
    })
}

/// What a JSON value says as text: a string's text, anything else as written.
pub(crate) fn plain(value: &serde_json::Value) -> Cow<'_, str> {
    match value {
        serde_json::Value::String(text) => Cow::Borrowed(text),
        serde_json::Value::Null => Cow::Borrowed(""),
        other => Cow::Owned(other.to_string()),
    }
}
