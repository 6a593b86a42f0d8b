//! Runs a plan and gathers what it gives.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::StreamExt;

use crate::error::QueryError;
use crate::result::Statistics;

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
pub(crate) async fn run(session: &Arc<SessionState>, plan: LogicalPlan, max_rows: usize, memory: usize) -> Result<Execution, QueryError> {
    let failed = |error: DataFusionError| QueryError::from_datafusion(error, memory);
    let physical = session.create_physical_plan(&plan).await.map_err(failed)?;
    let mut stream = execute_stream(physical.clone(), session.task_ctx()).map_err(failed)?;
    let mut batches = Vec::new();
    let mut rows: usize = 0;
    let mut bytes: usize = 0;
    let mut truncated = false;
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(failed)?;
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
    let mut statistics = Statistics::default();
    add_scans(physical.as_ref(), &mut statistics);
    Ok(Execution {
        batches,
        truncated,
        statistics,
    })
}

fn add_scans(plan: &dyn ExecutionPlan, statistics: &mut Statistics) {
    let children = plan.children();
    if children.is_empty()
        && let Some(metrics) = plan.metrics()
    {
        statistics.scanned_rows += metrics.output_rows().unwrap_or(0);
        statistics.scanned_bytes += metrics.sum_by_name("bytes_scanned").map_or(0, |value| value.as_usize());
    }
    for child in children {
        add_scans(child.as_ref(), statistics);
    }
}
