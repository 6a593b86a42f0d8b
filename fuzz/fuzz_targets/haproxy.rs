//! Fuzz target of the source `haproxy`.
#![no_main]

taffrail_fuzz::decoder!("haproxy");
