//! Finds the records of a body: JSON values one after the other, whatever stands between them (line ends, nothing, the commas
//! and brackets of an array) and however they are wrapped at line level (a time stamp in front, a container's log prefix).
//!
//! There is no mode to guess: an object is read from its `{` to its `}`, over line ends if need be. Only when that fails does
//! the line matter: the record ends with its line (or with the indented lines that follow), and reading goes on behind it.

use std::borrow::Cow;

use crate::decode::{Refusal, Sink, SourceError};
use crate::formats::{self, Format};
use crate::json::{self, JsonError, Members};

/// How deep a record may be wrapped in others' strings.
const DEPTH_LIMIT: usize = 6;
/// Work that bad records may cause, in lengths of the body, before reading is held to single lines.
const WASTE_LIMIT: usize = 4;

/// What the wrapping of a record says about it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Envelope {
    pub(crate) cluster: String,
    pub(crate) resource_id: String,
    pub(crate) category: String,
    pub(crate) operation: String,
    pub(crate) pod: String,
    pub(crate) stream: String,
    pub(crate) container_id: String,
    /// Microseconds since 1970
    pub(crate) time: Option<i64>,
}

impl Envelope {
    /// The wrapping says that this is a line of a component, not an audit event.
    pub(crate) fn is_control_plane(&self) -> bool {
        !self.category.is_empty() && !self.category.contains("audit")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    /// Whatever was sent
    Body,
    /// The items of an array; ends at its `]`
    Array,
}

/// A format's way to read the record that starts at a place: its rows go to the sink, its end comes back.
pub(crate) type ReadRecord = fn(&mut Reader<'_, '_>, &[u8], usize, &Envelope) -> Result<usize, Refusal>;

/// Reads a body.
pub(crate) struct Reader<'r, 's> {
    formats: &'static [&'static Format],
    pub(crate) sink: &'r mut Sink<'s>,
    depth: usize,
    wasted: usize,
    /// Rows could not be built; reading stops
    fault: Option<SourceError>,
}

