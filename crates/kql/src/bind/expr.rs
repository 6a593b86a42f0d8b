//! Scalar expressions: names, paths into dynamics, operators, lists.

use std::cell::RefCell;

use super::graph::GraphScope;
use super::typing::cast;
use super::{Binder, Binding, Bound, Reported, Scope, suggest};
use crate::bound::{Aggregate, Column, Expr, ExprKind, PathStep, Rel};
use crate::catalog::{FunctionKind, Signature};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::syntax::ast::{self, BinaryOp, ExprKind as Ast};
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
    /// The pattern of a graph query
    pub(crate) graph: Option<&'c GraphScope>,
    /// The rows have an order
    pub(crate) serialized: bool,
    /// A name that is no column may be one nevertheless
    pub(crate) open: bool,
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
            graph: None,
            serialized: false,
            open: false,
            windows: false,
            aggregates: None,
        }
    }

    /// An expression over the rows of a relation.
    pub(crate) fn row(scope: &'c Scope, input: &'c Rel) -> Ctx<'c> {
        Ctx {
            columns: &input.columns,
            serialized: input.serialized,
            open: input.open,
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
        let before = self.diagnostics.len();
        let bound = self.deeper(expr.span, |binder| binder.expr_inner(expr, ctx));
        // What is made of something unknown has a type nevertheless, where the operator or function decides it.
        if bound.is_err()
            && self.lenient()
            && self.diagnostics.len() == before
            && let Some(ty) = self.decided_type(expr)
        {
            let column = self.column(String::new(), ty);
            return Ok(Expr::column(&column, self.place(expr.span)));
        }
        bound
    }

    /// The type that an expression has whatever its operands are.
    fn decided_type(&self, expr: &ast::Expr) -> Option<Type> {
        use BinaryOp::{Add, Divide, Modulo, Multiply, Subtract};
        match &expr.kind {
            Ast::Binary { op, .. } => (!matches!(op, Add | Subtract | Multiply | Divide | Modulo)).then_some(Type::Bool),
            Ast::Between { .. } | Ast::List { .. } => Some(Type::Bool),
            Ast::Call { name, .. } if name.text == "not" => Some(Type::Bool),
            Ast::Call { name, .. } => match self.env.catalog.function(FunctionKind::Scalar, &name.text)?.signature {
                Signature::Plain { returns, .. } => Some(returns),
                Signature::Custom(_) => None,
            },
            _ => None,
        }
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
            Some(Binding::Graph(_) | Binding::Database | Binding::Pattern(_) | Binding::Restricted(_)) => {
                return self.error(Code::Type, span, format!("a value is wanted here, and '{name}' is none"));
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
        if ctx.open {
            // Nobody can know: what uses it is taken as it is.
            let mut inferred = self.inferred.borrow_mut();
            if !inferred.iter().any(|known| known == name) {
                inferred.push(name.to_owned());
            }
            return Err(Reported);
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
                    open: ctx.open,
                    sides: None,
                    ..Ctx::constant(ctx.scope)
                };
                return match side_ctx.find(&member.text) {
                    Some(column) => self.column_use(column, span),
                    None if side_ctx.open => Err(Reported),
                    None => Err(self.unknown_column(&member.text, member.span, &side_ctx)),
                };
            }
            if let Some(graph) = ctx.graph
                && let Some(value) = self.edge_property(side, member, span, graph)
            {
                return value;
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

    /// Binds a list of expressions, reporting what is wrong with each.
    pub(crate) fn exprs_of<'e>(&mut self, exprs: impl IntoIterator<Item = &'e ast::Expr>, ctx: &Ctx<'_>) -> Bound<Vec<Expr>> {
        let bound: Vec<Bound<Expr>> = exprs.into_iter().map(|expr| self.expr(expr, ctx)).collect();
        bound.into_iter().collect()
    }
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
