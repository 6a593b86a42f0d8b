//! Fuzz target of the source `cef`.
#![no_main]

taffrail_fuzz::decoder!("cef");
