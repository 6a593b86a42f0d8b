//! The portal's files, from inside the binary.

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::error::ApiError;
use crate::security::IsAsset;

#[derive(RustEmbed)]
#[folder = "$TAFFRAIL_UI_DIST"]
struct Files;

/// Compressed forms made when the portal was built, best first.
const ENCODINGS: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];

fn accepts(headers: &HeaderMap, coding: &str) -> bool {
    headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|offer| {
            let mut parts = offer.split(';').map(str::trim);
            parts.next() == Some(coding) && !parts.any(|weight| matches!(weight, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
        })
}

/// Characters of the hash that the portal's build puts into names.
const HASH: usize = 8;

/// `assets/name-j6ioptdm.js`: a name that changes with the content. A hash may have dashes, so its length finds it.
fn is_hashed(path: &str) -> bool {
    // Only the build writes into this folder; a plain name there that looks hashed would be its mistake.
    let Some((stem, _)) = path.strip_prefix("assets/").and_then(|file| file.rsplit_once('.')) else {
        return false;
    };
    let Some((name, hash)) = stem.len().checked_sub(HASH).and_then(|at| stem.split_at_checked(at)) else {
        return false;
    };
    name.ends_with('-') && hash.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

fn respond(path: &str, file: EmbeddedFile, encoding: Option<&'static str>, headers: &HeaderMap) -> Response {
    let tag: String = file
        .metadata
        .sha256_hash()
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let tag = format!("\"{tag}\"");
    let unchanged = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|known| known.split(',').any(|one| one.trim().trim_start_matches("W/") == tag));
    let mut response = if unchanged {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Response::new(Body::from(file.data.into_owned()))
    };
    let kind = mime_guess::from_path(path).first_or_octet_stream();
    let kind = match kind.type_() {
        mime_guess::mime::TEXT => format!("{kind}; charset=utf-8"),
        _ => kind.to_string(),
    };
    let caching = if is_hashed(path) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let set = response.headers_mut();
    set.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    set.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if let Ok(value) = HeaderValue::from_str(&kind) {
        set.insert(header::CONTENT_TYPE, value);
    }
    if let Ok(value) = HeaderValue::from_str(&tag) {
        set.insert(header::ETAG, value);
    }
    if let Some(encoding) = encoding {
        set.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    response.extensions_mut().insert(IsAsset);
    response
}

fn find(path: &str, headers: &HeaderMap) -> Option<Response> {
    for (coding, ending) in ENCODINGS {
        if accepts(headers, coding)
            && let Some(file) = Files::get(&format!("{path}{ending}"))
        {
            return Some(respond(path, file, Some(coding), headers));
        }
    }
    Files::get(path).map(|file| respond(path, file, None, headers))
}

/// The file of that path; for a page's address that is no file, the portal, which knows its pages itself.
pub(crate) async fn serve(request: Request) -> Response {
    let nothing = || ApiError::not_found("there is nothing at this address").into_response();
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return nothing();
    }
    let path = request.uri().path().trim_start_matches('/');
    let of_api = ["api/", "v1/", "v2/", "ingest/"].iter().any(|prefix| path.starts_with(prefix));
    if of_api {
        return nothing();
    }
    let path = if path.is_empty() { "index.html" } else { path };
    if let Some(found) = find(path, request.headers()) {
        return found;
    }
    let wants_page = request
        .headers()
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains("text/html"));
    if !wants_page {
        return nothing();
    }
    find("index.html", request.headers()).unwrap_or_else(nothing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashed_names_are_recognised() {
        for name in [
            "assets/index-B9f3kQ2x.js",
            "assets/About-exjbmttf.js",
            "assets/codicon-DCmgc-aY.ttf",
        ] {
            assert!(is_hashed(name), "{name}");
        }
        for name in ["index.html", "assets/kusto-worker.js", "icon-j6ioptdm.svg", "assets/x.js"] {
            assert!(!is_hashed(name), "{name}");
        }
    }
}
