//! Fuzz target of the source `cilium-hubble`.
#![no_main]

taffrail_fuzz::decoder!("cilium-hubble");
