//! The one place where the engine calls the language.

use taffrail_kql::Environment;
use taffrail_kql::catalog::Schema;
use taffrail_kql::complete::Completion;
use taffrail_kql::{BoundQuery, Diagnostic, Hover, Value};

use crate::functions;

/// Text to bound query.
pub(crate) fn compile(text: &str, schema: &dyn Schema, now: i64, parameters: &[(String, Value)]) -> Result<BoundQuery, Vec<Diagnostic>> {
    taffrail_kql::compile(text, &environment(schema, now, parameters))
}

/// What could stand at `offset`.
pub(crate) fn complete(text: &str, offset: usize, schema: &dyn Schema, now: i64) -> Vec<Completion> {
    taffrail_kql::complete::complete(text, offset, &environment(schema, now, &[]))
}

/// What the word at `offset` is.
pub(crate) fn hover(text: &str, offset: usize, schema: &dyn Schema, now: i64) -> Option<Hover> {
    taffrail_kql::hover(text, offset, &environment(schema, now, &[]))
}

fn environment<'a>(schema: &'a dyn Schema, now: i64, parameters: &'a [(String, Value)]) -> Environment<'a> {
    Environment {
        catalog: functions::catalog(),
        schema,
        now,
        parameters,
    }
}
