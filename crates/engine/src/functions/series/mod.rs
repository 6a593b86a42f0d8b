//! Functions over numeric series (dynamic arrays): element-wise arithmetic and comparison, sums, statistics, filling,
//! filters, transforms, fitted lines, periods and decomposition.
//!
//! Source: Kusto Query Language reference, "Series processing functions".

mod decompose;
mod fit;
mod fourier;
mod periods;

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

const PERIODS_DETECT: Naming = Naming::Tuple(&["series_periods_detect_{}_periods", "series_periods_detect_{}_scores"]);
const PERIODS_VALIDATE: Naming = Naming::Tuple(&["series_periods_validate_{}_periods", "series_periods_validate_{}_scores"]);
const FFT: Naming = Naming::Tuple(&["series_fft_{}_real", "series_fft_{}_imag"]);
const IFFT: Naming = Naming::Tuple(&["series_ifft_{}_real", "series_ifft_{}_imag"]);

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

fn transform_types(args: &[Argument<'_>]) -> std::result::Result<Resolved, ArgumentError> {
    match args.len() {
        count @ (1 | 2) => Ok(Resolved {
            params: vec![Type::Dynamic; count],
            returns: vec![Type::Dynamic, Type::Dynamic],
        }),
        _ => Err(ArgumentError {
            argument: None,
            message: "expected the real parts of a series and perhaps the imaginary ones".to_owned(),
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
        |c| {
            let (a, b) = (c.value(0)?, c.value(1)?);
            c.reals(|i| {
                let (a, b) = paired(&a, &b, i)?;
                Some(a.iter().zip(b).map(|(x, y)| x * y).sum())
            })
        },
    ),
    kernel(
        "series_cosine_similarity",
        "series_cosine_similarity(series1, series2, magnitude1, magnitude2) → real",
        "Cosine of the angle between two series.",
        optional(TWO, &[Is(Type::Real), Is(Type::Real)], Type::Real),
        cosine,
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
        "series_fill_const(series, constant = 0, missing = null) → dynamic",
        "Missing elements replaced by a constant.",
        optional(ONE, &[Any, Any], Type::Dynamic),
        fill_const,
    )
    .named_by_argument(),
    kernel(
        "series_fill_forward",
        "series_fill_forward(series, missing = null) → dynamic",
        "Missing elements replaced by the one before.",
        optional(ONE, &[Any], Type::Dynamic),
        |c| fill_towards(c, false),
    )
    .named_by_argument(),
    kernel(
        "series_fill_backward",
        "series_fill_backward(series, missing = null) → dynamic",
        "Missing elements replaced by the one after.",
        optional(ONE, &[Any], Type::Dynamic),
        |c| fill_towards(c, true),
    )
    .named_by_argument(),
    kernel(
        "series_fill_linear",
        "series_fill_linear(series, missing = null, fill_edges = true, constant = 0) → dynamic",
        "Missing elements on the line between their neighbours.",
        optional(ONE, &[Any, Is(Type::Bool), Any], Type::Dynamic),
        fill_linear,
    )
    .named_by_argument(),
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
        "series_seasonal(series, period = -1, test_points = 0) → dynamic",
        "The median of each element's place in a period, which is found unless given.",
        optional(ONE, &[Is(Type::Long), Is(Type::Long)], Type::Dynamic),
        decompose::seasonal,
    ),
    kernel(
        "series_fir",
        "series_fir(series, filter, normalize, center = false) → dynamic",
        "A finite impulse response filter.",
        optional(&[DYN, DYN], &[Is(Type::Bool), Is(Type::Bool)], Type::Dynamic),
        fir,
    )
    .named_by_argument(),
    kernel(
        "series_iir",
        "series_iir(series, numerators, denominators) → dynamic",
        "An infinite impulse response filter.",
        plain(&[DYN, DYN, DYN], Type::Dynamic),
        iir,
    )
    .named_by_argument(),
    kernel(
        "series_fit_line",
        "series_fit_line(series) → (rsquare, slope, variance, rvariance, interception, line_fit)",
        "The line that fits best.",
        custom(fit::line_types),
        |c| fit::line(c, true),
    )
    .named_as(fit::LINE),
    kernel(
        "series_fit_line_dynamic",
        "series_fit_line_dynamic(series) → dynamic",
        "The line that fits best, as a bag.",
        plain(ONE, Type::Dynamic),
        |c| fit::line(c, false),
    ),
    kernel(
        "series_fit_2lines",
        "series_fit_2lines(series) → (rsquare, split_idx, variance, rvariance, line_fit, right_…, left_…)",
        "The two lines that fit best, one behind the other.",
        custom(fit::two_lines_types),
        |c| fit::two_lines(c, true),
    )
    .named_as(fit::TWO_LINES),
    kernel(
        "series_fit_2lines_dynamic",
        "series_fit_2lines_dynamic(series) → dynamic",
        "The two lines that fit best, one behind the other, as a bag.",
        plain(ONE, Type::Dynamic),
        |c| fit::two_lines(c, false),
    ),
    kernel(
        "series_fit_poly",
        "series_fit_poly(y_series, x_series, degree = 1) → (rsquare, coefficients, variance, rvariance, poly_fit)",
        "The polynomial that fits best.",
        custom(fit::polynomial_types),
        fit::fit_polynomial,
    )
    .named_as(fit::POLYNOMIAL),
    kernel(
        "series_fft",
        "series_fft(real, imaginary) → (real, imag)",
        "The frequencies of a series.",
        custom(transform_types),
        |c| transform(c, false),
    )
    .named_as(FFT),
    kernel(
        "series_ifft",
        "series_ifft(real, imaginary) → (real, imag)",
        "The series of frequencies.",
        custom(transform_types),
        |c| transform(c, true),
    )
    .named_as(IFFT),
    kernel(
        "series_periods_detect",
        "series_periods_detect(series, min_period, max_period, num_periods) → (periods, scores)",
        "The most significant periods of a series.",
        custom(periods::detect_types),
        periods::detect,
    )
    .named_as(PERIODS_DETECT),
    kernel(
        "series_periods_validate",
        "series_periods_validate(series, period, …) → (periods, scores)",
        "How significant periods of a series are.",
        custom(periods::validate_types),
        periods::validate,
    )
    .named_as(PERIODS_VALIDATE),
    kernel(
        "series_decompose",
        "series_decompose(series, seasonality = -1, trend = 'avg', test_points = 0, seasonality_threshold = 0.6) → (baseline, seasonal, trend, residual)",
        "A series as season, trend and what is left.",
        custom(decompose::decompose_types),
        decompose::decompose,
    )
    .named_as(decompose::PARTS),
    kernel(
        "series_decompose_anomalies",
        "series_decompose_anomalies(series, threshold = 1.5, seasonality = -1, trend = 'avg', test_points = 0, method = 'ctukey', seasonality_threshold = 0.6) → (ad_flag, ad_score, baseline)",
        "Values far from what season and trend let expect.",
        custom(decompose::anomalies_types),
        decompose::anomalies,
    )
    .named_as(decompose::ANOMALIES),
    kernel(
        "series_decompose_forecast",
        "series_decompose_forecast(series, points, seasonality = -1, trend = 'linefit', seasonality_threshold = 0.6) → (baseline, seasonal, trend, residual)",
        "Season and trend carried on over the last points.",
        custom(decompose::forecast_types),
        decompose::forecast,
    )
    .named_as(decompose::FORECAST),
    kernel(
        "series_outliers",
        "series_outliers(series, kind = 'ctukey', ignore_val, min_percentile = 10, max_percentile = 90, test_points = 0) → dynamic",
        "How far outside each value is.",
        optional(ONE, &[Is(Type::String), Any, Is(Type::Real), Is(Type::Real), Is(Type::Long)], Type::Dynamic),
        decompose::outliers,
    )
    .named_by_argument(),
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

/// Where both series have a number; `None` when that is nowhere.
fn paired(a: &Values<'_>, b: &Values<'_>, row: usize) -> Option<(Vec<f64>, Vec<f64>)> {
    let (a, b) = aligned(a, b, row)?;
    let pairs: (Vec<f64>, Vec<f64>) = a.into_iter().zip(b).filter_map(|(a, b)| Some((a?, b?))).unzip();
    (!pairs.0.is_empty()).then_some(pairs)
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

/// The magnitudes may be given, when they are known already.
fn cosine(c: &Call<'_>) -> Result<ArrayRef> {
    let (a, b) = (c.value(0)?, c.value(1)?);
    let of_a = if c.count() > 2 { Some(c.real(2)?) } else { None };
    let of_b = if c.count() > 3 { Some(c.real(3)?) } else { None };
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(p, q)| p * q).sum::<f64>();
    c.reals(|i| {
        let (a, b) = paired(&a, &b, i)?;
        let given = |magnitude: Option<super::call::Reals<'_>>| magnitude.and_then(|magnitude| magnitude.get(i));
        let of_a = given(of_a).unwrap_or_else(|| dot(&a, &a).sqrt());
        let of_b = given(of_b).unwrap_or_else(|| dot(&b, &b).sqrt());
        Some(dot(&a, &b) / (of_a * of_b))
    })
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
    let (text, constant, missing) = (c.text(0)?, optional_value(c, 1)?, optional_value(c, 2)?);
    c.texts(|i, out| {
        let marker = marker(missing.as_ref(), i);
        let mut fill = String::new();
        match constant {
            Some(constant) => json::write(constant.get(i), &mut fill),
            None => fill.push('0'),
        }
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
            Some(Datum::Real(v)) => Some(v),
            Some(Datum::Long(v)) => Some(v as f64),
            Some(Datum::Int(v)) => Some(f64::from(v)),
            Some(_) => None,
            None => Some(0.0),
        };
        // Between whole numbers only whole numbers are put.
        let whole = items
            .iter()
            .filter(|item| !is_missing(item, &marker))
            .all(|item| !item.contains(['.', 'e', 'E', '"']));
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
                (None, None) => constant,
                _ => None,
            };
            let mut text = String::new();
            match value {
                Some(value) if whole && !known.is_empty() => text.push_str(&(value.trunc() as i64).to_string()),
                value => write_number(value, &mut text),
            }
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

fn transform(c: &Call<'_>, inverse: bool) -> Result<ArrayRef> {
    let real = c.text(0)?;
    let imaginary = if c.count() > 1 { Some(c.text(1)?) } else { None };
    c.texts(|i, out| {
        let real = complete(numbers(real.get(i)?)?)?;
        let mut imaginary = match imaginary {
            Some(text) => complete(numbers(text.get(i)?)?)?,
            None => Vec::new(),
        };
        imaginary.resize(real.len(), 0.0);
        let values: Vec<fourier::Complex> = real.into_iter().zip(imaginary).collect();
        let result = fourier::transform(&values, inverse);
        out.push('[');
        write_numbers(result.iter().map(|value| Some(value.0)), out);
        out.push(',');
        write_numbers(result.iter().map(|value| Some(value.1)), out);
        out.push(']');
        Some(())
    })
}
