//! Calico's flow logs, a JSON object a flow (docs.tigera.io, "Flow log data types"): rows of NetworkFlow. A record sums the connections
//! of its span, and both ends of a connection report it.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Format;
use crate::decode::Refusal;
use crate::framing::{Envelope, Reader};
use crate::json::{self, Text};
use crate::klog::number_or_text_time;
use crate::tables::FlowRow;

pub(crate) const FORMAT: Format = Format {
    prefix: br#"{"start_time":"#,
    members: &[
        b"source_ip",
        b"dest_ip",
        b"source_name_aggr",
        b"dest_name_aggr",
        b"source_namespace",
    ],
    read,
};

#[derive(Deserialize)]
struct Flow<'a> {
    #[serde(borrow, default)]
    start_time: Option<&'a RawValue>,
    #[serde(borrow, default)]
    end_time: Option<&'a RawValue>,
    #[serde(borrow, default)]
    source_ip: Text<'a>,
    #[serde(borrow, default)]
    source_name: Text<'a>,
    #[serde(borrow, default)]
    source_name_aggr: Text<'a>,
    #[serde(borrow, default)]
    source_namespace: Text<'a>,
    #[serde(borrow, default)]
    source_port: Option<&'a RawValue>,
    #[serde(borrow, default)]
    source_type: Text<'a>,
    #[serde(borrow, default)]
    source_labels: Option<&'a RawValue>,
    #[serde(borrow, default)]
    dest_ip: Text<'a>,
    #[serde(borrow, default)]
    dest_name: Text<'a>,
    #[serde(borrow, default)]
    dest_name_aggr: Text<'a>,
    #[serde(borrow, default)]
    dest_namespace: Text<'a>,
    #[serde(borrow, default)]
    dest_port: Option<&'a RawValue>,
    #[serde(borrow, default)]
    dest_type: Text<'a>,
    #[serde(borrow, default)]
    dest_labels: Option<&'a RawValue>,
    #[serde(borrow, default)]
    dest_service_name: Text<'a>,
    #[serde(borrow, default)]
    dest_service_namespace: Text<'a>,
    #[serde(borrow, default)]
    dest_domains: Option<&'a RawValue>,
    #[serde(borrow, default)]
    proto: Option<&'a RawValue>,
    #[serde(borrow, default)]
    action: Text<'a>,
    #[serde(borrow, default)]
    reporter: Text<'a>,
    #[serde(borrow, default)]
    policies: Option<&'a RawValue>,
    #[serde(default)]
    bytes_in: Option<i64>,
    #[serde(default)]
    bytes_out: Option<i64>,
    #[serde(default)]
    packets_in: Option<i64>,
    #[serde(default)]
    packets_out: Option<i64>,
    #[serde(default)]
    num_flows: Option<i64>,
    #[serde(default)]
    num_flows_started: Option<i64>,
    #[serde(default)]
    num_flows_completed: Option<i64>,
    #[serde(borrow, default)]
    host: Text<'a>,
    #[serde(borrow, default)]
    process_name: Text<'a>,
}

#[derive(Deserialize, Default)]
struct Policies<'a> {
    #[serde(borrow, default)]
    all_policies: Vec<Text<'a>>,
    #[serde(borrow, default)]
    enforced_policies: Vec<Text<'a>>,
}

/// `-` is "none", `0.0.0.0` of an aggregated address too.
fn known(text: &str) -> &str {
    if text == "-" { "" } else { text }
}

fn number(raw: Option<&RawValue>) -> Option<i64> {
    raw?.get().trim_matches('"').parse().ok()
}

