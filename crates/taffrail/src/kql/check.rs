//! Checking queries against a schema: no rows, no server, no query engine.

use std::io::{BufRead, Write};

use serde::Deserialize;
use serde_json::{Value, json};
use taffrail_engine::functions::catalog;
use taffrail_kql::bound::Rel;
use taffrail_kql::catalog::{Entity, Schema};
use taffrail_kql::diagnostic::{Severity, line_column};
use taffrail_kql::{BoundQuery, Code, Diagnostic, Environment};

use crate::{DONE, FOUND};

/// Any moment will do: what `now()` is changes nothing in a check.
pub(super) const NOW: i64 = 638_000_000_000_000_000;

/// The built-in tables, for checking: columns that only rows can tell are taken as they come.
pub struct Open(pub taffrail_schema::Schema);

impl Schema for Open {
    fn entity(&self, name: &str) -> Option<Entity> {
        self.0.entity(name)
    }

    fn names(&self) -> Vec<String> {
        self.0.names()
    }

    fn open(&self) -> bool {
        true
    }
}

#[derive(Deserialize)]
struct Request {
    id: Value,
    query: String,
}

/// Answers every line of standard input, in order.
pub fn batch(schema: &dyn Schema) -> anyhow::Result<u8> {
    let mut input = std::io::BufReader::with_capacity(1 << 16, std::io::stdin().lock());
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut line = String::new();
    loop {
        line.clear();
        if input.read_line(&mut line)? == 0 {
            out.flush()?;
            return Ok(DONE);
        }
        if line.trim().is_empty() {
            continue;
        }
        let answer = match serde_json::from_str::<Request>(&line) {
            Ok(request) => answer(request.id, &request.query, schema),
            Err(error) => {
                let message = format!("the line is no {{\"id\",\"query\"}}: {error}");
                let error = json!({ "kind": "syntax", "message": message, "start": 0, "length": 0, "line": 1, "column": 1 });
                json!({ "id": null, "ok": false, "errors": [error], "columns": [] })
            }
        };
        writeln!(out, "{answer}")?;
        // Who waits for an answer before the next question gets it.
        if input.buffer().is_empty() {
            out.flush()?;
        }
    }
}

fn answer(id: Value, query: &str, schema: &dyn Schema) -> Value {
    match compile(query, schema) {
        Ok(bound) => {
            let columns = last(&bound).columns.iter();
            let columns: Vec<Value> = columns
                .map(|column| json!({ "name": column.name, "type": column.ty.name() }))
                .collect();
            json!({ "id": id, "ok": true, "errors": [], "columns": columns })
        }
        Err(problems) => {
            let errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
            let errors: Vec<Value> = errors.map(|problem| error(query, problem)).collect();
            json!({ "id": id, "ok": false, "errors": errors, "columns": [] })
        }
    }
}

/// Places are counted in UTF-16 code units, as the language service of the language's makers counts them.
fn error(query: &str, problem: &Diagnostic) -> Value {
    let units = |from: usize, to: usize| query.get(from..to).unwrap_or_default().encode_utf16().count();
    let (line, column) = line_column(query, problem.span.start);
    let message = match &problem.help {
        Some(help) => format!("{}; {help}", problem.message),
        None => problem.message.clone(),
    };
    json!({
        "kind": if problem.code == Code::Syntax { "syntax" } else { "semantic" },
        "message": message,
        "start": units(0, problem.span.start),
        "length": units(problem.span.start, problem.span.end),
        "line": line,
        "column": column,
    })
}

/// Of several answers the last, as the language's own analyser has it.
fn last(bound: &BoundQuery) -> &Rel {
    bound.further.last().map_or(&bound.root, |table| &table.rel)
}

fn compile(query: &str, schema: &dyn Schema) -> Result<BoundQuery, Vec<Diagnostic>> {
    let environment = Environment {
        catalog: catalog(),
        schema,
        now: NOW,
        parameters: &[],
    };
    taffrail_kql::compile(query, &environment)
}

/// Prints what is wrong with one query; gives the exit code.
pub fn one(query: &str, schema: &dyn Schema) -> anyhow::Result<u8> {
    match compile(query, schema) {
        Ok(bound) => {
            print(query, &bound.warnings);
            for column in &last(&bound).columns {
                writeln!(std::io::stdout(), "{}: {}", column.name, column.ty)?;
            }
            Ok(DONE)
        }
        Err(problems) => {
            print(query, &problems);
            Ok(FOUND)
        }
    }
}

/// Problems, each with its line.
pub fn print(query: &str, problems: &[Diagnostic]) {
    for problem in problems {
        eprintln!("{}", problem.render(query));
    }
}
