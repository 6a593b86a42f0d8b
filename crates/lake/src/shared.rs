//! What reading, writing and flushing share: the tables, their rows in memory and in files, the place in the log.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use metrics::{counter, gauge};
use parking_lot::{Mutex, RwLock};
use serde_json::json;
use taffrail_schema::TableDef;
use tokio::sync::{Notify, broadcast};

use crate::chain::{Chain, sha256_file};
use crate::columns::ColumnCache;
use crate::delta::{DataFile, DeltaTable};
use crate::disk::RealDisk;
use crate::error::LakeError;
use crate::event::EventForm;
use crate::log::{Sealed, Segments};
use crate::options::LakeOptions;
use crate::rows::{adapt, merge};
use crate::seen::KeyHasher;

/// Batches in memory grow together up to this many rows.
const MERGED_ROWS: usize = 4096;

/// Index of a table.
pub(crate) type TableId = usize;

/// A table under one definition. When that changes there is a new one in its place, with the same `id`, folder and Delta log.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) id: TableId,
    pub(crate) definition: TableDef,
    /// Made at run time: it may change
    pub(crate) made: bool,
    pub(crate) schema: SchemaRef,
    /// How its whole events are kept, when it has any
    pub(crate) event: Option<EventForm>,
    /// Where its files are
    pub(crate) directory: PathBuf,
    /// Its Delta log; held by whoever changes the table's files
    pub(crate) delta: Arc<tokio::sync::Mutex<DeltaTable>>,
}

impl Table {
    pub(crate) fn name(&self) -> &str {
        &self.definition.name
    }

    /// The same rows with whole events.
    pub(crate) fn whole(&self, batch: &RecordBatch) -> Result<RecordBatch, LakeError> {
        match &self.event {
            Some(form) => form.unfold(batch).map_err(LakeError::arrow(self.name())),
            None => Ok(batch.clone()),
        }
    }
}

/// Rows that are durable in the log and not yet in a file.
#[derive(Debug)]
pub(crate) struct Hot {
    /// Position of its first append
    pub(crate) position: u64,
    /// Position of its last append
    pub(crate) last: u64,
    pub(crate) batch: RecordBatch,
    pub(crate) bytes: u64,
}

/// The tables of now. Ids are never given twice; a table that was dropped is left in its place and has no name any more.
#[derive(Debug, Default)]
struct Tables {
    all: Vec<Arc<Table>>,
    ids: BTreeMap<String, TableId>,
}

/// The changing part of a table.
#[derive(Debug, Default)]
pub(crate) struct TableState {
    pub(crate) hot: Vec<Arc<Hot>>,
    pub(crate) hot_bytes: u64,
    pub(crate) hot_since: Option<Instant>,
    /// The first so many batches are being written to files: they stay as they are
    pub(crate) frozen: usize,
    pub(crate) files: Arc<Vec<Arc<DataFile>>>,
    /// Changes with every change of rows or files
    pub(crate) version: u64,
}

impl TableState {
    /// Adds rows. Small batches grow together, each row copied a few times at most: a query over thousands of batches of one
    /// row would be slow, and each would hold the memory of many.
    pub(crate) fn push(&mut self, position: u64, batch: RecordBatch) {
        let bytes = batch.get_array_memory_size() as u64;
        self.hot_bytes += bytes;
        self.hot_since.get_or_insert_with(Instant::now);
        self.version += 1;
        self.hot.push(Arc::new(Hot {
            position,
            last: position,
            batch,
            bytes,
        }));
        while self.hot.len() >= self.frozen + 2
            && let [.., before, newest] = self.hot.as_slice()
            && before.batch.num_rows() <= 2 * newest.batch.num_rows()
            && before.batch.num_rows() + newest.batch.num_rows() <= MERGED_ROWS
            && let Some(batch) = merge(&before.batch, &newest.batch)
        {
            let merged = Hot {
                position: before.position,
                last: newest.last,
                bytes: batch.get_array_memory_size() as u64,
                batch,
            };
            self.hot_bytes = (self.hot_bytes + merged.bytes).saturating_sub(before.bytes + newest.bytes);
            self.hot.truncate(self.hot.len() - 2);
            self.hot.push(Arc::new(merged));
        }
    }
}

