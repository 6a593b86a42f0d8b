//! `taffrail sources`: what kinds of logs there are, how to connect them, and what becomes of a file.

mod connect;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use anyhow::{Context as _, bail};
use chrono::Utc;
use taffrail_content::Content;
use taffrail_engine::{Engine, QueryRequest};
use taffrail_sources::files::LogFile;
use taffrail_sources::{AUTO, Catalogue, Context, DeadLetter, SourceInfo, State};

use crate::args::{QueryFormat, SourcesCommand, SourcesOptions};
use crate::local::{self, Batches};
use crate::output::{self, Answer};
use crate::{DONE, FOUND};

/// Rows of a table, and bad records, that are shown without a query.
const SHOWN: usize = 5;

/// Runs the command; gives the exit code.
pub async fn run(options: SourcesOptions) -> anyhow::Result<u8> {
    let content = Content::embedded();
    match options.command {
        SourcesCommand::List => list(&SourceInfo::load(&content)?),
        SourcesCommand::Show { name } => show(&SourceInfo::load(&content)?, &name),
        SourcesCommand::Connect {
            name,
            cluster,
            server,
            data_dir,
        } => {
            let sources = SourceInfo::load(&content)?;
            let source = found(&sources, &name)?;
            print!("{}", connect::connect(source, &cluster, &server, data_dir.as_deref()).await?);
            Ok(DONE)
        }
        SourcesCommand::Test {
            file,
            source,
            cluster,
            query,
            format,
        } => test(&content, &file, &source, &cluster, query.as_deref(), format).await,
    }
}

fn list(sources: &[SourceInfo]) -> anyhow::Result<u8> {
    let columns = ["Name", "Title", "Tables", "Formats"]
        .map(|name| (name.to_owned(), "string".to_owned()))
        .to_vec();
    let rows = sources
        .iter()
        .map(|source| {
            let works = source.formats.iter().filter(|row| row.state == State::Works).count();
            [
                source.id.clone(),
                source.name.clone(),
                source.tables.join(" "),
                format!("{works} of {} work", source.formats.len()),
            ]
            .map(serde_json::Value::String)
            .to_vec()
        })
        .collect();
    output::print(
        &Answer {
            columns,
            rows,
            further: Vec::new(),
        },
        QueryFormat::Table,
        &mut std::io::stdout().lock(),
    )?;
    Ok(DONE)
}

fn found<'a>(sources: &'a [SourceInfo], name: &str) -> anyhow::Result<&'a SourceInfo> {
    match sources.iter().find(|source| source.id == name) {
        Some(source) => Ok(source),
        None => bail!("there is no source {name}; taffrail sources list shows them"),
    }
}

fn show(sources: &[SourceInfo], name: &str) -> anyhow::Result<u8> {
    let source = found(sources, name)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{} ({})\n{}", source.name, source.id, source.description)?;
    writeln!(out, "\nTables:      {}", source.tables.join(", "))?;
    if !source.views.is_empty() {
        writeln!(out, "Views:       {}", source.views.join(", "))?;
    }
    writeln!(out, "Ways in:     {}", source.transports.join("; "))?;
    if !source.silence.is_empty() {
        writeln!(out, "Silent for:  {} is too long", source.silence)?;
    }
    writeln!(out, "\nFormats:")?;
    for row in &source.formats {
        let missing = if row.missing.is_empty() {
            String::new()
        } else {
            format!(": {}", row.missing)
        };
        writeln!(out, "  {:<8} {}{missing}", row.state.as_str(), row.name)?;
    }
    let steps = source
        .connect
        .iter()
        .map(|step| (step.title.as_str(), format!("{}{}", step.text, step.code)));
    let examples = [("A query", source.query.clone()), ("A record", source.sample.clone())];
    for (title, text) in steps.chain(examples) {
        writeln!(out, "\n{title}:")?;
        for line in text.trim_end().lines() {
            writeln!(out, "  {line}")?;
        }
    }
    Ok(DONE)
}

