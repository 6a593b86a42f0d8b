//! `where`: rows for which the predicate is true. A null predicate is not true, which is what DataFusion's filter does too.

use taffrail_kql::bound::{self, Rel, RelKind};

use super::lowered::column;
use super::{Lowered, Lowering};
use crate::error::LowerError;

impl Lowering {
    pub(in crate::lower) fn filter(&self, input: &Rel, predicate: &bound::Expr) -> Result<Lowered, LowerError> {
        // Filters behind each other are one.
        let mut predicates = vec![predicate.clone()];
        let mut below = input;
        while let RelKind::Filter { input, predicate } = &below.kind {
            predicates.push(predicate.clone());
            below = input;
        }
        predicates.reverse();
        let (input, predicates) = self.windows(self.rel(below)?, &predicates)?;
        let Some(mut predicate) = predicates.into_iter().reduce(datafusion::logical_expr::Expr::and) else {
            return Ok(input);
        };
        if let Some(marker) = &input.marker {
            predicate = predicate.or(column(marker));
        }
        let plan = input.builder().filter(predicate)?.build()?;
        let lossy = input.lossy || (!input.groups.is_empty() && input.marker.is_none());
        Ok(Lowered {
            lossy,
            ..input.with_plan(plan)
        })
    }
}
