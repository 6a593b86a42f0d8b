//! Fuzz target of the source `elasticsearch`.
#![no_main]

taffrail_fuzz::decoder!("elasticsearch");
