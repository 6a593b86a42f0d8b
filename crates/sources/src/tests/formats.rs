//! Each framing gives the same event.

use base64::Engine;
use serde_json::json;

use super::{audit, column, context, event, value};
use crate::{Context, decode};

const EXEC: &str = r#""requestURI":"/api/v1/namespaces/shop/pods/web-1/exec?command=sh&command=-c&command=cat+%2Fetc%2Fshadow+%7C+nc\u0026container=web&stdin=true","verb":"create","user":{"username":"ana@example.com","groups":["ops"]},"sourceIPs":["203.0.113.7","10.0.0.9"],"objectRef":{"resource":"pods","subresource":"exec","namespace":"shop","name":"web-1","apiVersion":"v1"},"responseStatus":{"metadata":{},"code":101},"annotations":{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":"RBAC: x"}"#;

#[test]
fn an_event_fills_the_columns() {
    let text = event("a1", EXEC);
    let decoded = audit(&text);
    for (name, expected) in [
        ("TimeGenerated", "2026-01-15T10:00:00.012+00:00"),
        ("_TimeReceived", "2026-01-15T10:01:40+00:00"),
        ("Cluster", "prod"),
        ("Level", "Warning"),
        ("AuditLevel", "Metadata"),
        ("EventType", "Exec"),
        ("Action", "create pods/exec"),
        ("AuditId", "a1"),
        ("Stage", "ResponseComplete"),
        ("Username", "ana@example.com"),
        ("UserGroups", r#"["ops"]"#),
        ("SourceIp", "10.0.0.9"),
        ("SourceIps", r#"["203.0.113.7","10.0.0.9"]"#),
        ("Namespace", "shop"),
        ("Name", "web-1"),
        ("Command", "sh -c cat /etc/shadow | nc"),
        ("Container", "web"),
        ("ResponseCode", "101"),
        ("Decision", "allow"),
        ("DecisionReason", "RBAC: x"),
        ("RequestObject", "null"),
        ("RequestReceivedTime", "null"),
        ("ImpersonatedUsername", ""),
        ("RawEvent", &text),
    ] {
        assert_eq!(value(&decoded, name), expected, "{name}");
    }
}

#[test]
fn every_framing_gives_the_same_events() {
    let events = [event("a1", EXEC), event("a2", ""), event("a3", r#""verb":"get""#)];
    let [first, second, third] = &events;
    let objects: Vec<serde_json::Value> = events.iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    let pretty = |value: &serde_json::Value| serde_json::to_string_pretty(value).unwrap();
    let list = json!({"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {}, "items": objects});
    let azure: Vec<_> = events
        .iter()
        .map(|event| json!({"time": "2026-01-15T10:00:24Z", "category": "kube-audit", "properties": {"log": format!("{event}\n"), "stream": "stdout", "pod": "kube-apiserver-0"}}))
        .collect();
    let azure_objects: Vec<_> = objects
        .iter()
        .map(|event| json!({"category": "kube-audit-admin", "properties": {"log": event}}))
        .collect();
    let log_events: Vec<_> = events
        .iter()
        .map(|event| json!({"id": "1", "timestamp": 1_768_471_225_000_i64, "message": event}))
        .collect();
    let subscription = json!({"messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "/aws/eks/c1/cluster", "logStream": "kube-apiserver-audit-0a", "logEvents": log_events});
    let lines = |values: &[serde_json::Value]| values.iter().map(|value| format!("{value}\n")).collect::<String>();
    let bodies = [
        ("JSON lines", events.join("\n")),
        ("JSON lines of Windows", events.join("\r\n")),
        ("JSON lines behind a byte order mark", format!("\u{feff}{}", events.join("\n"))),
        ("nothing between", events.concat()),
        ("an array", format!("[{}]", events.join(","))),
        ("an array, an event a line", format!("[\n{}\n]\n", events.join(",\n"))),
        ("printed over lines", objects.iter().map(pretty).collect::<Vec<_>>().join("\n")),
        ("a printed array", pretty(&json!(objects))),
        ("an EventList", list.to_string()),
        ("two EventLists", format!("{}\n{}\n", json!({"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": &objects[..2]}), json!({"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": &objects[2..]}))),
        ("a printed EventList", pretty(&list)),
        ("AKS records", json!({"records": azure}).to_string()),
        ("AKS records a line", lines(&azure)),
        ("AKS records with objects", lines(&azure_objects)),
        ("a CloudWatch subscription", subscription.to_string()),
        ("CloudWatch subscriptions through Firehose", format!("{}{}", json!({"messageType": "CONTROL_MESSAGE", "logEvents": []}), subscription)),
        ("aws logs", json!({"events": events.iter().map(|event| json!({"logStreamName": "kube-apiserver-audit-0a", "timestamp": 1, "message": event})).collect::<Vec<_>>(), "searchedLogStreams": []}).to_string()),
        ("CloudWatch's export to S3", events.iter().map(|event| format!("2026-01-15T10:00:25.000Z {event}\n")).collect()),
        ("CRI lines", events.iter().map(|event| format!("2026-01-15T10:00:25.123456789Z stdout F {event}\n")).collect()),
        ("Fluent Bit", lines(&events.iter().map(|event| json!({"stream": "stdout", "log": event})).collect::<Vec<_>>())),
        ("Fluent Bit, an array of objects", json!(objects.iter().map(|event| json!({"date": 1.5, "log": event})).collect::<Vec<_>>()).to_string()),
        ("Vector", lines(&events.iter().map(|event| json!({"message": event, "source_type": "file"})).collect::<Vec<_>>())),
        ("an array of texts", json!(events).to_string()),
        ("Pub/Sub", json!({"message": {"data": base64::engine::general_purpose::STANDARD.encode(events.join("\n")), "messageId": "1"}, "subscription": "s"}).to_string()),
    ];
    for (name, body) in bodies {
        let decoded = audit(&body);
        assert_eq!(decoded.dead, [], "{name}");
        assert_eq!(column(&decoded, "KubernetesAudit", "AuditId"), ["a1", "a2", "a3"], "{name}");
        assert_eq!(
            column(&decoded, "KubernetesAudit", "Command")[0],
            "sh -c cat /etc/shadow | nc",
            "{name}"
        );
        // Dynamic columns are compact, however the event was printed.
        assert_eq!(column(&decoded, "KubernetesAudit", "UserGroups")[0], r#"["ops"]"#, "{name}");
        assert_eq!(decoded.records, 3, "{name}");
    }
    let _ = (first, second, third);
}

#[test]
fn aks_lines_go_to_the_control_plane_table_and_keep_their_origin() {
    let records = json!({"records": [
        {"time": "2026-01-15T10:00:24Z", "resourceId": "/SUBSCRIPTIONS/S/RESOURCEGROUPS/R/PROVIDERS/MICROSOFT.CONTAINERSERVICE/MANAGEDCLUSTERS/C1", "category": "kube-apiserver", "operationName": "Microsoft.ContainerService/managedClusters/diagnosticLogs/Read",
         "properties": {"log": "W0115 10:00:01.123456       1 httplog.go:89] \"HTTP\" verb=\"GET\" URI=\"/api/v1/namespaces/default/pods/nginx\"\n", "stream": "stderr", "pod": "kube-apiserver-0", "containerID": "c0"}},
        {"time": "2026-01-15T10:00:24Z", "resourceId": "/SUBSCRIPTIONS/S/RESOURCEGROUPS/R/PROVIDERS/MICROSOFT.CONTAINERSERVICE/MANAGEDCLUSTERS/C1", "category": "kube-audit", "properties": {"log": event("a1", ""), "stream": "stdout", "pod": "kube-apiserver-1"}},
        {"time": "2026-01-15T10:00:25Z", "category": "guard", "properties": {"log": "no header here"}},
        {"time": "2026-01-15T10:00:25Z", "category": "Administrative", "properties": {"eventCategory": "x"}},
    ]});
    for source in ["azure-diagnostics", "kubernetes-audit"] {
        let from_export = Context {
            cluster: String::new(),
            ..context()
        };
        let decoded = decode(source, records.to_string().as_bytes(), &from_export).unwrap();
        let lines = |name| column(&decoded, "AKSControlPlane", name);
        assert_eq!(lines("Category"), ["kube-apiserver", "guard"]);
        assert_eq!(lines("Level"), ["WARNING", ""]);
        assert_eq!(
            lines("TimeGenerated"),
            ["2026-01-15T10:00:01.123456+00:00", "2026-01-15T10:00:25+00:00"]
        );
        assert_eq!(lines("SourceFile"), ["httplog.go:89", ""]);
        assert!(lines("Message")[0].starts_with("\"HTTP\" verb"));
        assert!(lines("RawLine")[0].starts_with("W0115") && lines("RawLine")[0].ends_with("nginx\""));
        assert_eq!(lines("Cluster"), ["C1", ""]);
        assert_eq!(
            (&*lines("PodName")[0], &*lines("Stream")[0], &*lines("ContainerId")[0]),
            ("kube-apiserver-0", "stderr", "c0")
        );
        assert_eq!(
            (&*value(&decoded, "PodName"), &*value(&decoded, "Cluster")),
            ("kube-apiserver-1", "C1")
        );
        assert!(value(&decoded, "_ResourceId").ends_with("/MANAGEDCLUSTERS/C1"));
        assert_eq!(decoded.dead.len(), 1);
        assert_eq!((&*decoded.dead[0].reason, decoded.dead[0].record), ("unsupported category", 4));
    }
}

#[test]
fn eks_streams_other_than_audit_are_lines_of_their_component() {
    let record = json!({"messageType": "DATA_MESSAGE", "logGroup": "/aws/eks/c1/cluster", "logStream": "authenticator-0a1b2c", "logEvents": [
        {"id": "1", "timestamp": 1_768_471_225_000_i64, "message": "time=\"2026-01-15T10:00:25Z\" level=warning msg=\"access denied\""}]});
    let from_export = Context {
        cluster: String::new(),
        ..context()
    };
    let decoded = decode("kubernetes-audit", record.to_string().as_bytes(), &from_export).unwrap();
    assert_eq!(column(&decoded, "AKSControlPlane", "Category"), ["authenticator"]);
    assert_eq!(column(&decoded, "AKSControlPlane", "Cluster"), ["c1"]);
    assert_eq!(column(&decoded, "AKSControlPlane", "TimeGenerated"), ["2026-01-15T10:00:25+00:00"]);
}

#[test]
fn gke_entries_are_mapped_to_the_columns_of_an_event() {
    let entry = |method: &str, name: &str, status: serde_json::Value| {
        json!({"insertId": "i1", "timestamp": "2026-01-15T10:00:27.5Z", "logName": "projects/p1/logs/cloudaudit.googleapis.com%2Factivity",
            "resource": {"type": "k8s_cluster", "labels": {"cluster_name": "c1", "location": "eu", "project_id": "p1"}},
            "protoPayload": {"@type": "type.googleapis.com/google.cloud.audit.AuditLog", "serviceName": "k8s.io", "methodName": method, "resourceName": name,
                "authenticationInfo": {"principalEmail": "system:serviceaccount:a:b"}, "authorizationInfo": [{"granted": true, "permission": "x", "resource": name}],
                "requestMetadata": {"callerIp": "203.0.113.7", "callerSuppliedUserAgent": "kubectl/v1.33.2"}, "status": status,
                "request": {"@type": "x", "roleRef": {"name": "cluster-admin"}}},
            "labels": {"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": "r"}})
    };
    let exec = entry(
        "io.k8s.core.v1.pods.exec.create",
        "core/v1/namespaces/shop/pods/web-1/exec",
        json!({}),
    );
    let decoded = audit(json!([exec]).to_string());
    for (name, expected) in [
        ("Action", "create pods/exec"),
        ("EventType", "Exec"),
        ("Level", "Warning"),
        ("Namespace", "shop"),
        ("Name", "web-1"),
        ("Username", "system:serviceaccount:a:b"),
        ("SourceIp", "203.0.113.7"),
        ("UserAgent", "kubectl/v1.33.2"),
        ("AuditId", "i1"),
        ("ResponseCode", "101"),
        ("Decision", "allow"),
        ("TimeGenerated", "2026-01-15T10:00:27.500+00:00"),
        ("User", r#"{"username":"system:serviceaccount:a:b"}"#),
        ("AuditLevel", "Request"),
        (
            "ObjectRef",
            r#"{"resource":"pods","namespace":"shop","name":"web-1","apiVersion":"v1","subresource":"exec"}"#,
        ),
        ("_ResourceId", "//container.googleapis.com/projects/p1/locations/eu/clusters/c1"),
    ] {
        assert_eq!(value(&decoded, name), expected, "{name}");
    }
    assert_eq!(value(&decoded, "RawEvent"), exec.to_string());
    let refused = entry(
        "io.k8s.authorization.rbac.v1.clusterrolebindings.create",
        "rbac.authorization.k8s.io/v1/clusterrolebindings/x",
        json!({"code": 7, "message": "no \"rights\""}),
    );
    let decoded = audit(format!("{refused}\n"));
    assert_eq!(
        (value(&decoded, "ResponseCode"), value(&decoded, "ResponseReason")),
        ("403".to_owned(), "Forbidden".to_owned())
    );
    assert_eq!(value(&decoded, "ApiGroup"), "rbac.authorization.k8s.io");
    let status: serde_json::Value = serde_json::from_str(&value(&decoded, "ResponseStatus")).unwrap();
    assert_eq!(status["message"], "no \"rights\"");
}

#[test]
fn level_tells_what_deserves_a_look() {
    let level = |members: &str| value(&audit(event("a", members)), "Level");
    let object = |verb: &str, user: &str, resource: &str, group: &str, more: &str| {
        level(&format!(
            r#""verb":"{verb}","user":{{"username":"{user}"}},"objectRef":{{"resource":"{resource}","apiGroup":"{group}"{more}}},"responseStatus":{{"code":200}}"#
        ))
    };
    let rbac = "rbac.authorization.k8s.io";
    for (verb, user, resource, group, more) in [
        ("get", "ana", "pods", "", r#","subresource":"exec","name":"x""#),
        ("create", "ana", "pods", "", r#","subresource":"portforward""#),
        ("patch", "ana", "pods", "", r#","subresource":"ephemeralcontainers""#),
        ("list", "system:serviceaccount:a:b", "secrets", "", ""),
        ("watch", "ana", "secrets", "", ""),
        ("create", "ana", "clusterrolebindings", rbac, ""),
        ("delete", "ana", "roles", rbac, ""),
        ("update", "ana", "mutatingwebhookconfigurations", "admissionregistration.k8s.io", ""),
        ("get", "system:anonymous", "pods", "", ""),
    ] {
        assert_eq!(
            object(verb, user, resource, group, more),
            "Warning",
            "{user}: {verb} {resource}{more}"
        );
    }
    for (verb, user, resource, group, more) in [
        ("get", "ana", "pods", "", r#","name":"x""#),
        ("get", "ana", "pods", "", r#","subresource":"ephemeralcontainers""#),
        ("get", "ana", "secrets", "", r#","name":"x""#),
        ("list", "ana", "secrets", "", r#","name":"x""#),
        ("watch", "system:serviceaccount:a:b", "secrets", "", ""),
        ("list", "ana", "roles", rbac, ""),
        ("create", "ana", "roles", "example.com", ""),
    ] {
        assert_eq!(
            object(verb, user, resource, group, more),
            "Informational",
            "{user}: {verb} {resource}{more}"
        );
    }
    assert_eq!(level(r#""user":{"username":"ana"},"responseStatus":{"code":403}"#), "Warning");
    assert_eq!(level(r#""user":{},"responseStatus":{"code":401}"#), "Warning");
}

#[test]
fn a_path_that_is_no_resource_and_a_generated_name_are_named() {
    let path = audit(event("a", r#""verb":"get","requestURI":"/healthz?verbose=1""#));
    assert_eq!(
        (value(&path, "Action"), value(&path, "EventType")),
        ("get /healthz".to_owned(), "Get".to_owned())
    );
    let generated = audit(event(
        "a",
        r#""verb":"create","objectRef":{"resource":"pods"},"requestObject":{"metadata":{"generateName":"web-"}},"responseObject":{"metadata":{"name":"web-x7"}}"#,
    ));
    assert_eq!(value(&generated, "Name"), "web-x7");
    let deletion = audit(event("a", r#""verb":"deletecollection","objectRef":{"resource":"events"}"#));
    assert_eq!(value(&deletion, "EventType"), "DeleteCollection");
}

#[test]
fn records_are_mapped_to_a_table_that_is_proposed_from_them() {
    let records = [
        json!({"when": "2026-01-15T10:00:00Z", "user": "ana", "count": 3, "ok": true, "id": "0b3cf8a4-1111-4000-8000-000000000001", "more": {"a": 1}, "mixed": 1}),
        json!({"when": "2026-01-15T10:00:01Z", "user": "bob", "count": 4.5, "mixed": "one", "time": 1_768_471_200}),
    ];
    let objects: Vec<_> = records.iter().map(|record| record.as_object().unwrap().clone()).collect();
    let table = crate::infer_table("Own", &objects);
    let columns: Vec<String> = table
        .columns
        .iter()
        .map(|column| format!("{} {}", column.name, column.ty.name()))
        .collect();
    assert_eq!(
        columns,
        [
            "TimeGenerated datetime",
            "Cluster string",
            "when_t datetime",
            "user_s string",
            "count_d real",
            "ok_b bool",
            "id_g guid",
            "more_s dynamic",
            "mixed_s string",
            "time_d real",
            "RawData dynamic",
            "_TimeReceived datetime"
        ]
    );
    let mut schema = super::schema().clone();
    schema.add_table(table);
    let context = Context {
        schema: &schema,
        ..context()
    };
    let body = format!("{}\n{}\nnonsense", records[0], records[1]);
    let decoded = crate::decode_into("Own_CL", crate::Naming::Suffixed, body.as_bytes(), &context).unwrap();
    let of = |name| column(&decoded, "Own_CL", name);
    assert_eq!(of("user_s"), ["ana", "bob"]);
    assert_eq!(of("mixed_s"), ["1", "one"]);
    assert_eq!(of("when_t"), ["2026-01-15T10:00:00+00:00", "2026-01-15T10:00:01+00:00"]);
    assert_eq!(of("more_s"), [r#"{"a":1}"#, "null"]);
    assert_eq!(of("TimeGenerated")[1], "2026-01-15T10:00:00+00:00");
    assert_eq!((decoded.rejected, decoded.records), (1, 3));
    // With the names of the columns themselves, values are converted to their types.
    let exact = crate::decode_into(
        "Syslog",
        crate::Naming::Exact,
        br#"[{"ProcessID":"12","SyslogMessage":"x","nowhere":1}]"#,
        &context,
    )
    .unwrap();
    assert_eq!(
        (column(&exact, "Syslog", "ProcessID"), column(&exact, "Syslog", "SyslogMessage")),
        (vec!["12".to_owned()], vec!["x".to_owned()])
    );
    assert!(crate::decode_into("Nowhere", crate::Naming::Exact, b"{}", &context).is_err());
}

#[test]
fn firehose_records_are_unpacked() {
    let subscription = json!({"messageType": "DATA_MESSAGE", "logGroup": "/aws/eks/c1/cluster", "logStream": "kube-apiserver-audit-0a", "logEvents": [{"message": event("a1", "")}]});
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, subscription.to_string().as_bytes()).unwrap();
    let base64 = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let records = [
        json!({"data": base64(&gzip.finish().unwrap())}),
        json!({"data": "%"}),
        json!({"data": base64(event("a2", "").as_bytes())}),
    ];
    let body = json!({"requestId": "q1", "timestamp": 1_768_471_226_000_i64, "records": records}).to_string();
    let decoded = decode(
        "kubernetes-audit",
        body.as_bytes(),
        &Context {
            cluster: String::new(),
            ..context()
        },
    )
    .unwrap();
    assert_eq!(column(&decoded, "KubernetesAudit", "AuditId"), ["a1", "a2"]);
    assert_eq!(column(&decoded, "KubernetesAudit", "Cluster")[0], "c1");
    assert_eq!((decoded.rejected, &*decoded.dead[0].reason), (1, "not a record of Firehose"));
}
