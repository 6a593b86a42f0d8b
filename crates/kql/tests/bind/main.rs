//! What queries bind to: files of queries with the columns (or the problems) they give, and the recorded cases.
//!
//! A block of a `.txt` file is a query, then `=> name: type, ...` or a line `!! CODE "place" message` for each
//! problem (`??` for a warning).
//! `UPDATE=1 cargo test` writes what is now into the files: review the difference.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod catalog;
mod completion;
mod library;
mod mutated;
mod oracle;
mod properties;
mod schema;

use std::fmt::Write;
use std::path::Path;

use taffrail_kql::diagnostic::Severity;
use taffrail_kql::{Environment, Value, compile};

/// What a query gives, as the files write it.
fn answer(text: &str) -> String {
    let schema = schema::TestSchema::standard();
    let parameters = [("given".to_owned(), Value::String("7".to_owned()))];
    let env = Environment {
        catalog: catalog::catalog(),
        schema: &schema,
        now: 638_000_000_000_000_000,
        parameters: &parameters,
    };
    let (heading, problems) = match compile(text, &env) {
        Ok(bound) => {
            let columns: Vec<String> = bound
                .root
                .columns
                .iter()
                .map(|column| format!("{}: {}", column.name, column.ty))
                .collect();
            (format!("=> {}\n", columns.join(", ")), bound.warnings)
        }
        Err(problems) => (String::new(), problems),
    };
    let mut out = heading;
    for problem in problems {
        let place = text.get(problem.span.start..problem.span.end).unwrap_or("?");
        write!(
            out,
            "{} {} \"{}\" {}",
            if problem.severity == Severity::Error { "!!" } else { "??" },
            problem.code.as_str(),
            place.replace('\n', " "),
            problem.message
        )
        .unwrap();
        if let Some(help) = problem.help {
            write!(out, " ({help})").unwrap();
        }
        if let Some(fix) = problem.fix {
            let old = text.get(fix.span.start..fix.span.end).unwrap_or("?");
            write!(out, " [{old} -> {}]", fix.text).unwrap();
        }
        out.push('\n');
    }
    out
}

#[test]
fn queries_bind_as_written_down() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bind");
    let update = std::env::var_os("UPDATE").is_some();
    let mut failures = String::new();
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        files += 1;
        let text = std::fs::read_to_string(&path).unwrap();
        let mut renewed = String::new();
        for block in text.split("\n\n") {
            let block = block.trim_matches('\n');
            let is_answer = |line: &&str| line.starts_with("=> ") || line.starts_with("!! ") || line.starts_with("?? ") || *line == "=>";
            let query: Vec<&str> = block.lines().take_while(|line| !is_answer(line)).collect();
            let comments = query.iter().filter(|line| line.starts_with('#')).count();
            let query = query.join("\n");
            if block.is_empty() || comments == query.lines().count() {
                writeln!(renewed, "{block}\n").unwrap();
                continue;
            }
            let expected = block.get(query.len()..).unwrap_or_default().trim_matches('\n');
            let got = answer(&query);
            if expected != got.trim_matches('\n') {
                writeln!(failures, "{}\n{query}\nwant:\n{expected}\ngot:\n{got}", path.display()).unwrap();
            }
            write!(renewed, "{query}\n{got}\n").unwrap();
        }
        if update {
            std::fs::write(&path, format!("{}\n", renewed.trim_end())).unwrap();
        }
    }
    assert!(files > 0);
    assert!(failures.is_empty() || update, "{failures}");
}
