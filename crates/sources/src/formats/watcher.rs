//! Elasticsearch Watcher's webhook action. Its body is a template of whoever wrote the watch; read is the watch's whole context
//! (`{{#toJson}}ctx{{/toJson}}`, bare or as member `ctx`), or any object that names the watch (elastic.co, "Webhook action").

use serde_json::{Map, Value};

use super::Format;
use super::alert::text;
use crate::decode::Refusal;
use crate::framing::{Envelope, Reader};
use crate::json;
use crate::tables::AlertRow;
use crate::time::parse_rfc3339;

pub(crate) const FORMAT: Format = Format {
    prefix: b"",
    members: &[b"watch_id", b"watchId", b"execution_time"],
    read,
};

pub(crate) const WRAPPED: Format = Format {
    prefix: br#"{"ctx":"#,
    members: &[b"ctx"],
    read,
};

fn read(reader: &mut Reader<'_, '_>, bytes: &[u8], at: usize, _: &Envelope) -> Result<usize, Refusal> {
    let (message, end) = json::read::<Map<String, Value>>(bytes, at).map_err(|error| Refusal::json("not a message of Watcher", error))?;
    let raw = reader.sink.record_text(bytes, at, end)?;
    let watch = message.get("ctx").and_then(Value::as_object).unwrap_or(&message);
    let id = match text(watch, "watch_id") {
        "" => text(watch, "watchId"),
        id => id,
    };
    if id.is_empty() {
        return Err(Refusal::new("not a message of Watcher", "it names no watch_id", end));
    }
    let triggered = watch
        .get("trigger")
        .and_then(|trigger| trigger.get("triggered_time"))
        .and_then(Value::as_str);
    let time = [Some(text(watch, "execution_time")), triggered, Some(text(watch, "timestamp"))]
        .into_iter()
        .flatten()
        .find_map(parse_rfc3339)
        .unwrap_or(reader.sink.received);
    let empty = Map::new();
    let metadata = watch.get("metadata").and_then(Value::as_object).unwrap_or(&empty);
    let named = [text(metadata, "name"), text(watch, "name"), id]
        .into_iter()
        .find(|name| !name.is_empty());
    let description = [text(metadata, "description"), text(watch, "message"), text(watch, "text")]
        .into_iter()
        .find(|text| !text.is_empty());
    // Hits are a number, or an object since version 7.
    let total = watch.get("payload").and_then(|payload| payload.pointer("/hits/total"));
    let total = total.map(|total| total.get("value").unwrap_or(total).to_string());
    let annotations = total.map(|total| format!("{{\"hits\":{total}}}"));
    let labels = (!metadata.is_empty()).then(|| Value::Object(metadata.clone()).to_string());
    // Each run that matched is one alert.
    let run = match text(watch, "id") {
        "" => format!("{id}@{time}"),
        run => run.to_owned(),
    };
    reader.row(|sink| {
        sink.alert(&AlertRow {
            time,
            provider: "Watcher",
            name: named.unwrap_or_default(),
            severity: [text(metadata, "severity"), text(watch, "severity")]
                .into_iter()
                .find(|severity| !severity.is_empty())
                .unwrap_or_default(),
            status: "firing",
            description: description.unwrap_or_default(),
            start: Some(time),
            fingerprint: &run,
            labels: labels.as_deref(),
            annotations: annotations.as_deref(),
            raw,
            ..AlertRow::default()
        })
    });
    reader.sink.accept();
    Ok(end)
}