impl<'r, 's> Reader<'r, 's> {
    pub(crate) fn new(formats: &'static [&'static Format], sink: &'r mut Sink<'s>) -> Reader<'r, 's> {
        Reader {
            formats,
            sink,
            depth: 0,
            wasted: 0,
            fault: None,
        }
    }

    /// Reads everything.
    pub(crate) fn body(&mut self, body: &[u8]) -> Result<(), SourceError> {
        let start = if body.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
        self.records(body, start, Within::Body, &Envelope::default());
        self.fault.take().map_or(Ok(()), Err)
    }

    /// Reads the items of the array whose `[` is at `start`; where it ends, or `None` if it does not.
    pub(crate) fn array(&mut self, text: &[u8], start: usize, envelope: &Envelope) -> Option<usize> {
        if self.depth >= DEPTH_LIMIT {
            self.sink.reject(
                "wrapped too deep",
                "arrays or texts within one another",
                text.get(start..).unwrap_or_default(),
            );
            return json::skip_value(text, start).ok();
        }
        self.depth += 1;
        let end = self.records(text, start + 1, Within::Array, envelope);
        self.depth -= 1;
        end
    }

    /// Reads text that stood inside a record that ends at `end`: documents, or a line of a component.
    pub(crate) fn inner(&mut self, text: &str, envelope: &Envelope, end: usize) -> Result<usize, Refusal> {
        let trimmed = text.trim();
        if envelope.is_control_plane() {
            if let Err(error) = self.sink.control_plane_line(text, envelope) {
                self.fault(error);
            }
            return Ok(end);
        }
        if self.depth >= DEPTH_LIMIT {
            return Err(Refusal::new("wrapped too deep", "texts within one another", end));
        }
        if !trimmed.starts_with(['{', '[']) {
            let detail = "the text inside the record is neither JSON nor marked as the line of another component";
            return Err(Refusal::new("no audit event", detail, end));
        }
        let outer = std::mem::replace(&mut self.formats, formats::KUBERNETES_AUDIT);
        self.depth += 1;
        self.records(trimmed.as_bytes(), 0, Within::Body, envelope);
        self.depth -= 1;
        self.formats = outer;
        Ok(end)
    }

    /// Adds rows; a fault in that is not the input's.
    pub(crate) fn row(&mut self, add: impl FnOnce(&mut Sink<'s>) -> Result<(), SourceError>) {
        if let Err(error) = add(self.sink) {
            self.fault(error);
        }
    }

    /// Notes a fault that is not the input's.
    pub(crate) fn fault(&mut self, error: SourceError) {
        self.fault.get_or_insert(error);
    }

    fn records(&mut self, text: &[u8], start: usize, within: Within, envelope: &Envelope) -> Option<usize> {
        let mut at = start;
        loop {
            at = json::skip_blank(text, at);
            match text.get(at) {
                None => return None,
                _ if self.fault.is_some() => return None,
                Some(b']') if within == Within::Array => return Some(at + 1),
                // A top-level array is the same as its items.
                Some(b'[' | b']') if within == Within::Body => at += 1,
                Some(b',') => at += 1,
                Some(b'{') => at = self.object(text, at, within, envelope),
                Some(_) => at = self.other(text, at, within, envelope),
            }
        }
    }

    /// The object at `at`, read or refused; where to go on.
    fn object(&mut self, text: &[u8], at: usize, within: Within, envelope: &Envelope) -> usize {
        let window = if self.wasted > text.len().saturating_mul(WASTE_LIMIT) {
            text.get(..line_end(text, at)).unwrap_or(text)
        } else {
            text
        };
        let read = match recognise(self.formats, window, at) {
            Ok(format) => (format.read)(self, window, at, envelope),
            Err(refusal) => Err(refusal),
        };
        match read {
            // A reader that does not move would be read again for ever.
            Ok(end) if end > at => end,
            Ok(_) => line_end(text, at).max(at + 1),
            Err(refusal) => self.refuse(window, at, within, &refusal),
        }
    }

    /// Keeps a refused record as a dead letter; where it ends.
    fn refuse(&mut self, text: &[u8], at: usize, within: Within, refusal: &Refusal) -> usize {
        let (end, not_json) = match refusal.end {
            Some(end) => (end, None),
            None => match json::skip_value(text, at) {
                Ok(end) => (end, None),
                Err(error) => {
                    self.wasted += error.at.saturating_sub(at);
                    (end_of_broken(text, at, within), Some(error))
                }
            },
        };
        let raw = text.get(at..end).unwrap_or_default();
        let (reason, detail) = self.reason(raw, at, refusal, not_json);
        self.sink.reject(&reason, &detail, raw);
        end.max(at + 1)
    }

    fn reason<'x>(&self, raw: &[u8], at: usize, refusal: &'x Refusal, not_json: Option<JsonError>) -> (Cow<'x, str>, Cow<'x, str>) {
        if raw.len() > self.sink.limits.record {
            return (
                "record too large".into(),
                format!("{} bytes; the limit is {}", raw.len(), self.sink.limits.record).into(),
            );
        }
        if let Err(error) = std::str::from_utf8(raw) {
            return (
                "invalid UTF-8".into(),
                format!("byte {} of the record is not UTF-8", error.valid_up_to() + 1).into(),
            );
        }
        match not_json {
            Some(error) => {
                // What lies behind the record's end was only read in the hope that it belongs to it.
                let at_end = error.at + 1 >= at + raw.len() && !raw.trim_ascii_end().ends_with(b"}");
                let truncated = error.truncated || at_end;
                let reason = if truncated { "truncated JSON" } else { "not JSON" };
                let place = error.at.saturating_sub(at).min(raw.len()) + 1;
                // The parser sees a forbidden character where a line ends inside a string.
                let message = if at_end { "the record ends too early" } else { &error.message };
                (reason.into(), format!("{message} at byte {place} of the record").into())
            }
            None => (Cow::Borrowed(&*refusal.reason), Cow::Borrowed(&*refusal.detail)),
        }
    }

    /// What does not start with `{`.
    fn other(&mut self, text: &[u8], at: usize, within: Within, envelope: &Envelope) -> usize {
        // An event as a JSON string, as an array of messages has it.
        if text.get(at) == Some(&b'"')
            && let Ok((inner, end)) = json::read::<json::Text<'_>>(text, at)
            && matches!(text.get(json::skip_blank(text, end)), None | Some(b',' | b']' | b'{' | b'"'))
        {
            return match self.inner(&inner, envelope, end) {
                Ok(end) => end,
                Err(refusal) => self.refuse(text, at, within, &refusal),
            };
        }
        let end = line_end(text, at);
        let line = text.get(at..end).unwrap_or_default();
        if within == Within::Body {
            // A time stamp (CloudWatch's export), a container's or syslog's prefix: the event starts behind it.
            let near = line.get(..line.len().min(512)).unwrap_or_default();
            if let Some(brace) = memchr::memmem::find(near, b"{\"") {
                return self.object(text, at + brace, within, envelope);
            }
        } else if let Ok(end) = json::skip_value(text, at) {
            self.sink
                .reject("unknown kind", "an item that is no object", text.get(at..end).unwrap_or_default());
            return end;
        }
        let refusal = Refusal {
            reason: "not JSON".to_owned(),
            detail: "no JSON object on this line".to_owned(),
            end: Some(end),
        };
        self.refuse(text, at, within, &refusal)
    }
}

