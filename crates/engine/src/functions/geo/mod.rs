//! Functions of places on Earth: distances, lines, polygons and grids.
//!
//! The reference measures on a sphere and takes edges as shortest arcs; so does this. What is no valid coordinate or
//! shape makes null, never an error.
//!
//! Source: Kusto Query Language reference, "Geospatial functions".

mod buffer;
mod cells;
mod combined;
mod densify;
mod geohash;
mod h3;
mod lookup;
mod overlay;
mod s2;
mod shapes;
mod simplify;
mod sphere;

use std::f64::consts::TAU;

use arrow::array::ArrayRef;
use datafusion::common::Result;
use taffrail_kql::catalog::Param;
use taffrail_kql::types::Type;

use super::call::{Call, Reals};
use super::declare::{Scalar, kernel, optional, plain};
use super::dynamic::json;
use shapes::{Degrees, Shapes, position, write_list, write_point, write_ring};
use sphere::{Edge, Point, Polygon, RADIUS};

use Param::Is;

const R: Param = Is(Type::Real);
const L: Param = Is(Type::Long);
const S: Param = Is(Type::String);
const D: Param = Is(Type::Dynamic);

/// This file's functions.
pub static FUNCTIONS: &[Scalar] = &[
    kernel(
        "geo_distance_2points",
        "geo_distance_2points(p1_longitude, p1_latitude, p2_longitude, p2_latitude) → real",
        "Meters between two points.",
        plain(&[R, R, R, R], Type::Real),
        |c| two_points(c, |a, b| Some(a.angle(b) * RADIUS)),
    ),
    kernel(
        "geo_azimuth",
        "geo_azimuth(p1_longitude, p1_latitude, p2_longitude, p2_latitude) → real",
        "The direction, clockwise from north in radians, in which the second point lies.",
        plain(&[R, R, R, R], Type::Real),
        |c| two_points(c, azimuth),
    ),
    kernel(
        "geo_angle",
        "geo_angle(p1_longitude, p1_latitude, p2_longitude, p2_latitude, p3_longitude, p3_latitude) → real",
        "The angle, clockwise in radians, between the lines from a point to two others.",
        plain(&[R, R, R, R, R, R], Type::Real),
        angle,
    ),
    kernel(
        "geo_point_in_circle",
        "geo_point_in_circle(p_longitude, p_latitude, pc_longitude, pc_latitude, radius) → bool",
        "Whether a point is within so many meters of another.",
        plain(&[R, R, R, R, R], Type::Bool),
        point_in_circle,
    ),
    kernel(
        "geo_point_in_polygon",
        "geo_point_in_polygon(longitude, latitude, polygon) → bool",
        "Whether a point is inside a polygon.",
        plain(&[R, R, D], Type::Bool),
        point_in_polygon,
    ),
    kernel(
        "geo_distance_point_to_line",
        "geo_distance_point_to_line(longitude, latitude, line) → real",
        "Meters between a point and the nearest point of a line.",
        plain(&[R, R, D], Type::Real),
        distance_to_line,
    ),
    kernel(
        "geo_distance_point_to_polygon",
        "geo_distance_point_to_polygon(longitude, latitude, polygon) → real",
        "Meters between a point and the nearest point of a polygon; 0 inside.",
        plain(&[R, R, D], Type::Real),
        distance_to_polygon,
    ),
    kernel(
        "geo_closest_point_on_line",
        "geo_closest_point_on_line(longitude, latitude, line) → dynamic",
        "The point of a line nearest to another.",
        plain(&[R, R, D], Type::Dynamic),
        closest_on_line,
    ),
    kernel(
        "geo_closest_point_on_polygon",
        "geo_closest_point_on_polygon(longitude, latitude, polygon) → dynamic",
        "The point of a polygon nearest to another.",
        plain(&[R, R, D], Type::Dynamic),
        closest_on_polygon,
    ),
    kernel(
        "geo_line_interpolate_point",
        "geo_line_interpolate_point(line, fraction) → dynamic",
        "The point a fraction of the way along a line.",
        plain(&[D, R], Type::Dynamic),
        interpolate_point,
    ),
    kernel(
        "geo_line_locate_point",
        "geo_line_locate_point(line, longitude, latitude) → real",
        "How far along a line, as a fraction, its point nearest to another is.",
        plain(&[D, R, R], Type::Real),
        locate_point,
    ),
    kernel(
        "geo_line_length",
        "geo_line_length(line) → real",
        "Meters along a line.",
        plain(&[D], Type::Real),
        line_length,
    ),
    kernel(
        "geo_line_centroid",
        "geo_line_centroid(line) → dynamic",
        "The centre of mass of a line.",
        plain(&[D], Type::Dynamic),
        line_centroid,
    ),
    kernel(
        "geo_line_densify",
        "geo_line_densify(line, tolerance = 10) → dynamic",
        "Planar edges replaced by geodesics that stay within so many meters.",
        optional(&[D], &[R], Type::Dynamic),
        |c| densify::densify(c, false),
    ),
    kernel(
        "geo_polygon_area",
        "geo_polygon_area(polygon) → real",
        "Square meters inside a polygon.",
        plain(&[D], Type::Real),
        |c| of_polygons(c, |around| sphere::area(around) * RADIUS * RADIUS),
    ),
    kernel(
        "geo_polygon_perimeter",
        "geo_polygon_perimeter(polygon) → real",
        "Meters around a polygon.",
        plain(&[D], Type::Real),
        |c| of_polygons(c, |around| sphere::length(around) * RADIUS),
    ),
    kernel(
        "geo_polygon_centroid",
        "geo_polygon_centroid(polygon) → dynamic",
        "The centre of mass of a polygon.",
        plain(&[D], Type::Dynamic),
        polygon_centroid,
    ),
    kernel(
        "geo_polygon_densify",
        "geo_polygon_densify(polygon, tolerance = 10) → dynamic",
        "Planar edges replaced by geodesics that stay within so many meters.",
        optional(&[D], &[R], Type::Dynamic),
        |c| densify::densify(c, true),
    ),
    kernel(
        "geo_intersects_2lines",
        "geo_intersects_2lines(line1, line2) → bool",
        "Whether two lines meet.",
        plain(&[D, D], Type::Bool),
        intersects_lines,
    ),
    kernel(
        "geo_intersects_2polygons",
        "geo_intersects_2polygons(polygon1, polygon2) → bool",
        "Whether two polygons overlap.",
        plain(&[D, D], Type::Bool),
        intersects_polygons,
    ),
    kernel(
        "geo_intersects_line_with_polygon",
        "geo_intersects_line_with_polygon(line, polygon) → bool",
        "Whether a line meets a polygon.",
        plain(&[D, D], Type::Bool),
        intersects_line_with_polygon,
    ),
    kernel(
        "geo_from_wkt",
        "geo_from_wkt(wkt) → dynamic",
        "Well-known text as GeoJSON.",
        plain(&[S], Type::Dynamic),
        |c| from_text(c, shapes::from_wkt),
    ),
    kernel(
        "geo_point_to_geohash",
        "geo_point_to_geohash(longitude, latitude, accuracy = 5) → string",
        "The geohash of a point.",
        optional(&[R, R], &[L], Type::String),
        point_to_geohash,
    ),
    kernel(
        "geo_geohash_to_central_point",
        "geo_geohash_to_central_point(geohash) → dynamic",
        "The middle of a geohash's cell.",
        plain(&[S], Type::Dynamic),
        |c| {
            from_text(c, |text, out| {
                write_point(geohash::cell(text)?.centre(), out);
                Some(())
            })
        },
    ),
    kernel(
        "geo_geohash_to_polygon",
        "geo_geohash_to_polygon(geohash) → dynamic",
        "The bounds of a geohash's cell.",
        plain(&[S], Type::Dynamic),
        |c| {
            from_text(c, |text, out| {
                write_ring(geohash::cell(text)?.ring(), out);
                Some(())
            })
        },
    ),
    kernel(
        "geo_geohash_neighbors",
        "geo_geohash_neighbors(geohash) → dynamic",
        "The geohashes around one.",
        plain(&[S], Type::Dynamic),
        |c| {
            from_text(c, |text, out| {
                write_list(geohash::neighbors(text)?, out, |name, out| json::write_string(&name, out));
                Some(())
            })
        },
    ),
];

