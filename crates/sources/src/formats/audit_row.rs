//! Rows of KubernetesAudit, whichever format an event came in: the columns that follow from others (`Level`, `EventType`,
//! `Action`) are worked out here, so that they mean the same for every cloud.

use taffrail_schema::Schema;

use crate::decode::{Sink, SourceError};
use crate::framing::Envelope;
use crate::json;
use crate::mask;
use crate::rows::{Rows, Slot};

pub(crate) const TABLE: &str = "KubernetesAudit";

/// What an event says. Texts that are JSON (`user`, `object_ref`, ...) are `None` where the event has none.
#[derive(Debug, Default)]
pub(crate) struct AuditRow<'a> {
    pub(crate) time: i64,
    pub(crate) requested: Option<i64>,
    pub(crate) staged: Option<i64>,
    pub(crate) verb: &'a str,
    pub(crate) stage: &'a str,
    pub(crate) audit_id: &'a str,
    pub(crate) audit_level: &'a str,
    pub(crate) username: &'a str,
    pub(crate) user: Option<&'a str>,
    pub(crate) groups: Option<&'a str>,
    pub(crate) impersonated_username: &'a str,
    pub(crate) impersonated_user: Option<&'a str>,
    pub(crate) source_ip: &'a str,
    pub(crate) source_ips: Option<&'a str>,
    pub(crate) user_agent: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) subresource: &'a str,
    pub(crate) name: &'a str,
    pub(crate) api_group: &'a str,
    pub(crate) api_version: &'a str,
    pub(crate) object_ref: Option<&'a str>,
    pub(crate) request_uri: &'a str,
    pub(crate) code: Option<i64>,
    pub(crate) reason: &'a str,
    pub(crate) response_status: Option<&'a str>,
    pub(crate) decision: &'a str,
    pub(crate) decision_reason: &'a str,
    pub(crate) annotations: Option<&'a str>,
    pub(crate) request_object: Option<&'a str>,
    pub(crate) response_object: Option<&'a str>,
    pub(crate) raw: &'a str,
}

impl AuditRow<'_> {
    fn writes(&self) -> bool {
        matches!(self.verb, "create" | "update" | "patch" | "delete" | "deletecollection")
    }

    /// `Warning` or `Informational`, as the column's description says.
    fn level(&self) -> &'static str {
        let without_login = self.username == "system:anonymous" || self.code == Some(401);
        let refused = self.code == Some(403);
        let warning = without_login
            || refused
            || match (self.api_group, self.resource, self.subresource) {
                ("", "pods", "exec" | "attach" | "portforward") => true,
                ("", "pods", "ephemeralcontainers") => self.writes(),
                ("", "secrets", "") => match self.verb {
                    // With a field selector on its name, a list is of one secret.
                    "list" => self.name.is_empty(),
                    // Controllers and kubelets watch secrets all day.
                    "watch" => self.name.is_empty() && !self.username.starts_with("system:"),
                    "deletecollection" => true,
                    _ => false,
                },
                ("rbac.authorization.k8s.io", "roles" | "clusterroles" | "rolebindings" | "clusterrolebindings", "") => self.writes(),
                (
                    "admissionregistration.k8s.io",
                    "mutatingwebhookconfigurations"
                    | "validatingwebhookconfigurations"
                    | "validatingadmissionpolicies"
                    | "validatingadmissionpolicybindings"
                    | "mutatingadmissionpolicies"
                    | "mutatingadmissionpolicybindings",
                    "",
                ) => self.writes(),
                _ => false,
            };
        if warning { "Warning" } else { "Informational" }
    }

    fn event_type(&self) -> String {
        let special = match (self.resource, self.subresource) {
            (_, "exec") => "Exec",
            (_, "attach") => "Attach",
            (_, "portforward") => "PortForward",
            (_, "proxy") => "Proxy",
            ("pods", "log") => "Log",
            (_, "ephemeralcontainers") => "EphemeralContainers",
            ("serviceaccounts", "token") => "TokenRequest",
            ("pods", "eviction") => "Eviction",
            _ => "",
        };
        if !special.is_empty() {
            return special.to_owned();
        }
        if self.verb == "deletecollection" {
            return "DeleteCollection".to_owned();
        }
        let mut characters = self.verb.chars();
        characters
            .next()
            .map(|first| first.to_uppercase().chain(characters).collect())
            .unwrap_or_default()
    }

    fn action(&self) -> String {
        if self.resource.is_empty() {
            let path = self.request_uri.split('?').next().unwrap_or_default();
            format!("{} {path}", self.verb)
        } else if self.subresource.is_empty() {
            format!("{} {}", self.verb, self.resource)
        } else {
            format!("{} {}/{}", self.verb, self.resource, self.subresource)
        }
    }

    /// Command and container, which only the request's URI has.
    fn command_and_container(&self) -> (String, String) {
        let mut command: Vec<String> = Vec::new();
        let mut container = String::new();
        if !matches!(self.subresource, "exec" | "attach" | "log") {
            return (String::new(), container);
        }
        let query = self.request_uri.split_once('?').map_or("", |(_, query)| query);
        for parameter in query.split('&') {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match name {
                "command" => command.push(decode_query(value)),
                "container" => container = decode_query(value),
                _ => {}
            }
        }
        (command.join(" "), container)
    }
}

