//! Sockets that logs are written to: syslog, GELF, Fluentd's forward. Off unless configured. Each listener has limits for connections,
//! for the length of a message and for silence within one, and hands over what it has gathered as soon as the lake takes it: while that
//! is not so, TCP senders wait, and datagrams that find no room are counted as lost.

mod datagrams;
mod fluent;
mod frames;
mod streams;
mod tls;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::receiver::Receiver;

pub use frames::{FrameError, Framing, next_frame};

/// How a listener is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// A message a datagram (RFC 5426)
    SyslogUdp,
    /// Messages counted or ended by line ends (RFC 6587); with a certificate, RFC 5425
    SyslogTcp,
    /// Chunked or compressed datagrams
    GelfUdp,
    /// Messages ended by a zero byte
    GelfTcp,
    /// Fluentd's forward protocol
    Fluent,
}

impl Protocol {
    /// All, with their names in the configuration.
    pub const ALL: [(&'static str, Protocol); 5] = [
        ("syslog-udp", Protocol::SyslogUdp),
        ("syslog-tcp", Protocol::SyslogTcp),
        ("gelf-udp", Protocol::GelfUdp),
        ("gelf-tcp", Protocol::GelfTcp),
        ("fluent", Protocol::Fluent),
    ];

    /// The source its messages are read as.
    pub fn source(self) -> &'static str {
        match self {
            Protocol::SyslogUdp | Protocol::SyslogTcp => "syslog",
            Protocol::GelfUdp | Protocol::GelfTcp => "gelf",
            Protocol::Fluent => "fluent",
        }
    }

    fn is_datagram(self) -> bool {
        matches!(self, Protocol::SyslogUdp | Protocol::GelfUdp)
    }
}

/// A listener.
#[derive(Debug, Clone)]
pub struct ListenerOptions {
    /// How it is spoken to
    pub protocol: Protocol,
    /// Where it listens
    pub address: SocketAddr,
    /// Cluster that its messages are of
    pub cluster: String,
    /// Certificate, key and, to let in only those with a certificate of these authorities, theirs; PEM
    pub tls: Option<ListenerTls>,
    /// Key that senders of Fluentd's protocol share
    pub shared_key: Option<String>,
    /// Connections at the same time
    pub max_connections: usize,
    /// Longest message, in bytes
    pub max_message: usize,
    /// How long a sender may stop within a message, or say nothing at all
    pub idle: Duration,
}

/// Files of a listener's TLS.
#[derive(Debug, Clone)]
pub struct ListenerTls {
    /// Certificate chain
    pub certificate: PathBuf,
    /// Private key
    pub key: PathBuf,
    /// Authorities of senders' certificates
    pub client_authorities: Option<PathBuf>,
}

impl ListenerOptions {
    /// With the usual limits.
    pub fn new(protocol: Protocol, address: SocketAddr) -> ListenerOptions {
        ListenerOptions {
            protocol,
            address,
            cluster: String::new(),
            tls: None,
            shared_key: None,
            max_connections: 1_024,
            max_message: if protocol == Protocol::Fluent { 32 << 20 } else { 256 << 10 },
            idle: Duration::from_secs(600),
        }
    }
}

/// Why a listener does not listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address cannot be had
    #[error("cannot listen on {address} for {protocol:?}: {source}; choose another address")]
    Address {
        /// Which
        address: SocketAddr,
        /// For what
        protocol: Protocol,
        /// Why
        source: std::io::Error,
    },
    /// Certificate or key
    #[error("the listener on {address} cannot use its certificate: {message}")]
    Tls {
        /// Which
        address: SocketAddr,
        /// Why
        message: String,
    },
    /// A combination that makes no sense or is not safe
    #[error("the listener on {address}: {message}")]
    Options {
        /// Which
        address: SocketAddr,
        /// What is wrong
        message: &'static str,
    },
}

enum Socket {
    Datagrams(UdpSocket),
    Streams(TcpListener, Option<tokio_rustls::TlsAcceptor>),
}

