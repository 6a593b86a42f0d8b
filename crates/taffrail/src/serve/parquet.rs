//! An answer as a Parquet file that other programs read: times as timestamps, timespans as their text, the rest as it is.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{Field, Int64Type, Schema};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::properties::WriterProperties;
use taffrail_engine::{QueryResult, ResultColumn};
use taffrail_kql::Type;

/// Ticks of 100 ns from the year 1 to 1970.
const EPOCH: i64 = 621_355_968_000_000_000;

/// The file.
///
/// # Errors
/// When the rows cannot be written as Parquet.
pub fn file(result: &QueryResult) -> Result<Vec<u8>, ParquetError> {
    let texts = timespans(result);
    let mut first_row = 0;
    let mut writer: Option<ArrowWriter<Vec<u8>>> = None;
    let none = [];
    let empty = RecordBatch::new_empty(Arc::new(Schema::empty()));
    let batches: &[RecordBatch] = if result.batches.is_empty() { &none } else { &result.batches };
    for batch in batches {
        let made = converted(batch, &result.columns, &texts, first_row)?;
        first_row += batch.num_rows();
        let target = match &mut writer {
            Some(writer) => writer,
            None => writer.insert(open(&made)?),
        };
        target.write(&made)?;
    }
    match writer {
        Some(writer) => writer.into_inner(),
        None => open(&empty)?.into_inner(),
    }
}

fn open(first: &RecordBatch) -> Result<ArrowWriter<Vec<u8>>, ParquetError> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by(concat!("taffrail ", env!("CARGO_PKG_VERSION")).to_owned())
        .build();
    ArrowWriter::try_new(Vec::new(), first.schema(), Some(properties))
}

/// Texts of the columns of timespans, by column; empty for all others.
fn timespans(result: &QueryResult) -> Vec<Vec<Option<String>>> {
    let mut texts = vec![Vec::new(); result.columns.len()];
    if result.columns.iter().all(|column| column.ty != Type::TimeSpan) {
        return texts;
    }
    for row in result.rows() {
        for ((column, value), into) in result.columns.iter().zip(row).zip(&mut texts) {
            if column.ty == Type::TimeSpan {
                into.push(value.as_str().map(str::to_owned));
            }
        }
    }
    texts
}

fn converted(
    batch: &RecordBatch,
    columns: &[ResultColumn],
    texts: &[Vec<Option<String>>],
    first_row: usize,
) -> Result<RecordBatch, ParquetError> {
    let mut fields = Vec::with_capacity(columns.len());
    let mut arrays: Vec<ArrayRef> = Vec::with_capacity(columns.len());
    for ((column, array), texts) in columns.iter().zip(batch.columns()).zip(texts) {
        let array: ArrayRef = match column.ty {
            Type::DateTime => match array.as_primitive_opt::<Int64Type>() {
                Some(ticks) => {
                    let micros: TimestampMicrosecondArray = ticks
                        .iter()
                        .map(|ticks| ticks.map(|ticks| ticks.saturating_sub(EPOCH).div_euclid(10)))
                        .collect();
                    Arc::new(micros.with_timezone("UTC"))
                }
                None => Arc::clone(array),
            },
            Type::TimeSpan => {
                let rows = texts.iter().skip(first_row).take(batch.num_rows());
                Arc::new(rows.map(Option::as_deref).collect::<StringArray>())
            }
            _ => Arc::clone(array),
        };
        fields.push(Field::new(&column.name, array.data_type().clone(), true));
        arrays.push(array);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)?)
}
