//! `gemm-u8s8-i32`: bytes without sign times bytes with sign, summed in 32 bits, as int8 inference does it. B is stored
//! with k running fastest (`[N][K]`), as weights are. Sums are exact, so any order gives the same bits.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{Data, Product, STAGE_MULTIPLY, Shape, block_steps, no_such_variant};
use crate::{
    digest::flip,
    goldens,
    isa::{Isa, Token},
    kernel::{Fault, Golden, Variant},
    rng::Rng,
};

/// The product's type.
pub(crate) struct U8S8I32;

impl Product for U8S8I32 {
    type A = u8;
    type B = i8;
    type C = i32;
    #[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
    type Scratch = super::tile::Panels<u32, u32, i32>;
    #[cfg(not(all(target_arch = "x86_64", not(feature = "scalar-only"))))]
    type Scratch = ();
    const NAME: &'static str = "gemm-u8s8-i32";
    const SUMMARY: &'static str = "int8 matrix product, u8 x s8 summed in i32, as quantised inference does it";
    const VARIANTS: &'static [Variant] = &[
        Variant::of(Isa::Avx512Vnni, "avx512-vnni"),
        Variant::of(Isa::AvxVnni, "avx-vnni"),
        Variant::of(Isa::Avx2Fma, "avx2"),
        Variant::of(Isa::Scalar, "scalar"),
    ];
    const GOLDENS: &'static [Golden] = goldens::GEMM_U8S8_I32;
    // 100 M multiply-adds; a long k keeps C small, so that comparing it costs little.
    const GOLDEN: Shape = Shape { m: 256, n: 192, k: 2048 };
    const TYPES: [&'static str; 3] = ["uint8", "int8", "int32"];

    fn fill(rng: &mut Rng, a: &mut [u8], b: &mut [i8]) {
        rng.fill(a);
        rng.fill(bytemuck::cast_slice_mut(b));
    }

    fn row_major_b(shape: Shape, b: &[i8]) -> Vec<i8> {
        (0..shape.k * shape.n).map(|at| b[at % shape.n * shape.k + at / shape.n]).collect()
    }

    fn multiply(token: Token, shape: Shape, data: Data<'_, Self>, stage: &AtomicU64, fault: Option<Fault>) {
        match token {
            Token::Scalar => {
                stage.store(STAGE_MULTIPLY, Relaxed);
                scalar(shape, data, fault);
            }
            #[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
            token => vector::multiply(token, shape, data, stage, fault),
            #[cfg(not(all(target_arch = "x86_64", not(feature = "scalar-only"))))]
            token => no_such_variant(Self::NAME, token),
        }
    }

    fn freivalds(shape: Shape, a: &[u8], b: &[i8], c: &[i32], rng: &mut Rng) -> Option<bool> {
        // Odd, so that no single wrong element can vanish modulo 2^32.
        let r: Vec<u32> = (0..shape.n).map(|_| rng.next() as u32 | 1).collect();
        let mut b_r = alloc::vec![0u32; shape.k];
        for (column, r) in b.chunks_exact(shape.k).zip(&r) {
            for (sum, &b) in b_r.iter_mut().zip(column) {
                *sum = sum.wrapping_add((i32::from(b) as u32).wrapping_mul(*r));
            }
        }
        let dot = |sum: u32, (x, y): (u32, &u32)| sum.wrapping_add(x.wrapping_mul(*y));
        let rows = a.chunks_exact(shape.k).zip(c.chunks_exact(shape.n));
        Some(rows.into_iter().all(|(a, c)| {
            let left = c.iter().map(|&c| c as u32).zip(&r).fold(0, dot);
            let right = a.iter().map(|&a| u32::from(a)).zip(&b_r).fold(0, dot);
            left == right
        }))
    }
}

/// The reference. Order: k ascends within an element; blocks of k only exist so that a drill can strike between them.
fn scalar(shape: Shape, data: Data<'_, U8S8I32>, fault: Option<Fault>) {
    data.c.fill(0);
    let block = if fault.is_some() { block_steps(shape.k, shape.k) } else { shape.k };
    for from in (0..shape.k).step_by(block) {
        let to = (from + block).min(shape.k);
        for (a, c) in data.a.chunks_exact(shape.k).zip(data.c.chunks_exact_mut(shape.n)) {
            for (b, c) in data.b.chunks_exact(shape.k).zip(c) {
                for (&a, &b) in a[from..to].iter().zip(&b[from..to]) {
                    *c = c.wrapping_add(i32::from(a) * i32::from(b));
                }
            }
        }
        if let (0, Some(fault)) = (from, fault) {
            flip(data.c, fault);
        }
    }
}

#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
mod vector {
    use core::arch::x86_64::*;

    use super::*;
    use crate::{
        gemm::tile::{Panels, Tile, register_tile},
        isa::{Avx2Fma, Avx512Vnni, AvxVnni},
    };

    pub(super) fn multiply(
        token: Token,
        shape: Shape,
        data: Data<'_, U8S8I32>,
        stage: &AtomicU64,
        fault: Option<Fault>,
    ) {
        match token {
            Token::Avx512Vnni(token) => with::<_, 4>(token, shape, data, stage, fault),
            Token::AvxVnni(token) => with::<_, 4>(token, shape, data, stage, fault),
            Token::Avx2Fma(token) => with::<_, 2>(Widened(token), shape, data, stage, fault),
            token => no_such_variant(U8S8I32::NAME, token),
        }
    }

