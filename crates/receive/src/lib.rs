//! Every way in: HTTP in the protocols of the shippers that are in the field already ([`doors`]), sockets that they write to
//! ([`listeners`]), and what is fetched: pages of metrics ([`scrape`]) and files ([`files`]).
//!
//! All lead to one [`Receiver`], which decodes, passes rows through what transformations are set, appends rows and dead letters to the
//! lake in one step, and lets the door answer when they are durable. Knows nothing of rules; who may send is decided by the server
//! ([`Access`]).

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod access;
mod answer;
mod body;
pub mod doors;
pub mod files;
mod health;
pub mod listeners;
mod receiver;
pub mod scrape;
mod transform;

#[cfg(test)]
mod tests;

pub use access::Access;
pub use answer::{Receipt, Refusal, Rejection};
pub use doors::{DoorOptions, SharedKey, StreamRule, router};
pub use health::{Health, Key, Sender, Sums, report};
pub use receiver::{Receiver, ReceiverOptions};
pub use transform::Transformed;

/// Done when it is time to end, or nobody is left to say so.
async fn until(ended: &mut tokio::sync::watch::Receiver<bool>) {
    let _ = ended.wait_for(|ended| *ended).await.map(|_| ());
}
