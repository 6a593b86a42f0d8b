//! Recorded logs of a real API server.

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::path::PathBuf;

use super::{audit, column, context};
use crate::files::LogFile;

/// The folder of the recordings: `TAFFRAIL_SHARED`, or `shared` beside the workspace.
fn recordings() -> Option<PathBuf> {
    let shared = std::env::var_os("TAFFRAIL_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let folder = shared.join("audit");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: ../shared/audit not found");
    None
}

fn unzip(path: PathBuf) -> String {
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(std::fs::File::open(path).unwrap())
        .read_to_string(&mut text)
        .unwrap();
    text
}

#[test]
fn every_recorded_event_becomes_a_row_with_its_text_unchanged() {
    let Some(folder) = recordings() else { return };
    for name in ["bootstrap.jsonl.gz", "benign.jsonl.gz", "samples/all-stages.jsonl.gz"] {
        let text = unzip(folder.join(name));
        let decoded = audit(&text);
        assert_eq!(decoded.dead, [], "{name}");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(decoded.records, lines.len());
        for (raw, line) in column(&decoded, "KubernetesAudit", "RawEvent").iter().zip(&lines) {
            // Secrets are masked; everything else stays as it came.
            assert!(
                raw == line || (raw.contains("\"***\"") && (line.contains("Secret") || line.contains("Token"))),
                "{name}: {line}"
            );
        }
        // What the columns say is what the text says.
        let [users, verbs, codes, names] =
            ["Username", "Verb", "ResponseCode", "Name"].map(|name| column(&decoded, "KubernetesAudit", name));
        for (row, line) in lines.iter().enumerate() {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(users[row], event["user"]["username"].as_str().unwrap_or_default());
            assert_eq!(verbs[row], event["verb"].as_str().unwrap());
            let code = &event["responseStatus"]["code"];
            assert_eq!(codes[row], code.as_i64().map_or("null".to_owned(), |code| code.to_string()));
            if let Some(name) = event["objectRef"]["name"].as_str() {
                assert_eq!(names[row], name);
            } else if verbs[row] == "create" {
                let answered = event["responseObject"]["metadata"]["name"].as_str();
                assert_eq!(
                    names[row],
                    answered.or(event["requestObject"]["metadata"]["name"].as_str()).unwrap_or_default()
                );
            }
        }
    }
}

#[test]
fn a_file_read_in_chunks_gives_the_same_rows() {
    let Some(folder) = recordings() else { return };
    let path = folder.join("attack-day.jsonl.gz");
    let expected = unzip(path.clone()).lines().count();
    let mut log = LogFile::open(&path).unwrap();
    let (mut rows, mut chunks) = (0, 0);
    while let Some(decoded) = log.next_chunk("kubernetes-audit", &context()).unwrap() {
        assert_eq!(decoded.dead, []);
        rows += decoded.rows();
        chunks += 1;
    }
    assert_eq!(rows, expected);
    assert!(chunks > 1, "a log of {expected} events comes in several chunks");
    assert_eq!(log.consumed(), log.total().unwrap());
}

#[test]
fn webhook_batches_of_a_real_server_are_read() {
    let Some(folder) = recordings() else { return };
    for name in ["webhook-batch-009.json", "webhook-batch-013.json", "webhook-batch-015.json"] {
        let text = std::fs::read_to_string(folder.join("samples").join(name)).unwrap();
        let list: serde_json::Value = serde_json::from_str(&text).unwrap();
        let items = list["items"].as_array().unwrap();
        let decoded = audit(&text);
        assert_eq!(decoded.dead, [], "{name}");
        assert_eq!(decoded.rows(), items.len(), "{name}");
        let raw = column(&decoded, "KubernetesAudit", "RawEvent");
        for (item, raw) in items.iter().zip(&raw) {
            if raw.contains("\"***\"") {
                continue;
            }
            assert_eq!(&serde_json::from_str::<serde_json::Value>(raw).unwrap(), item);
            assert!(text.contains(raw.as_str()), "the event stands in the batch as it is kept");
        }
    }
}

#[test]
fn failed_logins_are_rows_without_a_user_and_with_level_warning() {
    let Some(folder) = recordings() else { return };
    let text = std::fs::read_to_string(folder.join("attacks/invalid-token-brute-force.jsonl")).unwrap();
    let decoded = audit(&text);
    let [codes, users, levels] = ["ResponseCode", "Username", "Level"].map(|name| column(&decoded, "KubernetesAudit", name));
    let refused: Vec<usize> = (0..codes.len()).filter(|row| codes[*row] == "401").collect();
    assert_eq!(refused.len(), text.matches("\"code\":401").count());
    assert!(!refused.is_empty());
    for row in refused {
        assert_eq!((users[row].as_str(), levels[row].as_str()), ("", "Warning"));
    }
}

#[test]
fn execs_have_their_command_whichever_verb_they_came_with() {
    let Some(folder) = recordings() else { return };
    let text = std::fs::read_to_string(folder.join("attacks/exec-into-pod.jsonl")).unwrap();
    let labels: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(folder.join("labels.json")).unwrap()).unwrap();
    let attack = labels
        .as_array()
        .unwrap()
        .iter()
        .find(|attack| attack["name"] == "exec-into-pod")
        .unwrap();
    let key: HashSet<&str> = attack["key_audit_ids"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|id| id.as_str())
        .collect();
    let decoded = audit(&text);
    let columns: HashMap<&str, Vec<String>> = ["AuditId", "EventType", "Command", "Level", "Action"]
        .into_iter()
        .map(|name| (name, column(&decoded, "KubernetesAudit", name)))
        .collect();
    let mut found = 0;
    for row in 0..columns["AuditId"].len() {
        if columns["EventType"][row] == "Exec" && key.contains(columns["AuditId"][row].as_str()) {
            found += 1;
            assert_ne!(columns["Command"][row], "");
            assert!(!columns["Command"][row].contains('%'), "{}", columns["Command"][row]);
            assert_eq!(columns["Level"][row], "Warning");
            assert!(columns["Action"][row].ends_with(" pods/exec"));
        }
    }
    assert!(found > 0);
}
