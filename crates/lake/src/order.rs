//! The order in which rows go to files.
//!
//! Files are sorted by columns of few values and a time: a row's keys then fit a number, and numbers are sorted several times
//! faster than rows of text are compared.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::compute::{SortColumn, SortOptions, lexsort_to_indices};
use arrow::datatypes::{DataType, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use arrow::error::ArrowError;

/// Places of rows in ascending order, nulls first.
pub(crate) fn order(keys: &[ArrayRef]) -> Result<UInt32Array, ArrowError> {
    if let Some(order) = by_number(keys) {
        return Ok(order);
    }
    let columns: Vec<SortColumn> = keys
        .iter()
        .map(|values| SortColumn {
            values: Arc::clone(values),
            options: Some(SortOptions {
                descending: false,
                nulls_first: true,
            }),
        })
        .collect();
    lexsort_to_indices(&columns, None)
}

/// `None` when the keys of a row do not fit a number.
fn by_number(keys: &[ArrayRef]) -> Option<UInt32Array> {
    let rows = u32::try_from(keys.first()?.len()).ok()?;
    let mut packed: Vec<(u128, u32)> = (0..rows).map(|row| (0, row)).collect();
    let mut bits = 0;
    for key in keys {
        let (ranks, most) = ranks(key)?;
        let width = u128::BITS - most.leading_zeros();
        bits += width;
        if bits > u128::BITS {
            return None;
        }
        for ((number, _), rank) in packed.iter_mut().zip(ranks) {
            // All of them, and there was nothing before.
            *number = if width == u128::BITS { rank } else { (*number << width) | rank };
        }
    }
    packed.sort_unstable();
    Some(packed.into_iter().map(|(_, row)| row).collect::<Vec<u32>>().into())
}

/// A number for each value, in their order, and the largest there may be. Null is 0.
fn ranks(key: &ArrayRef) -> Option<(Vec<u128>, u128)> {
    match key.data_type() {
        DataType::Int32 => Some(from_least(
            key.as_primitive_opt::<Int32Type>()?.iter().map(|value| value.map(i64::from)),
        )),
        DataType::Int64 => Some(from_least(key.as_primitive_opt::<Int64Type>()?.iter())),
        DataType::Timestamp(TimeUnit::Microsecond, _) => Some(from_least(key.as_primitive_opt::<TimestampMicrosecondType>()?.iter())),
        DataType::Utf8View => {
            let texts = key.as_string_view_opt()?;
            let mut places: HashMap<&str, u32, ahash::RandomState> = HashMap::default();
            let mut distinct: Vec<&str> = Vec::new();
            let mut codes: Vec<Option<u32>> = Vec::with_capacity(texts.len());
            for text in texts {
                codes.push(text.map(|text| {
                    *places.entry(text).or_insert_with(|| {
                        distinct.push(text);
                        distinct.len() as u32 - 1
                    })
                }));
            }
            let mut sorted: Vec<u32> = (0..distinct.len() as u32).collect();
            sorted.sort_unstable_by_key(|code| distinct.get(*code as usize));
            let mut rank_of = vec![0u128; distinct.len()];
            for (rank, code) in sorted.iter().enumerate() {
                if let Some(slot) = rank_of.get_mut(*code as usize) {
                    *slot = rank as u128 + 1;
                }
            }
            let ranks = codes
                .into_iter()
                .map(|code| code.and_then(|code| rank_of.get(code as usize).copied()).unwrap_or(0));
            Some((ranks.collect(), distinct.len() as u128))
        }
        _ => None,
    }
}

fn from_least(values: impl Iterator<Item = Option<i64>> + Clone) -> (Vec<u128>, u128) {
    let least = i128::from(values.clone().flatten().min().unwrap_or_default());
    let rank = |value: i64| u128::try_from(i128::from(value) - least).unwrap_or_default() + 1;
    let most = values.clone().flatten().max().map_or(0, rank);
    (values.map(|value| value.map_or(0, rank)).collect(), most)
}

#[cfg(test)]
mod tests {
    use arrow::array::{BooleanArray, Int32Array, StringViewArray, TimestampMicrosecondArray};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_sort_as_rows_do(rows in prop::collection::vec((any::<Option<i32>>(), prop::option::of("[ab]{0,2}"), any::<Option<i64>>()), 1..60)) {
            let keys: Vec<ArrayRef> = vec![
                Arc::new(rows.iter().map(|row| row.0.map(|day| day % 3)).collect::<Int32Array>()),
                Arc::new(rows.iter().map(|row| row.1.as_deref()).collect::<StringViewArray>()),
                Arc::new(rows.iter().map(|row| row.2).collect::<TimestampMicrosecondArray>()),
            ];
            let row = |place: &u32| (rows[*place as usize].0.map(|day| day % 3), &rows[*place as usize].1, rows[*place as usize].2);
            let sorted = order(&keys).unwrap();
            prop_assert_eq!(sorted.len(), rows.len());
            prop_assert!(sorted.values().iter().map(row).is_sorted());
        }
    }

    #[test]
    fn other_keys_are_compared() {
        let keys: Vec<ArrayRef> = vec![Arc::new(BooleanArray::from(vec![true, false, true]))];
        assert_eq!(order(&keys).unwrap().values(), &[1, 0, 2]);
    }
}
