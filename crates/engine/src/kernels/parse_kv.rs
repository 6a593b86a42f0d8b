//! Keys and values out of text (`parse-kv`): the first value of each wanted key.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, StringViewBuilder, StructArray};
use datafusion::arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, exec_err};
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit};
use regex::Regex;

use super::strings;

const NAME: &str = "taffrail_parse_kv";
/// Arguments before the keys.
const OPTIONS: usize = 7;

/// Field of a key's value.
pub(crate) fn part(position: usize) -> String {
    format!("part{position}")
}

/// How pairs are written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Syntax {
    /// Between pairs; empty together with `kv`: every character that is no letter or digit divides
    pub(crate) pair: String,
    /// Between key and value
    pub(crate) kv: String,
    /// One character for both ends, or the opening and the closing one
    pub(crate) quote: String,
    /// In front of a quote that is meant as text
    pub(crate) escape: String,
    /// A value goes on to the next key
    pub(crate) greedy: bool,
    /// Instead of all that: first group the key, second the value
    pub(crate) regex: String,
}

pub(crate) fn udf() -> ScalarUDF {
    ScalarUDF::from(ParseKv {
        signature: Signature::variadic_any(Volatility::Immutable),
    })
}

/// A struct with the text of each key's value, null where there is none.
pub(crate) fn call(syntax: &Syntax, text: Expr, keys: &[String]) -> Expr {
    let mut args = vec![
        text,
        lit(syntax.pair.clone()),
        lit(syntax.kv.clone()),
        lit(syntax.quote.clone()),
        lit(syntax.escape.clone()),
        lit(syntax.greedy),
        lit(syntax.regex.clone()),
    ];
    args.extend(keys.iter().map(|key| lit(key.clone())));
    udf().call(args)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ParseKv {
    signature: Signature,
}

fn fields(keys: usize) -> Fields {
    let fields = (0..keys).map(|position| Field::new(part(position), DataType::Utf8View, true));
    Fields::from(fields.collect::<Vec<_>>())
}

fn constant(value: &ColumnarValue) -> Result<String> {
    match value {
        ColumnarValue::Scalar(scalar) => {
            let text = scalar.try_as_str().flatten();
            text.map(str::to_owned)
                .ok_or_else(|| exec_datafusion_err!("{NAME} needs text as its options"))
        }
        ColumnarValue::Array(_) => exec_err!("{NAME} needs constants as its options"),
    }
}

impl ScalarUDFImpl for ParseKv {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        Ok(DataType::Struct(fields(args.len().saturating_sub(OPTIONS))))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [text, pair, kv, quote, escape, greedy, regex, keys @ ..] = args.args.as_slice() else {
            return exec_err!("{NAME} takes text, six options and keys");
        };
        let syntax = Syntax {
            pair: constant(pair)?,
            kv: constant(kv)?,
            quote: constant(quote)?,
            escape: constant(escape)?,
            greedy: matches!(greedy, ColumnarValue::Scalar(ScalarValue::Boolean(Some(true)))),
            regex: constant(regex)?,
        };
        let pattern = if syntax.regex.is_empty() {
            None
        } else {
            let pattern = Regex::new(&syntax.regex);
            Some(pattern.map_err(|error| exec_datafusion_err!("parse-kv: {error}"))?)
        };
        let keys = keys.iter().map(constant).collect::<Result<Vec<_>>>()?;
        let texts = strings(text.clone().into_array(args.number_rows)?.as_ref())?;
        let mut builders: Vec<StringViewBuilder> = keys.iter().map(|_| StringViewBuilder::new()).collect();
        for row in 0..texts.len() {
            let text = if texts.is_null(row) { "" } else { texts.value(row) };
            let pairs = match &pattern {
                Some(pattern) => by_regex(pattern, text),
                None if syntax.pair.is_empty() && syntax.kv.is_empty() => by_words(text),
                None => by_delimiters(&syntax, text),
            };
            for (builder, key) in builders.iter_mut().zip(&keys) {
                let found = pairs.iter().find(|(found, _)| found == key);
                builder.append_option(found.map(|(_, value)| value));
            }
        }
        let columns: Vec<ArrayRef> = builders
            .into_iter()
            .map(|mut builder| -> ArrayRef { Arc::new(builder.finish()) })
            .collect();
        let result = StructArray::try_new(fields(keys.len()), columns, None)?;
        Ok(ColumnarValue::Array(Arc::new(result)))
    }
}

