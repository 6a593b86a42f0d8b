//! Syslog: RFC 5424, RFC 3164 and what is common of the latter, framed by octet counts or line ends (RFC 6587). Messages in CEF or
//! LEEF become rows of CommonSecurityLog; logins give a row of their own besides.

use super::{cef, login};
use crate::decode::{Sink, SourceError};
use crate::lines::{Cursor, dash};
use crate::tables::SyslogRow;
use crate::time;

const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp", "audit", "alert", "clock",
    "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];
const SEVERITIES: [&str; 8] = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

/// Name of a severity's number, as journald has it, too.
pub(crate) fn severity_name(number: usize) -> &'static str {
    SEVERITIES.get(number).copied().unwrap_or_default()
}

/// Name of a facility's number.
pub(crate) fn facility_name(number: usize) -> &'static str {
    FACILITIES.get(number).copied().unwrap_or_default()
}

/// A message, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    pub(crate) facility: &'static str,
    pub(crate) severity: &'static str,
    pub(crate) time: Option<i64>,
    pub(crate) host: &'a str,
    pub(crate) program: &'a str,
    pub(crate) process: Option<i64>,
    pub(crate) text: &'a str,
}

pub(crate) fn decode(body: &[u8], sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let mut at = 0;
    while let Some((frame, next)) = next_frame(body, at) {
        at = next;
        if frame.trim_ascii().is_empty() || sink.too_large(frame) {
            continue;
        }
        line(&String::from_utf8_lossy(frame), sink)?;
    }
    Ok(())
}

/// The message at a place, and where the next begins. Which framing it has is looked at each time, so that one bad count does not
/// spoil what follows.
fn next_frame(body: &[u8], mut at: usize) -> Option<(&[u8], usize)> {
    while let Some(b'\n' | b'\r' | 0 | b' ') = body.get(at) {
        at += 1;
    }
    let rest = body.get(at..).filter(|rest| !rest.is_empty())?;
    let digits = rest.iter().take(7).take_while(|byte| byte.is_ascii_digit()).count();
    if digits > 0 && rest.get(digits) == Some(&b' ') && rest.get(digits + 1) == Some(&b'<') {
        let count: usize = std::str::from_utf8(rest.get(..digits)?).ok()?.parse().ok()?;
        if let Some(frame) = rest.get(digits + 1..digits + 1 + count) {
            return Some((frame, at + digits + 1 + count));
        }
        // The last message was cut off: what there is of it.
        if memchr::memchr(b'\n', rest).is_none() {
            return Some((rest.get(digits + 1..)?, body.len()));
        }
    }
    let end = memchr::memchr2(b'\n', 0, rest).unwrap_or(rest.len());
    Some((rest.get(..end)?, at + end + 1))
}

/// Whether a line has a header of syslog: a priority, or time and program as in `/var/log/syslog`.
pub(crate) fn has_header(line: &str, reference: i64) -> bool {
    if line.starts_with('<') {
        return priority(line).is_some();
    }
    let message = parse(line, reference);
    message.time.is_some() && !message.program.is_empty()
}

/// `<PRI>` at the start: facility, severity and what follows.
fn priority(line: &str) -> Option<(usize, usize, &str)> {
    let (digits, rest) = line.strip_prefix('<')?.split_once('>')?;
    let number: usize = digits.parse().ok().filter(|number| *number < 192 && digits.len() <= 3)?;
    Some((number / 8, number % 8, rest))
}

/// Reads a message. What has no header is all text, of facility user and severity notice (RFC 3164, 4.3.3).
pub(crate) fn parse(line: &str, reference: i64) -> Message<'_> {
    let line = line.trim_end_matches(['\n', '\r', '\0']);
    let (mut message, rest) = match priority(line) {
        Some((facility, severity, rest)) => (
            Message {
                facility: facility_name(facility),
                severity: severity_name(severity),
                ..Message::default()
            },
            rest,
        ),
        None => (Message::default(), line),
    };
    if let Some(rest) = rest.strip_prefix("1 ").filter(|_| !message.facility.is_empty())
        && rfc5424(rest, &mut message).is_some()
    {
        return message;
    }
    if rfc3164(rest, reference, &mut message).is_none() {
        message.text = rest;
        if message.facility.is_empty() {
            (message.facility, message.severity) = ("user", "notice");
        }
    }
    message
}

