//! Starting, stopping, dying, and being started twice.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use crate::common::{Server, event, event_list, run, send, stderr, stdout, taffrail, wait};

#[test]
fn a_second_process_on_the_same_data_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path(), &[]);
    let second = taffrail()
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(folder.path())
        .output()
        .expect("it runs");
    assert_eq!(second.status.code(), Some(2));
    let said = stderr(&second);
    assert!(said.contains("in use") && said.contains(&server.pid().to_string()), "{said}");
}

#[test]
fn without_sign_in_only_on_loopback() {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = taffrail()
        .args(["serve", "--no-auth", "--listen", "0.0.0.0:0", "--data-dir"])
        .arg(folder.path())
        .output()
        .expect("it runs");
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("loopback"), "{}", stderr(&refused));

    let server = Server::start(folder.path(), &["--no-auth"]);
    let (status, _) = send(server.client.get(format!("{}/api/v1/incidents", server.url)));
    assert_eq!(status, 200);
}

#[test]
fn the_password_is_shown_once_and_events_survive_an_orderly_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(folder.path(), &[]);
    let password = server.password.clone().expect("a password");
    let token = {
        let session = server.sign_in();
        session.ingest_token("test")
    };
    let events: Vec<_> = (0..50).map(event).collect();
    let (status, body) = server.ingest("kubernetes-audit/prod", &token, event_list(&events));
    assert_eq!(status, 200, "{body}");
    assert_eq!(server.stop(), Some(0), "an orderly end is a success");

    let mut again = Server::start(folder.path(), &[]);
    assert_eq!(again.password, None, "the first administrator exists");
    (again.user, again.password) = (Some("admin".to_owned()), Some(password));
    let session = again.sign_in();
    assert_eq!(session.number("KubernetesAudit | where Cluster == 'prod' | count"), 50);
    // Events may come again: the API server repeats a batch after any error.
    let (status, body) = again.ingest("kubernetes-audit/prod", &token, event_list(&events));
    assert_eq!((status, body["duplicates"].as_u64()), (200, Some(50)), "{body}");
    assert_eq!(session.number("KubernetesAudit | count"), 50);
}

#[test]
fn a_query_beside_the_server_and_after_it_sees_what_is_durable() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(folder.path(), &["--no-auth"]);
    let events: Vec<_> = (0..7).map(event).collect();
    assert_eq!(server.ingest("kubernetes-audit", "none", event_list(&events)).0, 200);
    let directory = folder.path().to_str().expect("text");
    let ask = || {
        stdout(&run(&[
            "query",
            "--data-dir",
            directory,
            "--format",
            "jsonl",
            "KubernetesAudit | summarize count() by Verb",
        ]))
    };
    assert_eq!(ask().trim(), r#"{"Verb":"list","count_":7}"#);
    server.kill();
    assert_eq!(ask().trim(), r#"{"Verb":"list","count_":7}"#);
}

/// Every event that was acknowledged is there, once, after the process is killed while it takes events in from several clients.
#[test]
fn what_was_acknowledged_survives_a_kill() {
    let folder = tempfile::tempdir().expect("a folder");
    let acknowledged: Arc<Mutex<HashSet<u64>>> = Arc::default();
    let mut next = 0u64;
    for round in 0..3u64 {
        let mut server = Server::start(folder.path(), &["--no-auth"]);
        let stop = Arc::new(AtomicBool::new(false));
        let senders: Vec<_> = (0..3u64)
            .map(|sender| {
                let (client, url) = (server.client.clone(), format!("{}/ingest/kubernetes-audit/prod", server.url));
                let (acknowledged, stop) = (Arc::clone(&acknowledged), Arc::clone(&stop));
                let first = next + sender * 1_000_000;
                std::thread::spawn(move || {
                    let mut id = first;
                    while !stop.load(Ordering::Relaxed) {
                        let ids: Vec<u64> = (id..id + 20).collect();
                        id += 20;
                        let body = event_list(&ids.iter().copied().map(event).collect::<Vec<_>>());
                        let sent = wait(client.post(&url).header("Content-Type", "application/json").body(body).send());
                        match sent {
                            Ok(response) if response.status() == 200 => acknowledged.lock().expect("lock").extend(ids),
                            _ => return,
                        }
                    }
                })
            })
            .collect();
        // Until enough is in, then in the middle of whatever is going on.
        let enough = (round as usize + 1) * 400;
        let started = std::time::Instant::now();
        while acknowledged.lock().expect("lock").len() < enough {
            assert!(started.elapsed() < Duration::from_secs(120), "events are not taken in");
            std::thread::yield_now();
        }
        server.kill();
        stop.store(true, Ordering::Relaxed);
        for sender in senders {
            sender.join().expect("a sender");
        }
        next += 10_000_000;
    }

    let server = Server::start(folder.path(), &["--no-auth"]);
    let query = "KubernetesAudit | summarize Copies = count() by AuditId";
    let (status, body) = send(
        server
            .client
            .post(format!("{}/v1/workspaces/default/query", server.url))
            .json(&json!({ "query": query })),
    );
    assert_eq!(status, 200, "{body}");
    let mut stored: HashSet<String> = HashSet::new();
    for row in body["tables"][0]["rows"].as_array().expect("rows") {
        assert_eq!(row[1], 1, "{} is there more than once", row[0]);
        stored.insert(row[0].as_str().expect("text").to_owned());
    }
    let acknowledged = acknowledged.lock().expect("lock");
    let lost: Vec<u64> = acknowledged
        .iter()
        .copied()
        .filter(|id| !stored.contains(&format!("00000000-0000-4000-8000-{id:012}")))
        .collect();
    assert!(
        lost.is_empty(),
        "{} of {} acknowledged events are lost",
        lost.len(),
        acknowledged.len()
    );
}