fn read(reader: &mut Reader<'_, '_>, text: &[u8], at: usize, _: &Envelope) -> Result<usize, Refusal> {
    let (flow, end) = json::read::<Flow<'_>>(text, at).map_err(|error| Refusal::json("not a flow of Calico", error))?;
    let raw = reader.sink.record_text(text, at, end)?;
    let start = flow.start_time.and_then(|raw| number_or_text_time(raw.get()));
    let stop = flow.end_time.and_then(|raw| number_or_text_time(raw.get()));
    let Some(time) = stop.or(start) else {
        return Err(Refusal::new("no timestamp", "start_time and end_time are missing or no times", end));
    };
    let policies: Policies<'_> = flow
        .policies
        .and_then(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or_default();
    let list = if policies.enforced_policies.is_empty() {
        policies.all_policies
    } else {
        policies.enforced_policies
    };
    let rules: Vec<&str> = list.iter().map(|policy| &**policy).collect();
    let protocol = flow.proto.map_or("", |raw| raw.get().trim_matches('"')).to_ascii_uppercase();
    let protocol = match protocol.as_str() {
        "6" => "TCP",
        "17" => "UDP",
        "1" => "ICMP",
        other => other,
    };
    let at_source = &*flow.reporter == "src";
    // In and out are seen from the end that reports.
    let (src_bytes, dst_bytes) = if at_source {
        (flow.bytes_out, flow.bytes_in)
    } else {
        (flow.bytes_in, flow.bytes_out)
    };
    let (src_packets, dst_packets) = if at_source {
        (flow.packets_out, flow.packets_in)
    } else {
        (flow.packets_in, flow.packets_out)
    };
    let sum = |one: Option<i64>, other: Option<i64>| Some(one?.saturating_add(other?));
    let mut additional = serde_json::Map::new();
    for (name, value) in [
        ("Reporter", &*flow.reporter),
        ("SrcType", &flow.source_type),
        ("DstType", &flow.dest_type),
        ("DstService", known(&flow.dest_service_name)),
        ("DstServiceNamespace", known(&flow.dest_service_namespace)),
        ("ProcessName", known(&flow.process_name)),
    ] {
        if !value.is_empty() {
            additional.insert(name.to_owned(), value.into());
        }
    }
    for (name, value) in [
        ("FlowsStarted", flow.num_flows_started),
        ("FlowsCompleted", flow.num_flows_completed),
    ] {
        if let Some(value) = value {
            additional.insert(name.to_owned(), value.into());
        }
    }
    if let Some(domains) = flow.dest_domains.and_then(|raw| serde_json::from_str(raw.get()).ok()) {
        additional.insert("DstDomains".to_owned(), domains);
    }
    let additional = serde_json::Value::Object(additional).to_string();
    let allowed = &*flow.action == "allow";
    let labels = |raw: Option<&RawValue>| raw.map(|raw| json::compact(raw.get()));
    let (src_labels, dst_labels) = (labels(flow.source_labels), labels(flow.dest_labels));
    reader.row(|sink| {
        sink.flow(&FlowRow {
            time,
            vendor: "Tigera",
            product: "Calico",
            schema_version: "0.2.6",
            event_type: "Flow",
            count: flow.num_flows.or(Some(1)),
            start,
            end: stop,
            result: if allowed { "Success" } else { "Failure" },
            severity: if allowed { "Informational" } else { "Low" },
            host: &flow.host,
            action: if allowed { "Allow" } else { "Deny" },
            original_action: &flow.action,
            direction: if at_source { "Outbound" } else { "Inbound" },
            protocol,
            rule: &rules.join(";"),
            duration: start.zip(stop).map(|(start, stop)| (stop - start) / 1000),
            bytes: sum(src_bytes, dst_bytes),
            packets: sum(src_packets, dst_packets),
            src: known(&flow.source_ip),
            src_port: number(flow.source_port),
            src_host: known(&flow.source_name),
            src_bytes,
            src_packets,
            src_zone: if &*flow.source_type == "net" { &flow.source_name_aggr } else { "" },
            src_namespace: known(&flow.source_namespace),
            src_pod: if &*flow.source_type == "wep" {
                known(&flow.source_name)
            } else {
                ""
            },
            src_workload: known(&flow.source_name_aggr),
            src_labels: src_labels.as_deref(),
            dst: known(&flow.dest_ip),
            dst_port: number(flow.dest_port),
            dst_host: known(&flow.dest_name),
            dst_bytes,
            dst_packets,
            dst_zone: if &*flow.dest_type == "net" { &flow.dest_name_aggr } else { "" },
            dst_namespace: known(&flow.dest_namespace),
            dst_pod: if &*flow.dest_type == "wep" { known(&flow.dest_name) } else { "" },
            dst_workload: known(&flow.dest_name_aggr),
            dst_labels: dst_labels.as_deref(),
            additional: Some(&additional).map(String::as_str).filter(|text| *text != "{}"),
            raw,
            ..FlowRow::default()
        })
    });
    reader.sink.accept();
    Ok(end)
}
