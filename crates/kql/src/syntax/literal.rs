//! The text inside `datetime(...)`, `timespan(...)`, `guid(...)`, numbers: text → value.
//!
//! Public, because conversions at run time (`todatetime("...")`) accept the same texts.
//! Source: Kusto Query Language reference, "Scalar data types" and the pages of the single types.

pub use super::time::{DAY, SECOND, date_ticks, format_datetime, format_timespan, parse_datetime, parse_timespan, timespan_of_unit};
use crate::types::{Type, Value};

/// A guid with or without hyphens and braces, in lower case with hyphens.
pub fn parse_guid(text: &str) -> Option<String> {
    let text = text.trim();
    let bare = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')).unwrap_or(text);
    let hyphens: Vec<usize> = bare.bytes().enumerate().filter(|(_, b)| *b == b'-').map(|(i, _)| i).collect();
    if !hyphens.is_empty() && hyphens != [8, 13, 18, 23] {
        return None;
    }
    let digits: String = bare.chars().filter(|c| *c != '-').map(|c| c.to_ascii_lowercase()).collect();
    if digits.len() != 32 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    Some(format!(
        "{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    ))
}

/// An integer in decimal or hexadecimal (`0x`), perhaps negative.
pub fn parse_long(text: &str) -> Option<i64> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        if hex.is_empty() || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        // Sixteen digits are the bits of a long: 0xffffffffffffffff is -1.
        let value = u64::from_str_radix(hex, 16).ok()?.cast_signed();
        return Some(if negative { value.wrapping_neg() } else { value });
    }
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let value: i128 = digits.parse().ok()?;
    i64::try_from(if negative { -value } else { value }).ok()
}

/// A real: digits, exponent, `nan`, `inf`, each perhaps signed.
pub fn parse_real(text: &str) -> Option<f64> {
    let text = text.trim();
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    match unsigned.to_ascii_lowercase().as_str() {
        "nan" => return Some(f64::NAN),
        "inf" | "infinity" => return Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY }),
        _ => {}
    }
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    text.parse().ok()
}

/// A decimal, exponent resolved: `-?digits(.digits)?`.
pub fn parse_decimal(text: &str) -> Option<String> {
    let text = text.trim();
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(unsigned) => ("-", unsigned),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok().filter(|e| e.abs() <= 100)?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut digits = format!("{whole}{fraction}");
    let mut point = i64::try_from(whole.len()).ok()? + exponent;
    while point < 0 {
        digits.insert(0, '0');
        point += 1;
    }
    let mut point = usize::try_from(point).ok()?;
    while digits.len() < point {
        digits.push('0');
    }
    let zeros = digits.get(..point)?.bytes().take_while(|b| *b == b'0').count();
    digits.replace_range(..zeros, "");
    point -= zeros;
    let (whole, fraction) = digits.split_at(point);
    let whole = if whole.is_empty() { "0" } else { whole };
    Some(if fraction.is_empty() {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{fraction}")
    })
}

/// The type a literal such as `datetime(...)` has; `None` for words that make none. `dynamic` is read elsewhere.
pub(super) fn literal_type(word: &str) -> Option<Type> {
    Some(match word {
        "bool" | "boolean" => Type::Bool,
        "int" | "int32" => Type::Int,
        "long" | "int64" => Type::Long,
        "real" | "double" => Type::Real,
        "decimal" => Type::Decimal,
        "datetime" => Type::DateTime,
        "timespan" | "time" => Type::TimeSpan,
        "guid" | "uuid" | "uniqueid" => Type::Guid,
        _ => return None,
    })
}

/// The value of `type(text)`; `None` when the text is none of that type.
pub fn parse_typed(ty: Type, text: &str) -> Option<Value> {
    let text = text.trim();
    let unquoted = ['"', '\'']
        .iter()
        .find_map(|q| text.strip_prefix(*q).and_then(|t| t.strip_suffix(*q)));
    let text = unquoted.unwrap_or(text).trim();
    if text == "null" {
        return Some(Value::Null(ty));
    }
    Some(match ty {
        Type::Bool => match text.to_ascii_lowercase().as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            number => Value::Bool(parse_long(number)? != 0),
        },
        Type::Int => Value::Int(i32::try_from(parse_long(text)?).ok()?),
        Type::Long => Value::Long(parse_long(text)?),
        Type::Real => Value::Real(parse_real(text)?),
        Type::Decimal => Value::Decimal(parse_decimal(text)?),
        Type::DateTime => Value::DateTime(parse_datetime(text)?),
        Type::TimeSpan => Value::TimeSpan(parse_timespan(text)?),
        Type::Guid => Value::Guid(parse_guid(text)?),
        Type::String | Type::Dynamic => return None,
    })
}
