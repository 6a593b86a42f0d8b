//! The files: readable by others, evolving, merged, expired.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, AsArray, RecordBatch, new_null_array};
use chrono::{TimeZone, Utc};
use datafusion::prelude::{ident, lit};
use taffrail_kql::Type;
use taffrail_lake::{Lake, LakeError, LakeOptions};
use taffrail_schema::{ColumnDef, Schema, stored_schema};
use url::Url;

use crate::support::*;

async fn delta_rows(directory: &std::path::Path, table: &str) -> (i64, usize, u64) {
    let path = std::fs::canonicalize(directory.join("tables").join(table)).unwrap();
    let table = deltalake::open_table(Url::from_directory_path(path).unwrap()).await.unwrap();
    let state = table.snapshot().unwrap();
    let files: Vec<_> = state.log_data().iter().map(|file| file.num_records().unwrap()).collect();
    let position = state
        .transaction_version(table.log_store().as_ref(), "taffrail")
        .await
        .unwrap()
        .unwrap();
    (position, files.iter().sum(), state.version())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tables_are_delta_tables() {
    let directory = tempfile::tempdir().unwrap();
    let options = LakeOptions {
        checkpoint_every: 5,
        ..quiet()
    };
    let lake = Lake::open(directory.path(), schema(), options.clone()).await.unwrap();
    for number in 0..12 {
        lake.append(events(number * 10..number * 10 + 10)).await.unwrap();
        lake.flush().await.unwrap();
    }
    assert_eq!(delta_rows(directory.path(), "Events").await, (12, 120, 11));
    let folder = directory.path().join("tables/Events/date=2026-11-20");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 12, "partitioned by day");
    drop(lake);
    let lake = Lake::open(directory.path(), schema(), options).await.unwrap();
    assert_eq!(numbers(&lake, "Events").await, all(0..120));
    assert_eq!(lake.append(events(0..120)).await.unwrap().stored, 0);
    let compacted = lake.compact().await.unwrap();
    assert_eq!((compacted.removed, compacted.added), (12, 1));
    assert_eq!(delta_rows(directory.path(), "Events").await, (12, 120, 12));
    assert_eq!(numbers(&lake, "Events").await, all(0..120));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_many_days_and_of_none_find_their_partition() {
    let directory = tempfile::tempdir().unwrap();
    let lake = open(directory.path()).await;
    let batch = rows(0..3);
    let times =
        arrow::array::TimestampMicrosecondArray::from(vec![Some(NOON), None, Some(NOON - 365 * 86_400_000_000)]).with_timezone("UTC");
    let mut columns = batch.columns().to_vec();
    columns[0] = Arc::new(times);
    let batch = RecordBatch::try_new(batch.schema(), columns).unwrap();
    lake.append(vec![("Events".to_owned(), batch)]).await.unwrap();
    lake.close().await.unwrap();
    let mut folders: Vec<String> = std::fs::read_dir(directory.path().join("tables/Events"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    folders.sort();
    assert_eq!(
        folders,
        [
            "_delta_log",
            "date=2025-11-20",
            "date=2026-11-20",
            "date=__HIVE_DEFAULT_PARTITION__"
        ]
    );
    assert_eq!(delta_rows(directory.path(), "Events").await.1, 3);
    let lake = open(directory.path()).await;
    assert_eq!(numbers(&lake, "Events").await, all(0..3));
    let without = frame(&lake, "Events").filter(ident("TimeGenerated").is_null()).unwrap();
    assert_eq!(collect(without).await, vec![1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_column_more_is_empty_in_older_rows() {
    let directory = tempfile::tempdir().unwrap();
    let lake = open(directory.path()).await;
    lake.append(events(0..5)).await.unwrap();
    lake.flush().await.unwrap();
    lake.append(events(5..8)).await.unwrap();
    drop(lake);

    let mut wider = definition("Events");
    for (name, ty) in [("Text", Type::String), ("Count", Type::Long), ("Details", Type::Dynamic)] {
        let column = ColumnDef {
            name: name.to_owned(),
            path: Vec::new(),
            ty,
            about: String::new(),
        };
        wider.columns.insert(2, column);
    }
    let mut new = Schema::default();
    new.add_table(wider.clone());
    new.add_table(definition("Notes"));
    let new = Arc::new(new);
    let lake = Lake::open(directory.path(), Arc::clone(&new), quiet()).await.unwrap();
    let row = rows(8..9);
    let columns = wider
        .columns
        .iter()
        .map(|column| match column.name.as_str() {
            "Text" => Arc::new(arrow::array::StringViewArray::from(vec!["new"])) as Arc<dyn Array>,
            "Count" => Arc::new(arrow::array::Int64Array::from(vec![1])),
            "Details" => Arc::new(arrow::array::StringViewArray::from(vec!["{}"])),
            name => Arc::clone(row.column_by_name(name).unwrap()),
        })
        .collect();
    let batch = RecordBatch::try_new(stored_schema(&wider), columns).unwrap();
    lake.append(vec![("Events".to_owned(), batch)]).await.unwrap();
    for round in ["in memory", "in files", "after a restart", "merged"] {
        let empty = frame(&lake, "Events").filter(ident("Text").eq(lit(""))).unwrap();
        assert_eq!(collect(empty).await, all(0..8), "{round}");
        let filled = frame(&lake, "Events")
            .filter(ident("Text").eq(lit("new")).and(ident("Count").eq(lit(1i64))))
            .unwrap();
        assert_eq!(collect(filled).await, vec![8], "{round}");
        let null = frame(&lake, "Events").filter(ident("Details").is_null()).unwrap();
        assert_eq!(collect(null).await, all(0..8), "{round}");
        match round {
            "in memory" => lake.flush().await.unwrap(),
            "in files" => lake.close().await.unwrap(),
            _ => {}
        }
        if round == "after a restart" {
            let lake = Lake::open(directory.path(), Arc::clone(&new), quiet()).await.unwrap();
            assert_eq!(lake.compact().await.unwrap().removed, 2);
            let text = frame(&lake, "Events").select(vec![ident("Text")]).unwrap().collect().await.unwrap();
            assert_eq!(
                text.iter()
                    .map(|batch| batch.column(0).as_string_view().null_count())
                    .sum::<usize>(),
                0
            );
        }
    }
    drop(lake);

    let mut changed = definition("Events");
    changed.columns[2].ty = Type::String;
    let mut schema = Schema::default();
    schema.add_table(changed);
    let error = Lake::open(directory.path(), Arc::new(schema), quiet())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("column Number is stored as \"long\" and defined as string"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_files_leave_the_table_at_once_and_the_disk_later() {
    let directory = tempfile::tempdir().unwrap();
    let mut options = quiet();
    let lake = Lake::open(directory.path(), schema(), options.clone()).await.unwrap();
    for day in 0..3 {
        lake.append(events(day * 86_400..day * 86_400 + 10)).await.unwrap();
        lake.flush().await.unwrap();
    }
    let before = frame(&lake, "Events");
    let planned = before.clone().create_physical_plan().await.unwrap();
    let second_day = Utc.timestamp_micros(NOON + 86_400_000_000).unwrap();
    assert_eq!(lake.expire("Events", second_day).await.unwrap(), 1);
    assert_eq!(numbers(&lake, "Events").await.len(), 20);
    assert_eq!(lake.vacuum().await.unwrap(), 0, "kept for those who read it");
    let context = datafusion::prelude::SessionContext::new().task_ctx();
    let rows = datafusion::physical_plan::collect(planned, context).await.unwrap();
    assert_eq!(
        rows.iter().map(|batch| batch.num_rows()).sum::<usize>(),
        30,
        "a scan planned before still finds its files"
    );
    lake.close().await.unwrap();
    drop(lake);

    options.keep_removed = Duration::ZERO;
    let lake = Lake::open(directory.path(), schema(), options).await.unwrap();
    while lake.vacuum().await.unwrap() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(lake.vacuum().await.unwrap(), 0);
    assert_eq!(numbers(&lake, "Events").await.len(), 20);
    assert!(matches!(
        lake.expire("Nothing", second_day).await,
        Err(LakeError::UnknownTable { .. })
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_writer_of_the_delta_table_is_respected() {
    let directory = tempfile::tempdir().unwrap();
    let lake = open(directory.path()).await;
    lake.append(events(0..5)).await.unwrap();
    lake.flush().await.unwrap();
    lake.append(events(5..8)).await.unwrap();
    // As an engine beside writes it: another file with the same rows in the place of the first.
    let folder = directory.path().join("tables/Events");
    let entry = std::fs::read_to_string(folder.join("_delta_log/00000000000000000000.json")).unwrap();
    let actions = entry.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let mut add = actions.into_iter().find(|action| action.get("add").is_some()).unwrap();
    let path = add["add"]["path"].as_str().unwrap().to_owned();
    let copy = path.replace("part-", "other-");
    std::fs::copy(folder.join(&path), folder.join(&copy)).unwrap();
    let values = add["add"]["partitionValues"].clone();
    let remove = serde_json::json!({"remove": {"path": path, "dataChange": false, "deletionTimestamp": 1, "partitionValues": values}});
    add["add"]["path"] = copy.into();
    std::fs::write(folder.join("_delta_log/00000000000000000001.json"), format!("{remove}\n{add}\n")).unwrap();
    lake.flush().await.unwrap();
    assert_eq!(numbers(&lake, "Events").await, all(0..8));
    assert_eq!(delta_rows(directory.path(), "Events").await, (2, 8, 2));
    assert_eq!(lake.statistics()["Events"].files, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_table_of_the_content_can_be_stored() {
    let directory = tempfile::tempdir().unwrap();
    let schema = Arc::new(Schema::load(&taffrail_content::Content::embedded()).unwrap());
    let lake = Lake::open(directory.path(), Arc::clone(&schema), quiet()).await.unwrap();
    let empty_row = |table| {
        let fields = stored_schema(table);
        let columns = fields.fields().iter().map(|field| new_null_array(field.data_type(), 1)).collect();
        RecordBatch::try_new(fields, columns).unwrap()
    };
    let rows: Vec<_> = schema.tables().map(|table| (table.name.clone(), empty_row(table))).collect();
    assert_eq!(lake.append(rows).await.unwrap().stored, schema.tables().count() as u64);
    lake.close().await.unwrap();
    let lake = Lake::open(directory.path(), Arc::clone(&schema), quiet()).await.unwrap();
    for table in schema.tables() {
        assert_eq!(delta_rows(directory.path(), &table.name).await.1, 1, "{}", table.name);
        let rows = frame(&lake, &table.name).collect().await.unwrap();
        assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 1, "{}", table.name);
        for (column, array) in table.columns.iter().zip(rows[0].columns()) {
            assert_eq!(array.is_null(0), column.ty != Type::String, "{}.{}", table.name, column.name);
        }
    }
}
