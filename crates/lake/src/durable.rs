//! Files that survive a power failure: neither the object store on local disk nor the Delta library calls fsync, so the lake does.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::error::LakeError;

/// Makes the names in a folder durable.
pub(crate) fn sync_directory(path: &Path) -> Result<(), LakeError> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(LakeError::io("fsync the folder", path))
}

/// Makes the content of a file durable.
pub(crate) fn sync_file(path: &Path) -> Result<(), LakeError> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(LakeError::io("fsync", path))
}

/// Creates a folder with its parents and makes every new name durable.
pub(crate) fn create_directory(path: &Path) -> Result<(), LakeError> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        create_directory(parent)?;
        match fs::create_dir(path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(LakeError::io("create the folder", path)(error)),
        }
        return sync_directory(parent);
    }
    fs::create_dir_all(path).map_err(LakeError::io("create the folder", path))
}

/// Replaces a small file: after a crash there is the old content or the new, never a mixture.
pub(crate) fn replace_file(path: &Path, content: &[u8]) -> Result<(), LakeError> {
    let temporary = path.with_extension("new");
    let mut file = File::create(&temporary).map_err(LakeError::io("create", &temporary))?;
    file.write_all(content)
        .and_then(|()| file.sync_all())
        .map_err(LakeError::io("write", &temporary))?;
    fs::rename(&temporary, path).map_err(LakeError::io("replace", path))?;
    match path.parent() {
        Some(parent) => sync_directory(parent),
        None => Ok(()),
    }
}
