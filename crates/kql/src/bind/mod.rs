//! Tree → bound query: resolves every name, types every expression, looks up every function and rewrites operators
//! that are sugar into the few that are not.
//!
//! Binding goes on after an error where it can, so that one look at a query shows all that is wrong with it. A column
//! whose expression did not bind is *poisoned*: what uses it fails silently, because its cause is reported already.
//!
//! Source: Kusto Query Language reference, pages of the operators and "Statements".

mod calls;
mod constant;
mod entities;
mod expand;
mod expr;
mod external;
mod forms;
mod functions;
mod graph;
mod join;
mod lets;
mod lists;
mod naming;
mod nodes;
mod parse;
mod patterns;
mod pivot;
pub mod plugins;
mod project;
mod renumber;
mod rows;
mod scope;
mod search;
mod series;
mod signature;
mod suggest;
mod summarize;
mod tabular;
mod typing;
mod union;

use std::collections::HashSet;

use crate::bound::{BoundQuery, Column, ColumnId, Rel, RelKind, Visualization};
use crate::catalog::{Catalog, Function, FunctionKind, Schema};
use crate::diagnostic::{Code, Diagnostic, Severity, Span};
use crate::syntax::ast;
use crate::types::{Type, Value};

pub(crate) use forms::FORMS;
pub(crate) use join::JOIN_KINDS;
pub(crate) use scope::{Binding, Scope};
pub(crate) use tabular::RENDER_KINDS;

/// What a query is bound against.
#[derive(Clone, Copy)]
pub struct Environment<'a> {
    /// Functions the engine has
    pub catalog: &'a dyn Catalog,
    /// Tables, views and stored functions
    pub schema: &'a dyn Schema,
    /// `now()`, in ticks: one moment for the whole query
    pub now: i64,
    /// Values of `declare query_parameters`
    pub parameters: &'a [(String, Value)],
}

/// Parses and binds.
///
/// # Errors
/// All problems found, syntax first, when any of them is an error.
pub fn compile(text: &str, env: &Environment<'_>) -> Result<BoundQuery, Vec<Diagnostic>> {
    let (query, mut problems) = crate::syntax::parse(text);
    if problems.iter().any(is_error) {
        // Names can still be checked in the parts that did parse.
        if let Err(more) = bind(text, &query, env) {
            let syntax: Vec<Span> = problems.iter().map(|problem| problem.span).collect();
            let beside = |span: Span| !syntax.iter().any(|other| span.start <= other.end && other.start <= span.end);
            // A definition that did not parse is not known, though the text has it.
            let defined = |span: Span| {
                let name = text.get(span.start..span.end).unwrap_or_default();
                text.split("let ").skip(1).any(|rest| rest.trim_start().starts_with(name))
            };
            problems.extend(
                more.into_iter()
                    .filter(|problem| problem.code == Code::UnknownName && beside(problem.span) && !defined(problem.span)),
            );
        }
        return Err(problems);
    }
    let mut bound = bind(text, &query, env)?;
    problems.append(&mut bound.warnings);
    bound.warnings = problems;
    Ok(bound)
}

/// Binds a parsed query.
///
/// # Errors
/// All problems found, in the order of the text, when any of them is an error.
pub fn bind(text: &str, query: &ast::Query, env: &Environment<'_>) -> Result<BoundQuery, Vec<Diagnostic>> {
    let mut binder = Binder::new(env);
    let answers = binder.query(query, text);
    let mut problems = binder.diagnostics;
    problems.extend(binder.absent.into_iter().flat_map(|(_, why)| why));
    problems.sort_by_key(|problem| problem.span.start);
    problems.dedup();
    let mut answers = answers.unwrap_or_default();
    if answers.is_empty() && env.schema.open() && !problems.iter().any(is_error) {
        // Nothing is wrong that could be known here.
        answers.push(crate::bound::BoundTable {
            name: None,
            rel: Binder::new(env).broken(Vec::new(), false, Span::new(0, text.len())),
            visualization: None,
        });
    }
    let mut answers = answers.into_iter();
    match answers.next() {
        Some(first) if !problems.iter().any(is_error) => Ok(BoundQuery {
            root: first.rel,
            name: first.name,
            further: answers.collect(),
            visualization: first.visualization,
            options: binder.options,
            warnings: problems,
        }),
        _ => Err(problems),
    }
}

