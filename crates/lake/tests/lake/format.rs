//! Data directories that earlier versions wrote: each later one reads them. `docs/format.md` describes what is in them.
//!
//! `UPDATE_FIXTURES=1` writes the one of this version; the others are never written again.

use std::path::{Path, PathBuf};

use taffrail_kql::Type;
use taffrail_lake::{Deletion, Lake, Policy, VerifyOptions, verify};

use crate::support::*;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

/// Files of every kind: merged and not, a checkpoint, rows that are only in the log, a table made at run time, a policy, a
/// deletion.
async fn write(directory: &Path) {
    let options = taffrail_lake::LakeOptions {
        checkpoint_every: 2,
        ..quiet()
    };
    let lake = Lake::open(directory, schema(), options).await.unwrap();
    let own = taffrail_schema::made_table("Own_CL", vec![column("Name", Type::String), column("Value", Type::Dynamic)]).unwrap();
    lake.create_table(own).await.unwrap();
    for first in [0, 10, 86_400] {
        lake.append(events(first..first + 10)).await.unwrap();
        lake.flush().await.unwrap();
    }
    lake.compact().await.unwrap();
    let forget = Deletion {
        equal: vec![("Number".to_owned(), "3".to_owned())],
        reason: "fixture".to_owned(),
        by: "test".to_owned(),
        ..Deletion::default()
    };
    lake.delete("Events", &forget).await.unwrap();
    let kept = Policy {
        retention_days: Some(3650),
        ..Policy::default()
    };
    lake.set_policy("Events", kept).await.unwrap();
    lake.set_consumer("rules", 3).await.unwrap();
    lake.append(events(20..25)).await.unwrap();
    lake.append(vec![("Notes".to_owned(), rows([1]))]).await.unwrap();
    drop(lake);
    // A key is nobody's to publish, and the lock is of this process.
    std::fs::remove_file(directory.join("chain/key.pem")).unwrap();
    std::fs::remove_file(directory.join("lock")).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_of_every_version_is_read() {
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        let directory = fixtures().join("1");
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).unwrap();
        write(&directory).await;
    }
    let mut versions = 0;
    for entry in std::fs::read_dir(fixtures()).unwrap() {
        let fixture = entry.unwrap().path();
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("data");
        copy(&fixture, &directory);
        let name = fixture.display();
        assert_eq!(verify(&directory, &VerifyOptions::default()).unwrap().faults, [], "{name}");
        let options = taffrail_lake::LakeOptions {
            // However long ago it was written.
            dedupe_window: std::time::Duration::from_secs(1 << 33),
            ..quiet()
        };
        let lake = Lake::open(&directory, schema(), options).await.unwrap();
        let expected: Vec<i64> = (0..25).chain(86_400..86_410).filter(|number| *number != 3).collect();
        assert_eq!(numbers(&lake, "Events").await, expected, "{name}");
        assert_eq!(numbers(&lake, "Notes").await, [1], "{name}");
        assert_eq!(lake.definition("Own_CL").unwrap().columns.len(), 4, "{name}");
        assert_eq!(
            (lake.retention("Events").unwrap(), lake.consumer("rules")),
            (Some(3650), Some(3)),
            "{name}"
        );
        assert_eq!(
            lake.append(events(0..3)).await.unwrap().duplicates,
            3,
            "{name}: what it has it knows"
        );
        lake.append(events([99])).await.unwrap();
        lake.flush().await.unwrap();
        assert_eq!(numbers(&lake, "Events").await.len(), expected.len() + 1, "{name}");
        versions += 1;
    }
    assert!(versions > 0, "there are fixtures");
}
