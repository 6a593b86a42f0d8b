//! Rows as JSON text, written straight into the answer's body.

use serde_json::Value;
use taffrail_kql::Type;

use crate::ports::{Column, Rows};

/// How a protocol writes dynamic values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dynamic {
    /// As the JSON value they are (Kusto v2)
    Value,
    /// As text: a string as itself, everything else as JSON text (Log Analytics, Kusto v1)
    Text,
}

fn as_text(value: Value) -> Value {
    match value {
        Value::Null | Value::String(_) => value,
        other => Value::String(other.to_string()),
    }
}

/// Appends `[[…],[…]]`.
pub(crate) fn write(out: &mut Vec<u8>, columns: &[Column], rows: &dyn Rows, dynamic: Dynamic) {
    write_with(out, columns, rows, dynamic, None);
}

/// Appends `[[…],[…],EXTRA]`.
pub(crate) fn write_with(out: &mut Vec<u8>, columns: &[Column], rows: &dyn Rows, dynamic: Dynamic, extra: Option<&Value>) {
    let in_text: Vec<bool> = columns
        .iter()
        .map(|column| column.ty == Type::Dynamic && dynamic == Dynamic::Text)
        .collect();
    let mut first = true;
    let mut put = |out: &mut Vec<u8>, row: &Value| {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        write_value(out, row);
    };
    out.push(b'[');
    rows.each(&mut |mut row| {
        for (value, in_text) in row.iter_mut().zip(&in_text) {
            if *in_text {
                *value = as_text(value.take());
            }
        }
        put(out, &Value::Array(row));
    });
    if let Some(extra) = extra {
        put(out, extra);
    }
    out.push(b']');
}

/// Appends a value. Writing into memory cannot fail.
pub(crate) fn write_value(out: &mut Vec<u8>, value: &Value) {
    if let Err(error) = serde_json::to_writer(out, value) {
        tracing::error!(%error, "a value cannot be written as JSON");
    }
}
