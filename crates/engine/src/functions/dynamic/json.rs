//! JSON text as a value: what kind it is, its parts as slices of the text, and how other values become it.
//!
//! The text of a `dynamic` inside a query is valid JSON (see [`normalize`]), so the scanner here may trust it; on text
//! that is not, it ends early instead of failing.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::Value as Tree;

use super::super::call::Datum;
use super::super::{format, parse};

/// What a JSON text is, by its first character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the kinds of JSON")]
pub enum Kind {
    Null,
    Bool,
    Number,
    String,
    Array,
    Object,
}

/// The kind of a JSON text.
pub fn kind(json: &str) -> Kind {
    match json.trim_start().as_bytes().first() {
        Some(b'{') => Kind::Object,
        Some(b'[') => Kind::Array,
        Some(b'"') => Kind::String,
        Some(b't' | b'f') => Kind::Bool,
        Some(b'-' | b'0'..=b'9') => Kind::Number,
        _ => Kind::Null,
    }
}

/// What `gettype()` says of a dynamic.
pub fn type_name(json: &str) -> &'static str {
    match kind(json) {
        Kind::Null => "null",
        Kind::Bool => "bool",
        Kind::Number if is_whole(json) => "long",
        Kind::Number => "double",
        Kind::String => "string",
        Kind::Array => "array",
        Kind::Object => "dictionary",
    }
}

fn is_whole(json: &str) -> bool {
    json.trim().parse::<i64>().is_ok()
}

/// The text inside a JSON string; `None` when it is something else.
pub fn unquote(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.trim().strip_prefix('"')?.strip_suffix('"')?;
    if !inner.contains('\\') {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str::<String>(json.trim()).ok().map(Cow::Owned)
}

/// `tostring(dynamic)`: strings without quotes, null as nothing, everything else as JSON.
pub fn to_text(json: &str, out: &mut String) {
    match kind(json) {
        Kind::Null => {}
        Kind::String => match unquote(json) {
            Some(text) => out.push_str(&text),
            None => out.push_str(json),
        },
        _ => out.push_str(json),
    }
}

/// The same as [`to_text`], borrowed where possible.
pub fn as_text(json: &str) -> Cow<'_, str> {
    match kind(json) {
        Kind::Null => Cow::Borrowed(""),
        Kind::String => unquote(json).unwrap_or(Cow::Borrowed(json)),
        _ => Cow::Borrowed(json),
    }
}

/// Writes a JSON string.
pub fn write_string(text: &str, out: &mut String) {
    out.push('"');
    let mut start = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            8 => "\\b",
            12 => "\\f",
            0..=31 => "",
            _ => continue,
        };
        out.push_str(text.get(start..at).unwrap_or_default());
        if escape.is_empty() {
            let _ = write!(out, "\\u{byte:04x}");
        } else {
            out.push_str(escape);
        }
        start = at + 1;
    }
    out.push_str(text.get(start..).unwrap_or_default());
    out.push('"');
}

/// Writes a number; those JSON does not have become strings, as Kusto does.
pub fn write_real(value: f64, out: &mut String) {
    if value.is_nan() {
        out.push_str("\"NaN\"");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" });
    } else {
        let _ = write!(out, "{value:?}");
    }
}

/// Writes any value as JSON; null as `null`.
pub fn write(value: Datum<'_>, out: &mut String) {
    match value {
        Datum::Null => out.push_str("null"),
        Datum::Bool(v) => out.push_str(if v { "true" } else { "false" }),
        Datum::Int(v) => {
            let _ = write!(out, "{v}");
        }
        Datum::Long(v) => {
            let _ = write!(out, "{v}");
        }
        Datum::Real(v) => write_real(v, out),
        Datum::Decimal(v) => {
            let _ = write!(out, "\"{}\"", format::decimal(v));
        }
        Datum::String(v) | Datum::Guid(v) => write_string(v, out),
        Datum::DateTime(v) => {
            out.push('"');
            format::datetime(v, out);
            out.push('"');
        }
        Datum::TimeSpan(v) => {
            out.push('"');
            format::timespan(v, out);
            out.push('"');
        }
        Datum::Dynamic(v) => out.push_str(v),
    }
}

