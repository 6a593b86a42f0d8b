//! What a rule would have raised: over stored history, before it is switched on.
//!
//! A rule on the stream is its query over the whole stretch, as alerts do not depend on how rows came in batches. A scheduled rule
//! is run through the windows it would have had, of event time, as far as there are rows in them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use taffrail_engine::{Engine, QueryError, QueryRequest};

use crate::alert::Alert;
use crate::evaluate::{Window, evaluate};
use crate::record::grouping;
use crate::rule::{Kind, Rule, Severity};
use crate::scan::Timeline;
use crate::tables::stored_tables;

/// Columns of the chart.
const COLUMNS: i64 = 48;
/// Windows of a scheduled rule that are run at most.
const MOST_WINDOWS: usize = 5_000;
/// Titles and entities that are listed.
const LISTED: usize = 20;

/// A stretch of the chart.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Bucket {
    /// Its begin
    pub start: DateTime<Utc>,
    /// Alerts by severity
    pub alerts: BTreeMap<String, u64>,
}

/// How often something comes.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Often {
    /// What
    pub name: String,
    /// How often
    pub count: u64,
}

/// What a rule would have raised.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Backtest {
    /// Id of the rule
    pub rule: String,
    /// Its name
    pub name: String,
    /// First moment
    pub from: DateTime<Utc>,
    /// Last moment, not itself included
    pub to: DateTime<Utc>,
    /// Alerts
    pub alerts: u64,
    /// Incidents they would have been, grouped as the rule says
    pub incidents: u64,
    /// Alerts a day
    pub alerts_per_day: f64,
    /// Alerts by severity
    pub severities: BTreeMap<String, u64>,
    /// Rows the alerts rest on
    pub rows: u64,
    /// Most frequent titles
    pub titles: Vec<Often>,
    /// Most frequent entities
    pub entities: Vec<Often>,
    /// Seconds of a stretch of the chart
    pub bucket_seconds: i64,
    /// The chart: stretches with alerts
    pub buckets: Vec<Bucket>,
    /// Windows that were run, of a scheduled rule
    pub windows: usize,
    /// Whether there were more windows than are run
    pub truncated: bool,
}

