//! The behaviour of the engine as files: `tests/kqlt/OPERATOR/*.kqlt`.
//!
//! A file holds cases, divided by lines of `====`. A case is a query, a line `----`, and what it gives: a line with the columns
//! and their types, then a JSON array per row, and further tables behind a line `-- NAME`; or `error CODE: message` per diagnostic; or `failed: message`. Text in front of
//! the query in `//` comments says what the case shows. `UPDATE=1 cargo test -p taffrail-engine --test kqlt` writes what the
//! engine gives; read the difference before it is committed.
//!
//! `EXPLAIN='query' cargo test ... -- --nocapture` prints plans. With `KQL_CASES=a.jsonl:b.jsonl KQL_RESULTS=out.jsonl` the executable runs conformance cases instead and writes answers in the
//! form their checker reads.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod fuzz;
mod laws;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use chrono::{DateTime, Utc};
use taffrail_engine::{Engine, EngineOptions, MemorySource, QueryError, QueryRequest};
use taffrail_kql::Type;
use taffrail_schema::{ColumnDef, Schema, TableDef, stored_schema};

fn column(name: &str, ty: Type) -> ColumnDef {
    ColumnDef {
        name: name.to_owned(),
        path: Vec::new(),
        ty,
        about: String::new(),
    }
}

