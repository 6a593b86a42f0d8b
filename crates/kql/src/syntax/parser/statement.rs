//! Statements: `let`, `set`, `declare`, expressions.
//!
//! Source: Kusto Query Language reference, "Query statements".

use super::{Failed, MAX_STATEMENTS, Parsed, Parser};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::syntax::ast::{Parameter, ParameterType, Pattern, PatternCase, Query, Statement, StatementKind};
use crate::syntax::token::TokenKind;

impl Parser<'_> {
    /// The whole text.
    pub(super) fn query(&mut self) -> Query {
        if self.is_end() && self.diagnostics.is_empty() {
            let span = self.span();
            let problem = Diagnostic::error(Code::Syntax, span, "the query is empty");
            self.report(problem.with_help("start with a table: `KubernetesAudit | take 10`"));
        }
        let mut statements = Vec::new();
        loop {
            statements.append(&mut self.statements());
            if self.is_end() {
                return Query { statements };
            }
            // A closing bracket that nothing opened.
            let span = self.bump();
            let problem = Diagnostic::error(Code::Syntax, span, format!("nothing opens this `{}`", self.slice(span)));
            self.report(problem.with_help("remove it").with_fix(span, ""));
            self.recover_statement(0);
        }
    }

    /// Statements up to the end of the text or a closing bracket.
    fn statements(&mut self) -> Vec<Statement> {
        let base = self.open.len();
        let mut statements = Vec::new();
        loop {
            while self.eat(";") {}
            if self.is_end() || matches!(self.symbol(), ")" | "]" | "}") {
                return statements;
            }
            if statements.len() >= MAX_STATEMENTS {
                let message = format!("a text has at most {MAX_STATEMENTS} statements");
                let span = self.span();
                self.give_up(span, &message, "ask in parts");
                return statements;
            }
            match self.nested(Self::statement) {
                Ok(statement) => statements.push(statement),
                Err(Failed) => self.recover_statement(base),
            }
            if self.is_end() || matches!(self.symbol(), ";" | ")" | "]" | "}") {
                continue;
            }
            self.after_statement();
            self.recover_statement(base);
        }
    }

    fn recover_statement(&mut self, base: usize) {
        loop {
            self.recover(base);
            if !self.is("|") {
                return;
            }
            self.bump();
        }
    }

    /// Something stands behind a complete statement.
    fn after_statement(&mut self) {
        let span = self.span();
        let text = self.slice(span);
        if self.starts_line() && (self.word().is_some() || self.is("[")) {
            let end = self.previous().end;
            let problem = Diagnostic::error(Code::Syntax, span, format!("expected `;` or `|` before `{text}`"));
            self.report(problem.with_help("end a statement with `;`").with_fix(Span::new(end, end), ";"));
        } else {
            self.unexpected("`|`, `;` or the end of the query");
        }
    }

    fn statement(&mut self) -> Parsed<Statement> {
        let start = self.span();
        let word = self.word().unwrap_or_default();
        let named = self.word_at(1).is_some() || self.at_bracketed(1);
        let kind = match word {
            "let" if named => self.let_statement()?,
            "set" if named => {
                self.bump();
                let name = self.any_name("the name of an option")?;
                let value = if self.eat("=") { Some(self.property_value()?) } else { None };
                StatementKind::Set { name, value }
            }
            "declare" if self.word_at(1) == Some("query_parameters") => {
                self.bump();
                self.bump();
                StatementKind::DeclareParameters(self.parameters()?)
            }
            "declare" if self.word_at(1) == Some("pattern") => {
                self.bump();
                self.bump();
                StatementKind::DeclarePattern(self.pattern_declaration()?)
            }
            "alias" if self.word_at(1) == Some("database") => {
                self.bump();
                self.bump();
                let name = self.name("a name for the database")?;
                self.expect("=", "and the database")?;
                let target = self.postfix()?;
                StatementKind::AliasDatabase { name, target }
            }
            "restrict" if self.word_at(1) == Some("access") => {
                self.bump();
                self.bump();
                self.expect_word("to", "and tables in parentheses")?;
                let opening = self.open("(", "and tables")?;
                let entities = self.tables()?;
                self.close(")", opening)?;
                StatementKind::RestrictAccess { entities }
            }
            _ => {
                self.other_languages()?;
                StatementKind::Expression(self.pipe()?)
            }
        };
        Ok(Statement {
            kind,
            span: start.to(self.previous()),
        })
    }

    /// `name`, or `name = (argument: string)[path: string] { ("value").["path"] = { query }; }`
    fn pattern_declaration(&mut self) -> Parsed<Pattern> {
        let name = self.name("the name of the pattern")?;
        let mut pattern = Pattern {
            name,
            arguments: Vec::new(),
            path: None,
            cases: Vec::new(),
        };
        if !self.eat("=") {
            return Ok(pattern);
        }
        pattern.arguments = self.columns()?;
        if self.is("[") {
            let opening = self.open("[", "")?;
            let name = self.name("the name of the path")?;
            self.expect(":", "and the type of the path")?;
            pattern.path = Some((name, self.type_name()?));
            self.close("]", opening)?;
        }
        if !self.is("{") {
            return Ok(pattern);
        }
        let opening = self.open("{", "and what the pattern stands for")?;
        while self.eat(";") {}
        while self.is("(") {
            pattern.cases.push(self.pattern_case()?);
            while self.eat(";") {}
        }
        self.close("}", opening)?;
        Ok(pattern)
    }

    fn pattern_case(&mut self) -> Parsed<PatternCase> {
        let opening = self.open("(", "and values")?;
        let values = self.list(Self::constant)?;
        self.close(")", opening)?;
        let mut path = None;
        if self.eat(".") {
            let opening = self.open("[", "and the value of the path")?;
            path = Some(self.constant()?);
            self.close("]", opening)?;
        }
        self.expect("=", "and a query in braces")?;
        let opening = self.open("{", "and a query")?;
        let statements = self.statements();
        self.close("}", opening)?;
        Ok(PatternCase {
            values,
            path,
            body: Box::new(Query { statements }),
        })
    }

    fn let_statement(&mut self) -> Parsed<StatementKind> {
        self.bump();
        let name = self.name("a name")?;
        self.expect("=", "and a value")?;
        let view = self.is_word("view") && self.symbol_at(1) == "(";
        if view || self.is("(") && self.parameters_of_function() {
            if view {
                self.bump();
            }
            let parameters = self.parameters()?;
            let opening = self.open("{", "and the body of the function")?;
            let statements = self.statements();
            self.close("}", opening)?;
            return Ok(StatementKind::LetFunction {
                name,
                view,
                parameters,
                body: Box::new(Query { statements }),
            });
        }
        Ok(StatementKind::Let { name, value: self.pipe()? })
    }

    /// The brackets that open here are followed by `{`.
    fn parameters_of_function(&self) -> bool {
        let mut depth = 0_usize;
        for (index, token) in self.tokens.iter().enumerate().skip(self.at) {
            match token.kind {
                TokenKind::Symbol("(") => depth += 1,
                TokenKind::Symbol(")") => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return matches!(self.tokens.get(index + 1).map(|t| &t.kind), Some(TokenKind::Symbol("{")));
                    }
                }
                TokenKind::Symbol("|" | ";" | "{" | "}") => return false,
                _ => {}
            }
        }
        false
    }

    /// `(T: (a: long), x: long, y: string = "z")`
    pub(super) fn parameters(&mut self) -> Parsed<Vec<Parameter>> {
        let opening = self.open("(", "and parameters")?;
        let mut parameters = Vec::new();
        while !self.is(")") {
            parameters.push(self.parameter()?);
            if !self.eat(",") {
                break;
            }
        }
        self.close(")", opening)?;
        Ok(parameters)
    }

    fn parameter(&mut self) -> Parsed<Parameter> {
        let name = self.name("the name of a parameter")?;
        self.expect(":", "and the type of the parameter")?;
        let ty = if self.is("(") {
            self.table_type()?
        } else {
            ParameterType::Scalar(self.type_name()?)
        };
        let default = if self.eat("=") { Some(self.constant()?) } else { None };
        Ok(Parameter { name, ty, default })
    }

    /// `(*)`, `(a: long, b: string)`, `(a: long, *)`
    fn table_type(&mut self) -> Parsed<ParameterType> {
        let opening = self.open("(", "and columns")?;
        let mut columns = Vec::new();
        let mut open = false;
        while !self.is(")") {
            if self.is("*") {
                self.bump();
                open = true;
                break;
            }
            let name = self.name("a column name")?;
            self.expect(":", "and the type of the column")?;
            columns.push((name, self.type_name()?));
            if !self.eat(",") {
                break;
            }
        }
        self.close(")", opening)?;
        Ok(ParameterType::Table { columns, open })
    }

    /// `(T: (*), n: long = 5)` and nothing else.
    pub(super) fn parameters_alone(&mut self) -> Vec<Parameter> {
        let parameters = self.parameters().unwrap_or_default();
        if !self.is_end() {
            self.unexpected("the end of the parameters");
        }
        parameters
    }

    /// SQL, and management commands.
    fn other_languages(&mut self) -> Parsed<()> {
        let span = self.span();
        if self.is(".") && self.word_at(1).is_some() {
            return Err(self.give_up(
                span,
                "this is a management command, not a query",
                "queries start with a table: `KubernetesAudit | take 10`",
            ));
        }
        let word = self.word().unwrap_or_default().to_lowercase();
        let next_is_operand = matches!(
            self.token_at(1).map(|t| &t.kind),
            Some(TokenKind::Name | TokenKind::Literal(_) | TokenKind::String(_) | TokenKind::Symbol("*"))
        );
        if next_is_operand
            && matches!(
                word.as_str(),
                "select" | "insert" | "update" | "delete" | "create" | "drop" | "alter"
            )
        {
            let help =
                "a query starts with a table, then operators behind pipes: `Table | where Column == \"value\" | project Column | take 10`";
            return Err(self.give_up(span, "this is SQL; queries are written in KQL", help));
        }
        Ok(())
    }
}
