//! The blocked driver and the one register tile that every vector variant is an instance of.
//!
//! A is packed once, line by line; B is kept in panels already. k is cut into blocks: one tile's part of B in a block stays in the
//! first-level cache while all rows pass by it, unpacked first where its numbers have to be converted. Sums are carried in C
//! from one block to the next, so each element is one chain in ascending k whatever the tile or the block. A step takes as many k
//! as B keeps in a word, and may multiply them in parts.

use core::{
    arch::x86_64::*,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use bytemuck::{Pod, Zeroable};

use super::{Data, Layout, Product, STAGE_MULTIPLY, STAGE_PACK, Shape, block_steps, strike};
use crate::{buffer::Scratch, isa::Token, kernel::Fault};

/// What a tile reads of A and B in a block: B's part stays in the first-level cache while rows of A stream past it.
pub(super) const BLOCK_BYTES: usize = 96 * 1024;

/// Packed rows of a block, which stay in the second-level cache while all columns pass by them.
const LEFT_BYTES: usize = 256 * 1024;

/// A register tile of one product and one instruction set, with the token that proves it.
pub(crate) trait Tile<P: Product>: Copy {
    /// What a row of A gives to one step.
    type Left: Pod;
    const ROWS: usize;
    const COLS: usize;
    /// Steps of a block.
    const BLOCK: usize;
    /// What a step needs of unpacked words; none where B is multiplied as it is.
    const UNPACKED: usize;
    /// Whether its sums are too large by what [`Self::correct`] takes off their start.
    const CORRECTS: bool;
    /// Whether A packed is A as it is, where lines are whole words.
    const UNCHANGED: bool;
    /// Packs consecutive k of one row.
    fn pack_left(self, row: &[P::A], left: &mut [Self::Left]);
    /// Converts the words of these columns: `[step][part][column]`.
    fn unpack_right(self, right: Right<'_, P>, unpacked: &mut [P::C]);
    /// Takes off what the sums of these columns are too large by.
    fn correct(self, right: Right<'_, P>, start: &mut [P::C]);
    /// Adds the products of all steps, in order, to the sums, and stores them.
    fn multiply(self, left: Left<'_, Self::Left>, right: Right<'_, P>, unpacked: &[P::C], sums: Sums<'_, P::C>);
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
    /// Whether all that a tile of so many rows reads is there.
    #[inline(always)]
    pub(super) fn reaches(&self, rows: usize) -> bool {
        self.runs > 0 && (rows - 1) * self.row + (self.runs - 1) * self.run + self.steps <= self.words.len()
    }
}

/// The sums of a tile.
pub(crate) struct Sums<'a, C> {
    pub(super) sums: &'a mut [C],
    /// From a row to the next.
    pub(super) stride: usize,
    /// What every row starts from, if this is the first block.
    pub(super) start: Option<&'a [C]>,
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
    pub(super) fault: Option<Fault>,
}

impl<P: Product, L: Layout> UseTile<P> for Multiply<'_, P, L> {
    type Output = ();

    fn with<T: Tile<P>>(mut self, tile: T) {
        match self.fault {
            None => self.blocks::<T, false>(tile, Fault { element: 0, bit: 0 }),
            Some(fault) => self.blocks::<T, true>(tile, fault),
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
        // The last tiles may have more rows than are left.
        let (packed, first_packed) =
            (lines * packed_line, if as_is.is_empty() { 0 } else { lines.saturating_sub(T::ROWS + runs) });
        let left: &mut [T::Left] = scratch.left.room_for(packed + T::ROWS * next_row(packed_line));
        left[packed..].fill(T::Left::zeroed());
        let right = |column, from, steps| Right {
            words: &b[from * P::PANEL..],
            stride: runs * run_steps * P::PANEL,
            column,
            steps,
        };
        let start: &mut [P::C] = scratch.start.room_for(n.next_multiple_of(T::COLS));
        start.fill(P::C::zeroed());
        if T::CORRECTS {
            for (start, col) in start.chunks_exact_mut(T::COLS).zip((0..n).step_by(T::COLS)) {
                tile.correct(right(col, 0, runs * run_steps), start);
            }
        }
        let unpacked: &mut [P::C] = scratch.unpacked.room_for(T::UNPACKED * T::BLOCK);
        let edge: &mut [P::C] = scratch.edge.room_for(T::ROWS * T::COLS);
        let blocks =
            (0..runs).step_by(block_runs).flat_map(|run| (0..run_steps).step_by(block).map(move |from| (run, from)));
        for (run, from) in blocks {
            let runs = block_runs.min(runs - run);
            let steps = block.min(run_steps - from);
            let first = (run, from) == (0, 0);
            let packed_from = if by_block { from } else { 0 };
            if by_block || first {
                self.stage.store(STAGE_PACK, Relaxed);
                let words = packed_words.min(line.div_ceil(P::GROUP) - packed_from);
                let ks = packed_from * P::GROUP..((packed_from + words) * P::GROUP).min(line);
                for (line, left) in a.a.chunks_exact(line).zip(left.chunks_exact_mut(packed_line)).skip(first_packed) {
                    tile.pack_left(&line[ks.clone()], &mut left[..words]);
                }
                self.stage.store(STAGE_MULTIPLY, Relaxed);
            }
            for col in (0..n).step_by(T::COLS) {
                let width = T::COLS.min(n - col);
                let right = right(col, run * run_steps + from, runs * steps);
                tile.unpack_right(right, unpacked);
                let start = first.then_some(&start[col..][..T::COLS]);
                for row in (0..m).step_by(band).flat_map(|band_row| (band_row..band_row + band).step_by(T::ROWS)) {
                    let view = |words, line, from| {
                        let words =
                            <[T::Left]>::get(words, layout.at(row, run, line, P::GROUP) + from..).unwrap_or_default();
                        Left { words, row: next_row(line), run: line, runs, steps }
                    };
                    let left = Some(view(as_is, line / P::GROUP, from))
                        .filter(|left| left.reaches(T::ROWS))
                        .unwrap_or_else(|| view(left, packed_line, from - packed_from));
                    let inside = T::ROWS.min(band - row % band);
                    let sums = &mut c[row * n + col..];
                    for row in T::ROWS..2 * T::ROWS {
                        prefetch(sums, row * n);
                    }
                    if (width, inside) == (T::COLS, T::ROWS) {
                        tile.multiply(left, right, unpacked, Sums { sums, stride: n, start });
                    } else {
                        // What of this tile lies outside of C is computed and not kept.
                        let rows = |n: usize| n * T::COLS..n * T::COLS + width;
                        (0..inside).for_each(|r| edge[rows(r)].copy_from_slice(&sums[r * n..][..width]));
                        tile.multiply(left, right, unpacked, Sums { sums: edge, stride: T::COLS, start });
                        (0..inside).for_each(|r| sums[r * n..][..width].copy_from_slice(&edge[rows(r)]));
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
    let of_cache_line = 64 / size_of::<T>();
    (words.div_ceil(of_cache_line) | 1) * of_cache_line
}

/// Has a row of the next tile's sums brought near, if there is one.
#[inline(always)]
fn prefetch<C>(sums: &[C], at: usize) {
    let line = sums.as_ptr().wrapping_add(at).cast();
    // SAFETY: a prefetch touches nothing, wherever it points.
    unsafe {
        _mm_prefetch::<_MM_HINT_T0>(line);
        _mm_prefetch::<_MM_HINT_T0>(line.wrapping_add(64));
    }
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

/// Without a dot product of bytes they are widened and multiplied in pairs: k 0 and 2, then 1 and 3. Not by vpmaddubsw, which
/// saturates at 16 bits. Both pairs at once in a word, which the compiler makes vectors of.
#[inline(always)]
pub(super) fn pairs(k: [u8; 4]) -> [[i16; 2]; 2] {
    let k = u64::from(u32::from_le_bytes(k));
    bytemuck::cast((k & 0x00ff_00ff | (k & 0xff00_ff00) << 24).to_le())
}

/// The same of signed bytes.
#[inline(always)]
pub(super) fn signed_pairs(k: [i8; 4]) -> [[i16; 2]; 2] {
    let pairs: u64 = bytemuck::cast(pairs(bytemuck::cast(k)));
    // A sign stands for the eight bits above it.
    let signs = pairs & 0x0080_0080_0080_0080;
    bytemuck::cast(pairs | (signs << 9).wrapping_sub(signs << 1))
}

macro_rules! sign_extend {
    ($name:ident, $vector:ty, $features:literal, $left:ident, $right:ident) => {
        /// Of each pair of signed bytes the lower one, then the upper one, in 16 bits.
        #[inline]
        #[target_feature(enable = $features)]
        pub(super) fn $name(word: $vector, part: usize) -> $vector {
            $right::<8>(if part == 0 { $left::<8>(word) } else { word })
        }
    };
}
sign_extend!(sign_extend_zmm, __m512i, "avx512f,avx512bw", _mm512_slli_epi16, _mm512_srai_epi16);
sign_extend!(sign_extend_ymm, __m256i, "avx2", _mm256_slli_epi16, _mm256_srai_epi16);
sign_extend!(sign_extend_xmm, __m128i, "sse4.1", _mm_slli_epi16, _mm_srai_epi16);

/// Packs groups of k by `convert`; what is missing of the last group counts as zero.
#[inline(always)]
pub(super) fn groups<A: Pod, L, const GROUP: usize>(row: &[A], left: &mut [L], convert: impl Fn([A; GROUP]) -> L) {
    let (whole, rest) = row.as_chunks::<GROUP>();
    for (left, group) in left.iter_mut().zip(whole) {
        *left = convert(*group);
    }
    if !rest.is_empty() {
        let mut group = [A::zeroed(); GROUP];
        group[..rest.len()].copy_from_slice(rest);
        left[whole.len()] = convert(group);
    }
}

/// Vector loads and stores.
macro_rules! load {
    ($intrinsic:ident) => {
        // SAFETY: the caller points to as many elements as the vector holds, and the load needs no alignment.
        |words: *const u8| unsafe { $intrinsic(words.cast()) }
    };
}
macro_rules! store {
    ($intrinsic:ident) => {
        // SAFETY: the caller points to as many elements as the vector holds, and the store needs no alignment.
        |words: *mut u8, vector| unsafe { $intrinsic(words.cast(), vector) }
    };
}

/// The register tile: `$rows` x `$vectors` accumulators of `$lanes` lanes, kept in registers over all steps of a block.
/// `unpack` reads a vector of words and makes one of numbers of a part of it; without it words are multiplied as they are.
/// `correct` adds words to what the sums are too large by.
macro_rules! register_tile {
    (
        $product:ty, $(#[$doc:meta])* $name:ident($token:ident), $features:literal, $register:ident,
        $rows:literal x $vectors:literal x $lanes:literal, parts: $parts:literal,
        left: [$left:ty] $pack:expr, $(unchanged: $unchanged:literal,)? samples: $left_sample:expr, $right_sample:expr;
        zero: $zero:expr, load: $load:expr, store: $store:expr, $(unpack: $unpack:expr,)?
        broadcast: $broadcast:expr, $(step: $step:expr,)? $(row: $row:expr, peak: $peak:expr,)?
        $(correct: $correct:expr, add: $add:expr, subtract: $subtract:expr,)?
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        struct $name($crate::isa::$token);

        impl Tile<$product> for $name {
            type Left = [$left; $parts];
            const ROWS: usize = $rows;
            const COLS: usize = $vectors * $lanes;
            const BLOCK: usize = {
                let columns = if Self::COLS > <$product>::PANEL { Self::COLS } else { <$product>::PANEL };
                let right = if Self::UNPACKED > 0 { Self::UNPACKED * size_of::<C>() } else { columns * size_of::<B>() };
                BLOCK_BYTES / (right + Self::ROWS * size_of::<Self::Left>())
            };
            const UNPACKED: usize = 0 $(+ { let _ = stringify!($unpack); $parts * Self::COLS })?;
            const UNCHANGED: bool = false $(|| $unchanged)?;
            const CORRECTS: bool = false $(|| { let _ = stringify!($correct); true })?;

            fn pack_left(self, row: &[A], left: &mut [Self::Left]) {
                #[target_feature(enable = $features)]
                fn pack(row: &[A], left: &mut [[$left; $parts]]) {
                    groups(row, left, $pack);
                }
                // SAFETY: the token proves that this CPU and OS have the instruction set.
                unsafe { pack(row, left) }
            }

            fn unpack_right(self, right: Right<'_, $product>, unpacked: &mut [C]) {
                #[target_feature(enable = $features)]
                fn unpack(right: Right<'_, $product>, unpacked: &mut [C]) {
                    let _ = (right, &unpacked);
                    $(
                        let words = right.vectors::<$vectors>($lanes);
                        let (unpacked, _) = unpacked.as_chunks_mut::<$lanes>();
                        let (unpacked, _) = unpacked.as_chunks_mut::<$vectors>();
                        let (unpacked, _) = unpacked.as_chunks_mut::<$parts>();
                        for (step, unpacked) in unpacked[..right.steps].iter_mut().enumerate() {
                            for part in 0..$parts {
                                for vector in 0..$vectors {
                                    // SAFETY: `vectors` says so.
                                    let word = unsafe { words[vector].add(step * <$product>::PANEL) };
                                    $store(unpacked[part][vector].as_mut_ptr().cast(), $unpack(word.cast(), part));
                                }
                            }
                        }
                    )?
                }
                // SAFETY: the token proves that this CPU and OS have the instruction set.
                unsafe { unpack(right, unpacked) }
            }

            fn correct(self, right: Right<'_, $product>, start: &mut [C]) {
                #[target_feature(enable = $features)]
                fn correct(right: Right<'_, $product>, start: &mut [C]) {
                    let _ = (right, &start);
                    $(
                        // Several chains, because one would wait for its own sums.
                        const CHAINS: usize = 4;
                        let words = right.vectors::<$vectors>($lanes);
                        let (start, _) = start.as_chunks_mut::<$lanes>();
                        for vector in 0..$vectors {
                            let mut sums = [$zero; CHAINS];
                            // SAFETY: `vectors` says so.
                            let word = |step: usize| unsafe { words[vector].add(step * <$product>::PANEL) };
                            let whole = right.steps - right.steps % CHAINS;
                            for from in (0..whole).step_by(CHAINS) {
                                for chain in 0..CHAINS {
                                    sums[chain] = $correct(sums[chain], $load(word(from + chain).cast()));
                                }
                            }
                            for step in whole..right.steps {
                                sums[0] = $correct(sums[0], $load(word(step).cast()));
                            }
                            let [first, rest @ ..] = sums;
                            let sum = rest.into_iter().fold(first, $add);
                            let start = &mut start[vector];
                            $store(start.as_mut_ptr().cast(), $subtract($load(start.as_ptr().cast()), sum));
                        }
                    )?
                }
                // SAFETY: the token proves that this CPU and OS have the instruction set.
                unsafe { correct(right, start) }
            }

            fn multiply(self, left: Left<'_, Self::Left>, right: Right<'_, $product>, unpacked: &[C], sums: Sums<'_, C>) {
                #[target_feature(enable = $features)]
                fn multiply(left: Left<'_, [$left; $parts]>, right: Right<'_, $product>, unpacked: &[C], sums: Sums<'_, C>) {
                    const COLS: usize = $vectors * $lanes;
                    const UNPACKED: usize = <$name as Tile<$product>>::UNPACKED;
                    // Of a row of A the rows that follow it by one and by two are reached by an index: pointers to all are too many.
                    const APART: usize = 3;
                    let Sums { sums, stride, start } = sums;
                    let from = start.map_or((sums.as_ptr(), stride), |start| (start[..COLS].as_ptr(), 0));
                    assert!(left.reaches($rows));
                    assert!(($rows - 1) * stride + COLS <= sums.len() && left.runs * left.steps == right.steps);
                    // SAFETY: within `sums` or `start`, as asserted.
                    let from = |row: usize, vector: usize| unsafe { from.0.add(row * from.1 + vector * $lanes) };
                    let mut acc: [[_; $vectors]; $rows] =
                        core::array::from_fn(|row| core::array::from_fn(|vector| $load(from(row, vector).cast())));
                    let (mut words, pitch): ([*const u8; $vectors], usize) = if UNPACKED > 0 {
                        let unpacked = &unpacked[..right.steps * UNPACKED];
                        let words = |vector: usize| unpacked[vector * $lanes..].as_ptr().cast();
                        (core::array::from_fn(words), COLS * size_of::<C>())
                    } else {
                        (right.vectors::<$vectors>($lanes).map(<*const B>::cast), <$product>::PANEL * size_of::<B>())
                    };
                    for run in 0..left.runs {
                        let group = |group: usize| left.words.as_ptr().wrapping_add(run * left.run + group * APART * left.row);
                        let mut rows: [*const $left; $rows / APART] = core::array::from_fn(|at| group(at).cast());
                        for _ in 0..left.steps * $parts {
                            // SAFETY: as many vectors as there are steps and parts.
                            let b: [_; $vectors] = core::array::from_fn(|vector| $load(words[vector]));
                            words = words.map(|words| words.wrapping_add(pitch));
                            for group in 0..$rows / APART {
                                for behind in 0..APART {
                                    let (row, below) = (rows[group], behind * left.row * size_of::<[$left; $parts]>());
                                    let acc = &mut acc[group * APART + behind];
                                    $(
                                        // SAFETY: within the packed lines, as checked.
                                        let a = $broadcast(unsafe { *row.wrapping_byte_add(below) });
                                        for vector in 0..$vectors {
                                            acc[vector] = $step(acc[vector], a, b[vector]);
                                        }
                                    )?
                                    $(*acc = $row(*acc, row, below, b);)?
                                }
                            }
                            for row in &mut rows {
                                *row = row.wrapping_add(1);
                                // Keeps the compiler from making a pointer of its own for every row.
                                // SAFETY: no instruction at all.
                                unsafe { core::arch::asm!("/* {0} */", inout(reg) *row, options(readonly, nostack, preserves_flags)) };
                            }
                        }
                    }
                    for row in 0..$rows {
                        for vector in 0..$vectors {
                            // SAFETY: within `sums`, as asserted.
                            let to = unsafe { sums.as_mut_ptr().add(row * stride + vector * $lanes) };
                            $store(to.cast(), acc[row][vector]);
                        }
                    }
                }
                // SAFETY: the token proves that this CPU and OS have the instruction set.
                unsafe { multiply(left, right, unpacked, sums) }
            }

            fn peak(self, steps: u64) -> u64 {
                #[target_feature(enable = $features)]
                fn peak(steps: u64) {
                    // Says that the register may hold anything, so that no two are found equal and no step leaves the loop.
                    macro_rules! unknown {
                        ($value:expr) => {
                            // SAFETY: no instruction at all.
                            unsafe {
                                core::arch::asm!("/* {0} */", inout($register) $value, options(nomem, nostack, preserves_flags));
                            }
                        };
                    }
                    let samples = [$right_sample; 64 / size_of::<B>()];
                    let b = $load(samples.as_ptr().cast());
                    $(let b = { let _ = b; $unpack(samples.as_ptr().cast(), 0) };)?
                    let (mut acc, mut a, mut b) = ([[$zero; $vectors]; $rows], $broadcast($left_sample), [b; $vectors]);
                    for vector in 0..$vectors {
                        unknown!(b[vector]);
                        for row in 0..$rows {
                            unknown!(acc[row][vector]);
                        }
                    }
                    for _ in 0..steps * $parts {
                        for row in 0..$rows {
                            let acc = &mut acc[row];
                            $(for vector in 0..$vectors {
                                acc[vector] = $step(acc[vector], a, b[vector]);
                            })?
                            $(*acc = $peak(*acc, a, b);)?
                            unknown!(a);
                        }
                    }
                    let mut sums = [[[C::default(); $lanes]; $vectors]; $rows];
                    for row in 0..$rows {
                        for vector in 0..$vectors {
                            $store(sums[row][vector].as_mut_ptr().cast(), acc[row][vector]);
                        }
                    }
                    core::hint::black_box(&sums);
                }
                // SAFETY: the token proves that this CPU and OS have the instruction set.
                unsafe { peak(steps) }
                2 * steps * ($rows * $vectors * $lanes * <$product as Product>::GROUP) as u64
            }
        }
    };
}
pub(super) use {load, register_tile, store};

/// A row of a tile of two vectors by a multiplication and an addition each: first both products and then both sums, since units
/// that can do either are else taken by additions. Left to itself the compiler regroups sums until they fit in no register. A is
/// broadcast here, by the instruction of its own type: another is slower.
macro_rules! multiply_add {
    (xmm) => {
        multiply_add!(
            xmm_reg, __m128i, "movd {a}, dword ptr [{p} + {i}]", "pshufd {a}, {a}, 0",
            "movdqa {t}, {a}", "pmaddwd {t}, {b}", "pmaddwd {a}, {c}", "paddd {s}, {t}", "paddd {u}, {a}"
        )
    };
    (ps) => {
        multiply_add!(
            xmm_reg, __m128, "movss {a}, dword ptr [{p} + {i}]", "shufps {a}, {a}, 0",
            "movaps {t}, {a}", "mulps {t}, {b}", "mulps {a}, {c}", "addps {s}, {t}", "addps {u}, {a}"
        )
    };
    (ymm) => { multiply_add!(ymm_reg, __m256i) };
    (zmm) => { multiply_add!(zmm_reg, __m512i) };
    ($class:ident, $vector:ty) => {
        multiply_add!(
            $class, $vector, "vpbroadcastd {a}, dword ptr [{p} + {i}]",
            "vpmaddwd {t}, {a}, {b}", "vpmaddwd {a}, {a}, {c}", "vpaddd {s}, {s}, {t}", "vpaddd {u}, {u}, {a}"
        )
    };
    ($class:ident, $vector:ty, $($line:literal),+) => {
        |[mut s, mut u]: [$vector; 2], row: *const _, below: usize, [b, c]: [$vector; 2]| {
            // SAFETY: the caller points to a number of its row, and has the instruction set.
            unsafe {
                core::arch::asm!(
                    $($line,)+
                    p = in(reg) row, i = in(reg) below, s = inout($class) s, u = inout($class) u, b = in($class) b, c = in($class) c,
                    a = out($class) _, t = out($class) _, options(pure, readonly, nostack, preserves_flags),
                );
            }
            [s, u]
        }
    };
}
/// The same on registers alone.
macro_rules! multiply_add_peak {
    (xmm) => {
        multiply_add_peak!(
            xmm_reg, __m128i,
            "movdqa {t}, {a}", "pmaddwd {t}, {b}", "movdqa {v}, {a}", "pmaddwd {v}, {b}", "paddd {s}, {t}", "paddd {u}, {v}"
        )
    };
    (ps) => {
        multiply_add_peak!(
            xmm_reg, __m128,
            "movaps {t}, {a}", "mulps {t}, {b}", "movaps {v}, {a}", "mulps {v}, {b}", "addps {s}, {t}", "addps {u}, {v}"
        )
    };
    (ymm) => { multiply_add_peak!(ymm_reg, __m256i) };
    (zmm) => { multiply_add_peak!(zmm_reg, __m512i) };
    ($class:ident, $vector:ty) => {
        multiply_add_peak!(
            $class, $vector,
            "vpmaddwd {t}, {a}, {b}", "vpmaddwd {v}, {a}, {b}", "vpaddd {s}, {s}, {t}", "vpaddd {u}, {u}, {v}"
        )
    };
    ($class:ident, $vector:ty, $($line:literal),+) => {
        |[mut s, mut u]: [$vector; 2], a: $vector, [b, _]: [$vector; 2]| {
            // SAFETY: registers only, and the caller has the instruction set.
            unsafe {
                core::arch::asm!(
                    $($line,)+
                    s = inout($class) s, u = inout($class) u, a = in($class) a, b = in($class) b,
                    t = out($class) _, v = out($class) _, options(pure, nomem, nostack, preserves_flags),
                );
            }
            [s, u]
        }
    };
}
pub(super) use {multiply_add, multiply_add_peak};
