//! The arithmetic of `resize-lanczos-f32`. Written order: rows first, then columns; each sample is one chain of fused
//! multiply-adds from +0, in ascending source position, with weights rounded to f32. A weight of zero changes nothing in such a
//! chain, so vectors may pad with it.

use alloc::vec::Vec;

use super::{coefficients::Ruler, filter::Filter};
use crate::{buffer::Buffer, digest, fused, isa::Token};

/// Samples a pixel.
pub(super) const CHANNELS: usize = 3;
/// Samples that may be read behind a picture; what comes of them is thrown away.
pub(super) const SLACK: usize = 16;

/// Pixels of the widest vector.
const PIXELS: usize = 4;

/// Samples that the vertical pass makes at a time.
pub(super) const BLOCK: usize = 64;

/// Sums of a row.
pub(super) const ROW_SUMS: usize = 2;

/// How many sums come before those of rows.
pub(super) const WEIGHT_SUMS: usize = 4;

/// For each target position where its taps begin, and their weights; all have as many taps, some with weight zero.
#[derive(Default)]
pub(super) struct Weights {
    pub(super) starts: Vec<u32>,
    pub(super) weights: Vec<f32>,
    /// Each weight four times: those of a pixel's lanes.
    pub(super) spread: Buffer<[f32; 4]>,
    pub(super) taps: usize,
    /// So many target positions have a sample behind all that they take, and are whole vectors of pixels.
    pub(super) followed: usize,
    exact: Vec<f64>,
    /// The wrapping sum of the bits of all weights before rounding.
    sum: u64,
}

impl Weights {
    fn compute(&mut self, from: usize, to: usize) {
        let ruler = Ruler::new(Filter::Lanczos, from, to);
        // No more than some position needs: a weight of zero hides what is wrong in its value.
        self.taps = (0..to).map(|at| ruler.window(at).len()).max().unwrap_or_default();
        digest::resize(&mut self.exact, ruler.most_taps());
        digest::resize(&mut self.starts, to);
        digest::resize(&mut self.weights, to * self.taps);
        self.weights.fill(0.0);
        self.sum = 0;
        for (at, (begin, weights)) in self.starts.iter_mut().zip(self.weights.chunks_exact_mut(self.taps)).enumerate() {
            let window = ruler.weigh(at, &mut self.exact);
            let exact = &self.exact[..window.len()];
            *begin = window.start.min(from - self.taps) as u32;
            self.sum = self.sum.wrapping_add(sum_of_bits(exact));
            let shift = window.start - *begin as usize;
            weights[shift..].iter_mut().zip(exact).for_each(|(weight, exact)| *weight = *exact as f32);
        }
        let is_followed = |start: &&u32| **start as usize + self.taps < from;
        self.followed = self.starts.iter().take_while(is_followed).count() / PIXELS * PIXELS;
        // A vector of pixels may be begun with fewer.
        let padded = to.next_multiple_of(PIXELS) * self.taps;
        self.spread.resize(padded);
        self.spread.fill([0.0; 4]);
        self.spread.iter_mut().zip(&self.weights).for_each(|(spread, weight)| *spread = [*weight; 4]);
        self.starts.resize(to.next_multiple_of(PIXELS), 0);
    }
}

/// The wrapping sum of the weights' bits: rounding them hides faults.
fn sum_of_bits(weights: &[f64]) -> u64 {
    weights.iter().fold(0, |sum, weight| sum.wrapping_add(weight.to_bits()))
}

/// A resize and the memory for it.
#[derive(Default)]
pub(super) struct FloatResizer {
    from: (usize, usize),
    to: (usize, usize),
    across: Weights,
    down: Weights,
    /// Between the passes: rows of [`Self::stride`].
    between: Buffer<f32>,
    /// The halves of the sums of both passes' weights before rounding; then for each row between the passes [`ROW_SUMS`]: the
    /// wrapping sum of its bits, since columns may round its last ones away, and what [`across`] returns.
    pub(super) sums: Vec<u32>,
}

impl FloatResizer {
    /// Computes the weights and takes the memory.
    pub(super) fn prepare(&mut self, from: (usize, usize), to: (usize, usize)) {
        (self.from, self.to) = (from, to);
        self.across.compute(from.0, to.0);
        self.down.compute(from.1, to.1);
        let stride = self.stride();
        // What lies behind a row is multiplied and thrown away.
        self.between.renew(from.1 * stride);
        digest::resize(&mut self.sums, WEIGHT_SUMS + ROW_SUMS * from.1);
        let halves = |sum: u64| [sum as u32, (sum >> 32) as u32];
        let ([a, b], [c, d]) = (halves(self.across.sum), halves(self.down.sum));
        self.sums[..WEIGHT_SUMS].copy_from_slice(&[a, b, c, d]);
    }

