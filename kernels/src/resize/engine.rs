//! The engine: Pillow's two-pass resize of 8-bit samples, bit for bit, in one sweep down the picture. Bytes between the passes,
//! as in Pillow; only the rows at hand are kept of them. The order of the passes is that of Pillow 13 (python-pillow pull
//! request 9549; the rule found and checked by trying some 2,000 sizes): vertical first if the height shrinks, by more than
//! twice as many pixels as the width does. Rounding to bytes hides most faults, so the wrapping sum of each row's unrounded
//! accumulators and of their upper parts is kept in both passes, to be compared like the picture itself.

use alloc::vec::Vec;
use core::{
    ops::Range,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
use super::sweep::Sweep;
use super::{coefficients::Coefficients, filter::Filter, scalar};
use crate::{digest::resize, isa::Token, kernel::Fault};

/// A pass over the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    Horizontal,
    Vertical,
}

/// What a run notes, and what it is to get wrong.
#[derive(Clone, Copy, Default)]
pub(crate) struct Watch<'a> {
    /// Where to note the pass, and the numbers of the horizontal and the vertical one.
    pub(crate) stage: Option<(&'a AtomicU64, [u64; 2])>,
    /// A bit to flip in the picture between the passes.
    pub(crate) fault: Option<Fault>,
}

impl Watch<'_> {
    pub(super) fn note(&self, pass: Pass) {
        if let Some((stage, numbers)) = self.stage {
            stage.store(numbers[pass as usize], Relaxed);
        }
    }
}

/// What both ways of running are given.
pub(super) struct Plan<'a> {
    pub(super) channels: usize,
    pub(super) from: (usize, usize),
    pub(super) to: (usize, usize),
    pub(super) vertical_first: bool,
    pub(super) across: &'a Coefficients,
    pub(super) down: &'a Coefficients,
    /// Source rows that the target needs.
    pub(super) needed: Range<usize>,
}

impl Plan<'_> {
    /// Rows and bytes a row of the picture between the passes.
    fn between(&self) -> (usize, usize) {
        if self.vertical_first {
            (self.to.1, self.from.0 * self.channels)
        } else {
            (self.needed.len(), self.to.0 * self.channels)
        }
    }

    /// Row, byte in it and bit of the picture between that the fault is to flip: none that the second pass has no use for.
    pub(super) fn place(&self, fault: Fault) -> (usize, usize, u32) {
        let (rows, row) = self.between();
        let at = (fault.element % (rows * row).max(1) as u64) as usize;
        let (y, byte, bit) = (at / row, at % row, fault.bit % 8);
        if self.vertical_first {
            (y, self.across.weighed(byte / self.channels) * self.channels + byte % self.channels, bit)
        } else {
            (self.down.weighed(self.needed.start + y) - self.needed.start, byte, bit)
        }
    }
}

/// A resize and the memory for it.
#[derive(Default)]
pub(crate) struct Resizer {
    channels: usize,
    from: (usize, usize),
    to: (usize, usize),
    across: Coefficients,
    down: Coefficients,
    sums: [Vec<u32>; 2],
    /// See [`Self::weight_sums`].
    weight_sums: [u32; 4],
    /// The picture between the passes, which only the scalar reference keeps whole.
    between: Vec<u8>,
    #[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
    sweep: Sweep,
}

impl Resizer {
    /// Computes the weights for pictures of `channels` samples a pixel (1, 3 or 4), `from` and `to` being width and height, at
    /// least 1 each. The first `run` with a token takes the rest of the memory.
    pub(crate) fn prepare(&mut self, filter: Filter, channels: usize, from: (usize, usize), to: (usize, usize)) {
        assert!(matches!(channels, 1 | 3 | 4) && from.0 * from.1 * to.0 * to.1 > 0, "{channels} {from:?} {to:?}");
        (self.channels, self.from, self.to) = (channels, from, to);
        self.across.compute(filter, from.0, to.0);
        self.down.compute(filter, from.1, to.1);
        let halves = |sum: u64| [sum as u32, (sum >> 32) as u32];
        let ([a, b], [c, d]) = (halves(self.across.sum()), halves(self.down.sum()));
        self.weight_sums = [a, b, c, d];
        let horizontal = if self.vertical_first() { to.1 } else { self.down.needed().len() };
        resize(&mut self.sums[Pass::Horizontal as usize], horizontal);
        resize(&mut self.sums[Pass::Vertical as usize], to.1);
        #[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
        self.sweep.forget();
    }

