//! The router over a real lake.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use taffrail_content::Content;
use taffrail_lake::{Lake, LakeOptions};
use taffrail_schema::Schema;
use tower::ServiceExt;

use crate::{Access, DoorOptions, Receiver, ReceiverOptions, router};

mod doors;
mod listeners;

/// What the server decides about a request's token.
async fn decide(mut request: Request<Body>, next: axum::middleware::Next) -> Response {
    let token = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let token = token
        .split_once(' ')
        .filter(|(scheme, _)| !scheme.eq_ignore_ascii_case("basic"))
        .map(|(_, token)| token);
    let access = match token {
        Some("all") => Access::ALL,
        Some("audit") => Access::Granted {
            source: Some("kubernetes-audit".to_owned()),
            cluster: None,
        },
        Some("blue") => Access::Granted {
            source: None,
            cluster: Some("blue".to_owned()),
        },
        Some(_) => Access::Refused {
            status: StatusCode::UNAUTHORIZED,
            message: "this token is not known".to_owned(),
        },
        None => Access::Refused {
            status: StatusCode::UNAUTHORIZED,
            message: "send a token".to_owned(),
        },
    };
    request.extensions_mut().insert(access);
    next.run(request).await
}

struct Fixture {
    router: Router,
    lake: Lake,
    _directory: tempfile::TempDir,
}

async fn fixture(options: ReceiverOptions) -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let schema = Arc::new(Schema::load(&Content::embedded()).unwrap());
    let lake = Lake::open(directory.path(), Arc::clone(&schema), LakeOptions::default())
        .await
        .unwrap();
    let receiver = Receiver::new(lake.clone(), schema, options);
    Fixture {
        router: router(receiver, DoorOptions::default()).layer(axum::middleware::from_fn(decide)),
        lake,
        _directory: directory,
    }
}

impl Fixture {
    async fn send(&self, path: &str, headers: &[(header::HeaderName, &str)], body: impl Into<Body>) -> Response {
        let mut request = Request::post(path);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        self.router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap()
    }

    /// With a good token.
    async fn post(&self, path: &str, body: impl Into<Body>) -> (StatusCode, Value) {
        answer(self.send(path, &[(header::AUTHORIZATION, "Bearer all")], body).await).await
    }

    fn rows(&self) -> BTreeMap<String, u64> {
        let statistics = self.lake.statistics();
        statistics
            .into_iter()
            .filter(|(_, table)| table.rows > 0)
            .map(|(name, table)| (name, table.rows))
            .collect()
    }
}

async fn answer(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (
        status,
        serde_json::from_slice(&bytes).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&bytes))),
    )
}

