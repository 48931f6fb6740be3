//! The float resize in vectors; see `resize/float.rs` for the arithmetic. The horizontal pass has a pixel in four lanes, of which
//! the last takes a sample of the pixel behind it: all are summed. A chain begins with its first product, which is what +0 and that product add up to: samples are never -0. A
//! zero in a register would hide what is wrong with it, because it would round away.

use crate::{
    gemm::no_such_variant,
    isa::Token,
    resize::float::{BLOCK, CHANNELS, SLACK, Weights},
};

macro_rules! passes {
    (
        $name:ident, $features:literal, $vector:ident, $pixels:literal, $lanes:literal, load: $load:ident, store: $store:ident,
        splat: $splat:ident, times: $times:ident, fused: $fused:ident,
        bits: $bits:ident, no_bits: $no_bits:ident, add_bits: $add_bits:ident, store_bits: $store_bits:ident,
        gather: |$from:ident, $at:ident| $gather:expr, scatter: |$to:ident, $v:ident| $scatter:expr,
    ) => {
        mod $name {
            use core::arch::x86_64::*;

            use super::{super::opaque, BLOCK, CHANNELS, SLACK, Weights};

            #[target_feature(enable = $features)]
            pub(super) fn across(table: &Weights, source: &[f32], target: &mut [f32], width: usize) -> u32 {
                let padded = width.next_multiple_of($pixels);
                let last = table.starts.iter().fold(0, |last, start| last.max(*start)) as usize + table.taps;
                assert!(source.len() > last * CHANNELS && target.len() >= width * CHANNELS + SLACK);
                assert!(table.starts.len() >= padded && table.spread.len() >= padded * table.taps);
                // Goes through the whole table.
                let mut next_weights = 0;
                let mut summed = $no_bits();
                for first in (0..padded).step_by($pixels) {
                    let mut step = 0;
                    let mut sample = || {
                        let $at = |pixel: usize| {
                            // SAFETY: the assert above.
                            let start = unsafe { *table.starts.get_unchecked(first + pixel) };
                            start as usize * CHANNELS + step
                        };
                        // SAFETY: the asserts above: a pixel and the sample behind it lie in the source, weights in the table.
                        unsafe {
                            let values = {
                                let $from = source.as_ptr();
                                $gather
                            };
                            let weights = {
                                let $from = table.spread.as_ptr().cast::<f32>();
                                let $at = |pixel: usize| next_weights + pixel * table.taps * 4;
                                $gather
                            };
                            next_weights = opaque(next_weights + 4);
                            step = opaque(step + CHANNELS);
                            (weights, values)
                        }
                    };
                    let (weights, values) = sample();
                    let mut sums = $times(weights, values);
                    for _ in 1..table.taps {
                        let (weights, values) = sample();
                        sums = $fused(weights, values, sums);
                    }
                    if first < table.followed {
                        summed = $add_bits(summed, $bits(sums));
                    }
                    // Past those of the pixels beside the first.
                    next_weights += ($pixels - 1) * table.taps * 4;
                    // SAFETY: the row has room for a vector behind its last pixel.
                    unsafe {
                        let $to = target.as_mut_ptr().add(first * CHANNELS);
                        let $v = sums;
                        $scatter
                    }
                }
                let mut lanes = [0u32; $lanes];
                // SAFETY: the array is as wide as the vector.
                unsafe { $store_bits(lanes.as_mut_ptr().cast(), summed) };
                lanes.into_iter().fold(0, u32::wrapping_add)
            }

            #[inline]
            #[target_feature(enable = $features)]
            fn store(sums: [$vector; 4], to: &mut [f32; 4 * $lanes]) {
                for (vector, sum) in sums.into_iter().enumerate() {
                    // SAFETY: four vectors.
                    unsafe { $store(to.as_mut_ptr().add(vector * $lanes), sum) };
                }
            }

            #[target_feature(enable = $features)]
            pub(super) fn down(weights: &[f32], rows: &[f32], stride: usize, target: &mut [f32]) {
                let padded = target.len().next_multiple_of(BLOCK);
                assert!(rows.len() >= (weights.len() - 1) * stride + padded);
                for (block, target) in target.chunks_mut(4 * $lanes).enumerate() {
                    let values = |tap: usize, vector: usize| {
                        let at = tap * stride + (block * 4 + vector) * $lanes;
                        // SAFETY: the assert above, and a block is a multiple of four vectors.
                        unsafe { $load(rows.as_ptr().add(at)) }
                    };
                    let weight = $splat(weights[0]);
                    let mut sums: [_; 4] = core::array::from_fn(|vector| $times(weight, values(0, vector)));
                    for tap in 1..weights.len() {
                        let weight = $splat(weights[tap]);
                        for (vector, sum) in sums.iter_mut().enumerate() {
                            *sum = $fused(weight, values(tap, vector), *sum);
                        }
                    }
                    if let Ok(target) = <&mut [f32; 4 * $lanes]>::try_from(&mut *target) {
                        store(sums, target);
                    } else {
                        let mut last = [0f32; 4 * $lanes];
                        store(sums, &mut last);
                        target.copy_from_slice(&last[..target.len()]);
                    }
                }
            }
        }
    };
}

