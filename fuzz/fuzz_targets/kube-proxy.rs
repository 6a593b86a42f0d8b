//! Fuzz target of the source `kube-proxy`.
#![no_main]

taffrail_fuzz::decoder!("kube-proxy");
