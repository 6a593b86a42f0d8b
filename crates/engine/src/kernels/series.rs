//! Arrays over regular steps from the steps that have rows (`make-series`).

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, StringViewBuilder, StructArray};
use datafusion::arrow::datatypes::{DataType, Field, Fields, Int64Type};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, exec_err};
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit};
use taffrail_kql::{Type, Value};

use super::strings;
use crate::functions;

const NAME: &str = "taffrail_series";
/// Field of a gathered step: its number.
pub(crate) const POSITION: &str = "position";
/// Field of the result: the axis.
pub(crate) const AXIS: &str = "axis";
/// Arguments before the defaults.
const OPTIONS: usize = 5;
/// Points of one series.
const LIMIT: i64 = 1_048_576;

/// Field of a series.
pub(crate) fn part(position: usize) -> String {
    format!("part{position}")
}

/// Where the steps are.
#[derive(Debug, Clone)]
pub(crate) struct Axis {
    ty: Type,
    /// Value of step 0, in the axis' own unit; none: steps are counted from zero and each series has its own range
    from: Option<f64>,
    from_ticks: i64,
    step: f64,
    step_ticks: i64,
    /// Number of steps; none: up to the last that has rows
    count: Option<i64>,
}

impl Axis {
    /// # Errors
    /// When the step is not positive or there would be too many steps.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "checked against the limit"
    )]
    pub(crate) fn new(ty: Type, from: &Value, to: &Value, step: &Value, end_included: bool) -> std::result::Result<Axis, String> {
        let Some((step_ticks, step)) = number(step).filter(|(_, step)| *step > 0.0) else {
            return Err("the step of make-series must be greater than zero".to_owned());
        };
        let start = number(from);
        let count = match (start, number(to)) {
            (Some((from_ticks, from)), Some((to_ticks, to))) => {
                let steps = if ty == Type::Real {
                    (to - from) / step
                } else {
                    (i128::from(to_ticks) - i128::from(from_ticks)) as f64 / step_ticks as f64
                };
                let steps = if end_included {
                    (steps + 1e-9).floor() + 1.0
                } else {
                    (steps - 1e-9).ceil()
                };
                if steps > LIMIT as f64 {
                    return Err(format!("make-series would give {steps} steps; at most {LIMIT} are allowed"));
                }
                Some(steps.max(0.0) as i64)
            }
            _ => None,
        };
        Ok(Axis {
            ty,
            from: start.map(|(_, from)| from),
            from_ticks: start.map_or(0, |(ticks, _)| ticks),
            step,
            step_ticks,
            count,
        })
    }
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "both readings are wanted")]
fn number(value: &Value) -> Option<(i64, f64)> {
    match value {
        Value::Int(value) => Some((i64::from(*value), f64::from(*value))),
        Value::Long(value) | Value::DateTime(value) | Value::TimeSpan(value) => Some((*value, *value as f64)),
        Value::Real(value) => Some((*value as i64, *value)),
        _ => None,
    }
}

pub(crate) fn udf() -> ScalarUDF {
    ScalarUDF::from(SeriesFunction {
        signature: Signature::variadic_any(Volatility::Immutable),
    })
}

