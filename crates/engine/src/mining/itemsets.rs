//! Frequent patterns that are closed: no further column has one value in all of their rows.
//!
//! The search goes by the number of values that make a pattern: each pattern is found from the fewest that imply it, the
//! reference's "uncorrelated dimensions".
//!
//! Source: Kusto Query Language reference, "basket plugin"; Apriori's level-wise search over closed sets.

use std::collections::HashSet;

use super::encode::{ANY, Table, Weights, add, dimensions, share};
use super::{Answer, Job, Limits, Rows, long, real, rounded};

/// Patterns beyond which the search stops going deeper.
const MOST_PATTERNS: usize = 200_000;

/// A pattern with its rows.
pub(super) struct Found {
    /// A code for each column
    pub(super) pattern: Vec<u32>,
    pub(super) weights: Weights,
}

struct Node {
    pattern: Vec<u32>,
    rows: Vec<u32>,
}

/// All closed patterns that have at least this share of the rows of a side, of at most so many values that do not follow
/// from each other.
pub(super) fn closed(table: &Table, least: f64, most: usize, limits: &Limits) -> Answer<Vec<Found>> {
    let all: Vec<u32> = (0..table.len()).map(|row| u32::try_from(row).unwrap_or(u32::MAX)).collect();
    let mut seen: HashSet<Vec<u32>> = HashSet::new();
    let mut found: Vec<Found> = Vec::new();
    let root = Node {
        pattern: common(table, &all),
        rows: all,
    };
    if dimensions(&root.pattern) > 0 {
        seen.insert(root.pattern.clone());
        found.push(Found {
            pattern: root.pattern.clone(),
            weights: table.totals,
        });
    }
    let mut level = vec![root];
    for _ in 0..most.min(table.width) {
        let mut next: Vec<Node> = Vec::new();
        let mut bytes = 0;
        for node in &level {
            for (column, code, weights) in extensions(table, node, least) {
                let rows: Vec<u32> = (node.rows.iter().copied())
                    .filter(|row| table.row(*row as usize).get(column) == Some(&code))
                    .collect();
                let pattern = common(table, &rows);
                if !seen.insert(pattern.clone()) {
                    continue;
                }
                bytes += rows.len() * 4 + pattern.len() * 12 + 128;
                limits.check(bytes, "the patterns found")?;
                found.push(Found {
                    pattern: pattern.clone(),
                    weights,
                });
                next.push(Node { pattern, rows });
            }
            if found.len() >= MOST_PATTERNS {
                return Ok(found);
            }
        }
        level = next;
    }
    Ok(found)
}

/// The values that all rows have in common.
fn common(table: &Table, rows: &[u32]) -> Vec<u32> {
    let mut rows = rows.iter().map(|row| table.row(*row as usize));
    let Some(first) = rows.next() else {
        return vec![ANY; table.width];
    };
    let mut pattern = first.to_vec();
    for row in rows {
        for (mine, theirs) in pattern.iter_mut().zip(row) {
            if mine != theirs {
                *mine = ANY;
            }
        }
    }
    pattern
}

/// Values that enough of the rows have, in columns about which the pattern says nothing.
fn extensions(table: &Table, node: &Node, least: f64) -> Vec<(usize, u32, Weights)> {
    let mut out = Vec::new();
    for (column, code) in node.pattern.iter().enumerate() {
        if *code != ANY {
            continue;
        }
        let mut sums: Vec<Weights> = vec![[0.0; 2]; table.codes_of(column)];
        for row in &node.rows {
            let row = *row as usize;
            let code = table.row(row).get(column).copied().unwrap_or(ANY);
            if let Some(sum) = sums.get_mut(code as usize) {
                add(sum, table.weight(row));
            }
        }
        for (code, weights) in sums.into_iter().enumerate().skip(1) {
            if share(weights, table.totals) >= least {
                out.push((column, u32::try_from(code).unwrap_or(ANY), weights));
            }
        }
    }
    out
}

/// `basket`: those that cover most cells first.
pub(super) fn basket(job: &Job) -> Answer<Rows> {
    let (least, most) = (job.number(0), job.number(1));
    let table = Table::new(job, least, usize::MAX)?;
    let found = closed(&table, least, most as usize, &job.limits)?;
    Ok(shown(job, &table, found))
}

/// Patterns of a table as rows: number, count, percent, values.
pub(super) fn shown(job: &Job, table: &Table, mut found: Vec<Found>) -> Rows {
    let cells = |found: &Found| found.weights[0] * dimensions(&found.pattern) as f64;
    found.sort_by(|a, b| cells(b).total_cmp(&cells(a)).then_with(|| a.pattern.cmp(&b.pattern)));
    let wildcards = job.wildcards();
    let total = table.totals[0];
    let rows = found.iter().enumerate().map(|(index, found)| {
        let [count, _] = found.weights;
        let mut row = vec![long(index as f64), long(count), real(rounded(100.0 * count / total, 1))];
        row.extend(table.shown(&found.pattern, &wildcards));
        row
    });
    rows.collect()
}
