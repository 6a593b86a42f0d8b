//! Rules prove themselves: events that must and must not match, in `tests/ID.jsonl` beside the rule.
//!
//! A line is a case: `{"name": "...", "source": "kubernetes-audit", "match": true, "events": [...]}`, with optional
//! `"severity"` (of the worst alert) and `"entities"` (`[{"type","name"}]`, which must be among those found).

use arrow::record_batch::RecordBatch;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use taffrail_engine::{Engine, QueryError};

use crate::rule::{Rule, Severity};
use crate::scan::{Timeline, scan};

/// One case.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it shows
    pub name: String,
    /// Source whose decoder reads the events
    #[serde(default = "kubernetes_audit")]
    pub source: String,
    /// Whether the rule must fire
    #[serde(rename = "match")]
    pub matches: bool,
    /// Severity of the worst alert
    #[serde(default)]
    pub severity: Option<Severity>,
    /// Entities that must be found
    #[serde(default)]
    pub entities: Vec<ExpectedEntity>,
    /// Records as the source sends them; a line of text as a string
    pub events: Vec<Value>,
}

/// An entity that must be found.
#[derive(Debug, Clone, Deserialize)]
pub struct ExpectedEntity {
    /// Type
    #[serde(rename = "type")]
    pub kind: String,
    /// Name
    pub name: String,
}

fn kubernetes_audit() -> String {
    "kubernetes-audit".to_owned()
}

/// How a case ended.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// Rule
    pub rule: String,
    /// Case
    pub case: String,
    /// Whether an event had to match
    pub positive: bool,
    /// What went wrong; `None`: passed
    pub failure: Option<String>,
}

/// Makes record batches of a source's records, by table.
pub type Decode<'a> = dyn Fn(&str, &[u8]) -> Result<Vec<(String, RecordBatch)>, String> + 'a;

/// Reads the cases of a rule.
///
/// # Errors
/// Names the line that is no case.
pub fn parse_cases(text: &str) -> Result<Vec<Case>, String> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| serde_json::from_str(line).map_err(|error| format!("line {}: {error}", index + 1)))
        .collect()
}

/// Runs the cases of a rule. `engine_over` gives an engine that sees just these batches.
pub async fn run(
    rule: &Rule,
    tests: &str,
    decode: &Decode<'_>,
    engine_over: &dyn Fn(Vec<(String, RecordBatch)>) -> Result<Engine, String>,
) -> Vec<Outcome> {
    let cases = match parse_cases(tests) {
        Ok(cases) => cases,
        Err(error) => {
            return vec![Outcome {
                rule: rule.id.clone(),
                case: "the test file".to_owned(),
                positive: false,
                failure: Some(error),
            }];
        }
    };
    let mut outcomes = Vec::with_capacity(cases.len());
    for case in cases {
        let failure = run_case(rule, &case, decode, engine_over).await.err();
        outcomes.push(Outcome {
            rule: rule.id.clone(),
            case: case.name,
            positive: case.matches,
            failure,
        });
    }
    outcomes
}

async fn run_case(
    rule: &Rule,
    case: &Case,
    decode: &Decode<'_>,
    engine_over: &dyn Fn(Vec<(String, RecordBatch)>) -> Result<Engine, String>,
) -> Result<(), String> {
    // A source of text has its lines as strings.
    let line = |event: &Value| event.as_str().map_or_else(|| event.to_string(), str::to_owned);
    let lines: Vec<String> = case.events.iter().map(line).collect();
    let batches = decode(&case.source, lines.join("\n").as_bytes())?;
    let tables: Vec<String> = batches.iter().map(|(table, _)| table.clone()).collect();
    let engine = engine_over(batches)?;
    let mut timeline = Timeline::default();
    for table in tables {
        timeline.add(Timeline::of(&engine, &table).await.map_err(|error| error.to_string())?);
    }
    let (alerts, failures) = scan(&engine, std::iter::once(rule), &timeline, |_| {}).await;
    if let Some(failure) = failures.first() {
        return Err(message(&rule.query, &failure.error));
    }
    match (case.matches, alerts.is_empty()) {
        (true, true) => return Err("must match, but did not".to_owned()),
        (false, false) => {
            let titles: Vec<&str> = alerts.iter().map(|alert| alert.title.as_str()).collect();
            return Err(format!("must not match, but raised: {}", titles.join("; ")));
        }
        _ => {}
    }
    if let Some(expected) = case.severity {
        let worst = alerts.iter().map(|alert| alert.severity).max();
        if worst != Some(expected) {
            return Err(format!(
                "the severity must be {expected} and is {}",
                worst.map_or("none".to_owned(), |worst| worst.to_string())
            ));
        }
    }
    for expected in &case.entities {
        let found = alerts
            .iter()
            .flat_map(|alert| &alert.entities)
            .any(|entity| entity.kind == expected.kind && entity.name == expected.name);
        if !found {
            return Err(format!("the entity {} {} is not among those found", expected.kind, expected.name));
        }
    }
    Ok(())
}

/// The error of a query, with the place in its text.
pub fn message(query: &str, error: &QueryError) -> String {
    match error {
        QueryError::Diagnostics(diagnostics) => diagnostics
            .iter()
            .map(|diagnostic| diagnostic.render(query))
            .collect::<Vec<_>>()
            .join("\n"),
        other => other.to_string(),
    }
}
