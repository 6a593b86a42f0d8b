//! A process that is killed while it takes rows in: what it acknowledged is there, once, and the account of it is whole.
//!
//! `LAKE_CRASH_ROUNDS` says how often; `make crash` runs five hundred rounds.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use taffrail_lake::{Lake, LakeOptions, VerifyOptions, verify};

use crate::support::*;

const DIRECTORY: &str = "TAFFRAIL_LAKE_CRASH_DIRECTORY";
const FIRST: &str = "TAFFRAIL_LAKE_CRASH_FIRST";
/// Rows of so many seconds before are old: retention takes them away.
const OLD: i64 = 86_400 * 90;
/// Rounds over one data directory, so that reading all of it stays short.
const ROUNDS_EACH: u64 = 50;

/// Small limits, so that segments, flushes, checkpoints and compactions happen all the time.
fn restless() -> LakeOptions {
    LakeOptions {
        flush_interval: Duration::from_millis(30),
        segment_bytes: 30_000,
        checkpoint_every: 4,
        compact_interval: Duration::from_millis(60),
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
    // Whatever fails in here fails the test: the parent misses its lines.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        hook(panic);
        std::process::exit(101);
    }));
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
    // Beside them: rows that are old, retention and vacuum for them, tables made and changed, backups.
    let backup = Path::new(&directory).with_extension("backup");
    tasks.push(tokio::spawn(async move {
        for step in 0.. {
            lake.append(vec![("Notes".to_owned(), rows([step - OLD]))]).await.unwrap();
            let limit = chrono::DateTime::from_timestamp_micros(NOON - 86_400_000_000 * 30).unwrap();
            lake.expire("Notes", limit).await.unwrap();
            let own = taffrail_schema::made_table("Own_CL", vec![column(&format!("C{}", step % 30), taffrail_kql::Type::Long)]).unwrap();
            lake.create_merge(own).await.unwrap();
            if step % 5 == 4 {
                lake.vacuum().await.unwrap();
                lake.backup(&backup).await.unwrap();
            }
            tokio::task::yield_now().await;
        }
    }));
    for task in tasks {
        task.await.unwrap();
    }
}

/// A process that does not outlive the test.
struct Victim(std::process::Child);

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn spawn(directory: &Path, first: i64) -> Victim {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--nocapture", "--test-threads", "1"])
        .env(DIRECTORY, directory)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    Victim(child)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_rows_survive_sigkill_exactly_once() {
    let rounds: u64 = std::env::var("LAKE_CRASH_ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(10);
    let mut total = 0;
    for begin in (0..rounds).step_by(ROUNDS_EACH as usize) {
        total += some_rounds(begin, rounds.min(begin + ROUNDS_EACH)).await;
    }
    eprintln!("{rounds} rounds of SIGKILL, {total} rows acknowledged");
    assert!(total as u64 > rounds * 20, "{total} rows");
}

async fn some_rounds(begin: u64, end: u64) -> usize {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("data");
    let mut acknowledged = BTreeSet::new();
    for round in begin..end {
        // Anything between the first moments, when it still recovers, and a few hundred rows later.
        let dice = round.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        let wanted = if dice.is_multiple_of(7) { 0 } else { dice % 400 };
        let mut child = spawn(&directory, round as i64 * 1_000_000);
        let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
        let number = |line: std::io::Result<String>| line.ok()?.rsplit_once("stored ")?.1.trim().parse::<i64>().ok();
        let mut count = 0;
        while count < wanted {
            let line = lines.next().expect("the child goes on until it is killed");
            if let Some(number) = number(line) {
                acknowledged.insert(number);
                count += 1;
            }
        }
        if wanted == 0 {
            // It has printed that it runs the test, and is opening or has just opened.
            lines.next();
            std::thread::sleep(Duration::from_millis(dice % 60));
        }
        child.0.kill().unwrap();
        // What was acknowledged between the last line read and the kill counts as well.
        acknowledged.extend(lines.filter_map(number));
        child.0.wait().unwrap();

        let lake = Lake::open(&directory, schema(), quiet()).await.unwrap();
        let stored = numbers(&lake, "Events").await;
        let distinct: BTreeSet<i64> = stored.iter().copied().collect();
        assert_eq!(stored.len(), distinct.len(), "no row twice, round {round}");
        let lost: Vec<_> = acknowledged.difference(&distinct).collect();
        assert!(lost.is_empty(), "round {round} lost {lost:?}");
        let again = lake.append(events(acknowledged.iter().copied())).await.unwrap();
        assert_eq!(again.stored, 0, "rows sent again after the crash are known, round {round}");
        drop(lake);
        let looked = verify(&directory, &VerifyOptions::default()).unwrap();
        assert_eq!((looked.faults, looked.notes), (Vec::new(), Vec::new()), "round {round}");
    }
    acknowledged.len()
}
