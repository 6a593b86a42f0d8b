//! Tabular operators, each by its own rule; the longer ones are in [`super::series`].
//!
//! Source: Kusto Query Language reference, "Tabular operators".

use super::lists::name_tuple;
use super::{Parsed, Parser};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::syntax::ast::{Expr, ExprKind, JoinKey, Name, NamedExpr, Operator, OperatorKind, ParseStep, ReorderItem};
use crate::syntax::token::TokenKind;
use crate::types::Value;

pub(super) type Properties = Vec<(Name, Expr)>;
type Rule<'a> = fn(&mut Parser<'a>, &mut Properties) -> Parsed<OperatorKind>;

impl<'a> Parser<'a> {
    /// The operator that starts here.
    pub(super) fn operator(&mut self) -> Parsed<Operator> {
        self.deeper(4, Self::operator_here)
    }

    fn operator_here(&mut self) -> Parsed<Operator> {
        let (name, keyword) = self.operator_name()?;
        let known: &[&str] = match name {
            "join" | "lookup" | "make-series" | "reduce" => &["kind"],
            "parse" | "parse-where" => &["kind", "flags"],
            "mv-expand" | "mvexpand" | "mv-apply" | "mvapply" => &["kind", "bagexpansion", "with_itemindex"],
            "union" | "find" => &["kind", "withsource", "with_source", "isfuzzy", "datascope"],
            "search" => &["kind", "datascope"],
            "scan" => &["with_match_id", "with_step_name"],
            "consume" => &["decodeblocks"],
            "graph-match" => &["cycles"],
            "graph-shortest-paths" => &["output"],
            "graph-mark-components" => &["kind", "with_component_id"],
            _ => &[],
        };
        let mut properties = self.properties(known)?;
        let kind = match rule(name) {
            Some(rule) => rule(self, &mut properties)?,
            None => {
                // Everything up to the next pipe is theirs.
                let base = self.open.len();
                self.recover(base);
                OperatorKind::Unsupported { name: name.to_string() }
            }
        };
        Ok(Operator {
            kind,
            properties,
            keyword,
            span: keyword.to(self.previous()),
        })
    }