/// Which format the object at `at` has, by its first telling member.
fn recognise(formats: &'static [&'static Format], text: &[u8], at: usize) -> Result<&'static Format, Refusal> {
    let head = text.get(at..).unwrap_or_default();
    if let Some(format) = formats
        .iter()
        .find(|format| !format.prefix.is_empty() && head.starts_with(format.prefix))
    {
        return Ok(format);
    }
    let broken = |error: JsonError| Refusal {
        reason: "not JSON".to_owned(),
        detail: error.message,
        end: None,
    };
    let mut members = Members::new(text, at);
    let mut seen = Vec::new();
    while let Some(member) = members.next().map_err(broken)? {
        if let Some(format) = formats.iter().find(|format| format.members.contains(&member.name)) {
            return Ok(format);
        }
        let name = String::from_utf8_lossy(member.name).into_owned();
        members.skip().map_err(broken)?;
        if matches!(member.name, b"kind" | b"apiVersion") {
            let value = text.get(member.value..members.position()).unwrap_or_default();
            seen.push(format!("{name} {}", String::from_utf8_lossy(value)));
        } else if seen.len() < 20 {
            seen.push(name);
        }
    }
    Err(Refusal::new(
        "unknown kind",
        format!("no known record has these members: {}", seen.join(", ")),
        members.position(),
    ))
}

/// End of the line, before its line end.
fn line_end(text: &[u8], at: usize) -> usize {
    memchr::memchr(b'\n', text.get(at..).unwrap_or_default()).map_or(text.len(), |newline| at + newline)
}

/// Where a record ends that is not well-formed JSON.
fn end_of_broken(text: &[u8], at: usize, within: Within) -> usize {
    let mut end = line_end(text, at);
    if let Some(closed) = json::balanced_end(text.get(..end).unwrap_or_default(), at) {
        return closed;
    }
    if within == Within::Array {
        return json::balanced_end(text, at).unwrap_or(end);
    }
    // Printed over several lines: those that follow are indented or close it.
    while let Some(b' ' | b'\t' | b'}' | b']' | b'"') = text.get(end + 1) {
        end = line_end(text, end + 1);
    }
    end
}
