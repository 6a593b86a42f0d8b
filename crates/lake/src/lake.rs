//! The lake as others see it.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Instant;

use arrow::array::RecordBatch;
use datafusion::catalog::TableProvider;
use metrics::counter;
use parking_lot::Mutex;
use taffrail_schema::Schema;
use tokio::sync::oneshot;

use crate::catalog::Catalog;
use crate::chain::Chain;
use crate::consumers::Consumers;
use crate::disk::Disk;
use crate::durable::create_directory;
use crate::error::{LakeError, blocking};
use crate::follow::Subscription;
use crate::lock::DirectoryLock;
use crate::log::{Command, Part, Request, Tail, Writer, encode_payload};
use crate::open::{keys, open};
use crate::options::LakeOptions;
use crate::provider::LakeTable;
use crate::rows::{accept, shrink};
use crate::shared::{Shared, Table};

/// How often a read beside a running server begins again.
const READ_TRIES: u32 = 20;

/// What became of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Its position in the log; when every row was a duplicate, a position behind which their first copies are not
    pub position: u64,
    /// Rows stored
    pub stored: u64,
    /// Rows dropped because their key was seen before
    pub duplicates: u64,
}

/// Size of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableStatistics {
    /// Rows, those in memory included
    pub rows: u64,
    /// Bytes of the files
    pub bytes: u64,
    /// Files
    pub files: u64,
    /// Rows not yet in files
    pub hot_rows: u64,
    /// Their bytes in memory
    pub hot_bytes: u64,
}

/// Rows, durable and queryable. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Lake {
    pub(crate) inner: Arc<Inner>,
}

/// The thread that writes the log and how to ask it; it gives the lock on the directory back when it ends.
type LogThread = (Sender<Command>, JoinHandle<Arc<DirectoryLock>>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) shared: Arc<Shared>,
    pub(crate) consumers: Consumers,
    pub(crate) catalog: Catalog,
    pub(crate) schema: Arc<Schema>,
    pub(crate) directory: PathBuf,
    writer: Mutex<Option<LogThread>>,
    read_only: bool,
    closed: AtomicBool,
    /// Files that retention looked through and found nothing in, and what for
    pub(crate) retained: Mutex<HashSet<(String, String)>>,
    /// When retention was looked at last
    pub(crate) retained_at: Mutex<Option<Instant>>,
}

impl Lake {
    /// Opens a data directory to read and write; creates it when it does not exist. Needs a multi-threaded tokio runtime.
    ///
    /// # Errors
    /// [`LakeError::Locked`] when another process has it, [`LakeError::Corrupt`] when acknowledged rows are damaged.
    pub async fn open(directory: &Path, schema: Arc<Schema>, options: LakeOptions) -> Result<Lake, LakeError> {
        Lake::open_on(crate::disk::real(), directory, schema, options).await
    }

    /// The same with the log and the small files on a disk of the caller's.
    pub(crate) async fn open_on(
        disk: Arc<dyn Disk>,
        directory: &Path,
        schema: Arc<Schema>,
        options: LakeOptions,
    ) -> Result<Lake, LakeError> {
        create_directory(directory)?;
        let lock = Arc::new(DirectoryLock::acquire(directory)?);
        create_directory(&directory.join("log"))?;
        create_directory(&directory.join("tables"))?;
        let consumers = Consumers::load(Arc::clone(&disk), directory)?;
        let catalog = Catalog::load(Arc::clone(&disk), directory)?;
        catalog.define(&schema);
        let began = Instant::now();
        let chain = match options.chain {
            true => Some(Arc::new(Chain::open(Arc::clone(&disk), directory, options.signing_key.as_deref())?)),
            false => None,
        };
        let opened = open(&disk, directory, &schema, options, &consumers, &catalog, chain, true).await?;
        let shared = Arc::new(opened.shared);
        let position = shared.durable();
        let tail = match opened.tail {
            Some(tail) => tail,
            None => Tail::begin(&shared.segments, position, opened.log_end)?,
        };
        shared.record_found_segments();
        let writer = Writer {
            shared: Arc::clone(&shared),
            tail,
            position,
            seen: Vec::new(),
            lock,
        };
        let (sender, receiver) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("lake-log".to_owned())
            .spawn(move || writer.run(receiver))
            .map_err(LakeError::io("start the log thread of", directory))?;
        tracing::info!(directory = %directory.display(), position, elapsed = ?began.elapsed(), "lake opened");
        let inner = Arc::new(Inner {
            shared,
            consumers,
            catalog,
            schema,
            directory: directory.to_owned(),
            writer: Mutex::new(Some((sender, thread))),
            read_only: false,
            closed: AtomicBool::new(false),
            retained: Mutex::default(),
            retained_at: Mutex::default(),
        });
        Inner::start_background(&inner);
        Ok(Lake { inner })
    }

