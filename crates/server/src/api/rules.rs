//! Detection rules.

use axum::Json;
use axum::extract::{Path, State};

use crate::app::Context;
use crate::auth::Reader;
use crate::error::{ApiError, ErrorAnswer};
use crate::ports::RuleInfo;

/// All rules.
#[utoipa::path(get, path = "/api/v1/rules", tag = "rules", responses(
    (status = 200, description = "By name", body = Vec<RuleInfo>)))]
pub(crate) async fn list(State(context): State<Context>, _: Reader) -> Json<Vec<RuleInfo>> {
    Json(context.app.rules.rules())
}

/// A rule.
#[utoipa::path(get, path = "/api/v1/rules/{id}", tag = "rules",
    params(("id" = String, Path, description = "Rule id")),
    responses(
        (status = 200, description = "The rule", body = RuleInfo),
        (status = 404, description = "No such rule", body = ErrorAnswer)))]
pub(crate) async fn show(State(context): State<Context>, _: Reader, Path(id): Path<String>) -> Result<Json<RuleInfo>, ApiError> {
    let mut rules = context.app.rules.rules().into_iter();
    let rule = rules.find(|rule| rule.id == id);
    rule.map(Json).ok_or_else(|| ApiError::not_found(format!("there is no rule {id}")))
}