/// One lock over all tables: an append over several becomes visible at once.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) tables: Vec<TableState>,
    /// Everything up to here is durable and visible
    pub(crate) position: u64,
}

impl State {
    fn unflushed(&self) -> u64 {
        self.tables.iter().map(|table| table.hot_bytes).sum()
    }
}

/// One append after it became durable.
#[derive(Debug, Clone)]
pub(crate) struct Append {
    pub(crate) position: u64,
    pub(crate) parts: Vec<(TableId, RecordBatch)>,
}

/// The shared part of a lake.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: LakeOptions,
    /// Taken after `state` where both are
    tables: RwLock<Tables>,
    pub(crate) hasher: KeyHasher,
    pub(crate) state: RwLock<State>,
    pub(crate) segments: Mutex<Segments>,
    /// The account of what is written; none when read only, or when it is not wanted
    pub(crate) chain: Option<Arc<Chain>>,
    /// Backups under way: nothing is deleted meanwhile
    pub(crate) backups: AtomicU64,
    /// Where open subscriptions stand: the log is not cut in front of them
    pub(crate) readers: Mutex<Vec<Weak<AtomicU64>>>,
    /// Tells followers; taken away when the lake closes
    committed: Mutex<Option<broadcast::Sender<Arc<Append>>>>,
    /// Bytes not yet in files
    pub(crate) unflushed: AtomicU64,
    /// Something was flushed: those who wait for room look again
    pub(crate) room: Notify,
    /// Something should be flushed
    pub(crate) flush_wanted: Notify,
    /// Columns of files that queries read before
    pub(crate) columns: ColumnCache,
    failed: OnceLock<String>,
    trouble: Mutex<Trouble>,
    durable: AtomicU64,
}

/// What does not work at the moment and is tried again.
#[derive(Debug, Default)]
struct Trouble {
    log: Option<String>,
    flush: Option<String>,
}

impl Shared {
    pub(crate) fn new(
        options: LakeOptions,
        tables: Vec<Arc<Table>>,
        state: State,
        segments: Segments,
        chain: Option<Arc<Chain>>,
    ) -> Shared {
        let (committed, _) = broadcast::channel(256);
        let unflushed = state.unflushed();
        Shared {
            tables: RwLock::new(Tables {
                ids: tables.iter().map(|table| (table.name().to_owned(), table.id)).collect(),
                all: tables,
            }),
            hasher: KeyHasher::new(),
            durable: AtomicU64::new(state.position),
            state: RwLock::new(state),
            segments: Mutex::new(segments),
            chain,
            backups: AtomicU64::new(0),
            readers: Mutex::new(Vec::new()),
            committed: Mutex::new(Some(committed)),
            unflushed: AtomicU64::new(unflushed),
            room: Notify::new(),
            flush_wanted: Notify::new(),
            columns: ColumnCache::new(options.column_cache),
            failed: OnceLock::new(),
            trouble: Mutex::default(),
            options,
        }
    }

    /// The table of that name.
    pub(crate) fn table(&self, name: &str) -> Option<Arc<Table>> {
        let tables = self.tables.read();
        tables.all.get(*tables.ids.get(name)?).cloned()
    }

    /// The table with that id, as it is now or was when it was dropped.
    pub(crate) fn table_by_id(&self, id: TableId) -> Option<Arc<Table>> {
        self.tables.read().all.get(id).cloned()
    }

    /// All tables that there are.
    pub(crate) fn tables(&self) -> Vec<Arc<Table>> {
        let tables = self.tables.read();
        tables.ids.values().filter_map(|id| tables.all.get(*id)).cloned().collect()
    }

