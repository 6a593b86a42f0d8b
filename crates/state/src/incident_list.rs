//! The incidents queue: filtered, sorted, counted by facet.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use sqlx::{QueryBuilder, Row as _};

use crate::db::Database;
use crate::incidents::{COLUMNS, Incident, Severity, Status, read};
use crate::{State, StateError, time};

/// Most incidents on one page.
pub const MAX_PAGE: i64 = 1_000;

/// What to show. Values of one field are alternatives; fields narrow each other; an empty field does not narrow.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// Statuses
    pub status: Vec<Status>,
    /// Severities
    pub severity: Vec<Severity>,
    /// Owners; the empty name: nobody
    pub owner: Vec<String>,
    /// ATT&CK tactics
    pub tactic: Vec<String>,
    /// ATT&CK techniques
    pub technique: Vec<String>,
    /// Entity keys (`Entity::key`)
    pub entity: Vec<String>,
    /// Clusters
    pub cluster: Vec<String>,
    /// With an event at this time or later
    pub since: Option<DateTime<Utc>>,
    /// With an event before this time
    pub until: Option<DateTime<Utc>>,
    /// Words that all occur in number, title, cluster, entities, rules or techniques
    pub search: String,
}

/// What to sort by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Sort {
    /// Time of the last event
    #[default]
    LastActivity,
    /// Time of the first event
    FirstActivity,
    /// When opened
    CreatedAt,
    /// Last change
    UpdatedAt,
    /// Number
    Number,
    /// Severity
    Severity,
    /// Status, as the work goes
    Status,
    /// Title
    Title,
    /// Owner
    Owner,
    /// Number of alerts
    AlertCount,
}

impl FromStr for Sort {
    type Err = StateError;

    fn from_str(text: &str) -> Result<Sort, StateError> {
        Ok(match text {
            "lastActivity" => Sort::LastActivity,
            "firstActivity" => Sort::FirstActivity,
            "createdAt" => Sort::CreatedAt,
            "updatedAt" => Sort::UpdatedAt,
            "number" => Sort::Number,
            "severity" => Sort::Severity,
            "status" => Sort::Status,
            "title" => Sort::Title,
            "owner" => Sort::Owner,
            "alertCount" => Sort::AlertCount,
            _ => {
                return Err(StateError::invalid(
                    "sort",
                    format!(
                        "{text:?} is none of lastActivity, firstActivity, createdAt, updatedAt, number, severity, status, \
                         title, owner, alertCount"
                    ),
                ));
            }
        })
    }
}

impl Sort {
    fn sql(self) -> &'static str {
        match self {
            Sort::LastActivity => "last_activity",
            Sort::FirstActivity => "first_activity",
            Sort::CreatedAt => "created_at",
            Sort::UpdatedAt => "updated_at",
            Sort::Number => "number",
            Sort::Severity => "severity",
            Sort::Status => "CASE status WHEN 'New' THEN 0 WHEN 'Active' THEN 1 ELSE 2 END",
            Sort::Title => "LOWER(title)",
            Sort::Owner => "COALESCE(owner, '')",
            Sort::AlertCount => "alert_count",
        }
    }
}

/// Which way to sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Smallest first
    Asc,
    /// Largest first
    #[default]
    Desc,
}

/// How many there are of each value, under the filter's other fields.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Facets {
    /// By status
    #[schema(value_type = std::collections::BTreeMap<String, i64>)]
    pub status: IndexMap<String, i64>,
    /// By severity, worst first
    #[schema(value_type = std::collections::BTreeMap<String, i64>)]
    pub severity: IndexMap<String, i64>,
    /// By owner, most first; the empty name: nobody
    #[schema(value_type = std::collections::BTreeMap<String, i64>)]
    pub owner: IndexMap<String, i64>,
    /// By ATT&CK tactic, most first
    #[schema(value_type = std::collections::BTreeMap<String, i64>)]
    pub tactic: IndexMap<String, i64>,
    /// By ATT&CK technique, most first
    #[schema(value_type = std::collections::BTreeMap<String, i64>)]
    pub technique: IndexMap<String, i64>,
}

