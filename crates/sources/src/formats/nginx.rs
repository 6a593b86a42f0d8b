//! ingress-nginx: its default access line, which is nginx's combined format with the upstream behind it, the plain combined format, and
//! nginx's error lines (kubernetes.github.io/ingress-nginx, "Log format"; nginx.org, `log_format`).

use super::access::{last_number, milliseconds, request_line, without_port};
use crate::decode::{Sink, SourceError};
use crate::entries::{Entry, entries};
use crate::klog;
use crate::lines::{Cursor, address_and_port, dash, unescape};
use crate::tables::AccessRow;
use crate::time;

pub(crate) fn decode(body: &[u8], sink: &mut Sink<'_>) -> Result<(), SourceError> {
    entries(body, sink, &mut |sink, entry| {
        let text = entry.text;
        if access(entry, sink)? || error(entry, sink)? {
            return Ok(());
        }
        // The controller's own lines are klog.
        if klog::starts_record(text) {
            return controller(entry, sink);
        }
        sink.unknown_line(
            text,
            "an access line of ingress-nginx (or the combined format), an error line of nginx, or klog",
        );
        Ok(())
    })
}

/// Whether it was an access line; its row is added.
fn access(entry: &Entry<'_>, sink: &mut Sink<'_>) -> Result<bool, SourceError> {
    let Some(line) = parse(entry.text) else { return Ok(false) };
    let request = request_line(line.request);
    let (client, client_port) = address_and_port(line.client);
    // The last attempt is the one that answered.
    let upstream = line.upstream.rsplit([',', ' ']).next().unwrap_or_default();
    let (upstream, upstream_port) = address_and_port(dash(upstream));
    let place = entry.place;
    sink.request(AccessRow {
        time: line.time,
        vendor: "F5",
        product: "nginx",
        status: line.status,
        request_id: dash(line.id),
        host: &place.node,
        client,
        client_port,
        user: dash(line.user),
        method: request.method,
        url: &request.target,
        version: request.version,
        user_agent: &unescape(dash(line.user_agent)),
        referrer: &unescape(dash(line.referrer)),
        upstream_time: milliseconds(line.upstream_time),
        duration: milliseconds(line.duration),
        request_bytes: last_number(line.request_bytes).map(|bytes| bytes as i64),
        response_bytes: line.bytes.parse().ok(),
        upstream,
        upstream_port,
        service_full: without_port(line.upstream_name),
        upstream_status: dash(line.upstream_status),
        pod: &place.pod,
        raw: entry.text,
        ..AccessRow::default()
    })?;
    Ok(true)
}

#[derive(Debug, Default)]
struct Line<'a> {
    client: &'a str,
    user: &'a str,
    time: i64,
    request: &'a str,
    status: &'a str,
    bytes: &'a str,
    referrer: &'a str,
    user_agent: &'a str,
    request_bytes: &'a str,
    duration: &'a str,
    upstream_name: &'a str,
    upstream: &'a str,
    upstream_time: &'a str,
    upstream_status: &'a str,
    id: &'a str,
}

fn parse(text: &str) -> Option<Line<'_>> {
    let mut cursor = Cursor::new(text);
    let client = cursor.word()?;
    cursor.word()?;
    // A user name may hold blanks: it ends where the time begins.
    let bracket = cursor.rest.find('[')?;
    let user = cursor.rest.get(..bracket)?.trim();
    cursor.rest = cursor.rest.get(bracket..)?;
    let time = time::parse_access(cursor.between('[', ']')?)?;
    let request = cursor.between('"', '"')?;
    let status = cursor.word()?;
    let bytes = cursor.word()?;
    if status.len() != 3 || !status.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut line = Line {
        client,
        user,
        time,
        request,
        status,
        bytes,
        ..Line::default()
    };
    // The common format ends here, the combined behind the next two.
    if let Some(referrer) = cursor.between('"', '"') {
        line.referrer = referrer;
        line.user_agent = cursor.between('"', '"').unwrap_or_default();
    }
    if cursor.rest.is_empty() {
        return Some(line);
    }
    line.request_bytes = cursor.word()?;
    line.duration = cursor.word()?;
    line.upstream_name = cursor.between('[', ']')?;
    cursor.between('[', ']')?;
    line.upstream = several(&mut cursor)?;
    several(&mut cursor)?;
    line.upstream_time = several(&mut cursor)?;
    line.upstream_status = several(&mut cursor)?;
    line.id = cursor.word().unwrap_or_default();
    Some(line)
}

