//! Many rows of a file, read by DataFusion: predicates are decided column by column, pages are skipped, blooms are asked.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::buffer::BooleanBuffer;
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::common::config::{ConfigOptions, TableParquetOptions};
use datafusion::datasource::physical_plan::parquet::{CachedParquetFileReaderFactory, ParquetAccessPlan, RowGroupAccess};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, FileSource, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter_pushdown::PushedDown;
use datafusion::physical_plan::metrics::Count;
use futures::StreamExt;
use futures::stream::BoxStream;
use parquet::arrow::arrow_reader::RowSelection;

use super::Output;
use super::reader::Reader;
use super::rows::{Selection, Use, boolean};
use crate::columns::OpenFile;
use crate::delta::DataFile;
use crate::event::EventForm;
use crate::provider::{MissingColumns, partitioned_file, text_columns};

/// The selected rows as ranges.
pub(super) fn ranges(rows: &BooleanBuffer, total: usize) -> RowSelection {
    RowSelection::from_consecutive_ranges(rows.set_slices().map(|(start, end)| start..end), total)
}

impl Reader {
    /// The selected rows of row groups through DataFusion's reader.
    pub(super) fn parquet(
        &self,
        open: &Arc<OpenFile>,
        file: &Arc<DataFile>,
        groups: Vec<(usize, Selection)>,
        rest: &[Use],
    ) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let mut access = ParquetAccessPlan::new_none(open.row_groups());
        for (group, selection) in groups {
            access.set(
                group,
                match selection {
                    None => RowGroupAccess::Scan,
                    Some(rows) => RowGroupAccess::Selection(ranges(&rows, open.rows(group))),
                },
            );
        }
        let runtime = self.context.runtime_env();
        let store = ObjectStoreUrl::local_filesystem();
        // Footers are read once, not once a query.
        let footers = CachedParquetFileReaderFactory::new(runtime.object_store(&store)?, runtime.cache_manager.get_file_metadata_cache());
        let options = self.context.session_config().options();
        let table = &self.scan.table;
        let source = ParquetSource::new(Arc::clone(&table.schema))
            .with_parquet_file_reader_factory(Arc::new(footers))
            .with_table_parquet_options(parquet_options(options))
            .with_pushdown_filters(true)
            .with_reorder_filters(true)
            .with_enable_page_index(true)
            .with_bloom_filter_on_read(true);
        let mut source: Arc<dyn FileSource> = Arc::new(source);
        let mut left: Vec<Use> = Vec::new();
        // The file does not have events as predicates want them.
        let (late, rest): (Vec<&Use>, Vec<&Use>) = rest.iter().partition(|item| self.reads_event(item));
        if !rest.is_empty() {
            let exprs = rest.iter().map(|item| Arc::clone(&item.expr)).collect();
            let pushed = source.try_pushdown_filters(exprs, options)?;
            for (item, pushed) in rest.into_iter().zip(&pushed.filters) {
                if matches!(pushed, PushedDown::No) {
                    left.push(item.clone());
                }
            }
            if let Some(updated) = pushed.updated_node {
                source = updated;
            }
        }
        left.extend(late.into_iter().cloned());
        let mut columns: BTreeSet<usize> = self
            .needed
            .iter()
            .copied()
            .chain(left.iter().flat_map(|item| item.columns.iter().copied()))
            .collect();
        let event = table.event.as_ref().filter(|form| columns.contains(&form.column)).cloned();
        if let Some(form) = &event {
            columns.extend(form.needs(None));
        }
        let columns: Vec<usize> = columns.into_iter().collect();
        let limit = if left.is_empty() { self.scan.limit } else { None };
        let config = FileScanConfigBuilder::new(store, source)
            .with_file_groups(vec![FileGroup::new(vec![partitioned_file(table, file)?.with_extension(access)])])
            .with_projection_indices(Some(columns.clone()))?
            .with_limit(limit)
            .with_expr_adapter(Some(Arc::new(MissingColumns {
                text: text_columns(&table.definition),
            })))
            .build();
        let plan = DataSourceExec::from_data_source(config);
        let batches = Arc::clone(&plan).execute(0, Arc::clone(&self.context))?;
        let local = Arc::new(table.schema.project(&columns)?);
        let place = |item: &Use| -> Result<Arc<dyn PhysicalExpr>> {
            datafusion::physical_expr::utils::reassign_expr_columns(Arc::clone(&item.expr), &local)
        };
        let left = left.iter().map(place).collect::<Result<Vec<_>>>()?;
        let outputs = self.outputs.iter().map(place).collect::<Result<Vec<_>>>()?;
        let finish = Finish {
            event: event.map(|form| (form, columns)),
            left,
            outputs,
            counted: self.counted,
            order: self.scan.outputs.clone(),
            schema: Arc::clone(&self.scan.schema),
            rows: self.output_rows.clone(),
        };
        let bytes = self.bytes.clone();
        let mut counted = 0;
        Ok(batches
            .map(move |batch| {
                let read = plan.metrics().and_then(|metrics| metrics.sum_by_name("bytes_scanned"));
                let read = read.map_or(0, |value| value.as_usize());
                bytes.add(read.saturating_sub(counted));
                counted = read.max(counted);
                finish.batch(&batch?)
            })
            .boxed())
    }
}

/// What is left to do with rows from a file.
struct Finish {
    /// How events are put together, and which columns of the table a batch has
    event: Option<(EventForm, Vec<usize>)>,
    left: Vec<Arc<dyn PhysicalExpr>>,
    outputs: Vec<Arc<dyn PhysicalExpr>>,
    counted: bool,
    order: Arc<Vec<Output>>,
    schema: SchemaRef,
    rows: Count,
}

impl Finish {
    fn batch(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let mut batch = batch.clone();
        if let Some((form, places)) = &self.event {
            let mut columns = batch.columns().to_vec();
            let column = |place: usize| {
                places
                    .binary_search(&place)
                    .ok()
                    .and_then(|index| batch.columns().get(index))
                    .cloned()
            };
            if let Some(stored) = column(form.column)
                && let Ok(index) = places.binary_search(&form.column)
                && let Some(into) = columns.get_mut(index)
            {
                *into = form.events(&stored, &column)?;
                batch = RecordBatch::try_new(batch.schema(), columns)?;
            }
        }
        for predicate in &self.left {
            let passes = predicate.evaluate(&batch)?.into_array(batch.num_rows())?;
            batch = filter_record_batch(&batch, &boolean(&passes)?.into())?;
        }
        let rows = batch.num_rows();
        let mut outputs = self.outputs.iter();
        let counts: ArrayRef = Arc::new(Int64Array::from(vec![1; if self.counted { rows } else { 0 }]));
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.order.len());
        for output in self.order.iter() {
            match output {
                Output::Rows => columns.push(Arc::clone(&counts)),
                Output::Expr(_) => {
                    if let Some(expr) = outputs.next() {
                        columns.push(expr.evaluate(&batch)?.into_array(rows)?);
                    }
                }
            }
        }
        self.rows.add(rows);
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}

fn parquet_options(options: &ConfigOptions) -> TableParquetOptions {
    TableParquetOptions {
        global: options.execution.parquet.clone(),
        ..Default::default()
    }
}