/// A page of the queue.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Page {
    /// Incidents
    pub items: Vec<Incident>,
    /// How many the filter lets through in all
    pub total: i64,
    /// Counts
    pub facets: Facets,
}

/// A field that a facet counts, whose own filter is left out when counting.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Facet {
    Status,
    Severity,
    Owner,
    Label(&'static str),
}

type Sql = QueryBuilder<Database>;

fn among<T>(sql: &mut Sql, column: &str, values: &[T], bind: impl Fn(&mut Sql, &T)) {
    sql.push(" AND ").push(column).push(" IN (");
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            sql.push(", ");
        }
        bind(sql, value);
    }
    sql.push(")");
}

fn text(sql: &mut Sql, value: &str) {
    sql.push_bind(value.to_owned());
}

fn with_label(sql: &mut Sql, kind: &str, values: &[String]) {
    sql.push(" AND number IN (SELECT incident FROM incident_labels WHERE kind = ");
    text(sql, kind);
    among(sql, "value", values, |sql, value| text(sql, value));
    sql.push(")");
}

/// Adds `WHERE …`, without the condition on the facet that is counted.
fn narrow(sql: &mut Sql, filter: &Filter, without: Option<Facet>) {
    let counted = |facet: Facet| without == Some(facet);
    sql.push(" WHERE 1 = 1");
    if !filter.status.is_empty() && !counted(Facet::Status) {
        among(sql, "status", &filter.status, |sql, status| text(sql, status.as_str()));
    }
    if !filter.severity.is_empty() && !counted(Facet::Severity) {
        among(sql, "severity", &filter.severity, |sql, severity| {
            sql.push_bind(severity.rank());
        });
    }
    if !filter.owner.is_empty() && !counted(Facet::Owner) {
        among(sql, "COALESCE(owner, '')", &filter.owner, |sql, owner| text(sql, owner));
    }
    for (kind, values) in [("tactic", &filter.tactic), ("technique", &filter.technique)] {
        if !values.is_empty() && !counted(Facet::Label(kind)) {
            with_label(sql, kind, values);
        }
    }
    if !filter.entity.is_empty() {
        sql.push(" AND number IN (SELECT incident FROM incident_entities WHERE 1 = 1");
        among(sql, "entity", &filter.entity, |sql, key| text(sql, key));
        sql.push(")");
    }
    if !filter.cluster.is_empty() {
        among(sql, "cluster", &filter.cluster, |sql, cluster| text(sql, cluster));
    }
    if let Some(since) = filter.since {
        sql.push(" AND last_activity >= ");
        text(sql, &time::text(since));
    }
    if let Some(until) = filter.until {
        sql.push(" AND first_activity < ");
        text(sql, &time::text(until));
    }
    for word in filter.search.to_lowercase().split_whitespace().take(16) {
        let pattern: String = word
            .chars()
            .flat_map(|c| if matches!(c, '%' | '_' | '\\') { vec!['\\', c] } else { vec![c] })
            .collect();
        sql.push(" AND search LIKE ");
        sql.push_bind(format!("%{pattern}%"));
        sql.push(" ESCAPE '\\'");
    }
}

const FACETS: [Facet; 5] = [
    Facet::Status,
    Facet::Severity,
    Facet::Owner,
    Facet::Label("tactic"),
    Facet::Label("technique"),
];

/// The rows of a page. `before` is put before the statement: nothing, or what asks for its plan.
fn page_sql(before: &str, filter: &Filter, sort: Sort, order: Order, limit: i64, offset: i64) -> Sql {
    let mut sql = Sql::new(format!("{before}SELECT {COLUMNS} FROM incidents"));
    narrow(&mut sql, filter, None);
    let direction = match order {
        Order::Asc => "ASC",
        Order::Desc => "DESC",
    };
    // Of equal ones the newest first, so that pages do not overlap.
    sql.push(format!(" ORDER BY {} {direction}, number DESC LIMIT ", sort.sql()));
    sql.push_bind(limit.clamp(0, MAX_PAGE));
    sql.push(" OFFSET ");
    sql.push_bind(offset.max(0));
    sql
}

