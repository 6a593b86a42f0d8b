//! Queries as things that run: which there are, how they would run, and stopping one.

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use taffrail_state::users::Role;

use super::language::{DiagnosticView, views};
use crate::app::Context;
use crate::auth::{Principal, Reader};
use crate::error::{ApiError, Body, ErrorAnswer};
use crate::ports::{Failure, Request};
use crate::running::QueryRun;

/// Whose queries somebody sees and may stop: an administrator everybody's, others their own.
pub(crate) fn of_whom(principal: &Principal) -> Option<&str> {
    (principal.role < Role::Administrator).then_some(principal.name.as_str())
}

/// Queries that run and that ended lately, newest first: one's own, an administrator's are everybody's.
#[utoipa::path(get, path = "/api/v1/queries", tag = "query", responses(
    (status = 200, description = "At most the last 200 that ended, and all that run", body = Vec<QueryRun>)))]
pub(crate) async fn list(State(context): State<Context>, Reader(principal): Reader) -> Json<Vec<QueryRun>> {
    Json(context.running.list(of_whom(&principal)))
}

/// Stops a query that runs, by the name its client gave it (`x-ms-client-request-id`) or by ours.
#[utoipa::path(delete, path = "/api/v1/queries/{id}", tag = "query", params(("id" = String, Path, description = "Name of the query")), responses(
    (status = 204, description = "It is told to stop"),
    (status = 404, description = "No such query runs", body = ErrorAnswer)))]
pub(crate) async fn cancel(
    State(context): State<Context>,
    Reader(principal): Reader,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    match context.running.cancel(&id, of_whom(&principal), "by request") {
        0 => Err(ApiError::not_found(format!("no query {id} is running"))),
        _ => Ok(StatusCode::NO_CONTENT),
    }
}

/// A query's text.
#[derive(Deserialize, utoipa::ToSchema)]
pub(crate) struct ExplainRequest {
    query: String,
}

/// How a query would run.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ExplainAnswer {
    /// Logical plan, optimized plan and physical plan
    plan: String,
    /// Problems, when it is not valid
    diagnostics: Vec<DiagnosticView>,
}

/// The plans of a query: as written, as optimized, as run.
#[utoipa::path(post, path = "/api/v1/query/explain", tag = "query", request_body = ExplainRequest, responses(
    (status = 200, description = "Plans; of a query that is not valid none, and the problems", body = ExplainAnswer),
    (status = 400, description = "It cannot be planned", body = ErrorAnswer)))]
pub(crate) async fn explain(
    State(context): State<Context>,
    _: Reader,
    Body(asked): Body<ExplainRequest>,
) -> Result<Json<ExplainAnswer>, ApiError> {
    let limit = context.options.query_timeout;
    let explained = tokio::time::timeout(limit, context.app.queries.explain(&asked.query, &Request::default())).await;
    match explained {
        Ok(Ok(plan)) => Ok(Json(ExplainAnswer {
            plan,
            diagnostics: Vec::new(),
        })),
        Ok(Err(Failure::Diagnostics(diagnostics))) => Ok(Json(ExplainAnswer {
            plan: String::new(),
            diagnostics: views(&asked.query, &diagnostics),
        })),
        Ok(Err(failure)) => Err(ApiError::bad_request(failure.to_string())),
        Err(_) => Err(ApiError::bad_request("planning took longer than a query may".to_owned())),
    }
}
