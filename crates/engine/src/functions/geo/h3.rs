//! The hexagonal grid H3.
//!
//! Source: Kusto Query Language reference, `geo_point_to_h3cell()`, `geo_h3cell_*()`.

use arrow::array::ArrayRef;
use datafusion::common::Result;
use h3o::{CellIndex, LatLng, Resolution};
use taffrail_kql::catalog::Param;
use taffrail_kql::types::Type;

use super::super::call::Call;
use super::super::declare::{Scalar, kernel, optional, plain};
use super::super::dynamic::json;
use super::Positions;
use super::shapes::{Degrees, write_list, write_point, write_ring};

use Param::Is;

const R: Param = Is(Type::Real);
const L: Param = Is(Type::Long);
const S: Param = Is(Type::String);

/// Farther than this the reference lists no rings.
const FARTHEST_RING: i64 = 142;
/// More levels down than this the reference lists no children.
const MOST_LEVELS: u8 = 5;

/// This file's functions.
pub static FUNCTIONS: &[Scalar] = &[
    kernel(
        "geo_point_to_h3cell",
        "geo_point_to_h3cell(longitude, latitude, resolution = 6) → string",
        "The H3 cell of a point.",
        optional(&[R, R], &[L], Type::String),
        point_to_cell,
    ),
    kernel(
        "geo_h3cell_to_central_point",
        "geo_h3cell_to_central_point(h3cell) → dynamic",
        "The middle of an H3 cell.",
        plain(&[S], Type::Dynamic),
        |c| of_cell(c, |cell, out| write_point(degrees(LatLng::from(cell)), out)),
    ),
    kernel(
        "geo_h3cell_to_polygon",
        "geo_h3cell_to_polygon(h3cell) → dynamic",
        "The bounds of an H3 cell.",
        plain(&[S], Type::Dynamic),
        |c| {
            of_cell(c, |cell, out| {
                let boundary = cell.boundary();
                let corners = boundary.iter().chain(boundary.first());
                write_ring(corners.map(|corner| degrees(*corner)), out);
            })
        },
    ),
    kernel(
        "geo_h3cell_level",
        "geo_h3cell_level(h3cell) → int",
        "The resolution of an H3 cell.",
        plain(&[S], Type::Int),
        |c| {
            let text = c.text(0)?;
            c.longs(|i| Some(i64::from(u8::from(cell(text.get(i)?)?.resolution()))))
        },
    ),
    kernel(
        "geo_h3cell_parent",
        "geo_h3cell_parent(h3cell, resolution) → string",
        "The H3 cell that contains one, a level or more up.",
        optional(&[S], &[L], Type::String),
        parent,
    ),
    kernel(
        "geo_h3cell_children",
        "geo_h3cell_children(h3cell, resolution) → dynamic",
        "The H3 cells one contains, a level or more down.",
        optional(&[S], &[L], Type::Dynamic),
        children,
    ),
    kernel(
        "geo_h3cell_neighbors",
        "geo_h3cell_neighbors(h3cell) → dynamic",
        "The H3 cells around one.",
        plain(&[S], Type::Dynamic),
        |c| {
            of_cell(c, |cell, out| {
                let rings = rings(cell, 1);
                write_list(rings.iter().skip(1).flatten(), out, |cell, out| write_cell(*cell, out));
            })
        },
    ),
    kernel(
        "geo_h3cell_rings",
        "geo_h3cell_rings(h3cell, distance) → dynamic",
        "The H3 cells around one, by distance.",
        plain(&[S, L], Type::Dynamic),
        ring_list,
    ),
];

fn cell(text: &str) -> Option<CellIndex> {
    text.parse().ok()
}

fn degrees(at: LatLng) -> Degrees {
    (at.lng(), at.lat())
}

fn resolution(value: i64) -> Option<Resolution> {
    Resolution::try_from(u8::try_from(value).ok()?).ok()
}

fn write_cell(cell: CellIndex, out: &mut String) {
    json::write_string(&cell.to_string(), out);
}

fn of_cell(c: &Call<'_>, write: impl Fn(CellIndex, &mut String)) -> Result<ArrayRef> {
    let text = c.text(0)?;
    c.texts(|i, out| {
        write(cell(text.get(i)?)?, out);
        Some(())
    })
}

fn point_to_cell(c: &Call<'_>) -> Result<ArrayRef> {
    let (point, level) = (Positions::new(c, 0)?, c.optional_long(2, 6)?);
    c.texts(|i, out| {
        let (longitude, latitude) = point.degrees(i)?;
        let at = LatLng::new(latitude, longitude).ok()?;
        out.push_str(&at.to_cell(resolution(level.get(i)?)?).to_string());
        Some(())
    })
}

fn parent(c: &Call<'_>) -> Result<ArrayRef> {
    let (text, level) = (c.text(0)?, if c.count() > 1 { Some(c.long(1)?) } else { None });
    c.texts(|i, out| {
        let cell = cell(text.get(i)?)?;
        let own = i64::from(u8::from(cell.resolution()));
        let level = level.map_or(Some(own - 1), |level| level.get(i)).filter(|level| *level < own)?;
        out.push_str(&cell.parent(resolution(level)?)?.to_string());
        Some(())
    })
}

fn children(c: &Call<'_>) -> Result<ArrayRef> {
    let (text, level) = (c.text(0)?, if c.count() > 1 { Some(c.long(1)?) } else { None });
    c.texts(|i, out| {
        let cell = cell(text.get(i)?)?;
        let own = i64::from(u8::from(cell.resolution()));
        let levels = own + 1..=own + i64::from(MOST_LEVELS);
        let level = level
            .map_or(Some(own + 1), |level| level.get(i))
            .filter(|level| levels.contains(level))?;
        write_list(cell.children(resolution(level)?), out, write_cell);
        Some(())
    })
}

/// The cells by distance, in the order in which they are met walking along the sides.
fn rings(cell: CellIndex, farthest: u32) -> Vec<Vec<CellIndex>> {
    let mut rings = vec![Vec::new(); farthest as usize + 1];
    let cells: Vec<(CellIndex, u32)> = cell.grid_disk_distances(farthest);
    for (cell, distance) in cells {
        if let Some(ring) = rings.get_mut(distance as usize) {
            ring.push(cell);
        }
    }
    rings
}

fn ring_list(c: &Call<'_>) -> Result<ArrayRef> {
    let (text, distance) = (c.text(0)?, c.long(1)?);
    c.texts(|i, out| {
        let distance = distance.get(i).filter(|distance| (0..=FARTHEST_RING).contains(distance))?;
        let rings = rings(cell(text.get(i)?)?, u32::try_from(distance).ok()?);
        write_list(rings, out, |ring, out| write_list(ring, out, write_cell));
        Some(())
    })
}
