//! Fetching pages of metrics (prometheus.io, "Configuration", `scrape_config`): fixed targets, and pods and nodes of a cluster whose
//! API is asked who is there. Samples get the labels `job` and `instance`; of every target there is a sample of `up`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use futures::StreamExt as _;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::receiver::Receiver;

/// Where a service account's token and authority are in a pod.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Targets of a job that are asked at the same time.
const AT_ONCE: usize = 16;
/// Objects that the API is asked for at a time.
const PAGE: usize = 500;

/// A job.
#[derive(Debug, Clone)]
pub struct ScrapeOptions {
    /// Label `job`
    pub job: String,
    /// Cluster that its samples are of
    pub cluster: String,
    /// Addresses of pages
    pub targets: Vec<String>,
    /// Asks a cluster for targets
    pub kubernetes: Option<Discovery>,
    /// How often
    pub interval: Duration,
    /// How long a page may take
    pub timeout: Duration,
    /// Longest page, in bytes
    pub max_page: usize,
    /// File with a token to show to targets
    pub bearer_token_file: Option<PathBuf>,
    /// File with the authorities of their certificates; PEM
    pub ca_file: Option<PathBuf>,
}

/// A cluster's API.
#[derive(Debug, Clone)]
pub struct Discovery {
    /// Address; empty: the cluster this runs in
    pub server: String,
    /// File with a token; empty: the service account's
    pub token_file: Option<PathBuf>,
    /// What to find
    pub role: Role,
    /// Only in this namespace; empty: in all
    pub namespace: String,
}

/// What a cluster is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Pods with the annotation `prometheus.io/scrape: "true"`, at `prometheus.io/port`, `prometheus.io/path`, `prometheus.io/scheme`
    Pod,
    /// Kubelets, through the API server
    Node,
}

/// A page to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    url: String,
    labels: BTreeMap<String, String>,
}

/// Fetches until `ended`.
pub async fn run(options: ScrapeOptions, receiver: Receiver, mut ended: watch::Receiver<bool>) {
    let client = match client(&options) {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(job = options.job, error, "this job is not scraped");
            return;
        }
    };
    let mut ticks = tokio::time::interval(options.interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut found: Vec<Target> = Vec::new();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = crate::until(&mut ended) => return,
        }
        if let Some(discovery) = &options.kubernetes {
            let discovering = tokio::select! {
                found = discover(&client, discovery) => found,
                () = crate::until(&mut ended) => return,
            };
            match discovering {
                Ok(targets) => found = targets,
                // Those found before are still likely to be there.
                Err(error) => receiver
                    .health()
                    .lost("prometheus-metrics", &options.cluster, 0, &format!("{}: {error}", options.job)),
            }
        }
        let fixed = options.targets.iter().map(|url| Target {
            url: url.clone(),
            labels: BTreeMap::new(),
        });
        let all: Vec<Target> = fixed.chain(found.iter().cloned()).collect();
        let fetching = futures::stream::iter(all).for_each_concurrent(AT_ONCE, |target| fetch(&client, &options, target, &receiver));
        tokio::select! {
            () = fetching => {}
            () = crate::until(&mut ended) => return,
        }
    }
}

fn client(options: &ScrapeOptions) -> Result<reqwest::Client, String> {
    let mut builder = reqwest::Client::builder()
        .timeout(options.timeout)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("taffrail/", env!("CARGO_PKG_VERSION")));
    let in_cluster = options.kubernetes.as_ref().is_some_and(|discovery| discovery.server.is_empty());
    let account = PathBuf::from(ACCOUNT).join("ca.crt");
    for path in options.ca_file.iter().chain(in_cluster.then_some(&account)) {
        let pem = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let certificate = reqwest::Certificate::from_pem(&pem).map_err(|error| format!("{}: {error}", path.display()))?;
        builder = builder.add_root_certificate(certificate);
    }
    builder.build().map_err(|error| error.to_string())
}

