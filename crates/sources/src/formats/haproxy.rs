//! HAProxy's HTTP and TCP logs (docs.haproxy.org, "Log formats"), bare or behind a syslog header.

use super::access::request_line;
use super::syslog;
use crate::decode::{Sink, SourceError};
use crate::entries::{Entry, entries};
use crate::lines::{Cursor, address_and_port, dash};
use crate::tables::AccessRow;
use crate::time;

pub(crate) fn decode(body: &[u8], sink: &mut Sink<'_>) -> Result<(), SourceError> {
    entries(body, sink, &mut |sink, entry| {
        let (text, host) = unwrapped(entry.text, sink.received);
        let Some(line) = parse(text) else {
            return notice(text, host, entry, sink);
        };
        add(&line, host, entry, sink)
    })
}

/// The message inside a syslog line, and the host that sent it.
fn unwrapped(text: &str, received: i64) -> (&str, &str) {
    if !syslog::has_header(text, received) {
        return (text, "");
    }
    let message = syslog::parse(text, received);
    (message.text, message.host)
}

struct Line<'a> {
    client: &'a str,
    time: i64,
    frontend: &'a str,
    backend: &'a str,
    server: &'a str,
    /// Of HTTP: request, queue, connect, response, all; of TCP: queue, connect, all
    times: &'a str,
    status: &'a str,
    bytes: &'a str,
    termination: &'a str,
    request: Option<&'a str>,
    headers: &'a str,
}

fn parse(text: &str) -> Option<Line<'_>> {
    let mut cursor = Cursor::new(text);
    let client = cursor.word()?;
    let time = time::parse_access(cursor.between('[', ']')?)?;
    let frontend = cursor.word()?;
    let (backend, server) = cursor.word()?.split_once('/')?;
    let times = cursor.word()?;
    let http = times.matches('/').count() == 4;
    let status = if http { cursor.word()? } else { "" };
    let bytes = cursor.word()?;
    if http {
        // Captured cookies of request and response.
        cursor.word()?;
        cursor.word()?;
    }
    let termination = cursor.word()?;
    let connections = cursor.word()?;
    if connections.matches('/').count() != 4 || times.matches('/').count() < 2 {
        return None;
    }
    let rest = cursor.rest;
    let request = if http {
        rest.find('"').and_then(|at| rest.get(at + 1..))
    } else {
        None
    };
    Some(Line {
        client,
        time,
        frontend,
        backend,
        server,
        times,
        status,
        bytes: bytes.trim_start_matches('+'),
        termination,
        // A request line that is too long is cut, with its closing quote.
        request: request.map(|request| request.strip_suffix('"').unwrap_or(request)),
        headers: rest
            .split_once('{')
            .map_or("", |(_, headers)| headers.split('}').next().unwrap_or_default()),
    })
}

/// Whether a line is one of HAProxy's, with or without a syslog header.
pub(crate) fn is_line(text: &str, received: i64) -> bool {
    parse(unwrapped(text, received).0).is_some()
}

fn add(line: &Line<'_>, host: &str, entry: &Entry<'_>, sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let (client, client_port) = address_and_port(line.client);
    let request = request_line(line.request.unwrap_or_default());
    let times: Vec<i64> = line
        .times
        .split('/')
        .map(|time| time.trim_start_matches('+').parse().unwrap_or(-1))
        .collect();
    // -1 stands for a phase that was not reached.
    let known = |index: usize| times.get(index).copied().filter(|time| *time >= 0);
    let is_http = line.request.is_some();
    let frontend = line.frontend.strip_suffix('~');
    let flags_ok = line.termination.starts_with("--");
    let row = AccessRow {
        time: line.time,
        vendor: "HAProxy Technologies",
        product: "HAProxy",
        status: if line.status == "-1" { "0" } else { line.status },
        flags: line.termination,
        host: if host.is_empty() { &entry.place.node } else { host },
        client,
        client_port,
        method: request.method,
        url: &request.target,
        version: request.version,
        upstream_time: if is_http { known(3) } else { None },
        duration: times.last().copied().filter(|time| *time >= 0),
        response_bytes: line.bytes.parse().ok(),
        service_full: line.backend,
        service: dash(line.server),
        route: frontend.unwrap_or(line.frontend),
        // A tilde marks a frontend that ended TLS.
        protocol: match (is_http, frontend.is_some()) {
            (true, true) => "HTTPS",
            (true, false) => "HTTP",
            (false, _) => "TCP",
        },
        user_agent: line.headers.split('|').find(|header| header.contains('/')).unwrap_or_default(),
        pod: &entry.place.pod,
        raw: entry.text,
        ..AccessRow::default()
    };
    if is_http {
        return sink.request(row);
    }
    sink.proxy_message(AccessRow {
        result: if flags_ok { "Success" } else { "Failure" },
        severity: if flags_ok { "Informational" } else { "Low" },
        event_type: "NetworkSession",
        ..row
    })
}

/// Lines about the proxy itself: `Server web/web-1 is DOWN, reason: ...`, and failed handshakes.
fn notice(text: &str, host: &str, entry: &Entry<'_>, sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let known = [
        "Server ",
        "Backend ",
        "Proxy ",
        "backend ",
        "frontend ",
        "Connect from ",
        "Health check ",
    ];
    // `[NOTICE] (1) : text`, as it writes to standard error.
    let level = text
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .map_or("", |(level, _)| level.trim());
    let is_level = matches!(level, "NOTICE" | "WARNING" | "ALERT" | "INFO" | "DEBUG");
    let failed = text.contains("SSL handshake failure") || text.contains("Connection error");
    if !is_level && !failed && !known.iter().any(|start| text.starts_with(start)) {
        sink.unknown_line(entry.text, "an HTTP or TCP log line of HAProxy, or one of its notices");
        return Ok(());
    }
    let down = failed || level == "ALERT" || text.contains(" is DOWN") || text.contains("no server available");
    sink.proxy_message(AccessRow {
        time: entry.time.unwrap_or(sink.received),
        vendor: "HAProxy Technologies",
        product: "HAProxy",
        severity: if down { "Medium" } else { "Informational" },
        message: text,
        host: if host.is_empty() { &entry.place.node } else { host },
        pod: &entry.place.pod,
        raw: entry.text,
        ..AccessRow::default()
    })
}
