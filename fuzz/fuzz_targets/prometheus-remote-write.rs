//! Fuzz target of the source `prometheus-remote-write`.
#![no_main]

taffrail_fuzz::decoder!("prometheus-remote-write");
