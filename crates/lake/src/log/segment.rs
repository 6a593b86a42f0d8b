//! Segment files: naming, header, reading frame by frame, and what a bad frame means.
//!
//! ```text
//! "TAFFWAL1" | first position u64 | last position of the segment before u64 | crc32 u32 | frames
//! ```

use std::fmt;
use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::frame::{FrameHeader, HEADER, MARK};
use crate::disk::{Disk, DiskFile};
use crate::error::LakeError;

const SEGMENT_MARK: [u8; 8] = *b"TAFFWAL1";
/// Bytes in front of the first frame.
pub(crate) const SEGMENT_HEADER: u64 = 28;

/// The segments of a log, oldest first.
#[derive(Debug, Clone)]
pub(crate) struct Segments {
    pub(super) disk: Arc<dyn Disk>,
    directory: PathBuf,
    /// First positions
    pub(crate) first: Vec<u64>,
}

impl Segments {
    /// Lists a log folder.
    pub(crate) fn list(disk: Arc<dyn Disk>, directory: &Path) -> Result<Segments, LakeError> {
        let names = disk.list(directory).map_err(LakeError::io("list", directory))?;
        let number = |name: &String| name.strip_suffix(".wal")?.parse().ok();
        let mut first: Vec<u64> = names.iter().filter_map(number).collect();
        first.sort_unstable();
        Ok(Segments {
            disk,
            directory: directory.to_owned(),
            first,
        })
    }

    /// Where the segment that begins at `first` is.
    pub(crate) fn path(&self, first: u64) -> PathBuf {
        self.directory.join(format!("{first:020}.wal"))
    }

    /// Creates a segment, durable before the first frame goes in.
    /// Gives its header, too.
    pub(crate) fn create(&mut self, first: u64, previous_last: u64) -> Result<(Box<dyn DiskFile>, Vec<u8>), LakeError> {
        let path = self.path(first);
        let created = match self.disk.create(&path) {
            // What an earlier attempt left: nothing was ever acknowledged out of it.
            Err(error) if error.kind() == ErrorKind::AlreadyExists && !self.first.contains(&first) => {
                self.disk.remove(&path).and_then(|()| self.disk.create(&path))
            }
            created => created,
        };
        let mut file = created.map_err(LakeError::io("create", &path))?;
        let mut header = SEGMENT_MARK.to_vec();
        header.extend_from_slice(&first.to_le_bytes());
        header.extend_from_slice(&previous_last.to_le_bytes());
        let crc = crc32fast::hash(&header);
        header.extend_from_slice(&crc.to_le_bytes());
        let begun = file
            .write_at(0, &header)
            .and_then(|()| file.sync())
            .and_then(|()| self.disk.sync_folder(&self.directory));
        if let Err(error) = begun {
            // So that a later attempt, with room on the disk, can create it.
            let _ = self.disk.remove(&path);
            return Err(LakeError::io("write", &path)(error));
        }
        self.first.push(first);
        Ok((file, header))
    }

    /// Deletes the newest segment, which was never begun.
    pub(super) fn drop_newest(&mut self) -> Result<(), LakeError> {
        if let Some(first) = self.first.last() {
            let path = self.path(*first);
            self.disk.remove(&path).map_err(LakeError::io("delete", &path))?;
            self.first.pop();
        }
        Ok(())
    }

    /// First positions of the segments that [`Segments::cut`] would delete.
    pub(crate) fn needless(&self, position: u64) -> Vec<u64> {
        let pairs = self.first.iter().zip(self.first.iter().skip(1));
        pairs
            .take_while(|(_, next)| **next <= position.saturating_add(1))
            .map(|(first, _)| *first)
            .collect()
    }

    /// Deletes segments of which every position is at most `position`; the newest stays, it says where the log goes on.
    /// Returns the first positions of those deleted.
    pub(crate) fn cut(&mut self, position: u64) -> Result<Vec<u64>, LakeError> {
        let mut deleted = Vec::new();
        while let [oldest, next, ..] = self.first[..] {
            if next > position.saturating_add(1) {
                break;
            }
            let path = self.path(oldest);
            match self.disk.remove(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(LakeError::io("delete", &path)(error)),
            }
            self.first.remove(0);
            deleted.push(oldest);
        }
        if !deleted.is_empty() {
            self.sync()?;
        }
        Ok(deleted)
    }

    /// Makes the names durable.
    pub(super) fn sync(&self) -> Result<(), LakeError> {
        let directory = &self.directory;
        self.disk
            .sync_folder(directory)
            .map_err(LakeError::io("fsync the folder", directory))
    }
}

/// What comes next in a segment.
#[derive(Debug)]
pub(crate) enum Next {
    /// An intact frame
    Frame {
        /// Its position
        position: u64,
        /// Last position that was durable when it was written
        durable: u64,
        /// Its payload
        payload: Vec<u8>,
    },
    /// The segment ends behind the last frame
    End,
    /// What follows is no intact frame
    Bad {
        /// Where it begins
        offset: u64,
        /// What is wrong
        message: String,
    },
}

