//! `scan`: a state machine over rows in their order.
//!
//! Each row is tried on the steps, last first. A step takes the row when its condition holds and either the step before it
//! has a sequence that waits (which moves on, with its match id), or the step itself has one (which stays), or it is the
//! first step (a new sequence begins). Rows are computed before the plan is made, one after the other, as each depends on
//! the one before.
//!
//! Source: Kusto Query Language reference, "scan operator".

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_plan::PhysicalExpr;
use taffrail_kql::Type;
use taffrail_kql::bound::{ColumnId, Expr, ExprKind, OperatorArg, Rel};

use super::{bool_arg, expr_arg, layout, list_arg};
use crate::error::{LowerError, QueryError};
use crate::functions;
use crate::lower::Lowering;
use crate::lower::lowered::{column, name};
use crate::value;

const NAME: &str = "scan";

type Physical = Arc<dyn PhysicalExpr>;
type Row = Vec<ScalarValue>;

/// When the rows that a step took are given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Output {
    All,
    Last,
    None,
}

struct Step {
    optional: bool,
    output: Output,
    condition: Physical,
    /// Position among input and declared columns, value
    assignments: Vec<(usize, Physical)>,
    /// First column of the step's state in the row that expressions see
    state: usize,
}

/// A sequence that has come to some step.
#[derive(Clone)]
struct Sequence {
    id: i64,
    /// For each step the row it took last, input and declared columns
    rows: Vec<Option<Row>>,
}

struct Machine<'a> {
    steps: &'a [Step],
    schema: Arc<Schema>,
    /// Types of input and declared columns
    types: &'a [Type],
    /// What declared columns start with, and input columns of a step without row: null
    blank: Row,
    inputs: usize,
}

/// One partition's sequences by the step they have come to.
#[derive(Default)]
struct Partition {
    at: Vec<Option<Sequence>>,
}

/// A scan, ready to take rows.
pub(in crate::lower) struct Scan {
    steps: Vec<Step>,
    schema: Arc<Schema>,
    types: Vec<Type>,
    blank: Row,
    inputs: usize,
    has_id: bool,
}

impl Lowering {
    /// Runs a scan to its end: its rows, under the names its columns have in plans.
    pub(in crate::lower) async fn run_scan(&self, rel: &Rel, input: &Rel, args: &[OperatorArg]) -> Result<Vec<RecordBatch>, QueryError> {
        let refused = |error: LowerError| QueryError::from_lower(error.at(rel.span), self.memory);
        let failed = |error| QueryError::from_datafusion(error, self.memory);
        let scan = self.scan(rel, input, args).map_err(refused)?;
        let plan = self.scan_input(input, args).map_err(refused)?;
        let batches = self.gather(plan).await?;
        let machine = Machine {
            steps: &scan.steps,
            schema: scan.schema.clone(),
            types: &scan.types,
            blank: scan.blank.clone(),
            inputs: scan.inputs,
        };
        let mut partitions: HashMap<Vec<ScalarValue>, Partition> = HashMap::new();
        let mut out: Vec<(Row, i64)> = Vec::new();
        let mut next_id = 0;
        for batch in &batches {
            for index in 0..batch.num_rows() {
                let mut values = batch
                    .columns()
                    .iter()
                    .map(|array| ScalarValue::try_from_array(array, index))
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(failed)?;
                let key = values.split_off(scan.inputs);
                let partition = partitions.entry(key).or_default();
                machine.take(&values, partition, &mut next_id, &mut out).map_err(failed)?;
            }
            tokio::task::yield_now().await;
        }
        for partition in partitions.values() {
            for (step, sequence) in scan.steps.iter().zip(&partition.at) {
                if step.output == Output::Last
                    && let Some(sequence) = sequence
                    && let Some(row) = sequence.rows.iter().rev().flatten().next()
                {
                    out.push((row.clone(), sequence.id));
                }
            }
        }
        self.scan_rows(rel, &scan, out).map_err(failed)
    }

