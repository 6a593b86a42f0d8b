//! Fuzz target of the source `alcide-kaudit`.
#![no_main]

taffrail_fuzz::decoder!("alcide-kaudit");
