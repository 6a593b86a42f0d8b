//! Plugins that find patterns of values which many rows have in common.
//!
//! Source: Kusto Query Language reference, "autocluster plugin", "basket plugin", "diffpatterns plugin", "diffpatterns_text
//! plugin".

use super::{Call, new_parts};
use crate::bind::expr::Ctx;
use crate::bind::{Binder, Bound, Reported};
use crate::bound::{Column, Expr, OperatorArg, Rel};
use crate::diagnostic::Code;
use crate::syntax::ast;
use crate::types::{Type, Value};

/// Which of the plugins that take a table and nothing else.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    AutoCluster,
    Basket,
}

/// The shares of rows that a threshold may be.
const THRESHOLDS: std::ops::RangeInclusive<f64> = 0.015..=1.0;

impl Binder<'_> {
    /// A constant number in a range, or its default.
    fn number_of(&mut self, expr: Option<&&ast::Expr>, default: f64, range: std::ops::RangeInclusive<f64>, call: &Call<'_>) -> Bound<f64> {
        let Some(expr) = expr.filter(|_| !self.is_default(expr)) else {
            return Ok(default);
        };
        let value = match self.constant(expr, call.scope, "this number")? {
            Value::Real(value) => value,
            Value::Long(value) => value as f64,
            Value::Int(value) => f64::from(value),
            Value::Decimal(text) => text.parse().unwrap_or(f64::NAN),
            _ => f64::NAN,
        };
        if range.contains(&value) {
            return Ok(value);
        }
        let message = format!("{} wants a number from {} to {} here", call.name.text, range.start(), range.end());
        self.error(Code::Arguments, expr.span, message)
    }

    /// The column of weights; its name may be quoted.
    fn weight_of(&mut self, expr: Option<&&ast::Expr>, input: &Rel, call: &Call<'_>) -> Bound<Option<Column>> {
        let Some(expr) = expr.filter(|_| !self.is_default(expr)) else {
            return Ok(None);
        };
        let column = match &expr.kind {
            ast::ExprKind::Literal(Value::String(name)) => input.columns.iter().find(|column| column.name == *name).cloned(),
            _ => Some(self.plain_column(expr, input, call)?),
        };
        match column {
            Some(column) if column.ty.is_numeric() => Ok(Some(column)),
            Some(column) => {
                let message = format!("weights are numbers, and column '{}' is of type {}", column.name, column.ty);
                self.error(Code::Type, expr.span, message)
            }
            None => self.error(
                Code::Arguments,
                expr.span,
                format!("{} wants a column of weights here", call.name.text),
            ),
        }
    }

    /// What stands in a pattern for any value, by the type of a column.
    fn wildcards(&mut self, exprs: &[&ast::Expr], columns: &[Column], call: &Call<'_>) -> Bound<OperatorArg> {
        let mut given: Vec<Value> = Vec::new();
        for expr in exprs {
            if !self.is_default(Some(expr)) {
                given.push(self.constant(expr, call.scope, "a wildcard")?);
            }
        }
        let wildcards = columns.iter().map(|column| {
            let value = given.iter().find(|value| value.ty() == column.ty).cloned();
            OperatorArg::Value(value.unwrap_or(match column.ty {
                Type::String => Value::String(String::new()),
                ty => Value::Null(ty),
            }))
        });
        Ok(OperatorArg::List(wildcards.collect()))
    }

    /// The rows of a search for patterns: the side a row is on (1 or 2; 0: neither), its weight, and the columns.
    fn pattern_rows(&mut self, input: &Rel, side: &str, parts: super::Parts<'_>, columns: &[Column]) -> Bound<Rel> {
        let mut parts = parts;
        let place = self.place(parts.call.span);
        let mut names = vec!["side".to_owned(), "weight".to_owned()];
        let mut all = String::new();
        for (index, column) in columns.iter().enumerate() {
            parts.column(&format!("c{index}"), Expr::column(column, place));
            all.push_str(&format!(", c{index}"));
            names.push(column.name.clone());
        }
        let text = format!("T | project side = {side}, weight = todouble(weight){all}");
        self.template(parts, input, &text, names)
    }

    /// `autocluster`, `basket`.
    pub(super) fn patterns(&mut self, call: &Call<'_>, input: &Rel, kind: Kind) -> Bound<Rel> {
        let args = self.positional(call, 0, usize::MAX)?;
        let (name, first, third) = match kind {
            Kind::AutoCluster => (
                "autocluster",
                self.number_of(args.first(), 0.5, 0.0..=1.0, call)?,
                self.number_of(args.get(2), 25.0, 1.0..=10_000.0, call)?,
            ),
            Kind::Basket => (
                "basket",
                self.number_of(args.first(), 0.05, THRESHOLDS, call)?,
                self.number_of(args.get(2), 5.0, 1.0..=1000.0, call)?,
            ),
        };
        let weight = self.weight_of(args.get(1), input, call)?;
        let columns = without(input, &[weight.as_ref()]);
        let wildcards = self.wildcards(args.get(3..).unwrap_or_default(), &columns, call)?;
        let mut parts = new_parts(call);
        self.weight_column(&mut parts, weight.as_ref());
        let rows = self.pattern_rows(input, "1", parts, &columns)?;
        let args = vec![real(first), real(third), wildcards];
        let mut outputs = vec![
            self.column("SegmentId", Type::Long),
            self.column("Count", Type::Long),
            self.column("Percent", Type::Real),
        ];
        self.pattern_columns(&columns, &mut outputs);
        Ok(self.table_operator(name, rows, args, outputs, call))
    }

    pub(super) fn diff_patterns(&mut self, call: &Call<'_>, input: &Rel) -> Bound<Rel> {
        let args = self.positional(call, 3, usize::MAX)?;
        let [split, a, b, rest @ ..] = args.as_slice() else {
            return Err(Reported);
        };
        let split = self.plain_column(split, input, call)?;
        let mut parts = new_parts(call);
        let place = self.place(call.span);
        parts.column("split", Expr::column(&split, place));
        for (name, expr) in [("a", a), ("b", b)] {
            let value = self.expr(expr, &Ctx::constant(call.scope))?;
            parts.constant(name, value);
        }
        let weight = self.weight_of(rest.first(), input, call)?;
        let threshold = self.number_of(rest.get(1), 0.05, THRESHOLDS, call)?;
        let most = self.number_of(rest.get(2), f64::INFINITY, 1.0..=f64::INFINITY, call)?;
        let columns = without(input, &[weight.as_ref(), Some(&split)]);
        let wildcards = self.wildcards(rest.get(3..).unwrap_or_default(), &columns, call)?;
        self.weight_column(&mut parts, weight.as_ref());
        let side = "case(tostring(split) == tostring(a), 1, tostring(split) == tostring(b), 2, 0)";
        let rows = self.pattern_rows(input, side, parts, &columns)?;
        let args = vec![real(threshold), real(most), wildcards];
        let mut outputs = vec![
            self.column("SegmentId", Type::Long),
            self.column("CountA", Type::Long),
            self.column("CountB", Type::Long),
            self.column("PercentA", Type::Real),
            self.column("PercentB", Type::Real),
            self.column("PercentDiffAB", Type::Real),
        ];
        self.pattern_columns(&columns, &mut outputs);
        Ok(self.table_operator("diffpatterns", rows, args, outputs, call))
    }

    pub(super) fn diff_patterns_text(&mut self, call: &Call<'_>, input: &Rel) -> Bound<Rel> {
        let args = self.positional(call, 2, 5)?;
        let [text, condition, rest @ ..] = args.as_slice() else {
            return Err(Reported);
        };
        let value = self.expr(text, &Ctx::row(call.scope, input))?;
        if value.ty != Type::String {
            let message = format!("diffpatterns_text takes a column of type string, and this is of type {}", value.ty);
            return self.error(Code::Type, text.span, message);
        }
        let condition = self.expr(condition, &Ctx::row(call.scope, input))?;
        let condition = self.condition(condition)?;
        let least = self.number_of(rest.first(), 1.0, 0.0..=200.0, call)?;
        let threshold = self.number_of(rest.get(1), 0.05, THRESHOLDS, call)?;
        let most = self.number_of(rest.get(2), 20.0, 0.0..=200.0, call)?;
        let mut parts = new_parts(call);
        parts.column("text", value);
        parts.column("condition", condition);
        let names = vec!["side".to_owned(), "text".to_owned()];
        let rows = self.template(parts, input, "T | project side = iff(condition, 1, 2), text", names)?;
        let outputs = vec![
            self.column("Count_of_True", Type::Long),
            self.column("Count_of_False", Type::Long),
            self.column("Percent_of_True", Type::Real),
            self.column("Percent_of_False", Type::Real),
            self.column("Pattern", Type::String),
        ];
        let args = vec![real(threshold), real(least), real(most)];
        Ok(self.table_operator("diffpatterns_text", rows, args, outputs, call))
    }

    fn weight_column(&mut self, parts: &mut super::Parts<'_>, weight: Option<&Column>) {
        let place = self.place(parts.call.span);
        let value = match weight {
            Some(column) => Expr::column(column, place),
            None => Expr::literal(Value::Long(1), place),
        };
        parts.column("weight", value);
    }

    fn pattern_columns(&mut self, columns: &[Column], outputs: &mut Vec<Column>) {
        for column in columns {
            let output = self.column(column.name.clone(), column.ty);
            outputs.push(output);
        }
    }
}

fn real(value: f64) -> OperatorArg {
    OperatorArg::Value(Value::Real(value))
}

/// The columns of the input but these.
fn without(input: &Rel, others: &[Option<&Column>]) -> Vec<Column> {
    let is_other = |column: &Column| others.iter().flatten().any(|other| other.id == column.id);
    input.columns.iter().filter(|column| !is_other(column)).cloned().collect()
}
