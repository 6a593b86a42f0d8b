//! `taffrail tables`, `verify`, `backup` and `restore`: the lake of a data directory, looked at beside a running server or
//! changed while none runs.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use taffrail_content::Content;
use taffrail_lake::{Deletion, Lake, LakeError, LakeOptions, Policy, VerifyOptions};
use taffrail_state::State;

use crate::args::{BackupOptions, QueryFormat, RestoreOptions, TablesCommand, TablesOptions, VerifyArguments};
use crate::output::{self, Answer};
use crate::serve::{LAKE, STATE};
use crate::{DONE, FOUND, local};

fn lake_directory(data: &Path) -> anyhow::Result<PathBuf> {
    let lake = data.join(LAKE);
    if !lake.is_dir() {
        bail!("{} is no data directory of taffrail serve: it has no {LAKE}/", data.display());
    }
    Ok(lake)
}

async fn read(data: &Path) -> anyhow::Result<Lake> {
    let lake = lake_directory(data)?;
    let schema = local::schema(&Content::embedded())?;
    Lake::open_read_only(&lake, schema, LakeOptions::default())
        .await
        .with_context(|| format!("cannot read the data directory {}", data.display()))
}

/// To write: not beside a server.
async fn write(data: &Path) -> anyhow::Result<Lake> {
    let lake = lake_directory(data)?;
    let schema = local::schema(&Content::embedded())?;
    let options = LakeOptions {
        // Only what is asked for is done.
        compact_interval: std::time::Duration::ZERO,
        ..LakeOptions::default()
    };
    match Lake::open(&lake, schema, options).await {
        Err(error @ LakeError::Locked { .. }) => Err(error).context(
            "a server runs on it; ask that one: POST /api/v1/tables/compact, the commands .alter table and .create table, [backup] in its configuration",
        ),
        opened => opened.with_context(|| format!("cannot open the data directory {}", data.display())),
    }
}

fn show(columns: &[(&str, &str)], rows: Vec<Vec<Value>>, format: QueryFormat) -> anyhow::Result<()> {
    let columns = columns.iter().map(|(name, ty)| ((*name).to_owned(), (*ty).to_owned())).collect();
    let answer = Answer {
        columns,
        rows,
        further: Vec::new(),
    };
    output::print(&answer, format, &mut std::io::stdout().lock())
}

fn kind(lake: &Lake, table: &str) -> &'static str {
    if lake.is_made(table) { "made" } else { "built in" }
}

fn days(days: Option<u32>) -> Value {
    days.map_or_else(|| Value::from("for ever"), |days| Value::from(format!("{days} days")))
}

/// `taffrail tables`
pub async fn run(options: TablesOptions) -> anyhow::Result<u8> {
    let data = options.data_dir.as_path();
    let format = options.format;
    match options.command {
        TablesCommand::List => list(&read(data).await?, format),
        TablesCommand::Show { table } => describe(&read(data).await?, &table, format),
        TablesCommand::Stats => stats(&read(data).await?, format),
        TablesCommand::Verify { quick } => verify(&VerifyArguments {
            data_dir: data.to_owned(),
            quick,
            public_key: None,
            expect: None,
            format,
        }),
        TablesCommand::Export { table, file } => {
            let rows = read(data).await?.export(&table, &file).await?;
            show(
                &[("Table", "string"), ("File", "string"), ("Rows", "long")],
                vec![vec![json!(table), json!(file), json!(rows)]],
                format,
            )?;
            Ok(DONE)
        }
        TablesCommand::Compact => compact(&write(data).await?, format).await,
        TablesCommand::Retention {
            table,
            days,
            cluster,
            hold,
            release,
            quota,
        } => {
            if days.is_none() && hold.is_none() && !release && quota.is_none() {
                return retention(&read(data).await?, table.as_deref(), format);
            }
            let Some(table) = table else {
                bail!("name the table whose policy is to change");
            };
            let lake = write(data).await?;
            let mut policy = lake.policy(&table)?;
            match (days, cluster) {
                (Some(days), Some(cluster)) => drop(policy.cluster_days.insert(cluster, days)),
                (Some(days), None) => policy.retention_days = Some(days),
                (None, _) => {}
            }
            if release {
                policy.legal_hold = None;
            }
            policy.legal_hold = hold.or(policy.legal_hold);
            policy.quota_bytes = quota.map(|quota| quota.0).or(policy.quota_bytes).filter(|quota| *quota > 0);
            lake.set_policy(&table, policy).await?;
            let done = retention(&lake, Some(&table), format);
            lake.close().await?;
            done
        }
        TablesCommand::Delete {
            table,
            equal,
            from,
            before,
            reason,
        } => {
            let lake = write(data).await?;
            let pairs = equal.iter().map(|pair| {
                let (column, value) = pair.split_once('=').with_context(|| format!("{pair:?} is not COLUMN=VALUE"))?;
                Ok((column.to_owned(), value.to_owned()))
            });
            let deletion = Deletion {
                equal: pairs.collect::<anyhow::Result<_>>()?,
                unequal: Vec::new(),
                from,
                before,
                reason,
                by: std::env::var("USER").unwrap_or_else(|_| "command line".to_owned()),
            };
            let done = lake.delete(&table, &deletion).await?;
            lake.close().await?;
            show(
                &[("Table", "string"), ("Rows", "long"), ("Files", "long")],
                vec![vec![json!(table), json!(done.rows), json!(done.files)]],
                format,
            )?;
            Ok(DONE)
        }
    }
}

