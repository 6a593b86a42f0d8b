//! Pure decoders: bytes of a log in, record batches out, one module a format. Knows nothing of sockets and storage, so that
//! the same code serves the receiver, `taffrail scan` and tests.
//!
//! A *source* is what a sender names (`kubernetes-audit`); a *format* is one shape in which records of a source are found
//! (an event a line, an `EventList`, a cloud's export). Which format a record has is read off its content, record by record,
//! so one body may mix them. A record that cannot be used becomes a [`DeadLetter`] and its neighbours are kept.
//!
//! A format is added as a module below [`formats`]; a source as a line in [`catalogue`] and a file in `content/sources`
//! ([`SourceInfo`]). Whoever does not know what he has asks [`recognise()`].

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod carried;
mod catalogue;
mod compression;
mod dead;
mod decode;
mod entries;
pub mod files;
mod formats;
mod framing;
mod info;
mod json;
mod klog;
mod lines;
mod mask;
pub mod msgpack;
mod named;
mod protobuf;
mod recognise;
mod rows;
mod tables;
mod time;

#[cfg(test)]
mod tests;

pub use carried::bulk::{BulkError, BulkItem, bulk_items};
pub use carried::fluent::{FluentMessage, fluent_message};
pub use carried::hec::{EVENT_BLANK, EVENT_REQUIRED};
pub use catalogue::{AUTO, Catalogue, Source};
pub use compression::{Compression, DecompressError, DecompressLimits, Decompressor, decompress};
pub use dead::{DeadLetter, RAW_LIMIT, dead_letter_batch};
pub use decode::{Context, Decoded, FailedRecord, Limits, SourceError, decode, decode_with};
pub use formats::custom::{Naming, decode_into, infer_table};
pub use info::{InfoError, Row, SourceInfo, State, Step};
pub use recognise::{NotRecognised, Recognised, recognise};
pub use rows::{Rows, Slot};
