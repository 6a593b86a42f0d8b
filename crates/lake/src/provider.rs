//! A table for DataFusion: the Parquet files that may hold wanted rows, and the rows that are still in memory, as one snapshot.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, UInt64Array};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::stats::Precision;
use datafusion::common::{Column, ColumnStatistics, DataFusionError, Result, ScalarValue, Statistics, ToDFSchema};
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::object_store::ObjectMeta;
use datafusion::object_store::path::Path as ObjectPath;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr_adapter::{
    DefaultPhysicalExprAdapterFactory, PhysicalExprAdapter, PhysicalExprAdapterFactory, replace_columns_with_literals,
};
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::union::UnionExec;
use taffrail_kql::Type;
use taffrail_schema::TableDef;

use crate::delta::DataFile;
use crate::shared::{Hot, Shared, Table};

/// A table of the lake.
pub(crate) struct LakeTable {
    shared: Arc<Shared>,
    table: Arc<Table>,
}

impl fmt::Debug for LakeTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LakeTable")
            .field("name", &self.table.name())
            .finish_non_exhaustive()
    }
}

impl LakeTable {
    pub(crate) fn new(shared: Arc<Shared>, table: Arc<Table>) -> LakeTable {
        LakeTable { shared, table }
    }

    /// Which files may hold rows that pass the filters.
    fn prune(&self, state: &dyn Session, files: &[Arc<DataFile>], filters: &[Expr]) -> Result<Vec<Arc<DataFile>>> {
        let schema = Arc::clone(&self.table.schema);
        let Some(filter) = conjunction(filters.iter().cloned()) else {
            return Ok(files.to_vec());
        };
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let filter = state.create_physical_expr(filter, &Arc::clone(&schema).to_dfschema()?)?;
        // A filter that statistics cannot answer prunes nothing; that is no error.
        let Ok(predicate) = PruningPredicateBuilder::new().with_file_schema(schema).try_build(filter) else {
            return Ok(files.to_vec());
        };
        let keep = predicate.prune(&FileBounds {
            table: &self.table.definition,
            files,
        })?;
        Ok(files
            .iter()
            .zip(keep)
            .filter(|(_, keep)| *keep)
            .map(|(file, _)| Arc::clone(file))
            .collect())
    }

    fn scan_files(
        &self,
        state: &dyn Session,
        mut files: Vec<Arc<DataFile>>,
        projection: Option<&Vec<usize>>,
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        // Newest first: a query for the newest rows is then done after the first files.
        files.sort_by_key(|file| std::cmp::Reverse((file.date.clone(), file.modified)));
        let mut total = Some(0);
        let mut partitioned = Vec::with_capacity(files.len());
        for file in &files {
            total = total.zip(file.statistics.rows).map(|(total, rows)| total + rows as usize);
            partitioned.push(self.partitioned(file)?);
        }
        let mut statistics = Statistics::new_unknown(&self.table.schema);
        if let Some(total) = total {
            statistics.num_rows = Precision::Exact(total);
        }
        let store = ObjectStoreUrl::local_filesystem();
        let runtime = state.runtime_env();
        // Footers are read once, not once a query.
        let footers = CachedParquetFileReaderFactory::new(runtime.object_store(&store)?, runtime.cache_manager.get_file_metadata_cache());
        let source = ParquetSource::new(Arc::clone(&self.table.schema))
            .with_parquet_file_reader_factory(Arc::new(footers))
            .with_table_parquet_options(state.table_options().parquet.clone())
            .with_pushdown_filters(true)
            .with_reorder_filters(true)
            .with_enable_page_index(true)
            .with_bloom_filter_on_read(true);
        let groups = FileGroup::new(partitioned).split_files(state.config().target_partitions().max(1));
        let config = FileScanConfigBuilder::new(store, Arc::new(source))
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .with_expr_adapter(Some(Arc::new(MissingColumns {
                text: text_columns(&self.table.definition),
            })))
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }

    fn partitioned(&self, file: &DataFile) -> Result<PartitionedFile> {
        partitioned_file(&self.table, file)
    }

    fn scan_memory(
        &self,
        state: &dyn Session,
        hot: &[Arc<Hot>],
        projection: Option<&Vec<usize>>,
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let partitions = state.config().target_partitions().clamp(1, hot.len().max(1));
        let chunk = hot.len().div_ceil(partitions).max(1);
        let batches: Vec<Vec<_>> = hot
            .chunks(chunk)
            .map(|hot| hot.iter().map(|hot| hot.batch.clone()).collect())
            .collect();
        let source = MemorySourceConfig::try_new(&batches, Arc::clone(&self.table.schema), projection.cloned())?.with_limit(limit);
        Ok(DataSourceExec::from_data_source(source))
    }
}

