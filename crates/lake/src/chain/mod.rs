//! An account of everything the lake wrote and deleted, in which nothing can be changed later without it being seen.
//!
//! Every record carries the SHA-256 of the one before it, and now and then one is signed. A log segment is recorded when it is
//! full, a commit before it is made (with the hash of its entry and of the files it adds), and what is deleted before it is
//! deleted: so compaction and retention are part of the account, and what they took away is not missed.
//!
//! ```text
//! DIR/chain/00000001.jsonl   records, a line each: HASH SPACE JSON
//! DIR/chain/key.pem          the key that signs (Ed25519, PKCS #8), unless one is given
//! DIR/chain/key.pub          its public half, hexadecimal
//! HASH = hex(sha256(HASH of the line before, LF, JSON)); in front of the first line stands the empty text
//! ```
//!
//! Who has the key and the directory can write another account from the beginning: keep the public key and, now and then, the
//! hash of the last record somewhere else (`taffrail verify` prints both).

mod key;
mod verify;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{Context, SHA256};
use chrono::{SecondsFormat, Utc};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use crate::disk::{Disk, DiskFile};
use crate::durable::read_file;
use crate::error::LakeError;
use key::SigningKey;

pub use verify::{Fault, Verified, VerifyOptions, verify};

/// A new file of the account begins behind so many bytes, with a signature.
const FILE_BYTES: u64 = 4 << 20;
/// Most records between two signatures.
const SIGN_EVERY: u64 = 256;
/// Most time between them, while there is something to sign.
const SIGN_AFTER: Duration = Duration::from_secs(600);

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 of bytes, hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(aws_lc_rs::digest::digest(&SHA256, bytes).as_ref())
}

/// SHA-256 of what is written, piece by piece.
#[derive(Clone)]
pub(crate) struct Digest(Context);

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digest")
    }
}

