//! Generated tables, and answers that can be compared.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use taffrail_engine::{Engine, EngineOptions, MemorySource, QueryRequest};
use taffrail_kql::Type;
use taffrail_schema::{ColumnDef, Schema, TableDef, stored_schema};

use super::runtime;

/// A row of the table `T`: small domains, so that groups and joins meet.
#[derive(Clone, Debug)]
pub(super) struct Row {
    n: Option<i64>,
    m: Option<i64>,
    r: Option<f64>,
    b: Option<bool>,
    s: String,
    u: String,
    hour: i64,
}

pub(super) fn row() -> impl Strategy<Value = Row> {
    (
        weighted(0.85, -6i64..7),
        weighted(0.85, prop_oneof![0i64..4, Just(1_000_000_007)]),
        // halves: sums of them are exact in any order
        weighted(0.85, (-8i32..9).prop_map(|value| f64::from(value) / 2.0)),
        weighted(0.85, any::<bool>()),
        prop::sample::select(vec!["", "pod", "Pod", "pods", "kube-system", "über", "a b"]),
        prop::sample::select(vec!["", "x", "X", "pod", "xy"]),
        0i64..30,
    )
        .prop_map(|(n, m, r, b, s, u, hour)| Row {
            n,
            m,
            r,
            b,
            s: s.to_owned(),
            u: u.to_owned(),
            hour,
        })
}

pub(super) fn rows() -> impl Strategy<Value = Vec<Row>> {
    vec(row(), 0..24)
}

/// Columns by type: the names that expressions use.
pub(super) const COLUMNS: [(&str, Type); 7] = [
    ("N", Type::Long),
    ("M", Type::Long),
    ("R", Type::Real),
    ("B", Type::Bool),
    ("S", Type::String),
    ("U", Type::String),
    ("TimeGenerated", Type::DateTime),
];

fn table(name: &str) -> TableDef {
    let columns = COLUMNS.iter().map(|(name, ty)| ColumnDef {
        name: (*name).to_owned(),
        ty: *ty,
        about: String::new(),
        path: vec![],
    });
    TableDef {
        name: name.to_owned(),
        about: String::new(),
        group: String::new(),
        columns: columns.collect(),
        unique: vec![],
        sort: vec![],
        bloom: vec![],
        plain: vec![],
        event: None,
    }
}

/// The rows in stored form.
pub(super) fn batch(rows: &[Row]) -> RecordBatch {
    const START: i64 = 1_767_225_600_000_000;
    const HOUR: i64 = 3_600_000_000;
    let times = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| START + row.hour * HOUR));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.n))),
        Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.m))),
        Arc::new(Float64Array::from_iter(rows.iter().map(|row| row.r))),
        Arc::new(BooleanArray::from_iter(rows.iter().map(|row| row.b))),
        Arc::new(StringViewArray::from_iter_values(rows.iter().map(|row| row.s.as_str()))),
        Arc::new(StringViewArray::from_iter_values(rows.iter().map(|row| row.u.as_str()))),
        Arc::new(times.with_timezone("UTC")),
    ];
    RecordBatch::try_new(stored_schema(&table("T")), columns).unwrap()
}

/// An engine over `T` (handed over as `batches`) and `Other`.
pub(super) fn engine(batches: Vec<RecordBatch>, other: RecordBatch) -> Engine {
    let mut schema = Schema::default();
    schema.add_table(table("T"));
    schema.add_table(table("Other"));
    let schema = Arc::new(schema);
    let tables = [("T".to_owned(), batches), ("Other".to_owned(), vec![other])];
    let source = MemorySource::new(schema.clone(), tables).unwrap();
    let options = EngineOptions {
        memory_limit: 256 * 1024 * 1024,
        timeout: Duration::from_secs(60),
        ..EngineOptions::default()
    };
    Engine::new(schema, Arc::new(source), options)
}

/// A cell as text, in which numbers that differ in the last bits are the same.
pub(super) fn cell(value: &serde_json::Value) -> String {
    match value.as_f64() {
        Some(number) if !value.is_i64() => format!("{number:.9}"),
        Some(number) if value.is_i64() && number == 0.0 => "0".to_owned(),
        _ => value.to_string(),
    }
}

/// The rows of a query's answer in the order they came, a line each.
///
/// # Panics
/// When the query fails: generated queries are valid.
pub(super) fn ordered(engine: &Engine, query: &str) -> Vec<String> {
    let request = QueryRequest {
        now: Some("2026-01-02T00:00:00Z".parse().unwrap()),
        ..QueryRequest::default()
    };
    let result = runtime()
        .block_on(engine.query(query, &request))
        .unwrap_or_else(|error| panic!("{query}\n{error}"));
    let line = |row: Vec<serde_json::Value>| {
        let mut out = String::new();
        for value in &row {
            write!(out, "{} | ", cell(value)).unwrap();
        }
        out
    };
    result.rows().map(line).collect()
}

/// The rows of a query's answer, whatever their order.
pub(super) fn answer(engine: &Engine, query: &str) -> Vec<String> {
    let mut lines = ordered(engine, query);
    lines.sort();
    lines
}
