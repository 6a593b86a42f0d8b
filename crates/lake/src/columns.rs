//! Columns of files as queries use them again and again: read once, kept in memory within a budget.
//!
//! A column of few distinct values (verb, resource, user) is kept as codes and a dictionary, which is a byte or two a row; times
//! and numbers as they are. Predicates and expressions over a coded column are evaluated once for each distinct value, not once a
//! row. A column that turns out to have too many values is left in its file, and that too is remembered.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, UInt8Array, UInt16Array, new_null_array};
use arrow::compute::{cast, concat, filter, take};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use datafusion::common::{DataFusionError, Result};
use datafusion::physical_expr::PhysicalExpr;
use parking_lot::Mutex;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection,
};
use parquet::file::metadata::PageIndexPolicy;

use crate::scan::Derived;
use crate::terms::{KEY, KEYS, Places, Words, read_places};

/// More distinct values than this in a row group are no dictionary.
const MOST_VALUES: usize = 16_384;
/// Footers that are kept.
const MOST_FOOTERS: usize = 1_024;

/// A column of a row group.
#[derive(Debug)]
pub(crate) enum Column {
    /// Few distinct values
    Coded(Coded),
    /// As it is: numbers, times
    Plain(ArrayRef),
    /// Too many values: to be read from the file
    Wide,
    /// Words of the event column
    Words(Words),
    /// Hashes of the identifier, a row each
    Keys(Vec<u32>),
    /// What an expression gives
    Derived(Arc<Derived>),
}

/// Codes into a dictionary; every row has one, null is a value.
#[derive(Debug)]
pub(crate) struct Coded {
    pub(crate) codes: Codes,
    pub(crate) values: ArrayRef,
}

/// A code a row.
#[derive(Debug, Clone)]
pub(crate) enum Codes {
    /// Up to 256 values
    Narrow(UInt8Array),
    /// More
    Broad(UInt16Array),
}

impl Codes {
    pub(crate) fn new(codes: impl ExactSizeIterator<Item = usize>, values: usize) -> Codes {
        if values <= 256 {
            Codes::Narrow(codes.map(|code| code as u8).collect::<Vec<_>>().into())
        } else {
            Codes::Broad(codes.map(|code| code as u16).collect::<Vec<_>>().into())
        }
    }

    /// The code of a row; of rows that there are not, the last possible.
    pub(crate) fn at(&self, row: usize) -> usize {
        match self {
            Codes::Narrow(codes) => codes.values().get(row).map_or(usize::MAX, |code| usize::from(*code)),
            Codes::Broad(codes) => codes.values().get(row).map_or(usize::MAX, |code| usize::from(*code)),
        }
    }

    /// The codes as an index for [`take`].
    pub(crate) fn as_array(&self) -> &dyn Array {
        match self {
            Codes::Narrow(codes) => codes,
            Codes::Broad(codes) => codes,
        }
    }

    fn bytes(&self) -> usize {
        self.as_array().get_array_memory_size()
    }
}

impl Coded {
    /// One value in every row.
    fn constant(value: ArrayRef, rows: usize) -> Coded {
        Coded {
            codes: Codes::new(std::iter::repeat_n(0, rows), 1),
            values: value,
        }
    }
}

impl Column {
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Column::Coded(coded) => coded.codes.bytes() + coded.values.get_array_memory_size(),
            Column::Plain(array) => array.get_array_memory_size(),
            Column::Wide => 64,
            Column::Words(words) => words.bytes(),
            Column::Keys(hashes) => hashes.len() * 4,
            Column::Derived(derived) => derived.bytes(),
        }
    }

    /// The rows themselves; `None` of a wide column.
    pub(crate) fn rows(&self) -> Result<Option<ArrayRef>, ArrowError> {
        match self {
            Column::Coded(coded) => take(coded.values.as_ref(), coded.codes.as_array(), None).map(Some),
            Column::Plain(array) => Ok(Some(Arc::clone(array))),
            Column::Wide | Column::Words(_) | Column::Keys(_) | Column::Derived(_) => Ok(None),
        }
    }

    /// Those of the rows for which the mask is true; `None` of a wide column.
    pub(crate) fn chosen(&self, mask: &BooleanArray) -> Result<Option<ArrayRef>> {
        Ok(match self {
            Column::Coded(coded) => {
                let codes = filter(coded.codes.as_array(), mask)?;
                Some(take(coded.values.as_ref(), codes.as_ref(), None)?)
            }
            Column::Plain(array) => Some(filter(array, mask)?),
            Column::Wide | Column::Words(_) | Column::Keys(_) | Column::Derived(_) => None,
        })
    }
}

