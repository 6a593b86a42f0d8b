//! Watching directories: files that clouds export (AKS blobs, CloudTrail, Cloud Logging), and logs that grow. A file is read up to its last
//! whole line; how far is written down after the rows are durable, so that a restart goes on there. Compressed files, and documents that
//! are one value over many lines, are read once, when they have stopped growing.
//!
//! Buckets are reached the same way, through whatever mounts them.

use std::collections::BTreeMap;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::receiver::Receiver;

/// Bytes that are handed over at once.
const CHUNK: usize = 8 << 20;
/// A file that has not changed for so long is whole.
const SETTLED: Duration = Duration::from_secs(5);

/// A directory.
#[derive(Debug, Clone)]
pub struct WatchOptions {
    /// Files, as a pattern: `/export/**/*.json`
    pub pattern: String,
    /// Source they are read as; `auto` looks at each
    pub source: String,
    /// Cluster that they are of
    pub cluster: String,
    /// How often it is looked
    pub interval: Duration,
    /// Largest compressed file, in bytes
    pub max_file: u64,
}

/// How far a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    /// The file itself, whatever its name: logs are rotated
    inode: u64,
    /// Bytes that are durable
    read: u64,
}

/// Marks by path, kept in a file.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Marks {
    files: BTreeMap<PathBuf, Mark>,
}

impl Marks {
    fn load(path: &Path) -> Marks {
        let text = std::fs::read(path).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Written beside and put in place, so that it is whole at any time.
    fn save(&self, path: &Path) -> std::io::Result<()> {
        let beside = path.with_extension("new");
        let file = std::fs::File::create(&beside)?;
        serde_json::to_writer(&file, self)?;
        file.sync_all()?;
        std::fs::rename(beside, path)
    }
}

/// Watches until `ended`. `marks` is the file that remembers how far files are read.
pub async fn run(options: WatchOptions, marks: PathBuf, receiver: Receiver, mut ended: watch::Receiver<bool>) {
    let mut known = Marks::load(&marks);
    let mut ticks = tokio::time::interval(options.interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = crate::until(&mut ended) => return,
        }
        let pattern = options.pattern.clone();
        let found = tokio::task::spawn_blocking(move || list(&pattern)).await.unwrap_or_default();
        // Files that are gone need no mark; one that comes back is another.
        known.files.retain(|path, _| found.contains(path));
        for path in found {
            if *ended.borrow() {
                return;
            }
            if let Err(error) = follow(&path, &options, &mut known, &marks, &receiver).await {
                tracing::warn!(path = %path.display(), error, "a file could not be read; it is tried again");
                receiver
                    .health()
                    .lost(&options.source, &options.cluster, 0, &format!("{}: {error}", path.display()));
            }
        }
    }
}

fn list(pattern: &str) -> Vec<PathBuf> {
    let Ok(paths) = glob::glob(pattern) else { return Vec::new() };
    let mut found: Vec<PathBuf> = paths.filter_map(Result::ok).filter(|path| path.is_file()).collect();
    found.sort();
    found
}

/// Reads what is new in a file.
async fn follow(path: &Path, options: &WatchOptions, known: &mut Marks, marks: &Path, receiver: &Receiver) -> Result<(), String> {
    loop {
        let about = std::fs::metadata(path).map_err(|error| error.to_string())?;
        let mark = known
            .files
            .get(path)
            .copied()
            .filter(|mark| mark.inode == about.ino() && mark.read <= about.len());
        let from = mark.map_or(0, |mark| mark.read);
        if about.len() == from {
            return Ok(());
        }
        let settled = about
            .modified()
            .is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age >= SETTLED));
        let (owned, limit) = (path.to_owned(), options.max_file);
        let part = tokio::task::spawn_blocking(move || read_part(&owned, from, settled, limit)).await;
        let Some(part) = part.map_err(|error| error.to_string())?? else {
            return Ok(());
        };
        let length = part.len() as u64;
        let origin = path.display().to_string();
        match receiver.receive(&options.source, &options.cluster, part.into(), origin).await {
            Ok(_) => {}
            Err(refusal) if refusal.is_temporary() => return Err(refusal.message),
            // It would be refused again: what was wrong is in the dead letters, or in the log.
            Err(refusal) => tracing::warn!(path = %path.display(), %refusal, "a part of a file could not be used"),
        }
        known.files.insert(
            path.to_owned(),
            Mark {
                inode: about.ino(),
                read: from + length,
            },
        );
        known.save(marks).map_err(|error| format!("{}: {error}", marks.display()))?;
    }
}

/// What may be read now: whole lines; everything of a file that has settled; `None` when it is too early.
fn read_part(path: &Path, from: u64, settled: bool, limit: u64) -> Result<Option<Vec<u8>>, String> {
    let words = |error: std::io::Error| error.to_string();
    let mut file = std::fs::File::open(path).map_err(words)?;
    let mut head = [0; 4];
    let count = file.read(&mut head).map_err(words)?;
    let compressed = head.starts_with(&[0x1f, 0x8b]) || head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]);
    // An array, or an object over several lines, as exports are: nothing before its end can be told to be whole.
    let document = head
        .get(..count)
        .is_some_and(|head| matches!(head.trim_ascii_start(), [b'['] | [b'[', ..] | [b'{', b'\n' | b'\r', ..]));
    if compressed || document {
        if !settled {
            return Ok(None);
        }
        let length = file.metadata().map_err(words)?.len();
        if length > limit {
            return Err(format!(
                "it has {length} bytes and can only be read whole, which is allowed up to {limit}"
            ));
        }
        let mut all = Vec::new();
        file.seek(SeekFrom::Start(from)).map_err(words)?;
        file.read_to_end(&mut all).map_err(words)?;
        return Ok(Some(all));
    }
    file.seek(SeekFrom::Start(from)).map_err(words)?;
    let mut part = Vec::new();
    file.by_ref().take(CHUNK as u64).read_to_end(&mut part).map_err(words)?;
    let full = part.len() == CHUNK;
    match part.iter().rposition(|byte| *byte == b'\n') {
        Some(end) if full || !settled => part.truncate(end + 1),
        // The last line has no end and nothing was added for a while: it is all there is.
        Some(_) => {}
        None if settled || full => {}
        None => return Ok(None),
    }
    Ok((!part.is_empty()).then_some(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_when_they_are_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.log");
        std::fs::write(&path, "one\ntw").unwrap();
        assert_eq!(read_part(&path, 0, false, 100).unwrap().as_deref(), Some(&b"one\n"[..]));
        assert_eq!(read_part(&path, 4, false, 100).unwrap(), None);
        assert_eq!(read_part(&path, 4, true, 100).unwrap().as_deref(), Some(&b"tw"[..]));
        std::fs::write(&path, "[{\"a\":1}]").unwrap();
        assert_eq!(read_part(&path, 0, false, 100).unwrap(), None);
        assert!(read_part(&path, 0, true, 100).unwrap().is_some());
        assert!(read_part(&path, 0, true, 3).is_err());
    }
}
