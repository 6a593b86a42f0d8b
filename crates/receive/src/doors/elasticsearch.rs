//! Elasticsearch's bulk API, and as much of the rest as its clients ask for before they send: product and version (`X-Elastic-Product`),
//! licence, health, templates. At the root for clients that know no path (rsyslog), and below `/elasticsearch`, where `GET /` is free.

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use taffrail_sources::bulk_items;

use super::Door;
use crate::answer::{RETRY_AFTER, Receipt, Refusal};

/// The version that clients are told: the bulk API has been the same since.
const VERSION: &str = "8.15.0";

pub(super) fn routes() -> Router<Door> {
    let below = "/elasticsearch";
    let mut routes = Router::new()
        .route(below, get(product).head(product))
        .route(&format!("{below}/"), get(product).head(product))
        .route(&format!("{below}/_license"), get(license))
        .route(&format!("{below}/_xpack"), get(license))
        .route(&format!("{below}/_cluster/health"), get(health))
        .route(&format!("{below}/_cat/health"), get(cat_health).head(cat_health))
        .route(&format!("{below}/_nodes/{{*rest}}"), get(nodes))
        .route(&format!("{below}/_ilm/policy/{{name}}"), any(template))
        .route(&format!("{below}/_ingest/pipeline/{{name}}"), any(template))
        .route(&format!("{below}/_template/{{name}}"), any(template))
        .route(&format!("{below}/_index_template/{{name}}"), any(template))
        .route(&format!("{below}/_component_template/{{name}}"), any(template))
        .route("/_cat/health", get(cat_health).head(cat_health))
        .route("/_cluster/health", get(health));
    for root in ["", below] {
        routes = routes
            .route(&format!("{root}/_bulk"), post(bulk).put(bulk))
            .route(&format!("{root}/{{index}}/_bulk"), post(bulk_of).put(bulk_of))
            .route(&format!("{root}/{{index}}/_doc"), post(document))
            .route(&format!("{root}/{{index}}/_doc/{{id}}"), post(document_as).put(document_as))
            .route(&format!("{root}/{{index}}/_create/{{id}}"), post(document_as).put(document_as));
    }
    routes.layer(axum::middleware::map_response(as_elasticsearch))
}

/// Clients refuse to speak with what does not say this.
async fn as_elasticsearch(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(
        HeaderName::from_static("x-elastic-product"),
        HeaderValue::from_static("Elasticsearch"),
    );
    response
}

async fn product() -> Json<Value> {
    Json(json!({
        "name": "taffrail",
        "cluster_name": "taffrail",
        "cluster_uuid": "taffrail",
        "version": {
            "number": VERSION, "build_flavor": "default", "build_type": "tar", "build_hash": "0", "build_date": "2024-08-05T10:05:34Z",
            "build_snapshot": false, "lucene_version": "9.11.1", "minimum_wire_compatibility_version": "7.17.0",
            "minimum_index_compatibility_version": "7.0.0",
        },
        "tagline": "You Know, for Search",
    }))
}

async fn license() -> Json<Value> {
    Json(json!({
        "license": {"status": "active", "uid": "taffrail", "type": "basic", "mode": "basic"},
        "features": {"ilm": {"available": true, "enabled": false}, "security": {"available": true, "enabled": true}},
    }))
}

async fn health() -> Json<Value> {
    Json(json!({
        "cluster_name": "taffrail", "status": "green", "timed_out": false, "number_of_nodes": 1, "number_of_data_nodes": 1,
        "active_primary_shards": 1, "active_shards": 1, "relocating_shards": 0, "initializing_shards": 0, "unassigned_shards": 0,
    }))
}

async fn cat_health() -> &'static str {
    "taffrail green 1 1 1 1 0 0 0 0 - 100.0%\n"
}

/// No addresses: clients stay with the one they have.
async fn nodes() -> Json<Value> {
    Json(json!({"_nodes": {"total": 0, "successful": 0, "failed": 0}, "cluster_name": "taffrail", "nodes": {}}))
}

/// Tables have their columns: whatever a template says is met, and none is kept.
async fn template(request: Request) -> Response {
    match *request.method() {
        http::Method::PUT | http::Method::POST => Json(json!({"acknowledged": true})).into_response(),
        http::Method::HEAD => StatusCode::OK.into_response(),
        _ => Json(json!({})).into_response(),
    }
}

async fn bulk(State(door): State<Door>, request: Request) -> Response {
    answer(take(&door, None, request).await)
}

async fn bulk_of(State(door): State<Door>, Path(index): Path<String>, request: Request) -> Response {
    answer(take(&door, Some(index), request).await)
}

