//! What is wrong with a query, where, and how to mend it.

use std::fmt;

/// A range of bytes in the query text, end excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Span {
    /// First byte
    pub start: usize,
    /// One past the last byte
    pub end: usize,
}

impl Span {
    /// From `start` to `end` (excluded).
    pub fn new(start: usize, end: usize) -> Span {
        Span { start, end }
    }

    /// The smallest span that covers both.
    pub fn to(self, other: Span) -> Span {
        Span {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The query cannot run.
    Error,
    /// The query runs, but probably not as meant.
    Warning,
}

/// The kind of a problem; the text is a stable code that documentation and tests can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The text is not KQL.
    Syntax,
    /// A name (column, table, function, operator) that does not exist.
    UnknownName,
    /// An operation on types it is not defined for.
    Type,
    /// Wrong number or form of arguments.
    Arguments,
    /// Valid KQL that this engine does not run yet.
    NotSupported,
    /// Anything else the language refuses (duplicate column, limit out of range).
    Semantic,
}

impl Code {
    /// Stable text, e.g. `KQL001`.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::Syntax => "KQL001",
            Code::UnknownName => "KQL002",
            Code::Type => "KQL003",
            Code::Arguments => "KQL004",
            Code::NotSupported => "KQL005",
            Code::Semantic => "KQL006",
        }
    }
}

/// A replacement that mends the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// What to replace
    pub span: Span,
    /// With what
    pub text: String,
}

/// One problem with a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad
    pub severity: Severity,
    /// What kind
    pub code: Code,
    /// One sentence: what happened
    pub message: String,
    /// Where
    pub span: Span,
    /// What to do about it
    pub help: Option<String>,
    /// The mend, when there is one obvious
    pub fix: Option<Fix>,
}

impl Diagnostic {
    /// An error at a place.
    pub fn error(code: Code, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            code,
            message: message.into(),
            span,
            help: None,
            fix: None,
        }
    }

    /// `not yet supported: NAME`
    pub fn not_supported(span: Span, name: &str) -> Diagnostic {
        Diagnostic::error(Code::NotSupported, span, format!("not yet supported: {name}"))
    }

    /// Adds what to do.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// Adds the mend.
    #[must_use]
    pub fn with_fix(mut self, span: Span, text: impl Into<String>) -> Diagnostic {
        self.fix = Some(Fix { span, text: text.into() });
        self
    }

    /// 1-based line and column (in characters) of the start in the text.
    pub fn line_column(&self, text: &str) -> (usize, usize) {
        line_column(text, self.span.start)
    }

    /// The message with the line it is about and a mark under the place, as a terminal shows it.
    pub fn render(&self, text: &str) -> String {
        let (line, column) = self.line_column(text);
        let source = text.lines().nth(line - 1).unwrap_or_default();
        let in_line = text
            .get(self.span.start..self.span.end)
            .unwrap_or_default()
            .lines()
            .next()
            .unwrap_or_default()
            .chars()
            .count();
        let label = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let mut out = format!(
            "{label}[{}]: {}\n --> line {line}, column {column}\n",
            self.code.as_str(),
            self.message
        );
        let gutter = line.to_string();
        let pad = " ".repeat(gutter.len());
        let before: String = source
            .chars()
            .take(column - 1)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        out.push_str(&format!(
            "{pad} |\n{gutter} | {source}\n{pad} | {before}{}\n",
            "^".repeat(in_line.max(1))
        ));
        if let Some(help) = &self.help {
            out.push_str(&format!("{pad} = help: {help}\n"));
        }
        out
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

/// 1-based line and column (in characters) of a byte offset.
pub fn line_column(text: &str, offset: usize) -> (usize, usize) {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let before = &text[..offset];
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |i| i + 1);
    (line, before[start..].chars().count() + 1)
}
