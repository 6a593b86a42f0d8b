//! Geometry on a sphere: points as unit vectors, edges as shortest arcs, rings as the smaller of the two regions they
//! divide the sphere into.
//!
//! Source: Kusto Query Language reference, "Geospatial functions" (polygon and line definitions, sphere as the datum).

use std::f64::consts::PI;

/// The radius, in meters, the reference measures with.
pub const RADIUS: f64 = 6_371_010.0;

/// Nearer than this (in radians, some micrometers) a point is on an edge, for the decisions that would be noise.
const ON_EDGE: f64 = 1e-12;

/// A direction from the centre of the sphere.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    x: f64,
    y: f64,
    z: f64,
}

impl Point {
    /// At a longitude and a latitude in degrees.
    pub fn new(longitude: f64, latitude: f64) -> Point {
        let (longitude, latitude) = (longitude.to_radians(), latitude.to_radians());
        Point {
            x: latitude.cos() * longitude.cos(),
            y: latitude.cos() * longitude.sin(),
            z: latitude.sin(),
        }
    }

    /// In the direction of three coordinates.
    pub fn towards_xyz(x: f64, y: f64, z: f64) -> Point {
        Point { x, y, z }.unit()
    }

    /// The three coordinates.
    pub fn xyz(self) -> (f64, f64, f64) {
        (self.x, self.y, self.z)
    }

    /// Longitude and latitude in degrees.
    pub fn degrees(self) -> (f64, f64) {
        (self.y.atan2(self.x).to_degrees(), self.z.atan2(self.x.hypot(self.y)).to_degrees())
    }

    pub(super) fn dot(self, other: Point) -> f64 {
        self.x * other.x + self.y * other.y + self.z * other.z
    }

    pub(super) fn cross(self, other: Point) -> Point {
        Point {
            x: self.y * other.z - self.z * other.y,
            y: self.z * other.x - self.x * other.z,
            z: self.x * other.y - self.y * other.x,
        }
    }

    pub(super) fn plus(self, other: Point, times: f64) -> Point {
        Point {
            x: self.x + other.x * times,
            y: self.y + other.y * times,
            z: self.z + other.z * times,
        }
    }

    fn length(self) -> f64 {
        self.dot(self).sqrt()
    }

    pub(super) fn unit(self) -> Point {
        let length = self.length();
        Point {
            x: self.x / length,
            y: self.y / length,
            z: self.z / length,
        }
    }

    /// The angle between two directions; exact for near ones too.
    pub fn angle(self, other: Point) -> f64 {
        self.cross(other).length().atan2(self.dot(other))
    }

    /// The angle at this point, clockwise, from the direction of one point to that of another.
    pub fn turn(self, from: Point, to: Point) -> f64 {
        let (from, to) = (self.cross(from), self.cross(to));
        (-self.dot(from.cross(to))).atan2(from.dot(to)).rem_euclid(2.0 * PI)
    }

    /// The point at an angle from this one, in a direction clockwise from north.
    pub fn at(self, direction: f64, angle: f64) -> Point {
        let across = self.x.hypot(self.y);
        // at a pole, every direction is as good
        let (x, y) = if across > 0.0 {
            (self.x / across, self.y / across)
        } else {
            (1.0, 0.0)
        };
        let east = Point { x: -y, y: x, z: 0.0 };
        let north = self.cross(east);
        let (sin, cos) = angle.sin_cos();
        let zero = Point { x: 0.0, y: 0.0, z: 0.0 };
        zero.plus(self, cos)
            .plus(north, sin * direction.cos())
            .plus(east, sin * direction.sin())
            .unit()
    }

    /// The point a fraction of the way along the shortest arc.
    pub fn towards(self, other: Point, fraction: f64) -> Point {
        let whole = self.angle(other);
        if whole == 0.0 {
            return self;
        }
        let sum = Point { x: 0.0, y: 0.0, z: 0.0 };
        sum.plus(self, ((1.0 - fraction) * whole).sin())
            .plus(other, (fraction * whole).sin())
            .unit()
    }
}

/// A shortest arc.
#[derive(Debug, Clone, Copy)]
pub struct Edge {
    /// From
    pub a: Point,
    /// To
    pub b: Point,
}

impl Edge {
    /// Across the edge: twice the difference times the sum is more exact for short edges than the plain product.
    pub(super) fn normal(self) -> Point {
        let sum = self.a.plus(self.b, 1.0);
        let difference = self.b.plus(self.a, -1.0);
        sum.cross(difference)
    }

