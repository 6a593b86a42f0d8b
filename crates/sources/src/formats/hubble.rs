//! Cilium's flows as Hubble exports them, a JSON object a flow (docs.cilium.io, "Hubble Exporter"; the protocol `flow.proto`): rows of
//! NetworkFlow, and of DnsQuery for flows that are DNS messages.

use serde_json::Value;

use super::Format;
use crate::decode::Refusal;
use crate::framing::{Envelope, Reader};
use crate::json;
use crate::tables::{DnsRow, FlowRow};
use crate::time::parse_rfc3339;

pub(crate) const FORMAT: Format = Format {
    prefix: br#"{"flow":"#,
    members: &[b"flow", b"verdict", b"lost_events"],
    read,
};

/// The value at a path, as in a JSON pointer, whose own implementation copies every part.
fn value_at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('/').skip(1).try_fold(value, |value, name| match value {
        Value::Object(members) => members.get(name),
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        _ => None,
    })
}

fn text<'v>(value: &'v Value, path: &str) -> &'v str {
    value_at(value, path).and_then(Value::as_str).unwrap_or_default()
}

fn number(value: &Value, path: &str) -> Option<i64> {
    value_at(value, path)?.as_i64()
}

/// One end of a flow.
struct End {
    namespace: String,
    pod: String,
    workload: String,
    labels: Option<String>,
    zone: String,
}

fn end_of(flow: &Value, side: &str) -> End {
    let of = |path: &str| text(flow.get(side).unwrap_or(&Value::Null), path).to_owned();
    let end = flow.get(side).unwrap_or(&Value::Null);
    let labels = end.get("labels");
    // A peer outside the cluster has an identity by name only: reserved:world.
    let reserved = labels.and_then(Value::as_array).and_then(|labels| {
        labels
            .iter()
            .filter_map(Value::as_str)
            .find_map(|label| label.strip_prefix("reserved:"))
    });
    End {
        namespace: of("/namespace"),
        pod: of("/pod_name"),
        workload: of("/workloads/0/name"),
        labels: labels.filter(|labels| !labels.is_null()).map(Value::to_string),
        zone: reserved.unwrap_or_default().to_owned(),
    }
}

