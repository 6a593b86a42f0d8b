//! Types of operators: which they take, what is converted implicitly, what they give.
//!
//! Source: Kusto Query Language reference, "Numerical operators", "Datetime / timespan arithmetic", "String operators",
//! "The dynamic data type" (comparison with scalars is by value of the scalar's type, arithmetic wants a cast).

use super::constant;
use super::{Binder, Bound};
use crate::bound::{Expr, ExprKind};
use crate::diagnostic::{Code, Diagnostic, Severity, Span};
use crate::syntax::ast::{BinaryOp, ListOp};
use crate::syntax::literal;
use crate::types::{Type, Value};

/// The operator as written.
pub(crate) fn symbol(op: BinaryOp) -> &'static str {
    use BinaryOp as B;
    match op {
        B::Or => "or",
        B::And => "and",
        B::Equal => "==",
        B::NotEqual => "!=",
        B::Less => "<",
        B::LessEqual => "<=",
        B::Greater => ">",
        B::GreaterEqual => ">=",
        B::EqualTilde => "=~",
        B::NotEqualTilde => "!~",
        B::Add => "+",
        B::Subtract => "-",
        B::Multiply => "*",
        B::Divide => "/",
        B::Modulo => "%",
        B::Has => "has",
        B::NotHas => "!has",
        B::HasCs => "has_cs",
        B::NotHasCs => "!has_cs",
        B::HasPrefix => "hasprefix",
        B::NotHasPrefix => "!hasprefix",
        B::HasPrefixCs => "hasprefix_cs",
        B::NotHasPrefixCs => "!hasprefix_cs",
        B::HasSuffix => "hassuffix",
        B::NotHasSuffix => "!hassuffix",
        B::HasSuffixCs => "hassuffix_cs",
        B::NotHasSuffixCs => "!hassuffix_cs",
        B::Contains => "contains",
        B::NotContains => "!contains",
        B::ContainsCs => "contains_cs",
        B::NotContainsCs => "!contains_cs",
        B::StartsWith => "startswith",
        B::NotStartsWith => "!startswith",
        B::StartsWithCs => "startswith_cs",
        B::NotStartsWithCs => "!startswith_cs",
        B::EndsWith => "endswith",
        B::NotEndsWith => "!endswith",
        B::EndsWithCs => "endswith_cs",
        B::NotEndsWithCs => "!endswith_cs",
        B::MatchesRegex => "matches regex",
        B::Colon => ":",
    }
}

/// The list operator as written.
pub(crate) fn list_symbol(op: ListOp) -> &'static str {
    match op {
        ListOp::In => "in",
        ListOp::NotIn => "!in",
        ListOp::InTilde => "in~",
        ListOp::NotInTilde => "!in~",
        ListOp::HasAny => "has_any",
        ListOp::HasAll => "has_all",
    }
}

/// The conversion function for a type.
pub(crate) fn conversion(ty: Type) -> &'static str {
    match ty {
        Type::Bool => "tobool",
        Type::Int => "toint",
        Type::Long => "tolong",
        Type::Real => "toreal",
        Type::Decimal => "todecimal",
        Type::String => "tostring",
        Type::DateTime => "todatetime",
        Type::TimeSpan => "totimespan",
        Type::Guid => "toguid",
        Type::Dynamic => "todynamic",
    }
}

fn rank(ty: Type) -> u8 {
    match ty {
        Type::Int => 0,
        Type::Long => 1,
        Type::Real => 2,
        _ => 3,
    }
}

/// The wider of two numeric types.
pub(crate) fn wider(a: Type, b: Type) -> Type {
    if rank(a) >= rank(b) { a } else { b }
}

/// The type that values of two types share in one column (branches of `iff`, items of a list).
pub(crate) fn common(a: Type, b: Type) -> Option<Type> {
    if a == b {
        Some(a)
    } else if a.is_numeric() && b.is_numeric() {
        Some(wider(a, b))
    } else if a == Type::Dynamic {
        Some(b)
    } else if b == Type::Dynamic {
        Some(a)
    } else {
        None
    }
}

/// An implicit conversion; constants are converted at once.
pub(crate) fn cast(expr: Expr, ty: Type) -> Expr {
    if expr.ty == ty {
        return expr;
    }
    let span = expr.span;
    if let ExprKind::Literal(value) = &expr.kind
        && let Some(value) = constant::convert(value, ty)
    {
        return Expr {
            kind: ExprKind::Literal(value),
            ty,
            span,
        };
    }
    Expr {
        kind: ExprKind::Cast(Box::new(expr)),
        ty,
        span,
    }
}

