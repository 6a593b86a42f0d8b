//! Fuzz target of the source `prometheus-metrics`.
#![no_main]

taffrail_fuzz::decoder!("prometheus-metrics");