    /// How long it is, as an angle.
    pub fn angle(self) -> f64 {
        self.a.angle(self.b)
    }

    pub(super) fn middle(self) -> Point {
        self.a.plus(self.b, 1.0).unit()
    }

    fn reversed(self) -> Edge {
        Edge { a: self.b, b: self.a }
    }

    /// The shortest angle from a point to the edge.
    pub fn distance(self, point: Point) -> f64 {
        let normal = self.normal().unit();
        let beside = normal.cross(self.a).dot(point) > 0.0 && self.b.cross(normal).dot(point) > 0.0;
        if beside {
            normal.dot(point).abs().clamp(0.0, 1.0).asin()
        } else {
            point.angle(self.a).min(point.angle(self.b))
        }
    }

    /// The nearest point of the edge.
    pub fn nearest(self, point: Point) -> Point {
        let normal = self.normal().unit();
        let beside = normal.cross(self.a).dot(point) > 0.0 && self.b.cross(normal).dot(point) > 0.0;
        if beside {
            point.plus(normal, -normal.dot(point)).unit()
        } else if point.angle(self.a) <= point.angle(self.b) {
            self.a
        } else {
            self.b
        }
    }

    /// Whether two edges cross; an end on the other edge counts for one side only.
    pub(super) fn crosses(self, other: Edge) -> bool {
        let (mine, theirs) = (self.normal(), other.normal());
        let first = mine.dot(other.a) < 0.0;
        first != (mine.dot(other.b) < 0.0) && (theirs.dot(self.b) < 0.0) == first && (theirs.dot(self.a) < 0.0) != first
    }

    fn shares_end(self, other: Edge) -> bool {
        self.a == other.a || self.a == other.b || self.b == other.a || self.b == other.b
    }

    fn same(self, other: Edge) -> bool {
        self.a == other.a && self.b == other.b
    }

    /// Whether two lines' edges meet.
    pub fn meets(self, other: Edge) -> bool {
        self.shares_end(other) || self.crosses(other)
    }

    /// The point where two crossing edges meet.
    pub(super) fn crossing(self, other: Edge) -> Point {
        let at = self.normal().cross(other.normal()).unit();
        if at.dot(self.middle()) < 0.0 { at.plus(at, -2.0) } else { at }
    }
}

/// The shortest arcs along points.
pub fn edges(points: &[Point]) -> impl Iterator<Item = Edge> + '_ {
    points.iter().zip(points.iter().skip(1)).map(|(a, b)| Edge { a: *a, b: *b })
}

/// The nearest point of edges.
pub fn nearest(edges: impl Iterator<Item = Edge>, point: Point) -> Option<Point> {
    edges
        .map(|edge| edge.nearest(point))
        .min_by(|a, b| point.angle(*a).total_cmp(&point.angle(*b)))
}

/// The area left of a closed chain of edges, up to whole spheres.
fn area_left(edges: &[Edge]) -> f64 {
    let Some(first) = edges.first() else { return 0.0 };
    let origin = first.a;
    edges
        .iter()
        .map(|edge| {
            let volume = origin.dot(edge.a.plus(origin, -1.0).cross(edge.b.plus(origin, -1.0)));
            2.0 * volume.atan2(1.0 + origin.dot(edge.a) + edge.a.dot(edge.b) + edge.b.dot(origin))
        })
        .sum()
}

/// A closed chain of edges with the region on its left.
#[derive(Debug, Clone)]
pub struct Ring {
    edges: Vec<Edge>,
}

impl Ring {
    /// The smaller of the two regions; `None` when the points are no ring: fewer than three different ones, not closed,
    /// one twice, edges that cross.
    pub fn new(points: &[Point]) -> Option<Ring> {
        let (first, last) = (points.first()?, points.last()?);
        if points.len() < 4 || first != last {
            return None;
        }
        let mut seen = std::collections::HashSet::new();
        let distinct = points
            .iter()
            .skip(1)
            .all(|point| seen.insert([point.x.to_bits(), point.y.to_bits(), point.z.to_bits()]));
        let mut edges: Vec<Edge> = edges(points).collect();
        if !distinct || edges.iter().any(|edge| edge.a.dot(edge.b) < -1.0 + 1e-15) {
            return None;
        }
        for (at, edge) in edges.iter().enumerate() {
            if edges
                .iter()
                .skip(at + 1)
                .any(|other| !edge.shares_end(*other) && edge.crosses(*other))
            {
                return None;
            }
        }
        if area_left(&edges).rem_euclid(4.0 * PI) > 2.0 * PI {
            // the last edge stays the last
            edges = edges.into_iter().rev().map(Edge::reversed).collect();
            edges.rotate_left(1);
        }
        Some(Ring { edges })
    }

