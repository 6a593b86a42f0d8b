//! What was planned and answered before.
//!
//! A dashboard asks the same again and again. A query that was bound to the same thing (text, parameters, and what `now()` came
//! to) over tables in the same version need not be planned again, and if its answer is kept, not even run. Whether the tables are
//! the same is for the source to say ([`TableSource::version`]); of one that does not say, nothing is kept.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use parking_lot::Mutex;
use taffrail_kql::BoundQuery;
use taffrail_kql::bound::{Expr, ExprKind, OperatorArg, PathStep, Rel, RelKind};

use crate::engine::QueryRequest;
use crate::result::QueryResult;
use crate::source::TableSource;

/// Queries that are remembered.
const MOST_QUERIES: usize = 256;

/// Tables and their versions.
pub(crate) type Versions = Vec<(String, u64)>;

struct Kept {
    query: BoundQuery,
    request: QueryRequest,
    versions: Versions,
    plan: Option<Arc<dyn ExecutionPlan>>,
    result: Option<QueryResult>,
    bytes: usize,
    used: u64,
}

#[derive(Default)]
struct State {
    kept: HashMap<u64, Kept>,
    bytes: usize,
    clock: u64,
}

/// See the module's page.
pub(crate) struct Cache {
    state: Mutex<State>,
    /// Bytes of answers; none are kept when it is zero
    limit: usize,
}

/// What a cache has for a query.
pub(crate) enum Known {
    Nothing,
    Plan(Arc<dyn ExecutionPlan>),
    Result(QueryResult),
}

impl Cache {
    pub(crate) fn new(limit: usize) -> Cache {
        Cache {
            state: Mutex::default(),
            limit,
        }
    }

    /// The tables a query reads, in their versions of now; `None` when it must be run every time.
    pub(crate) fn versions(query: &BoundQuery, source: &dyn TableSource) -> Option<Versions> {
        let mut tables = Vec::new();
        let further = query.further.iter().map(|table| &table.rel);
        if !std::iter::once(&query.root).chain(further).all(|rel| stable(rel, &mut tables)) {
            return None;
        }
        tables.sort_unstable();
        tables.dedup();
        tables
            .into_iter()
            .map(|table| {
                let version = source.version(&table)?;
                Some((table, version))
            })
            .collect()
    }

    pub(crate) fn find(&self, text: &str, query: &BoundQuery, request: &QueryRequest, versions: &Versions) -> Known {
        let mut state = self.state.lock();
        state.clock += 1;
        let now = state.clock;
        let Some(kept) = state.kept.get_mut(&key(text)) else {
            return Known::Nothing;
        };
        if kept.versions != *versions || !alike(&kept.request, request) || kept.query != *query {
            return Known::Nothing;
        }
        kept.used = now;
        match (&kept.result, &kept.plan) {
            (Some(result), _) if !request.fresh => Known::Result(result.clone()),
            (_, Some(plan)) => Known::Plan(Arc::clone(plan)),
            _ => Known::Nothing,
        }
    }

    pub(crate) fn keep(
        &self,
        text: &str,
        query: &BoundQuery,
        request: &QueryRequest,
        versions: Versions,
        plan: Option<Arc<dyn ExecutionPlan>>,
        result: &QueryResult,
    ) {
        let further = result.further.iter().flat_map(|table| &table.batches);
        let bytes: usize = result
            .batches
            .iter()
            .chain(further)
            .map(|batch| batch.get_array_memory_size())
            .sum();
        let keeps = self.limit > 0 && bytes <= self.limit / 8;
        if plan.is_none() && !keeps {
            return;
        }
        let mut state = self.state.lock();
        let used = state.clock;
        let kept = Kept {
            query: query.clone(),
            request: request.clone(),
            versions,
            plan,
            result: keeps.then(|| result.clone()),
            bytes: if keeps { bytes } else { 0 },
            used,
        };
        state.bytes += kept.bytes;
        if let Some(before) = state.kept.insert(key(text), kept) {
            state.bytes -= before.bytes;
        }
        while state.kept.len() > 1 && (state.kept.len() > MOST_QUERIES || state.bytes > self.limit.max(1)) {
            let Some(oldest) = state.kept.iter().min_by_key(|(_, kept)| kept.used).map(|(key, _)| *key) else {
                return;
            };
            if let Some(gone) = state.kept.remove(&oldest) {
                state.bytes -= gone.bytes;
            }
        }
    }

    /// Drops what was kept for tables that have changed since: plans hold on to files and rows.
    pub(crate) fn drop_stale(&self, source: &dyn TableSource) {
        let mut state = self.state.lock();
        state
            .kept
            .retain(|_, kept| kept.versions.iter().all(|(table, version)| source.version(table) == Some(*version)));
        state.bytes = state.kept.values().map(|kept| kept.bytes).sum();
    }
}

