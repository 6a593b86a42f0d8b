//! Whether it lives, whether it can work, and how it is.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde::Serialize;

use crate::app::Context;
use crate::auth::{Administrator, Reader};
use crate::error::{ApiError, ErrorAnswer};
use crate::ports::{Compaction, TableStatistics};

/// How a part is.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Part {
    name: String,
    /// `ok` or `failed`
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// How the server is.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Health {
    /// `ok` or `failed`
    status: String,
    version: String,
    parts: Vec<Part>,
    tables: Vec<TableStatistics>,
    rules: usize,
}

fn part(name: &str, failure: Option<String>) -> Part {
    Part {
        name: name.to_owned(),
        status: if failure.is_none() { "ok" } else { "failed" }.to_owned(),
        message: failure,
    }
}

async fn look(context: &Context) -> Health {
    let state = context.app.state.ping().await.err().map(|error| error.to_string());
    let (tables, lake) = match context.app.storage.statistics().await {
        Ok(tables) => (tables, context.app.storage.check().err()),
        Err(message) => (Vec::new(), Some(message)),
    };
    let ending = context.ending.borrow().then(|| "the server is shutting down".to_owned());
    let parts = vec![part("state", state), part("lake", lake), part("server", ending)];
    let well = parts.iter().all(|part| part.message.is_none());
    Health {
        status: if well { "ok" } else { "failed" }.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        parts,
        tables,
        rules: context.app.rules.rules().len(),
    }
}

/// How each part is, and what the tables hold.
#[utoipa::path(get, path = "/api/v1/health", tag = "health", responses(
    (status = 200, description = "How it is", body = Health)))]
pub(crate) async fn health(State(context): State<Context>, _: Reader) -> Json<Health> {
    Json(look(&context).await)
}

/// A request does not wait longer than this for files to be merged; the work goes on.
const PATIENCE: Duration = Duration::from_secs(15);

/// Writes rows in memory to files and merges small files, now rather than when it is due: before a backup, after an import.
#[utoipa::path(post, path = "/api/v1/tables/compact", tag = "health", responses(
    (status = 200, description = "What was merged", body = Compaction),
    (status = 202, description = "It takes longer, and goes on"),
    (status = 500, description = "Files cannot be written", body = ErrorAnswer)))]
pub(crate) async fn compact(State(context): State<Context>, Administrator(who): Administrator) -> Result<Response, ApiError> {
    let state = &context.app.state;
    state
        .record_action(&who.name, "lake/tables", "compacted", None, context.now())
        .await?;
    let storage = Arc::clone(&context.app.storage);
    let work = tokio::spawn(async move {
        let done = storage.compact().await;
        if let Err(error) = &done {
            tracing::error!(%error, "files cannot be merged");
        }
        done
    });
    let failed = |message: String| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message);
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(Ok(done)) => Ok(Json(done.map_err(failed)?).into_response()),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(_) => Ok(StatusCode::ACCEPTED.into_response()),
    }
}

/// Whether the process lives.
#[utoipa::path(get, path = "/healthz", tag = "health", security(()), responses(
    (status = 200, description = "It lives", body = String)))]
pub(crate) async fn live() -> &'static str {
    "ok\n"
}

/// Whether it can take requests.
#[utoipa::path(get, path = "/readyz", tag = "health", security(()), responses(
    (status = 200, description = "It can", body = String),
    (status = 503, description = "It cannot; says which part", body = String)))]
pub(crate) async fn ready(State(context): State<Context>) -> (StatusCode, String) {
    let health = look(&context).await;
    // Details are for people who are signed in: this answers anybody.
    let failed: Vec<&str> = health
        .parts
        .iter()
        .filter(|part| part.message.is_some())
        .map(|part| part.name.as_str())
        .collect();
    if failed.is_empty() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, format!("failed: {}\n", failed.join(", ")))
    }
}
