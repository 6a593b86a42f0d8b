//! Functions over property bags: `bag_*`, `pack`, `treepath`.

use std::borrow::Cow;
use std::collections::HashSet;

use arrow::array::ArrayRef;
use datafusion::common::Result;
use serde_json::Value as Tree;
use taffrail_kql::catalog::{Argument, ArgumentError, Param, Resolved};
use taffrail_kql::types::Type;

use super::super::call::{Call, Datum};
use super::super::declare::{Scalar, custom, kernel, many, plain};
use super::super::format;
use super::json::{self, Kind};

use Param::{Any, Is};

const DYN: Param = Is(Type::Dynamic);

/// This file's functions.
pub static FUNCTIONS: &[Scalar] = &[
    kernel(
        "bag_keys",
        "bag_keys(object) → dynamic",
        "The names of the members.",
        plain(&[DYN], Type::Dynamic),
        keys,
    ),
    kernel(
        "bag_has_key",
        "bag_has_key(bag, key) → bool",
        "Whether there is a member of the name or at the path.",
        plain(&[DYN, Is(Type::String)], Type::Bool),
        has_key,
    ),
    kernel(
        "bag_merge",
        "bag_merge(bag, …) → dynamic",
        "One bag of all members; the first bag to have a member decides.",
        many(&[DYN], DYN, Type::Dynamic),
        merge,
    ),
    kernel(
        "bag_remove_keys",
        "bag_remove_keys(bag, keys) → dynamic",
        "The bag without the members of these names or paths.",
        plain(&[DYN, DYN], Type::Dynamic),
        remove_keys,
    ),
    kernel(
        "bag_set_key",
        "bag_set_key(bag, key, value) → dynamic",
        "The bag with a member set.",
        plain(&[DYN, Is(Type::String), Any], Type::Dynamic),
        set_key,
    ),
    kernel(
        "bag_zip",
        "bag_zip(keys, values) → dynamic",
        "A bag of an array of names and one of values.",
        plain(&[DYN, DYN], Type::Dynamic),
        zip,
    ),
    kernel(
        "bag_pack",
        "bag_pack(key, value, …) → dynamic",
        "A bag of names and values.",
        custom(pack_types),
        pack,
    )
    .alias(&["pack", "pack_dictionary"]),
    kernel(
        "$pack_all",
        "pack_all(ignore_null_empty)",
        "A bag of all columns: flag, then names and values.",
        custom(pack_types),
        pack_all,
    )
    .hidden(),
    kernel(
        "treepath",
        "treepath(object) → dynamic",
        "The paths of all members.",
        plain(&[DYN], Type::Dynamic),
        treepath,
    ),
];

fn keys(c: &Call<'_>) -> Result<ArrayRef> {
    let bag = c.text(0)?;
    c.texts(|i, out| {
        out.push('[');
        for (n, (key, _)) in json::members(bag.get(i)?)?.enumerate() {
            if n > 0 {
                out.push(',');
            }
            json::write_string(&key, out);
        }
        out.push(']');
        Some(())
    })
}

/// The names of a JSONPath of members (`$.a.b`, `$['a']['b']`); a plain name is a path of one.
fn path_of(key: &str) -> Vec<String> {
    let Some(rest) = key.strip_prefix('$') else {
        return vec![key.to_owned()];
    };
    let mut names = Vec::new();
    let mut rest = rest;
    loop {
        if let Some(after) = rest.strip_prefix("['").or_else(|| rest.strip_prefix("[\"")) {
            let Some(end) = after.find(['\'', '"']) else { break };
            names.push(after.get(..end).unwrap_or_default().to_owned());
            rest = after.get(end + 2..).unwrap_or_default();
        } else if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            names.push(after.get(..end).unwrap_or_default().to_owned());
            rest = after.get(end..).unwrap_or_default();
        } else {
            break;
        }
    }
    names
}

fn has_key(c: &Call<'_>) -> Result<ArrayRef> {
    let (bag, key) = (c.text(0)?, c.text(1)?);
    c.bools(|i| {
        let text = bag.get(i)?;
        if json::kind(text) != Kind::Object {
            return None;
        }
        let mut current = text;
        for name in path_of(key.get(i)?) {
            match json::members(current).and_then(|mut members| members.find(|(k, _)| *k == name)) {
                Some((_, value)) => current = value,
                None => return Some(false),
            }
        }
        Some(true)
    })
}

fn write_member(key: &str, value: &str, out: &mut String) {
    if !out.ends_with('{') {
        out.push(',');
    }
    json::write_string(key, out);
    out.push(':');
    out.push_str(value);
}

/// Merges bags into one, the first that has a member deciding; `None` when none is a bag.
pub fn merge_into<'a>(bags: impl Iterator<Item = &'a str>, out: &mut String) -> Option<()> {
    let mut seen: HashSet<Cow<'_, str>> = HashSet::new();
    let mut any = false;
    out.push('{');
    for bag in bags {
        let Some(members) = json::members(bag) else { continue };
        any = true;
        for (key, value) in members {
            if !seen.contains(&key) {
                write_member(&key, value, out);
                seen.insert(key);
            }
        }
    }
    out.push('}');
    any.then_some(())
}

