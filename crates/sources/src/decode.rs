//! The door of this crate: a body in, batches and dead letters out.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use chrono::{DateTime, Utc};
use taffrail_schema::Schema;

use crate::catalogue::{Catalogue, Decoder, Source};
use crate::dead::{self, DeadLetter};
use crate::formats::{self, AuditRows};
use crate::framing::Reader;
use crate::json::JsonError;
use crate::mask;
use crate::named::NamedTable;
use crate::recognise;
use crate::tables::LineTables;

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
    /// Source it was read as: what was asked for, or what `auto` recognised; empty when it recognised nothing
    pub source: &'static str,
    /// Of a protocol that carries records: which of them could not be used, from 0, and why
    pub failed: Vec<FailedRecord>,
    /// Of a protocol that carries records: how many there were
    pub carried: usize,
}

/// A record of a protocol that could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedRecord {
    /// Which, from 0
    pub number: usize,
    /// Why, a short phrase
    pub reason: String,
    /// Why, exactly
    pub detail: String,
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
        table: String,
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
    let mut sink = Sink::new(context, *limits);
    let read_as = match source.decoder {
        Decoder::Auto => recognise::recognise(body, &context.origin).ok().map(|recognised| recognised.source),
        _ => Some(source),
    };
    match read_as {
        Some(source) => read_body(source, body, &mut sink)?,
        None if body.trim_ascii().is_empty() => {}
        None => sink.reject(
            "unknown format",
            "its first lines are of no known source; name the source, or send JSON",
            body,
        ),
    }
    sink.finish(read_as.map_or("", |source| source.id))
}

pub(crate) fn read_body(source: &'static Source, body: &[u8], sink: &mut Sink<'_>) -> Result<(), SourceError> {
    match source.decoder {
        Decoder::Json(formats) => Reader::new(formats, sink).body(body),
        Decoder::Whole(decode) => decode(body, sink),
        // What is recognised is never the pseudo-source itself.
        Decoder::Auto => Ok(()),
    }
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

    /// Of a record whose JSON could not be read as what the format is.
    pub(crate) fn json(wrong_type: &str, error: JsonError) -> Refusal {
        Refusal {
            reason: if error.wrong_type { wrong_type } else { "not JSON" }.to_owned(),
            detail: error.message,
            end: None,
        }
    }
}

/// Where rows and dead letters gather.
pub(crate) struct Sink<'a> {
    pub(crate) context: &'a Context<'a>,
    pub(crate) received: i64,
    pub(crate) limits: Limits,
    pub(crate) audit: Option<AuditRows>,
    pub(crate) tables: LineTables,
    pub(crate) named: BTreeMap<String, NamedTable>,
    /// Cluster that the record that is read now names besides its text
    pub(crate) cluster: String,
    carried: usize,
    failed: Vec<FailedRecord>,
    last: (String, String),
    records: u64,
    dead: Vec<DeadLetter>,
    rejected: usize,
}

impl<'a> Sink<'a> {
    pub(crate) fn new(context: &'a Context<'a>, limits: Limits) -> Sink<'a> {
        Sink {
            context,
            received: context.received.timestamp_micros(),
            limits,
            audit: None,
            tables: LineTables::default(),
            named: BTreeMap::new(),
            cluster: String::new(),
            carried: 0,
            failed: Vec::new(),
            last: (String::new(), String::new()),
            records: 0,
            dead: Vec::new(),
            rejected: 0,
        }
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
        self.last = (reason.to_owned(), detail.to_owned());
        if self.dead.len() >= self.limits.dead {
            return;
        }
        self.dead.push(DeadLetter {
            reason: reason.to_owned(),
            detail: detail.to_owned(),
            record: self.records,
            raw: mask::dead_letter(dead::cut(raw)),
            raw_length: raw.len() as u64,
        });
    }

    /// The number of the record of a protocol that comes next.
    pub(crate) fn next_carried(&mut self) -> usize {
        self.carried += 1;
        self.carried - 1
    }

    /// The record of a protocol could not be used, for the reason of the last refusal.
    pub(crate) fn note_failed(&mut self, number: usize) {
        let (reason, detail) = self.last.clone();
        self.failed.push(FailedRecord { number, reason, detail });
    }

    /// The text of a record that was read, if it is not too long and is text.
    pub(crate) fn record_text<'t>(&self, text: &'t [u8], at: usize, end: usize) -> Result<&'t str, Refusal> {
        let raw = text.get(at..end).unwrap_or_default();
        if raw.len() > self.limits.record {
            let detail = format!("{} bytes; the limit is {}", raw.len(), self.limits.record);
            return Err(Refusal::new("record too large", detail, end));
        }
        std::str::from_utf8(raw).map_err(|error| {
            let detail = format!("byte {} of the record is not UTF-8", error.valid_up_to() + 1);
            Refusal::new("invalid UTF-8", detail, end)
        })
    }

    /// Refuses a record that is longer than allowed; whether it did.
    pub(crate) fn too_large(&mut self, raw: &[u8]) -> bool {
        let too_large = raw.len() > self.limits.record;
        if too_large {
            let detail = format!("{} bytes; the limit is {}", raw.len(), self.limits.record);
            self.reject("record too large", &detail, raw);
        }
        too_large
    }

    pub(crate) fn finish(mut self, source: &'static str) -> Result<Decoded, SourceError> {
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
        let mut batches = Vec::new();
        if let Some(audit) = self.audit {
            let rows = audit.rows.finish()?;
            batches.extend(rows.into_iter().map(|batch| (formats::AUDIT_TABLE.to_owned(), batch)));
        }
        batches.extend(self.tables.finish()?);
        for (table, rows) in self.named {
            batches.extend(rows.finish()?.into_iter().map(|batch| (table.clone(), batch)));
        }
        Ok(Decoded {
            batches,
            source,
            records: usize::try_from(self.records).unwrap_or(usize::MAX),
            dead: self.dead,
            rejected: self.rejected,
            failed: self.failed,
            carried: self.carried,
        })
    }
}
