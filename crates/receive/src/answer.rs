//! What senders are answered: a receipt, or a refusal that says what to do.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::json;
use taffrail_sources::{Catalogue, Decoded, DecompressError, FailedRecord};

/// Rejections that an answer lists; all are in the table DeadLetter.
const LISTED: usize = 10;
/// When a sender should come again, in seconds.
pub(crate) const RETRY_AFTER: &str = "5";

/// What became of a body's records.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Receipt {
    /// Rows that are durable now
    pub stored: u64,
    /// Rows that were stored before
    pub duplicates: u64,
    /// Records that could not be used; they are in the table DeadLetter
    pub rejected: u64,
    /// The first of those
    pub rejections: Vec<Rejection>,
    /// Source it was recognised as, when it was sent to `auto`; empty when it is of no known source
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recognised: Option<&'static str>,
    /// Rows that a transformation dropped
    #[serde(skip_serializing_if = "is_zero")]
    pub dropped: u64,
    /// Which records of a protocol could not be used
    #[serde(skip)]
    pub failed: Vec<FailedRecord>,
    /// How many records of a protocol there were
    #[serde(skip)]
    pub carried: usize,
    /// Whether anything could be used
    #[serde(skip)]
    pub usable: bool,
    /// Newest event time, in microseconds since 1970
    #[serde(skip)]
    pub newest: Option<i64>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde calls it so
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A record that could not be used.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Rejection {
    /// Which record of the body, from 1
    pub record: u64,
    /// Why
    pub reason: String,
    /// Why, exactly
    pub detail: String,
}

impl Receipt {
    pub(crate) fn new(stored: u64, duplicates: u64, decoded: Decoded) -> Receipt {
        let rejections = decoded.dead.iter().take(LISTED).map(|letter| Rejection {
            record: letter.record,
            reason: letter.reason.clone(),
            detail: letter.detail.clone(),
        });
        Receipt {
            stored,
            duplicates,
            rejected: decoded.rejected as u64,
            rejections: rejections.collect(),
            recognised: Some(decoded.source),
            dropped: 0,
            failed: decoded.failed,
            carried: decoded.carried,
            usable: true,
            newest: None,
        }
    }
}

impl IntoResponse for Receipt {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}

/// Why a body was not taken.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// HTTP status
    pub status: StatusCode,
    /// A name for programs
    pub code: &'static str,
    /// What is wrong and what to do
    pub message: String,
    /// What became of the records, where they were looked at
    pub receipt: Option<Receipt>,
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Refusal {
        Refusal {
            status,
            code,
            message: message.into(),
            receipt: None,
        }
    }

    /// No token, or one that is not known.
    pub fn unauthorized(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::UNAUTHORIZED, "Unauthorized", message)
    }

    /// A token of something else.
    pub fn forbidden(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::FORBIDDEN, "Forbidden", message)
    }

    pub(crate) fn unknown_source(name: &str) -> Refusal {
        let message = format!("there is no source {name:?}; the sources are {}", Catalogue::names());
        Refusal::new(StatusCode::NOT_FOUND, "UnknownSource", message)
    }

    pub(crate) fn bad_body(code: &'static str, message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(crate) fn not_found(code: &'static str, message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::NOT_FOUND, code, message)
    }

    pub(crate) fn too_large(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "BodyTooLarge", message)
    }

    pub(crate) fn unsupported(code: &'static str, message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, code, message)
    }

    /// More arrives than is kept up with.
    pub(crate) fn busy(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::TOO_MANY_REQUESTS, "Busy", message)
    }

    /// Whether sending again later may help.
    pub fn is_temporary(&self) -> bool {
        matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
    }

    pub(crate) fn unavailable(code: &'static str, message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
    }

    /// The table has all that it may have.
    pub(crate) fn over_quota(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::TOO_MANY_REQUESTS, "QuotaExceeded", message)
    }

    /// A fault of ours; the details are for the log, not for the sender.
    pub(crate) fn fault(details: String) -> Refusal {
        tracing::error!(details, "a body could not be taken in");
        Refusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalError",
            "the body could not be taken in; the server's log says why",
        )
    }

    pub(crate) fn from_decompression(error: DecompressError) -> Refusal {
        match error {
            DecompressError::TooLarge { .. } | DecompressError::Ratio { .. } => Refusal::too_large(error.to_string()),
            DecompressError::Damaged(_) => Refusal::bad_body("DamagedBody", error.to_string()),
        }
    }

    pub(crate) fn nothing_usable(receipt: Receipt) -> Refusal {
        let first = receipt.rejections.first().map_or(String::new(), |rejection| {
            format!("; record {}: {}: {}", rejection.record, rejection.reason, rejection.detail)
        });
        let message = format!(
            "nothing in the body could be used{first}. The {} records are kept in the table DeadLetter",
            receipt.rejected
        );
        Refusal {
            receipt: Some(receipt),
            ..Refusal::bad_body("NothingUsable", message)
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut error = json!({"code": self.code, "message": self.message});
        if let Some(receipt) = &self.receipt {
            error["details"] = json!(receipt);
        }
        let mut response = (self.status, Json(json!({ "error": error }))).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"taffrail\""));
        }
        if self.is_temporary() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        }
        response
    }
}
