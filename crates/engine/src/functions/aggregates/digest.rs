//! Digests of distributions (t-digests): values with their weights, as they are up to some thousands, then the nearest
//! merged, the finer the closer to the ends.
//!
//! Kept as a dynamic: `[[type],[values],[weights]]`.
//!
//! Source: Kusto Query Language reference, "tdigest()", "tdigest_merge()", "percentile_tdigest()"; Dunning, Ertl,
//! Computing Extremely Accurate Quantiles Using t-Digests (2019).

use std::fmt::Write as _;

use taffrail_kql::types::Type;

use super::super::call::{Datum, Values};
use super::super::dynamic::json;
use super::state::{Cell, State};

/// So many distinct values are kept as they are.
const EXACT: usize = 4_096;
/// How fine a digest of more values is.
const COMPRESSION: f64 = 1_000.0;

/// A value of the distribution, or the mean of several: whole where the type is, so that instants keep their ticks.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mean {
    Whole(i64),
    Real(f64),
}

impl Mean {
    fn of(value: Datum<'_>) -> Option<Mean> {
        Some(match value {
            Datum::Int(v) => Mean::Whole(i64::from(v)),
            Datum::Long(v) | Datum::DateTime(v) | Datum::TimeSpan(v) => Mean::Whole(v),
            Datum::Real(v) => Mean::Real(v),
            Datum::Decimal(v) => Mean::Real(super::super::decimal::to_real(v)),
            _ => return None,
        })
    }

    fn compare(&self, other: &Mean) -> std::cmp::Ordering {
        match (self, other) {
            (Mean::Whole(a), Mean::Whole(b)) => a.cmp(b),
            (a, b) => a.real().total_cmp(&b.real()),
        }
    }

    fn real(self) -> f64 {
        match self {
            Mean::Whole(v) => v as f64,
            Mean::Real(v) => v,
        }
    }

    /// The mean of two with their weights.
    fn between(a: (Mean, i64), b: (Mean, i64)) -> Mean {
        let weight = i128::from(a.1) + i128::from(b.1);
        match (a.0, b.0) {
            (Mean::Whole(x), Mean::Whole(y)) => {
                Mean::Whole(((i128::from(x) * i128::from(a.1) + i128::from(y) * i128::from(b.1)) / weight.max(1)) as i64)
            }
            (x, y) => Mean::Real(x.real() + (y.real() - x.real()) * (b.1 as f64 / weight as f64)),
        }
    }
}

/// A digest.
#[derive(Debug, Clone)]
pub struct Digest {
    ty: Type,
    means: Vec<(Mean, i64)>,
    /// How many of them are in order, each value once
    sorted: usize,
}

/// Types by the numbers that stand for them in a kept digest.
const TYPES: &[(Type, i64)] = &[
    (Type::Int, 7),
    (Type::Long, 8),
    (Type::Real, 9),
    (Type::Decimal, 10),
    (Type::DateTime, 11),
    (Type::TimeSpan, 12),
];

impl Digest {
    fn new(ty: Type) -> Digest {
        Digest {
            ty,
            means: Vec::new(),
            sorted: 0,
        }
    }

    fn see(&mut self, mean: Mean, weight: i64) {
        if weight > 0 {
            self.means.push((mean, weight));
            if self.means.len() > 2 * EXACT.max(self.sorted) {
                self.tidy();
            }
        }
    }

    /// Sorts, adds up equals and, when there are too many, merges neighbours.
    fn tidy(&mut self) {
        if self.sorted == self.means.len() {
            return;
        }
        self.means.sort_by(|(a, _), (b, _)| a.compare(b));
        self.means.dedup_by(|next, kept| {
            let same = next.0.compare(&kept.0).is_eq();
            if same {
                kept.1 = kept.1.saturating_add(next.1);
            }
            same
        });
        if self.means.len() > EXACT {
            self.compress();
        }
        self.sorted = self.means.len();
    }

