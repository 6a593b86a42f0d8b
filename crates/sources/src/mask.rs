//! Secrets in audit bodies never reach storage: the values of `Secret` objects, and the bearer tokens of token reviews and
//! token requests, are replaced before a row is made, in the columns and in the text of the whole event. Names, keys and types
//! stay, as detection needs them.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde_json::Value;

use crate::formats::AuditRow;

/// What stands in place of a secret.
pub(crate) const MASK: &str = "***";

/// kubectl keeps the whole object as text here.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Bodies of an event, without secrets.
pub(crate) struct Masked {
    pub(crate) request: Option<String>,
    pub(crate) response: Option<String>,
    pub(crate) raw: String,
}

/// The bodies of an event that may hold secrets, masked; `None` for all other events.
pub(crate) fn audit_event(row: &AuditRow<'_>) -> Option<Masked> {
    if row.request_object.is_none() && row.response_object.is_none() {
        return None;
    }
    let by_resource = matches!(
        (row.resource, row.subresource),
        ("secrets" | "tokenreviews" | "tokenrequests", _) | (_, "token")
    );
    if !by_resource && !is_secret_kind(row.request_object) && !is_secret_kind(row.response_object) {
        return None;
    }
    let request = row.request_object.map(masked_body);
    let response = row.response_object.map(masked_body);
    let mut raw = Cow::Borrowed(row.raw);
    // From behind, so that places before it stay where they are.
    let mut parts: Vec<(usize, usize, &String)> = [(row.request_object, &request), (row.response_object, &response)]
        .into_iter()
        .filter_map(|(original, masked)| {
            let (original, masked) = (original?, masked.as_ref()?);
            let start = place_in(row.raw, original)?;
            Some((start, start + original.len(), masked))
        })
        .collect();
    let expected = usize::from(row.request_object.is_some()) + usize::from(row.response_object.is_some());
    if parts.len() < expected {
        // It is somewhere in the text, and nobody knows where.
        raw = Cow::Borrowed("");
        parts.clear();
    }
    parts.sort_by_key(|(start, ..)| std::cmp::Reverse(*start));
    let mut raw = raw.into_owned();
    for (start, end, masked) in parts {
        raw.replace_range(start..end, masked);
    }
    Some(Masked { request, response, raw })
}

/// The body says itself that it is one, whatever resource it was sent to.
fn is_secret_kind(body: Option<&str>) -> bool {
    let Some(body) = body else { return false };
    // Searched for in every body: what the kinds have in common first, and what is looked for prepared once.
    static NAMES: LazyLock<[Finder<'static>; 2]> = LazyLock::new(|| [Finder::new("\"Secret"), Finder::new("\"TokenRe")]);
    NAMES.iter().any(|name| {
        name.find_iter(body.as_bytes()).any(|at| {
            let before = body.as_bytes().get(..at).unwrap_or_default().trim_ascii_end();
            let before = before.strip_suffix(b":").unwrap_or_default().trim_ascii_end();
            before.ends_with(b"\"kind\"")
        })
    })
}

/// Where a part of a text stands in it.
fn place_in(whole: &str, part: &str) -> Option<usize> {
    let offset = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize);
    offset
        .filter(|&start| whole.get(start..start + part.len()) == Some(part))
        .or_else(|| whole.find(part))
}

fn masked_body(body: &str) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(body) else {
        return format!("\"{MASK}\"");
    };
    mask(&mut value);
    value.to_string()
}

fn mask(value: &mut Value) {
    match value {
        Value::Object(members) => {
            // An operation of a JSON patch: a value below data, or any other value that holds one.
            let path = members.get("path").and_then(Value::as_str).unwrap_or_default();
            let below_secret = ["/data", "/stringData", "/spec/token", "/status/token"]
                .into_iter()
                .any(|secret| path.starts_with(secret))
                || path.contains("last-applied-configuration");
            for (name, member) in members.iter_mut() {
                match name.as_str() {
                    "data" | "stringData" => mask_values(member),
                    "token" | LAST_APPLIED => mask_values(member),
                    "value" if below_secret => mask_values(member),
                    _ => mask(member),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask),
        // Text that is a body itself: one that did not parse at the API server.
        Value::String(text) if text.starts_with('{') => MASK.clone_into(text),
        _ => {}
    }
}

/// Every value below, keeping the keys.
fn mask_values(value: &mut Value) {
    match value {
        Value::Object(members) => members.values_mut().for_each(mask_values),
        Value::Array(items) => items.iter_mut().for_each(mask_values),
        Value::Null => {}
        other => *other = Value::String(MASK.to_owned()),
    }
}

/// A refused record as it may be kept. It may be broken, so nothing is looked for in it: when it speaks of secrets or tokens, it
/// ends where a body could begin.
pub(crate) fn dead_letter(raw: String) -> String {
    let speaks_of_secrets = ["secrets", "Secret", "tokenreviews", "TokenRe", "\"token", "/token"]
        .into_iter()
        .any(|word| raw.contains(word));
    if !speaks_of_secrets {
        return raw;
    }
    let body = [
        "requestObject",
        "responseObject",
        "\"request\"",
        "\"response\"",
        "data\"",
        "stringData",
        "token\"",
    ]
    .into_iter()
    .filter_map(|name| raw.find(name).map(|at| at + name.len()))
    .min();
    match body {
        Some(at) => format!("{}{MASK} (the rest may hold a secret)", raw.get(..at).unwrap_or_default()),
        None => raw,
    }
}
