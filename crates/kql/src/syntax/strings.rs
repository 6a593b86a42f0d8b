//! String literals: `"..."`, `'...'`, `@"..."`, ```` ```...``` ````, `~~~...~~~`, each with an `h` in front when obfuscated.
//!
//! Source: Kusto Query Language reference, "The string data type".

use crate::diagnostic::{Code, Diagnostic, Span};

/// A string literal read from the text.
pub(super) struct Scanned {
    pub value: String,
    /// One past its last byte
    pub end: usize,
    /// Where the opening quote is
    pub quote: Span,
    pub closed: bool,
    pub problems: Vec<Diagnostic>,
}

/// Reads the literal that starts at `start`; `None` when none does. `json` also accepts the escapes of JSON.
pub(super) fn scan(text: &str, start: usize, json: bool) -> Option<Scanned> {
    let mut at = start;
    let mut rest = text.get(at..)?;
    if let Some(after) = rest.strip_prefix(['h', 'H']) {
        at += 1;
        rest = after;
    }
    for fence in ["```", "~~~"] {
        if let Some(body) = rest.strip_prefix(fence) {
            let quote = Span::new(at, at + fence.len());
            let begin = at + fence.len();
            let (value, end, closed) = match body.find(fence) {
                Some(length) => (body.get(..length).unwrap_or_default(), begin + length + fence.len(), true),
                None => (body, text.len(), false),
            };
            return Some(Scanned {
                value: value.to_string(),
                end,
                quote,
                closed,
                problems: Vec::new(),
            });
        }
    }
    let verbatim = rest.starts_with('@');
    if verbatim {
        at += 1;
        rest = rest.get(1..)?;
    }
    let quote_char = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let quote = Span::new(at, at + 1);
    let mut value = String::new();
    let mut problems = Vec::new();
    let mut position = at + 1;
    while let Some(tail) = text.get(position..) {
        let Some(c) = tail.chars().next() else { break };
        if c == quote_char {
            if verbatim && tail.get(1..).is_some_and(|t| t.starts_with(quote_char)) {
                value.push(c);
                position += 2;
                continue;
            }
            return Some(Scanned {
                value,
                end: position + 1,
                quote,
                closed: true,
                problems,
            });
        }
        if c == '\n' || c == '\r' {
            break;
        }
        if c == '\\' && !verbatim {
            let (length, problem) = escape(tail, position, json, &mut value);
            problems.extend(problem);
            position += length;
            continue;
        }
        value.push(c);
        position += c.len_utf8();
    }
    Some(Scanned {
        value,
        end: position,
        quote,
        closed: false,
        problems,
    })
}

/// Reads one escape at the start of `tail`, pushes what it means, gives its length in bytes.
fn escape(tail: &str, position: usize, json: bool, value: &mut String) -> (usize, Option<Diagnostic>) {
    let mut chars = tail.chars();
    chars.next();
    let Some(c) = chars.next() else {
        value.push('\\');
        return (1, None);
    };
    let simple = match c {
        '\'' | '"' | '\\' => Some(c),
        'a' => Some('\u{7}'),
        'b' => Some('\u{8}'),
        'f' => Some('\u{c}'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'v' => Some('\u{b}'),
        '/' if json => Some('/'),
        _ => None,
    };
    if let Some(simple) = simple {
        value.push(simple);
        return (2, None);
    }
    let digits = match c {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        '0'..='7' => {
            let octal: String = tail.chars().skip(1).take(3).take_while(|d| matches!(d, '0'..='7')).collect();
            let length = if octal.len() == 3 && c > '3' { 2 } else { octal.len() };
            let number = octal.get(..length).and_then(|o| u32::from_str_radix(o, 8).ok()).unwrap_or_default();
            value.extend(char::from_u32(number));
            return (1 + length, None);
        }
        _ => 0,
    };
    if let Some(code) = hex(tail, 2, digits) {
        if let Some(found) = char::from_u32(code) {
            value.push(found);
            return (2 + digits, None);
        }
        // A pair of surrogates, as JSON writes characters beyond the first plane.
        let low = hex(tail, 8, 4).filter(|low| tail.get(6..8) == Some("\\u") && (0xDC00..0xE000).contains(low));
        if let Some(low) = low.filter(|_| (0xD800..0xDC00).contains(&code)) {
            value.extend(char::from_u32(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)));
            return (12, None);
        }
        value.push(char::REPLACEMENT_CHARACTER);
        return (2 + digits, None);
    }
    value.push('\\');
    value.push(c);
    let span = Span::new(position, position + 1 + c.len_utf8());
    let problem = Diagnostic::error(Code::Syntax, span, format!("`\\{c}` is not an escape of KQL strings"))
        .with_help(format!(
            "write `\\\\{c}`, or put `@` before the opening quote to take backslashes as they are"
        ))
        .with_fix(span, format!("\\\\{c}"));
    (1 + c.len_utf8(), Some(problem))
}

/// `digits` hexadecimal digits of `tail` from `from`.
fn hex(tail: &str, from: usize, digits: usize) -> Option<u32> {
    let text = tail.get(from..from + digits).filter(|t| !t.is_empty())?;
    if !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(text, 16).ok()
}
