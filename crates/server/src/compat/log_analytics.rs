//! The Log Analytics query API: <https://learn.microsoft.com/azure/azure-monitor/logs/api/overview>.
//!
//! There is one workspace. Clients that insist on a workspace's identifier may send any GUID; people write `taffrail`.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use taffrail_kql::{Code, Diagnostic};

use super::rows::{self, Dynamic};
use super::{Terms, render, run, timespan};
use crate::api::language::views;
use crate::app::Context;
use crate::auth::{Principal, Reader};
use crate::error::{ApiError, Body, ErrorAnswer};
use crate::ports::{Answer, Column, Failure, Request, Rows};

const DEFAULT_WAIT: Duration = Duration::from_secs(180);
const MOST_IN_BATCH: usize = 100;

/// A query.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
pub(crate) struct QueryBody {
    /// KQL
    query: String,
    /// ISO 8601 duration or interval that `TimeGenerated` of every table must be in
    #[serde(default)]
    timespan: Option<String>,
    /// Other workspaces; there are none
    #[serde(default)]
    workspaces: Option<Vec<String>>,
}

/// Queries to run one after another.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct BatchBody {
    requests: Vec<BatchRequest>,
}

/// A query of a batch.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct BatchRequest {
    id: String,
    body: QueryBody,
    workspace: String,
    #[serde(default)]
    #[schema(value_type = Object)]
    headers: Map<String, Value>,
}

/// A column of an answer.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ColumnView {
    name: String,
    #[serde(rename = "type")]
    ty: String,
}

/// A table of an answer.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct TableView {
    /// `PrimaryResult`
    name: String,
    columns: Vec<ColumnView>,
    rows: Vec<Vec<Value>>,
}

/// An answer.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct QueryAnswer {
    tables: Vec<TableView>,
    /// With `Prefer: include-statistics=true`
    #[schema(value_type = Option<Object>)]
    statistics: Option<Value>,
    /// With `Prefer: include-render=true`
    #[schema(value_type = Option<Object>)]
    render: Option<Value>,
    /// `PartialError` when there are more rows than allowed
    #[schema(value_type = Option<Object>)]
    error: Option<Value>,
}

/// What the header `Prefer` asks for (RFC 7240).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Preferences {
    wait: Duration,
    statistics: bool,
    render: bool,
    history: bool,
    /// `Cache-Control: no-cache` (RFC 9111): not an answer from before
    fresh: bool,
}

fn preferences<'a>(headers: impl Iterator<Item = &'a str>) -> Preferences {
    let mut asked = Preferences {
        wait: DEFAULT_WAIT,
        statistics: false,
        render: false,
        history: true,
        fresh: false,
    };
    for preference in headers.flat_map(|value| value.split([',', ';'])) {
        let (name, value) = preference.split_once('=').unwrap_or((preference, "true"));
        let value = value.trim().trim_matches('"');
        match name.trim().to_ascii_lowercase().as_str() {
            "wait" => {
                if let Ok(seconds) = value.parse::<u64>() {
                    asked.wait = Duration::from_secs(seconds.max(1));
                }
            }
            "include-statistics" => asked.statistics = value.eq_ignore_ascii_case("true"),
            "history" => asked.history = !value.eq_ignore_ascii_case("false"),
            "include-render" => asked.render = value.eq_ignore_ascii_case("true"),
            // Others may be ignored, says the RFC.
            _ => {}
        }
    }
    asked
}

fn is_workspace(name: &str) -> bool {
    let ours = ["taffrail", "default"].iter().any(|known| name.eq_ignore_ascii_case(known));
    ours || uuid::Uuid::try_parse(name).is_ok()
}

fn refusal(status: StatusCode, code: &str, message: &str) -> (StatusCode, Value) {
    let error = json!({ "error": { "code": code, "message": message } });
    (status, error)
}

fn inner(text: &str, first: &Diagnostic) -> Value {
    let code = match first.code {
        Code::Syntax => "SyntaxError",
        Code::UnknownName | Code::Type | Code::Arguments | Code::Semantic => "SemanticError",
        Code::NotSupported => "NotSupportedError",
    };
    let (line, column) = first.line_column(text);
    let message = match &first.help {
        Some(help) => format!("{} ({help})", first.message),
        None => first.message.clone(),
    };
    json!({ "code": code, "message": message, "line": line, "pos": column.saturating_sub(1) })
}

fn failed(text: &str, failure: &Failure) -> (StatusCode, Value) {
    match failure {
        Failure::Diagnostics(diagnostics) => {
            let mut error = json!({
                "code": "BadArgumentError",
                "message": "The request had some invalid properties",
                "diagnostics": views(text, diagnostics),
            });
            if let (Some(first), Some(error)) = (diagnostics.first(), error.as_object_mut()) {
                error.insert("innererror".to_owned(), inner(text, first));
            }
            (StatusCode::BAD_REQUEST, json!({ "error": error }))
        }
        Failure::Execution(message) => refusal(StatusCode::BAD_REQUEST, "BadArgumentError", message),
        Failure::Memory(message) => refusal(StatusCode::BAD_REQUEST, "QueryLimitExceeded", message),
        Failure::Cancelled(message) => refusal(StatusCode::BAD_REQUEST, "QueryCancelled", message),
        Failure::Timeout(message) => refusal(StatusCode::GATEWAY_TIMEOUT, "GatewayTimeout", message),
    }
}

