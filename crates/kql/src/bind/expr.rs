//! Scalar expressions: names, paths into dynamics, operators, lists.

use std::cell::RefCell;
use std::sync::Arc;

use super::typing::{cast, list_symbol};
use super::{Binder, Binding, Bound, Reported, Scope, suggest};
use crate::bound::{Aggregate, Column, Expr, ExprKind, PathStep, Rel, RelKind};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::syntax::ast::{self, BinaryOp, ExprKind as Ast, ListOp};
use crate::types::{Type, Value};

/// Tables with more columns than this are not listed in a message.
const LISTED_COLUMNS: usize = 12;

/// What an expression may refer to.
#[derive(Clone, Copy)]
pub(crate) struct Ctx<'c> {
    /// Names of the query
    pub(crate) scope: &'c Scope,
    /// Columns of the row
    pub(crate) columns: &'c [Column],
    /// `$left`, `$right`
    pub(crate) sides: Option<(&'c [Column], &'c [Column])>,
    /// States of the steps of a `scan`
    pub(crate) steps: &'c [(String, Vec<Column>)],
    /// The rows have an order
    pub(crate) serialized: bool,
    /// Window functions may stand here
    pub(crate) windows: bool,
    /// Aggregates found are collected here; `None` where they are not allowed
    pub(crate) aggregates: Option<&'c RefCell<Vec<Aggregate>>>,
}

impl<'c> Ctx<'c> {
    /// An expression over no rows.
    pub(crate) fn constant(scope: &'c Scope) -> Ctx<'c> {
        Ctx {
            scope,
            columns: &[],
            sides: None,
            steps: &[],
            serialized: false,
            windows: false,
            aggregates: None,
        }
    }

    /// An expression over the rows of a relation.
    pub(crate) fn row(scope: &'c Scope, input: &'c Rel) -> Ctx<'c> {
        Ctx {
            columns: &input.columns,
            serialized: input.serialized,
            ..Ctx::constant(scope)
        }
    }

    /// One in which window functions may stand.
    pub(crate) fn projection(scope: &'c Scope, input: &'c Rel) -> Ctx<'c> {
        Ctx {
            windows: true,
            ..Ctx::row(scope, input)
        }
    }

    /// The same without aggregates: inside the arguments of one.
    pub(crate) fn without_aggregates(self) -> Ctx<'c> {
        Ctx { aggregates: None, ..self }
    }

    pub(crate) fn find(&self, name: &str) -> Option<&'c Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

