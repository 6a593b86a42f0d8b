//! `top-nested`: per level the best keys within each key of the level above.

use std::sync::Arc;

use datafusion::common::{Column, JoinType, NullEquality};
use datafusion::functions_window::row_number::row_number_udwf;
use datafusion::logical_expr::expr::{Sort, WindowFunction};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit};
use taffrail_kql::bound::{Aggregate, OperatorArg, Rel};
use taffrail_kql::{Value, bound};

use super::{aggregate_arg, bool_arg, expr_arg, layout, list_arg};
use crate::error::LowerError;
use crate::functions;
use crate::lower::lowered::{OrderKey, column, name};
use crate::lower::{Lowered, Lowering};

const NAME: &str = "top-nested";

struct Level<'a> {
    count: Option<i64>,
    key: &'a bound::Expr,
    others: Option<Value>,
    aggregate: &'a Aggregate,
    ascending: bool,
}

impl Lowering {
    /// `columns` of the relation are, for each level, its key and its aggregate's outputs.
    pub(super) fn top_nested(&self, rel: &Rel, input: &Rel, args: &[OperatorArg]) -> Result<Lowered, LowerError> {
        let levels = args.iter().map(|arg| self.level(arg)).collect::<Result<Vec<_>, _>>()?;
        if levels.len() > 1 && levels.iter().any(|level| level.others.is_some()) {
            return Err(LowerError::not_supported("top-nested of several levels with others"));
        }
        let mut rows = self.rel(input)?.without_markers()?;
        if !rows.groups.is_empty() {
            return Err(LowerError::not_supported("top-nested inside of mv-apply or partition"));
        }
        rows.order.clear();
        let mut key_names: Vec<String> = Vec::new();
        let mut position = 0;
        let mut answer: Option<Lowered> = None;
        let mut order = Vec::new();
        for level in &levels {
            let key_column = rel.columns.get(position).ok_or_else(|| layout(NAME))?;
            position += 1 + level.aggregate.outputs.len();
            let best = self.best(&rows, &key_names, level, name(key_column.id))?;
            let key = name(key_column.id);
            if let Some(output) = level.aggregate.outputs.first() {
                order.push(OrderKey {
                    column: name(output.id),
                    descending: !level.ascending,
                    nulls_first: false,
                });
            }
            // rows of the keys that are left go on to the next level
            let mut on: Vec<(String, Expr)> = key_names.iter().map(|name| (name.clone(), column(name))).collect();
            on.push((key.clone(), self.expr(level.key)?));
            let next = self.with_keys(&rows, input, &on)?;
            key_names.push(key);
            let kept = self.project_names(&best, &key_names)?;
            rows = Lowered::new(self.joined(next, kept, JoinType::LeftSemi, &key_names)?);
            answer = Some(match answer {
                None => best,
                Some(above) => {
                    let above_keys = key_names.get(..key_names.len() - 1).unwrap_or_default();
                    Lowered::new(self.joined(best.plan, above.plan, JoinType::Inner, above_keys)?)
                }
            });
        }
        let answer = answer.ok_or_else(|| layout(NAME))?;
        let outputs = rel.columns.iter().map(|item| (name(item.id), column(name(item.id)))).collect();
        let mut answer = answer.select(outputs, || self.fresh('h'))?;
        answer.order = order;
        Ok(answer)
    }

