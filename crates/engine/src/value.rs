//! Constants that a plan computed, back as values of the language.

use datafusion::common::ScalarValue;
use taffrail_kql::{Type, Value};

/// The value of a query-form scalar; `None` when it is not of that type.
pub(crate) fn read(scalar: &ScalarValue, ty: Type) -> Option<Value> {
    if scalar.is_null() {
        return Some(empty(ty));
    }
    Some(match (ty, scalar) {
        (Type::Bool, ScalarValue::Boolean(Some(value))) => Value::Bool(*value),
        (Type::Int, ScalarValue::Int32(Some(value))) => Value::Int(*value),
        (Type::Long, ScalarValue::Int64(Some(value))) => Value::Long(*value),
        (Type::DateTime, ScalarValue::Int64(Some(value))) => Value::DateTime(*value),
        (Type::TimeSpan, ScalarValue::Int64(Some(value))) => Value::TimeSpan(*value),
        (Type::Real, ScalarValue::Float64(Some(value))) => Value::Real(*value),
        (Type::Decimal, ScalarValue::Decimal256(Some(value), ..)) => Value::Decimal(crate::functions::format::decimal(*value)),
        (Type::String, _) => Value::String(text(scalar)?),
        (Type::Guid, _) => Value::Guid(text(scalar)?),
        (Type::Dynamic, _) => Value::Dynamic(text(scalar)?),
        _ => return None,
    })
}

/// What stands for no value: null, and of strings ''.
pub(crate) fn empty(ty: Type) -> Value {
    match ty {
        Type::String => Value::String(String::new()),
        ty => Value::Null(ty),
    }
}

fn text(scalar: &ScalarValue) -> Option<String> {
    scalar.try_as_str().flatten().map(str::to_owned)
}
