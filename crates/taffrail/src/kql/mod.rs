//! `taffrail kql`: the language without a server: check, format, list.

mod check;
mod docs;

use std::io::{Read, Write};
use std::path::Path;

use anyhow::Context;
use serde_json::{Value, json};
use taffrail_content::Content;
use taffrail_engine::functions::catalog;
use taffrail_kql::catalog::{Function, FunctionKind, Schema};

use crate::args::{KqlCommand, KqlOptions, RulesFormat};
use crate::{DONE, FOUND};

/// Runs the command; gives the exit code.
pub fn run(options: KqlOptions) -> anyhow::Result<u8> {
    match options.command {
        KqlCommand::Check { file, batch, schema } => {
            let schema = schema_of(schema.as_deref())?;
            if batch {
                return check::batch(schema.as_ref());
            }
            check::one(&text(file.as_deref())?, schema.as_ref())
        }
        KqlCommand::Format { file, check } => format(file.as_deref(), check),
        KqlCommand::Functions { format } => {
            functions(format)?;
            Ok(DONE)
        }
        KqlCommand::Docs => {
            write!(std::io::stdout(), "{}", docs::page())?;
            Ok(DONE)
        }
        KqlCommand::Schema => {
            let schema = taffrail_schema::Schema::load(&Content::embedded())?;
            writeln!(std::io::stdout(), "{}", taffrail_schema::show(&schema))?;
            Ok(DONE)
        }
    }
}

/// The tables of a file in Kusto's form, or the built-in ones.
fn schema_of(file: Option<&Path>) -> anyhow::Result<Box<dyn Schema>> {
    let Some(file) = file else {
        return Ok(Box::new(check::Open(taffrail_schema::Schema::load(&Content::embedded())?)));
    };
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let schema = taffrail_schema::KustoSchema::parse(&text).with_context(|| format!("{}", file.display()))?;
    Ok(Box::new(schema))
}

/// A file, or standard input for `-` and none.
fn text(file: Option<&Path>) -> anyhow::Result<String> {
    match file.filter(|file| file.as_os_str() != "-") {
        Some(file) => std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display())),
        None => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("standard input is no text")?;
            Ok(text)
        }
    }
}

fn format(file: Option<&Path>, check: bool) -> anyhow::Result<u8> {
    let text = text(file)?;
    match taffrail_kql::format(&text) {
        Ok(formatted) if check => Ok(if formatted == text { DONE } else { FOUND }),
        Ok(formatted) => {
            write!(std::io::stdout(), "{formatted}")?;
            Ok(DONE)
        }
        Err(problems) => {
            check::print(&text, &problems);
            Ok(FOUND)
        }
    }
}

fn functions(format: RulesFormat) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let mut functions = catalog().functions();
    functions.sort_by_key(|function| (kind(function), function.name));
    if format == RulesFormat::Json {
        let all: Vec<Value> = functions
            .iter()
            .map(|function| {
                json!({
                    "name": function.name,
                    "kind": kind(function),
                    "aliases": function.aliases,
                    "usage": function.usage,
                    "summary": function.summary,
                })
            })
            .collect();
        writeln!(out, "{}", Value::from(all))?;
        return Ok(());
    }
    let mut heading = "";
    for function in functions {
        if heading != kind(function) {
            heading = kind(function);
            writeln!(out, "{}{heading}", if heading == "aggregate" { "" } else { "\n" })?;
        }
        writeln!(out, "  {}\n      {}", function.usage, function.summary)?;
    }
    Ok(())
}

fn kind(function: &Function) -> &'static str {
    match function.kind {
        FunctionKind::Aggregate => "aggregate",
        FunctionKind::Plugin => "plugin",
        FunctionKind::Scalar => "scalar",
        FunctionKind::Window => "window",
    }
}
