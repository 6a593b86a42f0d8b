//! Functions over numeric series (dynamic arrays): element-wise arithmetic and comparison, sums, statistics, filling.
//!
//! Source: Kusto Query Language reference, "Series processing functions".

use arrow::array::ArrayRef;
use datafusion::common::Result;
use taffrail_kql::catalog::{Argument, ArgumentError, Naming, Param, Resolved};
use taffrail_kql::types::Type;

use super::call::{Call, Datum, Values};
use super::declare::{Scalar, custom, kernel, optional, plain};
use super::dynamic::{arrays, json};

use Param::{Any, Is};

const DYN: Param = Is(Type::Dynamic);
const ONE: &[Param] = &[DYN];
const TWO: &[Param] = &[Any, Any];

macro_rules! element_wise {
    ($($name:literal $summary:literal $f:expr;)*) => {
        [$(kernel($name, concat!($name, "(series) → dynamic"), $summary, plain(ONE, Type::Dynamic), |c| one(c, $f)),)*]
    };
}

macro_rules! pair_wise {
    ($($name:literal $summary:literal $f:expr;)*) => {
        [$(kernel($name, concat!($name, "(series1, series2) → dynamic"), $summary, plain(TWO, Type::Dynamic), |c| two(c, $f)),)*]
    };
}

macro_rules! comparisons {
    ($($name:literal $summary:literal $f:expr;)*) => {
        [$(kernel($name, concat!($name, "(series1, series2) → dynamic"), $summary, plain(TWO, Type::Dynamic), |c| compared(c, $f)),)*]
    };
}

static ELEMENTS: &[Scalar] = &element_wise! {
    "series_abs" "Each element without its sign." f64::abs;
    "series_acos" "Angle of each cosine." f64::acos;
    "series_asin" "Angle of each sine." f64::asin;
    "series_atan" "Angle of each tangent." f64::atan;
    "series_ceiling" "Each element, rounded up." f64::ceil;
    "series_cos" "Cosine of each element." f64::cos;
    "series_exp" "e to the power of each element." f64::exp;
    "series_floor" "Each element, rounded down." f64::floor;
    "series_log" "Natural logarithm of each element." f64::ln;
    "series_sign" "-1, 0 or 1 for each element." |v| if v > 0.0 { 1.0 } else if v < 0.0 { -1.0 } else { 0.0 };
    "series_sin" "Sine of each element." f64::sin;
    "series_tan" "Tangent of each element." f64::tan;
};

static PAIRS: &[Scalar] = &pair_wise! {
    "series_add" "Element-wise sum." |a, b| a + b;
    "series_subtract" "Element-wise difference." |a, b| a - b;
    "series_multiply" "Element-wise product." |a, b| a * b;
    "series_divide" "Element-wise quotient." |a, b| a / b;
    "series_pow" "Element-wise power." f64::powf;
};

static COMPARISONS: &[Scalar] = &comparisons! {
    "series_equals" "Element-wise equality." |a, b| a == b;
    "series_not_equals" "Element-wise inequality." |a, b| a != b;
    "series_greater" "Element-wise comparison." |a, b| a > b;
    "series_greater_equals" "Element-wise comparison." |a, b| a >= b;
    "series_less" "Element-wise comparison." |a, b| a < b;
    "series_less_equals" "Element-wise comparison." |a, b| a <= b;
};

const STATS: Naming = Naming::Tuple(&[
    "series_stats_{}_min",
    "series_stats_{}_min_idx",
    "series_stats_{}_max",
    "series_stats_{}_max_idx",
    "series_stats_{}_avg",
    "series_stats_{}_stdev",
    "series_stats_{}_variance",
]);

const LINE: Naming = Naming::Tuple(&[
    "series_fit_line_{}_rsquare",
    "series_fit_line_{}_slope",
    "series_fit_line_{}_variance",
    "series_fit_line_{}_rvariance",
    "series_fit_line_{}_interception",
    "series_fit_line_{}_line_fit",
]);

