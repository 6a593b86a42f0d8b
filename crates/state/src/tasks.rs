//! What is to be done about an incident: a list that people tick off.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::Row as _;

use crate::activity::{Note, note};
use crate::db::{Connection, Row};
use crate::incidents::subject;
use crate::{State, StateError, time};

/// Most tasks of one incident.
pub const MOST: i64 = 100;
/// Longest title, in characters.
const LONGEST_TITLE: usize = 300;
/// Longest description, in bytes.
const LONGEST: usize = 10_000;

/// A task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// Identifier
    pub id: String,
    /// What to do
    pub title: String,
    /// How, in Markdown
    pub description: String,
    /// Who wrote it
    pub created_by: String,
    /// When
    pub created_at: DateTime<Utc>,
    /// Who did it
    pub done_by: Option<String>,
    /// When; none: it is still to be done
    pub done_at: Option<DateTime<Utc>>,
}

/// Changes to a task; what is none stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskUpdate {
    /// What to do
    pub title: Option<String>,
    /// How
    pub description: Option<String>,
    /// Whether it is done
    pub done: Option<bool>,
}

fn read(row: &Row) -> Result<Task, StateError> {
    Ok(Task {
        id: row.try_get("id")?,
        title: row.try_get("title")?,
        description: row.try_get("description")?,
        created_by: row.try_get("created_by")?,
        created_at: time::get(row, "created_at")?,
        done_by: row.try_get("done_by")?,
        done_at: time::optional(row, "done_at")?,
    })
}

fn check(title: &str, description: &str) -> Result<(), StateError> {
    if title.is_empty() || title.chars().count() > LONGEST_TITLE {
        return Err(StateError::invalid(
            "title",
            format!("a task's title has 1 to {LONGEST_TITLE} characters"),
        ));
    }
    if description.len() > LONGEST {
        return Err(StateError::invalid(
            "description",
            format!("a description has at most {LONGEST} bytes"),
        ));
    }
    Ok(())
}

async fn touch(connection: &mut Connection, incident: i64, now: DateTime<Utc>) -> Result<(), StateError> {
    let touched = sqlx::query("UPDATE incidents SET updated_at = $1 WHERE number = $2")
        .bind(time::text(now))
        .bind(incident)
        .execute(connection)
        .await?;
    if touched.rows_affected() == 0 {
        return Err(StateError::not_found("incident", incident));
    }
    Ok(())
}

async fn task_in(connection: &mut Connection, incident: i64, id: &str) -> Result<Task, StateError> {
    let row = sqlx::query("SELECT * FROM tasks WHERE id = $1 AND incident = $2")
        .bind(id)
        .bind(incident)
        .fetch_optional(connection)
        .await?
        .ok_or_else(|| StateError::not_found("task", id))?;
    read(&row)
}

impl State {
    /// Tasks of an incident, in the order they were written.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tasks(&self, incident: i64) -> Result<Vec<Task>, StateError> {
        sqlx::query("SELECT * FROM tasks WHERE incident = $1 ORDER BY created_at, id")
            .bind(incident)
            .fetch_all(&self.reader)
            .await?
            .iter()
            .map(read)
            .collect()
    }

    /// Adds a task.
    ///
    /// # Errors
    /// When there is no such incident, it has too many tasks, or a text is empty or too long.
    pub async fn add_task(&self, incident: i64, title: &str, description: &str, who: &str, now: DateTime<Utc>) -> Result<Task, StateError> {
        let (title, description) = (title.trim(), description.trim());
        check(title, description)?;
        let task = Task {
            // Version 7 identifiers grow, so that tasks of one moment keep their order.
            id: uuid::Uuid::now_v7().to_string(),
            title: title.to_owned(),
            description: description.to_owned(),
            created_by: who.to_owned(),
            created_at: now,
            done_by: None,
            done_at: None,
        };
        let mut transaction = self.begin().await?;
        touch(&mut transaction, incident, now).await?;
        let known: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM tasks WHERE incident = $1")
            .bind(incident)
            .fetch_one(&mut *transaction)
            .await?;
        if known >= MOST {
            return Err(StateError::invalid("task", format!("an incident has at most {MOST} tasks")));
        }
        sqlx::query("INSERT INTO tasks (id, incident, title, description, created_by, created_at) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(&task.id)
            .bind(incident)
            .bind(title)
            .bind(description)
            .bind(who)
            .bind(time::text(now))
            .execute(&mut *transaction)
            .await?;
        let added = Note {
            action: "task added",
            field: Some("task"),
            to: Some(title),
            ..Note::default()
        };
        note(&mut transaction, &subject(incident), who, now, added).await?;
        transaction.commit().await?;
        Ok(task)
    }

    /// Changes a task, ticks it off, or opens it again.
    ///
    /// # Errors
    /// When there is no such task, or a text is empty or too long.
    pub async fn change_task(
        &self,
        incident: i64,
        id: &str,
        update: &TaskUpdate,
        who: &str,
        now: DateTime<Utc>,
    ) -> Result<Task, StateError> {
        let mut transaction = self.begin().await?;
        let before = task_in(&mut transaction, incident, id).await?;
        let mut after = before.clone();
        if let Some(title) = &update.title {
            title.trim().clone_into(&mut after.title);
        }
        if let Some(description) = &update.description {
            description.trim().clone_into(&mut after.description);
        }
        check(&after.title, &after.description)?;
        match update.done {
            Some(true) if before.done_at.is_none() => (after.done_by, after.done_at) = (Some(who.to_owned()), Some(now)),
            Some(false) => (after.done_by, after.done_at) = (None, None),
            _ => {}
        }
        if after == before {
            return Ok(before);
        }
        touch(&mut transaction, incident, now).await?;
        sqlx::query("UPDATE tasks SET title = $1, description = $2, done_by = $3, done_at = $4 WHERE id = $5")
            .bind(&after.title)
            .bind(&after.description)
            .bind(&after.done_by)
            .bind(after.done_at.map(time::text))
            .bind(id)
            .execute(&mut *transaction)
            .await?;
        let action = match (before.done_at, after.done_at) {
            (None, Some(_)) => "task done",
            (Some(_), None) => "task opened again",
            _ => "task changed",
        };
        let changed = Note {
            action,
            field: Some("task"),
            to: Some(&after.title),
            ..Note::default()
        };
        note(&mut transaction, &subject(incident), who, now, changed).await?;
        transaction.commit().await?;
        Ok(after)
    }

    /// Removes a task.
    ///
    /// # Errors
    /// When there is no such task.
    pub async fn remove_task(&self, incident: i64, id: &str, who: &str, now: DateTime<Utc>) -> Result<(), StateError> {
        let mut transaction = self.begin().await?;
        let task = task_in(&mut transaction, incident, id).await?;
        sqlx::query("DELETE FROM tasks WHERE id = $1")
            .bind(id)
            .execute(&mut *transaction)
            .await?;
        touch(&mut transaction, incident, now).await?;
        let removed = Note {
            action: "task removed",
            field: Some("task"),
            from: Some(&task.title),
            ..Note::default()
        };
        note(&mut transaction, &subject(incident), who, now, removed).await?;
        transaction.commit().await?;
        Ok(())
    }
}
