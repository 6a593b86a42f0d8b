//! Shapes laid over each other: unions and intersections of regions and lines on a sphere.
//!
//! Edges are cut where they meet; each piece is in the result or not by what its middle is in; the pieces are then joined to
//! rings with the inside on their left. Shapes are closed: where two only touch, they have points or lines in common. Rings
//! begin and follow each other in the order in which the shapes' edges were given, as the reference's geometry library has
//! them.
//!
//! Source: Kusto Query Language reference, `geo_intersection_*()`, `geo_union_*()`.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::s2;
use super::sphere::{Edge, Point, Polygon, Ring};

/// Nearer than this, as an angle, two points are one; some hundredths of a micrometer.
const SAME: f64 = 4e-15;

/// A point by its bits.
type Key = [u64; 3];

fn key(point: Point) -> Key {
    let (x, y, z) = point.xyz();
    // both zeros are one
    [x + 0.0, y + 0.0, z + 0.0].map(f64::to_bits)
}

fn undirected(edge: Edge) -> (Key, Key) {
    let (a, b) = (key(edge.a), key(edge.b));
    if a < b { (a, b) } else { (b, a) }
}

/// What two regions are combined to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Combine {
    /// Points of either
    Union,
    /// Points of both
    Intersection,
}

/// What shapes have in common.
#[derive(Debug, Default)]
pub struct Common {
    /// Points that are on nothing else of it
    pub points: Vec<Point>,
    /// Lines that bound no polygon of it
    pub lines: Vec<Vec<Point>>,
    /// Regions
    pub polygons: Vec<Polygon>,
}

/// A piece of an edge, with the number of the edge.
#[derive(Debug, Clone, Copy)]
struct Piece {
    edge: Edge,
    id: usize,
}

/// Where each edge is cut by the other side's.
struct Cuts {
    points: Vec<Vec<Point>>,
}

impl Cuts {
    fn new(edges: usize) -> Cuts {
        Cuts {
            points: vec![Vec::new(); edges],
        }
    }

    fn add(&mut self, index: usize, point: Point) {
        if let Some(points) = self.points.get_mut(index) {
            points.push(point);
        }
    }

    /// The pieces of all edges, in order.
    fn pieces(self, edges: &[Edge], first: usize) -> Vec<Piece> {
        let mut out = Vec::with_capacity(edges.len());
        for (index, (edge, mut points)) in edges.iter().zip(self.points).enumerate() {
            points.sort_by(|a, b| edge.a.angle(*a).total_cmp(&edge.a.angle(*b)));
            let mut from = edge.a;
            for point in points.into_iter().chain([edge.b]) {
                if key(point) != key(from) {
                    let edge = Edge { a: from, b: point };
                    out.push(Piece { edge, id: first + index });
                    from = point;
                }
            }
        }
        out
    }
}

/// Which of the two ends of an edge a point is, if it is one.
fn end_of(edge: Edge, point: Point) -> Option<Point> {
    [edge.a, edge.b].into_iter().find(|end| end.angle(point) <= SAME)
}

/// Cuts the edges of both sides where they meet. Ends of the first side that lie at ends of the second become these.
fn cut(first: &mut [Edge], second: &[Edge]) -> (Cuts, Cuts) {
    let (mut mine, mut theirs) = (Cuts::new(first.len()), Cuts::new(second.len()));
    let bounds: Vec<(Point, f64)> = second.iter().map(bound).collect();
    for edge in first.iter_mut() {
        let (middle, half) = bound(edge);
        for (other, (centre, reach)) in second.iter().zip(&bounds) {
            if middle.angle(*centre) <= half + reach + 1e-12 {
                edge.a = end_of(*other, edge.a).unwrap_or(edge.a);
                edge.b = end_of(*other, edge.b).unwrap_or(edge.b);
            }
        }
    }
    for (index, edge) in first.iter().enumerate() {
        let (middle, half) = bound(edge);
        for (at, (other, (centre, reach))) in second.iter().zip(&bounds).enumerate() {
            if middle.angle(*centre) > half + reach + 1e-12 {
                continue;
            }
            let mut touches = false;
            for end in [other.a, other.b] {
                if end_of(*edge, end).is_some() {
                    touches = true;
                } else if edge.distance(end) <= SAME {
                    mine.add(index, end);
                    touches = true;
                }
            }
            for end in [edge.a, edge.b] {
                if end_of(*other, end).is_none() && other.distance(end) <= SAME {
                    theirs.add(at, end);
                    touches = true;
                }
            }
            if !touches && edge.crosses(*other) {
                let point = edge.crossing(*other);
                mine.add(index, point);
                theirs.add(at, point);
            }
        }
    }
    (mine, theirs)
}

