//! Any JSON objects. Without a table of their own they are rows of CustomLog_CL, whole; [`decode_into`] maps them to the columns of a
//! table that the content directory defines, and [`infer_table`] proposes one from samples, with the names and types that the
//! Data Collector API of Azure Monitor gives (`_s`, `_d`, `_b`, `_t`, `_g`).

use std::borrow::Cow;

use serde_json::{Map, Value};
use taffrail_kql::Type;
use taffrail_schema::{ColumnDef, RECEIVED, TIME, TableDef};

use super::Format;
use super::control_plane::is_audit_event;
use crate::decode::{Context, Decoded, Limits, Refusal, Sink, SourceError};
use crate::framing::{Envelope, Reader};
use crate::json;
use crate::tables::CustomRow;
use crate::time::parse_any;

pub(crate) const FORMAT: Format = Format {
    prefix: b"{",
    members: &[],
    read,
};

/// Members that usually hold the time of a record.
const TIMES: [&str; 11] = [
    "TimeGenerated",
    "@timestamp",
    "timestamp",
    "time",
    "ts",
    "eventTime",
    "createdDateTime",
    "created_at",
    "date",
    "datetime",
    "Timestamp",
];

pub(crate) fn time_of(record: &Map<String, Value>) -> Option<i64> {
    TIMES
        .iter()
        .filter_map(|name| record.get(*name))
        .find_map(|value| parse_any(&json::plain(value)))
}

fn read(reader: &mut Reader<'_, '_>, bytes: &[u8], at: usize, _: &Envelope) -> Result<usize, Refusal> {
    let (record, end) = json::read::<Map<String, Value>>(bytes, at).map_err(|error| Refusal::json("not a JSON object", error))?;
    let raw = reader.sink.record_text(bytes, at, end)?;
    // Sent to the wrong door: it has a table of its own, where its secrets are masked.
    if is_audit_event(raw) {
        let result = Reader::new(super::KUBERNETES_AUDIT, reader.sink).body(raw.as_bytes());
        result.unwrap_or_else(|error| reader.fault(error));
        return Ok(end);
    }
    let of = |names: &[&str]| names.iter().find_map(|name| record.get(*name)?.as_str()).unwrap_or_default();
    let time = time_of(&record).unwrap_or(reader.sink.received);
    let compact = if json::is_loose(raw) {
        Cow::Owned(json::compact(raw))
    } else {
        Cow::Borrowed(raw)
    };
    let origin = reader.sink.context.origin.as_str();
    reader.row(|sink| {
        sink.custom(&CustomRow {
            time,
            cluster: of(&["cluster", "Cluster"]),
            computer: of(&["host", "hostname", "Computer", "computer"]),
            origin,
            message: of(&["message", "msg", "Message", "log"]),
            raw: Some(&compact),
        })
    });
    reader.sink.accept();
    Ok(end)
}

/// How members of records are named in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// As the columns are: Logs Ingestion API, Kusto
    Exact,
    /// With the suffix of their type: Data Collector API
    Suffixed,
}

/// Decodes JSON records into a table of the schema: members whose name is a column's, converted to its type. A member without a
/// column is dropped, unless there is a dynamic column `RawData`, which gets the whole record.
///
/// # Errors
/// When the schema has no such table. Bad input is no error: it is in [`Decoded::dead`].
pub fn decode_into(table: &str, naming: Naming, body: &[u8], context: &Context<'_>) -> Result<Decoded, SourceError> {
    let mut sink = Sink::new(context, Limits::default());
    if context.schema.table(table).is_none() {
        return Err(SourceError::NoTable { table: table.to_owned() });
    }
    for record in json::records(body) {
        let text = match record {
            Ok(text) => text,
            Err(error) => {
                sink.reject("not JSON", &error.message, body.get(error.at.min(body.len())..).unwrap_or_default());
                continue;
            }
        };
        if sink.too_large(text.as_bytes()) {
            continue;
        }
        match serde_json::from_str::<Map<String, Value>>(text) {
            Ok(record) => mapped(table, naming, &record, text, &mut sink)?,
            Err(error) => sink.reject("not a JSON object", &error.to_string(), text.as_bytes()),
        }
    }
    sink.finish("json")
}

