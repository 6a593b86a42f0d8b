//! Threat intelligence: indicators come in here and lie in the table `ThreatIntelIndicators`, under Microsoft's names, where
//! rules and queries join them.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Duration, SecondsFormat, Utc};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use crate::app::Context;
use crate::auth::Contributor;
use crate::error::{ApiError, Body, ErrorAnswer};

/// Table of indicators.
const TABLE: &str = "ThreatIntelIndicators";
/// Most indicators in one request.
const MOST: usize = 20_000;
/// How long an indicator is good when nobody says.
const GOOD_FOR: Duration = Duration::days(90);

/// What an indicator is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum IndicatorKind {
    /// Address or network of version 4
    Ipv4,
    /// Address or network of version 6
    Ipv6,
    /// Name of a host
    Domain,
    /// Address of a page
    Url,
    /// Digest of a file or image
    Sha256,
    /// Reference of an image
    Image,
}

impl IndicatorKind {
    /// The key that STIX has for it.
    fn key(self) -> &'static str {
        match self {
            IndicatorKind::Ipv4 => "ipv4-addr:value",
            IndicatorKind::Ipv6 => "ipv6-addr:value",
            IndicatorKind::Domain => "domain-name:value",
            IndicatorKind::Url => "url:value",
            IndicatorKind::Sha256 => "file:hashes.'SHA-256'",
            IndicatorKind::Image => "x-container-image:value",
        }
    }
}

/// An indicator.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Indicator {
    kind: IndicatorKind,
    /// What to look for
    value: String,
    /// Why it is bad
    #[serde(default)]
    description: String,
    /// 0 to 100
    #[serde(default = "sure")]
    confidence: i64,
    /// Words to find it by
    #[serde(default)]
    tags: Vec<String>,
    /// Until when it is good; 90 days when left out
    #[serde(default)]
    valid_until: Option<DateTime<Utc>>,
    /// Takes one back that came before
    #[serde(default)]
    revoked: bool,
}

fn sure() -> i64 {
    75
}

/// Indicators to be taken in.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ImportRequest {
    /// Where they come from: the name of a feed
    source: String,
    indicators: Vec<Indicator>,
}

/// What was taken in.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ImportAnswer {
    /// Rows written
    stored: u64,
}

fn text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn row(source: &str, indicator: &Indicator, at: usize, now: DateTime<Utc>) -> Result<Map<String, serde_json::Value>, ApiError> {
    let wrong = |what: &str| ApiError::bad_request(format!("indicators[{at}]: {what}"));
    let value = indicator.value.trim();
    if value.is_empty() || value.len() > 2_000 || value.contains(['\n', '\r']) {
        return Err(wrong("the value is one line of 1 to 2000 bytes"));
    }
    if !(0..=100).contains(&indicator.confidence) {
        return Err(wrong("confidence is 0 to 100"));
    }
    let value = match indicator.kind {
        IndicatorKind::Ipv4 | IndicatorKind::Ipv6 => {
            let address = value.split_once('/').map_or(value, |(address, _)| address);
            let parsed = address
                .parse::<std::net::IpAddr>()
                .map_err(|_| wrong("the value is no address or network"))?;
            if parsed.is_ipv4() != (indicator.kind == IndicatorKind::Ipv4) {
                return Err(wrong("the value is an address of the other version"));
            }
            value.to_owned()
        }
        IndicatorKind::Domain => value.trim_end_matches('.').to_lowercase(),
        IndicatorKind::Sha256 => value.to_lowercase(),
        IndicatorKind::Url | IndicatorKind::Image => value.to_owned(),
    };
    let key = indicator.kind.key();
    let quoted = value.replace('\\', "\\\\").replace('\'', "\\'");
    let id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, format!("{source}/{key}/{value}").as_bytes());
    let until = indicator.valid_until.unwrap_or(now + GOOD_FOR);
    let row = json!({
        "TimeGenerated": text(now),
        "Id": format!("indicator--{id}"),
        "SourceSystem": source,
        "ObservableKey": key,
        "ObservableValue": value,
        "Pattern": format!("[{key} = '{quoted}']"),
        "IsActive": !indicator.revoked && until > now,
        "IsDeleted": indicator.revoked,
        "Revoked": indicator.revoked,
        "Confidence": indicator.confidence,
        "Created": text(now),
        "Modified": text(now),
        "ValidFrom": text(now),
        "ValidUntil": text(until),
        "Tags": indicator.tags.join(", "),
        "Data": { "description": indicator.description, "labels": indicator.tags },
        "_TimeReceived": text(now),
    });
    match row {
        serde_json::Value::Object(map) => Ok(map),
        _ => Ok(Map::new()),
    }
}

/// Takes indicators in. The same value of the same source is the same indicator: the last one counts.
#[utoipa::path(post, path = "/api/v1/indicators", tag = "rules", request_body = ImportRequest, responses(
    (status = 201, description = "Taken in", body = ImportAnswer),
    (status = 400, description = "An indicator is wrong; says which. None is taken in", body = ErrorAnswer),
    (status = 403, description = "Needs Contributor", body = ErrorAnswer)))]
pub(crate) async fn import(
    State(context): State<Context>,
    Contributor(who): Contributor,
    Body(given): Body<ImportRequest>,
) -> Result<(StatusCode, Json<ImportAnswer>), ApiError> {
    let source = given.source.trim();
    if source.is_empty() || source.len() > 100 {
        return Err(ApiError::bad_request("source: say where they come from, in 1 to 100 bytes"));
    }
    if given.indicators.is_empty() || given.indicators.len() > MOST {
        return Err(ApiError::bad_request(format!("indicators: 1 to {MOST} at once")));
    }
    let now = context.now();
    let rows = given.indicators.iter().enumerate().map(|(at, one)| row(source, one, at, now));
    let rows = rows.collect::<Result<Vec<_>, ApiError>>()?;
    let count = rows.len();
    let failed = |message: String| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message);
    let stored = context.app.storage.append(TABLE, rows).await.map_err(failed)?;
    let about = format!("{count} of {source}");
    let state = &context.app.state;
    let what = Some(("indicators", about.as_str()));
    state.record_action(&who.name, "indicators/import", "imported", what, now).await?;
    Ok((StatusCode::CREATED, Json(ImportAnswer { stored })))
}
