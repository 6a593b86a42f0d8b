//! Fuzz target of the source `node-services`.
#![no_main]

taffrail_fuzz::decoder!("node-services");
