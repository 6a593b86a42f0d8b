//! The files under `content/` (tables, rules, functions, watchlists, demo logs): embedded in the binary, so that one file is
//! a whole product, and overridable from a directory, so that a team can keep its own beside them.
//!
//! This crate hands out text and bytes; what they mean is the business of whoever asks.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

#[derive(rust_embed::RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../../content"]
struct Embedded;

/// A content file.
#[derive(Debug, Clone)]
pub struct File {
    /// Path below `content/`, with `/`: `rules/exec-into-pod.yaml`
    pub path: String,
    /// Its bytes
    pub bytes: Cow<'static, [u8]>,
}

impl File {
    /// The file as text.
    ///
    /// # Errors
    /// When it is not UTF-8.
    pub fn text(&self) -> Result<&str, ContentError> {
        std::str::from_utf8(&self.bytes).map_err(|error| ContentError::NotText {
            path: self.path.clone(),
            at: error.valid_up_to(),
        })
    }
}

/// Why content cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// Not UTF-8
    #[error("{path} is not UTF-8 text: byte {at} is the first that is not")]
    NotText {
        /// Which file
        path: String,
        /// First bad byte
        at: usize,
    },
    /// File system
    #[error("cannot read {path}: {source}")]
    Io {
        /// Which file or folder
        path: PathBuf,
        /// What the system said
        source: std::io::Error,
    },
}

/// Where content comes from: what is embedded, and a directory whose files replace or join those of the same path.
#[derive(Debug, Clone, Default)]
pub struct Content {
    overlay: Option<PathBuf>,
}

impl Content {
    /// Only what is embedded.
    pub fn embedded() -> Content {
        Content { overlay: None }
    }

    /// What is embedded, with the files of a directory laid over it.
    pub fn with_overlay(directory: impl Into<PathBuf>) -> Content {
        Content {
            overlay: Some(directory.into()),
        }
    }

    /// All files below a folder (`rules`), sorted by path.
    ///
    /// # Errors
    /// When the overlay directory cannot be read.
    pub fn files(&self, folder: &str) -> Result<Vec<File>, ContentError> {
        let prefix = format!("{}/", folder.trim_end_matches('/'));
        let mut files: Vec<File> = Embedded::iter()
            .filter(|path| path.starts_with(&prefix))
            .filter_map(|path| {
                Embedded::get(&path).map(|file| File {
                    path: path.to_string(),
                    bytes: file.data,
                })
            })
            .collect();
        if let Some(overlay) = &self.overlay {
            let root = overlay.join(folder);
            if root.is_dir() {
                for file in files_below(&root, folder)? {
                    files.retain(|embedded| embedded.path != file.path);
                    files.push(file);
                }
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }

    /// One file, if it exists.
    ///
    /// # Errors
    /// When it exists in the overlay and cannot be read.
    pub fn file(&self, path: &str) -> Result<Option<File>, ContentError> {
        if let Some(overlay) = &self.overlay {
            let full = overlay.join(path);
            if full.is_file() {
                let bytes = std::fs::read(&full).map_err(|source| ContentError::Io { path: full, source })?;
                return Ok(Some(File {
                    path: path.to_owned(),
                    bytes: bytes.into(),
                }));
            }
        }
        Ok(Embedded::get(path).map(|file| File {
            path: path.to_owned(),
            bytes: file.data,
        }))
    }
}

/// All files below a directory, with paths that start with `prefix`.
///
/// # Errors
/// When a folder or file cannot be read.
pub fn files_below(root: &Path, prefix: &str) -> Result<Vec<File>, ContentError> {
    let mut found = Vec::new();
    let entries = std::fs::read_dir(root).map_err(|source| ContentError::Io {
        path: root.to_owned(),
        source,
    })?;
    for entry in entries {
        let entry = entry.map_err(|source| ContentError::Io {
            path: root.to_owned(),
            source,
        })?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        let below = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{}/{name}", prefix.trim_end_matches('/'))
        };
        if path.is_dir() {
            found.extend(files_below(&path, &below)?);
        } else {
            let bytes = std::fs::read(&path).map_err(|source| ContentError::Io {
                path: path.clone(),
                source,
            })?;
            found.push(File {
                path: below,
                bytes: bytes.into(),
            });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}
