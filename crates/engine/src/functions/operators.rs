//! Operators of scalar expressions: arithmetic, comparison, membership, paths, implicit conversions.
//!
//! Where DataFusion's own operators mean the same, they are used, so that its optimizer and the Parquet reader see through
//! them; what they mean differently (nulls in comparisons, division, NaN, decimals, dates out of range) is a kernel here.
//!
//! Source: Kusto Query Language reference, "Numerical operators", "Datetime / timespan arithmetic", "Null values".

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, i256};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Expr, Operator, binary_expr, lit, when};
use taffrail_kql::catalog::Param;
use taffrail_kql::syntax::ast::{BinaryOp, ListOp};
use taffrail_kql::types::Type;

use super::call::Call;
use super::decimal;
use super::declare::{Scalar, kernel, many, plain};
use super::dynamic::{json, path as paths};
use super::{LowerError, arrow_type, calendar, registry};

const ANY2: &[Param] = &[Param::Any, Param::Any];

/// This file's operators, made by [`binary`], [`list`] and [`path`] only.
pub static FUNCTIONS: &[Scalar] = &[
    kernel(
        "$divide",
        "a / b",
        "Whole numbers: truncates, by zero is null.",
        plain(ANY2, Type::Long),
        |c| long_op(c, |a, b| if b == 0 { None } else { Some(a.wrapping_div(b)) }),
    )
    .hidden(),
    kernel(
        "$modulo",
        "a % b",
        "Never negative; by zero is null.",
        plain(ANY2, Type::Long),
        |c| long_op(c, |a, b| if b == 0 { None } else { Some(a.wrapping_rem_euclid(b)) }),
    )
    .hidden(),
    kernel("$modulo_real", "a % b", "Never negative.", plain(ANY2, Type::Real), |c| {
        real_op(c, f64::rem_euclid)
    })
    .hidden(),
    kernel(
        "$ratio",
        "timespan / timespan",
        "How often one fits into the other.",
        plain(ANY2, Type::Real),
        |c| real_op(c, |a, b| a / b),
    )
    .hidden(),
    kernel(
        "$scale",
        "timespan * number",
        "A timespan, scaled.",
        plain(ANY2, Type::TimeSpan),
        |c| span_by_real(c, |a, b| a * b),
    )
    .hidden(),
    kernel(
        "$unscale",
        "timespan / number",
        "A timespan, divided.",
        plain(ANY2, Type::TimeSpan),
        |c| span_by_real(c, |a, b| a / b),
    )
    .hidden(),
    kernel(
        "$later",
        "datetime + timespan",
        "Null outside of the years 1 to 9999.",
        plain(ANY2, Type::DateTime),
        |c| long_op(c, |a, b| a.checked_add(b).and_then(calendar::checked)),
    )
    .hidden(),
    kernel(
        "$earlier",
        "datetime - timespan",
        "Null outside of the years 1 to 9999.",
        plain(ANY2, Type::DateTime),
        |c| long_op(c, |a, b| a.checked_sub(b).and_then(calendar::checked)),
    )
    .hidden(),
    kernel("$decimal_add", "a + b", "Decimals.", plain(ANY2, Type::Decimal), |c| {
        decimal_op(c, i256::checked_add)
    })
    .hidden(),
    kernel("$decimal_subtract", "a - b", "Decimals.", plain(ANY2, Type::Decimal), |c| {
        decimal_op(c, i256::checked_sub)
    })
    .hidden(),
    kernel("$decimal_multiply", "a * b", "Decimals.", plain(ANY2, Type::Decimal), |c| {
        decimal_op(c, decimal::multiply)
    })
    .hidden(),
    kernel("$decimal_divide", "a / b", "Decimals.", plain(ANY2, Type::Decimal), |c| {
        decimal_op(c, decimal::divide)
    })
    .hidden(),
    kernel("$decimal_modulo", "a % b", "Decimals.", plain(ANY2, Type::Decimal), |c| {
        decimal_op(c, decimal::remainder)
    })
    .hidden(),
    kernel("$real_eq", "a == b", "NaN equals nothing.", plain(ANY2, Type::Bool), |c| {
        real_equal(c, true)
    })
    .hidden(),
    kernel("$real_ne", "a != b", "NaN equals nothing.", plain(ANY2, Type::Bool), |c| {
        real_equal(c, false)
    })
    .hidden(),
    kernel("$real_lt", "a < b", "NaN is not less.", plain(ANY2, Type::Bool), |c| {
        real_compare(c, |a, b| a < b)
    })
    .hidden(),
    kernel("$real_le", "a <= b", "NaN is not less.", plain(ANY2, Type::Bool), |c| {
        real_compare(c, |a, b| a <= b)
    })
    .hidden(),
    kernel("$real_gt", "a > b", "NaN is not greater.", plain(ANY2, Type::Bool), |c| {
        real_compare(c, |a, b| a > b)
    })
    .hidden(),
    kernel("$real_ge", "a >= b", "NaN is not greater.", plain(ANY2, Type::Bool), |c| {
        real_compare(c, |a, b| a >= b)
    })
    .hidden(),
    kernel(
        "$dynamic_eq",
        "a == b",
        "The same JSON value.",
        plain(ANY2, Type::Bool),
        dynamic_equal,
    )
    .hidden(),
    kernel(
        "$path",
        "value.member[0]",
        "A part of a dynamic.",
        many(&[Param::Any], Param::Any, Type::Dynamic),
        paths::path,
    )
    .hidden(),
];

