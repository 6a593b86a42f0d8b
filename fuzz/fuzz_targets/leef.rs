//! Fuzz target of the source `leef`.
#![no_main]

taffrail_fuzz::decoder!("leef");
