//! `where`: rows for which the predicate is true. A null predicate is not true, which is what DataFusion's filter does too.

use taffrail_kql::bound::{self, Rel};

use super::lowered::column;
use super::{Lowered, Lowering};
use crate::error::LowerError;

impl Lowering {
    pub(in crate::lower) fn filter(&self, input: &Rel, predicate: &bound::Expr) -> Result<Lowered, LowerError> {
        let input = self.rel(input)?;
        let (input, predicates) = self.windows(input, std::slice::from_ref(predicate))?;
        let Some(mut predicate) = predicates.into_iter().next() else {
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
