//! Who may send: decided by whoever keeps the tokens, before the request comes here, and attached to the request. A door asks here and
//! refuses in the words of its protocol. A request without a decision is refused: a router that is mounted bare lets nobody in.

use axum::extract::Request;
use base64::Engine as _;
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};

use crate::answer::Refusal;

/// Longest name of a cluster, in bytes.
const CLUSTER_LIMIT: usize = 253;
/// User names of clients that must have one: not clusters.
const PLACEHOLDERS: [&str; 4] = ["elastic", "taffrail", "token", "admin"];

/// What was decided about a request; its router finds it among the request's extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// It may send
    Granted {
        /// Only this source
        source: Option<String>,
        /// Only for this cluster
        cluster: Option<String>,
    },
    /// It may not
    Refused {
        /// 401 or 403
        status: StatusCode,
        /// Why
        message: String,
    },
}

impl Access {
    /// May send everything.
    pub const ALL: Access = Access::Granted {
        source: None,
        cluster: None,
    };
}

/// The name of the cluster a request is for, when it may send for it. `given` is what the protocol says, before the header
/// `X-Taffrail-Cluster`, the parameter `cluster`, the user name of basic authentication, and the token's own cluster.
///
/// # Errors
/// When it may not send to that source or for that cluster.
pub(crate) fn cluster(parts: &Parts, source: &str, given: Option<&str>) -> Result<String, Refusal> {
    let (only_source, only_cluster) = match parts.extensions.get::<Access>() {
        Some(Access::Granted { source, cluster }) => (source, cluster),
        Some(Access::Refused { status, message }) => {
            return Err(match *status {
                StatusCode::FORBIDDEN => Refusal::forbidden(message.clone()),
                StatusCode::UNAUTHORIZED => Refusal::unauthorized(message.clone()),
                _ => Refusal::fault(message.clone()),
            });
        }
        None => return Err(Refusal::unauthorized("nobody has decided whether this request may send")),
    };
    if let Some(only) = only_source.as_deref().filter(|only| *only != source) {
        return Err(Refusal::forbidden(format!("this token may only send to the source {only}")));
    }
    let named = given
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .or_else(|| text(&parts.headers, "x-taffrail-cluster").map(str::to_owned))
        .or_else(|| parameter(parts, "cluster"))
        .or_else(|| basic_user(&parts.headers).filter(|user| !PLACEHOLDERS.contains(&user.as_str())));
    let named = named.filter(|name| !name.is_empty());
    match (named, only_cluster) {
        (Some(named), Some(only)) if named != *only => Err(Refusal::forbidden(format!("this token may only send for the cluster {only}"))),
        (Some(named), _) => check_name(named),
        (None, only) => Ok(only.clone().unwrap_or_default()),
    }
}

fn check_name(name: String) -> Result<String, Refusal> {
    if name.len() > CLUSTER_LIMIT || name.chars().any(char::is_control) {
        let message = format!("the name of a cluster has at most {CLUSTER_LIMIT} bytes and no control characters");
        return Err(Refusal::bad_body("InvalidCluster", message));
    }
    Ok(name)
}

/// The first header of that name, when it is text.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim).filter(|text| !text.is_empty())
}

/// A parameter of the address.
pub(crate) fn parameter(parts: &Parts, name: &str) -> Option<String> {
    let query = parts.uri.query()?;
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.into_iter().find(|(key, _)| *key == name)?;
    let value = value.replace('+', " ");
    Some(percent_encoding::percent_decode_str(&value).decode_utf8_lossy().into_owned())
}

fn basic_user(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    decoded.split_once(':').map(|(user, _)| user.to_owned())
}

/// Where a request came from, for dead letters and for messages that name no host.
pub(crate) fn origin(request: &Request) -> String {
    request
        .extensions()
        .get::<axum::extract::ConnectInfo<std::net::SocketAddr>>()
        .map_or_else(|| "http".to_owned(), |connected| connected.0.ip().to_canonical().to_string())
}
