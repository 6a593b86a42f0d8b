//! What people need to know about a source, as data: `content/sources/<name>.yaml`. `taffrail sources` prints it, and `docs/sources.md`
//! is made of it.

use serde::{Deserialize, Serialize};
use taffrail_content::{Content, ContentError};

use crate::catalogue::Catalogue;

/// A source, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceInfo {
    /// Name in paths and options: a name of [`Catalogue`], and the file's
    #[serde(skip)]
    pub id: String,
    /// Name for people
    pub name: String,
    /// What its records are
    pub description: String,
    /// Family it belongs to
    pub group: String,
    /// Forms in which its records are found, each with its state
    pub formats: Vec<Row>,
    /// Ways it may take
    pub transports: Vec<String>,
    /// Tables its records go to, the main one first
    pub tables: Vec<String>,
    /// Views over them that are made for it
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub views: Vec<String>,
    /// How to connect it: `https://taffrail.example`, `CLUSTER` and `TOKEN` stand for the server's address, a name and a token
    pub connect: Vec<Step>,
    /// A query to begin with
    pub query: String,
    /// After how long without a record something is wrong, as a KQL timespan; empty: it may be silent for ever
    #[serde(default)]
    pub silence: String,
    /// A documented record, as it arrives
    pub sample: String,
}

/// A step of connecting a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Where it is done
    pub title: String,
    /// What to know about it
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// What to paste
    pub code: String,
}

/// A form of records, and whether it works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Which
    pub name: String,
    /// Whether it works
    pub state: State,
    /// Test that shows it: file of samples in `crates/sources/tests/data`, or a test's name
    pub test: String,
    /// What is missing
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub missing: String,
}

/// Whether a form of records works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Decoded, against samples of its documentation or recorded ones
    Works,
    /// Decoded in part
    Partial,
    /// Not decoded
    Missing,
}

impl State {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Works => "works",
            State::Partial => "partial",
            State::Missing => "missing",
        }
    }
}

/// Why sources cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InfoError {
    /// A file cannot be read
    #[error(transparent)]
    Content(#[from] ContentError),
    /// A file is not what it should be
    #[error("{path}: {source}")]
    Yaml {
        /// Which file
        path: String,
        /// Where and what
        source: serde_yaml_ng::Error,
    },
    /// A file is about something that has no decoder
    #[error("{path}: there is no decoder {name:?}; the sources are {}", Catalogue::names())]
    Unknown {
        /// Which file
        path: String,
        /// What it names
        name: String,
    },
}

impl SourceInfo {
    /// All of `content/sources`, in the order of the catalogue.
    ///
    /// # Errors
    /// When a file cannot be read or parsed, or names no decoder.
    pub fn load(content: &Content) -> Result<Vec<SourceInfo>, InfoError> {
        let mut all = Vec::new();
        for file in content.files("sources")? {
            if !file.path.ends_with(".yaml") {
                continue;
            }
            let mut info: SourceInfo = serde_yaml_ng::from_str(file.text()?).map_err(|source| InfoError::Yaml {
                path: file.path.clone(),
                source,
            })?;
            let stem = file.path.rsplit('/').next().and_then(|name| name.strip_suffix(".yaml"));
            stem.unwrap_or_default().clone_into(&mut info.id);
            if Catalogue::source(&info.id).is_none() {
                return Err(InfoError::Unknown {
                    path: file.path.clone(),
                    name: info.id,
                });
            }
            all.push(info);
        }
        let place = |name: &str| Catalogue::sources().iter().position(|source| source.id == name);
        all.sort_by_key(|info| place(&info.id));
        Ok(all)
    }
}