fn long_op(c: &Call<'_>, op: impl Fn(i64, i64) -> Option<i64>) -> Result<ArrayRef> {
    let (a, b) = (c.long(0)?, c.long(1)?);
    c.longs(|i| op(a.get(i)?, b.get(i)?))
}

fn real_op(c: &Call<'_>, op: impl Fn(f64, f64) -> f64) -> Result<ArrayRef> {
    let (a, b) = (c.real(0)?, c.real(1)?);
    c.reals(|i| Some(op(a.get(i)?, b.get(i)?)))
}

fn span_by_real(c: &Call<'_>, op: impl Fn(f64, f64) -> f64) -> Result<ArrayRef> {
    let (span, by) = (c.long(0)?, c.real(1)?);
    c.longs(|i| {
        let ticks = op(span.get(i)? as f64, by.get(i)?).round();
        (ticks.is_finite() && ticks.abs() < 9.223_372_036_854_775e18).then_some(ticks as i64)
    })
}

fn decimal_op(c: &Call<'_>, op: impl Fn(i256, i256) -> Option<i256>) -> Result<ArrayRef> {
    let (a, b) = (c.value(0)?, c.value(1)?);
    c.decimals(|i| op(a.decimal(i)?, b.decimal(i)?).and_then(decimal::checked))
}

fn real_equal(c: &Call<'_>, equal: bool) -> Result<ArrayRef> {
    let (a, b) = (c.real(0)?, c.real(1)?);
    c.bools(|i| match (a.get(i), b.get(i)) {
        (Some(a), Some(b)) => Some((a == b) == equal),
        (None, None) => None,
        _ => Some(!equal),
    })
}

fn real_compare(c: &Call<'_>, test: impl Fn(f64, f64) -> bool) -> Result<ArrayRef> {
    let (a, b) = (c.real(0)?, c.real(1)?);
    c.bools(|i| Some(test(a.get(i)?, b.get(i)?)))
}

fn dynamic_equal(c: &Call<'_>) -> Result<ArrayRef> {
    let (a, b) = (c.text(0)?, c.text(1)?);
    c.bools(|i| match (a.get(i), b.get(i)) {
        (Some(a), Some(b)) => Some(json::equal(a, b)),
        (None, None) => None,
        _ => Some(false),
    })
}

