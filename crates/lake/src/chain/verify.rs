//! Comparing a data directory with its account: the first record, segment, entry or file that was changed, removed or put
//! elsewhere is named, and all others behind it.
//!
//! Works on files alone, beside a running server or without one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{file_name, file_numbers, key, line_hash, sha256, sha256_file, signed_text};
use crate::disk::{Disk, RealDisk};
use crate::durable::read_file;
use crate::error::LakeError;

/// How to look.
#[derive(Debug, Clone, Default)]
pub struct VerifyOptions {
    /// Sizes instead of hashes of data files: much faster, and a change that keeps the size is not seen
    pub quick: bool,
    /// The public key that must have signed, hexadecimal; without it, the one beside the account
    pub public_key: Option<String>,
    /// The hash of a record that was noted elsewhere: it must be in the account
    pub expected: Option<String>,
}

/// Something that is not as the account says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Record, file or folder
    pub what: String,
    /// What is wrong with it
    pub problem: String,
}

/// What was looked at, and what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Records of the account
    pub records: u64,
    /// Signatures among them
    pub signatures: u64,
    /// Log segments compared
    pub segments: u64,
    /// Commits compared
    pub commits: u64,
    /// Data files compared
    pub files: u64,
    /// Their bytes
    pub bytes: u64,
    /// Hash of the last record, to be noted elsewhere
    pub head: String,
    /// Public key of the signatures
    pub key: String,
    /// What is unusual and no fault: commits of other programs, what was found after a crash
    pub notes: Vec<String>,
    /// What is wrong, in the order in which it was written
    pub faults: Vec<Fault>,
}

/// A commit as it was announced.
#[derive(Debug, Clone, Default)]
struct Announced {
    record: u64,
    entry: String,
}

#[derive(Debug, Clone)]
struct FileRecord {
    size: u64,
    sha256: String,
}

/// What the account says.
#[derive(Debug, Default)]
struct Account {
    segments: BTreeMap<u64, (u64, FileRecord)>,
    cut: BTreeSet<u64>,
    /// By table and version; the last announcement of a version counts
    commits: BTreeMap<String, BTreeMap<u64, Announced>>,
    /// Versions the last signature knows of
    signed: BTreeMap<String, u64>,
    files: HashMap<(String, String), FileRecord>,
    vacuumed: BTreeSet<(String, String)>,
}

/// Compares a lake's directory with its account.
///
/// # Errors
/// When the account cannot be read at all. What is wrong is in [`Verified::faults`].
pub fn verify(directory: &Path, options: &VerifyOptions) -> Result<Verified, LakeError> {
    let disk = RealDisk;
    let folder = directory.join("chain");
    if file_numbers(&disk, &folder)?.is_empty() {
        return Err(LakeError::io("read", &folder)(std::io::ErrorKind::NotFound.into()));
    }
    let mut looking = Looking {
        disk: &disk,
        directory,
        options,
        found: Verified::default(),
    };
    let account = looking.account(&folder)?;
    looking.log(&account)?;
    for table in account.commits.keys() {
        looking.table(table, &account)?;
    }
    // What compaction and cutting did while this looked is no fault: it is in the account by now.
    if !looking.found.faults.is_empty() {
        let mut again = Looking {
            disk: &disk,
            directory,
            options,
            found: Verified::default(),
        };
        let account = again.account(&folder)?;
        if again.found.records > looking.found.records {
            again.log(&account)?;
            for table in account.commits.keys() {
                again.table(table, &account)?;
            }
            return Ok(again.found);
        }
    }
    Ok(looking.found)
}

struct Looking<'a> {
    disk: &'a dyn Disk,
    directory: &'a Path,
    options: &'a VerifyOptions,
    found: Verified,
}

fn text<'a>(record: &'a Value, name: &str) -> &'a str {
    record.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn number(record: &Value, name: &str) -> u64 {
    record.get(name).and_then(Value::as_u64).unwrap_or_default()
}