/// A file as DataFusion wants it, with the statistics that let it skip the file while it reads (top N by time).
pub(crate) fn partitioned_file(table: &Table, file: &DataFile) -> Result<PartitionedFile> {
    let location = ObjectPath::from_absolute_path(table.directory.join(&file.path))?;
    let columns = table
        .schema
        .fields()
        .iter()
        .map(|field| {
            let mut known = ColumnStatistics::new_unknown();
            if let Some(statistics) = file.statistics.columns.get(field.name()) {
                let inexact = |value: &Option<ScalarValue>| value.clone().map_or(Precision::Absent, Precision::Inexact);
                known.min_value = inexact(&statistics.min);
                known.max_value = inexact(&statistics.max);
                known.null_count = statistics
                    .nulls
                    .map_or(Precision::Absent, |nulls| Precision::Inexact(nulls as usize));
            }
            known
        })
        .collect();
    let statistics = Statistics {
        num_rows: file
            .statistics
            .rows
            .map_or(Precision::Absent, |rows| Precision::Exact(rows as usize)),
        total_byte_size: Precision::Absent,
        column_statistics: columns,
    };
    Ok(PartitionedFile::new_from_meta(ObjectMeta {
        location,
        last_modified: chrono::DateTime::from_timestamp_millis(file.modified).unwrap_or_default(),
        size: file.size,
        e_tag: None,
        version: None,
    })
    .with_statistics(Arc::new(statistics)))
}

#[async_trait]
impl TableProvider for LakeTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.table.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        // The scan skips what cannot match; rows are judged by the filter that DataFusion keeps and itself pushes into Parquet.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (files, hot) = self.shared.snapshot(self.table.id);
        let files = self.prune(state, &files, filters)?;
        let mut inputs = Vec::with_capacity(2);
        if !files.is_empty() {
            inputs.push(self.scan_files(state, files, projection, limit)?);
        }
        if !hot.is_empty() {
            inputs.push(self.scan_memory(state, &hot, projection, limit)?);
        }
        match inputs.len() {
            0 => {
                let schema = datafusion::common::project_schema(&self.table.schema, projection)?;
                Ok(Arc::new(EmptyExec::new(schema)))
            }
            1 => inputs.pop().ok_or_else(|| DataFusionError::Internal("no input to scan".to_owned())),
            _ => UnionExec::try_new(inputs),
        }
    }
}

/// Statistics of many files, as pruning asks for them.
struct FileBounds<'a> {
    table: &'a TableDef,
    files: &'a [Arc<DataFile>],
}

impl FileBounds<'_> {
    fn values(&self, column: &Column, of: impl Fn(&crate::delta::ColumnStatistics) -> Option<ScalarValue>) -> Option<ArrayRef> {
        let definition = self.table.column(&column.name)?;
        let null = ScalarValue::try_from(&taffrail_schema::stored_type(definition.ty)).ok()?;
        let values = self.files.iter().map(|file| {
            file.statistics
                .columns
                .get(&column.name)
                .and_then(&of)
                .unwrap_or_else(|| null.clone())
        });
        ScalarValue::iter_to_array(values).ok()
    }
}

impl PruningStatistics for FileBounds<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.values(column, |statistics| statistics.min.clone())
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.values(column, |statistics| statistics.max.clone())
    }

    fn num_containers(&self) -> usize {
        self.files.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let counts: UInt64Array = self
            .files
            .iter()
            .map(|file| file.statistics.columns.get(&column.name).and_then(|statistics| statistics.nulls))
            .collect();
        Some(Arc::new(counts))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::new(
            self.files.iter().map(|file| file.statistics.rows).collect::<UInt64Array>(),
        ))
    }

    fn contained(&self, _column: &Column, _values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}

/// Columns that are `''` and never null where a file does not have them.
pub(crate) fn text_columns(table: &TableDef) -> Arc<HashSet<String>> {
    let text = table.columns.iter().filter(|column| column.ty == Type::String);
    Arc::new(text.map(|column| column.name.clone()).collect())
}

/// Files written before a column existed: `''` for strings, null for all else.
#[derive(Debug)]
pub(crate) struct MissingColumns {
    pub(crate) text: Arc<HashSet<String>>,
}

impl PhysicalExprAdapterFactory for MissingColumns {
    fn create(&self, logical: SchemaRef, physical: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let empty = ScalarValue::Utf8View(Some(String::new()));
        let missing = self
            .text
            .iter()
            .filter(|name| physical.index_of(name).is_err())
            .map(|name| (name.clone(), empty.clone()))
            .collect();
        Ok(Arc::new(MissingColumnsAdapter {
            missing,
            rest: DefaultPhysicalExprAdapterFactory.create(logical, physical)?,
        }))
    }
}

#[derive(Debug)]
struct MissingColumnsAdapter {
    missing: HashMap<String, ScalarValue>,
    rest: Arc<dyn PhysicalExprAdapter>,
}

impl PhysicalExprAdapter for MissingColumnsAdapter {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        let expr = replace_columns_with_literals(expr, &self.missing)?;
        self.rest.rewrite(expr)
    }
}
