//! The Kusto query API: <https://learn.microsoft.com/kusto/api/rest/>.
//!
//! There is one database, `taffrail`. Clients authenticate with an API token as bearer token.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use taffrail_kql::Code;

use super::kusto_answer::{self, Activity};
use super::kusto_request::{KustoBody, wanted};
use super::{Terms, kusto_commands, kusto_tables, run};
use crate::api::language::views;
use crate::app::Context;
use crate::auth::{Principal, Reader};
use crate::error::{Body, ErrorAnswer};
use crate::ports::{Answer, Failure};

/// The database.
pub(crate) const DATABASE: &str = "taffrail";

fn activity(context: &Context, headers: &HeaderMap) -> Activity {
    let client = headers.get("x-ms-client-request-id").and_then(|value| value.to_str().ok());
    let id = uuid::Uuid::new_v4().to_string();
    Activity {
        client_request: client.map_or_else(|| format!("unspecified;{id}"), str::to_owned),
        id,
        at: context.now(),
    }
}

fn respond(status: StatusCode, body: Vec<u8>, activity: &Activity) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json; charset=utf-8")];
    let mut response = (status, kind, body).into_response();
    for (name, value) in [
        ("x-ms-client-request-id", &activity.client_request),
        ("x-ms-activity-id", &activity.id),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn refuse(status: StatusCode, error: &Value, activity: &Activity) -> Response {
    respond(status, error.to_string().into_bytes(), activity)
}

fn bad_request(message: &str, activity: &Activity) -> Response {
    let error = kusto_answer::error("BadRequest", message, "BadRequest", activity);
    refuse(StatusCode::BAD_REQUEST, &error, activity)
}

fn failed(text: &str, failure: &Failure, activity: &Activity) -> Response {
    let message = failure.to_string();
    match failure {
        Failure::Diagnostics(diagnostics) => {
            let first = diagnostics.first();
            let (code, kind, name) = match first.map(|first| first.code) {
                Some(Code::Syntax) => ("BadRequest_SyntaxError", "SyntaxException", "Syntax error"),
                Some(Code::NotSupported) => ("BadRequest_NotSupported", "NotSupportedException", "Not supported"),
                _ => ("BadRequest_SemanticError", "SemanticException", "Semantic error"),
            };
            let place = first.map(|first| {
                let (line, column) = first.line_column(text);
                let help = first.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
                format!("{name}: {}{help} [line:position={line}:{column}]", first.message)
            });
            let mut error = kusto_answer::error(code, &place.unwrap_or(message), kind, activity);
            if let Some(inner) = error.get_mut("error").and_then(Value::as_object_mut) {
                inner.insert("diagnostics".to_owned(), json!(views(text, diagnostics)));
            }
            refuse(StatusCode::BAD_REQUEST, &error, activity)
        }
        Failure::Execution(_) => {
            let error = kusto_answer::error("BadRequest", &message, "ExecutionException", activity);
            refuse(StatusCode::BAD_REQUEST, &error, activity)
        }
        Failure::Memory(_) => {
            let error = kusto_answer::error("LimitsExceeded", &message, "MemoryLimitException", activity);
            refuse(StatusCode::BAD_REQUEST, &error, activity)
        }
        Failure::Cancelled(_) => {
            let error = kusto_answer::error("Canceled", &message, "OperationCanceledException", activity);
            refuse(StatusCode::BAD_REQUEST, &error, activity)
        }
        Failure::Timeout(_) => {
            let error = kusto_answer::error("Timeout", &message, "TimeoutException", activity);
            refuse(StatusCode::GATEWAY_TIMEOUT, &error, activity)
        }
    }
}

fn wrong_database(body: &KustoBody) -> Option<String> {
    let name = body.db.as_deref().unwrap_or_default();
    let known = ["", DATABASE, "default", "NetDefaultDB"];
    (!known.iter().any(|known| name.eq_ignore_ascii_case(known))).then(|| format!("there is no database {name}; it is called {DATABASE}"))
}

async fn query(
    context: Context,
    principal: Principal,
    headers: HeaderMap,
    body: KustoBody,
    write: fn(&Answer, &Activity) -> Vec<u8>,
) -> Response {
    let activity = activity(&context, &headers);
    if let Some(message) = wrong_database(&body) {
        return bad_request(&message, &activity);
    }
    if body.csl.trim_start().starts_with('.') {
        return bad_request("commands go to /v1/rest/mgmt", &activity);
    }
    let wanted = match wanted(&body) {
        Ok(wanted) => wanted,
        Err(message) => return bad_request(&message, &activity),
    };
    let terms = Terms {
        client: Some(activity.client_request.clone()),
        wait: wanted.wait,
        remember: true,
    };
    let answer = match run(&context, &principal, &body.csl, &wanted.request, terms).await {
        Ok(answer) => answer,
        Err(failure) => return failed(&body.csl, &failure, &activity),
    };
    let to_write = activity.clone();
    match tokio::task::spawn_blocking(move || write(&answer, &to_write)).await {
        Ok(body) => respond(StatusCode::OK, body, &activity),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written");
            let message = "the answer could not be written; the server's log says why";
            let error = kusto_answer::error("InternalServiceError", message, "InternalError", &activity);
            refuse(StatusCode::INTERNAL_SERVER_ERROR, &error, &activity)
        }
    }
}

