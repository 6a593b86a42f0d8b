//! Functions over numbers, bits, and bins.
//!
//! Source: Kusto Query Language reference, "Mathematical functions", "Bitwise functions", "Rounding functions".

use arrow::array::ArrayRef;
use datafusion::common::Result;
use taffrail_kql::catalog::{Argument, ArgumentError, Param, Resolved};
use taffrail_kql::types::Type;

use super::call::{Call, Datum};
use super::declare::{Scalar, custom, kernel, optional, plain, volatile};
use super::{calendar, decimal, format};

use Param::{Any, Integer, Is, Number};

const REAL: Param = Is(Type::Real);
const ONE: &[Param] = &[REAL];
const TWO: &[Param] = &[REAL, REAL];
const LONG1: &[Param] = &[Integer];
const LONG2: &[Param] = &[Integer, Integer];

/// This file's functions.
pub static FUNCTIONS: &[Scalar] = &[
    kernel(
        "bin",
        "bin(value, size) → value",
        "The greatest multiple of the size that is not greater than the value.",
        custom(bin_types),
        bin,
    )
    .alias(&["floor"])
    .named_by_argument(),
    kernel(
        "bin_at",
        "bin_at(value, size, fixed) → value",
        "As bin(), with bins that start at a fixed point.",
        custom(bin_at_types),
        bin_at,
    )
    .named_by_argument(),
    kernel(
        "ceiling",
        "ceiling(number) → number",
        "The least whole number that is not less.",
        custom(same_number),
        ceiling,
    )
    .named_by_argument(),
    kernel(
        "round",
        "round(number, precision = 0) → number",
        "Rounded to a number of digits, halves away from zero.",
        custom(round_types),
        round,
    ),
    kernel("abs", "abs(number) → number", "Without its sign.", custom(abs_types), abs),
    kernel("sign", "sign(number) → real", "-1, 0 or 1.", plain(ONE, Type::Real), |c| {
        real(c, |v| {
            if v > 0.0 {
                1.0
            } else if v < 0.0 {
                -1.0
            } else {
                0.0
            }
        })
    }),
    kernel("sqrt", "sqrt(number) → real", "Square root.", plain(ONE, Type::Real), |c| {
        real(c, f64::sqrt)
    }),
    kernel(
        "exp",
        "exp(number) → real",
        "e to the power of the number.",
        plain(ONE, Type::Real),
        |c| real(c, f64::exp),
    ),
    kernel(
        "exp2",
        "exp2(number) → real",
        "2 to the power of the number.",
        plain(ONE, Type::Real),
        |c| real(c, f64::exp2),
    ),
    kernel(
        "exp10",
        "exp10(number) → real",
        "10 to the power of the number.",
        plain(ONE, Type::Real),
        |c| real(c, |v| 10f64.powf(v)),
    ),
    kernel(
        "log",
        "log(number) → real",
        "Natural logarithm; null of negative numbers.",
        plain(ONE, Type::Real),
        |c| logarithm(c, f64::ln),
    ),
    kernel(
        "log2",
        "log2(number) → real",
        "Logarithm to base 2; null of negative numbers.",
        plain(ONE, Type::Real),
        |c| logarithm(c, f64::log2),
    ),
    kernel(
        "log10",
        "log10(number) → real",
        "Logarithm to base 10; null of negative numbers.",
        plain(ONE, Type::Real),
        |c| logarithm(c, f64::log10),
    ),
    kernel(
        "pow",
        "pow(base, exponent) → real",
        "One number to the power of another.",
        plain(TWO, Type::Real),
        |c| real2(c, f64::powf),
    ),
    kernel("sin", "sin(number) → real", "Sine.", plain(ONE, Type::Real), |c| {
        real(c, f64::sin)
    }),
    kernel("cos", "cos(number) → real", "Cosine.", plain(ONE, Type::Real), |c| {
        real(c, f64::cos)
    }),
    kernel("tan", "tan(number) → real", "Tangent.", plain(ONE, Type::Real), |c| {
        real(c, f64::tan)
    }),
    kernel("cot", "cot(number) → real", "Cotangent.", plain(ONE, Type::Real), |c| {
        real(c, |v| 1.0 / v.tan())
    }),
    kernel("asin", "asin(number) → real", "Angle of a sine.", plain(ONE, Type::Real), |c| {
        real(c, f64::asin)
    }),
    kernel("acos", "acos(number) → real", "Angle of a cosine.", plain(ONE, Type::Real), |c| {
        real(c, f64::acos)
    }),
    kernel(
        "atan",
        "atan(number) → real",
        "Angle of a tangent.",
        plain(ONE, Type::Real),
        |c| real(c, f64::atan),
    ),
    kernel("atan2", "atan2(y, x) → real", "Angle of a point.", plain(TWO, Type::Real), |c| {
        real2(c, f64::atan2)
    }),
    kernel(
        "degrees",
        "degrees(radians) → real",
        "An angle in degrees.",
        plain(ONE, Type::Real),
        |c| real(c, f64::to_degrees),
    ),
    kernel(
        "radians",
        "radians(degrees) → real",
        "An angle in radians.",
        plain(ONE, Type::Real),
        |c| real(c, f64::to_radians),
    ),
    kernel("pi", "pi() → real", "π.", plain(&[], Type::Real), |c| {
        c.reals(|_| Some(std::f64::consts::PI))
    }),
    kernel("gamma", "gamma(number) → real", "Gamma function.", plain(ONE, Type::Real), |c| {
        real(c, gamma)
    }),
    kernel(
        "loggamma",
        "loggamma(number) → real",
        "Logarithm of the absolute gamma function.",
        plain(ONE, Type::Real),
        |c| real(c, log_gamma),
    ),
    kernel("erf", "erf(number) → real", "Error function.", plain(ONE, Type::Real), |c| {
        real(c, |v| 1.0 - erfc(v))
    }),
    kernel(
        "erfc",
        "erfc(number) → real",
        "Complementary error function.",
        plain(ONE, Type::Real),
        |c| real(c, erfc),
    ),
    kernel(
        "isnan",
        "isnan(number) → bool",
        "Whether it is not a number.",
        plain(ONE, Type::Bool),
        |c| test(c, f64::is_nan),
    ),
    kernel(
        "isinf",
        "isinf(number) → bool",
        "Whether it is infinite.",
        plain(ONE, Type::Bool),
        |c| test(c, f64::is_infinite),
    ),
    kernel(
        "isfinite",
        "isfinite(number) → bool",
        "Whether it is neither infinite nor NaN.",
        plain(ONE, Type::Bool),
        |c| test(c, f64::is_finite),
    ),
    kernel(
        "binary_and",
        "binary_and(a, b) → long",
        "Bits that are in both.",
        plain(LONG2, Type::Long),
        |c| long2(c, |a, b| Some(a & b)),
    ),
    kernel(
        "binary_or",
        "binary_or(a, b) → long",
        "Bits that are in either.",
        plain(LONG2, Type::Long),
        |c| long2(c, |a, b| Some(a | b)),
    ),
    kernel(
        "binary_xor",
        "binary_xor(a, b) → long",
        "Bits that are in one of them.",
        plain(LONG2, Type::Long),
        |c| long2(c, |a, b| Some(a ^ b)),
    ),
    kernel(
        "binary_not",
        "binary_not(a) → long",
        "All bits the other way.",
        plain(LONG1, Type::Long),
        |c| {
            let a = c.long(0)?;
            c.longs(|i| a.get(i).map(|v| !v))
        },
    ),
    kernel(
        "binary_shift_left",
        "binary_shift_left(a, bits) → long",
        "Bits to the left.",
        plain(LONG2, Type::Long),
        |c| long2(c, |a, b| (b >= 0).then(|| a.wrapping_shl((b % 64) as u32))),
    ),
    kernel(
        "binary_shift_right",
        "binary_shift_right(a, bits) → long",
        "Bits to the right.",
        plain(LONG2, Type::Long),
        |c| long2(c, |a, b| (b >= 0).then(|| a.wrapping_shr((b % 64) as u32))),
    ),
    kernel(
        "bitset_count_ones",
        "bitset_count_ones(a) → long",
        "How many bits are set.",
        plain(LONG1, Type::Long),
        |c| {
            let a = c.long(0)?;
            c.longs(|i| a.get(i).map(|v| i64::from(v.count_ones())))
        },
    ),
    volatile(
        "rand",
        "rand(n) → real",
        "A random number from 0 to 1, or a whole one below n.",
        optional(&[], &[Integer], Type::Real),
        rand,
    ),
    volatile("new_guid", "new_guid() → guid", "A random guid.", plain(&[], Type::Guid), new_guid),
    kernel(
        "format_bytes",
        "format_bytes(value, precision = 0, units, base = 1024) → string",
        "A number of bytes for people.",
        optional(&[Number], &[Integer, Is(Type::String), Integer], Type::String),
        format_bytes,
    ),
    kernel("$negate", "-value", "With the other sign.", plain(&[Any], Type::Real), negate).hidden(),
];

