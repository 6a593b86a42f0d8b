//! Graphs in memory: nodes and edges by number, and the searches over them.
//!
//! This module knows numbers only. What the nodes and edges are, and the conditions on them, is worked out by
//! `crate::lower::graph` over record batches, and comes here as masks.
//!
//! Source: Kusto Query Language reference, "Graph operators".

mod components;
mod search;
mod shortest;
#[cfg(test)]
mod tests;

pub(crate) use components::{strong, weak};
pub(crate) use search::search;
pub(crate) use shortest::shortest;

use std::sync::atomic::{AtomicBool, Ordering};

use taffrail_kql::bound::Cycles;
use taffrail_kql::syntax::ast::EdgeDirection;

/// Steps between two looks at whether somebody still waits.
const STEPS: usize = 4096;

/// Why a search ended without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GraphError {
    /// More was found than may be kept
    #[error(
        "the pattern occurs too often: what was found takes more than {0} bytes; filter nodes and edges, or allow fewer edges in '*min..max'"
    )]
    TooMany(usize),
    /// Nobody waits for the answer
    #[error("the search was stopped")]
    Stopped,
}

/// The edges of each node.
pub(crate) struct Topology {
    pub(crate) source: Vec<u32>,
    pub(crate) target: Vec<u32>,
    out: Adjacency,
    into: Adjacency,
}

/// For each node the edges at it, one after the other.
struct Adjacency {
    starts: Vec<u32>,
    edges: Vec<u32>,
}

impl Adjacency {
    fn new(nodes: usize, ends: &[u32]) -> Adjacency {
        let mut starts = vec![0_u32; nodes + 1];
        for end in ends {
            if let Some(count) = starts.get_mut(*end as usize + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut next = starts.clone();
        let mut edges = vec![0_u32; ends.len()];
        for (edge, end) in (0_u32..).zip(ends) {
            if let Some(slot) = next.get_mut(*end as usize) {
                if let Some(place) = edges.get_mut(*slot as usize) {
                    *place = edge;
                }
                *slot += 1;
            }
        }
        Adjacency { starts, edges }
    }

    fn of(&self, node: u32) -> &[u32] {
        let node = node as usize;
        let (Some(from), Some(to)) = (self.starts.get(node), self.starts.get(node + 1)) else {
            return &[];
        };
        self.edges.get(*from as usize..*to as usize).unwrap_or_default()
    }
}

impl Topology {
    /// Of edges between nodes numbered from 0.
    pub(crate) fn new(nodes: usize, source: Vec<u32>, target: Vec<u32>) -> Topology {
        let out = Adjacency::new(nodes, &source);
        let into = Adjacency::new(nodes, &target);
        Topology { source, target, out, into }
    }

    /// How many edges come in to a node, and how many go out.
    pub(crate) fn degrees(&self, node: u32) -> (usize, usize) {
        (self.into.of(node).len(), self.out.of(node).len())
    }

    /// Edges at a node and the nodes they lead to.
    fn steps(&self, node: u32, way: Way) -> impl Iterator<Item = (u32, u32)> + '_ {
        let out: &[u32] = if way == Way::Back { &[] } else { self.out.of(node) };
        let into: &[u32] = if way == Way::Along { &[] } else { self.into.of(node) };
        let forward = out.iter().filter_map(|edge| Some((*edge, *self.target.get(*edge as usize)?)));
        // An edge from a node to itself is one edge, whichever way it is taken.
        let back = into
            .iter()
            .filter_map(|edge| Some((*edge, *self.source.get(*edge as usize)?)))
            .filter(move |(_, from)| way == Way::Back || *from != node);
        forward.chain(back)
    }
}

/// Which way edges are taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Along,
    Back,
    Either,
}

impl Way {
    fn of(direction: EdgeDirection, reversed: bool) -> Way {
        match (direction, reversed) {
            (EdgeDirection::Any, _) => Way::Either,
            (EdgeDirection::Right, false) | (EdgeDirection::Left, true) => Way::Along,
            (EdgeDirection::Left, false) | (EdgeDirection::Right, true) => Way::Back,
        }
    }
}

/// Which nodes or edges will do; `None`: all.
pub(crate) type Mask = Option<Vec<bool>>;

