//! From events to forms.
//!
//! Events of one kind differ in values only, so a form is learnt once by walking over an event's members, and tried on the rows
//! behind it: a comparison of bytes, which is also the proof that the form gives the event back.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringViewArray, StringViewBuilder};
use arrow::buffer::Buffer;
use arrow::error::ArrowError;
use taffrail_kql::Type;

use super::{AS_IT_IS, END, ESCAPED, EventForm, FORM, Kind, Source, TIME_DIGITS, TIME_SHORTEST, VERBATIM, Values};

/// Forms that are tried on a row; beyond that, values that no column has are left out of what is compared.
const MOST_TRIED: usize = 8;
/// Forms that are kept for the rows behind.
const MOST_KEPT: usize = 512;
/// Objects within objects.
const MOST_DEPTH: usize = 8;

enum Part {
    Literal(Vec<u8>),
    Column(Kind, usize),
    /// A value that no column has, whatever it is
    Value,
}

struct Template {
    parts: Vec<Part>,
    /// Where it stands in the texts; `None` with values of its own
    text: Option<(u32, u32)>,
}

impl EventForm {
    /// Events become forms; those that are forms, or do not fit, stay.
    pub(crate) fn fold(&self, batch: RecordBatch) -> Result<RecordBatch, ArrowError> {
        let Some(events) = batch.columns().get(self.column).and_then(|column| column.as_string_view_opt()) else {
            return Ok(batch);
        };
        let sources = self.sources.get(..self.current).unwrap_or_default();
        let values: Vec<Option<Values<'_>>> = sources
            .iter()
            .map(|source| batch.columns().get(source.column).and_then(Values::of))
            .collect();
        let folded = Folder::new(sources, &values).run(events)?;
        let mut columns = batch.columns().to_vec();
        if let Some(column) = columns.get_mut(self.column) {
            *column = folded;
        }
        RecordBatch::try_new(batch.schema(), columns)
    }
}

struct Folder<'a> {
    sources: &'a [Source],
    values: &'a [Option<Values<'a>>],
    templates: Vec<Template>,
    /// By which columns have a value: the latest used first
    known: HashMap<u64, Vec<usize>, ahash::RandomState>,
    texts: Vec<u8>,
    places: Vec<(u32, u32)>,
    scratch: Vec<u8>,
}

