//! `externaldata`: bytes of files as rows. Who may read what is decided by the [`ExternalSource`] an engine is given; without
//! one nothing is read.
//!
//! Source: Kusto Query Language reference, "externaldata operator"; formats as "Data formats supported for ingestion" has them.

use std::future::Future;
use std::io::Read;
use std::pin::Pin;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use datafusion::arrow::compute::{cast, concat};
use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use taffrail_kql::bound::{Column, External, Rel};
use taffrail_kql::syntax::literal::parse_typed;
use taffrail_kql::{Type, Value};

use crate::error::{LowerError, QueryError};
use crate::functions;
use crate::lower::Lowering;
use crate::ticks::UNIX_EPOCH;
use crate::value;

/// What reading takes: the bytes, or why there are none.
pub type Reading<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, String>> + Send + 'a>>;

/// Reads what `externaldata` names: addresses of the web, files. It alone decides what may be read.
pub trait ExternalSource: Send + Sync {
    /// The bytes of an address, at most `limit` of them.
    fn read<'a>(&'a self, uri: &'a str, limit: usize) -> Reading<'a>;
}

impl Lowering {
    /// Reads the files of an `externaldata`: its rows, under the names its columns have in plans.
    pub(crate) async fn run_external(&self, rel: &Rel, external: &External) -> Result<Vec<RecordBatch>, QueryError> {
        let refused = |message: String| QueryError::from_lower(LowerError::Argument(message).at(rel.span), self.memory_limit());
        let Some(source) = self.external_source() else {
            return Err(refused(
                "externaldata is switched off: it lets queries read from outside. Whoever runs the server can allow it with --allow-external-data"
                    .to_owned(),
            ));
        };
        let limit = self.memory_limit();
        let mut columns: Vec<Vec<ArrayRef>> = rel.columns.iter().map(|_| Vec::new()).collect();
        for uri in &external.uris {
            let shown = uri.split('?').next().unwrap_or_default();
            let failed = |message: String| refused(format!("externaldata cannot read {shown}: {message}"));
            let bytes = source.read(uri, limit).await.map_err(failed)?;
            let bytes = decompressed(bytes, limit).map_err(failed)?;
            let arrays = rows(bytes, external, &rel.columns).map_err(failed)?;
            for (parts, array) in columns.iter_mut().zip(arrays) {
                parts.push(array);
            }
        }
        let mut fields = Vec::with_capacity(columns.len());
        let mut arrays = Vec::with_capacity(columns.len());
        for (item, parts) in rel.columns.iter().zip(columns) {
            let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
            arrays.push(concat(&parts).map_err(|error| refused(error.to_string()))?);
            fields.push(Field::new(format!("c{}", item.id.0), functions::arrow_type(item.ty), true));
        }
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(|error| refused(error.to_string()))?;
        Ok(vec![batch])
    }
}

/// What a gzip file holds; other bytes as they are.
fn decompressed(bytes: Vec<u8>, limit: usize) -> Result<Vec<u8>, String> {
    if bytes.starts_with(b"PK\x03\x04") {
        return Err("zip archives cannot be read; gzip can".to_owned());
    }
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut out = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX);
    let mut reader = flate2::read::MultiGzDecoder::new(bytes.as_slice()).take(most.saturating_add(1));
    reader.read_to_end(&mut out).map_err(|error| error.to_string())?;
    if out.len() > limit {
        return Err(format!("it holds more than {limit} bytes"));
    }
    Ok(out)
}

fn rows(bytes: Vec<u8>, external: &External, columns: &[Column]) -> Result<Vec<ArrayRef>, String> {
    match external.format.as_str() {
        "parquet" => parquet(bytes, columns),
        "json" | "multijson" => json(&bytes, columns),
        "txt" => {
            let text = text(&bytes)?;
            let lines = text.lines().skip(usize::from(external.skip_first));
            arrays(columns, lines.map(|line| vec![line.to_owned()]))
        }
        "raw" => arrays(columns, std::iter::once(vec![text(&bytes)?.to_owned()])),
        format => separated(&bytes, format, external.skip_first, columns),
    }
}

fn text(bytes: &[u8]) -> Result<&str, String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| format!("it is no UTF-8 text: {error}"))
}

fn separated(bytes: &[u8], format: &str, skip_first: bool, columns: &[Column]) -> Result<Vec<ArrayRef>, String> {
    let separator = match format {
        "tsv" | "tsve" => b'\t',
        "psv" => b'|',
        "scsv" => b';',
        "sohsv" => 1,
        _ => b',',
    };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(separator)
        .has_headers(false)
        .flexible(true)
        .quoting(!matches!(format, "tsv" | "tsve"))
        .from_reader(text(bytes)?.as_bytes());
    let mut records = Vec::new();
    for record in reader.records().skip(usize::from(skip_first)) {
        let record = record.map_err(|error| error.to_string())?;
        records.push(record.iter().map(str::to_owned).collect::<Vec<String>>());
    }
    arrays(columns, records.into_iter())
}

/// Rows of texts as columns: what does not read as the type of its column is null.
fn arrays(columns: &[Column], rows: impl Iterator<Item = Vec<String>>) -> Result<Vec<ArrayRef>, String> {
    let mut values: Vec<Vec<ScalarValue>> = columns.iter().map(|_| Vec::new()).collect();
    for row in rows {
        let mut cells = row.into_iter();
        for (column, out) in columns.iter().zip(&mut values) {
            out.push(functions::scalar_value(&cell(column.ty, cells.next().unwrap_or_default())));
        }
    }
    columns
        .iter()
        .zip(values)
        .map(|(column, values)| array(column.ty, values))
        .collect()
}

