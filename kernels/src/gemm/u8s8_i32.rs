//! `gemm-u8s8-i32`: bytes without sign times bytes with sign, summed in 32 bits, as int8 inference does it. Four consecutive k of
//! a column share a word of B, as libraries keep weights for the dot-product instructions. Sums are exact modulo 2^32, so any
//! order gives the same bits.

use core::ops::Range;

use super::{
    Layout, Product, Rows, Shape,
    reference::{freivalds, outer, word_at},
};
use crate::{
    goldens,
    isa::Isa,
    kernel::{Golden, Variant},
    rng::Rng,
};

/// The product's type.
pub(crate) struct U8S8I32;

type A = u8;
type B = [i8; 4];
type C = i32;

impl Product for U8S8I32 {
    type A = A;
    type B = B;
    type C = C;
    type Weight = i8;
    const NAME: &'static str = "gemm-u8s8-i32";
    const SUMMARY: &'static str = "int8 matrix product, u8 x s8 summed in i32, as quantised inference does it";
    const VARIANTS: &'static [Variant] = &[
        Variant::of(Isa::Avx512Vnni),
        Variant::of(Isa::AvxVnni),
        Variant::of(Isa::Avx512F),
        Variant::of(Isa::Avx2Fma),
        Variant::of(Isa::Sse41),
        Variant::of(Isa::Scalar),
    ];
    const GOLDENS: &'static [Golden] = goldens::GEMM_U8S8_I32;
    // 57 M multiply-adds in 0.7 MiB, and 1.2 MiB with what is packed; a long k keeps C small, so that comparing it costs little.
    const GOLDEN: Shape = Shape { m: 192, n: 256, k: 1152 };
    const TYPES: [&'static str; 3] = ["uint8", "int8", "int32"];
    const GROUP: usize = 4;
    const STRIKES: Range<u32> = 0..32;

    fn reference<L: Layout>(a: Rows<'_, A, L>, b: &[B], c: &mut [C], ks: Range<usize>) {
        outer::<Self, L>(a, b, c, ks, |a, b, c| {
            let at = |k: usize| a.get(k).map_or(0, |&a| i32::from(a));
            let a = [at(0), at(1), at(2), at(3)];
            for (c, b) in c.iter_mut().zip(b) {
                for k in 0..4 {
                    *c = c.wrapping_add(a[k] * i32::from(b[k]));
                }
            }
        });
    }

    fn freivalds<L: Layout>(a: Rows<'_, A, L>, b: &[B], c: &[C], rng: &mut Rng) -> Option<bool> {
        let shape = a.layout.shape();
        let a = |m: usize, k: usize| i32::from(a.at(m, k));
        let b = |k: usize, n: usize| i32::from(b[word_at::<Self>(shape, k, n)][k % 4]);
        Some(freivalds(shape, a, b, c, rng))
    }
}

#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
mod vector {
    use core::arch::x86_64::*;

    use super::*;
    use crate::{
        gemm::{
            multiply_add::{multiply_add, multiply_add_late, multiply_add_late_peak, multiply_add_peak},
            register_tile::{
                BLOCK_BYTES, groups, load, register_tile, sign_extend_xmm, sign_extend_ymm, sign_extend_zmm, store,
                widen,
            },
            tile::{Fresh, LINE, Left, Right, Sums, Tile, Tiles, Unpacked, UseTile, prefetch},
        },
        isa::Token,
    };

    impl Tiles for U8S8I32 {
        fn with_tile<U: UseTile<Self>>(token: Token, with: U) -> Option<U::Output> {
            Some(match token {
                Token::Avx512Vnni(token) => with.with(ZmmVnni(token)),
                Token::AvxVnni(token) => with.with(YmmVnni(token)),
                Token::Avx512F(token) => with.with(Zmm(token)),
                Token::Avx2Fma(token) => with.with(Ymm(token)),
                Token::Sse41(token) => with.with(Xmm(token)),
                _ => return None,
            })
        }
    }

    register_tile!(
        U8S8I32, ZmmVnni(Avx512Vnni), "avx512f,avx512bw,avx512vnni", zmm_reg, 12 x 2 x 16, parts: 1, together: 4,
        left: [[u8; 4]] |k: [u8; 4]| [k], unchanged: true, samples: [1; 4], [1; 4];
        zero: _mm512_setzero_si512(), load: load!(_mm512_loadu_si512), store: store!(_mm512_storeu_si512),
        broadcast: |a: [u8; 4]| _mm512_set1_epi32(bytemuck::cast(a)),
        step: |sum, a, b| _mm512_dpbusd_epi32(sum, a, b),
    );
    register_tile!(
        U8S8I32, YmmVnni(AvxVnni), "avx2,avxvnni", ymm_reg, 6 x 2 x 8, parts: 1, together: 1, nops: 44,
        left: [[u8; 4]] |k: [u8; 4]| [k], unchanged: true, samples: [1; 4], [1; 4];
        zero: _mm256_setzero_si256(), load: load!(_mm256_loadu_si256), store: store!(_mm256_storeu_si256),
        broadcast: |a: [u8; 4]| _mm256_set1_epi32(bytemuck::cast(a)),
        step: |sum, a, b| _mm256_dpbusd_avx_epi32(sum, a, b),
    );
    register_tile!(
        U8S8I32, Zmm(Avx512F), "avx512f,avx512bw", zmm_reg, 6 x 2 x 16, parts: 2, together: 2, nops: 4,
        left: [[i16; 2]], pack: widen, samples: [1; 2], [1; 4];
        zero: _mm512_setzero_si512(), load: load!(_mm512_loadu_si512), store: store!(_mm512_storeu_si512),
        unpack: |words, part| sign_extend_zmm(load!(_mm512_loadu_si512)(words), part),
        broadcast: |a: [i16; 2]| _mm512_set1_epi32(bytemuck::cast(a)),
        late: multiply_add_late!(), late_peak: multiply_add_late_peak!(),
        add: |a, b| _mm512_add_epi32(a, b),
    );
    register_tile!(
        U8S8I32, Ymm(Avx2Fma), "avx2", ymm_reg, 6 x 2 x 8, parts: 2, together: 2, ahead: 8,
        left: [[i16; 2]], pack: widen, samples: [1; 2], [1; 4];
        zero: _mm256_setzero_si256(), load: load!(_mm256_loadu_si256), store: store!(_mm256_storeu_si256),
        unpack: |words, part| sign_extend_ymm(load!(_mm256_loadu_si256)(words), part),
        broadcast: |a: [i16; 2]| _mm256_set1_epi32(bytemuck::cast(a)),
        row: multiply_add!(ymm), peak: multiply_add_peak!(ymm),
    );
    register_tile!(
        U8S8I32, Xmm(Sse41), "sse4.1", xmm_reg, 6 x 2 x 4, parts: 2, together: 2,
        left: [[i16; 2]], pack: widen, samples: [1; 2], [1; 4];
        zero: _mm_setzero_si128(), load: load!(_mm_loadu_si128), store: store!(_mm_storeu_si128),
        unpack: |words, part| sign_extend_xmm(load!(_mm_loadu_si128)(words), part),
        broadcast: |a: [i16; 2]| _mm_set1_epi32(bytemuck::cast(a)),
        row: multiply_add!(xmm), peak: multiply_add_peak!(xmm),
    );
}
