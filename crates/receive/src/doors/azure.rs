//! Azure Monitor's Logs Ingestion API (learn.microsoft.com, "Logs Ingestion API in Azure Monitor"):
//! `POST /dataCollectionRules/{rule}/streams/{stream}` with an array of objects, answered 204. A stream `Custom-NAME` is the table NAME or
//! NAME_CL, `Microsoft-NAME` the table NAME; a stream of the configuration is what its columns say, and passes through its
//! transformation.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::json;
use taffrail_sources::Naming;

use super::{Door, words};
use crate::access;
use crate::answer::{RETRY_AFTER, Receipt, Refusal};
use crate::receiver::Reading;
use crate::transform::Transformed;

/// A stream of a data collection rule that is transformed.
#[derive(Clone)]
pub struct StreamRule {
    /// Immutable identifier of the rule; empty: any
    pub rule: String,
    /// Name of the stream
    pub stream: String,
    /// What becomes of its rows
    pub transformed: Arc<dyn Transformed>,
}

pub(super) fn routes() -> Router<Door> {
    Router::new().route("/dataCollectionRules/{rule}/streams/{stream}", post(ingest))
}

async fn ingest(State(door): State<Door>, Path((rule, stream)): Path<(String, String)>, request: Request) -> Response {
    let id = access::text(request.headers(), "x-ms-client-request-id").and_then(|id| HeaderValue::from_str(id).ok());
    let mut response = match take(&door, &rule, &stream, request).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(refusal) => refused(&refusal),
    };
    if let Some(id) = id {
        response.headers_mut().insert(HeaderName::from_static("x-ms-request-id"), id);
    }
    response
}

async fn take(door: &Door, rule: &str, stream: &str, request: Request) -> Result<(), Refusal> {
    let sent = door.read(request, "logs-ingestion", |_| None).await?;
    let of_rule = |known: &&StreamRule| known.stream == stream && (known.rule.is_empty() || known.rule == rule);
    let (table, through) = match door.options.streams.iter().find(of_rule) {
        Some(known) => (known.transformed.input().name.clone(), Some(Arc::clone(&known.transformed))),
        None => (table_of(door, stream)?, None),
    };
    let plain = door.plain(&sent.body)?;
    if plain.trim_ascii_start().first() != Some(&b'[') {
        return Err(Refusal::bad_body("InvalidRequestFormat", "the body is an array of JSON objects"));
    }
    if matches!(plain.trim_ascii(), b"[]") {
        return Ok(());
    }
    let reading = Reading::Table {
        table,
        naming: Naming::Exact,
        door: "logs-ingestion",
        through,
    };
    let receipt = door.receiver.take(reading, &sent.cluster, plain, sent.origin).await?;
    accepted(receipt)
}

/// A body of which nothing could be used is refused.
pub(super) fn accepted(receipt: Receipt) -> Result<(), Refusal> {
    if receipt.rejected > 0 && !receipt.usable {
        return Err(Refusal::bad_body("InvalidRequestFormat", words(&receipt)));
    }
    Ok(())
}

fn table_of(door: &Door, stream: &str) -> Result<String, Refusal> {
    let known = |name: &str| door.receiver.table(name).is_some();
    let name = stream
        .strip_prefix("Custom-")
        .or_else(|| stream.strip_prefix("Microsoft-"))
        .unwrap_or_default();
    let custom = format!("{name}_CL");
    if known(name) {
        return Ok(name.to_owned());
    }
    if stream.starts_with("Custom-") && known(&custom) {
        return Ok(custom);
    }
    let message =
        format!("there is no table for the stream {stream}: a stream is Custom-TABLE, Microsoft-TABLE or one of the configuration");
    Err(Refusal::not_found("InvalidStream", message))
}

pub(super) fn refused(refusal: &Refusal) -> Response {
    let body = json!({"error": {"code": refusal.code, "message": refusal.message}});
    let mut response = (refusal.status, Json(body)).into_response();
    if refusal.is_temporary() {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
    }
    response
}