fn array(ty: Type, values: Vec<ScalarValue>) -> Result<ArrayRef, String> {
    let data_type = functions::arrow_type(ty);
    if values.is_empty() {
        return Ok(datafusion::arrow::array::new_empty_array(&data_type));
    }
    let array = ScalarValue::iter_to_array(values).map_err(|error| error.to_string())?;
    cast(&array, &data_type).map_err(|error| error.to_string())
}

fn cell(ty: Type, text: String) -> Value {
    match ty {
        Type::String => Value::String(text),
        Type::Dynamic => match serde_json::from_str::<serde_json::Value>(&text) {
            Ok(value) => Value::Dynamic(value.to_string()),
            Err(_) if text.is_empty() => Value::Null(ty),
            Err(_) => Value::Dynamic(serde_json::Value::String(text).to_string()),
        },
        Type::Bool => match text.trim().to_lowercase().as_str() {
            "true" | "1" => Value::Bool(true),
            "false" | "0" => Value::Bool(false),
            _ => Value::Null(ty),
        },
        ty if text.trim().is_empty() => Value::Null(ty),
        ty => parse_typed(ty, text.trim()).unwrap_or(Value::Null(ty)),
    }
}

/// JSON objects, one after the other or in an array; columns by the names of members.
fn json(bytes: &[u8], columns: &[Column]) -> Result<Vec<ArrayRef>, String> {
    let stream = serde_json::Deserializer::from_str(text(bytes)?).into_iter::<serde_json::Value>();
    let mut values: Vec<Vec<ScalarValue>> = columns.iter().map(|_| Vec::new()).collect();
    let mut add = |record: &serde_json::Value| {
        for (column, out) in columns.iter().zip(&mut values) {
            let value = match record.get(&column.name) {
                None | Some(serde_json::Value::Null) => value::empty(column.ty),
                Some(serde_json::Value::String(text)) if column.ty == Type::Dynamic => {
                    Value::Dynamic(serde_json::Value::String(text.clone()).to_string())
                }
                Some(serde_json::Value::String(text)) => cell(column.ty, text.clone()),
                Some(other) => cell(column.ty, other.to_string()),
            };
            out.push(functions::scalar_value(&value));
        }
    };
    for record in stream {
        match record.map_err(|error| format!("it is no JSON: {error}"))? {
            serde_json::Value::Array(records) => records.iter().for_each(&mut add),
            record => add(&record),
        }
    }
    columns
        .iter()
        .zip(values)
        .map(|(column, values)| array(column.ty, values))
        .collect()
}

fn parquet(bytes: Vec<u8>, columns: &[Column]) -> Result<Vec<ArrayRef>, String> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes))
        .and_then(ParquetRecordBatchReaderBuilder::build)
        .map_err(|error| error.to_string())?;
    let mut parts: Vec<Vec<ArrayRef>> = columns.iter().map(|_| Vec::new()).collect();
    for batch in reader {
        let batch = batch.map_err(|error| error.to_string())?;
        for (column, out) in columns.iter().zip(&mut parts) {
            out.push(match batch.column_by_name(&column.name) {
                Some(array) => query_form(array, column.ty).map_err(|error| format!("column '{}': {error}", column.name))?,
                None => functions::scalar_value(&value::empty(column.ty))
                    .to_array_of_size(batch.num_rows())
                    .map_err(|error| error.to_string())?,
            });
        }
    }
    columns
        .iter()
        .zip(parts)
        .map(|(column, parts)| {
            let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
            if parts.is_empty() {
                return Ok(datafusion::arrow::array::new_empty_array(&functions::arrow_type(column.ty)));
            }
            concat(&parts).map_err(|error| error.to_string())
        })
        .collect()
}

/// A column of a Parquet file as queries see it.
fn query_form(array: &ArrayRef, ty: Type) -> Result<ArrayRef, String> {
    let arrow = |error: arrow::error::ArrowError| error.to_string();
    match ty {
        Type::DateTime if matches!(array.data_type(), DataType::Timestamp(..) | DataType::Date32 | DataType::Date64) => {
            let micros = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, None)).map_err(arrow)?;
            let micros: &TimestampMicrosecondArray = micros.as_primitive();
            let ticks: Int64Array = micros.iter().map(|micros| micros.map(|micros| micros * 10 + UNIX_EPOCH)).collect();
            Ok(Arc::new(ticks))
        }
        Type::TimeSpan if matches!(array.data_type(), DataType::Duration(_)) => {
            let micros = cast(array, &DataType::Duration(TimeUnit::Microsecond)).map_err(arrow)?;
            let micros = cast(&micros, &DataType::Int64).map_err(arrow)?;
            let micros: &Int64Array = micros.as_primitive();
            let ticks: Int64Array = micros.iter().map(|micros| micros.map(|micros| micros * 10)).collect();
            Ok(Arc::new(ticks))
        }
        Type::String => {
            let texts = cast(array, &DataType::Utf8View).map_err(arrow)?;
            let texts: &StringViewArray = texts.as_string_view();
            Ok(Arc::new(StringViewArray::from_iter_values(
                texts.iter().map(Option::unwrap_or_default),
            )))
        }
        Type::DateTime | Type::TimeSpan | Type::Guid | Type::Dynamic => {
            let texts = cast(array, &DataType::Utf8View).map_err(arrow)?;
            let texts: &StringViewArray = texts.as_string_view();
            let values = texts.iter().map(|text| match text {
                Some(text) => functions::scalar_value(&cell(ty, text.to_owned())),
                None => functions::scalar_value(&Value::Null(ty)),
            });
            self::array(ty, values.collect())
        }
        ty => cast(array, &functions::arrow_type(ty)).map_err(arrow),
    }
}
