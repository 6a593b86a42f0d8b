//! Incidents: alerts that belong together, and what people make of them. Words and values are Microsoft Sentinel's.
//!
//! Reading the queue is in `incident_list`, attaching alerts in `incident_record`.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::Row as _;

use crate::activity::{Note, note};
use crate::alerts::Entity;
use crate::db::{Connection, Row};
use crate::{State, StateError, time};

pub use crate::incident_list::{Facets, Filter, Order, Page, Sort};
pub use crate::incident_record::{Change, Grouping, IncidentChange, MAX_ALERTS, NewIncident};

/// How bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub enum Severity {
    /// Worth knowing
    Informational,
    /// Look when there is time
    Low,
    /// Look today
    Medium,
    /// Look now
    High,
}

impl Severity {
    /// All, worst first.
    pub const ALL: [Severity; 4] = [Severity::High, Severity::Medium, Severity::Low, Severity::Informational];

    /// As written.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Informational => "Informational",
            Severity::Low => "Low",
            Severity::Medium => "Medium",
            Severity::High => "High",
        }
    }

    /// As stored, so that text order does not matter.
    pub(crate) fn rank(self) -> i64 {
        match self {
            Severity::Informational => 0,
            Severity::Low => 1,
            Severity::Medium => 2,
            Severity::High => 3,
        }
    }

    pub(crate) fn from_rank(rank: i64) -> Result<Severity, StateError> {
        Severity::ALL
            .into_iter()
            .find(|severity| severity.rank() == rank)
            .ok_or(StateError::Corrupt {
                what: "severity",
                reason: format!("{rank} is none"),
            })
    }
}

/// Where the work stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub enum Status {
    /// Nobody has looked
    New,
    /// Somebody works on it
    Active,
    /// Done
    Closed,
}

impl Status {
    /// As written.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::New => "New",
            Status::Active => "Active",
            Status::Closed => "Closed",
        }
    }
}

/// What it turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub enum Classification {
    /// An attack
    TruePositive,
    /// Rightly found, but allowed
    BenignPositive,
    /// Wrongly found
    FalsePositive,
    /// Not known
    Undetermined,
}

impl Classification {
    /// As written.
    pub fn as_str(self) -> &'static str {
        match self {
            Classification::TruePositive => "TruePositive",
            Classification::BenignPositive => "BenignPositive",
            Classification::FalsePositive => "FalsePositive",
            Classification::Undetermined => "Undetermined",
        }
    }

    /// Reasons that go with it.
    pub fn reasons(self) -> &'static [Reason] {
        match self {
            Classification::TruePositive => &[Reason::SuspiciousActivity],
            Classification::BenignPositive => &[Reason::SuspiciousButExpected],
            Classification::FalsePositive => &[Reason::IncorrectAlertLogic, Reason::InaccurateData],
            Classification::Undetermined => &[],
        }
    }
}

/// Why it was classified so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub enum Reason {
    /// Of a true positive
    SuspiciousActivity,
    /// Of a benign positive
    SuspiciousButExpected,
    /// Of a false positive: the rule is wrong
    IncorrectAlertLogic,
    /// Of a false positive: the data is wrong
    InaccurateData,
}

impl Reason {
    /// As written.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::SuspiciousActivity => "SuspiciousActivity",
            Reason::SuspiciousButExpected => "SuspiciousButExpected",
            Reason::IncorrectAlertLogic => "IncorrectAlertLogic",
            Reason::InaccurateData => "InaccurateData",
        }
    }
}

macro_rules! by_name {
    ($ty:ty, $field:literal, $($variant:ident),+) => {
        impl fmt::Display for $ty {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $ty {
            type Err = StateError;

            fn from_str(text: &str) -> Result<Self, StateError> {
                $(if text == stringify!($variant) {
                    return Ok(Self::$variant);
                })+
                let known = [$(stringify!($variant)),+].join(", ");
                Err(StateError::invalid($field, format!("{text:?} is none of {known}")))
            }
        }
    };
}

by_name!(Severity, "severity", High, Medium, Low, Informational);
by_name!(Status, "status", New, Active, Closed);
by_name!(
    Classification,
    "classification",
    TruePositive,
    BenignPositive,
    FalsePositive,
    Undetermined
);
by_name!(
    Reason,
    "classificationReason",
    SuspiciousActivity,
    SuspiciousButExpected,
    IncorrectAlertLogic,
    InaccurateData
);

/// An incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Incident {
    /// Number, counted from 1
    pub number: i64,
    /// Identifier
    pub id: String,
    /// Title
    pub title: String,
    /// What it is about
    pub description: String,
    /// Severity
    pub severity: Severity,
    /// Status
    pub status: Status,
    /// User who works on it
    pub owner: Option<String>,
    /// What it turned out to be
    pub classification: Option<Classification>,
    /// Why
    pub classification_reason: Option<Reason>,
    /// In words
    pub classification_comment: Option<String>,
    /// Entities of all its alerts
    pub entities: Vec<Entity>,
    /// ATT&CK tactics of all its alerts
    pub tactics: Vec<String>,
    /// ATT&CK techniques of all its alerts
    pub techniques: Vec<String>,
    /// Number of alerts
    pub alert_count: i64,
    /// Time of the first event
    pub first_activity: DateTime<Utc>,
    /// Time of the last event
    pub last_activity: DateTime<Utc>,
    /// When it was opened
    pub created_at: DateTime<Utc>,
    /// Last change
    pub updated_at: DateTime<Utc>,
    /// When it was closed
    pub closed_at: Option<DateTime<Utc>>,
    /// Cluster; empty when unknown or several
    pub cluster: String,
    /// Ids of the rules whose alerts it holds
    pub rules: Vec<String>,
}

