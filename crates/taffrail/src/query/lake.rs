//! Queries over a data directory, read-only: beside a running server, or after it.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use datafusion::catalog::TableProvider;
use taffrail_content::Content;
use taffrail_engine::{Engine, EngineOptions, QueryError, QueryRequest, ResultColumn, TableSource};
use taffrail_lake::{Lake, LakeOptions};

use crate::external::External;
use crate::local;
use crate::output::Answer;
use crate::query::Failure;
use crate::serve::LAKE;

/// Tables of a lake for the engine.
pub struct LakeSource(pub Lake);

impl TableSource for LakeSource {
    fn table(&self, name: &str) -> Option<Arc<dyn TableProvider>> {
        self.0.table(name)
    }

    fn counted(&self, name: &str) -> Option<Arc<dyn TableProvider>> {
        self.0.counted(name)
    }

    fn version(&self, name: &str) -> Option<u64> {
        self.0.version(name)
    }
}

/// An engine in this process.
pub struct Local {
    engine: Engine,
}

impl Local {
    /// Over a data directory.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub async fn open(directory: &Path) -> anyhow::Result<Local> {
        let lake = directory.join(LAKE);
        if !lake.is_dir() {
            bail!("{} is no data directory of taffrail serve: it has no {LAKE}/", directory.display());
        }
        let schema = local::schema(&Content::embedded())?;
        let lake = Lake::open_read_only(&lake, Arc::clone(&schema), LakeOptions::default())
            .await
            .with_context(|| format!("cannot read the data directory {}", directory.display()))?;
        let engine = Engine::new(schema, Arc::new(LakeSource(lake)), EngineOptions::default());
        Ok(Local { engine })
    }

    /// Over tables without rows: for `print`, `datatable`, `range`.
    ///
    /// # Errors
    /// When the built-in tables cannot be loaded.
    pub fn without_rows() -> anyhow::Result<Local> {
        let schema = local::schema(&Content::embedded())?;
        Ok(Local {
            engine: local::engine(&schema, Vec::new())?,
        })
    }

    /// Lets `externaldata` read what the entries say.
    ///
    /// # Errors
    /// When an entry is neither an address nor a directory.
    pub fn allow_external(&mut self, entries: &[String]) -> anyhow::Result<()> {
        if !entries.is_empty() {
            self.engine = self.engine.with_external(Arc::new(External::new(entries)?));
        }
        Ok(())
    }

    /// Asks.
    pub async fn ask(&self, query: &str) -> Result<Answer, Failure> {
        let result = self
            .engine
            .query(query, &QueryRequest::default())
            .await
            .map_err(|error| failure(query, &error))?;
        for warning in &result.warnings {
            anstream::eprintln!("{}", warning.render(query).trim_end());
        }
        if result.truncated {
            anstream::eprintln!("warning: there are more rows; this is the first {}", result.len());
        }
        let columns = |columns: &[ResultColumn]| {
            let named = columns.iter().map(|column| (column.name.clone(), column.ty.name().to_owned()));
            named.collect::<Vec<_>>()
        };
        let further = result.further.iter().map(|table| {
            let answer = Answer {
                columns: columns(&table.columns),
                rows: table.rows().collect(),
                further: Vec::new(),
            };
            (table.name.clone(), answer)
        });
        Ok(Answer {
            columns: columns(&result.columns),
            rows: result.rows().collect(),
            further: further.collect(),
        })
    }

    /// Logical and physical plan.
    ///
    /// # Errors
    /// When the query is not valid.
    pub async fn explain(&self, query: &str) -> anyhow::Result<String> {
        self.engine
            .explain(query, &QueryRequest::default())
            .await
            .map_err(|error| anyhow::anyhow!(failure(query, &error).detail))
    }

    /// What could stand at a byte offset: text and what it is.
    pub fn complete(&self, text: &str, offset: usize) -> Vec<(String, String)> {
        self.engine
            .complete(text, offset)
            .into_iter()
            .map(|completion| (completion.insert, completion.detail))
            .collect()
    }
}

fn failure(query: &str, error: &QueryError) -> Failure {
    Failure {
        summary: error.to_string(),
        detail: taffrail_detect::rule_test::message(query, error),
    }
}
