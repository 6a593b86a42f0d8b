//! Detection as its users see it: rules over rows, beside a lake, and as files.

mod coverage;
mod detector;
mod evaluate;
mod lint;
mod rule;
mod scheduled;
mod sigma;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use arrow::record_batch::RecordBatch;
use chrono::{DateTime, Utc};
use datafusion::catalog::TableProvider;
use serde_json::{Value, json};
use taffrail_content::Content;
use taffrail_engine::{Engine, EngineOptions, MemorySource, QueryRequest, TableSource};
use taffrail_lake::{Committed, Lake, LakeOptions};
use taffrail_schema::Schema;
use taffrail_sources::{Context, decode};
use taffrail_state::State;
use taffrail_state::incidents::{Filter, Incident, Order, Sort};
use tempfile::TempDir;

use crate::ruleset::parse_rule;
use crate::{Detector, Rule, RuleSet};

const AUDIT: &str = "KubernetesAudit";

/// A table that the source of a [`Site`] does not give, so that rules that read it fail.
const BROKEN: &str = "DeadLetter";

fn schema() -> Arc<Schema> {
    Arc::new(Schema::load(&Content::embedded()).unwrap())
}

fn at(text: &str) -> DateTime<Utc> {
    format!("2026-01-05T{text}Z").parse().unwrap()
}

/// Somebody reads a secret.
fn read(id: &str, user: &str, secret: &str, time: &str) -> Value {
    json!({
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": id, "stage": "ResponseComplete",
        "requestURI": format!("/api/v1/namespaces/shop/secrets/{secret}"), "verb": "get",
        "user": { "username": user, "groups": ["system:authenticated"] },
        "sourceIPs": ["198.51.100.7"], "userAgent": "curl/8.5.0",
        "objectRef": { "resource": "secrets", "namespace": "shop", "name": secret, "apiVersion": "v1" },
        "responseStatus": { "code": 200 },
        "requestReceivedTimestamp": at(time), "stageTimestamp": at(time),
    })
}

/// Audit rows that arrived at a time.
fn rows(schema: &Schema, events: &[Value], received: &str) -> RecordBatch {
    let lines: Vec<String> = events.iter().map(Value::to_string).collect();
    let context = Context {
        cluster: "harbour".to_owned(),
        received: at(received),
        schema,
        origin: "test".to_owned(),
    };
    let decoded = decode("kubernetes-audit", lines.join("\n").as_bytes(), &context).unwrap();
    assert!(decoded.dead.is_empty(), "{:?}", decoded.dead);
    let [(table, batch)] = decoded.batches.try_into().unwrap();
    assert_eq!(table, AUDIT);
    batch
}

/// An engine over audit rows in memory.
fn memory(batches: Vec<RecordBatch>) -> Engine {
    let schema = schema();
    let source = MemorySource::new(Arc::clone(&schema), [(AUDIT.to_owned(), batches)]).unwrap();
    Engine::new(schema, Arc::new(source), EngineOptions::default())
}

fn rule(text: &str) -> Rule {
    parse_rule("test.yaml", text).unwrap()
}

struct LakeSource(Lake);

impl TableSource for LakeSource {
    fn table(&self, name: &str) -> Option<Arc<dyn TableProvider>> {
        if name == BROKEN { None } else { self.0.table(name) }
    }
}

/// A data directory with lake, state and engine.
struct Site {
    schema: Arc<Schema>,
    lake: Lake,
    state: State,
    engine: Engine,
    directory: TempDir,
}

impl Site {
    async fn open() -> Site {
        let directory = TempDir::new().unwrap();
        let schema = schema();
        let lake = Lake::open(&directory.path().join("lake"), Arc::clone(&schema), LakeOptions::default())
            .await
            .unwrap();
        let state = State::open(directory.path().join("state.sqlite")).await.unwrap();
        let source: Arc<dyn TableSource> = Arc::new(LakeSource(lake.clone()));
        let engine = Engine::new(
            Arc::clone(&schema) as Arc<dyn taffrail_kql::catalog::Schema>,
            source,
            EngineOptions::default(),
        );
        Site {
            schema,
            lake,
            state,
            engine,
            directory,
        }
    }

    /// Detection with rules as their authors hand them in: files in a folder.
    fn detector(&self, rules: &[&str]) -> Detector {
        let folder = self.directory.path().join("rules");
        if folder.exists() {
            std::fs::remove_dir_all(&folder).unwrap();
        }
        std::fs::create_dir(&folder).unwrap();
        for (index, text) in rules.iter().enumerate() {
            std::fs::write(folder.join(format!("{index}.yaml")), text).unwrap();
        }
        let mut set = RuleSet::default();
        set.add_directory(&folder).unwrap();
        Detector::new(
            self.engine.clone(),
            self.lake.clone(),
            self.state.clone(),
            Arc::clone(&self.schema),
            &set,
        )
    }

    /// Stores audit events that arrive at a time.
    async fn append(&self, events: &[Value], received: &str) {
        let batch = rows(&self.schema, events, received);
        self.lake.append(vec![(AUDIT.to_owned(), batch)]).await.unwrap();
    }

    /// Stores audit events and gives them as detection gets them.
    async fn committed(&self, events: &[Value]) -> Arc<Committed> {
        let mut follow = self.lake.read_from(self.lake.position());
        self.append(events, "12:00:00").await;
        follow.next().await.unwrap().unwrap()
    }

    async fn query(&self, text: &str) -> Vec<Vec<Value>> {
        let result = self.engine.query(text, &QueryRequest::default()).await.unwrap();
        result.rows().collect()
    }

    async fn count(&self, table: &str) -> u64 {
        self.query(&format!("{table} | count")).await[0][0].as_u64().unwrap()
    }

    /// Incidents, oldest first.
    async fn incidents(&self) -> Vec<Incident> {
        let page = self.state.incidents(&Filter::default(), Sort::Number, Order::Asc, 100, 0).await;
        page.unwrap().items
    }
}

/// For what must come, sometime.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), what).await.expect("came in time")
}
