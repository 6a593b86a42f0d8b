//! How long rows are kept, deleting some of them, and copies of all of them.

use std::path::Path;

use taffrail_lake::{Deletion, Lake, LakeError, Policy, VerifyOptions, restore, verify};
use taffrail_schema::Schema;

use crate::support::*;

fn time(seconds: i64) -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::from_timestamp_micros(NOON + seconds * 1_000_000).unwrap()
}

const DAY: i64 = 86_400;

fn whole(directory: &Path) {
    assert_eq!(verify(directory, &VerifyOptions::default()).unwrap().faults, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_go_when_they_are_too_old_and_stay_under_legal_hold() {
    let directory = tempfile::tempdir().unwrap();
    let lake = open(directory.path()).await;
    lake.append(events([0, 1, DAY, 2 * DAY, 10 * DAY])).await.unwrap();
    lake.flush().await.unwrap();
    let days = |days| Policy {
        retention_days: Some(days),
        ..Policy::default()
    };
    assert_eq!(
        lake.retain(time(11 * DAY)).await.unwrap(),
        [],
        "kept for ever unless told otherwise"
    );
    let held = Policy {
        legal_hold: Some("case 7".to_owned()),
        ..days(3)
    };
    lake.set_policy("Events", held).await.unwrap();
    assert_eq!(lake.retain(time(11 * DAY)).await.unwrap(), []);
    let error = lake.delete("Events", &Deletion::default()).await.unwrap_err();
    assert!(error.to_string().contains("legal hold (case 7)"), "{error}");
    lake.set_policy("Events", days(9)).await.unwrap();
    drop(lake);
    let lake = open(directory.path()).await;
    assert_eq!(lake.retention("Events").unwrap(), Some(9), "policies survive a restart");
    let done = lake.retain(time(10 * DAY)).await.unwrap();
    assert_eq!(done.len(), 1);
    assert_eq!((done[0].0.as_str(), done[0].1.rows), ("Events", 2), "whole days");
    assert_eq!(numbers(&lake, "Events").await, [DAY, 2 * DAY, 10 * DAY]);
    lake.close().await.unwrap();
    whole(directory.path());
}

fn clustered() -> std::sync::Arc<Schema> {
    let mut table = definition("Events");
    table.columns[1].name = "Cluster".to_owned();
    table.unique.clear();
    table.bloom.clear();
    table.plain.clear();
    let mut schema = Schema::default();
    schema.add_table(table);
    std::sync::Arc::new(schema)
}

fn of_cluster(cluster: &str, numbers: &[i64]) -> Vec<(String, arrow::array::RecordBatch)> {
    let batch = rows(numbers.iter().copied());
    let mut columns = batch.columns().to_vec();
    columns[1] = std::sync::Arc::new(arrow::array::StringViewArray::from_iter_values(numbers.iter().map(|_| cluster)));
    let schema = taffrail_schema::stored_schema(clustered().table("Events").unwrap());
    vec![("Events".to_owned(), arrow::array::RecordBatch::try_new(schema, columns).unwrap())]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clusters_have_their_own_retention_and_people_can_be_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let lake = Lake::open(directory.path(), clustered(), quiet()).await.unwrap();
    for (cluster, first) in [("test", 1), ("prod", 2), ("other", 3)] {
        lake.append(of_cluster(cluster, &[first, first + 20 * DAY])).await.unwrap();
    }
    lake.flush().await.unwrap();
    let policy = Policy {
        retention_days: Some(10),
        cluster_days: [("test".to_owned(), 5), ("prod".to_owned(), 365)].into(),
        ..Policy::default()
    };
    lake.set_policy("Events", policy).await.unwrap();
    lake.retain(time(27 * DAY)).await.unwrap();
    assert_eq!(
        numbers(&lake, "Events").await,
        [2, 2 + 20 * DAY, 3 + 20 * DAY],
        "test 5 days, prod a year, others 10 days"
    );
    let forget = Deletion {
        equal: vec![("Cluster".to_owned(), "prod".to_owned())],
        before: Some(time(DAY)),
        reason: "request 12".to_owned(),
        by: "anna".to_owned(),
        ..Deletion::default()
    };
    lake.append(of_cluster("prod", &[7])).await.unwrap();
    assert_eq!(
        lake.delete("Events", &forget).await.unwrap().rows,
        2,
        "a row in a file and one in memory"
    );
    assert_eq!(numbers(&lake, "Events").await, [2 + 20 * DAY, 3 + 20 * DAY]);
    lake.close().await.unwrap();
    whole(directory.path());
    let account = std::fs::read_to_string(directory.path().join("chain/00000001.jsonl")).unwrap();
    assert!(account.contains("\"reason\":\"request 12\",\"by\":\"anna\""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_takes_no_more_than_its_quota() {
    let directory = tempfile::tempdir().unwrap();
    let lake = open(directory.path()).await;
    lake.append(events(0..10)).await.unwrap();
    let policy = Policy {
        quota_bytes: Some(100),
        ..Policy::default()
    };
    lake.set_policy("Events", policy).await.unwrap();
    assert!(matches!(
        lake.append(events(10..11)).await,
        Err(LakeError::Quota { limit: 100, .. })
    ));
    lake.append(vec![("Notes".to_owned(), rows([1]))]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_backup_beside_appends_is_a_lake_of_one_moment_and_the_next_copies_only_what_is_new() {
    let parent = tempfile::tempdir().unwrap();
    let (data, copy, again) = (parent.path().join("data"), parent.path().join("copy"), parent.path().join("again"));
    let lake = open(&data).await;
    lake.append(events(0..50)).await.unwrap();
    lake.flush().await.unwrap();
    lake.append(events(50..60)).await.unwrap();
    let first = lake.backup(&copy).await.unwrap();
    assert_eq!(first.files, first.copied);
    let writer = {
        let lake = lake.clone();
        tokio::spawn(async move {
            for number in 60..260 {
                lake.append(events([number])).await.unwrap();
                if number % 40 == 0 {
                    lake.flush().await.unwrap();
                }
            }
        })
    };
    let second = lake.backup(&copy).await.unwrap();
    assert!(second.copied < second.files, "{second:?}");
    writer.await.unwrap();
    lake.compact().await.unwrap();
    let third = lake.backup(&copy).await.unwrap();
    assert!(third.removed > 0, "files that compaction replaced are gone from it: {third:?}");
    lake.append(events([999])).await.unwrap();
    restore(&copy, &again).unwrap();
    let restored = open(&again).await;
    assert_eq!(numbers(&restored, "Events").await, all(0..260), "without what came after");
    restored.flush().await.unwrap();
    restored.close().await.unwrap();
    whole(&again);
    assert!(restore(&copy, &again).is_err(), "not over what is there");
    // A copy that was damaged is not restored.
    let file = std::fs::read_dir(copy.join("tables/Events"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let folder = file.filter(|path| path.to_string_lossy().contains("date=")).next().unwrap();
    let file = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let mut content = std::fs::read(&file).unwrap();
    content[200] ^= 1;
    std::fs::write(&file, content).unwrap();
    let error = restore(&copy, &parent.path().join("third")).unwrap_err();
    assert!(error.to_string().contains("the file was changed"), "{error}");
}
