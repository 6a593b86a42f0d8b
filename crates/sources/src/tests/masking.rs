//! Secrets in audit bodies never reach storage, whichever way the event came.

use serde_json::json;

use super::{audit, column, context, event};
use crate::{Decoded, dead_letter_batch, decode};

const PLAIN: [&str; 4] = ["aHVudGVyMg==", "hunter2", "eyJhbGciOi", "s3cr3t"];

/// Every text of every row.
fn everything(decoded: &Decoded) -> String {
    let mut all = String::new();
    for (_, batch) in &decoded.batches {
        for field in batch.schema().fields() {
            all.push_str(&super::texts(batch, field.name()).join("\n"));
            all.push('\n');
        }
    }
    all
}

fn assert_masked(decoded: &Decoded, what: &str) {
    let all = everything(decoded);
    for secret in PLAIN {
        assert!(!all.contains(secret), "{what}: {secret} is in the rows:\n{all}");
    }
}

fn secret_event(reference: &str, bodies: &str) -> String {
    event(
        "a1",
        &format!(r#""verb":"create","objectRef":{reference},"responseStatus":{{"code":201}},{bodies}"#),
    )
}

#[test]
fn values_of_secrets_and_tokens_are_masked_in_columns_and_in_the_event() {
    let secret = json!({
        "kind": "Secret", "apiVersion": "v1", "type": "Opaque",
        "metadata": {"name": "db", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{\"data\":{\"p\":\"aHVudGVyMg==\"}}"}},
        "data": {"password": "aHVudGVyMg=="}, "stringData": {"note": "hunter2"}
    });
    let list = json!({"kind": "SecretList", "items": [secret, secret]});
    let patch = json!([{"op": "replace", "path": "/data/password", "value": "aHVudGVyMg=="}, {"op": "add", "path": "/data", "value": {"k": "hunter2"}}]);
    let review =
        json!({"kind": "TokenReview", "spec": {"token": "eyJhbGciOi"}, "status": {"authenticated": true, "user": {"username": "ana"}}});
    let request = json!({"kind": "TokenRequest", "spec": {"audiences": ["api"]}, "status": {"token": "eyJhbGciOi", "expirationTimestamp": "2026-01-15T11:00:00Z"}});
    let secrets = r#"{"resource":"secrets","namespace":"shop","name":"db","apiVersion":"v1"}"#;
    let reviews = r#"{"resource":"tokenreviews","apiGroup":"authentication.k8s.io","apiVersion":"v1"}"#;
    let tokens = r#"{"resource":"serviceaccounts","subresource":"token","namespace":"shop","name":"web"}"#;
    let other = r#"{"resource":"widgets","namespace":"shop","name":"db"}"#;
    for (reference, bodies) in [
        (secrets, format!(r#""requestObject":{secret},"responseObject":{secret}"#)),
        (secrets, format!(r#""responseObject":{list}"#)),
        (secrets, format!(r#""requestObject":{patch},"responseObject":{secret}"#)),
        (secrets, r#""requestObject":"{\"data\":\"hunter2\"}""#.to_owned()),
        (reviews, format!(r#""requestObject":{review},"responseObject":{review}"#)),
        (tokens, format!(r#""requestObject":{request},"responseObject":{request}"#)),
        (other, format!(r#""requestObject":{secret}"#)),
    ] {
        let text = secret_event(reference, &bodies);
        let pretty = serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(&text).unwrap()).unwrap();
        let azure = json!({"category": "kube-audit", "properties": {"log": text}}).to_string();
        let message =
            json!({"messageType": "DATA_MESSAGE", "logStream": "kube-apiserver-audit-1", "logEvents": [{"message": text}]}).to_string();
        for body in [text, pretty, azure, message] {
            let decoded = audit(&body);
            assert_eq!((decoded.rows(), &*decoded.dead), (1, &[][..]), "{body}");
            assert_masked(&decoded, &body);
            let raw = &column(&decoded, "KubernetesAudit", "RawEvent")[0];
            serde_json::from_str::<serde_json::Value>(raw).expect("the event is JSON still");
        }
    }
    // What detection needs stays.
    let decoded = audit(secret_event(secrets, &format!(r#""requestObject":{secret}"#)));
    let request: serde_json::Value = serde_json::from_str(&column(&decoded, "KubernetesAudit", "RequestObject")[0]).unwrap();
    assert_eq!(request["data"], json!({"password": "***"}));
    assert_eq!((&request["type"], &request["metadata"]["name"]), (&json!("Opaque"), &json!("db")));
}

#[test]
fn entries_of_cloud_logging_are_masked() {
    let entry = json!({
        "insertId": "i1", "timestamp": "2026-01-15T10:00:27Z",
        "logName": "projects/p1/logs/cloudaudit.googleapis.com%2Factivity",
        "resource": {"type": "k8s_cluster", "labels": {"cluster_name": "c1"}},
        "protoPayload": {
            "serviceName": "k8s.io", "methodName": "io.k8s.core.v1.secrets.create", "resourceName": "core/v1/namespaces/shop/secrets/db",
            "request": {"kind": "Secret", "data": {"p": "aHVudGVyMg=="}}, "response": {"kind": "Secret", "data": {"p": "aHVudGVyMg=="}}, "status": {}
        }
    });
    let decoded = audit(entry.to_string());
    assert_eq!(decoded.rows(), 1, "{:?}", decoded.dead);
    assert_masked(&decoded, "Cloud Logging");
}

#[test]
fn dead_letters_and_lines_of_an_api_server_are_masked_too() {
    let text = secret_event(
        r#"{"resource":"secrets","namespace":"shop","name":"db"}"#,
        r#""requestObject":{"kind":"Secret","data":{"p":"aHVudGVyMg=="}}"#,
    );
    for broken in [
        &text[..text.len() - 4],
        &text.replace("stageTimestamp", "x"),
        &json!({"log": &text[..text.len() - 2]}).to_string(),
    ] {
        let decoded = audit(broken);
        assert_eq!(decoded.rows(), 0);
        let batch = dead_letter_batch(&decoded.dead, "kubernetes-audit", &context()).unwrap();
        let rows = Decoded {
            batches: vec![("DeadLetter".to_owned(), batch)],
            ..Decoded::default()
        };
        assert_masked(&rows, broken);
    }
    // An audit log on standard output goes to the audit table, whichever source its lines are sent as.
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let turned: serde_json::Map<_, _> = value.as_object().unwrap().clone().into_iter().rev().collect();
    let turned = serde_json::Value::Object(turned).to_string();
    let framed = |event: &str| format!("2026-01-15T10:00:04.123456789Z stdout F {event}\n");
    for (source, line) in [
        ("container-logs", framed(&text)),
        ("container-logs", framed(&turned)),
        ("kubernetes-control-plane", framed(&turned)),
        ("json", text.clone()),
        ("json", turned.clone()),
    ] {
        let decoded = decode(source, line.as_bytes(), &context()).unwrap();
        assert_eq!(column(&decoded, "KubernetesAudit", "AuditId"), ["a1"]);
        assert_masked(&decoded, source);
    }
}
