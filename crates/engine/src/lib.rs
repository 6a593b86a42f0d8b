//! KQL's meaning on DataFusion: lowers bound queries to plans, runs them within limits, gives results.
//!
//! Knows nothing of where rows come from (a [`TableSource`] hands in tables) and nothing of HTTP.
//!
//! **Query form** of values inside plans and results; the KQL type is known from the bound query, never from Arrow:
//!
//! | KQL | Arrow |
//! |---|---|
//! | bool, int, long, real | Boolean, Int32, Int64, Float64 |
//! | decimal | Decimal256(76, 34) |
//! | string | Utf8View, never null: missing is `""` |
//! | datetime, timespan | Int64: ticks of 100 ns, datetimes since 0001-01-01 |
//! | guid | Utf8View |
//! | dynamic | Utf8View: compact JSON text; null is Arrow null |
//!
//! **Order of rows is explicit.** `sort` adds no node to the plan: lowering remembers by which columns the rows are ordered,
//! carries those columns along, and sorts where it matters (`take`, window functions, lists, the answer).

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod budget;
mod cache;
mod cooperate;
mod counted;
mod discover;
mod engine;
mod error;
mod execute;
mod external;
pub mod functions;
mod graph;
mod interval;
mod kernels;
mod language;
mod lower;
mod mining;
mod paths;
mod plugins;
mod result;
mod rows;
mod session;
mod source;
mod ticks;
mod value;

pub use engine::{Engine, EngineOptions, QueryRequest};
pub use error::{LowerError, QueryError};
pub use external::{ExternalSource, Reading};
pub use result::{QueryResult, ResultColumn, ResultTable, Statistics};
pub use rows::{PreparedQuery, RowExpressions};
pub use source::{MemorySource, ROWS, TableSource};
pub use taffrail_kql::{Completion, CompletionKind, Limits};
