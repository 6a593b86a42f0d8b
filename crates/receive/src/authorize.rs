//! Who may send what: asked of whoever keeps the tokens, before a body is read.

use async_trait::async_trait;

use crate::answer::Refusal;

/// Decides whether a request may send.
#[async_trait]
pub trait Authorize: Send + Sync {
    /// `bearer` is the token of the request, `cluster` is empty when the path has none.
    ///
    /// # Errors
    /// [`Refusal::unauthorized`] for no or a wrong token, [`Refusal::forbidden`] for a token of something else.
    async fn authorize(&self, bearer: Option<&str>, source: &str, cluster: &str) -> Result<(), Refusal>;
}
