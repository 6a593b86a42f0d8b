//! What can be typed at a place of a query.
//!
//! The text up to the cursor is incomplete by nature, so the place is found by a scan over its words and brackets, and the
//! columns in scope by binding the pipeline in front of it, errors and all.

use crate::bind::{Binder, Binding, Environment, FORMS, JOIN_KINDS, RENDER_KINDS, Scope};
use crate::bound::Column;
use crate::catalog::{Entity, FunctionKind};
use crate::syntax;
use crate::syntax::ast;

/// What a completion is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompletionKind {
    /// A table or view
    Table,
    /// A column
    Column,
    /// A scalar, window, plugin or stored function
    Function,
    /// An aggregate function
    Aggregate,
    /// A tabular operator
    Operator,
    /// A word of the language
    Keyword,
    /// A value of a property: kinds of join, of chart
    Value,
    /// A name that a `let` defines
    Variable,
}

impl CompletionKind {
    /// Stable text, e.g. `column`.
    pub fn as_str(self) -> &'static str {
        match self {
            CompletionKind::Table => "table",
            CompletionKind::Column => "column",
            CompletionKind::Function => "function",
            CompletionKind::Aggregate => "aggregate",
            CompletionKind::Operator => "operator",
            CompletionKind::Keyword => "keyword",
            CompletionKind::Value => "value",
            CompletionKind::Variable => "variable",
        }
    }
}

/// Something that can be typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// What people see and type
    pub label: String,
    /// What it is
    pub kind: CompletionKind,
    /// More about it: a column's type, a function's usage
    pub detail: String,
    /// What replaces the word at the cursor
    pub insert: String,
}

/// Operators after a pipe, with their usage.
const OPERATORS: &[(&str, &str)] = &[
    ("where", "where predicate"),
    ("project", "project column [= expression], ..."),
    ("extend", "extend column = expression, ..."),
    ("summarize", "summarize aggregate, ... by key, ..."),
    ("take", "take number"),
    ("limit", "limit number"),
    ("top", "top number by column [asc | desc]"),
    ("sort", "sort by column [asc | desc], ..."),
    ("order", "order by column [asc | desc], ..."),
    ("count", "count"),
    ("distinct", "distinct column, ..."),
    ("join", "join kind=kind (table) on column"),
    ("lookup", "lookup kind=kind (table) on column"),
    ("union", "union table, ..."),
    ("mv-expand", "mv-expand column [to typeof(type)]"),
    ("mv-apply", "mv-apply column on (subquery)"),
    ("parse", "parse column with pattern"),
    ("parse-where", "parse-where column with pattern"),
    ("parse-kv", "parse-kv column as (name: type, ...)"),
    ("project-away", "project-away column, ..."),
    ("project-keep", "project-keep column, ..."),
    ("project-rename", "project-rename new = old, ..."),
    ("project-reorder", "project-reorder column, ..."),
    ("make-series", "make-series aggregate on axis step size"),
    ("render", "render visualization"),
    ("serialize", "serialize"),
    ("sample", "sample number"),
    ("sample-distinct", "sample-distinct number of column"),
    ("search", "search \"term\""),
    ("getschema", "getschema"),
    ("as", "as name"),
    ("evaluate", "evaluate plugin(arguments)"),
    ("invoke", "invoke function(arguments)"),
    ("partition", "partition by column (subquery)"),
    ("scan", "scan with (step name: condition => ...)"),
    ("reduce", "reduce by column"),
    ("top-nested", "top-nested number of column by aggregate"),
    ("top-hitters", "top-hitters number of column"),
    ("consume", "consume"),
];

/// Words a query or statement can begin with, besides tables.
const STARTERS: &[(&str, &str)] = &[
    ("let", "let name = expression;"),
    ("print", "print expression, ..."),
    ("range", "range column from start to end step size"),
    ("union", "union table, ..."),
    ("search", "search \"term\""),
    ("find", "find where predicate"),
    ("datatable", "datatable(name: type, ...) [value, ...]"),
    ("set", "set option = value;"),
];

/// Words between operands of a predicate.
const PREDICATE_WORDS: &[&str] = &[
    "and",
    "or",
    "has",
    "has_any",
    "has_all",
    "contains",
    "startswith",
    "endswith",
    "in",
    "in~",
    "between",
    "matches regex",
    "!has",
    "!contains",
    "!in",
];

