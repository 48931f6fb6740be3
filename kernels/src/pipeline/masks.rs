//! What the chains share of masks: operations that need the rows around.

use alloc::vec::Vec;
use core::array::from_fn;

use crate::{
    digest::resize,
    isa::Token,
    picture::{
        masks::{Blur, CountNonZero, GAUSSIAN, Largest, Occupied, mirrored},
        perform,
    },
};

/// Taps before the pixel itself: of OpenCV's 4x4 rectangle, and of the Gaussian.
const BEFORE_LARGEST: usize = 2;
const BEFORE_BLUR: usize = GAUSSIAN.len() / 2;

/// Scratch memory.
#[derive(Default)]
pub(super) struct Scratch {
    /// A row and what is beyond its ends.
    row: Vec<u8>,
    /// A mask that was dilated across.
    across: Vec<u8>,
    columns: Vec<u8>,
}

impl Scratch {
    /// The largest of 4x4 pixels; beyond the edges there is nothing. Takes two sums a row, those across first.
    pub(super) fn dilate(&mut self, token: Token, mask: &[u8], width: usize, to: &mut [u8], sums: &mut [u32]) {
        let height = mask.len() / width;
        resize(&mut self.row, width + 3);
        resize(&mut self.across, (height + 3) * width);
        // Nothing above and below, left and right.
        self.across[..BEFORE_LARGEST * width].fill(0);
        self.across[(BEFORE_LARGEST + height) * width..].fill(0);
        self.row.fill(0);
        let (across_sums, down_sums) = sums.split_at_mut(height);
        let rows = self.across[BEFORE_LARGEST * width..].chunks_exact_mut(width).zip(mask.chunks_exact(width));
        for ((to, from), sum) in rows.zip(across_sums) {
            self.row[BEFORE_LARGEST..][..width].copy_from_slice(from);
            *sum = perform(token, Largest { taps: from_fn(|tap| &self.row[tap..][..width]), to });
        }
        for (y, (to, sum)) in to.chunks_exact_mut(width).zip(down_sums).enumerate() {
            let taps = from_fn(|tap| &self.across[(y + tap) * width..][..width]);
            *sum = perform(token, Largest { taps, to });
        }
    }

    /// The Gaussian across.
    pub(super) fn blur_across(&mut self, token: Token, mask: &[u8], width: usize, to: &mut [u8], sums: &mut [u32]) {
        resize(&mut self.row, width + GAUSSIAN.len() - 1);
        for ((to, from), sum) in to.chunks_exact_mut(width).zip(mask.chunks_exact(width)).zip(sums) {
            self.row[BEFORE_BLUR..][..width].copy_from_slice(from);
            for at in (0..BEFORE_BLUR).chain(width + BEFORE_BLUR..self.row.len()) {
                self.row[at] = from[mirrored(at as isize - BEFORE_BLUR as isize, width)];
            }
            *sum = perform(token, Blur { taps: from_fn(|tap| &self.row[tap..][..width]), to });
        }
    }

    /// Left, top, right and bottom of what is not zero, the latter two beyond it; all zero if nothing is. Sums
    /// the mask, and the columns that were gathered.
    pub(super) fn occupied(&mut self, token: Token, mask: &[u8], width: usize) -> ([usize; 4], [u32; 2]) {
        resize(&mut self.columns, width);
        self.columns.fill(0);
        let (mut top, mut bottom, mut sum) = (None, 0, 0u32);
        for (y, row) in mask.chunks_exact(width).enumerate() {
            let (any, row_sum) = perform(token, Occupied { row, columns: &mut self.columns });
            sum = sum.wrapping_add(row_sum);
            if any {
                top = top.or(Some(y));
                bottom = y + 1;
            }
        }
        let left = self.columns.iter().position(|column| *column != 0).unwrap_or(0);
        let right = self.columns.iter().rposition(|column| *column != 0).map_or(0, |last| last + 1);
        let (_, columns) = perform(token, CountNonZero(&self.columns));
        ([left, top.unwrap_or(0), right, bottom], [sum, columns])
    }
}

/// The Gaussian down.
pub(super) fn blur_down(token: Token, mask: &[u8], width: usize, to: &mut [u8], sums: &mut [u32]) {
    let height = mask.len() / width;
    for (y, (to, sum)) in to.chunks_exact_mut(width).zip(sums).enumerate() {
        let row = |tap: usize| mirrored((y + tap) as isize - BEFORE_BLUR as isize, height) * width;
        *sum = perform(token, Blur { taps: from_fn(|tap| &mask[row(tap)..][..width]), to });
    }
}
