//! The messages of OTLP that are read, as data: from protobuf to the form that OTLP's JSON encoding has (opentelemetry.io, "OTLP
//! Specification 1.0", "JSON Protobuf Encoding"), so that one reader serves both.

use serde_json::{Map, Value};

use crate::protobuf::{Fields, NotAMessage, Wire, varint};

/// What a field holds.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    /// Shown in hexadecimal digits, as the specification says for identifiers
    Hex,
    /// Unsigned 64 bits, a text in JSON
    Big,
    /// Signed 64 bits, a text in JSON
    Signed,
    Small,
    Bool,
    Double,
    Message(&'static [Field]),
    /// A value's list of values: a constant cannot hold itself
    Values,
    /// A value's list of pairs
    Pairs,
    /// Packed list of doubles
    Doubles,
    /// Packed list of fixed 64-bit numbers
    Bigs,
}

#[derive(Clone, Copy)]
struct Field {
    number: u64,
    name: &'static str,
    kind: Kind,
    repeated: bool,
}

const fn one(number: u64, name: &'static str, kind: Kind) -> Field {
    Field {
        number,
        name,
        kind,
        repeated: false,
    }
}

const fn many(number: u64, name: &'static str, fields: &'static [Field]) -> Field {
    Field {
        number,
        name,
        kind: Kind::Message(fields),
        repeated: true,
    }
}

const ANY: &[Field] = &[
    one(1, "stringValue", Kind::Text),
    one(2, "boolValue", Kind::Bool),
    one(3, "intValue", Kind::Signed),
    one(4, "doubleValue", Kind::Double),
    one(5, "arrayValue", Kind::Values),
    one(6, "kvlistValue", Kind::Pairs),
    one(7, "bytesValue", Kind::Hex),
];
const ARRAY: &[Field] = &[many(1, "values", ANY)];
const LIST: &[Field] = &[many(1, "values", PAIR)];
const PAIR: &[Field] = &[one(1, "key", Kind::Text), one(2, "value", Kind::Message(ANY))];
const RESOURCE: &[Field] = &[many(1, "attributes", PAIR)];
const SCOPE: &[Field] = &[one(1, "name", Kind::Text), one(2, "version", Kind::Text)];

const LOG_RECORD: &[Field] = &[
    one(1, "timeUnixNano", Kind::Big),
    one(2, "severityNumber", Kind::Small),
    one(3, "severityText", Kind::Text),
    one(5, "body", Kind::Message(ANY)),
    many(6, "attributes", PAIR),
    one(9, "traceId", Kind::Hex),
    one(10, "spanId", Kind::Hex),
    one(11, "observedTimeUnixNano", Kind::Big),
    one(12, "eventName", Kind::Text),
];
const SCOPE_LOGS: &[Field] = &[one(1, "scope", Kind::Message(SCOPE)), many(2, "logRecords", LOG_RECORD)];
const RESOURCE_LOGS: &[Field] = &[one(1, "resource", Kind::Message(RESOURCE)), many(2, "scopeLogs", SCOPE_LOGS)];
const LOGS: &[Field] = &[many(1, "resourceLogs", RESOURCE_LOGS)];

const NUMBER_POINT: &[Field] = &[
    one(3, "timeUnixNano", Kind::Big),
    one(4, "asDouble", Kind::Double),
    one(6, "asInt", Kind::Signed),
    many(7, "attributes", PAIR),
];
const HISTOGRAM_POINT: &[Field] = &[
    one(3, "timeUnixNano", Kind::Big),
    one(4, "count", Kind::Big),
    one(5, "sum", Kind::Double),
    one(6, "bucketCounts", Kind::Bigs),
    one(7, "explicitBounds", Kind::Doubles),
    many(9, "attributes", PAIR),
];
const EXPONENTIAL_POINT: &[Field] = &[
    many(1, "attributes", PAIR),
    one(3, "timeUnixNano", Kind::Big),
    one(4, "count", Kind::Big),
    one(5, "sum", Kind::Double),
];
const QUANTILE: &[Field] = &[one(1, "quantile", Kind::Double), one(2, "value", Kind::Double)];
const SUMMARY_POINT: &[Field] = &[
    one(3, "timeUnixNano", Kind::Big),
    one(4, "count", Kind::Big),
    one(5, "sum", Kind::Double),
    many(6, "quantileValues", QUANTILE),
    many(7, "attributes", PAIR),
];
const NUMBERS: &[Field] = &[many(1, "dataPoints", NUMBER_POINT)];
const HISTOGRAM: &[Field] = &[many(1, "dataPoints", HISTOGRAM_POINT)];
const EXPONENTIAL: &[Field] = &[many(1, "dataPoints", EXPONENTIAL_POINT)];
const SUMMARY: &[Field] = &[many(1, "dataPoints", SUMMARY_POINT)];
const METRIC: &[Field] = &[
    one(1, "name", Kind::Text),
    one(3, "unit", Kind::Text),
    one(5, "gauge", Kind::Message(NUMBERS)),
    one(7, "sum", Kind::Message(NUMBERS)),
    one(9, "histogram", Kind::Message(HISTOGRAM)),
    one(10, "exponentialHistogram", Kind::Message(EXPONENTIAL)),
    one(11, "summary", Kind::Message(SUMMARY)),
];
const SCOPE_METRICS: &[Field] = &[one(1, "scope", Kind::Message(SCOPE)), many(2, "metrics", METRIC)];
const RESOURCE_METRICS: &[Field] = &[one(1, "resource", Kind::Message(RESOURCE)), many(2, "scopeMetrics", SCOPE_METRICS)];
const METRICS: &[Field] = &[many(1, "resourceMetrics", RESOURCE_METRICS)];

