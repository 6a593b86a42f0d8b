//! `declare pattern`: a tuple of texts stands for a query. `alias database` and `restrict access`.
//!
//! Source: Kusto Query Language reference, "Pattern statement", "Alias statement", "Restrict statement".

use std::rc::Rc;

use super::expr::is_reference;
use super::scope::{LetPattern, Restriction};
use super::{Binder, Binding, Bound, Reported, Scope};
use crate::bound::Rel;
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::syntax::ast::{self, ExprKind as Ast};
use crate::types::{Type, Value};

/// A use of a pattern: `name("argument").path`.
pub(crate) struct PatternCall {
    pattern: Rc<LetPattern>,
    arguments: Vec<ast::Expr>,
    path: Option<String>,
}

/// The use of a pattern that an expression is.
pub(crate) fn pattern_call(expr: &ast::Expr, scope: &Scope) -> Option<PatternCall> {
    let (call, path) = match &expr.kind {
        Ast::Call { .. } => (expr, None),
        Ast::Member { base, member } => (base.as_ref(), Some(member.text.clone())),
        Ast::Element { base, index } => match &index.kind {
            Ast::Literal(Value::String(path)) => (base.as_ref(), Some(path.clone())),
            _ => return None,
        },
        _ => return None,
    };
    let Ast::Call { name, arguments } = &call.kind else {
        return None;
    };
    match scope.get(&name.text) {
        Some(Binding::Pattern(pattern)) => Some(PatternCall {
            pattern: pattern.clone(),
            arguments: arguments.iter().map(|argument| argument.value.clone()).collect(),
            path,
        }),
        _ => None,
    }
}

impl Binder<'_> {
    /// `declare pattern`: its name, for the statements behind it.
    pub(crate) fn declare_pattern(&mut self, pattern: &ast::Pattern, scope: &Scope) -> Scope {
        for (name, ty) in pattern.arguments.iter().chain(&pattern.path) {
            if *ty != Type::String {
                let problem = Diagnostic::error(Code::Type, name.span, format!("'{}' must be of type string", name.text));
                self.report(problem.with_help("the arguments and the path of a pattern are texts"));
            }
        }
        for case in &pattern.cases {
            if case.values.len() != pattern.arguments.len() || case.path.is_some() != pattern.path.is_some() {
                let span = case.values.first().map_or(pattern.name.span, |value| value.span);
                let problem = Diagnostic::error(
                    Code::Arguments,
                    span,
                    format!(
                        "this does not have the arguments and the path that pattern '{}' declares",
                        pattern.name.text
                    ),
                );
                self.report(problem);
            }
        }
        let known = LetPattern {
            pattern: pattern.clone(),
            scope: scope.clone(),
        };
        scope.with(pattern.name.text.clone(), Binding::Pattern(Rc::new(known)))
    }

    /// The table that a use of a pattern stands for.
    pub(crate) fn pattern_table(&mut self, call: &PatternCall, span: Span) -> Bound<Rel> {
        let scope = call.pattern.scope.clone();
        let pattern = &call.pattern.pattern;
        let mut given = Vec::with_capacity(call.arguments.len());
        for argument in &call.arguments {
            given.push(self.pattern_text(argument, &scope)?);
        }
        for case in &pattern.cases {
            let mut fits = case.values.len() == given.len();
            for (value, given) in case.values.iter().zip(&given) {
                fits &= self.pattern_text(value, &scope)? == *given;
            }
            let path = match &case.path {
                Some(path) => Some(self.pattern_text(path, &scope)?),
                None => None,
            };
            if fits && path == call.path {
                return self.deeper(span, |binder| binder.query_in(&case.body, &scope, span));
            }
        }
        let arguments: Vec<String> = given.iter().map(|text| format!("'{text}'")).collect();
        let path = call.path.as_ref().map(|path| format!(".['{path}']")).unwrap_or_default();
        let problem = Diagnostic::error(
            Code::Semantic,
            span,
            format!(
                "SEM0036: One or more pattern references were not declared. Detected pattern references: [\"{}({}){path}\"]",
                pattern.name.text,
                arguments.join(",")
            ),
        )
        .with_help("give the pattern a case for these values");
        Err(self.report(problem))
    }

    fn pattern_text(&mut self, value: &ast::Expr, scope: &Scope) -> Bound<String> {
        match self.constant(value, scope, "an argument of a pattern")? {
            Value::String(text) => Ok(text),
            _ => self.error(Code::Type, value.span, "the arguments of a pattern are texts"),
        }
    }

    /// `alias database name = database("x")`
    pub(crate) fn alias_database(&mut self, name: &ast::Name, target: &ast::Expr, scope: &Scope) -> Scope {
        let binding = match self.local_reference(target) {
            Ok(()) => Binding::Database,
            Err(Reported) => Binding::Broken,
        };
        scope.with(format!("database {}", name.text), binding)
    }

    /// `restrict access to (names)`
    pub(crate) fn restrict_access(&mut self, entities: &[ast::Expr], scope: &Scope) -> Scope {
        let mut restriction = Restriction {
            names: Vec::new(),
            tables: Vec::new(),
        };
        for entity in entities {
            match &entity.kind {
                Ast::Name(name) | Ast::Wildcard(name) => restriction.names.push(name.clone()),
                Ast::Star => restriction.names.push("*".to_owned()),
                Ast::Call { name, arguments } if arguments.is_empty() => restriction.names.push(name.text.clone()),
                Ast::Member { base, member } if is_reference(base) => {
                    if self.local_reference(base).is_ok() {
                        restriction.tables.push(member.text.clone());
                    }
                }
                Ast::MethodCall { base, name, .. } if is_reference(base) => {
                    if self.local_reference(base).is_ok() {
                        restriction.tables.push(name.text.clone());
                    }
                }
                _ => {
                    let problem = Diagnostic::error(
                        Code::Syntax,
                        entity.span,
                        "access is restricted to tables, views and functions by name",
                    );
                    self.report(problem);
                }
            }
        }
        scope.with("restrict access", Binding::Restricted(Rc::new(restriction)))
    }
}
