//! From memory to files: Parquet, one Delta commit that carries the log position, then the log may be cut.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use metrics::{gauge, histogram};

use crate::delta::{add, checkpoint, transaction};
use crate::error::{LakeError, blocking};
use crate::files::write_days;
use crate::lake::Inner;
use crate::shared::{Table, TableState};

impl Inner {
    /// Flushes the tables for which `due` says so, then cuts the log. Goes on with the others when one fails.
    pub(crate) async fn flush_tables(&self, due: impl Fn(&TableState) -> bool) -> Result<(), LakeError> {
        let tables: Vec<Arc<Table>> = {
            let state = self.shared.state.read();
            let due = |table: &&Arc<Table>| state.tables.get(table.id).is_some_and(|state| !state.hot.is_empty() && due(state));
            self.shared.tables.iter().filter(due).cloned().collect()
        };
        let mut failed = None;
        for table in &tables {
            if let Err(error) = self.flush_table(table).await {
                tracing::error!(table = table.name(), %error, "flush failed");
                failed.get_or_insert(error);
            }
        }
        if !tables.is_empty() {
            self.cut_log().await?;
        }
        failed.map_or(Ok(()), Err)
    }

    async fn flush_table(&self, table: &Arc<Table>) -> Result<(), LakeError> {
        let began = Instant::now();
        let mut delta = table.delta.lock().await;
        let (hot, position) = {
            let state = self.shared.state.read();
            match state.tables.get(table.id) {
                Some(current) if !current.hot.is_empty() => (current.hot.clone(), state.position),
                _ => return Ok(()),
            }
        };
        let count = hot.len();
        let bytes: u64 = hot.iter().map(|hot| hot.bytes).sum();
        let writing = Arc::clone(table);
        let row_group_rows = self.shared.options.row_group_rows;
        let written = blocking("writing Parquet files", move || {
            let batches: Vec<_> = hot.iter().map(|hot| hot.batch.clone()).collect();
            write_days(
                &writing.definition,
                &writing.schema,
                &writing.directory,
                &batches,
                position,
                row_group_rows,
            )
        })
        .await?;
        let mut actions: Vec<_> = written.iter().map(|file| add(file, true)).collect();
        actions.push(transaction(position));
        let commit = delta.commit(&table.definition, "WRITE", &actions, true).await?;
        let reloaded = if commit.foreign {
            Some(delta.load(&table.definition).await?.files)
        } else {
            None
        };
        {
            // From rows in memory to rows in files in one step: a scan sees the one or the other.
            let mut state = self.shared.state.write();
            if let Some(current) = state.tables.get_mut(table.id) {
                current.files = Arc::new(reloaded.unwrap_or_else(|| {
                    let mut files = current.files.as_ref().clone();
                    files.extend(written.into_iter().map(Arc::new));
                    files
                }));
                current.hot.drain(..count);
                current.hot_bytes = current.hot_bytes.saturating_sub(bytes);
                current.hot_since = (!current.hot.is_empty()).then(Instant::now);
                gauge!("taffrail_lake_files", "table" => table.name().to_owned()).set(current.files.len() as f64);
            }
        }
        let left = self.shared.unflushed.fetch_sub(bytes, Ordering::AcqRel).saturating_sub(bytes);
        gauge!("taffrail_lake_hot_bytes").set(left as f64);
        self.shared.room.notify_waiters();
        histogram!("taffrail_lake_flush_seconds").record(began.elapsed().as_secs_f64());
        self.checkpoint_when_due(table, commit.version);
        Ok(())
    }

    /// Starts a checkpoint off the path when enough commits came together.
    pub(crate) fn checkpoint_when_due(&self, table: &Table, version: u64) {
        if version > 0 && version.is_multiple_of(self.shared.options.checkpoint_every.max(1)) {
            let (name, directory) = (table.name().to_owned(), table.directory.clone());
            tokio::spawn(async move {
                if let Err(error) = checkpoint(name, directory).await {
                    tracing::warn!(%error, "no checkpoint; opening the table takes longer until the next");
                }
            });
        }
    }

    /// Deletes log segments that neither flusher nor consumers nor followers need.
    pub(crate) async fn cut_log(&self) -> Result<(), LakeError> {
        let needless = self.shared.needless().min(self.consumers.slowest().unwrap_or(u64::MAX));
        let shared = Arc::clone(&self.shared);
        blocking("cutting the log", move || {
            let mut segments = shared.segments.lock();
            segments.cut(needless)?;
            gauge!("taffrail_lake_log_segments").set(segments.first.len() as f64);
            Ok(())
        })
        .await
    }

    /// Replaces a table's files after a commit: `removed` go, `added` come; or takes the list as read again.
    pub(crate) fn replace_files(
        &self,
        table: &Table,
        removed: &HashSet<String>,
        added: Vec<crate::delta::DataFile>,
        reloaded: Option<Vec<Arc<crate::delta::DataFile>>>,
    ) {
        let mut state = self.shared.state.write();
        if let Some(current) = state.tables.get_mut(table.id) {
            current.files = Arc::new(reloaded.unwrap_or_else(|| {
                let kept = current.files.iter().filter(|file| !removed.contains(&file.path)).cloned();
                kept.chain(added.into_iter().map(Arc::new)).collect()
            }));
            gauge!("taffrail_lake_files", "table" => table.name().to_owned()).set(current.files.len() as f64);
        }
    }
}
