//! Shapes read from GeoJSON and well-known text, and written as GeoJSON.
//!
//! Source: RFC 7946; OGC 06-103r4, "Well-known text representation for geometry"; Kusto Query Language reference,
//! `geo_from_wkt()`.

use serde_json::Value as Tree;

use super::super::call::Text;
use super::super::dynamic::json;
use super::sphere::{Edge, Point, Polygon, Ring, distinct, edges};

/// Longitude and latitude, when they are on Earth.
pub fn position(longitude: f64, latitude: f64) -> Option<Point> {
    ((-180.0..=180.0).contains(&longitude) && (-90.0..=90.0).contains(&latitude)).then(|| Point::new(longitude, latitude))
}

/// A pair of degrees.
pub type Degrees = (f64, f64);

fn degrees(tree: &Tree) -> Option<Degrees> {
    let items = tree.as_array()?;
    let (longitude, latitude) = (items.first()?.as_f64()?, items.get(1)?.as_f64()?);
    position(longitude, latitude)?;
    Some((longitude, latitude))
}

/// The points of a line or a ring in degrees.
pub fn chain(tree: &Tree) -> Option<Vec<Degrees>> {
    tree.as_array()?.iter().map(degrees).collect()
}

fn points(tree: &Tree) -> Option<Vec<Point>> {
    Some(
        chain(tree)?
            .into_iter()
            .map(|(longitude, latitude)| Point::new(longitude, latitude))
            .collect(),
    )
}

fn line(tree: &Tree) -> Option<Vec<Point>> {
    let points = points(tree)?;
    (points.len() >= 2 && edges(&points).all(|edge| edge.a.angle(edge.b) < std::f64::consts::PI - 1e-9)).then_some(points)
}

fn polygon(tree: &Tree) -> Option<Polygon> {
    let rings = tree.as_array()?.iter().map(|ring| Ring::new(&points(ring)?));
    Polygon::new(rings.collect::<Option<_>>()?)
}

/// The type and the coordinates of a shape.
pub fn parts(tree: &Tree) -> Option<(&str, &Tree)> {
    Some((tree.get("type")?.as_str()?, tree.get("coordinates")?))
}

fn several<T>(tree: &Tree, each: impl Fn(&Tree) -> Option<T>) -> Option<Vec<T>> {
    let all = tree.as_array()?.iter().map(each).collect::<Option<Vec<T>>>()?;
    (!all.is_empty()).then_some(all)
}

/// The lines of a LineString or a MultiLineString.
pub fn lines(text: &str) -> Option<Vec<Vec<Point>>> {
    let tree = json::tree(text);
    match parts(&tree)? {
        ("LineString", coordinates) => Some(vec![line(coordinates)?]),
        ("MultiLineString", coordinates) => several(coordinates, line),
        _ => None,
    }
}

/// The polygons of a Polygon or a MultiPolygon.
pub fn polygons(text: &str) -> Option<Vec<Polygon>> {
    let tree = json::tree(text);
    match parts(&tree)? {
        ("Polygon", coordinates) => Some(vec![polygon(coordinates)?]),
        ("MultiPolygon", coordinates) => several(coordinates, polygon),
        _ => None,
    }
}

/// The edges of lines; an edge that several lines have counts once.
pub fn line_edges(lines: &[Vec<Point>]) -> Vec<Edge> {
    let all = lines.iter().flat_map(|line| edges(line)).collect();
    if lines.len() > 1 { distinct(all) } else { all }
}

/// A column of shapes; one that stays the same from row to row is read once.
pub struct Shapes<'a, T> {
    text: Text<'a>,
    read: fn(&str) -> Option<T>,
    last: Option<(&'a str, Option<T>)>,
}

impl<'a, T> Shapes<'a, T> {
    /// Over texts and what reads them.
    pub fn new(text: Text<'a>, read: fn(&str) -> Option<T>) -> Shapes<'a, T> {
        Shapes { text, read, last: None }
    }

    /// The shape of a row; `None` is null or no such shape.
    pub fn get(&mut self, row: usize) -> Option<&T> {
        let text = self.text.get(row)?;
        if self.last.as_ref().is_none_or(|(known, _)| *known != text) {
            self.last = Some((text, (self.read)(text)));
        }
        self.last.as_ref()?.1.as_ref()
    }
}

/// Writes a coordinate; whole ones without a fraction.
fn write_degree(value: f64, out: &mut String) {
    if value == value.trunc() {
        out.push_str(&format!("{value:.0}"));
    } else {
        json::write_real(value, out);
    }
}

/// Writes a pair of coordinates.
pub fn write_position((longitude, latitude): Degrees, out: &mut String) {
    out.push('[');
    write_degree(longitude, out);
    out.push(',');
    write_degree(latitude, out);
    out.push(']');
}

/// Writes a list of what `each` writes.
pub fn write_list<T>(items: impl IntoIterator<Item = T>, out: &mut String, mut each: impl FnMut(T, &mut String)) {
    out.push('[');
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        each(item, out);
    }
    out.push(']');
}