    fn scan_rows(&self, rel: &Rel, scan: &Scan, out: Vec<(Row, i64)>) -> datafusion::common::Result<Vec<RecordBatch>> {
        let mut columns: Vec<Vec<ScalarValue>> = rel.columns.iter().map(|_| Vec::with_capacity(out.len())).collect();
        for (row, id) in out {
            let id = scan.has_id.then_some(ScalarValue::Int64(Some(id)));
            for (column, scalar) in columns.iter_mut().zip(row.into_iter().chain(id)) {
                column.push(scalar);
            }
        }
        let mut fields = Vec::new();
        let mut arrays: Vec<ArrayRef> = Vec::new();
        for (item, scalars) in rel.columns.iter().zip(columns) {
            let data_type = functions::arrow_type(item.ty);
            arrays.push(if scalars.is_empty() {
                datafusion::arrow::array::new_empty_array(&data_type)
            } else {
                ScalarValue::iter_to_array(scalars)?
            });
            fields.push(Field::new(name(item.id), data_type, true));
        }
        Ok(vec![RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?])
    }

    /// The rows in order: input columns, then the partition's keys.
    fn scan_input(&self, input: &Rel, args: &[OperatorArg]) -> Result<datafusion::logical_expr::LogicalPlan, LowerError> {
        let rows = self.rel(input)?.without_markers()?.sorted()?;
        let mut exprs: Vec<_> = input.columns.iter().map(|item| column(name(item.id))).collect();
        for key in list_arg(args.first(), NAME)? {
            exprs.push(self.expr(expr_arg(Some(key), NAME)?)?.alias(self.fresh('k')));
        }
        Ok(rows.builder().project(exprs)?.build()?)
    }

    fn scan(&self, rel: &Rel, input: &Rel, args: &[OperatorArg]) -> Result<Scan, LowerError> {
        let mut columns: Vec<(ColumnId, Type)> = input.columns.iter().map(|item| (item.id, item.ty)).collect();
        let mut blank: Row = Vec::new();
        for (_, ty) in &columns {
            blank.push(functions::scalar_value(&value::empty(*ty)));
        }
        for declared in list_arg(args.get(1), NAME)? {
            let declared = list_arg(Some(declared), NAME)?;
            let target = expr_arg(declared.first(), NAME)?;
            let default = self.constant(expr_arg(declared.get(1), NAME)?)?;
            columns.push((column_id(target)?, target.ty));
            blank.push(functions::scalar_value(&default));
        }
        let has_id = matches!(args.get(2), Some(OperatorArg::Expr(_)));
        if rel.columns.len() != columns.len() + usize::from(has_id) {
            return Err(layout(NAME));
        }
        let types: Vec<Type> = columns.iter().map(|(_, ty)| *ty).collect();
        let targets: Vec<ColumnId> = columns.iter().map(|(id, _)| *id).collect();
        let parts: Vec<&[OperatorArg]> = list_arg(args.get(3), NAME)?
            .iter()
            .map(|step| list_arg(Some(step), NAME))
            .collect::<Result<_, _>>()?;
        for step in &parts {
            for state in list_arg(step.get(5), NAME)? {
                let state = expr_arg(Some(state), NAME)?;
                columns.push((column_id(state)?, state.ty));
            }
        }
        let fields: Vec<Field> = columns
            .iter()
            .map(|(id, ty)| Field::new(name(*id), functions::arrow_type(*ty), true))
            .collect();
        let schema = Arc::new(Schema::new(fields));
        let planned = DFSchema::try_from(schema.clone())?;
        let physical = |expr: &Expr| -> Result<Physical, LowerError> { Ok(self.ordered.create_physical_expr(self.expr(expr)?, &planned)?) };
        let mut steps = Vec::new();
        for (index, step) in parts.iter().enumerate() {
            let mut assignments = Vec::new();
            for assignment in list_arg(step.get(4), NAME)? {
                let assignment = list_arg(Some(assignment), NAME)?;
                let target = column_id(expr_arg(assignment.first(), NAME)?)?;
                let position = targets.iter().position(|id| *id == target).ok_or_else(|| layout(NAME))?;
                assignments.push((position, physical(expr_arg(assignment.get(1), NAME)?)?));
            }
            steps.push(Step {
                optional: bool_arg(step.get(1)),
                output: match step.get(2) {
                    Some(OperatorArg::Name(output)) if output == "last" => Output::Last,
                    Some(OperatorArg::Name(output)) if output == "none" => Output::None,
                    _ => Output::All,
                },
                condition: physical(expr_arg(step.get(3), NAME)?)?,
                assignments,
                state: types.len() * (index + 1),
            });
        }
        Ok(Scan {
            steps,
            schema,
            types,
            blank,
            inputs: input.columns.len(),
            has_id,
        })
    }
}

fn column_id(expr: &Expr) -> Result<ColumnId, LowerError> {
    match expr.kind {
        ExprKind::Column(id) => Ok(id),
        _ => Err(layout(NAME)),
    }
}

