//! Rows of a table in the making: values are set by column, what is not set becomes the type's missing value, and full
//! batches are cut off on the way, so that a large body does not become one huge batch.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Decimal128Builder, Float64Builder, Int32Builder, Int64Builder, RecordBatch, StringViewBuilder,
    TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use taffrail_kql::Type;
use taffrail_schema::{DECIMAL_PRECISION, DECIMAL_SCALE, TableDef, stored_schema};

/// Rows after which a batch is cut off.
const BATCH_ROWS: usize = 16 * 1024;
/// Bytes of text after which a batch is cut off.
const BATCH_BYTES: usize = 64 << 20;

/// Place of a column in a table; of one that the table does not have, values are dropped.
#[derive(Debug, Clone, Copy)]
pub struct Slot(Option<usize>);

enum Builder {
    Bool(BooleanBuilder),
    Int(Int32Builder),
    Long(Int64Builder),
    Real(Float64Builder),
    Decimal(Decimal128Builder),
    /// `string`: missing is `""`
    Text(StringViewBuilder),
    /// `dynamic` and `guid`: missing is null
    Nullable(StringViewBuilder),
    Time(TimestampMicrosecondBuilder),
}

/// A column in the making. Rows that have no value for it are added when the next one has, all at once: most columns of most rows
/// have none.
struct Column {
    builder: Builder,
    length: usize,
}

impl Column {
    fn new(ty: Type, data_type: &DataType) -> Column {
        let builder = match ty {
            Type::Bool => Builder::Bool(BooleanBuilder::new()),
            Type::Int => Builder::Int(Int32Builder::new()),
            Type::Long | Type::TimeSpan => Builder::Long(Int64Builder::new()),
            Type::Real => Builder::Real(Float64Builder::new()),
            Type::Decimal => {
                Builder::Decimal(Decimal128Builder::new().with_data_type(DataType::Decimal128(DECIMAL_PRECISION, DECIMAL_SCALE)))
            }
            Type::String => Builder::Text(StringViewBuilder::new()),
            Type::Guid | Type::Dynamic => Builder::Nullable(StringViewBuilder::new()),
            Type::DateTime => Builder::Time(TimestampMicrosecondBuilder::new().with_data_type(data_type.clone())),
        };
        Column { builder, length: 0 }
    }

    /// Adds missing values up to a length.
    fn pad(&mut self, length: usize) {
        let missing = length.saturating_sub(self.length);
        if missing == 0 {
            return;
        }
        match &mut self.builder {
            Builder::Bool(builder) => builder.append_nulls(missing),
            Builder::Int(builder) => builder.append_nulls(missing),
            Builder::Long(builder) => builder.append_nulls(missing),
            Builder::Real(builder) => builder.append_nulls(missing),
            Builder::Decimal(builder) => builder.append_nulls(missing),
            Builder::Text(builder) => (0..missing).for_each(|_| builder.append_value("")),
            Builder::Nullable(builder) => (0..missing).for_each(|_| builder.append_null()),
            Builder::Time(builder) => builder.append_nulls(missing),
        }
        self.length = length;
    }

    fn finish(&mut self) -> ArrayRef {
        self.length = 0;
        match &mut self.builder {
            Builder::Bool(builder) => Arc::new(builder.finish()),
            Builder::Int(builder) => Arc::new(builder.finish()),
            Builder::Long(builder) => Arc::new(builder.finish()),
            Builder::Real(builder) => Arc::new(builder.finish()),
            Builder::Decimal(builder) => Arc::new(builder.finish()),
            Builder::Text(builder) | Builder::Nullable(builder) => Arc::new(builder.finish()),
            Builder::Time(builder) => Arc::new(builder.finish()),
        }
    }
}

/// Builder of record batches in the stored form of a table.
///
/// Set each column at most once a row, then call [`Rows::end_row`]. A value of another type than the column's is dropped.
pub struct Rows {
    schema: SchemaRef,
    names: Vec<String>,
    columns: Vec<Column>,
    rows: usize,
    bytes: usize,
    full: Vec<RecordBatch>,
}

