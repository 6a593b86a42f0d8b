//! `externaldata`: what it reads and how, checked here; an engine decides whether it may.
//!
//! Source: Kusto Query Language reference, "externaldata operator", and the ingestion properties it names.

use super::{Binder, Bound, Scope, suggest};
use crate::bound::{External, Rel, RelKind};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::syntax::ast;
use crate::types::{Type, Value};

/// Formats that can be read.
const FORMATS: &[&str] = &[
    "csv",
    "json",
    "multijson",
    "parquet",
    "psv",
    "raw",
    "scsv",
    "sohsv",
    "tsv",
    "tsve",
    "txt",
];

impl Binder<'_> {
    pub(crate) fn external_data(
        &mut self,
        columns: &[(ast::Name, Type)],
        uris: &[ast::Expr],
        properties: &[(ast::Name, ast::Expr)],
        span: Span,
        scope: &Scope,
    ) -> Bound<Rel> {
        let mut addresses = Vec::with_capacity(uris.len());
        for uri in uris {
            match self.constant(uri, scope, "an address")? {
                // Behind a `;` stand keys for storage that is not read here.
                Value::String(text) => addresses.push(text.split(';').next().unwrap_or_default().to_owned()),
                _ => return self.error(Code::Type, uri.span, "an address is a text"),
            }
        }
        if addresses.is_empty() {
            return self.error(Code::Syntax, span, "externaldata has no address to read from");
        }
        let mut format = None;
        let mut skip_first = false;
        for (name, value) in properties {
            match name.text.to_lowercase().as_str() {
                "format" => format = Some((self.word(value, scope, "the format")?.to_lowercase(), value.span)),
                "ignorefirstrecord" => skip_first = self.word(value, scope, "ignoreFirstRecord")?.eq_ignore_ascii_case("true"),
                "ingestionmapping" | "ingestionmappingreference" | "ingestionmappingtype" => {
                    return self.not_supported(name.span, &format!("{} of externaldata", name.text));
                }
                // Properties of ingestion that change nothing of what is read.
                _ => {}
            }
        }
        let format = match format {
            Some((format, place)) => {
                if !FORMATS.contains(&format.as_str()) {
                    let problem = suggest::unknown("format", &format, place, FORMATS.iter().copied());
                    return Err(self.report(problem));
                }
                format
            }
            None => addresses.first().map_or("csv", |address| by_ending(address)).to_owned(),
        };
        let mut bound = Vec::with_capacity(columns.len());
        for (name, ty) in columns {
            if bound.iter().any(|column: &crate::bound::Column| column.name == name.text) {
                let problem = Diagnostic::error(Code::Semantic, name.span, format!("there are two columns '{}'", name.text));
                return Err(self.report(problem));
            }
            bound.push(self.column(name.text.clone(), *ty));
        }
        let external = External {
            uris: addresses,
            format,
            skip_first,
        };
        Ok(self.rel(RelKind::External(external), bound, false, span))
    }
}

/// The format that an address ends in; compression aside.
fn by_ending(address: &str) -> &'static str {
    let path = address.split(['?', '#']).next().unwrap_or_default().to_lowercase();
    let path = path.trim_end_matches(".gz").trim_end_matches(".zip").trim_end_matches(".zst");
    let ending = path.rsplit('.').next().unwrap_or_default();
    match FORMATS.iter().find(|format| **format == ending) {
        Some(format) => format,
        None if matches!(ending, "jsonl" | "ndjson") => "json",
        None if ending == "log" => "txt",
        None => "csv",
    }
}
