//! Fuzz target of the source `flannel`.
#![no_main]

taffrail_fuzz::decoder!("flannel");
