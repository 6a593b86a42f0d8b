//! Who changed what, and when.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::Row as _;

use crate::db::{Connection, Row};
use crate::{State, StateError, time};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Activity {
    /// When
    pub at: DateTime<Utc>,
    /// Who: a user's name, or `taffrail` for what rules do
    pub who: String,
    /// What was done: `created`, `changed`, `commented`, `alert added`, …
    pub action: String,
    /// Which field
    pub field: Option<String>,
    /// Its value before
    pub from: Option<String>,
    /// Its value now
    pub to: Option<String>,
}

/// A change to be noted.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Note<'a> {
    pub action: &'a str,
    pub field: Option<&'a str>,
    pub from: Option<&'a str>,
    pub to: Option<&'a str>,
}

/// Name under which the software's own changes are noted.
pub const SYSTEM: &str = "taffrail";

pub(crate) async fn note(
    connection: &mut Connection,
    subject: &str,
    who: &str,
    now: DateTime<Utc>,
    note: Note<'_>,
) -> Result<(), StateError> {
    sqlx::query(
        "INSERT INTO activity (id, at, who, subject, action, field, old_value, new_value) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    // Version 7 identifiers grow, so that entries of one moment keep their order.
    .bind(uuid::Uuid::now_v7().to_string())
    .bind(time::text(now))
    .bind(who)
    .bind(subject)
    .bind(note.action)
    .bind(note.field)
    .bind(note.from)
    .bind(note.to)
    .execute(connection)
    .await?;
    Ok(())
}

fn read(row: &Row) -> Result<Activity, StateError> {
    Ok(Activity {
        at: time::get(row, "at")?,
        who: row.try_get("who")?,
        action: row.try_get("action")?,
        field: row.try_get("field")?,
        from: row.try_get("old_value")?,
        to: row.try_get("new_value")?,
    })
}

impl State {
    /// Changes of one thing (`incident/12`, `user/ann`, `token/ID`), oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn activity(&self, subject: &str) -> Result<Vec<Activity>, StateError> {
        sqlx::query("SELECT * FROM activity WHERE subject = $1 ORDER BY at, id")
            .bind(subject)
            .fetch_all(&self.reader)
            .await?
            .iter()
            .map(read)
            .collect()
    }
}
