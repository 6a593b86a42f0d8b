//! Aggregations over rows that come once with their number.
//!
//! `summarize count() by Verb` looks at a million rows to learn seven numbers. A source that keeps such columns as dictionaries
//! can give each different row once and say how many rows it stands for ([`TableSource::counted`]). This rewrites an optimized
//! plan to ask for that: `count()` becomes a sum of those numbers, and aggregates that do not care how often they see a value
//! (`min`, `max`, `dcount`, `count_distinct`) stay as they are. A distinct count by itself becomes a count over distinct rows,
//! whatever the input.

use std::sync::Arc;

use datafusion::arrow::array::{AsArray, Int64Array};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, Result, TableReference, exec_err};
use datafusion::datasource::provider_as_source;
use datafusion::functions_aggregate::{count, sum};
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams};
use datafusion::logical_expr::{
    Aggregate, AggregateUDF, ColumnarValue, Expr, LogicalPlan, LogicalPlanBuilder, Projection, ReturnFieldArgs, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, TableScan, TableScanBuilder, Volatility,
};

use crate::source::{ROWS, TableSource};

/// Aggregates for which a value seen twice is a value seen once.
const INDIFFERENT: [&str; 6] = ["min", "max", "count_distinct(", "count_distinctif(", "dcount(", "dcountif("];
/// Types whose equality is KQL's equality of strings, numbers and times.
const DISTINCT: [&str; 5] = ["(string)", "(long)", "(int)", "(datetime)", "(bool)"];

/// Lets aggregations read counted rows where they can.
pub(crate) fn rewrite(plan: LogicalPlan, source: &dyn TableSource) -> Result<LogicalPlan> {
    let rewritten = plan.transform_down(|node| match &node {
        LogicalPlan::Aggregate(aggregate) => Ok(match aggregation(aggregate, source)? {
            // What is below is rewritten already.
            Some(plan) => Transformed::new(plan, true, datafusion::common::tree_node::TreeNodeRecursion::Jump),
            None => Transformed::no(node),
        }),
        _ => Ok(Transformed::no(node)),
    })?;
    Ok(rewritten.data)
}

/// One aggregate of the plan, taken apart.
struct Call {
    function: Arc<AggregateUDF>,
    counts: bool,
    args: Vec<Expr>,
    filter: Option<Expr>,
}

fn call(expr: &Expr) -> Option<Call> {
    let Expr::AggregateFunction(AggregateFunction { func, params }) = expr.clone().unalias() else {
        return None;
    };
    let AggregateFunctionParams {
        args,
        distinct,
        filter,
        order_by,
        null_treatment,
    } = params;
    if distinct || !order_by.is_empty() || null_treatment.is_some() {
        return None;
    }
    let counts = func.name() == "count" && matches!(args.as_slice(), [Expr::Literal(value, _)] if !value.is_null());
    let indifferent = INDIFFERENT
        .iter()
        .any(|name| func.name() == *name || (name.ends_with('(') && func.name().starts_with(name)));
    (counts || indifferent).then_some(Call {
        function: func,
        counts,
        args,
        filter: filter.map(|filter| *filter),
    })
}

fn aggregation(aggregate: &Aggregate, source: &dyn TableSource) -> Result<Option<LogicalPlan>> {
    let Some(calls) = aggregate.aggr_expr.iter().map(call).collect::<Option<Vec<_>>>() else {
        return Ok(None);
    };
    let read = calls.iter().flat_map(|call| call.args.iter().chain(&call.filter));
    if aggregate
        .group_expr
        .iter()
        .chain(read)
        .any(|expr| expr.is_volatile() || matches!(expr, Expr::GroupingSet(_)))
    {
        return Ok(None);
    }
    let counted = counted(&aggregate.input, source)?;
    let distinct_value = distinct_only(&calls).is_some() && !aggregate.group_expr.is_empty();
    if counted.is_none() && !distinct_value {
        return Ok(None);
    }
    let is_counted = counted.is_some();
    let input = match counted {
        Some(counted) => counted,
        None => rewrite(aggregate.input.as_ref().clone(), source)?,
    };
    // Keys and arguments are made below, where the source can make them once for each different value.
    let mut below: Vec<Expr> = Vec::new();
    let mut name = |expr: &Expr| {
        let name = format!("r{}", below.len());
        below.push(expr.clone().unalias_nested().data.alias(&name));
        Expr::Column(Column::new_unqualified(name))
    };
    let keys: Vec<Expr> = aggregate.group_expr.iter().map(&mut name).collect();
    let calls: Vec<Call> = calls
        .into_iter()
        .map(|call| Call {
            args: if call.counts {
                Vec::new()
            } else {
                call.args.iter().map(&mut name).collect()
            },
            filter: call.filter.as_ref().map(&mut name),
            ..call
        })
        .collect();
    let rows = Expr::Column(Column::new_unqualified(ROWS));
    if is_counted {
        below.push(rows.clone());
    }
    let input = LogicalPlan::Projection(Projection::try_new(below, Arc::new(input))?);
    let aggregated = match distinct_only(&calls) {
        Some(value) if !keys.is_empty() => distinct(input, &keys, &value, is_counted.then_some(rows))?,
        _ => {
            let calls: Vec<Expr> = calls
                .into_iter()
                .enumerate()
                .map(|(index, call)| {
                    let (function, args) = if call.counts {
                        (sum::sum_udaf(), vec![rows.clone()])
                    } else {
                        (call.function, call.args)
                    };
                    let filter = call.filter.map(Box::new);
                    Expr::AggregateFunction(AggregateFunction::new_udf(function, args, false, filter, vec![], None))
                        .alias(format!("s{index}"))
                })
                .collect();
            LogicalPlanBuilder::new(input).aggregate(keys, calls)?.build()?
        }
    };
    restore(aggregate, aggregated).map(Some)
}