impl Binder<'_> {
    /// Binds a scalar expression.
    pub(crate) fn expr(&mut self, expr: &ast::Expr, ctx: &Ctx<'_>) -> Bound<Expr> {
        self.deeper(expr.span, |binder| binder.expr_inner(expr, ctx))
    }

    fn expr_inner(&mut self, expr: &ast::Expr, ctx: &Ctx<'_>) -> Bound<Expr> {
        let span = self.place(expr.span);
        match &expr.kind {
            Ast::Literal(value) => Ok(Expr::literal(value.clone(), span)),
            Ast::Name(name) => self.name(name, expr.span, ctx),
            Ast::Member { base, member } => self.member(base, member, expr.span, ctx),
            Ast::Element { base, index } => self.element(base, index, expr.span, ctx),
            Ast::Call { name, arguments } => self.call(name, arguments, expr.span, ctx),
            Ast::MethodCall { base, name, arguments } => {
                self.local_reference(base)?;
                self.call(name, arguments, expr.span, ctx)
            }
            Ast::Negate(inner) => {
                let inner = self.expr(inner, ctx)?;
                self.negate(inner, expr.span)
            }
            Ast::Plus(inner) => {
                let inner = self.expr(inner, ctx)?;
                match inner.ty {
                    Type::TimeSpan => Ok(inner),
                    ty if ty.is_numeric() => Ok(inner),
                    ty => self.error(Code::Type, expr.span, format!("'+' is not defined for {ty}")),
                }
            }
            Ast::Binary { .. } => self.chain(expr, ctx),
            Ast::Between { value, low, high, negated } => self.between(value, low, high, *negated, expr.span, ctx),
            Ast::List { op, value, items } => self.list(*op, value, items, expr.span, ctx),
            Ast::Star | Ast::Wildcard(_) => self.error(Code::Syntax, expr.span, "columns by wildcard cannot stand in an expression"),
            Ast::Pipe { .. } | Ast::DataTable { .. } | Ast::ExternalData { .. } | Ast::Source(_) => {
                let problem = Diagnostic::error(Code::Type, expr.span, "a value is wanted here, and this is a table")
                    .with_help("toscalar(...) gives the first column of its first row");
                Err(self.report(problem))
            }
            Ast::NameTuple(_) => self.error(Code::Syntax, expr.span, "a list of names can stand only left of '='"),
        }
    }

    fn name(&mut self, name: &str, span: Span, ctx: &Ctx<'_>) -> Bound<Expr> {
        if let Some(column) = ctx.find(name) {
            return self.column_use(column, span);
        }
        match ctx.scope.get(name) {
            Some(Binding::Scalar(value)) => {
                let mut value = value.clone();
                value.span = self.place(span);
                return Ok(value);
            }
            Some(Binding::Table(_)) => {
                let problem = Diagnostic::error(Code::Type, span, format!("a value is wanted here, and '{name}' is a table"))
                    .with_help(format!("toscalar({name}) gives the first column of its first row"));
                return Err(self.report(problem));
            }
            Some(Binding::Function(function)) if function.parameters.is_empty() => {
                let function = function.clone();
                return match self.apply(&function, &[], None, span, ctx)? {
                    super::functions::Value::Scalar(value) => Ok(value),
                    super::functions::Value::Table(_) => {
                        self.error(Code::Type, span, format!("a value is wanted here, and '{name}' gives a table"))
                    }
                };
            }
            Some(Binding::Function(_)) => {
                let problem =
                    Diagnostic::error(Code::Type, span, format!("'{name}' is a function")).with_help(format!("call it: {name}(...)"));
                return Err(self.report(problem));
            }
            Some(Binding::Broken) => return Err(Reported),
            None => {}
        }
        Err(self.unknown_column(name, span, ctx))
    }

    /// Reports a column that does not exist.
    pub(crate) fn unknown_column(&mut self, name: &str, span: Span, ctx: &Ctx<'_>) -> Reported {
        let scalars = ctx
            .scope
            .names()
            .into_iter()
            .filter(|(_, binding)| matches!(binding, Binding::Scalar(_)))
            .map(|(name, _)| name.to_owned())
            .collect::<Vec<_>>();
        let candidates = ctx
            .columns
            .iter()
            .map(|column| column.name.as_str())
            .chain(scalars.iter().map(String::as_str));
        let what = if ctx.columns.is_empty() { "value" } else { "column" };
        let mut problem = suggest::unknown(what, name, span, candidates);
        if problem.help.is_none() && !ctx.columns.is_empty() && ctx.columns.len() <= LISTED_COLUMNS {
            let names: Vec<&str> = ctx.columns.iter().map(|column| column.name.as_str()).collect();
            problem = problem.with_help(format!("there are {}", names.join(", ")));
        }
        self.report(problem)
    }

    /// A reference to a column, unless the column itself did not bind.
    pub(crate) fn column_use(&mut self, column: &Column, span: Span) -> Bound<Expr> {
        if self.is_poisoned(column.id) {
            return Err(Reported);
        }
        Ok(Expr::column(column, self.place(span)))
    }

    fn member(&mut self, base: &ast::Expr, member: &ast::Name, span: Span, ctx: &Ctx<'_>) -> Bound<Expr> {
        if let Ast::Name(side) = &base.kind {
            if let (Some((left, right)), "$left" | "$right") = (ctx.sides, side.as_str()) {
                let columns = if side == "$left" { left } else { right };
                let side_ctx = Ctx {
                    columns,
                    sides: None,
                    ..Ctx::constant(ctx.scope)
                };
                return match side_ctx.find(&member.text) {
                    Some(column) => self.column_use(column, span),
                    None => Err(self.unknown_column(&member.text, member.span, &side_ctx)),
                };
            }
            if let Some((_, state)) = ctx.steps.iter().find(|(name, _)| name == side) {
                let step = Ctx {
                    columns: state,
                    ..Ctx::constant(ctx.scope)
                };
                return match step.find(&member.text) {
                    Some(column) => self.column_use(column, span),
                    None => Err(self.unknown_column(&member.text, member.span, &step)),
                };
            }
        }
        if is_reference(base) {
            self.local_reference(base)?;
            return self.name(&member.text, member.span, ctx);
        }
        let object = self.expr(base, ctx)?;
        self.step(object, PathStep::Key(member.text.clone()), span, base)
    }

    fn element(&mut self, base: &ast::Expr, index: &ast::Expr, span: Span, ctx: &Ctx<'_>) -> Bound<Expr> {
        let object = self.expr(base, ctx);
        let index = self.expr(index, ctx)?;
        let step = match (&index.kind, index.ty) {
            (ExprKind::Literal(Value::String(key)), _) => PathStep::Key(key.clone()),
            (ExprKind::Literal(Value::Long(i)), _) => PathStep::Index(*i),
            (ExprKind::Literal(Value::Int(i)), _) => PathStep::Index(i64::from(*i)),
            (_, Type::String | Type::Long) => PathStep::Expr(Box::new(index)),
            (_, Type::Int) => PathStep::Expr(Box::new(cast(index, Type::Long))),
            (_, Type::Dynamic) => PathStep::Expr(Box::new(cast(index, Type::String))),
            (_, ty) => {
                return self.error(
                    Code::Type,
                    index.span,
                    format!("an index is a whole number or a string, and this is of type {ty}"),
                );
            }
        };
        self.step(object?, step, span, base)
    }

    /// One step into a dynamic.
    fn step(&mut self, object: Expr, step: PathStep, span: Span, written: &ast::Expr) -> Bound<Expr> {
        if object.ty != Type::Dynamic {
            let problem = Diagnostic::error(
                Code::Type,
                span,
                format!("only a dynamic value has members, and this is of type {}", object.ty),
            );
            let problem = match (&written.kind, object.ty) {
                (Ast::Name(name), Type::String) => {
                    let rest = match &step {
                        PathStep::Key(key) => format!(".{key}"),
                        PathStep::Index(i) => format!("[{i}]"),
                        PathStep::Expr(_) => "[...]".to_owned(),
                    };
                    problem
                        .with_help(format!("parse the text first: parse_json({name}){rest}"))
                        .with_fix(written.span, format!("parse_json({name})"))
                }
                (_, Type::String) => problem.with_help("parse the text first with parse_json()"),
                _ => problem,
            };
            return Err(self.report(problem));
        }
        let span = self.place(span);
        let kind = match object.kind {
            ExprKind::Path { base, mut steps } => {
                steps.push(step);
                ExprKind::Path { base, steps }
            }
            _ => ExprKind::Path {
                base: Box::new(object),
                steps: vec![step],
            },
        };
        Ok(Expr {
            kind,
            ty: Type::Dynamic,
            span,
        })
    }

    fn negate(&mut self, inner: Expr, span: Span) -> Bound<Expr> {
        if inner.ty == Type::Dynamic {
            let number = self.negate(cast(inner, Type::Real), span)?;
            return Ok(cast(number, Type::Dynamic));
        }
        if !inner.ty.is_numeric() && inner.ty != Type::TimeSpan {
            return self.error(Code::Type, span, format!("'-' is not defined for {}", inner.ty));
        }
        // The arithmetic of the language starts at long.
        let inner = if inner.ty == Type::Int { cast(inner, Type::Long) } else { inner };
        let ty = inner.ty;
        if let Some(value) = inner.as_literal().and_then(super::constant::negate) {
            return Ok(Expr::literal(value, self.place(span)));
        }
        Ok(Expr {
            kind: ExprKind::Negate(Box::new(inner)),
            ty,
            span: self.place(span),
        })
    }

    /// `a op b op c ...`: the left spine without recursion, since generated queries have hundreds of `or`s.
    fn chain(&mut self, expr: &ast::Expr, ctx: &Ctx<'_>) -> Bound<Expr> {
        let mut rights: Vec<(BinaryOp, &ast::Expr, Span)> = Vec::new();
        let mut first = expr;
        while let Ast::Binary { op, left, right } = &first.kind {
            rights.push((*op, right, first.span));
            first = left;
        }
        if matches!(first.kind, Ast::Star)
            && let Some((op, term, span)) = rights.pop()
        {
            // `* has "x"`: any column
            let found = self.any_text(op, term, span, ctx);
            return self.chained(found, rights, ctx);
        }
        let result = self.expr(first, ctx);
        self.chained(result, rights, ctx)
    }

    fn chained(&mut self, first: Bound<Expr>, rights: Vec<(BinaryOp, &ast::Expr, Span)>, ctx: &Ctx<'_>) -> Bound<Expr> {
        let mut result = first;
        for (op, right, span) in rights.into_iter().rev() {
            let right = self.expr(right, ctx);
            result = match (result, right) {
                (Ok(_), Ok(_)) if op == BinaryOp::Colon => self.error(Code::Syntax, span, "':' can be used only in search; use has"),
                (Ok(left), Ok(right)) => self.binary(op, left, right, span),
                _ => Err(Reported),
            };
        }
        result
    }

    fn between(&mut self, value: &ast::Expr, low: &ast::Expr, high: &ast::Expr, negated: bool, span: Span, ctx: &Ctx<'_>) -> Bound<Expr> {
        let (value, low, high) = (self.expr(value, ctx), self.expr(low, ctx), self.expr(high, ctx));
        let (value, low, mut high) = (value?, low?, high?);
        if high.ty == Type::TimeSpan && low.ty == Type::DateTime {
            high = self.binary(BinaryOp::Add, low.clone(), high, span)?;
        }
        if matches!(value.ty, Type::String | Type::Bool | Type::Guid) {
            let ty = value.ty;
            return self.error(
                Code::Type,
                value.span,
                format!("'between' works on numbers, datetimes and timespans, and this is of type {ty}"),
            );
        }
        let (above, below, both) = if negated {
            (BinaryOp::Less, BinaryOp::Greater, BinaryOp::Or)
        } else {
            (BinaryOp::GreaterEqual, BinaryOp::LessEqual, BinaryOp::And)
        };
        let above = self.binary(above, value.clone(), low, span)?;
        let below = self.binary(below, value, high, span)?;
        self.binary(both, above, below, span)
    }

    fn list(&mut self, op: ListOp, value: &ast::Expr, items: &[ast::Expr], span: Span, ctx: &Ctx<'_>) -> Bound<Expr> {
        let value = self.expr(value, ctx);
        let textual = !matches!(op, ListOp::In | ListOp::NotIn);
        if let [item] = items
            && self.is_tabular(item, ctx)
        {
            let rel = self.tabular(item, ctx.scope)?;
            return self.in_rel(op, textual, value?, rel, span);
        }
        let mut bound = Vec::with_capacity(items.len());
        for item in items {
            bound.push(self.expr(item, ctx));
        }
        let mut value = value?;
        let mut items = bound.into_iter().collect::<Bound<Vec<Expr>>>()?;
        if items.len() > 1 {
            items = spread(items);
        }
        for item in &mut items {
            if let Some(converted) = listed(item, value.ty) {
                *item = converted;
            }
        }
        let dynamic_list = matches!(items.as_slice(), [only] if only.ty == Type::Dynamic);
        if textual {
            if !matches!(value.ty, Type::String | Type::Dynamic) {
                let problem = Diagnostic::error(
                    Code::Type,
                    value.span,
                    format!("'{}' works on strings, and this is of type {}", list_symbol(op), value.ty),
                )
                .with_help("convert it with tostring()");
                return Err(self.report(problem));
            }
            value = cast(value, Type::String);
        }
        if !dynamic_list {
            for item in &mut items {
                let place = item.span;
                let (value_type, item_type) = (value.ty, item.ty);
                let fits = match (value_type, item_type) {
                    (a, b) if a == b => true,
                    (Type::Dynamic, _) | (_, Type::Dynamic) => true,
                    (a, b) if a.is_numeric() && b.is_numeric() => true,
                    (Type::Guid, Type::String) | (Type::String, Type::Guid) => true,
                    (Type::Bool, Type::Int | Type::Long) | (Type::Int | Type::Long, Type::Bool) => true,
                    // Compared as text, like `==`.
                    (Type::String, b) => b.is_numeric() || b == Type::Bool,
                    (a, Type::String) => a.is_numeric() || a == Type::Bool,
                    _ => false,
                };
                if !fits {
                    return self.error(
                        Code::Type,
                        place,
                        format!("'{}' compares with {value_type}, and this is of type {item_type}", list_symbol(op)),
                    );
                }
            }
            let target = match value.ty {
                Type::Dynamic => items
                    .iter()
                    .map(|item| item.ty)
                    .reduce(|a, b| super::typing::common(a, b).unwrap_or(Type::String))
                    .map_or(Type::String, |ty| if ty == Type::Dynamic { Type::String } else { ty }),
                ty if ty != Type::String && items.iter().any(|item| item.ty == Type::String) && ty != Type::Guid => Type::String,
                ty if ty.is_numeric() => items
                    .iter()
                    .filter(|item| item.ty.is_numeric())
                    .fold(ty, |wide, item| super::typing::wider(wide, item.ty)),
                ty => ty,
            };
            value = cast(value, target);
            items = items.into_iter().map(|item| cast(item, target)).collect();
        }
        Ok(Expr {
            kind: ExprKind::List {
                op,
                value: Box::new(value),
                items,
            },
            ty: Type::Bool,
            span: self.place(span),
        })
    }

    fn in_rel(&mut self, op: ListOp, textual: bool, value: Expr, rel: Rel, span: Span) -> Bound<Expr> {
        let Some(first) = rel.columns.first().cloned() else {
            return self.error(Code::Semantic, span, "the table has no column to compare with");
        };
        let item = self.column_use(&first, span)?;
        let number = |ty: Type| ty.is_numeric() || ty == Type::Bool;
        let text_and_number = (value.ty == Type::String && number(first.ty)) || (first.ty == Type::String && number(value.ty));
        let target = if textual || text_and_number {
            Type::String
        } else if value.ty == Type::Dynamic {
            if first.ty == Type::Dynamic { Type::String } else { first.ty }
        } else if value.ty.is_numeric() && first.ty.is_numeric() {
            super::typing::wider(value.ty, first.ty)
        } else {
            value.ty
        };
        let fits = |ty: Type| ty == target || ty == Type::Dynamic || (ty.is_numeric() && target.is_numeric());
        if !text_and_number && (!fits(first.ty) || !fits(value.ty)) {
            return self.error(
                Code::Type,
                span,
                format!(
                    "'{}' cannot compare {} with column '{}' of type {}",
                    list_symbol(op),
                    value.ty,
                    first.name,
                    first.ty
                ),
            );
        }
        let place = rel.span;
        let rel = if rel.columns.len() == 1 && first.ty == target {
            rel
        } else {
            let column = self.column(first.name.clone(), target);
            let expr = cast(item, target);
            self.rel(
                RelKind::Project {
                    input: Box::new(rel),
                    exprs: vec![expr],
                },
                vec![column],
                false,
                place,
            )
        };
        Ok(Expr {
            kind: ExprKind::InRel {
                op,
                value: Box::new(cast(value, target)),
                rel: Arc::new(rel),
            },
            ty: Type::Bool,
            span: self.place(span),
        })
    }

    /// Binds a list of expressions, reporting what is wrong with each.
    pub(crate) fn exprs_of<'e>(&mut self, exprs: impl IntoIterator<Item = &'e ast::Expr>, ctx: &Ctx<'_>) -> Bound<Vec<Expr>> {
        let bound: Vec<Bound<Expr>> = exprs.into_iter().map(|expr| self.expr(expr, ctx)).collect();
        bound.into_iter().collect()
    }
}

