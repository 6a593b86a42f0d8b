//! A Kubernetes audit event, as the API server writes it: API group `audit.k8s.io`, kind `Event`
//! (kubernetes.io, "kube-apiserver Audit Configuration (v1)").

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{AuditRow, Format};
use crate::decode::Refusal;
use crate::framing::{Envelope, Reader};
use crate::json::{self, Text};
use crate::time::parse_rfc3339;

pub(crate) const FORMAT: Format = Format {
    prefix: br#"{"kind":"Event","apiVersion":"audit.k8s.io/"#,
    members: &[b"auditID"],
    read,
};

/// Versions whose members are the ones read here.
const VERSIONS: [&str; 3] = ["audit.k8s.io/v1", "audit.k8s.io/v1beta1", "audit.k8s.io/v1alpha1"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    #[serde(borrow, default)]
    kind: Text<'a>,
    #[serde(borrow, default)]
    api_version: Text<'a>,
    #[serde(borrow, default)]
    level: Text<'a>,
    #[serde(borrow, default, rename = "auditID")]
    audit_id: Text<'a>,
    #[serde(borrow, default)]
    stage: Text<'a>,
    #[serde(borrow, default, rename = "requestURI")]
    request_uri: Text<'a>,
    #[serde(borrow, default)]
    verb: Text<'a>,
    #[serde(borrow, default)]
    user: Option<&'a RawValue>,
    #[serde(borrow, default)]
    impersonated_user: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "sourceIPs")]
    source_ips: Option<&'a RawValue>,
    #[serde(borrow, default)]
    user_agent: Text<'a>,
    #[serde(borrow, default)]
    object_ref: Option<&'a RawValue>,
    #[serde(borrow, default)]
    response_status: Option<&'a RawValue>,
    #[serde(borrow, default)]
    request_object: Option<&'a RawValue>,
    #[serde(borrow, default)]
    response_object: Option<&'a RawValue>,
    #[serde(borrow, default)]
    request_received_timestamp: Text<'a>,
    #[serde(borrow, default)]
    stage_timestamp: Text<'a>,
    /// Of v1alpha1, in place of the two
    #[serde(borrow, default)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow, default)]
    annotations: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
struct User<'a> {
    #[serde(borrow, default)]
    username: Text<'a>,
    #[serde(borrow, default)]
    groups: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct ObjectRef<'a> {
    #[serde(borrow, default)]
    resource: Text<'a>,
    #[serde(borrow, default)]
    subresource: Text<'a>,
    #[serde(borrow, default)]
    namespace: Text<'a>,
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow, default)]
    api_group: Text<'a>,
    #[serde(borrow, default)]
    api_version: Text<'a>,
}

#[derive(Deserialize, Default)]
struct Status<'a> {
    #[serde(default)]
    code: Option<i64>,
    #[serde(borrow, default)]
    reason: Text<'a>,
}

#[derive(Deserialize, Default)]
struct Annotations<'a> {
    #[serde(borrow, default, rename = "authorization.k8s.io/decision")]
    decision: Text<'a>,
    #[serde(borrow, default, rename = "authorization.k8s.io/reason")]
    reason: Text<'a>,
}

#[derive(Deserialize, Default)]
struct Named<'a> {
    #[serde(borrow, default)]
    metadata: Metadata<'a>,
}

#[derive(Deserialize, Default)]
struct Metadata<'a> {
    #[serde(borrow, default)]
    name: Text<'a>,
}

