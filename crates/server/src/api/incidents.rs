//! The incidents queue, and work on incidents.

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::{Deserialize, Deserializer, Serialize};
use taffrail_state::activity::Activity;
use taffrail_state::alerts::Alert;
use taffrail_state::comments::Comment;
use taffrail_state::incidents::{
    Change, Classification, Filter, Incident, IncidentChange, IncidentUpdate, Order, Page, Reason, Severity, Sort, Status, subject,
};
use taffrail_state::tasks::Task;

use crate::app::Context;
use crate::auth::{Reader, Responder};
use crate::error::{ApiError, Body, ErrorAnswer};

const DEFAULT_LIMIT: i64 = 50;

/// An incident with everything about it.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct IncidentDetails {
    #[serde(flatten)]
    incident: Incident,
    alerts: Vec<Alert>,
    tasks: Vec<Task>,
    comments: Vec<Comment>,
    activity: Vec<Activity>,
}

/// Changes; what is left out stays.
#[derive(Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct IncidentPatch {
    status: Option<Status>,
    severity: Option<Severity>,
    /// A user's name; null: nobody
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    owner: Option<Option<String>>,
    title: Option<String>,
    /// Needed when closing
    classification: Option<Classification>,
    classification_reason: Option<Reason>,
    classification_comment: Option<String>,
}

/// Tells `null` from nothing.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::<String>::deserialize(deserializer).map(Some)
}

/// A comment to be made.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CommentRequest {
    message: String,
}

struct ListRequest {
    filter: Filter,
    sort: Sort,
    order: Order,
    limit: i64,
    offset: i64,
}

pub(crate) fn whole(name: &str, value: &str) -> Result<i64, ApiError> {
    value
        .parse()
        .map_err(|_| ApiError::bad_request(format!("{name}: {value:?} is no whole number")))
}

pub(crate) fn moment(name: &str, value: &str) -> Result<DateTime<Utc>, ApiError> {
    DateTime::parse_from_rfc3339(value)
        .map(|at| at.with_timezone(&Utc))
        .map_err(|_| ApiError::bad_request(format!("{name}: {value:?} is no time; write it like 2026-01-02T03:04:05Z")))
}

fn list_request(query: &str) -> Result<ListRequest, ApiError> {
    let mut request = ListRequest {
        filter: Filter::default(),
        sort: Sort::default(),
        order: Order::default(),
        limit: DEFAULT_LIMIT,
        offset: 0,
    };
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let filter = &mut request.filter;
        match name.as_ref() {
            "status" => filter.status.push(value.parse()?),
            "severity" => filter.severity.push(value.parse()?),
            "owner" => filter.owner.push(value.into_owned()),
            "tactic" => filter.tactic.push(value.into_owned()),
            "technique" => filter.technique.push(value.into_owned()),
            "entity" => filter.entity.push(value.into_owned()),
            "cluster" => filter.cluster.push(value.into_owned()),
            "since" => filter.since = Some(moment("since", &value)?),
            "until" => filter.until = Some(moment("until", &value)?),
            "search" => filter.search = value.into_owned(),
            "sort" => request.sort = value.parse()?,
            "order" => {
                request.order = match value.as_ref() {
                    "asc" => Order::Asc,
                    "desc" => Order::Desc,
                    other => return Err(ApiError::bad_request(format!("order: {other:?} is neither asc nor desc"))),
                }
            }
            "limit" => request.limit = whole("limit", &value)?,
            "offset" => request.offset = whole("offset", &value)?,
            other => return Err(ApiError::bad_request(format!("there is no parameter {other:?}"))),
        }
    }
    Ok(request)
}

pub(crate) fn number(text: &str) -> Result<i64, ApiError> {
    text.parse()
        .map_err(|_| ApiError::not_found(format!("there is no incident {text}")))
}

pub(crate) fn announce(context: &Context, number: i64, change: Change) {
    let change = IncidentChange { number, change };
    // Nobody listening is fine.
    let _ = context.app.changes.send(change);
}

