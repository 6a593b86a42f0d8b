//! Fuzz target of the source `splunk-hec`.
#![no_main]

taffrail_fuzz::decoder!("splunk-hec");
