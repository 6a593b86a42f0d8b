//! Text → tree. Parsing never fails: it gives a tree and a list of diagnostics.
//!
//! Source: Kusto Query Language reference; precedence and reserved words as in its published grammar.

pub mod ast;
pub mod json;
mod lexer;
pub mod literal;
mod parser;
pub mod print;
mod print_operator;
mod strings;
mod time;
pub mod token;

pub use parser::{parse, parse_parameters};
pub use print::{print, print_expression};

/// The words of a text, the last being the end.
pub fn tokens(text: &str) -> Vec<token::Token> {
    lexer::lex(text).0
}
