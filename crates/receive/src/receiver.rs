//! The way of a body into the lake, the same for every door: decompress, decode, transform, append; answer when it is durable.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::RecordBatch;
use bytes::Bytes;
use chrono::Utc;
use metrics::{counter, histogram};
use taffrail_lake::{Lake, LakeError};
use taffrail_schema::Schema;
use taffrail_sources::{Catalogue, Context, Decoded, Naming, Source, dead_letter_batch, decode, decode_into, decompress};
use tokio::sync::Semaphore;

use crate::answer::{Receipt, Refusal};
use crate::body;
use crate::health::Health;
use crate::transform::Transformed;

/// Limits of reception.
#[derive(Debug, Clone)]
pub struct ReceiverOptions {
    /// Largest body as sent, in bytes
    pub body_limit: usize,
    /// Largest body after decompression, in bytes
    pub decompressed_limit: usize,
    /// Bodies decoded at the same time; others wait
    pub decoders: usize,
    /// Bytes of bodies that may wait or be decoded at the same time; with more, senders are asked to come again
    pub waiting: usize,
}

impl Default for ReceiverOptions {
    fn default() -> ReceiverOptions {
        ReceiverOptions {
            body_limit: 64 << 20,
            decompressed_limit: 512 << 20,
            decoders: std::thread::available_parallelism().map_or(2, usize::from),
            waiting: 256 << 20,
        }
    }
}

/// Decodes bodies and appends them to the lake. Cheap to clone.
#[derive(Clone)]
pub struct Receiver {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) lake: Lake,
    pub(crate) schema: Arc<Schema>,
    pub(crate) options: ReceiverOptions,
    pub(crate) transformations: HashMap<(String, String), Arc<dyn Transformed>>,
    pub(crate) health: Health,
    decoders: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

/// How a body is read.
#[derive(Clone)]
pub(crate) enum Reading {
    /// As records of a source
    Source(&'static Source),
    /// As JSON objects whose members are columns of a table
    Table {
        /// Which
        table: String,
        /// How members are named
        naming: Naming,
        /// Through which door, for metrics and health
        door: &'static str,
        /// Rows pass through this first, and are read by its columns
        through: Option<Arc<dyn Transformed>>,
    },
}

impl Reading {
    fn name(&self) -> &'static str {
        match self {
            Reading::Source(source) => source.id,
            Reading::Table { door, .. } => door,
        }
    }
}

/// A unit of [`ReceiverOptions::waiting`].
const UNIT: usize = 1024;

impl Receiver {
    /// A receiver without transformations.
    pub fn new(lake: Lake, schema: Arc<Schema>, options: ReceiverOptions) -> Receiver {
        Receiver::with_transformations(lake, schema, options, Vec::new())
    }

    /// A receiver whose rows pass through transformations on their way, by source and table.
    pub fn with_transformations(
        lake: Lake,
        schema: Arc<Schema>,
        options: ReceiverOptions,
        transformations: Vec<((String, String), Arc<dyn Transformed>)>,
    ) -> Receiver {
        let decoders = Arc::new(Semaphore::new(options.decoders.max(1)));
        let units = (options.waiting.max(options.body_limit) / UNIT).max(1);
        let waiting = Arc::new(Semaphore::new(units.min(Semaphore::MAX_PERMITS)));
        Receiver {
            inner: Arc::new(Inner {
                lake,
                schema,
                options,
                transformations: transformations.into_iter().collect(),
                health: Health::default(),
                decoders,
                waiting,
            }),
        }
    }

    /// How each source fares.
    pub fn health(&self) -> &Health {
        &self.inner.health
    }

    /// Makes a table for records like these, or gives one that was made the columns that it lacks. A built-in table stays as it is.
    pub(crate) async fn fit(&self, table: &str, records: &[serde_json::Map<String, serde_json::Value>]) -> Result<(), Refusal> {
        if self.inner.schema.table(table).is_some() && !self.inner.schema.is_made(table) {
            return Ok(());
        }
        let mut proposed = taffrail_sources::infer_table(table, records);
        if let Some(known) = self.inner.schema.table(table) {
            // A value that does not fit a column of before is not set; the whole record is in RawData.
            proposed.columns.retain(|column| known.column(&column.name).is_none());
            if proposed.columns.is_empty() {
                return Ok(());
            }
        }
        let bad = |message: String| Refusal::bad_body("InvalidTable", message);
        let made = taffrail_schema::made_table(&proposed.name, proposed.columns).map_err(|error| bad(error.to_string()))?;
        match self.inner.lake.create_merge(made).await {
            Ok(_) => Ok(()),
            Err(LakeError::Table { message, .. }) => Err(bad(message)),
            Err(error) => Err(refused_by_lake(error)),
        }
    }

