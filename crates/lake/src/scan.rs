//! The scan of a table: files and rows in memory as one leaf of DataFusion's plan.
//!
//! For each row group that statistics leave over, predicates over columns of few values or numbers are decided in memory
//! ([`crate::columns`]), once for each distinct value. When outputs need nothing else, the rows never touch their file. Otherwise
//! DataFusion's Parquet reader reads what is left: just the selected rows, with the remaining predicates, page index and blooms.
//!
//! A *counted* scan ([`ROWS`]) gives equal rows once with their number: what `summarize count() by` wants to know.

mod rows;

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{cast, filter, filter_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result, ScalarValue, Statistics};
use datafusion::datasource::physical_plan::parquet::{CachedParquetFileReaderFactory, ParquetAccessPlan, RowGroupAccess};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, FileSource, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, Column as ColumnExpr, Literal};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_optimizer::pruning::{PruningPredicate, PruningPredicateBuilder};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions};
use datafusion::physical_plan::filter_pushdown::PushedDown;
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet, Time};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use parquet::arrow::arrow_reader::RowSelection;
use taffrail_kql::Type;

use crate::columns::{Column, OpenFile};
use crate::delta::DataFile;
use crate::provider::{GroupBounds, MissingColumns, partitioned_file, text_columns};
use crate::rows::missing;
use crate::shared::{Hot, Shared, Table};
use crate::terms::{Found, key_hash, words_of};
use rows::{RowGroup, Selection, Use, boolean, narrow};

/// Column of a counted scan: how many rows a row stands for.
pub const ROWS: &str = "_Rows";
/// Functions that look for whole terms, as predicates name them: whatever the case of letters, and not.
const HAS: &str = "$has";
const HAS_CS: &str = "$has_cs";
/// So few rows are read whole before predicates decide.
const FEW_ROWS: usize = 2_048;
/// Rows of a batch that is read from a file.
const BATCH_ROWS: usize = 8_192;
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

/// What an index says of a predicate in a row group.
enum Decided {
    NoRow,
    /// It is true for the selected rows and no others
    Exactly,
    /// It is false for all others
    AtMost,
}

/// A predicate that an index may know something of.
enum Question {
    Equal { column: String, text: String },
    Has { column: String, text: String, folds: bool },
}

impl Question {
    fn of(expr: &Arc<dyn PhysicalExpr>) -> Option<Question> {
        let column = |expr: &Arc<dyn PhysicalExpr>| Some(expr.downcast_ref::<ColumnExpr>()?.name().to_owned());
        let text = |expr: &Arc<dyn PhysicalExpr>| match expr.downcast_ref::<Literal>()?.value() {
            ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)) | ScalarValue::LargeUtf8(Some(text)) => Some(text.clone()),
            _ => None,
        };
        if let Some(binary) = expr.downcast_ref::<BinaryExpr>() {
            if *binary.op() != Operator::Eq {
                return None;
            }
            let (left, right) = (binary.left(), binary.right());
            let (column, text) = match (column(left), text(right)) {
                (Some(column), Some(text)) => (column, text),
                _ => (column(right)?, text(left)?),
            };
            return Some(Question::Equal { column, text });
        }
        let call = expr.downcast_ref::<ScalarFunctionExpr>()?;
        let folds = match call.name() {
            HAS => true,
            HAS_CS => false,
            _ => return None,
        };
        match call.args() {
            [in_what, what] => Some(Question::Has {
                column: column(in_what)?,
                text: text(what)?,
                folds,
            }),
            _ => None,
        }
    }
}

/// One thread's part of a scan.
struct Reader {
    scan: LakeScan,
    partition: usize,
    context: Arc<TaskContext>,
    /// Without [`Output::Rows`]
    outputs: Vec<Use>,
    counted: bool,
    /// Columns that outputs read
    needed: BTreeSet<usize>,
    /// Columns that files keep in a form worth having in memory
    narrow: Vec<bool>,
    pruning: Option<PruningPredicate>,
    output_rows: Count,
    bytes: Count,
    groups_pruned: Count,
    groups: Count,
    /// Rows that were looked at
    rows: Count,
    time: Time,
}

