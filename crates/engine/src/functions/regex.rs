//! Functions over regular expressions, in RE2's syntax.
//!
//! Source: Kusto Query Language reference, "Regular expressions".

use std::collections::HashMap;

use ::regex::Regex;
use arrow::array::ArrayRef;
use datafusion::common::{DataFusionError, Result, exec_datafusion_err};
use datafusion::logical_expr::Expr;
use taffrail_kql::catalog::{Argument, ArgumentError, Param, Resolved};
use taffrail_kql::types::{Type, Value};

use super::LowerError;
use super::call::Call;
use super::declare::{Scalar, built, custom, kernel, optional, plain};
use super::dynamic::json;

use Param::{Integer, Is, Text};

const STR: Param = Is(Type::String);

/// This file's functions.
pub static FUNCTIONS: &[Scalar] = &[
    kernel(
        "$matches_regex",
        "value matches regex pattern",
        "Whether a pattern matches somewhere.",
        plain(&[STR, STR], Type::Bool),
        matches,
    )
    .hidden(),
    built(
        "extract",
        "extract(regex, group, source, typeof(type)) → string",
        "A capture group of the first match, perhaps converted.",
        custom(extract_types),
        build_extract,
    ),
    kernel(
        "$extract",
        "extract(regex, group, source)",
        "A capture group of the first match.",
        plain(&[STR, Integer, STR], Type::String),
        extract,
    )
    .hidden(),
    kernel(
        "extract_all",
        "extract_all(regex, groups, source) → dynamic",
        "The capture groups of every match.",
        custom(extract_all_types),
        extract_all,
    )
    .alias(&["extractall"]),
    kernel(
        "replace_regex",
        "replace_regex(source, regex, rewrite) → string",
        "Every match replaced; \\1 is the first group.",
        plain(&[Text, STR, STR], Type::String),
        replace,
    )
    .alias(&["replace"]),
    kernel(
        "trim",
        "trim(regex, source) → string",
        "Without one match at the start and one at the end.",
        plain(&[STR, Text], Type::String),
        |c| trim(c, true, true),
    ),
    kernel(
        "trim_start",
        "trim_start(regex, source) → string",
        "Without one match at the start.",
        plain(&[STR, Text], Type::String),
        |c| trim(c, true, false),
    ),
    kernel(
        "trim_end",
        "trim_end(regex, source) → string",
        "Without one match at the end.",
        plain(&[STR, Text], Type::String),
        |c| trim(c, false, true),
    ),
    kernel(
        "indexof_regex",
        "indexof_regex(source, regex, start = 0, length = -1, occurrence = 1) → long",
        "Where a pattern first matches; -1 when it does not.",
        optional(&[Text, STR], &[Integer, Integer, Integer], Type::Long),
        indexof_regex,
    ),
    kernel(
        "regex_quote",
        "regex_quote(source) → string",
        "The text with the characters escaped that mean something in a pattern.",
        plain(&[Text], Type::String),
        quote,
    ),
];

/// Patterns compiled once each.
#[derive(Default)]
pub struct Patterns {
    compiled: HashMap<String, Regex>,
}

impl Patterns {
    /// None yet.
    pub fn new() -> Patterns {
        Patterns::default()
    }

    /// A pattern, compiled.
    pub fn get(&mut self, pattern: &str) -> Result<&Regex, DataFusionError> {
        self.wrapped("", pattern, "")
    }

    /// A pattern between two texts, compiled.
    fn wrapped(&mut self, before: &str, pattern: &str, after: &str) -> Result<&Regex, DataFusionError> {
        let key = format!("{before}{pattern}{after}");
        if !self.compiled.contains_key(&key) {
            let regex = Regex::new(&key).map_err(|error| exec_datafusion_err!("invalid regular expression '{pattern}': {error}"))?;
            // Patterns out of columns must not fill the memory.
            if self.compiled.len() >= 1000 {
                self.compiled.clear();
            }
            self.compiled.insert(key.clone(), regex);
        }
        self.compiled
            .get(&key)
            .ok_or_else(|| exec_datafusion_err!("regular expression '{pattern}' was not kept"))
    }
}

