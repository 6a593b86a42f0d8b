//! Predicates and outputs over one row group, as far as its columns are in memory.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder, Int64Array, RecordBatch, RecordBatchOptions, UInt32Array,
};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{filter, take};
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column as ColumnExpr;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr_common::physical_expr::is_volatile;

use super::derived::Derived;
use crate::columns::{Coded, Codes, Column};

/// Combinations of codes up to this many are counted in an array, more in a map.
const DENSE: usize = 1 << 19;

/// An expression over columns of the table.
#[derive(Debug, Clone)]
pub(crate) struct Use {
    /// Over the table's columns
    pub(crate) expr: Arc<dyn PhysicalExpr>,
    /// The columns it reads, by place in the table, ascending
    pub(crate) columns: Vec<usize>,
    /// Over just those
    local: Arc<dyn PhysicalExpr>,
    schema: SchemaRef,
    /// Equal rows may give different values
    pub(crate) volatile: bool,
    /// How it is made of simpler values
    pub(crate) made: Option<Arc<Made>>,
}

/// An expression that gives lists, taken apart: lists of rows are long, what they are made of may be worth keeping.
#[derive(Debug)]
pub(crate) struct Made {
    /// Of the table's columns
    pub(crate) parts: Vec<Use>,
    /// Over the parts, as columns
    pub(crate) whole: Use,
}

impl Made {
    fn of(expr: &Arc<dyn PhysicalExpr>, table: &Schema) -> Result<Option<Made>> {
        if !expr.data_type(table)?.is_nested() {
            return Ok(None);
        }
        let mut parts: Vec<Use> = Vec::new();
        let mut fields = Vec::new();
        let whole = Arc::clone(expr).transform_down(|node| {
            let ty = node.data_type(table)?;
            if ty.is_nested() || collect_columns(&node).is_empty() {
                return Ok(Transformed::no(node));
            }
            let name = format!("part{}", parts.len());
            let column: Arc<dyn PhysicalExpr> = Arc::new(ColumnExpr::new(&name, parts.len()));
            fields.push(Field::new(name, ty, true));
            parts.push(Use::new(node, table)?);
            Ok(Transformed::new(column, true, TreeNodeRecursion::Jump))
        })?;
        let whole = Use::in_one(whole.data, &Schema::new(fields))?;
        Ok((!parts.is_empty() && whole.columns.len() == parts.len()).then_some(Made { parts, whole }))
    }
}

impl Use {
    pub(crate) fn new(expr: Arc<dyn PhysicalExpr>, table: &Schema) -> Result<Use> {
        let made = Made::of(&expr, table)?.map(Arc::new);
        Ok(Use {
            made,
            ..Use::in_one(expr, table)?
        })
    }

    /// Not taken apart.
    fn in_one(expr: Arc<dyn PhysicalExpr>, table: &Schema) -> Result<Use> {
        let mut columns: Vec<usize> = collect_columns(&expr).iter().map(ColumnExpr::index).collect();
        columns.sort_unstable();
        columns.dedup();
        let local = Arc::clone(&expr).transform_up(|node| {
            let Some(column) = node.downcast_ref::<ColumnExpr>() else {
                return Ok(Transformed::no(node));
            };
            let Ok(place) = columns.binary_search(&column.index()) else {
                return Ok(Transformed::no(node));
            };
            let column: Arc<dyn PhysicalExpr> = Arc::new(ColumnExpr::new(column.name(), place));
            Ok(Transformed::yes(column))
        })?;
        Ok(Use {
            schema: Arc::new(table.project(&columns)?),
            volatile: is_volatile(&expr),
            made: None,
            local: local.data,
            expr,
            columns,
        })
    }

    /// Its value for rows of its columns.
    fn evaluate(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<ColumnarValue> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
        self.local.evaluate(&batch)
    }

    pub(crate) fn over(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<ArrayRef> {
        self.evaluate(columns, rows)?.into_array(rows)
    }
}

/// The columns of a row group that are in memory.
#[derive(Debug, Default)]
pub(crate) struct RowGroup {
    pub(crate) rows: usize,
    pub(crate) columns: HashMap<usize, Arc<Column>, ahash::RandomState>,
    /// What expressions give for some of its rows
    derived: Vec<(Arc<dyn PhysicalExpr>, Arc<Derived>)>,
}

/// Rows that passed so far; `None`: all.
pub(crate) type Selection = Option<BooleanBuffer>;

impl RowGroup {
    /// Takes what an expression gives.
    pub(crate) fn derive(&mut self, item: &Use, values: Arc<Derived>) {
        self.derived.push((Arc::clone(&item.expr), values));
    }

