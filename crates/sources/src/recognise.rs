//! Which source a body is of, by its content: the first lines of text, or the members of the first JSON object. What a sender says
//! goes before; this is for the pseudo-source `auto` and for `taffrail sources test`.

use std::collections::HashSet;

use crate::catalogue::{Catalogue, Source};
use crate::entries::{self, Place};
use crate::formats::{auditd, control_plane, coredns, envoy, exposition, haproxy, nginx, remote_write, syslog, traefik};
use crate::json::{self, Members, Text};
use crate::klog;
use crate::lines;

/// How much of a log is looked at.
pub(crate) const SAMPLE: usize = 1 << 20;
/// Lines that are looked at.
const LINES: usize = 25;

/// What a body was recognised as.
#[derive(Debug, Clone, Copy)]
pub struct Recognised {
    /// The source
    pub source: &'static Source,
    /// By what
    pub why: &'static str,
}

/// No source has this form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the first lines are of no known source; name it with --source")]
pub struct NotRecognised;

/// Recognises a body that is already decompressed. `origin` is its path, where it has one.
///
/// # Errors
/// When it is of no known source.
pub fn recognise(body: &[u8], origin: &str) -> Result<Recognised, NotRecognised> {
    let (id, why) = of_body(body, origin).ok_or(NotRecognised)?;
    let source = Catalogue::source(id).ok_or(NotRecognised)?;
    Ok(Recognised { source, why })
}

pub(crate) type Guess = Option<(&'static str, &'static str)>;

fn of_body(body: &[u8], origin: &str) -> Guess {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let start = body.get(..body.len().min(SAMPLE)).unwrap_or_default().trim_ascii_start();
    match start.first()? {
        b'{' => of_object(start, 0, origin),
        b'[' if matches!(start.get(json::skip_blank(start, 1)), Some(b'{')) => of_object(start, json::skip_blank(start, 1), origin),
        _ if start.starts_with(b"__CURSOR=") || start.starts_with(b"__REALTIME_TIMESTAMP=") => {
            Some(("journald", "it begins with a field of journald's export format"))
        }
        _ => of_lines(start, origin).or_else(|| {
            // Binary: the one such protocol here.
            remote_write::is_request(body).then_some(("prometheus-remote-write", "it is a Snappy block that holds a remote write message"))
        }),
    }
}

