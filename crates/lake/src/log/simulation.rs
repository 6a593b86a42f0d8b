//! The log over a disk that fails: whatever was acknowledged is read back, once and in order, and nothing else than what was
//! sent.
//!
//! Every run comes from a seed; a failure names it. `LAKE_SIMULATION_SEED` runs one again, `LAKE_SIMULATION_STEPS` says how long.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use super::frame::put_frame;
use super::reader::LogReader;
use super::recover::{Recovered, recover};
use super::segment::Segments;
use super::tail::{Tail, WriteError};
use crate::disk::Disk;
use crate::disk::simulated::{Dice, Faults, SimulatedDisk};
use crate::error::LakeError;

const FOLDER: &str = "log";

/// What a caller knows.
#[derive(Default)]
struct Model {
    /// What must be there: acknowledged, or found after a restart and from then on told to be there
    kept: BTreeMap<u64, Vec<u8>>,
    /// What was sent, whatever became of it
    sent: BTreeMap<u64, BTreeSet<Vec<u8>>>,
    /// Everything up to here is somewhere else and may be cut
    flushed: u64,
}

struct Running {
    disk: SimulatedDisk,
    dice: Dice,
    model: Model,
    segments: Mutex<Segments>,
    tail: Tail,
    position: u64,
    failed: bool,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    acknowledged: u64,
    refused: u64,
    full: u64,
    fatal: u64,
    crashes: u64,
    torn: u64,
}

fn open(disk: &SimulatedDisk, model: &Model) -> Result<(Mutex<Segments>, Recovered, BTreeMap<u64, Vec<u8>>), LakeError> {
    let mut segments = Segments::list(Arc::new(disk.clone()), Path::new(FOLDER))?;
    let mut found = BTreeMap::new();
    let mut recovered = recover(&mut segments, true, |position, payload, _, _| {
        found.insert(position, payload.to_vec());
        Ok(())
    })?;
    let segments = Mutex::new(segments);
    let end = recovered.position;
    // As the lake does: positions of what is in files are not given twice.
    if recovered.position < model.flushed {
        recovered.position = model.flushed;
        recovered.tail = None;
    }
    if recovered.tail.is_none() {
        recovered.tail = Some(Tail::begin(&segments, recovered.position, end)?);
    }
    Ok((segments, recovered, found))
}

impl Running {
    fn start(seed: u64) -> Running {
        let disk = SimulatedDisk::new(seed);
        let model = Model::default();
        let (segments, recovered, _) = open(&disk, &model).unwrap();
        Running {
            disk,
            dice: Dice(seed ^ 0xdead_beef),
            model,
            segments,
            tail: recovered.tail.unwrap(),
            position: recovered.position,
            failed: false,
            counts: Counts::default(),
        }
    }

    fn step(&mut self) {
        match self.dice.below(100) {
            0 => {
                self.disk.crash();
                self.counts.crashes += 1;
                self.restart();
            }
            1 => self.restart(),
            2..=5 => self.cut(),
            6..=8 => self.read_back(),
            9 => {
                let room = self.dice.below(400) as usize;
                self.disk.set_room(Some(room));
            }
            10..=14 => self.disk.set_room(None),
            15 => {
                let of = |dice: &mut Dice| if dice.happens(500) { dice.below(60) } else { 0 };
                let faults = Faults {
                    write: of(&mut self.dice),
                    sync: of(&mut self.dice) / 4,
                    folder: of(&mut self.dice),
                    read: of(&mut self.dice) / 4,
                };
                self.disk.set_faults(faults);
            }
            _ => self.append(),
        }
    }

    /// A group of appends that share one write.
    fn append(&mut self) {
        if self.failed {
            self.restart();
        }
        let durable = self.position;
        let mut frames = Vec::new();
        let mut group = Vec::new();
        for place in 0..=self.dice.below(3) {
            let length = self.dice.below(90) as usize;
            let payload: Vec<u8> = (0..length).map(|_| self.dice.next() as u8).collect();
            let position = durable + 1 + place;
            put_frame(&mut frames, position, durable, &payload);
            self.model.sent.entry(position).or_default().insert(payload.clone());
            group.push((position, payload));
        }
        match self.tail.write(&self.segments, &frames, durable, 400) {
            Ok(()) => {
                self.position = durable + group.len() as u64;
                self.counts.acknowledged += group.len() as u64;
                self.model.kept.extend(group);
            }
            Err(WriteError::Nothing(reason)) => {
                self.counts.refused += 1;
                self.counts.full += u64::from(reason.contains("no storage space") || reason.contains("storage"));
            }
            Err(WriteError::Fatal(_)) => {
                self.counts.fatal += 1;
                self.failed = true;
            }
        }
    }

