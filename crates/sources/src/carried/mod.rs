//! Records inside the protocols of shippers: Loki, OTLP, Elasticsearch, Splunk, Fluentd, Graylog, CloudEvents. A protocol says when, from
//! where and with which labels; what the record itself is, is read off its content, so that an audit event is one whoever brings it.
//!
//! What is of no known form is a row of CustomLog_CL with everything the protocol said.

pub(crate) mod bulk;
pub(crate) mod cloud_events;
pub(crate) mod fluent;
pub(crate) mod gelf;
pub(crate) mod hec;
pub(crate) mod loki;
pub(crate) mod otlp;
mod otlp_schema;
mod syslog_record;

use std::borrow::Cow;

use chrono::{DateTime, SecondsFormat};
use serde_json::{Map, Value};

use crate::catalogue::{Catalogue, Decoder, Source};
use crate::decode::{Sink, SourceError};
use crate::entries::Place;
use crate::formats::custom;
use crate::json;
use crate::recognise;
use crate::tables::CustomRow;

/// What a record is, as its protocol has it.
#[derive(Debug)]
pub(crate) enum Body<'a> {
    /// Text
    Text(Cow<'a, str>),
    /// A JSON object, as text
    Object(Cow<'a, str>),
}

impl Body<'_> {
    fn text(&self) -> &str {
        match self {
            Body::Text(text) | Body::Object(text) => text,
        }
    }
}

/// A record and what its protocol says about it.
#[derive(Debug)]
pub(crate) struct Carried<'a> {
    /// Microseconds since 1970
    pub(crate) time: Option<i64>,
    pub(crate) body: Body<'a>,
    /// Host it is of
    pub(crate) host: &'a str,
    /// Cluster it is of
    pub(crate) cluster: &'a str,
    /// What the sender says it is; counts when it is the name of a source
    pub(crate) named: &'a str,
    /// Container it is of
    pub(crate) place: Option<Place>,
    /// stdout, stderr or empty
    pub(crate) stream: &'a str,
    /// The rest of what the protocol says, by name
    pub(crate) labels: &'a [(String, Value)],
    /// The record with what the protocol says, as JSON, where it arrives so
    pub(crate) whole: Option<&'a str>,
}

impl Default for Carried<'_> {
    fn default() -> Self {
        Carried {
            time: None,
            body: Body::Text(Cow::Borrowed("")),
            host: "",
            cluster: "",
            named: "",
            place: None,
            stream: "",
            labels: &[],
            whole: None,
        }
    }
}

/// Forms of lines that text of applications only looks like.
const NOT_OF_TEXT: [&str; 2] = ["prometheus-metrics", "json"];

/// Whether a name is that of a source whose records others may carry.
fn named(name: &str) -> Option<&'static Source> {
    let source = Catalogue::source(name)?;
    let carries_others = matches!(source.decoder, Decoder::Auto) || source.carrier;
    (!carries_others).then_some(source)
}

