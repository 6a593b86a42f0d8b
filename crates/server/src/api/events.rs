//! Live changes, as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::Event;
use futures::Stream;
use taffrail_state::incidents::Change;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::app::Context;
use crate::auth::Reader;
use crate::error::ErrorAnswer;

const PING: Duration = Duration::from_secs(15);

async fn ended(ending: &mut watch::Receiver<bool>) {
    // An error says that the server is gone, which is an end too.
    let _ = ending.wait_for(|ending| *ending).await;
}

/// Changes of incidents as they happen: `event: incident`, `data: {"number","change"}`; `event: ping` every 15 seconds.
///
/// The stream ends when the server shuts down, when the session or token ends, and when the client reads too slowly to be
/// told everything: connect again and read what is shown anew.
#[utoipa::path(get, path = "/api/v1/events", tag = "incidents", responses(
    (status = 200, description = "Events", content_type = "text/event-stream", body = String),
    (status = 401, description = "Not signed in", body = ErrorAnswer)))]
pub(crate) async fn stream(
    State(context): State<Context>,
    Reader(principal): Reader,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let changes = context.app.changes.subscribe();
    let mut pings = interval_at(Instant::now() + PING, PING);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let start = (context, principal, changes, pings, true);
    let events = futures::stream::unfold(start, |(context, principal, mut changes, mut pings, first)| async move {
        if first {
            // Something at once, so that proxies and browsers see the connection open.
            let event = Event::default().event("ping").data("{}").retry(Duration::from_secs(2));
            return Some((Ok(event), (context, principal, changes, pings, false)));
        }
        let mut ending = context.ending.clone();
        let event = loop {
            tokio::select! {
                biased;
                () = ended(&mut ending) => return None,
                change = changes.recv() => match change {
                    Ok(change) if change.change == Change::Unchanged => {}
                    Ok(change) => match Event::default().event("incident").json_data(change) {
                        Ok(event) => break event,
                        Err(error) => tracing::error!(%error, "a change cannot be told"),
                    },
                    Err(RecvError::Lagged(_) | RecvError::Closed) => return None,
                },
                _ = pings.tick() => {
                    if !principal.is_still_good(&context).await {
                        return None;
                    }
                    break Event::default().event("ping").data("{}");
                }
            }
        };
        Some((Ok(event), (context, principal, changes, pings, false)))
    });
    Sse::new(events)
}