    /// Opens what is durable at this moment, without lock and without writing: beside a running server, or without one.
    ///
    /// # Errors
    /// As [`Lake::open`], without the lock.
    pub async fn open_read_only(directory: &Path, schema: Arc<Schema>, options: LakeOptions) -> Result<Lake, LakeError> {
        if !directory.is_dir() {
            return Err(LakeError::io("open", directory)(std::io::ErrorKind::NotFound.into()));
        }
        let disk = crate::disk::real();
        let consumers = Consumers::load(Arc::clone(&disk), directory)?;
        let mut tries = 0;
        let (shared, catalog) = loop {
            tries += 1;
            let catalog = Catalog::load(Arc::clone(&disk), directory)?;
            catalog.define(&schema);
            let shared = match open(&disk, directory, &schema, options.clone(), &consumers, &catalog, None, false).await {
                // A running server may write a frame, or cut a segment away, just while it is read. Damage stays.
                // A table may have been made in between.
                Err(LakeError::Corrupt { .. } | LakeError::Table { .. }) if tries < READ_TRIES => {
                    tokio::task::yield_now().await;
                    continue;
                }
                opened => opened?.shared,
            };
            // Rows that a running server moved from the log to files between the two reads would be missing: read again.
            let mut behind = false;
            for table in &shared.tables() {
                behind |= table.delta.lock().await.is_behind();
            }
            if !behind {
                break (shared, catalog);
            }
            if tries >= READ_TRIES {
                return Err(LakeError::Interrupted {
                    work: "reading beside a running server",
                    reason: "its tables changed each time they were read; try again".to_owned(),
                });
            }
        };
        Ok(Lake {
            inner: Arc::new(Inner {
                shared: Arc::new(shared),
                consumers,
                catalog,
                schema,
                directory: directory.to_owned(),
                writer: Mutex::new(None),
                read_only: true,
                closed: AtomicBool::new(false),
                retained: Mutex::default(),
                retained_at: Mutex::default(),
            }),
        })
    }

    /// Stores rows, all or none of them: durable and visible to queries when this returns. Each batch has the columns of its
    /// table in stored form and in order. Rows whose key (`unique` of the table) was seen before are dropped; a row with nothing in
    /// the first key column has no key.
    ///
    /// Dropping the future does not take the rows back once they are on their way.
    ///
    /// # Errors
    /// [`LakeError::Batch`] and [`LakeError::UnknownTable`] for rows that do not fit, [`LakeError::Busy`] when the disk does not
    /// keep up, [`LakeError::Failed`] when durability can no longer be promised.
    pub async fn append(&self, rows: Vec<(String, RecordBatch)>) -> Result<Appended, LakeError> {
        self.inner.check_open()?;
        self.wait_for_room().await?;
        let inner = Arc::clone(&self.inner);
        let (parts, payload) = blocking("encoding an append", move || encode(&inner.shared, &inner.catalog, rows)).await?;
        let (reply, answer) = oneshot::channel();
        {
            let writer = self.inner.writer.lock();
            let Some((sender, _)) = &*writer else {
                return Err(LakeError::Closed);
            };
            sender
                .send(Command::Append(Request { parts, payload, reply }))
                .map_err(|_| LakeError::Closed)?;
        }
        answer.await.map_err(|_| LakeError::Closed)?
    }

    async fn wait_for_room(&self) -> Result<(), LakeError> {
        let shared = &self.inner.shared;
        let began = Instant::now();
        let mut counted = false;
        loop {
            let room = shared.room.notified();
            tokio::pin!(room);
            // Registered before looking, so that a flush in between is not missed.
            room.as_mut().enable();
            if let Some(reason) = shared.failure() {
                return Err(LakeError::Failed { reason });
            }
            self.inner.check_open()?;
            let bytes = shared.unflushed.load(Ordering::Acquire);
            if bytes <= shared.options.unflushed_limit {
                return Ok(());
            }
            if !counted {
                counter!("taffrail_lake_append_waits_total").increment(1);
                counted = true;
            }
            shared.flush_wanted.notify_one();
            let left = shared.options.append_wait.saturating_sub(began.elapsed());
            if left.is_zero() || tokio::time::timeout(left, room).await.is_err() {
                return Err(LakeError::Busy {
                    waited: began.elapsed(),
                    bytes,
                });
            }
        }
    }

    /// The table of that name, for DataFusion: every scan is one consistent snapshot of files and rows in memory.
    pub fn table(&self, name: &str) -> Option<Arc<dyn TableProvider>> {
        let table = self.inner.shared.table(name)?;
        Some(Arc::new(LakeTable::new(Arc::clone(&self.inner.shared), table)))
    }

