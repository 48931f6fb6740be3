//! 256 bits.

use core::arch::x86_64::*;

use super::{BYTES, GROUP, Lanes, NEAREST, WORDS, each, lanes, load16};
use crate::isa::Avx2Fma;

lanes! {
    Avx2Fma, 8, __m256, __m256d, __m256i, __m256i,
    splat: [
        floats: f32 as f32 => Floats, _mm256_set1_ps;
        doubles: f64 as f64 => Doubles, _mm256_set1_pd;
        ints: u32 as i32 => Ints, _mm256_set1_epi32;
        shorts: u16 as i16 => Shorts, _mm256_set1_epi16;
    ],
    load: [
        load_floats: [f32; GROUP] => Floats, _mm256_loadu_ps;
        load_doubles: [f64; GROUP] => Doubles, _mm256_loadu_pd;
        load_ints: [u32; GROUP] => Ints, _mm256_loadu_si256;
        load_words: [u8; WORDS] => Ints, _mm256_loadu_si256;
        load_bytes: [u8; BYTES] => Bytes, _mm256_loadu_si256;
    ],
    store: [
        store_floats: Floats => [f32; GROUP], _mm256_storeu_ps;
        store_doubles: Doubles => [f64; GROUP], _mm256_storeu_pd;
        store_ints: Ints => [u32; GROUP], _mm256_storeu_si256;
        store_bytes: Bytes => [u8; BYTES], _mm256_storeu_si256;
    ],
    unary: [
        nearest: Floats => Floats, _mm256_round_ps::<NEAREST>;
        floats_of: Ints => Floats, _mm256_cvtepi32_ps;
        truncated: Floats => Ints, _mm256_cvttps_epi32;
        rounded: Floats => Ints, _mm256_cvtps_epi32;
        high_bytes: Shorts => Shorts, _mm256_srli_epi16::<8>;
    ],
    binary: [
        add: Floats, _mm256_add_ps;
        sub: Floats, _mm256_sub_ps;
        mul: Floats, _mm256_mul_ps;
        div: Floats, _mm256_div_ps;
        max: Floats, _mm256_max_ps;
        min: Floats, _mm256_min_ps;
        mul_doubles: Doubles, _mm256_mul_pd;
        div_doubles: Doubles, _mm256_div_pd;
        max_doubles: Doubles, _mm256_max_pd;
        min_doubles: Doubles, _mm256_min_pd;
        and: Ints, _mm256_and_si256;
        xor: Ints, _mm256_xor_si256;
        add_ints: Ints, _mm256_add_epi32;
        sub_ints: Ints, _mm256_sub_epi32;
        mul_ints: Ints, _mm256_mullo_epi32;
        add_shorts: Shorts, _mm256_add_epi16;
        sub_shorts: Shorts, _mm256_sub_epi16;
        mul_shorts: Shorts, _mm256_mullo_epi16;
        max_bytes: Bytes, _mm256_max_epu8;
        or_bytes: Bytes, _mm256_or_si256;
    ],
    sums: [
        _mm256_setzero_si256, _mm256_add_epi32, _mm256_castps_si256, _mm256_castpd_si256, _mm256_srl_epi32,
        _mm256_storeu_si256
    ],
    {
        #[inline(always)]
        fn doubles_of(self, values: Self::Ints) -> Self::Doubles {
            // SAFETY: the token proves the instruction set.
            each!(Self::Doubles, n => unsafe { _mm256_cvtepi32_pd(quarters(values[n / 2])[n % 2]) })
        }

        #[inline(always)]
        fn narrowed(self, values: Self::Doubles) -> Self::Floats {
            // SAFETY: the token proves the instruction set.
            each!(Self::Floats, n => unsafe { _mm256_set_m128(_mm256_cvtpd_ps(values[2 * n + 1]), _mm256_cvtpd_ps(values[2 * n])) })
        }

        #[inline(always)]
        fn truncated_doubles(self, values: Self::Doubles) -> Self::Ints {
            // SAFETY: the token proves the instruction set.
            each!(Self::Ints, n => unsafe {
                _mm256_set_m128i(_mm256_cvttpd_epi32(values[2 * n + 1]), _mm256_cvttpd_epi32(values[2 * n]))
            })
        }

        #[inline(always)]
        fn rounded_doubles(self, values: Self::Doubles) -> Self::Ints {
            // SAFETY: the token proves the instruction set.
            each!(Self::Ints, n => unsafe {
                _mm256_set_m128i(_mm256_cvtpd_epi32(values[2 * n + 1]), _mm256_cvtpd_epi32(values[2 * n]))
            })
        }

        #[inline(always)]
        fn ints_of(self, bytes: __m128i) -> Self::Ints {
            // SAFETY: the token proves the instruction set.
            unsafe { [_mm256_cvtepu8_epi32(bytes), _mm256_cvtepu8_epi32(_mm_unpackhi_epi64(bytes, bytes))] }
        }

        #[inline(always)]
        fn bytes_of(self, values: Self::Ints) -> __m128i {
            // SAFETY: the token proves the instruction set.
            unsafe {
                // Packing works within halves: put the quarters back in order.
                let words = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(values[0], values[1]));
                let [low, high] = quarters(words);
                _mm_packus_epi16(low, high)
            }
        }

        #[inline(always)]
        fn store_longs(self, values: Self::Ints, to: &mut [i64; GROUP]) {
            let (quads, _) = to.as_chunks_mut::<4>();
            for (n, quad) in quads.iter_mut().enumerate() {
                // SAFETY: the token proves the instruction set; the array is as wide as the vector.
                unsafe {
                    let longs = _mm256_cvtepi32_epi64(quarters(values[n / 2])[n % 2]);
                    _mm256_storeu_si256(quad.as_mut_ptr().cast(), longs);
                }
            }
        }

        #[inline(always)]
        fn shift_left(self, a: Self::Ints, bits: u32) -> Self::Ints {
            // SAFETY: the token proves the instruction set.
            each!(Self::Ints, n => unsafe { _mm256_sll_epi32(a[n], _mm_cvtsi32_si128(bits as i32)) })
        }

        #[inline(always)]
        fn if_zero(self, condition: Self::Ints, a: Self::Ints, b: Self::Ints) -> Self::Ints {
            // SAFETY: the token proves the instruction set.
            each!(Self::Ints, n => unsafe {
                _mm256_blendv_epi8(b[n], a[n], _mm256_cmpeq_epi32(condition[n], _mm256_setzero_si256()))
            })
        }

        #[inline(always)]
        fn shorts_of(self, bytes: &[u8; BYTES]) -> Self::Shorts {
            let (halves, _) = bytes.as_chunks::<16>();
            // SAFETY: the token proves the instruction set.
            each!(Self::Shorts, n => unsafe { _mm256_cvtepu8_epi16(load16(self, &halves[n])) })
        }

        #[inline(always)]
        fn store_shorts(self, values: Self::Shorts, to: &mut [u8; BYTES]) {
            // SAFETY: the token proves the instruction set; the array is as wide as the vector.
            unsafe {
                let bytes = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packus_epi16(values[0], values[1]));
                _mm256_storeu_si256(to.as_mut_ptr().cast(), bytes);
            }
        }

        #[inline(always)]
        fn zeros(self, values: Self::Bytes) -> u32 {
            // SAFETY: the token proves the instruction set.
            unsafe { _mm256_movemask_epi8(_mm256_cmpeq_epi8(values[0], _mm256_setzero_si256())).count_ones() }
        }

        #[inline(always)]
        fn sum_bytes(self, sums: Self::Sums, values: Self::Bytes) -> Self::Sums {
            // SAFETY: the token proves the instruction set.
            unsafe { _mm256_add_epi32(sums, values[0]) }
        }
    }
}

/// The two halves of a 256-bit vector.
#[inline(always)]
unsafe fn quarters(vector: __m256i) -> [__m128i; 2] {
    // SAFETY: the caller has AVX2.
    unsafe { [_mm256_castsi256_si128(vector), _mm256_extracti128_si256::<1>(vector)] }
}
