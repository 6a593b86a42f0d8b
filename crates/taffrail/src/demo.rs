//! `taffrail demo`: a server on a temporary data directory, and a recorded day with attacks replayed into it through the same
//! endpoint that a real API server would use.
//!
//! The recording is moved in time so that it ends now: pages that show the last hours have something to show. Nothing else of an
//! event is changed.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use anyhow::{Context, bail};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use taffrail_content::Content;
use taffrail_state::incidents::{Filter, Order, Sort};
use taffrail_state::tokens::Scope;
use taffrail_state::users::Role;

use crate::DONE;
use crate::args::DemoOptions;
use crate::config::Config;
use crate::serve::{Running, log_to_standard_error, stop_signal};

/// The recording.
const LOG: &str = "demo/attack-day.jsonl.zst";
/// Events in one request, as the API server's webhook batches them.
const BATCH: usize = 400;
/// The name the demo's cluster gets.
const CLUSTER: &str = "shop";
/// Incidents that must be there before the demo says it is ready.
const ENOUGH: i64 = 10;

/// Runs the command; gives the exit code.
pub async fn run(options: DemoOptions) -> anyhow::Result<u8> {
    let temporary = match &options.data_dir {
        Some(_) => None,
        None => Some(
            tempfile::Builder::new()
                .prefix("taffrail-demo-")
                .tempdir()
                .context("cannot make a temporary directory")?,
        ),
    };
    let data_dir = options
        .data_dir
        .clone()
        .or(temporary.as_ref().map(|folder| folder.path().to_owned()))
        .unwrap_or_default();
    let mut config = Config {
        data_dir,
        listen: options.listen,
        ..Config::default()
    };
    config.log.level = "warn".to_owned();
    log_to_standard_error(&config)?;

    let running = Running::start(&config).await?;
    let now = Utc::now();
    let (_, ingest) = running
        .state
        .add_token(
            "demo: audit webhook",
            Scope::Ingest {
                source: Some("kubernetes-audit".to_owned()),
                cluster: None,
            },
            None,
            "demo",
            now,
        )
        .await?;
    let (_, reader) = running
        .state
        .add_token("demo: API", Scope::Api { role: Role::Reader }, None, "demo", now)
        .await?;
    running.announce();
    println!("  token:     {reader}");
    std::io::stdout().flush()?;

    let (url, state, caught_up) = (running.url.clone(), running.state.clone(), running.caught_up());
    let replaying = tokio::spawn(async move {
        let sent = replay(&url, &ingest).await?;
        // Detection works behind the acknowledgement: it is waited for, so that the first look at the page shows all of it.
        let deadline = tokio::time::Instant::now() + Duration::from_secs(300);
        let mut look = tokio::time::interval(Duration::from_millis(100));
        loop {
            look.tick().await;
            let page = state.incidents(&Filter::default(), Sort::default(), Order::default(), 1, 0).await?;
            if page.total >= ENOUGH && caught_up() {
                println!(
                    "Ready: {sent} events in, {} incidents so far. Open {url} and sign in. Ctrl+C ends the demo.",
                    page.total
                );
                std::io::stdout().flush()?;
                return anyhow::Ok(());
            }
            if tokio::time::Instant::now() > deadline {
                bail!("the rules found only {} incidents in what was replayed", page.total);
            }
        }
    });
    let stop = stop_signal()?;
    running
        .until(async move {
            tokio::select! {
                () = stop => {}
                () = failure(replaying) => {}
            }
        })
        .await?;
    Ok(DONE)
}

/// Done when the replay failed; never when it went well.
async fn failure(replaying: tokio::task::JoinHandle<anyhow::Result<()>>) {
    match replaying.await {
        Ok(Ok(())) => std::future::pending().await,
        Ok(Err(error)) => anstream::eprintln!("error: the replay failed: {error:#}"),
        Err(error) => anstream::eprintln!("error: the replay was stopped: {error}"),
    }
}

async fn replay(url: &str, token: &str) -> anyhow::Result<usize> {
    let file = Content::embedded()
        .file(LOG)?
        .context("this binary was built without the demo's recording")?;
    let text = zstd::decode_all(&*file.bytes).context("the demo's recording is damaged")?;
    let mut events: Vec<Value> = serde_json::Deserializer::from_slice(&text)
        .into_iter()
        .collect::<Result<_, _>>()
        .context("the demo's recording is damaged")?;
    move_to_now(&mut events);

    let client = reqwest::Client::new();
    let address = format!("{url}/ingest/kubernetes-audit/{CLUSTER}");
    let bar = if std::io::stderr().is_terminal() {
        ProgressBar::new(events.len() as u64)
    } else {
        ProgressBar::hidden()
    };
    bar.set_style(
        ProgressStyle::with_template("  replaying {wide_bar} {pos}/{len} events").unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    for batch in events.chunks(BATCH) {
        let body = serde_json::json!({ "kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {}, "items": batch });
        let response = client
            .post(&address)
            .bearer_auth(token)
            .json(&body)
            .send()
            .await
            .context("cannot reach the server")?;
        if !response.status().is_success() {
            bail!(
                "the server answered {}: {}",
                response.status(),
                response.text().await.unwrap_or_default()
            );
        }
        bar.inc(batch.len() as u64);
    }
    bar.finish_and_clear();
    Ok(events.len())
}

/// Moves all events by the same time, so that the last one is now.
fn move_to_now(events: &mut [Value]) {
    let last = events.iter().filter_map(|event| time(&event["stageTimestamp"])).max();
    let Some(last) = last else { return };
    let shift: TimeDelta = Utc::now() - last;
    for event in events {
        for field in ["requestReceivedTimestamp", "stageTimestamp"] {
            if let Some(time) = time(&event[field]) {
                event[field] = Value::String((time + shift).to_rfc3339_opts(SecondsFormat::Micros, true));
            }
        }
    }
}

fn time(value: &Value) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(value.as_str()?)
        .ok()
        .map(|time| time.with_timezone(&Utc))
}
