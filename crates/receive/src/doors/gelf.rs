//! `POST /gelf`: Graylog's HTTP input, which answers 202.

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::StatusCode;

use super::Door;
use crate::answer::Refusal;

pub(super) fn routes() -> Router<Door> {
    Router::new().route("/gelf", post(take))
}

async fn take(State(door): State<Door>, request: Request) -> Response {
    let result = match door.read(request, "gelf", |_| None).await {
        Ok(sent) => door.take("gelf", sent).await,
        Err(refusal) => Err(refusal),
    };
    match result {
        Ok(receipt) if receipt.rejected > 0 && !receipt.usable => Refusal::nothing_usable(receipt).into_response(),
        Ok(_) => StatusCode::ACCEPTED.into_response(),
        Err(refusal) => refusal.into_response(),
    }
}
