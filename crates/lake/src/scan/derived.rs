//! What expressions made of rows of a file, kept beside the columns.
//!
//! `requestObject.spec.volumes` of 25,000 pods means to decompress 40 MB of events and to look through them. What comes out is a
//! few hundred different texts. Dashboards and rules ask for the same members again and again, so those are kept, for just the
//! rows that were looked at: the table gets the columns it is asked for. Files never change, so what is kept never goes stale.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, StringViewArray};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{cast, concat, filter};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::Result;
use datafusion::physical_expr::expressions::Column as ColumnExpr;
use taffrail_kql::Type;

use super::files::ranges;
use super::reader::Reader;
use super::rows::{RowGroup, Selection, Use};
use crate::columns::{Coded, Codes, Column, OpenFile};
use crate::rows::missing;

/// So many rows of a row group are read at once. For more there is the reader that streams.
const MOST_ROWS: usize = 16 << 10;
/// Rows of a batch that is read from a file.
const BATCH_ROWS: usize = 8 << 10;
/// More than this for each row of a row group is not worth keeping.
const MOST_BYTES_A_ROW: usize = 16;
/// Fewer rows are not worth a dictionary.
const FEW_ROWS: usize = 32;
/// More distinct values are none.
const MOST_VALUES: usize = 16 << 10;

/// Values of an expression for some rows of a row group.
#[derive(Debug)]
pub(crate) struct Derived {
    /// Of which rows; `None`: of all
    known: Selection,
    /// A value for each of those
    column: Column,
}

impl Derived {
    pub(crate) fn bytes(&self) -> usize {
        self.known.as_ref().map_or(0, |known| known.len() / 8) + self.column.bytes()
    }

    /// Whether a value is known for each selected row.
    pub(super) fn covers(&self, selection: &Selection) -> bool {
        match (&self.known, selection) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(known), Some(selected)) => known == selected || (selected & &!known).count_set_bits() == 0,
        }
    }

    /// The values of the selected rows, all of which are known.
    pub(super) fn values(&self, selection: &Selection) -> Result<Option<ArrayRef>> {
        let mask = match (&self.known, selection) {
            (_, None) => None,
            (Some(known), Some(selected)) if known == selected => None,
            (Some(known), Some(selected)) => Some(filter(
                &BooleanArray::new(selected.clone(), None),
                &BooleanArray::new(known.clone(), None),
            )?),
            (None, Some(selected)) => Some(Arc::new(BooleanArray::new(selected.clone(), None)) as ArrayRef),
        };
        match mask {
            None => Ok(self.column.rows()?),
            Some(mask) => self.column.chosen(mask.as_boolean()),
        }
    }

    /// Codes for just the selected rows.
    pub(super) fn coded_for(&self, selection: &Selection) -> Option<&Coded> {
        match &self.column {
            Column::Coded(coded) if self.known == *selection => Some(coded),
            _ => None,
        }
    }

    /// Codes for every row of the row group.
    pub(super) fn coded(&self) -> Option<&Coded> {
        match (&self.known, &self.column) {
            (None, Column::Coded(coded)) => Some(coded),
            _ => None,
        }
    }
}

/// What whole events of some rows are put together from.
#[derive(Debug, Default)]
struct EventParts {
    /// As the file keeps them, of the selected rows; `None`: to be read
    stored: Option<ArrayRef>,
    /// Other columns of the table that it takes
    needs: Vec<usize>,
}

impl Reader {
    /// Makes the values of expressions known for the selected rows, from what is kept or from the file. False when that would be
    /// too many rows at once.
    pub(super) fn derived(&self, open: &OpenFile, group: usize, rows: &mut RowGroup, selection: &Selection, items: &[Use]) -> Result<bool> {
        let cache = &self.scan.shared.columns;
        let mut unknown: Vec<&Use> = Vec::new();
        for item in items {
            self.evaluate(open, group, rows, item)?;
            if rows.has(item) {
                continue;
            }
            if let Some(made) = &item.made {
                if !self.derived(open, group, rows, selection, &made.parts)? {
                    return Ok(false);
                }
                let column = rows.made(made, selection)?;
                let known = selection.clone();
                rows.derive(item, Arc::new(Derived { known, column }));
                continue;
            }
            match cache.derived(open, group, &item.expr).filter(|derived| derived.covers(selection)) {
                Some(derived) => rows.derive(item, derived),
                None => unknown.push(item),
            }
        }
        if unknown.is_empty() {
            return Ok(true);
        }
        let count = selection.as_ref().map_or(rows.rows, BooleanBuffer::count_set_bits);
        let reads_texts = unknown.iter().any(|item| item.expr.downcast_ref::<ColumnExpr>().is_some());
        if count > MOST_ROWS && (reads_texts || count > 4 * MOST_ROWS) {
            return Ok(false);
        }
        let event = self.event_parts(open, group, rows, selection, &unknown)?;
        let values = self.read(open, group, rows, selection, &unknown, count, &event)?;
        for (item, values) in unknown.into_iter().zip(values) {
            let derived = Arc::new(Derived {
                known: selection.clone(),
                column: column(values)?,
            });
            // Of several columns there is no end of expressions.
            if item.columns.len() == 1 && !item.volatile && derived.bytes() <= MOST_BYTES_A_ROW * rows.rows {
                cache.keep_derived(open, group, &item.expr, &derived);
            }
            rows.derive(item, derived);
        }
        Ok(true)
    }

