//! `take`, `top` (over a sort), `sample`.

use datafusion::functions_window::row_number::row_number_udwf;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{Expr, lit};
use taffrail_kql::bound::{self, Rel};
use taffrail_kql::{Type, Value};

use super::lowered::{OrderKey, column};
use super::window::ordered;
use super::{Lowered, Lowering};
use crate::error::LowerError;
use crate::functions;

impl Lowering {
    pub(in crate::lower) fn limit(&self, input: &Rel, count: &bound::Expr) -> Result<Lowered, LowerError> {
        let count = self.count(count)?;
        let input = self.rel(input)?;
        self.first(input, count)
    }

    /// The first rows in their order; of each group, inside of a body.
    pub(in crate::lower) fn first(&self, input: Lowered, count: usize) -> Result<Lowered, LowerError> {
        if input.groups.is_empty() {
            let sorted = input.sorted()?;
            let plan = sorted.builder().limit(0, Some(count))?.build()?;
            return Ok(sorted.with_plan(plan));
        }
        let (rows, number) = self.numbered(input)?;
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let mut among_first = column(number).lt_eq(lit(count));
        if let Some(marker) = &rows.marker {
            among_first = among_first.or(column(marker));
        }
        let plan = rows.builder().filter(among_first)?.build()?;
        Ok(rows.with_plan(plan))
    }

    /// With a column that counts the rows of each group from 1, in their order.
    pub(in crate::lower) fn numbered(&self, input: Lowered) -> Result<(Lowered, String), LowerError> {
        let name = self.fresh('n');
        let call = Expr::WindowFunction(Box::new(WindowFunction::new(row_number_udwf(), vec![])));
        let plan = input.builder().window(vec![ordered(call, &input).alias(&name)])?.build()?;
        Ok((input.with_plan(plan), name))
    }

    pub(in crate::lower) fn sample(&self, input: &Rel, count: &bound::Expr) -> Result<Lowered, LowerError> {
        let count = self.count(count)?;
        let columns: Vec<_> = input
            .columns
            .iter()
            .map(|item| {
                let name = super::lowered::name(item.id);
                (name.clone(), column(name))
            })
            .collect();
        let mut rows = self.rel(input)?.without_markers()?;
        let chance = self.fresh('o');
        let mut outputs = columns;
        outputs.push((chance.clone(), functions::scalar("rand", vec![], &[], Type::Real)?));
        rows.order.clear();
        let mut rows = rows.select(outputs, || self.fresh('h'))?;
        rows.order = vec![OrderKey::ascending(chance)];
        let mut sampled = self.first(rows, count)?;
        sampled.order.clear();
        Ok(sampled)
    }

    fn count(&self, count: &bound::Expr) -> Result<usize, LowerError> {
        let value = match self.constant(count)? {
            Value::Long(value) => value,
            Value::Int(value) => i64::from(value),
            Value::Null(_) => {
                return Err(LowerError::Argument("the number of rows is null".to_owned()).at(count.span));
            }
            other => {
                return Err(LowerError::Argument(format!("the number of rows must be a long, not a {}", other.ty())).at(count.span));
            }
        };
        usize::try_from(value).map_err(|_| LowerError::Argument(format!("the number of rows cannot be negative: {value}")).at(count.span))
    }
}
