//! Starting the binary, talking to it, and finding recorded logs.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

use futures::Stream;
use serde_json::{Value, json};

/// The binary under test.
pub fn taffrail() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_taffrail"));
    command
        .env_remove("TAFFRAIL_DATA_DIR")
        .env_remove("TAFFRAIL_SERVER")
        .env_remove("TAFFRAIL_TOKEN");
    command
}

/// Runs the binary to its end.
pub fn run(arguments: &[&str]) -> Output {
    taffrail().args(arguments).stdin(Stdio::null()).output().expect("the binary runs")
}

/// Standard output as text.
pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

/// Standard error as text.
pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// A file of the recordings that are shared among the projects' tests; says loudly when it is not there.
pub fn shared(path: &str) -> Option<PathBuf> {
    let root =
        std::env::var_os("TAFFRAIL_SHARED").map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let file = root.join(path);
    if file.exists() {
        return Some(file);
    }
    eprintln!("SKIPPED: {} is not there: a part of this test needs it", file.display());
    None
}

/// The demo's recording, unpacked: events as JSON.
pub fn demo_events() -> Vec<Value> {
    let packed =
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../content/demo/attack-day.jsonl.zst")).expect("the demo's recording");
    let text = zstd::decode_all(packed.as_slice()).expect("zstd");
    serde_json::Deserializer::from_slice(&text)
        .into_iter()
        .collect::<Result<_, _>>()
        .expect("JSON lines")
}

/// Waits for an asynchronous client, in tests that are not asynchronous.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME
        .get_or_init(|| {
            tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .expect("a runtime")
        })
        .block_on(future)
}

/// Sends a request; gives status and body, JSON where it is.
pub fn send(request: reqwest::RequestBuilder) -> (u16, Value) {
    wait(async {
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        let text = response.text().await.expect("text");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    })
}

/// A running server.
pub struct Server {
    child: Child,
    pub url: String,
    pub password: Option<String>,
    pub user: Option<String>,
    pub client: reqwest::Client,
}

impl Server {
    /// The same with TLS; the certificate is trusted.
    pub fn start_with_tls(data_dir: &Path, cert: &Path, key: &Path) -> Server {
        let trusted = std::fs::read(cert).expect("the certificate");
        let (cert, key) = (cert.to_str().expect("text"), key.to_str().expect("text"));
        let mut server = Server::start(data_dir, &["--tls-cert", cert, "--tls-key", key]);
        let trusted = reqwest::Certificate::from_pem(&trusted).expect("a certificate");
        server.client = reqwest::Client::builder().tls_certs_only([trusted]).build().expect("a client");
        server
    }

    /// Starts `serve` on a free port and waits until it listens.
    pub fn start(data_dir: &Path, more: &[&str]) -> Server {
        let mut child = taffrail()
            .arg("serve")
            .arg("--data-dir")
            .arg(data_dir)
            .args(["--listen", "127.0.0.1:0"])
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        // Its log must not fill the pipe.
        let mut log = child.stderr.take().expect("stderr");
        let logged = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = log.read_to_string(&mut text);
            text
        });
        let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let (mut url, mut user, mut password) = (None, None, None);
        while let Some(Ok(line)) = lines.next() {
            if let Some((name, value)) = line.trim().split_once(':') {
                let value = value.trim().to_owned();
                match name {
                    "address" => url = Some(value),
                    "user" => user = Some(value),
                    "password" => password = Some(value),
                    "data" if url.is_none() => {}
                    _ => {}
                }
            }
            let last = line.contains("This password")
                || line.contains("No sign-in")
                || (line.contains("data:") && data_dir.join("known").exists());
            if last {
                break;
            }
        }
        std::thread::spawn(move || for _ in lines {});
        let Some(url) = url else {
            panic!("the server did not say where it listens: {}", logged.join().unwrap_or_default())
        };
        std::fs::write(data_dir.join("known"), "").expect("the data directory is there");
        Server {
            child,
            url,
            password,
            user,
            client: reqwest::Client::new(),
        }
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, as a power cut would.
    pub fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }

    /// Asks it to end and waits; gives the exit code.
    pub fn stop(&mut self) -> Option<i32> {
        let status = Command::new("kill")
            .args(["-TERM", &self.pid().to_string()])
            .status()
            .expect("kill");
        assert!(status.success());
        self.child.wait().expect("gone").code()
    }

    /// Signs in; gives a client with the session's cookie and the CSRF token.
    pub fn sign_in(&self) -> Session<'_> {
        let body = json!({ "username": self.user, "password": self.password });
        let (cookie, body) = wait(async {
            let response = self
                .client
                .post(format!("{}/api/v1/session", self.url))
                .json(&body)
                .send()
                .await
                .expect("an answer");
            assert!(response.status().is_success(), "sign-in: {}", response.status());
            let cookie = response.headers()["set-cookie"]
                .to_str()
                .expect("text")
                .split(';')
                .next()
                .expect("a cookie")
                .to_owned();
            (cookie, response.json::<Value>().await.expect("JSON"))
        });
        Session {
            server: self,
            cookie,
            csrf: body["csrf"].as_str().expect("csrf").to_owned(),
        }
    }

    /// Sends a body to the ingestion endpoint.
    pub fn ingest(&self, path: &str, token: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
        self.ingest_as(path, token, "application/json", body)
    }

    /// The same with a content type.
    pub fn ingest_as(&self, path: &str, token: &str, content_type: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
        let request = self
            .client
            .post(format!("{}/ingest/{path}", self.url))
            .header("Content-Type", content_type)
            .bearer_auth(token)
            .body(body);
        send(request)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Somebody who is signed in.
pub struct Session<'a> {
    server: &'a Server,
    cookie: String,
    csrf: String,
}

