//! `project` and its kin, `extend`, `serialize`: exactly these columns.

use std::collections::{HashMap, HashSet};

use super::expr::Ctx;
use super::naming::unique;
use super::{Binder, Bound, Reported, Scope, suggest};
use crate::bound::{Column, ColumnId, Expr, ExprKind, PathStep, Rel, RelKind};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::syntax::ast;
use crate::types::{Type, Value};

/// How columns without a name are numbered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Numbering {
    /// `Column1`: by the number of nameless ones
    Column,
    /// `print_0`: by position
    Print,
}

/// A column of a projection, before its name is settled.
pub(crate) struct Item {
    /// Given by the query
    explicit: Option<ast::Name>,
    /// What the expression would be called; `None`: numbered
    implicit: Option<String>,
    /// A column as it is: its name counts like one that is given
    plain: Option<ast::Name>,
    /// One of several results of a call: `print` keeps the names of these only
    one_of_several: bool,
    /// `Err`: did not bind
    pub(crate) value: Bound<Expr>,
}

impl Binder<'_> {
    /// Binds the items of a projection; one item gives several columns when it calls a function of several results.
    pub(crate) fn items(&mut self, items: &[ast::NamedExpr], ctx: &Ctx<'_>) -> Vec<Item> {
        let mut bound = Vec::with_capacity(items.len());
        for item in items {
            self.tuple = None;
            let value = self.expr(&item.value, ctx);
            let tuple = match item.value.kind {
                ast::ExprKind::Call { .. } => self.tuple.take(),
                _ => None,
            };
            match (value, tuple) {
                (Ok(value), Some(results)) => {
                    let all = item.names.is_empty() || results.all;
                    let wanted = if all { results.columns.len() } else { item.names.len() };
                    for (index, (name, ty)) in results.columns.into_iter().take(wanted).enumerate() {
                        bound.push(Item {
                            explicit: item.names.get(index).cloned(),
                            implicit: Some(name).filter(|name| !name.is_empty()),
                            plain: None,
                            one_of_several: true,
                            value: Ok(result_of(value.clone(), index, ty)),
                        });
                    }
                }
                (Ok(value), None) if item.names.len() > 1 && value.ty == Type::Dynamic => {
                    for (index, name) in item.names.iter().enumerate() {
                        bound.push(Item {
                            explicit: Some(name.clone()),
                            implicit: None,
                            plain: None,
                            one_of_several: true,
                            value: Ok(result_of(value.clone(), index, Type::Dynamic)),
                        });
                    }
                }
                (value, _) => bound.push(Item {
                    explicit: item.names.first().cloned(),
                    implicit: self.name_of(&item.value),
                    plain: match &item.value.kind {
                        ast::ExprKind::Name(name) => Some(ast::Name {
                            text: name.clone(),
                            span: item.value.span,
                        }),
                        _ => None,
                    },
                    one_of_several: false,
                    value,
                }),
            }
        }
        bound
    }

    /// `project`, `print`.
    pub(crate) fn projection(
        &mut self,
        items: &[ast::NamedExpr],
        input: Rel,
        span: Span,
        scope: &Scope,
        numbering: Numbering,
    ) -> Bound<Rel> {
        let bound = self.items(items, &Ctx::projection(scope, &input));
        self.projected(bound, input, span, numbering)
    }

    /// A projection of what is bound.
    pub(crate) fn projected(&mut self, bound: Vec<Item>, input: Rel, span: Span, numbering: Numbering) -> Bound<Rel> {
        let mut columns: Vec<Column> = Vec::with_capacity(bound.len());
        let mut exprs = Vec::with_capacity(bound.len());
        let mut unnamed = 0usize;
        let mut failed = false;
        let mut declared: Vec<String> = Vec::with_capacity(bound.len());
        for (position, item) in bound.into_iter().enumerate() {
            let implicit = item.implicit.filter(|_| numbering == Numbering::Column || item.one_of_several);
            let plain = item.plain.as_ref().filter(|_| numbering == Numbering::Column);
            if let Some(name) = plain.filter(|_| item.explicit.is_none()) {
                if declared.contains(&name.text) {
                    self.duplicate(name);
                    failed = true;
                }
                declared.push(name.text.clone());
            }
            let name = match (&item.explicit, implicit) {
                (Some(name), _) => {
                    if columns.iter().any(|column| column.name == name.text) {
                        self.duplicate(name);
                        failed = true;
                    }
                    declared.push(name.text.clone());
                    name.text.clone()
                }
                (None, Some(name)) => unique(&name, &columns),
                (None, None) => match numbering {
                    Numbering::Column => {
                        unnamed += 1;
                        unique(&format!("Column{unnamed}"), &columns)
                    }
                    Numbering::Print => unique(&format!("print_{position}"), &columns),
                },
            };
            match item.value {
                Ok(value) => {
                    columns.push(self.column(name, value.ty));
                    exprs.push(value);
                }
                Err(Reported) => {
                    columns.push(self.poisoned_column(name));
                    failed = true;
                }
            }
        }
        let serialized = input.serialized;
        if failed {
            return Ok(self.broken(columns, serialized, span));
        }
        let kind = RelKind::Project {
            input: Box::new(input),
            exprs,
        };
        Ok(self.rel(kind, columns, serialized, span))
    }

    /// A projection of a projection as one, so that a chain of `extend` and its like is one step of the plan: where no value
    /// of the lower one is part of a larger expression, or needed twice.
    pub(crate) fn one_projection(&self, input: Box<Rel>, exprs: Vec<Expr>) -> RelKind {
        let RelKind::Project { exprs: lower, .. } = &input.kind else {
            return RelKind::Project { input, exprs };
        };
        let by_id: HashMap<ColumnId, &Expr> = input.columns.iter().map(|column| column.id).zip(lower).collect();
        let simple = |expr: &Expr| matches!(expr.kind, ExprKind::Column(_));
        let mut used: HashSet<ColumnId> = HashSet::new();
        let fits = exprs.iter().all(|expr| match &expr.kind {
            ExprKind::Column(id) => match by_id.get(id) {
                Some(below) => simple(below) || used.insert(*id),
                None => false,
            },
            // Columns that the lower one only hands on keep their ids.
            _ => expr
                .columns()
                .iter()
                .all(|id| matches!(by_id.get(id).map(|below| &below.kind), Some(ExprKind::Column(own)) if own == id)),
        });
        if !fits || exprs.iter().chain(lower).any(|expr| self.has_window(expr)) {
            return RelKind::Project { input, exprs };
        }
        let exprs = exprs
            .into_iter()
            .map(|expr| match &expr.kind {
                ExprKind::Column(id) => by_id.get(id).map_or_else(|| expr.clone(), |below| (*below).clone()),
                _ => expr,
            })
            .collect();
        match input.kind {
            RelKind::Project { input, .. } => RelKind::Project { input, exprs },
            kind => kind,
        }
    }

    pub(crate) fn project(&mut self, items: &[ast::NamedExpr], input: Rel, span: Span, scope: &Scope) -> Bound<Rel> {
        self.projection(items, input, span, scope, Numbering::Column)
    }

    pub(crate) fn duplicate(&mut self, name: &ast::Name) -> Reported {
        let problem = Diagnostic::error(Code::Semantic, name.span, format!("there is a column '{}' already", name.text))
            .with_help("give it another name");
        self.report(problem)
    }

    /// `extend`: a column of that name is replaced where it stands, others come behind.
    pub(crate) fn extend(&mut self, items: &[ast::NamedExpr], input: Rel, span: Span, scope: &Scope, replace: bool) -> Bound<Rel> {
        let bound = self.items(items, &Ctx::projection(scope, &input));
        let place = self.place(span);
        let mut columns = input.columns.clone();
        let mut exprs: Vec<Expr> = columns.iter().map(|column| Expr::column(column, place)).collect();
        let mut added: Vec<String> = Vec::new();
        let mut unnamed = 0usize;
        let mut failed = false;
        for item in bound {
            let name = match (&item.explicit, item.implicit) {
                (Some(name), _) => {
                    if added.contains(&name.text) {
                        self.duplicate(name);
                        failed = true;
                    }
                    name.text.clone()
                }
                (None, Some(name)) if !added.contains(&name) => name,
                (None, Some(name)) => match &item.plain {
                    Some(plain) => {
                        self.duplicate(plain);
                        failed = true;
                        name
                    }
                    None => unique(&name, &columns),
                },
                (None, None) => {
                    unnamed += 1;
                    unique(&format!("Column{unnamed}"), &columns)
                }
            };
            added.push(name.clone());
            let (column, value) = match item.value {
                Ok(value) => (self.column(name, value.ty), value),
                Err(Reported) => {
                    failed = true;
                    let column = self.poisoned_column(name);
                    let value = Expr::column(&column, place);
                    (column, value)
                }
            };
            match columns.iter().position(|known| known.name == column.name) {
                Some(index) if replace => {
                    if let (Some(slot), Some(expr)) = (columns.get_mut(index), exprs.get_mut(index)) {
                        *slot = column;
                        *expr = value;
                    }
                }
                _ => {
                    columns.push(column);
                    exprs.push(value);
                }
            }
        }
        let serialized = input.serialized;
        if failed {
            return Ok(self.broken(columns, serialized, span));
        }
        let kind = RelKind::Project {
            input: Box::new(input),
            exprs,
        };
        Ok(self.rel(kind, columns, serialized, span))
    }

    /// A projection of columns as they are.
    pub(crate) fn keep(&mut self, columns: Vec<Column>, input: Rel, span: Span) -> Rel {
        let place = self.place(span);
        let exprs = columns.iter().map(|column| Expr::column(column, place)).collect();
        let serialized = input.serialized;
        let kind = RelKind::Project {
            input: Box::new(input),
            exprs,
        };
        self.rel(kind, columns, serialized, span)
    }

    /// Reports patterns that are plain names of no column.
    fn check_patterns(&mut self, patterns: &[ast::Name], input: &Rel) {
        for pattern in patterns {
            let found = input.columns.iter().any(|column| matches(&pattern.text, &column.name));
            if !found && !input.open && (self.lenient() || !pattern.text.contains('*')) {
                let names = input.columns.iter().map(|column| column.name.as_str());
                let problem = suggest::unknown("column", &pattern.text, pattern.span, names);
                self.report(problem);
            }
        }
    }

    /// `project-by-names`: names, arrays of names and patterns, in their order; what matches nothing is no error.
    pub(crate) fn project_by_names(&mut self, items: &[ast::Expr], input: Rel, span: Span, scope: &Scope) -> Bound<Rel> {
        let mut patterns: Vec<String> = Vec::new();
        for item in items {
            if let ast::ExprKind::Call { name, arguments } = &item.kind
                && name.text == "column_names_of"
                && let [table] = arguments.as_slice()
            {
                let table = self.tabular(&table.value, scope)?;
                patterns.extend(table.columns.into_iter().map(|column| column.name));
                continue;
            }
            match self.constant(item, scope, "a name of a column")? {
                Value::String(name) => patterns.push(name),
                Value::Dynamic(names) => match texts(&names) {
                    Some(names) => patterns.extend(names),
                    None => return self.error(Code::Arguments, item.span, "an array of names of columns is wanted here"),
                },
                _ => return self.error(Code::Arguments, item.span, "a name of a column is wanted here, as text"),
            }
        }
        let mut columns: Vec<Column> = Vec::new();
        for pattern in &patterns {
            for column in &input.columns {
                if matches(pattern, &column.name) && !columns.iter().any(|known| known.id == column.id) {
                    columns.push(column.clone());
                }
            }
        }
        if columns.is_empty() {
            return self.error(Code::Semantic, span, "none of these names is that of a column");
        }
        Ok(self.keep(columns, input, span))
    }

    pub(crate) fn project_away(&mut self, patterns: &[ast::Name], input: Rel, span: Span) -> Bound<Rel> {
        self.check_patterns(patterns, &input);
        let columns = input
            .columns
            .iter()
            .filter(|column| !patterns.iter().any(|pattern| matches(&pattern.text, &column.name)))
            .cloned()
            .collect();
        Ok(self.keep(columns, input, span))
    }

    pub(crate) fn project_keep(&mut self, patterns: &[ast::Name], input: Rel, span: Span) -> Bound<Rel> {
        self.check_patterns(patterns, &input);
        let columns = input
            .columns
            .iter()
            .filter(|column| patterns.iter().any(|pattern| matches(&pattern.text, &column.name)))
            .cloned()
            .collect();
        Ok(self.keep(columns, input, span))
    }

    pub(crate) fn project_rename(&mut self, items: &[(ast::Name, ast::Name)], input: Rel, span: Span) -> Bound<Rel> {
        let mut columns = input.columns.clone();
        for (new, old) in items {
            let Some(index) = input.columns.iter().position(|column| column.name == old.text) else {
                if input.open {
                    columns.push(self.poisoned_column(new.text.clone()));
                    continue;
                }
                let names = input.columns.iter().map(|column| column.name.as_str());
                let problem = suggest::unknown("column", &old.text, old.span, names);
                self.report(problem);
                continue;
            };
            let renamed_away = |name: &str| items.iter().any(|(_, old)| old.text == name);
            let taken = columns
                .iter()
                .enumerate()
                .any(|(other, column)| other != index && column.name == new.text && !renamed_away(&column.name));
            if taken {
                self.duplicate(new);
            }
            if let Some(column) = columns.get_mut(index) {
                column.name = new.text.clone();
            }
        }
        Ok(self.keep(columns, input, span))
    }

    pub(crate) fn project_reorder(&mut self, items: &[ast::ReorderItem], input: Rel, span: Span) -> Bound<Rel> {
        let patterns: Vec<ast::Name> = items.iter().map(|item| item.pattern.clone()).collect();
        self.check_patterns(&patterns, &input);
        let mut columns: Vec<Column> = Vec::with_capacity(input.columns.len());
        for item in items {
            let mut found: Vec<Column> = input
                .columns
                .iter()
                .filter(|column| matches(&item.pattern.text, &column.name))
                .filter(|column| !columns.iter().any(|known| known.id == column.id))
                .cloned()
                .collect();
            match item.order.as_deref() {
                Some("asc") => found.sort_by(|a, b| a.name.cmp(&b.name)),
                Some("desc") => found.sort_by(|a, b| b.name.cmp(&a.name)),
                Some("granny-asc") => found.sort_by_key(|column| granny(&column.name)),
                Some("granny-desc") => {
                    found.sort_by_key(|column| std::cmp::Reverse(granny(&column.name)));
                }
                _ => {}
            }
            columns.extend(found);
        }
        let rest: Vec<Column> = input
            .columns
            .iter()
            .filter(|column| !columns.iter().any(|known| known.id == column.id))
            .cloned()
            .collect();
        columns.extend(rest);
        Ok(self.keep(columns, input, span))
    }
}

