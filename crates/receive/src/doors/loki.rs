//! `POST /loki/api/v1/push` as Loki has it: 204 and nothing, or a line of text that says what is wrong. A tenant (`X-Scope-OrgID`) is a
//! cluster.

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::{HeaderValue, StatusCode, header};

use super::{Door, words};
use crate::access;
use crate::answer::{RETRY_AFTER, Refusal};

pub(super) fn routes() -> Router<Door> {
    Router::new()
        .route("/loki/api/v1/push", post(push))
        .route("/api/prom/push", post(push))
}

async fn push(State(door): State<Door>, request: Request) -> Response {
    let tenant = |parts: &http::request::Parts| access::text(&parts.headers, "x-scope-orgid").map(str::to_owned);
    let result = match door.read(request, "loki", tenant).await {
        Ok(sent) => door.take("loki", sent).await,
        Err(refusal) => Err(refusal),
    };
    match result {
        // What could be used is stored: Loki, too, says 400 for the rest, which nobody sends again.
        Ok(receipt) if receipt.rejected > 0 => (StatusCode::BAD_REQUEST, format!("{}\n", words(&receipt))).into_response(),
        Ok(_) => StatusCode::NO_CONTENT.into_response(),
        Err(refusal) => refused(&refusal),
    }
}

fn refused(refusal: &Refusal) -> Response {
    let mut response = (refusal.status, format!("{}\n", refusal.message)).into_response();
    if refusal.is_temporary() {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
    }
    response
}