impl Looking<'_> {
    fn fault(&mut self, what: impl Into<String>, problem: impl Into<String>) {
        self.found.faults.push(Fault {
            what: what.into(),
            problem: problem.into(),
        });
    }

    fn relative(&self, path: &Path) -> String {
        path.strip_prefix(self.directory).unwrap_or(path).display().to_string()
    }

    /// Reads the account and checks its links and signatures.
    fn account(&mut self, folder: &Path) -> Result<Account, LakeError> {
        let mut account = Account::default();
        let beside = read_file(self.disk, &folder.join("key.pub"))?.unwrap_or_default();
        let beside = String::from_utf8_lossy(&beside).trim().to_owned();
        self.found.key = self.options.public_key.clone().unwrap_or(beside);
        let mut hash = String::new();
        let mut expected_number = 1;
        let mut noted = self.options.expected.is_none();
        let numbers = file_numbers(self.disk, folder)?;
        let last = numbers.last().copied();
        for (index, file) in numbers.into_iter().enumerate() {
            if index as u64 + 1 != file {
                self.fault(format!("chain/{}", file_name(index as u64 + 1)), "the file is missing");
            }
            let path = folder.join(file_name(file));
            let name = self.relative(&path);
            let content = read_file(self.disk, &path)?.unwrap_or_default();
            let content = String::from_utf8_lossy(&content).into_owned();
            for (place, line) in content.split_inclusive('\n').enumerate() {
                let at = format!("{name} line {}", place + 1);
                let whole = line.strip_suffix('\n').and_then(|line| line.split_once(' '));
                let parsed = whole.and_then(|(stated, json)| Some((stated, json, serde_json::from_str::<Value>(json).ok()?)));
                let Some((stated, json, record)) = parsed else {
                    // The end of a write that was cut off, or one that is under way.
                    if !(Some(file) == last && !line.ends_with('\n')) {
                        self.fault(at, "the record cannot be read");
                    }
                    continue;
                };
                let n = number(&record, "n");
                if line_hash(&hash, json) != stated {
                    let problem = if n == expected_number {
                        "the record was changed, or the one before it"
                    } else {
                        "records in front of it were removed or put elsewhere"
                    };
                    self.fault(format!("{at} (record {n}, {})", text(&record, "kind")), problem);
                } else if n != expected_number {
                    self.fault(at, format!("it is record {n} where {expected_number} is expected"));
                }
                if text(&record, "kind") == "signature" {
                    self.signature(&format!("{name} line {} (record {n})", place + 1), &hash, &record);
                }
                noted |= self.options.expected.as_deref() == Some(stated);
                stated.clone_into(&mut hash);
                expected_number = n + 1;
                self.found.records += 1;
                account.take(&record);
            }
        }
        if !noted {
            self.fault(
                "chain",
                "the record that was noted elsewhere is not in the account: it was rewritten or cut",
            );
        }
        self.found.head = hash;
        Ok(account)
    }

    fn signature(&mut self, at: &str, previous: &str, record: &Value) {
        let Value::Object(record) = record else {
            return;
        };
        let mut unsigned: Map<String, Value> = record.clone();
        let signature = unsigned.shift_remove("signature").unwrap_or_default();
        let public = record.get("key").and_then(Value::as_str).unwrap_or_default();
        if public != self.found.key {
            self.fault(at, format!("it is signed with another key, {public}"));
            return;
        }
        if !key::signed(
            public,
            signed_text(previous, &unsigned).as_bytes(),
            signature.as_str().unwrap_or_default(),
        ) {
            self.fault(at, "the signature is not right");
            return;
        }
        self.found.signatures += 1;
    }

    /// Compares the segments that are full with what was recorded of them.
    fn log(&mut self, account: &Account) -> Result<(), LakeError> {
        let folder = self.directory.join("log");
        let names = self.disk.list(&folder).map_err(LakeError::io("list", &folder))?;
        let there: BTreeSet<u64> = names.iter().filter_map(|name| name.strip_suffix(".wal")?.parse().ok()).collect();
        let path = |first: u64| folder.join(format!("{first:020}.wal"));
        for (first, (record, known)) in &account.segments {
            let path = path(*first);
            let what = format!("{} (record {record})", self.relative(&path));
            if !there.contains(first) {
                if !account.cut.contains(first) {
                    self.fault(what, "the segment was removed");
                }
                continue;
            }
            let (hash, size) = sha256_file(self.disk, &path)?;
            if hash != known.sha256 || size != known.size {
                self.fault(what, "the segment was changed");
            }
            self.found.segments += 1;
        }
        // The newest is being written, and those just before it may not have been recorded yet.
        let recorded = account.segments.keys().next_back().copied().unwrap_or_default();
        for first in there
            .iter()
            .filter(|first| **first < recorded && !account.segments.contains_key(first))
        {
            let what = self.relative(&path(*first));
            self.fault(what, "the segment is not in the account: it was put there");
        }
        Ok(())
    }

    /// Compares the entries of a table's Delta log with what was announced, and its files with what was recorded of them.
    fn table(&mut self, table: &str, account: &Account) -> Result<(), LakeError> {
        let folder = self.directory.join("tables").join(table);
        let log = folder.join("_delta_log");
        let names = self.disk.list(&log).map_err(LakeError::io("list", &log))?;
        let there: BTreeSet<u64> = names.iter().filter_map(|name| name.strip_suffix(".json")?.parse().ok()).collect();
        let announced = account.commits.get(table).cloned().unwrap_or_default();
        let signed = account.signed.get(table).copied();
        let newest = there.last().copied();
        let mut live: BTreeMap<String, String> = BTreeMap::new();
        let all: BTreeSet<u64> = there.iter().chain(announced.keys()).copied().collect();
        for version in all {
            let path = log.join(format!("{version:020}.json"));
            let name = self.relative(&path);
            let Some(content) = read_file(self.disk, &path)? else {
                let record = announced.get(&version).map_or(0, |announced| announced.record);
                // Announced, and the process ended before it was made.
                let never_made = newest.is_none_or(|newest| version > newest)
                    && signed.is_none_or(|signed| version > signed)
                    && announced.keys().next_back() == Some(&version);
                if !never_made {
                    self.fault(format!("{name} (record {record})"), "the commit was removed");
                }
                continue;
            };
            self.found.commits += 1;
            match announced.get(&version) {
                Some(announced) if announced.entry != sha256(&content) => {
                    self.fault(
                        format!("{name} (record {})", announced.record),
                        "the commit was changed or put elsewhere",
                    );
                }
                Some(_) => {}
                None => self.found.notes.push(format!("{name} is a commit of another program")),
            }
            for line in content.split(|byte| *byte == b'\n') {
                let Ok(action) = serde_json::from_slice::<Value>(line) else {
                    continue;
                };
                let path = |action: &Value| action.get("path").and_then(Value::as_str).map(str::to_owned);
                if let Some(path) = action.get("add").and_then(path) {
                    live.insert(path, name.clone());
                }
                if let Some(path) = action.get("remove").and_then(path) {
                    live.remove(&path);
                }
            }
        }
        for (path, commit) in live {
            self.data_file(table, &folder, &path, &commit, account)?;
        }
        Ok(())
    }

    fn data_file(&mut self, table: &str, folder: &Path, path: &str, commit: &str, account: &Account) -> Result<(), LakeError> {
        let full: PathBuf = folder.join(path);
        let what = format!("{} (of {commit})", self.relative(&full));
        let known = account.files.get(&(table.to_owned(), path.to_owned()));
        let size = match self.disk.length(&full) {
            Ok(size) => size,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let problem = if account.vacuumed.contains(&(table.to_owned(), path.to_owned())) {
                    "the file was deleted although a commit has it"
                } else {
                    "the file was removed"
                };
                self.fault(what, problem);
                return Ok(());
            }
            Err(error) => return Err(LakeError::io("read", &full)(error)),
        };
        let Some(known) = known else {
            self.found.notes.push(format!("{what} was written by another program"));
            return Ok(());
        };
        self.found.files += 1;
        self.found.bytes += size;
        let same = size == known.size && (self.options.quick || sha256_file(self.disk, &full)?.0 == known.sha256);
        if !same {
            self.fault(what, "the file was changed");
        }
        Ok(())
    }
}

