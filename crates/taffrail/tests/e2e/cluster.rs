//! A real API server with its audit webhook pointed at a real Taffrail, over TLS, with an ingestion token.

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use futures::StreamExt;
use serde_json::Value;

use crate::common::{Server, Session, shared, stdout, wait};

/// Ends the API server whatever happens.
struct Cluster {
    stop: std::path::PathBuf,
    folder: String,
    kubectl: String,
    kubeconfig: String,
}

impl Cluster {
    fn start(start: &Path, folder: &Path, webhook: &Path, log: &Path) -> Cluster {
        let output = Command::new("bash")
            .arg(start)
            .arg("--dir")
            .arg(folder)
            .arg("--audit-webhook-config-file")
            .arg(webhook)
            .arg("--audit-log-path")
            .arg(log)
            .output()
            .expect("bash");
        assert!(
            output.status.success(),
            "the API server does not start: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let printed = stdout(&output);
        let variable = |name: &str| {
            let line = printed.lines().find_map(|line| {
                line.trim_start_matches("export ")
                    .strip_prefix(&format!("{name}="))
                    .map(str::to_owned)
            });
            line.unwrap_or_else(|| panic!("no {name} in {printed}"))
                .trim_matches(['\'', '"', ';'])
                .to_owned()
        };
        Cluster {
            stop: start.with_file_name("stop.sh"),
            folder: folder.display().to_string(),
            kubectl: format!("{}/kubectl", variable("KUBEBUILDER_ASSETS")),
            kubeconfig: variable("KUBECONFIG"),
        }
    }

    fn kubectl(&self, arguments: &[&str]) {
        let output = Command::new(&self.kubectl)
            .env("KUBECONFIG", &self.kubeconfig)
            .args(arguments)
            .output()
            .expect("kubectl");
        assert!(
            output.status.success(),
            "kubectl {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn stop(&self) {
        let _ = Command::new("bash").arg(&self.stop).arg(&self.folder).output();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A certificate for 127.0.0.1 that signs itself; false when there is nothing to make one with.
fn make_certificate(cert: &Path, key: &Path) -> bool {
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=127.0.0.1",
        ])
        .args([
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ])
        .arg("-keyout")
        .arg(key)
        .arg("-out")
        .arg(cert)
        .output();
    made.is_ok_and(|made| made.status.success())
}

/// Waits until an incident of a rule is announced and gives it.
fn incident_of(session: &Session<'_>, rule: &str, act: impl FnOnce()) -> Value {
    let mut stream = session.events();
    act();
    wait(async {
        tokio::time::timeout(Duration::from_secs(90), async {
            loop {
                let chunk = stream.next().await.expect("the stream goes on").expect("a chunk");
                if !String::from_utf8_lossy(&chunk).contains("event: incident") {
                    continue;
                }
                let (status, page) = session.get_async("/api/v1/incidents?limit=100").await;
                assert_eq!(status, 200, "{page}");
                let found = page["items"]
                    .as_array()
                    .expect("items")
                    .iter()
                    .find(|item| item["rules"].to_string().contains(rule))
                    .cloned();
                if let Some(incident) = found {
                    return incident;
                }
            }
        })
        .await
        .unwrap_or_else(|_| panic!("no incident of {rule} in time"))
    })
}

#[test]
fn a_real_api_server_sends_its_audit_log() {
    let Some(start) = shared("envtest/start.sh") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (cert, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    if !make_certificate(&cert, &key) {
        eprintln!("SKIPPED: openssl is not installed: the API server sends its token over TLS only");
        return;
    }
    let data = folder.path().join("data");
    std::fs::create_dir(&data).expect("a folder");
    let server = Server::start_with_tls(&data, &cert, &key);
    let session = server.sign_in();
    let token = session.ingest_token("audit webhook");

    let webhook = folder.path().join("webhook.kubeconfig");
    let config = format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: taffrail\n  cluster:\n    server: {}/ingest/kubernetes-audit/prod\n    certificate-authority: {}\nusers:\n- name: audit\n  user:\n    token: {token}\ncontexts:\n- name: default\n  context:\n    cluster: taffrail\n    user: audit\ncurrent-context: default\n",
        server.url,
        cert.display()
    );
    std::fs::write(&webhook, config).expect("written");
    let log = folder.path().join("audit.log");
    let kube = folder.path().join("kube");
    let cluster = Cluster::start(&start, &kube, &webhook, &log);

    let incident = incident_of(&session, "cluster-admin-binding", || {
        cluster.kubectl(&[
            "create",
            "clusterrolebinding",
            "oops",
            "--clusterrole=cluster-admin",
            "--serviceaccount=default:default",
        ]);
    });
    assert_eq!(incident["severity"], "High", "{incident}");
    assert_eq!(incident["status"], "New");
    let (status, detail) = session.get(&format!("/api/v1/incidents/{}", incident["number"]));
    assert_eq!(status, 200);
    assert!(
        detail["alerts"][0]["evidence"]["rows"]
            .as_array()
            .is_some_and(|rows| !rows.is_empty()),
        "{detail}"
    );

    // An orderly end of the API server sends what it still holds: then both logs have the same events.
    cluster.stop();
    let written: HashSet<(String, String)> = std::fs::read_to_string(&log)
        .expect("the API server's own log")
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .map(|event| {
            (
                event["auditID"].as_str().unwrap_or_default().to_owned(),
                event["stage"].as_str().unwrap_or_default().to_owned(),
            )
        })
        .collect();
    assert!(written.len() > 50, "the API server wrote only {} events", written.len());
    let rows = session.query("KubernetesAudit | where Cluster == 'prod' | project AuditId, Stage");
    let stored: HashSet<(String, String)> = rows
        .iter()
        .map(|row| {
            (
                row[0].as_str().unwrap_or_default().to_owned(),
                row[1].as_str().unwrap_or_default().to_owned(),
            )
        })
        .collect();
    assert_eq!(stored.len(), rows.len(), "an event is stored once");
    let missing = written.difference(&stored).count();
    assert_eq!(missing, 0, "{missing} of {} events are missing", written.len());
}
