//! The description of ingestion; its requests are served by whoever receives events.

use crate::error::ErrorAnswer;

/// Takes events in. Answers when they are durable.
///
/// The body is in any framing of the source (JSON lines, lists, exports of cloud providers), plain, gzip or zstd. Needs an
/// ingestion token; events that came before are not stored again.
#[utoipa::path(post, path = "/ingest/{source}", tag = "ingest", security(("token" = [])),
    params(("source" = String, Path, description = "`kubernetes-audit`, …")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 200, description = "Stored"),
        (status = 400, description = "Not readable as that source", body = ErrorAnswer),
        (status = 401, description = "No token, or one that is not known", body = ErrorAnswer),
        (status = 403, description = "A token for something else", body = ErrorAnswer),
        (status = 413, description = "Too large", body = ErrorAnswer)))]
pub(crate) async fn ingest() {}

/// Takes events of a cluster in.
#[utoipa::path(post, path = "/ingest/{source}/{cluster}", tag = "ingest", security(("token" = [])),
    params(
        ("source" = String, Path, description = "`kubernetes-audit`, …"),
        ("cluster" = String, Path, description = "Name of the cluster")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 200, description = "Stored"),
        (status = 400, description = "Not readable as that source", body = ErrorAnswer),
        (status = 401, description = "No token, or one that is not known", body = ErrorAnswer),
        (status = 403, description = "A token for something else", body = ErrorAnswer),
        (status = 413, description = "Too large", body = ErrorAnswer)))]
pub(crate) async fn ingest_cluster() {}