/// Those that combine shapes.
pub static COMBINED: &[Scalar] = combined::FUNCTIONS;
/// Those that widen shapes.
pub static BUFFERS: &[Scalar] = buffer::FUNCTIONS;
/// Those that simplify shapes.
pub static SIMPLIFY: &[Scalar] = simplify::FUNCTIONS;
/// Those that cover shapes with cells.
pub static CELLS: &[Scalar] = cells::FUNCTIONS;
/// Those of the lookup plugins.
pub static LOOKUP: &[Scalar] = lookup::FUNCTIONS;
/// Those of the H3 grid.
pub static H3: &[Scalar] = h3::FUNCTIONS;
/// Those of the S2 grid.
pub static S2: &[Scalar] = s2::FUNCTIONS;

struct Positions<'a>(Reals<'a>, Reals<'a>);

impl<'a> Positions<'a> {
    fn new(c: &Call<'a>, first: usize) -> Result<Positions<'a>> {
        Ok(Positions(c.real(first)?, c.real(first + 1)?))
    }

    fn degrees(&self, row: usize) -> Option<Degrees> {
        let at = (self.0.get(row)?, self.1.get(row)?);
        position(at.0, at.1).map(|_| at)
    }

    fn point(&self, row: usize) -> Option<Point> {
        position(self.0.get(row)?, self.1.get(row)?)
    }
}

fn from_text(c: &Call<'_>, write: impl Fn(&str, &mut String) -> Option<()>) -> Result<ArrayRef> {
    let text = c.text(0)?;
    c.texts(|i, out| write(text.get(i)?, out))
}

fn two_points(c: &Call<'_>, f: impl Fn(Point, Point) -> Option<f64>) -> Result<ArrayRef> {
    let (a, b) = (Positions::new(c, 0)?, Positions::new(c, 2)?);
    c.reals(|i| f(a.point(i)?, b.point(i)?))
}

fn azimuth(from: Point, to: Point) -> Option<f64> {
    let angle = from.angle(to);
    if angle == 0.0 || angle > std::f64::consts::PI - 1e-14 {
        return None;
    }
    let ((longitude1, latitude1), (longitude2, latitude2)) = (from.degrees(), to.degrees());
    let across = (longitude2 - longitude1).to_radians();
    let (latitude1, latitude2) = (latitude1.to_radians(), latitude2.to_radians());
    let east = across.sin() * latitude2.cos();
    let north = latitude1.cos() * latitude2.sin() - latitude1.sin() * latitude2.cos() * across.cos();
    Some(east.atan2(north).rem_euclid(TAU))
}

fn angle(c: &Call<'_>) -> Result<ArrayRef> {
    let (first, corner, last) = (Positions::new(c, 0)?, Positions::new(c, 2)?, Positions::new(c, 4)?);
    c.reals(|i| {
        let corner = corner.point(i)?;
        let (first, last) = (first.point(i)?, last.point(i)?);
        for end in [first, last] {
            let apart = corner.angle(end);
            if apart == 0.0 || apart > std::f64::consts::PI - 1e-14 {
                return None;
            }
        }
        Some(corner.turn(first, last))
    })
}

fn point_in_circle(c: &Call<'_>) -> Result<ArrayRef> {
    let (point, centre, radius) = (Positions::new(c, 0)?, Positions::new(c, 2)?, c.real(4)?);
    c.bools(|i| {
        let radius = radius.get(i).filter(|radius| *radius > 0.0 && radius.is_finite())?;
        Some(point.point(i)?.angle(centre.point(i)?) * RADIUS <= radius)
    })
}

fn point_in_polygon(c: &Call<'_>) -> Result<ArrayRef> {
    let (point, mut polygons) = (Positions::new(c, 0)?, Shapes::new(c.text(2)?, shapes::polygons));
    c.bools(|i| {
        let point = point.point(i)?;
        Some(polygons.get(i)?.iter().any(|polygon| polygon.contains(point)))
    })
}

fn distance_to_line(c: &Call<'_>) -> Result<ArrayRef> {
    let (point, mut lines) = (Positions::new(c, 0)?, Shapes::new(c.text(2)?, shapes::lines));
    c.reals(|i| {
        let point = point.point(i)?;
        let edges = lines.get(i)?.iter().flat_map(|line| sphere::edges(line));
        Some(edges.map(|edge| edge.distance(point)).fold(f64::INFINITY, f64::min) * RADIUS)
    })
}

fn distance_to_polygon(c: &Call<'_>) -> Result<ArrayRef> {
    let (point, mut polygons) = (Positions::new(c, 0)?, Shapes::new(c.text(2)?, shapes::polygons));
    c.reals(|i| {
        let point = point.point(i)?;
        let distances = polygons.get(i)?.iter().map(|polygon| polygon.distance(point));
        Some(distances.fold(f64::INFINITY, f64::min) * RADIUS)
    })
}

fn closest_on_line(c: &Call<'_>) -> Result<ArrayRef> {
    let (point, mut lines) = (Positions::new(c, 0)?, Shapes::new(c.text(2)?, shapes::lines));
    c.texts(|i, out| {
        let point = point.point(i)?;
        let edges = lines.get(i)?.iter().flat_map(|line| sphere::edges(line));
        write_point(sphere::nearest(edges, point)?.degrees(), out);
        Some(())
    })
}

fn closest_on_polygon(c: &Call<'_>) -> Result<ArrayRef> {
    let (position, mut polygons) = (Positions::new(c, 0)?, Shapes::new(c.text(2)?, shapes::polygons));
    c.texts(|i, out| {
        let (point, polygons) = (position.point(i)?, polygons.get(i)?);
        if polygons.iter().any(|polygon| polygon.contains(point)) {
            write_point(position.degrees(i)?, out);
            return Some(());
        }
        let nearest = polygons.iter().filter_map(|polygon| polygon.nearest(point));
        let nearest = nearest.min_by(|a, b| point.angle(*a).total_cmp(&point.angle(*b)))?;
        write_point(nearest.degrees(), out);
        Some(())
    })
}

/// The edges of the only line.
fn single(lines: &[Vec<Point>]) -> Option<Vec<Edge>> {
    match lines {
        [line] => Some(sphere::edges(line).collect()),
        _ => None,
    }
}

fn interpolate_point(c: &Call<'_>) -> Result<ArrayRef> {
    let (mut lines, fraction) = (Shapes::new(c.text(0)?, shapes::lines), c.real(1)?);
    c.texts(|i, out| {
        let edges = single(lines.get(i)?)?;
        let fraction = fraction.get(i).filter(|fraction| (0.0..=1.0).contains(fraction))?;
        let mut left = sphere::length(&edges) * fraction;
        let mut at = edges.last()?.b;
        for edge in &edges {
            let angle = edge.angle();
            if left < angle {
                at = edge.a.towards(edge.b, left / angle);
                break;
            }
            left -= angle;
        }
        write_point(at.degrees(), out);
        Some(())
    })
}

fn locate_point(c: &Call<'_>) -> Result<ArrayRef> {
    let (mut lines, point) = (Shapes::new(c.text(0)?, shapes::lines), Positions::new(c, 1)?);
    c.reals(|i| {
        let (edges, point) = (single(lines.get(i)?)?, point.point(i)?);
        let (mut before, mut best) = (0.0, (f64::INFINITY, 0.0));
        for edge in &edges {
            let nearest = edge.nearest(point);
            let apart = nearest.angle(point);
            if apart < best.0 {
                best = (apart, before + edge.a.angle(nearest));
            }
            before += edge.angle();
        }
        Some(if before > 0.0 { (best.1 / before).min(1.0) } else { 0.0 })
    })
}

fn line_length(c: &Call<'_>) -> Result<ArrayRef> {
    let mut lines = Shapes::new(c.text(0)?, shapes::lines);
    c.reals(|i| Some(sphere::length(&shapes::line_edges(lines.get(i)?)) * RADIUS))
}

fn line_centroid(c: &Call<'_>) -> Result<ArrayRef> {
    let mut lines = Shapes::new(c.text(0)?, shapes::lines);
    c.texts(|i, out| {
        write_point(sphere::line_centroid(&shapes::line_edges(lines.get(i)?))?.degrees(), out);
        Some(())
    })
}

/// The border of the union of polygons.
fn around(c: &Call<'_>, polygons: &[Polygon]) -> Result<Vec<Edge>> {
    Ok(match polygons {
        [polygon] => polygon.edges().collect(),
        polygons => combined::united(c, polygons.to_vec())?.iter().flat_map(Polygon::edges).collect(),
    })
}

fn of_polygons(c: &Call<'_>, f: impl Fn(&[Edge]) -> f64) -> Result<ArrayRef> {
    let mut polygons = Shapes::new(c.text(0)?, shapes::polygons);
    let mut values = Vec::with_capacity(c.rows);
    for i in 0..c.rows {
        values.push(match polygons.get(i) {
            Some(polygons) => Some(f(&around(c, polygons)?)),
            None => None,
        });
    }
    c.reals(|i| values.get(i).copied().flatten())
}

fn polygon_centroid(c: &Call<'_>) -> Result<ArrayRef> {
    let mut polygons = Shapes::new(c.text(0)?, shapes::polygons);
    let mut centres = Vec::with_capacity(c.rows);
    for i in 0..c.rows {
        centres.push(match polygons.get(i) {
            Some(polygons) => sphere::region_centroid(&around(c, polygons)?),
            None => None,
        });
    }
    c.texts(|i, out| {
        write_point(centres.get(i).copied().flatten()?.degrees(), out);
        Some(())
    })
}

fn intersects_lines(c: &Call<'_>) -> Result<ArrayRef> {
    let (mut first, mut second) = (Shapes::new(c.text(0)?, shapes::lines), Shapes::new(c.text(1)?, shapes::lines));
    c.bools(|i| {
        let (first, second) = (shapes::line_edges(first.get(i)?), shapes::line_edges(second.get(i)?));
        Some(first.iter().any(|a| second.iter().any(|b| a.meets(*b))))
    })
}

fn intersects_polygons(c: &Call<'_>) -> Result<ArrayRef> {
    let (mut first, mut second) = (Shapes::new(c.text(0)?, shapes::polygons), Shapes::new(c.text(1)?, shapes::polygons));
    c.bools(|i| {
        let (first, second) = (first.get(i)?, second.get(i)?);
        Some(first.iter().any(|a| second.iter().any(|b| a.intersects(b))))
    })
}

fn intersects_line_with_polygon(c: &Call<'_>) -> Result<ArrayRef> {
    let (mut lines, mut polygons) = (Shapes::new(c.text(0)?, shapes::lines), Shapes::new(c.text(1)?, shapes::polygons));
    c.bools(|i| {
        let (lines, polygons) = (lines.get(i)?, polygons.get(i)?);
        Some(polygons.iter().any(|polygon| lines.iter().any(|line| polygon.meets_line(line))))
    })
}

fn point_to_geohash(c: &Call<'_>) -> Result<ArrayRef> {
    let (point, accuracy) = (Positions::new(c, 0)?, c.optional_long(2, 5)?);
    c.texts(|i, out| {
        let accuracy = accuracy.get(i).filter(|accuracy| (1..=geohash::LONGEST).contains(accuracy))?;
        geohash::encode(point.degrees(i)?, accuracy, out);
        Some(())
    })
}
