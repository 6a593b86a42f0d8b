//! Values as text, the way `tostring()` writes them.

use std::fmt::Write as _;

use super::calendar::{self, DAY, HOUR, MINUTE, SECOND};
use super::call::Datum;

/// `2023-01-01T00:00:00.0000000Z`
pub fn datetime(ticks: i64, out: &mut String) {
    let date = calendar::date(ticks);
    let time = ticks.rem_euclid(DAY);
    let _ = write!(
        out,
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:07}Z",
        date.year,
        date.month,
        date.day,
        time / HOUR,
        time % HOUR / MINUTE,
        time % MINUTE / SECOND,
        time % SECOND
    );
}

/// `1.02:03:04.5000000`; days and fraction only when they are not zero
pub fn timespan(ticks: i64, out: &mut String) {
    let magnitude = ticks.unsigned_abs();
    let (day, hour, minute, second) = (DAY as u64, HOUR as u64, MINUTE as u64, SECOND as u64);
    if ticks < 0 {
        out.push('-');
    }
    if magnitude >= day {
        let _ = write!(out, "{}.", magnitude / day);
    }
    let _ = write!(
        out,
        "{:02}:{:02}:{:02}",
        magnitude % day / hour,
        magnitude % hour / minute,
        magnitude % minute / second
    );
    if magnitude % second != 0 {
        let _ = write!(out, ".{:07}", magnitude % second);
    }
}

/// Shortest decimal digits of a finite positive number and the power of ten of the first one.
fn digits(value: f64) -> (String, i32) {
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    (mantissa.replace('.', ""), exponent.parse().unwrap_or(0))
}

/// Kusto prints the largest of the shortest texts that read back as the same number, not the nearest: `0.1 + 0.2` is
/// `0.30000000000000007`. Only numbers of 16 or 17 digits can differ.
fn largest_of_shortest(value: f64, digits: String, exponent: i32) -> String {
    if digits.len() < 16 {
        return digits;
    }
    let Ok(mut number) = digits.parse::<u64>() else {
        return digits;
    };
    let scale = exponent - (digits.len() as i32 - 1);
    while format!("{}e{scale}", number + 1).parse() == Ok(value) && (number + 1).to_string().len() == digits.len() {
        number += 1;
    }
    number.to_string()
}

/// `1.0`, `0.001`, `1e25`, `inf`, `NaN`
pub fn real(value: f64, out: &mut String) {
    if value.is_nan() {
        out.push_str("NaN");
        return;
    }
    if value.is_sign_negative() {
        out.push('-');
    }
    let magnitude = value.abs();
    if magnitude.is_infinite() {
        out.push_str("inf");
        return;
    }
    if magnitude == 0.0 {
        out.push_str("0.0");
        return;
    }
    let (shortest, exponent) = digits(magnitude);
    let shortest = largest_of_shortest(magnitude, shortest, exponent);
    let count = shortest.len() as i32;
    let point = exponent + 1;
    if count <= point && point <= 21 {
        out.push_str(&shortest);
        out.extend(std::iter::repeat_n('0', (point - count) as usize));
        out.push_str(".0");
    } else if 0 < point && point <= 21 {
        out.push_str(&shortest[..point as usize]);
        out.push('.');
        out.push_str(&shortest[point as usize..]);
    } else if -6 < point && point <= 0 {
        out.push_str("0.");
        out.extend(std::iter::repeat_n('0', (-point) as usize));
        out.push_str(&shortest);
    } else {
        out.push_str(&shortest[..1]);
        if count > 1 {
            out.push('.');
            out.push_str(&shortest[1..]);
        }
        let _ = write!(out, "e{exponent}");
    }
}

/// Digits without trailing zeros: `3.5`, `10`
pub fn decimal(value: arrow::datatypes::i256) -> String {
    super::decimal::text(&value.to_string(), super::decimal::SCALE as usize)
}

/// What `tostring()` gives; null is nothing.
pub fn text(value: Datum<'_>, out: &mut String) {
    match value {
        Datum::Null => {}
        Datum::Bool(v) => out.push_str(if v { "True" } else { "False" }),
        Datum::Int(v) => {
            let _ = write!(out, "{v}");
        }
        Datum::Long(v) => {
            let _ = write!(out, "{v}");
        }
        Datum::Real(v) => real(v, out),
        Datum::Decimal(v) => out.push_str(&decimal(v)),
        Datum::String(v) | Datum::Guid(v) => out.push_str(v),
        Datum::DateTime(v) => datetime(v, out),
        Datum::TimeSpan(v) => timespan(v, out),
        Datum::Dynamic(v) => super::dynamic::json::to_text(v, out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reals_are_written_as_kusto_writes_them() {
        for (value, want) in [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (0.1 + 0.2, "0.30000000000000007"),
            (1.0 / 3.0, "0.3333333333333333"),
            (123.456, "123.456"),
            (1e20, "100000000000000000000.0"),
            (1e21, "1e21"),
            (0.000001, "0.000001"),
            (1.5e-7, "1.5e-7"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "NaN"),
        ] {
            let mut out = String::new();
            real(value, &mut out);
            assert_eq!(out, want);
        }
    }

    #[test]
    fn times_are_written_with_ticks() {
        let mut out = String::new();
        timespan(-(DAY + 2 * HOUR + 3 * MINUTE + 4 * SECOND + 5), &mut out);
        assert_eq!(out, "-1.02:03:04.0000005");
        out.clear();
        datetime(calendar::MAX, &mut out);
        assert_eq!(out, "9999-12-31T23:59:59.9999999Z");
    }
}
