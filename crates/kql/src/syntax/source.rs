//! A text with its tree and everything between the words: what formatting, hover and editors work on, because nothing of the
//! text is lost. The pieces, joined in their order, are the text again, whatever the text is.
//!
//! The tree itself says what a query means and has places for each of its parts; a place begins and ends where pieces do, so
//! that the words and comments of any part can be found ([`Source::within`]).

use std::fmt;

use super::ast::Query;
use super::lexer;
use super::token::TokenKind;
use crate::diagnostic::{Diagnostic, Span};

/// What a piece of a text is.
#[derive(Debug, Clone, PartialEq)]
pub enum PieceKind {
    /// Space and ends of lines
    Space,
    /// `// ...` up to the end of its line, which is not part of it
    Comment,
    /// A word or sign of the language
    Token(TokenKind),
}

/// A piece of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// What
    pub kind: PieceKind,
    /// Where
    pub span: Span,
}

/// A text, its pieces and its tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Source<'t> {
    text: &'t str,
    /// Everything in the text, in order and without gaps
    pub pieces: Vec<Piece>,
    /// The tree; to be used as a query only when no diagnostic is an error
    pub query: Query,
    /// What is wrong with it
    pub diagnostics: Vec<Diagnostic>,
}

impl<'t> Source<'t> {
    /// Reads a text.
    pub fn new(text: &'t str) -> Source<'t> {
        let (query, diagnostics) = super::parse(text);
        Source {
            text,
            pieces: pieces(text),
            query,
            diagnostics,
        }
    }

    /// What a piece says.
    pub fn text_of(&self, piece: &Piece) -> &'t str {
        self.text.get(piece.span.start..piece.span.end).unwrap_or_default()
    }

    /// The pieces of a part of the tree, those around it left out.
    pub fn within(&self, part: Span) -> &[Piece] {
        let first = self.pieces.partition_point(|piece| piece.span.start < part.start);
        let end = self.pieces.partition_point(|piece| piece.span.end <= part.end);
        self.pieces.get(first..end.max(first)).unwrap_or_default()
    }

    /// The word at a byte offset; between two words, the one in front of the offset if it ends there.
    pub fn token_at(&self, offset: usize) -> Option<&Piece> {
        let behind = self.pieces.partition_point(|piece| piece.span.start <= offset);
        let candidates = [behind.checked_sub(1), behind.checked_sub(2)];
        candidates
            .into_iter()
            .flatten()
            .filter_map(|index| self.pieces.get(index))
            .find(|piece| matches!(piece.kind, PieceKind::Token(_)) && offset <= piece.span.end)
    }
}

/// The text again, from the pieces.
impl fmt::Display for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces.iter().try_for_each(|piece| f.write_str(self.text_of(piece)))
    }
}

/// Everything in a text, in order and without gaps. Of a text that is too long, one broken word.
pub fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut at = 0;
    for token in lexer::lex(text).0 {
        between(text, Span::new(at, token.span.start), &mut pieces);
        at = token.span.end;
        if token.kind != TokenKind::End {
            pieces.push(Piece {
                kind: PieceKind::Token(token.kind),
                span: token.span,
            });
        }
    }
    pieces
}

/// Space and comments between two words.
fn between(text: &str, gap: Span, pieces: &mut Vec<Piece>) {
    let mut at = gap.start;
    while at < gap.end {
        let rest = text.get(at..gap.end).unwrap_or_default();
        let (kind, length) = if rest.starts_with("//") {
            (PieceKind::Comment, rest.find('\n').unwrap_or(rest.len()))
        } else {
            (PieceKind::Space, rest.find("//").unwrap_or(rest.len()))
        };
        let span = Span::new(at, at + length);
        at = span.end;
        pieces.push(Piece { kind, span });
    }
}
