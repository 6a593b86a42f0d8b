//! Keeping the number of files small and the data young: compaction of a day's small files, retention, and deletion of files
//! that nobody can still be reading.
//!
//! A file that is replaced or expired leaves the table at once and the disk only after `keep_removed`: a scan that began before
//! still finds it. Term blooms and the integrity chain belong here, where a day gets its final files.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::compute::SortOptions;
use chrono::{DateTime, Utc};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::TaskContext;
use datafusion::execution::context::SessionConfig;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr::{LexOrdering, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use futures::StreamExt;
use metrics::counter;
use serde_json::json;
use taffrail_schema::{RECEIVED, TIME};
use tokio::sync::mpsc;

use crate::delta::{DataFile, add, remove};
use crate::error::{LakeError, blocking};
use crate::files::{FileWriter, sort_columns};
use crate::lake::{Inner, Lake};
use crate::provider::{MissingColumns, partitioned_file, text_columns};
use crate::shared::Table;

/// A file of an interrupted flush or compaction is left alone this long.
const UNFINISHED: Duration = Duration::from_secs(3600);

/// How often retention is looked at.
const RETENTION: Duration = Duration::from_secs(3600);

/// Files that are merged at once.
const MOST_AT_ONCE: usize = 16;

/// What compaction did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Files replaced
    pub removed: u64,
    /// Files written in their place
    pub added: u64,
}

impl Lake {
    /// Merges the small files of every day of every table.
    ///
    /// # Errors
    /// When files cannot be read or written; the table is as before then.
    pub async fn compact(&self) -> Result<Compacted, LakeError> {
        self.inner.check_open()?;
        let mut total = Compacted::default();
        for table in &self.inner.shared.tables() {
            let done = self.inner.compact_table(table, 1).await?;
            total.removed += done.removed;
            total.added += done.added;
        }
        Ok(total)
    }

    /// Removes files of a table of which every row is older than `older_than` (by `TimeGenerated`; rows without it by when they
    /// were received). Returns how many.
    ///
    /// # Errors
    /// When the removal cannot be recorded.
    pub async fn expire(&self, table: &str, older_than: DateTime<Utc>) -> Result<u64, LakeError> {
        self.inner.check_open()?;
        let table = self.inner.table(table)?;
        let mut delta = self.inner.delta(&table).await?;
        let (files, _) = self.inner.shared.snapshot(table.id);
        let limit = older_than.timestamp_micros();
        let is_old = |file: &&Arc<DataFile>| {
            let column = if file.date.is_some() { TIME } else { RECEIVED };
            file.statistics.latest(column).is_some_and(|latest| latest < limit)
        };
        let old: Vec<Arc<DataFile>> = files.iter().filter(is_old).cloned().collect();
        if old.is_empty() {
            return Ok(0);
        }
        let actions: Vec<_> = old.iter().map(|file| remove(file, true)).collect();
        let commit = delta.commit(&table.definition, "DELETE", &actions, false).await?;
        let removed: HashSet<&str> = old.iter().map(|file| file.path.as_str()).collect();
        self.inner
            .shared
            .settle(table.id, 0, |files| files.retain(|file| !removed.contains(file.path.as_str())));
        counter!("taffrail_lake_expired_files_total", "table" => table.name().to_owned()).increment(old.len() as u64);
        self.inner.checkpoint_when_due(&table, commit.version);
        Ok(old.len() as u64)
    }

    /// Deletes files from disk that left the table longer than `keep_removed` ago. Returns how many.
    ///
    /// # Errors
    /// When folders cannot be listed or files not deleted.
    pub async fn vacuum(&self) -> Result<u64, LakeError> {
        self.inner.check_open()?;
        let mut deleted = 0;
        for table in &self.inner.shared.tables() {
            deleted += self.inner.vacuum_table(table).await?;
        }
        Ok(deleted)
    }
}

impl Inner {
    /// The background work; what fails is tried again the next time.
    pub(crate) async fn maintain(&self) {
        let retains = {
            let mut last = self.retained_at.lock();
            let due = last.is_none_or(|last| last.elapsed() >= RETENTION);
            if due {
                *last = Some(Instant::now());
            }
            due
        };
        for table in &self.shared.tables() {
            if retains && let Err(error) = self.retain_table(table, Utc::now()).await {
                tracing::warn!(table = table.name(), %error, "retention failed");
            }
            if let Err(error) = self.compact_table(table, self.shared.options.compact_files).await {
                tracing::warn!(table = table.name(), %error, "compaction failed");
            }
            if let Err(error) = self.vacuum_table(table).await {
                tracing::warn!(table = table.name(), %error, "vacuum failed");
            }
        }
    }

