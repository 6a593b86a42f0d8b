use serde_yaml_ng::Value as Yaml;

use super::*;
use crate::rule::{MatchingMethod, TriggerOperator};

/// Every field of Sentinel's format.
const FULL: &str = "
id: 2790795b-7dba-483e-853f-44aa0bc9c985
name: Failed logins
description: |
  Why it matters.
severity: Low
status: Available
requiredDataConnectors:
- connectorId: AzureActiveDirectory
  dataTypes: [SigninLogs]
queryFrequency: 1d
queryPeriod: 14d
triggerOperator: gt
triggerThreshold: 3
tactics: [InitialAccess]
relevantTechniques: [T1078.004]
query: |
  SigninLogs
  | take 10
entityMappings:
- entityType: Account
  fieldMappings:
  - {identifier: Name, columnName: Name}
  - {identifier: UPNSuffix, columnName: Suffix}
sentinelEntitiesMappings:
- columnName: Entities
customDetails: {Zebra: Z, Apple: A}
alertDetailsOverride:
  alertDisplayNameFormat: '{{Name}} failed'
  alertDescriptionFormat: Of {{Suffix}}
  alertSeverityColumnName: Severity
  alertTacticsColumnName: Tactics
  alertDynamicProperties:
  - {alertProperty: AlertLink, value: Link}
eventGroupingSettings: {aggregationKind: AlertPerResult}
suppressionDuration: 5h
suppressionEnabled: true
incidentConfiguration:
  createIncident: true
  groupingConfiguration:
    enabled: true
    reopenClosedIncident: true
    lookbackDuration: 90m
    matchingMethod: Selected
    groupByEntities: [Account]
    groupByAlertDetails: [DisplayName, Severity]
    groupByCustomDetails: [Zebra]
version: 1.0.3
kind: Scheduled
tags: [Solorigate, {Schema: ASIMAuthentication}]
metadata:
  source: {kind: Community}
  support: {tier: Community}
";

#[test]
fn every_field_survives_reading_and_writing() {
    let rule = rule(FULL);
    let written: Yaml = serde_yaml_ng::from_str(&serde_yaml_ng::to_string(&rule).unwrap()).unwrap();
    assert_eq!(written, serde_yaml_ng::from_str::<Yaml>(FULL).unwrap());
    assert_eq!(rule.trigger_operator, Some(TriggerOperator::GreaterThan));
    assert_eq!(rule.suppression(), Some(Duration::from_secs(5 * 3600)));
    assert_eq!(rule.incidents().grouping_configuration.matching_method, MatchingMethod::Selected);
    assert_eq!(rule.custom_details.keys().collect::<Vec<_>>(), ["Zebra", "Apple"], "as written");
}

#[test]
fn long_forms_and_empty_fields_are_read() {
    let rule = rule(
        "id: a\nname: b\nseverity: High\nkind: Scheduled\nquery: T\nqueryFrequency: PT1H\nqueryPeriod: P1D\ntriggerOperator: GreaterThan\ntactics:\nrelevantTechniques:\nentityMappings:\ncustomDetails:\nrequiredDataConnectors: []\nqueryPeriodNote:\n",
    );
    assert_eq!(
        (rule.frequency(), rule.period()),
        (Duration::from_secs(3600), Duration::from_secs(86_400))
    );
    assert_eq!(rule.trigger_operator, Some(TriggerOperator::GreaterThan));
    assert!(rule.tactics.is_empty() && rule.entity_mappings.is_empty() && rule.custom_details.is_empty());
}

#[test]
fn what_is_no_rule_is_refused_with_the_place() {
    for (from, to, says) in [
        ("severity: Low", "severity: Dire", "Dire"),
        ("kind: Scheduled", "kind: Sometimes", "Sometimes"),
        ("queryFrequency: 1d", "queryFrequency: daily", "daily is no duration"),
        ("triggerOperator: gt", "triggerOperator: above", "above"),
        ("query: |", "question: |", "query"),
    ] {
        let error = parse_rule("rules/failed.yaml", &FULL.replace(from, to)).unwrap_err().to_string();
        assert!(error.starts_with("rules/failed.yaml: ") && error.contains(says), "{error}");
    }
}
