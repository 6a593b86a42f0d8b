//! The door of this crate: a body in, batches and dead letters out.

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use chrono::{DateTime, Utc};
use taffrail_schema::Schema;

use crate::catalogue::Catalogue;
use crate::dead::{self, DeadLetter};
use crate::formats::Tables;
use crate::framing::Reader;

/// What is known about a body besides its bytes.
#[derive(Debug, Clone)]
pub struct Context<'a> {
    /// Cluster it was sent for; empty: as the records themselves say, where they do
    pub cluster: String,
    /// When it arrived
    pub received: DateTime<Utc>,
    /// Tables to make rows of
    pub schema: &'a Schema,
    /// Where it came from, for dead letters: file, or address of the sender
    pub origin: String,
}

/// How large things may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Longest record, in bytes
    pub record: usize,
    /// Most dead letters kept of one body; the rest are counted
    pub dead: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            record: 16 << 20,
            dead: 1_000,
        }
    }
}

/// What a body held.
#[derive(Debug, Default)]
pub struct Decoded {
    /// Rows by table, in the stored form; a table may come more than once
    pub batches: Vec<(String, RecordBatch)>,
    /// Records found, usable or not
    pub records: usize,
    /// Records that could not be used
    pub dead: Vec<DeadLetter>,
    /// How many records could not be used, those beyond [`Limits::dead`] included
    pub rejected: usize,
}

impl Decoded {
    /// Rows in all batches.
    pub fn rows(&self) -> usize {
        self.batches.iter().map(|(_, batch)| batch.num_rows()).sum()
    }
}

/// Why a body cannot be decoded at all.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// No source of that name
    #[error("there is no source {name:?}; the sources are {}", Catalogue::names())]
    UnknownSource {
        /// What was asked for
        name: String,
    },
    /// The content directory lacks a table
    #[error("the schema has no table {table}: the content directory in use lacks its definition")]
    NoTable {
        /// Which table
        table: &'static str,
    },
    /// A fault of ours
    #[error("rows could not be built: {0}")]
    Arrow(#[from] ArrowError),
}

/// Decodes a body that is already decompressed.
///
/// # Errors
/// When the source is unknown or the schema lacks one of its tables. Bad input is no error: it is in [`Decoded::dead`].
pub fn decode(source: &str, body: &[u8], context: &Context<'_>) -> Result<Decoded, SourceError> {
    decode_with(source, body, context, &Limits::default())
}

/// [`decode`] with other limits.
///
/// # Errors
/// As [`decode`].
pub fn decode_with(source: &str, body: &[u8], context: &Context<'_>, limits: &Limits) -> Result<Decoded, SourceError> {
    let source = Catalogue::source(source).ok_or_else(|| SourceError::UnknownSource { name: source.to_owned() })?;
    let mut sink = Sink::new(context, *limits)?;
    Reader::new(source, &mut sink).body(body)?;
    sink.finish()
}

/// A record that cannot be used, as the format that tried it says.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) reason: String,
    pub(crate) detail: String,
    /// Where the record ends, when that is known
    pub(crate) end: Option<usize>,
}

impl Refusal {
    pub(crate) fn new(reason: impl Into<String>, detail: impl Into<String>, end: usize) -> Refusal {
        Refusal {
            reason: reason.into(),
            detail: detail.into(),
            end: Some(end),
        }
    }
}

/// Where rows and dead letters gather.
pub(crate) struct Sink<'a> {
    pub(crate) context: &'a Context<'a>,
    pub(crate) received: i64,
    pub(crate) limits: Limits,
    pub(crate) tables: Tables,
    records: u64,
    dead: Vec<DeadLetter>,
    rejected: usize,
}

impl<'a> Sink<'a> {
    fn new(context: &'a Context<'a>, limits: Limits) -> Result<Sink<'a>, SourceError> {
        Ok(Sink {
            context,
            received: context.received.timestamp_micros(),
            limits,
            tables: Tables::new(context.schema)?,
            records: 0,
            dead: Vec::new(),
            rejected: 0,
        })
    }

    /// A record was used.
    pub(crate) fn accept(&mut self) {
        self.records += 1;
    }

    /// How many records could not be used so far.
    pub(crate) fn rejected(&self) -> usize {
        self.rejected
    }

    /// A record cannot be used.
    pub(crate) fn reject(&mut self, reason: &str, detail: &str, raw: &[u8]) {
        self.records += 1;
        self.rejected += 1;
        if self.dead.len() >= self.limits.dead {
            return;
        }
        self.dead.push(DeadLetter {
            reason: reason.to_owned(),
            detail: detail.to_owned(),
            record: self.records,
            raw: dead::cut(raw),
            raw_length: raw.len() as u64,
        });
    }

    fn finish(mut self) -> Result<Decoded, SourceError> {
        let beyond = self.rejected - self.dead.len();
        if beyond > 0 {
            self.dead.push(DeadLetter {
                reason: "too many bad records".to_owned(),
                detail: format!("{beyond} more records of this body could not be used and were not kept"),
                record: self.records,
                raw: String::new(),
                raw_length: 0,
            });
        }
        Ok(Decoded {
            batches: self.tables.finish()?,
            records: usize::try_from(self.records).unwrap_or(usize::MAX),
            dead: self.dead,
            rejected: self.rejected,
        })
    }
}
