//! GKE audit entries of Google Cloud Logging: a `LogEntry` with an `AuditLog` as `protoPayload`, mapped to the columns of a
//! Kubernetes audit event (cloud.google.com, "Kubernetes Engine audit logging information"; "AuditLog").

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{AuditRow, Format};
use crate::decode::Refusal;
use crate::framing::{Envelope, Reader};
use crate::json::{self, Text};
use crate::time::parse_rfc3339;

pub(crate) const FORMAT: Format = Format {
    prefix: b"",
    members: &[b"protoPayload", b"jsonPayload", b"textPayload"],
    read,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogEntry<'a> {
    #[serde(borrow, default)]
    insert_id: Text<'a>,
    #[serde(borrow, default)]
    timestamp: Text<'a>,
    #[serde(borrow, default)]
    receive_timestamp: Text<'a>,
    #[serde(borrow, default)]
    resource: Option<Resource<'a>>,
    #[serde(borrow, default)]
    proto_payload: Option<AuditLog<'a>>,
    #[serde(borrow, default)]
    labels: Option<&'a RawValue>,
    #[serde(default)]
    operation: Operation,
}

#[derive(Deserialize, Default)]
struct Operation {
    #[serde(default)]
    first: bool,
    #[serde(default)]
    last: bool,
}

#[derive(Deserialize)]
struct Resource<'a> {
    #[serde(borrow, default)]
    labels: ResourceLabels<'a>,
}

#[derive(Deserialize, Default)]
struct ResourceLabels<'a> {
    #[serde(borrow, default)]
    cluster_name: Text<'a>,
    #[serde(borrow, default)]
    location: Text<'a>,
    #[serde(borrow, default)]
    project_id: Text<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AuditLog<'a> {
    #[serde(borrow, default)]
    service_name: Text<'a>,
    #[serde(borrow, default)]
    method_name: Text<'a>,
    #[serde(borrow, default)]
    resource_name: Text<'a>,
    #[serde(borrow, default)]
    authentication_info: Authentication<'a>,
    #[serde(borrow, default)]
    authorization_info: Option<Vec<Authorization<'a>>>,
    #[serde(borrow, default)]
    request_metadata: RequestMetadata<'a>,
    #[serde(borrow, default)]
    status: Option<RpcStatus<'a>>,
    #[serde(borrow, default)]
    request: Option<&'a RawValue>,
    #[serde(borrow, default)]
    response: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Authentication<'a> {
    #[serde(borrow, default)]
    principal_email: Text<'a>,
    /// Whom the request was made as
    #[serde(borrow, default)]
    authority_selector: Text<'a>,
}

#[derive(Deserialize)]
struct Authorization<'a> {
    #[serde(default)]
    granted: bool,
    #[serde(borrow, default, rename = "resource")]
    _resource: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct RequestMetadata<'a> {
    #[serde(borrow, default)]
    caller_ip: Text<'a>,
    #[serde(borrow, default)]
    caller_supplied_user_agent: Text<'a>,
}

#[derive(Deserialize)]
struct RpcStatus<'a> {
    #[serde(default)]
    code: i64,
    #[serde(borrow, default)]
    message: Text<'a>,
}

#[derive(Deserialize, Default)]
struct Labels<'a> {
    #[serde(borrow, default, rename = "authorization.k8s.io/decision")]
    decision: Text<'a>,
    #[serde(borrow, default, rename = "authorization.k8s.io/reason")]
    reason: Text<'a>,
}

/// The object of a request, from the names of method and resource.
#[derive(Debug, Default, PartialEq, Eq)]
struct Target<'a> {
    verb: &'a str,
    resource: &'a str,
    subresource: String,
    namespace: &'a str,
    name: &'a str,
    group: &'a str,
    version: &'a str,
}

/// `io.k8s.core.v1.pods.exec.create` and `core/v1/namespaces/shop/pods/web-1/exec`.
fn target<'a>(method: &'a str, resource_name: &'a str) -> Target<'a> {
    let method_parts: Vec<&str> = method.split('.').collect();
    let verb = method_parts.last().copied().unwrap_or_default();
    let Some(version_at) = method_parts.iter().position(|part| is_version(part)) else {
        return Target { verb, ..Target::default() };
    };
    let behind = method_parts
        .get(version_at + 1..method_parts.len().saturating_sub(1))
        .unwrap_or_default();
    let Some((resource, subresource)) = behind.split_first() else {
        return Target { verb, ..Target::default() };
    };
    let mut path = resource_name.split('/');
    let group = path.next().filter(|group| *group != "core").unwrap_or_default();
    let version = path.next().unwrap_or_default();
    let mut rest: Vec<&str> = path.collect();
    let mut namespace = "";
    if let ["namespaces", of, ..] = rest.as_slice() {
        namespace = of;
        // The namespace itself, as Kubernetes' own events have it: both namespace and name.
        if *resource != "namespaces" {
            rest.drain(..2);
        }
    }
    Target {
        verb,
        resource,
        subresource: subresource.join("/"),
        namespace,
        name: rest.get(1).copied().unwrap_or_default(),
        group,
        version,
    }
}

