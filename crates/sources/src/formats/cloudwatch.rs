//! EKS control plane logs as CloudWatch Logs hands them on: subscription records and the output of `aws logs`
//! (docs.aws.amazon.com, "Log group-level subscription filters"; "Send control plane logs to CloudWatch Logs").
//!
//! The stream's name tells which component wrote it: `kube-apiserver-audit-0a1b`, `authenticator-0a1b`.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Format, event_list};
use crate::decode::Refusal;
use crate::framing::{Envelope, Reader};
use crate::json::{self, Text};

pub(crate) const SUBSCRIPTION: Format = Format {
    prefix: br#"{"messageType":""#,
    members: &[b"messageType", b"logEvents"],
    read: read_subscription,
};

pub(crate) const EVENTS: Format = Format {
    prefix: br#"{"events":["#,
    members: &[b"events"],
    read: read_events,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subscription<'a> {
    #[serde(borrow, default)]
    message_type: Text<'a>,
    #[serde(borrow, default)]
    log_group: Text<'a>,
    #[serde(borrow, default)]
    log_stream: Text<'a>,
    #[serde(borrow, default)]
    log_events: Option<&'a RawValue>,
}

fn read_subscription(reader: &mut Reader<'_, '_>, text: &[u8], at: usize, envelope: &Envelope) -> Result<usize, Refusal> {
    let (record, end) = match json::read::<Subscription<'_>>(text, at) {
        Ok(read) => read,
        Err(error) if error.wrong_type => {
            return Err(Refusal {
                reason: "not a subscription record".to_owned(),
                detail: error.message,
                end: None,
            });
        }
        // It breaks off: its first events may still be whole.
        Err(_) => return event_list::read_list(reader, text, at, envelope, b"logEvents", |_, _| None),
    };
    // CloudWatch asks in this way whether the receiver is there.
    if &*record.message_type == "CONTROL_MESSAGE" {
        return Ok(end);
    }
    let Some(events) = record.log_events.filter(|raw| raw.get().starts_with('[')) else {
        return Err(Refusal::new("not a subscription record", "logEvents is no list", end));
    };
    let envelope = envelope_of(&record.log_group, &record.log_stream);
    reader.array(events.get().as_bytes(), 0, &envelope);
    Ok(end)
}

fn read_events(reader: &mut Reader<'_, '_>, text: &[u8], at: usize, envelope: &Envelope) -> Result<usize, Refusal> {
    event_list::read_list(reader, text, at, envelope, b"events", |_, _| None)
}

/// What a log group and stream say.
fn envelope_of(group: &str, stream: &str) -> Envelope {
    let cluster = group
        .strip_prefix("/aws/eks/")
        .and_then(|rest| rest.strip_suffix("/cluster"))
        .unwrap_or_default();
    Envelope {
        cluster: cluster.to_owned(),
        category: category_of(stream),
        pod: stream.to_owned(),
        ..Envelope::default()
    }
}

/// The component that a stream's name begins with.
pub(super) fn category_of(stream: &str) -> String {
    if stream.starts_with("kube-apiserver-audit") {
        return "kube-audit".to_owned();
    }
    match stream.rsplit_once('-') {
        Some((component, id)) if id.bytes().all(|byte| byte.is_ascii_hexdigit()) => component.to_owned(),
        _ => stream.to_owned(),
    }
}
