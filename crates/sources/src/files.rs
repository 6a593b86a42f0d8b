//! Log files for `taffrail scan`: opened by path or from a stream, decompressed on the fly, cut into chunks at record
//! boundaries, decoded chunk by chunk, with the progress in bytes of the file.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::DeadLetter;
use crate::catalogue::{AUTO, Catalogue, Source};
use crate::compression::{DecompressLimits, Decompressor};
use crate::dead;
use crate::decode::{Context, Decoded, SourceError, decode};
use crate::entries;
use crate::recognise;

/// About how much is decoded at once, in bytes.
const CHUNK: usize = 4 << 20;
/// Longest document (a whole `EventList` on one line, say), in bytes.
const DOCUMENT_LIMIT: usize = 256 << 20;

/// Where a file may be cut into chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Before a line that begins a record: not an indented or closing one of a printed document
    Record,
    /// Before any line that is not indented
    Line,
    /// Behind a whole line of a container: not within the parts of one
    FullLine,
    /// Behind an empty line
    EmptyLine,
    /// Before a line of another event of the Linux audit system
    AuditSerial,
    /// It is one message
    Nowhere,
}

/// Why a log cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// File system, or a damaged archive
    #[error("cannot read {name}: {source}")]
    Io {
        /// Which log
        name: String,
        /// What is wrong
        source: io::Error,
    },
    /// See there
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// A log being read.
pub struct LogFile {
    name: String,
    total: Option<u64>,
    input: Decompressor<Box<dyn Read + Send>>,
    /// Read and not yet given out
    pending: Vec<u8>,
    ended: bool,
    failure: Option<io::Error>,
    records: u64,
    /// What the log was recognised as, when that was asked for
    recognised: Option<&'static Source>,
}

impl LogFile {
    /// Opens a file; `-` is standard input.
    ///
    /// # Errors
    /// When it cannot be opened or read.
    pub fn open(path: &Path) -> Result<LogFile, FileError> {
        if path == Path::new("-") {
            return LogFile::from_reader("standard input", Box::new(io::stdin()), None);
        }
        let name = path.display().to_string();
        let file = File::open(path).map_err(|source| FileError::Io {
            name: name.clone(),
            source,
        })?;
        let metadata = file.metadata().map_err(|source| FileError::Io {
            name: name.clone(),
            source,
        })?;
        if metadata.is_dir() {
            return Err(FileError::Io {
                name,
                source: io::Error::new(io::ErrorKind::IsADirectory, "it is a directory"),
            });
        }
        let total = metadata.is_file().then_some(metadata.len());
        LogFile::from_reader(&name, Box::new(file), total)
    }

    /// Reads a stream.
    ///
    /// # Errors
    /// When its first bytes cannot be read.
    pub fn from_reader(name: &str, input: Box<dyn Read + Send>, total: Option<u64>) -> Result<LogFile, FileError> {
        let limits = DecompressLimits {
            // A file is read as a stream: its size costs time, not memory.
            output: u64::MAX,
            ..DecompressLimits::default()
        };
        let input = Decompressor::new(input, limits).map_err(|source| FileError::Io {
            name: name.to_owned(),
            source,
        })?;
        Ok(LogFile {
            name: name.to_owned(),
            total,
            input,
            pending: Vec::new(),
            ended: false,
            failure: None,
            records: 0,
            recognised: None,
        })
    }