    /// Whole blocks of the vertical pass, and a vector that may be written too far.
    fn stride(&self) -> usize {
        (self.to.0 * CHANNELS).next_multiple_of(BLOCK) + SLACK
    }

    /// Resizes `source`, which has slack behind it, to `target`'s rows. `strike` may damage a row between the passes before it
    /// is summed.
    pub(super) fn run(
        &mut self,
        token: Token,
        source: &[f32],
        target: &mut [f32],
        note: impl Fn(usize),
        mut strike: impl FnMut(usize, &mut [f32]),
    ) {
        let (from_row, to_row, stride) = (self.from.0 * CHANNELS, self.to.0 * CHANNELS, self.stride());
        assert!(source.len() >= self.from.1 * from_row + SLACK && target.len() >= self.to.1 * to_row);
        note(0);
        let (sums, _) = self.sums[WEIGHT_SUMS..].as_chunks_mut::<ROW_SUMS>();
        for (row, (between, [sum, followed])) in self.between.chunks_exact_mut(stride).zip(sums).enumerate() {
            let source = &source[row * from_row..];
            *followed = match token {
                Token::Scalar => across(&self.across, source, &mut between[..to_row]),
                #[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
                token => super::vector::float::across(token, &self.across, source, between, self.to.0),
                #[cfg(not(all(target_arch = "x86_64", not(feature = "scalar-only"))))]
                token => crate::gemm::no_such_variant("resize", token),
            };
            strike(row, &mut between[..to_row]);
            *sum = between[..to_row].iter().fold(0, |sum: u32, value| sum.wrapping_add(value.to_bits()));
        }
        note(1);
        for (y, target) in target.chunks_exact_mut(to_row).take(self.to.1).enumerate() {
            let weights = &self.down.weights[y * self.down.taps..][..self.down.taps];
            let rows = &self.between[self.down.starts[y] as usize * stride..];
            match token {
                Token::Scalar => down(weights, rows, stride, target),
                #[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
                token => super::vector::float::down(token, weights, rows, stride, target),
                #[cfg(not(all(target_arch = "x86_64", not(feature = "scalar-only"))))]
                token => crate::gemm::no_such_variant("resize", token),
            }
        }
    }

    /// Bytes of the picture between the passes.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.between)
    }

    /// Multiplications and additions of a run.
    pub(super) fn operations(&self) -> u64 {
        (2 * CHANNELS * self.to.0 * (self.from.1 * self.across.taps + self.to.1 * self.down.taps)) as u64
    }
}

/// Taps `apart` samples from each other; by index, as in [`super::scalar`].
fn chain(weights: &[f32], values: &[f32], first: usize, apart: usize) -> f32 {
    let (mut sum, mut at) = (0, first);
    for weight in weights {
        sum = fused::multiply_add_f32(weight.to_bits(), values[at].to_bits(), sum);
        at += apart;
    }
    f32::from_bits(sum)
}

/// The reference of a row. Vectors have a pixel in four lanes, of which the last takes the first channel of the pixel behind each;
/// returns the wrapping sum of the bits of all four, of those pixels that have one there.
fn across(table: &Weights, source: &[f32], target: &mut [f32]) -> u32 {
    let mut sum = 0u32;
    let weights = table.weights.chunks_exact(table.taps);
    for (x, ((pixel, weights), start)) in target.chunks_exact_mut(CHANNELS).zip(weights).zip(&table.starts).enumerate()
    {
        let lane = |lane: usize| chain(weights, source, *start as usize * CHANNELS + lane, CHANNELS);
        pixel.iter_mut().enumerate().for_each(|(channel, value)| *value = lane(channel));
        if x < table.followed {
            let lanes = pixel.iter().copied().chain([lane(CHANNELS)]);
            sum = lanes.fold(sum, |sum, value| sum.wrapping_add(value.to_bits()));
        }
    }
    sum
}

/// The reference of a target row.
fn down(weights: &[f32], rows: &[f32], stride: usize, target: &mut [f32]) {
    for (x, value) in target.iter_mut().enumerate() {
        *value = chain(weights, rows, x, stride);
    }
}