    /// The same with one column more, [`ROWS`](crate::ROWS): how many rows a row stands for. Where that column is read, equal rows
    /// may come as one with their number, which is much less to look at; elsewhere it is an ordinary table.
    pub fn counted(&self, name: &str) -> Option<Arc<dyn TableProvider>> {
        let table = self.inner.shared.table(name)?;
        Some(Arc::new(LakeTable::counted(Arc::clone(&self.inner.shared), table)))
    }

    /// A number that changes whenever the rows of a table do.
    pub fn version(&self, name: &str) -> Option<u64> {
        let table = self.inner.shared.table(name)?;
        let state = self.inner.shared.state.read();
        state.tables.get(table.id).map(|state| state.version)
    }

    /// Position of the last append that is durable and visible.
    pub fn position(&self) -> u64 {
        self.inner.shared.durable()
    }

    /// Follows what is appended from now on. However slow the follower, no row is lost to it.
    pub fn subscribe(&self) -> Subscription {
        Subscription::new(Arc::clone(&self.inner.shared), self.position())
    }

    /// Follows what was and is appended behind `position`. For a consumer that starts again: its last position, see
    /// [`Lake::consumer`].
    pub fn read_from(&self, position: u64) -> Subscription {
        Subscription::new(Arc::clone(&self.inner.shared), position)
    }

    /// Records that a consumer is done with everything up to `position`. From the first call on the log is not cut in front of
    /// it, across restarts; durable when this returns.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn set_consumer(&self, name: &str, position: u64) -> Result<(), LakeError> {
        self.change_consumer(name, Some(position)).await
    }

    /// Forgets a consumer: the log is cut without regard to it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn remove_consumer(&self, name: &str) -> Result<(), LakeError> {
        self.change_consumer(name, None).await
    }

    async fn change_consumer(&self, name: &str, position: Option<u64>) -> Result<(), LakeError> {
        if self.inner.read_only {
            return Err(LakeError::ReadOnly);
        }
        let inner = Arc::clone(&self.inner);
        let name = name.to_owned();
        blocking("recording a consumer", move || inner.consumers.set(&name, position)).await
    }

    /// How far a consumer said it has read.
    pub fn consumer(&self, name: &str) -> Option<u64> {
        self.inner.consumers.get(name)
    }

    /// Writes all rows in memory to files and cuts the log.
    ///
    /// # Errors
    /// When a file cannot be written; the rows stay in the log and in memory then.
    pub async fn flush(&self) -> Result<(), LakeError> {
        self.inner.check_writable()?;
        self.inner.flush_tables(|_| true).await
    }

    /// Stops taking rows, writes what is in memory to files, and frees the data directory. Reading goes on to work.
    ///
    /// # Errors
    /// As [`Lake::flush`]; the directory is freed all the same, and nothing acknowledged is lost.
    pub async fn close(&self) -> Result<(), LakeError> {
        if self.inner.read_only || self.inner.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.inner.shared.room.notify_waiters();
        let inner = Arc::clone(&self.inner);
        let lock = blocking("closing the log", move || Ok(inner.stop_writer())).await?;
        let flushed = self.inner.flush_tables(|_| true).await;
        self.inner.shared.end();
        if let Some(chain) = self.inner.shared.chain.clone() {
            blocking("signing the chain", move || chain.seal()).await?;
        }
        drop(lock);
        flushed
    }

    /// Whether rows are taken in, for readiness checks. Looks by itself whether a full disk has room again.
    ///
    /// # Errors
    /// Why not: closed, read-only, failed, or refused by the disk at the moment.
    pub fn check(&self) -> Result<(), LakeError> {
        self.inner.check_open()?;
        if let Some(reason) = self.inner.shared.failure() {
            return Err(LakeError::Failed { reason });
        }
        match self.inner.shared.trouble() {
            Some(reason) => Err(LakeError::NotStored { reason }),
            None => Ok(()),
        }
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }

    /// Sizes by table.
    pub fn statistics(&self) -> BTreeMap<String, TableStatistics> {
        let tables = self.inner.shared.tables();
        let state = self.inner.shared.state.read();
        tables
            .iter()
            .filter_map(|table| {
                let current = state.tables.get(table.id)?;
                let hot_rows = current.hot.iter().map(|hot| hot.batch.num_rows() as u64).sum();
                let file_rows: u64 = current.files.iter().filter_map(|file| file.statistics.rows).sum();
                let statistics = TableStatistics {
                    rows: file_rows + hot_rows,
                    bytes: current.files.iter().map(|file| file.size).sum(),
                    files: current.files.len() as u64,
                    hot_rows,
                    hot_bytes: current.hot_bytes,
                };
                Some((table.name().to_owned(), statistics))
            })
            .collect()
    }

    /// The data directory.
    pub fn directory(&self) -> &Path {
        &self.inner.directory
    }
}

