//! Answers as files for other programs.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header;
use serde::Deserialize;

use crate::app::Context;
use crate::auth::Reader;
use crate::compat::{self, timespan};
use crate::error::{ApiError, Body, ErrorAnswer};
use crate::ports::Request;

/// A query whose answer is to be a file.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExportRequest {
    /// KQL
    query: String,
    /// ISO 8601 duration or interval
    timespan: Option<String>,
}

/// Runs a query and gives its answer as a Parquet file: times in microseconds, timespans as text, dynamics as JSON.
#[utoipa::path(post, path = "/api/v1/query/export", tag = "query", request_body = ExportRequest, responses(
    (status = 200, description = "A Parquet file", content_type = "application/vnd.apache.parquet", body = Vec<u8>),
    (status = 400, description = "The query is not valid, or failed", body = ErrorAnswer),
    (status = 504, description = "It took too long", body = ErrorAnswer)))]
pub(crate) async fn parquet(
    State(context): State<Context>,
    Reader(who): Reader,
    Body(asked): Body<ExportRequest>,
) -> Result<Response, ApiError> {
    let mut request = Request::default();
    if let Some(text) = asked.timespan.as_deref().filter(|text| !text.is_empty()) {
        request.timespan = Some(timespan::interval(text, context.now()).map_err(ApiError::bad_request)?);
    }
    let wait = context.options.query_timeout;
    let file = match tokio::time::timeout(wait, context.app.queries.parquet(&asked.query, &request)).await {
        Ok(answer) => answer.map_err(|failure| compat::refusal(&failure))?,
        Err(_) => {
            return Err(ApiError::new(
                http::StatusCode::GATEWAY_TIMEOUT,
                "GatewayTimeout",
                "the query took too long; narrow the time range",
            ));
        }
    };
    // Rows that leave the house are worth knowing about.
    let first: String = asked.query.chars().take(200).collect();
    let what = Some(("query", first.as_str()));
    context
        .app
        .state
        .record_action(&who.name, "query/export", "exported", what, context.now())
        .await?;
    let headers = [
        (header::CONTENT_TYPE, "application/vnd.apache.parquet"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"taffrail.parquet\""),
    ];
    Ok((headers, file).into_response())
}