fn is_error(problem: &Diagnostic) -> bool {
    problem.severity == Severity::Error
}

/// The error is among the diagnostics already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reported;

/// A value, or nothing because the reason was reported.
pub(crate) type Bound<T> = Result<T, Reported>;

/// Results of a call that has several.
pub(crate) struct Results {
    /// Name and type of each
    pub(crate) columns: Vec<(String, Type)>,
    /// Those that the query does not name are columns too (`array_sort_asc`), instead of being left out
    pub(crate) all: bool,
}

/// What a body without a source works on.
#[derive(Clone)]
pub(crate) enum Outer {
    /// The rows that `mv-apply` or `partition` hands to it, with these columns
    Rows(Vec<Column>),
    /// A copy of these rows (`fork`, `facet`)
    Table(std::rc::Rc<Rel>),
    /// A graph (`make-graph ... partitioned-by`)
    Graph(std::rc::Rc<crate::bound::Graph>),
}

/// Nesting (functions, views, parentheses) beyond which a query is refused rather than the stack lost.
const MAX_DEPTH: usize = 200;

/// Parts beyond which a query is refused: functions that call functions twice double them with each step.
const MAX_PARTS: u32 = 1_000_000;

/// State of one binding.
pub(crate) struct Binder<'a> {
    pub(crate) env: &'a Environment<'a>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) visualization: Option<Visualization>,
    pub(crate) options: Vec<(String, Option<Value>)>,
    /// Definitions that failed because a table does not exist, with why: an error unless a fuzzy union leaves them out
    pub(crate) absent: Vec<(String, Vec<Diagnostic>)>,
    /// Of these, those that a fuzzy union left out
    pub(crate) left_out: Vec<String>,
    /// Views and stored functions being bound, outermost first: a name that comes again is a cycle
    expanding: Vec<String>,
    /// Tables that the plugin bound last gives behind its first
    beside: Vec<Rel>,
    /// The text being bound is a plugin's own, not a person's
    in_template: bool,
    /// Where the text of another source (view, stored function) is used: its own spans mean nothing in this query
    foreign: Option<Span>,
    poisoned: HashSet<ColumnId>,
    /// Within a union that leaves out tables it cannot find
    pub(crate) fuzzy: bool,
    /// Names that a query uses of rows whose columns are not known
    pub(crate) inferred: std::cell::RefCell<Vec<String>>,
    /// Results of the call bound last, when it has several
    tuple: Option<Results>,
    /// Keys of the `summarize` being bound, which `*` in its aggregates leaves out
    summarize_keys: Vec<ColumnId>,
    /// What the bodies of surrounding operators work on, for those that start with an operator
    outer: Vec<Outer>,
    /// The name that `as` gave to the rows in front of the operator at hand
    piped_name: Option<String>,
    next_column: u32,
    next_shared: u32,
    depth: usize,
    /// Parts bound so far
    parts: u32,
}

