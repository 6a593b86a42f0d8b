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
mod source;
mod strings;
mod time;
pub mod token;

pub use parser::{parse, parse_parameters};
pub use print::{print, print_expression};
pub use source::{Piece, PieceKind, Source, pieces};

/// Bytes of a text beyond which it is refused instead of read.
pub const MAX_TEXT: usize = 2_000_000;
/// Words of a text beyond which it is refused instead of read.
pub const MAX_WORDS: usize = 500_000;

/// The words of a text, the last being the end.
pub fn tokens(text: &str) -> Vec<token::Token> {
    lexer::lex(text).0
}
