//! Headers that tell browsers what a page may do, and errors that libraries make as text turned into our form.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{self, HeaderName};
use http::{HeaderValue, StatusCode};

use crate::app::Context;
use crate::error::ApiError;

/// For the portal's pages. Monaco writes its styles into the page.
const PAGE: &str = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
    font-src 'self' data:; worker-src 'self' blob:; connect-src 'self'; object-src 'none'; base-uri 'none'; \
    form-action 'self'; frame-ancestors 'none'";
/// The Kusto language service is a compiled .NET library that evaluates code; it runs in a worker that reaches nothing.
const KUSTO_WORKER: &str = "default-src 'none'; script-src 'self' 'unsafe-eval'; connect-src 'self'; frame-ancestors 'none'";
/// For everything that is no page.
const DATA: &str = "default-src 'none'; frame-ancestors 'none'";

fn policy(path: &str, is_asset: bool) -> &'static str {
    if !is_asset {
        return DATA;
    }
    let file = path.rsplit('/').next().unwrap_or_default();
    match file.starts_with("kusto-worker") && file.ends_with(".js") {
        true => KUSTO_WORKER,
        false => PAGE,
    }
}

/// Marks answers that are files of the portal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IsAsset;

/// Adds the headers to every answer.
pub(crate) async fn headers(State(context): State<Context>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    let is_asset = response.extensions().get::<IsAsset>().is_some();
    let headers = response.headers_mut();
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, policy(&path, is_asset)),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        ),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if context.options.is_https() {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    if !is_asset && !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// Errors of the framework (wrong method, body too large, timeout) come as text or nothing; people get one form.
pub(crate) async fn json_errors(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status();
    let is_json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/json"));
    if !(status.is_client_error() || status.is_server_error()) || is_json {
        return response;
    }
    let (code, message) = match status {
        StatusCode::METHOD_NOT_ALLOWED => ("MethodNotAllowed", "this address does not take that method".to_owned()),
        StatusCode::PAYLOAD_TOO_LARGE => ("PayloadTooLarge", "the body is larger than allowed".to_owned()),
        StatusCode::REQUEST_TIMEOUT => ("Timeout", "the request took too long".to_owned()),
        StatusCode::NOT_FOUND => ("NotFound", "there is nothing at this address".to_owned()),
        other => {
            let reason = other.canonical_reason().unwrap_or("the request was refused");
            let text = axum::body::to_bytes(response.into_body(), 4_096).await.unwrap_or_default();
            let text = String::from_utf8_lossy(&text).trim().to_owned();
            let message = if text.is_empty() { reason.to_owned() } else { text };
            return ApiError::new(other, &reason.replace(' ', ""), message).into_response();
        }
    };
    let allow = response.headers().get(header::ALLOW).cloned();
    let mut answer = ApiError::new(status, code, message).into_response();
    if let Some(allow) = allow {
        answer.headers_mut().insert(header::ALLOW, allow);
    }
    answer
}
