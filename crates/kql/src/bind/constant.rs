//! Arithmetic over constants, so that `1h * 2` is as good as `2h` where the language wants a constant.

use crate::bound::{Expr, ExprKind};
use crate::syntax::ast::BinaryOp;
use crate::syntax::literal;
use crate::types::{Type, Value};

/// The last tick of the year 9999.
const LAST_TICK: i64 = 3_155_378_975_999_999_999;

/// The value of an operator on two constants of the types the operator wants; `None` leaves it to the engine.
pub(crate) fn binary(op: BinaryOp, left: &Value, right: &Value) -> Option<Value> {
    use BinaryOp::{Add, Divide, Multiply, Subtract};
    Some(match (op, left, right) {
        (Add, Value::Long(a), Value::Long(b)) => Value::Long(a.wrapping_add(*b)),
        (Subtract, Value::Long(a), Value::Long(b)) => Value::Long(a.wrapping_sub(*b)),
        (Multiply, Value::Long(a), Value::Long(b)) => Value::Long(a.wrapping_mul(*b)),
        (Divide, Value::Long(_), Value::Long(0)) => Value::Null(Type::Long),
        (Divide, Value::Long(a), Value::Long(b)) => Value::Long(a.wrapping_div(*b)),
        (Add, Value::Real(a), Value::Real(b)) => Value::Real(a + b),
        (Subtract, Value::Real(a), Value::Real(b)) => Value::Real(a - b),
        (Multiply, Value::Real(a), Value::Real(b)) => Value::Real(a * b),
        (Divide, Value::Real(a), Value::Real(b)) => Value::Real(a / b),
        (Add, Value::TimeSpan(a), Value::TimeSpan(b)) => Value::TimeSpan(a.checked_add(*b)?),
        (Subtract, Value::TimeSpan(a), Value::TimeSpan(b)) => Value::TimeSpan(a.checked_sub(*b)?),
        (Subtract, Value::DateTime(a), Value::DateTime(b)) => Value::TimeSpan(a.checked_sub(*b)?),
        (Add, Value::DateTime(a), Value::TimeSpan(b)) | (Add, Value::TimeSpan(b), Value::DateTime(a)) => moment(a.checked_add(*b)?)?,
        (Subtract, Value::DateTime(a), Value::TimeSpan(b)) => moment(a.checked_sub(*b)?)?,
        (Multiply, Value::TimeSpan(a), Value::Long(b)) | (Multiply, Value::Long(b), Value::TimeSpan(a)) => {
            Value::TimeSpan(a.checked_mul(*b)?)
        }
        (Multiply, Value::TimeSpan(a), Value::Real(b)) | (Multiply, Value::Real(b), Value::TimeSpan(a)) => span(*a as f64 * b)?,
        (Divide, Value::TimeSpan(a), Value::Long(b)) if *b != 0 => Value::TimeSpan(a.checked_div(*b)?),
        (Divide, Value::TimeSpan(a), Value::Real(b)) => span(*a as f64 / b)?,
        (Divide, Value::TimeSpan(a), Value::TimeSpan(b)) => Value::Real(*a as f64 / *b as f64),
        _ => return None,
    })
}

fn moment(ticks: i64) -> Option<Value> {
    (0..=LAST_TICK).contains(&ticks).then_some(Value::DateTime(ticks))
}

fn span(ticks: f64) -> Option<Value> {
    (ticks.abs() < 9.2e18).then(|| Value::TimeSpan(ticks.round() as i64))
}

/// `-x` of a constant.
pub(crate) fn negate(value: &Value) -> Option<Value> {
    Some(match value {
        Value::Int(a) => Value::Int(a.wrapping_neg()),
        Value::Long(a) => Value::Long(a.wrapping_neg()),
        Value::Real(a) => Value::Real(-a),
        Value::TimeSpan(a) => Value::TimeSpan(a.checked_neg()?),
        Value::Decimal(digits) => Value::Decimal(match digits.strip_prefix('-') {
            Some(positive) => positive.to_owned(),
            None => format!("-{digits}"),
        }),
        Value::Null(ty) => Value::Null(*ty),
        _ => return None,
    })
}

