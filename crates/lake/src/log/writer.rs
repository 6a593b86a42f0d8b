//! The one thread that writes the log: takes what waits, drops rows that were seen before, writes, syncs once, makes the rows
//! visible in order, and only then answers.
//!
//! Because it is one thread, a row and its repetition are never judged at the same time, and a repetition is never answered
//! before its first copy is durable: that copy is in the same group or an earlier one.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use metrics::{counter, histogram};
use tokio::sync::oneshot;

use super::frame::{encode_payload, put_frame};
use super::tail::{Tail, WriteError};
use crate::Appended;
use crate::error::LakeError;
use crate::open::all_recent_keys;
use crate::seen::Seen;
use crate::shared::{Append, Shared, TableId};

/// How often recent keys are tried to be read.
const KEY_TRIES: u32 = 5;
/// Most bytes that share one fsync.
const GROUP_BYTES: usize = 16 << 20;

/// Rows of one table.
pub(crate) struct Part {
    pub(crate) table: TableId,
    pub(crate) batch: RecordBatch,
    /// Hash of each row's key, when the table has one and the row too
    pub(crate) keys: Option<Vec<Option<u128>>>,
}

/// One append that waits.
pub(crate) struct Request {
    pub(crate) parts: Vec<Part>,
    /// The parts as log payload; no longer right when rows are dropped
    pub(crate) payload: Vec<u8>,
    pub(crate) reply: oneshot::Sender<Result<Appended, LakeError>>,
}

/// What the thread is asked.
pub(crate) enum Command {
    Append(Request),
    /// Try whether the log can be written again
    Probe,
    /// Begin a segment if this one has something in it, so that it can be cut away
    Rotate(oneshot::Sender<()>),
    /// Finish what waits, then end
    Close,
}

/// State of the thread.
pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) tail: Tail,
    /// Last position given
    pub(crate) position: u64,
    /// Keys of each table
    pub(crate) seen: Vec<Option<Seen>>,
    /// Held until the thread ends, so that nobody else opens the directory while it still writes
    pub(crate) lock: Arc<crate::lock::DirectoryLock>,
}

/// A request on its way to the disk.
struct Pending {
    reply: oneshot::Sender<Result<Appended, LakeError>>,
    appended: Appended,
    append: Option<Append>,
    keys: Vec<(TableId, Vec<u128>)>,
}

impl Writer {
    /// Serves until told to close or until nobody can ask any more; gives back the lock.
    pub(crate) fn run(mut self, receiver: Receiver<Command>) -> Arc<crate::lock::DirectoryLock> {
        self.remember();
        let mut open = true;
        while open {
            let first = match receiver.recv() {
                Ok(Command::Append(first)) => first,
                Ok(Command::Probe) => {
                    self.probe();
                    continue;
                }
                Ok(Command::Rotate(done)) => {
                    self.rotate();
                    let _ = done.send(());
                    continue;
                }
                Ok(Command::Close) | Err(_) => break,
            };
            let mut bytes = first.payload.len();
            let mut group = vec![first];
            while bytes < GROUP_BYTES {
                match receiver.try_recv() {
                    Ok(Command::Append(request)) => {
                        bytes += request.payload.len();
                        group.push(request);
                    }
                    // Not while rows arrive.
                    Ok(Command::Probe | Command::Rotate(_)) => {}
                    Ok(Command::Close) => {
                        open = false;
                        break;
                    }
                    Err(_) => break,
                }
            }
            self.store(group);
        }
        self.lock
    }

    fn store(&mut self, group: Vec<Request>) {
        let requests = group.len();
        if let Some(reason) = self.shared.failure() {
            for request in group {
                let _ = request.reply.send(Err(LakeError::Failed { reason: reason.clone() }));
            }
            return;
        }
        let mut buffer = Vec::new();
        let mut pending = Vec::with_capacity(group.len());
        for request in group {
            if let Some(one) = self.prepare(request, &mut buffer) {
                pending.push(one);
            }
        }
        let durable = self.shared.durable();
        let written = self
            .tail
            .write(&self.shared.segments, &buffer, durable, self.shared.options.segment_bytes);
        if let Err(error) = written {
            self.give_up(pending, error);
            return;
        }
        if !buffer.is_empty() {
            self.shared.log_trouble(None);
        }
        self.shared.record_segments(&mut self.tail.sealed);
        histogram!("taffrail_lake_group_appends").record(requests as f64);
        self.publish(pending);
    }

    /// Collects the keys of recent rows. Whoever reads need not wait for that, and what is appended meanwhile waits in the queue.
    fn remember(&mut self) {
        let mut tries = 0;
        loop {
            tries += 1;
            match all_recent_keys(&self.shared) {
                Ok(seen) => {
                    self.seen = seen;
                    return;
                }
                // A file may be merged with others, and deleted, just while it is to be read.
                Err(error) if tries < KEY_TRIES => tracing::warn!(%error, "the keys of recent rows could not be read; trying again"),
                Err(error) => {
                    self.shared.fail(&format!("the keys of recent rows cannot be read: {error}"));
                    return;
                }
            }
        }
    }

    fn rotate(&mut self) {
        if self.shared.failure().is_some() {
            return;
        }
        if let Err(error) = self.tail.rotate(&self.shared.segments, self.shared.durable()) {
            tracing::warn!(%error, "no new log segment could be begun; the old one stays until the next flush");
        }
        self.shared.record_segments(&mut self.tail.sealed);
    }

