//! Files that survive a power failure: neither the object store on local disk nor the Delta library calls fsync, so the lake does.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::disk::Disk;
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
pub(crate) fn replace_file(disk: &dyn Disk, path: &Path, content: &[u8]) -> Result<(), LakeError> {
    let temporary = path.with_extension("new");
    if let Err(error) = disk.remove(&temporary)
        && error.kind() != ErrorKind::NotFound
    {
        return Err(LakeError::io("delete", &temporary)(error));
    }
    let mut file = disk.create(&temporary).map_err(LakeError::io("create", &temporary))?;
    file.write_at(0, content)
        .and_then(|()| file.sync())
        .map_err(LakeError::io("write", &temporary))?;
    disk.rename(&temporary, path).map_err(LakeError::io("replace", path))?;
    match path.parent() {
        Some(parent) => disk.sync_folder(parent).map_err(LakeError::io("fsync the folder", parent)),
        None => Ok(()),
    }
}

/// Reads a small file; `None` when there is none.
pub(crate) fn read_file(disk: &dyn Disk, path: &Path) -> Result<Option<Vec<u8>>, LakeError> {
    let mut content = Vec::new();
    match disk.read(path).and_then(|mut file| file.read_to_end(&mut content)) {
        Ok(_) => Ok(Some(content)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LakeError::io("read", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::simulated::{Faults, SimulatedDisk};

    #[test]
    fn a_small_file_is_the_old_one_or_the_new_one() {
        let path = Path::new("folder/file.json");
        for seed in 0..2000 {
            let disk = SimulatedDisk::new(seed);
            replace_file(&disk, path, b"the first content, longer than a sector of the disk").unwrap();
            let faults = Faults {
                write: 100,
                sync: 100,
                folder: 100,
                read: 0,
            };
            disk.set_faults(faults);
            let second = b"the second content, which is longer than two sectors of the disk are together";
            let done = replace_file(&disk, path, second).is_ok();
            disk.set_faults(Faults::default());
            disk.crash();
            let read = read_file(&disk, path).unwrap().unwrap();
            assert!(read == second || (!done && read.starts_with(b"the first")), "seed {seed}");
        }
    }
}