/// A circle around an edge.
fn bound(edge: &Edge) -> (Point, f64) {
    (edge.middle(), edge.angle() / 2.0)
}

fn inside(polygons: &[Polygon], point: Point) -> bool {
    polygons.iter().any(|polygon| polygon.contains(point))
}

fn all_edges(polygons: &[Polygon]) -> Vec<Edge> {
    polygons.iter().flat_map(Polygon::edges).collect()
}

/// Two regions, each of polygons that do not overlap, as one; `None` when the arithmetic does not tell inside from outside.
pub fn combine(first: &[Polygon], second: &[Polygon], how: Combine) -> Option<Common> {
    let (mut a, b) = (all_edges(first), all_edges(second));
    let (mine, theirs) = cut(&mut a, &b);
    let (mine, theirs) = (mine.pieces(&a, 0), theirs.pieces(&b, a.len()));
    let known: HashMap<(Key, Key), Edge> = theirs.iter().map(|piece| (undirected(piece.edge), piece.edge)).collect();
    let shared: HashSet<(Key, Key)> = mine
        .iter()
        .map(|piece| undirected(piece.edge))
        .filter(|key| known.contains_key(key))
        .collect();
    let wanted = how == Combine::Intersection;
    let mut kept: Vec<Piece> = Vec::new();
    let mut touching: Vec<Edge> = Vec::new();
    for piece in &mine {
        match known.get(&undirected(piece.edge)) {
            // the insides are on the same side
            Some(other) if key(other.a) == key(piece.edge.a) => kept.push(*piece),
            Some(_) => touching.push(piece.edge),
            None if inside(second, piece.edge.middle()) == wanted => kept.push(*piece),
            None => {}
        }
    }
    for piece in &theirs {
        if !shared.contains(&undirected(piece.edge)) && inside(first, piece.edge.middle()) == wanted {
            kept.push(*piece);
        }
    }
    let mut common = Common {
        polygons: polygons(rings(kept)?)?,
        ..Common::default()
    };
    if wanted {
        common.lines = chains(touching);
        let ends: HashSet<Key> = theirs.iter().flat_map(|piece| [key(piece.edge.a), key(piece.edge.b)]).collect();
        let points = mine.iter().map(|piece| piece.edge.a).filter(|point| ends.contains(&key(*point)));
        common.points = alone(points, &common);
    }
    Some(common)
}

/// Points, each once, that are no corners of the lines and polygons.
fn alone(points: impl Iterator<Item = Point>, common: &Common) -> Vec<Point> {
    let mut seen: HashSet<Key> = common.lines.iter().flatten().map(|point| key(*point)).collect();
    for edge in all_edges(&common.polygons) {
        seen.insert(key(edge.a));
    }
    points.filter(|point| seen.insert(key(*point))).collect()
}

