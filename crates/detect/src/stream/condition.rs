//! What a row of a table must be like for a query to care for it.
//!
//! Walks a bound query from its answer down to the table and collects the predicates that stand above it, as far as what lies between
//! works row by row. A row for which they do not hold changes nothing in the answer, so the query over the rows that are left
//! is the query over all. Predicates are rewritten to the table's own columns (`ColumnId(i)` is its i-th), without places in
//! the text, so that equal ones of different rules are equal.

use std::collections::HashMap;

use taffrail_kql::bound::{ColumnId, Expr, ExprKind, JoinKind, OperatorArg, PathStep, Rel, RelKind};
use taffrail_kql::diagnostic::Span;
use taffrail_schema::TableDef;

/// Functions whose value differs from call to call.
const VOLATILE: [&str; 2] = ["rand", "new_guid"];
/// Functions that look at other rows.
const WINDOWS: [&str; 8] = [
    "row_number",
    "row_cumsum",
    "row_rank_dense",
    "row_rank_min",
    "row_window_session",
    "prev",
    "next",
    "row_rank",
];

/// What a query asks of the rows of a table.
#[derive(Debug, Clone, Default)]
pub struct Condition {
    /// One of these must hold: each a list of predicates that must all hold. An empty list: every row matters
    pub alternatives: Vec<Vec<Expr>>,
    /// What lies between the table and the answer and does not work row by row, by name
    pub gathers: Vec<&'static str>,
}

/// The condition on the rows of a table; `None` when the query does not read it.
pub fn condition(root: &Rel, table: &TableDef) -> Option<Condition> {
    let columns: HashMap<&str, u32> = (0..)
        .zip(&table.columns)
        .map(|(index, column)| (column.name.as_str(), index))
        .collect();
    let mut walk = Walk {
        table: &table.name,
        columns,
        found: Condition::default(),
    };
    walk.relation(root, Vec::new());
    let mut found = walk.found;
    found.gathers.sort_unstable();
    found.gathers.dedup();
    (!found.alternatives.is_empty()).then_some(found)
}

/// Whether no rows of any table give no rows of the query.
pub fn nothing_gives_nothing(rel: &Rel) -> bool {
    match &rel.kind {
        RelKind::Table { .. } => true,
        RelKind::Filter { input, .. }
        | RelKind::Project { input, .. }
        | RelKind::Sort { input, .. }
        | RelKind::Limit { input, .. }
        | RelKind::Sample { input, .. }
        | RelKind::MvExpand { input, .. }
        | RelKind::MvApply { input, .. }
        | RelKind::Partition { input, .. }
        | RelKind::Parse { input, .. } => nothing_gives_nothing(input),
        RelKind::Aggregate { input, keys, .. } => !keys.is_empty() && nothing_gives_nothing(input),
        RelKind::Join { kind, left, right, .. } => match kind {
            JoinKind::Inner | JoinKind::InnerUnique => nothing_gives_nothing(left) || nothing_gives_nothing(right),
            JoinKind::LeftOuter | JoinKind::LeftSemi | JoinKind::LeftAnti => nothing_gives_nothing(left),
            JoinKind::RightOuter | JoinKind::RightSemi | JoinKind::RightAnti => nothing_gives_nothing(right),
            JoinKind::FullOuter => nothing_gives_nothing(left) && nothing_gives_nothing(right),
        },
        RelKind::Union { inputs } => inputs.iter().all(nothing_gives_nothing),
        RelKind::Shared { input, .. } => nothing_gives_nothing(input),
        RelKind::Values(_)
        | RelKind::Unit
        | RelKind::Range { .. }
        | RelKind::Outer
        | RelKind::Operator { .. }
        | RelKind::Graph { .. }
        | RelKind::External(_) => false,
    }
}

/// Whether an expression gives another value each time.
pub fn volatile(expr: &Expr) -> bool {
    matches!(&expr.kind, ExprKind::Call { function, .. } if VOLATILE.contains(function)) || expr.children().into_iter().any(volatile)
}

fn windowed(expr: &Expr) -> bool {
    matches!(&expr.kind, ExprKind::Call { function, .. } if WINDOWS.contains(function)) || expr.children().into_iter().any(windowed)
}

struct Walk<'a> {
    table: &'a str,
    columns: HashMap<&'a str, u32>,
    found: Condition,
}

