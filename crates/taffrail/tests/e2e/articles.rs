//! The queries of published articles about AKS and Sentinel, as published, on recorded data.

use serde_json::{Value, json};

use crate::common::{Server, Session, demo_events, event, event_list, run, stderr, stdout};

struct World {
    _folder: tempfile::TempDir,
    server: Server,
}

/// A server with the recorded day in it, a cron job, an event of the articles' user, and a line of the API server's own log.
fn world() -> World {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path(), &[]);
    {
        let session = server.sign_in();
        let token = session.ingest_token("test");
        for batch in demo_events().chunks(500) {
            let (status, body) = server.ingest("kubernetes-audit/prod", &token, event_list(batch));
            assert_eq!(status, 200, "{body}");
        }
        let mut master = event(1);
        master["user"]["username"] = json!("masterclient");
        assert_eq!(server.ingest("kubernetes-audit/prod", &token, event_list(&[master])).0, 200);
        let klog = "I0115 10:00:01.123456       1 handler.go:153] kube-aggregator: GET \"/api/v1/namespaces/default/pods/nginx\" satisfied by gorestful\n";
        let other =
            "I0115 10:00:02.123456       1 controller.go:132] OpenAPI AggregationController: action for item k8s_internal: nothing\n";
        let records: Vec<Value> = [klog, other]
            .iter()
            .map(|line| {
                json!({ "operationName": "Microsoft.ContainerService/managedClusters/diagnosticLogs/Read", "category": "kube-apiserver", "ccpNamespace": "5f0", "resourceId": "/SUBSCRIPTIONS/S/RESOURCEGROUPS/G/PROVIDERS/MICROSOFT.CONTAINERSERVICE/MANAGEDCLUSTERS/C",
                    "properties": { "log": line, "stream": "stderr", "pod": "kube-apiserver-1", "containerID": "c" }, "time": "2026-01-15T10:00:01.0000000Z", "Cloud": "AzureCloud", "Environment": "prod" })
            })
            .collect();
        let (status, body) = server.ingest("azure-diagnostics/prod", &token, json!({ "records": records }).to_string());
        assert_eq!(status, 200, "{body}");
    }
    World { _folder: folder, server }
}

/// What the recording says, counted without us.
fn recorded(condition: impl Fn(&Value) -> bool) -> usize {
    demo_events().iter().filter(|event| condition(event)).count()
}

const AUDIT: &str = r#"AzureDiagnostics | where Category == "kube-audit""#;

fn column(session: &Session<'_>, query: &str, index: usize) -> Vec<String> {
    session
        .query(query)
        .iter()
        .map(|row| row[index].as_str().map_or_else(|| row[index].to_string(), str::to_owned))
        .collect()
}

