//! Cells of the grids that cover a shape.
//!
//! Source: Kusto Query Language reference, `geo_polygon_to_s2cells()`, `geo_line_to_s2cells()`, `geo_polygon_to_h3cells()`.

use std::collections::HashSet;

use arrow::array::ArrayRef;
use datafusion::common::Result;
use h3o::{CellIndex, LatLng, Resolution};
use taffrail_kql::catalog::Param;
use taffrail_kql::types::Type;

use super::super::call::{Call, Reals};
use super::super::declare::{Scalar, kernel, optional};
use super::super::dynamic::json;
use super::buffer::{Width, widened};
use super::s2::{self, Square};
use super::shapes::{self, Degrees, write_list};
use super::sphere::{Edge, Point, Polygon, RADIUS, distinct};

use Param::Is;

const R: Param = Is(Type::Real);
const L: Param = Is(Type::Long);
const D: Param = Is(Type::Dynamic);

/// More cells than this are no covering.
const MOST_S2: usize = 65_536;
const MOST_H3: usize = 61_680;

/// This file's functions.
pub static FUNCTIONS: &[Scalar] = &[
    kernel(
        "geo_line_to_s2cells",
        "geo_line_to_s2cells(line, level = 11, radius = 0) → dynamic",
        "The S2 cells that cover a line.",
        optional(&[D], &[L, R], Type::Dynamic),
        |c| {
            s2_cells(c, |text| {
                let edges = shapes::line_edges(&shapes::lines(text)?);
                Some((edges, Vec::new()))
            })
        },
    ),
    kernel(
        "geo_polygon_to_s2cells",
        "geo_polygon_to_s2cells(polygon, level = 11, radius = 0) → dynamic",
        "The S2 cells that cover a polygon.",
        optional(&[D], &[L, R], Type::Dynamic),
        |c| {
            s2_cells(c, |text| {
                let polygons = shapes::polygons(text)?;
                Some((distinct(polygons.iter().flat_map(Polygon::edges).collect()), polygons))
            })
        },
    ),
    kernel(
        "geo_polygon_to_h3cells",
        "geo_polygon_to_h3cells(polygon, resolution = 6, radius = 0) → dynamic",
        "The H3 cells with their middles in a polygon.",
        optional(&[D], &[L, R], Type::Dynamic),
        h3_cells,
    ),
];

fn optional_radius<'a>(c: &Call<'a>) -> Result<Option<Reals<'a>>> {
    Ok(if c.count() > 2 { Some(c.real(2)?) } else { None })
}

/// The radius of a row; without one 0.
fn radius_of(radius: Option<&Reals<'_>>, row: usize) -> Option<f64> {
    let radius = radius.map_or(Some(0.0), |radius| radius.get(row))?;
    (radius >= 0.0 && radius.is_finite()).then_some(radius)
}

fn s2_cells(c: &Call<'_>, read: impl Fn(&str) -> Option<(Vec<Edge>, Vec<Polygon>)>) -> Result<ArrayRef> {
    let (text, level, radius) = (c.text(0)?, c.optional_long(1, 11)?, optional_radius(c)?);
    c.texts(|i, out| {
        let level = level.get(i).filter(|level| (0..=s2::DEEPEST).contains(level))?;
        let near = radius_of(radius.as_ref(), i)? / RADIUS;
        let (edges, polygons) = read(text.get(i)?)?;
        let mut covering = Covering {
            polygons: &polygons,
            near,
            level,
            cells: Vec::new(),
        };
        let all: Vec<&Edge> = edges.iter().collect();
        for face in 0..6u64 {
            covering.visit((face << 61) | (1 << 60), 0, &all)?;
        }
        write_list(covering.cells, out, |cell, out| json::write_string(&s2::token(cell), out));
        Some(())
    })
}

/// Cells of a level that a shape reaches.
struct Covering<'a> {
    polygons: &'a [Polygon],
    near: f64,
    level: i64,
    cells: Vec<u64>,
}

impl Covering<'_> {
    /// A cell and those in it, with the edges that may reach it; `None` when there are too many.
    fn visit(&mut self, id: u64, level: i64, edges: &[&Edge]) -> Option<()> {
        let square = Square::new(id)?;
        let corners = [(0, 0), (2, 0), (2, 2), (0, 2)].map(|(i, j)| square.corner(i, j));
        let cell = Cell::new(corners, square.corner(1, 1));
        let reaching: Vec<&Edge> = edges.iter().copied().filter(|edge| cell.reached(edge, self.near)).collect();
        if reaching.is_empty() {
            if self.polygons.iter().any(|polygon| polygon.contains(cell.centre)) {
                self.all(id, level)?;
            }
            return Some(());
        }
        if level == self.level {
            self.cells.push(id);
            return (self.cells.len() <= MOST_S2).then_some(());
        }
        for child in children(id) {
            self.visit(child, level + 1, &reaching)?;
        }
        Some(())
    }

    /// A cell that is wholly inside.
    fn all(&mut self, id: u64, level: i64) -> Option<()> {
        if level == self.level {
            self.cells.push(id);
            return (self.cells.len() <= MOST_S2).then_some(());
        }
        for child in children(id) {
            self.all(child, level + 1)?;
        }
        Some(())
    }
}

/// The four cells of the next level, in the order of the curve.
fn children(id: u64) -> [u64; 4] {
    let bit = id & id.wrapping_neg();
    let first = id.wrapping_sub(bit).wrapping_add(bit >> 2);
    [0, 1, 2, 3].map(|index| first.wrapping_add(index * (bit >> 1)))
}

