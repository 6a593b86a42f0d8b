//! How alerts become incidents: each joins an incident that it belongs to, or opens one.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};

use crate::activity::{Note, SYSTEM, note};
use crate::alerts::{Alert, Entity};
use crate::db::Connection;
use crate::incidents::{COLUMNS, Incident, Severity, Status, incident_in, note_differences, read, reopen, search_text, subject};
use crate::{State, StateError, secret, time};

/// Most alerts in one incident (as Sentinel has it); the next opens another.
pub const MAX_ALERTS: i64 = 150;
/// Most entities kept on an incident itself; its alerts have all.
const MAX_ENTITIES: usize = 200;

/// Most rows of evidence kept with an alert that goes on.
const MAX_EVIDENCE: usize = 1_000;

/// Which alerts belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grouping {
    /// Only alerts of this rule; none: of any
    pub rule: Option<String>,
    /// What they must have in common: entity keys, alert details, custom details. Order does not matter
    pub keys: Vec<String>,
    /// How far apart their activity may be; none: every alert opens an incident of its own
    pub lookback: Option<Duration>,
    /// Whether an alert that belongs to a closed incident opens it again
    pub reopen: bool,
}

impl Grouping {
    /// Every alert an incident of its own.
    pub fn none() -> Grouping {
        Grouping {
            rule: None,
            keys: Vec::new(),
            lookback: None,
            reopen: false,
        }
    }

    fn key(&self) -> String {
        let mut keys = self.keys.clone();
        keys.sort();
        keys.dedup();
        // Lengths keep "a","bc" and "ab","c" apart.
        let mut text = format!("{:?}", self.rule);
        for key in &keys {
            text.push_str(&format!("|{}:{key}", key.len()));
        }
        secret::hash(&text)
    }
}

/// What happened to an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It was opened
    Created,
    /// It was changed
    Updated,
    /// Nothing: the alert was known
    Unchanged,
}

/// An incident that changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct IncidentChange {
    /// Which
    pub number: i64,
    /// How
    pub change: Change,
}

/// An incident that a person opens.
#[derive(Debug, Clone, Copy)]
pub struct NewIncident<'a> {
    /// Title
    pub title: &'a str,
    /// What it is about, in Markdown
    pub description: &'a str,
    /// Severity
    pub severity: Severity,
    /// What was found
    pub findings: &'a [Alert],
}

async fn unknown(connection: &mut Connection, id: &str) -> Result<(), StateError> {
    let known: Option<i64> = sqlx::query_scalar("SELECT incident FROM alerts WHERE id = $1")
        .bind(id)
        .fetch_optional(connection)
        .await?;
    match known {
        Some(number) => Err(StateError::Exists {
            what: "finding",
            name: format!("{id}, in incident {number}"),
        }),
        None => Ok(()),
    }
}

fn add_new<T: PartialEq + Clone>(into: &mut Vec<T>, from: &[T], most: usize) {
    for item in from {
        if into.len() < most && !into.contains(item) {
            into.push(item.clone());
        }
    }
}

fn add_entities(into: &mut Vec<Entity>, from: &[Entity]) {
    for entity in from {
        if into.len() < MAX_ENTITIES && !into.iter().any(|known| known.key() == entity.key()) {
            into.push(entity.clone());
        }
    }
}

fn absorb(incident: &mut Incident, alert: &Alert) {
    incident.severity = incident.severity.max(alert.severity);
    incident.first_activity = incident.first_activity.min(alert.first_activity);
    incident.last_activity = incident.last_activity.max(alert.last_activity);
    incident.alert_count += 1;
    if incident.cluster != alert.cluster {
        incident.cluster.clear();
    }
    add_entities(&mut incident.entities, &alert.entities);
    add_new(&mut incident.tactics, &alert.tactics, usize::MAX);
    add_new(&mut incident.techniques, &alert.techniques, usize::MAX);
    // What a person found comes from no rule.
    if !alert.rule.is_empty() {
        add_new(&mut incident.rules, std::slice::from_ref(&alert.rule), usize::MAX);
    }
}

