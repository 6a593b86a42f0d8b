//! The journal of systemd: its export format (lines `KEY=value`, binary values with their length, an empty line behind each entry) and
//! its JSON (an object an entry) (systemd.io, "Journal Export Formats"). Rows of Syslog.

use serde_json::Value;

use super::{login, node_services, syslog};
use crate::decode::{Sink, SourceError};
use crate::json;
use crate::klog;
use crate::lines::level_name;
use crate::tables::SyslogRow;

/// The fields that rows are made of; the last value of a field counts.
#[derive(Debug, Default)]
struct Entry {
    message: String,
    priority: Option<usize>,
    facility: Option<usize>,
    identifier: String,
    unit: String,
    comm: String,
    pid: Option<i64>,
    host: String,
    /// When the journal took it
    time: Option<i64>,
    /// When the program sent it
    sent: Option<i64>,
    fields: usize,
}

impl Entry {
    fn set(&mut self, name: &str, value: &str) {
        self.fields += 1;
        let number = || value.trim().parse::<i64>().ok();
        match name {
            "MESSAGE" => value.clone_into(&mut self.message),
            "PRIORITY" => self.priority = value.trim().parse().ok(),
            "SYSLOG_FACILITY" => self.facility = value.trim().parse().ok(),
            "SYSLOG_IDENTIFIER" => value.clone_into(&mut self.identifier),
            "_SYSTEMD_UNIT" => value.clone_into(&mut self.unit),
            "_COMM" => value.clone_into(&mut self.comm),
            "_PID" => self.pid = number(),
            "SYSLOG_PID" if self.pid.is_none() => self.pid = number(),
            "_HOSTNAME" => value.clone_into(&mut self.host),
            "__REALTIME_TIMESTAMP" => self.time = number(),
            "_SOURCE_REALTIME_TIMESTAMP" => self.sent = number(),
            _ => {}
        }
    }
}

pub(crate) fn decode(body: &[u8], sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    if body.trim_ascii_start().starts_with(b"{") || body.trim_ascii_start().starts_with(b"[") {
        return decode_json(body, sink);
    }
    let mut at = 0;
    while at < body.len() {
        let start = at;
        let (entry, next) = match export_entry(body, at) {
            Ok(read) => read,
            Err(Broken { detail, next }) => {
                sink.reject("not a journal entry", detail, body.get(start..next).unwrap_or_default());
                at = next.max(start + 1);
                continue;
            }
        };
        at = next;
        if entry.fields > 0 {
            row(&entry, body.get(start..next).unwrap_or_default(), sink)?;
        }
    }
    Ok(())
}

struct Broken {
    detail: &'static str,
    next: usize,
}

/// Reads the fields up to an empty line.
fn export_entry(body: &[u8], mut at: usize) -> Result<(Entry, usize), Broken> {
    let mut entry = Entry::default();
    loop {
        let rest = body.get(at..).unwrap_or_default();
        if rest.is_empty() {
            return Ok((entry, at));
        }
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = rest.get(..end).unwrap_or_default();
        let next = (at + end + 1).min(body.len());
        if line.is_empty() || line == b"\r" {
            return Ok((entry, next));
        }
        if let Some(equals) = memchr::memchr(b'=', line) {
            let (name, value) = line.split_at(equals);
            entry.set(
                &String::from_utf8_lossy(name),
                &String::from_utf8_lossy(value.get(1..).unwrap_or_default()),
            );
            at = next;
            continue;
        }
        let broken = |detail| Broken {
            detail,
            next: behind_empty_line(body, at),
        };
        if !line
            .iter()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_')
        {
            return Err(broken("a line is neither KEY=value nor the name of a binary field"));
        }
        // 64 bits of length, the value, a line end.
        let length = body
            .get(next..next + 8)
            .and_then(|bytes| bytes.try_into().ok())
            .map(u64::from_le_bytes)
            .and_then(|length| usize::try_from(length).ok())
            .filter(|length| *length <= body.len());
        let value = length.and_then(|length| body.get(next + 8..next + 8 + length));
        let Some(value) = value else {
            return Err(broken("a binary field is longer than the body"));
        };
        entry.set(&String::from_utf8_lossy(line), &String::from_utf8_lossy(value));
        at = next + 8 + value.len();
        at += usize::from(body.get(at) == Some(&b'\n'));
    }
}

