//! The two passes. An accumulator starts at one half and takes `weight * byte` tap by tap; sums are exact in 32 bits
//! (wrapping is never reached), so the order within one does not matter.

use super::{
    CHANNELS,
    coefficients::{Coefficients, HALF, PRECISION},
};
use crate::{gemm::no_such_variant, isa::Token};

/// `output[row][x] = Σ input[row][tap] * weight`, with each row's sum of accumulators. `input` has slack behind its last
/// row.
pub(super) fn horizontal(
    token: Token,
    across: &Coefficients,
    input: &[u8],
    from_row: usize,
    output: &mut [u8],
    sums: &mut [u32],
) {
    let to_row = across.len() * CHANNELS;
    for (row, sum) in sums.iter_mut().enumerate() {
        let source = &input[row * from_row..];
        let target = &mut output[row * to_row..][..to_row];
        *sum = match token {
            Token::Scalar => scalar_row(across, source, target),
            #[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
            // SAFETY: the token proves that this CPU and OS have the instruction set.
            Token::Avx2Fma(_) => unsafe { vector::row_avx2(across, source, target) },
            #[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
            // SAFETY: the token proves that this CPU and OS have the instruction set.
            Token::Avx512F(_) => unsafe { vector::row_avx512(across, source, target) },
            token => no_such_variant("resize-lanczos-u8", token),
        };
    }
}

/// `output[y] = Σ input[tap] * weight`, with each row's sum of accumulators; `first` is the source row that `input` begins
/// with.
pub(super) fn vertical(
    token: Token,
    down: &Coefficients,
    first: usize,
    input: &[u8],
    row: usize,
    output: &mut [u8],
    sums: &mut [u32],
) {
    for (y, (target, sum)) in output.chunks_exact_mut(row).zip(sums).enumerate() {
        let taps = down.taps(y);
        let source = &input[(taps.start - first) * row..];
        *sum = match token {
            Token::Scalar => scalar_columns(taps.weights, source, row, 0, target),
            #[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
            // SAFETY: the token proves that this CPU and OS have the instruction set.
            Token::Avx2Fma(_) => unsafe { vector::columns_avx2(taps.weights, source, row, target) },
            #[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
            // SAFETY: the token proves that this CPU and OS have the instruction set.
            Token::Avx512F(_) => unsafe { vector::columns_avx512(taps.weights, source, row, target) },
            token => no_such_variant("resize-lanczos-u8", token),
        };
    }
}

/// Pillow's clip8: the arithmetic shift, then 0 to 255.
#[inline]
fn to_byte(accumulator: i32) -> u8 {
    (accumulator >> PRECISION).clamp(0, 255) as u8
}

/// The reference of the horizontal pass. Order: taps from left to right, channel by channel.
fn scalar_row(across: &Coefficients, source: &[u8], target: &mut [u8]) -> u32 {
    let mut sum = 0u32;
    for (x, pixel) in target.chunks_exact_mut(CHANNELS).enumerate() {
        let taps = across.taps(x);
        for (channel, value) in pixel.iter_mut().enumerate() {
            let bytes = source[taps.start * CHANNELS + channel..].iter().step_by(CHANNELS);
            let accumulator =
                taps.weights.iter().zip(bytes).fold(HALF, |a, (&w, &byte)| a.wrapping_add(w * i32::from(byte)));
            sum = sum.wrapping_add(accumulator as u32);
            *value = to_byte(accumulator);
        }
    }
    sum
}

/// The reference of the vertical pass, from byte `from` of the row on. Order: taps from top to bottom.
fn scalar_columns(weights: &[i32], source: &[u8], row: usize, from: usize, target: &mut [u8]) -> u32 {
    let mut sum = 0u32;
    for (x, value) in target.iter_mut().enumerate().skip(from) {
        let bytes = source[x..].iter().step_by(row);
        let accumulator = weights.iter().zip(bytes).fold(HALF, |a, (&w, &byte)| a.wrapping_add(w * i32::from(byte)));
        sum = sum.wrapping_add(accumulator as u32);
        *value = to_byte(accumulator);
    }
    sum
}

