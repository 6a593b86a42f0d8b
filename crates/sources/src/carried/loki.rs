//! Loki's push API (grafana.com, "Loki HTTP API", `POST /loki/api/v1/push`): streams of labels with entries, as JSON, or as protobuf in
//! Snappy's block format as Promtail, Alloy and Fluent Bit send it.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Body, Carried, place_of};
use crate::decode::{Sink, SourceError};
use crate::formats::{exposition, remote_write};
use crate::json::Text;
use crate::protobuf::{Fields, NotAMessage, Wire};

#[derive(Deserialize)]
struct Push<'a> {
    #[serde(borrow)]
    streams: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Stream<'a> {
    stream: serde_json::Map<String, Value>,
    #[serde(borrow)]
    values: Vec<&'a RawValue>,
}

pub(crate) fn decode(body: &[u8], sink: &mut Sink<'_>) -> Result<(), SourceError> {
    if body.trim_ascii_start().starts_with(b"{") {
        return decode_json(body, sink);
    }
    let message = match remote_write::decompress(body) {
        Ok(message) => message,
        Err(detail) => {
            sink.carried_bad("not a Loki push", &detail, body);
            return Ok(());
        }
    };
    for field in Fields::new(&message) {
        match field {
            Ok((1, Wire::Bytes(stream))) => match read_stream(stream) {
                Ok((labels, entries)) => {
                    for entry in entries {
                        line(&labels, entry.0, &entry.1, &entry.2, sink)?;
                    }
                }
                Err(NotAMessage) => sink.carried_bad("not a Loki stream", "its bytes are no message", stream),
            },
            Ok(_) => {}
            Err(NotAMessage) => sink.carried_bad("not a Loki push", "the protobuf message ends too early or is none", body),
        }
    }
    Ok(())
}

type Entry = (Option<i64>, String, Vec<(String, Value)>);

/// `labels=1, entries=2 {timestamp=1 {seconds=1, nanos=2}, line=2, structuredMetadata=3 {name=1, value=2}}`
fn read_stream(stream: &[u8]) -> Result<(Vec<(String, Value)>, Vec<Entry>), NotAMessage> {
    let (mut labels, mut entries) = (Vec::new(), Vec::new());
    for field in Fields::new(stream) {
        match field? {
            (1, Wire::Bytes(text)) => labels = labels_of(&String::from_utf8_lossy(text)),
            (2, Wire::Bytes(entry)) => entries.push(read_entry(entry)?),
            _ => {}
        }
    }
    Ok((labels, entries))
}

fn read_entry(entry: &[u8]) -> Result<Entry, NotAMessage> {
    let (mut time, mut text, mut metadata) = (None, String::new(), Vec::new());
    for field in Fields::new(entry) {
        match field? {
            (1, Wire::Bytes(timestamp)) => {
                let (mut seconds, mut nanos) = (0_i64, 0_i64);
                for field in Fields::new(timestamp) {
                    match field? {
                        (1, wire) => seconds = wire.signed().unwrap_or(0),
                        (2, wire) => nanos = wire.signed().unwrap_or(0),
                        _ => {}
                    }
                }
                time = seconds.checked_mul(1_000_000).and_then(|time| time.checked_add(nanos / 1_000));
            }
            (2, Wire::Bytes(line)) => text = String::from_utf8_lossy(line).into_owned(),
            (3, Wire::Bytes(pair)) => {
                let (mut name, mut value) = (String::new(), String::new());
                for field in Fields::new(pair) {
                    match field? {
                        (1, Wire::Bytes(text)) => name = String::from_utf8_lossy(text).into_owned(),
                        (2, Wire::Bytes(text)) => value = String::from_utf8_lossy(text).into_owned(),
                        _ => {}
                    }
                }
                metadata.push((name, Value::String(value)));
            }
            _ => {}
        }
    }
    Ok((time, text, metadata))
}

/// `{name="value", ...}`
fn labels_of(text: &str) -> Vec<(String, Value)> {
    let mut labels = Vec::new();
    let inner = text.trim().strip_prefix('{').unwrap_or_default();
    // Labels before one that cannot be read are kept.
    let _ = exposition::parse_labels(inner, &mut labels);
    labels
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Value::String(value)))
        .collect()
}

fn decode_json(body: &[u8], sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let push: Push<'_> = match serde_json::from_slice(body) {
        Ok(push) => push,
        Err(error) => {
            sink.carried_bad("not a Loki push", &error.to_string(), body);
            return Ok(());
        }
    };
    for raw in push.streams {
        let stream: Stream<'_> = match serde_json::from_str(raw.get()) {
            Ok(stream) => stream,
            Err(error) => {
                sink.carried_bad("not a Loki stream", &error.to_string(), raw.get().as_bytes());
                continue;
            }
        };
        let labels: Vec<(String, Value)> = stream.stream.into_iter().collect();
        for value in stream.values {
            // [time, line] or [time, line, metadata]; older senders: {"ts","line"}.
            let parts: Result<Vec<&RawValue>, _> = serde_json::from_str(value.get());
            let part = |index: usize| parts.as_ref().ok().and_then(|parts| parts.get(index)).map(|raw| raw.get());
            let time = part(0).map(|raw| raw.trim_matches('"')).and_then(|text| text.parse::<i64>().ok());
            let text = part(1).and_then(|raw| serde_json::from_str::<Text<'_>>(raw).ok());
            let (Some(time), Some(text)) = (time, text) else {
                sink.carried_bad(
                    "not a Loki entry",
                    "an entry is [\"nanoseconds\", \"line\"]",
                    value.get().as_bytes(),
                );
                continue;
            };
            let metadata: serde_json::Map<String, Value> = part(2).and_then(|raw| serde_json::from_str(raw).ok()).unwrap_or_default();
            line(&labels, Some(time / 1_000), &text, &metadata.into_iter().collect::<Vec<_>>(), sink)?;
        }
    }
    Ok(())
}

fn line(
    labels: &[(String, Value)],
    time: Option<i64>,
    text: &str,
    metadata: &[(String, Value)],
    sink: &mut Sink<'_>,
) -> Result<(), SourceError> {
    let all: Vec<(String, Value)> = labels.iter().chain(metadata).cloned().collect();
    let label = |names: &[&str]| {
        let of = |name: &&str| all.iter().find(|(known, _)| known == name).and_then(|(_, value)| value.as_str());
        names.iter().find_map(of).unwrap_or_default().to_owned()
    };
    let (host, cluster, named, stream) = (
        label(&["hostname", "host", "instance", "nodename", "node"]),
        label(&["cluster", "k8s.cluster.name"]),
        label(&["taffrail_source"]),
        label(&["stream"]),
    );
    sink.carried(&Carried {
        time,
        body: Body::Text(text.into()),
        host: &host,
        cluster: &cluster,
        named: &named,
        place: place_of(label),
        stream: &stream,
        labels: &all,
        whole: None,
    })
}