impl<'a> Binder<'a> {
    pub(crate) fn new(env: &'a Environment<'a>) -> Binder<'a> {
        Binder {
            env,
            diagnostics: Vec::new(),
            visualization: None,
            options: Vec::new(),
            absent: Vec::new(),
            left_out: Vec::new(),
            expanding: Vec::new(),
            beside: Vec::new(),
            in_template: false,
            foreign: None,
            poisoned: HashSet::new(),
            fuzzy: false,
            inferred: std::cell::RefCell::default(),
            tuple: None,
            summarize_keys: Vec::new(),
            outer: Vec::new(),
            piped_name: None,
            next_column: 0,
            next_shared: 0,
            depth: 0,
            parts: 0,
        }
    }

    /// Checking only: what running alone can tell is not refused.
    pub(crate) fn lenient(&self) -> bool {
        self.env.schema.open()
    }

    /// Rows of which nothing is known.
    pub(crate) fn open_rows(&mut self, span: Span) -> Rel {
        self.broken(Vec::new(), false, span)
    }

    /// The place in the query's own text that stands for a span.
    pub(crate) fn place(&self, span: Span) -> Span {
        self.foreign.unwrap_or(span)
    }

    /// Adds a problem.
    pub(crate) fn report(&mut self, mut problem: Diagnostic) -> Reported {
        if let Some(span) = self.foreign {
            let within = self.expanding.last().cloned().unwrap_or_default();
            problem.span = span;
            problem.fix = None;
            problem.message = format!("in {within}: {}", problem.message);
        }
        self.diagnostics.push(problem);
        Reported
    }

    pub(crate) fn error<T>(&mut self, code: Code, span: Span, message: impl Into<String>) -> Bound<T> {
        Err(self.report(Diagnostic::error(code, span, message)))
    }

    pub(crate) fn not_supported<T>(&mut self, span: Span, name: &str) -> Bound<T> {
        Err(self.report(Diagnostic::not_supported(span, name)))
    }

    /// A column with an id of its own.
    pub(crate) fn column(&mut self, name: impl Into<String>, ty: Type) -> Column {
        let id = ColumnId(self.next_column);
        self.next_column += 1;
        Column { id, name: name.into(), ty }
    }

    /// A column that stands for an expression that did not bind.
    pub(crate) fn poisoned_column(&mut self, name: impl Into<String>) -> Column {
        let column = self.column(name, Type::Dynamic);
        self.poisoned.insert(column.id);
        column
    }

    pub(crate) fn is_poisoned(&self, column: ColumnId) -> bool {
        self.poisoned.contains(&column)
    }

    pub(crate) fn shared_id(&mut self) -> u32 {
        self.next_shared += 1;
        self.next_shared
    }

    pub(crate) fn rel(&self, kind: RelKind, columns: Vec<Column>, serialized: bool, span: Span) -> Rel {
        Rel {
            open: kind.inputs_open(),
            kind: match kind {
                RelKind::Project { input, exprs } => self.one_projection(input, exprs),
                kind => kind,
            },
            columns,
            serialized,
            span: self.place(span),
        }
    }

    /// Runs one level deeper, refusing what is nested without end.
    pub(crate) fn deeper<T>(&mut self, span: Span, f: impl FnOnce(&mut Self) -> Bound<T>) -> Bound<T> {
        if self.depth >= MAX_DEPTH {
            return self.error(
                Code::Semantic,
                span,
                format!("the query is nested more than {MAX_DEPTH} levels deep"),
            );
        }
        if self.parts.max(self.next_column) > MAX_PARTS {
            let reported = self.parts == u32::MAX;
            self.parts = u32::MAX;
            if reported {
                return Err(Reported);
            }
            let problem = Diagnostic::error(
                Code::Semantic,
                span,
                format!("the query has more than {MAX_PARTS} parts once its functions and tables are written out"),
            );
            return Err(self.report(problem.with_help("use what is needed several times as `materialize(...)`, or ask in parts")));
        }
        self.parts += 1;
        self.depth += 1;
        let result = f(self);
        self.depth -= 1;
        result
    }

    /// A function that an operator is rewritten to; an engine without it does not run the operator.
    pub(crate) fn needed(&mut self, kind: FunctionKind, name: &str, span: Span) -> Bound<&'static Function> {
        match self.env.catalog.function(kind, name) {
            Some(function) => Ok(function),
            None => self.not_supported(span, name),
        }
    }
}
