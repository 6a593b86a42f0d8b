//! Lines of Kubernetes' own components: klog text, the JSON of `--logging-format=json` and of etcd, etcd's older text.
//!
//! klog's header is `Lmmdd hh:mm:ss.uuuuuu PID file:line] `, without year and zone: the year comes from the arrival, the
//! zone is taken to be UTC, which control planes run in.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json::Text;
use crate::time;

/// What a line says about itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    /// INFO, WARNING, ERROR, FATAL, DEBUG or empty
    pub(crate) level: &'static str,
    /// Microseconds since 1970
    pub(crate) time: Option<i64>,
    /// Process or thread
    pub(crate) process: Option<i64>,
    /// `file.go:123`
    pub(crate) file: Cow<'a, str>,
    /// Text without the header
    pub(crate) message: Cow<'a, str>,
}

/// Whether a line begins a record, rather than going on with the one before.
pub(crate) fn starts_record(line: &str) -> bool {
    match line.as_bytes().first() {
        Some(b'{') => true,
        Some(b'0'..=b'9') => is_capnslog(line),
        Some(b'I' | b'W' | b'E' | b'F') => header(line).is_some(),
        _ => false,
    }
}

/// Whether a line is of etcd's older form.
pub(crate) fn is_capnslog(line: &str) -> bool {
    parse_capnslog(line).is_some()
}

/// Reads a line; one without a header is all message. `reference` is about when it was written, in microseconds.
pub(crate) fn parse(line: &str, reference: i64) -> Line<'_> {
    let line = line.trim_end();
    let parsed = match line.as_bytes().first() {
        Some(b'{') => parse_json(line),
        Some(b'0'..=b'9') => parse_capnslog(line),
        _ => parse_header(line, reference),
    };
    parsed.unwrap_or_else(|| Line {
        message: line.into(),
        ..Line::default()
    })
}

/// What stands in a header, the time without its year.
struct Header<'a> {
    level: &'static str,
    month: i64,
    day: i64,
    clock: i64,
    process: i64,
    file: &'a str,
    message: &'a str,
}

fn header(line: &str) -> Option<Header<'_>> {
    let bytes = line.as_bytes();
    let level = match bytes.first()? {
        b'I' => "INFO",
        b'W' => "WARNING",
        b'E' => "ERROR",
        b'F' => "FATAL",
        _ => return None,
    };
    let month = time::digits(bytes, 1, 2)?;
    let day = time::digits(bytes, 3, 2)?;
    if bytes.get(5) != Some(&b' ') || bytes.get(14) != Some(&b'.') {
        return None;
    }
    let clock = time::parse_clock(bytes, 6)? + time::digits(bytes, 15, 6)?;
    let rest = line.get(21..)?;
    let close = memchr::memchr(b']', rest.as_bytes())?;
    let (process, file) = rest.get(..close)?.trim_start().split_once(' ')?;
    Some(Header {
        level,
        month,
        day,
        clock,
        process: process.parse().ok()?,
        file: file.trim(),
        message: rest.get(close + 1..)?.trim_start(),
    })
}

fn parse_header(line: &str, reference: i64) -> Option<Line<'_>> {
    let header = header(line)?;
    Some(Line {
        level: header.level,
        time: time::nearest_year(header.month, header.day, header.clock, reference),
        process: Some(header.process),
        file: header.file.into(),
        message: header.message.into(),
    })
}

/// etcd before 3.4: `2026-01-15 10:00:02.000312 W | etcdserver: text`.
fn parse_capnslog(line: &str) -> Option<Line<'_>> {
    let (time, end) = time::parse_local(line)?;
    let (level, rest) = line.get(end..)?.strip_prefix(' ')?.split_once(" | ")?;
    let level = match level {
        "T" | "D" => "DEBUG",
        "I" | "N" => "INFO",
        "W" => "WARNING",
        "E" => "ERROR",
        "C" => "FATAL",
        _ => return None,
    };
    // The package that wrote it stands where klog has a file.
    let (file, message) = rest.split_once(": ").unwrap_or(("", rest));
    Some(Line {
        level,
        time: Some(time),
        process: None,
        file: file.into(),
        message: message.into(),
    })
}

