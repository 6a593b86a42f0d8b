//! The whole program, as people and clusters meet it: the binary, real files, real HTTP, a real API server.

mod common;

#[path = "e2e/articles.rs"]
mod articles;
#[path = "e2e/bad_input.rs"]
mod bad_input;
#[path = "e2e/cluster.rs"]
mod cluster;
#[path = "e2e/lifecycle.rs"]
mod lifecycle;
#[path = "e2e/scan.rs"]
mod scan;
#[path = "e2e/sources.rs"]
mod sources;
