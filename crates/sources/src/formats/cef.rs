//! CEF (ArcSight, "Common Event Format") and LEEF 1.0 and 2.0 (IBM, "Log Event Extended Format"), bare or in syslog messages: rows of
//! CommonSecurityLog (learn.microsoft.com, "CEF and CommonSecurityLog field mapping").

use std::borrow::Cow;

use super::syslog::{self, Message};
use crate::decode::{Sink, SourceError};
use crate::lines;
use crate::time;

const TABLE: &str = "CommonSecurityLog";

pub(crate) fn decode(body: &[u8], sink: &mut Sink<'_>) -> Result<(), SourceError> {
    syslog::decode(body, sink)
}

pub(crate) fn decode_leef(body: &[u8], sink: &mut Sink<'_>) -> Result<(), SourceError> {
    for line in lines::lines(body) {
        if sink.too_large(line.as_bytes()) {
            continue;
        }
        // LEEF separates by tabs, which no header has: the message begins with its mark.
        match line.find("LEEF:") {
            Some(at) => {
                let header = syslog::parse(line.get(..at).unwrap_or_default(), sink.received);
                message(line.get(at..).unwrap_or_default(), &header, sink)?;
            }
            None => sink.unknown_line(&line, "LEEF:VERSION|VENDOR|PRODUCT|VERSION|EVENT|..."),
        }
    }
    Ok(())
}

/// Adds the row of a message that begins with `CEF:` or `LEEF:`; what is broken is a dead letter.
pub(crate) fn message(text: &str, header: &Message<'_>, sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let event = if text.starts_with("CEF:") { cef(text) } else { leef(text) };
    match event {
        Some(event) => row(&event, header, sink),
        None => {
            let expected = "CEF:0|VENDOR|PRODUCT|VERSION|CLASS|NAME|SEVERITY|key=value ... or LEEF:1.0|VENDOR|PRODUCT|VERSION|EVENT|...";
            sink.unknown_line(text, expected);
            Ok(())
        }
    }
}

#[derive(Debug, Default)]
struct Event<'a> {
    vendor: Cow<'a, str>,
    product: Cow<'a, str>,
    version: Cow<'a, str>,
    class: Cow<'a, str>,
    name: Cow<'a, str>,
    severity: Cow<'a, str>,
    pairs: Vec<(&'a str, Cow<'a, str>)>,
    leef: bool,
}

/// Fields of the header, parted by bars that no backslash is before, and what is behind the last of them.
fn header_fields(text: &str, count: usize) -> Option<(Vec<Cow<'_, str>>, &str)> {
    let bytes = text.as_bytes();
    let (mut fields, mut start, mut at) = (Vec::with_capacity(count), 0, 0);
    while fields.len() < count {
        match bytes.get(at)? {
            b'\\' => at += 2,
            b'|' => {
                let field = text.get(start..at)?;
                fields.push(if field.contains('\\') {
                    Cow::Owned(field.replace("\\|", "|").replace("\\\\", "\\"))
                } else {
                    Cow::Borrowed(field)
                });
                at += 1;
                start = at;
            }
            _ => at += 1,
        }
    }
    Some((fields, text.get(start..)?))
}

fn cef(text: &str) -> Option<Event<'_>> {
    let (fields, extension) = match header_fields(text.strip_prefix("CEF:")?, 7) {
        Some(read) => read,
        // Nothing behind the severity, not even its bar.
        None => {
            let closed = text.strip_prefix("CEF:")?;
            let (mut fields, severity) = header_fields(closed, 6)?;
            fields.push(Cow::Borrowed(severity));
            (fields, "")
        }
    };
    let mut fields = fields.into_iter().skip(1);
    Some(Event {
        vendor: fields.next()?,
        product: fields.next()?,
        version: fields.next()?,
        class: fields.next()?,
        name: fields.next()?,
        severity: fields.next()?,
        pairs: extension_pairs(extension),
        leef: false,
    })
}