impl Machine<'_> {
    /// Tries a row on all steps of its partition.
    fn take(
        &self,
        input: &[ScalarValue],
        partition: &mut Partition,
        next_id: &mut i64,
        out: &mut Vec<(Row, i64)>,
    ) -> datafusion::common::Result<()> {
        partition.at.resize_with(self.steps.len(), || None);
        for (index, step) in self.steps.iter().enumerate().rev() {
            let mut row: Row = input.to_vec();
            row.extend(self.blank.iter().skip(self.inputs).cloned());
            // a sequence that waits in front of this step moves on
            if let Some(waiting) = self.waiting(partition, index) {
                let sequence = partition.at.get(waiting).cloned().flatten();
                if let Some(mut sequence) = sequence
                    && self.holds(&step.condition, &row, &sequence)?
                {
                    self.assign(step, &mut row, &sequence)?;
                    if let Some(left) = self.steps.get(waiting)
                        && left.output == Output::Last
                        && let Some(last) = sequence.rows.get(waiting).cloned().flatten()
                    {
                        out.push((last, sequence.id));
                    }
                    self.keep(step, index, row, &mut sequence, out);
                    set(&mut partition.at, waiting, None);
                    set(&mut partition.at, index, Some(sequence));
                    continue;
                }
            }
            // a sequence at this step stays, or a new one begins at the first
            let standing = partition.at.get(index).cloned().flatten();
            let begins = index == 0 && standing.is_none();
            let Some(mut sequence) = standing.or_else(|| {
                begins.then(|| Sequence {
                    id: *next_id,
                    rows: vec![None; self.steps.len()],
                })
            }) else {
                continue;
            };
            if self.holds(&step.condition, &row, &sequence)? {
                if begins {
                    *next_id += 1;
                }
                self.assign(step, &mut row, &sequence)?;
                self.keep(step, index, row, &mut sequence, out);
                set(&mut partition.at, index, Some(sequence));
            }
        }
        Ok(())
    }

    /// The nearest step before this one that has a sequence; optional steps may be left out.
    fn waiting(&self, partition: &Partition, index: usize) -> Option<usize> {
        for before in (0..index).rev() {
            if partition.at.get(before).is_some_and(Option::is_some) {
                return Some(before);
            }
            if !self.steps.get(before).is_some_and(|step| step.optional) {
                return None;
            }
        }
        None
    }

    fn keep(&self, step: &Step, index: usize, row: Row, sequence: &mut Sequence, out: &mut Vec<(Row, i64)>) {
        if step.output == Output::All {
            out.push((row.clone(), sequence.id));
        }
        if let Some(slot) = sequence.rows.get_mut(index) {
            *slot = Some(row);
        }
    }

    fn assign(&self, step: &Step, row: &mut Row, sequence: &Sequence) -> datafusion::common::Result<()> {
        for (position, expr) in &step.assignments {
            let assigned = self.evaluate(expr, row, sequence)?;
            if let Some(slot) = row.get_mut(*position) {
                *slot = assigned;
            }
        }
        Ok(())
    }

    fn holds(&self, condition: &Physical, row: &Row, sequence: &Sequence) -> datafusion::common::Result<bool> {
        let value = self.evaluate(condition, row, sequence)?;
        Ok(matches!(value, ScalarValue::Boolean(Some(true))))
    }

    fn evaluate(&self, expr: &Physical, row: &Row, sequence: &Sequence) -> datafusion::common::Result<ScalarValue> {
        debug_assert_eq!(self.types.len(), row.len());
        let mut values: Vec<&ScalarValue> = row.iter().collect();
        for (step, taken) in self.steps.iter().zip(&sequence.rows) {
            debug_assert_eq!(values.len(), step.state);
            values.extend(taken.as_ref().unwrap_or(&self.blank));
        }
        let arrays = values
            .into_iter()
            .map(ScalarValue::to_array)
            .collect::<datafusion::common::Result<Vec<_>>>()?;
        let batch = RecordBatch::try_new(self.schema.clone(), arrays)?;
        match expr.evaluate(&batch)? {
            ColumnarValue::Scalar(scalar) => Ok(scalar),
            ColumnarValue::Array(array) => ScalarValue::try_from_array(&array, 0),
        }
    }
}

fn set(at: &mut [Option<Sequence>], index: usize, sequence: Option<Sequence>) {
    if let Some(slot) = at.get_mut(index) {
        *slot = sequence;
    }
}
