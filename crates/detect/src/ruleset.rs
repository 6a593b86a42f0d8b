//! Rules by the dozen: loading from the embedded content and from directories, and what is wrong with them.

use std::collections::BTreeMap;
use std::path::Path;

use taffrail_content::{Content, ContentError, File, files_below};

use crate::rule::Rule;

/// A rule and where it was read.
#[derive(Debug, Clone)]
pub struct LoadedRule {
    /// The rule
    pub rule: Rule,
    /// File it came from
    pub path: String,
    /// Its test events, by name: the file `tests/ID.jsonl` beside it
    pub tests: Option<String>,
}

/// Rules by id.
#[derive(Debug, Clone, Default)]
pub struct RuleSet {
    rules: BTreeMap<String, LoadedRule>,
}

/// Why rules cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// A file cannot be read
    #[error(transparent)]
    Content(#[from] ContentError),
    /// A file is no rule
    #[error("{path}: {message}: a rule is Sentinel's analytics-rule YAML with id, name, severity, kind and query")]
    Yaml {
        /// Which file
        path: String,
        /// Where and what
        message: String,
    },
    /// Two rules with one id
    #[error("{path}: the rule id {id} is already used by {other}")]
    Duplicate {
        /// Which file
        path: String,
        /// Id
        id: String,
        /// The file that has it
        other: String,
    },
}

/// Reads one rule.
///
/// # Errors
/// When the text is no rule.
pub fn parse_rule(path: &str, text: &str) -> Result<Rule, RuleError> {
    serde_yaml_ng::from_str(text).map_err(|error| RuleError::Yaml {
        path: path.to_owned(),
        message: error.to_string(),
    })
}

impl RuleSet {
    /// The rules of `content/rules`.
    ///
    /// # Errors
    /// When a file cannot be read or is no rule, or two have the same id.
    pub fn load(content: &Content) -> Result<RuleSet, RuleError> {
        let mut set = RuleSet::default();
        set.add_files(&content.files("rules")?, false)?;
        Ok(set)
    }

    /// Adds the rules of a directory; a rule with a known id replaces it.
    ///
    /// # Errors
    /// As [`RuleSet::load`].
    pub fn add_directory(&mut self, directory: &Path) -> Result<(), RuleError> {
        self.add_files(&files_below(directory, "")?, true)
    }

    fn add_files(&mut self, files: &[File], replace: bool) -> Result<(), RuleError> {
        let mut added: BTreeMap<String, String> = BTreeMap::new();
        for file in files {
            let is_rule = (file.path.ends_with(".yaml") || file.path.ends_with(".yml"))
                && !file.path.contains("/tests/")
                && !file.path.starts_with("tests/");
            if !is_rule {
                continue;
            }
            let rule = parse_rule(&file.path, file.text()?)?;
            let known = self.rules.get(&rule.id).map(|known| known.path.clone()).filter(|_| !replace);
            if let Some(other) = known.or_else(|| added.get(&rule.id).cloned()) {
                return Err(RuleError::Duplicate {
                    path: file.path.clone(),
                    id: rule.id,
                    other,
                });
            }
            let folder = file.path.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
            let tests_path = format!("{folder}tests/{}.jsonl", rule.id);
            let tests = match files.iter().find(|other| other.path == tests_path) {
                Some(tests) => Some(tests.text()?.to_owned()),
                None => None,
            };
            added.insert(rule.id.clone(), file.path.clone());
            self.rules.insert(
                rule.id.clone(),
                LoadedRule {
                    rule,
                    path: file.path.clone(),
                    tests,
                },
            );
        }
        Ok(())
    }

    /// Rules by id.
    pub fn iter(&self) -> impl Iterator<Item = &LoadedRule> {
        self.rules.values()
    }

    /// The rule of that id.
    pub fn get(&self, id: &str) -> Option<&LoadedRule> {
        self.rules.get(id)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// None.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Keeps only those for which the test holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&Rule) -> bool) {
        self.rules.retain(|_, loaded| keep(&loaded.rule));
    }
}
