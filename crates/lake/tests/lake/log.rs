//! The log: damage, and who may open it.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use taffrail_lake::{Lake, LakeError, LakeOptions};

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_tail_is_cut_and_nothing_before_it_lost() {
    let directory = tempfile::tempdir().unwrap();
    let lake = open(directory.path()).await;
    for number in 0..3 {
        lake.append(events([number])).await.unwrap();
    }
    drop(lake);
    let segment = newest_segment(directory.path());
    let whole = std::fs::read(&segment).unwrap();
    for tail in [&whole[28..whole.len() / 3], &[0; 5000][..], b"TFRL", &whole[28..60]] {
        std::fs::OpenOptions::new()
            .append(true)
            .open(&segment)
            .unwrap()
            .write_all(tail)
            .unwrap();
        let lake = Lake::open_read_only(directory.path(), schema(), quiet()).await.unwrap();
        assert_eq!(numbers(&lake, "Events").await.len(), 3);
        let lake = open(directory.path()).await;
        assert_eq!(numbers(&lake, "Events").await, all(0..3));
        drop(lake);
        assert_eq!(std::fs::read(&segment).unwrap(), whole, "cut back to what is good");
    }
    let lake = open(directory.path()).await;
    lake.append(events([3])).await.unwrap();
    drop(lake);
    assert_eq!(numbers(&open(directory.path()).await, "Events").await, all(0..4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_where_rows_were_acknowledged_is_an_error_that_says_where() {
    let directory = tempfile::tempdir().unwrap();
    let lake = open(directory.path()).await;
    for number in 0..3 {
        lake.append(events([number])).await.unwrap();
    }
    drop(lake);
    let segment = newest_segment(directory.path());
    let whole = std::fs::read(&segment).unwrap();
    let mut damaged = whole.clone();
    damaged[100] ^= 1;
    std::fs::write(&segment, &damaged).unwrap();
    let error = Lake::open(directory.path(), schema(), quiet()).await.unwrap_err();
    assert!(
        matches!(&error, LakeError::Corrupt { path, offset: 28, .. } if *path == segment),
        "{error}"
    );
    assert_eq!(std::fs::read(&segment).unwrap(), damaged, "nothing is cut");
    std::fs::write(&segment, &whole).unwrap();
    assert_eq!(numbers(&open(directory.path()).await, "Events").await, all(0..3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_or_shortened_segment_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let options = LakeOptions {
        segment_bytes: 1,
        ..quiet()
    };
    let lake = Lake::open(directory.path(), schema(), options).await.unwrap();
    for number in 0..3 {
        lake.append(events([number])).await.unwrap();
    }
    drop(lake);
    let second = directory.path().join("log/00000000000000000002.wal");
    let whole = std::fs::read(&second).unwrap();
    std::fs::write(&second, &whole[..whole.len() - 1]).unwrap();
    assert!(matches!(Lake::open(directory.path(), schema(), quiet()).await, Err(LakeError::Corrupt { path, .. }) if path == second));
    std::fs::remove_file(&second).unwrap();
    let third = directory.path().join("log/00000000000000000003.wal");
    assert!(matches!(Lake::open(directory.path(), schema(), quiet()).await, Err(LakeError::Corrupt { path, .. }) if path == third));
    std::fs::write(&second, &whole).unwrap();
    assert_eq!(numbers(&open(directory.path()).await, "Events").await, all(0..3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_writer_and_readers_beside_it() {
    let directory = tempfile::tempdir().unwrap();
    let lake = open(directory.path()).await;
    let error = Lake::open(directory.path(), schema(), quiet()).await.unwrap_err();
    assert!(
        matches!(&error, LakeError::Locked { process, .. } if *process == format!("process {}", std::process::id())),
        "{error}"
    );
    lake.append(events(0..5)).await.unwrap();
    lake.flush().await.unwrap();
    lake.append(events(5..9)).await.unwrap();
    let reader = Lake::open_read_only(directory.path(), schema(), quiet()).await.unwrap();
    assert_eq!(numbers(&reader, "Events").await, all(0..9), "files and log");
    assert!(matches!(reader.append(events(9..10)).await, Err(LakeError::ReadOnly)));
    assert!(matches!(reader.flush().await, Err(LakeError::ReadOnly)));
    lake.append(events(9..12)).await.unwrap();
    lake.close().await.unwrap();
    assert_eq!(numbers(&reader, "Events").await, all(0..9), "one moment");
    let next = open(directory.path()).await;
    assert_eq!(numbers(&next, "Events").await, all(0..12), "closing frees the directory");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_incomplete_delta_entry_is_written_again_from_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let lake = open(directory.path()).await;
    lake.append(events(0..5)).await.unwrap();
    lake.flush().await.unwrap();
    lake.append(events(5..7)).await.unwrap();
    drop(lake);
    // As a power failure leaves it: the name is there, the content not.
    let entry = directory.path().join("tables/Events/_delta_log/00000000000000000001.json");
    std::fs::write(&entry, b"").unwrap();
    let lake = open(directory.path()).await;
    assert_eq!(numbers(&lake, "Events").await, all(0..7));
    lake.flush().await.unwrap();
    assert_eq!(numbers(&lake, "Events").await, all(0..7));
    assert!(std::fs::metadata(&entry).unwrap().len() > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_beside_a_busy_writer_sees_every_acknowledged_row_once() {
    let directory = tempfile::tempdir().unwrap();
    let options = LakeOptions {
        segment_bytes: 20_000,
        ..quiet()
    };
    let lake = Lake::open(directory.path(), schema(), options).await.unwrap();
    let acknowledged = Arc::new(AtomicI64::new(0));
    let writer = {
        let (lake, acknowledged) = (lake.clone(), Arc::clone(&acknowledged));
        tokio::spawn(async move {
            for number in 0.. {
                lake.append(events([number])).await.unwrap();
                if acknowledged.swap(number + 1, Ordering::AcqRel) < 0 {
                    return;
                }
                if number % 40 == 39 {
                    lake.flush().await.unwrap();
                }
            }
        })
    };
    for _ in 0..30 {
        let before = acknowledged.load(Ordering::Acquire);
        let reader = Lake::open_read_only(directory.path(), schema(), quiet()).await.unwrap();
        let seen = numbers(&reader, "Events").await;
        assert_eq!(seen, all(0..seen.len() as i64));
        assert!(seen.len() as i64 >= before, "{} rows where {before} were acknowledged", seen.len());
    }
    acknowledged.store(-1, Ordering::Release);
    writer.await.unwrap();
}
