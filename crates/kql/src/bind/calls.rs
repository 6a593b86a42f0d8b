//! Calls: the forms that belong to the language itself, functions of the catalogue, functions of the query.

use std::sync::Arc;

use super::expr::Ctx;
use super::functions::Value as Applied;
use super::typing::{cast, common, conversion};
use super::{Binder, Binding, Bound, Reported, Results, constant, signature, suggest};
use crate::bound::{Aggregate, Column, Expr, ExprKind};
use crate::catalog::{Argument, Function, FunctionKind, Naming, Resolved};
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
    ("pack_all", "pack_all()"),
    ("table", "table(name)"),
];

impl Binder<'_> {
    /// A call in a scalar expression.
    pub(crate) fn call(&mut self, name: &ast::Name, arguments: &[ast::Argument], span: Span, ctx: &Ctx<'_>) -> Bound<Expr> {
        self.tuple = None;
        match ctx.scope.get(&name.text) {
            Some(Binding::Function(function)) => {
                let function = function.clone();
                return match self.apply(&function, arguments, None, span, ctx)? {
                    Applied::Scalar(value) => Ok(value),
                    Applied::Table(_) => self.table_for_value(&name.text, span),
                };
            }
            Some(Binding::Broken) => return Err(Reported),
            _ => {}
        }
        if let Some(result) = self.form(name, arguments, span, ctx) {
            return result;
        }
        let catalog = self.env.catalog;
        if ctx.aggregates.is_some()
            && let Some(function) = catalog.function(FunctionKind::Aggregate, &name.text)
        {
            let aggregate = self.aggregate_call(function, name, arguments, span, ctx)?;
            let Some(first) = aggregate.outputs.first() else {
                return Err(Reported);
            };
            let value = Expr::column(first, self.place(span));
            if let Some(found) = ctx.aggregates {
                found.borrow_mut().push(aggregate);
            }
            return Ok(value);
        }
        if let Some(function) = catalog.function(FunctionKind::Scalar, &name.text) {
            return self.scalar_call(function, name, arguments, span, ctx);
        }
        if let Some(function) = catalog.function(FunctionKind::Window, &name.text) {
            if !ctx.windows {
                return self.error(
                    Code::Semantic,
                    name.span,
                    format!(
                        "{}() looks at neighbouring rows and can stand only in extend, project, serialize and where",
                        name.text
                    ),
                );
            }
            if !ctx.serialized {
                let problem = Diagnostic::error(Code::Semantic, name.span, format!("{}() needs rows in a defined order", name.text))
                    .with_help("put '| sort by ...' or '| serialize' in front");
                return Err(self.report(problem));
            }
            return self.scalar_call(function, name, arguments, span, ctx);
        }
        if let Some(function) = self.stored_function(&name.text, span)? {
            return match self.apply(&function, arguments, None, span, ctx)? {
                Applied::Scalar(value) => Ok(value),
                Applied::Table(_) => self.table_for_value(&name.text, span),
            };
        }
        Err(self.unknown_function(name, ctx))
    }

    fn table_for_value<T>(&mut self, name: &str, span: Span) -> Bound<T> {
        let problem = Diagnostic::error(Code::Type, span, format!("a value is wanted here, and {name}() gives a table"))
            .with_help("toscalar(...) gives the first column of its first row");
        Err(self.report(problem))
    }

    fn unknown_function(&mut self, name: &ast::Name, ctx: &Ctx<'_>) -> Reported {
        let catalog = self.env.catalog;
        if catalog.function(FunctionKind::Aggregate, &name.text).is_some() {
            let problem = Diagnostic::error(
                Code::Semantic,
                name.span,
                format!("{}() is an aggregate and can stand only in summarize and its like", name.text),
            );
            return self.report(problem);
        }
        if catalog.function(FunctionKind::Plugin, &name.text).is_some() {
            let problem = Diagnostic::error(Code::Semantic, name.span, format!("{} is a plugin", name.text))
                .with_help(format!("write '| evaluate {}(...)'", name.text));
            return self.report(problem);
        }
        let functions = catalog.functions();
        let own: Vec<String> = ctx.scope.names().into_iter().map(|(name, _)| name.to_owned()).collect();
        let kinds = |kind: FunctionKind| {
            kind == FunctionKind::Scalar
                || (kind == FunctionKind::Window && ctx.windows)
                || (kind == FunctionKind::Aggregate && ctx.aggregates.is_some())
        };
        let candidates = functions
            .iter()
            .filter(|function| kinds(function.kind))
            .map(|function| function.name)
            .chain(FORMS.iter().map(|(name, _)| *name))
            .chain(own.iter().map(String::as_str));
        let problem = suggest::unknown("function", &name.text, name.span, candidates);
        self.report(problem)
    }

    /// The forms of the language; `None` when the name is none of them.
    fn form(&mut self, name: &ast::Name, arguments: &[ast::Argument], span: Span, ctx: &Ctx<'_>) -> Option<Bound<Expr>> {
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
        if !self.is_tabular(value, ctx) {
            return self.expr(value, ctx);
        }
        let rel = self.tabular(value, ctx.scope)?;
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
            if !matches!(flag.as_literal(), Some(Value::Bool(false))) {
                return self.not_supported(span, "pack_all(true)");
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

    fn scalar_call(
        &mut self,
        function: &'static Function,
        name: &ast::Name,
        arguments: &[ast::Argument],
        span: Span,
        ctx: &Ctx<'_>,
    ) -> Bound<Expr> {
        let mut args = Vec::with_capacity(arguments.len());
        for argument in arguments {
            if let Some(named) = &argument.name {
                let problem = Diagnostic::error(
                    Code::Arguments,
                    named.span,
                    format!("{}() takes its arguments by position", function.name),
                )
                .with_help(format!("usage: {}", function.usage));
                args.push(Err(self.report(problem)));
                continue;
            }
            if matches!(argument.value.kind, Ast::Star) {
                for column in ctx.columns {
                    args.push(self.column_use(column, argument.value.span));
                }
                continue;
            }
            args.push(self.expr(&argument.value, ctx));
        }
        let args = args.into_iter().collect::<Bound<Vec<Expr>>>()?;
        self.catalog_call(function, args, arguments, name.span, span)
    }

    /// A call of a catalogue function with bound arguments.
    pub(crate) fn catalog_call(
        &mut self,
        function: &'static Function,
        args: Vec<Expr>,
        written: &[ast::Argument],
        name: Span,
        span: Span,
    ) -> Bound<Expr> {
        let resolved = self.resolve(function, &args, written, name)?;
        let args = convert(args, &resolved);
        self.tuple = None;
        let ty = match resolved.returns.as_slice() {
            [one] => *one,
            many => {
                let names = self.output_names(function, written, many.len());
                self.tuple = Some(Results {
                    columns: names.into_iter().zip(many.iter().copied()).collect(),
                    all: matches!(function.naming, Naming::Tuple([_])),
                });
                Type::Dynamic
            }
        };
        Ok(Expr {
            kind: ExprKind::Call {
                function: function.name,
                args,
            },
            ty,
            span: self.place(span),
        })
    }

    /// Types of a call, or a report that shows how the function is used.
    pub(crate) fn resolve(&mut self, function: &'static Function, args: &[Expr], written: &[ast::Argument], name: Span) -> Bound<Resolved> {
        let known: Vec<Argument<'_>> = args
            .iter()
            .enumerate()
            .map(|(index, arg)| Argument {
                ty: arg.ty,
                literal: arg.as_literal(),
                column: match written.get(index).map(|argument| &argument.value.kind) {
                    Some(Ast::Name(name)) => Some(name.as_str()),
                    _ => None,
                },
            })
            .collect();
        match signature::resolve(function, &known) {
            Ok(resolved) => Ok(resolved),
            Err(wrong) => {
                let (code, span) = match wrong.argument {
                    Some(index) => (Code::Type, args.get(index).map_or(name, |arg| arg.span)),
                    None => (Code::Arguments, name),
                };
                let mut help = format!("usage: {}", function.usage);
                // The commonest mistake has a mend: a conversion.
                let mut fix = None;
                if let (Some(index), Some(argument)) = (wrong.argument, wrong.argument.and_then(|index| written.get(index)))
                    && let Some(Argument { ty, .. }) = known.get(index)
                    && *ty == Type::String
                    && wrong.message.contains(" takes dynamic ")
                    && let Ast::Name(column) = &argument.value.kind
                {
                    help = format!("{help}; parse the text first: parse_json({column})");
                    fix = Some((argument.value.span, format!("parse_json({column})")));
                }
                let mut problem = Diagnostic::error(code, span, wrong.message).with_help(help);
                if let Some((span, text)) = fix {
                    problem = problem.with_fix(span, text);
                }
                Err(self.report(problem))
            }
        }
    }

    /// An aggregate with its result columns, which are named as the reference names them.
    pub(crate) fn aggregate_call(
        &mut self,
        function: &'static Function,
        name: &ast::Name,
        arguments: &[ast::Argument],
        span: Span,
        ctx: &Ctx<'_>,
    ) -> Bound<Aggregate> {
        let inner = ctx.without_aggregates();
        let mut args = Vec::new();
        let mut names: Vec<Option<String>> = Vec::new();
        for argument in arguments {
            if matches!(argument.value.kind, Ast::Star | Ast::Wildcard(_)) {
                if function.naming != Naming::Columns {
                    if function.name == "count" {
                        continue;
                    }
                    return self.error(
                        Code::Arguments,
                        argument.value.span,
                        format!("{}() does not take '*'", function.name),
                    );
                }
                for column in self.star_columns(&argument.value, &args, ctx) {
                    args.push(self.column_use(&column, argument.value.span)?);
                    names.push(Some(column.name.clone()));
                }
                continue;
            }
            args.push(self.expr(&argument.value, &inner)?);
            names.push(match &argument.name {
                Some(name) => Some(name.text.clone()),
                None => self.name_of(&argument.value),
            });
        }
        if function.name == "count" {
            // `count(x)` is accepted and counts rows, whatever x is.
            args.clear();
        }
        let resolved = self.resolve(function, &args, arguments, name.span)?;
        let args = convert(args, &resolved);
        let output_names: Vec<String> = match function.naming {
            Naming::Columns => {
                // `arg_max(a + b, ...)` is `max_`, a further nameless argument is told by its number.
                let prefix = function.name.trim_start_matches("arg_");
                let first = names.first().cloned().flatten().unwrap_or_default();
                let old_any = name.text == "any";
                names
                    .into_iter()
                    .enumerate()
                    .map(|(index, name)| match (index, name) {
                        (_, Some(name)) if old_any => format!("any_{name}"),
                        (_, Some(name)) => name,
                        (0, None) => format!("{prefix}_"),
                        (index, None) => format!("{prefix}_{first}_arg{index}"),
                    })
                    .collect()
            }
            _ => self.output_names(function, arguments, resolved.returns.len()),
        };
        let mut outputs: Vec<Column> = Vec::with_capacity(resolved.returns.len());
        for (index, ty) in resolved.returns.iter().enumerate() {
            let name = output_names.get(index).cloned().unwrap_or_default();
            outputs.push(self.column(name, *ty));
        }
        if outputs.is_empty() {
            return self.error(Code::Arguments, span, format!("{}() gives no column here", function.name));
        }
        Ok(Aggregate {
            function: function.name,
            args,
            outputs,
        })
    }

    /// Columns that `*` means in an aggregate: all that are neither keys nor given already.
    fn star_columns(&mut self, star: &ast::Expr, args: &[Expr], ctx: &Ctx<'_>) -> Vec<Column> {
        let pattern = match &star.kind {
            Ast::Wildcard(pattern) => pattern.as_str(),
            _ => "*",
        };
        let given = |column: &Column| args.iter().any(|arg| matches!(arg.kind, ExprKind::Column(id) if id == column.id));
        let keys = self.summarize_keys.clone();
        ctx.columns
            .iter()
            .filter(|column| super::project::matches(pattern, &column.name))
            .filter(|column| !given(column) && !keys.contains(&column.id) && !self.is_poisoned(column.id))
            .cloned()
            .collect()
    }

    /// A value of a declared type (parameters of functions and queries).
    pub(crate) fn assignable(&mut self, value: Expr, ty: Type, what: &str) -> Bound<Expr> {
        let fits = value.ty == ty
            || value.ty == Type::Dynamic
            || ty == Type::Dynamic
            || (value.ty.is_numeric() && ty.is_numeric() && common(value.ty, ty).is_some());
        if fits {
            return Ok(cast(value, ty));
        }
        let problem = Diagnostic::error(
            Code::Type,
            value.span,
            format!("{what} is of type {ty}, and this is of type {}", value.ty),
        )
        .with_help(format!("convert it with {}()", conversion(ty)));
        Err(self.report(problem))
    }
}

/// Casts arguments to what the function takes.
pub(crate) fn convert(args: Vec<Expr>, resolved: &Resolved) -> Vec<Expr> {
    args.into_iter()
        .enumerate()
        .map(|(index, arg)| match resolved.params.get(index) {
            Some(ty) => cast(arg, *ty),
            None => arg,
        })
        .collect()
}