/// Tokens are written anew while a pod runs: they are read each time.
fn token(path: &std::path::Path) -> Option<String> {
    std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

async fn fetch(client: &reqwest::Client, options: &ScrapeOptions, target: Target, receiver: &Receiver) {
    let began = Instant::now();
    let page = page(client, options, &target).await;
    let mut labels = target.labels.clone();
    labels.insert("job".to_owned(), options.job.clone());
    labels.entry("instance".to_owned()).or_insert_with(|| instance(&target.url));
    let labels = rendered(&labels);
    let mut body = match &page {
        Ok(text) => labelled(text, &labels),
        Err(error) => {
            receiver
                .health()
                .lost("prometheus-metrics", &options.cluster, 0, &format!("{}: {error}", target.url));
            String::new()
        }
    };
    let _ = writeln!(body, "up{{{labels}}} {}", i32::from(page.is_ok()));
    let _ = writeln!(body, "scrape_duration_seconds{{{labels}}} {}", began.elapsed().as_secs_f64());
    let result = receiver
        .receive("prometheus-metrics", &options.cluster, body.into(), target.url.clone())
        .await;
    if let Err(refusal) = result {
        tracing::warn!(target = target.url, %refusal, "a page of metrics could not be stored");
    }
}

fn instance(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap_or_default().to_owned()
}

async fn page(client: &reqwest::Client, options: &ScrapeOptions, target: &Target) -> Result<String, String> {
    let mut request = client.get(&target.url).header("accept", "text/plain;version=0.0.4");
    if let Some(token) = options.bearer_token_file.as_deref().and_then(token) {
        request = request.bearer_auth(token);
    }
    let bytes = read(request, options.max_page).await?;
    String::from_utf8(bytes).map_err(|_| "the page is not UTF-8".to_owned())
}

async fn read(request: reqwest::RequestBuilder, limit: usize) -> Result<Vec<u8>, String> {
    let response = request.send().await.map_err(|error| error.without_url().to_string())?;
    if !response.status().is_success() {
        return Err(format!("answered {}", response.status()));
    }
    let mut bytes = Vec::new();
    let mut stream = response.bytes_stream();
    while let Some(chunk) = stream.next().await {
        bytes.extend(chunk.map_err(|error| error.without_url().to_string())?);
        if bytes.len() > limit {
            return Err(format!("is larger than {limit} bytes"));
        }
    }
    Ok(bytes)
}

/// `name="value",...`
fn rendered(labels: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    for (name, value) in labels {
        if !out.is_empty() {
            out.push(',');
        }
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _ = write!(out, "{name}=\"{value}\"");
    }
    out
}

/// A page whose samples have more labels; a label of the sample itself stands first and counts (`honor_labels`).
fn labelled(page: &str, labels: &str) -> String {
    let mut out = String::with_capacity(page.len() * 2);
    for line in page
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let name = line.find(['{', ' ', '\t']).unwrap_or(line.len());
        let (name, rest) = line.split_at(name);
        // The brace that closes the labels is the last before the value: texts may hold others.
        match rest.strip_prefix('{').and_then(|inner| closing(inner).map(|at| inner.split_at(at))) {
            Some((own, rest)) => {
                let own = own.trim().trim_end_matches(',');
                let comma = if own.is_empty() { "" } else { "," };
                let _ = writeln!(out, "{name}{{{own}{comma}{labels}{rest}");
            }
            None => {
                let _ = writeln!(out, "{name}{{{labels}}}{rest}");
            }
        }
    }
    out
}

/// Where the labels end.
fn closing(inner: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            b'}' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    metadata: ListMeta,
    #[serde(default)]
    items: Vec<Object>,
}

#[derive(Deserialize, Default)]
struct ListMeta {
    #[serde(default, rename = "continue")]
    next: String,
}

#[derive(Deserialize)]
struct Object {
    metadata: Meta,
    #[serde(default)]
    status: Status,
    #[serde(default)]
    spec: Spec,
}

