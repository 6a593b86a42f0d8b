//! `summarize`, `distinct`, `count`.

use std::sync::atomic::Ordering;

use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::AggregateFunction;
use taffrail_kql::bound::{Aggregate, Rel};
use taffrail_kql::{Type, bound};

use super::lowered::{column, name};
use super::{Lowered, Lowering};
use crate::error::LowerError;
use crate::functions;

/// Aggregates whose answer depends on the order of the rows.
const ORDERED: [&str; 9] = [
    "make_list",
    "make_list_if",
    "make_list_with_nulls",
    "make_set",
    "make_set_if",
    "make_bag",
    "make_bag_if",
    "take_any",
    "take_anyif",
];

impl Lowering {
    pub(in crate::lower) fn aggregate(
        &self,
        rel: &Rel,
        input: &Rel,
        keys: &[bound::Expr],
        aggregates: &[Aggregate],
    ) -> Result<Lowered, LowerError> {
        let input = self.rel(input)?;
        let key_columns: Vec<String> = rel.columns.iter().take(keys.len()).map(|item| name(item.id)).collect();
        let keys = key_columns.into_iter().zip(self.exprs(keys)?).collect();
        self.aggregated(input, keys, aggregates)
    }

    /// Groups by `keys` (name, expression) and by the groups of the input. Columns: the keys, the outputs.
    pub(in crate::lower) fn aggregated(
        &self,
        input: Lowered,
        keys: Vec<(String, Expr)>,
        aggregates: &[Aggregate],
    ) -> Result<Lowered, LowerError> {
        // only an aggregation without keys has a row for no rows
        let input = if keys.is_empty() { input } else { input.without_markers()? };
        if keys.is_empty() && input.lossy && !input.groups.is_empty() {
            return Err(LowerError::not_supported(
                "summarize without by over rows that the body of mv-apply or partition may have filtered away",
            ));
        }
        let mut calls = Vec::new();
        let mut outputs: Vec<(String, Expr)> = keys.iter().map(|(name, _)| (name.clone(), column(name))).collect();
        for aggregate in aggregates {
            let args = self.typed(&aggregate.args)?;
            let types: Vec<Type> = aggregate.outputs.iter().map(|output| output.ty).collect();
            let lowered = functions::aggregate(aggregate.function, args, &types)?;
            let call_name = self.fresh('a');
            calls.push(self.placed(lowered.call, aggregate.function, &input).alias(&call_name));
            for (output, convert) in aggregate.outputs.iter().zip(&lowered.outputs) {
                outputs.push((name(output.id), convert(column(&call_name))));
            }
        }
        // a key may be a column that the rows carry anyway
        let carried = input.groups.iter().filter(|group| !keys.iter().any(|(name, _)| name == *group));
        let carried: Vec<Expr> = carried.map(column).collect();
        let groups: Vec<Expr> = keys.into_iter().map(|(name, expr)| expr.alias(name)).chain(carried).collect();
        let plan = input.builder().aggregate(groups, calls)?.build()?;
        let aggregated = Lowered {
            plan,
            order: vec![],
            groups: input.groups,
            marker: None,
            lossy: false,
        };
        aggregated.select(outputs, || self.fresh('h'))
    }

    /// The call with the order it depends on, blind for rows that stand for nothing.
    fn placed(&self, call: Expr, function: &str, input: &Lowered) -> Expr {
        match call {
            Expr::AggregateFunction(AggregateFunction { func, mut params }) => {
                if ORDERED.contains(&function) && !input.order.is_empty() && params.order_by.is_empty() {
                    params.order_by = input.sort_exprs();
                    self.order_matters.store(true, Ordering::Relaxed);
                }
                if let Some(marker) = &input.marker {
                    let real = Expr::Not(Box::new(column(marker)));
                    let filter = match params.filter.take() {
                        Some(filter) => filter.and(real),
                        None => real,
                    };
                    params.filter = Some(Box::new(filter));
                }
                Expr::AggregateFunction(AggregateFunction { func, params })
            }
            other => other,
        }
    }
}