    fn compress(&mut self) {
        let total = self.total() as f64;
        // A merged value may span one unit of this scale, which is steep at both ends.
        let scale = |quantile: f64| COMPRESSION / std::f64::consts::TAU * (2.0 * quantile - 1.0).clamp(-1.0, 1.0).asin();
        let mut merged: Vec<(Mean, i64)> = Vec::new();
        let last = self.means.len().saturating_sub(1);
        let (mut before, mut seen) = (0.0, 0.0);
        for (index, (mean, weight)) in self.means.iter().copied().enumerate() {
            let after = seen + weight as f64;
            let fits = scale(after / total) - scale(before / total) <= 1.0;
            match merged.last_mut() {
                // The least and the greatest value stay as they are.
                Some(open) if fits && index > 1 && index < last => {
                    open.0 = Mean::between(*open, (mean, weight));
                    open.1 += weight;
                }
                _ => {
                    before = seen;
                    merged.push((mean, weight));
                }
            }
            seen = after;
        }
        self.means = merged;
    }

    fn total(&self) -> i128 {
        self.means.iter().map(|(_, weight)| i128::from(*weight)).sum()
    }

    fn merge(&mut self, other: &Digest) {
        if self.means.is_empty() {
            self.ty = other.ty;
        }
        for (mean, weight) in &other.means {
            self.see(*mean, *weight);
        }
    }

    /// The kept form.
    fn kept_form(&mut self) -> String {
        self.tidy();
        let code = TYPES.iter().find(|(ty, _)| *ty == self.ty).map_or(0, |(_, code)| *code);
        let mut out = format!("[[{code}],[");
        for (index, (mean, _)) in self.means.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            match mean {
                Mean::Whole(v) => {
                    let _ = write!(out, "{v}");
                }
                Mean::Real(v) => json::write_real(*v, &mut out),
            }
        }
        out.push_str("],[");
        for (index, (_, weight)) in self.means.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            let _ = write!(out, "{weight}");
        }
        out.push_str("]]");
        out
    }

    /// Out of the kept form.
    pub fn parse(text: &str) -> Option<Digest> {
        let parts: Vec<&str> = json::elements(text)?.collect();
        let [code, means, weights] = parts.as_slice() else { return None };
        let code = json::elements(code)?.next().and_then(json::to_long)?;
        let (ty, _) = TYPES.iter().find(|(_, known)| *known == code)?;
        let whole = matches!(ty, Type::Int | Type::Long | Type::DateTime | Type::TimeSpan);
        let mut digest = Digest::new(*ty);
        let mut weights = json::elements(weights)?;
        for mean in json::elements(means)? {
            let weight = json::to_long(weights.next()?)?;
            let mean = if whole {
                Mean::Whole(json::to_long(mean)?)
            } else {
                match json::as_text(mean).as_ref() {
                    "NaN" => Mean::Real(f64::NAN),
                    "Infinity" => Mean::Real(f64::INFINITY),
                    "-Infinity" => Mean::Real(f64::NEG_INFINITY),
                    text => Mean::Real(text.parse().ok()?),
                }
            };
            digest.means.push((mean, weight));
        }
        digest.tidy();
        Some(digest)
    }

    /// The value that so many percent are not above, as a value of the digest's type; `None` of an empty one.
    pub fn percentile(&self, percentage: f64) -> Option<Cell> {
        let wanted = (percentage / 100.0 * self.total() as f64).ceil().max(1.0);
        let mut seen = 0i128;
        let found = self.means.iter().find(|(_, weight)| {
            seen += i128::from(*weight);
            seen as f64 >= wanted
        });
        let (mean, _) = found.or(self.means.last())?;
        Some(match mean {
            Mean::Whole(v) => Cell::Long(*v),
            Mean::Real(v) => Cell::Real(*v),
        })
    }

    /// The type of its values.
    pub fn ty(&self) -> Type {
        if self.ty == Type::Decimal { Type::Real } else { self.ty }
    }

    /// How many values are not above one.
    pub fn rank(&self, value: Datum<'_>) -> Option<f64> {
        let value = Mean::of(value)?;
        let below = self.means.iter().take_while(|(mean, _)| mean.compare(&value).is_le());
        Some(below.map(|(_, weight)| i128::from(*weight)).sum::<i128>() as f64)
    }

    /// How many percent of the values are not above one.
    pub fn percent_rank(&self, value: Datum<'_>) -> Option<f64> {
        let total = self.total();
        if total == 0 {
            return None;
        }
        Some(self.rank(value)? / total as f64 * 100.0)
    }
}

