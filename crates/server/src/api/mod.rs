//! Our own API under `/api/v1`.

pub(crate) mod events;
pub(crate) mod export;
pub(crate) mod findings;
pub(crate) mod health;
pub(crate) mod incidents;
pub(crate) mod indicators;
pub(crate) mod ingest;
pub(crate) mod language;
pub(crate) mod library;
pub(crate) mod queries;
pub(crate) mod rules;
pub(crate) mod schema;
pub(crate) mod session;
pub(crate) mod settings;
pub(crate) mod tasks;
pub(crate) mod tokens;
pub(crate) mod trail;
pub(crate) mod users;

/// This description.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "health", security(()), responses(
    (status = 200, description = "OpenAPI 3.1", body = Object)))]
pub(crate) async fn openapi() {}