/// A struct of dynamic arrays: each series, the axis.
pub(crate) fn call(axis: &Axis, gathered: Expr, defaults: Vec<Expr>) -> Expr {
    let real = axis.ty == Type::Real;
    let from = match (axis.from, real) {
        (None, _) => lit(ScalarValue::Float64(None)),
        (Some(from), true) => lit(from),
        (Some(_), false) => lit(axis.from_ticks),
    };
    let step = if real { lit(axis.step) } else { lit(axis.step_ticks) };
    let mut args = vec![gathered, lit(axis.ty.name()), from, step, lit(ScalarValue::Int64(axis.count))];
    args.extend(defaults);
    udf().call(args)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct SeriesFunction {
    signature: Signature,
}

fn fields(series: usize) -> Fields {
    let mut fields: Vec<Field> = (0..series)
        .map(|position| Field::new(part(position), DataType::Utf8View, true))
        .collect();
    fields.push(Field::new(AXIS, DataType::Utf8View, true));
    Fields::from(fields)
}

impl ScalarUDFImpl for SeriesFunction {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        Ok(DataType::Struct(fields(args.len().saturating_sub(OPTIONS))))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [
            gathered,
            ColumnarValue::Scalar(ty),
            ColumnarValue::Scalar(from),
            ColumnarValue::Scalar(step),
            ColumnarValue::Scalar(ScalarValue::Int64(count)),
            defaults @ ..,
        ] = args.args.as_slice()
        else {
            return exec_err!("{NAME} takes steps, an axis and defaults");
        };
        let ty = ty
            .try_as_str()
            .flatten()
            .and_then(Type::parse)
            .ok_or_else(|| exec_datafusion_err!("{NAME} needs the type of its axis"))?;
        let defaults = defaults
            .iter()
            .map(|default| match default {
                ColumnarValue::Scalar(scalar) => Ok(scalar.try_as_str().flatten().unwrap_or("null").to_owned()),
                ColumnarValue::Array(array) => {
                    let texts = strings(array.as_ref())?;
                    Ok(if texts.is_empty() || texts.is_null(0) {
                        "null".to_owned()
                    } else {
                        texts.value(0).to_owned()
                    })
                }
            })
            .collect::<Result<Vec<String>>>()?;
        let gathered = gathered.clone().into_array(args.number_rows)?;
        let lists = gathered.as_list::<i32>();
        let mut builders: Vec<StringViewBuilder> = (0..=defaults.len()).map(|_| StringViewBuilder::new()).collect();
        let mut points: Vec<(i64, Vec<Option<String>>)> = Vec::new();
        for row in 0..lists.len() {
            points.clear();
            if lists.is_valid(row) {
                steps_of(lists.value(row).as_struct(), defaults.len(), &mut points)?;
            }
            let first = if from.is_null() {
                points.iter().map(|(position, _)| *position).min().unwrap_or(0)
            } else {
                0
            };
            let last = points.iter().map(|(position, _)| *position).max();
            let length = match (count, last) {
                (Some(count), _) => *count,
                (None, Some(last)) => last.saturating_sub(first).saturating_add(1),
                (None, None) => 0,
            };
            if length > LIMIT {
                return exec_err!("make-series would give {length} steps; at most {LIMIT} are allowed");
            }
            let by_position: HashMap<i64, &Vec<Option<String>>> = points.iter().map(|(position, values)| (*position, values)).collect();
            for (index, (builder, default)) in builders.iter_mut().zip(&defaults).enumerate() {
                let values = (0..length).map(|offset| {
                    by_position.get(&(first + offset)).map_or(default.as_str(), |values| {
                        values.get(index).and_then(Option::as_deref).unwrap_or("null")
                    })
                });
                builder.append_value(array_text(values));
            }
            if let Some(builder) = builders.last_mut() {
                builder.append_value(axis_text(ty, from, step, first, length)?);
            }
        }
        let columns: Vec<ArrayRef> = builders
            .into_iter()
            .map(|mut builder| -> ArrayRef { Arc::new(builder.finish()) })
            .collect();
        let result = StructArray::try_new(fields(defaults.len()), columns, None)?;
        Ok(ColumnarValue::Array(Arc::new(result)))
    }
}

fn steps_of(steps: &StructArray, series: usize, out: &mut Vec<(i64, Vec<Option<String>>)>) -> Result<()> {
    let missing = |name: &str| exec_datafusion_err!("{NAME} needs steps with {name}");
    let positions = steps.column_by_name(POSITION).ok_or_else(|| missing(POSITION))?;
    let positions = positions.as_primitive::<Int64Type>();
    let mut values = Vec::with_capacity(series);
    for index in 0..series {
        let name = part(index);
        let column = steps.column_by_name(&name).ok_or_else(|| missing(&name))?;
        values.push(strings(column.as_ref())?);
    }
    for step in 0..steps.len() {
        let texts = values
            .iter()
            .map(|column| column.is_valid(step).then(|| column.value(step).to_owned()))
            .collect();
        out.push((positions.value(step), texts));
    }
    Ok(())
}

fn array_text<'a>(values: impl Iterator<Item = &'a str>) -> String {
    let mut text = "[".to_owned();
    for (index, value) in values.enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(value);
    }
    text.push(']');
    text
}

#[allow(clippy::cast_precision_loss, reason = "a real axis")]
fn axis_text(ty: Type, from: &ScalarValue, step: &ScalarValue, first: i64, length: i64) -> Result<String> {
    let array: ArrayRef = match (from, step) {
        (ScalarValue::Float64(from), ScalarValue::Float64(Some(step))) => {
            let from = from.unwrap_or(0.0);
            Arc::new(Float64Array::from_iter_values(
                (first..first.saturating_add(length)).map(|position| from + position as f64 * step),
            ))
        }
        (from, ScalarValue::Int64(Some(step))) => {
            let from = match from {
                ScalarValue::Int64(Some(from)) => *from,
                _ => 0,
            };
            Arc::new(Int64Array::from_iter_values(
                (first..first.saturating_add(length)).map(|position| from.saturating_add(position.saturating_mul(*step))),
            ))
        }
        _ => return exec_err!("{NAME} needs a step"),
    };
    let texts: Vec<String> = (0..array.len())
        .map(|row| functions::to_json(array.as_ref(), row, ty).to_string())
        .collect();
    Ok(array_text(texts.iter().map(String::as_str)))
}
