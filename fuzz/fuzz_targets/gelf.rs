//! Fuzz target of the source `gelf`.
#![no_main]

taffrail_fuzz::decoder!("gelf");
