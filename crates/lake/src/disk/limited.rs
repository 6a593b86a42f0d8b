//! The real file system with a switch: no room, or fsync fails. For tests of a whole lake.

use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Disk, DiskFile, RealDisk};

/// What is switched.
#[derive(Debug, Default)]
pub(crate) struct Switches {
    pub(crate) full: AtomicBool,
    pub(crate) broken: AtomicBool,
}

/// See the module's page.
#[derive(Debug, Default, Clone)]
pub(crate) struct LimitedDisk(pub(crate) Arc<Switches>);

impl LimitedDisk {
    fn room(&self) -> io::Result<()> {
        if self.0.full.load(Ordering::Acquire) {
            return Err(ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

impl Disk for LimitedDisk {
    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        RealDisk.list(folder)
    }

    fn read(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        RealDisk.read(path)
    }

    fn length(&self, path: &Path) -> io::Result<u64> {
        RealDisk.length(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.room()?;
        Ok(Box::new(LimitedFile(self.clone(), RealDisk.create(path)?)))
    }

    fn modify(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(LimitedFile(self.clone(), RealDisk.modify(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        RealDisk.sync_folder(folder)
    }
}

#[derive(Debug)]
struct LimitedFile(LimitedDisk, Box<dyn DiskFile>);

impl DiskFile for LimitedFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if let Err(full) = self.0.room() {
            // Half of it fits.
            self.1.write_at(offset, bytes.get(..bytes.len() / 2).unwrap_or_default())?;
            return Err(full);
        }
        self.1.write_at(offset, bytes)
    }

    fn set_length(&mut self, length: u64) -> io::Result<()> {
        self.1.set_length(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.0.0.broken.load(Ordering::Acquire) {
            return Err(io::Error::other("the disk is broken"));
        }
        self.1.sync()
    }
}
