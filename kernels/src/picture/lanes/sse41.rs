//! 128 bits.

use core::arch::x86_64::*;

use super::{BYTES, GROUP, Lanes, NEAREST, WORDS, each, lanes, load16, store16};
use crate::isa::Sse41;

lanes! {
    Sse41, 4, __m128, __m128d, __m128i, __m128i,
    splat: [
        floats: f32 as f32 => Floats, _mm_set1_ps;
        doubles: f64 as f64 => Doubles, _mm_set1_pd;
        ints: u32 as i32 => Ints, _mm_set1_epi32;
        shorts: u16 as i16 => Shorts, _mm_set1_epi16;
    ],
    load: [
        load_floats: [f32; GROUP] => Floats, _mm_loadu_ps;
        load_doubles: [f64; GROUP] => Doubles, _mm_loadu_pd;
        load_ints: [u32; GROUP] => Ints, _mm_loadu_si128;
        load_words: [u8; WORDS] => Ints, _mm_loadu_si128;
        load_bytes: [u8; BYTES] => Bytes, _mm_loadu_si128;
    ],
    store: [
        store_floats: Floats => [f32; GROUP], _mm_storeu_ps;
        store_doubles: Doubles => [f64; GROUP], _mm_storeu_pd;
        store_ints: Ints => [u32; GROUP], _mm_storeu_si128;
        store_bytes: Bytes => [u8; BYTES], _mm_storeu_si128;
    ],
    unary: [
        nearest: Floats => Floats, _mm_round_ps::<NEAREST>;
        floats_of: Ints => Floats, _mm_cvtepi32_ps;
        truncated: Floats => Ints, _mm_cvttps_epi32;
        rounded: Floats => Ints, _mm_cvtps_epi32;
        high_bytes: Shorts => Shorts, _mm_srli_epi16::<8>;
    ],
    binary: [
        add: Floats, _mm_add_ps;
        sub: Floats, _mm_sub_ps;
        mul: Floats, _mm_mul_ps;
        div: Floats, _mm_div_ps;
        max: Floats, _mm_max_ps;
        min: Floats, _mm_min_ps;
        mul_doubles: Doubles, _mm_mul_pd;
        div_doubles: Doubles, _mm_div_pd;
        max_doubles: Doubles, _mm_max_pd;
        min_doubles: Doubles, _mm_min_pd;
        and: Ints, _mm_and_si128;
        xor: Ints, _mm_xor_si128;
        add_ints: Ints, _mm_add_epi32;
        sub_ints: Ints, _mm_sub_epi32;
        mul_ints: Ints, _mm_mullo_epi32;
        add_shorts: Shorts, _mm_add_epi16;
        sub_shorts: Shorts, _mm_sub_epi16;
        mul_shorts: Shorts, _mm_mullo_epi16;
        max_bytes: Bytes, _mm_max_epu8;
        or_bytes: Bytes, _mm_or_si128;
    ],
    sums: [_mm_setzero_si128, _mm_add_epi32, _mm_castps_si128, _mm_castpd_si128, _mm_srl_epi32, _mm_storeu_si128],
    {
        #[inline(always)]
        fn doubles_of(self, values: Self::Ints) -> Self::Doubles {
            // SAFETY: the token proves the instruction set.
            each!(Self::Doubles, n => unsafe {
                let ints = values[n / 2];
                _mm_cvtepi32_pd(if n % 2 == 0 { ints } else { _mm_unpackhi_epi64(ints, ints) })
            })
        }

        #[inline(always)]
        fn narrowed(self, values: Self::Doubles) -> Self::Floats {
            // SAFETY: the token proves the instruction set.
            each!(Self::Floats, n => unsafe { _mm_movelh_ps(_mm_cvtpd_ps(values[2 * n]), _mm_cvtpd_ps(values[2 * n + 1])) })
        }

        #[inline(always)]
        fn truncated_doubles(self, values: Self::Doubles) -> Self::Ints {
            // SAFETY: the token proves the instruction set.
            each!(Self::Ints, n => unsafe {
                _mm_unpacklo_epi64(_mm_cvttpd_epi32(values[2 * n]), _mm_cvttpd_epi32(values[2 * n + 1]))
            })
        }

        #[inline(always)]
        fn rounded_doubles(self, values: Self::Doubles) -> Self::Ints {
            // SAFETY: the token proves the instruction set.
            each!(Self::Ints, n => unsafe {
                _mm_unpacklo_epi64(_mm_cvtpd_epi32(values[2 * n]), _mm_cvtpd_epi32(values[2 * n + 1]))
            })
        }

        #[inline(always)]
        fn ints_of(self, bytes: __m128i) -> Self::Ints {
            // SAFETY: the token proves the instruction set.
            unsafe {
                [
                    _mm_cvtepu8_epi32(bytes),
                    _mm_cvtepu8_epi32(_mm_srli_si128::<4>(bytes)),
                    _mm_cvtepu8_epi32(_mm_srli_si128::<8>(bytes)),
                    _mm_cvtepu8_epi32(_mm_srli_si128::<12>(bytes)),
                ]
            }
        }

        #[inline(always)]
        fn bytes_of(self, values: Self::Ints) -> __m128i {
            // SAFETY: the token proves the instruction set.
            unsafe { _mm_packus_epi16(_mm_packs_epi32(values[0], values[1]), _mm_packs_epi32(values[2], values[3])) }
        }

        #[inline(always)]
        fn store_longs(self, values: Self::Ints, to: &mut [i64; GROUP]) {
            let (pairs, _) = to.as_chunks_mut::<2>();
            for (n, pair) in pairs.iter_mut().enumerate() {
                let ints = values[n / 2];
                // SAFETY: the token proves the instruction set; the array is as wide as the vector.
                unsafe {
                    let two = if n % 2 == 0 { ints } else { _mm_unpackhi_epi64(ints, ints) };
                    _mm_storeu_si128(pair.as_mut_ptr().cast(), _mm_cvtepi32_epi64(two));
                }
            }
        }

        #[inline(always)]
        fn shift_left(self, a: Self::Ints, bits: u32) -> Self::Ints {
            // SAFETY: the token proves the instruction set.
            each!(Self::Ints, n => unsafe { _mm_sll_epi32(a[n], _mm_cvtsi32_si128(bits as i32)) })
        }

        #[inline(always)]
        fn if_zero(self, condition: Self::Ints, a: Self::Ints, b: Self::Ints) -> Self::Ints {
            // SAFETY: the token proves the instruction set.
            each!(Self::Ints, n => unsafe {
                _mm_blendv_epi8(b[n], a[n], _mm_cmpeq_epi32(condition[n], _mm_setzero_si128()))
            })
        }

        #[inline(always)]
        fn shorts_of(self, bytes: &[u8; BYTES]) -> Self::Shorts {
            let (halves, _) = bytes.as_chunks::<16>();
            // SAFETY: the token proves the instruction set.
            each!(Self::Shorts, n => unsafe {
                let half = load16(self, &halves[n / 2]);
                _mm_cvtepu8_epi16(if n % 2 == 0 { half } else { _mm_unpackhi_epi64(half, half) })
            })
        }

        #[inline(always)]
        fn store_shorts(self, values: Self::Shorts, to: &mut [u8; BYTES]) {
            let (parts, _) = to.as_chunks_mut::<16>();
            for (n, part) in parts.iter_mut().enumerate() {
                // SAFETY: the token proves the instruction set.
                store16(self, unsafe { _mm_packus_epi16(values[2 * n], values[2 * n + 1]) }, part);
            }
        }

        #[inline(always)]
        fn zeros(self, values: Self::Bytes) -> u32 {
            let mut zeros = 0;
            for bytes in values {
                // SAFETY: the token proves the instruction set.
                zeros += unsafe { _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_setzero_si128())) }.count_ones();
            }
            zeros
        }

        #[inline(always)]
        fn sum_bytes(self, sums: Self::Sums, values: Self::Bytes) -> Self::Sums {
            // SAFETY: the token proves the instruction set.
            unsafe { _mm_add_epi32(_mm_add_epi32(sums, values[0]), values[1]) }
        }
    }
}