impl Sink<'_> {
    /// Takes a record of a protocol in. Its number among the body's records is kept when it cannot be used.
    pub(crate) fn carried(&mut self, record: &Carried<'_>) -> Result<(), SourceError> {
        let (before, number) = (self.rejected(), self.next_carried());
        if !record.cluster.is_empty() {
            record.cluster.clone_into(&mut self.cluster);
        }
        let result = self.route(record);
        self.cluster.clear();
        if self.rejected() > before {
            self.note_failed(number);
        }
        result
    }

    /// A record of a protocol that is not even one.
    pub(crate) fn carried_bad(&mut self, reason: &str, detail: &str, raw: &[u8]) {
        let number = self.next_carried();
        self.reject(reason, detail, raw);
        self.note_failed(number);
    }

    fn route(&mut self, record: &Carried<'_>) -> Result<(), SourceError> {
        let text = record.body.text();
        if self.too_large(text.as_bytes()) {
            return Ok(());
        }
        if text.trim().is_empty() {
            self.reject("empty record", "it holds no text", record.whole.unwrap_or_default().as_bytes());
            return Ok(());
        }
        if let Some(source) = named(record.named) {
            return self.read_as(source.id, text);
        }
        if let Some(place) = &record.place {
            return self.container_line(text, place, record);
        }
        match &record.body {
            Body::Object(text) => self.object(text, record),
            Body::Text(text) if text.starts_with('{') && is_object(text) => self.object(text, record),
            Body::Text(text) => match recognise::of_line(text).filter(|(id, _)| !NOT_OF_TEXT.contains(id)) {
                Some((id, _)) => self.read_as(id, text),
                None => self.custom_record(record, None),
            },
        }
    }

    fn read_as(&mut self, id: &str, text: &str) -> Result<(), SourceError> {
        match named(id) {
            Some(source) => crate::decode::read_body(source, text.as_bytes(), self),
            None => Ok(()),
        }
    }

    /// A container's line, as the record of a shipper that all decoders of lines know.
    fn container_line(&mut self, text: &str, place: &Place, record: &Carried<'_>) -> Result<(), SourceError> {
        let mut kubernetes = Map::new();
        for (name, value) in [
            ("namespace_name", &place.namespace),
            ("pod_name", &place.pod),
            ("container_name", &place.container),
            ("container_id", &place.container_id),
            ("host", &place.node),
        ] {
            if !value.is_empty() {
                kubernetes.insert(name.to_owned(), value.as_str().into());
            }
        }
        let mut shipped = Map::new();
        shipped.insert("log".to_owned(), text.into());
        if !record.stream.is_empty() {
            shipped.insert("stream".to_owned(), record.stream.into());
        }
        if let Some(time) = record.time.and_then(rfc3339) {
            shipped.insert("time".to_owned(), time.into());
        }
        shipped.insert("kubernetes".to_owned(), Value::Object(kubernetes));
        let shipped = Value::Object(shipped).to_string();
        let (id, _) = recognise::of_container(text, place, "");
        self.read_as(id, &shipped)
    }

    fn object(&mut self, text: &str, record: &Carried<'_>) -> Result<(), SourceError> {
        let recognised = recognise::of_object(text.as_bytes(), 0, "").map_or("json", |(id, _)| id);
        if recognised != "json" && named(recognised).is_some() {
            return self.read_as(recognised, text);
        }
        let Ok(members) = serde_json::from_str::<Map<String, Value>>(text) else {
            self.reject("not JSON", "the record is no JSON object", text.as_bytes());
            return Ok(());
        };
        if let Some(inner) = inner_text(&members) {
            let guess = if inner.starts_with('{') {
                recognise::of_object(inner.as_bytes(), 0, "")
                    .map(|(id, _)| id)
                    .filter(|id| *id != "container-logs")
            } else {
                recognise::of_line(inner).map(|(id, _)| id)
            };
            if let Some(id) = guess.filter(|id| !NOT_OF_TEXT.contains(id) && named(id).is_some()) {
                return self.read_as(id, inner);
            }
        }
        if syslog_record::add(&members, record, self)? {
            return Ok(());
        }
        self.custom_record(record, Some(&members))
    }

    /// Whatever else.
    fn custom_record(&mut self, record: &Carried<'_>, members: Option<&Map<String, Value>>) -> Result<(), SourceError> {
        let text = record.body.text();
        let stated = |names: &[&str]| members.and_then(|members| names.iter().find_map(|name| members.get(*name)?.as_str()));
        let message = match members {
            Some(_) => stated(&["message", "msg", "Message", "log", "event", "short_message", "MESSAGE", "body"]).unwrap_or_default(),
            None => text,
        };
        let time = record.time.or_else(|| members.and_then(custom::time_of)).unwrap_or(self.received);
        let host = match record.host {
            // Beats and ECS have an object.
            "" => stated(&["host", "hostname", "Computer", "computer"])
                .or_else(|| members?.get("host")?.get("name")?.as_str())
                .unwrap_or_default(),
            host => host,
        };
        let raw = match (record.whole, members) {
            (Some(whole), _) if json::is_loose(whole) => Cow::Owned(json::compact(whole)),
            (Some(whole), _) => Cow::Borrowed(whole),
            (None, Some(members)) => {
                let mut all = members.clone();
                for (name, value) in record.labels {
                    all.entry(name.clone()).or_insert_with(|| value.clone());
                }
                Cow::Owned(Value::Object(all).to_string())
            }
            (None, None) => {
                let mut all: Map<String, Value> = Map::new();
                all.insert("message".to_owned(), text.into());
                all.extend(record.labels.iter().cloned());
                Cow::Owned(Value::Object(all).to_string())
            }
        };
        let origin = self.context.origin.clone();
        self.custom(&CustomRow {
            time,
            cluster: stated(&["cluster", "Cluster"]).unwrap_or_default(),
            computer: host,
            origin: &origin,
            message,
            raw: Some(&raw),
        })?;
        self.accept();
        Ok(())
    }
}

fn is_object(text: &str) -> bool {
    matches!(json::skip_value(text.as_bytes(), 0), Ok(end) if text.get(end..).is_some_and(|rest| rest.trim().is_empty()))
}

/// The text a shipper has put its own members around.
fn inner_text(members: &Map<String, Value>) -> Option<&str> {
    ["message", "log", "event", "MESSAGE", "short_message", "body"]
        .iter()
        .find_map(|name| members.get(*name)?.as_str())
        .map(str::trim)
        .filter(|text| !text.is_empty())
}

/// Microseconds since 1970 as text.
fn rfc3339(microseconds: i64) -> Option<String> {
    let time = DateTime::from_timestamp_micros(microseconds)?;
    Some(time.to_rfc3339_opts(SecondsFormat::Micros, true))
}

/// The container that labels or attributes name, in the words of Prometheus' service discovery, of OpenTelemetry, or of shippers.
fn place_of(label: impl Fn(&[&str]) -> String) -> Option<Place> {
    let file = label(&["filename", "log.file.path", "file"]);
    let mut place = if file.contains("/pods/") || file.contains("/containers/") {
        Place::of_path(&file)
    } else {
        Place::default()
    };
    for (field, names) in [
        (
            &mut place.namespace,
            &["namespace", "k8s.namespace.name", "k8s_namespace_name", "namespace_name"][..],
        ),
        (&mut place.pod, &["pod", "k8s.pod.name", "k8s_pod_name", "pod_name"]),
        (
            &mut place.container,
            &["container", "k8s.container.name", "k8s_container_name", "container_name"],
        ),
        (&mut place.container_id, &["container_id", "container.id"]),
        (&mut place.node, &["node_name", "k8s.node.name", "k8s_node_name", "node"]),
    ] {
        let found = label(names);
        if !found.is_empty() {
            *field = found;
        }
    }
    (!place.pod.is_empty()).then_some(place)
}