/// A file whose footer was read.
#[derive(Debug)]
pub(crate) struct OpenFile {
    path: Arc<Path>,
    /// With text as codes
    metadata: ArrowReaderMetadata,
    /// With text as text
    texts: ArrowReaderMetadata,
    words: Option<Places>,
    keys: Option<Places>,
}

impl OpenFile {
    /// Whether the file has a column of this name.
    pub(crate) fn has(&self, column: &str) -> bool {
        self.texts.schema().column_with_name(column).is_some()
    }

    /// Whether there is an index of the words of this column.
    pub(crate) fn has_words(&self, column: &str) -> bool {
        self.words.as_ref().is_some_and(|(name, _)| name == column)
    }

    /// Whether there is an index of the identifiers in this column.
    pub(crate) fn has_keys(&self, column: &str) -> bool {
        self.keys.as_ref().is_some_and(|(name, _)| name == column)
    }

    /// Number of row groups.
    pub(crate) fn row_groups(&self) -> usize {
        self.metadata.metadata().num_row_groups()
    }

    /// Rows of a row group.
    pub(crate) fn rows(&self, row_group: usize) -> usize {
        let groups = self.metadata.metadata().row_groups();
        groups
            .get(row_group)
            .map_or(0, |group| usize::try_from(group.num_rows()).unwrap_or(0))
    }

    /// Bytes that columns of a row group take in the file.
    pub(crate) fn chunk_bytes(&self, row_group: usize, columns: &[&str]) -> usize {
        let places = columns.iter().filter_map(|name| self.texts.schema().column_with_name(name));
        let Some(group) = self.texts.metadata().row_groups().get(row_group) else {
            return 0;
        };
        places
            .filter_map(|(place, _)| group.columns().get(place))
            .map(|chunk| usize::try_from(chunk.compressed_size()).unwrap_or(0))
            .sum()
    }

    /// Rows of a row group: those columns of them that the file has, in its order.
    pub(crate) fn read(
        &self,
        row_group: usize,
        columns: &[&str],
        selection: Option<RowSelection>,
        batch_rows: usize,
    ) -> Result<ParquetRecordBatchReader> {
        let failed = |error: parquet::errors::ParquetError| DataFusionError::ParquetError(Box::new(error));
        let places = columns
            .iter()
            .filter_map(|name| self.texts.schema().column_with_name(name))
            .map(|(place, _)| place);
        let input = File::open(&self.path).map_err(DataFusionError::IoError)?;
        let mut reader = ParquetRecordBatchReaderBuilder::new_with_metadata(input, self.texts.clone())
            .with_row_groups(vec![row_group])
            .with_projection(ProjectionMask::roots(self.texts.parquet_schema(), places))
            .with_batch_size(batch_rows);
        if let Some(selection) = selection {
            reader = reader.with_row_selection(selection);
        }
        reader.build().map_err(failed)
    }

    /// The footer.
    pub(crate) fn metadata(&self) -> &ArrowReaderMetadata {
        &self.metadata
    }
}

/// What is kept of a row group.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Of {
    /// A column, by its place in the table
    Column(usize),
    Words,
    Keys,
    /// An expression over the table's columns
    Expr(Arc<dyn PhysicalExpr>),
}

type Key = (Arc<Path>, usize, Of);