    /// The process ends and begins again; the power may have failed or not.
    fn restart(&mut self) {
        let (segments, recovered, found) = loop {
            match open(&self.disk, &self.model) {
                Ok(opened) => break opened,
                Err(LakeError::Corrupt { path, offset, message }) => {
                    panic!("{} is called damaged at {offset}: {message}", path.display())
                }
                // A disk that fails while it is read or mended: it is tried again, perhaps after a crash, until it works.
                Err(_) => {
                    self.disk.set_room(None);
                    self.disk.set_faults(Faults::default());
                    if self.dice.happens(500) {
                        self.disk.crash();
                        self.counts.crashes += 1;
                    }
                }
            }
        };
        self.segments = segments;
        self.tail = recovered.tail.unwrap();
        self.position = recovered.position;
        self.failed = false;
        let oldest = self.model.flushed + 1;
        for (position, payload) in self.model.kept.range(oldest..) {
            assert_eq!(found.get(position), Some(payload), "acknowledged at position {position}");
        }
        for (position, payload) in found.range(oldest..) {
            let sent = self.model.sent.get(position).is_some_and(|sent| sent.contains(payload));
            assert!(sent, "position {position} was never sent");
        }
        self.counts.torn += found
            .range(oldest..)
            .filter(|(position, _)| !self.model.kept.contains_key(position))
            .count() as u64;
        assert!(self.position >= self.model.kept.keys().next_back().copied().unwrap_or_default());
        // From now on queries show it, and a repetition is answered as stored before.
        self.model
            .kept
            .extend(found.into_iter().filter(|(position, _)| *position >= oldest));
        self.model.sent = self.model.sent.split_off(&oldest);
    }

    fn cut(&mut self) {
        let flushed = self.model.flushed + self.dice.below(self.position - self.model.flushed + 1);
        self.model.flushed = flushed;
        // What cannot be deleted now is deleted later.
        let _ = self.segments.lock().cut(flushed);
        self.model.kept = self.model.kept.split_off(&(flushed + 1));
        self.model.sent = self.model.sent.split_off(&(flushed + 1));
    }

    /// What a consumer that starts late sees.
    fn read_back(&mut self) {
        let behind = self.model.flushed + self.dice.below(self.position - self.model.flushed + 1);
        let mut read = Vec::new();
        let result = LogReader::new(behind).payloads(&self.segments, self.position, usize::MAX, |position, payload, _, _| {
            read.push((position, payload.to_vec()));
            Ok(())
        });
        match result {
            Ok(()) => {
                let kept = self.model.kept.range(behind + 1..);
                assert!(
                    kept.eq(read.iter().map(|(position, payload)| (position, payload))),
                    "read behind {behind}"
                );
            }
            Err(LakeError::Io { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn run(seed: u64, steps: u64) -> (u64, Counts) {
    let mut running = Running::start(seed);
    for _ in 0..steps {
        running.step();
    }
    running.disk.set_room(None);
    running.disk.set_faults(Faults::default());
    running.disk.crash();
    running.restart();
    (running.disk.operations(), running.counts)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn whatever_the_disk_does_what_was_acknowledged_is_there_once() {
    let steps = number("LAKE_SIMULATION_STEPS").unwrap_or(1_200_000);
    let seeds: Vec<u64> = match number("LAKE_SIMULATION_SEED") {
        Some(seed) => vec![seed],
        None => (1..=400).collect(),
    };
    let each = steps / seeds.len() as u64;
    let mut total = Counts::default();
    let mut operations = 0;
    for seed in seeds {
        let outcome = std::panic::catch_unwind(|| run(seed, each));
        let Ok((done, counts)) = outcome else {
            panic!("again with LAKE_SIMULATION_SEED={seed} LAKE_SIMULATION_STEPS={each}");
        };
        operations += done;
        total.acknowledged += counts.acknowledged;
        total.refused += counts.refused;
        total.full += counts.full;
        total.fatal += counts.fatal;
        total.crashes += counts.crashes;
        total.torn += counts.torn;
    }
    eprintln!("{steps} steps, {operations} disk operations: {total:?}");
    // Each kind of trouble was met.
    assert!(
        total.refused > 0 && total.full > 0 && total.fatal > 0 && total.crashes > 0 && total.torn > 0,
        "{total:?}"
    );
}

#[test]
fn a_slow_disk_delays_and_loses_nothing_of_what_waits() {
    // Groups grow while an fsync takes long: one write of many appends is all there or cut at a frame.
    let disk = SimulatedDisk::new(7);
    let model = Model::default();
    let (segments, recovered, _) = open(&disk, &model).unwrap();
    let mut tail = recovered.tail.unwrap();
    let mut frames = Vec::new();
    for position in 1..=500u64 {
        put_frame(&mut frames, position, 0, &position.to_le_bytes());
    }
    tail.write(&segments, &frames, 0, 1 << 20).unwrap();
    disk.crash();
    let (_, recovered, found) = open(&disk, &model).unwrap();
    assert_eq!((recovered.position, found.len()), (500, 500));
    assert!(disk.list(Path::new(FOLDER)).unwrap().len() <= 2);
}