impl Walk<'_> {
    fn gathers(&mut self, what: &'static str) -> Vec<Expr> {
        self.found.gathers.push(what);
        Vec::new()
    }

    /// `pending`: predicates over the columns of `rel`, all of which a row must pass further up.
    fn relation(&mut self, rel: &Rel, mut pending: Vec<Expr>) {
        for expr in own_exprs(rel) {
            self.nested(expr);
        }
        match &rel.kind {
            RelKind::Table { name, source } => {
                if name == self.table {
                    let ids: HashMap<ColumnId, Expr> = rel
                        .columns
                        .iter()
                        .zip(source)
                        .filter_map(|(column, stored)| {
                            let index = *self.columns.get(stored.as_str())?;
                            let expr = Expr {
                                kind: ExprKind::Column(ColumnId(index)),
                                ty: column.ty,
                                span: Span::default(),
                            };
                            Some((column.id, expr))
                        })
                        .collect();
                    let conjuncts = pending.iter().filter_map(|predicate| substitute(predicate, &ids)).collect();
                    self.found.alternatives.push(conjuncts);
                }
            }
            RelKind::Filter { input, predicate } => {
                pending.extend(predicate.clone().conjuncts().into_iter().filter(|part| !volatile(part)));
                self.relation(input, pending);
            }
            RelKind::Project { input, exprs } => {
                if exprs.iter().any(windowed) {
                    let pending = self.gathers("window functions");
                    return self.relation(input, pending);
                }
                let by_id: HashMap<ColumnId, Expr> = rel.columns.iter().map(|column| column.id).zip(exprs.iter().cloned()).collect();
                let pending = pending
                    .iter()
                    .filter_map(|predicate| substitute(predicate, &by_id))
                    .filter(|predicate| !volatile(predicate))
                    .collect();
                self.relation(input, pending);
            }
            RelKind::Sort { input, .. } => self.relation(input, pending),
            RelKind::Limit { input, .. } => {
                let pending = self.gathers("take");
                self.relation(input, pending);
            }
            RelKind::Sample { input, .. } => {
                let pending = self.gathers("sample");
                self.relation(input, pending);
            }
            RelKind::Aggregate { input, keys, .. } => {
                self.gathers("summarize");
                // What is asked of the keys is asked of the rows. Without keys there is a row even of nothing.
                let by_id: HashMap<ColumnId, Expr> = rel.columns.iter().map(|column| column.id).zip(keys.iter().cloned()).collect();
                let pending = pending
                    .iter()
                    .filter(|predicate| predicate.columns().iter().all(|id| by_id.contains_key(id)))
                    .filter_map(|predicate| substitute(predicate, &by_id))
                    .collect();
                self.relation(input, pending);
            }
            RelKind::Join { kind, left, right, .. } => {
                self.gathers("join");
                let (to_left, to_right) = match kind {
                    JoinKind::Inner => (true, true),
                    JoinKind::LeftOuter | JoinKind::LeftSemi | JoinKind::LeftAnti => (true, false),
                    JoinKind::RightOuter | JoinKind::RightSemi | JoinKind::RightAnti => (false, true),
                    JoinKind::InnerUnique | JoinKind::FullOuter => (false, false),
                };
                let of = |side: &Rel, may: bool| -> Vec<Expr> {
                    let own = |predicate: &&Expr| {
                        predicate
                            .columns()
                            .iter()
                            .all(|id| side.columns.iter().any(|column| column.id == *id))
                    };
                    pending.iter().filter(|_| may).filter(own).cloned().collect()
                };
                let (for_left, for_right) = (of(left, to_left), of(right, to_right));
                self.relation(left, for_left);
                self.relation(right, for_right);
            }
            RelKind::Union { inputs } => {
                for input in inputs {
                    let by_id = by_position(rel, input);
                    let pending = pending.iter().filter_map(|predicate| substitute(predicate, &by_id)).collect();
                    self.relation(input, pending);
                }
            }
            RelKind::Shared { input, .. } => {
                let by_id = by_position(rel, input);
                let pending = pending.iter().filter_map(|predicate| substitute(predicate, &by_id)).collect();
                self.relation(input, pending);
            }
            RelKind::MvExpand { input, .. } | RelKind::Parse { input, .. } => {
                let pending = of_input(&pending, input);
                self.relation(input, pending);
            }
            RelKind::MvApply { input, body, .. } => {
                let pending = of_input(&pending, input);
                self.relation(input, pending);
                self.relation(body, Vec::new());
            }
            RelKind::Partition { input, body, .. } => {
                let pending = self.gathers("partition");
                self.relation(input, pending);
                self.relation(body, Vec::new());
            }
            RelKind::Operator { name, inputs, .. } => {
                for input in inputs {
                    let pending = self.gathers(name);
                    self.relation(input, pending);
                }
            }
            RelKind::Graph { graph, .. } => {
                for input in graph.inputs() {
                    let pending = self.gathers("graph");
                    self.relation(input, pending);
                }
            }
            RelKind::Values(_) | RelKind::Unit | RelKind::Range { .. } | RelKind::Outer | RelKind::External(_) => {}
        }
    }

    /// Relations inside of an expression.
    fn nested(&mut self, expr: &Expr) {
        if let ExprKind::InRel { rel, .. } | ExprKind::ScalarQuery(rel) = &expr.kind {
            let before = self.found.alternatives.len();
            self.relation(rel, Vec::new());
            if self.found.alternatives.len() > before {
                self.found.gathers.push("a query within an expression");
            }
        }
        for child in expr.children() {
            self.nested(child);
        }
    }
}

