//! The library: workbooks, hunting queries, sources, watchlists, saved queries, bookmarks and views of the queue.
//!
//! What is shipped comes from files; what people keep lies over it under the same id, so that a changed workbook can be
//! taken back to what was shipped.

use axum::Json;
use axum::extract::{Path, State};
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use taffrail_state::documents::{Document, NewDocument};
use taffrail_state::users::Role;

use crate::app::Context;
use crate::auth::{Principal, Reader};
use crate::error::{ApiError, Body, ErrorAnswer};
use crate::ports::Shipped;

/// Kinds there are, and who may keep documents of them for everybody; nobody: they are files beside the server.
const KINDS: [(&str, Option<Role>); 7] = [
    ("workbooks", Some(Role::Contributor)),
    ("hunting", Some(Role::Contributor)),
    ("sources", None),
    ("queries", Some(Role::Contributor)),
    ("views", Some(Role::Contributor)),
    ("watchlists", Some(Role::Contributor)),
    // What somebody found while hunting is work on incidents.
    ("bookmarks", Some(Role::Responder)),
];

/// Where a document comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Origin {
    /// It came with the server, and is as it came
    Shipped,
    /// It came with the server, and people changed it
    Changed,
    /// People made it
    Kept,
}

/// A document of the library.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LibraryItem {
    /// Name in addresses
    id: String,
    /// What people call it
    name: String,
    /// What it is for
    description: String,
    /// Where it comes from
    origin: Origin,
    /// Everybody sees it; else only the one who keeps it
    shared: bool,
    /// Last change by people
    updated_at: Option<DateTime<Utc>>,
    /// Who made it
    updated_by: Option<String>,
    /// The document; its form depends on the kind
    #[schema(value_type = Object)]
    body: Value,
}

/// A document to be kept.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct LibraryChange {
    /// What people call it
    name: String,
    /// The document
    #[schema(value_type = Object)]
    body: Value,
    /// For everybody; needs Contributor
    #[serde(default)]
    shared: bool,
    /// `updatedAt` of what was changed: refused with 409 when somebody else changed it since
    #[serde(default)]
    based_on: Option<DateTime<Utc>>,
}

/// Gives the role that may keep documents of the kind for everybody.
fn known(kind: &str, to_change: bool) -> Result<Role, ApiError> {
    match KINDS.iter().find(|(name, _)| *name == kind) {
        Some((_, Some(role))) => Ok(*role),
        Some((_, None)) if !to_change => Ok(Role::Administrator),
        Some(_) => Err(ApiError::bad_request(format!(
            "{kind} are files beside the server and cannot be changed here"
        ))),
        None => Err(ApiError::not_found(format!(
            "the library has no {kind}; it has {}",
            KINDS.map(|(name, _)| name).join(", ")
        ))),
    }
}

fn text(body: &Value, name: &str) -> Option<String> {
    body.get(name).and_then(Value::as_str).map(|text| text.trim().to_owned())
}

fn first(body: &Value, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| text(body, name))
}

fn from_shipped(shipped: Shipped) -> LibraryItem {
    LibraryItem {
        // Sources have a title and what they are about beside their short name.
        name: first(&shipped.body, &["title", "name"]).unwrap_or_else(|| shipped.id.clone()),
        description: first(&shipped.body, &["description", "about"]).unwrap_or_default(),
        id: shipped.id,
        origin: Origin::Shipped,
        shared: true,
        updated_at: None,
        updated_by: None,
        body: shipped.body,
    }
}

fn from_kept(document: Document, origin: Origin) -> LibraryItem {
    LibraryItem {
        id: document.id,
        name: document.name,
        description: text(&document.body, "description").unwrap_or_default(),
        origin,
        shared: document.owner.is_empty(),
        updated_at: Some(document.updated_at),
        updated_by: Some(document.updated_by),
        body: document.body,
    }
}

async fn items(context: &Context, kind: &str, user: &str) -> Result<Vec<LibraryItem>, ApiError> {
    let mut items: Vec<LibraryItem> = context.app.library.documents(kind).into_iter().map(from_shipped).collect();
    for document in context.app.state.documents(kind, user).await? {
        match items.iter_mut().find(|item| item.id == document.id) {
            Some(item) => *item = from_kept(document, Origin::Changed),
            None => items.push(from_kept(document, Origin::Kept)),
        }
    }
    Ok(items)
}