/// One result of a call that gives an array of results.
fn result_of(call: Expr, index: usize, ty: Type) -> Expr {
    let span = call.span;
    let element = Expr {
        kind: ExprKind::Path {
            base: Box::new(call),
            steps: vec![PathStep::Index(index as i64)],
        },
        ty: Type::Dynamic,
        span,
    };
    super::typing::cast(element, ty)
}

/// Natural order: runs of digits by their number.
fn granny(name: &str) -> Vec<(String, u64)> {
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut digits = String::new();
    for c in name.chars() {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        if !digits.is_empty() {
            parts.push((std::mem::take(&mut text), digits.parse().unwrap_or(u64::MAX)));
            digits.clear();
        }
        text.push(c);
    }
    parts.push((text, digits.parse().unwrap_or(0)));
    parts
}

/// The strings of an array of strings: read as the values of a table of one column.
fn texts(array: &str) -> Option<Vec<String>> {
    let (query, problems) = crate::syntax::parse(&format!("datatable(name: string) {array}"));
    if !array.starts_with('[') || !problems.is_empty() {
        return None;
    }
    let [statement] = query.statements.as_slice() else { return None };
    let ast::StatementKind::Expression(table) = &statement.kind else {
        return None;
    };
    let ast::ExprKind::DataTable { values, .. } = &table.kind else {
        return None;
    };
    values
        .iter()
        .map(|value| match &value.kind {
            ast::ExprKind::Literal(Value::String(text)) => Some(text.clone()),
            _ => None,
        })
        .collect()
}

/// Whether a name fits a pattern with `*`.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(first) = parts.next() else { return false };
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// A null of a type, as a constant; '' of string.
pub(crate) fn null(ty: Type, span: Span) -> Expr {
    let value = match ty {
        Type::String => Value::String(String::new()),
        ty => Value::Null(ty),
    };
    Expr {
        kind: ExprKind::Literal(value),
        ty,
        span,
    }
}
