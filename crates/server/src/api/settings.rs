//! Settings that administrators change while the server runs. What is needed to start is in the configuration file instead.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::app::Context;
use crate::auth::{Administrator, Reader};
use crate::error::{ApiError, Body, ErrorAnswer};

/// What a gigabyte costs, for the pages that show cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CostSetting {
    /// `EUR`, `USD`, …
    currency: String,
    /// Of a gibibyte on disk for a month
    per_gib_month: f64,
}

/// Settings there are, by name.
const NAMES: [&str; 1] = ["cost"];

fn check(name: &str, value: Value) -> Result<Value, ApiError> {
    match name {
        "cost" => {
            let cost: CostSetting = serde_json::from_value(value).map_err(|error| ApiError::bad_request(format!("cost: {error}")))?;
            let named = cost.currency.len() == 3 && cost.currency.chars().all(|c| c.is_ascii_uppercase());
            if !named || !(0.0..=1_000_000.0).contains(&cost.per_gib_month) {
                return Err(ApiError::bad_request(
                    "cost: the currency is three capital letters, the price is not negative",
                ));
            }
            serde_json::to_value(cost).map_err(|error| ApiError::bad_request(format!("cost: {error}")))
        }
        other => Err(ApiError::not_found(format!(
            "there is no setting {other}; there are {}",
            NAMES.join(", ")
        ))),
    }
}

/// All settings; those never set are left out.
#[utoipa::path(get, path = "/api/v1/settings", tag = "health", responses(
    (status = 200, description = "By name: `cost`", body = Object)))]
pub(crate) async fn list(State(context): State<Context>, _: Reader) -> Result<Json<BTreeMap<String, Value>>, ApiError> {
    let mut all = BTreeMap::new();
    for name in NAMES {
        if let Some(value) = context.app.state.setting(name).await? {
            all.insert(name.to_owned(), value);
        }
    }
    Ok(Json(all))
}

/// Sets a setting.
#[utoipa::path(put, path = "/api/v1/settings/{name}", tag = "health", request_body = CostSetting,
    params(("name" = String, Path, description = "`cost`")),
    responses(
        (status = 204, description = "Set"),
        (status = 400, description = "The value is wrong", body = ErrorAnswer),
        (status = 403, description = "Needs Administrator", body = ErrorAnswer),
        (status = 404, description = "No such setting", body = ErrorAnswer)))]
pub(crate) async fn set(
    State(context): State<Context>,
    Administrator(who): Administrator,
    Path(name): Path<String>,
    Body(value): Body<Value>,
) -> Result<StatusCode, ApiError> {
    let value = check(&name, value)?;
    context.app.state.set_setting(&name, &value, &who.name, context.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}
