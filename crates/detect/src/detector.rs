//! The part that runs: follows the lake, evaluates rules, records alerts and incidents, tells who listens.
//!
//! NRT rules see each batch as it becomes durable, in the order of the log; the position they have reached is kept with the lake, so
//! that a restart goes on where it stopped. Scheduled rules see windows of arrival time; the end of the last window is kept in the
//! state, so that missed windows run by themselves. Alerts have stable identifiers, so that what is evaluated twice is recorded once.
//!
//! An alert of severity Informational is kept in `SecurityAlert` and opens no incident: it is context for the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use metrics::{counter, histogram};
use parking_lot::RwLock;
use serde_json::{Map, Value, json};
use taffrail_engine::{Engine, QueryRequest, TableSource};
use taffrail_lake::{Committed, Lake, LakeError};
use taffrail_schema::Schema;
use taffrail_state::incidents::{Change, Grouping as IncidentGrouping, IncidentChange, Severity};
use taffrail_state::rules::RuleState;
use taffrail_state::{State, StateError};
use tokio::sync::{broadcast, watch};

use crate::alert::Alert;
use crate::entity::Entity;
use crate::evaluate::{Window, earlier_id, evaluate};
use crate::overlay::{BatchSource, ReceivedSource};
use crate::rows::{self, RowError};
use crate::rule::{Kind, MatchingMethod, Rule};
use crate::rule_test::message;
use crate::ruleset::RuleSet;
use crate::tables;

/// Name under which the lake keeps how far detection has read.
const CONSUMER: &str = "detect";
/// How long rows may take from arrival until they are visible. Scheduled windows end this long ago.
const SETTLING: TimeDelta = TimeDelta::seconds(5);
/// Batches evaluated before the position is written, when they queue up.
const STEPS_PER_POSITION: usize = 64;
/// How often the schedule is looked at.
const TICK: Duration = Duration::from_secs(1);
/// Windows of one rule made up for after downtime; what is older is said in `TaffrailHealth` and left out.
const MOST_MISSED_WINDOWS: i32 = 288;
/// Longer than this is for ever; keeps sums of times within what can be counted.
const LONGEST: TimeDelta = TimeDelta::days(36_500);

