//! The binary: command line, configuration, wiring. Everything it does stands in the crates below it.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod args;
mod config;
mod demo;
mod external;
mod kql;
mod local;
mod output;
mod query;
mod rules;
mod scan;
mod serve;
mod sources;
mod tables;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::args::{Arguments, Command};

/// Nothing found, everything done.
const DONE: u8 = 0;
/// A scan found something at or above `--fail-on`; a lint or test failed.
const FOUND: u8 = 1;
/// It did not work.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(8 * 1024 * 1024)
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow::anyhow!("cannot start threads: {error}")),
    };
    let result = runtime.block_on(run(arguments));
    // Blocking readers of standard input must not hold the end up.
    runtime.shutdown_background();
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) if is_closed_pipe(&error) => ExitCode::from(DONE),
        Err(error) => fail(&error),
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<u8> {
    match arguments.command {
        Command::Scan(options) => scan::run(options).await,
        Command::Serve(options) => serve::run(options).await,
        Command::Query(options) => query::run(options).await,
        Command::Kql(options) => kql::run(options),
        Command::Rules(options) => rules::run(options).await,
        Command::Sources(options) => sources::run(options).await,
        Command::Tables(options) => tables::run(options).await,
        Command::Verify(options) => tables::verify(&options),
        Command::Backup(options) => tables::backup(&options).await,
        Command::Restore(options) => tables::restore(&options),
        Command::Demo(options) => demo::run(options).await,
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "taffrail", &mut std::io::stdout());
            Ok(DONE)
        }
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    let style = anstyle::Style::new().bold().fg_color(Some(anstyle::AnsiColor::Red.into()));
    anstream::eprintln!("{style}error:{style:#} {error:#}");
    ExitCode::from(FAILED)
}

/// Whoever read our output (`| head`) has had enough: no error.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