fn list(lake: &Lake, format: QueryFormat) -> anyhow::Result<u8> {
    let rows = lake.statistics().into_iter().map(|(name, table)| {
        let kind = kind(lake, &name);
        let kept = lake.retention(&name).ok().flatten();
        vec![json!(name), json!(kind), json!(table.rows), json!(table.bytes), days(kept)]
    });
    let columns = [
        ("Table", "string"),
        ("Kind", "string"),
        ("Rows", "long"),
        ("Bytes", "long"),
        ("Kept", "string"),
    ];
    show(&columns, rows.collect(), format)?;
    Ok(DONE)
}

fn stats(lake: &Lake, format: QueryFormat) -> anyhow::Result<u8> {
    let rows = lake.statistics().into_iter().map(|(name, table)| {
        let each = if table.rows == table.hot_rows {
            Value::Null
        } else {
            json!((table.bytes as f64 / (table.rows - table.hot_rows) as f64 * 10.0).round() / 10.0)
        };
        vec![
            json!(name),
            json!(table.rows),
            json!(table.hot_rows),
            json!(table.hot_bytes),
            json!(table.files),
            json!(table.bytes),
            each,
        ]
    });
    let columns = [
        ("Table", "string"),
        ("Rows", "long"),
        ("RowsInMemory", "long"),
        ("BytesInMemory", "long"),
        ("Files", "long"),
        ("Bytes", "long"),
        ("BytesARow", "real"),
    ];
    show(&columns, rows.collect(), format)?;
    Ok(DONE)
}

fn describe(lake: &Lake, table: &str, format: QueryFormat) -> anyhow::Result<u8> {
    let definition = lake
        .definition(table)
        .with_context(|| format!("there is no table {table}; taffrail tables list names them"))?;
    if format == QueryFormat::Json {
        let described = json!({
            "definition": definition,
            "kind": kind(lake, table),
            "policy": lake.policy(table)?,
            "folder": lake.directory().join("tables").join(table),
        });
        let mut out = std::io::stdout().lock();
        serde_json::to_writer_pretty(&mut out, &described)?;
        writeln!(out)?;
        return Ok(DONE);
    }
    let rows = definition.columns.iter();
    let rows = rows.map(|column| vec![json!(column.name), json!(column.ty.name()), json!(column.about)]);
    show(
        &[("Column", "string"), ("Type", "string"), ("About", "string")],
        rows.collect(),
        format,
    )?;
    Ok(DONE)
}

async fn compact(lake: &Lake, format: QueryFormat) -> anyhow::Result<u8> {
    lake.flush().await?;
    let done = lake.compact().await?;
    let deleted = lake.vacuum().await?;
    lake.close().await?;
    let row = vec![json!(done.removed), json!(done.added), json!(deleted)];
    show(&[("Merged", "long"), ("Into", "long"), ("Deleted", "long")], vec![row], format)?;
    Ok(DONE)
}

fn retention(lake: &Lake, table: Option<&str>, format: QueryFormat) -> anyhow::Result<u8> {
    let names: Vec<String> = match table {
        Some(table) => vec![table.to_owned()],
        None => lake.statistics().into_keys().collect(),
    };
    let mut rows = Vec::new();
    for name in names {
        let Policy {
            cluster_days,
            legal_hold,
            quota_bytes,
            ..
        } = lake.policy(&name)?;
        let clusters: Vec<String> = cluster_days
            .iter()
            .map(|(cluster, days)| format!("{cluster}: {days} days"))
            .collect();
        rows.push(vec![
            json!(name),
            days(lake.retention(&name)?),
            json!(clusters.join(", ")),
            json!(legal_hold),
            json!(quota_bytes),
        ]);
    }
    let columns = [
        ("Table", "string"),
        ("Kept", "string"),
        ("Clusters", "string"),
        ("LegalHold", "string"),
        ("QuotaBytes", "long"),
    ];
    show(&columns, rows, format)?;
    Ok(DONE)
}

