//! Elasticsearch's bulk API (elastic.co, "Bulk API"): a line that says what to do, then the document, by turns. Documents are added; what
//! changes or deletes is refused, as events do not change.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::HashMap;

use super::{Body, Carried};
use crate::decode::{Sink, SourceError};
use crate::lines;

/// One thing to do of a bulk request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkItem<'a> {
    /// `index`, `create`, `update` or `delete`
    pub action: String,
    /// Index it is for; empty: the one of the address
    pub index: String,
    /// Identifier it is to have; empty: any
    pub id: String,
    /// The document; none for `delete`
    pub document: Option<&'a str>,
    /// The lines of it
    pub raw: &'a [u8],
}

impl BulkItem<'_> {
    /// Whether it adds something.
    pub fn adds(&self) -> bool {
        matches!(self.action.as_str(), "index" | "create")
    }
}

/// Where a bulk request cannot be read further: the whole of it is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Malformed action/metadata line [{line}], {reason}")]
pub struct BulkError {
    /// Which line, from 1
    pub line: usize,
    /// What is wrong
    pub reason: String,
}

#[derive(Deserialize, Default)]
struct Meta {
    #[serde(default, rename = "_index")]
    index: Option<String>,
    #[serde(default, rename = "_id")]
    id: Option<serde_json::Value>,
}

/// The items of a bulk request.
///
/// # Errors
/// When a line that should say what to do does not: what follows cannot be told apart.
pub fn bulk_items(body: &[u8]) -> Result<Vec<BulkItem<'_>>, BulkError> {
    let mut items = Vec::new();
    let mut lines = lines::raw_lines(body).enumerate();
    while let Some((number, line)) = lines.next() {
        let bad = |reason: String| BulkError { line: number + 1, reason };
        let action: HashMap<String, &RawValue> = serde_json::from_slice(line).map_err(|error| bad(error.to_string()))?;
        let mut members = action.into_iter();
        let (Some((action, meta)), None) = (members.next(), members.next()) else {
            return Err(bad("expected one of create, delete, index, update".to_owned()));
        };
        let meta: Meta = serde_json::from_str(meta.get()).map_err(|error| bad(error.to_string()))?;
        let (document, raw) = match action.as_str() {
            "delete" => (None, line),
            "index" | "create" | "update" => {
                let (_, document) = lines.next().ok_or_else(|| bad("the document is missing".to_owned()))?;
                (Some(std::str::from_utf8(document).unwrap_or_default()), document)
            }
            other => return Err(bad(format!("expected one of create, delete, index, update but found [{other}]"))),
        };
        items.push(BulkItem {
            action,
            index: meta.index.unwrap_or_default(),
            id: meta.id.as_ref().map(|id| crate::json::plain(id).into_owned()).unwrap_or_default(),
            document,
            raw,
        });
    }
    Ok(items)
}

pub(crate) fn decode(body: &[u8], sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let items = match bulk_items(body) {
        Ok(items) => items,
        Err(error) => {
            sink.carried_bad("not a bulk request", &error.to_string(), body);
            return Ok(());
        }
    };
    for item in items {
        match item.document {
            Some(document) if item.adds() && document.trim_start().starts_with('{') => sink.carried(&Carried {
                body: Body::Object(document.trim().into()),
                named: &item.index,
                whole: Some(document.trim()),
                ..Carried::default()
            })?,
            Some(_) if item.adds() => sink.carried_bad("not a document", "a document is a JSON object in UTF-8, on one line", item.raw),
            _ => sink.carried_bad(
                "not an addition",
                "events are added and do not change: only index and create are taken",
                item.raw,
            ),
        }
    }
    Ok(())
}
