//! Tokens for machines: to send events in (and nothing else), or to use the API with a role.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use sqlx::Row as _;

use crate::activity::{Note, note};
use crate::db::Row;
use crate::users::Role;
use crate::{State, StateError, secret, time};

/// What every token begins with, so that secret scanners know it.
pub const PREFIX: &str = "tfr_";

/// What a token is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Scope {
    /// Sends events in; cannot read
    Ingest {
        /// Only this source
        #[serde(default)]
        source: Option<String>,
        /// Only for this cluster
        #[serde(default)]
        cluster: Option<String>,
    },
    /// Uses the API
    Api {
        /// As this role
        role: Role,
    },
}

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    /// Identifier
    pub id: String,
    /// What people call it
    pub name: String,
    /// What it is for
    #[serde(flatten)]
    pub scope: Scope,
    /// Who made it
    pub created_by: String,
    /// When
    pub created_at: DateTime<Utc>,
    /// Until when it is good; none: until revoked
    pub expires_at: Option<DateTime<Utc>>,
    /// Last use (to the minute)
    pub last_used: Option<DateTime<Utc>>,
}

fn read(row: &Row) -> Result<Token, StateError> {
    let scope = match row.try_get::<&str, _>("kind")? {
        "ingest" => Scope::Ingest {
            source: row.try_get("source")?,
            cluster: row.try_get("cluster")?,
        },
        "api" => Scope::Api {
            role: row.try_get::<&str, _>("role")?.parse()?,
        },
        other => {
            return Err(StateError::Corrupt {
                what: "token kind",
                reason: format!("{other} is not one"),
            });
        }
    };
    Ok(Token {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        scope,
        created_by: row.try_get("created_by")?,
        created_at: time::get(row, "created_at")?,
        expires_at: time::optional(row, "expires_at")?,
        last_used: time::optional(row, "last_used")?,
    })
}

impl State {
    /// Tokens, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tokens(&self) -> Result<Vec<Token>, StateError> {
        sqlx::query("SELECT * FROM tokens ORDER BY created_at DESC, id DESC")
            .fetch_all(&self.reader)
            .await?
            .iter()
            .map(read)
            .collect()
    }

    /// Makes a token; the text beside it is the secret, to be shown once.
    ///
    /// # Errors
    /// When the name is empty or too long, or the expiry is in the past.
    pub async fn add_token(
        &self,
        name: &str,
        scope: Scope,
        expires_at: Option<DateTime<Utc>>,
        who: &str,
        now: DateTime<Utc>,
    ) -> Result<(Token, String), StateError> {
        if name.trim().is_empty() || name.len() > 200 {
            return Err(StateError::invalid("name", "a token's name has 1 to 200 bytes"));
        }
        if expires_at.is_some_and(|at| at <= now) {
            return Err(StateError::invalid("expiresAt", "is in the past"));
        }
        let text = format!("{PREFIX}{}", secret::random());
        let token = Token {
            id: uuid::Uuid::now_v7().to_string(),
            name: name.trim().to_owned(),
            scope,
            created_by: who.to_owned(),
            created_at: now,
            expires_at,
            last_used: None,
        };
        let (kind, role, source, cluster) = match &token.scope {
            Scope::Ingest { source, cluster } => ("ingest", None, source.clone(), cluster.clone()),
            Scope::Api { role } => ("api", Some(role.as_str()), None, None),
        };
        let mut transaction = self.begin().await?;
        sqlx::query(
            "INSERT INTO tokens (id, name, kind, role, source, cluster, hash, created_by, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(&token.id)
        .bind(&token.name)
        .bind(kind)
        .bind(role)
        .bind(source)
        .bind(cluster)
        .bind(secret::hash(&text))
        .bind(who)
        .bind(time::text(now))
        .bind(expires_at.map(time::text))
        .execute(&mut *transaction)
        .await?;
        let created = Note {
            action: "created",
            field: Some("name"),
            to: Some(&token.name),
            ..Note::default()
        };
        note(&mut transaction, &format!("token/{}", token.id), who, now, created).await?;
        transaction.commit().await?;
        Ok((token, text))
    }

    /// The token of that text, when there is one that is still good.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find_token(&self, text: &str, now: DateTime<Utc>) -> Result<Option<Token>, StateError> {
        if !text.starts_with(PREFIX) {
            return Ok(None);
        }
        let row = sqlx::query("SELECT * FROM tokens WHERE hash = $1")
            .bind(secret::hash(text))
            .fetch_optional(&self.reader)
            .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let token = read(&row)?;
        if token.expires_at.is_some_and(|at| at <= now) {
            return Ok(None);
        }
        // To the minute is enough: ingestion must not wait for a write here.
        if token.last_used.is_none_or(|used| now - used >= Duration::minutes(1)) {
            sqlx::query("UPDATE tokens SET last_used = $1 WHERE id = $2")
                .bind(time::text(now))
                .bind(&token.id)
                .execute(&self.writer)
                .await?;
        }
        Ok(Some(token))
    }

    /// Whether a token found before is still good.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn token_is_good(&self, id: &str, now: DateTime<Utc>) -> Result<bool, StateError> {
        let row = sqlx::query("SELECT * FROM tokens WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.reader)
            .await?;
        let Some(row) = row else {
            return Ok(false);
        };
        Ok(read(&row)?.expires_at.is_none_or(|at| now < at))
    }

    /// Revokes a token.
    ///
    /// # Errors
    /// When there is no such token.
    pub async fn revoke_token(&self, id: &str, who: &str, now: DateTime<Utc>) -> Result<(), StateError> {
        let mut transaction = self.begin().await?;
        let gone = sqlx::query("DELETE FROM tokens WHERE id = $1")
            .bind(id)
            .execute(&mut *transaction)
            .await?;
        if gone.rows_affected() == 0 {
            return Err(StateError::not_found("token", id));
        }
        let revoked = Note {
            action: "revoked",
            ..Note::default()
        };
        note(&mut transaction, &format!("token/{id}"), who, now, revoked).await?;
        transaction.commit().await?;
        Ok(())
    }
}
