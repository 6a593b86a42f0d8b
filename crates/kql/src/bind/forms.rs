//! Forms that look like functions and belong to the language itself: `iff`, `case`, `not`, `now`, `ago`, `toscalar`, ...
//!
//! Source: Kusto Query Language reference, pages of these functions.

use std::sync::Arc;

use super::expr::Ctx;
use super::typing::cast;
use super::{Binder, Bound, Reported, constant};
use crate::bound::{Expr, ExprKind};
use crate::catalog::FunctionKind;
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::syntax::ast::{self, BinaryOp, ExprKind as Ast};
use crate::types::{Type, Value};

/// Column that says when a row arrived: what `ingestion_time()` reads.
const RECEIVED: &str = "_TimeReceived";

/// Forms of the language that are no catalogue functions: name, usage.
pub(crate) const FORMS: &[(&str, &str)] = &[
    ("iff", "iff(if, then, else)"),
    ("iif", "iif(if, then, else)"),
    ("case", "case(predicate_1, then_1, [predicate_2, then_2, ...] else)"),
    ("not", "not(expression)"),
    ("now", "now([offset])"),
    ("ago", "ago(timespan)"),
    ("toscalar", "toscalar(expression)"),
    ("materialize", "materialize(table)"),
    ("column_ifexists", "column_ifexists(columnName, defaultValue)"),
    ("ingestion_time", "ingestion_time()"),
    ("bin_auto", "bin_auto(value)"),
    ("pack_all", "pack_all([ignore_null_empty])"),
    ("bag_pack_columns", "bag_pack_columns(column, ...)"),
    ("iscolumnexists", "iscolumnexists(columnName)"),
    ("column_names_of", "column_names_of(table)"),
    ("table", "table(name)"),
];

