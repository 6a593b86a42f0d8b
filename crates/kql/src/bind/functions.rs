//! Functions of the query and stored ones: a call is the body with its parameters as names of its scope.

use std::rc::Rc;

use super::expr::Ctx;
use super::scope::LetFunction;
use super::{Binder, Binding, Bound, Scope, suggest};
use crate::bound::{Expr, Rel, RelKind};
use crate::catalog::Entity;
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::syntax::ast::{self, ExprKind as Ast, ParameterType, StatementKind};
use crate::types::Type;

/// What an expression or a function call gives.
pub(crate) enum Value {
    Scalar(Expr),
    Table(Rel),
}

impl Binder<'_> {
    /// Calls a function; `piped` is the table in front of `invoke`.
    pub(crate) fn apply(
        &mut self,
        function: &Rc<LetFunction>,
        arguments: &[ast::Argument],
        piped: Option<Rel>,
        span: Span,
        ctx: &Ctx<'_>,
    ) -> Bound<Value> {
        let scope = self.parameters(function, arguments, piped, span, ctx)?;
        let (foreign, outer) = (self.foreign, std::mem::take(&mut self.outer));
        if function.foreign.is_some() {
            self.foreign = Some(self.place(span));
            self.expanding.push(function.name.clone());
        }
        let body_ctx = Ctx {
            scope: &scope,
            aggregates: ctx.aggregates,
            windows: ctx.windows,
            serialized: ctx.serialized,
            ..Ctx::constant(&scope)
        };
        let before = self.diagnostics.len();
        let result = self.deeper(span, |binder| binder.body(&function.body, &body_ctx));
        if self.lenient() && function.foreign.is_none() {
            // What is wrong with the body has been said where it is defined.
            self.diagnostics.truncate(before);
        }
        if function.foreign.is_some() {
            self.expanding.pop();
        }
        (self.foreign, self.outer) = (foreign, outer);
        result
    }

    /// Statements of a function and the expression it ends in.
    pub(crate) fn body(&mut self, body: &ast::Query, ctx: &Ctx<'_>) -> Bound<Value> {
        let mut scope = ctx.scope.clone();
        let mut last = None;
        for statement in &body.statements {
            match &statement.kind {
                StatementKind::Expression(expr) => last = Some(expr),
                _ => scope = self.statement(statement, &scope),
            }
        }
        let Some(last) = last else {
            let span = body.statements.first().map_or(Span::default(), |statement| statement.span);
            return self.error(Code::Semantic, span, "the function ends in no expression");
        };
        let ctx = Ctx { scope: &scope, ..*ctx };
        if self.is_tabular(last, &ctx) {
            self.tabular(last, &scope).map(Value::Table)
        } else {
            self.expr(last, &ctx).map(Value::Scalar)
        }
    }

    fn parameters(
        &mut self,
        function: &Rc<LetFunction>,
        arguments: &[ast::Argument],
        piped: Option<Rel>,
        span: Span,
        ctx: &Ctx<'_>,
    ) -> Bound<Scope> {
        let shift = usize::from(piped.is_some());
        let mut given: Vec<Option<&ast::Expr>> = vec![None; function.parameters.len()];
        let mut position = shift;
        for argument in arguments {
            let index = match &argument.name {
                Some(name) => match function.parameters.iter().position(|p| p.name.text == name.text) {
                    Some(index) => index,
                    None => {
                        let names: Vec<&str> = function.parameters.iter().map(|p| p.name.text.as_str()).collect();
                        let problem = suggest::unknown("parameter", &name.text, name.span, names);
                        return Err(self.report(problem));
                    }
                },
                None => {
                    // A parameter that is given by name is not counted.
                    while given.get(position).is_some_and(Option::is_some) {
                        position += 1;
                    }
                    position += 1;
                    position - 1
                }
            };
            match given.get_mut(index) {
                Some(slot) => *slot = Some(&argument.value),
                None => {
                    let most = function.parameters.len() - shift.min(function.parameters.len());
                    return self.error(
                        Code::Arguments,
                        argument.value.span,
                        format!("{}() takes {most} arguments, and more are given", function.name),
                    );
                }
            }
        }
        let mut scope = function.scope.clone();
        let mut piped = piped;
        for (index, parameter) in function.parameters.iter().enumerate() {
            let what = format!("parameter '{}' of {}()", parameter.name.text, function.name);
            let binding = match &parameter.ty {
                ParameterType::Scalar(ty) => {
                    let value = match (given.get(index).copied().flatten(), &parameter.default) {
                        (Some(value), _) => self.expr(value, ctx)?,
                        (None, Some(default)) => self.expr(default, &Ctx::constant(&function.scope))?,
                        (None, None) => return self.missing(&what, span),
                    };
                    Binding::Scalar(self.assignable(value, *ty, &what)?)
                }
                ParameterType::Table { columns, .. } => {
                    let rel = match (given.get(index).copied().flatten(), piped.take()) {
                        (None, Some(rel)) if index == 0 => rel,
                        (Some(value), _) => self.tabular(value, ctx.scope)?,
                        _ => return self.missing(&what, span),
                    };
                    Binding::Table(Rc::new(self.fit(rel, columns, &what, span)?))
                }
            };
            scope = scope.with(parameter.name.text.clone(), binding);
        }
        if piped.is_some() {
            return self.error(
                Code::Arguments,
                span,
                format!("{}() does not take a table as its first parameter", function.name),
            );
        }
        Ok(scope)
    }

    fn missing<T>(&mut self, what: &str, span: Span) -> Bound<T> {
        self.error(Code::Arguments, span, format!("{what} is missing"))
    }

    /// A table argument: it must have the columns declared.
    fn fit(&mut self, rel: Rel, columns: &[(ast::Name, Type)], what: &str, span: Span) -> Bound<Rel> {
        for (name, ty) in columns {
            let Some(column) = rel.columns.iter().find(|column| column.name == name.text) else {
                return self.error(
                    Code::Semantic,
                    span,
                    format!("{what} wants a table with a column '{}', which this one does not have", name.text),
                );
            };
            if column.ty != *ty && !self.is_poisoned(column.id) {
                return self.error(
                    Code::Type,
                    span,
                    format!(
                        "{what} wants column '{}' to be of type {ty}, and it is of type {}",
                        name.text, column.ty
                    ),
                );
            }
        }
        // Columns that are not declared go along: a function may hand them on.
        Ok(rel)
    }

    /// A function of the schema, if there is one of this name.
    pub(crate) fn stored_function(&mut self, name: &str, span: Span) -> Bound<Option<Rc<LetFunction>>> {
        let Some(Entity::Function { parameters, body }) = self.env.schema.entity(name) else {
            return Ok(None);
        };
        if self.expanding.iter().any(|open| open == name) {
            return self.error(Code::Semantic, span, format!("function '{name}' calls itself"));
        }
        let text = format!("let stored = {parameters} {{\n{body}\n}};\nprint 1");
        let (query, problems) = crate::syntax::parse(&text);
        if let Some(problem) = problems.first() {
            let problem = Diagnostic::error(
                Code::Semantic,
                span,
                format!("the stored function '{name}' is not valid: {}", problem.message),
            );
            return Err(self.report(problem));
        }
        for statement in query.statements {
            if let StatementKind::LetFunction { parameters, body, .. } = statement.kind {
                return Ok(Some(Rc::new(LetFunction {
                    name: name.to_owned(),
                    view: false,
                    parameters,
                    body: *body,
                    scope: Scope::default(),
                    foreign: Some(self.place(span)),
                })));
            }
        }
        self.error(Code::Semantic, span, format!("the stored function '{name}' is not valid"))
    }

    /// Whether an expression is a table.
    pub(crate) fn is_tabular(&self, expr: &ast::Expr, ctx: &Ctx<'_>) -> bool {
        if super::patterns::pattern_call(expr, ctx.scope).is_some() {
            return true;
        }
        match &expr.kind {
            Ast::Pipe { .. } | Ast::DataTable { .. } | Ast::ExternalData { .. } | Ast::Source(_) => true,
            Ast::Name(name) => {
                if ctx.find(name).is_some() {
                    return false;
                }
                match ctx.scope.get(name) {
                    Some(binding) => matches!(binding, Binding::Table(_)),
                    None => self.is_table_name(name),
                }
            }
            Ast::Member { base, member } => super::expr::is_reference(base) && self.env.schema.entity(&member.text).is_some(),
            Ast::Call { name, .. } => self.is_tabular_call(&name.text, ctx.scope),
            Ast::MethodCall { base, name, .. } => super::expr::is_reference(base) && self.is_tabular_call(&name.text, ctx.scope),
            _ => false,
        }
    }

    fn is_table_name(&self, name: &str) -> bool {
        matches!(self.env.schema.entity(name), Some(Entity::Table { .. } | Entity::View { .. })) || self.is_stored_tabular(name)
    }

    fn is_tabular_call(&self, name: &str, scope: &Scope) -> bool {
        match scope.get(name) {
            Some(Binding::Function(function)) => return self.function_is_tabular(function),
            Some(Binding::Table(_)) => return true,
            Some(_) => return false,
            None => {}
        }
        matches!(
            name,
            "materialize" | "table" | "materialized_view" | "external_table" | "stored_query_result"
        ) || self.is_stored_tabular(name)
    }

    fn is_stored_tabular(&self, name: &str) -> bool {
        let Some(Entity::Function { body, .. }) = self.env.schema.entity(name) else {
            return false;
        };
        if self.expanding.iter().any(|open| open == name) {
            return false;
        }
        let (query, _) = crate::syntax::parse(&body);
        self.body_is_tabular(&query, &Scope::default())
    }

    fn function_is_tabular(&self, function: &LetFunction) -> bool {
        let mut scope = function.scope.clone();
        for parameter in &function.parameters {
            let binding = match parameter.ty {
                ParameterType::Scalar(_) => Binding::Broken,
                ParameterType::Table { .. } => some_table(),
            };
            scope = scope.with(parameter.name.text.clone(), binding);
        }
        self.body_is_tabular(&function.body, &scope)
    }

    fn body_is_tabular(&self, body: &ast::Query, scope: &Scope) -> bool {
        let mut scope = scope.clone();
        let mut result = false;
        for statement in &body.statements {
            let ctx = Ctx::constant(&scope);
            match &statement.kind {
                StatementKind::Let { name, value } => {
                    let binding = if self.is_tabular(value, &ctx) {
                        some_table()
                    } else {
                        Binding::Broken
                    };
                    scope = scope.with(name.text.clone(), binding);
                }
                StatementKind::LetFunction {
                    name,
                    view,
                    parameters,
                    body,
                } => {
                    let function = LetFunction {
                        name: name.text.clone(),
                        view: *view,
                        parameters: parameters.clone(),
                        body: (**body).clone(),
                        scope: scope.clone(),
                        foreign: None,
                    };
                    scope = scope.with(name.text.clone(), Binding::Function(Rc::new(function)));
                }
                StatementKind::Expression(expr) => result = self.is_tabular(expr, &ctx),
                _ => {}
            }
        }
        result
    }
}

/// Stands for a table where only that it is one matters.
fn some_table() -> Binding {
    Binding::Table(Rc::new(Rel {
        kind: RelKind::Unit,
        columns: Vec::new(),
        serialized: false,
        open: false,
        span: Span::default(),
    }))
}
