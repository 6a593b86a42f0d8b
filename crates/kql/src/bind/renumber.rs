//! A copy of a relation with column ids of its own, so that a table bound once can stand in several places of a plan.

use std::collections::HashMap;

use super::Binder;
use crate::bound::{
    Aggregate, Column, ColumnId, Expr, ExprKind, Graph, GraphQuery, GraphStep, GraphValue, OperatorArg, PathStep, Rel, RelKind, SortKey,
};

impl Binder<'_> {
    /// A copy with new column ids.
    pub(crate) fn fresh(&mut self, rel: &Rel) -> Rel {
        let mut copy = rel.clone();
        let mut ids = HashMap::new();
        self.renumber(&mut copy, &mut ids);
        copy
    }

    fn id(&mut self, id: &mut ColumnId, ids: &mut HashMap<ColumnId, ColumnId>) {
        *id = match ids.get(id) {
            Some(known) => *known,
            None => {
                let new = ColumnId(self.next_column);
                self.next_column += 1;
                if self.poisoned.contains(id) {
                    self.poisoned.insert(new);
                }
                ids.insert(*id, new);
                new
            }
        };
    }

    fn ids(&mut self, columns: &mut [Column], ids: &mut HashMap<ColumnId, ColumnId>) {
        for column in columns {
            self.id(&mut column.id, ids);
        }
    }

    fn exprs(&mut self, exprs: &mut [Expr], ids: &mut HashMap<ColumnId, ColumnId>) {
        for expr in exprs {
            self.expr_ids(expr, ids);
        }
    }

    fn sort_keys(&mut self, keys: &mut [SortKey], ids: &mut HashMap<ColumnId, ColumnId>) {
        for key in keys {
            self.expr_ids(&mut key.expr, ids);
        }
    }

    fn aggregate(&mut self, aggregate: &mut Aggregate, ids: &mut HashMap<ColumnId, ColumnId>) {
        self.exprs(&mut aggregate.args, ids);
        self.ids(&mut aggregate.outputs, ids);
    }

    fn renumber(&mut self, rel: &mut Rel, ids: &mut HashMap<ColumnId, ColumnId>) {
        match &mut rel.kind {
            RelKind::Table { .. } | RelKind::Values(_) | RelKind::Unit | RelKind::External(_) => {}
            RelKind::Graph { graph, query } => self.graph_ids(graph, query, ids),
            // The rows belong to the surrounding operator. Within a copy of that operator they have been given new ids
            // before its body is visited; a copy of the rows alone is a projection of them.
            RelKind::Outer if rel.columns.iter().all(|column| ids.contains_key(&column.id)) => {}
            RelKind::Outer => {
                let rows = rel.clone();
                let exprs = rows.columns.iter().map(|column| Expr::column(column, rows.span)).collect();
                rel.kind = RelKind::Project {
                    input: Box::new(rows),
                    exprs,
                };
            }
            // What is computed once keeps its ids.
            RelKind::Shared { .. } => {}
            RelKind::Range { from, to, step } => {
                for expr in [from, to, step] {
                    self.expr_ids(expr, ids);
                }
            }
            RelKind::Filter { input, predicate } => {
                self.renumber(input, ids);
                self.expr_ids(predicate, ids);
            }
            RelKind::Project { input, exprs } => {
                self.renumber(input, ids);
                self.exprs(exprs, ids);
            }
            RelKind::Aggregate { input, keys, aggregates } => {
                self.renumber(input, ids);
                self.exprs(keys, ids);
                for aggregate in aggregates {
                    self.aggregate(aggregate, ids);
                }
            }
            RelKind::Sort { input, keys } => {
                self.renumber(input, ids);
                self.sort_keys(keys, ids);
            }
            RelKind::Limit { input, count } | RelKind::Sample { input, count } => {
                self.renumber(input, ids);
                self.expr_ids(count, ids);
            }
            RelKind::Join { left, right, keys, .. } => {
                self.renumber(left, ids);
                self.renumber(right, ids);
                for (a, b) in keys {
                    self.expr_ids(a, ids);
                    self.expr_ids(b, ids);
                }
            }
            RelKind::Union { inputs } => {
                for input in inputs {
                    self.renumber(input, ids);
                }
            }
            RelKind::MvExpand { input, items, index, .. } => {
                self.renumber(input, ids);
                for item in items {
                    self.expr_ids(&mut item.source, ids);
                    self.id(&mut item.output.id, ids);
                }
                if let Some(index) = index {
                    self.id(&mut index.id, ids);
                }
            }
            RelKind::MvApply {
                input, items, index, body, ..
            } => {
                self.renumber(input, ids);
                for item in items {
                    self.expr_ids(&mut item.source, ids);
                    self.id(&mut item.output.id, ids);
                }
                if let Some(index) = index {
                    self.id(&mut index.id, ids);
                }
                self.renumber(body, ids);
            }
            RelKind::Partition { input, key, body } => {
                self.renumber(input, ids);
                self.expr_ids(key, ids);
                self.renumber(body, ids);
            }
            RelKind::Parse {
                input, source, outputs, ..
            } => {
                self.renumber(input, ids);
                self.expr_ids(source, ids);
                self.ids(outputs, ids);
            }
            RelKind::Operator { inputs, args, .. } => {
                for input in inputs {
                    self.renumber(input, ids);
                }
                for arg in args {
                    self.arg_ids(arg, ids);
                }
            }
        }
        self.ids(&mut rel.columns, ids);
    }

    fn graph_ids(&mut self, graph: &mut Graph, query: &mut GraphQuery, ids: &mut HashMap<ColumnId, ColumnId>) {
        self.renumber(&mut graph.edges, ids);
        self.exprs(&mut graph.source, ids);
        self.exprs(&mut graph.target, ids);
        for nodes in &mut graph.nodes {
            self.renumber(&mut nodes.rel, ids);
            self.exprs(&mut nodes.key, ids);
        }
        self.ids(&mut graph.properties, ids);
        for step in &mut graph.steps {
            if let GraphStep::WhereNodes(condition) | GraphStep::WhereEdges(condition) = step {
                self.expr_ids(condition, ids);
            }
        }
        let GraphQuery::Match(pattern) = query else { return };
        for node in &mut pattern.nodes {
            self.ids(&mut node.columns, ids);
            self.exprs(&mut node.conditions, ids);
        }
        for edge in &mut pattern.edges {
            self.ids(&mut edge.columns, ids);
            self.exprs(&mut edge.conditions, ids);
            self.ids(&mut edge.inner_columns, ids);
            self.exprs(&mut edge.inner_conditions, ids);
        }
        for output in &mut pattern.outputs {
            if let GraphValue::Fold { expr, .. } = output {
                self.expr_ids(expr, ids);
            }
        }
    }

    /// A copy of a graph with new column ids.
    pub(crate) fn fresh_graph(&mut self, graph: &Graph) -> Graph {
        let mut copy = graph.clone();
        self.graph_ids(&mut copy, &mut GraphQuery::Nodes { id: false }, &mut HashMap::new());
        copy
    }

    fn arg_ids(&mut self, arg: &mut OperatorArg, ids: &mut HashMap<ColumnId, ColumnId>) {
        match arg {
            OperatorArg::Expr(expr) => self.expr_ids(expr, ids),
            OperatorArg::Sort(key) => self.expr_ids(&mut key.expr, ids),
            OperatorArg::Aggregate(aggregate) => self.aggregate(aggregate, ids),
            OperatorArg::List(list) => {
                for arg in list {
                    self.arg_ids(arg, ids);
                }
            }
            OperatorArg::Value(_) | OperatorArg::Name(_) => {}
        }
    }

    fn expr_ids(&mut self, expr: &mut Expr, ids: &mut HashMap<ColumnId, ColumnId>) {
        match &mut expr.kind {
            // Sub-queries are closed: their ids do not leave them.
            ExprKind::Literal(_) | ExprKind::ScalarQuery(_) => {}
            ExprKind::Column(id) => self.id(id, ids),
            ExprKind::Call { args, .. } => self.exprs(args, ids),
            ExprKind::Cast(inner) | ExprKind::Negate(inner) | ExprKind::Not(inner) => self.expr_ids(inner, ids),
            ExprKind::Binary { left, right, .. } => {
                self.expr_ids(left, ids);
                self.expr_ids(right, ids);
            }
            ExprKind::Case { branches, otherwise } => {
                for (condition, value) in branches {
                    self.expr_ids(condition, ids);
                    self.expr_ids(value, ids);
                }
                self.expr_ids(otherwise, ids);
            }
            ExprKind::List { value, items, .. } => {
                self.expr_ids(value, ids);
                self.exprs(items, ids);
            }
            ExprKind::InRel { value, .. } => self.expr_ids(value, ids),
            ExprKind::Path { base, steps } => {
                self.expr_ids(base, ids);
                for step in steps {
                    if let PathStep::Expr(inner) = step {
                        self.expr_ids(inner, ids);
                    }
                }
            }
        }
    }
}
