//! Azure Monitor's older Data Collector API (learn.microsoft.com, "HTTP Data Collector API"): `POST /api/logs`, signed with a key that
//! both sides have. The table is the header `Log-Type` with `_CL`; columns have the suffix of their type.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use taffrail_sources::Naming;

use super::{Door, azure};
use crate::access;
use crate::answer::{RETRY_AFTER, Refusal};
use crate::body;
use crate::receiver::Reading;

/// How far a request's date may be from the clock here.
const SKEW_MINUTES: i64 = 15;

/// A workspace and its key.
#[derive(Clone)]
pub struct SharedKey {
    /// Identifier of the workspace
    pub workspace: String,
    /// The key
    pub key: Vec<u8>,
    /// Cluster that it sends for
    pub cluster: String,
}

pub(super) fn routes() -> Router<Door> {
    Router::new().route("/api/logs", post(collect))
}

async fn collect(State(door): State<Door>, request: Request) -> Response {
    match take(&door, request).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(refusal) => {
            let code = if refusal.status == StatusCode::FORBIDDEN {
                "InvalidAuthorization"
            } else {
                refusal.code
            };
            let mut response = (refusal.status, Json(json!({"Error": code, "Message": refusal.message}))).into_response();
            if refusal.is_temporary() {
                response
                    .headers_mut()
                    .insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
            }
            response
        }
    }
}

async fn take(door: &Door, request: Request) -> Result<(), Refusal> {
    let origin = access::origin(&request);
    let (parts, sent) = request.into_parts();
    // The signature covers the body's length: it is read first, within its limit.
    let signer = find(door, &parts)?;
    let sent = body::read(&parts.headers, sent, door.receiver.inner.options.body_limit).await?;
    verify(signer, &parts, sent.len())?;
    let name = access::text(&parts.headers, "log-type").unwrap_or_default();
    let allowed = |character: char| character.is_ascii_alphanumeric() || character == '_';
    if name.is_empty() || name.len() > 100 || !name.chars().all(allowed) {
        let message = "the header Log-Type names the records: letters, digits and underscores, at most 100";
        return Err(Refusal::bad_body(
            if name.is_empty() { "MissingLogType" } else { "InvalidLogType" },
            message,
        ));
    }
    let plain = door.plain(&sent)?;
    let records: Vec<Value> = match serde_json::from_slice(&plain) {
        Ok(Value::Array(records)) => records,
        Ok(record @ Value::Object(_)) => vec![record],
        _ => {
            return Err(Refusal::bad_body(
                "InvalidDataFormat",
                "the body is a JSON object or an array of them",
            ));
        }
    };
    let records = with_time(records, access::text(&parts.headers, "time-generated-field"));
    let table = format!("{name}_CL");
    let objects: Vec<serde_json::Map<String, Value>> = match &records {
        Value::Array(records) => records.iter().filter_map(Value::as_object).cloned().collect(),
        _ => Vec::new(),
    };
    door.receiver.fit(&table, &objects).await?;
    let reading = Reading::Table {
        table,
        naming: Naming::Suffixed,
        door: "data-collector",
        through: None,
    };
    let receipt = door
        .receiver
        .take(reading, &signer.cluster, records.to_string().into(), origin)
        .await?;
    azure::accepted(receipt)
}

/// The member that holds the time, as the column it becomes.
fn with_time(mut records: Vec<Value>, member: Option<&str>) -> Value {
    if let Some(member) = member {
        for record in &mut records {
            if let Some(time) = record.get(member).cloned()
                && let Some(object) = record.as_object_mut()
            {
                object.insert(taffrail_schema::TIME.to_owned(), time);
            }
        }
    }
    Value::Array(records)
}

fn forbidden() -> Refusal {
    Refusal::forbidden("the request is not signed with the key of a workspace that is configured, or its date is not now")
}

/// `Authorization: SharedKey WORKSPACE:SIGNATURE`
fn find<'a>(door: &'a Door, parts: &Parts) -> Result<&'a SharedKey, Refusal> {
    let (workspace, _) = signature(parts).ok_or_else(forbidden)?;
    door.options
        .shared_keys
        .iter()
        .find(|known| known.workspace == workspace)
        .ok_or_else(forbidden)
}

fn signature(parts: &Parts) -> Option<(&str, Vec<u8>)> {
    let value = access::text(&parts.headers, "authorization")?.strip_prefix("SharedKey ")?;
    let (workspace, signature) = value.split_once(':')?;
    Some((workspace, STANDARD.decode(signature).ok()?))
}

fn verify(signer: &SharedKey, parts: &Parts, length: usize) -> Result<(), Refusal> {
    let (_, signature) = signature(parts).ok_or_else(forbidden)?;
    let date = access::text(&parts.headers, "x-ms-date").ok_or_else(forbidden)?;
    let sent = DateTime::parse_from_rfc2822(date).map_err(|_| forbidden())?;
    if (Utc::now() - sent.to_utc()).num_minutes().abs() > SKEW_MINUTES {
        return Err(forbidden());
    }
    let ty = parts
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|ty: &HeaderValue| ty.to_str().ok())
        .unwrap_or_default();
    let signed = format!("POST\n{length}\n{ty}\nx-ms-date:{date}\n/api/logs");
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &signer.key);
    aws_lc_rs::hmac::verify(&key, signed.as_bytes(), &signature).map_err(|_| forbidden())
}