    /// The table of that name.
    pub(crate) fn table(&self, name: &str) -> Option<taffrail_schema::TableDef> {
        self.inner.schema.table(name).cloned()
    }

    /// Takes a body in: decompresses, decodes and appends it. `origin` is where it came from, for dead letters.
    ///
    /// # Errors
    /// When the body cannot be decompressed, nothing in it can be used (its dead letters are stored all the same), or the
    /// lake does not take it.
    pub async fn receive(&self, source: &str, cluster: &str, body: Bytes, origin: String) -> Result<Receipt, Refusal> {
        let source = Catalogue::source(source).ok_or_else(|| Refusal::unknown_source(source))?;
        let receipt = self.take(Reading::Source(source), cluster, body, origin).await?;
        if receipt.rejected > 0 && !receipt.usable {
            return Err(Refusal::nothing_usable(receipt));
        }
        Ok(receipt)
    }

    /// [`Receiver::receive`], with a receipt even when nothing could be used.
    pub(crate) async fn take(&self, reading: Reading, cluster: &str, body: Bytes, origin: String) -> Result<Receipt, Refusal> {
        let name = reading.name();
        let began = Instant::now();
        let bytes = body.len() as u64;
        let result = self.take_in(reading, cluster, body, origin).await;
        histogram!("taffrail_ingest_seconds", "source" => name).record(began.elapsed().as_secs_f64());
        let outcome = match &result {
            Ok(receipt) if receipt.rejected > 0 && !receipt.usable => "NothingUsable".to_owned(),
            Ok(_) => "stored".to_owned(),
            Err(refusal) => refusal.code.to_owned(),
        };
        counter!("taffrail_ingest_bodies_total", "source" => name, "outcome" => outcome).increment(1);
        self.inner.health.note(name, cluster, bytes, &result);
        result
    }

    async fn take_in(&self, reading: Reading, cluster: &str, body: Bytes, origin: String) -> Result<Receipt, Refusal> {
        let name = reading.name();
        counter!("taffrail_ingest_bytes_total", "source" => name).increment(body.len() as u64);
        if body.is_empty() {
            return Err(Refusal::bad_body("EmptyBody", "the body is empty"));
        }
        let units = u32::try_from(body.len() / UNIT + 1).unwrap_or(u32::MAX);
        let waiting = Arc::clone(&self.inner.waiting)
            .try_acquire_many_owned(units)
            .map_err(|_| Refusal::busy("more is being taken in than there is room for: come again"))?;
        let permit = Arc::clone(&self.inner.decoders)
            .acquire_owned()
            .await
            .map_err(|_| Refusal::unavailable("Stopping", "the receiver is stopping"))?;
        let inner = Arc::clone(&self.inner);
        let cluster = cluster.to_owned();
        let read = reading.clone();
        let Prepared { decoded, mut rows, usable } = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            decode_body(&inner, &read, cluster, &body, origin)
        })
        .await
        .map_err(|error| Refusal::fault(format!("decoding stopped: {error}")))??;
        let mut dropped = 0;
        if !self.inner.transformations.is_empty() || matches!(&reading, Reading::Table { through: Some(_), .. }) {
            (rows, dropped) = self.transform(&reading, rows).await?;
        }

        let dead_rows = decoded.dead.len() as u64;
        counter!("taffrail_ingest_rejected_total", "source" => name).increment(decoded.rejected as u64);
        counter!("taffrail_ingest_dropped_total", "source" => name).increment(dropped);
        let newest = rows
            .iter()
            .filter(|(table, _)| table != DEAD)
            .filter_map(|(_, batch)| newest(batch))
            .max();
        let (mut stored, mut duplicates) = (0, 0);
        if !rows.is_empty() {
            let appended = self.inner.lake.append(rows).await.map_err(refused_by_lake)?;
            stored = appended.stored.saturating_sub(dead_rows);
            duplicates = appended.duplicates;
        }
        drop(waiting);
        counter!("taffrail_ingest_events_total", "source" => name).increment(stored);
        counter!("taffrail_ingest_duplicates_total", "source" => name).increment(duplicates);
        let mut receipt = Receipt::new(stored, duplicates, decoded);
        receipt.dropped = dropped;
        receipt.usable = usable > 0;
        receipt.newest = newest;
        if name != taffrail_sources::AUTO {
            receipt.recognised = None;
        }
        Ok(receipt)
    }

    /// Rows after the transformations that are set for them, and how many these dropped.
    async fn transform(&self, reading: &Reading, rows: Vec<(String, RecordBatch)>) -> Result<(Vec<(String, RecordBatch)>, u64), Refusal> {
        let mut out = Vec::with_capacity(rows.len());
        let mut dropped = 0_u64;
        for (table, batch) in rows {
            let transformation = match reading {
                Reading::Table {
                    through: Some(through), ..
                } if table == through.input().name => Some(through),
                _ => {
                    let source = reading.name().to_owned();
                    let of_source = self.inner.transformations.get(&(source, table.clone()));
                    of_source.or_else(|| self.inner.transformations.get(&(String::new(), table.clone())))
                }
            };
            let Some(transformation) = transformation.filter(|_| table != DEAD) else {
                out.push((table, batch));
                continue;
            };
            let before = batch.num_rows() as u64;
            let to = transformation.output().to_owned();
            let batches = transformation
                .apply(batch)
                .await
                .map_err(|error| Refusal::fault(format!("the transformation of {table} failed: {error}")))?;
            let after: u64 = batches.iter().map(|batch| batch.num_rows() as u64).sum();
            dropped += before.saturating_sub(after);
            out.extend(
                batches
                    .into_iter()
                    .filter(|batch| batch.num_rows() > 0)
                    .map(|batch| (to.clone(), batch)),
            );
        }
        Ok((out, dropped))
    }
}