fn stats_types(args: &[Argument<'_>]) -> std::result::Result<Resolved, ArgumentError> {
    use Type::{Bool, Dynamic, Long, Real};
    let returns = vec![Real, Long, Real, Long, Real, Real, Real];
    match args.len() {
        1 => Ok(Resolved {
            params: vec![Dynamic],
            returns,
        }),
        2 => Ok(Resolved {
            params: vec![Dynamic, Bool],
            returns,
        }),
        _ => Err(ArgumentError {
            argument: None,
            message: "expected a series and perhaps a flag".to_owned(),
        }),
    }
}

fn line_types(args: &[Argument<'_>]) -> std::result::Result<Resolved, ArgumentError> {
    use Type::{Dynamic, Real};
    match args.len() {
        1 => Ok(Resolved {
            params: vec![Dynamic],
            returns: vec![Real, Real, Real, Real, Real, Dynamic],
        }),
        _ => Err(ArgumentError {
            argument: None,
            message: "expected a series".to_owned(),
        }),
    }
}

static WHOLE: &[Scalar] = &[
    kernel(
        "series_sum",
        "series_sum(series) → real",
        "Sum of the elements.",
        plain(ONE, Type::Real),
        |c| reduced(c, |v| v.iter().sum()),
    ),
    kernel(
        "series_product",
        "series_product(series) → real",
        "Product of the elements.",
        plain(ONE, Type::Real),
        |c| reduced(c, |v| v.iter().product()),
    ),
    kernel(
        "series_magnitude",
        "series_magnitude(series) → real",
        "Length of the series as a vector.",
        plain(ONE, Type::Real),
        |c| reduced(c, |v| v.iter().map(|x| x * x).sum::<f64>().sqrt()),
    ),
    kernel(
        "series_dot_product",
        "series_dot_product(series1, series2) → real",
        "Sum of the products of the elements.",
        plain(TWO, Type::Real),
        |c| both(c, |a, b| Some(a.iter().zip(b).map(|(x, y)| x * y).sum())),
    ),
    kernel(
        "series_cosine_similarity",
        "series_cosine_similarity(series1, series2) → real",
        "Cosine of the angle between two series.",
        plain(TWO, Type::Real),
        |c| both(c, cosine),
    ),
    kernel(
        "series_pearson_correlation",
        "series_pearson_correlation(series1, series2) → real",
        "Correlation of two series.",
        plain(TWO, Type::Real),
        |c| both(c, pearson),
    ),
    kernel(
        "series_stats_dynamic",
        "series_stats_dynamic(series, ignore_nonfinite = false) → dynamic",
        "Statistics of a series as a bag.",
        optional(ONE, &[Is(Type::Bool)], Type::Dynamic),
        |c| stats(c, false),
    ),
    kernel(
        "series_fill_const",
        "series_fill_const(series, constant, missing = null) → dynamic",
        "Missing elements replaced by a constant.",
        optional(&[DYN, Any], &[Any], Type::Dynamic),
        fill_const,
    ),
    kernel(
        "series_fill_forward",
        "series_fill_forward(series, missing = null) → dynamic",
        "Missing elements replaced by the one before.",
        optional(ONE, &[Any], Type::Dynamic),
        |c| fill_towards(c, false),
    ),
    kernel(
        "series_fill_backward",
        "series_fill_backward(series, missing = null) → dynamic",
        "Missing elements replaced by the one after.",
        optional(ONE, &[Any], Type::Dynamic),
        |c| fill_towards(c, true),
    ),
    kernel(
        "series_fill_linear",
        "series_fill_linear(series, missing = null, fill_edges = true, constant = 0) → dynamic",
        "Missing elements on the line between their neighbours.",
        optional(ONE, &[Any, Is(Type::Bool), Any], Type::Dynamic),
        fill_linear,
    ),
    kernel(
        "series_stats",
        "series_stats(series, ignore_nonfinite = false) → (min, min_idx, max, max_idx, avg, stdev, variance)",
        "Statistics of a series.",
        custom(stats_types),
        |c| stats(c, true),
    )
    .named_as(STATS),
    kernel(
        "series_seasonal",
        "series_seasonal(series, period) → dynamic",
        "The median of each element's place in a period.",
        optional(ONE, &[Is(Type::Long)], Type::Dynamic),
        seasonal,
    ),
    kernel(
        "series_fir",
        "series_fir(series, filter, normalize, center = false) → dynamic",
        "A finite impulse response filter.",
        optional(&[DYN, DYN], &[Is(Type::Bool), Is(Type::Bool)], Type::Dynamic),
        fir,
    ),
    kernel(
        "series_iir",
        "series_iir(series, numerators, denominators) → dynamic",
        "An infinite impulse response filter.",
        plain(&[DYN, DYN, DYN], Type::Dynamic),
        iir,
    ),
    kernel(
        "series_fit_line",
        "series_fit_line(series) → (rsquare, slope, variance, rvariance, interception, line_fit)",
        "The line that fits best.",
        custom(line_types),
        |c| fit_line(c, true),
    )
    .named_as(LINE),
    kernel(
        "series_fit_line_dynamic",
        "series_fit_line_dynamic(series) → dynamic",
        "The line that fits best, as a bag.",
        plain(ONE, Type::Dynamic),
        |c| fit_line(c, false),
    ),
];

/// This file's functions.
pub static FUNCTIONS: &[Scalar] = WHOLE;
/// Those of one series, element by element.
pub static ELEMENT_WISE: &[Scalar] = ELEMENTS;
/// Those of two series, element by element.
pub static PAIR_WISE: &[Scalar] = PAIRS;
/// Comparisons of two series, element by element.
pub static COMPARED: &[Scalar] = COMPARISONS;

/// The numbers of a series; what is no number is nothing.
fn numbers(text: &str) -> Option<Vec<Option<f64>>> {
    let number = |item: &str| match json::kind(item) {
        json::Kind::Number | json::Kind::Bool => json::to_real(item),
        json::Kind::String => match json::as_text(item).as_ref() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    };
    json::elements(text).map(|elements| elements.map(number).collect())
}

/// A series, or one number standing for one as long as the other.
fn series(values: &Values<'_>, row: usize) -> Option<(Vec<Option<f64>>, bool)> {
    match values.get(row) {
        Datum::Dynamic(text) => match numbers(text) {
            Some(numbers) => Some((numbers, false)),
            None => Some((vec![Some(json::to_real(text)?)], true)),
        },
        Datum::Int(v) => Some((vec![Some(f64::from(v))], true)),
        Datum::Long(v) => Some((vec![Some(v as f64)], true)),
        Datum::Real(v) => Some((vec![Some(v)], true)),
        _ => None,
    }
}

/// The numbers of a series, with gaps.
type Numbers = Vec<Option<f64>>;

fn aligned(a: &Values<'_>, b: &Values<'_>, row: usize) -> Option<(Numbers, Numbers)> {
    let ((mut a, one_a), (mut b, one_b)) = (series(a, row)?, series(b, row)?);
    match (one_a, one_b) {
        (true, false) => a = vec![a.first().copied().flatten(); b.len()],
        (false, true) => b = vec![b.first().copied().flatten(); a.len()],
        _ => {
            let longest = a.len().max(b.len());
            a.resize(longest, None);
            b.resize(longest, None);
        }
    }
    Some((a, b))
}

fn write_number(value: Option<f64>, out: &mut String) {
    match value {
        Some(value) => json::write_real(value, out),
        None => out.push_str("null"),
    }
}

fn write_numbers(values: impl IntoIterator<Item = Option<f64>>, out: &mut String) {
    out.push('[');
    for (index, value) in values.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_number(value, out);
    }
    out.push(']');
}

fn one(c: &Call<'_>, f: impl Fn(f64) -> f64) -> Result<ArrayRef> {
    let text = c.text(0)?;
    c.texts(|i, out| {
        write_numbers(numbers(text.get(i)?)?.into_iter().map(|value| value.map(&f)), out);
        Some(())
    })
}

fn two(c: &Call<'_>, f: impl Fn(f64, f64) -> f64) -> Result<ArrayRef> {
    let (a, b) = (c.value(0)?, c.value(1)?);
    c.texts(|i, out| {
        let (a, b) = aligned(&a, &b, i)?;
        write_numbers(a.into_iter().zip(b).map(|(a, b)| Some(f(a?, b?))), out);
        Some(())
    })
}

fn compared(c: &Call<'_>, f: impl Fn(f64, f64) -> bool) -> Result<ArrayRef> {
    let (a, b) = (c.value(0)?, c.value(1)?);
    c.texts(|i, out| {
        let (a, b) = aligned(&a, &b, i)?;
        let results = a.into_iter().zip(b).map(|pair| match pair {
            (Some(a), Some(b)) if f(a, b) => "true",
            (Some(_), Some(_)) => "false",
            _ => "null",
        });
        arrays::write_array(results, out);
        Some(())
    })
}

/// The numbers of a series without gaps; `None` when one is missing.
fn complete(values: Vec<Option<f64>>) -> Option<Vec<f64>> {
    values.into_iter().collect()
}

fn reduced(c: &Call<'_>, f: impl Fn(&[f64]) -> f64) -> Result<ArrayRef> {
    let text = c.text(0)?;
    c.reals(|i| Some(f(&complete(numbers(text.get(i)?)?)?)))
}

fn both(c: &Call<'_>, f: impl Fn(&[f64], &[f64]) -> Option<f64>) -> Result<ArrayRef> {
    let (a, b) = (c.value(0)?, c.value(1)?);
    c.reals(|i| {
        let (a, b) = aligned(&a, &b, i)?;
        f(&complete(a)?, &complete(b)?)
    })
}

fn cosine(a: &[f64], b: &[f64]) -> Option<f64> {
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(p, q)| p * q).sum::<f64>();
    Some(dot(a, b) / (dot(a, a).sqrt() * dot(b, b).sqrt()))
}

