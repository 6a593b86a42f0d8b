//! Sigma rules, correlations included, as rules with KQL that people can read.
//!
//! Source: the Sigma specification 2.0 (rules, correlation rules, modifiers). What has no counterpart is said, not guessed: a converted
//! rule comes with remarks, and what cannot be converted at all is an error.

mod condition;
mod fields;
mod values;

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::Deserialize;
use serde_yaml_ng::Value as Yaml;

use crate::rule::{AggregationKind, EntityMapping, EventGrouping, FieldMapping, Kind, Rule, Severity, TriggerOperator, parse_duration};

pub use fields::LogSource;

/// A converted rule and what has to be said of it.
#[derive(Debug)]
pub struct Converted {
    /// The rule
    pub rule: Rule,
    /// What was left out or may mean something else
    pub remarks: Vec<String>,
}

/// Why a rule cannot be converted.
#[derive(Debug, thiserror::Error)]
pub enum SigmaError {
    /// It is no Sigma rule
    #[error("this is no Sigma rule: {0}")]
    Yaml(String),
    /// It uses what has no counterpart
    #[error("{0}")]
    Unsupported(String),
}

#[derive(Debug, Clone, Deserialize)]
struct Document {
    #[serde(default)]
    title: String,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    description: String,
    #[serde(default)]
    references: Vec<String>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    logsource: Option<LogSource>,
    #[serde(default)]
    detection: Option<IndexMap<String, Yaml>>,
    #[serde(default)]
    correlation: Option<Correlation>,
    #[serde(default)]
    falsepositives: Yaml,
    #[serde(default)]
    level: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Correlation {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    rules: Vec<String>,
    #[serde(default, rename = "group-by")]
    group_by: Vec<String>,
    #[serde(default)]
    timespan: Option<String>,
    #[serde(default)]
    condition: Option<IndexMap<String, Yaml>>,
    #[serde(default)]
    aliases: Option<Yaml>,
}

/// Converts the rules of a file: documents of one or many, correlations among them.
///
/// # Errors
/// When the text is no YAML. A single rule that cannot be converted is an error in its place.
pub fn convert(text: &str) -> Result<Vec<(String, Result<Converted, SigmaError>)>, SigmaError> {
    let mut documents = Vec::new();
    for document in serde_yaml_ng::Deserializer::from_str(text) {
        let document = Document::deserialize(document).map_err(|error| SigmaError::Yaml(error.to_string()))?;
        documents.push(document);
    }
    let mut by_name: BTreeMap<String, Document> = BTreeMap::new();
    for document in &documents {
        for name in [&document.name, &document.id].into_iter().flatten() {
            by_name.insert(name.clone(), document.clone());
        }
    }
    Ok(documents
        .iter()
        .map(|document| {
            let converted = match &document.correlation {
                Some(correlation) => correlated(document, correlation, &by_name),
                None => single(document),
            };
            (document.title.clone(), converted)
        })
        .collect())
}

fn single(document: &Document) -> Result<Converted, SigmaError> {
    let mut remarks = Vec::new();
    let query = format!("{}\n", rows(document, &mut remarks)?);
    let table = fields::table(document.logsource.as_ref());
    Ok(Converted {
        rule: rule(document, query, Kind::Nrt, table),
        remarks,
    })
}

/// The rows a rule finds.
fn rows(document: &Document, remarks: &mut Vec<String>) -> Result<String, SigmaError> {
    let Some(detection) = &document.detection else {
        return Err(SigmaError::Unsupported("the rule has no detection".to_owned()));
    };
    let table = fields::table(document.logsource.as_ref());
    if table.is_none() {
        remarks.push(format!(
            "the log source {} is not known here: the query reads KubernetesAudit, its fields by their names in the event",
            document.logsource.as_ref().map(LogSource::text).unwrap_or_default()
        ));
    }
    let table = table.unwrap_or(fields::AUDIT);
    if detection.contains_key("timeframe") {
        remarks.push("timeframe stands without a correlation and is left out".to_owned());
    }
    let conditions: Vec<String> = match detection.get("condition") {
        Some(Yaml::String(text)) => vec![text.clone()],
        Some(Yaml::Sequence(items)) => items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect(),
        _ => return Err(SigmaError::Unsupported("the detection has no condition".to_owned())),
    };
    let mut parts = Vec::new();
    for text in &conditions {
        if let Some((_, aggregation)) = text.split_once('|') {
            return Err(SigmaError::Unsupported(format!(
                "the condition aggregates ({}): write it as a correlation rule, the form that replaces it",
                aggregation.trim()
            )));
        }
        parts.push(condition::to_kql(text, detection, table, remarks)?);
    }
    Ok(format!("{}\n| where {}", table.name, parts.join("\n    or ")))
}

fn correlated(document: &Document, correlation: &Correlation, known: &BTreeMap<String, Document>) -> Result<Converted, SigmaError> {
    let mut remarks = Vec::new();
    if correlation.aliases.is_some() {
        remarks.push("aliases are left out: fields are grouped by under the names of the table".to_owned());
    }
    let span = correlation.timespan.clone().unwrap_or_else(|| "5m".to_owned());
    let period = parse_duration(&span).map_err(SigmaError::Unsupported)?;
    let mut sources = Vec::new();
    let mut table = None;
    for name in &correlation.rules {
        let Some(source) = known.get(name) else {
            return Err(SigmaError::Unsupported(format!(
                "the correlation names the rule {name}, which is not in the same file"
            )));
        };
        table = table.or(fields::table(source.logsource.as_ref()));
        sources.push((name.clone(), rows(source, &mut remarks)?));
    }
    let table = table.unwrap_or(fields::AUDIT);
    let keys: Vec<String> = correlation.group_by.iter().map(|field| fields::column(field, table)).collect();
    let union = match &sources[..] {
        [] => return Err(SigmaError::Unsupported("the correlation names no rules".to_owned())),
        [(_, only)] => only.clone(),
        several => {
            let inner: Vec<String> = several
                .iter()
                .map(|(name, query)| {
                    format!(
                        "    ({} | extend MatchedRule = '{}')",
                        query.replace('\n', " "),
                        name.replace('\'', "")
                    )
                })
                .collect();
            format!("union\n{}", inner.join(",\n"))
        }
    };
    let by = if keys.is_empty() {
        String::new()
    } else {
        format!(" by {}", keys.join(", "))
    };
    let bounds = "FirstActivity = min(TimeGenerated), LastActivity = max(TimeGenerated), AuditIds = make_set(AuditId, 500)";
    let bounds = if table.name == fields::AUDIT.name {
        bounds
    } else {
        "FirstActivity = min(TimeGenerated), LastActivity = max(TimeGenerated)"
    };
    let query = match correlation.kind.as_str() {
        "event_count" => format!(
            "{union}\n| summarize Events = count(), {bounds}{by}\n| where {}",
            limits(correlation, "Events")?
        ),
        "value_count" => {
            let field = correlation
                .condition
                .as_ref()
                .and_then(|condition| condition.get("field"))
                .and_then(Yaml::as_str)
                .ok_or_else(|| SigmaError::Unsupported("value_count needs condition.field".to_owned()))?;
            format!(
                "{union}\n| summarize Values = dcount({}), {bounds}{by}\n| where {}",
                fields::column(field, table),
                limits(correlation, "Values")?
            )
        }
        "temporal" | "temporal_ordered" => {
            let count = sources.len();
            let mut query = format!("{union}\n| summarize Rules = dcount(MatchedRule), {bounds}");
            if correlation.kind == "temporal_ordered" {
                for (index, (name, _)) in sources.iter().enumerate() {
                    query.push_str(&format!(
                        ", First{index} = minif(TimeGenerated, MatchedRule == '{}')",
                        name.replace('\'', "")
                    ));
                }
            }
            query.push_str(&format!("{by}\n| where Rules >= {count}"));
            if correlation.kind == "temporal_ordered" {
                for index in 1..count {
                    query.push_str(&format!(" and First{} <= First{index}", index - 1));
                }
                remarks.push("the order is that of the first event of each rule".to_owned());
            }
            query
        }
        other => {
            return Err(SigmaError::Unsupported(format!(
                "correlations of the type {other} have no counterpart"
            )));
        }
    };
    let mut rule = rule(document, format!("{query}\n"), Kind::Scheduled, Some(table));
    rule.entity_mappings
        .retain(|mapping| mapping.field_mappings.iter().all(|field| keys.contains(&field.column_name)));
    rule.query_period = Some(period);
    rule.query_frequency = Some((period / 5).clamp(std::time::Duration::from_secs(60), std::time::Duration::from_secs(3_600)));
    rule.trigger_operator = Some(TriggerOperator::GreaterThan);
    rule.trigger_threshold = Some(0);
    Ok(Converted { rule, remarks })
}

fn limits(correlation: &Correlation, column: &str) -> Result<String, SigmaError> {
    let mut parts = Vec::new();
    for (name, value) in correlation.condition.iter().flatten() {
        let operator = match name.as_str() {
            "gt" => ">",
            "gte" => ">=",
            "lt" => "<",
            "lte" => "<=",
            "eq" => "==",
            "neq" => "!=",
            "field" => continue,
            other => {
                return Err(SigmaError::Unsupported(format!(
                    "the correlation's condition {other} has no counterpart"
                )));
            }
        };
        let Some(number) = value.as_i64() else {
            return Err(SigmaError::Unsupported(format!(
                "the correlation's condition {name} is no whole number"
            )));
        };
        parts.push(format!("{column} {operator} {number}"));
    }
    if parts.is_empty() {
        return Err(SigmaError::Unsupported("the correlation has no condition".to_owned()));
    }
    Ok(parts.join(" and "))
}

fn rule(document: &Document, query: String, kind: Kind, table: Option<&fields::Table>) -> Rule {
    let severity = match document.level.as_deref() {
        Some("critical" | "high") => Severity::High,
        Some("medium") | None => Severity::Medium,
        Some("low") => Severity::Low,
        Some(_) => Severity::Informational,
    };
    let mut tactics = Vec::new();
    let mut techniques = Vec::new();
    for tag in document.tags.iter().filter_map(|tag| tag.strip_prefix("attack.")) {
        if tag
            .strip_prefix(['t', 'T'])
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        {
            techniques.push(tag.to_uppercase());
        } else {
            let name: String = tag
                .split(['_', '-'])
                .map(|word| {
                    let mut letters = word.chars();
                    letters
                        .next()
                        .map(|first| first.to_ascii_uppercase())
                        .into_iter()
                        .chain(letters)
                        .collect::<String>()
                })
                .collect();
            tactics.push(name);
        }
    }
    let mut description = document.description.trim().to_owned();
    let list = |value: &Yaml| match value {
        Yaml::Sequence(items) => items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect(),
        Yaml::String(text) => vec![text.clone()],
        _ => Vec::<String>::new(),
    };
    let known = list(&document.falsepositives);
    if !known.is_empty() {
        description.push_str(&format!("\n\n**Known false positives**: {}.", known.join("; ")));
    }
    if !document.references.is_empty() {
        description.push_str(&format!("\n\n**References**: {}", document.references.join(", ")));
    }
    let mapping = |entity: &str, fields: &[(&str, &str)]| EntityMapping {
        entity_type: entity.to_owned(),
        field_mappings: fields
            .iter()
            .map(|(identifier, column)| FieldMapping {
                identifier: (*identifier).to_owned(),
                column_name: (*column).to_owned(),
            })
            .collect(),
    };
    let entity_mappings = match table {
        Some(table) if table.name == fields::AUDIT.name => vec![
            mapping("Account", &[("FullName", "Username")]),
            mapping("IP", &[("Address", "SourceIp")]),
        ],
        _ => Vec::new(),
    };
    let id = document.id.clone().or_else(|| document.name.clone()).unwrap_or_else(|| {
        let name: String = document
            .title
            .to_lowercase()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        name.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
    });
    Rule {
        id,
        name: document.title.clone(),
        description,
        severity,
        status: document.status.clone(),
        required_data_connectors: Vec::new(),
        query_frequency: None,
        query_period: None,
        trigger_operator: None,
        trigger_threshold: None,
        tactics,
        relevant_techniques: techniques,
        query,
        entity_mappings,
        custom_details: IndexMap::new(),
        alert_details_override: None,
        event_grouping_settings: Some(EventGrouping {
            aggregation_kind: AggregationKind::AlertPerResult,
        }),
        suppression_duration: None,
        suppression_enabled: None,
        incident_configuration: None,
        version: Some("1.0.0".to_owned()),
        kind,
        tags: vec![Yaml::String("Sigma".to_owned())],
        response: Vec::new(),
        detections: Vec::new(),
        threat_matrix: Vec::new(),
        other: IndexMap::new(),
    }
}
