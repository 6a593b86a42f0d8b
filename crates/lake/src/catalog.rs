//! What the lake keeps about tables besides their rows: definitions of those that were made at run time, policies, and which
//! were dropped. One small file, `tables.json`, replaced as a whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use taffrail_schema::{Schema, TableDef};

use crate::disk::Disk;
use crate::durable::{read_file, replace_file};
use crate::error::LakeError;
use crate::policy::Policy;

const VERSION: u32 = 1;

/// The content of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kept {
    version: u32,
    /// Tables made at run time
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tables: Vec<TableDef>,
    /// Tables that were dropped: rows of the log up to this position are not theirs any more
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) dropped: BTreeMap<String, u64>,
    /// Policies by table
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) policies: BTreeMap<String, Policy>,
}

impl Default for Kept {
    fn default() -> Kept {
        Kept {
            version: VERSION,
            tables: Vec::new(),
            dropped: BTreeMap::new(),
            policies: BTreeMap::new(),
        }
    }
}

/// The file.
#[derive(Debug)]
pub(crate) struct Catalog {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    kept: Mutex<Kept>,
    /// Held by whoever changes tables, one at a time
    pub(crate) changing: tokio::sync::Mutex<()>,
}

impl Catalog {
    /// Reads the file of a data directory.
    pub(crate) fn load(disk: Arc<dyn Disk>, directory: &Path) -> Result<Catalog, LakeError> {
        let path = directory.join("tables.json");
        let corrupt = |message: String| LakeError::Corrupt {
            path: path.clone(),
            offset: 0,
            message,
        };
        let kept: Kept = match read_file(disk.as_ref(), &path)? {
            Some(text) => serde_json::from_slice(&text).map_err(|error| corrupt(error.to_string()))?,
            None => Kept::default(),
        };
        if kept.version > VERSION {
            return Err(corrupt(format!(
                "it is of version {}, and this program knows up to {VERSION}; use a newer one",
                kept.version
            )));
        }
        Ok(Catalog {
            disk,
            path,
            kept: Mutex::new(kept),
            changing: tokio::sync::Mutex::new(()),
        })
    }

    /// Tells the schema of the tables that were made. One whose name a built-in table has taken since is left out: its files
    /// stay.
    pub(crate) fn define(&self, schema: &Schema) {
        for table in &self.kept.lock().tables {
            if let Err(error) = schema.make(table.clone()) {
                tracing::error!(table = table.name, %error, "a table that was made cannot be defined; its rows stay where they are");
            }
        }
    }

    pub(crate) fn get(&self) -> Kept {
        self.kept.lock().clone()
    }

    /// Changes the content; durable when this returns.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Kept)) -> Result<(), LakeError> {
        let mut kept = self.kept.lock();
        let mut changed = kept.clone();
        change(&mut changed);
        if changed == *kept {
            return Ok(());
        }
        let text = serde_json::to_vec_pretty(&changed).map_err(|error| LakeError::NotStored { reason: error.to_string() })?;
        replace_file(self.disk.as_ref(), &self.path, &text)?;
        *kept = changed;
        Ok(())
    }

    /// Up to which position rows of that name in the log belong to a table that was dropped.
    pub(crate) fn dropped(&self, name: &str) -> u64 {
        self.kept.lock().dropped.get(name).copied().unwrap_or_default()
    }

    /// The policy of a table.
    pub(crate) fn policy(&self, table: &str) -> Policy {
        self.kept.lock().policies.get(table).cloned().unwrap_or_default()
    }
}