/// Several kept digests as one; nulls do not count, what is no digest makes it nothing.
pub fn merged<'a>(kept: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut all = Digest::new(Type::Real);
    for text in kept {
        all.merge(&Digest::parse(text)?);
    }
    Some(all.kept_form())
}

/// `tdigest(x, weight)`, and `tdigest_merge(digest)`.
#[derive(Debug)]
struct Kept {
    digest: Digest,
    merges: bool,
}

pub fn tdigest(types: &[Type], _outputs: &[Type]) -> Box<dyn State> {
    Box::new(Kept {
        digest: Digest::new(types.first().copied().unwrap_or(Type::Real)),
        merges: false,
    })
}

pub fn tdigest_merge(_types: &[Type], _outputs: &[Type]) -> Box<dyn State> {
    Box::new(Kept {
        digest: Digest::new(Type::Real),
        merges: true,
    })
}

impl State for Kept {
    fn update(&mut self, args: &[Values<'_>], row: usize) {
        let Some(value) = args.first().map(|column| column.get(row)) else {
            return;
        };
        if self.merges {
            if let Datum::Dynamic(text) = value
                && let Some(other) = Digest::parse(text)
            {
                self.digest.merge(&other);
            }
            return;
        }
        let weight = match args.get(1).map(|column| column.get(row)) {
            None => 1,
            Some(Datum::Long(weight)) => weight,
            Some(_) => 0,
        };
        if let Some(mean) = Mean::of(value) {
            self.digest.see(mean, weight);
        }
    }

    fn save(&self) -> Vec<Cell> {
        self.finish()
    }

    fn merge(&mut self, saved: Vec<Cell>) {
        if let Some(Cell::Text(text)) = saved.first()
            && let Some(other) = Digest::parse(text)
        {
            self.digest.merge(&other);
        }
    }

    fn finish(&self) -> Vec<Cell> {
        vec![Cell::Text(self.digest.clone().kept_form())]
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.digest.means.capacity() * size_of::<(Mean, i64)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_of_many_values_stay_close_and_keep_the_ends() {
        let mut digest = Digest::new(Type::Long);
        let mut other = Digest::new(Type::Long);
        for value in 0..100_000i64 {
            // every value once, in no order
            let value = value * 7_919 % 100_000;
            let side = if value % 3 == 0 { &mut digest } else { &mut other };
            side.see(Mean::Whole(value), 1);
        }
        digest.merge(&Digest::parse(&other.kept_form()).unwrap());
        let kept = Digest::parse(&digest.kept_form()).unwrap();
        assert!(kept.means.len() <= EXACT);
        assert_eq!(kept.total(), 100_000);
        assert_eq!(kept.percentile(0.0), Some(Cell::Long(0)));
        assert_eq!(kept.percentile(100.0), Some(Cell::Long(99_999)));
        for percentage in [1.0, 25.0, 50.0, 90.0, 99.0] {
            let Some(Cell::Long(value)) = kept.percentile(percentage) else {
                panic!("no value")
            };
            assert!((value as f64 / 1_000.0 - percentage).abs() < 0.3, "{percentage}: {value}");
        }
        assert!((kept.rank(Datum::Long(50_000)).unwrap() - 50_001.0).abs() < 300.0);
    }
}
