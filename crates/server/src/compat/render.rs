//! What `render` asks for, in the words of both protocols.

use serde_json::{Map, Value, json};

use crate::ports::Render;

/// Property of the `render` operator, name in Log Analytics, name in Kusto.
const NAMES: [(&str, &str, &str); 14] = [
    ("title", "title", "Title"),
    ("xcolumn", "xColumn", "XColumn"),
    ("series", "series", "Series"),
    ("ycolumns", "yColumns", "YColumns"),
    ("anomalycolumns", "anomalyColumns", "AnomalyColumns"),
    ("xtitle", "xTitle", "XTitle"),
    ("ytitle", "yTitle", "YTitle"),
    ("xaxis", "xAxis", "XAxis"),
    ("yaxis", "yAxis", "YAxis"),
    ("legend", "legend", "Legend"),
    ("ysplit", "ySplit", "YSplit"),
    ("kind", "kind", "Kind"),
    ("ymin", "yMin", "Ymin"),
    ("ymax", "yMax", "Ymax"),
];

fn value(property: &str, text: &str) -> Value {
    match property {
        "series" | "ycolumns" | "anomalycolumns" => Value::Array(text.split(',').map(|name| Value::from(name.trim())).collect()),
        "ymin" | "ymax" => text.parse::<f64>().map_or_else(|_| Value::from(text), Value::from),
        _ => Value::from(text),
    }
}

fn find<'a>(render: Option<&'a Render>, property: &str) -> Option<&'a str> {
    let properties = &render?.properties;
    let found = properties.iter().find(|(name, _)| name.eq_ignore_ascii_case(property));
    found.map(|(_, text)| text.as_str())
}

/// The member `render` of a Log Analytics answer.
pub(crate) fn log_analytics(render: Option<&Render>) -> Value {
    let mut out = Map::new();
    let kind = render.map_or("table", |render| render.kind.as_str());
    out.insert("visualization".to_owned(), json!(kind));
    for (property, name, _) in NAMES {
        let given = find(render, property).map_or(Value::Null, |text| value(property, text));
        out.insert(name.to_owned(), given);
    }
    let accumulate = find(render, "accumulate").is_some_and(|text| text.eq_ignore_ascii_case("true"));
    out.insert("accumulate".to_owned(), Value::Bool(accumulate));
    out.insert("isQuerySorted".to_owned(), Value::Bool(false));
    Value::Object(out)
}

/// The text of the property `Visualization` of a Kusto answer.
pub(crate) fn kusto(render: Option<&Render>) -> String {
    let mut out = Map::new();
    out.insert("Visualization".to_owned(), json!(render.map(|render| &render.kind)));
    for (property, _, name) in NAMES {
        let absent = if matches!(property, "ymin" | "ymax") {
            json!("NaN")
        } else {
            Value::Null
        };
        let given = find(render, property).map_or(absent, |text| value(property, text));
        out.insert(name.to_owned(), given);
    }
    let accumulate = find(render, "accumulate").is_some_and(|text| text.eq_ignore_ascii_case("true"));
    out.insert("Accumulate".to_owned(), Value::Bool(accumulate));
    out.insert("IsQuerySorted".to_owned(), Value::Bool(false));
    Value::Object(out).to_string()
}
