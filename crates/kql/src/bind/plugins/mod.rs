//! Plugins of `evaluate`. [`PLUGINS`] declares each once: what it is called, takes and gives, and how it is bound. Most are
//! sugar: a query in the language itself over columns of agreed names, to which the plugin's arguments are bound first. The
//! others become an operator of their own in the bound query.
//!
//! Source: Kusto Query Language reference, "evaluate plugin operator" and the pages of the plugins.

mod activity;
mod lookup;
mod patterns;
mod places;
mod refused;
mod sequences;
mod table;
mod tables;
mod windows;

use std::rc::Rc;

use super::expr::Ctx;
use super::naming::unique;
use super::{Binder, Binding, Bound, Scope};
use crate::bound::{Column, Expr, Rel, RelKind};
use crate::diagnostic::{Code, Span};
use crate::syntax::ast;
use crate::types::{Type, Value};

pub(crate) use refused::refused;
pub use table::{PLUGINS, Plugin};

/// Where a plugin is called.
pub(crate) struct Call<'c> {
    pub(crate) name: &'c ast::Name,
    pub(crate) arguments: &'c [ast::Argument],
    /// Columns declared by the query
    pub(crate) schema: Option<&'c [(ast::Name, Type)]>,
    pub(crate) scope: &'c Scope,
    pub(crate) span: Span,
}

/// Columns of the query that carry a plugin's arguments, and names for constants: what its template sees.
pub(crate) struct Parts<'c> {
    call: &'c Call<'c>,
    columns: Vec<(String, Expr)>,
    scope: Scope,
}

impl Parts<'_> {
    pub(crate) fn column(&mut self, name: &str, value: Expr) {
        self.columns.push((name.to_owned(), value));
    }

    pub(crate) fn constant(&mut self, name: &str, value: Expr) {
        self.scope = self.scope.with(name, Binding::Scalar(value));
    }
}

