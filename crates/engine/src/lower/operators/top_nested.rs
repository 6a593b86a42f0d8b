//! `top-nested`: per level the best keys within each key of the level above.

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
        let mut rows = self.rel(input)?.without_markers()?;
        if !rows.groups.is_empty() {
            return Err(LowerError::not_supported("top-nested inside of mv-apply or partition"));
        }
        rows.order.clear();
        let mut key_names: Vec<String> = Vec::new();
        let mut position = 0;
        if levels.iter().any(|level| level.others.is_some()) {
            return self.with_others(rel, input, rows, &levels);
        }
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

    /// The best keys of a level, without the others: keys above, this key, the aggregate's outputs.
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
        let plan = LogicalPlanBuilder::new(numbered).filter(among)?.build()?;
        Ok(ranked.with_plan(plan))
    }

    /// Levels of which some gather what is not among the best under one key: there, and on the levels below, that key is
    /// the parent of one key only.
    fn with_others(&self, rel: &Rel, input: &Rel, rows: Lowered, levels: &[Level<'_>]) -> Result<Lowered, LowerError> {
        let mut rows = rows;
        // true for the rows whose keys were all among the best so far
        let mut best_so_far = self.fresh('f');
        let start = vec![(best_so_far.clone(), lit(true))];
        rows = Lowered::new(self.with_keys(&rows, input, &start)?);
        let mut keys: Vec<String> = Vec::new();
        let mut position = 0;
        let mut answer: Option<Lowered> = None;
        let mut order = Vec::new();
        for level in levels {
            let key = name(rel.columns.get(position).ok_or_else(|| layout(NAME))?.id);
            position += 1 + level.aggregate.outputs.len();
            let chosen = rows.builder().filter(column(&best_so_far))?.build()?;
            let best = self.best(&Lowered::new(chosen), &keys, level, key.clone())?;
            if let Some(output) = level.aggregate.outputs.first() {
                order.push(OrderKey {
                    column: name(output.id),
                    descending: !level.ascending,
                    nulls_first: false,
                });
            }
            // each row with the key it has on this level, and whether that is one of the best
            let raw = self.fresh('k');
            let found = self.fresh('f');
            let mut on: Vec<(String, Expr)> = keys.iter().map(|name| (name.clone(), column(name))).collect();
            on.push((best_so_far.clone(), column(&best_so_far)));
            on.push((raw.clone(), self.expr(level.key)?));
            let next = self.with_keys(&rows, input, &on)?;
            let mut kept: Vec<Expr> = keys.iter().map(column).collect();
            kept.push(column(&key).alias(&raw));
            kept.push(lit(true).alias(&found));
            let kept = best.builder().project(kept)?.build()?;
            let mut join_keys = keys.clone();
            join_keys.push(raw.clone());
            let joined = self.joined(next, kept, JoinType::Left, &join_keys)?;
            let among = column(&best_so_far).and(column(&found).is_not_null());
            let joined = Lowered::new(match &level.others {
                Some(_) => joined,
                None => LogicalPlanBuilder::new(joined)
                    .filter(among.clone().or(Expr::Not(Box::new(column(&best_so_far)))))?
                    .build()?,
            });
            let other = match &level.others {
                Some(others) => functions::cast(functions::literal(others), others.ty(), level.key.ty),
                None => functions::null(level.key.ty),
            };
            let still = self.fresh('f');
            let mut outputs: Vec<(String, Expr)> = keys.iter().map(|name| (name.clone(), column(name))).collect();
            outputs.push((
                key.clone(),
                datafusion::logical_expr::when(among.clone(), column(&raw)).otherwise(other)?,
            ));
            outputs.push((still.clone(), among));
            rows = Lowered::new(self.with_keys(&joined, input, &outputs)?);
            best_so_far = still;
            keys.push(key);
            let on: Vec<(String, Expr)> = keys.iter().map(|name| (name.clone(), column(name))).collect();
            let values = self.aggregated(rows.clone(), on, std::slice::from_ref(level.aggregate))?;
            answer = Some(match answer {
                None => values,
                Some(above) => {
                    let above_keys = keys.get(..keys.len() - 1).unwrap_or_default();
                    Lowered::new(self.joined(values.plan, above.plan, JoinType::Inner, above_keys)?)
                }
            });
        }
        let answer = answer.ok_or_else(|| layout(NAME))?;
        let outputs = rel.columns.iter().map(|item| (name(item.id), column(name(item.id)))).collect();
        let mut answer = answer.select(outputs, || self.fresh('h'))?;
        answer.order = order;
        Ok(answer)
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
        if matches!(kind, JoinType::Inner | JoinType::Left) {
            columns.extend(right_columns);
        }
        Ok(builder.project(columns)?.build()?)
    }
}
