//! Operators that are functions of whole relations: `top-nested`, `scan`, `reduce`, `evaluate`.
//! [`crate::bound::RelKind::Operator`] says how their arguments are laid out.

use super::expr::{Ctx, is_reference};
use super::naming::unique;
use super::{Binder, Bound, Reported, Scope, suggest};
use crate::bound::{Column, Expr, OperatorArg, Rel, RelKind};
use crate::catalog::FunctionKind;
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::syntax::ast::{self, ExprKind as Ast};
use crate::types::{Type, Value};

impl Binder<'_> {
    pub(crate) fn top_nested(&mut self, levels: &[ast::TopNestedLevel], input: Rel, span: Span, scope: &Scope) -> Bound<Rel> {
        let ctx = Ctx::row(scope, &input);
        let mut columns: Vec<Column> = Vec::new();
        let mut args = Vec::with_capacity(levels.len());
        let mut failed = false;
        for level in levels {
            match self.top_nested_level(level, &ctx, &mut columns, scope) {
                Ok(arg) => args.push(arg),
                Err(Reported) => failed = true,
            }
        }
        if failed {
            return Err(Reported);
        }
        let kind = RelKind::Operator {
            name: "top-nested",
            inputs: vec![input],
            args,
        };
        Ok(self.rel(kind, columns, false, span))
    }

    fn top_nested_level(
        &mut self,
        level: &ast::TopNestedLevel,
        ctx: &Ctx<'_>,
        columns: &mut Vec<Column>,
        scope: &Scope,
    ) -> Bound<OperatorArg> {
        let count = match &level.count {
            Some(count) => OperatorArg::Expr(self.row_count(count, scope, "the number of values")?),
            None => OperatorArg::Value(Value::Null(Type::Long)),
        };
        let key = self.expr(&level.of.value, ctx)?;
        let key = self.group_key(key)?;
        let key_name = level
            .of
            .names
            .first()
            .map(|name| name.text.clone())
            .or_else(|| self.name_of(&level.of.value))
            .unwrap_or_else(|| "Column1".to_owned());
        let key_name = unique(&key_name, columns.iter());
        let others = match &level.others {
            Some(others) => {
                let others = self.expr(others, &Ctx::constant(scope))?;
                OperatorArg::Expr(self.assignable(others, key.ty, "the value for others")?)
            }
            None => OperatorArg::Value(Value::Null(key.ty)),
        };
        columns.push(self.column(key_name.clone(), key.ty));
        let Some(function) = self.plain_aggregate(&level.by.value, scope) else {
            return self.error(
                Code::Semantic,
                level.by.value.span,
                "top-nested ranks by an aggregate, e.g. count()",
            );
        };
        let mut aggregate = self.named_aggregate(function, &level.by, ctx, &[], &[])?;
        if level.by.names.is_empty()
            && let Some(output) = aggregate.outputs.first_mut()
        {
            output.name = format!("aggregated_{key_name}");
        }
        for output in &mut aggregate.outputs {
            output.name = unique(&output.name, columns.iter());
            columns.push(output.clone());
        }
        Ok(OperatorArg::List(vec![
            count,
            OperatorArg::Expr(key),
            others,
            OperatorArg::Aggregate(aggregate),
            OperatorArg::Value(Value::Bool(level.ascending.unwrap_or(false))),
        ]))
    }

    pub(crate) fn reduce(&mut self, operator: &ast::Operator, by: &ast::NamedExpr, input: Rel, scope: &Scope) -> Bound<Rel> {
        let source = self.expr(&by.value, &Ctx::row(scope, &input))?;
        let source = match source.ty {
            Type::String => source,
            Type::Dynamic => super::typing::cast(source, Type::String),
            ty => {
                return self.error(Code::Type, source.span, format!("reduce works on text, and this is of type {ty}"));
            }
        };
        let mut threshold = Value::Real(0.1);
        let mut characters = Value::String(String::new());
        let mut source_rows = false;
        for (name, value) in &operator.properties {
            match name.text.as_str() {
                "threshold" => threshold = self.constant(value, scope, "the threshold")?,
                "characters" => characters = self.constant(value, scope, "the characters")?,
                "kind" => match self.word(value, scope, "the kind of reduce")?.as_str() {
                    "source" => source_rows = true,
                    other => {
                        let problem = suggest::unknown("kind of reduce", other, value.span, ["source"]);
                        return Err(self.report(problem));
                    }
                },
                name_text if name_text.starts_with("hint") => {}
                _ => {
                    let problem = suggest::unknown("property of reduce", &name.text, name.span, ["threshold", "characters"]);
                    return Err(self.report(problem));
                }
            }
        }
        let columns = if source_rows {
            let mut columns = input.columns.clone();
            let name = unique("Pattern", columns.iter());
            columns.push(self.column(name, Type::String));
            columns
        } else {
            vec![
                self.column("Pattern", Type::String),
                self.column("Count", Type::Long),
                self.column("Representative", Type::String),
            ]
        };
        let kind = RelKind::Operator {
            name: "reduce",
            inputs: vec![input],
            args: vec![
                OperatorArg::Expr(source),
                OperatorArg::Value(threshold),
                OperatorArg::Value(characters),
                OperatorArg::Value(Value::Bool(source_rows)),
            ],
        };
        Ok(self.rel(kind, columns, false, operator.span))
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of the operator's syntax")]
    pub(crate) fn scan(
        &mut self,
        partition_by: &[ast::Expr],
        declare: &[(ast::Name, Type, Option<ast::Expr>)],
        match_id: Option<&ast::Name>,
        steps: &[ast::ScanStep],
        input: Rel,
        span: Span,
        scope: &Scope,
    ) -> Bound<Rel> {
        if !input.serialized && !self.lenient() {
            let problem = Diagnostic::error(Code::Semantic, span, "scan needs rows in a defined order")
                .with_help("put '| sort by ...' or '| serialize' in front");
            return Err(self.report(problem));
        }
        let row = Ctx::row(scope, &input);
        let partition = self.exprs_of(partition_by, &row)?;
        let mut columns = input.columns.clone();
        let mut defaults = Vec::new();
        for (name, ty, default) in declare {
            if columns.iter().any(|column| column.name == name.text) {
                self.duplicate(name);
            }
            columns.push(self.column(name.text.clone(), *ty));
            defaults.push(match default {
                Some(default) => {
                    let default = self.expr(default, &Ctx::constant(scope))?;
                    self.assignable(default, *ty, &format!("column '{}'", name.text))?
                }
                None => super::project::null(*ty, self.place(name.span)),
            });
        }
        let match_id = match_id.map(|name| {
            let column = self.column(name.text.clone(), Type::Long);
            columns.push(column.clone());
            column
        });
        let visible: Vec<Column> = columns.iter().take(input.columns.len() + declare.len()).cloned().collect();
        let mut states: Vec<(String, Vec<Column>)> = Vec::with_capacity(steps.len());
        for step in steps {
            let state = visible.iter().map(|column| self.column(column.name.clone(), column.ty)).collect();
            states.push((step.name.text.clone(), state));
        }
        // A condition sees the row and the states; an assignment may also read what was assigned before.
        let ctx = Ctx {
            steps: &states,
            ..Ctx {
                columns: &visible,
                ..Ctx::constant(scope)
            }
        };
        let mut bound_steps = Vec::with_capacity(steps.len());
        let mut failed = false;
        for (step, (_, state)) in steps.iter().zip(&states) {
            match self.scan_step(step, state, &visible, &ctx, declare) {
                Ok(step) => bound_steps.push(step),
                Err(Reported) => failed = true,
            }
        }
        if failed {
            return Ok(self.broken(columns, true, span));
        }
        let place = self.place(span);
        let declared: Vec<OperatorArg> = visible
            .iter()
            .skip(input.columns.len())
            .zip(defaults)
            .map(|(column, default)| OperatorArg::List(vec![OperatorArg::Expr(Expr::column(column, place)), OperatorArg::Expr(default)]))
            .collect();
        let kind = RelKind::Operator {
            name: "scan",
            inputs: vec![input],
            args: vec![
                OperatorArg::List(partition.into_iter().map(OperatorArg::Expr).collect()),
                OperatorArg::List(declared),
                match match_id {
                    Some(column) => OperatorArg::Expr(Expr::column(&column, place)),
                    None => OperatorArg::Value(Value::Null(Type::Long)),
                },
                OperatorArg::List(bound_steps),
            ],
        };
        Ok(self.rel(kind, columns, true, span))
    }

    fn scan_step(
        &mut self,
        step: &ast::ScanStep,
        state: &[Column],
        visible: &[Column],
        ctx: &Ctx<'_>,
        declare: &[(ast::Name, Type, Option<ast::Expr>)],
    ) -> Bound<OperatorArg> {
        let condition = self.expr(&step.condition, ctx).and_then(|c| self.condition(c));
        let mut assignments = Vec::new();
        let mut failed = false;
        for (name, value) in &step.assignments {
            let declared = declare.iter().any(|(known, _, _)| known.text == name.text);
            let target = visible.iter().find(|column| column.name == name.text && declared);
            let value = self.expr(value, ctx);
            let (Some(target), Ok(value)) = (target, value) else {
                if !declared {
                    let names = declare.iter().map(|(name, _, _)| name.text.as_str());
                    let problem = suggest::unknown("declared column", &name.text, name.span, names);
                    self.report(problem);
                }
                failed = true;
                continue;
            };
            let value = self.assignable(value, target.ty, &format!("column '{}'", name.text))?;
            assignments.push(OperatorArg::List(vec![
                OperatorArg::Expr(Expr::column(target, self.place(name.span))),
                OperatorArg::Expr(value),
            ]));
        }
        let condition = condition?;
        if failed {
            return Err(Reported);
        }
        let output = step.output.as_ref().map_or("all", |name| name.text.as_str());
        let place = self.place(step.name.span);
        Ok(OperatorArg::List(vec![
            OperatorArg::Name(step.name.text.clone()),
            OperatorArg::Value(Value::Bool(step.optional)),
            OperatorArg::Name(output.to_owned()),
            OperatorArg::Expr(condition),
            OperatorArg::List(assignments),
            OperatorArg::List(state.iter().map(|column| OperatorArg::Expr(Expr::column(column, place))).collect()),
        ]))
    }

    /// `evaluate plugin(arguments) [: (schema)]`
    pub(crate) fn evaluate(
        &mut self,
        call: &ast::Expr,
        schema: Option<&[(ast::Name, Type)]>,
        input: Rel,
        operator: &ast::Operator,
        scope: &Scope,
    ) -> Bound<Rel> {
        let Ast::Call { name, arguments } = &call.kind else {
            return self.error(Code::Syntax, call.span, "evaluate wants a plugin: evaluate NAME(...)");
        };
        let catalog = self.env.catalog;
        let Some(function) = catalog.function(FunctionKind::Plugin, &name.text) else {
            if let Some((why, instead)) = super::plugins::refused(&name.text) {
                let problem = Diagnostic::error(
                    Code::NotSupported,
                    name.span,
                    format!("not supported: evaluate {}: {why}", name.text),
                )
                .with_help(instead);
                return Err(self.report(problem));
            }
            let functions = catalog.functions();
            let plugins: Vec<&str> = functions
                .iter()
                .filter(|function| function.kind == FunctionKind::Plugin)
                .map(|function| function.name)
                .collect();
            return match suggest::nearest(&name.text, plugins.iter().copied()) {
                Some(_) => {
                    let problem = suggest::unknown("plugin", &name.text, name.span, plugins);
                    Err(self.report(problem))
                }
                None => self.not_supported(name.span, &format!("evaluate {}", name.text)),
            };
        };
        if schema.is_none()
            && self.env.schema.open()
            && let Some(rel) = self.open_plugin(function.name, arguments, &input, operator.span)
        {
            return Ok(rel);
        }
        let sugar = super::plugins::Call {
            name,
            arguments,
            schema,
            scope,
            span: operator.span,
        };
        if let Some(rel) = self.plugin(&sugar, &input) {
            return rel;
        }
        let ctx = Ctx::row(scope, &input);
        let mut args = Vec::new();
        for argument in arguments {
            let value = if is_reference(&argument.value) {
                self.not_supported(argument.value.span, "a reference to another database here")?
            } else {
                OperatorArg::Expr(self.expr(&argument.value, &ctx)?)
            };
            args.push(match &argument.name {
                Some(name) => OperatorArg::List(vec![OperatorArg::Name(name.text.clone()), value]),
                None => value,
            });
        }
        let replaces = args.iter().any(|arg| is_text(arg, "replace_source"));
        if function.name == "bag_unpack" && replaces {
            if schema.is_some() {
                return self.not_supported(call.span, "columnsConflict='replace_source' with declared columns");
            }
            return self.unpack_over(function.name, args, input, operator.span, name.span);
        }
        let declared = match schema {
            Some(schema) => Some(schema.iter().map(|(name, ty)| (name.text.clone(), *ty)).collect()),
            None => self.env.schema.plugin_columns(function.name, &input, &args),
        };
        let Some(declared) = declared else {
            let problem = Diagnostic::not_supported(name.span, &format!("evaluate {} without the columns of its result", name.text))
                .with_help(format!("declare them: evaluate {}(...) : (Column: type, ...)", name.text));
            return Err(self.report(problem));
        };
        let columns = declared.into_iter().map(|(name, ty)| self.column(name, ty)).collect();
        let kind = RelKind::Operator {
            name: function.name,
            inputs: vec![input],
            args,
        };
        Ok(self.rel(kind, columns, false, operator.span))
    }

    /// The result of a plugin whose columns only the rows tell, when there are none: what is known of it.
    fn open_plugin(&mut self, plugin: &str, arguments: &[ast::Argument], input: &Rel, span: Span) -> Option<Rel> {
        let consumed: Vec<String> = match plugin {
            "bag_unpack" => arguments.first().and_then(|bag| self.name_of(&bag.value)).into_iter().collect(),
            "pivot" => {
                let aggregate = usize::from(matches!(
                    arguments.get(1).map(|argument| &argument.value.kind),
                    Some(Ast::Call { .. })
                ));
                let groups = arguments.iter().skip(1 + aggregate);
                let names: Vec<String> = groups.filter_map(|group| self.name_of(&group.value)).collect();
                let mut groups: Vec<Column> = Vec::with_capacity(names.len());
                for name in names {
                    let known = input.columns.iter().find(|column| column.name == name).cloned();
                    groups.push(known.unwrap_or_else(|| self.poisoned_column(name)));
                }
                if !groups.is_empty() {
                    return Some(self.broken(groups, false, span));
                }
                let mut names = Vec::new();
                for argument in arguments {
                    super::search::names_in(&argument.value, &mut names);
                }
                names
            }
            _ => return None,
        };
        let columns = input.columns.iter().filter(|column| !consumed.contains(&column.name));
        let columns = columns.cloned().collect();
        Some(self.broken(columns, false, span))
    }

    /// `bag_unpack` with `replace_source`: columns called as a member go first, and the member takes their place.
    fn unpack_over(&mut self, plugin: &'static str, args: Vec<OperatorArg>, input: Rel, span: Span, name: Span) -> Bound<Rel> {
        let bag = args.first().and_then(|arg| match arg {
            OperatorArg::Expr(expr) => match expr.kind {
                crate::bound::ExprKind::Column(id) => input.columns.iter().find(|column| column.id == id).cloned(),
                _ => None,
            },
            _ => None,
        });
        let Some(bag) = bag else {
            return self.not_supported(name, "columnsConflict='replace_source' of what is not a column");
        };
        let only = self.keep(vec![bag.clone()], input.clone(), span);
        let Some(members) = self.env.schema.plugin_columns(plugin, &only, &args) else {
            return self.not_supported(name, "evaluate bag_unpack with columnsConflict='replace_source' here");
        };
        let members: Vec<Column> = members.into_iter().map(|(name, ty)| self.column(name, ty)).collect();
        let member = |name: &str| members.iter().find(|member| member.name == name);
        let mut rest = Vec::new();
        let mut unpacked = Vec::new();
        let mut order = Vec::new();
        for column in &input.columns {
            match member(&column.name) {
                Some(member) => order.push(member.clone()),
                None if column.id == bag.id => {}
                None => {
                    let copy = self.column(column.name.clone(), column.ty);
                    unpacked.push(copy.clone());
                    order.push(copy);
                }
            }
            if column.id == bag.id || member(&column.name).is_none() {
                rest.push(column.clone());
            }
        }
        for member in &members {
            unpacked.push(member.clone());
            if !order.iter().any(|column| column.id == member.id) {
                order.push(member.clone());
            }
        }
        let rest = self.keep(rest, input, span);
        let kind = RelKind::Operator {
            name: plugin,
            inputs: vec![rest],
            args,
        };
        let unpacked = self.rel(kind, unpacked, false, span);
        Ok(self.keep(order, unpacked, span))
    }
}

fn is_text(arg: &OperatorArg, text: &str) -> bool {
    match arg {
        OperatorArg::Expr(expr) => matches!(expr.as_literal(), Some(Value::String(value)) if value == text),
        OperatorArg::List(items) => items.iter().any(|item| is_text(item, text)),
        _ => false,
    }
}
