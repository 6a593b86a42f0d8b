//! Traefik's access log, as JSON and in the common format with its additions (doc.traefik.io, "Access Logs"). Lines of its own log, which
//! may come in the same stream, are kept as messages.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::access::{cluster_name, request_line};
use crate::decode::{Sink, SourceError};
use crate::entries::{Entry, entries};
use crate::json::Text;
use crate::lines::{Cursor, address_and_port, dash, level_name};
use crate::tables::AccessRow;
use crate::time;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Record<'a> {
    #[serde(borrow, default, rename = "ClientAddr")]
    client_addr: Text<'a>,
    #[serde(borrow, default)]
    client_host: Text<'a>,
    #[serde(borrow, default)]
    client_username: Text<'a>,
    #[serde(default)]
    downstream_content_size: Option<i64>,
    #[serde(default)]
    downstream_status: Option<i64>,
    /// Nanoseconds
    #[serde(default)]
    duration: Option<i64>,
    #[serde(default)]
    origin_duration: Option<i64>,
    #[serde(default)]
    origin_status: Option<i64>,
    #[serde(default)]
    request_content_size: Option<i64>,
    #[serde(borrow, default)]
    request_host: Text<'a>,
    #[serde(borrow, default)]
    request_method: Text<'a>,
    #[serde(borrow, default)]
    request_path: Text<'a>,
    #[serde(borrow, default)]
    request_protocol: Text<'a>,
    #[serde(borrow, default)]
    request_scheme: Text<'a>,
    #[serde(borrow, default)]
    router_name: Text<'a>,
    #[serde(borrow, default)]
    service_addr: Text<'a>,
    #[serde(borrow, default)]
    service_name: Text<'a>,
    #[serde(borrow, default, rename = "StartUTC")]
    start: Text<'a>,
    #[serde(borrow, default, rename = "request_User-Agent")]
    user_agent: Text<'a>,
    #[serde(borrow, default, rename = "request_Referer")]
    referrer: Text<'a>,
    #[serde(borrow, default, rename = "request_X-Forwarded-For")]
    forwarded_for: Text<'a>,
    #[serde(borrow, default, rename = "request_X-Request-Id")]
    request_id: Text<'a>,
    #[serde(borrow, default, rename = "TLSVersion")]
    tls: Text<'a>,
    #[serde(borrow, default)]
    retry_attempts: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "time")]
    time: Text<'a>,
    #[serde(borrow, default, rename = "level")]
    level: Text<'a>,
    #[serde(borrow, default, rename = "msg")]
    msg: Text<'a>,
    #[serde(borrow, default, rename = "message")]
    message: Text<'a>,
    #[serde(borrow, default, rename = "error")]
    error: Text<'a>,
}

pub(crate) fn decode(body: &[u8], sink: &mut Sink<'_>) -> Result<(), SourceError> {
    entries(body, sink, &mut |sink, entry| {
        if entry.text.starts_with('{') {
            return match serde_json::from_str::<Record<'_>>(entry.text) {
                Ok(record) if record.request_method.is_empty() && record.downstream_status.is_none() => own_line(&record, entry, sink),
                Ok(record) => request(&record, entry, sink),
                Err(error) => {
                    sink.reject("not JSON", &error.to_string(), entry.text.as_bytes());
                    Ok(())
                }
            };
        }
        match common(entry, sink)? {
            true => Ok(()),
            false => {
                sink.unknown_line(entry.text, "an access line of Traefik, in JSON or in the common format");
                Ok(())
            }
        }
    })
}

