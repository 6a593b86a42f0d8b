//! `dynamic(...)`: JSON with Kusto's additions (single quotes, `datetime(...)`, `1h`, ...) → compact JSON.
//!
//! Source: Kusto Query Language reference, "The dynamic data type".

use super::literal::{format_datetime, format_timespan, literal_type, parse_typed, timespan_of_unit};
use super::strings;
use super::token::{continues_name, starts_name};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::types::{Type, Value};

/// As deep as a literal may nest.
const MAX_DEPTH: usize = 200;

/// Reads from the `(` at `open`; gives the value and the end behind `)`.
pub(super) fn scan(text: &str, open: usize) -> Result<(Value, usize, Vec<Diagnostic>), Diagnostic> {
    let mut reader = Reader {
        text,
        at: open + 1,
        out: String::new(),
        problems: Vec::new(),
        open,
    };
    reader.skip();
    if reader.text.get(reader.at..).is_some_and(|t| t.starts_with(')')) {
        return Err(reader.error("`dynamic()` needs a value", "write `dynamic(null)`, `dynamic([])` or `dynamic({})`"));
    }
    reader.value(0)?;
    reader.skip();
    if !reader.eat(')') {
        return Err(match reader.peek() {
            None => reader.unclosed(),
            Some(_) => reader.error("expected `)` behind the JSON value", "`dynamic(...)` holds one JSON value"),
        });
    }
    let value = if reader.out == "null" {
        Value::Null(Type::Dynamic)
    } else {
        Value::Dynamic(reader.out)
    };
    Ok((value, reader.at, reader.problems))
}

