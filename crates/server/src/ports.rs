//! What the server needs from other rooms, as narrow as it is needed.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value as Json;
use taffrail_kql::{Diagnostic, Type, Value};

/// A column of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Name
    pub name: String,
    /// KQL type
    pub ty: Type,
}

/// What a query is asked with, besides its text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Request {
    /// Only rows of this range of `TimeGenerated`: start included, end excluded
    pub timespan: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// What `now()` means; the clock's time by default
    pub now: Option<DateTime<Utc>>,
    /// Values for what `declare query_parameters` declares
    pub parameters: Vec<(String, Value)>,
    /// Most rows, when fewer than the engine's own limit
    pub max_rows: Option<usize>,
    /// Run it, even when the answer is known from before
    pub fresh: bool,
    /// What it may use; what its text sets counts as well
    pub limits: taffrail_kql::Limits,
}

/// Rows of an answer, given one at a time, so that a large answer is not in memory twice.
pub trait Rows: Send {
    /// Calls for each row. Values are as `QueryResult::rows` of the engine has them: dynamic as the JSON value it is.
    fn each(&self, row: &mut dyn FnMut(Vec<Json>));
}

impl Rows for Vec<Vec<Json>> {
    fn each(&self, row: &mut dyn FnMut(Vec<Json>)) {
        for one in self {
            row(one.clone());
        }
    }
}

/// What `render` asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Render {
    /// `timechart`, `piechart`, …
    pub kind: String,
    /// `with (name = value, …)`
    pub properties: Vec<(String, String)>,
}

/// An answer.
pub struct Answer {
    /// Columns
    pub columns: Vec<Column>,
    /// Rows
    pub rows: Box<dyn Rows>,
    /// How many
    pub row_count: usize,
    /// What `render` asks for
    pub render: Option<Render>,
    /// There are more rows than allowed
    pub truncated: bool,
    /// How long it took
    pub elapsed: Duration,
    /// Rows read
    pub scanned_rows: usize,
    /// Bytes read
    pub scanned_bytes: usize,
    /// What the query calls it
    pub name: Option<String>,
    /// Tables behind the first, of a query that has several
    pub further: Vec<AnswerTable>,
    /// What else it cost
    pub cost: Cost,
}

/// A further table of an answer.
pub struct AnswerTable {
    /// What the query calls it
    pub name: Option<String>,
    /// Columns
    pub columns: Vec<Column>,
    /// Rows
    pub rows: Box<dyn Rows>,
    /// How many
    pub row_count: usize,
    /// What `render` asks for
    pub render: Option<Render>,
    /// There are more rows than allowed
    pub truncated: bool,
}

/// What a query cost besides what it read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Files looked into
    pub files: usize,
    /// Files that could be left out
    pub files_pruned: usize,
    /// Row groups looked into
    pub row_groups: usize,
    /// Row groups that could be left out
    pub row_groups_pruned: usize,
    /// Time that threads worked, about
    pub cpu: Duration,
    /// Most memory held
    pub peak_memory: usize,
    /// The answer was there already
    pub from_cache: bool,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The text is at fault
    #[error("{}", .0.first().map_or_else(|| "the query is not valid".to_owned(), |first| first.message.clone()))]
    Diagnostics(Vec<Diagnostic>),
    /// It failed while running
    #[error("{0}")]
    Execution(String),
    /// It took too long
    #[error("{0}")]
    Timeout(String),
    /// It needs too much
    #[error("{0}")]
    Memory(String),
    /// Somebody stopped it
    #[error("{0}")]
    Cancelled(String),
}

/// Something that could stand at a place of a query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Completion {
    /// What to show
    pub label: String,
    /// `table`, `column`, `function`, `keyword`, …
    pub kind: String,
    /// One line about it
    pub detail: String,
    /// What to insert
    pub insert: String,
}

/// What a word of a query is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hover {
    /// Where the word stands, in bytes
    pub span: taffrail_kql::Span,
    /// The word
    pub name: String,
    /// `table`, `column`, `function`, `operator`, …
    pub kind: String,
    /// The type of a column, the usage of a function or operator
    pub detail: String,
    /// One sentence, when there is one
    pub about: Option<String>,
}

/// A function queries can call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FunctionInfo {
    /// Name
    pub name: String,
    /// `scalar`, `aggregate`, `window`, `plugin`, `stored`
    pub kind: String,
    /// How it is called
    pub usage: String,
    /// What it gives
    pub summary: String,
}

/// Answers queries.
#[async_trait]
pub trait Queries: Send + Sync + 'static {
    /// Runs a query. Dropping the future stops it.
    async fn query(&self, text: &str, request: &Request) -> Result<Answer, Failure>;
    /// Runs a query and gives its answer as a Parquet file.
    async fn parquet(&self, text: &str, request: &Request) -> Result<Vec<u8>, Failure>;
    /// Errors and warnings of a text, without running it.
    fn check(&self, text: &str) -> Vec<Diagnostic>;
    /// What could stand at a byte offset.
    fn complete(&self, text: &str, offset: usize) -> Vec<Completion>;
    /// What the word at a byte offset is.
    fn hover(&self, text: &str, offset: usize) -> Option<Hover>;
    /// The plans of a query, without running it.
    async fn explain(&self, text: &str, request: &Request) -> Result<String, Failure>;
    /// Columns a query would have; none when it is not valid.
    fn columns(&self, text: &str) -> Vec<Column>;
    /// Functions queries can call, stored ones included.
    fn functions(&self) -> Vec<FunctionInfo>;
}

