//! The engine, the lake and detection as the server's ports want them.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value as Json};
use taffrail_content::Content;
use taffrail_detect::{Detector, Kind, Rule};
use taffrail_engine::{Engine, QueryError, QueryRequest, QueryResult, ResultColumn, ResultTable};
use taffrail_kql::bound::Visualization;
use taffrail_kql::catalog::FunctionKind;
use taffrail_kql::{Diagnostic, Type};
use taffrail_lake::Lake;
use taffrail_schema::{ColumnDef, Schema, made_table};
use taffrail_server::ports::{
    Answer, AnswerTable, Column, Compaction, Completion, Cost, Failure, FunctionInfo, Hover, Library, Queries, Render, Request, Rows,
    RuleInfo, Rules, Shipped, Storage, TableChange, TableStatistics,
};

use super::watchlists::Watchlists;

/// Queries on an engine.
pub struct EngineQueries {
    /// The engine
    pub engine: Engine,
    /// For stored functions
    pub schema: Arc<Schema>,
}

struct ResultRows(QueryResult);

impl Rows for ResultRows {
    fn each(&self, row: &mut dyn FnMut(Vec<Json>)) {
        for cells in self.0.rows() {
            row(cells);
        }
    }
}

struct TableRows(ResultTable);

impl Rows for TableRows {
    fn each(&self, row: &mut dyn FnMut(Vec<Json>)) {
        for cells in self.0.rows() {
            row(cells);
        }
    }
}

fn columns(columns: &[ResultColumn]) -> Vec<Column> {
    columns
        .iter()
        .map(|column| Column {
            name: column.name.clone(),
            ty: column.ty,
        })
        .collect()
}

fn render(visualization: Option<&Visualization>) -> Option<Render> {
    visualization.map(|render| Render {
        kind: render.kind.clone(),
        properties: render.properties.clone(),
    })
}

fn request(request: &Request) -> QueryRequest {
    QueryRequest {
        now: request.now,
        timespan: request.timespan,
        parameters: request.parameters.clone(),
        max_rows: request.max_rows,
        fresh: request.fresh,
        limits: request.limits,
    }
}

fn failure(error: QueryError) -> Failure {
    match error {
        QueryError::Diagnostics(diagnostics) => Failure::Diagnostics(diagnostics),
        error @ QueryError::Timeout { .. } => Failure::Timeout(error.to_string()),
        error @ (QueryError::Memory { .. } | QueryError::TooLarge { .. }) => Failure::Memory(error.to_string()),
        error => Failure::Execution(error.to_string()),
    }
}

#[async_trait]
impl Queries for EngineQueries {
    async fn query(&self, text: &str, asked: &Request) -> Result<Answer, Failure> {
        let mut result = self.engine.query(text, &request(asked)).await.map_err(failure)?;
        let further = std::mem::take(&mut result.further).into_iter().map(|table| AnswerTable {
            name: table.name.clone(),
            columns: columns(&table.columns),
            row_count: table.batches.iter().map(|batch| batch.num_rows()).sum(),
            render: render(table.visualization.as_ref()),
            truncated: table.truncated,
            rows: Box::new(TableRows(table)),
        });
        Ok(Answer {
            further: further.collect(),
            name: result.name.clone(),
            columns: columns(&result.columns),
            row_count: result.len(),
            render: render(result.visualization.as_ref()),
            truncated: result.truncated,
            elapsed: result.statistics.elapsed,
            scanned_rows: result.statistics.scanned_rows,
            scanned_bytes: result.statistics.scanned_bytes,
            cost: Cost {
                files: result.statistics.files,
                files_pruned: result.statistics.files_pruned,
                row_groups: result.statistics.row_groups,
                row_groups_pruned: result.statistics.row_groups_pruned,
                cpu: result.statistics.cpu,
                peak_memory: result.statistics.peak_memory,
                from_cache: result.statistics.from_cache,
            },
            rows: Box::new(ResultRows(result)),
        })
    }

    async fn parquet(&self, text: &str, asked: &Request) -> Result<Vec<u8>, Failure> {
        let result = self.engine.query(text, &request(asked)).await.map_err(failure)?;
        // Compressing takes a while; other requests must not wait for that.
        let written = tokio::task::spawn_blocking(move || super::parquet::file(&result)).await;
        let words = |error: String| Failure::Execution(format!("the answer cannot be written as Parquet: {error}"));
        written
            .map_err(|error| words(error.to_string()))?
            .map_err(|error| words(error.to_string()))
    }

