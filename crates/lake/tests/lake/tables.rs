//! Tables that are made, changed and dropped while the lake is open.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use arrow::datatypes::Int64Type;
use datafusion::prelude::ident;
use taffrail_kql::Type;
use taffrail_lake::{Lake, LakeError, TableChange};
use taffrail_schema::{TableDef, made_table, stored_schema};

use crate::support::*;

fn own(columns: &[(&str, Type)]) -> TableDef {
    made_table("Own_CL", columns.iter().map(|(name, ty)| column(name, *ty)).collect()).unwrap()
}

/// Rows of `Own_CL` with its two times, `Name` and, if the definition has it, `Number`.
fn batch(definition: &TableDef, numbers: &[i64]) -> Vec<(String, RecordBatch)> {
    let columns = definition.columns.iter().map(|column| -> ArrayRef {
        match column.name.as_str() {
            "Name" => Arc::new(StringViewArray::from_iter_values(numbers.iter().map(|number| format!("n{number}")))),
            "Number" => Arc::new(Int64Array::from(numbers.to_vec())),
            _ => Arc::new(TimestampMicrosecondArray::from(vec![NOON; numbers.len()]).with_timezone("UTC")),
        }
    });
    let rows = RecordBatch::try_new(stored_schema(definition), columns.collect()).unwrap();
    vec![("Own_CL".to_owned(), rows)]
}

/// Names and numbers, sorted by name.
async fn content(lake: &Lake) -> Vec<(String, Option<i64>)> {
    let frame = frame(lake, "Own_CL").select(vec![ident("Name"), ident("Number")]).unwrap();
    let mut rows = Vec::new();
    for batch in frame.collect().await.unwrap() {
        let numbers = batch.column(1).as_primitive::<Int64Type>().iter();
        rows.extend(
            batch
                .column(0)
                .as_string_view()
                .iter()
                .map(|name| name.unwrap().to_owned())
                .zip(numbers),
        );
    }
    rows.sort();
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_made_at_run_time_gets_columns_without_rewriting_and_survives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let shared = schema();
    let lake = Lake::open(directory.path(), Arc::clone(&shared), quiet()).await.unwrap();
    let old = own(&[("Name", Type::String)]);
    assert_eq!(lake.create_merge(old.clone()).await.unwrap(), TableChange::Created);
    assert!(shared.table("Own_CL").is_some(), "whoever has the schema knows it");
    lake.append(batch(&old, &[1])).await.unwrap();
    lake.flush().await.unwrap();
    lake.append(batch(&old, &[2])).await.unwrap();
    let new = own(&[("Name", Type::String), ("Number", Type::Long)]);
    assert_eq!(
        lake.create_merge(new.clone()).await.unwrap(),
        TableChange::Added(vec!["Number".to_owned()])
    );
    assert_eq!(lake.create_merge(new.clone()).await.unwrap(), TableChange::Nothing);
    lake.append(batch(&new, &[3])).await.unwrap();
    // Decoded a moment before the change.
    lake.append(batch(&old, &[4])).await.unwrap();
    let expected = vec![
        ("n1".to_owned(), None),
        ("n2".to_owned(), None),
        ("n3".to_owned(), Some(3)),
        ("n4".to_owned(), None),
    ];
    assert_eq!(content(&lake).await, expected, "a file, rows in memory of before and of after");
    drop(lake);
    let lake = Lake::open(directory.path(), schema(), quiet()).await.unwrap();
    assert_eq!(content(&lake).await, expected, "from the log");
    lake.flush().await.unwrap();
    lake.compact().await.unwrap();
    assert_eq!(content(&lake).await, expected, "merged files");
    let error = lake.create_merge(own(&[("Name", Type::Long)])).await.unwrap_err();
    assert!(error.to_string().contains("Name is of type string, not long"), "{error}");
    assert!(matches!(lake.create_table(new).await, Err(LakeError::Table { .. })));
    let reader = Lake::open_read_only(directory.path(), schema(), quiet()).await.unwrap();
    assert_eq!(content(&reader).await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_table_is_gone_and_one_of_its_name_begins_empty() {
    let directory = tempfile::tempdir().unwrap();
    let definition = own(&[("Name", Type::String), ("Number", Type::Long)]);
    let lake = open(directory.path()).await;
    lake.create_table(definition.clone()).await.unwrap();
    lake.append(batch(&definition, &[1])).await.unwrap();
    lake.flush().await.unwrap();
    lake.append(batch(&definition, &[2])).await.unwrap();
    lake.drop_table("Own_CL").await.unwrap();
    assert!(lake.table("Own_CL").is_none());
    assert!(matches!(
        lake.append(batch(&definition, &[3])).await,
        Err(LakeError::UnknownTable { .. })
    ));
    drop(lake);
    let lake = open(directory.path()).await;
    assert!(lake.table("Own_CL").is_none(), "its rows in the log are not missed");
    lake.create_table(definition.clone()).await.unwrap();
    lake.append(batch(&definition, &[4])).await.unwrap();
    drop(lake);
    let lake = open(directory.path()).await;
    assert_eq!(content(&lake).await, [("n4".to_owned(), Some(4))]);
    assert!(matches!(lake.drop_table("Events").await, Err(LakeError::Table { .. })), "built in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn columns_arrive_while_rows_do() {
    let directory = tempfile::tempdir().unwrap();
    let lake = open(directory.path()).await;
    let definition = own(&[("Name", Type::String), ("Number", Type::Long)]);
    lake.create_table(definition.clone()).await.unwrap();
    let writer = {
        let (lake, definition) = (lake.clone(), definition.clone());
        tokio::spawn(async move {
            for number in 0..200 {
                lake.append(batch(&definition, &[number])).await.unwrap();
                if number % 50 == 49 {
                    lake.flush().await.unwrap();
                }
            }
        })
    };
    for more in 0..10 {
        let with = own(&[(format!("More{more}").as_str(), Type::Dynamic)]);
        assert!(matches!(lake.create_merge(with).await.unwrap(), TableChange::Added(_)));
        content(&lake).await;
    }
    writer.await.unwrap();
    assert_eq!(content(&lake).await.len(), 200);
    drop(lake);
    assert_eq!(content(&open(directory.path()).await).await.len(), 200);
}
