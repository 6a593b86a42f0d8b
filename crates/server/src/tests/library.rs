//! The library: what is shipped, what people lay over it, and who may.

use http::StatusCode;
use serde_json::json;
use taffrail_state::users::Role;

use super::world;

#[tokio::test]
async fn a_shipped_workbook_is_changed_for_everybody_and_taken_back() {
    let world = world().await;
    let ann = world.browser("ann", Role::Contributor).await;
    let bob = world.browser("bob", Role::Reader).await;
    let path = "/api/v1/library/workbooks";
    let listed = world.call("GET", path, &bob.headers(), None).await.json();
    assert_eq!(listed[0]["origin"], "shipped");
    assert_eq!(listed[0]["name"], "Audit overview");

    let one = format!("{path}/audit-overview");
    let change = json!({ "name": "Ours", "shared": true, "body": { "description": "mine", "parts": [1] } });
    let refused = world.call("PUT", &one, &bob.headers(), Some(change.clone())).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
    let kept = world.call("PUT", &one, &ann.headers(), Some(change)).await;
    assert_eq!(kept.status, StatusCode::OK, "{}", kept.text);
    let seen = world.call("GET", path, &bob.headers(), None).await.json();
    assert_eq!((&seen[0]["origin"], &seen[0]["name"]), (&json!("changed"), &json!("Ours")));

    let stale = json!({ "name": "Late", "shared": true, "basedOn": "2020-01-01T00:00:00Z", "body": {} });
    assert_eq!(
        world.call("PUT", &one, &ann.headers(), Some(stale)).await.status,
        StatusCode::CONFLICT
    );

    assert_eq!(world.call("DELETE", &one, &bob.headers(), None).await.status, StatusCode::FORBIDDEN);
    assert_eq!(
        world.call("DELETE", &one, &ann.headers(), None).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(world.call("GET", path, &bob.headers(), None).await.json()[0]["origin"], "shipped");
}

#[tokio::test]
async fn what_somebody_keeps_alone_nobody_else_sees_or_overwrites() {
    let world = world().await;
    let ann = world.browser("ann", Role::Reader).await;
    let bob = world.browser("bob", Role::Contributor).await;
    let one = "/api/v1/library/queries/execs";
    let query = json!({ "name": "Execs", "body": { "query": "KubernetesAudit" } });
    assert_eq!(
        world.call("PUT", one, &ann.headers(), Some(query.clone())).await.status,
        StatusCode::OK
    );
    let others = world.call("GET", "/api/v1/library/queries", &bob.headers(), None).await;
    assert_eq!(others.json(), json!([]));
    assert_eq!(
        world.call("PUT", one, &bob.headers(), Some(query)).await.status,
        StatusCode::CONFLICT
    );
    assert_eq!(world.call("DELETE", one, &bob.headers(), None).await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.call("DELETE", one, &ann.headers(), None).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn unknown_kinds_and_files_are_refused() {
    let world = world().await;
    let ann = world.browser("ann", Role::Administrator).await;
    assert_eq!(
        world.call("GET", "/api/v1/library/nothing", &ann.headers(), None).await.status,
        StatusCode::NOT_FOUND
    );
    let body = json!({ "name": "x", "shared": true, "body": {} });
    let source = world
        .call("PUT", "/api/v1/library/sources/x", &ann.headers(), Some(body.clone()))
        .await;
    assert_eq!(source.status, StatusCode::BAD_REQUEST);
    let wrong = world
        .call("PUT", "/api/v1/library/views/No%20Such", &ann.headers(), Some(body))
        .await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
}
