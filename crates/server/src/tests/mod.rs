//! Requests against the whole router, with a real state file; only queries, rules and storage are stand-ins.

mod access;
mod description;
mod incidents;
mod library;
mod protocols;
mod serving;
mod work;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::routing::post;
use chrono::{DateTime, TimeZone as _, Utc};
use http::{HeaderMap, Request as HttpRequest, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value as Json, json};
use shared::Shared;
use taffrail_kql::{Code, Diagnostic, Span, Type};
use taffrail_schema::{ColumnDef, Schema, TableDef};
use taffrail_state::State;
use taffrail_state::tokens::Scope;
use taffrail_state::users::{NewUser, Role};
use tokio::sync::{broadcast, watch};
use tower::ServiceExt as _;

use crate::app::{App, Context, ServerOptions};
use crate::ports::{
    Answer, AnswerTable, Column, Compaction, Completion, Cost, Failure, FunctionInfo, Hover, Library, Queries, Render, Request, RuleInfo,
    Rules, Shipped, Storage, TableStatistics,
};

/// What tests and stand-ins tell each other.
mod shared {
    use std::sync::{Arc, Mutex};

    /// A value shared with a test.
    #[derive(Clone, Default)]
    pub struct Shared<T>(Arc<Mutex<T>>);

    impl<T: Clone> Shared<T> {
        pub fn set(&self, value: T) {
            *self.0.lock().unwrap() = value;
        }

        pub fn get(&self) -> T {
            self.0.lock().unwrap().clone()
        }
    }
}

pub const PASSWORD: &str = "correct horse battery staple";

/// A query whose answer has a column of every type.
pub const EVERY_TYPE: &str = "every type";
/// A query that never ends.
pub const ENDLESS: &str = "endless";
/// A query with more rows than allowed.
pub const TOO_MANY: &str = "too many";
/// A query that is not KQL.
pub const WRONG: &str = "print 1\n| tak 5";

#[derive(Clone, Default)]
struct FakeQueries {
    asked: Shared<Request>,
}

fn answer(columns: &[(&str, Type)], rows: Vec<Vec<Json>>) -> Answer {
    let columns = columns.iter().map(|(name, ty)| Column {
        name: (*name).to_owned(),
        ty: *ty,
    });
    Answer {
        columns: columns.collect(),
        row_count: rows.len(),
        rows: Box::new(rows),
        render: None,
        truncated: false,
        elapsed: Duration::from_millis(1_500),
        scanned_rows: 7,
        scanned_bytes: 700,
        name: None,
        further: Vec::new(),
        cost: Cost::default(),
    }
}

fn further(name: Option<&str>, cell: Json) -> AnswerTable {
    let table = answer(&[("y", Type::String)], vec![vec![cell]]);
    AnswerTable {
        name: name.map(str::to_owned),
        columns: table.columns,
        rows: table.rows,
        row_count: table.row_count,
        render: None,
        truncated: false,
    }
}

fn every_type() -> Answer {
    let columns = [
        ("b", Type::Bool),
        ("i", Type::Int),
        ("l", Type::Long),
        ("r", Type::Real),
        ("m", Type::Decimal),
        ("s", Type::String),
        ("t", Type::DateTime),
        ("d", Type::TimeSpan),
        ("g", Type::Guid),
        ("o", Type::Dynamic),
        ("q", Type::Dynamic),
    ];
    let full = vec![
        json!(true),
        json!(-5),
        json!(9_007_199_254_740_993_i64),
        json!(1.5),
        json!("12.25"),
        json!("text"),
        json!("2026-01-02T03:04:05.1234567Z"),
        json!("1.02:03:04.5"),
        json!("74be27de-1e4e-49d9-b579-fe0b331d3642"),
        json!({ "a": [1, "x"] }),
        json!("plain"),
    ];
    let mut empty = vec![Json::Null; columns.len()];
    empty[5] = json!("");
    answer(&columns, vec![full, empty])
}

#[async_trait]
impl Queries for FakeQueries {
    async fn query(&self, text: &str, request: &Request) -> Result<Answer, Failure> {
        self.asked.set(request.clone());
        match text {
            EVERY_TYPE => Ok(every_type()),
            TOO_MANY => Ok(Answer {
                truncated: true,
                ..answer(&[("x", Type::Long)], vec![vec![json!(1)]])
            }),
            ENDLESS => std::future::pending().await,
            WRONG => Err(Failure::Diagnostics(self.check(text))),
            "render" => Ok(Answer {
                render: Some(Render {
                    kind: "timechart".to_owned(),
                    properties: vec![
                        ("title".to_owned(), "Requests".to_owned()),
                        ("ycolumns".to_owned(), "a, b".to_owned()),
                    ],
                }),
                ..answer(&[("x", Type::Long)], vec![])
            }),
            "several" => Ok(Answer {
                name: Some("first".to_owned()),
                further: vec![further(None, json!("a")), further(Some("last"), json!("b"))],
                ..answer(&[("x", Type::Long)], vec![vec![json!(1)]])
            }),
            other => Err(Failure::Execution(format!("the stand-in does not know {other:?}"))),
        }
    }

