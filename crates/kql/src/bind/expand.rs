//! Operators that work inside of a row or a group: `mv-expand`, `mv-apply`, `partition`.

use super::expr::Ctx;
use super::{Binder, Bound, Reported, Scope};
use crate::bound::{BagExpansion, Column, ExpandItem, Expr, ExprKind, OperatorArg, Rel, RelKind};
use crate::catalog::FunctionKind;
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::syntax::ast;
use crate::types::Type;

/// What `mv-expand` and `mv-apply` share.
struct Expansion {
    items: Vec<ExpandItem>,
    index: Option<Column>,
    limit: Option<u64>,
    /// Columns of the input, with outputs in the places of those they replace, the others behind
    columns: Vec<Column>,
}

impl Binder<'_> {
    fn expansion(
        &mut self,
        operator: &ast::Operator,
        items: &[ast::ExpandItem],
        limit: Option<&ast::Expr>,
        input: &Rel,
        scope: &Scope,
    ) -> Bound<Expansion> {
        let limit = self.limit_value(limit, scope);
        let ctx = Ctx::row(scope, input);
        let mut columns = input.columns.clone();
        let mut bound = Vec::with_capacity(items.len());
        let mut failed = false;
        for item in items {
            let name = item
                .expr
                .names
                .first()
                .map(|name| name.text.clone())
                .or_else(|| self.name_of(&item.expr.value))
                .unwrap_or_else(|| "Column1".to_owned());
            let source = self.expr(&item.expr.value, &ctx).and_then(|source| self.expandable(source));
            let (output, source) = match source {
                Ok(source) => (self.column(name, item.to.unwrap_or(Type::Dynamic)), Some(source)),
                Err(Reported) => {
                    failed = true;
                    (self.poisoned_column(name), None)
                }
            };
            match columns.iter_mut().find(|column| column.name == output.name) {
                Some(slot) => *slot = output.clone(),
                None => columns.push(output.clone()),
            }
            if let Some(source) = source {
                bound.push(ExpandItem { source, output });
            }
        }
        let index = match operator.property("with_itemindex") {
            Some(name) => {
                let name = self.word(name, scope, "with_itemindex")?;
                let index = self.column(name, Type::Long);
                columns.push(index.clone());
                Some(index)
            }
            None => None,
        };
        if failed {
            return Err(Reported);
        }
        Ok(Expansion {
            items: bound,
            index,
            limit: limit?,
            columns,
        })
    }

    fn expandable(&mut self, source: Expr) -> Bound<Expr> {
        if source.ty == Type::Dynamic {
            return Ok(source);
        }
        let problem = Diagnostic::error(
            Code::Type,
            source.span,
            format!("only a dynamic value can be expanded, and this is of type {}", source.ty),
        );
        let problem = match source.ty {
            Type::String => problem.with_help("parse the text first with parse_json(), or split() it"),
            _ => problem,
        };
        Err(self.report(problem))
    }

    pub(crate) fn mv_expand(
        &mut self,
        operator: &ast::Operator,
        items: &[ast::ExpandItem],
        limit: Option<&ast::Expr>,
        input: Rel,
        scope: &Scope,
    ) -> Bound<Rel> {
        let bag = match operator.property("bagexpansion").or_else(|| operator.property("kind")) {
            Some(value) => match self.word(value, scope, "bagexpansion")?.as_str() {
                "bag" => BagExpansion::Bag,
                "array" => BagExpansion::Array,
                other => {
                    let problem = super::suggest::unknown("bag expansion", other, value.span, ["bag", "array"]);
                    return Err(self.report(problem));
                }
            },
            None => BagExpansion::Bag,
        };
        let expansion = self.expansion(operator, items, limit, &input, scope)?;
        let serialized = input.serialized;
        let kind = RelKind::MvExpand {
            input: Box::new(input),
            items: expansion.items,
            index: expansion.index,
            limit: expansion.limit,
            bag,
        };
        Ok(self.rel(kind, expansion.columns, serialized, operator.span))
    }

    pub(crate) fn mv_apply(
        &mut self,
        operator: &ast::Operator,
        items: &[ast::ExpandItem],
        limit: Option<&ast::Expr>,
        body: &ast::Expr,
        input: Rel,
        scope: &Scope,
    ) -> Bound<Rel> {
        let expansion = self.expansion(operator, items, limit, &input, scope)?;
        self.outer.push(super::Outer::Rows(expansion.columns.clone()));
        let body = self.tabular(body, scope);
        self.outer.pop();
        let body = body?;
        // The input's own columns stay, unless the body makes one of that name.
        let replaced = |column: &Column| expansion.items.iter().any(|item| item.output.name == column.name);
        let mut columns: Vec<Column> = input.columns.iter().filter(|column| !replaced(column)).cloned().collect();
        for column in &body.columns {
            match columns.iter_mut().find(|known| known.name == column.name) {
                Some(known) => *known = column.clone(),
                None => columns.push(column.clone()),
            }
        }
        let kind = RelKind::MvApply {
            input: Box::new(input),
            items: expansion.items,
            index: expansion.index,
            limit: expansion.limit,
            body: Box::new(body),
        };
        Ok(self.rel(kind, columns, false, operator.span))
    }

    /// `partition by key (operators)`, or `partition by key {query}`, in which the key is a value.
    pub(crate) fn partition(&mut self, operator: &ast::Operator, input: Rel, scope: &Scope) -> Bound<Rel> {
        let ast::OperatorKind::Partition { by, braces, body } = &operator.kind else {
            return Err(Reported);
        };
        let span = operator.span;
        let ctx = Ctx::row(scope, &input);
        let key = match ctx.find(&by.text) {
            Some(column) => self.column_use(column, by.span).and_then(|key| self.group_key(key)),
            None => Err(self.unknown_column(&by.text, by.span, &ctx)),
        };
        self.outer.push(super::Outer::Rows(input.columns.clone()));
        let mut inner = scope.clone();
        if *braces && let Ok(key) = &key {
            let value = self.key_of_run(key, &input, by.span);
            inner = scope.with(by.text.clone(), super::Binding::Scalar(value));
        }
        let body = self.tabular(body, &inner);
        self.outer.pop();
        let (key, body) = (key?, body?);
        if self.is_scan_of_outer(&body) {
            let mut rel = body;
            scan_by(&mut rel, input, &key);
            rel.serialized = false;
            return Ok(rel);
        }
        let columns = body.columns.clone();
        let kind = RelKind::Partition {
            input: Box::new(input),
            key,
            body: Box::new(body),
        };
        Ok(self.rel(kind, columns, false, span))
    }

    /// The key, as a value that the body of one key sees.
    fn key_of_run(&mut self, key: &Expr, input: &Rel, span: Span) -> Expr {
        let rows = self.rel(RelKind::Outer, input.columns.clone(), false, span);
        let column = self.column("key", key.ty);
        let kind = RelKind::Project {
            input: Box::new(rows),
            exprs: vec![key.clone()],
        };
        let rel = self.rel(kind, vec![column], false, span);
        Expr {
            kind: ExprKind::ScalarQuery(std::sync::Arc::new(rel)),
            ty: key.ty,
            span: self.place(span),
        }
    }

    /// A body that is a `scan` of its rows, sorted and filtered, and what goes row by row behind it: the same as one scan
    /// of all rows with the partition's key among its own. Ids of matches would differ.
    fn is_scan_of_outer(&self, body: &Rel) -> bool {
        let mut rel = body;
        let mut scanned = false;
        loop {
            rel = match &rel.kind {
                RelKind::Filter { input, .. } => input,
                RelKind::Project { input, exprs } if !scanned && exprs.iter().all(|expr| self.is_row_by_row(expr)) => input,
                RelKind::Sort { input, .. } if scanned => input,
                RelKind::Operator {
                    name: "scan",
                    inputs,
                    args,
                } if !scanned && matches!(args.get(2), Some(OperatorArg::Value(_))) => {
                    scanned = true;
                    let [input] = inputs.as_slice() else { return false };
                    input
                }
                RelKind::Outer => return scanned,
                _ => return false,
            };
        }
    }

    fn is_row_by_row(&self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::Column(_) | ExprKind::Literal(_) => true,
            ExprKind::Cast(inner) | ExprKind::Negate(inner) | ExprKind::Not(inner) => self.is_row_by_row(inner),
            ExprKind::Binary { left, right, .. } => self.is_row_by_row(left) && self.is_row_by_row(right),
            ExprKind::Call { function, args } => {
                let windows = self.env.catalog.function(FunctionKind::Window, function).is_some();
                !windows && args.iter().all(|arg| self.is_row_by_row(arg))
            }
            _ => false,
        }
    }
}

/// Puts the input where the body has its rows, and the key among those of its scan.
fn scan_by(rel: &mut Rel, input: Rel, key: &Expr) {
    match &mut rel.kind {
        RelKind::Outer => *rel = input,
        RelKind::Filter { input: below, .. } | RelKind::Project { input: below, .. } | RelKind::Sort { input: below, .. } => {
            scan_by(below, input, key);
        }
        RelKind::Operator { inputs, args, .. } => {
            if let Some(OperatorArg::List(keys)) = args.first_mut() {
                keys.push(OperatorArg::Expr(key.clone()));
            }
            if let Some(below) = inputs.first_mut() {
                scan_by(below, input, key);
            }
        }
        _ => {}
    }
}