impl Binder<'_> {
    /// A plugin that this crate binds by itself; `None` when it is not.
    pub(crate) fn plugin(&mut self, call: &Call<'_>, input: &Rel) -> Option<Bound<Rel>> {
        let plugin = PLUGINS.iter().find(|plugin| plugin.function.name == call.name.text)?;
        plugin.rewrite.map(|rewrite| rewrite(self, call, input))
    }

    /// Without a declaration, and all arguments by position: how many of them there may be.
    pub(crate) fn positional<'c>(&mut self, call: &'c Call<'_>, least: usize, most: usize) -> Bound<Vec<&'c ast::Expr>> {
        if call.schema.is_some() && call.name.text != "pivot" {
            return self.not_supported(call.span, &format!("declared columns of {}", call.name.text));
        }
        if let Some(name) = call.arguments.iter().find_map(|argument| argument.name.as_ref()) {
            return self.error(
                Code::Arguments,
                name.span,
                format!("{} has no argument '{}' by name", call.name.text, name.text),
            );
        }
        let given = call.arguments.len();
        if given < least || given > most {
            let wanted = match most {
                _ if least == most => format!("{least}"),
                usize::MAX => format!("at least {least}"),
                _ => format!("{least} to {most}"),
            };
            return self.error(
                Code::Arguments,
                call.name.span,
                format!("{} takes {wanted} arguments, and {given} are given", call.name.text),
            );
        }
        Ok(call.arguments.iter().map(|argument| &argument.value).collect())
    }

    /// A column by name.
    pub(crate) fn plain_column(&mut self, expr: &ast::Expr, input: &Rel, call: &Call<'_>) -> Bound<Column> {
        let value = self.expr(expr, &Ctx::row(call.scope, input))?;
        match (&value.kind, self.name_of(expr)) {
            (crate::bound::ExprKind::Column(id), Some(name)) => Ok(Column {
                id: *id,
                name,
                ty: value.ty,
            }),
            _ => self.error(Code::Arguments, expr.span, format!("{} wants a column here", call.name.text)),
        }
    }

    fn constant_of(&mut self, expr: &ast::Expr, ty: Type, call: &Call<'_>) -> Bound<Expr> {
        let value = self.expr(expr, &Ctx::constant(call.scope))?;
        self.assignable(value, ty, &format!("this argument of {}", call.name.text))
    }

    fn whole_number(&mut self, expr: &ast::Expr, call: &Call<'_>) -> Bound<i64> {
        match self.constant(expr, call.scope, "this number")? {
            Value::Long(n) if n >= 0 => Ok(n),
            Value::Int(n) if n >= 0 => Ok(i64::from(n)),
            _ => self.error(
                Code::Arguments,
                expr.span,
                format!("{} wants a whole number here, not negative", call.name.text),
            ),
        }
    }

    /// The type of the steps along a timeline of this type.
    fn step_type(&mut self, timeline: &Column, expr: &ast::Expr, call: &Call<'_>) -> Bound<Type> {
        match timeline.ty {
            Type::DateTime => Ok(Type::TimeSpan),
            ty @ (Type::Int | Type::Long | Type::Real) => Ok(ty),
            ty => self.error(
                Code::Type,
                expr.span,
                format!("{} wants a datetime or a number here, and this is of type {ty}", call.name.text),
            ),
        }
    }

    /// Whether an argument is the name of a column of the input, and not of something else.
    fn is_column(&self, expr: &ast::Expr, input: &Rel) -> bool {
        matches!(expr.kind, ast::ExprKind::Name(_))
            && self
                .name_of(expr)
                .is_some_and(|name| input.columns.iter().any(|column| column.name == name))
    }

    /// Whether an argument is a table.
    fn is_table(&self, expr: &ast::Expr, input: &Rel, scope: &Scope) -> bool {
        match &expr.kind {
            ast::ExprKind::Name(name) => match scope.get(name) {
                Some(Binding::Table(_)) => true,
                Some(_) => false,
                None => !self.is_column(expr, input),
            },
            ast::ExprKind::Pipe { .. } | ast::ExprKind::DataTable { .. } => true,
            ast::ExprKind::Call { name, .. } => {
                matches!(scope.get(&name.text), Some(Binding::Function(_)))
                    || name.text == "materialize"
                    || self.env.schema.entity(&name.text).is_some()
            }
            _ => false,
        }
    }

    /// Dimensions as the columns `d0`, `d1`, ... of a template; gives their names.
    fn dimensions(&mut self, exprs: &[&ast::Expr], input: &Rel, parts: &mut Parts<'_>) -> Bound<Vec<String>> {
        let mut names = Vec::with_capacity(exprs.len());
        for (index, expr) in exprs.iter().enumerate() {
            let column = self.plain_column(expr, input, parts.call)?;
            let place = self.place(expr.span);
            parts.column(&format!("d{index}"), Expr::column(&column, place));
            names.push(column.name);
        }
        Ok(names)
    }

    /// A projection under names of a template.
    fn under_names(&mut self, input: &Rel, columns: Vec<(String, Expr)>, span: Span) -> Rel {
        let (names, exprs): (Vec<String>, Vec<Expr>) = columns.into_iter().unzip();
        let columns = names
            .into_iter()
            .zip(&exprs)
            .map(|(name, expr)| self.column(name, expr.ty))
            .collect();
        let kind = RelKind::Project {
            input: Box::new(input.clone()),
            exprs,
        };
        self.rel(kind, columns, input.serialized, span)
    }

    /// All columns of a relation, called `c0`, `c1`, ... with this prefix.
    fn numbered(&self, input: &Rel, prefix: char, span: Span) -> Vec<(String, Expr)> {
        let place = self.place(span);
        let columns = input.columns.iter().enumerate();
        columns
            .map(|(index, column)| (format!("{prefix}{index}"), Expr::column(column, place)))
            .collect()
    }

    /// Binds a template over `T`, the input under the names of the parts, and gives its columns the names people see.
    pub(crate) fn template(&mut self, parts: Parts<'_>, input: &Rel, text: &str, names: Vec<String>) -> Bound<Rel> {
        let (call, span) = (parts.call, parts.call.span);
        let table = self.under_names(input, parts.columns, span);
        let scope = parts.scope.with("T", Binding::Table(Rc::new(table)));
        let (query, problems) = crate::syntax::parse(text);
        if let Some(problem) = problems.first() {
            return self.error(
                Code::Semantic,
                span,
                format!("{} cannot be planned: {}", call.name.text, problem.message),
            );
        }
        let foreign = self.foreign;
        self.foreign = Some(self.place(span));
        self.expanding.push(call.name.text.clone());
        let outside = std::mem::replace(&mut self.in_template, true);
        let result = self.deeper(span, |binder| binder.query_in(&query, &scope, span));
        self.in_template = outside;
        self.expanding.pop();
        self.foreign = foreign;
        let mut rel = result?;
        let mut used: Vec<Column> = Vec::with_capacity(names.len());
        for (column, name) in rel.columns.iter_mut().zip(names) {
            column.name = unique(&name, used.iter());
            used.push(column.clone());
        }
        Ok(rel)
    }
}

pub(crate) fn new_parts<'c>(call: &'c Call<'c>) -> Parts<'c> {
    Parts {
        call,
        columns: Vec::new(),
        scope: Scope::default(),
    }
}

/// `, d0, d1`
fn listed(dims: &[String]) -> String {
    (0..dims.len()).map(|index| format!(", d{index}")).collect()
}

fn named<const N: usize>(first: [String; 1], dims: Vec<String>, last: [&str; N]) -> Vec<String> {
    let last = last.into_iter().map(str::to_owned);
    first.into_iter().chain(dims).chain(last).collect()
}
