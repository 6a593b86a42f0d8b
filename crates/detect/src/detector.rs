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

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use chrono::{DateTime, TimeDelta, Utc};
use metrics::{counter, histogram};
use parking_lot::{Mutex, RwLock};
use serde_json::{Map, Value, json};
use taffrail_engine::{Engine, QueryError, QueryRequest};
use taffrail_lake::{Committed, Lake, LakeError};
use taffrail_schema::{Schema, stored_schema};
use taffrail_state::incidents::IncidentChange;
use taffrail_state::rules::RuleState;
use taffrail_state::{State, StateError};
use tokio::sync::{broadcast, watch};

use crate::candidates::Candidates;
use crate::evaluate::{Window, evaluate_with};
use crate::ledger::{Entry, LEDGER, StreamLedger};
use crate::overlay::{ReceivedSource, RowsSource};
use crate::rows::{self, RowError};
use crate::rule::{Kind, Rule};
use crate::rule_test::message;
use crate::ruleset::RuleSet;
use crate::stream::{Concerned, Stream, Way};
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
    /// The rules together
    #[error("the rules cannot be evaluated together: {0}")]
    Rules(#[from] QueryError),
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
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    engine: Engine,
    pub(crate) lake: Lake,
    pub(crate) state: State,
    pub(crate) schema: Arc<Schema>,
    rules: RwLock<Arc<Vec<ActiveRule>>>,
    /// Rules whose query cannot be bound, and why
    left_out: Vec<(Rule, String)>,
    pub(crate) changes: broadcast::Sender<IncidentChange>,
    /// Compiled when first needed
    stream: Mutex<Option<Arc<Stream>>>,
    candidates: Mutex<Candidates>,
    ledger: Mutex<StreamLedger>,
    /// Rows of the ledger for windows that were run, not yet written
    windows: Mutex<Vec<Map<String, Value>>>,
}

