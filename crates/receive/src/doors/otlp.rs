//! OTLP over HTTP (opentelemetry.io, "OTLP/HTTP"): `POST /v1/logs` and `POST /v1/metrics`, protobuf or JSON, answered in the encoding that
//! was sent, with partial success.

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use super::{Door, words};
use crate::access;
use crate::answer::{RETRY_AFTER, Receipt, Refusal};

const PROTOBUF: &str = "application/x-protobuf";

pub(super) fn routes() -> Router<Door> {
    Router::new()
        .route(
            "/v1/logs",
            post(async |State(door): State<Door>, request: Request| export(&door, "otlp-logs", request).await),
        )
        .route(
            "/v1/metrics",
            post(async |State(door): State<Door>, request: Request| export(&door, "otlp-metrics", request).await),
        )
}

async fn export(door: &Door, source: &'static str, request: Request) -> Response {
    let is_json = access::text(request.headers(), "content-type").is_some_and(|ty| ty.starts_with("application/json"));
    let result = match door.read(request, source, |_| None).await {
        // No records is a request like others, and a protobuf message without any has no bytes.
        Ok(sent) if sent.body.is_empty() && !is_json => return encoded(StatusCode::OK, PROTOBUF, Vec::new()),
        Ok(sent) => door.take(source, sent).await,
        Err(refusal) => Err(refusal),
    };
    match result {
        Ok(receipt) if receipt.rejected > 0 && !receipt.usable => refused(&Refusal::nothing_usable(receipt), is_json),
        Ok(receipt) if is_json => {
            let member = if source == "otlp-logs" {
                "rejectedLogRecords"
            } else {
                "rejectedDataPoints"
            };
            let partial = match receipt.rejected {
                0 => json!({}),
                count => json!({"partialSuccess": {member: count.to_string(), "errorMessage": words(&receipt)}}),
            };
            encoded(StatusCode::OK, "application/json", partial.to_string().into_bytes())
        }
        Ok(receipt) => encoded(StatusCode::OK, PROTOBUF, response(&receipt)),
        Err(refusal) => refused(&refusal, is_json),
    }
}

fn encoded(status: StatusCode, ty: &'static str, body: Vec<u8>) -> Response {
    (status, [(header::CONTENT_TYPE, ty)], body).into_response()
}

/// `partial_success = 1 { rejected = 1, error_message = 2 }`; nothing when all is well.
pub(super) fn response(receipt: &Receipt) -> Vec<u8> {
    if receipt.rejected == 0 {
        return Vec::new();
    }
    let mut inner = vec![0x08];
    varint(receipt.rejected, &mut inner);
    field(2, words(receipt).as_bytes(), &mut inner);
    let mut out = Vec::new();
    field(1, &inner, &mut out);
    out
}

/// `google.rpc.Status`: code = 1, message = 2.
fn refused(refusal: &Refusal, is_json: bool) -> Response {
    let number = grpc_code(refusal);
    let mut response = if is_json {
        let body = json!({"code": number, "message": refusal.message}).to_string();
        encoded(refusal.status, "application/json", body.into_bytes())
    } else {
        let mut body = vec![0x08];
        varint(number.into(), &mut body);
        field(2, refusal.message.as_bytes(), &mut body);
        encoded(refusal.status, PROTOBUF, body)
    };
    if refusal.is_temporary() {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
    }
    response
}

/// The code of gRPC for a refusal.
pub(super) fn grpc_code(refusal: &Refusal) -> u32 {
    match refusal.status {
        StatusCode::UNAUTHORIZED => 16,
        StatusCode::FORBIDDEN => 7,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => 14,
        StatusCode::PAYLOAD_TOO_LARGE => 8,
        StatusCode::INTERNAL_SERVER_ERROR => 13,
        _ => 3,
    }
}

fn varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn field(number: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(number << 3 | 2);
    varint(bytes.len() as u64, out);
    out.extend(bytes);
}