#[derive(Deserialize)]
struct Meta {
    name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
struct Status {
    #[serde(default)]
    phase: String,
    #[serde(default, rename = "podIP")]
    pod_ip: String,
}

#[derive(Deserialize, Default)]
struct Spec {
    #[serde(default, rename = "nodeName")]
    node: String,
}

async fn discover(client: &reqwest::Client, discovery: &Discovery) -> Result<Vec<Target>, String> {
    let server = match discovery.server.trim_end_matches('/') {
        "" => "https://kubernetes.default.svc",
        server => server,
    };
    let account = PathBuf::from(ACCOUNT).join("token");
    let token = token(discovery.token_file.as_deref().unwrap_or(&account));
    let path = match (discovery.role, discovery.namespace.as_str()) {
        (Role::Node, _) => "/api/v1/nodes".to_owned(),
        (Role::Pod, "") => "/api/v1/pods".to_owned(),
        (Role::Pod, namespace) => format!("/api/v1/namespaces/{namespace}/pods"),
    };
    let mut targets = Vec::new();
    let mut next = String::new();
    loop {
        let mut request = client
            .get(format!("{server}{path}"))
            .query(&[("limit", PAGE.to_string()), ("continue", next)]);
        if let Some(token) = &token {
            request = request.bearer_auth(token);
        }
        let bytes = read(request, 64 << 20).await.map_err(|error| format!("{server}{path} {error}"))?;
        let list: List = serde_json::from_slice(&bytes).map_err(|error| format!("{server}{path}: {error}"))?;
        targets.extend(list.items.iter().filter_map(|object| target(server, discovery.role, object)));
        next = list.metadata.next;
        if next.is_empty() {
            return Ok(targets);
        }
    }
}

fn target(server: &str, role: Role, object: &Object) -> Option<Target> {
    let name = &object.metadata.name;
    if role == Role::Node {
        return Some(Target {
            url: format!("{server}/api/v1/nodes/{name}/proxy/metrics"),
            labels: BTreeMap::from([("instance".to_owned(), name.clone()), ("node".to_owned(), name.clone())]),
        });
    }
    let annotation = |key: &str| object.metadata.annotations.get(&format!("prometheus.io/{key}")).map(String::as_str);
    let running = object.status.phase == "Running" && !object.status.pod_ip.is_empty();
    if annotation("scrape") != Some("true") || !running {
        return None;
    }
    let address = match object.status.pod_ip.contains(':') {
        true => format!("[{}]", object.status.pod_ip),
        false => object.status.pod_ip.clone(),
    };
    let scheme = annotation("scheme").filter(|scheme| *scheme == "https").unwrap_or("http");
    let port = annotation("port").and_then(|port| port.parse::<u16>().ok()).unwrap_or(80);
    let path = annotation("path").filter(|path| path.starts_with('/')).unwrap_or("/metrics");
    let labels = [
        ("namespace", &object.metadata.namespace),
        ("pod", name),
        ("node", &object.spec.node),
    ];
    let labels = labels.into_iter().filter(|(_, value)| !value.is_empty());
    Some(Target {
        url: format!("{scheme}://{address}:{port}{path}"),
        labels: labels.map(|(name, value)| (name.to_owned(), value.clone())).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_get_the_labels_of_their_target() {
        let page = "# HELP a\na 1\nb{} 2\nc{x=\"}\\\"\",} 3 1768471205000\n";
        let expected = "a{job=\"j\"} 1\nb{job=\"j\"} 2\nc{x=\"}\\\"\",job=\"j\"} 3 1768471205000\n";
        assert_eq!(labelled(page, "job=\"j\""), expected);
    }

    #[test]
    fn pods_say_by_annotations_where_their_page_is() {
        let pod = serde_json::json!({
            "metadata": {"name": "web-1", "namespace": "shop", "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "9102"}},
            "status": {"phase": "Running", "podIP": "10.0.4.7"}, "spec": {"nodeName": "n1"},
        });
        let object: Object = serde_json::from_value(pod).unwrap();
        let found = target("", Role::Pod, &object).unwrap();
        assert_eq!(found.url, "http://10.0.4.7:9102/metrics");
        assert_eq!(rendered(&found.labels), "namespace=\"shop\",node=\"n1\",pod=\"web-1\"");
    }
}
