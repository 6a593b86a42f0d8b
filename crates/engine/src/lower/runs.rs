//! `mv-apply` and `partition` whose bodies cannot be run for all rows at once: the body is run for each key, or each row, by
//! itself.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use datafusion::arrow::compute::{cast, concat_batches, take, take_record_batch};
use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::arrow::row::{RowConverter, SortField};
use taffrail_kql::bound::{Expr, ExprKind, JoinKind, Rel, RelKind};

use super::apply::count;
use super::lowered::{column, name};
use super::prepare::{exprs, inputs};
use super::{Lowered, Lowering};
use crate::error::{LowerError, QueryError};
use crate::functions;
use crate::kernels::expand::Expand;

/// Whether a body must be run by itself for each key or row.
pub(in crate::lower) fn needs_runs(body: &Rel) -> bool {
    let is_outer: &dyn Fn(&Rel) -> bool = &|rel| matches!(rel.kind, RelKind::Outer);
    count(body, is_outer) != 1 || alone(body)
}

fn has_outer(rel: &Rel) -> bool {
    matches!(rel.kind, RelKind::Outer)
        || inputs(rel).into_iter().any(has_outer)
        || exprs(rel).into_iter().any(reads_outer)
        || matches!(&rel.kind, RelKind::Shared { input, .. } if has_outer(input))
}

/// An expression with a query of its own over the rows of the run.
fn reads_outer(expr: &Expr) -> bool {
    let own = match &expr.kind {
        ExprKind::ScalarQuery(rel) | ExprKind::InRel { rel, .. } => has_outer(rel),
        _ => false,
    };
    own || expr.children().into_iter().any(reads_outer)
}

fn alone(rel: &Rel) -> bool {
    let own = match &rel.kind {
        RelKind::Operator { name, .. } => matches!(*name, "scan" | "reduce" | "top-nested") || crate::mining::is_mined(name),
        RelKind::Graph { .. } | RelKind::Union { .. } => true,
        RelKind::Shared { input, .. } => has_outer(input),
        RelKind::Join { kind, left, .. } => {
            let of_left = has_outer(left);
            let keeps = match kind {
                JoinKind::Inner | JoinKind::InnerUnique => true,
                JoinKind::LeftOuter | JoinKind::LeftSemi | JoinKind::LeftAnti => of_left,
                JoinKind::RightOuter | JoinKind::RightSemi | JoinKind::RightAnti => !of_left,
                JoinKind::FullOuter => false,
            };
            !keeps
        }
        RelKind::Partition { body, .. } | RelKind::MvApply { body, .. } => needs_runs(body),
        _ => false,
    };
    own || exprs(rel).into_iter().any(reads_outer) || inputs(rel).into_iter().any(alone)
}

impl Lowering {
    /// Runs the body of a `mv-apply` or `partition` for each row or key: its rows, under the names of plans.
    pub(in crate::lower) async fn run_bodies(&self, rel: &Rel) -> Result<Vec<RecordBatch>, QueryError> {
        let refused = |error: LowerError| QueryError::from_lower(error.at(rel.span), self.memory);
        let (input, body, keys): (&Rel, &Rel, Vec<&Expr>) = match &rel.kind {
            RelKind::Partition { input, key, body } => (input, body, vec![key]),
            RelKind::MvApply { input, body, .. } => (input, body, vec![]),
            _ => return Ok(vec![]),
        };
        let plan = (|| {
            let rows = self.rel(input)?.without_markers()?.sorted()?;
            let mut exprs: Vec<_> = input.columns.iter().map(|item| column(name(item.id))).collect();
            for key in &keys {
                exprs.push(self.expr(key)?.alias(self.fresh('k')));
            }
            Ok(rows.builder().project(exprs)?.build()?)
        })()
        .map_err(refused)?;
        let schema = Arc::new(plan.schema().as_arrow().clone());
        let batches = self.gather(plan).await?;
        let schema = batches.first().map_or(schema, RecordBatch::schema);
        let arrow = |error| refused(LowerError::from_arrow(error));
        let rows = concat_batches(&schema, &batches).map_err(arrow)?;
        let runs = runs_of(&rows, input.columns.len()).map_err(refused)?;
        let mut out = Vec::new();
        for run in runs {
            let run = take_record_batch(&rows, &UInt32Array::from(run)).map_err(arrow)?;
            let names: Vec<usize> = (0..input.columns.len()).collect();
            let own = run.project(&names).map_err(arrow)?;
            let mut lowering = self.for_run();
            let outer = lowering.outer_of(rel, input, &own).map_err(refused)?;
            lowering.outer.lock().push(outer);
            Box::pin(lowering.prepare(body)).await?;
            let plan = lowering.answer(body).map_err(refused)?;
            for batch in lowering.gather(plan).await? {
                out.push(complete(rel, body, input, &batch, &own).map_err(refused)?);
            }
        }
        if out.is_empty() {
            out.push(RecordBatch::new_empty(schema_of(rel)));
        }
        Ok(out)
    }

