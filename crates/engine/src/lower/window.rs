//! Expressions that may hold window functions (`row_number`, `prev`, …): each call becomes a column below the expression.

use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::WindowFunction;
use taffrail_kql::Type;
use taffrail_kql::bound::{self, ExprKind};
use taffrail_kql::catalog::FunctionKind;

use super::lowered::column;
use super::{Lowered, Lowering};
use crate::error::LowerError;
use crate::functions;

impl Lowering {
    /// The expressions lowered, over an input that has what they need.
    pub(super) fn windows(&self, input: Lowered, exprs: &[bound::Expr]) -> Result<(Lowered, Vec<Expr>), LowerError> {
        if !exprs.iter().any(has_window) {
            let exprs = exprs.iter().map(|expr| self.expr(expr)).collect::<Result<_, _>>()?;
            return Ok((input, exprs));
        }
        let mut input = input.without_markers()?;
        let mut columns: Vec<(Expr, String)> = Vec::new();
        let mut arguments: Vec<(Expr, String)> = Vec::new();
        let mut calls = Vec::new();
        for expr in exprs {
            collect(expr, &mut calls);
        }
        // innermost first: a window function of a window function reads the column of the inner one
        for call in calls {
            if self.window_column(call).is_some() {
                continue;
            }
            let ExprKind::Call { function, args } = &call.kind else {
                continue;
            };
            let args = args
                .iter()
                .map(|arg| Ok((self.expr(arg)?, arg.ty)))
                .collect::<Result<Vec<_>, LowerError>>()?;
            let args = self.computed(&mut input, args, &mut arguments)?;
            let lowered = functions::window(function, args, call.ty).map_err(|error| error.at(call.span))?;
            let expr = ordered(lowered, &input);
            // the same call at two places is one column
            let name = match columns.iter().find(|(known, _)| *known == expr) {
                Some((_, name)) => String::clone(name),
                None => {
                    let name = self.fresh('w');
                    let plan = input.builder().window(vec![expr.clone().alias(&name)])?.build()?;
                    input = input.with_plan(plan);
                    columns.push((expr, name.clone()));
                    name
                }
            };
            self.prepared.windows.lock().push((call.clone(), name));
        }
        let lowered = exprs.iter().map(|expr| self.expr(expr)).collect::<Result<_, _>>();
        self.prepared.windows.lock().clear();
        Ok((input, lowered?))
    }

    /// Arguments as columns of the input, constants aside. DataFusion (55) shares common parts of the arguments of windows
    /// that follow each other, also those that need the result of one of them.
    fn computed(
        &self,
        input: &mut Lowered,
        args: Vec<(Expr, Type)>,
        known: &mut Vec<(Expr, String)>,
    ) -> Result<Vec<(Expr, Type)>, LowerError> {
        let mut out = Vec::with_capacity(args.len());
        let mut exprs: Vec<Expr> = Vec::new();
        for (arg, ty) in args {
            if matches!(arg, Expr::Column(_) | Expr::Literal(..)) {
                out.push((arg, ty));
                continue;
            }
            let name = match known.iter().find(|(expr, _)| *expr == arg) {
                Some((_, name)) => name.clone(),
                None => {
                    let name = self.fresh('v');
                    exprs.push(arg.clone().alias(&name));
                    known.push((arg, name.clone()));
                    name
                }
            };
            out.push((column(name), ty));
        }
        if !exprs.is_empty() {
            let fields = input.plan.schema().fields().clone();
            let kept = fields.iter().map(|field| column(field.name()));
            let plan = input.builder().project(kept.chain(exprs).collect::<Vec<_>>())?.build()?;
            *input = input.clone().with_plan(plan);
        }
        Ok(out)
    }

    /// The column that holds a window call computed below.
    pub(super) fn window_column(&self, call: &bound::Expr) -> Option<Expr> {
        let windows = self.prepared.windows.lock();
        let found = windows.iter().find(|(known, _)| known == call);
        found.map(|(_, name)| column(name))
    }
}

/// A window expression over the rows in their order, within their group.
pub(super) fn ordered(expr: Expr, rows: &Lowered) -> Expr {
    match expr {
        Expr::WindowFunction(window) => {
            let WindowFunction { fun, mut params } = *window;
            if params.order_by.is_empty() {
                params.order_by = rows.sort_exprs();
            }
            let mut partition_by = rows.group_exprs();
            partition_by.append(&mut params.partition_by);
            params.partition_by = partition_by;
            Expr::WindowFunction(Box::new(WindowFunction { fun, params }))
        }
        other => other,
    }
}

fn is_window(expr: &bound::Expr) -> bool {
    match &expr.kind {
        ExprKind::Call { function, .. } => {
            let catalog = functions::catalog();
            catalog.function(FunctionKind::Window, function).is_some()
        }
        _ => false,
    }
}

pub(super) fn has_window(expr: &bound::Expr) -> bool {
    let mut calls = Vec::new();
    collect(expr, &mut calls);
    !calls.is_empty()
}

fn collect<'a>(expr: &'a bound::Expr, calls: &mut Vec<&'a bound::Expr>) {
    for child in expr.children() {
        collect(child, calls);
    }
    if is_window(expr) {
        calls.push(expr);
    }
}