/// Runs a row function that may fail, keeping the first failure.
struct Failing(Option<DataFusionError>);

impl Failing {
    fn keep<T>(&mut self, result: Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.0.get_or_insert(error);
                None
            }
        }
    }

    fn or(self, array: ArrayRef) -> Result<ArrayRef> {
        self.0.map_or(Ok(array), Err)
    }
}

fn matches(c: &Call<'_>) -> Result<ArrayRef> {
    let (text, pattern) = (c.text(0)?, c.text(1)?);
    let mut patterns = Patterns::new();
    if let Some(constant) = pattern.constant() {
        let regex = patterns.get(constant)?.clone();
        return c.bools(|i| Some(regex.is_match(text.get(i)?)));
    }
    let mut failing = Failing(None);
    let found = c.bools(|i| {
        let regex = failing.keep(patterns.get(pattern.get(i)?))?;
        Some(regex.is_match(text.get(i)?))
    })?;
    failing.or(found)
}

fn extract_types(args: &[Argument<'_>]) -> std::result::Result<Resolved, ArgumentError> {
    let mut params = vec![Type::String, Type::Long, Type::String];
    match args {
        [_, _, _] => Ok(Resolved::one(params, Type::String)),
        [_, _, _, ty] => {
            let returns = match ty.literal {
                Some(Value::String(name)) => Type::parse(name),
                _ => None,
            };
            params.push(Type::String);
            returns.map(|ty| Resolved::one(params, ty)).ok_or_else(|| ArgumentError {
                argument: Some(3),
                message: "expected typeof(type)".to_owned(),
            })
        }
        _ => Err(ArgumentError {
            argument: None,
            message: "expected a regular expression, a group, a text and perhaps typeof(type)".to_owned(),
        }),
    }
}

fn build_extract(mut args: Vec<Expr>, types: &[Type], returns: Type) -> std::result::Result<Expr, LowerError> {
    args.truncate(3);
    let types = types.get(..3).unwrap_or(types);
    let found = super::registry::scalar("$extract", args, types, Type::String)?;
    Ok(super::cast(found, Type::String, returns))
}

fn extract(c: &Call<'_>) -> Result<ArrayRef> {
    let (pattern, group, text) = (c.text(0)?, c.long(1)?, c.text(2)?);
    let mut patterns = Patterns::new();
    let constant = match pattern.constant() {
        Some(constant) => Some(patterns.get(constant)?.clone()),
        None => None,
    };
    let mut failing = Failing(None);
    let found = c.slices(|i| {
        let regex = match &constant {
            Some(regex) => regex,
            None => failing.keep(patterns.get(pattern.get(i)?))?,
        };
        let captures = regex.captures(text.get(i)?)?;
        captures.get(usize::try_from(group.get(i)?).ok()?).map(|found| found.as_str())
    })?;
    failing.or(found)
}

fn extract_all_types(args: &[Argument<'_>]) -> std::result::Result<Resolved, ArgumentError> {
    match args.len() {
        2 => Ok(Resolved::one(vec![Type::String, Type::String], Type::Dynamic)),
        3 => Ok(Resolved::one(vec![Type::String, Type::Dynamic, Type::String], Type::Dynamic)),
        _ => Err(ArgumentError {
            argument: None,
            message: "expected a regular expression, perhaps the groups, and a text".to_owned(),
        }),
    }
}

fn extract_all(c: &Call<'_>) -> Result<ArrayRef> {
    let (pattern, text) = (c.text(0)?, c.text(c.count() - 1)?);
    let groups = if c.count() > 2 { Some(c.text(1)?) } else { None };
    let mut patterns = Patterns::new();
    let mut failing = Failing(None);
    let found = c.texts(|i, out| {
        let regex = failing.keep(patterns.get(pattern.get(i)?))?;
        let wanted: Vec<usize> = match groups {
            Some(groups) => json::elements(groups.get(i)?)?
                .filter_map(|group| match json::kind(group) {
                    json::Kind::String => {
                        let name = json::as_text(group);
                        regex.capture_names().position(|n| n == Some(name.as_ref()))
                    }
                    _ => usize::try_from(json::to_long(group)?).ok(),
                })
                .collect(),
            None => (1..regex.captures_len()).collect(),
        };
        let mut any = false;
        out.push('[');
        for captures in regex.captures_iter(text.get(i)?) {
            if any {
                out.push(',');
            }
            any = true;
            let part = |group: usize| captures.get(group).map_or("", |found| found.as_str());
            match wanted.as_slice() {
                [] => json::write_string(part(0), out),
                [only] => json::write_string(part(*only), out),
                several => {
                    out.push('[');
                    for (n, group) in several.iter().enumerate() {
                        if n > 0 {
                            out.push(',');
                        }
                        json::write_string(part(*group), out);
                    }
                    out.push(']');
                }
            }
        }
        out.push(']');
        any.then_some(())
    })?;
    failing.or(found)
}

/// A rewrite as the regex crate reads it: `\1` is group 1, `$` means nothing.
fn rewrite(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut chars = text.chars().peekable();
    while let Some(character) = chars.next() {
        match character {
            '$' => out.push_str("$$"),
            '\\' => match chars.peek().copied() {
                Some(digit) if digit.is_ascii_digit() => {
                    chars.next();
                    out.push_str("${");
                    out.push(digit);
                    out.push('}');
                }
                Some('\\') => {
                    chars.next();
                    out.push('\\');
                }
                _ => out.push('\\'),
            },
            other => out.push(other),
        }
    }
    out
}

fn replace(c: &Call<'_>) -> Result<ArrayRef> {
    let (text, pattern, replacement) = (c.text(0)?, c.text(1)?, c.text(2)?);
    let mut patterns = Patterns::new();
    let mut failing = Failing(None);
    let constant = replacement.constant().map(rewrite);
    let replaced = c.texts(|i, out| {
        let regex = failing.keep(patterns.get(pattern.get(i)?))?;
        let text = text.get(i)?;
        match &constant {
            Some(rewrite) => out.push_str(&regex.replace_all(text, rewrite.as_str())),
            None => out.push_str(&regex.replace_all(text, rewrite(replacement.get(i)?).as_str())),
        }
        Some(())
    })?;
    failing.or(replaced)
}

fn trim(c: &Call<'_>, start: bool, end: bool) -> Result<ArrayRef> {
    let (pattern, text) = (c.text(0)?, c.text(1)?);
    let (mut starts, mut ends) = (Patterns::new(), Patterns::new());
    let mut failing = Failing(None);
    let trimmed = c.slices(|i| {
        let pattern = pattern.get(i)?;
        let mut text = text.get(i)?;
        if start {
            let regex = failing.keep(starts.wrapped("^(?:", pattern, ")"))?;
            if let Some(found) = regex.find(text) {
                text = text.get(found.end()..)?;
            }
        }
        if end {
            let regex = failing.keep(ends.wrapped("(?:", pattern, ")$"))?;
            if let Some(found) = regex.find(text) {
                text = text.get(..found.start())?;
            }
        }
        Some(text)
    })?;
    failing.or(trimmed)
}

fn indexof_regex(c: &Call<'_>) -> Result<ArrayRef> {
    let (text, pattern) = (c.text(0)?, c.text(1)?);
    let (start, length, occurrence) = (c.optional_long(2, 0)?, c.optional_long(3, -1)?, c.optional_long(4, 1)?);
    let mut patterns = Patterns::new();
    let mut failing = Failing(None);
    let found = c.longs(|i| {
        let start = start.get(i)?;
        let occurrence = usize::try_from(occurrence.get(i)?).ok().filter(|n| *n > 0)?;
        if start < 0 {
            return None;
        }
        let (part, first) = super::strings::window(text.get(i)?, start, length.get(i)?)?;
        let regex = failing.keep(patterns.get(pattern.get(i)?))?;
        Some(match regex.find_iter(part).nth(occurrence - 1) {
            Some(found) => first + part.get(..found.start())?.chars().count() as i64,
            None => -1,
        })
    })?;
    failing.or(found)
}

fn quote(c: &Call<'_>) -> Result<ArrayRef> {
    let text = c.text(0)?;
    c.texts(|i, out| {
        out.push_str(&::regex::escape(text.get(i)?));
        Some(())
    })
}
