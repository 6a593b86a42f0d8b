use chrono::TimeDelta;
use serde_json::json;

use super::*;
use crate::Severity;
use crate::alert::Alert;
use crate::evaluate::{Window, evaluate};

const HEAD: &str = "
id: test
name: Secrets are read
description: ' Look who it was. '
severity: Medium
tactics: [CredentialAccess]
relevantTechniques: [T1552.007]
response: [Rotate the secret]
";

const ACCOUNT: &str = "
entityMappings:
- entityType: Account
  fieldMappings: [{identifier: FullName, columnName: Who}]
";

async fn alerts(text: &str) -> Vec<Alert> {
    let window = Window {
        now: at("12:00:00"),
        timespan: None,
    };
    evaluate(&memory(Vec::new()), &rule(&format!("{HEAD}{text}")), window)
        .await
        .unwrap()
}

fn titles(alerts: &[Alert]) -> Vec<&str> {
    alerts.iter().map(|alert| alert.title.as_str()).collect()
}

fn entities(alert: &Alert) -> Vec<String> {
    alert
        .entities
        .iter()
        .map(|entity| format!("{} {}", entity.kind, entity.name))
        .collect()
}

const PEOPLE: &str = "
kind: NRT
query: |
  datatable(TimeGenerated: datetime, Who: string, What: string, How: string, Aim: string)[
    datetime(2026-01-05T10:02:00Z), 'bob', 'tls', 'High', 'Impact, Collection',
    datetime(2026-01-05T10:01:00Z), 'alice', 'db', 'sideways', '',
    datetime(2026-01-05T10:03:00Z), 'alice', 'db', 'Low', '']
";

#[tokio::test]
async fn a_rule_says_everything_in_one_alert_or_one_thing_in_each() {
    let single = alerts(&format!("{PEOPLE}{ACCOUNT}")).await;
    assert_eq!(titles(&single), ["Secrets are read"]);
    let [alert] = &single[..] else { panic!("one alert") };
    assert_eq!(entities(alert), ["Account bob", "Account alice"]);
    assert_eq!((alert.count, alert.evidence.rows.len()), (3, 3));
    assert_eq!((alert.first_activity, alert.last_activity), (at("10:01:00"), at("10:03:00")));
    assert_eq!(alert.description, "Look who it was.");
    assert_eq!(alert.remediation, ["Rotate the secret"]);
    assert_eq!(alert.techniques, ["T1552.007"]);

    let each = alerts(&format!(
        "{PEOPLE}{ACCOUNT}eventGroupingSettings: {{aggregationKind: AlertPerResult}}\n"
    ))
    .await;
    let counts: Vec<u64> = each.iter().map(|alert| alert.count).collect();
    assert_eq!(counts, [1, 2], "rows about the same entities share an alert");
    assert_ne!(each[0].id, each[1].id);
}

#[tokio::test]
async fn title_severity_and_tactics_come_from_the_row() {
    let found = alerts(&format!(
        "{PEOPLE}{ACCOUNT}eventGroupingSettings: {{aggregationKind: AlertPerResult}}
alertDetailsOverride:
  alertDisplayNameFormat: '{{{{Who}}}} reads {{{{ What }}}} {{{{Nowhere}}}} {{{{'
  alertDescriptionFormat: Ask {{{{Who}}}}
  alertSeverityColumnName: How
  alertTacticsColumnName: Aim
"
    ))
    .await;
    // What is no severity, and what is no tactic, leaves the rule's.
    let said: Vec<_> = found
        .iter()
        .map(|alert| (alert.title.as_str(), alert.severity, alert.tactics.join("+")))
        .collect();
    assert_eq!(
        said,
        [
            ("bob reads tls {{Nowhere}} {{", Severity::High, "Impact+Collection".to_owned()),
            ("alice reads db {{Nowhere}} {{", Severity::Medium, "CredentialAccess".to_owned()),
            ("alice reads db {{Nowhere}} {{", Severity::Low, "CredentialAccess".to_owned()),
        ]
    );
    assert_eq!(found[0].description, "Ask bob");
}

#[tokio::test]
async fn entities_come_from_columns_arrays_and_service_account_logins() {
    let found = alerts(
        "
kind: NRT
query: |
  print Who = 'system:serviceaccount:ci:deployer', Pods = dynamic(['web-1', '', 'web-2']), Spaces = dynamic(['a', 'b', 'c']), Empty = ''
entityMappings:
- entityType: Account
  fieldMappings: [{identifier: FullName, columnName: Who}]
- entityType: IP
  fieldMappings: [{identifier: Address, columnName: Empty}]
- entityType: KubernetesPod
  fieldMappings: [{identifier: Name, columnName: Pods}, {identifier: Namespace, columnName: Spaces}]
",
    )
    .await;
    assert_eq!(
        serde_json::to_value(&found[0].entities).unwrap(),
        json!([
            {"type": "KubernetesServiceAccount", "name": "deployer", "namespace": "ci", "fullName": "system:serviceaccount:ci:deployer"},
            {"type": "KubernetesPod", "name": "web-1", "namespace": "a"},
            {"type": "KubernetesPod", "name": "web-2", "namespace": "c"},
        ])
    );
}

#[tokio::test]
async fn custom_details_are_the_different_values_of_a_column() {
    let found = alerts(&format!("{PEOPLE}customDetails: {{Secret: What, Gone: Nowhere}}\n")).await;
    assert_eq!(Value::Object(found[0].custom_details.clone()), json!({"Secret": ["tls", "db"]}));
}

