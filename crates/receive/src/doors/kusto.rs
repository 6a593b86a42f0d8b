//! Kusto's streaming ingestion (learn.microsoft.com, "Streaming ingestion HTTP request"): `POST /v1/rest/ingest/{database}/{table}` with
//! JSON or separated values, answered with the table that Kusto answers with.

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use bytes::Bytes;
use http::{HeaderValue, header};
use serde_json::{Map, Value, json};
use taffrail_schema::TableDef;
use taffrail_sources::Naming;

use super::{Door, words};
use crate::access;
use crate::answer::{RETRY_AFTER, Refusal};
use crate::receiver::Reading;

/// The one database there is.
const DATABASE: &str = "taffrail";

pub(super) fn routes() -> Router<Door> {
    Router::new().route("/v1/rest/ingest/{database}/{table}", post(ingest))
}

async fn ingest(State(door): State<Door>, Path((database, table)): Path<(String, String)>, request: Request) -> Response {
    match take(&door, &database, &table, request).await {
        Ok(()) => {
            let column = |name: &str| json!({"ColumnName": name, "DataType": "String", "ColumnType": "string"});
            let columns = [column("ConsumptionMode"), column("ExtentId")];
            Json(json!({"Tables": [{"TableName": "Table_0", "Columns": columns, "Rows": [["Streaming", ""]]}]})).into_response()
        }
        Err(refusal) => {
            let permanent = !refusal.is_temporary();
            let message = format!("{}: {}", refusal.code, refusal.message);
            let body = json!({"error": {
                "code": refusal.code, "message": refusal.message, "@type": "Kusto.DataNode.Exceptions.StreamingIngestionRequestException",
                "@message": message, "@permanent": permanent,
            }});
            let mut response = (refusal.status, Json(body)).into_response();
            if !permanent {
                response
                    .headers_mut()
                    .insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
            }
            response
        }
    }
}

async fn take(door: &Door, database: &str, table: &str, request: Request) -> Result<(), Refusal> {
    let sent = door.read(request, "kusto", |_| None).await?;
    if database != DATABASE {
        let message = format!("there is no database {database:?}; the only one is {DATABASE:?}");
        return Err(Refusal::not_found("BadRequest_EntityNotFound", message));
    }
    let Some(definition) = door.receiver.table(table) else {
        return Err(Refusal::not_found(
            "BadRequest_EntityNotFound",
            format!("there is no table {table:?}"),
        ));
    };
    if let Some(mapping) = access::parameter(&sent.parts, "mappingName").filter(|name| !name.is_empty()) {
        let message = format!("mapping {mapping:?} is not known: members are columns of the same name, values columns in their order");
        return Err(Refusal::bad_body("BadRequest_MappingReferenceWasNotFound", message));
    }
    let format = access::parameter(&sent.parts, "streamFormat")
        .unwrap_or_else(|| "csv".to_owned())
        .to_ascii_lowercase();
    let plain = door.plain(&sent.body)?;
    let body: Bytes = match format.as_str() {
        "json" | "multijson" | "singlejson" => plain,
        "csv" => rows(&plain, b',', &definition)?,
        "tsv" | "tsve" => rows(&plain, b'\t', &definition)?,
        "psv" => rows(&plain, b'|', &definition)?,
        "scsv" => rows(&plain, b';', &definition)?,
        other => {
            let message = format!("streamFormat {other:?} is not taken; send JSON, MultiJSON, CSV, TSV, PSV or SCSV");
            return Err(Refusal::bad_body("BadRequest_FormatNotSupported", message));
        }
    };
    if body.is_empty() {
        return Err(Refusal::bad_body("BadRequest_EmptyStream", "the body is empty"));
    }
    let reading = Reading::Table {
        table: table.to_owned(),
        naming: Naming::Exact,
        door: "kusto",
        through: None,
    };
    let receipt = door.receiver.take(reading, &sent.cluster, body, sent.origin).await?;
    if receipt.rejected > 0 && !receipt.usable {
        return Err(Refusal::bad_body("BadRequest_InvalidData", words(&receipt)));
    }
    Ok(())
}

/// Separated values as objects: columns of the table in their order.
fn rows(body: &[u8], separator: u8, table: &TableDef) -> Result<Bytes, Refusal> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(separator)
        .has_headers(false)
        .flexible(true)
        .from_reader(body);
    let mut out = String::new();
    for record in reader.records() {
        let record = record.map_err(|error| Refusal::bad_body("BadRequest_InvalidData", error.to_string()))?;
        let object: Map<String, Value> = table
            .columns
            .iter()
            .zip(record.iter())
            .filter(|(_, value)| !value.is_empty())
            .map(|(column, value)| (column.name.clone(), value.into()))
            .collect();
        out.push_str(&Value::Object(object).to_string());
        out.push('\n');
    }
    Ok(out.into())
}
