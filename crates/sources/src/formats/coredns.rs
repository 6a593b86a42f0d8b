//! CoreDNS: the query log of its plugin `log` in the common format, the failures of its plugin `errors`, and its other lines
//! (coredns.io, "log" and "errors"). Queries are rows of DnsQuery, the rest of AKSControlPlane with category coredns.

use crate::decode::{Sink, SourceError};
use crate::entries::{Entry, entries};
use crate::framing::Envelope;
use crate::lines::{Cursor, address_and_port};
use crate::tables::{ControlPlaneRow, DnsRow};

pub(crate) fn decode(body: &[u8], sink: &mut Sink<'_>) -> Result<(), SourceError> {
    entries(body, sink, &mut |sink, entry| {
        if let Some(query) = parse(entry.text) {
            return add(&query, entry, sink);
        }
        if let Some(failure) = failure(entry.text) {
            return add_failure(&failure, entry, sink);
        }
        other(entry, sink)
    })
}

/// A line `[INFO] 10.0.4.7:41000 - 1234 "A IN name. udp 54 false 512" NOERROR qr,aa,rd 106 0.000123s`.
struct Query<'a> {
    client: &'a str,
    port: Option<i64>,
    id: &'a str,
    kind: &'a str,
    class: &'a str,
    name: &'a str,
    protocol: &'a str,
    code: &'a str,
    flags: &'a str,
    seconds: &'a str,
}

fn parse(text: &str) -> Option<Query<'_>> {
    let mut cursor = Cursor::new(text);
    cursor.skip("[INFO] ")?;
    let (client, port) = address_and_port(cursor.word()?);
    port?;
    cursor.word().filter(|word| *word == "-")?;
    let id = cursor.word()?;
    let mut question = Cursor::new(cursor.between('"', '"')?);
    let (kind, class, name, protocol) = (question.word()?, question.word()?, question.word()?, question.word()?);
    Some(Query {
        client,
        port,
        id,
        kind,
        class,
        name,
        protocol,
        code: cursor.word()?,
        flags: cursor.word()?,
        seconds: cursor.word().and(cursor.word()).unwrap_or_default(),
    })
}

/// Whether a line is one of CoreDNS' query log.
pub(crate) fn is_line(text: &str) -> bool {
    parse(text).is_some()
}

fn add(query: &Query<'_>, entry: &Entry<'_>, sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let flag = |name: &str| Some(query.flags.split(',').any(|flag| flag == name));
    let seconds: Option<f64> = query.seconds.strip_suffix('s').and_then(|seconds| seconds.parse().ok());
    let code = code_number(query.code);
    sink.dns(&DnsRow {
        time: entry.time.unwrap_or(sink.received),
        vendor: "CNCF",
        product: "CoreDNS",
        schema_version: "0.1.7",
        event_type: "Query",
        sub_type: "response",
        count: Some(1),
        result: if query.code == "NOERROR" { "Success" } else { "Failure" },
        response: query.code,
        severity: "Informational",
        host: &entry.place.pod,
        action: if query.code == "REFUSED" { "Blocked" } else { "Allowed" },
        src: query.client,
        src_port: query.port,
        query: query.name.strip_suffix('.').unwrap_or(query.name),
        query_type: type_number(query.kind),
        query_type_name: query.kind,
        query_class: match query.class {
            "IN" => Some(1),
            "CH" => Some(3),
            "HS" => Some(4),
            "ANY" => Some(255),
            _ => None,
        },
        query_class_name: query.class,
        response_code: code,
        session: query.id,
        duration: seconds.map(|seconds| (seconds * 1e3).round() as i64),
        flags: &query.flags.replace(',', " ").to_uppercase(),
        authenticated: flag("ad"),
        authoritative: flag("aa"),
        checking_disabled: flag("cd"),
        recursion_available: flag("ra"),
        recursion_desired: flag("rd"),
        truncated: flag("tc"),
        protocol: match query.protocol {
            "tcp" => "TCP",
            _ => "UDP",
        },
        raw: entry.text,
        ..DnsRow::default()
    })?;
    sink.accept();
    Ok(())
}

