//! Names, wildcards, types and column lists.

use super::{Failed, Parsed, Parser};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::syntax::ast::Name;
use crate::syntax::token::{TokenKind, is_reserved, is_reserved_in_expression, near};
use crate::types::Type;

/// Names and types of columns.
pub(super) type Columns = Vec<(Name, Type)>;

impl<'a> Parser<'a> {
    /// `['any text']` starts here.
    pub(super) fn at_bracketed(&self, ahead: usize) -> bool {
        self.symbol_at(ahead) == "["
            && matches!(self.token_at(ahead + 1).map(|t| &t.kind), Some(TokenKind::String(_)))
            && self.symbol_at(ahead + 2) == "]"
    }

    /// Takes `['any text']`.
    pub(super) fn bracketed(&mut self) -> Option<Name> {
        if !self.at_bracketed(0) {
            return None;
        }
        let start = self.bump();
        let text = match self.kind() {
            TokenKind::String(text) => text.clone(),
            _ => String::new(),
        };
        self.bump();
        let end = self.bump();
        Some(Name { text, span: start.to(end) })
    }

    /// A name that is declared here or stands where only a name can.
    pub(super) fn name(&mut self, what: &str) -> Parsed<Name> {
        if let Some(name) = self.bracketed() {
            return Ok(name);
        }
        let Some(word) = self.word() else {
            return Err(self.unexpected(what));
        };
        if is_reserved(word) {
            let span = self.span();
            return Err(self.reserved(word, span));
        }
        let span = self.bump();
        Ok(Name {
            text: word.to_string(),
            span,
        })
    }

    /// Any word, reserved or not: behind a dot, or as a value of a property.
    pub(super) fn any_name(&mut self, what: &str) -> Parsed<Name> {
        if let Some(name) = self.bracketed() {
            return Ok(name);
        }
        match self.word() {
            Some(word) => {
                let span = self.bump();
                Ok(Name {
                    text: word.to_string(),
                    span,
                })
            }
            None => Err(self.unexpected(what)),
        }
    }

    pub(super) fn reserved(&mut self, word: &str, span: Span) -> Failed {
        let problem = Diagnostic::error(Code::Syntax, span, format!("`{word}` is a keyword and cannot be a name here"));
        self.report(
            problem
                .with_help(format!("write `['{word}']`, or choose another name"))
                .with_fix(span, format!("['{word}']")),
        );
        Failed
    }

    /// `Kube*`, `*_s`, `a*b*`, `*` or a plain name: adjacent names, numbers and stars.
    pub(super) fn pattern(&mut self, what: &str) -> Parsed<Name> {
        if let Some(length) = self.wildcard_length() {
            let start = self.span();
            for _ in 0..length {
                self.bump();
            }
            let span = start.to(self.previous());
            return Ok(Name {
                text: self.slice(span).to_string(),
                span,
            });
        }
        if let Some(word) = self.word().filter(|w| is_reserved_in_expression(w)) {
            let span = self.span();
            return Err(self.reserved(word, span));
        }
        self.name(what)
    }

    /// How many tokens the name with a star that starts here has.
    pub(super) fn wildcard_length(&self) -> Option<usize> {
        let mut stars = 0;
        let mut length = 0;
        loop {
            let part = match self.token_at(length).map(|t| &t.kind) {
                Some(TokenKind::Symbol("*")) => {
                    stars += 1;
                    true
                }
                Some(TokenKind::Name) => true,
                Some(TokenKind::Literal(crate::types::Value::Long(_))) => length > 0,
                _ => false,
            };
            if !part || length > 0 && !self.touches(length) {
                break;
            }
            length += 1;
        }
        (stars > 0).then_some(length)
    }

    /// The name of a type.
    pub(super) fn type_name(&mut self) -> Parsed<Type> {
        let Some(word) = self.word() else {
            return Err(self.unexpected("a type"));
        };
        let span = self.bump();
        match Type::parse(word) {
            Some(ty) => Ok(ty),
            None => {
                let mut problem = Diagnostic::error(Code::UnknownName, span, format!("`{word}` is not a type"));
                let names = Type::ALL.map(Type::name);
                match near(word, names) {
                    Some(name) => problem = problem.with_help(format!("did you mean `{name}`?")).with_fix(span, name),
                    None => problem = problem.with_help(format!("types are {}", names.join(", "))),
                }
                self.report(problem);
                Ok(Type::Dynamic)
            }
        }
    }

    /// `name: type`
    fn column(&mut self) -> Parsed<(Name, Type)> {
        let name = self.name("a column name")?;
        self.expect(":", "and the type of the column")?;
        let ty = self.type_name()?;
        Ok((name, ty))
    }

    /// `(name: type, ...)`; a comma may stand at the end.
    pub(super) fn columns(&mut self) -> Parsed<Columns> {
        let opening = self.open("(", "and the columns, as `(name: type, ...)`")?;
        let mut columns = Vec::new();
        if self.is("*") {
            let span = self.bump();
            self.report(Diagnostic::not_supported(span, "`*` in a list of columns").with_help("name the columns"));
            self.eat(",");
        }
        while !self.is(")") {
            columns.push(self.column()?);
            if !self.eat(",") {
                break;
            }
        }
        self.close(")", opening)?;
        Ok(columns)
    }

    /// `to typeof(type)`
    pub(super) fn cast(&mut self) -> Parsed<Option<Type>> {
        if !self.eat_word("to") {
            return Ok(None);
        }
        self.expect_word("typeof", "and a type, as `to typeof(long)`")?;
        let opening = self.open("(", "and a type")?;
        let ty = self.type_name()?;
        self.close(")", opening)?;
        Ok(Some(ty))
    }
}
