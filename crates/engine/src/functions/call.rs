//! What a kernel sees: typed columns whose constants stay constants, and builders for its result.
//!
//! A kernel is written once over rows; whether an argument is an array or a constant is decided here, so that a
//! constant pattern is prepared once and a call over constants alone is one row of work.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Decimal256Array, Float64Array, Int32Array, Int64Array, StringViewBuilder};
use arrow::datatypes::{DataType, Decimal256Type, Float64Type, Int32Type, Int64Type, i256};
use datafusion::common::{DataFusionError, Result, ScalarValue, exec_datafusion_err};
use datafusion::logical_expr::ColumnarValue;
use taffrail_kql::types::Type;

use super::decimal;

/// A row-wise or vectorised implementation.
pub type Kernel = fn(&Call<'_>) -> Result<ArrayRef>;

/// One call over a batch.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The function's name, for messages
    pub name: &'a str,
    /// Arguments
    pub args: &'a [ColumnarValue],
    /// Their KQL types
    pub types: &'a [Type],
    /// The KQL type of the result
    pub returns: Type,
    /// Rows to produce: one when every argument is constant
    pub rows: usize,
}

impl<'a> Call<'a> {
    /// How many arguments there are.
    pub fn count(&self) -> usize {
        self.args.len()
    }

    /// The argument's KQL type.
    pub fn ty(&self, index: usize) -> Type {
        self.types.get(index).copied().unwrap_or(Type::Dynamic)
    }

    fn arg(&self, index: usize) -> Result<&'a ColumnarValue> {
        self.args
            .get(index)
            .ok_or_else(|| exec_datafusion_err!("{}: argument {} is missing", self.name, index + 1))
    }

    /// A `string`, `guid` or `dynamic` (its JSON) argument.
    pub fn text(&self, index: usize) -> Result<Text<'a>> {
        let never_null = self.ty(index) == Type::String;
        Text::new(self.arg(index)?, never_null)
    }

    /// A text argument that may be left out.
    pub fn optional_text(&self, index: usize, default: &'a str) -> Result<Text<'a>> {
        if index < self.count() {
            self.text(index)
        } else {
            Ok(Text {
                column: TextColumn::Constant(Some(default)),
                never_null: true,
            })
        }
    }

    /// An `int`, `long`, `datetime`, `timespan` or `bool` (0, 1) argument.
    pub fn long(&self, index: usize) -> Result<Longs<'a>> {
        Longs::new(self.arg(index)?)
    }

    /// A whole number that may be left out.
    pub fn optional_long(&self, index: usize, default: i64) -> Result<Longs<'a>> {
        if index < self.count() {
            self.long(index)
        } else {
            Ok(Longs::Constant(Some(default)))
        }
    }

    /// Any number as `real`.
    pub fn real(&self, index: usize) -> Result<Reals<'a>> {
        Reals::new(self.arg(index)?)
    }

    /// A `bool` argument.
    pub fn bool(&self, index: usize) -> Result<Bools<'a>> {
        Bools::new(self.arg(index)?)
    }

    /// A `bool` that may be left out.
    pub fn optional_bool(&self, index: usize, default: bool) -> Result<Bools<'a>> {
        if index < self.count() {
            self.bool(index)
        } else {
            Ok(Bools::Constant(Some(default)))
        }
    }

    /// An argument of any type.
    pub fn value(&self, index: usize) -> Result<Values<'a>> {
        Values::new(self.arg(index)?, self.ty(index))
    }

    /// All arguments from `first` on, of any type.
    pub fn values(&self, first: usize) -> Result<Vec<Values<'a>>> {
        (first..self.count()).map(|index| self.value(index)).collect()
    }

    /// A result of `int`, `long`, `datetime` or `timespan`.
    pub fn longs(&self, mut row: impl FnMut(usize) -> Option<i64>) -> Result<ArrayRef> {
        if self.returns == Type::Int {
            let values: Int32Array = (0..self.rows).map(|i| row(i).map(|v| v as i32)).collect();
            return Ok(Arc::new(values));
        }
        let values: Int64Array = (0..self.rows).map(&mut row).collect();
        Ok(Arc::new(values))
    }

    /// A `real` result.
    pub fn reals(&self, row: impl FnMut(usize) -> Option<f64>) -> Result<ArrayRef> {
        let values: Float64Array = (0..self.rows).map(row).collect();
        Ok(Arc::new(values))
    }

    /// A `bool` result.
    pub fn bools(&self, row: impl FnMut(usize) -> Option<bool>) -> Result<ArrayRef> {
        let values: BooleanArray = (0..self.rows).map(row).collect();
        Ok(Arc::new(values))
    }

    /// A `decimal` result.
    pub fn decimals(&self, row: impl FnMut(usize) -> Option<i256>) -> Result<ArrayRef> {
        let values: Decimal256Array = (0..self.rows).map(row).collect();
        Ok(Arc::new(values.with_precision_and_scale(decimal::PRECISION, decimal::SCALE)?))
    }

    /// A `string`, `guid` or `dynamic` result: `row` writes into the buffer; `None` is null (of `string`: empty).
    pub fn texts(&self, mut row: impl FnMut(usize, &mut String) -> Option<()>) -> Result<ArrayRef> {
        let mut out = StringViewBuilder::with_capacity(self.rows);
        let mut buffer = String::new();
        for i in 0..self.rows {
            buffer.clear();
            match row(i, &mut buffer) {
                Some(()) => out.append_value(&buffer),
                None if self.returns == Type::String => out.append_value(""),
                None => out.append_null(),
            }
        }
        Ok(Arc::new(out.finish()))
    }

    /// A text result that is a part of something that already exists.
    pub fn slices<'s>(&self, mut row: impl FnMut(usize) -> Option<&'s str>) -> Result<ArrayRef> {
        let mut out = StringViewBuilder::with_capacity(self.rows);
        for i in 0..self.rows {
            match row(i) {
                Some(text) => out.append_value(text),
                None if self.returns == Type::String => out.append_value(""),
                None => out.append_null(),
            }
        }
        Ok(Arc::new(out.finish()))
    }

    /// An error of this call.
    pub fn error(&self, message: impl std::fmt::Display) -> DataFusionError {
        exec_datafusion_err!("{}: {message}", self.name)
    }
}

