//! Lets a query be stopped inside of operators that make many rows of few.
//!
//! DataFusion gives the thread back when it has read enough from a source. A join of two small tables reads little and may
//! still run for minutes: time limit and cancellation would wait for it. So what joins and expansions give counts too.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;

/// Operators that may give far more rows than they get.
const MULTIPLYING: [&str; 6] = [
    "IntervalJoin",
    "HashJoinExec",
    "NestedLoopJoinExec",
    "CrossJoinExec",
    "SortMergeJoinExec",
    "UnnestExec",
];

/// See the module's page.
#[derive(Debug, Default)]
pub(crate) struct CooperativeJoins;

impl PhysicalOptimizerRule for CooperativeJoins {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let wrapped = plan.transform_up(|node| {
            if MULTIPLYING.contains(&node.name()) {
                let cooperative: Arc<dyn ExecutionPlan> = Arc::new(CooperativeExec::new(node));
                return Ok(Transformed::yes(cooperative));
            }
            Ok(Transformed::no(node))
        });
        Ok(wrapped?.data)
    }

    fn name(&self) -> &str {
        "cooperative_joins"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
