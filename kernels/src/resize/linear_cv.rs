//! OpenCV's `INTER_LINEAR` for 8-bit samples, bit for bit: rows first, in 11-bit fixed point and without rounding, then
//! columns, which drop bits three times. For `h0` and `h1`, the sums of two neighbouring rows, and their weights:
//! `(((b0 * (h0 >> 4)) >> 16) + ((b1 * (h1 >> 4)) >> 16) + 2) >> 2`. What is dropped is kept in sums: of each source row's
//! `h`, and of each target row's `b0 * (h0 >> 4) + b1 * (h1 >> 4)`.

use alloc::vec::Vec;

use super::engine::{Pass, Watch};
#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
use super::vector::linear::{self, Samples};
use crate::{
    buffer::Buffer,
    digest::resize,
    isa::{Isa, Token},
};

/// Two neighbours and their weights, which add up to 2,048.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pair {
    pub(crate) at: [u32; 2],
    pub(crate) weights: [i16; 2],
    /// Where the target position lies, before its weights are rounded.
    exact: f32,
}

/// For each target position the source positions it lies between. Only columns have weight zero beyond an edge.
fn pairs(from: usize, to: usize, columns: bool) -> impl Iterator<Item = Pair> {
    let scale = 1.0 / (to as f64 / from as f64);
    let last = from as i64 - 1;
    (0..to).map(move |at| {
        let exact = ((at as f64 + 0.5) * scale - 0.5) as f32;
        let mut first = libm::floorf(exact) as i64;
        let mut part = exact - first as f32;
        if columns && (first < 0 || first >= last) {
            (first, part) = (first.clamp(0, last), 0.0);
        }
        let weight = |part: f32| libm::rintf(part * 2048.0) as i16;
        Pair {
            at: [first, first + 1].map(|at| at.clamp(0, last) as u32),
            weights: [weight(1.0 - part), weight(part)],
            exact,
        }
    })
}

/// A resize and the memory for it.
#[derive(Default)]
pub(crate) struct LinearCv {
    channels: usize,
    from: (usize, usize),
    to: (usize, usize),
    columns: Vec<Pair>,
    rows: Vec<Pair>,
    sums: [Vec<u32>; 2],
    /// See [`Self::weight_sums`].
    weight_sums: [u32; 2],
    /// The sums of two source rows, by the parity of the row; a vector of them may be written too far.
    made: [Buffer<i32>; 2],
    #[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
    samples: Samples,
    /// For whom `samples` are.
    isa: Option<Isa>,
}

/// Sums behind a row: room for a vector.
const ROOM: usize = 16;

impl LinearCv {
    /// For pictures of `channels` samples a pixel (1, 3 or 4: OpenCV halves two-channel pictures in another way), `from` and `to` being width and height, at least 1 each. The first `run` with
    /// a token takes the rest of the memory.
    pub(crate) fn prepare(&mut self, channels: usize, from: (usize, usize), to: (usize, usize)) {
        assert!(matches!(channels, 1 | 3 | 4) && from.0 * from.1 * to.0 * to.1 > 0, "{channels} {from:?} {to:?}");
        (self.channels, self.from, self.to) = (channels, from, to);
        self.columns.clear();
        self.columns.extend(pairs(from.0, to.0, true));
        self.rows.clear();
        self.rows.extend(pairs(from.1, to.1, false));
        self.weight_sums = [&self.columns, &self.rows]
            .map(|pairs| pairs.iter().fold(0, |sum: u32, pair| sum.wrapping_add(pair.exact.to_bits())));
        resize(&mut self.sums[Pass::Horizontal as usize], from.1);
        resize(&mut self.sums[Pass::Vertical as usize], to.1);
        self.made.iter_mut().for_each(|row| row.resize(to.0 * channels + ROOM));
        self.isa = None;
    }

