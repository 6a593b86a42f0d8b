//! The catalogue of functions and what they mean on Arrow and DataFusion.
//!
//! A function is one entry of a table: what the language knows of it ([`taffrail_kql::catalog::Function`]) and what it
//! does (a kernel over arrays, or an expression made of others). The tables are grouped by file; [`catalog`] is all of
//! them. The name of a function in a plan says which entry and for which types (`tostring(datetime)->string`), so that a
//! plan can be rebuilt elsewhere ([`function_by_id`]); nothing in a plan is bound to this process.
//!
//! Values in a query: see the query form of types in [`arrow_type`].
//!
//! Source: Kusto Query Language reference, "Scalar functions", "Aggregation functions", "Window functions".

pub mod aggregates;
pub mod calendar;
pub mod call;
pub mod conversions;
pub mod dates;
pub mod decimal;
pub mod declare;
pub mod dynamic;
pub mod encoding;
pub mod format;
pub mod geo;
pub mod hashing;
pub mod ip;
pub mod markup;
pub mod math;
pub mod operators;
pub mod parse;
pub mod parsing;
pub mod records;
pub mod regex;
pub mod registry;
pub mod series;
pub mod sketches;
pub mod statistics;
pub mod strings;
pub mod text_match;
pub mod units;
pub mod user_agent;
pub mod windows;

use std::sync::Arc;

use arrow::array::Array;
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{ColumnarValue, Expr, lit};
use taffrail_kql::types::{Type, Value};

pub use aggregates::{AggregateLowered, aggregate};
pub use operators::{PathStepLowered, binary, cast, list, path};
pub use registry::{catalog, function_by_id, known_but_unsupported, scalar};
pub use windows::window;

use crate::error::LowerError;

/// An argument that does not fit.
pub(crate) fn refuse(message: impl Into<String>) -> LowerError {
    LowerError::Argument(message.into())
}

/// How values of a type are represented inside a query.
pub fn arrow_type(ty: Type) -> DataType {
    match ty {
        Type::Bool => DataType::Boolean,
        Type::Int => DataType::Int32,
        Type::Long | Type::DateTime | Type::TimeSpan => DataType::Int64,
        Type::Real => DataType::Float64,
        Type::Decimal => DataType::Decimal256(decimal::PRECISION, decimal::SCALE),
        Type::String | Type::Guid | Type::Dynamic => DataType::Utf8View,
    }
}

/// A constant in query form.
pub fn scalar_value(value: &Value) -> ScalarValue {
    match value {
        Value::Null(ty) => null_value(*ty),
        Value::Bool(v) => ScalarValue::Boolean(Some(*v)),
        Value::Int(v) => ScalarValue::Int32(Some(*v)),
        Value::Long(v) | Value::DateTime(v) | Value::TimeSpan(v) => ScalarValue::Int64(Some(*v)),
        Value::Real(v) => ScalarValue::Float64(Some(*v)),
        Value::Decimal(v) => ScalarValue::Decimal256(decimal::parse(v), decimal::PRECISION, decimal::SCALE),
        Value::String(v) | Value::Guid(v) => ScalarValue::Utf8View(Some(v.clone())),
        Value::Dynamic(v) => {
            let mut json = String::new();
            ScalarValue::Utf8View(dynamic::json::normalize(v, &mut json).map(|()| json))
        }
    }
}

fn null_value(ty: Type) -> ScalarValue {
    match ty {
        Type::Bool => ScalarValue::Boolean(None),
        Type::Int => ScalarValue::Int32(None),
        Type::Long | Type::DateTime | Type::TimeSpan => ScalarValue::Int64(None),
        Type::Real => ScalarValue::Float64(None),
        Type::Decimal => ScalarValue::Decimal256(None, decimal::PRECISION, decimal::SCALE),
        Type::String => ScalarValue::Utf8View(Some(String::new())),
        Type::Guid | Type::Dynamic => ScalarValue::Utf8View(None),
    }
}

/// A constant as an expression.
pub fn literal(value: &Value) -> Expr {
    lit(scalar_value(value))
}

/// The null of a type; of `string` the empty text.
pub fn null(ty: Type) -> Expr {
    lit(null_value(ty))
}

/// One cell of a result as JSON: datetime and timespan as text, decimal and guid too, NaN and infinities by name.
pub fn to_json(array: &dyn Array, row: usize, ty: Type) -> serde_json::Value {
    let one = ColumnarValue::Array(array.slice(row, 1));
    match call::Values::new(&one, ty) {
        Ok(values) => datum_to_json(values.get(0)),
        Err(_) => serde_json::Value::Null,
    }
}

/// A value as JSON.
pub fn datum_to_json(value: call::Datum<'_>) -> serde_json::Value {
    use call::Datum;
    use serde_json::Value as Json;
    match value {
        Datum::Null => Json::Null,
        Datum::Bool(v) => Json::Bool(v),
        Datum::Int(v) => Json::from(v),
        Datum::Long(v) => Json::from(v),
        Datum::Real(v) => match serde_json::Number::from_f64(v) {
            Some(number) => Json::Number(number),
            None if v.is_nan() => Json::from("NaN"),
            None if v > 0.0 => Json::from("Infinity"),
            None => Json::from("-Infinity"),
        },
        Datum::Dynamic(v) => dynamic::json::tree(v),
        // Results leave out the zeros at the end of a fraction, which `tostring()` writes.
        Datum::DateTime(v) => {
            let mut text = String::new();
            format::datetime(v, &mut text);
            let whole = text.trim_end_matches('Z').trim_end_matches('0').trim_end_matches('.');
            Json::from(format!("{whole}Z"))
        }
        other => {
            let mut text = String::new();
            format::text(other, &mut text);
            Json::from(text)
        }
    }
}

/// An expression over a function of ours.
pub(crate) fn invoke(function: &'static declare::Scalar, args: Vec<Expr>, types: &[Type], returns: Type) -> Expr {
    let udf = registry::udf(function, types, returns);
    Expr::ScalarFunction(datafusion::logical_expr::expr::ScalarFunction::new_udf(Arc::new(udf), args))
}
