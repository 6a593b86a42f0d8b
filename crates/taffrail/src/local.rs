//! An engine over rows in memory: what `scan` and `rules test` run on.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use arrow::record_batch::RecordBatch;
use taffrail_content::Content;
use taffrail_detect::RuleSet;
use taffrail_engine::{Engine, EngineOptions, MemorySource};
use taffrail_schema::Schema;

/// Table of a batch, and the batch.
pub type Batches = Vec<(String, RecordBatch)>;

/// The tables of the built-in content.
///
/// # Errors
/// When the content cannot be read.
pub fn schema(content: &Content) -> anyhow::Result<Arc<Schema>> {
    Ok(Arc::new(Schema::load(content).context("the table definitions cannot be loaded")?))
}

/// An engine that sees just these batches.
///
/// # Errors
/// When a batch does not fit its table.
pub fn engine(schema: &Arc<Schema>, batches: Batches) -> anyhow::Result<Engine> {
    let mut tables: BTreeMap<String, Vec<RecordBatch>> = BTreeMap::new();
    for (table, batch) in batches {
        tables.entry(table).or_default().push(batch);
    }
    let source = MemorySource::new(Arc::clone(schema), tables)?;
    Ok(Engine::new(
        Arc::clone(schema) as Arc<dyn taffrail_kql::catalog::Schema>,
        Arc::new(source),
        EngineOptions::default(),
    ))
}

/// The built-in rules and those of further directories.
///
/// # Errors
/// When a rule cannot be read.
pub fn rules(content: &Content, directories: &[PathBuf]) -> anyhow::Result<RuleSet> {
    let mut rules = RuleSet::load(content)?;
    for directory in directories {
        rules.add_directory(directory)?;
    }
    Ok(rules)
}
