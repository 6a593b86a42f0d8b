//! The write-ahead log: what an append becomes before it is acknowledged.
//!
//! Segments named by their first position hold one frame an append. Many appends that wait at the same time share one write
//! and one fdatasync. Positions count appends, from 1, over the whole log and without gaps.

mod frame;
mod reader;
mod recover;
mod segment;
#[cfg(test)]
mod simulation;
mod tail;
mod writer;

pub(crate) use frame::{decode_payload, encode_payload};
pub(crate) use reader::LogReader;
pub(crate) use recover::{Recovered, recover};
pub(crate) use segment::Segments;
pub(crate) use tail::{Sealed, Tail};
pub(crate) use writer::{Command, Part, Request, Writer};
