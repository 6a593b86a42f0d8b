//! Browser sessions. The cookie's secret is stored hashed, so that who reads the database cannot use it.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use sqlx::Row as _;

use crate::db::Row;
use crate::users::User;
use crate::{State, StateError, secret, time};

/// How long sessions live.
#[derive(Debug, Clone, Copy)]
pub struct Lifetime {
    /// Longest, however busy
    pub absolute: Duration,
    /// Longest without a request
    pub idle: Duration,
}

impl Default for Lifetime {
    /// A working day, two hours without a request.
    fn default() -> Lifetime {
        Lifetime {
            absolute: Duration::hours(12),
            idle: Duration::hours(2),
        }
    }
}

/// A session, as its user sees it in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Identifier; not the secret
    pub id: String,
    /// Whose
    pub user: String,
    /// Where the user signed in from
    pub address: String,
    /// With which browser
    pub agent: String,
    /// When
    pub created_at: DateTime<Utc>,
    /// Last request (to the minute)
    pub last_seen: DateTime<Utc>,
    /// When it ends at the latest
    pub expires_at: DateTime<Utc>,
}

/// A session that was just made.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Identifier
    pub id: String,
    /// For the cookie; nowhere stored
    pub secret: String,
    /// To be sent in a header with every change
    pub csrf: String,
    /// When it ends at the latest
    pub expires_at: DateTime<Utc>,
}

/// Who a session belongs to.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// Session
    pub session: String,
    /// User
    pub user: User,
    /// CSRF token that changes must carry
    pub csrf: String,
}

fn read(row: &Row) -> Result<Session, StateError> {
    Ok(Session {
        id: row.try_get("id")?,
        user: row.try_get("user_name")?,
        address: row.try_get("address")?,
        agent: row.try_get("agent")?,
        created_at: time::get(row, "created_at")?,
        last_seen: time::get(row, "last_seen")?,
        expires_at: time::get(row, "expires_at")?,
    })
}

impl State {
    /// Begins a session of a user who has signed in.
    ///
    /// # Errors
    /// When there is no such user.
    pub async fn begin_session(
        &self,
        user: &str,
        address: &str,
        agent: &str,
        lifetime: Lifetime,
        now: DateTime<Utc>,
    ) -> Result<NewSession, StateError> {
        let new = NewSession {
            id: uuid::Uuid::now_v7().to_string(),
            secret: secret::random(),
            csrf: secret::random(),
            expires_at: now + lifetime.absolute,
        };
        sqlx::query(
            "INSERT INTO sessions (id, secret, user_name, csrf, address, agent, created_at, last_seen, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8)",
        )
        .bind(&new.id)
        .bind(secret::hash(&new.secret))
        .bind(user)
        .bind(&new.csrf)
        .bind(address)
        .bind(agent.chars().take(200).collect::<String>())
        .bind(time::text(now))
        .bind(time::text(new.expires_at))
        .execute(&self.writer)
        .await?;
        Ok(new)
    }

    /// Who the cookie's secret belongs to, when the session is alive and its user may sign in.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn resume_session(
        &self,
        session_secret: &str,
        lifetime: Lifetime,
        now: DateTime<Utc>,
    ) -> Result<Option<SignedIn>, StateError> {
        let row = sqlx::query("SELECT * FROM sessions WHERE secret = $1")
            .bind(secret::hash(session_secret))
            .fetch_optional(&self.reader)
            .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let session = read(&row)?;
        if now >= session.expires_at || now >= session.last_seen + lifetime.idle {
            return Ok(None);
        }
        let user = match self.user(&session.user).await {
            Ok(user) if !user.disabled => user,
            Ok(_) | Err(StateError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        // To the minute is enough, and keeps reading pages from writing.
        if now - session.last_seen >= Duration::minutes(1) {
            sqlx::query("UPDATE sessions SET last_seen = $1 WHERE id = $2")
                .bind(time::text(now))
                .bind(&session.id)
                .execute(&self.writer)
                .await?;
        }
        Ok(Some(SignedIn {
            session: session.id,
            user,
            csrf: row.try_get("csrf")?,
        }))
    }

    /// Whether a session resumed before is still alive; asking does not keep it alive.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn session_is_alive(&self, id: &str, lifetime: Lifetime, now: DateTime<Utc>) -> Result<bool, StateError> {
        let row = sqlx::query("SELECT * FROM sessions WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.reader)
            .await?;
        let Some(row) = row else {
            return Ok(false);
        };
        let session = read(&row)?;
        Ok(now < session.expires_at && now < session.last_seen + lifetime.idle)
    }

    /// A user's sessions, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sessions(&self, user: &str) -> Result<Vec<Session>, StateError> {
        sqlx::query("SELECT * FROM sessions WHERE user_name = $1 ORDER BY created_at DESC, id DESC")
            .bind(user)
            .fetch_all(&self.reader)
            .await?
            .iter()
            .map(read)
            .collect()
    }

    /// Ends a session of a user.
    ///
    /// # Errors
    /// When the user has no such session.
    pub async fn end_session(&self, user: &str, id: &str) -> Result<(), StateError> {
        let ended = sqlx::query("DELETE FROM sessions WHERE user_name = $1 AND id = $2")
            .bind(user)
            .bind(id)
            .execute(&self.writer)
            .await?;
        if ended.rows_affected() == 0 {
            return Err(StateError::not_found("session", id));
        }
        Ok(())
    }

    pub(crate) async fn tidy_sessions(&self, now: DateTime<Utc>) -> Result<(), StateError> {
        sqlx::query("DELETE FROM sessions WHERE expires_at <= $1")
            .bind(time::text(now))
            .execute(&self.writer)
            .await?;
        Ok(())
    }
}