    fn r#as(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        Ok(OperatorKind::As {
            name: self.name("a name for the table")?,
        })
    }

    fn consume(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        Ok(OperatorKind::Consume)
    }

    fn count(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        let name = if self.eat_word("as") {
            Some(self.name("a column name")?)
        } else {
            None
        };
        Ok(OperatorKind::Count { name })
    }

    fn distinct(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        Ok(OperatorKind::Distinct {
            items: self.list(Self::named)?,
        })
    }

    fn evaluate(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        let call = self.function_call("a plugin call")?;
        let schema = if self.eat(":") { Some(self.columns()?) } else { None };
        Ok(OperatorKind::Evaluate {
            call: Box::new(call),
            schema,
        })
    }

    fn invoke(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        Ok(OperatorKind::Invoke {
            call: Box::new(self.function_call("a function call")?),
        })
    }

    fn function_call(&mut self, what: &str) -> Parsed<Expr> {
        let span = self.span();
        let call = self.postfix()?;
        if !matches!(call.kind, ExprKind::Call { .. } | ExprKind::MethodCall { .. }) {
            let problem = Diagnostic::error(Code::Syntax, span.to(call.span), format!("expected {what}"));
            self.report(problem.with_help("write the name with parentheses: `name(arguments)`"));
        }
        Ok(call)
    }

    fn extend(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        Ok(OperatorKind::Extend { items: self.named_list()? })
    }

    fn project(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        let items = if self.at_clause_end() { Vec::new() } else { self.named_list()? };
        Ok(OperatorKind::Project { items })
    }

    fn print(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        Ok(OperatorKind::Print { items: self.named_list()? })
    }

    fn serialize(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        let items = if self.at_clause_end() || self.starts_missing_pipe() {
            Vec::new()
        } else {
            self.named_list()?
        };
        Ok(OperatorKind::Serialize { items })
    }

    fn patterns(&mut self) -> Parsed<Vec<Name>> {
        self.list(|p| p.pattern("a column name"))
    }

    fn project_away(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        Ok(OperatorKind::ProjectAway {
            patterns: self.patterns()?,
        })
    }

    fn project_keep(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        Ok(OperatorKind::ProjectKeep {
            patterns: self.patterns()?,
        })
    }

    fn project_rename(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        let items = self.list(|p| {
            let new = p.name("the new name")?;
            p.expect("=", "and the old name")?;
            Ok((new, p.name("the old name")?))
        })?;
        Ok(OperatorKind::ProjectRename { items })
    }

    fn project_reorder(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        let items = self.list(|p| {
            let pattern = p.pattern("a column name")?;
            let order = p
                .word()
                .filter(|w| matches!(*w, "asc" | "desc" | "granny-asc" | "granny-desc"))
                .map(str::to_string);
            if order.is_some() {
                p.bump();
            }
            Ok(ReorderItem { pattern, order })
        })?;
        Ok(OperatorKind::ProjectReorder { items })
    }

    fn project_by_names(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        Ok(OperatorKind::ProjectByNames {
            items: self.list(Self::expression)?,
        })
    }

    fn getschema(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        Ok(OperatorKind::GetSchema)
    }

    fn r#where(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        Ok(OperatorKind::Where {
            predicate: self.predicate()?,
        })
    }

    fn take(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        Ok(OperatorKind::Take { count: self.expression()? })
    }

    fn sample(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        Ok(OperatorKind::Sample { count: self.expression()? })
    }

    fn sample_distinct(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        let count = self.expression()?;
        self.expect_word("of", "and a column")?;
        Ok(OperatorKind::SampleDistinct { count, of: self.named()? })
    }

    fn sort(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        if !self.is_word("by") {
            let span = self.span();
            let problem = Diagnostic::error(Code::Syntax, span, "expected `by` and columns");
            self.report(
                problem
                    .with_help("write `sort by column`")
                    .with_fix(Span::new(span.start, span.start), "by "),
            );
            return Err(super::Failed);
        }
        self.bump();
        Ok(OperatorKind::Sort {
            keys: self.list(Self::sort_key)?,
        })
    }

    fn top(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        let count = self.expression()?;
        self.expect_word("by", "and columns, as `top 10 by column`")?;
        Ok(OperatorKind::Top {
            count,
            by: self.list(Self::sort_key)?,
        })
    }

    fn summarize(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        let assigned = self.symbol_at(1) == "=";
        let aggregates = if self.at_clause_end() || self.is_word("by") && !assigned {
            Vec::new()
        } else {
            self.named_list()?
        };
        let by = if self.eat_word("by") { self.named_list()? } else { Vec::new() };
        Ok(OperatorKind::Summarize { aggregates, by })
    }

    fn range(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        let column = self.name("a column name")?;
        self.expect_word("from", "and the first value")?;
        let from = self.expression()?;
        self.expect_word("to", "and the last value")?;
        let to = self.expression()?;
        let step = if self.eat_word("step") {
            self.expression()?
        } else {
            // Kusto's default
            Expr {
                kind: ExprKind::Literal(Value::Long(1)),
                span: to.span,
            }
        };
        Ok(OperatorKind::Range { column, from, to, step })
    }

    fn join(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        let (right, on) = self.joined_table()?;
        Ok(OperatorKind::Join { right, on })
    }

    fn lookup(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        let (right, on) = self.joined_table()?;
        Ok(OperatorKind::Lookup { right, on })
    }

    fn joined_table(&mut self) -> Parsed<(Box<Expr>, Vec<JoinKey>)> {
        let right = self.with_predicate(false, Self::postfix)?;
        if self.word().is_some_and(|w| w == "kind" || w == "hint") {
            let problem = Diagnostic::error(Code::Syntax, self.span(), "properties stand before the table");
            self.report(problem.with_help("write `join kind=inner (table) on column`"));
            return Err(super::Failed);
        }
        self.expect_word("on", "and the columns to match, as `on Column` or `on $left.a == $right.b`")?;
        let on = self.with_predicate(true, |p| {
            p.list(|p| {
                let expr = p.expression()?;
                Ok(match expr.kind {
                    ExprKind::Name(text) => JoinKey::Name(Name { text, span: expr.span }),
                    _ => JoinKey::Expr(expr),
                })
            })
        })?;
        Ok((Box::new(right), on))
    }

    /// Tables, wildcards, calls and pipes in parentheses, between commas.
    pub(super) fn tables(&mut self) -> Parsed<Vec<Expr>> {
        let before = std::mem::replace(&mut self.wildcards, true);
        let result = self.list(|p| {
            if let Some(1) = p.wildcard_length() {
                let span = p.bump();
                return Ok(Expr {
                    kind: ExprKind::Wildcard("*".to_string()),
                    span,
                });
            }
            if p.is("*") {
                let name = p.pattern("a table")?;
                return Ok(Expr {
                    kind: ExprKind::Wildcard(name.text),
                    span: name.span,
                });
            }
            let table = p.postfix()?;
            if !p.is("|") || p.open.is_empty() {
                return Ok(table);
            }
            Ok(table)
        });
        self.wildcards = before;
        result
    }

    fn union(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        Ok(OperatorKind::Union { items: self.tables()? })
    }

    /// `in (tables)`
    fn in_tables(&mut self) -> Parsed<Vec<Expr>> {
        if !self.is_word("in") || self.symbol_at(1) != "(" {
            return Ok(Vec::new());
        }
        self.bump();
        let opening = self.open("(", "and tables")?;
        let tables = self.tables()?;
        self.close(")", opening)?;
        Ok(tables)
    }

    fn search(&mut self, properties: &mut Properties) -> Parsed<OperatorKind> {
        let r#in = self.in_tables()?;
        properties.append(&mut self.properties(&["kind"])?);
        let before = std::mem::replace(&mut self.search, true);
        let predicate = self.predicate();
        self.search = before;
        Ok(OperatorKind::Search {
            r#in,
            predicate: Box::new(predicate?),
        })
    }

    fn find(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        let r#in = self.in_tables()?;
        self.eat_word("where");
        let mut predicate = None;
        if !self.at_clause_end() && !self.is_word("project") && !self.is_word("project-smart") {
            let before = std::mem::replace(&mut self.search, true);
            let parsed = self.predicate();
            self.search = before;
            predicate = Some(Box::new(parsed?));
        }
        let project_smart = self.eat_word("project-smart");
        let mut project = Vec::new();
        if self.eat_word("project") {
            project = self.list(|p| {
                let name = p.name("a column name")?;
                if matches!(name.text.as_str(), "pack" | "pack_all") && p.is("(") {
                    let opening = p.open("(", "")?;
                    if name.text == "pack" {
                        p.expect("*", "as in `pack(*)`")?;
                    }
                    let span = name.span.to(p.close(")", opening)?);
                    return Ok((
                        Name {
                            text: "pack_all()".to_string(),
                            span,
                        },
                        None,
                    ));
                }
                let ty = if p.eat(":") { Some(p.type_name()?) } else { None };
                Ok((name, ty))
            })?;
        }
        Ok(OperatorKind::Find {
            r#in,
            predicate,
            project,
            project_smart,
        })
    }

    fn parse(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        self.parse_text(false)
    }

    fn parse_where(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        self.parse_text(true)
    }

    fn parse_text(&mut self, filter: bool) -> Parsed<OperatorKind> {
        let source = self.expression()?;
        self.expect_word("with", "and a pattern, as `with * \"text\" column *`")?;
        let mut pattern = Vec::new();
        loop {
            match self.kind() {
                TokenKind::Symbol("*") => {
                    self.bump();
                    pattern.push(ParseStep::Skip);
                }
                TokenKind::String(_) => {
                    let text = self.strings();
                    if let ExprKind::Literal(Value::String(value)) = text.kind {
                        pattern.push(ParseStep::Text(value, text.span));
                    }
                }
                TokenKind::Name if !(self.starts_line() && self.starts_missing_pipe()) => {
                    let name = self.name("a column name")?;
                    let ty = if self.eat(":") { Some(self.type_name()?) } else { None };
                    pattern.push(ParseStep::Column(name, ty));
                }
                TokenKind::Symbol("[") => {
                    let name = self.name("a column name")?;
                    let ty = if self.eat(":") { Some(self.type_name()?) } else { None };
                    pattern.push(ParseStep::Column(name, ty));
                }
                _ => break,
            }
        }
        if pattern.is_empty() {
            return Err(self.unexpected("a pattern: texts, columns and `*`"));
        }
        Ok(OperatorKind::Parse { source, pattern, filter })
    }

    fn parse_kv(&mut self, properties: &mut Properties) -> Parsed<OperatorKind> {
        let source = self.expression()?;
        self.expect_word("as", "and columns, as `as (name: type, ...)`")?;
        let columns = self.columns()?;
        if self.eat_word("with") {
            properties.append(&mut self.with_properties()?);
        }
        Ok(OperatorKind::ParseKv { source, columns })
    }

    fn reduce(&mut self, properties: &mut Properties) -> Parsed<OperatorKind> {
        self.expect_word("by", "and an expression")?;
        let by = self.named()?;
        if self.eat_word("with") {
            let list = self.list(|p| {
                let name = p.any_name("the name of a property")?;
                p.expect("=", "and a value")?;
                Ok((name, p.property_value()?))
            })?;
            properties.extend(list);
        }
        Ok(OperatorKind::Reduce { by })
    }

    fn render(&mut self, properties: &mut Properties) -> Parsed<OperatorKind> {
        let chart = self.any_name("a kind of chart, as `render timechart`")?;
        if self.eat_word("with") {
            if self.is("(") {
                properties.append(&mut self.with_properties()?);
            } else {
                let name = Name {
                    text: "with".to_string(),
                    span: self.previous(),
                };
                properties.push((name, self.property_value()?));
            }
        }
        // The older form without parentheses.
        loop {
            if self.word().is_some() && self.symbol_at(1) == "=" {
                let name = self.any_name("a property")?;
                self.bump();
                properties.push((name, self.property_value()?));
            } else if self.is_word("by") {
                let name = self.any_name("a property")?;
                let names = self.list(Self::property_value)?;
                properties.push((name, name_tuple(names)));
            } else {
                return Ok(OperatorKind::Render { chart });
            }
        }
    }

    pub(super) fn optional_count(&mut self, word: &str) -> Parsed<Option<Expr>> {
        if self.is_word(word) {
            Ok(None)
        } else {
            self.expression().map(Some)
        }
    }

    pub(super) fn optional_named(&mut self, word: &str) -> Parsed<Option<NamedExpr>> {
        if self.eat_word(word) { self.named().map(Some) } else { Ok(None) }
    }
}

