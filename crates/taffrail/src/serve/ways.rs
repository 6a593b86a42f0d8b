//! The ways in, wired: doors behind the server's decision, listeners, scraping, watched files, and how each source fares.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::Request;
use chrono::{DateTime, Utc};
use taffrail_content::Content;
use taffrail_engine::{Engine, QueryRequest};
use taffrail_lake::Lake;
use taffrail_receive::files::WatchOptions;
use taffrail_receive::listeners::{Listeners, Protocol};
use taffrail_receive::scrape::ScrapeOptions;
use taffrail_receive::{Access, DoorOptions, Receiver, ReceiverOptions, StreamRule, Transformed};
use taffrail_schema::Schema;
use taffrail_server::ports::Sender;
use taffrail_sources::SourceInfo;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::transform;
use crate::config::Config;

/// File, below the data directory, that remembers how far watched files are read.
const MARKS: &str = "watched";

/// Everything that brings events in, ready to begin.
pub struct Ways {
    /// What the server mounts
    pub router: Router,
    /// Where listeners listen
    pub listening: Vec<(Protocol, std::net::SocketAddr)>,
    receiver: Receiver,
    lake: Lake,
    schema: Arc<Schema>,
    listeners: Listeners,
    scrapes: Vec<ScrapeOptions>,
    watches: Vec<(WatchOptions, std::path::PathBuf)>,
    interval: Duration,
    silence: BTreeMap<String, Duration>,
}

impl Ways {
    /// Compiles transformations and binds listeners.
    ///
    /// # Errors
    /// When a setting is wrong, or an address is taken.
    pub async fn open(
        config: &Config,
        options: ReceiverOptions,
        lake: &Lake,
        schema: &Arc<Schema>,
        content: &Content,
    ) -> anyhow::Result<Ways> {
        let mut doors = DoorOptions::default();
        let mut by_table: Vec<((String, String), Arc<dyn Transformed>)> = Vec::new();
        for given in &config.transform {
            let transformed = transform::compile(given, schema)?;
            if given.stream.is_empty() {
                by_table.push(((given.source.clone(), given.table.clone()), transformed));
            } else {
                doors.streams.push(StreamRule {
                    rule: given.rule.clone(),
                    stream: given.stream.clone(),
                    transformed,
                });
            }
        }
        for workspace in &config.data_collector {
            doors.shared_keys.push(workspace.shared_key()?);
        }
        let receiver = Receiver::with_transformations(lake.clone(), Arc::clone(schema), options, by_table);
        let listeners = config.listeners.iter().map(crate::config::ways::Listener::options);
        let listeners = Listeners::bind(&listeners.collect::<anyhow::Result<Vec<_>>>()?).await?;
        let scrapes = config
            .scrape
            .iter()
            .map(crate::config::ways::Scrape::options)
            .collect::<anyhow::Result<_>>()?;
        let marks = config.data_dir.join(MARKS);
        let mut watches = Vec::new();
        for (number, watch) in config.watch.iter().enumerate() {
            std::fs::create_dir_all(&marks).with_context(|| format!("cannot make {}", marks.display()))?;
            // By pattern, so that another order of the settings changes nothing.
            let options = watch.options(config.ingest.max_body.0)?;
            let name: String = options
                .pattern
                .chars()
                .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
                .collect();
            let file = marks.join(format!("{}-{number}.json", name.chars().take(150).collect::<String>()));
            watches.push((options, file));
        }
        let mut silence = BTreeMap::new();
        for info in SourceInfo::load(content)? {
            if let Ok(allowed) = taffrail_detect::rule::parse_duration(&info.silence) {
                silence.insert(info.id, allowed);
            }
        }
        let router = taffrail_receive::router(receiver.clone(), doors).layer(axum::middleware::map_request(decided));
        Ok(Ways {
            router,
            listening: listeners.addresses(),
            receiver,
            lake: lake.clone(),
            schema: Arc::clone(schema),
            listeners,
            scrapes,
            watches,
            interval: config.health.interval.0,
            silence,
        })
    }

    /// Brings in what is not pushed over HTTP, until `ended`.
    pub async fn run(self, engine: Engine, ended: watch::Receiver<bool>) {
        if let Err(error) = remember(&engine, &self.receiver).await {
            tracing::warn!(error, "which sources there were before is not known: their silence is not noticed");
        }
        let mut tasks = JoinSet::new();
        for options in self.scrapes {
            tasks.spawn(taffrail_receive::scrape::run(options, self.receiver.clone(), ended.clone()));
        }
        for (options, marks) in self.watches {
            tasks.spawn(taffrail_receive::files::run(options, marks, self.receiver.clone(), ended.clone()));
        }
        tasks.spawn(self.listeners.run(self.receiver.clone(), ended.clone()));
        let health = self.receiver.health().clone();
        tasks.spawn(taffrail_receive::report(
            health,
            self.lake,
            self.schema,
            self.interval,
            self.silence,
            ended,
        ));
        while tasks.join_next().await.is_some() {}
    }
}

/// What the server decided, in the words of the receiver.
async fn decided(mut request: Request) -> Request {
    let access = match request.extensions().get::<Sender>() {
        Some(Sender::May { source, cluster }) => Access::Granted {
            source: source.clone(),
            cluster: cluster.clone(),
        },
        Some(Sender::MayNot { status, message }) => Access::Refused {
            status: *status,
            message: message.clone(),
        },
        // The receiver lets in nobody of whom nothing is said.
        None => return request,
    };
    request.extensions_mut().insert(access);
    request
}

/// Sources that sent before the start: one that stopped meanwhile is silent, too.
async fn remember(engine: &Engine, receiver: &Receiver) -> Result<(), String> {
    let query = "TaffrailHealth | where TimeGenerated > ago(7d) and Component == 'Source' and Operation == 'Ingest' \
        | summarize Last = max(TimeGenerated) by ResourceName, Cluster = tostring(ExtendedProperties.cluster)";
    let result = engine
        .query(query, &QueryRequest::default())
        .await
        .map_err(|error| error.to_string())?;
    for row in result.rows() {
        let text = |index: usize| row.get(index).and_then(serde_json::Value::as_str).unwrap_or_default();
        if let Ok(last) = DateTime::parse_from_rfc3339(text(2)) {
            receiver.health().remember(text(0), text(1), last.with_timezone(&Utc));
        }
    }
    Ok(())
}
