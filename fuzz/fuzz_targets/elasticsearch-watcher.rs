//! Fuzz target of the source `elasticsearch-watcher`.
#![no_main]

taffrail_fuzz::decoder!("elasticsearch-watcher");
