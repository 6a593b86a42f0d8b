//! Behaviour of the decoders as a user of the crate sees it.

mod bad_input;
mod carried;
mod documents;
mod formats;
mod fuzz;
mod masking;
mod mutated;
mod recorded;
mod samples;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int32Type, Int64Type, TimestampMicrosecondType};
use chrono::{DateTime, Utc};
use taffrail_content::Content;
use taffrail_schema::Schema;

use crate::{Context, Decoded, decode};

pub(super) fn schema() -> &'static Schema {
    static SCHEMA: std::sync::OnceLock<Schema> = std::sync::OnceLock::new();
    SCHEMA.get_or_init(|| Schema::load(&Content::embedded()).unwrap())
}

pub(super) fn context() -> Context<'static> {
    Context {
        cluster: "prod".to_owned(),
        received: DateTime::<Utc>::from_timestamp(1_768_471_300, 0).unwrap(),
        schema: schema(),
        origin: "test".to_owned(),
    }
}

pub(super) fn audit(body: impl AsRef<[u8]>) -> Decoded {
    decode("kubernetes-audit", body.as_ref(), &context()).unwrap()
}

/// A column of all rows of a table, as text; null is `null`.
pub(super) fn column(decoded: &Decoded, table: &str, name: &str) -> Vec<String> {
    let batches = decoded.batches.iter().filter(|(of, _)| of == table);
    batches.flat_map(|(_, batch)| texts(batch, name)).collect()
}

fn texts(batch: &RecordBatch, name: &str) -> Vec<String> {
    let array = batch.column_by_name(name).unwrap_or_else(|| panic!("there is a column {name}"));
    (0..array.len())
        .map(|row| {
            if array.is_null(row) {
                return "null".to_owned();
            }
            match array.data_type() {
                DataType::Utf8View => array.as_string_view().value(row).to_owned(),
                DataType::Int32 => array.as_primitive::<Int32Type>().value(row).to_string(),
                DataType::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
                DataType::Timestamp(..) => {
                    let microseconds = array.as_primitive::<TimestampMicrosecondType>().value(row);
                    DateTime::from_timestamp_micros(microseconds).unwrap().to_rfc3339()
                }
                other => panic!("no text of {other}"),
            }
        })
        .collect()
}

/// One value of the only row of KubernetesAudit.
pub(super) fn value(decoded: &Decoded, name: &str) -> String {
    let values = column(decoded, "KubernetesAudit", name);
    assert_eq!(values.len(), 1, "one event; dead: {:?}", decoded.dead);
    values.into_iter().next().unwrap()
}

/// An event of which members can be given; later ones of the same name replace.
pub(super) fn event(id: &str, members: &str) -> String {
    let more = if members.is_empty() { String::new() } else { format!(",{members}") };
    format!(
        r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"{id}","stage":"ResponseComplete","stageTimestamp":"2026-01-15T10:00:00.012000Z"{more}}}"#
    )
}
