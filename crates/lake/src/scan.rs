//! The scan of a table: files and rows in memory as one leaf of DataFusion's plan.
//!
//! For each row group that statistics leave over, predicates over columns of few values or numbers are decided in memory
//! ([`crate::columns`]), once for each distinct value. When outputs need nothing else, the rows never touch their file. Of the few
//! rows that are left otherwise, just the columns are read that a predicate or output wants, and what came of them is kept
//! ([`derived`]). For many rows there is DataFusion's Parquet reader, with the remaining predicates, page index and blooms.
//!
//! A *counted* scan ([`ROWS`]) gives equal rows once with their number: what `summarize count() by` wants to know.

mod derived;
mod files;
mod index;
mod reader;
mod rows;

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result, Statistics};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column as ColumnExpr;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties};
use futures::{StreamExt, TryStreamExt, stream};

use crate::delta::DataFile;
use crate::shared::{Hot, Shared, Table};
pub(crate) use derived::Derived;
use reader::Reader;
use rows::Use;

/// Column of a counted scan: how many rows a row stands for.
pub const ROWS: &str = "_Rows";
/// Rows for which another thread pays.
const ROWS_OF_A_THREAD: usize = 400_000;

/// What a scan gives for one column.
#[derive(Debug, Clone)]
enum Output {
    Expr(Use),
    /// How many rows the row stands for
    Rows,
}

/// A scan.
#[derive(Debug, Clone)]
pub(crate) struct LakeScan {
    shared: Arc<Shared>,
    table: Arc<Table>,
    files: Arc<Vec<Arc<DataFile>>>,
    hot: Arc<Vec<Arc<Hot>>>,
    /// Files of the table that were not even looked at
    files_pruned: usize,
    predicates: Arc<Vec<Use>>,
    outputs: Arc<Vec<Output>>,
    limit: Option<usize>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

/// What a scan is asked for.
pub(crate) struct Asked {
    pub(crate) files: Vec<Arc<DataFile>>,
    pub(crate) hot: Vec<Arc<Hot>>,
    pub(crate) files_pruned: usize,
    /// Over the table's columns; all must be true
    pub(crate) predicates: Vec<Arc<dyn PhysicalExpr>>,
    /// Columns of the table; its number of columns stands for [`ROWS`]
    pub(crate) projection: Vec<usize>,
    pub(crate) limit: Option<usize>,
    pub(crate) partitions: usize,
}

/// The table's columns, and [`ROWS`].
pub(crate) fn counted_schema(table: &Schema) -> SchemaRef {
    let rows = Arc::new(Field::new(ROWS, DataType::Int64, false));
    Arc::new(Schema::new(table.fields().iter().cloned().chain([rows]).collect::<Vec<_>>()))
}

impl LakeScan {
    pub(crate) fn try_new(shared: Arc<Shared>, table: Arc<Table>, asked: Asked) -> Result<LakeScan> {
        let all = counted_schema(&table.schema);
        let schema: SchemaRef = Arc::new(all.project(&asked.projection)?);
        let outputs = asked
            .projection
            .iter()
            .map(|index| {
                if *index >= table.schema.fields().len() {
                    return Ok(Output::Rows);
                }
                let column: Arc<dyn PhysicalExpr> = Arc::new(ColumnExpr::new(all.field(*index).name(), *index));
                Ok(Output::Expr(Use::new(column, &table.schema)?))
            })
            .collect::<Result<Vec<_>>>()?;
        let predicates = asked
            .predicates
            .into_iter()
            .map(|predicate| Use::new(predicate, &table.schema))
            .collect::<Result<Vec<_>>>()?;
        let in_files: u64 = asked.files.iter().map(|file| file.statistics.rows.unwrap_or(0)).sum();
        let in_memory: usize = asked.hot.iter().map(|hot| hot.batch.num_rows()).sum();
        let rows = usize::try_from(in_files).unwrap_or(usize::MAX).saturating_add(in_memory);
        let partitions = (rows / ROWS_OF_A_THREAD).clamp(1, asked.partitions.max(1));
        Ok(LakeScan {
            shared,
            table,
            files: Arc::new(asked.files),
            hot: Arc::new(asked.hot),
            files_pruned: asked.files_pruned,
            predicates: Arc::new(predicates),
            outputs: Arc::new(outputs),
            limit: asked.limit,
            properties: properties(&schema, partitions),
            schema,
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    fn partitions(&self) -> usize {
        self.properties.partitioning.partition_count()
    }

    fn is_counted(&self) -> bool {
        self.outputs.iter().any(|output| matches!(output, Output::Rows))
    }

    /// The same rows with other outputs, which are expressions over those of now.
    fn projected(&self, projection: &ProjectionExec) -> Result<Option<LakeScan>> {
        let plain = |output: &Output| match output {
            Output::Expr(item) => item.expr.downcast_ref::<ColumnExpr>().is_some(),
            Output::Rows => true,
        };
        // An expression that several others read is better computed once, and above.
        if !self.outputs.iter().all(plain) {
            return Ok(None);
        }
        let mut outputs = Vec::new();
        for item in projection.expr() {
            if let Some(column) = item.expr.downcast_ref::<ColumnExpr>()
                && matches!(self.outputs.get(column.index()), Some(Output::Rows))
            {
                outputs.push(Output::Rows);
                continue;
            }
            let mut reads_count = false;
            let expr = Arc::clone(&item.expr).transform_up(|node| {
                let Some(column) = node.downcast_ref::<ColumnExpr>() else {
                    return Ok(Transformed::no(node));
                };
                match self.outputs.get(column.index()) {
                    Some(Output::Expr(inner)) => Ok(Transformed::yes(Arc::clone(&inner.expr))),
                    Some(Output::Rows) => {
                        reads_count = true;
                        Ok(Transformed::no(node))
                    }
                    None => Err(DataFusionError::Internal(
                        "a projection of a column that the scan does not give".to_owned(),
                    )),
                }
            })?;
            if reads_count {
                return Ok(None);
            }
            outputs.push(Output::Expr(Use::new(expr.data, &self.table.schema)?));
        }
        let schema = projection.schema();
        Ok(Some(LakeScan {
            outputs: Arc::new(outputs),
            properties: properties(&schema, self.partitions()),
            schema,
            metrics: ExecutionPlanMetricsSet::new(),
            ..self.clone()
        }))
    }
}

fn properties(schema: &SchemaRef, partitions: usize) -> Arc<PlanProperties> {
    Arc::new(PlanProperties::new(
        EquivalenceProperties::new(Arc::clone(schema)),
        Partitioning::UnknownPartitioning(partitions),
        EmissionType::Incremental,
        Boundedness::Bounded,
    ))
}

impl DisplayAs for LakeScan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "LakeScan: table={}, files={} of {}, hot batches={}, threads={}",
            self.table.name(),
            self.files.len(),
            self.files.len() + self.files_pruned,
            self.hot.len(),
            self.partitions()
        )?;
        if !self.predicates.is_empty() {
            let predicates: Vec<String> = self.predicates.iter().map(|item| item.expr.to_string()).collect();
            write!(f, ", where {}", predicates.join(" AND "))?;
        }
        let outputs: Vec<String> = self
            .outputs
            .iter()
            .map(|output| match output {
                Output::Expr(item) => item.expr.to_string(),
                Output::Rows => ROWS.to_owned(),
            })
            .collect();
        write!(f, ", gives [{}]", outputs.join(", "))?;
        if let Some(limit) = self.limit {
            write!(f, ", limit={limit}")?;
        }
        Ok(())
    }
}

impl ExecutionPlan for LakeScan {
    fn name(&self) -> &str {
        "LakeScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(&self, f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>) -> Result<TreeNodeRecursion> {
        for item in self.predicates.iter() {
            if f(&item.expr)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>, _: ReplaceChildrenOptions) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn reset_state(self: Arc<Self>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(LakeScan {
            metrics: ExecutionPlanMetricsSet::new(),
            ..self.as_ref().clone()
        }))
    }

