//! Fuzz target of the source `coredns`.
#![no_main]

taffrail_fuzz::decoder!("coredns");
