//! What can be tuned. The defaults suit one machine with a few hundred MB for the lake.

use std::path::PathBuf;
use std::time::Duration;

/// Limits and intervals of a lake.
#[derive(Debug, Clone)]
pub struct LakeOptions {
    /// Rows go to a file when the oldest of their table has waited this long
    pub flush_interval: Duration,
    /// … or when a table has this many bytes in memory
    pub flush_bytes: usize,
    /// An append waits while more bytes than this are not yet in files
    pub unflushed_limit: u64,
    /// … for this long, then it is refused with [`crate::LakeError::Busy`]
    pub append_wait: Duration,
    /// Size at which a new log segment begins
    pub segment_bytes: u64,
    /// How many keys of a table with `unique` are remembered; at least half of them are always there
    pub dedupe_keys: usize,
    /// … and for how long at most
    pub dedupe_window: Duration,
    /// Rows of a Parquet row group
    pub row_group_rows: usize,
    /// A checkpoint after this many Delta commits
    pub checkpoint_every: u64,
    /// How often partitions are looked through for small files and deleted files are vacuumed; zero: never
    pub compact_interval: Duration,
    /// A partition with more small files than this is compacted
    pub compact_files: usize,
    /// Files below half of this size are small, and compaction stops filling a file at it
    pub compact_bytes: u64,
    /// Bytes of memory for columns that queries read again and again
    pub column_cache: usize,
    /// Whether an account is kept in which later changes show, see `taffrail verify`
    pub chain: bool,
    /// The key that signs it: Ed25519, PKCS #8 in PEM. Without one, a key is made in the data directory
    pub signing_key: Option<PathBuf>,
    /// Days that rows are kept where the policy of their table does not say; `None`: for ever
    pub retention_days: Option<u32>,
    /// How long a file that compaction or retention removed stays on disk for those who still read it
    pub keep_removed: Duration,
}

impl Default for LakeOptions {
    fn default() -> LakeOptions {
        LakeOptions {
            flush_interval: Duration::from_secs(30),
            flush_bytes: 64 << 20,
            unflushed_limit: 112 << 20,
            append_wait: Duration::from_secs(30),
            segment_bytes: 64 << 20,
            dedupe_keys: 2_000_000,
            dedupe_window: Duration::from_secs(24 * 3600),
            row_group_rows: 64 << 10,
            checkpoint_every: 50,
            compact_interval: Duration::from_secs(60),
            compact_files: 16,
            compact_bytes: 64 << 20,
            column_cache: 128 << 20,
            chain: true,
            signing_key: None,
            retention_days: None,
            keep_removed: Duration::from_secs(24 * 3600),
        }
    }
}
