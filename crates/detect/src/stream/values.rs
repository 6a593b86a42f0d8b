//! Atoms over one column of few different values, asked once for each value.
//!
//! What was asked of a value is remembered from batch to batch, so that the thousandth event of a login costs one look into a hash
//! table, however many rules ask for logins.

use std::sync::Arc;

use ahash::AHashMap;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Int32Type, Int64Type, Schema};
use taffrail_engine::{QueryError, RowExpressions};
use taffrail_kql::bound::Expr;

use super::bits::each;
use super::literal::LiteralIndex;

/// Bytes that one column's memory may take before it is forgotten.
const MOST_BYTES: usize = 8 << 20;

/// What is known of one value, by the atoms' numbers within the column.
#[derive(Debug, Clone, Default)]
pub struct Truth {
    /// Atoms that are true
    pub yes: Box<[u32]>,
    /// Atoms that are neither true nor false
    pub null: Box<[u32]>,
}

/// Values and what is known of them.
#[derive(Default)]
pub struct Memory {
    texts: AHashMap<Box<str>, u32>,
    numbers: AHashMap<Option<i64>, u32>,
    /// By the number of the value
    pub truths: Vec<Truth>,
    bytes: usize,
}

/// The atoms of one column.
pub struct ValueColumn {
    /// Name of the column
    pub name: String,
    /// The atoms, by their numbers in the formula
    pub atoms: Vec<u32>,
    index: LiteralIndex,
    expressions: RowExpressions,
}

impl ValueColumn {
    /// Whether a column of this type can be treated so.
    pub fn takes(data_type: &DataType) -> bool {
        matches!(
            data_type,
            DataType::Utf8View | DataType::Int32 | DataType::Int64 | DataType::Boolean
        )
    }

