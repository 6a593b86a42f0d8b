//! Distinct counts: exact up to some thousands, then estimated by HyperLogLog.

use std::collections::HashSet;

use taffrail_kql::types::Type;

use super::super::call::{Datum, Values};
use super::super::dynamic::json;
use super::super::hashing;
use super::state::{Cell, State};

/// So many distinct values are counted exactly.
const EXACT: usize = 16_384;
/// Bits of a hash that choose a register, by accuracy: errors of about 1.6, 0.8, 0.4, 0.28 and 0.2 %.
const BITS: [u32; 5] = [12, 14, 16, 17, 18];

#[derive(Debug)]
struct Distinct {
    hashes: HashSet<u64>,
    registers: Option<Vec<u8>>,
    exact: bool,
    /// Which of [`BITS`]
    accuracy: usize,
}

pub fn dcount(_types: &[Type], _outputs: &[Type]) -> Box<dyn State> {
    Box::new(Distinct::new())
}

pub fn exact(_types: &[Type], _outputs: &[Type]) -> Box<dyn State> {
    Box::new(Distinct {
        exact: true,
        ..Distinct::new()
    })
}

impl Distinct {
    fn see(&mut self, hash: u64) {
        match &mut self.registers {
            Some(registers) => Self::register(registers, hash),
            None => {
                self.hashes.insert(hash);
                if !self.exact && self.hashes.len() > EXACT {
                    self.estimate_from_now_on();
                }
            }
        }
    }

    fn register(registers: &mut [u8], hash: u64) {
        let bits = registers.len().ilog2();
        let index = (hash >> (64 - bits)) as usize;
        let rank = ((hash << bits) | (1 << (bits - 1))).leading_zeros() as u8 + 1;
        if let Some(register) = registers.get_mut(index) {
            *register = (*register).max(rank);
        }
    }

    fn estimate_from_now_on(&mut self) {
        let bits = BITS.get(self.accuracy).copied().unwrap_or(14);
        self.estimate_with(1 << bits);
    }

    fn estimate_with(&mut self, registers: usize) {
        let mut registers = vec![0u8; registers];
        for hash in self.hashes.drain() {
            Self::register(&mut registers, hash);
        }
        self.hashes = HashSet::new();
        self.registers = Some(registers);
    }

    /// The coarser of two decides: a register of few bits is the greatest of those that share its bits. The first
    /// of them counts zeros from its own bits on, the others have a one among the bits that are given up.
    fn merge_registers(&mut self, theirs: &[u8]) {
        if !theirs.len().is_power_of_two() || theirs.len() < 2 {
            return;
        }
        if self.registers.is_none() {
            self.estimate_with(theirs.len());
        }
        let Some(mine) = &mut self.registers else { return };
        let folded;
        let theirs = if theirs.len() > mine.len() {
            folded = fold(theirs, mine.len());
            &folded
        } else {
            if theirs.len() < mine.len() {
                *mine = fold(mine, theirs.len());
            }
            theirs
        };
        for (mine, their) in mine.iter_mut().zip(theirs) {
            *mine = (*mine).max(*their);
        }
    }

    fn count(&self) -> i64 {
        let Some(registers) = &self.registers else {
            return self.hashes.len() as i64;
        };
        let size = registers.len() as f64;
        let sum: f64 = registers.iter().map(|rank| 0.5f64.powi(i32::from(*rank))).sum();
        let estimate = 0.7213 / (1.0 + 1.079 / size) * size * size / sum;
        let empty = registers.iter().filter(|rank| **rank == 0).count();
        if estimate <= 2.5 * size && empty > 0 {
            return (size * (size / empty as f64).ln()).round() as i64;
        }
        estimate.round() as i64
    }
}

/// Registers as they would be with fewer of them.
fn fold(registers: &[u8], count: usize) -> Vec<u8> {
    let spared = (registers.len() / count.max(1)).max(1);
    let bits = spared.ilog2() as u8;
    registers
        .chunks(spared)
        .map(|chunk| {
            let rank = |(index, rank): (usize, &u8)| match (index, *rank) {
                (_, 0) => 0,
                (0, rank) => bits + rank,
                (index, _) => bits - index.ilog2() as u8,
            };
            chunk.iter().enumerate().map(rank).max().unwrap_or(0)
        })
        .collect()
}