impl Account {
    fn take(&mut self, record: &Value) {
        let table = text(record, "table").to_owned();
        match text(record, "kind") {
            "segment" => {
                let known = FileRecord {
                    size: number(record, "bytes"),
                    sha256: text(record, "sha256").to_owned(),
                };
                self.segments.insert(number(record, "first"), (number(record, "n"), known));
            }
            "cut" => {
                let firsts = record.get("segments").and_then(Value::as_array).into_iter().flatten();
                self.cut.extend(firsts.filter_map(Value::as_u64));
            }
            "commit" => {
                for file in record.get("add").and_then(Value::as_array).into_iter().flatten() {
                    let known = FileRecord {
                        size: number(file, "size"),
                        sha256: text(file, "sha256").to_owned(),
                    };
                    self.files.insert((table.clone(), text(file, "path").to_owned()), known);
                }
                let announced = Announced {
                    record: number(record, "n"),
                    entry: text(record, "entry").to_owned(),
                };
                self.commits.entry(table).or_default().insert(number(record, "version"), announced);
            }
            "vacuum" => {
                let paths = record.get("paths").and_then(Value::as_array).into_iter().flatten();
                let paths = paths.filter_map(Value::as_str);
                self.vacuumed.extend(paths.map(|path| (table.clone(), path.to_owned())));
            }
            "drop" => {
                self.commits.remove(&table);
                self.signed.remove(&table);
            }
            "signature" => {
                if let Some(Value::Object(tables)) = record.get("tables") {
                    let versions = tables.iter().filter_map(|(name, version)| Some((name.clone(), version.as_u64()?)));
                    self.signed = versions.collect();
                }
            }
            _ => {}
        }
    }
}
