//! Calls of functions: of the query, of the catalogue (scalar, window, aggregate), stored ones.

use super::expr::Ctx;
use super::forms::FORMS;
use super::functions::Value as Applied;
use super::typing::{cast, common, conversion};
use super::{Binder, Binding, Bound, Reported, Results, signature, suggest};
use crate::bound::{Aggregate, Column, Expr, ExprKind};
use crate::catalog::{Argument, Function, FunctionKind, Naming, Resolved};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::syntax::ast::{self, ExprKind as Ast};
use crate::types::{Type, Value};

/// Functions that run only in Azure, with how many arguments they take and what they give: where queries are checked and not
/// run, they are no mistake.
const ELSEWHERE: &[(&str, std::ops::RangeInclusive<usize>, Type)] = &[
    ("geo_info_from_ip_address", 1..=1, Type::Dynamic),
    ("current_principal", 0..=0, Type::String),
    ("current_principal_details", 0..=0, Type::Dynamic),
    ("current_principal_is_member_of", 1..=64, Type::Bool),
    ("current_cursor", 0..=0, Type::String),
    ("cursor_after", 1..=1, Type::Bool),
    ("cursor_before_or_at", 1..=1, Type::Bool),
    ("extent_id", 0..=0, Type::Guid),
    ("extent_tags", 0..=0, Type::Dynamic),
    ("isutf8", 1..=1, Type::Bool),
    ("row_rank", 1..=2, Type::Long),
    ("current_node_id", 0..=0, Type::String),
    ("row_id", 0..=0, Type::String),
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
        if let Some(graph) = ctx.graph
            && let Some(result) = self.graph_call(name, arguments, span, ctx, graph)
        {
            return result;
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
        if self.in_template
            && let Some(function) = catalog.internal(&name.text)
        {
            return self.scalar_call(function, name, arguments, span, ctx);
        }
        if let Some(function) = catalog.function(FunctionKind::Window, &name.text) {
            if !ctx.windows && !self.lenient() {
                return self.error(
                    Code::Semantic,
                    name.span,
                    format!(
                        "{}() looks at neighbouring rows and can stand only in extend, project, serialize and where",
                        name.text
                    ),
                );
            }
            if !ctx.serialized && !self.lenient() {
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
        if let Some((_, counts, ty)) = ELSEWHERE.iter().find(|(known, ..)| *known == name.text)
            && self.lenient()
            && counts.contains(&arguments.len())
        {
            // It is right, though no query here can run it.
            for argument in arguments.iter().filter(|argument| !matches!(argument.value.kind, Ast::Star)) {
                self.expr(&argument.value, ctx)?;
            }
            return Ok(Expr::literal(Value::Null(*ty), self.place(span)));
        }
        Err(self.unknown_function(name, ctx))
    }

    pub(crate) fn table_for_value<T>(&mut self, name: &str, span: Span) -> Bound<T> {
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
        if let Some(reason) = catalog.refusal(&name.text) {
            let problem = Diagnostic::error(
                Code::NotSupported,
                name.span,
                format!("{}() has no meaning here: {reason}", name.text),
            );
            return self.report(problem);
        }
        if catalog.is_planned(&name.text) {
            let problem = Diagnostic::error(Code::NotSupported, name.span, format!("not yet supported: {}()", name.text));
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
            if let Some(named) = argument.name.as_ref().filter(|_| !self.lenient()) {
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
                // The old spellings prefix what they give.
                let old = match name.text.as_str() {
                    "any" => Some("any".to_owned()),
                    "anyif" => Some("anyif".to_owned()),
                    "argmax" | "argmin" => {
                        let prefix = name.text.trim_start_matches("arg");
                        let by = names.first().cloned().flatten().unwrap_or_default();
                        Some(format!("{prefix}_{by}"))
                    }
                    _ => None,
                };
                let ranked = name.text.starts_with("arg");
                names
                    .into_iter()
                    .enumerate()
                    .map(|(index, name)| match (index, name) {
                        (0, Some(name)) if ranked && old.is_some() => old.clone().unwrap_or(name),
                        (_, Some(name)) if old.is_some() => format!("{}_{name}", old.as_deref().unwrap_or_default()),
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
