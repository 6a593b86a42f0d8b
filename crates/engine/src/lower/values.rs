//! Rows that are in the query itself: `datatable`, `print`, `range`.
//!
//! They have an order, the one they are written in, in a column of the plan's own.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::ScalarValue;
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder};
use taffrail_kql::bound::{self, Rel};
use taffrail_kql::{Type, Value};

use super::lowered::{OrderKey, name};
use super::{Lowered, Lowering};
use crate::error::LowerError;
use crate::functions;

/// Rows a `range` may have.
const RANGE_LIMIT: i128 = 50_000_000;
/// Rows of one batch.
const BATCH: usize = 8192;

impl Lowering {
    /// One row without columns.
    pub(in crate::lower) fn unit(&self) -> Result<Lowered, LowerError> {
        Ok(Lowered::new(LogicalPlanBuilder::empty(true).build()?))
    }

    pub(in crate::lower) fn values(&self, rel: &Rel, rows: &[Vec<Value>]) -> Result<Lowered, LowerError> {
        let mut columns: Vec<(String, ArrayRef)> = Vec::new();
        for (position, item) in rel.columns.iter().enumerate() {
            let data_type = functions::arrow_type(item.ty);
            let mut scalars = Vec::with_capacity(rows.len());
            for row in rows {
                let value = row.get(position).cloned().unwrap_or(Value::Null(item.ty));
                scalars.push(scalar(&value, &data_type)?);
            }
            let array = if scalars.is_empty() {
                datafusion::arrow::array::new_empty_array(&data_type)
            } else {
                ScalarValue::iter_to_array(scalars)?
            };
            columns.push((name(item.id), array));
        }
        let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        let order = self.fresh('o');
        columns.push((order.clone(), Arc::new(Int64Array::from_iter_values(0..count))));
        let fields: Vec<Field> = columns
            .iter()
            .map(|(name, array)| Field::new(name, array.data_type().clone(), true))
            .collect();
        let arrays = columns.into_iter().map(|(_, array)| array).collect();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(LowerError::from_arrow)?;
        let mut lowered = self.memory(vec![batch])?;
        lowered.order = vec![OrderKey::ascending(order)];
        Ok(lowered)
    }

    /// Batches as a relation; at least one, perhaps empty.
    pub(in crate::lower) fn memory(&self, batches: Vec<RecordBatch>) -> Result<Lowered, LowerError> {
        let schema = batches
            .first()
            .map(RecordBatch::schema)
            .unwrap_or_else(|| Arc::new(Schema::empty()));
        let fields: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        let table = MemTable::try_new(schema, vec![batches])?;
        let qualifier = self.fresh('m');
        let exprs: Vec<Expr> = fields
            .iter()
            .map(|field| {
                let stored = datafusion::common::Column::new(Some(qualifier.as_str()), field);
                Expr::Column(stored).alias(field)
            })
            .collect();
        let plan = LogicalPlanBuilder::scan(qualifier.as_str(), provider_as_source(Arc::new(table)), None)?
            .project(exprs)?
            .build()?;
        Ok(Lowered::new(plan))
    }

    pub(in crate::lower) fn range(
        &self,
        rel: &Rel,
        from: &bound::Expr,
        to: &bound::Expr,
        step: &bound::Expr,
    ) -> Result<Lowered, LowerError> {
        let Some(output) = rel.columns.first() else {
            return Err(LowerError::Argument("range needs a column".to_owned()));
        };
        let (from, to, step) = (self.constant(from)?, self.constant(to)?, self.constant(step)?);
        let batches = if output.ty == Type::Real {
            real_range(&name(output.id), real(&from), real(&to), real(&step))?
        } else {
            integer_range(&name(output.id), output.ty, integer(&from), integer(&to), integer(&step))?
        };
        let mut lowered = self.memory(batches)?;
        lowered.order = vec![OrderKey {
            column: name(output.id),
            descending: real(&step).is_some_and(|step| step < 0.0),
            nulls_first: false,
        }];
        Ok(lowered)
    }

    /// The value of an expression without columns.
    pub(in crate::lower) fn constant(&self, expr: &bound::Expr) -> Result<Value, LowerError> {
        if let Some(value) = expr.as_literal() {
            return Ok(value.clone());
        }
        let lowered = self.expr(expr)?;
        let plan = LogicalPlanBuilder::empty(true).project(vec![lowered.alias("v")])?.build()?;
        let optimized = self.ordered.optimize(&plan)?;
        let literal = optimized.expressions().into_iter().next().map(Expr::unalias);
        match literal {
            Some(Expr::Literal(value, _)) => crate::value::read(&value, expr.ty)
                .ok_or_else(|| LowerError::Argument(format!("a constant {} cannot be read", expr.ty)).at(expr.span)),
            _ => Err(LowerError::Argument("a constant is needed here".to_owned()).at(expr.span)),
        }
    }
}

