//! Lines and polynomials fitted to a series by least squares.
//!
//! Source: Kusto Query Language reference, "series_fit_line()", "series_fit_2lines()", "series_fit_poly()" and the
//! forms that give a bag.

use arrow::array::ArrayRef;
use datafusion::common::Result;
use taffrail_kql::catalog::{Argument, ArgumentError, Naming, Resolved};
use taffrail_kql::types::Type;

use super::super::call::Call;
use super::super::dynamic::json;
use super::{complete, numbers, write_numbers};

pub(super) const LINE: Naming = Naming::Tuple(&[
    "series_fit_line_{}_rsquare",
    "series_fit_line_{}_slope",
    "series_fit_line_{}_variance",
    "series_fit_line_{}_rvariance",
    "series_fit_line_{}_interception",
    "series_fit_line_{}_line_fit",
]);

pub(super) const TWO_LINES: Naming = Naming::Tuple(&[
    "series_fit_2lines_{}_rsquare",
    "series_fit_2lines_{}_split_idx",
    "series_fit_2lines_{}_variance",
    "series_fit_2lines_{}_rvariance",
    "series_fit_2lines_{}_line_fit",
    "series_fit_2lines_{}_right_rsquare",
    "series_fit_2lines_{}_right_slope",
    "series_fit_2lines_{}_right_interception",
    "series_fit_2lines_{}_right_variance",
    "series_fit_2lines_{}_right_rvariance",
    "series_fit_2lines_{}_left_rsquare",
    "series_fit_2lines_{}_left_slope",
    "series_fit_2lines_{}_left_interception",
    "series_fit_2lines_{}_left_variance",
    "series_fit_2lines_{}_left_rvariance",
]);

pub(super) const POLYNOMIAL: Naming = Naming::Tuple(&[
    "series_fit_poly_{}_rsquare",
    "series_fit_poly_{}_coefficients",
    "series_fit_poly_{}_variance",
    "series_fit_poly_{}_rvariance",
    "series_fit_poly_{}_poly_fit",
]);