/// Where the JSON value that begins at `at` ends.
fn end_of_value(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at) {
        Some(b'"') => end_of_string(bytes, at),
        Some(b'{' | b'[') => {
            let mut depth = 0usize;
            let mut i = at;
            while let Some(byte) = bytes.get(i) {
                match byte {
                    b'"' => {
                        i = end_of_string(bytes, i);
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => {
                        depth = depth.saturating_sub(1);
                        if depth == 0 {
                            return i + 1;
                        }
                    }
                    _ => {}
                }
                i += 1;
            }
            bytes.len()
        }
        _ => {
            let rest = bytes.get(at..).unwrap_or_default();
            at + rest
                .iter()
                .position(|b| matches!(b, b',' | b']' | b'}' | b' ' | b'\n' | b'\r' | b'\t'))
                .unwrap_or(rest.len())
        }
    }
}

fn end_of_string(bytes: &[u8], at: usize) -> usize {
    let mut i = at + 1;
    while let Some(byte) = bytes.get(i) {
        match byte {
            b'\\' => i += 2,
            b'"' => return i + 1,
            _ => i += 1,
        }
    }
    bytes.len()
}

fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}

/// The elements of a JSON array, as slices of its text.
pub struct Elements<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let bytes = self.text.as_bytes();
        let start = skip_space(bytes, self.at);
        if start >= bytes.len() || bytes.get(start) == Some(&b']') {
            return None;
        }
        let end = end_of_value(bytes, start);
        self.at = skip_space(bytes, end) + 1;
        (end > start).then(|| self.text.get(start..end)).flatten()
    }
}

/// The elements of an array; `None` when it is something else.
pub fn elements(json: &str) -> Option<Elements<'_>> {
    let text = json.trim_start();
    text.starts_with('[').then_some(Elements { text, at: 1 })
}

/// The members of a JSON object, as slices of its text.
pub struct Members<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Members<'a> {
    type Item = (Cow<'a, str>, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.text.as_bytes();
        let start = skip_space(bytes, self.at);
        if bytes.get(start) != Some(&b'"') {
            return None;
        }
        let key_end = end_of_string(bytes, start);
        let key = unquote(self.text.get(start..key_end)?)?;
        let colon = skip_space(bytes, key_end);
        let value = skip_space(bytes, colon + 1);
        let end = end_of_value(bytes, value);
        self.at = skip_space(bytes, end) + 1;
        Some((key, self.text.get(value..end)?))
    }
}

/// The members of an object; `None` when it is something else.
pub fn members(json: &str) -> Option<Members<'_>> {
    let text = json.trim_start();
    text.starts_with('{').then_some(Members { text, at: 1 })
}

/// `parse_json()`: valid JSON without insignificant space; text that is not JSON is a JSON string of itself. Nothing
/// for `null` and for empty text.
pub fn normalize(text: &str, out: &mut String) -> Option<()> {
    let trimmed = text.trim();
    if trimmed.is_empty() || trimmed == "null" {
        return None;
    }
    match serde_json::from_str::<&serde_json::value::RawValue>(trimmed) {
        Ok(_) => compact(trimmed, out),
        Err(_) => write_string(text, out),
    }
    Some(())
}

/// Copies JSON without the space between its tokens.
fn compact(json: &str, out: &mut String) {
    let bytes = json.as_bytes();
    let mut start = 0;
    let mut i = 0;
    while let Some(byte) = bytes.get(i) {
        match byte {
            b'"' => i = end_of_string(bytes, i),
            b' ' | b'\n' | b'\r' | b'\t' => {
                out.push_str(json.get(start..i).unwrap_or_default());
                i = skip_space(bytes, i);
                start = i;
            }
            _ => i += 1,
        }
    }
    out.push_str(json.get(start..).unwrap_or_default());
}

/// As a tree, where one is needed.
pub fn tree(json: &str) -> Tree {
    serde_json::from_str(json).unwrap_or(Tree::Null)
}

/// A number's value as a whole number (fractions are cut), a string's as `tolong()` reads it.
pub fn to_long(json: &str) -> Option<i64> {
    match kind(json) {
        Kind::Bool => Some(i64::from(json.trim() == "true")),
        Kind::Number => json
            .trim()
            .parse::<i64>()
            .ok()
            .or_else(|| json.trim().parse::<f64>().ok().map(|v| v as i64)),
        Kind::String => parse::long(&unquote(json)?),
        _ => None,
    }
}