impl Reader {
    fn new(scan: LakeScan, partition: usize, context: Arc<TaskContext>) -> Result<Reader> {
        let outputs: Vec<Use> = scan
            .outputs
            .iter()
            .filter_map(|output| match output {
                Output::Expr(item) => Some(item.clone()),
                Output::Rows => None,
            })
            .collect();
        let definition = &scan.table.definition;
        let narrow = definition
            .columns
            .iter()
            .map(|column| !definition.plain.contains(&column.name))
            .collect();
        let conjunction = scan
            .predicates
            .iter()
            .map(|item| Arc::clone(&item.expr))
            .reduce(|left, right| Arc::new(BinaryExpr::new(left, Operator::And, right)));
        let pruning = conjunction.and_then(|predicate| {
            PruningPredicateBuilder::new()
                .with_file_schema(Arc::clone(&scan.table.schema))
                .try_build(predicate)
                .ok()
        });
        let counter = |name: &'static str| MetricBuilder::new(&scan.metrics).counter(name, partition);
        let (bytes, groups_pruned, groups) = (counter("bytes_scanned"), counter("row_groups_pruned"), counter("row_groups"));
        let rows = counter("rows_scanned");
        if partition == 0 {
            counter("files_pruned").add(scan.files_pruned);
            counter("files").add(scan.files.len());
        }
        Ok(Reader {
            needed: outputs.iter().flat_map(|item| item.columns.iter().copied()).collect(),
            counted: scan.is_counted(),
            output_rows: MetricBuilder::new(&scan.metrics).output_rows(partition),
            outputs,
            narrow,
            pruning,
            bytes,
            groups_pruned,
            groups,
            rows,
            time: MetricBuilder::new(&scan.metrics).elapsed_compute(partition),
            scan,
            partition,
            context,
        })
    }

    fn is_narrow(&self, columns: &[usize]) -> bool {
        columns.iter().all(|column| self.narrow.get(*column).copied().unwrap_or(false))
    }

