//! One thread's part of a scan: which rows of each row group are wanted, and what they give.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::buffer::BooleanBuffer;
use arrow::compute::filter_record_batch;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::BinaryExpr;
use datafusion::physical_optimizer::pruning::{PruningPredicate, PruningPredicateBuilder};
use datafusion::physical_plan::metrics::{Count, MetricBuilder, Time};
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use taffrail_kql::Type;

use super::index::Decided;
use super::rows::{RowGroup, Selection, Use, boolean};
use super::{LakeScan, Output};
use crate::columns::OpenFile;
use crate::delta::DataFile;
use crate::error::LakeError;
use crate::provider::GroupBounds;
use crate::rows::missing;
use crate::shared::Hot;

/// One thread's part of a scan.
pub(super) struct Reader {
    pub(super) scan: LakeScan,
    partition: usize,
    pub(super) context: Arc<TaskContext>,
    /// Without [`Output::Rows`]
    pub(super) outputs: Vec<Use>,
    pub(super) counted: bool,
    /// Columns that outputs read
    pub(super) needed: BTreeSet<usize>,
    /// Columns that files keep in a form worth having in memory
    narrow: Vec<bool>,
    pruning: Option<PruningPredicate>,
    pub(super) output_rows: Count,
    pub(super) bytes: Count,
    groups_pruned: Count,
    groups: Count,
    /// Rows that were looked at
    rows: Count,
    time: Time,
}

impl Reader {
    pub(super) fn new(scan: LakeScan, partition: usize, context: Arc<TaskContext>) -> Result<Reader> {
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
            .map(|column| !definition.plain.contains(&column.name) && definition.event.as_ref() != Some(&column.name))
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

    pub(super) fn is_narrow(&self, columns: &[usize]) -> bool {
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
    pub(super) fn hot(&self, hot: &Hot) -> Result<RecordBatch> {
        let _timer = self.time.timer();
        let mut batch = hot.batch.clone();
        self.rows.add(batch.num_rows());
        let failed = |error: LakeError| DataFusionError::External(Box::new(error));
        // Events are put together for rows that are left by all else.
        let (late, early): (Vec<&Use>, Vec<&Use>) = self.scan.predicates.iter().partition(|item| self.reads_event(item));
        let whole = !late.is_empty() || self.outputs.iter().any(|item| self.reads_event(item));
        for (index, predicate) in early.iter().chain(&late).enumerate() {
            if index == early.len() {
                batch = self.scan.table.whole(&batch).map_err(failed)?;
            }
            let passes = predicate.expr.evaluate(&batch)?.into_array(batch.num_rows())?;
            batch = filter_record_batch(&batch, &boolean(&passes)?.into())?;
        }
        if whole && late.is_empty() {
            batch = self.scan.table.whole(&batch).map_err(failed)?;
        }
        self.project(&batch)
    }

    /// Whether an expression reads whole events.
    pub(super) fn reads_event(&self, item: &Use) -> bool {
        let event = self.scan.table.event.as_ref();
        event.is_some_and(|form| item.columns.contains(&form.column))
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
    pub(super) fn file(self: Arc<Self>, place: usize) -> Result<BoxStream<'static, Result<RecordBatch>>> {
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
        let reader = Arc::clone(&self);
        let batches = stream::iter(groups).map(move |group| reader.row_group(&open, &file, group));
        Ok(batches
            .map(|batches| match batches {
                Ok(batches) => batches,
                Err(error) => stream::once(async { Err(error) }).boxed(),
            })
            .flatten()
            .boxed())
    }

    /// Columns of a row group that are in memory or worth to be.
    pub(super) fn load(&self, open: &OpenFile, group: usize, columns: impl Iterator<Item = usize>, into: &mut RowGroup) -> Result<()> {
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

    /// Narrows a selection by all predicates that can be decided without reading much: in memory, by an index, or from a few rows
    /// of the file. `None`: no row is left. Else the predicates that are left, too.
    fn select(&self, open: &OpenFile, group: usize, rows: &mut RowGroup) -> Result<Option<(Selection, Vec<Use>)>> {
        rows.rows = open.rows(group);
        self.rows.add(rows.rows);
        let mut selection: Selection = None;
        let mut later = Vec::new();
        // Those over one column first: they are decided a value at a time, and together.
        let mut together: Vec<(&Use, BooleanBuffer)> = Vec::new();
        for predicate in self.scan.predicates.iter() {
            if predicate.columns.len() == 1 && self.is_narrow(&predicate.columns) {
                self.load(open, group, predicate.columns.iter().copied(), rows)?;
                if rows.has(predicate) {
                    self.evaluate(open, group, rows, predicate)?;
                    match rows.passes(predicate)? {
                        Some(passes) => match together.iter_mut().find(|(other, _)| other.columns == predicate.columns) {
                            Some((_, before)) => *before = &*before & &passes,
                            None => together.push((predicate, passes)),
                        },
                        None if !rows.select(predicate, &mut selection)? => return Ok(None),
                        None => {}
                    }
                    continue;
                }
            }
            later.push(predicate);
        }
        for (predicate, passes) in together {
            if !rows.narrow_to(predicate, &passes, &mut selection)? {
                return Ok(None);
            }
        }
        let mut rest: Vec<Use> = Vec::new();
        for predicate in later {
            match self.ask_index(open, group, predicate, &mut selection)? {
                Some(Decided::NoRow) => return Ok(None),
                Some(Decided::Exactly) => {}
                Some(Decided::AtMost) | None => rest.push(predicate.clone()),
            }
        }
        let mut left = Vec::new();
        for predicate in rest {
            self.load(open, group, predicate.columns.iter().copied(), rows)?;
            let known = rows.has(&predicate) || self.derived(open, group, rows, &selection, std::slice::from_ref(&predicate))?;
            if !known {
                left.push(predicate);
            } else if !rows.select(&predicate, &mut selection)? {
                return Ok(None);
            }
        }
        Ok(Some((selection, left)))
    }

    /// The wanted rows of a row group.
    fn row_group(&self, open: &Arc<OpenFile>, file: &Arc<DataFile>, group: usize) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let _timer = self.time.timer();
        let mut rows = RowGroup::default();
        let Some((mut selection, rest)) = self.select(open, group, &mut rows)? else {
            return Ok(stream::empty().boxed());
        };
        if rest.is_empty()
            && let Some(limit) = self.scan.limit
        {
            first(&mut selection, rows.rows, limit);
        }
        self.load(open, group, self.needed.iter().copied(), &mut rows)?;
        if self.counted {
            self.coded(open, group, &mut rows, &selection)?;
        }
        if !rest.is_empty() || !self.derived(open, group, &mut rows, &selection, &self.outputs)? {
            return self.parquet(open, file, vec![(group, selection)], &rest);
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
}

/// Leaves no more than so many rows.
fn first(selection: &mut Selection, rows: usize, limit: usize) {
    let before = selection.take().unwrap_or_else(|| BooleanBuffer::new_set(rows));
    let mut left = limit;
    let within = BooleanBuffer::collect_bool(rows, |row| {
        let takes = left > 0 && before.value(row);
        left -= usize::from(takes);
        takes
    });
    *selection = Some(within);
}
