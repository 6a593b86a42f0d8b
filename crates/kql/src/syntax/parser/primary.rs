//! The parts of expressions: constants, names, calls, paths, parentheses, `datatable`, `externaldata`.
//!
//! Source: Kusto Query Language reference, "Scalar data types", "Entity names", "datatable operator", "externaldata operator".

use super::{Failed, MAX_CHAIN, Parsed, Parser};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::syntax::ast::{Argument, Expr, ExprKind, Name};
use crate::syntax::token::{TokenKind, is_reserved_in_expression};
use crate::types::Value;

/// Functions whose arguments are conditions, so that `=` in them is meant as `==`.
const CONDITIONAL: &[&str] = &[
    "avgif",
    "case",
    "countif",
    "dcountif",
    "iff",
    "iif",
    "isnotnull",
    "isnull",
    "make_bag_if",
    "make_list_if",
    "make_set_if",
    "maxif",
    "minif",
    "not",
    "stdevif",
    "sumif",
    "take_anyif",
    "varianceif",
];

impl Parser<'_> {
    /// A primary expression and the path behind it: `.name`, `[index]`, `.[index]`, `.method()`.
    pub(super) fn postfix(&mut self) -> Parsed<Expr> {
        let mut base = self.primary()?;
        let mut chain = 0;
        loop {
            let symbol = self.symbol();
            if !matches!(symbol, "." | "[") {
                return Ok(base);
            }
            chain += 1;
            if chain > MAX_CHAIN {
                let span = self.span();
                return Err(self.give_up(span, "this path is too long", &format!("at most {MAX_CHAIN} steps")));
            }
            if symbol == "." && self.symbol_at(1) != "[" {
                self.bump();
                base = self.member(base)?;
                continue;
            }
            self.eat(".");
            let opening = self.open("[", "")?;
            let index = self.nested(|p| p.with_predicate(false, Self::expression))?;
            let span = base.span.to(self.close("]", opening)?);
            base = Expr {
                kind: ExprKind::Element {
                    base: Box::new(base),
                    index: Box::new(index),
                },
                span,
            };
        }
    }

    fn member(&mut self, base: Expr) -> Parsed<Expr> {
        let name = if self.wildcards && self.wildcard_length().is_some() {
            self.pattern("a name")?
        } else {
            self.any_name("a name after the dot")?
        };
        let base = Box::new(base);
        if self.is("(") {
            let (arguments, end) = self.arguments()?;
            let span = base.span.to(end);
            return Ok(Expr {
                kind: ExprKind::MethodCall { base, name, arguments },
                span,
            });
        }
        let span = base.span.to(name.span);
        Ok(Expr {
            kind: ExprKind::Member { base, member: name },
            span,
        })
    }

    /// `(a, name=b, *)`
    fn arguments(&mut self) -> Parsed<(Vec<Argument>, Span)> {
        let opening = self.open("(", "and arguments")?;
        let arguments = if self.is(")") { Vec::new() } else { self.list(Self::argument)? };
        let end = self.close(")", opening)?;
        Ok((arguments, end))
    }

    /// `typeof(long)`, `typeof(*, column: long)`: the columns and types as arguments.
    fn type_of(&mut self) -> Parsed<Expr> {
        let name = Name {
            text: "typeof".to_string(),
            span: self.bump(),
        };
        let opening = self.open("(", "and a type")?;
        let arguments = self.list(|p| {
            let mut name = p.pattern("a type, or a column and its type")?;
            let mut column = None;
            if p.eat(":") {
                let ty = p.any_name("a type")?;
                column = Some(std::mem::replace(&mut name, ty));
            }
            let kind = if name.text == "*" {
                ExprKind::Star
            } else {
                ExprKind::Name(name.text)
            };
            Ok(Argument {
                name: column,
                value: Expr { kind, span: name.span },
            })
        })?;
        let span = name.span.to(self.close(")", opening)?);
        Ok(Expr {
            kind: ExprKind::Call { name, arguments },
            span,
        })
    }

    fn argument(&mut self) -> Parsed<Argument> {
        let mut name = None;
        if self.symbol_at(1) == "=" && self.word().is_some() || self.at_bracketed(0) && self.symbol_at(3) == "=" {
            name = Some(self.name("the name of an argument")?);
            self.bump();
        }
        Ok(Argument { name, value: self.pipe()? })
    }

    fn primary(&mut self) -> Parsed<Expr> {
        let span = self.span();
        match self.kind() {
            TokenKind::String(_) => Ok(self.strings()),
            TokenKind::Literal(value) => {
                let kind = ExprKind::Literal(value.clone());
                self.bump();
                Ok(Expr { kind, span })
            }
            TokenKind::BigInteger => {
                let problem = Diagnostic::error(Code::Syntax, span, format!("`{}` is too large for a long", self.slice(span)));
                self.report(problem.with_help("a long goes up to 9223372036854775807; write `decimal(...)` or a real such as `1e30`"));
                self.bump();
                Ok(Expr {
                    kind: ExprKind::Literal(Value::Long(i64::MAX)),
                    span,
                })
            }
            TokenKind::Symbol("(") => self.parenthesised(),
            TokenKind::Symbol("[") => match self.bracketed() {
                Some(name) if self.is("(") => self.call(name),
                Some(name) => Ok(Expr {
                    kind: ExprKind::Name(name.text),
                    span: name.span,
                }),
                None => {
                    let problem = Diagnostic::error(Code::Syntax, span, "an expression does not start with `[`");
                    self.report(problem.with_help("names are written `['name']`, arrays `dynamic([1, 2])` or `pack_array(a, b)`"));
                    Err(Failed)
                }
            },
            TokenKind::Symbol("*") => {
                self.bump();
                Ok(Expr {
                    kind: ExprKind::Star,
                    span,
                })
            }
            TokenKind::Name => self.primary_name(span),
            _ => Err(self.unexpected("an expression")),
        }
    }

    /// Adjacent strings are one.
    pub(super) fn strings(&mut self) -> Expr {
        let start = self.span();
        let mut value = String::new();
        while let TokenKind::String(part) = self.kind() {
            value.push_str(part);
            self.bump();
        }
        Expr {
            kind: ExprKind::Literal(Value::String(value)),
            span: start.to(self.previous()),
        }
    }

    fn parenthesised(&mut self) -> Parsed<Expr> {
        // `=` stays a mistake inside the parentheses of a predicate.
        let (predicate, search) = (self.predicate, self.search);
        let opening = self.open("(", "")?;
        let mut inner = if predicate || search {
            self.nested(Self::in_parentheses)?
        } else {
            self.pipe()?
        };
        let end = self.close(")", opening)?;
        inner.span = opening.to(end);
        Ok(inner)
    }

    fn in_parentheses(&mut self) -> Parsed<Expr> {
        self.expression()
    }

    fn primary_name(&mut self, span: Span) -> Parsed<Expr> {
        let word = self.slice(span);
        match word {
            "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => {
                self.bump();
                return Ok(Expr {
                    kind: ExprKind::Literal(Value::Bool(word.eq_ignore_ascii_case("true"))),
                    span,
                });
            }
            "null" => {
                let problem = Diagnostic::error(Code::Syntax, span, "a null needs a type");
                self.report(problem.with_help("write `int(null)`, `datetime(null)`, `dynamic(null)`; test for null with `isnull(value)`"));
                self.bump();
                return Ok(Expr {
                    kind: ExprKind::Literal(Value::Null(crate::types::Type::Dynamic)),
                    span,
                });
            }
            "datatable" if self.symbol_at(1) == "(" => return self.datatable(),
            "externaldata" | "external_data" if self.symbol_at(1) == "(" => return self.externaldata(),
            "typeof" if self.symbol_at(1) == "(" => return self.type_of(),
            "toscalar" | "totable" if self.word_at(1) == Some("kind") && self.symbol_at(2) == "=" => {
                let name = Name {
                    text: word.to_string(),
                    span: self.bump(),
                };
                self.properties(&["kind"])?;
                return self.call(name);
            }
            _ if word.eq_ignore_ascii_case("not") && self.symbol_at(1) != "(" => {
                let problem = Diagnostic::error(Code::Syntax, span, "`not` is a function");
                self.report(problem.with_help("write `not(...)`"));
                return Err(Failed);
            }
            _ => {}
        }
        if is_reserved_in_expression(word) {
            let problem = Diagnostic::error(
                Code::Syntax,
                span,
                format!("expected an expression, but found the keyword `{word}`"),
            );
            self.report(problem.with_help(format!("a column of that name is written `['{word}']`")));
            return Err(Failed);
        }
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            self.digits_and_letters(word, span);
        }
        if self.wildcards && self.wildcard_length().is_some() {
            let name = self.pattern("a name")?;
            return Ok(Expr {
                kind: ExprKind::Wildcard(name.text),
                span: name.span,
            });
        }
        self.bump();
        let name = Name {
            text: word.to_string(),
            span,
        };
        if self.is("(") {
            return self.call(name);
        }
        Ok(Expr {
            kind: ExprKind::Name(name.text),
            span,
        })
    }

    /// `1us`, `7w`: a name by the rules, but meant as a timespan.
    fn digits_and_letters(&mut self, word: &str, span: Span) {
        let unit = word.trim_start_matches(|c: char| c.is_ascii_digit());
        let number = word.strip_suffix(unit).unwrap_or_default();
        let mend = match unit {
            "us" => format!("{number}microseconds"),
            "ns" => format!("{number}nanoseconds"),
            "w" | "week" | "weeks" => match number.parse::<u64>() {
                Ok(weeks) => format!("{}d", weeks.saturating_mul(7)),
                Err(_) => return,
            },
            "H" | "D" | "M" | "S" => word.to_lowercase(),
            _ => return,
        };
        let problem = Diagnostic::error(Code::Syntax, span, format!("`{unit}` is not a unit of time"));
        self.report(
            problem
                .with_help(format!("write `{mend}`; a column of that name is written `['{word}']`"))
                .with_fix(span, mend),
        );
    }

    pub(super) fn call(&mut self, name: Name) -> Parsed<Expr> {
        let (arguments, end) = self.arguments()?;
        if CONDITIONAL.contains(&name.text.as_str()) {
            for argument in arguments.iter().filter_map(|a| a.name.as_ref()) {
                // The sign is between the name and the value.
                let rest = self.text.get(argument.span.end..).unwrap_or_default();
                let at = argument.span.end + rest.find('=').unwrap_or_default();
                self.mistaken_equals(Span::new(at, at + 1));
            }
        }
        let span = name.span.to(end);
        Ok(Expr {
            kind: ExprKind::Call { name, arguments },
            span,
        })
    }

    /// A literal, perhaps with a sign.
    pub(super) fn constant(&mut self) -> Parsed<Expr> {
        let constant = match self.kind() {
            TokenKind::String(_) | TokenKind::Literal(_) | TokenKind::BigInteger => true,
            TokenKind::Symbol("-" | "+") => matches!(
                self.token_at(1).map(|t| &t.kind),
                Some(TokenKind::Literal(_) | TokenKind::BigInteger)
            ),
            TokenKind::Name => matches!(self.word(), Some("true" | "false" | "True" | "False" | "TRUE" | "FALSE" | "null")),
            _ => false,
        };
        if !constant {
            return Err(self.unexpected("a constant"));
        }
        self.unary()
    }

    /// `datatable(a: long) [1, 2]`
    fn datatable(&mut self) -> Parsed<Expr> {
        let start = self.bump();
        let columns = self.columns()?;
        let opening = self.open("[", "and the values")?;
        let mut values = Vec::new();
        while !self.is("]") {
            values.push(self.constant()?);
            if !self.eat(",") {
                break;
            }
        }
        let span = start.to(self.close("]", opening)?);
        if columns.is_empty() && !values.is_empty() {
            self.report(Diagnostic::error(Code::Syntax, span, "this table has values, but no columns"));
        } else if !columns.is_empty() && values.len() % columns.len() != 0 {
            let message = format!("{} values do not fill rows of {} columns", values.len(), columns.len());
            self.report(Diagnostic::error(Code::Arguments, span, message).with_help("give every row a value for every column"));
        }
        Ok(Expr {
            kind: ExprKind::DataTable { columns, values },
            span,
        })
    }

    /// `externaldata(a: string) [uri] with (...)`
    fn externaldata(&mut self) -> Parsed<Expr> {
        let start = self.bump();
        let columns = self.columns()?;
        let opening = self.open("[", "and the addresses")?;
        let uris = if self.is("]") { Vec::new() } else { self.list(Self::constant)? };
        self.close("]", opening)?;
        let properties = if self.eat_word("with") {
            self.with_properties()?
        } else {
            Vec::new()
        };
        Ok(Expr {
            kind: ExprKind::ExternalData { columns, uris, properties },
            span: start.to(self.previous()),
        })
    }
}