    /// Compacts the days that have more than `more_than` small files. A file that is half full stays: to write its rows again
    /// costs more than a file less is worth.
    async fn compact_table(&self, table: &Arc<Table>, more_than: usize) -> Result<Compacted, LakeError> {
        let mut done = Compacted::default();
        let limit = self.shared.options.compact_bytes;
        let mut days: BTreeMap<Option<String>, Vec<Arc<DataFile>>> = BTreeMap::new();
        for file in self.shared.snapshot(table.id).0.iter().filter(|file| file.size < limit / 2) {
            days.entry(file.date.clone()).or_default().push(Arc::clone(file));
        }
        for (date, files) in days.into_iter().filter(|(_, files)| files.len() > more_than) {
            for group in groups(files, limit) {
                let one = self.compact_day(table, date.as_deref(), &group).await?;
                done.removed += one.removed;
                done.added += one.added;
            }
        }
        Ok(done)
    }

    async fn compact_day(&self, table: &Arc<Table>, date: Option<&str>, files: &[Arc<DataFile>]) -> Result<Compacted, LakeError> {
        // The long part is done without the table's Delta log, so that flushes go on; whether the files are still there is
        // looked at when it is held.
        let added = merge(
            table,
            date,
            files,
            self.shared.durable(),
            self.shared.options.row_group_rows,
            self.shared.options.compact_bytes,
            None,
        )
        .await?;
        let mut delta = self.delta(table).await?;
        let removed: HashSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
        let (current, _) = self.shared.snapshot(table.id);
        if current.iter().filter(|file| removed.contains(file.path.as_str())).count() < removed.len() {
            // Expired meanwhile: the merged files are strangers on disk, and vacuum deletes them.
            return Ok(Compacted::default());
        }
        let mut actions: Vec<_> = files.iter().map(|file| remove(file, false)).collect();
        actions.extend(added.iter().map(|file| add(file, false)));
        let commit = delta.commit(&table.definition, "OPTIMIZE", &actions, false).await?;
        let done = Compacted {
            removed: files.len() as u64,
            added: added.len() as u64,
        };
        self.shared.settle(table.id, 0, |files| {
            files.retain(|file| !removed.contains(file.path.as_str()));
            files.extend(added.into_iter().map(Arc::new));
        });
        counter!("taffrail_lake_compacted_files_total", "table" => table.name().to_owned()).increment(done.removed);
        self.checkpoint_when_due(table, commit.version);
        Ok(done)
    }

    async fn vacuum_table(&self, table: &Arc<Table>) -> Result<u64, LakeError> {
        let delta = self.delta(table).await?;
        if self.shared.backups.load(Ordering::Acquire) > 0 {
            return Ok(0);
        }
        let (live, _) = self.shared.snapshot(table.id);
        let directory = table.directory.clone();
        let strangers = blocking("vacuum", move || {
            let live: HashSet<&str> = live.iter().map(|file| file.path.as_str()).collect();
            strangers(&directory, &live)
        })
        .await?;
        if strangers.is_empty() {
            return Ok(0);
        }
        let removed: HashMap<String, i64> = delta.removed().await?.into_iter().collect();
        let now = Utc::now();
        let keep = self.shared.options.keep_removed;
        let directory = table.directory.clone();
        let name = table.name().to_owned();
        let chain = self.shared.chain.clone();
        let deleted = blocking("vacuum", move || {
            let mut old = Vec::new();
            for relative in strangers {
                let path = directory.join(&relative);
                // A file that never was the table's may be one that compaction is writing.
                let (since, keep) = match removed.get(&relative) {
                    Some(since) => (*since, keep),
                    None => (modified(&path)?, keep.max(UNFINISHED)),
                };
                if now.timestamp_millis().saturating_sub(since) > i64::try_from(keep.as_millis()).unwrap_or(i64::MAX) {
                    old.push(relative);
                }
            }
            if let Some(chain) = chain.filter(|_| !old.is_empty()) {
                chain.append("vacuum", json!({"table": name, "paths": old}), true)?;
            }
            for relative in &old {
                let path = directory.join(relative);
                std::fs::remove_file(&path).map_err(LakeError::io("delete", &path))?;
            }
            Ok(old.len() as u64)
        })
        .await?;
        if deleted > 0 {
            self.shared.columns.forget(|path| !path.exists());
        }
        counter!("taffrail_lake_vacuumed_files_total", "table" => table.name().to_owned()).increment(deleted);
        Ok(deleted)
    }
}