/// Any number of polygons, which may overlap, as one region. The two with the fewest corners are united first.
pub fn union(polygons: Vec<Polygon>) -> Option<Vec<Polygon>> {
    let mut queue: BTreeMap<(usize, usize), Vec<Polygon>> = BTreeMap::new();
    let mut number = 0;
    for polygon in polygons {
        queue.insert((polygon.edges().count(), number), vec![polygon]);
        number += 1;
    }
    loop {
        let ((corners, _), first) = queue.pop_first()?;
        let Some(((more, _), second)) = queue.pop_first() else {
            return Some(first);
        };
        let united = combine(&first, &second, Combine::Union)?;
        queue.insert((corners + more, number), united.polygons);
        number += 1;
    }
}

/// Pieces joined to rings; `None` when one is not closed.
fn rings(pieces: Vec<Piece>) -> Option<Vec<Vec<Piece>>> {
    let mut pieces = pieces;
    pieces.sort_by_cached_key(|piece| (s2::leaf(piece.edge.a), key(piece.edge.a), s2::leaf(piece.edge.b)));
    let mut leaving: HashMap<Key, Vec<usize>> = HashMap::new();
    for (index, piece) in pieces.iter().enumerate() {
        leaving.entry(key(piece.edge.a)).or_default().push(index);
    }
    let mut used = vec![false; pieces.len()];
    let mut out = Vec::new();
    for start in 0..pieces.len() {
        if used.get(start).copied().unwrap_or(true) {
            continue;
        }
        // The walk so far; where it comes by a corner again, a ring is complete.
        let mut walk: Vec<Piece> = Vec::new();
        let mut at = start;
        loop {
            let piece = *pieces.get(at)?;
            *used.get_mut(at)? = true;
            walk.push(piece);
            let end = key(piece.edge.b);
            if let Some(position) = walk.iter().position(|piece| key(piece.edge.a) == end) {
                out.push(walk.split_off(position));
                if walk.is_empty() {
                    break;
                }
            }
            let back = walk.last().map_or(piece.edge, |piece| piece.edge);
            let next = leaving.get(&end)?.iter().copied().filter(|index| used.get(*index) == Some(&false));
            at = next.min_by(|a, b| turn(&pieces, back, *a).total_cmp(&turn(&pieces, back, *b)))?;
        }
    }
    for ring in &mut out {
        rotate(ring);
    }
    out.retain(|ring| ring.len() > 2);
    out.sort_by_key(|ring| ring.first().map(|piece| piece.id));
    Some(out)
}

/// How far right of the way back a piece leaves: the least is the sharpest turn to the left.
fn turn(pieces: &[Piece], back: Edge, index: usize) -> f64 {
    let Some(piece) = pieces.get(index) else {
        return f64::INFINITY;
    };
    let turn = back.b.turn(back.a, piece.edge.b);
    if turn <= 0.0 { turn + std::f64::consts::TAU } else { turn }
}

/// Has a ring end with the edge of the highest number.
fn rotate(ring: &mut [Piece]) {
    let (mut last, mut gap) = (0, false);
    let ids: Vec<usize> = ring.iter().map(|piece| piece.id).collect();
    let highest = |index: usize| ids.get(index).copied().unwrap_or(0);
    for index in 1..ids.len() {
        match highest(index).cmp(&highest(last)) {
            std::cmp::Ordering::Less => gap = true,
            std::cmp::Ordering::Equal if gap => {}
            _ => {
                last = index;
                gap = false;
            }
        }
    }
    if !ring.is_empty() {
        let by = (last + 1) % ring.len();
        ring.rotate_left(by);
    }
}

/// Rings as polygons: those around a region, each with the holes in it.
fn polygons(rings: Vec<Vec<Piece>>) -> Option<Vec<Polygon>> {
    let rings: Vec<Ring> = rings
        .into_iter()
        .map(|ring| Ring::oriented(ring.into_iter().map(|piece| piece.edge).collect()))
        .collect();
    let (shells, holes): (Vec<Ring>, Vec<Ring>) = rings.into_iter().partition(Ring::is_shell);
    let mut out: Vec<Polygon> = shells.into_iter().map(Polygon::of_shell).collect();
    for hole in holes {
        let hole = hole.reversed();
        let point = hole.middle()?;
        let around = out.iter_mut().filter(|polygon| polygon.shell_contains(point));
        let smallest = around.min_by(|a, b| a.shell_area().total_cmp(&b.shell_area()))?;
        smallest.add_hole(hole);
    }
    Some(out)
}