#[test]
fn published_queries_run_as_published() {
    let world = world();
    let session = world.server.sign_in();

    let rows =
        session.query(r#"AzureDiagnostics | where Category == "kube-apiserver" | where log_s contains "pods/nginx" | project log_s"#);
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert!(rows[0][0].as_str().expect("text").contains("handler.go:153"));

    let binding = format!(
        r#"{AUDIT} | where parse_json(log_s).verb == "create" | where parse_json(tostring(parse_json(tostring(parse_json(log_s).requestObject)).roleRef)).name == "cluster-admin" | where parse_json(tostring(parse_json(log_s).requestObject)).kind == "ClusterRoleBinding" | extend k8skind = parse_json(tostring(parse_json(log_s).requestObject)).kind | extend k8sroleref = parse_json(tostring(parse_json(tostring(parse_json(log_s).requestObject)).roleRef)).name | extend k8suser = parse_json(tostring(parse_json(log_s).user)).username | extend k8sipaddress = parse_json(tostring(parse_json(log_s).sourceIPs))[0]"#
    );
    let rows = session.query(&format!(
        "{binding} | project tostring(k8skind), tostring(k8sroleref), tostring(k8suser), tostring(k8sipaddress)"
    ));
    let expected = recorded(|event| {
        event["verb"] == "create"
            && event["requestObject"]["kind"] == "ClusterRoleBinding"
            && event["requestObject"]["roleRef"]["name"] == "cluster-admin"
    });
    assert_eq!(rows.len(), expected);
    assert!(
        rows.iter().any(|row| row[2] == "bob@shop.example"
            && row[3] == "198.51.100.15"
            && row[0] == "ClusterRoleBinding"
            && row[1] == "cluster-admin"),
        "{rows:?}"
    );
    assert_eq!(session.query(&binding).len(), expected, "the published text itself");

    let cron = format!(
        r#"{AUDIT} | where parse_json(log_s).verb == "create" | where parse_json(tostring(parse_json(log_s).requestObject)).kind == "CronJob""#
    );
    let expected = recorded(|event| event["verb"] == "create" && event["requestObject"]["kind"] == "CronJob");
    assert!(expected > 0);
    assert_eq!(session.query(&cron).len(), expected);

    let actions = format!(r#"{AUDIT} | project log_s | where parse_json(tostring(parse_json(log_s).user)).username == "masterclient""#);
    let rows = session.query(&actions);
    assert_eq!(rows.len(), 1);
    let given: Value = serde_json::from_str(rows[0][0].as_str().expect("text")).expect("the whole event");
    assert_eq!(given["user"]["username"], "masterclient");

    let address = format!(r#"{AUDIT} | where parse_json(tostring(parse_json(log_s).sourceIPs))[0] == "198.51.100.10""#);
    let expected = recorded(|event| event["sourceIPs"][0] == "198.51.100.10");
    assert!(expected > 0);
    assert_eq!(session.query(&address).len(), expected);

    let decision = format!(
        r#"{AUDIT} | where parse_json(log_s).verb == "create" | where parse_json(tostring(parse_json(log_s).annotations)).["authorization.k8s.io/decision"] == "allow""#
    );
    let expected = recorded(|event| event["verb"] == "create" && event["annotations"]["authorization.k8s.io/decision"] == "allow");
    assert!(expected > 0);
    assert_eq!(session.query(&decision).len(), expected);

    let exec = r#"KubernetesAudit | where Level == "Warning" | where EventType == "Exec" | extend User = parse_json(User) | project TimeGenerated, User.username, Namespace, Resource, Action"#;
    let expected = recorded(|event| event["objectRef"]["subresource"] == "exec");
    assert!(expected > 0);
    let users = column(&session, exec, 1);
    assert_eq!(users.len(), expected);
    assert!(users.iter().any(|user| user == "carol@shop.example"), "{users:?}");

    let inventory = r#"KubernetesPodInventory | where PodName contains "nginx" | extend Pod = parse_json(Pod) | extend Container = parse_json(Pod.spec.containers) | extend Image = Container.image | extend ImageName = extract("(.+):.+", 1, Image) | project PodName, ImageName"#;
    assert!(session.query(inventory).is_empty(), "the inventory comes later; the table is there");
}

#[test]
fn the_views_have_the_shape_of_microsofts_tables() {
    let world = world();
    let session = world.server.sign_in();
    let all = recorded(|_| true) as i64 + 1;
    assert_eq!(session.number("AKSAudit | count"), all);
    let reads = recorded(|event| event["verb"] == "get" || event["verb"] == "list") as i64 + 1;
    assert_eq!(session.number("AKSAuditAdmin | count"), all - reads);
    assert_eq!(
        session.number("AKSAudit | where tostring(User.username) == 'alice@shop.example' | where ObjectRef.resource == 'pods' | count") > 0,
        true
    );
    // The whole event comes back with the same members, values and order.
    let raw = session.query("KubernetesAudit | where Username == 'bob@shop.example' | project RawEvent, AuditId, Stage | take 20");
    let events = demo_events();
    for row in raw {
        let sent = events
            .iter()
            .find(|event| event["auditID"] == row[1] && event["stage"] == row[2])
            .expect("an event that was sent");
        let given: Value = serde_json::from_str(row[0].as_str().expect("text")).expect("JSON");
        let mut sent = sent.clone();
        if let Some(map) = sent.as_object_mut() {
            map.shift_remove("kind");
            map.shift_remove("apiVersion");
        }
        assert_eq!(given.to_string(), sent.to_string());
    }
}

#[test]
fn what_people_do_with_an_incident_is_a_row() {
    let world = world();
    let session = world.server.sign_in();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let until = |what: &str, condition: &dyn Fn() -> bool| {
        while !condition() {
            assert!(std::time::Instant::now() < deadline, "{what} in time");
        }
    };
    until("an incident is there", &|| {
        session.get("/api/v1/incidents").1["total"].as_i64() > Some(0)
    });
    let number = session.get("/api/v1/incidents?limit=1").1["items"][0]["number"]
        .as_i64()
        .expect("a number");
    let (status, body) = session.patch(
        &format!("/api/v1/incidents/{number}"),
        &json!({ "status": "Closed", "classification": "TruePositive", "classificationReason": "SuspiciousActivity" }),
    );
    assert_eq!(status, 200, "{body}");
    let query = format!("SecurityIncident | where IncidentNumber == {number} and Status == 'Closed' | project Classification");
    until("the row is there", &|| session.query(&query) == [[json!("TruePositive")]]);
}

/// The table is empty until the inventory is collected: the article's query over rows of its shape, with Kusto's meaning of a member
/// of an array (null) beside that of an object.
#[test]
fn the_inventory_query_means_what_kusto_means() {
    let query = r#"let KubernetesPodInventory = datatable(PodName: string, Pod: dynamic) [
        "nginx-1", dynamic({"spec": {"containers": [{"image": "nginx:1.25"}]}}),
        "nginx-2", dynamic({"spec": {"containers": {"image": "registry.example/nginx:2"}}}),
        "web-1", dynamic({"spec": {"containers": {"image": "web:1"}}})];
        KubernetesPodInventory | where PodName contains "nginx" | extend Pod = parse_json(Pod) | extend Container = parse_json(Pod.spec.containers) | extend Image = Container.image | extend ImageName = extract("(.+):.+", 1, Image) | project PodName, ImageName"#;
    let output = run(&["query", "--format", "jsonl", query]);
    let expected = "{\"PodName\":\"nginx-1\",\"ImageName\":\"\"}\n{\"PodName\":\"nginx-2\",\"ImageName\":\"registry.example/nginx\"}\n";
    assert_eq!(stdout(&output), expected, "{}", stderr(&output));
}
