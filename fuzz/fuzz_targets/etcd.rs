//! Fuzz target of the source `etcd`.
#![no_main]

taffrail_fuzz::decoder!("etcd");