fn pearson(a: &[f64], b: &[f64]) -> Option<f64> {
    let count = a.len() as f64;
    let (mean_a, mean_b) = (a.iter().sum::<f64>() / count, b.iter().sum::<f64>() / count);
    let (mut together, mut of_a, mut of_b) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        together += (x - mean_a) * (y - mean_b);
        of_a += (x - mean_a) * (x - mean_a);
        of_b += (y - mean_b) * (y - mean_b);
    }
    Some(together / (of_a * of_b).sqrt())
}

/// As a bag with names, or as an array of the results that become columns.
fn stats(c: &Call<'_>, columns: bool) -> Result<ArrayRef> {
    let (text, ignore) = (c.text(0)?, c.optional_bool(1, false)?);
    c.texts(|i, out| {
        let values = numbers(text.get(i)?)?;
        let ignore = ignore.get(i).unwrap_or(false);
        let kept: Vec<(usize, f64)> = values
            .iter()
            .enumerate()
            .filter_map(|(at, value)| value.map(|value| (at, value)))
            .filter(|(_, value)| !ignore || value.is_finite())
            .collect();
        let count = kept.len() as f64;
        let sum: f64 = kept.iter().map(|(_, value)| value).sum();
        let mean = sum / count;
        let squares: f64 = kept.iter().map(|(_, value)| (value - mean) * (value - mean)).sum();
        let variance = if count > 1.0 { squares / (count - 1.0) } else { 0.0 };
        let least = kept
            .iter()
            .copied()
            .reduce(|best, next| if next.1 < best.1 { next } else { best })?;
        let greatest = kept
            .iter()
            .copied()
            .reduce(|best, next| if next.1 > best.1 { next } else { best })?;
        let members = [
            ("min", least.1),
            ("min_idx", least.0 as f64),
            ("max", greatest.1),
            ("max_idx", greatest.0 as f64),
            ("avg", mean),
            ("stdev", variance.sqrt()),
            ("variance", variance),
            ("sum", sum),
            ("len", values.len() as f64),
        ];
        let shown = if columns { 7 } else { members.len() };
        out.push(if columns { '[' } else { '{' });
        for (index, (name, value)) in members.iter().take(shown).enumerate() {
            if index > 0 {
                out.push(',');
            }
            if !columns {
                json::write_string(name, out);
                out.push(':');
            }
            if name.ends_with("_idx") || *name == "len" {
                out.push_str(&(*value as i64).to_string());
            } else {
                json::write_real(*value, out);
            }
        }
        out.push(if columns { ']' } else { '}' });
        Some(())
    })
}

