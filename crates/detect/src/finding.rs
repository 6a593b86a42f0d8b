//! Findings: the alerts of a scan, grouped by rule and by who acted, worst first.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use indexmap::IndexMap;
use serde::Serialize;
use serde_json::Value;

use crate::alert::{Alert, objects};
use crate::entity::{Entity, is_actor};
use crate::rule::Severity;

/// Entities listed in one finding. Those who acted come first and are always among them.
const MAX_ENTITIES: usize = 200;

/// What one rule found of one actor.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Id of the rule
    pub rule: String,
    /// Title
    pub title: String,
    /// Severity
    pub severity: Severity,
    /// ATT&CK tactics
    pub tactics: Vec<String>,
    /// ATT&CK techniques
    pub techniques: Vec<String>,
    /// Detections of the coverage target that the rule provides
    pub detections: Vec<String>,
    /// Who and what, actors first
    pub entities: Vec<Entity>,
    /// Of the first event
    pub first_activity: DateTime<Utc>,
    /// Of the last event
    pub last_activity: DateTime<Utc>,
    /// Number of rows
    pub count: u64,
    /// Why it matters
    pub description: String,
    /// What to do first
    pub remediation: Vec<String>,
    /// Rows, each once
    pub evidence: Vec<IndexMap<String, Value>>,
}

/// Groups alerts: by rule, severity, cluster and who acted (or, where nobody was logged in, from which address).
///
/// `detections` says which detections of the coverage target a rule provides, by the rule's id.
pub fn group(alerts: Vec<Alert>, detections: impl Fn(&str) -> Vec<String>) -> Vec<Finding> {
    let mut groups: IndexMap<String, Vec<Alert>> = IndexMap::new();
    for alert in alerts {
        // A service account beside an account is what the request was about, not who made it.
        let mut who: Vec<String> = Vec::new();
        for kinds in [&["Account"][..], &["KubernetesServiceAccount"], &["IP"]] {
            if who.is_empty() {
                let acting = alert.entities.iter().filter(|entity| kinds.contains(&entity.kind.as_str()));
                who = acting.map(Entity::key).collect();
            }
        }
        who.sort();
        let key = format!("{}\n{}\n{}\n{}", alert.rule, alert.severity, alert.cluster, who.join("\n"));
        groups.entry(key).or_default().push(alert);
    }
    let mut findings: Vec<Finding> = groups.into_values().filter_map(|alerts| merge(alerts, &detections)).collect();
    findings.sort_by(|a, b| {
        b.severity
            .cmp(&a.severity)
            .then(a.first_activity.cmp(&b.first_activity))
            .then(a.rule.cmp(&b.rule))
    });
    findings
}

fn merge(alerts: Vec<Alert>, detections: impl Fn(&str) -> Vec<String>) -> Option<Finding> {
    let titles: BTreeSet<&str> = alerts.iter().map(|alert| alert.title.as_str()).collect();
    let first = alerts.first()?;
    let title = if titles.len() == 1 {
        first.title.clone()
    } else {
        format!("{} ({} times)", first.rule_name, titles.len())
    };
    let mut entities: Vec<Entity> = Vec::new();
    let mut evidence: Vec<IndexMap<String, Value>> = Vec::new();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for alert in &alerts {
        for entity in &alert.entities {
            if !entities.contains(entity) {
                entities.push(entity.clone());
            }
        }
        for object in objects(&alert.evidence) {
            let key = match (object.get("AuditId"), object.get("Stage")) {
                (Some(id), Some(stage)) => format!("{id} {stage}"),
                (Some(id), None) => id.to_string(),
                _ => serde_json::to_string(&object).unwrap_or_default(),
            };
            if seen.insert(key) {
                evidence.push(object);
            }
        }
    }
    entities.sort_by_key(|entity| !is_actor(entity));
    entities.truncate(MAX_ENTITIES);
    Some(Finding {
        rule: first.rule.clone(),
        title,
        severity: first.severity,
        tactics: first.tactics.clone(),
        techniques: first.techniques.clone(),
        detections: detections(&first.rule),
        first_activity: alerts.iter().map(|alert| alert.first_activity).min()?,
        last_activity: alerts.iter().map(|alert| alert.last_activity).max()?,
        count: evidence.len() as u64,
        description: first.description.clone(),
        remediation: first.remediation.clone(),
        entities,
        evidence,
    })
}