/// Changes to an incident; what is none stays.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IncidentUpdate {
    /// Status
    pub status: Option<Status>,
    /// Severity
    pub severity: Option<Severity>,
    /// Owner; the inner none: nobody
    pub owner: Option<Option<String>>,
    /// Title
    pub title: Option<String>,
    /// What it turned out to be; needed when closing
    pub classification: Option<Classification>,
    /// Why
    pub classification_reason: Option<Reason>,
    /// In words
    pub classification_comment: Option<String>,
}

pub(crate) const COLUMNS: &str = "number, id, status, severity, owner, first_activity, last_activity, created_at, \
    updated_at, closed_at, alert_count, title, cluster, classification, classification_reason, classification_comment, \
    description, tactics, techniques, rules, entities";

fn list<T: serde::de::DeserializeOwned>(row: &Row, column: &'static str) -> Result<T, StateError> {
    serde_json::from_str(row.try_get(column)?).map_err(|error| StateError::Corrupt {
        what: column,
        reason: error.to_string(),
    })
}

fn parsed<T: FromStr<Err = StateError>>(row: &Row, column: &str) -> Result<Option<T>, StateError> {
    row.try_get::<Option<&str>, _>(column)?.map(str::parse).transpose()
}

pub(crate) fn read(row: &Row) -> Result<Incident, StateError> {
    Ok(Incident {
        number: row.try_get("number")?,
        id: row.try_get("id")?,
        title: row.try_get("title")?,
        description: row.try_get("description")?,
        severity: Severity::from_rank(row.try_get("severity")?)?,
        status: row.try_get::<&str, _>("status")?.parse()?,
        owner: row.try_get("owner")?,
        classification: parsed(row, "classification")?,
        classification_reason: parsed(row, "classification_reason")?,
        classification_comment: row.try_get("classification_comment")?,
        entities: list(row, "entities")?,
        tactics: list(row, "tactics")?,
        techniques: list(row, "techniques")?,
        alert_count: row.try_get("alert_count")?,
        first_activity: time::get(row, "first_activity")?,
        last_activity: time::get(row, "last_activity")?,
        created_at: time::get(row, "created_at")?,
        updated_at: time::get(row, "updated_at")?,
        closed_at: time::optional(row, "closed_at")?,
        cluster: row.try_get("cluster")?,
        rules: list(row, "rules")?,
    })
}

pub(crate) async fn incident_in(connection: &mut Connection, number: i64) -> Result<Incident, StateError> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM incidents WHERE number = $1"));
    let row = sqlx::query(sql)
        .bind(number)
        .fetch_optional(connection)
        .await?
        .ok_or_else(|| StateError::not_found("incident", number))?;
    read(&row)
}

/// Applies the changes, and what follows from them, to the incident.
fn apply(incident: &mut Incident, update: &IncidentUpdate, now: DateTime<Utc>) -> Result<(), StateError> {
    if let Some(title) = &update.title {
        let title = title.trim();
        if title.is_empty() || title.len() > 500 {
            return Err(StateError::invalid("title", "a title has 1 to 500 bytes"));
        }
        title.clone_into(&mut incident.title);
    }
    incident.severity = update.severity.unwrap_or(incident.severity);
    if let Some(owner) = &update.owner {
        incident.owner = owner.clone().filter(|owner| !owner.is_empty());
    }
    if let Some(classification) = update.classification {
        if incident.classification != Some(classification) {
            incident.classification_reason = None;
        }
        incident.classification = Some(classification);
        if let [only] = classification.reasons() {
            incident.classification_reason = Some(*only);
        }
    }
    if let Some(reason) = update.classification_reason {
        let fitting = incident.classification.map(Classification::reasons).unwrap_or_default();
        if !fitting.contains(&reason) {
            let of = incident.classification.map_or("no classification", Classification::as_str);
            return Err(StateError::invalid(
                "classificationReason",
                format!("{reason} does not go with {of}"),
            ));
        }
        incident.classification_reason = Some(reason);
    }
    if let Some(comment) = &update.classification_comment {
        incident.classification_comment = Some(comment.clone()).filter(|comment| !comment.is_empty());
    }
    let before = incident.status;
    incident.status = update.status.unwrap_or(before);
    match (before, incident.status) {
        (Status::Closed, Status::Closed) => {}
        (_, Status::Closed) => incident.closed_at = Some(now),
        (Status::Closed, _) => reopen(incident),
        _ => {}
    }
    if incident.status == Status::Closed && incident.classification.is_none() {
        return Err(StateError::invalid(
            "classification",
            "say what it was when closing: TruePositive, BenignPositive, FalsePositive or Undetermined",
        ));
    }
    if incident.status != Status::Closed && incident.classification.is_some() {
        return Err(StateError::invalid(
            "classification",
            "only a closed incident has one; set status to Closed with it",
        ));
    }
    Ok(())
}

