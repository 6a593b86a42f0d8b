//! What clients of Log Analytics and Kusto are answered, word for word.

use http::StatusCode;
use serde_json::{Value, json};

use super::{ENDLESS, EVERY_TYPE, TOO_MANY, WRONG, World, noon, world};

const QUERY: &str = "/v1/workspaces/taffrail/query";

async fn post(world: &World, path: &str, extra: &[(&str, &str)], body: Value) -> super::Answered {
    let token = world.reader().await;
    let mut headers = vec![("authorization", token.as_str())];
    headers.extend_from_slice(extra);
    world.call("POST", path, &headers, Some(body)).await
}

/// The same wherever the clock or chance had a say.
fn without_chance(mut value: Value) -> Value {
    fn walk(value: &mut Value) {
        match value {
            Value::String(text) if uuid::Uuid::try_parse(text).is_ok() && text != "74be27de-1e4e-49d9-b579-fe0b331d3642" => {
                *text = "ID".to_owned();
            }
            Value::Array(items) => items.iter_mut().for_each(walk),
            Value::Object(members) => members.values_mut().for_each(walk),
            _ => {}
        }
    }
    walk(&mut value);
    value
}

#[tokio::test]
async fn log_analytics_answers() {
    let world = world().await;
    let answered = post(&world, QUERY, &[], json!({ "query": EVERY_TYPE })).await;
    assert_eq!(
        answered.json(),
        json!({ "tables": [{
            "name": "PrimaryResult",
            "columns": [
                { "name": "b", "type": "bool" }, { "name": "i", "type": "int" }, { "name": "l", "type": "long" },
                { "name": "r", "type": "real" }, { "name": "m", "type": "decimal" }, { "name": "s", "type": "string" },
                { "name": "t", "type": "datetime" }, { "name": "d", "type": "timespan" }, { "name": "g", "type": "guid" },
                { "name": "o", "type": "dynamic" }, { "name": "q", "type": "dynamic" },
            ],
            "rows": [
                [true, -5, 9_007_199_254_740_993_i64, 1.5, "12.25", "text", "2026-01-02T03:04:05.1234567Z", "1.02:03:04.5",
                    "74be27de-1e4e-49d9-b579-fe0b331d3642", "{\"a\":[1,\"x\"]}", "plain"],
                [null, null, null, null, null, "", null, null, null, null, null],
            ],
        }]})
    );
    let prefer = [("prefer", "wait=60, include-statistics=true, include-render=true")];
    let answered = post(&world, QUERY, &prefer, json!({ "query": "render" })).await.json();
    assert_eq!(answered["statistics"]["query"]["executionTime"], json!(1.5));
    let render = &answered["render"];
    assert_eq!(
        (&render["visualization"], &render["title"]),
        (&json!("timechart"), &json!("Requests"))
    );
    assert_eq!((&render["yColumns"], &render["xColumn"]), (&json!(["a", "b"]), &json!(null)));
}

#[tokio::test]
async fn log_analytics_restricts_time() {
    let world = world().await;
    let hour = chrono::Duration::hours(1);
    for (timespan, expected) in [
        (json!("PT1H"), Some((noon() - hour, noon()))),
        (json!("2026-01-02T10:00:00Z/PT1H"), Some((noon() - hour * 2, noon() - hour))),
        (json!(""), None),
        (json!(null), None),
    ] {
        let answered = post(&world, QUERY, &[], json!({ "query": EVERY_TYPE, "timespan": timespan })).await;
        assert_eq!(answered.status, StatusCode::OK);
        assert_eq!(world.asked.get().timespan, expected, "{timespan}");
    }
    let token = world.reader().await;
    let path = format!("{QUERY}?query=every%20type&timespan=PT1H");
    let answered = world.call("GET", &path, &[("authorization", &token)], None).await;
    assert_eq!(answered.status, StatusCode::OK);
    assert_eq!(world.asked.get().timespan, Some((noon() - hour, noon())));
}

