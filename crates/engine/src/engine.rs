//! [`Engine`]: the door of this crate.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::record_batch::RecordBatch;
use chrono::{DateTime, Utc};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::SessionState;
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::{ExecutionPlan, displayable};
use taffrail_kql::bound::Rel;
use taffrail_kql::catalog::{Catalog, Schema};
use taffrail_kql::{BoundQuery, Completion, Diagnostic, Hover, Limits, Type, Value};

use crate::cache::{Cache, Known};
use crate::discover::{self, Asking, Members, Question};
use crate::error::QueryError;
use crate::execute::{self, Execution};
use crate::external::ExternalSource;
use crate::lower::Lowering;
use crate::plugins::BagUnpack;
use crate::result::{self, QueryResult, ResultColumn, ResultTable, Statistics};
use crate::source::TableSource;
use crate::ticks::UNIX_EPOCH;
use crate::{functions, kernels, language, paths, session};

/// What queries may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineOptions {
    /// Bytes for all queries together; sorts, joins and aggregations spill to disk before they fail
    pub memory_limit: usize,
    /// Rows of an answer; one with more is cut and says so
    pub max_rows: usize,
    /// Time for one query
    pub timeout: Duration,
    /// Threads for one query
    pub partitions: usize,
    /// Bytes for answers that may be asked for again; zero: none are kept
    pub result_cache: usize,
}

impl Default for EngineOptions {
    fn default() -> EngineOptions {
        EngineOptions {
            memory_limit: 2 * 1024 * 1024 * 1024,
            max_rows: 500_000,
            timeout: Duration::from_secs(240),
            partitions: std::thread::available_parallelism().map_or(2, usize::from),
            result_cache: 64 * 1024 * 1024,
        }
    }
}

/// What a query is asked with, besides its text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QueryRequest {
    /// What `now()` means; the clock's time by default
    pub now: Option<DateTime<Utc>>,
    /// Rows of every table outside of this range of `TimeGenerated` are not read: start included, end excluded
    pub timespan: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// Values for the names that `declare query_parameters` declares
    pub parameters: Vec<(String, Value)>,
    /// Instead of the engine's `max_rows`, when smaller
    pub max_rows: Option<usize>,
    /// Run it, even when the answer is known from before
    pub fresh: bool,
    /// What it may use; what its text sets counts as well
    pub limits: Limits,
}

/// Runs KQL over tables. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    schema: Arc<dyn Schema>,
    source: Arc<dyn TableSource>,
    external: Option<Arc<dyn ExternalSource>>,
    options: Arc<EngineOptions>,
    runtime: Arc<RuntimeEnv>,
    parallel: Arc<SessionState>,
    ordered: Arc<SessionState>,
    cache: Arc<Cache>,
}

impl Engine {
    /// An engine for the tables that `schema` names and `source` holds.
    pub fn new(schema: Arc<dyn Schema>, source: Arc<dyn TableSource>, options: EngineOptions) -> Engine {
        let runtime = session::runtime(&options);
        let parallel = Arc::new(session::session(&runtime, options.partitions));
        let ordered = Arc::new(session::session(&runtime, 1));
        let cache = Arc::new(Cache::new(options.result_cache));
        Engine {
            schema,
            source,
            external: None,
            cache,
            options: Arc::new(options),
            runtime,
            parallel,
            ordered,
        }
    }

    /// The same engine (functions, limits, memory) over other tables.
    #[must_use]
    pub fn with_source(&self, source: Arc<dyn TableSource>) -> Engine {
        Engine {
            source,
            // Versions of one source say nothing about another.
            cache: Arc::new(Cache::new(0)),
            ..self.clone()
        }
    }

    /// The same engine, in which `externaldata` reads from `external`. Without one it is refused.
    #[must_use]
    pub fn with_external(&self, external: Arc<dyn ExternalSource>) -> Engine {
        Engine {
            external: Some(external),
            ..self.clone()
        }
    }

