//! Addresses under which senders reach a receiver, one module a protocol. Each reads what its protocol's clients send, has the receiver
//! take it in, and answers as the original does once everything is durable: status, body, headers, and which records failed.

mod azure;
mod cloud_events;
mod collector;
mod elasticsearch;
mod gelf;
mod grpc;
mod ingest;
mod kusto;
mod loki;
mod otlp;
mod splunk;

use axum::Router;
use axum::extract::Request;
use bytes::Bytes;
use http::request::Parts;
use taffrail_sources::Catalogue;

use crate::access;
use crate::answer::{Receipt, Refusal};
use crate::body;
use crate::receiver::{Reading, Receiver};

pub use azure::StreamRule;
pub use collector::SharedKey;

/// What doors need besides the receiver.
#[derive(Clone, Default)]
pub struct DoorOptions {
    /// Streams of the Logs Ingestion API that pass through a transformation
    pub streams: Vec<StreamRule>,
    /// Who may sign requests of the Data Collector API
    pub shared_keys: Vec<SharedKey>,
}

/// All doors. Requests carry [`crate::Access`] among their extensions.
pub fn router(receiver: Receiver, options: DoorOptions) -> Router {
    let door = Door {
        receiver,
        options: std::sync::Arc::new(options),
        acknowledgements: std::sync::Arc::default(),
    };
    Router::new()
        .merge(ingest::routes())
        .merge(elasticsearch::routes())
        .merge(loki::routes())
        .merge(otlp::routes())
        .merge(grpc::routes())
        .merge(splunk::routes())
        .merge(gelf::routes())
        .merge(cloud_events::routes())
        .merge(azure::routes())
        .merge(collector::routes())
        .merge(kusto::routes())
        // The receiver's own limit holds, with an answer that says what it is.
        .layer(axum::extract::DefaultBodyLimit::disable())
        .with_state(door)
}

/// What every door has.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) receiver: Receiver,
    options: std::sync::Arc<DoorOptions>,
    acknowledgements: std::sync::Arc<splunk::Acknowledgements>,
}

/// A request that may send, read to its end.
struct Sent {
    parts: Parts,
    cluster: String,
    origin: String,
    body: Bytes,
}

impl Door {
    /// Checks who sends and reads the body. `given` is the cluster as the protocol names it.
    async fn read(&self, request: Request, source: &str, given: impl FnOnce(&Parts) -> Option<String>) -> Result<Sent, Refusal> {
        let origin = access::origin(&request);
        let (parts, body) = request.into_parts();
        let cluster = access::cluster(&parts, source, given(&parts).as_deref())?;
        body::check_encoding(&parts.headers)?;
        let body = body::read(&parts.headers, body, self.receiver.inner.options.body_limit).await?;
        Ok(Sent {
            parts,
            cluster,
            origin,
            body,
        })
    }

    /// Takes in what was sent, as records of a source.
    async fn take(&self, source: &'static str, sent: Sent) -> Result<Receipt, Refusal> {
        let source = Catalogue::source(source).ok_or_else(|| Refusal::unknown_source(source))?;
        self.receiver
            .take(Reading::Source(source), &sent.cluster, sent.body, sent.origin)
            .await
    }

    /// What was sent, decompressed.
    fn plain(&self, body: &Bytes) -> Result<Bytes, Refusal> {
        let limits = body::decompress_limits(&self.receiver.inner.options);
        match taffrail_sources::decompress(body, &limits).map_err(Refusal::from_decompression)? {
            std::borrow::Cow::Borrowed(_) => Ok(body.clone()),
            std::borrow::Cow::Owned(plain) => Ok(plain.into()),
        }
    }
}

/// The first records that failed, in words.
fn words(receipt: &Receipt) -> String {
    let first = receipt.failed.iter().take(3);
    let words: Vec<String> = first
        .map(|failed| format!("record {}: {}: {}", failed.number, failed.reason, failed.detail))
        .collect();
    match words.is_empty() {
        true => receipt
            .rejections
            .iter()
            .take(3)
            .map(|bad| format!("{}: {}", bad.reason, bad.detail))
            .collect::<Vec<_>>()
            .join("; "),
        false => words.join("; "),
    }
}
