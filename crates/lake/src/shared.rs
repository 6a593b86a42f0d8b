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
use taffrail_schema::TableDef;
use tokio::sync::{Notify, broadcast};

use crate::delta::{DataFile, DeltaTable};
use crate::log::Segments;
use crate::options::LakeOptions;
use crate::seen::KeyHasher;

/// Index of a table.
pub(crate) type TableId = usize;

/// A table, fixed while the lake is open.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) id: TableId,
    pub(crate) definition: TableDef,
    pub(crate) schema: SchemaRef,
    /// Where its files are
    pub(crate) directory: PathBuf,
    /// Its Delta log; held by whoever changes the table's files
    pub(crate) delta: tokio::sync::Mutex<DeltaTable>,
}

impl Table {
    pub(crate) fn name(&self) -> &str {
        &self.definition.name
    }
}

/// Rows that are durable in the log and not yet in a file.
#[derive(Debug)]
pub(crate) struct Hot {
    pub(crate) position: u64,
    pub(crate) batch: RecordBatch,
    pub(crate) bytes: u64,
}

/// The changing part of a table.
#[derive(Debug, Default)]
pub(crate) struct TableState {
    pub(crate) hot: Vec<Arc<Hot>>,
    pub(crate) hot_bytes: u64,
    pub(crate) hot_since: Option<Instant>,
    pub(crate) files: Arc<Vec<Arc<DataFile>>>,
}

/// One lock over all tables: an append over several becomes visible at once.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) tables: Vec<TableState>,
    /// Everything up to here is durable and visible
    pub(crate) position: u64,
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
    pub(crate) tables: Vec<Arc<Table>>,
    pub(crate) ids: BTreeMap<String, TableId>,
    pub(crate) hasher: KeyHasher,
    pub(crate) state: RwLock<State>,
    pub(crate) segments: Mutex<Segments>,
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
    failed: OnceLock<String>,
    durable: AtomicU64,
}

impl Shared {
    pub(crate) fn new(options: LakeOptions, tables: Vec<Arc<Table>>, state: State, segments: Segments) -> Shared {
        let (committed, _) = broadcast::channel(256);
        let unflushed = state.tables.iter().map(|table| table.hot_bytes).sum();
        Shared {
            options,
            ids: tables.iter().map(|table| (table.name().to_owned(), table.id)).collect(),
            tables,
            hasher: KeyHasher::new(),
            durable: AtomicU64::new(state.position),
            state: RwLock::new(state),
            segments: Mutex::new(segments),
            readers: Mutex::new(Vec::new()),
            committed: Mutex::new(Some(committed)),
            unflushed: AtomicU64::new(unflushed),
            room: Notify::new(),
            flush_wanted: Notify::new(),
            failed: OnceLock::new(),
        }
    }

    pub(crate) fn table(&self, name: &str) -> Option<&Arc<Table>> {
        self.tables.get(*self.ids.get(name)?)
    }

    pub(crate) fn name(&self, id: TableId) -> &str {
        self.tables.get(id).map_or("", |table| table.name())
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

    /// Makes durable rows visible, tells followers, and asks for a flush when a table is full.
    pub(crate) fn publish(&self, appends: Vec<Append>, position: u64) {
        let mut full = false;
        let mut added = 0;
        {
            let mut state = self.state.write();
            for append in &appends {
                for (id, batch) in &append.parts {
                    let Some(table) = state.tables.get_mut(*id) else {
                        continue;
                    };
                    let bytes = batch.get_array_memory_size() as u64;
                    table.hot.push(Arc::new(Hot {
                        position: append.position,
                        batch: batch.clone(),
                        bytes,
                    }));
                    table.hot_bytes += bytes;
                    table.hot_since.get_or_insert_with(Instant::now);
                    added += bytes;
                    full |= table.hot_bytes >= self.options.flush_bytes as u64;
                    counter!("taffrail_lake_appended_rows_total", "table" => self.name(*id).to_owned()).increment(batch.num_rows() as u64);
                }
            }
            state.position = position;
            self.durable.store(position, Ordering::Release);
        }
        let unflushed = self.unflushed.fetch_add(added, Ordering::AcqRel) + added;
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

    /// The rows of a table at this moment: files and memory, nothing missing, nothing twice.
    pub(crate) fn snapshot(&self, id: TableId) -> (Arc<Vec<Arc<DataFile>>>, Vec<Arc<Hot>>) {
        let state = self.state.read();
        match state.tables.get(id) {
            Some(table) => (Arc::clone(&table.files), table.hot.clone()),
            None => Default::default(),
        }
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
