//! Which keys were stored lately, so that a row sent again (an audit webhook repeats a batch after any error) is stored once.
//!
//! Keys are kept as 128-bit hashes with seeds of this process: nobody outside can aim at a collision. Two generations bound
//! memory and time: when the younger is full or half the window old, the elder is forgotten.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hasher};
use std::time::{Duration, Instant};

use ahash::RandomState;
use arrow::array::ArrayRef;
use arrow::row::{RowConverter, SortField};

/// Makes hashes of key columns.
#[derive(Debug, Clone)]
pub(crate) struct KeyHasher {
    low: RandomState,
    high: RandomState,
}

impl KeyHasher {
    pub(crate) fn new() -> KeyHasher {
        KeyHasher {
            low: RandomState::new(),
            high: RandomState::new(),
        }
    }

    /// One hash a row.
    pub(crate) fn hash(&self, columns: &[ArrayRef]) -> Result<Vec<u128>, arrow::error::ArrowError> {
        let fields = columns.iter().map(|column| SortField::new(column.data_type().clone())).collect();
        let rows = RowConverter::new(fields)?.convert_columns(columns)?;
        Ok(rows
            .iter()
            .map(|row| (u128::from(self.low.hash_one(row.data())) << 64) | u128::from(self.high.hash_one(row.data())))
            .collect())
    }
}

/// The hashes are uniform already.
#[derive(Debug, Clone, Copy, Default)]
struct Take;

struct TakeLow(u64);

impl Hasher for TakeLow {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, value: u128) {
        self.0 = value as u64;
    }
}

impl BuildHasher for Take {
    type Hasher = TakeLow;

    fn build_hasher(&self) -> TakeLow {
        TakeLow(0)
    }
}

/// The keys of one table.
#[derive(Debug)]
pub(crate) struct Seen {
    young: HashSet<u128, Take>,
    old: HashSet<u128, Take>,
    half: usize,
    half_window: Duration,
    born: Instant,
}

impl Seen {
    pub(crate) fn new(keys: usize, window: Duration) -> Seen {
        Seen {
            young: HashSet::default(),
            old: HashSet::default(),
            half: (keys / 2).max(1),
            half_window: window / 2,
            born: Instant::now(),
        }
    }

    /// Remembers a key; `false` when it was known.
    pub(crate) fn insert(&mut self, key: u128) -> bool {
        if self.old.contains(&key) {
            return false;
        }
        if self.young.len() >= self.half || self.born.elapsed() >= self.half_window {
            if self.young.contains(&key) {
                return false;
            }
            self.old = std::mem::take(&mut self.young);
            self.born = Instant::now();
        }
        self.young.insert(key)
    }

    /// Forgets a key whose row was not stored after all.
    pub(crate) fn remove(&mut self, key: u128) {
        self.young.remove(&key);
        self.old.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_half_of_the_keys_is_always_known() {
        let mut seen = Seen::new(100, Duration::from_secs(3600));
        for key in 0..1000u128 {
            assert!(seen.insert(key), "{key} is new");
            for earlier in key.saturating_sub(49)..=key {
                assert!(!seen.insert(earlier), "{earlier} is known after {key}");
            }
        }
        assert!(seen.young.len() + seen.old.len() <= 100);
        assert!(seen.insert(3), "what is long ago is forgotten");
        seen.remove(3);
        assert!(seen.insert(3), "what was taken back is new");
    }
}