/// Runs a query (Kusto, first form).
#[utoipa::path(post, path = "/v1/rest/query", tag = "query", request_body = KustoBody, responses(
    (status = 200, description = "`{Tables:[…]}` with a table of contents last", body = Object),
    (status = 400, description = "The query is not valid, or failed", body = ErrorAnswer),
    (status = 504, description = "It took too long", body = ErrorAnswer)))]
pub(crate) async fn query_v1(
    State(context): State<Context>,
    Reader(principal): Reader,
    headers: HeaderMap,
    Body(body): Body<KustoBody>,
) -> Response {
    query(context, principal, headers, body, kusto_answer::v1).await
}

/// Runs a query (Kusto, second form).
#[utoipa::path(post, path = "/v2/rest/query", tag = "query", request_body = KustoBody, responses(
    (status = 200, description = "Frames", body = Vec<Object>),
    (status = 400, description = "The query is not valid, or failed", body = ErrorAnswer),
    (status = 504, description = "It took too long", body = ErrorAnswer)))]
pub(crate) async fn query_v2(
    State(context): State<Context>,
    Reader(principal): Reader,
    headers: HeaderMap,
    Body(body): Body<KustoBody>,
) -> Response {
    query(context, principal, headers, body, kusto_answer::v2).await
}

/// Runs a command (Kusto): `.show tables`, `.show databases`, `.show version`, `.show schema`, …
#[utoipa::path(post, path = "/v1/rest/mgmt", tag = "query", request_body = KustoBody, responses(
    (status = 200, description = "`{Tables:[…]}`", body = Object),
    (status = 400, description = "No such command", body = ErrorAnswer)))]
pub(crate) async fn management(
    State(context): State<Context>,
    Reader(principal): Reader,
    headers: HeaderMap,
    Body(body): Body<KustoBody>,
) -> Response {
    let activity = activity(&context, &headers);
    if let Some(message) = wrong_database(&body) {
        return bad_request(&message, &activity);
    }
    let answer = match kusto_tables::run(&context, &principal, &body.csl).await {
        Some(answer) => answer,
        None => kusto_commands::run(&context, &principal, &body.csl),
    };
    match answer {
        Ok(table) => {
            let answer = json!({ "Tables": [table] });
            respond(StatusCode::OK, answer.to_string().into_bytes(), &activity)
        }
        Err(message) => bad_request(&message, &activity),
    }
}

/// How to sign in (Kusto): not with Microsoft Entra, so that clients take the token they were given.
#[utoipa::path(get, path = "/v1/rest/auth/metadata", tag = "query", security(()), responses(
    (status = 200, description = "No identity provider", body = Object)))]
pub(crate) async fn auth_metadata() -> Json<Value> {
    Json(json!({ "AzureAD": null, "dSTS": null }))
}