    pub(crate) fn name(&self, id: TableId) -> String {
        self.table_by_id(id).map_or_else(String::new, |table| table.name().to_owned())
    }

    /// Adds a table that has no files and no rows yet, or has these files.
    pub(crate) fn add_table(&self, make: impl FnOnce(TableId) -> Table, files: Vec<Arc<DataFile>>) {
        let mut state = self.state.write();
        let mut tables = self.tables.write();
        let id = tables.all.len();
        let table = Arc::new(make(id));
        tables.ids.insert(table.name().to_owned(), id);
        tables.all.push(table);
        state.tables.push(TableState {
            files: Arc::new(files),
            ..TableState::default()
        });
    }

    /// Puts a table with another definition in the place of the one with the same id; its rows in memory are made to fit.
    pub(crate) fn change_table(&self, table: Table) -> Result<(), LakeError> {
        let mut state = self.state.write();
        let mut tables = self.tables.write();
        if let Some(current) = state.tables.get_mut(table.id) {
            let mut hot = Vec::with_capacity(current.hot.len());
            for old in &current.hot {
                let batch = adapt(&table.definition, &table.schema, &old.batch)?;
                hot.push(Arc::new(Hot {
                    position: old.position,
                    last: old.last,
                    bytes: batch.get_array_memory_size() as u64,
                    batch,
                }));
            }
            current.hot_bytes = hot.iter().map(|hot| hot.bytes).sum();
            current.hot = hot;
            current.version += 1;
        }
        if let Some(place) = tables.all.get_mut(table.id) {
            *place = Arc::new(table);
        }
        Ok(())
    }

    /// Forgets a table with its rows; what is on its way to it goes nowhere.
    pub(crate) fn drop_table(&self, table: &Table) {
        let mut state = self.state.write();
        let mut tables = self.tables.write();
        tables.ids.remove(table.name());
        if let Some(current) = state.tables.get_mut(table.id) {
            let version = current.version;
            *current = TableState {
                version: version + 1,
                ..TableState::default()
            };
        }
    }

    /// Last position known to be on disk.
    pub(crate) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Why nothing more is taken in.
    pub(crate) fn failure(&self) -> Option<String> {
        self.failed.get().cloned()
    }

    pub(crate) fn fail(&self, reason: &str) {
        let _ = self.failed.set(reason.to_owned());
        counter!("taffrail_lake_failures_total").increment(1);
        self.room.notify_waiters();
    }

