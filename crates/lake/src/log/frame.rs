//! One append as bytes.
//!
//! ```text
//! "TFRL" | length u32 | position u64 | durable u64 | crc32 u32 | payload
//! payload: tables u16, then for each: name length u16, name, body length u32, body (Arrow IPC stream, lz4)
//! ```
//! Numbers are little-endian. The checksum covers everything but itself and the mark. `durable` is the last position known to
//! be on disk when the frame was written: a damaged frame in front of one that says it was durable is a loss, else a torn tail.

use std::io::Cursor;

use arrow::array::RecordBatch;
use arrow::ipc::CompressionType;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};

/// Bytes in front of the payload.
pub(crate) const HEADER: usize = 28;
/// First bytes of a frame.
pub(crate) const MARK: [u8; 4] = *b"TFRL";
/// A longer frame is not believed.
pub(crate) const MAX_PAYLOAD: usize = 1 << 30;

/// What stands in front of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) length: usize,
    pub(crate) position: u64,
    pub(crate) durable: u64,
    pub(crate) crc: u32,
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

impl FrameHeader {
    /// Reads a header; `None` when it is none.
    pub(crate) fn parse(bytes: &[u8]) -> Option<FrameHeader> {
        if field::<4>(bytes, 0)? != MARK {
            return None;
        }
        let length = u32::from_le_bytes(field(bytes, 4)?) as usize;
        (length <= MAX_PAYLOAD).then_some(FrameHeader {
            length,
            position: u64::from_le_bytes(field(bytes, 8)?),
            durable: u64::from_le_bytes(field(bytes, 16)?),
            crc: u32::from_le_bytes(field(bytes, 24)?),
        })
    }

    /// Whether the payload is the one that was written.
    pub(crate) fn fits(&self, payload: &[u8]) -> bool {
        payload.len() == self.length && checksum(payload, self.position, self.durable) == self.crc
    }
}

fn checksum(payload: &[u8], position: u64, durable: u64) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&(payload.len() as u32).to_le_bytes());
    hasher.update(&position.to_le_bytes());
    hasher.update(&durable.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

/// Appends a frame to `out`.
pub(crate) fn put_frame(out: &mut Vec<u8>, position: u64, durable: u64, payload: &[u8]) {
    out.reserve(HEADER + payload.len());
    out.extend_from_slice(&MARK);
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&position.to_le_bytes());
    out.extend_from_slice(&durable.to_le_bytes());
    out.extend_from_slice(&checksum(payload, position, durable).to_le_bytes());
    out.extend_from_slice(payload);
}

/// The payload of an append.
pub(crate) fn encode_payload<'a>(parts: impl ExactSizeIterator<Item = (&'a str, &'a RecordBatch)>) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let count = u16::try_from(parts.len()).map_err(|_| "more than 65,535 tables in one append".to_owned())?;
    out.extend_from_slice(&count.to_le_bytes());
    for (table, batch) in parts {
        let name = u16::try_from(table.len()).map_err(|_| "a table name of more than 65,535 bytes".to_owned())?;
        out.extend_from_slice(&name.to_le_bytes());
        out.extend_from_slice(table.as_bytes());
        let length_at = out.len();
        out.extend_from_slice(&[0; 4]);
        let body_at = out.len();
        write_batch(&mut out, batch).map_err(|error| format!("{table}: {error}"))?;
        let length = out.len() - body_at;
        if out.len() > MAX_PAYLOAD {
            return Err(format!("more than {MAX_PAYLOAD} bytes in one append; send fewer rows at a time"));
        }
        if let Some(place) = out.get_mut(length_at..body_at) {
            place.copy_from_slice(&(length as u32).to_le_bytes());
        }
    }
    Ok(out)
}

fn write_batch(out: &mut Vec<u8>, batch: &RecordBatch) -> Result<(), arrow::error::ArrowError> {
    let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::LZ4_FRAME))?;
    let mut writer = StreamWriter::try_new_with_options(out, &batch.schema(), options)?;
    writer.write(batch)?;
    writer.finish()
}

/// The tables and rows of a payload; tables for which `wanted` says no are skipped without decoding.
pub(crate) fn decode_payload(payload: &[u8], wanted: impl Fn(&str) -> bool) -> Result<Vec<(String, RecordBatch)>, String> {
    let cut = || "the payload ends too early".to_owned();
    let mut at = 0;
    let count = u16::from_le_bytes(field(payload, at).ok_or_else(cut)?);
    at += 2;
    let mut parts = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let name_length = usize::from(u16::from_le_bytes(field(payload, at).ok_or_else(cut)?));
        at += 2;
        let name = payload.get(at..at + name_length).ok_or_else(cut)?;
        let name = std::str::from_utf8(name).map_err(|error| format!("table name: {error}"))?;
        at += name_length;
        let length = u32::from_le_bytes(field(payload, at).ok_or_else(cut)?) as usize;
        at += 4;
        let body = payload.get(at..at + length).ok_or_else(cut)?;
        at += length;
        if !wanted(name) {
            continue;
        }
        let reader = StreamReader::try_new(Cursor::new(body), None).map_err(|error| format!("{name}: {error}"))?;
        for batch in reader {
            parts.push((name.to_owned(), batch.map_err(|error| format!("{name}: {error}"))?));
        }
    }
    if at != payload.len() {
        return Err("the payload has bytes too many".to_owned());
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringViewArray};
    use proptest::prelude::*;

    use super::*;

    fn batch(rows: &[(Option<i64>, String)]) -> RecordBatch {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.0)));
        let texts: ArrayRef = Arc::new(StringViewArray::from_iter_values(rows.iter().map(|row| row.1.as_str())));
        RecordBatch::try_from_iter([("Number", numbers), ("Text", texts)]).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_written_is_read(tables in prop::collection::vec(("[A-Za-z]{1,12}", prop::collection::vec((any::<Option<i64>>(), ".{0,40}"), 0..20)), 0..4), position in any::<u64>(), durable in any::<u64>()) {
            let parts: Vec<(String, RecordBatch)> = tables.iter().map(|(name, rows)| (name.clone(), batch(rows))).collect();
            let payload = encode_payload(parts.iter().map(|(name, batch)| (name.as_str(), batch))).unwrap();
            let mut bytes = Vec::new();
            put_frame(&mut bytes, position, durable, &payload);
            let header = FrameHeader::parse(&bytes).unwrap();
            prop_assert_eq!((header.position, header.durable, header.length), (position, durable, payload.len()));
            prop_assert!(header.fits(&bytes[HEADER..]));
            prop_assert_eq!(decode_payload(&bytes[HEADER..], |_| true).unwrap(), parts);
        }

        #[test]
        fn a_changed_byte_is_noticed(rows in prop::collection::vec((any::<Option<i64>>(), ".{0,40}"), 1..20), place in any::<prop::sample::Index>(), change in 1u8..) {
            let batch = batch(&rows);
            let payload = encode_payload([("Table", &batch)].into_iter()).unwrap();
            let mut bytes = Vec::new();
            put_frame(&mut bytes, 7, 6, &payload);
            let place = place.index(bytes.len());
            bytes[place] ^= change;
            let intact = FrameHeader::parse(&bytes).is_some_and(|header| bytes.get(HEADER..HEADER + header.length).is_some_and(|payload| header.fits(payload)));
            prop_assert!(!intact);
        }

        #[test]
        fn nonsense_is_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = FrameHeader::parse(&bytes);
            let _ = decode_payload(&bytes, |_| true);
        }
    }
}
