//! Window functions over serialized rows: `row_number`, `row_cumsum`, `row_rank_dense`, `row_rank_min`, `prev`, `next`,
//! `row_window_session`. The rows come in the order of the query; who puts the call into a plan says what that is.
//!
//! Source: Kusto Query Language reference, "Window functions".

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Decimal256Array, Float64Array, Int32Array, Int64Array};
use arrow::compute::{concat, interleave};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::function::{PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion::logical_expr::{
    ColumnarValue, Expr, PartitionEvaluator, Signature, TypeSignature, Volatility, WindowFunctionDefinition, WindowUDF, WindowUDFImpl,
};
use taffrail_kql::catalog::{Argument, ArgumentError, Function, FunctionKind, Naming, Resolve, Resolved, Signature as KqlSignature};
use taffrail_kql::types::Type;

use super::call::{Datum, Values};
use super::{LowerError, arrow_type, decimal};

type Evaluate = fn(&Rows<'_>) -> Result<ArrayRef>;

struct Entry {
    function: Function,
    evaluate: Evaluate,
}

const fn entry(name: &'static str, usage: &'static str, summary: &'static str, resolve: Resolve, evaluate: Evaluate) -> Entry {
    Entry {
        function: Function {
            name,
            aliases: &[],
            kind: FunctionKind::Window,
            usage,
            summary,
            signature: KqlSignature::Custom(resolve),
            naming: Naming::Positional,
        },
        evaluate,
    }
}

static TABLE: &[Entry] = &[
    entry(
        "row_number",
        "row_number(start = 1, restart = false) → long",
        "The number of the row.",
        number_types,
        row_number,
    ),
    entry(
        "row_cumsum",
        "row_cumsum(value, restart = false) → value",
        "The sum up to the row.",
        cumsum_types,
        row_cumsum,
    ),
    entry(
        "row_rank_dense",
        "row_rank_dense(value, restart = false) → long",
        "The rank of the row without gaps.",
        rank_types,
        |rows| row_rank(rows, true),
    ),
    entry(
        "row_rank_min",
        "row_rank_min(value, restart = false) → long",
        "The rank of the row, the same for equals.",
        rank_types,
        |rows| row_rank(rows, false),
    ),
    entry(
        "prev",
        "prev(column, offset = 1, default) → value",
        "The value some rows before.",
        neighbour_types,
        |rows| neighbour(rows, -1),
    ),
    entry(
        "next",
        "next(column, offset = 1, default) → value",
        "The value some rows after.",
        neighbour_types,
        |rows| neighbour(rows, 1),
    ),
    entry(
        "row_window_session",
        "row_window_session(time, max_from_first, max_between, restart = false) → datetime",
        "When the session of the row began.",
        session_types,
        row_window_session,
    ),
];

/// What the language knows of them.
pub fn functions() -> impl Iterator<Item = &'static Function> {
    TABLE.iter().map(|entry| &entry.function)
}

fn wrong_count(message: &str) -> ArgumentError {
    ArgumentError {
        argument: None,
        message: message.to_owned(),
    }
}

fn number_types(args: &[Argument<'_>]) -> std::result::Result<Resolved, ArgumentError> {
    match args {
        [] => Ok(Resolved::one(vec![], Type::Long)),
        [_] => Ok(Resolved::one(vec![Type::Long], Type::Long)),
        [_, _] => Ok(Resolved::one(vec![Type::Long, Type::Bool], Type::Long)),
        _ => Err(wrong_count("expected perhaps a first number and a restart condition")),
    }
}

fn cumsum_types(args: &[Argument<'_>]) -> std::result::Result<Resolved, ArgumentError> {
    let (Some(first), 1..=2) = (args.first(), args.len()) else {
        return Err(wrong_count("expected a number and perhaps a restart condition"));
    };
    let ty = match first.ty {
        ty @ (Type::Int | Type::Long | Type::Real | Type::Decimal | Type::TimeSpan) => ty,
        Type::Dynamic => Type::Real,
        other => {
            return Err(ArgumentError {
                argument: Some(0),
                message: format!("expected a number, got {other}"),
            });
        }
    };
    let mut params = vec![ty, Type::Bool];
    params.truncate(args.len());
    Ok(Resolved::one(params, ty))
}

fn rank_types(args: &[Argument<'_>]) -> std::result::Result<Resolved, ArgumentError> {
    match args {
        [value] => Ok(Resolved::one(vec![value.ty], Type::Long)),
        [value, _] => Ok(Resolved::one(vec![value.ty, Type::Bool], Type::Long)),
        _ => Err(wrong_count("expected a value and perhaps a restart condition")),
    }
}

fn neighbour_types(args: &[Argument<'_>]) -> std::result::Result<Resolved, ArgumentError> {
    for (index, arg) in args.iter().enumerate().skip(1) {
        if arg.column.is_some() {
            return Err(ArgumentError {
                argument: Some(index),
                message: "expected a constant".to_owned(),
            });
        }
    }
    match args {
        [value] => Ok(Resolved::one(vec![value.ty], value.ty)),
        [value, _] => Ok(Resolved::one(vec![value.ty, Type::Long], value.ty)),
        [_, _, default] if default.literal.is_none() => Err(ArgumentError {
            argument: Some(2),
            message: "the default must be a constant".to_owned(),
        }),
        [value, _, _] => Ok(Resolved::one(vec![value.ty, Type::Long, value.ty], value.ty)),
        _ => Err(wrong_count("expected a column, perhaps an offset and a default")),
    }
}

fn session_types(args: &[Argument<'_>]) -> std::result::Result<Resolved, ArgumentError> {
    let all = [Type::DateTime, Type::TimeSpan, Type::TimeSpan, Type::Bool];
    match args.len() {
        count @ 3..=4 => Ok(Resolved::one(all.iter().copied().take(count).collect(), Type::DateTime)),
        _ => Err(wrong_count("expected a datetime, two timespans and perhaps a restart condition")),
    }
}

/// A call of a window function, over the rows in their order.
pub fn window(name: &str, args: Vec<(Expr, Type)>, returns: Type) -> std::result::Result<Expr, LowerError> {
    let entry = TABLE
        .iter()
        .find(|entry| entry.function.name == name)
        .ok_or_else(|| LowerError::not_supported(name))?;
    let types = args.iter().map(|(_, ty)| *ty).collect();
    let udf = WindowUDF::new_from_impl(TypedWindow::new(entry, types, returns));
    let args = args.into_iter().map(|(expr, _)| expr).collect();
    let function = WindowFunction::new(WindowFunctionDefinition::WindowUDF(Arc::new(udf)), args);
    Ok(Expr::WindowFunction(Box::new(function)))
}

/// The window function a plan names, such as `prev(long)->long`.
pub fn window_by_id(id: &str) -> Option<WindowUDF> {
    let (call, returns) = id.split_once(")->")?;
    let (name, types) = call.split_once('(')?;
    let types = types
        .split(',')
        .filter(|name| !name.is_empty())
        .map(Type::parse)
        .collect::<Option<Vec<_>>>()?;
    let entry = TABLE.iter().find(|entry| entry.function.name == name)?;
    Some(WindowUDF::new_from_impl(TypedWindow::new(entry, types, Type::parse(returns)?)))
}

struct TypedWindow {
    id: String,
    evaluate: Evaluate,
    types: Vec<Type>,
    returns: Type,
    signature: Signature,
}

impl TypedWindow {
    fn new(entry: &'static Entry, types: Vec<Type>, returns: Type) -> TypedWindow {
        let names: Vec<&str> = types.iter().map(|ty| ty.name()).collect();
        TypedWindow {
            id: format!("{}({})->{}", entry.function.name, names.join(","), returns.name()),
            evaluate: entry.evaluate,
            types,
            returns,
            signature: Signature::new(TypeSignature::UserDefined, Volatility::Immutable),
        }
    }
}

impl std::fmt::Debug for TypedWindow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.id)
    }
}

impl PartialEq for TypedWindow {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for TypedWindow {}

impl Hash for TypedWindow {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl WindowUDFImpl for TypedWindow {
    fn name(&self) -> &str {
        &self.id
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(arg_types.to_vec())
    }

    fn partition_evaluator(&self, _args: PartitionEvaluatorArgs<'_>) -> Result<Box<dyn PartitionEvaluator>> {
        Ok(Box::new(Evaluator {
            evaluate: self.evaluate,
            types: self.types.clone(),
            returns: self.returns,
        }))
    }

    fn field(&self, args: WindowUDFFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(args.name(), arrow_type(self.returns), true)))
    }
}

struct Evaluator {
    evaluate: Evaluate,
    types: Vec<Type>,
    returns: Type,
}

impl std::fmt::Debug for Evaluator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} -> {}", self.types, self.returns)
    }
}

