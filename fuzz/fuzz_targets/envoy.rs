//! Fuzz target of the source `envoy`.
#![no_main]

taffrail_fuzz::decoder!("envoy");
