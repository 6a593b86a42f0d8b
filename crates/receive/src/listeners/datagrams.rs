//! Datagrams: gathered by sender for a moment and handed over together. What arrives while a batch is on its way waits, up to a limit;
//! beyond it datagrams are lost, and counted.

use std::collections::{BTreeMap, HashMap};
use std::io::Read as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};

use super::{ListenerOptions, Protocol, deliver};
use crate::receiver::Receiver;

const GATHER: Duration = Duration::from_millis(100);
/// Datagrams that wait.
const QUEUE: usize = 65_536;
/// Bytes of a sender that are handed over at once.
const BATCH: usize = 1 << 20;
/// Messages whose chunks are not all there.
const PENDING: usize = 1_024;
/// How long chunks are waited for (GELF's own limit).
const CHUNKS: Duration = Duration::from_secs(5);
/// Chunks of a message (GELF's own limit).
const MOST_CHUNKS: u8 = 128;

pub(super) async fn run(socket: UdpSocket, options: Arc<ListenerOptions>, receiver: Receiver, mut ended: watch::Receiver<bool>) {
    let (sender, queue) = mpsc::channel::<(IpAddr, Vec<u8>)>(QUEUE);
    let delivering = tokio::spawn(hand_over(queue, Arc::clone(&options), receiver.clone(), ended.clone()));
    let mut buffer = vec![0; 65_536];
    loop {
        let received = tokio::select! {
            received = socket.recv_from(&mut buffer) => received,
            () = crate::until(&mut ended) => break,
        };
        // An error is of one datagram (ICMP told of an unreachable port): others follow.
        let Ok((length, peer)) = received else { continue };
        let datagram = buffer.get(..length).unwrap_or_default().to_vec();
        if sender.try_send((peer.ip().to_canonical(), datagram)).is_err() {
            receiver
                .health()
                .lost(options.protocol.source(), &options.cluster, 1, "more datagrams wait than may");
        }
    }
    drop(sender);
    let _ = delivering.await;
}

async fn hand_over(
    mut queue: mpsc::Receiver<(IpAddr, Vec<u8>)>,
    options: Arc<ListenerOptions>,
    receiver: Receiver,
    mut ended: watch::Receiver<bool>,
) {
    let mut chunks = Chunks::default();
    let mut open = true;
    while open {
        let mut gathered: BTreeMap<IpAddr, Vec<u8>> = BTreeMap::new();
        let mut since: Option<Instant> = None;
        loop {
            let wait = since.map_or(Duration::from_secs(3_600), |since| GATHER.saturating_sub(since.elapsed()));
            match timeout(wait, queue.recv()).await {
                Ok(Some((peer, datagram))) => {
                    let to = gathered.entry(peer).or_default();
                    let lost = match options.protocol {
                        Protocol::GelfUdp => chunks.take(&datagram, options.max_message, to),
                        _ => {
                            syslog(&datagram, to);
                            Ok(())
                        }
                    };
                    if let Err(why) = lost {
                        receiver.health().lost(options.protocol.source(), &options.cluster, 1, why);
                    }
                    since.get_or_insert_with(Instant::now);
                    if to.len() >= BATCH {
                        break;
                    }
                }
                Ok(None) => {
                    open = false;
                    break;
                }
                Err(_) => break,
            }
            if since.is_some_and(|since| since.elapsed() >= GATHER) {
                break;
            }
        }
        let expired = chunks.expire();
        if expired > 0 {
            receiver.health().lost(
                options.protocol.source(),
                &options.cluster,
                expired,
                "chunks of a message did not arrive",
            );
        }
        for (peer, body) in gathered.into_iter().filter(|(_, body)| !body.is_empty()) {
            if !deliver(&receiver, &options, body, &peer.to_string(), &mut ended).await {
                receiver.health().lost(
                    options.protocol.source(),
                    &options.cluster,
                    1,
                    "the lake did not take a batch before the server ended",
                );
            }
        }
    }
}

