//! Our own door: `POST /ingest/{source}` and `POST /ingest/{source}/{cluster}` for every source, in any of its framings, plain, gzip or
//! zstd. Firehose and remote write find the answers they wait for.

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::{HeaderMap, HeaderValue};
use serde_json::json;
use taffrail_sources::Catalogue;

use super::Door;
use crate::access;
use crate::answer::{Receipt, Refusal};
use crate::body;

pub(super) fn routes() -> Router<Door> {
    Router::new()
        .route("/ingest/{source}", post(ingest))
        .route("/ingest/{source}/{cluster}", post(ingest_cluster))
}

async fn ingest(State(door): State<Door>, Path(source): Path<String>, request: Request) -> Response {
    handle(&door, &source, None, request).await
}

async fn ingest_cluster(State(door): State<Door>, Path((source, cluster)): Path<(String, String)>, request: Request) -> Response {
    handle(&door, &source, Some(cluster), request).await
}

async fn handle(door: &Door, source: &str, cluster: Option<String>, request: Request) -> Response {
    let headers = request.headers().clone();
    let result = receive(door, source, cluster, request).await;
    if let Some(id) = access::text(&headers, "x-amz-firehose-request-id") {
        return firehose(id, &result);
    }
    let stored = result
        .as_ref()
        .map(|receipt| receipt.stored + receipt.duplicates)
        .unwrap_or_default();
    let mut response = result.into_response();
    if source == "prometheus-remote-write" && is_second_version(&headers) {
        for (name, value) in [("samples", stored), ("histograms", 0), ("exemplars", 0)] {
            let name = http::HeaderName::try_from(format!("x-prometheus-remote-write-{name}-written"));
            if let Ok(name) = name {
                response.headers_mut().insert(name, HeaderValue::from(value));
            }
        }
    }
    response
}

/// Remote write 2.0 wants to hear how much was written.
fn is_second_version(headers: &HeaderMap) -> bool {
    access::text(headers, "content-type").is_some_and(|ty| ty.contains("io.prometheus.write.v2"))
}

/// Firehose repeats what is not answered with its own request's identifier (docs.aws.amazon.com, "HTTP endpoint delivery request and
/// response specifications").
fn firehose(id: &str, result: &Result<Receipt, Refusal>) -> Response {
    let mut answer = json!({"requestId": id, "timestamp": chrono::Utc::now().timestamp_millis()});
    match result {
        Ok(_) => Json(answer).into_response(),
        Err(refusal) => {
            answer["errorMessage"] = refusal.message.as_str().into();
            (refusal.status, Json(answer)).into_response()
        }
    }
}

async fn receive(door: &Door, source: &str, cluster: Option<String>, request: Request) -> Result<Receipt, Refusal> {
    // Who may not send is not told what there is.
    let origin = access::origin(&request);
    let (parts, body) = request.into_parts();
    let cluster = access::cluster(&parts, source, cluster.as_deref())?;
    if Catalogue::source(source).is_none() {
        return Err(Refusal::unknown_source(source));
    }
    body::check_headers(&parts.headers)?;
    let body = body::read(&parts.headers, body, door.receiver.inner.options.body_limit).await?;
    door.receiver.receive(source, &cluster, body, origin).await
}