    /// Edges that are closed, with the region on their left.
    pub fn oriented(edges: Vec<Edge>) -> Ring {
        Ring { edges }
    }

    /// Whether the region is the smaller one.
    pub fn is_shell(&self) -> bool {
        area_left(&self.edges).rem_euclid(4.0 * PI) <= 2.0 * PI
    }

    /// The region on the other side.
    pub fn reversed(&self) -> Ring {
        Ring {
            edges: self.edges.iter().rev().map(|edge| edge.reversed()).collect(),
        }
    }

    /// A point of the border.
    pub fn middle(&self) -> Option<Point> {
        self.edges.first().map(|edge| edge.middle())
    }

    /// The corners, the first again at the end.
    fn points(&self) -> Vec<Point> {
        let first = self.edges.first().map(|edge| edge.a);
        self.edges.iter().map(|edge| edge.a).chain(first).collect()
    }

    /// Crossings of an arc to the middle of one edge, and on which side of that edge the arc arrives.
    fn contains(&self, point: Point) -> bool {
        let side = |edge: &Edge| edge.normal().unit().dot(point);
        let Some((at, target)) = self
            .edges
            .iter()
            .enumerate()
            .max_by(|(_, a), (_, b)| side(a).abs().total_cmp(&side(b).abs()))
        else {
            return false;
        };
        let arc = Edge {
            a: point,
            b: target.middle(),
        };
        let crossings = self
            .edges
            .iter()
            .enumerate()
            .filter(|(index, edge)| *index != at && arc.crosses(**edge))
            .count();
        (side(target) > 0.0) == (crossings % 2 == 0)
    }
}

/// A shell without its holes.
#[derive(Debug, Clone)]
pub struct Polygon {
    shell: Ring,
    holes: Vec<Ring>,
}

impl Polygon {
    /// Of a shell and holes; `None` when the rings cross or share edges.
    pub fn new(mut rings: Vec<Ring>) -> Option<Polygon> {
        for (at, ring) in rings.iter().enumerate() {
            for other in rings.iter().skip(at + 1) {
                let meet = |a: &Edge, b: &Edge| a.same(*b) || a.same(b.reversed()) || (!a.shares_end(*b) && a.crosses(*b));
                if ring.edges.iter().any(|a| other.edges.iter().any(|b| meet(a, b))) {
                    return None;
                }
            }
        }
        if rings.is_empty() {
            return None;
        }
        let shell = rings.remove(0);
        Some(Polygon { shell, holes: rings })
    }

    /// Of one ring.
    pub fn of_shell(shell: Ring) -> Polygon {
        Polygon { shell, holes: Vec::new() }
    }

    /// Whether a point is within the shell, perhaps in a hole.
    pub fn shell_contains(&self, point: Point) -> bool {
        self.shell.contains(point)
    }

    /// The area within the shell, on a unit sphere.
    pub fn shell_area(&self) -> f64 {
        area(&self.shell.edges)
    }

    /// One hole more; its region is what is left out.
    pub fn add_hole(&mut self, hole: Ring) {
        self.holes.push(hole);
    }

    /// The corners of the shell, then of the holes; the inside is on the left.
    pub fn rings(&self) -> Vec<Vec<Point>> {
        let holes = self.holes.iter().map(|hole| hole.reversed().points());
        std::iter::once(self.shell.points()).chain(holes).collect()
    }