/// The marker of missing elements, as JSON: null unless given.
fn marker(values: Option<&Values<'_>>, row: usize) -> String {
    let mut out = String::new();
    match values.map(|values| values.get(row)) {
        Some(value) => json::write(value, &mut out),
        None => out.push_str("null"),
    }
    out
}

fn optional_value<'a>(c: &Call<'a>, index: usize) -> Result<Option<Values<'a>>> {
    if index < c.count() { c.value(index).map(Some) } else { Ok(None) }
}

fn is_missing(item: &str, marker: &str) -> bool {
    item == "null" || json::equal(item, marker)
}

fn fill_const(c: &Call<'_>) -> Result<ArrayRef> {
    let (text, constant, missing) = (c.text(0)?, c.value(1)?, optional_value(c, 2)?);
    c.texts(|i, out| {
        let marker = marker(missing.as_ref(), i);
        let mut fill = String::new();
        json::write(constant.get(i), &mut fill);
        let items = json::elements(text.get(i)?)?;
        arrays::write_array(items.map(|item| if is_missing(item, &marker) { fill.as_str() } else { item }), out);
        Some(())
    })
}

fn fill_towards(c: &Call<'_>, backward: bool) -> Result<ArrayRef> {
    let (text, missing) = (c.text(0)?, optional_value(c, 1)?);
    c.texts(|i, out| {
        let marker = marker(missing.as_ref(), i);
        let mut items: Vec<&str> = json::elements(text.get(i)?)?.collect();
        if backward {
            items.reverse();
        }
        let mut last = None;
        for item in &mut items {
            if is_missing(item, &marker) {
                *item = last.unwrap_or(item);
            } else {
                last = Some(*item);
            }
        }
        if backward {
            items.reverse();
        }
        arrays::write_array(items, out);
        Some(())
    })
}