    fn check(&self, text: &str) -> Vec<Diagnostic> {
        self.engine.check(text)
    }

    fn complete(&self, text: &str, offset: usize) -> Vec<Completion> {
        self.engine
            .complete(text, offset)
            .into_iter()
            .map(|item| Completion {
                label: item.label,
                kind: item.kind.as_str().to_owned(),
                detail: item.detail,
                insert: item.insert,
            })
            .collect()
    }

    fn hover(&self, text: &str, offset: usize) -> Option<Hover> {
        let found = self.engine.hover(text, offset)?;
        let table = || {
            self.schema
                .tables()
                .find(|table| table.name == found.name)
                .map(|table| table.about.clone())
        };
        let about = match found.summary {
            Some(summary) => Some(summary.to_owned()),
            None if found.kind.as_str() == "table" => table(),
            None => None,
        };
        Some(Hover {
            span: found.span,
            kind: found.kind.as_str().to_owned(),
            name: found.name,
            detail: found.detail,
            about: about.filter(|about| !about.is_empty()),
        })
    }

    async fn explain(&self, text: &str, asked: &Request) -> Result<String, Failure> {
        self.engine.explain(text, &request(asked)).await.map_err(failure)
    }

    fn columns(&self, text: &str) -> Vec<Column> {
        match self.engine.compile(text, &QueryRequest::default()) {
            Ok(bound) => bound
                .root
                .columns
                .into_iter()
                .map(|column| Column {
                    name: column.name,
                    ty: column.ty,
                })
                .collect(),
            Err(_) => Vec::new(),
        }
    }

    fn functions(&self) -> Vec<FunctionInfo> {
        let built_in = self.engine.catalog().functions().into_iter().map(|function| FunctionInfo {
            name: function.name.to_owned(),
            kind: match function.kind {
                FunctionKind::Scalar => "scalar",
                FunctionKind::Aggregate => "aggregate",
                FunctionKind::Window => "window",
                FunctionKind::Plugin => "plugin",
            }
            .to_owned(),
            usage: function.usage.to_owned(),
            summary: function.summary.to_owned(),
        });
        let stored = self.schema.functions().map(|function| FunctionInfo {
            name: function.name.clone(),
            kind: "stored".to_owned(),
            usage: format!("{}{}", function.name, function.parameters),
            summary: function.about.clone(),
        });
        built_in.chain(stored).collect()
    }
}

/// The rules of detection.
pub struct DetectorRules {
    /// Detection
    pub detector: Detector,
}

impl Rules for DetectorRules {
    fn rules(&self) -> Vec<RuleInfo> {
        let mut rules: Vec<RuleInfo> = self.detector.rules().iter().map(|active| info(&active.rule)).collect();
        rules.sort_by(|a, b| a.name.cmp(&b.name));
        rules
    }
}

fn info(rule: &Rule) -> RuleInfo {
    let mut definition = match serde_json::to_value(rule) {
        Ok(Json::Object(map)) => map,
        _ => Map::new(),
    };
    for named in [
        "id",
        "name",
        "description",
        "severity",
        "kind",
        "tactics",
        "techniques",
        "query",
        "enabled",
    ] {
        definition.remove(named);
    }
    RuleInfo {
        id: rule.id.clone(),
        name: rule.name.clone(),
        description: rule.description.clone(),
        severity: rule.severity.to_string(),
        kind: match rule.kind {
            Kind::Scheduled => "Scheduled".to_owned(),
            Kind::Nrt => "NRT".to_owned(),
        },
        tactics: rule.tactics.clone(),
        techniques: rule.relevant_techniques.clone(),
        query: rule.query.clone(),
        enabled: true,
        definition,
    }
}

/// The documents under `content/`.
pub struct ContentLibrary {
    /// Where they are
    pub content: Content,
    /// Lists are functions there
    pub watchlists: Watchlists,
    /// Rules read them
    pub detector: Detector,
}

#[async_trait]
impl Library for ContentLibrary {
    async fn changed(&self, kind: &str) {
        if kind != "watchlists" {
            return;
        }
        if let Err(error) = self.watchlists.reload().await {
            tracing::error!(%error, "changed watchlists cannot be read: queries still see those of before");
        }
        self.detector.recompile();
    }