/// An implicit conversion.
pub fn cast(expr: Expr, from: Type, to: Type) -> Expr {
    if from == to {
        return expr;
    }
    if let Expr::Literal(value, _) = &expr
        && value.is_null()
    {
        return super::null(to);
    }
    let native = matches!((from, to), (Type::Int, Type::Long | Type::Real) | (Type::Long, Type::Real));
    if native {
        return datafusion::logical_expr::cast(expr, arrow_type(to));
    }
    let function = match to {
        Type::Bool => "tobool",
        Type::Int => "toint",
        Type::Long => "tolong",
        Type::Real => "todouble",
        Type::Decimal => "todecimal",
        Type::String => "tostring",
        Type::DateTime => "todatetime",
        Type::TimeSpan => "totimespan",
        Type::Guid => "toguid",
        Type::Dynamic => "$to_dynamic",
    };
    registry::scalar(function, vec![expr], &[from], to).unwrap_or_else(|_| super::null(to))
}

fn call(name: &str, args: Vec<(Expr, Type)>, returns: Type) -> Result<Expr, LowerError> {
    let types: Vec<Type> = args.iter().map(|(_, ty)| *ty).collect();
    registry::scalar(name, args.into_iter().map(|(expr, _)| expr).collect(), &types, returns)
}

/// The type two sides meet at.
fn common(left: Type, right: Type) -> Type {
    use Type::{Decimal, Dynamic, Int, Long, Real};
    match (left, right) {
        (a, b) if a == b => a,
        (Dynamic, other) | (other, Dynamic) => other,
        (Decimal, _) | (_, Decimal) => Decimal,
        (Real, _) | (_, Real) => Real,
        (Int | Long, Int | Long) => Long,
        (a, _) => a,
    }
}

/// A binary operator.
pub fn binary(op: BinaryOp, left: (Expr, Type), right: (Expr, Type)) -> Result<Expr, LowerError> {
    match op {
        BinaryOp::And => Ok(left.0.and(right.0)),
        BinaryOp::Or => Ok(left.0.or(right.0)),
        BinaryOp::Add | BinaryOp::Subtract | BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::Modulo => arithmetic(op, left, right),
        BinaryOp::Equal | BinaryOp::NotEqual | BinaryOp::Less | BinaryOp::LessEqual | BinaryOp::Greater | BinaryOp::GreaterEqual => {
            comparison(op, left, right)
        }
        _ => text_operator(op, left, right),
    }
}

fn text_operator(op: BinaryOp, left: (Expr, Type), right: (Expr, Type)) -> Result<Expr, LowerError> {
    use BinaryOp::*;
    let (name, negated) = match op {
        EqualTilde => ("$equals", false),
        NotEqualTilde => ("$equals", true),
        Has | Colon => ("$has", false),
        NotHas => ("$has", true),
        HasCs => ("$has_cs", false),
        NotHasCs => ("$has_cs", true),
        HasPrefix => ("$hasprefix", false),
        NotHasPrefix => ("$hasprefix", true),
        HasPrefixCs => ("$hasprefix_cs", false),
        NotHasPrefixCs => ("$hasprefix_cs", true),
        HasSuffix => ("$hassuffix", false),
        NotHasSuffix => ("$hassuffix", true),
        HasSuffixCs => ("$hassuffix_cs", false),
        NotHasSuffixCs => ("$hassuffix_cs", true),
        Contains => ("$contains", false),
        NotContains => ("$contains", true),
        ContainsCs => ("$contains_cs", false),
        NotContainsCs => ("$contains_cs", true),
        StartsWith => ("$startswith", false),
        NotStartsWith => ("$startswith", true),
        StartsWithCs => ("$startswith_cs", false),
        NotStartsWithCs => ("$startswith_cs", true),
        EndsWith => ("$endswith", false),
        NotEndsWith => ("$endswith", true),
        EndsWithCs => ("$endswith_cs", false),
        NotEndsWithCs => ("$endswith_cs", true),
        MatchesRegex => ("$matches_regex", false),
        other => return Err(super::refuse(format!("operator {other:?} is not a text operator"))),
    };
    let text = |(expr, ty): (Expr, Type)| (cast(expr, ty, Type::String), Type::String);
    let found = call(name, vec![text(left), text(right)], Type::Bool)?;
    Ok(if negated { datafusion::logical_expr::not(found) } else { found })
}

