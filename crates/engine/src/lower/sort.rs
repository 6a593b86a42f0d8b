//! `sort`: remembers the order, adds the columns it needs.

use taffrail_kql::bound::{ExprKind, Rel, SortKey};

use super::lowered::{OrderKey, column, name};
use super::{Lowered, Lowering};
use crate::error::LowerError;

impl Lowering {
    pub(super) fn sort(&self, input: &Rel, keys: &[SortKey]) -> Result<Lowered, LowerError> {
        let columns: Vec<String> = input.columns.iter().map(|column| name(column.id)).collect();
        let exprs: Vec<_> = keys.iter().map(|key| key.expr.clone()).collect();
        let (input, lowered) = self.windows(self.rel(input)?, &exprs)?;
        let mut order = Vec::new();
        let mut outputs: Vec<_> = columns.iter().map(|name| (name.clone(), column(name))).collect();
        let mut computed = false;
        for (key, expr) in keys.iter().zip(lowered) {
            let name = match &key.expr.kind {
                ExprKind::Column(id) => name(*id),
                _ => {
                    let fresh = self.fresh('o');
                    outputs.push((fresh.clone(), expr));
                    computed = true;
                    fresh
                }
            };
            order.push(OrderKey {
                column: name,
                descending: key.descending,
                nulls_first: key.nulls_first,
            });
        }
        let mut lowered = if computed {
            input.select(outputs, || self.fresh('h'))?
        } else {
            input
        };
        // rows with equal keys stay as they were
        order.append(&mut lowered.order);
        lowered.order = order;
        Ok(lowered)
    }
}
