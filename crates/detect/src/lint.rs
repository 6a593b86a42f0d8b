//! What is wrong with a rule before it runs.

use taffrail_engine::{Engine, QueryRequest};

use crate::entity;
use crate::rule::{Kind, MatchingMethod, Rule};
use crate::rule_test::message;

/// One remark about a rule.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Remark {
    /// Whether the rule cannot run
    pub error: bool,
    /// Field of the rule
    pub field: String,
    /// What is wrong and what to do
    pub message: String,
}

/// Tactics of ATT&CK for Enterprise, as Sentinel writes them.
const TACTICS: &[&str] = &[
    "Reconnaissance",
    "ResourceDevelopment",
    "InitialAccess",
    "Execution",
    "Persistence",
    "PrivilegeEscalation",
    "DefenseEvasion",
    "CredentialAccess",
    "Discovery",
    "LateralMovement",
    "Collection",
    "Exfiltration",
    "CommandAndControl",
    "Impact",
    "PreAttack",
    "ImpairProcessControl",
    "InhibitResponseFunction",
];

/// Checks a rule: its query against the tables, its mappings against the query's columns, its names against Sentinel's.
pub fn lint(engine: &Engine, rule: &Rule) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let mut remark = |error: bool, field: &str, message: String| {
        remarks.push(Remark {
            error,
            field: field.to_owned(),
            message,
        })
    };

    if rule.id.trim().is_empty() || rule.id.contains(|c: char| c.is_whitespace() || c == '/') {
        remark(true, "id", "the id must be a GUID or a name without blanks and slashes".to_owned());
    }
    if rule.description.trim().is_empty() {
        remark(
            false,
            "description",
            "say why it matters, what to check, known false positives and how to respond".to_owned(),
        );
    }
    for tactic in &rule.tactics {
        if !TACTICS.contains(&tactic.as_str()) {
            remark(
                false,
                "tactics",
                format!("{tactic} is no ATT&CK tactic as Sentinel writes it; one of {}", TACTICS.join(", ")),
            );
        }
    }
    for technique in &rule.relevant_techniques {
        let digits = technique
            .strip_prefix('T')
            .map(|rest| rest.split_once('.').map_or((rest, None), |(id, sub)| (id, Some(sub))));
        let valid = digits.is_some_and(|(id, sub)| {
            id.len() == 4
                && id.bytes().all(|b| b.is_ascii_digit())
                && sub.is_none_or(|sub| sub.len() == 3 && sub.bytes().all(|b| b.is_ascii_digit()))
        });
        if !valid {
            remark(
                false,
                "relevantTechniques",
                format!("{technique} is no ATT&CK technique id such as T1609 or T1098.006"),
            );
        }
    }
    if rule.kind == Kind::Nrt && (rule.query_frequency.is_some() || rule.query_period.is_some()) {
        remark(
            false,
            "queryFrequency",
            "an NRT rule runs on each batch of rows: queryFrequency and queryPeriod are not used".to_owned(),
        );
    }
    if rule.kind == Kind::Scheduled {
        if rule.query_frequency.is_none() || rule.query_period.is_none() {
            remark(
                true,
                "queryFrequency",
                "a Scheduled rule needs queryFrequency and queryPeriod (5m, 1h)".to_owned(),
            );
        } else if rule.frequency().is_zero() {
            remark(
                true,
                "queryFrequency",
                "queryFrequency must be longer than nothing (5m, 1h)".to_owned(),
            );
        } else if rule.frequency() > rule.period() {
            remark(
                true,
                "queryPeriod",
                "queryPeriod is shorter than queryFrequency: rows between two runs would never be seen".to_owned(),
            );
        }
    }

    let columns = match engine.compile(&rule.query, &QueryRequest::default()) {
        Ok(bound) => bound.root.columns,
        Err(error) => {
            remark(true, "query", message(&rule.query, &error));
            return remarks;
        }
    };
    let known = |name: &str| columns.iter().any(|column| column.name == name);
    let missing = |name: &str| {
        format!(
            "the query gives no column {name}; it gives {}",
            columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ")
        )
    };

    for mapping in &rule.entity_mappings {
        let Some(identifiers) = entity::identifiers(&mapping.entity_type) else {
            remark(
                true,
                "entityMappings",
                format!(
                    "{} is no entity type; one of {}",
                    mapping.entity_type,
                    entity::entity_types().collect::<Vec<_>>().join(", ")
                ),
            );
            continue;
        };
        for field in &mapping.field_mappings {
            if !identifiers.contains(&field.identifier.as_str()) {
                remark(
                    true,
                    "entityMappings",
                    format!(
                        "{} has no identifier {}; it has {}",
                        mapping.entity_type,
                        field.identifier,
                        identifiers.join(", ")
                    ),
                );
            }
            if !known(&field.column_name) {
                remark(true, "entityMappings", missing(&field.column_name));
            }
        }
    }
    for column in rule.custom_details.values() {
        if !known(column) {
            remark(true, "customDetails", missing(column));
        }
    }
    if let Some(details) = &rule.alert_details_override {
        for format in [&details.alert_display_name_format, &details.alert_description_format]
            .into_iter()
            .flatten()
        {
            for name in placeholders(format) {
                if !known(&name) {
                    remark(true, "alertDetailsOverride", missing(&name));
                }
            }
        }
        for column in [&details.alert_severity_column_name, &details.alert_tactics_column_name]
            .into_iter()
            .flatten()
        {
            if !known(column) {
                remark(true, "alertDetailsOverride", missing(column));
            }
        }
    }
    let grouping = rule.incidents().grouping_configuration;
    if grouping.matching_method == MatchingMethod::Selected {
        for kind in &grouping.group_by_entities {
            if !rule.entity_mappings.iter().any(|mapping| mapping.entity_type == *kind) {
                remark(
                    true,
                    "incidentConfiguration",
                    format!("groupByEntities names {kind}, which entityMappings does not map"),
                );
            }
        }
        for detail in &grouping.group_by_custom_details {
            if !rule.custom_details.contains_key(detail) {
                remark(
                    true,
                    "incidentConfiguration",
                    format!("groupByCustomDetails names {detail}, which customDetails does not have"),
                );
            }
        }
    }
    remarks
}

fn placeholders(format: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = format;
    while let Some((_, after)) = rest.split_once("{{") {
        let Some((name, behind)) = after.split_once("}}") else { break };
        names.push(name.trim().to_owned());
        rest = behind;
    }
    names
}