    /// Whether the values of an expression were taken.
    pub(crate) fn knows(&self, item: &Use) -> bool {
        self.of(item).is_some()
    }

    fn of(&self, item: &Use) -> Option<&Derived> {
        let found = self.derived.iter().find(|(expr, _)| Arc::ptr_eq(expr, &item.expr));
        found.map(|(_, values)| values.as_ref())
    }

    /// Whether the values of an expression are known, or its columns.
    pub(crate) fn has(&self, item: &Use) -> bool {
        if self.of(item).is_some() {
            return true;
        }
        let in_memory = |column: &usize| {
            matches!(
                self.columns.get(column).map(AsRef::as_ref),
                Some(Column::Coded(_) | Column::Plain(_))
            )
        };
        item.columns.iter().all(in_memory)
    }

    /// Codes and the values that an expression has for them; `None` when it has no codes.
    fn codes(&self, item: &Use) -> Result<Option<(&Codes, ArrayRef)>> {
        if let Some(coded) = self.of(item).and_then(Derived::coded) {
            return Ok(Some((&coded.codes, Arc::clone(&coded.values))));
        }
        match self.coded(item) {
            Some(coded) => {
                let values = item.over(vec![Arc::clone(&coded.values)], coded.values.len())?;
                Ok(Some((&coded.codes, values)))
            }
            None => Ok(None),
        }
    }

    /// The codes of the one column that an expression reads.
    pub(crate) fn coded(&self, item: &Use) -> Option<&Coded> {
        match item.columns.as_slice() {
            [one] if !item.volatile => match self.columns.get(one).map(AsRef::as_ref) {
                Some(Column::Coded(coded)) => Some(coded),
                _ => None,
            },
            _ => None,
        }
    }

    /// For which codes of its column a predicate is true; `None` when it has none.
    pub(crate) fn passes(&self, predicate: &Use) -> Result<Option<BooleanBuffer>> {
        self.codes(predicate)?.map(|(_, values)| boolean(&values)).transpose()
    }

    /// Narrows the selection to rows with such codes in the column of a predicate. False when no row is left.
    pub(crate) fn narrow_to(&self, predicate: &Use, passes: &BooleanBuffer, selection: &mut Selection) -> Result<bool> {
        let count = passes.count_set_bits();
        if count == 0 {
            return Ok(false);
        }
        if count == passes.len() {
            return Ok(true);
        }
        let Some((codes, _)) = self.codes(predicate)? else {
            return Err(DataFusionError::Internal("codes of a column that has none".to_owned()));
        };
        let passes: Vec<bool> = passes.iter().collect();
        let pass = |code: usize| passes.get(code).copied().unwrap_or(false);
        // Of few rows, just those are looked at.
        if let Some(before) = selection.as_ref().filter(|before| before.count_set_bits() < self.rows / 16) {
            let mut passed = BooleanBufferBuilder::new(self.rows);
            passed.append_n(self.rows, false);
            let mut some = false;
            for row in before.set_indices().filter(|row| pass(codes.at(*row))) {
                passed.set_bit(row, true);
                some = true;
            }
            *selection = Some(passed.finish());
            return Ok(some);
        }
        let passed = match codes {
            Codes::Narrow(codes) => {
                let codes = codes.values();
                BooleanBuffer::collect_bool(self.rows, |row| pass(codes[row] as usize))
            }
            Codes::Broad(codes) => {
                let codes = codes.values();
                BooleanBuffer::collect_bool(self.rows, |row| pass(codes[row] as usize))
            }
        };
        Ok(narrow(selection, passed))
    }

    /// Narrows the selection by a predicate. False when no row is left.
    pub(crate) fn select(&self, predicate: &Use, selection: &mut Selection) -> Result<bool> {
        if let Some(passes) = self.passes(predicate)? {
            return self.narrow_to(predicate, &passes, selection);
        }
        let rows = selection.as_ref().map_or(self.rows, BooleanBuffer::count_set_bits);
        let passes = boolean(&self.values(predicate, selection, rows)?)?;
        let passed = match selection {
            None => passes,
            Some(before) => {
                let mut next = passes.iter();
                let mut passed = vec![false; self.rows];
                for row in before.set_indices() {
                    passed[row] = next.next().unwrap_or(false);
                }
                BooleanBuffer::from(passed)
            }
        };
        Ok(narrow(selection, passed))
    }

