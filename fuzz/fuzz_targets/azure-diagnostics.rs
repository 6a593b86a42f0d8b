//! Fuzz target of the source `azure-diagnostics`.
#![no_main]

taffrail_fuzz::decoder!("azure-diagnostics");