    fn try_swapping_with_projection(&self, projection: &ProjectionExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let projected = self.projected(projection)?;
        Ok(projected.map(|scan| Arc::new(scan) as Arc<dyn ExecutionPlan>))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(&self, _: &[Arc<Statistics>], args: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema);
        let in_files: Option<u64> = self.files.iter().map(|file| file.statistics.rows).sum();
        if let Some(in_files) = in_files
            && args.partition().is_none()
            && !self.is_counted()
        {
            let in_memory: usize = self.hot.iter().map(|hot| hot.batch.num_rows()).sum();
            let rows = usize::try_from(in_files).unwrap_or(usize::MAX).saturating_add(in_memory);
            statistics.num_rows = if self.predicates.is_empty() {
                Precision::Exact(rows)
            } else {
                Precision::Inexact(rows)
            };
        }
        Ok(Arc::new(statistics))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let reader = Arc::new(Reader::new(self.clone(), partition, context)?);
        let schema = Arc::clone(&self.schema);
        let mut hot = Vec::new();
        if partition + 1 == self.partitions() {
            hot.extend(self.hot.iter().cloned());
        }
        let memory_reader = Arc::clone(&reader);
        let from_memory = stream::iter(hot).map(move |hot| memory_reader.hot(&hot));
        let places: Vec<usize> = (0..self.files.len()).collect();
        let from_files = stream::iter(places)
            .map(move |place| {
                let reader = Arc::clone(&reader);
                reader.file(place)
            })
            .map(|opened| match opened {
                Ok(batches) => batches,
                Err(error) => stream::once(async { Err(error) }).boxed(),
            })
            .flatten();
        let batches = from_memory.chain(from_files).try_filter(|batch| {
            let some = batch.num_rows() > 0;
            async move { some }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }
}
