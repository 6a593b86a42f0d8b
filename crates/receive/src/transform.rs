//! Transformation at ingestion: a query `source | where … | extend … | project …` between decoder and lake, as data collection rules of
//! Azure Monitor have it. What runs queries is above this room and comes in through [`Transformed`].

use arrow::array::RecordBatch;
use async_trait::async_trait;
use taffrail_schema::{Schema, TableDef};

/// A transformation that is compiled.
#[async_trait]
pub trait Transformed: Send + Sync {
    /// A schema that has [`Transformed::input`].
    fn schema(&self) -> &Schema;

    /// What `source` is: a table, or what a stream declares.
    fn input(&self) -> &TableDef;

    /// Name of the table its rows go to.
    fn output(&self) -> &str;

    /// Rows of the input in, rows of the output table out, both in the stored form.
    ///
    /// # Errors
    /// In words, when the query fails on these rows.
    async fn apply(&self, batch: RecordBatch) -> Result<Vec<RecordBatch>, String>;
}
