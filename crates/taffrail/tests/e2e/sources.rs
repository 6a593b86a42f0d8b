//! `taffrail sources`: every sample of the decoders' tests through the binary, and the typed views over them.

use std::path::PathBuf;

use crate::common::{run, stderr, stdout};

fn samples() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../sources/tests/data")
}

fn query(sample: &str, query: &str) -> Vec<serde_json::Value> {
    let file = samples().join(sample);
    let output = run(&["sources", "test", file.to_str().expect("text"), "--query", query]);
    assert!(!stdout(&output).is_empty(), "{sample}: {}", stderr(&output));
    stdout(&output)
        .lines()
        .map(|line| serde_json::from_str(line).expect("a row"))
        .collect()
}

#[test]
fn sources_are_listed_and_shown() {
    let output = run(&["sources", "list"]);
    let text = stdout(&output);
    for name in ["kubernetes-audit", "syslog", "auditd", "prometheus-remote-write", "json"] {
        assert!(text.contains(name), "{text}");
    }
    let output = run(&["sources", "show", "alertmanager"]);
    assert!(stdout(&output).contains("webhook_configs"), "{}", stdout(&output));
    let output = run(&["sources", "show", "nothing"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_file_is_recognised_decoded_and_queried() {
    let file = samples().join("syslog/rfc5424.log");
    let output = run(&["sources", "test", file.to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("recognised as syslog; 3 records, 0 could not be used"),
        "{}",
        stderr(&output)
    );
    assert!(stdout(&output).contains("\"TargetUsername\":\"admin\""), "{}", stdout(&output));
    let rows = query(
        "syslog/rfc3164.log",
        "ASimAuthenticationEventLogs | where EventResult == 'Failure' | project ActorUsername, TargetUsername | order by ActorUsername asc",
    );
    assert_eq!(rows[0], serde_json::json!({"ActorUsername": "ana", "TargetUsername": "root"}));
}

#[test]
fn views_give_typed_rows() {
    let rows = query(
        "journald/export.journal",
        "KubeletLogs | project Computer, Unit, Level, SourceFile, Message",
    );
    assert_eq!(
        rows,
        [serde_json::json!({
            "Computer": "n1", "Unit": "kubelet", "Level": "ERROR", "SourceFile": "kubelet.go:2900", "Message": "\"Container runtime not ready\""
        })]
    );
    for (sample, view) in [
        ("auditd/execve.log", "LinuxAuditLog"),
        ("calico/flows.json", "ASimNetworkSessionLogs"),
        ("coredns/queries.log", "ASimDnsActivityLogs"),
        ("ingress-nginx/access.log", "ASimWebSessionLogs"),
        ("alertmanager/webhook.json", "PrometheusAlerts"),
        ("kubernetes-control-plane/klog.log", "AzureDiagnostics"),
    ] {
        let rows = query(sample, &format!("{view} | summarize Rows = count() by Type"));
        assert_eq!(rows[0]["Type"], view, "{sample}");
    }
    let rows = query(
        "container-logs/cri.log",
        "ContainerLogV2 | where LogMessage.code == 7 | project LogLevel, Text = tostring(LogMessage.msg)",
    );
    assert_eq!(rows, [serde_json::json!({"LogLevel": "ERROR", "Text": "no route"})]);
}
