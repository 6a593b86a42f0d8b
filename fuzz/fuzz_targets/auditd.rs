//! Fuzz target of the source `auditd`.
#![no_main]

taffrail_fuzz::decoder!("auditd");
