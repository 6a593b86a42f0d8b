//! Tables, views and what stands for them: `datatable`, `materialize`, `table("name")`, `database("x").T`.

use std::sync::Arc;

use super::expr::{Ctx, is_reference};
use super::functions::Value as Applied;
use super::{Binder, Binding, Bound, Reported, Scope, constant, suggest};
use crate::bound::{Column, Rel, RelKind};
use crate::catalog::{Entity, FunctionKind};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::syntax::ast::{self, ExprKind as Ast};
use crate::syntax::literal;
use crate::types::{Type, Value};

impl Binder<'_> {
    /// A table by name: one of the query's own, then of the schema.
    pub(crate) fn table_by_name(&mut self, name: &str, span: Span, scope: &Scope) -> Bound<Rel> {
        self.accessible(name, span, scope)?;
        match scope.get(name) {
            Some(Binding::Graph(_)) => {
                return self.error(Code::Type, span, format!("a table is wanted here, and '{name}' is a graph"));
            }
            Some(Binding::Pattern(_)) => {
                return self.error(
                    Code::Type,
                    span,
                    format!("'{name}' is a pattern: use it with arguments, {name}(\"...\")"),
                );
            }
            Some(Binding::Database | Binding::Restricted(_)) => {}
            Some(Binding::Table(rel)) => {
                let rel = rel.clone();
                let mut rel = self.fresh(&rel);
                rel.span = self.place(span);
                return Ok(rel);
            }
            Some(Binding::Scalar(_)) => {
                return self.error(Code::Type, span, format!("a table is wanted here, and '{name}' is a value"));
            }
            Some(Binding::Function(function)) => {
                let function = function.clone();
                return self.apply_tabular(&function, &[], None, span, &Ctx::constant(scope));
            }
            Some(Binding::Broken) => return Err(Reported),
            None => {}
        }
        self.entity(name, span, scope)
    }

    /// Reports a name that `restrict access` hides.
    pub(crate) fn accessible(&mut self, name: &str, span: Span, scope: &Scope) -> Bound<()> {
        match scope.restriction(name) {
            Some(restriction) if !restriction.allows(name, scope.get(name).is_some()) => self.error(
                Code::UnknownName,
                span,
                format!("there is no table named '{name}': access is restricted to others"),
            ),
            _ => Ok(()),
        }
    }

    /// A table, view or parameterless function of the schema.
    fn entity(&mut self, name: &str, span: Span, scope: &Scope) -> Bound<Rel> {
        if let Some(restriction) = scope.restriction("")
            && !restriction.allows(name, false)
        {
            return self.error(
                Code::UnknownName,
                span,
                format!("there is no table named '{name}': access is restricted to others"),
            );
        }
        match self.env.schema.entity(name) {
            Some(Entity::Table { columns }) => {
                let source = columns.iter().map(|(name, _)| name.clone()).collect();
                let columns: Vec<Column> = columns.into_iter().map(|(name, ty)| self.column(name, ty)).collect();
                let kind = RelKind::Table {
                    name: name.to_owned(),
                    source,
                };
                Ok(self.rel(kind, columns, false, span))
            }
            Some(Entity::View { query }) => self.view(name, &query, span),
            Some(Entity::Function { .. }) => match self.stored_function(name, span)? {
                Some(function) => self.apply_tabular(&function, &[], None, span, &Ctx::constant(scope)),
                None => Err(Reported),
            },
            None if self.fuzzy && self.lenient() => Ok(self.open_rows(span)),
            None => Err(self.unknown_table(name, span, scope)),
        }
    }

    fn unknown_table(&mut self, name: &str, span: Span, scope: &Scope) -> Reported {
        let mut names = self.env.schema.names();
        names.extend(
            scope
                .names()
                .into_iter()
                .filter(|(_, binding)| matches!(binding, Binding::Table(_) | Binding::Function(_)))
                .map(|(name, _)| name.to_owned()),
        );
        let problem = suggest::unknown("table", name, span, names.iter().map(String::as_str));
        self.report(problem)
    }

    fn view(&mut self, name: &str, query: &str, span: Span) -> Bound<Rel> {
        if self.expanding.iter().any(|open| open == name) {
            return self.error(Code::Semantic, span, format!("view '{name}' reads itself"));
        }
        let (parsed, problems) = crate::syntax::parse(query);
        if let Some(problem) = problems.first() {
            let message = format!("the view '{name}' is not valid: {}", problem.message);
            return self.error(Code::Semantic, span, message);
        }
        let (foreign, outer) = (self.foreign, std::mem::take(&mut self.outer));
        let (options, visualization) = (self.options.clone(), self.visualization.take());
        self.foreign = Some(self.place(span));
        self.expanding.push(name.to_owned());
        let result = self.deeper(span, |binder| binder.query_in(&parsed, &Scope::default(), span));
        self.expanding.pop();
        (self.foreign, self.outer) = (foreign, outer);
        (self.options, self.visualization) = (options, visualization);
        result
    }

    /// Calls a function that must give a table.
    pub(crate) fn apply_tabular(
        &mut self,
        function: &std::rc::Rc<super::scope::LetFunction>,
        arguments: &[ast::Argument],
        piped: Option<Rel>,
        span: Span,
        ctx: &Ctx<'_>,
    ) -> Bound<Rel> {
        match self.apply(function, arguments, piped, span, ctx)? {
            Applied::Table(rel) => Ok(rel),
            Applied::Scalar(_) => self.error(
                Code::Type,
                span,
                format!("a table is wanted here, and {}() gives a value", function.name),
            ),
        }
    }

    /// A call that gives a table.
    pub(crate) fn table_call(&mut self, name: &ast::Name, arguments: &[ast::Argument], span: Span, scope: &Scope) -> Bound<Rel> {
        let ctx = Ctx::constant(scope);
        if scope.get(&name.text).is_some() || self.env.schema.entity(&name.text).is_some() {
            self.accessible(&name.text, name.span, scope)?;
        }
        match scope.get(&name.text) {
            Some(Binding::Function(function)) => {
                let function = function.clone();
                return self.apply_tabular(&function, arguments, None, span, &ctx);
            }
            // `T()` of a `let T = () {...}` that was called with its table: the same table.
            Some(Binding::Table(_)) if arguments.is_empty() => return self.table_by_name(&name.text, span, scope),
            Some(Binding::Broken) => return Err(Reported),
            _ => {}
        }
        match (name.text.as_str(), arguments) {
            ("materialize", [argument]) => {
                let rel = self.tabular(&argument.value, scope)?;
                Ok(self.shared(rel, span))
            }
            ("graph", _) => {
                let problem = Diagnostic::not_supported(name.span, "graph(): there are no stored graph models")
                    .with_help("make a graph of tables with make-graph");
                Err(self.report(problem))
            }
            ("external_table" | "stored_query_result", _) => {
                let problem = Diagnostic::not_supported(name.span, &format!("{}()", name.text))
                    .with_help("only the tables of this server can be queried; files can be read with externaldata");
                Err(self.report(problem))
            }
            ("table" | "materialized_view", [argument, ..]) => {
                let before = self.diagnostics.len();
                let text = self.constant(&argument.value, scope, "the name of the table");
                if self.lenient() && text.is_err() {
                    // A parameter of a function that is only looked at.
                    self.diagnostics.truncate(before);
                    return Ok(self.open_rows(span));
                }
                let text = text?;
                match text {
                    Value::String(text) => self.entity(&text, argument.value.span, scope),
                    _ => self.error(Code::Arguments, argument.value.span, "the name of the table must be a string"),
                }
            }
            ("materialize" | "table" | "materialized_view", _) => {
                self.error(Code::Arguments, name.span, format!("{}() takes 1 argument", name.text))
            }
            _ if self.is_scalar_function(&name.text) => {
                let problem = Diagnostic::error(
                    Code::Type,
                    span,
                    format!("a table is wanted here, and {}() gives a value", name.text),
                )
                .with_help("at the start of a query, put 'print' in front");
                Err(self.report(problem))
            }
            _ => match self.stored_function(&name.text, span)? {
                Some(function) => self.apply_tabular(&function, arguments, None, span, &ctx),
                None if self.fuzzy && self.lenient() => Ok(self.open_rows(span)),
                None => {
                    let known = self.env.schema.names();
                    let own = scope.names().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
                    let candidates = known.iter().map(String::as_str).chain(own);
                    let problem = suggest::unknown("tabular function", &name.text, name.span, candidates);
                    Err(self.report(problem))
                }
            },
        }
    }

    fn is_scalar_function(&self, name: &str) -> bool {
        let catalog = self.env.catalog;
        super::FORMS.iter().any(|(form, _)| *form == name)
            || catalog.function(FunctionKind::Scalar, name).is_some()
            || catalog.function(FunctionKind::Aggregate, name).is_some()
    }

    /// A relation that is computed once, however often it is used.
    pub(crate) fn shared(&mut self, rel: Rel, span: Span) -> Rel {
        if matches!(rel.kind, RelKind::Shared { .. }) {
            return rel;
        }
        let mut columns = Vec::with_capacity(rel.columns.len());
        for column in &rel.columns {
            let copy = if self.is_poisoned(column.id) {
                self.poisoned_column(column.name.clone())
            } else {
                self.column(column.name.clone(), column.ty)
            };
            columns.push(copy);
        }
        let serialized = rel.serialized;
        let kind = RelKind::Shared {
            id: self.shared_id(),
            input: Arc::new(rel),
        };
        self.rel(kind, columns, serialized, span)
    }

    /// `database("x")`, `workspace("x")`: this one. Others cannot be reached.
    pub(crate) fn local_reference(&mut self, base: &ast::Expr) -> Bound<()> {
        match &base.kind {
            Ast::Call { name, .. } => match name.text.as_str() {
                "database" | "workspace" | "app" => Ok(()),
                other => {
                    let problem = Diagnostic::not_supported(base.span, &format!("{other}()"))
                        .with_help("only the tables of this server can be queried: leave the reference out");
                    Err(self.report(problem))
                }
            },
            Ast::MethodCall { base, .. } => self.local_reference(base),
            _ => self.error(
                Code::Syntax,
                base.span,
                "only database(), workspace() and cluster() can be followed by '.name()'",
            ),
        }
    }

    /// `database("x").T`
    pub(crate) fn referenced_table(&mut self, base: &ast::Expr, member: &ast::Name, scope: &Scope) -> Bound<Rel> {
        if !is_reference(base) {
            return self.error(Code::Type, base.span, "a table is wanted here, and this is a value");
        }
        if self.lenient() && far(base) {
            return Ok(self.open_rows(base.span));
        }
        self.local_reference(base)?;
        self.entity(&member.text, member.span, scope)
    }

    /// `datatable(a: long) [1, 2]`
    pub(crate) fn datatable(&mut self, columns: &[(ast::Name, Type)], values: &[ast::Expr], span: Span, scope: &Scope) -> Bound<Rel> {
        if columns.is_empty() {
            return self.error(Code::Syntax, span, "a datatable has at least one column");
        }
        for (index, (name, _)) in columns.iter().enumerate() {
            if columns.iter().take(index).any(|(other, _)| other.text == name.text) {
                return self.error(Code::Semantic, name.span, format!("there are two columns '{}'", name.text));
            }
        }
        if !values.len().is_multiple_of(columns.len()) {
            return self.error(
                Code::Semantic,
                span,
                format!(
                    "the datatable has {} columns, and {} values do not fill its last row",
                    columns.len(),
                    values.len()
                ),
            );
        }
        let mut rows = Vec::with_capacity(values.len() / columns.len());
        let mut failed = false;
        for chunk in values.chunks(columns.len()) {
            let mut row = Vec::with_capacity(columns.len());
            for (value, (name, ty)) in chunk.iter().zip(columns) {
                match self.datatable_value(value, &name.text, *ty, scope) {
                    Ok(value) => row.push(value),
                    Err(Reported) => failed = true,
                }
            }
            rows.push(row);
        }
        if failed {
            return Err(Reported);
        }
        let columns = columns.iter().map(|(name, ty)| self.column(name.text.clone(), *ty)).collect();
        Ok(self.rel(RelKind::Values(rows), columns, false, span))
    }

    fn datatable_value(&mut self, value: &ast::Expr, column: &str, ty: Type, scope: &Scope) -> Bound<Value> {
        if matches!(value.kind, Ast::Binary { .. }) {
            return self.error(Code::Syntax, value.span, "values of a datatable are literals, not expressions");
        }
        let literal = self.constant(value, scope, "a value of a datatable")?;
        match constant::convert(&literal, ty).or_else(|| lenient(&literal, ty)) {
            Some(converted) => Ok(converted),
            None => self.error(
                Code::Type,
                value.span,
                format!("column '{column}' is of type {ty}, and this is of type {}", literal.ty()),
            ),
        }
    }
}

/// A reference to another cluster.
fn far(base: &ast::Expr) -> bool {
    match &base.kind {
        Ast::Call { name, .. } => name.text == "cluster",
        Ast::MethodCall { base, .. } => far(base),
        _ => false,
    }
}

/// What a datatable takes beyond the implicit conversions: text that reads as the type, a real cut to a whole number.
fn lenient(value: &Value, ty: Type) -> Option<Value> {
    match (value, ty) {
        (Value::String(text), ty) => literal::parse_typed(ty, text),
        (Value::Real(n), Type::Long) => Some(Value::Long(*n as i64)),
        (Value::Real(n), Type::Int) => Some(Value::Int(*n as i32)),
        (Value::Real(n), Type::String) => Some(Value::String(n.to_string())),
        (Value::Bool(flag), Type::String) => Some(Value::String(flag.to_string())),
        _ => None,
    }
}
