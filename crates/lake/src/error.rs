//! What can go wrong with the lake, in words an operator can act on.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why the lake refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// Another process has the data directory
    #[error("{directory} is in use by {process}; stop it, or choose another data directory", directory = directory.display())]
    Locked {
        /// The data directory
        directory: PathBuf,
        /// Who has it: `process 4711`
        process: String,
    },
    /// The operating system refused
    #[error("cannot {action} {path}: {source}", path = path.display())]
    Io {
        /// What was tried: `read`, `write`
        action: &'static str,
        /// On which file or folder
        path: PathBuf,
        /// What the system said
        source: std::io::Error,
    },
    /// The write-ahead log is damaged where rows were acknowledged
    #[error("{path} is damaged at byte {offset}: {message}; restore the file from a backup, or move it away to go on without its rows", path = path.display())]
    Corrupt {
        /// The segment
        path: PathBuf,
        /// Where in the segment
        offset: u64,
        /// What is wrong there
        message: String,
    },
    /// No such table in the schema
    #[error("there is no table {table}")]
    UnknownTable {
        /// Name asked for
        table: String,
    },
    /// Rows that are not the table's
    #[error("rows for {table} refused: {message}")]
    Batch {
        /// The table
        table: String,
        /// What does not fit
        message: String,
    },
    /// A table definition and what is stored contradict each other
    #[error("table {table}: {message}")]
    Table {
        /// The table
        table: String,
        /// What is wrong
        message: String,
    },
    /// An earlier failure to make rows durable; the lake takes nothing in until it is opened again
    #[error("the lake stopped taking rows: {reason}; free or repair the disk and restart")]
    Failed {
        /// What failed
        reason: String,
    },
    /// A write that failed without harm to what is stored
    #[error("rows were not stored: {reason}")]
    NotStored {
        /// What failed
        reason: String,
    },
    /// Closed by [`crate::Lake::close`]
    #[error("the lake is closed")]
    Closed,
    /// Opened by [`crate::Lake::open_read_only`]
    #[error("the lake was opened read-only")]
    ReadOnly,
    /// More arrives than can be written to files
    #[error("rows wait for the disk: {bytes} bytes are not yet in files after {waited:?}; send again later")]
    Busy {
        /// How long the append waited
        waited: Duration,
        /// Bytes in memory
        bytes: u64,
    },
    /// A table has all that it may have
    #[error("table {table} has {bytes} bytes of the {limit} that its quota allows; raise the quota, or shorten its retention")]
    Quota {
        /// The table
        table: String,
        /// Bytes it has
        bytes: u64,
        /// Bytes it may have
        limit: u64,
    },
    /// The log was already cut there
    #[error(
        "the log no longer has position {position}, the oldest is {oldest}; register the consumer with set_consumer to keep what it has not read"
    )]
    Gone {
        /// First position asked for
        position: u64,
        /// First position there is
        oldest: u64,
    },
    /// The Delta log cannot be read or written
    #[error("Delta table {table}: {source}")]
    Delta {
        /// The table
        table: String,
        /// What the Delta library said
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Record batches cannot be combined or converted
    #[error("{table}: {source}")]
    Arrow {
        /// The table
        table: String,
        /// What Arrow said
        source: arrow::error::ArrowError,
    },
    /// A Parquet file cannot be read or written
    #[error("{path}: {source}", path = path.display())]
    Parquet {
        /// The file
        path: PathBuf,
        /// What the Parquet library said
        source: parquet::errors::ParquetError,
    },
    /// Work of the lake was cut off
    #[error("{work} did not finish: {reason}")]
    Interrupted {
        /// Which work
        work: &'static str,
        /// Why
        reason: String,
    },
}

impl LakeError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> LakeError {
        let path = path.to_owned();
        move |source| LakeError::Io { action, path, source }
    }

    pub(crate) fn arrow(table: &str) -> impl FnOnce(arrow::error::ArrowError) -> LakeError {
        let table = table.to_owned();
        move |source| LakeError::Arrow { table, source }
    }

    pub(crate) fn parquet(path: &Path) -> impl FnOnce(parquet::errors::ParquetError) -> LakeError {
        let path = path.to_owned();
        move |source| LakeError::Parquet { path, source }
    }

    pub(crate) fn delta<E>(table: &str) -> impl FnOnce(E) -> LakeError
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let table = table.to_owned();
        move |source| LakeError::Delta {
            table,
            source: source.into(),
        }
    }
}

/// Runs blocking work (files, encoding) beside the event loop.
pub(crate) async fn blocking<T: Send + 'static>(
    work: &'static str,
    run: impl FnOnce() -> Result<T, LakeError> + Send + 'static,
) -> Result<T, LakeError> {
    match tokio::task::spawn_blocking(run).await {
        Ok(result) => result,
        Err(error) => Err(LakeError::Interrupted {
            work,
            reason: error.to_string(),
        }),
    }
}
