//! Periods of a series: the strong frequencies of its periodogram give hints, each is moved to the nearest hill of the
//! autocorrelation, and the height of that hill, seen one and two periods away, is its score.
//!
//! Source: Kusto Query Language reference, "series_periods_detect()", "series_periods_validate()"; Vlachos, Yu,
//! Castelli, On Periodicity Detection and Structural Periodic Similarity (SDM 2005).

use arrow::array::ArrayRef;
use datafusion::common::Result;
use taffrail_kql::catalog::{Argument, ArgumentError, Resolved};
use taffrail_kql::types::Type;

use super::super::call::Call;
use super::{complete, fourier, numbers, write_numbers};

/// Shorter periods cannot be told from noise.
const SHORTEST: usize = 4;

/// What is known of a series to judge its periods.
pub(super) struct Periodicity {
    power: Vec<f64>,
    correlation: Vec<f64>,
}

impl Periodicity {
    pub(super) fn of(values: &[f64]) -> Periodicity {
        let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
        let centred: Vec<f64> = values.iter().map(|value| value - mean).collect();
        Periodicity {
            power: fourier::power(&centred),
            correlation: fourier::autocorrelation(&centred),
        }
    }

    fn at(&self, lag: usize) -> f64 {
        self.correlation.get(lag).copied().unwrap_or(0.0)
    }

    fn length(&self) -> usize {
        self.correlation.len()
    }

    fn is_hill(&self, lag: usize) -> bool {
        lag > 0 && lag + 1 < self.length() && self.at(lag) > self.at(lag - 1) && self.at(lag) >= self.at(lag + 1)
    }

    /// From 0 to 1; zero when the period is too short, too long to be seen twice, or no hill.
    pub(super) fn score(&self, period: usize) -> f64 {
        if period < SHORTEST || 2 * period >= self.length() || !self.is_hill(period) {
            return 0.0;
        }
        self.at(period).min(self.at(2 * period)).clamp(0.0, 1.0)
    }

    /// Periods with their scores, the best first.
    pub(super) fn detect(&self, least: f64, most: f64) -> Vec<(usize, f64)> {
        let length = self.length();
        let (least, most) = (
            SHORTEST.max(least.max(0.0).ceil() as usize),
            (length / 2).min(most.max(0.0).floor() as usize),
        );
        let frequencies = self.power.len().saturating_sub(1) as f64;
        // Noise alone exceeds this once in twenty series.
        let threshold = self.power.iter().skip(1).sum::<f64>() / frequencies * (frequencies.ln() + 3.0);
        let mut found: Vec<(usize, f64)> = Vec::new();
        for (frequency, power) in self.power.iter().enumerate().skip(1) {
            if *power < threshold {
                continue;
            }
            // What this frequency may stand for lies between its neighbours.
            let from = (length / (frequency + 1)).max(least);
            let to = if frequency > 1 { length.div_ceil(frequency - 1) } else { most }.min(most);
            let Some(peak) = (from..=to).max_by(|a, b| self.at(*a).total_cmp(&self.at(*b))) else {
                continue;
            };
            let score = self.score(peak);
            if score > 0.0 && found.iter().all(|(known, _)| *known != peak) {
                found.push((peak, score));
            }
        }
        found.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        found
    }
}

pub(super) fn detect_types(args: &[Argument<'_>]) -> std::result::Result<Resolved, ArgumentError> {
    use Type::{Dynamic, Long, Real};
    if args.len() != 4 {
        return Err(ArgumentError {
            argument: None,
            message: "expected a series, the least and the greatest period and a number of periods".to_owned(),
        });
    }
    Ok(Resolved {
        params: vec![Dynamic, Real, Real, Long],
        returns: vec![Dynamic, Dynamic],
    })
}

pub(super) fn validate_types(args: &[Argument<'_>]) -> std::result::Result<Resolved, ArgumentError> {
    if !(2..=17).contains(&args.len()) {
        return Err(ArgumentError {
            argument: None,
            message: "expected a series and one to sixteen periods".to_owned(),
        });
    }
    let mut params = vec![Type::Dynamic];
    params.resize(args.len(), Type::Real);
    Ok(Resolved {
        params,
        returns: vec![Type::Dynamic, Type::Dynamic],
    })
}

fn write_both(periods: impl Iterator<Item = f64>, scores: impl Iterator<Item = f64>, out: &mut String) {
    out.push('[');
    write_numbers(periods.map(Some), out);
    out.push(',');
    write_numbers(scores.map(Some), out);
    out.push(']');
}

pub(super) fn detect(c: &Call<'_>) -> Result<ArrayRef> {
    let (text, least, most, count) = (c.text(0)?, c.real(1)?, c.real(2)?, c.long(3)?);
    c.texts(|i, out| {
        let values = complete(numbers(text.get(i)?)?)?;
        let count = usize::try_from(count.get(i)?).ok()?.min(values.len());
        let mut found = Periodicity::of(&values).detect(least.get(i)?, most.get(i)?);
        found.resize(count, (0, 0.0));
        let (periods, scores) = (
            found.iter().map(|(period, _)| *period as f64),
            found.iter().map(|(_, score)| *score),
        );
        write_both(periods, scores, out);
        Some(())
    })
}

pub(super) fn validate(c: &Call<'_>) -> Result<ArrayRef> {
    let text = c.text(0)?;
    let periods = (1..c.count()).map(|index| c.real(index)).collect::<Result<Vec<_>>>()?;
    c.texts(|i, out| {
        let values = complete(numbers(text.get(i)?)?)?;
        let periodicity = Periodicity::of(&values);
        let periods: Option<Vec<f64>> = periods.iter().map(|period| period.get(i)).collect();
        let periods = periods?;
        let scores = periods.iter().map(|period| periodicity.score(period.max(0.0).round() as usize));
        write_both(periods.iter().copied(), scores, out);
        Some(())
    })
}
