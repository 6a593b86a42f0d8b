//! `taffrail serve`: the all-in-one server. Here the rooms are wired together; what they do stands in their crates.

mod adapters;
mod parquet;
mod rows;
mod trail;
mod transform;
mod watchlists;
mod ways;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use chrono::Utc;
use taffrail_content::Content;
use taffrail_detect::Detector;
use taffrail_engine::{Engine, EngineOptions, TableSource};
use taffrail_lake::{Lake, LakeOptions};
use taffrail_receive::ReceiverOptions;
use taffrail_schema::Schema;
use taffrail_server::{App, Server, ServerOptions, TlsFiles};
use taffrail_state::State;
use taffrail_state::users::OneTimePassword;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

use crate::DONE;
use crate::args::ServeOptions;
use crate::config::{Config, DOCUMENTED, LogFormat};
use crate::external::External;
use crate::local;
use crate::query::LakeSource;

/// Folder of the lake below the data directory.
pub const LAKE: &str = "lake";
/// File of the state below the data directory.
pub const STATE: &str = "state.sqlite";

/// Runs the command; gives the exit code.
pub async fn run(options: ServeOptions) -> anyhow::Result<u8> {
    if options.print_config {
        print!("{DOCUMENTED}");
        return Ok(DONE);
    }
    let config = Config::for_serve(&options)?;
    log_to_standard_error(&config)?;
    let running = Running::start(&config).await?;
    running.announce();
    running.until(stop_signal()?).await?;
    Ok(DONE)
}

/// Sends `tracing` to standard error as configured.
///
/// # Errors
/// When the level is no directive.
pub fn log_to_standard_error(config: &Config) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.log.level).with_context(|| format!("log.level = {:?} is not understood", config.log.level))?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let set = match config.log.format {
        LogFormat::Text => subscriber
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .try_init(),
        LogFormat::Json => subscriber.json().try_init(),
    };
    set.map_err(|error| anyhow!("cannot set up logging: {error}"))
}

/// Done when somebody asks the process to end (SIGTERM, SIGINT).
///
/// # Errors
/// When signals cannot be waited for.
pub fn stop_signal() -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for signals")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// A server with all its rooms, listening and not yet answering.
pub struct Running {
    /// Where it listens
    pub url: String,
    /// The first administrator, when it was made just now
    pub first: Option<OneTimePassword>,
    /// What people change
    pub state: State,
    server: Server,
    lake: Lake,
    schema: Arc<Schema>,
    detector: Detector,
    ways: ways::Ways,
    engine: Engine,
    detects: bool,
    directory: String,
    no_auth: bool,
}

impl Running {
    /// Opens everything and listens.
    ///
    /// # Errors
    /// When the data directory is in use or cannot be written, content is not valid, or the address is taken.
    pub async fn start(config: &Config) -> anyhow::Result<Running> {
        let content = match &config.content_dir {
            Some(directory) => Content::with_overlay(directory),
            None => Content::embedded(),
        };
        let schema = local::schema(&content)?;
        let rules = local::rules(&content, &config.rules)?;
        make_directory(&config.data_dir)?;

        let metrics = taffrail_server::install_metrics().map_err(|error| anyhow!("cannot count: {error}"))?;
        let lake_options = LakeOptions {
            flush_interval: config.lake.flush_interval.0,
            flush_bytes: usize::try_from(config.lake.flush_size.0).unwrap_or(usize::MAX),
            keep_removed: config.lake.keep_removed.0,
            column_cache: usize::try_from(config.lake.column_cache.0).unwrap_or(usize::MAX),
            retention_days: Some(config.lake.retention_days).filter(|days| *days > 0),
            chain: config.lake.chain,
            signing_key: config.lake.signing_key.clone(),
            ..LakeOptions::default()
        };
        // The lake's lock guards the whole data directory: it comes first.
        let lake = Lake::open(&config.data_dir.join(LAKE), Arc::clone(&schema), lake_options).await?;
        let state = State::open(config.data_dir.join(STATE))
            .await
            .context("cannot open the state database")?;
        // Without sign-in, too: incidents are assigned to somebody, and the next start may be with sign-in.
        let first = state.ensure_administrator(Utc::now()).await?;

        let source: Arc<dyn TableSource> = Arc::new(LakeSource(lake.clone()));
        let engine_options = EngineOptions {
            memory_limit: usize::try_from(config.query.memory.0).unwrap_or(usize::MAX),
            max_rows: config.query.max_rows,
            timeout: config.query.timeout.0,
            result_cache: usize::try_from(config.query.result_cache.0).unwrap_or(usize::MAX),
            ..EngineOptions::default()
        };
        let watchlists = watchlists::Watchlists {
            schema: Arc::new(watchlists::LiveSchema::new(Arc::clone(&schema))),
            state: state.clone(),
            shipped: watchlists::shipped(&content, &schema),
        };
        watchlists.reload().await?;
        let engine = Engine::new(
            Arc::clone(&watchlists.schema) as Arc<dyn taffrail_kql::catalog::Schema>,
            Arc::clone(&source),
            engine_options,
        );
        let engine = match config.query.external_data.as_slice() {
            [] => engine,
            entries => engine.with_external(Arc::new(External::new(entries)?)),
        };
        let detector = Detector::new(engine.clone(), lake.clone(), state.clone(), Arc::clone(&schema), &rules);

        let server_options = ServerOptions {
            listen: config.listen,
            tls: match (&config.tls.cert, &config.tls.key) {
                (Some(certificate), Some(key)) => Some(TlsFiles {
                    certificate: certificate.clone(),
                    key: key.clone(),
                }),
                _ => None,
            },
            no_auth: config.no_auth,
            ingest_body: usize::try_from(config.ingest.max_body.0).unwrap_or(usize::MAX),
            query_timeout: config.query.timeout.0,
            ..ServerOptions::default()
        };
        let receiver_options = ReceiverOptions {
            body_limit: server_options.ingest_body,
            decompressed_limit: usize::try_from(config.ingest.max_decompressed.0).unwrap_or(usize::MAX),
            ..ReceiverOptions::default()
        };
        let ways = match ways::Ways::open(config, receiver_options, &lake, &schema, &content).await {
            Ok(ways) => ways,
            Err(error) => {
                lake.close().await?;
                return Err(error);
            }
        };
        let asked = engine.clone();
        if let Some(directory) = config.backup.directory.clone() {
            tokio::spawn(back_up_regularly(lake.clone(), state.clone(), directory, config.backup.interval.0));
        }
        let app = App {
            queries: Arc::new(adapters::EngineQueries {
                engine,
                schema: Arc::clone(&schema),
            }),
            state: state.clone(),
            schema: Arc::clone(&schema),
            rules: Arc::new(adapters::DetectorRules {
                detector: detector.clone(),
            }),
            library: Arc::new(adapters::ContentLibrary {
                content,
                watchlists,
                detector: detector.clone(),
            }),
            storage: Arc::new(adapters::LakeStorage {
                lake: lake.clone(),
                schema: Arc::clone(&schema),
            }),
            ingest: ways.router.clone(),
            changes: detector.changes(),
            clock: taffrail_server::system_clock(),
            metrics: Some(metrics),
        };
        let server = match Server::bind(app, server_options).await {
            Ok(server) => server,
            Err(error) => {
                lake.close().await?;
                return Err(error.into());
            }
        };
        Ok(Running {
            url: server.url(),
            first,
            state,
            server,
            lake,
            schema,
            detector,
            ways,
            engine: asked,
            detects: config.detection.enabled,
            directory: config.data_dir.display().to_string(),
            no_auth: config.no_auth,
        })
    }

