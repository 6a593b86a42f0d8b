//! Listeners over real sockets.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream, UdpSocket};

use tokio::sync::watch;

use super::*;
use crate::listeners::{ListenerOptions, Listeners, Protocol};

struct Listening {
    address: SocketAddr,
    lake: Lake,
    end: watch::Sender<bool>,
    running: tokio::task::JoinHandle<()>,
    _directory: tempfile::TempDir,
}

async fn listen(change: impl FnOnce(&mut ListenerOptions), protocol: Protocol) -> Listening {
    let directory = tempfile::tempdir().unwrap();
    let schema = Arc::new(Schema::load(&Content::embedded()).unwrap());
    let lake = Lake::open(directory.path(), Arc::clone(&schema), LakeOptions::default())
        .await
        .unwrap();
    let receiver = Receiver::new(lake.clone(), schema, ReceiverOptions::default());
    let mut options = ListenerOptions::new(protocol, SocketAddr::from(([127, 0, 0, 1], 0)));
    change(&mut options);
    let listeners = Listeners::bind(&[options]).await.unwrap();
    let address = listeners.addresses()[0].1;
    let (end, ended) = watch::channel(false);
    let running = tokio::spawn(listeners.run(receiver, ended));
    Listening {
        address,
        lake,
        end,
        running,
        _directory: directory,
    }
}

impl Listening {
    /// Waits for rows of a table.
    async fn until(&self, table: &str, rows: u64) {
        let mut follow = tokio::time::interval(std::time::Duration::from_millis(20));
        let wait = async {
            while self.lake.statistics().get(table).map_or(0, |table| table.rows) < rows {
                follow.tick().await;
            }
        };
        let waited = tokio::time::timeout(std::time::Duration::from_secs(30), wait).await;
        waited.unwrap_or_else(|_| {
            panic!(
                "{:?}",
                self.lake
                    .statistics()
                    .into_iter()
                    .filter(|(_, table)| table.rows > 0)
                    .collect::<Vec<_>>()
            )
        });
    }

    async fn end(self) {
        self.end.send(true).unwrap();
        self.running.await.unwrap();
    }
}

#[tokio::test]
async fn syslog_by_tcp_in_both_framings_and_what_is_too_long_is_left_out() {
    let listening = listen(|options| options.max_message = 200, Protocol::SyslogTcp).await;
    let mut stream = TcpStream::connect(listening.address).unwrap();
    let first = "<38>1 2026-01-15T10:00:09Z n1 sshd 991 - - one";
    write!(stream, "{first}\n{} {first}", first.len()).unwrap();
    write!(stream, "<38>{}\n", "x".repeat(1_000)).unwrap();
    write!(
        stream,
        "<134>Jan 15 10:00:31 fw1 CEF:0|Example|Gate|1.0|100|Blocked|5|src=10.0.4.7\n"
    )
    .unwrap();
    // Its line never ends.
    write!(stream, "<38>1 2026-01-15T10:00:09Z n1 app - - - last").unwrap();
    drop(stream);
    listening.until("Syslog", 3).await;
    listening.until("CommonSecurityLog", 1).await;
    listening.end().await;
}

#[tokio::test]
async fn datagrams_of_syslog_and_of_gelf_in_chunks() {
    let listening = listen(|_| {}, Protocol::SyslogUdp).await;
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..3 {
        socket.send_to(b"<13>Jan 15 10:00:00 n1 app: hello\n", listening.address).unwrap();
    }
    listening.until("Syslog", 3).await;
    listening.end().await;

    let listening = listen(|_| {}, Protocol::GelfUdp).await;
    let message = gzip(br#"{"version":"1.1","host":"n1","short_message":"in parts"}"#);
    let (one, two) = message.split_at(20);
    for (number, part) in [(1, two), (0, one)] {
        let chunk = [&[0x1e, 0x0f], &b"abcdefgh"[..], &[number, 2], part].concat();
        socket.send_to(&chunk, listening.address).unwrap();
    }
    listening.until("CustomLog_CL", 1).await;
    listening.end().await;
}

#[tokio::test]
async fn what_was_sent_before_the_end_is_stored() {
    let listening = listen(|_| {}, Protocol::SyslogTcp).await;
    let mut stream = TcpStream::connect(listening.address).unwrap();
    stream.write_all(b"<13>Jan 15 10:00:00 n1 app: hello\n").unwrap();
    listening.until("Syslog", 1).await;
    stream.write_all(b"<13>Jan 15 10:00:00 n1 app: more\n").unwrap();
    listening.until("Syslog", 2).await;
    listening.end().await;
}

#[tokio::test]
async fn a_listener_that_is_not_safe_does_not_listen() {
    let mut options = ListenerOptions::new(Protocol::Fluent, SocketAddr::from(([0, 0, 0, 0], 0)));
    assert!(Listeners::bind(std::slice::from_ref(&options)).await.is_err());
    options.shared_key = Some("secret".to_owned());
    assert!(Listeners::bind(&[options]).await.is_ok());
}
