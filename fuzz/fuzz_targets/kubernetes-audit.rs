//! Fuzz target of the source `kubernetes-audit`.
#![no_main]

taffrail_fuzz::decoder!("kubernetes-audit");
