//! Rules of others.

use super::*;
use crate::lint::lint;
use crate::ruleset::parse_rule;
use crate::sigma::convert;

const RULES: &str = r#"
title: Shell in a pod
name: pod_shell
id: 9d2f1f0c-5f0e-4a65-9f5e-0d3f2a0d7f10
description: Somebody opened a shell.
tags: [attack.execution, attack.t1609]
logsource: {product: kubernetes, service: audit}
detection:
  selection:
    verb: [create, get]
    objectRef.resource: pods
    objectRef.subresource: exec
    requestURI|contains|all: ['command=', 'sh']
  filter_system:
    user.username|startswith: 'system:'
  filter_debug:
    userAgent: 'kubectl/*debug*'
  condition: selection and not 1 of filter_*
level: high
falsepositives: [People on call]
---
title: Shells in many pods
correlation:
  type: value_count
  rules: [pod_shell]
  group-by: [user.username]
  timespan: 10m
  condition: {gte: 3, field: objectRef.name}
level: medium
---
title: Counted
logsource: {product: kubernetes}
detection: {a: {verb: get}, condition: a | count() > 5}
"#;

#[tokio::test]
async fn sigma_rules_become_queries_that_run() {
    let engine = memory(Vec::new());
    let converted = convert(RULES).unwrap();
    let [(_, shell), (_, many), (_, counted)] = &converted[..] else {
        panic!("three rules")
    };
    let shell = &shell.as_ref().unwrap().rule;
    assert_eq!(
        shell.query,
        "KubernetesAudit\n| where ((Verb in~ (\"create\", \"get\") and Resource =~ \"pods\" and Subresource =~ \"exec\" and \
         (RequestUri contains \"command=\" and RequestUri contains \"sh\")) and not(Username startswith \"system:\" or \
         UserAgent matches regex @\"(?i)^kubectl/.*debug\"))\n"
    );
    assert_eq!(
        (shell.severity, shell.relevant_techniques.join(" "), shell.tactics.join(" ")),
        (crate::Severity::High, "T1609".to_owned(), "Execution".to_owned())
    );
    let many = &many.as_ref().unwrap().rule;
    for rule in [shell, many] {
        let wrong: Vec<_> = lint(&engine, rule).into_iter().filter(|remark| remark.error).collect();
        assert!(wrong.is_empty(), "{}: {wrong:?}", rule.query);
    }
    assert!(
        many.query.contains("dcount(Name)") && many.query.ends_with("| where Values >= 3\n"),
        "{}",
        many.query
    );
    let error = counted.as_ref().unwrap_err().to_string();
    assert!(error.contains("correlation"), "{error}");
}

#[test]
fn published_fields_survive_reading_and_writing() {
    let text = "
id: 0b9ae89d-8cad-461c-808f-0494f70ad5c4
name: Something
description: Why
severity: Low
status: Available
requiredDataConnectors:
- connectorId: AzureActiveDirectory
  dataTypes: [SigninLogs]
queryFrequency: 1d
queryPeriod: 7d
triggerOperator: gt
triggerThreshold: 0
tactics: [InitialAccess]
relevantTechniques: [T1078]
query: SigninLogs | take 1
entityMappings:
- entityType: IP
  fieldMappings: [{identifier: Address, columnName: IPAddress}]
sentinelEntitiesMappings: [{columnName: Entities}]
customDetails: {Count: Count}
alertDetailsOverride:
  alertDisplayNameFormat: 'x {{Count}}'
  alertDynamicProperties: [{alertProperty: AlertLink, value: Link}]
eventGroupingSettings: {aggregationKind: SingleAlert}
suppressionDuration: 5h
suppressionEnabled: false
incidentConfiguration:
  createIncident: true
  groupingConfiguration: {enabled: true, reopenClosedIncident: false, lookbackDuration: 5h, matchingMethod: Selected, groupByEntities: [IP], groupByAlertDetails: [DisplayName], groupByCustomDetails: [Count]}
version: 1.0.3
kind: Scheduled
tags: [{SchemaVersion: '0.1.3'}, Solorigate]
metadata: {source: {kind: Community}, author: {name: Somebody}}
";
    let first = parse_rule("rule.yaml", text).unwrap();
    let written = serde_yaml_ng::to_string(&first).unwrap();
    let second = parse_rule("rule.yaml", &written).unwrap();
    assert_eq!(first, second);
    let values = |text: &str| serde_yaml_ng::from_str::<serde_yaml_ng::Mapping>(text).unwrap();
    let (read, wrote) = (values(text), values(&written));
    for (key, value) in &read {
        assert_eq!(wrote.get(key), Some(value), "{key:?}");
    }
}
