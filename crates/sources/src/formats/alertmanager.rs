//! Prometheus Alertmanager's webhook, version 4 (prometheus.io, "Configuration: webhook_config"), and the list of alerts that its API
//! takes and gives. One row an alert.

use serde_json::{Map, Value};

use super::Format;
use super::alert::{self, Group, text};
use crate::decode::Refusal;
use crate::framing::{Envelope, Reader};
use crate::json;

pub(crate) const FORMAT: Format = Format {
    prefix: b"",
    members: &[b"alerts", b"startsAt"],
    read,
};

fn read(reader: &mut Reader<'_, '_>, bytes: &[u8], at: usize, _: &Envelope) -> Result<usize, Refusal> {
    read_group(reader, bytes, at, "Prometheus")
}

/// A message with `alerts`, or an alert alone.
pub(super) fn read_group(reader: &mut Reader<'_, '_>, bytes: &[u8], at: usize, provider: &str) -> Result<usize, Refusal> {
    let (message, end) = json::read::<Map<String, Value>>(bytes, at).map_err(|error| Refusal::json("not an alert message", error))?;
    reader.sink.record_text(bytes, at, end)?;
    let group = Group {
        provider,
        receiver: text(&message, "receiver"),
        key: text(&message, "groupKey"),
        external_url: text(&message, "externalURL"),
    };
    let Some(alerts) = message.get("alerts") else {
        return one(reader, &message, &group, end);
    };
    let Some(alerts) = alerts.as_array() else {
        return Err(Refusal::new("not an alert message", "alerts is no list", end));
    };
    for item in alerts {
        match item.as_object() {
            Some(item) => {
                // A bad alert does not spoil its neighbours.
                if let Err(refusal) = one(reader, item, &group, end) {
                    let raw = Value::Object(item.clone()).to_string();
                    reader.sink.reject(&refusal.reason, &refusal.detail, raw.as_bytes());
                }
            }
            None => reader
                .sink
                .reject("not an alert", "an item of alerts is no object", item.to_string().as_bytes()),
        }
    }
    if let Some(cut) = message.get("truncatedAlerts").and_then(Value::as_u64).filter(|cut| *cut > 0) {
        let detail = format!("Alertmanager left {cut} alerts out of this message (max_alerts)");
        reader.sink.reject("left out by the sender", &detail, b"");
    }
    Ok(end)
}

fn one(reader: &mut Reader<'_, '_>, item: &Map<String, Value>, group: &Group<'_>, end: usize) -> Result<usize, Refusal> {
    match alert::add(item, group, reader.sink) {
        Ok(Ok(())) => reader.sink.accept(),
        Ok(Err(detail)) => return Err(Refusal::new("no timestamp", detail, end)),
        Err(error) => reader.fault(error),
    }
    Ok(end)
}
