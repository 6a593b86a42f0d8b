//! Fuzz target of the source `auto`.
#![no_main]

taffrail_fuzz::decoder!("auto");
