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
    // 64 M multiply-adds in 0.6 MiB, and 1.2 MiB with what is packed; many rows to a column of B, since unpacking it costs more
    // than packing A.
    const GOLDEN: Shape = Shape { m: 216, n: 256, k: 1152 };
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
            multiply_add::{multiply_add, multiply_add_late, multiply_add_late_peak, multiply_add_peak},
            register_tile::{BLOCK_BYTES, groups, load, register_tile, store, to_upper_halves, widen},
            tile::{Fresh, LINE, Left, Right, Sums, Tile, Tiles, Unpacked, UseTile},
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

    macro_rules! bytes_of_nibbles {
        (
            $name:ident, $vector:ty, $features:literal, $and:ident, $shift:ident, $xor:ident, $subtract:ident, $set:ident,
            $lower:ident, $upper:ident, $shuffle:ident, $to_floats:ident, $from_floats:ident
        ) => {
            /// Of the eight weights of each word the first four, then the others, as signed bytes.
            #[inline]
            #[target_feature(enable = $features)]
            fn $name(word: $vector, part: usize) -> $vector {
                // By a sign that is taken off again: a table would pass over wrong bits of its index.
                let signed = |nibbles| $subtract($xor($and(nibbles, $set(15)), $set(8)), $set(8));
                let (even, odd) = (signed(word), signed($shift::<4>(word)));
                // Neighbours side by side: eight bytes a word.
                let (first, second) = ($to_floats($lower(even, odd)), $to_floats($upper(even, odd)));
                $from_floats(match part {
                    0 => $shuffle::<0b10_00_10_00>(first, second),
                    _ => $shuffle::<0b11_01_11_01>(first, second),
                })
            }
        };
    }
    bytes_of_nibbles!(
        bytes_zmm,
        __m512i,
        "avx512f,avx512bw",
        _mm512_and_si512,
        _mm512_srli_epi16,
        _mm512_xor_si512,
        _mm512_sub_epi8,
        _mm512_set1_epi8,
        _mm512_unpacklo_epi8,
        _mm512_unpackhi_epi8,
        _mm512_shuffle_ps,
        _mm512_castsi512_ps,
        _mm512_castps_si512
    );
    bytes_of_nibbles!(
        bytes_ymm,
        __m256i,
        "avx2",
        _mm256_and_si256,
        _mm256_srli_epi16,
        _mm256_xor_si256,
        _mm256_sub_epi8,
        _mm256_set1_epi8,
        _mm256_unpacklo_epi8,
        _mm256_unpackhi_epi8,
        _mm256_shuffle_ps,
        _mm256_castsi256_ps,
        _mm256_castps_si256
    );

    register_tile!(
        U8S4I32, ZmmVnni(Avx512Vnni), "avx512f,avx512bw,avx512vnni", zmm_reg, 12 x 2 x 16, parts: 2, together: 4,
        left: [[u8; 4]] bytemuck::must_cast, unchanged: true, samples: [1; 4], [S4x2(0x11); 4];
        zero: _mm512_setzero_si512(), load: load!(_mm512_loadu_si512), store: store!(_mm512_storeu_si512),
        unpack: |words, part| bytes_zmm(load!(_mm512_loadu_si512)(words), part),
        broadcast: |a: [u8; 4]| _mm512_set1_epi32(bytemuck::cast(a)),
        step: |sum, a, b| _mm512_dpbusd_epi32(sum, a, b),
    );
    register_tile!(
        U8S4I32, YmmVnni(AvxVnni), "avx2,avxvnni", ymm_reg, 6 x 2 x 8, parts: 2, together: 2,
        left: [[u8; 4]] bytemuck::must_cast, unchanged: true, samples: [1; 4], [S4x2(0x11); 4];
        zero: _mm256_setzero_si256(), load: load!(_mm256_loadu_si256), store: store!(_mm256_storeu_si256),
        unpack: |words, part| bytes_ymm(load!(_mm256_loadu_si256)(words), part),
        broadcast: |a: [u8; 4]| _mm256_set1_epi32(bytemuck::cast(a)),
        step: |sum, a, b| _mm256_dpbusd_avx_epi32(sum, a, b),
    );

    macro_rules! sign_extend {
        ($name:ident, $vector:ty, $features:literal, $repeat:expr, $shuffle:ident, $multiply:ident, $set:ident, $right:ident) => {
            /// The two weights of that byte of each word in 16 bits.
            #[inline]
            #[target_feature(enable = $features)]
            fn $name(word: $vector, part: usize) -> $vector {
                let both = $shuffle(word, $repeat(to_upper_halves(part, part)));
                $right::<12>($multiply(both, $set(1 << 16 | 16)))
            }
        };
    }
    sign_extend!(
        sign_extend_zmm,
        __m512i,
        "avx512f,avx512bw",
        |bytes| _mm512_broadcast_i32x4(bytes),
        _mm512_shuffle_epi8,
        _mm512_mullo_epi16,
        _mm512_set1_epi32,
        _mm512_srai_epi16
    );
    sign_extend!(
        sign_extend_ymm,
        __m256i,
        "avx2",
        |bytes| _mm256_broadcastsi128_si256(bytes),
        _mm256_shuffle_epi8,
        _mm256_mullo_epi16,
        _mm256_set1_epi32,
        _mm256_srai_epi16
    );
    sign_extend!(
        sign_extend_xmm,
        __m128i,
        "sse4.1",
        |bytes| bytes,
        _mm_shuffle_epi8,
        _mm_mullo_epi16,
        _mm_set1_epi32,
        _mm_srai_epi16
    );

    register_tile!(
        U8S4I32, Zmm(Avx512F), "avx512f,avx512bw", zmm_reg, 6 x 2 x 16, parts: 4, together: 2, nops: 4,
        left: [[i16; 2]], pack: widen, samples: [1; 2], [S4x2(0x11); 4];
        zero: _mm512_setzero_si512(), load: load!(_mm512_loadu_si512), store: store!(_mm512_storeu_si512),
        unpack: |words, part| sign_extend_zmm(load!(_mm512_loadu_si512)(words), part),
        broadcast: |a: [i16; 2]| _mm512_set1_epi32(bytemuck::cast(a)),
        late: multiply_add_late!(), late_peak: multiply_add_late_peak!(),
        add: |a, b| _mm512_add_epi32(a, b),
    );
    register_tile!(
        U8S4I32, Ymm(Avx2Fma), "avx2", ymm_reg, 6 x 2 x 8, parts: 4, together: 2,
        left: [[i16; 2]], pack: widen, samples: [1; 2], [S4x2(0x11); 4];
        zero: _mm256_setzero_si256(), load: load!(_mm256_loadu_si256), store: store!(_mm256_storeu_si256),
        unpack: |words, part| sign_extend_ymm(load!(_mm256_loadu_si256)(words), part),
        broadcast: |a: [i16; 2]| _mm256_set1_epi32(bytemuck::cast(a)),
        row: multiply_add!(ymm), peak: multiply_add_peak!(ymm),
    );
    register_tile!(
        U8S4I32, Xmm(Sse41), "sse4.1", xmm_reg, 6 x 2 x 4, parts: 4, together: 2,
        left: [[i16; 2]], pack: widen, samples: [1; 2], [S4x2(0x11); 4];
        zero: _mm_setzero_si128(), load: load!(_mm_loadu_si128), store: store!(_mm_storeu_si128),
        unpack: |words, part| sign_extend_xmm(load!(_mm_loadu_si128)(words), part),
        broadcast: |a: [i16; 2]| _mm_set1_epi32(bytemuck::cast(a)),
        row: multiply_add!(xmm), peak: multiply_add_peak!(xmm),
    );
}
