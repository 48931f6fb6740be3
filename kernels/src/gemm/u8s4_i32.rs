//! `gemm-u8s4-i32`: bytes without sign times weights of four bits with sign, summed in 32 bits, as inference with int4 weights
//! does it: the weights are unpacked on the fly. Eight consecutive k of a column share a word of B, two a byte, the lower
//! bits first. Sums are exact modulo 2^32, so any order gives the same bits.

use alloc::vec::Vec;
use core::ops::Range;

use super::{
    Layout, Product, Rows, Shape,
    reference::{freivalds, outer, row_major, word_at},
};
use crate::{
    data::S4x2,
    goldens,
    isa::Isa,
    kernel::{Golden, Variant},
    rng::Rng,
};

/// The product's type.
pub(crate) struct U8S4I32;

type A = u8;
type B = [S4x2; 4];
type C = i32;

/// The weight of that k in its word.
fn weight(word: B, k: usize) -> i8 {
    let byte = word[k / 2].0;
    (if k.is_multiple_of(2) { byte << 4 } else { byte } as i8) >> 4
}

impl Product for U8S4I32 {
    type A = A;
    type B = B;
    type C = C;
    type Weight = S4x2;
    const NAME: &'static str = "gemm-u8s4-i32";
    const SUMMARY: &'static str = "matrix product of u8 with int4 weights unpacked on the fly, summed in i32";
    const VARIANTS: &'static [Variant] = &[
        Variant::of(Isa::Avx512Vnni),
        Variant::of(Isa::AvxVnni),
        Variant::of(Isa::Avx512F),
        Variant::of(Isa::Avx2Fma),
        Variant::of(Isa::Sse41),
        Variant::of(Isa::Scalar),
    ];
    const GOLDENS: &'static [Golden] = goldens::GEMM_U8S4_I32;
    // 64 M multiply-adds in 0.6 MiB, and packed in 0.9 MiB.
    const GOLDEN: Shape = Shape { m: 192, n: 288, k: 1152 };
    const TYPES: [&'static str; 3] = ["uint8", "int8", "int32"];
    const GROUP: usize = 8;
    const STRIKES: Range<u32> = 0..32;

    fn clear(word: &mut B, used: usize) {
        let kept = u32::MAX >> (32 - 4 * used);
        *word = bytemuck::cast((bytemuck::cast::<B, u32>(*word).to_le() & kept).to_le());
    }

    fn show_b(shape: Shape, b: &[B]) -> Vec<u8> {
        bytemuck::cast_slice(&row_major::<Self, _>(shape, b, weight)).to_vec()
    }

    fn reference<L: Layout>(a: Rows<'_, A, L>, b: &[B], c: &mut [C], ks: Range<usize>) {
        outer::<Self, L>(a, b, c, ks, |a, b, c| {
            let a: [i32; 8] = core::array::from_fn(|k| a.get(k).map_or(0, |&a| i32::from(a)));
            for (c, b) in c.iter_mut().zip(b) {
                for (k, a) in a.iter().enumerate() {
                    *c = c.wrapping_add(a * i32::from(weight(*b, k)));
                }
            }
        });
    }

    fn freivalds<L: Layout>(a: Rows<'_, A, L>, b: &[B], c: &[C], rng: &mut Rng) -> Option<bool> {
        let shape = a.layout.shape();
        let a = |m: usize, k: usize| i32::from(a.at(m, k));
        let b = |k: usize, n: usize| i32::from(weight(b[word_at::<Self>(shape, k, n)], k % 8));
        Some(freivalds(shape, a, b, c, rng))
    }
}

#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
mod vector {
    use core::arch::x86_64::*;

    use super::*;
    use crate::{
        gemm::{
            register_tile::{BLOCK_BYTES, groups, load, multiply_add, multiply_add_peak, register_tile, store},
            tile::{Left, Right, Sums, Tile, Tiles, UseTile},
        },
        isa::Token,
    };

    impl Tiles for U8S4I32 {
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

    /// For the dot product: the even k, then the odd ones.
    #[inline(always)]
    fn even_first(k: [u8; 8]) -> [[u8; 4]; 2] {
        let k = u64::from_le_bytes(k);
        // The bytes in pairs of two and of four, sorted.
        let k = k & 0xff00_00ff_ff00_00ff | (k & 0x0000_ff00_0000_ff00) << 8 | (k & 0x00ff_0000_00ff_0000) >> 8;
        let k = k & 0xffff_0000_0000_ffff | (k & 0x0000_0000_ffff_0000) << 16 | (k & 0x0000_ffff_0000_0000) >> 16;
        bytemuck::cast(k)
    }

    macro_rules! look_up {
        ($name:ident, $vector:ty, $features:literal, $table:expr, $shuffle:ident, $and:ident, $set:ident, $shift:ident) => {
            /// The lower or the upper four bits of each byte, as signed bytes.
            #[inline]
            #[target_feature(enable = $features)]
            fn $name(word: $vector, part: usize) -> $vector {
                let index = if part == 0 { word } else { $shift::<4>(word) };
                $shuffle($table, $and(index, $set(15)))
            }
        };
    }
    /// What four bits mean, for every lane of the shuffles.
    #[inline]
    #[target_feature(enable = "sse4.1")]
    fn table() -> __m128i {
        _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, -8, -7, -6, -5, -4, -3, -2, -1)
    }
    look_up!(
        look_up_zmm,
        __m512i,
        "avx512f,avx512bw",
        _mm512_broadcast_i32x4(table()),
        _mm512_shuffle_epi8,
        _mm512_and_si512,
        _mm512_set1_epi8,
        _mm512_srli_epi16
    );
    look_up!(
        look_up_ymm,
        __m256i,
        "avx2",
        _mm256_broadcastsi128_si256(table()),
        _mm256_shuffle_epi8,
        _mm256_and_si256,
        _mm256_set1_epi8,
        _mm256_srli_epi16
    );

