//! Scalar expressions, by precedence: `or`, `and`, equality and `in`, `<`, `+`, `*`, string operators, sign, path.
//!
//! Source: Kusto Query Language reference, "Scalar operators", and its published grammar.

use super::{Failed, MAX_CHAIN, Parsed, Parser};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::syntax::ast::{BinaryOp, Expr, ExprKind, ListOp};
use crate::syntax::token::TokenKind;
use crate::types::Value;

/// What stands between two operands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Infix {
    Binary(BinaryOp),
    List(ListOp),
    Between { negated: bool },
}

const OR: u8 = 1;
const AND: u8 = 2;
const EQUALITY: u8 = 3;
const RELATIONAL: u8 = 4;
const ADDITIVE: u8 = 5;
const MULTIPLICATIVE: u8 = 6;
const STRING: u8 = 7;

impl Infix {
    fn precedence(self) -> u8 {
        match self {
            Infix::List(_) | Infix::Between { .. } => EQUALITY,
            Infix::Binary(op) => match op {
                BinaryOp::Or => OR,
                BinaryOp::And => AND,
                BinaryOp::Equal | BinaryOp::NotEqual => EQUALITY,
                BinaryOp::Less | BinaryOp::LessEqual | BinaryOp::Greater | BinaryOp::GreaterEqual => RELATIONAL,
                BinaryOp::Add | BinaryOp::Subtract => ADDITIVE,
                BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::Modulo => MULTIPLICATIVE,
                _ => STRING,
            },
        }
    }
}

/// Operators that are words, the outdated spellings included.
pub(super) const INFIX_WORDS: &[(&str, Infix)] = &[
    ("or", Infix::Binary(BinaryOp::Or)),
    ("and", Infix::Binary(BinaryOp::And)),
    ("has", Infix::Binary(BinaryOp::Has)),
    ("!has", Infix::Binary(BinaryOp::NotHas)),
    ("has_cs", Infix::Binary(BinaryOp::HasCs)),
    ("!has_cs", Infix::Binary(BinaryOp::NotHasCs)),
    ("hasprefix", Infix::Binary(BinaryOp::HasPrefix)),
    ("!hasprefix", Infix::Binary(BinaryOp::NotHasPrefix)),
    ("hasprefix_cs", Infix::Binary(BinaryOp::HasPrefixCs)),
    ("!hasprefix_cs", Infix::Binary(BinaryOp::NotHasPrefixCs)),
    ("hassuffix", Infix::Binary(BinaryOp::HasSuffix)),
    ("!hassuffix", Infix::Binary(BinaryOp::NotHasSuffix)),
    ("hassuffix_cs", Infix::Binary(BinaryOp::HasSuffixCs)),
    ("!hassuffix_cs", Infix::Binary(BinaryOp::NotHasSuffixCs)),
    ("contains", Infix::Binary(BinaryOp::Contains)),
    ("!contains", Infix::Binary(BinaryOp::NotContains)),
    ("notcontains", Infix::Binary(BinaryOp::NotContains)),
    ("contains_cs", Infix::Binary(BinaryOp::ContainsCs)),
    ("containscs", Infix::Binary(BinaryOp::ContainsCs)),
    ("!contains_cs", Infix::Binary(BinaryOp::NotContainsCs)),
    ("notcontainscs", Infix::Binary(BinaryOp::NotContainsCs)),
    ("startswith", Infix::Binary(BinaryOp::StartsWith)),
    ("!startswith", Infix::Binary(BinaryOp::NotStartsWith)),
    ("notstartswith", Infix::Binary(BinaryOp::NotStartsWith)),
    ("startswith_cs", Infix::Binary(BinaryOp::StartsWithCs)),
    ("!startswith_cs", Infix::Binary(BinaryOp::NotStartsWithCs)),
    ("endswith", Infix::Binary(BinaryOp::EndsWith)),
    ("!endswith", Infix::Binary(BinaryOp::NotEndsWith)),
    ("notendswith", Infix::Binary(BinaryOp::NotEndsWith)),
    ("endswith_cs", Infix::Binary(BinaryOp::EndsWithCs)),
    ("!endswith_cs", Infix::Binary(BinaryOp::NotEndsWithCs)),
    ("matches", Infix::Binary(BinaryOp::MatchesRegex)),
    ("in", Infix::List(ListOp::In)),
    ("!in", Infix::List(ListOp::NotIn)),
    ("in~", Infix::List(ListOp::InTilde)),
    ("!in~", Infix::List(ListOp::NotInTilde)),
    ("has_any", Infix::List(ListOp::HasAny)),
    ("has_all", Infix::List(ListOp::HasAll)),
    ("between", Infix::Between { negated: false }),
    ("!between", Infix::Between { negated: true }),
];

