//! `join` and `lookup`.

use super::expr::Ctx;
use super::naming::unique;
use super::typing::{cast, wider};
use super::{Binder, Bound, Reported, Scope, suggest};
use crate::bound::{Column, ColumnId, Expr, ExprKind, JoinKind, Rel, RelKind};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::syntax::ast::{self, BinaryOp, ExprKind as Ast, JoinKey};
use crate::types::Type;

/// Kinds as written.
pub(crate) const JOIN_KINDS: &[(&str, JoinKind)] = &[
    ("innerunique", JoinKind::InnerUnique),
    ("inner", JoinKind::Inner),
    ("leftouter", JoinKind::LeftOuter),
    ("rightouter", JoinKind::RightOuter),
    ("fullouter", JoinKind::FullOuter),
    ("leftsemi", JoinKind::LeftSemi),
    ("leftanti", JoinKind::LeftAnti),
    ("leftantisemi", JoinKind::LeftAnti),
    ("anti", JoinKind::LeftAnti),
    ("rightsemi", JoinKind::RightSemi),
    ("rightanti", JoinKind::RightAnti),
    ("rightantisemi", JoinKind::RightAnti),
];

impl Binder<'_> {
    fn join_kind(&mut self, operator: &ast::Operator, default: JoinKind, scope: &Scope) -> Bound<JoinKind> {
        let Some(value) = operator.property("kind") else {
            return Ok(default);
        };
        let word = self.word(value, scope, "the kind of join")?;
        match JOIN_KINDS.iter().find(|(name, _)| *name == word.to_lowercase()) {
            Some((_, kind)) => Ok(*kind),
            None => {
                let names = JOIN_KINDS.iter().map(|(name, _)| *name);
                let problem = suggest::unknown("kind of join", &word, value.span, names);
                Err(self.report(problem))
            }
        }
    }

    pub(crate) fn join(&mut self, operator: &ast::Operator, right: &ast::Expr, on: &[JoinKey], left: Rel, scope: &Scope) -> Bound<Rel> {
        let span = operator.span;
        let kind = self.join_kind(operator, JoinKind::InnerUnique, scope);
        let right = self.tabular(right, scope)?;
        let keys = self.join_keys(on, &left, &right, operator.keyword, scope);
        let columns = match kind {
            Ok(JoinKind::LeftSemi | JoinKind::LeftAnti) => left.columns.clone(),
            Ok(JoinKind::RightSemi | JoinKind::RightAnti) => right.columns.clone(),
            _ => side_by_side(&left.columns, &right.columns, &[]),
        };
        let (Ok(kind), Ok(keys)) = (kind, keys) else {
            return Ok(self.broken(columns, false, span));
        };
        let node = RelKind::Join {
            kind,
            left: Box::new(left),
            right: Box::new(right),
            keys,
        };
        Ok(self.rel(node, columns, false, span))
    }

    /// `lookup`: a left outer (or inner) join that leaves out the keys of the right side.
    pub(crate) fn lookup(&mut self, operator: &ast::Operator, right: &ast::Expr, on: &[JoinKey], left: Rel, scope: &Scope) -> Bound<Rel> {
        let span = operator.span;
        let kind = self.join_kind(operator, JoinKind::LeftOuter, scope)?;
        if !matches!(kind, JoinKind::LeftOuter | JoinKind::Inner) {
            return self.error(
                Code::Arguments,
                operator.keyword,
                "lookup is leftouter or inner; use join for the other kinds",
            );
        }
        let right = self.tabular(right, scope)?;
        let keys = match self.join_keys(on, &left, &right, operator.keyword, scope) {
            Ok(keys) => keys,
            Err(Reported) => {
                let columns = side_by_side(&left.columns, &right.columns, &[]);
                return Ok(self.broken(columns, false, span));
            }
        };
        let right_keys: Vec<ColumnId> = keys
            .iter()
            .filter_map(|(_, key)| match &key.kind {
                ExprKind::Column(id) => Some(*id),
                ExprKind::Cast(inner) => match inner.kind {
                    ExprKind::Column(id) => Some(id),
                    _ => None,
                },
                _ => None,
            })
            .collect();
        let all = side_by_side(&left.columns, &right.columns, &[]);
        let shown = side_by_side(&left.columns, &right.columns, &right_keys);
        let node = RelKind::Join {
            kind,
            left: Box::new(left),
            right: Box::new(right),
            keys,
        };
        let joined = self.rel(node, all, false, span);
        Ok(self.keep(shown, joined, span))
    }

    fn join_keys(&mut self, on: &[JoinKey], left: &Rel, right: &Rel, keyword: Span, scope: &Scope) -> Bound<Vec<(Expr, Expr)>> {
        if on.is_empty() {
            let problem = Diagnostic::error(Code::Syntax, keyword, "the join does not say on what")
                .with_help("add 'on Column' or 'on $left.A == $right.B'");
            return Err(self.report(problem));
        }
        let mut keys = Vec::new();
        for key in on {
            match key {
                JoinKey::Name(name) => keys.push(self.common_key(name, left, right)),
                JoinKey::Expr(expr) => self.key_conditions(expr, left, right, scope, &mut keys),
            }
        }
        keys.into_iter().collect()
    }

    fn common_key(&mut self, name: &ast::Name, left: &Rel, right: &Rel) -> Bound<(Expr, Expr)> {
        let side = |rel: &Rel| rel.columns.iter().find(|column| column.name == name.text).cloned();
        let (Some(a), Some(b)) = (side(left), side(right)) else {
            if (side(left).is_some() || left.open) && (side(right).is_some() || right.open) {
                return Err(Reported);
            }
            let (missing, which) = match side(left) {
                None => (left, "left"),
                Some(_) => (right, "right"),
            };
            let names = missing.columns.iter().map(|column| column.name.as_str());
            let mut problem = suggest::unknown("column", &name.text, name.span, names);
            problem.message = format!("{} on the {which} side of the join", problem.message);
            if problem.help.is_none() {
                problem = problem.with_help("columns of different names: on $left.A == $right.B");
            }
            return Err(self.report(problem));
        };
        let a = self.column_use(&a, name.span)?;
        let b = self.column_use(&b, name.span)?;
        if self.lenient() && a.ty != b.ty && a.ty != Type::Dynamic && b.ty != Type::Dynamic {
            let message = format!(
                "column '{}' is of type {} on one side of the join and {} on the other",
                name.text, a.ty, b.ty
            );
            return self.error(Code::Type, name.span, message);
        }
        self.key_pair(a, b, name.span)
    }

    /// `$left.a == $right.b and ...`
    fn key_conditions(&mut self, expr: &ast::Expr, left: &Rel, right: &Rel, scope: &Scope, keys: &mut Vec<Bound<(Expr, Expr)>>) {
        match &expr.kind {
            Ast::Binary {
                op: BinaryOp::And,
                left: a,
                right: b,
            } => {
                self.key_conditions(a, left, right, scope, keys);
                self.key_conditions(b, left, right, scope, keys);
            }
            Ast::Binary {
                op: BinaryOp::Equal,
                left: a,
                right: b,
            } => keys.push(self.key_condition(a, b, left, right, expr.span, scope)),
            Ast::Name(text) => {
                let name = ast::Name {
                    text: text.clone(),
                    span: expr.span,
                };
                keys.push(self.common_key(&name, left, right));
            }
            _ => {
                let problem = Diagnostic::error(Code::Semantic, expr.span, "a join can match only by equality of columns")
                    .with_help("write 'on Column' or 'on $left.A == $right.B', and filter further with where");
                keys.push(Err(self.report(problem)));
            }
        }
    }

    fn key_condition(&mut self, a: &ast::Expr, b: &ast::Expr, left: &Rel, right: &Rel, span: Span, scope: &Scope) -> Bound<(Expr, Expr)> {
        let ctx = Ctx {
            sides: Some((&left.columns, &right.columns)),
            open: left.open || right.open,
            ..Ctx::constant(scope)
        };
        let (first, second) = match (side_of(a), side_of(b)) {
            (Some("$left"), Some("$right")) => (a, b),
            (Some("$right"), Some("$left")) if !self.lenient() => (b, a),
            _ => {
                let problem = Diagnostic::error(Code::Semantic, span, "an equality of a join compares a column of each side")
                    .with_help("write 'on $left.A == $right.B'");
                return Err(self.report(problem));
            }
        };
        let (first, second) = (self.expr(first, &ctx), self.expr(second, &ctx));
        self.key_pair(first?, second?, span)
    }

    fn key_pair(&mut self, a: Expr, b: Expr, span: Span) -> Bound<(Expr, Expr)> {
        match (a.ty, b.ty) {
            (Type::Dynamic, _) | (_, Type::Dynamic) => {
                let problem = Diagnostic::error(Code::Type, span, "tables cannot be joined on a dynamic value")
                    .with_help("extend both sides with a column of a plain type first, e.g. tostring(x)");
                Err(self.report(problem))
            }
            (x, y) if x == y => Ok((a, b)),
            (Type::Int | Type::Long, Type::Int | Type::Long) => {
                let ty = wider(a.ty, b.ty);
                Ok((cast(a, ty), cast(b, ty)))
            }
            (x, y) => self.error(
                Code::Type,
                span,
                format!("the columns to join on are of different types: {x} and {y}"),
            ),
        }
    }
}

/// `$left` or `$right`, when the expression is a path from one of them.
fn side_of(expr: &ast::Expr) -> Option<&str> {
    match &expr.kind {
        Ast::Name(name) => Some(name.as_str()).filter(|name| name.starts_with('$')),
        Ast::Member { base, .. } | Ast::Element { base, .. } => side_of(base),
        Ast::Call { arguments, .. } => arguments.iter().find_map(|argument| side_of(&argument.value)),
        _ => None,
    }
}

/// Columns of both sides; equal names of the right side get a number.
fn side_by_side(left: &[Column], right: &[Column], without: &[ColumnId]) -> Vec<Column> {
    let mut columns = left.to_vec();
    for column in right {
        if without.contains(&column.id) {
            continue;
        }
        let name = unique(&column.name, &columns);
        columns.push(Column { name, ..column.clone() });
    }
    columns
}
