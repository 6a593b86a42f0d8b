//! Distributions and tests: the beta distribution, Welch's test.
//!
//! Source: Kusto Query Language reference, "beta_cdf()", "beta_inv()", "beta_pdf()", "welch_test()".

use arrow::array::ArrayRef;
use datafusion::common::Result;
use taffrail_kql::catalog::Param;
use taffrail_kql::types::Type;

use super::call::Call;
use super::declare::{Scalar, kernel, plain};
use super::math::log_gamma;

const REAL: Param = Param::Is(Type::Real);
const THREE: &[Param] = &[REAL, REAL, REAL];

/// This file's functions.
pub static FUNCTIONS: &[Scalar] = &[
    kernel(
        "beta_cdf",
        "beta_cdf(x, alpha, beta) → real",
        "The beta distribution's cumulative probability.",
        plain(THREE, Type::Real),
        |c| beta(c, |x, a, b| (0.0..=1.0).contains(&x).then(|| beta_probability(x, a, b))),
    ),
    kernel(
        "beta_inv",
        "beta_inv(probability, alpha, beta) → real",
        "The value whose cumulative probability it is.",
        plain(THREE, Type::Real),
        |c| beta(c, |p, a, b| (0.0..=1.0).contains(&p).then(|| beta_inverse(p, a, b))),
    ),
    kernel(
        "beta_pdf",
        "beta_pdf(x, alpha, beta) → real",
        "The beta distribution's density.",
        plain(THREE, Type::Real),
        |c| beta(c, |x, a, b| (0.0..=1.0).contains(&x).then(|| beta_density(x, a, b))),
    ),
    kernel(
        "welch_test",
        "welch_test(mean1, variance1, count1, mean2, variance2, count2) → real",
        "How likely two samples have means so far apart when those of their populations are equal.",
        plain(&[REAL, REAL, REAL, REAL, REAL, REAL], Type::Real),
        welch_test,
    )
    .alias(&["welch-test"]),
];

/// Student's distribution, both sides, with as many degrees of freedom as Welch and Satterthwaite say.
fn welch_test(c: &Call<'_>) -> Result<ArrayRef> {
    let args = (0..6).map(|index| c.real(index)).collect::<Result<Vec<_>>>()?;
    c.reals(|i| {
        let values: Option<Vec<f64>> = args.iter().map(|column| column.get(i)).collect();
        let [mean1, variance1, count1, mean2, variance2, count2] = values?.try_into().ok()?;
        let (error1, error2) = (variance1 / count1, variance2 / count2);
        let t = (mean1 - mean2) / (error1 + error2).sqrt();
        let freedom = (error1 + error2).powi(2) / (error1 * error1 / (count1 - 1.0) + error2 * error2 / (count2 - 1.0));
        if !t.is_finite() || freedom.is_nan() || freedom <= 0.0 {
            return Some(f64::NAN);
        }
        Some(beta_probability(freedom / (freedom + t * t), freedom / 2.0, 0.5))
    })
}

/// Null outside of the function's domain, NaN for a shape that is not positive.
fn beta(c: &Call<'_>, f: impl Fn(f64, f64, f64) -> Option<f64>) -> Result<ArrayRef> {
    let (x, a, b) = (c.real(0)?, c.real(1)?, c.real(2)?);
    c.reals(|i| {
        let (a, b) = (a.get(i)?, b.get(i)?);
        let value = f(x.get(i)?, a, b)?;
        Some(if a > 0.0 && b > 0.0 { value } else { f64::NAN })
    })
}

fn log_beta(a: f64, b: f64) -> f64 {
    log_gamma(a) + log_gamma(b) - log_gamma(a + b)
}

fn beta_density(x: f64, a: f64, b: f64) -> f64 {
    ((a - 1.0) * x.ln() + (b - 1.0) * (1.0 - x).ln() - log_beta(a, b)).exp()
}

/// The regularized incomplete beta function, by its continued fraction (Lentz's way).
fn beta_probability(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta_probability(1.0 - x, b, a);
    }
    let tiny = 1e-300;
    let safe = |v: f64| if v.abs() < tiny { tiny } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / safe(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for m in 1..500 {
        let m = f64::from(m);
        for step in [
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0)),
        ] {
            d = 1.0 / safe(1.0 + step * d);
            c = safe(1.0 + step / c);
            fraction *= c * d;
        }
        if (c * d - 1.0).abs() < 1e-16 {
            break;
        }
    }
    (a * x.ln() + b * (1.0 - x).ln() - log_beta(a, b)).exp() / a * fraction
}

/// By halving: the function only grows.
fn beta_inverse(probability: f64, a: f64, b: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..200 {
        let middle = (low + high) / 2.0;
        if beta_probability(middle, a, b) < probability {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}
