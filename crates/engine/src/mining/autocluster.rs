//! A few patterns that say much about many rows.
//!
//! Each of the heaviest different rows is a seed: a pattern that fits it alone. It grows by leaving out the column that brings
//! in most rows, and is kept at its best: the geometric mean, weighted, of the share of rows it fits and the share of columns
//! it says something about. Of the seeds' patterns those stay that bring rows which better ones do not.
//!
//! Source: Kusto Query Language reference, "autocluster plugin" (which names the Seed-Expand algorithm).

use super::encode::{ANY, Table, Weights, add, dimensions, matches};
use super::itemsets::{Found, shown};
use super::{Answer, Job, Rows};

/// Values of a column that can be in a pattern, by weight.
const MOST_VALUES: usize = 10_000;
/// Rows of which fewer are no pattern.
const FEWEST: f64 = 2.0;
/// The share of a pattern's rows that better patterns must not have.
const OWN: f64 = 0.5;

pub(super) fn run(job: &Job) -> Answer<Rows> {
    let (weight, seeds) = (job.number(0), job.number(1) as usize);
    let table = Table::new(job, 0.0, MOST_VALUES)?;
    let mut order: Vec<usize> = (0..table.len()).collect();
    order.sort_by(|a, b| table.weight(*b)[0].total_cmp(&table.weight(*a)[0]).then(a.cmp(b)));
    let mut candidates: Vec<(f64, Found)> = Vec::new();
    // Seeds that an earlier seed's pattern fits would mostly grow into it again.
    let mut used = 0;
    for seed in order {
        if used >= seeds {
            break;
        }
        let row = table.row(seed);
        if dimensions(row) == 0 || candidates.iter().any(|(_, found)| matches(&found.pattern, row)) {
            continue;
        }
        used += 1;
        job.limits.check(0, "seeds")?;
        if let Some((score, found)) = grown(&table, row, weight)
            && found.weights[0] >= FEWEST
            && !candidates.iter().any(|(_, other)| other.pattern == found.pattern)
        {
            candidates.push((score, found));
        }
    }
    candidates.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let mut covered = vec![false; table.len()];
    let mut kept = Vec::new();
    for (_, found) in candidates {
        let mut own = 0.0;
        for (row, covered) in covered.iter().enumerate() {
            if !covered && matches(&found.pattern, table.row(row)) {
                own += table.weight(row)[0];
            }
        }
        if own < OWN * found.weights[0] {
            continue;
        }
        for (row, covered) in covered.iter_mut().enumerate() {
            *covered |= matches(&found.pattern, table.row(row));
        }
        kept.push(found);
    }
    Ok(shown(job, &table, kept))
}

/// The best pattern on the way from a row to all rows.
fn grown(table: &Table, seed: &[u32], weight: f64) -> Option<(f64, Found)> {
    let mut pattern = seed.to_vec();
    let mut best: Option<(f64, Found)> = None;
    while dimensions(&pattern) > 0 {
        let (here, without) = coverage(table, &pattern);
        let covered = here[0] / table.totals[0];
        let said = dimensions(&pattern) as f64 / table.width as f64;
        let score = covered.powf(weight) * said.powf(1.0 - weight);
        if best.as_ref().is_none_or(|(known, _)| score > *known) {
            let found = Found {
                pattern: pattern.clone(),
                weights: here,
            };
            best = Some((score, found));
        }
        let widest = (without.iter().enumerate())
            .filter(|(column, _)| pattern.get(*column).is_some_and(|code| *code != ANY))
            .max_by(|(a, x), (b, y)| x.total_cmp(y).then(b.cmp(a)));
        let slot = widest.and_then(|(column, _)| pattern.get_mut(column))?;
        *slot = ANY;
    }
    best
}

/// The weight of the rows that a pattern fits, and for each column of those it would fit as well without it.
fn coverage(table: &Table, pattern: &[u32]) -> (Weights, Vec<f64>) {
    let mut here = [0.0; 2];
    let mut without = vec![0.0; table.width];
    for index in 0..table.len() {
        let mut misses = (pattern.iter().zip(table.row(index)).enumerate())
            .filter(|(_, (wanted, code))| **wanted != ANY && wanted != code)
            .map(|(column, _)| column);
        match (misses.next(), misses.next()) {
            (None, _) => add(&mut here, table.weight(index)),
            (Some(column), None) => {
                if let Some(sum) = without.get_mut(column) {
                    *sum += table.weight(index)[0];
                }
            }
            _ => {}
        }
    }
    (here, without)
}