fn scalar(value: &Value, data_type: &DataType) -> Result<ScalarValue, LowerError> {
    let literal = match functions::literal(value) {
        Expr::Literal(literal, _) => literal,
        Expr::Cast(cast) => match *cast.expr {
            Expr::Literal(literal, _) => literal,
            other => return Err(LowerError::Argument(format!("{other} is no constant"))),
        },
        other => return Err(LowerError::Argument(format!("{other} is no constant"))),
    };
    Ok(literal.cast_to(data_type)?)
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Int(value) => Some(i64::from(*value)),
        Value::Long(value) | Value::DateTime(value) | Value::TimeSpan(value) => Some(*value),
        _ => None,
    }
}

fn real(value: &Value) -> Option<f64> {
    match value {
        Value::Real(value) => Some(*value),
        Value::Decimal(text) => text.parse().ok(),
        #[allow(clippy::cast_precision_loss, reason = "a real step of whole numbers")]
        other => integer(other).map(|value| value as f64),
    }
}

fn too_many(rows: i128) -> LowerError {
    LowerError::Argument(format!("range would give {rows} rows; at most {RANGE_LIMIT} are allowed"))
}

fn integer_range(name: &str, ty: Type, from: Option<i64>, to: Option<i64>, step: Option<i64>) -> Result<Vec<RecordBatch>, LowerError> {
    let mut values: Vec<i64> = Vec::new();
    if let (Some(from), Some(to), Some(step)) = (from, to, step) {
        if step == 0 {
            return Err(LowerError::Argument("the step of range cannot be zero".to_owned()));
        }
        let distance = i128::from(to) - i128::from(from);
        let rows = distance.checked_div(i128::from(step)).unwrap_or(-1) + 1;
        let wrong_way = (distance < 0) != (step < 0) && distance != 0;
        if !wrong_way {
            if rows > RANGE_LIMIT {
                return Err(too_many(rows));
            }
            let mut value = i128::from(from);
            for _ in 0..rows {
                values.push(i64::try_from(value).unwrap_or(i64::MAX));
                value += i128::from(step);
            }
        }
    }
    let arrays = chunks(&values).map(|chunk| -> ArrayRef { Arc::new(Int64Array::from(chunk.to_vec())) });
    batches(name, &functions::arrow_type(ty), arrays.collect())
}

fn real_range(name: &str, from: Option<f64>, to: Option<f64>, step: Option<f64>) -> Result<Vec<RecordBatch>, LowerError> {
    let mut values: Vec<f64> = Vec::new();
    if let (Some(from), Some(to), Some(step)) = (from, to, step) {
        if step == 0.0 || !(from.is_finite() && to.is_finite() && step.is_finite()) {
            return Err(LowerError::Argument(
                "range needs finite bounds and a step that is not zero".to_owned(),
            ));
        }
        let rows = ((to - from) / step + 1e-9).floor() + 1.0;
        #[allow(clippy::cast_possible_truncation, reason = "saturates, and is compared with the limit")]
        let rows = rows as i128;
        if rows > RANGE_LIMIT {
            return Err(too_many(rows));
        }
        let mut index = 0.0;
        for _ in 0..rows.max(0) {
            values.push(from + index * step);
            index += 1.0;
        }
    }
    let arrays = chunks(&values).map(|chunk| -> ArrayRef { Arc::new(datafusion::arrow::array::Float64Array::from(chunk.to_vec())) });
    batches(name, &DataType::Float64, arrays.collect())
}

fn chunks<T>(values: &[T]) -> Box<dyn Iterator<Item = &[T]> + '_> {
    if values.is_empty() {
        return Box::new(std::iter::once(values));
    }
    Box::new(values.chunks(BATCH))
}

fn batches(name: &str, data_type: &DataType, arrays: Vec<ArrayRef>) -> Result<Vec<RecordBatch>, LowerError> {
    let schema = Arc::new(Schema::new(vec![Field::new(name, data_type.clone(), true)]));
    arrays
        .into_iter()
        .map(|array| {
            let array = datafusion::arrow::compute::cast(&array, data_type).map_err(LowerError::from_arrow)?;
            RecordBatch::try_new(schema.clone(), vec![array]).map_err(LowerError::from_arrow)
        })
        .collect()
}