fn read(reader: &mut Reader<'_, '_>, bytes: &[u8], at: usize, _: &Envelope) -> Result<usize, Refusal> {
    let (record, end) = json::read::<Value>(bytes, at).map_err(|error| Refusal::json("not a flow of Cilium", error))?;
    let raw = reader.sink.record_text(bytes, at, end)?;
    if record.get("lost_events").is_some() {
        let detail = format!("Hubble lost events itself: {}", record["lost_events"]);
        return Err(Refusal::new("lost by the sender", detail, end));
    }
    let flow = record.get("flow").unwrap_or(&record);
    let stamp = [text(flow, "/time"), text(&record, "/time")];
    let Some(time) = stamp.into_iter().find_map(parse_rfc3339) else {
        return Err(Refusal::new("no timestamp", format!("flow.time is {:?}", stamp[0]), end));
    };
    let source = end_of(flow, "source");
    let destination = end_of(flow, "destination");
    let protocols = [
        ("TCP", "TCP"),
        ("UDP", "UDP"),
        ("SCTP", "SCTP"),
        ("ICMPv4", "ICMP"),
        ("ICMPv6", "ICMPv6"),
    ];
    let (member, protocol) = protocols
        .into_iter()
        .find(|(name, _)| flow.get("l4").and_then(|layer| layer.get(name)).is_some())
        .unwrap_or_default();
    let port = |which: &str| flow.get("l4")?.get(member)?.get(which)?.as_i64();
    let flag = |name: &str| {
        value_at(flow, "/l4/TCP/flags")
            .and_then(|flags| flags.get(name))
            .and_then(Value::as_bool)
    };
    let verdict = text(flow, "/verdict");
    let (action, allowed) = match verdict {
        "DROPPED" => ("Drop", false),
        "ERROR" => ("Deny", false),
        _ => ("Allow", true),
    };
    let node = match text(flow, "/node_name") {
        "" => text(&record, "/node_name"),
        node => node,
    };
    let l7 = flow.get("l7").filter(|l7| !l7.is_null());
    let application = match l7 {
        Some(l7) if l7.get("dns").is_some() => "DNS",
        Some(l7) if l7.get("http").is_some() => "HTTP",
        Some(l7) if l7.get("kafka").is_some() => "Kafka",
        _ => "",
    };
    let mut additional = serde_json::Map::new();
    for name in [
        "is_reply",
        "traffic_direction",
        "event_type",
        "source_service",
        "destination_service",
        "source_names",
        "destination_names",
    ] {
        if let Some(value) = flow.get(name).filter(|value| !value.is_null()) {
            additional.insert(name.to_owned(), value.clone());
        }
    }
    if let Some(l7) = l7 {
        additional.insert("l7".to_owned(), l7.clone());
    }
    let additional = Value::Object(additional).to_string();
    let denied_by = ["egress_denied_by", "ingress_denied_by", "egress_allowed_by", "ingress_allowed_by"];
    let rules: Vec<String> = denied_by
        .into_iter()
        .filter_map(|name| flow.get(name)?.as_array())
        .flatten()
        .map(|policy| match (text(policy, "/namespace"), text(policy, "/name")) {
            ("", name) => name.to_owned(),
            (namespace, name) => format!("{namespace}/{name}"),
        })
        .collect();
    let reason = match text(flow, "/drop_reason_desc") {
        "DROP_REASON_UNKNOWN" => "",
        reason => reason,
    };
    let rules = rules.join(";");
    reader.row(|sink| {
        sink.flow(&FlowRow {
            time,
            vendor: "Isovalent",
            product: "Cilium",
            schema_version: "0.2.6",
            event_type: "Flow",
            count: Some(1),
            start: Some(time),
            end: Some(time),
            result: if allowed { "Success" } else { "Failure" },
            result_details: reason,
            severity: if allowed { "Informational" } else { "Low" },
            uid: text(flow, "/uuid"),
            host: node,
            action,
            original_action: verdict,
            direction: match text(flow, "/traffic_direction") {
                "INGRESS" => "Inbound",
                "EGRESS" => "Outbound",
                _ => "",
            },
            protocol,
            application,
            rule: &rules,
            src: text(flow, "/IP/source"),
            src_port: port("source_port"),
            src_host: &source.pod,
            src_zone: &source.zone,
            src_namespace: &source.namespace,
            src_pod: &source.pod,
            src_workload: &source.workload,
            src_labels: source.labels.as_deref(),
            dst: text(flow, "/IP/destination"),
            dst_port: port("destination_port"),
            dst_host: match text(flow, "/destination_names/0") {
                "" => &destination.pod,
                name => name,
            },
            dst_zone: &destination.zone,
            dst_namespace: &destination.namespace,
            dst_pod: &destination.pod,
            dst_workload: &destination.workload,
            dst_labels: destination.labels.as_deref(),
            syn: flag("SYN"),
            ack: flag("ACK"),
            fin: flag("FIN"),
            rst: flag("RST"),
            psh: flag("PSH"),
            urg: flag("URG"),
            additional: Some(additional.as_str()).filter(|text| *text != "{}"),
            raw,
            ..FlowRow::default()
        })
    });
    if let Some(dns) = l7.and_then(|l7| l7.get("dns")) {
        let response = text(l7.unwrap_or(&Value::Null), "/type") == "RESPONSE";
        let code = number(dns, "/rcode").unwrap_or(0);
        let query = text(dns, "/query");
        let answers = |name: &str| -> Vec<String> {
            let list = dns.get(name).and_then(Value::as_array);
            list.into_iter().flatten().map(|value| json::plain(value).into_owned()).collect()
        };
        let types = answers("qtypes");
        let mut given = answers("ips");
        given.extend(answers("cnames"));
        // A response travels from the server to whoever asked.
        let (asker, server) = if response {
            ("destination", "source")
        } else {
            ("source", "destination")
        };
        let asking = if response { &destination } else { &source };
        reader.row(|sink| {
            sink.dns(&DnsRow {
                time,
                vendor: "Isovalent",
                product: "Cilium",
                schema_version: "0.1.7",
                event_type: "Query",
                sub_type: if response { "response" } else { "request" },
                count: Some(1),
                result: if code == 0 { "Success" } else { "Failure" },
                response: if response { super::coredns::code_name(code) } else { "NA" },
                severity: "Informational",
                host: node,
                action,
                src: text(flow, &format!("/IP/{asker}")),
                src_port: port(&format!("{asker}_port")),
                src_namespace: &asking.namespace,
                src_pod: &asking.pod,
                dst: text(flow, &format!("/IP/{server}")),
                dst_port: port(&format!("{server}_port")),
                query: query.strip_suffix('.').unwrap_or(query),
                query_type: types.first().and_then(|name| super::coredns::type_number(name)),
                query_type_name: types.first().map_or("", String::as_str),
                query_class: Some(1),
                query_class_name: "IN",
                response_code: response.then_some(code),
                answer: &given.join(";"),
                duration: number(l7.unwrap_or(&Value::Null), "/latency_ns").map(|nanoseconds| nanoseconds / 1_000_000),
                protocol,
                raw,
                ..DnsRow::default()
            })
        });
    }
    reader.sink.accept();
    Ok(end)
}