    /// Resizes rows without padding. A fault is a bit of a source row's sums, none of the four that are dropped first.
    ///
    /// # Panics
    /// If the slices are not of the sizes prepared for, or `token` is of no variant.
    pub(crate) fn run(&mut self, token: Token, source: &[u8], target: &mut [u8], watch: Watch<'_>) {
        let (from_row, to_row) = (self.from.0 * self.channels, self.to.0 * self.channels);
        assert_eq!((source.len(), target.len()), (self.from.1 * from_row, self.to.1 * to_row));
        #[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
        if !matches!(token, Token::Scalar) && self.isa != Some(token.isa()) {
            self.samples.fill(token, &self.columns, self.channels, from_row);
        }
        self.isa = Some(token.isa());
        let [horizontal, vertical] = &mut self.sums;
        horizontal.fill(0);
        let mut struck = watch.fault.map(|fault| {
            let at = (fault.element % target.len() as u64) as usize;
            (at / to_row, at % to_row, 4 + fault.bit % 15)
        });
        let mut held = [None; 2];
        for (y, ((pair, target), sum)) in
            self.rows.iter().zip(target.chunks_exact_mut(to_row)).zip(vertical).enumerate()
        {
            let [first, second] = pair.at.map(|row| row as usize);
            watch.note(Pass::Horizontal);
            for row in [first, second] {
                if held[row % 2] == Some(row) {
                    continue;
                }
                held[row % 2] = Some(row);
                let (source, made) = (&source[row * from_row..], &mut self.made[row % 2]);
                horizontal[row] = match token {
                    Token::Scalar => across(&self.columns, self.channels, source, &mut made[..to_row]),
                    #[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
                    token => linear::across(token, &self.samples, &source[..from_row], made),
                    #[cfg(not(all(target_arch = "x86_64", not(feature = "scalar-only"))))]
                    token => crate::gemm::no_such_variant("resize", token),
                };
            }
            // The row that weighs more, so that it shows.
            if let Some((_, at, bit)) = struck.take_if(|(row, ..)| *row == y) {
                let heavier = if pair.weights[0] >= pair.weights[1] { first } else { second };
                self.made[heavier % 2][at] ^= 1 << bit;
            }
            watch.note(Pass::Vertical);
            let (above, below) = (&self.made[first % 2][..], &self.made[second % 2][..]);
            *sum = match token {
                Token::Scalar => down(pair.weights, &above[..to_row], &below[..to_row], target),
                #[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
                token => linear::down(token, pair.weights, above, below, target),
                #[cfg(not(all(target_arch = "x86_64", not(feature = "scalar-only"))))]
                token => crate::gemm::no_such_variant("resize", token),
            };
        }
    }

    /// Multiplications and additions of a run.
    pub(crate) fn operations(&self) -> u64 {
        (self.to.0 * self.channels * (3 * self.from.1.min(2 * self.to.1) + 3 * self.to.1)) as u64
    }

    /// The sums of the bits of both passes' positions before weights were rounded.
    pub(crate) fn weight_sums(&self) -> &[u32] {
        &self.weight_sums
    }

    /// For each row that a pass made, the wrapping sum of what it had before rounding; zero for source rows never used.
    pub(crate) fn sums(&self, pass: Pass) -> &[u32] {
        &self.sums[pass as usize]
    }
}

/// The reference: `h`, sample by sample; returns their sum.
fn across(columns: &[Pair], channels: usize, source: &[u8], made: &mut [i32]) -> u32 {
    let mut sum = 0u32;
    for (pair, values) in columns.iter().zip(made.chunks_exact_mut(channels)) {
        for (channel, value) in values.iter_mut().enumerate() {
            let [a, b] = pair.at.map(|at| i32::from(source[at as usize * channels + channel]));
            *value = a * i32::from(pair.weights[0]) + b * i32::from(pair.weights[1]);
            sum = sum.wrapping_add(*value as u32);
        }
    }
    sum
}

/// The reference of the columns.
pub(super) fn down(weights: [i16; 2], above: &[i32], below: &[i32], target: &mut [u8]) -> u32 {
    let mut sum = 0u32;
    for ((value, above), below) in target.iter_mut().zip(above).zip(below) {
        let [a, b] = [(above, weights[0]), (below, weights[1])].map(|(h, weight)| (h >> 4) * i32::from(weight));
        sum = sum.wrapping_add(a as u32).wrapping_add(b as u32);
        *value = (((a >> 16) + (b >> 16) + 2) >> 2).clamp(0, 255) as u8;
    }
    sum
}