/// Why detection stopped or could not do a step.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// The lake
    #[error("detection cannot read or write the lake: {0}")]
    Lake(#[from] LakeError),
    /// The state
    #[error("detection cannot record in the state database: {0}")]
    State(#[from] StateError),
    /// Rows
    #[error(transparent)]
    Rows(#[from] RowError),
    /// A table for a rule
    #[error("cannot hand a batch to the rules: {0}")]
    Batch(#[from] datafusion::error::DataFusionError),
}

/// A rule that is switched on, and the stored tables its query reads.
#[derive(Debug, Clone)]
pub struct ActiveRule {
    /// The rule
    pub rule: Arc<Rule>,
    /// Stored tables (views resolved)
    pub tables: BTreeSet<String>,
}

/// Detection over a lake. Cheap to clone.
#[derive(Clone)]
pub struct Detector {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    source: Arc<dyn TableSource>,
    lake: Lake,
    state: State,
    schema: Arc<Schema>,
    rules: RwLock<Arc<Vec<ActiveRule>>>,
    /// Rules whose query cannot be bound, and why
    left_out: Vec<(Rule, String)>,
    changes: broadcast::Sender<IncidentChange>,
}

impl Detector {
    /// Over a lake (`source` gives its tables to the engine), with all rules of a set switched on. A rule whose query cannot be bound is
    /// left out and said in the log and in `TaffrailHealth` when [`Detector::run`] starts.
    pub fn new(engine: Engine, source: Arc<dyn TableSource>, lake: Lake, state: State, schema: Arc<Schema>, rules: &RuleSet) -> Detector {
        let mut active = Vec::new();
        let mut left_out = Vec::new();
        for loaded in rules.iter() {
            match engine.compile(&loaded.rule.query, &QueryRequest::default()) {
                Ok(bound) => active.push(ActiveRule {
                    rule: Arc::new(loaded.rule.clone()),
                    tables: tables::stored_tables(&bound.root),
                }),
                Err(error) => {
                    let error = message(&loaded.rule.query, &error);
                    tracing::error!(rule = loaded.rule.id, path = loaded.path, "rule is left out: {error}");
                    left_out.push((loaded.rule.clone(), error));
                }
            }
        }
        let (changes, _) = broadcast::channel(1024);
        Detector {
            inner: Arc::new(Inner {
                engine,
                source,
                lake,
                state,
                schema,
                rules: RwLock::new(Arc::new(active)),
                left_out,
                changes,
            }),
        }
    }

    /// The rules that are switched on.
    pub fn rules(&self) -> Arc<Vec<ActiveRule>> {
        Arc::clone(&self.inner.rules.read())
    }

    /// Hears of every incident that is opened or changed.
    pub fn subscribe(&self) -> broadcast::Receiver<IncidentChange> {
        self.inner.changes.subscribe()
    }

    /// Where changes are told; people's changes go here, too.
    pub fn changes(&self) -> broadcast::Sender<IncidentChange> {
        self.inner.changes.clone()
    }

    /// Whether the NRT rules have seen everything up to a position of the lake.
    pub fn has_seen(&self, position: u64) -> bool {
        self.inner.lake.consumer(CONSUMER).is_some_and(|seen| seen >= position)
    }

    /// Runs until `shutdown` turns true.
    ///
    /// # Errors
    /// When the lake or the state fails. A rule that fails does not end it.
    pub async fn run(&self, mut shutdown: watch::Receiver<bool>) -> Result<(), DetectError> {
        let lake = &self.inner.lake;
        let position = match lake.consumer(CONSUMER) {
            Some(position) => position,
            None => {
                let position = lake.position();
                lake.set_consumer(CONSUMER, position).await?;
                position
            }
        };
        for (rule, error) in &self.inner.left_out {
            self.health(rule, "Failure", &format!("the rule is left out: {error}"), json!({}))
                .await?;
        }
        let mut rows = lake.read_from(position);
        let mut changes = self.subscribe();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            // Not biased: while rows queue up, schedules go on.
            tokio::select! {
                changed = shutdown.changed() => {
                    if changed.is_err() || *shutdown.borrow() {
                        return Ok(());
                    }
                }
                committed = rows.next() => {
                    let Some(committed) = committed? else { return Ok(()) };
                    self.process(&committed).await?;
                    let mut steps = 1;
                    // A queue is worked off before its position is written: what is evaluated twice after a crash is recorded once.
                    while steps < STEPS_PER_POSITION {
                        let Some(committed) = rows.try_next().await? else { break };
                        self.process(&committed).await?;
                        steps += 1;
                    }
                    lake.set_consumer(CONSUMER, rows.position()).await?;
                }
                change = changes.recv() => match change {
                    Ok(change) => self.write_incident(change.number).await?,
                    Err(broadcast::error::RecvError::Lagged(missed)) => {
                        tracing::warn!(missed, "changes of incidents came faster than they are written to SecurityIncident");
                    }
                    // The sender is our own: it lives as long as we do.
                    Err(broadcast::error::RecvError::Closed) => return Ok(()),
                },
                _ = tick.tick() => self.run_due(Utc::now()).await?,
            }
        }
    }

    /// Writes an incident as it is now into `SecurityIncident`: what people change is a row, too. A state that was written before
    /// (by [`Detector::process`], say) is not written again: the table is unique by incident and time of change.
    async fn write_incident(&self, number: i64) -> Result<(), DetectError> {
        let incident = match self.inner.state.incident(number).await {
            Ok(incident) => incident,
            Err(StateError::NotFound { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let alerts = self.inner.state.alerts(number).await?;
        let ids: Vec<String> = alerts.into_iter().map(|alert| alert.id).collect();
        let row = rows::incident_row(&incident, &ids, Utc::now());
        let batch = rows::batch(&self.inner.schema, rows::INCIDENTS, vec![row])?;
        self.inner.lake.append(vec![(rows::INCIDENTS.to_owned(), batch)]).await?;
        Ok(())
    }

    /// Evaluates the NRT rules over one durable batch.
    ///
    /// # Errors
    /// As [`Detector::run`].
    pub async fn process(&self, committed: &Committed) -> Result<(), DetectError> {
        let rules = self.rules();
        let concerned: Vec<&ActiveRule> = rules
            .iter()
            .filter(|active| active.rule.kind == Kind::Nrt && active.tables.contains(&committed.table))
            .collect();
        if concerned.is_empty() || committed.batch.num_rows() == 0 {
            return Ok(());
        }
        let source = BatchSource::new(&committed.table, committed.batch.clone(), Arc::clone(&self.inner.source))?;
        let engine = self.inner.engine.with_source(Arc::new(source));
        let now = Utc::now();
        for active in concerned {
            let window = Window { now, timespan: None };
            self.evaluate_and_record(&engine, &active.rule, window).await?;
        }
        Ok(())
    }

    /// Runs the scheduled rules that are due, each over the windows it has missed.
    ///
    /// # Errors
    /// As [`Detector::run`].
    pub async fn run_due(&self, now: DateTime<Utc>) -> Result<(), DetectError> {
        let rules = self.rules();
        let mut states: Option<BTreeMap<String, RuleState>> = None;
        for active in rules.iter().filter(|active| active.rule.kind == Kind::Scheduled) {
            let states = match &mut states {
                Some(states) => states,
                None => states.insert(self.inner.state.rule_states().await?),
            };
            let rule = &active.rule;
            let frequency = delta(rule.frequency()).max(TimeDelta::seconds(1));
            let period = delta(rule.period());
            let latest = now - SETTLING;
            let mut state = states.get(&rule.id).cloned().unwrap_or_default();
            let Some(last) = state.last_run else {
                // The first window is a whole period that ends now.
                self.run_window(rule, latest - period, latest).await?;
                // Suppression may have been set by the window.
                state = self.inner.state.rule_state(&rule.id).await?;
                state.last_run = Some(latest);
                self.inner.state.set_rule_state(&rule.id, &state).await?;
                continue;
            };
            let mut end = last.checked_add_signed(frequency).unwrap_or(DateTime::<Utc>::MAX_UTC);
            let earliest = latest
                .checked_sub_signed(frequency * MOST_MISSED_WINDOWS)
                .unwrap_or(DateTime::<Utc>::MIN_UTC);
            if end < earliest {
                let reason = format!("the windows between {end} and {earliest} were missed and are too many to make up for");
                self.health(rule, "Partial success", &reason, json!({})).await?;
                end = earliest;
            }
            while end <= latest {
                self.run_window(rule, end - period, end).await?;
                state = self.inner.state.rule_state(&rule.id).await?;
                state.last_run = Some(end);
                self.inner.state.set_rule_state(&rule.id, &state).await?;
                end += frequency;
            }
        }
        Ok(())
    }

    async fn run_window(&self, rule: &Rule, start: DateTime<Utc>, end: DateTime<Utc>) -> Result<(), DetectError> {
        let source = ReceivedSource {
            start,
            end,
            all: Arc::clone(&self.inner.source),
        };
        let engine = self.inner.engine.with_source(Arc::new(source));
        self.evaluate_and_record(&engine, rule, Window { now: end, timespan: None }).await
    }

    async fn evaluate_and_record(&self, engine: &Engine, rule: &Rule, window: Window) -> Result<(), DetectError> {
        let started = Instant::now();
        let result = evaluate(engine, rule, window).await;
        histogram!("taffrail_rule_seconds", "rule" => rule.id.clone()).record(started.elapsed().as_secs_f64());
        match result {
            Ok(alerts) => self.record(rule, alerts, window.now).await,
            Err(error) => {
                counter!("taffrail_rule_failures_total", "rule" => rule.id.clone()).increment(1);
                let error = message(&rule.query, &error);
                tracing::error!(rule = rule.id, "rule failed: {error}");
                self.health(rule, "Failure", &error, json!({ "window": rows::time(window.now) }))
                    .await
            }
        }
    }

    /// Records alerts as incidents and rows, and tells who listens.
    async fn record(&self, rule: &Rule, mut alerts: Vec<Alert>, now: DateTime<Utc>) -> Result<(), DetectError> {
        if alerts.is_empty() {
            return Ok(());
        }
        for alert in &mut alerts {
            let Some(earlier) = earlier_id(rule, alert) else { continue };
            match self.inner.state.alert(&earlier).await {
                Ok((known, _)) if alert.first_activity < known.first_activity + delta(rule.period()) => alert.id = earlier,
                Ok(_) | Err(StateError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let mut rule_state = self.inner.state.rule_state(&rule.id).await?;
        if rule_state.suppressed_until.is_some_and(|until| now < until) {
            counter!("taffrail_alerts_suppressed_total", "rule" => rule.id.clone()).increment(alerts.len() as u64);
            return Ok(());
        }
        counter!("taffrail_alerts_total", "rule" => rule.id.clone()).increment(alerts.len() as u64);
        let opens = |alert: &Alert| alert.severity > Severity::Informational && rule.incidents().create_incident;
        let grouped: Vec<(Alert, IncidentGrouping)> = alerts
            .iter()
            .filter(|alert| opens(alert))
            .map(|alert| (alert.clone(), grouping(rule, alert)))
            .collect();
        let changes = self.inner.state.record_alerts(&grouped, now).await?;

        let mut alert_rows: Vec<Map<String, Value>> = Vec::with_capacity(alerts.len());
        let mut changed = changes.iter();
        for alert in &alerts {
            let incident = if opens(alert) {
                changed.next().map(|change| change.number)
            } else {
                None
            };
            alert_rows.push(rows::alert_row(alert, incident, now));
        }
        let numbers: BTreeSet<i64> = changes.iter().map(|change| change.number).collect();
        let mut incident_rows: Vec<Map<String, Value>> = Vec::new();
        for number in numbers {
            let incident = self.inner.state.incident(number).await?;
            let ids: Vec<String> = self.inner.state.alerts(number).await?.into_iter().map(|alert| alert.id).collect();
            incident_rows.push(rows::incident_row(&incident, &ids, now));
        }
        let mut parts = vec![(rows::ALERTS.to_owned(), rows::batch(&self.inner.schema, rows::ALERTS, alert_rows)?)];
        if !incident_rows.is_empty() {
            parts.push((
                rows::INCIDENTS.to_owned(),
                rows::batch(&self.inner.schema, rows::INCIDENTS, incident_rows)?,
            ));
        }
        let appended = self.inner.lake.append(parts).await?;

        // What was known before does not make the rule silent for longer.
        if let Some(duration) = rule.suppression().filter(|_| appended.stored > 0) {
            rule_state.suppressed_until = Some(now + delta(duration));
            self.inner.state.set_rule_state(&rule.id, &rule_state).await?;
        }
        for change in changes.into_iter().filter(|change| change.change != Change::Unchanged) {
            // Nobody listening is no error.
            let _ = self.inner.changes.send(change);
        }
        Ok(())
    }

    async fn health(&self, rule: &Rule, status: &str, reason: &str, details: Value) -> Result<(), DetectError> {
        let row = rows::health_row(rule, status, reason, details, Utc::now());
        let batch = rows::batch(&self.inner.schema, rows::HEALTH, vec![row])?;
        self.inner.lake.append(vec![(rows::HEALTH.to_owned(), batch)]).await?;
        Ok(())
    }
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(LONGEST).min(LONGEST)
}

/// Which incident an alert belongs to, as the rule configures it.
pub fn grouping(rule: &Rule, alert: &Alert) -> IncidentGrouping {
    let configuration = rule.incidents().grouping_configuration;
    if !configuration.enabled {
        return IncidentGrouping::none();
    }
    let mut keys: Vec<String> = match configuration.matching_method {
        MatchingMethod::AnyAlert => Vec::new(),
        MatchingMethod::AllEntities => alert.entities.iter().map(Entity::key).collect(),
        MatchingMethod::Selected => {
            let wanted = |entity: &&Entity| {
                configuration
                    .group_by_entities
                    .iter()
                    .any(|kind| *kind == entity.kind || (kind == "Account" && crate::entity::is_actor(entity)))
            };
            let mut keys: Vec<String> = alert.entities.iter().filter(wanted).map(Entity::key).collect();
            for detail in &configuration.group_by_alert_details {
                match detail.as_str() {
                    "DisplayName" => keys.push(format!("title:{}", alert.title)),
                    "Severity" => keys.push(format!("severity:{}", alert.severity)),
                    _ => {}
                }
            }
            for detail in &configuration.group_by_custom_details {
                if let Some(value) = alert.custom_details.get(detail) {
                    keys.push(format!("{detail}:{value}"));
                }
            }
            keys
        }
    };
    if configuration.matching_method == MatchingMethod::Selected && keys.is_empty() {
        // Nobody was logged in: the address stands for the one who acted.
        keys = alert
            .entities
            .iter()
            .filter(|entity| entity.kind == "IP")
            .map(Entity::key)
            .collect();
    }
    IncidentGrouping {
        rule: Some(rule.id.clone()),
        keys,
        lookback: Some(delta(configuration.lookback_duration)),
        reopen: configuration.reopen_closed_incident,
    }
}
