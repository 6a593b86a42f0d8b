//! Takes in what senders push over HTTP: `POST /ingest/{source}` and `POST /ingest/{source}/{cluster}` for every source of
//! [`taffrail_sources::Catalogue`], in any of its framings, plain, gzip or zstd.
//!
//! The answer comes when the rows are durable in the lake, together with the dead letters of the same body, in one append.
//! Knows nothing of rules, and of users only what [`Authorize`] says.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod answer;
mod authorize;
mod body;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::RecordBatch;
use axum::Router;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use chrono::Utc;
use http::header;
use metrics::{counter, histogram};
use taffrail_lake::{Lake, LakeError};
use taffrail_schema::Schema;
use taffrail_sources::{Catalogue, Context, Decoded, Source, dead_letter_batch, decode, decompress};
use tokio::sync::Semaphore;

pub use answer::{Receipt, Refusal, Rejection};
pub use authorize::Authorize;

/// Longest name of a cluster, in bytes.
const CLUSTER_LIMIT: usize = 253;

/// Limits of reception.
#[derive(Debug, Clone)]
pub struct ReceiverOptions {
    /// Largest body as sent, in bytes
    pub body_limit: usize,
    /// Largest body after decompression, in bytes
    pub decompressed_limit: usize,
    /// Bodies decoded at the same time; others wait
    pub decoders: usize,
}

impl Default for ReceiverOptions {
    fn default() -> ReceiverOptions {
        ReceiverOptions {
            body_limit: 64 << 20,
            decompressed_limit: 512 << 20,
            decoders: std::thread::available_parallelism().map_or(2, usize::from),
        }
    }
}

/// Decodes bodies and appends them to the lake. Cheap to clone.
#[derive(Clone)]
pub struct Receiver {
    inner: Arc<Inner>,
}

struct Inner {
    lake: Lake,
    schema: Arc<Schema>,
    options: ReceiverOptions,
    authorize: Option<Arc<dyn Authorize>>,
    decoders: Arc<Semaphore>,
}

impl Receiver {
    /// A receiver that lets everybody send: for a router that is mounted behind its own check.
    pub fn new(lake: Lake, schema: Arc<Schema>, options: ReceiverOptions) -> Receiver {
        Receiver::build(lake, schema, options, None)
    }

    /// A receiver that asks before it reads a body.
    pub fn with_authorization(lake: Lake, schema: Arc<Schema>, options: ReceiverOptions, authorize: Arc<dyn Authorize>) -> Receiver {
        Receiver::build(lake, schema, options, Some(authorize))
    }

    fn build(lake: Lake, schema: Arc<Schema>, options: ReceiverOptions, authorize: Option<Arc<dyn Authorize>>) -> Receiver {
        let decoders = Arc::new(Semaphore::new(options.decoders.max(1)));
        Receiver {
            inner: Arc::new(Inner {
                lake,
                schema,
                options,
                authorize,
                decoders,
            }),
        }
    }

    /// Takes a body in: decompresses, decodes and appends it. `origin` is where it came from, for dead letters.
    ///
    /// # Errors
    /// When the body cannot be decompressed, nothing in it can be used (its dead letters are stored all the same), or the
    /// lake does not take it.
    pub async fn receive(&self, source: &str, cluster: &str, body: Bytes, origin: String) -> Result<Receipt, Refusal> {
        let source = Catalogue::source(source).ok_or_else(|| Refusal::unknown_source(source))?;
        let began = Instant::now();
        let result = self.take_in(source, cluster, body, origin).await;
        histogram!("taffrail_ingest_seconds", "source" => source.id).record(began.elapsed().as_secs_f64());
        let outcome = match &result {
            Ok(_) => "stored".to_owned(),
            Err(refusal) => refusal.code.to_owned(),
        };
        counter!("taffrail_ingest_bodies_total", "source" => source.id, "outcome" => outcome).increment(1);
        result
    }

