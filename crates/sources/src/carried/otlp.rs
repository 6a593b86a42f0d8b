//! OpenTelemetry's protocol for logs and metrics (opentelemetry.io, "OTLP Specification"), protobuf or JSON. Records of containers are
//! rows of ContainerLogV2; metrics are rows of InsightsMetrics, one a sample, histograms as Prometheus names them.

use serde_json::{Map, Value};

use super::{Body, Carried, otlp_schema, place_of};
use crate::decode::{Sink, SourceError};
use crate::formats::exposition;
use crate::json;
use crate::tables::MetricRow;

fn request(
    body: &[u8],
    protobuf: fn(&[u8]) -> Result<Map<String, Value>, crate::protobuf::NotAMessage>,
) -> Result<Map<String, Value>, String> {
    if body.trim_ascii_start().starts_with(b"{") {
        return serde_json::from_slice(body).map_err(|error| error.to_string());
    }
    protobuf(body).map_err(|_| "the protobuf message ends too early or is none".to_owned())
}

fn items<'a>(object: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    object
        .get(name)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
}

pub(crate) fn decode_logs(body: &[u8], sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let request = match request(body, otlp_schema::logs) {
        Ok(request) => Value::Object(request),
        Err(detail) => {
            sink.carried_bad("not an OTLP request", &detail, body);
            return Ok(());
        }
    };
    for resource_logs in items(&request, "resourceLogs") {
        let resource = attributes(resource_logs.get("resource"));
        for scope_logs in items(resource_logs, "scopeLogs") {
            let scope = scope_logs.pointer("/scope/name").and_then(Value::as_str).unwrap_or_default();
            for record in items(scope_logs, "logRecords") {
                log_record(record, &resource, scope, sink)?;
            }
        }
    }
    Ok(())
}

fn log_record(record: &Value, resource: &Map<String, Value>, scope: &str, sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let own = attributes(Some(record));
    let of = |names: &[&str]| {
        let found = names
            .iter()
            .find_map(|name| own.get(*name).or_else(|| resource.get(*name))?.as_str());
        found.unwrap_or_default().to_owned()
    };
    let time = nanoseconds(record.get("timeUnixNano")).or_else(|| nanoseconds(record.get("observedTimeUnixNano")));
    let body = record.get("body").map(any).unwrap_or_default();
    let body = match &body {
        Value::Object(_) => Body::Object(body.to_string().into()),
        Value::Null => Body::Text(of(&["event.name"]).into()),
        other => Body::Text(json::plain(other).into_owned().into()),
    };
    let mut labels: Vec<(String, Value)> = Vec::new();
    for name in ["severityText", "severityNumber", "traceId", "spanId", "eventName"] {
        if let Some(value) = record.get(name).filter(|value| !json::plain(value).is_empty()) {
            labels.push((name.to_owned(), value.clone()));
        }
    }
    if !own.is_empty() {
        labels.push(("attributes".to_owned(), Value::Object(own.clone())));
    }
    if !resource.is_empty() {
        labels.push(("resource".to_owned(), Value::Object(resource.clone())));
    }
    if !scope.is_empty() {
        labels.push(("scope".to_owned(), scope.into()));
    }
    let (host, cluster, named, stream) = (
        of(&["host.name", "k8s.node.name"]),
        of(&["k8s.cluster.name"]),
        of(&["taffrail.source"]),
        of(&["log.iostream"]),
    );
    sink.carried(&Carried {
        time,
        body,
        host: &host,
        cluster: &cluster,
        named: &named,
        place: place_of(of),
        stream: &stream,
        labels: &labels,
        whole: None,
    })
}

/// The list of keys and values of something, as an object.
fn attributes(of: Option<&Value>) -> Map<String, Value> {
    let Some(of) = of else { return Map::new() };
    pairs(items(of, "attributes"))
}

fn pairs<'a>(list: impl Iterator<Item = &'a Value>) -> Map<String, Value> {
    list.filter_map(|pair| {
        let key = pair.get("key")?.as_str()?;
        Some((key.to_owned(), pair.get("value").map(any).unwrap_or_default()))
    })
    .collect()
}

/// A value that says its type, as plain JSON. JSON's own nesting limit holds for text, the reader's for protobuf.
fn any(value: &Value) -> Value {
    let Some((kind, inner)) = value.as_object().and_then(|object| object.iter().next()) else {
        return Value::Null;
    };
    match kind.as_str() {
        // 64-bit integers are texts in JSON.
        "intValue" => inner
            .as_str()
            .and_then(|text| text.parse::<i64>().ok())
            .map_or_else(|| inner.clone(), Value::from),
        "arrayValue" => items(inner, "values").map(any).collect(),
        "kvlistValue" => Value::Object(pairs(items(inner, "values"))),
        _ => inner.clone(),
    }
}

fn whole_number(value: Option<&Value>) -> Option<u64> {
    match value? {
        Value::String(text) => text.parse().ok(),
        number => number.as_u64(),
    }
}

