//! Operators that look for text in text: `has`, `contains`, `startswith`, `=~`, … Written for one constant needle over
//! many rows; case does not matter unless the name ends in `_cs`.
//!
//! Source: Kusto Query Language reference, "String operators".

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray};
use arrow::buffer::BooleanBuffer;
use datafusion::common::Result;
use memchr::{memchr2, memmem};
use taffrail_kql::catalog::Param;
use taffrail_kql::types::Type;

use super::call::{Call, Text};
use super::declare::{Scalar, kernel, many, plain};
use super::dynamic::json;

const TEXT: Param = Param::Is(Type::String);
const TWO: &[Param] = &[TEXT, TEXT];

macro_rules! operators {
    ($($name:literal $place:ident $cs:literal;)*) => {
        &[
            $(kernel($name, $name, $name, plain(TWO, Type::Bool), |c| run(c, Place::$place, $cs)).hidden(),)*
            kernel("$has_any", "value has_any (…)", "Any of the terms.", many(&[TEXT], Param::Any, Type::Bool), has_any).hidden(),
            kernel("$has_all", "value has_all (…)", "All of the terms.", many(&[TEXT], Param::Any, Type::Bool), has_all).hidden(),
            kernel("$in_tilde", "value in~ (…)", "Equal to any of the texts, whatever their case.", many(&[TEXT], Param::Any, Type::Bool), in_tilde).hidden(),
        ]
    };
}

/// This file's operators; the binder writes them as operators, not as calls.
pub static FUNCTIONS: &[Scalar] = operators! {
    "$has" Term false;
    "$has_cs" Term true;
    "$hasprefix" TermPrefix false;
    "$hasprefix_cs" TermPrefix true;
    "$hassuffix" TermSuffix false;
    "$hassuffix_cs" TermSuffix true;
    "$contains" Anywhere false;
    "$contains_cs" Anywhere true;
    "$startswith" Start false;
    "$startswith_cs" Start true;
    "$endswith" End false;
    "$endswith_cs" End true;
    "$equals" Whole false;
};

/// Searches that are functions.
pub static SEARCHES: &[Scalar] = &[kernel(
    "has_any_index",
    "has_any_index(source, values) → long",
    "Which of the values the text has as a term first, or -1.",
    plain(&[TEXT, Param::Is(Type::Dynamic)], Type::Long),
    has_any_index,
)];

/// Where the needle must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// As a whole term
    Term,
    /// At the start of a term
    TermPrefix,
    /// At the end of a term
    TermSuffix,
    /// Anywhere
    Anywhere,
    /// At the start
    Start,
    /// At the end
    End,
    /// All of it
    Whole,
}

/// What to look for, prepared once.
pub struct Needle {
    place: Place,
    strategy: Strategy,
    starts_alphanumeric: bool,
    ends_alphanumeric: bool,
}

