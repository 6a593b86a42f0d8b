//! Patterns that one set of rows has more often than another.
//!
//! Of all closed patterns that are frequent on a side, those with the largest difference are taken, one after the other, as
//! long as they are not a narrower or wider form of one that is taken, and not mostly made of rows that are explained.
//!
//! Source: Kusto Query Language reference, "diffpatterns plugin".

use super::encode::{ANY, Table, Weights, add, dimensions, matches};
use super::itemsets::{Found, closed};
use super::{Answer, Job, Rows, long, real, rounded};

/// The share of a pattern's difference that must come from rows no other pattern explains.
const OWN: f64 = 0.25;

pub(super) fn run(job: &Job) -> Answer<Rows> {
    let (threshold, most) = (job.number(0), job.number(1));
    let table = Table::new(job, threshold, usize::MAX)?;
    if table.totals.iter().any(|total| *total <= 0.0) {
        return Ok(Vec::new());
    }
    let most = if most.is_finite() { most as usize } else { usize::MAX };
    let mut found = closed(&table, threshold, most, &job.limits)?;
    found.retain(|found| difference(found.weights, table.totals).abs() >= threshold);
    found.sort_by(|a, b| {
        let (x, y) = (difference(a.weights, table.totals).abs(), difference(b.weights, table.totals).abs());
        y.total_cmp(&x)
            .then_with(|| dimensions(&b.pattern).cmp(&dimensions(&a.pattern)))
            .then_with(|| a.pattern.cmp(&b.pattern))
    });
    let kept = distinct(&table, found, job)?;
    let wildcards = job.wildcards();
    let rows = kept.iter().enumerate().map(|(index, found)| {
        let [a, b] = found.weights;
        let [all_a, all_b] = table.totals;
        let (x, y) = (100.0 * a / all_a, 100.0 * b / all_b);
        let mut row = vec![
            long(index as f64),
            long(a),
            long(b),
            real(rounded(x, 2)),
            real(rounded(y, 2)),
            real(rounded((x - y).abs(), 2)),
        ];
        row.extend(table.shown(&found.pattern, &wildcards));
        row
    });
    Ok(rows.collect())
}

/// Share on the first side less share on the second.
fn difference([a, b]: Weights, [all_a, all_b]: Weights) -> f64 {
    a / all_a - b / all_b
}

/// The patterns that say something of their own, best first.
fn distinct(table: &Table, found: Vec<Found>, job: &Job) -> Answer<Vec<Found>> {
    let mut covered = vec![false; table.len()];
    let mut kept: Vec<Found> = Vec::new();
    for found in found {
        job.limits.check(0, "patterns")?;
        if kept
            .iter()
            .any(|other| within(&other.pattern, &found.pattern) || within(&found.pattern, &other.pattern))
        {
            continue;
        }
        let mut own = [0.0; 2];
        for (row, covered) in covered.iter().enumerate() {
            if !covered && matches(&found.pattern, table.row(row)) {
                add(&mut own, table.weight(row));
            }
        }
        let whole = difference(found.weights, table.totals);
        if difference(own, table.totals) * whole.signum() < OWN * whole.abs() {
            continue;
        }
        for (row, covered) in covered.iter_mut().enumerate() {
            *covered |= matches(&found.pattern, table.row(row));
        }
        kept.push(found);
    }
    Ok(kept)
}

/// All that `wide` says, `narrow` says as well.
fn within(wide: &[u32], narrow: &[u32]) -> bool {
    wide.iter().zip(narrow).all(|(a, b)| *a == ANY || a == b)
}
