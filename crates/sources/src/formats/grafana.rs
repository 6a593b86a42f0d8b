//! Grafana's alert webhook: of unified alerting, which is Alertmanager's message with more members, and of the alerting before it
//! (grafana.com, "Configure webhook notifications").

use serde_json::{Map, Value};

use super::alert::text;
use super::{Format, alertmanager};
use crate::decode::Refusal;
use crate::framing::{Envelope, Reader};
use crate::json;
use crate::tables::AlertRow;

pub(crate) const FORMAT: Format = Format {
    prefix: b"",
    members: &[b"alerts", b"startsAt"],
    read: |reader, bytes, at, _| alertmanager::read_group(reader, bytes, at, "Grafana"),
};

pub(crate) const LEGACY: Format = Format {
    prefix: b"",
    members: &[b"ruleId", b"evalMatches", b"ruleName", b"ruleUrl"],
    read: read_legacy,
};

fn read_legacy(reader: &mut Reader<'_, '_>, bytes: &[u8], at: usize, _: &Envelope) -> Result<usize, Refusal> {
    let (alert, end) = json::read::<Map<String, Value>>(bytes, at).map_err(|error| Refusal::json("not an alert message", error))?;
    let raw = reader.sink.record_text(bytes, at, end)?;
    let state = text(&alert, "state");
    if state.is_empty() {
        return Err(Refusal::new("not an alert message", "it has no state", end));
    }
    let rule = alert.get("ruleId").map(json::plain).unwrap_or_default();
    let tags = alert.get("tags").filter(|tags| tags.is_object()).map(Value::to_string);
    let matches = alert.get("evalMatches").map(|matches| format!("{{\"evalMatches\":{matches}}}"));
    let resolved = matches!(state, "ok" | "resolved");
    let received = reader.sink.received;
    reader.row(|sink| {
        sink.alert(&AlertRow {
            // The message carries no time of its own.
            time: received,
            provider: "Grafana",
            name: text(&alert, "ruleName"),
            severity: alert
                .get("tags")
                .and_then(|tags| tags.get("severity"))
                .and_then(Value::as_str)
                .unwrap_or_default(),
            status: if resolved { "resolved" } else { "firing" },
            description: match text(&alert, "message") {
                "" => text(&alert, "title"),
                message => message,
            },
            start: Some(received),
            end: resolved.then_some(received),
            fingerprint: &rule,
            labels: tags.as_deref(),
            annotations: matches.as_deref(),
            generator_url: text(&alert, "ruleUrl"),
            raw,
            ..AlertRow::default()
        })
    });
    reader.sink.accept();
    Ok(end)
}
