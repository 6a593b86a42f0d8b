//! Alerts: what a rule says when it fires. The record itself is kept by `taffrail-state`; here is what makes one.

use indexmap::IndexMap;
use serde_json::Value;
use sha2::{Digest, Sha256};

pub use taffrail_state::alerts::{Alert, Evidence, EvidenceColumn};

/// Position of a column of the evidence.
pub fn column(evidence: &Evidence, name: &str) -> Option<usize> {
    evidence.columns.iter().position(|column| column.name == name)
}

/// Rows of the evidence as objects.
pub fn objects(evidence: &Evidence) -> Vec<IndexMap<String, Value>> {
    evidence
        .rows
        .iter()
        .map(|row| {
            evidence
                .columns
                .iter()
                .map(|column| column.name.clone())
                .zip(row.iter().cloned())
                .collect()
        })
        .collect()
}

/// A stable identifier from parts: 32 hexadecimal digits in the form of a GUID.
pub fn stable_id(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let text = hex::encode(&hash.finalize()[..16]);
    format!(
        "{}-{}-{}-{}-{}",
        &text[..8],
        &text[8..12],
        &text[12..16],
        &text[16..20],
        &text[20..]
    )
}