fn fill_linear(c: &Call<'_>) -> Result<ArrayRef> {
    let (text, missing) = (c.text(0)?, optional_value(c, 1)?);
    let (edges, constant) = (c.optional_bool(2, true)?, optional_value(c, 3)?);
    c.texts(|i, out| {
        let marker = marker(missing.as_ref(), i);
        let items: Vec<&str> = json::elements(text.get(i)?)?.collect();
        let known: Vec<(usize, f64)> = items
            .iter()
            .enumerate()
            .filter(|(_, item)| !is_missing(item, &marker))
            .filter_map(|(at, item)| Some((at, json::to_real(item)?)))
            .collect();
        let constant = match constant.map(|values| values.get(i)) {
            Some(Datum::Real(v)) => v,
            Some(Datum::Long(v)) => v as f64,
            Some(Datum::Int(v)) => f64::from(v),
            _ => 0.0,
        };
        let mut filled: Vec<String> = Vec::with_capacity(items.len());
        for (at, item) in items.iter().enumerate() {
            if !is_missing(item, &marker) {
                filled.push((*item).to_owned());
                continue;
            }
            let before = known.iter().rev().find(|(k, _)| *k < at);
            let after = known.iter().find(|(k, _)| *k > at);
            let value = match (before, after) {
                (Some((a, x)), Some((b, y))) => Some(x + (y - x) * (at - a) as f64 / (b - a) as f64),
                (Some((_, edge)), None) | (None, Some((_, edge))) if edges.get(i) == Some(true) => Some(*edge),
                (None, None) => Some(constant),
                _ => None,
            };
            let mut text = String::new();
            write_number(value, &mut text);
            filled.push(text);
        }
        arrays::write_array(filled.iter().map(String::as_str), out);
        Some(())
    })
}

