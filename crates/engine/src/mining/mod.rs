//! Plugins that are algorithms over a whole table: rows in, rows out, within a memory limit.
//!
//! They run before the plan around them is made, away from the threads that serve others, and stop when nobody waits for
//! them any more.

mod autocluster;
mod diff;
mod encode;
mod funnel;
mod itemsets;
mod text;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::arrow::array::{ArrayRef, RecordBatch, new_empty_array};
use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::common::ScalarValue;
use taffrail_kql::{Type, Value};

use crate::functions;

/// Whether an operator is one of these.
pub(crate) fn is_mined(name: &str) -> bool {
    matches!(
        name,
        "autocluster" | "basket" | "diffpatterns" | "diffpatterns_text" | "funnel_sequence" | "funnel_sequence_completion"
    )
}

/// One run.
pub(crate) struct Job {
    pub(crate) name: &'static str,
    pub(crate) batches: Vec<RecordBatch>,
    /// Types of the input's columns
    pub(crate) inputs: Vec<Type>,
    /// In the operator's own order; of patterns: two numbers, and a wildcard for each column
    pub(crate) args: Vec<Value>,
    /// Types of the result's columns
    pub(crate) outputs: Vec<Type>,
    pub(crate) limits: Limits,
}

/// What a run may use.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) memory: usize,
    pub(crate) cancelled: Arc<AtomicBool>,
}

/// Why a run ended without rows.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("nobody waits for the answer")]
    Cancelled,
    #[error("{0}")]
    Memory(String),
    #[error("{0}")]
    Argument(String),
    #[error(transparent)]
    DataFusion(#[from] datafusion::error::DataFusionError),
}

pub(crate) type Answer<T> = Result<T, Failure>;

impl Limits {
    /// Ends the run when it holds more bytes than it may, or when nobody waits.
    fn check(&self, bytes: usize, what: &str) -> Answer<()> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(Failure::Cancelled);
        }
        if bytes > self.memory {
            return Err(Failure::Memory(format!("{what} take {} MiB", bytes >> 20)));
        }
        Ok(())
    }
}

/// Rows of the result, each a value per column.
pub(crate) type Rows = Vec<Vec<ScalarValue>>;

impl Job {
    /// Runs to the end.
    pub(crate) fn run(self, names: &[String]) -> Answer<RecordBatch> {
        let rows = match self.name {
            "autocluster" => autocluster::run(&self)?,
            "basket" => itemsets::basket(&self)?,
            "diffpatterns" => diff::run(&self)?,
            "diffpatterns_text" => text::run(&self)?,
            "funnel_sequence" => funnel::sequence(&self)?,
            "funnel_sequence_completion" => funnel::completion(&self)?,
            other => return Err(Failure::Argument(format!("{other} is not known here"))),
        };
        let mut columns: Vec<Vec<ScalarValue>> = self.outputs.iter().map(|_| Vec::with_capacity(rows.len())).collect();
        for row in rows {
            for (column, value) in columns.iter_mut().zip(row) {
                column.push(value);
            }
        }
        let mut fields = Vec::new();
        let mut arrays: Vec<ArrayRef> = Vec::new();
        for ((ty, name), values) in self.outputs.iter().zip(names).zip(columns) {
            let data_type = functions::arrow_type(*ty);
            arrays.push(if values.is_empty() {
                new_empty_array(&data_type)
            } else {
                ScalarValue::iter_to_array(values)?
            });
            fields.push(Field::new(name, data_type, true));
        }
        Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(datafusion::error::DataFusionError::from)?)
    }

    /// A number among the arguments.
    fn number(&self, index: usize) -> f64 {
        match self.args.get(index) {
            Some(Value::Real(value)) => *value,
            Some(Value::Long(value)) => *value as f64,
            _ => f64::NAN,
        }
    }

    /// What stands for any value, column by column.
    fn wildcards(&self) -> Vec<ScalarValue> {
        self.args.iter().skip(2).map(functions::scalar_value).collect()
    }
}

/// Rounded to so many digits.
fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}

fn long(value: f64) -> ScalarValue {
    ScalarValue::Int64(Some(value.round() as i64))
}

fn real(value: f64) -> ScalarValue {
    ScalarValue::Float64(Some(value))
}
