//! Expressions over the rows of one table, compiled once and evaluated on batch after batch without a query around them, and
//! queries over one table that are planned once and run over batch after batch.
//!
//! This is what rules on the stream stand on: a thousand rules over a table share their expressions here, as the optimizer finds
//! what they have in common, and what a rule does with the few rows that are left costs no planning.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::datasource::TableProvider;
use datafusion::execution::TaskContext;
use datafusion::execution::session_state::SessionState;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream};
use parking_lot::Mutex;
use taffrail_kql::BoundQuery;
use taffrail_kql::bound::{Column, ColumnId, Expr, ExprKind, Rel, RelKind};
use taffrail_kql::diagnostic::Span;

use crate::cache;
use crate::engine::{Engine, QueryRequest};
use crate::error::QueryError;
use crate::execute;
use crate::result::{self, QueryResult, ResultColumn, Statistics};
use crate::source::TableSource;

/// Where the rows of a table are put before a plan is run.
#[derive(Debug)]
struct Slot {
    schema: SchemaRef,
    batch: Mutex<Option<RecordBatch>>,
}

impl Slot {
    fn new(schema: SchemaRef) -> Arc<Slot> {
        Arc::new(Slot {
            schema,
            batch: Mutex::new(None),
        })
    }
}

#[derive(Debug)]
struct SlotRows(Arc<Slot>);

impl PartitionStream for SlotRows {
    fn schema(&self) -> &SchemaRef {
        &self.0.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = self.0.batch.lock().clone();
        let stream = futures::stream::iter(rows.into_iter().map(Ok));
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.0.schema), stream))
    }
}

/// One table is a slot; the others are as they are.
struct SlotSource {
    table: String,
    provider: Arc<dyn TableProvider>,
    others: Arc<dyn TableSource>,
}

impl TableSource for SlotSource {
    fn table(&self, name: &str) -> Option<Arc<dyn TableProvider>> {
        if name == self.table {
            Some(Arc::clone(&self.provider))
        } else {
            self.others.table(name)
        }
    }
}

/// One layer of expressions over the columns below it.
struct Layer {
    schema: SchemaRef,
    exprs: Vec<Arc<dyn PhysicalExpr>>,
}

/// See the module's page.
pub struct RowExpressions {
    /// Stored columns that are read
    columns: Vec<String>,
    below: SchemaRef,
    layers: Vec<Layer>,
}

impl RowExpressions {
    /// How many expressions there are.
    pub fn len(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.exprs.len())
    }

    /// No expressions.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values of some of the expressions (by their position) for the rows of a batch in stored form.
    ///
    /// # Errors
    /// When a column is missing or an expression fails.
    pub fn evaluate(&self, batch: &RecordBatch, wanted: &[usize]) -> Result<Vec<ArrayRef>, QueryError> {
        let failed = |error: datafusion::error::DataFusionError| QueryError::Execution {
            message: error.to_string(),
        };
        let no_column = |name: &str| QueryError::Execution {
            message: format!("the batch has no column {name}"),
        };
        // From the top down: which of each layer are needed.
        let mut needed: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); self.layers.len()];
        if let Some(top) = needed.last_mut() {
            top.extend(wanted);
        }
        for index in (1..self.layers.len()).rev() {
            let mut below = BTreeSet::new();
            if let (Some(layer), Some(own)) = (self.layers.get(index), needed.get(index)) {
                for position in own {
                    if let Some(expr) = layer.exprs.get(*position) {
                        below.extend(collect_columns(expr).iter().map(|column| column.index()));
                    }
                }
            }
            if let Some(slot) = needed.get_mut(index - 1) {
                *slot = below;
            }
        }
        let mut arrays = Vec::with_capacity(self.columns.len());
        for name in &self.columns {
            arrays.push(batch.column_by_name(name).cloned().ok_or_else(|| no_column(name))?);
        }
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let mut rows =
            RecordBatch::try_new_with_options(Arc::clone(&self.below), arrays, &options).map_err(|error| failed(error.into()))?;
        for (layer, needed) in self.layers.iter().zip(&needed) {
            let mut arrays: Vec<ArrayRef> = Vec::with_capacity(layer.exprs.len());
            for (position, expr) in layer.exprs.iter().enumerate() {
                let array = if needed.contains(&position) {
                    let value = expr.evaluate(&rows).map_err(failed)?;
                    value.into_array(batch.num_rows()).map_err(failed)?
                } else {
                    // Nobody looks at it, but a batch has all of its columns.
                    let field = layer.schema.field(position);
                    placeholder(field, batch.num_rows())
                };
                arrays.push(array);
            }
            let fields: Vec<Field> = layer
                .schema
                .fields()
                .iter()
                .zip(&arrays)
                .map(|(field, array)| Field::new(field.name(), array.data_type().clone(), true))
                .collect();
            rows =
                RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options).map_err(|error| failed(error.into()))?;
        }
        Ok(wanted
            .iter()
            .filter_map(|position| rows.columns().get(*position).cloned())
            .collect())
    }
}

