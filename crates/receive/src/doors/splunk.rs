//! Splunk's HTTP Event Collector: events, raw lines, acknowledgement, health, with Splunk's codes. An answer comes when events are
//! durable, so what was answered is acknowledged whenever a client asks.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};
use taffrail_sources::{EVENT_BLANK, EVENT_REQUIRED};

use super::{Door, Sent};
use crate::access;
use crate::answer::{RETRY_AFTER, Receipt, Refusal};

/// Channels whose counts are kept.
const CHANNELS: usize = 10_000;

/// How many requests each channel has had answered: all of them are durable.
#[derive(Default)]
pub(super) struct Acknowledgements {
    next: Mutex<HashMap<String, u64>>,
}

impl Acknowledgements {
    fn take(&self, channel: &str) -> u64 {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        if next.len() >= CHANNELS && !next.contains_key(channel) {
            next.clear();
        }
        let number = next.entry(channel.to_owned()).or_default();
        *number += 1;
        *number - 1
    }

    fn given(&self, channel: &str) -> u64 {
        let next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        next.get(channel).copied().unwrap_or(0)
    }
}

pub(super) fn routes() -> Router<Door> {
    let mut routes = Router::new();
    for path in ["", "/event", "/event/1.0"] {
        routes = routes.route(&format!("/services/collector{path}"), post(events));
    }
    for path in ["/raw", "/raw/1.0"] {
        routes = routes.route(&format!("/services/collector{path}"), post(raw));
    }
    for path in ["/health", "/health/1.0"] {
        routes = routes.route(&format!("/services/collector{path}"), get(health));
    }
    routes.route("/services/collector/ack", post(acknowledged))
}

async fn health() -> Json<Value> {
    Json(json!({"text": "HEC is healthy", "code": 17}))
}

fn channel(parts: &Parts) -> Option<String> {
    let header = access::text(&parts.headers, "x-splunk-request-channel").map(str::to_owned);
    header.or_else(|| access::parameter(parts, "channel"))
}

async fn events(State(door): State<Door>, request: Request) -> Response {
    match door.read(request, "splunk-hec", |_| None).await {
        Ok(sent) => answer(&door, sent).await,
        Err(refusal) => refused(&refusal),
    }
}

/// Every line is an event; what is said about all of them stands in the address.
async fn raw(State(door): State<Door>, request: Request) -> Response {
    let mut sent = match door.read(request, "splunk-hec", |_| None).await {
        Ok(sent) => sent,
        Err(refusal) => return refused(&refusal),
    };
    if channel(&sent.parts).is_none() {
        return code(StatusCode::BAD_REQUEST, 10, "Data channel is missing", None);
    }
    let plain = match door.plain(&sent.body) {
        Ok(plain) => plain,
        Err(refusal) => return refused(&refusal),
    };
    let mut about = Map::new();
    for name in ["time", "host", "source", "sourcetype", "index"] {
        if let Some(value) = access::parameter(&sent.parts, name) {
            about.insert(name.to_owned(), value.into());
        }
    }
    let mut body = String::with_capacity(plain.len() * 2);
    for line in String::from_utf8_lossy(&plain).lines().filter(|line| !line.trim().is_empty()) {
        about.insert("event".to_owned(), line.into());
        body.push_str(&Value::Object(about.clone()).to_string());
        body.push('\n');
    }
    sent.body = body.into();
    answer(&door, sent).await
}

async fn answer(door: &Door, sent: Sent) -> Response {
    if sent.body.is_empty() {
        return code(StatusCode::BAD_REQUEST, 5, "No data", None);
    }
    let channel = channel(&sent.parts);
    match door.take("splunk-hec", sent).await {
        Ok(receipt) if receipt.rejected > 0 => bad_event(&receipt),
        Ok(receipt) if receipt.carried == 0 => code(StatusCode::BAD_REQUEST, 5, "No data", None),
        Ok(_) => {
            let mut answer = json!({"text": "Success", "code": 0});
            if let Some(channel) = channel {
                answer["ackId"] = door.acknowledgements.take(&channel).into();
            }
            Json(answer).into_response()
        }
        Err(refusal) => refused(&refusal),
    }
}

/// The first event that is none; its neighbours are stored.
fn bad_event(receipt: &Receipt) -> Response {
    let first = receipt.failed.first();
    let number = first.map(|failed| failed.number);
    match first.map(|failed| failed.reason.as_str()) {
        Some(EVENT_REQUIRED) => code(StatusCode::BAD_REQUEST, 12, "Event field is required", number),
        Some(EVENT_BLANK) => code(StatusCode::BAD_REQUEST, 13, "Event field cannot be blank", number),
        _ => code(StatusCode::BAD_REQUEST, 6, "Invalid data format", number),
    }
}

fn code(status: StatusCode, code: u32, text: &str, event: Option<usize>) -> Response {
    let mut body = json!({"text": text, "code": code});
    if let Some(event) = event {
        body["invalid-event-number"] = event.into();
    }
    (status, Json(body)).into_response()
}

fn refused(refusal: &Refusal) -> Response {
    let (number, text) = match refusal.status {
        StatusCode::UNAUTHORIZED if refusal.message.starts_with("send ") => (2, "Token is required"),
        // Splunk says 403 for a token it does not know.
        StatusCode::UNAUTHORIZED => return code(StatusCode::FORBIDDEN, 4, "Invalid token", None),
        StatusCode::FORBIDDEN => (4, "Invalid token"),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            let mut response = code(StatusCode::SERVICE_UNAVAILABLE, 9, "Server is busy", None);
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
            return response;
        }
        StatusCode::INTERNAL_SERVER_ERROR => (8, "Internal server error"),
        _ if refusal.code == "EmptyBody" => (5, "No data"),
        _ => (6, "Invalid data format"),
    };
    code(refusal.status, number, text, None)
}

async fn acknowledged(State(door): State<Door>, request: Request) -> Response {
    let sent = match door.read(request, "splunk-hec", |_| None).await {
        Ok(sent) => sent,
        Err(refusal) => return refused(&refusal),
    };
    let Some(channel) = channel(&sent.parts) else {
        return code(StatusCode::BAD_REQUEST, 10, "Data channel is missing", None);
    };
    let asked: Option<Vec<u64>> = serde_json::from_slice::<Value>(&sent.body).ok().and_then(|body| {
        body.get("acks")?
            .as_array()
            .map(|acks| acks.iter().filter_map(Value::as_u64).collect())
    });
    let Some(asked) = asked else {
        return code(StatusCode::BAD_REQUEST, 6, "Invalid data format", None);
    };
    let given = door.acknowledgements.given(&channel);
    let acks: Map<String, Value> = asked.into_iter().map(|id| (id.to_string(), (id < given).into())).collect();
    Json(json!({ "acks": acks })).into_response()
}