fn real(c: &Call<'_>, f: impl Fn(f64) -> f64) -> Result<ArrayRef> {
    let value = c.real(0)?;
    c.reals(|i| value.get(i).map(&f))
}

fn real2(c: &Call<'_>, f: impl Fn(f64, f64) -> f64) -> Result<ArrayRef> {
    let (a, b) = (c.real(0)?, c.real(1)?);
    c.reals(|i| Some(f(a.get(i)?, b.get(i)?)))
}

fn long2(c: &Call<'_>, f: impl Fn(i64, i64) -> Option<i64>) -> Result<ArrayRef> {
    let (a, b) = (c.long(0)?, c.long(1)?);
    c.longs(|i| f(a.get(i)?, b.get(i)?))
}

fn test(c: &Call<'_>, f: impl Fn(f64) -> bool) -> Result<ArrayRef> {
    let value = c.real(0)?;
    c.bools(|i| Some(value.get(i).is_some_and(&f)))
}

fn logarithm(c: &Call<'_>, f: impl Fn(f64) -> f64) -> Result<ArrayRef> {
    let value = c.real(0)?;
    c.reals(|i| value.get(i).filter(|v| v.is_nan() || *v >= 0.0).map(&f))
}

fn error(argument: usize, message: impl Into<String>) -> ArgumentError {
    ArgumentError {
        argument: Some(argument),
        message: message.into(),
    }
}

