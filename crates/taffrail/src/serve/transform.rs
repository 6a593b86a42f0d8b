//! Transformations at ingestion on the engine: the query is checked at start, and runs over each batch that arrives.

use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringViewArray, TimestampMicrosecondArray, new_null_array};
use arrow::datatypes::Int64Type;
use async_trait::async_trait;
use taffrail_engine::{Engine, EngineOptions, MemorySource, QueryError, QueryRequest, QueryResult};
use taffrail_kql::Type;
use taffrail_receive::Transformed;
use taffrail_schema::{ColumnDef, RECEIVED, Schema, TIME, TableDef, stored_schema};

use crate::config::ways::Transform;

/// What queries call their input.
const SOURCE: &str = "source";
/// Ticks of 100 ns from year 1 to 1970.
const TICKS_1970: i64 = 621_355_968_000_000_000;

struct Compiled {
    engine: Engine,
    query: String,
    own: Arc<Schema>,
    input: TableDef,
    output: String,
    tables: Arc<Schema>,
}

/// Compiles a transformation.
///
/// # Errors
/// When its table is not there, its query is not valid, or gives nothing that the table has.
pub fn compile(given: &Transform, tables: &Arc<Schema>) -> anyhow::Result<Arc<dyn Transformed>> {
    let table = tables
        .table(&given.table)
        .with_context(|| format!("transform: there is no table {}", given.table))?;
    let mut columns = match given.stream.as_str() {
        "" => table.columns.clone(),
        _ => given.columns()?,
    };
    if columns.is_empty() {
        bail!("transform: the stream {} declares no columns", given.stream);
    }
    for name in [TIME, RECEIVED] {
        if !columns.iter().any(|column| column.name == name) {
            columns.push(ColumnDef {
                name: name.to_owned(),
                ty: Type::DateTime,
                about: String::new(),
                path: Vec::new(),
            });
        }
    }
    let input = TableDef {
        name: SOURCE.to_owned(),
        columns,
        unique: Vec::new(),
        bloom: Vec::new(),
        plain: Vec::new(),
        event: None,
        sort: Vec::new(),
        ..table.clone()
    };
    let mut own = Schema::default();
    own.add_table(input.clone());
    let own = Arc::new(own);
    let empty = MemorySource::new(Arc::clone(&own), [])?;
    let options = EngineOptions {
        max_rows: usize::MAX,
        result_cache: 0,
        ..EngineOptions::default()
    };
    let engine = Engine::new(Arc::clone(&own) as Arc<dyn taffrail_kql::catalog::Schema>, Arc::new(empty), options);
    let bound = engine
        .compile(&given.query, &QueryRequest::default())
        .map_err(|error| match error {
            QueryError::Diagnostics(all) => {
                let first = all.first().map(|first| first.message.clone()).unwrap_or_default();
                anyhow!("transform: the query for {} is not valid: {first}\n  {}", given.table, given.query)
            }
            other => anyhow!("transform: the query for {}: {other}", given.table),
        })?;
    let named = |name: &str| table.column(name).is_some();
    if !bound.root.columns.iter().any(|column| named(&column.name)) {
        bail!("transform: the query for {} gives no column that the table has", given.table);
    }
    Ok(Arc::new(Compiled {
        engine,
        query: given.query.clone(),
        own,
        input,
        output: given.table.clone(),
        tables: Arc::clone(tables),
    }))
}

#[async_trait]
impl Transformed for Compiled {
    fn schema(&self) -> &Schema {
        &self.own
    }

    fn input(&self) -> &TableDef {
        &self.input
    }

    fn output(&self) -> &str {
        &self.output
    }

    async fn apply(&self, batch: RecordBatch) -> Result<Vec<RecordBatch>, String> {
        let words = |error: &dyn std::fmt::Display| error.to_string();
        // A table may have got columns since; the query sees those of the start.
        let names: Vec<&str> = self.input.columns.iter().map(|column| column.name.as_str()).collect();
        let indices: Vec<usize> = names.iter().filter_map(|name| batch.schema().index_of(name).ok()).collect();
        let batch = batch.project(&indices).map_err(|error| words(&error))?;
        let tables = [(SOURCE.to_owned(), vec![batch])];
        let source = MemorySource::new(Arc::clone(&self.own), tables).map_err(|error| words(&error))?;
        let engine = self.engine.with_source(Arc::new(source));
        let result = engine
            .query(&self.query, &QueryRequest::default())
            .await
            .map_err(|error| words(&error))?;
        let table = self.tables.table(&self.output).ok_or("the table was dropped")?;
        result
            .batches
            .iter()
            .map(|batch| stored(&result, batch, table).map_err(|error| words(&error)))
            .collect()
    }
}

/// Rows of an answer as rows of a table: columns of the same name, others empty.
fn stored(result: &QueryResult, batch: &RecordBatch, table: &TableDef) -> Result<RecordBatch, arrow::error::ArrowError> {
    let schema = stored_schema(table);
    let now = chrono::Utc::now().timestamp_micros();
    let rows = batch.num_rows();
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(table.columns.len());
    for (column, field) in table.columns.iter().zip(schema.fields()) {
        let found = result.columns.iter().position(|known| known.name == column.name);
        let given = found.and_then(|index| Some((result.columns.get(index)?.ty, batch.columns().get(index)?)));
        let array: ArrayRef = match given {
            Some((Type::DateTime, array)) if column.ty == Type::DateTime => {
                let ticks = array.as_primitive_opt::<Int64Type>();
                let times = ticks.map(|ticks| {
                    ticks
                        .iter()
                        .map(|tick| tick.map(|tick| (tick - TICKS_1970).div_euclid(10)))
                        .collect()
                });
                let times: TimestampMicrosecondArray = times.unwrap_or_else(|| TimestampMicrosecondArray::new_null(rows));
                Arc::new(times.with_timezone("UTC"))
            }
            Some((_, array)) if column.ty != Type::DateTime => arrow::compute::cast(array, field.data_type())?,
            _ if [TIME, RECEIVED].contains(&column.name.as_str()) => {
                Arc::new(TimestampMicrosecondArray::from_value(now, rows).with_timezone("UTC"))
            }
            _ => new_null_array(field.data_type(), rows),
        };
        // A string is never null.
        let array: ArrayRef = if column.ty == Type::String && array.null_count() > 0 {
            let texts: StringViewArray = array.as_string_view().iter().map(|text| Some(text.unwrap_or_default())).collect();
            Arc::new(texts)
        } else {
            array
        };
        columns.push(array);
    }
    RecordBatch::try_new(schema, columns)
}
