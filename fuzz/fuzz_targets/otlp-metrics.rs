//! Fuzz target of the source `otlp-metrics`.
#![no_main]

taffrail_fuzz::decoder!("otlp-metrics");
