//! Settings of the ways in besides HTTP: listeners, scraping, watched files, transformations, keys.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use base64::Engine as _;
use serde::Deserialize;
use taffrail_kql::Type;
use taffrail_receive::SharedKey;
use taffrail_receive::files::WatchOptions;
use taffrail_receive::listeners::{ListenerOptions, ListenerTls, Protocol};
use taffrail_receive::scrape::{Discovery, Role, ScrapeOptions};
use taffrail_schema::ColumnDef;

use super::{Interval, Size};

/// `[[listeners]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    protocol: String,
    address: SocketAddr,
    #[serde(default)]
    cluster: String,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    client_ca: Option<PathBuf>,
    shared_key: Option<String>,
    max_connections: Option<usize>,
    max_message: Option<Size>,
    idle: Option<Interval>,
}

impl Listener {
    /// As the listener takes it.
    ///
    /// # Errors
    /// When the protocol is not known, or a file is missing beside another.
    pub fn options(&self) -> anyhow::Result<ListenerOptions> {
        let Some((_, protocol)) = Protocol::ALL.iter().find(|(name, _)| *name == self.protocol) else {
            let names: Vec<&str> = Protocol::ALL.iter().map(|(name, _)| *name).collect();
            bail!(
                "listeners.protocol = {:?} is not known; there are {}",
                self.protocol,
                names.join(", ")
            );
        };
        let mut options = ListenerOptions::new(*protocol, self.address);
        options.cluster.clone_from(&self.cluster);
        options.tls = match (&self.cert, &self.key) {
            (Some(certificate), Some(key)) => Some(ListenerTls {
                certificate: certificate.clone(),
                key: key.clone(),
                client_authorities: self.client_ca.clone(),
            }),
            (None, None) if self.client_ca.is_none() => None,
            _ => bail!("the listener on {} needs cert and key for TLS", self.address),
        };
        options.shared_key.clone_from(&self.shared_key);
        options.max_connections = self.max_connections.unwrap_or(options.max_connections);
        options.max_message = self
            .max_message
            .map_or(options.max_message, |size| usize::try_from(size.0).unwrap_or(usize::MAX));
        options.idle = self.idle.map_or(options.idle, |idle| idle.0);
        Ok(options)
    }
}

/// `[[scrape]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scrape {
    job: String,
    #[serde(default)]
    cluster: String,
    #[serde(default)]
    targets: Vec<String>,
    kubernetes: Option<Kubernetes>,
    interval: Option<Interval>,
    timeout: Option<Interval>,
    max_page: Option<Size>,
    bearer_token_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kubernetes {
    role: String,
    #[serde(default)]
    server: String,
    token_file: Option<PathBuf>,
    #[serde(default)]
    namespace: String,
}

impl Scrape {
    /// As the scraper takes it.
    ///
    /// # Errors
    /// When the role is not known.
    pub fn options(&self) -> anyhow::Result<ScrapeOptions> {
        let kubernetes = match &self.kubernetes {
            None => None,
            Some(given) => Some(Discovery {
                server: given.server.clone(),
                token_file: given.token_file.clone(),
                namespace: given.namespace.clone(),
                role: match given.role.as_str() {
                    "pod" => Role::Pod,
                    "node" => Role::Node,
                    other => bail!("scrape.kubernetes.role = {other:?} is not known; there are pod and node"),
                },
            }),
        };
        Ok(ScrapeOptions {
            job: self.job.clone(),
            cluster: self.cluster.clone(),
            targets: self.targets.clone(),
            kubernetes,
            interval: self.interval.map_or(Duration::from_secs(30), |interval| interval.0),
            timeout: self.timeout.map_or(Duration::from_secs(10), |timeout| timeout.0),
            max_page: self.max_page.map_or(64 << 20, |size| usize::try_from(size.0).unwrap_or(usize::MAX)),
            bearer_token_file: self.bearer_token_file.clone(),
            ca_file: self.ca_file.clone(),
        })
    }
}

/// `[[watch]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watch {
    pattern: String,
    source: Option<String>,
    #[serde(default)]
    cluster: String,
    interval: Option<Interval>,
}

impl Watch {
    /// As the watcher takes it.
    ///
    /// # Errors
    /// When there is no such source.
    pub fn options(&self, max_file: u64) -> anyhow::Result<WatchOptions> {
        let source = self.source.clone().unwrap_or_else(|| taffrail_sources::AUTO.to_owned());
        if taffrail_sources::Catalogue::source(&source).is_none() {
            bail!(
                "watch.source = {source:?} is not known; there are {}",
                taffrail_sources::Catalogue::names()
            );
        }
        Ok(WatchOptions {
            pattern: self.pattern.clone(),
            source,
            cluster: self.cluster.clone(),
            interval: self.interval.map_or(Duration::from_secs(10), |interval| interval.0),
            max_file,
        })
    }
}

/// `[[transform]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transform {
    /// Table its rows go to; without `stream`, also the one they come from
    pub table: String,
    /// Only rows of this source
    #[serde(default)]
    pub source: String,
    /// Stream of the Logs Ingestion API
    #[serde(default)]
    pub stream: String,
    /// Immutable identifier of the data collection rule
    #[serde(default)]
    pub rule: String,
    /// What the stream declares
    #[serde(default)]
    columns: Vec<Column>,
    /// KQL
    pub query: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Column {
    name: String,
    #[serde(rename = "type")]
    ty: String,
}

impl Transform {
    /// The columns that the stream declares.
    ///
    /// # Errors
    /// When a type is not known.
    pub fn columns(&self) -> anyhow::Result<Vec<ColumnDef>> {
        let one = |column: &Column| {
            let ty = Type::parse(&column.ty).with_context(|| format!("transform.columns: {} is no type of KQL", column.ty))?;
            Ok(ColumnDef {
                name: column.name.clone(),
                ty,
                about: String::new(),
                path: Vec::new(),
            })
        };
        self.columns.iter().map(one).collect()
    }
}

/// `[[data_collector]]`
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workspace {
    workspace: String,
    key: String,
    #[serde(default)]
    cluster: String,
}

// The key is a secret.
impl std::fmt::Debug for Workspace {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Workspace")
            .field("workspace", &self.workspace)
            .finish_non_exhaustive()
    }
}

impl Workspace {
    /// As the door takes it.
    ///
    /// # Errors
    /// When the key is no base64 or too short to be one.
    pub fn shared_key(&self) -> anyhow::Result<SharedKey> {
        let key = base64::engine::general_purpose::STANDARD
            .decode(&self.key)
            .with_context(|| format!("the key of the workspace {} is no base64", self.workspace))?;
        if key.len() < 16 {
            bail!("the key of the workspace {} is shorter than 16 bytes", self.workspace);
        }
        Ok(SharedKey {
            workspace: self.workspace.clone(),
            key,
            cluster: self.cluster.clone(),
        })
    }
}