    /// Whether the vertical pass comes first: see the head of this file.
    pub(crate) fn vertical_first(&self) -> bool {
        let shrinks_by = |from: usize, to: usize| from as i64 - to as i64;
        let (width, height) = (shrinks_by(self.from.0, self.to.0), shrinks_by(self.from.1, self.to.1));
        height > 0 && height > 2 * width
    }

    /// Resizes rows without padding.
    ///
    /// # Panics
    /// If the slices are not of the sizes prepared for, or `token` is of no variant.
    pub(crate) fn run(&mut self, token: Token, source: &[u8], target: &mut [u8], watch: Watch<'_>) {
        assert_eq!(source.len(), self.from.0 * self.from.1 * self.channels);
        assert_eq!(target.len(), self.to.0 * self.to.1 * self.channels);
        let plan = Plan {
            channels: self.channels,
            from: self.from,
            to: self.to,
            vertical_first: self.vertical_first(),
            across: &self.across,
            down: &self.down,
            needed: self.down.needed(),
        };
        match token {
            Token::Scalar => reference(&plan, source, target, &mut self.between, &mut self.sums, watch),
            #[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
            token => self.sweep.run(token, &plan, source, target, &mut self.sums, watch),
            #[cfg(not(all(target_arch = "x86_64", not(feature = "scalar-only"))))]
            token => crate::gemm::no_such_variant("resize", token),
        }
    }

    /// The halves of the sums of both passes' weights, as computed and as they were rounded.
    pub(crate) fn weight_sums(&self) -> &[u32] {
        &self.weight_sums
    }

    /// For each row that a pass made, the wrapping sum of its accumulators before rounding and of their upper parts.
    pub(crate) fn sums(&self, pass: Pass) -> &[u32] {
        &self.sums[pass as usize]
    }

    /// Forgets them, where no pass is made.
    pub(crate) fn clear_sums(&mut self) {
        self.sums.iter_mut().for_each(Vec::clear);
    }

    /// Multiplications and additions of a run, taps counted as the filter has them.
    pub(crate) fn operations(&self, filter: Filter) -> u64 {
        let taps =
            |from: usize, to: usize| (2.0 * filter.support() * (from as f64 / to as f64).max(1.0)).max(1.0) as u64;
        let (across, down) = (taps(self.from.0, self.to.0), taps(self.from.1, self.to.1));
        let [from_w, from_h, w, h] = [self.from.0, self.from.1, self.to.0, self.to.1].map(|n| n as u64);
        let multiply_adds =
            if self.vertical_first() { h * (from_w * down + w * across) } else { w * (from_h * across + h * down) };
        2 * self.channels as u64 * multiply_adds
    }
}

/// The scalar reference: one pass after the other.
fn reference(
    plan: &Plan<'_>,
    source: &[u8],
    target: &mut [u8],
    between: &mut Vec<u8>,
    [horizontal, vertical]: &mut [Vec<u32>; 2],
    watch: Watch<'_>,
) {
    let (from_row, to_row) = (plan.from.0 * plan.channels, plan.to.0 * plan.channels);
    let (rows, row) = plan.between();
    resize(between, rows * row);
    let across = |source: &[u8], target: &mut [u8], sums: &mut [u32]| {
        watch.note(Pass::Horizontal);
        let rows = source.chunks_exact(from_row).zip(target.chunks_exact_mut(to_row));
        for ((source, target), sum) in rows.zip(sums) {
            *sum = scalar::across(plan.across, plan.channels, source, target);
        }
    };
    let down = |first: usize, source: &[u8], row: usize, target: &mut [u8], sums: &mut [u32]| {
        watch.note(Pass::Vertical);
        for (y, (target, sum)) in target.chunks_exact_mut(row).zip(sums).enumerate() {
            let (start, weights) = plan.down.taps(y);
            *sum = scalar::down(weights, &source[(start - first) * row..], target);
        }
    };
    let strike = |between: &mut [u8]| {
        if let Some((y, byte, bit)) = watch.fault.map(|fault| plan.place(fault)) {
            between[y * row + byte] ^= 1 << bit;
        }
    };
    if plan.vertical_first {
        down(0, source, from_row, between, vertical);
        strike(between);
        across(between, target, horizontal);
    } else {
        across(&source[plan.needed.start * from_row..], between, horizontal);
        strike(between);
        down(plan.needed.start, between, to_row, target, vertical);
    }
}
