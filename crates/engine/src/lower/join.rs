//! `join` and what is made of it (`lookup`).
//!
//! A null key matches a null key. Where a side has no match its strings are '' (a string is never null), the rest null.

use datafusion::common::{Column, JoinType, NullEquality};
use datafusion::functions_window::row_number::row_number_udwf;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, lit};
use taffrail_kql::bound::{self, JoinKind, Rel};
use taffrail_kql::{Type, Value};

use super::lowered::{column, name};
use super::{Lowered, Lowering};
use crate::error::LowerError;
use crate::functions;

impl Lowering {
    pub(super) fn join(
        &self,
        rel: &Rel,
        kind: JoinKind,
        left: &Rel,
        right: &Rel,
        keys: &[(bound::Expr, bound::Expr)],
    ) -> Result<Lowered, LowerError> {
        let (left_keys, right_keys): (Vec<_>, Vec<_>) = keys.iter().cloned().unzip();
        let (mut left_rows, mut left_on) = self.side(left, &left_keys)?;
        let (mut right_rows, mut right_on) = self.side(right, &right_keys)?;
        if kind == JoinKind::InnerUnique {
            left_rows = self.one_of_each(left_rows, &left_on)?;
        }
        let groups = self.join_groups(kind, &left_rows, &mut right_rows, &mut left_on, &mut right_on)?;
        let join_type = match kind {
            JoinKind::InnerUnique | JoinKind::Inner => JoinType::Inner,
            JoinKind::LeftOuter => JoinType::Left,
            JoinKind::RightOuter => JoinType::Right,
            JoinKind::FullOuter => JoinType::Full,
            JoinKind::LeftSemi => JoinType::LeftSemi,
            JoinKind::LeftAnti => JoinType::LeftAnti,
            JoinKind::RightSemi => JoinType::RightSemi,
            JoinKind::RightAnti => JoinType::RightAnti,
        };
        let builder = LogicalPlanBuilder::new(left_rows.plan);
        let joined = if left_on.is_empty() && join_type == JoinType::Inner {
            builder.cross_join(right_rows.plan)?
        } else {
            let columns = |names: Vec<String>| names.into_iter().map(Column::new_unqualified).collect::<Vec<_>>();
            let on = (columns(left_on), columns(right_on));
            builder.join_detailed(right_rows.plan, join_type, on, None, NullEquality::NullEqualsNull)?
        };
        let left_optional = matches!(kind, JoinKind::RightOuter | JoinKind::FullOuter);
        let right_optional = matches!(kind, JoinKind::LeftOuter | JoinKind::FullOuter);
        let exprs: Vec<Expr> = rel
            .columns
            .iter()
            .map(|item| {
                let of_left = left.columns.iter().any(|column| column.id == item.id);
                let optional = if of_left { left_optional } else { right_optional };
                let plain = column(name(item.id));
                let expr = if optional && item.ty == Type::String {
                    let empty = functions::literal(&Value::String(String::new()));
                    datafusion::functions::core::expr_fn::coalesce(vec![plain, empty])
                } else {
                    plain
                };
                expr.alias(name(item.id))
            })
            .chain(groups.iter().map(column))
            .collect();
        Ok(Lowered {
            plan: joined.project(exprs)?.build()?,
            order: vec![],
            groups,
            marker: None,
            lossy: true,
        })
    }

    /// The rows of one side with just its columns and keys; the names of the keys.
    fn side(&self, rel: &Rel, keys: &[bound::Expr]) -> Result<(Lowered, Vec<String>), LowerError> {
        let rows = self.rel(rel)?.without_markers()?;
        let mut outputs: Vec<(String, Expr)> = rel.columns.iter().map(|item| (name(item.id), column(name(item.id)))).collect();
        let mut names = Vec::new();
        for key in keys {
            let key_name = self.fresh('k');
            outputs.push((key_name.clone(), self.expr(key)?));
            names.push(key_name);
        }
        // both sides may come from one relation and be ordered by a column of the same name
        let mut rows = rows.select(outputs, || self.fresh('h'))?;
        let mut exprs: Vec<Expr> = rel.columns.iter().map(|item| column(name(item.id))).collect();
        exprs.extend(names.iter().map(column));
        for key in &mut rows.order {
            let other = self.fresh('o');
            exprs.push(column(&key.column).alias(&other));
            key.column = other;
        }
        exprs.extend(rows.group_exprs());
        let plan = rows.builder().project(exprs)?.build()?;
        Ok((rows.with_plan(plan), names))
    }

    /// One row for each key: the first, where there is an order.
    fn one_of_each(&self, rows: Lowered, keys: &[String]) -> Result<Lowered, LowerError> {
        let number = self.fresh('n');
        let mut call = WindowFunction::new(row_number_udwf(), vec![]);
        call.params.partition_by = keys.iter().map(column).chain(rows.group_exprs()).collect();
        call.params.order_by = rows.sort_exprs();
        let call = Expr::WindowFunction(Box::new(call)).alias(&number);
        let plan = rows.builder().window(vec![call])?.filter(column(number).eq(lit(1_u64)))?.build()?;
        Ok(rows.with_plan(plan))
    }

    /// Inside of a body: rows of one run only meet rows of the same run.
    fn join_groups(
        &self,
        kind: JoinKind,
        left: &Lowered,
        right: &mut Lowered,
        left_on: &mut Vec<String>,
        right_on: &mut Vec<String>,
    ) -> Result<Vec<String>, LowerError> {
        let keeps_left = !matches!(
            kind,
            JoinKind::RightOuter | JoinKind::FullOuter | JoinKind::RightSemi | JoinKind::RightAnti
        );
        let keeps_right = matches!(
            kind,
            JoinKind::Inner | JoinKind::InnerUnique | JoinKind::RightOuter | JoinKind::RightSemi | JoinKind::RightAnti
        );
        match (left.groups.is_empty(), right.groups.is_empty()) {
            (true, true) => Ok(vec![]),
            (false, true) if keeps_left => Ok(left.groups.clone()),
            (true, false) if keeps_right => Ok(right.groups.clone()),
            (false, false) if keeps_left => {
                let mut exprs = Vec::new();
                for field in right.plan.schema().fields() {
                    let field = field.name();
                    if right.groups.contains(field) {
                        let other = self.fresh('g');
                        exprs.push(column(field).alias(&other));
                        left_on.push(field.clone());
                        right_on.push(other);
                    } else {
                        exprs.push(column(field));
                    }
                }
                right.plan = right.builder().project(exprs)?.build()?;
                Ok(left.groups.clone())
            }
            _ => Err(LowerError::not_supported("this kind of join inside of mv-apply or partition")),
        }
    }
}
