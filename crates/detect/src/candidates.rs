//! Rows that may concern scheduled rules, kept as they arrive, so that a window need not be read from the lake again.
//!
//! What is kept is bounded: a rule with more rows than that, or a window from before this process ran, is evaluated over the lake.
//! Both ways see the same rows of the window that matter, so they give the same answer.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use chrono::{DateTime, TimeDelta, Utc};
use taffrail_schema::RECEIVED;

/// Bytes kept for one rule and table.
const MOST_BYTES: usize = 4 << 20;
/// Bytes kept for all.
const MOST_BYTES_TOGETHER: usize = 128 << 20;

#[derive(Default)]
struct Kept {
    /// Complete for rows that arrived from here on
    since: Option<DateTime<Utc>>,
    batches: VecDeque<(DateTime<Utc>, RecordBatch)>,
    bytes: usize,
}

/// See the module's page.
#[derive(Default)]
pub struct Candidates {
    since: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
    kept: HashMap<(usize, String), Kept>,
    bytes: usize,
}

impl Candidates {
    /// From now on every batch is seen.
    pub fn start(&mut self, now: DateTime<Utc>) {
        *self = Candidates {
            since: Some(now),
            ..Candidates::default()
        };
    }

    /// Every row that arrived before this time was seen.
    pub fn reached(&mut self, time: DateTime<Utc>) {
        self.until = self.until.max(Some(time));
    }

    /// Keeps rows for a rule that looks back for a period.
    pub fn add(&mut self, rule: usize, table: &str, rows: &RecordBatch, period: TimeDelta, now: DateTime<Utc>) {
        let Some(last) = last_received(rows) else { return };
        let rows = compact(rows);
        let size = rows.get_array_memory_size();
        let kept = self.kept.entry((rule, table.to_owned())).or_default();
        kept.batches.push_back((last, rows));
        kept.bytes += size;
        self.bytes += size;
        // A window that is made up for reaches back further: that one is read from the lake.
        let oldest = now.checked_sub_signed(period * 2).unwrap_or(DateTime::<Utc>::MIN_UTC);
        while kept.batches.front().is_some_and(|(last, _)| *last < oldest) {
            if let Some((_, gone)) = kept.batches.pop_front() {
                let size = gone.get_array_memory_size();
                kept.bytes = kept.bytes.saturating_sub(size);
                self.bytes = self.bytes.saturating_sub(size);
                kept.since = kept.since.max(Some(oldest));
            }
        }
        if kept.bytes > MOST_BYTES || self.bytes > MOST_BYTES_TOGETHER {
            self.bytes = self.bytes.saturating_sub(kept.bytes);
            *kept = Kept {
                // Rows of the same moment may have gone.
                since: Some(last + TimeDelta::microseconds(1)),
                ..Kept::default()
            };
        }
    }

    /// The rows of a table that may concern a rule and arrived in a window (and perhaps others); `None` when not all of them are kept.
    pub fn rows(&self, rule: usize, table: &str, start: DateTime<Utc>, end: DateTime<Utc>) -> Option<Vec<RecordBatch>> {
        if self.until? < end || self.since? > start {
            return None;
        }
        let Some(kept) = self.kept.get(&(rule, table.to_owned())) else {
            return Some(Vec::new());
        };
        if kept.since.is_some_and(|since| since > start) {
            return None;
        }
        let within = kept.batches.iter().filter(|(last, _)| *last >= start);
        Some(within.map(|(_, rows)| rows.clone()).collect())
    }
}

/// When the last of the rows arrived.
fn last_received(rows: &RecordBatch) -> Option<DateTime<Utc>> {
    let received = rows.column_by_name(RECEIVED)?;
    let received = received.as_primitive_opt::<TimestampMicrosecondType>()?;
    DateTime::from_timestamp_micros(arrow::compute::max(received)?)
}

/// The same rows without the memory of the batch they were taken from.
fn compact(rows: &RecordBatch) -> RecordBatch {
    let arrays = rows
        .columns()
        .iter()
        .map(|array| match array.as_string_view_opt() {
            Some(texts) => Arc::new(texts.gc()) as ArrayRef,
            None => Arc::clone(array),
        })
        .collect();
    RecordBatch::try_new(rows.schema(), arrays).unwrap_or_else(|_| rows.clone())
}
