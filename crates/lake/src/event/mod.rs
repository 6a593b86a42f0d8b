//! Whole events without storing them twice.
//!
//! A table with an `event` column keeps most of each event in other columns already: the lake stores the rest of it, its *form*, and
//! puts the event together again, byte for byte, when a query asks for it. Above the lake nobody notices.
//!
//! A stored value that begins with `0x01` is a form; any other is the event itself, as files written before have it. A form is
//! the event's text in which parts are replaced by references to columns of the same row:
//!
//! | bytes | stand for |
//! |---|---|
//! | `0x02 NAME 0x1F` | the column's value as it is: text without its quotes, JSON text of a dynamic, digits of a number, `true`/`false` |
//! | `0x03 NAME 0x1F` | text with the escapes that Go's `encoding/json` writes (`\u003c` `\u003e` `\u0026` among them) |
//! | `0x04 DIGIT NAME 0x1F` | a datetime in UTC, RFC 3339, with so many digits behind the point |
//! | `0x05 NAME 0x1F` | the same with as many digits as are needed |
//! | `0x06` as second byte | everything behind it is the event, as it is |
//!
//! The references need no other table or file, so rows can be sorted, merged and moved freely. JSON text has no such control
//! characters, and a form is only stored when it gives the event back, which is how it is made: by comparing.

mod fold;
mod render;
mod unfold;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int32Array, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use arrow::error::ArrowError;
use taffrail_kql::Type;
use taffrail_schema::{RECEIVED, Step, TableDef};

pub(crate) use unfold::Unfold;

pub(crate) const FORM: u8 = 0x01;
const VERBATIM: u8 = 0x02;
const ESCAPED: u8 = 0x03;
const TIME_DIGITS: u8 = 0x04;
const TIME_SHORTEST: u8 = 0x05;
const AS_IT_IS: u8 = 0x06;
const END: u8 = 0x1F;

/// Most columns that forms refer to.
const MOST_SOURCES: usize = 64;

/// How a reference becomes text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Verbatim,
    Escaped,
    /// With so many digits behind the point
    Time(u8),
    TimeShortest,
}

/// Part of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    Literal(&'a [u8]),
    Column(Kind, &'a str),
}

/// Splits a stored value; `None` when it is no form, or one that this version does not know.
pub(crate) fn pieces(stored: &[u8]) -> Option<Vec<Piece<'_>>> {
    let mut rest = stored.strip_prefix(&[FORM])?;
    if let Some(event) = rest.strip_prefix(&[AS_IT_IS]) {
        return Some(vec![Piece::Literal(event)]);
    }
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let length = rest
            .iter()
            .position(|byte| matches!(*byte, VERBATIM..=TIME_SHORTEST))
            .unwrap_or(rest.len());
        let (literal, reference) = rest.split_at(length);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        let Some((mark, behind)) = reference.split_first() else {
            break;
        };
        let (kind, behind) = match *mark {
            VERBATIM => (Kind::Verbatim, behind),
            ESCAPED => (Kind::Escaped, behind),
            TIME_SHORTEST => (Kind::TimeShortest, behind),
            _ => {
                let (digits, behind) = behind.split_first()?;
                (Kind::Time(digits.checked_sub(b'0').filter(|digits| *digits <= 6)?), behind)
            }
        };
        let end = behind.iter().position(|byte| *byte == END)?;
        let name = std::str::from_utf8(behind.get(..end)?).ok()?;
        pieces.push(Piece::Column(kind, name));
        rest = behind.get(end + 1..)?;
    }
    Some(pieces)
}

/// A column that forms refer to.
#[derive(Debug, Clone)]
struct Source {
    column: usize,
    name: String,
    path: Vec<String>,
    ty: Type,
}

/// How a table keeps its events.
#[derive(Debug, Clone)]
pub(crate) struct EventForm {
    /// Place of the event column
    pub(crate) column: usize,
    /// Columns that forms may refer to; new forms refer to the first of them
    sources: Vec<Source>,
    /// So many of them
    current: usize,
}

