//! One rule over one set of tables: query → rows → alerts.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use indexmap::IndexMap;
use serde_json::Value;
use taffrail_engine::{Engine, QueryError, QueryRequest, QueryResult};

use crate::alert::{Alert, Evidence, EvidenceColumn, column, stable_id};
use crate::entity::{self, Entity};
use crate::rule::{AggregationKind, Kind, Rule, Severity};

/// Column in which a rule that aggregates gives the `AuditId`s of the events it rests on.
pub const AUDIT_IDS: &str = "AuditIds";
/// Rows of evidence kept with one alert. The count goes on.
pub const MAX_EVIDENCE_ROWS: usize = 1_000;
/// Seconds within which a rule on the stream that says the same says it in one alert.
const BUCKET: i64 = 300;
/// Columns of the events behind an aggregated row.
const EVENT_COLUMNS: &str = "TimeGenerated, AuditId, Stage, Cluster, Username, ImpersonatedUsername, SourceIp, UserAgent, Verb, Namespace, Resource, Subresource, Name, Command, ResponseCode, RequestUri";

/// The rows a rule is evaluated over.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// What `now()` is
    pub now: DateTime<Utc>,
    /// Limits of `TimeGenerated`, when they matter
    pub timespan: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

/// Runs the rule's query and makes alerts of its rows.
///
/// # Errors
/// What the query ends with.
pub async fn evaluate(engine: &Engine, rule: &Rule, window: Window) -> Result<Vec<Alert>, QueryError> {
    let request = QueryRequest {
        now: Some(window.now),
        timespan: window.timespan,
        ..QueryRequest::default()
    };
    let result = engine.query(&rule.query, &request).await?;
    evaluate_with(engine, rule, &result, window).await
}

/// Makes alerts of the answer of the rule's query; `engine` sees the rows it was asked of.
///
/// # Errors
/// What looking for the events behind aggregated rows ends with.
pub async fn evaluate_with(engine: &Engine, rule: &Rule, result: &QueryResult, window: Window) -> Result<Vec<Alert>, QueryError> {
    let request = QueryRequest {
        now: Some(window.now),
        timespan: window.timespan,
        ..QueryRequest::default()
    };
    let row_count = result.batches.iter().map(|batch| batch.num_rows() as u64).sum();
    if row_count == 0 && rule.triggers(0) {
        return Ok(vec![absence_alert(rule, window)]);
    }
    if row_count == 0 || !rule.triggers(row_count) {
        return Ok(Vec::new());
    }
    let mut alerts = alerts_of(rule, result, window);
    for alert in &mut alerts {
        if column(&alert.evidence, AUDIT_IDS).is_some() {
            events_behind(engine, alert, &request).await?;
        }
    }
    Ok(alerts)
}

/// A result row with names.
struct Row<'a> {
    columns: &'a [EvidenceColumn],
    cells: &'a [Value],
}

impl Row<'_> {
    fn value(&self, column: &str) -> Option<&Value> {
        self.columns
            .iter()
            .position(|known| known.name == column)
            .and_then(|index| self.cells.get(index))
    }

    fn text(&self, column: &str) -> String {
        self.value(column).map(cell_text).unwrap_or_default()
    }

    fn time(&self, column: &str) -> Option<DateTime<Utc>> {
        let text = self.value(column)?.as_str()?;
        DateTime::parse_from_rfc3339(text).ok().map(|time| time.with_timezone(&Utc))
    }
}

/// A cell as people read it: strings without quotes, null as nothing.
pub fn cell_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What of an alert comes from one row.
#[derive(Clone, PartialEq)]
struct Draft {
    title: String,
    description: String,
    severity: Severity,
    tactics: Vec<String>,
    entities: Vec<Entity>,
    cluster: String,
}

impl Draft {
    /// Takes in another row's part: the worse of the two gives title and severity.
    fn absorb(&mut self, other: Draft) {
        if other.severity > self.severity {
            self.severity = other.severity;
            self.title = other.title;
            self.description = other.description;
        }
        for entity in other.entities {
            if !self.entities.contains(&entity) {
                self.entities.push(entity);
            }
        }
        for tactic in other.tactics {
            if !self.tactics.contains(&tactic) {
                self.tactics.push(tactic);
            }
        }
        if self.cluster != other.cluster {
            self.cluster.clear();
        }
    }
}

