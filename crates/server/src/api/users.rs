//! Users, for administrators.

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use taffrail_state::users::{NewUser, Role, User, UserChange};

use crate::app::Context;
use crate::auth::Administrator;
use crate::error::{ApiError, Body, ErrorAnswer};

/// A user to be made.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct UserRequest {
    /// Name to sign in with
    name: String,
    /// Name to show
    #[serde(default)]
    display_name: String,
    /// Role
    role: Role,
    /// First password; without one, a random one is made
    password: Option<String>,
}

/// A user, with a password that was made and is shown this once.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct UserWithPassword {
    #[serde(flatten)]
    user: User,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

/// All users.
#[utoipa::path(get, path = "/api/v1/users", tag = "users", responses(
    (status = 200, description = "By name", body = Vec<User>),
    (status = 403, description = "Needs Administrator", body = ErrorAnswer)))]
pub(crate) async fn list(State(context): State<Context>, _: Administrator) -> Result<Json<Vec<User>>, ApiError> {
    Ok(Json(context.app.state.users().await?))
}

/// Makes a user, who must choose a password at the first sign-in.
#[utoipa::path(post, path = "/api/v1/users", tag = "users", request_body = UserRequest, responses(
    (status = 201, description = "Made", body = UserWithPassword),
    (status = 400, description = "Name or password not allowed", body = ErrorAnswer),
    (status = 409, description = "The name is taken", body = ErrorAnswer)))]
pub(crate) async fn add(
    State(context): State<Context>,
    Administrator(who): Administrator,
    Body(given): Body<UserRequest>,
) -> Result<(StatusCode, Json<UserWithPassword>), ApiError> {
    let new = NewUser {
        name: &given.name,
        display_name: &given.display_name,
        role: given.role,
        password: given.password.as_deref(),
    };
    let (user, made) = context.app.state.add_user(&new, &who.name, context.now()).await?;
    let password = made.map(|made| made.password);
    Ok((StatusCode::CREATED, Json(UserWithPassword { user, password })))
}

/// Changes role, name or whether the user may sign in.
#[utoipa::path(patch, path = "/api/v1/users/{name}", tag = "users", request_body = UserChange,
    params(("name" = String, Path, description = "User name")),
    responses(
        (status = 200, description = "Changed", body = User),
        (status = 404, description = "No such user", body = ErrorAnswer),
        (status = 409, description = "The last administrator", body = ErrorAnswer)))]
pub(crate) async fn change(
    State(context): State<Context>,
    Administrator(who): Administrator,
    Path(name): Path<String>,
    Body(given): Body<UserChange>,
) -> Result<Json<User>, ApiError> {
    Ok(Json(context.app.state.change_user(&name, &given, &who.name, context.now()).await?))
}

/// Removes a user.
#[utoipa::path(delete, path = "/api/v1/users/{name}", tag = "users",
    params(("name" = String, Path, description = "User name")),
    responses(
        (status = 204, description = "Removed"),
        (status = 404, description = "No such user", body = ErrorAnswer),
        (status = 409, description = "The last administrator", body = ErrorAnswer)))]
pub(crate) async fn remove(
    State(context): State<Context>,
    Administrator(who): Administrator,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    context.app.state.remove_user(&name, &who.name, context.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a user a new random password, shown this once; ends the user's sessions.
#[utoipa::path(post, path = "/api/v1/users/{name}/password", tag = "users",
    params(("name" = String, Path, description = "User name")),
    responses(
        (status = 200, description = "The new password", body = UserWithPassword),
        (status = 404, description = "No such user", body = ErrorAnswer)))]
pub(crate) async fn reset_password(
    State(context): State<Context>,
    Administrator(who): Administrator,
    Path(name): Path<String>,
) -> Result<Json<UserWithPassword>, ApiError> {
    let made = context.app.state.reset_password(&name, &who.name, context.now()).await?;
    Ok(Json(UserWithPassword {
        user: context.app.state.user(&name).await?,
        password: Some(made.password),
    }))
}
