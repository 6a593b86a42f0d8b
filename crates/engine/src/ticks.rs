//! Stored timestamps to ticks and back.
//!
//! A query's datetime is a count of 100 ns ticks since year 1; a table's is a timestamp in microseconds. The scan converts
//! with [`Ticks`]; [`TimestampComparison`] turns a comparison of such a conversion with a constant into a comparison of
//! timestamps, which files can be pruned by.

use std::sync::Arc;

use arrow::array::{Array, AsArray, Int64Array};
use arrow::datatypes::{DataType, Int64Type, TimeUnit};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility, lit,
};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

/// Ticks from 0001-01-01 to 1970-01-01.
pub(crate) const UNIX_EPOCH: i64 = 621_355_968_000_000_000;

/// `taffrail_ticks(timestamp)`: query form of a stored datetime.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ticks {
    signature: Signature,
}

const NAME: &str = "taffrail_ticks";

impl Ticks {
    pub(crate) fn udf() -> ScalarUDF {
        ScalarUDF::from(Ticks {
            signature: Signature::any(1, Volatility::Immutable),
        })
    }
}

impl ScalarUDFImpl for Ticks {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let Some(array) = arrays.first() else {
            return exec_err!("{NAME} takes one timestamp");
        };
        let unit = match array.data_type() {
            DataType::Timestamp(unit, _) => *unit,
            other => return exec_err!("{NAME} takes a timestamp, not {other}"),
        };
        let raw = arrow::compute::cast(array, &DataType::Int64)?;
        let raw = raw.as_primitive::<Int64Type>();
        let ticks: Int64Array = match unit {
            TimeUnit::Second => raw.unary(|value| value.saturating_mul(10_000_000).saturating_add(UNIX_EPOCH)),
            TimeUnit::Millisecond => raw.unary(|value| value.saturating_mul(10_000).saturating_add(UNIX_EPOCH)),
            TimeUnit::Microsecond => raw.unary(|value| value.saturating_mul(10).saturating_add(UNIX_EPOCH)),
            TimeUnit::Nanosecond => raw.unary(|value| (value.div_euclid(100)).saturating_add(UNIX_EPOCH)),
        };
        Ok(ColumnarValue::Array(Arc::new(ticks)))
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        Ok(inputs.first().map_or(SortProperties::Unordered, |input| input.sort_properties))
    }
}

/// See the module's page.
#[derive(Debug, Default)]
pub(crate) struct TimestampComparison;

impl OptimizerRule for TimestampComparison {
    fn name(&self) -> &str {
        "timestamp_comparison"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        // only where predicates live: a projection's schema names its expressions, which must not change
        let type_of: Box<dyn Fn(&Expr) -> Option<DataType>> = match &plan {
            LogicalPlan::Filter(filter) => {
                let schema = filter.input.schema().clone();
                Box::new(move |expr| expr.get_type(schema.as_ref()).ok())
            }
            LogicalPlan::TableScan(scan) => {
                // its predicates may read columns that it does not give
                let schema = scan.source.schema();
                Box::new(move |expr| match expr {
                    Expr::Column(column) => {
                        let field = schema.field_with_name(&column.name).ok()?;
                        Some(field.data_type().clone())
                    }
                    _ => None,
                })
            }
            _ => return Ok(Transformed::no(plan)),
        };
        plan.map_expressions(|expr| {
            expr.transform_up(|expr| {
                Ok(match timestamp_comparison(&expr, type_of.as_ref()) {
                    Some(rewritten) => Transformed::yes(rewritten),
                    None => Transformed::no(expr),
                })
            })
        })
    }
}

fn timestamp_comparison(expr: &Expr, type_of: &dyn Fn(&Expr) -> Option<DataType>) -> Option<Expr> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr else {
        return None;
    };
    let (inner, op, ticks) = match (converted(left), constant(right), converted(right), constant(left)) {
        (Some(inner), Some(ticks), _, _) => (inner, *op, ticks),
        (_, _, Some(inner), Some(ticks)) => (inner, op.swap()?, ticks),
        _ => return None,
    };
    let zone = match type_of(inner)? {
        DataType::Timestamp(TimeUnit::Microsecond, zone) => zone,
        _ => return None,
    };
    let since = i128::from(ticks) - i128::from(UNIX_EPOCH);
    let floor = i64::try_from(since.div_euclid(10)).ok()?;
    let exact = since.rem_euclid(10) == 0;
    let ceiling = if exact { floor } else { floor.checked_add(1)? };
    let micros = match op {
        Operator::Gt | Operator::LtEq => floor,
        Operator::GtEq | Operator::Lt => ceiling,
        // a time between two microseconds equals none; leave the rare case to the conversion
        Operator::Eq | Operator::NotEq if exact => floor,
        _ => return None,
    };
    Some(Expr::BinaryExpr(BinaryExpr {
        left: Box::new(inner.clone()),
        op,
        right: Box::new(lit(ScalarValue::TimestampMicrosecond(Some(micros), zone))),
    }))
}

fn converted(expr: &Expr) -> Option<&Expr> {
    match expr {
        Expr::ScalarFunction(ScalarFunction { func, args }) if func.name() == NAME => args.first(),
        Expr::Alias(alias) => converted(&alias.expr),
        _ => None,
    }
}

fn constant(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Literal(ScalarValue::Int64(value), _) => *value,
        _ => None,
    }
}