/// The rule of an operator; `None` for those without a tree yet.
fn rule<'a>(name: &str) -> Option<Rule<'a>> {
    Some(match name {
        "as" => Parser::r#as,
        "consume" => Parser::consume,
        "count" => Parser::count,
        "distinct" => Parser::distinct,
        "evaluate" => Parser::evaluate,
        "extend" => Parser::extend,
        "facet" => Parser::facet,
        "filter" | "where" => Parser::r#where,
        "find" => Parser::find,
        "fork" => Parser::fork,
        "getschema" => Parser::getschema,
        "graph-mark-components" => Parser::graph_mark_components,
        "graph-match" => Parser::graph_match,
        "graph-shortest-paths" => Parser::graph_shortest_paths,
        "graph-to-table" => Parser::graph_to_table,
        "graph-where-edges" => Parser::graph_where_edges,
        "graph-where-nodes" => Parser::graph_where_nodes,
        "invoke" => Parser::invoke,
        "join" => Parser::join,
        "limit" | "take" => Parser::take,
        "lookup" => Parser::lookup,
        "make-graph" => Parser::make_graph,
        "make-series" => Parser::make_series,
        "mv-apply" | "mvapply" => Parser::mv_apply,
        "mv-expand" | "mvexpand" => Parser::mv_expand,
        "order" | "sort" => Parser::sort,
        "parse" => Parser::parse,
        "parse-kv" => Parser::parse_kv,
        "parse-where" => Parser::parse_where,
        "partition" => Parser::partition,
        "print" => Parser::print,
        "project" => Parser::project,
        "project-away" => Parser::project_away,
        "project-by-names" => Parser::project_by_names,
        "project-keep" => Parser::project_keep,
        "project-rename" => Parser::project_rename,
        "project-reorder" => Parser::project_reorder,
        "range" => Parser::range,
        "reduce" => Parser::reduce,
        "render" => Parser::render,
        "sample" => Parser::sample,
        "sample-distinct" => Parser::sample_distinct,
        "scan" => Parser::scan,
        "search" => Parser::search,
        "serialize" => Parser::serialize,
        "summarize" => Parser::summarize,
        "top" => Parser::top,
        "top-hitters" => Parser::top_hitters,
        "top-nested" => Parser::top_nested,
        "union" => Parser::union,
        _ => return None,
    })
}
