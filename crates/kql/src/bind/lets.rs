//! Statements: `let`, `set`, `declare query_parameters`, and the expression that is the answer.

use std::rc::Rc;

use super::expr::Ctx;
use super::scope::LetFunction;
use super::tabular::Piped;
use super::typing::cast;
use super::{Binder, Binding, Bound, Outer, Reported, Scope};
use crate::bound::{BoundTable, Expr, Rel};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::syntax::ast::{self, ParameterType, StatementKind};
use crate::types::{Type, Value};

impl Binder<'_> {
    /// A whole query: the tables it answers with.
    pub(crate) fn query(&mut self, query: &ast::Query, text: &str) -> Bound<Vec<BoundTable>> {
        self.answers_in(query, &Scope::default(), Span::new(0, text.len()))
    }

    /// A query in a scope, of a view or a plugin: it gives one table.
    pub(crate) fn query_in(&mut self, query: &ast::Query, scope: &Scope, all: Span) -> Bound<Rel> {
        let visualization = self.visualization.take();
        let answers = self.answers_in(query, scope, all);
        self.visualization = visualization;
        match answers?.pop() {
            Some(answer) => Ok(answer.rel),
            None => Err(Reported),
        }
    }

    /// The statements of a query, and the tables of those that are expressions.
    fn answers_in(&mut self, query: &ast::Query, scope: &Scope, all: Span) -> Bound<Vec<BoundTable>> {
        let mut scope = scope.clone();
        let mut answers = Vec::new();
        let mut failed = false;
        let mut defined: Vec<&str> = Vec::new();
        let last = query
            .statements
            .iter()
            .rposition(|statement| matches!(statement.kind, StatementKind::Expression(_)));
        for (position, statement) in query.statements.iter().enumerate() {
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
                StatementKind::Expression(expr) => match self.answer(expr, &mut scope) {
                    Ok(tables) => {
                        // Tables that only get a name here are shown by the statements that use it.
                        if !exports_only(expr) || last == Some(position) {
                            answers.extend(tables);
                        }
                    }
                    Err(Reported) => failed = true,
                },
                _ => scope = self.statement(statement, &scope),
            }
        }
        if failed {
            return Err(Reported);
        }
        if answers.is_empty() {
            let problem = Diagnostic::error(Code::Semantic, all, "the query has no expression to answer")
                .with_help("end it in a table, e.g. 'KubernetesAudit | take 10'");
            return Err(self.report(problem));
        }
        Ok(answers)
    }

    /// The tables of an expression statement.
    fn answer(&mut self, expr: &ast::Expr, scope: &mut Scope) -> Bound<Vec<BoundTable>> {
        self.visualization = None;
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
        let ast::ExprKind::Pipe { source, operators } = &expr.kind else {
            let rel = self.tabular(expr, scope)?;
            return Ok(vec![self.table_answer(None, rel)]);
        };
        if let Some((last, before)) = operators.split_last()
            && several(last)
        {
            let input = self.pipe(source.as_deref(), before, expr.span, scope)?;
            return self.tables_of(last, input, scope);
        }
        let name = match operators.last().map(|operator| &operator.kind) {
            Some(ast::OperatorKind::As { name }) => Some(name.text.clone()),
            _ => None,
        };
        self.beside.clear();
        match self.pipe(source.as_deref(), operators, expr.span, scope)? {
            Piped::Table(rel) => {
                let mut tables = vec![self.table_answer(name, rel)];
                // a plugin that stands last may have more to say
                if let Some(ast::OperatorKind::Evaluate { .. }) = operators.last().map(|operator| &operator.kind) {
                    for rel in std::mem::take(&mut self.beside) {
                        tables.push(self.table_answer(None, rel));
                    }
                }
                Ok(tables)
            }
            Piped::Graph(_) => {
                let problem = Diagnostic::error(Code::Semantic, expr.span, "the query gives a graph, and graphs cannot be shown")
                    .with_help("end it in graph-match, graph-shortest-paths or graph-to-table");
                Err(self.report(problem))
            }
        }
    }

    fn table_answer(&mut self, name: Option<String>, rel: Rel) -> BoundTable {
        BoundTable {
            name,
            rel,
            visualization: self.visualization.take(),
        }
    }

    /// The tables of an operator that gives several.
    fn tables_of(&mut self, operator: &ast::Operator, input: Piped, scope: &mut Scope) -> Bound<Vec<BoundTable>> {
        match (&operator.kind, input) {
            (ast::OperatorKind::GraphToTable { tables }, Piped::Graph(graph)) => self.graph_tables(tables, &graph, operator.span, scope),
            (ast::OperatorKind::Fork { branches }, Piped::Table(input)) => self.fork(branches, input, scope),
            (ast::OperatorKind::Facet { by, with }, Piped::Table(input)) => self.facet(by, with.as_deref(), input, operator.span, scope),
            _ => self.error(
                Code::Semantic,
                operator.keyword,
                "this operator does not work on what stands in front of it: graph-to-table wants a graph, fork and facet a table",
            ),
        }
    }

    /// `fork (operators) name=(operators)`: a table for each branch.
    fn fork(&mut self, branches: &[(Option<ast::Name>, ast::Expr)], input: Rel, scope: &Scope) -> Bound<Vec<BoundTable>> {
        self.outer.push(Outer::Table(Rc::new(input)));
        let mut tables = Vec::with_capacity(branches.len());
        for (name, body) in branches {
            let name = match (name, &body.kind) {
                (Some(name), _) => Some(name.text.clone()),
                (None, ast::ExprKind::Pipe { operators, .. }) => match operators.last().map(|operator| &operator.kind) {
                    Some(ast::OperatorKind::As { name }) => Some(name.text.clone()),
                    _ => None,
                },
                _ => None,
            };
            let rel = self.tabular(body, scope);
            tables.push(rel.map(|rel| self.table_answer(name, rel)));
        }
        self.outer.pop();
        tables.into_iter().collect()
    }

    /// `facet by columns with (operators)`: what the operators give, then the values of each column and how often they occur.
    fn facet(&mut self, by: &[ast::Name], with: Option<&ast::Expr>, input: Rel, span: Span, scope: &Scope) -> Bound<Vec<BoundTable>> {
        let mut tables = Vec::with_capacity(by.len() + 1);
        let input = Rc::new(input);
        if let Some(body) = with {
            self.outer.push(Outer::Table(input.clone()));
            let rel = self.tabular(body, scope);
            self.outer.pop();
            tables.push(rel.map(|rel| self.table_answer(None, rel)));
        }
        for name in by {
            tables.push(self.facet_of(name, &input, span, scope));
        }
        tables.into_iter().collect()
    }

    fn facet_of(&mut self, name: &ast::Name, input: &Rel, span: Span, scope: &Scope) -> Bound<BoundTable> {
        let column = ast::Expr {
            kind: ast::ExprKind::Name(name.text.clone()),
            span: name.span,
        };
        let count = ast::Expr {
            kind: ast::ExprKind::Call {
                name: ast::Name {
                    text: "count".to_owned(),
                    span: name.span,
                },
                arguments: Vec::new(),
            },
            span: name.span,
        };
        let counted = ast::NamedExpr {
            names: vec![ast::Name {
                text: format!("count_{}", name.text),
                span: name.span,
            }],
            value: count,
        };
        let by = ast::NamedExpr {
            names: Vec::new(),
            value: column,
        };
        let rows = self.fresh(input);
        let rel = self.summarize(&[counted], &[by], rows, span, scope)?;
        Ok(self.table_answer(None, rel))
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
                    if !self.lenient() && !why.is_empty() && why.iter().all(table_missing) {
                        let why = self.diagnostics.split_off(before);
                        self.absent.push((name.text.clone(), why));
                    }
                    Binding::Broken
                });
                scope.with(name.text.clone(), binding)
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
                if self.lenient() {
                    self.look_at(&function);
                }
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
            StatementKind::DeclarePattern(pattern) => self.declare_pattern(pattern, scope),
            StatementKind::AliasDatabase { name, target } => self.alias_database(name, target, scope),
            StatementKind::RestrictAccess { entities } => self.restrict_access(entities, scope),
            StatementKind::Expression(_) => scope.clone(),
        }
    }

    /// Names in a function that do not exist are wrong, called or not.
    fn look_at(&mut self, function: &LetFunction) {
        let mut scope = function.scope.clone();
        let span = function.parameters.first().map_or(Span::default(), |parameter| parameter.name.span);
        for parameter in &function.parameters {
            let binding = match &parameter.ty {
                ParameterType::Scalar(ty) => {
                    let column = self.column(parameter.name.text.clone(), *ty);
                    Binding::Scalar(Expr::column(&column, span))
                }
                ParameterType::Table { columns, .. } => {
                    let columns = columns.iter().map(|(name, ty)| self.column(name.text.clone(), *ty)).collect();
                    let rows = crate::bound::RelKind::Values(Vec::new());
                    Binding::Table(Rc::new(self.rel(rows, columns, false, span)))
                }
            };
            scope = scope.with(parameter.name.text.clone(), binding);
        }
        let before = self.diagnostics.len();
        let (options, visualization) = (self.options.clone(), self.visualization.take());
        let _ = self.deeper(span, |binder| binder.body(&function.body, &Ctx::constant(&scope)));
        (self.options, self.visualization) = (options, visualization);
        // Parameters have values only where it is called.
        let certain = |problem: &Diagnostic| !problem.message.contains("constant");
        let found: Vec<Diagnostic> = self.diagnostics.drain(before..).filter(certain).collect();
        self.diagnostics.extend(found);
    }

    fn let_value(&mut self, value: &ast::Expr, scope: &Scope) -> Bound<Binding> {
        // Another name for a function.
        if let ast::ExprKind::Name(name) = &value.kind
            && let Some(binding @ Binding::Function(_)) = scope.get(name)
        {
            return Ok(binding.clone());
        }
        if self.is_graph_expr(value, scope) {
            return Ok(Binding::Graph(Rc::new(self.graph(value, scope)?)));
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
    if literal.ty() == ty && ty != Type::String {
        return Some(value.clone());
    }
    let parsed = match literal {
        Value::String(text) => match written(text) {
            Some(written) if written.ty() == ty => written,
            None if ty == Type::String => Value::String(text.clone()),
            Some(_) if ty == Type::String => Value::String(text.clone()),
            Some(written) => super::constant::convert(&written, ty)?,
            None => crate::syntax::literal::parse_typed(ty, text)?,
        },
        other => super::constant::convert(other, ty)?,
    };
    Some(Expr::literal(parsed, value.span))
}

/// The constant that a text is in the language: `datetime(2023-01-01)`, `"text"`, `-5`.
fn written(text: &str) -> Option<Value> {
    let (query, problems) = crate::syntax::parse(text);
    let [statement] = query.statements.as_slice() else { return None };
    let StatementKind::Expression(expr) = &statement.kind else {
        return None;
    };
    if !problems.is_empty() {
        return None;
    }
    match &expr.kind {
        ast::ExprKind::Literal(value) => Some(value.clone()),
        ast::ExprKind::Negate(inner) => match &inner.kind {
            ast::ExprKind::Literal(value) => super::constant::negate(value),
            _ => None,
        },
        _ => None,
    }
}

/// Operators that give several tables.
fn several(operator: &ast::Operator) -> bool {
    match &operator.kind {
        ast::OperatorKind::Fork { .. } | ast::OperatorKind::Facet { .. } => true,
        ast::OperatorKind::GraphToTable { tables } => tables.len() > 1,
        _ => false,
    }
}

/// A statement that only gives names to tables of a graph.
fn exports_only(expr: &ast::Expr) -> bool {
    let ast::ExprKind::Pipe { operators, .. } = &expr.kind else {
        return false;
    };
    match operators.last().map(|operator| &operator.kind) {
        Some(ast::OperatorKind::GraphToTable { tables }) => tables.iter().all(|table| table.name.is_some()),
        _ => false,
    }
}
