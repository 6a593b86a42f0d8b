//! Tokens, for administrators.

use axum::Json;
use axum::extract::{Path, State};
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use taffrail_state::tokens::{Scope, Token};

use crate::app::Context;
use crate::auth::Administrator;
use crate::error::{ApiError, Body, ErrorAnswer};

/// A token to be made.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TokenRequest {
    /// What people call it
    name: String,
    /// `{"kind":"ingest","source"?,"cluster"?}` or `{"kind":"api","role"}`
    #[serde(flatten)]
    scope: Scope,
    /// Until when it is good; without: until revoked
    #[serde(default)]
    expires_at: Option<DateTime<Utc>>,
}

/// A token and its text, which is shown this once.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct TokenWithText {
    #[serde(flatten)]
    details: Token,
    /// `tfr_…`
    token: String,
}

/// All tokens, without their texts.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "tokens", responses(
    (status = 200, description = "Newest first", body = Vec<Token>),
    (status = 403, description = "Needs Administrator", body = ErrorAnswer)))]
pub(crate) async fn list(State(context): State<Context>, _: Administrator) -> Result<Json<Vec<Token>>, ApiError> {
    Ok(Json(context.app.state.tokens().await?))
}

/// Makes a token.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "tokens", request_body = TokenRequest, responses(
    (status = 201, description = "Made", body = TokenWithText),
    (status = 400, description = "Name or expiry not allowed", body = ErrorAnswer)))]
pub(crate) async fn add(
    State(context): State<Context>,
    Administrator(who): Administrator,
    Body(given): Body<TokenRequest>,
) -> Result<(StatusCode, Json<TokenWithText>), ApiError> {
    let state = &context.app.state;
    let (details, token) = state
        .add_token(&given.name, given.scope, given.expires_at, &who.name, context.now())
        .await?;
    Ok((StatusCode::CREATED, Json(TokenWithText { details, token })))
}

/// Revokes a token.
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", tag = "tokens",
    params(("id" = String, Path, description = "Token id")),
    responses(
        (status = 204, description = "Revoked"),
        (status = 404, description = "No such token", body = ErrorAnswer)))]
pub(crate) async fn revoke(
    State(context): State<Context>,
    Administrator(who): Administrator,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    context.app.state.revoke_token(&id, &who.name, context.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}
