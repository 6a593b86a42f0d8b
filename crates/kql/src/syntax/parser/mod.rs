//! Tokens → tree, by recursive descent.
//!
//! A rule that cannot go on reports once and gives [`Failed`]; the nearest pipe or statement skips to the next `|` or `;` and
//! goes on, so that one text can have several diagnostics. Depth is limited, so that no text overflows the stack, here or in
//! what walks the tree later.

mod expression;
mod graph;
mod lists;
mod names;
mod operator;
mod pipe;
mod primary;
mod series;
mod statement;

use super::ast::{Parameter, Query};
use super::token::{OPERATORS, Token, TokenKind};
use crate::diagnostic::{Code, Diagnostic, Span};

/// How deep a query may nest: a sign or an index counts one, parentheses two, an operator inside an operator six. The
/// worst nesting that passes takes about a megabyte of stack in an unoptimised build; threads have two.
const MAX_DEPTH: usize = 150;
/// Operators in one chain (`a + b + c ...`) that make the tree deeper with each.
const MAX_CHAIN: usize = 250;
/// Operators in one pipeline: what is bound and planned is as deep as they are many.
const MAX_OPERATORS: usize = 500;
/// Statements of one text: each knows the names of those in front of it.
const MAX_STATEMENTS: usize = 10_000;
/// Diagnostics after which no more are kept.
const MAX_DIAGNOSTICS: usize = 20;

/// A rule could not go on and has said why.
pub(super) struct Failed;

type Parsed<T> = Result<T, Failed>;

/// Parses a query. There is always a tree; it is to be used only when no diagnostic is an error.
pub fn parse(text: &str) -> (Query, Vec<Diagnostic>) {
    run(text, Parser::query)
}

/// Parses the parameters of a stored function: `(T: (*), n: long = 5)`.
pub fn parse_parameters(text: &str) -> (Vec<Parameter>, Vec<Diagnostic>) {
    run(text, Parser::parameters_alone)
}

fn run<'a, T>(text: &'a str, rule: impl FnOnce(&mut Parser<'a>) -> T) -> (T, Vec<Diagnostic>) {
    let (tokens, mut found) = super::lexer::lex(text);
    let mut parser = Parser {
        text,
        tokens,
        at: 0,
        diagnostics: Vec::new(),
        depth: 0,
        open: Vec::new(),
        predicate: false,
        search: false,
        wildcards: false,
    };
    let tree = rule(&mut parser);
    found.append(&mut parser.diagnostics);
    found.sort_by_key(|d| d.span.start);
    found.truncate(MAX_DIAGNOSTICS);
    (tree, found)
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    diagnostics: Vec<Diagnostic>,
    depth: usize,
    /// Where the brackets that are open now were opened
    open: Vec<Span>,
    /// Inside a predicate, where `=` can only be meant as `==`
    predicate: bool,
    /// Inside `search`, where `column:"term"` is an operator
    search: bool,
    /// Where names may have wildcards
    wildcards: bool,
}

impl<'a> Parser<'a> {
    // ---- looking ----

