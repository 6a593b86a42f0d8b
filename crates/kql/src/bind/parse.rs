//! `parse`, `parse-where`, `parse-kv`: columns out of text.

use super::expr::Ctx;
use super::{Binder, Bound, Reported, Scope};
use crate::bound::{Column, Expr, OperatorArg, ParseMode, ParseStep, Rel, RelKind};
use crate::diagnostic::{Code, Diagnostic};
use crate::syntax::ast;
use crate::types::{Type, Value};

impl Binder<'_> {
    fn text_source(&mut self, source: &ast::Expr, input: &Rel, scope: &Scope) -> Bound<Expr> {
        let source = self.expr(source, &Ctx::row(scope, input))?;
        match source.ty {
            Type::String => Ok(source),
            _ => Ok(super::typing::cast(source, Type::String)),
        }
    }

    pub(crate) fn parse(
        &mut self,
        operator: &ast::Operator,
        source: &ast::Expr,
        pattern: &[ast::ParseStep],
        filter: bool,
        input: Rel,
        scope: &Scope,
    ) -> Bound<Rel> {
        let flags = match operator.property("flags") {
            Some(flags) => self.word(flags, scope, "flags")?,
            None => String::new(),
        };
        let mode = match operator.property("kind") {
            None => ParseMode::Simple,
            Some(value) => match self.word(value, scope, "the kind of parse")?.as_str() {
                "simple" => ParseMode::Simple,
                "relaxed" => ParseMode::Relaxed,
                "regex" => ParseMode::Regex(flags),
                other => {
                    let kinds = ["simple", "relaxed", "regex"];
                    let problem = super::suggest::unknown("kind of parse", other, value.span, kinds);
                    return Err(self.report(problem));
                }
            },
        };
        let source = self.text_source(source, &input, scope);
        let mut outputs: Vec<Column> = Vec::new();
        let mut steps = Vec::with_capacity(pattern.len());
        let mut behind_column = false;
        for step in pattern {
            match step {
                ast::ParseStep::Skip => {
                    let text = outputs.last().filter(|column| behind_column && column.ty == Type::String);
                    if let Some(name) = text.map(|column| column.name.clone())
                        && self.lenient()
                    {
                        let problem = Diagnostic::error(
                            Code::Semantic,
                            operator.keyword,
                            format!("where '{name}' ends cannot be told: * follows it directly"),
                        );
                        self.report(problem);
                    }
                    steps.push(ParseStep::Skip);
                    behind_column = false;
                }
                ast::ParseStep::Text(text, _) => {
                    steps.push(ParseStep::Text(text.clone()));
                    behind_column = false;
                }
                ast::ParseStep::Column(name, ty) => {
                    let ty = ty.unwrap_or(Type::String);
                    if behind_column {
                        let problem = Diagnostic::error(Code::Semantic, name.span, "a column directly behind another one has no beginning")
                            .with_help("put the text that separates them between the two");
                        self.report(problem);
                    }
                    behind_column = true;
                    if outputs.iter().any(|output| output.name == name.text) {
                        self.duplicate(name);
                    }
                    steps.push(ParseStep::Column(outputs.len()));
                    outputs.push(self.column(name.text.clone(), ty));
                }
            }
        }
        let columns = with_outputs(&input, &outputs);
        let serialized = input.serialized;
        let Ok(source) = source else {
            return Ok(self.broken(columns, serialized, operator.span));
        };
        let kind = RelKind::Parse {
            input: Box::new(input),
            source,
            mode,
            pattern: steps,
            outputs,
            filter,
        };
        Ok(self.rel(kind, columns, serialized, operator.span))
    }

    pub(crate) fn parse_kv(
        &mut self,
        operator: &ast::Operator,
        source: &ast::Expr,
        declared: &[(ast::Name, Type)],
        input: Rel,
        scope: &Scope,
    ) -> Bound<Rel> {
        let source = self.text_source(source, &input, scope)?;
        let mut options = Vec::new();
        for (name, value) in &operator.properties {
            const KNOWN: &[&str] = &["pair_delimiter", "kv_delimiter", "quote", "escape", "greedy", "regex"];
            if !KNOWN.contains(&name.text.as_str()) {
                let problem = super::suggest::unknown("property of parse-kv", &name.text, name.span, KNOWN.iter().copied());
                return Err(self.report(problem));
            }
            let value = match &value.kind {
                ast::ExprKind::Name(word) if word == "true" || word == "false" => Value::Bool(word == "true"),
                _ => self.constant(value, scope, "a property of parse-kv")?,
            };
            options.push(OperatorArg::List(vec![
                OperatorArg::Name(name.text.clone()),
                OperatorArg::Value(value),
            ]));
        }
        let mut outputs: Vec<Column> = Vec::new();
        for (name, ty) in declared {
            if outputs.iter().any(|output| output.name == name.text) {
                self.duplicate(name);
                return Err(Reported);
            }
            outputs.push(self.column(name.text.clone(), *ty));
        }
        let columns = with_outputs(&input, &outputs);
        let serialized = input.serialized;
        let place = self.place(operator.span);
        let outputs = outputs
            .iter()
            .map(|output| OperatorArg::Expr(Expr::column(output, place)))
            .collect();
        let kind = RelKind::Operator {
            name: "parse-kv",
            inputs: vec![input],
            args: vec![OperatorArg::Expr(source), OperatorArg::List(options), OperatorArg::List(outputs)],
        };
        Ok(self.rel(kind, columns, serialized, operator.span))
    }
}

/// Columns of the input that are not replaced, then the outputs.
fn with_outputs(input: &Rel, outputs: &[Column]) -> Vec<Column> {
    input
        .columns
        .iter()
        .filter(|column| !outputs.iter().any(|output| output.name == column.name))
        .chain(outputs)
        .cloned()
        .collect()
}
