//! The queries that run now and those that ended lately: for `.show queries`, and so that somebody can stop one.
//!
//! Source: Kusto documentation, ".show queries command" and ".cancel query command".

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio::sync::watch;

use crate::ports::{Answer, Failure};

/// Ended queries that are remembered.
const REMEMBERED: usize = 200;
/// Characters of a text that are remembered.
const LONGEST_TEXT: usize = 64 * 1024;

/// A query that runs or ran.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QueryRun {
    /// What its client calls it, or a name of ours
    pub id: String,
    /// Its text, cut when it is long
    pub query: String,
    /// Who asked
    pub user: String,
    /// Since when
    pub started_at: DateTime<Utc>,
    /// How long it took, or runs now
    pub elapsed_ms: u64,
    /// `InProgress`, `Completed`, `Failed` or `Cancelled`
    pub state: &'static str,
    /// Why it failed
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Rows of its answer
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<usize>,
    /// Processor time, milliseconds
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_ms: Option<u64>,
    /// Most memory held, bytes
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_memory: Option<usize>,
}

struct Entry {
    number: u64,
    run: QueryRun,
    started: Instant,
    stop: Option<watch::Sender<Option<String>>>,
}

#[derive(Default)]
struct State {
    next: u64,
    entries: VecDeque<Entry>,
}

/// All of them. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Running(Arc<Mutex<State>>);

/// A query that is under way; when it is dropped before it ended, its client has gone.
pub(crate) struct UnderWay {
    running: Running,
    number: u64,
    /// Becomes the reason when somebody stops it
    pub stopped: watch::Receiver<Option<String>>,
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Running {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a query begins.
    pub(crate) fn begin(&self, id: String, query: &str, user: &str, now: DateTime<Utc>) -> UnderWay {
        let (stop, stopped) = watch::channel(None);
        let mut state = self.state();
        state.next += 1;
        let number = state.next;
        let run = QueryRun {
            id,
            query: query.chars().take(LONGEST_TEXT).collect(),
            user: user.to_owned(),
            started_at: now,
            elapsed_ms: 0,
            state: "InProgress",
            failure: None,
            rows: None,
            cpu_ms: None,
            peak_memory: None,
        };
        state.entries.push_back(Entry {
            number,
            run,
            started: Instant::now(),
            stop: Some(stop),
        });
        let ended = state.entries.iter().filter(|entry| entry.stop.is_none()).count();
        if ended > REMEMBERED {
            let oldest = state.entries.iter().position(|entry| entry.stop.is_none());
            oldest.and_then(|oldest| state.entries.remove(oldest));
        }
        UnderWay {
            running: self.clone(),
            number,
            stopped,
        }
    }

    /// The queries of somebody, or of everybody; newest first.
    pub(crate) fn list(&self, user: Option<&str>) -> Vec<QueryRun> {
        let state = self.state();
        let of_user = |entry: &&Entry| user.is_none_or(|user| entry.run.user == user);
        let seen = |entry: &Entry| {
            let mut run = entry.run.clone();
            if entry.stop.is_some() {
                run.elapsed_ms = millis(entry.started.elapsed());
            }
            run
        };
        state.entries.iter().rev().filter(of_user).map(seen).collect()
    }

    /// Stops the queries of that name, of somebody or of anybody; gives how many there were.
    pub(crate) fn cancel(&self, id: &str, user: Option<&str>, reason: &str) -> usize {
        let state = self.state();
        let meant = |entry: &&Entry| entry.run.id == id && user.is_none_or(|user| entry.run.user == user);
        let stops = state.entries.iter().filter(meant).filter_map(|entry| entry.stop.as_ref());
        stops.filter(|stop| stop.send(Some(reason.to_owned())).is_ok()).count()
    }
}

impl UnderWay {
    /// Notes how it ended.
    pub(crate) fn end(self, result: &Result<Answer, Failure>) {
        self.finish(|run| match result {
            Ok(answer) => {
                run.state = "Completed";
                run.rows = Some(answer.row_count);
                run.cpu_ms = Some(millis(answer.cost.cpu));
                run.peak_memory = Some(answer.cost.peak_memory);
            }
            Err(failure) => {
                run.state = if matches!(failure, Failure::Cancelled(_)) {
                    "Cancelled"
                } else {
                    "Failed"
                };
                run.failure = Some(failure.to_string());
            }
        });
    }

    fn finish(&self, change: impl FnOnce(&mut QueryRun)) {
        let mut state = self.running.state();
        let entry = state.entries.iter_mut().rev().find(|entry| entry.number == self.number);
        if let Some(entry) = entry.filter(|entry| entry.stop.is_some()) {
            entry.stop = None;
            entry.run.elapsed_ms = millis(entry.started.elapsed());
            change(&mut entry.run);
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.finish(|run| {
            run.state = "Cancelled";
            run.failure = Some("the client has gone".to_owned());
        });
    }
}
