//! `taffrail query`: KQL against a data directory or a server, once, in a batch, or at a prompt.

mod batch;
mod lake;
pub use lake::LakeSource;
mod prompt;
mod remote;

use std::io::{IsTerminal, Read, Write};

use anyhow::bail;

use crate::args::{QueryFormat, QueryOptions};
use crate::output::{self, Answer};
use crate::{DONE, FAILED};

/// Why a query has no answer, ready to be shown.
#[derive(Debug)]
pub struct Failure {
    /// One line
    pub summary: String,
    /// With the place in the text
    pub detail: String,
}

/// Where queries are answered.
pub enum Target {
    /// A data directory, or no rows at all
    Local(lake::Local),
    /// A server
    Remote(remote::Remote),
}

impl Target {
    /// Asks.
    pub async fn ask(&self, query: &str) -> Result<Answer, Failure> {
        match self {
            Target::Local(local) => local.ask(query).await,
            Target::Remote(remote) => remote.ask(query).await,
        }
    }

    /// What could stand at a byte offset of the text.
    pub fn complete(&self, text: &str, offset: usize) -> Vec<(String, String)> {
        match self {
            Target::Local(local) => local.complete(text, offset),
            // Called from the editor's own thread, which may wait.
            Target::Remote(remote) => tokio::runtime::Handle::current().block_on(remote.complete(text, offset)),
        }
    }
}

/// Runs the command; gives the exit code.
pub async fn run(options: QueryOptions) -> anyhow::Result<u8> {
    let mut target = match (&options.server, &options.data_dir) {
        (Some(server), _) => Target::Remote(remote::Remote::new(server)?),
        (None, Some(directory)) => Target::Local(lake::Local::open(directory).await?),
        (None, None) => Target::Local(lake::Local::without_rows()?),
    };
    if let Target::Local(local) = &mut target {
        local.allow_external(&options.allow_external_data)?;
    }
    if options.batch {
        return batch::run(&target).await;
    }
    let query = match &options.query {
        Some(query) if query != "-" => query.clone(),
        None if std::io::stdin().is_terminal() => return prompt::run(target, options.format.unwrap_or(QueryFormat::Table)).await,
        _ => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            text
        }
    };
    if options.explain {
        let Target::Local(local) = &target else {
            bail!("--explain needs a data directory")
        };
        println!("{}", local.explain(&query).await?);
        return Ok(DONE);
    }
    match target.ask(&query).await {
        Ok(answer) => {
            let mut out = std::io::stdout().lock();
            output::print(&answer, options.format.unwrap_or(QueryFormat::Table), &mut out)?;
            out.flush()?;
            Ok(DONE)
        }
        Err(failure) => {
            anstream::eprintln!("{}", failure.detail.trim_end());
            Ok(FAILED)
        }
    }
}