/// How deep messages may be within one another.
const DEPTH: usize = 40;

/// An export request of logs.
pub(super) fn logs(message: &[u8]) -> Result<Map<String, Value>, NotAMessage> {
    read(message, LOGS, DEPTH)
}

/// An export request of metrics.
pub(super) fn metrics(message: &[u8]) -> Result<Map<String, Value>, NotAMessage> {
    read(message, METRICS, DEPTH)
}

fn read(message: &[u8], fields: &'static [Field], depth: usize) -> Result<Map<String, Value>, NotAMessage> {
    let depth = depth.checked_sub(1).ok_or(NotAMessage)?;
    let mut out = Map::new();
    for found in Fields::new(message) {
        let (number, wire) = found?;
        let Some(field) = fields.iter().find(|field| field.number == number) else {
            continue;
        };
        let Some(value) = value(field.kind, wire, depth)? else { continue };
        if !field.repeated {
            out.insert(field.name.to_owned(), value);
        } else if let Value::Array(items) = out.entry(field.name).or_insert_with(|| Value::Array(Vec::new())) {
            items.push(value);
        }
    }
    Ok(out)
}

/// `None` where the wire type is another than the field's.
fn value(kind: Kind, wire: Wire<'_>, depth: usize) -> Result<Option<Value>, NotAMessage> {
    Ok(match (kind, wire) {
        (Kind::Text, Wire::Bytes(bytes)) => Some(String::from_utf8_lossy(bytes).into_owned().into()),
        (Kind::Hex, Wire::Bytes(bytes)) => Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()),
        (Kind::Big, Wire::Fixed64(number) | Wire::Number(number)) => Some(number.to_string().into()),
        (Kind::Signed, Wire::Fixed64(number) | Wire::Number(number)) => Some(number.cast_signed().to_string().into()),
        (Kind::Small, Wire::Number(number)) => Some(number.into()),
        (Kind::Bool, Wire::Number(number)) => Some((number != 0).into()),
        (Kind::Double, wire) => wire.double().map(double),
        (Kind::Message(fields), Wire::Bytes(bytes)) => Some(Value::Object(read(bytes, fields, depth)?)),
        (Kind::Values, Wire::Bytes(bytes)) => Some(Value::Object(read(bytes, ARRAY, depth)?)),
        (Kind::Pairs, Wire::Bytes(bytes)) => Some(Value::Object(read(bytes, LIST, depth)?)),
        (Kind::Doubles, Wire::Bytes(bytes)) => Some(fixed(bytes).map(|bits| double(f64::from_bits(bits))).collect()),
        (Kind::Bigs, Wire::Bytes(bytes)) if bytes.len() % 8 == 0 => {
            Some(fixed(bytes).map(|number| Value::from(number.to_string())).collect())
        }
        (Kind::Bigs, Wire::Bytes(mut bytes)) => {
            let mut items = Vec::new();
            while !bytes.is_empty() {
                items.push(Value::from(varint(&mut bytes).ok_or(NotAMessage)?.to_string()));
            }
            Some(Value::Array(items))
        }
        _ => None,
    })
}

fn fixed(bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    bytes
        .chunks_exact(8)
        .filter_map(|chunk| chunk.try_into().ok())
        .map(u64::from_le_bytes)
}

/// JSON has no infinity: protobuf's JSON writes its name.
fn double(number: f64) -> Value {
    if number.is_nan() {
        "NaN".into()
    } else if number.is_infinite() {
        if number > 0.0 { "Infinity".into() } else { "-Infinity".into() }
    } else {
        number.into()
    }
}