impl Digest {
    pub(crate) fn new() -> Digest {
        Digest(Context::new(&SHA256))
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(self) -> String {
        hex(self.0.finish().as_ref())
    }
}

/// SHA-256 of a file and its length.
pub(crate) fn sha256_file(disk: &dyn Disk, path: &Path) -> Result<(String, u64), LakeError> {
    let mut digest = Digest::new();
    let mut length = 0;
    let mut file = disk.read(path).map_err(LakeError::io("open", path))?;
    let mut buffer = vec![0; 256 << 10];
    loop {
        let count = file.read(&mut buffer).map_err(LakeError::io("read", path))?;
        let Some(read) = buffer.get(..count).filter(|read| !read.is_empty()) else {
            return Ok((digest.finish(), length));
        };
        digest.update(read);
        length += count as u64;
    }
}

/// The hash of a line.
fn line_hash(previous: &str, json: &str) -> String {
    let mut digest = Digest::new();
    digest.update(previous.as_bytes());
    digest.update(b"\n");
    digest.update(json.as_bytes());
    digest.finish()
}

/// What the last records say, needed to go on.
#[derive(Debug, Default)]
struct Known {
    number: u64,
    hash: String,
    /// Version of the last commit that is known to be made, by table
    tables: BTreeMap<String, u64>,
    /// First position of the last segment that was recorded
    segment: u64,
}

#[derive(Debug)]
struct Writing {
    known: Known,
    file: Option<Box<dyn DiskFile>>,
    file_number: u64,
    length: u64,
    unsigned: u64,
    signed: Instant,
}

/// The account of a lake, open to be written.
#[derive(Debug)]
pub(crate) struct Chain {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    key: SigningKey,
    writing: Mutex<Writing>,
}

fn file_name(number: u64) -> String {
    format!("{number:08}.jsonl")
}

/// Numbers of the files in a chain's folder.
fn file_numbers(disk: &dyn Disk, folder: &Path) -> Result<Vec<u64>, LakeError> {
    let names = disk.list(folder).map_err(LakeError::io("list", folder))?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| name.strip_suffix(".jsonl")?.parse().ok()).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

impl Known {
    /// Takes one record in.
    fn learn(&mut self, hash: &str, record: &Value) {
        hash.clone_into(&mut self.hash);
        self.number = record.get("n").and_then(Value::as_u64).unwrap_or(self.number + 1);
        let text = |name: &str| record.get(name).and_then(Value::as_str);
        match text("kind") {
            Some("segment") => self.segment = record.get("first").and_then(Value::as_u64).unwrap_or(self.segment),
            Some("drop") => {
                self.tables.remove(text("table").unwrap_or_default());
            }
            Some("signature") => {
                if let Some(Value::Object(tables)) = record.get("tables") {
                    let versions = tables.iter().filter_map(|(name, version)| Some((name.clone(), version.as_u64()?)));
                    self.tables = versions.collect();
                }
                self.segment = record.get("segment").and_then(Value::as_u64).unwrap_or(self.segment);
            }
            _ => {}
        }
    }
}

impl Chain {
    /// Opens the account of a data directory, or begins it. What a crash left of its last line is taken away.
    pub(crate) fn open(disk: Arc<dyn Disk>, directory: &Path, key: Option<&Path>) -> Result<Chain, LakeError> {
        let folder = directory.join("chain");
        crate::durable::create_directory(&folder)?;
        let key = SigningKey::open(disk.as_ref(), &folder, key)?;
        let numbers = file_numbers(disk.as_ref(), &folder)?;
        let mut known = Known::default();
        let mut length = 0;
        let last = numbers.last().copied();
        // A file begins with a signature, which says all that is needed of those before; but for the first, or one cut short.
        let needed = numbers.iter().rev().take(2).rev();
        for number in needed {
            let path = folder.join(file_name(*number));
            let text = read_file(disk.as_ref(), &path)?.unwrap_or_default();
            length = 0;
            for line in text.split_inclusive(|byte| *byte == b'\n') {
                let whole = line.strip_suffix(b"\n").and_then(|line| std::str::from_utf8(line).ok());
                let record = whole.and_then(|line| line.split_once(' '));
                let Some((hash, record)) = record.and_then(|(hash, json)| Some((hash, serde_json::from_str(json).ok()?))) else {
                    break;
                };
                known.learn(hash, &record);
                length += line.len() as u64;
            }
        }
        let mut file = None;
        if let Some(number) = last {
            let path = folder.join(file_name(number));
            let mut open = disk.modify(&path).map_err(LakeError::io("open", &path))?;
            open.set_length(length)
                .and_then(|()| open.sync())
                .map_err(LakeError::io("cut", &path))?;
            file = Some(open);
        }
        let chain = Chain {
            disk,
            folder,
            key,
            writing: Mutex::new(Writing {
                known,
                file,
                file_number: last.unwrap_or_default(),
                length,
                unsigned: 0,
                signed: Instant::now(),
            }),
        };
        if last.is_none() {
            chain.append("begin", json!({"program": concat!("taffrail ", env!("CARGO_PKG_VERSION"))}), true)?;
        }
        Ok(chain)
    }

    /// The commit of that version is made: from the next signature on it may not be missing.
    pub(crate) fn made(&self, table: &str, version: u64) {
        self.writing.lock().known.tables.insert(table.to_owned(), version);
    }

    /// First position of the last segment in the account.
    pub(crate) fn segment(&self) -> u64 {
        self.writing.lock().known.segment
    }

    /// Adds a record; durable when this returns if `sync` says so, with all before it.
    pub(crate) fn append(&self, kind: &str, content: Value, sync: bool) -> Result<(), LakeError> {
        let mut writing = self.writing.lock();
        if writing.file.is_none() || writing.length >= FILE_BYTES {
            self.begin_file(&mut writing)?;
        }
        if writing.unsigned >= SIGN_EVERY || (writing.unsigned > 0 && writing.signed.elapsed() >= SIGN_AFTER) {
            self.sign(&mut writing)?;
        }
        self.write(&mut writing, kind, content, None)?;
        writing.unsigned += 1;
        if sync { self.sync(&mut writing) } else { Ok(()) }
    }

