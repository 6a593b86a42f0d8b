//! Reading the log again after a stop of any kind: what is there, what was cut off, and making sure of the end.

use std::path::PathBuf;

use metrics::counter;

use super::segment::{Frames, Next, SEGMENT_HEADER, Segments, find_later_proof, header_is_torn, read_from};
use super::tail::Tail;
use crate::error::LakeError;

/// What the log came to.
#[derive(Debug)]
pub(crate) struct Recovered {
    /// Last position in it
    pub(crate) position: u64,
    /// Where to write on; `None` when a new segment is to begin
    pub(crate) tail: Option<Tail>,
}

/// A segment that is open to be read.
struct Open {
    path: PathBuf,
    frames: Frames,
}

/// Reads every frame in order. With `repair` (the one writer) a torn tail is cut and the rest made durable; without, it is left
/// out.
///
/// # Errors
/// When what was acknowledged is damaged, or `entry` says so.
pub(crate) fn recover(
    segments: &mut Segments,
    repair: bool,
    mut entry: impl FnMut(u64, &[u8], &std::path::Path, u64) -> Result<(), LakeError>,
) -> Result<Recovered, LakeError> {
    let mut position = 0;
    if let Some(newest) = segments.first.last().copied()
        && header_is_torn(segments.disk.as_ref(), &segments.path(newest))?
    {
        tracing::warn!(segment = %segments.path(newest).display(), "the newest log segment was never begun; deleted");
        position = newest.saturating_sub(1);
        if repair {
            segments.drop_newest()?;
        } else {
            segments.first.pop();
        }
    }
    if repair {
        // Names that were made or deleted and not synced before: what is written from here on counts on them.
        segments.sync()?;
    }
    let mut before: Option<Open> = None;
    for first in segments.first.clone() {
        let path = segments.path(first);
        let frames = match Frames::open(segments.disk.as_ref(), &path, first) {
            // A running writer may cut the log while it is read beside it; the caller looks whether it must read again.
            Err(LakeError::Io { source, .. }) if !repair && source.kind() == std::io::ErrorKind::NotFound => {
                before = None;
                continue;
            }
            frames => frames?,
        };
        let next = Open { path, frames };
        if let Some(segment) = before.replace(next)
            && let Some(next) = &before
        {
            // Behind its last position there may be what a write left that failed and was taken back.
            let last = next.frames.previous_last;
            let at = finished(segment, last, position, &mut entry)?;
            if at != last {
                return Err(LakeError::Corrupt {
                    path: next.path.clone(),
                    offset: 0,
                    message: format!("the segment before it ended at position {last} and now ends at {at}"),
                });
            }
        }
        position = first - 1;
    }
    let Some(newest) = before else {
        return Ok(Recovered { position, tail: None });
    };
    let (position, tail) = newest_segment(segments, newest, position, repair, &mut entry)?;
    Ok(Recovered { position, tail })
}

/// Reads a segment that another follows, up to the position `last`; gives the one it came to.
fn finished(
    mut segment: Open,
    last: u64,
    mut position: u64,
    entry: &mut impl FnMut(u64, &[u8], &std::path::Path, u64) -> Result<(), LakeError>,
) -> Result<u64, LakeError> {
    while position < last {
        match segment.frames.next(position + 1)? {
            Next::Frame { position: at, payload, .. } => {
                position = at;
                entry(at, &payload, &segment.path, segment.frames.offset)?;
            }
            Next::End => break,
            Next::Bad { offset, message } => {
                return Err(LakeError::Corrupt {
                    path: segment.path,
                    offset,
                    message,
                });
            }
        }
    }
    Ok(position)
}

/// Reads the segment that is written. Frames that no later one says were durable may be in the system's memory and not on the
/// disk, when an fsync failed before the process ended: they are written once more.
fn newest_segment(
    segments: &Segments,
    segment: Open,
    mut position: u64,
    repair: bool,
    entry: &mut impl FnMut(u64, &[u8], &std::path::Path, u64) -> Result<(), LakeError>,
) -> Result<(u64, Option<Tail>), LakeError> {
    let Open { path, mut frames } = segment;
    let disk = segments.disk.as_ref();
    let mut proven = position;
    let mut unproven: Vec<(u64, u64)> = Vec::new();
    loop {
        let offset = frames.offset;
        match frames.next(position + 1)? {
            Next::Frame {
                position: at,
                durable,
                payload,
            } => {
                position = at;
                if durable > proven {
                    proven = durable;
                    unproven.retain(|(position, _)| *position > durable);
                }
                unproven.push((at, offset));
                entry(at, &payload, &path, frames.offset)?;
            }
            Next::End => break,
            Next::Bad { offset, message } => {
                if find_later_proof(disk, &path, offset, position + 1)?.is_some() {
                    return Err(LakeError::Corrupt { path, offset, message });
                }
                if repair {
                    let length = disk.length(&path).map_err(LakeError::io("read", &path))?;
                    tracing::warn!(segment = %path.display(), offset, bytes = length - offset, message, "the log ends in a write that was cut off and never acknowledged; cut there");
                    counter!("taffrail_lake_torn_tails_total").increment(1);
                }
                break;
            }
        }
    }
    if !repair {
        return Ok((position, None));
    }
    let end = frames.offset.max(SEGMENT_HEADER);
    let mut file = disk.modify(&path).map_err(LakeError::io("open", &path))?;
    file.set_length(end).map_err(LakeError::io("cut", &path))?;
    if let Some((_, offset)) = unproven.first() {
        let bytes = read_from(disk, &path, *offset)?;
        file.write_at(*offset, &bytes).map_err(LakeError::io("write", &path))?;
    }
    file.sync().map_err(LakeError::io("fsync", &path))?;
    let tail = Tail {
        file,
        length: end,
        full: false,
        taken_back: false,
        first: segments.first.last().copied().unwrap_or_default(),
        digest: None,
        sealed: Vec::new(),
    };
    Ok((position, Some(tail)))
}
