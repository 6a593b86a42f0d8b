//! Listening, stopping, headers, the portal's files.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use http::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{app, world};
use crate::app::{ServeError, ServerOptions, TlsFiles};
use crate::serve::Server;

fn on(address: &str) -> ServerOptions {
    ServerOptions {
        listen: address.parse().unwrap(),
        ..ServerOptions::default()
    }
}

#[tokio::test]
async fn what_would_not_be_safe_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (app, _world) = app(&folder).await;
    let open = ServerOptions {
        no_auth: true,
        ..on("0.0.0.0:0")
    };
    let refused = Server::bind(app.clone(), open).await.err().unwrap();
    assert!(matches!(refused, ServeError::NoAuthBeyondLoopback(_)), "{refused}");
    let local = ServerOptions {
        no_auth: true,
        ..on("[::1]:0")
    };
    // A machine without IPv6 may refuse the address, but not for lack of safety.
    assert!(!matches!(
        Server::bind(app.clone(), local).await.err(),
        Some(ServeError::NoAuthBeyondLoopback(_))
    ));
    let with_tls = ServerOptions {
        tls: Some(TlsFiles {
            certificate: folder.path().join("none.pem"),
            key: folder.path().join("none.key"),
        }),
        ..on("127.0.0.1:0")
    };
    let refused = Server::bind(app.clone(), with_tls).await.err().unwrap();
    assert!(
        matches!(refused, ServeError::Tls { .. }) && refused.to_string().contains("none.pem"),
        "{refused}"
    );
    let first = Server::bind(app.clone(), on("127.0.0.1:0")).await.unwrap();
    let taken = ServerOptions {
        listen: first.address(),
        ..ServerOptions::default()
    };
    let refused = Server::bind(app, taken).await.err().unwrap();
    assert!(matches!(refused, ServeError::Listen { .. }), "{refused}");
}

/// Sends a request over TLS, trusting that certificate only; gives the answer.
fn over_tls(address: SocketAddr, certificate: rustls::pki_types::CertificateDer<'static>, request: String) -> String {
    use std::io::{Read as _, Write as _};

    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).unwrap();
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let client = rustls::ClientConnection::new(std::sync::Arc::new(config), name).unwrap();
    let mut stream = rustls::StreamOwned::new(client, std::net::TcpStream::connect(address).unwrap());
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test]
async fn with_a_certificate_it_speaks_tls() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files = TlsFiles {
        certificate: folder.path().join("cert.pem"),
        key: folder.path().join("key.pem"),
    };
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    let (app, _world) = app(&folder).await;
    let options = ServerOptions {
        tls: Some(files),
        ..on("127.0.0.1:0")
    };
    let server = Server::bind(app, options).await.unwrap();
    let address = server.address();
    assert_eq!(server.url(), format!("https://{address}"));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async move {
        let _ = stopped.await;
    }));
    let request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_owned();
    let certificate = made.cert.der().clone();
    let answer = tokio::task::spawn_blocking(move || over_tls(address, certificate, request))
        .await
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("strict-transport-security: max-age=31536000"), "{answer}");
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn stopping_ends_event_streams_and_then_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let (app, world) = app(&folder).await;
    let options = ServerOptions {
        no_auth: true,
        ..on("127.0.0.1:0")
    };
    let server = Server::bind(app, options).await.unwrap();
    let address = server.address();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async move {
        let _ = stopped.await;
    }));
    let mut events = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /api/v1/events HTTP/1.1\r\nHost: {address}\r\n\r\n");
    events.write_all(request.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("event: ping") {
        assert_ne!(events.read_buf(&mut seen).await.unwrap(), 0);
    }
    assert_eq!(world.changes.receiver_count(), 1);
    stop.send(()).unwrap();
    events.read_to_end(&mut seen).await.unwrap();
    running.await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn pages_and_answers_carry_security_headers() {
    let world = world().await;
    let html = [("accept", "text/html,application/xhtml+xml")];
    let page = world.call("GET", "/incidents/5", &html, None).await;
    assert_eq!(page.status, StatusCode::OK, "the portal knows its pages itself");
    assert!(page.header("content-type").starts_with("text/html"));
    assert_eq!(page.header("cache-control"), "no-cache");
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'self'; script-src 'self';") && policy.contains("frame-ancestors 'none'"));
    assert!(!policy.contains("unsafe-eval"));
    let api = world.call("GET", "/api/v1/incidents", &html, None).await;
    assert_eq!(api.header("content-security-policy"), "default-src 'none'; frame-ancestors 'none'");
    for answered in [&page, &api] {
        assert_eq!(answered.header("x-content-type-options"), "nosniff");
        assert_eq!(answered.header("referrer-policy"), "no-referrer");
        assert!(!answered.header("x-request-id").is_empty());
    }
    let again = world.call("GET", "/", &[("if-none-match", page.header("etag"))], None).await;
    assert_eq!(again.status, StatusCode::NOT_MODIFIED);
    for (path, accept) in [("/assets/none.js", "*/*"), ("/favicon.png", "image/*"), ("/../Cargo.toml", "*/*")] {
        let answered = world.call("GET", path, &[("accept", accept)], None).await;
        assert_eq!(answered.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn metrics_are_for_loopback_and_tokens() {
    let world = world().await;
    world.call("GET", "/healthz", &[], None).await;
    let from = async |address: &str, token: Option<&str>| {
        let peer: SocketAddr = address.parse().unwrap();
        let mut request = http::Request::builder().uri("/metrics").extension(ConnectInfo(peer));
        if let Some(token) = token {
            request = request.header("authorization", token);
        }
        world.send(request.body(axum::body::Body::empty()).unwrap()).await
    };
    let local = from("127.0.0.1:5000", None).await;
    assert_eq!(local.status, StatusCode::OK);
    assert!(
        local
            .text
            .contains(r#"taffrail_http_requests_total{method="GET",route="/healthz",status="200"}"#),
        "{}",
        local.text
    );
    assert_eq!(from("192.0.2.1:5000", None).await.status, StatusCode::UNAUTHORIZED);
    let token = world.reader().await;
    assert_eq!(from("192.0.2.1:5000", Some(&token)).await.status, StatusCode::OK);
}