fn arithmetic(op: BinaryOp, left: (Expr, Type), right: (Expr, Type)) -> Result<Expr, LowerError> {
    use BinaryOp::{Add, Divide, Modulo, Multiply, Subtract};
    use Type::{DateTime, Decimal, Real, TimeSpan};
    let native = |op, a: Expr, b: Expr| Ok(binary_expr(a, op, b));
    let number = |ty: Type| ty.is_numeric() || ty == Type::Dynamic;
    match (op, left.1, right.1) {
        (Add, DateTime, TimeSpan) => return call("$later", vec![left, right], DateTime),
        (Add, TimeSpan, DateTime) => return call("$later", vec![right, left], DateTime),
        (Subtract, DateTime, TimeSpan) => return call("$earlier", vec![left, right], DateTime),
        (Subtract, DateTime, DateTime) => return native(Operator::Minus, left.0, right.0),
        (Add, TimeSpan, TimeSpan) => return native(Operator::Plus, left.0, right.0),
        (Subtract, TimeSpan, TimeSpan) => return native(Operator::Minus, left.0, right.0),
        (Divide, TimeSpan | DateTime, TimeSpan) => return call("$ratio", vec![left, right], Real),
        (Modulo, TimeSpan | DateTime, TimeSpan) => return call("$modulo", vec![left, right], TimeSpan),
        (Multiply, TimeSpan, ty) if number(ty) => return span_times(left, right),
        (Multiply, ty, TimeSpan) if number(ty) => return span_times(right, left),
        (Divide, TimeSpan, Type::Int | Type::Long) => return call("$divide", vec![left, right], TimeSpan),
        (Divide, TimeSpan, ty) if number(ty) => {
            let by = (cast(right.0, ty, Real), Real);
            return call("$unscale", vec![left, by], TimeSpan);
        }
        _ => {}
    }
    let ty = match common(left.1, right.1) {
        Type::Int | Type::Bool => Type::Long,
        ty => ty,
    };
    let (a, b) = (cast(left.0, left.1, ty), cast(right.0, right.1, ty));
    let typed = |name| call(name, vec![(a.clone(), ty), (b.clone(), ty)], ty);
    match (ty, op) {
        (Type::Long | Real, Add) => native(Operator::Plus, a, b),
        (Type::Long | Real, Subtract) => native(Operator::Minus, a, b),
        (Type::Long | Real, Multiply) => native(Operator::Multiply, a, b),
        (Type::Long, Divide) => typed("$divide"),
        (Type::Long, Modulo) => typed("$modulo"),
        (Real, Divide) => typed("$ratio"),
        (Real, Modulo) => typed("$modulo_real"),
        (Decimal, Add) => typed("$decimal_add"),
        (Decimal, Subtract) => typed("$decimal_subtract"),
        (Decimal, Multiply) => typed("$decimal_multiply"),
        (Decimal, Divide) => typed("$decimal_divide"),
        (Decimal, Modulo) => typed("$decimal_modulo"),
        (ty, op) => Err(super::refuse(format!("{op:?} is not defined for {ty}; convert the operands first"))),
    }
}

fn span_times(span: (Expr, Type), by: (Expr, Type)) -> Result<Expr, LowerError> {
    if matches!(by.1, Type::Int | Type::Long) {
        return Ok(binary_expr(span.0, Operator::Multiply, cast(by.0, by.1, Type::Long)));
    }
    call("$scale", vec![span, (cast(by.0, by.1, Type::Real), Type::Real)], Type::TimeSpan)
}

