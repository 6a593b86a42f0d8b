//! Sets of rows of one batch.

use arrow::array::{Array, BooleanArray, UInt32Array};

/// Rows of a batch, a bit each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bits {
    words: Vec<u64>,
    rows: usize,
}

impl Bits {
    /// No rows.
    pub fn none(rows: usize) -> Bits {
        Bits {
            words: vec![0; rows.div_ceil(64)],
            rows,
        }
    }

    /// All rows.
    pub fn all(rows: usize) -> Bits {
        let mut bits = Bits {
            words: vec![u64::MAX; rows.div_ceil(64)],
            rows,
        };
        bits.trim();
        bits
    }

    fn trim(&mut self) {
        let over = self.rows % 64;
        if over != 0
            && let Some(last) = self.words.last_mut()
        {
            *last &= (1 << over) - 1;
        }
    }

    /// Adds a row.
    pub fn set(&mut self, row: usize) {
        if let Some(word) = self.words.get_mut(row / 64) {
            *word |= 1 << (row % 64);
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Keeps those of the other, too.
    pub fn and(&mut self, other: &Bits) {
        for (own, other) in self.words.iter_mut().zip(&other.words) {
            *own &= other;
        }
    }

    /// Adds those of the other.
    pub fn or(&mut self, other: &Bits) {
        for (own, other) in self.words.iter_mut().zip(&other.words) {
            *own |= other;
        }
    }

    /// Removes those of the other.
    pub fn without(&mut self, other: &Bits) {
        for (own, other) in self.words.iter_mut().zip(&other.words) {
            *own &= !other;
        }
    }

    /// All but these.
    pub fn inverted(&self) -> Bits {
        let mut bits = Bits {
            words: self.words.iter().map(|word| !word).collect(),
            rows: self.rows,
        };
        bits.trim();
        bits
    }

    /// Their positions, in order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(index, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                if rest == 0 {
                    return None;
                }
                let bit = rest.trailing_zeros() as usize;
                rest &= rest - 1;
                Some(index * 64 + bit)
            })
        })
    }

    /// Their positions, as `take` wants them.
    pub fn indices(&self) -> UInt32Array {
        UInt32Array::from_iter_values(self.iter().filter_map(|row| u32::try_from(row).ok()))
    }
}

/// Calls `yes` with the positions that are true and `null` with those that are neither true nor false.
pub fn each(values: &BooleanArray, mut yes: impl FnMut(usize), mut null: impl FnMut(usize)) {
    match values.nulls() {
        None => values.values().set_indices().for_each(yes),
        Some(_) => {
            for row in 0..values.len() {
                if values.is_null(row) {
                    null(row);
                } else if values.value(row) {
                    yes(row);
                }
            }
        }
    }
}