/// A part of the event; one of another shape than Kubernetes' counts as empty, the text is in its column all the same.
fn part<'a, T: Deserialize<'a> + Default>(raw: Option<&'a RawValue>) -> T {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

fn read(reader: &mut Reader<'_, '_>, text: &[u8], at: usize, envelope: &Envelope) -> Result<usize, Refusal> {
    let (event, end) = json::read::<Event<'_>>(text, at).map_err(|error| Refusal {
        reason: if error.wrong_type { "not an audit event" } else { "not JSON" }.to_owned(),
        detail: error.message,
        end: None,
    })?;
    let raw = text.get(at..end).unwrap_or_default();
    if raw.len() > reader.sink.limits.record {
        let detail = format!("{} bytes; the limit is {}", raw.len(), reader.sink.limits.record);
        return Err(Refusal::new("record too large", detail, end));
    }
    let raw = std::str::from_utf8(raw).map_err(|error| {
        Refusal::new(
            "invalid UTF-8",
            format!("byte {} of the record is not UTF-8", error.valid_up_to() + 1),
            end,
        )
    })?;
    if !event.api_version.is_empty() && !VERSIONS.contains(&&*event.api_version) {
        let detail = format!("known are {}", VERSIONS.join(", "));
        return Err(Refusal::new(format!("unknown apiVersion {}", &*event.api_version), detail, end));
    }
    if !event.kind.is_empty() && &*event.kind != "Event" {
        return Err(Refusal::new(
            "unknown kind",
            format!("kind {:?} is no audit event", &*event.kind),
            end,
        ));
    }
    if event.audit_id.is_empty() {
        return Err(Refusal::new(
            "no auditID",
            "an audit event is known by its auditID, and this one has none",
            end,
        ));
    }
    let staged = parse_rfc3339(&event.stage_timestamp);
    let requested = parse_rfc3339(&event.request_received_timestamp);
    let single = event.timestamp.and_then(|raw| parse_rfc3339(raw.get().trim_matches('"')));
    let Some(time) = staged.or(requested).or(single) else {
        let detail = format!(
            "stageTimestamp is {:?} and requestReceivedTimestamp is {:?}; one of them must be an RFC 3339 time",
            &*event.stage_timestamp, &*event.request_received_timestamp
        );
        return Err(Refusal::new("no timestamp", detail, end));
    };
    let user: User<'_> = part(event.user);
    let impersonated: User<'_> = part(event.impersonated_user);
    let object: ObjectRef<'_> = part(event.object_ref);
    let status: Status<'_> = part(event.response_status);
    let annotations: Annotations<'_> = part(event.annotations);
    let addresses: Vec<Text<'_>> = part(event.source_ips);
    // A create with generateName has its name in the answer only.
    let (answered, asked): (Named<'_>, Named<'_>) = if object.name.is_empty() && &*event.verb == "create" {
        (part(event.response_object), part(event.request_object))
    } else {
        Default::default()
    };
    let name = [&object.name, &answered.metadata.name, &asked.metadata.name]
        .into_iter()
        .find(|name| !name.is_empty())
        .map_or("", |name| &**name);
    let row = AuditRow {
        time,
        requested,
        staged,
        verb: &event.verb,
        stage: &event.stage,
        audit_id: &event.audit_id,
        audit_level: &event.level,
        username: &user.username,
        user: event.user.map(RawValue::get),
        groups: user.groups.map(RawValue::get),
        impersonated_username: &impersonated.username,
        impersonated_user: event.impersonated_user.map(RawValue::get),
        source_ip: addresses.last().map_or("", |address| &**address),
        source_ips: event.source_ips.map(RawValue::get),
        user_agent: &event.user_agent,
        namespace: &object.namespace,
        resource: &object.resource,
        subresource: &object.subresource,
        name,
        api_group: &object.api_group,
        api_version: &object.api_version,
        object_ref: event.object_ref.map(RawValue::get),
        request_uri: &event.request_uri,
        code: status.code,
        reason: &status.reason,
        response_status: event.response_status.map(RawValue::get),
        decision: &annotations.decision,
        decision_reason: &annotations.reason,
        annotations: event.annotations.map(RawValue::get),
        request_object: event.request_object.map(RawValue::get),
        response_object: event.response_object.map(RawValue::get),
        raw,
    };
    if let Err(error) = reader.sink.audit_event(&row, envelope) {
        reader.fault(error);
    }
    Ok(end)
}
