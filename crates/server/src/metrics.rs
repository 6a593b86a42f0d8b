//! Numbers about the server itself, for Prometheus.

use std::sync::OnceLock;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, Method, Uri, header};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::app::Context;
use crate::auth;
use crate::error::ApiError;

/// Makes this process count (`metrics` macros of every room); the same handle however often it is called.
///
/// # Errors
/// In words, when another recorder is installed already.
pub fn install() -> Result<PrometheusHandle, String> {
    static HANDLE: OnceLock<Result<PrometheusHandle, String>> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let buckets = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0];
            PrometheusBuilder::new()
                .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &buckets)
                .and_then(PrometheusBuilder::install_recorder)
                .map_err(|error| error.to_string())
        })
        .clone()
}

/// Counts and times requests by route, not by path: paths are endless.
pub(crate) async fn count(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().to_string();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("other", MatchedPath::as_str)
        .to_owned();
    let response = next.run(request).await;
    let status = response.status().as_u16().to_string();
    let labels = [("method", method), ("route", route), ("status", status)];
    ::metrics::counter!("taffrail_http_requests_total", &labels).increment(1);
    ::metrics::histogram!("taffrail_http_request_seconds", &labels).record(began.elapsed().as_secs_f64());
    response
}

/// Metrics in Prometheus' text format. From loopback without a token, unless configured otherwise.
#[utoipa::path(get, path = "/metrics", tag = "health", responses(
    (status = 200, description = "Prometheus text format", content_type = "text/plain", body = String),
    (status = 401, description = "Not from loopback, and no token", body = crate::error::ErrorAnswer)))]
pub(crate) async fn show(
    State(context): State<Context>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    extensions: http::Extensions,
) -> Result<Response, ApiError> {
    let from_loopback = auth::peer(&extensions).is_some_and(|address| address.is_loopback());
    if !(from_loopback && context.options.metrics_on_loopback) {
        auth::identify(&context, &method, &uri, &headers).await?;
    }
    let handle = context
        .app
        .metrics
        .as_ref()
        .ok_or_else(|| ApiError::not_found("this server keeps no metrics"))?;
    handle.run_upkeep();
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], handle.render()).into_response())
}