    /// Lists for the selected rows, made of parts that are known: once for each different value where the part has codes.
    pub(crate) fn made(&self, made: &Made, selection: &Selection) -> Result<Column> {
        let rows = selection.as_ref().map_or(self.rows, BooleanBuffer::count_set_bits);
        if let [part] = made.parts.as_slice()
            && let Some(coded) = self.of(part).and_then(|derived| derived.coded_for(selection))
        {
            let values = made.whole.over(vec![Arc::clone(&coded.values)], coded.values.len())?;
            let codes = coded.codes.clone();
            return Ok(Column::Coded(Coded { codes, values }));
        }
        let parts = made.parts.iter().map(|part| self.values(part, selection, rows));
        Ok(Column::Plain(made.whole.over(parts.collect::<Result<Vec<_>>>()?, rows)?))
    }

    /// The values of an expression for the selected rows.
    fn values(&self, item: &Use, selection: &Selection, rows: usize) -> Result<ArrayRef> {
        let missing = || DataFusionError::Internal("a column that is not in memory".to_owned());
        if let Some((codes, values)) = self.codes(item)? {
            return Ok(match selection {
                Some(selection) => take(values.as_ref(), chosen(codes, selection)?.as_ref(), None)?,
                None => take(values.as_ref(), codes.as_array(), None)?,
            });
        }
        if let Some(derived) = self.of(item) {
            return derived.values(selection)?.ok_or_else(missing);
        }
        let column = |place: &usize| self.column(*place, selection)?.ok_or_else(missing);
        item.over(item.columns.iter().map(column).collect::<Result<Vec<_>>>()?, rows)
    }

    /// The selected rows of a column; `None` when it is not in memory.
    pub(crate) fn column(&self, column: usize, selection: &Selection) -> Result<Option<ArrayRef>> {
        match (self.columns.get(&column), selection) {
            (None, _) => Ok(None),
            (Some(column), None) => Ok(column.rows()?),
            (Some(column), Some(selection)) => column.chosen(&BooleanArray::new(selection.clone(), None)),
        }
    }

    /// The outputs of the selected rows.
    pub(crate) fn outputs(&self, items: &[Use], selection: &Selection) -> Result<(Vec<ArrayRef>, usize)> {
        let rows = selection.as_ref().map_or(self.rows, BooleanBuffer::count_set_bits);
        let outputs = items
            .iter()
            .map(|item| self.values(item, selection, rows))
            .collect::<Result<Vec<_>>>()?;
        Ok((outputs, rows))
    }

    /// The different outputs, and how many rows have each. The same may come more than once.
    pub(crate) fn counted(&self, items: &[Use], selection: &Selection) -> Result<(Vec<ArrayRef>, Int64Array)> {
        let mut coded = Vec::with_capacity(items.len());
        for item in items {
            match self.codes(item)? {
                Some(codes) => coded.push(codes),
                None => {
                    let (outputs, rows) = self.outputs(items, selection)?;
                    return runs(outputs, rows);
                }
            }
        }
        let sizes: Vec<usize> = coded.iter().map(|(_, values)| values.len().max(1)).collect();
        let codes: Vec<&Codes> = coded.iter().map(|(codes, _)| *codes).collect();
        let combinations = sizes.iter().try_fold(1usize, |all, size| all.checked_mul(*size));
        let tuples = match combinations {
            Some(combinations) if combinations <= DENSE => {
                let mut counts = vec![0u32; combinations];
                self.each_tuple(&codes, &sizes, selection, |tuple| {
                    if let Some(count) = counts.get_mut(tuple as usize) {
                        *count += 1;
                    }
                });
                let some = counts.into_iter().enumerate().filter(|(_, count)| *count > 0);
                some.map(|(tuple, count)| (tuple as u64, i64::from(count))).collect::<Vec<_>>()
            }
            Some(_) => {
                let mut counts: HashMap<u64, i64, ahash::RandomState> = HashMap::default();
                self.each_tuple(&codes, &sizes, selection, |tuple| *counts.entry(tuple).or_default() += 1);
                counts.into_iter().collect()
            }
            None => {
                let (outputs, rows) = self.outputs(items, selection)?;
                return runs(outputs, rows);
            }
        };
        let mut outputs = Vec::with_capacity(items.len());
        let mut below = 1u64;
        for ((_, values), size) in coded.iter().zip(&sizes) {
            let codes: UInt32Array = tuples
                .iter()
                .map(|(tuple, _)| ((tuple / below) % *size as u64) as u32)
                .collect::<Vec<_>>()
                .into();
            outputs.push(take(values.as_ref(), &codes, None)?);
            below *= *size as u64;
        }
        Ok((outputs, tuples.into_iter().map(|(_, count)| count).collect::<Vec<_>>().into()))
    }