#[derive(Debug, Default)]
struct Kept {
    footers: HashMap<Arc<Path>, (Arc<OpenFile>, u64)>,
    columns: HashMap<Key, (Arc<Column>, u64)>,
    bytes: usize,
    clock: u64,
}

/// What was read, as long as there is room.
#[derive(Debug)]
pub(crate) struct ColumnCache {
    kept: Mutex<Kept>,
    limit: usize,
}

impl ColumnCache {
    /// A cache of so many bytes.
    pub(crate) fn new(limit: usize) -> ColumnCache {
        ColumnCache {
            kept: Mutex::default(),
            limit,
        }
    }

    /// A file's footer.
    pub(crate) fn open(&self, path: &Arc<Path>) -> Result<Arc<OpenFile>> {
        {
            let mut kept = self.kept.lock();
            kept.clock += 1;
            let now = kept.clock;
            if let Some((file, used)) = kept.footers.get_mut(path) {
                *used = now;
                return Ok(Arc::clone(file));
            }
        }
        let file = Arc::new(open(path)?);
        let mut kept = self.kept.lock();
        if kept.footers.len() >= MOST_FOOTERS {
            let limit = median(kept.footers.values().map(|(_, used)| *used));
            kept.footers.retain(|_, (_, used)| *used > limit);
        }
        let now = kept.clock;
        kept.footers.insert(Arc::clone(path), (Arc::clone(&file), now));
        Ok(file)
    }

    /// A column of a row group: by its place in the table, its field there, and the value of rows that are older than it.
    /// The bytes read from the file are added to `read`.
    pub(crate) fn column(
        &self,
        file: &OpenFile,
        row_group: usize,
        index: usize,
        field: &Field,
        missing: &dyn Fn() -> ArrayRef,
        read: &mut usize,
    ) -> Result<Arc<Column>> {
        let key = (Arc::clone(&file.path), row_group, Of::Column(index));
        if let Some(column) = self.find(&key) {
            return Ok(column);
        }
        let column = Arc::new(match file.metadata.schema().column_with_name(field.name()) {
            Some((position, _)) => read_column(file, row_group, position, field, read)?,
            None => Column::Coded(Coded::constant(missing(), file.rows(row_group))),
        });
        self.keep(key, &column);
        Ok(column)
    }

    /// The index of words of a row group.
    pub(crate) fn words(&self, file: &OpenFile, row_group: usize, read: &mut usize) -> Result<Arc<Column>> {
        self.index(file, row_group, Of::Words, file.words.as_ref(), read, |bytes| {
            let damaged = || DataFusionError::Execution(format!("the index of words in {} is damaged", file.path.display()));
            Words::read(bytes).map(Column::Words).ok_or_else(damaged)
        })
    }

    /// The hashes of identifiers of a row group.
    pub(crate) fn keys(&self, file: &OpenFile, row_group: usize, read: &mut usize) -> Result<Arc<Column>> {
        self.index(file, row_group, Of::Keys, file.keys.as_ref(), read, |bytes| {
            let hashes = bytes
                .chunks_exact(4)
                .filter_map(|hash| hash.try_into().ok().map(u32::from_le_bytes));
            Ok(Column::Keys(hashes.collect()))
        })
    }

