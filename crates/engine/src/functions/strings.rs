//! Functions over text. Positions and lengths count characters (code points), not bytes.
//!
//! Source: Kusto Query Language reference, "String functions".

use std::borrow::Cow;

use arrow::array::ArrayRef;
use datafusion::common::Result;
use taffrail_kql::catalog::Param;
use taffrail_kql::types::Type;

use super::call::{Call, Datum};
use super::declare::{Scalar, kernel, many, optional, plain};
use super::dynamic::{arrays, json};
use super::format;

use Param::{Any, Integer, Is, Text};

const STR: Param = Is(Type::String);
const DYN: Param = Is(Type::Dynamic);

/// This file's functions.
pub static FUNCTIONS: &[Scalar] = &[
    kernel(
        "strlen",
        "strlen(source) → long",
        "Number of characters.",
        plain(&[Text], Type::Long),
        strlen,
    ),
    kernel(
        "string_size",
        "string_size(source) → long",
        "Number of bytes in UTF-8.",
        plain(&[Text], Type::Long),
        string_size,
    ),
    kernel(
        "toupper",
        "toupper(source) → string",
        "In upper case.",
        plain(&[Text], Type::String),
        |c| map(c, str::to_uppercase),
    ),
    kernel(
        "tolower",
        "tolower(source) → string",
        "In lower case.",
        plain(&[Text], Type::String),
        |c| map(c, str::to_lowercase),
    ),
    kernel(
        "reverse",
        "reverse(source) → string",
        "The characters in reverse order.",
        plain(&[Text], Type::String),
        |c| map(c, |s| s.chars().rev().collect()),
    ),
    kernel(
        "substring",
        "substring(source, start, length) → string",
        "A part of the text; a negative start counts from the end.",
        optional(&[Text, Integer], &[Integer], Type::String),
        substring,
    ),
    kernel(
        "indexof",
        "indexof(source, lookup, start = 0, length = -1, occurrence = 1) → long",
        "Where a text first is; -1 when it is not there.",
        optional(&[Text, Text], &[Integer, Integer, Integer], Type::Long),
        indexof,
    ),
    kernel(
        "countof",
        "countof(source, search, kind = 'normal') → long",
        "How often a text (overlapping) or a regex (not overlapping) is there.",
        optional(&[Text, STR], &[STR], Type::Long),
        countof,
    ),
    kernel(
        "strcat",
        "strcat(value, …) → string",
        "All values as one text.",
        many(&[Text], Text, Type::String),
        strcat,
    ),
    kernel(
        "strcat_delim",
        "strcat_delim(delimiter, value, …) → string",
        "All values as one text with a delimiter between them.",
        many(&[Text, Text, Text], Text, Type::String),
        strcat_delim,
    ),
    kernel(
        "strcat_array",
        "strcat_array(array, delimiter) → string",
        "The elements of an array as one text.",
        plain(&[DYN, STR], Type::String),
        strcat_array,
    )
    .alias(&["array_strcat"]),
    kernel(
        "strrep",
        "strrep(value, count, delimiter = '') → string",
        "A text, repeated.",
        optional(&[Text, Integer], &[STR], Type::String),
        strrep,
    )
    .alias(&["array_strcat"]),
    kernel(
        "strcmp",
        "strcmp(a, b) → long",
        "-1, 0 or 1: how two texts are ordered.",
        plain(&[Text, Text], Type::Long),
        strcmp,
    ),
    kernel(
        "split",
        "split(source, delimiter, index) → dynamic",
        "The parts between delimiters, or only the one at an index.",
        optional(&[Text, STR], &[Integer], Type::Dynamic),
        split,
    )
    .named_by_argument(),
    kernel(
        "replace_string",
        "replace_string(text, lookup, rewrite) → string",
        "Every occurrence of a text replaced.",
        plain(&[Text, STR, STR], Type::String),
        replace_string,
    ),
    kernel(
        "replace_strings",
        "replace_strings(text, lookups, rewrites) → string",
        "Every occurrence of several texts replaced.",
        plain(&[Text, DYN, DYN], Type::String),
        replace_strings,
    ),
    kernel(
        "translate",
        "translate(search, replacement, source) → string",
        "Characters of one list replaced by those of another.",
        plain(&[STR, STR, Text], Type::String),
        translate,
    ),
    kernel(
        "isascii",
        "isascii(source) → bool",
        "Whether every character is ASCII.",
        plain(&[Text], Type::Bool),
        isascii,
    ),
    kernel(
        "isutf8",
        "isutf8(source) → bool",
        "Whether it is UTF-8, which every string here is.",
        plain(&[Text], Type::Bool),
        |c| c.bools(|_| Some(true)),
    ),
    kernel(
        "unicode_codepoints_from_string",
        "unicode_codepoints_from_string(source) → dynamic",
        "The code points of the characters.",
        plain(&[Text], Type::Dynamic),
        codepoints_from,
    )
    .alias(&["to_utf8"]),
    kernel(
        "unicode_codepoints_to_string",
        "unicode_codepoints_to_string(codepoint, …) → string",
        "The text of code points.",
        many(&[Any], Any, Type::String),
        codepoints_to,
    )
    .alias(&["make_string"]),
];

