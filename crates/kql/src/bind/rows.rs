//! Operators that choose or make rows: `where take top sort sample distinct count print range consume getschema top-hitters`.

use super::expr::Ctx;
use super::naming::unique;
use super::typing::{cast, common, wider};
use super::{Binder, Bound, Reported, Scope, constant};
use crate::bound::{Aggregate, Column, Expr, ExprKind, JoinKind, Rel, RelKind, SortKey};
use crate::catalog::FunctionKind;
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::syntax::ast;
use crate::types::{Type, Value};

impl Binder<'_> {
    pub(crate) fn filter(&mut self, predicate: &ast::Expr, input: Rel, span: Span, scope: &Scope) -> Bound<Rel> {
        let bound = self
            .expr(predicate, &Ctx::projection(scope, &input))
            .and_then(|predicate| self.condition(predicate));
        let Ok(predicate) = bound else {
            return Ok(input);
        };
        if self.has_window(&predicate) {
            return Ok(self.window_filter(predicate, input, span));
        }
        Ok(self.filtered_join(predicate, input, span))
    }

    /// A filter over an `innerunique` join: conditions on its left side choose among the rows of a key, before one of them
    /// is taken.
    fn filtered_join(&mut self, predicate: Expr, mut input: Rel, span: Span) -> Rel {
        let RelKind::Join {
            kind: JoinKind::InnerUnique,
            left,
            ..
        } = &mut input.kind
        else {
            return self.filtered(predicate, input, span);
        };
        let of_left = |expr: &Expr| {
            let used = expr.columns();
            !used.is_empty() && used.iter().all(|id| left.columns.iter().any(|column| column.id == *id))
        };
        let (before, behind): (Vec<Expr>, Vec<Expr>) = predicate.conjuncts().into_iter().partition(of_left);
        for condition in before {
            let rows = std::mem::replace(
                left.as_mut(),
                Rel {
                    open: false,
                    kind: RelKind::Unit,
                    columns: Vec::new(),
                    serialized: true,
                    span,
                },
            );
            **left = self.filtered(condition, rows, span);
        }
        let mut rel = input;
        for condition in behind {
            rel = self.filtered(condition, rel, span);
        }
        rel
    }

    pub(crate) fn filtered(&mut self, predicate: Expr, input: Rel, span: Span) -> Rel {
        let (columns, serialized) = (input.columns.clone(), input.serialized);
        let kind = RelKind::Filter {
            input: Box::new(input),
            predicate,
        };
        self.rel(kind, columns, serialized, span)
    }

    /// Window functions live in projections only: the predicate becomes a column for a moment.
    fn window_filter(&mut self, predicate: Expr, input: Rel, span: Span) -> Rel {
        let (columns, serialized) = (input.columns.clone(), input.serialized);
        let flag = self.column("$matches", Type::Bool);
        let mut exprs: Vec<Expr> = columns.iter().map(|column| Expr::column(column, self.place(span))).collect();
        let keep = exprs.clone();
        exprs.push(predicate);
        let mut with_flag = columns.clone();
        with_flag.push(flag.clone());
        let kind = RelKind::Project {
            input: Box::new(input),
            exprs,
        };
        let rel = self.rel(kind, with_flag, serialized, span);
        let rel = self.filtered(Expr::column(&flag, self.place(span)), rel, span);
        let kind = RelKind::Project {
            input: Box::new(rel),
            exprs: keep,
        };
        self.rel(kind, columns, serialized, span)
    }

    /// Whether a window function is in an expression.
    pub(crate) fn has_window(&self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::Call { function, args } => {
                self.env.catalog.function(FunctionKind::Window, function).is_some() || args.iter().any(|arg| self.has_window(arg))
            }
            ExprKind::Cast(inner) | ExprKind::Negate(inner) | ExprKind::Not(inner) => self.has_window(inner),
            ExprKind::Binary { left, right, .. } => self.has_window(left) || self.has_window(right),
            ExprKind::Case { branches, otherwise } => {
                branches.iter().any(|(a, b)| self.has_window(a) || self.has_window(b)) || self.has_window(otherwise)
            }
            ExprKind::List { value, items, .. } => self.has_window(value) || items.iter().any(|item| self.has_window(item)),
            ExprKind::InRel { value, .. } => self.has_window(value),
            ExprKind::Path { base, .. } => self.has_window(base),
            ExprKind::Literal(_) | ExprKind::Column(_) | ExprKind::ScalarQuery(_) => false,
        }
    }

    pub(crate) fn take(&mut self, count: &ast::Expr, input: Rel, span: Span, scope: &Scope) -> Bound<Rel> {
        match self.row_count(count, scope, "the number of rows") {
            Ok(count) => Ok(self.limited(count, input, span)),
            Err(Reported) => Ok(input),
        }
    }

    pub(crate) fn limited(&mut self, count: Expr, input: Rel, span: Span) -> Rel {
        let (columns, serialized) = (input.columns.clone(), input.serialized);
        let kind = RelKind::Limit {
            input: Box::new(input),
            count,
        };
        self.rel(kind, columns, serialized, span)
    }

    pub(crate) fn sample(&mut self, count: &ast::Expr, input: Rel, span: Span, scope: &Scope) -> Bound<Rel> {
        let count = self.row_count(count, scope, "the number of rows")?;
        let columns = input.columns.clone();
        let kind = RelKind::Sample {
            input: Box::new(input),
            count,
        };
        Ok(self.rel(kind, columns, false, span))
    }

    pub(crate) fn sort(&mut self, keys: &[ast::SortKey], input: Rel, span: Span, scope: &Scope) -> Bound<Rel> {
        match self.sort_keys_of(keys, &input, scope) {
            Ok(keys) => Ok(self.sorted(keys, input, span)),
            Err(Reported) => {
                let mut rel = input;
                rel.serialized = true;
                Ok(rel)
            }
        }
    }

    pub(crate) fn sorted(&mut self, keys: Vec<SortKey>, input: Rel, span: Span) -> Rel {
        let columns = input.columns.clone();
        let kind = RelKind::Sort {
            input: Box::new(input),
            keys,
        };
        self.rel(kind, columns, true, span)
    }

    fn sort_keys_of(&mut self, keys: &[ast::SortKey], input: &Rel, scope: &Scope) -> Bound<Vec<SortKey>> {
        let ctx = Ctx::row(scope, input);
        let mut bound = Vec::with_capacity(keys.len());
        for key in keys {
            bound.push(self.sort_key(key, &ctx));
        }
        bound.into_iter().collect()
    }

    fn sort_key(&mut self, key: &ast::SortKey, ctx: &Ctx<'_>) -> Bound<SortKey> {
        let expr = self.expr(&key.expr.value, ctx)?;
        if expr.ty == Type::Dynamic {
            let problem = Diagnostic::error(Code::Type, expr.span, "rows cannot be sorted by a dynamic value")
                .with_help("say what it is, e.g. with tostring() or tolong()");
            return Err(self.report(problem));
        }
        let descending = !key.ascending.unwrap_or(false);
        Ok(SortKey {
            expr,
            descending,
            nulls_first: key.nulls_first.unwrap_or(!descending),
        })
    }

    pub(crate) fn top(&mut self, count: &ast::Expr, by: &[ast::SortKey], input: Rel, span: Span, scope: &Scope) -> Bound<Rel> {
        let count = self.row_count(count, scope, "the number of rows");
        let before = self.diagnostics.len();
        let keys = self.sort_keys_of(by, &input, scope);
        if self.lenient() {
            // The greatest of dynamic values are taken where they cannot be sorted.
            let sorting = |problem: &Diagnostic| problem.message.contains("sorted by a dynamic");
            let kept: Vec<Diagnostic> = self.diagnostics.drain(before..).filter(|problem| !sorting(problem)).collect();
            self.diagnostics.extend(kept);
        }
        let (Ok(count), Ok(keys)) = (count, keys) else {
            return Ok(input);
        };
        let sorted = self.sorted(keys, input, span);
        Ok(self.limited(count, sorted, span))
    }

    pub(crate) fn count(&mut self, name: Option<&ast::Name>, input: Rel, span: Span) -> Bound<Rel> {
        let name = name.map_or("Count", |name| name.text.as_str());
        let output = self.column(name, Type::Long);
        let function = self.needed(FunctionKind::Aggregate, "count", span)?;
        let kind = RelKind::Aggregate {
            input: Box::new(input),
            keys: Vec::new(),
            aggregates: vec![Aggregate {
                function: function.name,
                args: Vec::new(),
                outputs: vec![output.clone()],
            }],
        };
        Ok(self.rel(kind, vec![output], false, span))
    }

    pub(crate) fn consume(&mut self, input: Rel, span: Span) -> Rel {
        let none = Expr::literal(Value::Long(0), self.place(span));
        self.limited(none, input, span)
    }

    pub(crate) fn distinct(&mut self, items: &[ast::NamedExpr], input: Rel, span: Span, scope: &Scope) -> Bound<Rel> {
        let mut keys = Vec::new();
        let mut columns: Vec<Column> = Vec::new();
        let mut unnamed = 0usize;
        let mut failed = false;
        for named in items {
            let item = &named.value;
            let pattern = match &item.kind {
                ast::ExprKind::Star => Some("*"),
                ast::ExprKind::Wildcard(pattern) => Some(pattern.as_str()),
                _ => None,
            };
            if let Some(pattern) = pattern {
                for column in input.columns.iter().filter(|column| super::project::matches(pattern, &column.name)) {
                    if columns.iter().any(|known| known.name == column.name) {
                        continue;
                    }
                    match self.column_use(column, item.span).and_then(|key| self.group_key(key)) {
                        Ok(key) => {
                            columns.push(self.column(column.name.clone(), key.ty));
                            keys.push(key);
                        }
                        Err(Reported) => failed = true,
                    }
                }
                continue;
            }
            let key = self.expr(item, &Ctx::row(scope, &input)).and_then(|key| self.group_key(key));
            let given = named.names.first().map(|name| name.text.clone());
            let name = given.or_else(|| self.name_of(item)).unwrap_or_else(|| {
                unnamed += 1;
                format!("Column{unnamed}")
            });
            let name = unique(&name, &columns);
            match key {
                Ok(key) => {
                    columns.push(self.column(name, key.ty));
                    keys.push(key);
                }
                Err(Reported) => {
                    columns.push(self.poisoned_column(name));
                    failed = true;
                }
            }
        }
        if failed {
            return Ok(self.broken(columns, false, span));
        }
        let kind = RelKind::Aggregate {
            input: Box::new(input),
            keys,
            aggregates: Vec::new(),
        };
        Ok(self.rel(kind, columns, false, span))
    }

    /// A relation that stands for one that did not bind: its columns are known, it is never run.
    pub(crate) fn broken(&mut self, columns: Vec<Column>, serialized: bool, span: Span) -> Rel {
        Rel {
            // Without an error, it is a name that only the rows could tell which is missing.
            open: self.lenient(),
            ..self.rel(RelKind::Values(Vec::new()), columns, serialized, span)
        }
    }

    pub(crate) fn sample_distinct(&mut self, count: &ast::Expr, of: &ast::NamedExpr, input: Rel, span: Span, scope: &Scope) -> Bound<Rel> {
        let count = self.row_count(count, scope, "the number of values")?;
        let distinct = self.summarize(&[], std::slice::from_ref(of), input, span, scope)?;
        Ok(self.limited(count, distinct, span))
    }

    /// `top-hitters` is a count by value, the greatest first; the reference allows an approximation, this is exact.
    pub(crate) fn top_hitters(
        &mut self,
        count: &ast::Expr,
        of: &ast::NamedExpr,
        by: Option<&ast::NamedExpr>,
        input: Rel,
        span: Span,
        scope: &Scope,
    ) -> Bound<Rel> {
        let count = self.row_count(count, scope, "the number of values")?;
        let ctx = Ctx::row(scope, &input);
        let value = self.expr(&of.value, &ctx);
        let weight = by.map(|by| self.expr(&by.value, &ctx)).transpose();
        let value = value.and_then(|value| self.group_key(value))?;
        let weight = weight?;
        let name = |binder: &Self, expr: &ast::NamedExpr| {
            expr.names
                .first()
                .map(|name| name.text.clone())
                .or_else(|| binder.name_of(&expr.value))
                .unwrap_or_else(|| "Column1".to_owned())
        };
        let key = self.column(name(self, of), value.ty);
        let (function, args, prefix, of_name) = match (weight, by) {
            (Some(weight), Some(by)) => ("sum", vec![weight], "approximate_sum", name(self, by)),
            _ => ("count", Vec::new(), "approximate_count", key.name.clone()),
        };
        let function = self.needed(FunctionKind::Aggregate, function, span)?;
        let resolved = self.resolve(function, &args, &[], span)?;
        let args = super::calls::convert(args, &resolved);
        let ty = resolved.returns.first().copied().unwrap_or(Type::Long);
        let total = self.column(format!("{prefix}_{of_name}"), ty);
        let place = self.place(span);
        let kind = RelKind::Aggregate {
            input: Box::new(input),
            keys: vec![value],
            aggregates: vec![Aggregate {
                function: function.name,
                args,
                outputs: vec![total.clone()],
            }],
        };
        let rel = self.rel(kind, vec![key, total.clone()], false, span);
        let by_total = SortKey {
            expr: Expr::column(&total, place),
            descending: true,
            nulls_first: false,
        };
        let sorted = self.sorted(vec![by_total], rel, span);
        Ok(self.limited(count, sorted, span))
    }

    pub(crate) fn print(&mut self, items: &[ast::NamedExpr], span: Span, scope: &Scope) -> Bound<Rel> {
        let unit = self.rel(RelKind::Unit, Vec::new(), true, span);
        self.projection(items, unit, span, scope, super::project::Numbering::Print)
    }

    pub(crate) fn range(
        &mut self,
        column: &ast::Name,
        from: &ast::Expr,
        to: &ast::Expr,
        step: &ast::Expr,
        span: Span,
        scope: &Scope,
    ) -> Bound<Rel> {
        let ctx = Ctx::constant(scope);
        let (from, to, step) = (self.expr(from, &ctx), self.expr(to, &ctx), self.expr(step, &ctx));
        let (from, to, step) = (from?, to?, step?);
        let ty = match (from.ty, to.ty) {
            (a, b) if a.is_numeric() && b.is_numeric() => {
                let ty = wider(a, b);
                if step.ty.is_numeric() { wider(ty, step.ty) } else { ty }
            }
            (a, b) => match common(a, b) {
                Some(ty @ (Type::DateTime | Type::TimeSpan)) => ty,
                _ => {
                    return self.error(
                        Code::Type,
                        span,
                        format!("range goes over numbers, datetimes or timespans, not from {a} to {b}"),
                    );
                }
            },
        };
        let wanted = match ty {
            Type::DateTime | Type::TimeSpan => Type::TimeSpan,
            ty => ty,
        };
        if step.ty != wanted && !(step.ty.is_numeric() && wanted.is_numeric()) {
            return self.error(
                Code::Type,
                step.span,
                format!("the step must be of type {wanted}, and this is of type {}", step.ty),
            );
        }
        if matches!(step.as_literal(), Some(Value::Long(0) | Value::Int(0) | Value::TimeSpan(0))) {
            return self.error(Code::Semantic, step.span, "the step must not be 0");
        }
        // Ranges are made of longs; those of ints are narrowed behind it.
        let (made, wanted) = if ty == Type::Int { (Type::Long, Type::Long) } else { (ty, wanted) };
        let output = self.column(column.text.clone(), made);
        let kind = RelKind::Range {
            from: cast(from, made),
            to: cast(to, made),
            step: cast(step, wanted),
        };
        let rel = self.rel(kind, vec![output.clone()], true, span);
        if made == ty {
            return Ok(rel);
        }
        let narrow = self.column(column.text.clone(), ty);
        let kind = RelKind::Project {
            input: Box::new(rel),
            exprs: vec![cast(Expr::column(&output, self.place(span)), ty)],
        };
        Ok(self.rel(kind, vec![narrow], true, span))
    }

    pub(crate) fn get_schema(&mut self, input: &Rel, span: Span) -> Rel {
        let rows = input
            .columns
            .iter()
            .enumerate()
            .map(|(index, column)| {
                vec![
                    Value::String(column.name.clone()),
                    Value::Long(index as i64),
                    Value::String(clr_name(column.ty).to_owned()),
                    Value::String(column.ty.name().to_owned()),
                ]
            })
            .collect();
        let columns = vec![
            self.column("ColumnName", Type::String),
            self.column("ColumnOrdinal", Type::Long),
            self.column("DataType", Type::String),
            self.column("ColumnType", Type::String),
        ];
        self.rel(RelKind::Values(rows), columns, false, span)
    }

    /// A grouping key: every type but dynamic.
    pub(crate) fn group_key(&mut self, key: Expr) -> Bound<Expr> {
        if key.ty != Type::Dynamic {
            return Ok(key);
        }
        let problem = Diagnostic::error(Code::Type, key.span, "rows cannot be grouped by a dynamic value")
            .with_help("say what it is, e.g. with tostring()");
        Err(self.report(problem))
    }

    /// The whole number of a `limit`.
    pub(crate) fn limit_value(&mut self, limit: Option<&ast::Expr>, scope: &Scope) -> Bound<Option<u64>> {
        let Some(limit) = limit else { return Ok(None) };
        let value = self.row_count(limit, scope, "the limit")?;
        match constant::integer(&value).and_then(|n| u64::try_from(n).ok()) {
            Some(n) => Ok(Some(n)),
            None => self.error(Code::Arguments, limit.span, "the limit must be a constant"),
        }
    }
}

/// The name `getschema` prints in its column `DataType`.
fn clr_name(ty: Type) -> &'static str {
    match ty {
        Type::Bool => "System.SByte",
        Type::Int => "System.Int32",
        Type::Long => "System.Int64",
        Type::Real => "System.Double",
        Type::Decimal => "System.Data.SqlTypes.SqlDecimal",
        Type::String => "System.String",
        Type::DateTime => "System.DateTime",
        Type::TimeSpan => "System.TimeSpan",
        Type::Guid => "System.Guid",
        Type::Dynamic => "System.Object",
    }
}
