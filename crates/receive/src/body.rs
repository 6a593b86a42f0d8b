//! The HTTP side of a body: what its headers may say, and reading it within a limit.
//!
//! What a body is compressed with is read off its first bytes, whatever the headers say: senders behind proxies that
//! decompress, or that compress without saying so, are common.

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, header};
use taffrail_sources::DecompressLimits;

use crate::ReceiverOptions;
use crate::answer::Refusal;

/// Content types that logs come as.
const TYPES: [&str; 16] = [
    "application/json",
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/json-lines",
    "application/x-json-stream",
    "application/stream+json",
    "application/gzip",
    "application/x-gzip",
    "application/zstd",
    "application/octet-stream",
    "text/plain",
    "application/openmetrics-text",
    "application/vnd.fdo.journal",
    "application/x-protobuf",
    "application/cloudevents+json",
];

/// Snappy belongs to remote write, whose decoder undoes it.
const ENCODINGS: [&str; 6] = ["identity", "gzip", "x-gzip", "zstd", "snappy", "none"];

pub(crate) fn decompress_limits(options: &ReceiverOptions) -> DecompressLimits {
    DecompressLimits {
        output: options.decompressed_limit as u64,
        ..DecompressLimits::default()
    }
}

/// Refuses what is certainly no log.
pub(crate) fn check_headers(headers: &HeaderMap) -> Result<(), Refusal> {
    if let Some(value) = headers.get(header::CONTENT_TYPE) {
        let text = value.to_str().unwrap_or_default();
        let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if !TYPES.contains(&essence.as_str()) {
            let hint = if essence == "application/x-www-form-urlencoded" {
                " (curl sends this unless told otherwise: add -H 'Content-Type: application/json')"
            } else {
                ""
            };
            let message = format!("content type {text:?} is not taken{hint}; send application/json, application/x-ndjson or text/plain");
            return Err(Refusal::unsupported("UnsupportedContentType", message));
        }
    }
    check_encoding(headers)
}

/// Refuses what is compressed in a way that is not known.
pub(crate) fn check_encoding(headers: &HeaderMap) -> Result<(), Refusal> {
    for value in headers.get_all(header::CONTENT_ENCODING) {
        let text = value.to_str().unwrap_or_default();
        for encoding in text.split(',').map(|encoding| encoding.trim().to_ascii_lowercase()) {
            if !ENCODINGS.contains(&encoding.as_str()) {
                let message = format!("content encoding {encoding:?} is not taken; send gzip, zstd or identity");
                return Err(Refusal::unsupported("UnsupportedContentEncoding", message));
            }
        }
    }
    Ok(())
}

/// The whole body.
pub(crate) async fn read(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, Refusal> {
    let too_large = || Refusal::too_large(format!("the body is larger than {limit} bytes; send smaller batches"));
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    axum::body::to_bytes(body, limit).await.map_err(|error| {
        if is_length_limit(&error) {
            too_large()
        } else {
            Refusal::bad_body("BrokenBody", format!("the body could not be read to its end: {error}"))
        }
    })
}

fn is_length_limit(error: &axum::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(current) = cause {
        if current.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        cause = current.source();
    }
    false
}
