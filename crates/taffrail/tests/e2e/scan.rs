//! `taffrail scan` on recorded logs, in every framing.

use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::common::{demo_events, event, run, shared, stderr, stdout, taffrail};

fn findings(output: &std::process::Output) -> Vec<Value> {
    stdout(output)
        .lines()
        .map(|line| serde_json::from_str(line).expect("a finding"))
        .collect()
}

fn lines(events: &[Value]) -> String {
    events.iter().map(|event| format!("{event}\n")).collect()
}

/// Some events of the recording with an attack in them.
fn attack() -> Vec<Value> {
    let events = demo_events();
    let concerned = |event: &&Value| event["objectRef"]["resource"] == "clusterrolebindings" || event["objectRef"]["subresource"] == "exec";
    events.iter().filter(concerned).cloned().collect()
}

#[test]
fn findings_have_what_tools_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("audit.log");
    std::fs::write(&file, lines(&attack())).expect("written");
    let output = run(&["scan", "--format", "jsonl", file.to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let findings = findings(&output);
    let binding = findings
        .iter()
        .find(|finding| finding["rule"] == "cluster-admin-binding")
        .expect("the binding is found");
    assert_eq!(binding["severity"], "High");
    assert_eq!(binding["techniques"], json!(["T1098.006", "T1078"]));
    for field in [
        "title",
        "tactics",
        "entities",
        "firstActivity",
        "lastActivity",
        "count",
        "evidence",
        "description",
    ] {
        assert!(!binding[field].is_null(), "{field} is missing");
    }
    assert!(
        binding["entities"]
            .as_array()
            .expect("entities")
            .iter()
            .any(|entity| entity["type"] == "Account")
    );
    assert!(
        binding["evidence"]
            .as_array()
            .expect("rows")
            .iter()
            .all(|row| row["AuditId"].is_string())
    );
    // Worst first.
    let rank = |finding: &Value| {
        ["High", "Medium", "Low", "Informational"]
            .iter()
            .position(|known| finding["severity"] == *known)
    };
    assert!(findings.windows(2).all(|pair| rank(&pair[0]) <= rank(&pair[1])));
}

#[test]
fn every_framing_gives_the_same_findings() {
    let folder = tempfile::tempdir().expect("a folder");
    let events = attack();
    let text = lines(&events);
    let azure: Vec<Value> = events
        .iter()
        .map(|event| json!({ "time": event["stageTimestamp"], "category": "kube-audit", "resourceId": "/SUBSCRIPTIONS/X", "properties": { "log": event.to_string(), "stream": "stdout", "pod": "kube-apiserver-1" } }))
        .collect();
    let cloudwatch: Vec<Value> = events
        .iter()
        .enumerate()
        .map(|(id, event)| json!({ "id": id.to_string(), "timestamp": 1_768_471_200_000i64, "message": event.to_string() }))
        .collect();
    let gzip = {
        let mut child = std::process::Command::new("gzip")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("gzip");
        child.stdin.take().expect("stdin").write_all(text.as_bytes()).expect("written");
        child.wait_with_output().expect("gzip").stdout
    };
    let framings: Vec<(&str, Vec<u8>)> = vec![
        ("lines.log", text.clone().into_bytes()),
        ("lines.gz", gzip),
        ("lines.zst", zstd::encode_all(text.as_bytes(), 3).expect("zstd")),
        ("list.json", json!({ "kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": events }).to_string().into_bytes()),
        ("pretty.json", serde_json::to_vec_pretty(&json!({ "kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": events })).expect("JSON")),
        ("aks.json", json!({ "records": azure }).to_string().into_bytes()),
        ("eks.json", json!({ "messageType": "DATA_MESSAGE", "logGroup": "/aws/eks/prod/cluster", "logStream": "kube-apiserver-audit-1", "logEvents": cloudwatch }).to_string().into_bytes()),
    ];
    let summary = |output: &std::process::Output| -> Vec<(String, String, u64)> {
        findings(output)
            .iter()
            .map(|finding| {
                (
                    finding["rule"].as_str().expect("rule").to_owned(),
                    finding["title"].as_str().expect("title").to_owned(),
                    finding["count"].as_u64().expect("count"),
                )
            })
            .collect()
    };
    let mut first: Option<Vec<(String, String, u64)>> = None;
    for (name, bytes) in framings {
        let file = folder.path().join(name);
        std::fs::write(&file, bytes).expect("written");
        let output = run(&["scan", "--format", "jsonl", file.to_str().expect("text")]);
        assert_eq!(output.status.code(), Some(1), "{name}: {}", stderr(&output));
        let found = summary(&output);
        assert_eq!(&found, first.get_or_insert_with(|| found.clone()), "{name}");
    }
    assert!(!first.expect("findings").is_empty());
}

#[test]
fn other_forms_and_standard_input() {
    let text = lines(&attack());
    for (format, check) in [
        ("json", "[\n"),
        ("sarif", "\"version\": \"2.1.0\""),
        ("csv", "severity,rule,title"),
        ("text", "HIGH"),
    ] {
        let mut child = taffrail()
            .args(["scan", "--format", format, "--min-severity", "high", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        child.stdin.take().expect("stdin").write_all(text.as_bytes()).expect("written");
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(1), "{format}: {}", stderr(&output));
        assert!(stdout(&output).contains(check), "{format}: {}", stdout(&output));
        for lower in ["\"severity\": \"Informational\"", "\nInformational,", "INFORMATIONAL "] {
            assert!(!stdout(&output).contains(lower), "{format} shows what --min-severity leaves out");
        }
    }
}

#[test]
fn good_records_beside_bad_ones_are_read_and_bad_ones_are_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("audit.log");
    let mut bytes = lines(&[event(1)]).into_bytes();
    bytes.extend_from_slice(b"{\"kind\":\"Event\",\"auditID\":\"half\n");
    bytes.extend_from_slice(b"{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\",\"auditID\":\"\xff\xfe\"}\n");
    bytes.extend_from_slice(lines(&[event(2)]).as_bytes());
    std::fs::write(&file, bytes).expect("written");
    let output = run(&["scan", file.to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("2 records could not be read"), "{}", stderr(&output));

    let nothing = run(&["scan", "/nowhere/audit.log"]);
    assert_eq!(nothing.status.code(), Some(2));
    assert!(stderr(&nothing).contains("/nowhere/audit.log"));
}

/// What an ordinary day raises, and whether the recorded attacks are found, named and attributed.
#[test]
fn recorded_days() {
    let Some(score) = shared("audit/score.py") else { return };
    let scan = format!("{} scan --format jsonl {{file}}", env!("CARGO_BIN_EXE_taffrail"));
    let output = std::process::Command::new("python3")
        .arg(score)
        .args(["--scan", &scan, "--json"])
        .output()
        .expect("python3");
    let text = stdout(&output);
    let line = text
        .lines()
        .find(|line| line.starts_with('{'))
        .unwrap_or_else(|| panic!("no score: {text} {}", stderr(&output)));
    let score: Value = serde_json::from_str(line).expect("JSON");
    assert_eq!(score["false_alarms"], 0, "{text}");
    assert!(score["low_on_benign"].as_u64().expect("a number") <= 5, "{text}");
    assert!(score["who"].as_u64().expect("a number") >= 36, "{text}");
}
