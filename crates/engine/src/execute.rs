//! Runs a plan and gathers what it gives.

use std::sync::Arc;
use std::time::Duration;

use arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::StreamExt;

use crate::budget::Budget;
use crate::counted;
use crate::error::QueryError;
use crate::result::Statistics;
use crate::source::TableSource;

/// What a run gave.
pub(crate) struct Execution {
    /// Rows under internal names
    pub(crate) batches: Vec<RecordBatch>,
    /// There was more
    pub(crate) truncated: bool,
    /// Scans only
    pub(crate) statistics: Statistics,
}

/// Runs a plan until it ends or has given `max_rows`. The answer itself may take `memory` bytes.
pub(crate) async fn run(
    session: &Arc<SessionState>,
    source: &dyn TableSource,
    plan: LogicalPlan,
    max_rows: usize,
    memory: usize,
) -> Result<Execution, QueryError> {
    let failed = |error: DataFusionError| QueryError::from_datafusion(error, memory);
    let optimized = optimize(session, source, &plan).map_err(failed)?;
    let physical = physical(session, &optimized).await.map_err(failed)?;
    execute(session, physical, max_rows, memory).await
}

/// A plan as it will be run: DataFusion's optimizer, then what only our sources can do.
pub(crate) fn optimize(session: &SessionState, source: &dyn TableSource, plan: &LogicalPlan) -> datafusion::error::Result<LogicalPlan> {
    counted::rewrite(session.optimize(plan)?, source)
}

/// The physical plan of an optimized one.
pub(crate) async fn physical(session: &SessionState, optimized: &LogicalPlan) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
    session.query_planner().create_physical_plan(optimized, session).await
}

/// Runs a physical plan until it ends or has given `max_rows`.
pub(crate) async fn execute(
    session: &Arc<SessionState>,
    physical: Arc<dyn ExecutionPlan>,
    max_rows: usize,
    memory: usize,
) -> Result<Execution, QueryError> {
    let failed = |error: DataFusionError| QueryError::from_datafusion(error, memory);
    let shared = session.runtime_env();
    let budget = Arc::new(Budget::new(Arc::clone(&shared.memory_pool), memory));
    let runtime = RuntimeEnv {
        memory_pool: Arc::clone(&budget) as Arc<dyn MemoryPool>,
        ..shared.as_ref().clone()
    };
    let task = TaskContext::from(session.as_ref()).with_runtime(Arc::new(runtime));
    let mut peak = 0;
    let mut stream = execute_stream(physical.clone(), Arc::new(task)).map_err(failed)?;
    let mut batches = Vec::new();
    let mut rows: usize = 0;
    let mut bytes: usize = 0;
    let mut truncated = false;
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(failed)?;
        peak = budget.reserved().saturating_add(bytes).max(peak);
        if batch.num_rows() == 0 {
            continue;
        }
        let room = max_rows.saturating_sub(rows);
        if batch.num_rows() > room {
            truncated = true;
            if room > 0 {
                batches.push(batch.slice(0, room));
            }
            break;
        }
        rows += batch.num_rows();
        bytes = bytes.saturating_add(batch.get_array_memory_size());
        if bytes > memory {
            return Err(QueryError::Memory {
                limit: memory,
                message: format!("the answer alone passed it after {rows} rows"),
            });
        }
        batches.push(batch);
    }
    drop(stream);
    let mut statistics = Statistics {
        peak_memory: budget.most().max(peak),
        ..Statistics::default()
    };
    add_scans(physical.as_ref(), &mut statistics);
    Ok(Execution {
        batches,
        truncated,
        statistics,
    })
}

/// Whether a plan holds the smaller side of a join in memory, which cannot be spilled.
pub(crate) fn joins_in_memory(plan: &dyn ExecutionPlan) -> bool {
    plan.name() == "HashJoinExec" || plan.children().iter().any(|child| joins_in_memory(child.as_ref()))
}

fn add_scans(plan: &dyn ExecutionPlan, statistics: &mut Statistics) {
    let children = plan.children();
    if let Some(metrics) = plan.metrics() {
        let nanos = u64::try_from(metrics.elapsed_compute().unwrap_or(0)).unwrap_or(u64::MAX);
        statistics.cpu += Duration::from_nanos(nanos);
        if children.is_empty() {
            let sum = |name: &str| metrics.sum_by_name(name).map_or(0, |value| value.as_usize());
            statistics.scanned_rows += match sum("rows_scanned") {
                0 => metrics.output_rows().unwrap_or(0),
                rows => rows,
            };
            statistics.scanned_bytes += sum("bytes_scanned");
            statistics.files += sum("files");
            statistics.files_pruned += sum("files_pruned");
            statistics.row_groups += sum("row_groups");
            statistics.row_groups_pruned += sum("row_groups_pruned");
        }
    }
    for child in children {
        add_scans(child.as_ref(), statistics);
    }
}
