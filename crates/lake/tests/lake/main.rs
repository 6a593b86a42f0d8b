//! What users of the lake see: rows durable, once, queryable at once, readable by others.
//!
//! One executable: linking DataFusion is dear. The crash test starts this executable again as the process to kill.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod chain;
mod crash;
mod files;
mod format;
mod keeping;
mod log;
mod rows;
mod scans;
mod support;
mod tables;
