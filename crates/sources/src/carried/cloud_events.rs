//! CloudEvents 1.0 in JSON (cloudevents.io, "JSON Event Format"): an event, or an array of them. An event in HTTP's binary mode is made
//! one of these by the receiver.

use base64::Engine;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Body, Carried};
use crate::decode::{Sink, SourceError};
use crate::json::{self, Text};

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(default)]
    specversion: String,
    #[serde(default)]
    source: String,
    #[serde(default, rename = "type")]
    ty: String,
    #[serde(default)]
    time: Option<String>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    data_base64: Option<String>,
    #[serde(default)]
    taffrailsource: Option<String>,
}

pub(crate) fn decode(body: &[u8], sink: &mut Sink<'_>) -> Result<(), SourceError> {
    for record in json::records(body) {
        match record {
            Ok(text) => event(text, sink)?,
            Err(error) => sink.carried_bad("not a CloudEvent", &error.message, body.get(error.at..).unwrap_or_default()),
        }
    }
    Ok(())
}

fn event(text: &str, sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let event: Event<'_> = match serde_json::from_str(text) {
        Ok(event) => event,
        Err(error) => {
            sink.carried_bad("not a CloudEvent", &error.to_string(), text.as_bytes());
            return Ok(());
        }
    };
    if !event.specversion.starts_with('1') || event.source.is_empty() || event.ty.is_empty() {
        sink.carried_bad(
            "not a CloudEvent",
            "specversion (1.0), source and type are required",
            text.as_bytes(),
        );
        return Ok(());
    }
    let inner = event.data.map(RawValue::get).filter(|raw| *raw != "null");
    let body = match (inner, &event.data_base64) {
        (Some(raw), _) if raw.starts_with('"') => {
            Body::Text(serde_json::from_str::<Text<'_>>(raw).map_or_else(|_| raw.into(), |text| text.0))
        }
        (Some(raw), _) if raw.starts_with('{') => Body::Object(raw.into()),
        (Some(raw), _) => Body::Text(raw.into()),
        (None, Some(base64)) => match base64::engine::general_purpose::STANDARD.decode(base64) {
            Ok(bytes) => Body::Text(String::from_utf8_lossy(&bytes).into_owned().into()),
            Err(error) => {
                sink.carried_bad("not a CloudEvent", &format!("data_base64 is no base64: {error}"), text.as_bytes());
                return Ok(());
            }
        },
        // An event that says only that it happened.
        (None, None) => Body::Object(text.into()),
    };
    sink.carried(&Carried {
        time: event.time.as_deref().and_then(crate::time::parse_rfc3339),
        body,
        named: event.taffrailsource.as_deref().unwrap_or_default(),
        whole: Some(text),
        ..Carried::default()
    })
}
