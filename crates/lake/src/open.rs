//! Opening: what the Delta logs say, then what the write-ahead log has beyond it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use taffrail_schema::{Schema, TableDef, stored_schema};

use crate::catalog::Catalog;
use crate::chain::Chain;
use crate::consumers::Consumers;
use crate::delta::{DataFile, DeltaTable, Loaded};
use crate::disk::Disk;
use crate::error::{LakeError, blocking};
use crate::event::EventForm;
use crate::log::{Recovered, Segments, Tail, decode_payload, recover};
use crate::options::LakeOptions;
use crate::rows::{adapt, missing, stored};
use crate::seen::{KeyHasher, Seen};
use crate::shared::{Hot, Shared, State, Table, TableState};

/// What was found in a data directory.
pub(crate) struct Opened {
    pub(crate) shared: Shared,
    /// Where to write on; `None` when a new segment is to begin
    pub(crate) tail: Option<Tail>,
    /// Last position in the log
    pub(crate) log_end: u64,
}

/// Tables of the schema with their Delta logs.
pub(crate) async fn load_tables(
    directory: &Path,
    schema: &Schema,
    chain: Option<&Arc<Chain>>,
    mend: bool,
) -> Result<(Vec<Arc<Table>>, Vec<Loaded>), LakeError> {
    let mut tables = Vec::new();
    let mut loaded = Vec::new();
    for (id, definition) in schema.tables().enumerate() {
        let (table, files) = load_table(directory, definition, chain, mend).await?;
        let made = schema.is_made(&definition.name);
        tables.push(Arc::new(Table { id, made, ..table }));
        loaded.push(files);
    }
    Ok((tables, loaded))
}

/// One table with its Delta log.
pub(crate) async fn load_table(
    directory: &Path,
    definition: &TableDef,
    chain: Option<&Arc<Chain>>,
    mend: bool,
) -> Result<(Table, Loaded), LakeError> {
    let folder = directory.join("tables").join(&definition.name);
    let mut delta = DeltaTable::new(&definition.name, &folder);
    delta.chain = chain.cloned();
    if mend {
        delta.mend()?;
    }
    let loaded = delta.load(definition).await?;
    delta.check(definition)?;
    let table = Table {
        id: 0,
        made: true,
        definition: definition.clone(),
        schema: stored_schema(definition),
        event: EventForm::of(definition),
        directory: std::path::absolute(&folder).map_err(LakeError::io("resolve", &folder))?,
        delta: Arc::new(tokio::sync::Mutex::new(delta)),
    };
    Ok((table, loaded))
}

/// Reads everything. With `repair` (the one writer) a torn tail is cut; without, it is left out.
pub(crate) async fn open(
    disk: &Arc<dyn Disk>,
    directory: &Path,
    schema: &Schema,
    options: LakeOptions,
    consumers: &Consumers,
    catalog: &Catalog,
    chain: Option<Arc<Chain>>,
    repair: bool,
) -> Result<Opened, LakeError> {
    let (tables, loaded) = load_tables(directory, schema, chain.as_ref(), repair).await?;
    let log = directory.join("log");
    let disk = Arc::clone(disk);
    let known = tables.clone();
    let dropped = catalog.get().dropped;
    let flushed: Vec<u64> = loaded.iter().map(|loaded| loaded.position).collect();
    let files: Vec<_> = loaded.into_iter().map(|loaded| Arc::new(loaded.files)).collect();
    let highest = flushed.iter().copied().chain(consumers.fastest()).max().unwrap_or_default();
    let (mut replay, segments) = blocking("reading the log", move || {
        let mut segments = Segments::list(disk, &log)?;
        let replay = Replay::run(&mut segments, &known, &flushed, &dropped, repair)?;
        Ok((replay, segments))
    })
    .await?;
    let log_end = replay.position;
    if highest > replay.position {
        // Only after the log was deleted by hand: positions must not be given twice.
        tracing::warn!(
            log = replay.position,
            tables = highest,
            "the log ends before what the tables have; it goes on behind them"
        );
        replay.position = highest;
        replay.tail = None;
    }
    let mut state = State {
        tables: replay.tables,
        position: replay.position,
    };
    for (table, files) in state.tables.iter_mut().zip(files) {
        table.files = files;
    }
    Ok(Opened {
        shared: Shared::new(options, tables, state, segments, chain),
        tail: replay.tail,
        log_end,
    })
}

/// What replaying the log gives.
struct Replay {
    tables: Vec<TableState>,
    position: u64,
    tail: Option<Tail>,
}

impl Replay {
    fn run(
        segments: &mut Segments,
        tables: &[Arc<Table>],
        flushed: &[u64],
        dropped: &BTreeMap<String, u64>,
        repair: bool,
    ) -> Result<Replay, LakeError> {
        let mut replay = Replay {
            tables: tables.iter().map(|_| TableState::default()).collect(),
            position: 0,
            tail: None,
        };
        let Recovered { position, tail } = recover(segments, repair, |position, payload, path, offset| {
            replay.entry(position, payload, (path, offset), tables, flushed, dropped)
        })?;
        replay.position = position;
        replay.tail = tail;
        Ok(replay)
    }

