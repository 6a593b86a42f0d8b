//! What can go wrong, in words for people.

use chrono::{DateTime, Utc};

/// Why the state cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file cannot be opened
    #[error("the state file {path} cannot be opened: {source}; check that its folder exists and can be written")]
    Open {
        /// Which file
        path: String,
        /// Why
        source: sqlx::Error,
    },
    /// The tables cannot be brought up to date
    #[error(
        "the tables of the state file {path} cannot be brought up to date: {source}; a file written by a newer version needs that version"
    )]
    Migration {
        /// Which file
        path: String,
        /// Why
        source: Box<sqlx::migrate::MigrateError>,
    },
    /// The database failed
    #[error("the state database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// A stored value cannot be read
    #[error("the state database holds a {what} that cannot be read: {reason}")]
    Corrupt {
        /// Which kind of value
        what: &'static str,
        /// Why
        reason: String,
    },
    /// There is nothing of that name
    #[error("there is no {what} {name}")]
    NotFound {
        /// Kind of thing
        what: &'static str,
        /// Its name
        name: String,
    },
    /// There is one of that name already
    #[error("there is a {what} {name} already")]
    Exists {
        /// Kind of thing
        what: &'static str,
        /// Its name
        name: String,
    },
    /// A value that is not allowed
    #[error("{field}: {message}")]
    Invalid {
        /// Which field
        field: &'static str,
        /// What is wrong and what would be right
        message: String,
    },
    /// The change would leave nobody able to administer
    #[error("{0} is the last administrator that can sign in; make another one first")]
    LastAdministrator(String),
    /// Wrong name or password; which of the two is not said
    #[error("the user name or the password is wrong")]
    WrongPassword,
    /// Too many failed sign-ins
    #[error("too many failed sign-ins; try again after {until}")]
    Blocked {
        /// When it is worth trying again
        until: DateTime<Utc>,
    },
    /// A password could not be hashed
    #[error("the password cannot be hashed: {0}")]
    Hash(String),
}

impl StateError {
    pub(crate) fn invalid(field: &'static str, message: impl Into<String>) -> StateError {
        StateError::Invalid {
            field,
            message: message.into(),
        }
    }

    pub(crate) fn not_found(what: &'static str, name: impl ToString) -> StateError {
        StateError::NotFound {
            what,
            name: name.to_string(),
        }
    }

    /// A unique constraint that was hit says the thing exists.
    pub(crate) fn unless_exists(error: sqlx::Error, what: &'static str, name: &str) -> StateError {
        match error.as_database_error() {
            Some(database) if database.is_unique_violation() => StateError::Exists {
                what,
                name: name.to_owned(),
            },
            _ => StateError::Database(error),
        }
    }
}
