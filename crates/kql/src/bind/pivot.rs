//! `evaluate pivot`: a column for each value of a column. The values come from the query's declaration, or the engine reads
//! them; then this is an aggregation with a condition for each.
//!
//! Source: Kusto Query Language reference, "pivot plugin".

use super::expr::Ctx;
use super::plugins::Call;
use super::{Binder, Bound};
use crate::bound::{Column, Expr, ExprKind, Rel};
use crate::diagnostic::{Code, Diagnostic};
use crate::syntax::ast;
use crate::types::Value;

/// Values of a pivot column beyond which a query is refused.
const MOST_COLUMNS: usize = 1000;

/// Aggregates that a pivot may have, and their forms with a condition.
const CONDITIONAL: &[(&str, &str)] = &[
    ("count", "countif"),
    ("sum", "sumif"),
    ("min", "minif"),
    ("max", "maxif"),
    ("avg", "avgif"),
    ("stdev", "stdevif"),
    ("variance", "varianceif"),
    ("dcount", "dcountif"),
    ("take_any", "take_anyif"),
    ("make_list", "make_list_if"),
    ("make_set", "make_set_if"),
    ("make_bag", "make_bag_if"),
];

impl Binder<'_> {
    pub(crate) fn pivot(&mut self, call: &Call<'_>, input: &Rel) -> Bound<Rel> {
        let args = self.positional(call, 1, usize::MAX)?;
        let Some((key, mut rest)) = args.split_first() else {
            return Err(super::Reported);
        };
        let key = self.plain_column(key, input, call)?;
        let mut parts = super::plugins::new_parts(call);
        let place = self.place(call.span);
        let mut used = vec![key.id];
        let (mut function, mut arguments) = ("countif", String::new());
        if let Some((first, others)) = rest.split_first()
            && let ast::ExprKind::Call { name, arguments: given } = &first.kind
        {
            let Some((_, conditional)) = CONDITIONAL.iter().find(|(plain, _)| *plain == name.text) else {
                return self.not_supported(name.span, &format!("{} as the aggregate of pivot", name.text));
            };
            function = conditional;
            rest = others;
            let wanted = usize::from(name.text != "count");
            if given.len() != wanted {
                return self.not_supported(first.span, &format!("{} of {} arguments in pivot", name.text, given.len()));
            }
            for argument in given {
                let value = self.expr(&argument.value, &Ctx::row(call.scope, input))?;
                columns_in(&value, &mut used);
                parts.column("x", value);
                arguments.push_str("x, ");
            }
        }
        let mut groups: Vec<Column> = Vec::new();
        for expr in rest {
            groups.push(self.plain_column(expr, input, call)?);
        }
        if groups.is_empty() {
            groups = input.columns.iter().filter(|column| !used.contains(&column.id)).cloned().collect();
        }
        parts.column("key", Expr::column(&key, place));
        for (index, group) in groups.iter().enumerate() {
            parts.column(&format!("d{index}"), Expr::column(group, place));
        }
        let is_group = |name: &str| groups.iter().any(|group| group.name == name);
        let values: Vec<String> = match call.schema {
            Some(schema) => schema
                .iter()
                .map(|(name, _)| name.text.clone())
                .filter(|name| !is_group(name))
                .collect(),
            None => {
                let mut keys = super::plugins::new_parts(call);
                keys.column("key", Expr::column(&key, place));
                let keys = self.template(keys, input, "T | project key = tostring(key) | distinct key", vec![])?;
                let Some(values) = self.env.schema.plugin_columns("pivot", &keys, &[]) else {
                    let problem = Diagnostic::not_supported(call.name.span, "evaluate pivot without the columns of its result")
                        .with_help("declare them: evaluate pivot(...) : (Column: type, ...)");
                    return Err(self.report(problem));
                };
                values.into_iter().map(|(name, _)| name).collect()
            }
        };
        if values.len() > MOST_COLUMNS {
            let message = format!(
                "column '{}' has {} values, and pivot makes at most {MOST_COLUMNS} columns",
                key.name,
                values.len()
            );
            return self.error(Code::Semantic, call.span, message);
        }
        if let Some(value) = values.iter().find(|value| value.is_empty() || is_group(value)) {
            let message = format!(
                "column '{}' has a value '{value}', which cannot be the name of a column here",
                key.name
            );
            let problem = Diagnostic::error(Code::Semantic, call.span, message).with_help("filter it out in front of pivot");
            return Err(self.report(problem));
        }
        let mut aggregates: Vec<String> = Vec::with_capacity(values.len());
        for (index, value) in values.iter().enumerate() {
            parts.constant(&format!("k{index}"), Expr::literal(Value::String(value.clone()), place));
            aggregates.push(format!("v{index} = {function}({arguments}key == k{index})"));
        }
        let dims: Vec<String> = (0..groups.len()).map(|index| format!("d{index}")).collect();
        let by = if dims.is_empty() {
            String::new()
        } else {
            format!(" by {}", dims.join(", "))
        };
        let shown: Vec<String> = dims.into_iter().chain((0..values.len()).map(|index| format!("v{index}"))).collect();
        if shown.is_empty() {
            return self.error(Code::Semantic, call.span, "there are no rows to pivot, and so no columns");
        }
        let text = format!(
            "T | extend key = tostring(key) | summarize {}{by} | project {}",
            aggregates.join(", "),
            shown.join(", ")
        );
        let names = groups.iter().map(|group| group.name.clone()).chain(values).collect();
        let rel = self.template(parts, input, &text, names)?;
        let Some(schema) = call.schema else { return Ok(rel) };
        // As declared: its order, and no other types.
        let mut columns = Vec::with_capacity(schema.len());
        for (name, ty) in schema {
            match rel.columns.iter().find(|column| column.name == name.text) {
                Some(column) if column.ty == *ty => columns.push(column.clone()),
                Some(column) => {
                    let message = format!("column '{}' of pivot is of type {}, not {ty}", name.text, column.ty);
                    return self.error(Code::Type, name.span, message);
                }
                None => return Err(super::Reported),
            }
        }
        Ok(self.keep(columns, rel, call.span))
    }
}

/// Columns that the aggregate of a pivot reads.
fn columns_in(value: &Expr, used: &mut Vec<crate::bound::ColumnId>) {
    match &value.kind {
        ExprKind::Column(id) => used.push(*id),
        ExprKind::Call { args, .. } => args.iter().for_each(|arg| columns_in(arg, used)),
        ExprKind::Cast(inner) | ExprKind::Negate(inner) | ExprKind::Not(inner) => columns_in(inner, used),
        ExprKind::Path { base, .. } => columns_in(base, used),
        ExprKind::Binary { left, right, .. } => {
            columns_in(left, used);
            columns_in(right, used);
        }
        ExprKind::Case { branches, otherwise } => {
            for (condition, value) in branches {
                columns_in(condition, used);
                columns_in(value, used);
            }
            columns_in(otherwise, used);
        }
        _ => {}
    }
}