impl PartitionEvaluator for Evaluator {
    fn evaluate_all(&mut self, values: &[ArrayRef], num_rows: usize) -> Result<ArrayRef> {
        let columns: Vec<ColumnarValue> = values.iter().map(|array| ColumnarValue::Array(Arc::clone(array))).collect();
        let args = columns
            .iter()
            .zip(&self.types)
            .map(|(column, ty)| Values::new(column, *ty))
            .collect::<Result<Vec<_>>>()?;
        (self.evaluate)(&Rows {
            args,
            arrays: values,
            count: num_rows,
            returns: self.returns,
        })
    }
}

/// All rows of a partition.
struct Rows<'a> {
    args: Vec<Values<'a>>,
    arrays: &'a [ArrayRef],
    count: usize,
    returns: Type,
}

impl<'a> Rows<'a> {
    fn get(&self, arg: usize, row: usize) -> Datum<'a> {
        self.args.get(arg).map_or(Datum::Null, |values| values.get(row))
    }

    fn restarts(&self, arg: usize, row: usize) -> bool {
        self.get(arg, row) == Datum::Bool(true)
    }
}

fn whole(value: Datum<'_>) -> Option<i64> {
    match value {
        Datum::Int(v) => Some(i64::from(v)),
        Datum::Long(v) | Datum::DateTime(v) | Datum::TimeSpan(v) => Some(v),
        _ => None,
    }
}

