//! Lines of pods: rows of ContainerLogV2 (learn.microsoft.com, "ContainerLogV2"), from CRI files, Docker's json-file and the records of
//! shippers.

use std::borrow::Cow;

use super::control_plane::is_audit_event;
use crate::decode::{Sink, SourceError};
use crate::entries::{Entry, entries};
use crate::formats;
use crate::framing::Reader;
use crate::json;
use crate::lines::{Pairs, level_name};
use crate::tables::ContainerLogRow;

pub(crate) fn decode(body: &[u8], sink: &mut Sink<'_>) -> Result<(), SourceError> {
    entries(body, sink, &mut |sink, entry| line(entry, sink))
}

fn line(entry: &Entry<'_>, sink: &mut Sink<'_>) -> Result<(), SourceError> {
    // An API server that writes its audit log to standard output: the events belong in their own table, and are masked there.
    if is_audit_event(entry.text) {
        return Reader::new(formats::KUBERNETES_AUDIT, sink).body(entry.text.as_bytes());
    }
    let place = entry.place;
    let message = message(entry.text);
    sink.container_log(&ContainerLogRow {
        time: entry.time.unwrap_or(sink.received),
        cluster: "",
        computer: &place.node,
        container_id: &place.container_id,
        container: &place.container,
        metadata: Some(place.metadata.as_str()).filter(|metadata| !metadata.is_empty()),
        level: level(entry.text),
        message: Some(&message),
        stream: entry.stream,
        pod: &place.pod,
        namespace: &place.namespace,
    })?;
    sink.accept();
    Ok(())
}

/// An object as it is, any other line as a JSON string.
fn message(text: &str) -> Cow<'_, str> {
    if text.starts_with('{') && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() {
        return if json::is_loose(text) {
            Cow::Owned(json::compact(text))
        } else {
            Cow::Borrowed(text)
        };
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    json::push_string(&mut quoted, text);
    Cow::Owned(quoted)
}

/// `LogLevel`, as far as the line says it in one of the usual places: `UNKNOWN` rather than a guess from words of the text.
pub(crate) fn level(text: &str) -> &'static str {
    let found = if text.starts_with('{') {
        level_of_json(text)
    } else if let Some(level) = klog_level(text) {
        level
    } else {
        level_of_text(text)
    };
    if found.is_empty() { "UNKNOWN" } else { found }
}

fn level_of_json(text: &str) -> &'static str {
    for name in [
        "\"level\":",
        "\"severity\":",
        "\"lvl\":",
        "\"log.level\":",
        "\"levelname\":",
        "\"loglevel\":",
    ] {
        let Some(at) = text.find(name) else { continue };
        let value = text.get(at + name.len()..).unwrap_or_default().trim_start();
        if let Some(word) = value.strip_prefix('"').and_then(|value| value.split('"').next()) {
            return level_name(word);
        }
        // pino and bunyan count.
        let number = value.split([',', '}']).next().and_then(|number| number.trim().parse::<u32>().ok());
        return match number {
            Some(10) => "TRACE",
            Some(20) => "DEBUG",
            Some(30) => "INFO",
            Some(40) => "WARNING",
            Some(50) => "ERROR",
            Some(60) => "CRITICAL",
            _ => "",
        };
    }
    ""
}

fn klog_level(text: &str) -> Option<&'static str> {
    let bytes = text.as_bytes();
    let level = match bytes.first()? {
        b'I' => "INFO",
        b'W' => "WARNING",
        b'E' => "ERROR",
        b'F' => "CRITICAL",
        _ => return None,
    };
    let header = bytes.get(1..5)?.iter().all(u8::is_ascii_digit) && bytes.get(5) == Some(&b' ') && bytes.get(8) == Some(&b':');
    header.then_some(level)
}

fn level_of_text(text: &str) -> &'static str {
    let head = text
        .get(..text.len().min(160))
        .or_else(|| text.get(..text.floor_char_boundary(160)))
        .unwrap_or_default();
    if head.contains("level=") || head.contains("lvl=") {
        return Pairs::new(head)
            .find(|(key, ..)| matches!(*key, "level" | "lvl"))
            .map_or("", |(_, value, _)| level_name(value));
    }
    // `2026-01-15 10:00:00 ERROR text`, `[error] text`, `ERROR: text`: a level among the first words, in capitals or brackets.
    for word in head.split_ascii_whitespace().take(4) {
        let bare = word.trim_matches(|character| matches!(character, '[' | ']' | ':' | '(' | ')' | '|'));
        let marked = bare.len() != word.len();
        let capitals = bare.len() > 2 && bare.bytes().all(|byte| byte.is_ascii_uppercase());
        if bare.len() > 2 && (marked || capitals) {
            let level = level_name(bare);
            if !level.is_empty() {
                return level;
            }
        }
    }
    ""
}
