//! `taffrail rules backtest`: what rules would have raised.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use chrono::{DateTime, TimeDelta, Utc};
use taffrail_content::Content;
use taffrail_detect::backtest::{Backtest, backtest};
use taffrail_detect::ruleset::parse_rule;
use taffrail_detect::{Rule, RuleSet};
use taffrail_engine::{Engine, EngineOptions, QueryRequest};
use taffrail_lake::{Lake, LakeOptions};
use taffrail_sources::Context;
use taffrail_sources::files::LogFile;

use crate::args::RulesFormat;
use crate::query::LakeSource;
use crate::serve::LAKE;
use crate::{DONE, local};

/// The history.
pub struct Over<'a> {
    /// A data directory
    pub data_dir: Option<&'a Path>,
    /// Or logs
    pub logs: &'a [PathBuf],
    /// Days back from its last row
    pub days: f64,
}

/// Runs the command; gives the exit code.
pub async fn run(content: &Content, rules: &RuleSet, only: &[String], over: &Over<'_>, format: RulesFormat) -> anyhow::Result<u8> {
    let (engine, tables) = history(content, over).await?;
    let chosen = choose(rules, only)?;
    let Some(last) = last_row(&engine, &tables).await? else {
        bail!("there are no rows to run rules over")
    };
    let to = last + TimeDelta::seconds(1);
    let from = to - TimeDelta::milliseconds((over.days * 86_400_000.0) as i64);
    let mut reports: Vec<Backtest> = Vec::new();
    for rule in &chosen {
        match backtest(&engine, rule, from, to).await {
            Ok(report) => reports.push(report),
            Err(error) => anstream::eprintln!("error: {}: {}", rule.id, taffrail_detect::rule_test::message(&rule.query, &error)),
        }
    }
    let several = chosen.len() > 1;
    // The loudest first: that is what there is to tune.
    reports.sort_by(|a, b| b.alerts.cmp(&a.alerts).then(a.rule.cmp(&b.rule)));
    let mut out = std::io::stdout().lock();
    match format {
        RulesFormat::Json => writeln!(out, "{}", serde_json::to_string_pretty(&reports)?)?,
        RulesFormat::Text if several => {
            writeln!(out, "{:>8} {:>9} {:>9}  {:<44} most often", "alerts", "incidents", "a day", "rule")?;
            for report in &reports {
                let most = report
                    .entities
                    .first()
                    .map(|most| format!("{} ({})", most.name, most.count))
                    .unwrap_or_default();
                writeln!(
                    out,
                    "{:>8} {:>9} {:>9.1}  {:<44} {most}",
                    report.alerts, report.incidents, report.alerts_per_day, report.rule
                )?;
            }
        }
        RulesFormat::Text => {
            for report in &reports {
                write!(out, "{}", report.text())?;
            }
        }
    }
    Ok(DONE)
}

fn choose(rules: &RuleSet, only: &[String]) -> anyhow::Result<Vec<Rule>> {
    if only.is_empty() {
        return Ok(rules.iter().map(|loaded| loaded.rule.clone()).collect());
    }
    only.iter()
        .map(|name| {
            if let Some(loaded) = rules.get(name) {
                return Ok(loaded.rule.clone());
            }
            let path = Path::new(name);
            if path.is_file() {
                return Ok(parse_rule(name, &std::fs::read_to_string(path)?)?);
            }
            bail!("there is no rule and no file {name}; taffrail rules list shows the rules")
        })
        .collect()
}

async fn history(content: &Content, over: &Over<'_>) -> anyhow::Result<(Engine, Vec<String>)> {
    let schema = local::schema(content)?;
    if let Some(directory) = over.data_dir {
        let lake = directory.join(LAKE);
        if !lake.is_dir() {
            bail!("{} is no data directory of taffrail serve: it has no {LAKE}/", directory.display());
        }
        let lake = Lake::open_read_only(&lake, Arc::clone(&schema), LakeOptions::default()).await?;
        let tables = schema
            .tables()
            .map(|table| table.name.clone())
            .filter(|name| !OWN.contains(&name.as_str()))
            .collect();
        return Ok((Engine::new(schema, Arc::new(LakeSource(lake)), EngineOptions::default()), tables));
    }
    let mut batches = Vec::new();
    for path in over.logs {
        let mut file = LogFile::open(path)?;
        let context = Context {
            cluster: String::new(),
            received: Utc::now(),
            schema: &schema,
            origin: path.display().to_string(),
        };
        while let Some(decoded) = file
            .next_chunk("auto", &context)
            .with_context(|| format!("cannot read {}", path.display()))?
        {
            batches.extend(decoded.batches);
        }
    }
    let mut tables: Vec<String> = batches.iter().map(|(table, _)| table.clone()).collect();
    tables.sort();
    tables.dedup();
    Ok((local::engine(&schema, batches)?, tables))
}

/// Tables that detection itself writes.
const OWN: [&str; 5] = ["SecurityAlert", "SecurityIncident", "TaffrailHealth", "RuleLedger", "DeadLetter"];

async fn last_row(engine: &Engine, tables: &[String]) -> anyhow::Result<Option<DateTime<Utc>>> {
    let mut last = None;
    for table in tables {
        let result = engine
            .query(
                &format!("['{table}'] | summarize Last = max(TimeGenerated)"),
                &QueryRequest::default(),
            )
            .await?;
        for row in result.rows() {
            let time = row
                .first()
                .and_then(|value| value.as_str())
                .and_then(|text| DateTime::parse_from_rfc3339(text).ok());
            last = last.max(time.map(|time| time.with_timezone(&Utc)));
        }
    }
    Ok(last)
}
