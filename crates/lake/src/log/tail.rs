//! The end of the log, where it is written: rotation, what a failed write leaves, and when to give up.

use std::time::Instant;

use metrics::{counter, histogram};
use parking_lot::Mutex;

use super::segment::{SEGMENT_HEADER, Segments};
use crate::chain::Digest;
use crate::disk::DiskFile;
use crate::error::LakeError;

/// The segment that is written.
#[derive(Debug)]
pub(crate) struct Tail {
    pub(super) file: Box<dyn DiskFile>,
    /// Bytes of it that are good
    pub(super) length: u64,
    /// A new segment was begun and did not come to be. Its file may be there after a crash all the same, so nothing more may go
    /// into this one: it would stand behind a segment that says it ended.
    pub(super) full: bool,
    /// A write was taken back and the cut not synced
    pub(super) taken_back: bool,
    /// First position of the segment
    pub(super) first: u64,
    /// Of what is in it; unknown of a segment that was there when the lake was opened
    pub(super) digest: Option<Digest>,
    /// Segments that are full since somebody asked
    pub(super) sealed: Vec<Sealed>,
}

/// A segment that is full.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) bytes: u64,
    pub(crate) sha256: Option<String>,
}

/// Why a write did not succeed.
#[derive(Debug)]
pub(crate) enum WriteError {
    /// The log is as before
    Nothing(String),
    /// The state of the log is unknown
    Fatal(String),
}

/// A segment with less in it is not worth a file of its own.
const WORTH_DELETING: u64 = 1 << 20;

impl Tail {
    /// Begins a segment behind `position`; the one before it ends at `log_end`.
    pub(crate) fn begin(segments: &Mutex<Segments>, position: u64, log_end: u64) -> Result<Tail, LakeError> {
        let (file, header) = segments.lock().create(position + 1, log_end)?;
        let mut digest = Digest::new();
        digest.update(&header);
        Ok(Tail {
            file,
            length: SEGMENT_HEADER,
            full: false,
            taken_back: false,
            first: position + 1,
            digest: Some(digest),
            sealed: Vec::new(),
        })
    }

    /// Begins a segment when this one is worth to be deleted.
    pub(crate) fn rotate(&mut self, segments: &Mutex<Segments>, durable: u64) -> Result<(), LakeError> {
        if self.length < WORTH_DELETING {
            return Ok(());
        }
        self.begin_next(segments, durable).map_err(|error| match error {
            WriteError::Nothing(reason) | WriteError::Fatal(reason) => LakeError::NotStored { reason },
        })
    }

    fn begin_next(&mut self, segments: &Mutex<Segments>, durable: u64) -> Result<(), WriteError> {
        self.full = true;
        let nothing = |error: String| WriteError::Nothing(error);
        if self.taken_back {
            // The segment ends here, also after a crash.
            self.file
                .sync()
                .map_err(|error| nothing(format!("fsync of the log failed: {error}")))?;
            self.taken_back = false;
        }
        let mut next = Tail::begin(segments, durable, durable).map_err(|error| nothing(error.to_string()))?;
        next.sealed = std::mem::take(&mut self.sealed);
        next.sealed.push(Sealed {
            first: self.first,
            last: durable,
            bytes: self.length,
            sha256: self.digest.take().map(Digest::finish),
        });
        *self = next;
        Ok(())
    }

    /// Writes frames behind `durable` and makes them durable, in a new segment when this one is full.
    pub(crate) fn write(&mut self, segments: &Mutex<Segments>, frames: &[u8], durable: u64, segment_bytes: u64) -> Result<(), WriteError> {
        if frames.is_empty() {
            return Ok(());
        }
        if self.full || (self.length > SEGMENT_HEADER && self.length + frames.len() as u64 > segment_bytes) {
            self.begin_next(segments, durable)?;
        }
        if let Err(error) = self.file.write_at(self.length, frames) {
            // A full disk: what was acknowledged is whole, so take the rest back and go on when there is room again.
            self.taken_back = true;
            return Err(match self.file.set_length(self.length) {
                Ok(()) => WriteError::Nothing(format!("cannot write the log: {error}")),
                Err(second) => WriteError::Fatal(format!("cannot write the log: {error}; cannot take the write back: {second}")),
            });
        }
        let began = Instant::now();
        // After a failed fsync nobody knows what is on the disk: trying again would lie.
        self.file
            .sync()
            .map_err(|error| WriteError::Fatal(format!("fsync of the log failed: {error}")))?;
        self.taken_back = false;
        if let Some(digest) = &mut self.digest {
            digest.update(frames);
        }
        histogram!("taffrail_lake_fsync_seconds").record(began.elapsed().as_secs_f64());
        counter!("taffrail_lake_log_bytes_total").increment(frames.len() as u64);
        self.length += frames.len() as u64;
        Ok(())
    }
}
