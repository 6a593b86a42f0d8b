//! What aggregates take and give.

use taffrail_kql::catalog::{Argument, ArgumentError, Resolved};
use taffrail_kql::types::{Type, Value};

type Outcome = Result<Resolved, ArgumentError>;

fn wrong_count(message: &str) -> ArgumentError {
    ArgumentError {
        argument: None,
        message: message.to_owned(),
    }
}

fn wrong(argument: usize, message: impl Into<String>) -> ArgumentError {
    ArgumentError {
        argument: Some(argument),
        message: message.into(),
    }
}

/// A number as it is summed.
fn summed(index: usize, ty: Type) -> Result<Type, ArgumentError> {
    match ty {
        Type::Int | Type::Long | Type::Bool => Ok(Type::Long),
        Type::Real | Type::Dynamic => Ok(Type::Real),
        Type::Decimal => Ok(Type::Decimal),
        Type::TimeSpan => Ok(Type::TimeSpan),
        other => Err(wrong(index, format!("expected a number or timespan, got {other}"))),
    }
}

fn with_predicate(args: &[Argument<'_>], resolve: impl Fn(Type) -> Result<(Type, Type), ArgumentError>) -> Outcome {
    match args {
        [value, _predicate] => {
            let (param, returns) = resolve(value.ty)?;
            Ok(Resolved::one(vec![param, Type::Bool], returns))
        }
        _ => Err(wrong_count("expected a value and a predicate")),
    }
}

fn alone(args: &[Argument<'_>], resolve: impl Fn(Type) -> Result<(Type, Type), ArgumentError>) -> Outcome {
    match args {
        [value] => {
            let (param, returns) = resolve(value.ty)?;
            Ok(Resolved::one(vec![param], returns))
        }
        _ => Err(wrong_count("expected one argument")),
    }
}

fn sum_of(ty: Type) -> Result<(Type, Type), ArgumentError> {
    summed(0, ty).map(|ty| (ty, ty))
}

pub fn sum(args: &[Argument<'_>]) -> Outcome {
    alone(args, sum_of)
}

pub fn sumif(args: &[Argument<'_>]) -> Outcome {
    with_predicate(args, sum_of)
}

fn average_of(ty: Type) -> Result<(Type, Type), ArgumentError> {
    match ty {
        Type::Int | Type::Long | Type::Real => Ok((ty, Type::Real)),
        Type::Bool => Ok((Type::Long, Type::Real)),
        Type::Dynamic => Ok((Type::Real, Type::Real)),
        Type::Decimal | Type::TimeSpan | Type::DateTime => Ok((ty, ty)),
        other => Err(wrong(0, format!("expected a number, datetime or timespan, got {other}"))),
    }
}

pub fn avg(args: &[Argument<'_>]) -> Outcome {
    alone(args, average_of)
}

pub fn avgif(args: &[Argument<'_>]) -> Outcome {
    with_predicate(args, average_of)
}

fn ordered(ty: Type) -> Result<(Type, Type), ArgumentError> {
    match ty {
        Type::Dynamic => Err(wrong(0, "dynamic values have no order: convert them first, e.g. with tolong()")),
        ty => Ok((ty, ty)),
    }
}

pub fn extreme(args: &[Argument<'_>]) -> Outcome {
    alone(args, ordered)
}

pub fn extremeif(args: &[Argument<'_>]) -> Outcome {
    with_predicate(args, ordered)
}

pub fn count(args: &[Argument<'_>]) -> Outcome {
    match args {
        [] => Ok(Resolved::one(vec![], Type::Long)),
        [value] => Ok(Resolved::one(vec![value.ty], Type::Long)),
        _ => Err(wrong_count("expected no argument")),
    }
}

pub fn countif(args: &[Argument<'_>]) -> Outcome {
    match args {
        [_] => Ok(Resolved::one(vec![Type::Bool], Type::Long)),
        _ => Err(wrong_count("expected one predicate")),
    }
}

/// `dcount(x [, accuracy])`
pub fn dcount(args: &[Argument<'_>]) -> Outcome {
    match args {
        [value] => Ok(Resolved::one(vec![value.ty], Type::Long)),
        [value, _] => Ok(Resolved::one(vec![value.ty, Type::Long], Type::Long)),
        _ => Err(wrong_count("expected a value and perhaps an accuracy")),
    }
}

/// `dcountif(x, predicate [, accuracy])`
pub fn dcountif(args: &[Argument<'_>]) -> Outcome {
    match args {
        [value, _] => Ok(Resolved::one(vec![value.ty, Type::Bool], Type::Long)),
        [value, _, _] => Ok(Resolved::one(vec![value.ty, Type::Bool, Type::Long], Type::Long)),
        _ => Err(wrong_count("expected a value, a predicate and perhaps an accuracy")),
    }
}

/// The values as they are, one output each: `arg_max(by, a, b)`, `take_any(a, b)`
pub fn same_rows(args: &[Argument<'_>]) -> Outcome {
    if args.is_empty() {
        return Err(wrong_count("expected at least one argument"));
    }
    let types: Vec<Type> = args.iter().map(|arg| arg.ty).collect();
    Ok(Resolved {
        params: types.clone(),
        returns: types,
    })
}

pub fn take_anyif(args: &[Argument<'_>]) -> Outcome {
    with_predicate(args, |ty| Ok((ty, ty)))
}

/// `make_list(x [, size])`
pub fn collected(args: &[Argument<'_>]) -> Outcome {
    match args {
        [value] => Ok(Resolved::one(vec![value.ty], Type::Dynamic)),
        [value, _] => Ok(Resolved::one(vec![value.ty, Type::Long], Type::Dynamic)),
        _ => Err(wrong_count("expected a value and perhaps a size")),
    }
}

/// `make_list_if(x, predicate [, size])`
pub fn collectedif(args: &[Argument<'_>]) -> Outcome {
    match args {
        [value, _] => Ok(Resolved::one(vec![value.ty, Type::Bool], Type::Dynamic)),
        [value, _, _] => Ok(Resolved::one(vec![value.ty, Type::Bool, Type::Long], Type::Dynamic)),
        _ => Err(wrong_count("expected a value, a predicate and perhaps a size")),
    }
}

/// `make_bag(x [, size])`
pub fn bag(args: &[Argument<'_>]) -> Outcome {
    match args {
        [_] => Ok(Resolved::one(vec![Type::Dynamic], Type::Dynamic)),
        [_, _] => Ok(Resolved::one(vec![Type::Dynamic, Type::Long], Type::Dynamic)),
        _ => Err(wrong_count("expected a bag and perhaps a size")),
    }
}

/// `make_bag_if(x, predicate [, size])`
pub fn bagif(args: &[Argument<'_>]) -> Outcome {
    match args {
        [_, _] => Ok(Resolved::one(vec![Type::Dynamic, Type::Bool], Type::Dynamic)),
        [_, _, _] => Ok(Resolved::one(vec![Type::Dynamic, Type::Bool, Type::Long], Type::Dynamic)),
        _ => Err(wrong_count("expected a bag, a predicate and perhaps a size")),
    }
}

fn percentile_value(args: &[Argument<'_>]) -> Result<Type, ArgumentError> {
    match args.first().map(|arg| arg.ty) {
        Some(Type::Int) => Ok(Type::Long),
        Some(ty @ (Type::Long | Type::Real | Type::Decimal | Type::DateTime | Type::TimeSpan)) => Ok(ty),
        Some(Type::Dynamic) => Ok(Type::Real),
        Some(other) => Err(wrong(0, format!("expected a number, datetime or timespan, got {other}"))),
        None => Err(wrong_count("expected a value and percentages")),
    }
}

/// A percentile is estimated in the widest type of its kind.
fn widened(ty: Type) -> Type {
    match ty {
        Type::Int => Type::Long,
        Type::Decimal => Type::Real,
        ty => ty,
    }
}

/// `percentile(x, p)`, `percentiles(x, p, …)`
pub fn percentiles(args: &[Argument<'_>]) -> Outcome {
    let value = widened(percentile_value(args)?);
    let count = args.len() - 1;
    if count == 0 {
        return Err(wrong_count("expected at least one percentage"));
    }
    let mut params = vec![value];
    params.extend(std::iter::repeat_n(Type::Real, count));
    Ok(Resolved {
        params,
        returns: vec![value; count],
    })
}

/// `percentilesw(x, weight, p, …)`
pub fn percentilesw(args: &[Argument<'_>]) -> Outcome {
    let value = widened(percentile_value(args)?);
    let count = args.len().saturating_sub(2);
    if count == 0 {
        return Err(wrong_count("expected a value, a weight and percentages"));
    }
    let mut params = vec![value, Type::Long];
    params.extend(std::iter::repeat_n(Type::Real, count));
    Ok(Resolved {
        params,
        returns: vec![value; count],
    })
}

fn percentages(args: &[Argument<'_>], first: usize) -> Vec<Type> {
    let array = |arg: &Argument<'_>| arg.ty == Type::Dynamic || matches!(arg.literal, Some(Value::Dynamic(_)));
    args.iter()
        .skip(first)
        .map(|arg| if array(arg) { Type::Dynamic } else { Type::Real })
        .collect()
}

/// `percentiles_array(x, p, …)` or `percentiles_array(x, array)`
pub fn percentiles_array(args: &[Argument<'_>]) -> Outcome {
    let value = percentile_value(args)?;
    let mut params = vec![value];
    params.extend(percentages(args, 1));
    Ok(Resolved::one(params, Type::Dynamic))
}

/// `percentilesw_array(x, weight, p, …)` or with an array
pub fn percentilesw_array(args: &[Argument<'_>]) -> Outcome {
    let value = percentile_value(args)?;
    let mut params = vec![value, Type::Long];
    params.extend(percentages(args, 2));
    Ok(Resolved::one(params, Type::Dynamic))
}

pub fn spread(args: &[Argument<'_>]) -> Outcome {
    match args {
        [_] => Ok(Resolved::one(vec![Type::Real], Type::Real)),
        _ => Err(wrong_count("expected one number")),
    }
}

pub fn spreadif(args: &[Argument<'_>]) -> Outcome {
    with_predicate(args, |_| Ok((Type::Real, Type::Real)))
}

pub fn covariance(args: &[Argument<'_>]) -> Outcome {
    match args {
        [_, _] => Ok(Resolved::one(vec![Type::Real, Type::Real], Type::Real)),
        _ => Err(wrong_count("expected two numbers")),
    }
}

pub fn covarianceif(args: &[Argument<'_>]) -> Outcome {
    match args {
        [_, _, _] => Ok(Resolved::one(vec![Type::Real, Type::Real, Type::Bool], Type::Real)),
        _ => Err(wrong_count("expected two numbers and a predicate")),
    }
}

pub fn bits(args: &[Argument<'_>]) -> Outcome {
    match args {
        [_] => Ok(Resolved::one(vec![Type::Long], Type::Long)),
        _ => Err(wrong_count("expected one whole number")),
    }
}

pub fn schema(args: &[Argument<'_>]) -> Outcome {
    match args {
        [_] => Ok(Resolved::one(vec![Type::Dynamic], Type::Dynamic)),
        _ => Err(wrong_count("expected one dynamic")),
    }
}

/// `hll(x [, accuracy])`
pub fn kept(args: &[Argument<'_>]) -> Outcome {
    dcount(args).map(|resolved| Resolved::one(resolved.params, Type::Dynamic))
}

/// `hll_if(x, predicate [, accuracy])`
pub fn keptif(args: &[Argument<'_>]) -> Outcome {
    dcountif(args).map(|resolved| Resolved::one(resolved.params, Type::Dynamic))
}

/// `tdigest(x [, weight])`
pub fn digested(args: &[Argument<'_>]) -> Outcome {
    let value = percentile_value(args)?;
    match args.len() {
        1 => Ok(Resolved::one(vec![value], Type::Dynamic)),
        2 => Ok(Resolved::one(vec![value, Type::Long], Type::Dynamic)),
        _ => Err(wrong_count("expected a value and perhaps a weight")),
    }
}
