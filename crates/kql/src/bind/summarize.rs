//! `summarize`: keys, aggregates, and what is computed from aggregates.

use std::cell::RefCell;

use super::expr::Ctx;
use super::naming::unique;
use super::{Binder, Binding, Bound, Reported, Scope};
use crate::bound::{Aggregate, Column, ColumnId, Expr, ExprKind, PathStep, Rel, RelKind};
use crate::catalog::{Function, FunctionKind, Naming};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::syntax::ast::{self, ExprKind as Ast};
use crate::types::Type;

/// Keys of a grouping, with the columns they give.
pub(crate) struct Keys {
    pub(crate) exprs: Vec<Expr>,
    pub(crate) columns: Vec<Column>,
    pub(crate) failed: bool,
}

impl Binder<'_> {
    /// `by` expressions.
    pub(crate) fn keys(&mut self, by: &[ast::NamedExpr], input: &Rel, scope: &Scope) -> Keys {
        let ctx = Ctx::row(scope, input);
        let mut keys = Keys {
            exprs: Vec::new(),
            columns: Vec::new(),
            failed: false,
        };
        let mut unnamed = 0usize;
        for item in by {
            let name = match item.names.first() {
                Some(name) => {
                    if keys.columns.iter().any(|column| column.name == name.text) {
                        self.duplicate(name);
                        keys.failed = true;
                    }
                    name.text.clone()
                }
                None => {
                    let name = self.name_of(&item.value).unwrap_or_else(|| {
                        unnamed += 1;
                        format!("Column{unnamed}")
                    });
                    unique(&name, &keys.columns)
                }
            };
            match self.expr(&item.value, &ctx).and_then(|key| self.group_key(key)) {
                Ok(key) => {
                    keys.columns.push(self.column(name, key.ty));
                    keys.exprs.push(key);
                }
                Err(Reported) => {
                    keys.columns.push(self.poisoned_column(name));
                    keys.failed = true;
                }
            }
        }
        keys
    }

    /// The aggregate an expression is, when it is one and nothing more.
    pub(crate) fn plain_aggregate(&self, expr: &ast::Expr, scope: &Scope) -> Option<&'static Function> {
        let Ast::Call { name, .. } = &expr.kind else {
            return None;
        };
        if let Some(Binding::Function(_) | Binding::Broken) = scope.get(&name.text) {
            return None;
        }
        self.env.catalog.function(FunctionKind::Aggregate, &name.text)
    }

    pub(crate) fn summarize(
        &mut self,
        aggregates: &[ast::NamedExpr],
        by: &[ast::NamedExpr],
        input: Rel,
        span: Span,
        scope: &Scope,
    ) -> Bound<Rel> {
        let keys = self.keys(by, &input, scope);
        let key_ids: Vec<ColumnId> = keys
            .exprs
            .iter()
            .filter_map(|key| match key.kind {
                ExprKind::Column(id) => Some(id),
                _ => None,
            })
            .collect();
        let outer_keys = std::mem::replace(&mut self.summarize_keys, key_ids);
        let ctx = Ctx::row(scope, &input);
        let mut failed = keys.failed;
        let mut columns = keys.columns.clone();
        let mut exprs: Vec<Expr> = columns.iter().map(|column| Expr::column(column, span)).collect();
        let mut calls: Vec<Aggregate> = Vec::new();
        let mut computed = false;
        let mut unnamed = 0usize;
        let mut given: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        for item in aggregates {
            if let Some(function) = self.plain_aggregate(&item.value, scope) {
                match self.named_aggregate(function, item, &ctx, &columns, &given) {
                    Ok(aggregate) => {
                        for output in &aggregate.outputs {
                            exprs.push(Expr::column(output, self.place(item.value.span)));
                            columns.push(output.clone());
                        }
                        calls.push(aggregate);
                    }
                    Err(Reported) => {
                        failed = true;
                        columns.extend(self.failed_outputs(function, item, &columns.clone()));
                    }
                }
                given.extend(item.names.iter().map(|name| name.text.clone()));
                continue;
            }
            computed = true;
            let found = RefCell::new(Vec::new());
            let item_ctx = Ctx {
                aggregates: Some(&found),
                ..ctx
            };
            let value = self.expr(&item.value, &item_ctx);
            let found = found.into_inner();
            let value = value.and_then(|value| self.over_groups(value, &found, &item.value, &input));
            calls.extend(found);
            let name = match item.names.first() {
                Some(name) => {
                    if given.contains(&name.text) {
                        self.duplicate(name);
                        failed = true;
                    }
                    unique(&name.text, &columns)
                }
                None => match self.name_of(&item.value) {
                    Some(name) => unique(&name, &columns),
                    None => {
                        unnamed += 1;
                        unique(&format!("Column{unnamed}"), &columns)
                    }
                },
            };
            match value {
                Ok(value) => {
                    columns.push(self.column(name, value.ty));
                    exprs.push(value);
                }
                Err(Reported) => {
                    columns.push(self.poisoned_column(name));
                    failed = true;
                }
            }
            given.extend(item.names.iter().map(|name| name.text.clone()));
        }
        self.summarize_keys = outer_keys;
        if failed {
            return Ok(self.broken(columns, false, span));
        }
        let mut outputs = keys.columns.clone();
        outputs.extend(calls.iter().flat_map(|call| call.outputs.iter().cloned()));
        let kind = RelKind::Aggregate {
            input: Box::new(input),
            keys: keys.exprs,
            aggregates: calls,
        };
        let rel = self.rel(kind, outputs, false, span);
        if !computed {
            return Ok(rel);
        }
        let kind = RelKind::Project {
            input: Box::new(rel),
            exprs,
        };
        Ok(self.rel(kind, columns, false, span))
    }

    /// Columns for an aggregate that did not bind.
    fn failed_outputs(&mut self, function: &Function, item: &ast::NamedExpr, columns: &[Column]) -> Vec<Column> {
        let mut names = vec![self.name_of(&item.value)];
        if let (Naming::Columns, Ast::Call { arguments, .. }) = (function.naming, &item.value.kind) {
            names = arguments.iter().map(|argument| self.name_of(&argument.value)).collect();
        }
        // These give one type whatever they are over.
        let ty = match function.name {
            name if name.starts_with("dcount") || name.starts_with("count") => Some(Type::Long),
            name if name.starts_with("make_") => Some(Type::Dynamic),
            _ => None,
        };
        let mut all = columns.to_vec();
        for (index, name) in names.into_iter().enumerate() {
            let given = item.names.get(index).map(|name| name.text.clone());
            let name = unique(&given.or(name).unwrap_or_else(|| "Column1".to_owned()), &all);
            let column = match ty {
                Some(ty) if self.lenient() => self.column(name, ty),
                _ => self.poisoned_column(name),
            };
            all.push(column);
        }
        all.split_off(columns.len())
    }

    /// An aggregate whose outputs are named: as the query says, else by themselves.
    pub(crate) fn named_aggregate(
        &mut self,
        function: &'static Function,
        item: &ast::NamedExpr,
        ctx: &Ctx<'_>,
        taken: &[Column],
        given: &[String],
    ) -> Bound<Aggregate> {
        let Ast::Call { name, arguments } = &item.value.kind else {
            return Err(Reported);
        };
        let mut aggregate = self.aggregate_call(function, name, arguments, item.value.span, ctx)?;
        if item.names.len() > aggregate.outputs.len() {
            let problem = Diagnostic::error(
                Code::Arguments,
                item.value.span,
                format!(
                    "{} names are given for the {} columns of {}()",
                    item.names.len(),
                    aggregate.outputs.len(),
                    function.name
                ),
            );
            return Err(self.report(problem));
        }
        let mut all = taken.to_vec();
        let mut unnamed = 0usize;
        for (index, output) in aggregate.outputs.iter_mut().enumerate() {
            match item.names.get(index) {
                Some(name) => {
                    if given.contains(&name.text) {
                        self.duplicate(name);
                    }
                    output.name = unique(&name.text, &all);
                }
                None => {
                    if output.name.is_empty() {
                        unnamed += 1;
                        output.name = format!("Column{unnamed}");
                    }
                    output.name = unique(&output.name, &all);
                }
            }
            all.push(output.clone());
        }
        // `x = make_list(...)` of functions named after columns keeps the other names.
        debug_assert!(function.naming != Naming::Columns || !aggregate.outputs.is_empty());
        Ok(aggregate)
    }

    /// Checks that an expression over aggregates uses columns only inside of them, or as keys.
    fn over_groups(&mut self, mut value: Expr, found: &[Aggregate], written: &ast::Expr, input: &Rel) -> Bound<Expr> {
        let mut stray = None;
        visit_columns(&mut value, &mut |id, span| {
            let is_output = found
                .iter()
                .any(|aggregate| aggregate.outputs.iter().any(|output| output.id == *id));
            if is_output {
                return;
            }
            stray = stray.or(Some((*id, span)));
        });
        if let Some((id, span)) = stray {
            let name = input
                .columns
                .iter()
                .find(|column| column.id == id)
                .map_or_else(String::new, |column| column.name.clone());
            let problem = Diagnostic::error(Code::Semantic, span, format!("column '{name}' has many values in a group"))
                .with_help(format!("put it into an aggregate, e.g. take_any({name}), or group by it"));
            return Err(self.report(problem));
        }
        let column = matches!(written.kind, Ast::Name(_));
        if found.is_empty() && (column || !self.lenient()) {
            let problem =
                Diagnostic::error(Code::Semantic, written.span, "summarize wants an aggregate here").with_help("e.g. count() or max(x)");
            return Err(self.report(problem));
        }
        Ok(value)
    }
}