    fn entry(
        &mut self,
        position: u64,
        payload: &[u8],
        (path, offset): (&Path, u64),
        tables: &[Arc<Table>],
        flushed: &[u64],
        dropped: &BTreeMap<String, u64>,
    ) -> Result<(), LakeError> {
        let index = |name: &str| tables.iter().position(|table| table.name() == name);
        let wanted = |name: &str| {
            dropped.get(name).is_none_or(|dropped| position > *dropped)
                && index(name).is_none_or(|id| flushed.get(id).is_none_or(|flushed| position > *flushed))
        };
        let parts = decode_payload(payload, wanted).map_err(|message| LakeError::Corrupt {
            path: path.to_owned(),
            offset,
            message,
        })?;
        for (name, batch) in parts {
            let Some(table) = index(&name).and_then(|id| tables.get(id)) else {
                return Err(LakeError::Table {
                    table: name,
                    message: "the log has rows of it that are not yet in files, and it is defined no more; start once with its definition"
                        .to_owned(),
                });
            };
            let Some(state) = self.tables.get_mut(table.id) else {
                continue;
            };
            state.push(position, adapt(&table.definition, &table.schema, &batch)?);
        }
        Ok(())
    }
}

/// The keys of every table's recent rows, by the tables' ids.
pub(crate) fn all_recent_keys(shared: &Shared) -> Result<Vec<Option<Seen>>, LakeError> {
    let mut tables = shared.tables();
    tables.sort_by_key(|table| table.id);
    let mut all = Vec::with_capacity(tables.len());
    for table in &tables {
        let (files, hot) = shared.snapshot(table.id);
        all.resize_with(table.id, || None);
        all.push(recent_keys(table, &files, &hot, &shared.hasher, &shared.options)?);
    }
    Ok(all)
}

/// The keys of a table's recent rows, from its files and from memory.
fn recent_keys(
    table: &Table,
    files: &[Arc<DataFile>],
    hot: &[Arc<Hot>],
    hasher: &KeyHasher,
    options: &LakeOptions,
) -> Result<Option<Seen>, LakeError> {
    if table.definition.unique.is_empty() {
        return Ok(None);
    }
    let mut seen = Seen::new(options.dedupe_keys, options.dedupe_window);
    let window = i64::try_from(options.dedupe_window.as_millis()).unwrap_or(i64::MAX);
    let oldest = chrono::Utc::now().timestamp_millis().saturating_sub(window);
    let mut recent: Vec<_> = files.iter().filter(|file| file.modified >= oldest).collect();
    recent.sort_by_key(|file| std::cmp::Reverse(file.modified));
    let mut rows = hot.iter().map(|hot| hot.batch.num_rows() as u64).sum::<u64>();
    let needed = recent
        .iter()
        .take_while(|file| {
            let enough = rows >= options.dedupe_keys as u64;
            rows += file.statistics.rows.unwrap_or_default();
            !enough
        })
        .count();
    recent.truncate(needed);
    for file in recent.iter().rev() {
        for batch in read_keys(table, &table.directory.join(&file.path))? {
            remember(table, &batch, hasher, &mut seen)?;
        }
    }
    for hot in hot {
        remember(table, &hot.batch, hasher, &mut seen)?;
    }
    Ok(Some(seen))
}

fn read_keys(table: &Table, path: &Path) -> Result<Vec<RecordBatch>, LakeError> {
    let file = std::fs::File::open(path).map_err(LakeError::io("open", path))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(LakeError::parquet(path))?;
    let names = table.definition.unique.iter().map(String::as_str);
    let mask = ProjectionMask::columns(builder.parquet_schema(), names);
    let reader = builder.with_projection(mask).build().map_err(LakeError::parquet(path))?;
    reader.map(|batch| batch.map_err(LakeError::arrow(table.name()))).collect()
}

fn remember(table: &Table, batch: &RecordBatch, hasher: &KeyHasher, seen: &mut Seen) -> Result<(), LakeError> {
    for key in keys(table, batch, hasher)?.into_iter().flatten() {
        seen.insert(key);
    }
    Ok(())
}

/// The hash of each row's key; `None` for a row that has nothing in the first key column: it has no identity to be known by.
pub(crate) fn keys(table: &Table, batch: &RecordBatch, hasher: &KeyHasher) -> Result<Vec<Option<u128>>, LakeError> {
    let mut columns = Vec::with_capacity(table.definition.unique.len());
    for name in &table.definition.unique {
        let Some(definition) = table.definition.column(name) else {
            return Err(LakeError::Table {
                table: table.name().to_owned(),
                message: format!("unique names a column {name} that it does not have"),
            });
        };
        columns.push(match batch.column_by_name(name) {
            Some(column) => stored(&table.definition, name, definition.ty, column)?,
            None => missing(definition.ty, batch.num_rows()),
        });
    }
    let hashes = hasher.hash(&columns).map_err(LakeError::arrow(table.name()))?;
    let Some(first) = columns.first() else {
        return Ok(vec![None; batch.num_rows()]);
    };
    let text = first.as_string_view_opt();
    let is_known = |row: usize| first.is_valid(row) && text.is_none_or(|text| !text.value(row).is_empty());
    Ok(hashes
        .into_iter()
        .enumerate()
        .map(|(row, hash)| is_known(row).then_some(hash))
        .collect())
}
