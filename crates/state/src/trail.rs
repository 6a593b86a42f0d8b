//! The trail of what people did: every change of every kind, read across subjects.
//!
//! Changes are noted where they are made, in the same transaction (`activity`); what is done elsewhere (signing in, exporting)
//! is noted by [`State::record_action`].

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{QueryBuilder, Row as _};

use crate::activity::{Note, SYSTEM, note};
use crate::db::{Database, Row};
use crate::{State, StateError, time};

/// Longest name or value that is noted for somebody who may not be who they say.
const LONGEST: usize = 200;

/// One action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TrailEntry {
    /// Identifier; later ones are greater
    pub id: String,
    /// When
    pub at: DateTime<Utc>,
    /// Who: a user's name, or `token/NAME`
    pub who: String,
    /// What it was done to: `incident/12`, `user/ann`, `token/ID`, `workbooks/ID`, `session/ann`, …
    pub subject: String,
    /// What was done
    pub action: String,
    /// Which field
    pub field: Option<String>,
    /// Its value before
    pub from: Option<String>,
    /// Its value now
    pub to: Option<String>,
}

/// Which actions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrailFilter {
    /// By these; none: by anybody but the software itself
    pub who: Vec<String>,
    /// To things of these kinds: the subject up to its `/`
    pub kind: Vec<String>,
    /// With these words in who, what or to what
    pub search: String,
    /// At this time or later
    pub since: Option<DateTime<Utc>>,
    /// Before this time
    pub until: Option<DateTime<Utc>>,
}

/// A part of the trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TrailPage {
    /// Newest first
    pub items: Vec<TrailEntry>,
    /// How many there are
    pub total: i64,
    /// Who did something, of all there is
    pub people: Vec<String>,
    /// Kinds of things that something was done to
    pub kinds: Vec<String>,
}

fn read(row: &Row) -> Result<TrailEntry, StateError> {
    Ok(TrailEntry {
        id: row.try_get("id")?,
        at: time::get(row, "at")?,
        who: row.try_get("who")?,
        subject: row.try_get("subject")?,
        action: row.try_get("action")?,
        field: row.try_get("field")?,
        from: row.try_get("old_value")?,
        to: row.try_get("new_value")?,
    })
}

/// A text that is looked for as it is.
fn contains(text: &str) -> String {
    let escaped = text.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{escaped}%")
}

fn narrowed(start: &'static str, filter: &TrailFilter) -> QueryBuilder<Database> {
    let mut query = QueryBuilder::new(start);
    query.push(" FROM activity WHERE who <> ").push_bind(SYSTEM.to_owned());
    if !filter.who.is_empty() {
        query.push(" AND who IN (");
        let mut list = query.separated(", ");
        for who in &filter.who {
            list.push_bind(who.clone());
        }
        query.push(")");
    }
    if !filter.kind.is_empty() {
        query.push(" AND (");
        for (at, kind) in filter.kind.iter().enumerate() {
            if at > 0 {
                query.push(" OR ");
            }
            query
                .push("subject LIKE ")
                .push_bind(format!("{}/%", kind.replace(['%', '_', '\\'], "")));
        }
        query.push(")");
    }
    for word in filter.search.split_whitespace() {
        let text =
            " AND LOWER(who || ' ' || subject || ' ' || action || ' ' || COALESCE(field, '') || ' ' || COALESCE(new_value, '')) LIKE ";
        query.push(text).push_bind(contains(word)).push(" ESCAPE '\\'");
    }
    if let Some(since) = filter.since {
        query.push(" AND at >= ").push_bind(time::text(since));
    }
    if let Some(until) = filter.until {
        query.push(" AND at < ").push_bind(time::text(until));
    }
    query
}

impl State {
    /// What people did, newest first.
    ///
    /// # Errors
    /// When the limit or offset makes no sense, or the database fails.
    pub async fn trail(&self, filter: &TrailFilter, limit: i64, offset: i64) -> Result<TrailPage, StateError> {
        if !(1..=1000).contains(&limit) || offset < 0 {
            return Err(StateError::invalid("limit", "limit is 1 to 1000, offset is not negative"));
        }
        let mut query = narrowed("SELECT *", filter);
        query
            .push(" ORDER BY at DESC, id DESC LIMIT ")
            .push_bind(limit)
            .push(" OFFSET ")
            .push_bind(offset);
        let rows = query.build().fetch_all(&self.reader).await?;
        let total: i64 = narrowed("SELECT COUNT(*)", filter)
            .build_query_scalar()
            .fetch_one(&self.reader)
            .await?;
        let people = sqlx::query_scalar("SELECT DISTINCT who FROM activity WHERE who <> $1 ORDER BY who LIMIT 500")
            .bind(SYSTEM)
            .fetch_all(&self.reader)
            .await?;
        let kinds = sqlx::query_scalar(
            "SELECT DISTINCT SUBSTR(subject, 1, LENGTH(subject) - LENGTH(LTRIM(subject, \
             'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_'))) AS kind FROM activity WHERE who <> $1 ORDER BY kind",
        )
        .bind(SYSTEM)
        .fetch_all(&self.reader)
        .await?;
        Ok(TrailPage {
            items: rows.iter().map(read).collect::<Result<_, _>>()?,
            total,
            people,
            kinds,
        })
    }

    /// People's actions after the one with this identifier, oldest first; an empty identifier is before all.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn trail_after(&self, id: &str, most: i64) -> Result<Vec<TrailEntry>, StateError> {
        sqlx::query("SELECT * FROM activity WHERE id > $1 AND who <> $2 ORDER BY id LIMIT $3")
            .bind(id)
            .bind(SYSTEM)
            .bind(most)
            .fetch_all(&self.reader)
            .await?
            .iter()
            .map(read)
            .collect()
    }

    /// Notes something that was done outside of the state.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn record_action(
        &self,
        who: &str,
        subject: &str,
        action: &str,
        about: Option<(&str, &str)>,
        now: DateTime<Utc>,
    ) -> Result<(), StateError> {
        let cut = |text: &str| text.chars().take(LONGEST).collect::<String>();
        let value = about.map(|(_, value)| cut(value));
        let mut transaction = self.begin().await?;
        let entry = Note {
            action,
            field: about.map(|(field, _)| field),
            from: None,
            to: value.as_deref(),
        };
        note(&mut transaction, &cut(subject), &cut(who), now, entry).await?;
        transaction.commit().await?;
        Ok(())
    }
}