/// As Kusto writes timespans.
fn timespan_text(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{hours:02}:{minutes:02}:{rest:02}.{:07}", time.subsec_nanos() / 100)
}

fn write_table(out: &mut Vec<u8>, name: &str, columns: &[Column], rows: &dyn Rows) {
    let columns_view = columns
        .iter()
        .map(|column| json!({ "name": column.name, "type": column.ty.name() }));
    out.extend_from_slice(br#"{"name":"#);
    rows::write_value(out, &Value::from(name));
    out.extend_from_slice(br#","columns":"#);
    rows::write_value(out, &Value::Array(columns_view.collect()));
    out.extend_from_slice(br#","rows":"#);
    rows::write(out, columns, rows, Dynamic::Text);
    out.push(b'}');
}

fn body(answer: &Answer, asked: Preferences) -> Vec<u8> {
    let mut out = br#"{"tables":["#.to_vec();
    write_table(&mut out, "PrimaryResult", &answer.columns, answer.rows.as_ref());
    for (number, table) in answer.further.iter().enumerate() {
        out.push(b',');
        let name = table.name.clone().unwrap_or_else(|| format!("Table_{}", number + 1));
        write_table(&mut out, &name, &table.columns, table.rows.as_ref());
    }
    out.push(b']');
    let table_size = out.len();
    let mut member = |name: &str, value: &Value| {
        out.extend_from_slice(format!(",\"{name}\":").as_bytes());
        rows::write_value(&mut out, value);
    };
    if asked.statistics {
        let statistics = json!({ "query": {
            "executionTime": answer.elapsed.as_secs_f64(),
            "resourceUsage": {
                "cache": { "results": { "hit": answer.cost.from_cache } },
                "cpu": { "totalCpu": timespan_text(answer.cost.cpu) },
                "memory": { "peakPerNode": answer.cost.peak_memory },
            },
            "inputDatasetStatistics": {
                "rows": { "scanned": answer.scanned_rows },
                "bytes": { "scanned": answer.scanned_bytes },
                "extents": { "scanned": answer.cost.files, "total": answer.cost.files + answer.cost.files_pruned },
                "rowGroups": { "scanned": answer.cost.row_groups, "total": answer.cost.row_groups + answer.cost.row_groups_pruned },
            },
            "datasetStatistics": [{ "tableRowCount": answer.row_count, "tableSize": table_size }],
        }});
        member("statistics", &statistics);
    }
    if asked.render {
        member("render", &render::log_analytics(answer.render.as_ref()));
    }
    if answer.truncated || answer.further.iter().any(|table| table.truncated) {
        let error = json!({
            "code": "PartialError",
            "message": "There were some errors when processing your query.",
            "details": [{
                "code": "EngineError",
                "message": format!("There are more rows than the {} that are given at most; aggregate, filter, or take fewer", answer.row_count),
            }],
        });
        member("error", &error);
    }
    out.push(b'}');
    out
}

/// What a client calls its request.
fn client(headers: &HeaderMap) -> Option<String> {
    let id = headers.get("x-ms-client-request-id")?.to_str().ok()?;
    Some(id.to_owned())
}

/// Runs one query: status and body.
async fn answer(
    context: &Context,
    principal: &Principal,
    workspace: &str,
    asked: &QueryBody,
    preferences: Preferences,
    client: Option<String>,
) -> (StatusCode, Vec<u8>) {
    let refuse = |(status, value): (StatusCode, Value)| (status, value.to_string().into_bytes());
    if !is_workspace(workspace) {
        let message = format!("there is no workspace {workspace}; it is called taffrail");
        return refuse(refusal(StatusCode::NOT_FOUND, "WorkspaceNotFoundError", &message));
    }
    if asked.workspaces.as_ref().is_some_and(|others| !others.is_empty()) {
        let message = "there are no other workspaces to query; leave out workspaces";
        return refuse(refusal(StatusCode::BAD_REQUEST, "BadArgumentError", message));
    }
    let mut request = Request {
        fresh: preferences.fresh,
        ..Request::default()
    };
    if let Some(text) = asked.timespan.as_deref().filter(|text| !text.is_empty()) {
        match timespan::interval(text, context.now()) {
            Ok(interval) => request.timespan = Some(interval),
            Err(message) => return refuse(refusal(StatusCode::BAD_REQUEST, "BadArgumentError", &message)),
        }
    }
    let terms = Terms {
        client,
        wait: preferences.wait,
        remember: preferences.history,
    };
    let result = run(context, principal, &asked.query, &request, terms).await;
    let found = match result {
        Ok(found) => found,
        Err(failure) => return refuse(failed(&asked.query, &failure)),
    };
    // A large answer takes a while to write; other requests must not wait for that.
    match tokio::task::spawn_blocking(move || body(&found, preferences)).await {
        Ok(body) => (StatusCode::OK, body),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written");
            let message = "the answer could not be written; the server's log says why";
            refuse(refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message))
        }
    }
}

fn is_fresh(headers: &HeaderMap) -> bool {
    let values = headers
        .get_all(header::CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|directive| directive.trim().eq_ignore_ascii_case("no-cache"))
}

fn header_texts(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok())
}

