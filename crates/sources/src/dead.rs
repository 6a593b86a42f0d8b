//! Records that could not be used: kept with the reason, so that nothing a sender sent disappears without a trace.

use arrow::array::RecordBatch;

use crate::decode::{Context, SourceError};
use crate::rows::Rows;

/// How much of a refused record is kept, in bytes.
pub const RAW_LIMIT: usize = 64 * 1024;

/// A record that could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Why, a short phrase to count by
    pub reason: String,
    /// Why, exactly
    pub detail: String,
    /// Which record of the body, from 1
    pub record: u64,
    /// The record as sent, cut to [`RAW_LIMIT`]; bytes that are no UTF-8 show as U+FFFD
    pub raw: String,
    /// Length of the whole record in bytes
    pub raw_length: u64,
}

/// The first [`RAW_LIMIT`] bytes as text, cut at a character.
pub(crate) fn cut(bytes: &[u8]) -> String {
    let mut end = bytes.len().min(RAW_LIMIT);
    // Bytes 10xxxxxx continue a character.
    while end < bytes.len() && end > 0 && bytes.get(end).is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000) {
        end -= 1;
    }
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

/// Dead letters as rows of the table DeadLetter.
///
/// # Errors
/// When the schema has no table DeadLetter.
pub fn dead_letter_batch(letters: &[DeadLetter], source: &str, context: &Context<'_>) -> Result<RecordBatch, SourceError> {
    let table = context.schema.table("DeadLetter").ok_or(SourceError::NoTable {
        table: "DeadLetter".to_owned(),
    })?;
    let mut rows = Rows::new(table);
    let [
        time,
        source_slot,
        cluster,
        origin,
        record,
        reason,
        detail,
        raw,
        raw_length,
        received,
    ] = [
        "TimeGenerated",
        "Source",
        "Cluster",
        "Origin",
        "Record",
        "Reason",
        "Detail",
        "Raw",
        "RawLength",
        "_TimeReceived",
    ]
    .map(|name| rows.slot(name));
    let now = context.received.timestamp_micros();
    for letter in letters {
        rows.time(time, now);
        rows.text(source_slot, source);
        rows.text(cluster, &context.cluster);
        rows.text(origin, &context.origin);
        rows.number(record, i64::try_from(letter.record).unwrap_or(i64::MAX));
        rows.text(reason, &letter.reason);
        rows.text(detail, &letter.detail);
        rows.text(raw, &letter.raw);
        rows.number(raw_length, i64::try_from(letter.raw_length).unwrap_or(i64::MAX));
        rows.time(received, now);
        rows.end_row()?;
    }
    let batches = rows.finish()?;
    let schema = taffrail_schema::stored_schema(table);
    Ok(arrow::compute::concat_batches(&schema, &batches)?)
}