fn unexpected(value: &ColumnarValue, wanted: &str) -> DataFusionError {
    exec_datafusion_err!("expected {wanted}, got an array of {}", value.data_type())
}

#[derive(Debug, Clone, Copy)]
enum TextColumn<'a> {
    Constant(Option<&'a str>),
    Utf8(&'a arrow::array::StringArray),
    Large(&'a arrow::array::LargeStringArray),
    View(&'a arrow::array::StringViewArray),
}

/// A column of text.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a> {
    column: TextColumn<'a>,
    never_null: bool,
}

impl<'a> Text<'a> {
    fn new(value: &'a ColumnarValue, never_null: bool) -> Result<Text<'a>> {
        let column = match value {
            ColumnarValue::Array(array) => return Text::of_array(array.as_ref(), never_null),
            ColumnarValue::Scalar(ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text)) => {
                TextColumn::Constant(text.as_deref())
            }
            ColumnarValue::Scalar(scalar) if scalar.is_null() => TextColumn::Constant(None),
            other => return Err(unexpected(other, "text")),
        };
        Ok(Text { column, never_null })
    }

    /// Over an array of any string type.
    pub fn of_array(array: &'a dyn Array, never_null: bool) -> Result<Text<'a>> {
        let column = match array.data_type() {
            DataType::Utf8 => TextColumn::Utf8(array.as_string()),
            DataType::LargeUtf8 => TextColumn::Large(array.as_string()),
            DataType::Utf8View => TextColumn::View(array.as_string_view()),
            DataType::Null => TextColumn::Constant(None),
            other => return Err(exec_datafusion_err!("expected text, got an array of {other}")),
        };
        Ok(Text { column, never_null })
    }

    /// The text of a row; `None` is null, which a `string` never is.
    #[inline]
    pub fn get(&self, row: usize) -> Option<&'a str> {
        let value = match self.column {
            TextColumn::Constant(text) => text,
            TextColumn::Utf8(array) => array.is_valid(row).then(|| array.value(row)),
            TextColumn::Large(array) => array.is_valid(row).then(|| array.value(row)),
            TextColumn::View(array) => array.is_valid(row).then(|| array.value(row)),
        };
        if value.is_none() && self.never_null { Some("") } else { value }
    }

    /// The text, when it is one constant.
    pub fn constant(&self) -> Option<&'a str> {
        match self.column {
            TextColumn::Constant(text) => text.or(self.never_null.then_some("")),
            _ => None,
        }
    }

    /// Whether it is a constant (null included).
    pub fn is_constant(&self) -> bool {
        matches!(self.column, TextColumn::Constant(_))
    }
}

/// A column of whole numbers.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs, reason = "the variants are the representations")]
pub enum Longs<'a> {
    Constant(Option<i64>),
    Int(&'a Int32Array),
    Long(&'a Int64Array),
    Bool(&'a BooleanArray),
}

impl<'a> Longs<'a> {
    fn new(value: &'a ColumnarValue) -> Result<Longs<'a>> {
        Ok(match value {
            ColumnarValue::Array(array) => match array.data_type() {
                DataType::Int32 => Longs::Int(array.as_primitive::<Int32Type>()),
                DataType::Int64 => Longs::Long(array.as_primitive::<Int64Type>()),
                DataType::Boolean => Longs::Bool(array.as_boolean()),
                DataType::Null => Longs::Constant(None),
                _ => return Err(unexpected(value, "whole numbers")),
            },
            ColumnarValue::Scalar(ScalarValue::Int32(v)) => Longs::Constant(v.map(i64::from)),
            ColumnarValue::Scalar(ScalarValue::Int64(v)) => Longs::Constant(*v),
            ColumnarValue::Scalar(ScalarValue::Boolean(v)) => Longs::Constant(v.map(i64::from)),
            ColumnarValue::Scalar(scalar) if scalar.is_null() => Longs::Constant(None),
            other => return Err(unexpected(other, "whole numbers")),
        })
    }

    /// The value of a row.
    #[inline]
    pub fn get(&self, row: usize) -> Option<i64> {
        match self {
            Longs::Constant(value) => *value,
            Longs::Int(array) => array.is_valid(row).then(|| i64::from(array.value(row))),
            Longs::Long(array) => array.is_valid(row).then(|| array.value(row)),
            Longs::Bool(array) => array.is_valid(row).then(|| i64::from(array.value(row))),
        }
    }
}

/// A column of numbers read as `real`.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs, reason = "the variants are the representations")]
pub enum Reals<'a> {
    Constant(Option<f64>),
    Real(&'a Float64Array),
    Decimal(&'a Decimal256Array),
    Whole(Longs<'a>),
}

impl<'a> Reals<'a> {
    fn new(value: &'a ColumnarValue) -> Result<Reals<'a>> {
        Ok(match value {
            ColumnarValue::Array(array) => match array.data_type() {
                DataType::Float64 => Reals::Real(array.as_primitive::<Float64Type>()),
                DataType::Decimal256(_, _) => Reals::Decimal(array.as_primitive::<Decimal256Type>()),
                _ => Reals::Whole(Longs::new(value)?),
            },
            ColumnarValue::Scalar(ScalarValue::Float64(v)) => Reals::Constant(*v),
            ColumnarValue::Scalar(ScalarValue::Decimal256(v, _, _)) => Reals::Constant(v.map(decimal::to_real)),
            _ => Reals::Whole(Longs::new(value)?),
        })
    }

    /// The value of a row.
    #[inline]
    pub fn get(&self, row: usize) -> Option<f64> {
        match self {
            Reals::Constant(value) => *value,
            Reals::Real(array) => array.is_valid(row).then(|| array.value(row)),
            Reals::Decimal(array) => array.is_valid(row).then(|| decimal::to_real(array.value(row))),
            Reals::Whole(longs) => longs.get(row).map(|v| v as f64),
        }
    }
}

/// A column of `bool`.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs, reason = "the variants are the representations")]
pub enum Bools<'a> {
    Constant(Option<bool>),
    Array(&'a BooleanArray),
}

impl<'a> Bools<'a> {
    fn new(value: &'a ColumnarValue) -> Result<Bools<'a>> {
        Ok(match value {
            ColumnarValue::Array(array) if array.data_type() == &DataType::Boolean => Bools::Array(array.as_boolean()),
            ColumnarValue::Array(array) if array.data_type() == &DataType::Null => Bools::Constant(None),
            ColumnarValue::Scalar(ScalarValue::Boolean(v)) => Bools::Constant(*v),
            ColumnarValue::Scalar(scalar) if scalar.is_null() => Bools::Constant(None),
            other => return Err(unexpected(other, "bool")),
        })
    }

    /// The value of a row.
    #[inline]
    pub fn get(&self, row: usize) -> Option<bool> {
        match self {
            Bools::Constant(value) => *value,
            Bools::Array(array) => array.is_valid(row).then(|| array.value(row)),
        }
    }
}

/// One value of any type.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs, reason = "the variants are the language's types")]
pub enum Datum<'a> {
    Null,
    Bool(bool),
    Int(i32),
    Long(i64),
    Real(f64),
    Decimal(i256),
    String(&'a str),
    DateTime(i64),
    TimeSpan(i64),
    Guid(&'a str),
    /// JSON text
    Dynamic(&'a str),
}

#[derive(Debug, Clone, Copy)]
enum ValuesColumn<'a> {
    Text(Text<'a>),
    Long(Longs<'a>),
    Real(Reals<'a>),
    Bool(Bools<'a>),
    Decimal(Option<&'a Decimal256Array>, Option<i256>),
}

/// A column of any type.
#[derive(Debug, Clone, Copy)]
pub struct Values<'a> {
    column: ValuesColumn<'a>,
    /// Its KQL type
    pub ty: Type,
}

impl<'a> Values<'a> {
    /// Over a column of a KQL type.
    pub fn new(value: &'a ColumnarValue, ty: Type) -> Result<Values<'a>> {
        let column = match ty {
            Type::Bool => ValuesColumn::Bool(Bools::new(value)?),
            Type::Int | Type::Long | Type::DateTime | Type::TimeSpan => ValuesColumn::Long(Longs::new(value)?),
            Type::Real => ValuesColumn::Real(Reals::new(value)?),
            Type::String | Type::Guid | Type::Dynamic => ValuesColumn::Text(Text::new(value, ty == Type::String)?),
            Type::Decimal => match value {
                ColumnarValue::Array(array) if matches!(array.data_type(), DataType::Decimal256(_, _)) => {
                    ValuesColumn::Decimal(Some(array.as_primitive::<Decimal256Type>()), None)
                }
                ColumnarValue::Scalar(ScalarValue::Decimal256(v, _, _)) => ValuesColumn::Decimal(None, *v),
                ColumnarValue::Scalar(scalar) if scalar.is_null() => ValuesColumn::Decimal(None, None),
                other => return Err(unexpected(other, "decimal")),
            },
        };
        Ok(Values { column, ty })
    }

    /// The value of a row.
    #[inline]
    pub fn get(&self, row: usize) -> Datum<'a> {
        let value = match self.column {
            ValuesColumn::Text(text) => text.get(row).map(|v| match self.ty {
                Type::Guid => Datum::Guid(v),
                Type::Dynamic => Datum::Dynamic(v),
                _ => Datum::String(v),
            }),
            ValuesColumn::Long(longs) => longs.get(row).map(|v| match self.ty {
                Type::Int => Datum::Int(v as i32),
                Type::DateTime => Datum::DateTime(v),
                Type::TimeSpan => Datum::TimeSpan(v),
                _ => Datum::Long(v),
            }),
            ValuesColumn::Real(reals) => reals.get(row).map(Datum::Real),
            ValuesColumn::Bool(bools) => bools.get(row).map(Datum::Bool),
            ValuesColumn::Decimal(Some(array), _) => array.is_valid(row).then(|| Datum::Decimal(array.value(row))),
            ValuesColumn::Decimal(None, value) => value.map(Datum::Decimal),
        };
        value.unwrap_or(Datum::Null)
    }

    /// As `decimal`, of any numeric type.
    pub fn decimal(&self, row: usize) -> Option<i256> {
        match self.get(row) {
            Datum::Decimal(v) => Some(v),
            Datum::Int(v) => Some(decimal::whole(i64::from(v))),
            Datum::Long(v) => Some(decimal::whole(v)),
            Datum::Real(v) => decimal::of_real(v),
            _ => None,
        }
    }
}