impl Rows {
    /// No rows yet.
    pub fn new(table: &TableDef) -> Rows {
        let schema = stored_schema(table);
        let columns = table
            .columns
            .iter()
            .zip(schema.fields())
            .map(|(column, field)| Column::new(column.ty, field.data_type()))
            .collect();
        Rows {
            schema,
            names: table.columns.iter().map(|column| column.name.clone()).collect(),
            columns,
            rows: 0,
            bytes: 0,
            full: Vec::new(),
        }
    }

    /// Where a column is.
    pub fn slot(&self, name: &str) -> Slot {
        Slot(self.names.iter().position(|column| column == name))
    }

    /// The column, with missing values for the rows before that had none; nothing when this row has one already: a second would
    /// shift every row behind it.
    fn column(&mut self, slot: Slot) -> Option<&mut Column> {
        let column = self.columns.get_mut(slot.0?)?;
        if column.length > self.rows {
            return None;
        }
        column.pad(self.rows);
        Some(column)
    }

    /// Sets a string, dynamic (JSON text) or guid.
    pub fn text(&mut self, slot: Slot, value: &str) {
        self.bytes += value.len();
        if let Some(column) = self.column(slot)
            && let Builder::Text(builder) | Builder::Nullable(builder) = &mut column.builder
        {
            builder.append_value(value);
            column.length += 1;
        }
    }

    /// Sets a datetime, in microseconds since 1970.
    pub fn time(&mut self, slot: Slot, microseconds: i64) {
        if let Some(column) = self.column(slot)
            && let Builder::Time(builder) = &mut column.builder
        {
            builder.append_value(microseconds);
            column.length += 1;
        }
    }

    /// Sets an int or long; a long that does not fit an int column is dropped.
    pub fn number(&mut self, slot: Slot, value: i64) {
        let Some(column) = self.column(slot) else { return };
        match &mut column.builder {
            Builder::Long(builder) => builder.append_value(value),
            Builder::Int(builder) => builder.append_option(i32::try_from(value).ok()),
            Builder::Real(builder) => builder.append_value(value as f64),
            _ => return,
        }
        column.length += 1;
    }

    /// Sets a real.
    pub fn real(&mut self, slot: Slot, value: f64) {
        if let Some(column) = self.column(slot)
            && let Builder::Real(builder) = &mut column.builder
        {
            builder.append_value(value);
            column.length += 1;
        }
    }

    /// Sets a bool.
    pub fn flag(&mut self, slot: Slot, value: bool) {
        if let Some(column) = self.column(slot)
            && let Builder::Bool(builder) = &mut column.builder
        {
            builder.append_value(value);
            column.length += 1;
        }
    }

    /// Ends the row: columns not set get their missing value.
    ///
    /// # Errors
    /// When Arrow refuses a batch, which would be a fault here and not in the input.
    pub fn end_row(&mut self) -> Result<(), ArrowError> {
        self.rows += 1;
        if self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES {
            self.cut()?;
        }
        Ok(())
    }

    fn cut(&mut self) -> Result<(), ArrowError> {
        if self.rows == 0 {
            return Ok(());
        }
        let rows = self.rows;
        let arrays = self
            .columns
            .iter_mut()
            .map(|column| {
                column.pad(rows);
                column.finish()
            })
            .collect();
        self.full.push(RecordBatch::try_new(Arc::clone(&self.schema), arrays)?);
        self.rows = 0;
        self.bytes = 0;
        Ok(())
    }

    /// The batches; none when there was no row.
    ///
    /// # Errors
    /// As [`Rows::end_row`].
    pub fn finish(mut self) -> Result<Vec<RecordBatch>, ArrowError> {
        self.cut()?;
        Ok(self.full)
    }
}
