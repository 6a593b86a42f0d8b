//! What the rules see of what there is to see: techniques and detections against rules, hunting queries and their tests.
//!
//! The target is data (`content/coverage`): techniques of the Threat Matrix for Kubernetes and of ATT&CK for Containers, and the
//! detections that make them visible. A rule or hunting query names those it provides, so the report cannot claim what nothing
//! provides. The layer is ATT&CK Navigator's format 4.5.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use taffrail_content::{Content, ContentError};

use crate::rule_test::parse_cases;
use crate::ruleset::{LoadedRule, RuleSet};

/// Version of ATT&CK that the techniques are of.
const ATTACK: &str = "18";

/// Why the coverage target or hunting queries cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum CoverageError {
    /// A file cannot be read
    #[error(transparent)]
    Content(#[from] ContentError),
    /// A file is not there
    #[error("{0} is missing from the content")]
    Missing(&'static str),
    /// A file is not what it should be
    #[error("{path}: {source}")]
    Yaml {
        /// Which file
        path: String,
        /// Where and what
        source: serde_yaml_ng::Error,
    },
}

/// Whether something provides a detection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// A rule or hunting query does
    Built,
    /// None does yet
    Planned,
}

/// A detection of the target.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detection {
    /// Name that rules use
    pub id: String,
    /// Name for people
    pub name: String,
    /// Techniques it makes visible, of both matrices
    pub techniques: Vec<String>,
    /// Kinds of log that show it
    pub log: Vec<String>,
    /// Whether something provides it
    pub state: State,
}

/// A technique of the target.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Technique {
    /// `MS-TA9006`, `T1609`
    pub id: String,
    /// Name
    pub name: String,
    /// Tactics it belongs to
    pub tactics: Vec<String>,
    /// Kinds of log that show it
    pub log: Vec<String>,
}

/// A hunting query, in Sentinel's published format.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hunt {
    /// Stable name
    pub id: String,
    /// Title
    pub name: String,
    /// What to look for
    pub description: String,
    /// ATT&CK tactics
    pub tactics: Vec<String>,
    /// ATT&CK techniques
    pub relevant_techniques: Vec<String>,
    /// KQL
    pub query: String,
    /// Entities
    #[serde(default)]
    pub entity_mappings: Vec<crate::rule::EntityMapping>,
    /// Techniques of the threat matrix, id first
    #[serde(default)]
    pub threat_matrix: Vec<String>,
    /// Detections of the target that it provides
    #[serde(default)]
    pub detections: Vec<String>,
}

/// What there is to see.
#[derive(Debug, Clone)]
pub struct Target {
    /// Detections, in the order of the file
    pub detections: Vec<Detection>,
    /// Techniques, in the order of the file
    pub techniques: Vec<Technique>,
}

#[derive(Deserialize)]
struct DetectionFile {
    detections: Vec<Detection>,
}

#[derive(Deserialize)]
struct TechniqueFile {
    techniques: Vec<Technique>,
}

impl Target {
    /// The target of `content/coverage`.
    ///
    /// # Errors
    /// When a file is missing or is not what it should be.
    pub fn load(content: &Content) -> Result<Target, CoverageError> {
        let detections: DetectionFile = read(content, "coverage/detections.yaml")?;
        let techniques: TechniqueFile = read(content, "coverage/techniques.yaml")?;
        Ok(Target {
            detections: detections.detections,
            techniques: techniques.techniques,
        })
    }
}

fn read<T: serde::de::DeserializeOwned>(content: &Content, path: &'static str) -> Result<T, CoverageError> {
    let file = content.file(path)?.ok_or(CoverageError::Missing(path))?;
    serde_yaml_ng::from_str(file.text()?).map_err(|source| CoverageError::Yaml {
        path: path.to_owned(),
        source,
    })
}

/// The hunting queries of `content/hunting`.
///
/// # Errors
/// When one is not what it should be.
pub fn hunts(content: &Content) -> Result<Vec<Hunt>, CoverageError> {
    let mut hunts = Vec::new();
    for file in content.files("hunting")? {
        if file.path.ends_with(".yaml") {
            hunts.push(serde_yaml_ng::from_str(file.text()?).map_err(|source| CoverageError::Yaml {
                path: file.path.clone(),
                source,
            })?);
        }
    }
    Ok(hunts)
}

/// What provides a technique or detection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Providers {
    /// Rules, by id
    pub rules: BTreeSet<String>,
    /// Those of them whose tests hold events that must match and events that must not
    pub tested: BTreeSet<String>,
    /// Hunting queries, by id
    pub hunting: BTreeSet<String>,
}

impl Providers {
    fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.hunting.is_empty()
    }
}

/// A line of the report.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Of the technique or detection
    pub id: String,
    /// Its name
    pub name: String,
    /// Kinds of log that show it
    pub log: Vec<String>,
    /// What provides it
    #[serde(flatten)]
    pub providers: Providers,
}

