//! The words and signs of the language: tokens, operator names and the words that cannot be used as names.
//!
//! Source: Kusto Query Language reference, "Entity names" and "Tabular operators".

use crate::diagnostic::Span;
use crate::types::Value;

/// What a token is. The text of names is read from the query by the span.
#[derive(Debug, Clone, PartialEq)]
pub enum TokenKind {
    /// A name or keyword; operator names with a dash (`project-away`) are one token
    Name,
    /// An operator word with a sign: `!has`, `in~`, `!in~`
    Infix,
    /// A string, unescaped
    String(String),
    /// Any other constant: `5`, `1.5h`, `datetime(2023-01-01)`, `dynamic([1])`
    Literal(Value),
    /// An integer that does not fit a long (`9223372036854775808` after a minus does)
    BigInteger,
    /// Punctuation
    Symbol(&'static str),
    /// A character that is not of the language, or a broken literal: reported by the lexer already
    Broken,
    /// The end of the text
    End,
}

/// A token and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    /// What
    pub kind: TokenKind,
    /// Where
    pub span: Span,
    /// The first on its line
    pub starts_line: bool,
}

/// Tabular operators, as written after a pipe.
pub const OPERATORS: &[&str] = &[
    "as",
    "assert-schema",
    "consume",
    "count",
    "distinct",
    "evaluate",
    "extend",
    "facet",
    "filter",
    "find",
    "fork",
    "getschema",
    "graph-mark-components",
    "graph-match",
    "graph-shortest-paths",
    "graph-to-table",
    "graph-where-edges",
    "graph-where-nodes",
    "invoke",
    "join",
    "limit",
    "lookup",
    "macro-expand",
    "make-graph",
    "make-series",
    "mv-apply",
    "mv-expand",
    "mvapply",
    "mvexpand",
    "order",
    "parse",
    "parse-kv",
    "parse-where",
    "partition",
    "print",
    "project",
    "project-away",
    "project-by-names",
    "project-keep",
    "project-rename",
    "project-reorder",
    "range",
    "reduce",
    "render",
    "sample",
    "sample-distinct",
    "scan",
    "search",
    "serialize",
    "sort",
    "summarize",
    "take",
    "top",
    "top-hitters",
    "top-nested",
    "union",
    "where",
];

/// Further words with a dash.
const DASHED: &[&str] = &["granny-asc", "granny-desc", "partitioned-by", "project-smart"];

/// Words of other query languages and what they are called here.
pub const FOREIGN: &[(&str, &str)] = &[
    ("select", "project"),
    ("group", "summarize"),
    ("groupby", "summarize"),
    ("stats", "summarize"),
    ("aggregate", "summarize"),
    ("having", "where"),
    ("head", "take"),
    ("first", "take"),
    ("eval", "extend"),
    ("fields", "project"),
    ("table", "project"),
    ("dedup", "distinct"),
    ("rename", "project-rename"),
    ("orderby", "order"),
    ("append", "union"),
    ("explode", "mv-expand"),
];

/// Words that cannot be names, not even left of `=`.
const RESERVED: &[&str] = &[
    "and",
    "asc",
    "between",
    "contains_cs",
    "containscs",
    "desc",
    "endswith",
    "endswith_cs",
    "first",
    "has_all",
    "has_any",
    "has_cs",
    "hasprefix",
    "hasprefix_cs",
    "hassuffix",
    "hassuffix_cs",
    "join",
    "last",
    "missing",
    "notcontains",
    "notcontainscs",
    "or",
    "project",
    "startswith",
    "startswith_cs",
    "union",
];

/// Words that can be names left of `=`, and are operators elsewhere.
const RESERVED_IN_EXPRESSIONS: &[&str] = &["by", "contains", "has", "in", "order"];

/// True when `word` cannot be declared as a name without `['...']`.
pub fn is_reserved(word: &str) -> bool {
    RESERVED.contains(&word)
}

/// True when `word` cannot be used as a name inside an expression without `['...']`.
pub fn is_reserved_in_expression(word: &str) -> bool {
    is_reserved(word) || RESERVED_IN_EXPRESSIONS.contains(&word)
}

/// The operator name with a dash that starts `text` after `word`, if any: `project` of `project-away x`.
pub fn dashed(word: &str, text: &str) -> Option<&'static str> {
    let rest = text.strip_prefix(word)?;
    rest.strip_prefix('-')?;
    OPERATORS
        .iter()
        .chain(DASHED)
        .filter(|name| name.contains('-'))
        .filter(|name| text.strip_prefix(**name).is_some_and(|after| !after.starts_with(continues_name)))
        .max_by_key(|name| name.len())
        .copied()
}

/// A character that may start a name.
pub fn starts_name(c: char) -> bool {
    c.is_alphabetic() || c == '_' || c == '$'
}

/// A character inside a name.
pub fn continues_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Names like `word`, the likeliest first; empty when none is near.
pub fn near<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let allowed = match word.chars().count() {
        0..=2 => 0,
        3..=5 => 1,
        _ => 2,
    };
    candidates
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&word, name), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}
