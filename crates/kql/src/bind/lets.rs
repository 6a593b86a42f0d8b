//! Statements: `let`, `set`, `declare query_parameters`, and the expression that is the answer.

use std::rc::Rc;

use super::expr::Ctx;
use super::scope::LetFunction;
use super::typing::cast;
use super::{Binder, Binding, Bound, Scope};
use crate::bound::{Expr, Rel};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::syntax::ast::{self, ParameterType, StatementKind};
use crate::types::{Type, Value};

impl Binder<'_> {
    /// A whole query.
    pub(crate) fn query(&mut self, query: &ast::Query, text: &str) -> Bound<Rel> {
        self.query_in(query, &Scope::default(), Span::new(0, text.len()))
    }

    /// A query in a scope: of a view, or the one people wrote.
    pub(crate) fn query_in(&mut self, query: &ast::Query, scope: &Scope, all: Span) -> Bound<Rel> {
        let mut scope = scope.clone();
        let mut result = None;
        let mut defined: Vec<&str> = Vec::new();
        for statement in &query.statements {
            if let StatementKind::Let { name, .. } | StatementKind::LetFunction { name, .. } = &statement.kind {
                if defined.contains(&name.text.as_str()) {
                    let problem = Diagnostic::error(
                        Code::Semantic,
                        name.span,
                        format!("there is a definition of '{}' already", name.text),
                    )
                    .with_help("give it another name");
                    self.report(problem);
                }
                defined.push(&name.text);
            }
            match &statement.kind {
                StatementKind::Expression(expr) => result = Some(self.answer(expr, &scope)),
                _ => scope = self.statement(statement, &scope),
            }
        }
        match result {
            Some(result) => result,
            None => {
                let problem = Diagnostic::error(Code::Semantic, all, "the query has no expression to answer")
                    .with_help("end it in a table, e.g. 'KubernetesAudit | take 10'");
                Err(self.report(problem))
            }
        }
    }

    fn answer(&mut self, expr: &ast::Expr, scope: &Scope) -> Bound<Rel> {
        let ctx = Ctx::constant(scope);
        if let ast::ExprKind::Name(name) = &expr.kind
            && let Some(Binding::Scalar(_)) = scope.get(name)
        {
            let problem = Diagnostic::error(Code::Semantic, expr.span, format!("'{name}' is a value, not a table"))
                .with_help(format!("print {name}"))
                .with_fix(expr.span, format!("print {name}"));
            return Err(self.report(problem));
        }
        if !self.is_tabular(expr, &ctx) && matches!(expr.kind, ast::ExprKind::Literal(_) | ast::ExprKind::Binary { .. }) {
            let problem =
                Diagnostic::error(Code::Semantic, expr.span, "the query is a value, not a table").with_help("put 'print' in front");
            return Err(self.report(problem));
        }
        self.tabular(expr, scope)
    }

    /// A statement that defines something; gives the names known after it.
    pub(crate) fn statement(&mut self, statement: &ast::Statement, scope: &Scope) -> Scope {
        match &statement.kind {
            StatementKind::Let { name, value } => {
                let before = self.diagnostics.len();
                let binding = self.let_value(value, scope).unwrap_or_else(|_| {
                    let why = self.diagnostics.get(before..).unwrap_or_default();
                    let table_missing =
                        |problem: &Diagnostic| problem.code == Code::UnknownName && problem.message.contains("no table named");
                    if !why.is_empty() && why.iter().all(table_missing) {
                        let why = self.diagnostics.split_off(before);
                        self.absent.push((name.text.clone(), why));
                    }
                    Binding::Broken
                });
                scope.with(name.text.clone(), binding)
            }
            StatementKind::LetFunction { name, parameters, body } => {
                let function = LetFunction {
                    name: name.text.clone(),
                    parameters: parameters.clone(),
                    body: (**body).clone(),
                    scope: scope.clone(),
                    foreign: None,
                };
                scope.with(name.text.clone(), Binding::Function(Rc::new(function)))
            }
            StatementKind::Set { name, value } => {
                let value = value.as_ref().and_then(|value| self.set_value(value, scope));
                self.options.push((name.text.clone(), value));
                scope.clone()
            }
            StatementKind::DeclareParameters(parameters) => {
                let mut scope = scope.clone();
                for parameter in parameters {
                    let binding = self.query_parameter(parameter, &scope).unwrap_or(Binding::Broken);
                    scope = scope.with(parameter.name.text.clone(), binding);
                }
                scope
            }
            StatementKind::Other(what) => {
                let problem = Diagnostic::not_supported(statement.span, what);
                self.report(problem);
                scope.clone()
            }
            StatementKind::Expression(_) => scope.clone(),
        }
    }

    fn let_value(&mut self, value: &ast::Expr, scope: &Scope) -> Bound<Binding> {
        // Another name for a function.
        if let ast::ExprKind::Name(name) = &value.kind
            && let Some(binding @ Binding::Function(_)) = scope.get(name)
        {
            return Ok(binding.clone());
        }
        let ctx = Ctx::constant(scope);
        if self.is_tabular(value, &ctx) {
            return Ok(Binding::Table(Rc::new(self.tabular(value, scope)?)));
        }
        Ok(Binding::Scalar(self.expr(value, &ctx)?))
    }

    fn set_value(&mut self, value: &ast::Expr, scope: &Scope) -> Option<Value> {
        if let ast::ExprKind::Name(name) = &value.kind {
            return Some(Value::String(name.clone()));
        }
        let value = self.expr(value, &Ctx::constant(scope)).ok()?;
        value.as_literal().cloned()
    }

    fn query_parameter(&mut self, parameter: &ast::Parameter, scope: &Scope) -> Bound<Binding> {
        let ParameterType::Scalar(ty) = &parameter.ty else {
            return self.error(Code::Semantic, parameter.name.span, "a parameter of a query must be a scalar");
        };
        let name = &parameter.name.text;
        let parameters = self.env.parameters;
        let value = match parameters.iter().find(|(given, _)| given == name) {
            Some((_, value)) => {
                let value = Expr::literal(value.clone(), self.place(parameter.name.span));
                // Clients send values as text or as the widest type: what converts is taken.
                match parse(&value, *ty) {
                    Some(value) => value,
                    None => self.assignable(value, *ty, &format!("query parameter '{name}'"))?,
                }
            }
            None => match &parameter.default {
                Some(default) => {
                    let value = self.expr(default, &Ctx::constant(scope))?;
                    self.assignable(value, *ty, &format!("query parameter '{name}'"))?
                }
                None => {
                    return self.error(
                        Code::Semantic,
                        parameter.name.span,
                        format!("query parameter '{name}' has neither a value nor a default"),
                    );
                }
            },
        };
        Ok(Binding::Scalar(value))
    }

    /// A constant, or a report of what is wanted.
    pub(crate) fn constant(&mut self, expr: &ast::Expr, scope: &Scope, what: &str) -> Bound<Value> {
        let value = self.expr(expr, &Ctx::constant(scope))?;
        match value.as_literal() {
            Some(value) => Ok(value.clone()),
            None => self.error(Code::Arguments, expr.span, format!("{what} must be a constant")),
        }
    }

    /// A property that is a bare word or a string: `kind=inner`, `withsource=T`.
    pub(crate) fn word(&mut self, expr: &ast::Expr, scope: &Scope, what: &str) -> Bound<String> {
        match &expr.kind {
            ast::ExprKind::Name(name) => Ok(name.clone()),
            _ => match self.constant(expr, scope, what)? {
                Value::String(text) => Ok(text),
                Value::Bool(flag) => Ok(flag.to_string()),
                Value::Long(n) => Ok(n.to_string()),
                _ => self.error(Code::Arguments, expr.span, format!("{what} must be a name")),
            },
        }
    }

    /// A count of rows: long, of a constant or a scalar query.
    pub(crate) fn row_count(&mut self, expr: &ast::Expr, scope: &Scope, what: &str) -> Bound<Expr> {
        let count = self.expr(expr, &Ctx::constant(scope))?;
        if !matches!(count.ty, Type::Long | Type::Int | Type::Dynamic) {
            return self.error(
                Code::Type,
                expr.span,
                format!("{what} must be a whole number, and this is of type {}", count.ty),
            );
        }
        if super::constant::integer(&count).is_some_and(|n| n < 0) {
            return self.error(Code::Semantic, expr.span, format!("{what} must not be negative"));
        }
        Ok(cast(count, Type::Long))
    }
}

fn parse(value: &Expr, ty: Type) -> Option<Expr> {
    let literal = value.as_literal()?;
    if literal.ty() == ty {
        return Some(value.clone());
    }
    let parsed = match literal {
        Value::String(text) => crate::syntax::literal::parse_typed(ty, text)?,
        other => super::constant::convert(other, ty)?,
    };
    Some(Expr::literal(parsed, value.span))
}
