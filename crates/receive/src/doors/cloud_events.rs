//! `POST /cloudevents` (cloudevents.io, "HTTP Protocol Binding" and "HTTP 1.1 Web Hooks"): structured, batched, and binary mode, whose
//! headers `ce-…` are made members of a structured event.

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine as _;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value};

use super::Door;
use crate::access;
use crate::answer::Refusal;

pub(super) fn routes() -> Router<Door> {
    Router::new().route("/cloudevents", post(take).options(allow))
}

/// Senders of web hooks ask first.
async fn allow(headers: HeaderMap) -> Response {
    let mut response = StatusCode::OK.into_response();
    if let Some(origin) = headers.get("webhook-request-origin") {
        let to = response.headers_mut();
        to.insert(HeaderName::from_static("webhook-allowed-origin"), origin.clone());
        to.insert(HeaderName::from_static("webhook-allowed-rate"), HeaderValue::from_static("*"));
        to.insert(http::header::ALLOW, HeaderValue::from_static("POST, OPTIONS"));
    }
    response
}

async fn take(State(door): State<Door>, request: Request) -> Response {
    match receive(&door, request).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn receive(door: &Door, request: Request) -> Result<(), Refusal> {
    let mut sent = door.read(request, "cloudevents", |_| None).await?;
    if sent.parts.headers.contains_key("ce-specversion") {
        let data = door.plain(&sent.body)?;
        sent.body = structured(&sent.parts.headers, &data).to_string().into();
    }
    let receipt = door.take("cloudevents", sent).await?;
    match receipt.rejected {
        0 => Ok(()),
        _ => Err(Refusal::nothing_usable(receipt)),
    }
}

fn structured(headers: &HeaderMap, data: &[u8]) -> Value {
    let mut event: Map<String, Value> = Map::new();
    for (name, value) in headers {
        if let (Some(name), Ok(value)) = (name.as_str().strip_prefix("ce-"), value.to_str()) {
            // Names of attributes are percent-encoded where they are not plain text.
            let value = percent_encoding::percent_decode_str(value).decode_utf8_lossy();
            event.insert(name.to_owned(), value.into_owned().into());
        }
    }
    let ty = access::text(headers, "content-type").unwrap_or_default();
    if !ty.is_empty() {
        event.insert("datacontenttype".to_owned(), ty.into());
    }
    if !data.is_empty() {
        match serde_json::from_slice::<Value>(data) {
            Ok(json) if ty.is_empty() || ty.contains("json") => event.insert("data".to_owned(), json),
            _ => match std::str::from_utf8(data) {
                Ok(text) => event.insert("data".to_owned(), text.into()),
                Err(_) => event.insert(
                    "data_base64".to_owned(),
                    base64::engine::general_purpose::STANDARD.encode(data).into(),
                ),
            },
        };
    }
    Value::Object(event)
}