    /// An append of nothing: when nobody sends because health says that nothing is taken, this finds out that it is again.
    fn probe(&mut self) {
        if !self.shared.is_refusing() || self.shared.failure().is_some() {
            return;
        }
        let mut frame = Vec::new();
        let durable = self.shared.durable();
        let Ok(payload) = self.encode(&[]) else {
            return;
        };
        put_frame(&mut frame, durable + 1, durable, &payload);
        match self
            .tail
            .write(&self.shared.segments, &frame, durable, self.shared.options.segment_bytes)
        {
            Ok(()) => {
                self.position = durable + 1;
                self.shared.log_trouble(None);
                let nothing = Append {
                    position: self.position,
                    parts: Vec::new(),
                };
                self.shared.publish(vec![nothing], self.position);
            }
            Err(WriteError::Nothing(reason)) => self.shared.log_trouble(Some(&reason)),
            Err(WriteError::Fatal(reason)) => self.shared.fail(&reason),
        }
    }

    /// Drops known rows and adds the frame; answers at once when that fails.
    fn prepare(&mut self, request: Request, buffer: &mut Vec<u8>) -> Option<Pending> {
        let mut parts = Vec::with_capacity(request.parts.len());
        let mut keys = Vec::new();
        let (mut stored, mut duplicates) = (0, 0);
        for part in request.parts {
            let rows = part.batch.num_rows();
            let mut batch = part.batch;
            if let (Some(hashes), Some(Some(seen))) = (part.keys, self.seen.get_mut(part.table)) {
                let mut fresh = Vec::with_capacity(rows);
                let mut is_new = |hash: &Option<u128>| match hash {
                    Some(hash) if seen.insert(*hash) => {
                        fresh.push(*hash);
                        true
                    }
                    Some(_) => false,
                    None => true,
                };
                let new: Vec<bool> = hashes.iter().map(&mut is_new).collect();
                let kept = new.iter().filter(|new| **new).count();
                keys.push((part.table, fresh));
                if kept < rows {
                    batch = match filter_record_batch(&batch, &BooleanArray::from(new)) {
                        Ok(batch) => crate::rows::compact(batch),
                        Err(error) => {
                            self.forget(&keys);
                            let reason = error.to_string();
                            let _ = request.reply.send(Err(LakeError::NotStored { reason }));
                            return None;
                        }
                    };
                    let name = self.shared.name(part.table);
                    counter!("taffrail_lake_duplicate_rows_total", "table" => name).increment((rows - kept) as u64);
                }
            }
            stored += batch.num_rows() as u64;
            duplicates += (rows - batch.num_rows()) as u64;
            if batch.num_rows() > 0 {
                parts.push((part.table, batch));
            }
        }
        let mut append = None;
        if stored > 0 {
            let payload = if duplicates == 0 {
                Ok(request.payload)
            } else {
                self.encode(&parts)
            };
            match payload {
                Ok(payload) => {
                    put_frame(buffer, self.position + 1, self.shared.durable(), &payload);
                    self.position += 1;
                    append = Some(Append {
                        position: self.position,
                        parts,
                    });
                }
                Err(reason) => {
                    self.forget(&keys);
                    let _ = request.reply.send(Err(LakeError::NotStored { reason }));
                    return None;
                }
            }
        }
        Some(Pending {
            reply: request.reply,
            appended: Appended {
                position: self.position,
                stored,
                duplicates,
            },
            append,
            keys,
        })
    }

    fn encode(&self, parts: &[(TableId, RecordBatch)]) -> Result<Vec<u8>, String> {
        let names: Vec<String> = parts.iter().map(|(table, _)| self.shared.name(*table)).collect();
        encode_payload(names.iter().map(String::as_str).zip(parts.iter().map(|(_, batch)| batch)))
    }

    fn forget(&mut self, keys: &[(TableId, Vec<u128>)]) {
        for (table, hashes) in keys {
            if let Some(Some(seen)) = self.seen.get_mut(*table) {
                for hash in hashes {
                    seen.remove(*hash);
                }
            }
        }
    }

    fn give_up(&mut self, pending: Vec<Pending>, error: WriteError) {
        let (reason, fatal) = match error {
            WriteError::Nothing(reason) => (reason, false),
            WriteError::Fatal(reason) => (reason, true),
        };
        tracing::error!(reason, fatal, "rows were not stored");
        if fatal {
            self.shared.fail(&reason);
        } else {
            self.shared.log_trouble(Some(&reason));
        }
        self.position = self.shared.durable();
        for one in pending {
            self.forget(&one.keys);
            let reason = reason.clone();
            let _ = one.reply.send(Err(if fatal {
                LakeError::Failed { reason }
            } else {
                LakeError::NotStored { reason }
            }));
        }
    }

    fn publish(&mut self, pending: Vec<Pending>) {
        let mut appends = Vec::with_capacity(pending.len());
        let mut replies = Vec::with_capacity(pending.len());
        for one in pending {
            appends.extend(one.append);
            replies.push((one.reply, one.appended));
        }
        self.shared.publish(appends, self.position);
        for (reply, appended) in replies {
            // Who no longer waits has his rows stored all the same.
            let _ = reply.send(Ok(appended));
        }
    }
}