    async fn take_in(&self, source: &'static Source, cluster: &str, body: Bytes, origin: String) -> Result<Receipt, Refusal> {
        counter!("taffrail_ingest_bytes_total", "source" => source.id).increment(body.len() as u64);
        if body.is_empty() {
            return Err(Refusal::bad_body("EmptyBody", "the body is empty"));
        }
        let permit = Arc::clone(&self.inner.decoders)
            .acquire_owned()
            .await
            .map_err(|_| Refusal::unavailable("Stopping", "the receiver is stopping"))?;
        let inner = Arc::clone(&self.inner);
        let cluster = cluster.to_owned();
        let Prepared { decoded, rows, usable } = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            decode_body(&inner, source, cluster, &body, origin)
        })
        .await
        .map_err(|error| Refusal::fault(format!("decoding stopped: {error}")))??;

        let dead_rows = decoded.dead.len() as u64;
        counter!("taffrail_ingest_rejected_total", "source" => source.id).increment(decoded.rejected as u64);
        let (mut stored, mut duplicates) = (0, 0);
        if !rows.is_empty() {
            let appended = self.inner.lake.append(rows).await.map_err(refused_by_lake)?;
            stored = appended.stored.saturating_sub(dead_rows);
            duplicates = appended.duplicates;
        }
        counter!("taffrail_ingest_events_total", "source" => source.id).increment(stored);
        counter!("taffrail_ingest_duplicates_total", "source" => source.id).increment(duplicates);
        let mut receipt = Receipt::new(stored, duplicates, &decoded);
        receipt.recognised = (source.id == taffrail_sources::AUTO).then_some(decoded.source);
        if usable == 0 && decoded.rejected > 0 {
            return Err(Refusal::nothing_usable(receipt));
        }
        Ok(receipt)
    }
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

fn decode_body(inner: &Inner, source: &'static Source, cluster: String, body: &[u8], origin: String) -> Result<Prepared, Refusal> {
    let limits = body::decompress_limits(&inner.options);
    let plain = decompress(body, &limits).map_err(Refusal::from_decompression)?;
    let context = Context {
        cluster,
        received: Utc::now(),
        schema: &inner.schema,
        origin,
    };
    let fault = |error: taffrail_sources::SourceError| Refusal::fault(error.to_string());
    let mut decoded = decode(source.id, &plain, &context).map_err(fault)?;
    let usable = decoded.rows();
    let mut rows = std::mem::take(&mut decoded.batches);
    if !decoded.dead.is_empty() {
        let letters = dead_letter_batch(&decoded.dead, source.id, &context).map_err(fault)?;
        rows.push(("DeadLetter".to_owned(), letters));
    }
    Ok(Prepared { decoded, rows, usable })
}

fn refused_by_lake(error: LakeError) -> Refusal {
    match error {
        // Rows that do not fit are a fault of the decoder: sending again does not help.
        LakeError::Batch { .. } | LakeError::UnknownTable { .. } | LakeError::Arrow { .. } => Refusal::fault(error.to_string()),
        LakeError::Busy { .. } => Refusal::busy(error.to_string()),
        _ => {
            tracing::error!(%error, "the lake does not take rows");
            Refusal::unavailable("LakeUnavailable", error.to_string())
        }
    }
}

/// `POST /ingest/{source}` and `POST /ingest/{source}/{cluster}`.
pub fn router(receiver: Receiver) -> Router {
    Router::new()
        .route("/ingest/{source}", post(ingest))
        .route("/ingest/{source}/{cluster}", post(ingest_cluster))
        // The receiver's own limit holds, with an answer that says what it is.
        .layer(axum::extract::DefaultBodyLimit::disable())
        .with_state(receiver)
}

async fn ingest(State(receiver): State<Receiver>, Path(source): Path<String>, request: Request) -> Response {
    handle(&receiver, &source, "", request).await.into_response()
}

async fn ingest_cluster(State(receiver): State<Receiver>, Path((source, cluster)): Path<(String, String)>, request: Request) -> Response {
    handle(&receiver, &source, &cluster, request).await.into_response()
}

async fn handle(receiver: &Receiver, source: &str, cluster: &str, request: Request) -> Result<Receipt, Refusal> {
    if let Some(authorize) = &receiver.inner.authorize {
        authorize.authorize(bearer(&request), source, cluster).await?;
    }
    if Catalogue::source(source).is_none() {
        return Err(Refusal::unknown_source(source));
    }
    if cluster.len() > CLUSTER_LIMIT || cluster.chars().any(char::is_control) {
        let message = format!("the name of a cluster has at most {CLUSTER_LIMIT} bytes and no control characters");
        return Err(Refusal::bad_body("InvalidCluster", message));
    }
    body::check_headers(request.headers())?;
    let origin = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map_or_else(|| "http".to_owned(), |ConnectInfo(address)| address.ip().to_string());
    let body = body::read(request, receiver.inner.options.body_limit).await?;
    receiver.receive(source, cluster, body, origin).await
}

/// The token of `Authorization: Bearer …`; the scheme's case does not matter (RFC 9110, 11.1).
fn bearer(request: &Request) -> Option<&str> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
