//! On a real file, since what is promised is what survives in it.

use chrono::{DateTime, Duration, TimeZone as _, Utc};

use crate::alerts::{Alert, Entity, Evidence, EvidenceColumn};
use crate::history::HistoryEntry;
use crate::incidents::{Change, Classification, Filter, Grouping, IncidentUpdate, MAX_ALERTS, Order, Severity, Sort, Status};
use crate::rules::RuleState;
use crate::sessions::Lifetime;
use crate::tokens::Scope;
use crate::users::{NewUser, Role, UserChange};
use crate::{State, StateError};

const GOOD: &str = "correct horse battery staple";
const HERE: &str = "192.0.2.1";

fn noon() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 1, 2, 12, 0, 0).unwrap()
}

async fn fresh() -> (tempfile::TempDir, State) {
    let folder = tempfile::tempdir().unwrap();
    let state = State::open(folder.path().join("state.sqlite")).await.unwrap();
    (folder, state)
}

async fn with_user(state: &State, name: &str, role: Role) {
    let new = NewUser {
        name,
        display_name: "",
        role,
        password: Some(GOOD),
    };
    state.add_user(&new, "test", noon()).await.unwrap();
}

fn alert(id: &str, at: DateTime<Utc>, severity: Severity, account: &str) -> Alert {
    Alert {
        id: id.to_owned(),
        rule: "rule-1".to_owned(),
        rule_name: "Exec into a pod".to_owned(),
        title: format!("Exec by {account}"),
        description: "Somebody ran a command in a container.".to_owned(),
        severity,
        tactics: vec!["Execution".to_owned()],
        techniques: vec!["T1609".to_owned()],
        entities: vec![Entity {
            kind: "Account".to_owned(),
            name: account.to_owned(),
            fields: [].into(),
        }],
        first_activity: at,
        last_activity: at,
        created_at: at,
        cluster: "prod".to_owned(),
        custom_details: serde_json::Map::new(),
        evidence: Evidence {
            columns: vec![EvidenceColumn {
                name: "AuditId".to_owned(),
                ty: "string".to_owned(),
            }],
            rows: vec![vec!["a-1".into()]],
        },
        count: 1,
        query: "KubernetesAudit".to_owned(),
        remediation: vec![],
    }
}

fn by_account(account: &str) -> Grouping {
    Grouping {
        rule: Some("rule-1".to_owned()),
        keys: vec![account.to_owned()],
        lookback: Some(Duration::hours(5)),
        reopen: false,
    }
}

#[tokio::test]
async fn the_first_administrator_gets_one_password_once() {
    let (folder, state) = fresh().await;
    let first = state.ensure_administrator(noon()).await.unwrap().unwrap();
    assert_eq!(first.user, "admin");
    assert!(state.ensure_administrator(noon()).await.unwrap().is_none());

    let user = state.sign_in("admin", &first.password, HERE, noon()).await.unwrap();
    assert_eq!(user.role, Role::Administrator);
    assert!(user.must_change);
    state.change_password("admin", &first.password, GOOD, HERE, noon()).await.unwrap();
    assert!(!state.user("admin").await.unwrap().must_change);

    state.close().await;
    let stored = std::fs::read(folder.path().join("state.sqlite")).unwrap();
    let text = String::from_utf8_lossy(&stored);
    assert!(!text.contains(GOOD) && !text.contains(&first.password));
    assert!(text.contains("$argon2id$v=19$m=19456,t=2,p=1$"));

    let again = State::open(folder.path().join("state.sqlite")).await.unwrap();
    assert!(again.sign_in("admin", GOOD, HERE, noon()).await.is_ok());
}

