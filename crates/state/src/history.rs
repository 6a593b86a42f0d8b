//! Queries a user has run.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::Row as _;

use crate::{State, StateError, time};

/// Entries kept of each user.
pub const KEPT: i64 = 1_000;

/// A query that was run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    /// KQL
    pub query: String,
    /// When
    pub at: DateTime<Utc>,
    /// How long it took, milliseconds
    pub elapsed_ms: i64,
    /// Rows it gave; none when it failed
    pub rows: Option<i64>,
    /// What went wrong
    pub error: Option<String>,
}

impl State {
    /// A user's queries, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn history(&self, user: &str, limit: i64) -> Result<Vec<HistoryEntry>, StateError> {
        let rows = sqlx::query("SELECT * FROM query_history WHERE user_name = $1 ORDER BY at DESC, id DESC LIMIT $2")
            .bind(user)
            .bind(limit.clamp(1, KEPT))
            .fetch_all(&self.reader)
            .await?;
        rows.iter()
            .map(|row| {
                Ok(HistoryEntry {
                    query: row.try_get("query")?,
                    at: time::get(row, "at")?,
                    elapsed_ms: row.try_get("elapsed_ms")?,
                    rows: row.try_get("row_count")?,
                    error: row.try_get("error")?,
                })
            })
            .collect()
    }

    /// Adds a query to a user's history.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_history(&self, user: &str, entry: &HistoryEntry) -> Result<(), StateError> {
        sqlx::query(
            "INSERT INTO query_history (id, user_name, query, at, elapsed_ms, row_count, error) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(uuid::Uuid::now_v7().to_string())
        .bind(user)
        .bind(&entry.query)
        .bind(time::text(entry.at))
        .bind(entry.elapsed_ms)
        .bind(entry.rows)
        .bind(&entry.error)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    pub(crate) async fn tidy_history(&self) -> Result<(), StateError> {
        sqlx::query(
            "DELETE FROM query_history WHERE id IN (SELECT id FROM (SELECT id, ROW_NUMBER() OVER \
             (PARTITION BY user_name ORDER BY at DESC, id DESC) AS age FROM query_history) AS aged WHERE age > $1)",
        )
        .bind(KEPT)
        .execute(&self.writer)
        .await?;
        Ok(())
    }
}
