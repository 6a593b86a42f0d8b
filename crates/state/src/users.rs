//! Users, their roles, and signing in.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use sqlx::Row as _;

use crate::activity::{Note, SYSTEM, note};
use crate::db::{Connection, Row};
use crate::{State, StateError, password, secret, time};

/// Shortest password a person may choose (NIST SP 800-63B-4, section 3.1.1.2, for a password that is the only factor).
pub const SHORTEST_PASSWORD: usize = 15;
/// Longest: longer ones would only cost time to hash.
pub const LONGEST_PASSWORD: usize = 256;

/// Failed sign-ins of one user before waiting begins.
const USER_ATTEMPTS: i64 = 5;
/// Failed sign-ins from one address before waiting begins; people behind one address share it.
const ADDRESS_ATTEMPTS: i64 = 20;
const FIRST_WAIT_SECONDS: i64 = 5;
const LONGEST_WAIT_SECONDS: i64 = 15 * 60;

/// What a user may do; each role may do what the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub enum Role {
    /// Reads and queries
    Reader,
    /// Works on incidents
    Responder,
    /// Changes rules and other content
    Contributor,
    /// Manages users, tokens and settings
    Administrator,
}

impl Role {
    /// As written.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Reader => "Reader",
            Role::Responder => "Responder",
            Role::Contributor => "Contributor",
            Role::Administrator => "Administrator",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = StateError;

    fn from_str(text: &str) -> Result<Role, StateError> {
        Ok(match text {
            "Reader" => Role::Reader,
            "Responder" => Role::Responder,
            "Contributor" => Role::Contributor,
            "Administrator" => Role::Administrator,
            _ => {
                return Err(StateError::invalid(
                    "role",
                    format!("{text} is not a role; roles are Reader, Responder, Contributor and Administrator"),
                ));
            }
        })
    }
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Name to sign in with
    pub name: String,
    /// Name to show
    pub display_name: String,
    /// Role
    pub role: Role,
    /// May not sign in
    pub disabled: bool,
    /// Must choose a password before anything else
    pub must_change: bool,
    /// When made
    pub created_at: DateTime<Utc>,
    /// Last sign-in
    pub last_sign_in: Option<DateTime<Utc>>,
}

/// A user to be made.
#[derive(Debug, Clone)]
pub struct NewUser<'a> {
    /// Name to sign in with
    pub name: &'a str,
    /// Name to show; empty: the name
    pub display_name: &'a str,
    /// Role
    pub role: Role,
    /// First password; none: a random one is made
    pub password: Option<&'a str>,
}

/// Changes to a user; what is none stays.
#[derive(Debug, Clone, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UserChange {
    /// Name to show
    pub display_name: Option<String>,
    /// Role
    pub role: Option<Role>,
    /// May not sign in
    pub disabled: Option<bool>,
}

/// A password that was made for somebody, to be shown once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneTimePassword {
    /// For whom
    pub user: String,
    /// The password
    pub password: String,
}

const COLUMNS: &str = "name, display_name, role, disabled, must_change, created_at, last_sign_in";

fn read(row: &Row) -> Result<User, StateError> {
    Ok(User {
        name: row.try_get("name")?,
        display_name: row.try_get("display_name")?,
        role: row.try_get::<&str, _>("role")?.parse()?,
        disabled: row.try_get("disabled")?,
        must_change: row.try_get("must_change")?,
        created_at: time::get(row, "created_at")?,
        last_sign_in: time::optional(row, "last_sign_in")?,
    })
}

fn check_name(name: &str) -> Result<(), StateError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '@');
    if name.is_empty() || name.len() > 64 || !name.chars().all(allowed) {
        return Err(StateError::invalid(
            "name",
            "a user name has 1 to 64 letters, digits, '.', '_', '-' or '@'",
        ));
    }
    if name == SYSTEM {
        return Err(StateError::invalid("name", "this name is kept for what the software does itself"));
    }
    Ok(())
}

