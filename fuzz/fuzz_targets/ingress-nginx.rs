//! Fuzz target of the source `ingress-nginx`.
#![no_main]

taffrail_fuzz::decoder!("ingress-nginx");