fn wrong_count(message: &str) -> ArgumentError {
    ArgumentError {
        argument: None,
        message: message.to_owned(),
    }
}

/// Types of a value and the size of its bins.
fn bin_pair(value: Type, size: Type) -> std::result::Result<(Type, Type), ArgumentError> {
    use Type::{DateTime, Decimal, Dynamic, Int, Long, Real, TimeSpan};
    let whole = |ty| matches!(ty, Int | Long);
    match (value, size) {
        (DateTime, TimeSpan | Dynamic) => Ok((DateTime, TimeSpan)),
        (TimeSpan, TimeSpan | Dynamic) => Ok((TimeSpan, TimeSpan)),
        (Int, Int) => Ok((Int, Int)),
        (a, b) if whole(a) && whole(b) => Ok((Long, Long)),
        (Decimal, b) if b.is_numeric() => Ok((Decimal, Decimal)),
        (a, Decimal) if a.is_numeric() => Ok((Decimal, Decimal)),
        (a, b) if a.is_numeric() && b.is_numeric() => Ok((Real, Real)),
        (Dynamic, TimeSpan) => Ok((DateTime, TimeSpan)),
        (Dynamic, b) if whole(b) => Ok((Long, Long)),
        (Dynamic, b) if b.is_numeric() => Ok((Real, Real)),
        (a, b) => Err(error(1, format!("values of type {a} have no bins of type {b}"))),
    }
}

