//! A disk in memory that does what real ones do on a bad day: writes stop half way, fsync fails and forgets what it was given,
//! there is no room, and when the power fails each sector that was not synced is there or not, and the last names too.
//!
//! Everything comes from one seed, so that what was found once is found again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Cursor, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Disk, DiskFile};

/// Bytes that are written whole or not at all.
pub(crate) const SECTOR: usize = 32;

/// Numbers that look random and come from a seed (splitmix64).
#[derive(Debug, Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `limit`; zero for zero.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        if limit == 0 { 0 } else { self.next() % limit }
    }

    /// So many times of a thousand.
    pub(crate) fn happens(&mut self, of_thousand: u64) -> bool {
        self.below(1000) < of_thousand
    }
}

/// How often, of a thousand times, what goes wrong.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    /// A write stops, perhaps in the middle
    pub(crate) write: u64,
    /// An fsync of a file fails; some of what it was to write is lost, and the next one will not write it
    pub(crate) sync: u64,
    /// Folder operations: create, rename, remove, fsync
    pub(crate) folder: u64,
    /// Reading
    pub(crate) read: u64,
}

#[derive(Debug, Clone, Default)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
    dirty: BTreeSet<usize>,
}

impl Content {
    fn put(&mut self, offset: usize, bytes: &[u8]) {
        if self.now.len() < offset + bytes.len() {
            self.now.resize(offset + bytes.len(), 0);
        }
        self.now[offset..offset + bytes.len()].copy_from_slice(bytes);
        if !bytes.is_empty() {
            self.dirty.extend(offset / SECTOR..=(offset + bytes.len() - 1) / SECTOR);
        }
    }

    fn cut(&mut self, length: usize) {
        self.now.resize(length, 0);
        self.dirty.retain(|sector| sector * SECTOR < length);
        if length > 0 {
            self.dirty.insert((length - 1) / SECTOR);
        }
    }

    fn reach(&mut self, sector: usize) {
        let from = sector * SECTOR;
        let to = (from + SECTOR).min(self.now.len());
        if from < to {
            if self.durable.len() < to {
                self.durable.resize(to, 0);
            }
            self.durable[from..to].copy_from_slice(&self.now[from..to]);
        }
    }

    fn sync(&mut self) {
        for sector in std::mem::take(&mut self.dirty) {
            self.reach(sector);
        }
        self.durable.resize(self.now.len(), 0);
    }

    fn sync_some(&mut self, dice: &mut Dice) {
        for sector in std::mem::take(&mut self.dirty) {
            if dice.happens(500) {
                self.reach(sector);
            }
        }
    }

    fn crash(&mut self, dice: &mut Dice) {
        let length = self.now.len();
        self.sync_some(dice);
        if dice.happens(500) {
            self.durable.resize(length, 0);
        }
        self.now.clone_from(&self.durable);
    }
}

#[derive(Debug, Clone)]
enum NameChange {
    Put(PathBuf, u64),
    Gone(PathBuf),
}

#[derive(Debug)]
struct State {
    dice: Dice,
    faults: Faults,
    /// Bytes there is room for
    room: usize,
    files: BTreeMap<u64, Content>,
    names: BTreeMap<PathBuf, u64>,
    durable_names: BTreeMap<PathBuf, u64>,
    /// Changes of names in their order, as a journal keeps them
    pending: Vec<NameChange>,
    next: u64,
    operations: u64,
    /// Files of before a crash cannot be written any more
    life: u64,
}

impl State {
    fn step(&mut self, of_thousand: u64) -> io::Result<()> {
        self.operations += 1;
        if self.dice.happens(of_thousand) {
            return Err(io::Error::other("injected"));
        }
        Ok(())
    }

    fn name(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.pending.push(change);
    }

    fn used(&self) -> usize {
        self.names
            .values()
            .filter_map(|id| self.files.get(id))
            .map(|file| file.now.len())
            .sum()
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<PathBuf, u64>) {
        match self {
            NameChange::Put(path, id) => names.insert(path.clone(), *id),
            NameChange::Gone(path) => names.remove(path),
        };
    }
}

/// See the module's page.
#[derive(Debug, Clone)]
pub(crate) struct SimulatedDisk(Arc<Mutex<State>>);

impl SimulatedDisk {
    pub(crate) fn new(seed: u64) -> SimulatedDisk {
        SimulatedDisk(Arc::new(Mutex::new(State {
            dice: Dice(seed),
            faults: Faults::default(),
            room: usize::MAX,
            files: BTreeMap::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            pending: Vec::new(),
            next: 0,
            operations: 0,
            life: 0,
        })))
    }

    pub(crate) fn set_faults(&self, faults: Faults) {
        self.0.lock().faults = faults;
    }

    /// Room for so many bytes more than there are; `None`: no end.
    pub(crate) fn set_room(&self, more: Option<usize>) {
        let mut state = self.0.lock();
        state.room = more.map_or(usize::MAX, |more| state.used() + more);
    }

