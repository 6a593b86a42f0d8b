//! `union`.

use std::sync::Arc;

use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder, Union};
use taffrail_kql::bound::Rel;

use super::lowered::{column, name};
use super::{Lowered, Lowering};
use crate::error::LowerError;
use crate::functions;

impl Lowering {
    pub(super) fn union(&self, rel: &Rel, inputs: &[Rel]) -> Result<Lowered, LowerError> {
        let mut plans: Vec<Arc<LogicalPlan>> = Vec::new();
        let mut groups: Option<Vec<String>> = None;
        for input in inputs {
            let lowered = self.rel(input)?.without_markers()?;
            let mut exprs: Vec<_> = input
                .columns
                .iter()
                .zip(&rel.columns)
                .map(|(from, to)| functions::cast(column(name(from.id)), from.ty, to.ty).alias(name(to.id)))
                .collect();
            match &groups {
                Some(groups) if *groups != lowered.groups => {
                    return Err(LowerError::not_supported("union of rows of mv-apply or partition with other rows"));
                }
                Some(_) => {}
                None => groups = Some(lowered.groups.clone()),
            }
            exprs.extend(lowered.group_exprs());
            let plan = LogicalPlanBuilder::new(lowered.plan).project(exprs)?.build()?;
            plans.push(Arc::new(plan));
        }
        let plan = match plans.len() {
            0 => return Err(LowerError::Argument("union needs a table".to_owned())),
            1 => Arc::unwrap_or_clone(plans.remove(0)),
            _ => LogicalPlan::Union(Union::try_new(plans)?),
        };
        Ok(Lowered {
            plan,
            order: vec![],
            groups: groups.unwrap_or_default(),
            marker: None,
            lossy: true,
        })
    }
}