    fn index(
        &self,
        file: &OpenFile,
        row_group: usize,
        of: Of,
        places: Option<&Places>,
        read: &mut usize,
        parse: impl Fn(&[u8]) -> Result<Column>,
    ) -> Result<Arc<Column>> {
        let key = (Arc::clone(&file.path), row_group, of);
        if let Some(column) = self.find(&key) {
            return Ok(column);
        }
        let Some((offset, length)) = places.and_then(|(_, places)| places.get(row_group)).copied() else {
            return Ok(Arc::new(Column::Wide));
        };
        let input = File::open(&file.path).map_err(DataFusionError::IoError)?;
        let size = input.metadata().map_err(DataFusionError::IoError)?.len();
        if offset.saturating_add(length) > size {
            return Err(DataFusionError::Execution(format!(
                "the index in {} is damaged",
                file.path.display()
            )));
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        input.read_exact_at(&mut bytes, offset).map_err(DataFusionError::IoError)?;
        *read += bytes.len();
        let column = Arc::new(parse(&bytes)?);
        self.keep(key, &column);
        Ok(column)
    }

    /// What an expression gives for rows of a row group, as far as it is known.
    pub(crate) fn derived(&self, file: &OpenFile, row_group: usize, expr: &Arc<dyn PhysicalExpr>) -> Option<Arc<Derived>> {
        let key = (Arc::clone(&file.path), row_group, Of::Expr(Arc::clone(expr)));
        match self.find(&key)?.as_ref() {
            Column::Derived(derived) => Some(Arc::clone(derived)),
            _ => None,
        }
    }

    /// Keeps what an expression gives for rows of a row group.
    pub(crate) fn keep_derived(&self, file: &OpenFile, row_group: usize, expr: &Arc<dyn PhysicalExpr>, derived: &Arc<Derived>) {
        let key = (Arc::clone(&file.path), row_group, Of::Expr(Arc::clone(expr)));
        self.keep(key, &Arc::new(Column::Derived(Arc::clone(derived))));
    }

    fn find(&self, key: &Key) -> Option<Arc<Column>> {
        let mut kept = self.kept.lock();
        kept.clock += 1;
        let now = kept.clock;
        let (column, used) = kept.columns.get_mut(key)?;
        *used = now;
        Some(Arc::clone(column))
    }

    fn keep(&self, key: Key, column: &Arc<Column>) {
        let bytes = column.bytes();
        let mut kept = self.kept.lock();
        if bytes < self.limit / 4 {
            if kept.bytes + bytes > self.limit {
                let limit = median(kept.columns.values().map(|(_, used)| *used));
                kept.columns.retain(|_, (_, used)| *used > limit);
                kept.bytes = kept.columns.values().map(|(column, _)| column.bytes()).sum();
            }
            let now = kept.clock;
            if let Some((before, _)) = kept.columns.insert(key, (Arc::clone(column), now)) {
                kept.bytes -= before.bytes();
            }
            kept.bytes += bytes;
        }
    }

    /// Forgets files that are gone.
    pub(crate) fn forget(&self, gone: impl Fn(&Path) -> bool) {
        let mut kept = self.kept.lock();
        kept.footers.retain(|path, _| !gone(path));
        kept.columns.retain(|(path, _, _), _| !gone(path));
        kept.bytes = kept.columns.values().map(|(column, _)| column.bytes()).sum();
    }
}

fn median(times: impl Iterator<Item = u64>) -> u64 {
    let mut times: Vec<u64> = times.collect();
    let middle = times.len() / 2;
    if times.is_empty() {
        return 0;
    }
    *times.select_nth_unstable(middle).1
}

/// Text in files is read as codes; everything else as it is.
fn open(path: &Arc<Path>) -> Result<OpenFile> {
    let failed = |error: parquet::errors::ParquetError| DataFusionError::ParquetError(Box::new(error));
    let file = File::open(path).map_err(DataFusionError::IoError)?;
    let options = || {
        ArrowReaderOptions::new()
            .with_skip_arrow_metadata(true)
            .with_column_index_policy(PageIndexPolicy::Skip)
            .with_offset_index_policy(PageIndexPolicy::Optional)
    };
    let metadata = ArrowReaderMetadata::load(&file, options()).map_err(failed)?;
    let as_text = |to: DataType| -> Result<ArrowReaderMetadata> {
        let fields = metadata.schema().fields().iter().map(|field| match field.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => field.as_ref().clone().with_data_type(to.clone()),
            _ => field.as_ref().clone(),
        });
        let schema: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options().with_schema(schema)).map_err(failed)
    };
    let texts = as_text(DataType::Utf8View)?;
    let metadata = as_text(DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)))?;
    let places = |entry: &str| {
        let entries = metadata.metadata().file_metadata().key_value_metadata()?;
        read_places(entries.iter().find(|known| known.key == entry)?.value.as_deref()?)
    };
    Ok(OpenFile {
        path: Arc::clone(path),
        words: places(KEY),
        keys: places(KEYS),
        metadata,
        texts,
    })
}