    /// One for a single run, which knows what was computed for all.
    fn for_run(&self) -> Lowering {
        let mut lowering = Lowering::new(
            self.source.clone(),
            self.parallel.clone(),
            self.ordered.clone(),
            self.timespan,
            self.memory,
        );
        lowering.prepared.shared = self.prepared.shared.clone();
        lowering.external.clone_from(&self.external);
        lowering
    }

    /// The rows that the body sees.
    fn outer_of(&self, rel: &Rel, input: &Rel, rows: &RecordBatch) -> Result<Lowered, LowerError> {
        let rows = self.in_order(std::slice::from_ref(rows))?;
        match &rel.kind {
            RelKind::MvApply { items, index, limit, .. } => {
                let spec = Expand {
                    limit: *limit,
                    pairs: false,
                    keep_empty: false,
                    marker: false,
                };
                self.expanded(rows, &input.columns, items, index.as_ref(), &spec)
            }
            _ => Ok(rows),
        }
    }
}

/// Rows of each key, which stand behind `columns` columns, in the order in which keys come; without keys, each row.
fn runs_of(rows: &RecordBatch, columns: usize) -> Result<Vec<Vec<u32>>, LowerError> {
    let count = u32::try_from(rows.num_rows()).map_err(|_| LowerError::Argument("there are too many rows for this body".to_owned()))?;
    let keys: Vec<ArrayRef> = rows.columns().iter().skip(columns).cloned().collect();
    if keys.is_empty() {
        return Ok((0..count).map(|row| vec![row]).collect());
    }
    let fields = keys.iter().map(|key| SortField::new(key.data_type().clone())).collect();
    let converter = RowConverter::new(fields).map_err(LowerError::from_arrow)?;
    let encoded = converter.convert_columns(&keys).map_err(LowerError::from_arrow)?;
    let mut known: HashMap<Box<[u8]>, usize> = HashMap::new();
    let mut runs: Vec<Vec<u32>> = Vec::new();
    for (row, key) in (0..count).zip(&encoded) {
        let run = *known.entry(key.as_ref().into()).or_insert_with(|| {
            runs.push(Vec::new());
            runs.len() - 1
        });
        if let Some(run) = runs.get_mut(run) {
            run.push(row);
        }
    }
    Ok(runs)
}

fn schema_of(rel: &Rel) -> Arc<Schema> {
    let fields: Vec<Field> = rel
        .columns
        .iter()
        .map(|item| Field::new(name(item.id), functions::arrow_type(item.ty), true))
        .collect();
    Arc::new(Schema::new(fields))
}

/// The columns of the operator: those of its body, and those of its one input row.
fn complete(rel: &Rel, body: &Rel, input: &Rel, batch: &RecordBatch, own: &RecordBatch) -> Result<RecordBatch, LowerError> {
    let rows = batch.num_rows();
    let mut arrays: Vec<ArrayRef> = Vec::with_capacity(rel.columns.len());
    for item in &rel.columns {
        let of_body = body.columns.iter().position(|column| column.id == item.id);
        let of_input = input.columns.iter().position(|column| column.id == item.id);
        let array = match (
            of_body.and_then(|at| batch.columns().get(at)),
            of_input.and_then(|at| own.columns().get(at)),
        ) {
            (Some(array), _) => array.clone(),
            (None, Some(array)) => take(array, &UInt32Array::from(vec![0_u32; rows]), None).map_err(LowerError::from_arrow)?,
            (None, None) => return Err(LowerError::not_supported("this body here")),
        };
        arrays.push(cast(&array, &functions::arrow_type(item.ty)).map_err(LowerError::from_arrow)?);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema_of(rel), arrays, &options).map_err(LowerError::from_arrow)
}