    /// Outputs in order, with the count among them.
    fn batch(&self, outputs: Vec<ArrayRef>, counts: Option<Int64Array>, rows: usize) -> Result<RecordBatch> {
        let mut outputs = outputs.into_iter();
        let counts: ArrayRef = match counts {
            Some(counts) => Arc::new(counts),
            None if self.counted => Arc::new(Int64Array::from(vec![1; rows])),
            None => Arc::new(Int64Array::from(Vec::<i64>::new())),
        };
        let columns: Vec<ArrayRef> = self
            .scan
            .outputs
            .iter()
            .filter_map(|output| match output {
                Output::Expr(_) => outputs.next(),
                Output::Rows => Some(Arc::clone(&counts)),
            })
            .collect();
        self.output_rows.add(rows);
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.scan.schema), columns, &options)?)
    }

    /// Rows that are not in a file yet.
    fn hot(&self, hot: &Hot) -> Result<RecordBatch> {
        let _timer = self.time.timer();
        let mut batch = hot.batch.clone();
        self.rows.add(batch.num_rows());
        for predicate in self.scan.predicates.iter() {
            let passes = predicate.expr.evaluate(&batch)?.into_array(batch.num_rows())?;
            batch = filter_record_batch(&batch, &boolean(&passes)?.into())?;
        }
        self.project(&batch)
    }

    /// The outputs of rows that have the table's columns.
    fn project(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let outputs = self
            .outputs
            .iter()
            .map(|item| item.expr.evaluate(batch)?.into_array(rows))
            .collect::<Result<Vec<_>>>()?;
        self.batch(outputs, None, rows)
    }

    /// This thread's rows of a file.
    fn file(self: Arc<Self>, place: usize) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let time = self.time.clone();
        let _timer = time.timer();
        let Some(file) = self.scan.files.get(place).cloned() else {
            return Ok(stream::empty().boxed());
        };
        let path: Arc<Path> = self.scan.table.directory.join(&file.path).into();
        let open = self.scan.shared.columns.open(&path)?;
        let count = open.row_groups();
        let mine = |group: &usize| (group + place) % self.scan.partitions() == self.partition;
        let mut groups: Vec<usize> = (0..count).filter(mine).collect();
        let all = groups.len();
        if let Some(pruning) = &self.pruning {
            let keep = pruning.prune(&GroupBounds::new(&self.scan.table, open.metadata()))?;
            groups.retain(|group| keep.get(*group).copied().unwrap_or(true));
        }
        self.groups.add(groups.len());
        self.groups_pruned.add(all - groups.len());
        if groups.is_empty() {
            return Ok(stream::empty().boxed());
        }
        let in_memory = self.is_narrow(&self.needed.iter().copied().collect::<Vec<_>>())
            && self.scan.predicates.iter().all(|predicate| self.is_narrow(&predicate.columns));
        if in_memory {
            let reader = Arc::clone(&self);
            let batches = stream::iter(groups).map(move |group| reader.row_group(&open, &file, group));
            return Ok(batches
                .map(|batches| match batches {
                    Ok(batches) => batches,
                    Err(error) => stream::once(async { Err(error) }).boxed(),
                })
                .flatten()
                .boxed());
        }
        self.selected(&open, &file, &groups)
    }

    /// Columns of a row group that are in memory or worth to be.
    fn load(&self, open: &OpenFile, group: usize, columns: impl Iterator<Item = usize>, into: &mut RowGroup) -> Result<()> {
        let mut bytes = 0;
        for index in columns {
            if into.columns.contains_key(&index) || !self.narrow.get(index).copied().unwrap_or(false) {
                continue;
            }
            let field = self.scan.table.schema.field(index);
            let ty = self
                .scan
                .table
                .definition
                .columns
                .get(index)
                .map_or(Type::Dynamic, |column| column.ty);
            let missing = || missing(ty, 1);
            let column = self.scan.shared.columns.column(open, group, index, field, &missing, &mut bytes)?;
            into.columns.insert(index, column);
        }
        self.bytes.add(bytes);
        Ok(())
    }

    /// Narrows a selection by all predicates that can be decided in memory. `None`: no row is left.
    fn select(&self, open: &OpenFile, group: usize, rows: &mut RowGroup) -> Result<Option<(Selection, Vec<Use>)>> {
        rows.rows = open.rows(group);
        self.rows.add(rows.rows);
        let mut selection: Selection = None;
        let mut rest = Vec::new();
        let mut later = Vec::new();
        // Those over one column first: they are decided a value at a time.
        for predicate in self.scan.predicates.iter() {
            if predicate.columns.len() == 1 && self.is_narrow(&predicate.columns) {
                self.load(open, group, predicate.columns.iter().copied(), rows)?;
                if rows.has(predicate) {
                    if !rows.select(predicate, &mut selection)? {
                        return Ok(None);
                    }
                    continue;
                }
            }
            later.push(predicate);
        }
        for predicate in later {
            if let Some(decided) = self.ask_index(open, group, predicate, &mut selection)? {
                match decided {
                    Decided::NoRow => return Ok(None),
                    Decided::Exactly => continue,
                    Decided::AtMost => {
                        rest.push(predicate.clone());
                        continue;
                    }
                }
            }
            if self.is_narrow(&predicate.columns) {
                self.load(open, group, predicate.columns.iter().copied(), rows)?;
            }
            if !rows.has(predicate) {
                rest.push(predicate.clone());
            } else if !rows.select(predicate, &mut selection)? {
                return Ok(None);
            }
        }
        Ok(Some((selection, rest)))
    }

    /// Narrows a selection by an index of the file, when it knows something of the predicate.
    fn ask_index(&self, open: &OpenFile, group: usize, predicate: &Use, selection: &mut Selection) -> Result<Option<Decided>> {
        let Some(question) = Question::of(&predicate.expr) else {
            return Ok(None);
        };
        let mut bytes = 0;
        let (rows, exactly): (Vec<u32>, bool) = match question {
            Question::Equal { column, text } if open.has_keys(&column) => {
                let index = self.scan.shared.columns.keys(open, group, &mut bytes)?;
                let Column::Keys(hashes) = index.as_ref() else {
                    return Ok(None);
                };
                let wanted = key_hash(AsRef::<[u8]>::as_ref(text.as_str()));
                let rows = hashes.iter().enumerate().filter(|(_, hash)| **hash == wanted);
                (rows.map(|(row, _)| row as u32).collect(), false)
            }
            Question::Has { column, text, folds } if open.has_words(&column) => {
                let (words, alone) = words_of(&text);
                if words.is_empty() {
                    return Ok(None);
                }
                let index = self.scan.shared.columns.words(open, group, &mut bytes)?;
                let Column::Words(index) = index.as_ref() else {
                    return Ok(None);
                };
                let mut exactly = alone && folds;
                let mut rows: Option<Vec<u32>> = None;
                for word in &words {
                    let found = match index.find(word) {
                        Found::Nowhere => Vec::new(),
                        Found::Rows(found) => found,
                        Found::Perhaps(found) => {
                            exactly = false;
                            found
                        }
                        Found::Anywhere => {
                            exactly = false;
                            continue;
                        }
                    };
                    rows = Some(match rows {
                        None => found,
                        Some(before) => before.into_iter().filter(|row| found.binary_search(row).is_ok()).collect(),
                    });
                }
                let Some(rows) = rows else {
                    return Ok(None);
                };
                (rows, exactly)
            }
            _ => return Ok(None),
        };
        self.bytes.add(bytes);
        if rows.is_empty() {
            return Ok(Some(Decided::NoRow));
        }
        let count = open.rows(group);
        let mut among = arrow::array::BooleanBufferBuilder::new(count);
        among.append_n(count, false);
        for row in rows {
            if (row as usize) < count {
                among.set_bit(row as usize, true);
            }
        }
        if !narrow(selection, among.finish()) {
            return Ok(Some(Decided::NoRow));
        }
        Ok(Some(if exactly { Decided::Exactly } else { Decided::AtMost }))
    }

    /// A row group of which all that is wanted may be in memory.
    fn row_group(&self, open: &Arc<OpenFile>, file: &Arc<DataFile>, group: usize) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let _timer = self.time.timer();
        let mut rows = RowGroup::default();
        let Some((selection, rest)) = self.select(open, group, &mut rows)? else {
            return Ok(stream::empty().boxed());
        };
        self.load(open, group, self.needed.iter().copied(), &mut rows)?;
        if !rest.is_empty() || !self.outputs.iter().all(|item| rows.has(item)) {
            return self.from_file(open, file, vec![(group, rows, selection)], &rest);
        }
        let batch = if self.counted {
            let (outputs, counts) = rows.counted(&self.outputs, &selection)?;
            let count = counts.len();
            self.batch(outputs, Some(counts), count)?
        } else {
            let (outputs, count) = rows.outputs(&self.outputs, &selection)?;
            self.batch(outputs, None, count)?
        };
        Ok(stream::once(async { Ok(batch) }).boxed())
    }

    /// Rows of several row groups, selected in memory and read from the file.
    fn selected(&self, open: &Arc<OpenFile>, file: &Arc<DataFile>, groups: &[usize]) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let mut selected = Vec::new();
        let mut rest: Vec<Use> = Vec::new();
        for group in groups {
            let mut rows = RowGroup::default();
            if let Some((selection, left)) = self.select(open, *group, &mut rows)? {
                selected.push((*group, rows, selection));
                for predicate in left {
                    if !rest.iter().any(|known| Arc::ptr_eq(&known.expr, &predicate.expr)) {
                        rest.push(predicate);
                    }
                }
            }
        }
        if selected.is_empty() {
            return Ok(stream::empty().boxed());
        }
        self.from_file(open, file, selected, &rest)
    }

    /// Rows that have to be read from the file, by the shorter way if that will do.
    fn from_file(
        &self,
        open: &Arc<OpenFile>,
        file: &Arc<DataFile>,
        groups: Vec<(usize, RowGroup, Selection)>,
        rest: &[Use],
    ) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let rows: usize = groups
            .iter()
            .map(|(_, rows, selection)| selection.as_ref().map_or(rows.rows, BooleanBuffer::count_set_bits))
            .sum();
        // DataFusion's reader decides predicates column by column before it reads the others, and looks into page statistics
        // and blooms; for few rows that costs more than it saves.
        if !rest.is_empty() && rows > FEW_ROWS {
            let groups = groups.into_iter().map(|(group, _, selection)| (group, selection)).collect();
            return self.parquet(open, file, groups, rest);
        }
        let mut parts = Vec::with_capacity(groups.len());
        for (group, mut rows, selection) in groups {
            self.load(open, group, self.needed.iter().copied(), &mut rows)?;
            parts.push(Part::new(self, group, &rows, selection, rest)?);
        }
        let open = Arc::clone(open);
        let finish = Direct {
            table: Arc::clone(&self.scan.table),
            order: Arc::clone(&self.scan.outputs),
            outputs: self.outputs.clone(),
            rest: rest.to_vec(),
            counted: self.counted,
            schema: Arc::clone(&self.scan.schema),
            rows: self.output_rows.clone(),
            bytes: self.bytes.clone(),
            time: self.time.clone(),
        };
        let batches = stream::iter(parts)
            .map(move |part| finish.clone().part(&open, part))
            .flat_map(|batches| match batches {
                Ok(batches) => batches,
                Err(error) => stream::once(async { Err(error) }).boxed(),
            });
        Ok(batches.boxed())
    }

    /// The selected rows of row groups through DataFusion's reader.
    fn parquet(
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
                    Some(rows) => RowGroupAccess::Selection(RowSelection::from_consecutive_ranges(
                        rows.set_slices().map(|(start, end)| start..end),
                        open.rows(group),
                    )),
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
        if !rest.is_empty() {
            let exprs = rest.iter().map(|item| Arc::clone(&item.expr)).collect();
            let pushed = source.try_pushdown_filters(exprs, options)?;
            for (item, pushed) in rest.iter().zip(&pushed.filters) {
                if matches!(pushed, PushedDown::No) {
                    left.push(item.clone());
                }
            }
            if let Some(updated) = pushed.updated_node {
                source = updated;
            }
        }
        let columns: Vec<usize> = self
            .needed
            .iter()
            .copied()
            .chain(left.iter().flat_map(|item| item.columns.iter().copied()))
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
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

/// Rows of one row group that are read without DataFusion's reader.
struct Part {
    group: usize,
    selection: Option<RowSelection>,
    /// Outputs that are in memory already, by place
    known: Vec<Option<ArrayRef>>,
    /// Columns of the table that the file must give
    columns: Vec<usize>,
    rows: usize,
}

impl Part {
    fn new(reader: &Reader, group: usize, rows: &RowGroup, selection: Selection, rest: &[Use]) -> Result<Part> {
        let mut columns: BTreeSet<usize> = rest.iter().flat_map(|item| item.columns.iter().copied()).collect();
        let mut known = Vec::with_capacity(reader.outputs.len());
        let mut count = selection.as_ref().map_or(rows.rows, BooleanBuffer::count_set_bits);
        for item in &reader.outputs {
            // What is not a column is dear: with predicates left, only of the rows that pass them.
            let cheap = rest.is_empty() || item.columns.len() == 1;
            if cheap && rows.has(item) {
                let (outputs, selected) = rows.outputs(std::slice::from_ref(item), &selection)?;
                count = selected;
                known.push(outputs.into_iter().next());
            } else {
                columns.extend(item.columns.iter().copied());
                known.push(None);
            }
        }
        let total = rows.rows;
        let selection = selection.map(|selected| {
            let ranges = selected.set_slices().map(|(start, end)| start..end);
            RowSelection::from_consecutive_ranges(ranges, total)
        });
        Ok(Part {
            group,
            selection,
            known,
            columns: columns.into_iter().collect(),
            rows: count,
        })
    }
}

/// Reads parts.
#[derive(Clone)]
struct Direct {
    table: Arc<Table>,
    order: Arc<Vec<Output>>,
    outputs: Vec<Use>,
    rest: Vec<Use>,
    counted: bool,
    schema: SchemaRef,
    rows: Count,
    bytes: Count,
    time: Time,
}

impl Direct {
    fn part(self, open: &Arc<OpenFile>, part: Part) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let timer = self.time.clone();
        let _timer = timer.timer();
        let fields = self.table.schema.fields();
        let names: Vec<&str> = part
            .columns
            .iter()
            .filter_map(|place| fields.get(*place))
            .map(|field| field.name().as_str())
            .collect();
        if names.is_empty() {
            let batch = self.batch(&part, None, 0, part.rows)?;
            return Ok(stream::once(async { Ok(batch) }).boxed());
        }
        let has_any = names.iter().any(|name| open.has(name));
        if !has_any {
            let batch = self.batch(&part, None, 0, part.rows)?;
            return Ok(stream::once(async { Ok(batch) }).boxed());
        }
        self.bytes.add(open.chunk_bytes(part.group, &names));
        let reader = open.read(part.group, &names, part.selection.clone(), BATCH_ROWS)?;
        let mut from = 0;
        let batches = reader.map(move |read| {
            let _timer = self.time.timer();
            let read = read?;
            let rows = read.num_rows();
            let batch = self.batch(&part, Some(&read), from, rows);
            from += rows;
            batch
        });
        Ok(stream::iter(batches).boxed())
    }

    /// Outputs of some rows of a part, of which these columns were read.
    fn batch(&self, part: &Part, read: Option<&RecordBatch>, from: usize, rows: usize) -> Result<RecordBatch> {
        let columns: Vec<ArrayRef> = part
            .columns
            .iter()
            .map(|place| {
                let field = self.table.schema.field(*place);
                match read.and_then(|read| read.column_by_name(field.name())) {
                    Some(column) if column.data_type() == field.data_type() => Ok(Arc::clone(column)),
                    Some(column) => Ok(cast(column, field.data_type())?),
                    None => {
                        let ty = self.table.definition.columns.get(*place).map_or(Type::Dynamic, |column| column.ty);
                        Ok(missing(ty, rows))
                    }
                }
            })
            .collect::<Result<_>>()?;
        let of = |item: &Use| -> Result<ArrayRef> {
            let columns = item
                .columns
                .iter()
                .map(|place| {
                    let index = part.columns.binary_search(place);
                    let column = index.ok().and_then(|index| columns.get(index)).cloned();
                    column.ok_or_else(|| DataFusionError::Internal("a column that was not read".to_owned()))
                })
                .collect::<Result<Vec<_>>>()?;
            item.over(columns, rows)
        };
        let mut passed: Option<BooleanBuffer> = None;
        for predicate in &self.rest {
            let passes = boolean(&of(predicate)?)?;
            passed = Some(match passed {
                Some(before) => &before & &passes,
                None => passes,
            });
        }
        let passed = passed.map(|passed| arrow::array::BooleanArray::new(passed, None));
        let left = passed.as_ref().map_or(rows, arrow::array::BooleanArray::true_count);
        let mut values = Vec::with_capacity(self.outputs.len());
        for (item, known) in self.outputs.iter().zip(&part.known) {
            let value = match known {
                Some(known) => known.slice(from, rows),
                None => of(item)?,
            };
            values.push(match &passed {
                Some(passed) => filter(&value, passed)?,
                None => value,
            });
        }
        self.rows.add(left);
        let counts: ArrayRef = Arc::new(Int64Array::from(vec![1; if self.counted { left } else { 0 }]));
        let mut values = values.into_iter();
        let columns: Vec<ArrayRef> = self
            .order
            .iter()
            .filter_map(|output| match output {
                Output::Rows => Some(Arc::clone(&counts)),
                Output::Expr(_) => values.next(),
            })
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(left));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}

/// What is left to do with rows from a file.
struct Finish {
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

fn parquet_options(options: &ConfigOptions) -> datafusion::common::config::TableParquetOptions {
    datafusion::common::config::TableParquetOptions {
        global: options.execution.parquet.clone(),
        ..Default::default()
    }
}
