//! Texts taken apart: URLs, paths, versions, CSV, command lines, JSON by path.
//!
//! Source: Kusto Query Language reference, "Parsing functions"; RFC 3986; JSONPath as the reference uses it.

use arrow::array::ArrayRef;
use datafusion::common::Result;
use datafusion::logical_expr::Expr;
use taffrail_kql::catalog::{Argument, ArgumentError, Param, Resolved};
use taffrail_kql::types::{Type, Value};

use super::call::Call;
use super::decimal;
use super::declare::{Scalar, built, custom, kernel, plain};
use super::dynamic::json;
use crate::error::LowerError;

use Param::Is;

const S: Param = Is(Type::String);

/// This file's functions.
pub static FUNCTIONS: &[Scalar] = &[
    kernel(
        "parse_url",
        "parse_url(url) → dynamic",
        "The parts of a URL.",
        plain(&[S], Type::Dynamic),
        parse_url,
    )
    .alias(&["parseurl"]),
    kernel(
        "parse_urlquery",
        "parse_urlquery(query) → dynamic",
        "The parameters of a URL's query.",
        plain(&[S], Type::Dynamic),
        parse_urlquery,
    )
    .alias(&["parseurlquery"]),
    kernel(
        "parse_path",
        "parse_path(path) → dynamic",
        "The parts of a file path.",
        plain(&[S], Type::Dynamic),
        parse_path,
    )
    .alias(&["parseurl"]),
    kernel(
        "parse_version",
        "parse_version(version) → decimal",
        "A version as a number that compares as versions do.",
        plain(&[S], Type::Decimal),
        parse_version,
    )
    .alias(&["parseurlquery"]),
    kernel(
        "parse_csv",
        "parse_csv(text) → dynamic",
        "The values of the first record.",
        plain(&[S], Type::Dynamic),
        parse_csv,
    ),
    kernel(
        "parse_command_line",
        "parse_command_line(text, 'windows') → dynamic",
        "The arguments of a command line.",
        plain(&[S, S], Type::Dynamic),
        parse_command_line,
    ),
    built(
        "extract_json",
        "extract_json(path, text, typeof(type)) → string",
        "The value at a JSONPath, perhaps converted.",
        custom(extract_json_types),
        build_extract_json,
    )
    .alias(&["extractjson"]),
    kernel(
        "$extract_json",
        "extract_json(path, text)",
        "The value at a JSONPath.",
        plain(&[S, S], Type::Dynamic),
        extract_json,
    )
    .hidden(),
];

/// Writes an object of text members.
fn write_object<'a>(members: impl IntoIterator<Item = (&'a str, &'a str)>, out: &mut String) {
    out.push('{');
    for (index, (name, value)) in members.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        json::write_string(name, out);
        out.push(':');
        json::write_string(value, out);
    }
    out.push('}');
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(&text.replace('+', " "))
        .decode_utf8_lossy()
        .into_owned()
}

/// The names and values of a query; the last of equal names stays.
fn query_members(query: &str) -> Vec<(String, String)> {
    let mut members: Vec<(String, String)> = Vec::new();
    for pair in query.trim_start_matches('?').split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decoded(name), decoded(value));
        match members.iter_mut().find(|(known, _)| *known == name) {
            Some(member) => member.1 = value,
            None => members.push((name, value)),
        }
    }
    members
}

fn write_query(query: &str, out: &mut String) {
    let members = query_members(query);
    write_object(members.iter().map(|(name, value)| (name.as_str(), value.as_str())), out);
}