#[derive(Deserialize)]
struct JsonLine<'a> {
    #[serde(borrow, default)]
    level: Option<&'a RawValue>,
    #[serde(borrow, default)]
    ts: Option<&'a RawValue>,
    #[serde(borrow, default)]
    caller: Text<'a>,
    #[serde(borrow, default)]
    msg: Text<'a>,
    #[serde(borrow, default)]
    err: Option<&'a RawValue>,
}

fn parse_json(line: &str) -> Option<Line<'_>> {
    if !line.starts_with('{') {
        return None;
    }
    let parsed: JsonLine<'_> = serde_json::from_str(line).ok()?;
    let stated = parsed.level.map(|level| level.get().trim_matches('"').to_ascii_lowercase());
    let level = match stated.as_deref() {
        Some("debug") => "DEBUG",
        Some("info") => "INFO",
        Some("warn" | "warning") => "WARNING",
        Some("error" | "dpanic") => "ERROR",
        Some("fatal" | "panic") => "FATAL",
        // Kubernetes' JSON has no level: errors are the lines with `err`.
        _ if parsed.err.is_some() => "ERROR",
        _ if parsed.ts.is_some() => "INFO",
        _ => "",
    };
    Some(Line {
        level,
        time: parsed.ts.and_then(|ts| number_or_text_time(ts.get())),
        process: None,
        file: parsed.caller.0,
        // The whole object: its free keys are the message's values.
        message: if parsed.msg.is_empty() { line.into() } else { parsed.msg.0 },
    })
}

/// A time as RFC 3339 text, or a number since 1970 in a unit told by its size.
pub(crate) fn number_or_text_time(raw: &str) -> Option<i64> {
    if raw.starts_with('"') {
        return time::parse_rfc3339(raw.trim_matches('"'));
    }
    time::epoch(raw.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const JANUARY_2026: i64 = 1_768_471_200_000_000;

    #[test]
    fn a_klog_header_is_taken_apart() {
        let line = parse(
            "E0115 10:00:01.123456    4711 replica_set.go:626] \"Too many\" replicaSet=\"shop/web\"\n",
            JANUARY_2026,
        );
        assert_eq!(line.level, "ERROR");
        assert_eq!(line.time, Some(JANUARY_2026 + 1_123_456));
        assert_eq!(line.process, Some(4711));
        assert_eq!(line.file, "replica_set.go:626");
        assert_eq!(line.message, "\"Too many\" replicaSet=\"shop/web\"");
    }

    #[test]
    fn december_read_in_january_is_last_year() {
        let line = parse("I1231 23:59:59.000000       1 a.go:1] late", JANUARY_2026);
        assert_eq!(line.time, time::parse_rfc3339("2025-12-31T23:59:59Z"));
    }

    #[test]
    fn json_lines_and_lines_without_header_are_read() {
        let etcd = parse(
            r#"{"level":"warn","ts":"2026-01-15T10:00:00Z","caller":"etcdserver/util.go:170","msg":"slow"}"#,
            0,
        );
        assert_eq!((etcd.level, etcd.time, &*etcd.message), ("WARNING", Some(JANUARY_2026), "slow"));
        let kubernetes = parse(r#"{"ts":1768471200000.5,"caller":"a.go:1","msg":"no fit","err":"x"}"#, 0);
        assert_eq!((kubernetes.level, kubernetes.time), ("ERROR", Some(JANUARY_2026 + 500)));
        let old = parse("2026-01-15 10:00:00.000312 W | etcdserver: apply took too long: 412ms", 0);
        assert_eq!(
            (old.level, old.time, &*old.file, &*old.message),
            ("WARNING", Some(JANUARY_2026 + 312), "etcdserver", "apply took too long: 412ms")
        );
        let bare = parse("  continued", 0);
        assert_eq!((bare.level, bare.time, &*bare.message), ("", None, "  continued"));
    }
}
