//! Backups: a copy of one moment that is a data directory itself, made beside a running server, incremental, and compared with
//! its account before it is called one.
//!
//! For an instant nothing is committed and no segment begun, and what there is is noted. Files of that moment do not change any
//! more, and neither cutting nor vacuum takes them away until they are copied. What the target has already is left as it is.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::Serialize;

use crate::chain::{VerifyOptions, verify};
use crate::disk::{Disk, RealDisk};
use crate::durable::{create_directory, replace_file, sync_directory};
use crate::error::{LakeError, blocking};
use crate::lake::Lake;

/// What a backup or a restoration did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Backup {
    /// Files of the moment
    pub files: u64,
    /// Files copied now; the others were there
    pub copied: u64,
    /// Bytes copied now
    pub copied_bytes: u64,
    /// Files deleted from the target that are of the lake no more
    pub removed: u64,
    /// Hash of the last record of its account
    pub head: String,
}

/// A file to be in the backup: its name, and how much of it.
type Wanted = (PathBuf, Option<u64>);

impl Lake {
    /// Makes or renews the backup in `target`.
    ///
    /// # Errors
    /// When the lake keeps no account, files cannot be copied, or the copy is not what the account says.
    pub async fn backup(&self, target: &Path) -> Result<Backup, LakeError> {
        self.inner.check_open()?;
        let shared = Arc::clone(&self.inner.shared);
        let Some(chain) = shared.chain.clone() else {
            return Err(LakeError::NotStored {
                reason: "a lake without a chain cannot be backed up: nothing says what belongs to it".to_owned(),
            });
        };
        // Neither the log nor files are deleted from here on.
        let _hold = shared.hold(0);
        let _kept = shared.backups.fetch_add(1, Ordering::AcqRel);
        let result = self.copy(&chain, target).await;
        shared.backups.fetch_sub(1, Ordering::AcqRel);
        result
    }

    async fn copy(&self, chain: &Arc<crate::chain::Chain>, target: &Path) -> Result<Backup, LakeError> {
        let shared = Arc::clone(&self.inner.shared);
        let directory = self.inner.directory.clone();
        let mut wanted: Vec<Wanted> = Vec::new();
        {
            let _changing = self.inner.catalog.changing.lock().await;
            let tables = shared.tables();
            let mut held = Vec::with_capacity(tables.len());
            for table in &tables {
                held.push(self.inner.delta(table).await?);
            }
            for (table, delta) in tables.iter().zip(&held) {
                let Some(version) = delta.known_version() else {
                    continue;
                };
                let folder = Path::new("tables").join(table.name());
                wanted.extend((0..=version).map(|version| (folder.join(format!("_delta_log/{version:020}.json")), None)));
                let (files, _) = shared.snapshot(table.id);
                wanted.extend(files.iter().map(|file| (folder.join(&file.path), Some(file.size))));
            }
            // While the segments are held none is begun, and while the chain is none is recorded.
            let segments = shared.segments.lock();
            chain.seal()?;
            wanted.extend(chain.extent().into_iter().map(|(path, length)| (path, Some(length))));
            // With the key, so that the account goes on after a restoration; one that was given is its owner's to keep.
            for key in ["chain/key.pub", "chain/key.pem"] {
                if directory.join(key).exists() {
                    wanted.push((PathBuf::from(key), None));
                }
            }
            for first in &segments.first {
                let path = segments.path(*first);
                let relative = path.strip_prefix(&directory).unwrap_or(&path).to_owned();
                let newest = segments.first.last() == Some(first);
                let length = RealDisk.length(&path).map_err(LakeError::io("read", &path))?;
                wanted.push((relative, newest.then_some(length)));
            }
            for small in ["tables.json", "consumers.json"] {
                if directory.join(small).exists() {
                    wanted.push((PathBuf::from(small), None));
                }
            }
        }
        let target = target.to_owned();
        blocking("copying a backup", move || copy_all(&directory, &target, &wanted)).await
    }
}

