//! All rules over a set of rows at once: what `taffrail scan` and rule tests do.
//!
//! NRT rules see all rows together. Scheduled rules see them through the windows they would have had, in event time, stepping by
//! half a period at most, so that a burst on the edge of one window is whole in the next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arrow::record_batch::RecordBatch;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use taffrail_engine::{Engine, QueryError, QueryRequest};
use taffrail_schema::{Schema, stored_schema};

use crate::alert::Alert;
use crate::evaluate::{Window, evaluate};
use crate::overlay::RowsSource;
use crate::rule::{Kind, Rule};
use crate::stream::{CompiledRule, Stream, Way};

/// A rule that could not be evaluated.
#[derive(Debug)]
pub struct Failure {
    /// Id of the rule
    pub rule: String,
    /// Why
    pub error: QueryError,
}

/// When rows were, in buckets, so that empty windows are not evaluated.
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    /// Minutes since 1970 in which there are rows
    minutes: BTreeSet<i64>,
    last: Option<DateTime<Utc>>,
}

impl Timeline {
    /// Reads the times of a table's rows.
    ///
    /// # Errors
    /// What the query ends with.
    pub async fn of(engine: &Engine, table: &str) -> Result<Timeline, QueryError> {
        Timeline::within(engine, table, None).await
    }

    /// Reads the times of a table's rows within a span.
    ///
    /// # Errors
    /// What the query ends with.
    pub async fn within(engine: &Engine, table: &str, timespan: Option<(DateTime<Utc>, DateTime<Utc>)>) -> Result<Timeline, QueryError> {
        let request = QueryRequest {
            timespan,
            ..QueryRequest::default()
        };
        let query = format!("{table} | summarize Last = max(TimeGenerated) by Minute = bin(TimeGenerated, 1m)");
        let result = engine.query(&query, &request).await?;
        let mut timeline = Timeline::default();
        for row in result.rows() {
            let times: Vec<DateTime<Utc>> = row.iter().filter_map(time).collect();
            if let [minute, last] = times[..] {
                timeline.minutes.insert(minute.timestamp().div_euclid(60));
                timeline.last = timeline.last.max(Some(last));
            }
        }
        Ok(timeline)
    }

    /// Adds the times of another table's rows.
    pub fn add(&mut self, other: Timeline) {
        self.minutes.extend(other.minutes);
        self.last = self.last.max(other.last);
    }

    /// Ends of the windows of a rule that have rows in them.
    pub(crate) fn window_ends(&self, rule: &Rule) -> Vec<DateTime<Utc>> {
        let period = rule.period().max(Duration::from_secs(60)).as_secs() as i64;
        let step = (rule.frequency().as_secs() as i64).min(period / 2).max(60);
        let mut ends: BTreeSet<i64> = BTreeSet::new();
        for minute in &self.minutes {
            // The first window that holds this minute whole. A later one holds nothing new unless rows came in between, and those
            // have a first window of their own.
            let start = minute * 60;
            let mut end = (start + 60).div_euclid(step) * step;
            if end < start + 60 {
                end += step;
            }
            ends.insert(end);
        }
        ends.into_iter().filter_map(|second| DateTime::from_timestamp(second, 0)).collect()
    }
}

fn time(value: &Value) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(value.as_str()?)
        .ok()
        .map(|time| time.with_timezone(&Utc))
}

/// Evaluates rules over all rows the engine sees. A rule that fails does not stop the others.
///
/// `progress` is called with each rule before it is evaluated.
pub async fn scan<'a>(
    engine: &Engine,
    rules: impl Iterator<Item = &'a Rule>,
    timeline: &Timeline,
    mut progress: impl FnMut(&Rule),
) -> (Vec<Alert>, Vec<Failure>) {
    let mut alerts = Vec::new();
    let mut failures = Vec::new();
    for rule in rules {
        progress(rule);
        match scan_rule(engine, rule, timeline).await {
            Ok(found) => alerts.extend(found),
            Err(error) => failures.push(Failure {
                rule: rule.id.clone(),
                error,
            }),
        }
    }
    (alerts, failures)
}