fn event(id: &str) -> String {
    json!({"kind": "Event", "apiVersion": "audit.k8s.io/v1", "auditID": id, "stage": "ResponseComplete", "stageTimestamp": "2026-01-15T10:00:00Z"}).to_string()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_batch_is_stored_once_however_often_and_compressed_it_comes() {
    let fixture = fixture(ReceiverOptions::default()).await;
    let list = format!(
        r#"{{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[{},{}]}}"#,
        event("a"),
        event("b")
    );
    let path = "/ingest/kubernetes-audit/prod";
    let stored = |stored: u64, duplicates: u64| json!({"stored": stored, "duplicates": duplicates, "rejected": 0, "rejections": []});
    assert_eq!(fixture.post(path, list.clone()).await, (StatusCode::OK, stored(2, 0)));
    assert_eq!(fixture.post(path, gzip(list.as_bytes())).await, (StatusCode::OK, stored(0, 2)));
    let zstd = zstd::encode_all(event("c").as_bytes(), 1).unwrap();
    assert_eq!(fixture.post("/ingest/kubernetes-audit", zstd).await, (StatusCode::OK, stored(1, 0)));
    // With all headers that say what is true anyway.
    let headers = [
        (header::AUTHORIZATION, "bearer audit"),
        (header::CONTENT_TYPE, "application/x-ndjson; charset=utf-8"),
        (header::CONTENT_ENCODING, "gzip"),
    ];
    let (status, receipt) = answer(fixture.send(path, &headers, gzip(event("d").as_bytes())).await).await;
    assert_eq!((status, receipt), (StatusCode::OK, stored(1, 0)));
    assert_eq!(fixture.rows(), BTreeMap::from([("KubernetesAudit".to_owned(), 4)]));
}

#[tokio::test]
async fn bad_records_are_dead_letters_beside_good_ones() {
    let fixture = fixture(ReceiverOptions::default()).await;
    let body = format!("{}\n{{\"kind\":\n{}\n", event("a"), event("b"));
    let (status, receipt) = fixture.post("/ingest/kubernetes-audit/prod", body).await;
    assert_eq!(status, StatusCode::OK, "the API server repeats a batch after any error");
    assert_eq!((&receipt["stored"], &receipt["rejected"]), (&json!(2), &json!(1)));
    assert_eq!(
        (&receipt["rejections"][0]["record"], &receipt["rejections"][0]["reason"]),
        (&json!(2), &json!("truncated JSON"))
    );
    assert_eq!(
        fixture.rows(),
        BTreeMap::from([("DeadLetter".to_owned(), 1), ("KubernetesAudit".to_owned(), 2)])
    );

    // Nothing usable is an error, and kept.
    let (status, error) = fixture.post("/ingest/kubernetes-audit/prod", "x\n".repeat(20)).await;
    assert_eq!(
        (status, &error["error"]["code"]),
        (StatusCode::BAD_REQUEST, &json!("NothingUsable"))
    );
    assert_eq!(error["error"]["details"]["rejected"], 20);
    assert_eq!(error["error"]["details"]["rejections"].as_array().unwrap().len(), 10);
    assert_eq!(fixture.rows()["DeadLetter"], 21);
    let (status, error) = fixture.post("/ingest/kubernetes-audit", Body::empty()).await;
    assert_eq!((status, &error["error"]["code"]), (StatusCode::BAD_REQUEST, &json!("EmptyBody")));
}

#[tokio::test]
async fn who_may_not_send_is_told_why_and_nothing_is_stored() {
    let fixture = fixture(ReceiverOptions::default()).await;
    for token in [None, Some("Bearer wrong"), Some("Basic YWxs")] {
        let headers: Vec<_> = token.map(|token| (header::AUTHORIZATION, token)).into_iter().collect();
        let response = fixture.send("/ingest/kubernetes-audit", &headers, event("a")).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(response.headers()[header::WWW_AUTHENTICATE].to_str().unwrap().starts_with("Bearer"));
    }
    for (path, token) in [
        ("/ingest/azure-diagnostics", "Bearer audit"),
        ("/ingest/kubernetes-audit/other", "Bearer blue"),
    ] {
        let response = fixture.send(path, &[(header::AUTHORIZATION, token)], event("a")).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{path}");
    }
    let (status, error) = fixture.post("/ingest/kubernets", event("a")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let message = error["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("kubernetes-audit") && message.contains("azure-diagnostics"),
        "{message}"
    );
    assert!(fixture.rows().is_empty());
}

#[tokio::test]
async fn wrong_headers_and_bombs_are_refused() {
    let fixture = fixture(ReceiverOptions {
        body_limit: 100_000,
        decompressed_limit: 1_000_000,
        ..ReceiverOptions::default()
    })
    .await;
    let path = "/ingest/kubernetes-audit";
    for (name, value, code) in [
        (header::CONTENT_TYPE, "application/x-www-form-urlencoded", "UnsupportedContentType"),
        (header::CONTENT_TYPE, "application/xml", "UnsupportedContentType"),
        (header::CONTENT_ENCODING, "br", "UnsupportedContentEncoding"),
    ] {
        let response = fixture
            .send(path, &[(header::AUTHORIZATION, "Bearer all"), (name, value)], event("a"))
            .await;
        let (status, error) = answer(response).await;
        assert_eq!(
            (status, &error["error"]["code"]),
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, &json!(code)),
            "{value}"
        );
        assert!(error["error"]["message"].as_str().unwrap().contains(value));
    }
    let too_large = "x".repeat(100_001);
    let chunked = Body::from_stream(futures::stream::iter([0; 2].map(|_| Ok::<_, std::io::Error>("x".repeat(60_000)))));
    for body in [Body::from(too_large), chunked, Body::from(gzip(&vec![b' '; 2_000_000]))] {
        let (status, error) = fixture.post(path, body).await;
        assert_eq!(
            (status, &error["error"]["code"]),
            (StatusCode::PAYLOAD_TOO_LARGE, &json!("BodyTooLarge"))
        );
    }
    let whole = gzip(event("a").as_bytes());
    let (status, error) = fixture.post(path, whole[..whole.len() - 9].to_vec()).await;
    assert_eq!((status, &error["error"]["code"]), (StatusCode::BAD_REQUEST, &json!("DamagedBody")));
    assert!(fixture.rows().is_empty());
}

#[tokio::test]
async fn a_lake_that_takes_nothing_asks_senders_to_come_again() {
    let fixture = fixture(ReceiverOptions::default()).await;
    fixture.lake.close().await.unwrap();
    let response = fixture
        .send("/ingest/kubernetes-audit", &[(header::AUTHORIZATION, "Bearer all")], event("a"))
        .await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key(header::RETRY_AFTER));
}

#[tokio::test]
async fn a_body_sent_to_auto_is_recognised_and_the_answer_says_as_what() {
    let fixture = fixture(ReceiverOptions::default()).await;
    let line = "<38>1 2026-01-15T10:00:09.003Z n1 sshd 991 - - Failed password for root from 198.51.100.4 port 50122 ssh2\n";
    let (status, receipt) = fixture.post("/ingest/auto/prod", line).await;
    assert_eq!(
        (status, &receipt["recognised"], &receipt["stored"]),
        (StatusCode::OK, &json!("syslog"), &json!(2))
    );
    assert_eq!(
        fixture.rows(),
        BTreeMap::from([("ASimAuthenticationEventLogs".to_owned(), 1), ("Syslog".to_owned(), 1)])
    );
}
