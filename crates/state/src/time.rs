//! Timestamps as text, so that every database system orders them alike: RFC 3339, UTC, always six digits of a second.

use chrono::{DateTime, SecondsFormat, Utc};
use sqlx::Row as _;

use crate::StateError;
use crate::db::Row;

pub fn text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

pub fn parse(text: &str) -> Result<DateTime<Utc>, StateError> {
    DateTime::parse_from_rfc3339(text)
        .map(|at| at.with_timezone(&Utc))
        .map_err(|error| StateError::Corrupt {
            what: "timestamp",
            reason: format!("{text}: {error}"),
        })
}

pub fn get(row: &Row, column: &str) -> Result<DateTime<Utc>, StateError> {
    parse(row.try_get::<&str, _>(column)?)
}

pub fn optional(row: &Row, column: &str) -> Result<Option<DateTime<Utc>>, StateError> {
    row.try_get::<Option<&str>, _>(column)?.map(parse).transpose()
}
