//! `taffrail rules import`, `export` and `convert`: rules as files of others, and ours for others.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use taffrail_content::Content;
use taffrail_detect::lint::lint;
use taffrail_detect::ruleset::parse_rule;
use taffrail_detect::{Rule, RuleSet, sigma};

use crate::{DONE, FOUND, local};

fn yaml_files(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut open: Vec<PathBuf> = paths.iter().rev().cloned().collect();
    while let Some(path) = open.pop() {
        let hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.') && name.len() > 1);
        if path.is_dir() {
            if hidden {
                continue;
            }
            let entries = std::fs::read_dir(&path).with_context(|| format!("cannot read the directory {}", path.display()))?;
            let mut below: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
            below.sort();
            open.extend(below.into_iter().rev());
        } else if path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml") || paths.contains(&path) {
            files.push(path);
        }
    }
    if files.is_empty() {
        bail!("there is no YAML file in what was named");
    }
    Ok(files)
}

/// A name for the file of a rule.
fn file_name(rule: &Rule) -> String {
    let id: String = rule
        .id
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' || c == '_' {
                c
            } else {
                '-'
            }
        })
        .collect();
    format!("{id}.yaml")
}

fn write_rule(rule: &Rule, to: &Path) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(to).with_context(|| format!("cannot make the directory {}", to.display()))?;
    let path = to.join(file_name(rule));
    std::fs::write(&path, serde_yaml_ng::to_string(rule)?).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// Reads rules as published and writes them to a directory.
pub fn import(content: &Content, paths: &[PathBuf], to: &Path) -> anyhow::Result<u8> {
    let engine = local::engine(&local::schema(content)?, Vec::new())?;
    let mut out = std::io::stdout().lock();
    let (mut done, mut failed, mut waiting, mut other) = (0, 0, 0, 0);
    for path in yaml_files(paths)? {
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        // A checkout holds other things, too: only what says that it is a rule must be one.
        let says_so = text.lines().any(|line| line.starts_with("query:")) && text.lines().any(|line| line.starts_with("kind:"));
        match parse_rule(&path.display().to_string(), &text) {
            Ok(rule) => {
                let errors: Vec<String> = lint(&engine, &rule)
                    .into_iter()
                    .filter(|remark| remark.error)
                    .map(|remark| remark.message)
                    .collect();
                write_rule(&rule, to)?;
                done += 1;
                if let Some(first) = errors.first() {
                    waiting += 1;
                    writeln!(
                        out,
                        "{}: imported, but cannot run here: {}",
                        path.display(),
                        first.lines().next().unwrap_or_default()
                    )?;
                }
            }
            Err(error) if says_so => {
                failed += 1;
                writeln!(out, "{}: {error}", path.display())?;
            }
            Err(_) => other += 1,
        }
    }
    writeln!(
        out,
        "{done} rules imported to {}, of which {waiting} cannot run here; {failed} not understood; {other} files are no rules",
        to.display()
    )?;
    Ok(if failed > 0 { FOUND } else { DONE })
}

/// Writes rules as Sentinel reads them.
pub fn export(rules: &RuleSet, only: &[String], to: &Path) -> anyhow::Result<u8> {
    let mut count = 0;
    for loaded in rules.iter() {
        if only.is_empty() || only.iter().any(|text| loaded.rule.id.contains(text.as_str())) {
            write_rule(&loaded.rule, to)?;
            count += 1;
        }
    }
    writeln!(std::io::stdout(), "{count} rules written to {}", to.display())?;
    Ok(DONE)
}

/// Turns Sigma rules into ours.
pub fn convert(content: &Content, paths: &[PathBuf], to: Option<&Path>) -> anyhow::Result<u8> {
    let engine = local::engine(&local::schema(content)?, Vec::new())?;
    let mut out = std::io::stdout().lock();
    let mut failed = 0;
    for path in yaml_files(paths)? {
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let converted = match sigma::convert(&text) {
            Ok(converted) => converted,
            Err(error) => {
                failed += 1;
                anstream::eprintln!("{}: {error}", path.display());
                continue;
            }
        };
        for (title, converted) in converted {
            match converted {
                Ok(converted) => {
                    for remark in &converted.remarks {
                        anstream::eprintln!("{}: {title}: {remark}", path.display());
                    }
                    for remark in lint(&engine, &converted.rule).into_iter().filter(|remark| remark.error) {
                        failed += 1;
                        anstream::eprintln!("{}: {title}: {}", path.display(), remark.message);
                    }
                    match to {
                        Some(to) => writeln!(out, "{}", write_rule(&converted.rule, to)?.display())?,
                        None => writeln!(out, "---\n{}", serde_yaml_ng::to_string(&converted.rule)?)?,
                    }
                }
                Err(error) => {
                    failed += 1;
                    anstream::eprintln!("{}: {title}: cannot be converted: {error}", path.display());
                }
            }
        }
    }
    Ok(if failed > 0 { FOUND } else { DONE })
}