fn map(c: &Call<'_>, f: impl Fn(&str) -> String) -> Result<ArrayRef> {
    let text = c.text(0)?;
    c.texts(|i, out| {
        out.push_str(&f(text.get(i)?));
        Some(())
    })
}

fn strlen(c: &Call<'_>) -> Result<ArrayRef> {
    let text = c.text(0)?;
    c.longs(|i| text.get(i).map(|s| s.chars().count() as i64))
}

fn string_size(c: &Call<'_>) -> Result<ArrayRef> {
    let text = c.text(0)?;
    c.longs(|i| text.get(i).map(|s| s.len() as i64))
}

/// Byte offset of a character; the end when there are fewer.
fn offset(text: &str, character: usize) -> usize {
    if text.is_ascii() {
        return character.min(text.len());
    }
    text.char_indices().nth(character).map_or(text.len(), |(at, _)| at)
}

fn substring(c: &Call<'_>) -> Result<ArrayRef> {
    let (text, start, length) = (c.text(0)?, c.long(1)?, c.optional_long(2, i64::MAX)?);
    c.slices(|i| {
        let source = text.get(i)?;
        let mut start = start.get(i)?;
        let length = length.get(i)?;
        if start < 0 {
            start = (start + source.chars().count() as i64).max(0);
        }
        if length <= 0 {
            return Some("");
        }
        let rest = source.get(offset(source, start as usize)..)?;
        rest.get(..offset(rest, usize::try_from(length).unwrap_or(usize::MAX)))
    })
}

/// The part of a text that a start and a length (-1: to the end) select, and the character it starts at; `None` when
/// the arguments are invalid.
pub(super) fn window(text: &str, start: i64, length: i64) -> Option<(&str, i64)> {
    let count = text.chars().count() as i64;
    let start = if start < 0 { (start + count).max(0) } else { start };
    if length < -1 {
        return None;
    }
    let rest = text.get(offset(text, start as usize)..)?;
    let part = if length < 0 {
        rest
    } else {
        rest.get(..offset(rest, length as usize))?
    };
    Some((part, start.min(count)))
}

fn indexof(c: &Call<'_>) -> Result<ArrayRef> {
    let (text, lookup) = (c.text(0)?, c.text(1)?);
    let (start, length, occurrence) = (c.optional_long(2, 0)?, c.optional_long(3, -1)?, c.optional_long(4, 1)?);
    c.longs(|i| {
        let (text, lookup, length) = (text.get(i)?, lookup.get(i)?, length.get(i)?);
        let mut left = occurrence.get(i)?;
        if left < 1 {
            return None;
        }
        let (mut part, mut first) = window(text, start.get(i)?, length)?;
        loop {
            let Some(at) = part.find(lookup) else { return Some(-1) };
            let found = first + part.get(..at)?.chars().count() as i64;
            left -= 1;
            if left == 0 {
                return Some(found);
            }
            // Each search sees as many characters as the first.
            match window(text, found + 1, length) {
                Some(next) if !next.0.is_empty() => (part, first) = next,
                _ => return Some(-1),
            }
        }
    })
}

