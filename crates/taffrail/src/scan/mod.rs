//! `taffrail scan`: audit logs in, findings out. No server, no configuration.

mod sarif;
mod text;

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use chrono::Utc;
use indicatif::{ProgressBar, ProgressStyle};
use taffrail_content::Content;
use taffrail_detect::finding::{Finding, group};
use taffrail_detect::scan::{Timeline, scan_batches};
use taffrail_schema::Schema;
use taffrail_sources::files::LogFile;
use taffrail_sources::{Context, DeadLetter};

use crate::args::{ScanFormat, ScanOptions};
use crate::local::{self, Batches};
use crate::{DONE, FAILED, FOUND};

/// Bad records described one by one; the others are counted.
const SHOWN_DEAD: usize = 5;

/// What was read.
#[derive(Debug, Default)]
struct Input {
    batches: Batches,
    records: u64,
    rejected: u64,
    dead: Vec<(String, DeadLetter)>,
    /// Files that could not be read to their end
    failures: Vec<String>,
}

/// Runs the command; gives the exit code.
pub async fn run(options: ScanOptions) -> anyhow::Result<u8> {
    let content = Content::embedded();
    let schema = local::schema(&content)?;
    let mut rules = local::rules(&content, &options.rules)?;
    if !options.only.is_empty() {
        rules.retain(|rule| options.only.iter().any(|text| rule.id.contains(text.as_str())));
        if rules.is_empty() {
            bail!(
                "no rule has {} in its id; taffrail rules list shows them",
                options.only.join(" or ")
            );
        }
    }
    if taffrail_sources::Catalogue::source(&options.source).is_none() {
        bail!(
            "there is no source {}; known are {}",
            options.source,
            taffrail_sources::Catalogue::names()
        );
    }
    let paths = expand(&options.paths)?;
    let progress = progress_bar(&options, &paths);

    let input = {
        let (schema, progress, options) = (schema.clone(), progress.clone(), (options.source.clone(), options.cluster.clone()));
        tokio::task::spawn_blocking(move || read(&paths, &options.0, &options.1, &schema, &progress)).await?
    };
    let tables: Vec<String> = {
        let mut tables: Vec<String> = input.batches.iter().map(|(table, _)| table.clone()).collect();
        tables.sort();
        tables.dedup();
        tables
    };
    let engine = local::engine(&schema, input.batches.clone())?;
    let mut timeline = Timeline::default();
    for table in &tables {
        timeline.add(Timeline::of(&engine, table).await.context("cannot read the times of the events")?);
    }

    progress.set_length(rules.len() as u64);
    progress.set_position(0);
    progress.set_style(ProgressStyle::with_template("{spinner} {pos}/{len} rules  {msg}").unwrap_or_else(|_| ProgressStyle::default_bar()));
    let all = rules.iter().map(|loaded| Arc::new(loaded.rule.clone()));
    let (alerts, failures) = scan_batches(&engine, &schema, &input.batches, all, &timeline, |rule| {
        progress.inc(1);
        progress.set_message(rule.name.clone());
    })
    .await
    .context("the rules cannot be compiled")?;
    progress.finish_and_clear();

    let detections = |id: &str| rules.get(id).map(|loaded| loaded.rule.detections.clone()).unwrap_or_default();
    let findings: Vec<Finding> = group(alerts, detections)
        .into_iter()
        .filter(|finding| finding.severity >= options.min_severity)
        .collect();
    let mut out = std::io::stdout().lock();
    match options.format {
        ScanFormat::Text => text::print(&findings, input.records, rules.len(), &mut anstream::AutoStream::auto(out))?,
        ScanFormat::Json => {
            serde_json::to_writer_pretty(&mut out, &findings)?;
            writeln!(out)?;
        }
        ScanFormat::Jsonl => {
            for finding in &findings {
                serde_json::to_writer(&mut out, finding)?;
                writeln!(out)?;
            }
        }
        ScanFormat::Sarif => {
            serde_json::to_writer_pretty(&mut out, &sarif::report(&findings, &rules))?;
            writeln!(out)?;
        }
        ScanFormat::Csv => csv(&findings, &mut out)?,
    }

    report_bad(&input.dead, input.rejected);
    for failure in &input.failures {
        anstream::eprintln!("error: {failure}");
    }
    for failure in &failures {
        let query = rules
            .get(&failure.rule)
            .map(|loaded| loaded.rule.query.as_str())
            .unwrap_or_default();
        anstream::eprintln!(
            "error: the rule {} failed: {}",
            failure.rule,
            taffrail_detect::rule_test::message(query, &failure.error)
        );
    }
    if !failures.is_empty() || !input.failures.is_empty() {
        return Ok(FAILED);
    }
    if input.records == 0 {
        bail!("there was no event in what was read: is it an audit log? --source names other kinds of log");
    }
    if input.records == input.rejected {
        bail!("none of the {} records could be read as {}", input.records, options.source);
    }
    let found = findings.iter().any(|finding| finding.severity >= options.fail_on);
    Ok(if found { FOUND } else { DONE })
}

