//! `search` and `find`: predicates over the columns of many tables.
//!
//! A term of `search` (`"exec"`, `"web*"`) holds when any text column has it; both operators are a filter over each table
//! and a union of what is left.

use std::collections::BTreeMap;

use super::expr::Ctx;
use super::project::null;
use super::typing::{cast, wider};
use super::union::Part;
use super::{Binder, Binding, Bound, Reported, Scope};
use crate::bound::{Column, Expr, ExprKind, Rel};
use crate::catalog::{Entity, FunctionKind};
use crate::diagnostic::{Code, Span};
use crate::syntax::ast::{self, BinaryOp, ExprKind as Ast};
use crate::types::{Type, Value};

impl Binder<'_> {
    pub(crate) fn search(
        &mut self,
        operator: &ast::Operator,
        tables: &[ast::Expr],
        predicate: &ast::Expr,
        piped: Option<Rel>,
        scope: &Scope,
    ) -> Bound<Rel> {
        let case_sensitive = match operator.property("kind") {
            Some(kind) => match self.word(kind, scope, "the kind of search")?.as_str() {
                "case_sensitive" => true,
                "default" | "case_insensitive" => false,
                other => {
                    let kinds = ["default", "case_insensitive", "case_sensitive"];
                    let problem = super::suggest::unknown("kind of search", other, kind.span, kinds);
                    return Err(self.report(problem));
                }
            },
            None => false,
        };
        let mut parts = Vec::new();
        match piped {
            Some(rel) => parts.push(Part {
                source: "search_arg0".to_owned(),
                rel,
            }),
            None => self.searched_tables(tables, "search_arg", operator.span, &mut parts, scope)?,
        }
        let parts = self.filtered_parts(parts, scope, |binder, ctx| binder.search_predicate(predicate, case_sensitive, ctx))?;
        Ok(self.united(parts, Some("$table"), false, operator.span))
    }

    fn searched_tables(&mut self, tables: &[ast::Expr], numbered: &str, span: Span, parts: &mut Vec<Part>, scope: &Scope) -> Bound<()> {
        if tables.is_empty() {
            // All stored tables; views show the same rows again.
            for name in self.env.schema.names() {
                if matches!(self.env.schema.entity(&name), Some(Entity::Table { .. })) {
                    let rel = self.table_by_name(&name, span, &Scope::default())?;
                    parts.push(Part { source: name, rel });
                }
            }
            if parts.is_empty() {
                return self.error(Code::Semantic, span, "there are no tables to search");
            }
        }
        for table in tables {
            self.parts(table, false, numbered, parts, scope)?;
        }
        Ok(())
    }

    /// Filters each table. Columns that only other tables have are null in this one.
    fn filtered_parts(
        &mut self,
        parts: Vec<Part>,
        scope: &Scope,
        predicate: impl Fn(&mut Self, &Ctx<'_>) -> Bound<Expr>,
    ) -> Bound<Vec<Part>> {
        let mut all: BTreeMap<String, Type> = BTreeMap::new();
        for part in &parts {
            for column in &part.rel.columns {
                all.entry(column.name.clone()).or_insert(column.ty);
            }
        }
        let mut filtered = Vec::with_capacity(parts.len());
        for part in parts {
            let mut with_missing = scope.clone();
            for (name, ty) in &all {
                if !part.rel.columns.iter().any(|column| column.name == *name) {
                    with_missing = with_missing.with(name.clone(), Binding::Scalar(null(*ty, part.rel.span)));
                }
            }
            let table = Expr::literal(Value::String(part.source.clone()), part.rel.span);
            with_missing = with_missing.with("$table", Binding::Scalar(table));
            let predicate = predicate(self, &Ctx::row(&with_missing, &part.rel))?;
            let span = part.rel.span;
            let rel = self.filtered(predicate, part.rel, span);
            filtered.push(Part { source: part.source, rel });
        }
        Ok(filtered)
    }

    fn search_predicate(&mut self, expr: &ast::Expr, case_sensitive: bool, ctx: &Ctx<'_>) -> Bound<Expr> {
        match &expr.kind {
            Ast::Literal(Value::String(term)) => self.term_anywhere(term, case_sensitive, expr.span, ctx),
            Ast::Star => Ok(Expr::literal(Value::Bool(true), self.place(expr.span))),
            Ast::Literal(Value::Long(n)) => self.term_anywhere(&n.to_string(), case_sensitive, expr.span, ctx),
            Ast::Literal(Value::Real(n)) => self.term_anywhere(&n.to_string(), case_sensitive, expr.span, ctx),
            Ast::Binary {
                op: op @ (BinaryOp::And | BinaryOp::Or),
                left,
                right,
            } => {
                let left = self.search_predicate(left, case_sensitive, ctx);
                let right = self.search_predicate(right, case_sensitive, ctx);
                self.binary(*op, left?, right?, expr.span)
            }
            Ast::Binary {
                op: BinaryOp::Colon,
                left,
                right,
            } => {
                let Ast::Literal(term) = &right.kind else {
                    return self.error(Code::Syntax, right.span, "a term is wanted behind ':'");
                };
                let column = self.expr(left, ctx)?;
                match term {
                    Value::String(term) => self.term_in(column, term, case_sensitive, expr.span),
                    other => {
                        let term = Expr::literal(other.clone(), self.place(right.span));
                        self.binary(BinaryOp::Equal, column, term, expr.span)
                    }
                }
            }
            Ast::Call { name, arguments } if name.text == "not" && arguments.len() == 1 => {
                let mut inner = Err(Reported);
                for argument in arguments {
                    inner = self.search_predicate(&argument.value, case_sensitive, ctx);
                }
                Ok(Expr {
                    kind: ExprKind::Not(Box::new(inner?)),
                    ty: Type::Bool,
                    span: self.place(expr.span),
                })
            }
            _ => {
                let value = self.expr(expr, ctx)?;
                self.condition(value)
            }
        }
    }

    /// `* op term`: any column, read as text.
    pub(crate) fn any_text(&mut self, op: BinaryOp, term: &ast::Expr, span: Span, ctx: &Ctx<'_>) -> Bound<Expr> {
        let term = self.expr(term, ctx)?;
        self.any_column(ctx, span, |binder, column| {
            let value = binder.as_text(column, span)?;
            binder.binary(op, value, term.clone(), span).map(Some)
        })
    }

    fn term_anywhere(&mut self, term: &str, case_sensitive: bool, span: Span, ctx: &Ctx<'_>) -> Bound<Expr> {
        if term == "*" {
            return Ok(Expr::literal(Value::Bool(true), self.place(span)));
        }
        // whole numbers are found in columns of whole numbers; a fraction is found in text only
        let numeric = term.trim_matches('*').parse::<i64>().is_ok();
        self.any_column(ctx, span, |binder, column| {
            let searched = match column.ty {
                Type::String | Type::Dynamic | Type::Guid => true,
                ty => numeric && matches!(ty, Type::Int | Type::Long),
            };
            if !searched {
                return Ok(None);
            }
            let value = binder.as_text(column, span)?;
            binder.term_in(value, term, case_sensitive, span).map(Some)
        })
    }

    /// `or` over the columns for which `test` gives a condition.
    fn any_column(&mut self, ctx: &Ctx<'_>, span: Span, test: impl Fn(&mut Self, &Column) -> Bound<Option<Expr>>) -> Bound<Expr> {
        let mut any: Option<Expr> = None;
        for column in ctx.columns {
            if self.is_poisoned(column.id) {
                return Err(Reported);
            }
            if let Some(found) = test(self, column)? {
                any = Some(match any {
                    Some(before) => self.binary(BinaryOp::Or, before, found, span)?,
                    None => found,
                });
            }
        }
        Ok(any.unwrap_or_else(|| Expr::literal(Value::Bool(false), self.place(span))))
    }

    fn as_text(&mut self, column: &Column, span: Span) -> Bound<Expr> {
        let value = self.column_use(column, span)?;
        match column.ty {
            Type::String => Ok(value),
            Type::Dynamic => Ok(cast(value, Type::String)),
            _ => {
                let function = self.needed(FunctionKind::Scalar, "tostring", span)?;
                self.catalog_call(function, vec![value], &[], span, span)
            }
        }
    }

    /// A term in one value; wildcards at its ends widen it.
    fn term_in(&mut self, value: Expr, term: &str, case_sensitive: bool, span: Span) -> Bound<Expr> {
        let value = if value.ty == Type::String || value.ty == Type::Dynamic {
            value
        } else {
            let function = self.needed(FunctionKind::Scalar, "tostring", span)?;
            self.catalog_call(function, vec![value], &[], span, span)?
        };
        let front = term.starts_with('*');
        let back = term.len() > 1 && term.ends_with('*');
        let core = term.strip_prefix('*').unwrap_or(term);
        let core = if back { core.strip_suffix('*').unwrap_or(core) } else { core };
        let place = self.place(span);
        if core.contains('*') {
            let flags = if case_sensitive { "" } else { "(?i)" };
            let words: Vec<String> = core.split('*').map(escape).collect();
            let start = if front { "" } else { r"\b" };
            let end = if back { "" } else { r"\b" };
            let pattern = format!("{flags}{start}{}{end}", words.join(".*"));
            let pattern = Expr::literal(Value::String(pattern), place);
            return self.binary(BinaryOp::MatchesRegex, value, pattern, span);
        }
        let op = match (front, back, case_sensitive) {
            (false, false, false) => BinaryOp::Has,
            (false, false, true) => BinaryOp::HasCs,
            (false, true, false) => BinaryOp::HasPrefix,
            (false, true, true) => BinaryOp::HasPrefixCs,
            (true, false, false) => BinaryOp::HasSuffix,
            (true, false, true) => BinaryOp::HasSuffixCs,
            (true, true, false) => BinaryOp::Contains,
            (true, true, true) => BinaryOp::ContainsCs,
        };
        let term = Expr::literal(Value::String(core.to_owned()), place);
        self.binary(op, value, term, span)
    }

    /// `find [withsource=name] [in (tables)] where predicate [project columns]`
    pub(crate) fn find(
        &mut self,
        operator: &ast::Operator,
        tables: &[ast::Expr],
        predicate: Option<&ast::Expr>,
        project: &[(ast::Name, Option<Type>)],
        project_smart: bool,
        scope: &Scope,
    ) -> Bound<Rel> {
        let source = match operator.property("withsource").or_else(|| operator.property("with_source")) {
            Some(value) => self.word(value, scope, "withsource")?,
            None => "source_".to_owned(),
        };
        let mut parts = Vec::new();
        self.searched_tables(tables, "find_arg", operator.span, &mut parts, scope)?;
        if let Some(predicate) = predicate {
            // A table that has none of the columns of the predicate is left out.
            let mut mentioned = Vec::new();
            names_in(predicate, &mut mentioned);
            if !has_terms(predicate) && parts.iter().any(|part| mentioned.iter().any(|name| has_column(part, name))) {
                parts.retain(|part| mentioned.iter().any(|name| has_column(part, name)));
            }
            parts = self.filtered_parts(parts, scope, |binder, ctx| binder.search_predicate(predicate, false, ctx))?;
        }
        // What the query names is shown; without `project`, the columns of the predicate and a bag of the others.
        let smart = project_smart || project.is_empty();
        let written = |name: &str| {
            if name == "pack_all()" {
                "pack_".to_owned()
            } else {
                name.to_owned()
            }
        };
        let mut shown: Vec<String> = project.iter().map(|(name, _)| written(&name.text)).collect();
        let asked: BTreeMap<&str, Type> = project.iter().filter_map(|(name, ty)| Some((name.text.as_str(), (*ty)?))).collect();
        if smart {
            let mut mentioned = Vec::new();
            if let Some(predicate) = predicate {
                names_in(predicate, &mut mentioned);
            }
            let in_all = |name: &str| parts.iter().all(|part| has_column(part, name));
            for part in &parts {
                for column in &part.rel.columns {
                    let name = &column.name;
                    if !shown.contains(name) && (mentioned.contains(name) || in_all(name)) {
                        shown.push(name.clone());
                    }
                }
            }
        }
        let packed = (smart && !shown.iter().any(|name| name == "pack_")) || shown.iter().any(|name| name == "pack_");
        shown.retain(|name| name != "pack_");
        // A column that is a number everywhere is as wide as the widest.
        let widths: BTreeMap<&str, Type> = shown
            .iter()
            .filter_map(|name| {
                let types = parts.iter().flat_map(|part| &part.rel.columns);
                let mut types = types.filter(|column| column.name == *name).map(|column| column.ty);
                let first = types.next().filter(|ty| ty.is_numeric())?;
                let widest = types.try_fold(first, |wide, ty| ty.is_numeric().then(|| wider(wide, ty)))?;
                Some((name.as_str(), widest))
            })
            .collect();
        let mut projected = Vec::with_capacity(parts.len());
        for part in parts {
            let part = self.found(part, &shown, (&widths, &asked), packed, operator.span)?;
            projected.push(part);
        }
        let rel = self.united(projected, Some(&source), false, operator.span);
        for name in project {
            let known = matches!(name.0.text.as_str(), "pack_" | "pack_all()")
                || rel.columns.iter().any(|column| column.name.starts_with(&name.0.text));
            if !known {
                let names: Vec<&str> = rel.columns.iter().map(|column| column.name.as_str()).collect();
                let problem = super::suggest::unknown("column", &name.0.text, name.0.span, names);
                self.report(problem);
            }
        }
        Ok(rel)
    }

    fn found(
        &mut self,
        part: Part,
        shown: &[String],
        (widths, asked): (&BTreeMap<&str, Type>, &BTreeMap<&str, Type>),
        packed: bool,
        span: Span,
    ) -> Bound<Part> {
        let place = self.place(span);
        let mut columns = Vec::new();
        let mut exprs = Vec::new();
        for name in shown {
            if let Some(column) = part.rel.columns.iter().find(|column| column.name == *name) {
                let value = self.column_use(column, span)?;
                let (value, ty) = match asked.get(name.as_str()) {
                    // `name: type`: converted, not only widened.
                    Some(ty) if *ty != column.ty => {
                        let function = self.needed(FunctionKind::Scalar, super::typing::conversion(*ty), span)?;
                        (self.catalog_call(function, vec![value], &[], span, span)?, *ty)
                    }
                    Some(ty) => (value, *ty),
                    None => {
                        let ty = widths.get(name.as_str()).copied().unwrap_or(column.ty);
                        (cast(value, ty), ty)
                    }
                };
                exprs.push(value);
                columns.push(self.column(name.clone(), ty));
            }
        }
        if packed {
            let function = self.needed(FunctionKind::Scalar, "bag_pack", span)?;
            let mut args = Vec::new();
            for column in part.rel.columns.iter().filter(|column| !shown.contains(&column.name)) {
                args.push(Expr::literal(Value::String(column.name.clone()), place));
                args.push(self.column_use(column, span)?);
            }
            let bag = if args.is_empty() {
                Expr::literal(Value::Dynamic("{}".to_owned()), place)
            } else {
                self.catalog_call(function, args, &[], span, span)?
            };
            columns.push(self.column("pack_", Type::Dynamic));
            exprs.push(bag);
        }
        let kind = crate::bound::RelKind::Project {
            input: Box::new(part.rel),
            exprs,
        };
        Ok(Part {
            source: part.source,
            rel: self.rel(kind, columns, false, span),
        })
    }
}