    /// The power fails, and comes back.
    pub(crate) fn crash(&self) {
        let mut guard = self.0.lock();
        let state = &mut *guard;
        state.life += 1;
        let kept = state.dice.below(state.pending.len() as u64 + 1) as usize;
        for change in std::mem::take(&mut state.pending).into_iter().take(kept) {
            change.apply(&mut state.durable_names);
        }
        state.names.clone_from(&state.durable_names);
        let live: BTreeSet<u64> = state.names.values().copied().collect();
        state.files.retain(|id, _| live.contains(id));
        for file in state.files.values_mut() {
            file.crash(&mut state.dice);
        }
    }

    /// Operations so far.
    pub(crate) fn operations(&self) -> u64 {
        self.0.lock().operations
    }
}

fn missing() -> io::Error {
    ErrorKind::NotFound.into()
}

impl Disk for SimulatedDisk {
    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let mut state = self.0.lock();
        let fault = state.faults.read;
        state.step(fault)?;
        let inside = state.names.keys().filter(|path| path.parent() == Some(folder));
        Ok(inside.filter_map(|path| path.file_name()?.to_str().map(str::to_owned)).collect())
    }

    fn read(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        let mut state = self.0.lock();
        let fault = state.faults.read;
        state.step(fault)?;
        let id = state.names.get(path).ok_or_else(missing)?;
        let file = state.files.get(id).ok_or_else(missing)?;
        Ok(Box::new(Cursor::new(file.now.clone())))
    }

    fn length(&self, path: &Path) -> io::Result<u64> {
        let mut state = self.0.lock();
        let fault = state.faults.read;
        state.step(fault)?;
        let id = state.names.get(path).ok_or_else(missing)?;
        Ok(state.files.get(id).ok_or_else(missing)?.now.len() as u64)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.0.lock();
        let fault = state.faults.folder;
        state.step(fault)?;
        if state.names.contains_key(path) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        if state.used() >= state.room {
            return Err(ErrorKind::StorageFull.into());
        }
        let id = state.next;
        state.next += 1;
        state.files.insert(id, Content::default());
        state.name(NameChange::Put(path.to_owned(), id));
        Ok(Box::new(self.open(id, state.life)))
    }

    fn modify(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.0.lock();
        let fault = state.faults.folder;
        state.step(fault)?;
        let id = *state.names.get(path).ok_or_else(missing)?;
        Ok(Box::new(self.open(id, state.life)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        let fault = state.faults.folder;
        state.step(fault)?;
        let id = *state.names.get(from).ok_or_else(missing)?;
        state.name(NameChange::Gone(from.to_owned()));
        // One step of the journal in truth; the order makes the state in between one where both are gone, which is worse.
        state.name(NameChange::Put(to.to_owned(), id));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        let fault = state.faults.folder;
        state.step(fault)?;
        if !state.names.contains_key(path) {
            return Err(missing());
        }
        state.name(NameChange::Gone(path.to_owned()));
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let _ = folder;
        let mut guard = self.0.lock();
        let state = &mut *guard;
        let fault = state.faults.folder;
        state.step(fault)?;
        for change in std::mem::take(&mut state.pending) {
            change.apply(&mut state.durable_names);
        }
        Ok(())
    }
}

impl SimulatedDisk {
    fn open(&self, id: u64, life: u64) -> SimulatedFile {
        SimulatedFile {
            disk: self.clone(),
            id,
            life,
        }
    }
}

#[derive(Debug)]
struct SimulatedFile {
    disk: SimulatedDisk,
    id: u64,
    life: u64,
}

impl DiskFile for SimulatedFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut guard = self.disk.0.lock();
        let state = &mut *guard;
        assert_eq!(self.life, state.life, "a file of before the crash");
        let offset = offset as usize;
        let failed = state.step(state.faults.write);
        let now = state.files.get(&self.id).map_or(0, |file| file.now.len());
        let others = state.used().saturating_sub(now);
        let room = state.room.saturating_sub(others).saturating_sub(offset);
        let (count, result) = if failed.is_err() {
            (state.dice.below(bytes.len() as u64 + 1) as usize, failed)
        } else if room < bytes.len() && offset + bytes.len() > now {
            (room.min(bytes.len()), Err(ErrorKind::StorageFull.into()))
        } else {
            (bytes.len(), Ok(()))
        };
        if let Some(file) = state.files.get_mut(&self.id) {
            file.put(offset, &bytes[..count]);
        }
        result
    }

    fn set_length(&mut self, length: u64) -> io::Result<()> {
        let mut guard = self.disk.0.lock();
        let state = &mut *guard;
        assert_eq!(self.life, state.life, "a file of before the crash");
        state.step(state.faults.write)?;
        if let Some(file) = state.files.get_mut(&self.id) {
            file.cut(length as usize);
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut guard = self.disk.0.lock();
        let state = &mut *guard;
        assert_eq!(self.life, state.life, "a file of before the crash");
        let failed = state.step(state.faults.sync);
        if let Some(file) = state.files.get_mut(&self.id) {
            match failed {
                Ok(()) => file.sync(),
                Err(_) => file.sync_some(&mut state.dice),
            }
        }
        failed
    }
}