/// What can be typed at a byte offset of a query, the likeliest first.
pub fn complete(text: &str, offset: usize, env: &Environment<'_>) -> Vec<Completion> {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let before = text.get(..offset).unwrap_or_default();
    let place = Place::find(before);
    if place.in_text {
        return Vec::new();
    }
    let mut completions = Completions {
        env,
        word: before.get(place.word..).unwrap_or_default().to_lowercase(),
        found: Vec::new(),
    };
    let scope = names_before(text, &place, env);
    let segment = before.get(place.segment..place.word).unwrap_or_default();
    let operator = segment.split_whitespace().next().unwrap_or_default();
    if segment.trim().is_empty() {
        if place.piped {
            for (name, usage) in OPERATORS {
                completions.add(name, CompletionKind::Operator, usage, name);
            }
        } else {
            completions.tables(&scope);
            for (name, usage) in STARTERS {
                completions.add(name, CompletionKind::Keyword, usage, name);
            }
        }
        return completions.sorted();
    }
    let assigned = segment.trim_end().ends_with('=');
    let property = segment.trim_end().trim_end_matches('=').trim_end();
    match operator {
        "join" | "lookup" if assigned && property.ends_with("kind") => {
            for (name, _) in JOIN_KINDS {
                completions.add(name, CompletionKind::Value, "kind of join", name);
            }
        }
        "union" if assigned && property.ends_with("kind") => {
            for name in ["outer", "inner"] {
                completions.add(name, CompletionKind::Value, "kind of union", name);
            }
        }
        "render" => {
            for name in RENDER_KINDS {
                completions.add(name, CompletionKind::Value, "visualization", name);
            }
        }
        "evaluate" | "invoke" => completions.functions(FunctionKind::Plugin),
        "union" if place.piped || segment.trim_start().starts_with("union") => completions.tables(&scope),
        "join" | "lookup" if !has_word(segment, "on") => {
            completions.add("kind=", CompletionKind::Keyword, "kind of join", "kind=");
            completions.tables(&scope);
        }
        "let" if !segment.contains('=') => {}
        "let" => {
            completions.tables(&scope);
            completions.variables(&scope);
            completions.scalar_functions();
        }
        _ => {
            let columns = columns_before(text, &place, &scope, env);
            if columns.is_empty() && !place.piped && operator != "print" && operator != "range" {
                completions.tables(&scope);
            }
            for column in &columns {
                completions.add(&column.name, CompletionKind::Column, column.ty.name(), &quoted(&column.name));
            }
            completions.variables(&scope);
            match operator {
                "project-away" | "project-keep" | "project-reorder" | "project-rename" | "distinct" => {}
                "summarize" | "make-series" | "top-nested" if !has_word(segment, "by") => {
                    completions.functions(FunctionKind::Aggregate);
                    completions.add("by", CompletionKind::Keyword, "grouping keys follow", "by ");
                    completions.scalar_functions();
                }
                _ => {
                    completions.scalar_functions();
                    if matches!(operator, "extend" | "project" | "serialize" | "where") {
                        completions.functions(FunctionKind::Window);
                    }
                    if operator == "where" {
                        for word in PREDICATE_WORDS {
                            completions.add(word, CompletionKind::Keyword, "", word);
                        }
                    }
                    if matches!(operator, "sort" | "order" | "top") {
                        for word in ["by", "asc", "desc"] {
                            completions.add(word, CompletionKind::Keyword, "", word);
                        }
                    }
                }
            }
        }
    }
    completions.sorted()
}

struct Completions<'a> {
    env: &'a Environment<'a>,
    /// What is typed of the word so far, in lower case
    word: String,
    found: Vec<Completion>,
}

