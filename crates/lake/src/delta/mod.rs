//! A table's Delta log (github.com/delta-io/delta, PROTOCOL.md): which files are its rows, and up to which log position.
//!
//! Reading, checkpoints and the format of what is read are the Delta library's work. Commits are written here, as one JSON entry
//! through its put-if-absent, because its own commit path replays the table every time.

mod actions;
#[cfg(test)]
mod faults;
mod statistics;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use deltalake::kernel::transaction::TransactionError;
use deltalake::logstore::{CommitOrBytes, LogStore, LogStoreRef};
use deltalake::{DeltaTableBuilder, checkpoints};
use futures::TryStreamExt;
use serde_json::{Value, json};
use taffrail_schema::TableDef;
use url::Url;
use uuid::Uuid;

use crate::chain::{Chain, sha256};
use crate::durable::{create_directory, sync_directory, sync_file};
use crate::error::{LakeError, blocking};

pub(crate) use actions::{PARTITION, add, partition_folder, remove, transaction};
pub(crate) use statistics::{ColumnStatistics, FileStatistics};

/// Name under which the lake records its log position (`txn.appId`).
pub(crate) const APP_ID: &str = "taffrail";

/// A file of a table.
#[derive(Debug, Clone)]
pub(crate) struct DataFile {
    /// Relative to the table's folder
    pub(crate) path: String,
    pub(crate) size: u64,
    /// Milliseconds since 1970
    pub(crate) modified: i64,
    /// Day of `TimeGenerated`; `None` for rows without
    pub(crate) date: Option<String>,
    pub(crate) statistics: FileStatistics,
    /// Of its content; known of a file that was just written
    pub(crate) sha256: Option<String>,
}

/// What a Delta log says at one version.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) files: Vec<Arc<DataFile>>,
    /// Log position of the last flush
    pub(crate) position: u64,
}

/// The Delta log of one table.
#[derive(Debug)]
pub(crate) struct DeltaTable {
    table: String,
    directory: PathBuf,
    /// Last version known; `None`: not yet created
    version: Option<u64>,
    /// The `metaData` action in force
    metadata: Option<Value>,
    /// A commit failed in a way that leaves open whether it is in the log: it must be read before the next
    uncertain: bool,
    /// Where commits are announced before they are made
    pub(crate) chain: Option<Arc<Chain>>,
    /// Where entries go instead of this machine's disk
    #[cfg(test)]
    injected: Option<Arc<dyn object_store::ObjectStore>>,
}

/// What became of a commit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Commit {
    /// Its version
    pub(crate) version: u64,
}

impl DeltaTable {
    /// The log of the table in `directory`, not yet read.
    pub(crate) fn new(table: &str, directory: &Path) -> DeltaTable {
        DeltaTable {
            table: table.to_owned(),
            directory: directory.to_owned(),
            version: None,
            metadata: None,
            uncertain: false,
            chain: None,
            #[cfg(test)]
            injected: None,
        }
    }

    /// Whether the table must be loaded before anything else is done with it.
    pub(crate) fn is_uncertain(&self) -> bool {
        self.uncertain
    }

    /// As after a commit of which nobody knows whether it is in the log.
    #[cfg(test)]
    pub(crate) fn doubt(&mut self) {
        self.uncertain = true;
    }

    /// Refuses a definition that contradicts what is stored.
    pub(crate) fn check(&self, definition: &TableDef) -> Result<(), LakeError> {
        actions::metadata(definition, self.metadata.as_ref()).map(|_| ())
    }

    /// Last version known.
    pub(crate) fn known_version(&self) -> Option<u64> {
        self.version
    }

    /// Folder of the log entries.
    pub(crate) fn log_directory(&self) -> PathBuf {
        self.directory.join("_delta_log")
    }

    fn entry(&self, version: u64) -> PathBuf {
        self.log_directory().join(format!("{version:020}.json"))
    }

    /// Whether an entry behind the known version exists.
    pub(crate) fn is_behind(&self) -> bool {
        self.entry(self.version.map_or(0, |version| version + 1)).exists()
    }

    fn store(&self) -> Result<LogStoreRef, LakeError> {
        let absolute = std::fs::canonicalize(&self.directory).map_err(LakeError::io("open", &self.directory))?;
        let url = Url::from_directory_path(&absolute).map_err(|()| LakeError::Table {
            table: self.table.clone(),
            message: format!("{} cannot be written as a URL", absolute.display()),
        })?;
        let builder = DeltaTableBuilder::from_url(url.clone()).map_err(LakeError::delta(&self.table))?;
        #[cfg(test)]
        let builder = match &self.injected {
            Some(store) => builder.with_storage_backend(Arc::clone(store), url),
            None => builder,
        };
        builder.build_storage().map_err(LakeError::delta(&self.table))
    }