/// What was said at closing no longer holds.
pub(crate) fn reopen(incident: &mut Incident) {
    incident.closed_at = None;
    incident.classification = None;
    incident.classification_reason = None;
    incident.classification_comment = None;
}

/// What people see change, field by field.
fn differences(before: &Incident, after: &Incident) -> Vec<(&'static str, Option<String>, Option<String>)> {
    let text = |value: &str| Some(value.to_owned());
    let fields = [
        ("status", text(before.status.as_str()), text(after.status.as_str())),
        ("severity", text(before.severity.as_str()), text(after.severity.as_str())),
        ("owner", before.owner.clone(), after.owner.clone()),
        ("title", text(&before.title), text(&after.title)),
        (
            "classification",
            before.classification.map(|value| value.to_string()),
            after.classification.map(|value| value.to_string()),
        ),
        (
            "classificationReason",
            before.classification_reason.map(|value| value.to_string()),
            after.classification_reason.map(|value| value.to_string()),
        ),
        (
            "classificationComment",
            before.classification_comment.clone(),
            after.classification_comment.clone(),
        ),
    ];
    fields.into_iter().filter(|(_, from, to)| from != to).collect()
}

/// Notes what changed between two states of an incident.
pub(crate) async fn note_differences(
    connection: &mut Connection,
    before: &Incident,
    after: &Incident,
    who: &str,
    now: DateTime<Utc>,
) -> Result<bool, StateError> {
    let changed = differences(before, after);
    for (field, from, to) in &changed {
        let entry = Note {
            action: "changed",
            field: Some(field),
            from: from.as_deref(),
            to: to.as_deref(),
        };
        note(connection, &subject(after.number), who, now, entry).await?;
    }
    Ok(!changed.is_empty())
}

/// Name of an incident in the activity log.
pub fn subject(number: i64) -> String {
    format!("incident/{number}")
}

impl State {
    /// An incident.
    ///
    /// # Errors
    /// When there is no such incident.
    pub async fn incident(&self, number: i64) -> Result<Incident, StateError> {
        let mut connection = self.reader.acquire().await?;
        incident_in(&mut connection, number).await
    }

    /// Changes an incident; each field that changes is noted in its activity.
    ///
    /// # Errors
    /// When there is no such incident or owner, or a value does not fit the others.
    pub async fn update_incident(
        &self,
        number: i64,
        update: &IncidentUpdate,
        who: &str,
        now: DateTime<Utc>,
    ) -> Result<Incident, StateError> {
        let mut transaction = self.begin().await?;
        let before = incident_in(&mut transaction, number).await?;
        let mut after = before.clone();
        apply(&mut after, update, now)?;
        if let Some(owner) = after.owner.as_deref().filter(|_| after.owner != before.owner) {
            let known: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM users WHERE name = $1")
                .bind(owner)
                .fetch_one(&mut *transaction)
                .await?;
            if known == 0 {
                return Err(StateError::invalid("owner", format!("there is no user {owner}")));
            }
        }
        if !note_differences(&mut transaction, &before, &after, who, now).await? {
            return Ok(before);
        }
        after.updated_at = now;
        sqlx::query(
            "UPDATE incidents SET status = $1, severity = $2, owner = $3, title = $4, classification = $5, \
             classification_reason = $6, classification_comment = $7, closed_at = $8, updated_at = $9, search = $10 \
             WHERE number = $11",
        )
        .bind(after.status.as_str())
        .bind(after.severity.rank())
        .bind(&after.owner)
        .bind(&after.title)
        .bind(after.classification.map(Classification::as_str))
        .bind(after.classification_reason.map(Reason::as_str))
        .bind(&after.classification_comment)
        .bind(after.closed_at.map(time::text))
        .bind(time::text(now))
        .bind(search_text(&after))
        .bind(number)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(after)
    }
}

/// What the search box looks in.
pub(crate) fn search_text(incident: &Incident) -> String {
    let mut text = format!("#{} {} {}", incident.number, incident.title, incident.cluster);
    let words = incident.entities.iter().map(|entity| entity.name.as_str());
    let words = words.chain(incident.rules.iter().map(String::as_str));
    for word in words.chain(incident.techniques.iter().map(String::as_str)) {
        text.push(' ');
        text.push_str(word);
    }
    text.to_lowercase()
}