#[tokio::test]
async fn the_trigger_decides_how_many_rows_are_an_alert() {
    for (operator, threshold, rows, fires) in [
        ("gt", 2, 3, true),
        ("gt", 3, 3, false),
        ("lt", 4, 3, true),
        ("lt", 1, 0, true),
        ("eq", 3, 3, true),
        ("eq", 0, 0, true),
        ("ne", 3, 3, false),
        ("ne", 3, 0, true),
        ("gt", 0, 0, false),
    ] {
        let found = alerts(&format!(
            "kind: Scheduled\nqueryFrequency: 1h\nqueryPeriod: 1h\ntriggerOperator: {operator}\ntriggerThreshold: {threshold}\nquery: range x from 1 to {rows} step 1\n"
        ))
        .await;
        assert_eq!(!found.is_empty(), fires, "{rows} rows are {operator} {threshold}");
        if let [alert] = &found[..] {
            assert_eq!((alert.count, alert.title.as_str()), (rows, "Secrets are read"));
        }
    }
}

/// Ids of a rule's alerts over audit events in an order.
async fn ids(rule: &Rule, events: &[Value], now: DateTime<Utc>) -> Vec<String> {
    let engine = memory(vec![rows(&schema(), events, "12:00:00")]);
    let found = evaluate(&engine, rule, Window { now, timespan: None }).await.unwrap();
    let mut ids: Vec<String> = found.into_iter().map(|alert| alert.id).collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn the_same_rows_in_another_order_are_the_same_alert() {
    let mut events = vec![
        read("1", "alice", "db", "10:00:00"),
        read("2", "bob", "tls", "10:01:00"),
        read("3", "alice", "token", "10:02:00"),
    ];
    let kinds = ["kind: NRT\n", "kind: Scheduled\nqueryFrequency: 5m\nqueryPeriod: 1h\n"];
    let queries = [
        "query: KubernetesAudit | project TimeGenerated, AuditId, Stage, Who = Username, Name",
        "query: KubernetesAudit | summarize Names = make_set(Name), TimeGenerated = min(TimeGenerated) by Who = Username | extend Name = Who",
    ];
    let settings = ["SingleAlert", "AlertPerResult"];
    let mut known = Vec::new();
    for round in 0..2 {
        let mut seen = Vec::new();
        for kind in kinds {
            for query in queries {
                for setting in settings {
                    let rule = rule(&format!(
                        "{HEAD}{kind}{query}\neventGroupingSettings: {{aggregationKind: {setting}}}
alertDetailsOverride: {{alertDisplayNameFormat: 'About {{{{Name}}}}'}}{ACCOUNT}"
                    ));
                    // Evaluated later, too.
                    let now = at("12:00:00") + TimeDelta::minutes(5 * round);
                    let ids = ids(&rule, &events, now).await;
                    assert!(!ids.is_empty());
                    seen.push((format!("{kind}{query} {setting}"), ids));
                }
            }
        }
        if round == 0 {
            known = seen;
        } else {
            assert_eq!(known, seen);
        }
        events.reverse();
    }
}

#[tokio::test]
async fn a_scheduled_rule_says_one_thing_of_one_actor_and_loses_no_row() {
    let found = alerts(&format!(
        "
kind: Scheduled
queryFrequency: 5m
queryPeriod: 1h
query: |
  datatable(TimeGenerated: datetime, Who: string, Agent: string, How: string)[
    datetime(2026-01-05T10:02:00Z), 'alice', 'curl', 'Low',
    datetime(2026-01-05T10:03:00Z), 'alice', 'kubectl', 'High',
    datetime(2026-01-05T10:03:00Z), 'bob', 'kubectl', 'Low']
eventGroupingSettings: {{aggregationKind: AlertPerResult}}
alertDetailsOverride: {{alertDisplayNameFormat: '{{{{Who}}}} with {{{{Agent}}}}', alertSeverityColumnName: How}}
{ACCOUNT}"
    ))
    .await;
    let said: Vec<_> = found
        .iter()
        .map(|alert| (alert.title.as_str(), alert.severity, alert.evidence.rows.len()))
        .collect();
    assert_eq!(
        said,
        [("alice with kubectl", Severity::High, 2), ("bob with kubectl", Severity::Low, 1)]
    );
}

#[tokio::test]
async fn an_aggregated_row_shows_the_events_behind_it() {
    let events = [
        read("1", "alice", "db", "10:00:00"),
        read("2", "bob", "tls", "10:01:00"),
        read("3", "alice", "token", "10:02:00"),
    ];
    let rule = rule(&format!(
        "{HEAD}
kind: NRT
query: KubernetesAudit | summarize Secrets = dcount(Name), AuditIds = make_set(AuditId) by Who = Username | where Secrets > 1
alertDetailsOverride: {{alertDisplayNameFormat: '{{{{Who}}}} read {{{{Secrets}}}} secrets'}}
"
    ));
    let engine = memory(vec![rows(&schema(), &events, "12:00:00")]);
    let window = Window {
        now: at("12:00:00"),
        timespan: None,
    };
    let found = evaluate(&engine, &rule, window).await.unwrap();
    assert_eq!(titles(&found), ["alice read 2 secrets"]);
    let shown: Vec<Value> = crate::alert::objects(&found[0].evidence)
        .into_iter()
        .map(|event| json!([event["TimeGenerated"], event["AuditId"], event["Name"]]))
        .collect();
    assert_eq!(
        shown,
        [
            json!(["2026-01-05T10:00:00Z", "1", "db"]),
            json!(["2026-01-05T10:02:00Z", "3", "token"])
        ]
    );
    assert_eq!(found[0].count, 2);
}
