//! The one place where the engine calls the language. Being filled when the parser and binder are merged.

use taffrail_kql::catalog::Schema;
use taffrail_kql::{BoundQuery, Diagnostic, Span, Value};

/// What could stand at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// What is shown
    pub label: String,
    /// `table`, `column`, `function`, …
    pub kind: String,
    /// One line about it
    pub detail: String,
    /// What is put in
    pub insert: String,
}

/// Text to bound query.
pub(crate) fn compile(_: &str, _: &dyn Schema, _: i64, _: &[(String, Value)]) -> Result<BoundQuery, Vec<Diagnostic>> {
    Err(vec![Diagnostic::not_supported(Span::default(), "queries")])
}

/// What could stand at `offset`.
pub(crate) fn complete(_: &str, _: usize, _: &dyn Schema, _: i64) -> Vec<Completion> {
    vec![]
}