/// Whether a line is an access line of the controller, with its upstream: what no other program writes.
pub(crate) fn is_ingress_line(text: &str) -> bool {
    parse(text).is_some_and(|line| !line.duration.is_empty())
}

/// Whether a line is in the combined format.
pub(crate) fn is_combined_line(text: &str) -> bool {
    parse(text).is_some()
}

/// A value of each attempt: `10.0.4.7:8080, 10.0.4.8:8080`.
fn several<'a>(cursor: &mut Cursor<'a>) -> Option<&'a str> {
    let start = cursor.rest.trim_start_matches(' ');
    let mut length = 0;
    loop {
        let word = cursor.word()?;
        length += word.len();
        if !word.ends_with(',') && !word.ends_with(" :") {
            return start.get(..length);
        }
        length += 1;
    }
}

/// `2026/01/15 10:00:07 [error] 31#31: *42 text, client: 203.0.113.9, server: shop.example, request: "GET / HTTP/1.1", ...`
fn error(entry: &Entry<'_>, sink: &mut Sink<'_>) -> Result<bool, SourceError> {
    let text = entry.text;
    let Some((time, end)) = time::parse_local(text).filter(|_| text.get(4..5) == Some("/")) else {
        return Ok(false);
    };
    let Some((level, rest)) = text
        .get(end..)
        .and_then(|rest| rest.strip_prefix(" ["))
        .and_then(|rest| rest.split_once("] "))
    else {
        return Ok(false);
    };
    let message = rest.split_once(": ").map_or(rest, |(_, message)| message);
    let message = match message.strip_prefix('*').and_then(|rest| rest.split_once(' ')) {
        Some((number, message)) if number.bytes().all(|byte| byte.is_ascii_digit()) => message,
        _ => message,
    };
    let field = |name: &str| {
        let value = message.split_once(name).map_or("", |(_, value)| value);
        if value.starts_with('"') {
            Cursor::new(value).between('"', '"').unwrap_or_default()
        } else {
            value.split(", ").next().unwrap_or_default()
        }
    };
    let request = request_line(field(", request: "));
    let upstream = field(", upstream: ").split("://").last().unwrap_or_default();
    let (upstream, upstream_port) = address_and_port(upstream.split('/').next().unwrap_or_default());
    let (client, client_port) = address_and_port(field(", client: "));
    sink.proxy_message(AccessRow {
        time,
        vendor: "F5",
        product: "nginx",
        result: "Failure",
        severity: match level {
            "debug" | "info" | "notice" => "Informational",
            "warn" => "Low",
            "error" => "Medium",
            _ => "High",
        },
        message: message.split(", client: ").next().unwrap_or_default(),
        client,
        client_port,
        method: request.method,
        url: &request.target,
        version: request.version,
        http_host: field(", host: "),
        referrer: field(", referrer: "),
        upstream,
        upstream_port,
        host: &entry.place.node,
        pod: &entry.place.pod,
        raw: text,
        ..AccessRow::default()
    })?;
    Ok(true)
}

fn controller(entry: &Entry<'_>, sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let line = klog::parse(entry.text, entry.time.unwrap_or(sink.received));
    sink.proxy_message(AccessRow {
        time: line.time.or(entry.time).unwrap_or(sink.received),
        vendor: "Kubernetes",
        product: "ingress-nginx",
        severity: match line.level {
            "WARNING" => "Low",
            "ERROR" => "Medium",
            "FATAL" => "High",
            _ => "Informational",
        },
        message: &line.message,
        host: &entry.place.node,
        pod: &entry.place.pod,
        raw: entry.text,
        ..AccessRow::default()
    })
}