    /// Evaluates an expression for the dictionary of its column, if that was not done before.
    pub(super) fn evaluate(&self, open: &OpenFile, group: usize, rows: &mut RowGroup, item: &Use) -> Result<()> {
        let Some(coded) = rows.coded(item).filter(|coded| coded.values.len() >= FEW_ROWS) else {
            return Ok(());
        };
        if rows.knows(item) || item.made.is_some() || item.expr.children().is_empty() {
            return Ok(());
        }
        let cache = &self.scan.shared.columns;
        let known = cache.derived(open, group, &item.expr).filter(|derived| derived.coded().is_some());
        let derived = match known {
            Some(derived) => derived,
            None => {
                let values = item.over(vec![Arc::clone(&coded.values)], coded.values.len())?;
                let codes = coded.codes.clone();
                let column = Column::Coded(Coded { codes, values });
                let derived = Arc::new(Derived { known: None, column });
                cache.keep_derived(open, group, &item.expr, &derived);
                derived
            }
        };
        rows.derive(item, derived);
        Ok(())
    }

    /// What events are put together from, as far as it is in memory or worth to be.
    fn event_parts(&self, open: &OpenFile, group: usize, rows: &mut RowGroup, selection: &Selection, items: &[&Use]) -> Result<EventParts> {
        let table = &self.scan.table;
        let Some(form) = table.event.as_ref().filter(|_| items.iter().any(|item| self.reads_event(item))) else {
            return Ok(EventParts::default());
        };
        let mut bytes = 0;
        let field = table.schema.field(form.column);
        let none = || missing(Type::String, 1);
        let column = self
            .scan
            .shared
            .columns
            .column(open, group, form.column, field, &none, &mut bytes)?;
        self.bytes.add(bytes);
        let Column::Coded(coded) = column.as_ref() else {
            return Ok(EventParts {
                stored: None,
                needs: form.needs(None),
            });
        };
        let needs = form.needs(Some(&coded.values));
        self.load(open, group, needs.iter().copied(), rows)?;
        let stored = match selection {
            None => column.rows()?,
            Some(selected) => column.chosen(&BooleanArray::new(selected.clone(), None))?,
        };
        Ok(EventParts { stored, needs })
    }

    /// Values of expressions for the selected rows, of which the file has to be asked.
    #[allow(clippy::too_many_arguments)]
    fn read(
        &self,
        open: &OpenFile,
        group: usize,
        rows: &RowGroup,
        selection: &Selection,
        items: &[&Use],
        count: usize,
        event: &EventParts,
    ) -> Result<Vec<ArrayRef>> {
        let table = &self.scan.table;
        let mut wanted: BTreeSet<usize> = items.iter().flat_map(|item| item.columns.iter().copied()).collect();
        wanted.extend(&event.needs);
        let mut known: HashMap<usize, ArrayRef> = HashMap::new();
        if let (Some(form), Some(stored)) = (&table.event, &event.stored) {
            known.insert(form.column, Arc::clone(stored));
        }
        let mut names: Vec<&str> = Vec::new();
        for place in &wanted {
            if known.contains_key(place) {
                continue;
            }
            let name = table.schema.field(*place).name();
            if let Some(values) = rows.column(*place, selection)? {
                known.insert(*place, values);
            } else if open.has(name) {
                names.push(name);
            } else {
                let ty = table.definition.columns.get(*place).map_or(Type::Dynamic, |column| column.ty);
                known.insert(*place, missing(ty, count));
            }
        }
        let evaluate = |read: Option<&RecordBatch>, from: usize, rows: usize| -> Result<Vec<ArrayRef>> {
            let kept = |place: &usize| -> Result<ArrayRef> {
                if let Some(values) = known.get(place) {
                    return Ok(values.slice(from, rows));
                }
                let field = table.schema.field(*place);
                match read.and_then(|read| read.column_by_name(field.name())) {
                    Some(values) => Ok(cast(values, field.data_type())?),
                    None => Err(datafusion::common::DataFusionError::Internal(format!(
                        "column {} was not read",
                        field.name()
                    ))),
                }
            };
            let of = |place: &usize| -> Result<ArrayRef> {
                match &table.event {
                    Some(form) if form.column == *place => Ok(form.events(&kept(place)?, &|place| kept(&place).ok())?),
                    _ => kept(place),
                }
            };
            let value = |item: &&Use| item.over(item.columns.iter().map(of).collect::<Result<Vec<_>>>()?, rows);
            items.iter().map(value).collect()
        };
        if names.is_empty() {
            return evaluate(None, 0, count);
        }
        self.bytes.add(open.chunk_bytes(group, &names));
        let selected = selection.as_ref().map(|selected| ranges(selected, rows.rows));
        let mut parts: Vec<Vec<ArrayRef>> = vec![Vec::new(); items.len()];
        let mut from = 0;
        for batch in open.read(group, &names, selected, BATCH_ROWS)? {
            let batch = batch?;
            let values = evaluate(Some(&batch), from, batch.num_rows())?;
            for (part, values) in parts.iter_mut().zip(values) {
                part.push(values);
            }
            from += batch.num_rows();
        }
        let whole = |(item, part): (&&Use, Vec<ArrayRef>)| match part.as_slice() {
            [] => item.over(
                item.columns
                    .iter()
                    .map(|place| arrow::array::new_empty_array(table.schema.field(*place).data_type()))
                    .collect(),
                0,
            ),
            [one] => Ok(Arc::clone(one)),
            many => Ok(concat(&many.iter().map(AsRef::as_ref).collect::<Vec<_>>())?),
        };
        items.iter().zip(parts).map(whole).collect()
    }