    /// The functions queries may call.
    pub fn catalog(&self) -> &'static dyn Catalog {
        functions::catalog()
    }

    /// The tables, views and functions queries may name.
    pub fn schema(&self) -> &Arc<dyn Schema> {
        &self.schema
    }

    /// What queries may use.
    pub fn options(&self) -> &EngineOptions {
        &self.options
    }

    /// The tables it reads.
    pub fn source(&self) -> &Arc<dyn TableSource> {
        &self.source
    }

    /// The physical plan of a relation, and the session it is to run in.
    pub(crate) async fn plan(&self, rel: &Rel, request: &QueryRequest) -> Result<(Arc<dyn ExecutionPlan>, Arc<SessionState>), QueryError> {
        let mut lowering = self.lowering(request);
        Box::pin(lowering.prepare(rel)).await?;
        let plan = lowering
            .answer(rel)
            .map_err(|error| QueryError::from_lower(error, self.options.memory_limit))?;
        let session = Arc::clone(lowering.session());
        let optimized = execute::optimize(&session, self.source.as_ref(), &plan).map_err(|error| self.failed(error))?;
        let physical = Box::pin(execute::physical(&session, &optimized))
            .await
            .map_err(|error| self.failed(error))?;
        Ok((physical, session))
    }

    /// Bytes of memory that running queries hold.
    pub fn memory_in_use(&self) -> usize {
        self.runtime.memory_pool.reserved()
    }

    /// Errors and warnings of a text, without running it.
    pub fn check(&self, text: &str) -> Vec<Diagnostic> {
        let asking = Asking::new(self.schema.as_ref(), &[]);
        match language::compile(text, &asking, ticks(Utc::now()), &[]) {
            Ok(query) => query.warnings,
            // what stands behind a plugin that must see rows first can only be judged when the query runs
            Err(_) if asking.question().is_some() => vec![],
            Err(diagnostics) => diagnostics,
        }
    }

    /// What could stand at a byte offset of a text.
    pub fn complete(&self, text: &str, offset: usize) -> Vec<Completion> {
        language::complete(text, offset, self.schema.as_ref(), ticks(Utc::now()))
    }

    /// What the word at a byte offset of a text is.
    pub fn hover(&self, text: &str, offset: usize) -> Option<Hover> {
        language::hover(text, offset, self.schema.as_ref(), ticks(Utc::now()))
    }

    /// Text to bound query, without running anything.
    ///
    /// # Errors
    /// When the text is not a valid query, or its columns can only be known from rows (`evaluate bag_unpack` without a
    /// declared result), which `query` finds out by itself.
    pub fn compile(&self, text: &str, request: &QueryRequest) -> Result<BoundQuery, QueryError> {
        let now = ticks(request.now.unwrap_or_else(Utc::now));
        let mut query = language::compile(text, self.schema.as_ref(), now, &request.parameters).map_err(QueryError::Diagnostics)?;
        paths::resolve(&mut query, self.schema.as_ref());
        Ok(query)
    }

    /// Text to bound query; runs what has to be run to know the columns.
    async fn bind(&self, text: &str, request: &QueryRequest) -> Result<BoundQuery, QueryError> {
        let now = ticks(request.now.unwrap_or_else(Utc::now));
        let mut answers = Vec::new();
        loop {
            let asking = Asking::new(self.schema.as_ref(), &answers);
            let compiled = language::compile(text, &asking, now, &request.parameters);
            match (compiled, asking.question()) {
                (Ok(mut query), _) => {
                    paths::resolve(&mut query, self.schema.as_ref());
                    return Ok(query);
                }
                (Err(diagnostics), None) => return Err(QueryError::Diagnostics(diagnostics)),
                (Err(_), Some(question)) => answers.push(self.answer(&question, request).await?),
            }
        }
    }

    /// The columns of a plugin, from the rows it gets.
    async fn answer(&self, question: &Question, request: &QueryRequest) -> Result<Vec<(String, Type)>, QueryError> {
        if question.plugin == "pivot" {
            // the input is the values themselves
            let mut values = BTreeSet::new();
            self.texts(&question.input, request, |value| {
                values.insert(value.to_owned());
            })
            .await?;
            return Ok(values.into_iter().map(|value| (value, Type::String)).collect());
        }
        let unpack = BagUnpack::new(&question.args).map_err(|error| QueryError::from_lower(error, self.options.memory_limit))?;
        let rel = discover::bags(question, &unpack);
        let mut members = Members::default();
        self.texts(&rel, request, |bag| members.see(bag)).await?;
        members
            .columns(question, &unpack)
            .map_err(|diagnostic| QueryError::Diagnostics(vec![diagnostic]))
    }

    /// Runs a relation of texts and shows each.
    async fn texts(&self, rel: &Rel, request: &QueryRequest, mut see: impl FnMut(&str)) -> Result<(), QueryError> {
        let mut lowering = self.lowering(request);
        Box::pin(lowering.prepare(rel)).await?;
        let plan = lowering
            .answer(rel)
            .map_err(|error| QueryError::from_lower(error, self.options.memory_limit))?;
        for batch in Box::pin(lowering.gather(plan)).await? {
            for array in batch.columns() {
                let texts = kernels::strings(array.as_ref()).map_err(|error| self.failed(error))?;
                texts.iter().flatten().for_each(&mut see);
            }
        }
        Ok(())
    }

    /// Runs a query to its end. Dropping the future stops it.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn query(&self, text: &str, request: &QueryRequest) -> Result<QueryResult, QueryError> {
        let started = Instant::now();
        let limit = self.options.timeout;
        let bound = tokio::time::timeout(limit, Box::pin(self.bind(text, request)));
        let Ok(query) = bound.await else {
            return Err(QueryError::Timeout { limit });
        };
        let query = query?;
        let versions = Cache::versions(&query, self.source.as_ref());
        let mut plan = None;
        if let Some(versions) = &versions {
            match self.cache.find(text, &query, request, versions) {
                Known::Result(result) => {
                    return Ok(QueryResult {
                        statistics: Statistics {
                            rows: result.statistics.rows,
                            elapsed: started.elapsed(),
                            from_cache: true,
                            ..Statistics::default()
                        },
                        ..result
                    });
                }
                Known::Plan(known) => plan = Some(known),
                Known::Nothing => {}
            }
        }
        let known = plan.is_some();
        let (result, plan) = self.run_from(started, &query, request, plan).await?;
        if let Some(versions) = versions {
            if !known {
                self.cache.drop_stale(self.source.as_ref());
            }
            self.cache.keep(text, &query, request, versions, plan, &result);
        }
        Ok(result)
    }

    /// Runs a query compiled before.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn run(&self, query: &BoundQuery, request: &QueryRequest) -> Result<QueryResult, QueryError> {
        Ok(self.run_from(Instant::now(), query, request, None).await?.0)
    }

    /// Runs a query, by a plan made before if there is one. Gives its plan when it can be run again.
    async fn run_from(
        &self,
        started: Instant,
        query: &BoundQuery,
        request: &QueryRequest,
        plan: Option<Arc<dyn ExecutionPlan>>,
    ) -> Result<(QueryResult, Option<Arc<dyn ExecutionPlan>>), QueryError> {
        let limits = request
            .limits
            .with(&query.options)
            .map_err(|problem| QueryError::Diagnostics(vec![problem]))?;
        let engine = self.within(&limits);
        let request = &QueryRequest { limits, ..request.clone() };
        let limit = engine.options.timeout;
        let execution = Box::pin(engine.execute_all(query, request, plan));
        let Ok(execution) = tokio::time::timeout(limit, execution).await else {
            return Err(QueryError::Timeout { limit });
        };
        let (tables, plan) = execution?;
        let mut tables = tables.into_iter();
        let Some((first, statistics)) = tables.next() else {
            return Err(QueryError::Execution {
                message: "the query gives no table".to_owned(),
            });
        };
        let mut statistics = Statistics {
            rows: first.batches.iter().map(RecordBatch::num_rows).sum(),
            ..statistics
        };
        let mut further = Vec::new();
        for (table, of_table) in tables {
            statistics.scanned_rows += of_table.scanned_rows;
            statistics.scanned_bytes += of_table.scanned_bytes;
            statistics.cpu += of_table.cpu;
            further.push(table);
        }
        statistics.elapsed = started.elapsed();
        let result = QueryResult {
            columns: first.columns,
            batches: first.batches,
            visualization: first.visualization,
            warnings: query.warnings.clone(),
            statistics,
            truncated: first.truncated,
            name: first.name,
            further,
        };
        Ok((result, plan))
    }

    /// Every table of a query. What they share is computed once.
    async fn execute_all(
        &self,
        query: &BoundQuery,
        request: &QueryRequest,
        known: Option<Arc<dyn ExecutionPlan>>,
    ) -> Result<Executed, QueryError> {
        let mut lowering = self.lowering(request);
        let mut plan = None;
        let first = (&query.root, &query.name, &query.visualization);
        let further = query.further.iter().map(|table| (&table.rel, &table.name, &table.visualization));
        let mut tables = Vec::with_capacity(1 + query.further.len());
        for (rel, name, visualization) in std::iter::once(first).chain(further) {
            let execution = match &known {
                Some(known) => {
                    plan = Some(Arc::clone(known));
                    self.execute_again(known, request).await?
                }
                None => {
                    let (execution, again) = Box::pin(self.execute(&mut lowering, rel, request)).await?;
                    plan = again;
                    execution
                }
            };
            let columns: Vec<ResultColumn> = rel
                .columns
                .iter()
                .map(|column| ResultColumn {
                    name: column.name.clone(),
                    ty: column.ty,
                })
                .collect();
            let batches = execution
                .batches
                .iter()
                .map(|batch| result::rename(batch, &columns))
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| self.failed(error.into()))?;
            let table = ResultTable {
                name: name.clone(),
                columns,
                batches,
                visualization: visualization.clone(),
                truncated: execution.truncated,
            };
            tables.push((table, execution.statistics));
        }
        // One plan is kept, so it is of queries that have one.
        Ok((tables, plan.filter(|_| query.further.is_empty())))
    }

    /// This engine as a query with these limits sees it.
    fn within(&self, limits: &Limits) -> Engine {
        let mut options = self.options.as_ref().clone();
        options.memory_limit = limits.memory.unwrap_or(usize::MAX).min(options.memory_limit);
        options.timeout = limits.time.unwrap_or(options.timeout);
        Engine {
            options: Arc::new(options),
            ..self.clone()
        }
    }

    /// Rows of an answer, and whether those behind them are missed.
    fn rows(&self, request: &QueryRequest) -> (usize, bool) {
        let (rows, missed) = request.limits.rows(self.options.max_rows);
        match request.max_rows {
            Some(asked) if asked < rows => (asked, true),
            _ => (rows, missed),
        }
    }

    /// Runs a plan that was made before. It keeps what it counted and built; run again it starts with nothing.
    async fn execute_again(&self, plan: &Arc<dyn ExecutionPlan>, request: &QueryRequest) -> Result<Execution, QueryError> {
        let fresh = reset_plan_states(Arc::clone(plan)).map_err(|error| self.failed(error))?;
        self.measured(
            execute::execute(&self.parallel, fresh, self.rows(request).0, self.options.memory_limit).await?,
            request,
        )
    }

    async fn execute(
        &self,
        lowering: &mut Lowering,
        rel: &Rel,
        request: &QueryRequest,
    ) -> Result<(Execution, Option<Arc<dyn ExecutionPlan>>), QueryError> {
        let memory = self.options.memory_limit;
        lowering.prepare(rel).await?;
        let plan = lowering.answer(rel).map_err(|error| QueryError::from_lower(error, memory))?;
        let session = lowering.session();
        let optimized = execute::optimize(session, self.source.as_ref(), &plan).map_err(|error| self.failed(error))?;
        let plan = execute::physical(session, &optimized).await.map_err(|error| self.failed(error))?;
        let again = lowering.is_self_contained() && Arc::ptr_eq(session, &self.parallel);
        let kept = if again {
            Some(reset_plan_states(Arc::clone(&plan)).map_err(|error| self.failed(error))?)
        } else {
            None
        };
        let (rows, _) = self.rows(request);
        let in_memory = execute::joins_in_memory(plan.as_ref());
        let execution = match execute::execute(session, plan, rows, memory).await {
            Err(QueryError::Memory { .. }) if in_memory => {
                // Joins of sorted inputs spill, where one with a table of hashes cannot.
                let session = Arc::new(session::with_sorted_joins(session, memory));
                let plan = execute::physical(&session, &optimized).await.map_err(|error| self.failed(error))?;
                execute::execute(&session, plan, rows, memory).await?
            }
            other => other?,
        };
        Ok((self.measured(execution, request)?, kept))
    }

    /// What a run gave, if it is not more than it may be.
    fn measured(&self, mut execution: Execution, request: &QueryRequest) -> Result<Execution, QueryError> {
        execution.truncated &= self.rows(request).1;
        if let Some(limit) = request.limits.bytes {
            let bytes: usize = execution.batches.iter().map(RecordBatch::get_array_memory_size).sum();
            if bytes > limit {
                return Err(QueryError::TooLarge { limit });
            }
        }
        Ok(execution)
    }

    /// The logical plan as lowered, as optimized, and the physical plan, as text.
    ///
    /// # Errors
    /// See [`QueryError`]. Scalar subqueries and `materialize` are run, as their results are part of the plan.
    pub async fn explain(&self, text: &str, request: &QueryRequest) -> Result<String, QueryError> {
        let query = Box::pin(self.bind(text, request)).await?;
        let mut lowering = self.lowering(request);
        Box::pin(lowering.prepare(&query.root)).await?;
        let plan = lowering
            .answer(&query.root)
            .map_err(|error| QueryError::from_lower(error, self.options.memory_limit))?;
        let session = lowering.session();
        let optimized = execute::optimize(session, self.source.as_ref(), &plan).map_err(|error| self.failed(error))?;
        let physical = Box::pin(execute::physical(session, &optimized))
            .await
            .map_err(|error| self.failed(error))?;
        Ok(format!(
            "logical plan\n{}\n\noptimized plan\n{}\n\nphysical plan\n{}",
            plan.display_indent(),
            optimized.display_indent(),
            displayable(physical.as_ref()).indent(false)
        ))
    }

    fn lowering(&self, request: &QueryRequest) -> Lowering {
        let mut lowering = Lowering::new(
            self.source.clone(),
            self.parallel.clone(),
            self.ordered.clone(),
            request.timespan,
            self.options.memory_limit,
        );
        lowering.allow_external(self.external.clone());
        lowering
    }

    fn failed(&self, error: datafusion::error::DataFusionError) -> QueryError {
        QueryError::from_datafusion(error, self.options.memory_limit)
    }
}

/// The tables of a query, and its plan when it can be run again.
type Executed = (Vec<(ResultTable, Statistics)>, Option<Arc<dyn ExecutionPlan>>);

/// A time as KQL counts it.
pub(crate) fn ticks(time: DateTime<Utc>) -> i64 {
    time.timestamp()
        .saturating_mul(10_000_000)
        .saturating_add(i64::from(time.timestamp_subsec_nanos() / 100))
        .saturating_add(UNIX_EPOCH)
}