fn encode(shared: &Shared, catalog: &Catalog, rows: Vec<(String, RecordBatch)>) -> Result<(Vec<Part>, Vec<u8>), LakeError> {
    let mut parts = Vec::with_capacity(rows.len());
    for (name, batch) in rows {
        let table = shared.table(&name).ok_or(LakeError::UnknownTable { table: name })?;
        let table = &table;
        if let Some(limit) = catalog.policy(table.name()).quota_bytes {
            let bytes = shared.bytes(table.id);
            if bytes >= limit {
                let table = table.name().to_owned();
                return Err(LakeError::Quota { table, bytes, limit });
            }
        }
        let accepted = accept(&table.definition, &table.schema, &batch, table.made)?;
        drop(batch);
        let batch = accepted;
        if batch.num_rows() == 0 {
            continue;
        }
        let batch = match &table.event {
            Some(form) => form.fold(batch).map_err(LakeError::arrow(table.name()))?,
            None => batch,
        };
        let batch = shrink(batch).map_err(LakeError::arrow(table.name()))?;
        let keys = if table.definition.unique.is_empty() {
            None
        } else {
            Some(keys(table, &batch, &shared.hasher)?)
        };
        parts.push(Part {
            table: table.id,
            batch,
            keys,
        });
    }
    let names: Vec<String> = parts.iter().map(|part| shared.name(part.table)).collect();
    let payload = encode_payload(names.iter().map(String::as_str).zip(parts.iter().map(|part| &part.batch)))
        .map_err(|reason| LakeError::NotStored { reason })?;
    Ok((parts, payload))
}

impl Inner {
    pub(crate) fn check_open(&self) -> Result<(), LakeError> {
        self.check_writable()?;
        if self.closed.load(Ordering::Acquire) {
            return Err(LakeError::Closed);
        }
        Ok(())
    }

    pub(crate) fn check_writable(&self) -> Result<(), LakeError> {
        if self.read_only { Err(LakeError::ReadOnly) } else { Ok(()) }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Lets the log thread finish what waits; gives back its lock on the directory.
    fn stop_writer(&self) -> Option<Arc<DirectoryLock>> {
        let (sender, thread) = self.writer.lock().take()?;
        let _ = sender.send(Command::Close);
        drop(sender);
        thread.join().ok()
    }

    /// Tells the log thread something; whether there is one.
    pub(crate) fn ask_writer(&self, command: Command) -> bool {
        match &*self.writer.lock() {
            Some((sender, _)) => sender.send(command).is_ok(),
            None => false,
        }
    }

    pub(crate) fn table(&self, name: &str) -> Result<Arc<Table>, LakeError> {
        self.shared
            .table(name)
            .ok_or_else(|| LakeError::UnknownTable { table: name.to_owned() })
    }

    /// The flusher and, less often, compaction, until the lake is closed or dropped.
    fn start_background(inner: &Arc<Inner>) {
        let weak = Arc::downgrade(inner);
        tokio::spawn(flush_when_due(weak, Arc::clone(&inner.shared)));
        if !inner.shared.options.compact_interval.is_zero() {
            let interval = inner.shared.options.compact_interval;
            let weak = Arc::downgrade(inner);
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(interval).await;
                    let Some(inner) = weak.upgrade().filter(|inner| !inner.is_closed()) else {
                        return;
                    };
                    inner.maintain().await;
                }
            });
        }
    }
}

async fn flush_when_due(weak: Weak<Inner>, shared: Arc<Shared>) {
    let tick = (shared.options.flush_interval / 10).clamp(std::time::Duration::from_millis(10), std::time::Duration::from_secs(1));
    loop {
        let _ = tokio::time::timeout(tick, shared.flush_wanted.notified()).await;
        let Some(inner) = weak.upgrade().filter(|inner| !inner.is_closed()) else {
            return;
        };
        if shared.is_refusing() {
            inner.ask_writer(Command::Probe);
        }
        let options = &shared.options;
        let pressed = shared.unflushed.load(Ordering::Acquire) > options.unflushed_limit;
        let due = inner
            .flush_tables(|table| {
                pressed
                    || table.hot_bytes >= options.flush_bytes as u64
                    || table.hot_since.is_some_and(|since| since.elapsed() >= options.flush_interval)
            })
            .await;
        shared.flush_trouble(due.as_ref().err().map(ToString::to_string).as_deref());
        if let Err(error) = due {
            tracing::error!(%error, "rows could not be written to files; they stay in the log, and it is tried again");
            counter!("taffrail_lake_flush_failures_total").increment(1);
            drop(inner);
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The directory is free when the lake is gone.
        self.stop_writer();
        self.shared.end();
    }
}
