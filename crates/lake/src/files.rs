//! Rows to Parquet files: one file a day, sorted, with the indexes the table declares (`sort`, `bloom`, `plain`).

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, RecordBatch};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use chrono::{Datelike, NaiveDate, Utc};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{BloomFilterPosition, EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use taffrail_kql::Type;
use taffrail_schema::{TIME, TableDef};
use uuid::Uuid;

use crate::chain::Digest;
use crate::delta::{DataFile, FileStatistics, partition_folder};
use crate::durable::{create_directory, sync_directory};
use crate::error::LakeError;
use crate::event::{EventForm, Unfold};
use crate::order::order;
use crate::terms::{Collector, KEY, KEYS, key_hash, write_places};

/// What zstd's first level looks back over: longer pages are not smaller, cost memory in every reader, and time where one row is read.
const PAGE_BYTES: usize = 512 << 10;
const DAY: i64 = 86_400_000_000;
/// Days since 1970 of the epoch chrono counts from.
const EPOCH_FROM_CE: i32 = 719_163;

/// Columns a table's files are sorted by.
pub(crate) fn sort_columns(table: &TableDef) -> Vec<String> {
    if table.sort.is_empty() {
        vec![TIME.to_owned()]
    } else {
        table.sort.clone()
    }
}

/// How files of a table are written.
///
/// A file that stays is small and answers by itself what is not in it. One that is soon merged with others is written, and read
/// for that, as cheaply as can be.
pub(crate) fn writer_options(table: &TableDef, row_group_rows: usize, stays: bool) -> ArrowWriterOptions {
    let sorting = sort_columns(table)
        .iter()
        .filter_map(|name| table.columns.iter().position(|column| column.name == *name))
        .map(|index| SortingColumn {
            column_idx: index as i32,
            descending: false,
            nulls_first: true,
        })
        .collect();
    let (compression, statistics) = if stays {
        (
            Compression::ZSTD(ZstdLevel::try_new(1).unwrap_or_default()),
            EnabledStatistics::Page,
        )
    } else {
        (Compression::LZ4_RAW, EnabledStatistics::Chunk)
    };
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("taffrail ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(compression)
        .set_max_row_group_row_count(Some(row_group_rows))
        .set_data_page_size_limit(PAGE_BYTES)
        .set_statistics_enabled(statistics)
        .set_bloom_filter_position(BloomFilterPosition::AfterRowGroup)
        .set_sorting_columns(Some(sorting));
    let is_event = |name: &String| table.event.as_ref() == Some(name);
    for name in table.plain.iter().filter(|name| !is_event(name)) {
        properties = properties.set_column_dictionary_enabled(ColumnPath::from(name.as_str()), false);
    }
    for column in &table.columns {
        let path = ColumnPath::from(column.name.as_str());
        match column.ty {
            // Hardly two are equal, and neighbours are near each other.
            Type::DateTime => {
                properties = properties
                    .set_column_dictionary_enabled(path.clone(), false)
                    .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
            }
            // Bounds of such texts prune nothing.
            Type::Dynamic => properties = properties.set_column_statistics_enabled(path, EnabledStatistics::None),
            Type::String if is_event(&column.name) || table.plain.contains(&column.name) => {
                properties = properties.set_column_statistics_enabled(path, EnabledStatistics::None);
            }
            _ => {}
        }
    }
    for name in table.bloom.iter().filter(|_| stays) {
        let path = ColumnPath::from(name.as_str());
        properties = properties
            .set_column_bloom_filter_enabled(path.clone(), true)
            .set_column_bloom_filter_max_ndv(path, row_group_rows as u64);
    }
    // Without Arrow's own schema in the file: readers of other make take the Parquet types (plain UTF-8, timestamps in UTC).
    ArrowWriterOptions::new()
        .with_properties(properties.build())
        .with_skip_arrow_metadata(true)
}

/// A Parquet file being written.
pub(crate) struct FileWriter<'a> {
    table: &'a TableDef,
    path: PathBuf,
    relative: String,
    date: Option<String>,
    writer: ArrowWriter<BufWriter<Hashed>>,
    statistics: FileStatistics,
    index: Option<Index>,
}

/// What a file keeps besides its rows, see [`crate::terms`].
struct Index {
    row_group_rows: usize,
    /// Rows of the current row group so far
    rows: usize,
    /// The event column and its words
    words: Option<(EventForm, Collector)>,
    /// The identifier and its hashes
    keys: Option<(usize, Vec<u8>)>,
    word_parts: Vec<Vec<u8>>,
    key_parts: Vec<Vec<u8>>,
}

impl Index {
    fn new(table: &TableDef, row_group_rows: usize) -> Option<Index> {
        // Postings are two bytes.
        if row_group_rows > 1 << 16 {
            return None;
        }
        let place = |name: &str| {
            table
                .columns
                .iter()
                .position(|column| column.name == name && column.ty == Type::String)
        };
        let event = EventForm::of(table);
        // An identifier: what is asked for by itself and has no dictionary.
        let key = table
            .bloom
            .iter()
            .find(|name| table.plain.contains(name))
            .and_then(|name| place(name));
        (event.is_some() || key.is_some()).then(|| Index {
            row_group_rows,
            rows: 0,
            words: event.map(|form| (form, Collector::new())),
            keys: key.map(|column| (column, Vec::new())),
            word_parts: Vec::new(),
            key_parts: Vec::new(),
        })
    }

    fn see(&mut self, table: &TableDef, batch: &RecordBatch) -> Result<(), LakeError> {
        let form = self.words.as_ref().map(|(form, _)| form.clone());
        let columns = form.as_ref().map(|form| form.columns(batch)).unwrap_or_default();
        let mut unfold = form.as_ref().map(|form| Unfold::new(form, &columns));
        let mut from = 0;
        while from < batch.num_rows() {
            let count = (batch.num_rows() - from).min(self.row_group_rows - self.rows);
            if let (Some((form, collector)), Some(unfold)) = (&mut self.words, &mut unfold)
                && let Some(texts) = batch.columns().get(form.column).and_then(|column| column.as_string_view_opt())
            {
                for row in from..from + count {
                    let stored: &[u8] = if texts.is_valid(row) { texts.value(row).as_ref() } else { b"" };
                    // Between parts there is always a mark of JSON: no word goes over from one to the next.
                    unfold
                        .event(stored, row, &mut |part| collector.part(part))
                        .map_err(LakeError::arrow(&table.name))?;
                    collector.end_row();
                }
            }
            if let Some((column, hashes)) = &mut self.keys
                && let Some(texts) = batch.column(*column).as_string_view_opt()
            {
                for row in from..from + count {
                    hashes.extend(key_hash(AsRef::<[u8]>::as_ref(texts.value(row))).to_le_bytes());
                }
            }
            self.rows += count;
            from += count;
            if self.rows == self.row_group_rows {
                self.end()?;
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), LakeError> {
        if self.rows == 0 {
            return Ok(());
        }
        if let Some((_, collector)) = &mut self.words {
            self.word_parts.push(collector.finish()?);
        }
        if let Some((_, hashes)) = &mut self.keys {
            self.key_parts.push(std::mem::take(hashes));
        }
        self.rows = 0;
        Ok(())
    }
}

impl<'a> FileWriter<'a> {
    /// Begins a file of a partition, which stays, with an index of words and identifiers, or is soon merged. The name starts with the log position, so that names sort by age.
    pub(crate) fn create(
        table: &'a TableDef,
        schema: &SchemaRef,
        directory: &Path,
        date: Option<&str>,
        position: u64,
        row_group_rows: usize,
        stays: bool,
    ) -> Result<FileWriter<'a>, LakeError> {
        let folder = partition_folder(date);
        create_directory(&directory.join(&folder))?;
        let relative = format!("{folder}/part-{position:020}-{}.parquet", Uuid::new_v4());
        let path = directory.join(&relative);
        let file = File::create_new(&path).map_err(LakeError::io("create", &path))?;
        let writer = ArrowWriter::try_new_with_options(
            BufWriter::with_capacity(
                1 << 20,
                Hashed {
                    file,
                    digest: Digest::new(),
                },
            ),
            Arc::clone(schema),
            writer_options(table, row_group_rows, stays),
        )
        .map_err(LakeError::parquet(&path))?;
        Ok(FileWriter {
            table,
            path,
            relative,
            date: date.map(str::to_owned),
            writer,
            statistics: FileStatistics {
                rows: Some(0),
                ..FileStatistics::default()
            },
            // Small files are read in no time.
            index: if stays { Index::new(table, row_group_rows) } else { None },
        })
    }

    /// Adds rows, which must follow those before in sort order.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), LakeError> {
        self.statistics.include(self.table, batch);
        if let Some(index) = &mut self.index {
            index.see(self.table, batch)?;
        }
        self.writer.write(batch).map_err(LakeError::parquet(&self.path))
    }

    /// Bytes so far, about.
    pub(crate) fn size(&self) -> u64 {
        (self.writer.bytes_written() + self.writer.in_progress_size()) as u64
    }

    /// Ends the file: on disk, and its name too.
    pub(crate) fn finish(self) -> Result<DataFile, LakeError> {
        let path = self.path;
        let mut writer = self.writer;
        writer.flush().map_err(LakeError::parquet(&path))?;
        let (mut writer, _) = writer.into_serialized_writer().map_err(LakeError::parquet(&path))?;
        if let Some(mut index) = self.index {
            index.end()?;
            let name = |column: usize| self.table.columns.get(column).map_or("", |column| column.name.as_str());
            let parts = [
                (KEY, index.words.as_ref().map(|(form, _)| form.column), &index.word_parts),
                (KEYS, index.keys.as_ref().map(|(column, _)| *column), &index.key_parts),
            ];
            for (entry, column, parts) in parts {
                let Some(column) = column else {
                    continue;
                };
                let mut places = Vec::with_capacity(parts.len());
                for part in parts {
                    places.push((writer.bytes_written() as u64, part.len() as u64));
                    writer.write_all(part).map_err(LakeError::io("write", &path))?;
                }
                writer.append_key_value_metadata(KeyValue::new(entry.to_owned(), write_places(name(column), &places)));
            }
        }
        let Hashed { file, digest } = writer
            .into_inner()
            .map_err(LakeError::parquet(&path))?
            .into_inner()
            .map_err(|error| LakeError::io("write", &path)(error.into_error()))?;
        file.sync_all().map_err(LakeError::io("fsync", &path))?;
        let size = file.metadata().map_err(LakeError::io("read", &path))?.len();
        if let Some(folder) = path.parent() {
            sync_directory(folder)?;
        }
        Ok(DataFile {
            path: self.relative,
            size,
            modified: Utc::now().timestamp_millis(),
            date: self.date,
            statistics: self.statistics,
            sha256: Some(digest.finish()),
        })
    }
}

/// A file and the hash of what was written to it.
struct Hashed {
    file: File,
    digest: Digest,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.digest.update(bytes.get(..count).unwrap_or_default());
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// Day of each `TimeGenerated`; null where there is none, or none between the years 1 and 9999.
fn days(table: &TableDef, batch: &RecordBatch) -> Result<Int32Array, LakeError> {
    let times = batch
        .column_by_name(TIME)
        .and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>())
        .ok_or_else(|| LakeError::Table {
            table: table.name.clone(),
            message: format!("it has no column {TIME} of type datetime"),
        })?;
    Ok(times
        .iter()
        .map(|time| i32::try_from(time?.div_euclid(DAY)).ok().filter(|day| day_name(*day).is_some()))
        .collect())
}

fn day_name(day: i32) -> Option<String> {
    let date = NaiveDate::from_num_days_from_ce_opt(day.checked_add(EPOCH_FROM_CE)?)?;
    (1..=9999).contains(&date.year()).then(|| date.format("%Y-%m-%d").to_string())
}

/// Writes rows to one sorted file a day.
pub(crate) fn write_days(
    table: &TableDef,
    schema: &SchemaRef,
    directory: &Path,
    batches: &[RecordBatch],
    position: u64,
    row_group_rows: usize,
) -> Result<Vec<DataFile>, LakeError> {
    let all = concat_batches(schema, batches).map_err(LakeError::arrow(&table.name))?;
    let days = days(table, &all)?;
    let mut keys: Vec<ArrayRef> = vec![Arc::new(days.clone())];
    keys.extend(sort_columns(table).iter().filter_map(|name| all.column_by_name(name)).cloned());
    let order = order(&keys).map_err(LakeError::arrow(&table.name))?;
    let mut files = Vec::new();
    let mut from = 0;
    let day_of = |place: usize| {
        let row = order.value(place) as usize;
        days.is_valid(row).then(|| days.value(row))
    };
    while from < order.len() {
        let day = day_of(from);
        let mut to = from + 1;
        while to < order.len() && day_of(to) == day {
            to += 1;
        }
        let date = day.and_then(day_name);
        let mut writer = FileWriter::create(table, schema, directory, date.as_deref(), position, row_group_rows, false)?;
        // A slice at a time bounds the memory of the sorted copy.
        while from < to {
            let count = (to - from).min(row_group_rows.max(1));
            let rows = take_record_batch(&all, &order.slice(from, count)).map_err(LakeError::arrow(&table.name))?;
            writer.write(&rows)?;
            from += count;
        }
        files.push(writer.finish()?);
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_their_names() {
        assert_eq!(day_name(0).as_deref(), Some("1970-01-01"));
        assert_eq!(day_name(20_777).as_deref(), Some("2026-11-20"));
        assert_eq!(day_name(-719_162).as_deref(), Some("0001-01-01"));
        assert_eq!(day_name(-719_163), None);
        assert_eq!(day_name(i32::MAX), None);
    }
}
