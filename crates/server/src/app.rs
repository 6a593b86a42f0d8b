//! What the server is made of, and how it is set up.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use chrono::{DateTime, Utc};
use metrics_exporter_prometheus::PrometheusHandle;
use taffrail_schema::Schema;
use taffrail_state::State;
use taffrail_state::incidents::IncidentChange;
use taffrail_state::sessions::Lifetime;
use tokio::sync::{broadcast, watch};

use crate::ports::{Library, Queries, Rules, Storage};
use crate::running::Running;

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// The machine's clock.
pub fn system_clock() -> Clock {
    Arc::new(Utc::now)
}

/// The other rooms, as the server uses them.
#[derive(Clone)]
pub struct App {
    /// Answers queries
    pub queries: Arc<dyn Queries>,
    /// What people change
    pub state: State,
    /// Tables there are
    pub schema: Arc<Schema>,
    /// Detection rules
    pub rules: Arc<dyn Rules>,
    /// Documents that are shipped
    pub library: Arc<dyn Library>,
    /// Where rows are kept
    pub storage: Arc<dyn Storage>,
    /// Serves the ways in; each request carries what it may do ([`crate::ports::Sender`])
    pub ingest: Router,
    /// Incidents that change, by rules and by people
    pub changes: broadcast::Sender<IncidentChange>,
    /// The time
    pub clock: Clock,
    /// What `/metrics` shows; see [`crate::install_metrics`]
    pub metrics: Option<PrometheusHandle>,
}

/// Certificate and key, PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificate chain
    pub certificate: PathBuf,
    /// Private key
    pub key: PathBuf,
}

/// How to serve.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// Address to listen on; port 0 takes a free one
    pub listen: SocketAddr,
    /// With TLS
    pub tls: Option<TlsFiles>,
    /// Everybody is administrator; only on loopback
    pub no_auth: bool,
    /// Address people use, when it is not the one listened on (behind a proxy)
    pub public_url: Option<String>,
    /// Largest body of an API request, bytes
    pub api_body: usize,
    /// Largest body of an ingestion request as sent, bytes
    pub ingest_body: usize,
    /// Time for an API request
    pub request_timeout: Duration,
    /// Longest a client may let a query run
    pub query_timeout: Duration,
    /// Time for requests under way when shutting down
    pub grace: Duration,
    /// Whether `/metrics` needs no token from loopback
    pub metrics_on_loopback: bool,
    /// How long sessions live
    pub sessions: Lifetime,
}

impl Default for ServerOptions {
    fn default() -> ServerOptions {
        ServerOptions {
            listen: SocketAddr::from(([127, 0, 0, 1], 8090)),
            tls: None,
            no_auth: false,
            public_url: None,
            api_body: 2 * 1024 * 1024,
            ingest_body: 64 * 1024 * 1024,
            request_timeout: Duration::from_secs(30),
            query_timeout: Duration::from_secs(600),
            grace: Duration::from_secs(30),
            metrics_on_loopback: true,
            sessions: Lifetime::default(),
        }
    }
}

impl ServerOptions {
    /// Whether browsers reach it by https, here or through a proxy.
    pub(crate) fn is_https(&self) -> bool {
        let public = self.public_url.as_deref().unwrap_or_default();
        self.tls.is_some() || public.starts_with("https://")
    }
}

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Without sign-in everybody who reaches the port is administrator
    #[error(
        "serving without sign-in is only allowed on loopback, and {0} is reachable from elsewhere; listen on 127.0.0.1, or leave out --no-auth"
    )]
    NoAuthBeyondLoopback(SocketAddr),
    /// The address cannot be listened on
    #[error("cannot listen on {address}: {source}; choose another address with --listen")]
    Listen {
        /// Which
        address: SocketAddr,
        /// Why
        source: std::io::Error,
    },
    /// Certificate or key
    #[error("the certificate {certificate} with the key {key} cannot be used: {message}; both must be PEM files that belong together")]
    Tls {
        /// Certificate file
        certificate: String,
        /// Key file
        key: String,
        /// What is wrong
        message: String,
    },
    /// Serving ended with an error
    #[error("serving failed: {0}")]
    Serve(#[from] std::io::Error),
}

/// What every handler sees.
#[derive(Clone)]
pub(crate) struct Context {
    pub app: App,
    pub options: Arc<ServerOptions>,
    /// Queries that run, and those that ended lately
    pub running: Running,
    /// Becomes true when the server is shutting down
    pub ending: watch::Receiver<bool>,
}

impl Context {
    pub(crate) fn now(&self) -> DateTime<Utc> {
        (self.app.clock)()
    }
}