/// Files of the arguments: globs are expanded, directories walked.
fn expand(arguments: &[String]) -> anyhow::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for argument in arguments {
        let path = Path::new(argument);
        if argument == "-" || path.is_file() {
            paths.push(path.to_owned());
        } else if path.is_dir() {
            let before = paths.len();
            walk(path, &mut paths)?;
            if paths.len() == before {
                bail!("there is no file in {argument}");
            }
        } else if argument.contains(['*', '?', '[']) {
            let matches: Vec<PathBuf> = glob::glob(argument)
                .with_context(|| format!("{argument} is no valid pattern"))?
                .filter_map(Result::ok)
                .filter(|path| path.is_file())
                .collect();
            if matches.is_empty() {
                bail!("no file matches {argument}");
            }
            paths.extend(matches);
        } else if path.exists() {
            paths.push(path.to_owned());
        } else {
            bail!("there is no file {argument}");
        }
    }
    Ok(paths)
}

fn walk(directory: &Path, paths: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = std::fs::read_dir(directory).with_context(|| format!("cannot read the directory {}", directory.display()))?;
    let mut entries: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() && !path.is_symlink() {
            walk(&path, paths)?;
        } else if path.is_file() {
            paths.push(path);
        }
    }
    Ok(())
}

fn progress_bar(options: &ScanOptions, paths: &[PathBuf]) -> ProgressBar {
    if options.quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let total: u64 = paths
        .iter()
        .filter_map(|path| path.metadata().ok())
        .map(|metadata| metadata.len())
        .sum();
    let bar = ProgressBar::new(total);
    let style =
        ProgressStyle::with_template("{spinner} {wide_bar} {bytes}/{total_bytes}  {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style);
    bar
}

fn read(paths: &[PathBuf], source: &str, cluster: &str, schema: &Schema, progress: &ProgressBar) -> Input {
    let mut input = Input::default();
    let mut done = 0;
    for path in paths {
        progress.set_message(path.display().to_string());
        if let Err(error) = read_file(path, source, cluster, schema, progress, done, &mut input) {
            input.failures.push(error.to_string());
        }
        done += path.metadata().map(|metadata| metadata.len()).unwrap_or_default();
    }
    input
}

fn read_file(
    path: &Path,
    source: &str,
    cluster: &str,
    schema: &Schema,
    progress: &ProgressBar,
    done: u64,
    input: &mut Input,
) -> Result<(), taffrail_sources::files::FileError> {
    let mut file = LogFile::open(path)?;
    let name = file.name().to_owned();
    let context = Context {
        cluster: cluster.to_owned(),
        received: Utc::now(),
        schema,
        origin: name.clone(),
    };
    while let Some(decoded) = file.next_chunk(source, &context)? {
        progress.set_position(done + file.consumed());
        input.records += decoded.records as u64;
        input.rejected += decoded.rejected as u64;
        input.dead.extend(decoded.dead.into_iter().map(|letter| (name.clone(), letter)));
        input.batches.extend(decoded.batches);
    }
    Ok(())
}

fn report_bad(dead: &[(String, DeadLetter)], rejected: u64) {
    if rejected == 0 {
        return;
    }
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    for (_, letter) in dead {
        *reasons.entry(letter.reason.as_str()).or_default() += 1;
    }
    let reasons: Vec<String> = reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    anstream::eprintln!(
        "warning: {rejected} records could not be read and were left out: {}",
        reasons.join(", ")
    );
    for (name, letter) in dead.iter().take(SHOWN_DEAD) {
        anstream::eprintln!("  {name}, record {}: {}: {}", letter.record, letter.reason, letter.detail);
    }
}

fn csv(findings: &[Finding], out: &mut dyn Write) -> anyhow::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record([
        "severity",
        "rule",
        "title",
        "entities",
        "tactics",
        "techniques",
        "firstActivity",
        "lastActivity",
        "count",
    ])?;
    for finding in findings {
        let entities: Vec<String> = finding
            .entities
            .iter()
            .map(|entity| format!("{}:{}", entity.kind, entity.name))
            .collect();
        writer.write_record([
            finding.severity.to_string(),
            finding.rule.clone(),
            finding.title.clone(),
            entities.join(" "),
            finding.tactics.join(" "),
            finding.techniques.join(" "),
            finding.first_activity.to_rfc3339(),
            finding.last_activity.to_rfc3339(),
            finding.count.to_string(),
        ])?;
    }
    writer.flush()?;
    Ok(())
}
