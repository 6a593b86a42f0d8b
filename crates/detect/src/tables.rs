//! Which stored tables a bound query reads.

use std::collections::BTreeSet;

use taffrail_kql::bound::{Aggregate, Expr, ExprKind, OperatorArg, PathStep, Rel, RelKind};

/// Names of the stored tables that a relation reads, wherever it reads them.
pub fn stored_tables(rel: &Rel) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    relation(rel, &mut names);
    names
}

fn relation(rel: &Rel, names: &mut BTreeSet<String>) {
    match &rel.kind {
        RelKind::Table { name, .. } => {
            names.insert(name.clone());
        }
        RelKind::Values(_) | RelKind::Unit | RelKind::Outer | RelKind::External(_) => {}
        RelKind::Graph { graph, query } => {
            graph.inputs().into_iter().for_each(|input| relation(input, names));
            graph.exprs(query).into_iter().for_each(|expr| expression(expr, names));
        }
        RelKind::Range { from, to, step } => [from, to, step].into_iter().for_each(|expr| expression(expr, names)),
        RelKind::Filter { input, predicate } => {
            relation(input, names);
            expression(predicate, names);
        }
        RelKind::Project { input, exprs } => {
            relation(input, names);
            exprs.iter().for_each(|expr| expression(expr, names));
        }
        RelKind::Aggregate { input, keys, aggregates } => {
            relation(input, names);
            keys.iter().for_each(|key| expression(key, names));
            aggregates.iter().for_each(|call| aggregate(call, names));
        }
        RelKind::Sort { input, keys } => {
            relation(input, names);
            keys.iter().for_each(|key| expression(&key.expr, names));
        }
        RelKind::Limit { input, count } | RelKind::Sample { input, count } => {
            relation(input, names);
            expression(count, names);
        }
        RelKind::Join { left, right, keys, .. } => {
            relation(left, names);
            relation(right, names);
            for (left, right) in keys {
                expression(left, names);
                expression(right, names);
            }
        }
        RelKind::Union { inputs } => inputs.iter().for_each(|input| relation(input, names)),
        RelKind::MvExpand { input, items, .. } => {
            relation(input, names);
            items.iter().for_each(|item| expression(&item.source, names));
        }
        RelKind::MvApply { input, items, body, .. } => {
            relation(input, names);
            items.iter().for_each(|item| expression(&item.source, names));
            relation(body, names);
        }
        RelKind::Partition { input, key, body } => {
            relation(input, names);
            expression(key, names);
            relation(body, names);
        }
        RelKind::Parse { input, source, .. } => {
            relation(input, names);
            expression(source, names);
        }
        RelKind::Operator { inputs, args, .. } => {
            inputs.iter().for_each(|input| relation(input, names));
            args.iter().for_each(|arg| argument(arg, names));
        }
        RelKind::Shared { input, .. } => relation(input, names),
    }
}

fn aggregate(call: &Aggregate, names: &mut BTreeSet<String>) {
    call.args.iter().for_each(|arg| expression(arg, names));
}

fn argument(arg: &OperatorArg, names: &mut BTreeSet<String>) {
    match arg {
        OperatorArg::Expr(expr) => expression(expr, names),
        OperatorArg::Sort(key) => expression(&key.expr, names),
        OperatorArg::Aggregate(call) => aggregate(call, names),
        OperatorArg::List(items) => items.iter().for_each(|item| argument(item, names)),
        OperatorArg::Value(_) | OperatorArg::Name(_) => {}
    }
}

fn expression(expr: &Expr, names: &mut BTreeSet<String>) {
    match &expr.kind {
        ExprKind::Literal(_) | ExprKind::Column(_) => {}
        ExprKind::Call { args, .. } => args.iter().for_each(|arg| expression(arg, names)),
        ExprKind::Cast(inner) | ExprKind::Negate(inner) | ExprKind::Not(inner) => expression(inner, names),
        ExprKind::Binary { left, right, .. } => {
            expression(left, names);
            expression(right, names);
        }
        ExprKind::Case { branches, otherwise } => {
            for (condition, value) in branches {
                expression(condition, names);
                expression(value, names);
            }
            expression(otherwise, names);
        }
        ExprKind::List { value, items, .. } => {
            expression(value, names);
            items.iter().for_each(|item| expression(item, names));
        }
        ExprKind::InRel { value, rel, .. } => {
            expression(value, names);
            relation(rel, names);
        }
        ExprKind::Path { base, steps } => {
            expression(base, names);
            for step in steps {
                if let PathStep::Expr(inner) = step {
                    expression(inner, names);
                }
            }
        }
        ExprKind::ScalarQuery(rel) => relation(rel, names),
    }
}
