//! Fuzz target of the source `grafana`.
#![no_main]

taffrail_fuzz::decoder!("grafana");
