//! Graylog Extended Log Format (docs.graylog.org, "GELF"): JSON objects, over TCP each ended by a zero byte.

use serde_json::{Map, Value};

use super::{Body, Carried};
use crate::decode::{Sink, SourceError};
use crate::json;

pub(crate) fn decode(body: &[u8], sink: &mut Sink<'_>) -> Result<(), SourceError> {
    for frame in body.split(|byte| *byte == 0) {
        for record in json::records(frame) {
            match record {
                Ok(text) => message(text, sink)?,
                Err(error) => sink.carried_bad("not GELF", &error.message, frame.get(error.at..).unwrap_or_default()),
            }
        }
    }
    Ok(())
}

fn message(text: &str, sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let members: Map<String, Value> = match serde_json::from_str(text) {
        Ok(members) => members,
        Err(error) => {
            sink.carried_bad("not GELF", &error.to_string(), text.as_bytes());
            return Ok(());
        }
    };
    let of = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
    let short = of("short_message");
    if short.is_empty() {
        sink.carried_bad("not GELF", "short_message is missing or empty", text.as_bytes());
        return Ok(());
    }
    // The full message holds the short one.
    let whole_text = Some(of("full_message")).filter(|full| !full.is_empty()).unwrap_or(short);
    let time = members
        .get("timestamp")
        .and_then(|value| crate::time::parse_any(&json::plain(value)));
    let additional = |names: &[&str]| {
        let found = names.iter().find_map(|name| members.get(&format!("_{name}"))?.as_str());
        found.unwrap_or_default().to_owned()
    };
    let (cluster, named) = (additional(&["cluster", "k8s.cluster.name"]), additional(&["taffrail_source"]));
    sink.carried(&Carried {
        time,
        body: Body::Text(whole_text.into()),
        host: of("host"),
        cluster: &cluster,
        named: &named,
        place: super::place_of(additional),
        whole: Some(text),
        ..Carried::default()
    })
}
