//! What a word of a query is, for people who point at it: a column and its type, a function and how it is used.
//!
//! It is the completion that the word itself would have been, so that both say the same.

use crate::bind::Environment;
use crate::catalog::{Function, FunctionKind};
use crate::complete::{CompletionKind, complete};
use crate::diagnostic::Span;
use crate::syntax::token::TokenKind;
use crate::syntax::{PieceKind, pieces};

/// What a word is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hover {
    /// Where the word stands
    pub span: Span,
    /// The word
    pub name: String,
    /// What kind of thing
    pub kind: CompletionKind,
    /// The type of a column, the usage of a function or operator
    pub detail: String,
    /// One sentence, of functions
    pub summary: Option<&'static str>,
}

/// What the word at a byte offset of a query is; nothing for strings, numbers, comments and names that nobody knows.
pub fn hover(text: &str, offset: usize, env: &Environment<'_>) -> Option<Hover> {
    let span = pieces(text)
        .into_iter()
        .filter(|piece| piece.span.start <= offset && offset <= piece.span.end)
        .find(|piece| piece.kind == PieceKind::Token(TokenKind::Name))?
        .span;
    let name = text.get(span.start..span.end)?;
    let called = text.get(span.end..).is_some_and(|rest| rest.trim_start().starts_with('('));
    let is_call = |kind: CompletionKind| matches!(kind, CompletionKind::Function | CompletionKind::Aggregate);
    let mut candidates = complete(text, span.end, env);
    candidates.retain(|candidate| candidate.label == name);
    // What is called is a function, even where a column has its name.
    candidates.sort_by_key(|candidate| is_call(candidate.kind) != called);
    if let Some(found) = candidates.into_iter().next() {
        let summary = function(env, name, found.kind)
            .filter(|_| is_call(found.kind))
            .map(|found| found.summary);
        return Some(Hover {
            span,
            name: name.to_owned(),
            kind: found.kind,
            detail: found.detail,
            summary,
        });
    }
    // Completion offers a function under one name, and aggregates in front of `by` only.
    let known = function(env, name, CompletionKind::Function).filter(|_| called)?;
    let kind = match known.kind {
        FunctionKind::Aggregate => CompletionKind::Aggregate,
        _ => CompletionKind::Function,
    };
    Some(Hover {
        span,
        name: name.to_owned(),
        kind,
        detail: known.usage.to_owned(),
        summary: Some(known.summary),
    })
}

fn function(env: &Environment<'_>, name: &str, kind: CompletionKind) -> Option<&'static Function> {
    let aggregate_first = [FunctionKind::Aggregate, FunctionKind::Scalar];
    let scalar_first = [FunctionKind::Scalar, FunctionKind::Aggregate];
    let order = if kind == CompletionKind::Aggregate {
        aggregate_first
    } else {
        scalar_first
    };
    order
        .into_iter()
        .chain([FunctionKind::Window, FunctionKind::Plugin])
        .find_map(|kind| env.catalog.function(kind, name))
}