    async fn parquet(&self, text: &str, request: &Request) -> Result<Vec<u8>, Failure> {
        self.query(text, request).await.map(|_| b"PAR1".to_vec())
    }

    fn check(&self, text: &str) -> Vec<Diagnostic> {
        match text.find("tak ") {
            Some(start) => {
                let span = Span::new(start, start + 3);
                let found = Diagnostic::error(Code::Syntax, span, "there is no operator tak").with_help("did you mean take?");
                vec![found.with_fix(span, "take")]
            }
            None => vec![],
        }
    }

    fn complete(&self, text: &str, offset: usize) -> Vec<Completion> {
        let before = text[..offset].to_owned();
        vec![Completion {
            label: "where".to_owned(),
            kind: "operator".to_owned(),
            detail: before,
            insert: "where ".to_owned(),
        }]
    }

    fn hover(&self, text: &str, offset: usize) -> Option<Hover> {
        let start = text.find("where")?;
        (start..start + 5).contains(&offset).then(|| Hover {
            span: Span::new(start, start + 5),
            name: "where".to_owned(),
            kind: "operator".to_owned(),
            detail: "where predicate".to_owned(),
            about: None,
        })
    }

    async fn explain(&self, text: &str, _: &Request) -> Result<String, Failure> {
        match text {
            WRONG => Err(Failure::Diagnostics(self.check(text))),
            text => Ok(format!("the plan of {text}")),
        }
    }

    fn columns(&self, text: &str) -> Vec<Column> {
        if text == "['AzureDiagnostics']" {
            return answer(&[("log_s", Type::String)], vec![]).columns;
        }
        vec![]
    }

    fn functions(&self) -> Vec<FunctionInfo> {
        vec![FunctionInfo {
            name: "strlen".to_owned(),
            kind: "scalar".to_owned(),
            usage: "strlen(source)".to_owned(),
            summary: "Number of characters.".to_owned(),
        }]
    }
}

struct OneRule;

impl Rules for OneRule {
    fn rules(&self) -> Vec<RuleInfo> {
        let definition = json!({ "queryFrequency": "PT5M" });
        vec![RuleInfo {
            id: "exec-into-pod".to_owned(),
            name: "Exec into a pod".to_owned(),
            description: "Somebody ran a command in a container.".to_owned(),
            severity: "Medium".to_owned(),
            kind: "NRT".to_owned(),
            tactics: vec!["Execution".to_owned()],
            techniques: vec!["T1609".to_owned()],
            query: "KubernetesAudit".to_owned(),
            enabled: true,
            definition: definition.as_object().unwrap().clone(),
        }]
    }
}

struct OneWorkbook;

impl Library for OneWorkbook {
    fn documents(&self, kind: &str) -> Vec<Shipped> {
        let body = json!({ "name": "Audit overview", "description": "What was asked of the API servers.", "parts": [] });
        let id = "audit-overview".to_owned();
        if kind == "workbooks" { vec![Shipped { id, body }] } else { vec![] }
    }
}

#[derive(Clone, Default)]
struct FakeStorage {
    broken: Shared<bool>,
    appended: Shared<Vec<Json>>,
}

#[async_trait]
impl Storage for FakeStorage {
    async fn append(&self, table: &str, rows: Vec<serde_json::Map<String, Json>>) -> Result<u64, String> {
        let count = rows.len() as u64;
        self.appended
            .set(rows.into_iter().map(|row| json!({ "table": table, "row": row })).collect());
        Ok(count)
    }

    async fn statistics(&self) -> Result<Vec<TableStatistics>, String> {
        if self.broken.get() {
            return Err("the disk is full".to_owned());
        }
        Ok(vec![TableStatistics {
            name: "KubernetesAudit".to_owned(),
            rows: 3,
            ..TableStatistics::default()
        }])
    }

    async fn compact(&self) -> Result<Compaction, String> {
        Ok(Compaction::default())
    }
}

fn schema() -> Schema {
    let mut schema = Schema::default();
    let column = |name: &str, ty| ColumnDef {
        name: name.to_owned(),
        path: Vec::new(),
        ty,
        about: format!("The {name}"),
    };
    schema.add_table(TableDef {
        name: "KubernetesAudit".to_owned(),
        about: "Audit events".to_owned(),
        group: "Kubernetes".to_owned(),
        columns: vec![
            column("TimeGenerated", Type::DateTime),
            column("User", Type::Dynamic),
            column("Verb", Type::String),
        ],
        unique: vec![],
        sort: vec![],
        bloom: vec![],
        plain: vec![],
        event: None,
    });
    schema
}

