//! What people change: users, sessions, tokens, incidents with their alerts, tasks and comments, and what the rules remember.
//!
//! One module per aggregate; each adds its functions to [`State`]. Time is an argument of every function that needs it, so
//! that the caller's clock decides. Knows nothing of HTTP, queries or where rows are stored.
//!
//! The SQL is common to SQLite and PostgreSQL; what differs is in `db`.
//!
//! ```no_run
//! # async fn example() -> Result<(), taffrail_state::StateError> {
//! let state = taffrail_state::State::open("data/state.sqlite").await?;
//! if let Some(first) = state.ensure_administrator(chrono::Utc::now()).await? {
//!     println!("{} / {}", first.user, first.password);
//! }
//! # Ok(()) }
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod activity;
pub mod alerts;
pub mod comments;
mod db;
pub mod documents;
mod error;
pub mod history;
mod incident_list;
mod incident_record;
pub mod incidents;
mod password;
pub mod rules;
mod secret;
pub mod sessions;
pub mod settings;
pub mod tasks;
#[cfg(test)]
mod tests;
mod time;
pub mod tokens;
pub mod trail;
pub mod users;

use std::path::Path;

use db::{Pool, Transaction};
pub use error::StateError;

/// The database, cheap to clone.
#[derive(Debug, Clone)]
pub struct State {
    // SQLite has one writer at a time: a pool of one connection queues writers here instead of failing them with "busy".
    writer: Pool,
    reader: Pool,
}

impl State {
    /// Opens a SQLite file, creating it and bringing its tables up to date.
    ///
    /// # Errors
    /// When the file cannot be opened or written, or was written by a newer version.
    pub async fn open(path: impl AsRef<Path>) -> Result<State, StateError> {
        let (writer, reader) = db::open(path.as_ref()).await?;
        Ok(State { writer, reader })
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), StateError> {
        sqlx::query("SELECT 1").execute(&self.reader).await?;
        Ok(())
    }

    /// Copies the database as it is at this moment to another file, which is replaced.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn copy_to(&self, target: &Path) -> Result<(), StateError> {
        db::copy(&self.writer, target).await
    }

    /// Waits for what is under way and closes the file.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }

    /// Removes what has expired: sessions, failed sign-ins of yesterday, history beyond its limit.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tidy(&self, now: chrono::DateTime<chrono::Utc>) -> Result<(), StateError> {
        self.tidy_sessions(now).await?;
        self.tidy_failures(now).await?;
        self.tidy_history().await
    }

    async fn begin(&self) -> Result<Transaction, StateError> {
        db::begin(&self.writer).await
    }
}
