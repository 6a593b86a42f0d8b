//! Documented samples: each file of `tests/data/SOURCE` is decoded, and its rows are those beside it in `.rows` (a JSON object a row,
//! without what is missing). `UPDATE=1` writes them anew; the difference is then looked at. Recognition is checked on the same files.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use chrono::DateTime;
use serde_json::{Map, Value};

use super::context;
use crate::{Context, Decoded, decode};

/// Samples that are of no own form: they are another source's, or anything.
const NOT_RECOGNISED: [&str; 10] = [
    "kube-proxy/",
    "flannel/",
    "alcide-kaudit/selections",
    "node-services/",
    "json/",
    // Binary: the address they are sent to says what they are.
    "fluent/",
    "loki/push-protobuf.hex",
    "otlp-logs/request-protobuf.hex",
    "otlp-metrics/request-protobuf.hex",
    "unknown",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

/// Files with samples: source, path, and where they are said to come from.
pub(super) fn samples() -> Vec<(String, PathBuf, String)> {
    let mut all = Vec::new();
    for source in std::fs::read_dir(folder()).unwrap() {
        let source = source.unwrap().path();
        if !source.is_dir() {
            continue;
        }
        for file in std::fs::read_dir(&source).unwrap() {
            let path = file.unwrap().path();
            let extension = path.extension().unwrap_or_default().to_str().unwrap();
            if matches!(extension, "rows" | "origin") {
                continue;
            }
            let origin = std::fs::read_to_string(path.with_extension("origin")).unwrap_or_default();
            let name = source.file_name().unwrap().to_str().unwrap().to_owned();
            all.push((name, path, origin.trim().to_owned()));
        }
    }
    all.sort();
    all
}

/// A body as it is on the wire: a file of hexadecimal digits holds bytes.
pub(super) fn body(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    if path.extension().is_none_or(|extension| extension != "hex") {
        return bytes;
    }
    let digits: String = String::from_utf8(bytes).unwrap().split_ascii_whitespace().collect();
    crate::lines::hex(&digits).unwrap()
}

fn cell(batch: &RecordBatch, column: usize, row: usize) -> Option<Value> {
    let array = batch.column(column);
    if array.is_null(row) {
        return None;
    }
    let value = match array.data_type() {
        DataType::Utf8View => {
            let text = array.as_string_view().value(row);
            if text.is_empty() {
                return None;
            }
            Value::from(text)
        }
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).into(),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row).into(),
        DataType::Boolean => array.as_boolean().value(row).into(),
        DataType::Timestamp(..) => {
            let microseconds = array.as_primitive::<TimestampMicrosecondType>().value(row);
            DateTime::from_timestamp_micros(microseconds)
                .unwrap()
                .to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
                .into()
        }
        other => panic!("no text of {other}"),
    };
    Some(value)
}

/// Rows and dead letters as text, a line each.
pub(super) fn printed(decoded: &Decoded) -> String {
    let mut out = String::new();
    for (table, batch) in &decoded.batches {
        for row in 0..batch.num_rows() {
            let mut object = Map::new();
            object.insert("table".to_owned(), table.as_str().into());
            for (index, field) in batch.schema().fields().iter().enumerate() {
                if field.name() != "_TimeReceived"
                    && let Some(value) = cell(batch, index, row)
                {
                    object.insert(field.name().clone(), value);
                }
            }
            writeln!(out, "{}", Value::Object(object)).unwrap();
        }
    }
    for letter in &decoded.dead {
        writeln!(out, "dead: {}: {}", letter.reason, letter.detail).unwrap();
    }
    out
}

fn context_of(origin: &str) -> Context<'static> {
    Context {
        cluster: String::new(),
        origin: origin.to_owned(),
        ..context()
    }
}

#[test]
fn documented_samples_give_their_rows() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut wrong = Vec::new();
    for (source, path, origin) in samples() {
        let decoded = decode(&source, &body(&path), &context_of(&origin)).unwrap();
        let rows = printed(&decoded);
        let expected = path.with_extension("rows");
        if update {
            std::fs::write(&expected, &rows).unwrap();
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != rows {
            wrong.push(format!("{}:\n{rows}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "rows differ (UPDATE=1 writes them):\n{}", wrong.join("\n"));
}

#[test]
fn samples_are_recognised_by_their_content() {
    for (source, path, origin) in samples() {
        let name = path.strip_prefix(folder()).unwrap().to_str().unwrap().to_owned();
        if NOT_RECOGNISED.iter().any(|start| name.starts_with(start)) {
            continue;
        }
        let body = body(&path);
        let recognised = crate::recognise(&body, &origin).map(|recognised| (recognised.source.id, recognised.why));
        assert_eq!(recognised.map(|(id, _)| id), Ok(source.as_str()), "{name}");
        let decoded = decode("auto", &body, &context_of(&origin)).unwrap();
        assert_eq!(
            (decoded.source, decoded.rejected),
            (source.as_str(), decode(&source, &body, &context_of(&origin)).unwrap().rejected)
        );
    }
}

#[test]
fn what_is_of_no_form_is_kept_as_a_dead_letter() {
    let decoded = decode("auto", b"once upon a time\nthere was a line\n", &context()).unwrap();
    assert_eq!(
        (decoded.source, decoded.rows(), &*decoded.dead[0].reason),
        ("", 0, "unknown format")
    );
    let empty = decode("auto", b" \n", &context()).unwrap();
    assert_eq!((empty.records, empty.rejected), (0, 0));
}

#[test]
fn every_column_that_is_filled_exists() {
    for (table, columns) in crate::tables::FILLED {
        let definition = context().schema.table(table).unwrap_or_else(|| panic!("there is a table {table}"));
        for column in *columns {
            assert!(definition.column(column).is_some(), "{table} has no column {column}");
        }
    }
    for source in crate::Catalogue::sources() {
        for table in source.tables {
            assert!(context().schema.table(table).is_some(), "{}: there is no table {table}", source.id);
        }
    }
}
