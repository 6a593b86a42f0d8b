//! Pipes: a source and the operators behind it.

use super::{Failed, MAX_OPERATORS, Parsed, Parser};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::syntax::ast::{Expr, ExprKind, Operator};
use crate::syntax::token::{FOREIGN, OPERATORS, TokenKind, near};

/// Operators that can stand at the start of a query.
const SOURCES: &[&str] = &["evaluate", "find", "macro-expand", "print", "range", "search", "union"];

impl<'a> Parser<'a> {
    /// `source | operator | ...`, or only an expression.
    pub(super) fn pipe(&mut self) -> Parsed<Expr> {
        self.deeper(2, |p| p.with_predicate(false, Self::pipe_here))
    }

    fn pipe_here(&mut self) -> Parsed<Expr> {
        let (search, wildcards) = (std::mem::take(&mut self.search), std::mem::take(&mut self.wildcards));
        let result = self.pipe_inner();
        (self.search, self.wildcards) = (search, wildcards);
        result
    }

    fn pipe_inner(&mut self) -> Parsed<Expr> {
        let start = self.span();
        let base = self.open.len();
        if self.is("|") {
            let problem = Diagnostic::error(Code::Syntax, start, "nothing stands before this pipe");
            self.report(problem.with_help("a query starts with a table: `KubernetesAudit | take 10`"));
            return Err(Failed);
        }
        let source = if self.starts_source() {
            match self.operator() {
                Ok(operator) => {
                    self.after_operator(base);
                    let span = operator.span;
                    Expr {
                        kind: ExprKind::Source(Box::new(operator)),
                        span,
                    }
                }
                Err(Failed) => {
                    self.recover(base);
                    if !self.is("|") {
                        return Err(Failed);
                    }
                    Expr {
                        kind: ExprKind::Name(String::new()),
                        span: start,
                    }
                }
            }
        } else {
            self.source_is_missing()?;
            self.expression()?
        };
        let operators = self.operators(base);
        if operators.is_empty() {
            return Ok(source);
        }
        let span = start.to(self.previous());
        Ok(Expr {
            kind: ExprKind::Pipe {
                source: Some(Box::new(source)),
                operators,
            },
            span,
        })
    }

    /// `where x | ...` without a table.
    fn source_is_missing(&mut self) -> Parsed<()> {
        let word = self.word().unwrap_or_default();
        let operand = matches!(
            self.token_at(1).map(|t| &t.kind),
            Some(TokenKind::Name | TokenKind::Literal(_) | TokenKind::String(_))
        );
        let infix = self.word_at(1).is_some_and(super::expression::is_infix_word);
        if operand && !infix && OPERATORS.contains(&word) {
            let span = self.span();
            let problem = Diagnostic::error(Code::Syntax, span, format!("no table stands before `{word}`"));
            self.report(problem.with_help(format!("start with a table and a pipe: `KubernetesAudit | {word} ...`")));
            return Err(Failed);
        }
        Ok(())
    }

    fn starts_source(&self) -> bool {
        let Some(word) = self.word().filter(|w| SOURCES.contains(w)) else {
            return false;
        };
        match word {
            "range" => self.word_at(2) == Some("from") || self.at_bracketed(1),
            _ => match self.token_at(1).map(|t| &t.kind) {
                Some(TokenKind::Symbol(symbol)) => matches!(*symbol, "(" | "[" | "*" | "-" | "+"),
                Some(TokenKind::Infix | TokenKind::End) => word == "print",
                _ => true,
            },
        }
    }

    /// A pipe whose input is implied: `(take 1)` in `fork`, `partition`, `mv-apply`.
    pub(super) fn subpipe(&mut self) -> Parsed<Expr> {
        let implied = self
            .word()
            .is_some_and(|w| OPERATORS.contains(&w) || near(w, OPERATORS.iter().copied()).is_some());
        if !implied {
            return self.pipe();
        }
        self.deeper(2, |p| {
            p.with_predicate(false, |p| {
                let start = p.span();
                let base = p.open.len();
                let mut operators = Vec::new();
                match p.operator() {
                    Ok(operator) => {
                        operators.push(operator);
                        p.after_operator(base);
                    }
                    Err(Failed) => p.recover(base),
                }
                operators.append(&mut p.operators(base));
                let span = start.to(p.previous());
                Ok(Expr {
                    kind: ExprKind::Pipe { source: None, operators },
                    span,
                })
            })
        })
    }

    /// `| operator` as often as it comes.
    fn operators(&mut self, base: usize) -> Vec<Operator> {
        let mut operators = Vec::new();
        loop {
            if self.is("|") {
                let pipe = self.bump();
                if self.is("|") {
                    let problem = Diagnostic::error(Code::Syntax, pipe, "two pipes with nothing between them");
                    self.report(problem.with_help("remove one").with_fix(pipe, ""));
                    continue;
                }
                if self.at_clause_end() {
                    let problem = Diagnostic::error(Code::Syntax, pipe, "no operator follows this pipe");
                    self.report(
                        problem
                            .with_help("remove the pipe, or add an operator such as `where`")
                            .with_fix(pipe, ""),
                    );
                    continue;
                }
            } else if !self.pipe_is_missing() {
                return operators;
            }
            if operators.len() >= MAX_OPERATORS {
                let message = format!("a pipeline has at most {MAX_OPERATORS} operators");
                let span = self.span();
                self.give_up(span, &message, "join what can be said at once: `extend a = 1, b = 2`");
                return operators;
            }
            match self.operator() {
                Ok(operator) => {
                    operators.push(operator);
                    self.after_operator(base);
                }
                Err(Failed) => self.recover(base),
            }
        }
    }