/// Percent-decoding of a query's value, in which a plus sign is a blank.
fn decode_query(value: &str) -> String {
    let blanks = value.replace('+', " ");
    percent_encoding::percent_decode_str(&blanks).decode_utf8_lossy().into_owned()
}

macro_rules! audit_columns {
    ($($slot:ident = $name:literal),* $(,)?) => {
        /// Rows of the table and where its columns are.
        pub(crate) struct AuditRows {
            pub(crate) rows: Rows,
            $($slot: Slot,)*
        }

        impl AuditRows {
            pub(crate) fn new(schema: &Schema) -> Result<AuditRows, SourceError> {
                let table = schema.table(TABLE).ok_or_else(|| SourceError::NoTable { table: TABLE.to_owned() })?;
                let rows = Rows::new(table);
                Ok(AuditRows { $($slot: rows.slot($name),)* rows })
            }
        }
    };
}

audit_columns! {
    time = "TimeGenerated",
    cluster = "Cluster",
    level = "Level",
    event_type = "EventType",
    action = "Action",
    verb = "Verb",
    stage = "Stage",
    audit_id = "AuditId",
    audit_level = "AuditLevel",
    username = "Username",
    user = "User",
    groups = "UserGroups",
    impersonated_username = "ImpersonatedUsername",
    impersonated_user = "ImpersonatedUser",
    source_ip = "SourceIp",
    source_ips = "SourceIps",
    user_agent = "UserAgent",
    namespace = "Namespace",
    resource = "Resource",
    subresource = "Subresource",
    name = "Name",
    api_group = "ApiGroup",
    api_version = "ApiVersion",
    object_ref = "ObjectRef",
    request_uri = "RequestUri",
    command = "Command",
    container = "Container",
    code = "ResponseCode",
    reason = "ResponseReason",
    response_status = "ResponseStatus",
    decision = "Decision",
    decision_reason = "DecisionReason",
    annotations = "Annotations",
    request_object = "RequestObject",
    response_object = "ResponseObject",
    requested = "RequestReceivedTime",
    staged = "StageReceivedTime",
    pod = "PodName",
    stream = "Stream",
    resource_id = "_ResourceId",
    raw = "RawEvent",
    received = "_TimeReceived",
}

impl Sink<'_> {
    /// An audit event.
    pub(crate) fn audit_event(&mut self, row: &AuditRow<'_>, envelope: &Envelope) -> Result<(), SourceError> {
        if self.audit.is_none() {
            self.audit = Some(AuditRows::new(self.context.schema)?);
        }
        let Some(to) = &mut self.audit else { return Ok(()) };
        let masked = mask::audit_event(row);
        let (request_object, response_object, raw) = match &masked {
            Some(masked) => (masked.request.as_deref(), masked.response.as_deref(), masked.raw.as_str()),
            None => (row.request_object, row.response_object, row.raw),
        };
        let cluster = if self.context.cluster.is_empty() {
            &envelope.cluster
        } else {
            &self.context.cluster
        };
        to.rows.time(to.time, row.time);
        to.rows.text(to.cluster, cluster);
        to.rows.text(to.level, row.level());
        to.rows.text(to.event_type, &row.event_type());
        to.rows.text(to.action, &row.action());
        to.rows.text(to.verb, row.verb);
        to.rows.text(to.stage, row.stage);
        to.rows.text(to.audit_id, row.audit_id);
        to.rows.text(to.audit_level, row.audit_level);
        to.rows.text(to.username, row.username);
        to.rows.text(to.impersonated_username, row.impersonated_username);
        to.rows.text(to.source_ip, row.source_ip);
        to.rows.text(to.user_agent, row.user_agent);
        to.rows.text(to.namespace, row.namespace);
        to.rows.text(to.resource, row.resource);
        to.rows.text(to.subresource, row.subresource);
        to.rows.text(to.name, row.name);
        to.rows.text(to.api_group, row.api_group);
        to.rows.text(to.api_version, row.api_version);
        to.rows.text(to.request_uri, row.request_uri);
        let (command, container) = row.command_and_container();
        to.rows.text(to.command, &command);
        to.rows.text(to.container, &container);
        if let Some(code) = row.code {
            to.rows.number(to.code, code);
        }
        to.rows.text(to.reason, row.reason);
        to.rows.text(to.decision, row.decision);
        to.rows.text(to.decision_reason, row.decision_reason);
        let loose = json::is_loose(row.raw);
        for (slot, json) in [
            (to.user, row.user),
            (to.groups, row.groups),
            (to.impersonated_user, row.impersonated_user),
            (to.source_ips, row.source_ips),
            (to.object_ref, row.object_ref),
            (to.response_status, row.response_status),
            (to.annotations, row.annotations),
            (to.request_object, request_object),
            (to.response_object, response_object),
        ] {
            match json {
                Some(json) if loose => to.rows.text(slot, &json::compact(json)),
                Some(json) => to.rows.text(slot, json),
                None => {}
            }
        }
        for (slot, time) in [(to.requested, row.requested), (to.staged, row.staged)] {
            if let Some(time) = time {
                to.rows.time(slot, time);
            }
        }
        to.rows.text(to.pod, &envelope.pod);
        to.rows.text(to.stream, &envelope.stream);
        to.rows.text(to.resource_id, &envelope.resource_id);
        to.rows.text(to.raw, raw);
        to.rows.time(to.received, self.received);
        to.rows.end_row()?;
        self.accept();
        Ok(())
    }
}
