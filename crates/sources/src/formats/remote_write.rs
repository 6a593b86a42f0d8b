//! Prometheus remote write 1.0 and 2.0: a protobuf message in Snappy's block format (prometheus.io, "Prometheus Remote-Write
//! Specification"). Rows of InsightsMetrics, one a sample; of a native histogram, its count and its sum.
//!
//! The versions are told apart by their fields: 1.0 has series in field 1, 2.0 symbols in field 4 and series in field 5.

use super::exposition;
use crate::decode::{Sink, SourceError};
use crate::protobuf::{Fields, NotAMessage, Wire, varint};

/// A message is at most this long when decompressed. Prometheus' default is 2,000 samples, less than 1 MiB.
const MESSAGE_LIMIT: usize = 128 << 20;

/// A value of a series that ended: not a measurement.
const STALE: u64 = 0x7ff0_0000_0000_0002;

pub(crate) fn decode(body: &[u8], sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let decompressed;
    let message = match decompress(body) {
        Ok(message) => {
            decompressed = message;
            decompressed.as_slice()
        }
        Err(detail) => {
            sink.reject("not a remote write request", &detail, body);
            return Ok(());
        }
    };
    match read(message, sink) {
        Ok(result) => result,
        Err(NotAMessage) => {
            sink.reject("not a remote write request", "the protobuf message ends too early or is none", body);
            Ok(())
        }
    }
}

pub(crate) fn decompress(body: &[u8]) -> Result<Vec<u8>, String> {
    let length = snap::raw::decompress_len(body).map_err(|error| format!("the body is not in Snappy's block format: {error}"))?;
    // Snappy copies at most 64 bytes for three.
    if length > MESSAGE_LIMIT || length / 32 > body.len() {
        return Err(format!("the body decompresses to {length} bytes, which is more than it may"));
    }
    snap::raw::Decoder::new()
        .decompress_vec(body)
        .map_err(|error| format!("the body is not in Snappy's block format: {error}"))
}

/// Whether a body begins as a request does: for recognition.
pub(crate) fn is_request(body: &[u8]) -> bool {
    let Ok(message) = decompress(body) else { return false };
    let mut known = 0;
    for field in Fields::new(&message).take(64) {
        match field {
            Ok((1 | 3 | 4 | 5, Wire::Bytes(_))) => known += 1,
            _ => return false,
        }
    }
    known > 0
}

fn read(message: &[u8], sink: &mut Sink<'_>) -> Result<Result<(), SourceError>, NotAMessage> {
    // All symbols come before they are used only by habit.
    let mut symbols: Vec<&str> = Vec::new();
    for field in Fields::new(message) {
        if let (4, Wire::Bytes(symbol)) = field? {
            symbols.push(std::str::from_utf8(symbol).unwrap_or_default());
        }
    }
    for field in Fields::new(message) {
        let added = match field? {
            (1, Wire::Bytes(series)) => series_one(series, sink),
            (5, Wire::Bytes(series)) => series_two(series, &symbols, sink),
            _ => continue,
        };
        match added {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Ok(Err(error)),
            // The others may be whole.
            Err(detail) => sink.reject("not a time series", detail, message.get(..0).unwrap_or_default()),
        }
    }
    Ok(Ok(()))
}

type Added = Result<Result<(), SourceError>, &'static str>;

/// `labels=1 {name=1, value=2}, samples=2, exemplars=3, histograms=4`
fn series_one(series: &[u8], sink: &mut Sink<'_>) -> Added {
    let mut labels: Vec<(&str, &str)> = Vec::new();
    let mut values: Vec<(u64, &[u8])> = Vec::new();
    for field in Fields::new(series) {
        match field.map_err(|_| "its bytes are no message")? {
            (1, Wire::Bytes(label)) => {
                let (mut name, mut value) = ("", "");
                for field in Fields::new(label) {
                    match field.map_err(|_| "a label's bytes are no message")? {
                        (1, Wire::Bytes(text)) => name = std::str::from_utf8(text).map_err(|_| "a label is not UTF-8")?,
                        (2, Wire::Bytes(text)) => value = std::str::from_utf8(text).map_err(|_| "a label is not UTF-8")?,
                        _ => {}
                    }
                }
                labels.push((name, value));
            }
            (2, Wire::Bytes(sample)) => values.push((2, sample)),
            (4, Wire::Bytes(histogram)) => values.push((3, histogram)),
            _ => {}
        }
    }
    rows(&labels, &values, sink)
}

/// `labels_refs=1 (packed, name and value by turns), samples=2, histograms=3, exemplars=4, metadata=5`
fn series_two(series: &[u8], symbols: &[&str], sink: &mut Sink<'_>) -> Added {
    let mut references: Vec<u64> = Vec::new();
    let mut values: Vec<(u64, &[u8])> = Vec::new();
    for field in Fields::new(series) {
        match field.map_err(|_| "its bytes are no message")? {
            (1, Wire::Bytes(mut packed)) => {
                while !packed.is_empty() {
                    references.push(varint(&mut packed).ok_or("its label references are no numbers")?);
                }
            }
            (1, Wire::Number(reference)) => references.push(reference),
            (number @ (2 | 3), Wire::Bytes(value)) => values.push((number, value)),
            _ => {}
        }
    }
    let symbol = |reference: &u64| usize::try_from(*reference).ok().and_then(|index| symbols.get(index)).copied();
    let mut labels = Vec::with_capacity(references.len() / 2);
    for pair in references.chunks(2) {
        let [name, value] = pair else {
            return Err("a label has a name and no value");
        };
        labels.push((
            symbol(name).ok_or("a label refers to a symbol that is not there")?,
            symbol(value).ok_or("a label refers to a symbol that is not there")?,
        ));
    }
    rows(&labels, &values, sink)
}

/// Adds a row a sample (`value=1, timestamp=2`) and two a histogram (`count=1 or 2, sum=3, timestamp=15`).
fn rows(labels: &[(&str, &str)], values: &[(u64, &[u8])], sink: &mut Sink<'_>) -> Added {
    let name = labels.iter().find(|(name, _)| *name == "__name__").map_or("", |(_, value)| value);
    let tags = exposition::tags(labels.iter().copied().filter(|(name, _)| *name != "__name__"));
    for (kind, bytes) in values {
        let (mut value, mut sum, mut timestamp) = (0.0, None, None);
        for field in Fields::new(bytes) {
            match (kind, field.map_err(|_| "a sample's bytes are no message")?) {
                (2, (1, wire)) => value = wire.double().ok_or("a sample's value is no double")?,
                (2, (2, wire)) | (3, (15, wire)) => timestamp = wire.signed(),
                (3, (1, wire)) => value = wire.signed().map_or(value, |count| count as f64),
                (3, (2, wire)) => value = wire.double().unwrap_or(value),
                (3, (3, wire)) => sum = wire.double(),
                _ => {}
            }
        }
        // Zero is not written.
        let time = timestamp.unwrap_or(0).saturating_mul(1000);
        let samples = match kind {
            3 => vec![(format!("{name}_count"), value), (format!("{name}_sum"), sum.unwrap_or(0.0))],
            _ => vec![(name.to_owned(), value)],
        };
        for (name, value) in samples {
            if value.to_bits() == STALE {
                continue;
            }
            let added = exposition::add(&name, labels, &tags, value, time, "remote-write", sink);
            if added.is_err() {
                return Ok(added);
            }
        }
    }
    sink.accept();
    Ok(Ok(()))
}
