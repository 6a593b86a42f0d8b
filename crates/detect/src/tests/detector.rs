use serde_json::json;
use taffrail_state::incidents::Change;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::*;
use crate::{DetectError, Severity};

const SECRETS: &str = "
id: secret-read
name: Secret read
severity: High
kind: NRT
tactics: [CredentialAccess]
relevantTechniques: [T1552.007]
query: KubernetesAudit | where Resource == 'secrets' | project TimeGenerated, AuditId, Stage, Cluster, Username, Name
entityMappings:
- entityType: Account
  fieldMappings: [{identifier: FullName, columnName: Username}]
alertDetailsOverride: {alertDisplayNameFormat: '{{Username}} read {{Name}}'}
eventGroupingSettings: {aggregationKind: AlertPerResult}
incidentConfiguration:
  createIncident: true
  groupingConfiguration: {enabled: true, lookbackDuration: 5h, matchingMethod: Selected, groupByEntities: [Account]}
";

fn summary(incidents: &[Incident]) -> Vec<(&str, i64, &str)> {
    incidents
        .iter()
        .map(|incident| (incident.title.as_str(), incident.alert_count, incident.cluster.as_str()))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_becomes_an_alert_and_an_incident_once() {
    let site = Site::open().await;
    let detector = site.detector(&[SECRETS]);
    let mut changes = detector.subscribe();
    let committed = site.committed(&[read("1", "alice", "db", "10:00:00")]).await;
    detector.process(&committed).await.unwrap();

    let incidents = site.incidents().await;
    assert_eq!(summary(&incidents), [("alice read db", 1, "harbour")]);
    assert_eq!(incidents[0].severity, Severity::High);
    assert_eq!(changes.try_recv().unwrap().change, Change::Created);
    let alert = site
        .query("SecurityAlert | project DisplayName, AlertSeverity, CompromisedEntity, StartTime, Tactics, SubTechniques, tolong(parse_json(ExtendedProperties).IncidentNumber)")
        .await;
    assert_eq!(
        json!(alert),
        json!([[
            "alice read db",
            "High",
            "alice",
            "2026-01-05T10:00:00Z",
            "CredentialAccess",
            "[\"T1552.007\"]",
            incidents[0].number
        ]])
    );
    let incident = site
        .query("SecurityIncident | join kind=inner (SecurityAlert) on $left.Severity == $right.AlertSeverity | project IncidentNumber, Title, Status, tostring(AlertIds[0]) == SystemAlertId, tostring(RelatedAnalyticRuleIds[0])")
        .await;
    assert_eq!(
        json!(incident),
        json!([[incidents[0].number, "alice read db", "New", true, "secret-read"]])
    );

    // The same rows again, as after a crash.
    detector.process(&committed).await.unwrap();
    assert_eq!(site.incidents().await, incidents);
    assert_eq!((site.count("SecurityAlert").await, site.count("SecurityIncident").await), (1, 1));
    assert!(changes.try_recv().is_err(), "nothing changed, nobody is told");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alerts_of_one_actor_are_one_incident() {
    let site = Site::open().await;
    let detector = site.detector(&[SECRETS]);
    for events in [
        [read("1", "alice", "db", "10:00:00"), read("2", "bob", "db", "10:01:00")],
        [read("3", "alice", "tls", "11:00:00"), read("4", "alice", "tls", "23:00:00")],
    ] {
        let committed = site.committed(&events).await;
        detector.process(&committed).await.unwrap();
    }
    assert_eq!(
        summary(&site.incidents().await),
        [
            ("alice read db", 2, "harbour"),
            ("bob read db", 1, "harbour"),
            ("alice read tls", 1, "harbour")
        ]
    );
    let committed = site.committed(&[read("5", "bob", "tls", "23:30:00")]).await;
    detector.process(&committed).await.unwrap();
    assert_eq!(site.incidents().await.len(), 4, "half a day later is another incident");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn informational_alerts_open_no_incident() {
    let site = Site::open().await;
    let detector = site.detector(&[&SECRETS.replace("severity: High", "severity: Informational")]);
    let committed = site.committed(&[read("1", "alice", "db", "10:00:00")]).await;
    detector.process(&committed).await.unwrap();
    assert_eq!(
        site.query("SecurityAlert | project AlertSeverity").await,
        [[json!("Informational")]]
    );
    assert!(site.incidents().await.is_empty());
    assert_eq!(site.count("SecurityIncident").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_that_fails_says_so_and_stops_no_other() {
    let site = Site::open().await;
    let failing = format!(
        "id: a-failing\nname: Fails\nseverity: High\nkind: NRT\nquery: KubernetesAudit | where Name in (({BROKEN} | project Raw))\n"
    );
    let detector = site.detector(&[&failing, SECRETS]);
    let committed = site.committed(&[read("1", "alice", "db", "10:00:00")]).await;
    detector.process(&committed).await.unwrap();
    assert_eq!(summary(&site.incidents().await), [("alice read db", 1, "harbour")]);
    let health = site
        .query("TaffrailHealth | project Component, ResourceName, ResourceKind, Status, tostring(ExtendedProperties.RuleId), isnotempty(Reason), isnotempty(RecordId)")
        .await;
    assert_eq!(
        json!(health),
        json!([["Analytics rule", "Fails", "NRT", "Failure", "a-failing", true, true]])
    );
}

fn start(detector: &Detector) -> (watch::Sender<bool>, JoinHandle<Result<(), DetectError>>) {
    let (stop, stopped) = watch::channel(false);
    let detector = detector.clone();
    (stop, tokio::spawn(async move { detector.run(stopped).await }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn detection_goes_on_where_it_stopped() {
    let site = Site::open().await;
    let unbound = "id: unbound\nname: Reads a table that is not there\nseverity: High\nkind: NRT\nquery: Nonsense | take 1\n";
    let detector = site.detector(&[unbound, SECRETS]);
    let mut changes = detector.subscribe();
    let (stop, running) = start(&detector);
    soon(async {
        while site.lake.consumer("detect").is_none() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    site.append(&[read("1", "alice", "db", "10:00:00")], "10:00:01").await;
    assert_eq!(soon(changes.recv()).await.unwrap().change, Change::Created);
    stop.send(true).unwrap();
    soon(running).await.unwrap().unwrap();
    assert_eq!(
        site.query("TaffrailHealth | where Reason has 'Nonsense' | project ResourceName, Status")
            .await,
        [[json!("Reads a table that is not there"), json!("Failure")]]
    );
    drop((detector, changes));

    site.append(&[read("2", "bob", "db", "10:01:00")], "10:01:01").await;
    site.append(&[read("3", "alice", "tls", "10:02:00")], "10:02:01").await;

    let detector = site.detector(&[SECRETS]);
    let mut changes = detector.subscribe();
    let (stop, running) = start(&detector);
    let told = [
        soon(changes.recv()).await.unwrap().change,
        soon(changes.recv()).await.unwrap().change,
    ];
    assert_eq!(told, [Change::Created, Change::Updated]);
    stop.send(true).unwrap();
    soon(running).await.unwrap().unwrap();
    assert_eq!(
        summary(&site.incidents().await),
        [("alice read db", 2, "harbour"), ("bob read db", 1, "harbour")]
    );
    assert_eq!((site.count("SecurityAlert").await, site.count("SecurityIncident").await), (3, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_says_the_same_within_minutes_is_one_alert_that_goes_on() {
    let site = Site::open().await;
    let detector = site.detector(&[SECRETS]);
    for (id, time) in [("1", "10:00:00"), ("2", "10:02:00"), ("3", "10:04:59"), ("4", "10:05:00")] {
        let committed = site.committed(&[read(id, "alice", "db", time)]).await;
        detector.process(&committed).await.unwrap();
        detector.process(&committed).await.unwrap();
    }
    let incidents = site.incidents().await;
    assert_eq!(summary(&incidents), [("alice read db", 2, "harbour")]);
    let alerts = site.state.alerts(incidents[0].number).await.unwrap();
    let counts: Vec<(u64, usize)> = alerts.iter().map(|alert| (alert.count, alert.evidence.rows.len())).collect();
    assert_eq!(counts, [(3, 3), (1, 1)]);
    assert_eq!(
        (alerts[0].first_activity, alerts[0].last_activity),
        (at("10:00:00"), at("10:04:59"))
    );
}
