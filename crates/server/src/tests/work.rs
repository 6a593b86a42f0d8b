//! Tasks, findings, the trail of actions, indicators, settings, exports.

use http::StatusCode;
use serde_json::json;
use taffrail_state::users::Role;

use super::{EVERY_TYPE, WRONG, world};

#[tokio::test]
async fn what_somebody_finds_becomes_an_incident_with_tasks() {
    let world = world().await;
    let ann = world.browser("ann", Role::Responder).await;
    let finding = |id: &str| {
        json!({
            "id": id, "title": "Token used from two places", "note": "Seen while *hunting*.", "query": "KubernetesAudit",
            "evidence": { "columns": [{ "name": "Username", "type": "string" }], "rows": [["eve"]] },
            "entities": [{ "type": "Account", "name": "eve" }], "techniques": ["T1528"],
            "firstActivity": "2026-01-02T10:00:00Z", "lastActivity": "2026-01-02T11:00:00Z",
        })
    };
    let new = json!({ "title": "Eve's token", "severity": "High", "findings": [finding("b-1")] });
    let opened = world.call("POST", "/api/v1/incidents", &ann.headers(), Some(new.clone())).await;
    assert_eq!(opened.status, StatusCode::CREATED, "{}", opened.text);
    assert_eq!(
        (&opened.json()["number"], &opened.json()["rules"], &opened.json()["techniques"]),
        (&json!(1), &json!([]), &json!(["T1528"]))
    );
    let again = world.call("POST", "/api/v1/incidents", &ann.headers(), Some(new)).await;
    assert_eq!((again.status, again.error_code()), (StatusCode::CONFLICT, "Exists".to_owned()));
    let added = world
        .call("POST", "/api/v1/incidents/1/findings", &ann.headers(), Some(finding("b-2")))
        .await;
    assert_eq!((added.status, &added.json()["alertCount"]), (StatusCode::CREATED, &json!(2)));

    let task = json!({ "title": "Rotate the token", "description": "`kubectl delete secret`" });
    let task = world.call("POST", "/api/v1/incidents/1/tasks", &ann.headers(), Some(task)).await;
    assert_eq!((task.status, &task.json()["doneAt"]), (StatusCode::CREATED, &json!(null)));
    let path = format!("/api/v1/incidents/1/tasks/{}", task.json()["id"].as_str().unwrap());
    let done = world.call("PATCH", &path, &ann.headers(), Some(json!({ "done": true }))).await;
    assert_eq!(done.json()["doneBy"], "ann");
    let detail = world.call("GET", "/api/v1/incidents/1", &ann.headers(), None).await.json();
    assert_eq!(
        (&detail["tasks"][0]["doneBy"], &detail["alerts"][0]["evidence"]["rows"]),
        (&json!("ann"), &json!([["eve"]]))
    );
    let log: Vec<_> = detail["activity"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["action"].as_str().unwrap())
        .collect();
    assert_eq!(log, ["created", "alert added", "alert added", "task added", "task done"]);
    let foreign = path.replace("incidents/1", "incidents/2");
    assert_eq!(
        world.call("DELETE", &foreign, &ann.headers(), None).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        world.call("DELETE", &path, &ann.headers(), None).await.status,
        StatusCode::NO_CONTENT
    );

    let reader = world.browser("rob", Role::Reader).await;
    let refused = world
        .call(
            "POST",
            "/api/v1/incidents/1/tasks",
            &reader.headers(),
            Some(json!({ "title": "x" })),
        )
        .await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_trail_says_who_did_what() {
    let world = world().await;
    let root = world.browser("root", Role::Administrator).await;
    let wrong = json!({ "username": "root", "password": "not this one" });
    world.call("POST", "/api/v1/session", &[], Some(wrong)).await;
    let cost = json!({ "currency": "EUR", "perGibMonth": 0.05 });
    let set = world
        .call("PUT", "/api/v1/settings/cost", &root.headers(), Some(cost.clone()))
        .await;
    assert_eq!(set.status, StatusCode::NO_CONTENT, "{}", set.text);
    let settings = world.call("GET", "/api/v1/settings", &root.headers(), None).await.json();
    assert_eq!(settings, json!({ "cost": cost }));
    let currency = json!({ "currency": "euro", "perGibMonth": 1 });
    assert_eq!(
        world
            .call("PUT", "/api/v1/settings/cost", &root.headers(), Some(currency))
            .await
            .status,
        StatusCode::BAD_REQUEST
    );

    let export = json!({ "query": EVERY_TYPE, "timespan": "PT1H" });
    let file = world.call("POST", "/api/v1/query/export", &root.headers(), Some(export)).await;
    assert_eq!(
        (file.status, file.header("content-type"), file.text.as_str()),
        (StatusCode::OK, "application/vnd.apache.parquet", "PAR1")
    );
    let failed = world
        .call("POST", "/api/v1/query/export", &root.headers(), Some(json!({ "query": WRONG })))
        .await;
    assert_eq!(failed.status, StatusCode::BAD_REQUEST);

    let trail = world
        .call("GET", "/api/v1/activity?who=root&limit=10", &root.headers(), None)
        .await
        .json();
    let did: Vec<_> = trail["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["action"].as_str().unwrap(), item["subject"].as_str().unwrap()))
        .collect();
    assert_eq!(
        did,
        [
            ("exported", "query/export"),
            ("changed", "setting/cost"),
            ("sign-in refused", "session/root"),
            ("signed in", "session/root")
        ]
    );
    assert_eq!(trail["people"], json!(["root", "test"]));
    let narrowed = world
        .call("GET", "/api/v1/activity?kind=session&search=refused", &root.headers(), None)
        .await
        .json();
    assert_eq!(
        (&narrowed["total"], &narrowed["kinds"]),
        (&json!(1), &json!(["query", "session", "setting", "user"]))
    );
    let ann = world.browser("ann", Role::Contributor).await;
    assert_eq!(
        world.call("GET", "/api/v1/activity", &ann.headers(), None).await.status,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn indicators_are_checked_and_taken_in_whole_or_not_at_all() {
    let world = world().await;
    let ann = world.browser("ann", Role::Contributor).await;
    let good = json!({ "kind": "ipv4", "value": "203.0.113.7", "description": "Scanner", "confidence": 90 });
    let bad = json!({ "kind": "ipv4", "value": "2001:db8::1" });
    let import = |list: serde_json::Value| json!({ "source": "team", "indicators": list });
    let refused = world
        .call("POST", "/api/v1/indicators", &ann.headers(), Some(import(json!([good, bad]))))
        .await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.text.contains("indicators[1]"), "{}", refused.text);
    assert!(world.appended.get().is_empty());
    let stored = world
        .call("POST", "/api/v1/indicators", &ann.headers(), Some(import(json!([good]))))
        .await;
    assert_eq!((stored.status, stored.json()), (StatusCode::CREATED, json!({ "stored": 1 })));
    let rows = world.appended.get();
    let row = &rows[0]["row"];
    assert_eq!(
        (&row["ObservableKey"], &row["ObservableValue"], &row["IsActive"], &row["Pattern"]),
        (
            &json!("ipv4-addr:value"),
            &json!("203.0.113.7"),
            &json!(true),
            &json!("[ipv4-addr:value = '203.0.113.7']")
        )
    );
    let ben = world.browser("ben", Role::Responder).await;
    let refused = world
        .call("POST", "/api/v1/indicators", &ben.headers(), Some(import(json!([good]))))
        .await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}
