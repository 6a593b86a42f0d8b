//! Work on incidents, live changes, help with queries, what there is.

use std::collections::BTreeMap;

use axum::body::Body;
use http::StatusCode;
use http_body_util::BodyExt as _;
use serde_json::json;
use taffrail_state::alerts::{Alert, Entity, Evidence};
use taffrail_state::incidents::{Change, Grouping, IncidentChange, Severity};
use taffrail_state::users::Role;
use tower::ServiceExt as _;

use super::{EVERY_TYPE, World, noon, world};

async fn with_incident(world: &World) {
    let alert = Alert {
        id: "a-1".to_owned(),
        rule: "exec-into-pod".to_owned(),
        rule_name: "Exec into a pod".to_owned(),
        title: "Exec by eve".to_owned(),
        description: "Somebody ran a command in a container.".to_owned(),
        severity: Severity::High,
        tactics: vec!["Execution".to_owned()],
        techniques: vec!["T1609".to_owned()],
        entities: vec![Entity {
            kind: "KubernetesPod".to_owned(),
            name: "web-0".to_owned(),
            fields: BTreeMap::from([("namespace".to_owned(), "shop".to_owned())]),
        }],
        first_activity: noon(),
        last_activity: noon(),
        created_at: noon(),
        cluster: "prod".to_owned(),
        custom_details: serde_json::Map::new(),
        evidence: Evidence::default(),
        count: 1,
        query: "KubernetesAudit".to_owned(),
        remediation: vec!["Ask eve".to_owned()],
    };
    world.state.record_alert(&alert, &Grouping::none(), noon()).await.unwrap();
}

#[tokio::test]
async fn an_incident_is_worked_on() {
    let world = world().await;
    with_incident(&world).await;
    let ann = world.browser("ann", Role::Responder).await;
    let mut heard = world.changes.subscribe();

    let page = world
        .call(
            "GET",
            "/api/v1/incidents?status=New&status=Active&severity=High&search=exec&limit=10",
            &ann.headers(),
            None,
        )
        .await
        .json();
    assert_eq!((&page["total"], &page["items"][0]["number"]), (&json!(1), &json!(1)));
    assert_eq!(page["facets"]["severity"], json!({ "High": 1 }));
    let pod = json!({ "type": "KubernetesPod", "name": "web-0", "namespace": "shop" });
    assert_eq!(page["items"][0]["entities"], json!([pod]));

    let patch = json!({ "owner": "ann", "status": "Active" });
    let changed = world.call("PATCH", "/api/v1/incidents/1", &ann.headers(), Some(patch)).await.json();
    assert_eq!((&changed["owner"], &changed["status"]), (&json!("ann"), &json!("Active")));
    let expected = IncidentChange {
        number: 1,
        change: Change::Updated,
    };
    assert_eq!(heard.recv().await.unwrap(), expected);
    let comment = json!({ "message": "asked eve" });
    let said = world
        .call("POST", "/api/v1/incidents/1/comments", &ann.headers(), Some(comment))
        .await;
    assert_eq!((said.status, &said.json()["author"]), (StatusCode::CREATED, &json!("ann")));
    let unassign = world
        .call("PATCH", "/api/v1/incidents/1", &ann.headers(), Some(json!({ "owner": null })))
        .await;
    assert_eq!(unassign.json()["owner"], json!(null));

    let shown = world.call("GET", "/api/v1/incidents/1", &ann.headers(), None).await.json();
    assert_eq!(shown["alerts"][0]["remediation"], json!(["Ask eve"]));
    assert_eq!(shown["comments"][0]["message"], json!("asked eve"));
    let last = shown["activity"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["who"], &last["field"], &last["from"], &last["to"]),
        (&json!("ann"), &json!("owner"), &json!("ann"), &json!(null))
    );
}

#[tokio::test]
async fn wrong_requests_say_what_is_wrong() {
    let world = world().await;
    with_incident(&world).await;
    let ann = world.browser("ann", Role::Responder).await;
    for (method, path, body, status, says) in [
        ("GET", "/api/v1/incidents?sort=colour", None, 400, "lastActivity"),
        ("GET", "/api/v1/incidents?statuss=New", None, 400, "statuss"),
        ("GET", "/api/v1/incidents?limit=x", None, 400, "limit"),
        ("GET", "/api/v1/incidents/99", None, 404, "99"),
        ("GET", "/api/v1/incidents/x", None, 404, "x"),
        ("PATCH", "/api/v1/incidents/1", Some(json!({ "status": "Gone" })), 400, "Gone"),
        ("PATCH", "/api/v1/incidents/1", Some(json!({ "colour": 1 })), 400, "colour"),
        (
            "PATCH",
            "/api/v1/incidents/1",
            Some(json!({ "status": "Closed" })),
            400,
            "classification",
        ),
        ("PUT", "/api/v1/incidents/1", None, 405, "method"),
        ("GET", "/api/v1/rules/none", None, 404, "none"),
    ] {
        let answered = world.call(method, path, &ann.headers(), body).await;
        let message = answered.json()["error"]["message"].as_str().unwrap().to_owned();
        assert_eq!(answered.status.as_u16(), status, "{path}: {message}");
        assert!(message.contains(says), "{path}: {message}");
    }
    let request = http::Request::builder()
        .method("POST")
        .uri("/api/v1/query/check")
        .header("content-type", "text/plain");
    let request = request.header("cookie", &ann.cookie).header("x-csrf-token", &ann.csrf);
    let answered = world.send(request.body(Body::from("{}")).unwrap()).await;
    assert_eq!(
        (answered.status.as_u16(), answered.error_code().as_str()),
        (415, "UnsupportedMediaType")
    );
    let large = json!({ "query": "x".repeat(3 * 1024 * 1024) });
    let answered = world.call("POST", "/api/v1/query/check", &ann.headers(), Some(large)).await;
    assert_eq!((answered.status.as_u16(), answered.error_code().as_str()), (413, "PayloadTooLarge"));
}