/// The one value of which every aggregate counts the different ones.
fn distinct_only(calls: &[Call]) -> Option<Expr> {
    let counts = |call: &Call| {
        let name = call.function.name().strip_prefix("count_distinct")?;
        let known = DISTINCT.iter().any(|types| name.strip_prefix(types) == Some("->long"));
        (known && call.filter.is_none()).then(|| call.args.first().cloned())?
    };
    let (first, rest) = calls.split_first()?;
    let value = counts(first)?;
    // Every argument has a name of its own: with one aggregate there is nothing to compare.
    rest.is_empty().then_some(value)
}

fn distinct(input: LogicalPlan, keys: &[Expr], value: &Expr, rows: Option<Expr>) -> Result<LogicalPlan> {
    let pairs: Vec<Expr> = keys.iter().chain([value]).cloned().collect();
    // Read, so that the rows come counted, and of no further use.
    let seen = rows.map(|rows| {
        Expr::AggregateFunction(AggregateFunction::new_udf(sum::sum_udaf(), vec![rows], false, None, vec![], None)).alias("seen")
    });
    let counts = Expr::AggregateFunction(AggregateFunction::new_udf(
        count::count_udaf(),
        vec![value.clone()],
        false,
        None,
        vec![],
        None,
    ));
    LogicalPlanBuilder::new(input)
        .aggregate(pairs, seen)?
        .aggregate(keys.to_vec(), vec![counts.alias("s0")])?
        .build()
}

/// The columns as the aggregation before had them. A sum of no rows is a count of zero.
fn restore(aggregate: &Aggregate, aggregated: LogicalPlan) -> Result<LogicalPlan> {
    let names: Vec<(Option<TableReference>, String)> = aggregate
        .schema
        .iter()
        .map(|(qualifier, field)| (qualifier.cloned(), field.name().clone()))
        .collect();
    let made: Vec<Column> = aggregated.schema().columns();
    let keys = aggregate.group_expr.len();
    let exprs = names
        .into_iter()
        .zip(made)
        .enumerate()
        .map(|(index, ((qualifier, name), made))| {
            let mut value = Expr::Column(made);
            let counts = index
                .checked_sub(keys)
                .and_then(|index| aggregate.aggr_expr.get(index))
                .and_then(call)
                .is_some_and(|call| call.counts);
            if counts {
                value = OrZero::call(value);
            }
            value.alias_qualified(qualifier, name)
        })
        .collect::<Vec<_>>();
    Ok(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(aggregated))?))
}

/// A sum of no rows, as a count: never null, which plans above rely on.
#[derive(Debug, PartialEq, Eq, Hash)]
struct OrZero {
    signature: Signature,
}

impl OrZero {
    fn call(value: Expr) -> Expr {
        let signature = Signature::exact(vec![DataType::Int64], Volatility::Immutable);
        ScalarUDF::from(OrZero { signature }).call(vec![value])
    }
}

impl ScalarUDFImpl for OrZero {
    fn name(&self) -> &str {
        "taffrail_count"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(self.name(), DataType::Int64, false)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let Some(sums) = arrays.first().and_then(|array| array.as_primitive_opt::<Int64Type>()) else {
            return exec_err!("{} takes a sum of rows", self.name());
        };
        let counts: Int64Array = sums.iter().map(|sum| Some(sum.unwrap_or(0))).collect();
        Ok(ColumnarValue::Array(Arc::new(counts)))
    }
}

/// The input with the column [`ROWS`], when it is a table that can be counted, with nothing but projections over it.
fn counted(plan: &LogicalPlan, source: &dyn TableSource) -> Result<Option<LogicalPlan>> {
    match plan {
        LogicalPlan::Projection(projection) => {
            if projection.expr.iter().any(Expr::is_volatile) {
                return Ok(None);
            }
            let Some(input) = counted(&projection.input, source)? else {
                return Ok(None);
            };
            let rows = Expr::Column(Column::new_unqualified(ROWS));
            let exprs = projection.expr.iter().cloned().chain([rows]).collect();
            Ok(Some(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(input))?)))
        }
        LogicalPlan::TableScan(scan) if scan.fetch.is_none() => table(scan, source),
        _ => Ok(None),
    }
}

fn table(scan: &TableScan, source: &dyn TableSource) -> Result<Option<LogicalPlan>> {
    let Some(provider) = source.counted(scan.table_name.table()) else {
        return Ok(None);
    };
    let schema = provider.schema();
    let width = schema.fields().len().saturating_sub(1);
    // The same columns in front, the count behind them.
    let alike = schema
        .field_with_name(ROWS)
        .is_ok_and(|field| *field.data_type() == DataType::Int64)
        && scan.source.schema().fields().len() == width
        && scan
            .source
            .schema()
            .fields()
            .iter()
            .zip(schema.fields())
            .all(|(before, after)| before == after);
    if !alike {
        return Ok(None);
    }
    let mut projection = scan.projection.clone().unwrap_or_else(|| (0..width).collect());
    projection.push(width);
    let made = TableScanBuilder::new(scan.table_name.clone(), provider_as_source(provider))
        .with_projection(Some(projection))
        .with_filters(scan.filters.clone())
        .build()?;
    // Only the counted column is new, and it is read without a qualifier.
    let exprs = made
        .projected_schema
        .iter()
        .map(|(qualifier, field)| {
            let column = Expr::Column(Column::new(qualifier.cloned(), field.name()));
            if field.name() == ROWS { column.alias(ROWS) } else { column }
        })
        .collect();
    Ok(Some(LogicalPlan::Projection(Projection::try_new(
        exprs,
        Arc::new(LogicalPlan::TableScan(made)),
    )?)))
}
