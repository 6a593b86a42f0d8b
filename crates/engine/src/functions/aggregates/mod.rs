//! Aggregates of `summarize`. Those that DataFusion has with the same meaning are its own, with their fast grouped
//! accumulators; the others are a [`State`](state::State) each.
//!
//! Source: Kusto Query Language reference, "Aggregation functions".

mod args;
mod collect;
pub(crate) mod digest;
pub(crate) mod distinct;
mod numbers;
mod percentiles;
mod rows;
pub mod state;
mod table;

use datafusion::functions_aggregate::{average, count, min_max, sum};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{AggregateUDF, Expr, lit};
use std::sync::Arc;
use taffrail_kql::catalog::Function;
use taffrail_kql::types::{Type, Value};

use super::LowerError;
pub use state::aggregate_by_id;
use table::{Kind, TABLE};

/// Makes an output column out of an aggregate's result.
pub type Output = Box<dyn Fn(Expr) -> Expr>;

/// An aggregate, ready for a plan.
pub struct AggregateLowered {
    /// What DataFusion computes
    pub call: Expr,
    /// Each output column out of its result
    pub outputs: Vec<Output>,
}

/// What the language knows of the aggregates.
pub fn functions() -> impl Iterator<Item = &'static Function> {
    TABLE.iter().map(|entry| &entry.function)
}

fn plain_output() -> Vec<Output> {
    vec![Box::new(|result| result)]
}

/// The result, or a value when there was nothing to aggregate.
fn or_value(value: Value) -> Vec<Output> {
    vec![Box::new(move |result| {
        datafusion::functions::core::expr_fn::coalesce(vec![result, super::literal(&value)])
    })]
}

fn native(function: Arc<AggregateUDF>, args: Vec<Expr>, filter: Option<Expr>) -> Expr {
    Expr::AggregateFunction(AggregateFunction::new_udf(
        function,
        args,
        false,
        filter.map(Box::new),
        vec![],
        None,
    ))
}

fn zero(ty: Type) -> Value {
    match ty {
        Type::Real => Value::Real(0.0),
        Type::Decimal => Value::Decimal("0".to_owned()),
        Type::TimeSpan => Value::TimeSpan(0),
        _ => Value::Long(0),
    }
}

/// An aggregate whose arguments are already cast to what it takes.
pub fn aggregate(name: &str, args: Vec<(Expr, Type)>, outputs: &[Type]) -> Result<AggregateLowered, LowerError> {
    let entry = TABLE
        .iter()
        .find(|entry| entry.function.name == name || entry.function.aliases.contains(&name))
        .ok_or_else(|| LowerError::not_supported(name))?;
    let mut args = args;
    // `sumif(x, predicate)`: the predicate decides which rows are seen.
    let filter = match entry.predicate {
        Some(index) if index < args.len() => Some(args.remove(index).0),
        _ => None,
    };
    let returns = outputs.first().copied().unwrap_or(Type::Long);
    let first = args.first().cloned();
    let value = || first.clone().ok_or_else(|| super::refuse(format!("{name}() needs an argument")));
    let lowered = |call, outputs| Ok(AggregateLowered { call, outputs });
    match entry.kind {
        Kind::Count => lowered(native(count::count_udaf(), vec![lit(1_i64)], filter), plain_output()),
        Kind::Sum => {
            let (expr, ty) = value()?;
            let expr = super::cast(expr, ty, returns);
            lowered(native(sum::sum_udaf(), vec![expr], filter), or_value(zero(returns)))
        }
        Kind::Average if matches!(value()?.1, Type::Int | Type::Real) => {
            let (expr, ty) = value()?;
            let expr = super::cast(expr, ty, Type::Real);
            lowered(native(average::avg_udaf(), vec![expr], filter), or_value(Value::Real(f64::NAN)))
        }
        Kind::Least | Kind::Greatest if value()?.1 != Type::Real => {
            let (expr, ty) = value()?;
            let function = if matches!(entry.kind, Kind::Least) {
                min_max::min_udaf()
            } else {
                min_max::max_udaf()
            };
            let output = if ty == Type::String {
                or_value(Value::String(String::new()))
            } else {
                plain_output()
            };
            lowered(native(function, vec![expr], filter), output)
        }
        _ => {
            let types: Vec<Type> = args.iter().map(|(_, ty)| *ty).collect();
            let args = args.into_iter().map(|(expr, _)| expr).collect();
            let udaf = Arc::new(state::udaf(entry, &types, outputs));
            let call = native(udaf, args, filter);
            let result = match outputs {
                [_] => plain_output(),
                several => (0..several.len())
                    .map(|index| -> Output {
                        Box::new(move |result| datafusion::functions::core::expr_fn::get_field(result, index.to_string()))
                    })
                    .collect(),
            };
            lowered(call, result)
        }
    }
}
