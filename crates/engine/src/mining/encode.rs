//! Rows as numbers: each value of a column has a code, rows with equal codes are one row with their weights added.

use std::collections::HashMap;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type};
use datafusion::common::{DataFusionError, ScalarValue};

use super::{Answer, Job};

/// Codes of values; 0 is any value.
pub(super) const ANY: u32 = 0;

/// Weights of the first and the second side.
pub(super) type Weights = [f64; 2];

/// The values of one column.
#[derive(Default)]
struct Dictionary {
    codes: HashMap<Vec<u8>, u32>,
    values: Vec<ScalarValue>,
    weights: Vec<Weights>,
    bytes: usize,
}

impl Dictionary {
    /// The code of a cell, from 0.
    fn code(&mut self, array: &ArrayRef, row: usize, key: &mut Vec<u8>) -> Result<u32, DataFusionError> {
        write_key(array, row, key)?;
        if let Some(code) = self.codes.get(key.as_slice()) {
            return Ok(*code);
        }
        let code = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        self.codes.insert(key.clone(), code);
        self.values.push(ScalarValue::try_from_array(array, row)?);
        self.weights.push([0.0; 2]);
        self.bytes += 2 * key.len() + 160;
        Ok(code)
    }
}

/// The bytes of a cell, different for different values.
fn write_key(array: &ArrayRef, row: usize, key: &mut Vec<u8>) -> Result<(), DataFusionError> {
    key.clear();
    if array.is_null(row) {
        return Ok(());
    }
    key.push(1);
    match array.data_type() {
        DataType::Utf8View => key.extend_from_slice(array.as_string_view().value(row).as_bytes()),
        DataType::Int64 => key.extend_from_slice(&array.as_primitive::<Int64Type>().value(row).to_le_bytes()),
        DataType::Int32 => key.extend_from_slice(&array.as_primitive::<Int32Type>().value(row).to_le_bytes()),
        DataType::Float64 => key.extend_from_slice(&array.as_primitive::<Float64Type>().value(row).to_bits().to_le_bytes()),
        DataType::Boolean => key.push(u8::from(array.as_boolean().value(row))),
        _ => key.extend_from_slice(ScalarValue::try_from_array(array, row)?.to_string().as_bytes()),
    }
    Ok(())
}

/// Different rows with their weights.
pub(super) struct Table {
    /// Columns of a row
    pub(super) width: usize,
    /// Row after row; [`ANY`] for values too rare to be in a pattern
    codes: Vec<u32>,
    pub(super) weights: Vec<Weights>,
    /// Of all rows that are on a side
    pub(super) totals: Weights,
    /// By column and code
    values: Vec<Vec<ScalarValue>>,
}

impl Table {
    /// From columns side (1, 2, or neither), weight, and those of the patterns. Values that have less than this share of the
    /// rows of either side, or are not among the `most` heaviest of their column, are in no pattern.
    pub(super) fn new(job: &Job, share: f64, most: usize) -> Answer<Table> {
        let width = job.inputs.len().saturating_sub(2);
        let mut columns: Vec<Dictionary> = (0..width).map(|_| Dictionary::default()).collect();
        let mut cells: Vec<u32> = Vec::new();
        let mut rows: Vec<Weights> = Vec::new();
        let mut totals = [0.0; 2];
        let mut key = Vec::new();
        for batch in &job.batches {
            let [side, weight, arrays @ ..] = batch.columns() else { continue };
            let (side, weight) = (longs(side)?, weight.as_primitive::<Float64Type>());
            for row in 0..batch.num_rows() {
                let amount = if weight.is_null(row) { 0.0 } else { weight.value(row) };
                let weights = match side.get(row) {
                    Some(1) => [amount, 0.0],
                    Some(2) => [0.0, amount],
                    _ => continue,
                };
                if !(amount > 0.0 && amount.is_finite()) {
                    continue;
                }
                add(&mut totals, weights);
                rows.push(weights);
                for (column, array) in columns.iter_mut().zip(arrays) {
                    let code = column.code(array, row, &mut key)?;
                    if let Some(sum) = column.weights.get_mut(code as usize) {
                        add(sum, weights);
                    }
                    cells.push(code);
                }
            }
            let known: usize = columns.iter().map(|column| column.bytes).sum();
            job.limits
                .check(cells.len() * 4 + rows.len() * 16 + known, "the rows to find patterns in")?;
        }
        let kept: Vec<Vec<u32>> = columns.iter().map(|column| renumbered(column, totals, share, most)).collect();
        let mut values = Vec::with_capacity(width);
        for (column, codes) in columns.iter().zip(&kept) {
            let mut list: Vec<ScalarValue> = vec![ScalarValue::Null];
            list.extend(
                column
                    .values
                    .iter()
                    .zip(codes)
                    .filter(|(_, code)| **code != ANY)
                    .map(|(value, _)| value.clone()),
            );
            values.push(list);
        }
        let mut table = Table {
            width,
            codes: Vec::new(),
            weights: Vec::new(),
            totals,
            values,
        };
        table.unite(&cells, &rows, &kept, job)?;
        Ok(table)
    }

