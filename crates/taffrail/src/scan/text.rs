//! Findings for people, worst first.

use std::io::Write;

use anstyle::{AnsiColor, Style};
use taffrail_detect::Severity;
use taffrail_detect::finding::Finding;

use crate::output::text;

/// Events shown of one finding; the others are counted.
const SHOWN_EVENTS: usize = 5;
/// Entities shown of one finding.
const SHOWN_ENTITIES: usize = 8;

fn style(severity: Severity) -> Style {
    let style = Style::new().bold();
    match severity {
        Severity::High => style.fg_color(Some(AnsiColor::Red.into())),
        Severity::Medium => style.fg_color(Some(AnsiColor::Yellow.into())),
        Severity::Low => style.fg_color(Some(AnsiColor::Cyan.into())),
        Severity::Informational => Style::new().dimmed(),
    }
}

/// Prints findings and a closing line.
///
/// # Errors
/// When the output cannot be written.
pub fn print(findings: &[Finding], records: u64, rules: usize, out: &mut dyn Write) -> anyhow::Result<()> {
    let dim = Style::new().dimmed();
    for finding in findings {
        let color = style(finding.severity);
        writeln!(
            out,
            "{color}{:<13}{color:#} {}",
            finding.severity.as_str().to_uppercase(),
            finding.title
        )?;
        let first = finding.first_activity.format("%Y-%m-%d %H:%M:%S");
        let last = finding.last_activity.format("%H:%M:%S");
        let span = if finding.count > 1 {
            format!("{first} to {last} UTC, {} events", finding.count)
        } else {
            format!("{first} UTC")
        };
        writeln!(out, "  {dim}when{dim:#}   {span}")?;
        let mut entities: Vec<String> = finding
            .entities
            .iter()
            .take(SHOWN_ENTITIES)
            .map(|entity| format!("{} {}", entity.kind, entity.name))
            .collect();
        if finding.entities.len() > SHOWN_ENTITIES {
            entities.push(format!("and {} more", finding.entities.len() - SHOWN_ENTITIES));
        }
        writeln!(out, "  {dim}who{dim:#}    {}", entities.join(", "))?;
        writeln!(
            out,
            "  {dim}what{dim:#}   {} ({})  rule {}",
            finding.tactics.join(", "),
            finding.techniques.join(", "),
            finding.rule
        )?;
        if !finding.detections.is_empty() {
            writeln!(out, "  {dim}as{dim:#}     {}", finding.detections.join(", "))?;
        }
        if let Some(why) = finding.description.split("\n\n").next().filter(|why| !why.is_empty()) {
            writeln!(out, "  {dim}why{dim:#}    {}", why.replace('\n', " "))?;
        }
        for row in finding.evidence.iter().take(SHOWN_EVENTS) {
            let cell = |name: &str| row.get(name).map(text).unwrap_or_default();
            let resource = match (cell("Resource"), cell("Subresource")) {
                (resource, sub) if sub.is_empty() => resource,
                (resource, sub) => format!("{resource}/{sub}"),
            };
            let place = match (cell("Namespace"), cell("Name")) {
                (namespace, name) if namespace.is_empty() => name,
                (namespace, name) => format!("{namespace}/{name}"),
            };
            let what = if resource.is_empty() {
                cell("RequestUri")
            } else {
                format!("{resource} {place}")
            };
            let command = cell("Command");
            let command = if command.is_empty() { command } else { format!("  $ {command}") };
            let time = cell("TimeGenerated");
            let time = time.get(11..19).unwrap_or(&time).to_owned();
            writeln!(
                out,
                "         {dim}{time}{dim:#} {} {what} → {}{command}  {dim}{} from {}{dim:#}",
                cell("Verb"),
                cell("ResponseCode"),
                cell("AuditId"),
                cell("SourceIp")
            )?;
        }
        if finding.evidence.len() > SHOWN_EVENTS {
            writeln!(
                out,
                "         {dim}and {} more events{dim:#}",
                finding.evidence.len() - SHOWN_EVENTS
            )?;
        }
        writeln!(out)?;
    }
    let counts: Vec<String> = Severity::ALL
        .into_iter()
        .map(|severity| (severity, findings.iter().filter(|finding| finding.severity == severity).count()))
        .filter(|(_, count)| *count > 0)
        .map(|(severity, count)| format!("{count} {severity}"))
        .collect();
    let found = if counts.is_empty() {
        "nothing found".to_owned()
    } else {
        counts.join(", ")
    };
    writeln!(out, "{found}; {records} events read, {rules} rules run")?;
    Ok(())
}
