//! Fuzz target of the source `json`.
#![no_main]

taffrail_fuzz::decoder!("json");