    /// What a log read as `auto` was recognised as, once its first chunk was asked for.
    pub fn recognised(&self) -> Option<&'static str> {
        self.recognised.map(|source| source.id)
    }

    /// Name for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Size in bytes as it lies on disk, where known.
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    /// Bytes read so far, as they lie on disk.
    pub fn consumed(&self) -> u64 {
        self.input.consumed()
    }

    /// Decodes the next chunk; `None` at the end. Record numbers go on from chunk to chunk.
    ///
    /// # Errors
    /// When the file cannot be read on: what was read before was given out before. Or when `decode` fails.
    pub fn next_chunk(&mut self, source: &str, context: &Context<'_>) -> Result<Option<Decoded>, FileError> {
        let source = self.read_as(source, context)?;
        let Some(chunk) = self.next_bytes(source.cut)? else {
            return Ok(None);
        };
        let mut decoded = match chunk {
            Chunk::Records(bytes) => decode(source.id, &bytes, context)?,
            Chunk::TooLong { start, length } => Decoded {
                records: 1,
                rejected: 1,
                dead: vec![DeadLetter {
                    reason: "record too large".to_owned(),
                    detail: format!("{length} bytes without a place to cut; the limit is {DOCUMENT_LIMIT}"),
                    record: 1,
                    raw: dead::cut(&start),
                    raw_length: length,
                }],
                ..Decoded::default()
            },
        };
        for letter in &mut decoded.dead {
            letter.record += self.records;
        }
        self.records += decoded.records as u64;
        Ok(Some(decoded))
    }

    /// The source that is named; of `auto`, what the beginning of the log is recognised as, for all its chunks.
    fn read_as(&mut self, name: &str, context: &Context<'_>) -> Result<&'static Source, FileError> {
        let source = Catalogue::source(name).ok_or_else(|| SourceError::UnknownSource { name: name.to_owned() })?;
        if source.id != AUTO {
            return Ok(source);
        }
        if self.recognised.is_none() {
            if !self.ended {
                self.fill(recognise::SAMPLE);
            }
            self.recognised = recognise::recognise(&self.pending, &context.origin)
                .ok()
                .map(|recognised| recognised.source);
        }
        Ok(self.recognised.unwrap_or(source))
    }

    /// The next bytes that end at a record's end; `None` at the end of the log.
    fn next_bytes(&mut self, cut: Cut) -> Result<Option<Chunk>, FileError> {
        let mut wanted = CHUNK;
        loop {
            if !self.ended {
                self.fill(wanted);
            }
            if self.ended {
                let rest = std::mem::take(&mut self.pending);
                if !rest.is_empty() {
                    return Ok(Some(Chunk::Records(rest)));
                }
                return self.failure.take().map_or(Ok(None), |source| {
                    Err(FileError::Io {
                        name: self.name.clone(),
                        source,
                    })
                });
            }
            if let Some(cut) = boundary(&self.pending, cut) {
                let behind = self.pending.split_off(cut);
                return Ok(Some(Chunk::Records(std::mem::replace(&mut self.pending, behind))));
            }
            if self.pending.len() >= DOCUMENT_LIMIT {
                return Ok(Some(self.skip_line()));
            }
            wanted = (wanted * 2).min(DOCUMENT_LIMIT);
        }
    }

    fn fill(&mut self, wanted: usize) {
        let missing = wanted.saturating_sub(self.pending.len());
        let before = self.pending.len();
        let result = (&mut self.input).take(missing as u64).read_to_end(&mut self.pending);
        if let Err(source) = result {
            // What came before the damage is given out first.
            self.failure = Some(source);
        }
        let count = self.pending.len() - before;
        self.ended = count < missing;
    }

    /// Passes over a line that is longer than anything may be.
    fn skip_line(&mut self) -> Chunk {
        let start = self.pending.get(..dead::RAW_LIMIT + 4).unwrap_or(&self.pending).to_vec();
        let mut length = 0;
        loop {
            if let Some(newline) = memchr::memchr(b'\n', &self.pending) {
                length += newline as u64;
                self.pending.drain(..=newline);
                return Chunk::TooLong { start, length };
            }
            length += self.pending.len() as u64;
            self.pending.clear();
            self.fill(CHUNK);
            if self.pending.is_empty() {
                return Chunk::TooLong { start, length };
            }
        }
    }
}

enum Chunk {
    Records(Vec<u8>),
    TooLong { start: Vec<u8>, length: u64 },
}

/// Where the last whole record ends.
fn boundary(bytes: &[u8], cut: Cut) -> Option<usize> {
    let mut starts = memchr::memrchr_iter(b'\n', bytes).map(|newline| newline + 1);
    match cut {
        // Lines inside a printed document are indented or close it.
        Cut::Record => starts.find(|&start| {
            bytes
                .get(start)
                .is_some_and(|byte| !matches!(byte, b' ' | b'\t' | b'}' | b']' | b'"' | b'\n' | b'\r' | b','))
        }),
        Cut::Line => starts.find(|&start| bytes.get(start).is_none_or(|byte| !matches!(byte, b' ' | b'\t'))),
        Cut::FullLine => starts.find(|&start| {
            let before = bytes.get(..start - 1).unwrap_or_default();
            let line = before.get(memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1)..);
            line.and_then(entries::cri).is_none_or(|line| !line.partial)
        }),
        Cut::EmptyLine => memchr::memmem::rfind(bytes, b"\n\n").map(|empty| empty + 2).or_else(|| {
            // As JSON, an entry is a line.
            bytes.starts_with(b"{").then(|| starts.next()).flatten()
        }),
        Cut::AuditSerial => {
            let mut behind: Option<(usize, &[u8])> = None;
            let mut end = memchr::memrchr(b'\n', bytes)?;
            loop {
                let start = memchr::memrchr(b'\n', bytes.get(..end)?).map_or(0, |newline| newline + 1);
                let id = auditd_id(bytes.get(start..end)?);
                match behind {
                    Some((place, other)) if id != other => return Some(place),
                    _ => behind = Some((start, id)),
                }
                end = start.checked_sub(1)?;
            }
        }
        Cut::Nowhere => None,
    }
}

fn auditd_id(line: &[u8]) -> &[u8] {
    crate::formats::auditd::event_id(line).unwrap_or_default()
}

/// Log files below a directory, by name; a file is itself.
///
/// # Errors
/// When a directory cannot be read.
pub fn files_below(path: &Path) -> Result<Vec<PathBuf>, FileError> {
    if path == Path::new("-") || !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let failed = |source| FileError::Io {
        name: path.display().to_string(),
        source,
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        found.extend(files_below(&entry.path())?);
    }
    found.sort();
    Ok(found)
}