/// By the members of the object at a place.
pub(crate) fn of_object(text: &[u8], at: usize, origin: &str) -> Guess {
    let mut names: HashSet<&[u8]> = HashSet::new();
    let mut members = Members::new(text, at);
    let (mut inner, mut caller) = (None, String::new());
    while let Ok(Some(member)) = members.next() {
        names.insert(member.name);
        match member.name {
            b"log" | b"message" => inner = json::read::<Text<'_>>(text, member.value).ok().map(|(value, _)| value.0),
            b"caller" => {
                caller = json::read::<Text<'_>>(text, member.value)
                    .map(|(value, _)| value.0.into_owned())
                    .unwrap_or_default()
            }
            _ => {}
        }
        // The sample may end within the object.
        if members.skip().is_err() {
            break;
        }
    }
    let has = |name: &str| names.contains(name.as_bytes());
    let any = |wanted: &[&str]| wanted.iter().any(|name| has(name));
    let all = |wanted: &[&str]| wanted.iter().all(|name| has(name));
    if has("resourceLogs") {
        return Some(("otlp-logs", "it is an export request of OpenTelemetry with logs"));
    }
    if has("resourceMetrics") {
        return Some(("otlp-metrics", "it is an export request of OpenTelemetry with metrics"));
    }
    if has("streams") && names.len() == 1 {
        return Some(("loki", "it is a push of Loki"));
    }
    if all(&["specversion", "source", "type"]) {
        return Some(("cloudevents", "its first record is a CloudEvent"));
    }
    if all(&["version", "short_message"]) {
        return Some(("gelf", "its first record is a message of Graylog"));
    }
    if has("event") && any(&["sourcetype", "index", "source"]) && !has("kind") {
        return Some(("splunk-hec", "its first record is an event for Splunk's collector"));
    }
    if names.len() == 1 && any(&["index", "create"]) {
        return Some(("elasticsearch", "its first line is an action of Elasticsearch's bulk API"));
    }
    if has("auditID") || all(&["kind", "apiVersion", "items"]) || (all(&["kind", "apiVersion"]) && any(&["stage", "level"])) {
        return Some((
            "kubernetes-audit",
            "its first record is a Kubernetes audit event, or a list of them",
        ));
    }
    if all(&["requestId", "records"]) {
        return Some(("kubernetes-audit", "its first record is a delivery of Firehose"));
    }
    if has("records") || has("log_s") || all(&["category", "properties"]) {
        return Some(("azure-diagnostics", "its first record is one of an Azure diagnostic export"));
    }
    if any(&["logEvents", "protoPayload"]) || all(&["events", "nextForwardToken"]) {
        return Some(("kubernetes-audit", "its first record is an export of CloudWatch or Cloud Logging"));
    }
    if has("__REALTIME_TIMESTAMP") || all(&["MESSAGE", "_HOSTNAME"]) {
        return Some(("journald", "its first record has the fields of journald"));
    }
    if any(&["evalMatches", "ruleUrl"]) || (has("alerts") && any(&["orgId", "title"])) {
        return Some(("grafana", "its first record is an alert message of Grafana"));
    }
    if has("alerts") || all(&["labels", "startsAt"]) {
        return Some(("alertmanager", "its first record is an alert message of Alertmanager"));
    }
    if any(&["watch_id", "ctx"]) {
        return Some(("elasticsearch-watcher", "its first record is the context of a watch"));
    }
    if any(&["flow", "lost_events"]) || all(&["verdict", "IP"]) {
        return Some(("cilium-hubble", "its first record is a flow of Hubble"));
    }
    if has("start_time") && any(&["source_name_aggr", "dest_name_aggr", "dest_namespace"]) {
        return Some(("calico", "its first record is a flow of Calico"));
    }
    if any(&["DownstreamStatus", "ClientAddr"]) {
        return Some(("traefik", "its first record has the fields of Traefik's access log"));
    }
    if any(&["response_code", "response_flags"]) && any(&["start_time", "upstream_host", "upstream_cluster"]) {
        return Some(("envoy", "its first record has the fields of Envoy's access log"));
    }
    if all(&["principal", "resource_type"]) {
        return Some(("alcide-kaudit", "its first record has the fields of kAudit"));
    }
    if let Some(inner) = inner.filter(|_| any(&["stream", "kubernetes", "logtag", "_p"]) || all(&["log", "time"])) {
        return Some(of_container(
            &inner,
            &Place::of_path(origin),
            "its first record is a container's line, from Docker or a shipper",
        ));
    }
    if all(&["ts", "msg"]) {
        let of_etcd = has("level")
            && (caller.contains("etcd") || caller.starts_with("mvcc/") || caller.starts_with("embed/") || caller.starts_with("raft/"));
        return Some(if of_etcd {
            ("etcd", "its first line is JSON of etcd")
        } else {
            ("kubernetes-control-plane", "its first line is JSON of a Kubernetes component")
        });
    }
    if has("type") && any(&["imageName", "image", "containerName"]) && any(&["rule", "ruleName"]) {
        return Some(("prisma-cloud", "its first record has the fields of a Prisma Cloud audit"));
    }
    Some(("json", "it is JSON of no form that has a table of its own"))
}

/// Of a container's line: what the text in it is, where only one program writes so; else a container's line.
pub(crate) fn of_container(text: &str, place: &Place, why: &'static str) -> (&'static str, &'static str) {
    let component = control_plane::COMPONENTS.contains(&place.container.as_str());
    let own = if text.starts_with('{') {
        of_object(text.as_bytes(), 0, "").filter(|(id, _)| !matches!(*id, "json" | "container-logs" | "kubernetes-control-plane"))
    } else {
        of_line(text).filter(|(id, _)| matches!(*id, "coredns" | "envoy" | "traefik"))
    };
    match own {
        Some(own) => own,
        None if nginx::is_ingress_line(text) => (
            "ingress-nginx",
            "its lines are a container's, with access lines of ingress-nginx in them",
        ),
        None if component && klog::starts_record(text) => ("kubernetes-control-plane", "its lines are those of a control-plane container"),
        None => ("container-logs", why),
    }
}

