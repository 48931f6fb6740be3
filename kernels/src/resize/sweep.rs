//! One sweep down the picture by vectors: as many rows between the passes as a target row needs, in a ring of quads.

use alloc::vec::Vec;

use super::{
    engine::{Pass, Plan, Watch},
    tables::{Across, Down, GROUP, SLACK},
    vector::{self, BLOCK},
};
use crate::{
    buffer::Buffer,
    digest::resize,
    gemm::no_such_variant,
    isa::{Isa, Token},
};

/// Tables and buffers of one size and one instruction set.
#[derive(Default)]
pub(super) struct Sweep {
    /// Whose tables are filled in.
    isa: Option<Isa>,
    across: Across,
    down: Down,
    /// As many quads as a target row takes; lanes behind a row are zero.
    ring: Buffer<u32>,
    /// A quad of what is no longer between: rows of the target.
    quad: Buffer<u32>,
    /// Where the quads of a target row begin in the ring.
    starts: Vec<usize>,
    /// Four rows with slack.
    lines: Vec<u8>,
}

/// Lanes of a quad in memory: whole blocks, and a vector that the horizontal pass may write too far.
fn padded(row: usize) -> usize {
    row.next_multiple_of(BLOCK) + 16
}

impl Sweep {
    /// The sizes have changed.
    pub(super) fn forget(&mut self) {
        self.isa = None;
    }

    fn prepare(&mut self, token: Token, plan: &Plan<'_>) {
        if self.isa == Some(token.isa()) {
            return;
        }
        let Some((lanes, split)) = vector::shape(token) else { no_such_variant("resize", token) };
        self.across.fill(plan.across, plan.channels, plan.from.0, lanes, split);
        let row = if plan.vertical_first { plan.from.0 } else { plan.to.0 };
        self.down.fill(plan.down, plan.needed.start, split);
        let row = row * plan.channels;
        self.ring.resize(self.down.most * padded(row));
        // Not all of it: what is written to be written over may be wrong unseen.
        self.ring.chunks_exact_mut(padded(row)).for_each(|quad| quad[row..].fill(0));
        self.quad.resize(if plan.vertical_first { padded(plan.to.0 * plan.channels) } else { 0 });
        resize(&mut self.starts, self.down.most);
        resize(&mut self.lines, GROUP * (plan.from.0 * plan.channels + SLACK));
        self.isa = Some(token.isa());
    }

    pub(super) fn run(
        &mut self,
        token: Token,
        plan: &Plan<'_>,
        source: &[u8],
        target: &mut [u8],
        sums: &mut [Vec<u32>; 2],
        watch: Watch<'_>,
    ) {
        self.prepare(token, plan);
        if plan.vertical_first {
            self.vertical_first(token, plan, source, target, sums, watch);
        } else {
            self.horizontal_first(token, plan, source, target, sums, watch);
        }
    }

    fn horizontal_first(
        &mut self,
        token: Token,
        plan: &Plan<'_>,
        source: &[u8],
        target: &mut [u8],
        [horizontal, vertical]: &mut [Vec<u32>; 2],
        watch: Watch<'_>,
    ) {
        let (from_row, to_row) = (plan.from.0 * plan.channels, plan.to.0 * plan.channels);
        let stride = padded(to_row);
        let source = &source[plan.needed.start * from_row..];
        let place = watch.fault.map(|fault| plan.place(fault));
        let mut made = 0;
        for (y, (target, sum)) in target.chunks_exact_mut(to_row).zip(vertical).enumerate() {
            let end = self.down.end(y);
            while made < end {
                watch.note(Pass::Horizontal);
                let first = made * GROUP;
                let rows = lines(source, from_row, first, plan.needed.len(), &mut self.lines);
                let quad = &mut self.ring[made % self.down.most * stride..][..stride];
                let new = vector::across(token, &self.across, from_row, rows, quad);
                horizontal.iter_mut().skip(first).zip(new).for_each(|(sum, new)| *sum = new);
                if let Some((row, byte, bit)) = place.filter(|(row, ..)| row / GROUP == made) {
                    quad[byte] ^= 1 << (row % GROUP * 8 + bit as usize);
                }
                made += 1;
            }
            watch.note(Pass::Vertical);
            *sum = self.target_row(token, y, stride, target);
        }
    }

