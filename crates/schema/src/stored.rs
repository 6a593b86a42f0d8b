//! How each KQL type is kept in record batches and files: the one contract between decoders, lake and engine.
//!
//! | KQL | Arrow | note |
//! |---|---|---|
//! | bool | Boolean | |
//! | int, long, real | Int32, Int64, Float64 | |
//! | decimal | Decimal128(38, 18) | |
//! | string | Utf8View | never null: missing is `""` |
//! | datetime | Timestamp(µs, "UTC") | queries have 100 ns ticks, tables microseconds |
//! | timespan | Int64 | 100 ns ticks |
//! | guid | Utf8View | lower case with hyphens; null allowed |
//! | dynamic | Utf8View | compact JSON text; null is Arrow null, never the text `null` |

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema as ArrowSchema, SchemaRef, TimeUnit};
use taffrail_kql::Type;

use crate::TableDef;

/// Digits of a stored decimal.
pub const DECIMAL_PRECISION: u8 = 38;
/// Digits behind the point of a stored decimal.
pub const DECIMAL_SCALE: i8 = 18;

/// The Arrow type a KQL type is stored as.
pub fn stored_type(ty: Type) -> DataType {
    match ty {
        Type::Bool => DataType::Boolean,
        Type::Int => DataType::Int32,
        Type::Long | Type::TimeSpan => DataType::Int64,
        Type::Real => DataType::Float64,
        Type::Decimal => DataType::Decimal128(DECIMAL_PRECISION, DECIMAL_SCALE),
        Type::String | Type::Guid | Type::Dynamic => DataType::Utf8View,
        Type::DateTime => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
    }
}

/// The Arrow schema of a table's record batches. Every field is nullable, so that columns can be added later.
pub fn stored_schema(table: &TableDef) -> SchemaRef {
    let fields: Vec<Field> = table
        .columns
        .iter()
        .map(|column| Field::new(&column.name, stored_type(column.ty), true))
        .collect();
    Arc::new(ArrowSchema::new(fields))
}
