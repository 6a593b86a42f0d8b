//! Rows that detection writes into the lake: alerts, incidents, its own health. Columns are Microsoft's.

use std::sync::Arc;

use arrow::error::ArrowError;
use arrow::json::ReaderBuilder;
use arrow::record_batch::RecordBatch;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};
use taffrail_kql::Type;
use taffrail_schema::{Schema, TableDef, stored_schema};
use taffrail_state::incidents::Incident;

use crate::alert::Alert;
use crate::rule::{Kind, Rule};

/// Table of alerts.
pub const ALERTS: &str = "SecurityAlert";
/// Table of incidents.
pub const INCIDENTS: &str = "SecurityIncident";
/// Table of the program's own health.
pub const HEALTH: &str = "TaffrailHealth";
/// Who raises these alerts.
const PRODUCT: &str = "Taffrail";

/// Why rows cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    /// The table is not among the tables of this installation
    #[error("there is no table {0}: restore content/tables")]
    NoTable(&'static str),
    /// The rows do not fit the table's columns
    #[error("rows of {table} do not fit its columns: {source}")]
    Columns {
        /// Which table
        table: &'static str,
        /// What Arrow said
        source: ArrowError,
    },
}

/// Text of a time as tables take it.
pub fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// A record batch of a table from objects: members that are no columns are left out, missing texts are empty.
///
/// # Errors
/// When there is no such table, or a value does not fit its column.
pub fn batch(schema: &Schema, table: &'static str, rows: Vec<Map<String, Value>>) -> Result<RecordBatch, RowError> {
    let definition = schema.table(table).ok_or(RowError::NoTable(table))?;
    let rows: Vec<Value> = rows.into_iter().map(|row| Value::Object(fit(definition, row))).collect();
    let columns = |source: ArrowError| RowError::Columns { table, source };
    let schema = stored_schema(definition);
    let mut decoder = ReaderBuilder::new(Arc::clone(&schema))
        .with_batch_size(rows.len().max(1))
        .build_decoder()
        .map_err(columns)?;
    decoder.serialize(&rows).map_err(columns)?;
    Ok(decoder.flush().map_err(columns)?.unwrap_or_else(|| RecordBatch::new_empty(schema)))
}

fn fit(table: &TableDef, mut row: Map<String, Value>) -> Map<String, Value> {
    let mut fitted = Map::new();
    for column in &table.columns {
        let value = row.remove(&column.name).unwrap_or(Value::Null);
        let value = match (column.ty, value) {
            (Type::String, Value::Null) => Value::String(String::new()),
            (Type::String, Value::String(text)) => Value::String(text),
            (Type::String, other) => Value::String(other.to_string()),
            (Type::Dynamic, Value::Null) => Value::Null,
            (Type::Dynamic, other) => Value::String(other.to_string()),
            (_, other) => other,
        };
        fitted.insert(column.name.clone(), value);
    }
    fitted
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// An alert as a row of [`ALERTS`].
pub fn alert_row(alert: &Alert, incident: Option<i64>, now: DateTime<Utc>) -> Map<String, Value> {
    let (techniques, sub): (Vec<&String>, Vec<&String>) = alert.techniques.iter().partition(|technique| !technique.contains('.'));
    object(json!({
        "TimeGenerated": time(now),
        "_TimeReceived": time(now),
        "DisplayName": alert.title,
        "AlertName": alert.rule_name,
        "AlertSeverity": alert.severity.as_str(),
        "AlertType": alert.rule,
        "Description": alert.description,
        "ProviderName": PRODUCT,
        "ProductName": PRODUCT,
        "ProductComponentName": "Analytics rules",
        "VendorName": PRODUCT,
        "VendorOriginalId": alert.id,
        "SystemAlertId": alert.id,
        "Status": "New",
        "CompromisedEntity": alert.entities.first().map(|entity| entity.name.clone()).unwrap_or_default(),
        "StartTime": time(alert.first_activity),
        "EndTime": time(alert.last_activity),
        "ProcessingEndTime": time(now),
        "RemediationSteps": Value::from(alert.remediation.clone()),
        "ExtendedProperties": {
            "Query": alert.query,
            "Custom Details": alert.custom_details,
            "Analytic Rule Ids": [alert.rule],
            "Total Events": alert.count,
            "Cluster": alert.cluster,
            "IncidentNumber": incident,
        },
        "Entities": alert.entities,
        "Tactics": alert.tactics.join(","),
        "Techniques": techniques,
        "SubTechniques": sub,
        "IsIncident": false,
    }))
}

/// An incident as a row of [`INCIDENTS`]: one for each change.
pub fn incident_row(incident: &Incident, alert_ids: &[String], now: DateTime<Utc>) -> Map<String, Value> {
    object(json!({
        "TimeGenerated": time(now),
        "_TimeReceived": time(now),
        "IncidentName": incident.id,
        "IncidentNumber": incident.number,
        "Title": incident.title,
        "Description": incident.description,
        "Severity": incident.severity.as_str(),
        "Status": incident.status.as_str(),
        "Classification": incident.classification.map(|value| value.as_str()).unwrap_or_default(),
        "ClassificationReason": incident.classification_reason.map(|value| value.as_str()).unwrap_or_default(),
        "ClassificationComment": incident.classification_comment,
        "Owner": { "assignedTo": incident.owner, "userPrincipalName": incident.owner },
        "ProviderName": PRODUCT,
        "ProviderIncidentId": incident.number.to_string(),
        "FirstActivityTime": time(incident.first_activity),
        "LastActivityTime": time(incident.last_activity),
        "FirstModifiedTime": time(incident.created_at),
        "LastModifiedTime": time(incident.updated_at),
        "CreatedTime": time(incident.created_at),
        "ClosedTime": incident.closed_at.map(time),
        "RelatedAnalyticRuleIds": incident.rules,
        "AlertIds": alert_ids,
        "BookmarkIds": [],
        "Comments": [],
        "Labels": [],
        "AdditionalData": {
            "alertsCount": incident.alert_count,
            "tactics": incident.tactics,
            "techniques": incident.techniques,
        },
        "ModifiedBy": "Taffrail",
        "SourceSystem": PRODUCT,
    }))
}

/// A statement about a rule's health as a row of [`HEALTH`].
pub fn health_row(rule: &Rule, status: &str, reason: &str, details: Value, now: DateTime<Utc>) -> Map<String, Value> {
    let kind = match rule.kind {
        Kind::Scheduled => "Scheduled",
        Kind::Nrt => "NRT",
    };
    let mut properties = object(details);
    properties.insert("RuleId".to_owned(), Value::from(rule.id.clone()));
    object(json!({
        "TimeGenerated": time(now),
        "_TimeReceived": time(now),
        "Component": "Analytics rule",
        "ResourceName": rule.name,
        "ResourceKind": kind,
        "Operation": "Rule run",
        "Status": status,
        "Reason": reason,
        "Description": format!("{}: {reason}", rule.name),
        "RecordId": uuid::Uuid::new_v4().to_string(),
        "ExtendedProperties": properties,
    }))
}
