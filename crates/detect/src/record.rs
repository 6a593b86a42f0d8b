//! Recording what rules found: incidents and alerts in the state, rows in the lake, word to who listens.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use metrics::counter;
use serde_json::{Map, Value};
use taffrail_state::StateError;
use taffrail_state::incidents::{Change, Grouping as IncidentGrouping, Severity};

use crate::alert::Alert;
use crate::detector::{DetectError, Detector, delta};
use crate::entity::Entity;
use crate::evaluate::earlier_id;
use crate::rows;
use crate::rule::{Kind, MatchingMethod, Rule};

impl Detector {
    /// Records alerts of rules as incidents and rows, and tells who listens. What several rules found of one batch is recorded at once.
    pub(crate) async fn record(&self, found: Vec<(Arc<Rule>, Vec<Alert>)>, now: DateTime<Utc>) -> Result<(), DetectError> {
        let state = &self.inner.state;
        let mut alerts: Vec<(Arc<Rule>, Alert)> = Vec::new();
        for (rule, raised) in found.into_iter().filter(|(_, alerts)| !alerts.is_empty()) {
            // What rules remember is asked for only of those that may be quiet.
            if rule.suppression().is_some() {
                let remembered = state.rule_state(&rule.id).await?;
                if remembered.suppressed_until.is_some_and(|until| now < until) {
                    counter!("taffrail_alerts_suppressed_total", "rule" => rule.id.clone()).increment(raised.len() as u64);
                    continue;
                }
            }
            counter!("taffrail_alerts_total", "rule" => rule.id.clone()).increment(raised.len() as u64);
            for mut alert in raised {
                if let Some(earlier) = earlier_id(&rule, &alert) {
                    match state.alert(&earlier).await {
                        Ok((known, _)) if alert.first_activity < known.first_activity + delta(rule.period()) => alert.id = earlier,
                        Ok(_) | Err(StateError::NotFound { .. }) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                alerts.push((Arc::clone(&rule), alert));
            }
        }
        if alerts.is_empty() {
            return Ok(());
        }
        let opens = |rule: &Rule, alert: &Alert| alert.severity > Severity::Informational && rule.incidents().create_incident;
        let grouped: Vec<(Alert, IncidentGrouping, bool)> = alerts
            .iter()
            .filter(|(rule, alert)| opens(rule, alert))
            .map(|(rule, alert)| (alert.clone(), grouping(rule, alert), rule.kind == Kind::Nrt))
            .collect();
        let changes = match grouped.is_empty() {
            true => Vec::new(),
            false => state.record_or_extend(&grouped, now).await?,
        };

        let mut alert_rows: Vec<Map<String, Value>> = Vec::with_capacity(alerts.len());
        let mut changed = changes.iter();
        for (rule, alert) in &alerts {
            let incident = if opens(rule, alert) {
                changed.next().map(|change| change.number)
            } else {
                None
            };
            alert_rows.push(rows::alert_row(alert, incident, now));
        }
        let numbers: BTreeSet<i64> = changes.iter().map(|change| change.number).collect();
        let mut incident_rows: Vec<Map<String, Value>> = Vec::new();
        for number in numbers {
            let incident = state.incident(number).await?;
            let ids = state.alert_ids(number).await?;
            incident_rows.push(rows::incident_row(&incident, &ids, now));
        }
        let schema = &self.inner.schema;
        let mut parts = vec![(rows::ALERTS.to_owned(), rows::batch(schema, rows::ALERTS, alert_rows)?)];
        if !incident_rows.is_empty() {
            parts.push((rows::INCIDENTS.to_owned(), rows::batch(schema, rows::INCIDENTS, incident_rows)?));
        }
        let appended = self.inner.lake.append(parts).await?;

        // What was known before does not make a rule silent for longer.
        if appended.stored > 0 {
            let mut quiet: BTreeSet<&str> = BTreeSet::new();
            for (rule, _) in &alerts {
                if let Some(duration) = rule.suppression()
                    && quiet.insert(&rule.id)
                {
                    let mut remembered = state.rule_state(&rule.id).await?;
                    remembered.suppressed_until = Some(now + delta(duration));
                    state.set_rule_state(&rule.id, &remembered).await?;
                }
            }
        }
        for change in changes.into_iter().filter(|change| change.change != Change::Unchanged) {
            // Nobody listening is no error.
            let _ = self.inner.changes.send(change);
        }
        Ok(())
    }
}

/// Which incident an alert belongs to, as the rule configures it.
pub fn grouping(rule: &Rule, alert: &Alert) -> IncidentGrouping {
    let configuration = rule.incidents().grouping_configuration;
    if !configuration.enabled {
        return IncidentGrouping::none();
    }
    let mut keys: Vec<String> = match configuration.matching_method {
        MatchingMethod::AnyAlert => Vec::new(),
        MatchingMethod::AllEntities => alert.entities.iter().map(Entity::key).collect(),
        MatchingMethod::Selected => {
            let wanted = |entity: &&Entity| {
                configuration
                    .group_by_entities
                    .iter()
                    .any(|kind| *kind == entity.kind || (kind == "Account" && crate::entity::is_actor(entity)))
            };
            let mut keys: Vec<String> = alert.entities.iter().filter(wanted).map(Entity::key).collect();
            for detail in &configuration.group_by_alert_details {
                match detail.as_str() {
                    "DisplayName" => keys.push(format!("title:{}", alert.title)),
                    "Severity" => keys.push(format!("severity:{}", alert.severity)),
                    _ => {}
                }
            }
            for detail in &configuration.group_by_custom_details {
                if let Some(value) = alert.custom_details.get(detail) {
                    keys.push(format!("{detail}:{value}"));
                }
            }
            keys
        }
    };
    if configuration.matching_method == MatchingMethod::Selected && keys.is_empty() {
        // Nobody was logged in: the address stands for the one who acted.
        keys = alert
            .entities
            .iter()
            .filter(|entity| entity.kind == "IP")
            .map(Entity::key)
            .collect();
    }
    IncidentGrouping {
        rule: Some(rule.id.clone()),
        keys,
        lookback: Some(delta(configuration.lookback_duration)),
        reopen: configuration.reopen_closed_incident,
    }
}