    /// Makes codes of outputs over a column of numbers, such as the minute of a time: counting them is then counting codes.
    pub(super) fn coded(&self, open: &OpenFile, group: usize, rows: &mut RowGroup, selection: &Selection) -> Result<()> {
        let count = selection.as_ref().map_or(rows.rows, BooleanBuffer::count_set_bits);
        for item in &self.outputs {
            let plain = |column: &usize| matches!(rows.columns.get(column).map(AsRef::as_ref), Some(Column::Plain(_)));
            let of_numbers = item.columns.len() == 1 && item.columns.iter().all(plain);
            // The times themselves are all different.
            if !of_numbers || item.volatile || item.expr.children().is_empty() {
                continue;
            }
            let cache = &self.scan.shared.columns;
            if let Some(derived) = cache.derived(open, group, &item.expr) {
                if derived.coded().is_some() {
                    rows.derive(item, derived);
                }
                continue;
            }
            if count < rows.rows / 4 {
                continue;
            }
            let values = rows
                .columns
                .get(&item.columns[0])
                .map(|column| column.rows())
                .transpose()?
                .flatten();
            let Some(values) = values else { continue };
            let values = item.over(vec![values], rows.rows)?;
            // That it has too many values is worth knowing, too.
            let column = coded_longs(&values).map_or(Column::Wide, Column::Coded);
            let derived = Arc::new(Derived { known: None, column });
            cache.keep_derived(open, group, &item.expr, &derived);
            if derived.coded().is_some() {
                rows.derive(item, derived);
            }
        }
        Ok(())
    }
}

/// Values in the smallest form: texts that repeat as codes, others without the pages they were read from.
fn column(values: ArrayRef) -> Result<Column> {
    if values.data_type() != &DataType::Utf8View {
        return Ok(Column::Plain(values));
    }
    let texts = values.as_string_view();
    if let Some(coded) = coded_texts(texts) {
        return Ok(Column::Coded(coded));
    }
    Ok(Column::Plain(Arc::new(texts.gc())))
}

fn coded_texts(texts: &StringViewArray) -> Option<Coded> {
    if texts.len() < FEW_ROWS {
        return None;
    }
    let most = (texts.len() / 4).min(MOST_VALUES);
    let mut seen: HashMap<Option<&str>, usize, ahash::RandomState> = HashMap::default();
    let mut distinct: Vec<Option<&str>> = Vec::new();
    let mut codes = Vec::with_capacity(texts.len());
    for text in texts {
        let code = *seen.entry(text).or_insert_with(|| {
            distinct.push(text);
            distinct.len() - 1
        });
        if code >= most {
            return None;
        }
        codes.push(code);
    }
    let count = distinct.len();
    Some(Coded {
        codes: Codes::new(codes.into_iter(), count),
        values: Arc::new(StringViewArray::from_iter(distinct)),
    })
}

fn coded_longs(values: &ArrayRef) -> Option<Coded> {
    let numbers = values.as_primitive_opt::<Int64Type>()?;
    let mut seen: HashMap<Option<i64>, usize, ahash::RandomState> = HashMap::default();
    let mut distinct: Vec<Option<i64>> = Vec::new();
    let mut codes = Vec::with_capacity(numbers.len());
    let mut last = None;
    for number in numbers {
        let code = match last {
            Some((before, code)) if before == number => code,
            _ => *seen.entry(number).or_insert_with(|| {
                distinct.push(number);
                distinct.len() - 1
            }),
        };
        if code >= MOST_VALUES {
            return None;
        }
        last = Some((number, code));
        codes.push(code);
    }
    let count = distinct.len();
    Some(Coded {
        codes: Codes::new(codes.into_iter(), count),
        values: Arc::new(Int64Array::from(distinct)),
    })
}
