//! Alerts: what a rule says when it fires, with the rows it rests on.

use chrono::{DateTime, Utc};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::entity::Entity;
use crate::rule::Severity;

/// A column of the evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceColumn {
    /// Name
    pub name: String,
    /// KQL type
    #[serde(rename = "type")]
    pub ty: String,
}

/// The rows an alert rests on, kept with it: they outlive the retention of the table they came from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Columns
    pub columns: Vec<EvidenceColumn>,
    /// Cells as the query API gives them
    pub rows: Vec<Vec<Value>>,
}

impl Evidence {
    /// Position of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// Rows as objects.
    pub fn objects(&self) -> Vec<IndexMap<String, Value>> {
        self.rows.iter().map(|row| self.columns.iter().map(|column| column.name.clone()).zip(row.iter().cloned()).collect()).collect()
    }
}

/// An alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    /// The same for the same rule and rows, however often they are evaluated
    pub id: String,
    /// Id of the rule
    pub rule: String,
    /// Name of the rule
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
    /// Who and what
    pub entities: Vec<Entity>,
    /// Cluster the rows came from, when they say
    pub cluster: String,
    /// Time of the first row
    pub first_activity: DateTime<Utc>,
    /// Time of the last row
    pub last_activity: DateTime<Utc>,
    /// When it was raised
    pub created_at: DateTime<Utc>,
    /// As the rule maps them
    pub custom_details: IndexMap<String, Value>,
    /// Rows
    pub evidence: Evidence,
    /// Number of result rows behind it
    pub count: u64,
    /// The rule's query
    pub query: String,
    /// What to do first
    pub remediation: Vec<String>,
}

/// A stable identifier from parts: 32 hexadecimal digits in the form of a GUID.
pub fn stable_id(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let text = hex::encode(&hash.finalize()[..16]);
    format!("{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])
}
