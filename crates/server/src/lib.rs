//! HTTP: the API, sign-in and roles, the query protocols of existing clients, the portal's files, live updates.
//!
//! Knows nothing of how events are decoded or queries planned: those come in through the doors in [`ports`], which
//! `adapters` opens to the other rooms.
//!
//! | path | what |
//! |---|---|
//! | `/api/v1/…` | our own API, described by `/api/v1/openapi.json` |
//! | `/v1/workspaces/{workspace}/query`, `/v1/$batch` | Log Analytics query API |
//! | `/v1/rest/…`, `/v2/rest/query` | Kusto query API |
//! | `/ingest/{source}[/{cluster}]` | events, by whoever receives them |
//! | `/healthz`, `/readyz`, `/metrics` | for probes and Prometheus |
//! | everything else | the portal |
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod api;
mod app;
mod assets;
mod auth;
mod compat;
mod error;
mod metrics;
pub mod ports;
mod router;
mod running;
mod security;
mod serve;
#[cfg(test)]
mod tests;

pub use app::{App, Clock, ServeError, ServerOptions, TlsFiles, system_clock};
pub use metrics::install as install_metrics;
pub use router::openapi;
pub use serve::{Server, serve};
