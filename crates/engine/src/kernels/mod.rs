//! Scalar functions that operators are lowered to. They have no name in the language; in plans they are known by name and
//! arguments alone, so that plans can travel.

pub(crate) mod expand;
pub(crate) mod in_set;
pub(crate) mod parse;
pub(crate) mod parse_kv;
pub(crate) mod same;
pub(crate) mod series;

use datafusion::arrow::array::{Array, AsArray, StringViewArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;

/// All of them.
pub(crate) fn udfs() -> Vec<ScalarUDF> {
    vec![
        expand::udf(),
        in_set::udf(),
        parse::udf(),
        parse_kv::udf(),
        same::udf(),
        series::udf(),
    ]
}

/// Text in whatever form it comes.
pub(crate) fn strings(array: &dyn Array) -> Result<StringViewArray> {
    if let Some(views) = array.as_string_view_opt() {
        return Ok(views.clone());
    }
    let cast = datafusion::arrow::compute::cast(array, &DataType::Utf8View)?;
    Ok(cast.as_string_view().clone())
}