impl<'a> Folder<'a> {
    fn new(sources: &'a [Source], values: &'a [Option<Values<'a>>]) -> Folder<'a> {
        Folder {
            sources,
            values,
            templates: Vec::new(),
            known: HashMap::default(),
            texts: Vec::new(),
            places: Vec::new(),
            scratch: Vec::new(),
        }
    }

    fn run(mut self, events: &StringViewArray) -> Result<ArrayRef, ArrowError> {
        self.places.reserve(events.len());
        for row in 0..events.len() {
            let event: &[u8] = if events.is_valid(row) { events.value(row).as_ref() } else { b"" };
            let place = match event.first() {
                Some(b'{') => self.row(event, row),
                Some(&FORM) => self.keep(&[&[FORM, AS_IT_IS], event]),
                _ => self.keep(&[event]),
            };
            self.places.push(place);
        }
        let mut builder = StringViewBuilder::with_capacity(events.len());
        let block = builder.append_block(Buffer::from_vec(self.texts));
        for (offset, length) in self.places {
            builder.try_append_view(block, offset, length)?;
        }
        Ok(Arc::new(builder.finish()))
    }

    fn keep(&mut self, parts: &[&[u8]]) -> (u32, u32) {
        let offset = self.texts.len() as u32;
        for part in parts {
            self.texts.extend_from_slice(part);
        }
        (offset, self.texts.len() as u32 - offset)
    }

    fn row(&mut self, event: &[u8], row: usize) -> (u32, u32) {
        let there = self.values.iter().enumerate().fold(0u64, |there, (place, values)| {
            let is_there = values.as_ref().is_some_and(|values| values.is_there(row));
            there | (u64::from(is_there) << place)
        });
        let mut known = self.known.remove(&there).unwrap_or_default();
        let mut found = None;
        for (tried, index) in known.iter().enumerate() {
            if let Some(place) = self.try_on(*index, event, row) {
                found = Some((tried, place));
                break;
            }
        }
        let place = match found {
            Some((tried, place)) => {
                if tried > 0 {
                    known.swap(tried, tried - 1);
                }
                place
            }
            None => self.learn(event, row, &mut known),
        };
        self.known.insert(there, known);
        place
    }

    fn learn(&mut self, event: &[u8], row: usize, known: &mut Vec<usize>) -> (u32, u32) {
        let loose = known.len() >= MOST_TRIED;
        let mut learner = Learner {
            event,
            row,
            sources: self.sources,
            values: self.values,
            loose,
            parts: Vec::new(),
            copied: 0,
            scratch: Vec::new(),
        };
        let walked = learner.object(0, &mut Vec::new()).filter(|end| *end == event.len());
        if walked.is_none() {
            return self.keep(&[event]);
        }
        learner.literal(event.len());
        let parts = learner.parts;
        let is_plain = |part: &Part| match part {
            Part::Literal(text) => !text.iter().any(|byte| is_control(*byte)),
            _ => true,
        };
        if !parts.iter().all(is_plain) || !parts.iter().any(|part| matches!(part, Part::Column(..))) {
            return self.keep(&[event]);
        }
        let mut text = None;
        if !parts.iter().any(|part| matches!(part, Part::Value)) {
            let form = self.form(&parts);
            if form.len() >= event.len() {
                return self.keep(&[event]);
            }
            text = Some(self.keep(&[&form]));
        }
        self.templates.push(Template { parts, text });
        let index = self.templates.len() - 1;
        // It is tried like any other: what does not give the event back is not kept.
        let Some(place) = self.try_on(index, event, row) else {
            return self.keep(&[event]);
        };
        if index < MOST_KEPT && known.len() < 2 * MOST_TRIED {
            known.push(index);
        } else {
            self.templates.pop();
        }
        place
    }

    fn form(&self, parts: &[Part]) -> Vec<u8> {
        let mut form = vec![FORM];
        for part in parts {
            match part {
                Part::Literal(text) => form.extend_from_slice(text),
                Part::Column(kind, source) => self.reference(*kind, *source, &mut form),
                Part::Value => {}
            }
        }
        form
    }

    fn reference(&self, kind: Kind, source: usize, form: &mut Vec<u8>) {
        match kind {
            Kind::Verbatim => form.push(VERBATIM),
            Kind::Escaped => form.push(ESCAPED),
            Kind::Time(digits) => form.extend_from_slice(&[TIME_DIGITS, b'0' + digits]),
            Kind::TimeShortest => form.push(TIME_SHORTEST),
        }
        form.extend_from_slice(self.sources.get(source).map_or("", |source| source.name.as_str()).as_bytes());
        form.push(END);
    }

    /// Where the form of a row is, if the template gives its event back.
    fn try_on(&mut self, index: usize, event: &[u8], row: usize) -> Option<(u32, u32)> {
        let template = self.templates.get(index)?;
        let mut rest = event;
        let mut own: Vec<&[u8]> = Vec::new();
        for part in &template.parts {
            match part {
                Part::Literal(text) => rest = rest.strip_prefix(text.as_slice())?,
                Part::Column(Kind::Verbatim, source) if let Some(Values::Text(values)) = self.values.get(*source)? => {
                    rest = rest.strip_prefix(super::text(values, row))?;
                }
                Part::Column(kind, source) => {
                    self.scratch.clear();
                    let values = self.values.get(*source)?.as_ref()?;
                    if !values.render(row, *kind, &mut self.scratch) {
                        return None;
                    }
                    rest = rest.strip_prefix(self.scratch.as_slice())?;
                }
                Part::Value => {
                    let (value, behind) = rest.split_at_checked(value_end(rest, 0)?)?;
                    if value.iter().any(|byte| is_control(*byte)) {
                        return None;
                    }
                    own.push(value);
                    rest = behind;
                }
            }
        }
        if !rest.is_empty() {
            return None;
        }
        if template.text.is_some() {
            return template.text;
        }
        let mut form = vec![FORM];
        let mut own = own.into_iter();
        for part in &template.parts {
            match part {
                Part::Literal(text) => form.extend_from_slice(text),
                Part::Column(kind, source) => self.reference(*kind, *source, &mut form),
                Part::Value => form.extend_from_slice(own.next()?),
            }
        }
        Some(if form.len() < event.len() {
            self.keep(&[&form])
        } else {
            self.keep(&[event])
        })
    }
}

/// Characters that mean something in a form.
fn is_control(byte: u8) -> bool {
    byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')
}

/// Walks over an event and finds what columns have.
struct Learner<'a> {
    event: &'a [u8],
    row: usize,
    sources: &'a [Source],
    values: &'a [Option<Values<'a>>],
    /// Values that no column has are not part of the template
    loose: bool,
    parts: Vec<Part>,
    copied: usize,
    scratch: Vec<u8>,
}

impl<'a> Learner<'a> {
    /// What was not yet taken, up to a place, is literal.
    fn literal(&mut self, to: usize) {
        let text = self.event.get(self.copied..to).unwrap_or_default();
        if !text.is_empty() {
            self.parts.push(Part::Literal(text.to_vec()));
        }
        self.copied = to;
    }

