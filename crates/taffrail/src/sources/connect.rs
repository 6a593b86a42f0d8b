//! `taffrail sources connect`: what to paste where, complete: address, cluster, and a token that was made just now and can do nothing but
//! send this.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, bail};
use chrono::Utc;
use serde_json::{Value, json};
use taffrail_sources::SourceInfo;
use taffrail_state::State;
use taffrail_state::tokens::Scope;
use url::Url;

/// What stands for the server's address, a cluster's name and a token in `content/sources`.
const SERVER: &str = "https://taffrail.example";
const HOST: &str = "taffrail.example";
const CLUSTER: &str = "CLUSTER";
const TOKEN: &str = "TOKEN";

/// The steps of connecting a source, filled in.
///
/// # Errors
/// When the address is none, or no token can be made.
pub async fn connect(source: &SourceInfo, cluster: &str, server: &str, data_dir: Option<&Path>) -> anyhow::Result<String> {
    let url = Url::parse(server).with_context(|| format!("{server:?} is no address"))?;
    let host = url.host_str().with_context(|| format!("{server:?} names no host"))?.to_owned();
    let port = url.port_or_known_default().unwrap_or(443);
    let scope = Scope::Ingest {
        source: Some(source.id.clone()),
        cluster: (!cluster.is_empty()).then(|| cluster.to_owned()),
    };
    let name = format!("{} {cluster}", source.id);
    let token = match data_dir {
        Some(directory) => token_of_state(directory, name.trim(), scope).await?,
        None => token_of_server(&url, name.trim(), &source.id, cluster).await?,
    };
    let cluster = if cluster.is_empty() { "default" } else { cluster };
    let base = server.trim_end_matches('/');
    let mut out = format!("# {} ({})\n", source.name, source.id);
    for step in &source.connect {
        let _ = writeln!(out, "\n# {}", step.title);
        for line in step.text.trim_end().lines() {
            let _ = writeln!(out, "# {line}");
        }
        let https = url.scheme() == "https";
        let mut code = step.code.replace(&format!("{SERVER}:443"), base).replace(SERVER, base);
        // Senders that have host, port and encryption as settings of their own.
        code = code.replace(HOST, &host);
        for (from, to) in [
            ("serverport=\"443\"", format!("serverport=\"{port}\"")),
            ("Port         443", format!("Port         {port}")),
            ("Port                 443", format!("Port                 {port}")),
            ("port: 443", format!("port: {port}")),
        ] {
            code = code.replace(from, &to);
        }
        if !https {
            code = code
                .replace("usehttps=\"on\"", "usehttps=\"off\"")
                .replace("TLS          On", "TLS          Off");
        }
        out.push_str(&code.replace(CLUSTER, cluster).replace(TOKEN, &token));
    }
    Ok(out)
}

async fn token_of_state(directory: &Path, name: &str, scope: Scope) -> anyhow::Result<String> {
    let path = directory.join(crate::serve::STATE);
    if !path.is_file() {
        bail!("{} is not there: is it the data directory of a server?", path.display());
    }
    let state = State::open(&path)
        .await
        .with_context(|| format!("cannot open {}", path.display()))?;
    let made = state.add_token(name, scope, None, "command line", Utc::now()).await;
    state.close().await;
    Ok(made?.1)
}

async fn token_of_server(url: &Url, name: &str, source: &str, cluster: &str) -> anyhow::Result<String> {
    let Some(mine) = std::env::var("TAFFRAIL_TOKEN").ok().filter(|token| !token.is_empty()) else {
        bail!(
            "to make a token, name the server's data directory (--data-dir), or put the API token of an administrator into TAFFRAIL_TOKEN"
        );
    };
    let mut body = json!({"name": name, "kind": "ingest", "source": source});
    if !cluster.is_empty() {
        body["cluster"] = cluster.into();
    }
    let address = url.join("/api/v1/tokens")?;
    let response = reqwest::Client::new()
        .post(address.clone())
        .bearer_auth(mine)
        .json(&body)
        .send()
        .await
        .with_context(|| format!("cannot reach {address}"))?;
    let status = response.status();
    let answer: Value = response.json().await.with_context(|| format!("{address} answered {status}"))?;
    match answer.get("token").and_then(Value::as_str) {
        Some(token) if status.is_success() => Ok(token.to_owned()),
        _ => bail!("{address} answered {status}: {answer}"),
    }
}