fn infix_word(word: &str) -> Option<Infix> {
    INFIX_WORDS.iter().find(|(name, _)| *name == word).map(|(_, infix)| *infix)
}

/// True for `has`, `and`, `in`, ...
pub(super) fn is_infix_word(word: &str) -> bool {
    infix_word(word).is_some()
}

fn infix_symbol(symbol: &str) -> Option<BinaryOp> {
    Some(match symbol {
        "==" => BinaryOp::Equal,
        "!=" | "<>" => BinaryOp::NotEqual,
        "<" => BinaryOp::Less,
        "<=" => BinaryOp::LessEqual,
        ">" => BinaryOp::Greater,
        ">=" => BinaryOp::GreaterEqual,
        "=~" => BinaryOp::EqualTilde,
        "!~" => BinaryOp::NotEqualTilde,
        "+" => BinaryOp::Add,
        "-" => BinaryOp::Subtract,
        "*" => BinaryOp::Multiply,
        "/" => BinaryOp::Divide,
        "%" => BinaryOp::Modulo,
        _ => return None,
    })
}

fn joined(kind: impl FnOnce(Box<Expr>, Box<Expr>) -> ExprKind, left: Expr, right: Expr) -> Expr {
    let span = left.span.to(right.span);
    Expr {
        kind: kind(Box::new(left), Box::new(right)),
        span,
    }
}

