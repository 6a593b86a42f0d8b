//! From forms to events.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringViewBuilder};
use arrow::buffer::Buffer;
use arrow::error::ArrowError;

use super::{EventForm, FORM, Kind, Piece, Values, pieces};

/// Bytes of events in one block.
const BLOCK: usize = 8 << 20;

/// A piece whose column was found.
enum Known<'a> {
    Literal(&'a [u8]),
    /// With the column's place in the table
    Column(Kind, usize),
}

/// Puts events together from rows of their columns.
pub(crate) struct Unfold<'a> {
    form: &'a EventForm,
    values: Vec<Option<Values<'a>>>,
    known: HashMap<&'a [u8], Vec<Known<'a>>, ahash::RandomState>,
}

impl EventForm {
    /// The same rows with whole events.
    pub(crate) fn unfold(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let mut columns = batch.columns().to_vec();
        let Some(stored) = columns.get(self.column).cloned() else {
            return Ok(batch.clone());
        };
        let events = self.events(&stored, &|place| columns.get(place).cloned())?;
        if let Some(column) = columns.get_mut(self.column) {
            *column = events;
        }
        RecordBatch::try_new(batch.schema(), columns)
    }

    /// The columns of a batch that events may be put together from, for [`Unfold::new`].
    pub(crate) fn columns(&self, batch: &RecordBatch) -> Vec<Option<ArrayRef>> {
        self.sources
            .iter()
            .map(|source| batch.columns().get(source.column).cloned())
            .collect()
    }

    /// Whole events of stored ones; `column` gives the rows of a column by its place in the table.
    pub(crate) fn events(&self, stored: &ArrayRef, column: &dyn Fn(usize) -> Option<ArrayRef>) -> Result<ArrayRef, ArrowError> {
        let Some(texts) = stored.as_string_view_opt() else {
            return Ok(Arc::clone(stored));
        };
        let is_form = |row: usize| texts.is_valid(row) && super::text(texts, row).first() == Some(&FORM);
        if !(0..texts.len()).any(is_form) {
            return Ok(Arc::clone(stored));
        }
        let columns: Vec<Option<ArrayRef>> = self.sources.iter().map(|source| column(source.column)).collect();
        let mut unfold = Unfold::new(self, &columns);
        let mut builder = StringViewBuilder::with_capacity(texts.len());
        let mut block: Vec<u8> = Vec::new();
        let mut places: Vec<(u32, u32)> = Vec::new();
        for row in 0..texts.len() {
            let from = block.len();
            if texts.is_valid(row) {
                unfold.event(super::text(texts, row), row, &mut |part| block.extend_from_slice(part))?;
            }
            places.push((from as u32, (block.len() - from) as u32));
            if block.len() >= BLOCK {
                put(&mut builder, &mut block, &mut places)?;
            }
        }
        put(&mut builder, &mut block, &mut places)?;
        Ok(Arc::new(builder.finish()))
    }
}

fn put(builder: &mut StringViewBuilder, block: &mut Vec<u8>, places: &mut Vec<(u32, u32)>) -> Result<(), ArrowError> {
    let buffer = builder.append_block(Buffer::from_vec(std::mem::take(block)));
    for (offset, length) in places.drain(..) {
        builder.try_append_view(buffer, offset, length)?;
    }
    Ok(())
}

impl<'a> Unfold<'a> {
    /// Of rows with these columns, see [`EventForm::columns`].
    pub(crate) fn new(form: &'a EventForm, columns: &'a [Option<ArrayRef>]) -> Unfold<'a> {
        Unfold {
            form,
            values: columns.iter().map(|column| column.as_ref().and_then(Values::of)).collect(),
            known: HashMap::default(),
        }
    }

    /// Gives the parts of the event of a row, one after the other.
    pub(crate) fn event(&mut self, stored: &'a [u8], row: usize, give: &mut dyn FnMut(&[u8])) -> Result<(), ArrowError> {
        if stored.first() != Some(&FORM) {
            give(stored);
            return Ok(());
        }
        if !self.known.contains_key(stored) {
            let found = self.find(stored)?;
            self.known.insert(stored, found);
        }
        let Some(parts) = self.known.get(stored) else {
            return Ok(());
        };
        let mut scratch = Vec::new();
        for part in parts {
            match part {
                Known::Literal(text) => give(text),
                Known::Column(kind, place) => match (self.values.get(*place), kind) {
                    (Some(Some(Values::Text(values))), Kind::Verbatim) => give(super::text(values, row)),
                    (Some(Some(values)), kind) => {
                        scratch.clear();
                        values.render(row, *kind, &mut scratch);
                        give(&scratch);
                    }
                    _ => return Err(lost(self.form.sources.get(*place).map_or("", |source| &source.name))),
                },
            }
        }
        Ok(())
    }

    fn find(&self, stored: &'a [u8]) -> Result<Vec<Known<'a>>, ArrowError> {
        let pieces = pieces(stored).ok_or_else(|| {
            ArrowError::ParseError("an event is stored in a form that this version does not know; a later one wrote it".to_owned())
        })?;
        pieces
            .into_iter()
            .map(|piece| match piece {
                Piece::Literal(text) => Ok(Known::Literal(text)),
                Piece::Column(kind, name) => {
                    let place = self.form.sources.iter().position(|source| source.name == name);
                    place.map(|place| Known::Column(kind, place)).ok_or_else(|| lost(name))
                }
            })
            .collect()
    }
}

fn lost(column: &str) -> ArrowError {
    ArrowError::SchemaError(format!(
        "events are stored without what the column {column} has, and the table has no such column any more; define it again"
    ))
}
