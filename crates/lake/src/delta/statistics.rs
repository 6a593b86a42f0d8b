//! What is known of a file without opening it (PROTOCOL.md, "Per-file Statistics"): rows, and smallest and largest value of
//! the columns for which that is cheap and prunes.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray, RecordBatch};
use arrow::compute::{max, max_string_view, min, min_string_view};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use chrono::{DateTime, SecondsFormat};
use datafusion::common::ScalarValue;
use serde_json::{Map, Value, json};
use taffrail_kql::Type;
use taffrail_schema::{ColumnDef, TableDef, stored_type};

/// Longer texts are left out: they would have to be cut, and a cut bound is not exact.
const MAX_TEXT: usize = 64;

/// Statistics of one column.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ColumnStatistics {
    pub(crate) min: Option<ScalarValue>,
    pub(crate) max: Option<ScalarValue>,
    pub(crate) nulls: Option<u64>,
}

/// Statistics of one file.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct FileStatistics {
    /// `None` when another writer did not say
    pub(crate) rows: Option<u64>,
    pub(crate) columns: BTreeMap<String, ColumnStatistics>,
}

/// Columns statistics are kept for: numbers, times, and the text that files are sorted by.
fn is_kept(table: &TableDef, column: &ColumnDef) -> bool {
    match column.ty {
        Type::Int | Type::Long | Type::TimeSpan | Type::DateTime | Type::Real => true,
        Type::String => table.sort.contains(&column.name),
        Type::Bool | Type::Decimal | Type::Guid | Type::Dynamic => false,
    }
}

fn primitive<T: ArrowPrimitiveType<Native: PartialOrd>>(array: &PrimitiveArray<T>) -> (Option<T::Native>, Option<T::Native>)
where
    T::Native: arrow::array::ArrowNativeTypeOp,
{
    (min(array), max(array))
}

fn bounds(array: &ArrayRef) -> (Option<ScalarValue>, Option<ScalarValue>) {
    match array.data_type() {
        DataType::Int32 => {
            let (low, high) = primitive::<Int32Type>(array.as_primitive());
            (low.map(ScalarValue::from), high.map(ScalarValue::from))
        }
        DataType::Int64 => {
            let (low, high) = primitive::<Int64Type>(array.as_primitive());
            (low.map(ScalarValue::from), high.map(ScalarValue::from))
        }
        DataType::Float64 => {
            let array = array.as_primitive::<Float64Type>();
            if array.iter().flatten().any(|value| !value.is_finite()) {
                return (None, None);
            }
            let (low, high) = primitive(array);
            (low.map(ScalarValue::from), high.map(ScalarValue::from))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let (low, high) = primitive::<TimestampMicrosecondType>(array.as_primitive());
            (low.map(timestamp), high.map(timestamp))
        }
        DataType::Utf8View => {
            let array = array.as_string_view();
            let text = |value: Option<&str>| {
                value
                    .filter(|text| text.len() <= MAX_TEXT)
                    .map(|text| ScalarValue::Utf8View(Some(text.to_owned())))
            };
            (text(min_string_view(array)), text(max_string_view(array)))
        }
        _ => (None, None),
    }
}

fn timestamp(microseconds: i64) -> ScalarValue {
    ScalarValue::TimestampMicrosecond(Some(microseconds), Some("UTC".into()))
}

impl FileStatistics {
    /// Adds further rows.
    pub(crate) fn include(&mut self, table: &TableDef, batch: &RecordBatch) {
        let first = self.rows == Some(0);
        self.rows = self.rows.map(|rows| rows + batch.num_rows() as u64);
        for (column, array) in table.columns.iter().zip(batch.columns()) {
            if !is_kept(table, column) {
                continue;
            }
            let (min, max) = bounds(array);
            let nulls = Some(array.null_count() as u64);
            let unknown = array.null_count() < array.len() && (min.is_none() || max.is_none());
            let known = self.columns.entry(column.name.clone()).or_default();
            if first {
                *known = ColumnStatistics { min, max, nulls };
                continue;
            }
            // A bound that one part does not have, although it has values, is unknown for the whole.
            let lost = known.min.is_none() && known.nulls != self.rows.map(|rows| rows - batch.num_rows() as u64);
            known.nulls = known.nulls.zip(nulls).map(|(left, right)| left + right);
            if unknown || lost {
                known.min = None;
                known.max = None;
                continue;
            }
            known.min = pick(known.min.take(), min, |new, old| new < old);
            known.max = pick(known.max.take(), max, |new, old| new > old);
        }
    }