impl Binder<'_> {
    /// The forms of the language; `None` when the name is none of them.
    pub(crate) fn form(&mut self, name: &ast::Name, arguments: &[ast::Argument], span: Span, ctx: &Ctx<'_>) -> Option<Bound<Expr>> {
        let values: Vec<&ast::Expr> = arguments.iter().map(|argument| &argument.value).collect();
        Some(match name.text.as_str() {
            "iff" | "iif" => self.iff(name, &values, span, ctx),
            "case" => self.case(name, &values, span, ctx),
            "not" => self.not(name, &values, span, ctx),
            "now" => self.now(name, &values, span, ctx),
            "ago" => self.ago(name, &values, span, ctx),
            "toscalar" => self.toscalar(name, &values, span, ctx),
            "typeof" => self.type_of(name, &values, span),
            "column_ifexists" | "columnifexists" => self.column_if_exists(name, &values, span, ctx),
            "ingestion_time" => match ctx.find(RECEIVED) {
                Some(column) => self.column_use(column, span),
                None if self.lenient() => Ok(Expr::literal(Value::Null(Type::DateTime), self.place(span))),
                None => {
                    let problem = Diagnostic::error(
                        Code::Semantic,
                        span,
                        "ingestion_time() is known only for rows that come straight from a table",
                    )
                    .with_help(format!("keep the column {RECEIVED} in the projections before it"));
                    Err(self.report(problem))
                }
            },
            "bin_auto" => self.bin_auto(name, &values, span, ctx),
            "pack_all" => self.pack_all(name, &values, span, ctx),
            "bag_pack_columns" => self.bag_pack_columns(name, &values, span, ctx),
            "column_names_of" => self.column_names_of(name, &values, span, ctx),
            "iscolumnexists" => self.column_exists(name, &values, span, ctx),
            "gettype" => self.get_type(name, arguments, span, ctx)?,
            "materialize" | "table" => self.table_for_value(&name.text, span),
            _ => return None,
        })
    }

    fn wrong_count<T>(&mut self, name: &ast::Name, wanted: &str, given: usize) -> Bound<T> {
        let usage = FORMS.iter().find(|(form, _)| *form == name.text).map(|(_, usage)| *usage);
        let verb = if given == 1 { "is" } else { "are" };
        let mut problem = Diagnostic::error(
            Code::Arguments,
            name.span,
            format!("{}() takes {wanted}, and {given} {verb} given", name.text),
        );
        if let Some(usage) = usage {
            problem = problem.with_help(format!("usage: {usage}"));
        }
        Err(self.report(problem))
    }

    fn iff(&mut self, name: &ast::Name, values: &[&ast::Expr], span: Span, ctx: &Ctx<'_>) -> Bound<Expr> {
        let [condition, then, otherwise] = values else {
            return self.wrong_count(name, "3 arguments", values.len());
        };
        self.branches(&[(condition, then)], otherwise, span, ctx)
    }

    fn case(&mut self, name: &ast::Name, values: &[&ast::Expr], span: Span, ctx: &Ctx<'_>) -> Bound<Expr> {
        let (Some((otherwise, pairs)), true) = (values.split_last(), values.len() >= 3 && values.len() % 2 == 1) else {
            return self.wrong_count(name, "pairs of condition and value, then a value for the rest", values.len());
        };
        let branches: Vec<(&ast::Expr, &ast::Expr)> = pairs
            .chunks_exact(2)
            .filter_map(|pair| match pair {
                [condition, value] => Some((*condition, *value)),
                _ => None,
            })
            .collect();
        self.branches(&branches, otherwise, span, ctx)
    }

    fn branches(&mut self, pairs: &[(&ast::Expr, &ast::Expr)], otherwise: &ast::Expr, span: Span, ctx: &Ctx<'_>) -> Bound<Expr> {
        let mut conditions = Vec::new();
        let mut values = Vec::new();
        for (condition, value) in pairs {
            let condition = self.expr(condition, ctx).and_then(|condition| self.condition(condition));
            conditions.push(condition);
            values.push(self.expr(value, ctx));
        }
        values.push(self.expr(otherwise, ctx));
        let conditions = conditions.into_iter().collect::<Bound<Vec<Expr>>>()?;
        let (mut values, ty) = {
            let values = values.into_iter().collect::<Bound<Vec<Expr>>>()?;
            self.unify(values, "the results")?
        };
        let Some(otherwise) = values.pop() else {
            return Err(Reported);
        };
        Ok(Expr {
            kind: ExprKind::Case {
                branches: conditions.into_iter().zip(values).collect(),
                otherwise: Box::new(otherwise),
            },
            ty,
            span: self.place(span),
        })
    }

    fn not(&mut self, name: &ast::Name, values: &[&ast::Expr], span: Span, ctx: &Ctx<'_>) -> Bound<Expr> {
        let [value] = values else {
            return self.wrong_count(name, "1 argument", values.len());
        };
        let value = self.expr(value, ctx)?;
        let value = self.condition(value)?;
        Ok(Expr {
            kind: ExprKind::Not(Box::new(value)),
            ty: Type::Bool,
            span: self.place(span),
        })
    }

    fn now(&mut self, name: &ast::Name, values: &[&ast::Expr], span: Span, ctx: &Ctx<'_>) -> Bound<Expr> {
        let now = Expr::literal(Value::DateTime(self.env.now), self.place(span));
        match values {
            [] => Ok(now),
            [offset] => {
                let offset = self.expr(offset, ctx)?;
                let offset = self.timespan(offset)?;
                self.binary(BinaryOp::Add, now, offset, span)
            }
            _ => self.wrong_count(name, "at most 1 argument", values.len()),
        }
    }

    fn ago(&mut self, name: &ast::Name, values: &[&ast::Expr], span: Span, ctx: &Ctx<'_>) -> Bound<Expr> {
        let [offset] = values else {
            return self.wrong_count(name, "1 argument", values.len());
        };
        let offset = self.expr(offset, ctx)?;
        let offset = self.timespan(offset)?;
        let now = Expr::literal(Value::DateTime(self.env.now), self.place(span));
        self.binary(BinaryOp::Subtract, now, offset, span)
    }

    fn timespan(&mut self, value: Expr) -> Bound<Expr> {
        match value.ty {
            Type::TimeSpan => Ok(value),
            Type::Dynamic => Ok(cast(value, Type::TimeSpan)),
            ty => {
                let problem = Diagnostic::error(
                    Code::Type,
                    value.span,
                    format!("a timespan is wanted here, and this is of type {ty}"),
                )
                .with_help("write one like 1d, 12h or 30m");
                Err(self.report(problem))
            }
        }
    }

    fn toscalar(&mut self, name: &ast::Name, values: &[&ast::Expr], span: Span, ctx: &Ctx<'_>) -> Bound<Expr> {
        let [value] = values else {
            return self.wrong_count(name, "1 argument", values.len());
        };
        let rel = if self.is_tabular(value, ctx) {
            self.tabular(value, ctx.scope)?
        } else {
            let before = self.diagnostics.len();
            match self.expr(value, &Ctx::constant(ctx.scope)) {
                Ok(constant) if constant.as_literal().is_some() => return Ok(constant),
                // Computed once, as a table of one row: `toscalar(new_guid())`.
                Ok(_) => {
                    let item = ast::NamedExpr {
                        names: Vec::new(),
                        value: (*value).clone(),
                    };
                    self.print(&[item], span, ctx.scope)?
                }
                Err(Reported) => {
                    self.diagnostics.truncate(before);
                    return self.expr(value, ctx);
                }
            }
        };
        let Some(first) = rel.columns.first() else {
            return self.error(Code::Semantic, value.span, "the table has no column to take a value from");
        };
        if self.is_poisoned(first.id) {
            return Err(Reported);
        }
        Ok(Expr {
            ty: first.ty,
            kind: ExprKind::ScalarQuery(Arc::new(rel)),
            span: self.place(span),
        })
    }

    fn type_of(&mut self, name: &ast::Name, values: &[&ast::Expr], span: Span) -> Bound<Expr> {
        let ty = match values {
            [value] => match &value.kind {
                Ast::Name(text) => Type::parse(text),
                Ast::Literal(Value::String(text)) => Type::parse(text),
                _ => None,
            },
            _ => None,
        };
        match ty {
            Some(ty) => Ok(Expr::literal(Value::String(ty.name().to_owned()), self.place(span))),
            None => self.error(Code::Arguments, name.span, "typeof() takes the name of a type"),
        }
    }

    fn column_if_exists(&mut self, name: &ast::Name, values: &[&ast::Expr], span: Span, ctx: &Ctx<'_>) -> Bound<Expr> {
        let [column, default] = values else {
            return self.wrong_count(name, "2 arguments", values.len());
        };
        let column = self.expr(column, &Ctx::constant(ctx.scope))?;
        let Some(text) = constant::text(&column) else {
            return self.error(Code::Arguments, column.span, "the name of the column must be a constant string");
        };
        match ctx.find(text) {
            Some(column) => self.column_use(column, span),
            None => self.expr(default, ctx),
        }
    }

    /// The names of a table's columns, which are known before it is read.
    fn column_names_of(&mut self, name: &ast::Name, values: &[&ast::Expr], span: Span, ctx: &Ctx<'_>) -> Bound<Expr> {
        let [table] = values else {
            return self.wrong_count(name, "1 argument", values.len());
        };
        let rel = self.tabular(table, ctx.scope)?;
        let function = self.needed(FunctionKind::Scalar, "pack_array", span)?;
        let place = self.place(span);
        let names = rel
            .columns
            .iter()
            .map(|column| Expr::literal(Value::String(column.name.clone()), place))
            .collect();
        self.catalog_call(function, names, &[], name.span, span)
    }

    fn column_exists(&mut self, name: &ast::Name, values: &[&ast::Expr], span: Span, ctx: &Ctx<'_>) -> Bound<Expr> {
        let [column] = values else {
            return self.wrong_count(name, "1 argument", values.len());
        };
        let column = self.expr(column, &Ctx::constant(ctx.scope))?;
        let Some(text) = constant::text(&column) else {
            return self.error(Code::Arguments, column.span, "the name of the column must be a constant string");
        };
        Ok(Expr::literal(Value::Bool(ctx.find(text).is_some()), self.place(span)))
    }

    /// `bag_pack_columns(a, b)`: `bag_pack('a', a, 'b', b)`
    fn bag_pack_columns(&mut self, name: &ast::Name, values: &[&ast::Expr], span: Span, ctx: &Ctx<'_>) -> Bound<Expr> {
        if values.is_empty() {
            return self.wrong_count(name, "at least 1 argument", 0);
        }
        let function = self.needed(FunctionKind::Scalar, "bag_pack", span)?;
        let mut args = Vec::with_capacity(values.len() * 2);
        for value in values {
            let Some(column) = self.name_of(value) else {
                return self.error(Code::Arguments, value.span, "bag_pack_columns() takes names of columns");
            };
            args.push(Expr::literal(Value::String(column), self.place(value.span)));
            args.push(self.expr(value, ctx)?);
        }
        self.catalog_call(function, args, &[], name.span, span)
    }

    /// `bin` with the size (and origin) that `set query_bin_auto_size`, `query_bin_auto_at` say.
    fn bin_auto(&mut self, name: &ast::Name, values: &[&ast::Expr], span: Span, ctx: &Ctx<'_>) -> Bound<Expr> {
        let [value] = values else {
            return self.wrong_count(name, "1 argument", values.len());
        };
        let value = self.expr(value, ctx)?;
        let option = |name: &str| {
            self.options
                .iter()
                .rev()
                .find(|(option, _)| option == name)
                .and_then(|(_, value)| value.clone())
        };
        let (size, at) = (option("query_bin_auto_size"), option("query_bin_auto_at"));
        let Some(size) = size else {
            let problem = Diagnostic::error(Code::Semantic, span, "bin_auto() needs to know the size of a bin")
                .with_help("put 'set query_bin_auto_size=1h;' in front");
            return Err(self.report(problem));
        };
        let place = self.place(span);
        let mut args = vec![value, Expr::literal(size, place)];
        let function = match at {
            Some(at) => {
                args.push(Expr::literal(at, place));
                "bin_at"
            }
            None => "bin",
        };
        let function = self.needed(FunctionKind::Scalar, function, span)?;
        self.catalog_call(function, args, &[], name.span, span)
    }

    /// `pack_all()`: a bag of all columns.
    fn pack_all(&mut self, name: &ast::Name, values: &[&ast::Expr], span: Span, ctx: &Ctx<'_>) -> Bound<Expr> {
        if let [flag] = values {
            let flag = self.expr(flag, ctx)?;
            match flag.as_literal() {
                Some(Value::Bool(false)) => {}
                Some(Value::Bool(true)) => return self.pack_all_but_empty(span, ctx),
                _ => {
                    return self.error(
                        Code::Arguments,
                        span,
                        "pack_all takes true or false: whether to leave out what is empty",
                    );
                }
            }
        } else if !values.is_empty() {
            return self.wrong_count(name, "at most 1 argument", values.len());
        }
        let function = self.needed(FunctionKind::Scalar, "bag_pack", span)?;
        let mut args = Vec::with_capacity(ctx.columns.len() * 2);
        for column in ctx.columns {
            args.push(Expr::literal(Value::String(column.name.clone()), self.place(span)));
            args.push(self.column_use(column, span)?);
        }
        self.catalog_call(function, args, &[], name.span, span)
    }

    /// `pack_all(true)`: a bag of one member for each column, or of none when it is null or empty, all merged.
    fn pack_all_but_empty(&mut self, span: Span, ctx: &Ctx<'_>) -> Bound<Expr> {
        let place = self.place(span);
        let pack = self.needed(FunctionKind::Scalar, "bag_pack", span)?;
        let merge = self.needed(FunctionKind::Scalar, "bag_merge", span)?;
        let is_empty = self.needed(FunctionKind::Scalar, "isempty", span)?;
        let text = self.needed(FunctionKind::Scalar, "tostring", span)?;
        let nothing = Expr::literal(Value::Dynamic("{}".to_owned()), place);
        let mut bags = vec![nothing.clone()];
        for column in ctx.columns {
            let value = self.column_use(column, span)?;
            let name = Expr::literal(Value::String(column.name.clone()), place);
            let bag = self.catalog_call(pack, vec![name, value.clone()], &[], span, span)?;
            let value = self.catalog_call(text, vec![value], &[], span, span)?;
            let empty = self.catalog_call(is_empty, vec![value], &[], span, span)?;
            bags.push(Expr {
                kind: ExprKind::Case {
                    branches: vec![(empty, nothing.clone())],
                    otherwise: Box::new(bag),
                },
                ty: Type::Dynamic,
                span: place,
            });
        }
        bags.push(nothing);
        self.catalog_call(merge, bags, &[], span, span)
    }

    /// The type is known here, except within a dynamic.
    fn get_type(&mut self, _name: &ast::Name, arguments: &[ast::Argument], span: Span, ctx: &Ctx<'_>) -> Option<Bound<Expr>> {
        let [argument] = arguments else { return None };
        Some(match self.expr(&argument.value, ctx) {
            Ok(value) if value.ty == Type::Dynamic => match self.needed(FunctionKind::Scalar, "gettype", span) {
                Ok(function) => self.catalog_call(function, vec![value], &[], span, span),
                Err(reported) => Err(reported),
            },
            Ok(value) => Ok(Expr::literal(Value::String(value.ty.name().to_owned()), self.place(span))),
            Err(reported) => Err(reported),
        })
    }
}