    /// Shows the combination of codes of each selected row, the first code being the lowest digit.
    fn each_tuple(&self, codes: &[&Codes], sizes: &[usize], selection: &Selection, mut see: impl FnMut(u64)) {
        match (codes, selection) {
            ([], _) => {
                let rows = selection.as_ref().map_or(self.rows, BooleanBuffer::count_set_bits);
                (0..rows).for_each(|_| see(0));
            }
            ([Codes::Narrow(codes)], None) => codes.values().iter().for_each(|code| see(u64::from(*code))),
            ([Codes::Broad(codes)], None) => codes.values().iter().for_each(|code| see(u64::from(*code))),
            ([one, other], None) => {
                let below = sizes.first().map_or(1, |size| *size as u64);
                match (one, other) {
                    (Codes::Narrow(one), Codes::Narrow(other)) => pairs(one.values(), other.values(), below, see),
                    (Codes::Narrow(one), Codes::Broad(other)) => pairs(one.values(), other.values(), below, see),
                    (Codes::Broad(one), Codes::Narrow(other)) => pairs(one.values(), other.values(), below, see),
                    (Codes::Broad(one), Codes::Broad(other)) => pairs(one.values(), other.values(), below, see),
                }
            }
            _ => {
                let mut tuples = vec![0u64; self.rows];
                let mut below = 1u64;
                for (one, size) in codes.iter().zip(sizes) {
                    match one {
                        Codes::Narrow(codes) => add(&mut tuples, codes.values(), below),
                        Codes::Broad(codes) => add(&mut tuples, codes.values(), below),
                    }
                    below *= *size as u64;
                }
                match selection {
                    None => tuples.into_iter().for_each(see),
                    Some(selection) => selection.set_indices().for_each(|row| see(tuples.get(row).copied().unwrap_or(0))),
                }
            }
        }
    }
}

fn pairs<A: Copy + Into<u64>, B: Copy + Into<u64>>(one: &[A], other: &[B], below: u64, mut see: impl FnMut(u64)) {
    for (one, other) in one.iter().zip(other) {
        see((*one).into() + (*other).into() * below);
    }
}

fn add<T: Copy + Into<u64>>(tuples: &mut [u64], codes: &[T], factor: u64) {
    for (tuple, code) in tuples.iter_mut().zip(codes) {
        *tuple += (*code).into() * factor;
    }
}

fn chosen(codes: &Codes, selection: &BooleanBuffer) -> Result<ArrayRef> {
    Ok(filter(codes.as_array(), &BooleanArray::new(selection.clone(), None))?)
}

/// Leaves the rows that passed as well. False when there is none.
pub(crate) fn narrow(selection: &mut Selection, passed: BooleanBuffer) -> bool {
    let both = match selection.take() {
        Some(before) => &before & &passed,
        None => passed,
    };
    let left = both.count_set_bits();
    if left == both.len() {
        *selection = None;
        return left > 0;
    }
    *selection = Some(both);
    left > 0
}

/// Which rows pass: null does not.
pub(crate) fn boolean(array: &ArrayRef) -> Result<BooleanBuffer> {
    let Some(passes) = array.as_boolean_opt() else {
        return Err(DataFusionError::Internal(format!("a predicate of type {}", array.data_type())));
    };
    Ok(match passes.nulls() {
        Some(nulls) => passes.values() & nulls.inner(),
        None => passes.values().clone(),
    })
}

/// Equal rows behind each other become one, with their number. Only whole numbers are compared.
fn runs(outputs: Vec<ArrayRef>, rows: usize) -> Result<(Vec<ArrayRef>, Int64Array)> {
    use arrow::datatypes::Int64Type;
    let numbers: Option<Vec<&[i64]>> = outputs
        .iter()
        .map(|array| match array.as_primitive_opt::<Int64Type>() {
            Some(numbers) if numbers.null_count() == 0 => Some(&numbers.values()[..]),
            _ => None,
        })
        .collect();
    let Some(numbers) = numbers.filter(|numbers| !numbers.is_empty()) else {
        return Ok((outputs, vec![1i64; rows].into()));
    };
    let mut starts: Vec<u32> = Vec::new();
    for row in 0..rows {
        if row == 0 || numbers.iter().any(|values| values[row] != values[row - 1]) {
            starts.push(row as u32);
        }
    }
    let counts: Vec<i64> = starts
        .iter()
        .enumerate()
        .map(|(index, start)| i64::from(starts.get(index + 1).copied().unwrap_or(rows as u32)) - i64::from(*start))
        .collect();
    let starts: UInt32Array = starts.into();
    let outputs = outputs
        .iter()
        .map(|array| take(array.as_ref(), &starts, None))
        .collect::<Result<Vec<_>, _>>()?;
    Ok((outputs, counts.into()))
}
