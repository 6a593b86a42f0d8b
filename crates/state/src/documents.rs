//! Documents that people keep: workbooks, hunting queries, saved queries, views of the queue.
//!
//! What is in a document is the business of whoever shows it; here it is JSON under a kind and an id, with somebody who owns
//! it, or nobody: then it is everybody's.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::Row as _;

use crate::activity::{Note, note};
use crate::db::Row;
use crate::{State, StateError, time};

/// Largest document, bytes of JSON.
pub const LARGEST: usize = 512 * 1024;

/// A document.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// What it is: `workbooks`, `hunting`, `queries`, `views`
    pub kind: String,
    /// Name in addresses, unique in its kind
    pub id: String,
    /// Whose it is; empty: everybody's
    pub owner: String,
    /// What people call it
    pub name: String,
    /// The document itself
    pub body: Value,
    /// Last change
    pub updated_at: DateTime<Utc>,
    /// Who made it
    pub updated_by: String,
}

/// A document to be kept.
#[derive(Debug, Clone)]
pub struct NewDocument<'a> {
    /// What it is
    pub kind: &'a str,
    /// Name in addresses
    pub id: &'a str,
    /// Whose it is; empty: everybody's
    pub owner: &'a str,
    /// What people call it
    pub name: &'a str,
    /// The document itself
    pub body: &'a Value,
    /// The change it was made from; when it has been changed since, it is not overwritten
    pub based_on: Option<DateTime<Utc>>,
}

fn read(row: &Row) -> Result<Document, StateError> {
    let id: String = row.try_get("id")?;
    let body = serde_json::from_str(row.try_get("body")?).map_err(|error| StateError::Corrupt {
        what: "document",
        reason: format!("{id}: {error}"),
    })?;
    Ok(Document {
        kind: row.try_get("kind")?,
        id,
        owner: row.try_get("owner")?,
        name: row.try_get("name")?,
        body,
        updated_at: time::get(row, "updated_at")?,
        updated_by: row.try_get("updated_by")?,
    })
}

fn check(new: &NewDocument<'_>) -> Result<String, StateError> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if new.id.is_empty() || new.id.len() > 80 || !new.id.chars().all(allowed) {
        return Err(StateError::invalid("id", "an id has 1 to 80 small letters, digits and '-'"));
    }
    if new.name.trim().is_empty() || new.name.chars().count() > 200 {
        return Err(StateError::invalid("name", "a name has 1 to 200 characters"));
    }
    let text = new.body.to_string();
    if text.len() > LARGEST {
        return Err(StateError::invalid("body", format!("a document has at most {LARGEST} bytes")));
    }
    Ok(text)
}

impl State {
    /// The documents of a kind that a user sees: everybody's, and the user's own.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn documents(&self, kind: &str, user: &str) -> Result<Vec<Document>, StateError> {
        let rows = sqlx::query("SELECT * FROM documents WHERE kind = $1 AND (owner = '' OR owner = $2) ORDER BY LOWER(name), id")
            .bind(kind)
            .bind(user)
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(read).collect()
    }

    /// Keeps a document, in place of the one of the same id.
    ///
    /// # Errors
    /// When it is somebody else's, or was changed since what it is based on.
    pub async fn keep_document(&self, new: &NewDocument<'_>, who: &str, now: DateTime<Utc>) -> Result<Document, StateError> {
        let text = check(new)?;
        let mut transaction = self.begin().await?;
        let before = sqlx::query("SELECT * FROM documents WHERE kind = $1 AND id = $2")
            .bind(new.kind)
            .bind(new.id)
            .fetch_optional(&mut *transaction)
            .await?;
        if let Some(before) = before.as_ref().map(read).transpose()? {
            let foreign = !before.owner.is_empty() && before.owner != who;
            let newer = new
                .based_on
                .is_some_and(|based_on| time::text(based_on) != time::text(before.updated_at));
            if foreign || newer {
                return Err(StateError::Exists {
                    what: "newer or foreign document",
                    name: new.id.to_owned(),
                });
            }
        }
        sqlx::query(
            "INSERT INTO documents (kind, id, owner, name, body, updated_at, updated_by) VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT (kind, id) DO UPDATE SET owner = excluded.owner, name = excluded.name, body = excluded.body, \
             updated_at = excluded.updated_at, updated_by = excluded.updated_by",
        )
        .bind(new.kind)
        .bind(new.id)
        .bind(new.owner)
        .bind(new.name.trim())
        .bind(text)
        .bind(time::text(now))
        .bind(who)
        .execute(&mut *transaction)
        .await?;
        // What is one person's own needs no trail.
        if new.owner.is_empty() {
            let changed = Note {
                action: if before.is_some() { "changed" } else { "created" },
                ..Note::default()
            };
            note(&mut transaction, &format!("{}/{}", new.kind, new.id), who, now, changed).await?;
        }
        let row = sqlx::query("SELECT * FROM documents WHERE kind = $1 AND id = $2")
            .bind(new.kind)
            .bind(new.id)
            .fetch_one(&mut *transaction)
            .await?;
        let kept = read(&row)?;
        transaction.commit().await?;
        Ok(kept)
    }

    /// Removes a document that is everybody's or the user's own.
    ///
    /// # Errors
    /// When there is none.
    pub async fn remove_document(&self, kind: &str, id: &str, who: &str, now: DateTime<Utc>) -> Result<(), StateError> {
        let mut transaction = self.begin().await?;
        let removed = sqlx::query("DELETE FROM documents WHERE kind = $1 AND id = $2 AND (owner = '' OR owner = $3)")
            .bind(kind)
            .bind(id)
            .bind(who)
            .execute(&mut *transaction)
            .await?;
        if removed.rows_affected() == 0 {
            return Err(StateError::not_found("document", id));
        }
        let gone = Note {
            action: "removed",
            ..Note::default()
        };
        note(&mut transaction, &format!("{kind}/{id}"), who, now, gone).await?;
        transaction.commit().await?;
        Ok(())
    }
}