fn is_value(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(value, _) if !value.is_null())
}

fn comparison(op: BinaryOp, left: (Expr, Type), right: (Expr, Type)) -> Result<Expr, LowerError> {
    use BinaryOp::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
    let ty = common(left.1, right.1);
    let (a, b) = (cast(left.0, left.1, ty), cast(right.0, right.1, ty));
    if ty == Type::Dynamic {
        let equal = call("$dynamic_eq", vec![(a, ty), (b, ty)], Type::Bool)?;
        return match op {
            Equal => Ok(equal),
            NotEqual => Ok(datafusion::logical_expr::not(equal)),
            _ => Err(super::refuse(
                "dynamic values have no order; convert them first, e.g. with tolong()",
            )),
        };
    }
    if ty == Type::Real {
        let name = match op {
            Equal => "$real_eq",
            NotEqual => "$real_ne",
            Less => "$real_lt",
            LessEqual => "$real_le",
            Greater => "$real_gt",
            _ => "$real_ge",
        };
        return call(name, vec![(a, ty), (b, ty)], Type::Bool);
    }
    let operator = match op {
        Equal => Operator::Eq,
        NotEqual => Operator::NotEq,
        Less => Operator::Lt,
        LessEqual => Operator::LtEq,
        Greater => Operator::Gt,
        GreaterEqual => Operator::GtEq,
        other => return Err(super::refuse(format!("{other:?} is not a comparison"))),
    };
    if ty == Type::String || !matches!(op, Equal | NotEqual) {
        return Ok(binary_expr(a, operator, b));
    }
    Ok(null_aware(op == Equal, operator, a, b))
}

/// With one null side `==` is false and `!=` true; with two they are null. Written so that pruning by statistics still
/// sees the plain comparison.
fn null_aware(equal: bool, operator: Operator, a: Expr, b: Expr) -> Expr {
    let plain = binary_expr(a.clone(), operator, b.clone());
    let known = match (is_value(&a), is_value(&b)) {
        (true, true) => return plain,
        (true, false) => Some(b.clone()),
        (false, true) => Some(a.clone()),
        (false, false) => None,
    };
    match (known, equal) {
        (Some(side), true) => plain.and(side.is_not_null()),
        (Some(side), false) => plain.or(side.is_null()),
        (None, _) => {
            let one_null = a.clone().is_null().or(b.clone().is_null());
            let both_null = a.is_null().and(b.is_null());
            let null = lit(ScalarValue::Boolean(None));
            when(both_null, null)
                .when(one_null, lit(!equal))
                .otherwise(plain.clone())
                .unwrap_or(plain)
        }
    }
}

/// `in`, `!in`, `in~`, `!in~`, `has_any`, `has_all`.
pub fn list(op: ListOp, value: (Expr, Type), items: Vec<(Expr, Type)>) -> Result<Expr, LowerError> {
    let text = |(expr, ty): (Expr, Type)| (cast(expr, ty, Type::String), Type::String);
    let over_text = |name, value, items: Vec<(Expr, Type)>| {
        let mut args = vec![text(value)];
        args.extend(
            items
                .into_iter()
                .map(|(expr, ty)| if ty == Type::Dynamic { (expr, ty) } else { text((expr, ty)) }),
        );
        call(name, args, Type::Bool)
    };
    let negate = |expr| datafusion::logical_expr::not(expr);
    match op {
        ListOp::HasAny => over_text("$has_any", value, items),
        ListOp::HasAll => over_text("$has_all", value, items),
        ListOp::InTilde => over_text("$in_tilde", value, items),
        ListOp::NotInTilde => Ok(negate(over_text("$in_tilde", value, items)?)),
        ListOp::In | ListOp::NotIn => {
            let found = membership(value, items)?;
            Ok(if op == ListOp::In { found } else { negate(found) })
        }
    }
}