/// `taffrail verify`
pub fn verify(arguments: &VerifyArguments) -> anyhow::Result<u8> {
    let lake = lake_directory(&arguments.data_dir)?;
    let options = VerifyOptions {
        quick: arguments.quick,
        public_key: arguments.public_key.clone(),
        expected: arguments.expect.clone(),
    };
    let found = taffrail_lake::verify(&lake, &options).context("the account of the data directory cannot be read")?;
    let mut out = std::io::stdout().lock();
    if matches!(arguments.format, QueryFormat::Json | QueryFormat::Jsonl) {
        let faults: Vec<Value> = found
            .faults
            .iter()
            .map(|fault| json!({"what": fault.what, "problem": fault.problem}))
            .collect();
        let report = json!({
            "ok": found.faults.is_empty(), "records": found.records, "signatures": found.signatures, "segments": found.segments,
            "commits": found.commits, "files": found.files, "bytes": found.bytes, "head": found.head, "key": found.key,
            "notes": found.notes, "faults": faults,
        });
        serde_json::to_writer_pretty(&mut out, &report)?;
        writeln!(out)?;
    } else {
        writeln!(
            out,
            "{} records, {} signatures, {} log segments, {} commits, {} files ({} bytes) compared",
            found.records, found.signatures, found.segments, found.commits, found.files, found.bytes
        )?;
        for note in &found.notes {
            writeln!(out, "note: {note}")?;
        }
        for fault in &found.faults {
            writeln!(out, "FAULT: {}: {}", fault.what, fault.problem)?;
        }
        writeln!(out, "last record {}\nsigned by   {}", found.head, found.key)?;
        if found.faults.is_empty() {
            writeln!(out, "Everything is as it was written.")?;
        }
    }
    Ok(if found.faults.is_empty() { DONE } else { FOUND })
}

/// `taffrail backup`
pub async fn backup(options: &BackupOptions) -> anyhow::Result<u8> {
    let lake = Arc::new(write(&options.data_dir).await?);
    let state = State::open(options.data_dir.join(STATE))
        .await
        .context("cannot open the state database")?;
    let done = back_up(&lake, &state, &options.target).await;
    state.close().await;
    lake.close().await?;
    let done = done?;
    show(
        &[
            ("Files", "long"),
            ("Copied", "long"),
            ("Bytes", "long"),
            ("Removed", "long"),
            ("LastRecord", "string"),
        ],
        vec![vec![
            json!(done.files),
            json!(done.copied),
            json!(done.copied_bytes),
            json!(done.removed),
            json!(done.head),
        ]],
        options.format,
    )?;
    Ok(DONE)
}

/// Both parts of a data directory.
///
/// # Errors
/// When a part cannot be copied, or the copy is not what the account says.
pub async fn back_up(lake: &Lake, state: &State, target: &Path) -> anyhow::Result<taffrail_lake::Backup> {
    std::fs::create_dir_all(target).with_context(|| format!("cannot make {}", target.display()))?;
    // The state first: what it says of rows (how far rules have seen) may be behind the rows, never before them.
    state
        .copy_to(&target.join(STATE))
        .await
        .context("the state database cannot be copied")?;
    Ok(lake.backup(&target.join(LAKE)).await?)
}

/// `taffrail restore`
pub fn restore(options: &RestoreOptions) -> anyhow::Result<u8> {
    let state = options.source.join(STATE);
    if !state.is_file() {
        bail!("{} is no backup: it has no {STATE}", options.source.display());
    }
    let done = taffrail_lake::restore(&options.source.join(LAKE), &options.data_dir.join(LAKE))?;
    let target = options.data_dir.join(STATE);
    std::fs::copy(&state, &target).with_context(|| format!("cannot copy the state database to {}", target.display()))?;
    show(
        &[("Files", "long"), ("Bytes", "long"), ("LastRecord", "string")],
        vec![vec![json!(done.files), json!(done.copied_bytes), json!(done.head)]],
        options.format,
    )?;
    Ok(DONE)
}

/// A time of the command line: a day, or RFC 3339.
pub fn time(text: &str) -> Result<DateTime<Utc>, String> {
    let day = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .ok()
        .and_then(|day| day.and_hms_opt(0, 0, 0));
    match day {
        Some(day) => Ok(day.and_utc()),
        None => DateTime::parse_from_rfc3339(text)
            .map(|time| time.to_utc())
            .map_err(|_| format!("{text:?} is no time: write 2026-11-20 or 2026-11-20T12:00:00Z")),
    }
}