    /// The object whose `{` is at a place; where it ends. `None` when it is not well-formed.
    fn object(&mut self, start: usize, path: &mut Vec<String>) -> Option<usize> {
        let mut at = skip_blank(self.event, start + 1);
        if self.event.get(at) == Some(&b'}') {
            return Some(at + 1);
        }
        loop {
            if self.event.get(at) != Some(&b'"') {
                return None;
            }
            let end = string_end(self.event, at + 1)?;
            let name = std::str::from_utf8(self.event.get(at + 1..end - 1)?).ok()?;
            at = skip_blank(self.event, end);
            if self.event.get(at) != Some(&b':') {
                return None;
            }
            at = skip_blank(self.event, at + 1);
            path.push(name.to_owned());
            at = self.value(at, path)?;
            path.pop();
            at = skip_blank(self.event, at);
            match self.event.get(at)? {
                b',' => at = skip_blank(self.event, at + 1),
                b'}' => return Some(at + 1),
                _ => return None,
            }
        }
    }

    fn value(&mut self, at: usize, path: &mut Vec<String>) -> Option<usize> {
        let end = value_end(self.event, at)?;
        let text = self.event.get(at..end)?;
        if let Some((kind, source, quote)) = self.column(text, path) {
            self.literal(at + quote);
            self.parts.push(Part::Column(kind, source));
            self.copied = end - quote;
            return Some(end);
        }
        let leads = |source: &Source| source.path.len() > path.len() && source.path.starts_with(path);
        if text.first() == Some(&b'{') && path.len() < MOST_DEPTH && self.sources.iter().any(leads) {
            return self.object(at, path);
        }
        if self.loose {
            self.literal(at);
            self.parts.push(Part::Value);
            self.copied = end;
        }
        Some(end)
    }

    /// The column that gives a member's text, how, and whether between quotes.
    fn column(&mut self, text: &[u8], path: &[String]) -> Option<(Kind, usize, usize)> {
        let quoted = text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\""));
        // Times have their members' names only in the decoder.
        let is_time = quoted.is_some_and(|text| (20..=30).contains(&text.len()) && text.ends_with(b"Z") && text.get(10) == Some(&b'T'));
        for (place, source) in self.sources.iter().enumerate() {
            let here = source.path == path || (is_time && source.ty == Type::DateTime && source.path.is_empty());
            let Some(values) = self.values.get(place).and_then(Option::as_ref).filter(|_| here) else {
                continue;
            };
            let (wanted, kinds): (&[u8], &[Kind]) = match (source.ty, quoted) {
                (Type::String, Some(inner)) => (inner, &[Kind::Verbatim, Kind::Escaped]),
                (Type::DateTime, Some(inner)) => match inner.split(|byte| *byte == b'.').nth(1).map(<[u8]>::len) {
                    None => (inner, &[Kind::Time(0)]),
                    // Seven with the Z.
                    Some(7) => (inner, &[Kind::Time(6)]),
                    Some(4) => (inner, &[Kind::Time(3), Kind::TimeShortest]),
                    Some(_) => (inner, &[Kind::TimeShortest]),
                },
                (Type::String | Type::DateTime, None) => continue,
                (_, _) => (text, &[Kind::Verbatim]),
            };
            for kind in kinds {
                self.scratch.clear();
                if values.render(self.row, *kind, &mut self.scratch) && self.scratch == wanted {
                    let quote = usize::from(matches!(source.ty, Type::String | Type::DateTime));
                    return Some((*kind, place, quote));
                }
            }
        }
        None
    }
}

fn skip_blank(text: &[u8], mut at: usize) -> usize {
    while matches!(text.get(at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
        at += 1;
    }
    at
}

/// Behind the closing quote of the string whose first character is at a place.
fn string_end(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Where the JSON value at a place ends, going by brackets and strings.
fn value_end(text: &[u8], start: usize) -> Option<usize> {
    match text.get(start)? {
        b'"' => string_end(text, start + 1),
        b'{' | b'[' => {
            let mut open = 0usize;
            let mut at = start;
            loop {
                match text.get(at)? {
                    b'{' | b'[' => open += 1,
                    b'}' | b']' => {
                        open -= 1;
                        if open == 0 {
                            return Some(at + 1);
                        }
                    }
                    b'"' => {
                        at = string_end(text, at + 1)?;
                        continue;
                    }
                    _ => {}
                }
                at += 1;
            }
        }
        _ => {
            let rest = text.get(start..)?;
            let length = rest
                .iter()
                .position(|byte| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n'))
                .unwrap_or(rest.len());
            (length > 0).then_some(start + length)
        }
    }
}
