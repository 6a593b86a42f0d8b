//! The grid S2: the sphere on the faces of a cube, each divided into four again and again along a Hilbert curve.
//!
//! A cell is a number of 64 bits: three for the face, two for every level, a one, and zeros; its token is the number in
//! hexadecimal without the zeros at the end.
//!
//! Source: Kusto Query Language reference, `geo_point_to_s2cell()`, `geo_s2cell_*()`; S2 developer guide, "S2 cell
//! hierarchy".

use arrow::array::ArrayRef;
use datafusion::common::Result;
use taffrail_kql::catalog::Param;
use taffrail_kql::types::Type;

use super::super::call::Call;
use super::super::declare::{Scalar, kernel, optional, plain};
use super::super::dynamic::json;
use super::shapes::{write_list, write_point, write_ring};
use super::sphere::Point;
use super::{Positions, from_text};

use Param::Is;

const R: Param = Is(Type::Real);
const L: Param = Is(Type::Long);
const S: Param = Is(Type::String);

/// The smallest cells' level.
pub const DEEPEST: i64 = 30;
/// How many of the smallest cells lie along a face.
const ACROSS: i64 = 1 << DEEPEST;

/// By orientation and quarter (a bit along each axis): the place on the curve.
const PLACE: [[u64; 4]; 4] = [[0, 1, 3, 2], [0, 3, 1, 2], [2, 3, 1, 0], [2, 1, 3, 0]];
/// By orientation and place on the curve: the quarter.
const QUARTER: [[i64; 4]; 4] = [[0, 1, 3, 2], [0, 2, 3, 1], [3, 2, 0, 1], [3, 1, 0, 2]];
/// By place on the curve: how the orientation changes.
const TURN: [usize; 4] = [1, 0, 0, 3];

/// This file's functions.
pub static FUNCTIONS: &[Scalar] = &[
    kernel(
        "geo_point_to_s2cell",
        "geo_point_to_s2cell(longitude, latitude, level = 11) → string",
        "The S2 cell of a point.",
        optional(&[R, R], &[L], Type::String),
        point_to_cell,
    ),
    kernel(
        "geo_s2cell_to_central_point",
        "geo_s2cell_to_central_point(s2cell) → dynamic",
        "The middle of an S2 cell.",
        plain(&[S], Type::Dynamic),
        |c| {
            from_text(c, |text, out| {
                write_point(Square::parse(text)?.corner(1, 1).degrees(), out);
                Some(())
            })
        },
    ),
    kernel(
        "geo_s2cell_to_polygon",
        "geo_s2cell_to_polygon(s2cell) → dynamic",
        "The bounds of an S2 cell.",
        plain(&[S], Type::Dynamic),
        |c| {
            from_text(c, |text, out| {
                let square = Square::parse(text)?;
                let corners = [(0, 0), (2, 0), (2, 2), (0, 2), (0, 0)];
                write_ring(corners.map(|(i, j)| square.corner(i, j).degrees()), out);
                Some(())
            })
        },
    ),
    kernel(
        "geo_s2cell_neighbors",
        "geo_s2cell_neighbors(s2cell) → dynamic",
        "The S2 cells around one.",
        plain(&[S], Type::Dynamic),
        |c| {
            from_text(c, |text, out| {
                let around = Square::parse(text)?.neighbors();
                write_list(around, out, |cell, out| json::write_string(&token(cell), out));
                Some(())
            })
        },
    ),
];

/// A cell as a square on a face: its first corner and its side in smallest cells.
#[derive(Debug, Clone, Copy)]
pub struct Square {
    face: u64,
    i: i64,
    j: i64,
    side: i64,
}

/// How a cell is written.
pub fn token(id: u64) -> String {
    format!("{id:016x}").trim_end_matches('0').to_owned()
}

/// The smallest cell that a point is in.
pub fn leaf(point: Point) -> u64 {
    let (face, u, v) = project(point);
    cell(face, step(unstretched(u)), step(unstretched(v)), DEEPEST)
}

fn level_bit(level: i64) -> u64 {
    1 << (2 * (DEEPEST - level)).clamp(0, 60)
}

/// The face and the place on it, both from -1 to 1, of a direction.
fn project(point: Point) -> (u64, f64, f64) {
    let (x, y, z) = point.xyz();
    let (ax, ay, az) = (x.abs(), y.abs(), z.abs());
    if ax > ay && ax > az {
        if x > 0.0 { (0, y / x, z / x) } else { (3, z / x, y / x) }
    } else if ay > az {
        if y > 0.0 { (1, -x / y, z / y) } else { (4, z / y, -x / y) }
    } else if z > 0.0 {
        (2, -x / z, -y / z)
    } else {
        (5, -y / z, -x / z)
    }
}

