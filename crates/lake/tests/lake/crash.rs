//! A process that is killed while it takes rows in: what it acknowledged is there, once.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use taffrail_lake::{Lake, LakeOptions};

use crate::support::*;

const DIRECTORY: &str = "TAFFRAIL_LAKE_CRASH_DIRECTORY";
const FIRST: &str = "TAFFRAIL_LAKE_CRASH_FIRST";

/// Small limits, so that segments, flushes, checkpoints and compactions happen all the time.
fn restless() -> LakeOptions {
    LakeOptions {
        flush_interval: Duration::from_millis(30),
        segment_bytes: 30_000,
        checkpoint_every: 4,
        compact_interval: Duration::from_millis(120),
        compact_files: 3,
        keep_removed: Duration::ZERO,
        ..LakeOptions::default()
    }
}

/// The process to kill: appends rows until it dies and prints each number after it was acknowledged. A test only in form.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let (Ok(directory), Ok(first)) = (std::env::var(DIRECTORY), std::env::var(FIRST)) else {
        return;
    };
    let first: i64 = first.parse().unwrap();
    let lake = Lake::open(directory.as_ref(), schema(), restless()).await.unwrap();
    let mut tasks = Vec::new();
    for sender in 0..4 {
        let lake = lake.clone();
        tasks.push(tokio::spawn(async move {
            for step in 0.. {
                let number = first + step * 4 + sender;
                // Every row twice, as a webhook that was not answered sends it again.
                for _ in 0..2 {
                    lake.append(events([number])).await.unwrap();
                    let mut out = std::io::stdout().lock();
                    writeln!(out, "stored {number}").unwrap();
                    out.flush().unwrap();
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_rows_survive_sigkill_exactly_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeSet::new();
    let mut first = 0;
    // Different numbers of rows before the kill: in the middle of appends, flushes, compactions.
    for round in 0..10u64 {
        let wanted = [1, 7, 40, 90, 160, 230, 310, 400, 120, 60][round as usize];
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::child", "--nocapture", "--test-threads", "1"])
            .env(DIRECTORY, directory.path())
            .env(FIRST, first.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let number = |line: std::io::Result<String>| line.ok()?.rsplit_once("stored ")?.1.trim().parse::<i64>().ok();
        let mut count = 0;
        while count < wanted {
            let line = lines.next().expect("the child goes on until it is killed");
            if let Some(number) = number(line) {
                acknowledged.insert(number);
                count += 1;
            }
        }
        child.kill().unwrap();
        // What was acknowledged between the last line read and the kill counts as well.
        acknowledged.extend(lines.map_while(number));
        child.wait().unwrap();
        first = (round as i64 + 1) * 1_000_000;

        let lake = Lake::open(directory.path(), schema(), quiet()).await.unwrap();
        let stored = numbers(&lake, "Events").await;
        let distinct: BTreeSet<i64> = stored.iter().copied().collect();
        assert_eq!(stored.len(), distinct.len(), "no row twice, round {round}");
        let lost: Vec<_> = acknowledged.difference(&distinct).collect();
        assert!(lost.is_empty(), "round {round} lost {lost:?}");
        let again = lake.append(events(acknowledged.iter().copied())).await.unwrap();
        assert_eq!(again.stored, 0, "rows sent again after the crash are known, round {round}");
    }
    assert!(acknowledged.len() > 500, "{} rows", acknowledged.len());
}
