//! Conditions of Sigma: `selection and not 1 of filter_*`.

use indexmap::IndexMap;
use serde_yaml_ng::Value as Yaml;

use super::SigmaError;
use super::fields::Table;
use super::values::{keyword, predicate};

/// A condition over the parts of a detection as a predicate.
pub fn to_kql(text: &str, detection: &IndexMap<String, Yaml>, table: &Table, remarks: &mut Vec<String>) -> Result<String, SigmaError> {
    let spaced = text.replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Reader {
        words: &words,
        at: 0,
        detection,
        table,
        remarks,
    };
    let found = reader.any()?;
    match reader.words.get(reader.at) {
        None => Ok(found),
        Some(word) => Err(SigmaError::Unsupported(format!(
            "{word} is not understood in the condition {text:?}"
        ))),
    }
}

struct Reader<'a> {
    words: &'a [&'a str],
    at: usize,
    detection: &'a IndexMap<String, Yaml>,
    table: &'a Table,
    remarks: &'a mut Vec<String>,
}

impl Reader<'_> {
    fn next_is(&mut self, word: &str) -> bool {
        let is = self.words.get(self.at).is_some_and(|next| next.eq_ignore_ascii_case(word));
        self.at += usize::from(is);
        is
    }

    fn any(&mut self) -> Result<String, SigmaError> {
        let mut parts = vec![self.all()?];
        while self.next_is("or") {
            parts.push(self.all()?);
        }
        Ok(join(parts, "or"))
    }

    fn all(&mut self) -> Result<String, SigmaError> {
        let mut parts = vec![self.negated()?];
        while self.next_is("and") {
            parts.push(self.negated()?);
        }
        Ok(join(parts, "and"))
    }

    fn negated(&mut self) -> Result<String, SigmaError> {
        if self.next_is("not") {
            return Ok(format!("not({})", outer(&self.negated()?)));
        }
        if self.next_is("(") {
            let inner = self.any()?;
            if !self.next_is(")") {
                return Err(SigmaError::Unsupported("a parenthesis of the condition is not closed".to_owned()));
            }
            return Ok(inner);
        }
        let Some(word) = self.words.get(self.at).copied() else {
            return Err(SigmaError::Unsupported("the condition ends too early".to_owned()));
        };
        self.at += 1;
        let many = match word {
            "all" => Some("and"),
            "1" | "any" => Some("or"),
            _ => None,
        };
        if let Some(how) = many
            && self.next_is("of")
        {
            let Some(which) = self.words.get(self.at).copied() else {
                return Err(SigmaError::Unsupported("the condition ends behind of".to_owned()));
            };
            self.at += 1;
            let prefix = which.trim_end_matches('*');
            let names: Vec<String> = self
                .detection
                .keys()
                .filter(|name| *name != "condition" && *name != "timeframe")
                .filter(|name| match which {
                    "them" => !name.starts_with('_'),
                    _ if which.ends_with('*') => name.starts_with(prefix),
                    _ => *name == which,
                })
                .cloned()
                .collect();
            if names.is_empty() {
                return Err(SigmaError::Unsupported(format!("the detection has nothing called {which}")));
            }
            let parts = names.iter().map(|name| self.part(name)).collect::<Result<Vec<_>, _>>()?;
            return Ok(join(parts, how));
        }
        if word.chars().all(|c| c.is_ascii_digit()) {
            return Err(SigmaError::Unsupported(format!(
                "{word} of … counts parts, which has no counterpart"
            )));
        }
        self.part(word)
    }

    /// One part of the detection.
    fn part(&mut self, name: &str) -> Result<String, SigmaError> {
        let Some(part) = self.detection.get(name) else {
            return Err(SigmaError::Unsupported(format!(
                "the condition names {name}, which the detection does not have"
            )));
        };
        self.block(part)
    }

    fn block(&mut self, part: &Yaml) -> Result<String, SigmaError> {
        match part {
            Yaml::Mapping(fields) => {
                let mut all = Vec::new();
                for (name, value) in fields {
                    let name = name.as_str().unwrap_or_default();
                    all.push(predicate(name, value, self.table, self.remarks)?);
                }
                Ok(join(all, "and"))
            }
            Yaml::Sequence(items) => {
                let any = items.iter().map(|item| self.block(item)).collect::<Result<Vec<_>, _>>()?;
                Ok(join(any, "or"))
            }
            Yaml::String(text) => Ok(keyword(text)),
            Yaml::Number(number) => Ok(keyword(&number.to_string())),
            _ => Err(SigmaError::Unsupported(
                "a part of the detection is neither fields nor words".to_owned(),
            )),
        }
    }
}

fn join(parts: Vec<String>, how: &str) -> String {
    match parts.len() {
        0 => "true".to_owned(),
        1 => parts.into_iter().next().unwrap_or_default(),
        _ => format!("({})", parts.join(&format!(" {how} "))),
    }
}

/// Without the parentheses around all of it.
fn outer(text: &str) -> &str {
    let Some(inner) = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')) else {
        return text;
    };
    let mut depth = 0;
    for c in inner.chars() {
        match c {
            '(' => depth += 1,
            ')' if depth == 0 => return text,
            ')' => depth -= 1,
            _ => {}
        }
    }
    inner
}
