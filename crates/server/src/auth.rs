//! Who asks, and what they may do.
//!
//! A handler names the role it needs by taking [`Reader`], [`Responder`], [`Contributor`] or [`Administrator`]; without one
//! of them nobody is asked who they are, so a test walks all routes to see that each is guarded.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, Uri, header};
use subtle::ConstantTimeEq as _;
use taffrail_state::tokens::Scope;
use taffrail_state::users::Role;

use crate::app::Context;
use crate::error::ApiError;
use crate::ports::Sender;

/// Cookie that carries a session's secret.
pub(crate) const COOKIE: &str = "taffrail_session";
/// Header that carries a session's CSRF token.
pub(crate) const CSRF_HEADER: &str = "x-csrf-token";
/// Who everybody is when there is no sign-in: the first administrator, so that incidents can be assigned.
pub(crate) const LOCAL: &str = "admin";

/// How somebody showed who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Via {
    /// Cookie
    Session {
        /// Session id
        id: String,
        /// Token its changes carry
        csrf: String,
        /// The user has to choose a password
        must_change: bool,
    },
    /// API token, by id
    Token(String),
    /// Not at all: the server runs without sign-in
    NoAuth,
}

/// Somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Principal {
    /// User name, or `token/NAME`
    pub name: String,
    /// Name to show
    pub display_name: String,
    /// What they may do
    pub role: Role,
    /// How we know
    pub via: Via,
}

impl Principal {
    /// The user whose history, sessions and password these are; tokens have none.
    pub(crate) fn user(&self) -> Option<&str> {
        match self.via {
            Via::Session { .. } | Via::NoAuth => Some(&self.name),
            Via::Token(_) => None,
        }
    }

    /// Whether what let them in still does; for connections that stay open.
    pub(crate) async fn is_still_good(&self, context: &Context) -> bool {
        let (state, now) = (&context.app.state, context.now());
        let good = match &self.via {
            Via::Session { id, .. } => state.session_is_alive(id, context.options.sessions, now).await,
            Via::Token(id) => state.token_is_good(id, now).await,
            Via::NoAuth => Ok(true),
        };
        good.unwrap_or(false)
    }
}

/// The peer's address.
pub(crate) fn peer(extensions: &http::Extensions) -> Option<IpAddr> {
    let ConnectInfo(address) = extensions.get::<ConnectInfo<SocketAddr>>()?;
    Some(address.ip().to_canonical())
}