/// A detection rule, as the portal shows it.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleInfo {
    /// Identifier
    pub id: String,
    /// Name
    pub name: String,
    /// Why it matters
    pub description: String,
    /// Severity of its alerts
    pub severity: String,
    /// `Scheduled` or `NRT`
    pub kind: String,
    /// ATT&CK tactics
    pub tactics: Vec<String>,
    /// ATT&CK techniques
    pub techniques: Vec<String>,
    /// KQL
    pub query: String,
    /// Whether it runs
    pub enabled: bool,
    /// Everything else of its definition, under the names of Sentinel's rule format
    #[serde(flatten)]
    pub definition: serde_json::Map<String, Json>,
}

/// Knows the rules.
pub trait Rules: Send + Sync + 'static {
    /// All, by name.
    fn rules(&self) -> Vec<RuleInfo>;
}

/// A document that is shipped: a workbook, a hunting query, the description of a source.
#[derive(Debug, Clone, PartialEq)]
pub struct Shipped {
    /// Name in addresses
    pub id: String,
    /// The document
    pub body: Json,
}

/// Has the documents that are shipped, or laid beside them by configuration.
#[async_trait]
pub trait Library: Send + Sync + 'static {
    /// Those of a kind (`workbooks`, `hunting`, `sources`, `watchlists`), by id.
    fn documents(&self, kind: &str) -> Vec<Shipped>;

    /// What people keep of this kind has changed: for whoever works with it (queries read watchlists).
    async fn changed(&self, _kind: &str) {}
}

/// What a table holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TableStatistics {
    /// Name
    pub name: String,
    /// Rows
    pub rows: u64,
    /// Bytes on disk
    pub bytes: u64,
    /// Rows not yet in files
    pub hot_rows: u64,
    /// Files
    pub files: u64,
}

/// What a request that brings events in may do. Every request that reaches [`crate::App::ingest`] carries one among its extensions: each
/// protocol refuses in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sender {
    /// It may send
    May {
        /// Only this source
        source: Option<String>,
        /// Only for this cluster
        cluster: Option<String>,
    },
    /// It may not
    MayNot {
        /// 401, 403, or 500 when it cannot be said
        status: http::StatusCode,
        /// Why
        message: String,
    },
}

const FIXED: &str = "the tables of this server cannot be changed";

/// How a table comes to have columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableChange {
    /// It must not be there
    Create,
    /// It is made, or gets the columns it does not have
    CreateMerge,
    /// It has these columns from now on, and no others
    Alter,
    /// It gets the columns it does not have
    AlterMerge,
}

/// Where rows are kept.
#[async_trait]
pub trait Storage: Send + Sync + 'static {
    /// Appends rows to a table; members of a row that are no columns are left out. Durable when it returns.
    ///
    /// # Errors
    /// In words, when there is no such table, a value does not fit its column, or they cannot be written.
    async fn append(&self, table: &str, rows: Vec<serde_json::Map<String, Json>>) -> Result<u64, String>;

    /// What there is.
    ///
    /// # Errors
    /// In words, when it cannot be read.
    async fn statistics(&self) -> Result<Vec<TableStatistics>, String>;

    /// Whether rows are taken in at this moment.
    ///
    /// # Errors
    /// In words, why not.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// Makes or changes a table, with what it is and the heading it is listed under.
    ///
    /// # Errors
    /// In words, when that cannot be.
    async fn change_table(
        &self,
        _name: &str,
        _columns: Vec<(String, Type)>,
        _change: TableChange,
        _about: Option<String>,
        _folder: Option<String>,
    ) -> Result<(), String> {
        Err(FIXED.to_owned())
    }

    /// Drops a table with its rows.
    ///
    /// # Errors
    /// In words, when that cannot be.
    async fn drop_table(&self, _name: &str) -> Result<(), String> {
        Err(FIXED.to_owned())
    }

    /// Days that rows of a table are kept; `None`: for ever.
    ///
    /// # Errors
    /// In words, when there is no such table.
    async fn retention(&self, _table: &str) -> Result<Option<u32>, String> {
        Ok(None)
    }

    /// Says how long rows of a table are kept; `None`: as configured for all.
    ///
    /// # Errors
    /// In words, when that cannot be.
    async fn set_retention(&self, _table: &str, _days: Option<u32>) -> Result<(), String> {
        Err(FIXED.to_owned())
    }

    /// Writes rows in memory to files and merges small files, now rather than when it is due.
    ///
    /// # Errors
    /// In words, when files cannot be written.
    async fn compact(&self) -> Result<Compaction, String>;
}

/// What was merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Compaction {
    /// Files that others took the place of
    pub removed: u64,
    /// Files in their place
    pub added: u64,
    /// Files deleted from disk
    pub deleted: u64,
}
