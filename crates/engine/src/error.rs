//! What can go wrong with a query, told so that a person can act on it.

use datafusion::error::DataFusionError;
use taffrail_kql::{Code, Diagnostic, Span};

/// Why a bound query has no plan.
#[derive(Debug, thiserror::Error)]
pub enum LowerError {
    /// Valid, but not run by this engine yet
    #[error("not yet supported: {what}")]
    NotSupported {
        /// What it is called
        what: String,
    },
    /// An argument that can only be judged when planning
    #[error("{0}")]
    Argument(String),
    /// The place in the text is known
    #[error("{error}")]
    At {
        /// Where
        span: Span,
        /// What
        error: Box<LowerError>,
    },
    /// DataFusion refuses the plan
    #[error("the query cannot be planned: {0}")]
    Plan(#[from] DataFusionError),
}

impl LowerError {
    /// `not yet supported: WHAT`
    pub fn not_supported(what: impl Into<String>) -> LowerError {
        LowerError::NotSupported { what: what.into() }
    }

    pub(crate) fn from_arrow(error: arrow::error::ArrowError) -> LowerError {
        LowerError::Plan(error.into())
    }

    /// Says where, unless that is known.
    #[must_use]
    pub fn at(self, span: Span) -> LowerError {
        match self {
            LowerError::At { .. } | LowerError::Plan(_) => self,
            error => LowerError::At {
                span,
                error: Box::new(error),
            },
        }
    }
}

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The text is at fault; each diagnostic says where and what to do
    #[error("{}", .0.first().map_or_else(|| "the query is not valid".to_owned(), ToString::to_string))]
    Diagnostics(Vec<Diagnostic>),
    /// It failed while running
    #[error("the query failed: {message}")]
    Execution {
        /// What happened
        message: String,
    },
    /// It took longer than allowed
    #[error("the query ran longer than {}: narrow the time range, filter before joining, or raise the timeout", seconds(.limit))]
    Timeout {
        /// How long was allowed
        limit: std::time::Duration,
    },
    /// Its answer has more bytes than it may have
    #[error(
        "Query result set has exceeded the internal data size limit {limit} (E_QUERY_RESULT_SET_TOO_LARGE): keep fewer columns (`project`) or rows, or `set truncationmaxsize`"
    )]
    TooLarge {
        /// Bytes allowed
        limit: usize,
    },
    /// It needs more memory than allowed
    #[error(
        "Runaway query (E_RUNAWAY_QUERY): it needs more memory than the {} MiB that it may use: narrow the time range, keep fewer columns (`project`), or raise the engine's memory limit ({message})",
        .limit / (1024 * 1024)
    )]
    Memory {
        /// Bytes allowed
        limit: usize,
        /// Who asked for how much
        message: String,
    },
}

fn seconds(limit: &std::time::Duration) -> String {
    format!("{} s", limit.as_secs_f64())
}

impl QueryError {
    /// From what lowering says.
    pub(crate) fn from_lower(error: LowerError, limit: usize) -> QueryError {
        match error {
            LowerError::At { span, error } => {
                let code = match *error {
                    LowerError::NotSupported { .. } => Code::NotSupported,
                    _ => Code::Semantic,
                };
                QueryError::Diagnostics(vec![Diagnostic::error(code, span, error.to_string())])
            }
            LowerError::Plan(error) => QueryError::from_datafusion(error, limit),
            error @ LowerError::NotSupported { .. } => {
                QueryError::Diagnostics(vec![Diagnostic::error(Code::NotSupported, Span::default(), error.to_string())])
            }
            error @ LowerError::Argument(_) => {
                QueryError::Diagnostics(vec![Diagnostic::error(Code::Semantic, Span::default(), error.to_string())])
            }
        }
    }

    /// From what planning or running says.
    pub(crate) fn from_datafusion(error: DataFusionError, limit: usize) -> QueryError {
        match error.find_root() {
            DataFusionError::ResourcesExhausted(message) => QueryError::Memory {
                limit,
                message: one_line(message),
            },
            DataFusionError::Execution(message) => QueryError::Execution { message: message.clone() },
            root => QueryError::Execution {
                message: one_line(&root.strip_backtrace()),
            },
        }
    }
}

/// What is wrong, in one line: what differs often stands in the second.
fn one_line(message: &str) -> String {
    let lines: Vec<&str> = message.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut line = lines.join(" ");
    if let Some((end, _)) = line.char_indices().nth(LONGEST_MESSAGE) {
        line.truncate(end);
        line.push('…');
    }
    line
}

const LONGEST_MESSAGE: usize = 600;
