//! Searches over small graphs.

use std::sync::atomic::AtomicBool;

use taffrail_kql::bound::Cycles;
use taffrail_kql::syntax::ast::EdgeDirection;

use super::{EdgePattern, GraphError, Limits, Pattern, Topology, search, shortest, strong, weak};

/// A circle 0 → 1 → 2 → 0 and a tail 2 → 3.
fn circle() -> Topology {
    Topology::new(4, vec![0, 1, 2, 2], vec![1, 2, 0, 3])
}

fn edge(range: Option<(u32, u32)>) -> Pattern {
    Pattern {
        nodes: vec![None, None],
        edges: vec![EdgePattern {
            from: 0,
            to: 1,
            direction: EdgeDirection::Right,
            range,
            edges: None,
            inner: None,
        }],
        cycles: Cycles::UniqueEdges,
    }
}

fn found(pattern: &Pattern) -> usize {
    let stop = AtomicBool::new(false);
    let limits = Limits {
        bytes: 1 << 20,
        stop: &stop,
    };
    search(&circle(), 4, pattern, limits).unwrap().count
}

#[test]
fn cycles_decide_what_may_come_twice() {
    let mut pattern = edge(Some((1, 4)));
    // of each of 4 edges: paths of 1, 2, 3 and 4 edges without one twice
    assert_eq!(found(&pattern), 4 + 4 + 4 + 1);
    pattern.cycles = Cycles::None;
    assert_eq!(found(&pattern), 4 + 4 + 1);
    pattern.cycles = Cycles::All;
    assert_eq!(found(&pattern), 4 + 4 + 4 + 4);
}

#[test]
fn a_path_of_no_edges_is_a_node() {
    let pattern = edge(Some((0, 0)));
    assert_eq!(found(&pattern), 4);
}

#[test]
fn shortest_paths_are_one_for_each_pair_or_all() {
    // 0 → 1 → 3 and 0 → 2 → 3
    let topology = Topology::new(4, vec![0, 0, 1, 2], vec![1, 2, 3, 3]);
    let stop = AtomicBool::new(false);
    let limits = || Limits {
        bytes: 1 << 20,
        stop: &stop,
    };
    let mut pattern = edge(Some((1, 5)));
    pattern.nodes = vec![Some(vec![true, false, false, false]), Some(vec![false, false, false, true])];
    let one = shortest(&topology, 4, &pattern, false, limits()).unwrap();
    assert_eq!(one.count, 1);
    let all = shortest(&topology, 4, &pattern, true, limits()).unwrap();
    assert_eq!(
        (all.count, all.paths[0].edges.clone(), all.paths[0].inner.clone()),
        (2, vec![0, 2, 1, 3], vec![1, 2])
    );
}

#[test]
fn components() {
    assert_eq!(weak(&circle(), 5), [0, 0, 0, 0, 1]);
    assert_eq!(strong(&circle(), 4), [0, 0, 0, 1]);
}

#[test]
fn a_search_keeps_to_its_limit() {
    let n: u32 = 40;
    let pairs = (0..n).flat_map(|a| (0..n).map(move |b| (a, b)));
    let (source, target) = pairs.unzip();
    let topology = Topology::new(40, source, target);
    let stop = AtomicBool::new(false);
    let limits = Limits { bytes: 1000, stop: &stop };
    assert_eq!(search(&topology, 40, &edge(Some((1, 5))), limits), Err(GraphError::TooMany(1000)));
}