fn membership(value: (Expr, Type), items: Vec<(Expr, Type)>) -> Result<Expr, LowerError> {
    let (arrays, scalars): (Vec<_>, Vec<_>) = items.into_iter().partition(|(_, ty)| *ty == Type::Dynamic);
    let mut tests = Vec::new();
    for array in arrays {
        tests.push(call("$in_array", vec![value.clone(), array], Type::Bool)?);
    }
    if !scalars.is_empty() {
        let ty = scalars.iter().fold(value.1, |ty, (_, item)| common(ty, *item));
        let needle = cast(value.0, value.1, ty);
        let constants = scalars.iter().all(|(expr, _)| is_value(expr));
        let items: Vec<Expr> = scalars.into_iter().map(|(expr, from)| cast(expr, from, ty)).collect();
        if ty == Type::Real || !constants {
            for item in items {
                let equal = comparison(BinaryOp::Equal, (needle.clone(), ty), (item, ty))?;
                tests.push(equal.is_true());
            }
        } else {
            let found = needle.clone().in_list(items, false);
            tests.push(if ty == Type::String {
                found
            } else {
                found.and(needle.is_not_null())
            });
        }
    }
    Ok(tests.into_iter().reduce(Expr::or).unwrap_or_else(|| lit(false)))
}

/// A step of a path, its expression already lowered.
#[derive(Debug, Clone)]
pub enum PathStepLowered {
    /// `.member`
    Key(String),
    /// `[0]`
    Index(i64),
    /// `[expression]`
    Expr(Expr, Type),
}

/// The call of one of our functions that an expression is: its name, types and arguments.
pub(crate) fn as_call(expr: &Expr) -> Option<(&str, Vec<Type>, &[Expr])> {
    let Expr::ScalarFunction(function) = expr else { return None };
    let (name, rest) = function.func.name().split_once('(')?;
    let (types, _) = rest.split_once(")->")?;
    let types = types
        .split(',')
        .filter(|name| !name.is_empty())
        .map(Type::parse)
        .collect::<Option<Vec<_>>>()?;
    Some((name, types, &function.args))
}

/// What a path starts from, and the steps that are already taken there: `parse_json(tostring(parse_json(x).y)).z` is one
/// path into `x`.
fn origin(base: Expr) -> Vec<(Expr, Type)> {
    if let Some((name, types, args)) = as_call(&base) {
        match (name, types.as_slice(), args) {
            ("$path", types, args) => return args.iter().cloned().zip(types.iter().copied()).collect(),
            ("parse_json", [Type::String], [text]) => {
                if let Some(("$path", types, args)) = as_call(text) {
                    // `tostring()` of a path, read as JSON again.
                    let mut steps: Vec<_> = args.iter().cloned().zip(types.iter().copied()).collect();
                    steps.push((lit(true), Type::Bool));
                    return steps;
                }
                return vec![(text.clone(), Type::String)];
            }
            _ => {}
        }
    }
    vec![(base, Type::Dynamic)]
}

/// A part of a dynamic; null where there is none.
pub fn path(base: Expr, steps: Vec<PathStepLowered>) -> Expr {
    let mut args = origin(base);
    for step in steps {
        args.push(match step {
            PathStepLowered::Key(key) => (lit(ScalarValue::Utf8View(Some(key))), Type::String),
            PathStepLowered::Index(index) => (lit(index), Type::Long),
            PathStepLowered::Expr(expr, Type::Int) => (datafusion::logical_expr::cast(expr, DataType::Int64), Type::Long),
            PathStepLowered::Expr(expr, ty @ (Type::Long | Type::String | Type::Dynamic | Type::Guid)) => (expr, ty),
            PathStepLowered::Expr(expr, ty) => (cast(expr, ty, Type::Long), Type::Long),
        });
    }
    call("$path", args, Type::Dynamic).unwrap_or_else(|_| super::null(Type::Dynamic))
}