/// The target with what provides it.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Techniques of both matrices
    pub techniques: Vec<Row>,
    /// Detections
    pub detections: Vec<Row>,
}

/// Joins the target with rules and hunting queries.
pub fn report(target: &Target, rules: &RuleSet, hunts: &[Hunt]) -> Report {
    let mut detections: BTreeMap<&str, Providers> = BTreeMap::new();
    let mut techniques: BTreeMap<&str, Providers> = BTreeMap::new();
    for loaded in rules.iter() {
        let rule = &loaded.rule;
        let tested = is_tested(loaded);
        let provide = |providers: &mut Providers| {
            providers.rules.insert(rule.id.clone());
            if tested {
                providers.tested.insert(rule.id.clone());
            }
        };
        for id in &rule.detections {
            provide(detections.entry(id).or_default());
        }
        for id in technique_ids(&rule.relevant_techniques, &rule.threat_matrix) {
            provide(techniques.entry(id).or_default());
        }
    }
    for hunt in hunts {
        for id in &hunt.detections {
            detections.entry(id).or_default().hunting.insert(hunt.id.clone());
        }
        for id in technique_ids(&hunt.relevant_techniques, &hunt.threat_matrix) {
            techniques.entry(id).or_default().hunting.insert(hunt.id.clone());
        }
    }
    Report {
        techniques: target
            .techniques
            .iter()
            .map(|technique| {
                row(
                    &technique.id,
                    &technique.name,
                    &technique.log,
                    techniques.get(technique.id.as_str()),
                )
            })
            .collect(),
        detections: target
            .detections
            .iter()
            .map(|detection| {
                row(
                    &detection.id,
                    &detection.name,
                    &detection.log,
                    detections.get(detection.id.as_str()),
                )
            })
            .collect(),
    }
}

fn row(id: &str, name: &str, log: &[String], providers: Option<&Providers>) -> Row {
    Row {
        id: id.to_owned(),
        name: name.to_owned(),
        log: log.to_vec(),
        providers: providers.cloned().unwrap_or_default(),
    }
}

/// Ids of both matrices; a sub-technique stands for its technique, too.
fn technique_ids<'a>(attack: &'a [String], matrix: &'a [String]) -> impl Iterator<Item = &'a str> {
    let parents = attack.iter().filter_map(|id| id.split_once('.').map(|(parent, _)| parent));
    let matrix = matrix.iter().filter_map(|name| name.split_whitespace().next());
    attack.iter().map(String::as_str).chain(parents).chain(matrix)
}

fn is_tested(loaded: &LoadedRule) -> bool {
    let cases = loaded
        .tests
        .as_deref()
        .and_then(|tests| parse_cases(tests).ok())
        .unwrap_or_default();
    cases.iter().any(|case| case.matches) && cases.iter().any(|case| !case.matches)
}

impl Report {
    /// For people, as Markdown.
    pub fn markdown(&self) -> String {
        let mut out = String::from("# Coverage\n");
        for (title, rows) in [("Techniques", &self.techniques), ("Detections", &self.detections)] {
            let provided = rows.iter().filter(|row| !row.providers.is_empty()).count();
            let _ = write!(
                out,
                "\n## {title}: {provided} of {}\n\n| Id | Name | Log | Rules | Tested | Hunting |\n| --- | --- | --- | --- | --- | --- |\n",
                rows.len()
            );
            for row in rows {
                let rules: Vec<&str> = row.providers.rules.iter().map(String::as_str).collect();
                let hunting: Vec<&str> = row.providers.hunting.iter().map(String::as_str).collect();
                let _ = writeln!(
                    out,
                    "| {} | {} | {} | {} | {} of {} | {} |",
                    row.id,
                    row.name.replace('|', "/"),
                    row.log.join(", "),
                    rules.join(", "),
                    row.providers.tested.len(),
                    rules.len(),
                    hunting.join(", ")
                );
            }
        }
        out
    }

    /// A layer of ATT&CK Navigator: the score of a technique is its number of rules.
    pub fn navigator(&self) -> Value {
        let attack = self.techniques.iter().filter(|row| row.id.starts_with('T'));
        let techniques: Vec<Value> = attack
            .map(|row| {
                let rules: Vec<&str> = row.providers.rules.iter().map(String::as_str).collect();
                json!({ "techniqueID": row.id, "score": rules.len(), "comment": rules.join(", "), "enabled": true })
            })
            .collect();
        let most = self
            .techniques
            .iter()
            .map(|row| row.providers.rules.len())
            .max()
            .unwrap_or(0)
            .max(1);
        json!({
            "name": "Taffrail",
            "versions": { "attack": ATTACK, "navigator": "5.1.0", "layer": "4.5" },
            "domain": "enterprise-attack",
            "description": "Detection rules by technique",
            "filters": { "platforms": ["Containers"] },
            "gradient": { "colors": ["#ffffff", "#2f6f8f"], "minValue": 0, "maxValue": most },
            "techniques": techniques,
        })
    }
}