fn bin_types(args: &[Argument<'_>]) -> std::result::Result<Resolved, ArgumentError> {
    match args {
        [value] if value.ty.is_numeric() => Ok(Resolved::one(vec![value.ty], value.ty)),
        [value, size] => {
            let (value, size) = bin_pair(value.ty, size.ty)?;
            // Bins of an int are long, as in Kusto.
            match value {
                Type::Int => Ok(Resolved::one(vec![Type::Long, Type::Long], Type::Long)),
                value => Ok(Resolved::one(vec![value, size], value)),
            }
        }
        _ => Err(wrong_count("expected a value and the size of the bins")),
    }
}

fn bin_at_types(args: &[Argument<'_>]) -> std::result::Result<Resolved, ArgumentError> {
    match args {
        [value, size, fixed] => {
            let (value, size) = bin_pair(value.ty, size.ty)?;
            let value = match (value, fixed.ty) {
                (Type::Int, _) => Type::Long,
                (Type::Long, Type::Real) => Type::Real,
                (value, _) => value,
            };
            let size = if value == Type::DateTime || value == Type::TimeSpan {
                size
            } else {
                value
            };
            Ok(Resolved::one(vec![value, size, value], value))
        }
        _ => Err(wrong_count("expected a value, the size of the bins and a fixed point")),
    }
}

fn bin(c: &Call<'_>) -> Result<ArrayRef> {
    binned(c, false)
}

fn bin_at(c: &Call<'_>) -> Result<ArrayRef> {
    binned(c, true)
}

fn binned(c: &Call<'_>, fixed: bool) -> Result<ArrayRef> {
    match c.returns {
        Type::Real => {
            let value = c.real(0)?;
            let size = if c.count() > 1 { Some(c.real(1)?) } else { None };
            let fixed = if fixed { Some(c.real(2)?) } else { None };
            c.reals(|i| {
                let size = size.map_or(Some(1.0), |size| size.get(i)).filter(|size| *size > 0.0)?;
                let fixed = fixed.map_or(Some(0.0), |fixed| fixed.get(i))?;
                Some(((value.get(i)? - fixed) / size).floor() * size + fixed)
            })
        }
        Type::Decimal => {
            let value = c.value(0)?;
            let size = if c.count() > 1 { Some(c.value(1)?) } else { None };
            let fixed = if fixed { Some(c.value(2)?) } else { None };
            c.decimals(|i| {
                let size = size
                    .map_or(Some(decimal::ONE), |size| size.decimal(i))
                    .filter(|size| *size > decimal::ZERO)?;
                let fixed = fixed.map_or(Some(decimal::ZERO), |fixed| fixed.decimal(i))?;
                let above = value.decimal(i)?.checked_sub(fixed)?;
                above.checked_sub(decimal::remainder(above, size)?)?.checked_add(fixed)
            })
        }
        returns => {
            let value = c.long(0)?;
            let size = c.optional_long(1, 1)?;
            let fixed = if fixed { Some(c.long(2)?) } else { None };
            c.longs(|i| {
                let size = size.get(i).filter(|size| *size > 0)?;
                let fixed = fixed.map_or(Some(0), |fixed| fixed.get(i))?;
                // Sixteen bytes are slow to divide; nearly everything fits into eight.
                if let (0, Some(value @ 0..)) = (fixed, value.get(i)) {
                    let start = value - value % size;
                    return if returns == Type::DateTime {
                        calendar::checked(start)
                    } else {
                        Some(start)
                    };
                }
                let above = i128::from(value.get(i)?) - i128::from(fixed);
                let start = above - above.rem_euclid(i128::from(size)) + i128::from(fixed);
                let start = i64::try_from(start).ok()?;
                if returns == Type::DateTime {
                    calendar::checked(start)
                } else {
                    Some(start)
                }
            })
        }
    }
}

fn same_number(args: &[Argument<'_>]) -> std::result::Result<Resolved, ArgumentError> {
    match args {
        [value] if value.ty.is_numeric() => Ok(Resolved::one(vec![value.ty], value.ty)),
        [value] if value.ty == Type::Dynamic => Ok(Resolved::one(vec![Type::Real], Type::Real)),
        [value] => Err(error(0, format!("expected a number, got {}", value.ty))),
        _ => Err(wrong_count("expected one number")),
    }
}

fn abs_types(args: &[Argument<'_>]) -> std::result::Result<Resolved, ArgumentError> {
    match args {
        [value] => match value.ty {
            Type::Int => Ok(Resolved::one(vec![Type::Long], Type::Long)),
            Type::TimeSpan => Ok(Resolved::one(vec![Type::TimeSpan], Type::TimeSpan)),
            _ => same_number(args),
        },
        _ => Err(wrong_count("expected one number")),
    }
}

fn ceiling(c: &Call<'_>) -> Result<ArrayRef> {
    match c.returns {
        Type::Real => real(c, f64::ceil),
        Type::Decimal => {
            let value = c.value(0)?;
            c.decimals(|i| {
                let value = value.decimal(i)?;
                let above = decimal::remainder(value, decimal::ONE)?;
                if above == decimal::ZERO {
                    return Some(value);
                }
                value.checked_add(decimal::ONE.checked_sub(above)?)
            })
        }
        _ => {
            let value = c.long(0)?;
            c.longs(|i| value.get(i))
        }
    }
}

fn abs(c: &Call<'_>) -> Result<ArrayRef> {
    match c.returns {
        Type::Real => real(c, f64::abs),
        Type::Decimal => {
            let value = c.value(0)?;
            c.decimals(|i| value.decimal(i).map(|v| v.wrapping_abs()))
        }
        _ => {
            let value = c.long(0)?;
            c.longs(|i| value.get(i).map(i64::wrapping_abs))
        }
    }
}

fn negate(c: &Call<'_>) -> Result<ArrayRef> {
    match c.returns {
        Type::Real => real(c, |v| -v),
        Type::Decimal => {
            let value = c.value(0)?;
            c.decimals(|i| value.decimal(i).map(|v| v.wrapping_neg()))
        }
        _ => {
            let value = c.long(0)?;
            c.longs(|i| value.get(i).map(i64::wrapping_neg))
        }
    }
}

fn round_half_away(value: f64, digits: i64) -> f64 {
    if !value.is_finite() || digits.abs() > 300 {
        return value;
    }
    let scale = 10f64.powi(digits.abs() as i32);
    let scaled = if digits >= 0 { value * scale } else { value / scale };
    // Beyond 2^52 there are no fractions left to round.
    if scaled.abs() >= 4_503_599_627_370_496.0 {
        return value;
    }
    if digits >= 0 {
        scaled.round() / scale
    } else {
        scaled.round() * scale
    }
}

fn round_types(args: &[Argument<'_>]) -> std::result::Result<Resolved, ArgumentError> {
    let (Some(value), 1..=2) = (args.first(), args.len()) else {
        return Err(wrong_count("expected a number and perhaps a precision"));
    };
    let Resolved { mut params, returns } = same_number(std::slice::from_ref(value))?;
    if let Some(digits) = args.get(1) {
        if !matches!(digits.ty, Type::Int | Type::Long | Type::Dynamic) {
            return Err(error(1, format!("expected a whole number, got {}", digits.ty)));
        }
        params.push(Type::Long);
    }
    Ok(Resolved { params, returns })
}

/// Whole numbers have no fraction, but digits in front of the point may be rounded too.
fn round_whole(value: i64, digits: i64) -> i64 {
    let Some(unit) = u32::try_from(-digits).ok().and_then(|digits| 10i128.checked_pow(digits)) else {
        return value;
    };
    let value = i128::from(value);
    let half = if value < 0 { -(unit / 2) } else { unit / 2 };
    i64::try_from((value + half) / unit * unit).unwrap_or_default()
}

fn round(c: &Call<'_>) -> Result<ArrayRef> {
    let digits = c.optional_long(1, 0)?;
    match c.returns {
        Type::Int | Type::Long => {
            let value = c.long(0)?;
            c.longs(|i| Some(round_whole(value.get(i)?, digits.get(i)?)))
        }
        Type::Decimal => {
            let value = c.value(0)?;
            c.decimals(|i| decimal::round(value.decimal(i)?, digits.get(i)?))
        }
        _ => {
            let value = c.real(0)?;
            c.reals(|i| Some(round_half_away(value.get(i)?, digits.get(i)?)))
        }
    }
}

/// Lanczos' approximation, g = 7, n = 9.
const LANCZOS: [f64; 9] = [
    0.999_999_999_999_809_9,
    676.520_368_121_885_1,
    -1_259.139_216_722_402_8,
    771.323_428_777_653_1,
    -176.615_029_162_140_6,
    12.507_343_278_686_905,
    -0.138_571_095_265_720_12,
    9.984_369_578_019_572e-6,
    1.505_632_735_149_311_6e-7,
];

pub(super) fn log_gamma(x: f64) -> f64 {
    if x < 0.5 {
        let pi = std::f64::consts::PI;
        return (pi / (pi * x).sin().abs()).ln() - log_gamma(1.0 - x);
    }
    let x = x - 1.0;
    let mut sum = LANCZOS.first().copied().unwrap_or(1.0);
    for (i, coefficient) in LANCZOS.iter().enumerate().skip(1) {
        sum += coefficient / (x + i as f64);
    }
    let t = x + 7.5;
    0.5 * (2.0 * std::f64::consts::PI).ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

fn gamma(x: f64) -> f64 {
    if x <= 0.0 && x == x.floor() {
        return f64::NAN;
    }
    let magnitude = log_gamma(x).exp();
    if x < 0.0 && (x.floor() as i64) % 2 != 0 {
        -magnitude
    } else {
        magnitude
    }
}

/// By its series near zero and its continued fraction further out.
fn erfc(x: f64) -> f64 {
    let z = x.abs();
    let value = if z < 2.5 {
        let mut term = z;
        let mut sum = z;
        for n in 1..200 {
            term *= -z * z / f64::from(n);
            let add = term / f64::from(2 * n + 1);
            sum += add;
            if add.abs() < 1e-17 * sum.abs() {
                break;
            }
        }
        1.0 - sum * 2.0 / std::f64::consts::PI.sqrt()
    } else {
        let mut fraction = 0.0;
        for n in (1..=60).rev() {
            fraction = f64::from(n) / 2.0 / (z + fraction);
        }
        (-z * z).exp() / std::f64::consts::PI.sqrt() / (z + fraction)
    };
    if x < 0.0 { 2.0 - value } else { value }
}

fn rand(c: &Call<'_>) -> Result<ArrayRef> {
    let limit = if c.count() > 0 { Some(c.long(0)?) } else { None };
    // Fifty-three random bits of a version 4 uuid.
    let fraction = || (uuid::Uuid::new_v4().as_u128() >> 75) as u64 as f64 / (1u64 << 53) as f64;
    c.reals(|i| match limit {
        Some(limit) => {
            let limit = limit.get(i)?;
            Some(if limit > 1 {
                (fraction() * limit as f64).floor()
            } else {
                fraction()
            })
        }
        None => Some(fraction()),
    })
}

fn new_guid(c: &Call<'_>) -> Result<ArrayRef> {
    c.texts(|_, out| {
        out.push_str(&uuid::Uuid::new_v4().hyphenated().to_string());
        Some(())
    })
}

fn format_bytes(c: &Call<'_>) -> Result<ArrayRef> {
    const UNITS: [&str; 7] = ["Bytes", "KB", "MB", "GB", "TB", "PB", "EB"];
    let (value, digits) = (c.value(0)?, c.optional_long(1, 0)?);
    let (units, base) = (c.optional_text(2, "")?, c.optional_long(3, 1024)?);
    c.texts(|i, out| {
        let value = match value.get(i) {
            Datum::Int(v) => f64::from(v),
            Datum::Long(v) => v as f64,
            Datum::Real(v) => v,
            Datum::Decimal(v) => decimal::to_real(v),
            _ => return None,
        };
        let base = base.get(i)? as f64;
        let wanted = units.get(i)?;
        let mut unit = UNITS.iter().position(|u| u.eq_ignore_ascii_case(wanted));
        let mut scaled = value;
        match unit {
            Some(steps) => scaled /= base.powi(steps as i32),
            None => {
                let mut steps = 0;
                while scaled.abs() >= base && steps + 1 < UNITS.len() {
                    scaled /= base;
                    steps += 1;
                }
                unit = Some(steps);
            }
        }
        let rounded = round_half_away(scaled, digits.get(i)?);
        let mut text = String::new();
        format::real(rounded, &mut text);
        out.push_str(text.strip_suffix(".0").unwrap_or(&text));
        out.push(' ');
        out.push_str(UNITS.get(unit?)?);
        Some(())
    })
}
