//! Joins on equal keys within a stretch of time.
//!
//! "A failed sign-in, then a success from the same address within ten minutes" is the shape of most correlations:
//! `join kind=inner … on ip | where st > ft and st <= ft + 10m`. A hash join makes all pairs of an address, thousands for each
//! row, and throws nearly all away. Here the side with the single time is kept sorted by key and time, and each row of the other
//! side looks up the stretch it asks for.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{concat_batches, take};
use arrow::datatypes::{DataType, Int64Type, SchemaRef};
use arrow::row::{RowConverter, SortField};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, JoinSide, JoinType, NullEquality, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, Column};
use datafusion::physical_expr::utils::{collect_columns, split_conjunction};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::execution_plan::{Boundedness, ChildrenPropertiesMode, EmissionType, ReplaceChildrenOptions};
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter};
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning, PlanProperties};
use futures::{StreamExt, TryStreamExt, stream};

/// Rows of a batch that a join gives.
const BATCH_ROWS: usize = 8 << 10;

type Expr = Arc<dyn PhysicalExpr>;

/// Puts [`IntervalJoin`] in the place of hash joins that have bounds on both sides of a time.
#[derive(Debug, Default)]
pub(crate) struct IntervalJoins;

impl PhysicalOptimizerRule for IntervalJoins {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let rewritten = plan.transform_up(|node| {
            let Some(join) = node.downcast_ref::<HashJoinExec>() else {
                return Ok(Transformed::no(node));
            };
            Ok(match IntervalJoin::of(join)? {
                Some(join) => Transformed::yes(Arc::new(join) as Arc<dyn ExecutionPlan>),
                None => Transformed::no(node),
            })
        });
        Ok(rewritten?.data)
    }

    fn name(&self) -> &str {
        "interval_joins"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// A limit of the stretch that a row asks for.
#[derive(Debug, Clone)]
struct Bound {
    /// Over the columns of the asking side
    expr: Expr,
    /// Whether the limit itself belongs to it
    inclusive: bool,
}

/// An inner join on equal keys, in which a time of one side lies between limits that the other side gives.
#[derive(Debug, Clone)]
pub(crate) struct IntervalJoin {
    /// The side that is kept sorted
    sorted: Arc<dyn ExecutionPlan>,
    asking: Arc<dyn ExecutionPlan>,
    sorted_keys: Vec<Expr>,
    asking_keys: Vec<Expr>,
    /// What rows are sorted by, within equal keys
    point: Expr,
    from: Vec<Bound>,
    to: Vec<Bound>,
    /// What else must be true of a pair
    rest: Option<JoinFilter>,
    /// Whether the sorted side is the join's left
    sorted_is_left: bool,
    nulls_equal: bool,
    /// Columns of left, then right
    projection: Vec<usize>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

/// One comparison of a filter: `point op limit`.
struct Comparison {
    side: JoinSide,
    point: Expr,
    op: Operator,
    limit: Expr,
}

impl IntervalJoin {
    /// The same join, when it has such limits and nobody relies on the order of its rows.
    fn of(join: &HashJoinExec) -> Result<Option<IntervalJoin>> {
        let Some(filter) = join.filter() else {
            return Ok(None);
        };
        let plain = *join.join_type() == JoinType::Inner
            && !join.null_aware
            && join.properties().output_ordering().is_none()
            && matches!(join.partition_mode(), PartitionMode::Partitioned | PartitionMode::CollectLeft);
        if !plain {
            return Ok(None);
        }
        let parts: Vec<&Expr> = split_conjunction(filter.expression());
        let compared: Vec<Vec<Comparison>> = parts.iter().map(|part| comparisons(part, filter)).collect::<Result<_>>()?;
        for candidate in compared.iter().flatten() {
            let (mut from, mut to, mut rest) = (Vec::new(), Vec::new(), Vec::new());
            for (part, compared) in parts.iter().zip(&compared) {
                let same = compared
                    .iter()
                    .find(|other| other.side == candidate.side && other.point.eq(&candidate.point));
                let Some(same) = same else {
                    rest.push(Arc::clone(part));
                    continue;
                };
                let bound = |inclusive| Bound {
                    expr: Arc::clone(&same.limit),
                    inclusive,
                };
                match same.op {
                    Operator::Gt => from.push(bound(false)),
                    Operator::GtEq => from.push(bound(true)),
                    Operator::Lt => to.push(bound(false)),
                    Operator::LtEq => to.push(bound(true)),
                    _ => rest.push(Arc::clone(part)),
                }
            }
            if !from.is_empty() && !to.is_empty() {
                let rest = rest
                    .into_iter()
                    .reduce(|left, right| Arc::new(BinaryExpr::new(left, Operator::And, right)));
                let rest = rest.map(|rest| JoinFilter::new(rest, filter.column_indices().to_vec(), Arc::clone(filter.schema())));
                return IntervalJoin::with(join, candidate, from, to, rest).map(Some);
            }
        }
        Ok(None)
    }

    fn with(join: &HashJoinExec, point: &Comparison, from: Vec<Bound>, to: Vec<Bound>, rest: Option<JoinFilter>) -> Result<IntervalJoin> {
        let (mut left, mut right) = (Arc::clone(join.left()), Arc::clone(join.right()));
        let (left_keys, right_keys): (Vec<Expr>, Vec<Expr>) = join.on().iter().cloned().unzip();
        let partitions = right.output_partitioning().partition_count();
        if *join.partition_mode() == PartitionMode::CollectLeft && partitions > 1 {
            // Every partition would gather the left side for itself.
            left = Arc::new(RepartitionExec::try_new(left, Partitioning::Hash(left_keys.clone(), partitions))?);
            right = Arc::new(RepartitionExec::try_new(right, Partitioning::Hash(right_keys.clone(), partitions))?);
        }
        let sorted_is_left = point.side == JoinSide::Left;
        let width = join.join_schema().fields().len();
        let projection = match &join.projection {
            Some(projection) => projection.to_vec(),
            None => (0..width).collect(),
        };
        let schema = join.schema();
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let (sorted, asking, sorted_keys, asking_keys) = if sorted_is_left {
            (left, right, left_keys, right_keys)
        } else {
            (right, left, right_keys, left_keys)
        };
        Ok(IntervalJoin {
            sorted,
            asking,
            sorted_keys,
            asking_keys,
            point: Arc::clone(&point.point),
            from,
            to,
            rest,
            sorted_is_left,
            nulls_equal: join.null_equality() == NullEquality::NullEqualsNull,
            projection,
            schema,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }
}

/// A comparison of whole numbers (times are such) of the two sides, seen from either.
fn comparisons(part: &Expr, filter: &JoinFilter) -> Result<Vec<Comparison>> {
    let Some(binary) = part.downcast_ref::<BinaryExpr>() else {
        return Ok(Vec::new());
    };
    let (left, right) = (of_one_side(binary.left(), filter)?, of_one_side(binary.right(), filter)?);
    let (Some((left_side, left)), Some((right_side, right))) = (left, right) else {
        return Ok(Vec::new());
    };
    let Some(swapped) = binary.op().swap().filter(|_| left_side != right_side) else {
        return Ok(Vec::new());
    };
    Ok(vec![
        Comparison {
            side: left_side,
            point: Arc::clone(&left),
            op: *binary.op(),
            limit: Arc::clone(&right),
        },
        Comparison {
            side: right_side,
            point: right,
            op: swapped,
            limit: left,
        },
    ])
}

/// An expression over that side's own columns, when it reads one side only and is a whole number.
fn of_one_side(expr: &Expr, filter: &JoinFilter) -> Result<Option<(JoinSide, Expr)>> {
    if expr.data_type(filter.schema())? != DataType::Int64 {
        return Ok(None);
    }
    let places = filter.column_indices();
    let mut side = None;
    for column in collect_columns(expr) {
        let Some(place) = places.get(column.index()) else {
            return Ok(None);
        };
        if *side.get_or_insert(place.side) != place.side {
            return Ok(None);
        }
    }
    let Some(side) = side.filter(|side| *side != JoinSide::None) else {
        return Ok(None);
    };
    let own = Arc::clone(expr).transform_up(|node| {
        Ok(
            match node
                .downcast_ref::<Column>()
                .and_then(|column| places.get(column.index()).map(|place| (column, place)))
            {
                Some((column, place)) => Transformed::yes(Arc::new(Column::new(column.name(), place.index)) as Expr),
                None => Transformed::no(node),
            },
        )
    })?;
    Ok(Some((side, own.data)))
}

impl DisplayAs for IntervalJoin {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = |exprs: &[Expr]| exprs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let bounds = |bounds: &[Bound], open: &str, closed: &str| {
            let one = |bound: &Bound| format!("{} {}", if bound.inclusive { closed } else { open }, bound.expr);
            bounds.iter().map(one).collect::<Vec<_>>().join(" and ")
        };
        write!(
            f,
            "IntervalJoin: on ({}) = ({}), {} {} and {}",
            texts(&self.sorted_keys),
            texts(&self.asking_keys),
            self.point,
            bounds(&self.from, ">", ">="),
            bounds(&self.to, "<", "<=")
        )?;
        match &self.rest {
            Some(rest) => write!(f, ", filter={rest}"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for IntervalJoin {
    fn name(&self) -> &str {
        "IntervalJoin"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.sorted, &self.asking]
    }

    fn apply_expressions(&self, f: &mut dyn FnMut(&Expr) -> Result<TreeNodeRecursion>) -> Result<TreeNodeRecursion> {
        let bounds = self.from.iter().chain(&self.to).map(|bound| &bound.expr);
        for expr in self.sorted_keys.iter().chain(&self.asking_keys).chain([&self.point]).chain(bounds) {
            if f(expr)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let [sorted, asking] = <[_; 2]>::try_from(children).map_err(|_| DataFusionError::Internal("a join has two inputs".to_owned()))?;
        Ok(Arc::new(IntervalJoin {
            sorted,
            asking,
            metrics: ExecutionPlanMetricsSet::new(),
            ..self.as_ref().clone()
        }))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let sorted = self.sorted.execute(partition, Arc::clone(&context))?;
        let asking = self.asking.execute(partition, Arc::clone(&context))?;
        let memory = MemoryConsumer::new("IntervalJoin").register(context.memory_pool());
        let join = self.clone();
        let rows = MetricBuilder::new(&self.metrics).output_rows(partition);
        let schema = Arc::clone(&self.schema);
        let batches = stream::once(async move {
            let side = Sorted::gather(&join, sorted, memory).await?;
            let side = Arc::new(side);
            Ok::<_, DataFusionError>(
                asking
                    .map(move |batch| Asked::new(Arc::clone(&side), batch?, rows.clone()))
                    .map_ok(pairs)
                    .try_flatten(),
            )
        })
        .try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }
}

/// The sorted side.
struct Sorted {
    join: IntervalJoin,
    rows: RecordBatch,
    /// Texts of keys, and where their rows begin and end in `order`
    keys: HashMap<Box<[u8]>, (u32, u32)>,
    converter: RowConverter,
    /// Rows by key and time
    order: Vec<u32>,
    /// The time of each, in that order
    points: Vec<i64>,
    _memory: MemoryReservation,
}

impl Sorted {
    async fn gather(join: &IntervalJoin, mut input: SendableRecordBatchStream, memory: MemoryReservation) -> Result<Sorted> {
        let mut batches = Vec::new();
        while let Some(batch) = input.next().await {
            let batch = batch?;
            // The rows, once more as one batch, and what is noted of each.
            memory.try_grow(batch.get_array_memory_size() * 2 + batch.num_rows() * 24)?;
            batches.push(batch);
        }
        let rows = concat_batches(&join.sorted.schema(), &batches)?;
        drop(batches);
        let keys = evaluate(&join.sorted_keys, &rows)?;
        let fields = keys.iter().map(|key| SortField::new(key.data_type().clone())).collect();
        let converter = RowConverter::new(fields)?;
        let texts = converter.convert_columns(&keys)?;
        let points = join.point.evaluate(&rows)?.into_array(rows.num_rows())?;
        let points = points.as_primitive::<Int64Type>();
        let mut numbers: HashMap<Box<[u8]>, u32> = HashMap::default();
        let mut order: Vec<(u32, i64, u32)> = Vec::with_capacity(rows.num_rows());
        for row in 0..rows.num_rows() {
            if points.is_null(row) || (!join.nulls_equal && keys.iter().any(|key| key.is_null(row))) {
                continue;
            }
            let text = texts.row(row);
            let next = numbers.len() as u32;
            let number = match numbers.get(text.data()) {
                Some(number) => *number,
                None => *numbers.entry(text.data().into()).or_insert(next),
            };
            order.push((number, points.value(row), row as u32));
        }
        order.sort_unstable();
        let mut places = vec![(0u32, 0u32); numbers.len()];
        for (place, (number, _, _)) in order.iter().enumerate() {
            if let Some(found) = places.get_mut(*number as usize) {
                if found.1 == 0 {
                    found.0 = place as u32;
                }
                found.1 = place as u32 + 1;
            }
        }
        let keys = numbers
            .into_iter()
            .map(|(text, number)| (text, places.get(number as usize).copied().unwrap_or((0, 0))))
            .collect();
        Ok(Sorted {
            join: join.clone(),
            rows,
            keys,
            converter,
            points: order.iter().map(|(_, point, _)| *point).collect(),
            order: order.into_iter().map(|(_, _, row)| row).collect(),
            _memory: memory,
        })
    }
}

fn evaluate(exprs: &[Expr], batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
    exprs
        .iter()
        .map(|expr| expr.evaluate(batch)?.into_array(batch.num_rows()))
        .collect()
}

/// Rows of the asking side, with the stretch of each that is not given yet.
struct Asked {
    side: Arc<Sorted>,
    batch: RecordBatch,
    stretches: Vec<(u32, u32)>,
    row: usize,
    output: Count,
}

impl Asked {
    fn new(side: Arc<Sorted>, batch: RecordBatch, output: Count) -> Result<Asked> {
        let join = &side.join;
        let keys = evaluate(&join.asking_keys, &batch)?;
        let texts = side.converter.convert_columns(&keys)?;
        let limits = |bounds: &[Bound]| -> Result<Vec<(Int64Array, bool)>> {
            let limit = |bound: &Bound| -> Result<(Int64Array, bool)> {
                let values = bound.expr.evaluate(&batch)?.into_array(batch.num_rows())?;
                Ok((values.as_primitive::<Int64Type>().clone(), bound.inclusive))
            };
            bounds.iter().map(limit).collect()
        };
        let (from, to) = (limits(&join.from)?, limits(&join.to)?);
        let stretch = |row: usize| -> Option<(u32, u32)> {
            if !join.nulls_equal && keys.iter().any(|key| key.is_null(row)) {
                return None;
            }
            let (start, end) = *side.keys.get(texts.row(row).data())?;
            let points = side.points.get(start as usize..end as usize)?;
            let (mut first, mut last) = (0, points.len());
            for (limits, inclusive) in &from {
                let limit = limits.is_valid(row).then(|| limits.value(row))?;
                first = first.max(points.partition_point(|point| if *inclusive { *point < limit } else { *point <= limit }));
            }
            for (limits, inclusive) in &to {
                let limit = limits.is_valid(row).then(|| limits.value(row))?;
                last = last.min(points.partition_point(|point| if *inclusive { *point <= limit } else { *point < limit }));
            }
            (first < last).then(|| (start + first as u32, start + last as u32))
        };
        let stretches = (0..batch.num_rows()).map(|row| stretch(row).unwrap_or((0, 0))).collect();
        Ok(Asked {
            stretches,
            side,
            batch,
            row: 0,
            output,
        })
    }

    /// Some of the pairs that are left.
    fn next(&mut self) -> Result<Option<RecordBatch>> {
        let (mut asking, mut sorted) = (Vec::new(), Vec::new());
        while sorted.len() < BATCH_ROWS {
            let Some((start, end)) = self.stretches.get_mut(self.row) else {
                break;
            };
            let until = (*end).min(*start + (BATCH_ROWS - sorted.len()) as u32);
            let rows = self.side.order.get(*start as usize..until as usize).unwrap_or_default();
            sorted.extend_from_slice(rows);
            asking.resize(sorted.len(), self.row as u32);
            *start = until;
            if *start >= *end {
                self.row += 1;
            }
        }
        if sorted.is_empty() {
            return Ok(None);
        }
        let join = &self.side.join;
        let (mut asking, mut sorted) = (UInt32Array::from(asking), UInt32Array::from(sorted));
        if let Some(rest) = &join.rest {
            let passes = self.passes(rest, &asking, &sorted)?;
            asking = arrow::compute::filter(&asking, &passes)?.as_primitive().clone();
            sorted = arrow::compute::filter(&sorted, &passes)?.as_primitive().clone();
        }
        let columns = join
            .projection
            .iter()
            .map(|place| {
                let left_width = self.left().num_columns();
                let (side, place) = match place.checked_sub(left_width) {
                    None => (JoinSide::Left, *place),
                    Some(place) => (JoinSide::Right, place),
                };
                self.column(side, place, &asking, &sorted)
            })
            .collect::<Result<Vec<_>>>()?;
        self.output.add(sorted.len());
        let options = RecordBatchOptions::new().with_row_count(Some(sorted.len()));
        Ok(Some(RecordBatch::try_new_with_options(
            Arc::clone(&join.schema),
            columns,
            &options,
        )?))
    }

    fn left(&self) -> &RecordBatch {
        if self.side.join.sorted_is_left {
            &self.side.rows
        } else {
            &self.batch
        }
    }

    fn column(&self, side: JoinSide, place: usize, asking: &UInt32Array, sorted: &UInt32Array) -> Result<ArrayRef> {
        let (batch, rows) = if (side == JoinSide::Left) == self.side.join.sorted_is_left {
            (&self.side.rows, sorted)
        } else {
            (&self.batch, asking)
        };
        let column = batch.columns().get(place);
        let column = column.ok_or_else(|| DataFusionError::Internal("a join's projection of a column that there is not".to_owned()))?;
        Ok(take(column.as_ref(), rows, None)?)
    }

    fn passes(&self, filter: &JoinFilter, asking: &UInt32Array, sorted: &UInt32Array) -> Result<BooleanArray> {
        let column = |place: &ColumnIndex| self.column(place.side, place.index, asking, sorted);
        let columns = filter.column_indices().iter().map(column).collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(sorted.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(filter.schema()), columns, &options)?;
        let passes = filter.expression().evaluate(&batch)?.into_array(sorted.len())?;
        let passes = passes.as_boolean();
        Ok(match passes.nulls() {
            Some(nulls) => BooleanArray::new(passes.values() & nulls.inner(), None),
            None => passes.clone(),
        })
    }
}

fn pairs(asked: Asked) -> impl futures::Stream<Item = Result<RecordBatch>> {
    stream::try_unfold(asked, |mut asked| async move { Ok(asked.next()?.map(|batch| (batch, asked))) })
}
