//! Shapes with fewer corners.
//!
//! Corners that are nearer to each other than the tolerance become one; then chains of edges that stay within the tolerance of
//! a straight one become it. Corners where more than two edges meet stay, and chains between them are simplified in one
//! direction, so that polygons side by side stay so.
//!
//! Source: Kusto Query Language reference, `geo_line_simplify()`, `geo_polygon_simplify()`, `geo_simplify_polygons_array()`.

use std::collections::{BTreeSet, HashMap, HashSet};

use arrow::array::ArrayRef;
use datafusion::common::Result;
use taffrail_kql::catalog::Param;
use taffrail_kql::types::Type;

use super::super::call::{Call, Reals};
use super::super::declare::{Scalar, kernel, optional};
use super::combined::{polygon_list, united, write_lines, write_polygons};
use super::sphere::{Edge, Point, Polygon, RADIUS, Ring};
use super::{s2, shapes};

use Param::Is;

const R: Param = Is(Type::Real);
const D: Param = Is(Type::Dynamic);

/// Meters, unless the query says.
const TOLERANCE: f64 = 10.0;
/// Beyond this many meters there is nothing left of any shape.
const MOST: f64 = 7_800_000.0;

/// This file's functions.
pub static FUNCTIONS: &[Scalar] = &[
    kernel(
        "geo_line_simplify",
        "geo_line_simplify(line, tolerance = 10) → dynamic",
        "A line without the corners that hardly change it.",
        optional(&[D], &[R], Type::Dynamic),
        lines,
    ),
    kernel(
        "geo_polygon_simplify",
        "geo_polygon_simplify(polygon, tolerance = 10) → dynamic",
        "A polygon without the corners that hardly change it.",
        optional(&[D], &[R], Type::Dynamic),
        |c| {
            polygons(c, shapes::polygons, |c, polygons| match polygons.len() {
                0 | 1 => Ok(polygons),
                _ => united(c, polygons),
            })
        },
    ),
    kernel(
        "geo_simplify_polygons_array",
        "geo_simplify_polygons_array(polygons, tolerance = 10) → dynamic",
        "Polygons without the corners that hardly change them; common borders stay common.",
        optional(&[D], &[R], Type::Dynamic),
        |c| polygons(c, polygon_list, |_, polygons| Ok(polygons)),
    ),
];

/// The tolerance of each row as an angle.
struct Tolerances<'a>(Option<Reals<'a>>);