    /// Signs what was not signed yet.
    pub(crate) fn seal(&self) -> Result<(), LakeError> {
        let mut writing = self.writing.lock();
        if writing.unsigned > 0 {
            self.sign(&mut writing)?;
        }
        self.sync(&mut writing)
    }

    /// Its files, relative to the data directory, with their lengths of now.
    pub(crate) fn extent(&self) -> Vec<(PathBuf, u64)> {
        let writing = self.writing.lock();
        let relative = |number| Path::new("chain").join(file_name(number));
        let before = (1..writing.file_number).map(|number| {
            let length = self.disk.length(&self.folder.join(file_name(number))).unwrap_or_default();
            (relative(number), length)
        });
        before.chain([(relative(writing.file_number), writing.length)]).collect()
    }

    fn path(&self, writing: &Writing) -> PathBuf {
        self.folder.join(file_name(writing.file_number))
    }

    fn sync(&self, writing: &mut Writing) -> Result<(), LakeError> {
        let path = self.path(writing);
        match &mut writing.file {
            Some(file) => file.sync().map_err(LakeError::io("fsync", &path)),
            None => Ok(()),
        }
    }

    fn begin_file(&self, writing: &mut Writing) -> Result<(), LakeError> {
        let follows = writing.file.is_some();
        let number = writing.file_number + 1;
        let path = self.folder.join(file_name(number));
        match self.disk.remove(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(LakeError::io("delete", &path)(error)),
            _ => {}
        }
        self.sync(writing)?;
        let file = self.disk.create(&path).map_err(LakeError::io("create", &path))?;
        self.disk
            .sync_folder(&self.folder)
            .map_err(LakeError::io("fsync the folder", &self.folder))?;
        writing.file = Some(file);
        writing.file_number = number;
        writing.length = 0;
        if follows {
            self.sign(writing)?;
        }
        Ok(())
    }

    fn sign(&self, writing: &mut Writing) -> Result<(), LakeError> {
        let content = json!({
            "tables": writing.known.tables,
            "segment": writing.known.segment,
            "key": self.key.public(),
        });
        self.write(writing, "signature", content, Some(&self.key))?;
        writing.unsigned = 0;
        writing.signed = Instant::now();
        Ok(())
    }

    fn write(&self, writing: &mut Writing, kind: &str, content: Value, key: Option<&SigningKey>) -> Result<(), LakeError> {
        let mut record = Map::new();
        record.insert("n".to_owned(), Value::from(writing.known.number + 1));
        record.insert(
            "at".to_owned(),
            Value::from(Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)),
        );
        record.insert("kind".to_owned(), Value::from(kind));
        if let Value::Object(content) = content {
            record.extend(content);
        }
        if let Some(key) = key {
            let signature = key.sign(signed_text(&writing.known.hash, &record).as_bytes());
            record.insert("signature".to_owned(), Value::from(signature));
        }
        let record = Value::Object(record);
        let json = record.to_string();
        let hash = line_hash(&writing.known.hash, &json);
        let line = format!("{hash} {json}\n");
        let path = self.path(writing);
        let at = writing.length;
        let Some(file) = &mut writing.file else {
            return Err(LakeError::NotStored {
                reason: "the chain has no file".to_owned(),
            });
        };
        if let Err(error) = file.write_at(at, line.as_bytes()) {
            // Half a line is written over by the next one, or cut when it is opened again.
            let _ = file.set_length(at);
            return Err(LakeError::io("write", &path)(error));
        }
        writing.length += line.len() as u64;
        writing.known.learn(&hash, &record);
        Ok(())
    }
}

/// What a signature signs: the hash before it, and the record without the signature.
fn signed_text(previous: &str, record: &Map<String, Value>) -> String {
    format!("{previous}\n{}", Value::Object(record.clone()))
}
