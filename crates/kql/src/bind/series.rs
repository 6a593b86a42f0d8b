//! `make-series`: an array of aggregates over regular steps of an axis.

use super::expr::Ctx;
use super::naming::unique;
use super::typing::{cast, wider};
use super::{Binder, Bound, Reported, Scope};
use crate::bound::{Column, Expr, OperatorArg, Rel, RelKind};
use crate::diagnostic::{Code, Diagnostic};
use crate::syntax::ast;
use crate::types::{Type, Value};

/// `from ... to ... step ...` or `in range(...)`, as written.
pub(crate) struct Bounds<'e> {
    pub(crate) from: Option<&'e ast::Expr>,
    pub(crate) to: Option<&'e ast::Expr>,
    pub(crate) step: Option<&'e ast::Expr>,
    pub(crate) in_range: Option<&'e (ast::Expr, ast::Expr, ast::Expr)>,
}

impl Binder<'_> {
    #[allow(clippy::too_many_arguments, reason = "the parts of the operator's syntax")]
    pub(crate) fn make_series(
        &mut self,
        items: &[ast::SeriesItem],
        on: Option<&ast::NamedExpr>,
        bounds: &Bounds<'_>,
        by: &[ast::NamedExpr],
        input: Rel,
        operator: &ast::Operator,
        scope: &Scope,
    ) -> Bound<Rel> {
        let Some(on) = on else {
            let problem = Diagnostic::error(Code::Syntax, operator.keyword, "make-series does not say along what")
                .with_help("add 'on TimeGenerated step 1h'");
            return Err(self.report(problem));
        };
        let non_empty = match operator.property("kind") {
            Some(kind) => self.word(kind, scope, "the kind of make-series")? == "nonempty",
            None => false,
        };
        let keys = self.keys(by, &input, scope);
        let ctx = Ctx::row(scope, &input);
        let axis = self.expr(&on.value, &ctx)?;
        if !axis.ty.is_numeric() && !matches!(axis.ty, Type::DateTime | Type::TimeSpan) {
            return self.error(
                Code::Type,
                axis.span,
                format!("the axis must be a datetime, timespan or number, and this is of type {}", axis.ty),
            );
        }
        let step_type = match axis.ty {
            Type::DateTime | Type::TimeSpan => Type::TimeSpan,
            ty => wider(ty, Type::Long),
        };
        let axis_type = match axis.ty {
            ty @ (Type::DateTime | Type::TimeSpan) => ty,
            _ => step_type,
        };
        let axis = cast(axis, axis_type);
        let (from, to, step) = match bounds.in_range {
            Some((from, to, step)) => (Some(from), Some(to), Some(step)),
            None => (bounds.from, bounds.to, bounds.step),
        };
        let from = self.bound(from, axis_type, "start", scope)?;
        let to = self.bound(to, axis_type, "end", scope)?;
        let Some(step) = step else {
            let problem =
                Diagnostic::error(Code::Syntax, operator.keyword, "make-series does not say in which steps").with_help("add 'step 1h'");
            return Err(self.report(problem));
        };
        let step = self.bound(Some(step), step_type, "step", scope)?;
        let mut columns = keys.columns.clone();
        let mut series = Vec::with_capacity(items.len());
        let mut failed = keys.failed;
        for item in items {
            match self.series_item(item, &ctx, &mut columns, scope) {
                Ok(arg) => series.push(arg),
                Err(Reported) => failed = true,
            }
        }
        let axis_name = on
            .names
            .first()
            .map(|name| name.text.clone())
            .or_else(|| self.name_of(&on.value))
            .unwrap_or_else(|| "Column1".to_owned());
        let axis_name = unique(&axis_name, &columns);
        columns.push(self.column(axis_name, Type::Dynamic));
        if failed {
            return Ok(self.broken(columns, false, operator.span));
        }
        let kind = RelKind::Operator {
            name: "make-series",
            inputs: vec![input],
            args: vec![
                OperatorArg::Expr(axis),
                from,
                to,
                step,
                OperatorArg::List(keys.exprs.into_iter().map(OperatorArg::Expr).collect()),
                OperatorArg::List(series),
                // `in range(...)` includes its end, `from ... to` does not.
                OperatorArg::Value(Value::Bool(bounds.in_range.is_some())),
                OperatorArg::Value(Value::Bool(non_empty)),
            ],
        };
        Ok(self.rel(kind, columns, false, operator.span))
    }

    fn bound(&mut self, expr: Option<&ast::Expr>, ty: Type, what: &str, scope: &Scope) -> Bound<OperatorArg> {
        let Some(expr) = expr else {
            return Ok(OperatorArg::Value(Value::Null(ty)));
        };
        let value = self.expr(expr, &Ctx::constant(scope))?;
        let value = self.assignable(value, ty, &format!("the {what} of make-series"))?;
        Ok(OperatorArg::Expr(value))
    }

    fn series_item(&mut self, item: &ast::SeriesItem, ctx: &Ctx<'_>, columns: &mut Vec<Column>, scope: &Scope) -> Bound<OperatorArg> {
        let Some(function) = self.plain_aggregate(&item.expr.value, scope) else {
            return self.error(
                Code::Semantic,
                item.expr.value.span,
                "make-series wants an aggregate here, e.g. count()",
            );
        };
        let aggregate = self.named_aggregate(function, &item.expr, ctx, columns, &[])?;
        let ty = aggregate.outputs.first().map_or(Type::Real, |output| output.ty);
        let default: Expr = match &item.default {
            Some(default) => {
                let default = self.expr(default, &Ctx::constant(scope))?;
                if default.ty.is_numeric() && ty.is_numeric() && default.ty != ty {
                    default
                } else {
                    self.assignable(default, ty, "the default of the series")?
                }
            }
            None => {
                let zero = Expr::literal(Value::Long(0), self.place(item.expr.value.span));
                if ty.is_numeric() {
                    cast(zero, ty)
                } else {
                    super::project::null(ty, zero.span)
                }
            }
        };
        for output in &aggregate.outputs {
            columns.push(self.column(output.name.clone(), Type::Dynamic));
        }
        Ok(OperatorArg::List(vec![
            OperatorArg::Aggregate(aggregate),
            OperatorArg::Expr(default),
        ]))
    }
}
