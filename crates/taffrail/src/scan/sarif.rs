//! Findings as SARIF 2.1.0 (OASIS), for dashboards that show the results of analysis tools.

use serde_json::{Value, json};
use taffrail_detect::finding::Finding;
use taffrail_detect::{RuleSet, Severity};

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Informational => "note",
    }
}

/// What GitHub's code scanning sorts by: 0 to 10.
fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "3.0",
        Severity::Informational => "1.0",
    }
}

/// A SARIF log with one run.
pub fn report(findings: &[Finding], rules: &RuleSet) -> Value {
    let rules: Vec<Value> = rules
        .iter()
        .map(|loaded| {
            let rule = &loaded.rule;
            json!({
                "id": rule.id,
                "name": rule.name,
                "shortDescription": { "text": rule.name },
                "fullDescription": { "text": rule.description.trim() },
                "help": { "text": rule.response.join("\n") },
                "defaultConfiguration": { "level": level(rule.severity) },
                "properties": { "tags": rule.tactics.iter().chain(&rule.relevant_techniques).collect::<Vec<_>>(), "security-severity": score(rule.severity) },
            })
        })
        .collect();
    let results: Vec<Value> = findings
        .iter()
        .map(|finding| {
            let locations: Vec<Value> = finding
                .entities
                .iter()
                .map(|entity| json!({ "logicalLocations": [{ "name": entity.name, "kind": entity.kind, "fullyQualifiedName": format!("{}/{}", entity.kind, entity.name) }] }))
                .collect();
            json!({
                "ruleId": finding.rule,
                "level": level(finding.severity),
                "message": { "text": format!("{}: {}", finding.title, finding.description.split("\n\n").next().unwrap_or_default()) },
                "locations": locations,
                "occurrenceCount": finding.count.max(1),
                "properties": {
                    "severity": finding.severity,
                    "tactics": finding.tactics,
                    "techniques": finding.techniques,
                    "firstActivity": finding.first_activity,
                    "lastActivity": finding.last_activity,
                    "auditIds": finding.evidence.iter().filter_map(|row| row.get("AuditId")).collect::<Vec<_>>(),
                },
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{ "tool": { "driver": { "name": "Taffrail", "version": env!("CARGO_PKG_VERSION"), "rules": rules } }, "results": results }],
    })
}
