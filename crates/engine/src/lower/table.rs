//! Scans: stored form to query form.

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{Column, ScalarValue, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, cast, lit};
use taffrail_kql::Type;
use taffrail_kql::bound::{self, Rel};
use taffrail_schema::TIME;

use super::lowered::name;
use super::{Lowered, Lowering};
use crate::error::LowerError;
use crate::functions;
use crate::ticks::Ticks;

impl Lowering {
    pub(super) fn table(&self, rel: &Rel, table: &str, source: &[String]) -> Result<Lowered, LowerError> {
        let Some(provider) = self.source.table(table) else {
            return Err(LowerError::Argument(format!(
                "the table {table} is known, but nothing holds its rows here"
            )));
        };
        let schema = provider.schema();
        let qualifier = TableReference::bare(table);
        let stored = |column: &str| Expr::Column(Column::new(Some(qualifier.clone()), column));
        let mut builder = LogicalPlanBuilder::scan(qualifier.clone(), provider_as_source(provider), None)?;
        if let (Some((start, end)), Ok(field)) = (self.timespan, schema.field_with_name(TIME)) {
            let bounds = match field.data_type() {
                DataType::Timestamp(TimeUnit::Microsecond, zone) => {
                    let at = |time: chrono::DateTime<chrono::Utc>| {
                        lit(ScalarValue::TimestampMicrosecond(Some(time.timestamp_micros()), zone.clone()))
                    };
                    (stored(TIME), at(start), at(end))
                }
                _ => (
                    query_form(stored(TIME), field.data_type(), Type::DateTime),
                    lit(crate::engine::ticks(start)),
                    lit(crate::engine::ticks(end)),
                ),
            };
            let (time, start, end) = bounds;
            builder = builder.filter(time.clone().gt_eq(start).and(time.lt(end)))?;
        }
        let exprs: Vec<Expr> = rel
            .columns
            .iter()
            .zip(source)
            .map(|(column, stored_name)| {
                let expr = match schema.field_with_name(stored_name) {
                    Ok(field) => query_form(stored(stored_name), field.data_type(), column.ty),
                    // a column younger than this table's files
                    Err(_) => missing(column),
                };
                expr.alias(name(column.id))
            })
            .collect();
        Ok(Lowered::new(builder.project(exprs)?.build()?))
    }
}

fn query_form(stored: Expr, from: &DataType, ty: Type) -> Expr {
    if ty == Type::DateTime && matches!(from, DataType::Timestamp(..)) {
        return Ticks::udf().call(vec![stored]);
    }
    let to = functions::arrow_type(ty);
    if *from == to { stored } else { cast(stored, to) }
}

fn missing(column: &bound::Column) -> Expr {
    match column.ty {
        Type::String => functions::literal(&taffrail_kql::Value::String(String::new())),
        ty => functions::null(ty),
    }
}
