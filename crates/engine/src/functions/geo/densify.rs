//! Planar edges replaced by chains of geodesics that stay near them.
//!
//! Source: Kusto Query Language reference, `geo_line_densify()`, `geo_polygon_densify()`.

use arrow::array::ArrayRef;
use datafusion::common::Result;

use super::super::call::Call;
use super::super::dynamic::json;
use super::shapes::{self, Degrees, write_list, write_position};
use super::sphere::{Point, RADIUS};

/// Where between the ends of an edge its distance from the planar one is measured, and how much of the tolerance that
/// distance may be, so that it is within the tolerance everywhere.
const MEASURED_AT: f64 = 0.312_156_910_822_483_12;
const OF_TOLERANCE: f64 = 0.838_299_925_698_885_1;
/// The most points in a densified shape.
const MOST_POINTS: usize = 10_485_760;

fn between(a: Degrees, b: Degrees, fraction: f64) -> Degrees {
    (a.0 + (b.0 - a.0) * fraction, a.1 + (b.1 - a.1) * fraction)
}

/// The points after `a` up to `b`: halves of the planar edge until the geodesics are near enough.
fn densify_edge(a: Degrees, b: Degrees, tolerance: f64, out: &mut Vec<Degrees>) {
    let (from, to) = (Point::new(a.0, a.1), Point::new(b.0, b.1));
    let apart = |fraction: f64| {
        let planar = between(a, b, fraction);
        from.towards(to, fraction).angle(Point::new(planar.0, planar.1))
    };
    // Beyond a quarter of the way around, two places are not enough to tell.
    let near = from.dot(to) > 0.0 && apart(MEASURED_AT).max(apart(1.0 - MEASURED_AT)) <= tolerance;
    if near || out.len() >= MOST_POINTS {
        out.push(b);
    } else {
        let middle = between(a, b, 0.5);
        densify_edge(a, middle, tolerance, out);
        densify_edge(middle, b, tolerance, out);
    }
}

fn densify_chain(c: &Call<'_>, points: &[Degrees], tolerance: f64) -> Result<Vec<Degrees>> {
    let mut out: Vec<Degrees> = points.first().copied().into_iter().collect();
    for (a, b) in points.iter().zip(points.iter().skip(1)) {
        if (a.0 - b.0).abs() > 180.0 {
            return Err(c.error("edges across the 180th meridian are not supported; cut them there"));
        }
        densify_edge(*a, *b, tolerance / RADIUS * OF_TOLERANCE, &mut out);
    }
    Ok(out)
}

/// The coordinates with more points on their edges, as deep as the chains are.
fn densify_tree(c: &Call<'_>, tree: &serde_json::Value, depth: usize, tolerance: f64, out: &mut String) -> Result<()> {
    if depth == 0 {
        let points = densify_chain(c, &shapes::chain(tree).unwrap_or_default(), tolerance)?;
        write_list(points, out, write_position);
        return Ok(());
    }
    out.push('[');
    for (index, part) in tree.as_array().into_iter().flatten().enumerate() {
        if index > 0 {
            out.push(',');
        }
        densify_tree(c, part, depth - 1, tolerance, out)?;
    }
    out.push(']');
    Ok(())
}

/// `geo_line_densify()`, or of polygons when `closed`.
pub fn densify(c: &Call<'_>, closed: bool) -> Result<ArrayRef> {
    let text = c.text(0)?;
    let tolerance = if c.count() > 1 { Some(c.real(1)?) } else { None };
    let mut results = Vec::with_capacity(c.rows);
    for i in 0..c.rows {
        let tolerance = tolerance.map_or(Some(10.0), |tolerance| tolerance.get(i));
        results.push(match (text.get(i), tolerance) {
            (Some(text), Some(tolerance)) if (0.1..=10_000.0).contains(&tolerance) => densify_shape(c, text, closed, tolerance)?,
            _ => None,
        });
    }
    c.texts(|i, out| {
        out.push_str(results.get(i)?.as_deref()?);
        Some(())
    })
}

fn densify_shape(c: &Call<'_>, text: &str, closed: bool, tolerance: f64) -> Result<Option<String>> {
    let valid = if closed {
        shapes::polygons(text).is_some()
    } else {
        shapes::lines(text).is_some()
    };
    let tree = json::tree(text);
    let (true, Some((kind, coordinates))) = (valid, shapes::parts(&tree)) else {
        return Ok(None);
    };
    let depth = usize::from(closed) + usize::from(kind.starts_with("Multi"));
    let mut written = String::new();
    densify_tree(c, coordinates, depth, tolerance, &mut written)?;
    let mut out = String::new();
    shapes::write_shape(kind, &mut out, |out| out.push_str(&written));
    Ok(Some(out))
}
