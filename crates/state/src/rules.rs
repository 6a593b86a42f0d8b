//! What the rules remember between runs: how far they have read, when they last ran, until when they are quiet.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::Row as _;

use crate::{State, StateError, time};

/// What a rule remembers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RuleState {
    /// End of the last scheduled run's window
    pub last_run: Option<DateTime<Utc>>,
    /// No alerts before this time
    pub suppressed_until: Option<DateTime<Utc>>,
}

impl State {
    /// What all rules remember, by rule id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn rule_states(&self) -> Result<BTreeMap<String, RuleState>, StateError> {
        let rows = sqlx::query("SELECT rule, last_run, suppressed_until FROM rule_state")
            .fetch_all(&self.reader)
            .await?;
        let mut states = BTreeMap::new();
        for row in &rows {
            let state = RuleState {
                last_run: time::optional(row, "last_run")?,
                suppressed_until: time::optional(row, "suppressed_until")?,
            };
            states.insert(row.try_get("rule")?, state);
        }
        Ok(states)
    }

    /// What one rule remembers; nothing when it never ran.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn rule_state(&self, rule: &str) -> Result<RuleState, StateError> {
        let row = sqlx::query("SELECT last_run, suppressed_until FROM rule_state WHERE rule = $1")
            .bind(rule)
            .fetch_optional(&self.reader)
            .await?;
        let Some(row) = row else {
            return Ok(RuleState::default());
        };
        Ok(RuleState {
            last_run: time::optional(&row, "last_run")?,
            suppressed_until: time::optional(&row, "suppressed_until")?,
        })
    }

    /// Remembers for a rule.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_rule_state(&self, rule: &str, state: &RuleState) -> Result<(), StateError> {
        sqlx::query(
            "INSERT INTO rule_state (rule, last_run, suppressed_until) VALUES ($1, $2, $3) \
             ON CONFLICT (rule) DO UPDATE SET last_run = excluded.last_run, suppressed_until = excluded.suppressed_until",
        )
        .bind(rule)
        .bind(state.last_run.map(time::text))
        .bind(state.suppressed_until.map(time::text))
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// How far a reader of the log has come.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn consumer_position(&self, name: &str) -> Result<Option<u64>, StateError> {
        let position: Option<i64> = sqlx::query_scalar("SELECT position FROM consumers WHERE name = $1")
            .bind(name)
            .fetch_optional(&self.reader)
            .await?;
        Ok(position.and_then(|position| u64::try_from(position).ok()))
    }

    /// Notes how far a reader of the log has come; it never goes back.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_consumer_position(&self, name: &str, position: u64) -> Result<(), StateError> {
        let position = i64::try_from(position).map_err(|_| StateError::invalid("position", "is beyond what a log can hold"))?;
        sqlx::query(
            "INSERT INTO consumers (name, position) VALUES ($1, $2) \
             ON CONFLICT (name) DO UPDATE SET position = excluded.position WHERE consumers.position < excluded.position",
        )
        .bind(name)
        .bind(position)
        .execute(&self.writer)
        .await?;
        Ok(())
    }
}
