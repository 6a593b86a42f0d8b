//! Following the log: every append once and in order, live while the follower keeps up, from the log when it does not.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::RecordBatch;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::error::{LakeError, blocking};
use crate::log::LogReader;
use crate::rows::adapt;
use crate::shared::{Append, Shared};

/// Payload read from the log at a time.
const READ_BYTES: usize = 4 << 20;

/// Rows that became durable.
#[derive(Debug, Clone)]
pub struct Committed {
    /// Position of the append in the log
    pub position: u64,
    /// Table
    pub table: String,
    /// Rows, in stored form, without those dropped as duplicates
    pub batch: RecordBatch,
    /// Whether rows of the same append for another table follow: only after the last is the position done with
    pub more: bool,
}

/// A follower of the log, from [`crate::Lake::subscribe`] or [`crate::Lake::read_from`].
///
/// The log is not cut in front of it while it lives. Across restarts, [`crate::Lake::set_consumer`] does that.
#[derive(Debug)]
pub struct Subscription {
    shared: Arc<Shared>,
    live: broadcast::Receiver<Arc<Append>>,
    /// Everything up to here is in `ready` or was given out
    read: u64,
    /// Everything up to here was given out; the lake looks here before it cuts the log
    given: Arc<AtomicU64>,
    /// Whether there may be more in the log than was read
    behind: bool,
    log: Option<LogReader>,
    ready: VecDeque<Arc<Committed>>,
}

impl Subscription {
    pub(crate) fn new(shared: Arc<Shared>, position: u64) -> Subscription {
        let given = shared.hold(position);
        Subscription {
            live: shared.follow(),
            read: position,
            given,
            behind: true,
            log: None,
            ready: VecDeque::new(),
            shared,
        }
    }

    /// The next rows; waits for them. `None` after the lake was closed. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the log is damaged, or was cut in front of a position given to `read_from`.
    pub async fn next(&mut self) -> Result<Option<Arc<Committed>>, LakeError> {
        loop {
            if let Some(rows) = self.pop() {
                return Ok(Some(rows));
            }
            if self.behind {
                self.read_log().await?;
                continue;
            }
            match self.live.recv().await {
                Ok(append) if append.position <= self.read => {}
                Ok(append) if append.position == self.read + 1 => self.take(&append)?,
                // Missed some: the log has them.
                Ok(_) | Err(RecvError::Lagged(_)) => self.behind = true,
                Err(RecvError::Closed) => return Ok(None),
            }
        }
    }

    /// The next rows if there are any now.
    ///
    /// # Errors
    /// As [`Subscription::next`].
    pub async fn try_next(&mut self) -> Result<Option<Arc<Committed>>, LakeError> {
        loop {
            if let Some(rows) = self.pop() {
                return Ok(Some(rows));
            }
            if self.read >= self.shared.durable() {
                return Ok(None);
            }
            self.read_log().await?;
        }
    }

    /// Position of the last append of which all rows were given out.
    pub fn position(&self) -> u64 {
        self.given.load(Ordering::Acquire)
    }

    fn pop(&mut self) -> Option<Arc<Committed>> {
        let rows = self.ready.pop_front()?;
        if !rows.more {
            self.given.store(rows.position, Ordering::Release);
        }
        Some(rows)
    }

    fn take(&mut self, append: &Append) -> Result<(), LakeError> {
        let mut parts = Vec::with_capacity(append.parts.len());
        for (id, batch) in &append.parts {
            let batch = match self.shared.table_by_id(*id) {
                Some(table) => table.whole(batch)?,
                None => batch.clone(),
            };
            parts.push((self.shared.name(*id), batch));
        }
        self.give(append.position, parts);
        Ok(())
    }

    fn give(&mut self, position: u64, parts: Vec<(String, RecordBatch)>) {
        let count = parts.len();
        if count == 0 && self.ready.is_empty() {
            self.given.store(position, Ordering::Release);
        }
        for (index, (table, batch)) in parts.into_iter().enumerate() {
            self.ready.push_back(Arc::new(Committed {
                position,
                table,
                batch,
                more: index + 1 < count,
            }));
        }
        self.read = position;
    }

    async fn read_log(&mut self) -> Result<(), LakeError> {
        let until = self.shared.durable();
        if self.read >= until {
            self.behind = false;
            self.log = None;
            return Ok(());
        }
        let mut log = self.log.take().unwrap_or_else(|| LogReader::new(self.read));
        let shared = Arc::clone(&self.shared);
        // If this future is dropped here, `log` is gone and the next call begins again behind `read`.
        let (log, entries) = blocking("reading the log", move || {
            let entries = log.read(&shared.segments, until, READ_BYTES)?;
            Ok((log, entries))
        })
        .await?;
        for (position, parts) in entries {
            let mut adapted = Vec::with_capacity(parts.len());
            for (name, batch) in parts {
                match self.shared.table(&name) {
                    Some(table) => adapted.push((name, table.whole(&adapt(&table.definition, &table.schema, &batch)?)?)),
                    None => adapted.push((name, batch)),
                }
            }
            self.give(position, adapted);
        }
        self.log = Some(log);
        Ok(())
    }
}