fn total_sql(before: &str, filter: &Filter) -> Sql {
    let mut sql = Sql::new(format!("{before}SELECT COUNT(*) FROM incidents"));
    narrow(&mut sql, filter, None);
    sql
}

fn facet_sql(before: &str, filter: &Filter, facet: Facet) -> Sql {
    let mut sql = match facet {
        Facet::Status => Sql::new(format!("{before}SELECT status AS value, COUNT(*) AS n FROM incidents")),
        Facet::Severity => Sql::new(format!(
            "{before}SELECT CAST(severity AS TEXT) AS value, COUNT(*) AS n FROM incidents"
        )),
        Facet::Owner => Sql::new(format!("{before}SELECT COALESCE(owner, '') AS value, COUNT(*) AS n FROM incidents")),
        Facet::Label(_) => {
            let mut sql = Sql::new(format!("{before}SELECT value, COUNT(*) AS n FROM incident_labels"));
            if *filter != Filter::default() {
                sql.push(" JOIN incidents ON number = incident");
            }
            sql
        }
    };
    narrow(&mut sql, filter, Some(facet));
    if let Facet::Label(kind) = facet {
        sql.push(" AND kind = ");
        text(&mut sql, kind);
    }
    sql.push(" GROUP BY value ORDER BY n DESC, value");
    sql
}

impl State {
    /// A page of the queue. `limit` is at most [`MAX_PAGE`].
    ///
    /// # Errors
    /// When the database fails.
    pub async fn incidents(&self, filter: &Filter, sort: Sort, order: Order, limit: i64, offset: i64) -> Result<Page, StateError> {
        // One transaction, so that page, total and counts are of the same moment.
        let mut reading = self.reader.begin().await?;

        let mut sql = page_sql("", filter, sort, order, limit, offset);
        let rows = sql.build().fetch_all(&mut *reading).await?;
        let items = rows.iter().map(read).collect::<Result<Vec<Incident>, _>>()?;
        let total: i64 = total_sql("", filter).build_query_scalar().fetch_one(&mut *reading).await?;

        let mut facets = Facets::default();
        for facet in FACETS {
            let rows = facet_sql("", filter, facet).build().fetch_all(&mut *reading).await?;
            let mut counts = IndexMap::new();
            for row in &rows {
                counts.insert(row.try_get::<String, _>("value")?, row.try_get::<i64, _>("n")?);
            }
            match facet {
                Facet::Status => facets.status = counts,
                Facet::Severity => facets.severity = by_severity(&counts),
                Facet::Owner => facets.owner = counts,
                Facet::Label("tactic") => facets.tactic = counts,
                Facet::Label(_) => facets.technique = counts,
            }
        }
        reading.commit().await?;
        Ok(Page { items, total, facets })
    }

    /// How the database would answer: each step of the page, of the total, and of the counts.
    #[cfg(test)]
    pub(crate) async fn incident_plans(&self, filter: &Filter, sort: Sort, order: Order) -> Vec<String> {
        let before = "EXPLAIN QUERY PLAN ";
        let mut all = vec![page_sql(before, filter, sort, order, 50, 0), total_sql(before, filter)];
        all.extend(FACETS.map(|facet| facet_sql(before, filter, facet)));
        let mut steps = Vec::new();
        for mut sql in all {
            let rows = sql.build().fetch_all(&self.reader).await.unwrap_or_default();
            steps.extend(rows.iter().filter_map(|row| row.try_get::<String, _>("detail").ok()));
        }
        steps
    }
}

fn by_severity(ranks: &IndexMap<String, i64>) -> IndexMap<String, i64> {
    Severity::ALL
        .into_iter()
        .filter_map(|severity| {
            let count = ranks.get(&severity.rank().to_string())?;
            Some((severity.to_string(), *count))
        })
        .collect()
}
