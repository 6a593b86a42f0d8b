//! Errors as JSON: `{"error":{"code","message","details"?}}`.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use taffrail_state::StateError;

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct ErrorBody {
    /// Stable name of the kind of error
    pub code: String,
    /// What happened and what to do
    pub message: String,
    /// More, depending on the code
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub details: Option<Value>,
}

/// An error answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct ErrorAnswer {
    /// What went wrong
    pub error: ErrorBody,
}

/// An error with its status.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    // Boxed, so that results stay small on the way that nearly all of them take.
    body: Box<ErrorBody>,
    retry_after: Option<i64>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> ApiError {
        ApiError {
            status,
            body: Box::new(ErrorBody {
                code: code.to_owned(),
                message: message.into(),
                details: None,
            }),
            retry_after: None,
        }
    }

    /// Its status.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// What happened and what to do.
    pub(crate) fn message(&self) -> &str {
        &self.body.message
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::NOT_FOUND, "NotFound", message)
    }

    pub(crate) fn unauthorized(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::UNAUTHORIZED, "Unauthorized", message)
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::FORBIDDEN, "Forbidden", message)
    }
}

impl From<StateError> for ApiError {
    fn from(error: StateError) -> ApiError {
        let message = error.to_string();
        match error {
            StateError::NotFound { .. } => ApiError::not_found(message),
            StateError::Exists { .. } => ApiError::new(StatusCode::CONFLICT, "Exists", message),
            StateError::Invalid { field, .. } => {
                let mut invalid = ApiError::new(StatusCode::BAD_REQUEST, "Invalid", message);
                invalid.body.details = Some(serde_json::json!({ "field": field }));
                invalid
            }
            StateError::LastAdministrator(_) => ApiError::new(StatusCode::CONFLICT, "LastAdministrator", message),
            StateError::WrongPassword => ApiError::new(StatusCode::UNAUTHORIZED, "WrongPassword", message),
            StateError::Blocked { until } => {
                let mut blocked = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "Blocked", message);
                blocked.retry_after = Some((until - chrono::Utc::now()).num_seconds().max(1));
                blocked.body.details = Some(serde_json::json!({ "until": until }));
                blocked
            }
            StateError::Open { .. }
            | StateError::Migration { .. }
            | StateError::Database(_)
            | StateError::Corrupt { .. }
            | StateError::Hash(_) => {
                // The cause may name files and values that are not the client's business.
                tracing::error!(error = %message, "the state database failed");
                ApiError::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "InternalError",
                    "the server could not do this; its log says why",
                )
            }
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let challenge = self.status == StatusCode::UNAUTHORIZED;
        let mut response = (self.status, Json(ErrorAnswer { error: *self.body })).into_response();
        if challenge {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// A JSON body, refused in our own error form.
pub(crate) struct Body<T>(pub T);

impl<S, T> FromRequest<S> for Body<T>
where
    S: Send + Sync,
    T: serde::de::DeserializeOwned,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(value)) => Ok(Body(value)),
            Err(rejection) => Err(rejected(&rejection)),
        }
    }
}

fn rejected(rejection: &JsonRejection) -> ApiError {
    let status = rejection.status();
    let code = match status {
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "UnsupportedMediaType",
        StatusCode::PAYLOAD_TOO_LARGE => "PayloadTooLarge",
        _ => "BadRequest",
    };
    // A body of the wrong shape is a bad request like any other.
    let status = match status {
        StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
        other => other,
    };
    ApiError::new(status, code, rejection.body_text())
}
