//! Everything within a distance of a shape, as polygons.
//!
//! Around a point this is a regular polygon whose edges touch the circle from outside, with as few corners as the tolerance
//! allows. Around a line it is the union of what is around each of its edges.
//!
//! Source: Kusto Query Language reference, `geo_point_buffer()`, `geo_line_buffer()`, `geo_polygon_buffer()`.

use std::f64::consts::{PI, TAU};

use arrow::array::ArrayRef;
use datafusion::common::Result;
use taffrail_kql::catalog::Param;
use taffrail_kql::types::Type;

use super::super::call::{Call, Reals};
use super::super::declare::{Scalar, kernel, optional};
use super::combined::{united, write_polygons};
use super::sphere::{Edge, Point, Polygon, RADIUS, Ring, distinct};
use super::{Positions, shapes};

use Param::Is;

const R: Param = Is(Type::Real);
const D: Param = Is(Type::Dynamic);

/// Meters by which a border may be off, unless the query says.
const TOLERANCE: f64 = 10.0;
/// The least tolerance, as a part of the radius.
const LEAST_TOLERANCE: f64 = 1e-6;
/// Corners of a circle.
const MOST_CORNERS: f64 = 65_536.0;
/// Edges of a line or polygon that are widened one by one.
const MOST_EDGES: usize = 10_000;

/// This file's functions.
pub static FUNCTIONS: &[Scalar] = &[
    kernel(
        "geo_point_buffer",
        "geo_point_buffer(longitude, latitude, radius, tolerance = 10) → dynamic",
        "The polygon of all points within so many meters of a point.",
        optional(&[R, R, R], &[R], Type::Dynamic),
        |c| {
            let (points, widths) = (Positions::new(c, 0)?, Widths::new(c, 2)?);
            c.texts(|i, out| {
                let (point, width) = (points.point(i)?, widths.get(i)?);
                write_polygons(&[width.circle(point)], out);
                Some(())
            })
        },
    ),
    kernel(
        "geo_line_buffer",
        "geo_line_buffer(line, radius, tolerance = 10) → dynamic",
        "The polygon of all points within so many meters of a line.",
        optional(&[D, R], &[R], Type::Dynamic),
        |c| {
            of_shapes(c, |text| {
                let edges = shapes::line_edges(&shapes::lines(text)?);
                Some((edges, Vec::new()))
            })
        },
    ),
    kernel(
        "geo_polygon_buffer",
        "geo_polygon_buffer(polygon, radius, tolerance = 10) → dynamic",
        "The polygon of all points within so many meters of a polygon.",
        optional(&[D, R], &[R], Type::Dynamic),
        |c| {
            of_shapes(c, |text| {
                let polygons = shapes::polygons(text)?;
                Some((distinct(polygons.iter().flat_map(Polygon::edges).collect()), polygons))
            })
        },
    ),
];

/// Radius and tolerance of each row.
struct Widths<'a>(Reals<'a>, Option<Reals<'a>>);

impl<'a> Widths<'a> {
    fn new(c: &Call<'a>, first: usize) -> Result<Widths<'a>> {
        let tolerance = if c.count() > first + 1 { Some(c.real(first + 1)?) } else { None };
        Ok(Widths(c.real(first)?, tolerance))
    }

    fn get(&self, row: usize) -> Option<Width> {
        let tolerance = match &self.1 {
            Some(tolerance) => tolerance.get(row)?,
            None => TOLERANCE,
        };
        Width::new(self.0.get(row)?, tolerance)
    }
}

/// How far, and how exactly, as angles.
#[derive(Debug, Clone, Copy)]
pub struct Width {
    radius: f64,
    /// From the middle to the corners of a circle
    corner: f64,
    corners: f64,
}

impl Width {
    /// In meters; `None` when they are not allowed.
    pub fn new(radius: f64, tolerance: f64) -> Option<Width> {
        if !(radius > 0.0 && tolerance >= radius * LEAST_TOLERANCE) {
            return None;
        }
        let (radius, tolerance) = (radius / RADIUS, tolerance.min(radius * 0.999) / RADIUS);
        // what is wider than a quarter of the way around is no polygon
        if radius + tolerance >= PI / 2.0 - 1e-6 {
            return None;
        }
        let corners = (PI / (radius.tan() / (radius + tolerance).tan()).acos())
            .ceil()
            .clamp(4.0, MOST_CORNERS);
        Some(Width {
            radius,
            corner: (radius.tan() / (PI / corners).cos()).atan(),
            corners,
        })
    }

    /// The tolerance that is used when none is given.
    pub fn by_default(radius: f64) -> Option<Width> {
        Width::new(radius, TOLERANCE)
    }

    /// Around a point, counterclockwise.
    pub fn circle(self, point: Point) -> Polygon {
        let step = TAU / self.corners;
        let corners = (0..self.corners as u32).map(|index| point.at(-f64::from(index) * step, self.corner));
        ring(corners.collect())
    }

    /// Around an edge: half circles at its ends, joined by edges beside it.
    fn around(self, edge: Edge, out: &mut Vec<Polygon>) {
        // Beside a long edge a geodesic runs farther away in the middle than at the ends.
        let half = edge.angle() / 2.0;
        if half > 0.0 && half.cos() * self.corner.tan() < self.radius.tan() {
            let middle = edge.middle();
            self.around(Edge { a: edge.a, b: middle }, out);
            self.around(Edge { a: middle, b: edge.b }, out);
            return;
        }
        let mut corners = Vec::new();
        for (end, other) in [(edge.b, edge.a), (edge.a, edge.b)] {
            // from the right of the edge around its end to the left, counterclockwise
            let north = end.at(0.0, 1e-3);
            let ahead = end.turn(north, other) + PI;
            let steps = (self.corners / 2.0).ceil();
            let mut index = 0.0;
            while index <= steps {
                corners.push(end.at(ahead + PI / 2.0 - PI * index / steps, self.corner));
                index += 1.0;
            }
        }
        out.push(ring(corners));
    }
}

/// A polygon of corners that are in order.
fn ring(corners: Vec<Point>) -> Polygon {
    let next = corners.iter().skip(1).chain(corners.first());
    let edges = corners.iter().zip(next).map(|(a, b)| Edge { a: *a, b: *b });
    Polygon::of_shell(Ring::oriented(edges.filter(|edge| edge.a != edge.b).collect()))
}

/// All points within a distance of edges and of polygons.
pub fn widened(c: &Call<'_>, edges: &[Edge], polygons: Vec<Polygon>, width: Width) -> Result<Vec<Polygon>> {
    if edges.len() > MOST_EDGES {
        return Err(c.error(format!(
            "shapes of more than {MOST_EDGES} edges are not widened; simplify them first"
        )));
    }
    let mut all = polygons;
    for edge in edges {
        width.around(*edge, &mut all);
    }
    united(c, all)
}

type Parts = (Vec<Edge>, Vec<Polygon>);

fn of_shapes(c: &Call<'_>, read: impl Fn(&str) -> Option<Parts>) -> Result<ArrayRef> {
    let (text, widths) = (c.text(0)?, Widths::new(c, 1)?);
    let mut answers = Vec::with_capacity(c.rows);
    for i in 0..c.rows {
        let row = widths.get(i).and_then(|width| Some((read(text.get(i)?)?, width)));
        answers.push(match row {
            Some(((edges, polygons), width)) => Some(widened(c, &edges, polygons, width)?),
            None => None,
        });
    }
    c.texts(|i, out| {
        write_polygons(answers.get(i)?.as_ref()?, out);
        Some(())
    })
}
