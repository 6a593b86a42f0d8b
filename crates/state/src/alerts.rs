//! Alerts: what a rule found, with the rows that made it say so.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::Row as _;

use crate::db::Row;
use crate::incidents::Severity;
use crate::{State, StateError};

/// Something an alert is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Entity {
    /// `Account`, `IP`, `KubernetesPod`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// What people call it
    pub name: String,
    /// Further identifiers, by name in camel case
    #[serde(flatten)]
    pub fields: BTreeMap<String, String>,
}

impl Entity {
    /// Text that is the same for the same entity: type, name, and where it lives.
    pub fn key(&self) -> String {
        let place = |field: &str| self.fields.get(field).map(String::as_str).unwrap_or_default();
        format!(
            "{}/{}/{}/{}",
            self.kind,
            place("cluster"),
            place("namespace"),
            self.name.to_lowercase()
        )
    }
}

/// A column of evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct EvidenceColumn {
    /// Name
    pub name: String,
    /// KQL type
    #[serde(rename = "type")]
    pub ty: String,
}

/// Rows that made the rule speak.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Evidence {
    /// Columns
    pub columns: Vec<EvidenceColumn>,
    /// Rows, values as query results have them
    pub rows: Vec<Vec<Value>>,
}

/// What a rule found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    /// The same for the same finding, however often it is found
    pub id: String,
    /// Rule id
    pub rule: String,
    /// Rule name
    pub rule_name: String,
    /// Title
    pub title: String,
    /// Why it matters
    pub description: String,
    /// Severity
    pub severity: Severity,
    /// ATT&CK tactics
    pub tactics: Vec<String>,
    /// ATT&CK techniques
    pub techniques: Vec<String>,
    /// What it is about
    pub entities: Vec<Entity>,
    /// Time of the first event
    pub first_activity: DateTime<Utc>,
    /// Time of the last event
    pub last_activity: DateTime<Utc>,
    /// When it was raised
    pub created_at: DateTime<Utc>,
    /// Cluster it happened in; empty when unknown or several
    #[serde(default)]
    pub cluster: String,
    /// Details the rule adds
    #[serde(default)]
    pub custom_details: serde_json::Map<String, Value>,
    /// The events
    pub evidence: Evidence,
    /// Number of events
    pub count: u64,
    /// The query that found it
    pub query: String,
    /// What to do
    #[serde(default)]
    pub remediation: Vec<String>,
}

fn read(row: &Row) -> Result<Alert, StateError> {
    serde_json::from_str(row.try_get("body")?).map_err(|error| StateError::Corrupt {
        what: "alert",
        reason: error.to_string(),
    })
}

impl State {
    /// Alerts of an incident, oldest activity first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn alerts(&self, incident: i64) -> Result<Vec<Alert>, StateError> {
        sqlx::query("SELECT body FROM alerts WHERE incident = $1 ORDER BY last_activity, id")
            .bind(incident)
            .fetch_all(&self.reader)
            .await?
            .iter()
            .map(read)
            .collect()
    }

    /// Ids of an incident's alerts, in the same order.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn alert_ids(&self, incident: i64) -> Result<Vec<String>, StateError> {
        let ids = sqlx::query_scalar("SELECT id FROM alerts WHERE incident = $1 ORDER BY last_activity, id")
            .bind(incident)
            .fetch_all(&self.reader)
            .await?;
        Ok(ids)
    }

    /// An alert and the number of its incident.
    ///
    /// # Errors
    /// When there is no such alert.
    pub async fn alert(&self, id: &str) -> Result<(Alert, i64), StateError> {
        let row = sqlx::query("SELECT body, incident FROM alerts WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.reader)
            .await?
            .ok_or_else(|| StateError::not_found("alert", id))?;
        Ok((read(&row)?, row.try_get("incident")?))
    }
}