/// `key=value key=value`: a value ends where ` key=` comes next; `\=`, `\\`, `\n` and `\r` are escaped.
fn extension_pairs(extension: &str) -> Vec<(&str, Cow<'_, str>)> {
    let bytes = extension.as_bytes();
    // Every `=` without a backslash ends a key, which begins behind the blank before it.
    let mut keys: Vec<(usize, usize)> = Vec::new();
    for equals in memchr::memchr_iter(b'=', bytes) {
        let backslashes = bytes
            .get(..equals)
            .unwrap_or_default()
            .iter()
            .rev()
            .take_while(|byte| **byte == b'\\')
            .count();
        if backslashes % 2 == 1 {
            continue;
        }
        let start = memchr::memrchr(b' ', bytes.get(..equals).unwrap_or_default()).map_or(0, |blank| blank + 1);
        let is_key = bytes.get(start..equals).is_some_and(|key| {
            !key.is_empty()
                && key
                    .iter()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'[' | b']'))
        });
        if is_key && keys.last().is_none_or(|(_, last)| start > *last) {
            keys.push((start, equals));
        }
    }
    let mut pairs = Vec::with_capacity(keys.len());
    for (index, (start, equals)) in keys.iter().enumerate() {
        let end = keys.get(index + 1).map_or(extension.len(), |(next, _)| *next);
        let key = extension.get(*start..*equals).unwrap_or_default();
        let value = extension.get(equals + 1..end).unwrap_or_default().trim_end();
        pairs.push((key, lines::unescape(value)));
    }
    pairs
}

fn leef(text: &str) -> Option<Event<'_>> {
    let inner = text.strip_prefix("LEEF:")?;
    let (fields, mut rest) = header_fields(inner, 5)?;
    let mut delimiter = '\t';
    // Version 2 may name the character between the pairs, by itself or as a number: `^`, `x5E`, `0x5E`.
    if fields.first()?.starts_with('2')
        && let Some((named, behind)) = rest.split_once('|').filter(|(named, _)| !named.contains('='))
    {
        let hexadecimal = named.strip_prefix("0x").or_else(|| named.strip_prefix('x'));
        delimiter = match hexadecimal
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .and_then(char::from_u32)
        {
            Some(character) => character,
            None => named.chars().next().unwrap_or('\t'),
        };
        rest = behind;
    }
    // Many senders put blanks where tabs belong.
    let pairs = if delimiter == '\t' && !rest.contains('\t') {
        extension_pairs(rest)
    } else {
        let pairs = rest.split(delimiter).filter_map(|pair| pair.split_once('='));
        pairs.map(|(key, value)| (key.trim(), Cow::Borrowed(value))).collect()
    };
    let severity = pairs
        .iter()
        .find(|(key, _)| *key == "sev")
        .map_or(Cow::Borrowed(""), |(_, value)| value.clone());
    let mut fields = fields.into_iter().skip(1);
    let (vendor, product, version, class) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    Some(Event {
        vendor,
        product,
        version,
        name: class.clone(),
        class,
        severity,
        pairs,
        leef: true,
    })
}

fn row(event: &Event<'_>, header: &Message<'_>, sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let of = |keys: &[&str]| {
        let found = keys.iter().find_map(|key| event.pairs.iter().find(|(name, _)| name == key));
        found.and_then(|(_, value)| pair_time(value, sink.received))
    };
    let time = header
        .time
        .or_else(|| of(&["rt", "end", "start", "devTime"]))
        .unwrap_or(sink.received);
    let (start, end) = (of(&["start", "devTime"]), of(&["end"]));
    let to = sink.named_row(TABLE, time)?;
    for (column, value) in [
        ("DeviceVendor", &event.vendor),
        ("DeviceProduct", &event.product),
        ("DeviceVersion", &event.version),
        ("DeviceEventClassID", &event.class),
        ("Activity", &event.name),
        ("OriginalLogSeverity", &event.severity),
    ] {
        to.text(column, value);
    }
    to.text("LogSeverity", severity(&event.severity));
    to.text("Computer", header.host);
    if let Some(start) = start {
        to.time("StartTime", start);
    }
    if let Some(end) = end {
        to.time("EndTime", end);
    }
    let mut additional = String::new();
    for (key, value) in &event.pairs {
        let column = if event.leef { leef_column(key) } else { cef_column(key) };
        if matches!(column, "StartTime" | "EndTime" | "LogSeverity") {
            continue;
        }
        // What has no column, or is no value of it, is kept beside.
        if column.is_empty() || !to.text(column, value) {
            if !additional.is_empty() {
                additional.push(';');
            }
            additional.push_str(key);
            additional.push('=');
            additional.push_str(value);
        }
    }
    to.text("AdditionalExtensions", &additional);
    to.text("SimplifiedDeviceAction", simplified(event));
    to.end_row()?;
    sink.accept();
    Ok(())
}

/// A time of CEF: milliseconds, `MMM dd yyyy HH:mm:ss`, and forms like it.
fn pair_time(value: &str, reference: i64) -> Option<i64> {
    let value = value.trim();
    time::parse_any(value).or_else(|| time::parse_bsd(value, reference).map(|(time, _)| time))
}

