//! What a Kusto client is answered: <https://learn.microsoft.com/kusto/api/rest/response> (v1) and `…/response-http` (v2).

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use taffrail_kql::Type;

use super::render;
use super::rows::{self, Dynamic};
use crate::ports::{Answer, Column, Rows};

/// What identifies a request.
#[derive(Debug, Clone)]
pub(crate) struct Activity {
    pub client_request: String,
    pub id: String,
    pub at: DateTime<Utc>,
}

impl Activity {
    fn time(&self) -> String {
        self.at.to_rfc3339_opts(SecondsFormat::Micros, true)
    }
}

/// .NET's name of a type, as v1 has it.
pub(crate) fn data_type(ty: Type) -> &'static str {
    match ty {
        // .NET's System.SByte, for historical reasons; values are true and false.
        Type::Bool => "SByte",
        Type::Int => "Int32",
        Type::Long => "Int64",
        Type::Real => "Double",
        Type::Decimal => "SqlDecimal",
        Type::String => "String",
        Type::DateTime => "DateTime",
        Type::TimeSpan => "TimeSpan",
        Type::Guid => "Guid",
        Type::Dynamic => "Object",
    }
}

fn columns_v1(columns: &[Column]) -> Value {
    let view = |column: &Column| {
        json!({
            "ColumnName": column.name,
            "DataType": data_type(column.ty),
            "ColumnType": column.ty.name(),
        })
    };
    Value::Array(columns.iter().map(view).collect())
}

fn columns_v2(columns: &[Column]) -> Value {
    let view = |column: &Column| json!({ "ColumnName": column.name, "ColumnType": column.ty.name() });
    Value::Array(columns.iter().map(view).collect())
}

fn columns(named: &[(&str, Type)]) -> Vec<Column> {
    named
        .iter()
        .map(|(name, ty)| Column {
            name: (*name).to_owned(),
            ty: *ty,
        })
        .collect()
}

/// A table of fixed content, as v1 has it.
pub(crate) fn table_v1(name: &str, named: &[(&str, Type)], rows: Vec<Value>) -> Value {
    json!({ "TableName": name, "Columns": columns_v1(&columns(named)), "Rows": rows })
}

/// Name, columns and rows of each table of an answer.
fn results(answer: &Answer) -> impl Iterator<Item = (&str, &[Column], &dyn Rows)> {
    let first = (answer.name.as_deref(), answer.columns.as_slice(), answer.rows.as_ref());
    let further = answer
        .further
        .iter()
        .map(|table| (table.name.as_deref(), table.columns.as_slice(), table.rows.as_ref()));
    std::iter::once(first)
        .chain(further)
        .map(|(name, columns, rows)| (name.unwrap_or("PrimaryResult"), columns, rows))
}

fn cut(answer: &Answer) -> bool {
    answer.truncated || answer.further.iter().any(|table| table.truncated)
}

fn too_many(rows: usize) -> String {
    format!("Query result set has exceeded the internal record count limit {rows} (E_QUERY_RESULT_SET_TOO_LARGE)")
}

/// What a query cost, under the names that Kusto's clients show.
fn consumption(answer: &Answer) -> Value {
    let cost = &answer.cost;
    let span = |time: std::time::Duration| {
        format!(
            "{:02}:{:02}:{:02}.{:07}",
            time.as_secs() / 3600,
            time.as_secs() / 60 % 60,
            time.as_secs() % 60,
            time.subsec_nanos() / 100
        )
    };
    let rows = answer.row_count + answer.further.iter().map(|table| table.row_count).sum::<usize>();
    let tables: Vec<Value> = std::iter::once(answer.row_count)
        .chain(answer.further.iter().map(|table| table.row_count))
        .map(|rows| json!({ "table_row_count": rows }))
        .collect();
    json!({
        "ExecutionTime": answer.elapsed.as_secs_f64(),
        "resource_usage": {
            "cpu": { "total cpu": span(cost.cpu) },
            "memory": { "peak_per_node": cost.peak_memory },
        },
        "input_dataset_statistics": {
            "extents": { "total": cost.files + cost.files_pruned, "scanned": cost.files },
            "rows": { "scanned": answer.scanned_rows },
            "bytes": { "scanned": answer.scanned_bytes },
            "row_groups": { "total": cost.row_groups + cost.row_groups_pruned, "scanned": cost.row_groups },
        },
        "dataset_statistics": tables,
        "rows": rows,
        "from_cache": cost.from_cache,
    })
}