/// Listeners that are bound and do not take anything in yet.
pub struct Listeners {
    bound: Vec<(ListenerOptions, Socket)>,
}

impl Listeners {
    /// Binds all.
    ///
    /// # Errors
    /// When one cannot listen, or is not safe: one without a secret, reachable from elsewhere, of a protocol that has one.
    pub async fn bind(all: &[ListenerOptions]) -> Result<Listeners, ListenError> {
        let mut bound = Vec::new();
        for options in all {
            let address = options.address;
            let failed = |source| ListenError::Address {
                address,
                protocol: options.protocol,
                source,
            };
            let refused = |message| Err(ListenError::Options { address, message });
            let elsewhere = !address.ip().to_canonical().is_loopback();
            if options.protocol.is_datagram() && options.tls.is_some() {
                return refused("datagrams cannot be encrypted here; use TCP with a certificate");
            }
            if options.shared_key.is_some() && options.protocol != Protocol::Fluent {
                return refused("only the protocol fluent has a shared key");
            }
            let authenticated = options.tls.as_ref().is_some_and(|tls| tls.client_authorities.is_some());
            if options.protocol == Protocol::Fluent && elsewhere && options.shared_key.is_none() && !authenticated {
                return refused("it is reachable from elsewhere and has neither shared_key nor client_ca: anybody could send");
            }
            if elsewhere && options.tls.is_none() {
                tracing::warn!(%address, protocol = ?options.protocol, "this listener is reachable from elsewhere and not encrypted: whoever reaches it can send");
            }
            let socket = if options.protocol.is_datagram() {
                Socket::Datagrams(UdpSocket::bind(address).await.map_err(failed)?)
            } else {
                let acceptor = match &options.tls {
                    Some(files) => Some(tls::acceptor(files).map_err(|message| ListenError::Tls { address, message })?),
                    None => None,
                };
                Socket::Streams(TcpListener::bind(address).await.map_err(failed)?, acceptor)
            };
            bound.push((options.clone(), socket));
        }
        Ok(Listeners { bound })
    }

    /// Where each listens.
    pub fn addresses(&self) -> Vec<(Protocol, SocketAddr)> {
        let address = |socket: &Socket| match socket {
            Socket::Datagrams(socket) => socket.local_addr(),
            Socket::Streams(listener, _) => listener.local_addr(),
        };
        self.bound
            .iter()
            .filter_map(|(options, socket)| Some((options.protocol, address(socket).ok()?)))
            .collect()
    }

    /// Takes messages in until `ended`; then hands over what was gathered.
    pub async fn run(self, receiver: Receiver, ended: watch::Receiver<bool>) {
        let mut tasks = JoinSet::new();
        for (options, socket) in self.bound {
            let (receiver, ended) = (receiver.clone(), ended.clone());
            let options = Arc::new(options);
            match socket {
                Socket::Datagrams(socket) => tasks.spawn(datagrams::run(socket, options, receiver, ended)),
                Socket::Streams(listener, acceptor) => tasks.spawn(streams::run(listener, acceptor, options, receiver, ended)),
            };
        }
        while tasks.join_next().await.is_some() {}
    }
}

/// Hands a batch over; while the lake cannot take it, comes again. Gives up when the server ends, or when nothing in it is usable, which
/// the dead letters say. Whether it is durable.
async fn deliver(receiver: &Receiver, options: &ListenerOptions, body: Vec<u8>, origin: &str, ended: &mut watch::Receiver<bool>) -> bool {
    let body = Bytes::from(body);
    let mut pause = Duration::from_millis(100);
    loop {
        let result = receiver
            .receive(options.protocol.source(), &options.cluster, body.clone(), origin.to_owned())
            .await;
        match result {
            Ok(_) => return true,
            Err(refusal) if refusal.is_temporary() => {
                if *ended.borrow() {
                    return false;
                }
                let _ = tokio::time::timeout(pause, crate::until(ended)).await;
                pause = (pause * 2).min(Duration::from_secs(5));
            }
            // Its dead letters are stored.
            Err(refusal) => return refusal.receipt.is_some(),
        }
    }
}
