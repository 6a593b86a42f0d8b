//! Geohashes: cells of a grid over longitude and latitude, named by interleaved bits in base 32.
//!
//! Source: Kusto Query Language reference, `geo_point_to_geohash()`, `geo_geohash_to_central_point()`,
//! `geo_geohash_to_polygon()`, `geo_geohash_neighbors()`.

use super::shapes::Degrees;

const DIGITS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";

/// The most characters a geohash has.
pub const LONGEST: i64 = 18;

/// The bounds of a cell.
#[derive(Debug, Clone, Copy)]
pub struct Cell {
    /// West and east
    pub longitude: (f64, f64),
    /// South and north
    pub latitude: (f64, f64),
}

impl Cell {
    /// The middle of the cell.
    pub fn centre(self) -> Degrees {
        (
            (self.longitude.0 + self.longitude.1) / 2.0,
            (self.latitude.0 + self.latitude.1) / 2.0,
        )
    }

    /// Counterclockwise from the south-west corner and back to it.
    pub fn ring(self) -> [Degrees; 5] {
        let (west, east) = self.longitude;
        let (south, north) = self.latitude;
        [(west, south), (east, south), (east, north), (west, north), (west, south)]
    }
}

fn halve(range: &mut (f64, f64), upper: bool) {
    let middle = (range.0 + range.1) / 2.0;
    if upper {
        range.0 = middle;
    } else {
        range.1 = middle;
    }
}

/// The cell of a geohash.
pub fn cell(text: &str) -> Option<Cell> {
    if text.is_empty() || text.len() as i64 > LONGEST {
        return None;
    }
    let mut cell = Cell {
        longitude: (-180.0, 180.0),
        latitude: (-90.0, 90.0),
    };
    let mut along = true;
    for digit in text.bytes() {
        let value = DIGITS.iter().position(|known| *known == digit)?;
        for bit in (0..5).rev() {
            halve(
                if along { &mut cell.longitude } else { &mut cell.latitude },
                (value >> bit) & 1 == 1,
            );
            along = !along;
        }
    }
    Some(cell)
}

/// The geohash of a point.
pub fn encode((longitude, latitude): Degrees, length: i64, out: &mut String) {
    let (mut longitudes, mut latitudes) = ((-180.0, 180.0), (-90.0, 90.0));
    let mut along = true;
    for _ in 0..length {
        let mut value = 0;
        for _ in 0..5 {
            let (range, at): (&mut (f64, f64), f64) = if along {
                (&mut longitudes, longitude)
            } else {
                (&mut latitudes, latitude)
            };
            let upper = at >= (range.0 + range.1) / 2.0;
            halve(range, upper);
            value = value * 2 + usize::from(upper);
            along = !along;
        }
        out.push(DIGITS.get(value).copied().map_or('0', char::from));
    }
}

/// East and north steps to the neighbours, in the order the reference lists them.
const AROUND: [(f64, f64); 8] = [
    (-1.0, -1.0),
    (-1.0, 1.0),
    (1.0, -1.0),
    (0.0, 1.0),
    (-1.0, 0.0),
    (1.0, 1.0),
    (1.0, 0.0),
    (0.0, -1.0),
];

/// The cells around a geohash; beyond a pole there are none.
pub fn neighbors(text: &str) -> Option<Vec<String>> {
    let cell = cell(text)?;
    let (longitude, latitude) = cell.centre();
    let (width, height) = (cell.longitude.1 - cell.longitude.0, cell.latitude.1 - cell.latitude.0);
    let around = AROUND.iter().filter_map(|(east, north)| {
        let (mut east, north) = (longitude + east * width, latitude + north * height);
        if east > 180.0 {
            east -= 360.0;
        } else if east < -180.0 {
            east += 360.0;
        }
        let mut name = String::new();
        (-90.0..=90.0).contains(&north).then(|| {
            encode((east, north), text.len() as i64, &mut name);
            name
        })
    });
    Some(around.collect())
}
