//! What bad input gets: a clear error, good neighbours kept, and a dead letter with the reason.

use serde_json::json;

use crate::common::{Server, event, event_list, run, send, stderr};

#[test]
fn bad_requests_over_http() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path(), &[]);
    let session = server.sign_in();
    let token = session.ingest_token("test");

    // A wrong token, and one that may not.
    let (status, body) = server.ingest("kubernetes-audit/prod", "tfr_wrong", event_list(&[event(1)]));
    assert_eq!(status, 401, "{body}");
    let (status, body) = send(
        server
            .client
            .post(format!("{}/v1/workspaces/default/query", server.url))
            .bearer_auth(&token)
            .json(&json!({ "query": "KubernetesAudit" })),
    );
    assert_eq!(status, 403, "an ingestion token cannot read: {body}");

    // A wrong content type and an unknown source.
    let (status, body) = server.ingest_as("kubernetes-audit/prod", &token, "image/png", event_list(&[event(1)]));
    assert_eq!(status, 415, "{body}");
    assert!(body.to_string().contains("image/png"), "{body}");
    let (status, body) = server.ingest("spaceship", &token, "{}");
    assert_eq!(status, 404, "{body}");
    assert!(
        body.to_string().contains("kubernetes-audit"),
        "the answer names the sources there are: {body}"
    );

    // Good and bad side by side: truncated, not UTF-8, without a time, unknown version.
    let mut timeless = event(3);
    for field in ["requestReceivedTimestamp", "stageTimestamp"] {
        timeless.as_object_mut().expect("an object").remove(field);
    }
    let mut future = event(4);
    future["apiVersion"] = json!("audit.k8s.io/v9");
    let mut body = format!("{}\n", event(1)).into_bytes();
    body.extend_from_slice(b"{\"kind\":\"Event\",\"auditID\":\"half\n");
    body.extend_from_slice(b"{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\",\"auditID\":\"\xff\xfe\"}\n");
    body.extend_from_slice(format!("{timeless}\n{future}\n{}\n", event(2)).as_bytes());
    let (status, answer) = server.ingest("kubernetes-audit/prod", &token, body);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        (answer["stored"].as_u64(), answer["rejected"].as_u64()),
        (Some(2), Some(4)),
        "{answer}"
    );
    assert_eq!(session.number("KubernetesAudit | count"), 2);
    let dead = session.query("DeadLetter | project Reason, Detail, Raw, Source | order by Reason asc");
    assert_eq!(dead.len(), 4, "{dead:?}");
    assert!(
        dead.iter()
            .all(|row| !row[0].as_str().unwrap_or_default().is_empty() && row[3] == "kubernetes-audit")
    );
    assert!(
        dead.iter()
            .any(|row| row[2].as_str().unwrap_or_default().contains("audit.k8s.io/v9"))
    );

    // Nothing usable at all: the sender hears of it.
    let (status, body) = server.ingest("kubernetes-audit/prod", &token, "this is no audit log");
    assert_eq!(status, 400, "{body}");

    // A gzip bomb: a gigabyte of blanks in a megabyte.
    let bomb = gzip_bomb();
    let (status, body) = send(
        server
            .client
            .post(format!("{}/ingest/kubernetes-audit/prod", server.url))
            .bearer_auth(&token)
            .header("Content-Type", "application/json")
            .header("Content-Encoding", "gzip")
            .body(bomb),
    );
    assert_eq!(status, 413, "{body}");

    // One enormous line between two good ones.
    let mut body = format!("{}\n", event(11)).into_bytes();
    body.extend_from_slice(b"{\"kind\":\"Event\",\"padding\":\"");
    body.extend(std::iter::repeat_n(b'x', 50 << 20));
    body.extend_from_slice(format!("\"}}\n{}\n", event(12)).as_bytes());
    let (status, answer) = server.ingest("kubernetes-audit/prod", &token, body);
    assert_eq!(
        (status, answer["stored"].as_u64(), answer["rejected"].as_u64()),
        (200, Some(2), Some(1)),
        "{answer}"
    );

    // All of it is counted.
    let metrics = send(server.client.get(format!("{}/metrics", server.url))).1;
    assert!(metrics.as_str().unwrap_or_default().contains("rejected"), "{metrics}");
}

fn gzip_bomb() -> Vec<u8> {
    let mut gzip = std::process::Command::new("sh")
        .args(["-c", "head -c 1073741824 /dev/zero | tr '\\0' ' ' | gzip -1"])
        .output()
        .expect("gzip");
    std::mem::take(&mut gzip.stdout)
}

#[test]
fn queries_point_at_the_place_and_suggest_the_mend() {
    for (query, place, hint) in [
        ("KubernetesAudit | where Verb == “get”", "line 1, column 33", "quote"),
        ("KubernetesAudit where Verb == 'get'", "line 1, column 17", "|"),
        ("KubernetesAudit | were Verb == 'get'", "line 1, column 19", "where"),
        ("KubernetesAudit\n| where Verbb == 'get'", "line 2, column 9", "Verb"),
        ("KubernetesAudits | count", "line 1, column 1", "KubernetesAudit"),
        ("KubernetesAudit | graph-match (a)-[e]->(b) project a", "line 1", "make-graph"),
    ] {
        let output = run(&["query", query]);
        assert_eq!(output.status.code(), Some(2), "{query}");
        let said = stderr(&output);
        assert!(said.contains(place), "{query}: {said}");
        assert!(said.contains(hint), "{query}: {said}");
    }
}

#[test]
fn the_query_api_tells_the_place_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path(), &["--no-auth"]);
    let (status, body) = send(
        server
            .client
            .post(format!("{}/v1/workspaces/default/query", server.url))
            .json(&json!({ "query": "KubernetesAudit | where Verb == “get”" })),
    );
    assert_eq!(status, 400);
    let start = &body["error"]["diagnostics"][0]["start"];
    assert_eq!((start["line"].as_u64(), start["column"].as_u64()), (Some(1), Some(33)), "{body}");
    assert_eq!(body["error"]["innererror"]["line"], 1, "{body}");
}
