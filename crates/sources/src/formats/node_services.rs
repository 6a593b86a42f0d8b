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

pub(crate) fn decode(body: &[u8], sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let file = sink.context.origin.rsplit('/').next().unwrap_or_default().to_owned();
    let by_path = SERVICES.into_iter().find(|name| file.contains(name)).unwrap_or_default();
    entries(body, sink, &mut |sink, entry| {
        let text = entry.text;
        if syslog::has_header(text, sink.received) {
            return syslog::line(text, sink);
        }
        let reference = entry.time.unwrap_or(sink.received);
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
            computer: &entry.place.node,
            event_time: time,
            facility: "daemon",
            host: &entry.place.node,
            process: parsed.process,
            program: if program == "cri-o" { "crio" } else { program },
            severity: severity(level),
            message: text,
            ..SyslogRow::default()
        })?;
        sink.accept();
        Ok(())
    })
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
