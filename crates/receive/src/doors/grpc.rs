//! OTLP over gRPC, on the port of everything else (grpc.io, "gRPC over HTTP2"): one message in, one out, the status in the trailers. The
//! two unary calls need no more of gRPC than the frame around a message.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use http_body::Frame;
use http_body_util::StreamBody;

use super::{Door, otlp};
use crate::access;
use crate::answer::Refusal;

pub(super) fn routes() -> Router<Door> {
    let service = |signal: &str| {
        format!(
            "/opentelemetry.proto.collector.{signal}.v1.{}Service/Export",
            if signal == "logs" { "Logs" } else { "Metrics" }
        )
    };
    Router::new()
        .route(
            &service("logs"),
            post(async |State(door): State<Door>, request: Request| export(&door, "otlp-logs", request).await),
        )
        .route(
            &service("metrics"),
            post(async |State(door): State<Door>, request: Request| export(&door, "otlp-metrics", request).await),
        )
}

async fn export(door: &Door, source: &'static str, request: Request) -> Response {
    match call(door, source, request).await {
        Ok(message) => answer(Some(message), 0, ""),
        Err(refusal) => answer(None, otlp::grpc_code(&refusal), &refusal.message),
    }
}

async fn call(door: &Door, source: &'static str, request: Request) -> Result<Vec<u8>, Refusal> {
    let mut sent = door.read(request, source, |_| None).await?;
    let message = message(&sent.body)?;
    // Compressed or not is seen by its first bytes.
    if message.is_empty() {
        return Ok(Vec::new());
    }
    if let Some(encoding) =
        access::text(&sent.parts.headers, "grpc-encoding").filter(|encoding| !matches!(*encoding, "gzip" | "identity" | "zstd"))
    {
        return Err(Refusal::bad_body(
            "UnsupportedEncoding",
            format!("grpc-encoding {encoding} is not taken; send gzip or identity"),
        ));
    }
    sent.body = message;
    let receipt = door.take(source, sent).await?;
    if receipt.rejected > 0 && !receipt.usable {
        return Err(Refusal::nothing_usable(receipt));
    }
    Ok(otlp::response(&receipt))
}

/// The one message of a unary call: a byte that says whether it is compressed, four of its length, itself.
fn message(body: &Bytes) -> Result<Bytes, Refusal> {
    let head: Option<[u8; 4]> = body.get(1..5).and_then(|length| length.try_into().ok());
    let length = head.and_then(|length| usize::try_from(u32::from_be_bytes(length)).ok());
    match length {
        Some(length) if body.len() == length + 5 => Ok(body.slice(5..)),
        _ => Err(Refusal::bad_body("BadFrame", "the body is not one message of gRPC")),
    }
}

fn answer(message: Option<Vec<u8>>, code: u32, text: &str) -> Response {
    let mut trailers = HeaderMap::new();
    trailers.insert(HeaderName::from_static("grpc-status"), HeaderValue::from(code));
    if !text.is_empty() {
        // Messages are percent-encoded.
        let encoded = percent_encoding::utf8_percent_encode(text, percent_encoding::CONTROLS).to_string();
        if let Ok(value) = HeaderValue::from_str(&encoded.replace('%', "%25")) {
            trailers.insert(HeaderName::from_static("grpc-message"), value);
        }
    }
    let mut frames: Vec<Result<Frame<Bytes>, std::convert::Infallible>> = Vec::new();
    if let Some(message) = message {
        let mut frame = vec![0];
        frame.extend(u32::try_from(message.len()).unwrap_or(0).to_be_bytes());
        frame.extend(message);
        frames.push(Ok(Frame::data(frame.into())));
    }
    frames.push(Ok(Frame::trailers(trailers)));
    let mut response = Response::new(Body::new(StreamBody::new(stream::iter(frames))));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}