/// Copies what is wanted, deletes what is not, and compares the result with its account.
fn copy_all(from: &Path, to: &Path, wanted: &[Wanted]) -> Result<Backup, LakeError> {
    create_directory(to)?;
    let mut done = Backup::default();
    // Until it is whole again it is none.
    let seal = to.join("backup.json");
    if seal.exists() {
        std::fs::remove_file(&seal).map_err(LakeError::io("delete", &seal))?;
    }
    let mut folders = BTreeSet::new();
    for (relative, length) in wanted {
        let (source, target) = (from.join(relative), to.join(relative));
        done.files += 1;
        let whole = match length {
            Some(length) => *length,
            None => RealDisk.length(&source).map_err(LakeError::io("read", &source))?,
        };
        // Data files and entries never change. The others are small, or grow.
        let immutable = relative.starts_with("tables");
        if immutable && RealDisk.length(&target).is_ok_and(|length| length == whole) {
            continue;
        }
        if let Some(folder) = target.parent()
            && folders.insert(folder.to_owned())
        {
            create_directory(folder)?;
        }
        copy_file(&source, &target, whole)?;
        done.copied += 1;
        done.copied_bytes += whole;
    }
    let keep: BTreeSet<PathBuf> = wanted.iter().map(|(relative, _)| to.join(relative)).collect();
    remove_others(to, &keep, &mut done)?;
    for folder in &folders {
        sync_directory(folder)?;
    }
    let looked = verify(to, &VerifyOptions::default())?;
    if let Some(fault) = looked.faults.first() {
        return Err(LakeError::NotStored {
            reason: format!("the copy is not what the account says: {}: {}", fault.what, fault.problem),
        });
    }
    done.head = looked.head;
    let text = serde_json::to_vec_pretty(&done).map_err(|error| LakeError::NotStored { reason: error.to_string() })?;
    replace_file(&RealDisk, &seal, &text)?;
    Ok(done)
}

fn copy_file(source: &Path, target: &Path, length: u64) -> Result<(), LakeError> {
    let temporary = target.with_extension("copying");
    let mut input = std::fs::File::open(source).map_err(LakeError::io("open", source))?.take(length);
    let mut output = std::fs::File::create(&temporary).map_err(LakeError::io("create", &temporary))?;
    let copied = std::io::copy(&mut input, &mut output).map_err(LakeError::io("copy to", &temporary))?;
    if copied < length {
        return Err(LakeError::NotStored {
            reason: format!("{} has {copied} bytes where {length} are expected", source.display()),
        });
    }
    // As secret as what it is a copy of.
    std::fs::metadata(source)
        .and_then(|known| output.set_permissions(known.permissions()))
        .map_err(LakeError::io("restrict", &temporary))?;
    output.sync_all().map_err(LakeError::io("fsync", &temporary))?;
    std::fs::rename(&temporary, target).map_err(LakeError::io("replace", target))
}

fn remove_others(folder: &Path, keep: &BTreeSet<PathBuf>, done: &mut Backup) -> Result<(), LakeError> {
    for entry in std::fs::read_dir(folder).map_err(LakeError::io("list", folder))? {
        let path = entry.map_err(LakeError::io("list", folder))?.path();
        if path.is_dir() {
            remove_others(&path, keep, done)?;
        } else if !keep.contains(&path) {
            std::fs::remove_file(&path).map_err(LakeError::io("delete", &path))?;
            done.removed += 1;
        }
    }
    Ok(())
}

/// Makes a lake's directory out of a backup. The directory must not exist, or be empty.
///
/// # Errors
/// When the backup is not whole or not what its account says, or files cannot be copied.
pub fn restore(backup: &Path, directory: &Path) -> Result<Backup, LakeError> {
    let seal = backup.join("backup.json");
    if !seal.exists() {
        return Err(LakeError::io("read", &seal)(std::io::ErrorKind::NotFound.into()));
    }
    if std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(LakeError::io("restore into", directory)(
            std::io::ErrorKind::DirectoryNotEmpty.into(),
        ));
    }
    let looked = verify(backup, &VerifyOptions::default())?;
    if let Some(fault) = looked.faults.first() {
        return Err(LakeError::NotStored {
            reason: format!("the backup is not what its account says: {}: {}", fault.what, fault.problem),
        });
    }
    let mut wanted = Vec::new();
    list(backup, backup, &mut wanted)?;
    let done = copy_all(backup, directory, &wanted)?;
    let seal = directory.join("backup.json");
    std::fs::remove_file(&seal).map_err(LakeError::io("delete", &seal))?;
    create_directory(&directory.join("log"))?;
    create_directory(&directory.join("tables"))?;
    Ok(done)
}

fn list(root: &Path, folder: &Path, found: &mut Vec<Wanted>) -> Result<(), LakeError> {
    for entry in std::fs::read_dir(folder).map_err(LakeError::io("list", folder))? {
        let path = entry.map_err(LakeError::io("list", folder))?.path();
        if path.is_dir() {
            list(root, &path, found)?;
        } else if path.file_name().is_some_and(|name| name != "backup.json") {
            found.push((path.strip_prefix(root).unwrap_or(&path).to_owned(), None));
        }
    }
    Ok(())
}