#[tokio::test]
async fn failed_sign_ins_make_wait_longer_and_longer() {
    let (_folder, state) = fresh().await;
    with_user(&state, "ann", Role::Reader).await;
    let mut now = noon();
    let mut waits = Vec::new();
    while waits.len() < 3 {
        match state.sign_in("ann", "wrong", HERE, now).await {
            Err(StateError::WrongPassword) => {}
            Err(StateError::Blocked { until }) => {
                // While waiting even the right password is refused.
                let refused = state.sign_in("ann", GOOD, "198.51.100.7", now).await;
                assert!(matches!(refused, Err(StateError::Blocked { .. })));
                waits.push((until - now).num_seconds());
                now = until;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(waits, [5, 10, 20]);
    state.sign_in("ann", GOOD, HERE, now).await.unwrap();
    // A success forgets the failures.
    assert!(matches!(
        state.sign_in("ann", "wrong", HERE, now).await,
        Err(StateError::WrongPassword)
    ));
    state.sign_in("ann", GOOD, HERE, now).await.unwrap();
}

#[tokio::test]
async fn one_address_cannot_try_many_users() {
    let (_folder, state) = fresh().await;
    for attempt in 0..20 {
        let tried = state.sign_in(&format!("user{attempt}"), "wrong", HERE, noon()).await;
        assert!(matches!(tried, Err(StateError::WrongPassword)), "{attempt}: {tried:?}");
    }
    let blocked = state.sign_in("somebody", "wrong", HERE, noon()).await;
    assert!(matches!(blocked, Err(StateError::Blocked { .. })));
    let elsewhere = state.sign_in("somebody", "wrong", "198.51.100.7", noon()).await;
    assert!(matches!(elsewhere, Err(StateError::WrongPassword)));
}

#[tokio::test]
async fn users_are_checked_and_the_last_administrator_stays() {
    let (_folder, state) = fresh().await;
    with_user(&state, "root", Role::Administrator).await;
    with_user(&state, "ann", Role::Responder).await;
    let again = NewUser {
        name: "ann",
        display_name: "",
        role: Role::Reader,
        password: Some(GOOD),
    };
    assert!(matches!(
        state.add_user(&again, "root", noon()).await,
        Err(StateError::Exists { .. })
    ));
    for (name, password) in [("a b", GOOD), ("", GOOD), ("bob", "short"), ("bob", "aaaaaaaaaaaaaaaaaaaa")] {
        let new = NewUser {
            name,
            password: Some(password),
            ..again.clone()
        };
        let refused = state.add_user(&new, "root", noon()).await;
        assert!(matches!(refused, Err(StateError::Invalid { .. })), "{name} {password}");
    }
    let demote = UserChange {
        role: Some(Role::Reader),
        ..UserChange::default()
    };
    assert!(matches!(
        state.change_user("root", &demote, "root", noon()).await,
        Err(StateError::LastAdministrator(_))
    ));
    assert!(matches!(
        state.remove_user("root", "root", noon()).await,
        Err(StateError::LastAdministrator(_))
    ));
    assert_eq!(state.user("root").await.unwrap().role, Role::Administrator);

    let disable = UserChange {
        disabled: Some(true),
        ..UserChange::default()
    };
    state.change_user("ann", &disable, "root", noon()).await.unwrap();
    assert!(matches!(
        state.sign_in("ann", GOOD, HERE, noon()).await,
        Err(StateError::WrongPassword)
    ));
    let log = state.activity("user/ann").await.unwrap();
    assert_eq!(log.last().unwrap().field.as_deref(), Some("disabled"));
}

#[tokio::test]
async fn sessions_end_when_idle_old_revoked_or_the_user_is_disabled() {
    let (_folder, state) = fresh().await;
    with_user(&state, "root", Role::Administrator).await;
    with_user(&state, "ann", Role::Reader).await;
    let life = Lifetime::default();
    let session = state.begin_session("ann", HERE, "browser", life, noon()).await.unwrap();
    let resumed = state.resume_session(&session.secret, life, noon()).await.unwrap().unwrap();
    assert_eq!((resumed.user.name.as_str(), resumed.csrf.as_str()), ("ann", session.csrf.as_str()));
    assert!(state.resume_session("something else", life, noon()).await.unwrap().is_none());

    // Kept alive by use, up to the absolute end.
    let mut now = noon();
    while now < noon() + Duration::hours(11) {
        assert!(state.resume_session(&session.secret, life, now).await.unwrap().is_some());
        now += Duration::minutes(90);
    }
    let end = noon() + life.absolute;
    assert!(state.resume_session(&session.secret, life, end).await.unwrap().is_none());

    let idle = state.begin_session("ann", HERE, "browser", life, noon()).await.unwrap();
    let later = noon() + life.idle;
    assert!(state.resume_session(&idle.secret, life, later).await.unwrap().is_none());

    let revoked = state.begin_session("ann", HERE, "browser", life, noon()).await.unwrap();
    assert_eq!(state.sessions("ann").await.unwrap().len(), 3);
    assert!(state.end_session("root", &revoked.id).await.is_err());
    state.end_session("ann", &revoked.id).await.unwrap();
    assert!(state.resume_session(&revoked.secret, life, noon()).await.unwrap().is_none());

    let disabled = state.begin_session("ann", HERE, "browser", life, noon()).await.unwrap();
    let disable = UserChange {
        disabled: Some(true),
        ..UserChange::default()
    };
    state.change_user("ann", &disable, "root", noon()).await.unwrap();
    assert!(state.resume_session(&disabled.secret, life, noon()).await.unwrap().is_none());
}

#[tokio::test]
async fn tokens_are_shown_once_and_end_by_expiry_or_revocation() {
    let (folder, state) = fresh().await;
    let scope = Scope::Ingest {
        source: Some("kubernetes-audit".to_owned()),
        cluster: None,
    };
    let (token, text) = state.add_token("prod webhook", scope.clone(), None, "root", noon()).await.unwrap();
    assert!(text.starts_with("tfr_"));
    let found = state.find_token(&text, noon()).await.unwrap().unwrap();
    assert_eq!((&found.id, &found.scope), (&token.id, &scope));
    assert_eq!(state.tokens().await.unwrap()[0].last_used, Some(noon()));
    assert!(state.find_token("tfr_guess", noon()).await.unwrap().is_none());

    let tomorrow = noon() + Duration::days(1);
    let api = Scope::Api { role: Role::Reader };
    let (_, short) = state.add_token("short", api, Some(tomorrow), "root", noon()).await.unwrap();
    assert!(state.find_token(&short, noon()).await.unwrap().is_some());
    assert!(state.find_token(&short, tomorrow).await.unwrap().is_none());

    state.revoke_token(&token.id, "root", noon()).await.unwrap();
    assert!(state.find_token(&text, noon()).await.unwrap().is_none());

    state.close().await;
    let stored = std::fs::read(folder.path().join("state.sqlite")).unwrap();
    assert!(!String::from_utf8_lossy(&stored).contains(&short));
}

#[tokio::test]
async fn alerts_join_the_incident_they_belong_to() {
    let (_folder, state) = fresh().await;
    let now = noon();
    let first = alert("1", now, Severity::Medium, "eve");
    let opened = state.record_alert(&first, &by_account("eve"), now).await.unwrap();
    assert_eq!((opened.number, opened.change), (1, Change::Created));
    let again = state.record_alert(&first, &by_account("eve"), now).await.unwrap();
    assert_eq!((again.number, again.change), (1, Change::Unchanged));

    // Worse, later, about one more entity: the incident takes it all.
    let mut second = alert("2", now + Duration::hours(4), Severity::High, "eve");
    second.techniques = vec!["T1611".to_owned()];
    second.entities.push(Entity {
        kind: "IP".to_owned(),
        name: "203.0.113.9".to_owned(),
        fields: [].into(),
    });
    let joined = state.record_alert(&second, &by_account("eve"), now).await.unwrap();
    assert_eq!((joined.number, joined.change), (1, Change::Updated));
    let incident = state.incident(1).await.unwrap();
    assert_eq!((incident.alert_count, incident.severity), (2, Severity::High));
    assert_eq!(incident.techniques, ["T1609", "T1611"]);
    assert_eq!(incident.entities.len(), 2);
    assert_eq!(incident.last_activity - incident.first_activity, Duration::hours(4));
    assert_eq!(state.alerts(1).await.unwrap(), [first.clone(), second]);

    // Another account, and the same account after the lookback: incidents of their own.
    let other = alert("3", now, Severity::Low, "bob");
    assert_eq!(state.record_alert(&other, &by_account("bob"), now).await.unwrap().number, 2);
    let late = alert("4", now + Duration::hours(10), Severity::Low, "eve");
    assert_eq!(state.record_alert(&late, &by_account("eve"), now).await.unwrap().number, 3);

    // A closed incident takes none, unless it may be reopened.
    let close = IncidentUpdate {
        status: Some(Status::Closed),
        classification: Some(Classification::BenignPositive),
        ..IncidentUpdate::default()
    };
    state.update_incident(2, &close, "ann", now).await.unwrap();
    let fifth = alert("5", now, Severity::Low, "bob");
    assert_eq!(state.record_alert(&fifth, &by_account("bob"), now).await.unwrap().number, 4);
    state.update_incident(4, &close, "ann", now).await.unwrap();
    let reopening = Grouping {
        reopen: true,
        ..by_account("bob")
    };
    let sixth = alert("6", now, Severity::Low, "bob");
    assert_eq!(state.record_alert(&sixth, &reopening, now).await.unwrap().number, 4);
    let reopened = state.incident(4).await.unwrap();
    assert_eq!((reopened.status, reopened.classification), (Status::Active, None));

    // Ungrouped alerts stay alone.
    let seventh = alert("7", now, Severity::Low, "bob");
    let eighth = alert("8", now, Severity::Low, "bob");
    let alone = [(seventh, Grouping::none()), (eighth, Grouping::none())];
    let changes = state.record_alerts(&alone, now).await.unwrap();
    assert_eq!(changes.iter().map(|change| change.number).collect::<Vec<_>>(), [5, 6]);
}

#[tokio::test]
async fn an_incident_holds_so_many_alerts_and_no_more() {
    let (_folder, state) = fresh().await;
    let alerts: Vec<_> = (0..=MAX_ALERTS)
        .map(|n| (alert(&n.to_string(), noon(), Severity::Low, "eve"), by_account("eve")))
        .collect();
    let changes = state.record_alerts(&alerts, noon()).await.unwrap();
    assert_eq!(changes.last().unwrap().number, 2);
    assert_eq!(state.incident(1).await.unwrap().alert_count, MAX_ALERTS);
}

#[tokio::test]
async fn changes_are_checked_and_noted() {
    let (_folder, state) = fresh().await;
    with_user(&state, "ann", Role::Responder).await;
    let now = noon();
    state
        .record_alert(&alert("1", now, Severity::High, "eve"), &Grouping::none(), now)
        .await
        .unwrap();
    let assign = IncidentUpdate {
        owner: Some(Some("ann".to_owned())),
        status: Some(Status::Active),
        ..IncidentUpdate::default()
    };
    state.update_incident(1, &assign, "ann", now).await.unwrap();
    state.add_comment(1, "ann", "looking", now).await.unwrap();

    let nobody = IncidentUpdate {
        owner: Some(Some("zoe".to_owned())),
        ..IncidentUpdate::default()
    };
    let unexplained = IncidentUpdate {
        status: Some(Status::Closed),
        ..IncidentUpdate::default()
    };
    let mismatched = IncidentUpdate {
        classification: Some(Classification::TruePositive),
        classification_reason: Some(crate::incidents::Reason::InaccurateData),
        ..unexplained.clone()
    };
    for wrong in [nobody, unexplained.clone(), mismatched] {
        let refused = state.update_incident(1, &wrong, "ann", now).await;
        assert!(matches!(refused, Err(StateError::Invalid { .. })), "{refused:?}");
    }
    let close = IncidentUpdate {
        classification: Some(Classification::TruePositive),
        classification_comment: Some("crypto miner".to_owned()),
        ..unexplained
    };
    let closed = state.update_incident(1, &close, "ann", now).await.unwrap();
    assert_eq!(closed.closed_at, Some(now));
    assert_eq!(closed.classification_reason.unwrap().as_str(), "SuspiciousActivity");

    let log: Vec<String> = state
        .activity("incident/1")
        .await
        .unwrap()
        .into_iter()
        .map(|entry| {
            let field = entry.field.unwrap_or_default();
            let from = entry.from.unwrap_or_default();
            format!("{} {} {field} {from}>{}", entry.who, entry.action, entry.to.unwrap_or_default())
        })
        .collect();
    assert_eq!(
        log,
        [
            "taffrail created  >",
            "taffrail alert added alert >Exec by eve",
            "ann changed status New>Active",
            "ann changed owner >ann",
            "ann commented  >",
            "ann changed status Active>Closed",
            "ann changed classification >TruePositive",
            "ann changed classificationReason >SuspiciousActivity",
            "ann changed classificationComment >crypto miner",
        ]
    );
    assert!(matches!(
        state.add_comment(9, "ann", "?", now).await,
        Err(StateError::NotFound { .. })
    ));
}

#[tokio::test]
async fn the_queue_filters_sorts_and_counts() {
    let (_folder, state) = fresh().await;
    with_user(&state, "ann", Role::Responder).await;
    let now = noon();
    for (minute, (severity, account)) in (0_i64..).zip([
        (Severity::High, "eve"),
        (Severity::Low, "bob_100%"),
        (Severity::High, "Mallory"),
        (Severity::Medium, "bobby100x"),
    ]) {
        let raised = alert(account, now + Duration::minutes(minute), severity, account);
        state.record_alert(&raised, &Grouping::none(), now).await.unwrap();
    }
    let assign = IncidentUpdate {
        owner: Some(Some("ann".to_owned())),
        status: Some(Status::Active),
        ..IncidentUpdate::default()
    };
    state.update_incident(3, &assign, "ann", now).await.unwrap();

    let numbers = async |filter: &Filter, sort, order| {
        let page = state.incidents(filter, sort, order, 50, 0).await.unwrap();
        page.items.iter().map(|incident| incident.number).collect::<Vec<_>>()
    };
    let all = Filter::default();
    assert_eq!(numbers(&all, Sort::LastActivity, Order::Desc).await, [4, 3, 2, 1]);
    assert_eq!(numbers(&all, Sort::Severity, Order::Desc).await, [3, 1, 4, 2]);
    assert_eq!(numbers(&all, Sort::Title, Order::Asc).await, [2, 4, 1, 3]);

    let high = Filter {
        severity: vec![Severity::High],
        ..Filter::default()
    };
    let page = state.incidents(&high, Sort::Number, Order::Asc, 1, 1).await.unwrap();
    assert_eq!((page.items[0].number, page.total), (3, 2));
    let facets = serde_json::to_string(&page.facets).unwrap();
    assert_eq!(
        facets,
        r#"{"status":{"Active":1,"New":1},"severity":{"High":2,"Medium":1,"Low":1},"owner":{"":1,"ann":1},"tactic":{"Execution":2},"technique":{"T1609":2}}"#
    );
    for (filter, expected) in [
        (
            Filter {
                owner: vec![String::new()],
                ..all.clone()
            },
            vec![4, 2, 1],
        ),
        (
            Filter {
                owner: vec!["ann".to_owned()],
                severity: vec![Severity::Low],
                ..all.clone()
            },
            vec![],
        ),
        (
            Filter {
                search: "bob_100%".to_owned(),
                ..all.clone()
            },
            vec![2],
        ),
        (
            Filter {
                search: "EXEC mallory".to_owned(),
                ..all.clone()
            },
            vec![3],
        ),
        (
            Filter {
                search: "#4".to_owned(),
                ..all.clone()
            },
            vec![4],
        ),
        (
            Filter {
                technique: vec!["T1609".to_owned()],
                status: vec![Status::Active],
                ..all.clone()
            },
            vec![3],
        ),
        (
            Filter {
                entity: vec!["Account///eve".to_owned()],
                ..all.clone()
            },
            vec![1],
        ),
    ] {
        assert_eq!(numbers(&filter, Sort::LastActivity, Order::Desc).await, expected, "{filter:?}");
    }
}

/// 50,000 incidents; the bound is generous so that a busy machine does not fail it, while a query without its index would.
#[tokio::test]
async fn the_queue_stays_fast() {
    let (_folder, state) = fresh().await;
    let alerts: Vec<_> = (0..2_000)
        .map(|n| {
            let severity = Severity::ALL[n % 4];
            let account = format!("user{n}");
            (
                alert(&n.to_string(), noon() + Duration::seconds(n as i64), severity, &account),
                Grouping::none(),
            )
        })
        .collect();
    state.record_alerts(&alerts, noon()).await.unwrap();
    // The other 48,000 are copies of these, made where it is quick.
    for copy in 1..25_i64 {
        sqlx::query(
            "INSERT INTO incidents SELECT number + $1, id || $1, status, severity, owner, grouping, first_activity, \
             last_activity, created_at, updated_at, closed_at, alert_count, title, cluster, classification, \
             classification_reason, classification_comment, search, description, tactics, techniques, rules, entities \
             FROM incidents WHERE number <= 2000",
        )
        .bind(copy * 2_000)
        .execute(&state.writer)
        .await
        .unwrap();
        sqlx::query("INSERT INTO incident_labels SELECT kind, value, incident + $1 FROM incident_labels WHERE incident <= 2000")
            .bind(copy * 2_000)
            .execute(&state.writer)
            .await
            .unwrap();
    }
    let filters = [
        Filter::default(),
        Filter {
            status: vec![Status::New, Status::Active],
            severity: vec![Severity::High],
            ..Filter::default()
        },
        Filter {
            search: "user1999".to_owned(),
            technique: vec!["T1609".to_owned()],
            ..Filter::default()
        },
    ];
    // However many there are: all of them come in order from an index that ends after the page's rows; those that are open are
    // found by an index, and counts read indexes only.
    let open = Filter {
        status: vec![Status::New, Status::Active],
        ..Filter::default()
    };
    for filter in [Filter::default(), open] {
        let plan = state.incident_plans(&filter, Sort::LastActivity, Order::Desc).await;
        assert!(plan.len() >= 7, "{plan:?}");
        let reads_rows = |step: &&String| step.contains("SCAN incidents") && !step.contains("INDEX");
        assert_eq!(plan.iter().find(reads_rows), None, "{filter:?} reads every row: {plan:?}");
        assert!(plan[0].contains("USING INDEX"), "{filter:?}: {plan:?}");
        let sorted_whole = plan[1].contains("TEMP B-TREE FOR ORDER BY");
        assert!(filter != Filter::default() || !sorted_whole, "all are sorted as a whole: {plan:?}");
    }
    for filter in filters {
        let began = std::time::Instant::now();
        let page = state.incidents(&filter, Sort::LastActivity, Order::Desc, 50, 0).await.unwrap();
        let took = began.elapsed();
        eprintln!("{} of 50,000 in {took:?}", page.total);
        assert!(page.total > 0);
        assert!(took < std::time::Duration::from_secs(2), "{filter:?} took {took:?}");
    }
}

#[tokio::test]
async fn rules_remember_and_positions_never_go_back() {
    let (_folder, state) = fresh().await;
    assert_eq!(state.rule_state("r").await.unwrap(), RuleState::default());
    let remembered = RuleState {
        last_run: Some(noon()),
        suppressed_until: Some(noon() + Duration::hours(5)),
    };
    state.set_rule_state("r", &remembered).await.unwrap();
    assert_eq!(state.rule_states().await.unwrap()["r"], remembered);

    assert_eq!(state.consumer_position("detect").await.unwrap(), None);
    state.set_consumer_position("detect", 7).await.unwrap();
    state.set_consumer_position("detect", 3).await.unwrap();
    assert_eq!(state.consumer_position("detect").await.unwrap(), Some(7));

    state
        .set_setting("retention", &serde_json::json!({"days": 90}), "root", noon())
        .await
        .unwrap();
    assert_eq!(state.setting("retention").await.unwrap().unwrap()["days"], 90);
}

#[tokio::test]
async fn history_is_ones_own_and_bounded() {
    let (_folder, state) = fresh().await;
    for n in 0..1_010 {
        let entry = HistoryEntry {
            query: format!("print {n}"),
            at: noon() + Duration::seconds(n),
            elapsed_ms: 1,
            rows: Some(1),
            error: None,
        };
        state.add_history("ann", &entry).await.unwrap();
    }
    state.tidy(noon()).await.unwrap();
    assert_eq!(state.history("ann", 5_000).await.unwrap().len(), 1_000);
    assert_eq!(state.history("ann", 1).await.unwrap()[0].query, "print 1009");
    assert!(state.history("bob", 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_file_that_is_no_state_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.sqlite");
    std::fs::write(&path, "this is not a database, but long enough to look like a file of some kind").unwrap();
    let refused = State::open(&path).await.unwrap_err().to_string();
    assert!(refused.contains("state.sqlite"), "{refused}");
}
