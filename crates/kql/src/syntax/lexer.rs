//! Text → tokens. Never fails: what is not of the language becomes [`TokenKind::Broken`] and a diagnostic.
//!
//! Source: Kusto Query Language reference, "Scalar data types", "Entity names", and its published token grammar.

use super::literal::{literal_type, parse_typed, timespan_of_unit};
use super::token::{Token, TokenKind, continues_name, dashed, starts_name};
use super::{MAX_TEXT, MAX_WORDS, json, strings};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::types::Value;

/// Diagnostics after which no more are kept.
const MAX_DIAGNOSTICS: usize = 100;
/// Bytes behind a bracket in which the end of a broken literal is looked for.
const MAX_LITERAL: usize = 1024;

/// Signs, longest first.
const SYMBOLS: &[&str] = &[
    "==", "=~", "=>", "!=", "!~", "<=", ">=", "<>", "..", "&&", "||", "|", ";", ",", ".", ":", "(", ")", "[", "]", "{", "}", "=", "<", ">",
    "+", "-", "*", "/", "%", "!", "?", "@",
];

/// The tokens of a text, the last being [`TokenKind::End`], and what was wrong.
pub(super) fn lex(text: &str) -> (Vec<Token>, Vec<Diagnostic>) {
    if text.len() > MAX_TEXT {
        let about = format!(
            "the query has {} bytes of text, more than the {MAX_TEXT} that are allowed",
            text.len()
        );
        return refused(text, 0, &about);
    }
    let mut lexer = Lexer {
        text,
        at: 0,
        tokens: Vec::new(),
        diagnostics: Vec::new(),
        line: true,
    };
    while lexer.step() {
        if lexer.tokens.len() > MAX_WORDS {
            let about = format!("the query has more than the {MAX_WORDS} words that are allowed");
            return refused(text, lexer.at, &about);
        }
    }
    lexer.diagnostics.truncate(MAX_DIAGNOSTICS);
    let end = Span::new(text.len(), text.len());
    lexer.push(TokenKind::End, end);
    (lexer.tokens, lexer.diagnostics)
}

/// A text that is not read: one broken word.
fn refused(text: &str, at: usize, about: &str) -> (Vec<Token>, Vec<Diagnostic>) {
    let whole = Span::new(0, text.len());
    let place = Span::new(at.min(text.len()), at.min(text.len()));
    let broken = Token {
        kind: TokenKind::Broken,
        span: whole,
        starts_line: true,
    };
    let end = Token {
        kind: TokenKind::End,
        span: Span::new(text.len(), text.len()),
        starts_line: false,
    };
    let problem = Diagnostic::error(Code::Syntax, place, about).with_help("keep long lists of values in a table, or ask in parts");
    (vec![broken, end], vec![problem])
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    tokens: Vec<Token>,
    diagnostics: Vec<Diagnostic>,
    line: bool,
}

fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{180e}' | '\u{200b}' | '\u{feff}')
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn push(&mut self, kind: TokenKind, span: Span) {
        self.tokens.push(Token {
            kind,
            span,
            starts_line: self.line,
        });
        self.line = false;
        self.at = span.end;
    }

    /// One token or one piece of space; false at the end.
    fn step(&mut self) -> bool {
        let rest = self.rest();
        let Some(c) = rest.chars().next() else { return false };
        if is_space(c) {
            self.line |= c == '\n';
            self.at += c.len_utf8();
        } else if rest.starts_with("//") {
            self.at += rest.find('\n').unwrap_or(rest.len());
        } else if let Some(string) = strings::scan(self.text, self.at, false) {
            self.string(string);
        } else if c.is_ascii_digit() {
            self.number();
        } else if starts_name(c) {
            self.name();
        } else if matches!(c, '“' | '”' | '„' | '‘' | '’' | '‚') {
            self.curly(c);
        } else if c == '!' && rest.get(1..).is_some_and(|r| r.starts_with(|c: char| c.is_ascii_lowercase())) {
            let word = rest.get(1..).unwrap_or_default();
            let mut length = 1 + word.find(|c: char| !continues_name(c)).unwrap_or(word.len());
            if rest.get(..length) == Some("!in") && rest.get(length..).is_some_and(|r| r.starts_with('~')) {
                length += 1;
            }
            self.push(TokenKind::Infix, Span::new(self.at, self.at + length));
        } else if let Some(symbol) = SYMBOLS.iter().find(|s| rest.starts_with(**s)) {
            self.push(TokenKind::Symbol(symbol), Span::new(self.at, self.at + symbol.len()));
        } else {
            let span = Span::new(self.at, self.at + c.len_utf8());
            let problem = Diagnostic::error(Code::Syntax, span, format!("`{c}` is not a character of KQL"));
            self.diagnostics.push(match c {
                '–' | '—' | '−' => problem.with_help("use the hyphen `-`").with_fix(span, "-"),
                '`' => problem.with_help("write names with special characters as `['name']`"),
                '#' => problem.with_help("comments start with `//`").with_fix(span, "//"),
                _ => problem,
            });
            self.push(TokenKind::Broken, span);
        }
        true
    }

    fn string(&mut self, string: strings::Scanned) {
        let span = Span::new(self.at, string.end);
        self.diagnostics.extend(string.problems);
        if !string.closed {
            let curly = self
                .text
                .get(span.start..span.end)
                .and_then(|t| t.char_indices().find(|(_, c)| matches!(c, '“' | '”' | '‘' | '’')));
            self.diagnostics.push(match curly {
                Some((at, c)) => {
                    let place = Span::new(span.start + at, span.start + at + c.len_utf8());
                    let straight = self.text.get(string.quote.start..string.quote.end).unwrap_or("\"");
                    Diagnostic::error(Code::Syntax, place, format!("the curly quote `{c}` does not close a string"))
                        .with_help(format!("use the straight quote `{straight}`"))
                        .with_fix(place, straight)
                }
                None => Diagnostic::error(Code::Syntax, string.quote, "this string is never closed")
                    .with_help("add the closing quote on the same line; text over several lines goes between ``` and ```"),
            });
        }
        self.push(TokenKind::String(string.value), span);
    }

    /// A string in typographic quotes, as word processors and web pages make them.
    fn curly(&mut self, open: char) {
        let straight = if matches!(open, '“' | '”' | '„') { '"' } else { '\'' };
        let body = self.rest().get(open.len_utf8()..).unwrap_or_default();
        let near = body
            .char_indices()
            .nth(MAX_LITERAL)
            .map_or(body, |(end, _)| body.get(..end).unwrap_or_default());
        let line = near.split(['\n', '\r']).next().unwrap_or_default();
        let close = line.char_indices().find(|(_, c)| match straight {
            '"' => matches!(c, '“' | '”' | '"'),
            _ => matches!(c, '‘' | '’' | '\''),
        });
        let first = Span::new(self.at, self.at + open.len_utf8());
        let problem = Diagnostic::error(Code::Syntax, first, format!("the curly quote `{open}` does not start a string"))
            .with_help(format!("use straight quotes: `{straight}text{straight}`"));
        match close {
            Some((length, c)) => {
                let value = line.get(..length).unwrap_or_default();
                let span = Span::new(self.at, first.end + length + c.len_utf8());
                self.diagnostics
                    .push(problem.with_fix(span, format!("{straight}{value}{straight}")));
                self.push(TokenKind::String(value.to_string()), span);
            }
            None => {
                self.diagnostics.push(problem.with_fix(first, straight.to_string()));
                self.push(TokenKind::Broken, first);
            }
        }
    }

    /// `5`, `0x1f`, `1.5`, `1e-3`, `1.5h`, or a name that starts with a digit.
    fn number(&mut self) {
        let rest = self.rest();
        let after = |from: usize| rest.get(from..).unwrap_or_default();
        let digits = |from: usize| after(from).bytes().take_while(u8::is_ascii_digit).count();
        let word = |from: usize| after(from).find(|c: char| !continues_name(c)).unwrap_or(after(from).len());
        let whole = digits(0);
        let mut number = whole;
        // `1..5` is a range, `1.foo` the member of a name.
        let dotted = after(whole).starts_with('.') && !after(whole).starts_with("..") && !after(whole + 1).starts_with(starts_name);
        if dotted {
            number = whole + 1 + digits(whole + 1);
        }
        let mut end = number + word(number);
        let suffix = rest.get(number..end).unwrap_or_default();
        let start = self.at;
        let exponent_sign = matches!(suffix, "e" | "E") && after(end).starts_with(['+', '-']) && digits(end + 1) > 0;
        if exponent_sign {
            end = end + 1 + digits(end + 1);
        }
        let text = rest.get(..end).unwrap_or_default();
        let number_text = rest.get(..number).unwrap_or_default();
        let is_exponent = suffix
            .strip_prefix(['e', 'E'])
            .is_some_and(|e| !e.is_empty() && e.bytes().all(|b| b.is_ascii_digit()));
        let kind = if suffix.is_empty() && !dotted {
            text.parse()
                .map_or(TokenKind::BigInteger, |value| TokenKind::Literal(Value::Long(value)))
        } else if text.starts_with("0x") || text.starts_with("0X") {
            match super::literal::parse_long(text) {
                Some(value) => TokenKind::Literal(Value::Long(value)),
                None => self.broken(
                    Span::new(start, start + end),
                    format!("`{text}` is not a hexadecimal number of at most 16 digits"),
                ),
            }
        } else if suffix.is_empty() || exponent_sign || is_exponent {
            match text.parse() {
                Ok(value) => TokenKind::Literal(Value::Real(value)),
                Err(_) => self.broken(Span::new(start, start + end), format!("`{text}` is not a number")),
            }
        } else if let Some(ticks) = timespan_of_unit(number_text, suffix) {
            TokenKind::Literal(Value::TimeSpan(ticks))
        } else if dotted {
            self.broken(Span::new(start, start + end), format!("`{suffix}` is not a unit of time"))
        } else {
            TokenKind::Name
        };
        self.push(kind, Span::new(start, start + end));
    }

    fn broken(&mut self, span: Span, message: String) -> TokenKind {
        self.diagnostics.push(Diagnostic::error(Code::Syntax, span, message));
        TokenKind::Broken
    }

    fn name(&mut self) {
        let rest = self.rest();
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let length = rest
            .get(first..)
            .and_then(|r| r.find(|c: char| !continues_name(c)))
            .map_or(rest.len(), |n| n + first);
        let word = rest.get(..length).unwrap_or_default();
        let start = self.at;
        if let Some(name) = dashed(word, rest) {
            return self.push(TokenKind::Name, Span::new(start, start + name.len()));
        }
        let after = rest.get(length..).unwrap_or_default();
        if word == "in" && after.starts_with('~') && !after.starts_with("~~") {
            return self.push(TokenKind::Infix, Span::new(start, start + length + 1));
        }
        let member = matches!(
            self.tokens.last(),
            Some(Token {
                kind: TokenKind::Symbol("."),
                ..
            })
        );
        let spaces = after.find(|c| !is_space(c)).unwrap_or(after.len());
        let called = after.get(spaces..).is_some_and(|a| a.starts_with('('));
        if called && !member && self.typed(word, start, start + length + spaces) {
            return;
        }
        self.push(TokenKind::Name, Span::new(start, start + length));
    }

    /// `datetime(...)`, `dynamic(...)` and the like from the `(` at `open`; false when the word makes no literal.
    fn typed(&mut self, word: &str, start: usize, open: usize) -> bool {
        if word == "dynamic" {
            match json::scan(self.text, open) {
                Ok((value, end, problems)) => {
                    self.diagnostics.extend(problems);
                    self.push(TokenKind::Literal(value), Span::new(start, end));
                }
                Err(problem) => {
                    self.diagnostics.push(problem);
                    let end = self.closing(open, usize::MAX).unwrap_or(self.text.len());
                    self.push(TokenKind::Broken, Span::new(start, end));
                }
            }
            return true;
        }
        let Some(ty) = literal_type(word) else { return false };
        let inside = self.text.get(open + 1..).unwrap_or_default();
        let mut near = MAX_LITERAL.min(inside.len());
        while !inside.is_char_boundary(near) {
            near -= 1;
        }
        let Some(length) = inside.get(..near).and_then(|near| near.find(')')) else {
            return false;
        };
        let goo = inside.get(..length).unwrap_or_default();
        let span = Span::new(start, open + 1 + length + 1);
        match parse_typed(ty, goo) {
            Some(value) => self.push(TokenKind::Literal(value), span),
            None => {
                let problem = Diagnostic::error(Code::Syntax, span, format!("`{}` is not a literal of type {ty}", goo.trim()));
                let help = format!("`{word}(...)` holds a constant; convert values of columns with `to{ty}(...)`");
                self.diagnostics.push(problem.with_help(help));
                let end = if goo.contains('(') {
                    self.closing(open, MAX_LITERAL / 4).unwrap_or(span.end)
                } else {
                    span.end
                };
                self.push(TokenKind::Broken, Span::new(start, end));
            }
        }
        true
    }

    /// Behind the bracket that closes the one at `open`, when it is within so many bytes; strings not looked into deeply.
    fn closing(&self, open: usize, within: usize) -> Option<usize> {
        let mut depth = 0_usize;
        let mut at = open;
        while let Some(c) = self.text.get(at..).and_then(|t| t.chars().next()) {
            if let Some(string) = strings::scan(self.text, at, true).filter(|s| s.closed) {
                at = string.end;
                continue;
            }
            match c {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            at += c.len_utf8();
            if depth == 0 {
                return Some(at);
            }
            if at - open > within {
                return None;
            }
        }
        None
    }
}
