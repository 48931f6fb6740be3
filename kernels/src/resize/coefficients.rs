//! Pillow's fixed-point weights (src/libImaging/Resample.c, precompute_coeffs and normalize_coeffs_8bpc, by formula).

use alloc::vec::Vec;
use core::ops::Range;

use super::filter::Filter;
use crate::digest::resize;

/// Fixed-point bits of a weight.
pub(crate) const PRECISION: u32 = 22;
/// What rounds an accumulator half up.
pub(crate) const HALF: i32 = 1 << (PRECISION - 1);

/// For each target position: where its taps begin, and their weights.
#[derive(Default)]
pub(crate) struct Coefficients {
    starts: Vec<u32>,
    counts: Vec<u32>,
    weights: Vec<i32>,
    /// The most taps that the filter can have.
    stride: usize,
    exact: Vec<f64>,
}

impl Coefficients {
    /// For `from` source positions to `to` target positions.
    pub(crate) fn compute(&mut self, filter: Filter, from: usize, to: usize) {
        let scale = from as f64 / to as f64;
        let filter_scale = scale.max(1.0);
        let support = filter.support() * filter_scale;
        self.stride = libm::ceil(support) as usize * 2 + 1;
        resize(&mut self.starts, to);
        resize(&mut self.counts, to);
        resize(&mut self.weights, to * self.stride);
        resize(&mut self.exact, self.stride);
        for at in 0..to {
            let centre = (at as f64 + 0.5) * scale;
            // C's conversion to int truncates toward zero, as Rust's does.
            let start = ((centre - support + 0.5) as i64).max(0) as usize;
            let end = ((centre + support + 0.5) as i64).min(from as i64) as usize;
            let exact = &mut self.exact[..end - start];
            let mut sum = 0.0;
            for (tap, weight) in exact.iter_mut().enumerate() {
                *weight = filter.weight(((tap + start) as f64 - centre + 0.5) * (1.0 / filter_scale));
                sum += *weight;
            }
            for (fixed, weight) in self.weights[at * self.stride..].iter_mut().zip(exact) {
                let normal = if sum != 0.0 { *weight / sum } else { *weight };
                let half = if normal < 0.0 { -0.5 } else { 0.5 };
                *fixed = (half + normal * f64::from(1u32 << PRECISION)) as i32;
            }
            self.starts[at] = start as u32;
            self.counts[at] = (end - start) as u32;
        }
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
}
