//! Pillow's fixed-point weights (src/libImaging/Resample.c, precompute_coeffs and normalize_coeffs_8bpc, by formula).

use alloc::vec::Vec;
use core::ops::Range;

use super::filter::Filter;
use crate::digest::resize;

/// Fixed-point bits of a weight.
pub(crate) const PRECISION: u32 = 22;
/// What rounds an accumulator half up.
pub(crate) const HALF: i32 = 1 << (PRECISION - 1);

/// A filter between two rulers of `from` and `to` positions.
pub(super) struct Ruler {
    filter: Filter,
    from: usize,
    /// Source positions a target position.
    scale: f64,
    /// By how much the filter is widened.
    widened: f64,
    support: f64,
}

impl Ruler {
    pub(super) fn new(filter: Filter, from: usize, to: usize) -> Self {
        let scale = from as f64 / to as f64;
        let widened = scale.max(1.0);
        Self { filter, from, scale, widened, support: filter.support() * widened }
    }

    /// The most taps that the filter can have.
    pub(super) fn most_taps(&self) -> usize {
        libm::ceil(self.support) as usize * 2 + 1
    }

    fn centre(&self, at: usize) -> f64 {
        (at as f64 + 0.5) * self.scale
    }

    /// The source positions that one target position needs.
    pub(super) fn window(&self, at: usize) -> Range<usize> {
        let centre = self.centre(at);
        // C's conversion to int truncates toward zero, as Rust's does.
        let start = ((centre - self.support + 0.5) as i64).max(0) as usize;
        let end = ((centre + self.support + 0.5) as i64).min(self.from as i64) as usize;
        start..end
    }

    /// The weights of one target position, which add up to one, at the front of `weights`; returns the source positions.
    pub(super) fn weigh(&self, at: usize, weights: &mut [f64]) -> Range<usize> {
        let (centre, window) = (self.centre(at), self.window(at));
        let weights = &mut weights[..window.len()];
        let mut sum = 0.0;
        for (tap, weight) in weights.iter_mut().enumerate() {
            *weight = self.filter.weight(((window.start + tap) as f64 - centre + 0.5) * (1.0 / self.widened));
            sum += *weight;
        }
        if sum != 0.0 {
            weights.iter_mut().for_each(|weight| *weight /= sum);
        }
        window
    }
}

/// What truncation makes a weight in fixed point of.
fn scaled(weight: f64) -> f64 {
    let half = if weight < 0.0 { -0.5 } else { 0.5 };
    half + weight * f64::from(1u32 << PRECISION)
}

/// What a weight and what is truncated of it add to [`Coefficients::sum`], since rounding hides faults. Halves of the latter change
/// places: a weight with the wrong sign would otherwise vanish beside its own bits.
fn addend(weight: f64, scaled: f64) -> u64 {
    weight.to_bits().wrapping_add(scaled.to_bits().rotate_left(32))
}

/// For each target position: where its taps begin, and their weights.
#[derive(Default)]
pub(crate) struct Coefficients {
    starts: Vec<u32>,
    counts: Vec<u32>,
    weights: Vec<i32>,
    /// Weights kept for a position.
    stride: usize,
    exact: Vec<f64>,
    /// See [`Coefficients::sum`].
    sum: u64,
}

impl Coefficients {
    /// For `from` source positions to `to` target positions.
    pub(crate) fn compute(&mut self, filter: Filter, from: usize, to: usize) {
        let ruler = Ruler::new(filter, from, to);
        self.stride = ruler.most_taps();
        resize(&mut self.starts, to);
        resize(&mut self.counts, to);
        resize(&mut self.weights, to * self.stride);
        resize(&mut self.exact, self.stride);
        self.sum = 0;
        for at in 0..to {
            let window = ruler.weigh(at, &mut self.exact);
            (self.starts[at], self.counts[at]) = (window.start as u32, window.len() as u32);
            let weights = self.exact[..window.len()].iter().zip(&mut self.weights[at * self.stride..]);
            for (weight, fixed) in weights {
                let scaled = scaled(*weight);
                self.sum = self.sum.wrapping_add(addend(*weight, scaled));
                // By way of i64, which takes no clipping in a vector register, where it would hide faults.
                *fixed = scaled as i64 as i32;
            }
        }
    }

    /// The wrapping sum of the bits of all weights, and of what is truncated to those in fixed point.
    pub(crate) fn sum(&self) -> u64 {
        self.sum
    }

    /// Target positions.
    pub(crate) fn len(&self) -> usize {
        self.starts.len()
    }

    /// Where the taps of a target position begin, and their weights.
    pub(crate) fn taps(&self, at: usize) -> (usize, &[i32]) {
        (self.starts[at] as usize, &self.weights[at * self.stride..][..self.counts[at] as usize])
    }

    /// The most taps that any position has.
    #[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
    pub(crate) fn most_taps(&self) -> usize {
        self.counts.iter().fold(0, |most, count| most.max(*count as usize))
    }

    /// The source positions that any target position needs.
    pub(crate) fn needed(&self) -> Range<usize> {
        let last = self.len() - 1;
        self.starts[0] as usize..(self.starts[last] + self.counts[last]) as usize
    }

    /// The next source position from that one on, or else the last before it, that any target position weighs: a box leaves out one
    /// here and there, as it rounds its ends.
    pub(super) fn weighed(&self, position: usize) -> usize {
        let weighs = |position: &usize| {
            (0..self.len()).map(|at| self.taps(at)).any(|(start, weights)| {
                position.checked_sub(start).and_then(|tap| weights.get(tap)).is_some_and(|weight| *weight != 0)
            })
        };
        (position..self.needed().end).chain((0..position).rev()).find(weighs).unwrap_or(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_box_leaves_out_is_passed_over() {
        let mut coefficients = Coefficients::default();
        coefficients.compute(Filter::Box, 93, 78);
        let weighed: Vec<usize> = (0..93).map(|position| coefficients.weighed(position)).collect();
        assert_eq!(weighed[..17], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 16]);
        coefficients.compute(Filter::Lanczos, 93, 78);
        assert!((0..93).all(|position| coefficients.weighed(position) == position));
    }

    #[test]
    fn no_bit_of_a_weight_vanishes_in_the_sums() {
        let sum = |weights: &[f64]| {
            weights.iter().fold(0, |sum: u64, weight| sum.wrapping_add(addend(*weight, scaled(*weight))))
        };
        let right = [0.3f64, -0.07, 1e-8, -2.1e-7, 1.0];
        for (at, bit) in (0..right.len()).flat_map(|at| (0..64).map(move |bit| (at, bit))) {
            let mut wrong = right;
            wrong[at] = f64::from_bits(wrong[at].to_bits() ^ 1 << bit);
            assert_ne!(sum(&wrong), sum(&right), "weight {at}, bit {bit}");
        }
    }
}
