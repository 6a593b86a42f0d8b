//! What is to be done about an incident.

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::Deserialize;
use taffrail_state::incidents::Change;
use taffrail_state::tasks::{Task, TaskUpdate};

use super::incidents::{announce, number};
use crate::app::Context;
use crate::auth::Responder;
use crate::error::{ApiError, Body, ErrorAnswer};

/// A task to be written down.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TaskRequest {
    /// What to do
    title: String,
    /// How, in Markdown
    #[serde(default)]
    description: String,
}

/// Changes; what is left out stays.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TaskPatch {
    title: Option<String>,
    description: Option<String>,
    /// Whether it is done
    done: Option<bool>,
}

/// Adds a task to an incident.
#[utoipa::path(post, path = "/api/v1/incidents/{number}/tasks", tag = "incidents", request_body = TaskRequest,
    params(("number" = i64, Path, description = "Incident number")),
    responses(
        (status = 201, description = "The task", body = Task),
        (status = 403, description = "Needs Responder", body = ErrorAnswer),
        (status = 404, description = "No such incident", body = ErrorAnswer)))]
pub(crate) async fn add(
    State(context): State<Context>,
    Responder(who): Responder,
    Path(text): Path<String>,
    Body(given): Body<TaskRequest>,
) -> Result<(StatusCode, Json<Task>), ApiError> {
    let number = number(&text)?;
    let state = &context.app.state;
    let task = state
        .add_task(number, &given.title, &given.description, &who.name, context.now())
        .await?;
    announce(&context, number, Change::Updated);
    Ok((StatusCode::CREATED, Json(task)))
}

/// Changes a task, ticks it off, or opens it again.
#[utoipa::path(patch, path = "/api/v1/incidents/{number}/tasks/{id}", tag = "incidents", request_body = TaskPatch,
    params(("number" = i64, Path, description = "Incident number"), ("id" = String, Path, description = "Task id")),
    responses(
        (status = 200, description = "The task as it is now", body = Task),
        (status = 403, description = "Needs Responder", body = ErrorAnswer),
        (status = 404, description = "No such task", body = ErrorAnswer)))]
pub(crate) async fn change(
    State(context): State<Context>,
    Responder(who): Responder,
    Path((text, id)): Path<(String, String)>,
    Body(given): Body<TaskPatch>,
) -> Result<Json<Task>, ApiError> {
    let number = number(&text)?;
    let update = TaskUpdate {
        title: given.title,
        description: given.description,
        done: given.done,
    };
    let state = &context.app.state;
    let task = state.change_task(number, &id, &update, &who.name, context.now()).await?;
    announce(&context, number, Change::Updated);
    Ok(Json(task))
}

/// Removes a task.
#[utoipa::path(delete, path = "/api/v1/incidents/{number}/tasks/{id}", tag = "incidents",
    params(("number" = i64, Path, description = "Incident number"), ("id" = String, Path, description = "Task id")),
    responses(
        (status = 204, description = "Removed"),
        (status = 403, description = "Needs Responder", body = ErrorAnswer),
        (status = 404, description = "No such task", body = ErrorAnswer)))]
pub(crate) async fn remove(
    State(context): State<Context>,
    Responder(who): Responder,
    Path((text, id)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let number = number(&text)?;
    context.app.state.remove_task(number, &id, &who.name, context.now()).await?;
    announce(&context, number, Change::Updated);
    Ok(StatusCode::NO_CONTENT)
}
