//! `mv-apply` and `partition`: a body over the rows of each run.
//!
//! The body is lowered once, for all runs together: the rows carry columns that tell their run (`Lowered::groups`), and every
//! operator of the body keeps them and works within them. A run that has no rows still gives one to a `summarize` without
//! `by`; a marker row per run stands for that.

use datafusion::functions_window::row_number::row_number_udwf;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::WindowFunction;
use taffrail_kql::bound::{self, Column, ExpandItem, Rel, RelKind};

use super::lowered::{column, name};
use super::prepare::inputs;
use super::{Lowered, Lowering};
use crate::error::LowerError;
use crate::kernels::expand::Expand;

impl Lowering {
    pub(in crate::lower) fn mv_apply(
        &self,
        rel: &Rel,
        input: &Rel,
        items: &[ExpandItem],
        index: Option<&Column>,
        limit: Option<u64>,
        body: &Rel,
    ) -> Result<Lowered, LowerError> {
        let mut rows = self.rel(input)?.without_markers()?;
        if count(body, &|rel| matches!(rel.kind, RelKind::Outer)) > 1 {
            return Err(LowerError::not_supported("using the rows of mv-apply twice in its body"));
        }
        let mut groups = rows.groups.clone();
        if count(body, &depends_on_run) > 0 {
            let id = self.fresh('g');
            let call = Expr::WindowFunction(Box::new(WindowFunction::new(row_number_udwf(), vec![])));
            let plan = rows.builder().window(vec![call.alias(&id)])?.build()?;
            rows = rows.with_plan(plan);
            groups.push(id);
        }
        let outer_groups = rows.groups.clone();
        let outer_order = rows.order.clone();
        let carried = input.columns.iter().map(|item| name(item.id));
        for column in carried.chain(outer_order.iter().map(|key| key.column.clone())) {
            if !groups.contains(&column) {
                groups.push(column);
            }
        }
        rows.groups = groups;
        let marker = count(body, &gives_a_row_for_none) > 0;
        let spec = Expand {
            limit,
            pairs: false,
            keep_empty: false,
            marker,
        };
        let expanded = self.expanded(rows, &input.columns, items, index, &spec)?;
        let mut applied = self.body(expanded, body)?.without_markers()?;
        // rows stay where their input row was, in the order the body gives
        let inner = std::mem::take(&mut applied.order);
        applied.order.clone_from(&outer_order);
        for key in inner {
            if !outer_order.iter().any(|outer| outer.column == key.column) {
                applied.order.push(key);
            }
        }
        if outer_order.is_empty() {
            applied.order.clear();
        }
        applied.groups = outer_groups;
        let outputs = rel.columns.iter().map(|item| (name(item.id), column(name(item.id)))).collect();
        applied.select(outputs, || self.fresh('h'))
    }

    pub(in crate::lower) fn partition(&self, input: &Rel, key: &bound::Expr, body: &Rel) -> Result<Lowered, LowerError> {
        let rows = self.rel(input)?.without_markers()?;
        if count(body, &|rel| matches!(rel.kind, RelKind::Outer)) > 1 {
            return Err(LowerError::not_supported("using the rows of partition twice in its body"));
        }
        let outer_groups = rows.groups.clone();
        let group = self.fresh('g');
        let mut outputs: Vec<(String, Expr)> = input.columns.iter().map(|item| (name(item.id), column(name(item.id)))).collect();
        outputs.push((group.clone(), self.expr(key)?));
        let mut rows = rows.select(outputs, || self.fresh('h'))?;
        rows.groups.push(group);
        let mut applied = self.body(rows, body)?.without_markers()?;
        applied.groups = outer_groups;
        Ok(applied)
    }

    fn body(&self, outer: Lowered, body: &Rel) -> Result<Lowered, LowerError> {
        self.outer.lock().push(outer);
        let lowered = self.rel(body);
        self.outer.lock().pop();
        lowered
    }

    /// The rows handed to the innermost body.
    pub(in crate::lower) fn outer(&self) -> Result<Lowered, LowerError> {
        let outer = self.outer.lock().last().cloned();
        outer.ok_or_else(|| LowerError::not_supported("the rows of mv-apply or partition here"))
    }
}

pub(in crate::lower) fn count(rel: &Rel, is: &dyn Fn(&Rel) -> bool) -> usize {
    let below: usize = inputs(rel).into_iter().map(|input| count(input, is)).sum();
    below + usize::from(is(rel))
}

fn gives_a_row_for_none(rel: &Rel) -> bool {
    matches!(&rel.kind, RelKind::Aggregate { keys, .. } if keys.is_empty())
}

/// Anything that is more than row by row.
fn depends_on_run(rel: &Rel) -> bool {
    match &rel.kind {
        RelKind::Filter { .. } | RelKind::MvExpand { .. } | RelKind::Parse { .. } | RelKind::Outer => false,
        RelKind::Project { exprs, .. } => exprs.iter().any(super::window::has_window),
        _ => true,
    }
}
