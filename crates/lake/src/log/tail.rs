//! The end of the log, where it is written: rotation, what a failed write leaves, and when to give up.

use std::time::Instant;

use metrics::{counter, histogram};
use parking_lot::Mutex;

use super::segment::{SEGMENT_HEADER, Segments};
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
        Ok(Tail {
            file: segments.lock().create(position + 1, log_end)?,
            length: SEGMENT_HEADER,
            full: false,
        })
    }

    /// Begins a segment when this one is worth to be deleted.
    pub(crate) fn rotate(&mut self, segments: &Mutex<Segments>, durable: u64) -> Result<(), LakeError> {
        if self.length >= WORTH_DELETING {
            *self = Tail::begin(segments, durable, durable)?;
        }
        Ok(())
    }

    /// Writes frames behind `durable` and makes them durable, in a new segment when this one is full.
    pub(crate) fn write(&mut self, segments: &Mutex<Segments>, frames: &[u8], durable: u64, segment_bytes: u64) -> Result<(), WriteError> {
        if frames.is_empty() {
            return Ok(());
        }
        if self.full || (self.length > SEGMENT_HEADER && self.length + frames.len() as u64 > segment_bytes) {
            self.full = true;
            *self = Tail::begin(segments, durable, durable).map_err(|error| WriteError::Nothing(error.to_string()))?;
        }
        if let Err(error) = self.file.write_at(self.length, frames) {
            // A full disk: what was acknowledged is whole, so take the rest back and go on when there is room again.
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
        histogram!("taffrail_lake_fsync_seconds").record(began.elapsed().as_secs_f64());
        counter!("taffrail_lake_log_bytes_total").increment(frames.len() as u64);
        self.length += frames.len() as u64;
        Ok(())
    }
}