impl State for Distinct {
    fn update(&mut self, args: &[Values<'_>], row: usize) {
        if let Some(Datum::Long(accuracy)) = args.get(1).map(|column| column.get(row)) {
            self.accuracy = accuracy.clamp(0, 4) as usize;
        }
        match args.first().map(|column| column.get(row)) {
            None | Some(Datum::Null) => {}
            Some(value) => self.see(hashing::of_datum(value)),
        }
    }

    fn save(&self) -> Vec<Cell> {
        match &self.registers {
            // Registers are small numbers: a character each.
            Some(registers) => vec![Cell::Text(registers.iter().map(|rank| char::from(*rank)).collect())],
            None => self.hashes.iter().map(|hash| Cell::Long(*hash as i64)).collect(),
        }
    }

    fn merge(&mut self, saved: Vec<Cell>) {
        for cell in saved {
            match cell {
                Cell::Long(hash) => self.see(hash as u64),
                Cell::Text(theirs) => {
                    let theirs: Vec<u8> = theirs.chars().map(|rank| u32::from(rank) as u8).collect();
                    self.merge_registers(&theirs);
                }
                _ => {}
            }
        }
    }

    fn finish(&self) -> Vec<Cell> {
        vec![Cell::Long(self.count())]
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.hashes.capacity() * 9 + self.registers.as_ref().map_or(0, Vec::len)
    }
}

/// A distinct count kept for later: the state itself, as a dynamic.
#[derive(Debug)]
struct Kept {
    distinct: Distinct,
    /// The rows hold kept counts, not values
    merges: bool,
}

pub fn hll(_types: &[Type], _outputs: &[Type]) -> Box<dyn State> {
    Box::new(Kept {
        distinct: Distinct::new(),
        merges: false,
    })
}

pub fn hll_merge(_types: &[Type], _outputs: &[Type]) -> Box<dyn State> {
    Box::new(Kept {
        distinct: Distinct::new(),
        merges: true,
    })
}

impl Distinct {
    fn new() -> Distinct {
        Distinct {
            hashes: HashSet::new(),
            registers: None,
            exact: false,
            accuracy: 1,
        }
    }

    /// `{"hashes":["…"]}`, or `{"registers":"…"}` with a hexadecimal byte each.
    fn to_json(&self) -> String {
        match &self.registers {
            Some(registers) => format!("{{\"registers\":\"{}\"}}", hex::encode(registers)),
            None => {
                let mut hashes: Vec<String> = self.hashes.iter().map(|hash| format!("\"{hash:016x}\"")).collect();
                hashes.sort_unstable();
                format!("{{\"hashes\":[{}]}}", hashes.join(","))
            }
        }
    }

    fn learn(&mut self, text: &str) -> Option<()> {
        for (name, value) in json::members(text)? {
            if name == "hashes" {
                for hash in json::elements(value)? {
                    self.see(u64::from_str_radix(&json::as_text(hash), 16).ok()?);
                }
            } else if name == "registers" {
                self.merge_registers(&hex::decode(json::as_text(value).as_ref()).ok()?);
            } else {
                return None;
            }
        }
        Some(())
    }
}

/// What several kept counts are together.
pub fn merged<'a>(kept: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut all = Distinct::new();
    for text in kept {
        all.learn(text)?;
    }
    Some(all.to_json())
}

/// The number a kept count stands for.
pub fn counted(kept: &str) -> Option<i64> {
    let mut all = Distinct::new();
    all.learn(kept)?;
    Some(all.count())
}

/// How many values several kept counts have in common: exactly while each is exact, else by inclusion and exclusion of the
/// numbers that their unions stand for.
pub fn in_common(kept: &[&str]) -> Option<i64> {
    let mut sets = Vec::with_capacity(kept.len());
    for text in kept {
        let mut set = Distinct::new();
        set.learn(text)?;
        sets.push(set);
    }
    let (first, others) = sets.split_first()?;
    if sets.iter().all(|set| set.registers.is_none()) {
        let common = first
            .hashes
            .iter()
            .filter(|hash| others.iter().all(|other| other.hashes.contains(hash)));
        return i64::try_from(common.count()).ok();
    }
    let mut sum: i64 = 0;
    for chosen in 1u32..1 << sets.len().min(16) {
        let mut union = Distinct::new();
        for (index, set) in sets.iter().enumerate() {
            if chosen & (1 << index) != 0 {
                union.merge(set.save());
            }
        }
        let sign = if chosen.count_ones() % 2 == 1 { 1 } else { -1 };
        sum += sign * union.count();
    }
    let most = sets.iter().map(Distinct::count).min().unwrap_or(0);
    Some(sum.clamp(0, most))
}

impl State for Kept {
    fn update(&mut self, args: &[Values<'_>], row: usize) {
        match args.first().map(|column| column.get(row)) {
            Some(Datum::Dynamic(text)) if self.merges => {
                self.distinct.learn(text);
            }
            _ => self.distinct.update(args, row),
        }
    }

    fn save(&self) -> Vec<Cell> {
        self.distinct.save()
    }

    fn merge(&mut self, saved: Vec<Cell>) {
        self.distinct.merge(saved);
    }

    fn finish(&self) -> Vec<Cell> {
        vec![Cell::Text(self.distinct.to_json())]
    }

    fn size(&self) -> usize {
        self.distinct.size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinct_counts_stay_close_when_they_become_estimates() {
        for count in [10u64, 10_000, 200_000] {
            let mut state = Distinct::new();
            let mut other = Distinct {
                accuracy: 3,
                ..Distinct::new()
            };
            for value in 0..count {
                let side = if value % 2 == 0 { &mut state } else { &mut other };
                side.see(hashing::of_datum(Datum::Long(value as i64)));
            }
            state.merge(other.save());
            let error = (state.count() as f64 - count as f64).abs() / count as f64;
            assert!(error < if count <= 10_000 { 1e-9 } else { 0.03 }, "{count}: {error}");
        }
    }
}
