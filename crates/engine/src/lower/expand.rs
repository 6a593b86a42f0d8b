//! `mv-expand`: a kernel makes the list of each row's parts, DataFusion's unnest makes rows of them.

use datafusion::common::Column;
use datafusion::functions::core::expr_fn::get_field;
use datafusion::logical_expr::Expr;
use taffrail_kql::Type;
use taffrail_kql::bound::{BagExpansion, Column as BoundColumn, ExpandItem, Rel};

use super::lowered::{OrderKey, column, name};
use super::{Lowered, Lowering};
use crate::error::LowerError;
use crate::functions;
use crate::kernels::expand::{self, Expand};
use crate::kernels::same;

impl Lowering {
    pub(super) fn mv_expand(
        &self,
        rel: &Rel,
        input: &Rel,
        items: &[ExpandItem],
        index: Option<&BoundColumn>,
        limit: Option<u64>,
        bag: BagExpansion,
    ) -> Result<Lowered, LowerError> {
        // rows that stand for an empty run may multiply: they still count for nothing
        let rows = self.rel(input)?;
        let spec = Expand {
            limit,
            pairs: bag == BagExpansion::Array,
            keep_empty: true,
            marker: false,
        };
        let kept: Vec<BoundColumn> = rel
            .columns
            .iter()
            .filter(|item| input.columns.iter().any(|column| column.id == item.id))
            .cloned()
            .collect();
        let expanded = self.expanded(rows, &kept, items, index, &spec)?;
        let outputs = rel.columns.iter().map(|item| (name(item.id), column(name(item.id)))).collect();
        expanded.select(outputs, || self.fresh('h'))
    }

    /// A row for each part; columns: those kept, the items' outputs, the index.
    pub(super) fn expanded(
        &self,
        rows: Lowered,
        kept: &[BoundColumn],
        items: &[ExpandItem],
        index: Option<&BoundColumn>,
        spec: &Expand,
    ) -> Result<Lowered, LowerError> {
        let parts = self.fresh('x');
        let sources = items.iter().map(|item| self.expr(&item.source)).collect::<Result<Vec<_>, _>>()?;
        let mut outputs: Vec<(String, Expr)> = kept.iter().map(|item| (name(item.id), column(name(item.id)))).collect();
        outputs.push((parts.clone(), expand::call(spec, sources)));
        let listed = not_unique(rows)?.select(outputs.clone(), || self.fresh('h'))?;
        let plan = listed.builder().unnest_column(Column::new_unqualified(&parts))?.build()?;
        let unnested = listed.with_plan(plan);
        outputs.pop();
        for (position, item) in items.iter().enumerate() {
            let part = get_field(column(&parts), expand::part(position));
            outputs.push((name(item.output.id), converted(part, item.output.ty)?));
        }
        let position = get_field(column(&parts), expand::INDEX);
        if let Some(index) = index {
            outputs.push((name(index.id), position.clone()));
        }
        let new_marker = spec.marker.then(|| self.fresh('q'));
        if let Some(marker) = &new_marker {
            outputs.push((marker.clone(), get_field(column(&parts), expand::MARKER)));
        }
        // parts of one row stay in their order, when rows have one
        let ordered = !unnested.order.is_empty() || !unnested.groups.is_empty();
        let position_name = self.fresh('o');
        if ordered {
            outputs.push((position_name.clone(), position));
        }
        let mut lowered = unnested.select(outputs, || self.fresh('h'))?;
        lowered.marker = new_marker.or(lowered.marker);
        if ordered {
            lowered.order.push(OrderKey::ascending(position_name));
        }
        Ok(lowered)
    }
}

/// The same rows, without the plan's claim that some column is unique: the parts of a row repeat it.
fn not_unique(rows: Lowered) -> Result<Lowered, LowerError> {
    let schema = rows.plan.schema().clone();
    let dependencies = schema.functional_dependencies();
    let keys: Vec<usize> = dependencies.iter().flat_map(|known| known.source_indices.clone()).collect();
    if keys.is_empty() {
        return Ok(rows);
    }
    let exprs: Vec<Expr> = schema
        .fields()
        .iter()
        .enumerate()
        .map(|(index, field)| {
            let plain = column(field.name());
            if keys.contains(&index) {
                same::call(plain).alias(field.name())
            } else {
                plain
            }
        })
        .collect();
    let plan = rows.builder().project(exprs)?.build()?;
    Ok(rows.with_plan(plan))
}

/// A part as the type that `to typeof()` asks for.
pub(in crate::lower) fn converted(part: Expr, ty: Type) -> Result<Expr, LowerError> {
    let function = match ty {
        Type::Dynamic => return Ok(part),
        Type::Bool => "tobool",
        Type::Int => "toint",
        Type::Long => "tolong",
        Type::Real => "toreal",
        Type::Decimal => "todecimal",
        Type::String => "tostring",
        Type::DateTime => "todatetime",
        Type::TimeSpan => "totimespan",
        Type::Guid => "toguid",
    };
    functions::scalar(function, vec![part], &[Type::Dynamic], ty)
}
