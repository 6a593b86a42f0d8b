//! Writes people's actions from the state into the table `TaffrailAudit`, where rules and queries see them.
//!
//! What has been written is remembered by the last identifier. Rows are unique by it, so that a crash between writing and
//! remembering doubles nothing.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chrono::{SecondsFormat, Utc};
use serde_json::{Map, Value, json};
use taffrail_lake::Lake;
use taffrail_schema::Schema;
use taffrail_state::State;
use taffrail_state::activity::SYSTEM;
use taffrail_state::trail::TrailEntry;
use tokio::sync::watch;

use super::rows;

const TABLE: &str = "TaffrailAudit";
/// Setting that holds the last identifier.
const POSITION: &str = "trail.position";
/// Actions written at once.
const PART: i64 = 500;
/// People act seldom; looking is one small query.
const PAUSE: Duration = Duration::from_secs(2);

/// Follows the trail until it is time to end. What cannot be written is said in the log and tried again.
pub async fn follow(state: State, lake: Lake, schema: Arc<Schema>, mut ended: watch::Receiver<bool>) {
    loop {
        if let Err(error) = write_new(&state, &lake, &schema).await {
            tracing::warn!(
                error = format!("{error:#}"),
                "people's actions are not written to TaffrailAudit yet"
            );
        }
        tokio::select! {
            // Done when it is time to end, or nobody is left to say so.
            _ = ended.wait_for(|ending| *ending) => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// Writes what is new.
async fn write_new(state: &State, lake: &Lake, schema: &Schema) -> anyhow::Result<()> {
    let mut position = match state.setting(POSITION).await? {
        Some(Value::String(position)) => position,
        _ => String::new(),
    };
    loop {
        let entries = state.trail_after(&position, PART).await?;
        let Some(last) = entries.last() else { return Ok(()) };
        last.id.clone_into(&mut position);
        let batch = rows::batch(schema, TABLE, entries.iter().map(row).collect())?;
        lake.append(vec![(TABLE.to_owned(), batch)]).await.context("the lake")?;
        state.set_setting(POSITION, &json!(position), SYSTEM, Utc::now()).await?;
    }
}

fn row(entry: &TrailEntry) -> Map<String, Value> {
    let at = entry.at.to_rfc3339_opts(SecondsFormat::Micros, true);
    let (kind, name) = entry.subject.split_once('/').unwrap_or((&entry.subject, ""));
    [
        ("TimeGenerated", json!(at)),
        ("Username", json!(entry.who)),
        ("Operation", json!(entry.action)),
        ("TargetType", json!(kind)),
        ("Target", json!(name)),
        ("Field", json!(entry.field)),
        ("OldValue", json!(entry.from)),
        ("NewValue", json!(entry.to)),
        ("RecordId", json!(entry.id)),
        ("_TimeReceived", json!(Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true))),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}
