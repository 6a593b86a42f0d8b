//! Fuzz target of the source `syslog`.
#![no_main]

taffrail_fuzz::decoder!("syslog");