/// By what most of the first lines are.
fn of_lines(start: &[u8], origin: &str) -> Guess {
    let place = Place::of_path(origin);
    let mut counts: Vec<((&'static str, &'static str), usize)> = Vec::new();
    let mut looked_at = 0;
    for line in lines::raw_lines(start).take(LINES) {
        looked_at += 1;
        let guess = match entries::cri(line) {
            Some(cri) => Some(of_container(
                &String::from_utf8_lossy(cri.text),
                &place,
                "its lines are those of a CRI log file",
            )),
            None => std::str::from_utf8(line).ok().and_then(of_line),
        };
        let Some(guess) = guess else { continue };
        match counts.iter_mut().find(|((id, _), _)| *id == guess.0) {
            Some((_, count)) => *count += 1,
            None => counts.push((guess, 1)),
        }
    }
    let containers: usize = counts
        .iter()
        .filter(|((_, why), _)| why.starts_with("its lines are"))
        .map(|(_, count)| count)
        .sum();
    let (best, count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
    // Lines that go on with those before them are of no form by themselves.
    let enough = count * 3 >= looked_at;
    if enough {
        return Some(best);
    }
    (containers * 2 > looked_at).then_some(("container-logs", "its lines are those of a CRI log file"))
}

/// By one line.
pub(crate) fn of_line(line: &str) -> Guess {
    let line = line.trim_end();
    if line.contains("msg=audit(") && auditd::event_id(line.as_bytes()).is_some() && line.contains("type=") {
        return Some(("auditd", "its lines are records of the Linux audit system"));
    }
    let unframed = line
        .trim_start_matches(|character: char| character.is_ascii_digit())
        .trim_start_matches(' ');
    if unframed.starts_with('<') && syslog::has_header(unframed, 0) {
        return Some(if line.contains("LEEF:") {
            ("leef", "its lines are syslog messages in LEEF")
        } else if line.contains("CEF:") {
            ("cef", "its lines are syslog messages in CEF")
        } else if haproxy::is_line(unframed, 0) {
            ("haproxy", "its lines are HAProxy's, from syslog")
        } else {
            ("syslog", "its lines are syslog messages")
        });
    }
    if line.starts_with("CEF:") {
        return Some(("cef", "its lines are CEF"));
    }
    if line.starts_with("LEEF:") {
        return Some(("leef", "its lines are LEEF"));
    }
    if coredns::is_line(line)
        || line.starts_with("[ERROR] plugin/")
        || line.starts_with("[WARNING] plugin/")
        || line.starts_with("[INFO] plugin/")
    {
        return Some(("coredns", "its lines are CoreDNS'"));
    }
    if traefik::is_line(line) {
        return Some(("traefik", "its lines are Traefik's access log"));
    }
    if nginx::is_combined_line(line) {
        return Some(("ingress-nginx", "its lines are nginx's access log"));
    }
    if envoy::is_line(line) {
        return Some(("envoy", "its lines are Envoy's access log"));
    }
    if haproxy::is_line(line, 0) {
        return Some(("haproxy", "its lines are HAProxy's"));
    }
    if line.starts_with("time=\"") && line.contains(" level=") {
        return Some(("node-services", "its lines are logfmt, as containerd, CRI-O and Docker write it"));
    }
    if klog::is_capnslog(line) {
        return Some(("etcd", "its lines are etcd's"));
    }
    if klog::starts_record(line) && !line.starts_with('{') {
        return Some(if line.contains("kubelet") || line.contains("kuberuntime") {
            ("node-services", "its lines are kubelet's")
        } else {
            ("kubernetes-control-plane", "its lines are klog's")
        });
    }
    if syslog::has_header(line, 0) {
        return Some(("syslog", "its lines have the header of syslog"));
    }
    if line.starts_with("# HELP ") || line.starts_with("# TYPE ") || (exposition::is_sample(line) && line.contains(['{', '_'])) {
        return Some(("prometheus-metrics", "its lines are samples of metrics"));
    }
    None
}
