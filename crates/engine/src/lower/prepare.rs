//! What must be computed before a plan can be made: scalar queries and lists from tables become constants, shared relations
//! (`materialize`) become rows in memory.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use datafusion::arrow::array::{Int64Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::ScalarValue;
use parking_lot::Mutex;
use taffrail_kql::bound::{self, ExprKind, OperatorArg, Rel, RelKind};
use taffrail_kql::{Type, Value};

use super::expr::LONG_LIST;
use super::lowered::{OrderKey, column, name};
use super::runs::needs_runs;
use super::{Lowered, Lowering};
use crate::error::{LowerError, QueryError};
use crate::execute::{self, Execution};
use crate::mining;
use crate::value;

/// Values a list in a predicate may have.
const LIST_LIMIT: usize = 1_000_000;

/// Computed before; looked up by where the relation is in the bound query.
pub(crate) struct Prepared {
    pub(in crate::lower) scalars: HashMap<usize, Value>,
    pub(in crate::lower) lists: HashMap<usize, Vec<Value>>,
    /// Rows of what runs before the plan is made (`scan`, graphs, ...), by where it is in the bound query
    pub(in crate::lower) computed: HashMap<usize, Vec<RecordBatch>>,
    pub(in crate::lower) shared: HashMap<u32, SharedRows>,
    /// Window calls of the expressions at hand, and the columns they are in
    pub(in crate::lower) windows: Mutex<Vec<(bound::Expr, String)>>,
}

/// Rows of a shared relation.
#[derive(Clone)]
pub(crate) struct SharedRows {
    batches: Vec<RecordBatch>,
    columns: Vec<String>,
    order: Vec<OrderKey>,
}

impl Prepared {
    pub(in crate::lower) fn scalar(&self, rel: &Arc<Rel>) -> Result<&Value, LowerError> {
        let found = self.scalars.get(&address(rel));
        found.ok_or_else(|| LowerError::not_supported("toscalar() here"))
    }

    pub(in crate::lower) fn list(&self, rel: &Arc<Rel>) -> Result<&Vec<Value>, LowerError> {
        let found = self.lists.get(&address(rel));
        found.ok_or_else(|| LowerError::not_supported("a table in a list here"))
    }
}

/// Identifies a relation while its bound query lives.
fn address(rel: &Arc<Rel>) -> usize {
    Arc::as_ptr(rel).addr()
}

type Prepare<'a> = Pin<Box<dyn Future<Output = Result<(), QueryError>> + Send + 'a>>;

/// Something in a relation that has to be run first.
enum Task<'a> {
    Scalar(Arc<Rel>),
    List(Arc<Rel>),
    Shared(u32, Arc<Rel>),
    Compute(&'a Rel),
}

impl Lowering {
    /// Runs what the relation needs to have run, innermost first.
    pub(crate) fn prepare<'a>(&'a mut self, rel: &'a Rel) -> Prepare<'a> {
        Box::pin(async move {
            let mut tasks = Vec::new();
            find(rel, &mut tasks);
            for task in tasks {
                match task {
                    Task::Scalar(rel) => self.prepare_scalar(&rel).await?,
                    Task::List(rel) => self.prepare_list(&rel).await?,
                    Task::Shared(id, rel) => self.prepare_shared(id, &rel).await?,
                    Task::Compute(rel) => self.compute(rel).await?,
                }
            }
            Ok(())
        })
    }

    async fn prepare_scalar(&mut self, rel: &Arc<Rel>) -> Result<(), QueryError> {
        let key = address(rel);
        if self.prepared.scalars.contains_key(&key) {
            return Ok(());
        }
        self.prepare(rel).await?;
        let (batches, _) = self.run(rel, 1).await?;
        let ty = rel.columns.first().map_or(Type::Dynamic, |column| column.ty);
        let value = self.first_column(&batches, ty)?.into_iter().next();
        let value = value.unwrap_or_else(|| value::empty(ty));
        self.prepared.scalars.insert(key, value);
        Ok(())
    }