/// Microseconds; zero is unknown.
fn nanoseconds(value: Option<&Value>) -> Option<i64> {
    whole_number(value)
        .filter(|nanoseconds| *nanoseconds > 0)
        .and_then(|nanoseconds| i64::try_from(nanoseconds / 1_000).ok())
}

fn real(value: Option<&Value>) -> Option<f64> {
    match value? {
        Value::String(text) => text.parse().ok(),
        number => number.as_f64(),
    }
}

pub(crate) fn decode_metrics(body: &[u8], sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let request = match request(body, otlp_schema::metrics) {
        Ok(request) => Value::Object(request),
        Err(detail) => {
            sink.carried_bad("not an OTLP request", &detail, body);
            return Ok(());
        }
    };
    for resource_metrics in items(&request, "resourceMetrics") {
        let resource = attributes(resource_metrics.get("resource"));
        for scope_metrics in items(resource_metrics, "scopeMetrics") {
            for metric in items(scope_metrics, "metrics") {
                one_metric(metric, &resource, sink)?;
            }
        }
    }
    Ok(())
}

fn one_metric(metric: &Value, resource: &Map<String, Value>, sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let name = metric.get("name").and_then(Value::as_str).unwrap_or_default();
    if name.is_empty() {
        sink.carried_bad("not a metric", "it has no name", metric.to_string().as_bytes());
        return Ok(());
    }
    for kind in ["gauge", "sum", "histogram", "exponentialHistogram", "summary"] {
        let Some(data) = metric.get(kind) else { continue };
        for point in items(data, "dataPoints") {
            let time = nanoseconds(point.get("timeUnixNano")).unwrap_or(sink.received);
            let own = attributes(Some(point));
            match kind {
                "gauge" | "sum" => {
                    let value = real(point.get("asDouble")).or_else(|| real(point.get("asInt"))).unwrap_or(f64::NAN);
                    sample(name, &own, resource, None, value, time, sink)?;
                }
                _ => {
                    for (suffix, member) in [("_count", "count"), ("_sum", "sum")] {
                        if let Some(value) = real(point.get(member)) {
                            sample(&format!("{name}{suffix}"), &own, resource, None, value, time, sink)?;
                        }
                    }
                    buckets(name, point, &own, resource, time, sink)?;
                    for quantile in items(point, "quantileValues") {
                        let label = (
                            "quantile",
                            json::plain(quantile.get("quantile").unwrap_or(&Value::Null)).into_owned(),
                        );
                        let value = real(quantile.get("value")).unwrap_or(0.0);
                        sample(name, &own, resource, Some(label), value, time, sink)?;
                    }
                }
            }
            sink.accept();
        }
    }
    Ok(())
}

/// Counts up to each bound, as Prometheus has them.
fn buckets(
    name: &str,
    point: &Value,
    own: &Map<String, Value>,
    resource: &Map<String, Value>,
    time: i64,
    sink: &mut Sink<'_>,
) -> Result<(), SourceError> {
    let bounds: Vec<&Value> = items(point, "explicitBounds").collect();
    let mut total = 0.0;
    for (index, count) in items(point, "bucketCounts").enumerate() {
        total += real(Some(count)).unwrap_or(0.0);
        let bound = bounds
            .get(index)
            .map_or_else(|| "+Inf".to_owned(), |bound| json::plain(bound).into_owned());
        sample(&format!("{name}_bucket"), own, resource, Some(("le", bound)), total, time, sink)?;
    }
    Ok(())
}

fn sample(
    name: &str,
    own: &Map<String, Value>,
    resource: &Map<String, Value>,
    more: Option<(&str, String)>,
    value: f64,
    time: i64,
    sink: &mut Sink<'_>,
) -> Result<(), SourceError> {
    let text = |(name, value): (&String, &Value)| (name.clone(), json::plain(value).into_owned());
    let mut tags: Vec<(String, String)> = own.iter().map(text).chain(resource.iter().map(text)).collect();
    tags.extend(more.map(|(name, value)| (name.to_owned(), value)));
    let of = |names: &[&str]| {
        names
            .iter()
            .find_map(|wanted| tags.iter().find(|(name, _)| name == wanted))
            .map_or("", |(_, value)| value)
    };
    let json = exposition::tags(tags.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    sink.metric(&MetricRow {
        time,
        cluster: of(&["k8s.cluster.name"]),
        computer: of(&["host.name", "k8s.node.name", "service.instance.id"]),
        name,
        namespace: Some(of(&["service.name"]))
            .filter(|name| !name.is_empty())
            .unwrap_or("opentelemetry"),
        origin: "otlp",
        tags: &json,
        value: value.is_finite().then_some(value),
        value_text: match value {
            value if value.is_nan() => "NaN",
            f64::INFINITY => "+Inf",
            f64::NEG_INFINITY => "-Inf",
            _ => "",
        },
    })
}
