//! Names that a query itself defines: `let`, parameters, `as`. A scope is a linked list that is never changed, so
//! that a function can keep the names it was written among.

use std::rc::Rc;

use crate::bound::{Expr, Graph, Rel};
use crate::diagnostic::Span;
use crate::syntax::ast;

/// What a name stands for.
#[derive(Clone)]
pub(crate) enum Binding {
    /// A scalar: put in where it is used
    Scalar(Expr),
    /// A table: put in with new column ids where it is used
    Table(Rc<Rel>),
    /// A graph
    Graph(Rc<Graph>),
    /// A function
    Function(Rc<LetFunction>),
    /// A pattern: tuples of texts and their queries
    Pattern(Rc<LetPattern>),
    /// Another name of this database
    Database,
    /// `restrict access`: what was there before is seen only if it is listed
    Restricted(Rc<Restriction>),
    /// Its definition has errors that are reported
    Broken,
}

/// What `restrict access to (...)` lists.
pub(crate) struct Restriction {
    /// Names and patterns: of the query's own definitions and of tables
    pub(crate) names: Vec<String>,
    /// Names and patterns of tables only (`database().T`)
    pub(crate) tables: Vec<String>,
}

impl Restriction {
    /// Whether a name is listed; `own`: defined by the query.
    pub(crate) fn allows(&self, name: &str, own: bool) -> bool {
        let fits = |pattern: &String| super::project::matches(pattern, name);
        let plain = |pattern: &String| !pattern.contains('*') && pattern == name;
        // `*` alone is of the query's own definitions.
        self.names.iter().any(|pattern| if own { fits(pattern) } else { plain(pattern) }) || !own && self.tables.iter().any(fits)
    }
}

/// A pattern of the query, and the names its bodies see.
pub(crate) struct LetPattern {
    pub(crate) pattern: ast::Pattern,
    pub(crate) scope: Scope,
}

/// A function of the query, or a stored one.
pub(crate) struct LetFunction {
    pub(crate) name: String,
    /// `view`: one of the tables of this database
    pub(crate) view: bool,
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

    /// What `restrict access` leaves of names that were there before it, unless `name` came later.
    pub(crate) fn restriction(&self, name: &str) -> Option<Rc<Restriction>> {
        let mut scope = self;
        while let Some(node) = &scope.0 {
            match &node.binding {
                Binding::Restricted(names) => return Some(names.clone()),
                _ if node.name == name => return None,
                _ => scope = &node.parent,
            }
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
