//! Averages, extremes, spreads and bits.

use taffrail_kql::types::Type;

use arrow::datatypes::i256;

use super::super::call::{Datum, Values};
use super::super::decimal;
use super::state::{Cell, State};

fn number(value: Datum<'_>) -> Option<f64> {
    match value {
        Datum::Int(v) => Some(f64::from(v)),
        Datum::Long(v) | Datum::DateTime(v) | Datum::TimeSpan(v) => Some(v as f64),
        Datum::Real(v) => Some(v),
        Datum::Decimal(v) => Some(decimal::to_real(v)),
        _ => None,
    }
}

/// The sum of `long` wraps as Kusto's does, and so does its average.
#[derive(Debug)]
struct Average {
    ty: Type,
    returns: Type,
    wrapping: i64,
    wide: i256,
    real: f64,
    count: i64,
}

pub fn average(types: &[Type], outputs: &[Type]) -> Box<dyn State> {
    Box::new(Average {
        ty: types.first().copied().unwrap_or(Type::Real),
        returns: outputs.first().copied().unwrap_or(Type::Real),
        wrapping: 0,
        wide: i256::ZERO,
        real: 0.0,
        count: 0,
    })
}

impl State for Average {
    fn update(&mut self, args: &[Values<'_>], row: usize) {
        match args.first().map(|column| column.get(row)) {
            Some(Datum::Int(v)) => self.wrapping = self.wrapping.wrapping_add(i64::from(v)),
            Some(Datum::Long(v)) => self.wrapping = self.wrapping.wrapping_add(v),
            Some(Datum::DateTime(v) | Datum::TimeSpan(v)) => self.wide = self.wide.wrapping_add(i256::from_i128(i128::from(v))),
            Some(Datum::Decimal(v)) => self.wide = self.wide.wrapping_add(v),
            Some(Datum::Real(v)) => self.real += v,
            _ => return,
        }
        self.count += 1;
    }

    fn save(&self) -> Vec<Cell> {
        vec![
            Cell::Long(self.wrapping),
            Cell::Decimal(self.wide),
            Cell::Real(self.real),
            Cell::Long(self.count),
        ]
    }

    fn merge(&mut self, saved: Vec<Cell>) {
        if let [Cell::Long(wrapping), Cell::Decimal(wide), Cell::Real(real), Cell::Long(count)] = saved.as_slice() {
            self.wrapping = self.wrapping.wrapping_add(*wrapping);
            self.wide = self.wide.wrapping_add(*wide);
            self.real += real;
            self.count += count;
        }
    }

    fn finish(&self) -> Vec<Cell> {
        let count = self.count as f64;
        vec![match self.ty {
            Type::Int | Type::Long if self.count > 0 => Cell::Real(self.wrapping as f64 / count),
            Type::Real if self.count > 0 => Cell::Real(self.real / count),
            _ if self.count == 0 && self.returns == Type::Real => Cell::Real(f64::NAN),
            _ if self.count == 0 => Cell::Null,
            Type::Decimal => decimal::divide(self.wide, decimal::whole(self.count)).map_or(Cell::Null, Cell::Decimal),
            _ => {
                let mean = self.wide.checked_div(i256::from_i128(i128::from(self.count)));
                mean.and_then(i256::to_i128).map_or(Cell::Null, |mean| Cell::Long(mean as i64))
            }
        }]
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

/// The extreme of reals: one NaN makes it NaN.
#[derive(Debug)]
struct Extreme {
    greatest: bool,
    best: Option<f64>,
}

pub fn least(_types: &[Type], _outputs: &[Type]) -> Box<dyn State> {
    Box::new(Extreme {
        greatest: false,
        best: None,
    })
}

pub fn greatest(_types: &[Type], _outputs: &[Type]) -> Box<dyn State> {
    Box::new(Extreme {
        greatest: true,
        best: None,
    })
}

impl Extreme {
    fn see(&mut self, value: f64) {
        self.best = Some(match self.best {
            None => value,
            Some(best) if best.is_nan() || value.is_nan() => f64::NAN,
            Some(best) if self.greatest => best.max(value),
            Some(best) => best.min(value),
        });
    }
}

impl State for Extreme {
    fn update(&mut self, args: &[Values<'_>], row: usize) {
        if let Some(value) = args.first().and_then(|column| number(column.get(row))) {
            self.see(value);
        }
    }

    fn save(&self) -> Vec<Cell> {
        self.finish()
    }

    fn merge(&mut self, saved: Vec<Cell>) {
        if let Some(Cell::Real(value)) = saved.first() {
            self.see(*value);
        }
    }

    fn finish(&self) -> Vec<Cell> {
        vec![self.best.map_or(Cell::Null, Cell::Real)]
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

/// Means and sums of squared distances from them, updated a row at a time (Welford's way).
#[derive(Debug, Default)]
struct Spread {
    /// One column, or two (covariance)
    two: bool,
    sample: bool,
    root: bool,
    count: f64,
    mean_a: f64,
    mean_b: f64,
    squares: f64,
}

fn spread(two: bool, sample: bool, root: bool) -> Box<dyn State> {
    Box::new(Spread {
        two,
        sample,
        root,
        ..Spread::default()
    })
}

pub fn stdev(_types: &[Type], _outputs: &[Type]) -> Box<dyn State> {
    spread(false, true, true)
}

pub fn stdevp(_types: &[Type], _outputs: &[Type]) -> Box<dyn State> {
    spread(false, false, true)
}

pub fn variance(_types: &[Type], _outputs: &[Type]) -> Box<dyn State> {
    spread(false, true, false)
}

pub fn variancep(_types: &[Type], _outputs: &[Type]) -> Box<dyn State> {
    spread(false, false, false)
}

pub fn covariance(_types: &[Type], _outputs: &[Type]) -> Box<dyn State> {
    spread(true, true, false)
}

pub fn covariancep(_types: &[Type], _outputs: &[Type]) -> Box<dyn State> {
    spread(true, false, false)
}

impl State for Spread {
    fn update(&mut self, args: &[Values<'_>], row: usize) {
        let Some(a) = args.first().and_then(|column| number(column.get(row))) else {
            return;
        };
        let b = if self.two {
            args.get(1).and_then(|column| number(column.get(row)))
        } else {
            Some(a)
        };
        let Some(b) = b else { return };
        self.count += 1.0;
        let from_mean = a - self.mean_a;
        self.mean_a += from_mean / self.count;
        self.mean_b += (b - self.mean_b) / self.count;
        self.squares += from_mean * (b - self.mean_b);
    }

    fn save(&self) -> Vec<Cell> {
        [self.count, self.mean_a, self.mean_b, self.squares].map(Cell::Real).to_vec()
    }

    fn merge(&mut self, saved: Vec<Cell>) {
        if let [Cell::Real(count), Cell::Real(mean_a), Cell::Real(mean_b), Cell::Real(squares)] = *saved.as_slice() {
            let total = self.count + count;
            if total == 0.0 {
                return;
            }
            let (apart_a, apart_b) = (mean_a - self.mean_a, mean_b - self.mean_b);
            self.squares += squares + apart_a * apart_b * self.count * count / total;
            self.mean_a += apart_a * count / total;
            self.mean_b += apart_b * count / total;
            self.count = total;
        }
    }

    fn finish(&self) -> Vec<Cell> {
        if self.count == 0.0 {
            return vec![Cell::Real(f64::NAN)];
        }
        // A sample of one does not spread.
        let by = if self.sample { self.count - 1.0 } else { self.count };
        let variance = if by > 0.0 { self.squares / by } else { 0.0 };
        vec![Cell::Real(if self.root { variance.sqrt() } else { variance })]
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

#[derive(Debug)]
struct Bits {
    op: fn(i64, i64) -> i64,
    value: Option<i64>,
}

fn bits(op: fn(i64, i64) -> i64) -> Box<dyn State> {
    Box::new(Bits { op, value: None })
}

pub fn all_and(_types: &[Type], _outputs: &[Type]) -> Box<dyn State> {
    bits(|a, b| a & b)
}

pub fn all_or(_types: &[Type], _outputs: &[Type]) -> Box<dyn State> {
    bits(|a, b| a | b)
}

pub fn all_xor(_types: &[Type], _outputs: &[Type]) -> Box<dyn State> {
    bits(|a, b| a ^ b)
}

impl Bits {
    fn see(&mut self, value: i64) {
        self.value = Some(self.value.map_or(value, |known| (self.op)(known, value)));
    }
}

impl State for Bits {
    fn update(&mut self, args: &[Values<'_>], row: usize) {
        match args.first().map(|column| column.get(row)) {
            Some(Datum::Long(v)) => self.see(v),
            Some(Datum::Int(v)) => self.see(i64::from(v)),
            Some(Datum::Decimal(v)) => self.see(decimal::to_long(v).unwrap_or_default()),
            _ => {}
        }
    }

    fn save(&self) -> Vec<Cell> {
        self.finish()
    }

    fn merge(&mut self, saved: Vec<Cell>) {
        if let Some(Cell::Long(value)) = saved.first() {
            self.see(*value);
        }
    }

    fn finish(&self) -> Vec<Cell> {
        vec![self.value.map_or(Cell::Null, Cell::Long)]
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}