/// The same as [`scan`] with all rules compiled together: each row is looked at once for all rules, and a rule's query sees only the
/// rows that may concern it.
///
/// # Errors
/// When the rules cannot be compiled together, which is an error of ours.
pub async fn scan_batches(
    engine: &Engine,
    schema: &Schema,
    batches: &[(String, RecordBatch)],
    rules: impl Iterator<Item = Arc<Rule>>,
    timeline: &Timeline,
    mut progress: impl FnMut(&Rule),
) -> Result<(Vec<Alert>, Vec<Failure>), QueryError> {
    let (stream, unbound) = Stream::new(engine, schema, rules).await?;
    let mut failures: Vec<Failure> = unbound
        .into_iter()
        .map(|(rule, error)| Failure {
            rule: rule.id.clone(),
            error,
        })
        .collect();
    let mut rows: BTreeMap<usize, BTreeMap<String, Vec<RecordBatch>>> = BTreeMap::new();
    for (table, batch) in batches {
        for concerned in stream.concerned(table, batch)? {
            let tables = rows.entry(concerned.rule).or_default();
            tables.entry(table.clone()).or_default().push(concerned.rows);
        }
    }
    let mut alerts = Vec::new();
    for (position, compiled) in stream.rules.iter().enumerate() {
        progress(&compiled.rule);
        let found = match (compiled.way, rows.remove(&position)) {
            (Way::Whole, _) => scan_rule(engine, &compiled.rule, timeline).await,
            // No row concerns it, so it has nothing to say.
            (_, None) => continue,
            (_, Some(rows)) => scan_rows(engine, schema, compiled, rows, timeline).await,
        };
        match found {
            Ok(found) => alerts.extend(found),
            Err(error) => failures.push(Failure {
                rule: compiled.rule.id.clone(),
                error,
            }),
        }
    }
    Ok((alerts, failures))
}

async fn scan_rows(
    engine: &Engine,
    schema: &Schema,
    compiled: &CompiledRule,
    rows: BTreeMap<String, Vec<RecordBatch>>,
    timeline: &Timeline,
) -> Result<Vec<Alert>, QueryError> {
    // Tables of which no row concerns the rule are empty for it.
    let tables = compiled.conditions.keys().filter_map(|name| {
        let definition = schema.table(name)?;
        Some((name.clone(), stored_schema(definition), rows.get(name).cloned().unwrap_or_default()))
    });
    let source = RowsSource::new(tables, Arc::clone(engine.source())).map_err(|error| QueryError::Execution {
        message: error.to_string(),
    })?;
    let over = engine.with_source(Arc::new(source));
    let mut own = Timeline::default();
    if compiled.rule.kind == Kind::Scheduled {
        for table in rows.keys() {
            own.add(Timeline::of(&over, table).await?);
        }
    }
    own.last = timeline.last;
    scan_rule(&over, &compiled.rule, &own).await
}

async fn scan_rule(engine: &Engine, rule: &Rule, timeline: &Timeline) -> Result<Vec<Alert>, QueryError> {
    if rule.kind == Kind::Nrt {
        let now = timeline.last.unwrap_or_else(Utc::now);
        return evaluate(engine, rule, Window { now, timespan: None }).await;
    }
    let period = TimeDelta::from_std(rule.period()).unwrap_or(TimeDelta::MAX);
    let mut alerts: Vec<Alert> = Vec::new();
    for end in timeline.window_ends(rule) {
        let start = end.checked_sub_signed(period).unwrap_or(DateTime::<Utc>::MIN_UTC);
        for alert in evaluate(
            engine,
            rule,
            Window {
                now: end,
                timespan: Some((start, end)),
            },
        )
        .await?
        {
            alerts.push(alert);
        }
    }
    Ok(alerts)
}