fn alerts_of(rule: &Rule, result: &QueryResult, window: Window) -> Vec<Alert> {
    let columns: Vec<EvidenceColumn> = result
        .columns
        .iter()
        .map(|column| EvidenceColumn {
            name: column.name.clone(),
            ty: column.ty.name().to_owned(),
        })
        .collect();
    let mut groups: IndexMap<String, (Draft, Vec<Vec<Value>>)> = IndexMap::new();
    for cells in result.rows() {
        let row = Row {
            columns: &columns,
            cells: &cells,
        };
        let draft = draft(rule, &row);
        let bucket = if rule.kind == Kind::Nrt { bucket_of(&row) } else { 0 };
        let key = match rule.aggregation() {
            AggregationKind::SingleAlert => bucket.to_string(),
            AggregationKind::AlertPerResult => {
                let entities: Vec<String> = draft.entities.iter().map(Entity::key).collect();
                format!("{bucket}\n{}\n{}\n{}", draft.severity, draft.title, entities.join("\n"))
            }
        };
        match groups.get_mut(&key) {
            Some((known, rows)) => {
                known.absorb(draft);
                rows.push(cells);
            }
            None => {
                groups.insert(key, (draft, vec![cells]));
            }
        }
    }
    // Rows that differ in what does not tell alerts apart (a count in the title) are one alert: nothing of them is lost.
    let mut by_id: IndexMap<String, (Draft, Vec<Vec<Value>>)> = IndexMap::new();
    for (draft, rows) in groups.into_values() {
        let id = alert_id(rule, &draft, &columns, &rows, window);
        match by_id.get_mut(&id) {
            Some((known, all)) => {
                known.absorb(draft);
                all.extend(rows);
            }
            None => {
                by_id.insert(id, (draft, rows));
            }
        }
    }
    by_id
        .into_iter()
        .map(|(id, (draft, rows))| alert(rule, id, draft, columns.clone(), rows, window))
        .collect()
}

fn draft(rule: &Rule, row: &Row<'_>) -> Draft {
    let details = rule.alert_details_override.clone().unwrap_or_default();
    let title = details
        .alert_display_name_format
        .as_deref()
        .map_or_else(|| rule.name.clone(), |format| fill(format, row));
    let description = details
        .alert_description_format
        .as_deref()
        .map_or_else(|| rule.description.trim().to_owned(), |format| fill(format, row));
    let severity = details
        .alert_severity_column_name
        .as_deref()
        .and_then(|column| row.text(column).parse().ok())
        .unwrap_or(rule.severity);
    let tactics = details
        .alert_tactics_column_name
        .as_deref()
        .map(|column| list_of(row.value(column)))
        .filter(|tactics| !tactics.is_empty());
    Draft {
        title,
        description,
        severity,
        tactics: tactics.unwrap_or_else(|| rule.tactics.clone()),
        entities: entities_of(rule, row),
        cluster: row.text("Cluster"),
    }
}

/// Fills `{{Column}}` with the row's cells; a column that is not there stays as written.
fn fill(format: &str, row: &Row<'_>) -> String {
    let mut out = String::with_capacity(format.len());
    let mut rest = format;
    while let Some(start) = rest.find("{{") {
        let Some(length) = rest[start + 2..].find("}}") else { break };
        let name = rest[start + 2..start + 2 + length].trim();
        out.push_str(&rest[..start]);
        match row.value(name) {
            Some(value) => out.push_str(&cell_text(value)),
            None => out.push_str(&rest[start..start + length + 4]),
        }
        rest = &rest[start + length + 4..];
    }
    out.push_str(rest);
    out.trim().to_owned()
}

fn list_of(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Array(items)) => items.iter().map(cell_text).filter(|text| !text.is_empty()).collect(),
        Some(Value::String(text)) => text
            .split(',')
            .map(|part| part.trim().to_owned())
            .filter(|part| !part.is_empty())
            .collect(),
        _ => Vec::new(),
    }
}