    async fn prepare_list(&mut self, rel: &Arc<Rel>) -> Result<(), QueryError> {
        let key = address(rel);
        if self.prepared.lists.contains_key(&key) {
            return Ok(());
        }
        self.prepare(rel).await?;
        let (batches, truncated) = self.run(rel, LIST_LIMIT).await?;
        if truncated {
            let message = format!("the table in this list has more than {LIST_LIMIT} rows: use a semi join instead");
            return Err(self.refused(LowerError::Argument(message).at(rel.span)));
        }
        let ty = rel.columns.first().map_or(Type::Dynamic, |column| column.ty);
        let values = self.first_column(&batches, ty)?;
        let values = if values.len() > LONG_LIST {
            values
        } else {
            let mut seen = std::collections::HashSet::new();
            values.into_iter().filter(|value| seen.insert(format!("{value:?}"))).collect()
        };
        self.prepared.lists.insert(key, values);
        Ok(())
    }

    /// What is inside was prepared before.
    async fn compute(&mut self, rel: &Rel) -> Result<(), QueryError> {
        let key = std::ptr::from_ref(rel).addr();
        if self.prepared.computed.contains_key(&key) {
            return Ok(());
        }
        let batches = match &rel.kind {
            RelKind::Operator {
                name: "scan",
                inputs,
                args,
            } => match inputs.as_slice() {
                [input] => Box::pin(self.run_scan(rel, input, args)).await?,
                _ => return Ok(()),
            },
            RelKind::Operator {
                name: "reduce",
                inputs,
                args,
            } => match inputs.as_slice() {
                [input] => Box::pin(self.run_reduce(rel, input, args)).await?,
                _ => return Ok(()),
            },
            RelKind::Operator { name, inputs, args } if mining::is_mined(name) => match inputs.as_slice() {
                [input] => Box::pin(self.run_mined(rel, name, input, args)).await?,
                _ => return Ok(()),
            },
            RelKind::Graph { graph, query } => Box::pin(self.run_graph(rel, graph, query)).await?,
            RelKind::External(external) => Box::pin(self.run_external(rel, external)).await?,
            RelKind::Partition { .. } | RelKind::MvApply { .. } => Box::pin(self.run_bodies(rel)).await?,
            _ => return Ok(()),
        };
        self.prepared.computed.insert(key, batches);
        Ok(())
    }

    /// The rows of what ran before.
    pub(in crate::lower) fn computed_rows(&self, rel: &Rel) -> Result<Lowered, LowerError> {
        let Some(batches) = self.prepared.computed.get(&std::ptr::from_ref(rel).addr()) else {
            return Err(LowerError::not_supported("this operator here"));
        };
        self.in_order(batches)
    }

    /// Batches as a relation that keeps the order of their rows.
    pub(in crate::lower) fn in_order(&self, batches: &[RecordBatch]) -> Result<Lowered, LowerError> {
        let order = self.fresh('o');
        let mut rows = self.memory(numbered(batches, &order)?)?;
        rows.order = vec![OrderKey::ascending(order)];
        Ok(rows)
    }

    /// Runs a plan to its end.
    pub(crate) async fn gather(&self, plan: datafusion::logical_expr::LogicalPlan) -> Result<Vec<RecordBatch>, QueryError> {
        let session = self.session().clone();
        Ok(self.execute(&session, plan, usize::MAX).await?.batches)
    }

    async fn prepare_shared(&mut self, id: u32, rel: &Arc<Rel>) -> Result<(), QueryError> {
        if self.prepared.shared.contains_key(&id) {
            return Ok(());
        }
        self.prepare(rel).await?;
        let rows = self.keep(rel).map_err(|error| self.refused(error))?;
        let columns = rel.columns.iter().map(|item| name(item.id)).collect();
        let schema = Arc::new(rows.plan.schema().as_arrow().clone());
        let session = self.session().clone();
        let execution = self.execute(&session, rows.plan.clone(), usize::MAX).await?;
        let mut batches = execution.batches;
        if batches.is_empty() {
            batches.push(RecordBatch::new_empty(schema));
        }
        let shared = SharedRows {
            batches,
            columns,
            order: rows.order,
        };
        self.prepared.shared.insert(id, shared);
        Ok(())
    }

