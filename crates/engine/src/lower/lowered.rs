//! A relation that has become a plan.

use datafusion::common::Column;
use datafusion::logical_expr::expr::Sort;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use taffrail_kql::bound;

use crate::error::LowerError;

/// A column by its name in the plan; no parsing of dots or quotes.
pub(in crate::lower) fn column(name: impl Into<String>) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}

/// What a column of the query is called in plans.
pub(in crate::lower) fn name(id: bound::ColumnId) -> String {
    format!("c{}", id.0)
}

/// One key of the order that rows have.
#[derive(Debug, Clone)]
pub(crate) struct OrderKey {
    pub(in crate::lower) column: String,
    pub(in crate::lower) descending: bool,
    pub(in crate::lower) nulls_first: bool,
}

impl OrderKey {
    pub(in crate::lower) fn ascending(column: String) -> OrderKey {
        OrderKey {
            column,
            descending: false,
            nulls_first: false,
        }
    }

    fn sort(&self) -> Sort {
        Sort::new(column(&self.column), !self.descending, self.nulls_first)
    }
}

/// A plan and what is known of its rows.
#[derive(Debug, Clone)]
pub(crate) struct Lowered {
    /// Has the columns of the relation, and those named below
    pub(in crate::lower) plan: LogicalPlan,
    /// The order of the rows; empty: any
    pub(in crate::lower) order: Vec<OrderKey>,
    /// Inside the body of `mv-apply` and `partition`: columns that tell which run of the body a row belongs to, and
    /// columns of the input that go with it. Every operator keeps them and works within equal values
    pub(in crate::lower) groups: Vec<String>,
    /// A boolean column, true for rows that only stand for a run of the body that may have no rows: an aggregation without
    /// keys gives a row for it, everything else drops or ignores it
    pub(in crate::lower) marker: Option<String>,
    /// Inside of such a body: a run may have lost all of its rows, and no marker tells of it
    pub(in crate::lower) lossy: bool,
}

impl Lowered {
    pub(in crate::lower) fn new(plan: LogicalPlan) -> Lowered {
        Lowered {
            plan,
            order: Vec::new(),
            groups: Vec::new(),
            marker: None,
            lossy: false,
        }
    }

    /// The same rows' properties over another plan that kept order and hidden columns.
    pub(in crate::lower) fn with_plan(self, plan: LogicalPlan) -> Lowered {
        Lowered { plan, ..self }
    }

    pub(in crate::lower) fn builder(&self) -> LogicalPlanBuilder {
        LogicalPlanBuilder::new(self.plan.clone())
    }

    /// The columns that operators carry along, each once.
    pub(in crate::lower) fn hidden(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let order = self.order.iter().map(|key| &key.column);
        for name in order.chain(&self.groups).chain(&self.marker) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }

    pub(in crate::lower) fn sort_exprs(&self) -> Vec<Sort> {
        self.order.iter().map(OrderKey::sort).collect()
    }

    pub(in crate::lower) fn group_exprs(&self) -> Vec<Expr> {
        self.groups.iter().map(column).collect()
    }

    /// The rows in their order, as far as the plan says.
    pub(in crate::lower) fn sorted(self) -> Result<Lowered, LowerError> {
        if self.order.is_empty() {
            return Ok(self);
        }
        let plan = self.builder().sort(self.sort_exprs())?.build()?;
        Ok(self.with_plan(plan))
    }

    /// Without the rows that stand for nothing.
    pub(in crate::lower) fn without_markers(self) -> Result<Lowered, LowerError> {
        let Some(marker) = &self.marker else {
            return Ok(self);
        };
        let plan = self.builder().filter(Expr::Not(Box::new(column(marker))))?.build()?;
        Ok(Lowered {
            plan,
            marker: None,
            lossy: true,
            ..self
        })
    }

    /// The visible columns alone.
    pub(in crate::lower) fn only(self, columns: &[bound::Column]) -> Result<LogicalPlan, LowerError> {
        let exprs: Vec<Expr> = columns.iter().map(|item| column(name(item.id))).collect();
        Ok(LogicalPlanBuilder::new(self.plan).project(exprs)?.build()?)
    }

    /// These columns (name, expression) and the hidden ones. A hidden column whose name is taken gets another.
    pub(in crate::lower) fn select(self, outputs: Vec<(String, Expr)>, fresh: impl Fn() -> String) -> Result<Lowered, LowerError> {
        let mut renamed: Vec<(String, String)> = Vec::new();
        let mut exprs: Vec<Expr> = Vec::new();
        for (name, expr) in &outputs {
            exprs.push(expr.clone().alias(name));
        }
        for hidden in self.hidden() {
            match outputs.iter().find(|(name, _)| *name == hidden) {
                None => exprs.push(column(&hidden)),
                Some((_, expr)) if *expr == column(&hidden) => {}
                Some(_) => {
                    let other = fresh();
                    exprs.push(column(&hidden).alias(&other));
                    renamed.push((hidden, other));
                }
            }
        }
        let current = |name: &String| {
            renamed
                .iter()
                .find(|(before, _)| before == name)
                .map_or_else(|| name.clone(), |(_, after)| after.clone())
        };
        let order = self
            .order
            .iter()
            .map(|key| OrderKey {
                column: current(&key.column),
                ..key.clone()
            })
            .collect();
        let groups = self.groups.iter().map(current).collect();
        let marker = self.marker.as_ref().map(current);
        let plan = LogicalPlanBuilder::new(self.plan).project(exprs)?.build()?;
        Ok(Lowered {
            plan,
            order,
            groups,
            marker,
            lossy: self.lossy,
        })
    }
}
