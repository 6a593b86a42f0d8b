//! Bound relations and expressions to DataFusion's logical plans, a file per kind of relation.
//!
//! A column of the query is called `c` and its number in plans; columns that only the plan knows have other letters. The names
//! people see come back when the answer is complete.

mod aggregate;
mod apply;
mod expand;
mod expr;
mod filter;
mod graph;
mod join;
mod limit;
mod lowered;
mod operators;
mod parse;
mod prepare;
mod project;
mod runs;
mod sort;
mod table;
mod union;
mod values;
mod window;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use chrono::{DateTime, Utc};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use parking_lot::Mutex;
use taffrail_kql::bound::{Rel, RelKind};

use crate::error::LowerError;
use crate::external::ExternalSource;
use crate::source::TableSource;

pub(crate) use lowered::Lowered;
use prepare::Prepared;
pub(crate) use prepare::{exprs, inputs};

/// Operators behind each other: plans are walked recursively, and a stack is finite.
const DEPTH_LIMIT: u32 = 250;

/// One query on its way to a plan.
pub(crate) struct Lowering {
    source: Arc<dyn TableSource>,
    parallel: Arc<SessionState>,
    ordered: Arc<SessionState>,
    timespan: Option<(DateTime<Utc>, DateTime<Utc>)>,
    memory: usize,
    /// What `externaldata` reads from, when it may
    external: Option<Arc<dyn ExternalSource>>,
    /// What had to be computed before: scalar queries, shared relations
    prepared: Prepared,
    /// Some operator depends on the order in which rows arrive
    order_matters: AtomicBool,
    fresh: AtomicU32,
    /// Relations that are being lowered, each inside of the one before
    depth: AtomicU32,
    /// What the innermost `mv-apply` or `partition` hands to its body
    outer: Mutex<Vec<Lowered>>,
}

impl Lowering {
    pub(crate) fn new(
        source: Arc<dyn TableSource>,
        parallel: Arc<SessionState>,
        ordered: Arc<SessionState>,
        timespan: Option<(DateTime<Utc>, DateTime<Utc>)>,
        memory: usize,
    ) -> Lowering {
        Lowering {
            source,
            parallel,
            ordered,
            timespan,
            memory,
            external: None,
            prepared: Prepared {
                scalars: HashMap::new(),
                lists: HashMap::new(),
                computed: HashMap::new(),
                shared: HashMap::new(),
                windows: Mutex::new(Vec::new()),
            },
            order_matters: AtomicBool::new(false),
            fresh: AtomicU32::new(0),
            depth: AtomicU32::new(0),
            outer: Mutex::new(Vec::new()),
        }
    }

    /// Lets `externaldata` read.
    pub(crate) fn allow_external(&mut self, source: Option<Arc<dyn ExternalSource>>) {
        self.external = source;
    }

    pub(crate) fn external_source(&self) -> Option<Arc<dyn ExternalSource>> {
        self.external.clone()
    }

    pub(crate) fn memory_limit(&self) -> usize {
        self.memory
    }

    /// The session the lowered plan is to run in.
    pub(crate) fn session(&self) -> &Arc<SessionState> {
        if self.order_matters.load(Ordering::Relaxed) {
            &self.ordered
        } else {
            &self.parallel
        }
    }

    /// Whether the plan holds nothing that was computed for it before.
    pub(crate) fn is_self_contained(&self) -> bool {
        let prepared = &self.prepared;
        prepared.scalars.is_empty() && prepared.lists.is_empty() && prepared.computed.is_empty() && prepared.shared.is_empty()
    }

    /// The plan of an answer: rows in order, just the columns of the relation.
    pub(crate) fn answer(&self, rel: &Rel) -> Result<LogicalPlan, LowerError> {
        let lowered = self.rel(rel)?.sorted()?;
        lowered.only(&rel.columns)
    }

    /// A name that no other column has.
    fn fresh(&self, letter: char) -> String {
        let number = self.fresh.fetch_add(1, Ordering::Relaxed);
        format!("{letter}{number}")
    }

    fn rel(&self, rel: &Rel) -> Result<Lowered, LowerError> {
        if self.depth.fetch_add(1, Ordering::Relaxed) >= DEPTH_LIMIT {
            let message = format!("the query has more than {DEPTH_LIMIT} operators behind each other");
            return Err(LowerError::Argument(message).at(rel.span));
        }
        let lowered = self.rel_kind(rel);
        self.depth.fetch_sub(1, Ordering::Relaxed);
        lowered.map_err(|error| error.at(rel.span))
    }

    fn rel_kind(&self, rel: &Rel) -> Result<Lowered, LowerError> {
        match &rel.kind {
            RelKind::Table { name, source } => self.table(rel, name, source),
            RelKind::Values(rows) => self.values(rel, rows),
            RelKind::Unit => self.unit(),
            RelKind::Range { from, to, step } => self.range(rel, from, to, step),
            RelKind::Filter { input, predicate } => self.filter(input, predicate),
            RelKind::Project { input, exprs } => self.project(rel, input, exprs),
            RelKind::Aggregate { input, keys, aggregates } => self.aggregate(rel, input, keys, aggregates),
            RelKind::Sort { input, keys } => self.sort(input, keys),
            RelKind::Limit { input, count } => self.limit(input, count),
            RelKind::Sample { input, count } => self.sample(input, count),
            RelKind::Join { kind, left, right, keys } => self.join(rel, *kind, left, right, keys),
            RelKind::Union { inputs } => self.union(rel, inputs),
            RelKind::MvExpand {
                input,
                items,
                index,
                limit,
                bag,
            } => self.mv_expand(rel, input, items, index.as_ref(), *limit, *bag),
            RelKind::Parse {
                input,
                source,
                mode,
                pattern,
                outputs,
                filter,
            } => self.parse(rel, input, source, mode, pattern, outputs, *filter),
            RelKind::Graph { .. } | RelKind::External(_) => self.computed_rows(rel),
            RelKind::Shared { id, input } => self.shared(rel, *id, input),
            RelKind::MvApply { body, .. } | RelKind::Partition { body, .. } if runs::needs_runs(body) => self.computed_rows(rel),
            RelKind::MvApply {
                input,
                items,
                index,
                limit,
                body,
            } => self.mv_apply(rel, input, items, index.as_ref(), *limit, body),
            RelKind::Partition { input, key, body } => self.partition(input, key, body),
            RelKind::Outer => self.outer(),
            RelKind::Operator { name, inputs, args } => self.operator(rel, name, inputs, args),
        }
    }
}