/// Adds a message in the framing that lets it hold line ends.
fn syslog(datagram: &[u8], to: &mut Vec<u8>) {
    let message = datagram.trim_ascii_end();
    if message.is_empty() {
        return;
    }
    if message.first() == Some(&b'<') && message.len() < 1_000_000 {
        to.extend(message.len().to_string().bytes());
        to.push(b' ');
        to.extend(message);
    } else {
        to.extend(message.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }));
        to.push(b'\n');
    }
}

struct Pending {
    since: Instant,
    parts: Vec<Option<Vec<u8>>>,
    bytes: usize,
}

/// Messages of GELF in parts.
#[derive(Default)]
struct Chunks {
    pending: HashMap<[u8; 8], Pending>,
}

impl Chunks {
    /// Takes a datagram; appends the message that is whole with it, ended by a zero byte.
    fn take(&mut self, datagram: &[u8], limit: usize, to: &mut Vec<u8>) -> Result<(), &'static str> {
        let Some(chunk) = datagram.strip_prefix(&[0x1e, 0x0f]) else {
            return append(datagram, limit, to);
        };
        let bad = "a datagram is no chunk of GELF";
        let id: [u8; 8] = chunk.get(..8).and_then(|id| id.try_into().ok()).ok_or(bad)?;
        let (number, count) = (*chunk.get(8).ok_or(bad)?, *chunk.get(9).ok_or(bad)?);
        if count == 0 || count > MOST_CHUNKS || number >= count {
            return Err(bad);
        }
        let data = chunk.get(10..).unwrap_or_default().to_vec();
        if self.pending.len() >= PENDING && !self.pending.contains_key(&id) {
            return Err("more messages in parts wait than may");
        }
        let pending = self.pending.entry(id).or_insert_with(|| Pending {
            since: Instant::now(),
            parts: vec![None; usize::from(count)],
            bytes: 0,
        });
        pending.bytes += data.len();
        let fits = pending.bytes <= limit;
        let Some(part) = pending.parts.get_mut(usize::from(number)).filter(|_| fits) else {
            self.pending.remove(&id);
            return Err("chunks of a message contradict one another, or are more than allowed");
        };
        *part = Some(data);
        if pending.parts.iter().any(Option::is_none) {
            return Ok(());
        }
        let whole = self
            .pending
            .remove(&id)
            .map(|pending| pending.parts.into_iter().flatten().flatten().collect::<Vec<u8>>());
        append(&whole.unwrap_or_default(), limit, to)
    }

    /// Forgets what was waited for too long; how many.
    fn expire(&mut self) -> u64 {
        let before = self.pending.len();
        self.pending.retain(|_, pending| pending.since.elapsed() < CHUNKS);
        (before - self.pending.len()) as u64
    }
}

/// Adds a message, decompressed.
fn append(message: &[u8], limit: usize, to: &mut Vec<u8>) -> Result<(), &'static str> {
    let start = to.len();
    let most = limit as u64 + 1;
    let read = match message {
        [0x1f, 0x8b, ..] => flate2::read::GzDecoder::new(message).take(most).read_to_end(to),
        [0x78, ..] => flate2::read::ZlibDecoder::new(message).take(most).read_to_end(to),
        _ => {
            to.extend(message);
            Ok(message.len())
        }
    };
    match read {
        Ok(length) if length <= limit => {
            to.push(0);
            Ok(())
        }
        Ok(_) => {
            to.truncate(start);
            Err("a message is longer than allowed")
        }
        Err(_) => {
            to.truncate(start);
            Err("a message could not be decompressed")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_in_any_order_are_one_message() {
        let chunk = |number: u8, data: &[u8]| [&[0x1e, 0x0f], &b"12345678"[..], &[number, 2], data].concat();
        let (mut chunks, mut to) = (Chunks::default(), Vec::new());
        chunks.take(&chunk(1, b"two"), 100, &mut to).unwrap();
        chunks.take(&chunk(0, b"one"), 100, &mut to).unwrap();
        chunks.take(b"three", 100, &mut to).unwrap();
        assert_eq!(to, b"onetwo\0three\0");
        assert!(chunks.take(&chunk(2, b""), 100, &mut to).is_err());
        assert!(chunks.take(&chunk(0, &[0; 101]), 100, &mut to).is_err());
        assert!(chunks.pending.is_empty());
    }
}
