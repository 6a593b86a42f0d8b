//! Fuzz target of the source `fluent`.
#![no_main]

taffrail_fuzz::decoder!("fluent");
