//! Fuzz target of the source `otlp-logs`.
#![no_main]

taffrail_fuzz::decoder!("otlp-logs");
