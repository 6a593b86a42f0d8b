//! Rows, durable and cheap to keep and to query.
//!
//! An append goes to a write-ahead log (one fsync for all that wait), is visible to queries at once as rows in memory, reaches
//! followers in order, and is written every half minute to sorted Parquet files of a Delta table that other engines can read as
//! it is. The Delta commit records the log position, so that a crash neither loses nor doubles rows.
//!
//! The lake knows nothing of what the rows mean.
//!
//! ```text
//! DIR/lock                                  held by the one writer
//! DIR/log/00000000000000000001.wal          segments of the log, named by their first position
//! DIR/chain/00000001.jsonl                  the account of what was written and deleted, signed
//! DIR/consumers.json                        how far consumers have read
//! DIR/tables.json                           tables made at run time, policies
//! DIR/tables/NAME/_delta_log/...            a Delta table a table
//! DIR/tables/NAME/date=2026-11-20/part-...  its files
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod backup;
mod catalog;
mod chain;
mod columns;
mod compact;
mod consumers;
mod delta;
mod disk;
mod durable;
mod error;
mod event;
mod export;
mod files;
mod flush;
mod follow;
mod lake;
mod lock;
mod log;
mod open;
mod options;
mod order;
mod policy;
mod provider;
mod retention;
mod rows;
mod scan;
mod seen;
mod shared;
mod tables;
mod terms;

pub use backup::{Backup, restore};
pub use chain::{Fault, Verified, VerifyOptions, verify};
pub use compact::Compacted;
pub use error::LakeError;
pub use follow::{Committed, Subscription};
pub use lake::{Appended, Lake, TableStatistics};
pub use options::LakeOptions;
pub use policy::Policy;
pub use retention::{Deleted, Deletion};
pub use scan::ROWS;
pub use tables::TableChange;
