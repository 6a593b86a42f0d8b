//! The discrete Fourier transform of a series of any length: by halves when the length is a power of two, else by
//! Bluestein's convolution. Also what is computed through it: the autocorrelation of a series.
//!
//! Source: Kusto Query Language reference, "series_fft()", "series_ifft()".

use std::f64::consts::PI;

/// Real and imaginary part.
pub(super) type Complex = (f64, f64);

fn multiply(a: Complex, b: Complex) -> Complex {
    (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0)
}

fn rotation(angle: f64) -> Complex {
    (angle.cos(), angle.sin())
}

/// In place, for a power of two; `sign` is that of the exponent.
fn by_halves(values: &mut [Complex], sign: f64) {
    let count = values.len();
    let mut reversed = 0usize;
    for index in 1..count {
        let mut bit = count >> 1;
        while reversed & bit != 0 {
            reversed ^= bit;
            bit >>= 1;
        }
        reversed |= bit;
        if index < reversed {
            values.swap(index, reversed);
        }
    }
    let mut size = 2;
    while size <= count {
        let half = size / 2;
        let step = sign * 2.0 * PI / size as f64;
        let turns: Vec<Complex> = (0..half).map(|k| rotation(step * k as f64)).collect();
        for block in values.chunks_exact_mut(size) {
            let (low, high) = block.split_at_mut(half);
            for ((a, b), turn) in low.iter_mut().zip(high).zip(&turns) {
                let turned = multiply(*b, *turn);
                (*a, *b) = ((a.0 + turned.0, a.1 + turned.1), (a.0 - turned.0, a.1 - turned.1));
            }
        }
        size *= 2;
    }
}

/// Any length, as a convolution of a length that is a power of two.
fn by_chirp(values: &[Complex], sign: f64) -> Vec<Complex> {
    let count = values.len();
    let size = (2 * count).next_power_of_two();
    // k² modulo 2n keeps the angle small and exact.
    let turn = |k: usize| rotation(sign * PI * ((k as u128 * k as u128) % (2 * count as u128)) as f64 / count as f64);
    let turns: Vec<Complex> = (0..count).map(turn).collect();
    let mut a = vec![(0.0, 0.0); size];
    let mut b = vec![(0.0, 0.0); size];
    for ((place, value), turn) in a.iter_mut().zip(values).zip(&turns) {
        *place = multiply(*value, *turn);
    }
    for (k, turn) in turns.iter().enumerate() {
        let conjugate = (turn.0, -turn.1);
        for place in [k, (size - k) % size] {
            if let Some(slot) = b.get_mut(place) {
                *slot = conjugate;
            }
        }
    }
    by_halves(&mut a, -1.0);
    by_halves(&mut b, -1.0);
    for (x, y) in a.iter_mut().zip(&b) {
        *x = multiply(*x, *y);
    }
    by_halves(&mut a, 1.0);
    let scale = 1.0 / size as f64;
    a.iter()
        .zip(&turns)
        .map(|(value, turn)| multiply((value.0 * scale, value.1 * scale), *turn))
        .collect()
}

/// The transform; of the inverse, each element is divided by the length.
pub(super) fn transform(values: &[Complex], inverse: bool) -> Vec<Complex> {
    let sign = if inverse { 1.0 } else { -1.0 };
    let mut result = if values.len() <= 1 || values.len().is_power_of_two() {
        let mut copy = values.to_vec();
        by_halves(&mut copy, sign);
        copy
    } else {
        by_chirp(values, sign)
    };
    if inverse {
        let scale = 1.0 / values.len().max(1) as f64;
        result.iter_mut().for_each(|value| *value = (value.0 * scale, value.1 * scale));
    }
    result
}

/// How much power each frequency up to half the length has.
pub(super) fn power(values: &[f64]) -> Vec<f64> {
    let complex: Vec<Complex> = values.iter().map(|value| (*value, 0.0)).collect();
    let spectrum = transform(&complex, false);
    spectrum
        .iter()
        .take(values.len() / 2 + 1)
        .map(|value| value.0 * value.0 + value.1 * value.1)
        .collect()
}

/// The correlation of a series with itself moved by each number of places. The series must have mean zero; each sum is
/// divided by the number of its terms.
pub(super) fn autocorrelation(values: &[f64]) -> Vec<f64> {
    let count = values.len();
    let mut padded: Vec<Complex> = values.iter().map(|value| (*value, 0.0)).collect();
    padded.resize((2 * count).next_power_of_two(), (0.0, 0.0));
    by_halves(&mut padded, -1.0);
    padded
        .iter_mut()
        .for_each(|value| *value = (value.0 * value.0 + value.1 * value.1, 0.0));
    by_halves(&mut padded, 1.0);
    let variance = padded.first().map_or(0.0, |value| value.0) / count as f64;
    padded
        .iter()
        .take(count)
        .enumerate()
        .map(|(lag, value)| {
            if variance > 0.0 {
                value.0 / (count - lag) as f64 / variance
            } else {
                0.0
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_give_the_definition_and_the_inverse_the_series() {
        for count in [1usize, 2, 3, 5, 8, 12, 31] {
            let values: Vec<Complex> = (0..count).map(|k| ((k * k % 7) as f64, (k % 3) as f64)).collect();
            let got = transform(&values, false);
            for (frequency, got) in got.iter().enumerate() {
                let wanted = values.iter().enumerate().fold((0.0, 0.0), |sum, (at, value)| {
                    let term = multiply(*value, rotation(-2.0 * PI * (frequency * at) as f64 / count as f64));
                    (sum.0 + term.0, sum.1 + term.1)
                });
                assert!(
                    (got.0 - wanted.0).abs() < 1e-9 && (got.1 - wanted.1).abs() < 1e-9,
                    "{count} {frequency}"
                );
            }
            for (back, value) in transform(&got, true).iter().zip(&values) {
                assert!((back.0 - value.0).abs() < 1e-9 && (back.1 - value.1).abs() < 1e-9, "{count}");
            }
        }
    }
}