    /// Tells, when called, whether the rules have seen everything that is stored at that moment.
    pub fn caught_up(&self) -> impl Fn() -> bool + Send + Sync + use<> {
        let (detector, lake) = (self.detector.clone(), self.lake.clone());
        move || detector.has_seen(lake.position())
    }

    /// Prints where it listens, and the first administrator's password, once.
    pub fn announce(&self) {
        println!("Taffrail {}", env!("CARGO_PKG_VERSION"));
        println!("  address:   {}", self.url);
        println!("  data:      {}", self.directory);
        for (protocol, address) in &self.ways.listening {
            println!("  listening: {protocol:?} {address}");
        }
        if let Some(first) = &self.first {
            println!("  user:      {}", first.user);
            println!("  password:  {}", first.password);
            println!("  This password is shown only now. Sign in and change it.");
        }
        if self.no_auth {
            println!("  No sign-in: everybody who reaches this address is administrator.");
        }
        use std::io::Write;
        let _ = std::io::stdout().flush();
    }

    /// Answers and detects until `stop` is done, then ends in order: requests under way finish, rules stop, rows go to files.
    ///
    /// # Errors
    /// When serving or detection failed, or the lake cannot be closed.
    pub async fn until(self, stop: impl Future<Output = ()> + Send + 'static) -> anyhow::Result<()> {
        let (ending, ended) = watch::channel(false);
        let trail = trail::follow(self.state.clone(), self.lake.clone(), Arc::clone(&self.schema), ended.clone());
        let trail = tokio::spawn(trail);
        let detector = self.detector.clone();
        let detects = self.detects;
        let (closing, closed_ways) = watch::channel(false);
        let bringing = tokio::spawn(self.ways.run(self.engine, closed_ways));
        let detecting = tokio::spawn(async move {
            if detects {
                return detector.run(ended).await;
            }
            let mut ended = ended;
            // Done when it is time to end, or nobody is left to say so.
            let _ = ended.wait_for(|ending| *ending).await;
            Ok(())
        });
        let failed = Arc::new(tokio::sync::Notify::new());
        let told = Arc::clone(&failed);
        let watched = tokio::spawn(async move {
            let result = detecting.await;
            told.notify_one();
            result
        });
        let served = self
            .server
            .run(async move {
                tokio::select! {
                    () = stop => {}
                    () = failed.notified() => tracing::error!("detection ended: the server stops"),
                }
                // Sockets close together with the doors.
                let _ = closing.send(true);
            })
            .await;
        let _ = ending.send(true);
        // What is under way is stored while the lake is open.
        let _ = bringing.await;
        let detected = watched.await.context("detection was stopped")?;
        trail.await.context("writing the trail was stopped")?;
        let closed = self.lake.close().await;
        self.state.close().await;
        served?;
        detected.context("detection stopped")??;
        closed.context("the lake was not closed cleanly; nothing acknowledged is lost")?;
        Ok(())
    }
}

/// Makes backups until the lake is closed; one that fails is tried again at the next time, and said.
async fn back_up_regularly(lake: Lake, state: State, directory: PathBuf, interval: Duration) {
    loop {
        match crate::tables::back_up(&lake, &state, &directory).await {
            Ok(done) => tracing::info!(files = done.files, copied = done.copied, bytes = done.copied_bytes, "backup made"),
            Err(_) if lake.is_closed() => return,
            Err(error) => tracing::error!(error = format!("{error:#}"), "the backup failed"),
        }
        tokio::time::sleep(interval).await;
    }
}

fn make_directory(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("cannot make the data directory {}", path.display()))
}