fn unproject(face: u64, u: f64, v: f64) -> Point {
    let (x, y, z) = match face {
        0 => (1.0, u, v),
        1 => (-u, 1.0, v),
        2 => (-u, -v, 1.0),
        3 => (-1.0, -v, -u),
        4 => (v, -1.0, -u),
        _ => (v, u, -1.0),
    };
    Point::towards_xyz(x, y, z)
}

/// From places on a face that make cells of like size to places on the cube.
fn stretched(s: f64) -> f64 {
    if s >= 0.5 {
        (4.0 * s * s - 1.0) / 3.0
    } else {
        (1.0 - 4.0 * (1.0 - s) * (1.0 - s)) / 3.0
    }
}

fn unstretched(u: f64) -> f64 {
    if u >= 0.0 {
        0.5 * (1.0 + 3.0 * u).sqrt()
    } else {
        1.0 - 0.5 * (1.0 - 3.0 * u).sqrt()
    }
}

/// The smallest cell at a place from 0 to 1.
fn step(s: f64) -> i64 {
    ((s * ACROSS as f64).floor() as i64).clamp(0, ACROSS - 1)
}

/// The cell of a level with a smallest cell in it.
fn cell(face: u64, i: i64, j: i64, level: i64) -> u64 {
    let mut orientation = (face & 1) as usize;
    let mut id = face;
    for bit in (0..DEEPEST).rev() {
        let quarter = (((i >> bit) & 1) * 2 + ((j >> bit) & 1)) as usize;
        let place = PLACE.get(orientation).and_then(|row| row.get(quarter)).copied().unwrap_or(0);
        id = (id << 2) | place;
        orientation ^= TURN.get(place as usize).copied().unwrap_or(0);
    }
    let bit = level_bit(level);
    (((id << 1) | 1) & bit.wrapping_neg()) | bit
}

impl Square {
    fn parse(text: &str) -> Option<Square> {
        if text.is_empty() || text.len() > 16 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        Square::new(u64::from_str_radix(&format!("{text:0<16}"), 16).ok()?)
    }

    /// Of a cell's number.
    pub fn new(id: u64) -> Option<Square> {
        let face = id >> 61;
        let zeros = i64::from(id.trailing_zeros());
        if face > 5 || zeros % 2 == 1 || zeros > 2 * DEEPEST {
            return None;
        }
        let level = DEEPEST - zeros / 2;
        let mut orientation = (face & 1) as usize;
        let (mut i, mut j) = (0, 0);
        for step in 0..level {
            let place = ((id >> (59 - 2 * step)) & 3) as usize;
            let quarter = *QUARTER.get(orientation)?.get(place)?;
            i = (i << 1) | (quarter >> 1);
            j = (j << 1) | (quarter & 1);
            orientation ^= TURN.get(place)?;
        }
        let side = 1 << (DEEPEST - level);
        Some(Square {
            face,
            i: i * side,
            j: j * side,
            side,
        })
    }

    fn level(self) -> i64 {
        DEEPEST - i64::from(self.side.trailing_zeros())
    }

    /// A place on the square, in halves of its side.
    pub fn corner(self, i: i64, j: i64) -> Point {
        let place = |start: i64, halves: i64| stretched((start * 2 + self.side * halves) as f64 / (2 * ACROSS) as f64);
        unproject(self.face, place(self.i, i), place(self.j, j))
    }

    /// The cell of this level at a smallest cell, which may lie one beyond the face.
    fn at(self, i: i64, j: i64) -> u64 {
        let within = 0..ACROSS;
        if within.contains(&i) && within.contains(&j) {
            return cell(self.face, i, j, self.level());
        }
        let place = |at: i64| (2 * at.clamp(-1, ACROSS) + 1 - ACROSS) as f64 / ACROSS as f64;
        let (face, u, v) = project(unproject(self.face, place(i), place(j)));
        cell(face, step(0.5 * (u + 1.0)), step(0.5 * (v + 1.0)), self.level())
    }

    /// In the order the reference lists them; where three faces meet there are seven.
    fn neighbors(self) -> Vec<u64> {
        let Square { i, j, side, .. } = self;
        let around = [
            (side, side),
            (-side, -side),
            (side, -side),
            (0, -side),
            (0, side),
            (side, 0),
            (-side, 0),
            (-side, side),
        ];
        let mut cells = Vec::with_capacity(around.len());
        for (along, across) in around {
            let cell = self.at(i + along, j + across);
            if !cells.contains(&cell) {
                cells.push(cell);
            }
        }
        cells
    }
}

fn point_to_cell(c: &Call<'_>) -> Result<ArrayRef> {
    let (point, level) = (Positions::new(c, 0)?, c.optional_long(2, 11)?);
    c.texts(|i, out| {
        let level = level.get(i).filter(|level| (0..=DEEPEST).contains(level))?;
        let (face, u, v) = project(point.point(i)?);
        out.push_str(&token(cell(face, step(unstretched(u)), step(unstretched(v)), level)));
        Some(())
    })
}