fn behind_empty_line(body: &[u8], at: usize) -> usize {
    memchr::memmem::find(body.get(at..).unwrap_or_default(), b"\n\n").map_or(body.len(), |found| at + found + 2)
}

fn decode_json(body: &[u8], sink: &mut Sink<'_>) -> Result<(), SourceError> {
    if body.trim_ascii_start().starts_with(b"[") {
        for record in json::records(body) {
            match record {
                Ok(record) => json_entry(record.as_bytes(), sink)?,
                Err(error) => sink.reject("not JSON", &error.message, body.get(error.at..).unwrap_or_default()),
            }
        }
        return Ok(());
    }
    for line in crate::lines::raw_lines(body) {
        json_entry(line, sink)?;
    }
    Ok(())
}

fn json_entry(line: &[u8], sink: &mut Sink<'_>) -> Result<(), SourceError> {
    if sink.too_large(line) {
        return Ok(());
    }
    let object = match serde_json::from_slice::<serde_json::Map<String, Value>>(line) {
        Ok(object) => object,
        Err(error) => {
            sink.reject("not JSON", &error.to_string(), line);
            return Ok(());
        }
    };
    let mut entry = Entry::default();
    for (name, value) in &object {
        match value {
            Value::String(text) => entry.set(name, text),
            // A field that came more than once.
            Value::Array(items) if items.iter().any(|item| item.is_string() || item.is_array()) => {
                if let Some(Value::String(text)) = items.last() {
                    entry.set(name, text);
                }
            }
            // Bytes that are no text.
            Value::Array(items) => {
                let bytes: Vec<u8> = items.iter().filter_map(|item| u8::try_from(item.as_u64()?).ok()).collect();
                entry.set(name, &String::from_utf8_lossy(&bytes));
            }
            Value::Number(number) => entry.set(name, &number.to_string()),
            _ => {}
        }
    }
    row(&entry, line, sink)
}

fn row(entry: &Entry, raw: &[u8], sink: &mut Sink<'_>) -> Result<(), SourceError> {
    if entry.time.is_none() && entry.message.is_empty() {
        sink.reject("not a journal entry", "it has neither __REALTIME_TIMESTAMP nor MESSAGE", raw);
        return Ok(());
    }
    let unit = entry.unit.strip_suffix(".service").unwrap_or(&entry.unit);
    let program = [entry.identifier.as_str(), &entry.comm, unit]
        .into_iter()
        .find(|name| !name.is_empty())
        .unwrap_or_default();
    let time = entry.time.or(entry.sent).unwrap_or(sink.received);
    // kubelet and the runtimes log everything at one priority: their own header knows better.
    let own = own_severity(&entry.message, time);
    let priority = entry.priority.map(syslog::severity_name).unwrap_or_default();
    sink.syslog(&SyslogRow {
        time,
        computer: &entry.host,
        event_time: entry.sent.or(entry.time),
        facility: entry.facility.map_or("daemon", syslog::facility_name),
        host: &entry.host,
        process: entry.pid,
        program,
        severity: if own.is_empty() { priority } else { own },
        message: entry.message.trim_end_matches('\n'),
        ..SyslogRow::default()
    })?;
    if let Some(login) = login::parse(program, &entry.message) {
        login::row(&login, time, &entry.host, &entry.message, sink)?;
    }
    sink.accept();
    Ok(())
}

fn own_severity(message: &str, time: i64) -> &'static str {
    if message.starts_with("time=") {
        let level = crate::lines::Pairs::new(message).take(3).find(|(key, ..)| *key == "level");
        return level.map_or("", |(_, value, _)| node_services::severity(level_name(value)));
    }
    if klog::starts_record(message) && !message.starts_with('{') {
        return node_services::severity(klog::parse(message, time).level);
    }
    ""
}