fn countof(c: &Call<'_>) -> Result<ArrayRef> {
    let (text, search, kind) = (c.text(0)?, c.text(1)?, c.optional_text(2, "normal")?);
    let mut patterns = super::regex::Patterns::new();
    let mut failure = None;
    let counts = c.longs(|i| {
        let (text, search) = (text.get(i)?, search.get(i)?);
        if kind.get(i)? == "regex" {
            match patterns.get(search) {
                Ok(pattern) => return Some(pattern.find_iter(text).count() as i64),
                Err(error) => {
                    failure = Some(error);
                    return None;
                }
            }
        }
        let mut count = 0;
        let mut from = 0;
        while !search.is_empty()
            && let Some(at) = text.get(from..).and_then(|rest| rest.find(search))
        {
            count += 1;
            from += at + text.get(from + at..)?.chars().next().map_or(1, char::len_utf8);
        }
        Some(count)
    })?;
    failure.map_or(Ok(counts), Err)
}

fn strcat(c: &Call<'_>) -> Result<ArrayRef> {
    let values = c.values(0)?;
    c.texts(|i, out| {
        for value in &values {
            format::text(value.get(i), out);
        }
        Some(())
    })
}

fn strcat_delim(c: &Call<'_>) -> Result<ArrayRef> {
    let (delimiter, values) = (c.text(0)?, c.values(1)?);
    c.texts(|i, out| {
        for (n, value) in values.iter().enumerate() {
            if n > 0 {
                out.push_str(delimiter.get(i)?);
            }
            format::text(value.get(i), out);
        }
        Some(())
    })
}

fn strcat_array(c: &Call<'_>) -> Result<ArrayRef> {
    let (array, delimiter) = (c.text(0)?, c.text(1)?);
    c.texts(|i, out| {
        for (n, item) in json::elements(array.get(i)?)?.enumerate() {
            if n > 0 {
                out.push_str(delimiter.get(i)?);
            }
            json::to_text(item, out);
        }
        Some(())
    })
}

/// As much text as `strrep` makes at most.
const MAX_REPEAT: i64 = 1024;

fn strrep(c: &Call<'_>) -> Result<ArrayRef> {
    let (value, count, delimiter) = (c.value(0)?, c.long(1)?, c.optional_text(2, "")?);
    c.texts(|i, out| {
        let mut text = String::new();
        format::text(value.get(i), &mut text);
        for n in 0..count.get(i)?.clamp(0, MAX_REPEAT) {
            if n > 0 {
                out.push_str(delimiter.get(i)?);
            }
            out.push_str(&text);
        }
        Some(())
    })
}

fn strcmp(c: &Call<'_>) -> Result<ArrayRef> {
    let (a, b) = (c.text(0)?, c.text(1)?);
    c.longs(|i| Some(a.get(i)?.cmp(b.get(i)?) as i64))
}

fn split(c: &Call<'_>) -> Result<ArrayRef> {
    let (text, delimiter) = (c.text(0)?, c.text(1)?);
    let index = if c.count() > 2 { Some(c.long(2)?) } else { None };
    c.texts(|i, out| {
        let (text, delimiter) = (text.get(i)?, delimiter.get(i)?);
        let parts: Vec<&str> = if delimiter.is_empty() {
            vec![text]
        } else {
            text.split(delimiter).collect()
        };
        let chosen: Vec<&str> = match index {
            Some(index) => {
                let at = index.get(i)?;
                usize::try_from(at).ok().and_then(|at| parts.get(at)).copied().into_iter().collect()
            }
            None => parts,
        };
        out.push('[');
        for (n, part) in chosen.iter().enumerate() {
            if n > 0 {
                out.push(',');
            }
            json::write_string(part, out);
        }
        out.push(']');
        Some(())
    })
}

