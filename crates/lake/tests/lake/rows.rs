//! Appends, queries, duplicates.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::prelude::{ident, lit};
use taffrail_lake::{Lake, LakeError, LakeOptions};

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_there_at_once_after_a_flush_and_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let lake = open(directory.path()).await;
    assert_eq!(numbers(&lake, "Events").await, all(0..0), "an empty table can be read");
    let appended = lake.append(events(0..10)).await.unwrap();
    assert_eq!((appended.stored, appended.duplicates), (10, 0));
    assert_eq!(numbers(&lake, "Events").await, all(0..10));
    lake.flush().await.unwrap();
    lake.append(events(10..15)).await.unwrap();
    assert_eq!(numbers(&lake, "Events").await, all(0..15));
    let statistics = lake.statistics().remove("Events").unwrap();
    assert_eq!((statistics.rows, statistics.hot_rows, statistics.files), (15, 5, 1));
    drop(lake);

    let lake = open(directory.path()).await;
    assert_eq!(numbers(&lake, "Events").await, all(0..15), "rows from the log and from files");
    lake.close().await.unwrap();
    assert!(matches!(lake.append(events(20..21)).await, Err(LakeError::Closed)));

    let lake = open(directory.path()).await;
    assert_eq!(numbers(&lake, "Events").await, all(0..15));
    assert_eq!(lake.statistics()["Events"].hot_rows, 0, "closing wrote everything to files");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_sent_again_is_stored_once() {
    let directory = tempfile::tempdir().unwrap();
    let lake = open(directory.path()).await;
    let twice = arrow::compute::concat_batches(&rows(0..1).schema(), &[rows(0..10), rows(5..12)]).unwrap();
    let appended = lake.append(vec![("Events".to_owned(), twice)]).await.unwrap();
    assert_eq!((appended.stored, appended.duplicates), (12, 5), "within one batch");
    let again = lake.append(events(8..14)).await.unwrap();
    assert_eq!((again.stored, again.duplicates), (2, 4), "rows in memory");
    lake.flush().await.unwrap();
    let again = lake.append(events(0..14)).await.unwrap();
    assert_eq!((again.stored, again.duplicates), (0, 14), "rows in files");
    drop(lake);
    let lake = open(directory.path()).await;
    assert_eq!(lake.append(events(0..16)).await.unwrap().stored, 2, "after a restart");
    drop(lake);
    let lake = open(directory.path()).await;
    assert_eq!(lake.append(events(0..16)).await.unwrap().stored, 0, "after a restart without flush");
    assert_eq!(numbers(&lake, "Events").await, all(0..16));

    let notes = vec![("Notes".to_owned(), rows(0..3)), ("Notes".to_owned(), rows(0..3))];
    assert_eq!(lake.append(notes).await.unwrap().stored, 6, "a table without key keeps every row");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_appends_store_each_row_once() {
    let directory = tempfile::tempdir().unwrap();
    let lake = open(directory.path()).await;
    let mut tasks = Vec::new();
    // Every row is sent by two tasks, in chunks that overlap.
    for sender in 0..8i64 {
        let lake = lake.clone();
        tasks.push(tokio::spawn(async move {
            let mut stored = 0;
            for chunk in 0..10i64 {
                let from = (sender / 2) * 1000 + chunk * 100;
                stored += lake.append(events(from..from + 100)).await.unwrap().stored;
            }
            stored
        }));
    }
    let mut stored = 0;
    for task in tasks {
        stored += task.await.unwrap();
    }
    assert_eq!(stored, 4000);
    assert_eq!(numbers(&lake, "Events").await, all(0..4000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_see_each_row_once_while_rows_move_to_files_and_files_merge() {
    let directory = tempfile::tempdir().unwrap();
    let lake = open(directory.path()).await;
    let done = Arc::new(AtomicBool::new(false));
    let mover = {
        let (lake, done) = (lake.clone(), Arc::clone(&done));
        tokio::spawn(async move {
            for round in 0..20 {
                lake.append(events(round * 50..round * 50 + 50)).await.unwrap();
                lake.flush().await.unwrap();
                if round % 5 == 4 {
                    lake.compact().await.unwrap();
                }
            }
            done.store(true, Ordering::Release);
        })
    };
    let mut least = 0;
    while !done.load(Ordering::Acquire) {
        let seen = numbers(&lake, "Events").await;
        assert_eq!(seen, all(0..seen.len() as i64), "each row once, none missing");
        assert!(seen.len() >= least && seen.len() % 50 == 0, "whole appends, and none goes away");
        least = seen.len();
    }
    mover.await.unwrap();
    assert_eq!(numbers(&lake, "Events").await, all(0..1000));
    assert_eq!(lake.statistics()["Events"].files, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filters_limits_and_counts_are_right_over_files_and_memory() {
    let directory = tempfile::tempdir().unwrap();
    let lake = open(directory.path()).await;
    for day in 0..4 {
        lake.append(events(day * 86_400..day * 86_400 + 100)).await.unwrap();
        if day < 3 {
            lake.flush().await.unwrap();
        }
    }
    let wanted = frame(&lake, "Events")
        .filter(
            ident("Number")
                .gt_eq(lit(86_450i64))
                .and(ident("Number").lt(lit(2 * 86_400 + 3i64))),
        )
        .unwrap();
    let plan = wanted.clone().create_physical_plan().await.unwrap();
    let text = datafusion::physical_plan::displayable(plan.as_ref()).indent(true).to_string();
    assert!(text.contains("files=2 of 3"), "two of three files can hold such rows:\n{text}");
    assert!(
        text.contains("where ") && !text.contains("FilterExec"),
        "the scan itself decides:\n{text}"
    );
    let expected: Vec<i64> = (86_450..86_500).chain(2 * 86_400..2 * 86_400 + 3).collect();
    assert_eq!(collect(wanted).await, expected);

    let one = frame(&lake, "Events")
        .filter(ident("Id").eq(lit(format!("row-{:020}-identifier", 86_407))))
        .unwrap();
    assert_eq!(collect(one).await, vec![86_407]);
    let last = frame(&lake, "Events").filter(ident("Number").eq(lit(3 * 86_400 + 7i64))).unwrap();
    assert_eq!(collect(last).await, vec![3 * 86_400 + 7]);
    assert_eq!(frame(&lake, "Events").count().await.unwrap(), 400);
    assert_eq!(collect(frame(&lake, "Events").limit(0, Some(7)).unwrap()).await.len(), 7);
    let newest = frame(&lake, "Events")
        .sort(vec![ident("TimeGenerated").sort(false, false)])
        .unwrap()
        .limit(0, Some(150))
        .unwrap();
    let expected: Vec<i64> = (2 * 86_400 + 50..2 * 86_400 + 100).chain(3 * 86_400..3 * 86_400 + 100).collect();
    assert_eq!(collect(newest).await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_are_not_the_tables_are_refused_whole() {
    let directory = tempfile::tempdir().unwrap();
    let lake = open(directory.path()).await;
    let unknown = vec![("Events".to_owned(), rows(0..3)), ("Nothing".to_owned(), rows(0..3))];
    assert!(matches!(lake.append(unknown).await, Err(LakeError::UnknownTable { table }) if table == "Nothing"));
    let narrow = rows(0..3).project(&[0, 1]).unwrap();
    let error = lake.append(vec![("Events".to_owned(), narrow)]).await.unwrap_err();
    assert_eq!(error.to_string(), "rows for Events refused: 2 columns, the table has 4");
    let order = rows(0..3).project(&[0, 2, 1, 3]).unwrap();
    let error = lake.append(vec![("Events".to_owned(), order)]).await.unwrap_err();
    assert_eq!(error.to_string(), "rows for Events refused: column Number where the table has Id");
    assert_eq!(numbers(&lake, "Events").await, all(0..0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_over_two_tables_and_followers_of_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let options = LakeOptions {
        segment_bytes: 20_000,
        ..quiet()
    };
    let lake = Lake::open(directory.path(), schema(), options.clone()).await.unwrap();
    let mut slow = lake.subscribe();
    lake.set_consumer("rules", 0).await.unwrap();
    // More appends than are kept for followers in memory, with flushes that would cut the log.
    for number in 0..400 {
        lake.append(vec![("Events".to_owned(), rows([number])), ("Notes".to_owned(), rows([-number]))])
            .await
            .unwrap();
        if number % 100 == 99 {
            lake.flush().await.unwrap();
        }
    }
    for number in 0..400 {
        let event = slow.next().await.unwrap().unwrap();
        assert_eq!(
            (event.position, event.table.as_str(), event.more),
            (number as u64 + 1, "Events", true)
        );
        assert_eq!(event.batch, rows([number]));
        assert_eq!(slow.position(), number as u64, "not done before the second table");
        let note = slow.next().await.unwrap().unwrap();
        assert_eq!((note.position, note.table.as_str(), note.more), (number as u64 + 1, "Notes", false));
    }
    assert!(slow.try_next().await.unwrap().is_none());
    // Live.
    let waiting = tokio::spawn(async move {
        let rows = slow.next().await.unwrap().unwrap();
        (rows.position, slow.next().await.unwrap().is_none())
    });
    lake.append(events([1000])).await.unwrap();
    lake.set_consumer("rules", 390).await.unwrap();
    lake.close().await.unwrap();
    assert_eq!(waiting.await.unwrap(), (401, true), "the last rows, then the end");
    drop(lake);

    let lake = Lake::open(directory.path(), schema(), options).await.unwrap();
    let mut again = lake.read_from(lake.consumer("rules").unwrap());
    let mut rest = BTreeMap::<u64, usize>::new();
    while let Some(rows) = again.try_next().await.unwrap() {
        *rest.entry(rows.position).or_default() += rows.batch.num_rows();
    }
    assert_eq!(
        rest.keys().copied().collect::<Vec<_>>(),
        (391..=401).collect::<Vec<_>>(),
        "after a restart, behind its position"
    );
    assert_eq!(rest.values().sum::<usize>(), 21);
    drop(again);
    lake.set_consumer("rules", lake.position()).await.unwrap();
    lake.append(events([1001])).await.unwrap();
    lake.flush().await.unwrap();
    assert!(
        matches!(lake.read_from(0).next().await, Err(LakeError::Gone { .. })),
        "what every consumer has read is cut away"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_wait_while_the_disk_does_not_keep_up() {
    let directory = tempfile::tempdir().unwrap();
    let options = LakeOptions {
        unflushed_limit: 20_000,
        ..quiet()
    };
    let lake = Lake::open(directory.path(), schema(), options).await.unwrap();
    for number in 0..50 {
        lake.append(events(number * 100..number * 100 + 100)).await.unwrap();
        let hot: u64 = lake.statistics().values().map(|table| table.hot_bytes).sum();
        assert!(hot < 20_000 + 40_000, "{hot} bytes in memory after {number}");
    }
    assert_eq!(numbers(&lake, "Events").await, all(0..5000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_single_rows_stay_cheap() {
    let directory = tempfile::tempdir().unwrap();
    let lake = open(directory.path()).await;
    let one = rows(0..1).get_array_memory_size() as u64;
    let appends = (0..2000).map(|number| {
        let lake = lake.clone();
        async move { lake.append(events([number])).await.unwrap() }
    });
    futures::future::join_all(appends).await;
    assert_eq!(numbers(&lake, "Events").await, all(0..2000));
    let bytes = lake.statistics()["Events"].hot_bytes;
    assert!(bytes < 2000 * one / 4, "{bytes} bytes for rows of which one alone takes {one}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_without_identity_are_all_kept() {
    let directory = tempfile::tempdir().unwrap();
    let lake = open(directory.path()).await;
    let batch = rows(0..3);
    let mut columns = batch.columns().to_vec();
    columns[1] = Arc::new(arrow::array::StringViewArray::from(vec![Some(""), None, Some("known")]));
    let batch = arrow::array::RecordBatch::try_new(batch.schema(), columns).unwrap();
    for stored in [3, 2] {
        assert_eq!(
            lake.append(vec![("Events".to_owned(), batch.clone())]).await.unwrap().stored,
            stored
        );
    }
    drop(lake);
    let lake = open(directory.path()).await;
    assert_eq!(lake.append(vec![("Events".to_owned(), batch)]).await.unwrap().stored, 2);
    let empty = frame(&lake, "Events").filter(ident("Id").eq(lit(""))).unwrap();
    assert_eq!(collect(empty).await.len(), 6, "a string is never null");
}
