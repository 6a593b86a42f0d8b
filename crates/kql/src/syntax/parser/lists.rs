//! Comma-separated lists, `name = value`, sort keys and operator properties.

use super::{Parsed, Parser};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::syntax::ast::{Expr, ExprKind, Name, NamedExpr, SortKey};
use crate::syntax::token::{OPERATORS, TokenKind, near};

/// Words that end a list item and start the next clause of some operator.
const CLAUSES: &[&str] = &[
    "as",
    "asc",
    "by",
    "default",
    "desc",
    "from",
    "in",
    "limit",
    "nulls",
    "of",
    "on",
    "partitioned-by",
    "project",
    "step",
    "to",
    "where",
    "with",
    "granny-asc",
    "granny-desc",
    "id",
    "has",
    "contains",
    "between",
    "matches",
    "and",
    "or",
];

impl Parser<'_> {
    /// Nothing more can come in this operator.
    pub(super) fn at_clause_end(&self) -> bool {
        self.is_end() || matches!(self.symbol(), "|" | ";" | ")" | "]" | "}")
    }

    /// One or more items between commas. Says so when a comma is missing or one is too many.
    pub(super) fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut items = vec![item(self)?];
        loop {
            if self.is(",") {
                let comma = self.bump();
                if self.at_clause_end() || (self.starts_line() && self.starts_missing_pipe()) {
                    let problem = Diagnostic::error(Code::Syntax, comma, "nothing follows this comma");
                    self.report(problem.with_help("remove the comma, or add what is missing").with_fix(comma, ""));
                    return Ok(items);
                }
            } else if self.comma_is_missing() {
                let (before, here) = (self.previous(), self.span());
                let problem = Diagnostic::error(Code::Syntax, here, format!("expected `,` before `{}`", self.slice(here)));
                self.report(
                    problem
                        .with_help("separate list items by commas")
                        .with_fix(Span::new(before.end, before.end), ","),
                );
            } else {
                return Ok(items);
            }
            items.push(item(self)?);
        }
    }

    /// An operator keyword that looks like the start of an operator rather than a column of that name.
    pub(super) fn starts_missing_pipe(&self) -> bool {
        self.at_operator_keyword()
            && match self.token_at(1).map(|t| &t.kind) {
                Some(TokenKind::Name | TokenKind::String(_) | TokenKind::Literal(_)) => true,
                Some(TokenKind::Symbol(symbol)) => *symbol == "(",
                _ => false,
            }
    }

    fn comma_is_missing(&self) -> bool {
        match self.kind() {
            TokenKind::String(_) | TokenKind::Literal(_) => true,
            TokenKind::Name => self.word().is_some_and(|word| {
                let lower = word.to_lowercase();
                let operator = self.starts_line() && near(word, OPERATORS.iter().copied()).is_some();
                !CLAUSES.contains(&lower.as_str()) && !OPERATORS.contains(&lower.as_str()) && !operator
            }),
            _ => false,
        }
    }

    /// Names left of a `=`: how many tokens up to and with it.
    fn assigned_name(&self) -> bool {
        (self.word().is_some() && self.symbol_at(1) == "=") || (self.at_bracketed(0) && self.symbol_at(3) == "=")
    }

    /// `(a, b) =` starts here.
    fn assigned_tuple(&self) -> bool {
        if !self.is("(") {
            return false;
        }
        let mut ahead = 1;
        loop {
            if self.word_at(ahead).is_some() {
                ahead += 1;
            } else if self.at_bracketed(ahead) {
                ahead += 3;
            } else {
                return false;
            }
            match self.symbol_at(ahead) {
                "," => ahead += 1,
                ")" => return self.symbol_at(ahead + 1) == "=",
                _ => return false,
            }
        }
    }

    /// `expression`, `name = expression` or `(a, b) = expression`.
    pub(super) fn named(&mut self) -> Parsed<NamedExpr> {
        let mut names = Vec::new();
        if self.assigned_tuple() {
            let opening = self.open("(", "")?;
            names = self.list(|p| p.name("a column name"))?;
            self.close(")", opening)?;
            self.expect("=", "and a value")?;
        } else if self.assigned_name() {
            names.push(self.name("a column name")?);
            self.expect("=", "and a value")?;
        }
        let value = self.with_predicate(false, Self::expression)?;
        Ok(NamedExpr { names, value })
    }

    /// One or more of [`Self::named`].
    pub(super) fn named_list(&mut self) -> Parsed<Vec<NamedExpr>> {
        self.list(Self::named)
    }

    /// `expression [asc|desc] [nulls first|last]`
    pub(super) fn sort_key(&mut self) -> Parsed<SortKey> {
        let expr = self.named()?;
        let ascending = self.order_word();
        let mut nulls_first = None;
        if self.eat_word("nulls") {
            nulls_first = if self.eat_word("first") {
                Some(true)
            } else if self.eat_word("last") {
                Some(false)
            } else {
                return Err(self.unexpected("`first` or `last` after `nulls`"));
            };
        }
        Ok(SortKey {
            expr,
            ascending,
            nulls_first,
        })
    }

    /// `asc` or `desc`, also in capitals (with a diagnostic).
    pub(super) fn order_word(&mut self) -> Option<bool> {
        let word = self.word()?;
        let lower = word.to_lowercase();
        let ascending = match lower.as_str() {
            "asc" => true,
            "desc" => false,
            _ => return None,
        };
        let span = self.bump();
        if lower != word {
            self.lower_case(word, &lower, span);
        }
        Some(ascending)
    }

    pub(super) fn lower_case(&mut self, word: &str, lower: &str, span: Span) {
        let problem = Diagnostic::error(Code::Syntax, span, format!("`{word}` is written in lower case in KQL"));
        self.report(problem.with_help(format!("write `{lower}`")).with_fix(span, lower));
    }

    /// `hint.strategy=shuffle kind=inner ...` directly behind the keyword. `known` are the names besides `hint.*`.
    pub(super) fn properties(&mut self, known: &[&str]) -> Parsed<Vec<(Name, Expr)>> {
        let mut properties = Vec::new();
        loop {
            let name = if self.is_word("hint") && self.symbol_at(1) == "." && self.symbol_at(3) == "=" {
                let start = self.bump();
                self.bump();
                let span = start.to(self.bump());
                Name {
                    text: self.slice(span).to_string(),
                    span,
                }
            } else if self.symbol_at(1) == "=" && self.word().is_some_and(|w| known.contains(&w)) {
                self.any_name("a property")?
            } else {
                return Ok(properties);
            };
            self.expect("=", "and a value")?;
            let value = self.property_value()?;
            properties.push((name, value));
        }
    }

    /// A word, a constant or a name in brackets.
    pub(super) fn property_value(&mut self) -> Parsed<Expr> {
        if self.at_bracketed(0) || self.word().is_some_and(|w| !matches!(w, "true" | "false")) {
            let name = self.any_name("a value")?;
            return Ok(Expr {
                kind: ExprKind::Name(name.text),
                span: name.span,
            });
        }
        self.constant()
    }

    /// `(name = value, ...)` behind `with`.
    pub(super) fn with_properties(&mut self) -> Parsed<Vec<(Name, Expr)>> {
        let opening = self.open("(", "and properties, as `(name=value, ...)`")?;
        let mut properties = Vec::new();
        while !self.is(")") {
            let name = self.any_name("the name of a property")?;
            self.expect("=", "and a value")?;
            let value = self.property_value()?;
            // `ycolumns=a, b`: names go on until the next `name=`.
            let mut names = vec![value];
            while self.is(",") && self.word_at(1).is_some() && self.symbol_at(2) != "=" {
                self.bump();
                names.push(self.property_value()?);
            }
            properties.push((name, name_tuple(names)));
            if !self.eat(",") {
                break;
            }
        }
        self.close(")", opening)?;
        Ok(properties)
    }
}

/// One value as it is; several names as a tuple.
pub(super) fn name_tuple(mut values: Vec<Expr>) -> Expr {
    match values.pop() {
        Some(value) if values.is_empty() => return value,
        last => values.extend(last),
    }
    let span = values.iter().map(|v| v.span).reduce(Span::to).unwrap_or_default();
    let names = values.into_iter().filter_map(|v| match v.kind {
        ExprKind::Name(text) => Some(Name { text, span: v.span }),
        _ => None,
    });
    Expr {
        kind: ExprKind::NameTuple(names.collect()),
        span,
    }
}