fn open(number: i64, alert: &Alert, now: DateTime<Utc>) -> Incident {
    let id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, format!("incident/{}", alert.id).as_bytes());
    let mut incident = Incident {
        number,
        id: id.to_string(),
        title: alert.title.clone(),
        description: alert.description.clone(),
        severity: alert.severity,
        status: Status::New,
        owner: None,
        classification: None,
        classification_reason: None,
        classification_comment: None,
        entities: Vec::new(),
        tactics: Vec::new(),
        techniques: Vec::new(),
        alert_count: 0,
        first_activity: alert.first_activity,
        last_activity: alert.last_activity,
        created_at: now,
        updated_at: now,
        closed_at: None,
        cluster: alert.cluster.clone(),
        rules: Vec::new(),
    };
    absorb(&mut incident, alert);
    incident
}

/// The newest incident of the group near the alert in time; closed ones only when they may be reopened.
async fn belongs_to(
    connection: &mut Connection,
    alert: &Alert,
    key: &str,
    lookback: Duration,
    reopen: bool,
) -> Result<Option<Incident>, StateError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM incidents WHERE grouping = $1 AND last_activity >= $2 AND first_activity <= $3 \
         AND alert_count < $4 AND (status <> 'Closed' OR $5) \
         ORDER BY CASE WHEN status = 'Closed' THEN 1 ELSE 0 END, last_activity DESC, number DESC LIMIT 1"
    ));
    let row = sqlx::query(sql)
        .bind(key)
        .bind(time::text(alert.first_activity - lookback))
        .bind(time::text(alert.last_activity + lookback))
        .bind(MAX_ALERTS)
        .bind(reopen)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(read).transpose()
}

fn json<T: Serialize>(value: &T, what: &'static str) -> Result<String, StateError> {
    serde_json::to_string(value).map_err(|error| StateError::Corrupt {
        what,
        reason: error.to_string(),
    })
}

async fn store(connection: &mut Connection, incident: &Incident, grouping: &str, new: bool) -> Result<(), StateError> {
    let sql = if new {
        "INSERT INTO incidents (status, severity, first_activity, last_activity, updated_at, closed_at, alert_count, \
         cluster, classification, classification_reason, classification_comment, search, tactics, techniques, rules, \
         entities, number, id, created_at, title, description, grouping) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)"
    } else {
        "UPDATE incidents SET status = $1, severity = $2, first_activity = $3, last_activity = $4, updated_at = $5, \
         closed_at = $6, alert_count = $7, cluster = $8, classification = $9, classification_reason = $10, \
         classification_comment = $11, search = $12, tactics = $13, techniques = $14, rules = $15, entities = $16 \
         WHERE number = $17"
    };
    let mut query = sqlx::query(sql)
        .bind(incident.status.as_str())
        .bind(incident.severity.rank())
        .bind(time::text(incident.first_activity))
        .bind(time::text(incident.last_activity))
        .bind(time::text(incident.updated_at))
        .bind(incident.closed_at.map(time::text))
        .bind(incident.alert_count)
        .bind(&incident.cluster)
        .bind(incident.classification.map(|value| value.as_str()))
        .bind(incident.classification_reason.map(|value| value.as_str()))
        .bind(&incident.classification_comment)
        .bind(search_text(incident))
        .bind(json(&incident.tactics, "tactics")?)
        .bind(json(&incident.techniques, "techniques")?)
        .bind(json(&incident.rules, "rules")?)
        .bind(json(&incident.entities, "entities")?)
        .bind(incident.number);
    if new {
        query = query
            .bind(&incident.id)
            .bind(time::text(incident.created_at))
            .bind(&incident.title)
            .bind(&incident.description)
            .bind(grouping);
    }
    query.execute(connection).await?;
    Ok(())
}