enum Strategy {
    /// Bytes as they are
    Exact(Box<memmem::Finder<'static>>),
    /// ASCII in lower case; the rarest byte (at an offset) is searched for in both cases
    AsciiFold { lower: Vec<u8>, rare: usize, low: u8, high: u8 },
    /// Lower case by Unicode; the text is lowered too
    Fold(Box<memmem::Finder<'static>>),
}

/// Letters that are frequent in text; everything else is rarer.
const FREQUENT: &[u8] = b"etaoinsrhldcumfpgwybv";

fn lower(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

impl Needle {
    /// Prepares a needle.
    pub fn new(needle: &str, place: Place, case_sensitive: bool) -> Needle {
        let strategy = if case_sensitive {
            Strategy::Exact(Box::new(memmem::Finder::new(needle.as_bytes()).into_owned()))
        } else if needle.is_ascii() {
            let lower = needle.to_ascii_lowercase().into_bytes();
            let rank = |byte: &u8| FREQUENT.iter().position(|f| f == byte).map_or(FREQUENT.len(), |at| at);
            let rare = lower.iter().enumerate().max_by_key(|(_, byte)| rank(byte)).map_or(0, |(at, _)| at);
            let low = lower.get(rare).copied().unwrap_or(0);
            Strategy::AsciiFold {
                lower,
                rare,
                low,
                high: low.to_ascii_uppercase(),
            }
        } else {
            Strategy::Fold(Box::new(memmem::Finder::new(lower(needle).as_bytes()).into_owned()))
        };
        Needle {
            place,
            strategy,
            starts_alphanumeric: needle.chars().next().is_some_and(char::is_alphanumeric),
            ends_alphanumeric: needle.chars().next_back().is_some_and(char::is_alphanumeric),
        }
    }

    /// Whether a text has it.
    #[inline]
    pub fn matches(&self, text: &str) -> bool {
        match &self.strategy {
            Strategy::Exact(finder) => self.search(text, finder.needle(), |bytes| finder.find(bytes), |a, b| a == b),
            Strategy::AsciiFold { lower, rare, low, high } => self.search(
                text,
                lower,
                |bytes| find_fold(bytes, lower, *rare, *low, *high),
                <[u8]>::eq_ignore_ascii_case,
            ),
            Strategy::Fold(finder) => {
                let folded = lower_text(text);
                self.search(&folded, finder.needle(), |bytes| finder.find(bytes), |a, b| a == b)
            }
        }
    }

    #[inline]
    fn search(&self, text: &str, needle: &[u8], find: impl Fn(&[u8]) -> Option<usize>, equal: impl Fn(&[u8], &[u8]) -> bool) -> bool {
        let bytes = AsRef::<[u8]>::as_ref(text);
        match self.place {
            Place::Anywhere => find(bytes).is_some(),
            Place::Start => bytes.get(..needle.len()).is_some_and(|start| equal(start, needle)),
            Place::End => {
                let start = bytes.len().checked_sub(needle.len());
                start.and_then(|start| bytes.get(start..)).is_some_and(|end| equal(end, needle))
            }
            Place::Whole => bytes.len() == needle.len() && equal(bytes, needle),
            Place::Term | Place::TermPrefix | Place::TermSuffix => {
                if needle.is_empty() {
                    return true;
                }
                let mut from = 0;
                while let Some(at) = bytes.get(from..).and_then(&find).map(|at| at + from) {
                    let end = at + needle.len();
                    let before = self.place == Place::TermSuffix || !self.starts_alphanumeric || !alphanumeric_before(text, at);
                    if before && (self.place == Place::TermPrefix || !self.ends_alphanumeric || !alphanumeric_at(text, end)) {
                        return true;
                    }
                    from = at + 1;
                }
                false
            }
        }
    }
}

fn lower_text(text: &str) -> std::borrow::Cow<'_, str> {
    if text.bytes().any(|b| b.is_ascii_uppercase() || !b.is_ascii()) {
        std::borrow::Cow::Owned(lower(text))
    } else {
        std::borrow::Cow::Borrowed(text)
    }
}

#[inline]
fn find_fold(bytes: &[u8], needle: &[u8], rare: usize, low: u8, high: u8) -> Option<usize> {
    if needle.is_empty() {
        return Some(0);
    }
    let mut from = rare;
    while let Some(at) = bytes.get(from..).and_then(|rest| memchr2(low, high, rest)).map(|at| at + from) {
        let start = at - rare;
        match bytes.get(start..start + needle.len()) {
            Some(window) if window.eq_ignore_ascii_case(needle) => return Some(start),
            Some(_) => from = at + 1,
            None => return None,
        }
    }
    None
}

fn alphanumeric_before(text: &str, at: usize) -> bool {
    match text.as_bytes().get(at.wrapping_sub(1)) {
        None => false,
        Some(byte) if byte.is_ascii() => byte.is_ascii_alphanumeric(),
        Some(_) => text
            .get(..at)
            .and_then(|t| t.chars().next_back())
            .is_some_and(char::is_alphanumeric),
    }
}

fn alphanumeric_at(text: &str, at: usize) -> bool {
    match text.as_bytes().get(at) {
        None => false,
        Some(byte) if byte.is_ascii() => byte.is_ascii_alphanumeric(),
        Some(_) => text.get(at..).and_then(|t| t.chars().next()).is_some_and(char::is_alphanumeric),
    }
}

fn collect(c: &Call<'_>, test: impl FnMut(usize) -> bool) -> ArrayRef {
    Arc::new(BooleanArray::new(BooleanBuffer::collect_bool(c.rows, test), None))
}

fn run(c: &Call<'_>, place: Place, case_sensitive: bool) -> Result<ArrayRef> {
    let (text, needle) = (c.text(0)?, c.text(1)?);
    if let Some(constant) = needle.constant() {
        let needle = Needle::new(constant, place, case_sensitive);
        return Ok(collect(c, |i| needle.matches(text.get(i).unwrap_or_default())));
    }
    let mut last: Option<(&str, Needle)> = None;
    Ok(collect(c, |i| {
        let wanted = needle.get(i).unwrap_or_default();
        let prepared = match last.take() {
            Some((text, prepared)) if text == wanted => (text, prepared),
            _ => (wanted, Needle::new(wanted, place, case_sensitive)),
        };
        let found = prepared.1.matches(text.get(i).unwrap_or_default());
        last = Some(prepared);
        found
    }))
}

/// The texts of a list: each argument from the second on, arrays taken apart.
fn items(c: &Call<'_>, row: usize, columns: &[Text<'_>]) -> Vec<String> {
    let mut items = Vec::new();
    for (index, column) in columns.iter().enumerate() {
        let Some(text) = column.get(row) else { continue };
        if c.ty(index + 1) == Type::Dynamic {
            match json::elements(text) {
                Some(elements) => items.extend(elements.map(|item| json::as_text(item).into_owned())),
                None => items.push(json::as_text(text).into_owned()),
            }
        } else {
            items.push(text.to_owned());
        }
    }
    items
}

fn over_list(c: &Call<'_>, place: Place, all: bool) -> Result<ArrayRef> {
    let text = c.text(0)?;
    let columns = (1..c.count()).map(|index| c.text(index)).collect::<Result<Vec<_>>>()?;
    let prepare = |row| -> Vec<Needle> { items(c, row, &columns).iter().map(|item| Needle::new(item, place, false)).collect() };
    let test = |needles: &[Needle], row| {
        let text = text.get(row).unwrap_or_default();
        if all {
            needles.iter().all(|n| n.matches(text))
        } else {
            needles.iter().any(|n| n.matches(text))
        }
    };
    if columns.iter().all(Text::is_constant) {
        let needles = prepare(0);
        return Ok(collect(c, |row| test(&needles, row)));
    }
    Ok(collect(c, |row| test(&prepare(row), row)))
}

fn has_any(c: &Call<'_>) -> Result<ArrayRef> {
    over_list(c, Place::Term, false)
}

fn has_all(c: &Call<'_>) -> Result<ArrayRef> {
    over_list(c, Place::Term, true)
}

fn has_any_index(c: &Call<'_>) -> Result<ArrayRef> {
    let (text, values) = (c.text(0)?, [c.text(1)?]);
    let prepare = |row| -> Vec<Needle> {
        items(c, row, &values)
            .iter()
            .map(|item| Needle::new(item, Place::Term, false))
            .collect()
    };
    let constant = values.iter().all(Text::is_constant).then(|| prepare(0));
    c.longs(|row| {
        let text = text.get(row).unwrap_or_default();
        let found = match &constant {
            Some(needles) => needles.iter().position(|needle| needle.matches(text)),
            None => prepare(row).iter().position(|needle| needle.matches(text)),
        };
        Some(found.map_or(-1, |at| at as i64))
    })
}

fn in_tilde(c: &Call<'_>) -> Result<ArrayRef> {
    over_list(c, Place::Whole, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_whole_alphanumeric_runs() {
        // (text, needle, has, hasprefix, hassuffix, contains)
        for (text, needle, has, prefix, suffix, contains) in [
            ("hello world", "WORLD", true, true, true, true),
            ("helloworld", "world", false, false, true, true),
            ("category", "cat", false, true, false, true),
            ("a cat", "cat", true, true, true, true),
            ("x.bar.y", "bar", true, true, true, true),
            ("a_b", "b", true, true, true, true),
            ("МИР привет", "Привет", true, true, true, true),
            ("ПриветМир", "привет", false, true, false, true),
            ("CAFÉ RÉSUMÉ", "café", true, true, true, true),
            ("xcat cat", "cat", true, true, true, true),
            ("172.16.0.1:443", "16.0", true, true, true, true),
            ("anything", "", true, true, true, true),
            ("", "a", false, false, false, false),
        ] {
            let got = [Place::Term, Place::TermPrefix, Place::TermSuffix, Place::Anywhere]
                .map(|place| Needle::new(needle, place, false).matches(text));
            assert_eq!(got, [has, prefix, suffix, contains], "{text} / {needle}");
        }
        assert!(!Needle::new("CAT", Place::Term, true).matches("a cat"));
        assert!(Needle::new("É", Place::Whole, false).matches("é"));
        assert!(Needle::new("HELLO", Place::Start, false).matches("Hello World"));
        assert!(!Needle::new("hello", Place::End, false).matches("lo"));
    }
}
