//! Paths into a dynamic, by an on-demand parser that reads only as much of the text as the path needs.

use std::borrow::Cow;

use arrow::array::ArrayRef;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::ColumnarValue;
use sonic_rs::{JsonValueTrait, PointerNode};
use taffrail_kql::types::Type;

use super::super::call::{Call, Longs, Text};
use super::json;

/// A step, ready to be taken.
enum Step<'a> {
    /// Members and indices from the front: one walk of the parser
    Walk(Vec<PointerNode>),
    /// An index from the back
    FromEnd(usize),
    /// `parse_json(tostring(_))`: a string's text is read as JSON
    Reparse,
    /// A member whose name is a column
    KeyColumn(Text<'a>),
    /// An index that is a column
    IndexColumn(Longs<'a>),
}

/// The JSON text at a path of constants.
pub fn walk<'a>(text: &'a str, path: &[PointerNode]) -> Option<Cow<'a, str>> {
    let found = sonic_rs::get_from_str(text, path).ok()?;
    if found.is_null() {
        return None;
    }
    Some(match found.as_raw_cow() {
        Cow::Borrowed(text) => Cow::Borrowed(text),
        Cow::Owned(text) => Cow::Owned(text),
    })
}

fn element(text: &str, index: i64) -> Option<&str> {
    let mut elements = json::elements(text)?;
    let found = if index >= 0 {
        elements.nth(usize::try_from(index).ok()?)
    } else {
        let all: Vec<&str> = elements.collect();
        let back = usize::try_from(index.unsigned_abs()).ok()?;
        all.len().checked_sub(back).and_then(|at| all.get(at).copied())
    };
    found.filter(|value| *value != "null")
}

fn steps<'a>(call: &Call<'a>) -> Result<Vec<Step<'a>>> {
    let mut steps: Vec<Step<'a>> = Vec::new();
    for index in 1..call.count() {
        let node = match call.args.get(index) {
            Some(ColumnarValue::Scalar(ScalarValue::Boolean(_))) => {
                steps.push(Step::Reparse);
                continue;
            }
            Some(ColumnarValue::Scalar(ScalarValue::Int64(Some(at)))) if *at < 0 => {
                steps.push(Step::FromEnd(at.unsigned_abs() as usize));
                continue;
            }
            Some(ColumnarValue::Scalar(ScalarValue::Int64(Some(at)))) => PointerNode::Index(*at as usize),
            Some(ColumnarValue::Scalar(
                ScalarValue::Utf8View(Some(key)) | ScalarValue::Utf8(Some(key)) | ScalarValue::LargeUtf8(Some(key)),
            )) => PointerNode::Key(key.as_str().to_owned().into()),
            _ if matches!(call.ty(index), Type::String | Type::Guid | Type::Dynamic) => {
                steps.push(Step::KeyColumn(call.text(index)?));
                continue;
            }
            _ => {
                steps.push(Step::IndexColumn(call.long(index)?));
                continue;
            }
        };
        match steps.last_mut() {
            Some(Step::Walk(nodes)) => nodes.push(node),
            _ => steps.push(Step::Walk(vec![node])),
        }
    }
    Ok(steps)
}

fn step<'t>(text: &'t str, step: &Step<'_>, row: usize, key_is_json: bool) -> Option<Cow<'t, str>> {
    match step {
        Step::Walk(nodes) => walk(text, nodes),
        Step::FromEnd(back) => element(text, -(*back as i64)).map(Cow::Borrowed),
        Step::Reparse => match json::kind(text) {
            json::Kind::String => {
                let inner = json::unquote(text)?;
                let mut out = String::new();
                json::normalize(&inner, &mut out)?;
                Some(Cow::Owned(out))
            }
            _ => Some(Cow::Borrowed(text)),
        },
        Step::KeyColumn(keys) => {
            let key = keys.get(row)?;
            if key_is_json && json::kind(key) == json::Kind::Number {
                return element(text, json::to_long(key)?).map(Cow::Borrowed);
            }
            let key = if key_is_json { json::as_text(key) } else { Cow::Borrowed(key) };
            let found = json::members(text)?.find(|(name, _)| *name == key)?;
            (found.1 != "null").then_some(Cow::Borrowed(found.1))
        }
        Step::IndexColumn(indices) => element(text, indices.get(row)?).map(Cow::Borrowed),
    }
}

/// `path(base, step, …)`: string steps are members, whole numbers elements, `true` reads a string as JSON. A base of
/// `string` is read as JSON itself.
pub fn path(call: &Call<'_>) -> Result<ArrayRef> {
    let base = call.text(0)?;
    let steps = steps(call)?;
    let from_text = call.ty(0) == Type::String;
    let as_text = call.returns == Type::String;
    let keys_are_json = call.types.iter().skip(1).any(|ty| *ty == Type::Dynamic);
    call.texts(|row, out| {
        let mut current = Cow::Borrowed(base.get(row)?);
        // Whole events arrive as text: going into an object needs no pass over the rest of it.
        if from_text && !current.trim_start().starts_with(['{', '[']) {
            return None;
        }
        for next in &steps {
            current = match current {
                Cow::Borrowed(text) => step(text, next, row, keys_are_json)?,
                Cow::Owned(text) => Cow::Owned(step(&text, next, row, keys_are_json)?.into_owned()),
            };
        }
        if as_text {
            json::to_text(&current, out);
        } else if from_text {
            // Text from outside may hold space between its tokens.
            json::normalize(&current, out)?;
        } else {
            out.push_str(&current);
        }
        Some(())
    })
}