fn request(record: &Record<'_>, entry: &Entry<'_>, sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let (host, port) = address_and_port(&record.client_addr);
    let (upstream, upstream_port) = address_and_port(&record.service_addr);
    let status = record.downstream_status.map(|status| status.to_string()).unwrap_or_default();
    let upstream_status = record.origin_status.filter(|status| *status != 0).map(|status| status.to_string());
    let milliseconds = |nanoseconds: Option<i64>| nanoseconds.map(|duration| (duration + 500_000) / 1_000_000);
    let retries = record.retry_attempts.map(|retries| retries.get()).filter(|retries| *retries != "0");
    let additional = retries.map(|retries| format!("{{\"RetryAttempts\":{retries}}}"));
    let (service_name, provider) = record.service_name.rsplit_once('@').unwrap_or((&record.service_name, ""));
    let (namespace, service) = cluster_name(service_name).unwrap_or_default();
    sink.request(AccessRow {
        time: time::parse_rfc3339(&record.start)
            .or_else(|| time::parse_rfc3339(&record.time))
            .or(entry.time)
            .unwrap_or(sink.received),
        vendor: "Traefik Labs",
        product: "Traefik",
        status: &status,
        request_id: dash(&record.request_id),
        host: &entry.place.node,
        client: if record.client_host.is_empty() { host } else { &record.client_host },
        client_port: port,
        user: dash(&record.client_username),
        method: &record.request_method,
        url: &record.request_path,
        version: record.request_protocol.strip_prefix("HTTP/").unwrap_or(&record.request_protocol),
        http_host: dash(&record.request_host),
        user_agent: dash(&record.user_agent),
        referrer: dash(&record.referrer),
        forwarded_for: dash(&record.forwarded_for),
        protocol: if &*record.request_scheme == "https" || !record.tls.is_empty() {
            "HTTPS"
        } else {
            "HTTP"
        },
        upstream_time: milliseconds(record.origin_duration),
        duration: milliseconds(record.duration),
        request_bytes: record.request_content_size,
        response_bytes: record.downstream_content_size,
        upstream,
        upstream_port,
        service_full: if provider.is_empty() { service_name } else { &record.service_name },
        route: &record.router_name,
        upstream_status: upstream_status.as_deref().unwrap_or_default(),
        namespace,
        service,
        pod: &entry.place.pod,
        additional: additional.as_deref(),
        raw: entry.text,
        ..AccessRow::default()
    })
}

/// A line of Traefik's own log.
fn own_line(record: &Record<'_>, entry: &Entry<'_>, sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let text = [&record.msg, &record.message, &record.error]
        .into_iter()
        .find(|text| !text.is_empty());
    let Some(text) = text else {
        sink.unknown_line(entry.text, "RequestMethod and DownstreamStatus, or a message");
        return Ok(());
    };
    sink.proxy_message(AccessRow {
        time: time::parse_rfc3339(&record.time).or(entry.time).unwrap_or(sink.received),
        vendor: "Traefik Labs",
        product: "Traefik",
        severity: match level_name(&record.level) {
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

/// `CLIENT - USER [TIME] "REQUEST" STATUS BYTES "REFERRER" "AGENT" NUMBER "ROUTER" "SERVER" DURATIONms`
fn common(entry: &Entry<'_>, sink: &mut Sink<'_>) -> Result<bool, SourceError> {
    let Some(line) = parse_common(entry.text) else { return Ok(false) };
    let request = request_line(line.request);
    let server = line.server.split("://").last().unwrap_or_default();
    let (upstream, upstream_port) = address_and_port(dash(server.split('/').next().unwrap_or_default()));
    sink.request(AccessRow {
        time: line.time,
        vendor: "Traefik Labs",
        product: "Traefik",
        status: line.status,
        host: &entry.place.node,
        client: line.client,
        user: dash(line.user),
        method: request.method,
        url: &request.target,
        version: request.version,
        user_agent: dash(line.user_agent),
        referrer: dash(line.referrer),
        duration: line.duration.strip_suffix("ms").and_then(|duration| duration.parse().ok()),
        response_bytes: line.bytes.parse().ok(),
        upstream,
        upstream_port,
        route: dash(line.router),
        pod: &entry.place.pod,
        raw: entry.text,
        ..AccessRow::default()
    })?;
    Ok(true)
}

struct Common<'a> {
    client: &'a str,
    user: &'a str,
    time: i64,
    request: &'a str,
    status: &'a str,
    bytes: &'a str,
    referrer: &'a str,
    user_agent: &'a str,
    router: &'a str,
    server: &'a str,
    duration: &'a str,
}

fn parse_common(text: &str) -> Option<Common<'_>> {
    let mut cursor = Cursor::new(text);
    let client = cursor.word()?;
    cursor.word()?;
    let user = cursor.word()?;
    let time = time::parse_access(cursor.between('[', ']')?)?;
    let request = cursor.between('"', '"')?;
    let status = cursor.word()?;
    let bytes = cursor.word()?;
    let referrer = cursor.between('"', '"')?;
    let user_agent = cursor.between('"', '"')?;
    cursor.word()?;
    let router = cursor.between('"', '"')?;
    let server = cursor.between('"', '"')?;
    let duration = cursor.word()?;
    duration.strip_suffix("ms")?;
    Some(Common {
        client,
        user,
        time,
        request,
        status,
        bytes,
        referrer,
        user_agent,
        router,
        server,
        duration,
    })
}

/// Whether a line is one of Traefik's in the common format.
pub(crate) fn is_line(text: &str) -> bool {
    parse_common(text).is_some()
}
