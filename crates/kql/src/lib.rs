//! The Kusto Query Language: text → tree → bound query, with diagnostics that say where and what to do.
//!
//! This crate knows nothing of Arrow, DataFusion, files or networks. An engine gives it a [`catalog::Catalog`] of functions
//! and a [`catalog::Schema`] of tables, and gets a [`bound::BoundQuery`] to run.
//!
//! Source: the public Kusto Query Language reference.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod bind;
pub mod bound;
pub mod catalog;
pub mod complete;
pub mod diagnostic;
mod format;
mod hover;
pub mod limits;
pub mod reference;
pub mod syntax;
pub mod types;

pub use bind::{Environment, bind, compile};
pub use bound::BoundQuery;
pub use complete::{Completion, CompletionKind, complete};
pub use diagnostic::{Code, Diagnostic, Span};
pub use format::format;
pub use hover::{Hover, hover};
pub use limits::Limits;

/// Functions that are part of the language itself (`iff`, `now`, `toscalar`), with how they are used.
pub fn forms() -> &'static [(&'static str, &'static str)] {
    bind::FORMS
}

pub use types::{Type, Value};
