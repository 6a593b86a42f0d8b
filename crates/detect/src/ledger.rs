//! The ledger: what each rule saw, when, with what result. Rows of the table `RuleLedger`.
//!
//! A scheduled rule has a row for each window. A rule on the stream has one for each minute in which rows concerned it, and one
//! for each hour in which none did: positions of the log go on from row to row, so that a gap would show.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::rows::time;
use crate::rule::{Kind, Rule};

/// Table of the ledger.
pub const LEDGER: &str = "RuleLedger";
/// Seconds between rows of a rule on the stream that rows concerned.
const BUSY: i64 = 60;
/// The same of one that none did.
const QUIET: i64 = 3_600;

/// What one evaluation, or several of them, came to.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// Rows that were looked at
    pub seen: u64,
    /// Rows that might concern the rule, over which its query was run
    pub concerned: u64,
    /// Alerts
    pub alerts: u64,
    /// How long it took
    pub took: Duration,
    /// What went wrong
    pub error: Option<String>,
}

/// A row of the ledger.
pub fn row(
    rule: &Rule,
    way: &str,
    window: (DateTime<Utc>, DateTime<Utc>),
    position: Option<u64>,
    entry: &Entry,
    now: DateTime<Utc>,
) -> Map<String, Value> {
    let kind = match rule.kind {
        Kind::Scheduled => "Scheduled",
        Kind::Nrt => "NRT",
    };
    let row = json!({
        "TimeGenerated": time(now),
        "_TimeReceived": time(now),
        "RuleId": rule.id,
        "RuleName": rule.name,
        "RuleKind": kind,
        "Evaluation": way,
        "WindowStart": time(window.0),
        "WindowEnd": time(window.1),
        "Position": position,
        "RowsSeen": entry.seen,
        "RowsConcerned": entry.concerned,
        "Alerts": entry.alerts,
        "DurationMs": entry.took.as_secs_f64() * 1_000.0,
        "Status": if entry.error.is_some() { "Failure" } else { "Success" },
        "Error": entry.error.clone().unwrap_or_default(),
    });
    match row {
        Value::Object(row) => row,
        _ => Map::new(),
    }
}

#[derive(Default)]
struct Open {
    since: Option<DateTime<Utc>>,
    /// Rows of its table that had been seen when it was last written
    seen_before: u64,
    entry: Entry,
}

/// What rules on the stream came to since it was last written.
#[derive(Default)]
pub struct StreamLedger {
    /// Rows seen of each table
    seen: HashMap<String, u64>,
    position: u64,
    rules: HashMap<usize, Open>,
}

impl StreamLedger {
    /// Rows of a table were looked at.
    pub fn seen(&mut self, table: &str, rows: usize, position: u64) {
        *self.seen.entry(table.to_owned()).or_default() += rows as u64;
        self.position = self.position.max(position);
    }

    /// A rule was evaluated.
    pub fn evaluated(&mut self, rule: usize, entry: Entry) {
        let open = &mut self.rules.entry(rule).or_default().entry;
        open.concerned += entry.concerned;
        open.alerts += entry.alerts;
        open.took += entry.took;
        open.error = entry.error.or(open.error.take());
    }

    /// Rows that are due, of the rules that are given with the tables they read.
    pub fn due<'a>(&mut self, rules: impl Iterator<Item = (usize, &'a Rule, Vec<&'a str>)>, now: DateTime<Utc>) -> Vec<Map<String, Value>> {
        let mut rows = Vec::new();
        for (number, rule, tables) in rules {
            let seen: u64 = tables.iter().filter_map(|table| self.seen.get(*table)).sum();
            let open = self.rules.entry(number).or_default();
            let since = *open.since.get_or_insert(now);
            let busy = open.entry.concerned > 0 || open.entry.error.is_some();
            if (now - since).num_seconds() < if busy { BUSY } else { QUIET } {
                continue;
            }
            let mut entry = std::mem::take(&mut open.entry);
            entry.seen = seen.saturating_sub(open.seen_before);
            open.seen_before = seen;
            open.since = Some(now);
            rows.push(row(rule, "stream", (since, now), Some(self.position), &entry, now));
        }
        rows
    }
}
