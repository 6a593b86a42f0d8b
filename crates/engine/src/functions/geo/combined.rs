//! Unions and intersections as functions of GeoJSON.
//!
//! Source: Kusto Query Language reference, `geo_intersection_2lines()`, `geo_intersection_2polygons()`,
//! `geo_intersection_line_with_polygon()`, `geo_union_lines_array()`, `geo_union_polygons_array()`.

use arrow::array::ArrayRef;
use datafusion::common::Result;
use taffrail_kql::catalog::Param;
use taffrail_kql::types::Type;

use super::super::call::Call;
use super::super::declare::{Scalar, kernel, plain};
use super::super::dynamic::json;
use super::overlay::{self, Combine, Common};
use super::shapes::{self, Shapes, write_list, write_point, write_position, write_shape};
use super::sphere::{Point, Polygon};

use Param::Is;

const D: Param = Is(Type::Dynamic);

/// This file's functions.
pub static FUNCTIONS: &[Scalar] = &[
    kernel(
        "geo_intersection_2lines",
        "geo_intersection_2lines(line1, line2) → dynamic",
        "What two lines have in common.",
        plain(&[D, D], Type::Dynamic),
        |c| {
            let (mut first, mut second) = (Shapes::new(c.text(0)?, shapes::lines), Shapes::new(c.text(1)?, shapes::lines));
            c.texts(|i, out| {
                let (first, second) = (shapes::line_edges(first.get(i)?), shapes::line_edges(second.get(i)?));
                write_common(&overlay::lines_with_lines(&first, &second), out);
                Some(())
            })
        },
    ),
    kernel(
        "geo_intersection_2polygons",
        "geo_intersection_2polygons(polygon1, polygon2) → dynamic",
        "What two polygons have in common.",
        plain(&[D, D], Type::Dynamic),
        intersection_of_polygons,
    ),
    kernel(
        "geo_intersection_line_with_polygon",
        "geo_intersection_line_with_polygon(line, polygon) → dynamic",
        "What a line has in common with a polygon.",
        plain(&[D, D], Type::Dynamic),
        |c| {
            let (mut lines, mut polygons) = (Shapes::new(c.text(0)?, shapes::lines), Shapes::new(c.text(1)?, shapes::polygons));
            c.texts(|i, out| {
                let (lines, polygons) = (shapes::line_edges(lines.get(i)?), polygons.get(i)?);
                write_common(&overlay::lines_with_polygons(&lines, polygons), out);
                Some(())
            })
        },
    ),
    kernel(
        "geo_union_lines_array",
        "geo_union_lines_array(lines) → dynamic",
        "Several lines as one.",
        plain(&[D], Type::Dynamic),
        union_of_lines,
    ),
    kernel(
        "geo_union_polygons_array",
        "geo_union_polygons_array(polygons) → dynamic",
        "Several polygons as one.",
        plain(&[D], Type::Dynamic),
        |c| {
            let text = c.text(0)?;
            let mut answers = Vec::with_capacity(c.rows);
            for i in 0..c.rows {
                answers.push(match text.get(i).and_then(polygon_list) {
                    Some(polygons) => Some(united(c, polygons)?),
                    None => None,
                });
            }
            c.texts(|i, out| {
                write_polygons(answers.get(i)?.as_ref()?, out);
                Some(())
            })
        },
    ),
];

/// Polygons as one region.
pub fn united(c: &Call<'_>, polygons: Vec<Polygon>) -> Result<Vec<Polygon>> {
    overlay::union(polygons).ok_or_else(|| c.error("these polygons are too near each other to be united: round their coordinates"))
}

/// The polygons of an array; `None` when one is not valid, or there is none.
pub fn polygon_list(text: &str) -> Option<Vec<Polygon>> {
    let mut all = Vec::new();
    for element in json::elements(text)? {
        all.extend(shapes::polygons(element)?);
    }
    (!all.is_empty()).then_some(all)
}

fn intersection_of_polygons(c: &Call<'_>) -> Result<ArrayRef> {
    let (first, second) = (c.text(0)?, c.text(1)?);
    let mut answers: Vec<Option<Common>> = Vec::with_capacity(c.rows);
    for i in 0..c.rows {
        let pair = first
            .get(i)
            .and_then(shapes::polygons)
            .zip(second.get(i).and_then(shapes::polygons));
        answers.push(match pair {
            Some((first, second)) => {
                let (first, second) = (united(c, first)?, united(c, second)?);
                let common = overlay::combine(&first, &second, Combine::Intersection);
                Some(common.ok_or_else(|| c.error("these polygons are too near each other to be told apart: round their coordinates"))?)
            }
            None => None,
        });
    }
    c.texts(|i, out| {
        write_common(answers.get(i)?.as_ref()?, out);
        Some(())
    })
}

fn union_of_lines(c: &Call<'_>) -> Result<ArrayRef> {
    let text = c.text(0)?;
    c.texts(|i, out| {
        let mut all = Vec::new();
        for element in json::elements(text.get(i)?)? {
            all.extend(shapes::lines(element)?);
        }
        let lines = overlay::chains(shapes::line_edges(&all));
        if lines.is_empty() {
            return None;
        }
        write_lines(&lines, out);
        Some(())
    })
}

fn write_chain(points: &[Point], out: &mut String) {
    write_list(points.iter().map(|point| point.degrees()), out, write_position);
}

/// Writes a line or several.
pub fn write_lines(lines: &[Vec<Point>], out: &mut String) {
    match lines {
        [line] => write_shape("LineString", out, |out| write_chain(line, out)),
        lines => write_shape("MultiLineString", out, |out| {
            write_list(lines, out, |line, out| write_chain(line, out))
        }),
    }
}

fn write_rings(polygon: &Polygon, out: &mut String) {
    write_list(polygon.rings(), out, |ring, out| write_chain(&ring, out));
}

/// Writes a polygon or several.
pub fn write_polygons(polygons: &[Polygon], out: &mut String) {
    match polygons {
        [polygon] => write_shape("Polygon", out, |out| write_rings(polygon, out)),
        polygons => write_shape("MultiPolygon", out, |out| write_list(polygons, out, write_rings)),
    }
}

fn write_points(points: &[Point], out: &mut String) {
    match points {
        [point] => write_point(point.degrees(), out),
        points => write_shape("MultiPoint", out, |out| write_chain(points, out)),
    }
}

/// Writes points, lines and regions: as one shape when they are of one kind, else as a collection.
pub fn write_common(common: &Common, out: &mut String) {
    let kinds = [!common.points.is_empty(), !common.lines.is_empty(), !common.polygons.is_empty()];
    match kinds {
        [true, false, false] => write_points(&common.points, out),
        [false, true, false] => write_lines(&common.lines, out),
        [false, false, true] => write_polygons(&common.polygons, out),
        [points, lines, polygons] => {
            let mut parts: Vec<String> = Vec::new();
            let mut part = |write: &dyn Fn(&mut String)| {
                let mut text = String::new();
                write(&mut text);
                parts.push(text);
            };
            if points {
                part(&|out| write_points(&common.points, out));
            }
            if lines {
                part(&|out| write_lines(&common.lines, out));
            }
            if polygons {
                part(&|out| write_polygons(&common.polygons, out));
            }
            out.push_str("{\"type\":\"GeometryCollection\",\"geometries\":");
            write_list(parts, out, |part, out| out.push_str(&part));
            out.push('}');
        }
    }
}
