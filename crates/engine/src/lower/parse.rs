//! `parse`, `parse-where`: a kernel gives the texts, conversions make them values.

use datafusion::functions::core::expr_fn::get_field;
use datafusion::logical_expr::{Expr, when};
use taffrail_kql::bound::{self, Column, ParseMode, ParseStep, Rel};
use taffrail_kql::{Type, Value};

use super::lowered::{column, name};
use super::{Lowered, Lowering};
use crate::error::LowerError;
use crate::functions;
use crate::kernels::parse::{self, Pattern};

impl Lowering {
    #[allow(clippy::too_many_arguments, reason = "the fields of the operator")]
    pub(in crate::lower) fn parse(
        &self,
        rel: &Rel,
        input: &Rel,
        source: &bound::Expr,
        mode: &ParseMode,
        steps: &[ParseStep],
        outputs: &[Column],
        filter: bool,
    ) -> Result<Lowered, LowerError> {
        let rows = self.rel(input)?;
        let pattern = Pattern::new(mode, steps, outputs).map_err(LowerError::Argument)?;
        let parsed = self.fresh('x');
        let mut columns: Vec<(String, Expr)> = input.columns.iter().map(|item| (name(item.id), column(name(item.id)))).collect();
        columns.push((parsed.clone(), parse::call(&pattern, self.expr(source)?)));
        let rows = rows.select(columns, || self.fresh('h'))?;
        let mut matched = get_field(column(&parsed), parse::MATCHED);
        let mut values: Vec<(&Column, Expr)> = Vec::new();
        for (position, output) in outputs.iter().enumerate() {
            let text = get_field(column(&parsed), parse::part(position));
            let value = converted(text.clone(), output.ty)?;
            if *mode != ParseMode::Relaxed && output.ty != Type::String {
                matched = matched.and(value.clone().is_not_null());
            }
            values.push((output, value));
        }
        let mut finished: Vec<(String, Expr)> = Vec::new();
        for item in &rel.columns {
            let expr = match values.iter().find(|(output, _)| output.id == item.id) {
                None => column(name(item.id)),
                Some((_, value)) => {
                    let nothing = match item.ty {
                        Type::String => functions::literal(&Value::String(String::new())),
                        ty => functions::null(ty),
                    };
                    when(matched.clone(), value.clone()).otherwise(nothing)?
                }
            };
            finished.push((name(item.id), expr));
        }
        let rows = if filter {
            let mut predicate = matched;
            if let Some(marker) = &rows.marker {
                predicate = predicate.or(column(marker));
            }
            let plan = rows.builder().filter(predicate)?.build()?;
            rows.with_plan(plan)
        } else {
            rows
        };
        rows.select(finished, || self.fresh('h'))
    }
}

pub(in crate::lower) fn converted(text: Expr, ty: Type) -> Result<Expr, LowerError> {
    let function = match ty {
        Type::String => return Ok(text),
        Type::Dynamic => "parse_json",
        Type::Bool => "tobool",
        Type::Int => "toint",
        Type::Long => "tolong",
        Type::Real => "toreal",
        Type::Decimal => "todecimal",
        Type::DateTime => "todatetime",
        Type::TimeSpan => "totimespan",
        Type::Guid => "toguid",
    };
    functions::scalar(function, vec![text], &[Type::String], ty)
}
