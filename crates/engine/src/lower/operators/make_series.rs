//! `make-series`: aggregates by step, then gathers the steps of each key into arrays and fills the gaps.

use datafusion::arrow::datatypes::DataType;
use datafusion::functions::core::expr_fn::{get_field, named_struct};
use datafusion::functions_aggregate::expr_fn::array_agg;
use datafusion::logical_expr::{Expr, cast, lit};
use taffrail_kql::bound::{Aggregate, OperatorArg, Rel};
use taffrail_kql::syntax::ast::BinaryOp;
use taffrail_kql::{Type, Value};

use super::{aggregate_arg, bool_arg, expr_arg, layout, list_arg};
use crate::error::LowerError;
use crate::functions;
use crate::kernels::series::{self, Axis};
use crate::lower::lowered::{column, name};
use crate::lower::{Lowered, Lowering};

const NAME: &str = "make-series";

impl Lowering {
    pub(super) fn make_series(&self, rel: &Rel, input: &Rel, args: &[OperatorArg]) -> Result<Lowered, LowerError> {
        let axis = expr_arg(args.first(), NAME)?;
        let from = self.constant_arg(args.get(1))?;
        let to = self.constant_arg(args.get(2))?;
        let step = self.constant_arg(args.get(3))?;
        let keys = list_arg(args.get(4), NAME)?;
        let series = list_arg(args.get(5), NAME)?;
        let end_included = bool_arg(args.get(6));
        let non_empty = bool_arg(args.get(7));
        let spec = Axis::new(axis.ty, &from, &to, &step, end_included).map_err(LowerError::Argument)?;

        let mut rows = self.rel(input)?.without_markers()?;
        let step_literal = (functions::literal(&step), step.ty());
        let axis_value = (self.expr(axis)?, axis.ty);
        let mut inside = axis_value.0.clone().is_not_null();
        if !is_null(&from) {
            let bound = (functions::literal(&from), from.ty());
            inside = inside.and(functions::binary(BinaryOp::GreaterEqual, axis_value.clone(), bound)?);
        }
        if !is_null(&to) {
            let op = if end_included { BinaryOp::LessEqual } else { BinaryOp::Less };
            let bound = (functions::literal(&to), to.ty());
            inside = inside.and(functions::binary(op, axis_value.clone(), bound)?);
        }
        let plan = rows.builder().filter(inside)?.build()?;
        rows = rows.with_plan(plan);

        // the number of the step a row is in, counted from `from`, or from zero when there is none
        let distance = if is_null(&from) {
            axis_value
        } else {
            let ty = if axis.ty == Type::DateTime { Type::TimeSpan } else { axis.ty };
            let bound = (functions::literal(&from), from.ty());
            (functions::binary(BinaryOp::Subtract, axis_value, bound)?, ty)
        };
        let step_number = step_number(distance, step_literal)?;
        let position = self.fresh('p');
        let mut step_keys = vec![(position.clone(), step_number)];
        let mut key_names = Vec::new();
        for (key, output) in keys.iter().zip(&rel.columns) {
            step_keys.push((name(output.id), self.expr(expr_arg(Some(key), NAME)?)?));
            key_names.push(name(output.id));
        }
        let mut aggregates: Vec<Aggregate> = Vec::new();
        let mut defaults: Vec<Value> = Vec::new();
        for item in series {
            let item = list_arg(Some(item), NAME)?;
            let aggregate = aggregate_arg(item.first(), NAME)?;
            let default = self.constant_arg(item.get(1))?;
            defaults.extend(aggregate.outputs.iter().map(|_| default.clone()));
            aggregates.push(aggregate.clone());
        }
        let steps = self.aggregated(rows, step_keys, &aggregates)?;

        let mut fields = vec![lit(series::POSITION), column(&position)];
        for (index, output) in aggregates.iter().flat_map(|aggregate| &aggregate.outputs).enumerate() {
            fields.push(lit(series::part(index)));
            fields.push(functions::cast(column(name(output.id)), output.ty, Type::Dynamic));
        }
        let gathered = self.fresh('a');
        let call = array_agg(named_struct(fields)).alias(&gathered);
        let groups: Vec<Expr> = key_names.iter().map(column).chain(steps.group_exprs()).collect();
        let plan = steps.builder().aggregate(groups, vec![call])?.build()?;
        let mut lowered = Lowered {
            plan,
            order: vec![],
            groups: steps.groups,
            marker: None,
            lossy: true,
        };
        if !(non_empty && keys.is_empty()) {
            let plan = lowered.builder().filter(column(&gathered).is_not_null())?.build()?;
            lowered = lowered.with_plan(plan);
        }
        let defaults = defaults.iter().map(|value| (functions::literal(value), value.ty()));
        let defaults: Vec<Expr> = defaults.map(|(literal, ty)| functions::cast(literal, ty, Type::Dynamic)).collect();
        let filled = self.fresh('x');
        let count = defaults.len();
        let mut outputs: Vec<(String, Expr)> = key_names.iter().map(|key| (key.clone(), column(key))).collect();
        outputs.push((filled.clone(), series::call(&spec, column(&gathered), defaults)));
        let lowered = lowered.select(outputs, || self.fresh('h'))?;
        let mut outputs: Vec<(String, Expr)> = key_names.iter().map(|key| (key.clone(), column(key))).collect();
        let arrays = rel.columns.get(keys.len()..).ok_or_else(|| layout(NAME))?;
        for (index, output) in arrays.iter().enumerate() {
            let field = if index == count {
                series::AXIS.to_owned()
            } else {
                series::part(index)
            };
            outputs.push((name(output.id), get_field(column(&filled), field)));
        }
        lowered.select(outputs, || self.fresh('h'))
    }
}

fn is_null(value: &Value) -> bool {
    matches!(value, Value::Null(_))
}

fn step_number(distance: (Expr, Type), step: (Expr, Type)) -> Result<Expr, LowerError> {
    if distance.1 == Type::Real || step.1 == Type::Real {
        let distance = functions::cast(distance.0, distance.1, Type::Real);
        let step = functions::cast(step.0, step.1, Type::Real);
        let quotient = functions::binary(BinaryOp::Divide, (distance, Type::Real), (step, Type::Real))?;
        let floor = functions::scalar("floor", vec![quotient], &[Type::Real], Type::Real)?;
        return Ok(cast(floor, DataType::Int64));
    }
    // both count in whole numbers; rounding down, also below zero
    let (distance, step) = (cast(distance.0, DataType::Int64), cast(step.0, DataType::Int64));
    let remainder = (distance.clone() % step.clone() + step.clone()) % step.clone();
    Ok((distance - remainder) / step)
}