/// Constant arrays among the items of a list: their elements are items.
fn spread(items: Vec<Expr>) -> Vec<Expr> {
    let mut all = Vec::with_capacity(items.len());
    for item in items {
        match item.as_literal() {
            Some(Value::Dynamic(json)) => match super::constant::elements(json) {
                Some(values) => all.extend(values.into_iter().map(|value| Expr::literal(value, item.span))),
                None => all.push(item),
            },
            _ => all.push(item),
        }
    }
    all
}

/// A constant of a list as the type it is compared with: `"403"` for a number, `403` for a text.
fn listed(item: &Expr, ty: Type) -> Option<Expr> {
    let literal = item.as_literal()?;
    if literal.ty() == ty || literal.ty() == Type::Dynamic || ty == Type::Dynamic {
        return None;
    }
    let value = match literal {
        Value::String(text) => crate::syntax::literal::parse_typed(ty, text)?,
        Value::Long(n) if ty == Type::String => Value::String(n.to_string()),
        _ => return None,
    };
    (!matches!(value, Value::Null(_))).then(|| Expr::literal(value, item.span))
}

/// `database("x")`, `workspace("x")`, `cluster("x")...: the left of a reference to an entity elsewhere.
pub(crate) fn is_reference(expr: &ast::Expr) -> bool {
    match &expr.kind {
        Ast::Call { name, .. } => matches!(
            name.text.as_str(),
            "database" | "workspace" | "cluster" | "app" | "resource" | "adx" | "arg"
        ),
        Ast::MethodCall { base, name, .. } => name.text == "database" && is_reference(base),
        _ => false,
    }
}