fn read_column(file: &OpenFile, row_group: usize, position: usize, field: &Field, read: &mut usize) -> Result<Column> {
    let failed = |error: parquet::errors::ParquetError| DataFusionError::ParquetError(Box::new(error));
    let rows = file.rows(row_group);
    let group = file.metadata.metadata().row_groups().get(row_group);
    if let Some(chunk) = group.and_then(|group| group.columns().get(position)) {
        *read += usize::try_from(chunk.compressed_size()).unwrap_or(0);
        // Longer than any dictionary with that many values would be: not worth a look.
        if matches!(field.data_type(), DataType::Utf8View) && chunk.dictionary_page_offset().is_none() {
            return Ok(Column::Wide);
        }
    }
    let input = File::open(&file.path).map_err(DataFusionError::IoError)?;
    let mask = ProjectionMask::roots(file.metadata.parquet_schema(), [position]);
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(input, file.metadata.clone())
        .with_row_groups(vec![row_group])
        .with_projection(mask)
        .with_batch_size(rows.max(1))
        .build()
        .map_err(failed)?;
    let mut arrays = Vec::with_capacity(1);
    for batch in reader {
        arrays.push(Arc::clone(batch?.column(0)));
    }
    let array = match arrays.as_slice() {
        [one] => Arc::clone(one),
        [] => return Ok(Column::Plain(new_null_array(field.data_type(), 0))),
        many => concat(&many.iter().map(AsRef::as_ref).collect::<Vec<_>>())?,
    };
    match array.data_type() {
        DataType::Dictionary(_, _) => coded_text(&array, field.data_type()),
        DataType::Int32 if *field.data_type() == DataType::Int32 => Ok(coded_numbers(&array).unwrap_or(Column::Plain(array))),
        _ => Ok(Column::Plain(cast(&array, field.data_type())?)),
    }
}

fn coded_text(array: &ArrayRef, to: &DataType) -> Result<Column> {
    let dictionary = array.as_dictionary::<Int32Type>();
    let count = dictionary.values().len();
    if count >= MOST_VALUES {
        return Ok(Column::Wide);
    }
    let mut values = cast(dictionary.values(), to)?;
    let keys = dictionary.keys();
    let codes = if keys.null_count() == 0 && count > 0 {
        Codes::new(keys.values().iter().map(|key| *key as usize), count)
    } else {
        values = concat(&[values.as_ref(), new_null_array(to, 1).as_ref()])?;
        let codes: Vec<usize> = keys.iter().map(|key| key.map_or(count, |key| key as usize)).collect();
        Codes::new(codes.into_iter(), count + 1)
    };
    Ok(Column::Coded(Coded { codes, values }))
}

/// Whole numbers of few values, such as status codes.
fn coded_numbers(array: &ArrayRef) -> Option<Column> {
    let numbers = array.as_primitive::<Int32Type>();
    let mut seen: HashMap<Option<i32>, usize, ahash::RandomState> = HashMap::default();
    let mut distinct: Vec<Option<i32>> = Vec::new();
    let mut codes = Vec::with_capacity(numbers.len());
    for number in numbers {
        let code = *seen.entry(number).or_insert_with(|| {
            distinct.push(number);
            distinct.len() - 1
        });
        if code >= MOST_VALUES {
            return None;
        }
        codes.push(code);
    }
    let count = distinct.len();
    let values: ArrayRef = Arc::new(arrow::array::Int32Array::from(distinct));
    Some(Column::Coded(Coded {
        codes: Codes::new(codes.into_iter(), count),
        values,
    }))
}
