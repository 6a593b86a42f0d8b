//! The page `/metrics` of a program: Prometheus' text format 0.0.4 and OpenMetrics 1.0 (prometheus.io, "Exposition formats"). Rows of
//! InsightsMetrics, one a sample. Times are milliseconds in the first and seconds in the second, which ends with `# EOF`.

use crate::decode::{Sink, SourceError};
use crate::json;
use crate::lines;
use crate::tables::MetricRow;

pub(crate) fn decode(body: &[u8], sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let seconds = body.trim_ascii_end().ends_with(b"# EOF");
    for line in lines::lines(body) {
        let line = line.trim();
        if line.starts_with('#') {
            continue;
        }
        match parse(line) {
            Ok(sample) => {
                let time = match sample.timestamp {
                    Some(timestamp) => {
                        let microseconds = if seconds { timestamp * 1e6 } else { timestamp * 1e3 };
                        if microseconds.abs() < 9e17 {
                            microseconds as i64
                        } else {
                            sink.received
                        }
                    }
                    None => sink.received,
                };
                let labels: Vec<(&str, &str)> = sample.labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
                let tags = tags(labels.iter().copied());
                add(sample.name, &labels, &tags, sample.value, time, "scrape", sink)?;
                sink.accept();
            }
            Err(detail) => sink.reject("not a sample", detail, line.as_bytes()),
        }
    }
    Ok(())
}

struct Sample<'a> {
    name: &'a str,
    labels: Vec<(&'a str, String)>,
    value: f64,
    timestamp: Option<f64>,
}

/// Whether a line is a sample: for recognition.
pub(crate) fn is_sample(line: &str) -> bool {
    parse(line).is_ok()
}

fn parse(line: &str) -> Result<Sample<'_>, &'static str> {
    let end = line
        .find(|character: char| !(character.is_ascii_alphanumeric() || matches!(character, '_' | ':' | '.')))
        .unwrap_or(line.len());
    let (name, mut rest) = line.split_at(end);
    let mut labels = Vec::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = parse_labels(inner, &mut labels)?;
    }
    // Names that need quotes stand within the braces.
    let name = match labels.iter().position(|(key, _): &(&str, String)| key.is_empty()) {
        Some(_) => return Err("names in quotes are not read"),
        None => name,
    };
    if name.is_empty() || name.starts_with(|character: char| character.is_ascii_digit()) {
        return Err("it does not begin with the name of a metric");
    }
    // Behind ` # ` stands an exemplar.
    let values = rest.split(" # ").next().unwrap_or_default();
    let mut words = values.split_ascii_whitespace();
    let value = words.next().ok_or("it has no value")?;
    let value = match value {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        _ => value.parse().map_err(|_| "its value is no number")?,
    };
    let timestamp = match words.next() {
        Some(word) => Some(word.parse().map_err(|_| "its time is no number")?),
        None => None,
    };
    if words.next().is_some() {
        return Err("there is more behind the time");
    }
    Ok(Sample {
        name,
        labels,
        value,
        timestamp,
    })
}

/// Reads `name="value",...}`; what is behind it.
pub(crate) fn parse_labels<'a>(mut rest: &'a str, labels: &mut Vec<(&'a str, String)>) -> Result<&'a str, &'static str> {
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        if let Some(rest) = rest.strip_prefix('}') {
            return Ok(rest);
        }
        let (name, value) = rest.split_once('=').ok_or("a label has no value")?;
        let inner = value.strip_prefix('"').ok_or("a label's value is not in quotes")?;
        let mut text = String::new();
        let mut end = None;
        let mut characters = inner.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    end = Some(at);
                    break;
                }
                '\\' => match characters.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, other)) => text.push(other),
                    None => break,
                },
                other => text.push(other),
            }
        }
        let end = end.ok_or("a label's value does not end")?;
        labels.push((name.trim(), text));
        rest = inner.get(end + 1..).unwrap_or_default();
    }
}

/// Labels as the JSON text of column Tags.
pub(crate) fn tags<'a>(labels: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = String::from("{");
    for (name, value) in labels {
        if out.len() > 1 {
            out.push(',');
        }
        json::push_string(&mut out, name);
        out.push(':');
        json::push_string(&mut out, value);
    }
    out.push('}');
    out
}

/// Adds the row of a sample.
pub(crate) fn add(
    name: &str,
    labels: &[(&str, &str)],
    tags: &str,
    value: f64,
    time: i64,
    origin: &str,
    sink: &mut Sink<'_>,
) -> Result<(), SourceError> {
    let label = |wanted: &str| labels.iter().find(|(name, _)| *name == wanted).map_or("", |(_, value)| value);
    let computer = [label("node"), label("instance")]
        .into_iter()
        .find(|text| !text.is_empty())
        .unwrap_or_default();
    sink.metric(&MetricRow {
        time,
        cluster: label("cluster"),
        computer,
        name,
        namespace: "prometheus",
        origin,
        tags,
        value: value.is_finite().then_some(value),
        // Columns of numbers keep no infinity.
        value_text: if value.is_nan() {
            "NaN"
        } else if value == f64::INFINITY {
            "+Inf"
        } else if value == f64::NEG_INFINITY {
            "-Inf"
        } else {
            ""
        },
    })
}