/// The form of `/v1/rest/query`: result, properties, status, table of contents.
pub(crate) fn v1(answer: &Answer, activity: &Activity) -> Vec<u8> {
    let mut out = br#"{"Tables":["#.to_vec();
    for (number, (_, columns, rows)) in results(answer).enumerate() {
        if number > 0 {
            out.push(b',');
        }
        out.extend_from_slice(format!("{{\"TableName\":\"Table_{number}\",\"Columns\":").as_bytes());
        rows::write_value(&mut out, &columns_v1(columns));
        out.extend_from_slice(br#","Rows":"#);
        rows::write(&mut out, columns, rows, Dynamic::Text);
        out.push(b'}');
    }
    let count = 1 + answer.further.len();
    let properties = json!([render::kusto(answer.render.as_ref())]);
    let properties = table_v1(&format!("Table_{count}"), &[("Value", Type::String)], vec![properties]);
    let status = [
        ("Timestamp", Type::DateTime),
        ("Severity", Type::Int),
        ("SeverityName", Type::String),
        ("StatusCode", Type::Int),
        ("StatusDescription", Type::String),
        ("Count", Type::Int),
        ("RequestId", Type::Guid),
        ("ActivityId", Type::Guid),
        ("SubActivityId", Type::Guid),
        ("ClientActivityId", Type::String),
    ];
    let line = |severity: i32, name: &str, text: &str| {
        let id = &activity.id;
        json!([activity.time(), severity, name, 0, text, 1, id, id, id, activity.client_request])
    };
    let consumption = consumption(answer).to_string();
    let status = table_v1(
        &format!("Table_{}", count + 1),
        &status,
        vec![line(4, "Info", "Query completed successfully"), line(6, "Stats", &consumption)],
    );
    let contents = [
        ("Ordinal", Type::Long),
        ("Kind", Type::String),
        ("Name", Type::String),
        ("Id", Type::String),
        ("PrettyName", Type::String),
    ];
    let entry = |ordinal: usize, kind: &str, name: &str| {
        let id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, format!("{}/{ordinal}", activity.id).as_bytes());
        json!([ordinal, kind, name, id.to_string(), ""])
    };
    let mut entries: Vec<Value> = results(answer)
        .enumerate()
        .map(|(number, (name, _, _))| entry(number, "QueryResult", name))
        .collect();
    entries.push(entry(count, "QueryProperties", "@ExtendedProperties"));
    entries.push(entry(count + 1, "QueryStatus", "QueryStatus"));
    let contents = table_v1(&format!("Table_{}", count + 2), &contents, entries);
    for table in [properties, status, contents] {
        out.push(b',');
        rows::write_value(&mut out, &table);
    }
    out.push(b']');
    if cut(answer) {
        out.extend_from_slice(br#","Exceptions":"#);
        rows::write_value(&mut out, &json!([too_many(answer.row_count)]));
    }
    out.push(b'}');
    out
}

/// The form of `/v2/rest/query`: frames.
pub(crate) fn v2(answer: &Answer, activity: &Activity) -> Vec<u8> {
    let cut = cut(answer).then(|| {
        let mut error = error("LimitsExceeded", &too_many(answer.row_count), "limits exceeded", activity);
        if let Some(inner) = error.get_mut("error").and_then(Value::as_object_mut) {
            inner.insert("@permanent".to_owned(), Value::Bool(false));
        }
        json!({ "OneApiErrors": [error] })
    });
    let header = json!({ "FrameType": "DataSetHeader", "IsProgressive": false, "Version": "v2.0" });
    let renders = std::iter::once(&answer.render).chain(answer.further.iter().map(|table| &table.render));
    let visualizations: Vec<Value> = renders
        .enumerate()
        .map(|(number, render)| json!([number + 1, "Visualization", render::kusto(render.as_ref())]))
        .collect();
    let properties = json!({
        "FrameType": "DataTable",
        "TableId": 0,
        "TableKind": "QueryProperties",
        "TableName": "@ExtendedProperties",
        "Columns": columns_v2(&columns(&[("TableId", Type::Int), ("Key", Type::String), ("Value", Type::Dynamic)])),
        "Rows": visualizations,
    });
    let mut out = b"[".to_vec();
    rows::write_value(&mut out, &header);
    out.push(b',');
    rows::write_value(&mut out, &properties);
    for (number, (name, columns, rows)) in results(answer).enumerate() {
        let id = number + 1;
        out.extend_from_slice(
            format!(",{{\"FrameType\":\"DataTable\",\"TableId\":{id},\"TableKind\":\"PrimaryResult\",\"TableName\":").as_bytes(),
        );
        rows::write_value(&mut out, &Value::from(name));
        out.extend_from_slice(br#","Columns":"#);
        rows::write_value(&mut out, &columns_v2(columns));
        out.extend_from_slice(br#","Rows":"#);
        // What was cut is said in the last table.
        let error = cut.as_ref().filter(|_| number == answer.further.len());
        rows::write_with(&mut out, columns, rows, Dynamic::Value, error);
        out.push(b'}');
    }
    out.push(b',');
    rows::write_value(&mut out, &completion(answer, activity));
    out.push(b',');
    let mut end = json!({ "FrameType": "DataSetCompletion", "HasErrors": cut.is_some(), "Cancelled": false });
    if let (Some(Value::Object(cut)), Some(end)) = (cut, end.as_object_mut()) {
        end.extend(cut);
    }
    rows::write_value(&mut out, &end);
    out.push(b']');
    out
}

fn completion(answer: &Answer, activity: &Activity) -> Value {
    let named = [
        ("Timestamp", Type::DateTime),
        ("ClientRequestId", Type::String),
        ("ActivityId", Type::Guid),
        ("SubActivityId", Type::Guid),
        ("ParentActivityId", Type::Guid),
        ("Level", Type::Int),
        ("LevelName", Type::String),
        ("StatusCode", Type::Int),
        ("StatusCodeName", Type::String),
        ("EventType", Type::Int),
        ("EventTypeName", Type::String),
        ("Payload", Type::String),
    ];
    let line = |level: i32, name: &str, event: i32, event_name: &str, payload: &Value| {
        let id = &activity.id;
        let request = &activity.client_request;
        let payload = payload.to_string();
        json!([
            activity.time(),
            request,
            id,
            id,
            id,
            level,
            name,
            0,
            "S_OK (0)",
            event,
            event_name,
            payload
        ])
    };
    let done = json!({ "Count": 1, "Text": "Query completed successfully" });
    let cost = json!({
        "ExecutionTime": answer.elapsed.as_secs_f64(),
        "input_dataset_statistics": { "rows": { "scanned": answer.scanned_rows } },
        "dataset_statistics": [{ "table_row_count": answer.row_count }],
    });
    json!({
        "FrameType": "DataTable",
        "TableId": 2 + answer.further.len(),
        "TableKind": "QueryCompletionInformation",
        "TableName": "QueryCompletionInformation",
        "Columns": columns_v2(&columns(&named)),
        "Rows": [
            line(4, "Info", 4, "QueryInfo", &done),
            line(6, "Stats", 0, "QueryResourceConsumption", &cost),
        ],
    })
}

/// An error in the form of Microsoft's OneAPI guidelines.
pub(crate) fn error(code: &str, message: &str, kind: &str, activity: &Activity) -> Value {
    json!({ "error": {
        "code": code,
        "message": "Request is invalid and cannot be executed.",
        "@type": kind,
        "@message": message,
        "@context": {
            "timestamp": activity.time(),
            "serviceAlias": "taffrail",
            "clientRequestId": activity.client_request,
            "activityId": activity.id,
        },
        "@permanent": true,
    }})
}