fn by_regex(pattern: &Regex, text: &str) -> Vec<(String, String)> {
    let group =
        |captures: &regex::Captures<'_>, index: usize| captures.get(index).map(|group| group.as_str().to_owned()).unwrap_or_default();
    pattern
        .captures_iter(text)
        .map(|captures| (group(&captures, 1), group(&captures, 2)))
        .collect()
}

/// Each word is a key for the word behind it.
fn by_words(text: &str) -> Vec<(String, String)> {
    let words: Vec<&str> = text
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
        .collect();
    let follows = words.iter().zip(words.iter().skip(1));
    follows.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn by_delimiters(syntax: &Syntax, text: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (key, after_key) = match quoted(syntax, rest.trim_start()) {
            Some((key, after)) => match after.trim_start().strip_prefix(syntax.kv.as_str()) {
                Some(after) => (key, after),
                None => {
                    rest = behind_pair(syntax, after);
                    continue;
                }
            },
            None => {
                let kv = rest.find(&syntax.kv);
                let pair = find_pair(syntax, rest);
                match (kv, pair) {
                    (Some(kv), Some(pair)) if pair < kv => {
                        rest = behind_pair(syntax, rest);
                        continue;
                    }
                    (Some(kv), _) => (
                        rest.get(..kv).unwrap_or_default().trim().to_owned(),
                        rest.get(kv + syntax.kv.len()..).unwrap_or_default(),
                    ),
                    (None, _) => break,
                }
            }
        };
        let (value, after_value) = match quoted(syntax, after_key.trim_start()) {
            Some((value, after)) => (value, after),
            None => {
                let end = value_end(syntax, after_key);
                (
                    after_key.get(..end).unwrap_or_default().trim().to_owned(),
                    after_key.get(end..).unwrap_or_default(),
                )
            }
        };
        pairs.push((key, value));
        rest = behind_pair(syntax, after_value);
    }
    pairs
}

fn find_pair(syntax: &Syntax, text: &str) -> Option<usize> {
    if syntax.pair.is_empty() { None } else { text.find(&syntax.pair) }
}

fn behind_pair<'a>(syntax: &Syntax, text: &'a str) -> &'a str {
    match find_pair(syntax, text) {
        Some(start) => text.get(start + syntax.pair.len()..).unwrap_or_default(),
        None => "",
    }
}

/// Where a bare value ends: at the next pair, or when greedy at the last divider in front of the next key.
fn value_end(syntax: &Syntax, text: &str) -> usize {
    let Some(first) = find_pair(syntax, text) else {
        return text.len();
    };
    if !syntax.greedy {
        return first;
    }
    match text.find(&syntax.kv) {
        None => text.len(),
        Some(kv) => {
            let before = text.get(..kv).unwrap_or_default().trim_end();
            before.rfind(&syntax.pair).unwrap_or(first)
        }
    }
}

/// The text in quotes that `text` starts with, and what is behind the closing one.
fn quoted<'a>(syntax: &Syntax, text: &'a str) -> Option<(String, &'a str)> {
    let mut quotes = syntax.quote.chars();
    let open = quotes.next()?;
    let close = quotes.next().unwrap_or(open);
    let inside = text.strip_prefix(open)?;
    let escape = syntax.escape.chars().next();
    let mut value = String::new();
    let mut escaped = false;
    for (index, c) in inside.char_indices() {
        if escaped {
            value.push(c);
            escaped = false;
        } else if Some(c) == escape {
            escaped = true;
        } else if c == close {
            return Some((value, inside.get(index + c.len_utf8()..).unwrap_or_default()));
        } else {
            value.push(c);
        }
    }
    None
}
