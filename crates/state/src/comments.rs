//! What people say about an incident.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::Row as _;

use crate::activity::{Note, note};
use crate::db::Row;
use crate::{State, StateError, time};

/// Longest comment, in bytes.
pub const LONGEST: usize = 30_000;

/// A comment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Comment {
    /// Identifier
    pub id: String,
    /// User who wrote it
    pub author: String,
    /// Text
    pub message: String,
    /// When
    pub created_at: DateTime<Utc>,
}

fn read(row: &Row) -> Result<Comment, StateError> {
    Ok(Comment {
        id: row.try_get("id")?,
        author: row.try_get("author")?,
        message: row.try_get("message")?,
        created_at: time::get(row, "created_at")?,
    })
}

impl State {
    /// Comments of an incident, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn comments(&self, incident: i64) -> Result<Vec<Comment>, StateError> {
        sqlx::query("SELECT * FROM comments WHERE incident = $1 ORDER BY created_at, id")
            .bind(incident)
            .fetch_all(&self.reader)
            .await?
            .iter()
            .map(read)
            .collect()
    }

    /// Adds a comment.
    ///
    /// # Errors
    /// When there is no such incident, or the text is empty or too long.
    pub async fn add_comment(&self, incident: i64, author: &str, message: &str, now: DateTime<Utc>) -> Result<Comment, StateError> {
        let message = message.trim();
        if message.is_empty() || message.len() > LONGEST {
            return Err(StateError::invalid("message", format!("a comment has 1 to {LONGEST} bytes")));
        }
        let comment = Comment {
            id: uuid::Uuid::now_v7().to_string(),
            author: author.to_owned(),
            message: message.to_owned(),
            created_at: now,
        };
        let mut transaction = self.begin().await?;
        let touched = sqlx::query("UPDATE incidents SET updated_at = $1 WHERE number = $2")
            .bind(time::text(now))
            .bind(incident)
            .execute(&mut *transaction)
            .await?;
        if touched.rows_affected() == 0 {
            return Err(StateError::not_found("incident", incident));
        }
        sqlx::query("INSERT INTO comments (id, incident, author, message, created_at) VALUES ($1, $2, $3, $4, $5)")
            .bind(&comment.id)
            .bind(incident)
            .bind(author)
            .bind(message)
            .bind(time::text(now))
            .execute(&mut *transaction)
            .await?;
        let commented = Note {
            action: "commented",
            ..Note::default()
        };
        note(&mut transaction, &format!("incident/{incident}"), author, now, commented).await?;
        transaction.commit().await?;
        Ok(comment)
    }
}