#[tokio::test]
async fn log_analytics_says_what_is_wrong() {
    let world = world().await;
    let wrong = post(&world, QUERY, &[], json!({ "query": WRONG })).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    let error = &wrong.json()["error"];
    assert_eq!(error["code"], json!("BadArgumentError"));
    assert_eq!(
        error["innererror"],
        json!({ "code": "SyntaxError", "message": "there is no operator tak (did you mean take?)", "line": 2, "pos": 2 })
    );
    assert_eq!(error["diagnostics"][0]["start"], json!({ "line": 2, "column": 3, "offset": 10 }));

    let slow = post(&world, QUERY, &[("prefer", "wait=1")], json!({ "query": ENDLESS })).await;
    assert_eq!(
        (slow.status, slow.error_code().as_str()),
        (StatusCode::GATEWAY_TIMEOUT, "GatewayTimeout")
    );
    let many = post(&world, QUERY, &[], json!({ "query": TOO_MANY })).await;
    assert_eq!((many.status, many.error_code().as_str()), (StatusCode::OK, "PartialError"));
    assert_eq!(many.json()["tables"][0]["rows"], json!([[1]]));
    for (path, body, status, code) in [
        (QUERY, json!({ "query": EVERY_TYPE, "timespan": "1h" }), 400, "BadArgumentError"),
        (
            QUERY,
            json!({ "query": EVERY_TYPE, "workspaces": ["other"] }),
            400,
            "BadArgumentError",
        ),
        (
            "/v1/workspaces/other/query",
            json!({ "query": EVERY_TYPE }),
            404,
            "WorkspaceNotFoundError",
        ),
    ] {
        let answered = post(&world, path, &[], body).await;
        assert_eq!((answered.status.as_u16(), answered.error_code().as_str()), (status, code));
    }
    let by_guid = "/v1/workspaces/2c0d3d0c-9f11-4f2c-8f0d-5f7b0a7b8c55/query";
    assert_eq!(
        post(&world, by_guid, &[], json!({ "query": EVERY_TYPE })).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn log_analytics_answers_batches() {
    let world = world().await;
    let one = |id: &str, query: &str| {
        json!({ "id": id, "method": "POST", "path": "/query", "workspace": "taffrail", "headers": { "Prefer": "wait=5" },
            "body": { "query": query } })
    };
    let body = json!({ "requests": [one("a", EVERY_TYPE), one("b", WRONG)] });
    let answered = post(&world, "/v1/$batch", &[], body).await.json();
    let responses = &answered["responses"];
    assert_eq!((&responses[0]["id"], &responses[0]["status"]), (&json!("a"), &json!(200)));
    assert_eq!(responses[0]["body"]["tables"][0]["rows"][0][5], json!("text"));
    assert_eq!((&responses[1]["id"], &responses[1]["status"]), (&json!("b"), &json!(400)));
    assert_eq!(responses[1]["body"]["error"]["code"], json!("BadArgumentError"));
}

#[tokio::test]
async fn kusto_v1_answers() {
    let world = world().await;
    let id = [("x-ms-client-request-id", "KPC.execute;1")];
    let answered = post(&world, "/v1/rest/query", &id, json!({ "db": "taffrail", "csl": EVERY_TYPE })).await;
    assert_eq!(answered.header("x-ms-client-request-id"), "KPC.execute;1");
    let tables = without_chance(answered.json()["Tables"].clone());
    let types: Vec<(&str, &str)> = tables[0]["Columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| (column["DataType"].as_str().unwrap(), column["ColumnType"].as_str().unwrap()))
        .collect();
    assert_eq!(
        types,
        [
            ("SByte", "bool"),
            ("Int32", "int"),
            ("Int64", "long"),
            ("Double", "real"),
            ("SqlDecimal", "decimal"),
            ("String", "string"),
            ("DateTime", "datetime"),
            ("TimeSpan", "timespan"),
            ("Guid", "guid"),
            ("Object", "dynamic"),
            ("Object", "dynamic")
        ]
    );
    assert_eq!(tables[0]["Rows"][0][9], json!("{\"a\":[1,\"x\"]}"));
    assert_eq!(
        tables[3]["Rows"],
        json!([
            [0, "QueryResult", "PrimaryResult", "ID", ""],
            [1, "QueryProperties", "@ExtendedProperties", "ID", ""],
            [2, "QueryStatus", "QueryStatus", "ID", ""]
        ])
    );
    assert_eq!(tables[2]["Rows"][0][4], json!("Query completed successfully"));
}

#[tokio::test]
async fn kusto_v2_answers() {
    let world = world().await;
    let answered = post(&world, "/v2/rest/query", &[], json!({ "db": "default", "csl": EVERY_TYPE })).await;
    let frames = without_chance(answered.json());
    let names: Vec<&str> = frames
        .as_array()
        .unwrap()
        .iter()
        .map(|frame| frame["FrameType"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["DataSetHeader", "DataTable", "DataTable", "DataTable", "DataSetCompletion"]);
    assert_eq!(
        frames[0],
        json!({ "FrameType": "DataSetHeader", "IsProgressive": false, "Version": "v2.0" })
    );
    assert_eq!(frames[1]["TableKind"], json!("QueryProperties"));
    assert_eq!(frames[2]["TableKind"], json!("PrimaryResult"));
    assert_eq!(frames[2]["Columns"][6], json!({ "ColumnName": "t", "ColumnType": "datetime" }));
    assert_eq!(
        frames[2]["Rows"],
        json!([
            [true, -5, 9_007_199_254_740_993_i64, 1.5, "12.25", "text", "2026-01-02T03:04:05.1234567Z", "1.02:03:04.5",
                "74be27de-1e4e-49d9-b579-fe0b331d3642", { "a": [1, "x"] }, "plain"],
            [null, null, null, null, null, "", null, null, null, null, null],
        ])
    );
    assert_eq!(frames[3]["TableKind"], json!("QueryCompletionInformation"));
    assert_eq!(
        frames[4],
        json!({ "FrameType": "DataSetCompletion", "HasErrors": false, "Cancelled": false })
    );

    let many = post(&world, "/v2/rest/query", &[], json!({ "csl": TOO_MANY })).await.json();
    assert_eq!(many[4]["HasErrors"], json!(true));
    assert_eq!(many[2]["Rows"][1]["OneApiErrors"][0]["error"]["code"], json!("LimitsExceeded"));
}

/// A query with several answers gives a table for each, in every protocol.
#[tokio::test]
async fn several_answers_are_several_tables() {
    let world = world().await;
    let names = |tables: &Value, key: &str| -> Vec<String> {
        let tables = tables.as_array().unwrap();
        tables.iter().map(|table| table[key].as_str().unwrap().to_owned()).collect()
    };
    let answered = post(&world, QUERY, &[], json!({ "query": "several" })).await.json();
    assert_eq!(names(&answered["tables"], "name"), ["PrimaryResult", "Table_1", "last"]);
    assert_eq!(answered["tables"][2]["rows"], json!([["b"]]));

    let answered = post(&world, "/v1/rest/query", &[], json!({ "csl": "several" })).await.json();
    let tables = &answered["Tables"];
    assert_eq!(
        names(tables, "TableName"),
        ["Table_0", "Table_1", "Table_2", "Table_3", "Table_4", "Table_5"]
    );
    assert_eq!((&tables[0]["Rows"], &tables[1]["Rows"]), (&json!([[1]]), &json!([["a"]])));
    let contents: Vec<&Value> = tables[5]["Rows"].as_array().unwrap().iter().map(|row| &row[2]).collect();
    assert_eq!(contents, ["first", "PrimaryResult", "last", "@ExtendedProperties", "QueryStatus"]);

    let answered = post(&world, "/v2/rest/query", &[], json!({ "csl": "several" })).await.json();
    let primary: Vec<&Value> = answered
        .as_array()
        .unwrap()
        .iter()
        .filter(|frame| frame["TableKind"] == "PrimaryResult")
        .collect();
    let ids: Vec<(&Value, &Value)> = primary.iter().map(|frame| (&frame["TableId"], &frame["TableName"])).collect();
    assert_eq!(
        ids,
        [
            (&json!(1), &json!("first")),
            (&json!(2), &json!("PrimaryResult")),
            (&json!(3), &json!("last"))
        ]
    );
    assert_eq!(primary[2]["Rows"], json!([["b"]]));
}

#[tokio::test]
async fn kusto_reads_properties() {
    let world = world().await;
    let properties = json!({
        "Options": { "servertimeout": "00:01:00", "query_take_max_records": 5, "queryconsistency": "weakconsistency" },
        "Parameters": { "n": "5", "who": "eve", "big": 7 },
    });
    for given in [properties.clone(), json!(properties.to_string())] {
        let body = json!({ "db": "taffrail", "csl": TOO_MANY, "properties": given });
        assert_eq!(post(&world, "/v2/rest/query", &[], body).await.status, StatusCode::OK);
        let asked = world.asked.get();
        assert_eq!((asked.limits.records, asked.limits.take), (None, Some(5)));
        let names: Vec<&str> = asked.parameters.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["n", "who", "big"]);
    }
    let body = json!({ "csl": EVERY_TYPE, "properties": { "Options": { "servertimeout": "soon" } } });
    assert_eq!(post(&world, "/v2/rest/query", &[], body).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn kusto_says_what_is_wrong() {
    let world = world().await;
    let id = [("x-ms-client-request-id", "me")];
    let wrong = post(&world, "/v2/rest/query", &id, json!({ "csl": WRONG })).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    let error = &wrong.json()["error"];
    assert_eq!(
        (&error["code"], &error["@permanent"]),
        (&json!("BadRequest_SyntaxError"), &json!(true))
    );
    assert_eq!(
        error["@message"],
        json!("Syntax error: there is no operator tak (did you mean take?) [line:position=2:3]")
    );
    assert_eq!(error["@context"]["clientRequestId"], json!("me"));
    for body in [json!({ "db": "other", "csl": EVERY_TYPE }), json!({ "csl": ".show tables" })] {
        assert_eq!(post(&world, "/v2/rest/query", &[], body).await.status, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn kusto_commands_show_what_there_is() {
    let world = world().await;
    let run = async |command: &str| {
        let answered = post(&world, "/v1/rest/mgmt", &[], json!({ "db": "taffrail", "csl": command })).await;
        (answered.status, answered.json())
    };
    let rows = async |command: &str| {
        let (status, answer) = run(command).await;
        assert_eq!(status, StatusCode::OK, "{command}: {answer}");
        answer["Tables"][0]["Rows"].clone()
    };
    assert_eq!(
        rows(".show tables").await,
        json!([["KubernetesAudit", "taffrail", "Kubernetes", "Audit events"]])
    );
    assert_eq!(
        rows(".show table KubernetesAudit cslschema").await[0][1],
        json!("TimeGenerated:datetime,User:dynamic,Verb:string")
    );
    assert_eq!(rows(".SHOW databases").await[0][0], json!("taffrail"));
    assert_eq!(rows(".show version").await[0][2], json!("Engine"));
    assert_eq!(rows(".show schema").await.as_array().unwrap().len(), 5);
    let schema = rows(".show database ['taffrail'] schema as json").await;
    let schema: Value = serde_json::from_str(schema[0][0].as_str().unwrap()).unwrap();
    assert_eq!(
        schema["Databases"]["taffrail"]["Tables"]["KubernetesAudit"]["OrderedColumns"][0],
        json!({ "Name": "TimeGenerated", "Type": "System.DateTime", "CslType": "datetime", "DocString": "The TimeGenerated" })
    );
    for wrong in [".drop table KubernetesAudit", ".show table None cslschema", ".show tables | count"] {
        let (status, answer) = run(wrong).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{wrong}: {answer}");
    }
    let metadata = world.call("GET", "/v1/rest/auth/metadata", &[], None).await.json();
    assert_eq!(metadata, json!({ "AzureAD": null, "dSTS": null }));
}

/// A query that runs is seen, and ends when somebody says so; one whose client goes away ends too.
#[tokio::test]
async fn queries_are_seen_and_stopped() {
    let world = std::sync::Arc::new(world().await);
    let token = world.reader().await;
    let ask = |path: &'static str, id: &'static str, body: Value| {
        let (world, token) = (world.clone(), token.clone());
        tokio::spawn(async move {
            let headers = [("authorization", token.as_str()), ("x-ms-client-request-id", id)];
            world.call("POST", path, &headers, Some(body)).await
        })
    };
    let headers = [("authorization", token.as_str())];
    let listed = async |state: &str| -> Vec<Value> {
        let all = world.call("GET", "/api/v1/queries", &headers, None).await.json();
        all.as_array()
            .unwrap()
            .iter()
            .filter(|run| run["state"] == state)
            .cloned()
            .collect()
    };
    let wait_for = async |state: &str, count: usize| loop {
        let found = listed(state).await;
        if found.len() == count {
            return found;
        }
        tokio::task::yield_now().await;
    };
    let kusto = ask("/v2/rest/query", "KE.RunQuery;1", json!({ "csl": ENDLESS }));
    let analytics = ask(QUERY, "two", json!({ "query": ENDLESS }));
    let gone = ask(QUERY, "three", json!({ "query": ENDLESS }));
    wait_for("InProgress", 3).await;
    gone.abort();
    let cancelled = wait_for("Cancelled", 1).await;
    assert_eq!(
        (&cancelled[0]["id"], &cancelled[0]["failure"]),
        (&json!("three"), &json!("the client has gone"))
    );

    let command = ".cancel query \"KE.RunQuery;1\" with (reason='too slow')";
    let stopped = world.call("POST", "/v1/rest/mgmt", &headers, Some(json!({ "csl": command }))).await;
    assert_eq!(stopped.status, StatusCode::OK);
    let answered = kusto.await.unwrap();
    assert_eq!(answered.status, StatusCode::BAD_REQUEST);
    assert_eq!(answered.json()["error"]["code"], json!("Canceled"));
    assert!(answered.json().to_string().contains("too slow"));

    let stopped = world.call("DELETE", "/api/v1/queries/two", &headers, None).await;
    assert_eq!(stopped.status, StatusCode::NO_CONTENT);
    assert_eq!(analytics.await.unwrap().json()["error"]["code"], json!("QueryCancelled"));
    let again = world.call("DELETE", "/api/v1/queries/two", &headers, None).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);

    let shown = world
        .call("POST", "/v1/rest/mgmt", &headers, Some(json!({ "csl": ".show queries" })))
        .await
        .json();
    assert_eq!(shown["Tables"][0]["Rows"].as_array().unwrap().len(), 3);
    let shown = world
        .call("POST", "/v1/rest/mgmt", &headers, Some(json!({ "csl": ".show running queries" })))
        .await
        .json();
    assert_eq!(shown["Tables"][0]["Rows"], json!([]));
}

#[tokio::test]
async fn words_and_plans_are_explained() {
    let world = world().await;
    let answered = post(&world, "/api/v1/query/hover", &[], json!({ "query": "é | where x", "offset": 5 }))
        .await
        .json();
    assert_eq!(answered["hover"]["detail"], json!("where predicate"));
    assert_eq!(answered["hover"]["start"]["offset"], json!(4));
    let answered = post(&world, "/api/v1/query/hover", &[], json!({ "query": "é", "offset": 0 }))
        .await
        .json();
    assert_eq!(answered["hover"], json!(null));
    let answered = post(&world, "/api/v1/query/explain", &[], json!({ "query": "x" })).await.json();
    assert_eq!(answered, json!({ "plan": "the plan of x", "diagnostics": [] }));
    let answered = post(&world, "/api/v1/query/explain", &[], json!({ "query": WRONG })).await.json();
    assert_eq!(answered["diagnostics"][0]["code"], json!("KQL001"));
}