/// Nulls that take no memory worth speaking of.
fn placeholder(_: &Field, rows: usize) -> ArrayRef {
    Arc::new(arrow::array::NullArray::new(rows))
}

/// A query over one table that is planned and waits for rows.
pub struct PreparedQuery {
    query: BoundQuery,
    columns: Vec<ResultColumn>,
    plan: Arc<dyn ExecutionPlan>,
    session: Arc<SessionState>,
    slot: Arc<Slot>,
    /// One run at a time: there is one slot
    busy: tokio::sync::Mutex<()>,
}

impl Engine {
    /// Compiles expressions over the rows of a table. `ColumnId(i)` in them is the column `columns[i]`.
    ///
    /// # Errors
    /// When the table is not there or an expression cannot be evaluated on a row by itself.
    pub async fn row_expressions(&self, table: &str, columns: &[Column], exprs: Vec<Expr>) -> Result<RowExpressions, QueryError> {
        let Some(provider) = self.source().table(table) else {
            return Err(QueryError::Execution {
                message: format!("there is no table {table}"),
            });
        };
        let slot = Slot::new(provider.schema());
        let engine = self.over(table, &slot)?;
        let span = Span::default();
        let source = Rel {
            kind: RelKind::Table {
                name: table.to_owned(),
                source: columns.iter().map(|column| column.name.clone()).collect(),
            },
            columns: columns.to_vec(),
            serialized: false,
            open: false,
            span,
        };
        // Above every column of the table, and of the expressions: names that are taken by nobody.
        let first = u32::try_from(columns.len()).unwrap_or(u32::MAX / 2);
        let outputs: Vec<Column> = (first..)
            .zip(&exprs)
            .map(|(number, expr)| Column {
                id: ColumnId(number),
                name: format!("e{number}"),
                ty: expr.ty,
            })
            .collect();
        let rel = Rel {
            kind: RelKind::Project {
                input: Box::new(source),
                exprs,
            },
            columns: outputs,
            serialized: false,
            open: false,
            span,
        };
        let (plan, _) = engine.plan(&rel, &QueryRequest::default()).await?;
        let mut layers = Vec::new();
        let mut node = Arc::clone(&plan);
        loop {
            if let Some(projection) = node.downcast_ref::<ProjectionExec>() {
                layers.push(Layer {
                    schema: projection.schema(),
                    exprs: projection.expr().iter().map(|item| Arc::clone(&item.expr)).collect(),
                });
            }
            let below = match node.children().as_slice() {
                [] => break,
                [below] => Arc::clone(below),
                _ => {
                    return Err(QueryError::Execution {
                        message: "the expressions need more than the rows of one table".to_owned(),
                    });
                }
            };
            node = below;
        }
        layers.reverse();
        let below = node.schema();
        if layers.is_empty() {
            // Columns as they are: nothing to compute, and no projection in the plan.
            let exprs = plan
                .schema()
                .fields()
                .iter()
                .enumerate()
                .map(|(index, field)| {
                    Arc::new(datafusion::physical_expr::expressions::Column::new(field.name(), index)) as Arc<dyn PhysicalExpr>
                })
                .collect();
            layers.push(Layer {
                schema: plan.schema(),
                exprs,
            });
        }
        Ok(RowExpressions {
            columns: below.fields().iter().map(|field| field.name().clone()).collect(),
            below,
            layers,
        })
    }

