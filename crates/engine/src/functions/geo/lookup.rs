//! Places among many shapes, for the lookup plugins.
//!
//! Source: Kusto Query Language reference, "geo_line_lookup plugin", "geo_polygon_lookup plugin".

use arrow::array::ArrayRef;
use datafusion::common::Result;
use taffrail_kql::catalog::Param;
use taffrail_kql::types::Type;

use super::super::call::Call;
use super::super::declare::{Scalar, kernel, plain};
use super::super::dynamic::json;
use super::Positions;
use super::shapes::{self, write_list};
use super::sphere::{Cap, Edge, Point, Polygon, RADIUS};

use Param::Is;

/// This file's functions.
pub static FUNCTIONS: &[Scalar] = &[kernel(
    "__geo_lookup",
    "__geo_lookup(shapes, longitude, latitude, radius, polygons, unmatched) → dynamic",
    "The numbers of the shapes that a place is in or near.",
    plain(
        &[
            Is(Type::Dynamic),
            Is(Type::Real),
            Is(Type::Real),
            Is(Type::Real),
            Is(Type::Bool),
            Is(Type::Bool),
        ],
        Type::Dynamic,
    ),
    lookup,
)
.hidden()];

enum Shape {
    Line(Vec<Edge>),
    Polygons(Vec<Polygon>),
}

struct Entry {
    number: i64,
    shape: Shape,
    /// Around all of it, where that is known
    cap: Option<Cap>,
}

impl Entry {
    /// From `[number, shape]`; `None` for what is no shape of the kind.
    fn new(text: &str, polygons: bool) -> Option<Entry> {
        let mut parts = json::elements(text)?;
        let number = json::to_long(parts.next()?)?;
        let shape = parts.next()?;
        let shape = if polygons {
            Shape::Polygons(shapes::polygons(shape)?)
        } else {
            Shape::Line(shapes::line_edges(&shapes::lines(shape)?))
        };
        let cap = match &shape {
            Shape::Line(edges) => Cap::around(edges),
            Shape::Polygons(polygons) => Cap::around(&polygons.iter().flat_map(Polygon::edges).collect::<Vec<_>>()),
        };
        Some(Entry { number, shape, cap })
    }

    /// Whether a place is in it, or within so many meters.
    fn has(&self, point: Point, radius: Option<f64>) -> bool {
        let near = radius.unwrap_or(0.0) / RADIUS;
        if self.cap.as_ref().is_some_and(|cap| !cap.reaches(point, near)) {
            return false;
        }
        match (&self.shape, radius) {
            (Shape::Line(edges), _) => edges.iter().any(|edge| edge.distance(point) <= near),
            (Shape::Polygons(polygons), None) => polygons.iter().any(|polygon| polygon.contains(point)),
            (Shape::Polygons(polygons), Some(_)) => polygons.iter().any(|polygon| polygon.distance(point) <= near),
        }
    }
}

fn lookup(c: &Call<'_>) -> Result<ArrayRef> {
    let (list, points, radius) = (c.text(0)?, Positions::new(c, 1)?, c.real(3)?);
    let polygons = c.bool(4)?.get(0).unwrap_or(false);
    let unmatched = c.bool(5)?.get(0).unwrap_or(false);
    let mut known: Option<(&str, Vec<Entry>)> = None;
    c.texts(|i, out| {
        let text = list.get(i).unwrap_or("[]");
        if known.as_ref().is_none_or(|(last, _)| *last != text) {
            let entries = json::elements(text).into_iter().flatten();
            known = Some((text, entries.filter_map(|entry| Entry::new(entry, polygons)).collect()));
        }
        let (_, entries) = known.as_ref()?;
        let found: Vec<i64> = match points.point(i) {
            Some(point) => {
                let radius = radius.get(i);
                let hits = entries.iter().filter(|entry| entry.has(point, radius));
                hits.map(|entry| entry.number).collect()
            }
            None => Vec::new(),
        };
        if found.is_empty() && unmatched {
            // a row that no shape joins
            out.push_str("[-1]");
        } else {
            write_list(found, out, |number, out| out.push_str(&number.to_string()));
        }
        Some(())
    })
}