    fn level<'a>(&self, arg: &'a OperatorArg) -> Result<Level<'a>, LowerError> {
        let parts = list_arg(Some(arg), NAME)?;
        let count = match self.constant_arg(parts.first())? {
            Value::Long(count) => Some(count),
            Value::Int(count) => Some(i64::from(count)),
            _ => None,
        };
        let others = match parts.get(2) {
            Some(OperatorArg::Expr(expr)) => Some(self.constant(expr)?),
            _ => None,
        };
        Ok(Level {
            count,
            key: expr_arg(parts.get(1), NAME)?,
            others,
            aggregate: aggregate_arg(parts.get(3), NAME)?,
            ascending: bool_arg(parts.get(4)),
        })
    }

    /// The best keys of a level: keys above, this key, the aggregate's outputs.
    fn best(&self, rows: &Lowered, above: &[String], level: &Level<'_>, key: String) -> Result<Lowered, LowerError> {
        let mut keys: Vec<(String, Expr)> = above.iter().map(|name| (name.clone(), column(name))).collect();
        keys.push((key.clone(), self.expr(level.key)?));
        let ranked = self.aggregated(rows.clone(), keys, std::slice::from_ref(level.aggregate))?;
        let Some(count) = level.count else {
            return Ok(ranked);
        };
        let number = self.fresh('n');
        let rank_by = level.aggregate.outputs.first().ok_or_else(|| layout(NAME))?;
        let mut call = WindowFunction::new(row_number_udwf(), vec![]);
        call.params.partition_by = above.iter().map(column).collect();
        call.params.order_by = vec![
            Sort::new(column(name(rank_by.id)), level.ascending, false),
            Sort::new(column(&key), true, false),
        ];
        let numbered = ranked
            .builder()
            .window(vec![Expr::WindowFunction(Box::new(call)).alias(&number)])?
            .build()?;
        let limit = u64::try_from(count).unwrap_or(0);
        let among = column(&number).lt_eq(lit(limit));
        let Some(others) = &level.others else {
            let plan = LogicalPlanBuilder::new(numbered).filter(among)?.build()?;
            return Ok(ranked.with_plan(plan));
        };
        // the rest as one more key: aggregated again from the rows, as not every aggregate can be added up
        let best = LogicalPlanBuilder::new(numbered).filter(among)?.build()?;
        let best = ranked.with_plan(best);
        let marked = self.fresh('k');
        let on = vec![(marked.clone(), self.expr(level.key)?)];
        let kept = best.builder().project(vec![column(&key).alias(&marked)])?.build()?;
        let columns: Vec<(String, Expr)> = rows
            .plan
            .schema()
            .fields()
            .iter()
            .map(|field| (field.name().clone(), column(field.name())))
            .chain(on)
            .collect();
        let with_key = rows.clone().select(columns, || self.fresh('h'))?;
        let rest = Lowered::new(self.joined(with_key.plan, kept, JoinType::LeftAnti, &[marked])?);
        let other_key = functions::cast(functions::literal(others), others.ty(), level.key.ty);
        let rest = self.aggregated(rest, vec![(key.clone(), other_key)], std::slice::from_ref(level.aggregate))?;
        let mut names = vec![key];
        names.extend(level.aggregate.outputs.iter().map(|output| name(output.id)));
        let best = self.project_names(&best, &names)?;
        let rest = self.project_names(&rest, &names)?;
        let union = datafusion::logical_expr::Union::try_new(vec![Arc::new(best), Arc::new(rest)])?;
        Ok(Lowered::new(LogicalPlan::Union(union)))
    }

    fn with_keys(&self, rows: &Lowered, input: &Rel, keys: &[(String, Expr)]) -> Result<LogicalPlan, LowerError> {
        let mut outputs: Vec<(String, Expr)> = input.columns.iter().map(|item| (name(item.id), column(name(item.id)))).collect();
        outputs.extend(keys.iter().cloned());
        Ok(rows.clone().select(outputs, || self.fresh('h'))?.plan)
    }

    fn project_names(&self, rows: &Lowered, names: &[String]) -> Result<LogicalPlan, LowerError> {
        Ok(rows.builder().project(names.iter().map(column).collect::<Vec<_>>())?.build()?)
    }

    /// Joins on columns of the same name, null keys equal; the right side's keys are dropped.
    fn joined(&self, left: LogicalPlan, right: LogicalPlan, kind: JoinType, keys: &[String]) -> Result<LogicalPlan, LowerError> {
        let mut renamed = Vec::new();
        let mut right_keys = Vec::new();
        for field in right.schema().fields() {
            if keys.contains(field.name()) {
                continue;
            }
            renamed.push(column(field.name()));
        }
        for key in keys {
            let other = self.fresh('k');
            renamed.push(column(key).alias(&other));
            right_keys.push(Column::new_unqualified(other));
        }
        let left_columns: Vec<Expr> = left.schema().fields().iter().map(|field| column(field.name())).collect();
        let right_columns: Vec<Expr> = right
            .schema()
            .fields()
            .iter()
            .filter(|field| !keys.contains(field.name()))
            .map(|field| column(field.name()))
            .collect();
        let right = LogicalPlanBuilder::new(right).project(renamed)?.build()?;
        let left_keys: Vec<Column> = keys.iter().map(Column::new_unqualified).collect();
        let builder =
            LogicalPlanBuilder::new(left).join_detailed(right, kind, (left_keys, right_keys), None, NullEquality::NullEqualsNull)?;
        let mut columns = left_columns;
        if kind == JoinType::Inner {
            columns.extend(right_columns);
        }
        Ok(builder.project(columns)?.build()?)
    }
}
