//! One writer per data directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::error::LakeError;

/// Held for the life of a lake; the system frees it when the process dies.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    pub(crate) fn acquire(directory: &Path) -> Result<DirectoryLock, LakeError> {
        let path = directory.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(LakeError::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // Only for the message; the lock itself is what counts.
                let _ = file.read_to_string(&mut text);
                let process = match text.trim() {
                    "" => "another process".to_owned(),
                    id => format!("process {id}"),
                };
                return Err(LakeError::Locked {
                    directory: directory.to_owned(),
                    process,
                });
            }
            Err(TryLockError::Error(source)) => return Err(LakeError::io("lock", &path)(source)),
        }
        file.set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| writeln!(file, "{}", std::process::id()))
            .map_err(LakeError::io("write", &path))?;
        Ok(DirectoryLock { _file: file })
    }
}