    /// Records segments that are full. Those that cannot be recorded now stay in the list, for the next time.
    pub(crate) fn record_segments(&self, sealed: &mut Vec<Sealed>) {
        let Some(chain) = &self.chain else {
            sealed.clear();
            return;
        };
        while let Some(one) = sealed.first() {
            let recorded = match &one.sha256 {
                Some(hash) => Ok((hash.clone(), one.bytes)),
                None => {
                    let path = self.segments.lock().path(one.first);
                    sha256_file(&RealDisk, &path)
                }
            };
            let recorded = recorded.and_then(|(hash, bytes)| {
                let content = json!({"first": one.first, "last": one.last, "bytes": bytes, "sha256": hash});
                chain.append("segment", content, false)
            });
            match recorded {
                Ok(()) => drop(sealed.remove(0)),
                // Cut before it could be recorded.
                Err(LakeError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => drop(sealed.remove(0)),
                Err(error) => {
                    tracing::error!(%error, "a log segment could not be recorded in the chain; it is tried again");
                    return;
                }
            }
        }
    }

    /// Records segments that were full when the process ended, before that was durable in the chain.
    pub(crate) fn record_found_segments(&self) {
        let Some(chain) = &self.chain else {
            return;
        };
        let known = chain.segment();
        let firsts = self.segments.lock().first.clone();
        let full = firsts.iter().zip(firsts.iter().skip(1)).filter(|(first, _)| **first > known);
        let mut sealed: Vec<Sealed> = full
            .map(|(first, next)| Sealed {
                first: *first,
                last: next - 1,
                bytes: 0,
                sha256: None,
            })
            .collect();
        self.record_segments(&mut sealed);
    }

    /// The log takes nothing at the moment, for this reason, or takes rows again.
    pub(crate) fn log_trouble(&self, reason: Option<&str>) {
        let mut trouble = self.trouble.lock();
        if reason.is_none() && trouble.log.is_some() {
            tracing::info!("the log takes rows again");
        }
        trouble.log = reason.map(str::to_owned);
        gauge!("taffrail_lake_refusing").set(f64::from(u8::from(trouble.log.is_some())));
    }

    /// Rows cannot be moved to files at the moment, or can again.
    pub(crate) fn flush_trouble(&self, reason: Option<&str>) {
        self.trouble.lock().flush = reason.map(str::to_owned);
    }

    /// Whether the log was refused last.
    pub(crate) fn is_refusing(&self) -> bool {
        self.trouble.lock().log.is_some()
    }

    /// What does not work at the moment.
    pub(crate) fn trouble(&self) -> Option<String> {
        let trouble = self.trouble.lock();
        trouble.log.clone().or_else(|| trouble.flush.clone())
    }

    /// Makes durable rows visible, tells followers, and asks for a flush when a table is full.
    pub(crate) fn publish(&self, appends: Vec<Append>, position: u64) {
        let mut full = false;
        let unflushed;
        {
            let mut state = self.state.write();
            for append in &appends {
                for (id, batch) in &append.parts {
                    let Some((table, name, batch)) = self.fitting(&mut state, *id, batch) else {
                        continue;
                    };
                    let rows = batch.num_rows() as u64;
                    table.push(append.position, batch);
                    full |= table.hot_bytes >= self.options.flush_bytes as u64;
                    counter!("taffrail_lake_appended_rows_total", "table" => name).increment(rows);
                }
            }
            unflushed = state.unflushed();
            // Under the lock, so that it never goes back.
            self.unflushed.store(unflushed, Ordering::Release);
            state.position = position;
            self.durable.store(position, Ordering::Release);
        }
        gauge!("taffrail_lake_hot_bytes").set(unflushed as f64);
        if let Some(committed) = &*self.committed.lock() {
            for append in appends {
                // An error only says that nobody listens.
                let _ = committed.send(Arc::new(append));
            }
        }
        if full || unflushed > self.options.unflushed_limit {
            self.flush_wanted.notify_one();
        }
    }

    /// Where rows of a table go, under its definition of now: it may have changed while they were on their way. Nowhere when it
    /// was dropped.
    fn fitting<'a>(&self, state: &'a mut State, id: TableId, batch: &RecordBatch) -> Option<(&'a mut TableState, String, RecordBatch)> {
        let tables = self.tables.read();
        let table = tables.all.get(id)?;
        if !tables.ids.get(table.name()).is_some_and(|known| *known == id) {
            return None;
        }
        let batch = if Arc::ptr_eq(&batch.schema(), &table.schema) {
            batch.clone()
        } else {
            // Cannot fail for columns that were accepted: they are there with the same types, or not at all.
            adapt(&table.definition, &table.schema, batch).ok()?
        };
        Some((state.tables.get_mut(id)?, table.name().to_owned(), batch))
    }

    /// The rows of a table to be written to files, and the position they reach; `None` when there are none. They stay as they
    /// are until [`Shared::settle`].
    pub(crate) fn freeze(&self, id: TableId) -> Option<(Vec<Arc<Hot>>, u64)> {
        let mut state = self.state.write();
        let position = state.position;
        let table = state.tables.get_mut(id).filter(|table| !table.hot.is_empty())?;
        table.frozen = table.hot.len();
        Some((table.hot.clone(), position))
    }