    register_tile!(
        U8S4I32, ZmmVnni(Avx512Vnni), "avx512f,avx512bw,avx512vnni", zmm_reg, 12 x 2 x 16, parts: 2,
        left: [[u8; 4]] even_first, samples: [1; 4], [S4x2(0x11); 4];
        zero: _mm512_setzero_si512(), load: load!(_mm512_loadu_si512), store: store!(_mm512_storeu_si512),
        unpack: |words, part| look_up_zmm(load!(_mm512_loadu_si512)(words), part),
        broadcast: |a: [u8; 4]| _mm512_set1_epi32(bytemuck::cast(a)),
        step: |sum, a, b| _mm512_dpbusd_epi32(sum, a, b),
    );
    register_tile!(
        U8S4I32, YmmVnni(AvxVnni), "avx2,avxvnni", ymm_reg, 6 x 2 x 8, parts: 2,
        left: [[u8; 4]] even_first, samples: [1; 4], [S4x2(0x11); 4];
        zero: _mm256_setzero_si256(), load: load!(_mm256_loadu_si256), store: store!(_mm256_storeu_si256),
        unpack: |words, part| look_up_ymm(load!(_mm256_loadu_si256)(words), part),
        broadcast: |a: [u8; 4]| _mm256_set1_epi32(bytemuck::cast(a)),
        step: |sum, a, b| _mm256_dpbusd_avx_epi32(sum, a, b),
    );

    /// Without the dot product, weights are widened to 16 bits and multiplied in pairs: k 0 and 4, 1 and 5, 2 and 6, 3 and 7.
    #[inline(always)]
    fn four_apart(k: [u8; 8]) -> [[i16; 2]; 4] {
        let k = u64::from_le_bytes(k);
        let two = |first: u32| {
            let [lower, upper] = [k >> (8 * first), k >> (8 * first + 32)];
            lower & 0xff | (upper & 0xff) << 16 | (lower & 0xff00) << 24 | (upper & 0xff00) << 40
        };
        bytemuck::cast([two(0), two(2)])
    }

    macro_rules! sign_extend {
        ($name:ident, $vector:ty, $features:literal, $left:ident, $right:ident) => {
            /// Of each four weights in 16 bits, the one of that number.
            #[inline]
            #[target_feature(enable = $features)]
            fn $name(word: $vector, part: usize) -> $vector {
                $right::<12>(match part {
                    0 => $left::<12>(word),
                    1 => $left::<8>(word),
                    2 => $left::<4>(word),
                    _ => word,
                })
            }
        };
    }
    sign_extend!(sign_extend_zmm, __m512i, "avx512f,avx512bw", _mm512_slli_epi16, _mm512_srai_epi16);
    sign_extend!(sign_extend_ymm, __m256i, "avx2", _mm256_slli_epi16, _mm256_srai_epi16);
    sign_extend!(sign_extend_xmm, __m128i, "sse4.1", _mm_slli_epi16, _mm_srai_epi16);

    register_tile!(
        U8S4I32, Zmm(Avx512F), "avx512f,avx512bw", zmm_reg, 12 x 2 x 16, parts: 4,
        left: [[i16; 2]] four_apart, samples: [1; 2], [S4x2(0x11); 4];
        zero: _mm512_setzero_si512(), load: load!(_mm512_loadu_si512), store: store!(_mm512_storeu_si512),
        unpack: |words, part| sign_extend_zmm(load!(_mm512_loadu_si512)(words), part),
        broadcast: |a: [i16; 2]| _mm512_set1_epi32(bytemuck::cast(a)),
        row: multiply_add!(zmm), peak: multiply_add_peak!(zmm),
    );
    register_tile!(
        U8S4I32, Ymm(Avx2Fma), "avx2", ymm_reg, 6 x 2 x 8, parts: 4,
        left: [[i16; 2]] four_apart, samples: [1; 2], [S4x2(0x11); 4];
        zero: _mm256_setzero_si256(), load: load!(_mm256_loadu_si256), store: store!(_mm256_storeu_si256),
        unpack: |words, part| sign_extend_ymm(load!(_mm256_loadu_si256)(words), part),
        broadcast: |a: [i16; 2]| _mm256_set1_epi32(bytemuck::cast(a)),
        row: multiply_add!(ymm), peak: multiply_add_peak!(ymm),
    );
    register_tile!(
        U8S4I32, Xmm(Sse41), "sse4.1", xmm_reg, 6 x 2 x 4, parts: 4,
        left: [[i16; 2]] four_apart, samples: [1; 2], [S4x2(0x11); 4];
        zero: _mm_setzero_si128(), load: load!(_mm_loadu_si128), store: store!(_mm_storeu_si128),
        unpack: |words, part| sign_extend_xmm(load!(_mm_loadu_si128)(words), part),
        broadcast: |a: [i16; 2]| _mm_set1_epi32(bytemuck::cast(a)),
        row: multiply_add!(xmm), peak: multiply_add_peak!(xmm),
    );
}
