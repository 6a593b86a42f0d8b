//! Fuzz target of the source `cloudevents`.
#![no_main]

taffrail_fuzz::decoder!("cloudevents");
