//! Shortest paths, by breadth-first search over pairs of a node and a place in the pattern.

use std::collections::HashMap;

use super::{GraphError, Limits, Matches, Pattern, Topology, Way, allows};

/// Where a path has come to: an edge of the pattern, how many edges it stands for so far, a node.
type Place = (u32, u32, u32);

/// What leads to a place on shortest paths: the place before it and the edge between.
struct Reached {
    distance: u32,
    before: Vec<(Place, Option<u32>)>,
}

/// Looks for the shortest occurrences of a pattern that is one sequence: of each pair of ends one, or all that are as short.
pub(crate) fn shortest(topology: &Topology, nodes: usize, pattern: &Pattern, all: bool, limits: Limits<'_>) -> Result<Matches, GraphError> {
    let mut matches = Matches::new(pattern);
    let mut steps = 0;
    let Some(first) = pattern.edges.first().map(|edge| edge.from) else {
        return Ok(matches);
    };
    for start in 0..u32::try_from(nodes).unwrap_or(u32::MAX) {
        if !pattern.nodes.get(first).is_some_and(|mask| allows(mask, start)) {
            continue;
        }
        let reached = explore(topology, pattern, start, &limits, &mut steps, &matches)?;
        let last = u32::try_from(pattern.edges.len()).unwrap_or(u32::MAX);
        let mut ends: Vec<Place> = reached.keys().filter(|(edge, _, _)| *edge == last).copied().collect();
        ends.sort_unstable();
        for end in ends {
            let mut trace = Trace {
                topology,
                pattern,
                reached: &reached,
                all,
                limits: &limits,
                steps: &mut steps,
                matches: &mut matches,
            };
            trace.back(end, &mut Vec::new())?;
        }
    }
    Ok(matches)
}

/// All places that paths from `start` come to, with what leads there at the least distance.
fn explore(
    topology: &Topology,
    pattern: &Pattern,
    start: u32,
    limits: &Limits<'_>,
    steps: &mut usize,
    matches: &Matches,
) -> Result<HashMap<Place, Reached>, GraphError> {
    let mut reached: HashMap<Place, Reached> = HashMap::new();
    let origin = (0, 0, start);
    reached.insert(
        origin,
        Reached {
            distance: 0,
            before: Vec::new(),
        },
    );
    let mut layer = vec![origin];
    let mut distance = 0;
    while !layer.is_empty() {
        // Places at this distance that need no further edge.
        let mut at = 0;
        while let Some(place) = layer.get(at).copied() {
            at += 1;
            let (index, count, node) = place;
            let Some(edge) = pattern.edges.get(index as usize) else { continue };
            let arrived = pattern.nodes.get(edge.to).is_some_and(|mask| allows(mask, node));
            if count >= edge.bounds().0 && arrived {
                enter(&mut reached, &mut layer, (index + 1, 0, node), distance, (place, None));
            }
        }
        let mut next = Vec::new();
        for place in layer {
            limits.check(steps, matches)?;
            let (index, count, node) = place;
            let Some(edge) = pattern.edges.get(index as usize) else { continue };
            if count >= edge.bounds().1 || count > 0 && !allows(&edge.inner, node) {
                continue;
            }
            for (step, to) in topology.steps(node, Way::of(edge.direction, false)) {
                if allows(&edge.edges, step) {
                    enter(&mut reached, &mut next, (index, count + 1, to), distance + 1, (place, Some(step)));
                }
            }
        }
        layer = next;
        distance += 1;
    }
    Ok(reached)
}

fn enter(reached: &mut HashMap<Place, Reached>, layer: &mut Vec<Place>, place: Place, distance: u32, before: (Place, Option<u32>)) {
    match reached.get_mut(&place) {
        Some(known) if known.distance == distance => known.before.push(before),
        Some(_) => {}
        None => {
            reached.insert(
                place,
                Reached {
                    distance,
                    before: vec![before],
                },
            );
            layer.push(place);
        }
    }
}

struct Trace<'a> {
    topology: &'a Topology,
    pattern: &'a Pattern,
    reached: &'a HashMap<Place, Reached>,
    all: bool,
    limits: &'a Limits<'a>,
    steps: &'a mut usize,
    matches: &'a mut Matches,
}

impl Trace<'_> {
    /// Walks from a place back to the start; `way` is what was walked, the end first. True when enough was found.
    fn back(&mut self, place: Place, way: &mut Vec<(Place, Option<u32>)>) -> Result<bool, GraphError> {
        self.limits.check(self.steps, self.matches)?;
        let Some(reached) = self.reached.get(&place) else {
            return Ok(false);
        };
        if reached.before.is_empty() {
            return Ok(self.found(place.2, way) && !self.all);
        }
        // Without all of them, the first edge of the graph decides.
        for (before, edge) in &reached.before {
            way.push((place, *edge));
            let enough = self.back(*before, way);
            way.pop();
            if enough? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn found(&mut self, start: u32, way: &[(Place, Option<u32>)]) -> bool {
        let mut nodes = vec![u32::MAX; self.pattern.nodes.len()];
        let mut paths: Vec<Vec<u32>> = self.pattern.edges.iter().map(|_| Vec::new()).collect();
        let mut set = |variable: usize, node: u32| match nodes.get_mut(variable) {
            Some(slot) if *slot == u32::MAX || *slot == node => {
                *slot = node;
                true
            }
            _ => false,
        };
        let mut fits = self.pattern.edges.first().is_some_and(|edge| set(edge.from, start));
        for ((index, _, node), edge) in way.iter().rev() {
            match edge {
                Some(edge) => {
                    if let Some(path) = paths.get_mut(*index as usize) {
                        path.push(*edge);
                    }
                }
                None => {
                    let ended = (*index as usize).checked_sub(1).and_then(|index| self.pattern.edges.get(index));
                    fits &= ended.is_some_and(|edge| set(edge.to, *node));
                }
            }
        }
        if fits {
            self.matches.keep(self.topology, self.pattern, &nodes, &paths);
        }
        fits
    }
}
