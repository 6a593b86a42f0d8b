//! Records inside a shipper's own: Fluent Bit's and Docker's `log`, CloudWatch's, Vector's and Filebeat's `message`, Splunk's
//! `event`, journald's `MESSAGE`, as text or as an object; and Google Pub/Sub's push, whose `message.data` is base64.

use base64::Engine;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Format, cloudwatch};
use crate::compression::{DecompressLimits, decompress};
use crate::decode::Refusal;
use crate::framing::{Envelope, Reader};
use crate::json::{self, Text};
use crate::klog::number_or_text_time;

pub(crate) const FORMAT: Format = Format {
    prefix: b"",
    members: &[b"log", b"message", b"event", b"MESSAGE"],
    read,
};

/// Pub/Sub's messages are at most 10 MB; this is that with room for compression.
const PUSH_LIMITS: DecompressLimits = DecompressLimits {
    output: 128 << 20,
    ratio: 250,
};

#[derive(Deserialize)]
struct Wrapper<'a> {
    #[serde(borrow, default)]
    log: Option<&'a RawValue>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    event: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "MESSAGE")]
    journal: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "logStreamName")]
    log_stream: Text<'a>,
    #[serde(borrow, default)]
    timestamp: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct PubSub<'a> {
    #[serde(borrow)]
    data: Text<'a>,
}

fn read(reader: &mut Reader<'_, '_>, text: &[u8], at: usize, outer: &Envelope) -> Result<usize, Refusal> {
    let (wrapper, end) = json::read::<Wrapper<'_>>(text, at).map_err(|error| Refusal {
        reason: if error.wrong_type { "unknown kind" } else { "not JSON" }.to_owned(),
        detail: error.message,
        end: None,
    })?;
    let parts = [wrapper.log, wrapper.message, wrapper.event, wrapper.journal];
    let Some(inner) = parts
        .into_iter()
        .flatten()
        .map(RawValue::get)
        .find(|raw| raw.starts_with(['"', '{', '[']))
    else {
        return Err(Refusal::new(
            "no audit event",
            "log, message or event holds neither text nor an object",
            end,
        ));
    };
    let mut envelope = outer.clone();
    if !wrapper.log_stream.is_empty() {
        envelope.category = cloudwatch::category_of(&wrapper.log_stream);
        envelope.pod = wrapper.log_stream.0.into_owned();
    }
    envelope.time = wrapper.timestamp.and_then(|raw| number_or_text_time(raw.get())).or(outer.time);
    if inner.starts_with('"') {
        let inner: Text<'_> = serde_json::from_str(inner)
            .map_err(|error| Refusal::new("no audit event", format!("the text inside the record: {error}"), end))?;
        reader.inner(&inner, &envelope, end)
    } else if let Ok(push) = serde_json::from_str::<PubSub<'_>>(inner) {
        let pushed = pushed(&push.data).map_err(|detail| Refusal::new("not a Pub/Sub message", detail, end))?;
        reader.inner(&pushed, &envelope, end)
    } else {
        reader.inner(inner, &envelope, end)
    }
}

/// What base64 holds, decompressed.
pub(super) fn pushed(data: &str) -> Result<String, String> {
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(data)
        .map_err(|error| format!("data is no base64: {error}"))?;
    let bytes = decompress(&bytes, &PUSH_LIMITS).map_err(|error| error.to_string())?;
    String::from_utf8(bytes.into_owned()).map_err(|error| format!("data is no UTF-8: {error}"))
}
