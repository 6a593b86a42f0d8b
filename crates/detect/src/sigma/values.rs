//! Fields with values and modifiers as predicates.

use serde_yaml_ng::Value as Yaml;

use super::SigmaError;
use super::fields::{self, Table};

/// A text as KQL writes it.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// A regular expression as KQL writes it.
fn pattern(text: &str) -> String {
    if text.contains('"') { quoted(text) } else { format!("@\"{text}\"") }
}

/// The predicate of one `field|modifiers: values`.
pub fn predicate(name: &str, value: &Yaml, table: &Table, remarks: &mut Vec<String>) -> Result<String, SigmaError> {
    let mut parts = name.split('|');
    let field = parts.next().unwrap_or_default();
    let modifiers: Vec<&str> = parts.collect();
    let has = |name: &str| modifiers.contains(&name);
    for modifier in &modifiers {
        if ![
            "contains",
            "startswith",
            "endswith",
            "all",
            "re",
            "i",
            "m",
            "s",
            "cidr",
            "gt",
            "gte",
            "lt",
            "lte",
            "exists",
            "cased",
            "neq",
        ]
        .contains(modifier)
        {
            return Err(SigmaError::Unsupported(format!(
                "the modifier {modifier} of {field} has no counterpart"
            )));
        }
    }
    let column = fields::column(field, table);
    let values: Vec<&Yaml> = match value {
        Yaml::Sequence(items) => items.iter().collect(),
        one => vec![one],
    };
    if has("exists") {
        let wanted = value.as_bool().unwrap_or(true);
        return Ok(format!("{}({column})", if wanted { "isnotempty" } else { "isempty" }));
    }
    if fields::within_list(field) {
        remarks.push(format!("{field} is looked for in the text of the list it is in"));
    }
    // Without anything special several values are one list.
    let plain = |value: &&Yaml| value.as_str().is_some_and(|text| !text.contains(['*', '?']) && !text.is_empty());
    let numeric = column == "ResponseCode";
    if modifiers.is_empty() && values.len() > 1 && values.iter().all(plain) && !numeric && !fields::within_list(field) {
        let list: Vec<String> = values.iter().filter_map(|value| value.as_str()).map(quoted).collect();
        return Ok(format!("{column} in~ ({})", list.join(", ")));
    }
    let each: Vec<String> = values
        .iter()
        .map(|value| one(field, &column, value, &modifiers))
        .collect::<Result<_, _>>()?;
    let joined = match each.len() {
        0 => "true".to_owned(),
        1 => each.into_iter().next().unwrap_or_default(),
        _ => format!("({})", each.join(if has("all") { " and " } else { " or " })),
    };
    Ok(if has("neq") { format!("not({joined})") } else { joined })
}

fn one(field: &str, column: &str, value: &Yaml, modifiers: &[&str]) -> Result<String, SigmaError> {
    let has = |name: &str| modifiers.contains(&name);
    let text = match value {
        Yaml::Null => return Ok(format!("isempty({column})")),
        Yaml::String(text) => text.clone(),
        Yaml::Number(number) => number.to_string(),
        Yaml::Bool(value) => value.to_string(),
        _ => return Err(SigmaError::Unsupported(format!("the value of {field} is neither text nor number"))),
    };
    for (modifier, operator) in [("gt", ">"), ("gte", ">="), ("lt", "<"), ("lte", "<=")] {
        if has(modifier) {
            let number: f64 = text
                .parse()
                .map_err(|_| SigmaError::Unsupported(format!("{text} of {field} is no number")))?;
            return Ok(format!("toreal({column}) {operator} {number}"));
        }
    }
    if has("cidr") {
        return Ok(if text.contains(':') {
            format!("ipv6_is_match({column}, {})", quoted(&text))
        } else {
            format!("ipv4_is_in_range({column}, {})", quoted(&text))
        });
    }
    if has("re") {
        let flags: String = ["i", "m", "s"].into_iter().filter(|flag| has(flag)).collect();
        let flags = if flags.is_empty() { String::new() } else { format!("(?{flags})") };
        return Ok(format!("{column} matches regex {}", pattern(&format!("{flags}{text}"))));
    }
    if column == "ResponseCode" && text.parse::<i32>().is_ok() {
        return Ok(format!("{column} == {text}"));
    }
    let cased = has("cased");
    let suffix = if cased { "_cs" } else { "" };
    let inside = fields::within_list(field);
    let (start, end) = (has("startswith"), has("endswith"));
    let open_start = text.starts_with('*') || has("contains") || end || inside;
    let open_end = (text.ends_with('*') && !text.ends_with("\\*")) || has("contains") || start || inside;
    let core = text.trim_start_matches('*').trim_end_matches('*');
    if core.is_empty() {
        return Ok(if text.is_empty() {
            format!("isempty({column})")
        } else {
            format!("isnotempty({column})")
        });
    }
    if core.contains(['*', '?']) {
        let mut regex = String::from(if cased { "" } else { "(?i)" });
        if !open_start {
            regex.push('^');
        }
        for c in core.chars() {
            match c {
                '*' => regex.push_str(".*"),
                '?' => regex.push('.'),
                c if c.is_alphanumeric() || c == '_' || c == ' ' || c == '/' || c == ':' => regex.push(c),
                c => {
                    regex.push('\\');
                    regex.push(c);
                }
            }
        }
        if !open_end {
            regex.push('$');
        }
        return Ok(format!("{column} matches regex {}", pattern(&regex)));
    }
    let core = core.replace("\\*", "*").replace("\\?", "?");
    Ok(match (open_start, open_end) {
        (true, true) => format!("{column} contains{suffix} {}", quoted(&core)),
        (true, false) => format!("{column} endswith{suffix} {}", quoted(&core)),
        (false, true) => format!("{column} startswith{suffix} {}", quoted(&core)),
        (false, false) if cased => format!("{column} == {}", quoted(&core)),
        (false, false) => format!("{column} =~ {}", quoted(&core)),
    })
}

/// Words that are looked for anywhere in the event.
pub fn keyword(text: &str) -> String {
    format!("RawEvent contains {}", quoted(text.trim_matches('*')))
}