/// Edges joined to lines, each as long as its corners have no other way to go.
pub fn chains(edges: Vec<Edge>) -> Vec<Vec<Point>> {
    let mut leaving: HashMap<Key, Vec<usize>> = HashMap::new();
    let mut arriving: HashMap<Key, usize> = HashMap::new();
    for (index, edge) in edges.iter().enumerate() {
        leaving.entry(key(edge.a)).or_default().push(index);
        *arriving.entry(key(edge.b)).or_default() += 1;
    }
    let plain = |point: Point| leaving.get(&key(point)).map_or(0, Vec::len) == 1 && arriving.get(&key(point)) == Some(&1);
    let mut used = vec![false; edges.len()];
    let mut out = Vec::new();
    // first from corners where lines begin, then around what is left
    for around in [false, true] {
        for start in 0..edges.len() {
            let Some(edge) = edges.get(start) else { continue };
            if used.get(start) != Some(&false) || (!around && plain(edge.a)) {
                continue;
            }
            let mut line = vec![edge.a, edge.b];
            if let Some(slot) = used.get_mut(start) {
                *slot = true;
            }
            while let Some(last) = line.last().copied().filter(|last| plain(*last)) {
                let next = leaving.get(&key(last)).and_then(|next| next.first()).copied();
                let Some(index) = next.filter(|index| used.get(*index) == Some(&false)) else {
                    break;
                };
                if let (Some(slot), Some(edge)) = (used.get_mut(index), edges.get(index)) {
                    *slot = true;
                    line.push(edge.b);
                }
            }
            out.push(line);
        }
    }
    out
}

/// What lines have in common with lines.
pub fn lines_with_lines(first: &[Edge], second: &[Edge]) -> Common {
    let mut a = first.to_vec();
    let (mine, theirs) = cut(&mut a, second);
    let (mine, theirs) = (mine.pieces(&a, 0), theirs.pieces(second, 0));
    let known: HashSet<(Key, Key)> = theirs.iter().map(|piece| undirected(piece.edge)).collect();
    let shared = mine
        .iter()
        .map(|piece| piece.edge)
        .filter(|edge| known.contains(&undirected(*edge)));
    let mut common = Common {
        lines: chains(shared.collect()),
        ..Common::default()
    };
    let ends: HashSet<Key> = theirs.iter().flat_map(|piece| [key(piece.edge.a), key(piece.edge.b)]).collect();
    let points = mine.iter().flat_map(|piece| [piece.edge.a, piece.edge.b]);
    common.points = alone(points.filter(|point| ends.contains(&key(*point))), &common);
    common
}

/// What lines have in common with a region.
pub fn lines_with_polygons(lines: &[Edge], polygons: &[Polygon]) -> Common {
    let mut a = lines.to_vec();
    let borders = all_edges(polygons);
    let (mine, theirs) = cut(&mut a, &borders);
    let (mine, theirs) = (mine.pieces(&a, 0), theirs.pieces(&borders, 0));
    let known: HashSet<(Key, Key)> = theirs.iter().map(|piece| undirected(piece.edge)).collect();
    let within = |edge: &Edge| known.contains(&undirected(*edge)) || inside(polygons, edge.middle());
    let mut common = Common {
        lines: chains(mine.iter().map(|piece| piece.edge).filter(within).collect()),
        ..Common::default()
    };
    let ends: HashSet<Key> = theirs.iter().flat_map(|piece| [key(piece.edge.a), key(piece.edge.b)]).collect();
    let points = mine.iter().flat_map(|piece| [piece.edge.a, piece.edge.b]);
    common.points = alone(points.filter(|point| ends.contains(&key(*point))), &common);
    common
}
