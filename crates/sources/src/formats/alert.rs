//! Alerts of monitoring systems: what Alertmanager and Grafana have in common (labels, annotations, when it fires and ends).

use serde_json::{Map, Value};

use crate::decode::{Sink, SourceError};
use crate::json;
use crate::tables::AlertRow;
use crate::time::parse_rfc3339;

/// What the message around an alert says.
#[derive(Debug, Default)]
pub(crate) struct Group<'a> {
    pub(crate) provider: &'a str,
    pub(crate) receiver: &'a str,
    pub(crate) key: &'a str,
    pub(crate) external_url: &'a str,
}

/// Text of a member; empty when it is missing or no text.
pub(crate) fn text<'v>(object: &'v Map<String, Value>, name: &str) -> &'v str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A time that is not the "not yet" of Go's programs, which is the first second of year 1.
pub(crate) fn known_time(text: &str) -> Option<i64> {
    parse_rfc3339(text).filter(|time| *time > 0)
}

/// Adds the row of an item of `alerts`. Why it cannot, otherwise.
pub(crate) fn add(alert: &Map<String, Value>, group: &Group<'_>, sink: &mut Sink<'_>) -> Result<Result<(), String>, SourceError> {
    let empty = Map::new();
    let labels = alert.get("labels").and_then(Value::as_object).unwrap_or(&empty);
    let annotations = alert.get("annotations").and_then(Value::as_object).unwrap_or(&empty);
    let Some(start) = known_time(text(alert, "startsAt")) else {
        return Ok(Err(format!(
            "startsAt is {:?}; it must be an RFC 3339 time",
            text(alert, "startsAt")
        )));
    };
    let end = known_time(text(alert, "endsAt"));
    let status = text(alert, "status");
    let first = |names: &[&str], of: &Map<String, Value>| {
        let found = names.iter().map(|name| of.get(*name).map(json::plain).unwrap_or_default());
        found.into_iter().find(|text| !text.is_empty()).unwrap_or_default().into_owned()
    };
    let description = first(&["summary", "description", "message"], annotations);
    let severity = first(&["severity", "priority", "level"], labels);
    let computer = first(&["node", "instance", "host"], labels);
    let labels_json = Value::Object(labels.clone()).to_string();
    let annotations_json = Value::Object(annotations.clone()).to_string();
    let raw = Value::Object(alert.clone()).to_string();
    sink.alert(&AlertRow {
        // A resolved alert is an event of its end.
        time: if status == "resolved" { end.unwrap_or(start) } else { start },
        cluster: text(labels, "cluster"),
        provider: group.provider,
        name: text(labels, "alertname"),
        severity: &severity,
        status,
        description: &description,
        start: Some(start),
        end: end.filter(|_| status == "resolved"),
        fingerprint: text(alert, "fingerprint"),
        namespace: text(labels, "namespace"),
        pod: text(labels, "pod"),
        computer: &computer,
        receiver: group.receiver,
        group_key: group.key,
        labels: Some(&labels_json),
        annotations: Some(&annotations_json),
        generator_url: text(alert, "generatorURL"),
        external_url: group.external_url,
        raw: &raw,
    })?;
    Ok(Ok(()))
}
