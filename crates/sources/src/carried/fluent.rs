//! Fluentd's forward protocol, version 1 (github.com/fluent/fluentd, "Forward Protocol Specification v1"): messages of a tag and entries,
//! in its modes Message, Forward, PackedForward and CompressedPackedForward.

use std::borrow::Cow;

use serde_json::{Map, Value as Json};

use super::{Body, Carried};
use crate::compression::{DecompressLimits, decompress};
use crate::decode::{Sink, SourceError};
use crate::msgpack::{self, Stop, Value};

/// A message of a connection, as far as its receiver has to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FluentMessage {
    /// Bytes it takes
    pub length: usize,
    /// What the sender wants to hear back once its entries are durable
    pub chunk: Option<Vec<u8>>,
}

/// The message at the front of what has arrived; `None` while it is not whole.
///
/// # Errors
/// When the bytes are no message: nothing behind them can be read either.
pub fn fluent_message(bytes: &[u8]) -> Result<Option<FluentMessage>, Stop> {
    match msgpack::read(bytes) {
        Ok((value, rest)) => {
            let chunk = option_of(&value).and_then(|option| option.get("chunk")).and_then(Value::bytes);
            Ok(Some(FluentMessage {
                length: bytes.len() - rest.len(),
                chunk: chunk.map(<[u8]>::to_vec),
            }))
        }
        Err(Stop::Incomplete) => Ok(None),
        Err(Stop::Invalid) => Err(Stop::Invalid),
    }
}

fn option_of<'v, 'a>(message: &'v Value<'a>) -> Option<&'v Value<'a>> {
    let Value::Array(parts) = message else { return None };
    parts
        .iter()
        .skip(2)
        .find(|part| matches!(part, Value::Map(_)) && (part.get("chunk").is_some() || part.get("compressed").is_some()))
}

pub(crate) fn decode(body: &[u8], sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let mut rest = body;
    while !rest.is_empty() {
        match msgpack::read(rest) {
            Ok((value, behind)) => {
                let raw = rest.get(..rest.len() - behind.len()).unwrap_or_default();
                message(&value, raw, sink)?;
                rest = behind;
            }
            Err(stop) => {
                sink.carried_bad("not a forward message", &stop.to_string(), rest);
                break;
            }
        }
    }
    Ok(())
}

fn message(value: &Value<'_>, raw: &[u8], sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let Value::Array(parts) = value else {
        sink.carried_bad("not a forward message", "a message is an array", raw);
        return Ok(());
    };
    let tag = parts
        .first()
        .and_then(Value::bytes)
        .map(String::from_utf8_lossy)
        .unwrap_or_default();
    match (parts.get(1), parts.get(2)) {
        (Some(Value::Array(entries)), _) => {
            for one in entries {
                match one {
                    Value::Array(pair) => entry(&tag, pair.first(), pair.get(1), raw, sink)?,
                    _ => sink.carried_bad("not a forward entry", "an entry is [time, record]", raw),
                }
            }
        }
        (Some(packed @ (Value::Text(_) | Value::Bytes(_))), option) => {
            let bytes = packed.bytes().unwrap_or_default();
            let compressed = option.and_then(|option| option.get("compressed")).and_then(Value::bytes);
            let entries = match compressed {
                None | Some(b"text") => Cow::Borrowed(bytes),
                Some(b"gzip" | b"zstd") => match decompress(bytes, &DecompressLimits::default()) {
                    Ok(entries) => entries,
                    Err(error) => {
                        sink.carried_bad("not a forward message", &error.to_string(), raw);
                        return Ok(());
                    }
                },
                Some(other) => {
                    let detail = format!("compressed with {:?}; only gzip is known", String::from_utf8_lossy(other));
                    sink.carried_bad("not a forward message", &detail, raw);
                    return Ok(());
                }
            };
            let mut rest: &[u8] = &entries;
            while !rest.is_empty() {
                match msgpack::read(rest) {
                    Ok((Value::Array(pair), behind)) => {
                        entry(&tag, pair.first(), pair.get(1), raw, sink)?;
                        rest = behind;
                    }
                    Ok((_, behind)) => {
                        sink.carried_bad("not a forward entry", "an entry is [time, record]", rest);
                        rest = behind;
                    }
                    Err(stop) => {
                        sink.carried_bad("not a forward entry", &stop.to_string(), rest);
                        break;
                    }
                }
            }
        }
        (time, record @ Some(_)) => entry(&tag, time, record, raw, sink)?,
        _ => sink.carried_bad("not a forward message", "it has neither entries nor a time and a record", raw),
    }
    Ok(())
}

/// Seconds since 1970, or EventTime: extension 0 of seconds and nanoseconds.
fn time_of(value: Option<&Value<'_>>) -> Option<i64> {
    match value? {
        Value::Int(seconds) => seconds.checked_mul(1_000_000),
        Value::Float(seconds) => crate::time::epoch(*seconds),
        Value::Extension(0, bytes) => {
            let number = |range: std::ops::Range<usize>| -> Option<i64> {
                let part: [u8; 4] = bytes.get(range)?.try_into().ok()?;
                Some(i64::from(u32::from_be_bytes(part)))
            };
            Some(number(0..4)? * 1_000_000 + number(4..8)? / 1_000)
        }
        // Fluent Bit 2 sends [time, metadata].
        Value::Array(parts) => match parts.first() {
            Some(Value::Array(_)) => None,
            first => time_of(first),
        },
        _ => None,
    }
}

fn entry(tag: &str, time: Option<&Value<'_>>, record: Option<&Value<'_>>, raw: &[u8], sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let Some(record @ Value::Map(_)) = record else {
        sink.carried_bad("not a forward entry", "a record is a map", raw);
        return Ok(());
    };
    let Json::Object(members) = record.to_json() else { return Ok(()) };
    let of = |names: &[&str]| {
        names
            .iter()
            .find_map(|name| members.get(*name)?.as_str())
            .unwrap_or_default()
            .to_owned()
    };
    let (host, cluster) = (of(&["host", "hostname"]), of(&["cluster", "cluster_name"]));
    let time = time_of(time);
    let with_time = with_time(&members, time);
    let labels = [("tag".to_owned(), Json::from(tag))];
    sink.carried(&Carried {
        time,
        body: Body::Object(Json::Object(with_time).to_string().into()),
        host: &host,
        cluster: &cluster,
        named: tag.strip_prefix("taffrail.").unwrap_or(tag),
        labels: &labels,
        ..Carried::default()
    })
}

/// The record of a container's line with the time of its entry, which such records do not repeat.
fn with_time(members: &Map<String, Json>, time: Option<i64>) -> Map<String, Json> {
    let mut all = members.clone();
    let stated = ["time", "@timestamp", "timestamp", "date"]
        .iter()
        .any(|name| members.contains_key(*name));
    if !stated
        && (members.contains_key("log") || members.contains_key("kubernetes"))
        && let Some(time) = time.and_then(super::rfc3339)
    {
        all.insert("time".to_owned(), time.into());
    }
    all
}