/// A line `[ERROR] plugin/errors: 2 name. A: read udp 10.0.4.7:41000->10.0.0.2:53: i/o timeout`.
struct Failure<'a> {
    code: i64,
    name: &'a str,
    kind: &'a str,
    reason: &'a str,
}

fn failure(text: &str) -> Option<Failure<'_>> {
    let rest = text.strip_prefix("[ERROR] plugin/errors: ")?;
    let (question, reason) = rest.split_once(": ")?;
    let mut words = question.split(' ');
    Some(Failure {
        code: words.next()?.parse().ok()?,
        name: words.next()?,
        kind: words.next()?,
        reason,
    })
}

fn add_failure(failure: &Failure<'_>, entry: &Entry<'_>, sink: &mut Sink<'_>) -> Result<(), SourceError> {
    sink.dns(&DnsRow {
        time: entry.time.unwrap_or(sink.received),
        vendor: "CNCF",
        product: "CoreDNS",
        schema_version: "0.1.7",
        event_type: "Query",
        sub_type: "response",
        count: Some(1),
        result: "Failure",
        response: code_name(failure.code),
        message: failure.reason,
        severity: "Low",
        host: &entry.place.pod,
        query: failure.name.strip_suffix('.').unwrap_or(failure.name),
        query_type: type_number(failure.kind),
        query_type_name: failure.kind,
        response_code: Some(failure.code),
        raw: entry.text,
        ..DnsRow::default()
    })?;
    sink.accept();
    Ok(())
}

/// `[WARNING] plugin/kubernetes: text`, or anything else.
fn other(entry: &Entry<'_>, sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let parsed = entry.text.strip_prefix('[').and_then(|rest| rest.split_once("] "));
    let known = parsed.and_then(|(level, message)| {
        let level = match level {
            "DEBUG" => "DEBUG",
            "INFO" => "INFO",
            "WARNING" => "WARNING",
            "ERROR" => "ERROR",
            "FATAL" => "FATAL",
            _ => return None,
        };
        Some((level, message))
    });
    let Some((level, message)) = known else {
        return sink.control_plane_line(
            entry.text,
            &Envelope {
                category: "coredns".to_owned(),
                pod: entry.place.pod.clone(),
                stream: entry.stream.to_owned(),
                time: entry.time,
                ..Envelope::default()
            },
        );
    };
    sink.control_plane(&ControlPlaneRow {
        time: entry.time.unwrap_or(sink.received),
        category: "coredns",
        level,
        message,
        pod: &entry.place.pod,
        stream: entry.stream,
        container_id: &entry.place.container_id,
        raw: entry.text,
        ..ControlPlaneRow::default()
    })?;
    sink.accept();
    Ok(())
}

/// Response codes of the DNS (IANA, "Domain Name System (DNS) Parameters").
const CODES: [&str; 11] = [
    "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE",
];

/// Name of a response code.
pub(crate) fn code_name(code: i64) -> &'static str {
    usize::try_from(code)
        .ok()
        .and_then(|code| CODES.get(code))
        .copied()
        .unwrap_or_default()
}

fn code_number(name: &str) -> Option<i64> {
    CODES.iter().position(|known| *known == name).map(|index| index as i64)
}

/// Number of a record type (the same list).
pub(crate) fn type_number(name: &str) -> Option<i64> {
    let number = match name {
        "A" => 1,
        "NS" => 2,
        "CNAME" => 5,
        "SOA" => 6,
        "NULL" => 10,
        "PTR" => 12,
        "MX" => 15,
        "TXT" => 16,
        "AAAA" => 28,
        "SRV" => 33,
        "NAPTR" => 35,
        "DS" => 43,
        "RRSIG" => 46,
        "NSEC" => 47,
        "DNSKEY" => 48,
        "TLSA" => 52,
        "SVCB" => 64,
        "HTTPS" => 65,
        "AXFR" => 252,
        "ANY" => 255,
        "CAA" => 257,
        _ => return None,
    };
    Some(number)
}
