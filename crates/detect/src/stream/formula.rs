//! Conditions of many rules as one graph of `and`, `or` and atoms, in which equal parts are one.
//!
//! Negation is moved down to the atoms: what is true and what is false of an atom are both sets of rows, and what is neither (null)
//! is in none of them, as the language has it.

use std::collections::HashMap;

use taffrail_kql::Value;
use taffrail_kql::bound::{Expr, ExprKind};
use taffrail_kql::syntax::ast::{BinaryOp, ListOp};
use taffrail_kql::types::Type;

/// A node of the graph.
pub type NodeId = u32;
/// An atom.
pub type AtomId = u32;

/// Part of a condition.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Node {
    /// Every row
    Always,
    /// No row
    Never,
    /// Rows for which an atom is true, or false
    Atom {
        /// Which
        atom: AtomId,
        /// Whether it is to be true
        yes: bool,
    },
    /// Rows in all
    And(Vec<NodeId>),
    /// Rows in any
    Or(Vec<NodeId>),
}

/// See the module's page.
#[derive(Debug)]
pub struct Formula {
    /// Nodes; a node comes behind those it is made of
    pub nodes: Vec<Node>,
    /// Predicates that are no `and`, `or`, `not`
    pub atoms: Vec<Expr>,
    known_nodes: HashMap<Node, NodeId>,
    known_atoms: HashMap<String, AtomId>,
}

/// Every row.
pub const ALWAYS: NodeId = 0;
/// No row.
pub const NEVER: NodeId = 1;

impl Default for Formula {
    fn default() -> Formula {
        let nodes = vec![Node::Always, Node::Never];
        Formula {
            known_nodes: nodes.iter().cloned().zip(0..).collect(),
            nodes,
            atoms: Vec::new(),
            known_atoms: HashMap::new(),
        }
    }
}

/// Text that is equal for equal expressions.
pub fn key(expr: &Expr) -> String {
    format!("{expr:?}")
}

impl Formula {
    fn node(&mut self, node: Node) -> NodeId {
        if let Some(known) = self.known_nodes.get(&node) {
            return *known;
        }
        let id = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        self.nodes.push(node.clone());
        self.known_nodes.insert(node, id);
        id
    }

    /// Rows in all of these.
    pub fn and(&mut self, parts: impl IntoIterator<Item = NodeId>) -> NodeId {
        let mut flat = Vec::new();
        for part in parts {
            match self.nodes.get(part as usize) {
                Some(Node::And(inner)) => flat.extend(inner.iter().copied()),
                _ => flat.push(part),
            }
        }
        flat.sort_unstable();
        flat.dedup();
        flat.retain(|part| *part != ALWAYS);
        match flat[..] {
            _ if flat.contains(&NEVER) => NEVER,
            [] => ALWAYS,
            [one] => one,
            _ => self.node(Node::And(flat)),
        }
    }

    /// Rows in any of these.
    pub fn or(&mut self, parts: impl IntoIterator<Item = NodeId>) -> NodeId {
        let mut flat = Vec::new();
        for part in parts {
            match self.nodes.get(part as usize) {
                Some(Node::Or(inner)) => flat.extend(inner.iter().copied()),
                _ => flat.push(part),
            }
        }
        flat.sort_unstable();
        flat.dedup();
        flat.retain(|part| *part != NEVER);
        match flat[..] {
            _ if flat.contains(&ALWAYS) => ALWAYS,
            [] => NEVER,
            [one] => one,
            _ => self.node(Node::Or(flat)),
        }
    }

    /// Rows for which a predicate is true (or false). `usable` says which atoms may be asked; what may not counts as holding.
    pub fn predicate(&mut self, expr: &Expr, yes: bool, usable: &dyn Fn(&Expr, &str) -> bool) -> NodeId {
        match &expr.kind {
            ExprKind::Literal(Value::Bool(value)) => {
                if *value == yes {
                    ALWAYS
                } else {
                    NEVER
                }
            }
            ExprKind::Not(inner) => self.predicate(inner, !yes, usable),
            ExprKind::Binary {
                op: op @ (BinaryOp::And | BinaryOp::Or),
                left,
                right,
            } => {
                let parts = [self.predicate(left, yes, usable), self.predicate(right, yes, usable)];
                if (*op == BinaryOp::And) == yes {
                    self.and(parts)
                } else {
                    self.or(parts)
                }
            }
            _ => match positive(expr) {
                Some(opposite) => self.atom(opposite, !yes, usable),
                None => self.atom(expr.clone(), yes, usable),
            },
        }
    }

    fn atom(&mut self, expr: Expr, yes: bool, usable: &dyn Fn(&Expr, &str) -> bool) -> NodeId {
        let key = key(&expr);
        if !usable(&expr, &key) {
            return ALWAYS;
        }
        let atom = match self.known_atoms.get(&key) {
            Some(known) => *known,
            None => {
                let id = u32::try_from(self.atoms.len()).unwrap_or(u32::MAX);
                self.atoms.push(expr);
                self.known_atoms.insert(key, id);
                id
            }
        };
        self.node(Node::Atom { atom, yes })
    }
}

/// The predicate of which this one is the opposite, where neither is ever null: those over texts.
fn positive(expr: &Expr) -> Option<Expr> {
    let kind = match &expr.kind {
        ExprKind::Binary { op, left, right } if left.ty == Type::String && right.ty == Type::String => ExprKind::Binary {
            op: opposite(*op)?,
            left: left.clone(),
            right: right.clone(),
        },
        ExprKind::List { op, value, items } if value.ty == Type::String => ExprKind::List {
            op: match op {
                ListOp::NotIn => ListOp::In,
                ListOp::NotInTilde => ListOp::InTilde,
                _ => return None,
            },
            value: value.clone(),
            items: items.clone(),
        },
        _ => return None,
    };
    Some(Expr { kind, ..expr.clone() })
}

fn opposite(op: BinaryOp) -> Option<BinaryOp> {
    Some(match op {
        BinaryOp::NotEqual => BinaryOp::Equal,
        BinaryOp::NotEqualTilde => BinaryOp::EqualTilde,
        BinaryOp::NotHas => BinaryOp::Has,
        BinaryOp::NotHasCs => BinaryOp::HasCs,
        BinaryOp::NotHasPrefix => BinaryOp::HasPrefix,
        BinaryOp::NotHasPrefixCs => BinaryOp::HasPrefixCs,
        BinaryOp::NotHasSuffix => BinaryOp::HasSuffix,
        BinaryOp::NotHasSuffixCs => BinaryOp::HasSuffixCs,
        BinaryOp::NotContains => BinaryOp::Contains,
        BinaryOp::NotContainsCs => BinaryOp::ContainsCs,
        BinaryOp::NotStartsWith => BinaryOp::StartsWith,
        BinaryOp::NotStartsWithCs => BinaryOp::StartsWithCs,
        BinaryOp::NotEndsWith => BinaryOp::EndsWith,
        BinaryOp::NotEndsWithCs => BinaryOp::EndsWithCs,
        _ => return None,
    })
}