    /// Rows up to `position` are in files now: changes the list of files and forgets those rows in one step, so that a scan
    /// sees the one or the other.
    pub(crate) fn settle(&self, id: TableId, position: u64, files: impl FnOnce(&mut Vec<Arc<DataFile>>)) {
        let mut state = self.state.write();
        if let Some(table) = state.tables.get_mut(id) {
            files(Arc::make_mut(&mut table.files));
            table.version += 1;
            let before = table.hot.len();
            table.hot.retain(|hot| hot.last > position);
            if table.hot.len() < before {
                table.frozen = 0;
                table.hot_bytes = table.hot.iter().map(|hot| hot.bytes).sum();
                table.hot_since = (!table.hot.is_empty()).then(Instant::now);
            }
            gauge!("taffrail_lake_files", "table" => self.name(id)).set(table.files.len() as f64);
        }
        let unflushed = state.unflushed();
        self.unflushed.store(unflushed, Ordering::Release);
        drop(state);
        gauge!("taffrail_lake_hot_bytes").set(unflushed as f64);
        self.room.notify_waiters();
    }

    /// The rows of a table at this moment: files and memory, nothing missing, nothing twice.
    pub(crate) fn snapshot(&self, id: TableId) -> (Arc<Vec<Arc<DataFile>>>, Vec<Arc<Hot>>) {
        let state = self.state.read();
        match state.tables.get(id) {
            Some(table) => (Arc::clone(&table.files), table.hot.clone()),
            None => Default::default(),
        }
    }

    /// The same for a query that was planned over `table`: rows in memory have its columns, also when it was changed since.
    pub(crate) fn snapshot_as(&self, table: &Table) -> Result<(Arc<Vec<Arc<DataFile>>>, Vec<Arc<Hot>>), LakeError> {
        let (files, mut hot) = self.snapshot(table.id);
        for one in &mut hot {
            if one.batch.schema() != table.schema {
                let batch = adapt(&table.definition, &table.schema, &one.batch)?;
                *one = Arc::new(Hot {
                    position: one.position,
                    last: one.last,
                    bytes: one.bytes,
                    batch,
                });
            }
        }
        Ok((files, hot))
    }

    /// Bytes of a table, in files and in memory.
    pub(crate) fn bytes(&self, id: TableId) -> u64 {
        let state = self.state.read();
        let table = state.tables.get(id);
        table.map_or(0, |table| table.hot_bytes + table.files.iter().map(|file| file.size).sum::<u64>())
    }

    /// Appends from now on.
    pub(crate) fn follow(&self) -> broadcast::Receiver<Arc<Append>> {
        match &*self.committed.lock() {
            Some(committed) => committed.subscribe(),
            None => broadcast::channel(1).1,
        }
    }

    /// No more appends: followers end after what there is.
    pub(crate) fn end(&self) {
        self.committed.lock().take();
    }

    /// Keeps the log from `position` on while the returned value lives.
    pub(crate) fn hold(&self, position: u64) -> Arc<AtomicU64> {
        let hold = Arc::new(AtomicU64::new(position));
        self.readers.lock().push(Arc::downgrade(&hold));
        hold
    }

    /// The last position that neither flusher nor reader needs any more.
    pub(crate) fn needless(&self) -> u64 {
        let flushed = {
            let state = self.state.read();
            let oldest = state
                .tables
                .iter()
                .filter_map(|table| table.hot.first())
                .map(|hot| hot.position)
                .min();
            oldest.map_or(state.position, |oldest| oldest.saturating_sub(1))
        };
        let mut readers = self.readers.lock();
        readers.retain(|reader| reader.strong_count() > 0);
        let slowest = readers
            .iter()
            .filter_map(Weak::upgrade)
            .map(|reader| reader.load(Ordering::Acquire))
            .min();
        flushed.min(slowest.unwrap_or(u64::MAX))
    }
}
