//! `EventList`: what the API server's audit webhook sends. Its items carry no kind and apiVersion of their own.
//!
//! Items are read where they stand, without reading the list first, so that a list that breaks off gives what it has.

use super::Format;
use crate::decode::Refusal;
use crate::framing::{Envelope, Reader};
use crate::json::{self, JsonError, Members, Text};

pub(crate) const FORMAT: Format = Format {
    prefix: br#"{"kind":"EventList","apiVersion":"audit.k8s.io/"#,
    members: &[b"items"],
    read,
};

const VERSIONS: [&str; 3] = ["audit.k8s.io/v1", "audit.k8s.io/v1beta1", "audit.k8s.io/v1alpha1"];

fn read(reader: &mut Reader<'_, '_>, text: &[u8], at: usize, envelope: &Envelope) -> Result<usize, Refusal> {
    read_list(reader, text, at, envelope, b"items", |name, value| match name {
        b"kind" if value != "EventList" && value != "List" => {
            Some(("unknown kind".to_owned(), format!("kind {value:?} is no list of audit events")))
        }
        b"apiVersion" if !VERSIONS.contains(&value) && value != "v1" => {
            Some((format!("unknown apiVersion {value}"), format!("known are {}", VERSIONS.join(", "))))
        }
        _ => None,
    })
}

/// What speaks against a list, by name and text of a member that comes before it: reason and detail.
type Objection = fn(&[u8], &str) -> Option<(String, String)>;

/// Reads an object whose records are the items of one member.
pub(super) fn read_list(
    reader: &mut Reader<'_, '_>,
    text: &[u8],
    at: usize,
    envelope: &Envelope,
    list: &[u8],
    object_to: Objection,
) -> Result<usize, Refusal> {
    let broken = |error: JsonError| Refusal {
        reason: "not JSON".to_owned(),
        detail: error.message,
        end: None,
    };
    let mut members = Members::new(text, at);
    let mut found = false;
    loop {
        let member = match members.next() {
            Ok(Some(member)) => member,
            Ok(None) if found => return Ok(members.position()),
            Ok(None) => {
                let detail = format!("{} is no list", String::from_utf8_lossy(list));
                return Err(Refusal::new("unknown kind", detail, members.position()));
            }
            // What the list held is kept; that it does not end properly is worth a letter.
            Err(error) if found => {
                let raw = text.get(at..error.at.max(at)).unwrap_or_default();
                reader
                    .sink
                    .reject("truncated JSON", &format!("behind the list: {}", error.message), raw);
                return Ok(error.at.max(at + 1));
            }
            Err(error) => return Err(broken(error)),
        };
        if member.name == list && text.get(member.value) == Some(&b'[') {
            found = true;
            let rejected_before = reader.sink.rejected();
            let Some(end) = reader.array(text, member.value, envelope) else {
                // The item that broke off has its letter already.
                if reader.sink.rejected() == rejected_before {
                    let raw = text.get(at..).unwrap_or_default();
                    let detail = "the list of records does not end; those before its end were kept";
                    reader.sink.reject("truncated JSON", detail, raw);
                }
                return Ok(text.len());
            };
            members = Members::resume(text, end);
            continue;
        }
        if let Ok((value, _)) = json::read::<Text<'_>>(text, member.value)
            && let Some((reason, detail)) = object_to(member.name, &value)
        {
            return Err(Refusal { reason, detail, end: None });
        }
        members.skip().map_err(broken)?;
    }
}