const DEAD: &str = "DeadLetter";

/// The newest event time of a batch, in microseconds.
fn newest(batch: &RecordBatch) -> Option<i64> {
    let column = batch.column_by_name(taffrail_schema::TIME)?;
    let times = column.as_any().downcast_ref::<arrow::array::TimestampMicrosecondArray>()?;
    arrow::compute::max(times)
}

/// A body ready for the lake.
struct Prepared {
    /// What is left of it without its batches
    decoded: Decoded,
    /// Rows by table, those of the dead letters among them
    rows: Vec<(String, RecordBatch)>,
    /// Rows that are not dead letters
    usable: usize,
}

fn decode_body(inner: &Inner, reading: &Reading, cluster: String, body: &[u8], origin: String) -> Result<Prepared, Refusal> {
    let limits = body::decompress_limits(&inner.options);
    let plain = decompress(body, &limits).map_err(Refusal::from_decompression)?;
    let context = Context {
        cluster,
        received: Utc::now(),
        schema: &inner.schema,
        origin,
    };
    let fault = |error: taffrail_sources::SourceError| Refusal::fault(error.to_string());
    let mut decoded = match reading {
        Reading::Source(source) => decode(source.id, &plain, &context).map_err(fault)?,
        Reading::Table {
            naming,
            through: Some(through),
            ..
        } => {
            let context = Context {
                schema: through.schema(),
                ..context.clone()
            };
            decode_into(&through.input().name, *naming, &plain, &context).map_err(fault)?
        }
        Reading::Table { table, naming, .. } => decode_into(table, *naming, &plain, &context).map_err(fault)?,
    };
    let usable = decoded.rows();
    let mut rows = std::mem::take(&mut decoded.batches);
    if !decoded.dead.is_empty() {
        let letters = dead_letter_batch(&decoded.dead, reading.name(), &context).map_err(fault)?;
        rows.push((DEAD.to_owned(), letters));
    }
    Ok(Prepared { decoded, rows, usable })
}

fn refused_by_lake(error: LakeError) -> Refusal {
    match error {
        // Rows that do not fit are a fault of the decoder: sending again does not help.
        LakeError::Batch { .. } | LakeError::UnknownTable { .. } | LakeError::Arrow { .. } => Refusal::fault(error.to_string()),
        LakeError::Busy { .. } => Refusal::busy(error.to_string()),
        LakeError::Quota { .. } => Refusal::over_quota(error.to_string()),
        _ => {
            tracing::error!(%error, "the lake does not take rows");
            Refusal::unavailable("LakeUnavailable", error.to_string())
        }
    }
}