    /// Reads the table as it is now.
    pub(crate) async fn load(&mut self, definition: &TableDef) -> Result<Loaded, LakeError> {
        let has_entries = std::fs::read_dir(self.log_directory())
            .map(|entries| entries.flatten().any(|entry| entry.file_name().to_string_lossy().contains(".json")))
            .unwrap_or(false);
        if !has_entries {
            self.version = None;
            self.metadata = None;
            self.uncertain = false;
            return Ok(Loaded::default());
        }
        let store = self.store()?;
        let mut table = deltalake::DeltaTable::new(store);
        table.load().await.map_err(LakeError::delta(&self.table))?;
        let state = table.snapshot().map_err(LakeError::delta(&self.table))?;
        let store = table.log_store();
        let position = state
            .transaction_version(store.as_ref(), APP_ID)
            .await
            .map_err(LakeError::delta(&self.table))?
            .and_then(|position| u64::try_from(position).ok())
            .unwrap_or_default();
        let mut files = Vec::new();
        for file in state.log_data().iter() {
            if file.deletion_vector_descriptor().is_some() {
                return Err(LakeError::Table {
                    table: self.table.clone(),
                    message:
                        "its files have deletion vectors, which are not supported; run REORG TABLE ... APPLY (PURGE) where they were made"
                            .to_owned(),
                });
            }
            files.push(Arc::new(DataFile {
                path: file.path().into_owned(),
                size: u64::try_from(file.size()).unwrap_or_default(),
                modified: file.modification_time(),
                date: file.partition_values_map().remove(PARTITION).flatten(),
                statistics: FileStatistics::parse(file.stats().as_deref(), definition),
                sha256: None,
            }));
        }
        let metadata = serde_json::to_value(state.metadata()).map_err(LakeError::delta(&self.table))?;
        self.version = Some(state.version());
        if let (Some(chain), Some(version)) = (&self.chain, self.version) {
            chain.made(&self.table, version);
        }
        self.metadata = Some(metadata);
        self.uncertain = false;
        Ok(Loaded { files, position })
    }

    /// Paths of removed files with the time they were removed (milliseconds), as far as the log remembers.
    pub(crate) async fn removed(&self) -> Result<Vec<(String, i64)>, LakeError> {
        if self.version.is_none() {
            return Ok(Vec::new());
        }
        let mut table = deltalake::DeltaTable::new(self.store()?);
        table.load().await.map_err(LakeError::delta(&self.table))?;
        let store = table.log_store();
        let state = table.snapshot().map_err(LakeError::delta(&self.table))?;
        let tombstones: Vec<_> = state
            .all_tombstones(store.as_ref())
            .try_collect()
            .await
            .map_err(LakeError::delta(&self.table))?;
        Ok(tombstones
            .iter()
            .map(|removed| (removed.path().into_owned(), removed.deletion_timestamp().unwrap_or_default()))
            .collect())
    }

