//! Segment files: naming, header, reading frame by frame, and what a bad frame means.
//!
//! ```text
//! "TAFFWAL1" | first position u64 | last position of the segment before u64 | crc32 u32 | frames
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::frame::{FrameHeader, HEADER, MARK};
use crate::durable::sync_directory;
use crate::error::LakeError;

const SEGMENT_MARK: [u8; 8] = *b"TAFFWAL1";
/// Bytes in front of the first frame.
pub(crate) const SEGMENT_HEADER: u64 = 28;

/// The segments of a log, oldest first.
#[derive(Debug, Clone)]
pub(crate) struct Segments {
    directory: PathBuf,
    /// First positions
    pub(crate) first: Vec<u64>,
}

impl Segments {
    /// Lists a log folder.
    pub(crate) fn list(directory: &Path) -> Result<Segments, LakeError> {
        let mut first = Vec::new();
        match fs::read_dir(directory) {
            Ok(entries) => {
                for entry in entries {
                    let entry = entry.map_err(LakeError::io("list", directory))?;
                    let name = entry.file_name();
                    let number = name
                        .to_str()
                        .and_then(|name| name.strip_suffix(".wal"))
                        .and_then(|name| name.parse().ok());
                    if let Some(number) = number {
                        first.push(number);
                    }
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(LakeError::io("list", directory)(error)),
        }
        first.sort_unstable();
        Ok(Segments {
            directory: directory.to_owned(),
            first,
        })
    }

    /// Where the segment that begins at `first` is.
    pub(crate) fn path(&self, first: u64) -> PathBuf {
        self.directory.join(format!("{first:020}.wal"))
    }

    /// Creates a segment, durable before the first frame goes in.
    pub(crate) fn create(&mut self, first: u64, previous_last: u64) -> Result<File, LakeError> {
        let path = self.path(first);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(LakeError::io("create", &path))?;
        let mut header = SEGMENT_MARK.to_vec();
        header.extend_from_slice(&first.to_le_bytes());
        header.extend_from_slice(&previous_last.to_le_bytes());
        let crc = crc32fast::hash(&header);
        header.extend_from_slice(&crc.to_le_bytes());
        if let Err(error) = file.write_all(&header).and_then(|()| file.sync_all()) {
            // So that a later attempt, with room on the disk, can create it.
            let _ = fs::remove_file(&path);
            return Err(LakeError::io("write", &path)(error));
        }
        sync_directory(&self.directory)?;
        self.first.push(first);
        Ok(file)
    }

    /// Deletes segments of which every position is at most `position`; the newest stays, it says where the log goes on.
    pub(crate) fn cut(&mut self, position: u64) -> Result<usize, LakeError> {
        let mut deleted = 0;
        while let [oldest, next, ..] = self.first[..] {
            if next > position.saturating_add(1) {
                break;
            }
            let path = self.path(oldest);
            match fs::remove_file(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(LakeError::io("delete", &path)(error)),
            }
            self.first.remove(0);
            deleted += 1;
        }
        if deleted > 0 {
            sync_directory(&self.directory)?;
        }
        Ok(deleted)
    }
}

/// What comes next in a segment.
#[derive(Debug)]
pub(crate) enum Next {
    /// An intact frame
    Frame {
        /// Its position
        position: u64,
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
#[derive(Debug)]
pub(crate) struct Frames {
    file: BufReader<File>,
    path: PathBuf,
    /// Where the next frame begins
    pub(crate) offset: u64,
    /// Last position of the segment before this one
    pub(crate) previous_last: u64,
}

impl Frames {
    /// Opens a segment and checks its header.
    pub(crate) fn open(path: &Path, first: u64) -> Result<Frames, LakeError> {
        let file = File::open(path).map_err(LakeError::io("open", path))?;
        let mut file = BufReader::with_capacity(256 << 10, file);
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

/// Whether a segment was being created when the process died: its header never became whole, and nothing follows.
pub(crate) fn header_is_torn(path: &Path) -> Result<bool, LakeError> {
    let length = fs::metadata(path).map_err(LakeError::io("read", path))?.len();
    if length < SEGMENT_HEADER {
        return Ok(true);
    }
    let bytes = fs::read(path).map_err(LakeError::io("read", path))?;
    Ok(length == SEGMENT_HEADER && bytes.iter().all(|byte| *byte == 0))
}

/// Looks behind a bad frame for an intact one that was written when `position` was already durable. If there is one, the bad
/// frame was acknowledged and is a loss; if not, it is the end of a write that was never acknowledged.
pub(crate) fn find_later_proof(path: &Path, offset: u64, position: u64) -> Result<Option<u64>, LakeError> {
    let mut file = File::open(path).map_err(LakeError::io("open", path))?;
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(offset))
        .and_then(|_| file.read_to_end(&mut bytes))
        .map_err(LakeError::io("read", path))?;
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
