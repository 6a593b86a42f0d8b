//! Fuzz target of the source `loki`.
#![no_main]

taffrail_fuzz::decoder!("loki");
