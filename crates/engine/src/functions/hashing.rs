//! Hashes: xxHash64 (`hash`), MD5, SHA-1, SHA-256.
//!
//! Source: Kusto Query Language reference, "Hash functions"; xxHash specification, XXH64.

use arrow::array::ArrayRef;
use datafusion::common::Result;
use sha2::Digest;
use taffrail_kql::catalog::Param;
use taffrail_kql::types::Type;

use super::call::{Call, Datum};
use super::declare::{Scalar, kernel, many, optional};
use super::format;

use Param::{Any, Integer};

/// This file's functions.
pub static FUNCTIONS: &[Scalar] = &[
    kernel(
        "hash",
        "hash(value, mod) → long",
        "xxHash64 of a value.",
        optional(&[Any], &[Integer], Type::Long),
        hash,
    ),
    kernel(
        "hash_xxhash64",
        "hash_xxhash64(value, mod) → long",
        "xxHash64 of a value.",
        optional(&[Any], &[Integer], Type::Long),
        hash,
    ),
    kernel(
        "hash_combine",
        "hash_combine(hash1, hash2, …) → long",
        "Several hashes as one. The number is not the one that Azure Data Explorer gives, whose way is not published.",
        many(&[Integer, Integer], Integer, Type::Long),
        |c| combined(c, |value| if let Datum::Long(hash) = value { hash as u64 } else { 0 }),
    ),
    kernel(
        "hash_many",
        "hash_many(value1, value2, …) → long",
        "The hashes of several values as one, as hash_combine() does it.",
        many(&[Any, Any], Any, Type::Long),
        |c| combined(c, of_datum),
    ),
    kernel(
        "hash_md5",
        "hash_md5(value) → string",
        "MD5 of a value.",
        optional(&[Any], &[], Type::String),
        |c| digest(c, |bytes| hex::encode(md5::Md5::digest(bytes))),
    ),
    kernel(
        "hash_sha1",
        "hash_sha1(value) → string",
        "SHA-1 of a value.",
        optional(&[Any], &[], Type::String),
        |c| digest(c, |bytes| sha1_smol::Sha1::from(bytes).digest().to_string()),
    ),
    kernel(
        "hash_sha256",
        "hash_sha256(value) → string",
        "SHA-256 of a value.",
        optional(&[Any], &[], Type::String),
        |c| digest(c, |bytes| hex::encode(sha2::Sha256::digest(bytes))),
    ),
];

const P1: u64 = 0x9E37_79B1_85EB_CA87;
const P2: u64 = 0xC2B2_AE3D_27D4_EB4F;
const P3: u64 = 0x1656_67B1_9E37_79F9;
const P4: u64 = 0x85EB_CA77_C2B2_AE63;
const P5: u64 = 0x27D4_EB2F_1656_67C5;

fn round(accumulator: u64, lane: u64) -> u64 {
    accumulator.wrapping_add(lane.wrapping_mul(P2)).rotate_left(31).wrapping_mul(P1)
}

/// XXH64 with seed 0.
pub fn xxhash64(bytes: &[u8]) -> u64 {
    let lane = |chunk: &[u8; 8]| u64::from_le_bytes(*chunk);
    let (stripes, mut rest) = bytes.as_chunks::<32>();
    let mut hash = if stripes.is_empty() {
        P5
    } else {
        let mut lanes = [P1.wrapping_add(P2), P2, 0, 0u64.wrapping_sub(P1)];
        for stripe in stripes {
            for (accumulator, chunk) in lanes.iter_mut().zip(stripe.as_chunks::<8>().0) {
                *accumulator = round(*accumulator, lane(chunk));
            }
        }
        let mut hash = lanes
            .iter()
            .zip([1, 7, 12, 18])
            .fold(0u64, |sum, (l, turn)| sum.wrapping_add(l.rotate_left(turn)));
        for accumulator in lanes {
            hash = (hash ^ round(0, accumulator)).wrapping_mul(P1).wrapping_add(P4);
        }
        hash
    };
    hash = hash.wrapping_add(bytes.len() as u64);
    while let Some((chunk, after)) = rest.split_first_chunk::<8>() {
        hash = (hash ^ round(0, lane(chunk))).rotate_left(27).wrapping_mul(P1).wrapping_add(P4);
        rest = after;
    }
    if let Some((chunk, after)) = rest.split_first_chunk::<4>() {
        hash = (hash ^ u64::from(u32::from_le_bytes(*chunk)).wrapping_mul(P1))
            .rotate_left(23)
            .wrapping_mul(P2)
            .wrapping_add(P3);
        rest = after;
    }
    for byte in rest {
        hash = (hash ^ u64::from(*byte).wrapping_mul(P5)).rotate_left(11).wrapping_mul(P1);
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(P2);
    hash ^= hash >> 29;
    hash = hash.wrapping_mul(P3);
    hash ^ (hash >> 32)
}

/// The hash of a value: of its bytes.
pub fn of_datum(value: Datum<'_>) -> u64 {
    match value {
        Datum::Null => 0,
        Datum::Bool(v) => xxhash64(&[u8::from(v)]),
        Datum::Int(v) => xxhash64(&v.to_le_bytes()),
        Datum::Long(v) | Datum::DateTime(v) | Datum::TimeSpan(v) => xxhash64(&v.to_le_bytes()),
        Datum::Real(v) => xxhash64(&v.to_le_bytes()),
        Datum::Decimal(v) => xxhash64(&v.to_le_bytes()),
        Datum::String(v) | Datum::Guid(v) => xxhash64(AsRef::<[u8]>::as_ref(v)),
        Datum::Dynamic(v) => xxhash64(AsRef::<[u8]>::as_ref(super::dynamic::json::as_text(v).as_ref())),
    }
}

fn reduced(hash: u64, modulo: Option<i64>) -> Option<i64> {
    let hash = hash as i64;
    match modulo {
        Some(0) => None,
        Some(modulo) => Some(hash.wrapping_rem_euclid(modulo)),
        None => Some(hash),
    }
}

fn hash(c: &Call<'_>) -> Result<ArrayRef> {
    let value = c.value(0)?;
    let modulo = if c.count() > 1 { Some(c.long(1)?) } else { None };
    c.longs(|i| reduced(of_datum(value.get(i)), modulo.and_then(|modulo| modulo.get(i))))
}

fn combined(c: &Call<'_>, hash: impl Fn(Datum<'_>) -> u64) -> Result<ArrayRef> {
    let values = c.values(0)?;
    c.longs(|i| {
        let bytes: Vec<u8> = values.iter().flat_map(|column| hash(column.get(i)).to_le_bytes()).collect();
        Some(xxhash64(&bytes) as i64)
    })
}

fn digest(c: &Call<'_>, digest: impl Fn(&[u8]) -> String) -> Result<ArrayRef> {
    let value = c.value(0)?;
    c.texts(|i, out| {
        let mut text = String::new();
        match value.get(i) {
            Datum::Null => return None,
            other => format::text(other, &mut text),
        }
        out.push_str(&digest(AsRef::<[u8]>::as_ref(text.as_str())));
        Some(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_reference() {
        assert_eq!(of_datum(Datum::String("World")) as i64, 1_846_988_464_401_551_951);
        assert_eq!(of_datum(Datum::String("Hello")) as i64, 753_694_413_698_530_628);
        let date = super::super::parse::datetime("2015-01-01").unwrap();
        assert_eq!(of_datum(Datum::DateTime(date)) as i64, 1_380_966_698_541_616_202);
        assert_eq!(xxhash64(b""), 0xEF46_DB37_51D8_E999);
    }
}