/// Reads a segment frame by frame.
pub(crate) struct Frames {
    file: BufReader<Box<dyn Read + Send>>,
    path: PathBuf,
    /// Where the next frame begins
    pub(crate) offset: u64,
    /// Last position of the segment before this one
    pub(crate) previous_last: u64,
}

impl fmt::Debug for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path.display(), self.offset)
    }
}

impl Frames {
    /// Opens a segment and checks its header.
    pub(crate) fn open(disk: &dyn Disk, path: &Path, first: u64) -> Result<Frames, LakeError> {
        let file = disk.read(path).map_err(LakeError::io("open", path))?;
        let length = disk.length(path).map_err(LakeError::io("open", path))?;
        let buffer = usize::try_from(length).unwrap_or(usize::MAX).clamp(64, 256 << 10);
        let mut file = BufReader::with_capacity(buffer, file);
        let corrupt = |message: &str| LakeError::Corrupt {
            path: path.to_owned(),
            offset: 0,
            message: message.to_owned(),
        };
        let mut header = [0; SEGMENT_HEADER as usize];
        match file.read_exact(&mut header) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Err(corrupt("the header is incomplete")),
            Err(error) => return Err(LakeError::io("read", path)(error)),
        }
        let (content, crc) = header.split_at(24);
        if !content.starts_with(&SEGMENT_MARK) || crc != crc32fast::hash(content).to_le_bytes() {
            return Err(corrupt("the header is no segment header of this version"));
        }
        let number = |at: usize| {
            content
                .get(at..at + 8)
                .and_then(|bytes| bytes.try_into().ok())
                .map(u64::from_le_bytes)
        };
        if number(8) != Some(first) {
            return Err(corrupt("the header names another first position than the file name"));
        }
        Ok(Frames {
            file,
            path: path.to_owned(),
            offset: SEGMENT_HEADER,
            previous_last: number(16).unwrap_or_default(),
        })
    }

    /// The next frame, which must have position `expected`.
    pub(crate) fn next(&mut self, expected: u64) -> Result<Next, LakeError> {
        let offset = self.offset;
        let bad = |message: String| Ok(Next::Bad { offset, message });
        let mut header = [0; HEADER];
        let read = read_up_to(&mut self.file, &mut header).map_err(LakeError::io("read", &self.path))?;
        if read == 0 {
            return Ok(Next::End);
        }
        if read < HEADER {
            return bad("the file ends inside a frame header".to_owned());
        }
        let Some(header) = FrameHeader::parse(&header) else {
            return bad("there is no frame header".to_owned());
        };
        let mut payload = Vec::new();
        // Reads what is there: a wrong length must not allocate.
        (&mut self.file)
            .take(header.length as u64)
            .read_to_end(&mut payload)
            .map_err(LakeError::io("read", &self.path))?;
        if payload.len() < header.length {
            return bad("the file ends inside a frame".to_owned());
        }
        if !header.fits(&payload) {
            return bad("the checksum of a frame is wrong".to_owned());
        }
        if header.position != expected {
            return bad(format!("position {expected} is expected and {} found", header.position));
        }
        self.offset += (HEADER + payload.len()) as u64;
        Ok(Next::Frame {
            position: header.position,
            durable: header.durable,
            payload,
        })
    }
}

fn read_up_to(file: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The bytes of a file from `offset` on.
pub(super) fn read_from(disk: &dyn Disk, path: &Path, offset: u64) -> Result<Vec<u8>, LakeError> {
    let mut bytes = Vec::new();
    let read = disk.read(path).and_then(|mut file| {
        std::io::copy(&mut (&mut file).take(offset), &mut std::io::sink())?;
        file.read_to_end(&mut bytes)
    });
    read.map_err(LakeError::io("read", path))?;
    Ok(bytes)
}

/// Whether a segment was being created when the process died: its header never became whole, and nothing follows.
pub(super) fn header_is_torn(disk: &dyn Disk, path: &Path) -> Result<bool, LakeError> {
    let length = disk.length(path).map_err(LakeError::io("read", path))?;
    if length < SEGMENT_HEADER {
        return Ok(true);
    }
    Ok(length == SEGMENT_HEADER && read_from(disk, path, 0)?.iter().all(|byte| *byte == 0))
}

/// Looks behind a bad frame for an intact one that was written when `position` was already durable. If there is one, the bad
/// frame was acknowledged and is a loss; if not, it is the end of a write that was never acknowledged.
pub(super) fn find_later_proof(disk: &dyn Disk, path: &Path, offset: u64, position: u64) -> Result<Option<u64>, LakeError> {
    let bytes = read_from(disk, path, offset)?;
    let mut at = 0;
    while let Some(found) = bytes
        .get(at..)
        .and_then(|rest| rest.windows(MARK.len()).position(|window| window == MARK))
    {
        at += found;
        if let Some(header) = bytes.get(at..).and_then(FrameHeader::parse)
            && header.position > position
            && header.durable >= position
            && let Some(payload) = bytes.get(at + HEADER..at + HEADER + header.length)
            && header.fits(payload)
        {
            return Ok(Some(header.position));
        }
        at += 1;
    }
    Ok(None)
}
