//! All routes in one place, each with its description.

use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::{Json, Router, routing};
use http::{HeaderName, StatusCode};
use tower_http::compression::CompressionLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::timeout::{RequestBodyTimeoutLayer, TimeoutLayer};
use tower_http::trace::TraceLayer;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::Context;
use crate::{api, assets, auth, compat, metrics, security};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// A client that sends nothing for so long is gone.
const BODY_STALL: Duration = Duration::from_secs(30);

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Taffrail",
        description = "Security events of Kubernetes: incidents, rules, queries. Queries speak the protocols of Log \
            Analytics and Kusto. Send `Authorization: Bearer tfr_…`, or the cookie of a session; changes by cookie also \
            need the header `X-CSRF-Token`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    modifiers(&Schemes),
    security(("token" = []), ("session" = []))
)]
struct Description;

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_with(Default::default);
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
        let cookie = ApiKey::Cookie(ApiKeyValue::new(auth::COOKIE));
        components.add_security_scheme("session", SecurityScheme::ApiKey(cookie));
    }
}

/// Answers within seconds, or not at all.
fn quick() -> OpenApiRouter<Context> {
    OpenApiRouter::new()
        .routes(routes!(api::session::sign_in, api::session::show, api::session::sign_out))
        .routes(routes!(api::session::change_password))
        .routes(routes!(api::session::list))
        .routes(routes!(api::session::end))
        .routes(routes!(api::incidents::list, api::findings::open))
        .routes(routes!(api::incidents::show, api::incidents::change))
        .routes(routes!(api::incidents::comment))
        .routes(routes!(api::findings::add))
        .routes(routes!(api::tasks::add))
        .routes(routes!(api::tasks::change, api::tasks::remove))
        .routes(routes!(api::trail::list))
        .routes(routes!(api::settings::list))
        .routes(routes!(api::settings::set))
        .routes(routes!(api::indicators::import))
        .routes(routes!(api::rules::list))
        .routes(routes!(api::rules::show))
        .routes(routes!(api::library::list))
        .routes(routes!(api::library::keep, api::library::remove))
        .routes(routes!(api::schema::show))
        .routes(routes!(api::language::check))
        .routes(routes!(api::language::complete))
        .routes(routes!(api::language::hover))
        .routes(routes!(api::queries::list))
        .routes(routes!(api::queries::cancel))
        .routes(routes!(api::language::history))
        .routes(routes!(api::tokens::list, api::tokens::add))
        .routes(routes!(api::tokens::revoke))
        .routes(routes!(api::users::list, api::users::add))
        .routes(routes!(api::users::change, api::users::remove))
        .routes(routes!(api::users::reset_password))
        .routes(routes!(api::health::health))
        .routes(routes!(api::health::compact))
        .routes(routes!(api::health::live))
        .routes(routes!(api::health::ready))
        .routes(routes!(metrics::show))
        .routes(routes!(compat::kusto::auth_metadata))
}

/// Take as long as they take.
fn slow() -> OpenApiRouter<Context> {
    OpenApiRouter::new()
        .routes(routes!(api::events::stream))
        .routes(routes!(api::export::parquet))
        .routes(routes!(api::queries::explain))
        .routes(routes!(compat::log_analytics::query, compat::log_analytics::query_get))
        .routes(routes!(compat::log_analytics::batch))
        .routes(routes!(compat::kusto::query_v1))
        .routes(routes!(compat::kusto::query_v2))
        .routes(routes!(compat::kusto::management))
}

/// Descriptions of routes that other rooms serve.
fn described_only() -> OpenApiRouter<Context> {
    OpenApiRouter::new()
        .routes(routes!(api::ingest::ingest))
        .routes(routes!(api::ingest::ingest_cluster))
        .routes(routes!(api::openapi))
}

fn all() -> OpenApiRouter<Context> {
    OpenApiRouter::with_openapi(Description::openapi())
        .merge(quick())
        .merge(slow())
        .merge(described_only())
}

/// The description of the API.
pub fn openapi() -> utoipa::openapi::OpenApi {
    all().into_openapi()
}

fn trace_span(request: &Request) -> tracing::Span {
    let id = request.headers().get(&REQUEST_ID).and_then(|id| id.to_str().ok());
    // The query string may hold queries and is left out.
    tracing::info_span!("request", method = %request.method(), path = request.uri().path(), id)
}

pub(crate) fn router(context: Context) -> Router {
    let description = openapi();
    let document = routing::get(async move || Json(description.clone()));
    let timeout = TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, context.options.request_timeout);
    let (quick, _) = quick().split_for_parts();
    let (slow, _) = slow().split_for_parts();
    let api: Router<Context> = quick
        .layer(timeout)
        .merge(slow)
        .route("/api/v1/openapi.json", document)
        .layer(DefaultBodyLimit::max(context.options.api_body));
    let ingest = Router::new()
        .merge(context.app.ingest.clone())
        .layer(DefaultBodyLimit::max(context.options.ingest_body))
        .route_layer(from_fn_with_state(context.clone(), auth::guard_ingest));
    let ingest: Router<Context> = ingest.with_state(());

    api.merge(ingest)
        .route_layer(from_fn(metrics::count))
        .fallback(assets::serve)
        .layer(from_fn(security::json_errors))
        .layer(CompressionLayer::new())
        .layer(RequestBodyTimeoutLayer::new(BODY_STALL))
        .layer(from_fn_with_state(context.clone(), security::headers))
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(TraceLayer::new_for_http().make_span_with(trace_span))
        .layer(SetRequestIdLayer::new(REQUEST_ID, MakeRequestUuid))
        .with_state(context)
}