async fn store_parts(connection: &mut Connection, number: i64, alert: &Alert) -> Result<(), StateError> {
    let tactics = alert.tactics.iter().map(|value| ("tactic", value));
    let techniques = alert.techniques.iter().map(|value| ("technique", value));
    for (kind, value) in tactics.chain(techniques) {
        sqlx::query("INSERT INTO incident_labels (kind, value, incident) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
            .bind(kind)
            .bind(value)
            .bind(number)
            .execute(&mut *connection)
            .await?;
    }
    for entity in &alert.entities {
        sqlx::query("INSERT INTO incident_entities (entity, incident) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(entity.key())
            .bind(number)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Adds rows of another evaluation to a known alert; `None` when it has them all.
fn extended(known: &Alert, by: &Alert) -> Option<Alert> {
    let mut whole = known.clone();
    let mut new: u64 = 0;
    for row in &by.evidence.rows {
        if !known.evidence.rows.contains(row) {
            new += 1;
            if whole.evidence.rows.len() < MAX_EVIDENCE {
                whole.evidence.rows.push(row.clone());
            }
        }
    }
    if new == 0 {
        return None;
    }
    whole.count += new.max(by.count.saturating_sub(by.evidence.rows.len() as u64 - new));
    whole.severity = whole.severity.max(by.severity);
    whole.first_activity = whole.first_activity.min(by.first_activity);
    whole.last_activity = whole.last_activity.max(by.last_activity);
    for entity in &by.entities {
        if !whole.entities.contains(entity) {
            whole.entities.push(entity.clone());
        }
    }
    for (name, value) in &by.custom_details {
        match (whole.custom_details.get_mut(name), value) {
            (Some(serde_json::Value::Array(own)), serde_json::Value::Array(more)) => {
                for item in more {
                    if own.len() < 50 && !own.contains(item) {
                        own.push(item.clone());
                    }
                }
            }
            (Some(_), _) => {}
            (None, _) => {
                whole.custom_details.insert(name.clone(), value.clone());
            }
        }
    }
    Some(whole)
}

/// An alert that is known goes on: new rows join it, and its incident hears of it.
async fn extend(connection: &mut Connection, number: i64, alert: &Alert, now: DateTime<Utc>) -> Result<IncidentChange, StateError> {
    let unchanged = IncidentChange {
        number,
        change: Change::Unchanged,
    };
    let body: String = sqlx::query_scalar("SELECT body FROM alerts WHERE id = $1")
        .bind(&alert.id)
        .fetch_one(&mut *connection)
        .await?;
    let known: Alert = serde_json::from_str(&body).map_err(|error| StateError::Corrupt {
        what: "alert",
        reason: error.to_string(),
    })?;
    let Some(whole) = extended(&known, alert) else {
        return Ok(unchanged);
    };
    sqlx::query("UPDATE alerts SET severity = $1, first_activity = $2, last_activity = $3, body = $4 WHERE id = $5")
        .bind(whole.severity.rank())
        .bind(time::text(whole.first_activity))
        .bind(time::text(whole.last_activity))
        .bind(json(&whole, "alert")?)
        .bind(&whole.id)
        .execute(&mut *connection)
        .await?;
    let before = incident_in(connection, number).await?;
    let grouping: String = sqlx::query_scalar("SELECT grouping FROM incidents WHERE number = $1")
        .bind(number)
        .fetch_one(&mut *connection)
        .await?;
    let mut after = before.clone();
    let alerts = after.alert_count;
    absorb(&mut after, &whole);
    after.alert_count = alerts;
    after.updated_at = now;
    if after.status == Status::Closed {
        // It was not over.
        after.status = Status::Active;
        reopen(&mut after);
    }
    store(connection, &after, &grouping, false).await?;
    note_differences(connection, &before, &after, SYSTEM, now).await?;
    store_parts(connection, number, &whole).await?;
    Ok(IncidentChange {
        number,
        change: Change::Updated,
    })
}

async fn record(
    connection: &mut Connection,
    alert: &Alert,
    grouping: &Grouping,
    extends: bool,
    now: DateTime<Utc>,
) -> Result<IncidentChange, StateError> {
    let known: Option<i64> = sqlx::query_scalar("SELECT incident FROM alerts WHERE id = $1")
        .bind(&alert.id)
        .fetch_optional(&mut *connection)
        .await?;
    if let Some(number) = known
        && extends
    {
        return extend(connection, number, alert, now).await;
    }
    if let Some(number) = known {
        return Ok(IncidentChange {
            number,
            change: Change::Unchanged,
        });
    }
    let key = grouping.key();
    let joined = match grouping.lookback {
        Some(lookback) => belongs_to(connection, alert, &key, lookback, grouping.reopen).await?,
        None => None,
    };
    let (incident, change) = match joined {
        Some(before) => {
            let mut after = before.clone();
            absorb(&mut after, alert);
            after.updated_at = now;
            if after.status == Status::Closed {
                after.status = Status::Active;
                reopen(&mut after);
            }
            store(connection, &after, &key, false).await?;
            note_differences(connection, &before, &after, SYSTEM, now).await?;
            (after, Change::Updated)
        }
        None => {
            let number = next_number(connection).await?;
            let incident = open(number, alert, now);
            store(connection, &incident, &key, true).await?;
            let created = Note {
                action: "created",
                ..Note::default()
            };
            note(connection, &subject(number), SYSTEM, now, created).await?;
            (incident, Change::Created)
        }
    };
    keep_alert(connection, incident.number, alert, SYSTEM, now).await?;
    Ok(IncidentChange {
        number: incident.number,
        change,
    })
}

async fn keep_alert(connection: &mut Connection, number: i64, alert: &Alert, who: &str, now: DateTime<Utc>) -> Result<(), StateError> {
    sqlx::query(
        "INSERT INTO alerts (id, incident, rule, severity, first_activity, last_activity, created_at, body) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(&alert.id)
    .bind(number)
    .bind(&alert.rule)
    .bind(alert.severity.rank())
    .bind(time::text(alert.first_activity))
    .bind(time::text(alert.last_activity))
    .bind(time::text(alert.created_at))
    .bind(json(alert, "alert")?)
    .execute(&mut *connection)
    .await?;
    store_parts(connection, number, alert).await?;
    let added = Note {
        action: "alert added",
        field: Some("alert"),
        to: Some(&alert.title),
        ..Note::default()
    };
    note(connection, &subject(number), who, now, added).await
}

async fn next_number(connection: &mut Connection) -> Result<i64, StateError> {
    let number = sqlx::query_scalar("UPDATE counters SET value = value + 1 WHERE name = 'incident' RETURNING value")
        .fetch_one(connection)
        .await?;
    Ok(number)
}

impl State {
    /// Records an alert: a known one (by id) changes nothing; a new one joins an incident or opens one.
    ///
    /// # Errors
    /// When the database fails; then nothing of it is recorded.
    pub async fn record_alert(&self, alert: &Alert, grouping: &Grouping, now: DateTime<Utc>) -> Result<IncidentChange, StateError> {
        let mut transaction = self.begin().await?;
        let change = record(&mut transaction, alert, grouping, false, now).await?;
        transaction.commit().await?;
        Ok(change)
    }

    /// Records several alerts at once, all or none; one change for each, in order.
    ///
    /// # Errors
    /// When the database fails; then nothing of it is recorded.
    pub async fn record_alerts(&self, alerts: &[(Alert, Grouping)], now: DateTime<Utc>) -> Result<Vec<IncidentChange>, StateError> {
        let mut transaction = self.begin().await?;
        let mut changes = Vec::with_capacity(alerts.len());
        for (alert, grouping) in alerts {
            changes.push(record(&mut transaction, alert, grouping, false, now).await?);
        }
        transaction.commit().await?;
        Ok(changes)
    }

    /// As [`State::record_alerts`], but with a known alert that goes on: of those whose last member is true, rows that are new join it.
    ///
    /// # Errors
    /// When the database fails; then nothing of it is recorded.
    pub async fn record_or_extend(
        &self,
        alerts: &[(Alert, Grouping, bool)],
        now: DateTime<Utc>,
    ) -> Result<Vec<IncidentChange>, StateError> {
        let mut transaction = self.begin().await?;
        let mut changes = Vec::with_capacity(alerts.len());
        for (alert, grouping, extends) in alerts {
            changes.push(record(&mut transaction, alert, grouping, *extends, now).await?);
        }
        transaction.commit().await?;
        Ok(changes)
    }

    /// Opens an incident that a person makes of what they found: at least one finding, each kept as an alert of no rule.
    ///
    /// # Errors
    /// When there is no finding, one is in an incident already, or the database fails.
    pub async fn open_incident(&self, new: &NewIncident<'_>, who: &str, now: DateTime<Utc>) -> Result<Incident, StateError> {
        let title = new.title.trim();
        if title.is_empty() || title.len() > 500 {
            return Err(StateError::invalid("title", "a title has 1 to 500 bytes"));
        }
        let Some((first, others)) = new.findings.split_first() else {
            return Err(StateError::invalid("findings", "an incident needs at least one finding"));
        };
        let mut transaction = self.begin().await?;
        for finding in new.findings {
            unknown(&mut transaction, &finding.id).await?;
        }
        let number = next_number(&mut transaction).await?;
        let mut incident = open(number, first, now);
        for finding in others {
            absorb(&mut incident, finding);
        }
        title.clone_into(&mut incident.title);
        new.description.trim().clone_into(&mut incident.description);
        incident.severity = new.severity;
        store(&mut transaction, &incident, &Grouping::none().key(), true).await?;
        let created = Note {
            action: "created",
            ..Note::default()
        };
        note(&mut transaction, &subject(number), who, now, created).await?;
        for finding in new.findings {
            keep_alert(&mut transaction, number, finding, who, now).await?;
        }
        transaction.commit().await?;
        Ok(incident)
    }

    /// Adds what a person found to an incident.
    ///
    /// # Errors
    /// When there is no such incident, it is full, or the finding is in an incident already.
    pub async fn add_finding(&self, number: i64, finding: &Alert, who: &str, now: DateTime<Utc>) -> Result<Incident, StateError> {
        let mut transaction = self.begin().await?;
        let before = incident_in(&mut transaction, number).await?;
        if before.alert_count >= MAX_ALERTS {
            return Err(StateError::invalid(
                "finding",
                format!("an incident holds at most {MAX_ALERTS} alerts"),
            ));
        }
        unknown(&mut transaction, &finding.id).await?;
        let mut after = before.clone();
        absorb(&mut after, finding);
        // People decide how bad an incident is; a finding does not change it behind their back.
        after.severity = before.severity;
        after.updated_at = now;
        let grouping: String = sqlx::query_scalar("SELECT grouping FROM incidents WHERE number = $1")
            .bind(number)
            .fetch_one(&mut *transaction)
            .await?;
        store(&mut transaction, &after, &grouping, false).await?;
        keep_alert(&mut transaction, number, finding, who, now).await?;
        transaction.commit().await?;
        Ok(after)
    }

    /// Removes an incident with its alerts and comments; its number is not used again.
    ///
    /// # Errors
    /// When there is no such incident.
    pub async fn remove_incident(&self, number: i64, who: &str, now: DateTime<Utc>) -> Result<(), StateError> {
        let mut transaction = self.begin().await?;
        incident_in(&mut transaction, number).await?;
        sqlx::query("DELETE FROM incidents WHERE number = $1")
            .bind(number)
            .execute(&mut *transaction)
            .await?;
        let removed = Note {
            action: "removed",
            ..Note::default()
        };
        note(&mut transaction, &subject(number), who, now, removed).await?;
        transaction.commit().await?;
        Ok(())
    }
}
