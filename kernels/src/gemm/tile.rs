//! The blocked driver and the one register tile that every vector variant is an instance of.
//!
//! k is cut into blocks. Of each, A is packed into panels `[tile][row][step]`; B is kept in panels already, and one tile's part of
//! a block stays in the first-level cache while all rows pass by it. Sums are carried in C from one block to the next, so
//! each element is one chain in ascending k whatever the tile or the block. A step takes as many k as B keeps in a word, and
//! may multiply them in parts, when a word has to be unpacked first.

use core::{
    arch::x86_64::*,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use bytemuck::{Pod, Zeroable};

use super::{Data, Layout, Product, STAGE_MULTIPLY, STAGE_PACK, Shape, block_steps, strike};
use crate::{buffer::Scratch, isa::Token, kernel::Fault};

/// What a tile reads of A and B in a block: B's part stays in the first-level cache while panels of A stream past it.
pub(super) const BLOCK_BYTES: usize = 40 * 1024;

/// Packed rows of a block, which stay in the second-level cache while all columns pass by them.
const LEFT_BYTES: usize = 160 * 1024;

/// A register tile of one product and one instruction set, with the token that proves it.
pub(crate) trait Tile<P: Product>: Copy {
    /// What a row of A gives to one step.
    type Left: Pod;
    const ROWS: usize;
    const COLS: usize;
    /// Steps of a block.
    const BLOCK: usize;
    /// Whether its sums are too large by what [`Self::correct`] adds up.
    const CORRECTS: bool;
    /// Packs consecutive k of one row.
    fn pack_left(self, row: &[P::A], left: &mut [Self::Left]);
    /// Adds what the sums of these columns are too large by.
    fn correct(self, right: Right<'_, P>, correction: &mut [P::C]);
    /// Adds the products of all steps, in order, to the tile of sums, whose rows are `stride` apart; or to zero, if they are the
    /// first.
    fn multiply(self, left: &[Self::Left], right: Right<'_, P>, sums: &mut [P::C], stride: usize, first: bool);
    /// The steps' arithmetic on registers alone; returns the operations.
    fn peak(self, steps: u64) -> u64;
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

/// Packed rows, a tile that C has only a part of, and what sums are too large by.
#[derive(Default)]
pub(crate) struct Workspace {
    left: Scratch,
    edge: Scratch,
    correction: Scratch,
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
        let Shape { m, n, k } = a.layout.shape();
        let steps = k.div_ceil(P::GROUP);
        let block = block_steps(steps, T::BLOCK, DRILL);
        let chunk = (LEFT_BYTES / (T::BLOCK * size_of::<T::Left>())).min(m).next_multiple_of(T::ROWS);
        let left: &mut [T::Left] = scratch.left.room_for(chunk * T::BLOCK);
        let edge: &mut [P::C] = scratch.edge.room_for(T::ROWS * T::COLS);
        let correction: &mut [P::C] = scratch.correction.room_for(n.next_multiple_of(T::COLS));
        correction.fill(P::C::zeroed());
        for from in (0..steps).step_by(block) {
            let to = (from + block).min(steps);
            let ks = from * P::GROUP..(to * P::GROUP).min(k);
            for above in (0..m).step_by(chunk) {
                let rows = above..(above + chunk).min(m);
                self.stage.store(STAGE_PACK, Relaxed);
                left[rows.len() * T::BLOCK..rows.len().next_multiple_of(T::ROWS) * T::BLOCK].fill(T::Left::zeroed());
                for (row, mut left) in rows.clone().zip(left.chunks_exact_mut(T::BLOCK)) {
                    for run in a.runs(row, ks.clone()) {
                        let (here, after) = left.split_at_mut(run.len().div_ceil(P::GROUP));
                        tile.pack_left(run, here);
                        left = after;
                    }
                }
                self.stage.store(STAGE_MULTIPLY, Relaxed);
                for col in (0..n).step_by(T::COLS) {
                    let width = T::COLS.min(n - col);
                    let words = &b[from * P::PANEL..];
                    let right = Right { words, stride: steps * P::PANEL, column: col, steps: to - from };
                    for (left, row) in left.chunks_exact(T::ROWS * T::BLOCK).zip(rows.clone().step_by(T::ROWS)) {
                        let sums = &mut c[row * n + col..];
                        for row in T::ROWS..2 * T::ROWS {
                            prefetch(sums, row * n);
                        }
                        if width == T::COLS && row + T::ROWS <= m {
                            tile.multiply(left, right, sums, n, from == 0);
                        } else {
                            // What of this tile lies outside of C is computed and not kept.
                            let inside = T::ROWS.min(m - row);
                            let rows = |n: usize| n * T::COLS..n * T::COLS + width;
                            (0..inside).for_each(|r| edge[rows(r)].copy_from_slice(&sums[r * n..][..width]));
                            tile.multiply(left, right, edge, T::COLS, from == 0);
                            (0..inside).for_each(|r| sums[r * n..][..width].copy_from_slice(&edge[rows(r)]));
                        }
                    }
                    if T::CORRECTS && above == 0 {
                        // Now that its words are near.
                        tile.correct(right, &mut correction[col..][..T::COLS]);
                    }
                }
            }
            if DRILL && from == 0 {
                strike::<P>(c, n, fault);
            }
        }
        if T::CORRECTS {
            for row in c.chunks_exact_mut(n) {
                P::subtract(row, correction);
            }
        }
    }
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
/// saturates at 16 bits.
#[inline(always)]
pub(super) fn pairs<T: Into<i16>>(k: [T; 4]) -> [[i16; 2]; 2] {
    let [a, b, c, d] = k.map(T::into);
    [[a, c], [b, d]]
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
        |words: *const u8, _part: usize| unsafe { $intrinsic(words.cast()) }
    };
}
macro_rules! store {
    ($intrinsic:ident) => {
        // SAFETY: the caller points to as many elements as the vector holds, and the store needs no alignment.
        |words: *mut u8, vector| unsafe { $intrinsic(words.cast(), vector) }
    };
}

/// The register tile: `$rows` x `$vectors` accumulators of `$lanes` lanes, kept in registers over all steps of a block.
/// `load` reads a vector of words and takes a part out of them, `in_registers` does only the latter, for the peak;
/// `correct` adds words to what the sums are too large by.
macro_rules! register_tile {
    (
        $product:ty, $(#[$doc:meta])* $name:ident($token:ident), $features:literal, $register:ident,
        $rows:literal x $vectors:literal x $lanes:literal, parts: $parts:literal,
        left: [$left:ty] $pack:expr, samples: $left_sample:expr, $right_sample:expr;
        zero: $zero:expr, load_sum: $load_sum:expr, store_sum: $store_sum:expr,
        load: $load:expr, $(in_registers: $in_registers:expr,)? broadcast: $broadcast:expr, step: $step:expr
        $(, correct: $correct:expr, add: $add:expr)? $(,)?
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
                BLOCK_BYTES / (columns * size_of::<B>() + Self::ROWS * size_of::<Self::Left>())
            };
            const CORRECTS: bool = false $(|| { let _ = stringify!($correct); true })?;

            fn pack_left(self, row: &[A], left: &mut [Self::Left]) {
                #[target_feature(enable = $features)]
                fn pack(row: &[A], left: &mut [[$left; $parts]]) {
                    groups(row, left, $pack);
                }
                // SAFETY: the token proves that this CPU and OS have the instruction set.
                unsafe { pack(row, left) }
            }

            fn correct(self, right: Right<'_, $product>, correction: &mut [C]) {
                #[target_feature(enable = $features)]
                fn correct(right: Right<'_, $product>, correction: &mut [C]) {
                    let _ = (right, &correction);
                    $(
                        // Several chains, because one would wait for its own sums.
                        const CHAINS: usize = 4;
                        let words = right.vectors::<$vectors>($lanes);
                        let (correction, _) = correction.as_chunks_mut::<$lanes>();
                        for vector in 0..$vectors {
                            let mut sums = [$zero; CHAINS];
                            // SAFETY: `vectors` says so.
                            let word = |step: usize| unsafe { words[vector].add(step * <$product>::PANEL) };
                            let whole = right.steps - right.steps % CHAINS;
                            for from in (0..whole).step_by(CHAINS) {
                                for chain in 0..CHAINS {
                                    sums[chain] = $correct(sums[chain], $load(word(from + chain).cast(), 0));
                                }
                            }
                            for step in whole..right.steps {
                                sums[0] = $correct(sums[0], $load(word(step).cast(), 0));
                            }
                            let correction = &mut correction[vector];
                            let sum = sums.into_iter().fold($load_sum(correction.as_ptr().cast(), 0), $add);
                            $store_sum(correction.as_mut_ptr().cast(), sum);
                        }
                    )?
                }
                // SAFETY: the token proves that this CPU and OS have the instruction set.
                unsafe { correct(right, correction) }
            }

            fn multiply(self, left: &[Self::Left], right: Right<'_, $product>, sums: &mut [C], stride: usize, first: bool) {
                const BLOCK: usize = <$name as Tile<$product>>::BLOCK;
                #[target_feature(enable = $features)]
                fn multiply(
                    left: &[[[$left; $parts]; BLOCK]; $rows],
                    right: Right<'_, $product>,
                    sums: &mut [C],
                    stride: usize,
                    first: bool,
                ) {
                    assert!(right.steps <= BLOCK && ($rows - 1) * stride + $vectors * $lanes <= sums.len());
                    let words = right.vectors::<$vectors>($lanes);
                    let mut acc = [[$zero; $vectors]; $rows];
                    for row in 0..if first { 0 } else { $rows } {
                        for vector in 0..$vectors {
                            // SAFETY: within `sums`, as asserted.
                            let from = unsafe { sums.as_ptr().add(row * stride + vector * $lanes) };
                            acc[row][vector] = $load_sum(from.cast(), 0);
                        }
                    }
                    for step in 0..right.steps {
                        for part in 0..$parts {
                            if part > 0 {
                                // Has the words loaded again: there is no register to keep them in.
                                // SAFETY: no instruction at all.
                                unsafe { core::arch::asm!("", options(nostack, preserves_flags)) };
                            }
                            let mut b = [$zero; $vectors];
                            for vector in 0..$vectors {
                                // SAFETY: `vectors` says so.
                                let word = unsafe { words[vector].add(step * <$product>::PANEL) };
                                b[vector] = $load(word.cast(), part);
                            }
                            for row in 0..$rows {
                                let a = $broadcast(left[row][step][part]);
                                for vector in 0..$vectors {
                                    acc[row][vector] = $step(acc[row][vector], a, b[vector]);
                                }
                            }
                        }
                    }
                    for row in 0..$rows {
                        for vector in 0..$vectors {
                            // SAFETY: within `sums`, as asserted.
                            let to = unsafe { sums.as_mut_ptr().add(row * stride + vector * $lanes) };
                            $store_sum(to.cast(), acc[row][vector]);
                        }
                    }
                }
                let (left, _) = left.as_chunks::<BLOCK>();
                let left = left.try_into().expect("the panel of one tile");
                // SAFETY: the token proves that this CPU and OS have the instruction set.
                unsafe { multiply(left, right, sums, stride, first) }
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
                    let mut acc = [[$zero; $vectors]; $rows];
                    let mut a = $broadcast($left_sample);
                    let mut b = [$load([$right_sample; $lanes].as_ptr().cast(), 0); $vectors];
                    for vector in 0..$vectors {
                        unknown!(b[vector]);
                        for row in 0..$rows {
                            unknown!(acc[row][vector]);
                        }
                    }
                    for _ in 0..steps {
                        for part in 0..$parts {
                            let _ = part;
                            $(for vector in 0..$vectors {
                                // No register is left for the word: the broadcast one serves.
                                b[vector] = $in_registers(a, part);
                                unknown!(a);
                            })?
                            for row in 0..$rows {
                                for vector in 0..$vectors {
                                    acc[row][vector] = $step(acc[row][vector], a, b[vector]);
                                }
                                unknown!(a);
                            }
                        }
                    }
                    let mut sums = [[[C::default(); $lanes]; $vectors]; $rows];
                    for row in 0..$rows {
                        for vector in 0..$vectors {
                            $store_sum(sums[row][vector].as_mut_ptr().cast(), acc[row][vector]);
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

/// `vpmaddwd`, then `vpaddd`, in that order: left to itself the compiler regroups integer sums until they fit in no register.
macro_rules! multiply_add {
    (xmm, $sum:expr, $a:expr, $b:expr) => {
        multiply_add!(@ xmm_reg, __m128i, $sum, $a, $b, "movdqa {t}, {a}", "pmaddwd {t}, {b}", "paddd {s}, {t}")
    };
    (ymm, $sum:expr, $a:expr, $b:expr) => {
        multiply_add!(@ ymm_reg, __m256i, $sum, $a, $b, "vpmaddwd {t}, {a}, {b}", "vpaddd {s}, {s}, {t}")
    };
    (zmm, $sum:expr, $a:expr, $b:expr) => {
        multiply_add!(@ zmm_reg, __m512i, $sum, $a, $b, "vpmaddwd {t}, {a}, {b}", "vpaddd {s}, {s}, {t}")
    };
    (@ $class:ident, $vector:ty, $sum:expr, $a:expr, $b:expr, $($line:literal),+) => {{
        let (mut sum, a, b): ($vector, $vector, $vector) = ($sum, $a, $b);
        // SAFETY: registers only, and the caller has the instruction set.
        unsafe {
            core::arch::asm!(
                $($line),+, s = inout($class) sum, a = in($class) a, b = in($class) b, t = out($class) _,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
        sum
    }};
}
pub(super) use multiply_add;
