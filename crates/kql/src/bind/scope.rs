//! Names that a query itself defines: `let`, parameters, `as`. A scope is a linked list that is never changed, so
//! that a function can keep the names it was written among.

use std::rc::Rc;

use crate::bound::{Expr, Rel};
use crate::diagnostic::Span;
use crate::syntax::ast;

/// What a name stands for.
#[derive(Clone)]
pub(crate) enum Binding {
    /// A scalar: put in where it is used
    Scalar(Expr),
    /// A table: put in with new column ids where it is used
    Table(Rc<Rel>),
    /// A function
    Function(Rc<LetFunction>),
    /// Its definition has errors that are reported
    Broken,
}

/// A function of the query, or a stored one.
pub(crate) struct LetFunction {
    pub(crate) name: String,
    pub(crate) parameters: Vec<ast::Parameter>,
    pub(crate) body: ast::Query,
    /// Names its body sees
    pub(crate) scope: Scope,
    /// The body is not part of the query's own text
    pub(crate) foreign: Option<Span>,
}

/// Names defined so far.
#[derive(Clone, Default)]
pub(crate) struct Scope(Option<Rc<Node>>);

struct Node {
    name: String,
    binding: Binding,
    parent: Scope,
}

impl Scope {
    /// This scope and one name more, which hides an equal one.
    pub(crate) fn with(&self, name: impl Into<String>, binding: Binding) -> Scope {
        Scope(Some(Rc::new(Node {
            name: name.into(),
            binding,
            parent: self.clone(),
        })))
    }

    /// The innermost binding of a name.
    pub(crate) fn get(&self, name: &str) -> Option<&Binding> {
        let mut scope = self;
        while let Some(node) = &scope.0 {
            if node.name == name {
                return Some(&node.binding);
            }
            scope = &node.parent;
        }
        None
    }

    /// Every name, innermost first.
    pub(crate) fn names(&self) -> Vec<(&str, &Binding)> {
        let mut names = Vec::new();
        let mut scope = self;
        while let Some(node) = &scope.0 {
            names.push((node.name.as_str(), &node.binding));
            scope = &node.parent;
        }
        names
    }
}