fn respond((status, body): (StatusCode, Vec<u8>)) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json; charset=utf-8")], body).into_response()
}

/// Runs a query (Log Analytics).
#[utoipa::path(post, path = "/v1/workspaces/{workspace}/query", tag = "query", request_body = QueryBody,
    params(
        ("workspace" = String, Path, description = "`taffrail`, or any GUID"),
        ("Prefer" = Option<String>, Header, description = "wait=SECONDS, include-statistics=true, include-render=true, history=false (not into the user's history)")),
    responses(
        (status = 200, description = "The answer", body = QueryAnswer),
        (status = 400, description = "The query is not valid, or failed", body = ErrorAnswer),
        (status = 504, description = "It took too long", body = ErrorAnswer)))]
pub(crate) async fn query(
    State(context): State<Context>,
    Reader(principal): Reader,
    Path(workspace): Path<String>,
    headers: HeaderMap,
    Body(asked): Body<QueryBody>,
) -> Response {
    let preferences = Preferences {
        fresh: is_fresh(&headers),
        ..preferences(header_texts(&headers))
    };
    respond(answer(&context, &principal, &workspace, &asked, preferences, client(&headers)).await)
}

/// Runs a query (Log Analytics) given in the address.
#[utoipa::path(get, path = "/v1/workspaces/{workspace}/query", tag = "query",
    params(
        ("workspace" = String, Path, description = "`taffrail`, or any GUID"),
        ("query" = String, Query, description = "KQL"),
        ("timespan" = Option<String>, Query, description = "ISO 8601 duration or interval"),
        ("Prefer" = Option<String>, Header, description = "wait=SECONDS, include-statistics=true, include-render=true, history=false (not into the user's history)")),
    responses(
        (status = 200, description = "The answer", body = QueryAnswer),
        (status = 400, description = "The query is not valid, or failed", body = ErrorAnswer)))]
pub(crate) async fn query_get(
    State(context): State<Context>,
    Reader(principal): Reader,
    Path(workspace): Path<String>,
    headers: HeaderMap,
    RawQuery(text): RawQuery,
) -> Result<Response, ApiError> {
    let mut asked = QueryBody::default();
    for (name, value) in url::form_urlencoded::parse(text.unwrap_or_default().as_bytes()) {
        match name.as_ref() {
            "query" => asked.query = value.into_owned(),
            "timespan" => asked.timespan = Some(value.into_owned()),
            _ => {}
        }
    }
    if asked.query.is_empty() {
        return Err(ApiError::bad_request("the parameter query is missing"));
    }
    let preferences = Preferences {
        fresh: is_fresh(&headers),
        ..preferences(header_texts(&headers))
    };
    Ok(respond(
        answer(&context, &principal, &workspace, &asked, preferences, client(&headers)).await,
    ))
}

/// Runs several queries (Log Analytics).
#[utoipa::path(post, path = "/v1/$batch", tag = "query", request_body = BatchBody, responses(
    (status = 200, description = "An answer for each: `{responses:[{id,status,body}]}`", body = Object),
    (status = 400, description = "Too many", body = ErrorAnswer)))]
pub(crate) async fn batch(
    State(context): State<Context>,
    Reader(principal): Reader,
    Body(asked): Body<BatchBody>,
) -> Result<Json<Value>, ApiError> {
    if asked.requests.len() > MOST_IN_BATCH {
        return Err(ApiError::bad_request(format!("a batch has at most {MOST_IN_BATCH} queries")));
    }
    let mut responses = Vec::with_capacity(asked.requests.len());
    for one in &asked.requests {
        let given = one.headers.iter();
        let prefer = given.filter(|(name, _)| name.eq_ignore_ascii_case("prefer"));
        let preferences = preferences(prefer.filter_map(|(_, value)| value.as_str()));
        let (status, body) = answer(&context, &principal, &one.workspace, &one.body, preferences, None).await;
        let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        responses.push(json!({ "id": one.id, "status": status.as_u16(), "headers": {}, "body": body }));
    }
    Ok(Json(json!({ "responses": responses })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_are_read_as_clients_write_them() {
        let read = preferences(["wait=60,include-statistics=true", "include-render=true"].into_iter());
        assert_eq!(
            read,
            Preferences {
                wait: Duration::from_secs(60),
                statistics: true,
                render: true,
                history: true,
                fresh: false,
            }
        );
        assert_eq!(preferences(["respond-async; wait=x"].into_iter()).wait, DEFAULT_WAIT);
    }
}