/// Runs a rule over what the engine sees between two times.
///
/// # Errors
/// What the query ends with.
pub async fn backtest(engine: &Engine, rule: &Rule, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Backtest, QueryError> {
    let span = Some((from, to));
    let mut alerts: Vec<Alert> = Vec::new();
    let mut windows = 0;
    let mut truncated = false;
    if rule.kind == Kind::Nrt {
        alerts = evaluate(engine, rule, Window { now: to, timespan: span }).await?;
    } else {
        let bound = engine.compile(&rule.query, &QueryRequest::default())?;
        let mut timeline = Timeline::default();
        for table in stored_tables(&bound.root) {
            timeline.add(Timeline::within(engine, &table, span).await?);
        }
        let mut ends = timeline.window_ends(rule);
        truncated = ends.len() > MOST_WINDOWS;
        ends.truncate(MOST_WINDOWS);
        let mut seen: BTreeSet<String> = BTreeSet::new();
        let period = TimeDelta::from_std(rule.period()).unwrap_or(TimeDelta::MAX);
        for end in ends {
            windows += 1;
            let start = end.checked_sub_signed(period).unwrap_or(DateTime::<Utc>::MIN_UTC);
            let window = Window {
                now: end,
                timespan: Some((start, end)),
            };
            // The same alert seen in overlapping windows is one.
            let found = evaluate(engine, rule, window).await?;
            alerts.extend(found.into_iter().filter(|alert| seen.insert(alert.id.clone())));
        }
    }
    Ok(report(rule, from, to, &alerts, windows, truncated))
}

fn report(rule: &Rule, from: DateTime<Utc>, to: DateTime<Utc>, alerts: &[Alert], windows: usize, truncated: bool) -> Backtest {
    let seconds = (to - from).num_seconds().max(1);
    let bucket_seconds = round_up(seconds / COLUMNS);
    let mut severities: BTreeMap<String, u64> = BTreeMap::new();
    let mut buckets: BTreeMap<i64, BTreeMap<String, u64>> = BTreeMap::new();
    let mut titles: BTreeMap<&str, u64> = BTreeMap::new();
    let mut entities: BTreeMap<String, u64> = BTreeMap::new();
    let mut groups: BTreeMap<Vec<String>, Vec<DateTime<Utc>>> = BTreeMap::new();
    let mut incidents = 0;
    for alert in alerts {
        *severities.entry(alert.severity.to_string()).or_default() += 1;
        let bucket = alert.first_activity.timestamp().div_euclid(bucket_seconds);
        *buckets.entry(bucket).or_default().entry(alert.severity.to_string()).or_default() += 1;
        *titles.entry(&alert.title).or_default() += 1;
        for entity in &alert.entities {
            *entities.entry(format!("{} {}", entity.kind, entity.name)).or_default() += 1;
        }
        if alert.severity > Severity::Informational && rule.incidents().create_incident {
            let group = grouping(rule, alert);
            match group.lookback {
                None => incidents += 1,
                Some(_) => groups.entry(group.keys).or_default().push(alert.first_activity),
            }
        }
    }
    let lookback = TimeDelta::from_std(rule.incidents().grouping_configuration.lookback_duration).unwrap_or(TimeDelta::MAX);
    for times in groups.values_mut() {
        times.sort_unstable();
        let apart = times.windows(2).filter(|pair| matches!(pair, [a, b] if *b - *a > lookback)).count();
        incidents += 1 + apart as u64;
    }
    let days = seconds as f64 / 86_400.0;
    Backtest {
        rule: rule.id.clone(),
        name: rule.name.clone(),
        from,
        to,
        alerts: alerts.len() as u64,
        incidents,
        alerts_per_day: alerts.len() as f64 / days,
        severities,
        rows: alerts.iter().map(|alert| alert.count).sum(),
        titles: often(titles.into_iter().map(|(name, count)| (name.to_owned(), count))),
        entities: often(entities.into_iter()),
        bucket_seconds,
        buckets: buckets
            .into_iter()
            .filter_map(|(bucket, alerts)| {
                Some(Bucket {
                    start: DateTime::from_timestamp(bucket * bucket_seconds, 0)?,
                    alerts,
                })
            })
            .collect(),
        windows,
        truncated,
    }
}

fn often(counts: impl Iterator<Item = (String, u64)>) -> Vec<Often> {
    let mut list: Vec<Often> = counts.map(|(name, count)| Often { name, count }).collect();
    list.sort_by(|a, b| b.count.cmp(&a.count).then(a.name.cmp(&b.name)));
    list.truncate(LISTED);
    list
}

/// A stretch that people use.
fn round_up(seconds: i64) -> i64 {
    const STRETCHES: [i64; 12] = [
        60, 300, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400, 604_800, 2_592_000,
    ];
    STRETCHES.into_iter().find(|stretch| *stretch >= seconds).unwrap_or(2_592_000)
}

impl Backtest {
    /// For people at a terminal: a chart and what comes most.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let _ = writeln!(
            out,
            "{} ({})\n{} to {}: {} alerts in {} incidents, {:.1} alerts a day, from {} rows",
            self.name,
            self.rule,
            self.from.format("%Y-%m-%d %H:%M"),
            self.to.format("%Y-%m-%d %H:%M"),
            self.alerts,
            self.incidents,
            self.alerts_per_day,
            self.rows
        );
        if self.truncated {
            let _ = writeln!(
                out,
                "only the first {MOST_WINDOWS} windows with rows were run: ask for a shorter time"
            );
        }
        let most = self
            .buckets
            .iter()
            .map(|bucket| bucket.alerts.values().sum::<u64>())
            .max()
            .unwrap_or_default();
        for bucket in &self.buckets {
            let count: u64 = bucket.alerts.values().sum();
            let width = usize::try_from((count * 40).div_ceil(most.max(1))).unwrap_or(40);
            let by: Vec<String> = bucket
                .alerts
                .iter()
                .map(|(severity, count)| format!("{count} {severity}"))
                .collect();
            let _ = writeln!(
                out,
                "  {}  {:<40}  {}",
                bucket.start.format("%m-%d %H:%M"),
                "█".repeat(width),
                by.join(", ")
            );
        }
        for (heading, list) in [("titles", &self.titles), ("entities", &self.entities)] {
            if !list.is_empty() {
                let _ = writeln!(out, "most frequent {heading}");
            }
            for item in list.iter().take(8) {
                let _ = writeln!(out, "  {:>6}  {}", item.count, item.name);
            }
        }
        out
    }
}
