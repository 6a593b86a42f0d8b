//! A series as season, trend and what is left, and what follows from that: anomalies, forecasts, outlier scores.
//!
//! Source: Kusto Query Language reference, "series_decompose()", "series_decompose_anomalies()",
//! "series_decompose_forecast()", "series_outliers()", "series_seasonal()".

use arrow::array::ArrayRef;
use datafusion::common::Result;
use taffrail_kql::catalog::{Argument, ArgumentError, Naming, Resolved};
use taffrail_kql::types::Type;

use super::super::call::{Call, Datum};
use super::fit::Line;
use super::periods::Periodicity;
use super::{Numbers, complete, median, numbers, optional_value, write_numbers};

pub(super) const PARTS: Naming = Naming::Tuple(&[
    "series_decompose_{}_baseline",
    "series_decompose_{}_seasonal",
    "series_decompose_{}_trend",
    "series_decompose_{}_residual",
]);

pub(super) const FORECAST: Naming = Naming::Tuple(&[
    "series_decompose_forecast_{}_baseline",
    "series_decompose_forecast_{}_seasonal",
    "series_decompose_forecast_{}_trend",
    "series_decompose_forecast_{}_residual",
]);

pub(super) const ANOMALIES: Naming = Naming::Tuple(&[
    "series_decompose_anomalies_{}_ad_flag",
    "series_decompose_anomalies_{}_ad_score",
    "series_decompose_anomalies_{}_baseline",
]);

/// A period below a season's score does not count, unless the query says otherwise.
const SCORE: f64 = 0.6;
/// The same of `series_seasonal`.
const SEASONAL_SCORE: f64 = 0.7;