    /// True (and reported) when an operator stands here without a pipe before it.
    fn pipe_is_missing(&mut self) -> bool {
        let Some(word) = self.word() else { return false };
        let lower = word.to_lowercase();
        let operator = if OPERATORS.contains(&lower.as_str()) {
            Some(lower)
        } else if word.starts_with(|c: char| c.is_ascii_lowercase()) {
            near(word, OPERATORS.iter().copied()).map(str::to_string)
        } else {
            None
        };
        let Some(operator) = operator else { return false };
        let span = self.span();
        let message = if operator == word {
            format!("a pipe is missing before `{word}`")
        } else {
            format!("unexpected `{word}`; did you mean `| {operator}`?")
        };
        let problem = Diagnostic::error(Code::Syntax, span, message).with_help(format!("put a | before {operator}"));
        self.report(if operator == word {
            problem.with_fix(Span::new(span.start, span.start), "| ")
        } else {
            problem.with_fix(span, format!("| {operator}"))
        });
        true
    }

    /// What stands behind a complete operator must be a pipe or the end.
    fn after_operator(&mut self, base: usize) {
        if self.at_clause_end() || matches!(self.symbol(), "," | "..") || self.word().is_some_and(|w| self.is_operator_like(w)) {
            return;
        }
        self.misspelt_infix();
        self.recover(base);
    }

    fn is_operator_like(&self, word: &str) -> bool {
        OPERATORS.contains(&word.to_lowercase().as_str())
            || word.starts_with(|c: char| c.is_ascii_lowercase()) && self.starts_line() && near(word, OPERATORS.iter().copied()).is_some()
    }

    /// Reports the token behind a complete operator: perhaps a misspelt `contains`, or a forgotten `|` or `;`.
    fn misspelt_infix(&mut self) {
        let span = self.span();
        let word = self.word().unwrap_or_default();
        if let Some(infix) = near(word, super::expression::INFIX_WORDS.iter().map(|(w, _)| *w)) {
            let problem = Diagnostic::error(Code::Syntax, span, format!("`{word}` is not an operator"));
            self.report(problem.with_help(format!("did you mean `{infix}`?")).with_fix(span, infix));
        } else if self.is("=") {
            let problem = Diagnostic::error(Code::Syntax, span, "left of `=` stands a plain name");
            self.report(problem.with_help("a name with special characters is written `['a.b']`; to compare write `==`"));
        } else if self.starts_line() && !word.is_empty() {
            let end = self.previous().end;
            let problem = Diagnostic::error(Code::Syntax, span, format!("expected `|` or `;` before `{word}`"));
            self.report(
                problem
                    .with_help("put `|` before an operator, or end the statement with `;`")
                    .with_fix(Span::new(end, end), ";"),
            );
        } else {
            self.unexpected("`|` or the end of the query");
        }
    }

    /// The name of the operator that starts here, with its place; near names are mended with a diagnostic.
    pub(super) fn operator_name(&mut self) -> Parsed<(&'static str, Span)> {
        let Some(word) = self.word() else {
            return Err(self.unexpected("an operator such as `where`"));
        };
        let mut length = 1;
        if !OPERATORS.contains(&word) || self.symbol_at(1) == "-" && self.touches(1) {
            // `project-awy` comes as three tokens.
            while self.symbol_at(length) == "-" && self.touches(length) && self.word_at(length + 1).is_some() && self.touches(length + 1) {
                length += 2;
            }
        }
        let span = self.span().to(self.span_at(length - 1));
        let written = self.slice(span);
        if let Some(name) = OPERATORS.iter().find(|name| **name == written) {
            self.bump();
            return Ok((name, span));
        }
        let lower = written.to_lowercase();
        let foreign = FOREIGN.iter().find(|(word, _)| *word == lower).map(|(_, name)| *name);
        let suggestion = foreign.or_else(|| near(&lower.replace('_', "-"), OPERATORS.iter().copied()));
        let problem = Diagnostic::error(Code::Syntax, span, format!("`{written}` is not an operator"));
        let Some(name) = suggestion.and_then(|s| OPERATORS.iter().find(|name| **name == s)) else {
            self.report(problem.with_help("operators are `where`, `project`, `extend`, `summarize`, `sort`, `take`, `join`, ..."));
            return Err(Failed);
        };
        self.report(problem.with_help(format!("did you mean `{name}`?")).with_fix(span, *name));
        if foreign.is_some() {
            return Err(Failed);
        }
        for _ in 0..length {
            self.bump();
        }
        Ok((name, span))
    }
}