    fn documents(&self, kind: &str) -> Vec<Shipped> {
        if kind == "watchlists" {
            return self.watchlists.shipped.clone();
        }
        let files = self.content.files(kind).unwrap_or_else(|error| {
            tracing::warn!(%error, kind, "shipped documents cannot be read");
            Vec::new()
        });
        files
            .iter()
            .filter(|file| file.path.ends_with(".yaml"))
            .filter_map(shipped)
            .collect()
    }
}

/// A file as a document; one that cannot be read is left out and named in the log, the others stay.
fn shipped(file: &taffrail_content::File) -> Option<Shipped> {
    let stem = file.path.rsplit('/').next()?.strip_suffix(".yaml")?;
    let read = file.text().map_err(|error| error.to_string());
    match read.and_then(|text| serde_yaml_ng::from_str::<Json>(text).map_err(|error| error.to_string())) {
        Ok(body) => Some(Shipped { id: stem.to_owned(), body }),
        Err(error) => {
            tracing::warn!(path = file.path, error, "a shipped document is not valid YAML");
            None
        }
    }
}

/// What the lake holds.
pub struct LakeStorage {
    /// The lake
    pub lake: Lake,
    /// Its tables
    pub schema: Arc<Schema>,
}

#[async_trait]
impl Storage for LakeStorage {
    async fn append(&self, table: &str, rows: Vec<Map<String, Json>>) -> Result<u64, String> {
        let batch = super::rows::batch(&self.schema, table, rows).map_err(|error| format!("{error:#}"))?;
        let appended = self.lake.append(vec![(table.to_owned(), batch)]).await;
        appended.map(|done| done.stored as u64).map_err(|error| error.to_string())
    }

    async fn statistics(&self) -> Result<Vec<TableStatistics>, String> {
        let tables = self.lake.statistics();
        Ok(tables
            .into_iter()
            .map(|(name, table)| TableStatistics {
                name,
                rows: table.rows,
                bytes: table.bytes,
                hot_rows: table.hot_rows,
                files: table.files,
            })
            .collect())
    }

    async fn change_table(
        &self,
        name: &str,
        columns: Vec<(String, Type)>,
        change: TableChange,
        about: Option<String>,
        folder: Option<String>,
    ) -> Result<(), String> {
        let words = |error: taffrail_lake::LakeError| error.to_string();
        let column = |(name, ty): (String, Type)| ColumnDef {
            name,
            ty,
            about: String::new(),
            path: Vec::new(),
        };
        let columns = columns.into_iter().map(column).collect();
        let mut table = made_table(name, columns).map_err(|error| error.to_string())?;
        if let Some(known) = self.lake.definition(name) {
            table.about = known.about;
            table.group = known.group;
        }
        table.about = about.unwrap_or(table.about);
        table.group = folder.unwrap_or(table.group);
        match change {
            TableChange::Create => self.lake.create_table(table).await.map_err(words),
            TableChange::Alter => self.lake.alter_table(table).await.map_err(words),
            TableChange::AlterMerge if self.lake.definition(name).is_none() => Err(format!("there is no table {name}")),
            TableChange::CreateMerge | TableChange::AlterMerge => self.lake.create_merge(table).await.map(|_| ()).map_err(words),
        }
    }

    async fn drop_table(&self, name: &str) -> Result<(), String> {
        self.lake.drop_table(name).await.map_err(|error| error.to_string())
    }

    async fn retention(&self, table: &str) -> Result<Option<u32>, String> {
        self.lake.retention(table).map_err(|error| error.to_string())
    }

    async fn set_retention(&self, table: &str, days: Option<u32>) -> Result<(), String> {
        let words = |error: taffrail_lake::LakeError| error.to_string();
        let mut policy = self.lake.policy(table).map_err(words)?;
        policy.retention_days = days;
        self.lake.set_policy(table, policy).await.map_err(words)
    }

    fn check(&self) -> Result<(), String> {
        self.lake.check().map_err(|error| error.to_string())
    }

    async fn compact(&self) -> Result<Compaction, String> {
        let words = |error: taffrail_lake::LakeError| error.to_string();
        self.lake.flush().await.map_err(words)?;
        let done = self.lake.compact().await.map_err(words)?;
        let deleted = self.lake.vacuum().await.map_err(words)?;
        Ok(Compaction {
            removed: done.removed,
            added: done.added,
            deleted,
        })
    }
}