fn may_share(principal: &Principal, needed: Role) -> Result<(), ApiError> {
    if principal.role >= needed {
        return Ok(());
    }
    Err(ApiError::forbidden(format!(
        "what everybody sees is changed by the role {needed}; {} has the role {}. Keep a copy for yourself instead",
        principal.name, principal.role
    )))
}

/// The documents of a kind that the caller sees.
#[utoipa::path(get, path = "/api/v1/library/{kind}", tag = "library",
    params(("kind" = String, Path, description = "`workbooks`, `hunting`, `sources`, `queries`, `views`, `watchlists` or `bookmarks`")),
    responses(
        (status = 200, description = "Shipped ones first", body = Vec<LibraryItem>),
        (status = 404, description = "No such kind", body = ErrorAnswer)))]
pub(crate) async fn list(
    State(context): State<Context>,
    Reader(who): Reader,
    Path(kind): Path<String>,
) -> Result<Json<Vec<LibraryItem>>, ApiError> {
    known(&kind, false)?;
    Ok(Json(items(&context, &kind, &who.name).await?))
}

/// Keeps a document, over a shipped one of the same id if there is one.
#[utoipa::path(put, path = "/api/v1/library/{kind}/{id}", tag = "library", request_body = LibraryChange,
    params(
        ("kind" = String, Path, description = "`workbooks`, `hunting`, `queries`, `views`, `watchlists` or `bookmarks`"),
        ("id" = String, Path, description = "Name in addresses: small letters, digits and -")),
    responses(
        (status = 200, description = "As it is now", body = LibraryItem),
        (status = 400, description = "Not allowed so", body = ErrorAnswer),
        (status = 403, description = "What everybody sees needs Contributor", body = ErrorAnswer),
        (status = 409, description = "Somebody else's, or changed since", body = ErrorAnswer)))]
pub(crate) async fn keep(
    State(context): State<Context>,
    Reader(who): Reader,
    Path((kind, id)): Path<(String, String)>,
    Body(given): Body<LibraryChange>,
) -> Result<Json<LibraryItem>, ApiError> {
    let needed = known(&kind, true)?;
    let state = &context.app.state;
    let is_shipped = context.app.library.documents(&kind).iter().any(|shipped| shipped.id == id);
    let before = state
        .documents(&kind, &who.name)
        .await?
        .into_iter()
        .find(|document| document.id == id);
    // Making everybody's one's own would take it from the others.
    if given.shared || is_shipped || before.is_some_and(|document| document.owner.is_empty()) {
        may_share(&who, needed)?;
    }
    if is_shipped && !given.shared {
        return Err(ApiError::bad_request(format!(
            "{id} comes with the server: change it for everybody, or keep a copy under another id"
        )));
    }
    let new = NewDocument {
        kind: &kind,
        id: &id,
        owner: if given.shared { "" } else { &who.name },
        name: &given.name,
        body: &given.body,
        based_on: given.based_on,
    };
    let kept = state.keep_document(&new, &who.name, context.now()).await?;
    context.app.library.changed(&kind).await;
    let origin = if is_shipped { Origin::Changed } else { Origin::Kept };
    Ok(Json(from_kept(kept, origin)))
}

/// Removes a document that people keep; a shipped one is again as it was shipped.
#[utoipa::path(delete, path = "/api/v1/library/{kind}/{id}", tag = "library",
    params(
        ("kind" = String, Path, description = "`workbooks`, `hunting`, `queries`, `views`, `watchlists` or `bookmarks`"),
        ("id" = String, Path, description = "Name in addresses")),
    responses(
        (status = 204, description = "Removed"),
        (status = 403, description = "What everybody sees needs Contributor", body = ErrorAnswer),
        (status = 404, description = "Nobody keeps such a document", body = ErrorAnswer)))]
pub(crate) async fn remove(
    State(context): State<Context>,
    Reader(who): Reader,
    Path((kind, id)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let needed = known(&kind, true)?;
    let state = &context.app.state;
    let kept = state.documents(&kind, &who.name).await?;
    if kept.iter().any(|document| document.id == id && document.owner.is_empty()) {
        may_share(&who, needed)?;
    }
    state.remove_document(&kind, &id, &who.name, context.now()).await?;
    context.app.library.changed(&kind).await;
    Ok(StatusCode::NO_CONTENT)
}