    /// A plan with the visible columns and those the order needs.
    fn keep(&self, rel: &Rel) -> Result<Lowered, LowerError> {
        let rows = self.rel(rel)?;
        let outputs = rel.columns.iter().map(|item| (name(item.id), column(name(item.id)))).collect();
        rows.select(outputs, || self.fresh('h'))
    }

    async fn run(&self, rel: &Rel, rows: usize) -> Result<(Vec<RecordBatch>, bool), QueryError> {
        let plan = self.answer(rel).map_err(|error| self.refused(error))?;
        let session = self.session().clone();
        let execution = self.execute(&session, plan, rows).await?;
        Ok((execution.batches, execution.truncated))
    }

    async fn execute(
        &self,
        session: &Arc<datafusion::execution::session_state::SessionState>,
        plan: datafusion::logical_expr::LogicalPlan,
        rows: usize,
    ) -> Result<Execution, QueryError> {
        Box::pin(execute::run(session, self.source.as_ref(), plan, rows, self.memory)).await
    }

    fn first_column(&self, batches: &[RecordBatch], ty: Type) -> Result<Vec<Value>, QueryError> {
        let mut values = Vec::new();
        for batch in batches {
            let Some(array) = batch.columns().first() else {
                continue;
            };
            for row in 0..array.len() {
                let scalar = ScalarValue::try_from_array(array, row).map_err(|error| QueryError::from_datafusion(error, self.memory))?;
                let value = value::read(&scalar, ty).ok_or_else(|| QueryError::Execution {
                    message: format!("a {ty} came back as {}", scalar.data_type()),
                })?;
                values.push(value);
            }
        }
        Ok(values)
    }

    fn refused(&self, error: LowerError) -> QueryError {
        QueryError::from_lower(error, self.memory)
    }

    /// The rows computed before, under this use's column names.
    pub(in crate::lower) fn shared(&self, rel: &Rel, id: u32, _input: &Arc<Rel>) -> Result<Lowered, LowerError> {
        let Some(shared) = self.prepared.shared.get(&id) else {
            return Err(LowerError::not_supported("materialize() here"));
        };
        let mut rows = self.memory(shared.batches.clone())?;
        rows.order = shared.order.clone();
        let outputs = rel
            .columns
            .iter()
            .zip(&shared.columns)
            .map(|(item, inner)| (name(item.id), column(inner)))
            .collect();
        rows.select(outputs, || self.fresh('h'))
    }
}

/// The batches with a column that counts their rows.
pub(in crate::lower) fn numbered(batches: &[RecordBatch], name: &str) -> Result<Vec<RecordBatch>, LowerError> {
    let mut count: i64 = 0;
    let mut out = Vec::new();
    for batch in batches {
        let rows = i64::try_from(batch.num_rows()).unwrap_or(i64::MAX);
        let mut fields = batch.schema().fields().to_vec();
        fields.push(Arc::new(Field::new(name, DataType::Int64, true)));
        let mut arrays = batch.columns().to_vec();
        arrays.push(Arc::new(Int64Array::from_iter_values(count..count + rows)));
        count += rows;
        let schema = Arc::new(Schema::new(fields));
        out.push(RecordBatch::try_new(schema, arrays).map_err(LowerError::from_arrow)?);
    }
    Ok(out)
}

/// What a relation needs, in the order in which it must be run. Does not look into what is found: that is prepared when run.
fn find<'a>(rel: &'a Rel, tasks: &mut Vec<Task<'a>>) {
    for expr in exprs(rel) {
        find_in_expr(expr, tasks);
    }
    if let RelKind::Shared { id, input } = &rel.kind {
        tasks.push(Task::Shared(*id, input.clone()));
    }
    match &rel.kind {
        // Bodies that are run for themselves are prepared then.
        RelKind::Partition { input, body, .. } | RelKind::MvApply { input, body, .. } if needs_runs(body) => {
            find(input, tasks);
            tasks.push(Task::Compute(rel));
            return;
        }
        _ => {}
    }
    for input in inputs(rel) {
        find(input, tasks);
    }
    let computed = match &rel.kind {
        RelKind::Operator { name, .. } => matches!(*name, "scan" | "reduce") || mining::is_mined(name),
        RelKind::Graph { .. } | RelKind::External(_) => true,
        _ => false,
    };
    if computed {
        tasks.push(Task::Compute(rel));
    }
}

