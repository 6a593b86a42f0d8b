//! The analytics rule: Microsoft Sentinel's published YAML format, every field of it, plus `tests` and `detections`.
//!
//! Source: the rule templates of the Sentinel content repository and its query style guide. Fields that are not used here are kept,
//! so that a rule that was read can be written again without loss.

use std::time::Duration;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_yaml_ng::Value as Yaml;
pub use taffrail_state::incidents::Severity;

/// When a rule runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Every `queryFrequency`, over `queryPeriod`
    Scheduled,
    /// On each batch of rows as it becomes durable
    #[serde(rename = "NRT", alias = "Nrt", alias = "nrt")]
    Nrt,
}

/// How the number of result rows decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TriggerOperator {
    /// More rows than the threshold
    #[serde(rename = "gt", alias = "GreaterThan")]
    GreaterThan,
    /// Fewer rows
    #[serde(rename = "lt", alias = "LessThan")]
    LessThan,
    /// Exactly as many
    #[serde(rename = "eq", alias = "Equal")]
    Equal,
    /// Any other number
    #[serde(rename = "ne", alias = "NotEqual")]
    NotEqual,
}

/// One field of an entity and the column it is read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldMapping {
    /// Identifier of the entity type (`FullName`, `Address`)
    pub identifier: String,
    /// Column of the result
    pub column_name: String,
}

/// An entity and where its fields come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EntityMapping {
    /// `Account`, `IP`, `KubernetesPod`, …
    pub entity_type: String,
    /// Its fields
    pub field_mappings: Vec<FieldMapping>,
}

/// A property of the alert taken from a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DynamicProperty {
    /// `AlertLink`, `ProviderName`, …
    pub alert_property: String,
    /// Column
    pub value: String,
}

/// What of the alert is taken from the row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertDetailsOverride {
    /// Title with `{{Column}}`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert_display_name_format: Option<String>,
    /// Description with `{{Column}}`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert_description_format: Option<String>,
    /// Column with the severity
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert_severity_column_name: Option<String>,
    /// Column with the tactics, separated by commas or an array
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert_tactics_column_name: Option<String>,
    /// Further properties
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alert_dynamic_properties: Vec<DynamicProperty>,
}

/// Whether result rows become one alert or one each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AggregationKind {
    /// All rows of an evaluation in one alert
    #[default]
    SingleAlert,
    /// One alert a row (rows that are about the same entities share one)
    AlertPerResult,
}

/// `eventGroupingSettings`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventGrouping {
    /// How
    pub aggregation_kind: AggregationKind,
}

/// Which alerts belong to one incident.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum MatchingMethod {
    /// Those with the same entities
    #[default]
    AllEntities,
    /// All of the rule
    AnyAlert,
    /// Those with the same chosen entities, details or custom details
    Selected,
}

/// `groupingConfiguration`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Grouping {
    /// Off: one incident an alert
    pub enabled: bool,
    /// Whether an alert that fits a closed incident opens it again
    pub reopen_closed_incident: bool,
    /// How long after the last alert one still fits (`PT5H`, `5h`)
    #[serde(with = "text_duration")]
    pub lookback_duration: Duration,
    /// How alerts fit
    pub matching_method: MatchingMethod,
    /// With `Selected`: entity types
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub group_by_entities: Vec<String>,
    /// With `Selected`: `DisplayName`, `Severity`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub group_by_alert_details: Vec<String>,
    /// With `Selected`: keys of `customDetails`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub group_by_custom_details: Vec<String>,
}

impl Default for Grouping {
    fn default() -> Grouping {
        Grouping {
            enabled: false,
            reopen_closed_incident: false,
            lookback_duration: Duration::from_secs(5 * 3600),
            matching_method: MatchingMethod::AllEntities,
            group_by_entities: Vec::new(),
            group_by_alert_details: Vec::new(),
            group_by_custom_details: Vec::new(),
        }
    }
}

/// `incidentConfiguration`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IncidentConfiguration {
    /// Whether alerts become incidents
    pub create_incident: bool,
    /// Which go together
    pub grouping_configuration: Grouping,
}

impl Default for IncidentConfiguration {
    fn default() -> IncidentConfiguration {
        IncidentConfiguration {
            create_incident: true,
            grouping_configuration: Grouping::default(),
        }
    }
}

/// An analytics rule as written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// Stable identifier: a GUID in Sentinel's own content, a readable name in ours
    pub id: String,
    /// Title
    pub name: String,
    /// Why it matters, what to check, known false positives, how to respond (Markdown)
    #[serde(default, deserialize_with = "null_as_default")]
    pub description: String,
    /// Severity
    pub severity: Severity,
    /// `Available`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// What data it needs
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub required_data_connectors: Vec<Yaml>,
    /// How often (`5m`, `PT5M`); not of NRT rules
    #[serde(default, with = "optional_duration", skip_serializing_if = "Option::is_none")]
    pub query_frequency: Option<Duration>,
    /// How far back (`1h`, `P1D`)
    #[serde(default, with = "optional_duration", skip_serializing_if = "Option::is_none")]
    pub query_period: Option<Duration>,
    /// With the threshold: when result rows are an alert
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger_operator: Option<TriggerOperator>,
    /// Number of rows
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger_threshold: Option<u64>,
    /// ATT&CK tactics, without blanks: `PrivilegeEscalation`
    #[serde(default, deserialize_with = "null_as_default")]
    pub tactics: Vec<String>,
    /// ATT&CK technique ids
    #[serde(default, deserialize_with = "null_as_default")]
    pub relevant_techniques: Vec<String>,
    /// KQL
    pub query: String,
    /// Entities
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub entity_mappings: Vec<EntityMapping>,
    /// Name → column
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "IndexMap::is_empty")]
    pub custom_details: IndexMap<String, String>,
    /// Overrides
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert_details_override: Option<AlertDetailsOverride>,
    /// Rows to alerts
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_grouping_settings: Option<EventGrouping>,
    /// How long the rule is silent after an alert
    #[serde(default, with = "optional_duration", skip_serializing_if = "Option::is_none")]
    pub suppression_duration: Option<Duration>,
    /// Whether it is
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppression_enabled: Option<bool>,
    /// Alerts to incidents
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident_configuration: Option<IncidentConfiguration>,
    /// Of the rule
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// When it runs
    pub kind: Kind,
    /// Words to find it by
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Yaml>,
    /// What to do first, one step an item
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub response: Vec<String>,
    /// Detections of the coverage target that it provides
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub detections: Vec<String>,
    /// Technique names of Microsoft's threat matrix for Kubernetes
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub threat_matrix: Vec<String>,
    /// Everything else, kept as written
    #[serde(flatten)]
    pub other: IndexMap<String, Yaml>,
}

