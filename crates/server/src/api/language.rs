//! Help with writing queries, and the queries one has run.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use taffrail_kql::diagnostic::{Severity, line_column};
use taffrail_kql::{Diagnostic, Span};
use taffrail_state::history::HistoryEntry;

use crate::app::Context;
use crate::auth::Reader;
use crate::error::{ApiError, Body};
use crate::ports::Completion;

/// A query's text.
#[derive(Deserialize, utoipa::ToSchema)]
pub(crate) struct CheckRequest {
    query: String,
}

/// A query's text and a place in it.
#[derive(Deserialize, utoipa::ToSchema)]
pub(crate) struct CompleteRequest {
    query: String,
    /// In characters (Unicode code points), from 0
    offset: usize,
}

/// A place in a query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct Place {
    /// From 1
    pub line: usize,
    /// In characters (Unicode code points), from 1
    pub column: usize,
    /// In characters (Unicode code points), from 0
    pub offset: usize,
}

/// A replacement that mends the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct FixView {
    start: Place,
    end: Place,
    text: String,
}

/// A problem with a query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct DiagnosticView {
    /// `error` or `warning`
    severity: String,
    /// Stable code
    code: String,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
    pub start: Place,
    end: Place,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<FixView>,
}

fn place(text: &str, byte: usize) -> Place {
    let (line, column) = line_column(text, byte);
    let mut end = byte.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let offset = text.get(..end).map_or(0, |before| before.chars().count());
    Place { line, column, offset }
}

fn places(text: &str, span: Span) -> (Place, Place) {
    (place(text, span.start), place(text, span.end))
}

/// Problems as JSON has them.
pub(crate) fn views(text: &str, diagnostics: &[Diagnostic]) -> Vec<DiagnosticView> {
    diagnostics
        .iter()
        .map(|diagnostic| {
            let (start, end) = places(text, diagnostic.span);
            let severity = match diagnostic.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            DiagnosticView {
                severity: severity.to_owned(),
                code: diagnostic.code.as_str().to_owned(),
                message: diagnostic.message.clone(),
                help: diagnostic.help.clone(),
                start,
                end,
                fix: diagnostic.fix.as_ref().map(|fix| {
                    let (start, end) = places(text, fix.span);
                    FixView {
                        start,
                        end,
                        text: fix.text.clone(),
                    }
                }),
            }
        })
        .collect()
}

/// Problems of a query.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct CheckAnswer {
    diagnostics: Vec<DiagnosticView>,
}

/// What could stand there.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct CompleteAnswer {
    items: Vec<Completion>,
}

/// Errors and warnings of a query, without running it.
#[utoipa::path(post, path = "/api/v1/query/check", tag = "query", request_body = CheckRequest, responses(
    (status = 200, description = "Problems, none when it is fine", body = CheckAnswer)))]
pub(crate) async fn check(
    State(context): State<Context>,
    _: Reader,
    Body(asked): Body<CheckRequest>,
) -> Result<Json<CheckAnswer>, ApiError> {
    let found = context.app.queries.check(&asked.query);
    Ok(Json(CheckAnswer {
        diagnostics: views(&asked.query, &found),
    }))
}

/// What could stand at a place of a query.
#[utoipa::path(post, path = "/api/v1/query/complete", tag = "query", request_body = CompleteRequest, responses(
    (status = 200, description = "Best first", body = CompleteAnswer)))]
pub(crate) async fn complete(
    State(context): State<Context>,
    _: Reader,
    Body(asked): Body<CompleteRequest>,
) -> Result<Json<CompleteAnswer>, ApiError> {
    let mut starts = asked.query.char_indices().map(|(byte, _)| byte);
    let byte = starts.nth(asked.offset).unwrap_or(asked.query.len());
    Ok(Json(CompleteAnswer {
        items: context.app.queries.complete(&asked.query, byte),
    }))
}

/// What a word of a query is.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct HoverView {
    name: String,
    /// `table`, `column`, `function`, `aggregate`, `operator`, …
    kind: String,
    /// The type of a column, the usage of a function or operator
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    about: Option<String>,
    start: Place,
    end: Place,
}

/// What is known of the word at a place.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct HoverAnswer {
    /// Nothing, when there is no word or nobody knows it
    hover: Option<HoverView>,
}

/// What the word at a place of a query is.
#[utoipa::path(post, path = "/api/v1/query/hover", tag = "query", request_body = CompleteRequest, responses(
    (status = 200, description = "The word and what it means", body = HoverAnswer)))]
pub(crate) async fn hover(
    State(context): State<Context>,
    _: Reader,
    Body(asked): Body<CompleteRequest>,
) -> Result<Json<HoverAnswer>, ApiError> {
    let mut starts = asked.query.char_indices().map(|(byte, _)| byte);
    let byte = starts.nth(asked.offset).unwrap_or(asked.query.len());
    let found = context.app.queries.hover(&asked.query, byte);
    Ok(Json(HoverAnswer {
        hover: found.map(|found| {
            let (start, end) = places(&asked.query, found.span);
            HoverView {
                name: found.name,
                kind: found.kind,
                detail: found.detail,
                about: found.about,
                start,
                end,
            }
        }),
    }))
}

/// Queries one has run, newest first.
#[utoipa::path(get, path = "/api/v1/history", tag = "query", responses(
    (status = 200, description = "At most 200", body = Vec<HistoryEntry>)))]
pub(crate) async fn history(State(context): State<Context>, Reader(principal): Reader) -> Result<Json<Vec<HistoryEntry>>, ApiError> {
    let Some(user) = principal.user() else {
        return Ok(Json(Vec::new()));
    };
    Ok(Json(context.app.state.history(user, 200).await?))
}
