//! A small table, rows for it, and questions to it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use arrow::datatypes::Int64Type;
use datafusion::prelude::{DataFrame, SessionContext, ident};
use taffrail_kql::Type;
use taffrail_lake::{Lake, LakeOptions};
use taffrail_schema::{ColumnDef, Schema, TableDef, stored_schema};

/// 2026-11-20T12:00:00Z
pub const NOON: i64 = 1_795_132_800_000_000 + 43_200_000_000;

pub fn column(name: &str, ty: Type) -> ColumnDef {
    ColumnDef {
        name: name.to_owned(),
        path: Vec::new(),
        ty,
        about: String::new(),
    }
}

pub fn definition(name: &str) -> TableDef {
    TableDef {
        name: name.to_owned(),
        about: "Test rows".to_owned(),
        group: String::new(),
        columns: vec![
            column("TimeGenerated", Type::DateTime),
            column("Id", Type::String),
            column("Number", Type::Long),
            column("_TimeReceived", Type::DateTime),
        ],
        unique: vec!["Id".to_owned()],
        sort: vec!["TimeGenerated".to_owned()],
        bloom: vec!["Id".to_owned()],
        plain: vec!["Id".to_owned()],
        event: None,
    }
}

pub fn schema() -> Arc<Schema> {
    let mut schema = Schema::default();
    schema.add_table(definition("Events"));
    let mut plain = definition("Notes");
    plain.unique.clear();
    schema.add_table(plain);
    Arc::new(schema)
}

/// Nothing happens by itself.
pub fn quiet() -> LakeOptions {
    LakeOptions {
        flush_interval: Duration::from_secs(3600),
        compact_interval: Duration::ZERO,
        ..LakeOptions::default()
    }
}

pub async fn open(directory: &Path) -> Lake {
    Lake::open(directory, schema(), quiet()).await.unwrap()
}

/// Rows numbered `numbers`: so many seconds after `NOON`.
pub fn rows(numbers: impl IntoIterator<Item = i64>) -> RecordBatch {
    let numbers: Vec<i64> = numbers.into_iter().collect();
    let times: Vec<i64> = numbers.iter().map(|number| NOON + number * 1_000_000).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampMicrosecondArray::from(times.clone()).with_timezone("UTC")),
        Arc::new(StringViewArray::from_iter_values(
            numbers.iter().map(|number| format!("row-{number:020}-identifier")),
        )),
        Arc::new(Int64Array::from(numbers)),
        Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC")),
    ];
    RecordBatch::try_new(stored_schema(&definition("Events")), columns).unwrap()
}

pub fn events(numbers: impl IntoIterator<Item = i64>) -> Vec<(String, RecordBatch)> {
    vec![("Events".to_owned(), rows(numbers))]
}

pub fn frame(lake: &Lake, table: &str) -> DataFrame {
    SessionContext::new().read_table(lake.table(table).unwrap()).unwrap()
}

/// The numbers of a table, sorted.
pub async fn numbers(lake: &Lake, table: &str) -> Vec<i64> {
    collect(frame(lake, table)).await
}

pub async fn collect(frame: DataFrame) -> Vec<i64> {
    let batches = frame.select(vec![ident("Number")]).unwrap().collect().await.unwrap();
    let mut numbers: Vec<i64> = batches
        .iter()
        .flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec())
        .collect();
    numbers.sort_unstable();
    numbers
}

pub fn all(range: std::ops::Range<i64>) -> Vec<i64> {
    range.collect()
}

/// The newest log segment.
pub fn newest_segment(directory: &Path) -> std::path::PathBuf {
    let mut segments: Vec<_> = std::fs::read_dir(directory.join("log"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    segments.sort();
    segments.pop().unwrap()
}
