//! How each source fares: first and last arrival, rate, lag between event and arrival, what could not be used or was dropped, and silence.
//! Every interval a row of TaffrailHealth for each source that sent, and one when a source falls silent or comes back; rules and the
//! portal read them there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::json;
use taffrail_lake::Lake;
use taffrail_schema::Schema;
use taffrail_sources::Rows;
use tokio::sync::watch;

use crate::answer::{Receipt, Refusal};

/// Table of the rows.
const TABLE: &str = "TaffrailHealth";
/// Senders that are told apart; those beyond are counted together.
const SENDERS: usize = 10_000;
/// Events that are this far in the future have a wrong clock.
const SKEW: i64 = 60;

/// What is known of a source and a cluster.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sender {
    /// First arrival since the start
    pub first: Option<DateTime<Utc>>,
    /// Last arrival
    pub last: Option<DateTime<Utc>>,
    /// Newest event time
    pub newest: Option<DateTime<Utc>>,
    /// Sums since the start
    pub total: Sums,
    /// Sums when the last row was written
    reported: Sums,
    /// It was said that it is silent
    silent: bool,
    /// The last reasons why something could not be used
    samples: Vec<String>,
}

/// Sums of a sender.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// Bodies or batches
    pub bodies: u64,
    /// Bytes as sent
    pub bytes: u64,
    /// Rows stored
    pub stored: u64,
    /// Rows that were there before
    pub duplicates: u64,
    /// Records that could not be used
    pub rejected: u64,
    /// Rows that transformations dropped
    pub dropped: u64,
    /// Bodies that were refused
    pub refused: u64,
    /// Messages lost before they could be decoded: datagrams beyond limits, lines that do not end
    pub lost: u64,
}

impl Sums {
    fn since(self, before: Sums) -> Sums {
        Sums {
            bodies: self.bodies - before.bodies,
            bytes: self.bytes - before.bytes,
            stored: self.stored - before.stored,
            duplicates: self.duplicates - before.duplicates,
            rejected: self.rejected - before.rejected,
            dropped: self.dropped - before.dropped,
            refused: self.refused - before.refused,
            lost: self.lost - before.lost,
        }
    }
}

/// A source and a cluster.
pub type Key = (String, String);

/// How all sources fare. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Health {
    senders: Arc<Mutex<BTreeMap<Key, Sender>>>,
}

impl Health {
    fn senders(&self) -> MutexGuard<'_, BTreeMap<Key, Sender>> {
        self.senders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known now.
    pub fn snapshot(&self) -> BTreeMap<Key, Sender> {
        self.senders().clone()
    }

    /// Tells of a sender that was there before the start, so that its silence is noticed.
    pub fn remember(&self, source: &str, cluster: &str, last: DateTime<Utc>) {
        let mut senders = self.senders();
        let sender = senders.entry((source.to_owned(), cluster.to_owned())).or_default();
        sender.last = sender.last.max(Some(last));
    }

    fn with(&self, source: &str, cluster: &str, change: impl FnOnce(&mut Sender)) {
        let mut senders = self.senders();
        let key = (source.to_owned(), cluster.to_owned());
        let key = if senders.len() < SENDERS || senders.contains_key(&key) {
            key
        } else {
            (source.to_owned(), String::new())
        };
        change(senders.entry(key).or_default());
    }

    pub(crate) fn note(&self, source: &str, cluster: &str, bytes: u64, result: &Result<Receipt, Refusal>) {
        self.with(source, cluster, |sender| {
            sender.total.bodies += 1;
            sender.total.bytes += bytes;
            match result {
                Ok(receipt) => {
                    let now = Utc::now();
                    sender.first.get_or_insert(now);
                    sender.last = Some(now);
                    sender.newest = receipt.newest.and_then(DateTime::from_timestamp_micros).or(sender.newest);
                    sender.total.stored += receipt.stored;
                    sender.total.duplicates += receipt.duplicates;
                    sender.total.rejected += receipt.rejected;
                    sender.total.dropped += receipt.dropped;
                    if !receipt.rejections.is_empty() {
                        let words = receipt.rejections.iter().take(3);
                        sender.samples = words
                            .map(|rejection| format!("{}: {}", rejection.reason, rejection.detail))
                            .collect();
                    }
                }
                Err(refusal) => {
                    sender.total.refused += 1;
                    sender.samples = vec![format!("{}: {}", refusal.code, refusal.message)];
                }
            }
        });
    }

    /// Messages were lost before anything could be made of them.
    pub(crate) fn lost(&self, source: &str, cluster: &str, count: u64, why: &str) {
        metrics::counter!("taffrail_ingest_lost_total", "source" => source.to_owned()).increment(count);
        self.with(source, cluster, |sender| {
            sender.total.lost += count;
            sender.samples = vec![why.to_owned()];
        });
    }

    /// Rows to write: of each source that sent since the last time, and of each that fell silent or came back.
    fn report(&self, now: DateTime<Utc>, silence: &BTreeMap<String, Duration>) -> Vec<Row> {
        let mut rows = Vec::new();
        for ((source, cluster), sender) in self.senders().iter_mut() {
            let sums = sender.total.since(sender.reported);
            sender.reported = sender.total;
            if sums.bodies > 0 || sums.lost > 0 {
                rows.push(sent_row(source, cluster, sender, sums, now));
            }
            let Some(allowed) = silence.get(source) else { continue };
            let Some(last) = sender.last else { continue };
            let quiet = (now - last).to_std().unwrap_or_default();
            let silent = quiet > *allowed;
            if silent != sender.silent {
                sender.silent = silent;
                rows.push(silence_row(source, cluster, last, quiet, *allowed, silent));
            }
        }
        rows
    }
}

