//! Alcide kAudit's feeds, which went to a workspace's collector API as JSON arrays: each feed has a table of its own, whose names and known
//! columns are kept. The product is no longer sold, and its feeds carry no name: a record's members tell which it is of.

use serde_json::{Map, Value};

use super::Format;
use crate::decode::Refusal;
use crate::framing::{Envelope, Reader};
use crate::json;
use crate::time::parse_any;

pub(crate) const FORMAT: Format = Format {
    prefix: b"",
    members: &[
        b"principal",
        b"resource_type",
        b"caller_ip",
        b"selection_name",
        b"selection",
        b"detection",
        b"time",
    ],
    read,
};

fn read(reader: &mut Reader<'_, '_>, bytes: &[u8], at: usize, _: &Envelope) -> Result<usize, Refusal> {
    let (record, end) = json::read::<Map<String, Value>>(bytes, at).map_err(|error| Refusal::json("not a record of kAudit", error))?;
    let raw = reader.sink.record_text(bytes, at, end)?;
    let of = |names: &[&str]| names.iter().find_map(|name| record.get(*name)).map(json::plain).unwrap_or_default();
    let has = |name: &str| record.contains_key(name);
    let selection = has("selection") || has("selection_name");
    let table = match (selection, has("count")) {
        (true, true) => "alcide_kaudit_selections_count_1_CL",
        (true, false) => "alcide_kaudit_selections_details_1_CL",
        _ if has("detection") || has("detection_name") || has("confidence") => "alcide_kaudit_detections_1_CL",
        _ => "alcide_kaudit_activity_1_CL",
    };
    let time = parse_any(&of(&["time", "etime", "timestamp"])).unwrap_or(reader.sink.received);
    let compact = json::compact(raw);
    reader.row(|sink| {
        let row = sink.named_row(table, time)?;
        for (column, names) in [
            ("Cluster", &["cluster"][..]),
            ("principal_s", &["principal"]),
            ("resource_type_s", &["resource_type"]),
            ("resource_namespace_s", &["resource_namespace"]),
            ("resource_name_s", &["resource_name"]),
            ("caller_ip_s", &["caller_ip"]),
            ("user_agent_s", &["user_agent"]),
            ("verb_s", &["verb"]),
            ("category_s", &["category", "detection", "detection_name"]),
            ("severity_s", &["severity", "confidence"]),
            ("selection_name_s", &["selection_name", "selection"]),
            ("count_d", &["count"]),
        ] {
            let value = of(names);
            if !value.is_empty() {
                row.text(column, &value);
            }
        }
        row.json("RawData", &compact);
        Ok(row.end_row()?)
    });
    reader.sink.accept();
    Ok(end)
}
