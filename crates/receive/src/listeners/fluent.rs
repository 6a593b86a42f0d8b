//! Fluentd's forward protocol, the receiver's side: greeting with a shared key, messages, acknowledgement of chunks when they are durable.

use std::io;
use std::time::Duration;

use rand::Rng as _;
use sha2::{Digest as _, Sha512};
use taffrail_sources::{fluent_message, msgpack};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::deliver;
use super::streams::{Connection, GREETING};

/// What this side calls itself.
const NAME: &[u8] = b"taffrail";

fn refused(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}

pub(super) async fn speak<S: AsyncRead + AsyncWrite + Unpin>(mut connection: Connection, mut stream: S) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(64 << 10);
    if let Some(key) = connection.options.shared_key.clone() {
        let greeted = timeout(GREETING, greet(&mut stream, key.as_bytes(), &mut buffer)).await;
        greeted.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    }
    let limit = connection.options.max_message;
    loop {
        // All messages that are whole, together; each chunk is acknowledged for itself.
        let (mut whole, mut chunks) = (0, Vec::new());
        loop {
            match fluent_message(buffer.get(whole..).unwrap_or_default()) {
                Ok(Some(message)) => {
                    whole += message.length;
                    chunks.extend(message.chunk);
                }
                Ok(None) => break,
                Err(_) => {
                    lost(&connection, "what arrived is no MessagePack");
                    return Err(refused("no MessagePack"));
                }
            }
        }
        if whole > 0 {
            let rest = buffer.split_off(whole);
            let batch = std::mem::replace(&mut buffer, rest);
            let origin = connection.origin();
            if !deliver(&connection.receiver, &connection.options, batch, &origin, &mut connection.ended).await {
                // Not acknowledged: the sender comes again.
                return Ok(());
            }
            let mut answer = Vec::new();
            for chunk in chunks {
                msgpack::push_map(&mut answer, 1);
                msgpack::push_text(&mut answer, b"ack");
                msgpack::push_text(&mut answer, &chunk);
            }
            timeout(Duration::from_secs(30), stream.write_all(&answer)).await??;
            continue;
        }
        if buffer.len() > limit {
            lost(&connection, "a message is longer than allowed");
            return Err(refused("too long"));
        }
        tokio::select! {
            read = timeout(connection.options.idle, stream.read_buf(&mut buffer)) => {
                if read?? == 0 {
                    return Ok(());
                }
            }
            () = crate::until(&mut connection.ended) => return Ok(()),
        }
    }
}

fn lost(connection: &Connection, why: &str) {
    connection.receiver.health().lost("fluent", &connection.options.cluster, 1, why);
}

/// HELO, PING, PONG: both sides show that they know the key, neither sends it.
async fn greet<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, key: &[u8], buffer: &mut Vec<u8>) -> io::Result<()> {
    let nonce: [u8; 16] = rand::rng().random();
    let mut helo = Vec::new();
    msgpack::push_array(&mut helo, 2);
    msgpack::push_text(&mut helo, b"HELO");
    msgpack::push_map(&mut helo, 3);
    msgpack::push_text(&mut helo, b"nonce");
    msgpack::push_text(&mut helo, hex::encode(nonce).as_bytes());
    msgpack::push_text(&mut helo, b"auth");
    msgpack::push_text(&mut helo, b"");
    msgpack::push_text(&mut helo, b"keepalive");
    msgpack::push_bool(&mut helo, true);
    stream.write_all(&helo).await?;
    let nonce = hex::encode(nonce);

    let (length, salt, good) = loop {
        match msgpack::read(buffer) {
            Ok((ping, rest)) => {
                let msgpack::Value::Array(parts) = &ping else {
                    return Err(refused("no PING"));
                };
                let part = |index: usize| parts.get(index).and_then(msgpack::Value::bytes).unwrap_or_default();
                if part(0) != b"PING" {
                    return Err(refused("no PING"));
                }
                let expected = digest(&[part(2), part(1), nonce.as_bytes(), key]);
                let good = bool::from(subtle::ConstantTimeEq::ct_eq(expected.as_bytes(), part(3)));
                break (buffer.len() - rest.len(), part(2).to_vec(), good);
            }
            Err(msgpack::Stop::Incomplete) if buffer.len() < 4_096 => {
                if stream.read_buf(buffer).await? == 0 {
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
                }
            }
            Err(_) => return Err(refused("no PING")),
        }
    };
    buffer.drain(..length);
    let mut pong = Vec::new();
    msgpack::push_array(&mut pong, 5);
    msgpack::push_text(&mut pong, b"PONG");
    msgpack::push_bool(&mut pong, good);
    msgpack::push_text(&mut pong, if good { b"" } else { b"shared_key mismatch" });
    msgpack::push_text(&mut pong, NAME);
    let shown = if good {
        digest(&[&salt, NAME, nonce.as_bytes(), key])
    } else {
        String::new()
    };
    msgpack::push_text(&mut pong, shown.as_bytes());
    stream.write_all(&pong).await?;
    if good { Ok(()) } else { Err(refused("the shared key is another")) }
}

fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha512::new();
    for part in parts {
        hash.update(part);
    }
    hex::encode(hash.finalize())
}