struct Row {
    source: String,
    operation: &'static str,
    status: &'static str,
    description: String,
    reason: String,
    properties: serde_json::Value,
}

fn sent_row(source: &str, cluster: &str, sender: &Sender, sums: Sums, now: DateTime<Utc>) -> Row {
    let lag = sender
        .last
        .zip(sender.newest)
        .map(|(last, newest)| (last - newest).num_milliseconds());
    let ahead = lag.is_some_and(|lag| lag < -SKEW * 1_000);
    let bad = sums.rejected + sums.refused + sums.lost;
    let status = match (sums.stored + sums.duplicates + sums.dropped, bad) {
        (0, 1..) => "Failure",
        (_, 1..) => "Partial success",
        _ if ahead => "Warning",
        _ => "Success",
    };
    let mut reason = if bad > 0 { sender.samples.join("; ") } else { String::new() };
    if ahead {
        reason = format!("events are ahead of the clock here by {} s. {reason}", -lag.unwrap_or(0) / 1_000);
    }
    Row {
        source: source.to_owned(),
        operation: "Ingest",
        status,
        description: format!("{source}: {} rows stored, {bad} records not usable", sums.stored),
        reason: reason.trim().to_owned(),
        properties: json!({
            "cluster": cluster, "bodies": sums.bodies, "bytes": sums.bytes, "stored": sums.stored, "duplicates": sums.duplicates,
            "rejected": sums.rejected, "dropped": sums.dropped, "refused": sums.refused, "lost": sums.lost,
            "totalStored": sender.total.stored, "lagMilliseconds": lag,
            "clockSkew": ahead, "firstArrival": sender.first, "lastArrival": sender.last, "newestEvent": sender.newest,
            "silentSeconds": sender.last.map(|last| (now - last).num_seconds()),
            "samples": sender.samples,
        }),
    }
}

fn silence_row(source: &str, cluster: &str, last: DateTime<Utc>, quiet: Duration, allowed: Duration, silent: bool) -> Row {
    let of = if cluster.is_empty() {
        String::new()
    } else {
        format!(" of cluster {cluster}")
    };
    Row {
        source: source.to_owned(),
        operation: "Silence",
        status: if silent { "Failure" } else { "Success" },
        description: if silent {
            format!(
                "{source}{of} has sent nothing for {} s; expected is something every {} s",
                quiet.as_secs(),
                allowed.as_secs()
            )
        } else {
            format!("{source}{of} sends again")
        },
        reason: String::new(),
        properties: json!({"cluster": cluster, "lastArrival": last, "silentSeconds": quiet.as_secs(), "allowedSeconds": allowed.as_secs()}),
    }
}

/// Writes the rows every interval until `ended`.
pub async fn report(
    health: Health,
    lake: Lake,
    schema: Arc<Schema>,
    interval: Duration,
    silence: BTreeMap<String, Duration>,
    mut ended: watch::Receiver<bool>,
) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        let ending = tokio::select! {
            _ = ticks.tick() => false,
            () = crate::until(&mut ended) => true,
        };
        let rows = health.report(Utc::now(), &silence);
        if !rows.is_empty()
            && let Err(error) = write(&rows, &lake, &schema).await
        {
            tracing::warn!(error, "how sources fare cannot be written");
        }
        if ending {
            return;
        }
    }
}

async fn write(rows: &[Row], lake: &Lake, schema: &Schema) -> Result<(), String> {
    let Some(table) = schema.table(TABLE) else {
        return Err(format!("there is no table {TABLE}"));
    };
    let mut out = Rows::new(table);
    let now = Utc::now();
    for row in rows {
        let properties = row.properties.to_string();
        let id = format!("{}-{}-{}", row.operation, row.source, now.timestamp_micros());
        for (column, text) in [
            ("Component", "Source"),
            ("ResourceName", &row.source),
            ("ResourceKind", "Source"),
            ("Operation", row.operation),
            ("Status", row.status),
            ("Description", &row.description),
            ("Reason", &row.reason),
            ("RecordId", &id),
            ("ExtendedProperties", &properties),
        ] {
            let slot = out.slot(column);
            out.text(slot, text);
        }
        for column in [taffrail_schema::TIME, taffrail_schema::RECEIVED] {
            let slot = out.slot(column);
            out.time(slot, now.timestamp_micros());
        }
        out.end_row().map_err(|error| error.to_string())?;
    }
    let batches = out.finish().map_err(|error| error.to_string())?;
    let batches = batches.into_iter().map(|batch| (TABLE.to_owned(), batch)).collect();
    lake.append(batches).await.map_err(|error| error.to_string())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_stops_is_told_once_and_again_when_it_is_back() {
        let health = Health::default();
        let silence = BTreeMap::from([("syslog".to_owned(), Duration::from_secs(60))]);
        let start = Utc::now();
        health.remember("syslog", "prod", start);
        let told = |at: i64| {
            let rows = health.report(start + chrono::Duration::seconds(at), &silence);
            rows.iter().map(|row| (row.operation, row.status)).collect::<Vec<_>>()
        };
        assert_eq!(told(30), []);
        assert_eq!(told(90), [("Silence", "Failure")]);
        assert_eq!(told(120), []);
        health.remember("syslog", "prod", start + chrono::Duration::seconds(130));
        assert_eq!(told(140), [("Silence", "Success")]);
    }

    #[test]
    fn what_was_lost_on_the_way_is_counted() {
        let health = Health::default();
        health.lost("gelf", "", 3, "chunks are missing");
        let rows = health.report(Utc::now(), &BTreeMap::new());
        assert_eq!((rows[0].status, rows[0].reason.as_str()), ("Failure", "chunks are missing"));
        assert_eq!(rows[0].properties["lost"], 3);
        assert!(health.report(Utc::now(), &BTreeMap::new()).is_empty());
    }
}