/// Predicates that ask only for columns of the input, which keep their identity above it.
fn of_input(pending: &[Expr], input: &Rel) -> Vec<Expr> {
    let known = |id: &ColumnId| input.columns.iter().any(|column| column.id == *id);
    pending
        .iter()
        .filter(|predicate| predicate.columns().iter().all(known))
        .cloned()
        .collect()
}

fn by_position(rel: &Rel, input: &Rel) -> HashMap<ColumnId, Expr> {
    rel.columns
        .iter()
        .zip(&input.columns)
        .map(|(outer, inner)| (outer.id, Expr::column(inner, Span::default())))
        .collect()
}

/// The expression with its columns replaced; `None` when one of them has nothing to stand for it.
fn substitute(expr: &Expr, by_id: &HashMap<ColumnId, Expr>) -> Option<Expr> {
    if let ExprKind::Column(id) = &expr.kind {
        let mut found = by_id.get(id)?.clone();
        found.span = Span::default();
        return Some(found);
    }
    let one = |inner: &Expr| substitute(inner, by_id).map(Box::new);
    let all = |items: &[Expr]| items.iter().map(|item| substitute(item, by_id)).collect::<Option<Vec<Expr>>>();
    let kind = match &expr.kind {
        ExprKind::Literal(_) | ExprKind::Column(_) | ExprKind::ScalarQuery(_) => expr.kind.clone(),
        ExprKind::Call { function, args } => ExprKind::Call {
            function,
            args: all(args)?,
        },
        ExprKind::Cast(inner) => ExprKind::Cast(one(inner)?),
        ExprKind::Negate(inner) => ExprKind::Negate(one(inner)?),
        ExprKind::Not(inner) => ExprKind::Not(one(inner)?),
        ExprKind::Binary { op, left, right } => ExprKind::Binary {
            op: *op,
            left: one(left)?,
            right: one(right)?,
        },
        ExprKind::Case { branches, otherwise } => ExprKind::Case {
            branches: branches
                .iter()
                .map(|(condition, value)| Some((substitute(condition, by_id)?, substitute(value, by_id)?)))
                .collect::<Option<_>>()?,
            otherwise: one(otherwise)?,
        },
        ExprKind::List { op, value, items } => ExprKind::List {
            op: *op,
            value: one(value)?,
            items: all(items)?,
        },
        ExprKind::InRel { op, value, rel } => ExprKind::InRel {
            op: *op,
            value: one(value)?,
            rel: rel.clone(),
        },
        ExprKind::Path { base, steps } => ExprKind::Path {
            base: one(base)?,
            steps: steps
                .iter()
                .map(|step| match step {
                    PathStep::Expr(inner) => one(inner).map(PathStep::Expr),
                    other => Some(other.clone()),
                })
                .collect::<Option<_>>()?,
        },
    };
    Some(Expr {
        kind,
        ty: expr.ty,
        span: Span::default(),
    })
}

/// The expressions of one relation itself.
fn own_exprs(rel: &Rel) -> Vec<&Expr> {
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
        RelKind::Aggregate { keys, aggregates, .. } => keys.iter().chain(aggregates.iter().flat_map(|call| &call.args)).collect(),
        RelKind::Sort { keys, .. } => keys.iter().map(|key| &key.expr).collect(),
        RelKind::Limit { count, .. } | RelKind::Sample { count, .. } => vec![count],
        RelKind::Join { keys, .. } => keys.iter().flat_map(|(left, right)| [left, right]).collect(),
        RelKind::MvExpand { items, .. } | RelKind::MvApply { items, .. } => items.iter().map(|item| &item.source).collect(),
        RelKind::Partition { key, .. } => vec![key],
        RelKind::Parse { source, .. } => vec![source],
        RelKind::Operator { args, .. } => args.iter().flat_map(argument_exprs).collect(),
    }
}

fn argument_exprs(arg: &OperatorArg) -> Vec<&Expr> {
    match arg {
        OperatorArg::Expr(expr) => vec![expr],
        OperatorArg::Sort(key) => vec![&key.expr],
        OperatorArg::Aggregate(call) => call.args.iter().collect(),
        OperatorArg::List(items) => items.iter().flat_map(argument_exprs).collect(),
        OperatorArg::Value(_) | OperatorArg::Name(_) => vec![],
    }
}
