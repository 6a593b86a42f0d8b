//! Settings changed at run time, each a JSON value under a name.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::activity::{Note, SYSTEM, note};
use crate::{State, StateError, time};

impl State {
    /// A setting.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn setting(&self, name: &str) -> Result<Option<Value>, StateError> {
        let text: Option<String> = sqlx::query_scalar("SELECT value FROM settings WHERE name = $1")
            .bind(name)
            .fetch_optional(&self.reader)
            .await?;
        text.map(|text| {
            serde_json::from_str(&text).map_err(|error| StateError::Corrupt {
                what: "setting",
                reason: format!("{name}: {error}"),
            })
        })
        .transpose()
    }

    /// Sets a setting.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_setting(&self, name: &str, value: &Value, who: &str, now: DateTime<Utc>) -> Result<(), StateError> {
        let mut transaction = self.begin().await?;
        sqlx::query(
            "INSERT INTO settings (name, value, updated_at, updated_by) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at, \
             updated_by = excluded.updated_by",
        )
        .bind(name)
        .bind(value.to_string())
        .bind(time::text(now))
        .bind(who)
        .execute(&mut *transaction)
        .await?;
        let text = value.to_string();
        let changed = Note {
            action: "changed",
            field: Some("value"),
            from: None,
            to: Some(&text),
        };
        // What the software remembers for itself is nobody's action.
        if who != SYSTEM {
            note(&mut transaction, &format!("setting/{name}"), who, now, changed).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}
