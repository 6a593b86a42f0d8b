//! All occurrences of a pattern, by depth-first search from its most selective node.

use taffrail_kql::bound::Cycles;

use super::{GraphError, Limits, Matches, Pattern, Topology, Way, allows};

/// A node of the pattern that stands for none yet.
const FREE: u32 = u32::MAX;

/// An edge of the pattern, in the order in which it is matched.
#[derive(Clone, Copy)]
struct Step {
    edge: usize,
    /// It is walked from its right to its left
    reversed: bool,
}

struct Search<'a> {
    topology: &'a Topology,
    pattern: &'a Pattern,
    limits: Limits<'a>,
    order: Vec<Step>,
    nodes: Vec<u32>,
    paths: Vec<Vec<u32>>,
    /// How often an edge, and a node, is in the occurrence at hand
    used_edges: Vec<bool>,
    used_nodes: Vec<bool>,
    matches: Matches,
    steps: usize,
}

/// Looks for a pattern among `nodes` nodes.
pub(crate) fn search(topology: &Topology, nodes: usize, pattern: &Pattern, limits: Limits<'_>) -> Result<Matches, GraphError> {
    let candidates = |index: usize| match pattern.nodes.get(index) {
        Some(Some(mask)) => mask.iter().filter(|fits| **fits).count(),
        _ => nodes,
    };
    let Some(first) = (0..pattern.nodes.len()).min_by_key(|index| candidates(*index)) else {
        return Ok(Matches::new(pattern));
    };
    let mut search = Search {
        topology,
        pattern,
        limits,
        order: order(pattern, first),
        nodes: vec![FREE; pattern.nodes.len()],
        paths: pattern.edges.iter().map(|_| Vec::new()).collect(),
        used_edges: vec![false; topology.source.len()],
        used_nodes: vec![false; nodes],
        matches: Matches::new(pattern),
        steps: 0,
    };
    for start in 0..u32::try_from(nodes).unwrap_or(u32::MAX) {
        if search.bind(first, start) {
            search.step(0)?;
            search.release(first, start);
        }
    }
    Ok(search.matches)
}

/// Edges of the pattern so that each is at a node that is bound by then; those that only close a circle first.
fn order(pattern: &Pattern, first: usize) -> Vec<Step> {
    let mut bound = vec![false; pattern.nodes.len()];
    let set = |bound: &mut Vec<bool>, node: usize| {
        if let Some(slot) = bound.get_mut(node) {
            *slot = true;
        }
    };
    set(&mut bound, first);
    let is = |bound: &[bool], node: usize| bound.get(node).copied().unwrap_or(false);
    let mut left: Vec<usize> = (0..pattern.edges.len()).collect();
    let mut order = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let rank = |index: usize| {
            let Some(edge) = pattern.edges.get(index) else { return 9 };
            match (is(&bound, edge.from), is(&bound, edge.to)) {
                (true, true) => u8::from(edge.range.is_some()),
                (true, false) | (false, true) => 2 + u8::from(edge.range.is_some()),
                (false, false) => 8,
            }
        };
        let Some(position) = (0..left.len()).min_by_key(|position| left.get(*position).map_or(9, |edge| rank(*edge))) else {
            break;
        };
        let edge = left.remove(position);
        let Some(pattern) = pattern.edges.get(edge) else { break };
        order.push(Step {
            edge,
            reversed: !is(&bound, pattern.from),
        });
        set(&mut bound, pattern.from);
        set(&mut bound, pattern.to);
    }
    order
}

