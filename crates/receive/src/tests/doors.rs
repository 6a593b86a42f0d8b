//! The doors of other protocols: what they answer, and what is stored then.

use super::*;

async fn send(
    fixture: &Fixture,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> (StatusCode, http::HeaderMap, String) {
    let mut request = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "authorization") {
        request = request.header("authorization", "Bearer all");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = fixture.router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let collected = body.collect().await.unwrap();
    let mut headers = parts.headers;
    headers.extend(collected.trailers().cloned().unwrap_or_default());
    (parts.status, headers, String::from_utf8_lossy(&collected.to_bytes()).into_owned())
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| panic!("{text}"))
}

#[tokio::test]
async fn elasticsearch_answers_for_each_document() {
    let fixture = fixture(ReceiverOptions::default()).await;
    let (status, headers, body) = send(&fixture, "GET", "/elasticsearch/", &[], "").await;
    assert_eq!(
        (status, &headers["x-elastic-product"]),
        (StatusCode::OK, &http::HeaderValue::from_static("Elasticsearch"))
    );
    assert_eq!(json_of(&body)["version"]["number"], "8.15.0");
    let bulk = "{\"create\":{\"_id\":\"1\"}}\n{\"message\":\"one\"}\n{\"delete\":{\"_index\":\"a\",\"_id\":\"2\"}}\n{\"index\":{}}\n{\"message\":\"two\"}\n";
    let (status, _, body) = send(&fixture, "POST", "/logs/_bulk", &[], gzip(bulk.as_bytes())).await;
    let body = json_of(&body);
    assert_eq!((status, &body["errors"]), (StatusCode::OK, &json!(true)));
    let statuses = ["create", "delete", "index"]
        .map(|action| body["items"].as_array().unwrap().iter().find_map(|item| item.get(action)).unwrap()["status"].clone());
    assert_eq!(statuses, [json!(201), json!(400), json!(201)]);
    assert_eq!(body["items"][0]["create"]["_index"], "logs");
    assert_eq!(fixture.rows()["CustomLog_CL"], 2);
    let (status, headers, body) = send(&fixture, "POST", "/_bulk", &[("authorization", "Bearer no")], bulk).await;
    assert_eq!(
        (status, &json_of(&body)["error"]["type"]),
        (StatusCode::UNAUTHORIZED, &json!("security_exception"))
    );
    assert!(headers.contains_key("x-elastic-product"));
    let (status, _, body) = send(&fixture, "POST", "/_bulk", &[], "{\"drop\":{}}\n{}\n").await;
    assert_eq!(
        (status, &json_of(&body)["error"]["type"]),
        (StatusCode::BAD_REQUEST, &json!("illegal_argument_exception"))
    );
}

#[tokio::test]
async fn splunk_answers_with_its_codes_and_acknowledges_what_is_durable() {
    let fixture = fixture(ReceiverOptions::default()).await;
    let channel = [("x-splunk-request-channel", "c1"), ("authorization", "Splunk all")];
    let (status, _, body) = send(
        &fixture,
        "POST",
        "/services/collector",
        &channel,
        "{\"event\":\"one\"}{\"event\":{\"a\":1}}",
    )
    .await;
    assert_eq!(
        (status, json_of(&body)),
        (StatusCode::OK, json!({"text": "Success", "code": 0, "ackId": 0}))
    );
    let (_, _, body) = send(&fixture, "POST", "/services/collector/ack", &channel, "{\"acks\":[0,1]}").await;
    assert_eq!(json_of(&body), json!({"acks": {"0": true, "1": false}}));
    let (_, _, body) = send(
        &fixture,
        "POST",
        "/services/collector/raw?sourcetype=app&host=n1",
        &channel,
        "first\nsecond\n",
    )
    .await;
    assert_eq!(json_of(&body)["ackId"], 1);
    assert_eq!(fixture.rows()["CustomLog_CL"], 4);
    let (status, _, body) = send(&fixture, "POST", "/services/collector/event", &[], "{\"event\":\"x\"}{\"time\":1}").await;
    assert_eq!(
        (status, json_of(&body)),
        (
            StatusCode::BAD_REQUEST,
            json!({"text": "Event field is required", "code": 12, "invalid-event-number": 1})
        )
    );
    let (status, _, body) = send(
        &fixture,
        "POST",
        "/services/collector/event",
        &[("authorization", "Splunk no")],
        "{\"event\":\"x\"}",
    )
    .await;
    assert_eq!(
        (status, json_of(&body)),
        (StatusCode::FORBIDDEN, json!({"text": "Invalid token", "code": 4}))
    );
    let (status, _, body) = send(&fixture, "POST", "/services/collector/event", &[], "").await;
    assert_eq!((status, &json_of(&body)["code"]), (StatusCode::BAD_REQUEST, &json!(5)));
}