fn parse_url(c: &Call<'_>) -> Result<ArrayRef> {
    let url = c.text(0)?;
    c.texts(|i, out| {
        let text = url.get(i)?;
        let (scheme, rest) = text.split_once("://")?;
        let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = match rest.find('/') {
            Some(at) => (rest.get(..at)?, rest.get(at..)?),
            None => (rest, ""),
        };
        let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (name, password) = user.split_once(':').unwrap_or((user, ""));
        let (host, port) = match host.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (host, port),
            _ => (host, ""),
        };
        let parts = [
            ("Scheme", scheme),
            ("Host", host),
            ("Port", port),
            ("Path", path),
            ("Username", name),
            ("Password", password),
        ];
        write_object(parts, out);
        out.pop();
        out.push_str(",\"Query Parameters\":");
        write_query(query, out);
        out.push_str(",\"Fragment\":");
        json::write_string(fragment, out);
        out.push('}');
        Some(())
    })
}

fn parse_urlquery(c: &Call<'_>) -> Result<ArrayRef> {
    let query = c.text(0)?;
    c.texts(|i, out| {
        out.push_str("{\"Query Parameters\":");
        write_query(query.get(i)?, out);
        out.push('}');
        Some(())
    })
}

fn parse_path(c: &Call<'_>) -> Result<ArrayRef> {
    let path = c.text(0)?;
    c.texts(|i, out| {
        let text = path.get(i)?;
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (scheme, rest),
            None => ("", text),
        };
        let (rest, stream) = match rest.rfind(':').filter(|at| *at > 1) {
            Some(at) => (rest.get(..at)?, rest.get(at + 1..)?),
            None => (rest, ""),
        };
        let separators = ['/', '\\'];
        let (directory, file) = match rest.rfind(separators) {
            Some(at) => (rest.get(..at)?, rest.get(at + 1..)?),
            None => ("", rest),
        };
        let folder = directory.rsplit(separators).next().unwrap_or_default();
        let root = match directory.split(separators).next() {
            Some(first) if first.ends_with(':') => first,
            _ => "",
        };
        let extension = file.rsplit_once('.').map_or("", |(_, extension)| extension);
        let parts = [
            ("Scheme", scheme),
            ("RootPath", root),
            ("DirectoryPath", directory),
            ("DirectoryName", folder),
            ("Filename", file),
            ("Extension", extension),
            ("AlternateDataStreamName", stream),
        ];
        write_object(parts, out);
        Some(())
    })
}

/// Up to four parts of up to eight digits; missing ones are zeros.
fn parse_version(c: &Call<'_>) -> Result<ArrayRef> {
    let version = c.text(0)?;
    c.decimals(|i| {
        let parts: Vec<&str> = version.get(i)?.split('.').collect();
        if parts.len() > 4 {
            return None;
        }
        let mut value = 0i128;
        for index in 0..4 {
            let part = parts.get(index).copied().unwrap_or("0");
            if part.is_empty() || part.len() > 8 || !part.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            value = value * 100_000_000 + part.parse::<i128>().ok()?;
        }
        decimal::parse(&value.to_string())
    })
}

fn parse_csv(c: &Call<'_>) -> Result<ArrayRef> {
    let text = c.text(0)?;
    c.texts(|i, out| {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(AsRef::<[u8]>::as_ref(text.get(i)?));
        let mut record = csv::StringRecord::new();
        reader.read_record(&mut record).ok()?;
        out.push('[');
        for (index, field) in record.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            json::write_string(field, out);
        }
        out.push(']');
        Some(())
    })
}

/// The arguments of a Windows command line: quotes group, backslashes before a quote escape.
fn arguments(line: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut current = String::new();
    let (mut quoted, mut any) = (false, false);
    let mut chars = line.chars().peekable();
    while let Some(ch) = chars.next() {
        match ch {
            '\\' => {
                let mut slashes = 1;
                while chars.next_if_eq(&'\\').is_some() {
                    slashes += 1;
                }
                any = true;
                if chars.peek() == Some(&'"') {
                    current.extend(std::iter::repeat_n('\\', slashes / 2));
                    if slashes % 2 == 1 {
                        chars.next();
                        current.push('"');
                    }
                } else {
                    current.extend(std::iter::repeat_n('\\', slashes));
                }
            }
            '"' => {
                quoted = !quoted;
                any = true;
            }
            ' ' | '\t' if !quoted => {
                if any {
                    all.push(std::mem::take(&mut current));
                    any = false;
                }
            }
            other => {
                current.push(other);
                any = true;
            }
        }
    }
    if any {
        all.push(current);
    }
    all
}

