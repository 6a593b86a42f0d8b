//! Syslog messages that a shipper has taken apart and sent as JSON: rsyslog's templates (`syslogtag`, `syslogfacility-text`), Fluent Bit's
//! and Logstash's syslog parsers (`pri`, `ident`, `facility_label`), syslog-ng's `format-json` (`FACILITY`, `PROGRAM`). Rows of Syslog,
//! as if they had come as they were.

use serde_json::{Map, Value};

use super::Carried;
use crate::decode::{Sink, SourceError};
use crate::formats::syslog::{facility_name, severity_name};
use crate::formats::{custom, login};
use crate::json;
use crate::tables::SyslogRow;

/// Adds the row of such a record; `false` when it is none.
pub(super) fn add(members: &Map<String, Value>, record: &Carried<'_>, sink: &mut Sink<'_>) -> Result<bool, SourceError> {
    let text = |names: &[&str]| {
        names
            .iter()
            .find_map(|name| members.get(*name))
            .map(|value| json::plain(value).into_owned())
            .unwrap_or_default()
    };
    let has = |name: &str| members.contains_key(name);
    let tagged = has("syslogtag") || has("syslogfacility") || has("syslogfacility-text") || has("ident");
    let pair = (has("facility") && has("severity")) || (has("FACILITY") && has("PROGRAM")) || has("facility_label");
    if !(tagged || pair) {
        return Ok(false);
    }
    let message = text(&["message", "msg", "MESSAGE", "short_message"]);
    if message.is_empty() {
        return Ok(false);
    }
    let priority = text(&["pri", "PRI", "priority"]).trim_matches(['<', '>']).parse::<usize>().ok();
    let facility = text(&["syslogfacility-text", "facility_label", "facility", "FACILITY", "syslogfacility"]);
    let facility = match (facility.parse::<usize>(), priority) {
        (Ok(number), _) => facility_name(number).to_owned(),
        (Err(_), Some(priority)) if facility.is_empty() => facility_name(priority / 8).to_owned(),
        _ => facility,
    };
    let severity = text(&["syslogseverity-text", "severity_label", "severity", "PRIORITY", "syslogseverity"]);
    let severity = match (severity.parse::<usize>(), priority) {
        (Ok(number), _) => severity_name(number).to_owned(),
        (Err(_), Some(priority)) if severity.is_empty() => severity_name(priority % 8).to_owned(),
        _ => severity,
    };
    let host = match text(&["host", "hostname", "HOST", "fromhost", "logsource"]) {
        host if host.is_empty() => record.host.to_owned(),
        host => host,
    };
    // `sshd[991]:` is program and process.
    let tag = text(&["programname", "PROGRAM", "program", "ident", "app-name", "syslogtag", "tag"]);
    let (program, rest) = tag.split_once(['[', ':']).unwrap_or((&tag, ""));
    let process = text(&["procid", "pid", "PID"]);
    let process = process.parse().ok().or_else(|| rest.split(']').next()?.parse().ok());
    let time = custom::time_of(members).or_else(|| crate::time::parse_any(&text(&["timereported", "timegenerated", "DATE", "ISODATE"])));
    let time = time.or(record.time);
    sink.syslog(&SyslogRow {
        time: time.unwrap_or(sink.received),
        computer: &host,
        event_time: time,
        facility: &facility,
        host_ip: &text(&["fromhost-ip", "SOURCEIP"]),
        host: &host,
        process,
        program: program.trim(),
        severity: &severity,
        message: message.trim_start(),
        ..SyslogRow::default()
    })?;
    if let Some(login) = login::parse(program, message.trim_start()) {
        login::row(&login, time.unwrap_or(sink.received), &host, message.trim_start(), sink)?;
    }
    sink.accept();
    Ok(true)
}
