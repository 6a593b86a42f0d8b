//! The answer to a query.

use std::time::Duration;

use arrow::datatypes::{Field, Schema};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use std::sync::Arc;
use taffrail_kql::bound::Visualization;
use taffrail_kql::{Diagnostic, Type};

use crate::functions;

/// A column of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultColumn {
    /// As the query calls it
    pub name: String,
    /// Its KQL type
    pub ty: Type,
}

/// What a query cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Rows in the answer
    pub rows: usize,
    /// From text to last row
    pub elapsed: Duration,
    /// Rows that scans gave, after what could be skipped without reading
    pub scanned_rows: usize,
    /// Bytes read from files
    pub scanned_bytes: usize,
    /// Files that were looked into
    pub files: usize,
    /// Files that could not hold a row of the answer, as their statistics say
    pub files_pruned: usize,
    /// Row groups of those files that were looked into
    pub row_groups: usize,
    /// Row groups that could not hold a row of the answer
    pub row_groups_pruned: usize,
    /// Time that threads worked, about
    pub cpu: Duration,
    /// Most memory that was held for it at one time
    pub peak_memory: usize,
    /// The answer was there already
    pub from_cache: bool,
}

/// A further answer of a query that has several (`fork`, `facet`, several statements).
#[derive(Debug, Clone)]
pub struct ResultTable {
    /// What the query calls it (`as`, a branch of `fork`)
    pub name: Option<String>,
    /// Columns, in order
    pub columns: Vec<ResultColumn>,
    /// Rows, in query form; fields are called as the columns
    pub batches: Vec<RecordBatch>,
    /// What `render` asks for
    pub visualization: Option<Visualization>,
    /// There are more rows than `max_rows`
    pub truncated: bool,
}

impl ResultTable {
    /// Rows as JSON values, as [`QueryResult::rows`].
    pub fn rows(&self) -> impl Iterator<Item = Vec<serde_json::Value>> + '_ {
        json_rows(&self.columns, &self.batches)
    }
}

/// The answer to a query.
#[derive(Debug, Clone)]
pub struct QueryResult {
    /// Columns, in order
    pub columns: Vec<ResultColumn>,
    /// Rows, in query form; fields are called as the columns
    pub batches: Vec<RecordBatch>,
    /// What `render` asks for
    pub visualization: Option<Visualization>,
    /// What the query probably does not mean
    pub warnings: Vec<Diagnostic>,
    /// What it cost
    pub statistics: Statistics,
    /// There are more rows than were allowed
    pub truncated: bool,
    /// What the query calls its answer
    pub name: Option<String>,
    /// Answers behind the first
    pub further: Vec<ResultTable>,
}

fn json_rows<'a>(columns: &'a [ResultColumn], batches: &'a [RecordBatch]) -> impl Iterator<Item = Vec<serde_json::Value>> + 'a {
    batches.iter().flat_map(move |batch| {
        (0..batch.num_rows()).map(move |row| {
            columns
                .iter()
                .zip(batch.columns())
                .map(|(column, array)| functions::to_json(array.as_ref(), row, column.ty))
                .collect()
        })
    })
}

impl QueryResult {
    /// Rows as JSON values: datetime `2023-01-01T00:00:00.1234567Z`, timespan `1.02:03:04`, dynamic as the value it is,
    /// decimal as text, `NaN` and infinities as text.
    pub fn rows(&self) -> impl Iterator<Item = Vec<serde_json::Value>> + '_ {
        json_rows(&self.columns, &self.batches)
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// No rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Position of the column of that name.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}

/// The same rows under the names people see.
pub(crate) fn rename(batch: &RecordBatch, columns: &[ResultColumn]) -> Result<RecordBatch, arrow::error::ArrowError> {
    let fields: Vec<Field> = columns
        .iter()
        .zip(batch.columns())
        .map(|(column, array)| Field::new(&column.name, array.data_type().clone(), true))
        .collect();
    RecordBatch::try_new_with_options(
        Arc::new(Schema::new(fields)),
        batch.columns().to_vec(),
        &RecordBatchOptions::new().with_row_count(Some(batch.num_rows())),
    )
}
