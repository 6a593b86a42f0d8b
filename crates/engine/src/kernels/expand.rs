//! The parts of dynamic values, side by side, as a list of structs (`mv-expand`, `mv-apply`).

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, BooleanBuilder, Int64Builder, ListArray, StringViewBuilder, StructArray};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit};
use sonic_rs::{JsonValueTrait, LazyValue};

use super::strings;

const NAME: &str = "taffrail_expand";
/// Field with the position of the part.
pub(crate) const INDEX: &str = "index";
/// Field that is true for the row that stands for no parts.
pub(crate) const MARKER: &str = "marker";
/// Arguments before the values.
const OPTIONS: usize = 4;

/// How to expand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expand {
    pub(crate) limit: Option<u64>,
    /// A member of a bag becomes `[key, value]`, not `{key: value}`
    pub(crate) pairs: bool,
    /// A row without parts stays, with null
    pub(crate) keep_empty: bool,
    /// Every row gets one more part, the marker
    pub(crate) marker: bool,
}

/// Field of a part.
pub(crate) fn part(position: usize) -> String {
    format!("part{position}")
}

pub(crate) fn udf() -> ScalarUDF {
    ScalarUDF::from(ExpandFunction {
        signature: Signature::variadic_any(Volatility::Immutable),
    })
}

pub(crate) fn call(spec: &Expand, values: Vec<Expr>) -> Expr {
    let limit = spec.limit.and_then(|limit| i64::try_from(limit).ok()).unwrap_or(i64::MAX);
    let mut args = vec![lit(limit), lit(spec.pairs), lit(spec.keep_empty), lit(spec.marker)];
    args.extend(values);
    udf().call(args)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ExpandFunction {
    signature: Signature,
}

fn fields(items: usize) -> Fields {
    let mut fields: Vec<Field> = (0..items)
        .map(|position| Field::new(part(position), DataType::Utf8View, true))
        .collect();
    fields.push(Field::new(INDEX, DataType::Int64, true));
    fields.push(Field::new(MARKER, DataType::Boolean, true));
    Fields::from(fields)
}

fn item_field(items: usize) -> FieldRef {
    Arc::new(Field::new_list_field(DataType::Struct(fields(items)), true))
}

impl ScalarUDFImpl for ExpandFunction {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        Ok(DataType::List(item_field(args.len().saturating_sub(OPTIONS))))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [
            ColumnarValue::Scalar(ScalarValue::Int64(Some(limit))),
            ColumnarValue::Scalar(ScalarValue::Boolean(Some(pairs))),
            ColumnarValue::Scalar(ScalarValue::Boolean(Some(keep_empty))),
            ColumnarValue::Scalar(ScalarValue::Boolean(Some(marker))),
            values @ ..,
        ] = args.args.as_slice()
        else {
            return exec_err!("{NAME} takes a limit, three switches and values");
        };
        let limit = usize::try_from(*limit).unwrap_or(usize::MAX);
        let values = values
            .iter()
            .map(|value| strings(value.clone().into_array(args.number_rows)?.as_ref()))
            .collect::<Result<Vec<_>>>()?;
        let mut builders: Vec<StringViewBuilder> = values.iter().map(|_| StringViewBuilder::new()).collect();
        let mut index = Int64Builder::new();
        let mut markers = BooleanBuilder::new();
        let mut lengths = Vec::with_capacity(args.number_rows);
        let mut lists: Vec<Vec<Option<String>>> = vec![Vec::new(); values.len()];
        for row in 0..args.number_rows {
            for (list, array) in lists.iter_mut().zip(&values) {
                list.clear();
                if array.is_valid(row) {
                    parts(array.value(row), *pairs, limit, list);
                }
            }
            let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
            let mut length = longest.min(limit);
            if length == 0 && *keep_empty {
                length = 1;
            }
            for position in 0..length {
                for (builder, list) in builders.iter_mut().zip(&lists) {
                    builder.append_option(list.get(position).and_then(Option::as_deref));
                }
                index.append_value(i64::try_from(position).unwrap_or(i64::MAX));
                markers.append_value(false);
            }
            if *marker {
                for builder in &mut builders {
                    builder.append_null();
                }
                index.append_null();
                markers.append_value(true);
                length += 1;
            }
            lengths.push(length);
        }
        let mut columns: Vec<ArrayRef> = builders
            .into_iter()
            .map(|mut builder| -> ArrayRef { Arc::new(builder.finish()) })
            .collect();
        columns.push(Arc::new(index.finish()));
        columns.push(Arc::new(markers.finish()));
        let items = values.len();
        let parts = StructArray::try_new(fields(items), columns, None)?;
        let list = ListArray::try_new(item_field(items), OffsetBuffer::from_lengths(lengths), Arc::new(parts), None)?;
        Ok(ColumnarValue::Array(Arc::new(list)))
    }
}

/// Elements of an array, members of a bag, or the value itself.
fn parts(json: &str, pairs: bool, limit: usize, out: &mut Vec<Option<String>>) {
    let first = json.trim_start().as_bytes().first();
    match first {
        Some(b'[') => {
            for element in sonic_rs::to_array_iter(json).take(limit) {
                out.push(element.ok().and_then(|element| raw(&element)));
            }
        }
        Some(b'{') => {
            for member in sonic_rs::to_object_iter(json).take(limit) {
                let Ok((key, value)) = member else {
                    out.push(None);
                    continue;
                };
                let key = serde_json::Value::String(key.to_string());
                let value = value.as_raw_str();
                out.push(Some(if pairs {
                    format!("[{key},{value}]")
                } else {
                    format!("{{{key}:{value}}}")
                }));
            }
        }
        _ => out.push(Some(json.to_owned())),
    }
}

fn raw(value: &LazyValue<'_>) -> Option<String> {
    if value.is_null() {
        return None;
    }
    Some(value.as_raw_str().to_owned())
}
