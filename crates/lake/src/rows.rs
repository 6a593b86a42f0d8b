//! Rows as the lake keeps them: every batch has exactly the columns of its table, in stored form, strings never null.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, StringViewArray, StringViewBuilder, new_null_array};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use taffrail_kql::Type;
use taffrail_schema::{TIME, TableDef, stored_type};

use crate::error::LakeError;
use crate::event::by_name;

/// A column of text in more pieces than this is copied together.
const MOST_BUFFERS: usize = 64;

/// View arrays that hold more than twice the bytes they show (slices, filtered rows) are copied together.
pub(crate) fn compact(batch: RecordBatch) -> RecordBatch {
    let columns: Vec<ArrayRef> = batch.columns().iter().map(compact_column).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(batch.schema(), columns, &options).unwrap_or(batch)
}

/// Two batches of one table as one that holds nothing else; `None` when that cannot be done.
pub(crate) fn merge(first: &RecordBatch, second: &RecordBatch) -> Option<RecordBatch> {
    let merged = concat_batches(&first.schema(), [first, second]).ok()?;
    let columns = merged.columns().iter().map(|column| match column.as_string_view_opt() {
        // Rows that share their text would get a copy each.
        Some(view) if held(view) > view.total_buffer_bytes_used() || view.data_buffers().len() > MOST_BUFFERS => Arc::new(view.gc()),
        _ => Arc::clone(column),
    });
    RecordBatch::try_new(merged.schema(), columns.collect()).ok()
}

/// The same rows without the room that builders left for more: it is memory until the rows are in a file.
pub(crate) fn shrink(batch: RecordBatch) -> Result<RecordBatch, ArrowError> {
    let (schema, mut columns, rows) = batch.into_parts();
    for column in &mut columns {
        if let Some(column) = Arc::get_mut(column) {
            column.shrink_to_fit();
        }
    }
    RecordBatch::try_new_with_options(schema, columns, &RecordBatchOptions::new().with_row_count(Some(rows)))
}

/// Bytes that a column of text keeps in memory.
fn held(view: &StringViewArray) -> usize {
    view.data_buffers().iter().map(|buffer| buffer.len()).sum()
}

fn compact_column(column: &ArrayRef) -> ArrayRef {
    let Some(view) = column.as_string_view_opt() else {
        return Arc::clone(column);
    };
    let held = held(view);
    if held > 4096 && held / 2 > view.total_buffer_bytes_used() {
        Arc::new(view.gc())
    } else {
        Arc::clone(column)
    }
}

/// Checks an append: the columns of the table, by name and in order. Kinds of strings are converted. Of a table that `changes` some
/// may be missing; they are empty then.
pub(crate) fn accept(table: &TableDef, schema: &SchemaRef, batch: &RecordBatch, changes: bool) -> Result<RecordBatch, LakeError> {
    let refuse = |message: String| LakeError::Batch {
        table: table.name.clone(),
        message,
    };
    let same = batch.num_columns() == table.columns.len()
        && table
            .columns
            .iter()
            .zip(batch.schema().fields())
            .all(|(column, field)| column.name == *field.name());
    if !same && !changes {
        if batch.num_columns() != table.columns.len() {
            return Err(refuse(format!(
                "{} columns, the table has {}",
                batch.num_columns(),
                table.columns.len()
            )));
        }
        let schema_of = batch.schema();
        let mut pairs = table.columns.iter().zip(schema_of.fields());
        let other = pairs.find(|(column, field)| column.name != *field.name());
        return Err(refuse(other.map_or_else(String::new, |(column, field)| {
            format!("column {} where the table has {}", field.name(), column.name)
        })));
    }
    if !same {
        // Rows made under a definition that had fewer columns, or had them in another order: the table was changed meanwhile.
        let schema_of = batch.schema();
        let stranger = schema_of.fields().iter().find(|field| table.column(field.name()).is_none());
        return match stranger {
            Some(field) => Err(refuse(format!("a column {}, which the table does not have", field.name()))),
            None if batch.column_by_name(TIME).is_none() => Err(refuse(format!("no column {TIME}"))),
            None => adapt(table, schema, batch),
        };
    }
    let mut columns = Vec::with_capacity(table.columns.len());
    for (definition, column) in table.columns.iter().zip(batch.columns()) {
        columns.push(stored(table, &definition.name, definition.ty, column)?);
    }
    build(table, schema, columns, batch.num_rows())
}

/// Fits rows written under an earlier definition of the table: columns by name, new ones empty, dropped ones left out.
pub(crate) fn adapt(table: &TableDef, schema: &SchemaRef, batch: &RecordBatch) -> Result<RecordBatch, LakeError> {
    // An event may be kept in a column that the table has no more: it is put together while that is there.
    let gone = batch
        .schema()
        .fields()
        .iter()
        .any(|field| schema.column_with_name(field.name()).is_none());
    let whole = match table
        .event
        .as_deref()
        .filter(|_| gone)
        .and_then(|event| batch.column_by_name(event))
    {
        Some(stored) => Some(by_name(stored, batch).map_err(LakeError::arrow(&table.name))?),
        None => None,
    };
    let mut columns = Vec::with_capacity(table.columns.len());
    for definition in &table.columns {
        let event = whole.as_ref().filter(|_| table.event.as_ref() == Some(&definition.name));
        columns.push(match event.or(batch.column_by_name(&definition.name)) {
            Some(column) => stored(table, &definition.name, definition.ty, column)?,
            None => missing(definition.ty, batch.num_rows()),
        });
    }
    build(table, schema, columns, batch.num_rows())
}

fn build(table: &TableDef, schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, LakeError> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).map_err(LakeError::arrow(&table.name))
}

/// A column that a row does not have: `''` for strings, null for all else.
pub(crate) fn missing(ty: Type, rows: usize) -> ArrayRef {
    if ty == Type::String {
        Arc::new(StringViewArray::from_iter_values(std::iter::repeat_n("", rows)))
    } else {
        new_null_array(&stored_type(ty), rows)
    }
}

/// A column in stored form.
pub(crate) fn stored(table: &TableDef, name: &str, ty: Type, column: &ArrayRef) -> Result<ArrayRef, LakeError> {
    let wanted = stored_type(ty);
    let column = if *column.data_type() == wanted {
        Arc::clone(column)
    } else if wanted == DataType::Utf8View && matches!(column.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Null) {
        cast(column, &wanted).map_err(LakeError::arrow(&table.name))?
    } else {
        return Err(LakeError::Batch {
            table: table.name.clone(),
            message: format!("column {name} ({ty}) must be {wanted}, not {}", column.data_type()),
        });
    };
    if ty == Type::String
        && column.null_count() > 0
        && let Some(view) = column.as_string_view_opt()
    {
        let mut filled = StringViewBuilder::with_capacity(view.len());
        for value in view {
            filled.append_value(value.unwrap_or_default());
        }
        return Ok(Arc::new(filled.finish()));
    }
    Ok(compact_column(&column))
}