impl Completions<'_> {
    fn add(&mut self, label: &str, kind: CompletionKind, detail: &str, insert: &str) {
        let known = self.found.iter().any(|known| known.label == label && known.kind == kind);
        if known || !label.to_lowercase().starts_with(&self.word) {
            return;
        }
        self.found.push(Completion {
            label: label.to_owned(),
            kind,
            detail: detail.to_owned(),
            insert: insert.to_owned(),
        });
    }

    fn tables(&mut self, scope: &Scope) {
        for (name, binding) in scope.names() {
            match binding {
                Binding::Table(_) => self.add(name, CompletionKind::Variable, "let: table", &quoted(name)),
                Binding::Graph(_) => self.add(name, CompletionKind::Variable, "let: graph", &quoted(name)),
                Binding::Function(_) => self.add(name, CompletionKind::Function, "let: function", &format!("{name}(")),
                _ => {}
            }
        }
        let schema = self.env.schema;
        for name in schema.names() {
            match schema.entity(&name) {
                Some(Entity::Table { columns }) => {
                    let detail = format!("table, {} columns", columns.len());
                    self.add(&name, CompletionKind::Table, &detail, &quoted(&name));
                }
                Some(Entity::View { .. }) => self.add(&name, CompletionKind::Table, "view", &quoted(&name)),
                Some(Entity::Function { parameters, .. }) => {
                    let detail = format!("{name}{parameters}");
                    self.add(&name, CompletionKind::Function, &detail, &format!("{name}("));
                }
                None => {}
            }
        }
    }

    fn variables(&mut self, scope: &Scope) {
        for (name, binding) in scope.names() {
            match binding {
                Binding::Scalar(value) => {
                    let detail = format!("let: {}", value.ty);
                    self.add(name, CompletionKind::Variable, &detail, &quoted(name));
                }
                Binding::Function(_) => self.add(name, CompletionKind::Function, "let: function", &format!("{name}(")),
                _ => {}
            }
        }
    }

    fn functions(&mut self, kind: FunctionKind) {
        let label = match kind {
            FunctionKind::Aggregate => CompletionKind::Aggregate,
            _ => CompletionKind::Function,
        };
        for function in self.env.catalog.functions() {
            if function.kind == kind {
                self.add(function.name, label, function.usage, &format!("{}(", function.name));
            }
        }
    }

    fn scalar_functions(&mut self) {
        self.functions(FunctionKind::Scalar);
        for (name, usage) in FORMS {
            self.add(name, CompletionKind::Function, usage, &format!("{name}("));
        }
        let schema = self.env.schema;
        for name in schema.names() {
            if let Some(Entity::Function { parameters, .. }) = schema.entity(&name) {
                let detail = format!("{name}{parameters}");
                self.add(&name, CompletionKind::Function, &detail, &format!("{name}("));
            }
        }
    }

    fn sorted(mut self) -> Vec<Completion> {
        // The kinds keep their order; within one, columns stay as in the table, functions are by name.
        let functions = |kind: CompletionKind| matches!(kind, CompletionKind::Function | CompletionKind::Aggregate);
        self.found.sort_by(|a, b| {
            let rank = functions(a.kind).cmp(&functions(b.kind));
            rank.then_with(|| {
                if functions(a.kind) && functions(b.kind) {
                    let plain = (a.kind == CompletionKind::Function).cmp(&(b.kind == CompletionKind::Function));
                    plain.then_with(|| a.label.cmp(&b.label))
                } else {
                    std::cmp::Ordering::Equal
                }
            })
        });
        self.found
    }
}

/// A name as it must be written.
fn quoted(name: &str) -> String {
    let mut chars = name.chars();
    let plain = chars.next().is_some_and(|c| c.is_alphabetic() || c == '_' || c == '$')
        && name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '$')
        && !syntax::token::is_reserved(name);
    if plain {
        name.to_owned()
    } else {
        format!("['{}']", name.replace('\'', "\\'"))
    }
}

fn has_word(segment: &str, word: &str) -> bool {
    segment
        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .any(|found| found == word)
}

/// Where the cursor is: byte offsets into the text.
struct Place {
    /// Start of the word at the cursor
    word: usize,
    /// Start of the statement
    statement: usize,
    /// Start of the pipeline the cursor is in (behind a bracket, or the statement itself)
    pipeline: usize,
    /// Start of the operator the cursor is in: behind the last pipe
    segment: usize,
    /// There is a pipe in front of the segment
    piped: bool,
    /// In a string or comment
    in_text: bool,
}

/// A bracket that is open at the cursor.
#[derive(Clone, Copy)]
struct Frame {
    start: usize,
    segment: usize,
    piped: bool,
}

