//! `taffrail rules`: list, show, lint, test, coverage here; the rest beside.

mod backtest;
mod explain;
mod files;

use std::io::Write;

use anyhow::bail;
use arrow::record_batch::RecordBatch;
use chrono::Utc;
use serde_json::json;
use taffrail_content::Content;
use taffrail_detect::lint::lint;
use taffrail_detect::{Kind, RuleSet, coverage, rule_test};
use taffrail_schema::Schema;
use taffrail_sources::Context;

use crate::args::{QueryFormat, RulesCommand, RulesFormat, RulesOptions};
use crate::output::{self, Answer};
use crate::{DONE, FOUND, local};

/// Runs the command; gives the exit code.
pub async fn run(options: RulesOptions) -> anyhow::Result<u8> {
    let content = Content::embedded();
    let rules = local::rules(&content, &options.rules)?;
    match &options.command {
        RulesCommand::List => list(&rules, options.format),
        RulesCommand::Show { id } => show(&rules, id, options.format),
        RulesCommand::Explain { id } => explain::run(&content, &rules, id.as_deref(), options.format).await,
        RulesCommand::Import { paths, to } => files::import(&content, paths, to),
        RulesCommand::Export { only, to } => files::export(&rules, only, to),
        RulesCommand::Convert { paths, to } => files::convert(&content, paths, to.as_deref()),
        RulesCommand::Backtest { only, data_dir, log, days } => {
            let over = backtest::Over {
                data_dir: data_dir.as_deref(),
                logs: log,
                days: *days,
            };
            backtest::run(&content, &rules, only, &over, options.format).await
        }
        RulesCommand::Lint => lint_all(&content, &rules, options.format),
        RulesCommand::Coverage { navigator } => coverage_of(&content, &rules, *navigator, options.format),
        RulesCommand::Test { only } => test_all(&content, &rules, only, options.format).await,
    }
}

fn list(rules: &RuleSet, format: RulesFormat) -> anyhow::Result<u8> {
    let mut out = std::io::stdout().lock();
    if format == RulesFormat::Json {
        let rules: Vec<_> = rules.iter().map(|loaded| &loaded.rule).collect();
        serde_json::to_writer_pretty(&mut out, &rules)?;
        writeln!(out)?;
        return Ok(DONE);
    }
    let columns = ["Severity", "Id", "Name", "Kind", "Techniques", "Tests"]
        .map(|name| (name.to_owned(), "string".to_owned()))
        .to_vec();
    let mut sorted: Vec<_> = rules.iter().collect();
    sorted.sort_by(|a, b| b.rule.severity.cmp(&a.rule.severity).then(a.rule.id.cmp(&b.rule.id)));
    let rows = sorted
        .into_iter()
        .map(|loaded| {
            let rule = &loaded.rule;
            let kind = match rule.kind {
                Kind::Nrt => "NRT".to_owned(),
                Kind::Scheduled => format!("every {}", taffrail_detect::rule::format_duration(rule.frequency())),
            };
            let tests = loaded
                .tests
                .as_ref()
                .map_or(0, |tests| tests.lines().filter(|line| !line.trim().is_empty()).count());
            [
                rule.severity.to_string(),
                rule.id.clone(),
                rule.name.clone(),
                kind,
                rule.relevant_techniques.join(" "),
                tests.to_string(),
            ]
            .map(serde_json::Value::String)
            .to_vec()
        })
        .collect();
    output::print(
        &Answer {
            columns,
            rows,
            further: Vec::new(),
        },
        QueryFormat::Table,
        &mut out,
    )?;
    Ok(DONE)
}

fn show(rules: &RuleSet, id: &str, format: RulesFormat) -> anyhow::Result<u8> {
    let Some(loaded) = rules.get(id) else {
        bail!("there is no rule {id}; taffrail rules list shows them")
    };
    let mut out = std::io::stdout().lock();
    match format {
        RulesFormat::Json => serde_json::to_writer_pretty(&mut out, &loaded.rule)?,
        RulesFormat::Text => write!(out, "{}", serde_yaml_ng::to_string(&loaded.rule)?)?,
    }
    writeln!(out)?;
    Ok(DONE)
}

