//! Lines of Kubernetes' own components: klog text and the JSON of `--logging-format=json` and of etcd.
//!
//! klog's header is `Lmmdd hh:mm:ss.uuuuuu PID file:line] `, without year and zone: the year comes from the arrival, the
//! zone is taken to be UTC, which control planes run in.

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
    pub(crate) file: String,
    /// Text without the header
    pub(crate) message: std::borrow::Cow<'a, str>,
}

/// Reads a line; one without a header is all message. `reference` is about when it was written, in microseconds.
pub(crate) fn parse(line: &str, reference: i64) -> Line<'_> {
    let line = line.trim_end();
    parse_header(line, reference).or_else(|| parse_json(line)).unwrap_or_else(|| Line {
        message: line.into(),
        ..Line::default()
    })
}

fn parse_header(line: &str, reference: i64) -> Option<Line<'_>> {
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
    let close = rest.find("] ").or_else(|| rest.ends_with(']').then(|| rest.len() - 1))?;
    let (process, file) = rest.get(..close)?.trim_start().split_once(' ')?;
    let process = process.parse().ok()?;
    Some(Line {
        level,
        time: nearest_year(month, day, clock, reference),
        process: Some(process),
        file: file.trim().to_owned(),
        message: rest.get(close + 1..)?.trim_start().into(),
    })
}

/// The year that puts the time nearest to the reference, so that a line of 31 December read on 1 January is not a year off.
fn nearest_year(month: i64, day: i64, clock: i64, reference: i64) -> Option<i64> {
    let year = chrono::DateTime::from_timestamp_micros(reference).map(|moment| i64::from(chrono::Datelike::year(&moment)))?;
    [year - 1, year, year + 1]
        .into_iter()
        .filter_map(|candidate| Some(time::days_since_1970(candidate, month, day)? * 86_400_000_000 + clock))
        .min_by_key(|candidate| candidate.abs_diff(reference))
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
        file: parsed.caller.0.into_owned(),
        // The whole object: its free keys are the message's values.
        message: if parsed.msg.is_empty() { line.into() } else { parsed.msg.0 },
    })
}

/// A time as RFC 3339 text, or a number of seconds or milliseconds, told apart by size.
pub(crate) fn number_or_text_time(raw: &str) -> Option<i64> {
    if raw.starts_with('"') {
        return time::parse_rfc3339(raw.trim_matches('"'));
    }
    let number: f64 = raw.parse().ok()?;
    // 1e11 seconds are in the year 5138, 1e11 milliseconds in 1973.
    let microseconds = if number.abs() > 1e11 { number * 1e3 } else { number * 1e6 };
    (microseconds.abs() < 9e17).then_some(microseconds as i64)
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
        let bare = parse("  continued", 0);
        assert_eq!((bare.level, bare.time, &*bare.message), ("", None, "  continued"));
    }
}