impl Session<'_> {
    fn send(&self, request: reqwest::RequestBuilder) -> (u16, Value) {
        send(request.header("Cookie", &self.cookie).header("X-CSRF-Token", &self.csrf))
    }

    /// The stream of live updates.
    pub fn events(&self) -> impl Stream<Item = reqwest::Result<bytes::Bytes>> + Unpin + use<> {
        let request = self
            .server
            .client
            .get(format!("{}/api/v1/events", self.server.url))
            .header("Cookie", &self.cookie);
        let response = wait(request.send()).expect("an answer");
        assert_eq!(response.status(), 200);
        Box::pin(response.bytes_stream())
    }

    /// A request from where waiting is asynchronous already.
    pub async fn get_async(&self, path: &str) -> (u16, Value) {
        let request = self
            .server
            .client
            .get(format!("{}{path}", self.server.url))
            .header("Cookie", &self.cookie);
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        (status, response.json().await.expect("JSON"))
    }

    pub fn get(&self, path: &str) -> (u16, Value) {
        self.send(self.server.client.get(format!("{}{path}", self.server.url)))
    }

    pub fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.send(self.server.client.post(format!("{}{path}", self.server.url)).json(body))
    }

    pub fn patch(&self, path: &str, body: &Value) -> (u16, Value) {
        self.send(self.server.client.patch(format!("{}{path}", self.server.url)).json(body))
    }

    /// Makes an ingestion token.
    pub fn ingest_token(&self, name: &str) -> String {
        let (status, body) = self.post("/api/v1/tokens", &json!({ "name": name, "kind": "ingest" }));
        assert!(status < 300, "{status} {body}");
        find_token(&body).unwrap_or_else(|| panic!("no token in {body}"))
    }

    /// Rows of a query.
    pub fn query(&self, text: &str) -> Vec<Vec<Value>> {
        let (status, body) = self.post("/v1/workspaces/default/query", &json!({ "query": text }));
        assert_eq!(status, 200, "{text}: {body}");
        serde_json::from_value(body["tables"][0]["rows"].clone()).expect("rows")
    }

    /// The one number a query gives.
    pub fn number(&self, text: &str) -> i64 {
        self.query(text)[0][0].as_i64().expect("a number")
    }
}

fn find_token(body: &Value) -> Option<String> {
    match body {
        Value::String(text) if text.starts_with("tfr_") => Some(text.clone()),
        Value::Object(map) => map.values().find_map(find_token),
        _ => None,
    }
}

/// An audit event with an identifier of its own.
pub fn event(id: u64) -> Value {
    let second = id % 60;
    let minute = id / 60 % 60;
    json!({
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": format!("00000000-0000-4000-8000-{id:012}"),
        "stage": "ResponseComplete", "requestURI": "/api/v1/namespaces/shop/pods", "verb": "list",
        "user": { "username": "ana@example.com", "groups": ["system:authenticated"] }, "sourceIPs": ["10.0.0.7"], "userAgent": "kubectl/v1.33.2",
        "objectRef": { "resource": "pods", "namespace": "shop", "apiVersion": "v1" }, "responseStatus": { "code": 200 },
        "requestReceivedTimestamp": format!("2026-01-15T10:{minute:02}:{second:02}.000000Z"),
        "stageTimestamp": format!("2026-01-15T10:{minute:02}:{second:02}.010000Z"),
        "annotations": { "authorization.k8s.io/decision": "allow" }
    })
}

/// Several events as the API server's webhook sends them.
pub fn event_list(events: &[Value]) -> String {
    let items: Vec<Value> = events
        .iter()
        .map(|event| {
            let mut event = event.clone();
            if let Some(map) = event.as_object_mut() {
                map.shift_remove("kind");
                map.shift_remove("apiVersion");
            }
            event
        })
        .collect();
    json!({ "kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {}, "items": items }).to_string()
}