impl Parser<'_> {
    /// An expression without pipes.
    pub(super) fn expression(&mut self) -> Parsed<Expr> {
        self.binary(OR)
    }

    /// An expression in which `=` can only be meant as `==`.
    pub(super) fn predicate(&mut self) -> Parsed<Expr> {
        self.with_predicate(true, Self::expression)
    }

    fn binary(&mut self, lowest: u8) -> Parsed<Expr> {
        let mut left = self.unary()?;
        let mut chain = 0;
        let mut compared = 0;
        loop {
            let start = self.at;
            let Some((infix, length)) = self.infix()? else { return Ok(left) };
            let precedence = infix.precedence();
            if precedence < lowest {
                return Ok(left);
            }
            let sign = self.span();
            if compared == precedence {
                let problem = Diagnostic::error(Code::Syntax, sign, "comparisons cannot follow each other");
                self.report(problem.with_help("put one of them in parentheses, or join two by `and`"));
            }
            for _ in 0..length {
                self.bump();
            }
            chain += 1;
            if chain > MAX_CHAIN {
                return Err(self.give_up(
                    sign,
                    "this expression is too long",
                    &format!("at most {MAX_CHAIN} operators in a row; name parts of it with `let`"),
                ));
            }
            left = match infix {
                Infix::Binary(op @ (BinaryOp::Or | BinaryOp::And)) => {
                    chain = 0;
                    self.logical(op, left)?
                }
                Infix::Binary(op) => {
                    let right = self.binary(precedence + 1)?;
                    joined(|left, right| ExprKind::Binary { op, left, right }, left, right)
                }
                Infix::List(op) => self.list_operand(op, left)?,
                Infix::Between { negated } => self.between(negated, left)?,
            };
            compared = if matches!(precedence, EQUALITY | RELATIONAL) {
                precedence
            } else {
                compared
            };
            debug_assert!(self.at > start, "an operator takes at least its own token");
        }
    }

    /// `a or b or c ...`, the first `or` taken. Long chains (lists of indicators) become a balanced tree, not a deep one.
    fn logical(&mut self, op: BinaryOp, first: Expr) -> Parsed<Expr> {
        let precedence = Infix::Binary(op).precedence();
        let mut operands = vec![first, self.binary(precedence + 1)?];
        while let Some((Infix::Binary(next), length)) = self.infix()? {
            if next != op {
                break;
            }
            for _ in 0..length {
                self.bump();
            }
            operands.push(self.binary(precedence + 1)?);
        }
        let both = |left, right| joined(|left, right| ExprKind::Binary { op, left, right }, left, right);
        while operands.len() > 16 {
            let mut pairs = Vec::with_capacity(operands.len() / 2 + 1);
            let mut rest = operands.into_iter();
            while let Some(left) = rest.next() {
                pairs.push(match rest.next() {
                    Some(right) => both(left, right),
                    None => left,
                });
            }
            operands = pairs;
        }
        operands.into_iter().reduce(both).ok_or(Failed)
    }

    /// The operator that stands here and how many tokens it has. Reports spellings of other languages.
    fn infix(&mut self) -> Parsed<Option<(Infix, usize)>> {
        let span = self.span();
        match self.kind() {
            TokenKind::Symbol(symbol) => {
                let symbol = *symbol;
                if let Some(op) = infix_symbol(symbol) {
                    return Ok(Some((Infix::Binary(op), 1)));
                }
                match symbol {
                    ":" if self.search => Ok(Some((Infix::Binary(BinaryOp::Colon), 1))),
                    "=" if self.predicate => {
                        self.mistaken_equals(span);
                        Ok(Some((Infix::Binary(BinaryOp::Equal), 1)))
                    }
                    "&&" | "||" => {
                        let (word, op) = if symbol == "&&" {
                            ("and", BinaryOp::And)
                        } else {
                            ("or", BinaryOp::Or)
                        };
                        let problem = Diagnostic::error(Code::Syntax, span, format!("`{symbol}` is not an operator of KQL"));
                        self.report(problem.with_help(format!("write `{word}`")).with_fix(span, word));
                        Ok(Some((Infix::Binary(op), 1)))
                    }
                    _ => Ok(None),
                }
            }
            TokenKind::Infix => {
                let text = self.slice(span);
                match infix_word(text) {
                    Some(infix) => Ok(Some((infix, 1))),
                    None => {
                        let mut problem = Diagnostic::error(Code::Syntax, span, format!("`{text}` is not an operator"));
                        let names = INFIX_WORDS.iter().map(|(w, _)| *w).filter(|w| w.starts_with('!'));
                        if let Some(name) = crate::syntax::token::near(text, names) {
                            problem = problem.with_help(format!("did you mean `{name}`?")).with_fix(span, name);
                        }
                        self.report(problem);
                        Err(Failed)
                    }
                }
            }
            TokenKind::Name => self.infix_name(span),
            _ => Ok(None),
        }
    }

    /// `=` where only `==` can be meant.
    pub(super) fn mistaken_equals(&mut self, span: Span) {
        let problem = Diagnostic::error(Code::Semantic, span, "`=` gives a name; it does not compare");
        self.report(
            problem
                .with_help("write `==` to compare (`=~` to ignore case)")
                .with_fix(span, "=="),
        );
    }

    fn infix_name(&mut self, span: Span) -> Parsed<Option<(Infix, usize)>> {
        let word = self.slice(span);
        match word {
            // `make-series ... on x in range(...)`
            "in" if self.word_at(1) == Some("range") => return Ok(None),
            "matches" => {
                if self.word_at(1) == Some("regex") {
                    return Ok(Some((Infix::Binary(BinaryOp::MatchesRegex), 2)));
                }
                let problem = Diagnostic::error(Code::Syntax, span, "`matches` is not an operator by itself");
                self.report(problem.with_help("write `matches regex`").with_fix(span, "matches regex"));
                return Ok(Some((Infix::Binary(BinaryOp::MatchesRegex), 1)));
            }
            _ => {}
        }
        if let Some(infix) = infix_word(word) {
            return Ok(Some((infix, 1)));
        }
        let lower = word.to_lowercase();
        match lower.as_str() {
            "is" if matches!(self.word_at(1).map(str::to_lowercase).as_deref(), Some("null" | "not")) => {
                let negated = self.word_at(1).is_some_and(|w| w.eq_ignore_ascii_case("not"));
                let function = if negated { "isnotnull" } else { "isnull" };
                let problem = Diagnostic::error(Code::Syntax, span, "`is null` is not written so in KQL");
                self.report(problem.with_help(format!(
                    "write `{function}(value)`; for text `isempty(value)` or `isnotempty(value)`"
                )));
                Err(Failed)
            }
            "like" => {
                let problem = Diagnostic::error(Code::Syntax, span, format!("`{word}` is not an operator of KQL"));
                self.report(problem.with_help("use `contains`, `startswith`, `endswith`, `has` or `matches regex`"));
                Err(Failed)
            }
            _ => match infix_word(&lower).filter(|_| lower != word) {
                Some(infix) if !self.starts_line() || matches!(lower.as_str(), "and" | "or") => {
                    self.lower_case(word, &lower, span);
                    Ok(Some((infix, 1)))
                }
                _ => Ok(None),
            },
        }
    }

    /// `(a, b)` of `in`, `has_any` and the like.
    fn list_operand(&mut self, op: ListOp, value: Expr) -> Parsed<Expr> {
        if !self.is("(") && matches!(self.kind(), TokenKind::String(_) | TokenKind::Literal(_) | TokenKind::Name) {
            let item = self.nested(Self::postfix)?;
            let problem = Diagnostic::error(Code::Syntax, item.span, "a list stands in parentheses");
            let mended = format!("({})", self.slice(item.span));
            self.report(problem.with_help(format!("write `{mended}`")).with_fix(item.span, mended));
            let span = value.span.to(item.span);
            return Ok(Expr {
                kind: ExprKind::List {
                    op,
                    value: Box::new(value),
                    items: vec![item],
                },
                span,
            });
        }
        let opening = self.open("(", "and a list, as `(1, 2)` or `(table | project column)`")?;
        let items = if self.is(")") { Vec::new() } else { self.list(Self::pipe)? };
        let end = self.close(")", opening)?;
        let span = value.span.to(end);
        Ok(Expr {
            kind: ExprKind::List {
                op,
                value: Box::new(value),
                items,
            },
            span,
        })
    }

    fn between(&mut self, negated: bool, value: Expr) -> Parsed<Expr> {
        let opening = self.open("(", "and a range, as `(low .. high)`")?;
        let low = self.nested(|p| p.binary(ADDITIVE))?;
        if self.is_word("and") || self.is(",") {
            let span = self.span();
            let problem = Diagnostic::error(Code::Syntax, span, "a range is written with two dots");
            self.report(
                problem
                    .with_help("write `between (low .. high)`")
                    .with_fix(span, if self.is(",") { " .." } else { ".." }),
            );
            self.bump();
        } else {
            self.expect("..", "between the two ends of the range")?;
        }
        let high = self.nested(|p| p.binary(ADDITIVE))?;
        let span = value.span.to(self.close(")", opening)?);
        Ok(Expr {
            kind: ExprKind::Between {
                value: Box::new(value),
                low: Box::new(low),
                high: Box::new(high),
                negated,
            },
            span,
        })
    }

    pub(super) fn unary(&mut self) -> Parsed<Expr> {
        let symbol = self.symbol();
        match symbol {
            "-" | "+" => {
                let sign = self.bump();
                let negative = symbol == "-";
                if let Some(value) = self.signed(negative) {
                    let span = sign.to(self.bump());
                    return Ok(Expr {
                        kind: ExprKind::Literal(value),
                        span,
                    });
                }
                let operand = self.nested(Self::unary)?;
                let span = sign.to(operand.span);
                let operand = Box::new(operand);
                Ok(Expr {
                    kind: if negative {
                        ExprKind::Negate(operand)
                    } else {
                        ExprKind::Plus(operand)
                    },
                    span,
                })
            }
            "!" => {
                let span = self.span();
                let problem = Diagnostic::error(Code::Syntax, span, "`!` does not stand before an expression in KQL");
                self.report(problem.with_help("write `not(...)`").with_fix(span, "not"));
                self.bump();
                self.nested(Self::unary)
            }
            _ if matches!(self.kind(), TokenKind::Infix) && self.symbol_at(1) == "(" => {
                let span = self.span();
                let name = self.slice(span).trim_start_matches('!');
                let problem = Diagnostic::error(Code::Syntax, span, "`!` does not stand before an expression in KQL");
                self.report(problem.with_help(format!("write `not({name}(...))`")));
                Err(Failed)
            }
            _ => self.postfix(),
        }
    }

    /// The number here with a sign before it, when it is a plain one.
    fn signed(&self, negative: bool) -> Option<Value> {
        let followed = matches!(self.symbol_at(1), "." | "[");
        match self.kind() {
            _ if followed => None,
            TokenKind::BigInteger if negative && self.slice(self.span()).parse::<u64>() == Ok(1 << 63) => Some(Value::Long(i64::MIN)),
            TokenKind::Literal(value) => match value {
                Value::Long(v) => Some(Value::Long(if negative { v.checked_neg()? } else { *v })),
                Value::Real(v) => Some(Value::Real(if negative { -v } else { *v })),
                Value::TimeSpan(v) => Some(Value::TimeSpan(if negative { v.checked_neg()? } else { *v })),
                _ => None,
            },
            _ => None,
        }
    }
}