#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
mod vector {
    use core::arch::x86_64::*;

    use super::*;

    /// RGB of two pixels to the low 8 bytes, RGB of four to all 16, a zero after each.
    const SPREAD: [i8; 16] = [0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1];

    /// Sixteen bytes from `bytes[at]` on.
    #[inline]
    #[target_feature(enable = "sse2")]
    fn load16(bytes: &[u8], at: usize) -> __m128i {
        let window: &[u8; 16] = bytes[at..at + 16].try_into().expect("sixteen bytes");
        // SAFETY: the array is as wide as the vector, and the load needs no alignment.
        unsafe { _mm_loadu_si128(window.as_ptr().cast()) }
    }

    /// Rounds a pixel's accumulators (R, G, B, nothing) to bytes; returns their sum.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn finish_pixel(accumulators: __m128i, pixel: &mut [u8]) -> u32 {
        let accumulators = _mm_add_epi32(accumulators, _mm_setr_epi32(HALF, HALF, HALF, 0));
        let shifted = _mm_srai_epi32::<{ PRECISION as i32 }>(accumulators);
        let bytes = _mm_packus_epi16(_mm_packs_epi32(shifted, shifted), shifted);
        pixel.copy_from_slice(&(_mm_cvtsi128_si32(bytes) as u32).to_le_bytes()[..CHANNELS]);
        let pairs = _mm_add_epi32(accumulators, _mm_shuffle_epi32::<0b01_00_11_10>(accumulators));
        let all = _mm_add_epi32(pairs, _mm_shuffle_epi32::<0b10_11_00_01>(pairs));
        _mm_cvtsi128_si32(all) as u32
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn row_avx2(across: &Coefficients, source: &[u8], target: &mut [u8]) -> u32 {
        // SAFETY: the array is as wide as the vector.
        let spread = unsafe { _mm_loadu_si128(SPREAD.as_ptr().cast()) };
        let mut sum = 0u32;
        for (x, pixel) in target.chunks_exact_mut(CHANNELS).enumerate() {
            let taps = across.taps(x);
            let mut accumulators = _mm256_setzero_si256();
            let (groups, _) = taps.padded.as_chunks::<4>();
            for (group, weights) in groups.iter().enumerate() {
                let at = (taps.start + 4 * group) * CHANNELS;
                let pixels = _mm_shuffle_epi8(load16(source, at), spread);
                let (first, second) =
                    (_mm256_cvtepu8_epi32(pixels), _mm256_cvtepu8_epi32(_mm_unpackhi_epi64(pixels, pixels)));
                let weight = |a: i32, b: i32| _mm256_setr_epi32(a, a, a, a, b, b, b, b);
                let first = _mm256_mullo_epi32(first, weight(weights[0], weights[1]));
                let second = _mm256_mullo_epi32(second, weight(weights[2], weights[3]));
                accumulators = _mm256_add_epi32(accumulators, _mm256_add_epi32(first, second));
            }
            let (low, high) = (_mm256_castsi256_si128(accumulators), _mm256_extracti128_si256::<1>(accumulators));
            sum = sum.wrapping_add(finish_pixel(_mm_add_epi32(low, high), pixel));
        }
        sum
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) fn row_avx512(across: &Coefficients, source: &[u8], target: &mut [u8]) -> u32 {
        // SAFETY: the array is as wide as the vector.
        let spread = unsafe { _mm_loadu_si128(SPREAD.as_ptr().cast()) };
        let each = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
        let mut sum = 0u32;
        for (x, pixel) in target.chunks_exact_mut(CHANNELS).enumerate() {
            let taps = across.taps(x);
            let mut accumulators = _mm512_setzero_si512();
            let (groups, _) = taps.padded.as_chunks::<4>();
            for (group, weights) in groups.iter().enumerate() {
                let at = (taps.start + 4 * group) * CHANNELS;
                let pixels = _mm512_cvtepu8_epi32(_mm_shuffle_epi8(load16(source, at), spread));
                // SAFETY: the array is as wide as the vector.
                let four = unsafe { _mm_loadu_si128(weights.as_ptr().cast()) };
                let weights = _mm512_permutexvar_epi32(each, _mm512_castsi128_si512(four));
                accumulators = _mm512_add_epi32(accumulators, _mm512_mullo_epi32(pixels, weights));
            }
            let halves =
                _mm256_add_epi32(_mm512_castsi512_si256(accumulators), _mm512_extracti64x4_epi64::<1>(accumulators));
            let (low, high) = (_mm256_castsi256_si128(halves), _mm256_extracti128_si256::<1>(halves));
            sum = sum.wrapping_add(finish_pixel(_mm_add_epi32(low, high), pixel));
        }
        sum
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn columns_avx2(weights: &[i32], source: &[u8], row: usize, target: &mut [u8]) -> u32 {
        let mut sums = _mm256_setzero_si256();
        let (vectors, _) = target.as_chunks_mut::<16>();
        let done = vectors.len() * 16;
        for (vector, bytes) in vectors.iter_mut().enumerate() {
            let mut low = _mm256_set1_epi32(HALF);
            let mut high = low;
            for (tap, &weight) in weights.iter().enumerate() {
                let pixels = load16(source, tap * row + vector * 16);
                let weight = _mm256_set1_epi32(weight);
                low = _mm256_add_epi32(low, _mm256_mullo_epi32(_mm256_cvtepu8_epi32(pixels), weight));
                let upper = _mm256_cvtepu8_epi32(_mm_unpackhi_epi64(pixels, pixels));
                high = _mm256_add_epi32(high, _mm256_mullo_epi32(upper, weight));
            }
            sums = _mm256_add_epi32(sums, _mm256_add_epi32(low, high));
            let low = _mm256_srai_epi32::<{ PRECISION as i32 }>(low);
            let high = _mm256_srai_epi32::<{ PRECISION as i32 }>(high);
            // Packing works within halves: put the quarters back in order.
            let words = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(low, high));
            let packed = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
            // SAFETY: the array is as wide as the vector, and the store needs no alignment.
            unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), packed) };
        }
        let mut lanes = [0u32; 8];
        // SAFETY: the array is as wide as the vector, and the store needs no alignment.
        unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), sums) };
        let sum = lanes.iter().fold(0u32, |sum, lane| sum.wrapping_add(*lane));
        sum.wrapping_add(scalar_columns(weights, source, row, done, target))
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) fn columns_avx512(weights: &[i32], source: &[u8], row: usize, target: &mut [u8]) -> u32 {
        let mut sums = _mm512_setzero_si512();
        let (vectors, _) = target.as_chunks_mut::<16>();
        let done = vectors.len() * 16;
        for (vector, bytes) in vectors.iter_mut().enumerate() {
            let mut accumulators = _mm512_set1_epi32(HALF);
            for (tap, &weight) in weights.iter().enumerate() {
                let pixels = _mm512_cvtepu8_epi32(load16(source, tap * row + vector * 16));
                accumulators = _mm512_add_epi32(accumulators, _mm512_mullo_epi32(pixels, _mm512_set1_epi32(weight)));
            }
            sums = _mm512_add_epi32(sums, accumulators);
            let shifted = _mm512_srai_epi32::<PRECISION>(accumulators);
            let packed = _mm512_cvtusepi32_epi8(_mm512_max_epi32(shifted, _mm512_setzero_si512()));
            // SAFETY: the array is as wide as the vector, and the store needs no alignment.
            unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), packed) };
        }
        let sum = _mm512_reduce_add_epi32(sums) as u32;
        sum.wrapping_add(scalar_columns(weights, source, row, done, target))
    }
}