impl<'a> Tolerances<'a> {
    fn new(c: &Call<'a>) -> Result<Tolerances<'a>> {
        Ok(Tolerances(if c.count() > 1 { Some(c.real(1)?) } else { None }))
    }

    fn get(&self, row: usize) -> Option<f64> {
        let tolerance = self.0.as_ref().map_or(Some(TOLERANCE), |given| given.get(row))?;
        (0.0..=MOST).contains(&tolerance).then_some(tolerance / RADIUS)
    }
}

fn lines(c: &Call<'_>) -> Result<ArrayRef> {
    let (text, tolerances) = (c.text(0)?, Tolerances::new(c)?);
    c.texts(|i, out| {
        let (lines, tolerance) = (shapes::lines(text.get(i)?)?, tolerances.get(i)?);
        let mut chains: Vec<Vec<Point>> = lines;
        if chains.len() > 1 {
            chains = super::overlay::chains(shapes::line_edges(&chains));
        }
        let simple = Corners::new(&chains, tolerance).simplified(&chains, false);
        if simple.is_empty() {
            return None;
        }
        write_lines(&simple, out);
        Some(())
    })
}

fn polygons(
    c: &Call<'_>,
    read: impl Fn(&str) -> Option<Vec<Polygon>>,
    finish: impl Fn(&Call<'_>, Vec<Polygon>) -> Result<Vec<Polygon>>,
) -> Result<ArrayRef> {
    let (text, tolerances) = (c.text(0)?, Tolerances::new(c)?);
    let mut answers = Vec::with_capacity(c.rows);
    for i in 0..c.rows {
        let row = text.get(i).and_then(&read).zip(tolerances.get(i));
        let simple = row.map(|(polygons, tolerance)| simplified(&polygons, tolerance));
        answers.push(match simple {
            Some(polygons) if !polygons.is_empty() => Some(finish(c, polygons)?),
            _ => None,
        });
    }
    c.texts(|i, out| {
        write_polygons(answers.get(i)?.as_ref()?, out);
        Some(())
    })
}

/// What is left of polygons.
fn simplified(polygons: &[Polygon], tolerance: f64) -> Vec<Polygon> {
    let rings: Vec<Vec<Vec<Point>>> = polygons.iter().map(Polygon::rings).collect();
    let all: Vec<Vec<Point>> = rings.iter().flatten().cloned().collect();
    let corners = Corners::new(&all, tolerance);
    let mut out = Vec::new();
    for rings in rings {
        let mut simple = rings.iter().map(|ring| corners.simplified(std::slice::from_ref(ring), true));
        let Some(shell) = simple.next().and_then(|mut shell| shell.pop()) else {
            continue;
        };
        let Some(shell) = Ring::new(&shell) else { continue };
        let mut polygon = Polygon::of_shell(shell);
        for hole in simple.flatten() {
            if let Some(hole) = Ring::new(&hole) {
                polygon.add_hole(hole);
            }
        }
        out.push(polygon);
    }
    out
}

/// The corners that stay apart from each other, and which of them every corner becomes.
struct Corners {
    sites: Vec<Point>,
    of: HashMap<[u64; 3], usize>,
    /// Sites where a chain cannot go on
    fixed: HashSet<usize>,
    tolerance: f64,
}

fn bits(point: Point) -> [u64; 3] {
    let (x, y, z) = point.xyz();
    [x, y, z].map(f64::to_bits)
}

impl Corners {
    fn new(chains: &[Vec<Point>], tolerance: f64) -> Corners {
        let mut points: Vec<Point> = chains.iter().flatten().copied().collect();
        points.sort_by_key(|point| (s2::leaf(*point), bits(*point)));
        points.dedup_by_key(|point| bits(*point));
        let mut sites: Vec<Point> = Vec::new();
        for point in &points {
            if sites.iter().all(|site| site.angle(*point) > tolerance) {
                sites.push(*point);
            }
        }
        let nearest = |point: &Point| {
            let places = sites.iter().enumerate();
            let nearest = places.min_by(|(_, a), (_, b)| point.angle(**a).total_cmp(&point.angle(**b)));
            nearest.map_or(0, |(index, _)| index)
        };
        let of: HashMap<[u64; 3], usize> = points.iter().map(|point| (bits(*point), nearest(point))).collect();
        let mut corners = Corners {
            sites,
            of,
            fixed: HashSet::new(),
            tolerance,
        };
        let mut beside: HashMap<usize, BTreeSet<usize>> = HashMap::new();
        for chain in chains {
            let chain = corners.snapped(chain);
            for (a, b) in chain.iter().zip(chain.iter().skip(1)) {
                beside.entry(*a).or_default().insert(*b);
                beside.entry(*b).or_default().insert(*a);
            }
        }
        corners.fixed = (beside.into_iter())
            .filter(|(_, others)| others.len() != 2)
            .map(|(site, _)| site)
            .collect();
        corners
    }

    /// The sites along a chain, none twice in a row.
    fn snapped(&self, chain: &[Point]) -> Vec<usize> {
        let mut sites: Vec<usize> = chain.iter().filter_map(|point| self.of.get(&bits(*point)).copied()).collect();
        sites.dedup();
        sites
    }

    fn point(&self, site: usize) -> Option<Point> {
        self.sites.get(site).copied()
    }

    /// Chains with fewer corners; those of which nothing is left are gone.
    fn simplified(&self, chains: &[Vec<Point>], closed: bool) -> Vec<Vec<Point>> {
        let mut out = Vec::new();
        for chain in chains {
            let mut sites = self.snapped(chain);
            if closed {
                sites.pop();
                if sites.len() < 3 {
                    continue;
                }
                // a ring is cut where it cannot go on, or at its first corner in the order of cells
                let fixed = sites.iter().position(|site| self.fixed.contains(site));
                let first = fixed.or_else(|| (0..sites.len()).min_by_key(|index| sites.get(*index)));
                let by = first.unwrap_or(0);
                sites.rotate_left(by);
                sites.extend(sites.first().copied());
                let mut kept = self.chain(&sites);
                kept.pop();
                // and begins where it began
                let start = chain.first().and_then(|point| self.of.get(&bits(*point)));
                let at = kept.iter().position(|site| Some(site) == start);
                let original = at.unwrap_or_else(|| kept.len().saturating_sub(by % kept.len().max(1)) % kept.len().max(1));
                kept.rotate_left(original);
                kept.extend(kept.first().copied());
                if kept.len() > 3 {
                    out.push(kept.into_iter().filter_map(|site| self.point(site)).collect());
                }
            } else if sites.len() > 1 {
                out.push(self.chain(&sites).into_iter().filter_map(|site| self.point(site)).collect());
            }
        }
        out
    }

    /// A chain, cut at corners where it cannot go on, each part simplified.
    fn chain(&self, sites: &[usize]) -> Vec<usize> {
        let mut out: Vec<usize> = sites.first().copied().into_iter().collect();
        let mut part = out.clone();
        let last = sites.len().saturating_sub(1);
        for (index, site) in sites.iter().enumerate().skip(1) {
            part.push(*site);
            if index == last || self.fixed.contains(site) {
                let backwards = part.first() > part.last();
                if backwards {
                    part.reverse();
                }
                let mut kept = self.straightened(&part);
                if backwards {
                    kept.reverse();
                }
                out.extend(kept.into_iter().skip(1));
                part = vec![*site];
            }
        }
        out
    }

    /// From its first corner on, each edge as long as all corners left out are near it.
    fn straightened(&self, sites: &[usize]) -> Vec<usize> {
        let mut out: Vec<usize> = sites.first().copied().into_iter().collect();
        let mut from = 0;
        while from + 1 < sites.len() {
            let mut to = from + 1;
            while to + 1 < sites.len() && self.near(sites, from, to + 1) {
                to += 1;
            }
            out.extend(sites.get(to).copied());
            from = to;
        }
        out
    }

    /// Whether the corners between two are near the edge that joins these.
    fn near(&self, sites: &[usize], from: usize, to: usize) -> bool {
        let at = |index: usize| sites.get(index).and_then(|site| self.point(*site));
        let (Some(a), Some(b)) = (at(from), at(to)) else { return false };
        if a == b || a.dot(b) < 0.0 {
            return false;
        }
        let edge = Edge { a, b };
        // and it must not turn back
        let mut along = 0.0;
        (from + 1..to).filter_map(at).all(|point| {
            let reached = a.angle(edge.nearest(point));
            let forward = reached >= along;
            along = reached;
            forward && edge.distance(point) <= self.tolerance
        })
    }
}