    /// Plans a query over the rows of one table, to be run over batch after batch. `None` when it cannot be planned before: it reads
    /// other stored tables, or computes something of this one before it is planned.
    ///
    /// # Errors
    /// When it cannot be planned at all.
    pub async fn prepare(&self, query: &BoundQuery, table: &str) -> Result<Option<PreparedQuery>, QueryError> {
        if !query.further.is_empty() || !plannable(&query.root, table) {
            return Ok(None);
        }
        let Some(provider) = self.source().table(table) else {
            return Ok(None);
        };
        let slot = Slot::new(provider.schema());
        let engine = self.over(table, &slot)?;
        let (plan, session) = engine.plan(&query.root, &QueryRequest::default()).await?;
        let columns = query
            .root
            .columns
            .iter()
            .map(|column| ResultColumn {
                name: column.name.clone(),
                ty: column.ty,
            })
            .collect();
        Ok(Some(PreparedQuery {
            query: query.clone(),
            columns,
            plan,
            session,
            slot,
            busy: tokio::sync::Mutex::new(()),
        }))
    }

    /// Runs a query planned before over the rows of a batch in stored form.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn run_prepared(&self, prepared: &PreparedQuery, batch: RecordBatch) -> Result<QueryResult, QueryError> {
        let started = Instant::now();
        let failed = |error: datafusion::error::DataFusionError| QueryError::from_datafusion(error, self.options().memory_limit);
        let _one = prepared.busy.lock().await;
        *prepared.slot.batch.lock() = Some(batch);
        let plan = reset_plan_states(Arc::clone(&prepared.plan)).map_err(failed)?;
        let running = execute::execute(&prepared.session, plan, self.options().max_rows, self.options().memory_limit);
        let execution = tokio::time::timeout(self.options().timeout, running).await;
        *prepared.slot.batch.lock() = None;
        let execution = execution.map_err(|_| QueryError::Timeout {
            limit: self.options().timeout,
        })??;
        let batches = execution
            .batches
            .iter()
            .map(|batch| result::rename(batch, &prepared.columns))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| failed(error.into()))?;
        Ok(QueryResult {
            columns: prepared.columns.clone(),
            statistics: Statistics {
                rows: batches.iter().map(RecordBatch::num_rows).sum(),
                elapsed: started.elapsed(),
                ..execution.statistics
            },
            batches,
            visualization: None,
            warnings: prepared.query.warnings.clone(),
            truncated: execution.truncated,
            name: None,
            further: Vec::new(),
        })
    }

    fn over(&self, table: &str, slot: &Arc<Slot>) -> Result<Engine, QueryError> {
        let rows: Arc<dyn PartitionStream> = Arc::new(SlotRows(Arc::clone(slot)));
        let provider = StreamingTable::try_new(Arc::clone(&slot.schema), vec![rows])
            .map_err(|error| QueryError::from_datafusion(error, self.options().memory_limit))?;
        Ok(self.with_source(Arc::new(SlotSource {
            table: table.to_owned(),
            provider: Arc::new(provider),
            others: Arc::clone(self.source()),
        })))
    }
}

/// Whether a plan of the query holds no rows but those of the table that is put into the slot.
fn plannable(rel: &Rel, table: &str) -> bool {
    let mut computed_first = false;
    let mut read = BTreeSet::new();
    walk(rel, &mut |rel| match &rel.kind {
        RelKind::Table { name, .. } => {
            read.insert(name.clone());
        }
        RelKind::Shared { .. }
        | RelKind::External(_)
        | RelKind::Graph { .. }
        | RelKind::Partition { .. }
        | RelKind::MvApply { .. }
        | RelKind::Operator { .. }
        | RelKind::Sample { .. } => computed_first = true,
        _ => {}
    });
    // Lists and scalar queries become constants of the plan: they may read nothing that changes.
    let mut constants = true;
    walk(rel, &mut |rel| {
        for expr in crate::lower::exprs(rel) {
            constants &= constant_parts(expr);
        }
    });
    !computed_first && constants && read.iter().all(|name| name == table)
}

fn constant_parts(expr: &Expr) -> bool {
    let own = match &expr.kind {
        ExprKind::InRel { rel, .. } | ExprKind::ScalarQuery(rel) => {
            let mut tables = Vec::new();
            cache::stable(rel, &mut tables) && tables.is_empty()
        }
        _ => true,
    };
    own && expr.children().into_iter().all(constant_parts)
}

fn walk(rel: &Rel, see: &mut dyn FnMut(&Rel)) {
    see(rel);
    for input in crate::lower::inputs(rel) {
        walk(input, see);
    }
}
