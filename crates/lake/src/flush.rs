//! From memory to files: Parquet, one Delta commit that carries the log position, then the log may be cut.

use std::sync::Arc;
use std::time::Instant;

use arrow::array::RecordBatch;
use metrics::{gauge, histogram};
use serde_json::json;
use tokio::sync::{MutexGuard, oneshot};

use crate::delta::{DeltaTable, add, checkpoint, transaction};
use crate::error::{LakeError, blocking};
use crate::files::write_days;
use crate::lake::Inner;
use crate::log::Command;
use crate::rows::adapt;
use crate::shared::{Hot, Table, TableState};

impl Inner {
    /// Flushes the tables for which `due` says so, then cuts the log. Goes on with the others when one fails.
    pub(crate) async fn flush_tables(&self, due: impl Fn(&TableState) -> bool) -> Result<(), LakeError> {
        let tables: Vec<Arc<Table>> = {
            let tables = self.shared.tables();
            let state = self.shared.state.read();
            let due = |table: &Arc<Table>| state.tables.get(table.id).is_some_and(|state| !state.hot.is_empty() && due(state));
            tables.into_iter().filter(due).collect()
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
        let mut delta = self.delta(table).await?;
        let Some((hot, position)) = self.shared.freeze(table.id) else {
            return Ok(());
        };
        // Its definition may have changed a moment ago, and with it the rows that were just taken.
        let table = &self.shared.table_by_id(table.id).unwrap_or_else(|| Arc::clone(table));
        let writing = Arc::clone(table);
        let row_group_rows = self.shared.options.row_group_rows;
        let written = blocking("writing Parquet files", move || {
            let fit = |hot: &Arc<Hot>| fitted(&writing, &hot.batch);
            let batches = hot.iter().map(fit).collect::<Result<Vec<_>, _>>()?;
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
        if delta.is_uncertain() {
            // Others changed the table as well.
            self.reload(table, &mut delta).await?;
        } else {
            self.shared
                .settle(table.id, position, |files| files.extend(written.into_iter().map(Arc::new)));
        }
        histogram!("taffrail_lake_flush_seconds").record(began.elapsed().as_secs_f64());
        self.checkpoint_when_due(table, commit.version);
        Ok(())
    }

    /// The table's Delta log, with nothing left open from a commit that failed half way.
    pub(crate) async fn delta<'a>(&self, table: &'a Table) -> Result<MutexGuard<'a, DeltaTable>, LakeError> {
        let mut delta = table.delta.lock().await;
        if delta.is_uncertain() {
            self.reload(table, &mut delta).await?;
        }
        Ok(delta)
    }

    /// Takes the table as its Delta log has it: rows that turn out to be in files are no longer in memory.
    async fn reload(&self, table: &Table, delta: &mut DeltaTable) -> Result<(), LakeError> {
        let loaded = delta.load(&table.definition).await?;
        self.shared.settle(table.id, loaded.position, |files| *files = loaded.files);
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

    /// Ends the segment of which nothing is needed.
    async fn begin_segment(&self) {
        let (done, begun) = oneshot::channel();
        if self.ask_writer(Command::Rotate(done)) {
            // An error says that rows arrived meanwhile.
            let _ = begun.await;
        }
    }

    /// Deletes log segments that neither flusher nor consumers nor followers need.
    pub(crate) async fn cut_log(&self) -> Result<(), LakeError> {
        let slowest = self.consumers.slowest().unwrap_or(u64::MAX);
        if self.shared.needless().min(slowest) >= self.shared.durable() {
            self.begin_segment().await;
        }
        let shared = Arc::clone(&self.shared);
        blocking("cutting the log", move || {
            let mut segments = shared.segments.lock();
            // Looked at under the lock: a backup that lists the segments keeps them from then on.
            let needless = shared.needless().min(slowest);
            let firsts = segments.needless(needless);
            if let Some(chain) = shared.chain.as_ref().filter(|_| !firsts.is_empty()) {
                chain.append("cut", json!({"segments": firsts}), true)?;
            }
            segments.cut(needless)?;
            gauge!("taffrail_lake_log_segments").set(segments.first.len() as f64);
            Ok(())
        })
        .await
    }
}

fn fitted(table: &Table, batch: &RecordBatch) -> Result<RecordBatch, LakeError> {
    if batch.schema() == table.schema {
        return Ok(batch.clone());
    }
    adapt(&table.definition, &table.schema, batch)
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array, TimestampMicrosecondArray};
    use taffrail_kql::Type;
    use taffrail_schema::{ColumnDef, Schema, TableDef, stored_schema};

    use std::sync::atomic::Ordering;

    use super::*;
    use crate::disk::limited::LimitedDisk;
    use crate::{Lake, LakeOptions};

    fn options() -> LakeOptions {
        LakeOptions {
            flush_interval: std::time::Duration::from_secs(3600),
            ..LakeOptions::default()
        }
    }

    fn schema() -> Arc<Schema> {
        let mut schema = Schema::default();
        schema.add_table(table());
        Arc::new(schema)
    }

    fn rows(numbers: &[i64]) -> Vec<(String, RecordBatch)> {
        let time: ArrayRef = Arc::new(TimestampMicrosecondArray::from(numbers.to_vec()).with_timezone("UTC"));
        let columns = vec![Arc::clone(&time), Arc::new(Int64Array::from(numbers.to_vec())), time];
        vec![("Rows".to_owned(), RecordBatch::try_new(stored_schema(&table()), columns).unwrap())]
    }

    fn table() -> TableDef {
        let columns = [
            ("TimeGenerated", Type::DateTime),
            ("Number", Type::Long),
            ("_TimeReceived", Type::DateTime),
        ];
        let column = |(name, ty): &(&str, Type)| ColumnDef {
            name: (*name).to_owned(),
            path: Vec::new(),
            ty: *ty,
            about: String::new(),
        };
        TableDef {
            name: "Rows".to_owned(),
            about: String::new(),
            group: String::new(),
            columns: columns.iter().map(column).collect(),
            unique: Vec::new(),
            sort: Vec::new(),
            bloom: Vec::new(),
            plain: Vec::new(),
            event: None,
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_full_disk_acknowledges_nothing_says_so_and_goes_on_by_itself() {
        let directory = tempfile::tempdir().unwrap();
        let disk = LimitedDisk::default();
        let switches = Arc::clone(&disk.0);
        let lake = Lake::open_on(Arc::new(disk), directory.path(), schema(), options()).await.unwrap();
        lake.append(rows(&[1])).await.unwrap();
        switches.full.store(true, Ordering::Release);
        assert!(matches!(lake.append(rows(&[2])).await, Err(LakeError::NotStored { .. })));
        assert!(matches!(lake.check(), Err(LakeError::NotStored { .. })), "health says so");
        assert_eq!(lake.statistics()["Rows"].rows, 1, "and shows nothing that is not kept");
        let mut follower = lake.read_from(0);
        assert!(follower.next().await.unwrap().is_some());
        switches.full.store(false, Ordering::Release);
        // Nobody sends; it finds out by itself.
        while lake.check().is_err() {
            tokio::task::yield_now().await;
        }
        lake.append(rows(&[3])).await.unwrap();
        assert_eq!(follower.next().await.unwrap().unwrap().position, lake.position());
        drop((lake, follower));
        let lake = Lake::open(directory.path(), schema(), options()).await.unwrap();
        assert_eq!(lake.statistics()["Rows"].rows, 2);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn after_a_failed_fsync_nothing_is_promised_until_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let disk = LimitedDisk::default();
        let switches = Arc::clone(&disk.0);
        let lake = Lake::open_on(Arc::new(disk), directory.path(), schema(), options()).await.unwrap();
        lake.append(rows(&[1])).await.unwrap();
        switches.broken.store(true, Ordering::Release);
        assert!(matches!(lake.append(rows(&[2])).await, Err(LakeError::Failed { .. })));
        switches.broken.store(false, Ordering::Release);
        assert!(matches!(lake.append(rows(&[3])).await, Err(LakeError::Failed { .. })));
        assert!(matches!(lake.check(), Err(LakeError::Failed { .. })));
        drop(lake);
        let lake = Lake::open(directory.path(), schema(), options()).await.unwrap();
        lake.append(rows(&[4])).await.unwrap();
        assert!(lake.statistics()["Rows"].rows >= 2);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_commit_that_failed_after_it_was_written_is_not_written_again() {
        let directory = tempfile::tempdir().unwrap();
        let lake = Lake::open(directory.path(), schema(), options()).await.unwrap();
        let rows = || rows(&[1, 2]);
        lake.append(rows()).await.unwrap();
        {
            // What a flush does until the fsync of its entry fails.
            let table = lake.inner.table("Rows").unwrap();
            let (hot, position) = lake.inner.shared.freeze(table.id).unwrap();
            let batches: Vec<_> = hot.iter().map(|hot| hot.batch.clone()).collect();
            let written = write_days(&table.definition, &table.schema, &table.directory, &batches, position, 1000).unwrap();
            let mut actions: Vec<_> = written.iter().map(|file| add(file, true)).collect();
            actions.push(transaction(position));
            let mut lost = DeltaTable::new(table.name(), &table.directory);
            lost.commit(&table.definition, "WRITE", &actions, true).await.unwrap();
            table.delta.lock().await.doubt();
        }
        lake.append(rows()).await.unwrap();
        lake.flush().await.unwrap();
        let statistics = lake.statistics().remove("Rows").unwrap();
        assert_eq!((statistics.rows, statistics.hot_rows, statistics.files), (4, 0, 2));
    }
}
