//! Scalar expressions.

use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::Case;
use taffrail_kql::bound::{self, ExprKind, PathStep};
use taffrail_kql::syntax::ast::ListOp;

use super::Lowering;
use super::lowered::{column, name};
use crate::error::LowerError;
use crate::functions::{self, PathStepLowered};
use crate::kernels;

/// Lists with more values than this are one constant in plans.
pub(in crate::lower) const LONG_LIST: usize = 256;

impl Lowering {
    pub(in crate::lower) fn expr(&self, expr: &bound::Expr) -> Result<Expr, LowerError> {
        if let Some(column) = self.window_column(expr) {
            return Ok(column);
        }
        self.expr_kind(expr).map_err(|error| error.at(expr.span))
    }

    fn expr_kind(&self, expr: &bound::Expr) -> Result<Expr, LowerError> {
        Ok(match &expr.kind {
            ExprKind::Literal(value) => functions::literal(value),
            ExprKind::Column(id) => column(name(*id)),
            ExprKind::Call { function, args } => {
                let types: Vec<_> = args.iter().map(|arg| arg.ty).collect();
                let args = self.exprs(args)?;
                functions::scalar(function, args, &types, expr.ty)?
            }
            ExprKind::Cast(inner) => functions::cast(self.expr(inner)?, inner.ty, expr.ty),
            ExprKind::Binary { op, left, right } => functions::binary(*op, (self.expr(left)?, left.ty), (self.expr(right)?, right.ty))?,
            ExprKind::Negate(inner) => Expr::Negative(Box::new(self.expr(inner)?)),
            ExprKind::Not(inner) => Expr::Not(Box::new(self.expr(inner)?)),
            ExprKind::Case { branches, otherwise } => {
                let mut when_then = Vec::with_capacity(branches.len());
                for (condition, value) in branches {
                    when_then.push((Box::new(self.expr(condition)?), Box::new(self.expr(value)?)));
                }
                Expr::Case(Case::new(None, when_then, Some(Box::new(self.expr(otherwise)?))))
            }
            ExprKind::List {
                op: op @ (ListOp::In | ListOp::NotIn),
                value,
                items,
            } if items.len() > LONG_LIST
                && kernels::in_set::takes(&functions::arrow_type(value.ty))
                && items.iter().all(|item| item.ty == value.ty && item.as_literal().is_some()) =>
            {
                let constants: Vec<_> = items
                    .iter()
                    .filter_map(bound::Expr::as_literal)
                    .map(functions::scalar_value)
                    .collect();
                let found = kernels::in_set::call(self.expr(value)?, &constants, &functions::arrow_type(value.ty));
                if *op == ListOp::In { found } else { Expr::Not(Box::new(found)) }
            }
            ExprKind::List { op, value, items } => {
                let typed = self.typed(items)?;
                functions::list(*op, (self.expr(value)?, value.ty), typed)?
            }
            ExprKind::InRel {
                op: op @ (ListOp::In | ListOp::NotIn),
                value,
                rel,
            } if self.prepared.list(rel)?.len() > LONG_LIST && kernels::in_set::takes(&functions::arrow_type(value.ty)) => {
                let constants: Vec<_> = self.prepared.list(rel)?.iter().map(functions::scalar_value).collect();
                let found = kernels::in_set::call(self.expr(value)?, &constants, &functions::arrow_type(value.ty));
                if *op == ListOp::In { found } else { Expr::Not(Box::new(found)) }
            }
            ExprKind::InRel { op, value, rel } => {
                let items = self
                    .prepared
                    .list(rel)?
                    .iter()
                    .map(|item| (functions::literal(item), item.ty()))
                    .collect();
                functions::list(*op, (self.expr(value)?, value.ty), items)?
            }
            ExprKind::Path { base, steps } => {
                let steps = steps.iter().map(|step| self.step(step)).collect::<Result<_, _>>()?;
                functions::path(self.expr(base)?, steps)
            }
            ExprKind::ScalarQuery(rel) => functions::literal(self.prepared.scalar(rel)?),
        })
    }

    pub(in crate::lower) fn exprs(&self, exprs: &[bound::Expr]) -> Result<Vec<Expr>, LowerError> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    pub(in crate::lower) fn typed(&self, exprs: &[bound::Expr]) -> Result<Vec<(Expr, taffrail_kql::Type)>, LowerError> {
        exprs.iter().map(|expr| Ok((self.expr(expr)?, expr.ty))).collect()
    }

    fn step(&self, step: &PathStep) -> Result<PathStepLowered, LowerError> {
        Ok(match step {
            PathStep::Key(key) => PathStepLowered::Key(key.clone()),
            PathStep::Index(index) => PathStepLowered::Index(*index),
            PathStep::Expr(expr) => PathStepLowered::Expr(self.expr(expr)?, expr.ty),
        })
    }
}