/// Writes `value` as a JSON string.
pub fn quote_into(out: &mut String, value: &str) {
    out.push('"');
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if u32::from(c) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    out: String,
    problems: Vec<Diagnostic>,
    open: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn eat(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        if found {
            self.at += c.len_utf8();
        }
        found
    }

    fn skip(&mut self) {
        loop {
            match self.peek() {
                Some(c) if c.is_whitespace() => self.at += c.len_utf8(),
                Some('/') if self.text.get(self.at..).is_some_and(|t| t.starts_with("//")) => {
                    let rest = self.text.get(self.at..).unwrap_or_default();
                    self.at += rest.find('\n').unwrap_or(rest.len());
                }
                _ => return,
            }
        }
    }

    fn error(&self, message: &str, help: &str) -> Diagnostic {
        let length = self.peek().map_or(0, char::len_utf8);
        Diagnostic::error(Code::Syntax, Span::new(self.at, self.at + length), message).with_help(help)
    }

    fn unclosed(&self) -> Diagnostic {
        Diagnostic::error(
            Code::Syntax,
            Span::new(self.open, self.open + 1),
            "this `(` of `dynamic` is never closed",
        )
        .with_help("add `)`")
    }

    fn value(&mut self, depth: usize) -> Result<(), Diagnostic> {
        if depth > MAX_DEPTH {
            return Err(self.error("this JSON value is nested too deeply", "at most 200 levels"));
        }
        self.skip();
        match self.peek() {
            None => Err(self.unclosed()),
            Some('{') => self.object(depth),
            Some('[') => self.array(depth),
            Some(c) if c.is_ascii_digit() || c == '-' || c == '+' => self.number(),
            Some(_) => {
                if self.string()? {
                    return Ok(());
                }
                self.word(depth)
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), Diagnostic> {
        self.eat('{');
        self.out.push('{');
        self.skip();
        if !self.eat('}') {
            loop {
                self.skip();
                if self.peek().is_none() {
                    return Err(self.unclosed());
                }
                if !self.string()? {
                    return Err(self.error("expected a member name in quotes", "write members as `\"name\": value`"));
                }
                self.skip();
                if !self.eat(':') {
                    return Err(self.error("expected `:` behind the member name", "write members as `\"name\": value`"));
                }
                self.out.push(':');
                self.value(depth + 1)?;
                if self.next_or('}')? {
                    break;
                }
            }
        }
        self.out.push('}');
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<(), Diagnostic> {
        self.eat('[');
        self.out.push('[');
        self.skip();
        if !self.eat(']') {
            loop {
                self.value(depth + 1)?;
                if self.next_or(']')? {
                    break;
                }
            }
        }
        self.out.push(']');
        Ok(())
    }

    /// After an element: true at the closing sign, false behind a comma.
    fn next_or(&mut self, close: char) -> Result<bool, Diagnostic> {
        self.skip();
        if self.eat(close) {
            return Ok(true);
        }
        if self.eat(',') {
            self.out.push(',');
            return Ok(false);
        }
        match self.peek() {
            None => Err(self.unclosed()),
            Some(_) => Err(self.error(&format!("expected `,` or `{close}`"), "elements are separated by commas")),
        }
    }

    fn string(&mut self) -> Result<bool, Diagnostic> {
        let Some(first) = strings::scan(self.text, self.at, true) else {
            return Ok(false);
        };
        let mut value = String::new();
        let mut next = Some(first);
        while let Some(part) = next {
            if !part.closed {
                return Err(Diagnostic::error(Code::Syntax, part.quote, "this string is never closed").with_help("add the closing quote"));
            }
            value.push_str(&part.value);
            self.problems.extend(part.problems);
            self.at = part.end;
            self.skip();
            next = strings::scan(self.text, self.at, true);
        }
        quote_into(&mut self.out, &value);
        Ok(true)
    }

    fn number(&mut self) -> Result<(), Diagnostic> {
        let start = self.at;
        let rest = self.text.get(start..).unwrap_or_default();
        let length = rest
            .char_indices()
            .position(|(i, c)| {
                let exponent_sign = matches!(c, '+' | '-') && i > 0 && rest.get(..i).is_some_and(|b| b.ends_with(['e', 'E']));
                !(continues_name(c) || c == '.' || exponent_sign || i == 0)
            })
            .map_or(rest.len(), |n| rest.char_indices().nth(n).map_or(rest.len(), |(i, _)| i));
        let word = rest.get(..length).unwrap_or_default();
        self.at = start + length;
        let (sign, digits) = match word.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None => ("", word.strip_prefix('+').unwrap_or(word)),
        };
        if let Some(json) = json_number(digits) {
            self.out.push_str(sign);
            self.out.push_str(&json);
            return Ok(());
        }
        let unit = digits.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(digits.len());
        let (number, unit) = digits.split_at(unit);
        if let Some(ticks) = timespan_of_unit(number, unit) {
            let ticks = if sign.is_empty() { ticks } else { -ticks };
            quote_into(&mut self.out, &format_timespan(ticks));
            return Ok(());
        }
        let span = Span::new(start, start + length.max(1).min(self.text.len() - start));
        Err(Diagnostic::error(Code::Syntax, span, format!("`{word}` is not a JSON number")))
    }

    fn word(&mut self, depth: usize) -> Result<(), Diagnostic> {
        let start = self.at;
        let rest = self.text.get(start..).unwrap_or_default();
        if !rest.starts_with(starts_name) {
            return Err(self.error(
                "expected a JSON value",
                "`dynamic(...)` holds constants: numbers, strings, `true`, `null`, `[...]`, `{...}`",
            ));
        }
        let length = rest.find(|c: char| !continues_name(c)).unwrap_or(rest.len());
        let word = rest.get(..length).unwrap_or_default();
        let span = Span::new(start, start + length);
        self.at = start + length;
        match word {
            "true" | "True" | "TRUE" => self.out.push_str("true"),
            "false" | "False" | "FALSE" => self.out.push_str("false"),
            "null" => self.out.push_str("null"),
            _ => {
                self.skip();
                let constants = || {
                    Diagnostic::error(Code::Syntax, span, format!("`{word}` is not a constant"))
                        .with_help("`dynamic(...)` holds constants only; build values of columns with `pack_array()` and `bag_pack()`")
                };
                if self.peek() != Some('(') {
                    return Err(constants());
                }
                if word == "dynamic" {
                    self.eat('(');
                    self.value(depth + 1)?;
                    self.skip();
                    return if self.eat(')') { Ok(()) } else { Err(self.unclosed()) };
                }
                let ty = literal_type(word).ok_or_else(constants)?;
                let inside = self.text.get(self.at + 1..).unwrap_or_default();
                let length = inside.find(')').ok_or_else(|| self.unclosed())?;
                let goo = inside.get(..length).unwrap_or_default();
                let end = self.at + 1 + length + 1;
                let value = parse_typed(ty, goo)
                    .ok_or_else(|| Diagnostic::error(Code::Syntax, Span::new(start, end), format!("`{}` is not a {ty}", goo.trim())))?;
                self.at = end;
                self.typed(&value);
            }
        }
        Ok(())
    }

    fn typed(&mut self, value: &Value) {
        match value {
            Value::Null(_) => self.out.push_str("null"),
            Value::Bool(v) => self.out.push_str(&v.to_string()),
            Value::Int(v) => self.out.push_str(&v.to_string()),
            Value::Long(v) => self.out.push_str(&v.to_string()),
            Value::Real(v) if v.is_finite() => self.out.push_str(&format!("{v:?}")),
            Value::Real(v) if v.is_nan() => quote_into(&mut self.out, "NaN"),
            Value::Real(v) => quote_into(&mut self.out, if *v > 0.0 { "Infinity" } else { "-Infinity" }),
            Value::Decimal(v) | Value::String(v) | Value::Guid(v) => quote_into(&mut self.out, v),
            Value::DateTime(v) => quote_into(&mut self.out, &format_datetime(*v)),
            Value::TimeSpan(v) => quote_into(&mut self.out, &format_timespan(*v)),
            Value::Dynamic(v) => self.out.push_str(v),
        }
    }
}

/// `digits` as a JSON number, without sign; `None` when it is none.
fn json_number(digits: &str) -> Option<String> {
    if digits.starts_with("0x") || digits.starts_with("0X") {
        return super::literal::parse_long(digits).map(|v| v.to_string());
    }
    let (mantissa, exponent) = match digits.find(['e', 'E']) {
        Some(at) => digits.split_at(at),
        None => (digits, ""),
    };
    let exponent_digits = exponent.get(1..).unwrap_or_default();
    let exponent_digits = exponent_digits.strip_prefix(['+', '-']).unwrap_or(exponent_digits);
    if !exponent.is_empty() && (exponent_digits.is_empty() || !exponent_digits.bytes().all(|b| b.is_ascii_digit())) {
        return None;
    }
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let plain = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !plain(whole) || !fraction.is_none_or(plain) {
        return None;
    }
    let trimmed = whole.trim_start_matches('0');
    let whole = if trimmed.is_empty() { "0" } else { trimmed };
    Some(match fraction {
        Some("") => format!("{whole}.0{exponent}"),
        Some(fraction) => format!("{whole}.{fraction}{exponent}"),
        None => format!("{whole}{exponent}"),
    })
}
