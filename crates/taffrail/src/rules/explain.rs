//! `taffrail rules explain`: how rules are evaluated, and why.

use std::io::Write;
use std::sync::Arc;

use anyhow::bail;
use serde_json::json;
use taffrail_content::Content;
use taffrail_detect::stream::{CompiledRule, Stream};
use taffrail_detect::{Kind, RuleSet};

use crate::args::RulesFormat;
use crate::{DONE, local};

/// Runs the command; gives the exit code.
pub async fn run(content: &Content, rules: &RuleSet, id: Option<&str>, format: RulesFormat) -> anyhow::Result<u8> {
    let schema = local::schema(content)?;
    let engine = local::engine(&schema, Vec::new())?;
    let all = rules.iter().map(|loaded| Arc::new(loaded.rule.clone()));
    let (stream, failed) = Stream::new(&engine, &schema, all).await?;
    let mut out = std::io::stdout().lock();
    if let Some(id) = id {
        if let Some((rule, error)) = failed.iter().find(|(rule, _)| rule.id == id) {
            bail!(
                "the rule cannot be evaluated: {}",
                taffrail_detect::rule_test::message(&rule.query, error)
            );
        }
        let Some(compiled) = stream.rules.iter().find(|compiled| compiled.rule.id == id) else {
            bail!("there is no rule {id}; taffrail rules list shows them")
        };
        match format {
            RulesFormat::Json => writeln!(out, "{}", serde_json::to_string_pretty(&as_json(compiled))?)?,
            RulesFormat::Text => write!(out, "{}", compiled.explain())?,
        }
        return Ok(DONE);
    }
    if format == RulesFormat::Json {
        let all: Vec<_> = stream.rules.iter().map(as_json).collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&all)?)?;
        return Ok(DONE);
    }
    for compiled in &stream.rules {
        writeln!(out, "{:<44} {}", compiled.rule.id, compiled.summary())?;
    }
    for table in stream.tables() {
        if let Some(size) = stream.size(table) {
            writeln!(
                out,
                "{table}: {} rules ask {} different predicates, {} of them once for each value of a column; {} rules are found by a constant",
                size.rules, size.predicates, size.by_value, size.indexed
            )?;
        }
    }
    Ok(DONE)
}

fn as_json(compiled: &CompiledRule) -> serde_json::Value {
    json!({
        "rule": compiled.rule.id,
        "kind": if compiled.rule.kind == Kind::Nrt { "NRT" } else { "Scheduled" },
        "evaluation": compiled.summary(),
        "gathers": compiled.gathers,
        "dependsOnTime": !compiled.timeless,
        "tables": compiled.conditions.iter().map(|(table, condition)| json!({ "table": table, "alternatives": condition.alternatives.len(), "predicates": condition.alternatives.iter().map(Vec::len).sum::<usize>() })).collect::<Vec<_>>(),
    })
}