    /// Rows with equal codes become one.
    fn unite(&mut self, cells: &[u32], rows: &[Weights], kept: &[Vec<u32>], job: &Job) -> Answer<()> {
        let mut places: HashMap<Vec<u32>, usize> = HashMap::new();
        if self.width == 0 {
            return Ok(());
        }
        for (row, weights) in cells.chunks(self.width).zip(rows) {
            let codes = row
                .iter()
                .zip(kept)
                .map(|(code, kept)| kept.get(*code as usize).copied().unwrap_or(ANY));
            let codes: Vec<u32> = codes.collect();
            match places.get(&codes).and_then(|place| self.weights.get_mut(*place)) {
                Some(sum) => add(sum, *weights),
                None => {
                    self.codes.extend_from_slice(&codes);
                    places.insert(codes, self.weights.len());
                    self.weights.push(*weights);
                    if self.weights.len().is_multiple_of(4096) {
                        let bytes = cells.len() * 4 + rows.len() * 16 + self.weights.len() * (self.width * 8 + 96);
                        job.limits.check(bytes, "the different rows to find patterns in")?;
                    }
                }
            }
        }
        Ok(())
    }

    /// How many different rows there are.
    pub(super) fn len(&self) -> usize {
        self.weights.len()
    }

    /// The codes of a row.
    pub(super) fn row(&self, index: usize) -> &[u32] {
        let start = index * self.width;
        self.codes.get(start..start + self.width).unwrap_or_default()
    }

    /// The weights of a row.
    pub(super) fn weight(&self, index: usize) -> Weights {
        self.weights.get(index).copied().unwrap_or_default()
    }

    /// How many codes a column has, [`ANY`] included.
    pub(super) fn codes_of(&self, column: usize) -> usize {
        self.values.get(column).map_or(1, Vec::len)
    }

    /// A pattern as people see it.
    pub(super) fn shown<'a>(&'a self, pattern: &'a [u32], wildcards: &'a [ScalarValue]) -> impl Iterator<Item = ScalarValue> + 'a {
        let columns = self.values.iter().zip(pattern).zip(wildcards);
        columns.map(|((values, code), wildcard)| match values.get(*code as usize) {
            Some(value) if *code != ANY => value.clone(),
            _ => wildcard.clone(),
        })
    }
}

/// Whether a row has the values of a pattern.
pub(super) fn matches(pattern: &[u32], row: &[u32]) -> bool {
    pattern.iter().zip(row).all(|(wanted, code)| *wanted == ANY || wanted == code)
}

/// How many columns a pattern says something about.
pub(super) fn dimensions(pattern: &[u32]) -> usize {
    pattern.iter().filter(|code| **code != ANY).count()
}

pub(super) fn add(sum: &mut Weights, weights: Weights) {
    for (sum, weight) in sum.iter_mut().zip(weights) {
        *sum += weight;
    }
}

/// The larger of the shares of the two sides.
pub(super) fn share(weights: Weights, totals: Weights) -> f64 {
    let shares = weights
        .iter()
        .zip(totals)
        .map(|(weight, total)| if total > 0.0 { weight / total } else { 0.0 });
    shares.fold(0.0, f64::max)
}

fn renumbered(column: &Dictionary, totals: Weights, least: f64, most: usize) -> Vec<u32> {
    let mut order: Vec<usize> = (0..column.values.len()).collect();
    let heavy = |index: usize| column.weights.get(index).map_or(0.0, |weights| share(*weights, totals));
    order.sort_by(|a, b| heavy(*b).total_cmp(&heavy(*a)).then(a.cmp(b)));
    order.truncate(most);
    let mut kept = vec![false; column.values.len()];
    for index in order {
        if heavy(index) >= least
            && let Some(slot) = kept.get_mut(index)
        {
            *slot = true;
        }
    }
    let mut next = ANY;
    let number = |kept: &bool| {
        if !*kept {
            return ANY;
        }
        next += 1;
        next
    };
    kept.iter().map(number).collect()
}

/// The values of a column of whole numbers.
pub(super) fn longs(array: &ArrayRef) -> Answer<Vec<i64>> {
    let array = datafusion::arrow::compute::cast(array, &DataType::Int64).map_err(DataFusionError::from)?;
    Ok(array.as_primitive::<Int64Type>().iter().map(Option::unwrap_or_default).collect())
}