fn fir(c: &Call<'_>) -> Result<ArrayRef> {
    let (text, filter, center) = (c.text(0)?, c.text(1)?, c.optional_bool(3, false)?);
    let normalize = if c.count() > 2 { Some(c.bool(2)?) } else { None };
    c.texts(|i, out| {
        let values = complete(numbers(text.get(i)?)?)?;
        let mut filter = complete(numbers(filter.get(i)?)?)?;
        let negative = filter.iter().any(|f| *f < 0.0);
        let normalize = normalize.map_or(Some(!negative), |flag| flag.get(i))?;
        if normalize {
            let sum: f64 = filter.iter().sum();
            if negative || sum == 0.0 {
                return None;
            }
            filter.iter_mut().for_each(|f| *f /= sum);
        }
        let shift = if center.get(i)? { filter.len() / 2 } else { 0 };
        let filtered = (0..values.len()).map(|at| {
            let terms = filter
                .iter()
                .enumerate()
                .map(|(back, f)| (at + shift).checked_sub(back).and_then(|at| values.get(at)).map_or(0.0, |v| v * f));
            Some(terms.sum::<f64>())
        });
        write_numbers(filtered, out);
        Some(())
    })
}

fn iir(c: &Call<'_>) -> Result<ArrayRef> {
    let (text, numerators, denominators) = (c.text(0)?, c.text(1)?, c.text(2)?);
    c.texts(|i, out| {
        let values = complete(numbers(text.get(i)?)?)?;
        let b = complete(numbers(numerators.get(i)?)?)?;
        let a = complete(numbers(denominators.get(i)?)?)?;
        let (first, rest) = a.split_first().filter(|(first, _)| **first != 0.0)?;
        let mut filtered: Vec<f64> = Vec::with_capacity(values.len());
        for at in 0..values.len() {
            let before = |series: &[f64], back: usize| at.checked_sub(back).and_then(|at| series.get(at).copied()).unwrap_or(0.0);
            let inputs: f64 = b.iter().enumerate().map(|(back, f)| f * before(&values, back)).sum();
            let outputs: f64 = rest.iter().enumerate().map(|(back, f)| f * before(&filtered, back + 1)).sum();
            filtered.push((inputs - outputs) / first);
        }
        write_numbers(filtered.into_iter().map(Some), out);
        Some(())
    })
}

/// A line fitted by least squares over positions 0, 1, 2, …
struct Line {
    rsquare: f64,
    slope: f64,
    variance: f64,
    rvariance: f64,
    interception: f64,
}

impl Line {
    fn through(values: &[f64]) -> Option<Line> {
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
            rsquare: if yy == 0.0 { 1.0 } else { 1.0 - residual / yy },
            slope,
            variance: yy / (count - 1.0),
            rvariance: residual / (count - 1.0),
            interception,
        })
    }
}

fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len() % 2 == 1 {
        upper
    } else {
        (upper + values.get(middle - 1)?) / 2.0
    })
}

fn seasonal(c: &Call<'_>) -> Result<ArrayRef> {
    let (text, period) = (c.text(0)?, c.optional_long(1, -1)?);
    for i in 0..c.rows {
        if period.get(i).is_some_and(|period| period < 1) {
            return Err(c.error("finding the period is not supported; give a period above zero"));
        }
    }
    c.texts(|i, out| {
        let values = complete(numbers(text.get(i)?)?)?;
        let period = usize::try_from(period.get(i)?).ok()?;
        let places: Option<Vec<f64>> = (0..period.min(values.len()))
            .map(|place| median(&mut values.iter().copied().skip(place).step_by(period).collect::<Vec<_>>()))
            .collect();
        let places = places?;
        write_numbers((0..values.len()).map(|at| places.get(at % period).copied()), out);
        Some(())
    })
}

fn fit_line(c: &Call<'_>, columns: bool) -> Result<ArrayRef> {
    let text = c.text(0)?;
    c.texts(|i, out| {
        let values = complete(numbers(text.get(i)?)?)?;
        let line = Line::through(&values)?;
        let members = [
            ("rsquare", line.rsquare),
            ("slope", line.slope),
            ("variance", line.variance),
            ("rvariance", line.rvariance),
            ("interception", line.interception),
        ];
        out.push(if columns { '[' } else { '{' });
        for (name, value) in members {
            if !columns {
                json::write_string(name, out);
                out.push(':');
            }
            json::write_real(value, out);
            out.push(',');
        }
        if !columns {
            out.push_str("\"line_fit\":");
        }
        write_numbers((0..values.len()).map(|at| Some(line.interception + line.slope * at as f64)), out);
        out.push(if columns { ']' } else { '}' });
        Some(())
    })
}