#[tokio::test]
async fn changes_are_told_as_they_happen_until_the_end() {
    let world = world().await;
    let token = world.reader().await;
    let request = http::Request::builder().uri("/api/v1/events").header("authorization", token);
    let response = world.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    let mut next = async || {
        let frame = body.frame().await?.unwrap();
        Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
    };
    assert!(next().await.unwrap().contains("event: ping"));
    for change in [Change::Unchanged, Change::Created] {
        world.changes.send(IncidentChange { number: 7, change }).unwrap();
    }
    let told = next().await.unwrap();
    assert!(
        told.contains("event: incident") && told.contains(r#"data: {"number":7,"change":"created"}"#),
        "{told}"
    );
    world.end.send(true).unwrap();
    assert_eq!(next().await, None);
}

#[tokio::test]
async fn queries_are_checked_completed_and_remembered() {
    let world = world().await;
    let ann = world.browser("ann", Role::Reader).await;
    let query = "print 'é'\n| tak 5";
    let checked = world
        .call("POST", "/api/v1/query/check", &ann.headers(), Some(json!({ "query": query })))
        .await
        .json();
    let place = |line: i32, column: i32, offset: i32| json!({ "line": line, "column": column, "offset": offset });
    assert_eq!(
        checked["diagnostics"],
        json!([{
            "severity": "error",
            "code": "KQL001",
            "message": "there is no operator tak",
            "help": "did you mean take?",
            "start": place(2, 3, 12),
            "end": place(2, 6, 15),
            "fix": { "start": place(2, 3, 12), "end": place(2, 6, 15), "text": "take" },
        }])
    );
    let body = json!({ "query": "é| w", "offset": 3 });
    let completed = world
        .call("POST", "/api/v1/query/complete", &ann.headers(), Some(body))
        .await
        .json();
    // The stand-in gives back what is before the place.
    assert_eq!(completed["items"][0]["detail"], json!("é| "));

    for query in [EVERY_TYPE, "unknown"] {
        let body = json!({ "query": query });
        world
            .call("POST", "/v1/workspaces/taffrail/query", &ann.headers(), Some(body))
            .await;
    }
    let history = world.call("GET", "/api/v1/history", &ann.headers(), None).await.json();
    assert_eq!((&history[0]["query"], &history[0]["rows"]), (&json!("unknown"), &json!(null)));
    assert!(history[0]["error"].as_str().unwrap().contains("unknown"));
    assert_eq!((&history[1]["query"], &history[1]["rows"]), (&json!(EVERY_TYPE), &json!(2)));
    let bob = world.browser("bob", Role::Administrator).await;
    assert_eq!(world.call("GET", "/api/v1/history", &bob.headers(), None).await.json(), json!([]));
}

#[tokio::test]
async fn rules_tables_and_health_are_shown() {
    let world = world().await;
    let token = world.reader().await;
    let headers = [("authorization", token.as_str())];
    let rule = world.call("GET", "/api/v1/rules/exec-into-pod", &headers, None).await.json();
    assert_eq!((&rule["techniques"], &rule["queryFrequency"]), (&json!(["T1609"]), &json!("PT5M")));
    let schema = world.call("GET", "/api/v1/schema", &headers, None).await.json();
    let user = json!({ "name": "User", "type": "dynamic", "about": "The User" });
    assert_eq!(
        (&schema["tables"][0]["name"], &schema["tables"][0]["columns"][1]),
        (&json!("KubernetesAudit"), &user)
    );
    assert_eq!(schema["functions"][0]["name"], json!("strlen"));

    assert_eq!(world.call("GET", "/readyz", &[], None).await.status, StatusCode::OK);
    world.broken.set(true);
    let ready = world.call("GET", "/readyz", &[], None).await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(ready.text.contains("lake") && !ready.text.contains("disk"), "{}", ready.text);
    let health = world.call("GET", "/api/v1/health", &headers, None).await.json();
    assert_eq!(
        (&health["status"], &health["parts"][1]["message"]),
        (&json!("failed"), &json!("the disk is full"))
    );
    assert_eq!(world.call("GET", "/healthz", &[], None).await.status, StatusCode::OK);
}