/// `toint(dynamic)`
pub fn to_int(json: &str) -> Option<i64> {
    match kind(json) {
        Kind::String => parse::int(&unquote(json)?),
        _ => to_long(json).map(|v| i64::from(v as i32)),
    }
}

/// `toreal(dynamic)`
pub fn to_real(json: &str) -> Option<f64> {
    match kind(json) {
        Kind::Bool => Some(f64::from(u8::from(json.trim() == "true"))),
        Kind::Number => json.trim().parse().ok(),
        Kind::String => parse::real(&unquote(json)?),
        _ => None,
    }
}

/// `tobool(dynamic)`
pub fn to_bool(json: &str) -> Option<bool> {
    match kind(json) {
        Kind::Bool => Some(json.trim() == "true"),
        Kind::Number => json.trim().parse::<f64>().ok().map(|v| v != 0.0),
        Kind::String => parse::bool(&unquote(json)?),
        _ => None,
    }
}

/// The order of array elements when sorted: numbers, then text, then everything else by its JSON.
pub fn compare(a: &str, b: &str) -> std::cmp::Ordering {
    let rank = |kind| match kind {
        Kind::Bool => 0,
        Kind::Number => 1,
        Kind::String => 2,
        _ => 3,
    };
    let (ka, kb) = (kind(a), kind(b));
    match (ka, kb) {
        (Kind::Number, Kind::Number) => match (a.parse::<i64>(), b.parse::<i64>()) {
            (Ok(x), Ok(y)) => x.cmp(&y),
            _ => to_real(a).unwrap_or(0.0).total_cmp(&to_real(b).unwrap_or(0.0)),
        },
        (Kind::String, Kind::String) => as_text(a).cmp(&as_text(b)),
        _ if rank(ka) != rank(kb) => rank(ka).cmp(&rank(kb)),
        _ => a.cmp(b),
    }
}

/// Whether two JSON values are the same value: `1` and `1.0` are, member order does not matter.
pub fn equal(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    match (kind(a), kind(b)) {
        (Kind::Number, Kind::Number) => compare(a, b).is_eq(),
        (Kind::String, Kind::String) => as_text(a) == as_text(b),
        (Kind::Object, Kind::Object) | (Kind::Array, Kind::Array) => tree(a) == tree(b),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_json() {
        for (text, want) in [
            ("null", None),
            ("", None),
            ("not json", Some(r#""not json""#)),
            (" { \"a\" : [ 1, 2 ] , \"b c\":\" x \" } ", Some(r#"{"a":[1,2],"b c":" x "}"#)),
            ("{\"k\":\"3\t\"}", Some(r#""{\"k\":\"3\t\"}""#)),
            ("123", Some("123")),
        ] {
            let mut out = String::new();
            let got = normalize(text, &mut out).map(|()| out.as_str());
            assert_eq!(got, want, "{text}");
        }
    }

    #[test]
    fn parts_are_slices() {
        let json = r#"[1,"a,]",{"x":[1,{"y":"}"}]},null,[]]"#;
        assert_eq!(
            elements(json).unwrap().collect::<Vec<_>>(),
            ["1", "\"a,]\"", r#"{"x":[1,{"y":"}"}]}"#, "null", "[]"]
        );
        assert_eq!(elements("[]").unwrap().count(), 0);
        let object = r#"{"a":1,"b\"c":{"d":[]}}"#;
        let got: Vec<_> = members(object).unwrap().map(|(k, v)| (k.into_owned(), v)).collect();
        assert_eq!(got, [("a".to_owned(), "1"), ("b\"c".to_owned(), r#"{"d":[]}"#)]);
        assert!(members("[1]").is_none());
    }

    #[test]
    fn values_convert() {
        assert_eq!(to_long("1.9"), Some(1));
        assert_eq!(to_int("2147483648"), Some(-2_147_483_648));
        assert_eq!(to_long("\"0x10\""), Some(16));
        assert_eq!(to_long("\"3.14\""), None);
        assert_eq!(to_bool("\"42\""), Some(true));
        assert_eq!(type_name("1.5"), "double");
        assert!(equal("1", "1.0") && equal(r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1}"#) && !equal("\"1\"", "1"));
    }
}
