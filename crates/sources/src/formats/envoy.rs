//! Envoy's access log: its default text, Istio's text, and JSON with Istio's names (envoyproxy.io, "Access logging"; istio.io, "Envoy
//! Access Logs").

use serde::Deserialize;
use serde_json::value::RawValue;

use super::access::cluster_name;
use crate::decode::{Sink, SourceError};
use crate::entries::{Entry, entries};
use crate::json::{self, Text};
use crate::lines::{Cursor, address_and_port, dash, level_name};
use crate::tables::AccessRow;
use crate::time;

pub(crate) fn decode(body: &[u8], sink: &mut Sink<'_>) -> Result<(), SourceError> {
    entries(body, sink, &mut |sink, entry| {
        if entry.text.starts_with('{') {
            return match serde_json::from_str::<Record<'_>>(entry.text) {
                Ok(record) => json_record(&record, entry, sink),
                Err(error) => {
                    sink.reject("not JSON", &error.to_string(), entry.text.as_bytes());
                    Ok(())
                }
            };
        }
        if let Some(line) = parse(entry.text) {
            return add(&line, entry, sink);
        }
        own_line(entry, sink)
    })
}

/// What either form says.
#[derive(Debug, Default)]
struct Line<'a> {
    time: Option<i64>,
    method: &'a str,
    path: &'a str,
    version: &'a str,
    code: &'a str,
    flags: &'a str,
    details: &'a str,
    failure: &'a str,
    received: Option<i64>,
    sent: Option<i64>,
    duration: Option<i64>,
    upstream_time: Option<i64>,
    forwarded_for: &'a str,
    user_agent: &'a str,
    request_id: &'a str,
    authority: &'a str,
    upstream: &'a str,
    cluster: &'a str,
    client: &'a str,
    server_name: &'a str,
    route: &'a str,
}

fn parse(text: &str) -> Option<Line<'_>> {
    let mut cursor = Cursor::new(text);
    let time = time::parse_rfc3339(cursor.between('[', ']')?)?;
    let request = cursor.between('"', '"')?;
    let (method, path, version) = parts(request);
    let mut line = Line {
        time: Some(time),
        method,
        path,
        version,
        ..Line::default()
    };
    line.code = cursor.word()?;
    line.code.parse::<u16>().ok()?;
    line.flags = dash(cursor.word()?);
    // Istio's has three more before the numbers.
    let istio = cursor.rest.split(' ').next().is_none_or(|word| word.parse::<u64>().is_err());
    if istio {
        line.details = dash(cursor.word()?);
        cursor.word()?;
        line.failure = dash(cursor.quoted_or_word()?);
    }
    line.received = cursor.word()?.parse().ok();
    line.sent = cursor.word()?.parse().ok();
    line.duration = cursor.word()?.parse().ok();
    line.upstream_time = cursor.word()?.parse().ok();
    line.forwarded_for = dash(cursor.between('"', '"')?);
    line.user_agent = dash(cursor.between('"', '"')?);
    line.request_id = dash(cursor.between('"', '"')?);
    line.authority = dash(cursor.between('"', '"')?);
    line.upstream = dash(cursor.between('"', '"')?);
    if let Some(cluster) = cursor.word() {
        line.cluster = dash(cluster);
        cursor.word();
        cursor.word();
        line.client = cursor.word().map(dash).unwrap_or_default();
        line.server_name = cursor.word().map(dash).unwrap_or_default();
        line.route = cursor.word().map(dash).unwrap_or_default();
    }
    Some(line)
}

/// Whether a line is an access line in either text form.
pub(crate) fn is_line(text: &str) -> bool {
    parse(text).is_some()
}

fn parts(request: &str) -> (&str, &str, &str) {
    let mut words = request.split(' ');
    let method = words.next().unwrap_or_default();
    let path = words.next().unwrap_or_default();
    let protocol = words.next().unwrap_or_default();
    (dash(method), dash(path), protocol.strip_prefix("HTTP/").unwrap_or(dash(protocol)))
}

#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow, default)]
    start_time: Text<'a>,
    #[serde(borrow, default)]
    method: Text<'a>,
    #[serde(borrow, default)]
    path: Text<'a>,
    #[serde(borrow, default)]
    protocol: Text<'a>,
    #[serde(borrow, default)]
    response_code: Option<&'a RawValue>,
    #[serde(borrow, default)]
    response_flags: Text<'a>,
    #[serde(borrow, default)]
    response_code_details: Text<'a>,
    #[serde(borrow, default)]
    upstream_transport_failure_reason: Text<'a>,
    #[serde(borrow, default)]
    bytes_received: Option<&'a RawValue>,
    #[serde(borrow, default)]
    bytes_sent: Option<&'a RawValue>,
    #[serde(borrow, default)]
    duration: Option<&'a RawValue>,
    #[serde(borrow, default)]
    upstream_service_time: Option<&'a RawValue>,
    #[serde(borrow, default, alias = "x-forwarded-for")]
    x_forwarded_for: Text<'a>,
    #[serde(borrow, default, alias = "user-agent")]
    user_agent: Text<'a>,
    #[serde(borrow, default, alias = "x-request-id")]
    request_id: Text<'a>,
    #[serde(borrow, default, alias = ":authority")]
    authority: Text<'a>,
    #[serde(borrow, default)]
    upstream_host: Text<'a>,
    #[serde(borrow, default)]
    upstream_cluster: Text<'a>,
    #[serde(borrow, default)]
    downstream_remote_address: Text<'a>,
    #[serde(borrow, default)]
    requested_server_name: Text<'a>,
    #[serde(borrow, default)]
    route_name: Text<'a>,
    #[serde(borrow, default)]
    level: Text<'a>,
    #[serde(borrow, default)]
    time: Text<'a>,
    #[serde(borrow, default)]
    msg: Text<'a>,
}

