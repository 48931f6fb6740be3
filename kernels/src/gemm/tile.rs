//! The blocked driver of all products.
//!
//! A is read where it lies, or packed where its numbers have to be converted, before or by the tiles of the first columns as they
//! multiply; B is kept in panels already. k is cut into blocks: all rows pass by one tile's part of B in a block, which the first
//! of them unpack where it has to be converted. Sums are carried in C from one block to the next, so each element is one chain in
//! ascending k whatever the tile or the block. A step takes as many k as B keeps in a word, and may multiply them in parts.

use core::{
    arch::x86_64::*,
    mem,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use bytemuck::{Pod, Zeroable};

use super::{Data, Layout, Product, STAGE_MULTIPLY, STAGE_PACK, Shape, block_steps, strike};
use crate::{buffer::Scratch, isa::Token, kernel::Fault};

/// Packed rows of a block, which stay in the second-level cache while all columns pass by them.
const LEFT_BYTES: usize = 512 * 1024;

/// Bytes of a cache line.
pub(super) const LINE: usize = 64;

/// A register tile of one product and one instruction set, with the token that proves it.
pub(crate) trait Tile<P: Product>: Copy {
    /// What a row of A gives to one step.
    type Left: Pod;
    const ROWS: usize;
    const COLS: usize;
    /// Columns of a vector.
    const LANES: usize;
    /// Steps of a block.
    const BLOCK: usize;
    /// What a step needs of unpacked words; none where B is multiplied as it is.
    const UNPACKED: usize;
    /// Whether its sums are too large by what [`Self::correct`] takes off their start.
    const CORRECTS: bool;
    /// Whether A packed is A as it is, where lines are whole words.
    const UNCHANGED: bool;
    /// Whether it can pack A as it multiplies.
    const PACKS: bool;
    /// Packs consecutive k of one row.
    fn pack_left(self, row: &[P::A], left: &mut [Self::Left]);
    /// Takes off the start of a row's sums what this run of the row makes them too large by.
    fn correct(self, run: &[P::A], start: &mut [P::C]);
    /// Adds the products of all steps, in order, to the sums, and stores them; so does it with all these tiles, one below the other.
    /// Packs A meanwhile, if it is fresh; `left` says then only how it will lie.
    fn multiply(
        self,
        tiles: usize,
        left: Left<'_, Self::Left>,
        fresh: Option<Fresh<'_, P::A, Self::Left>>,
        right: Right<'_, P>,
        unpacked: Unpacked<'_, P::C>,
        sums: Sums<'_, P::C>,
    );
    /// The steps' arithmetic on registers alone; returns the operations.
    fn peak(self, steps: u64) -> u64;
}

/// The rows of A that a tile reads in one block: some runs of k, of each the same steps.
#[derive(Clone, Copy)]
pub(crate) struct Left<'a, T> {
    /// Packed lines from the tile's first row and the block's first run and step on.
    pub(super) words: &'a [T],
    /// From a row to the next.
    pub(super) row: usize,
    /// From a run to the next.
    pub(super) run: usize,
    pub(super) runs: usize,
    /// Of each run.
    pub(super) steps: usize,
}

impl<T> Left<'_, T> {
    /// The same from that row on.
    #[inline(always)]
    pub(super) fn below(self, row: usize) -> Self {
        Self { words: &self.words[row * self.row..], ..self }
    }

    /// Whether all that so many rows read is there.
    #[inline(always)]
    pub(super) fn reaches(&self, rows: usize) -> bool {
        self.runs > 0 && (rows - 1) * self.row + (self.runs - 1) * self.run + self.steps <= self.words.len()
    }
}

/// Rows of A that a tile is to pack as it multiplies, for the reason that B is unpacked then.
pub(crate) struct Fresh<'a, A, T> {
    /// A from the tile's first row and the block's first k on.
    pub(super) a: &'a [A],
    /// From a row of A to the next.
    pub(super) row: usize,
    /// Where it is to lie packed, from the tile's first row and the block's first step on.
    pub(super) packed: &'a mut [T],
    /// How many steps, from the block's first on, which fill whole lines; what is left is packed already.
    pub(super) steps: usize,
}