    /// `GROUP` values of k share a 32-bit word: four bytes for the dot product, two widened to 16 bits for AVX2.
    fn with<T: Tile<Left = u32, Right = u32, Sum = i32>, const GROUP: usize>(
        tile: T,
        shape: Shape,
        data: Data<'_, U8S8I32>,
        stage: &AtomicU64,
        fault: Option<Fault>,
    ) {
        let panels: &mut Panels<u32, u32, i32> = data.scratch;
        let grid = panels.lay_out::<T>(shape, shape.k.div_ceil(GROUP));
        pack(data.a, shape.k, T::ROWS, &mut panels.left, word_of::<u8, GROUP>);
        pack(data.b, shape.k, T::COLS, &mut panels.right, word_of::<i8, GROUP>);
        stage.store(STAGE_MULTIPLY, Relaxed);
        panels.multiply(tile, grid, shape, data.c, fault);
    }

    /// The word of up to `GROUP` consecutive values; missing ones are zero.
    #[inline(always)]
    fn word_of<T: Copy + Into<i16>, const GROUP: usize>(values: &[T]) -> u32 {
        let at = |n: usize| values.get(n).map_or(0, |&value| value.into());
        if GROUP == 4 {
            u32::from_le_bytes([at(0) as u8, at(1) as u8, at(2) as u8, at(3) as u8])
        } else {
            u32::from(at(0) as u16) | u32::from(at(1) as u16) << 16
        }
    }

    /// Lines of k values to panels `[tile][step][line]`.
    #[inline(always)]
    fn pack<T: Copy + Into<i16>>(lines: &[T], k: usize, tile: usize, panels: &mut [u32], word: impl Fn(&[T]) -> u32) {
        let count = lines.len() / k;
        let steps = panels.len() / (count.div_ceil(tile) * tile);
        let group = k.div_ceil(steps);
        for (number, panel) in panels.chunks_exact_mut(steps * tile).enumerate() {
            for line in 0..tile {
                let index = number * tile + line;
                if index >= count {
                    panel.iter_mut().skip(line).step_by(tile).for_each(|word| *word = 0);
                    continue;
                }
                let values = &lines[index * k..][..k];
                let whole = k / group;
                for step in 0..whole {
                    panel[step * tile + line] = word(&values[step * group..][..group]);
                }
                if whole < steps {
                    panel[whole * tile + line] = word(&values[whole * group..]);
                }
            }
        }
    }

    macro_rules! load {
        ($intrinsic:ident, $word:ty) => {
            // SAFETY: the array is as wide as the vector, and the load needs no alignment.
            |words: &[$word; _]| unsafe { $intrinsic(words.as_ptr().cast()) }
        };
    }
    macro_rules! store {
        ($intrinsic:ident) => {
            // SAFETY: the array is as wide as the vector, and the store needs no alignment.
            |words: &mut [i32; _], vector| unsafe { $intrinsic(words.as_mut_ptr().cast(), vector) }
        };
    }

    register_tile!(
        zmm_vnni, "avx512f,avx512bw,avx512vnni", 12 x 2 x 16, u32, u32, i32,
        zero: _mm512_setzero_si512(),
        load_sum: load!(_mm512_loadu_si512, i32),
        store_sum: store!(_mm512_storeu_si512),
        load: load!(_mm512_loadu_si512, u32),
        broadcast: |word: u32| _mm512_set1_epi32(word as i32),
        step: |sum, a, b| _mm512_dpbusd_epi32(sum, a, b),
    );
    register_tile!(
        ymm_vnni, "avx2,avxvnni", 6 x 2 x 8, u32, u32, i32,
        zero: _mm256_setzero_si256(),
        load_sum: load!(_mm256_loadu_si256, i32),
        store_sum: store!(_mm256_storeu_si256),
        load: load!(_mm256_loadu_si256, u32),
        broadcast: |word: u32| _mm256_set1_epi32(word as i32),
        step: |sum, a, b| _mm256_dpbusd_avx_epi32(sum, a, b),
    );
    // Not vpmaddubsw, which saturates at 16 bits.
    register_tile!(
        ymm_widened, "avx2", 6 x 2 x 8, u32, u32, i32,
        zero: _mm256_setzero_si256(),
        load_sum: load!(_mm256_loadu_si256, i32),
        store_sum: store!(_mm256_storeu_si256),
        load: load!(_mm256_loadu_si256, u32),
        broadcast: |word: u32| _mm256_set1_epi32(word as i32),
        step: |sum, a, b| _mm256_add_epi32(sum, _mm256_madd_epi16(a, b)),
    );

    /// The AVX2 tile of this product: words hold two values of 16 bits.
    #[derive(Clone, Copy)]
    struct Widened(Avx2Fma);

    macro_rules! tile {
        ($token:ty, $function:ident, $rows:literal x $cols:literal) => {
            impl Tile for $token {
                type Left = u32;
                type Right = u32;
                type Sum = i32;
                const ROWS: usize = $rows;
                const COLS: usize = $cols;

                fn multiply(self, left: &[u32], right: &[u32], sums: &mut [i32]) {
                    // SAFETY: the token proves that this CPU and OS have the instruction set.
                    unsafe { $function(left, right, sums) }
                }
            }
        };
    }
    tile!(Avx512Vnni, zmm_vnni, 12 x 32);
    tile!(AvxVnni, ymm_vnni, 6 x 16);
    tile!(Widened, ymm_widened, 6 x 16);
}
