use serde_json::json;

use super::*;

/// A rule on how many secrets somebody reads.
fn burst(frequency: &str, period: &str, least: u32, more: &str) -> String {
    format!(
        "
id: burst
name: Secrets read
severity: High
kind: Scheduled
queryFrequency: {frequency}
queryPeriod: {period}
query: |
  KubernetesAudit
  | summarize Secrets = dcount(Name), FirstActivity = min(TimeGenerated), LastActivity = max(TimeGenerated) by Username
  | where Secrets >= {least}
entityMappings:
- entityType: Account
  fieldMappings: [{{identifier: FullName, columnName: Username}}]
alertDetailsOverride: {{alertDisplayNameFormat: '{{{{Username}}}} read {{{{Secrets}}}}'}}
eventGroupingSettings: {{aggregationKind: AlertPerResult}}
incidentConfiguration:
  groupingConfiguration: {{enabled: true, lookbackDuration: 5h}}
{more}"
    )
}

async fn said(site: &Site) -> Vec<Vec<Value>> {
    site.query("SecurityAlert | sort by TimeGenerated asc, DisplayName asc | project format_datetime(TimeGenerated, 'HH:mm'), DisplayName")
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overlapping_windows_see_a_burst_once() {
    let site = Site::open().await;
    let detector = site.detector(&[&burst("5m", "1h", 2, "")]);
    site.append(
        &[read("1", "alice", "db", "10:08:00"), read("2", "alice", "tls", "10:09:00")],
        "10:10:00",
    )
    .await;
    detector.run_due(at("10:15:05")).await.unwrap();
    assert_eq!(json!(said(&site).await), json!([["10:15", "alice read 2"]]));
    site.append(&[read("3", "alice", "key", "10:16:00")], "10:16:01").await;
    for now in ["10:16:00", "10:20:05", "10:25:05", "11:10:05", "11:30:05"] {
        detector.run_due(at(now)).await.unwrap();
    }
    assert_eq!(json!(said(&site).await), json!([["10:15", "alice read 2"]]));
    assert_eq!(site.count("SecurityIncident").await, 1);
    assert_eq!(site.incidents().await[0].alert_count, 1);
    assert_eq!(site.state.rule_state("burst").await.unwrap().last_run, Some(at("11:30:00")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_over_the_edge_of_a_period_is_one_alert() {
    let site = Site::open().await;
    let detector = site.detector(&[&burst("5m", "1h", 2, "")]);
    detector.run_due(at("10:55:05")).await.unwrap();
    for (id, secret, time) in [
        ("1", "a", "10:58:00"),
        ("2", "b", "10:59:00"),
        ("3", "c", "11:01:00"),
        ("4", "d", "11:02:00"),
    ] {
        site.append(&[read(id, "alice", secret, time)], time).await;
    }
    detector.run_due(at("12:05:05")).await.unwrap();
    assert_eq!(json!(said(&site).await), json!([["11:00", "alice read 2"]]));
    site.append(
        &[read("5", "alice", "a", "12:10:00"), read("6", "alice", "b", "12:11:00")],
        "12:11:00",
    )
    .await;
    detector.run_due(at("12:15:05")).await.unwrap();
    assert_eq!(
        json!(said(&site).await),
        json!([["11:00", "alice read 2"], ["12:15", "alice read 2"]])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn windows_are_of_arrival_and_missed_ones_run() {
    let site = Site::open().await;
    let detector = site.detector(&[&burst("5m", "5m", 1, "")]);
    detector.run_due(at("10:02:05")).await.unwrap();
    assert!(said(&site).await.is_empty());
    // Happened in the night, arrived now.
    site.append(&[read("1", "alice", "db", "03:00:00")], "10:05:30").await;
    site.append(&[read("2", "alice", "db", "10:08:00")], "10:08:00").await;
    site.append(&[read("3", "bob", "db", "10:21:00")], "10:21:59").await;
    site.append(&[read("4", "carol", "db", "10:22:00")], "10:22:00").await;
    // Nothing ran for 20 minutes, and somebody else takes over.
    let detector = {
        drop(detector);
        site.detector(&[&burst("5m", "5m", 1, "")])
    };
    detector.run_due(at("10:24:00")).await.unwrap();
    let expected = json!([["10:07", "alice read 1"], ["10:12", "alice read 1"], ["10:22", "bob read 1"]]);
    assert_eq!(json!(said(&site).await), expected, "each window once, its end excluded");
    detector.run_due(at("10:24:01")).await.unwrap();
    assert_eq!(json!(said(&site).await), expected);
    detector.run_due(at("10:27:05")).await.unwrap();
    assert_eq!(said(&site).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn windows_too_many_to_make_up_for_are_said() {
    let site = Site::open().await;
    let detector = site.detector(&[&burst("5m", "5m", 1, "")]);
    detector.run_due(at("00:00:05") - chrono::TimeDelta::days(30)).await.unwrap();
    detector.run_due(at("12:00:05")).await.unwrap();
    assert_eq!(
        site.query("TaffrailHealth | project ResourceName, ResourceKind, Status").await,
        [[json!("Secrets read"), json!("Scheduled"), json!("Partial success")]]
    );
    assert_eq!(site.state.rule_state("burst").await.unwrap().last_run, Some(at("12:00:00")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suppressed_rule_is_silent_for_a_while() {
    let site = Site::open().await;
    let detector = site.detector(&[&burst("5m", "5m", 1, "suppressionEnabled: true\nsuppressionDuration: 1h\n")]);
    for (now, event) in [
        ("10:05:05", read("1", "alice", "db", "10:01:00")),
        ("10:10:05", read("2", "bob", "db", "10:06:00")),
        ("11:10:05", read("3", "carol", "db", "11:07:00")),
    ] {
        let received = event["stageTimestamp"].as_str().unwrap()[11..19].to_owned();
        site.append(&[event], &received).await;
        detector.run_due(at(now)).await.unwrap();
    }
    assert_eq!(
        json!(said(&site).await),
        json!([["10:05", "alice read 1"], ["11:10", "carol read 1"]])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_known_does_not_prolong_silence() {
    let site = Site::open().await;
    let detector = site.detector(&[&burst("5m", "1h", 1, "suppressionEnabled: true\nsuppressionDuration: 10m\n")]);
    site.append(&[read("1", "alice", "db", "10:01:00")], "10:01:00").await;
    for now in ["10:05:05", "10:10:05", "10:15:05"] {
        detector.run_due(at(now)).await.unwrap();
    }
    site.append(&[read("2", "bob", "db", "10:16:00")], "10:16:00").await;
    detector.run_due(at("10:20:05")).await.unwrap();
    assert_eq!(
        json!(said(&site).await),
        json!([["10:05", "alice read 1"], ["10:20", "bob read 1"]])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_speaks_each_time_something_is_missing() {
    let site = Site::open().await;
    let detector = site.detector(&["
id: silence
name: No audit events
severity: Medium
kind: Scheduled
queryFrequency: 1h
queryPeriod: 1h
triggerOperator: lt
triggerThreshold: 1
query: KubernetesAudit
"]);
    site.append(&[read("1", "alice", "db", "10:30:00")], "10:30:00").await;
    for now in ["10:00:05", "10:00:06", "11:00:05", "12:00:05", "13:00:05"] {
        detector.run_due(at(now)).await.unwrap();
    }
    let name = "No audit events";
    assert_eq!(json!(said(&site).await), json!([["10:00", name], ["12:00", name], ["13:00", name]]));
    assert_eq!(site.incidents().await.len(), 3);
}