/// What a file held.
#[derive(Default)]
struct Read {
    source: &'static str,
    batches: Batches,
    records: usize,
    rejected: usize,
    dead: Vec<DeadLetter>,
}

async fn test(content: &Content, file: &Path, source: &str, cluster: &str, query: Option<&str>, format: QueryFormat) -> anyhow::Result<u8> {
    if Catalogue::source(source).is_none() {
        bail!("there is no source {source}; known are {}", Catalogue::names());
    }
    let schema = local::schema(content)?;
    let read = {
        let (schema, file, source, cluster) = (schema.clone(), file.to_owned(), source.to_owned(), cluster.to_owned());
        tokio::task::spawn_blocking(move || read_file(&file, &source, &cluster, &schema)).await??
    };
    let verb = if source == AUTO { "recognised as" } else { "read as" };
    let name = if read.source.is_empty() { "nothing known" } else { read.source };
    anstream::eprintln!(
        "{}: {verb} {name}; {} records, {} could not be used",
        file.display(),
        read.records,
        read.rejected
    );
    for letter in read.dead.iter().take(SHOWN) {
        anstream::eprintln!("  record {}: {}: {}", letter.record, letter.reason, letter.detail);
    }
    let mut rows: BTreeMap<String, usize> = BTreeMap::new();
    for (table, batch) in &read.batches {
        *rows.entry(table.clone()).or_default() += batch.num_rows();
    }
    let engine = local::engine(&schema, read.batches)?;
    let mut out = std::io::stdout().lock();
    if let Some(query) = query {
        output::print(&ask(&engine, query).await?, format, &mut out)?;
    } else {
        for (table, count) in &rows {
            anstream::eprintln!("{table}: {count} rows");
            let mut answer = ask(&engine, &format!("['{table}'] | take {SHOWN} | project-away _TimeReceived")).await?;
            without_missing(&mut answer, format);
            output::print(&answer, format, &mut out)?;
        }
    }
    Ok(if read.rejected > 0 || read.records == 0 { FOUND } else { DONE })
}

/// Columns that no row has a value in only hide the others.
fn without_missing(answer: &mut Answer, format: QueryFormat) {
    if format == QueryFormat::Csv {
        return;
    }
    let is_missing = |value: Option<&serde_json::Value>| match value {
        Some(serde_json::Value::String(text)) => text.is_empty(),
        Some(value) => value.is_null(),
        None => true,
    };
    let kept: Vec<bool> = (0..answer.columns.len())
        .map(|column| answer.rows.iter().any(|row| !is_missing(row.get(column))))
        .collect();
    let keep = |index: &mut usize| {
        *index += 1;
        kept.get(*index - 1).copied().unwrap_or(false)
    };
    let mut index = 0;
    answer.columns.retain(|_| keep(&mut index));
    for row in &mut answer.rows {
        let mut index = 0;
        row.retain(|_| keep(&mut index));
    }
}

async fn ask(engine: &Engine, query: &str) -> anyhow::Result<Answer> {
    let result = engine
        .query(query, &QueryRequest::default())
        .await
        .with_context(|| format!("the query failed: {query}"))?;
    Ok(Answer {
        columns: result
            .columns
            .iter()
            .map(|column| (column.name.clone(), column.ty.name().to_owned()))
            .collect(),
        rows: result.rows().collect(),
        further: Vec::new(),
    })
}

fn read_file(path: &Path, source: &str, cluster: &str, schema: &taffrail_schema::Schema) -> anyhow::Result<Read> {
    let mut file = LogFile::open(path)?;
    let context = Context {
        cluster: cluster.to_owned(),
        received: Utc::now(),
        schema,
        origin: file.name().to_owned(),
    };
    let mut read = Read::default();
    while let Some(decoded) = file.next_chunk(source, &context)? {
        read.source = decoded.source;
        read.records += decoded.records;
        read.rejected += decoded.rejected;
        read.batches.extend(decoded.batches);
        read.dead.extend(decoded.dead);
    }
    Ok(read)
}