fn allows(mask: &Mask, index: u32) -> bool {
    mask.as_ref().is_none_or(|mask| mask.get(index as usize).copied().unwrap_or(false))
}

/// An edge of a pattern.
pub(crate) struct EdgePattern {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) direction: EdgeDirection,
    /// Fewest and most edges it stands for; `None`: one, of fixed length
    pub(crate) range: Option<(u32, u32)>,
    /// Its edges
    pub(crate) edges: Mask,
    /// The nodes between its edges
    pub(crate) inner: Mask,
}

impl EdgePattern {
    fn bounds(&self) -> (u32, u32) {
        self.range.unwrap_or((1, 1))
    }
}

/// A pattern to look for.
pub(crate) struct Pattern {
    pub(crate) nodes: Vec<Mask>,
    pub(crate) edges: Vec<EdgePattern>,
    pub(crate) cycles: Cycles,
}

/// The edges that an edge of a pattern stands for, occurrence after occurrence.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Paths {
    /// Where each occurrence ends in `edges`
    pub(crate) ends: Vec<usize>,
    pub(crate) edges: Vec<u32>,
    /// Where each occurrence ends in `inner`
    pub(crate) inner_ends: Vec<usize>,
    /// Nodes between the edges
    pub(crate) inner: Vec<u32>,
}

/// Occurrences of a pattern.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Matches {
    /// How many
    pub(crate) count: usize,
    /// For each node of the pattern, the node in each occurrence
    pub(crate) nodes: Vec<Vec<u32>>,
    /// For each edge of the pattern, its edges in each occurrence
    pub(crate) paths: Vec<Paths>,
}

impl Matches {
    fn new(pattern: &Pattern) -> Matches {
        Matches {
            count: 0,
            nodes: pattern.nodes.iter().map(|_| Vec::new()).collect(),
            paths: pattern.edges.iter().map(|_| Paths::default()).collect(),
        }
    }

    /// Keeps an occurrence; `paths` go from the left of each edge of the pattern to its right.
    fn keep(&mut self, topology: &Topology, pattern: &Pattern, nodes: &[u32], paths: &[Vec<u32>]) {
        self.count += 1;
        for (column, node) in self.nodes.iter_mut().zip(nodes) {
            column.push(*node);
        }
        for ((column, path), edge) in self.paths.iter_mut().zip(paths).zip(&pattern.edges) {
            column.edges.extend(path);
            column.ends.push(column.edges.len());
            if edge.range.is_some() {
                let mut at = nodes.get(edge.from).copied().unwrap_or_default();
                let last = path.len().saturating_sub(1);
                for step in path.iter().take(last) {
                    at = topology.other_end(*step, at, edge.direction);
                    column.inner.push(at);
                }
            }
            column.inner_ends.push(column.inner.len());
        }
    }

    /// About how many bytes it takes.
    fn size(&self) -> usize {
        let paths: usize = self
            .paths
            .iter()
            .map(|path| 16 * path.ends.len() + 4 * (path.edges.len() + path.inner.len()))
            .sum();
        paths + 4 * self.count * self.nodes.len()
    }
}

impl Topology {
    fn other_end(&self, edge: u32, node: u32, direction: EdgeDirection) -> u32 {
        let source = self.source.get(edge as usize).copied().unwrap_or_default();
        let target = self.target.get(edge as usize).copied().unwrap_or_default();
        match direction {
            EdgeDirection::Right => target,
            EdgeDirection::Left => source,
            EdgeDirection::Any if source == node => target,
            EdgeDirection::Any => source,
        }
    }
}

/// What a search may use, and whether it shall go on.
pub(crate) struct Limits<'a> {
    /// Bytes of what it finds
    pub(crate) bytes: usize,
    /// Nobody waits any more
    pub(crate) stop: &'a AtomicBool,
}

impl Limits<'_> {
    fn check(&self, steps: &mut usize, matches: &Matches) -> Result<(), GraphError> {
        *steps += 1;
        if !steps.is_multiple_of(STEPS) {
            return Ok(());
        }
        if self.stop.load(Ordering::Relaxed) {
            return Err(GraphError::Stopped);
        }
        if matches.size() > self.bytes {
            return Err(GraphError::TooMany(self.bytes));
        }
        Ok(())
    }
}