    fn token_at(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at + ahead).or(self.tokens.last())
    }

    fn kind(&self) -> &TokenKind {
        self.token_at(0).map_or(&TokenKind::End, |t| &t.kind)
    }

    fn span_at(&self, ahead: usize) -> Span {
        self.token_at(ahead)
            .map_or_else(|| Span::new(self.text.len(), self.text.len()), |t| t.span)
    }

    fn span(&self) -> Span {
        self.span_at(0)
    }

    /// The span of the token before.
    fn previous(&self) -> Span {
        self.at
            .checked_sub(1)
            .and_then(|i| self.tokens.get(i))
            .map_or_else(Span::default, |t| t.span)
    }

    fn slice(&self, span: Span) -> &'a str {
        self.text.get(span.start..span.end).unwrap_or_default()
    }

    fn is_end(&self) -> bool {
        matches!(self.kind(), TokenKind::End)
    }

    fn symbol_at(&self, ahead: usize) -> &'static str {
        match self.token_at(ahead).map(|t| &t.kind) {
            Some(TokenKind::Symbol(symbol)) => symbol,
            _ => "",
        }
    }

    fn symbol(&self) -> &'static str {
        self.symbol_at(0)
    }

    fn is(&self, symbol: &str) -> bool {
        self.symbol() == symbol
    }

    fn word_at(&self, ahead: usize) -> Option<&'a str> {
        match self.token_at(ahead) {
            Some(Token {
                kind: TokenKind::Name,
                span,
                ..
            }) => Some(self.slice(*span)),
            _ => None,
        }
    }

    fn word(&self) -> Option<&'a str> {
        self.word_at(0)
    }

    fn is_word(&self, word: &str) -> bool {
        self.word() == Some(word)
    }

    fn starts_line(&self) -> bool {
        self.token_at(0).is_some_and(|t| t.starts_line)
    }

    /// No space between the token `ahead` and the one before it.
    fn touches(&self, ahead: usize) -> bool {
        let before = match (self.at + ahead).checked_sub(1).and_then(|i| self.tokens.get(i)) {
            Some(token) => token.span.end,
            None => return false,
        };
        before == self.span_at(ahead).start
    }

    fn at_operator_keyword(&self) -> bool {
        self.word().is_some_and(|w| OPERATORS.contains(&w))
    }

    // ---- moving ----

    /// Takes the token and gives its place.
    fn bump(&mut self) -> Span {
        let span = self.span();
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
        span
    }

    fn eat(&mut self, symbol: &str) -> bool {
        let found = self.is(symbol);
        if found {
            self.bump();
        }
        found
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.bump();
        }
        found
    }

    fn expect(&mut self, symbol: &'static str, why: &str) -> Parsed<Span> {
        if self.is(symbol) {
            Ok(self.bump())
        } else {
            Err(self.unexpected(&format!("`{symbol}` {why}")))
        }
    }

    fn expect_word(&mut self, word: &'static str, why: &str) -> Parsed<Span> {
        if self.is_word(word) {
            Ok(self.bump())
        } else {
            Err(self.unexpected(&format!("`{word}` {why}")))
        }
    }

    /// Takes an opening bracket.
    fn open(&mut self, symbol: &'static str, why: &str) -> Parsed<Span> {
        let span = self.expect(symbol, why)?;
        self.open.push(span);
        Ok(span)
    }

    /// Takes the bracket that closes the one at `opening`.
    fn close(&mut self, symbol: &'static str, opening: Span) -> Parsed<Span> {
        if self.is(symbol) {
            self.open.pop();
            return Ok(self.bump());
        }
        if self.is_end() {
            let opened = self.slice(opening);
            self.report(
                Diagnostic::error(Code::Syntax, opening, format!("this `{opened}` is never closed"))
                    .with_help(format!("add the closing `{symbol}`")),
            );
            return Err(Failed);
        }
        let (line, column) = crate::diagnostic::line_column(self.text, opening.start);
        Err(self.unexpected(&format!(
            "`{symbol}` to close the `{}` of line {line}, column {column}",
            self.slice(opening)
        )))
    }

    /// Skips to the next pipe or the end of the brackets that were open at `base`.
    fn recover(&mut self, base: usize) {
        loop {
            match self.kind() {
                TokenKind::End => break,
                TokenKind::Symbol("(" | "[" | "{") => {
                    let span = self.span();
                    self.open.push(span);
                }
                TokenKind::Symbol(")" | "]" | "}") => {
                    if self.open.len() <= base {
                        break;
                    }
                    self.open.pop();
                }
                TokenKind::Symbol("|" | ";") if self.open.len() <= base => break,
                _ => {}
            }
            self.bump();
        }
        self.open.truncate(base);
    }

    /// Runs a rule one level deeper, or refuses.
    fn nested<T>(&mut self, rule: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.deeper(1, rule)
    }

    /// Runs a rule `weight` levels deeper, or refuses.
    fn deeper<T>(&mut self, weight: usize, rule: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth + weight > MAX_DEPTH {
            let span = self.span();
            return Err(self.give_up(span, "the query is nested too deeply", "name parts of it with `let`"));
        }
        self.depth += weight;
        let result = rule(self);
        self.depth -= weight;
        result
    }

    /// Reports, and reads nothing more.
    fn give_up(&mut self, span: Span, message: &str, help: &str) -> Failed {
        self.report(Diagnostic::error(Code::Syntax, span, message).with_help(help));
        self.at = self.tokens.len().saturating_sub(1);
        Failed
    }

    /// Runs a rule with `=` read as a mistaken `==`, or not.
    fn with_predicate<T>(&mut self, predicate: bool, rule: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.predicate, predicate);
        let result = rule(self);
        self.predicate = before;
        result
    }

    // ---- saying ----

    fn report(&mut self, diagnostic: Diagnostic) {
        if self.diagnostics.len() < MAX_DIAGNOSTICS && !self.diagnostics.iter().any(|d| d.span == diagnostic.span) {
            self.diagnostics.push(diagnostic);
        }
    }

    /// The token as a message names it.
    fn found(&self) -> String {
        match self.kind() {
            TokenKind::End => "the query ends".to_string(),
            _ => {
                let text: String = self.slice(self.span()).chars().take(40).collect();
                format!("found `{text}`")
            }
        }
    }

    /// `expected X, found Y`, unless the lexer has said already what is wrong here.
    fn unexpected(&mut self, expected: &str) -> Failed {
        if matches!(self.kind(), TokenKind::Broken) {
            return Failed;
        }
        if self.is_end() {
            // An opening bracket that was never closed explains more than the end of the text.
            if let Some(opening) = self.open.last().copied() {
                let opened = self.slice(opening);
                let closing = match opened {
                    "(" => ")",
                    "[" => "]",
                    _ => "}",
                };
                let problem = Diagnostic::error(Code::Syntax, opening, format!("this `{opened}` is never closed"));
                self.report(problem.with_help(format!("add the closing `{closing}`; the query ends where {expected} is expected")));
                return Failed;
            }
        }
        let mut message = format!("expected {expected}, but {}", self.found());
        let mut span = self.span();
        let before = self.previous();
        if (self.is_end() || self.starts_line()) && before.end > before.start && !self.slice(before).contains('\n') {
            // What is incomplete is on the line before.
            message = format!("after `{}`: expected {expected}, but {}", self.slice(before), self.found());
            span = before;
        }
        self.report(Diagnostic::error(Code::Syntax, span, message));
        Failed
    }
}
