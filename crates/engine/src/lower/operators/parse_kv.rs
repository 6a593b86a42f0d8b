//! `parse-kv`: a kernel gives the texts, conversions make them values.

use datafusion::functions::core::expr_fn::{coalesce, get_field};
use datafusion::logical_expr::Expr;
use taffrail_kql::bound::{ExprKind, OperatorArg, Rel};
use taffrail_kql::{Type, Value};

use super::{expr_arg, layout, list_arg};
use crate::error::LowerError;
use crate::functions;
use crate::kernels::parse_kv::{self, Syntax};
use crate::lower::lowered::{column, name};
use crate::lower::parse::converted;
use crate::lower::{Lowered, Lowering};

const NAME: &str = "parse-kv";

impl Lowering {
    pub(super) fn parse_kv(&self, rel: &Rel, input: &Rel, args: &[OperatorArg]) -> Result<Lowered, LowerError> {
        let text = expr_arg(args.first(), NAME)?;
        let syntax = syntax(list_arg(args.get(1), NAME)?)?;
        let mut outputs = Vec::new();
        for output in list_arg(args.get(2), NAME)? {
            let ExprKind::Column(id) = expr_arg(Some(output), NAME)?.kind else {
                return Err(layout(NAME));
            };
            let output = rel.columns.iter().find(|item| item.id == id);
            outputs.push(output.ok_or_else(|| layout(NAME))?);
        }
        let rows = self.rel(input)?;
        let keys: Vec<String> = outputs.iter().map(|output| output.name.clone()).collect();
        let parsed = self.fresh('x');
        let mut columns: Vec<(String, Expr)> = input.columns.iter().map(|item| (name(item.id), column(name(item.id)))).collect();
        columns.push((parsed.clone(), parse_kv::call(&syntax, self.expr(text)?, &keys)));
        let rows = rows.select(columns, || self.fresh('h'))?;
        let mut finished = Vec::new();
        for item in &rel.columns {
            let expr = match outputs.iter().position(|output| output.id == item.id) {
                None => column(name(item.id)),
                Some(position) => {
                    let text = get_field(column(&parsed), parse_kv::part(position));
                    let empty = functions::literal(&Value::String(String::new()));
                    let text = coalesce(vec![text, empty]);
                    if item.ty == Type::String { text } else { converted(text, item.ty)? }
                }
            };
            finished.push((name(item.id), expr));
        }
        rows.select(finished, || self.fresh('h'))
    }
}

fn syntax(options: &[OperatorArg]) -> Result<Syntax, LowerError> {
    let mut syntax = Syntax::default();
    for option in options {
        let [OperatorArg::Name(option), OperatorArg::Value(value)] = list_arg(Some(option), NAME)? else {
            return Err(layout(NAME));
        };
        match (option.as_str(), value) {
            ("pair_delimiter", Value::String(text)) => syntax.pair.clone_from(text),
            ("kv_delimiter", Value::String(text)) => syntax.kv.clone_from(text),
            ("quote", Value::String(text)) => syntax.quote.clone_from(text),
            ("escape", Value::String(text)) => syntax.escape.clone_from(text),
            ("regex", Value::String(text)) => syntax.regex.clone_from(text),
            ("greedy", Value::Bool(greedy)) => syntax.greedy = *greedy,
            (option, _) => {
                return Err(LowerError::Argument(format!(
                    "{option} of parse-kv must be text (greedy: true or false)"
                )));
            }
        }
    }
    if let Err(error) = regex::Regex::new(&syntax.regex) {
        return Err(LowerError::Argument(format!("the regex of parse-kv is not valid: {error}")));
    }
    Ok(syntax)
}
