//! `in`, `has_any` and their kin: a value against a list of expressions, an array or the first column of a table.

use std::sync::Arc;

use super::expr::Ctx;
use super::typing::{cast, list_symbol};
use super::{Binder, Bound};
use crate::bound::{Expr, ExprKind, Rel, RelKind};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::syntax::ast::{self, ListOp};
use crate::types::{Type, Value};

impl Binder<'_> {
    pub(crate) fn list(&mut self, op: ListOp, value: &ast::Expr, items: &[ast::Expr], span: Span, ctx: &Ctx<'_>) -> Bound<Expr> {
        let value = self.expr(value, ctx);
        let textual = !matches!(op, ListOp::In | ListOp::NotIn);
        if let [item] = items
            && self.is_tabular(item, ctx)
        {
            let rel = self.tabular(item, ctx.scope)?;
            return self.in_rel(op, textual, value?, rel, span);
        }
        let mut bound = Vec::with_capacity(items.len());
        for item in items {
            bound.push(self.expr(item, ctx));
        }
        let mut value = value?;
        let mut items = bound.into_iter().collect::<Bound<Vec<Expr>>>()?;
        if items.len() > 1 {
            items = spread(items);
        }
        for item in &mut items {
            if let Some(converted) = listed(item, value.ty) {
                *item = converted;
            }
        }
        let dynamic_list = matches!(items.as_slice(), [only] if only.ty == Type::Dynamic);
        if textual {
            if !matches!(value.ty, Type::String | Type::Dynamic) {
                let problem = Diagnostic::error(
                    Code::Type,
                    value.span,
                    format!("'{}' works on strings, and this is of type {}", list_symbol(op), value.ty),
                )
                .with_help("convert it with tostring()");
                return Err(self.report(problem));
            }
            value = cast(value, Type::String);
        }
        if !dynamic_list {
            for item in &mut items {
                let place = item.span;
                let (value_type, item_type) = (value.ty, item.ty);
                let fits = match (value_type, item_type) {
                    (a, b) if a == b => true,
                    (Type::Dynamic, _) | (_, Type::Dynamic) => true,
                    (a, b) if a.is_numeric() && b.is_numeric() => true,
                    (Type::Guid, Type::String) | (Type::String, Type::Guid) => true,
                    (Type::Bool, Type::Int | Type::Long) | (Type::Int | Type::Long, Type::Bool) => true,
                    // Compared as text, like `==`.
                    (Type::String, b) => b.is_numeric() || b == Type::Bool,
                    (a, Type::String) => a.is_numeric() || a == Type::Bool,
                    _ => false,
                };
                if !fits && !self.lenient() {
                    return self.error(
                        Code::Type,
                        place,
                        format!("'{}' compares with {value_type}, and this is of type {item_type}", list_symbol(op)),
                    );
                }
            }
            let target = match value.ty {
                Type::Dynamic => items
                    .iter()
                    .map(|item| super::typing::compared_as(item, true))
                    .reduce(|a, b| super::typing::common(a, b).unwrap_or(Type::String))
                    .map_or(Type::String, |ty| if ty == Type::Dynamic { Type::String } else { ty }),
                ty if ty != Type::String && items.iter().any(|item| item.ty == Type::String) && ty != Type::Guid => Type::String,
                ty if ty.is_numeric() => items
                    .iter()
                    .filter(|item| item.ty.is_numeric())
                    .fold(ty, |wide, item| super::typing::wider(wide, item.ty)),
                ty => ty,
            };
            value = cast(value, target);
            items = items.into_iter().map(|item| cast(item, target)).collect();
        }
        Ok(Expr {
            kind: ExprKind::List {
                op,
                value: Box::new(value),
                items,
            },
            ty: Type::Bool,
            span: self.place(span),
        })
    }

    fn in_rel(&mut self, op: ListOp, textual: bool, value: Expr, rel: Rel, span: Span) -> Bound<Expr> {
        let Some(first) = rel.columns.first().cloned() else {
            return self.error(Code::Semantic, span, "the table has no column to compare with");
        };
        let item = self.column_use(&first, span)?;
        let number = |ty: Type| ty.is_numeric() || ty == Type::Bool;
        let text_and_number = (value.ty == Type::String && number(first.ty)) || (first.ty == Type::String && number(value.ty));
        let target = if textual || text_and_number {
            Type::String
        } else if value.ty == Type::Dynamic {
            if first.ty == Type::Dynamic { Type::String } else { first.ty }
        } else if value.ty.is_numeric() && first.ty.is_numeric() {
            super::typing::wider(value.ty, first.ty)
        } else {
            value.ty
        };
        let fits = |ty: Type| ty == target || ty == Type::Dynamic || (ty.is_numeric() && target.is_numeric());
        if !self.lenient() && !text_and_number && (!fits(first.ty) || !fits(value.ty)) {
            return self.error(
                Code::Type,
                span,
                format!(
                    "'{}' cannot compare {} with column '{}' of type {}",
                    list_symbol(op),
                    value.ty,
                    first.name,
                    first.ty
                ),
            );
        }
        let place = rel.span;
        let rel = if rel.columns.len() == 1 && first.ty == target {
            rel
        } else {
            let column = self.column(first.name.clone(), target);
            let expr = cast(item, target);
            self.rel(
                RelKind::Project {
                    input: Box::new(rel),
                    exprs: vec![expr],
                },
                vec![column],
                false,
                place,
            )
        };
        Ok(Expr {
            kind: ExprKind::InRel {
                op,
                value: Box::new(cast(value, target)),
                rel: Arc::new(rel),
            },
            ty: Type::Bool,
            span: self.place(span),
        })
    }
}

/// Constant arrays among the items of a list: their elements are items.
fn spread(items: Vec<Expr>) -> Vec<Expr> {
    let mut all = Vec::with_capacity(items.len());
    for item in items {
        match item.as_literal() {
            Some(Value::Dynamic(json)) => match super::constant::elements(json) {
                Some(values) => all.extend(values.into_iter().map(|value| Expr::literal(value, item.span))),
                None => all.push(item),
            },
            _ => all.push(item),
        }
    }
    all
}

/// A constant of a list as the type it is compared with: `"403"` for a number, `403` for a text.
fn listed(item: &Expr, ty: Type) -> Option<Expr> {
    let literal = item.as_literal()?;
    if literal.ty() == ty || literal.ty() == Type::Dynamic || ty == Type::Dynamic {
        return None;
    }
    let value = match literal {
        Value::String(text) => crate::syntax::literal::parse_typed(ty, text)?,
        Value::Long(n) if ty == Type::String => Value::String(n.to_string()),
        _ => return None,
    };
    (!matches!(value, Value::Null(_))).then(|| Expr::literal(value, item.span))
}
