//! Fuzz target of the source `kubernetes-control-plane`.
#![no_main]

taffrail_fuzz::decoder!("kubernetes-control-plane");
