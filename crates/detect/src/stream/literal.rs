//! Atoms that compare a text with constants, found for a text without asking each of them.
//!
//! Equality is looked up in a hash table. Everything that can only hold where one of its constants stands in the text is found by
//! one pass over the text for all constants together; whether it does hold is for the predicate itself to say.

use std::collections::HashMap;

use aho_corasick::AhoCorasick;
use taffrail_kql::Value;
use taffrail_kql::bound::{ColumnId, Expr, ExprKind};
use taffrail_kql::syntax::ast::{BinaryOp, ListOp};
use taffrail_kql::types::Type;

/// How an atom depends on constants.
enum Literal {
    /// Exactly when the text is one of these
    Equal(Vec<String>),
    /// Only when one of these, all ASCII, stands in the text, in whatever case
    Within(Vec<String>),
}

/// The text column an atom compares with constants, if that is all it does.
pub fn compared_column(expr: &Expr) -> Option<ColumnId> {
    literal(expr).map(|(column, _)| column)
}

fn literal(expr: &Expr) -> Option<(ColumnId, Literal)> {
    let column = |expr: &Expr| match &expr.kind {
        ExprKind::Column(id) if expr.ty == Type::String => Some(*id),
        _ => None,
    };
    match &expr.kind {
        ExprKind::Binary { op, left, right } => {
            let ExprKind::Literal(Value::String(text)) = &right.kind else {
                return None;
            };
            let id = column(left)?;
            let found = match op {
                BinaryOp::Equal => Literal::Equal(vec![text.clone()]),
                BinaryOp::EqualTilde
                | BinaryOp::Has
                | BinaryOp::HasCs
                | BinaryOp::HasPrefix
                | BinaryOp::HasPrefixCs
                | BinaryOp::HasSuffix
                | BinaryOp::HasSuffixCs
                | BinaryOp::Contains
                | BinaryOp::ContainsCs
                | BinaryOp::StartsWith
                | BinaryOp::StartsWithCs
                | BinaryOp::EndsWith
                | BinaryOp::EndsWithCs
                    if searchable(text) =>
                {
                    Literal::Within(vec![text.clone()])
                }
                _ => return None,
            };
            Some((id, found))
        }
        ExprKind::List { op, value, items } => {
            let id = column(value)?;
            let texts = texts(items)?;
            match op {
                ListOp::In => Some((id, Literal::Equal(texts))),
                ListOp::InTilde | ListOp::HasAny if !texts.is_empty() && texts.iter().all(|text| searchable(text)) => {
                    Some((id, Literal::Within(texts)))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

fn searchable(text: &str) -> bool {
    !text.is_empty() && text.is_ascii()
}

/// The constants of a list of texts, or of one array of texts.
fn texts(items: &[Expr]) -> Option<Vec<String>> {
    if let [only] = items
        && let ExprKind::Literal(Value::Dynamic(json)) = &only.kind
    {
        let Ok(serde_json::Value::Array(items)) = serde_json::from_str(json) else {
            return None;
        };
        return items.into_iter().map(|item| item.as_str().map(str::to_owned)).collect();
    }
    items
        .iter()
        .map(|item| match &item.kind {
            ExprKind::Literal(Value::String(text)) => Some(text.clone()),
            _ => None,
        })
        .collect()
}

/// Finds the atoms of one column that a text may make true.
#[derive(Default)]
pub struct LiteralIndex {
    equal: HashMap<String, Vec<u32>>,
    words: Vec<Vec<u32>>,
    finder: Option<AhoCorasick>,
    /// Those that must be asked
    others: Vec<u32>,
    within: Vec<u32>,
}

impl LiteralIndex {
    /// Of atoms over one column, numbered by their position.
    pub fn new<'a>(atoms: impl Iterator<Item = &'a Expr>) -> LiteralIndex {
        let mut index = LiteralIndex::default();
        let mut words: HashMap<String, Vec<u32>> = HashMap::new();
        for (number, atom) in (0..).zip(atoms) {
            match literal(atom) {
                Some((_, Literal::Equal(texts))) => {
                    for text in texts {
                        let atoms = index.equal.entry(text).or_default();
                        if atoms.last() != Some(&number) {
                            atoms.push(number);
                        }
                    }
                }
                Some((_, Literal::Within(texts))) => {
                    index.within.push(number);
                    for text in texts {
                        words.entry(text.to_ascii_lowercase()).or_default().push(number);
                    }
                }
                None => index.others.push(number),
            }
        }
        let mut words: Vec<(String, Vec<u32>)> = words.into_iter().collect();
        words.sort_unstable();
        if !words.is_empty() {
            let finder = AhoCorasick::builder()
                .ascii_case_insensitive(true)
                .build(words.iter().map(|(word, _)| word.as_str()));
            match finder {
                Ok(finder) => {
                    index.finder = Some(finder);
                    index.words = words.into_iter().map(|(_, atoms)| atoms).collect();
                }
                // Too many words for one automaton: they are asked one by one.
                Err(_) => {
                    index.others.append(&mut index.within);
                    index.others.sort_unstable();
                }
            }
        }
        index
    }

    /// Atoms that must be asked whatever the text is.
    pub fn others(&self) -> &[u32] {
        &self.others
    }

    /// Atoms that are true of a text because it equals a constant.
    pub fn equal(&self, text: &str) -> &[u32] {
        self.equal.get(text).map(Vec::as_slice).unwrap_or_default()
    }

    /// Adds the atoms that may be true of a text because of words in it, some perhaps twice.
    pub fn within(&self, text: &str, found: &mut Vec<u32>) {
        let Some(finder) = &self.finder else { return };
        // Case outside of ASCII has its own rules.
        if !text.is_ascii() {
            found.extend(&self.within);
            return;
        }
        for hit in finder.find_overlapping_iter(text) {
            if let Some(atoms) = self.words.get(hit.pattern().as_usize()) {
                found.extend(atoms);
            }
        }
    }
}