/// Files sorted alike become fewer, sorted alike: read in step and written as they come, so that memory does not grow with them.
/// With `stays`, only of the rows for which it is true.
pub(crate) async fn merge(
    table: &Arc<Table>,
    date: Option<&str>,
    files: &[Arc<DataFile>],
    position: u64,
    row_group_rows: usize,
    bytes: u64,
    stays: Option<Arc<dyn PhysicalExpr>>,
) -> Result<Vec<DataFile>, LakeError> {
    let mut plan = merge_plan(table, files).map_err(LakeError::delta(table.name()))?;
    if let Some(stays) = stays {
        plan = Arc::new(FilterExec::try_new(stays, plan).map_err(LakeError::delta(table.name()))?);
    }
    let mut rows = plan.execute(0, small_steps()).map_err(LakeError::delta(table.name()))?;
    let (sender, mut receiver) = mpsc::channel::<RecordBatch>(4);
    let writing = Arc::clone(table);
    let date = date.map(str::to_owned);
    let writer = tokio::spawn(blocking("writing compacted files", move || {
        let mut finished = Vec::new();
        let mut current: Option<FileWriter> = None;
        while let Some(batch) = receiver.blocking_recv() {
            let mut file = match current.take() {
                Some(file) => file,
                None => FileWriter::create(
                    &writing.definition,
                    &writing.schema,
                    &writing.directory,
                    date.as_deref(),
                    position,
                    row_group_rows,
                    true,
                )?,
            };
            file.write(&batch)?;
            if file.size() >= bytes {
                finished.push(file.finish()?);
            } else {
                current = Some(file);
            }
        }
        if let Some(file) = current {
            finished.push(file.finish()?);
        }
        Ok(finished)
    }));
    let mut failed = None;
    while let Some(batch) = rows.next().await {
        match batch {
            Ok(batch) => {
                if sender.send(batch).await.is_err() {
                    break;
                }
            }
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    drop(sender);
    let written = writer.await.map_err(|error| LakeError::Interrupted {
        work: "compaction",
        reason: error.to_string(),
    })??;
    match failed {
        Some(error) => Err(LakeError::delta(table.name())(error)),
        None => Ok(written),
    }
}

/// Files that become one: neighbours in age, until they fill a file or are as many as memory should hold parts of at once.
fn groups(mut files: Vec<Arc<DataFile>>, bytes: u64) -> Vec<Vec<Arc<DataFile>>> {
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let mut groups: Vec<Vec<Arc<DataFile>>> = Vec::new();
    let mut size = 0;
    for file in files {
        match groups.last_mut() {
            // They shrink by half: what was flushed is packed in haste.
            Some(group) if group.len() < MOST_AT_ONCE && size < 2 * bytes => {
                size += file.size;
                group.push(file);
            }
            _ => {
                size = file.size;
                groups.push(vec![file]);
            }
        }
    }
    groups.retain(|group| group.len() > 1);
    groups
}

/// A batch of every file is in memory at once, and whole events are large.
fn small_steps() -> Arc<TaskContext> {
    let config = SessionConfig::new().with_batch_size(1024).with_target_partitions(1);
    Arc::new(TaskContext::default().with_session_config(config))
}

fn merge_plan(table: &Table, files: &[Arc<DataFile>]) -> datafusion::common::Result<Arc<dyn ExecutionPlan>> {
    let groups = files
        .iter()
        .map(|file| Ok(FileGroup::new(vec![partitioned_file(table, file)?])))
        .collect::<datafusion::common::Result<Vec<_>>>()?;
    let source = Arc::new(ParquetSource::new(Arc::clone(&table.schema)));
    let config = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), source)
        .with_file_groups(groups)
        .with_expr_adapter(Some(Arc::new(MissingColumns {
            text: text_columns(&table.definition),
        })))
        .build();
    let scan = DataSourceExec::from_data_source(config);
    let options = SortOptions {
        descending: false,
        nulls_first: true,
    };
    let order = sort_columns(&table.definition)
        .iter()
        .map(|name| Ok(PhysicalSortExpr::new(col(name, &table.schema)?, options)))
        .collect::<datafusion::common::Result<Vec<_>>>()?;
    match LexOrdering::new(order) {
        Some(order) => Ok(Arc::new(SortPreservingMergeExec::new(order, scan))),
        None => Ok(scan),
    }
}

/// Parquet files in a table's folders that are not the table's, relative to its folder.
fn strangers(directory: &Path, live: &HashSet<&str>) -> Result<Vec<String>, LakeError> {
    let mut found = Vec::new();
    for folder in list(directory)?.into_iter().filter(|path| path.is_dir()) {
        let Some(folder_name) = folder
            .file_name()
            .and_then(|name| name.to_str())
            .filter(|name| !name.starts_with('_'))
        else {
            continue;
        };
        for path in list(&folder)? {
            let Some(name) = path
                .file_name()
                .and_then(|name| name.to_str())
                .filter(|name| name.ends_with(".parquet"))
            else {
                continue;
            };
            let relative = format!("{folder_name}/{name}");
            if !live.contains(relative.as_str()) {
                found.push(relative);
            }
        }
    }
    Ok(found)
}

fn list(directory: &Path) -> Result<Vec<PathBuf>, LakeError> {
    match std::fs::read_dir(directory) {
        Ok(entries) => Ok(entries.flatten().map(|entry| entry.path()).collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(LakeError::io("list", directory)(error)),
    }
}

fn modified(path: &Path) -> Result<i64, LakeError> {
    let time = std::fs::metadata(path)
        .and_then(|metadata| metadata.modified())
        .map_err(LakeError::io("read", path))?;
    Ok(DateTime::<Utc>::from(time).timestamp_millis())
}