    /// Reads the `stats` of an `add`. What is not understood is unknown.
    pub(crate) fn parse(text: Option<&str>, table: &TableDef) -> FileStatistics {
        let Some(value) = text.and_then(|text| serde_json::from_str::<Value>(text).ok()) else {
            return FileStatistics::default();
        };
        let rows = value.get("numRecords").and_then(Value::as_u64);
        let mut columns = BTreeMap::new();
        for column in &table.columns {
            let of = |part: &str| value.get(part).and_then(|part| part.get(&column.name));
            let statistics = ColumnStatistics {
                min: of("minValues").and_then(|value| scalar(value, column.ty, false)),
                max: of("maxValues").and_then(|value| scalar(value, column.ty, true)),
                nulls: of("nullCount").and_then(Value::as_u64),
            };
            if statistics != ColumnStatistics::default() {
                columns.insert(column.name.clone(), statistics);
            }
        }
        FileStatistics { rows, columns }
    }

    /// As the `stats` of an `add`.
    pub(crate) fn to_json(&self) -> Value {
        let (mut low, mut high, mut nulls) = (Map::new(), Map::new(), Map::new());
        for (name, column) in &self.columns {
            let put = |map: &mut Map<String, Value>, value: &Option<ScalarValue>| {
                if let Some(value) = value.as_ref().and_then(json_of) {
                    map.insert(name.clone(), value);
                }
            };
            put(&mut low, &column.min);
            put(&mut high, &column.max);
            if let Some(count) = column.nulls {
                nulls.insert(name.clone(), Value::from(count));
            }
        }
        json!({"numRecords": self.rows.unwrap_or_default(), "minValues": low, "maxValues": high, "nullCount": nulls})
    }

    /// Smallest value of a time column, microseconds.
    pub(crate) fn earliest(&self, column: &str) -> Option<i64> {
        match self.columns.get(column)?.min {
            Some(ScalarValue::TimestampMicrosecond(Some(value), _)) => Some(value),
            _ => None,
        }
    }

    /// Largest value of a time column, microseconds.
    pub(crate) fn latest(&self, column: &str) -> Option<i64> {
        match self.columns.get(column)?.max {
            Some(ScalarValue::TimestampMicrosecond(Some(value), _)) => Some(value),
            _ => None,
        }
    }
}

fn pick(old: Option<ScalarValue>, new: Option<ScalarValue>, better: impl Fn(&ScalarValue, &ScalarValue) -> bool) -> Option<ScalarValue> {
    match (old, new) {
        (Some(old), Some(new)) => Some(if better(&new, &old) { new } else { old }),
        (old, new) => old.or(new),
    }
}

fn json_of(value: &ScalarValue) -> Option<Value> {
    Some(match value {
        ScalarValue::Int32(Some(value)) => Value::from(*value),
        ScalarValue::Int64(Some(value)) => Value::from(*value),
        ScalarValue::Float64(Some(value)) => Value::from(*value),
        ScalarValue::TimestampMicrosecond(Some(value), _) => {
            Value::from(DateTime::from_timestamp_micros(*value)?.to_rfc3339_opts(SecondsFormat::Micros, true))
        }
        ScalarValue::Utf8View(Some(value)) => Value::from(value.as_str()),
        _ => return None,
    })
}

fn scalar(value: &Value, ty: Type, upper: bool) -> Option<ScalarValue> {
    Some(match stored_type(ty) {
        DataType::Int32 => ScalarValue::from(i32::try_from(value.as_i64()?).ok()?),
        DataType::Int64 => ScalarValue::from(value.as_i64()?),
        DataType::Float64 => ScalarValue::from(value.as_f64()?),
        DataType::Timestamp(..) => {
            let text = value.as_str()?;
            let mut microseconds = DateTime::parse_from_rfc3339(text).ok()?.timestamp_micros();
            // Other writers cut to milliseconds; then the true bound lies up to one further on.
            let digits = text
                .split('.')
                .nth(1)
                .map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).count());
            if upper && digits <= 3 {
                microseconds += 999;
            }
            timestamp(microseconds)
        }
        // Texts of other writers may have been cut: a prefix is still a lower bound, and no upper one.
        DataType::Utf8View if ty == Type::String && (!upper || value.as_str()?.len() < 32) => {
            ScalarValue::Utf8View(Some(value.as_str()?.to_owned()))
        }
        _ => return None,
    })
}