/// A small table of requests, in stored form.
fn requests() -> (TableDef, RecordBatch) {
    let table = TableDef {
        name: "Requests".to_owned(),
        about: String::new(),
        group: String::new(),
        columns: vec![
            column("TimeGenerated", Type::DateTime),
            column("_TimeReceived", Type::DateTime),
            column("Verb", Type::String),
            column("User", Type::String),
            column("Code", Type::Int),
            column("Bytes", Type::Long),
            column("Body", Type::Dynamic),
        ],
        unique: vec![],
        sort: vec![],
        bloom: vec![],
        plain: vec![],
        event: None,
    };
    let start = "2026-01-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap().timestamp_micros();
    let hour = 3_600_000_000;
    let times = || -> ArrayRef {
        let values = (0..6).map(|index| start + index * hour);
        Arc::new(TimestampMicrosecondArray::from_iter_values(values).with_timezone("UTC"))
    };
    let columns: Vec<ArrayRef> = vec![
        times(),
        times(),
        Arc::new(StringViewArray::from(vec!["get", "create", "get", "delete", "create", "list"])),
        Arc::new(StringViewArray::from(vec!["ann", "bob", "ann", "", "cid", "bob"])),
        Arc::new(Int32Array::from(vec![Some(200), Some(201), Some(403), Some(200), None, Some(200)])),
        Arc::new(Int64Array::from(vec![10, 20, 30, 40, 50, 60])),
        Arc::new(StringViewArray::from(vec![
            Some(r#"{"kind":"Pod","spec":{"containers":[{"image":"nginx:1"},{"image":"redis:7"}]}}"#),
            Some(r#"{"kind":"Secret"}"#),
            None,
            Some(r#"{"kind":"Pod","spec":{"containers":[]}}"#),
            Some(r#"{"kind":"Pod","spec":{"containers":[{"image":"nginx:2"}]}}"#),
            Some("[1,2,3]"),
        ])),
    ];
    let batch = RecordBatch::try_new(stored_schema(&table), columns).unwrap();
    (table, batch)
}

fn engine() -> Engine {
    let (table, batch) = requests();
    let mut schema = Schema::default();
    schema.add_table(table);
    let schema = Arc::new(schema);
    let source = MemorySource::new(schema.clone(), [("Requests".to_owned(), vec![batch])]).unwrap();
    let options = EngineOptions {
        memory_limit: 512 * 1024 * 1024,
        timeout: Duration::from_secs(20),
        ..EngineOptions::default()
    };
    Engine::new(schema, Arc::new(source), options)
}

fn request() -> QueryRequest {
    QueryRequest {
        now: Some("2026-01-01T06:00:00Z".parse().unwrap()),
        ..QueryRequest::default()
    }
}

/// What a case's second half says.
async fn answer(engine: &Engine, query: &str) -> String {
    let mut out = String::new();
    match engine.query(query, &request()).await {
        Ok(result) => {
            let header: Vec<String> = result.columns.iter().map(|c| format!("{}: {}", c.name, c.ty)).collect();
            writeln!(out, "{}", header.join(" | ")).unwrap();
            for row in result.rows() {
                writeln!(out, "{}", serde_json::to_string(&row).unwrap()).unwrap();
            }
            for table in &result.further {
                let header: Vec<String> = table.columns.iter().map(|c| format!("{}: {}", c.name, c.ty)).collect();
                writeln!(out, "-- {}\n{}", table.name.as_deref().unwrap_or_default(), header.join(" | ")).unwrap();
                for row in table.rows() {
                    writeln!(out, "{}", serde_json::to_string(&row).unwrap()).unwrap();
                }
            }
        }
        Err(QueryError::Diagnostics(diagnostics)) => {
            for diagnostic in diagnostics {
                let place = query.get(diagnostic.span.start..diagnostic.span.end).unwrap_or_default();
                writeln!(out, "error {diagnostic} at `{place}`").unwrap();
            }
        }
        Err(error) => writeln!(out, "failed: {error}").unwrap(),
    }
    out
}

fn files(directory: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "kqlt") {
            out.push(path);
        }
    }
}

async fn check(engine: &Engine, path: &Path, update: bool) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut failures = Vec::new();
    let mut written = Vec::new();
    for case in text.split("\n====\n") {
        let (query, expected) = match case.split_once("\n----\n") {
            Some((query, expected)) => (query, expected),
            None => (case.trim_end().trim_end_matches("\n----"), ""),
        };
        let given = answer(engine, query).await;
        if given.trim_end() != expected.trim_end() {
            failures.push(format!("{}\n{query}\nexpected\n{expected}\ngiven\n{given}", path.display()));
        }
        written.push(format!("{query}\n----\n{}", given.trim_end()));
    }
    if update {
        std::fs::write(path, written.join("\n====\n") + "\n").unwrap();
        return vec![];
    }
    failures
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_gives_what_its_file_says() {
    let engine = engine();
    if let (Ok(cases), Ok(results)) = (std::env::var("KQL_CASES"), std::env::var("KQL_RESULTS")) {
        conformance(&engine, &cases, &results).await;
        return;
    }
    if let Ok(query) = std::env::var("EXPLAIN") {
        println!(
            "{}",
            engine.explain(&query, &request()).await.unwrap_or_else(|error| error.to_string())
        );
        return;
    }
    let mut paths = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kqlt"), &mut paths);
    assert!(!paths.is_empty(), "there are cases");
    let only = std::env::var("ONLY").unwrap_or_default();
    let update = std::env::var("UPDATE").is_ok();
    let mut failures = Vec::new();
    for path in paths.iter().filter(|path| path.to_string_lossy().contains(&only)) {
        failures.extend(check(&engine, path, update).await);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// Runs conformance cases and writes their answers.
async fn conformance(engine: &Engine, cases: &str, results: &str) {
    let mut out = std::io::BufWriter::new(std::fs::File::create(results).unwrap());
    for path in cases.split(':') {
        for line in std::fs::read_to_string(path).unwrap().lines() {
            let case: serde_json::Value = serde_json::from_str(line).unwrap();
            let query = case["query"].as_str().unwrap().to_owned();
            let engine = engine.clone();
            // a panic in one case must not hide the others
            let task = tokio::spawn(async move { engine.query(&query, &QueryRequest::default()).await });
            let answer = match task.await {
                Ok(Ok(result)) => {
                    let columns: Vec<_> = result
                        .columns
                        .iter()
                        .map(|c| serde_json::json!({"name": c.name, "type": c.ty.name()}))
                        .collect();
                    let rows: Vec<_> = result.rows().collect();
                    serde_json::json!({"id": case["id"], "columns": columns, "rows": rows})
                }
                Ok(Err(error)) => serde_json::json!({"id": case["id"], "error": error.to_string()}),
                Err(error) => serde_json::json!({"id": case["id"], "error": format!("PANIC {error}")}),
            };
            writeln!(out, "{answer}").unwrap();
        }
    }
}

/// Time conditions reach the table as comparisons of timestamps, so that files can be skipped.
#[tokio::test]
async fn time_conditions_become_timestamp_comparisons() {
    let query = "Requests | where TimeGenerated > ago(3h) and TimeGenerated <= datetime(2026-01-01T05:00:00.0000001Z) | count";
    let plan = engine().explain(query, &request()).await.unwrap();
    let physical = plan.split("physical plan").nth(1).unwrap();
    assert!(!physical.contains("taffrail_ticks"), "{plan}");
    // 03:00 exclusive; 05:00 plus one tick still ends at microsecond 05:00
    assert!(physical.contains("TimeGenerated@0 > 1767236400000000"), "{plan}");
    assert!(physical.contains("TimeGenerated@0 <= 1767243600000000"), "{plan}");
}

/// The request's time range holds for every table of a query.
#[tokio::test]
async fn the_timespan_of_a_request_cuts_every_table() {
    let request = QueryRequest {
        timespan: Some(("2026-01-01T01:00:00Z".parse().unwrap(), "2026-01-01T03:00:00Z".parse().unwrap())),
        ..request()
    };
    let query = "union Requests, (Requests | where Verb == 'get') | summarize count(), min(TimeGenerated), max(TimeGenerated)";
    let result = engine().query(query, &request).await.unwrap();
    let rows: Vec<_> = result.rows().collect();
    assert_eq!(
        serde_json::to_value(&rows).unwrap(),
        serde_json::json!([[3, "2026-01-01T01:00:00Z", "2026-01-01T02:00:00Z"]])
    );
}

/// An answer with more rows than asked for is cut and says so; a query that takes too long ends.
#[tokio::test]
async fn limits_hold() {
    let engine = engine();
    let few = QueryRequest {
        max_rows: Some(2),
        ..request()
    };
    let result = engine.query("range x from 1 to 5 step 1", &few).await.unwrap();
    assert!(result.truncated);
    assert_eq!(result.len(), 2);
    let result = engine.query("range x from 1 to 2 step 1", &few).await.unwrap();
    assert!(!result.truncated);

    let hasty = Engine::new(
        engine.schema().clone(),
        Arc::new(MemorySource::new(Arc::new(Schema::default()), []).unwrap()),
        EngineOptions {
            timeout: Duration::from_millis(50),
            ..EngineOptions::default()
        },
    );
    let endless = "range x from 1 to 20000 step 1 | extend k = 1 \
                   | join kind=inner (range y from 1 to 20000 step 1 | extend k = 1) on k | summarize sum(x * y)";
    let error = hasty.query(endless, &request()).await.unwrap_err();
    assert!(matches!(error, QueryError::Timeout { .. }), "{error}");

    let tight = Engine::new(
        engine.schema().clone(),
        Arc::new(MemorySource::new(Arc::new(Schema::default()), []).unwrap()),
        EngineOptions {
            memory_limit: 1024 * 1024,
            ..EngineOptions::default()
        },
    );
    let error = tight
        .query("range x from 1 to 2000000 step 1 | summarize make_list(x)", &request())
        .await
        .unwrap_err();
    assert!(matches!(error, QueryError::Memory { .. }), "{error}");
    assert!(error.to_string().contains("memory limit"), "{error}");
}

/// What a query sets, under Kusto's names; of limits given twice, the lower.
#[tokio::test]
async fn queries_set_their_limits() {
    let engine = engine();
    let rows = "range x from 1 to 5 step 1";
    let run = async |text: String| engine.query(&text, &request()).await;
    let result = run(format!("set truncationmaxrecords = 2; set truncationmaxrecords = 4; {rows}"))
        .await
        .unwrap();
    assert_eq!((result.len(), result.truncated), (2, true));
    let result = run(format!("set query_take_max_records = 3; {rows}")).await.unwrap();
    assert_eq!((result.len(), result.truncated), (3, false), "what is behind is not missed");
    let few = Engine::new(
        engine.schema().clone(),
        Arc::new(MemorySource::new(Arc::new(Schema::default()), []).unwrap()),
        EngineOptions {
            max_rows: 2,
            ..EngineOptions::default()
        },
    );
    let result = few.query(&format!("set notruncation; {rows}"), &request()).await.unwrap();
    assert_eq!((result.len(), result.truncated), (5, false));
    let both = format!("set notruncation; set truncationmaxrecords = 1; {rows}");
    assert_eq!(few.query(&both, &request()).await.unwrap().len(), 1, "notruncation gives way");
    let error = run("set truncationmaxsize = 1000; range x from 1 to 10000 step 1".to_owned())
        .await
        .unwrap_err();
    assert!(matches!(error, QueryError::TooLarge { limit: 1000 }), "{error}");
    assert!(
        error
            .to_string()
            .contains("internal data size limit 1000 (E_QUERY_RESULT_SET_TOO_LARGE)")
    );
    let error = run("set maxmemoryconsumptionperiterator = 1048576; range x from 1 to 2000000 step 1 | summarize make_list(x)".to_owned())
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("E_RUNAWAY_QUERY") && error.to_string().contains(" 1 MiB"),
        "{error}"
    );
    let endless = "set servertimeout = 100ms; range x from 1 to 20000 step 1 | extend k = 1 \
                   | join kind=inner (range y from 1 to 20000 step 1 | extend k = 1) on k | summarize sum(x * y)";
    let error = run(endless.to_owned()).await.unwrap_err();
    assert!(matches!(error, QueryError::Timeout { .. }), "{error}");
    let error = run("set truncationmaxrecords = 'x'; print 1".to_owned()).await.unwrap_err();
    assert!(error.to_string().contains("truncationmaxrecords"), "{error}");
}

/// What does not fit into memory goes to disk.
#[tokio::test(flavor = "multi_thread")]
async fn large_queries_spill() {
    let engine = Engine::new(
        engine().schema().clone(),
        Arc::new(MemorySource::new(Arc::new(Schema::default()), []).unwrap()),
        EngineOptions {
            memory_limit: 80 * 1024 * 1024,
            partitions: 2,
            ..EngineOptions::default()
        },
    );
    let rows = "range x from 1 to 1500000 step 1 | extend k = (x * 7919) % 1500007, s = strcat('name-', x)";
    for (query, expected) in [
        (
            format!("{rows} | sort by k asc | serialize n = row_number() | summarize sum(n)"),
            serde_json::json!([[1_125_000_750_000_i64]]),
        ),
        (
            format!("{rows} | summarize n = count() by s, k | summarize sum(n)"),
            serde_json::json!([[1_500_000]]),
        ),
        (
            format!("{rows} | join kind=inner ({rows} | project s, other = k) on s | summarize count(), countif(k == other)"),
            serde_json::json!([[1_500_000, 1_500_000]]),
        ),
    ] {
        let result = engine
            .query(&query, &request())
            .await
            .unwrap_or_else(|error| panic!("{query}: {error}"));
        let rows: Vec<_> = result.rows().collect();
        assert_eq!(serde_json::to_value(&rows).unwrap(), expected, "{query}");
        assert!(result.statistics.peak_memory > 0 && result.statistics.peak_memory <= 96 * 1024 * 1024);
    }
}

/// Values of query parameters come as texts, and are read as the literals they are, or as the declared type.
#[tokio::test]
async fn query_parameters_are_literals() {
    let text = |name: &str, value: &str| (name.to_owned(), taffrail_kql::Value::String(value.to_owned()));
    let request = QueryRequest {
        parameters: vec![
            text("since", "datetime(2026-01-01)"),
            text("wide", "timespan(2h)"),
            text("names", "dynamic(['a', 'b'])"),
            text("quoted", "'it''s'"),
            text("plain", "a'; b"),
            text("count", "-5"),
            text("bare", "2026-01-02"),
        ],
        ..request()
    };
    let query = "declare query_parameters (since: datetime, wide: timespan, names: dynamic, quoted: string, plain: string, count: long, \
                 bare: datetime, rest: real = 1.5);\nprint since, wide, names[1], plain, count, bare, rest";
    let result = engine().query(query, &request).await.unwrap();
    let rows: Vec<_> = result.rows().collect();
    assert_eq!(
        serde_json::to_value(&rows).unwrap(),
        serde_json::json!([["2026-01-01T00:00:00Z", "02:00:00", "b", "a'; b", -5, "2026-01-02T00:00:00Z", 1.5]])
    );
}

/// Files that a test may read.
struct Files;

impl taffrail_engine::ExternalSource for Files {
    fn read<'a>(&'a self, uri: &'a str, _: usize) -> taffrail_engine::Reading<'a> {
        Box::pin(async move {
            Ok(match uri {
                "https://x/a.csv" => b"name,n,at\n\"a, b\",5,2026-01-01\nc,,nothing\n".to_vec(),
                "https://x/b.psv" => b"p|7|2026-01-02".to_vec(),
                "https://x/c.jsonl" => b"{\"name\":\"j\",\"n\":1}\n[{\"name\":{\"k\":1},\"n\":\"2\",\"at\":\"2026-01-03\"}]".to_vec(),
                "https://x/d.txt" => b"one\ntwo\n".to_vec(),
                _ => return Err("it is not there".to_owned()),
            })
        })
    }
}

/// `externaldata` reads what the engine was given to read from, in each text format.
#[tokio::test]
async fn external_data_is_read_where_it_is_allowed() {
    let engine = engine().with_external(Arc::new(Files));
    let columns = "(name: string, n: long, at: datetime)";
    let cases = [
        (
            format!("externaldata{columns}[@'https://x/a.csv;key'] with (ignoreFirstRecord=true)"),
            serde_json::json!([["a, b", 5, "2026-01-01T00:00:00Z"], ["c", null, null]]),
        ),
        (
            format!("externaldata{columns}['https://x/b.psv']"),
            serde_json::json!([["p", 7, "2026-01-02T00:00:00Z"]]),
        ),
        (
            format!("externaldata{columns}['https://x/c.jsonl'] with (format='multijson')"),
            serde_json::json!([["j", 1, null], ["{\"k\":1}", 2, "2026-01-03T00:00:00Z"]]),
        ),
        (
            "externaldata(line: string)['https://x/d.txt', 'https://x/d.txt'] | summarize count() by line | sort by line asc".to_owned(),
            serde_json::json!([["one", 2], ["two", 2]]),
        ),
    ];
    for (query, expected) in cases {
        let result = engine.query(&query, &request()).await.unwrap();
        let rows: Vec<_> = result.rows().collect();
        assert_eq!(serde_json::to_value(&rows).unwrap(), expected, "{query}");
    }
    let error = engine
        .query("externaldata(a: long)['https://x/z.csv?token=1']", &request())
        .await
        .unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("cannot read https://x/z.csv: it is not there") && !message.contains("token"),
        "{message}"
    );
}

/// Time on a processor that this thread has taken, where the system tells.
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or_default())
}