fn merge(c: &Call<'_>) -> Result<ArrayRef> {
    let bags = (0..c.count()).map(|a| c.text(a)).collect::<Result<Vec<_>>>()?;
    c.texts(|i, out| merge_into(bags.iter().filter_map(|bag| bag.get(i)), out))
}

fn remove(tree: &mut Tree, path: &[String]) {
    match path {
        [] => {}
        [last] => {
            if let Some(object) = tree.as_object_mut() {
                object.shift_remove(last);
            }
        }
        [first, rest @ ..] => {
            if let Some(child) = tree.get_mut(first) {
                remove(child, rest);
            }
        }
    }
}

fn remove_keys(c: &Call<'_>) -> Result<ArrayRef> {
    let (bag, keys) = (c.text(0)?, c.text(1)?);
    c.texts(|i, out| {
        let text = bag.get(i)?;
        if json::kind(text) != Kind::Object {
            return None;
        }
        let Some(keys) = keys.get(i).and_then(json::elements) else {
            out.push_str(text);
            return Some(());
        };
        let mut tree = json::tree(text);
        for key in keys.filter(|key| json::kind(key) == Kind::String) {
            remove(&mut tree, &path_of(&json::as_text(key)));
        }
        out.push_str(&tree.to_string());
        Some(())
    })
}

fn set_key(c: &Call<'_>) -> Result<ArrayRef> {
    let (bag, key, value) = (c.text(0)?, c.text(1)?, c.value(2)?);
    c.texts(|i, out| {
        let text = bag.get(i)?;
        if json::kind(text) != Kind::Object {
            return None;
        }
        let mut tree = json::tree(text);
        let mut item = String::new();
        json::write(value.get(i), &mut item);
        let mut current = &mut tree;
        let path = path_of(key.get(i)?);
        let (last, parents) = path.split_last()?;
        for name in parents {
            let object = current.as_object_mut()?;
            let child = object.entry(name.clone()).or_insert_with(|| Tree::Object(Default::default()));
            if !child.is_object() {
                *child = Tree::Object(Default::default());
            }
            current = child;
        }
        current.as_object_mut()?.insert(last.clone(), json::tree(&item));
        out.push_str(&tree.to_string());
        Some(())
    })
}

fn zip(c: &Call<'_>) -> Result<ArrayRef> {
    let (keys, values) = (c.text(0)?, c.text(1)?);
    c.texts(|i, out| {
        let mut values = json::elements(values.get(i)?)?;
        out.push('{');
        for key in json::elements(keys.get(i)?)? {
            let value = values.next().unwrap_or("null");
            if json::kind(key) == Kind::String {
                write_member(&json::as_text(key), value, out);
            }
        }
        out.push('}');
        Some(())
    })
}

fn pack_types(args: &[Argument<'_>]) -> std::result::Result<Resolved, ArgumentError> {
    if !args.len().is_multiple_of(2) {
        return Err(ArgumentError {
            argument: None,
            message: "expected pairs of a name and a value".to_owned(),
        });
    }
    Ok(Resolved::one(args.iter().map(|arg| arg.ty).collect(), Type::Dynamic))
}

fn write_pairs(c: &Call<'_>, first: usize, skip_empty: impl Fn(usize) -> bool) -> Result<ArrayRef> {
    let values = c.values(first)?;
    c.texts(|i, out| {
        let skip = skip_empty(i);
        let mut item = String::new();
        out.push('{');
        for pair in values.chunks_exact(2) {
            let [key, value] = pair else { continue };
            let value = value.get(i);
            if skip && matches!(value, Datum::Null | Datum::String("")) {
                continue;
            }
            let mut name = String::new();
            format::text(key.get(i), &mut name);
            item.clear();
            json::write(value, &mut item);
            write_member(&name, &item, out);
        }
        out.push('}');
        Some(())
    })
}

fn pack(c: &Call<'_>) -> Result<ArrayRef> {
    write_pairs(c, 0, |_| false)
}

fn pack_all(c: &Call<'_>) -> Result<ArrayRef> {
    let flag = c.bool(0)?;
    write_pairs(c, 1, |i| flag.get(i) == Some(true))
}

fn treepath(c: &Call<'_>) -> Result<ArrayRef> {
    fn visit(value: &str, prefix: &str, paths: &mut Vec<String>) {
        if let Some(members) = json::members(value) {
            for (key, child) in members {
                let path = format!("{prefix}['{key}']");
                paths.push(path.clone());
                visit(child, &path, paths);
            }
        } else if let Some(elements) = json::elements(value) {
            // All elements are told by the first place, and each path once.
            let path = format!("{prefix}[0]");
            for element in elements {
                if !paths.contains(&path) {
                    paths.push(path.clone());
                }
                let mut below = Vec::new();
                visit(element, &path, &mut below);
                for path in below {
                    if !paths.contains(&path) {
                        paths.push(path);
                    }
                }
            }
        }
    }
    let value = c.text(0)?;
    c.texts(|i, out| {
        let text = value.get(i)?;
        if !matches!(json::kind(text), Kind::Object | Kind::Array) {
            return None;
        }
        let mut paths = Vec::new();
        visit(text, "", &mut paths);
        out.push('[');
        for (n, path) in paths.iter().enumerate() {
            if n > 0 {
                out.push(',');
            }
            json::write_string(path, out);
        }
        out.push(']');
        Some(())
    })
}
