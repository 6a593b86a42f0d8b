//! The account of what was written: whatever is changed, removed or put elsewhere is named.

use std::path::{Path, PathBuf};

use taffrail_lake::{Lake, LakeOptions, Verified, VerifyOptions, verify};

use crate::support::*;

fn look(directory: &Path) -> Verified {
    verify(directory, &VerifyOptions::default()).unwrap()
}

/// The names of what is wrong.
fn faults(directory: &Path) -> Vec<String> {
    look(directory)
        .faults
        .into_iter()
        .map(|fault| format!("{}: {}", fault.what, fault.problem))
        .collect()
}

/// Several segments, commits, a compaction, a retention and a vacuum.
async fn lived(directory: &Path) {
    let options = LakeOptions {
        segment_bytes: 3_000,
        keep_removed: std::time::Duration::ZERO,
        ..quiet()
    };
    let lake = Lake::open(directory, schema(), options).await.unwrap();
    lake.set_consumer("slow", 20).await.unwrap();
    for round in 0..6 {
        for number in 0..5 {
            lake.append(events([round * 10 + number])).await.unwrap();
        }
        lake.flush().await.unwrap();
    }
    lake.compact().await.unwrap();
    lake.append(events([86_400 * 40])).await.unwrap();
    lake.flush().await.unwrap();
    let limit = chrono::DateTime::from_timestamp_micros(NOON + 1_000_000 * 86_400).unwrap();
    assert!(lake.expire("Events", limit).await.unwrap() > 0);
    assert!(lake.vacuum().await.unwrap() > 0);
    for number in 100..104 {
        lake.append(events([number])).await.unwrap();
        lake.flush().await.unwrap();
    }
    lake.close().await.unwrap();
}

fn files(directory: &Path, end: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(end) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Does something, looks for the fault, and puts everything back.
fn tampered(directory: &Path, touched: &[&Path], tamper: impl FnOnce(), expected: &str) {
    let before: Vec<_> = touched.iter().map(|path| std::fs::read(path).ok()).collect();
    tamper();
    let found = faults(directory);
    for (path, content) in touched.iter().zip(before) {
        match content {
            Some(content) => std::fs::write(path, content).unwrap(),
            None => std::fs::remove_file(path).unwrap(),
        }
    }
    assert!(found.iter().any(|fault| fault.contains(expected)), "{expected} in {found:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_changed_removed_or_moved_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    lived(root).await;
    let well = look(root);
    assert_eq!(well.faults, [], "compaction, retention and cutting are in the account");
    assert_eq!(well.notes, Vec::<String>::new());
    assert!(
        well.segments >= 2 && well.commits >= 10 && well.files >= 4 && well.signatures >= 1,
        "{well:?}"
    );

    let segments = files(&root.join("log"), ".wal");
    let segment = segments[0].as_path();
    let name = segment.file_name().unwrap().to_string_lossy().into_owned();
    let change = |path: &Path, at: usize| {
        let mut content = std::fs::read(path).unwrap();
        let at = at.min(content.len() - 1);
        content[at] ^= 1;
        std::fs::write(path, content).unwrap();
    };
    tampered(root, &[segment], || change(segment, 60), &format!("{name} (record"));
    tampered(
        root,
        &[segment],
        || std::fs::remove_file(segment).unwrap(),
        "the segment was removed",
    );
    let other = segments[1].as_path();
    let exchange = |first: &Path, second: &Path| {
        let (a, b) = (std::fs::read(first).unwrap(), std::fs::read(second).unwrap());
        std::fs::write(first, b).unwrap();
        std::fs::write(second, a).unwrap();
    };
    tampered(root, &[segment, other], || exchange(segment, other), "the segment was changed");
    let added = root.join("log/00000000000000000002.wal");
    assert!(!added.exists());
    tampered(
        root,
        &[&added],
        || assert!(std::fs::copy(segment, &added).unwrap() > 0),
        "was put there",
    );

    let entries = files(&root.join("tables/Events/_delta_log"), ".json");
    let entry = entries[3].as_path();
    tampered(root, &[entry], || change(entry, 30), "00000000000000000003.json (record");
    tampered(root, &[entry], || std::fs::remove_file(entry).unwrap(), "the commit was removed");
    let last = entries.last().unwrap().as_path();
    tampered(root, &[last], || std::fs::remove_file(last).unwrap(), "the commit was removed");
    tampered(
        root,
        &[entry, last],
        || exchange(entry, last),
        "the commit was changed or put elsewhere",
    );

    let live = files(&root.join("tables/Events"), ".parquet");
    let file = live[0].as_path();
    tampered(root, &[file], || change(file, 500), "the file was changed");
    tampered(root, &[file], || std::fs::remove_file(file).unwrap(), "the file was removed");

    let chain = root.join("chain/00000001.jsonl");
    let lines = || {
        std::fs::read_to_string(&chain)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let write = |lines: &[String]| std::fs::write(&chain, lines.join("\n") + "\n").unwrap();
    tampered(root, &[&chain], || change(&chain, 700), "chain/00000001.jsonl line ");
    let without = || {
        let mut all = lines();
        all.remove(4);
        write(&all);
    };
    tampered(root, &[&chain], without, "removed or put elsewhere");
    let reordered = || {
        let mut all = lines();
        all.swap(4, 5);
        write(&all);
    };
    tampered(root, &[&chain], reordered, "removed or put elsewhere");
    // Somebody who can compute hashes and has not the key: everything behind the change is written anew.
    let forged = || {
        let mut text = std::fs::read_to_string(&chain).unwrap();
        let at = text.find("\"operation\":\"WRITE\"").unwrap();
        text.replace_range(at + 13..at + 18, "WRONG");
        let mut previous = String::new();
        let mut all = Vec::new();
        for line in text.lines() {
            let json = line.split_once(' ').unwrap().1;
            previous = sha256(&format!("{previous}\n{json}"));
            all.push(format!("{previous} {json}"));
        }
        write(&all);
    };
    tampered(root, &[&chain], forged, "the signature is not right");
    // The end is cut off with all that it speaks of: only who noted the last record elsewhere can know.
    let noted = VerifyOptions {
        expected: Some(well.head.clone()),
        ..VerifyOptions::default()
    };
    assert_eq!(verify(root, &noted).unwrap().faults, []);
    let whole = lines();
    write(&whole[..3]);
    assert!(
        verify(root, &noted)
            .unwrap()
            .faults
            .iter()
            .any(|fault| fault.problem.contains("noted elsewhere"))
    );
    write(&whole);
    assert_eq!(faults(root), Vec::<String>::new(), "as it was");
}

fn sha256(text: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_account_goes_on_over_restarts_and_torn_ends() {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let lake = open(directory.path()).await;
        lake.append(events([round])).await.unwrap();
        lake.flush().await.unwrap();
        if round == 1 {
            lake.close().await.unwrap();
        }
        drop(lake);
        let chain = directory.path().join("chain/00000001.jsonl");
        let mut text = std::fs::read_to_string(&chain).unwrap();
        text.push_str("0123 {\"n\":99,\"cut of");
        std::fs::write(&chain, text).unwrap();
        assert_eq!(faults(directory.path()), Vec::<String>::new(), "round {round}");
    }
    let lake = open(directory.path()).await;
    lake.close().await.unwrap();
    let found = look(directory.path());
    assert_eq!((found.faults.len(), found.commits), (0, 3), "{found:?}");
    let other = VerifyOptions {
        public_key: Some("00".repeat(32)),
        ..VerifyOptions::default()
    };
    assert!(
        !verify(directory.path(), &other).unwrap().faults.is_empty(),
        "not the key that was expected"
    );
}