passes! {
    avx2, "avx2,fma", __m256, 2, 8, load: _mm256_loadu_ps, store: _mm256_storeu_ps,
    splat: _mm256_set1_ps, times: _mm256_mul_ps, fused: _mm256_fmadd_ps,
    bits: _mm256_castps_si256, no_bits: _mm256_setzero_si256, add_bits: _mm256_add_epi32, store_bits: _mm256_storeu_si256,
    gather: |from, at| _mm256_insertf128_ps::<1>(
        _mm256_castps128_ps256(_mm_loadu_ps(from.add(at(0)))), _mm_loadu_ps(from.add(at(1)))),
    scatter: |to, v| {
        _mm_storeu_ps(to, _mm256_castps256_ps128(v));
        _mm_storeu_ps(to.add(CHANNELS), _mm256_extractf128_ps::<1>(v));
    },
}

passes! {
    avx512, "avx512f,avx512bw", __m512, 4, 16, load: _mm512_loadu_ps, store: _mm512_storeu_ps,
    splat: _mm512_set1_ps, times: _mm512_mul_ps, fused: _mm512_fmadd_ps,
    bits: _mm512_castps_si512, no_bits: _mm512_setzero_si512, add_bits: _mm512_add_epi32, store_bits: _mm512_storeu_si512,
    gather: |from, at| {
        let pair = |n: usize| _mm256_insertf128_ps::<1>(
            _mm256_castps128_ps256(_mm_loadu_ps(from.add(at(n)))), _mm_loadu_ps(from.add(at(n + 1))));
        let (low, high) = (_mm256_castps_pd(pair(0)), _mm256_castps_pd(pair(2)));
        _mm512_castpd_ps(_mm512_insertf64x4::<1>(_mm512_castpd256_pd512(low), high))
    },
    scatter: |to, v| {
        _mm_storeu_ps(to, _mm512_extractf32x4_ps::<0>(v));
        _mm_storeu_ps(to.add(CHANNELS), _mm512_extractf32x4_ps::<1>(v));
        _mm_storeu_ps(to.add(2 * CHANNELS), _mm512_extractf32x4_ps::<2>(v));
        _mm_storeu_ps(to.add(3 * CHANNELS), _mm512_extractf32x4_ps::<3>(v));
    },
}

macro_rules! dispatch {
    ($token:ident, $function:ident($($argument:expr),*)) => {
        match $token {
            // SAFETY: the token proves that this CPU and OS have the instruction set.
            Token::Avx2Fma(_) => unsafe { avx2::$function($($argument),*) },
            // SAFETY: as above.
            Token::Avx512F(_) => unsafe { avx512::$function($($argument),*) },
            token => no_such_variant("resize-lanczos-f32", token),
        }
    };
}

/// A row of `width` pixels with slack behind it; returns what the reference returns.
pub(in crate::resize) fn across(
    token: Token,
    table: &Weights,
    source: &[f32],
    target: &mut [f32],
    width: usize,
) -> u32 {
    dispatch!(token, across(table, source, target, width))
}

/// A target row from `rows`, which begin with the first tap's.
pub(in crate::resize) fn down(token: Token, weights: &[f32], rows: &[f32], stride: usize, target: &mut [f32]) {
    dispatch!(token, down(weights, rows, stride, target))
}