    fn vertical_first(
        &mut self,
        token: Token,
        plan: &Plan<'_>,
        source: &[u8],
        target: &mut [u8],
        [horizontal, vertical]: &mut [Vec<u32>; 2],
        watch: Watch<'_>,
    ) {
        let (from_row, to_row) = (plan.from.0 * plan.channels, plan.to.0 * plan.channels);
        let stride = padded(from_row);
        let source = &source[plan.needed.start * from_row..];
        let place = watch.fault.map(|fault| plan.place(fault));
        let mut made = 0;
        let line = from_row + SLACK;
        for (four, (target, sums)) in target.chunks_mut(GROUP * to_row).zip(vertical.chunks_mut(GROUP)).enumerate() {
            watch.note(Pass::Vertical);
            for (row, sum) in sums.iter_mut().enumerate() {
                let y = four * GROUP + row;
                let end = self.down.end(y);
                while made < end {
                    let rows =
                        each_row(made * GROUP, plan.needed.len()).map(|row| &source[row * from_row..][..from_row]);
                    let quad = &mut self.ring[made % self.down.most * stride..][..stride];
                    vector::interleave(token, rows, quad);
                    made += 1;
                }
                let mut lines = core::mem::take(&mut self.lines);
                let between = &mut lines[row * line..][..from_row];
                *sum = self.target_row(token, y, stride, between);
                if let Some((_, byte, bit)) = place.filter(|(row, ..)| *row == y) {
                    between[byte] ^= 1 << bit;
                }
                self.lines = lines;
            }
            watch.note(Pass::Horizontal);
            let last = sums.len() - 1;
            let rows = core::array::from_fn(|row| &self.lines[row.min(last) * line..][..line]);
            let new = vector::across(token, &self.across, from_row, rows, &mut self.quad);
            horizontal.iter_mut().skip(four * GROUP).zip(new).for_each(|(sum, new)| *sum = new);
            for (row, target) in target.chunks_exact_mut(to_row).enumerate() {
                vector::row_of(token, &self.quad, row, target);
            }
        }
    }

    /// The vertical pass for one row; its quads are in the ring.
    fn target_row(&mut self, token: Token, y: usize, stride: usize, target: &mut [u8]) -> u32 {
        let (first, weights) = self.down.taps(y);
        let starts = &mut self.starts[..self.down.end(y) - first];
        for (quad, start) in starts.iter_mut().enumerate() {
            *start = (first + quad) % self.down.most * stride;
        }
        vector::down(token, weights, &self.ring, starts, target)
    }
}

/// Four rows from `first` on, the last one again where there are no more.
fn each_row(first: usize, rows: usize) -> [usize; GROUP] {
    core::array::from_fn(|row| (first + row).min(rows - 1))
}

/// These rows with slack behind each: in place where something follows, copied where the picture ends.
fn lines<'a>(source: &'a [u8], row: usize, first: usize, rows: usize, copies: &'a mut [u8]) -> [&'a [u8]; GROUP] {
    let line = row + SLACK;
    let numbers = each_row(first, rows);
    for (copy, number) in copies.chunks_exact_mut(line).zip(numbers) {
        if number * row + line > source.len() {
            copy[..row].copy_from_slice(&source[number * row..][..row]);
        }
    }
    let copies: &'a [u8] = copies;
    core::array::from_fn(|at| {
        let begin = numbers[at] * row;
        source.get(begin..begin + line).unwrap_or_else(|| &copies[at * line..][..line])
    })
}
