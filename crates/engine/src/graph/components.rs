//! Connected components.

use super::{Topology, Way};

/// Numbers components from 0 in the order of their first nodes.
fn numbered(roots: &[u32]) -> Vec<i64> {
    let mut numbers = std::collections::HashMap::new();
    roots
        .iter()
        .map(|root| {
            let next = i64::try_from(numbers.len()).unwrap_or(i64::MAX);
            *numbers.entry(*root).or_insert(next)
        })
        .collect()
}

/// For each node its component; the directions of edges do not matter.
pub(crate) fn weak(topology: &Topology, nodes: usize) -> Vec<i64> {
    let none = u32::MAX;
    let mut roots = vec![none; nodes];
    for start in 0..u32::try_from(nodes).unwrap_or(u32::MAX) {
        if roots.get(start as usize) != Some(&none) {
            continue;
        }
        let mut open = vec![start];
        while let Some(node) = open.pop() {
            match roots.get_mut(node as usize) {
                Some(root) if *root == none => *root = start,
                _ => continue,
            }
            open.extend(topology.steps(node, Way::Either).map(|(_, to)| to));
        }
    }
    numbered(&roots)
}

/// For each node its component: nodes that reach each other along the edges.
pub(crate) fn strong(topology: &Topology, nodes: usize) -> Vec<i64> {
    // Kosaraju: the order in which nodes are finished, then components against the edges in the reverse order.
    let mut seen = vec![false; nodes];
    let mut finished = Vec::with_capacity(nodes);
    for start in 0..u32::try_from(nodes).unwrap_or(u32::MAX) {
        let mut open = vec![(start, false)];
        while let Some((node, done)) = open.pop() {
            if done {
                finished.push(node);
                continue;
            }
            match seen.get_mut(node as usize) {
                Some(seen) if !*seen => *seen = true,
                _ => continue,
            }
            open.push((node, true));
            open.extend(topology.steps(node, Way::Along).map(|(_, to)| (to, false)));
        }
    }
    let none = u32::MAX;
    let mut roots = vec![none; nodes];
    for start in finished.into_iter().rev() {
        let mut open = vec![start];
        while let Some(node) = open.pop() {
            match roots.get_mut(node as usize) {
                Some(root) if *root == none => *root = start,
                _ => continue,
            }
            open.extend(topology.steps(node, Way::Back).map(|(_, to)| to));
        }
    }
    numbered(&roots)
}