fn check_password(password: &str, user: &str) -> Result<(), StateError> {
    if password.chars().count() < SHORTEST_PASSWORD || password.len() > LONGEST_PASSWORD {
        return Err(StateError::invalid(
            "password",
            format!("a password has at least {SHORTEST_PASSWORD} characters and at most {LONGEST_PASSWORD} bytes"),
        ));
    }
    let lower = password.to_lowercase();
    let distinct: std::collections::BTreeSet<char> = lower.chars().collect();
    if distinct.len() < 5 || (user.len() > 3 && lower.replace(&user.to_lowercase(), "").len() < 8) {
        return Err(StateError::invalid(
            "password",
            "this password is too easy to guess; take several unrelated words",
        ));
    }
    Ok(())
}

/// How long to wait after that many failures.
fn wait(failures: i64, allowed: i64) -> Option<Duration> {
    let beyond = failures - allowed;
    if beyond < 0 {
        return None;
    }
    let doubled = FIRST_WAIT_SECONDS.saturating_mul(1_i64 << beyond.min(20));
    Some(Duration::seconds(doubled.min(LONGEST_WAIT_SECONDS)))
}

/// Counts an attempt as failed before it is made, so that many at once cannot slip through; refuses while waiting.
async fn count_attempt(connection: &mut Connection, subject: &str, allowed: i64, now: DateTime<Utc>) -> Result<(), StateError> {
    let row = sqlx::query("SELECT failures, blocked_until FROM sign_in_failures WHERE subject = $1")
        .bind(subject)
        .fetch_optional(&mut *connection)
        .await?;
    let mut failures = 0;
    if let Some(row) = row {
        failures = row.try_get::<i64, _>("failures")?;
        if let Some(until) = time::optional(&row, "blocked_until")?
            && now < until
        {
            return Err(StateError::Blocked { until });
        }
    }
    failures += 1;
    let blocked_until = wait(failures, allowed).map(|wait| time::text(now + wait));
    sqlx::query(
        "INSERT INTO sign_in_failures (subject, failures, blocked_until, last_at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (subject) DO UPDATE SET failures = excluded.failures, blocked_until = excluded.blocked_until, \
         last_at = excluded.last_at",
    )
    .bind(subject)
    .bind(failures)
    .bind(blocked_until)
    .bind(time::text(now))
    .execute(connection)
    .await?;
    Ok(())
}

