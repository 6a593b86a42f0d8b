//! Fuzz target of the source `calico`.
#![no_main]

taffrail_fuzz::decoder!("calico");