fn lint_all(content: &Content, rules: &RuleSet, format: RulesFormat) -> anyhow::Result<u8> {
    let engine = local::engine(&local::schema(content)?, Vec::new())?;
    let mut out = std::io::stdout().lock();
    let mut errors = 0;
    let mut reports = Vec::new();
    for loaded in rules.iter() {
        for remark in lint(&engine, &loaded.rule) {
            errors += usize::from(remark.error);
            if format == RulesFormat::Text {
                writeln!(
                    out,
                    "{}: {} in {}: {}",
                    loaded.path,
                    if remark.error { "error" } else { "warning" },
                    remark.field,
                    remark.message
                )?;
            }
            reports.push(json!({ "rule": loaded.rule.id, "path": loaded.path, "error": remark.error, "field": remark.field, "message": remark.message }));
        }
    }
    match format {
        RulesFormat::Json => writeln!(out, "{}", serde_json::to_string_pretty(&reports)?)?,
        RulesFormat::Text => writeln!(out, "{} rules: {errors} errors, {} warnings", rules.len(), reports.len() - errors)?,
    }
    Ok(if errors > 0 { FOUND } else { DONE })
}

async fn test_all(content: &Content, rules: &RuleSet, only: &[String], format: RulesFormat) -> anyhow::Result<u8> {
    let schema = local::schema(content)?;
    let decode = |source: &str, bytes: &[u8]| decode(&schema, source, bytes);
    let engine_over = |batches| local::engine(&schema, batches).map_err(|error| format!("{error:#}"));
    let mut outcomes = Vec::new();
    let mut untested = Vec::new();
    for loaded in rules.iter() {
        if !only.is_empty() && !only.iter().any(|text| loaded.rule.id.contains(text.as_str())) {
            continue;
        }
        let results = match &loaded.tests {
            Some(tests) => rule_test::run(&loaded.rule, tests, &decode, &engine_over).await,
            None => Vec::new(),
        };
        if !results.iter().any(|outcome| outcome.positive) || !results.iter().any(|outcome| !outcome.positive) {
            untested.push(loaded.rule.id.clone());
        }
        outcomes.extend(results);
    }
    let mut out = std::io::stdout().lock();
    let failed = outcomes.iter().filter(|outcome| outcome.failure.is_some()).count();
    match format {
        RulesFormat::Json => writeln!(
            out,
            "{}",
            serde_json::to_string_pretty(&json!({ "outcomes": outcomes, "untested": untested }))?
        )?,
        RulesFormat::Text => {
            for outcome in &outcomes {
                if let Some(failure) = &outcome.failure {
                    writeln!(out, "FAIL {}: {}: {failure}", outcome.rule, outcome.case)?;
                }
            }
            for rule in &untested {
                writeln!(
                    out,
                    "FAIL {rule}: a rule needs events that must match and events that must not, in tests/{rule}.jsonl beside it"
                )?;
            }
            writeln!(out, "{} passed, {} failed", outcomes.len() - failed, failed + untested.len())?;
        }
    }
    Ok(if failed + untested.len() > 0 { FOUND } else { DONE })
}

fn coverage_of(content: &Content, rules: &RuleSet, navigator: bool, format: RulesFormat) -> anyhow::Result<u8> {
    let report = coverage::report(&coverage::Target::load(content)?, rules, &coverage::hunts(content)?);
    let mut out = std::io::stdout().lock();
    if navigator {
        serde_json::to_writer_pretty(&mut out, &report.navigator())?;
        writeln!(out)?;
        return Ok(DONE);
    }
    match format {
        RulesFormat::Json => {
            serde_json::to_writer_pretty(&mut out, &report)?;
            writeln!(out)?;
        }
        RulesFormat::Text => write!(out, "{}", report.markdown())?,
    }
    Ok(DONE)
}

fn decode(schema: &Schema, source: &str, bytes: &[u8]) -> Result<Vec<(String, RecordBatch)>, String> {
    let context = Context {
        cluster: "test".to_owned(),
        received: Utc::now(),
        schema,
        origin: "rule test".to_owned(),
    };
    // Rules over what Taffrail writes itself have rows of a table as their events.
    let decoded = match schema.table(source) {
        Some(_) => taffrail_sources::decode_into(source, taffrail_sources::Naming::Exact, bytes, &context),
        None => taffrail_sources::decode(source, bytes, &context),
    };
    let decoded = decoded.map_err(|error| error.to_string())?;
    if let Some(letter) = decoded.dead.first() {
        return Err(format!(
            "event {} cannot be read: {}: {}",
            letter.record, letter.reason, letter.detail
        ));
    }
    Ok(decoded.batches)
}