/// Severity as a number from 0 to 10, or a word: as a word.
fn severity(severity: &str) -> &'static str {
    match severity.trim().to_ascii_lowercase().as_str() {
        "0" | "1" | "2" | "3" | "low" => "Low",
        "4" | "5" | "6" | "medium" => "Medium",
        "7" | "8" | "high" => "High",
        "9" | "10" | "very-high" | "very high" | "critical" => "Very-High",
        _ => "Unknown",
    }
}

fn simplified<'e>(event: &'e Event<'_>) -> &'e str {
    event
        .pairs
        .iter()
        .find(|(key, _)| matches!(*key, "act" | "action"))
        .map_or("", |(_, value)| value)
}

/// Column of a key of CEF's dictionary; empty when it has none.
fn cef_column(key: &str) -> &str {
    const COLUMNS: &[(&str, &str)] = &[
        ("act", "DeviceAction"),
        ("app", "ApplicationProtocol"),
        ("cat", "DeviceEventCategory"),
        ("cnt", "EventCount"),
        ("destinationDnsDomain", "DestinationDnsDomain"),
        ("destinationServiceName", "DestinationServiceName"),
        ("destinationTranslatedAddress", "DestinationTranslatedAddress"),
        ("destinationTranslatedPort", "DestinationTranslatedPort"),
        ("deviceDirection", "CommunicationDirection"),
        ("deviceDnsDomain", "DeviceDnsDomain"),
        ("deviceExternalId", "DeviceExternalID"),
        ("deviceFacility", "DeviceFacility"),
        ("deviceInboundInterface", "DeviceInboundInterface"),
        ("deviceNtDomain", "DeviceNtDomain"),
        ("deviceOutboundInterface", "DeviceOutboundInterface"),
        ("devicePayloadId", "DevicePayloadId"),
        ("deviceProcessName", "ProcessName"),
        ("deviceTranslatedAddress", "DeviceTranslatedAddress"),
        ("dhost", "DestinationHostName"),
        ("dmac", "DestinationMACAddress"),
        ("dntdom", "DestinationNTDomain"),
        ("dpid", "DestinationProcessId"),
        ("dpriv", "DestinationUserPrivileges"),
        ("dproc", "DestinationProcessName"),
        ("dpt", "DestinationPort"),
        ("dst", "DestinationIP"),
        ("dtz", "DeviceTimeZone"),
        ("duid", "DestinationUserID"),
        ("duser", "DestinationUserName"),
        ("dvc", "DeviceAddress"),
        ("dvchost", "DeviceName"),
        ("dvcmac", "DeviceMacAddress"),
        ("dvcpid", "ProcessID"),
        ("end", "EndTime"),
        ("externalId", "ExtID"),
        ("fileCreateTime", "FileCreateTime"),
        ("fileHash", "FileHash"),
        ("fileId", "FileID"),
        ("fileModificationTime", "FileModificationTime"),
        ("filePath", "FilePath"),
        ("filePermission", "FilePermission"),
        ("fileType", "FileType"),
        ("fname", "FileName"),
        ("fsize", "FileSize"),
        ("in", "ReceivedBytes"),
        ("msg", "Message"),
        ("oldFileCreateTime", "OldFileCreateTime"),
        ("oldFileHash", "OldFileHash"),
        ("oldFileId", "OldFileID"),
        ("oldFileModificationTime", "OldFileModificationTime"),
        ("oldFileName", "OldFileName"),
        ("oldFilePath", "OldFilePath"),
        ("oldFilePermission", "OldFilePermission"),
        ("oldFileSize", "OldFileSize"),
        ("oldFileType", "OldFileType"),
        ("out", "SentBytes"),
        ("outcome", "EventOutcome"),
        ("proto", "Protocol"),
        ("reason", "Reason"),
        ("request", "RequestURL"),
        ("requestClientApplication", "RequestClientApplication"),
        ("requestContext", "RequestContext"),
        ("requestCookies", "RequestCookies"),
        ("requestMethod", "RequestMethod"),
        ("rt", "ReceiptTime"),
        ("shost", "SourceHostName"),
        ("smac", "SourceMACAddress"),
        ("sntdom", "SourceNTDomain"),
        ("sourceDnsDomain", "SourceDnsDomain"),
        ("sourceServiceName", "SourceServiceName"),
        ("sourceTranslatedAddress", "SourceTranslatedAddress"),
        ("sourceTranslatedPort", "SourceTranslatedPort"),
        ("spid", "SourceProcessId"),
        ("spriv", "SourceUserPrivileges"),
        ("sproc", "SourceProcessName"),
        ("spt", "SourcePort"),
        ("src", "SourceIP"),
        ("start", "StartTime"),
        ("suid", "SourceUserID"),
        ("suser", "SourceUserName"),
        ("type", "EventType"),
        ("cs1", "DeviceCustomString1"),
        ("cs1Label", "DeviceCustomString1Label"),
        ("cs2", "DeviceCustomString2"),
        ("cs2Label", "DeviceCustomString2Label"),
        ("cs3", "DeviceCustomString3"),
        ("cs3Label", "DeviceCustomString3Label"),
        ("cs4", "DeviceCustomString4"),
        ("cs4Label", "DeviceCustomString4Label"),
        ("cs5", "DeviceCustomString5"),
        ("cs5Label", "DeviceCustomString5Label"),
        ("cs6", "DeviceCustomString6"),
        ("cs6Label", "DeviceCustomString6Label"),
        ("cn1", "FieldDeviceCustomNumber1"),
        ("cn1Label", "DeviceCustomNumber1Label"),
        ("cn2", "FieldDeviceCustomNumber2"),
        ("cn2Label", "DeviceCustomNumber2Label"),
        ("cn3", "FieldDeviceCustomNumber3"),
        ("cn3Label", "DeviceCustomNumber3Label"),
        ("cfp1", "DeviceCustomFloatingPoint1"),
        ("cfp1Label", "DeviceCustomFloatingPoint1Label"),
        ("cfp2", "DeviceCustomFloatingPoint2"),
        ("cfp2Label", "DeviceCustomFloatingPoint2Label"),
        ("cfp3", "DeviceCustomFloatingPoint3"),
        ("cfp3Label", "DeviceCustomFloatingPoint3Label"),
        ("cfp4", "DeviceCustomFloatingPoint4"),
        ("cfp4Label", "DeviceCustomFloatingPoint4Label"),
        ("c6a1", "DeviceCustomIPv6Address1"),
        ("c6a1Label", "DeviceCustomIPv6Address1Label"),
        ("c6a2", "DeviceCustomIPv6Address2"),
        ("c6a2Label", "DeviceCustomIPv6Address2Label"),
        ("c6a3", "DeviceCustomIPv6Address3"),
        ("c6a3Label", "DeviceCustomIPv6Address3Label"),
        ("c6a4", "DeviceCustomIPv6Address4"),
        ("c6a4Label", "DeviceCustomIPv6Address4Label"),
        ("deviceCustomDate1", "DeviceCustomDate1"),
        ("deviceCustomDate1Label", "DeviceCustomDate1Label"),
        ("deviceCustomDate2", "DeviceCustomDate2"),
        ("deviceCustomDate2Label", "DeviceCustomDate2Label"),
        ("flexDate1", "FlexDate1"),
        ("flexDate1Label", "FlexDate1Label"),
        ("flexNumber1", "FlexNumber1"),
        ("flexNumber1Label", "FlexNumber1Label"),
        ("flexNumber2", "FlexNumber2"),
        ("flexNumber2Label", "FlexNumber2Label"),
        ("flexString1", "FlexString1"),
        ("flexString1Label", "FlexString1Label"),
        ("flexString2", "FlexString2"),
        ("flexString2Label", "FlexString2Label"),
    ];
    COLUMNS.iter().find(|(name, _)| *name == key).map_or("", |(_, column)| column)
}

