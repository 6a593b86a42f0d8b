//! `parse` patterns over text: a pattern becomes one regular expression, its columns the groups.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, BooleanBuilder, StringViewBuilder, StructArray};
use datafusion::arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, exec_err};
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit};
use regex::{Regex, RegexBuilder};
use taffrail_kql::Type;
use taffrail_kql::bound::{Column, ParseMode, ParseStep};

use super::strings;

const NAME: &str = "taffrail_parse";
/// Field that tells whether the pattern fits.
pub(crate) const MATCHED: &str = "matched";

/// Field of a column's text.
pub(crate) fn part(position: usize) -> String {
    format!("part{position}")
}

/// A pattern as a regular expression; group `n + 1` is output `n`'s.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    regex: String,
    outputs: usize,
}

impl Pattern {
    /// # Errors
    /// When texts or flags of `kind=regex` are not valid.
    pub(crate) fn new(mode: &ParseMode, steps: &[ParseStep], outputs: &[Column]) -> std::result::Result<Pattern, String> {
        let flags = match mode {
            ParseMode::Simple | ParseMode::Relaxed => "s".to_owned(),
            ParseMode::Regex(flags) => flags_of(flags)?,
        };
        let mut regex = if flags.is_empty() { "^".to_owned() } else { format!("(?{flags})^") };
        // texts that are patterns of their own see the whole of it: as much as possible, unless the flag U turns that round
        let greedy = matches!(mode, ParseMode::Regex(_));
        for (position, step) in steps.iter().enumerate() {
            let last = position + 1 == steps.len();
            match step {
                ParseStep::Skip => regex.push_str(if last || greedy { ".*" } else { ".*?" }),
                ParseStep::Text(text) => match mode {
                    ParseMode::Regex(_) => regex.push_str(&format!("(?:{text})")),
                    ParseMode::Simple | ParseMode::Relaxed => regex.push_str(&regex::escape(text)),
                },
                ParseStep::Column(output) => {
                    let ty = outputs.get(*output).map_or(Type::String, |column| column.ty);
                    regex.push_str(&format!("(?P<g{output}>{})", text_of(ty, last || greedy, mode)));
                }
            }
        }
        if !matches!(mode, ParseMode::Regex(_)) {
            regex.push('$');
        }
        compile(&regex).map_err(|error| format!("this pattern is no valid regular expression: {error}"))?;
        Ok(Pattern {
            regex,
            outputs: outputs.len(),
        })
    }
}

/// What text a column takes: as little as possible before the next text, or as much.
fn text_of(ty: Type, all: bool, mode: &ParseMode) -> &'static str {
    match ty {
        Type::Int | Type::Long if *mode != ParseMode::Relaxed => r"-?\d+",
        Type::Real | Type::Decimal if *mode != ParseMode::Relaxed => r"-?\d*\.?\d+(?:[eE][-+]?\d+)?",
        _ if all => ".*",
        _ => ".*?",
    }
}

/// Flags as RE2 names them: `U` swaps greedy and lazy, `s` lets `.` match line ends, `i` ignores case, `m` is multi-line.
fn flags_of(flags: &str) -> std::result::Result<String, String> {
    for flag in flags.chars() {
        if !matches!(flag, 'U' | 's' | 'i' | 'm') {
            return Err(format!("parse knows no flag {flag}: use some of U, m, s, i"));
        }
    }
    Ok(flags.to_owned())
}

fn compile(regex: &str) -> std::result::Result<Regex, regex::Error> {
    RegexBuilder::new(regex).size_limit(10 * 1024 * 1024).build()
}

pub(crate) fn udf() -> ScalarUDF {
    ScalarUDF::from(ParseFunction {
        signature: Signature::any(3, Volatility::Immutable),
    })
}

/// A struct: whether the pattern fits, and the text of each output.
pub(crate) fn call(pattern: &Pattern, text: Expr) -> Expr {
    let outputs = i64::try_from(pattern.outputs).unwrap_or(i64::MAX);
    udf().call(vec![text, lit(pattern.regex.clone()), lit(outputs)])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ParseFunction {
    signature: Signature,
}

fn fields(outputs: usize) -> Fields {
    let mut fields = vec![Field::new(MATCHED, DataType::Boolean, true)];
    fields.extend((0..outputs).map(|position| Field::new(part(position), DataType::Utf8View, true)));
    Fields::from(fields)
}

fn count(value: Option<&ScalarValue>) -> Result<usize> {
    match value {
        Some(ScalarValue::Int64(Some(outputs))) => {
            usize::try_from(*outputs).map_err(|_| exec_datafusion_err!("{NAME} cannot give {outputs} columns"))
        }
        _ => exec_err!("{NAME} needs its number of columns as a constant"),
    }
}

impl ScalarUDFImpl for ParseFunction {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        exec_err!("{NAME} gives a type that depends on its arguments")
    }

    fn return_field_from_args(&self, args: datafusion::logical_expr::ReturnFieldArgs<'_>) -> Result<Arc<Field>> {
        let outputs = count(args.scalar_arguments.get(2).copied().flatten())?;
        Ok(Arc::new(Field::new(NAME, DataType::Struct(fields(outputs)), true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [text, ColumnarValue::Scalar(pattern), ColumnarValue::Scalar(outputs)] = args.args.as_slice() else {
            return exec_err!("{NAME} takes text, a pattern and a number of columns");
        };
        let outputs = count(Some(outputs))?;
        let Some(Some(pattern)) = pattern.try_as_str() else {
            return exec_err!("{NAME} needs its pattern as a constant");
        };
        let regex = compile(pattern).map_err(|error| exec_datafusion_err!("{NAME}: {error}"))?;
        let texts = strings(text.clone().into_array(args.number_rows)?.as_ref())?;
        // where each output's group is; one that the pattern lacks is never filled
        let groups: Vec<Option<usize>> = (0..outputs)
            .map(|output| {
                let name = format!("g{output}");
                regex.capture_names().position(|group| group == Some(name.as_str()))
            })
            .collect();
        let mut matched = BooleanBuilder::with_capacity(texts.len());
        let mut builders: Vec<StringViewBuilder> = (0..outputs).map(|_| StringViewBuilder::new()).collect();
        let mut locations = regex.capture_locations();
        for row in 0..texts.len() {
            let text = if texts.is_null(row) { "" } else { texts.value(row) };
            let fits = regex.captures_read(&mut locations, text).is_some();
            matched.append_value(fits);
            for (builder, group) in builders.iter_mut().zip(&groups) {
                let span = if fits { group.and_then(|group| locations.get(group)) } else { None };
                let found = span.and_then(|(start, end)| text.get(start..end));
                builder.append_value(found.unwrap_or_default());
            }
        }
        let mut columns: Vec<ArrayRef> = vec![Arc::new(matched.finish())];
        for mut builder in builders {
            columns.push(Arc::new(builder.finish()));
        }
        Ok(ColumnarValue::Array(Arc::new(StructArray::try_new(
            fields(outputs),
            columns,
            None,
        )?)))
    }
}
