//! Lines of kubelet and container runtimes from files: klog, logfmt (containerd, CRI-O, Docker), or framed by syslog. Rows of Syslog;
//! the view KubeletLogs takes their headers apart. What comes through journald has a source of its own.

use super::syslog;
use crate::decode::{Sink, SourceError};
use crate::entries::entries;
use crate::klog;
use crate::lines::{Pairs, level_name};
use crate::tables::SyslogRow;
use crate::time;

/// Services whose name a path may tell.
const SERVICES: [&str; 8] = [
    "kubelet",
    "containerd",
    "crio",
    "cri-o",
    "dockerd",
    "cri-dockerd",
    "docker",
    "kube-proxy",
];

/// How long a line may become with those that go on with it.
const JOINED_LIMIT: usize = 64 << 10;

pub(crate) fn decode(body: &[u8], sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let file = sink.context.origin.rsplit('/').next().unwrap_or_default().to_owned();
    let by_path = SERVICES.into_iter().find(|name| file.contains(name)).unwrap_or_default();
    // A line and those behind it that are indented.
    let (mut text, mut time, mut node) = (String::new(), None, String::new());
    entries(body, sink, &mut |sink, entry| {
        if !text.is_empty() && entry.text.starts_with([' ', '\t']) && text.len() + entry.text.len() < JOINED_LIMIT {
            text.push('\n');
            text.push_str(entry.text);
            return Ok(());
        }
        if !text.is_empty() {
            line(&text, time, &node, by_path, sink)?;
        }
        entry.text.clone_into(&mut text);
        entry.place.node.clone_into(&mut node);
        time = entry.time;
        Ok(())
    })?;
    if text.is_empty() {
        Ok(())
    } else {
        line(&text, time, &node, by_path, sink)
    }
}

fn line(text: &str, framed: Option<i64>, node: &str, by_path: &str, sink: &mut Sink<'_>) -> Result<(), SourceError> {
    if syslog::has_header(text, sink.received) {
        return syslog::line(text, sink);
    }
    let reference = framed.unwrap_or(sink.received);
    let parsed = klog::parse(text, reference);
    let logfmt = if parsed.time.is_none() { logfmt(text) } else { None };
    let (time, level, by_form) = match &logfmt {
        Some((time, level)) => (*time, *level, "containerd"),
        None if parsed.time.is_some() => (parsed.time, parsed.level, "kubelet"),
        None => (None, "", ""),
    };
    let program = if by_path.is_empty() { by_form } else { by_path };
    sink.syslog(&SyslogRow {
        time: time.unwrap_or(reference),
        computer: node,
        event_time: time,
        facility: "daemon",
        host: node,
        process: parsed.process,
        program: if program == "cri-o" { "crio" } else { program },
        severity: severity(level),
        message: text,
        ..SyslogRow::default()
    })?;
    sink.accept();
    Ok(())
}

/// Time and level of a logfmt line.
fn logfmt(text: &str) -> Option<(Option<i64>, &'static str)> {
    if !text.starts_with("time=") && !text.starts_with("level=") && !text.starts_with("ts=") {
        return None;
    }
    let (mut time, mut level) = (None, "");
    for (key, value, _) in Pairs::new(text).take(3) {
        match key {
            "time" | "ts" => time = time::parse_any(value),
            "level" => level = level_name(value),
            _ => {}
        }
    }
    Some((time, level))
}

/// Syslog's name for a level of any of the forms here.
pub(crate) fn severity(level: &str) -> &'static str {
    match level {
        "FATAL" | "CRITICAL" => "crit",
        "ERROR" => "err",
        "WARNING" => "warning",
        "DEBUG" | "TRACE" => "debug",
        "INFO" => "info",
        _ => "",
    }
}