fn answer(result: Result<Value, Refusal>) -> Response {
    result.map_or_else(|refusal| refused(&refusal), |value| Json(value).into_response())
}

fn kind(refusal: &Refusal) -> &'static str {
    match refusal.status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "security_exception",
        StatusCode::TOO_MANY_REQUESTS => "es_rejected_execution_exception",
        StatusCode::SERVICE_UNAVAILABLE => "unavailable_shards_exception",
        StatusCode::PAYLOAD_TOO_LARGE => "content_too_long_exception",
        _ => "illegal_argument_exception",
    }
}

fn refused(refusal: &Refusal) -> Response {
    let cause = json!({"type": kind(refusal), "reason": refusal.message});
    let body =
        json!({"error": {"root_cause": [cause], "type": kind(refusal), "reason": refusal.message}, "status": refusal.status.as_u16()});
    let mut response = (refusal.status, Json(body)).into_response();
    let headers = response.headers_mut();
    if refusal.status == StatusCode::UNAUTHORIZED {
        headers.append(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Basic realm=\"security\" charset=\"UTF-8\""),
        );
        headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static("ApiKey"));
    }
    if refusal.is_temporary() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
    }
    response
}

async fn take(door: &Door, index: Option<String>, request: Request) -> Result<Value, Refusal> {
    let began = std::time::Instant::now();
    let mut sent = door.read(request, "elasticsearch", |_| None).await?;
    sent.body = door.plain(&sent.body)?;
    let plain = sent.body.clone();
    let items = bulk_items(&plain).map_err(|error| Refusal::bad_body("MalformedBulk", error.to_string()))?;
    if items.is_empty() {
        return Err(Refusal::bad_body("EmptyBody", "request body is required"));
    }
    let receipt = door.take("elasticsearch", sent).await?;
    let mut failed = receipt.failed.iter().peekable();
    let mut answers = Vec::with_capacity(items.len());
    for (number, item) in items.iter().enumerate() {
        let name = match (item.index.as_str(), &index) {
            ("", Some(index)) => index,
            (name, _) => name,
        };
        let id = if item.id.is_empty() {
            format!("{}-{number}", receipt.newest.unwrap_or(0))
        } else {
            item.id.clone()
        };
        let result = match failed.next_if(|failed| failed.number == number) {
            Some(failed) => json!({
                "_index": name, "_id": id, "status": 400,
                "error": {"type": "document_parsing_exception", "reason": format!("{}: {}", failed.reason, failed.detail)},
            }),
            None => json!({
                "_index": name, "_id": id, "_version": 1, "result": "created", "_shards": {"total": 1, "successful": 1, "failed": 0},
                "_seq_no": 0, "_primary_term": 1, "status": 201,
            }),
        };
        answers.push(json!({ item.action.as_str(): result }));
    }
    Ok(json!({"took": u64::try_from(began.elapsed().as_millis()).unwrap_or(0), "errors": !receipt.failed.is_empty(), "items": answers}))
}

async fn document(State(door): State<Door>, Path(index): Path<String>, request: Request) -> Response {
    one(&door, &index, "", request).await
}

async fn document_as(State(door): State<Door>, Path((index, id)): Path<(String, String)>, request: Request) -> Response {
    one(&door, &index, &id, request).await
}

/// One document: a bulk request of one.
async fn one(door: &Door, index: &str, id: &str, request: Request) -> Response {
    let take = async {
        let mut sent = door.read(request, "elasticsearch", |_| None).await?;
        let plain = door.plain(&sent.body)?;
        let document: Value =
            serde_json::from_slice(&plain).map_err(|error| Refusal::bad_body("document_parsing_exception", error.to_string()))?;
        sent.body = format!("{}\n{document}\n", json!({"create": {"_index": index}})).into();
        door.take("elasticsearch", sent).await
    };
    match take.await {
        Ok(Receipt { failed, rejected, .. }) if rejected > 0 => {
            let why = failed
                .first()
                .map(|failed| format!("{}: {}", failed.reason, failed.detail))
                .unwrap_or_default();
            refused(&Refusal::bad_body("document_parsing_exception", why))
        }
        Ok(receipt) => {
            let id = if id.is_empty() {
                receipt.newest.unwrap_or(0).to_string()
            } else {
                id.to_owned()
            };
            let body = json!({
                "_index": index, "_id": id, "_version": 1, "result": "created", "_shards": {"total": 1, "successful": 1, "failed": 0},
                "_seq_no": 0, "_primary_term": 1,
            });
            (StatusCode::CREATED, Json(body)).into_response()
        }
        Err(refusal) => refused(&refusal),
    }
}