impl Rule {
    /// How rows become alerts.
    pub fn aggregation(&self) -> AggregationKind {
        self.event_grouping_settings
            .map(|settings| settings.aggregation_kind)
            .unwrap_or_default()
    }

    /// How alerts become incidents.
    pub fn incidents(&self) -> IncidentConfiguration {
        self.incident_configuration.clone().unwrap_or_default()
    }

    /// Whether that many rows are an alert. Without a trigger any row is.
    pub fn triggers(&self, rows: u64) -> bool {
        let threshold = self.trigger_threshold.unwrap_or(0);
        match self.trigger_operator.unwrap_or(TriggerOperator::GreaterThan) {
            TriggerOperator::GreaterThan => rows > threshold,
            TriggerOperator::LessThan => rows < threshold,
            TriggerOperator::Equal => rows == threshold,
            TriggerOperator::NotEqual => rows != threshold,
        }
    }

    /// How often a scheduled rule runs: five minutes unless it says otherwise.
    pub fn frequency(&self) -> Duration {
        self.query_frequency.unwrap_or(Duration::from_secs(300))
    }

    /// How far back a scheduled rule looks: as far as it runs often, unless it says otherwise.
    pub fn period(&self) -> Duration {
        self.query_period.unwrap_or_else(|| self.frequency())
    }

    /// How long it is silent after an alert.
    pub fn suppression(&self) -> Option<Duration> {
        if self.suppression_enabled.unwrap_or(false) {
            self.suppression_duration
        } else {
            None
        }
    }
}

/// Reads `5m`, `1h30m`, `14d` and ISO 8601 (`PT5M`, `P1DT2H`).
///
/// # Errors
/// One sentence about what the text should be.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("{text} is no duration: write 5m, 1h, 14d or ISO 8601 (PT5M, P1D)");
    let trimmed = text.trim().to_ascii_lowercase();
    let (body, iso) = match trimmed.strip_prefix('p') {
        Some(rest) => (rest.to_owned(), true),
        None => (trimmed.clone(), false),
    };
    let mut seconds = 0u64;
    let mut digits = String::new();
    let mut units = 0;
    let mut in_time = !iso;
    for character in body.chars() {
        if character.is_ascii_digit() {
            digits.push(character);
            continue;
        }
        if iso && character == 't' && digits.is_empty() {
            in_time = true;
            continue;
        }
        let count: u64 = digits.parse().map_err(|_| bad())?;
        digits.clear();
        units += 1;
        let unit = match character {
            'w' => 7 * 86_400,
            'd' => 86_400,
            'h' if in_time => 3_600,
            'm' if in_time => 60,
            's' if in_time => 1,
            _ => return Err(bad()),
        };
        seconds = count.checked_mul(unit).and_then(|part| seconds.checked_add(part)).ok_or_else(bad)?;
    }
    if !digits.is_empty() || units == 0 {
        return Err(bad());
    }
    Ok(Duration::from_secs(seconds))
}

/// Writes a duration as rules do: `5m`, `1h`, `14d`.
pub fn format_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    for (unit, size) in [("d", 86_400), ("h", 3_600), ("m", 60)] {
        if seconds >= size && seconds.is_multiple_of(size) {
            return format!("{}{unit}", seconds / size);
        }
    }
    format!("{seconds}s")
}

/// An empty field (`tactics:` with nothing behind it) is one that is not there.
fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

mod text_duration {
    use std::time::Duration;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::format_duration(*duration))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        super::parse_duration(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

mod optional_duration {
    use std::time::Duration;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => serializer.serialize_str(&super::format_duration(*duration)),
            None => serializer.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| super::parse_duration(&text).map_err(D::Error::custom)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_in_both_forms() {
        for (text, seconds) in [
            ("5m", 300),
            ("1h30m", 5_400),
            ("14d", 1_209_600),
            ("PT5M", 300),
            ("P1DT2H", 93_600),
            ("P14D", 1_209_600),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "5", "m", "P5M", "5x", "PT"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_rule_with_unknown_fields_survives_a_round_trip() {
        let text = "id: a\nname: b\nseverity: High\nkind: NRT\nquery: T\ntactics: [Execution]\nrelevantTechniques: [T1609]\nsentinelEntitiesMappings:\n- columnName: Entities\nmetadata:\n  source:\n    kind: Community\n";
        let rule: Rule = serde_yaml_ng::from_str(text).expect("valid");
        let again: Rule = serde_yaml_ng::from_str(&serde_yaml_ng::to_string(&rule).expect("serializes")).expect("valid");
        assert_eq!(rule, again);
        assert!(again.other.contains_key("metadata"));
    }
}
