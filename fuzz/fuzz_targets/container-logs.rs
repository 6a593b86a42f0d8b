//! Fuzz target of the source `container-logs`.
#![no_main]

taffrail_fuzz::decoder!("container-logs");