impl<A, T> Fresh<'_, A, T> {
    /// The same from that row on, when it is so far from a packed row to the next.
    #[inline(always)]
    pub(super) fn below(&mut self, row: usize, packed_row: usize) -> Fresh<'_, A, T> {
        Fresh {
            a: &self.a[row * self.row..],
            packed: &mut self.packed[row * packed_row..],
            steps: self.steps,
            row: self.row,
        }
    }
}

/// The sums of a tile.
pub(crate) struct Sums<'a, C> {
    pub(super) sums: &'a mut [C],
    /// From a row to the next.
    pub(super) stride: usize,
    /// What the rows start from, if this is the first block: a vector each, or zero where nothing is taken off.
    pub(super) start: Option<&'a [C]>,
}

impl<C> Sums<'_, C> {
    /// The sums from that row on, whose start is `started` numbers on.
    #[inline(always)]
    pub(super) fn below(&mut self, row: usize, started: usize) -> Sums<'_, C> {
        let sums = &mut self.sums[row * self.stride..];
        Sums { sums, stride: self.stride, start: self.start.map(|start| &start[started..]) }
    }

    /// Has the sums of the next rows brought near, if they are to be added to.
    #[inline(always)]
    pub(super) fn prefetch(&self, rows: usize, columns: usize) {
        if self.start.is_none() {
            for row in rows..2 * rows {
                for column in (0..columns).step_by(LINE / size_of::<C>()) {
                    prefetch(self.sums.as_ptr().wrapping_add(row * self.stride + column));
                }
            }
        }
    }
}

/// The columns of B that a tile reads in one block.
pub(crate) struct Right<'a, P: Product> {
    /// B from the block's first step on.
    words: &'a [P::B],
    /// From a panel to the next.
    stride: usize,
    /// The tile's first column.
    column: usize,
    pub(super) steps: usize,
}

impl<P: Product> Clone for Right<'_, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P: Product> Copy for Right<'_, P> {}

impl<P: Product> Right<'_, P> {
    /// Where each vector of `lanes` columns begins in its panel's first step. The vectors of all steps lie within B. A tile may be
    /// wider than what is left of B: the first panel stands in, and what it gives is not kept.
    #[inline(always)]
    pub(super) fn vectors<const VECTORS: usize>(self, lanes: usize) -> [*const P::B; VECTORS] {
        assert!(self.steps > 0);
        core::array::from_fn(|vector| {
            let column = self.column + vector * lanes;
            let panel = column / P::PANEL * self.stride;
            let end = |panel| panel + (self.steps - 1) * P::PANEL + column % P::PANEL + lanes;
            let panel = if end(panel) <= self.words.len() { panel } else { 0 };
            self.words[..end(panel)][panel + column % P::PANEL..].as_ptr()
        })
    }
}

/// What the words of a tile's columns are converted to: `[step][part][column]`.
pub(crate) struct Unpacked<'a, C> {
    pub(super) words: &'a mut [C],
    /// Whether the first of these tiles is to fill it, as it multiplies: stores wait for lines of the cache, and there is work
    /// meanwhile.
    pub(super) by_first: bool,
}

/// A product whose tiles can be chosen by token.
pub(crate) trait Tiles {
    /// Hands over the tile, if there is one.
    fn with_tile<U: UseTile<Self>>(token: Token, with: U) -> Option<U::Output>
    where
        Self: Product;
}

/// What to do with a tile.
pub(crate) trait UseTile<P: Product> {
    type Output;
    fn with<T: Tile<P>>(self, tile: T) -> Self::Output;
}

/// Packed lines, unpacked words, a tile that C has only a part of, and what sums start from.
#[derive(Default)]
pub(crate) struct Workspace {
    left: Scratch,
    unpacked: Scratch,
    edge: Scratch,
    start: Scratch,
}

/// The product by tiles.
pub(super) struct Multiply<'a, P: Product, L> {
    pub(super) data: Data<'a, P, L>,
    pub(super) stage: &'a AtomicU64,
    pub(super) fault: &'a Option<Fault>,
}