/// Incidents that match; values of one parameter are alternatives, parameters narrow each other.
#[utoipa::path(get, path = "/api/v1/incidents", tag = "incidents",
    params(
        ("status" = Option<Vec<Status>>, Query, description = "Status"),
        ("severity" = Option<Vec<Severity>>, Query, description = "Severity"),
        ("owner" = Option<Vec<String>>, Query, description = "Owner; empty: nobody"),
        ("tactic" = Option<Vec<String>>, Query, description = "ATT&CK tactic"),
        ("technique" = Option<Vec<String>>, Query, description = "ATT&CK technique"),
        ("entity" = Option<Vec<String>>, Query, description = "Entity: type/cluster/namespace/name"),
        ("cluster" = Option<Vec<String>>, Query, description = "Cluster"),
        ("since" = Option<DateTime<Utc>>, Query, description = "With an event at this time or later"),
        ("until" = Option<DateTime<Utc>>, Query, description = "With an event before this time"),
        ("search" = Option<String>, Query, description = "Words in number, title, cluster, entities, rules, techniques"),
        ("sort" = Option<Sort>, Query, description = "Field to sort by"),
        ("order" = Option<Order>, Query, description = "asc or desc"),
        ("limit" = Option<i64>, Query, description = "At most 1000"),
        ("offset" = Option<i64>, Query, description = "How many to skip")),
    responses(
        (status = 200, description = "A page", body = Page),
        (status = 400, description = "A parameter is wrong", body = ErrorAnswer)))]
pub(crate) async fn list(State(context): State<Context>, _: Reader, RawQuery(query): RawQuery) -> Result<Json<Page>, ApiError> {
    let asked = list_request(query.as_deref().unwrap_or_default())?;
    let page = context
        .app
        .state
        .incidents(&asked.filter, asked.sort, asked.order, asked.limit, asked.offset)
        .await?;
    Ok(Json(page))
}

/// An incident with alerts, tasks, comments and activity.
#[utoipa::path(get, path = "/api/v1/incidents/{number}", tag = "incidents",
    params(("number" = i64, Path, description = "Incident number")),
    responses(
        (status = 200, description = "The incident", body = IncidentDetails),
        (status = 404, description = "No such incident", body = ErrorAnswer)))]
pub(crate) async fn show(State(context): State<Context>, _: Reader, Path(text): Path<String>) -> Result<Json<IncidentDetails>, ApiError> {
    let number = number(&text)?;
    let state = &context.app.state;
    Ok(Json(IncidentDetails {
        incident: state.incident(number).await?,
        alerts: state.alerts(number).await?,
        tasks: state.tasks(number).await?,
        comments: state.comments(number).await?,
        activity: state.activity(&subject(number)).await?,
    }))
}

/// Changes an incident.
#[utoipa::path(patch, path = "/api/v1/incidents/{number}", tag = "incidents", request_body = IncidentPatch,
    params(("number" = i64, Path, description = "Incident number")),
    responses(
        (status = 200, description = "The incident as it is now", body = Incident),
        (status = 400, description = "A value is wrong", body = ErrorAnswer),
        (status = 403, description = "Needs Responder", body = ErrorAnswer),
        (status = 404, description = "No such incident", body = ErrorAnswer)))]
pub(crate) async fn change(
    State(context): State<Context>,
    Responder(who): Responder,
    Path(text): Path<String>,
    Body(patch): Body<IncidentPatch>,
) -> Result<Json<Incident>, ApiError> {
    let number = number(&text)?;
    let update = IncidentUpdate {
        status: patch.status,
        severity: patch.severity,
        owner: patch.owner,
        title: patch.title,
        classification: patch.classification,
        classification_reason: patch.classification_reason,
        classification_comment: patch.classification_comment,
    };
    let incident = context.app.state.update_incident(number, &update, &who.name, context.now()).await?;
    announce(&context, number, Change::Updated);
    Ok(Json(incident))
}

/// Comments on an incident.
#[utoipa::path(post, path = "/api/v1/incidents/{number}/comments", tag = "incidents", request_body = CommentRequest,
    params(("number" = i64, Path, description = "Incident number")),
    responses(
        (status = 201, description = "The comment", body = Comment),
        (status = 403, description = "Needs Responder", body = ErrorAnswer),
        (status = 404, description = "No such incident", body = ErrorAnswer)))]
pub(crate) async fn comment(
    State(context): State<Context>,
    Responder(who): Responder,
    Path(text): Path<String>,
    Body(given): Body<CommentRequest>,
) -> Result<(StatusCode, Json<Comment>), ApiError> {
    let number = number(&text)?;
    let state = &context.app.state;
    let comment = state.add_comment(number, &who.name, &given.message, context.now()).await?;
    announce(&context, number, Change::Updated);
    Ok((StatusCode::CREATED, Json(comment)))
}
