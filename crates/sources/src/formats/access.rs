//! What the access logs of all ingress controllers and proxies have in common: rows of IngressAccess with results that mean the same.

use std::borrow::Cow;

use crate::decode::{Sink, SourceError};
use crate::lines::unescape;
use crate::tables::AccessRow;

/// Version of the normalised schema whose columns are filled.
const SCHEMA_VERSION: &str = "0.2.6";

/// A request line `METHOD TARGET HTTP/1.1`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct RequestLine<'a> {
    pub(crate) method: &'a str,
    pub(crate) target: Cow<'a, str>,
    pub(crate) version: &'a str,
}

/// Takes a request line apart; what is none (a TLS handshake sent to a plain port) is all target.
pub(crate) fn request_line(text: &str) -> RequestLine<'_> {
    let parts = text.split_once(' ').and_then(|(method, rest)| {
        let (target, protocol) = rest.rsplit_once(' ')?;
        let version = protocol.strip_prefix("HTTP/")?;
        method
            .bytes()
            .all(|byte| byte.is_ascii_uppercase())
            .then_some((method, target, version))
    });
    match parts {
        Some((method, target, version)) => RequestLine {
            method,
            target: unescape(target),
            version,
        },
        None => RequestLine {
            target: unescape(text),
            ..RequestLine::default()
        },
    }
}

/// Seconds as text to milliseconds; the first of several with commas or colons that is a number.
pub(crate) fn milliseconds(seconds: &str) -> Option<i64> {
    let number = last_number(seconds)?;
    let milliseconds = number * 1e3;
    (milliseconds.abs() < 1e15).then_some(milliseconds.round() as i64)
}

/// The last of several values that is a number: a request that was tried again has one an attempt.
pub(crate) fn last_number(values: &str) -> Option<f64> {
    values.rsplit([',', ' ']).filter_map(|value| value.trim().parse().ok()).next()
}

/// `NAMESPACE-SERVICE-PORT` cannot be taken apart without knowing the namespaces: both may hold hyphens. The port can.
pub(crate) fn without_port(upstream: &str) -> &str {
    match upstream.rsplit_once('-') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !port.is_empty() => name,
        _ => upstream,
    }
}

/// Namespace and service of a name in cluster DNS: `web.shop.svc.cluster.local`.
pub(crate) fn cluster_name(name: &str) -> Option<(&str, &str)> {
    let mut parts = name.split('.');
    let (service, namespace, marker) = (parts.next()?, parts.next()?, parts.next()?);
    (marker == "svc").then_some((namespace, service))
}

impl Sink<'_> {
    /// Adds the row of a request: what follows from its status is the same for all products.
    pub(crate) fn request(&mut self, row: AccessRow<'_>) -> Result<(), SourceError> {
        let code: u32 = row.status.parse().unwrap_or(0);
        let failed = code >= 400 || (code == 0 && !row.status.is_empty());
        self.access(&AccessRow {
            schema_version: SCHEMA_VERSION,
            event_type: "HTTPsession",
            result: if failed { "Failure" } else { "Success" },
            severity: if failed { "Low" } else { "Informational" },
            protocol: if row.protocol.is_empty() { "HTTP" } else { row.protocol },
            ..row
        })?;
        self.accept();
        Ok(())
    }

    /// Adds the row of a line that is no request but belongs to one or to the server.
    pub(crate) fn proxy_message(&mut self, row: AccessRow<'_>) -> Result<(), SourceError> {
        self.access(&AccessRow {
            schema_version: SCHEMA_VERSION,
            event_type: match (row.event_type, row.severity) {
                ("", "Informational") => "Message",
                ("", _) => "Error",
                (stated, _) => stated,
            },
            ..row
        })?;
        self.accept();
        Ok(())
    }
}
