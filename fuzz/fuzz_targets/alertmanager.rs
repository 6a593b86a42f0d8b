//! Fuzz target of the source `alertmanager`.
#![no_main]

taffrail_fuzz::decoder!("alertmanager");