impl EventForm {
    /// Of a table; `None` when it has no event column.
    pub(crate) fn of(table: &TableDef) -> Option<EventForm> {
        let event = table.event.as_deref()?;
        let column = table
            .columns
            .iter()
            .position(|column| column.name == event && column.ty == Type::String)?;
        let keys = |path: &[Step]| -> Option<Vec<String>> {
            path.iter()
                .map(|step| match step {
                    Step::Key(key) => Some(key.clone()),
                    Step::Index(_) => None,
                })
                .collect()
        };
        let sources: Vec<Source> = table
            .columns
            .iter()
            .enumerate()
            .filter(|(place, known)| *place != column && known.name != RECEIVED && !known.name.bytes().any(|byte| byte < 0x20))
            .filter_map(|(place, known)| {
                let fits = match known.ty {
                    Type::DateTime => true,
                    Type::String | Type::Dynamic | Type::Int | Type::Long | Type::Bool => !known.path.is_empty(),
                    _ => false,
                };
                fits.then_some(Source {
                    column: place,
                    name: known.name.clone(),
                    path: keys(&known.path)?,
                    ty: known.ty,
                })
            })
            .collect();
        // What lies inside of a dynamic column comes with that.
        let is_inside = |source: &Source| {
            sources
                .iter()
                .any(|whole| whole.ty == Type::Dynamic && whole.path.len() < source.path.len() && source.path.starts_with(&whole.path))
        };
        let (inside, mut outside): (Vec<Source>, Vec<Source>) = sources.iter().cloned().partition(is_inside);
        let current = outside.len().min(MOST_SOURCES);
        outside.extend(inside);
        Some(EventForm {
            column,
            sources: outside,
            current,
        })
    }

    /// Columns that putting these events together takes; all that there may be without them.
    pub(crate) fn needs(&self, stored: Option<&ArrayRef>) -> Vec<usize> {
        let Some(texts) = stored.and_then(|stored| stored.as_string_view_opt()) else {
            return self.sources.iter().map(|source| source.column).collect();
        };
        let mut needed = BTreeSet::new();
        let mut before: &[u8] = b"";
        for row in 0..texts.len() {
            let form = text(texts, row);
            if form == before {
                continue;
            }
            before = form;
            for piece in pieces(form).unwrap_or_default() {
                if let Piece::Column(_, name) = piece {
                    needed.extend(self.sources.iter().find(|source| source.name == name).map(|source| source.column));
                }
            }
        }
        needed.into_iter().collect()
    }
}

/// Whole events of rows that have the columns their forms refer to, whatever the table has.
pub(crate) fn by_name(stored: &ArrayRef, batch: &RecordBatch) -> Result<ArrayRef, ArrowError> {
    let schema = batch.schema();
    let sources: Vec<Source> = schema
        .fields()
        .iter()
        .enumerate()
        .map(|(column, field)| Source {
            column,
            name: field.name().clone(),
            path: Vec::new(),
            ty: Type::Dynamic,
        })
        .collect();
    let form = EventForm {
        column: 0,
        current: 0,
        sources,
    };
    form.events(stored, &|place| batch.columns().get(place).cloned())
}

/// A column's values.
enum Values<'a> {
    Text(&'a StringViewArray),
    Time(&'a TimestampMicrosecondArray),
    Int(&'a Int32Array),
    Long(&'a Int64Array),
    Bool(&'a BooleanArray),
}

impl<'a> Values<'a> {
    fn of(array: &'a ArrayRef) -> Option<Values<'a>> {
        Some(match array.data_type() {
            DataType::Utf8View => Values::Text(array.as_string_view_opt()?),
            DataType::Timestamp(TimeUnit::Microsecond, _) => Values::Time(array.as_primitive_opt::<TimestampMicrosecondType>()?),
            DataType::Int32 => Values::Int(array.as_primitive_opt::<Int32Type>()?),
            DataType::Int64 => Values::Long(array.as_primitive_opt::<Int64Type>()?),
            DataType::Boolean => Values::Bool(array.as_boolean_opt()?),
            _ => return None,
        })
    }

    /// Whether the row has a value that can stand in an event.
    fn is_there(&self, row: usize) -> bool {
        match self {
            Values::Text(values) => values.is_valid(row) && !values.value(row).is_empty(),
            Values::Time(values) => values.is_valid(row),
            Values::Int(values) => values.is_valid(row),
            Values::Long(values) => values.is_valid(row),
            Values::Bool(values) => values.is_valid(row),
        }
    }

    /// Appends the value as a reference of that kind gives it. False when there is none of that kind.
    fn render(&self, row: usize, kind: Kind, out: &mut Vec<u8>) -> bool {
        if !self.is_there(row) {
            return false;
        }
        match (self, kind) {
            (Values::Text(values), Kind::Verbatim) => out.extend_from_slice(text(values, row)),
            (Values::Text(values), Kind::Escaped) => render::escaped(text(values, row), out),
            (Values::Time(values), Kind::Time(digits)) => return render::time(values.value(row), Some(digits), out),
            (Values::Time(values), Kind::TimeShortest) => return render::time(values.value(row), None, out),
            (Values::Int(values), Kind::Verbatim) => out.extend_from_slice(values.value(row).to_string().as_bytes()),
            (Values::Long(values), Kind::Verbatim) => out.extend_from_slice(values.value(row).to_string().as_bytes()),
            (Values::Bool(values), Kind::Verbatim) => out.extend_from_slice(if values.value(row) { b"true" } else { b"false" }),
            _ => return false,
        }
        true
    }
}

fn text(values: &StringViewArray, row: usize) -> &[u8] {
    AsRef::<[u8]>::as_ref(values.value(row))
}