impl Place {
    fn find(text: &str) -> Place {
        let mut frames = vec![Frame {
            start: 0,
            segment: 0,
            piped: false,
        }];
        let mut statement = 0;
        let mut in_text = false;
        let mut at = 0;
        let bytes = text.as_bytes();
        let byte = |at: usize| bytes.get(at).copied();
        while let Some(c) = byte(at) {
            match c {
                b'"' | b'\'' => {
                    let verbatim = at > 0 && byte(at - 1) == Some(b'@');
                    let mut end = at + 1;
                    in_text = true;
                    while let Some(d) = byte(end) {
                        if d == b'\\' && !verbatim {
                            end += 2;
                            continue;
                        }
                        if d == c {
                            in_text = false;
                            break;
                        }
                        if d == b'\n' {
                            // Not closed on its line: people are typing in front of it.
                            in_text = false;
                            break;
                        }
                        end += 1;
                    }
                    at = end;
                }
                b'/' if byte(at + 1) == Some(b'/') => {
                    let rest = text.get(at..).unwrap_or_default();
                    match rest.find('\n') {
                        Some(line) => at += line,
                        None => {
                            in_text = true;
                            at = text.len();
                        }
                    }
                }
                b'(' | b'[' | b'{' => frames.push(Frame {
                    start: at + 1,
                    segment: at + 1,
                    piped: false,
                }),
                b')' | b']' | b'}' if frames.len() > 1 => {
                    frames.pop();
                }
                b'|' => {
                    if let Some(frame) = frames.last_mut() {
                        frame.segment = at + 1;
                        frame.piped = true;
                    }
                }
                b';' => {
                    if frames.len() == 1 {
                        statement = at + 1;
                    }
                    if let Some(frame) = frames.last_mut() {
                        *frame = Frame {
                            start: at + 1,
                            segment: at + 1,
                            piped: false,
                        };
                    }
                }
                _ => {}
            }
            at += 1;
        }
        let word = text
            .char_indices()
            .rev()
            .take_while(|(_, c)| c.is_alphanumeric() || matches!(c, '_' | '-' | '$'))
            .last()
            .map_or(text.len(), |(index, _)| index);
        // Brackets of calls and lists belong to the operator they stand in; those of subqueries are pipelines.
        let frame = loop {
            let Some(frame) = frames.pop() else {
                break Frame {
                    start: statement,
                    segment: statement,
                    piped: false,
                };
            };
            let Some(outer) = frames.last() else { break frame };
            if frame.piped || is_subquery(text, outer, &frame) {
                break frame;
            }
        };
        Place {
            word: word.max(frame.segment),
            statement,
            pipeline: frame.start,
            segment: frame.segment,
            piped: frame.piped,
            in_text,
        }
    }
}

/// Whether a bracket holds a table: of `join (`, `union (`, `toscalar(`, a function's body.
fn is_subquery(text: &str, outer: &Frame, frame: &Frame) -> bool {
    let open = frame.start.saturating_sub(1);
    if text.get(open..frame.start) == Some("{") {
        return true;
    }
    let front = text.get(outer.segment..open).unwrap_or_default();
    let operator = front.split_whitespace().next().unwrap_or_default();
    let last = front
        .trim_end()
        .rsplit(|c: char| !(c.is_alphanumeric() || c == '_'))
        .next()
        .unwrap_or_default();
    matches!(last, "toscalar" | "materialize") || (matches!(operator, "join" | "lookup" | "union") && !has_word(front, "on"))
}

/// Names that the statements in front of the cursor define.
fn names_before(text: &str, place: &Place, env: &Environment<'_>) -> Scope {
    let (query, _) = syntax::parse(text.get(..place.statement).unwrap_or_default());
    let mut binder = Binder::new(env);
    let mut scope = Scope::default();
    for statement in &query.statements {
        scope = binder.statement(statement, &scope);
    }
    scope
}

/// Columns that reach the operator the cursor is in.
fn columns_before(text: &str, place: &Place, scope: &Scope, env: &Environment<'_>) -> Vec<Column> {
    if !place.piped {
        return Vec::new();
    }
    let end = place.segment.saturating_sub(1);
    let pipeline = text.get(place.pipeline..end).unwrap_or_default();
    // `let x = T | where ...`: the pipeline is behind the name.
    let (query, _) = syntax::parse(pipeline);
    let mut binder = Binder::new(env);
    for statement in query.statements.iter().rev() {
        let expr = match &statement.kind {
            ast::StatementKind::Expression(expr) | ast::StatementKind::Let { value: expr, .. } => expr,
            _ => continue,
        };
        return binder.tabular(expr, scope).map(|rel| rel.columns).unwrap_or_default();
    }
    Vec::new()
}
