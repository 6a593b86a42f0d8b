//! Table sources for evaluating rules over a part of the data: one new batch, or one window of arrival time.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use chrono::{DateTime, Utc};
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::datasource::{MemTable, ViewTable, provider_as_source};
use datafusion::logical_expr::{LogicalPlanBuilder, col, lit};
use taffrail_engine::TableSource;
use taffrail_schema::RECEIVED;

/// One table holds only a batch; the others are as they are (watchlists and lookups stay whole).
pub struct BatchSource {
    table: String,
    provider: Arc<dyn TableProvider>,
    others: Arc<dyn TableSource>,
}

impl BatchSource {
    /// Of one batch of a table.
    ///
    /// # Errors
    /// When the batch cannot be a table.
    pub fn new(table: &str, batch: RecordBatch, others: Arc<dyn TableSource>) -> datafusion::error::Result<BatchSource> {
        let provider = Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]])?);
        Ok(BatchSource {
            table: table.to_owned(),
            provider,
            others,
        })
    }
}

impl TableSource for BatchSource {
    fn table(&self, name: &str) -> Option<Arc<dyn TableProvider>> {
        if name == self.table {
            Some(Arc::clone(&self.provider))
        } else {
            self.others.table(name)
        }
    }
}

/// Some tables hold only these rows; the others are as they are.
pub struct RowsSource {
    tables: HashMap<String, Arc<dyn TableProvider>>,
    others: Arc<dyn TableSource>,
}

impl RowsSource {
    /// Of the rows of tables, in stored form.
    ///
    /// # Errors
    /// When batches of one table differ in schema.
    pub fn new(
        tables: impl IntoIterator<Item = (String, SchemaRef, Vec<RecordBatch>)>,
        others: Arc<dyn TableSource>,
    ) -> datafusion::error::Result<RowsSource> {
        let mut providers: HashMap<String, Arc<dyn TableProvider>> = HashMap::new();
        for (name, schema, batches) in tables {
            providers.insert(name, Arc::new(MemTable::try_new(schema, vec![batches])?));
        }
        Ok(RowsSource { tables: providers, others })
    }
}

impl TableSource for RowsSource {
    fn table(&self, name: &str) -> Option<Arc<dyn TableProvider>> {
        match self.tables.get(name) {
            Some(table) => Some(Arc::clone(table)),
            None => self.others.table(name),
        }
    }
}

/// Every table holds only the rows that arrived within a window. A late event is in exactly one.
pub struct ReceivedSource {
    /// First, included
    pub start: DateTime<Utc>,
    /// Last, excluded
    pub end: DateTime<Utc>,
    /// The tables
    pub all: Arc<dyn TableSource>,
}

impl TableSource for ReceivedSource {
    fn table(&self, name: &str) -> Option<Arc<dyn TableProvider>> {
        let provider = self.all.table(name)?;
        let limit = |time: DateTime<Utc>| lit(ScalarValue::TimestampMicrosecond(Some(time.timestamp_micros()), Some("UTC".into())));
        let received = || col(format!("\"{RECEIVED}\""));
        let plan = LogicalPlanBuilder::scan(format!("\"{name}\""), provider_as_source(provider), None)
            .and_then(|scan| scan.filter(received().gt_eq(limit(self.start)).and(received().lt(limit(self.end)))))
            .and_then(LogicalPlanBuilder::build);
        match plan {
            Ok(plan) => Some(Arc::new(ViewTable::new(plan, None))),
            Err(error) => {
                tracing::error!(table = name, %error, "cannot restrict the table to a window");
                None
            }
        }
    }
}
