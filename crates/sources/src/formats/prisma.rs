//! Audits of Prisma Cloud Compute (Twistlock) as its webhook sends them (docs.prismacloud.io, "Webhook alerts"). The body is a template
//! of the operator: read are the names of the default one and of the product's API, and the whole body is kept.

use serde_json::{Map, Value};

use super::Format;
use crate::decode::Refusal;
use crate::framing::{Envelope, Reader};
use crate::json;
use crate::tables::PrismaRow;
use crate::time::{parse_any, parse_bsd};

pub(crate) const FORMAT: Format = Format {
    prefix: b"",
    members: &[b"type", b"message", b"rule", b"ruleName", b"imageName", b"container"],
    read,
};

fn read(reader: &mut Reader<'_, '_>, bytes: &[u8], at: usize, _: &Envelope) -> Result<usize, Refusal> {
    let (audit, end) = json::read::<Map<String, Value>>(bytes, at).map_err(|error| Refusal::json("not an audit of Prisma Cloud", error))?;
    let raw = reader.sink.record_text(bytes, at, end)?;
    let of = |names: &[&str]| {
        let found = names.iter().filter_map(|name| audit.get(*name)).map(json::plain);
        found.into_iter().find(|text| !text.is_empty()).unwrap_or_default()
    };
    let stated = of(&["time", "occurred", "timestamp"]);
    // The template prints `Jan 15, 2026 10:00:33 UTC`.
    let time = parse_any(&stated)
        .or_else(|| parse_bsd(&stated, reader.sink.received).map(|(time, _)| time))
        .unwrap_or(reader.sink.received);
    let (kind, message) = (of(&["type", "auditType"]), of(&["message", "msg"]));
    if kind.is_empty() && message.is_empty() {
        return Err(Refusal::new("not an audit of Prisma Cloud", "it has neither type nor message", end));
    }
    let techniques = audit.get("attackTechniques").filter(|list| list.is_array()).map(Value::to_string);
    reader.row(|sink| {
        sink.prisma(&PrismaRow {
            time,
            cluster: &of(&["cluster"]),
            kind: &kind,
            severity: &of(&["severity"]),
            rule: &of(&["rule", "ruleName"]),
            message: &message,
            category: &of(&["category", "attackType"]),
            container: &of(&["container", "containerName"]),
            container_id: &of(&["containerID", "containerId"]),
            image: &of(&["image", "imageName"]),
            host: &of(&["host", "hostname"]),
            namespace: &of(&["namespace"]),
            pod: &of(&["pod", "podName"]),
            user: &of(&["user", "username"]),
            command: &of(&["command", "processPath", "interactive"]),
            effect: &of(&["effect"]),
            techniques: techniques.as_deref(),
            raw,
        })
    });
    reader.sink.accept();
    Ok(end)
}
