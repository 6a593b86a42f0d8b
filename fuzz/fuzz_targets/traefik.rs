//! Fuzz target of the source `traefik`.
#![no_main]

taffrail_fuzz::decoder!("traefik");
