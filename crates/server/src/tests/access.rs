//! Signing in, roles, tokens, forged requests.

use http::StatusCode;
use serde_json::json;
use taffrail_state::tokens::Scope;
use taffrail_state::users::Role;

use super::{PASSWORD, documented, noon, world, world_with};
use crate::app::ServerOptions;

/// Open to everybody, on purpose.
const OPEN: [&str; 5] = [
    "/api/v1/openapi.json",
    "/healthz",
    "/readyz",
    "/v1/rest/auth/metadata",
    "POST /api/v1/session",
];

fn concrete(path: &str) -> String {
    let mut out = path.to_owned();
    for name in ["{number}", "{id}", "{name}", "{workspace}", "{source}", "{cluster}"] {
        out = out.replace(name, "1");
    }
    out
}

#[tokio::test]
async fn every_documented_route_answers_and_asks_who_is_there() {
    let world = world().await;
    let documented = documented();
    assert!(documented.len() > 25, "{documented:?}");
    for (path, methods) in &documented {
        for method in methods {
            let answered = world.call(method, &concrete(path), &[], None).await;
            let name = format!("{method} {path}");
            let open = OPEN.iter().any(|open| *open == path || *open == name);
            let expected = if open {
                answered.status != StatusCode::UNAUTHORIZED
            } else {
                answered.status == StatusCode::UNAUTHORIZED
            };
            assert!(expected, "{name}: {} {}", answered.status, answered.text);
            assert_ne!(answered.status, StatusCode::NOT_FOUND, "{name} is documented and not served");
        }
    }
    // And the other way round: what is under our prefixes and not documented is not there.
    for path in ["/api/v1/nothing", "/v1/nothing", "/ingest"] {
        let answered = world.call("GET", path, &[], None).await;
        assert_eq!(
            (answered.status, answered.error_code().as_str()),
            (StatusCode::NOT_FOUND, "NotFound"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn signing_in_gives_a_cookie_that_scripts_cannot_read() {
    let world = world().await;
    let ann = world.browser("ann", Role::Reader).await;
    let credentials = json!({ "username": "ann", "password": PASSWORD });
    let answered = world.call("POST", "/api/v1/session", &[], Some(credentials.clone())).await;
    let cookie = answered.header("set-cookie");
    assert!(
        cookie.starts_with("taffrail_session=") && cookie.contains("; HttpOnly; SameSite=Strict; Path=/"),
        "{cookie}"
    );
    assert!(!cookie.contains("Secure"));
    assert_eq!(
        answered.json()["user"],
        json!({ "name": "ann", "displayName": "ann", "role": "Reader" })
    );
    assert_eq!(answered.header("cache-control"), "no-store");

    let session = world.call("GET", "/api/v1/session", &ann.headers(), None).await.json();
    assert_eq!(
        (session["csrf"].as_str().unwrap(), &session["noAuth"]),
        (ann.csrf.as_str(), &json!(false))
    );

    let out = world.call("DELETE", "/api/v1/session", &ann.headers(), None).await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    let after = world.call("GET", "/api/v1/session", &ann.headers(), None).await;
    assert_eq!(
        (after.status, after.error_code().as_str()),
        (StatusCode::UNAUTHORIZED, "Unauthorized")
    );

    // Behind a proxy that speaks TLS the cookie must not travel without it.
    let behind = world_with(ServerOptions {
        public_url: Some("https://siem.example.com".to_owned()),
        ..ServerOptions::default()
    })
    .await;
    behind.browser("ann", Role::Reader).await;
    let answered = behind.call("POST", "/api/v1/session", &[], Some(credentials)).await;
    assert!(answered.header("set-cookie").ends_with("; Secure"));
}

#[tokio::test]
async fn guessing_passwords_is_slowed_down() {
    let world = world().await;
    world.browser("ann", Role::Reader).await;
    let wrong = json!({ "username": "ann", "password": "not it" });
    for _ in 0..5 {
        let answered = world.call("POST", "/api/v1/session", &[], Some(wrong.clone())).await;
        assert_eq!(
            (answered.status, answered.error_code().as_str()),
            (StatusCode::UNAUTHORIZED, "WrongPassword")
        );
    }
    let right = json!({ "username": "ann", "password": PASSWORD });
    let blocked = world.call("POST", "/api/v1/session", &[], Some(right.clone())).await;
    assert_eq!(
        (blocked.status, blocked.error_code().as_str()),
        (StatusCode::TOO_MANY_REQUESTS, "Blocked")
    );
    assert!(blocked.header("retry-after").parse::<i64>().unwrap() >= 1);
    world.now.set(Some(noon() + chrono::Duration::seconds(6)));
    let later = world.call("POST", "/api/v1/session", &[], Some(right)).await;
    assert_eq!(later.status, StatusCode::OK);
}

#[tokio::test]
async fn changes_by_cookie_need_the_csrf_token() {
    let world = world().await;
    let root = world.browser("root", Role::Administrator).await;
    let body = json!({ "name": "bob", "role": "Reader" });
    let cookie = ("cookie", root.cookie.as_str());
    for forged in [vec![cookie], vec![cookie, ("x-csrf-token", "guess")]] {
        let answered = world.call("POST", "/api/v1/users", &forged, Some(body.clone())).await;
        assert_eq!(
            (answered.status, answered.error_code().as_str()),
            (StatusCode::FORBIDDEN, "CsrfTokenMissing")
        );
    }
    let made = world.call("POST", "/api/v1/users", &root.headers(), Some(body)).await;
    assert_eq!(made.status, StatusCode::CREATED);
    assert_eq!(made.json()["password"].as_str().unwrap().len(), 23);

    // Tokens are not sent by browsers on their own.
    let admin = world.token(Scope::Api { role: Role::Administrator }).await;
    let by_token = world
        .call(
            "POST",
            "/api/v1/users",
            &[("authorization", &admin)],
            Some(json!({ "name": "eve", "role": "Reader" })),
        )
        .await;
    assert_eq!(by_token.status, StatusCode::CREATED);
}

#[tokio::test]
async fn roles_are_enforced() {
    let world = world().await;
    let patch = json!({ "title": "x" });
    let requests = [
        ("GET", "/api/v1/incidents", None, Role::Reader),
        ("GET", "/api/v1/rules", None, Role::Reader),
        ("PATCH", "/api/v1/incidents/1", Some(patch.clone()), Role::Responder),
        (
            "POST",
            "/api/v1/incidents/1/comments",
            Some(json!({ "message": "x" })),
            Role::Responder,
        ),
        ("GET", "/api/v1/users", None, Role::Administrator),
        ("DELETE", "/api/v1/users/nobody", None, Role::Administrator),
        ("GET", "/api/v1/tokens", None, Role::Administrator),
        ("DELETE", "/api/v1/tokens/1", None, Role::Administrator),
    ];
    for role in [Role::Reader, Role::Responder, Role::Contributor, Role::Administrator] {
        let token = world.token(Scope::Api { role }).await;
        for (method, path, body, needed) in &requests {
            let answered = world.call(method, path, &[("authorization", &token)], body.clone()).await;
            let refused = answered.status == StatusCode::FORBIDDEN;
            assert_eq!(refused, role < *needed, "{role} {method} {path}: {}", answered.text);
        }
    }
}

#[tokio::test]
async fn ingestion_tokens_only_send_and_only_where_they_may() {
    let world = world().await;
    let scope = Scope::Ingest {
        source: Some("kubernetes-audit".to_owned()),
        cluster: Some("prod".to_owned()),
    };
    let narrow = world.token(scope).await;
    let wide = Scope::Ingest {
        source: None,
        cluster: None,
    };
    let wide = world.token(wide).await;
    let api = world.token(Scope::Api { role: Role::Administrator }).await;
    for (token, path, expected) in [
        (&narrow, "/ingest/kubernetes-audit/prod", StatusCode::OK),
        (&narrow, "/ingest/kubernetes-audit/test", StatusCode::FORBIDDEN),
        (&narrow, "/ingest/kubernetes-audit", StatusCode::FORBIDDEN),
        (&narrow, "/ingest/syslog/prod", StatusCode::FORBIDDEN),
        (&wide, "/ingest/syslog/prod", StatusCode::OK),
        (&api, "/ingest/kubernetes-audit/prod", StatusCode::FORBIDDEN),
    ] {
        let answered = world.call("POST", path, &[("authorization", token)], None).await;
        assert_eq!(answered.status, expected, "{path}: {}", answered.text);
    }
    for path in ["/api/v1/incidents", "/api/v1/session", "/metrics"] {
        let answered = world.call("GET", path, &[("authorization", &wide)], None).await;
        assert_eq!(answered.status, StatusCode::FORBIDDEN, "{path}");
    }
    let unknown = world
        .call("POST", "/ingest/syslog", &[("authorization", "Bearer tfr_guess")], None)
        .await;
    assert_eq!(
        (unknown.status, unknown.header("www-authenticate")),
        (StatusCode::UNAUTHORIZED, "Bearer")
    );
}

#[tokio::test]
async fn a_token_is_shown_once() {
    let world = world().await;
    let root = world.browser("root", Role::Administrator).await;
    let body = json!({ "name": "prod", "kind": "ingest", "source": "kubernetes-audit" });
    let made = world.call("POST", "/api/v1/tokens", &root.headers(), Some(body)).await.json();
    assert!(made["token"].as_str().unwrap().starts_with("tfr_"));
    assert_eq!((&made["kind"], &made["source"]), (&json!("ingest"), &json!("kubernetes-audit")));
    let listed = world.call("GET", "/api/v1/tokens", &root.headers(), None).await;
    assert!(!listed.text.contains("tfr_"));
    let path = format!("/api/v1/tokens/{}", made["id"].as_str().unwrap());
    assert_eq!(
        world.call("DELETE", &path, &root.headers(), None).await.status,
        StatusCode::NO_CONTENT
    );
    let bearer = format!("Bearer {}", made["token"].as_str().unwrap());
    let after = world
        .call("POST", "/ingest/kubernetes-audit", &[("authorization", &bearer)], None)
        .await;
    assert_eq!(after.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn without_sign_in_only_local_pages_get_in() {
    let world = world_with(ServerOptions {
        no_auth: true,
        ..ServerOptions::default()
    })
    .await;
    let session = world.call("GET", "/api/v1/session", &[], None).await.json();
    assert_eq!(
        (&session["user"]["role"], &session["noAuth"]),
        (&json!("Administrator"), &json!(true))
    );
    let call = async |host: &str, origin: &str| {
        let mut request = http::Request::builder().method("POST").uri("/api/v1/query/check");
        request = request.header("host", host).header("content-type", "application/json");
        if !origin.is_empty() {
            request = request.header("origin", origin);
        }
        let request = request.body(axum::body::Body::from(r#"{"query":"x"}"#)).unwrap();
        world.send(request).await.status
    };
    for (host, origin, expected) in [
        ("127.0.0.1:8090", "", StatusCode::OK),
        ("localhost:8090", "http://localhost:8090", StatusCode::OK),
        ("[::1]:8090", "", StatusCode::OK),
        ("evil.example:8090", "", StatusCode::FORBIDDEN),
        ("127.0.0.1.evil.example", "", StatusCode::FORBIDDEN),
        ("127.0.0.1:8090", "http://evil.example", StatusCode::FORBIDDEN),
        ("127.0.0.1:8090", "null", StatusCode::FORBIDDEN),
    ] {
        assert_eq!(call(host, origin).await, expected, "{host} {origin}");
    }
}

#[tokio::test]
async fn a_new_password_ends_all_sessions() {
    let world = world().await;
    let ann = world.browser("ann", Role::Reader).await;
    let other = world.sign_in("ann").await;
    let weak = json!({ "old": PASSWORD, "new": "short" });
    let refused = world.call("POST", "/api/v1/session/password", &ann.headers(), Some(weak)).await;
    assert_eq!(
        (refused.status, refused.error_code().as_str()),
        (StatusCode::BAD_REQUEST, "Invalid")
    );
    let strong = json!({ "old": PASSWORD, "new": "another long enough one" });
    let changed = world.call("POST", "/api/v1/session/password", &ann.headers(), Some(strong)).await;
    assert_eq!((changed.status, &changed.json()["mustChange"]), (StatusCode::OK, &json!(false)));
    assert!(changed.header("set-cookie").starts_with("taffrail_session="));
    for old in [ann, other] {
        let after = world.call("GET", "/api/v1/session", &old.headers(), None).await;
        assert_eq!(after.status, StatusCode::UNAUTHORIZED);
    }
}
