//! Splunk's HTTP Event Collector (docs.splunk.com, "Format events for HTTP Event Collector"): JSON objects one after the other, each with
//! an `event` and what is said about it.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Body, Carried};
use crate::decode::{Sink, SourceError};
use crate::json::{self, Text};
use crate::klog::number_or_text_time;

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, default)]
    event: Option<&'a RawValue>,
    #[serde(borrow, default)]
    time: Option<&'a RawValue>,
    #[serde(default)]
    host: Option<String>,
    #[serde(default)]
    sourcetype: Option<String>,
    #[serde(default)]
    fields: Option<serde_json::Map<String, Value>>,
}

/// Reasons a record is refused for; the receiver answers with Splunk's codes for them.
pub const EVENT_REQUIRED: &str = "event field is required";
/// See [`EVENT_REQUIRED`].
pub const EVENT_BLANK: &str = "event field cannot be blank";

pub(crate) fn decode(body: &[u8], sink: &mut Sink<'_>) -> Result<(), SourceError> {
    for record in json::records(body) {
        match record {
            Ok(text) => event(text, sink)?,
            Err(error) => sink.carried_bad("invalid data format", &error.message, body.get(error.at..).unwrap_or_default()),
        }
    }
    Ok(())
}

fn event(text: &str, sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let event: Event<'_> = match serde_json::from_str(text) {
        Ok(event) => event,
        Err(error) => {
            sink.carried_bad("invalid data format", &error.to_string(), text.as_bytes());
            return Ok(());
        }
    };
    let Some(inner) = event.event.map(RawValue::get).filter(|raw| *raw != "null") else {
        sink.carried_bad(EVENT_REQUIRED, "there is no event in it", text.as_bytes());
        return Ok(());
    };
    let body = if inner.starts_with('{') {
        Body::Object(inner.into())
    } else {
        let text: String = serde_json::from_str::<Text<'_>>(inner).map_or_else(|_| inner.to_owned(), |text| text.0.into_owned());
        Body::Text(text.into())
    };
    if matches!(&body, Body::Text(text) if text.trim().is_empty()) {
        sink.carried_bad(EVENT_BLANK, "the event is an empty text", text.as_bytes());
        return Ok(());
    }
    // Numbers come as text, too.
    let time = event
        .time
        .and_then(|raw| number_or_text_time(raw.get()).or_else(|| number_or_text_time(raw.get().trim_matches('"'))));
    let fields = event.fields.unwrap_or_default();
    let field = |names: &[&str]| {
        names
            .iter()
            .find_map(|name| fields.get(*name)?.as_str())
            .unwrap_or_default()
            .to_owned()
    };
    let cluster = field(&["k8s.cluster.name", "cluster", "cluster_name"]);
    sink.carried(&Carried {
        time,
        body,
        host: event.host.as_deref().unwrap_or_default(),
        cluster: &cluster,
        named: event.sourcetype.as_deref().unwrap_or_default(),
        place: super::place_of(field),
        whole: Some(text),
        ..Carried::default()
    })
}