/// Calls `f` for every column in an expression.
pub(crate) fn visit_columns(expr: &mut Expr, f: &mut impl FnMut(&mut ColumnId, Span)) {
    let span = expr.span;
    match &mut expr.kind {
        ExprKind::Column(id) => f(id, span),
        ExprKind::Literal(_) | ExprKind::ScalarQuery(_) => {}
        ExprKind::Call { args, .. } => args.iter_mut().for_each(|arg| visit_columns(arg, f)),
        ExprKind::Cast(inner) | ExprKind::Negate(inner) | ExprKind::Not(inner) => visit_columns(inner, f),
        ExprKind::Binary { left, right, .. } => {
            visit_columns(left, f);
            visit_columns(right, f);
        }
        ExprKind::Case { branches, otherwise } => {
            for (condition, value) in branches {
                visit_columns(condition, f);
                visit_columns(value, f);
            }
            visit_columns(otherwise, f);
        }
        ExprKind::List { value, items, .. } => {
            visit_columns(value, f);
            items.iter_mut().for_each(|item| visit_columns(item, f));
        }
        ExprKind::InRel { value, .. } => visit_columns(value, f),
        ExprKind::Path { base, steps } => {
            visit_columns(base, f);
            for step in steps {
                if let PathStep::Expr(inner) = step {
                    visit_columns(inner, f);
                }
            }
        }
    }
}