/// Entities of a row. A mapped column that holds an array gives one entity an element.
fn entities_of(rule: &Rule, row: &Row<'_>) -> Vec<Entity> {
    let mut entities: Vec<Entity> = Vec::new();
    for mapping in &rule.entity_mappings {
        let first = mapping.field_mappings.first().and_then(|field| row.value(&field.column_name));
        let many = match first {
            Some(Value::Array(items)) => items.len(),
            _ => 1,
        };
        for index in 0..many {
            let values: Vec<(&str, String)> = mapping
                .field_mappings
                .iter()
                .map(|field| {
                    let value = match row.value(&field.column_name) {
                        Some(Value::Array(items)) => items.get(index).map(cell_text).unwrap_or_default(),
                        Some(value) => cell_text(value),
                        None => String::new(),
                    };
                    (field.identifier.as_str(), value)
                })
                .collect();
            if let Some(entity) = entity::make(&mapping.entity_type, &values)
                && !entities.contains(&entity)
            {
                entities.push(entity);
            }
        }
    }
    entities
}

/// Times of the first and the last event; the window's where rows have none.
fn activity(columns: &[EvidenceColumn], rows: &[Vec<Value>], window: Window) -> (DateTime<Utc>, DateTime<Utc>) {
    let mut first: Option<DateTime<Utc>> = None;
    let mut last: Option<DateTime<Utc>> = None;
    for cells in rows {
        let row = Row { columns, cells };
        let start = row
            .time("FirstActivity")
            .or_else(|| row.time("StartTime"))
            .or_else(|| row.time("TimeGenerated"));
        let end = row
            .time("LastActivity")
            .or_else(|| row.time("EndTime"))
            .or_else(|| row.time("TimeGenerated"))
            .or(start);
        first = [first, start].into_iter().flatten().min();
        last = [last, end].into_iter().flatten().max();
    }
    (
        first.or(window.timespan.map(|(start, _)| start)).unwrap_or(window.now),
        last.or(window.timespan.map(|(_, end)| end)).unwrap_or(window.now),
    )
}

fn alert(rule: &Rule, id: String, draft: Draft, columns: Vec<EvidenceColumn>, rows: Vec<Vec<Value>>, window: Window) -> Alert {
    let (first_activity, last_activity) = activity(&columns, &rows, window);
    let custom_details = rule
        .custom_details
        .iter()
        .filter_map(|(name, column)| {
            let mut values: Vec<Value> = Vec::new();
            for cells in &rows {
                let value = Row { columns: &columns, cells }.value(column)?.clone();
                if !values.contains(&value) && values.len() < 50 {
                    values.push(value);
                }
            }
            Some((name.clone(), Value::Array(values)))
        })
        .collect();
    let count = rows.len() as u64;
    let mut rows = rows;
    rows.truncate(MAX_EVIDENCE_ROWS);
    Alert {
        id,
        rule: rule.id.clone(),
        rule_name: rule.name.clone(),
        title: draft.title,
        description: draft.description,
        severity: draft.severity,
        tactics: draft.tactics,
        techniques: rule.relevant_techniques.clone(),
        entities: draft.entities,
        cluster: draft.cluster,
        first_activity,
        last_activity,
        created_at: window.now,
        custom_details,
        evidence: Evidence { columns, rows },
        count,
        query: rule.query.clone(),
        remediation: rule.response.clone(),
    }
}

