//! Pillow's filter coefficients (src/libImaging/Resample.c, precompute_coeffs and normalize_coeffs_8bpc, by formula), in f64
//! with the `libm` crate's sine, so that every machine gets the same ones.

use alloc::vec::Vec;
use core::{f64::consts::PI, ops::Range};

use crate::digest::resize;

/// Fixed-point bits of a coefficient.
pub(crate) const PRECISION: u32 = 22;
/// What rounds an accumulator half up.
pub(crate) const HALF: i32 = 1 << (PRECISION - 1);
/// Half the width of the filter at scale one.
const SUPPORT: f64 = 3.0;
/// Taps come in groups of so many, the last ones with coefficient zero, so that vectors need no tails.
pub(crate) const TAP_GROUP: usize = 4;

/// For each target position: where its taps begin, how many they are, and their weights.
#[derive(Default)]
pub(crate) struct Coefficients {
    starts: Vec<u32>,
    counts: Vec<u32>,
    weights: Vec<i32>,
    /// Weights kept for a position.
    stride: usize,
    exact: Vec<f64>,
}

/// Where the taps of one position begin, and their weights without padding.
pub(crate) struct Taps<'a> {
    pub(crate) start: usize,
    pub(crate) weights: &'a [i32],
    /// The same, padded with zeros to whole groups.
    #[cfg_attr(feature = "scalar-only", expect(dead_code, reason = "only vectors pad"))]
    pub(crate) padded: &'a [i32],
}

impl Coefficients {
    /// For `from` source positions to `to` target positions.
    pub(crate) fn compute(&mut self, from: usize, to: usize) {
        let scale = from as f64 / to as f64;
        let filter_scale = scale.max(1.0);
        let support = SUPPORT * filter_scale;
        let most = libm::ceil(support) as usize * 2 + 1;
        self.stride = most.next_multiple_of(TAP_GROUP);
        resize(&mut self.starts, to);
        resize(&mut self.counts, to);
        resize(&mut self.weights, to * self.stride);
        resize(&mut self.exact, most);
        for at in 0..to {
            let centre = (at as f64 + 0.5) * scale;
            // C's conversion to int truncates toward zero, as Rust's does.
            let start = ((centre - support + 0.5) as i64).max(0) as usize;
            let end = ((centre + support + 0.5) as i64).min(from as i64) as usize;
            let exact = &mut self.exact[..end - start];
            let mut sum = 0.0;
            for (tap, weight) in exact.iter_mut().enumerate() {
                *weight = lanczos(((tap + start) as f64 - centre + 0.5) / filter_scale);
                sum += *weight;
            }
            let weights = &mut self.weights[at * self.stride..][..self.stride];
            weights.fill(0);
            for (fixed, weight) in weights.iter_mut().zip(exact) {
                let normal = if sum != 0.0 { *weight / sum } else { *weight };
                let half = if normal < 0.0 { -0.5 } else { 0.5 };
                *fixed = (half + normal * f64::from(1u32 << PRECISION)) as i32;
            }
            self.starts[at] = start as u32;
            self.counts[at] = (end - start) as u32;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.starts.len()
    }

    pub(crate) fn taps(&self, at: usize) -> Taps<'_> {
        let all = &self.weights[at * self.stride..][..self.stride];
        let count = self.counts[at] as usize;
        Taps {
            start: self.starts[at] as usize,
            weights: &all[..count],
            padded: &all[..count.next_multiple_of(TAP_GROUP)],
        }
    }

    /// The source positions that any target position needs.
    pub(crate) fn needed(&self) -> Range<usize> {
        let last = self.len() - 1;
        self.starts[0] as usize..(self.starts[last] + self.counts[last]) as usize
    }
}

fn lanczos(x: f64) -> f64 {
    if (-SUPPORT..SUPPORT).contains(&x) { sinc(x) * sinc(x / SUPPORT) } else { 0.0 }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    let x = x * PI;
    libm::sin(x) / x
}