fn longs(ty: Type, values: Vec<Option<i64>>) -> ArrayRef {
    if ty == Type::Int {
        return Arc::new(values.into_iter().map(|v| v.map(|v| v as i32)).collect::<Int32Array>());
    }
    Arc::new(Int64Array::from(values))
}

fn row_number(rows: &Rows<'_>) -> Result<ArrayRef> {
    let mut number = 0;
    let numbers = (0..rows.count).map(|row| {
        let start = whole(rows.get(0, row)).unwrap_or(1);
        number = if row == 0 || rows.restarts(1, row) { start } else { number + 1 };
        Some(number)
    });
    Ok(longs(Type::Long, numbers.collect()))
}

fn row_cumsum(rows: &Rows<'_>) -> Result<ArrayRef> {
    match rows.returns {
        Type::Real => {
            let mut sum = 0.0;
            let sums = (0..rows.count).map(|row| {
                if rows.restarts(1, row) {
                    sum = 0.0;
                }
                if let Datum::Real(v) = rows.get(0, row) {
                    sum += v;
                }
                Some(sum)
            });
            Ok(Arc::new(sums.collect::<Float64Array>()))
        }
        Type::Decimal => {
            let mut sum = decimal::ZERO;
            let sums = (0..rows.count).map(|row| {
                if rows.restarts(1, row) {
                    sum = decimal::ZERO;
                }
                if let Datum::Decimal(v) = rows.get(0, row) {
                    sum = sum.wrapping_add(v);
                }
                Some(sum)
            });
            let sums: Decimal256Array = sums.collect();
            Ok(Arc::new(sums.with_precision_and_scale(decimal::PRECISION, decimal::SCALE)?))
        }
        ty => {
            let mut sum = 0i64;
            let sums = (0..rows.count).map(|row| {
                if rows.restarts(1, row) {
                    sum = 0;
                }
                sum = sum.wrapping_add(whole(rows.get(0, row)).unwrap_or(0));
                Some(sum)
            });
            Ok(longs(ty, sums.collect()))
        }
    }
}

fn row_rank(rows: &Rows<'_>, dense: bool) -> Result<ArrayRef> {
    let mut rank = 0;
    let mut seen = 0;
    let ranks = (0..rows.count).map(|row| {
        if row == 0 || rows.restarts(1, row) {
            rank = 1;
            seen = 1;
            return Some(rank);
        }
        seen += 1;
        if rows.get(0, row) != rows.get(0, row - 1) {
            rank = if dense { rank + 1 } else { seen };
        }
        Some(rank)
    });
    Ok(longs(Type::Long, ranks.collect()))
}

fn neighbour(rows: &Rows<'_>, direction: i64) -> Result<ArrayRef> {
    let Some(values) = rows.arrays.first() else {
        return ScalarValue::try_from(arrow_type(rows.returns))?.to_array_of_size(rows.count);
    };
    let default = match rows.arrays.get(2) {
        Some(defaults) => Arc::clone(defaults),
        None => super::scalar_value(&taffrail_kql::types::Value::Null(rows.returns)).to_array_of_size(1)?,
    };
    // Values and defaults may be strings of different layout.
    let unified = |array: &ArrayRef| match array.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => Ok(arrow::compute::cast(array, &DataType::Utf8View)?),
        _ => Ok::<_, datafusion::common::DataFusionError>(Arc::clone(array)),
    };
    let (values, default) = (unified(values)?, unified(&default)?);
    let picks: Vec<(usize, usize)> = (0..rows.count)
        .map(|row| {
            let offset = whole(rows.get(1, row)).unwrap_or(1);
            let target = i64::try_from(row)
                .ok()
                .and_then(|row| row.checked_add(direction.checked_mul(offset)?));
            match target
                .and_then(|target| usize::try_from(target).ok())
                .filter(|target| *target < rows.count)
            {
                Some(target) => (0, target),
                None => (1, if default.len() == 1 { 0 } else { row }),
            }
        })
        .collect();
    if rows.count == 0 {
        return Ok(concat(&[&values.slice(0, 0) as &dyn Array])?);
    }
    Ok(interleave(&[values.as_ref(), default.as_ref()], &picks)?)
}

fn row_window_session(rows: &Rows<'_>) -> Result<ArrayRef> {
    let mut first: Option<i64> = None;
    let mut last: Option<i64> = None;
    let starts = (0..rows.count).map(|row| {
        let time = whole(rows.get(0, row))?;
        let within = |since: Option<i64>, limit: usize| match (since, whole(rows.get(limit, row))) {
            (Some(since), Some(limit)) => time.saturating_sub(since) <= limit,
            _ => false,
        };
        if rows.restarts(3, row) || !within(first, 1) || !within(last, 2) {
            first = Some(time);
        }
        last = Some(time);
        first
    });
    Ok(longs(Type::DateTime, starts.collect()))
}