impl Binder<'_> {
    /// `left op right`, typed.
    pub(crate) fn binary(&mut self, op: BinaryOp, left: Expr, right: Expr, span: Span) -> Bound<Expr> {
        use BinaryOp as B;
        let (left, right, ty) = match op {
            B::And | B::Or => {
                // Members of a dynamic may be operands of `and` and `or`, though not a condition by themselves.
                let operand = |expr: Expr| match expr.ty {
                    Type::Dynamic => cast(expr, Type::Bool),
                    _ => expr,
                };
                let left = self.condition(operand(left));
                let right = self.condition(operand(right));
                (left?, right?, Type::Bool)
            }
            B::Equal | B::NotEqual | B::Less | B::LessEqual | B::Greater | B::GreaterEqual => {
                let (left, right) = self.comparable(op, left, right, span)?;
                (left, right, Type::Bool)
            }
            B::Add | B::Subtract | B::Multiply | B::Divide | B::Modulo => self.arithmetic(op, left, right, span)?,
            _ => {
                let left = self.text_operand(op, left)?;
                let right = self.text_operand(op, right)?;
                (left, right, Type::Bool)
            }
        };
        if let (Some(a), Some(b)) = (left.as_literal(), right.as_literal())
            && let Some(value) = constant::binary(op, a, b)
        {
            return Ok(Expr {
                ty,
                kind: ExprKind::Literal(value),
                span: self.place(span),
            });
        }
        Ok(Expr {
            kind: ExprKind::Binary {
                op,
                left: Box::new(left),
                right: Box::new(right),
            },
            ty,
            span: self.place(span),
        })
    }

    /// A bool.
    pub(crate) fn condition(&mut self, expr: Expr) -> Bound<Expr> {
        match expr.ty {
            Type::Bool => Ok(expr),
            ty => {
                let problem = Diagnostic::error(
                    Code::Type,
                    expr.span,
                    format!("a condition is wanted here, and this is of type {ty}"),
                );
                let problem = match ty {
                    Type::String => problem.with_help("compare it, e.g. with == or has"),
                    Type::Dynamic => problem.with_help("compare it, e.g. with == true, or convert it with tobool()"),
                    _ => problem.with_help("compare it, e.g. with == or !="),
                };
                Err(self.report(problem))
            }
        }
    }

    fn text_operand(&mut self, op: BinaryOp, expr: Expr) -> Bound<Expr> {
        match expr.ty {
            Type::String => Ok(expr),
            Type::Dynamic => Ok(cast(expr, Type::String)),
            ty => {
                let problem = Diagnostic::error(
                    Code::Type,
                    expr.span,
                    format!("'{}' works on strings, and this is of type {ty}", symbol(op)),
                )
                .with_help("convert it with tostring()");
                Err(self.report(problem))
            }
        }
    }

    fn comparable(&mut self, op: BinaryOp, left: Expr, right: Expr, span: Span) -> Bound<(Expr, Expr)> {
        let equality = matches!(op, BinaryOp::Equal | BinaryOp::NotEqual);
        let dynamics = left.ty == Type::Dynamic && right.ty == Type::Dynamic;
        if self.lenient() && (equality || dynamics) {
            return Ok((left, right));
        }
        match (left.ty, right.ty) {
            (Type::Dynamic, Type::Dynamic) => self.incomparable(op, &left, &right, span),
            (Type::Dynamic, ty) | (ty, Type::Dynamic) if !equality && !is_ordered_number(ty) => self.incomparable(op, &left, &right, span),
            (Type::String, Type::String) if !equality => {
                let problem = Diagnostic::error(Code::Type, span, format!("'{}' is not defined for strings", symbol(op)))
                    .with_help("compare with strcmp(a, b), e.g. strcmp(a, b) < 0");
                Err(self.report(problem))
            }
            (Type::Guid, Type::Guid) if !equality => self.incomparable(op, &left, &right, span),
            (Type::Dynamic, _) => {
                let ty = compared_as(&right, equality);
                Ok((cast(left, ty), cast(right, ty)))
            }
            (_, Type::Dynamic) => {
                let ty = compared_as(&left, equality);
                Ok((cast(left, ty), cast(right, ty)))
            }
            (a, b) if a == b => Ok((left, right)),
            (a, b) if a.is_numeric() && b.is_numeric() => {
                let ty = wider(a, b);
                Ok((cast(left, ty), cast(right, ty)))
            }
            (Type::Bool, b @ (Type::Int | Type::Long)) => Ok((cast(left, b), right)),
            (a @ (Type::Int | Type::Long), Type::Bool) => Ok((left, cast(right, a))),
            (Type::Guid, Type::String) => Ok((left, cast(right, Type::Guid))),
            (Type::String, Type::Guid) => Ok((cast(left, Type::Guid), right)),
            (Type::String, other) if equality => self.text_with(op, left, right, other, span),
            (other, Type::String) if equality => {
                let (right, left) = self.text_with(op, right, left, other, span)?;
                Ok((left, right))
            }
            _ => self.incomparable(op, &left, &right, span),
        }
    }

    /// A text compared with a constant of another type, as published rules do (`ResultType == 0`): by the type's reading of
    /// it where it has one, else as text. Gives the text's side first.
    fn text_with(&mut self, op: BinaryOp, text: Expr, other: Expr, ty: Type, span: Span) -> Bound<(Expr, Expr)> {
        if let Some(Value::String(written)) = text.as_literal()
            && let Some(value) = literal::parse_typed(ty, written).filter(|value| !matches!(value, Value::Null(_)))
        {
            return Ok((Expr::literal(value, text.span), other));
        }
        let constant = text.as_literal().is_some() || other.as_literal().is_some();
        if !constant || (!ty.is_numeric() && ty != Type::Bool) {
            return self.incomparable(op, &text, &other, span);
        }
        let mut problem = Diagnostic::error(Code::Type, span, format!("string is compared with {ty} as text"))
            .with_help("convert one side to say what is meant");
        problem.severity = Severity::Warning;
        if let Some(Value::Long(number)) = other.as_literal() {
            problem = problem
                .with_help(format!("write \"{number}\""))
                .with_fix(other.span, format!("\"{number}\""));
        }
        self.report(problem);
        Ok((text, cast(other, Type::String)))
    }

    fn incomparable<T>(&mut self, op: BinaryOp, left: &Expr, right: &Expr, span: Span) -> Bound<T> {
        let problem = Diagnostic::error(
            Code::Type,
            span,
            format!("'{}' cannot compare {} with {}", symbol(op), left.ty, right.ty),
        );
        let written = |side: &Expr, other: Type| match side.as_literal() {
            Some(Value::String(text)) if literal::parse_typed(other, text).is_some() => Some(match other {
                Type::DateTime | Type::Guid | Type::Decimal => format!("{other}({text})"),
                Type::TimeSpan => format!("time({text})"),
                _ => text.clone(),
            }),
            _ => None,
        };
        let problem = if let Some(text) = written(right, left.ty) {
            problem.with_help(format!("write {text}")).with_fix(right.span, text)
        } else if let Some(text) = written(left, right.ty) {
            problem.with_help(format!("write {text}")).with_fix(left.span, text)
        } else {
            problem.with_help(match (left.ty, right.ty) {
                (Type::Dynamic, Type::Dynamic) => "say what they are, e.g. with tostring() on both sides".to_owned(),
                // The side that is no constant is the one to convert to the constant's type.
                (_, ty) if right.as_literal().is_some() => format!("convert the left side with {}()", conversion(ty)),
                (ty, _) => format!("convert the right side with {}()", conversion(ty)),
            })
        };
        Err(self.report(problem))
    }

    fn arithmetic(&mut self, op: BinaryOp, left: Expr, right: Expr, span: Span) -> Bound<(Expr, Expr, Type)> {
        use BinaryOp::{Add, Divide, Modulo, Multiply, Subtract};
        use Type::{DateTime, Dynamic, TimeSpan};
        // A dynamic beside a scalar is read as the scalar's type.
        let (left, right) = match (left.ty, right.ty) {
            (Dynamic, Dynamic) => (left, right),
            (Dynamic, ty) if ty.is_numeric() => (cast(left, number_beside(ty)), right),
            (ty, Dynamic) if ty.is_numeric() => (left, cast(right, number_beside(ty))),
            (Dynamic, TimeSpan) if matches!(op, Add | Subtract) => (cast(left, TimeSpan), right),
            (TimeSpan, Dynamic) if matches!(op, Add | Subtract) => (left, cast(right, TimeSpan)),
            (Dynamic, DateTime) if op == Add => (cast(left, TimeSpan), right),
            (DateTime, Dynamic) if op == Add => (left, cast(right, TimeSpan)),
            (Dynamic, DateTime) if op == Subtract => (cast(left, DateTime), right),
            (DateTime, Dynamic) if op == Subtract => (left, cast(right, DateTime)),
            _ => (left, right),
        };
        match (op, left.ty, right.ty) {
            (_, a, b) if a.is_numeric() && b.is_numeric() => {
                // The arithmetic of the language starts at long.
                let ty = wider(wider(a, b), Type::Long);
                Ok((cast(left, ty), cast(right, ty), ty))
            }
            (Add | Subtract | Modulo, TimeSpan, TimeSpan) => Ok((left, right, TimeSpan)),
            (Add | Subtract, DateTime, TimeSpan) | (Add, TimeSpan, DateTime) => Ok((left, right, DateTime)),
            (Subtract, DateTime, DateTime) => Ok((left, right, TimeSpan)),
            (Modulo, DateTime, TimeSpan) => Ok((left, right, TimeSpan)),
            (Divide, TimeSpan, TimeSpan) => Ok((left, right, Type::Real)),
            (Multiply | Divide, TimeSpan, b) if b.is_numeric() => {
                let ty = if b == Type::Int { Type::Long } else { b };
                Ok((left, cast(right, ty), TimeSpan))
            }
            (Multiply, a, TimeSpan) if a.is_numeric() => {
                let ty = if a == Type::Int { Type::Long } else { a };
                Ok((cast(left, ty), right, TimeSpan))
            }
            (_, Dynamic, Dynamic) if self.lenient() => Ok((left, right, Dynamic)),
            (_, a, b) => {
                let help = match (a, b) {
                    (Type::String, _) | (_, Type::String) if op == Add => "join texts with strcat()",
                    (Dynamic, Dynamic) => "say what they are, e.g. with tolong() or toreal() on both sides",
                    _ => "convert one side, e.g. with tolong(), toreal() or totimespan()",
                };
                let problem =
                    Diagnostic::error(Code::Type, span, format!("'{}' is not defined for {a} and {b}", symbol(op))).with_help(help);
                Err(self.report(problem))
            }
        }
    }

    /// Casts expressions to the type they share.
    pub(crate) fn unify(&mut self, exprs: Vec<Expr>, what: &str) -> Bound<(Vec<Expr>, Type)> {
        let Some(mut ty) = exprs.first().map(|expr| expr.ty) else {
            return Ok((exprs, Type::Dynamic));
        };
        for expr in &exprs {
            match common(ty, expr.ty) {
                Some(shared) => ty = shared,
                None if self.lenient() => {
                    let exprs = exprs.into_iter().map(|expr| cast(expr, Type::Dynamic)).collect();
                    return Ok((exprs, Type::Dynamic));
                }
                None => {
                    let other = expr.ty;
                    return self.error(
                        Code::Type,
                        expr.span,
                        format!("{what} must be of one type, and there are {ty} and {other}"),
                    );
                }
            }
        }
        Ok((exprs.into_iter().map(|expr| cast(expr, ty)).collect(), ty))
    }
}

/// What both sides become when a dynamic meets a scalar. Whole numbers are compared as reals, since `1.5` in a dynamic is not
/// `1`; only for equality with numbers that a real cannot tell apart (identifiers of 64 bits), as longs.
pub(crate) fn compared_as(scalar: &Expr, equality: bool) -> Type {
    const EXACT: u64 = 1 << 53;
    match (scalar.ty, scalar.as_literal()) {
        (Type::Long, Some(Value::Long(n))) if equality && n.unsigned_abs() > EXACT => Type::Long,
        (Type::Long, None) if equality => Type::Long,
        (Type::Int | Type::Long, _) => Type::Real,
        (ty, _) => ty,
    }
}

fn is_ordered_number(ty: Type) -> bool {
    ty.is_numeric() || matches!(ty, Type::TimeSpan | Type::Bool)
}

fn number_beside(ty: Type) -> Type {
    match ty {
        Type::Int => Type::Long,
        ty => ty,
    }
}
