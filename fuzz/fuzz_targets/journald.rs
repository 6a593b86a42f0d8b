//! Fuzz target of the source `journald`.
#![no_main]

taffrail_fuzz::decoder!("journald");