pub fn noon() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 1, 2, 12, 0, 0).unwrap()
}

/// A server without a network.
pub struct World {
    pub router: Router,
    pub state: State,
    pub changes: broadcast::Sender<taffrail_state::incidents::IncidentChange>,
    pub asked: Shared<Request>,
    pub broken: Shared<bool>,
    pub appended: Shared<Vec<Json>>,
    pub now: Shared<Option<DateTime<Utc>>>,
    pub end: watch::Sender<bool>,
    _folder: tempfile::TempDir,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answered {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answered {
    pub fn json(&self) -> Json {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub fn error_code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub async fn world() -> World {
    world_with(ServerOptions::default()).await
}

/// The parts of a server; the world's router is empty.
pub async fn app(folder: &tempfile::TempDir) -> (App, World) {
    let state = State::open(folder.path().join("state.sqlite")).await.unwrap();
    let queries = FakeQueries::default();
    let storage = FakeStorage::default();
    let (changes, _) = broadcast::channel(16);
    let now: Shared<Option<DateTime<Utc>>> = Shared::default();
    now.set(Some(noon()));
    let told = now.clone();
    let ingest = Router::new()
        .route("/ingest/{source}", post(|| async { "stored" }))
        .route("/ingest/{source}/{cluster}", post(|| async { "stored" }));
    let app = App {
        queries: Arc::new(queries.clone()),
        state: state.clone(),
        schema: Arc::new(schema()),
        rules: Arc::new(OneRule),
        library: Arc::new(OneWorkbook),
        storage: Arc::new(storage.clone()),
        ingest,
        changes: changes.clone(),
        clock: Arc::new(move || told.get().unwrap_or_else(noon)),
        metrics: Some(crate::install_metrics().unwrap()),
    };
    let (end, _) = watch::channel(false);
    let world = World {
        router: Router::new(),
        state,
        changes,
        asked: queries.asked,
        broken: storage.broken,
        appended: storage.appended,
        now,
        end,
        _folder: tempfile::tempdir().unwrap(),
    };
    (app, world)
}

pub async fn world_with(options: ServerOptions) -> World {
    let folder = tempfile::tempdir().unwrap();
    let (app, mut world) = app(&folder).await;
    let context = Context {
        app,
        options: Arc::new(options),
        running: crate::running::Running::default(),
        ending: world.end.subscribe(),
    };
    world.router = crate::router::router(context);
    world._folder = folder;
    world
}

/// Somebody with a cookie.
pub struct Browser {
    pub cookie: String,
    pub csrf: String,
}

impl World {
    pub async fn send(&self, request: HttpRequest<Body>) -> Answered {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answered {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    pub async fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<Json>) -> Answered {
        let mut request = HttpRequest::builder().method(method).uri(path).header(header::HOST, "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        self.send(request.body(body).unwrap()).await
    }

    /// Makes a user of that role and signs in.
    pub async fn browser(&self, name: &str, role: Role) -> Browser {
        let new = NewUser {
            name,
            display_name: "",
            role,
            password: Some(PASSWORD),
        };
        self.state.add_user(&new, "test", noon()).await.unwrap();
        self.sign_in(name).await
    }

    pub async fn sign_in(&self, name: &str) -> Browser {
        let credentials = json!({ "username": name, "password": PASSWORD });
        let answered = self.call("POST", "/api/v1/session", &[], Some(credentials)).await;
        assert_eq!(answered.status, StatusCode::OK, "{}", answered.text);
        let cookie = answered.header("set-cookie").split(';').next().unwrap().to_owned();
        Browser {
            cookie,
            csrf: answered.json()["csrf"].as_str().unwrap().to_owned(),
        }
    }

    pub async fn token(&self, scope: Scope) -> String {
        let (_, text) = self.state.add_token("test", scope, None, "test", noon()).await.unwrap();
        format!("Bearer {text}")
    }

    pub async fn reader(&self) -> String {
        self.token(Scope::Api { role: Role::Reader }).await
    }
}

impl Browser {
    pub fn headers(&self) -> [(&str, &str); 2] {
        [("cookie", &self.cookie), ("x-csrf-token", &self.csrf)]
    }
}

/// Paths of the description with their methods.
pub fn documented() -> BTreeMap<String, Vec<String>> {
    let description = serde_json::to_value(crate::openapi()).unwrap();
    let paths = description["paths"].as_object().unwrap();
    let methods = |item: &Json| item.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
    paths.iter().map(|(path, item)| (path.clone(), methods(item))).collect()
}
