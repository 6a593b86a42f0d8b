//! Plugins that are algorithms over a whole table: they run before the plan is made, and stand in it as their rows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::arrow::array::RecordBatch;
use taffrail_kql::Value;
use taffrail_kql::bound::{OperatorArg, Rel};

use crate::error::{LowerError, QueryError};
use crate::lower::Lowering;
use crate::lower::lowered::name;
use crate::mining::{Failure, Job, Limits};

/// Ends the work when nobody waits for it: the future that does was dropped.
struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Lowering {
    /// Runs such an operator to its end: its rows, under the names its columns have in plans.
    pub(in crate::lower) async fn run_mined(
        &self,
        rel: &Rel,
        operator: &'static str,
        input: &Rel,
        args: &[OperatorArg],
    ) -> Result<Vec<RecordBatch>, QueryError> {
        let refused = |error: LowerError| QueryError::from_lower(error.at(rel.span), self.memory);
        let plan = (self
            .rel(input)
            .and_then(|rows| rows.without_markers()?.sorted()?.only(&input.columns)))
        .map_err(refused)?;
        let mut values = Vec::new();
        self.constants(args, &mut values).map_err(refused)?;
        let batches = self.gather(plan).await?;
        let cancelled = Arc::new(AtomicBool::new(false));
        let waiting = Waiting(cancelled.clone());
        let job = Job {
            name: operator,
            batches,
            inputs: input.columns.iter().map(|column| column.ty).collect(),
            args: values,
            outputs: rel.columns.iter().map(|column| column.ty).collect(),
            limits: Limits {
                memory: self.memory,
                cancelled,
            },
        };
        let names: Vec<String> = rel.columns.iter().map(|column| name(column.id)).collect();
        let answer = tokio::task::spawn_blocking(move || job.run(&names)).await;
        drop(waiting);
        match answer {
            Ok(Ok(batch)) => Ok(vec![batch]),
            Ok(Err(Failure::Memory(message))) => Err(QueryError::Memory {
                limit: self.memory,
                message,
            }),
            Ok(Err(Failure::Argument(message))) => Err(refused(LowerError::Argument(message))),
            Ok(Err(Failure::DataFusion(error))) => Err(QueryError::from_datafusion(error, self.memory)),
            Ok(Err(Failure::Cancelled)) => Err(QueryError::Execution {
                message: format!("{operator} was stopped"),
            }),
            Err(error) => Err(QueryError::Execution {
                message: format!("{operator} ended early: {error}"),
            }),
        }
    }

    fn constants(&self, args: &[OperatorArg], values: &mut Vec<Value>) -> Result<(), LowerError> {
        for arg in args {
            match arg {
                OperatorArg::List(items) => self.constants(items, values)?,
                other => values.push(self.constant_arg(Some(other))?),
            }
        }
        Ok(())
    }
}
