//! The blocked driver and the one register tile that every vector variant is an instance of.
//!
//! Operands are packed into panels, `[tile][step][ROWS]` for A and `[tile][step][COLS]` for B, padded with zeros. Sums live
//! tile by tile and are carried from one block of k to the next, so each element is one chain in ascending k whatever the
//! tile or the block.

use alloc::vec::Vec;

use bytemuck::Pod;

use super::{Shape, block_steps};
use crate::{
    digest::{flip, resize},
    kernel::Fault,
};

/// Steps of k in a block: the panels of one tile stay in the first-level cache.
const BLOCK_STEPS: usize = 256;

/// A register tile of one instruction set, with the token that proves it.
pub(super) trait Tile: Copy {
    type Left: Pod;
    type Right: Pod;
    type Sum: Pod;
    const ROWS: usize;
    const COLS: usize;
    /// `sums[r][c] = sums[r][c] + left[s][r] * right[s][c]` for all steps `s` in ascending order.
    fn multiply(self, left: &[Self::Left], right: &[Self::Right], sums: &mut [Self::Sum]);
}

/// Packed operands and the sums.
pub(crate) struct Panels<L, R, S> {
    pub(super) left: Vec<L>,
    pub(super) right: Vec<R>,
    sums: Vec<S>,
}

impl<L, R, S> Default for Panels<L, R, S> {
    fn default() -> Self {
        Self { left: Vec::new(), right: Vec::new(), sums: Vec::new() }
    }
}

/// Tiles down, tiles across, steps.
#[derive(Clone, Copy)]
pub(super) struct Grid {
    pub(super) down: usize,
    pub(super) across: usize,
    pub(super) steps: usize,
}

impl<L: Pod, R: Pod, S: Pod> Panels<L, R, S> {
    /// Makes room; whoever packs writes every word of it.
    pub(super) fn lay_out<T: Tile<Left = L, Right = R, Sum = S>>(&mut self, shape: Shape, steps: usize) -> Grid {
        let grid = Grid { down: shape.m.div_ceil(T::ROWS), across: shape.n.div_ceil(T::COLS), steps };
        resize(&mut self.left, grid.down * steps * T::ROWS);
        resize(&mut self.right, grid.across * steps * T::COLS);
        resize(&mut self.sums, grid.down * grid.across * T::ROWS * T::COLS);
        grid
    }

    /// Multiplies the panels and writes the sums to `c`, row-major.
    pub(super) fn multiply<T: Tile<Left = L, Right = R, Sum = S>>(
        &mut self,
        tile: T,
        grid: Grid,
        shape: Shape,
        c: &mut [S],
        fault: Option<Fault>,
    ) {
        match fault {
            None => self.blocks::<T, false>(tile, grid, Fault { element: 0, bit: 0 }),
            Some(fault) => self.blocks::<T, true>(tile, grid, fault),
        }
        for (index, sums) in self.sums.chunks_exact(T::ROWS * T::COLS).enumerate() {
            let (row, col) = (index % grid.down * T::ROWS, index / grid.down * T::COLS);
            let width = T::COLS.min(shape.n - col);
            for (r, sums) in sums.chunks_exact(T::COLS).take(shape.m - row).enumerate() {
                c[(row + r) * shape.n + col..][..width].copy_from_slice(&sums[..width]);
            }
        }
    }

    fn blocks<T: Tile<Left = L, Right = R, Sum = S>, const DRILL: bool>(&mut self, tile: T, grid: Grid, fault: Fault) {
        let Grid { down, across, steps } = grid;
        self.sums.fill(S::zeroed());
        let block = block_steps(steps, BLOCK_STEPS);
        for from in (0..steps).step_by(block) {
            let to = (from + block).min(steps);
            for col in 0..across {
                let right = &self.right[(col * steps + from) * T::COLS..(col * steps + to) * T::COLS];
                for row in 0..down {
                    let left = &self.left[(row * steps + from) * T::ROWS..(row * steps + to) * T::ROWS];
                    let at = (col * down + row) * T::ROWS * T::COLS;
                    tile.multiply(left, right, &mut self.sums[at..at + T::ROWS * T::COLS]);
                }
            }
            if DRILL && from == 0 {
                // The first tile of any input is whole: no padding, and an element modulo the lanes stays what it is.
                flip(&mut self.sums[..T::ROWS * T::COLS], fault);
            }
        }
    }
}

/// The register tile: `$rows` x `$vectors` accumulators of `$lanes` lanes, kept in registers over all steps.
macro_rules! register_tile {
    (
        $name:ident, $features:literal, $rows:literal x $vectors:literal x $lanes:literal, $left:ty, $right:ty, $sum:ty,
        zero: $zero:expr, load_sum: $load_sum:expr, store_sum: $store_sum:expr, load: $load:expr,
        broadcast: $broadcast:expr, step: $step:expr $(,)?
    ) => {
        #[target_feature(enable = $features)]
        fn $name(left: &[$left], right: &[$right], sums: &mut [$sum]) {
            let (left, _) = left.as_chunks::<$rows>();
            let (right, _) = right.as_chunks::<{ $vectors * $lanes }>();
            let (sums, _) = sums.as_chunks_mut::<$lanes>();
            let sums: &mut [[$sum; $lanes]; $rows * $vectors] = sums.try_into().expect("one tile of sums");
            let mut acc = [[$zero; $vectors]; $rows];
            for row in 0..$rows {
                for vector in 0..$vectors {
                    acc[row][vector] = $load_sum(&sums[row * $vectors + vector]);
                }
            }
            for (left, right) in left.iter().zip(right) {
                let (right, _) = right.as_chunks::<$lanes>();
                let mut b = [$zero; $vectors];
                for vector in 0..$vectors {
                    b[vector] = $load(&right[vector]);
                }
                for row in 0..$rows {
                    let a = $broadcast(left[row]);
                    for vector in 0..$vectors {
                        acc[row][vector] = $step(acc[row][vector], a, b[vector]);
                    }
                }
            }
            for row in 0..$rows {
                for vector in 0..$vectors {
                    $store_sum(&mut sums[row * $vectors + vector], acc[row][vector]);
                }
            }
        }
    };
}
pub(super) use register_tile;