    /// Of atoms and their compiled form, in the same order.
    pub fn new<'a>(name: String, atoms: Vec<u32>, exprs: impl Iterator<Item = &'a Expr>, expressions: RowExpressions) -> ValueColumn {
        ValueColumn {
            name,
            atoms,
            index: LiteralIndex::new(exprs),
            expressions,
        }
    }

    /// The number of each row's value in the memory, which learns what it did not know.
    ///
    /// # Errors
    /// When the column is missing or an atom fails.
    pub fn look_up(&self, batch: &RecordBatch, memory: &mut Memory) -> Result<Vec<u32>, QueryError> {
        let Some(array) = batch.column_by_name(&self.name) else {
            return Err(QueryError::Execution {
                message: format!("the batch has no column {}", self.name),
            });
        };
        if memory.bytes > MOST_BYTES {
            *memory = Memory::default();
        }
        let mut ids = Vec::with_capacity(array.len());
        let known = memory.truths.len();
        let mut next = u32::try_from(known).unwrap_or(u32::MAX);
        let mut new_rows: Vec<u32> = Vec::new();
        let mut new = |row: usize| {
            let id = next;
            next += 1;
            new_rows.push(u32::try_from(row).unwrap_or(u32::MAX));
            id
        };
        match array.data_type() {
            DataType::Utf8View => {
                let texts = array.as_string_view();
                let mut last: Option<(&str, u32)> = None;
                for row in 0..texts.len() {
                    let text = if texts.is_null(row) { "" } else { texts.value(row) };
                    // Neighbours are often equal.
                    let id = match last {
                        Some((before, id)) if before == text => id,
                        _ => match memory.texts.get(text) {
                            Some(id) => *id,
                            None => {
                                let id = new(row);
                                memory.bytes += text.len() + 64;
                                memory.texts.insert(text.into(), id);
                                id
                            }
                        },
                    };
                    last = Some((text, id));
                    ids.push(id);
                }
            }
            _ => {
                for row in 0..array.len() {
                    let number = number(array, row);
                    let id = match memory.numbers.get(&number) {
                        Some(id) => *id,
                        None => {
                            let id = new(row);
                            memory.bytes += 64;
                            memory.numbers.insert(number, id);
                            id
                        }
                    };
                    ids.push(id);
                }
            }
        }
        if !new_rows.is_empty() {
            let truths = self.ask(array, &new_rows);
            match truths {
                Ok(truths) => {
                    for truth in truths {
                        memory.bytes += (truth.yes.len() + truth.null.len()) * 4;
                        memory.truths.push(truth);
                    }
                }
                Err(error) => {
                    // Half of what is remembered would have no truth.
                    *memory = Memory::default();
                    return Err(error);
                }
            }
        }
        Ok(ids)
    }

    fn ask(&self, array: &ArrayRef, rows: &[u32]) -> Result<Vec<Truth>, QueryError> {
        let failed = |error: arrow::error::ArrowError| QueryError::Execution {
            message: error.to_string(),
        };
        let values = take(array.as_ref(), &UInt32Array::from(rows.to_vec()), None).map_err(failed)?;
        let mut yes: Vec<Vec<u32>> = vec![Vec::new(); rows.len()];
        let mut null: Vec<Vec<u32>> = vec![Vec::new(); rows.len()];
        // Which atoms must be asked, and of which values.
        let mut asked: Vec<(u32, Option<Vec<u32>>)> = self.index.others().iter().map(|atom| (*atom, None)).collect();
        if let Some(texts) = values.as_string_view_opt() {
            let mut candidates: AHashMap<u32, Vec<u32>> = AHashMap::new();
            let mut found = Vec::new();
            for (row, list) in (0..).zip(&mut yes) {
                let text = if texts.is_null(row as usize) {
                    ""
                } else {
                    texts.value(row as usize)
                };
                list.extend(self.index.equal(text));
                found.clear();
                self.index.within(text, &mut found);
                found.sort_unstable();
                found.dedup();
                for atom in &found {
                    candidates.entry(*atom).or_default().push(row);
                }
            }
            asked.extend(candidates.into_iter().map(|(atom, rows)| (atom, Some(rows))));
        } else {
            asked = (0..).zip(&self.atoms).map(|(number, _)| (number, None)).collect();
        }
        let field = Field::new(&self.name, values.data_type().clone(), true);
        let batch = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![values]).map_err(failed)?;
        let everywhere: Vec<usize> = asked
            .iter()
            .filter(|(_, rows)| rows.is_none())
            .map(|(atom, _)| *atom as usize)
            .collect();
        if !everywhere.is_empty() {
            let answers = self.expressions.evaluate(&batch, &everywhere)?;
            for (atom, answer) in everywhere.iter().zip(&answers) {
                let atom = u32::try_from(*atom).unwrap_or(u32::MAX);
                let Some(answer) = answer.as_boolean_opt() else { continue };
                each(
                    answer,
                    |row| yes.get_mut(row).into_iter().for_each(|list| list.push(atom)),
                    |row| null.get_mut(row).into_iter().for_each(|list| list.push(atom)),
                );
            }
        }
        for (atom, rows) in asked.iter().filter_map(|(atom, rows)| rows.as_ref().map(|rows| (*atom, rows))) {
            let indices = UInt32Array::from(rows.clone());
            let some = arrow::compute::take_record_batch(&batch, &indices).map_err(failed)?;
            let answers = self.expressions.evaluate(&some, &[atom as usize])?;
            let Some(answer) = answers.first().and_then(|answer| answer.as_boolean_opt()) else {
                continue;
            };
            each(
                answer,
                |position| {
                    let row = rows.get(position).and_then(|row| yes.get_mut(*row as usize));
                    row.into_iter().for_each(|list| list.push(atom));
                },
                |_| {},
            );
        }
        Ok(yes
            .into_iter()
            .zip(null)
            .map(|(yes, null)| Truth {
                yes: yes.into(),
                null: null.into(),
            })
            .collect())
    }
}

fn number(array: &ArrayRef, row: usize) -> Option<i64> {
    if array.is_null(row) {
        return None;
    }
    match array.data_type() {
        DataType::Int32 => Some(i64::from(array.as_primitive::<Int32Type>().value(row))),
        DataType::Int64 => Some(array.as_primitive::<Int64Type>().value(row)),
        DataType::Boolean => Some(i64::from(array.as_boolean().value(row))),
        _ => None,
    }
}