/// `TIME HOST APP PROCID MSGID SD TEXT`.
fn rfc5424<'a>(rest: &'a str, message: &mut Message<'a>) -> Option<()> {
    let mut cursor = Cursor::new(rest);
    let time = dash(cursor.word()?);
    let host = dash(cursor.word()?);
    let program = dash(cursor.word()?);
    let process = dash(cursor.word()?);
    cursor.word()?;
    if cursor.skip("-").is_none() {
        while cursor.rest.starts_with('[') {
            structured_data(&mut cursor)?;
        }
    }
    let time = if time.is_empty() { None } else { Some(time::parse_rfc3339(time)?) };
    *message = Message {
        time,
        host,
        program,
        process: process.parse().ok(),
        text: cursor.rest.trim_start_matches(' ').trim_start_matches('\u{feff}'),
        ..*message
    };
    Some(())
}

/// Passes over one element `[id name="value" ...]`, in whose values `\]` and `\"` are escaped.
fn structured_data(cursor: &mut Cursor<'_>) -> Option<()> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, character) in cursor.rest.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ']' if !quoted => {
                cursor.rest = cursor.rest.get(at + 1..)?;
                return Some(());
            }
            _ => {}
        }
    }
    None
}

/// `TIME HOST TAG[PID]: TEXT`, the host missing on local sockets; the time also as RFC 3339, as rsyslog writes files.
fn rfc3164<'a>(rest: &'a str, reference: i64, message: &mut Message<'a>) -> Option<()> {
    let (time, rest) = match time::parse_bsd(rest, reference) {
        Some((time, end)) => (time, rest.get(end..)?),
        None => {
            let (word, rest) = rest.split_once(' ')?;
            (time::parse_rfc3339(word)?, rest)
        }
    };
    // Cisco ends the time with a colon, some put a zone behind it.
    let rest = rest.strip_prefix(':').unwrap_or(rest).trim_start_matches(' ');
    let (first, behind) = rest.split_once(' ').unwrap_or((rest, ""));
    let first_is_tag = first.ends_with(':') || first.ends_with(']') || first.contains("]:");
    let is_product = rest.starts_with("CEF:") || rest.starts_with("LEEF:");
    let (host, rest) = if first_is_tag || is_product { ("", rest) } else { (first, behind) };
    let (program, process, text) = tag(rest.trim_start_matches(' '));
    *message = Message {
        time: Some(time),
        host,
        program,
        process,
        text,
        ..*message
    };
    Some(())
}

/// `TAG[PID]: TEXT`; a tag is at most 48 characters without blanks.
fn tag(rest: &str) -> (&str, Option<i64>, &str) {
    if rest.starts_with("CEF:") || rest.starts_with("LEEF:") {
        return ("", None, rest);
    }
    let Some(end) = rest.find([':', ' ', '[']).filter(|end| *end > 0 && *end <= 48) else {
        return ("", None, rest);
    };
    let (program, behind) = rest.split_at(end);
    let (process, behind) = match behind.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((process, behind)) => (process.parse().ok(), behind),
        None => (None, behind),
    };
    match behind.strip_prefix(':') {
        Some(text) => (program, process, text.strip_prefix(' ').unwrap_or(text)),
        None if process.is_some() => (program, process, behind.trim_start()),
        None => ("", None, rest),
    }
}

/// Adds the rows of a message.
pub(crate) fn line(line: &str, sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let message = parse(line, sink.received);
    if message.text.starts_with("CEF:") || message.text.starts_with("LEEF:") {
        return cef::message(message.text, &message, sink);
    }
    let time = message.time.unwrap_or(sink.received);
    // The sender of a datagram is the host when the message names none.
    let origin = sink.context.origin.clone();
    let address = if origin.parse::<std::net::IpAddr>().is_ok() {
        origin.as_str()
    } else {
        ""
    };
    let host = if message.host.is_empty() { address } else { message.host };
    sink.syslog(&SyslogRow {
        time,
        computer: host,
        event_time: message.time,
        facility: message.facility,
        host_ip: address,
        host,
        process: message.process,
        program: message.program,
        severity: message.severity,
        message: message.text,
        ..SyslogRow::default()
    })?;
    if let Some(login) = login::parse(message.program, message.text) {
        login::row(&login, time, host, message.text, sink)?;
    }
    sink.accept();
    Ok(())
}