/// Column of one of LEEF's predefined attributes.
fn leef_column(key: &str) -> &str {
    match key {
        "src" => "SourceIP",
        "dst" => "DestinationIP",
        "srcPort" => "SourcePort",
        "dstPort" => "DestinationPort",
        "srcMAC" => "SourceMACAddress",
        "dstMAC" => "DestinationMACAddress",
        "srcPreNAT" | "srcPostNAT" => "SourceTranslatedAddress",
        "dstPreNAT" | "dstPostNAT" => "DestinationTranslatedAddress",
        "srcPostNATPort" => "SourceTranslatedPort",
        "dstPostNATPort" => "DestinationTranslatedPort",
        "srcBytes" => "SentBytes",
        "dstBytes" => "ReceivedBytes",
        "usrName" | "accountName" => "SourceUserName",
        "identHostName" => "SourceHostName",
        "identSrc" => "DeviceAddress",
        "proto" => "Protocol",
        "cat" => "DeviceEventCategory",
        "sev" => "LogSeverity",
        "devTime" => "StartTime",
        "url" => "RequestURL",
        "resource" => "DestinationHostName",
        "domain" => "SourceNTDomain",
        "action" => "DeviceAction",
        "msg" | "message" => "Message",
        "policy" => "Reason",
        _ => "",
    }
}
