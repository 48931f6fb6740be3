//! 512 bits, but for bytes, which AVX2 does as well.

use core::arch::x86_64::*;

use super::{BYTES, GROUP, Lanes, NEAREST, WORDS, each, lanes};
use crate::isa::Avx512F;

lanes! {
    Avx512F, 16, __m512, __m512d, __m512i, __m256i,
    splat: [
        floats: f32 as f32 => Floats, _mm512_set1_ps;
        doubles: f64 as f64 => Doubles, _mm512_set1_pd;
        ints: u32 as i32 => Ints, _mm512_set1_epi32;
        shorts: u16 as i16 => Shorts, _mm512_set1_epi16;
    ],
    load: [
        load_floats: [f32; GROUP] => Floats, _mm512_loadu_ps;
        load_doubles: [f64; GROUP] => Doubles, _mm512_loadu_pd;
        load_ints: [u32; GROUP] => Ints, _mm512_loadu_si512;
        load_words: [u8; WORDS] => Ints, _mm512_loadu_si512;
        load_bytes: [u8; BYTES] => Bytes, _mm256_loadu_si256;
    ],
    store: [
        store_floats: Floats => [f32; GROUP], _mm512_storeu_ps;
        store_doubles: Doubles => [f64; GROUP], _mm512_storeu_pd;
        store_ints: Ints => [u32; GROUP], _mm512_storeu_si512;
        store_bytes: Bytes => [u8; BYTES], _mm256_storeu_si256;
    ],
    unary: [
        nearest: Floats => Floats, _mm512_roundscale_ps::<NEAREST>;
        floats_of: Ints => Floats, _mm512_cvtepi32_ps;
        truncated: Floats => Ints, _mm512_cvttps_epi32;
        rounded: Floats => Ints, _mm512_cvtps_epi32;
        high_bytes: Shorts => Shorts, _mm512_srli_epi16::<8>;
    ],
    binary: [
        add: Floats, _mm512_add_ps;
        sub: Floats, _mm512_sub_ps;
        mul: Floats, _mm512_mul_ps;
        div: Floats, _mm512_div_ps;
        max: Floats, _mm512_max_ps;
        min: Floats, _mm512_min_ps;
        mul_doubles: Doubles, _mm512_mul_pd;
        div_doubles: Doubles, _mm512_div_pd;
        max_doubles: Doubles, _mm512_max_pd;
        min_doubles: Doubles, _mm512_min_pd;
        and: Ints, _mm512_and_si512;
        xor: Ints, _mm512_xor_si512;
        add_ints: Ints, _mm512_add_epi32;
        sub_ints: Ints, _mm512_sub_epi32;
        mul_ints: Ints, _mm512_mullo_epi32;
        add_shorts: Shorts, _mm512_add_epi16;
        sub_shorts: Shorts, _mm512_sub_epi16;
        mul_shorts: Shorts, _mm512_mullo_epi16;
        max_bytes: Bytes, _mm256_max_epu8;
        or_bytes: Bytes, _mm256_or_si256;
    ],
    sums: [
        _mm512_setzero_si512, _mm512_add_epi32, _mm512_castps_si512, _mm512_castpd_si512, _mm512_srl_epi32,
        _mm512_storeu_si512
    ],
    {
        #[inline(always)]
        fn doubles_of(self, values: Self::Ints) -> Self::Doubles {
            // SAFETY: the token proves the instruction set.
            unsafe {
                let [low, high] = halves(values[0]);
                [_mm512_cvtepi32_pd(low), _mm512_cvtepi32_pd(high)]
            }
        }

        #[inline(always)]
        fn narrowed(self, values: Self::Doubles) -> Self::Floats {
            // SAFETY: the token proves the instruction set.
            unsafe {
                let (low, high) = (_mm512_cvtpd_ps(values[0]), _mm256_castps_pd(_mm512_cvtpd_ps(values[1])));
                let low = _mm512_castps_pd(_mm512_castps256_ps512(low));
                [_mm512_castpd_ps(_mm512_insertf64x4::<1>(low, high))]
            }
        }

        #[inline(always)]
        fn truncated_doubles(self, values: Self::Doubles) -> Self::Ints {
            // SAFETY: the token proves the instruction set.
            unsafe { [whole([_mm512_cvttpd_epi32(values[0]), _mm512_cvttpd_epi32(values[1])])] }
        }

        #[inline(always)]
        fn rounded_doubles(self, values: Self::Doubles) -> Self::Ints {
            // SAFETY: the token proves the instruction set.
            unsafe { [whole([_mm512_cvtpd_epi32(values[0]), _mm512_cvtpd_epi32(values[1])])] }
        }

        #[inline(always)]
        fn ints_of(self, bytes: __m128i) -> Self::Ints {
            // SAFETY: the token proves the instruction set.
            unsafe { [_mm512_cvtepu8_epi32(bytes)] }
        }

        #[inline(always)]
        fn bytes_of(self, values: Self::Ints) -> __m128i {
            // SAFETY: the token proves the instruction set.
            unsafe { _mm512_cvtusepi32_epi8(_mm512_max_epi32(values[0], _mm512_setzero_si512())) }
        }

        #[inline(always)]
        fn store_longs(self, values: Self::Ints, to: &mut [i64; GROUP]) {
            let (eights, _) = to.as_chunks_mut::<8>();
            // SAFETY: the token proves the instruction set; each array is as wide as the vector.
            unsafe {
                for (eight, half) in eights.iter_mut().zip(halves(values[0])) {
                    _mm512_storeu_si512(eight.as_mut_ptr().cast(), _mm512_cvtepi32_epi64(half));
                }
            }
        }

        #[inline(always)]
        fn shift_left(self, a: Self::Ints, bits: u32) -> Self::Ints {
            // SAFETY: the token proves the instruction set.
            unsafe { [_mm512_sll_epi32(a[0], _mm_cvtsi32_si128(bits as i32))] }
        }

        #[inline(always)]
        fn if_zero(self, condition: Self::Ints, a: Self::Ints, b: Self::Ints) -> Self::Ints {
            // SAFETY: the token proves the instruction set.
            unsafe { [_mm512_mask_blend_epi32(_mm512_testn_epi32_mask(condition[0], condition[0]), b[0], a[0])] }
        }

        #[inline(always)]
        fn shorts_of(self, bytes: &[u8; BYTES]) -> Self::Shorts {
            // SAFETY: the token proves the instruction set.
            unsafe { [_mm512_cvtepu8_epi16(_mm256_loadu_si256(bytes.as_ptr().cast()))] }
        }

        #[inline(always)]
        fn store_shorts(self, values: Self::Shorts, to: &mut [u8; BYTES]) {
            // SAFETY: the token proves the instruction set; the array is as wide as the vector.
            unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), _mm512_cvtepi16_epi8(values[0])) };
        }

        #[inline(always)]
        fn zeros(self, values: Self::Bytes) -> u32 {
            // SAFETY: the token proves the instruction set.
            unsafe { _mm256_movemask_epi8(_mm256_cmpeq_epi8(values[0], _mm256_setzero_si256())).count_ones() }
        }

        #[inline(always)]
        fn sum_bytes(self, sums: Self::Sums, values: Self::Bytes) -> Self::Sums {
            // SAFETY: the token proves the instruction set.
            unsafe { _mm512_add_epi32(sums, _mm512_zextsi256_si512(values[0])) }
        }
    }
}

/// The two halves of a 512-bit vector.
#[inline(always)]
unsafe fn halves(vector: __m512i) -> [__m256i; 2] {
    // SAFETY: the caller has AVX-512.
    unsafe { [_mm512_castsi512_si256(vector), _mm512_extracti64x4_epi64::<1>(vector)] }
}

/// A 512-bit vector of two halves.
#[inline(always)]
unsafe fn whole([low, high]: [__m256i; 2]) -> __m512i {
    // SAFETY: the caller has AVX-512.
    unsafe { _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high) }
}