/// What text to bound query, and bound query to plan, cost. Prints figures: run it optimised, with `--ignored --nocapture`.
#[tokio::test]
#[ignore = "prints figures, decides nothing"]
async fn the_front_in_processor_time() {
    let engine = engine();
    let mut lines = "Requests\n".to_owned();
    for n in 0..99 {
        writeln!(
            lines,
            "| extend c{n} = iff(Code > {n} and Verb has 'x{n}', tostring(Body.a{n}), strcat(Verb, '-', {n}))"
        )
        .unwrap();
    }
    let mut wheres = "Requests\n".to_owned();
    for n in 0..300 {
        writeln!(wheres, "| where Code != {n}").unwrap();
    }
    let mut steps = "Requests\n".to_owned();
    for n in 0..75 {
        writeln!(
            steps,
            "| where Code != {n}\n| extend c{n} = Code + {n}\n| project-away c{n}\n| where Verb != 'v{n}'"
        )
        .unwrap();
    }
    let listed = "Requests | where Bytes in ((range x from 1 to 100000 step 1)) | count".to_owned();
    let detection = "let window = 1h; let people = Requests | where Verb == 'get' | summarize n = count() by User;\n\
                     Requests | where TimeGenerated > ago(window) and Code >= 400 | join kind=leftouter people on User\n\
                     | extend image = tostring(Body.spec.containers[0].image) | where image has 'nginx'\n\
                     | summarize begin = min(TimeGenerated), images = make_set(image) by User, n | top 10 by n"
        .to_owned();
    for (name, text) in [
        ("a detection", &detection),
        ("99 extends", &lines),
        ("300 wheres", &wheres),
        ("300 operators", &steps),
        ("in 100,000", &listed),
    ] {
        let times = if name == "in 100,000" { 1 } else { 5 };
        let start = processor_time();
        for _ in 0..times {
            engine.compile(text, &request()).unwrap();
        }
        let bound = processor_time();
        for _ in 0..times {
            engine.explain(text, &request()).await.unwrap();
        }
        let planned = processor_time();
        println!(
            "{name}: {:?} to bind, {:?} to bind and plan",
            (bound - start) / times,
            (planned - bound) / times
        );
    }
}