/// Whether a predicate looks for a term in any column.
fn has_terms(predicate: &ast::Expr) -> bool {
    match &predicate.kind {
        Ast::Literal(_) | Ast::Star => true,
        Ast::Binary {
            op: BinaryOp::And | BinaryOp::Or,
            left,
            right,
        } => has_terms(left) || has_terms(right),
        Ast::Binary { left, .. } => matches!(left.kind, Ast::Star),
        Ast::Call { arguments, .. } => arguments.is_empty() || arguments.iter().any(|argument| has_terms(&argument.value)),
        _ => false,
    }
}

fn has_column(part: &Part, name: &str) -> bool {
    part.rel.columns.iter().any(|column| column.name == name)
}

/// Text as part of a regular expression.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if !c.is_alphanumeric() && c != '_' && !c.is_whitespace() && c.is_ascii() {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Names a predicate mentions, in order.
pub(super) fn names_in(expr: &ast::Expr, names: &mut Vec<String>) {
    match &expr.kind {
        Ast::Name(name) if !names.contains(name) => names.push(name.clone()),
        Ast::Binary { left, right, .. } => {
            names_in(left, names);
            names_in(right, names);
        }
        Ast::Call { arguments, .. } => arguments.iter().for_each(|argument| names_in(&argument.value, names)),
        Ast::Member { base, .. } => names_in(base, names),
        Ast::Element { base, index } => {
            names_in(base, names);
            names_in(index, names);
        }
        Ast::Between { value, low, high, .. } => {
            for part in [value, low, high] {
                names_in(part, names);
            }
        }
        Ast::List { value, .. } => names_in(value, names),
        Ast::Negate(inner) | Ast::Plus(inner) => names_in(inner, names),
        _ => {}
    }
}