#[tokio::test]
async fn loki_otlp_gelf_and_cloud_events_answer_as_their_originals() {
    let fixture = fixture(ReceiverOptions::default()).await;
    let push = json!({"streams": [{"stream": {"a": "b"}, "values": [["1768471205000000000", "x"]]}]}).to_string();
    let (status, _, body) = send(&fixture, "POST", "/loki/api/v1/push", &[("x-scope-orgid", "prod")], push.clone()).await;
    assert_eq!((status, body.as_str()), (StatusCode::NO_CONTENT, ""));
    let (status, _, body) = send(
        &fixture,
        "POST",
        "/loki/api/v1/push",
        &[("authorization", "Bearer blue"), ("x-scope-orgid", "prod")],
        push,
    )
    .await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{body}");

    let record = |body: &str| json!({"timeUnixNano": "1768471205000000000", "body": {"stringValue": body}});
    let logs = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [record("x"), record("")]}]}]}).to_string();
    let (status, _, body) = send(&fixture, "POST", "/v1/logs", &[("content-type", "application/json")], logs).await;
    assert_eq!(
        (status, &json_of(&body)["partialSuccess"]["rejectedLogRecords"]),
        (StatusCode::OK, &json!("1"))
    );
    // ResourceLogs { ScopeLogs { LogRecord { body: "hi" } } } in a frame of gRPC.
    let message = b"\x0a\x0a\x12\x08\x12\x06\x2a\x04\x0a\x02hi";
    let frame = [&[0, 0, 0, 0, 12][..], message].concat();
    let path = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
    let (status, headers, body) = send(&fixture, "POST", path, &[("content-type", "application/grpc")], frame.clone()).await;
    assert_eq!(
        (status, &headers["grpc-status"], body.len()),
        (StatusCode::OK, &http::HeaderValue::from(0), 5)
    );
    let (status, headers, _) = send(&fixture, "POST", path, &[("authorization", "Bearer no")], frame).await;
    assert_eq!((status, &headers["grpc-status"]), (StatusCode::OK, &http::HeaderValue::from(16)));

    let (status, ..) = send(
        &fixture,
        "POST",
        "/gelf",
        &[],
        json!({"version": "1.1", "host": "n", "short_message": "m"}).to_string(),
    )
    .await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let binary = [
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/s"),
        ("ce-type", "t"),
        ("content-type", "application/json"),
    ];
    let (status, ..) = send(&fixture, "POST", "/cloudevents", &binary, "{\"message\":\"c\"}").await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!((fixture.rows()["CustomLog_CL"], fixture.rows()["DeadLetter"]), (5, 1));
}

#[tokio::test]
async fn azure_and_kusto_fill_the_table_that_is_named() {
    let fixture = fixture(ReceiverOptions::default()).await;
    let rows = json!([{"TimeGenerated": "2026-01-15T10:00:00Z", "Computer": "n1", "SyslogMessage": "hello"}]).to_string();
    let (status, ..) = send(
        &fixture,
        "POST",
        "/dataCollectionRules/dcr-1/streams/Microsoft-Syslog?api-version=2023-01-01",
        &[("content-encoding", "gzip")],
        gzip(rows.as_bytes()),
    )
    .await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (status, _, body) = send(
        &fixture,
        "POST",
        "/dataCollectionRules/dcr-1/streams/Custom-None",
        &[],
        rows.clone(),
    )
    .await;
    assert_eq!(
        (status, &json_of(&body)["error"]["code"]),
        (StatusCode::NOT_FOUND, &json!("InvalidStream"))
    );
    let (status, _, body) = send(
        &fixture,
        "POST",
        "/v1/rest/ingest/taffrail/Syslog?streamFormat=MultiJSON",
        &[],
        rows,
    )
    .await;
    assert_eq!(
        (status, &json_of(&body)["Tables"][0]["TableName"]),
        (StatusCode::OK, &json!("Table_0"))
    );
    let (status, ..) = send(
        &fixture,
        "POST",
        "/v1/rest/ingest/taffrail/CustomLog_CL?streamFormat=csv",
        &[],
        "2026-01-15T10:00:00Z,prod,\"n,1\"\n",
    )
    .await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        fixture.rows(),
        BTreeMap::from([("CustomLog_CL".to_owned(), 1), ("Syslog".to_owned(), 2)])
    );
    let (status, ..) = send(
        &fixture,
        "POST",
        "/api/logs",
        &[("authorization", "SharedKey x:aaaa"), ("log-type", "Syslog")],
        "[]",
    )
    .await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}
