//! Decimals as they are in a query: whole numbers of 10^-34, which holds the 34 significant digits of Kusto's `decimal`
//! and whole numbers of up to 42 digits.
//!
//! Source: Kusto Query Language reference, "The decimal data type".

use arrow::datatypes::i256;

/// Fraction digits of `decimal` in its query form.
pub const SCALE: i8 = 34;
/// Digits of `decimal` in its query form.
pub const PRECISION: u8 = 76;
/// Significant digits of a result.
const SIGNIFICANT: usize = 34;
/// One, as a `decimal`.
pub const ONE: i256 = i256::from_i128(10i128.pow(34));
/// Zero.
pub const ZERO: i256 = i256::ZERO;

/// A whole number.
pub fn whole(value: i64) -> i256 {
    i256::from_i128(i128::from(value)).wrapping_mul(ONE)
}

/// Without its fraction, when that is a `long`.
pub fn to_long(value: i256) -> Option<i64> {
    value.checked_div(ONE)?.to_i128().and_then(|whole| i64::try_from(whole).ok())
}

/// A power of ten.
fn power(exponent: usize) -> Option<i256> {
    i256::from_i128(10).checked_pow(u32::try_from(exponent).ok()?)
}

/// What fits; `None` when there are more digits than a decimal has.
pub fn checked(value: i256) -> Option<i256> {
    (digits(value) <= usize::from(PRECISION)).then_some(value)
}

fn digits(value: i256) -> usize {
    value.to_string().trim_start_matches('-').len()
}

/// Rounded to the digits that count, halves away from zero.
fn rounded(value: i256) -> Option<i256> {
    let excess = digits(value).saturating_sub(SIGNIFICANT);
    if excess == 0 {
        return Some(value);
    }
    to_multiple(value, power(excess)?)
}

/// Rounded to so many digits behind the point, halves away from zero.
pub fn round(value: i256, digits: i64) -> Option<i256> {
    match usize::try_from(i64::from(SCALE).checked_sub(digits)?) {
        Ok(exponent) if exponent > usize::from(PRECISION) => Some(ZERO),
        Ok(exponent) => to_multiple(value, power(exponent)?),
        Err(_) => Some(value),
    }
}

fn to_multiple(value: i256, unit: i256) -> Option<i256> {
    let half = unit.checked_div(i256::from_i128(2))?;
    let half = if value < ZERO { half.wrapping_neg() } else { half };
    let scaled = value.checked_add(half)?.checked_div(unit)?.checked_mul(unit)?;
    checked(scaled)
}

/// What is left of a division, never negative.
pub fn remainder(a: i256, b: i256) -> Option<i256> {
    let rest = a.checked_rem(b)?;
    if rest < ZERO {
        rest.checked_add(b.wrapping_abs())
    } else {
        Some(rest)
    }
}

/// A product: the whole part of one times the other is exact, so only the fractions are cut.
pub fn multiply(a: i256, b: i256) -> Option<i256> {
    let (whole_a, part_a) = (a.checked_div(ONE)?, a.checked_rem(ONE)?);
    let (whole_b, part_b) = (b.checked_div(ONE)?, b.checked_rem(ONE)?);
    let parts = part_a.checked_mul(part_b)?.checked_div(ONE)?;
    let crossed = part_a.checked_mul(whole_b)?.checked_add(parts)?;
    rounded(whole_a.checked_mul(b)?.checked_add(crossed)?)
}

/// A quotient: its whole part, then digit by digit.
pub fn divide(a: i256, b: i256) -> Option<i256> {
    if b == ZERO {
        return None;
    }
    let negative = (a < ZERO) != (b < ZERO);
    let (a, b) = (a.wrapping_abs(), b.wrapping_abs());
    let mut quotient = a.checked_div(b)?;
    let mut rest = a.checked_rem(b)?;
    let ten = i256::from_i128(10);
    for _ in 0..SCALE {
        rest = rest.checked_mul(ten)?;
        quotient = quotient.checked_mul(ten)?.checked_add(rest.checked_div(b)?)?;
        rest = rest.checked_rem(b)?;
    }
    rounded(if negative { quotient.wrapping_neg() } else { quotient })
}

/// `todecimal("1.5")`: digits that do not fit behind the point are cut.
pub fn parse(text: &str) -> Option<i256> {
    let text = text.trim();
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (text.get(..at)?, text.get(at + 1..)?.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, digits) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let ten = i256::from_i128(10);
    let mut value = ZERO;
    let mut scale = i32::from(SCALE)
        .checked_add(exponent)?
        .checked_sub(i32::try_from(fraction.len()).ok()?)?;
    for digit in whole.bytes().chain(fraction.bytes()) {
        let next = value
            .checked_mul(ten)
            .and_then(|v| v.checked_add(i256::from_i128(i128::from(digit - b'0'))));
        match next {
            Some(next) => value = next,
            // Only the fraction may lose digits.
            None if scale < 0 => scale += 1,
            None => return None,
        }
    }
    if value == ZERO {
        return Some(ZERO);
    }
    while scale > 0 {
        value = value.checked_mul(ten)?;
        scale -= 1;
    }
    while scale < 0 && value != ZERO {
        value = value.checked_div(ten)?;
        scale += 1;
    }
    checked(if negative { value.wrapping_neg() } else { value })
}

/// Digits of a whole number of 10^-scale, without zeros at the end.
pub fn text(value: &str, scale: usize) -> String {
    let (sign, digits) = match value.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", value),
    };
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    match fraction.trim_end_matches('0') {
        "" => format!("{sign}{whole}"),
        fraction => format!("{sign}{whole}.{fraction}"),
    }
}

/// The nearest `real`.
pub fn to_real(value: i256) -> f64 {
    text(&value.to_string(), SCALE as usize).parse().unwrap_or(f64::NAN)
}

/// The `decimal` with the digits that the shortest form of the `real` shows; `None` when it has none or does not fit.
pub fn of_real(value: f64) -> Option<i256> {
    value.is_finite().then(|| parse(&format!("{value:e}")))?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn computed(op: fn(i256, i256) -> Option<i256>, a: &str, b: &str) -> String {
        op(parse(a).unwrap(), parse(b).unwrap()).map_or_else(|| "none".to_owned(), |v| text(&v.to_string(), 34))
    }

    #[test]
    fn results_have_34_significant_digits() {
        assert_eq!(computed(divide, "1", "3"), "0.3333333333333333333333333333333333");
        assert_eq!(computed(divide, "-20", "3"), "-6.666666666666666666666666666666667");
        assert_eq!(computed(divide, "1", "0"), "none");
        assert_eq!(computed(multiply, "1000000000000000000000", "1.5"), "1500000000000000000000");
        assert_eq!(computed(multiply, "-0.1", "0.2"), "-0.02");
        assert_eq!(
            computed(multiply, "123456789.123456789", "1000000000.5"),
            "123456789185185183.5617283945"
        );
        assert_eq!(parse("1e-3").map(|v| text(&v.to_string(), 34)).as_deref(), Some("0.001"));
        assert_eq!(of_real(0.1), parse("0.1"));
        assert_eq!(round(parse("-1.25").unwrap(), 1), parse("-1.3"));
        assert_eq!(remainder(parse("-7").unwrap(), parse("3").unwrap()), parse("2"));
    }
}