fn key(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// `now` is in the bound query, where it matters.
fn alike(kept: &QueryRequest, asked: &QueryRequest) -> bool {
    kept.timespan == asked.timespan && kept.parameters == asked.parameters && kept.max_rows == asked.max_rows && kept.limits == asked.limits
}

/// Functions whose value differs from call to call.
const VOLATILE: [&str; 2] = ["rand", "new_guid"];

/// Whether the same tables give the same answer; collects the tables.
pub(crate) fn stable(rel: &Rel, tables: &mut Vec<String>) -> bool {
    let mut well = true;
    let mut exprs: Vec<&Expr> = Vec::new();
    match &rel.kind {
        RelKind::Table { name, .. } => tables.push(name.clone()),
        RelKind::Values(_) | RelKind::Unit | RelKind::Outer => {}
        RelKind::Range { from, to, step } => exprs.extend([from, to, step]),
        RelKind::Filter { input, predicate } => {
            well &= stable(input, tables);
            exprs.push(predicate);
        }
        RelKind::Project { input, exprs: outputs } => {
            well &= stable(input, tables);
            exprs.extend(outputs);
        }
        RelKind::Aggregate { input, keys, aggregates } => {
            well &= stable(input, tables);
            exprs.extend(keys);
            exprs.extend(aggregates.iter().flat_map(|aggregate| &aggregate.args));
        }
        RelKind::Sort { input, keys } => {
            well &= stable(input, tables);
            exprs.extend(keys.iter().map(|key| &key.expr));
        }
        RelKind::Limit { input, count } => {
            well &= stable(input, tables);
            exprs.push(count);
        }
        RelKind::Sample { .. } | RelKind::External(_) | RelKind::Graph { .. } => return false,
        RelKind::Join { left, right, keys, .. } => {
            well &= stable(left, tables) && stable(right, tables);
            exprs.extend(keys.iter().flat_map(|(left, right)| [left, right]));
        }
        RelKind::Union { inputs } => well &= inputs.iter().all(|input| stable(input, tables)),
        RelKind::MvExpand { input, items, .. } => {
            well &= stable(input, tables);
            exprs.extend(items.iter().map(|item| &item.source));
        }
        RelKind::MvApply { input, items, body, .. } => {
            well &= stable(input, tables) && stable(body, tables);
            exprs.extend(items.iter().map(|item| &item.source));
        }
        RelKind::Partition { input, key, body } => {
            well &= stable(input, tables) && stable(body, tables);
            exprs.push(key);
        }
        RelKind::Parse { input, source, .. } => {
            well &= stable(input, tables);
            exprs.push(source);
        }
        RelKind::Operator { inputs, args, name } => {
            well &= !matches!(*name, "externaldata" | "sample-distinct");
            well &= inputs.iter().all(|input| stable(input, tables));
            well &= args.iter().all(|arg| stable_arg(arg, tables));
        }
        RelKind::Shared { input, .. } => well &= stable(input, tables),
    }
    well && exprs.into_iter().all(|expr| stable_expr(expr, tables))
}

fn stable_arg(arg: &OperatorArg, tables: &mut Vec<String>) -> bool {
    match arg {
        OperatorArg::Expr(expr) => stable_expr(expr, tables),
        OperatorArg::Sort(key) => stable_expr(&key.expr, tables),
        OperatorArg::Aggregate(aggregate) => aggregate.args.iter().all(|arg| stable_expr(arg, tables)),
        OperatorArg::List(items) => items.iter().all(|item| stable_arg(item, tables)),
        OperatorArg::Value(_) | OperatorArg::Name(_) => true,
    }
}

fn stable_expr(expr: &Expr, tables: &mut Vec<String>) -> bool {
    match &expr.kind {
        ExprKind::Literal(_) | ExprKind::Column(_) => true,
        ExprKind::Call { function, args } => !VOLATILE.contains(function) && args.iter().all(|arg| stable_expr(arg, tables)),
        ExprKind::Cast(inner) | ExprKind::Negate(inner) | ExprKind::Not(inner) => stable_expr(inner, tables),
        ExprKind::Binary { left, right, .. } => stable_expr(left, tables) && stable_expr(right, tables),
        ExprKind::Case { branches, otherwise } => {
            let mut each = branches.iter().flat_map(|(condition, value)| [condition, value]);
            each.all(|expr| stable_expr(expr, tables)) && stable_expr(otherwise, tables)
        }
        ExprKind::List { value, items, .. } => stable_expr(value, tables) && items.iter().all(|item| stable_expr(item, tables)),
        ExprKind::InRel { value, rel, .. } => stable_expr(value, tables) && stable(rel, tables),
        ExprKind::Path { base, steps } => {
            let step = |step: &PathStep| match step {
                PathStep::Expr(expr) => Some(expr.clone()),
                PathStep::Key(_) | PathStep::Index(_) => None,
            };
            stable_expr(base, tables) && steps.iter().filter_map(step).all(|expr| stable_expr(&expr, tables))
        }
        ExprKind::ScalarQuery(rel) => stable(rel, tables),
    }
}
