//! Text → tree. Parsing never fails: it gives a tree and a list of diagnostics.

pub mod ast;
