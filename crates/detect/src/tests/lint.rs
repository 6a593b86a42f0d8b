use super::*;
use crate::lint::lint;

const GOOD: &str = "
id: good
name: Good
description: Why it matters.
severity: High
kind: Scheduled
queryFrequency: 5m
queryPeriod: 1h
tactics: [Execution]
relevantTechniques: [T1609, T1098.006]
query: KubernetesAudit | project Username, SourceIp, Level, EventType
entityMappings:
- entityType: Account
  fieldMappings: [{identifier: FullName, columnName: Username}]
customDetails: {Agent: EventType}
alertDetailsOverride:
  alertDisplayNameFormat: '{{Username}} from {{ SourceIp }}'
  alertDescriptionFormat: See {{EventType}}
  alertSeverityColumnName: Level
  alertTacticsColumnName: EventType
incidentConfiguration:
  groupingConfiguration: {enabled: true, matchingMethod: Selected, groupByEntities: [Account], groupByCustomDetails: [Agent]}
";

#[tokio::test]
async fn lint_says_what_is_wrong_where_and_what_to_do() {
    let engine = memory(Vec::new());
    assert_eq!(lint(&engine, &rule(GOOD)), []);
    for (from, to, error, field, says) in [
        ("id: good", "id: a rule", true, "id", "without blanks"),
        ("id: good", "id: a/rule", true, "id", "slashes"),
        ("description: Why it matters.", "", false, "description", "say why it matters"),
        ("[Execution]", "[Initial Access]", false, "tactics", "InitialAccess"),
        ("T1609,", "T16,", false, "relevantTechniques", "T16 is no"),
        ("T1098.006", "T1098.6", false, "relevantTechniques", "T1098.6 is no"),
        ("kind: Scheduled", "kind: NRT", false, "queryFrequency", "not used"),
        (
            "queryPeriod: 1h",
            "",
            true,
            "queryFrequency",
            "needs queryFrequency and queryPeriod",
        ),
        ("queryPeriod: 1h", "queryPeriod: 1m", true, "queryPeriod", "never be seen"),
        (
            "queryFrequency: 5m",
            "queryFrequency: 0m",
            true,
            "queryFrequency",
            "longer than nothing",
        ),
        ("KubernetesAudit |", "KubernetesAudits |", true, "query", "KubernetesAudits"),
        (
            "entityType: Account",
            "entityType: Spaceship",
            true,
            "entityMappings",
            "Spaceship is no entity type; one of Account",
        ),
        (
            "FullName",
            "Nickname",
            true,
            "entityMappings",
            "Account has no identifier Nickname; it has FullName",
        ),
        (
            "columnName: Username",
            "columnName: User",
            true,
            "entityMappings",
            "no column User; it gives Username",
        ),
        ("Agent: EventType", "Agent: Agents", true, "customDetails", "no column Agents"),
        ("{{ SourceIp }}", "{{Address}}", true, "alertDetailsOverride", "no column Address"),
        (
            "See {{EventType}}",
            "See {{Event}}",
            true,
            "alertDetailsOverride",
            "no column Event;",
        ),
        (
            "ColumnName: Level",
            "ColumnName: Severity",
            true,
            "alertDetailsOverride",
            "no column Severity",
        ),
        (
            "alertTacticsColumnName: EventType",
            "alertTacticsColumnName: Aim",
            true,
            "alertDetailsOverride",
            "no column Aim",
        ),
        (
            "groupByEntities: [Account]",
            "groupByEntities: [IP]",
            true,
            "incidentConfiguration",
            "names IP, which entityMappings",
        ),
        (
            "Details: [Agent]",
            "Details: [Client]",
            true,
            "incidentConfiguration",
            "names Client, which customDetails",
        ),
    ] {
        assert!(GOOD.contains(from), "{from}");
        let remarks = lint(&engine, &rule(&GOOD.replace(from, to)));
        // What goes wrong with it follows from it: an unknown entity type is not mapped.
        let first = remarks.first().unwrap_or_else(|| panic!("{to} is remarked on"));
        assert_eq!((first.error, first.field.as_str()), (error, field), "{to}: {remarks:?}");
        assert!(first.message.contains(says), "{to}: {}", first.message);
    }
}
