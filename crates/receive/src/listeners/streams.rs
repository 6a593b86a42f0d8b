//! Connections: whole messages are gathered for a moment and handed over together; the next are read when these are durable, so a sender
//! that is faster than the lake waits in its own buffer.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;

use super::frames::{FrameError, Framing, next_frame};
use super::{ListenerOptions, Protocol, deliver, fluent};
use crate::receiver::Receiver;

/// How long messages are gathered before they are handed over.
const GATHER: Duration = Duration::from_millis(100);
/// Bytes that are handed over at once.
const BATCH: usize = 1 << 20;
/// Time for the greetings of TLS and of protocols.
pub(super) const GREETING: Duration = Duration::from_secs(10);

pub(super) async fn run(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    options: Arc<ListenerOptions>,
    receiver: Receiver,
    mut ended: watch::Receiver<bool>,
) {
    let connections = Arc::new(Semaphore::new(options.max_connections.max(1)));
    let mut tasks = JoinSet::new();
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Too many open files, say: it passes.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(GATHER).await;
                    continue;
                }
            },
            () = crate::until(&mut ended) => break,
            _ = tasks.join_next(), if !tasks.is_empty() => continue,
        };
        let Ok(permit) = Arc::clone(&connections).try_acquire_owned() else {
            receiver.health().lost(
                options.protocol.source(),
                &options.cluster,
                0,
                "more connections than allowed: one was closed",
            );
            continue;
        };
        let (options, receiver, ended, acceptor) = (Arc::clone(&options), receiver.clone(), ended.clone(), acceptor.clone());
        tasks.spawn(async move {
            let _permit = permit;
            let connection = Connection {
                options,
                receiver,
                ended,
                peer,
            };
            let result = match acceptor {
                None => connection.speak(stream).await,
                Some(acceptor) => match timeout(GREETING, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => connection.speak(stream).await,
                    Ok(Err(error)) => Err(error),
                    Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut)),
                },
            };
            if let Err(error) = result {
                tracing::debug!(%peer, %error, "a connection ended");
            }
        });
    }
    while tasks.join_next().await.is_some() {}
}

pub(super) struct Connection {
    pub(super) options: Arc<ListenerOptions>,
    pub(super) receiver: Receiver,
    pub(super) ended: watch::Receiver<bool>,
    peer: SocketAddr,
}

impl Connection {
    pub(super) fn origin(&self) -> String {
        self.peer.ip().to_canonical().to_string()
    }

    async fn speak<S: AsyncRead + AsyncWrite + Unpin + Send>(self, stream: S) -> io::Result<()> {
        match self.options.protocol {
            Protocol::Fluent => fluent::speak(self, stream).await,
            Protocol::GelfTcp => self.gather(stream, Framing::Zero).await,
            _ => self.gather(stream, Framing::Syslog).await,
        }
    }

    /// Reads messages and hands them over, until either side ends.
    async fn gather<S: AsyncRead + Unpin>(mut self, mut stream: S, framing: Framing) -> io::Result<()> {
        let mut buffer = Vec::with_capacity(64 << 10);
        let mut whole = 0;
        let mut since: Option<Instant> = None;
        let mut open = true;
        // Behind a message that is too long, up to its end.
        let mut skipping = false;
        while open {
            let wait = since.map_or(self.options.idle, |since| GATHER.saturating_sub(since.elapsed()));
            tokio::select! {
                read = timeout(wait, stream.read_buf(&mut buffer)) => match read {
                    Ok(Ok(0)) => open = false,
                    Ok(Ok(_)) => {}
                    Ok(Err(_)) => open = false,
                    // Silent, or slow within a message: what there is is handed over.
                    Err(_) => open = since.is_some(),
                },
                () = crate::until(&mut self.ended) => open = false,
            }
            loop {
                let rest = buffer.get(whole..).unwrap_or_default();
                match next_frame(framing, rest, self.options.max_message) {
                    Ok(Some(length)) if skipping => {
                        skipping = false;
                        buffer.drain(whole..whole + length);
                    }
                    Ok(Some(length)) => whole += length,
                    Ok(None) => break,
                    Err(FrameError::TooLong)
                        if framing == Framing::Syslog && !rest.first().is_some_and(u8::is_ascii_digit) || framing == Framing::Zero =>
                    {
                        if !skipping {
                            self.lost("a message was longer than allowed");
                        }
                        skipping = true;
                        let end = rest
                            .iter()
                            .position(|byte| *byte == if framing == Framing::Zero { 0 } else { b'\n' });
                        match end {
                            Some(end) => {
                                skipping = false;
                                buffer.drain(whole..=whole + end);
                            }
                            None => buffer.truncate(whole),
                        }
                    }
                    // Nothing behind it can be told apart.
                    Err(error) => {
                        self.lost(&error.to_string());
                        buffer.truncate(whole);
                        open = false;
                        break;
                    }
                }
            }
            if whole > 0 {
                since.get_or_insert_with(Instant::now);
            }
            let due = since.is_some_and(|since| since.elapsed() >= GATHER) || whole >= BATCH;
            // What a sender left unended when it went is a message, too.
            if !open && !skipping {
                whole = buffer.len();
            }
            if whole > 0 && (due || !open) {
                let rest = buffer.split_off(whole);
                let batch = std::mem::replace(&mut buffer, rest);
                let origin = self.origin();
                if !deliver(&self.receiver, &self.options, batch, &origin, &mut self.ended).await {
                    self.lost("the lake did not take a batch before the server ended");
                }
                (whole, since) = (0, None);
            }
        }
        Ok(())
    }

    fn lost(&self, why: &str) {
        self.receiver
            .health()
            .lost(self.options.protocol.source(), &self.options.cluster, 1, why);
    }
}
