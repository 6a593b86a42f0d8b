//! An object store that times out and disagrees, and what commits make of it: several writers and a compactor on one table lose
//! nothing and do nothing twice.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result,
};
use parking_lot::Mutex;
use taffrail_kql::Type;
use taffrail_schema::{ColumnDef, TableDef, made_table};

use super::*;
use crate::disk::simulated::Dice;

/// Conditional puts that fail in every way they can.
#[derive(Debug)]
struct Faulty {
    inner: LocalFileSystem,
    dice: Mutex<Dice>,
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("faulty")
    }
}

fn timed_out() -> Error {
    Error::Generic {
        store: "faulty",
        source: "the request timed out".into(),
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let chance = self.dice.lock().below(10);
        let creates = matches!(opts.mode, PutMode::Create);
        match chance {
            // Nothing arrived.
            0 => Err(timed_out()),
            // It arrived, and the answer did not.
            1 => {
                self.inner.put_opts(location, payload, opts).await?;
                Err(timed_out())
            }
            // It arrived, the answer did not, and the client asked again by itself: somebody has been there already.
            2 if creates => {
                self.inner.put_opts(location, payload, opts).await?;
                Err(Error::AlreadyExists {
                    path: location.to_string(),
                    source: "precondition failed".into(),
                })
            }
            3 => {
                tokio::task::yield_now().await;
                self.inner.put_opts(location, payload, opts).await
            }
            _ => self.inner.put_opts(location, payload, opts).await,
        }
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let fails = self.dice.lock().happens(1);
        if fails {
            return Err(timed_out());
        }
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

fn definition() -> TableDef {
    let column = ColumnDef {
        name: "Number".to_owned(),
        ty: Type::Long,
        about: String::new(),
        path: Vec::new(),
    };
    made_table("Shared", vec![column]).unwrap()
}

fn handle(directory: &std::path::Path, seed: u64) -> DeltaTable {
    let mut table = DeltaTable::new("Shared", directory);
    table.injected = Some(Arc::new(Faulty {
        inner: LocalFileSystem::new(),
        dice: Mutex::new(Dice(seed)),
    }));
    table
}

fn file(name: &str, rows: u64) -> DataFile {
    DataFile {
        path: format!("date=2026-11-20/{name}.parquet"),
        size: 1,
        modified: 1,
        date: Some("2026-11-20".to_owned()),
        statistics: FileStatistics {
            rows: Some(rows),
            ..FileStatistics::default()
        },
        sha256: None,
    }
}

async fn load(table: &mut DeltaTable) -> Loaded {
    loop {
        if let Ok(loaded) = table.load(&definition()).await {
            return loaded;
        }
    }
}

/// Paths that entries add, in no order.
fn added(directory: &std::path::Path) -> Vec<String> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory.join("_delta_log")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap_or_default();
        let actions = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        paths.extend(actions.filter_map(|action| Some(action.pointer("/add/path")?.as_str()?.to_owned())));
    }
    paths
}

async fn write(directory: PathBuf, seed: u64, name: &'static str, commits: u64) {
    let mut table = handle(&directory, seed);
    load(&mut table).await;
    for number in 0..commits {
        let file = file(&format!("{name}-{number:04}"), 1);
        loop {
            if table.is_uncertain() {
                load(&mut table).await;
                // It may have been merged with others by now; the log remembers, as it does the lake's position.
                if added(&directory).contains(&file.path) {
                    break;
                }
            }
            // As a flush: what is written is right whatever others did.
            if table.commit(&definition(), "WRITE", &[add(&file, true)], true).await.is_ok() {
                break;
            }
        }
    }
}

async fn compact(directory: PathBuf, seed: u64, rounds: u64) -> u64 {
    let mut table = handle(&directory, seed);
    let mut merged = 0;
    let mut round = 0;
    // It has its turn at the latest when the writers are done.
    while merged < rounds {
        round += 1;
        let loaded = load(&mut table).await;
        let some: Vec<_> = loaded.files.iter().filter(|file| file.statistics.rows == Some(1)).take(3).collect();
        if some.len() < 3 {
            tokio::task::yield_now().await;
            continue;
        }
        let mut actions: Vec<_> = some.iter().map(|file| remove(file, false)).collect();
        actions.push(add(&file(&format!("merged-{seed}-{round:04}"), 3), false));
        // Refused when anybody was there in between; it is looked at anew then.
        merged += u64::from(table.commit(&definition(), "OPTIMIZE", &actions, false).await.is_ok());
    }
    merged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_writers_and_a_compactor_on_one_table_lose_no_commit() {
    for seed in 1..=2u64 {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_owned();
        let commits = 20;
        let (_, _, merged) = tokio::join!(
            tokio::spawn(write(path.clone(), seed, "a", commits)),
            tokio::spawn(write(path.clone(), seed + 100, "b", commits)),
            tokio::spawn(compact(path.clone(), seed + 200, 4)),
        );
        let loaded = load(&mut DeltaTable::new("Shared", &path)).await;
        let rows: u64 = loaded.files.iter().filter_map(|file| file.statistics.rows).sum();
        assert_eq!(rows, 2 * commits, "seed {seed}: every row once");
        let distinct: BTreeSet<_> = loaded.files.iter().map(|file| &file.path).collect();
        assert_eq!(distinct.len(), loaded.files.len(), "seed {seed}");
        // Every commit added its file once.
        let added = added(&path);
        let once: BTreeSet<_> = added.iter().collect();
        assert_eq!(once.len(), added.len(), "seed {seed}: a file was added twice");
        assert!(merged.unwrap() > 0, "seed {seed}: the compactor had its turn");
    }
}