impl State {
    /// Makes the first administrator when there is no user yet; gives the password to print, once.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ensure_administrator(&self, now: DateTime<Utc>) -> Result<Option<OneTimePassword>, StateError> {
        let users: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM users").fetch_one(&self.reader).await?;
        if users > 0 {
            return Ok(None);
        }
        let first = NewUser {
            name: "admin",
            display_name: "Administrator",
            role: Role::Administrator,
            password: None,
        };
        match self.add_user(&first, SYSTEM, now).await {
            Ok((_, made)) => Ok(made),
            // Somebody else was quicker.
            Err(StateError::Exists { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Users by name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn users(&self) -> Result<Vec<User>, StateError> {
        let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM users ORDER BY name"));
        sqlx::query(sql).fetch_all(&self.reader).await?.iter().map(read).collect()
    }

    /// A user.
    ///
    /// # Errors
    /// When there is no such user.
    pub async fn user(&self, name: &str) -> Result<User, StateError> {
        let mut connection = self.reader.acquire().await?;
        user_in(&mut connection, name).await
    }

    /// Makes a user; with a random password when none is given, which must be changed at the first sign-in.
    ///
    /// # Errors
    /// When the name is taken or not allowed, or the password too weak.
    pub async fn add_user(&self, new: &NewUser<'_>, who: &str, now: DateTime<Utc>) -> Result<(User, Option<OneTimePassword>), StateError> {
        check_name(new.name)?;
        let made = match new.password {
            Some(given) => {
                check_password(given, new.name)?;
                None
            }
            None => Some(OneTimePassword {
                user: new.name.to_owned(),
                password: secret::one_time_password(),
            }),
        };
        let first_password = made.as_ref().map(|made| made.password.as_str()).or(new.password);
        let hash = password::hash(first_password.unwrap_or_default().to_owned()).await?;
        let display_name = if new.display_name.is_empty() { new.name } else { new.display_name };
        let mut transaction = self.begin().await?;
        sqlx::query(
            "INSERT INTO users (name, display_name, password, role, disabled, must_change, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(new.name)
        .bind(display_name)
        .bind(hash)
        .bind(new.role.as_str())
        .bind(false)
        // Whoever else knows the first password, an administrator or a log, must not keep knowing it.
        .bind(true)
        .bind(time::text(now))
        .execute(&mut *transaction)
        .await
        .map_err(|error| StateError::unless_exists(error, "user", new.name))?;
        let created = Note {
            action: "created",
            field: Some("role"),
            to: Some(new.role.as_str()),
            ..Note::default()
        };
        note(&mut transaction, &format!("user/{}", new.name), who, now, created).await?;
        transaction.commit().await?;
        Ok((self.user(new.name).await?, made))
    }

    /// Changes a user; disabling ends the user's sessions.
    ///
    /// # Errors
    /// When there is no such user, or nobody who can administer would be left.
    pub async fn change_user(&self, name: &str, change: &UserChange, who: &str, now: DateTime<Utc>) -> Result<User, StateError> {
        let mut transaction = self.begin().await?;
        let before = user_in(&mut transaction, name).await?;
        let mut after = before.clone();
        after.display_name = change.display_name.clone().unwrap_or(after.display_name);
        after.role = change.role.unwrap_or(after.role);
        after.disabled = change.disabled.unwrap_or(after.disabled);
        sqlx::query("UPDATE users SET display_name = $1, role = $2, disabled = $3 WHERE name = $4")
            .bind(&after.display_name)
            .bind(after.role.as_str())
            .bind(after.disabled)
            .bind(name)
            .execute(&mut *transaction)
            .await?;
        if after.disabled {
            sqlx::query("DELETE FROM sessions WHERE user_name = $1")
                .bind(name)
                .execute(&mut *transaction)
                .await?;
        }
        require_administrator(&mut transaction, name).await?;
        let fields = [
            ("displayName", before.display_name.clone(), after.display_name.clone()),
            ("role", before.role.to_string(), after.role.to_string()),
            ("disabled", before.disabled.to_string(), after.disabled.to_string()),
        ];
        for (field, from, to) in &fields {
            if from != to {
                let changed = Note {
                    action: "changed",
                    field: Some(field),
                    from: Some(from),
                    to: Some(to),
                };
                note(&mut transaction, &format!("user/{name}"), who, now, changed).await?;
            }
        }
        transaction.commit().await?;
        Ok(after)
    }

    /// Gives a user a new random password, ends the user's sessions; for administrators.
    ///
    /// # Errors
    /// When there is no such user.
    pub async fn reset_password(&self, name: &str, who: &str, now: DateTime<Utc>) -> Result<OneTimePassword, StateError> {
        let made = secret::one_time_password();
        self.store_password(name, &made, true, who, now).await?;
        Ok(OneTimePassword {
            user: name.to_owned(),
            password: made,
        })
    }

    /// Changes one's own password; all sessions of the user end.
    ///
    /// # Errors
    /// When the old password is wrong, or the new one too weak or the same.
    pub async fn change_password(&self, name: &str, old: &str, new: &str, address: &str, now: DateTime<Utc>) -> Result<(), StateError> {
        self.check_sign_in(name, old, address, now).await?;
        if old == new {
            return Err(StateError::invalid("password", "the new password is the old one"));
        }
        check_password(new, name)?;
        self.store_password(name, new, false, name, now).await
    }

    async fn store_password(&self, name: &str, new: &str, must_change: bool, who: &str, now: DateTime<Utc>) -> Result<(), StateError> {
        let hash = password::hash(new.to_owned()).await?;
        let mut transaction = self.begin().await?;
        let changed = sqlx::query("UPDATE users SET password = $1, must_change = $2 WHERE name = $3")
            .bind(hash)
            .bind(must_change)
            .bind(name)
            .execute(&mut *transaction)
            .await?;
        if changed.rows_affected() == 0 {
            return Err(StateError::not_found("user", name));
        }
        sqlx::query("DELETE FROM sessions WHERE user_name = $1")
            .bind(name)
            .execute(&mut *transaction)
            .await?;
        let changed = Note {
            action: "password changed",
            ..Note::default()
        };
        note(&mut transaction, &format!("user/{name}"), who, now, changed).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Removes a user with sessions and history.
    ///
    /// # Errors
    /// When there is no such user, or nobody who can administer would be left.
    pub async fn remove_user(&self, name: &str, who: &str, now: DateTime<Utc>) -> Result<(), StateError> {
        let mut transaction = self.begin().await?;
        user_in(&mut transaction, name).await?;
        sqlx::query("DELETE FROM users WHERE name = $1")
            .bind(name)
            .execute(&mut *transaction)
            .await?;
        sqlx::query("DELETE FROM query_history WHERE user_name = $1")
            .bind(name)
            .execute(&mut *transaction)
            .await?;
        require_administrator(&mut transaction, name).await?;
        let removed = Note {
            action: "removed",
            ..Note::default()
        };
        note(&mut transaction, &format!("user/{name}"), who, now, removed).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Signs in: the user when name and password are right.
    ///
    /// # Errors
    /// [`StateError::WrongPassword`], also for unknown and disabled users; [`StateError::Blocked`] after too many failures.
    pub async fn sign_in(&self, name: &str, password: &str, address: &str, now: DateTime<Utc>) -> Result<User, StateError> {
        self.check_sign_in(name, password, address, now).await?;
        sqlx::query("UPDATE users SET last_sign_in = $1 WHERE name = $2")
            .bind(time::text(now))
            .bind(name)
            .execute(&self.writer)
            .await?;
        self.user(name).await
    }

    async fn check_sign_in(&self, name: &str, given: &str, address: &str, now: DateTime<Utc>) -> Result<(), StateError> {
        // A name that is no name is not worth a row.
        let by_user = match check_name(name) {
            Ok(()) => Some(format!("user/{name}")),
            Err(_) => None,
        };
        let by_address = format!("address/{address}");
        let mut transaction = self.begin().await?;
        count_attempt(&mut transaction, &by_address, ADDRESS_ATTEMPTS, now).await?;
        if let Some(subject) = &by_user {
            count_attempt(&mut transaction, subject, USER_ATTEMPTS, now).await?;
        }
        let row = sqlx::query("SELECT password, disabled FROM users WHERE name = $1")
            .bind(name)
            .fetch_optional(&mut *transaction)
            .await?;
        transaction.commit().await?;

        let hash = match row {
            Some(row) if !row.try_get::<bool, _>("disabled")? => Some(row.try_get::<String, _>("password")?),
            _ => None,
        };
        let given = if given.len() > LONGEST_PASSWORD {
            String::new()
        } else {
            given.to_owned()
        };
        if !password::verify(given, hash).await? {
            return Err(StateError::WrongPassword);
        }
        sqlx::query("DELETE FROM sign_in_failures WHERE subject = $1 OR subject = $2")
            .bind(by_user.unwrap_or_default())
            .bind(by_address)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    pub(crate) async fn tidy_failures(&self, now: DateTime<Utc>) -> Result<(), StateError> {
        sqlx::query("DELETE FROM sign_in_failures WHERE last_at < $1")
            .bind(time::text(now - Duration::days(1)))
            .execute(&self.writer)
            .await?;
        Ok(())
    }
}

async fn user_in(connection: &mut Connection, name: &str) -> Result<User, StateError> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM users WHERE name = $1"));
    let row = sqlx::query(sql)
        .bind(name)
        .fetch_optional(connection)
        .await?
        .ok_or_else(|| StateError::not_found("user", name))?;
    read(&row)
}

async fn require_administrator(connection: &mut Connection, name: &str) -> Result<(), StateError> {
    let left: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM users WHERE role = $1 AND disabled = $2")
        .bind(Role::Administrator.as_str())
        .bind(false)
        .fetch_one(connection)
        .await?;
    if left == 0 {
        return Err(StateError::LastAdministrator(name.to_owned()));
    }
    Ok(())
}