fn replace_string(c: &Call<'_>) -> Result<ArrayRef> {
    let (text, lookup, rewrite) = (c.text(0)?, c.text(1)?, c.text(2)?);
    c.texts(|i, out| {
        let (text, lookup, rewrite) = (text.get(i)?, lookup.get(i)?, rewrite.get(i)?);
        if lookup.is_empty() {
            out.push_str(text);
        } else {
            out.push_str(&text.replace(lookup, rewrite));
        }
        Some(())
    })
}

/// Replaces in one pass: what was put in is not looked at again. At a place where several lookups match, the first decides.
fn replace_strings(c: &Call<'_>) -> Result<ArrayRef> {
    let (text, lookups, rewrites) = (c.text(0)?, c.text(1)?, c.text(2)?);
    c.texts(|i, out| {
        let lookups: Vec<Cow<'_, str>> = json::elements(lookups.get(i)?)?.map(json::as_text).collect();
        // A rewrite that is no text leaves what it stands for as it is.
        let rewrites: Vec<Option<Cow<'_, str>>> = json::elements(rewrites.get(i)?)?.map(json::unquote).collect();
        let mut rest = text.get(i)?;
        while let Some(character) = rest.chars().next() {
            let found = lookups
                .iter()
                .position(|lookup| !lookup.is_empty() && rest.starts_with(lookup.as_ref()));
            match found {
                Some(at) => {
                    let lookup = lookups.get(at)?.as_ref();
                    out.push_str(rewrites.get(at).and_then(Option::as_deref).unwrap_or(lookup));
                    rest = rest.get(lookup.len()..)?;
                }
                None => {
                    out.push(character);
                    rest = rest.get(character.len_utf8()..)?;
                }
            }
        }
        Some(())
    })
}

fn translate(c: &Call<'_>) -> Result<ArrayRef> {
    let (search, replacement, text) = (c.text(0)?, c.text(1)?, c.text(2)?);
    c.texts(|i, out| {
        let search: Vec<char> = search.get(i)?.chars().collect();
        let mut replacement: Vec<char> = replacement.get(i)?.chars().collect();
        // A shorter list goes on with its last character; an empty one removes.
        if let Some(last) = replacement.last().copied() {
            replacement.resize(search.len().max(replacement.len()), last);
        }
        for character in text.get(i)?.chars() {
            match search.iter().position(|s| *s == character) {
                Some(at) => out.extend(replacement.get(at)),
                None => out.push(character),
            }
        }
        Some(())
    })
}

fn isascii(c: &Call<'_>) -> Result<ArrayRef> {
    let text = c.text(0)?;
    c.bools(|i| Some(text.get(i)?.is_ascii()))
}

fn codepoints_from(c: &Call<'_>) -> Result<ArrayRef> {
    let text = c.text(0)?;
    c.texts(|i, out| {
        let points: Vec<String> = text.get(i)?.chars().map(|p| u32::from(p).to_string()).collect();
        arrays::write_array(points.iter().map(String::as_str), out);
        Some(())
    })
}

fn codepoints_to(c: &Call<'_>) -> Result<ArrayRef> {
    let values = c.values(0)?;
    let point = |value: i64| u32::try_from(value).ok().and_then(char::from_u32);
    c.texts(|i, out| {
        for value in &values {
            match value.get(i) {
                Datum::Int(v) => out.push(point(i64::from(v))?),
                Datum::Long(v) => out.push(point(v)?),
                Datum::Dynamic(v) => match json::elements(v) {
                    Some(elements) => {
                        for element in elements {
                            out.push(point(json::to_long(element)?)?);
                        }
                    }
                    None => out.push(point(json::to_long(v)?)?),
                },
                _ => return None,
            }
        }
        Some(())
    })
}