/// Writes a shape around its coordinates.
pub fn write_shape(kind: &str, out: &mut String, coordinates: impl FnOnce(&mut String)) {
    out.push_str("{\"type\":\"");
    out.push_str(kind);
    out.push_str("\",\"coordinates\":");
    coordinates(out);
    out.push('}');
}

/// Writes a Point.
pub fn write_point(at: Degrees, out: &mut String) {
    write_shape("Point", out, |out| write_position(at, out));
}

/// Writes a Polygon of one ring.
pub fn write_ring(ring: impl IntoIterator<Item = Degrees>, out: &mut String) {
    write_shape("Polygon", out, |out| {
        out.push('[');
        write_list(ring, out, write_position);
        out.push(']');
    });
}

/// How deep collections may be in collections.
const DEEPEST: usize = 32;

/// Writes well-known text as GeoJSON; `None` when it is not well-formed or of another kind.
pub fn from_wkt(text: &str, out: &mut String) -> Option<()> {
    let rest = shape_from_wkt(text, out, 0)?;
    rest.trim_matches([' ', '\t', '\r', '\n', ';']).is_empty().then_some(())
}

fn shape_from_wkt<'a>(text: &'a str, out: &mut String, depth: usize) -> Option<&'a str> {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_ascii_alphabetic())?;
    let (word, rest) = text.split_at_checked(end)?;
    let (kind, level) = match word.to_ascii_uppercase().as_str() {
        "POINT" => ("Point", 0),
        "LINESTRING" => ("LineString", 1),
        "MULTIPOINT" => ("MultiPoint", 1),
        "POLYGON" => ("Polygon", 2),
        "MULTILINESTRING" => ("MultiLineString", 2),
        "MULTIPOLYGON" => ("MultiPolygon", 3),
        "GEOMETRYCOLLECTION" if depth < DEEPEST => {
            out.push_str("{\"type\":\"GeometryCollection\",\"geometries\":");
            let rest = list_from_wkt(rest, out, |text, out| shape_from_wkt(text, out, depth + 1))?;
            out.push('}');
            return Some(rest);
        }
        _ => return None,
    };
    let mut rest = rest;
    let mut coordinates = String::new();
    if level == 0 {
        rest = position_from_wkt(rest.trim_start().strip_prefix('(')?, &mut coordinates)?;
        rest = rest.trim_start().strip_prefix(')')?;
    } else {
        rest = nested_from_wkt(rest, &mut coordinates, level, kind == "MultiPoint")?;
    }
    write_shape(kind, out, |out| out.push_str(&coordinates));
    Some(rest)
}

fn nested_from_wkt<'a>(text: &'a str, out: &mut String, level: usize, wrapped: bool) -> Option<&'a str> {
    list_from_wkt(text, out, |text, out| match text.trim_start().strip_prefix('(') {
        // The points of a MULTIPOINT may stand in parentheses of their own.
        Some(inner) if level == 1 && wrapped => position_from_wkt(inner, out)?.trim_start().strip_prefix(')'),
        _ if level == 1 => position_from_wkt(text, out),
        _ => nested_from_wkt(text, out, level - 1, wrapped),
    })
}

fn list_from_wkt<'a>(text: &'a str, out: &mut String, mut each: impl FnMut(&'a str, &mut String) -> Option<&'a str>) -> Option<&'a str> {
    let mut rest = text.trim_start().strip_prefix('(')?;
    out.push('[');
    loop {
        rest = each(rest, out)?.trim_start();
        if let Some(end) = rest.strip_prefix(')') {
            out.push(']');
            return Some(end);
        }
        rest = rest.strip_prefix(',')?;
        out.push(',');
    }
}

fn position_from_wkt<'a>(text: &'a str, out: &mut String) -> Option<&'a str> {
    let end = text.find([',', ')', '('])?;
    let (numbers, rest) = text.split_at_checked(end)?;
    let mut numbers = numbers.split_ascii_whitespace().map(|number| number.parse::<f64>().ok());
    let (longitude, latitude) = (numbers.next()??, numbers.next()??);
    if numbers.next().is_some() || position(longitude, latitude).is_none() {
        return None;
    }
    write_position((longitude, latitude), out);
    Some(rest)
}
