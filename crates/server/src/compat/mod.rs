//! The query protocols of existing clients. Both run queries through [`run`], which keeps history and counts.

pub(crate) mod kusto;
mod kusto_answer;
mod kusto_commands;
mod kusto_request;
mod kusto_tables;
pub(crate) mod log_analytics;
mod render;
mod rows;
pub(crate) mod timespan;

use std::time::Duration;

use http::StatusCode;
use taffrail_state::history::HistoryEntry;

use crate::app::Context;
use crate::auth::Principal;
use crate::error::ApiError;
use crate::ports::{Answer, Failure, Request};

/// Longest query text.
const LONGEST: usize = 1024 * 1024;

/// What our own API says of a query that failed.
pub(crate) fn refusal(failure: &Failure) -> ApiError {
    let message = failure.to_string();
    match failure {
        Failure::Diagnostics(_) | Failure::Execution(_) => ApiError::bad_request(message),
        Failure::Memory(_) => ApiError::new(StatusCode::BAD_REQUEST, "QueryLimitExceeded", message),
        Failure::Cancelled(_) => ApiError::new(StatusCode::BAD_REQUEST, "QueryCancelled", message),
        Failure::Timeout(_) => ApiError::new(StatusCode::GATEWAY_TIMEOUT, "GatewayTimeout", message),
    }
}

/// How long a query may take, and whether it belongs into its user's history.
#[derive(Debug, Clone)]
struct Terms {
    /// What the client calls its request
    client: Option<String>,
    wait: Duration,
    /// Tiles of a page that ask by themselves are nobody's history
    remember: bool,
}

/// Runs a query for somebody.
async fn run(context: &Context, principal: &Principal, text: &str, request: &Request, terms: Terms) -> Result<Answer, Failure> {
    let began = context.now();
    let started = std::time::Instant::now();
    let wait = terms.wait.min(context.options.query_timeout);
    let result = if text.len() > LONGEST {
        Err(Failure::Execution(format!("the query is longer than {LONGEST} bytes")))
    } else {
        let id = terms.client.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        let under_way = context.running.begin(id, text, &principal.name, began);
        let mut stopped = under_way.stopped.clone();
        let stop = async move {
            let reason = stopped.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
            match reason {
                Some(reason) => reason,
                None => std::future::pending().await,
            }
        };
        let result = tokio::select! {
            result = tokio::time::timeout(wait, context.app.queries.query(text, request)) => result.unwrap_or_else(|_| {
                Err(Failure::Timeout(format!(
                    "the query took longer than the {} s it was given; narrow the time range, or allow more time",
                    wait.as_secs()
                )))
            }),
            reason = stop => Err(Failure::Cancelled(format!("the query was cancelled: {reason}"))),
        };
        under_way.end(&result);
        result
    };
    let elapsed = started.elapsed();
    let outcome = match &result {
        Ok(_) => "ok",
        Err(Failure::Diagnostics(_)) => "invalid",
        Err(Failure::Timeout(_)) => "timeout",
        Err(Failure::Cancelled(_)) => "cancelled",
        Err(_) => "failed",
    };
    ::metrics::counter!("taffrail_queries_total", "outcome" => outcome).increment(1);
    ::metrics::histogram!("taffrail_query_seconds").record(elapsed.as_secs_f64());
    tracing::info!(who = %principal.name, outcome, elapsed_ms = elapsed.as_millis(), "query");
    if let Some(user) = principal.user().filter(|_| terms.remember) {
        let entry = HistoryEntry {
            query: text.chars().take(100_000).collect(),
            at: began,
            elapsed_ms: i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX),
            rows: result.as_ref().ok().and_then(|answer| i64::try_from(answer.row_count).ok()),
            error: result.as_ref().err().map(ToString::to_string),
        };
        if let Err(error) = context.app.state.add_history(user, &entry).await {
            tracing::warn!(%error, "the query history cannot be written");
        }
    }
    result
}
