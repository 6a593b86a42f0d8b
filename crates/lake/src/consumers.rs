//! How far each consumer has read the log, kept across restarts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::disk::Disk;
use crate::durable::{read_file, replace_file};
use crate::error::LakeError;

/// Positions by consumer.
#[derive(Debug)]
pub(crate) struct Consumers {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    positions: Mutex<BTreeMap<String, u64>>,
}

impl Consumers {
    /// Reads the file of a data directory.
    pub(crate) fn load(disk: Arc<dyn Disk>, directory: &Path) -> Result<Consumers, LakeError> {
        let path = directory.join("consumers.json");
        let positions = match read_file(disk.as_ref(), &path)? {
            Some(text) => serde_json::from_slice(&text).map_err(|error| LakeError::Corrupt {
                path: path.clone(),
                offset: 0,
                message: error.to_string(),
            })?,
            None => BTreeMap::new(),
        };
        Ok(Consumers {
            disk,
            path,
            positions: Mutex::new(positions),
        })
    }

    /// How far a consumer has read.
    pub(crate) fn get(&self, name: &str) -> Option<u64> {
        self.positions.lock().get(name).copied()
    }

    /// Where the slowest stands.
    pub(crate) fn slowest(&self) -> Option<u64> {
        self.positions.lock().values().min().copied()
    }

    /// Where the fastest stands.
    pub(crate) fn fastest(&self) -> Option<u64> {
        self.positions.lock().values().max().copied()
    }

    /// Changes or, with `None`, forgets a consumer; durable when this returns.
    pub(crate) fn set(&self, name: &str, position: Option<u64>) -> Result<(), LakeError> {
        let mut positions = self.positions.lock();
        let mut changed = positions.clone();
        match position {
            Some(position) => changed.insert(name.to_owned(), position),
            None => changed.remove(name),
        };
        if changed == *positions {
            return Ok(());
        }
        let text = serde_json::to_vec_pretty(&changed).map_err(|error| LakeError::NotStored { reason: error.to_string() })?;
        replace_file(self.disk.as_ref(), &self.path, &text)?;
        *positions = changed;
        Ok(())
    }
}
