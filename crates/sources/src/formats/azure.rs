//! Azure's diagnostic export of AKS: records with the event or line as text in `properties.log`, one a line (storage account)
//! or as `{"records":[...]}` (event hub); and rows of a workspace's AzureDiagnostics, with the text in `log_s`
//! (learn.microsoft.com, "Monitor AKS", "Azure resource logs").

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Format, event_list};
use crate::decode::Refusal;
use crate::framing::{Envelope, Reader};
use crate::json::{self, Text};
use crate::time::parse_rfc3339;

pub(crate) const RECORDS: Format = Format {
    prefix: br#"{"records":["#,
    members: &[b"records"],
    read: read_records,
};

pub(crate) const RECORD: Format = Format {
    prefix: b"",
    members: &[b"properties"],
    read: read_record,
};

pub(crate) const ROW: Format = Format {
    prefix: b"",
    members: &[b"log_s"],
    read: read_row,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    #[serde(borrow, default)]
    time: Text<'a>,
    #[serde(borrow, default, alias = "resourceID")]
    resource_id: Text<'a>,
    #[serde(borrow, default)]
    category: Text<'a>,
    #[serde(borrow, default)]
    operation_name: Text<'a>,
    #[serde(borrow, default)]
    properties: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Properties<'a> {
    #[serde(borrow, default)]
    log: Option<&'a RawValue>,
    #[serde(borrow, default)]
    stream: Text<'a>,
    #[serde(borrow, default)]
    pod: Text<'a>,
    #[serde(borrow, default, rename = "containerID")]
    container_id: Text<'a>,
}

#[derive(Deserialize)]
struct Row<'a> {
    #[serde(borrow, default, rename = "TimeGenerated")]
    time: Text<'a>,
    #[serde(borrow, default, rename = "ResourceId", alias = "_ResourceId")]
    resource_id: Text<'a>,
    #[serde(borrow, default, rename = "Category")]
    category: Text<'a>,
    #[serde(borrow, default, rename = "OperationName")]
    operation: Text<'a>,
    #[serde(borrow, default)]
    log_s: Text<'a>,
    #[serde(borrow, default)]
    stream_s: Text<'a>,
    #[serde(borrow, default)]
    pod_s: Text<'a>,
    #[serde(borrow, default, rename = "containerID_s")]
    container_id: Text<'a>,
}

fn broken(error: json::JsonError) -> Refusal {
    Refusal {
        reason: if error.wrong_type { "not a diagnostic record" } else { "not JSON" }.to_owned(),
        detail: error.message,
        end: None,
    }
}

/// The last part of a resource id names the cluster.
fn cluster_of(resource_id: &str) -> String {
    resource_id.rsplit('/').next().unwrap_or_default().to_owned()
}

fn read_records(reader: &mut Reader<'_, '_>, text: &[u8], at: usize, envelope: &Envelope) -> Result<usize, Refusal> {
    event_list::read_list(reader, text, at, envelope, b"records", |_, _| None)
}

fn read_record(reader: &mut Reader<'_, '_>, text: &[u8], at: usize, _: &Envelope) -> Result<usize, Refusal> {
    let (record, end) = json::read::<Record<'_>>(text, at).map_err(broken)?;
    let unescaped;
    let properties = match record.properties.map(RawValue::get) {
        // Some exports have the properties as JSON text.
        Some(raw) if raw.starts_with('"') => {
            unescaped = serde_json::from_str::<String>(raw).unwrap_or_default();
            serde_json::from_str::<Properties<'_>>(&unescaped)
        }
        Some(raw) => serde_json::from_str::<Properties<'_>>(raw),
        None => return Err(Refusal::new("not a diagnostic record", "properties is null", end)),
    }
    .map_err(|error| Refusal::new("not a diagnostic record", format!("properties: {error}"), end))?;
    let Some(log) = properties.log else {
        let detail = format!(
            "category {:?} has no properties.log, so it is not of AKS' control plane",
            &*record.category
        );
        return Err(Refusal::new("unsupported category", detail, end));
    };
    let envelope = Envelope {
        cluster: cluster_of(&record.resource_id),
        resource_id: record.resource_id.0.into_owned(),
        category: record.category.0.into_owned(),
        operation: record.operation_name.0.into_owned(),
        pod: properties.pod.0.into_owned(),
        stream: properties.stream.0.into_owned(),
        container_id: properties.container_id.0.into_owned(),
        time: parse_rfc3339(&record.time),
    };
    if log.get().starts_with('"') {
        let log: Text<'_> = serde_json::from_str(log.get())
            .map_err(|error| Refusal::new("not a diagnostic record", format!("properties.log: {error}"), end))?;
        reader.inner(&log, &envelope, end)
    } else {
        reader.inner(log.get(), &envelope, end)
    }
}

fn read_row(reader: &mut Reader<'_, '_>, text: &[u8], at: usize, _: &Envelope) -> Result<usize, Refusal> {
    let (row, end) = json::read::<Row<'_>>(text, at).map_err(broken)?;
    let envelope = Envelope {
        cluster: cluster_of(&row.resource_id),
        resource_id: row.resource_id.0.into_owned(),
        category: row.category.0.into_owned(),
        operation: row.operation.0.into_owned(),
        pod: row.pod_s.0.into_owned(),
        stream: row.stream_s.0.into_owned(),
        container_id: row.container_id.0.into_owned(),
        time: parse_rfc3339(&row.time),
    };
    reader.inner(&row.log_s, &envelope, end)
}
