//! The trail of people's actions, for administrators. The same rows are in the table `TaffrailAudit`, for rules and queries.

use axum::Json;
use axum::extract::{RawQuery, State};
use taffrail_state::trail::{TrailFilter, TrailPage};

use super::incidents::{moment, whole};
use crate::app::Context;
use crate::auth::Administrator;
use crate::error::{ApiError, ErrorAnswer};

/// Who did what, newest first; values of one parameter are alternatives, parameters narrow each other.
#[utoipa::path(get, path = "/api/v1/activity", tag = "health",
    params(
        ("who" = Option<Vec<String>>, Query, description = "User, or `token/NAME`"),
        ("kind" = Option<Vec<String>>, Query, description = "What it was done to: `incident`, `user`, `token`, `session`, `workbooks`, …"),
        ("search" = Option<String>, Query, description = "Words in who, what, or to what"),
        ("since" = Option<DateTime<Utc>>, Query, description = "At this time or later"),
        ("until" = Option<DateTime<Utc>>, Query, description = "Before this time"),
        ("limit" = Option<i64>, Query, description = "At most 1000"),
        ("offset" = Option<i64>, Query, description = "How many to skip")),
    responses(
        (status = 200, description = "A part of the trail", body = TrailPage),
        (status = 400, description = "A parameter is wrong", body = ErrorAnswer),
        (status = 403, description = "Needs Administrator", body = ErrorAnswer)))]
pub(crate) async fn list(State(context): State<Context>, _: Administrator, RawQuery(query): RawQuery) -> Result<Json<TrailPage>, ApiError> {
    let mut filter = TrailFilter::default();
    let (mut limit, mut offset) = (100, 0);
    for (name, value) in url::form_urlencoded::parse(query.as_deref().unwrap_or_default().as_bytes()) {
        match name.as_ref() {
            "who" => filter.who.push(value.into_owned()),
            "kind" => filter.kind.push(value.into_owned()),
            "search" => filter.search = value.into_owned(),
            "since" => filter.since = Some(moment("since", &value)?),
            "until" => filter.until = Some(moment("until", &value)?),
            "limit" => limit = whole("limit", &value)?,
            "offset" => offset = whole("offset", &value)?,
            other => return Err(ApiError::bad_request(format!("there is no parameter {other:?}"))),
        }
    }
    Ok(Json(context.app.state.trail(&filter, limit, offset).await?))
}