impl Detector {
    /// Over a lake with all rules of a set switched on. A rule whose query cannot be bound is
    /// left out and said in the log and in `TaffrailHealth` when [`Detector::run`] starts.
    pub fn new(engine: Engine, lake: Lake, state: State, schema: Arc<Schema>, rules: &RuleSet) -> Detector {
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
                lake,
                state,
                schema,
                rules: RwLock::new(Arc::new(active)),
                left_out,
                changes,
                stream: Mutex::default(),
                candidates: Mutex::default(),
                ledger: Mutex::default(),
                windows: Mutex::default(),
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
        self.inner.candidates.lock().start(Utc::now());
        self.stream().await?;
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
                _ = tick.tick() => {
                    let now = Utc::now();
                    if rows.position() >= lake.position() {
                        self.inner.candidates.lock().reached(now);
                    }
                    self.run_due(now).await?;
                    self.write_ledger(now).await?;
                }
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

    /// Lists or functions that rules read have changed: what was compiled of them is made anew before the next batch.
    pub fn recompile(&self) {
        *self.inner.stream.lock() = None;
        // Rows were kept by what rules asked before.
        self.inner.candidates.lock().start(Utc::now());
    }

    /// The rules, compiled together; made when first needed.
    async fn stream(&self) -> Result<Arc<Stream>, DetectError> {
        if let Some(stream) = &*self.inner.stream.lock() {
            return Ok(Arc::clone(stream));
        }
        let rules = self.rules();
        let rules = rules.iter().map(|active| Arc::clone(&active.rule));
        let (stream, failed) = Stream::new(&self.inner.engine, &self.inner.schema, rules).await?;
        for (rule, error) in failed {
            tracing::error!(rule = rule.id, "rule is left out: {}", message(&rule.query, &error));
        }
        let stream = Arc::new(stream);
        *self.inner.stream.lock() = Some(Arc::clone(&stream));
        Ok(stream)
    }

    /// Evaluates the NRT rules over one durable batch, and keeps what scheduled rules may want of it.
    ///
    /// # Errors
    /// As [`Detector::run`].
    pub async fn process(&self, committed: &Committed) -> Result<(), DetectError> {
        let stream = self.stream().await?;
        let (table, batch) = (&committed.table, &committed.batch);
        if batch.num_rows() == 0 || stream.size(table).is_none() {
            return Ok(());
        }
        let now = Utc::now();
        let concerned = stream.concerned(table, batch)?;
        self.inner.ledger.lock().seen(table, batch.num_rows(), committed.position);
        let mut found = Vec::new();
        for Concerned { rule: number, rows } in concerned {
            let Some(compiled) = stream.rules.get(number) else { continue };
            let rule = &compiled.rule;
            if rule.kind == Kind::Scheduled {
                let period = delta(rule.period());
                self.inner.candidates.lock().add(number, table, &rows, period, now);
                continue;
            }
            let started = Instant::now();
            let mut entry = Entry {
                concerned: rows.num_rows() as u64,
                ..Entry::default()
            };
            let window = Window { now, timespan: None };
            let result = compiled.evaluate(&self.inner.engine, table, rows, window).await;
            entry.took = started.elapsed();
            histogram!("taffrail_rule_seconds", "rule" => rule.id.clone()).record(entry.took.as_secs_f64());
            match result {
                Ok(alerts) => {
                    entry.alerts = alerts.len() as u64;
                    found.push((Arc::clone(rule), alerts));
                }
                Err(error) => entry.error = Some(self.failed(rule, &error, window).await?),
            }
            self.inner.ledger.lock().evaluated(number, entry);
        }
        self.record(found, now).await
    }

    /// Says that a rule failed; gives the words.
    async fn failed(&self, rule: &Rule, error: &QueryError, window: Window) -> Result<String, DetectError> {
        counter!("taffrail_rule_failures_total", "rule" => rule.id.clone()).increment(1);
        let error = message(&rule.query, error);
        tracing::error!(rule = rule.id, "rule failed: {error}");
        self.health(rule, "Failure", &error, json!({ "window": rows::time(window.now) }))
            .await?;
        Ok(error)
    }

    /// Writes the ledger's rows of the stream that are due.
    async fn write_ledger(&self, now: DateTime<Utc>) -> Result<(), DetectError> {
        let stream = self.stream().await?;
        let rules = stream
            .rules
            .iter()
            .enumerate()
            .filter(|(_, compiled)| compiled.rule.kind == Kind::Nrt)
            .map(|(number, compiled)| {
                let tables: Vec<&str> = compiled.conditions.keys().map(String::as_str).collect();
                (number, compiled.rule.as_ref(), tables)
            });
        let due = self.inner.ledger.lock().due(rules, now);
        self.append_ledger(due).await
    }

    async fn append_ledger(&self, due: Vec<Map<String, Value>>) -> Result<(), DetectError> {
        if due.is_empty() {
            return Ok(());
        }
        let batch = rows::batch(&self.inner.schema, LEDGER, due)?;
        self.inner.lake.append(vec![(LEDGER.to_owned(), batch)]).await?;
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
        let written = std::mem::take(&mut *self.inner.windows.lock());
        self.append_ledger(written).await
    }

    async fn run_window(&self, rule: &Arc<Rule>, start: DateTime<Utc>, end: DateTime<Utc>) -> Result<(), DetectError> {
        let started = Instant::now();
        let stream = self.stream().await?;
        let position = stream.rules.iter().position(|compiled| compiled.rule.id == rule.id);
        let kept = position.and_then(|number| self.kept(&stream, number, start, end));
        let mut entry = Entry::default();
        let mut way = "lake";
        let mut all = Arc::clone(self.inner.engine.source());
        let mut skip = false;
        if let Some(kept) = kept {
            entry.concerned = kept
                .iter()
                .flat_map(|(_, _, batches)| batches)
                .map(|batch| batch.num_rows() as u64)
                .sum();
            entry.seen = entry.concerned;
            skip = entry.concerned == 0;
            way = if skip { "skipped" } else { "kept" };
            all = Arc::new(RowsSource::new(kept, all)?);
        }
        let window = Window { now: end, timespan: None };
        let mut found = Vec::new();
        if !skip {
            let engine = self.inner.engine.with_source(Arc::new(ReceivedSource { start, end, all }));
            let request = QueryRequest {
                now: Some(end),
                ..QueryRequest::default()
            };
            let result = match engine.query(&rule.query, &request).await {
                Ok(result) => {
                    entry.seen = entry.seen.max(result.statistics.scanned_rows as u64);
                    evaluate_with(&engine, rule, &result, window).await
                }
                Err(error) => Err(error),
            };
            match result {
                Ok(alerts) => {
                    entry.alerts = alerts.len() as u64;
                    found.push((Arc::clone(rule), alerts));
                }
                Err(error) => entry.error = Some(self.failed(rule, &error, window).await?),
            }
        }
        entry.took = started.elapsed();
        histogram!("taffrail_rule_seconds", "rule" => rule.id.clone()).record(entry.took.as_secs_f64());
        self.record(found, end).await?;
        let row = crate::ledger::row(rule, way, (start, end), None, &entry, Utc::now());
        self.inner.windows.lock().push(row);
        Ok(())
    }

    /// The rows that may concern a rule in a window, by table, if all of them are in memory.
    fn kept(
        &self,
        stream: &Stream,
        number: usize,
        start: DateTime<Utc>,
        end: DateTime<Utc>,
    ) -> Option<Vec<(String, SchemaRef, Vec<RecordBatch>)>> {
        let compiled = stream.rules.get(number).filter(|compiled| compiled.way != Way::Whole)?;
        let candidates = self.inner.candidates.lock();
        compiled
            .conditions
            .keys()
            .map(|table| {
                let definition = self.inner.schema.table(table)?;
                Some((
                    table.clone(),
                    stored_schema(definition),
                    candidates.rows(number, table, start, end)?,
                ))
            })
            .collect()
    }

    pub(crate) async fn health(&self, rule: &Rule, status: &str, reason: &str, details: Value) -> Result<(), DetectError> {
        let row = rows::health_row(rule, status, reason, details, Utc::now());
        let batch = rows::batch(&self.inner.schema, rows::HEALTH, vec![row])?;
        self.inner.lake.append(vec![(rows::HEALTH.to_owned(), batch)]).await?;
        Ok(())
    }
}

pub(crate) fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(LONGEST).min(LONGEST)
}
