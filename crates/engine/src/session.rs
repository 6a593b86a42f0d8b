//! The DataFusion session that queries run in.

use std::num::NonZeroUsize;
use std::sync::Arc;

use datafusion::execution::context::SessionConfig;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::optimizer::{Optimizer, OptimizerRule};

use crate::cooperate::CooperativeJoins;
use crate::engine::EngineOptions;
use crate::interval::IntervalJoins;
use crate::kernels;
use crate::ticks::{Ticks, TimestampComparison};

/// Memory is one budget for all queries of an engine; whoever can spill gets a fair share, the others an error.
pub(crate) fn runtime(options: &EngineOptions) -> Arc<RuntimeEnv> {
    let named = NonZeroUsize::MIN.saturating_add(2);
    let pool = Arc::new(TrackConsumersPool::new(FairSpillPool::new(options.memory_limit), named));
    let with_disk = RuntimeEnvBuilder::new().with_memory_pool(pool.clone()).build_arc();
    with_disk
        .or_else(|error| {
            tracing::warn!(%error, "no temporary directory to spill to: large queries will fail instead");
            let no_disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
            RuntimeEnvBuilder::new()
                .with_memory_pool(pool)
                .with_disk_manager_builder(no_disk)
                .build_arc()
        })
        .unwrap_or_default()
}

/// A session over that runtime. `partitions` is 1 when the order of rows decides the answer.
pub(crate) fn session(runtime: &Arc<RuntimeEnv>, partitions: usize) -> SessionState {
    let mut config = SessionConfig::new()
        .with_target_partitions(partitions.max(1))
        .with_information_schema(false)
        .with_create_default_catalog_and_schema(false);
    let options = config.options_mut();
    options.execution.parquet.pushdown_filters = true;
    options.execution.parquet.reorder_filters = true;
    options.execution.parquet.schema_force_view_types = true;
    options.execution.collect_statistics = true;
    // Scans come in as many parts as pay; dealing out few rows by turns costs more than it gains.
    options.optimizer.enable_round_robin_repartition = false;
    let udfs = [Ticks::udf()].into_iter().chain(kernels::udfs()).map(Arc::new).collect();
    SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime.clone())
        .with_scalar_functions(udfs)
        .with_optimizer_rules(rules())
        .with_physical_optimizer_rule(Arc::new(IntervalJoins))
        .with_physical_optimizer_rule(Arc::new(CooperativeJoins))
        .build()
}

/// The same session, in which joins sort both of their inputs.
pub(crate) fn with_sorted_joins(session: &SessionState, memory: usize) -> SessionState {
    let mut config = session.config().clone().with_target_partitions(1);
    let options = config.options_mut();
    options.optimizer.prefer_hash_join = false;
    // What a sort needs to merge what it spilled; the rest is for rows.
    options.execution.sort_spill_reservation_bytes = options.execution.sort_spill_reservation_bytes.min(memory / 8);
    SessionStateBuilder::new_from_existing(session.clone()).with_config(config).build()
}

/// DataFusion's rules with ours among them: right behind the one that brings predicates down to the scan, before the one
/// that names common parts of expressions and so would hide them.
fn rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let mut rules = Vec::new();
    for rule in Optimizer::new().rules {
        // these two move reads of struct fields towards the scan, and give one name to two columns on the way
        if matches!(rule.name(), "extract_leaf_expressions" | "push_down_leaf_projections") {
            continue;
        }
        let predicates_are_down = rule.name() == "push_down_filter";
        rules.push(rule);
        if predicates_are_down {
            rules.push(Arc::new(TimestampComparison) as Arc<dyn OptimizerRule + Send + Sync>);
        }
    }
    rules
}
