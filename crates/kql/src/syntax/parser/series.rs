//! Tabular operators with a grammar of their own: series, multi-value, scan, partition, fork, top-nested.
//!
//! Source: Kusto Query Language reference, "Tabular operators".

use super::operator::Properties;
use super::{Parsed, Parser};
use crate::diagnostic::{Code, Diagnostic};
use crate::syntax::ast::{ExpandItem, Expr, ExprKind, Name, OperatorKind, ScanStep, SeriesItem, TopNestedLevel};
use crate::syntax::token::TokenKind;
use crate::types::Type;

impl Parser<'_> {
    pub(super) fn make_series(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        let items = self.list(|p| {
            let expr = p.named()?;
            let mut default = None;
            if p.eat_word("default") {
                p.expect("=", "and a value")?;
                default = Some(p.expression()?);
            }
            Ok(SeriesItem { expr, default })
        })?;
        let on = self.optional_named("on")?;
        let (mut from, mut to, mut step, mut in_range) = (None, None, None, None);
        if self.is_word("in") && self.word_at(1) == Some("range") {
            self.bump();
            self.bump();
            let opening = self.open("(", "and `(start, end, step)`")?;
            let start = self.expression()?;
            self.expect(",", "and the end of the range")?;
            let end = self.expression()?;
            self.expect(",", "and the step")?;
            in_range = Some((start, end, self.expression()?));
            self.close(")", opening)?;
        } else {
            for (word, slot) in [("from", &mut from), ("to", &mut to), ("step", &mut step)] {
                if self.eat_word(word) {
                    *slot = Some(self.expression()?);
                }
            }
            if step.is_none() {
                return Err(self.unexpected("`step` and the width of a bin, as `on TimeGenerated from ago(1d) to now() step 1h`"));
            }
        }
        let by = if self.eat_word("by") { self.named_list()? } else { Vec::new() };
        Ok(OperatorKind::MakeSeries {
            items,
            on,
            from,
            to,
            step,
            in_range,
            by,
        })
    }

    fn expand_item(&mut self) -> Parsed<ExpandItem> {
        let expr = self.named()?;
        Ok(ExpandItem { expr, to: self.cast()? })
    }

    fn limit(&mut self) -> Parsed<Option<Expr>> {
        if self.eat_word("limit") {
            self.expression().map(Some)
        } else {
            Ok(None)
        }
    }

    pub(super) fn mv_expand(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        let items = self.list(Self::expand_item)?;
        Ok(OperatorKind::MvExpand {
            items,
            limit: self.limit()?,
        })
    }

    pub(super) fn mv_apply(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        let items = self.list(Self::expand_item)?;
        let limit = self.limit()?;
        let id = if self.eat_word("id") {
            Some(self.any_name("an identifier")?)
        } else {
            None
        };
        self.expect_word("on", "and a query in parentheses")?;
        Ok(OperatorKind::MvApply {
            items,
            limit,
            id,
            body: Box::new(self.body()?),
        })
    }

    /// `( operator | ... )`
    pub(super) fn body(&mut self) -> Parsed<Expr> {
        let opening = self.open("(", "and a query on the rows")?;
        let body = self.subpipe()?;
        self.close(")", opening)?;
        Ok(body)
    }

    pub(super) fn partition(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        self.expect_word("by", "and a column")?;
        let by = self.name("a column name")?;
        let braces = self.is("{");
        let body = if braces {
            let opening = self.open("{", "")?;
            let body = self.pipe()?;
            self.close("}", opening)?;
            body
        } else {
            self.body()?
        };
        Ok(OperatorKind::Partition {
            by,
            braces,
            body: Box::new(body),
        })
    }

    pub(super) fn fork(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        let mut branches = Vec::new();
        loop {
            let mut name = None;
            if self.word().is_some() && self.symbol_at(1) == "=" || self.at_bracketed(0) {
                name = Some(self.name("a name")?);
                self.expect("=", "and a query in parentheses")?;
            } else if !self.is("(") && !branches.is_empty() {
                return Ok(OperatorKind::Fork { branches });
            }
            branches.push((name, self.body()?));
        }
    }

    pub(super) fn facet(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        self.expect_word("by", "and columns")?;
        let by = self.list(|p| p.name("a column name"))?;
        let mut with = None;
        if self.eat_word("with") {
            with = Some(Box::new(if self.is("(") {
                self.body()?
            } else {
                let operator = self.nested(Self::operator)?;
                let span = operator.span;
                Expr {
                    kind: ExprKind::Pipe {
                        source: None,
                        operators: vec![operator],
                    },
                    span,
                }
            }));
        }
        Ok(OperatorKind::Facet { by, with })
    }

    pub(super) fn top_hitters(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        let count = self.expression()?;
        self.expect_word("of", "and a column")?;
        let of = self.named()?;
        let by = self.optional_named("by")?;
        Ok(OperatorKind::TopHitters { count, of, by })
    }

    pub(super) fn top_nested(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        let mut levels = vec![self.top_nested_level()?];
        while self.is(",") {
            self.bump();
            self.expect_word("top-nested", "and the next level")?;
            levels.push(self.top_nested_level()?);
        }
        Ok(OperatorKind::TopNested { levels })
    }

    fn top_nested_level(&mut self) -> Parsed<TopNestedLevel> {
        let count = self.optional_count("of")?;
        self.expect_word("of", "and a column")?;
        let of = self.named()?;
        let mut others = None;
        if self.eat_word("with") {
            self.expect_word("others", "as in `with others = \"rest\"`")?;
            self.expect("=", "and a value")?;
            others = Some(self.expression()?);
        }
        self.expect_word("by", "and an aggregate")?;
        let by = self.named()?;
        let ascending = self.order_word();
        if self.is_word("with") {
            let span = self.span();
            let problem = Diagnostic::error(Code::Syntax, span, "`with others` stands before `by`");
            self.report(problem.with_help("write `top-nested 3 of column with others = \"rest\" by aggregate`"));
            return Err(super::Failed);
        }
        Ok(TopNestedLevel {
            count,
            of,
            others,
            by,
            ascending,
        })
    }

    pub(super) fn scan(&mut self, properties: &mut Properties) -> Parsed<OperatorKind> {
        let known = ["with_match_id", "with_step_name"];
        let mut partition_by = Vec::new();
        let mut declare = Vec::new();
        loop {
            if self.is_word("partition") && self.word_at(1) == Some("by") {
                self.bump();
                self.bump();
                partition_by = self.list(Self::expression)?;
            } else if self.eat_word("declare") {
                declare = self.scan_declarations()?;
            } else {
                let mut more = self.properties(&known)?;
                if more.is_empty() {
                    break;
                }
                properties.append(&mut more);
            }
        }
        self.expect_word("with", "and steps, as `with (step s1: condition;)`")?;
        let opening = self.open("(", "and steps")?;
        let mut steps = Vec::new();
        while self.is_word("step") {
            steps.push(self.scan_step()?);
        }
        if steps.is_empty() {
            return Err(self.unexpected("`step name: condition;`"));
        }
        self.close(")", opening)?;
        let match_id = properties
            .iter()
            .find(|(name, _)| name.text == "with_match_id")
            .and_then(|(_, value)| match &value.kind {
                ExprKind::Name(text) => Some(Name {
                    text: text.clone(),
                    span: value.span,
                }),
                _ => None,
            });
        Ok(OperatorKind::Scan {
            partition_by,
            declare,
            match_id,
            steps,
        })
    }

    fn scan_declarations(&mut self) -> Parsed<Vec<(Name, Type, Option<Expr>)>> {
        let opening = self.open("(", "and columns")?;
        let declarations = self.list(|p| {
            let name = p.name("a column name")?;
            p.expect(":", "and the type of the column")?;
            let ty = p.type_name()?;
            let default = if p.eat("=") { Some(p.expression()?) } else { None };
            Ok((name, ty, default))
        })?;
        self.close(")", opening)?;
        Ok(declarations)
    }

    fn scan_step(&mut self) -> Parsed<ScanStep> {
        self.bump();
        let name = self.name("the name of the step")?;
        let optional = self.eat_word("optional");
        let mut output = None;
        if self.eat_word("output") {
            self.expect("=", "and `all`, `last` or `none`")?;
            output = Some(self.any_name("`all`, `last` or `none`")?);
        }
        self.expect(":", "and a condition")?;
        let condition = self.predicate()?;
        let mut assignments = Vec::new();
        if self.eat("=>") {
            assignments = self.list(|p| {
                let name = p.name("a column name")?;
                p.expect("=", "and a value")?;
                Ok((name, p.with_predicate(false, Self::expression)?))
            })?;
        }
        if !matches!(self.kind(), TokenKind::Symbol(")")) {
            self.expect(";", "at the end of the step")?;
        }
        Ok(ScanStep {
            name,
            optional,
            output,
            condition,
            assignments,
        })
    }
}
