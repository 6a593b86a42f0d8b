//! Scans: whatever way rows are read (memory, small files, indexed files, columns kept from before), the answer is the one that
//! DataFusion gives over the same rows in a plain table.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use arrow::util::pretty::pretty_format_batches;
use datafusion::datasource::MemTable;
use datafusion::functions::expr_fn::{date_trunc, left, named_struct, right, upper};
use datafusion::functions_aggregate::expr_fn::{count, sum};
use datafusion::prelude::{DataFrame, Expr, SessionConfig, SessionContext, ident, lit};
use taffrail_kql::Type;
use taffrail_lake::{Lake, LakeOptions, ROWS};
use taffrail_schema::{ColumnDef, Schema, Step, TableDef, stored_schema};

use crate::support::*;

const VERBS: [&str; 4] = ["get", "list", "create", "watch"];
const ROW_COUNT: i64 = 5_000;

fn requests() -> TableDef {
    let columns = [
        ("TimeGenerated", Type::DateTime),
        ("Id", Type::String),
        ("Verb", Type::String),
        ("Code", Type::Int),
        ("Object", Type::Dynamic),
        ("Event", Type::String),
        ("_TimeReceived", Type::DateTime),
    ];
    TableDef {
        name: "Requests".to_owned(),
        columns: columns.iter().map(|(name, ty)| found_in_event(column(name, *ty))).collect(),
        unique: Vec::new(),
        sort: vec!["Verb".to_owned(), "TimeGenerated".to_owned()],
        plain: vec!["Id".to_owned(), "Event".to_owned()],
        event: Some("Event".to_owned()),
        ..definition("Requests")
    }
}

/// Id, verb, code and object are members of events.
fn found_in_event(mut column: ColumnDef) -> ColumnDef {
    if ["Id", "Verb", "Code", "Object"].contains(&column.name.as_str()) {
        column.path = vec![Step::Key(column.name.to_lowercase())];
    }
    column
}

