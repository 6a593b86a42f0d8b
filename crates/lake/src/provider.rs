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
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, lit};
use datafusion::object_store::ObjectMeta;
use datafusion::object_store::path::Path as ObjectPath;
use datafusion::physical_expr::{PhysicalExpr, conjunction_opt};
use datafusion::physical_expr_adapter::{
    DefaultPhysicalExprAdapterFactory, PhysicalExprAdapter, PhysicalExprAdapterFactory, replace_columns_with_literals,
};
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::physical_plan::ExecutionPlan;
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::file::metadata::RowGroupMetaData;
use taffrail_kql::Type;
use taffrail_schema::TableDef;

use crate::delta::DataFile;
use crate::scan::{Asked, LakeScan, counted_schema};
use crate::shared::{Shared, Table};

/// A table of the lake.
pub(crate) struct LakeTable {
    shared: Arc<Shared>,
    table: Arc<Table>,
    /// The table's columns; behind them, in a counted one, how many rows each row stands for
    schema: SchemaRef,
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
        LakeTable {
            shared,
            schema: Arc::clone(&table.schema),
            table,
        }
    }

    /// The same with the column [`crate::ROWS`].
    pub(crate) fn counted(shared: Arc<Shared>, table: Arc<Table>) -> LakeTable {
        LakeTable {
            shared,
            schema: counted_schema(&table.schema),
            table,
        }
    }

    /// Which files may hold rows that pass the filter.
    fn prune(&self, files: &[Arc<DataFile>], filter: Option<&Arc<dyn PhysicalExpr>>) -> Result<Vec<Arc<DataFile>>> {
        let Some(filter) = filter.filter(|_| !files.is_empty()) else {
            return Ok(files.to_vec());
        };
        // A filter that statistics cannot answer prunes nothing; that is no error.
        let built = PruningPredicateBuilder::new().with_file_schema(Arc::clone(&self.table.schema));
        let Ok(predicate) = built.try_build(Arc::clone(filter)) else {
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
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Exact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (files, hot) = self
            .shared
            .snapshot_as(&self.table)
            .map_err(|error| DataFusionError::External(Box::new(error)))?;
        let schema = Arc::clone(&self.table.schema).to_dfschema()?;
        let predicates = split_conjunction_owned(conjunction(filters.iter().cloned()).unwrap_or_else(|| lit(true)))
            .into_iter()
            .filter(|filter| *filter != lit(true))
            .map(|filter| state.create_physical_expr(filter, &schema))
            .collect::<Result<Vec<_>>>()?;
        let filter = conjunction_opt(predicates.iter().cloned());
        let mut kept = self.prune(&files, filter.as_ref())?;
        // Newest first: a query for the newest rows is then done after the first files.
        kept.sort_by_key(|file| std::cmp::Reverse((file.date.clone(), file.modified)));
        let asked = Asked {
            files_pruned: files.len() - kept.len(),
            files: kept,
            hot,
            predicates,
            projection: projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect()),
            limit,
            partitions: state.config().target_partitions(),
        };
        let scan = LakeScan::try_new(Arc::clone(&self.shared), Arc::clone(&self.table), asked)?;
        Ok(Arc::new(scan))
    }
}

/// Whether a column is kept in another form than it is asked for, so that its statistics say nothing.
fn is_event(table: &TableDef, column: &Column) -> bool {
    table.event.as_deref() == Some(column.name.as_str())
}

/// Statistics of many files, as pruning asks for them.
struct FileBounds<'a> {
    table: &'a TableDef,
    files: &'a [Arc<DataFile>],
}

impl FileBounds<'_> {
    fn values(&self, column: &Column, of: impl Fn(&crate::delta::ColumnStatistics) -> Option<ScalarValue>) -> Option<ArrayRef> {
        let definition = self.table.column(&column.name).filter(|_| !is_event(self.table, column))?;
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
        if is_event(self.table, column) {
            return None;
        }
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

/// Statistics of the row groups of one file.
pub(crate) struct GroupBounds<'a> {
    table: &'a Table,
    file: &'a ArrowReaderMetadata,
}

impl<'a> GroupBounds<'a> {
    pub(crate) fn new(table: &'a Table, file: &'a ArrowReaderMetadata) -> GroupBounds<'a> {
        GroupBounds { table, file }
    }

    fn of(&self, column: &Column, of: impl Fn(&StatisticsConverter<'_>, &[RowGroupMetaData]) -> Option<ArrayRef>) -> Option<ArrayRef> {
        let field = self.table.schema.field_with_name(&column.name).ok()?;
        if is_event(&self.table.definition, column) {
            return None;
        }
        let schema = self.file.parquet_schema();
        // By name: a file written under an earlier definition of the table has its columns at other places.
        let place = (0..schema.num_columns()).find(|place| schema.column(*place).path().parts() == [column.name.as_str()])?;
        let converter = StatisticsConverter::from_column_index(place, field, schema).ok()?;
        of(&converter, self.file.metadata().row_groups())
    }
}

impl PruningStatistics for GroupBounds<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.of(column, |converter, groups| converter.row_group_mins(groups).ok())
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.of(column, |converter, groups| converter.row_group_maxes(groups).ok())
    }

    fn num_containers(&self) -> usize {
        self.file.metadata().num_row_groups()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        self.of(column, |converter, groups| {
            let counts = converter.row_group_null_counts(groups).ok()?;
            Some(Arc::new(counts) as ArrayRef)
        })
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        let rows = self
            .file
            .metadata()
            .row_groups()
            .iter()
            .map(|group| u64::try_from(group.num_rows()).ok());
        Some(Arc::new(rows.collect::<UInt64Array>()))
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