/// The constant converted, where that loses nothing and needs no engine.
pub(crate) fn convert(value: &Value, to: Type) -> Option<Value> {
    Some(match (value, to) {
        (value, to) if value.ty() == to => value.clone(),
        (Value::Null(_), Type::String) => Value::String(String::new()),
        (Value::Null(_), to) => Value::Null(to),
        (Value::Int(a), Type::Long) => Value::Long(i64::from(*a)),
        (Value::Int(a), Type::Real) => Value::Real(f64::from(*a)),
        (Value::Int(a), Type::Decimal) => Value::Decimal(a.to_string()),
        (Value::Long(a), Type::Int) => Value::Int(i32::try_from(*a).ok()?),
        (Value::Long(a), Type::Real) => Value::Real(*a as f64),
        (Value::Long(a), Type::Decimal) => Value::Decimal(a.to_string()),
        (Value::Bool(a), Type::Int) => Value::Int(i32::from(*a)),
        (Value::Bool(a), Type::Long) => Value::Long(i64::from(*a)),
        (Value::Bool(a), Type::Dynamic) => Value::Dynamic(a.to_string()),
        (Value::Int(a), Type::Dynamic) => Value::Dynamic(a.to_string()),
        (Value::Long(a), Type::Dynamic) => Value::Dynamic(a.to_string()),
        (Value::String(a), Type::Dynamic) => Value::Dynamic(json_string(a)),
        (Value::String(a), Type::Guid) => Value::Guid(literal::parse_guid(a)?),
        (Value::Real(a), Type::Decimal) if a.is_finite() => Value::Decimal(literal::parse_decimal(&a.to_string())?),
        (Value::Decimal(a), Type::Real) => Value::Real(literal::parse_real(a)?),
        (Value::Real(a), Type::Dynamic) if a.is_finite() => Value::Dynamic(real_json(*a)),
        (Value::DateTime(a), Type::Dynamic) => Value::Dynamic(json_string(&literal::format_datetime(*a))),
        (Value::TimeSpan(a), Type::Dynamic) => Value::Dynamic(json_string(&literal::format_timespan(*a))),
        (Value::Guid(a), Type::Dynamic) => Value::Dynamic(json_string(a)),
        (Value::Int(a), Type::String) => Value::String(a.to_string()),
        (Value::Long(a), Type::String) => Value::String(a.to_string()),
        (Value::Guid(a), Type::String) => Value::String(a.clone()),
        _ => return None,
    })
}

fn real_json(value: f64) -> String {
    let text = value.to_string();
    if text.contains(['.', 'e']) { text } else { format!("{text}.0") }
}

/// A JSON string.
pub(crate) fn json_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    crate::syntax::json::quote_into(&mut out, text);
    out
}

/// The whole number a constant expression is.
pub(crate) fn integer(expr: &Expr) -> Option<i64> {
    match &expr.kind {
        ExprKind::Literal(Value::Long(n)) => Some(*n),
        ExprKind::Literal(Value::Int(n)) => Some(i64::from(*n)),
        _ => None,
    }
}

/// The text a constant expression is.
pub(crate) fn text(expr: &Expr) -> Option<&str> {
    match &expr.kind {
        ExprKind::Literal(Value::String(text)) => Some(text),
        _ => None,
    }
}

/// Strings and numbers of a flat JSON array; `None` for any other value.
pub(crate) fn elements(json: &str) -> Option<Vec<Value>> {
    let inner = json.trim().strip_prefix('[')?.strip_suffix(']')?.trim();
    let mut values = Vec::new();
    let mut rest = inner;
    while !rest.is_empty() {
        if let Some(text) = rest.strip_prefix('"') {
            let (value, end) = unquote(text)?;
            values.push(Value::String(value));
            rest = text.get(end..)?.trim_start();
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            let token = rest.get(..end)?.trim();
            values.push(match token {
                "true" | "false" => Value::Bool(token == "true"),
                _ => match token.parse::<i64>() {
                    Ok(whole) => Value::Long(whole),
                    Err(_) => Value::Real(token.parse().ok()?),
                },
            });
            rest = rest.get(end..)?;
        }
        if rest.is_empty() {
            break;
        }
        rest = rest.strip_prefix(',')?.trim_start();
    }
    Some(values)
}

/// A JSON string behind its opening quote: the text, and where it ends behind the closing one.
fn unquote(text: &str) -> Option<(String, usize)> {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((out, at + 1)),
            '\\' => match chars.next()?.1 {
                'n' => out.push('\n'),
                'r' => out.push('\r'),
                't' => out.push('\t'),
                'b' => out.push('\u{8}'),
                'f' => out.push('\u{c}'),
                'u' => {
                    let mut unit = || {
                        let mut code = 0u32;
                        for _ in 0..4 {
                            code = code * 16 + chars.next()?.1.to_digit(16)?;
                        }
                        Some(code)
                    };
                    let code = unit()?;
                    // A pair of surrogates is rare enough in a constant list to leave the list as it is.
                    out.push(char::from_u32(code)?);
                }
                other => out.push(other),
            },
            c => out.push(c),
        }
    }
    None
}