fn types(args: &[Argument<'_>], least: usize, params: &[Type], results: usize) -> std::result::Result<Resolved, ArgumentError> {
    if !(least..=params.len()).contains(&args.len()) {
        return Err(ArgumentError {
            argument: None,
            message: format!("expected {least} to {} arguments, got {}", params.len(), args.len()),
        });
    }
    Ok(Resolved {
        params: params.iter().copied().take(args.len()).collect(),
        returns: vec![Type::Dynamic; results],
    })
}

pub(super) fn decompose_types(args: &[Argument<'_>]) -> std::result::Result<Resolved, ArgumentError> {
    use Type::{Dynamic, Long, Real, String};
    types(args, 1, &[Dynamic, Long, String, Long, Real], 4)
}

pub(super) fn anomalies_types(args: &[Argument<'_>]) -> std::result::Result<Resolved, ArgumentError> {
    use Type::{Dynamic, Long, Real, String};
    types(args, 1, &[Dynamic, Real, Long, String, Long, String, Real], 3)
}

pub(super) fn forecast_types(args: &[Argument<'_>]) -> std::result::Result<Resolved, ArgumentError> {
    use Type::{Dynamic, Long, Real, String};
    types(args, 2, &[Dynamic, Long, Long, String, Real], 4)
}

/// How a series is taken apart.
struct Settings<'a> {
    /// -1: to be found; 0: none
    period: i64,
    trend: &'a str,
    /// So many points at the end are not learnt from
    test_points: i64,
    threshold: f64,
}

struct Parts {
    baseline: Vec<f64>,
    seasonal: Vec<f64>,
    trend: Vec<f64>,
    residual: Vec<f64>,
}

/// The best period; a trend must not hide it, so the series is looked at with its line taken away too.
fn best_period(values: &[f64], threshold: f64) -> Option<usize> {
    let best = |values: &[f64]| {
        let found = Periodicity::of(values).detect(0.0, values.len() as f64);
        found.first().filter(|(_, score)| *score >= threshold).map(|(period, _)| *period)
    };
    best(values).or_else(|| {
        let line = Line::through(values)?;
        let level: Vec<f64> = values.iter().enumerate().map(|(at, value)| value - line.at(at)).collect();
        best(&level)
    })
}

/// The median of each place in a period, over as many elements as asked for.
fn season(values: &[f64], period: usize, length: usize) -> Option<Vec<f64>> {
    let places: Option<Vec<f64>> = (0..period.min(values.len()))
        .map(|place| median(&mut values.iter().copied().skip(place).step_by(period).collect::<Vec<_>>()))
        .collect();
    let places = places?;
    (0..length).map(|at| places.get(at % period).copied()).collect()
}

fn decomposed(values: &[f64], settings: &Settings<'_>) -> Option<Parts> {
    let test_points = usize::try_from(settings.test_points).ok()?;
    let known = values.get(..values.len().checked_sub(test_points)?)?;
    let period = match settings.period {
        -1 => best_period(known, settings.threshold),
        0 => None,
        period => Some(usize::try_from(period).ok()?),
    };
    let seasonal = match period {
        Some(period) if period <= known.len() => season(known, period, values.len())?,
        _ => vec![0.0; values.len()],
    };
    let level: Vec<f64> = known.iter().zip(&seasonal).map(|(value, season)| value - season).collect();
    let trend: Vec<f64> = match settings.trend {
        "none" => vec![0.0; values.len()],
        "linefit" => {
            let line = Line::through(&level)?;
            (0..values.len()).map(|at| line.at(at)).collect()
        }
        _ => vec![level.iter().sum::<f64>() / level.len() as f64; values.len()],
    };
    let baseline: Vec<f64> = seasonal.iter().zip(&trend).map(|(season, trend)| season + trend).collect();
    let residual = values.iter().zip(&baseline).map(|(value, base)| value - base).collect();
    Some(Parts {
        baseline,
        seasonal,
        trend,
        residual,
    })
}

fn check_trend(c: &Call<'_>, trend: &str) -> Result<()> {
    match trend {
        "avg" | "linefit" | "none" => Ok(()),
        other => Err(c.error(format!("the trend is 'avg', 'linefit' or 'none', not '{other}'"))),
    }
}

fn write_series(series: &[&[f64]], out: &mut String) {
    out.push('[');
    for (index, values) in series.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_numbers(values.iter().copied().map(Some), out);
    }
    out.push(']');
}

/// The numbers of a series; a gap is a zero, as `make-series` would have filled it.
fn filled(values: Numbers) -> Vec<f64> {
    values.into_iter().map(|value| value.unwrap_or(0.0)).collect()
}

pub(super) fn decompose(c: &Call<'_>) -> Result<ArrayRef> {
    let (text, period, trend) = (c.text(0)?, c.optional_long(1, -1)?, c.optional_text(2, "avg")?);
    let test_points = c.optional_long(3, 0)?;
    let threshold = if c.count() > 4 { Some(c.real(4)?) } else { None };
    (0..c.rows).try_for_each(|i| check_trend(c, trend.get(i).unwrap_or("avg")))?;
    c.texts(|i, out| {
        let settings = Settings {
            period: period.get(i)?,
            trend: trend.get(i)?,
            test_points: test_points.get(i)?,
            threshold: threshold.map_or(Some(SCORE), |threshold| threshold.get(i))?,
        };
        let parts = decomposed(&filled(numbers(text.get(i)?)?), &settings)?;
        write_series(&[&parts.baseline, &parts.seasonal, &parts.trend, &parts.residual], out);
        Some(())
    })
}

pub(super) fn forecast(c: &Call<'_>) -> Result<ArrayRef> {
    let (text, points, period) = (c.text(0)?, c.long(1)?, c.optional_long(2, -1)?);
    let trend = c.optional_text(3, "linefit")?;
    let threshold = if c.count() > 4 { Some(c.real(4)?) } else { None };
    (0..c.rows).try_for_each(|i| check_trend(c, trend.get(i).unwrap_or("avg")))?;
    c.texts(|i, out| {
        let settings = Settings {
            period: period.get(i)?,
            trend: trend.get(i)?,
            test_points: points.get(i)?,
            threshold: threshold.map_or(Some(SCORE), |threshold| threshold.get(i))?,
        };
        let parts = decomposed(&filled(numbers(text.get(i)?)?), &settings)?;
        write_series(&[&parts.baseline, &parts.seasonal, &parts.trend, &parts.residual], out);
        Some(())
    })
}

pub(super) fn anomalies(c: &Call<'_>) -> Result<ArrayRef> {
    let (text, period, trend) = (c.text(0)?, c.optional_long(2, -1)?, c.optional_text(3, "avg")?);
    let limit = if c.count() > 1 { Some(c.real(1)?) } else { None };
    let (test_points, method) = (c.optional_long(4, 0)?, c.optional_text(5, "ctukey")?);
    let threshold = if c.count() > 6 { Some(c.real(6)?) } else { None };
    (0..c.rows).try_for_each(|i| check_trend(c, trend.get(i).unwrap_or("avg")))?;
    (0..c.rows).try_for_each(|i| check_method(c, method.get(i).unwrap_or("ctukey")))?;
    c.texts(|i, out| {
        let settings = Settings {
            period: period.get(i)?,
            trend: trend.get(i)?,
            test_points: test_points.get(i)?,
            threshold: threshold.map_or(Some(SCORE), |threshold| threshold.get(i))?,
        };
        let limit = limit.map_or(Some(1.5), |limit| limit.get(i))?;
        let parts = decomposed(&filled(numbers(text.get(i)?)?), &settings)?;
        let residual: Numbers = parts.residual.iter().copied().map(Some).collect();
        let known = residual.len().saturating_sub(usize::try_from(settings.test_points).ok()?);
        let scores = scores(&residual, known, percentages(method.get(i)?, None, None));
        let flag = |score: &f64| {
            if *score > limit {
                "1"
            } else if *score < -limit {
                "-1"
            } else {
                "0"
            }
        };
        out.push('[');
        super::arrays::write_array(scores.iter().map(flag), out);
        out.push(',');
        write_numbers(scores.iter().copied().map(Some), out);
        out.push(',');
        write_numbers(parts.baseline.iter().copied().map(Some), out);
        out.push(']');
        Some(())
    })
}

fn check_method(c: &Call<'_>, method: &str) -> Result<()> {
    match method {
        "tukey" | "ctukey" => Ok(()),
        other => Err(c.error(format!("the kind is 'tukey' or 'ctukey', not '{other}'"))),
    }
}

/// Between which percentiles a method takes a value to be ordinary.
fn percentages(method: &str, least: Option<f64>, most: Option<f64>) -> (f64, f64) {
    match method {
        "tukey" => (25.0, 75.0),
        _ => (least.unwrap_or(10.0), most.unwrap_or(90.0)),
    }
}

/// A percentile of sorted numbers, on the line between its neighbours.
fn percentile(sorted: &[f64], percentage: f64) -> Option<f64> {
    let place = percentage / 100.0 * sorted.len().checked_sub(1)? as f64;
    let (low, high) = (sorted.get(place.floor() as usize)?, sorted.get(place.ceil() as usize)?);
    Some(low + (high - low) * place.fract())
}

/// Where the normal distribution has so much to the left (Acklam's approximation, error below 1.2e-9).
fn normal_quantile(probability: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969683028665376e1,
        2.209460984245205e2,
        -2.759285104469687e2,
        1.383_577_518_672_69e2,
        -3.066479806614716e1,
        2.506628277459239,
    ];
    const B: [f64; 6] = [
        -5.447609879822406e1,
        1.615858368580409e2,
        -1.556989798598866e2,
        6.680131188771972e1,
        -1.328068155288572e1,
        1.0,
    ];
    const C: [f64; 6] = [
        -7.784894002430293e-3,
        -3.223964580411365e-1,
        -2.400758277161838,
        -2.549732539343734,
        4.374664141464968,
        2.938163982698783,
    ];
    const D: [f64; 5] = [
        7.784695709041462e-3,
        3.224671290700398e-1,
        2.445134137142996,
        3.754408661907416,
        1.0,
    ];
    let horner = |coefficients: &[f64], x: f64| coefficients.iter().fold(0.0, |sum, c| sum * x + c);
    if probability < 0.02425 {
        let q = (-2.0 * probability.ln()).sqrt();
        horner(&C, q) / horner(&D, q)
    } else if probability > 1.0 - 0.02425 {
        -normal_quantile(1.0 - probability)
    } else {
        let q = probability - 0.5;
        q * horner(&A, q * q) / horner(&B, q * q)
    }
}

/// How far each value is outside Tukey's fences, in lengths of the range between the quartiles. Other percentiles are
/// turned into the quartiles that a normal distribution with these percentiles has, so that a score means the same.
fn scores(values: &Numbers, known: usize, (least, most): (f64, f64)) -> Vec<f64> {
    let mut sorted: Vec<f64> = values
        .iter()
        .take(known)
        .flatten()
        .copied()
        .filter(|value| value.is_finite())
        .collect();
    sorted.sort_by(f64::total_cmp);
    let (Some(low), Some(high)) = (percentile(&sorted, least), percentile(&sorted, most)) else {
        return vec![0.0; values.len()];
    };
    let (low_at, high_at) = (normal_quantile(least / 100.0), normal_quantile(most / 100.0));
    let deviation = (high - low) / (high_at - low_at);
    let mean = high - high_at * deviation;
    let quartile = normal_quantile(0.75) * deviation;
    let range = 2.0 * quartile;
    let score = |value: f64| {
        let outside = if value > mean + quartile {
            value - mean - quartile
        } else if value < mean - quartile {
            value - mean + quartile
        } else {
            return 0.0;
        };
        outside / range
    };
    values.iter().map(|value| value.map_or(0.0, score)).collect()
}

pub(super) fn outliers(c: &Call<'_>) -> Result<ArrayRef> {
    let (text, method, ignored) = (c.text(0)?, c.optional_text(1, "ctukey")?, optional_value(c, 2)?);
    let least = if c.count() > 3 { Some(c.real(3)?) } else { None };
    let most = if c.count() > 4 { Some(c.real(4)?) } else { None };
    let test_points = c.optional_long(5, 0)?;
    for i in 0..c.rows {
        check_method(c, method.get(i).unwrap_or("ctukey"))?;
        let outside = |bound: Option<f64>| bound.is_some_and(|bound| !(2.0..=98.0).contains(&bound));
        if outside(least.and_then(|bound| bound.get(i))) || outside(most.and_then(|bound| bound.get(i))) {
            return Err(c.error("the percentiles must be between 2 and 98"));
        }
    }
    c.texts(|i, out| {
        let ignored = match ignored.map(|ignored| ignored.get(i)) {
            Some(Datum::Int(v)) => Some(f64::from(v)),
            Some(Datum::Long(v)) => Some(v as f64),
            Some(Datum::Real(v)) => Some(v),
            _ => None,
        };
        let mut values = numbers(text.get(i)?)?;
        for value in &mut values {
            if ignored.is_some() && *value == ignored {
                *value = None;
            }
        }
        let bound = |values: Option<super::super::call::Reals<'_>>| values.and_then(|values| values.get(i));
        let known = values.len().checked_sub(usize::try_from(test_points.get(i)?).ok()?)?;
        let scores = scores(&values, known, percentages(method.get(i)?, bound(least), bound(most)));
        write_numbers(scores.into_iter().map(Some), out);
        Some(())
    })
}

pub(super) fn seasonal(c: &Call<'_>) -> Result<ArrayRef> {
    let (text, period, test_points) = (c.text(0)?, c.optional_long(1, -1)?, c.optional_long(2, 0)?);
    c.texts(|i, out| {
        let values = complete(numbers(text.get(i)?)?)?;
        let known = values.get(..values.len().checked_sub(usize::try_from(test_points.get(i)?).ok()?)?)?;
        let period = match period.get(i)? {
            -1 => best_period(known, SEASONAL_SCORE),
            period => usize::try_from(period).ok().filter(|period| *period > 0),
        };
        let season = match period {
            Some(period) => season(known, period, values.len())?,
            None => vec![0.0; values.len()],
        };
        write_numbers(season.into_iter().map(Some), out);
        Some(())
    })
}
