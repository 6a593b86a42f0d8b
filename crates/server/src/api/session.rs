//! Signing in and out.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use taffrail_state::StateError;
use taffrail_state::sessions::{NewSession, Session};
use taffrail_state::users::{Role, User};

use crate::app::Context;
use crate::auth::{self, COOKIE, Principal, Reader, Via};
use crate::error::{ApiError, Body, ErrorAnswer};

/// Name and password.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credentials {
    username: String,
    password: String,
}

/// A new password.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordChange {
    /// The present one
    old: String,
    /// At least 15 characters
    new: String,
}

/// Who is signed in.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionUser {
    name: String,
    display_name: String,
    role: Role,
}

/// A session.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionAnswer {
    user: SessionUser,
    /// To be sent in the header `X-CSRF-Token` with every change
    csrf: String,
    /// The user has a password that somebody else has seen, and should choose another
    must_change: bool,
    /// The server runs without sign-in
    no_auth: bool,
}

fn answer(principal: &Principal) -> SessionAnswer {
    let (csrf, must_change) = match &principal.via {
        Via::Session { csrf, must_change, .. } => (csrf.clone(), *must_change),
        Via::Token(_) | Via::NoAuth => (String::new(), false),
    };
    SessionAnswer {
        user: SessionUser {
            name: principal.name.clone(),
            display_name: principal.display_name.clone(),
            role: principal.role,
        },
        csrf,
        must_change,
        no_auth: principal.via == Via::NoAuth,
    }
}

fn cookie(context: &Context, secret: &str, seconds: i64) -> Result<HeaderValue, ApiError> {
    let secure = if context.options.is_https() { "; Secure" } else { "" };
    let text = format!("{COOKIE}={secret}; HttpOnly; SameSite=Strict; Path=/; Max-Age={seconds}{secure}");
    HeaderValue::from_str(&text).map_err(|_| ApiError::bad_request("the session cannot be put into a cookie"))
}

async fn begin(context: &Context, user: User, address: &str, headers: &HeaderMap) -> Result<Response, ApiError> {
    let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    let lifetime = context.options.sessions;
    let state = &context.app.state;
    let NewSession { id, secret, csrf, .. } = state
        .begin_session(&user.name, address, agent.unwrap_or_default(), lifetime, context.now())
        .await?;
    let principal = Principal {
        name: user.name,
        display_name: user.display_name,
        role: user.role,
        via: Via::Session {
            id,
            csrf,
            must_change: user.must_change,
        },
    };
    let mut response = Json(answer(&principal)).into_response();
    let set = cookie(context, &secret, lifetime.absolute.num_seconds())?;
    response.headers_mut().insert(header::SET_COOKIE, set);
    Ok(response)
}

fn address(extensions: &http::Extensions) -> String {
    auth::peer(extensions).map_or_else(|| "unknown".to_owned(), |address| address.to_string())
}

/// Signs in; the answer sets the session's cookie.
#[utoipa::path(post, path = "/api/v1/session", tag = "session", security(()), request_body = Credentials, responses(
    (status = 200, description = "Signed in", body = SessionAnswer),
    (status = 401, description = "Wrong name or password", body = ErrorAnswer),
    (status = 429, description = "Too many failed attempts; see Retry-After", body = ErrorAnswer)))]
pub(crate) async fn sign_in(
    State(context): State<Context>,
    headers: HeaderMap,
    extensions: http::Extensions,
    Body(given): Body<Credentials>,
) -> Result<Response, ApiError> {
    let address = address(&extensions);
    let state = &context.app.state;
    let signed_in = state.sign_in(&given.username, &given.password, &address, context.now()).await;
    let outcome = if signed_in.is_ok() { "ok" } else { "refused" };
    ::metrics::counter!("taffrail_sign_ins_total", "outcome" => outcome).increment(1);
    // Refused ones are noted under the name that was given, which need not be anybody's; waiting ones not at all: who tries
    // without end would fill the trail.
    let action = match &signed_in {
        Ok(_) => Some("signed in"),
        Err(StateError::WrongPassword) => Some("sign-in refused"),
        Err(_) => None,
    };
    if let Some(action) = action {
        let subject = format!("session/{}", given.username);
        let from = Some(("address", address.as_str()));
        state.record_action(&given.username, &subject, action, from, context.now()).await?;
    }
    begin(&context, signed_in?, &address, &headers).await
}

/// Who is signed in.
#[utoipa::path(get, path = "/api/v1/session", tag = "session", responses(
    (status = 200, description = "Signed in", body = SessionAnswer),
    (status = 401, description = "Not signed in", body = ErrorAnswer)))]
pub(crate) async fn show(Reader(principal): Reader) -> Json<SessionAnswer> {
    Json(answer(&principal))
}

/// Signs out.
#[utoipa::path(delete, path = "/api/v1/session", tag = "session", responses(
    (status = 204, description = "Signed out"),
    (status = 401, description = "Not signed in", body = ErrorAnswer)))]
pub(crate) async fn sign_out(State(context): State<Context>, Reader(principal): Reader) -> Result<Response, ApiError> {
    if let Via::Session { id, .. } = &principal.via {
        let state = &context.app.state;
        state.end_session(&principal.name, id).await?;
        let subject = format!("session/{}", principal.name);
        state
            .record_action(&principal.name, &subject, "signed out", None, context.now())
            .await?;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    response.headers_mut().insert(header::SET_COOKIE, cookie(&context, "", 0)?);
    Ok(response)
}

/// Changes one's own password. All one's sessions end; the answer begins a new one.
#[utoipa::path(post, path = "/api/v1/session/password", tag = "session", request_body = PasswordChange, responses(
    (status = 200, description = "Changed", body = SessionAnswer),
    (status = 400, description = "The new password is too weak", body = ErrorAnswer),
    (status = 401, description = "The old password is wrong", body = ErrorAnswer)))]
pub(crate) async fn change_password(
    State(context): State<Context>,
    Reader(principal): Reader,
    headers: HeaderMap,
    extensions: http::Extensions,
    Body(given): Body<PasswordChange>,
) -> Result<Response, ApiError> {
    let Via::Session { .. } = principal.via else {
        return Err(ApiError::bad_request("only a signed-in user has a password"));
    };
    let address = address(&extensions);
    let state = &context.app.state;
    state
        .change_password(&principal.name, &given.old, &given.new, &address, context.now())
        .await?;
    let user = state.user(&principal.name).await?;
    begin(&context, user, &address, &headers).await
}

/// One's own sessions.
#[utoipa::path(get, path = "/api/v1/session/all", tag = "session", responses(
    (status = 200, description = "Newest first", body = Vec<Session>)))]
pub(crate) async fn list(State(context): State<Context>, Reader(principal): Reader) -> Result<Json<Vec<Session>>, ApiError> {
    let Some(user) = principal.user() else {
        return Ok(Json(Vec::new()));
    };
    Ok(Json(context.app.state.sessions(user).await?))
}

/// Ends one of one's own sessions.
#[utoipa::path(delete, path = "/api/v1/session/all/{id}", tag = "session",
    params(("id" = String, Path, description = "Session id")),
    responses(
        (status = 204, description = "Ended"),
        (status = 404, description = "No such session", body = ErrorAnswer)))]
pub(crate) async fn end(State(context): State<Context>, Reader(principal): Reader, Path(id): Path<String>) -> Result<StatusCode, ApiError> {
    let user = principal.user().unwrap_or_default();
    context.app.state.end_session(user, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
