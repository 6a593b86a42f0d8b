//! Reading the log beside the writer: for consumers that start late or fall behind.

use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use parking_lot::Mutex;

use super::frame::decode_payload;
use super::segment::{Frames, Next, Segments};
use crate::error::LakeError;

/// One append as read back.
pub(crate) type Entry = (u64, Vec<(String, RecordBatch)>);

/// A place in the log.
#[derive(Debug)]
pub(crate) struct LogReader {
    /// Everything up to here was read
    position: u64,
    open: Option<(u64, Frames)>,
}

impl LogReader {
    /// Reads on behind `position`.
    pub(crate) fn new(position: u64) -> LogReader {
        LogReader { position, open: None }
    }

    /// Entries behind the place, at most up to position `until`, about `bytes` of payload at a time. Empty: all were read.
    pub(crate) fn read(&mut self, segments: &Mutex<Segments>, until: u64, bytes: usize) -> Result<Vec<Entry>, LakeError> {
        let mut entries = Vec::new();
        self.payloads(segments, until, bytes, |position, payload, path, offset| {
            let parts = decode_payload(payload, |_| true).map_err(|message| LakeError::Corrupt {
                path: path.to_owned(),
                offset,
                message,
            })?;
            entries.push((position, parts));
            Ok(())
        })?;
        Ok(entries)
    }

    /// The same, not yet decoded.
    pub(super) fn payloads(
        &mut self,
        segments: &Mutex<Segments>,
        until: u64,
        bytes: usize,
        mut take: impl FnMut(u64, &[u8], &Path, u64) -> Result<(), LakeError>,
    ) -> Result<(), LakeError> {
        let mut read = 0;
        while self.position < until && read < bytes {
            let wanted = self.position + 1;
            let first = self.segment_with(segments, wanted)?;
            let (path, disk) = {
                let segments = segments.lock();
                (segments.path(first), Arc::clone(&segments.disk))
            };
            if self.open.as_ref().is_none_or(|(open, _)| *open != first) {
                self.open = Some((first, Frames::open(disk.as_ref(), &path, first)?));
                // Frames in front of the place are skipped by reading them once.
                let mut skipped = first;
                while skipped < wanted {
                    self.next_payload(skipped, &path)?;
                    skipped += 1;
                }
            }
            let payload = self.next_payload(wanted, &path)?;
            read += payload.len();
            take(wanted, &payload, &path, self.open.as_ref().map_or(0, |(_, frames)| frames.offset))?;
            self.position = wanted;
        }
        Ok(())
    }

    fn segment_with(&self, segments: &Mutex<Segments>, position: u64) -> Result<u64, LakeError> {
        let segments = segments.lock();
        let index = segments.first.partition_point(|first| *first <= position);
        match index.checked_sub(1).and_then(|index| segments.first.get(index)) {
            Some(first) => Ok(*first),
            None => Err(LakeError::Gone {
                position,
                oldest: segments.first.first().copied().unwrap_or_default(),
            }),
        }
    }

    fn next_payload(&mut self, position: u64, path: &Path) -> Result<Vec<u8>, LakeError> {
        let Some((_, frames)) = &mut self.open else {
            return Ok(Vec::new());
        };
        let offset = frames.offset;
        match frames.next(position)? {
            Next::Frame { payload, .. } => Ok(payload),
            Next::End => Err(LakeError::Corrupt {
                path: path.to_owned(),
                offset,
                message: format!("the segment ends in front of position {position}"),
            }),
            Next::Bad { offset, message } => Err(LakeError::Corrupt {
                path: path.to_owned(),
                offset,
                message,
            }),
        }
    }
}