impl Search<'_> {
    /// Lets a node of the pattern stand for a node, if it may.
    fn bind(&mut self, variable: usize, node: u32) -> bool {
        if !self.pattern.nodes.get(variable).is_some_and(|mask| allows(mask, node)) {
            return false;
        }
        let Some(used) = self.used_nodes.get_mut(node as usize) else {
            return false;
        };
        if self.pattern.cycles == Cycles::None && *used {
            return false;
        }
        *used = true;
        if let Some(slot) = self.nodes.get_mut(variable) {
            *slot = node;
        }
        true
    }

    fn release(&mut self, variable: usize, node: u32) {
        if let Some(slot) = self.nodes.get_mut(variable) {
            *slot = FREE;
        }
        if let Some(used) = self.used_nodes.get_mut(node as usize) {
            *used = false;
        }
    }

    fn node(&self, variable: usize) -> u32 {
        self.nodes.get(variable).copied().unwrap_or(FREE)
    }

    /// Matches the edges of the pattern from this one on.
    fn step(&mut self, position: usize) -> Result<(), GraphError> {
        let Some(step) = self.order.get(position).copied() else {
            self.found();
            return Ok(());
        };
        let pattern = self.pattern;
        let Some(edge) = pattern.edges.get(step.edge) else {
            return Ok(());
        };
        let (from, to) = if step.reversed {
            (edge.to, edge.from)
        } else {
            (edge.from, edge.to)
        };
        let start = self.node(from);
        self.walk(position, step, start, to)
    }

    /// Goes on along an edge of the pattern from `node`, where it has come to.
    fn walk(&mut self, position: usize, step: Step, node: u32, to: usize) -> Result<(), GraphError> {
        self.limits.check(&mut self.steps, &self.matches)?;
        let pattern = self.pattern;
        let topology = self.topology;
        let Some(edge) = pattern.edges.get(step.edge) else {
            return Ok(());
        };
        let (least, most) = edge.bounds();
        let length = self.paths.get(step.edge).map_or(0, Vec::len);
        if length >= least as usize {
            self.arrive(position, node, to, length)?;
        }
        if length >= most as usize {
            return Ok(());
        }
        let between = length > 0;
        if between && !allows(&edge.inner, node) {
            return Ok(());
        }
        // A node between two edges is in the occurrence as well.
        let only_once = pattern.cycles == Cycles::None && between;
        if only_once {
            match self.used_nodes.get_mut(node as usize) {
                Some(used) if !*used => *used = true,
                _ => return Ok(()),
            }
        }
        for (next, reached) in topology.steps(node, Way::of(edge.direction, step.reversed)) {
            if !allows(&edge.edges, next) {
                continue;
            }
            match self.used_edges.get_mut(next as usize) {
                Some(used) if *used && pattern.cycles != Cycles::All => continue,
                Some(used) => *used = true,
                None => continue,
            }
            if let Some(path) = self.paths.get_mut(step.edge) {
                path.push(next);
            }
            let result = self.walk(position, step, reached, to);
            if let Some(path) = self.paths.get_mut(step.edge) {
                path.pop();
            }
            if let Some(used) = self.used_edges.get_mut(next as usize) {
                *used = false;
            }
            result?;
        }
        if only_once && let Some(used) = self.used_nodes.get_mut(node as usize) {
            *used = false;
        }
        Ok(())
    }

    /// The edge of the pattern ends at `node`.
    fn arrive(&mut self, position: usize, node: u32, to: usize, length: usize) -> Result<(), GraphError> {
        let bound = self.node(to);
        if bound != FREE {
            let circle = self.pattern.cycles == Cycles::None && length > 0;
            return if bound == node && !circle {
                self.step(position + 1)
            } else {
                Ok(())
            };
        }
        if length == 0 {
            // No edge at all: both ends are one node.
            if !self.pattern.nodes.get(to).is_some_and(|mask| allows(mask, node)) {
                return Ok(());
            }
            if let Some(slot) = self.nodes.get_mut(to) {
                *slot = node;
            }
            let result = self.step(position + 1);
            if let Some(slot) = self.nodes.get_mut(to) {
                *slot = FREE;
            }
            return result;
        }
        if !self.bind(to, node) {
            return Ok(());
        }
        let result = self.step(position + 1);
        self.release(to, node);
        result
    }

    fn found(&mut self) {
        let mut paths = self.paths.clone();
        for step in self.order.iter().filter(|step| step.reversed) {
            if let Some(path) = paths.get_mut(step.edge) {
                path.reverse();
            }
        }
        self.matches.keep(self.topology, self.pattern, &self.nodes, &paths);
    }
}
