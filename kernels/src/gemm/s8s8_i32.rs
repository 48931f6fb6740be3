//! `gemm-s8s8-i32`: bytes with sign times bytes with sign, summed in 32 bits, as symmetrically quantised inference does it. Four
//! consecutive k of a column share a word of B, as libraries keep weights for the dot-product instructions, which take one operand
//! without sign: weights are kept raised by 128. Sums are exact modulo 2^32, so any order gives the same bits.

use alloc::vec::Vec;
use core::ops::Range;

use super::{
    Layout, Product, Rows, Shape, fill,
    reference::{freivalds, outer, row_major, word_at},
};
use crate::{
    goldens,
    isa::Isa,
    kernel::{Golden, Variant},
    rng::Rng,
};

/// The product's type.
pub(crate) struct S8S8I32;

type A = i8;
type B = [u8; 4];
type C = i32;

/// Raises a weight, or lowers it again.
const SIGN: u8 = 0x80;

/// The weight of a byte of B.
fn weight(raised: u8) -> i8 {
    (raised ^ SIGN) as i8
}

impl Product for S8S8I32 {
    type A = A;
    type B = B;
    type C = C;
    type Weight = i8;
    const NAME: &'static str = "gemm-s8s8-i32";
    const SUMMARY: &'static str =
        "int8 matrix product, s8 x s8 summed in i32, as symmetrically quantised inference does it";
    const VARIANTS: &'static [Variant] = &[
        Variant::of(Isa::Avx512Vnni),
        Variant::of(Isa::AvxVnniInt8),
        Variant::of(Isa::AvxVnni),
        Variant::of(Isa::Avx512F),
        Variant::of(Isa::Avx2Fma),
        Variant::of(Isa::Sse41),
        Variant::of(Isa::Scalar),
    ];
    const GOLDENS: &'static [Golden] = goldens::GEMM_S8S8_I32;
    // 64 M multiply-adds in 0.8 MiB, and 1.2 MiB with what is packed. Many columns, so that packing A and correcting its rows
    // cost little, and rows, so that unpacking B does; a long k keeps C small, so that comparing it does.
    const GOLDEN: Shape = Shape { m: 144, n: 384, k: 1152 };
    const TYPES: [&'static str; 3] = ["int8", "int8", "int32"];
    const GROUP: usize = 4;
    const STRIKES: Range<u32> = 0..32;

    fn fill(rng: &mut Rng, shape: Shape, a: &mut [A], b: &mut [B]) {
        fill::<Self>(rng, shape, a, b);
        b.as_flattened_mut().iter_mut().for_each(|byte| *byte ^= SIGN);
    }

    fn show_b(shape: Shape, b: &[B]) -> Vec<u8> {
        bytemuck::cast_slice(&row_major::<Self, _>(shape, b, |word, k| weight(word[k]))).to_vec()
    }

    fn reference<L: Layout>(a: Rows<'_, A, L>, b: &[B], c: &mut [C], ks: Range<usize>) {
        outer::<Self, L>(a, b, c, ks, |a, b, c| {
            let at = |k: usize| a.get(k).map_or(0, |&a| i32::from(a));
            let a = [at(0), at(1), at(2), at(3)];
            for (c, b) in c.iter_mut().zip(b) {
                for k in 0..4 {
                    *c = c.wrapping_add(a[k] * i32::from(weight(b[k])));
                }
            }
        });
    }

    fn freivalds<L: Layout>(a: Rows<'_, A, L>, b: &[B], c: &[C], rng: &mut Rng) -> Option<bool> {
        let shape = a.layout.shape();
        let a = |m: usize, k: usize| i32::from(a.at(m, k));
        let b = |k: usize, n: usize| i32::from(weight(b[word_at::<Self>(shape, k, n)][k % 4]));
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

    impl Tiles for S8S8I32 {
        fn with_tile<U: UseTile<Self>>(token: Token, with: U) -> Option<U::Output> {
            Some(match token {
                Token::Avx512Vnni(token) => with.with(ZmmVnni(token)),
                Token::AvxVnniInt8(token) => with.with(YmmVnniInt8(token)),
                Token::AvxVnni(token) => with.with(YmmVnni(token)),
                Token::Avx512F(token) => with.with(Zmm(token)),
                Token::Avx2Fma(token) => with.with(Ymm(token)),
                Token::Sse41(token) => with.with(Xmm(token)),
                _ => return None,
            })
        }
    }

    // Sums of raised weights are too large by 128 times the sums of A's rows.
    const SIGNS: i32 = i32::from_ne_bytes([SIGN; 4]);

    macro_rules! lowered {
        ($name:ident, $vector:ty, $features:literal, $xor:ident, $set:ident) => {
            /// The weights of raised ones.
            #[inline]
            #[target_feature(enable = $features)]
            fn $name(words: $vector) -> $vector {
                $xor(words, $set(SIGNS))
            }
        };
    }
    lowered!(lowered_zmm, __m512i, "avx512f", _mm512_xor_si512, _mm512_set1_epi32);
    lowered!(lowered_ymm, __m256i, "avx2", _mm256_xor_si256, _mm256_set1_epi32);
    lowered!(lowered_xmm, __m128i, "sse4.1", _mm_xor_si128, _mm_set1_epi32);

    /// Halves, quarters and so on change places, so that no lane of any step is without use.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn total_zmm(sum: __m512i) -> __m512i {
        let sum = _mm512_add_epi32(sum, _mm512_shuffle_i32x4::<0b01_00_11_10>(sum, sum));
        let sum = _mm512_add_epi32(sum, _mm512_shuffle_i32x4::<0b10_11_00_01>(sum, sum));
        let sum = _mm512_add_epi32(sum, _mm512_shuffle_epi32::<0b01_00_11_10>(sum));
        _mm512_add_epi32(sum, _mm512_shuffle_epi32::<0b10_11_00_01>(sum))
    }

    /// The same of half as many.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn total_ymm(sum: __m256i) -> __m256i {
        let sum = _mm256_add_epi32(sum, _mm256_permute2x128_si256::<1>(sum, sum));
        let sum = _mm256_add_epi32(sum, _mm256_shuffle_epi32::<0b01_00_11_10>(sum));
        _mm256_add_epi32(sum, _mm256_shuffle_epi32::<0b10_11_00_01>(sum))
    }

    register_tile!(
        S8S8I32, ZmmVnni(Avx512Vnni), "avx512f,avx512bw,avx512vnni", zmm_reg, 12 x 2 x 16, parts: 1, together: 4,
        left: [[i8; 4]] |k: [i8; 4]| [k], unchanged: true, samples: [1; 4], [1; 4];
        zero: _mm512_setzero_si512(), load: load!(_mm512_loadu_si512), store: store!(_mm512_storeu_si512),
        broadcast: |a: [i8; 4]| _mm512_set1_epi32(bytemuck::cast(a)),
        step: |sum, a, b| _mm512_dpbusd_epi32(sum, b, a),
        correct: |sum, a| _mm512_dpbusd_epi32(sum, _mm512_set1_epi32(SIGNS), a),
        total: |sum| total_zmm(sum), subtract: |a, b| _mm512_sub_epi32(a, b),
    );
    register_tile!(
        S8S8I32, YmmVnniInt8(AvxVnniInt8), "avx2,avxvnniint8", ymm_reg, 6 x 2 x 8, parts: 1, together: 1,
        left: [[i8; 4]] |k: [i8; 4]| [k], unchanged: true, samples: [1; 4], [1; 4];
        zero: _mm256_setzero_si256(), load: load!(_mm256_loadu_si256), store: store!(_mm256_storeu_si256),
        broadcast: |a: [i8; 4]| _mm256_set1_epi32(bytemuck::cast(a)),
        step: |sum, a, b| _mm256_dpbssd_epi32(sum, a, b), raise: |b| lowered_ymm(b),
    );
    register_tile!(
        S8S8I32, YmmVnni(AvxVnni), "avx2,avxvnni", ymm_reg, 6 x 2 x 8, parts: 1, together: 1, nops: 44,
        left: [[i8; 4]] |k: [i8; 4]| [k], unchanged: true, samples: [1; 4], [1; 4];
        zero: _mm256_setzero_si256(), load: load!(_mm256_loadu_si256), store: store!(_mm256_storeu_si256),
        broadcast: |a: [i8; 4]| _mm256_set1_epi32(bytemuck::cast(a)),
        step: |sum, a, b| _mm256_dpbusd_avx_epi32(sum, b, a),
        correct: |sum, a| _mm256_dpbusd_avx_epi32(sum, _mm256_set1_epi32(SIGNS), a),
        total: |sum| total_ymm(sum), subtract: |a, b| _mm256_sub_epi32(a, b),
    );
    register_tile!(
        S8S8I32, Zmm(Avx512F), "avx512f,avx512bw", zmm_reg, 6 x 2 x 16, parts: 2, together: 2, nops: 4,
        left: [[i16; 2]], pack: widen, samples: [1; 2], [1; 4];
        zero: _mm512_setzero_si512(), load: load!(_mm512_loadu_si512), store: store!(_mm512_storeu_si512),
        unpack: |words, part| sign_extend_zmm(lowered_zmm(load!(_mm512_loadu_si512)(words)), part),
        broadcast: |a: [i16; 2]| _mm512_set1_epi32(bytemuck::cast(a)),
        late: multiply_add_late!(), late_peak: multiply_add_late_peak!(),
        add: |a, b| _mm512_add_epi32(a, b),
    );
    register_tile!(
        S8S8I32, Ymm(Avx2Fma), "avx2", ymm_reg, 6 x 2 x 8, parts: 2, together: 2, ahead: 8,
        left: [[i16; 2]], pack: widen, samples: [1; 2], [1; 4];
        zero: _mm256_setzero_si256(), load: load!(_mm256_loadu_si256), store: store!(_mm256_storeu_si256),
        unpack: |words, part| sign_extend_ymm(lowered_ymm(load!(_mm256_loadu_si256)(words)), part),
        broadcast: |a: [i16; 2]| _mm256_set1_epi32(bytemuck::cast(a)),
        row: multiply_add!(ymm), peak: multiply_add_peak!(ymm),
    );
    register_tile!(
        S8S8I32, Xmm(Sse41), "sse4.1", xmm_reg, 6 x 2 x 4, parts: 2, together: 2,
        left: [[i16; 2]], pack: widen, samples: [1; 2], [1; 4];
        zero: _mm_setzero_si128(), load: load!(_mm_loadu_si128), store: store!(_mm_storeu_si128),
        unpack: |words, part| sign_extend_xmm(lowered_xmm(load!(_mm_loadu_si128)(words)), part),
        broadcast: |a: [i16; 2]| _mm_set1_epi32(bytemuck::cast(a)),
        row: multiply_add!(xmm), peak: multiply_add_peak!(xmm),
    );
}