/// Whole events: JSON of which columns have the most, JSON with text of its own, and no JSON.
fn event(n: i64) -> String {
    let note = format!("request {n} {}", if n % 997 == 3 { "of a rareword." } else { "of many" });
    let members = format!(
        r#"{{"id":"id-{:05}","verb":"{}","code":{},"object":{},"at":"{}Z""#,
        n * 7919 % ROW_COUNT,
        VERBS[(n % 4) as usize],
        if n % 11 != 0 {
            (200 + n % 3).to_string()
        } else {
            "null".to_owned()
        },
        if n % 5 != 0 {
            format!(r#"{{"kind":{}}}"#, n % 13)
        } else {
            "null".to_owned()
        },
        chrono_like(NOON / 1_000_000 + n),
    );
    match n % 3 {
        0 => note,
        1 => format!(r#"{members},"note":"{note}"}}"#),
        _ => format!(r#"{members},"rare":{}}}"#, if n % 997 == 3 { "\"rareword\"" } else { "false" }),
    }
}

/// RFC 3339 without its zone, of a day of November 2026.
fn chrono_like(seconds: i64) -> String {
    let (day, second) = (seconds / 86_400 - 20_758, seconds % 86_400);
    format!(
        "2026-11-{:02}T{:02}:{:02}:{:02}",
        day + 1,
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

fn batch(numbers: std::ops::Range<i64>) -> RecordBatch {
    let numbers: Vec<i64> = numbers.collect();
    let text = |of: &dyn Fn(i64) -> String| -> ArrayRef { Arc::new(numbers.iter().map(|n| Some(of(*n))).collect::<StringViewArray>()) };
    let times = TimestampMicrosecondArray::from(numbers.iter().map(|n| NOON + n * 1_000_000).collect::<Vec<_>>()).with_timezone("UTC");
    let columns: Vec<ArrayRef> = vec![
        Arc::new(times.clone()),
        text(&|n| format!("id-{:05}", n * 7919 % ROW_COUNT)),
        text(&|n| VERBS[(n % 4) as usize].to_owned()),
        Arc::new(
            numbers
                .iter()
                .map(|n| (n % 11 != 0).then_some((200 + n % 3) as i32))
                .collect::<Int32Array>(),
        ),
        Arc::new(
            numbers
                .iter()
                .map(|n| (n % 5 != 0).then(|| format!(r#"{{"kind":{}}}"#, n % 13)))
                .collect::<StringViewArray>(),
        ),
        text(&event),
        Arc::new(times),
    ];
    RecordBatch::try_new(stored_schema(&requests()), columns).unwrap()
}

fn questions() -> Vec<Option<Expr>> {
    let time = |n: i64| {
        lit(datafusion::common::ScalarValue::TimestampMicrosecond(
            Some(NOON + n * 1_000_000),
            Some("UTC".into()),
        ))
    };
    vec![
        None,
        Some(ident("Verb").eq(lit("create"))),
        Some(ident("Verb").eq(lit("absent"))),
        Some(ident("Verb").not_eq(lit("get")).and(ident("Code").eq(lit(201)))),
        Some(ident("Code").is_null().or(ident("Object").is_null())),
        Some(ident("TimeGenerated").gt_eq(time(4_200)).and(ident("Verb").eq(lit("list")))),
        Some(ident("TimeGenerated").lt(time(10))),
        Some(ident("Id").eq(lit("id-00042"))),
        Some(ident("Id").eq(lit("id-00042")).and(ident("Verb").eq(lit("nothing")))),
        Some(ident("Event").like(lit("%rareword%"))),
        Some(ident("Event").like(lit("%rareword%")).and(ident("Verb").eq(lit("watch")))),
        Some(ident("Verb").eq(ident("Object")).or(ident("Code").gt(lit(201)))),
    ]
}

async fn text(frame: DataFrame, sorted: &[&str]) -> String {
    let keys = sorted.iter().map(|name| ident(*name).sort(true, true)).collect();
    let batches = frame.sort(keys).unwrap().collect().await.unwrap();
    pretty_format_batches(&batches).unwrap().to_string()
}

async fn compare(lake: &Lake, plain: &SessionContext, when: &str) {
    let session = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(2));
    let filtered = |frame: DataFrame, filter: &Option<Expr>| match filter {
        Some(filter) => frame.filter(filter.clone()).unwrap(),
        None => frame,
    };
    for filter in questions() {
        let ours = || filtered(session.read_table(lake.table("Requests").unwrap()).unwrap(), &filter);
        let theirs = || plain.clone();
        for columns in [
            vec!["TimeGenerated", "Verb"],
            vec!["TimeGenerated", "Id", "Event"],
            vec!["TimeGenerated", "Object", "Code", "Verb", "Id"],
        ] {
            let select = |frame: DataFrame| frame.select(columns.iter().map(|name| ident(*name)).collect::<Vec<_>>()).unwrap();
            let got = text(select(ours()), &columns).await;
            let wanted = text(select(filtered(theirs().table("rows").await.unwrap(), &filter)), &columns).await;
            assert_eq!(got, wanted, "{when}: {filter:?} {columns:?}");
        }
        // What comes of expressions is kept, and must be of just the rows that are wanted.
        let pair = || vec![lit("verb"), ident("Verb"), lit("event"), left(ident("Event"), lit(9))];
        let made = || {
            vec![
                ident("TimeGenerated"),
                right(ident("Id"), lit(3)).alias("End"),
                upper(ident("Verb")).alias("Upper"),
                named_struct(pair()).alias("Pair"),
            ]
        };
        let select = |frame: DataFrame| frame.select(made()).unwrap();
        let got = text(select(ours()), &["TimeGenerated"]).await;
        let wanted = text(select(filtered(theirs().table("rows").await.unwrap(), &filter)), &["TimeGenerated"]).await;
        assert_eq!(got, wanted, "{when}: made, {filter:?}");
        for keys in [
            vec!["Verb"],
            vec!["Verb", "Code"],
            vec!["Object"],
            vec!["Id"],
            vec!["Minute"],
            vec!["Minute", "Verb"],
        ] {
            let minute = || date_trunc(lit("minute"), ident("TimeGenerated")).alias("Minute");
            let key = |name: &&str| if *name == "Minute" { minute() } else { ident(*name) };
            let groups = || keys.iter().map(key).collect::<Vec<_>>();
            let counted = filtered(session.read_table(lake.counted("Requests").unwrap()).unwrap(), &filter);
            let got = counted.aggregate(groups(), vec![sum(ident(ROWS)).alias("n")]).unwrap();
            let wanted = filtered(theirs().table("rows").await.unwrap(), &filter);
            let wanted = wanted.aggregate(groups(), vec![count(lit(1)).alias("n")]).unwrap();
            assert_eq!(
                text(got, &keys).await,
                text(wanted, &keys).await,
                "{when}: counted, {filter:?} {keys:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_to_read_gives_the_same_rows() {
    let directory = tempfile::tempdir().unwrap();
    let mut schema = Schema::default();
    schema.add_table(requests());
    let options = LakeOptions {
        row_group_rows: 700,
        ..quiet()
    };
    let lake = Lake::open(directory.path(), Arc::new(schema), options).await.unwrap();
    let plain = SessionContext::new();
    let all = batch(0..ROW_COUNT);
    plain
        .register_table("rows", Arc::new(MemTable::try_new(all.schema(), vec![vec![all]]).unwrap()))
        .unwrap();
    let part = ROW_COUNT / 5;
    for index in 0..4 {
        lake.append(vec![("Requests".to_owned(), batch(index * part..(index + 1) * part))])
            .await
            .unwrap();
        lake.flush().await.unwrap();
    }
    lake.append(vec![("Requests".to_owned(), batch(4 * part..5 * part))]).await.unwrap();
    compare(&lake, &plain, "files and memory").await;
    compare(&lake, &plain, "again, with columns kept").await;
    let version = lake.version("Requests").unwrap();
    lake.flush().await.unwrap();
    assert!(lake.compact().await.unwrap().added > 0);
    assert_ne!(lake.version("Requests"), Some(version));
    compare(&lake, &plain, "merged and indexed").await;
    compare(&lake, &plain, "merged and indexed, again").await;
}