/// v1, v1beta1, v2alpha3
fn is_version(part: &str) -> bool {
    let Some(rest) = part.strip_prefix('v') else { return false };
    let number = rest.trim_start_matches(|character: char| character.is_ascii_digit());
    if number.len() == rest.len() {
        return false;
    }
    let stage = number.strip_prefix("alpha").or_else(|| number.strip_prefix("beta"));
    number.is_empty() || stage.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The HTTP code that stands for a gRPC code (google.rpc.Code).
fn http_code(rpc: i64, verb: &str) -> i64 {
    match rpc {
        0 if verb == "create" => 201,
        0 => 200,
        1 => 499,
        3 | 9 | 11 => 400,
        4 => 504,
        5 => 404,
        6 | 10 => 409,
        7 => 403,
        8 => 429,
        12 => 501,
        14 => 503,
        16 => 401,
        // Some entries carry the HTTP code itself.
        code if (100..600).contains(&code) => code,
        _ => 500,
    }
}

fn read(reader: &mut Reader<'_, '_>, text: &[u8], at: usize, _: &Envelope) -> Result<usize, Refusal> {
    let (entry, end) = json::read::<LogEntry<'_>>(text, at).map_err(|error| Refusal {
        reason: if error.wrong_type {
            "not a Kubernetes audit entry"
        } else {
            "not JSON"
        }
        .to_owned(),
        detail: error.message,
        end: None,
    })?;
    let raw = text.get(at..end).unwrap_or_default();
    let raw = std::str::from_utf8(raw).map_err(|error| {
        Refusal::new(
            "invalid UTF-8",
            format!("byte {} of the record is not UTF-8", error.valid_up_to() + 1),
            end,
        )
    })?;
    if raw.len() > reader.sink.limits.record {
        let detail = format!("{} bytes; the limit is {}", raw.len(), reader.sink.limits.record);
        return Err(Refusal::new("record too large", detail, end));
    }
    let Some(audit) = &entry.proto_payload else {
        return Err(Refusal::new("not a Kubernetes audit entry", "the entry has no protoPayload", end));
    };
    if &*audit.service_name != "k8s.io" && !audit.method_name.starts_with("io.k8s.") {
        let detail = format!("service {:?}, method {:?}", &*audit.service_name, &*audit.method_name);
        return Err(Refusal::new("not a Kubernetes audit entry", detail, end));
    }
    let Some(time) = parse_rfc3339(&entry.timestamp).or_else(|| parse_rfc3339(&entry.receive_timestamp)) else {
        let detail = format!("timestamp is {:?}, not an RFC 3339 time", &*entry.timestamp);
        return Err(Refusal::new("no timestamp", detail, end));
    };
    if entry.insert_id.is_empty() {
        return Err(Refusal::new(
            "no insertId",
            "an entry is known by its insertId, and this one has none",
            end,
        ));
    }
    let target = target(&audit.method_name, &audit.resource_name);
    // A long-running request has two entries; the first has no answer yet that lasts.
    let stage = if entry.operation.first && !entry.operation.last {
        "ResponseStarted"
    } else {
        "ResponseComplete"
    };
    let rpc = audit.status.as_ref().map_or(0, |status| status.code);
    let long_running = matches!(&*target.subresource, "exec" | "attach" | "portforward");
    let code = if rpc == 0 && long_running {
        101
    } else {
        http_code(rpc, target.verb)
    };
    let labels: Labels<'_> = entry
        .labels
        .and_then(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or_default();
    let granted = audit
        .authorization_info
        .as_ref()
        .map(|checks| !checks.is_empty() && checks.iter().all(|check| check.granted));
    let decision = match (&*labels.decision, granted) {
        ("", Some(true)) => "allow",
        ("", Some(false)) if code == 403 => "forbid",
        (stated, _) => stated,
    };
    let principal = &audit.authentication_info.principal_email;
    let user = (!principal.is_empty()).then(|| user_json(principal));
    let impersonated = &audit.authentication_info.authority_selector;
    let impersonated_user = (!impersonated.is_empty()).then(|| user_json(impersonated));
    let caller = &audit.request_metadata.caller_ip;
    let source_ips = (!caller.is_empty()).then(|| {
        let mut list = String::from("[");
        json::push_string(&mut list, caller);
        list.push(']');
        list
    });
    let object_ref = (!target.resource.is_empty()).then(|| object_ref_json(&target));
    let message = audit.status.as_ref().map_or("", |status| &*status.message);
    let row = AuditRow {
        time,
        staged: Some(time),
        requested: None,
        verb: target.verb,
        stage,
        audit_id: &entry.insert_id,
        audit_level: match (audit.request, audit.response) {
            (_, Some(_)) => "RequestResponse",
            (Some(_), None) => "Request",
            (None, None) => "Metadata",
        },
        username: principal,
        user: user.as_deref(),
        groups: None,
        impersonated_username: impersonated,
        impersonated_user: impersonated_user.as_deref(),
        source_ip: caller,
        source_ips: source_ips.as_deref(),
        user_agent: &audit.request_metadata.caller_supplied_user_agent,
        namespace: target.namespace,
        resource: target.resource,
        subresource: &target.subresource,
        name: target.name,
        api_group: target.group,
        api_version: target.version,
        object_ref: object_ref.as_deref(),
        request_uri: "",
        code: Some(code),
        reason: reason_of(code),
        response_status: Some(&status_json(code, message)),
        decision,
        decision_reason: &labels.reason,
        annotations: entry.labels.map(RawValue::get),
        request_object: audit.request.map(RawValue::get),
        response_object: audit.response.map(RawValue::get),
        raw,
    };
    let envelope = envelope_of(entry.resource.as_ref());
    if let Err(error) = reader.sink.audit_event(&row, &envelope) {
        reader.fault(error);
    }
    Ok(end)
}

