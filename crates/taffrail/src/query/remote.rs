//! Queries to a server, over the Log Analytics protocol.

use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::output::Answer;
use crate::query::Failure;

/// A server.
pub struct Remote {
    client: reqwest::Client,
    url: String,
    completions: String,
    token: Option<String>,
}

#[derive(Deserialize)]
struct Response {
    tables: Vec<Table>,
}

#[derive(Deserialize)]
struct Table {
    name: String,
    columns: Vec<Column>,
    rows: Vec<Vec<Value>>,
}

#[derive(Deserialize)]
struct Column {
    name: String,
    #[serde(rename = "type")]
    ty: String,
}

impl Remote {
    /// A server by its address; the token comes from `TAFFRAIL_TOKEN`.
    ///
    /// # Errors
    /// When no client can be made.
    pub fn new(server: &str) -> anyhow::Result<Remote> {
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .build()
            .context("cannot make an HTTP client")?;
        let server = server.trim_end_matches('/');
        Ok(Remote {
            client,
            url: format!("{server}/v1/workspaces/default/query"),
            completions: format!("{server}/api/v1/query/complete"),
            token: std::env::var("TAFFRAIL_TOKEN").ok().filter(|token| !token.is_empty()),
        })
    }

    /// What could stand at a byte offset: text and what it is. Nothing when the server does not answer soon.
    pub async fn complete(&self, text: &str, offset: usize) -> Vec<(String, String)> {
        let mut request = self
            .client
            .post(&self.completions)
            .timeout(Duration::from_secs(2))
            .json(&json!({ "query": text, "offset": offset }));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let Ok(response) = request.send().await else {
            return Vec::new();
        };
        let answer: Value = response.json().await.unwrap_or_default();
        let field = |item: &Value, name: &str| item[name].as_str().unwrap_or_default().to_owned();
        let items = answer["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().map(|item| (field(item, "insert"), field(item, "detail"))).collect()
    }

    /// Asks.
    pub async fn ask(&self, query: &str) -> Result<Answer, Failure> {
        let mut request = self
            .client
            .post(&self.url)
            .header("Prefer", "wait=600")
            .json(&json!({ "query": query }));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let response = request
            .send()
            .await
            .map_err(|error| plain(format!("cannot reach {}: {error}", self.url)))?;
        let status = response.status();
        let body = response
            .text()
            .await
            .map_err(|error| plain(format!("the answer of {} broke off: {error}", self.url)))?;
        if !status.is_success() {
            return Err(refusal(status, &body));
        }
        let response: Response =
            serde_json::from_str(&body).map_err(|error| plain(format!("the answer of {} is not understood: {error}", self.url)))?;
        let mut tables = response.tables.into_iter().map(|table| {
            let answer = Answer {
                columns: table.columns.into_iter().map(|column| (column.name, column.ty)).collect(),
                rows: table.rows,
                further: Vec::new(),
            };
            (Some(table.name), answer)
        });
        let (_, mut first) = tables.next().ok_or_else(|| plain("the answer has no table".to_owned()))?;
        first.further = tables.collect();
        Ok(first)
    }
}

fn plain(text: String) -> Failure {
    Failure {
        detail: format!("error: {text}"),
        summary: text,
    }
}

fn refusal(status: reqwest::StatusCode, body: &str) -> Failure {
    if status == reqwest::StatusCode::UNAUTHORIZED {
        return plain("the server wants a token: put one into TAFFRAIL_TOKEN (Settings, API tokens)".to_owned());
    }
    let body: Value = serde_json::from_str(body).unwrap_or(Value::Null);
    let error = &body["error"];
    let inner = &error["innererror"];
    let message = inner["message"].as_str().or(error["message"].as_str()).unwrap_or("no reason given");
    let start = &error["diagnostics"][0]["start"];
    let place = match (start["line"].as_u64(), start["column"].as_u64()) {
        (Some(line), Some(column)) => format!(" (line {line}, column {column})"),
        _ => String::new(),
    };
    plain(format!("{message}{place}"))
}
