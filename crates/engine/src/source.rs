//! Where rows come from: the door through which lake, rules and tests hand tables to queries.
//!
//! A source gives tables in *stored form* (`taffrail_schema::stored`); the scan that lowering builds over them gives
//! *query form* (see the crate's page).

use std::collections::HashMap;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use datafusion::datasource::{MemTable, TableProvider};
use datafusion::error::DataFusionError;
use taffrail_schema::{Schema, stored_schema};

/// Gives the tables that queries read.
pub trait TableSource: Send + Sync {
    /// The stored table of that name, in stored form.
    fn table(&self, name: &str) -> Option<Arc<dyn TableProvider>>;

    /// The same table with the column [`ROWS`] behind the others, if the source can give equal rows as one: what counts rows
    /// or does not care for their number then has less to look at.
    fn counted(&self, _name: &str) -> Option<Arc<dyn TableProvider>> {
        None
    }

    /// A number that changes whenever the rows of the table do. `None`: nobody counts, and what is read is never kept for the
    /// next query.
    fn version(&self, _name: &str) -> Option<u64> {
        None
    }
}

/// How many rows a row stands for, in a table that is [counted](TableSource::counted).
pub const ROWS: &str = "_Rows";

/// Tables over record batches in memory. A table of the schema without batches is empty.
pub struct MemorySource {
    schema: Arc<Schema>,
    tables: HashMap<String, Arc<dyn TableProvider>>,
}

impl MemorySource {
    /// Tables by name; the batches of one table have one Arrow schema.
    ///
    /// # Errors
    /// When batches of one table differ in schema.
    pub fn new(schema: Arc<Schema>, tables: impl IntoIterator<Item = (String, Vec<RecordBatch>)>) -> Result<MemorySource, DataFusionError> {
        let mut providers: HashMap<String, Arc<dyn TableProvider>> = HashMap::new();
        for (name, batches) in tables {
            let Some(first) = batches.first() else {
                continue;
            };
            let table = MemTable::try_new(first.schema(), vec![batches])?;
            providers.insert(name, Arc::new(table));
        }
        Ok(MemorySource { schema, tables: providers })
    }
}

impl TableSource for MemorySource {
    fn table(&self, name: &str) -> Option<Arc<dyn TableProvider>> {
        if let Some(table) = self.tables.get(name) {
            return Some(table.clone());
        }
        let definition = self.schema.table(name)?;
        let empty = MemTable::try_new(stored_schema(definition), vec![vec![]]).ok()?;
        Some(Arc::new(empty))
    }

    fn version(&self, _name: &str) -> Option<u64> {
        Some(0)
    }
}
