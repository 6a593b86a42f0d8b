//! What a query may ask of its surroundings: where it runs, how large rows are, whether something holds.
//!
//! Source: Kusto Query Language reference, "Metadata functions", "assert()".

use arrow::array::ArrayRef;
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, lit};
use taffrail_kql::catalog::{Argument, ArgumentError, Param, Resolved};
use taffrail_kql::types::Type;

use super::call::{Call, Datum};
use super::declare::{Scalar, built, custom, kernel, many, plain};
use super::dynamic::json;
use crate::error::LowerError;

use Param::{Any, Is};

/// The one database there is.
const DATABASE: &str = "taffrail";

/// This file's functions.
pub static FUNCTIONS: &[Scalar] = &[
    built(
        "current_database",
        "current_database() → string",
        "The database that is asked.",
        plain(&[], Type::String),
        |_, _, _| Ok(super::literal(&taffrail_kql::types::Value::String(DATABASE.to_owned()))),
    ),
    built(
        "current_cluster_endpoint",
        "current_cluster_endpoint() → string",
        "The server that is asked, as it sees itself.",
        plain(&[], Type::String),
        |_, _, _| Ok(super::literal(&taffrail_kql::types::Value::String("localhost".to_owned()))),
    ),
    kernel(
        "estimate_data_size",
        "estimate_data_size(column, …) → long",
        "About how many bytes the values take.",
        many(&[Any], Any, Type::Long),
        estimate_data_size,
    ),
    kernel(
        "assert",
        "assert(condition, message) → bool",
        "True, or an end of the query with a message.",
        plain(&[Is(Type::Bool), Is(Type::String)], Type::Bool),
        assert,
    ),
    built(
        "around",
        "around(value, center, delta) → bool",
        "Whether a value is no farther than a delta from another.",
        custom(around_types),
        around,
    ),
];

fn estimate_data_size(c: &Call<'_>) -> Result<ArrayRef> {
    let values = c.values(0)?;
    let size = |value: Datum<'_>, ty: Type| match value {
        Datum::Bool(_) => 1,
        Datum::Int(_) => 4,
        Datum::Long(_) | Datum::Real(_) | Datum::DateTime(_) | Datum::TimeSpan(_) => 8,
        Datum::Decimal(_) | Datum::Guid(_) => 16,
        Datum::String(text) => text.len() as i64,
        Datum::Dynamic(text) => dynamic_size(text),
        Datum::Null => match ty {
            Type::Bool => 1,
            Type::Int => 4,
            Type::Guid | Type::Decimal => 16,
            Type::String | Type::Dynamic => 0,
            _ => 8,
        },
    };
    c.longs(|i| Some(values.iter().map(|column| size(column.get(i), column.ty)).sum()))
}

/// A dynamic is kept with a byte for the type of each value and four for each length.
fn dynamic_size(text: &str) -> i64 {
    let head = 5;
    if let Some(members) = json::members(text) {
        return head
            + members
                .map(|(name, value)| head + name.len() as i64 + dynamic_size(value))
                .sum::<i64>();
    }
    if let Some(elements) = json::elements(text) {
        return head + elements.map(dynamic_size).sum::<i64>();
    }
    match json::kind(text) {
        json::Kind::Number => 9,
        json::Kind::Bool => 2,
        json::Kind::Null => 1,
        _ => head + json::as_text(text).len() as i64,
    }
}

fn assert(c: &Call<'_>) -> Result<ArrayRef> {
    let (condition, message) = (c.bool(0)?, c.text(1)?);
    if let Some(failed) = (0..c.rows).find(|i| condition.get(*i) != Some(true)) {
        let message = message.get(failed).unwrap_or_default();
        return Err(datafusion::common::exec_datafusion_err!(
            "assert() has failed with message: '{message}'"
        ));
    }
    c.bools(|_| Some(true))
}

fn around_types(args: &[Argument<'_>]) -> std::result::Result<Resolved, ArgumentError> {
    use Type::{DateTime, Dynamic, Int, Long, Real, TimeSpan};
    let [value, center, delta] = args else {
        return Err(ArgumentError {
            argument: None,
            message: "expected a value, a center and a delta".to_owned(),
        });
    };
    let params = match (value.ty, center.ty, delta.ty) {
        (DateTime, _, _) | (_, DateTime, _) => vec![DateTime, DateTime, TimeSpan],
        (TimeSpan, _, _) | (_, TimeSpan, _) => vec![TimeSpan; 3],
        (Int | Long, Int | Long, Int | Long) => vec![Long; 3],
        (a, b, d) if [a, b, d].iter().all(|ty| ty.is_numeric() || *ty == Dynamic) => vec![Real; 3],
        (other, _, _) => {
            return Err(ArgumentError {
                argument: Some(0),
                message: format!("expected a number, datetime or timespan, got {other}"),
            });
        }
    };
    Ok(Resolved::one(params, Type::Bool))
}

/// Instants and whole numbers are both counts here, so one expression serves all.
fn around(args: Vec<Expr>, _types: &[Type], _returns: Type) -> std::result::Result<Expr, LowerError> {
    let [value, center, delta] = args.try_into().map_err(|_| super::refuse("around() takes three arguments"))?;
    let within = value.clone().gt_eq(center.clone() - delta.clone()).and(value.lt_eq(center + delta));
    Ok(datafusion::functions::core::expr_fn::coalesce(vec![within, lit(false)]))
}