impl<P: Product, L: Layout> UseTile<P> for &mut Multiply<'_, P, L> {
    type Output = ();

    fn with<T: Tile<P>>(self, tile: T) {
        match self.fault {
            None => self.blocks::<T, false>(tile, Fault { element: 0, bit: 0 }),
            Some(fault) => self.blocks::<T, true>(tile, *fault),
        }
    }
}

impl<P: Product, L: Layout> Multiply<'_, P, L> {
    fn blocks<T: Tile<P>, const DRILL: bool>(&mut self, tile: T, fault: Fault) {
        let Data { a, b, c, scratch } = &mut self.data;
        let layout = a.layout;
        let Shape { m, n, k } = layout.shape();
        self.stage.store(STAGE_PACK, Relaxed);
        let (lines, line) = layout.lines();
        let (band, run_steps) = (layout.band(), layout.run().div_ceil(P::GROUP));
        let runs = k.div_ceil(layout.run());
        let next_row = |line| if band > 1 { layout.at(1, 0, line, P::GROUP) } else { 0 };
        // Rows so far apart would fall into the same sets of the first-level cache.
        let collide = band > 1 && (next_row(line / P::GROUP) * size_of::<T::Left>()).is_multiple_of(1024);
        let as_is: &[T::Left] = match line.is_multiple_of(P::GROUP) && !collide {
            true if T::UNCHANGED => bytemuck::try_cast_slice(a.a).unwrap_or_default(),
            _ => &[],
        };
        // Lines that are rows are packed block by block, so that a block's rows follow one another.
        let by_block = (lines, line) == (m, k);
        let most =
            if by_block && as_is.is_empty() { (LEFT_BYTES / (m * size_of::<T::Left>())).max(64) } else { usize::MAX };
        let (block_runs, block) = block_of(runs, run_steps, most.min(T::BLOCK), DRILL);
        let packed_words = if by_block { block } else { line.div_ceil(P::GROUP) };
        let packed_line = apart::<T::Left>(packed_words);
        let packed = lines * packed_line;
        // Where A is read as it lies, only the tiles that reach beyond it read what is packed.
        let read_packed = match band % T::ROWS {
            _ if as_is.is_empty() => lines,
            0 => 0,
            left_over if by_block => left_over,
            _ => T::ROWS + runs,
        };
        let first_packed = lines.saturating_sub(read_packed);
        // The last tiles may have more rows than are left.
        let left: &mut [T::Left] = scratch.left.room_for(packed + T::ROWS * next_row(packed_line));
        if !band.is_multiple_of(T::ROWS) {
            left[packed..].fill(T::Left::zeroed());
        }
        let right = |column, from, steps| Right {
            words: &b[from * P::PANEL..],
            stride: runs * run_steps * P::PANEL,
            column,
            steps,
        };
        let start: &mut [P::C] = scratch.start.room_for(if T::CORRECTS { (m + T::ROWS) * T::LANES } else { 0 });
        start.fill(P::C::zeroed());
        // Whole tiles of the first columns pack whole lines of their rows; what is left is packed before.
        let fuse = T::PACKS && by_block && band == m && as_is.is_empty() && n >= T::COLS;
        let of_line = LINE / size_of::<T::Left>();
        let fused_rows = if fuse { m / T::ROWS * T::ROWS } else { 0 };
        let unpacked: &mut [P::C] = scratch.unpacked.room_for(T::UNPACKED * T::BLOCK);
        let edge: &mut [P::C] = scratch.edge.room_for(T::ROWS * T::COLS);
        let blocks =
            (0..runs).step_by(block_runs).flat_map(|run| (0..run_steps).step_by(block).map(move |from| (run, from)));
        for (run, from) in blocks {
            let runs = block_runs.min(runs - run);
            let steps = block.min(run_steps - from);
            let first = (run, from) == (0, 0);
            let packed_from = if by_block { from } else { 0 };
            // Of whole groups of k, what fills lines.
            let in_lines = steps.min(line / P::GROUP - packed_from) / of_line * of_line;
            if by_block || first {
                self.stage.store(STAGE_PACK, Relaxed);
                let words = packed_words.min(line.div_ceil(P::GROUP) - packed_from);
                let end = ((packed_from + words) * P::GROUP).min(line);
                for (row, (line, left)) in
                    a.a.chunks_exact(line).zip(left.chunks_exact_mut(packed_line)).enumerate().skip(first_packed)
                {
                    let done = if row < fused_rows { in_lines } else { 0 };
                    tile.pack_left(&line[(packed_from + done) * P::GROUP..end], &mut left[done..words]);
                }
                self.stage.store(STAGE_MULTIPLY, Relaxed);
            }
            for col in (0..n).step_by(T::COLS) {
                let width = T::COLS.min(n - col);
                let right = right(col, run * run_steps + from, runs * steps);
                let mut first_tile = true;
                for band_row in (0..m).step_by(band) {
                    let mut row = band_row;
                    while row < band_row + band {
                        let below = band_row + band - row;
                        // All tiles of these columns that C has whole, or one that it has a part of.
                        let whole = if width == T::COLS { below / T::ROWS } else { 0 };
                        let tiles = whole.max(1);
                        let inside = below.min(tiles * T::ROWS);
                        let view = |words, line, from| {
                            let words = <[T::Left]>::get(words, layout.at(row, run, line, P::GROUP) + from..)
                                .unwrap_or_default();
                            Left { words, row: next_row(line), run: line, runs, steps }
                        };
                        let (left, fresh) = if fuse && col == 0 && whole > 0 {
                            let a = &a.a[row * line + from * P::GROUP..];
                            let fresh = Fresh { a, row: line, packed: &mut left[row * packed_line..], steps: in_lines };
                            (Left { words: &[], row: packed_line, run: packed_line, runs, steps }, Some(fresh))
                        } else {
                            let left = Some(view(as_is, line / P::GROUP, from))
                                .filter(|left| left.reaches(tiles * T::ROWS))
                                .unwrap_or_else(|| view(left, packed_line, from - packed_from));
                            (left, None)
                        };
                        let start = &mut start[if T::CORRECTS { row * T::LANES } else { 0 }..];
                        if T::CORRECTS && first && col == 0 {
                            for (row, start) in (row..row + inside).zip(start.chunks_exact_mut(T::LANES)) {
                                a.runs(row, 0..k).for_each(|run| tile.correct(run, start));
                            }
                        }
                        let start = first.then_some(&*start);
                        let sums = &mut c[row * n + col..];
                        let unpacked = Unpacked { words: unpacked, by_first: mem::take(&mut first_tile) };
                        if whole > 0 {
                            tile.multiply(whole, left, fresh, right, unpacked, Sums { sums, stride: n, start });
                        } else {
                            // What of this tile lies outside of C is computed and not kept.
                            let rows = |n: usize| n * T::COLS..n * T::COLS + width;
                            if !first {
                                (0..inside).for_each(|r| edge[rows(r)].copy_from_slice(&sums[r * n..][..width]));
                            }
                            tile.multiply(1, left, None, right, unpacked, Sums { sums: edge, stride: T::COLS, start });
                            (0..inside).for_each(|r| sums[r * n..][..width].copy_from_slice(&edge[rows(r)]));
                        }
                        row += inside;
                    }
                }
            }
            if DRILL && first {
                strike::<P>(c, n, fault);
            }
        }
    }
}

/// How many runs, and how many steps of each, make a block.
fn block_of(runs: usize, run_steps: usize, most: usize, drill: bool) -> (usize, usize) {
    let together = (most / run_steps).min(runs - usize::from(drill));
    if together > 0 { (together, run_steps) } else { (1, block_steps(run_steps, most, drill && runs == 1)) }
}

/// So many words or a little more, so that lines that follow one another fall into different sets of a cache.
fn apart<T>(words: usize) -> usize {
    let of_cache_line = LINE / size_of::<T>();
    (words.div_ceil(of_cache_line) | 1) * of_cache_line
}

/// Has a cache line brought near, if there is one.
#[inline(always)]
pub(super) fn prefetch<T>(line: *const T) {
    // SAFETY: a prefetch touches nothing, wherever it points.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) };
}

/// The peak of a tile.
pub(super) struct Peak {
    pub(super) steps: u64,
}

impl<P: Product> UseTile<P> for Peak {
    type Output = u64;

    fn with<T: Tile<P>>(self, tile: T) -> u64 {
        tile.peak(self.steps)
    }
}
