//! `extend`, `project` and their kin.

use taffrail_kql::bound::{self, Rel};

use super::lowered::name;
use super::{Lowered, Lowering};
use crate::error::LowerError;

impl Lowering {
    pub(super) fn project(&self, rel: &Rel, input: &Rel, exprs: &[bound::Expr]) -> Result<Lowered, LowerError> {
        let input = self.rel(input)?;
        let (input, exprs) = self.windows(input, exprs)?;
        let outputs = rel.columns.iter().map(|column| name(column.id)).zip(exprs).collect();
        input.select(outputs, || self.fresh('h'))
    }
}
