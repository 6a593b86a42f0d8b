//! Log sources and fields of Sigma as tables and columns.

use serde::Deserialize;

/// What a Sigma rule says it reads.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct LogSource {
    #[serde(default)]
    product: Option<String>,
    #[serde(default)]
    service: Option<String>,
    #[serde(default)]
    category: Option<String>,
}

impl LogSource {
    /// In words.
    pub fn text(&self) -> String {
        let parts: Vec<&str> = [&self.product, &self.service, &self.category]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        parts.join("/")
    }
}

/// A table and what its fields are called.
pub struct Table {
    /// Its name
    pub name: &'static str,
    /// Field and column
    fields: &'static [(&'static str, &'static str)],
    /// Where other fields are, by their first part
    inside: &'static [(&'static str, &'static str)],
    /// The column with the whole event
    event: &'static str,
}

/// Audit events of Kubernetes.
pub const AUDIT: &Table = &Table {
    name: "KubernetesAudit",
    fields: &[
        ("verb", "Verb"),
        ("stage", "Stage"),
        ("level", "AuditLevel"),
        ("auditid", "AuditId"),
        ("requesturi", "RequestUri"),
        ("useragent", "UserAgent"),
        ("sourceips", "SourceIp"),
        ("user.username", "Username"),
        ("username", "Username"),
        ("user.groups", "UserGroups"),
        ("impersonateduser.username", "ImpersonatedUsername"),
        ("objectref.resource", "Resource"),
        ("objectref.subresource", "Subresource"),
        ("objectref.namespace", "Namespace"),
        ("objectref.name", "Name"),
        ("objectref.apigroup", "ApiGroup"),
        ("objectref.apiversion", "ApiVersion"),
        ("apigroup", "ApiGroup"),
        ("resource", "Resource"),
        ("subresource", "Subresource"),
        ("namespace", "Namespace"),
        ("name", "Name"),
        ("responsestatus.code", "ResponseCode"),
        ("responsestatus.reason", "ResponseReason"),
    ],
    inside: &[
        ("requestobject", "RequestObject"),
        ("responseobject", "ResponseObject"),
        ("user", "User"),
        ("impersonateduser", "ImpersonatedUser"),
        ("annotations", "Annotations"),
        ("responsestatus", "ResponseStatus"),
        ("objectref", "ObjectRef"),
    ],
    event: "RawEvent",
};

/// The table of a log source.
pub fn table(source: Option<&LogSource>) -> Option<&'static Table> {
    let source = source?;
    let is = |value: &Option<String>, names: &[&str]| {
        value
            .as_deref()
            .is_some_and(|value| names.iter().any(|name| value.eq_ignore_ascii_case(name)))
    };
    let kubernetes = is(&source.product, &["kubernetes", "k8s"]) || is(&source.category, &["kubernetes"]);
    let audit = source.service.is_none() || is(&source.service, &["audit", "kube-apiserver", "apiserver"]);
    (kubernetes && audit).then_some(AUDIT)
}

/// Whether the column is a list in the event and its last element here.
pub fn column(field: &str, table: &Table) -> String {
    let lower = field.to_ascii_lowercase();
    if let Some((_, column)) = table.fields.iter().find(|(known, _)| *known == lower) {
        return (*column).to_owned();
    }
    let mut parts = field.split('.');
    let first = parts.next().unwrap_or_default();
    let base = table
        .inside
        .iter()
        .find(|(known, _)| first.eq_ignore_ascii_case(known))
        .map(|(_, column)| *column);
    let (base, rest): (String, Vec<&str>) = match base {
        Some(base) => (base.to_owned(), parts.collect()),
        None => (format!("parse_json({})", table.event), field.split('.').collect()),
    };
    let mut text = base;
    for part in rest {
        // Elements of lists are looked for as text: everything from here on is one.
        if part.ends_with("[*]") || part == "*" {
            let name = part.trim_end_matches("[*]").trim_end_matches('*');
            if !name.is_empty() {
                text.push_str(&step(name));
            }
            return format!("tostring({text})");
        }
        text.push_str(&step(part));
    }
    format!("tostring({text})")
}

/// Whether a field lies inside of a list whose elements are looked for as text.
pub fn within_list(field: &str) -> bool {
    field.split('.').any(|part| part.ends_with("[*]") || part == "*")
}

fn step(name: &str) -> String {
    let plain =
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_ascii_digit());
    if plain {
        format!(".{name}")
    } else {
        format!("[{}]", super::values::quoted(name))
    }
}