fn envelope_of(resource: Option<&Resource<'_>>) -> Envelope {
    let Some(Resource { labels }) = resource else {
        return Envelope::default();
    };
    let resource_id = if labels.cluster_name.is_empty() || labels.project_id.is_empty() {
        String::new()
    } else {
        format!(
            "//container.googleapis.com/projects/{}/locations/{}/clusters/{}",
            &*labels.project_id, &*labels.location, &*labels.cluster_name
        )
    };
    Envelope {
        cluster: labels.cluster_name.to_string(),
        resource_id,
        ..Envelope::default()
    }
}

/// Kubernetes' reason of a failed request.
fn reason_of(code: i64) -> &'static str {
    match code {
        400 => "BadRequest",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        429 => "TooManyRequests",
        500 => "InternalError",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "",
    }
}

fn user_json(name: &str) -> String {
    let mut user = String::from("{\"username\":");
    json::push_string(&mut user, name);
    user.push('}');
    user
}

fn object_ref_json(target: &Target<'_>) -> String {
    let mut object = String::from("{");
    for (member, value) in [
        ("resource", target.resource),
        ("namespace", target.namespace),
        ("name", target.name),
        ("apiGroup", target.group),
        ("apiVersion", target.version),
        ("subresource", &target.subresource),
    ] {
        if value.is_empty() {
            continue;
        }
        if object.len() > 1 {
            object.push(',');
        }
        json::push_string(&mut object, member);
        object.push(':');
        json::push_string(&mut object, value);
    }
    object.push('}');
    object
}

fn status_json(code: i64, message: &str) -> String {
    let mut status = String::from("{\"metadata\":{}");
    if code >= 400 {
        status.push_str(",\"status\":\"Failure\"");
        let reason = reason_of(code);
        if !reason.is_empty() {
            status.push_str(",\"reason\":");
            json::push_string(&mut status, reason);
        }
        if !message.is_empty() {
            status.push_str(",\"message\":");
            json::push_string(&mut status, message);
        }
    }
    let _ = write!(status, ",\"code\":{code}}}");
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn method_and_resource_names_tell_the_object() {
        let exec = target("io.k8s.core.v1.pods.exec.create", "core/v1/namespaces/shop/pods/web-1/exec");
        assert_eq!(
            (
                exec.verb,
                exec.resource,
                &*exec.subresource,
                exec.namespace,
                exec.name,
                exec.group,
                exec.version
            ),
            ("create", "pods", "exec", "shop", "web-1", "", "v1")
        );
        let binding = target(
            "io.k8s.authorization.rbac.v1.clusterrolebindings.create",
            "rbac.authorization.k8s.io/v1/clusterrolebindings/admins",
        );
        assert_eq!(
            (binding.resource, binding.name, binding.group, binding.namespace),
            ("clusterrolebindings", "admins", "rbac.authorization.k8s.io", "")
        );
        let namespace = target("io.k8s.core.v1.namespaces.delete", "core/v1/namespaces/shop");
        assert_eq!(
            (namespace.resource, namespace.namespace, namespace.name),
            ("namespaces", "shop", "shop")
        );
        let path = target("io.k8s.get", "healthz");
        assert_eq!((path.verb, path.resource), ("get", ""));
        assert!(is_version("v1beta1") && !is_version("vpods") && !is_version("v"));
    }
}