fn one_series(args: &[Argument<'_>], returns: Vec<Type>) -> std::result::Result<Resolved, ArgumentError> {
    match args {
        [_] => Ok(Resolved {
            params: vec![Type::Dynamic],
            returns,
        }),
        _ => Err(ArgumentError {
            argument: None,
            message: "expected a series".to_owned(),
        }),
    }
}

pub(super) fn line_types(args: &[Argument<'_>]) -> std::result::Result<Resolved, ArgumentError> {
    use Type::{Dynamic, Real};
    one_series(args, vec![Real, Real, Real, Real, Real, Dynamic])
}

pub(super) fn two_lines_types(args: &[Argument<'_>]) -> std::result::Result<Resolved, ArgumentError> {
    use Type::{Dynamic, Long, Real};
    let mut returns = vec![Real, Long, Real, Real, Dynamic];
    returns.resize(15, Real);
    one_series(args, returns)
}

pub(super) fn polynomial_types(args: &[Argument<'_>]) -> std::result::Result<Resolved, ArgumentError> {
    use Type::{Dynamic, Long, Real};
    if !(1..=3).contains(&args.len()) {
        return Err(ArgumentError {
            argument: None,
            message: "expected a series, perhaps the places of its values, and a degree".to_owned(),
        });
    }
    let mut params = vec![Dynamic, Dynamic, Long];
    params.truncate(args.len());
    Ok(Resolved {
        params,
        returns: vec![Real, Dynamic, Real, Real, Dynamic],
    })
}

/// A line fitted by least squares over positions 0, 1, 2, …
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    rsquare: f64,
    pub(super) slope: f64,
    variance: f64,
    rvariance: f64,
    pub(super) interception: f64,
}

fn rsquare(residual: f64, total: f64) -> f64 {
    if total == 0.0 { 1.0 } else { 1.0 - residual / total }
}

impl Line {
    pub(super) fn through(values: &[f64]) -> Option<Line> {
        let count = values.len() as f64;
        if values.len() < 2 {
            return None;
        }
        let (mean_x, mean_y) = ((count - 1.0) / 2.0, values.iter().sum::<f64>() / count);
        let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
        for (at, y) in values.iter().enumerate() {
            let (dx, dy) = (at as f64 - mean_x, y - mean_y);
            xx += dx * dx;
            xy += dx * dy;
            yy += dy * dy;
        }
        let slope = xy / xx;
        let interception = mean_y - slope * mean_x;
        let residual: f64 = values
            .iter()
            .enumerate()
            .map(|(at, y)| (y - interception - slope * at as f64).powi(2))
            .sum();
        Some(Line {
            rsquare: rsquare(residual, yy),
            slope,
            variance: yy / (count - 1.0),
            rvariance: residual / (count - 1.0),
            interception,
        })
    }

    /// The line's value at a position.
    pub(super) fn at(&self, position: usize) -> f64 {
        self.interception + self.slope * position as f64
    }

    /// What Kusto calls the interception: the first value is at 1, so this is one step before it.
    fn before(&self) -> f64 {
        self.interception - self.slope
    }

    fn residual(&self, count: usize) -> f64 {
        self.rvariance * (count as f64 - 1.0)
    }
}

/// Numbers by name, and one array of numbers: a bag, or an array of what becomes columns.
enum Part<'a> {
    Real(&'a str, f64),
    Whole(&'a str, usize),
    Series(&'a str, Vec<f64>),
    Line(&'a str, &'a Line),
}

fn write_parts(parts: &[Part<'_>], columns: bool, out: &mut String) {
    out.push(if columns { '[' } else { '{' });
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        let (Part::Real(name, _) | Part::Whole(name, _) | Part::Series(name, _) | Part::Line(name, _)) = part;
        if !columns {
            json::write_string(name, out);
            out.push(':');
        }
        match part {
            Part::Real(_, value) => json::write_real(*value, out),
            Part::Whole(_, value) => out.push_str(&value.to_string()),
            Part::Series(_, values) => write_numbers(values.iter().copied().map(Some), out),
            Part::Line(_, line) => {
                let members = [
                    Part::Real("rsquare", line.rsquare),
                    Part::Real("slope", line.slope),
                    Part::Real("interception", line.before()),
                    Part::Real("variance", line.variance),
                    Part::Real("rvariance", line.rvariance),
                ];
                let start = out.len();
                write_parts(&members, columns, out);
                if columns {
                    // Columns are not nested.
                    out.remove(start);
                    out.pop();
                }
            }
        }
    }
    out.push(if columns { ']' } else { '}' });
}

pub(super) fn line(c: &Call<'_>, columns: bool) -> Result<ArrayRef> {
    let text = c.text(0)?;
    c.texts(|i, out| {
        let values = complete(numbers(text.get(i)?)?)?;
        let line = Line::through(&values)?;
        let parts = [
            Part::Real("rsquare", line.rsquare),
            Part::Real("slope", line.slope),
            Part::Real("variance", line.variance),
            Part::Real("rvariance", line.rvariance),
            Part::Real("interception", line.before()),
            Part::Series("line_fit", (0..values.len()).map(|at| line.at(at)).collect()),
        ];
        write_parts(&parts, columns, out);
        Some(())
    })
}

/// Where to break a series so that a line through each part leaves the least, and both lines. A part has two points at
/// least, as a line does.
fn break_in_two(values: &[f64]) -> Option<(usize, Line, Line)> {
    let sum = |count: usize, sums: &[(f64, f64, f64)]| sums.get(count).copied().unwrap_or_default();
    // Sums of y, of place times y and of y² up to each place make the residual of a part a few operations.
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    let mut sums = vec![(0.0, 0.0, 0.0)];
    let mut total = (0.0, 0.0, 0.0);
    for (at, value) in values.iter().enumerate() {
        let y = value - mean;
        total = (total.0 + y, total.1 + y * at as f64, total.2 + y * y);
        sums.push(total);
    }
    let residual = |from: usize, to: usize| {
        let (a, b) = (sum(from, &sums), sum(to, &sums));
        let count = (to - from) as f64;
        let (y, xy, yy) = (b.0 - a.0, b.1 - a.1, b.2 - a.2);
        let mean_x = from as f64 + (count - 1.0) / 2.0;
        let xx = count * (count * count - 1.0) / 12.0;
        let covariance = xy - mean_x * y;
        yy - y * y / count - covariance * covariance / xx
    };
    let best = (2..values.len().saturating_sub(1))
        .map(|split| (split, residual(0, split) + residual(split, values.len())))
        .reduce(|best, next| if next.1 < best.1 { next } else { best })?;
    let (left, right) = values.split_at_checked(best.0)?;
    Some((best.0, Line::through(left)?, Line::through(right)?))
}

pub(super) fn two_lines(c: &Call<'_>, columns: bool) -> Result<ArrayRef> {
    let text = c.text(0)?;
    c.texts(|i, out| {
        let values = complete(numbers(text.get(i)?)?)?;
        let whole = Line::through(&values)?;
        let (split, left, right) = break_in_two(&values)?;
        let rest = values.len() - split;
        let residual = left.residual(split) + right.residual(rest);
        let fitted = (0..split).map(|at| left.at(at)).chain((0..rest).map(|at| right.at(at)));
        let degrees = values.len() as f64 - 1.0;
        let parts = [
            Part::Real("rsquare", rsquare(residual, whole.variance * degrees)),
            Part::Whole("split_idx", split),
            Part::Real("variance", whole.variance),
            Part::Real("rvariance", residual / degrees),
            Part::Series("line_fit", fitted.collect()),
            Part::Line("right", &right),
            Part::Line("left", &left),
        ];
        write_parts(&parts, columns, out);
        Some(())
    })
}

/// The polynomial of a degree that fits best: its coefficients, the highest power first. Solved by Householder's
/// reflections over places moved and scaled to [-1, 1], where powers stay apart.
fn polynomial(x: &[f64], y: &[f64], degree: usize) -> Option<Vec<f64>> {
    let columns = degree + 1;
    if x.len() < columns || x.len() != y.len() {
        return None;
    }
    let (least, most) = x
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(*v), b.max(*v)));
    let middle = (least + most) / 2.0;
    let half = if most > least { (most - least) / 2.0 } else { 1.0 };
    // Each row: powers from the constant up, then the value.
    let mut rows: Vec<Vec<f64>> = x
        .iter()
        .zip(y)
        .map(|(x, y)| {
            let scaled = (x - middle) / half;
            let mut row: Vec<f64> = std::iter::successors(Some(1.0), |power| Some(power * scaled))
                .take(columns)
                .collect();
            row.push(*y);
            row
        })
        .collect();
    let cell = |rows: &[Vec<f64>], row: usize, column: usize| rows.get(row).and_then(|r| r.get(column)).copied().unwrap_or(0.0);
    for pivot in 0..columns {
        let length = (pivot..rows.len()).map(|row| cell(&rows, row, pivot).powi(2)).sum::<f64>().sqrt();
        if length < 1e-12 {
            return None;
        }
        let head = cell(&rows, pivot, pivot);
        let target = if head > 0.0 { -length } else { length };
        let mut reflector: Vec<f64> = (pivot..rows.len()).map(|row| cell(&rows, row, pivot)).collect();
        *reflector.first_mut()? -= target;
        let size: f64 = reflector.iter().map(|v| v * v).sum();
        for column in pivot..=columns {
            let along: f64 = reflector
                .iter()
                .enumerate()
                .map(|(at, v)| v * cell(&rows, pivot + at, column))
                .sum();
            let factor = 2.0 * along / size;
            for (row, v) in rows.iter_mut().skip(pivot).zip(&reflector) {
                if let Some(value) = row.get_mut(column) {
                    *value -= factor * v;
                }
            }
        }
    }
    let mut scaled = vec![0.0; columns];
    for row in (0..columns).rev() {
        let known: f64 = (row + 1..columns)
            .map(|column| cell(&rows, row, column) * scaled.get(column).copied().unwrap_or(0.0))
            .sum();
        *scaled.get_mut(row)? = (cell(&rows, row, columns) - known) / cell(&rows, row, row);
    }
    // Horner's scheme over polynomials: ((c·t + b)·t + a) with t = (x - middle) / half.
    let mut coefficients = vec![0.0; columns];
    for coefficient in scaled.iter().rev() {
        let mut carried = 0.0;
        for value in &mut coefficients {
            let old = *value;
            *value = (carried - middle * old) / half;
            carried = old;
        }
        *coefficients.first_mut()? += coefficient;
    }
    coefficients.reverse();
    Some(coefficients)
}

pub(super) fn fit_polynomial(c: &Call<'_>) -> Result<ArrayRef> {
    let y = c.text(0)?;
    let x = if c.count() > 1 { Some(c.text(1)?) } else { None };
    let degree = c.optional_long(2, 1)?;
    c.texts(|i, out| {
        let y = complete(numbers(y.get(i)?)?)?;
        let x = match x.and_then(|x| x.get(i)) {
            Some(x) => complete(numbers(x)?)?,
            None => (1..=y.len()).map(|at| at as f64).collect(),
        };
        let degree = usize::try_from(degree.get(i)?).ok().filter(|degree| *degree < 64)?;
        let coefficients = polynomial(&x, &y, degree)?;
        let value = |x: &f64| coefficients.iter().fold(0.0, |sum, coefficient| sum * x + coefficient);
        let fitted: Vec<f64> = x.iter().map(value).collect();
        let count = y.len() as f64;
        let mean = y.iter().sum::<f64>() / count;
        let total: f64 = y.iter().map(|y| (y - mean).powi(2)).sum();
        let residual: f64 = y.iter().zip(&fitted).map(|(y, fit)| (y - fit).powi(2)).sum();
        let parts = [
            Part::Real("rsquare", rsquare(residual, total)),
            Part::Series("coefficients", coefficients.clone()),
            Part::Real("variance", total / (count - 1.0)),
            Part::Real("rvariance", residual / (count - 1.0)),
            Part::Series("poly_fit", fitted),
        ];
        write_parts(&parts, true, out);
        Some(())
    })
}