    /// Commits actions: durable when this returns. Creates the table, and adds columns it does not have, in the same commit.
    ///
    /// With `blind` the actions are right whatever others did in between and are tried again behind them; without, they are
    /// refused then.
    pub(crate) async fn commit(
        &mut self,
        definition: &TableDef,
        operation: &str,
        actions: &[Value],
        blind: bool,
    ) -> Result<Commit, LakeError> {
        let directory = self.log_directory();
        blocking("creating a table", move || create_directory(&directory)).await?;
        let mut metadata = self.metadata.clone();
        let mut head = Vec::new();
        if self.version.is_none() {
            head.push(actions::protocol());
        }
        if let Some(changed) = actions::metadata(definition, metadata.as_ref())? {
            head.push(json!({ "metaData": changed }));
            metadata = Some(changed);
        }
        let mut entry = Vec::new();
        for action in head.iter().chain(actions).chain(std::iter::once(&actions::commit_info(operation))) {
            serde_json::to_writer(&mut entry, action).map_err(LakeError::delta(&self.table))?;
            entry.push(b'\n');
        }
        let entry = bytes::Bytes::from(entry);
        let store = self.store()?;
        let mut version = self.version.map_or(0, |version| version + 1);
        let mut foreign = false;
        // From here to the end, also when this future is dropped.
        self.uncertain = true;
        loop {
            self.announce(version, operation, &entry, actions).await?;
            let written = store
                .write_commit_entry(version, CommitOrBytes::LogBytes(entry.clone()), Uuid::new_v4())
                .await;
            let Err(error) = written else {
                break;
            };
            // A store that did not answer, or whose client asked twice, may have the entry all the same.
            match store.read_commit_entry(version).await {
                Ok(Some(there)) if there == entry => break,
                Ok(Some(_)) if blind && head.is_empty() && matches!(error, TransactionError::VersionAlreadyExists(_)) => {
                    foreign = true;
                    version += 1;
                }
                _ => return Err(LakeError::delta(&self.table)(error)),
            }
        }
        let (path, directory) = (self.entry(version), self.log_directory());
        blocking("a Delta commit", move || {
            sync_file(&path)?;
            sync_directory(&directory)
        })
        .await?;
        if let Some(chain) = &self.chain {
            chain.made(&self.table, version);
        }
        self.version = Some(version);
        self.metadata = metadata;
        // What others committed in between is not known here.
        self.uncertain = foreign;
        Ok(Commit { version })
    }

    /// Records in the chain what is about to be committed; durable when this returns.
    async fn announce(&self, version: u64, operation: &str, entry: &bytes::Bytes, actions: &[Value]) -> Result<(), LakeError> {
        let Some(chain) = self.chain.clone() else {
            return Ok(());
        };
        let of = |kind: &'static str| actions.iter().filter_map(move |action| action.get(kind));
        let added: Vec<Value> = of("add")
            .map(|add| {
                let hash = add.pointer("/tags/sha256").cloned().unwrap_or_default();
                json!({"path": add["path"], "size": add["size"], "sha256": hash})
            })
            .collect();
        let removed: Vec<&Value> = of("remove").filter_map(|remove| remove.get("path")).collect();
        let content = json!({
            "table": self.table,
            "version": version,
            "operation": operation,
            "entry": sha256(entry),
            "add": added,
            "remove": removed,
        });
        blocking("recording a commit", move || chain.append("commit", content, true)).await
    }

    /// Takes away a last entry that a power failure left incomplete. Its rows are still in the write-ahead log: that is cut only
    /// after the entry was synced.
    pub(crate) fn mend(&self) -> Result<(), LakeError> {
        let directory = self.log_directory();
        let Ok(entries) = std::fs::read_dir(&directory) else {
            return Ok(());
        };
        let last = entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".json")?.parse::<u64>().ok())
            .max();
        let Some(last) = last else {
            return Ok(());
        };
        let path = self.entry(last);
        let text = std::fs::read(&path).map_err(LakeError::io("read", &path))?;
        let whole = text.ends_with(b"\n")
            || serde_json::Deserializer::from_slice(&text)
                .into_iter::<Value>()
                .all(|action| action.is_ok());
        let whole = whole
            && !text.is_empty()
            && text
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
                .all(|line| serde_json::from_slice::<&serde_json::value::RawValue>(line).is_ok());
        if whole {
            return Ok(());
        }
        let aside = path.with_extension("torn");
        tracing::warn!(table = self.table, entry = %path.display(), "the last Delta entry is incomplete, as after a power failure; moved aside, its rows come from the log");
        std::fs::rename(&path, &aside).map_err(LakeError::io("move aside", &path))?;
        sync_directory(&directory)
    }
}

/// Writes a checkpoint of the table in `directory`, so that opening it does not read every entry.
pub(crate) async fn checkpoint(table: String, directory: PathBuf) -> Result<(), LakeError> {
    let mut delta = DeltaTable::new(&table, &directory);
    // The store is what is needed of it.
    delta.version = None;
    let mut opened = deltalake::DeltaTable::new(delta.store()?);
    opened.load().await.map_err(LakeError::delta(&table))?;
    checkpoints::create_checkpoint(&opened, None)
        .await
        .map_err(LakeError::delta(&table))?;
    let log = delta.log_directory();
    blocking("a checkpoint", move || {
        for entry in std::fs::read_dir(&log).map_err(LakeError::io("list", &log))?.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.contains(".checkpoint") || name == "_last_checkpoint" {
                sync_file(&entry.path())?;
            }
        }
        sync_directory(&log)
    })
    .await
}