fn parse_command_line(c: &Call<'_>) -> Result<ArrayRef> {
    let (text, kind) = (c.text(0)?, c.text(1)?);
    c.texts(|i, out| {
        if !kind.get(i)?.eq_ignore_ascii_case("windows") {
            return None;
        }
        let all = arguments(text.get(i)?);
        if all.is_empty() {
            return None;
        }
        out.push('[');
        for (index, argument) in all.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            json::write_string(argument, out);
        }
        out.push(']');
        Some(())
    })
}

fn extract_json_types(args: &[Argument<'_>]) -> std::result::Result<Resolved, ArgumentError> {
    let mut params = vec![Type::String, Type::String];
    match args {
        [_, _] => Ok(Resolved::one(params, Type::String)),
        [_, _, ty] => {
            let returns = match ty.literal {
                Some(Value::String(name)) => Type::parse(name),
                _ => None,
            };
            params.push(Type::String);
            returns.map(|ty| Resolved::one(params, ty)).ok_or_else(|| ArgumentError {
                argument: Some(2),
                message: "expected typeof(type)".to_owned(),
            })
        }
        _ => Err(ArgumentError {
            argument: None,
            message: "expected a path, a text and perhaps typeof(type)".to_owned(),
        }),
    }
}

fn build_extract_json(mut args: Vec<Expr>, types: &[Type], returns: Type) -> std::result::Result<Expr, LowerError> {
    args.truncate(2);
    let types = types.get(..2).unwrap_or(types);
    let found = super::registry::scalar("$extract_json", args, types, Type::Dynamic)?;
    Ok(super::cast(found, Type::Dynamic, returns))
}

/// The steps of a JSONPath such as `$.a.b[0]['c']`.
fn steps(path: &str) -> Option<Vec<sonic_rs::PointerNode>> {
    let mut rest = path.trim().strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            let (inside, after) = after.split_once(']')?;
            let name = inside.trim_matches(['\'', '"']);
            steps.push(match inside.parse::<usize>() {
                Ok(index) => sonic_rs::PointerNode::Index(index),
                Err(_) => sonic_rs::PointerNode::Key(name.to_owned().into()),
            });
            rest = after;
        } else {
            let after = rest.strip_prefix('.')?;
            let end = after.find(['.', '[']).unwrap_or(after.len());
            steps.push(sonic_rs::PointerNode::Key(after.get(..end)?.to_owned().into()));
            rest = after.get(end..)?;
        }
    }
    Some(steps)
}

fn extract_json(c: &Call<'_>) -> Result<ArrayRef> {
    let (path, text) = (c.text(0)?, c.text(1)?);
    let constant = path.constant().map(steps);
    c.texts(|i, out| {
        let found = match &constant {
            Some(steps) => super::dynamic::path::walk(text.get(i)?, steps.as_ref()?)?,
            None => super::dynamic::path::walk(text.get(i)?, &steps(path.get(i)?)?)?,
        };
        json::normalize(&found, out)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_taken_apart() {
        assert_eq!(
            arguments(r#"echo "hello world!" a\\b c\"d"#),
            ["echo", "hello world!", r"a\\b", "c\"d"]
        );
        assert_eq!(
            query_members("?k1=v1&k2=a%20b&k1=v3"),
            [("k1".into(), "v3".into()), ("k2".into(), "a b".into())]
        );
        assert_eq!(steps("$.a[0]['b c']").map(|s| s.len()), Some(3));
        assert!(steps("a.b").is_none());
    }
}
