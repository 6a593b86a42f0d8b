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

enum Column {
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

impl Column {
    fn new(ty: Type, data_type: &DataType) -> Column {
        match ty {
            Type::Bool => Column::Bool(BooleanBuilder::new()),
            Type::Int => Column::Int(Int32Builder::new()),
            Type::Long | Type::TimeSpan => Column::Long(Int64Builder::new()),
            Type::Real => Column::Real(Float64Builder::new()),
            Type::Decimal => {
                Column::Decimal(Decimal128Builder::new().with_data_type(DataType::Decimal128(DECIMAL_PRECISION, DECIMAL_SCALE)))
            }
            Type::String => Column::Text(StringViewBuilder::new()),
            Type::Guid | Type::Dynamic => Column::Nullable(StringViewBuilder::new()),
            Type::DateTime => Column::Time(TimestampMicrosecondBuilder::new().with_data_type(data_type.clone())),
        }
    }

    fn len(&self) -> usize {
        use arrow::array::ArrayBuilder;
        match self {
            Column::Bool(builder) => builder.len(),
            Column::Int(builder) => builder.len(),
            Column::Long(builder) => builder.len(),
            Column::Real(builder) => builder.len(),
            Column::Decimal(builder) => builder.len(),
            Column::Text(builder) | Column::Nullable(builder) => builder.len(),
            Column::Time(builder) => builder.len(),
        }
    }

    fn append_missing(&mut self) {
        match self {
            Column::Bool(builder) => builder.append_null(),
            Column::Int(builder) => builder.append_null(),
            Column::Long(builder) => builder.append_null(),
            Column::Real(builder) => builder.append_null(),
            Column::Decimal(builder) => builder.append_null(),
            Column::Text(builder) => builder.append_value(""),
            Column::Nullable(builder) => builder.append_null(),
            Column::Time(builder) => builder.append_null(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Column::Bool(builder) => Arc::new(builder.finish()),
            Column::Int(builder) => Arc::new(builder.finish()),
            Column::Long(builder) => Arc::new(builder.finish()),
            Column::Real(builder) => Arc::new(builder.finish()),
            Column::Decimal(builder) => Arc::new(builder.finish()),
            Column::Text(builder) | Column::Nullable(builder) => Arc::new(builder.finish()),
            Column::Time(builder) => Arc::new(builder.finish()),
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

    fn column(&mut self, slot: Slot) -> Option<&mut Column> {
        let rows = self.rows;
        let column = self.columns.get_mut(slot.0?)?;
        // A second value in the same row would shift every row behind it.
        (column.len() == rows).then_some(column)
    }

    /// Sets a string, dynamic (JSON text) or guid.
    pub fn text(&mut self, slot: Slot, value: &str) {
        self.bytes += value.len();
        if let Some(Column::Text(builder) | Column::Nullable(builder)) = self.column(slot) {
            builder.append_value(value);
        }
    }

    /// Sets a datetime, in microseconds since 1970.
    pub fn time(&mut self, slot: Slot, microseconds: i64) {
        if let Some(Column::Time(builder)) = self.column(slot) {
            builder.append_value(microseconds);
        }
    }

    /// Sets an int or long; a long that does not fit an int column is dropped.
    pub fn number(&mut self, slot: Slot, value: i64) {
        match self.column(slot) {
            Some(Column::Long(builder)) => builder.append_value(value),
            Some(Column::Int(builder)) => builder.append_option(i32::try_from(value).ok()),
            Some(Column::Real(builder)) => builder.append_value(value as f64),
            _ => {}
        }
    }

    /// Sets a real.
    pub fn real(&mut self, slot: Slot, value: f64) {
        if let Some(Column::Real(builder)) = self.column(slot) {
            builder.append_value(value);
        }
    }

    /// Sets a bool.
    pub fn flag(&mut self, slot: Slot, value: bool) {
        if let Some(Column::Bool(builder)) = self.column(slot) {
            builder.append_value(value);
        }
    }

    /// Ends the row: columns not set get their missing value.
    ///
    /// # Errors
    /// When Arrow refuses a batch, which would be a fault here and not in the input.
    pub fn end_row(&mut self) -> Result<(), ArrowError> {
        self.rows += 1;
        for column in &mut self.columns {
            if column.len() < self.rows {
                column.append_missing();
            }
        }
        if self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES {
            self.cut()?;
        }
        Ok(())
    }

    fn cut(&mut self) -> Result<(), ArrowError> {
        if self.rows == 0 {
            return Ok(());
        }
        let arrays = self.columns.iter_mut().map(Column::finish).collect();
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