fn mapped(table: &str, naming: Naming, record: &Map<String, Value>, text: &str, sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let time = time_of(record).unwrap_or(sink.received);
    let row = sink.named_row(table, time)?;
    for (name, value) in record {
        if name == TIME || name == RECEIVED || value.is_null() {
            continue;
        }
        let column = match naming {
            Naming::Exact => Cow::Borrowed(name.as_str()),
            Naming::Suffixed => Cow::Owned(suffixed(name, type_of(value))),
        };
        // A column whose values are of several types is one of text.
        let as_text = suffixed(name, Type::String);
        let known = [column.as_ref(), &as_text]
            .into_iter()
            .find(|column| row.has(column))
            .unwrap_or(name);
        if matches!(value, Value::Object(_) | Value::Array(_)) {
            row.json(known, &value.to_string());
        } else {
            row.text(known, &json::plain(value));
        }
    }
    row.json("RawData", &json::compact(text));
    row.end_row()?;
    sink.accept();
    Ok(())
}

/// A table for records like these: a column a member, with the narrowest type that all of its values have. Conservative: what is not
/// clear is a string, numbers are real, and text counts as time or guid only when all of it is.
pub fn infer_table(name: &str, records: &[Map<String, Value>]) -> TableDef {
    let mut found: Vec<(String, Type)> = Vec::new();
    for (member, value) in records.iter().flatten() {
        if value.is_null() || member == TIME || member == RECEIVED {
            continue;
        }
        let ty = type_of(value);
        match found.iter_mut().find(|(known, _)| known == member) {
            Some((_, known)) if *known != ty => *known = Type::String,
            Some(_) => {}
            None => found.push((member.clone(), ty)),
        }
    }
    let column = |name: &str, ty, about: &str| ColumnDef {
        name: name.to_owned(),
        ty,
        about: about.to_owned(),
        path: Vec::new(),
    };
    let mut columns = vec![
        column(TIME, Type::DateTime, "Time the record states; else when it arrived"),
        column("Cluster", Type::String, "Cluster it came from, as named where it was sent"),
    ];
    for (member, ty) in found {
        let name = suffixed(&member, ty);
        if !columns.iter().any(|known| known.name == name) {
            columns.push(column(&name, ty, ""));
        }
    }
    columns.push(column("RawData", Type::Dynamic, "The record as sent"));
    columns.push(column(RECEIVED, Type::DateTime, "When Taffrail received it"));
    TableDef {
        name: if name.ends_with("_CL") {
            name.to_owned()
        } else {
            format!("{name}_CL")
        },
        event: None,
        about: "Records of an own source".to_owned(),
        group: "Custom".to_owned(),
        columns,
        unique: Vec::new(),
        sort: vec![TIME.to_owned()],
        bloom: Vec::new(),
        plain: vec!["RawData".to_owned()],
    }
}

fn type_of(value: &Value) -> Type {
    match value {
        Value::Bool(_) => Type::Bool,
        Value::Number(_) => Type::Real,
        Value::Object(_) | Value::Array(_) => Type::Dynamic,
        Value::String(text) if crate::time::parse_rfc3339(text).is_some() => Type::DateTime,
        Value::String(text) if is_guid(text) => Type::Guid,
        _ => Type::String,
    }
}

fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// A member's name as a column: letters, digits and underscores, with the suffix of its type.
fn suffixed(member: &str, ty: Type) -> String {
    let mut name: String = member
        .chars()
        .map(|character| {
            if character.is_ascii_alphanumeric() || character == '_' {
                character
            } else {
                '_'
            }
        })
        .collect();
    if name.starts_with(|character: char| character.is_ascii_digit()) {
        name.insert(0, '_');
    }
    name.push_str(match ty {
        Type::Bool => "_b",
        Type::Real | Type::Int | Type::Long | Type::Decimal => "_d",
        Type::DateTime => "_t",
        Type::Guid => "_g",
        // The Data Collector API keeps objects as text; as dynamic they can be queried.
        _ => "_s",
    });
    name
}
