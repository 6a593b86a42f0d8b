//! `union`: tables one after the other, columns matched by name and type.

use super::project::{matches, null};
use super::{Binder, Binding, Bound, Reported, Scope};
use crate::bound::{Column, Expr, Rel, RelKind};
use crate::catalog::Entity;
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::syntax::ast::{self, ExprKind as Ast};
use crate::types::{Type, Value};

/// A table of a union with the name `withsource` shows for it.
pub(crate) struct Part {
    pub(crate) source: String,
    pub(crate) rel: Rel,
}

impl Binder<'_> {
    pub(crate) fn union(&mut self, operator: &ast::Operator, items: &[ast::Expr], piped: Option<Rel>, scope: &Scope) -> Bound<Rel> {
        let fuzzy = match operator.property("isfuzzy") {
            Some(value) => self.word(value, scope, "isfuzzy")? == "true",
            None => false,
        };
        let with_source = match operator.property("withsource").or_else(|| operator.property("with_source")) {
            Some(value) => Some(self.word(value, scope, "withsource")?),
            None => None,
        };
        let inner = match operator.property("kind") {
            Some(value) => match self.word(value, scope, "the kind of union")?.as_str() {
                "inner" => true,
                "outer" => false,
                other => {
                    let problem = super::suggest::unknown("kind of union", other, value.span, ["inner", "outer"]);
                    return Err(self.report(problem));
                }
            },
            None => false,
        };
        let mut parts = Vec::new();
        if let Some(rel) = piped {
            let source = self.piped_name.take().or_else(|| source_name(&rel));
            let source = source.unwrap_or_else(|| "union_arg0".to_owned());
            parts.push(Part { source, rel });
        }
        let mut failed = false;
        let outer = self.fuzzy;
        self.fuzzy |= fuzzy;
        for item in items {
            match self.parts(item, fuzzy, "union_arg", &mut parts, scope) {
                Ok(()) => {}
                Err(Reported) => failed = true,
            }
        }
        self.fuzzy = outer;
        if failed {
            return Err(Reported);
        }
        if parts.is_empty() {
            let problem = Diagnostic::error(Code::UnknownName, operator.span, "none of the tables of this union exists");
            return Err(self.report(problem));
        }
        Ok(self.united(parts, with_source.as_deref(), inner, operator.span))
    }

    /// The tables that one operand means.
    pub(crate) fn parts(&mut self, item: &ast::Expr, fuzzy: bool, numbered: &str, parts: &mut Vec<Part>, scope: &Scope) -> Bound<()> {
        match &item.kind {
            Ast::Wildcard(pattern) => {
                let pattern = pattern.clone();
                self.wildcard_parts(&pattern, item.span, fuzzy, parts, scope)
            }
            Ast::Star => self.wildcard_parts("*", item.span, fuzzy, parts, scope),
            Ast::Name(name) if fuzzy && !self.lenient() && !self.table_exists(name, scope) => Ok(()),
            Ast::Name(name) if fuzzy && matches!(scope.get(name), Some(Binding::Broken)) && self.absent.iter().any(|(n, _)| n == name) => {
                self.absent.retain(|(absent, _)| absent != name);
                self.left_out.push(name.clone());
                Ok(())
            }
            Ast::Name(name) if fuzzy && self.left_out.contains(name) => Ok(()),
            _ => {
                let before = self.diagnostics.len();
                match self.tabular(item, scope) {
                    Ok(rel) => {
                        let source = given_name(item)
                            .or_else(|| source_name(&rel))
                            .unwrap_or_else(|| format!("{numbered}{}", parts.len()));
                        parts.push(Part { source, rel });
                        Ok(())
                    }
                    // A fuzzy union leaves out what cannot be resolved.
                    Err(Reported)
                        if fuzzy
                            && !self.lenient()
                            && self
                                .diagnostics
                                .iter()
                                .skip(before)
                                .all(|problem| problem.code == Code::UnknownName) =>
                    {
                        self.diagnostics.truncate(before);
                        Ok(())
                    }
                    Err(Reported) => Err(Reported),
                }
            }
        }
    }

    fn table_exists(&self, name: &str, scope: &Scope) -> bool {
        scope.get(name).is_some() || self.env.schema.entity(name).is_some()
    }

    fn wildcard_parts(&mut self, pattern: &str, span: Span, fuzzy: bool, parts: &mut Vec<Part>, scope: &Scope) -> Bound<()> {
        let mut names: Vec<String> = scope
            .names()
            .into_iter()
            .filter(|(name, binding)| {
                let table = match binding {
                    Binding::Table(_) => true,
                    Binding::Function(function) => function.view && function.parameters.is_empty(),
                    _ => false,
                };
                let hidden = scope.restriction(name).is_some_and(|listed| !listed.allows(name, true));
                table && !hidden && matches(pattern, name)
            })
            .map(|(name, _)| name.to_owned())
            .collect();
        names.reverse();
        for name in self.env.schema.names() {
            let is_table = matches!(self.env.schema.entity(&name), Some(Entity::Table { .. } | Entity::View { .. }));
            let hidden = scope.restriction(&name).is_some_and(|listed| !listed.allows(&name, false));
            if is_table && !hidden && matches(pattern, &name) && !names.contains(&name) {
                names.push(name);
            }
        }
        if names.is_empty() && (!fuzzy || self.lenient()) {
            return self.error(Code::UnknownName, span, format!("no table fits '{pattern}'"));
        }
        for name in names {
            let rel = self.table_by_name(&name, span, scope)?;
            parts.push(Part { source: name, rel });
        }
        Ok(())
    }

    /// Rows of all parts, with the columns of all (or those common to all).
    pub(crate) fn united(&mut self, parts: Vec<Part>, with_source: Option<&str>, inner: bool, span: Span) -> Rel {
        let mut parts = parts;
        if parts.len() == 1
            && with_source.is_none()
            && let Some(part) = parts.pop()
        {
            let mut rel = part.rel;
            rel.serialized = false;
            return rel;
        }
        // Name and type together make a column; a name with several types is told apart by them.
        let mut wanted: Vec<(String, Type, bool)> = Vec::new();
        for part in &parts {
            for column in &part.rel.columns {
                let unknown = self.lenient() && self.is_poisoned(column.id);
                let key = (column.name.clone(), column.ty, unknown);
                if wanted.contains(&key) {
                    continue;
                }
                // Columns of one name stand together.
                match wanted.iter().rposition(|(name, ..)| *name == key.0) {
                    Some(last) => wanted.insert(last + 1, key),
                    None => wanted.push(key),
                }
            }
        }
        if inner {
            wanted.retain(|(name, ty, _)| {
                parts
                    .iter()
                    .all(|part| part.rel.columns.iter().any(|column| column.name == *name && column.ty == *ty))
            });
        }
        let mut columns: Vec<Column> = Vec::with_capacity(wanted.len() + 1);
        if let Some(name) = with_source {
            columns.push(self.column(name, Type::String));
        }
        for (name, ty, unknown) in &wanted {
            let several = wanted.iter().filter(|(other, ..)| other == name).count() > 1;
            let shown = match (several, unknown) {
                (true, true) => format!("{name}_unknown"),
                (true, false) => format!("{name}_{ty}"),
                _ => name.clone(),
            };
            let poisoned = (!several || *unknown || !self.lenient())
                && parts.iter().any(|part| {
                    part.rel
                        .columns
                        .iter()
                        .any(|column| column.name == *name && self.is_poisoned(column.id))
                });
            let column = if poisoned {
                self.poisoned_column(shown)
            } else {
                self.column(shown, *ty)
            };
            columns.push(column);
        }
        let place = self.place(span);
        let mut inputs = Vec::with_capacity(parts.len());
        for part in parts {
            let mut exprs = Vec::with_capacity(columns.len());
            let mut outputs = Vec::with_capacity(columns.len());
            if let Some(name) = with_source {
                exprs.push(Expr::literal(Value::String(part.source), place));
                outputs.push(self.column(name, Type::String));
            }
            for (name, ty, _) in &wanted {
                let found = part.rel.columns.iter().find(|column| column.name == *name && column.ty == *ty);
                exprs.push(match found {
                    Some(column) => Expr::column(column, place),
                    None => null(*ty, place),
                });
                outputs.push(self.column(name.clone(), *ty));
            }
            let kind = RelKind::Project {
                input: Box::new(part.rel),
                exprs,
            };
            inputs.push(self.rel(kind, outputs, false, span));
        }
        self.rel(RelKind::Union { inputs }, columns, false, span)
    }
}

/// The name that `as` gives to the rows of an operand.
fn given_name(item: &ast::Expr) -> Option<String> {
    let Ast::Pipe { operators, .. } = &item.kind else { return None };
    match operators.last().map(|operator| &operator.kind) {
        Some(ast::OperatorKind::As { name }) => Some(name.text.clone()),
        _ => None,
    }
}

/// The table that rows come from, through operators that keep rows as they are.
fn source_name(rel: &Rel) -> Option<String> {
    match &rel.kind {
        RelKind::Table { name, .. } => Some(name.clone()),
        RelKind::Filter { input, .. }
        | RelKind::Project { input, .. }
        | RelKind::Sort { input, .. }
        | RelKind::Limit { input, .. }
        | RelKind::Sample { input, .. }
        | RelKind::Aggregate { input, .. }
        | RelKind::MvExpand { input, .. }
        | RelKind::Parse { input, .. } => source_name(input),
        _ => None,
    }
}
