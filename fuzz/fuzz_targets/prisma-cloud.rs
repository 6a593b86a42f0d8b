//! Fuzz target of the source `prisma-cloud`.
#![no_main]

taffrail_fuzz::decoder!("prisma-cloud");