    /// Edges with the inside on their left.
    fn boundary(&self) -> impl Iterator<Item = Edge> + '_ {
        let holes = self.holes.iter().flat_map(|ring| ring.edges.iter().map(|edge| edge.reversed()));
        self.shell.edges.iter().copied().chain(holes)
    }

    /// All edges, in no order.
    pub fn edges(&self) -> impl Iterator<Item = Edge> + '_ {
        self.boundary()
    }

    /// Whether a point is inside.
    pub fn contains(&self, point: Point) -> bool {
        self.shell.contains(point) && !self.holes.iter().any(|hole| hole.contains(point))
    }

    /// The angle to the nearest point of it.
    pub fn distance(&self, point: Point) -> f64 {
        if self.contains(point) {
            return 0.0;
        }
        self.boundary().map(|edge| edge.distance(point)).fold(f64::INFINITY, f64::min)
    }

    /// The nearest point of the border.
    pub fn nearest(&self, point: Point) -> Option<Point> {
        nearest(self.boundary(), point)
    }

    fn on_boundary(&self, point: Point) -> bool {
        self.boundary().any(|edge| edge.distance(point) < ON_EDGE)
    }

    /// Whether the insides of two polygons have a point in common.
    pub fn intersects(&self, other: &Polygon) -> bool {
        let crossing = self.boundary().any(|mine| {
            other
                .boundary()
                .any(|theirs| mine.same(theirs) || (!mine.shares_end(theirs) && mine.crosses(theirs)))
        });
        let within = |inner: &Polygon, outer: &Polygon| {
            inner
                .boundary()
                .map(Edge::middle)
                .any(|point| !outer.on_boundary(point) && outer.contains(point))
        };
        crossing || within(self, other) || within(other, self)
    }

    /// Whether a line has a point inside.
    pub fn meets_line(&self, line: &[Point]) -> bool {
        line.iter().any(|point| self.contains(*point)) || edges(line).any(|edge| self.boundary().any(|side| side.crosses(edge)))
    }
}

/// A circle around edges.
#[derive(Debug, Clone, Copy)]
pub struct Cap {
    centre: Point,
    angle: f64,
}

impl Cap {
    /// Around edges that lie within a half of the sphere; `None` for others.
    pub fn around(edges: &[Edge]) -> Option<Cap> {
        let zero = Point { x: 0.0, y: 0.0, z: 0.0 };
        let sum = edges.iter().fold(zero, |sum, edge| sum.plus(edge.a, 1.0).plus(edge.b, 1.0));
        if sum.length() < 1e-9 {
            return None;
        }
        let centre = sum.unit();
        let ends = edges.iter().flat_map(|edge| [edge.a, edge.b]);
        let angle = ends.map(|end| centre.angle(end)).fold(0.0, f64::max);
        (angle < PI / 2.0 - 1e-6).then_some(Cap { centre, angle })
    }

    /// Whether a point within this angle of another can be inside.
    pub fn reaches(&self, point: Point, near: f64) -> bool {
        self.centre.angle(point) <= self.angle + near + 1e-9
    }
}

/// The length of edges as an angle.
pub fn length(edges: &[Edge]) -> f64 {
    edges.iter().map(|edge| edge.angle()).sum()
}

/// The area inside closed chains of edges, on a unit sphere.
pub fn area(edges: &[Edge]) -> f64 {
    area_left(edges).rem_euclid(4.0 * PI)
}

/// The centre of mass of a line.
pub fn line_centroid(edges: &[Edge]) -> Option<Point> {
    centre(edges.iter().map(|edge| (edge.middle(), 2.0 * (edge.angle() / 2.0).sin())))
}

/// The centre of mass of a region: the sum over its edges of their plane's direction times their angle (Stokes' theorem),
/// taken from one of its corners, so that small regions are as exact as large ones.
pub fn region_centroid(edges: &[Edge]) -> Option<Point> {
    let origin = edges.first()?.a;
    let mut sum = Point { x: 0.0, y: 0.0, z: 0.0 };
    for edge in edges.iter().filter(|edge| edge.angle() > 0.0) {
        let angle = edge.angle();
        sum = sum
            .plus(edge.a.plus(origin, -1.0).cross(edge.b.plus(origin, -1.0)), 1.0)
            .plus(edge.normal(), (angle / angle.sin() - 1.0) / 2.0);
    }
    (sum.length() > 0.0).then(|| sum.unit())
}

fn centre(parts: impl Iterator<Item = (Point, f64)>) -> Option<Point> {
    let zero = Point { x: 0.0, y: 0.0, z: 0.0 };
    let sum = parts
        .filter(|(_, weight)| *weight > 0.0)
        .fold(zero, |sum, (point, weight)| sum.plus(point, weight));
    (sum.length() > 0.0).then(|| sum.unit())
}

/// Edges without those that were there before, in either direction.
pub fn distinct(edges: Vec<Edge>) -> Vec<Edge> {
    let key = |point: Point| [point.x.to_bits(), point.y.to_bits(), point.z.to_bits()];
    let mut seen = std::collections::HashSet::new();
    edges
        .into_iter()
        .filter(|edge| {
            let (a, b) = (key(edge.a), key(edge.b));
            seen.insert(if a < b { (a, b) } else { (b, a) })
        })
        .collect()
}
