//! What people find while hunting becomes an incident, or a part of one.
//!
//! A finding is kept as an alert that comes from no rule, so that everything that works with alerts (evidence, timeline, graph,
//! similar incidents) works with it.

use axum::Json;
use axum::extract::{Path, State};
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::Deserialize;
use taffrail_state::alerts::{Alert, Entity, Evidence};
use taffrail_state::incidents::{Change, Incident, NewIncident, Severity};

use super::incidents::{announce, number};
use crate::app::Context;
use crate::auth::Responder;
use crate::error::{ApiError, Body, ErrorAnswer};

/// Most rows of evidence of one finding.
const MOST_ROWS: usize = 1000;
/// Most findings at once.
const MOST_FINDINGS: usize = 50;

/// Something that somebody found.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Finding {
    /// The same for the same finding (the id of a bookmark), so that it is in one incident only
    id: String,
    /// What it is
    title: String,
    /// Why it matters, in Markdown
    #[serde(default)]
    note: String,
    /// The query that found it
    #[serde(default)]
    query: String,
    /// Rows
    #[serde(default)]
    evidence: Evidence,
    /// What it is about
    #[serde(default)]
    entities: Vec<Entity>,
    /// ATT&CK tactics
    #[serde(default)]
    tactics: Vec<String>,
    /// ATT&CK techniques
    #[serde(default)]
    techniques: Vec<String>,
    /// Cluster
    #[serde(default)]
    cluster: String,
    /// Time of the first event
    first_activity: DateTime<Utc>,
    /// Time of the last event
    last_activity: DateTime<Utc>,
}

/// An incident to be opened.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct IncidentRequest {
    title: String,
    /// In Markdown
    #[serde(default)]
    description: String,
    severity: Severity,
    /// At least one
    findings: Vec<Finding>,
}

fn alert(finding: Finding, severity: Severity, now: DateTime<Utc>) -> Result<Alert, ApiError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if finding.id.is_empty() || finding.id.len() > 80 || !finding.id.chars().all(allowed) {
        return Err(ApiError::bad_request("id: a finding's id has 1 to 80 letters, digits and -"));
    }
    let title = finding.title.trim();
    if title.is_empty() || title.len() > 500 {
        return Err(ApiError::bad_request("title: a finding's title has 1 to 500 bytes"));
    }
    if finding.evidence.rows.len() > MOST_ROWS {
        return Err(ApiError::bad_request(format!(
            "evidence: a finding has at most {MOST_ROWS} rows; keep those that matter"
        )));
    }
    if finding.last_activity < finding.first_activity {
        return Err(ApiError::bad_request("lastActivity: it is before firstActivity"));
    }
    Ok(Alert {
        id: format!("finding-{}", finding.id),
        rule: String::new(),
        rule_name: String::new(),
        title: title.to_owned(),
        description: finding.note,
        severity,
        tactics: finding.tactics,
        techniques: finding.techniques,
        entities: finding.entities,
        first_activity: finding.first_activity,
        last_activity: finding.last_activity,
        created_at: now,
        cluster: finding.cluster,
        custom_details: serde_json::Map::new(),
        count: u64::try_from(finding.evidence.rows.len()).unwrap_or(u64::MAX),
        evidence: finding.evidence,
        query: finding.query,
        remediation: Vec::new(),
    })
}

/// Opens an incident for what somebody found.
#[utoipa::path(post, path = "/api/v1/incidents", tag = "incidents", request_body = IncidentRequest, responses(
    (status = 201, description = "The incident", body = Incident),
    (status = 400, description = "A value is wrong", body = ErrorAnswer),
    (status = 403, description = "Needs Responder", body = ErrorAnswer),
    (status = 409, description = "A finding is in an incident already", body = ErrorAnswer)))]
pub(crate) async fn open(
    State(context): State<Context>,
    Responder(who): Responder,
    Body(given): Body<IncidentRequest>,
) -> Result<(StatusCode, Json<Incident>), ApiError> {
    if given.findings.len() > MOST_FINDINGS {
        return Err(ApiError::bad_request(format!("findings: at most {MOST_FINDINGS} at once")));
    }
    let now = context.now();
    let findings = given.findings.into_iter().map(|finding| alert(finding, given.severity, now));
    let findings = findings.collect::<Result<Vec<Alert>, ApiError>>()?;
    let new = NewIncident {
        title: &given.title,
        description: &given.description,
        severity: given.severity,
        findings: &findings,
    };
    let incident = context.app.state.open_incident(&new, &who.name, now).await?;
    announce(&context, incident.number, Change::Created);
    Ok((StatusCode::CREATED, Json(incident)))
}

/// Adds what somebody found to an incident.
#[utoipa::path(post, path = "/api/v1/incidents/{number}/findings", tag = "incidents", request_body = Finding,
    params(("number" = i64, Path, description = "Incident number")),
    responses(
        (status = 201, description = "The incident as it is now", body = Incident),
        (status = 400, description = "A value is wrong", body = ErrorAnswer),
        (status = 403, description = "Needs Responder", body = ErrorAnswer),
        (status = 404, description = "No such incident", body = ErrorAnswer),
        (status = 409, description = "It is in an incident already", body = ErrorAnswer)))]
pub(crate) async fn add(
    State(context): State<Context>,
    Responder(who): Responder,
    Path(text): Path<String>,
    Body(given): Body<Finding>,
) -> Result<(StatusCode, Json<Incident>), ApiError> {
    let number = number(&text)?;
    let state = &context.app.state;
    let now = context.now();
    let severity = state.incident(number).await?.severity;
    let incident = state.add_finding(number, &alert(given, severity, now)?, &who.name, now).await?;
    announce(&context, number, Change::Updated);
    Ok((StatusCode::CREATED, Json(incident)))
}