/// A number, also when it is written as text.
fn number(raw: Option<&RawValue>) -> Option<i64> {
    raw?.get().trim_matches('"').parse().ok()
}

fn json_record(record: &Record<'_>, entry: &Entry<'_>, sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let code = record.response_code.map_or("", |raw| raw.get().trim_matches('"'));
    if code.is_empty() && record.method.is_empty() {
        if record.msg.is_empty() {
            sink.unknown_line(entry.text, "an access record of Envoy with response_code or method");
            return Ok(());
        }
        let time = time::parse_rfc3339(&record.time).or(entry.time).unwrap_or(sink.received);
        return message(&record.msg, &record.level, time, entry, sink);
    }
    let line = Line {
        time: time::parse_rfc3339(&record.start_time),
        method: dash(&record.method),
        path: dash(&record.path),
        version: record.protocol.strip_prefix("HTTP/").unwrap_or_default(),
        code,
        flags: dash(&record.response_flags),
        details: dash(&record.response_code_details),
        failure: dash(&record.upstream_transport_failure_reason),
        received: number(record.bytes_received),
        sent: number(record.bytes_sent),
        duration: number(record.duration),
        upstream_time: number(record.upstream_service_time),
        forwarded_for: dash(&record.x_forwarded_for),
        user_agent: dash(&record.user_agent),
        request_id: dash(&record.request_id),
        authority: dash(&record.authority),
        upstream: dash(&record.upstream_host),
        cluster: dash(&record.upstream_cluster),
        client: dash(&record.downstream_remote_address),
        server_name: dash(&record.requested_server_name),
        route: dash(&record.route_name),
    };
    add(&line, entry, sink)
}

fn add(line: &Line<'_>, entry: &Entry<'_>, sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let (mut client, mut client_port) = address_and_port(line.client);
    if client.is_empty() {
        // The default format has no peer; the header's first address is what the client is said to be.
        (client, client_port) = (line.forwarded_for.split(',').next().unwrap_or_default().trim(), None);
    }
    let (upstream, upstream_port) = address_and_port(line.upstream.split("://").last().unwrap_or_default());
    // Istio: `outbound|80||web.shop.svc.cluster.local`.
    let (namespace, service) = line.cluster.rsplit('|').next().and_then(cluster_name).unwrap_or_default();
    let mut additional = String::new();
    for (name, value) in [
        ("FailureReason", line.failure),
        ("ServerName", line.server_name),
        ("Details", line.details),
    ] {
        if !value.is_empty() {
            additional.push(if additional.is_empty() { '{' } else { ',' });
            json::push_string(&mut additional, name);
            additional.push(':');
            json::push_string(&mut additional, value);
        }
    }
    if !additional.is_empty() {
        additional.push('}');
    }
    sink.request(AccessRow {
        time: line.time.or(entry.time).unwrap_or(sink.received),
        vendor: "Envoy",
        product: if line.cluster.contains('|') { "Istio" } else { "Envoy" },
        status: line.code,
        flags: line.flags,
        request_id: line.request_id,
        host: &entry.place.node,
        client,
        client_port,
        method: line.method,
        url: line.path,
        version: line.version,
        http_host: line.authority,
        user_agent: line.user_agent,
        forwarded_for: line.forwarded_for,
        // A connection that is not HTTP has neither method nor code.
        protocol: if line.method.is_empty() { "TCP" } else { "HTTP" },
        upstream_time: line.upstream_time,
        duration: line.duration,
        request_bytes: line.received,
        response_bytes: line.sent,
        upstream,
        upstream_port,
        service_full: line.cluster,
        route: line.route,
        namespace,
        service,
        pod: &entry.place.pod,
        additional: Some(additional.as_str()).filter(|additional| !additional.is_empty()),
        raw: entry.text,
        ..AccessRow::default()
    })
}

/// `[2026-01-15 10:00:07.123][1][info][main] [source/server/server.cc:430] text`, and the tab-separated lines of Istio's agent.
fn own_line(entry: &Entry<'_>, sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let text = entry.text;
    let mut cursor = Cursor::new(text);
    if let Some((time, _)) = cursor.between('[', ']').and_then(time::parse_local)
        && cursor.between('[', ']').is_some()
        && let Some(level) = cursor.between('[', ']')
    {
        return message(cursor.rest, level, time, entry, sink);
    }
    let mut parts = text.splitn(3, '\t');
    if let (Some(time), Some(level), Some(rest)) = (parts.next().and_then(time::parse_rfc3339), parts.next(), parts.next()) {
        return message(rest, level, time, entry, sink);
    }
    sink.unknown_line(text, "an access line of Envoy or Istio, in text or JSON");
    Ok(())
}

fn message(text: &str, level: &str, time: i64, entry: &Entry<'_>, sink: &mut Sink<'_>) -> Result<(), SourceError> {
    sink.proxy_message(AccessRow {
        time,
        vendor: "Envoy",
        product: "Envoy",
        severity: match level_name(level) {
            "WARNING" => "Low",
            "ERROR" => "Medium",
            "CRITICAL" => "High",
            _ => "Informational",
        },
        message: text,
        host: &entry.place.node,
        pod: &entry.place.pod,
        raw: entry.text,
        ..AccessRow::default()
    })
}