/// A session's secret from the cookies.
pub(crate) fn session_secret(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|cookie| cookie.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn changes_something(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Who asks.
pub(crate) async fn identify(context: &Context, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Principal, ApiError> {
    // Without sign-in a token proves nothing: clients that always send one work, too.
    if context.options.no_auth {
        check_local(method, uri, headers)?;
        return Ok(Principal {
            name: LOCAL.to_owned(),
            display_name: "Administrator".to_owned(),
            role: Role::Administrator,
            via: Via::NoAuth,
        });
    }
    let state = &context.app.state;
    if let Some(token) = bearer(headers) {
        let found = state.find_token(token, context.now()).await?;
        let found = found.ok_or_else(|| ApiError::unauthorized("this token is not known, has expired or was revoked"))?;
        let Scope::Api { role } = found.scope else {
            return Err(ApiError::forbidden(
                "this token may only send events to /ingest/…; make an API token for this",
            ));
        };
        return Ok(Principal {
            name: format!("token/{}", found.name),
            display_name: found.name,
            role,
            via: Via::Token(found.id),
        });
    }
    let secret =
        session_secret(headers).ok_or_else(|| ApiError::unauthorized("sign in, or send an API token: Authorization: Bearer tfr_…"))?;
    let signed_in = state
        .resume_session(secret, context.options.sessions, context.now())
        .await?
        .ok_or_else(|| ApiError::unauthorized("the session has ended; sign in again"))?;
    if changes_something(method) {
        let sent = headers.get(CSRF_HEADER).map_or(&b""[..], |value| value.as_bytes());
        if !bool::from(sent.ct_eq(signed_in.csrf.as_bytes())) {
            return Err(ApiError::new(
                StatusCode::FORBIDDEN,
                "CsrfTokenMissing",
                "changes need the header X-CSRF-Token with the value that signing in gave",
            ));
        }
    }
    Ok(Principal {
        name: signed_in.user.name,
        display_name: signed_in.user.display_name,
        role: signed_in.user.role,
        via: Via::Session {
            id: signed_in.session,
            csrf: signed_in.csrf,
            must_change: signed_in.user.must_change,
        },
    })
}

/// Without sign-in any web page that the browser shows could speak to the server: only requests that name a loopback host,
/// and come from no other page, are let through (the first defeats DNS rebinding, the second forged requests).
fn check_local(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST).or_else(|| uri.authority().map(|authority| authority.as_str()));
    let host = host.ok_or_else(|| ApiError::forbidden("the request names no host"))?;
    let name = host.parse::<http::uri::Authority>().map(|authority| authority.host().to_owned());
    let name = name.map_err(|_| ApiError::forbidden("the request's host is not one"))?;
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    if name != "localhost" && !address.is_ok_and(|address| address.is_loopback()) {
        return Err(ApiError::forbidden(
            "the server runs without sign-in and answers only to localhost, 127.0.0.1 and [::1]",
        ));
    }
    let same_origin = |origin: &str| origin.split_once("://").is_some_and(|(_, rest)| rest == host);
    if changes_something(method) && text(header::ORIGIN).is_some_and(|origin| !same_origin(origin)) {
        return Err(ApiError::forbidden("the request comes from another site"));
    }
    Ok(())
}

fn require(principal: Principal, role: Role) -> Result<Principal, ApiError> {
    if principal.role < role {
        return Err(ApiError::forbidden(format!(
            "this needs the role {role}; {} has the role {}",
            principal.name, principal.role
        )));
    }
    Ok(principal)
}

macro_rules! guard {
    ($(#[$about:meta])* $name:ident) => {
        $(#[$about])*
        pub(crate) struct $name(pub Principal);

        impl FromRequestParts<Context> for $name {
            type Rejection = ApiError;

            async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Self, ApiError> {
                let principal = identify(context, &parts.method, &parts.uri, &parts.headers).await?;
                Ok($name(require(principal, Role::$name)?))
            }
        }
    };
}

guard!(
    /// Anybody who may read.
    Reader
);
guard!(
    /// Somebody who may work on incidents.
    Responder
);
guard!(
    /// Somebody who may change what everybody works with.
    Contributor
);
guard!(
    /// Somebody who may manage users and tokens.
    Administrator
);

/// Decides whether a request may send events in, and attaches it: what is refused, its protocol's door refuses. At our own door the
/// path says source and cluster, and what may not be sent there ends here.
pub(crate) async fn guard_ingest(State(context): State<Context>, mut request: axum::extract::Request, next: Next) -> Response {
    let sender = match may_ingest(&context, request.method(), request.uri(), request.headers()).await {
        Ok(sender) => sender,
        Err(refused) => {
            ::metrics::counter!("taffrail_ingest_refused_total").increment(1);
            if request.uri().path().starts_with("/ingest/") {
                return refused.into_response();
            }
            Sender::MayNot {
                status: refused.status(),
                message: refused.message().to_owned(),
            }
        }
    };
    request.extensions_mut().insert(sender);
    next.run(request).await
}

/// The token of a request, wherever the protocols have it: `Bearer`, Splunk's scheme, the password of basic authentication, the key of
/// Elasticsearch's `ApiKey`, Firehose's header.
fn ingest_token(headers: &HeaderMap) -> Option<String> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let Some((scheme, rest)) = text("authorization").and_then(|value| value.split_once(' ')) else {
        return text("x-amz-firehose-access-key").map(str::to_owned);
    };
    let rest = rest.trim();
    // Both are base64 of two texts with a colon between them.
    let second = || {
        let decoded = base64::engine::general_purpose::STANDARD.decode(rest).ok()?;
        let decoded = String::from_utf8(decoded).ok()?;
        decoded.split_once(':').map(|(_, second)| second.to_owned())
    };
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" | "splunk" => Some(rest.to_owned()),
        "basic" => second(),
        "apikey" => second().or_else(|| Some(rest.to_owned())),
        _ => None,
    }
}

async fn may_ingest(context: &Context, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Sender, ApiError> {
    if context.options.no_auth {
        check_local(method, uri, headers)?;
        return Ok(Sender::May {
            source: None,
            cluster: None,
        });
    }
    let Some(token) = ingest_token(headers) else {
        return Err(ApiError::unauthorized("send an ingestion token: Authorization: Bearer tfr_…"));
    };
    let found = context.app.state.find_token(&token, context.now()).await?;
    let found = found.ok_or_else(|| ApiError::unauthorized("this token is not known, has expired or was revoked"))?;
    let Scope::Ingest { source, cluster } = found.scope else {
        return Err(ApiError::forbidden("this token is for the API; make an ingestion token for this"));
    };
    if uri.path().starts_with("/ingest/") {
        let mut segments = uri.path().trim_start_matches('/').split('/').skip(1);
        let mut segment = || segments.next().filter(|text| !text.is_empty());
        let (to_source, to_cluster) = (segment(), segment());
        if source.is_some() && source.as_deref() != to_source {
            return Err(ApiError::forbidden(format!(
                "this token may only send to the source {}",
                source.unwrap_or_default()
            )));
        }
        if cluster.is_some() && cluster.as_deref() != to_cluster {
            return Err(ApiError::forbidden(format!(
                "this token may only send for the cluster {}",
                cluster.unwrap_or_default()
            )));
        }
    }
    Ok(Sender::May { source, cluster })
}