/// The same rows give the same alert, in whatever order they come.
///
/// A scheduled rule sees a burst in several overlapping windows: there the alert is told by who acted and by the period its first
/// activity falls into. Where windows do not overlap every row is seen once, and the window tells it.
fn alert_id(rule: &Rule, draft: &Draft, columns: &[EvidenceColumn], rows: &[Vec<Value>], window: Window) -> String {
    if rule.kind == Kind::Scheduled {
        let overlapping = window.timespan.is_some() || rule.frequency() < rule.period();
        let when = match overlapping {
            true => period_of(rule, activity(columns, rows, window).0).to_string(),
            false => format!("window {}", window.now.timestamp_micros()),
        };
        return scheduled_id(rule, &draft.entities, when);
    }
    // However the rows came in batches, those that say the same within minutes are one alert.
    let when = rows.first().map_or(window.now.timestamp().div_euclid(BUCKET), |cells| {
        bucket_of(&Row { columns, cells })
    });
    let mut parts: Vec<String> = vec![rule.id.clone(), when.to_string()];
    // With all rows in one alert the title is that of whichever came first.
    if rule.aggregation() == AggregationKind::AlertPerResult {
        parts.push(draft.severity.to_string());
        parts.push(draft.title.clone());
        let mut keys: Vec<String> = draft.entities.iter().map(Entity::key).collect();
        keys.sort();
        parts.extend(keys);
    }
    stable_id(&parts.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Which stretch of time a row falls into.
fn bucket_of(row: &Row<'_>) -> i64 {
    ["FirstActivity", "StartTime", "TimeGenerated"]
        .iter()
        .find_map(|name| row.time(name))
        .map_or(0, |time| time.timestamp().div_euclid(BUCKET))
}

fn scheduled_id(rule: &Rule, entities: &[Entity], when: String) -> String {
    let mut keys: Vec<String> = entities
        .iter()
        .filter(|entity| entity::is_actor(entity) || entity.kind == "IP")
        .map(Entity::key)
        .collect();
    if keys.is_empty() {
        keys = entities.iter().map(Entity::key).collect();
    }
    keys.sort();
    let mut parts: Vec<&str> = vec![&rule.id];
    parts.extend(keys.iter().map(String::as_str));
    parts.push(&when);
    stable_id(&parts)
}

/// Number of the period of a scheduled rule that a time falls into.
fn period_of(rule: &Rule, time: DateTime<Utc>) -> i64 {
    let period = i64::try_from(rule.period().as_secs()).unwrap_or(i64::MAX).max(1);
    time.timestamp().div_euclid(period)
}

/// The id of an alert of the period before, of which this one may be the rest: windows move on, and what they see of a burst then
/// begins in the next period. `None` when windows do not overlap.
pub fn earlier_id(rule: &Rule, alert: &Alert) -> Option<String> {
    if rule.kind != Kind::Scheduled || rule.frequency() >= rule.period() {
        return None;
    }
    let before = period_of(rule, alert.first_activity) - 1;
    Some(scheduled_id(rule, &alert.entities, before.to_string()))
}

/// The alert of a rule that fires when there are no rows (`lt`, `eq 0`).
fn absence_alert(rule: &Rule, window: Window) -> Alert {
    let draft = Draft {
        title: rule.name.clone(),
        description: rule.description.trim().to_owned(),
        severity: rule.severity,
        tactics: rule.tactics.clone(),
        entities: Vec::new(),
        cluster: String::new(),
    };
    let id = alert_id(rule, &draft, &[], &[], window);
    alert(rule, id, draft, Vec::new(), Vec::new(), window)
}

/// Replaces the aggregated rows of an alert by the events they name in [`AUDIT_IDS`].
async fn events_behind(engine: &Engine, alert: &mut Alert, request: &QueryRequest) -> Result<(), QueryError> {
    let Some(column) = column(&alert.evidence, AUDIT_IDS) else {
        return Ok(());
    };
    let mut ids: HashSet<String> = HashSet::new();
    for row in &alert.evidence.rows {
        if let Some(Value::Array(items)) = row.get(column) {
            ids.extend(items.iter().map(cell_text));
        }
    }
    if ids.is_empty() {
        return Ok(());
    }
    let mut ids: Vec<String> = ids.into_iter().collect();
    let named = ids.len() as u64;
    ids.sort();
    ids.truncate(MAX_EVIDENCE_ROWS);
    let list = Value::Array(ids.into_iter().map(Value::String).collect());
    let query = format!(
        "KubernetesAudit | where AuditId in (dynamic({list})) | project {EVENT_COLUMNS} | sort by TimeGenerated asc | take {MAX_EVIDENCE_ROWS}"
    );
    let events = engine.query(&query, request).await?;
    let rows: Vec<Vec<Value>> = events.rows().collect();
    if rows.is_empty() {
        return Ok(());
    }
    alert.count = named.max(rows.len() as u64);
    alert.evidence = Evidence {
        columns: events
            .columns
            .iter()
            .map(|column| EvidenceColumn {
                name: column.name.clone(),
                ty: column.ty.name().to_owned(),
            })
            .collect(),
        rows,
    };
    Ok(())
}
