//! Listening, TLS, and stopping without losing what was begun.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use tokio::sync::watch;

use crate::app::{App, Context, ServeError, ServerOptions};
use crate::router;
use crate::running::Running;

/// A server that listens but does not answer yet.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<RustlsConfig>,
    context: Context,
    ending: watch::Sender<bool>,
}

impl Server {
    /// Listens. From now on connections wait until [`Server::run`].
    ///
    /// # Errors
    /// When the address is taken, the certificate cannot be used, or sign-in is off beyond loopback.
    pub async fn bind(app: App, options: ServerOptions) -> Result<Server, ServeError> {
        if options.no_auth && !options.listen.ip().to_canonical().is_loopback() {
            return Err(ServeError::NoAuthBeyondLoopback(options.listen));
        }
        let tls = match &options.tls {
            Some(files) => {
                // Several libraries bring a provider of their own; whoever was first is fine.
                let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
                let loaded = RustlsConfig::from_pem_file(&files.certificate, &files.key).await;
                Some(loaded.map_err(|error| ServeError::Tls {
                    certificate: files.certificate.display().to_string(),
                    key: files.key.display().to_string(),
                    message: error.to_string(),
                })?)
            }
            None => None,
        };
        let listening = |source| ServeError::Listen {
            address: options.listen,
            source,
        };
        let listener = TcpListener::bind(options.listen).map_err(listening)?;
        listener.set_nonblocking(true).map_err(listening)?;
        let address = listener.local_addr().map_err(listening)?;
        if tls.is_none() && !address.ip().to_canonical().is_loopback() {
            tracing::warn!(%address, "serving without TLS beyond loopback: passwords and tokens can be read on the way");
        }
        let (ending, ended) = watch::channel(false);
        let context = Context {
            app,
            options: Arc::new(options),
            running: Running::default(),
            ending: ended,
        };
        Ok(Server {
            listener,
            address,
            tls,
            context,
            ending,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to type into a browser.
    pub fn url(&self) -> String {
        if let Some(public) = &self.context.options.public_url {
            return public.clone();
        }
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Answers until `shutdown` is done; then takes no new connections, ends event streams, and waits for what is under way.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), ServeError> {
        let handle = Handle::new();
        let grace = self.context.options.grace;
        let stopper = handle.clone();
        let ending = self.ending;
        let state = self.context.app.state.clone();
        let clock = self.context.app.clock.clone();
        let tidying = tokio::spawn(async move {
            let mut hourly = tokio::time::interval(std::time::Duration::from_secs(3_600));
            loop {
                hourly.tick().await;
                if let Err(error) = state.tidy(clock()).await {
                    tracing::warn!(%error, "cannot remove what has expired");
                }
            }
        });
        let stopping = tokio::spawn(async move {
            shutdown.await;
            tracing::info!("shutting down");
            let _ = ending.send(true);
            stopper.graceful_shutdown(Some(grace));
        });
        let service = router::router(self.context).into_make_service_with_connect_info::<SocketAddr>();
        let served = match self.tls {
            Some(tls) => {
                let server = axum_server::from_tcp_rustls(self.listener, tls)?;
                server.handle(handle).serve(service).await
            }
            None => {
                let server = axum_server::from_tcp(self.listener)?;
                server.handle(handle).serve(service).await
            }
        };
        stopping.abort();
        tidying.abort();
        Ok(served?)
    }
}

/// Listens and answers until `shutdown` is done. The caller closes lake and state afterwards.
///
/// # Errors
/// See [`Server::bind`] and [`Server::run`].
pub async fn serve(app: App, options: ServerOptions, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), ServeError> {
    Server::bind(app, options).await?.run(shutdown).await
}