/// A cell as a region of the sphere.
struct Cell {
    sides: [Edge; 4],
    centre: Point,
    reach: f64,
}

impl Cell {
    fn new([a, b, c, d]: [Point; 4], centre: Point) -> Cell {
        let sides = [(a, b), (b, c), (c, d), (d, a)].map(|(a, b)| Edge { a, b });
        let reach = sides.iter().map(|side| centre.angle(side.a)).fold(0.0, f64::max);
        Cell { sides, centre, reach }
    }

    /// Whether an edge has a point in the cell, its border included, or within an angle of it.
    fn reached(&self, edge: &Edge, near: f64) -> bool {
        if edge.distance(self.centre) > self.reach + near + 1e-12 {
            return false;
        }
        if self.has(edge.a) || self.has(edge.b) || self.sides.iter().any(|side| side.meets(*edge)) {
            return true;
        }
        let apart = |side: &Edge| {
            let ends = side.distance(edge.a).min(side.distance(edge.b));
            ends.min(edge.distance(side.a)).min(edge.distance(side.b))
        };
        self.sides.iter().any(|side| apart(side) <= near + 1e-15)
    }

    fn has(&self, point: Point) -> bool {
        self.sides.iter().all(|side| side.normal().dot(point) >= -1e-15)
    }
}

/// Rings of a polygon in degrees, as drawn on a flat map.
type Flat = Vec<Vec<Degrees>>;

fn h3_cells(c: &Call<'_>) -> Result<ArrayRef> {
    let (text, level, radius) = (c.text(0)?, c.optional_long(1, 6)?, optional_radius(c)?);
    let mut answers: Vec<Option<Vec<CellIndex>>> = Vec::with_capacity(c.rows);
    for i in 0..c.rows {
        let row = || {
            let resolution = Resolution::try_from(u8::try_from(level.get(i)?).ok()?).ok()?;
            Some((shapes::polygons(text.get(i)?)?, resolution, radius_of(radius.as_ref(), i)?))
        };
        let Some((mut polygons, resolution, radius)) = row() else {
            answers.push(None);
            continue;
        };
        if radius > 0.0 {
            let Some(width) = Width::by_default(radius) else {
                answers.push(None);
                continue;
            };
            let edges = distinct(polygons.iter().flat_map(Polygon::edges).collect());
            polygons = widened(c, &edges, polygons, width)?;
        }
        let flat = |polygon: &Polygon| -> Flat {
            let rings = polygon.rings();
            rings
                .iter()
                .map(|ring| ring.iter().map(|point| point.degrees()).collect())
                .collect()
        };
        answers.push(filled(&polygons.iter().map(flat).collect::<Vec<_>>(), resolution));
    }
    c.texts(|i, out| {
        let cells = answers.get(i)?.as_ref()?;
        write_list(cells, out, |cell, out| json::write_string(&cell.to_string(), out));
        Some(())
    })
}

/// The cells whose middle is in one of the polygons; `None` when there are too many.
fn filled(polygons: &[Flat], resolution: Resolution) -> Option<Vec<CellIndex>> {
    let mut seen: HashSet<CellIndex> = HashSet::new();
    let mut found: Vec<CellIndex> = Vec::new();
    for polygon in polygons {
        // along the border first; what is inside of it is reached from there
        let mut open: Vec<CellIndex> = Vec::new();
        for ring in polygon {
            for (a, b) in ring.iter().zip(ring.iter().skip(1)) {
                trace(*a, *b, resolution, &mut open)?;
            }
        }
        let mut around: HashSet<CellIndex> = open.iter().copied().collect();
        while let Some(cell) = open.pop() {
            for cell in cell.grid_disk::<Vec<_>>(1) {
                let middle = LatLng::from(cell);
                if !within(polygon, (middle.lng(), middle.lat())) {
                    continue;
                }
                if seen.insert(cell) {
                    found.push(cell);
                    if found.len() > MOST_H3 {
                        return None;
                    }
                }
                if around.insert(cell) {
                    open.push(cell);
                }
            }
        }
    }
    Some(found)
}

/// The cells along a straight line on the map; `None` when there are too many.
fn trace(a: Degrees, b: Degrees, resolution: Resolution, out: &mut Vec<CellIndex>) -> Option<()> {
    let step = (resolution.edge_length_m() / RADIUS).to_degrees() / 2.0;
    let steps = ((b.0 - a.0).abs().max((b.1 - a.1).abs()) / step).ceil().max(1.0);
    if steps > 4.0 * MOST_H3 as f64 {
        return None;
    }
    let mut index = 0.0;
    while index <= steps {
        let fraction = index / steps;
        let at = LatLng::new(a.1 + (b.1 - a.1) * fraction, a.0 + (b.0 - a.0) * fraction).ok()?;
        let cell = at.to_cell(resolution);
        if out.last() != Some(&cell) {
            out.push(cell);
        }
        index += 1.0;
    }
    Some(())
}

/// Whether a place on the map is in a polygon: an odd number of borders east of it.
fn within(polygon: &Flat, (x, y): Degrees) -> bool {
    let mut inside = false;
    for ring in polygon {
        for (a, b) in ring.iter().zip(ring.iter().skip(1)) {
            if (a.1 > y) != (b.1 > y) && x < (b.0 - a.0) * (y - a.1) / (b.1 - a.1) + a.0 {
                inside = !inside;
            }
        }
    }
    inside
}