fn find_in_expr(expr: &bound::Expr, tasks: &mut Vec<Task<'_>>) {
    match &expr.kind {
        ExprKind::ScalarQuery(rel) => tasks.push(Task::Scalar(rel.clone())),
        ExprKind::InRel { rel, .. } => tasks.push(Task::List(rel.clone())),
        _ => {}
    }
    for child in expr.children() {
        find_in_expr(child, tasks);
    }
}

/// The relations directly below one.
pub(crate) fn inputs(rel: &Rel) -> Vec<&Rel> {
    match &rel.kind {
        RelKind::Table { .. }
        | RelKind::Values(_)
        | RelKind::Unit
        | RelKind::Range { .. }
        | RelKind::Outer
        | RelKind::External(_)
        | RelKind::Shared { .. } => vec![],
        RelKind::Graph { graph, .. } => graph.inputs(),
        RelKind::Filter { input, .. }
        | RelKind::Project { input, .. }
        | RelKind::Aggregate { input, .. }
        | RelKind::Sort { input, .. }
        | RelKind::Limit { input, .. }
        | RelKind::Sample { input, .. }
        | RelKind::MvExpand { input, .. }
        | RelKind::Parse { input, .. } => vec![input],
        RelKind::MvApply { input, body, .. } | RelKind::Partition { input, body, .. } => vec![input, body],
        RelKind::Join { left, right, .. } => vec![left, right],
        RelKind::Union { inputs } | RelKind::Operator { inputs, .. } => inputs.iter().collect(),
    }
}

/// The expressions of one relation itself.
pub(crate) fn exprs(rel: &Rel) -> Vec<&bound::Expr> {
    match &rel.kind {
        RelKind::Table { .. }
        | RelKind::Values(_)
        | RelKind::Unit
        | RelKind::Outer
        | RelKind::Union { .. }
        | RelKind::External(_)
        | RelKind::Shared { .. } => vec![],
        RelKind::Graph { graph, query } => graph.exprs(query),
        RelKind::Range { from, to, step } => vec![from, to, step],
        RelKind::Filter { predicate, .. } => vec![predicate],
        RelKind::Project { exprs, .. } => exprs.iter().collect(),
        RelKind::Aggregate { keys, aggregates, .. } => keys.iter().chain(aggregates.iter().flat_map(|aggregate| &aggregate.args)).collect(),
        RelKind::Sort { keys, .. } => keys.iter().map(|key| &key.expr).collect(),
        RelKind::Limit { count, .. } | RelKind::Sample { count, .. } => vec![count],
        RelKind::Join { keys, .. } => keys.iter().flat_map(|(left, right)| [left, right]).collect(),
        RelKind::MvExpand { items, .. } | RelKind::MvApply { items, .. } => items.iter().map(|item| &item.source).collect(),
        RelKind::Partition { key, .. } => vec![key],
        RelKind::Parse { source, .. } => vec![source],
        RelKind::Operator { args, .. } => args.iter().flat_map(operator_exprs).collect(),
    }
}

fn operator_exprs(arg: &OperatorArg) -> Vec<&bound::Expr> {
    match arg {
        OperatorArg::Expr(expr) => vec![expr],
        OperatorArg::Sort(key) => vec![&key.expr],
        OperatorArg::Aggregate(aggregate) => aggregate.args.iter().collect(),
        OperatorArg::List(items) => items.iter().flat_map(operator_exprs).collect(),
        OperatorArg::Value(_) | OperatorArg::Name(_) => vec![],
    }
}
