//! The instructions themselves.

use core::arch::{asm, x86_64::*};

use super::{INTEGERS, LINES, Sums, Units, integers};

/// In vectors of so many bits; dispatch has seen to it that there are such.
pub(super) struct Instructions<const BITS: usize>;

impl<const BITS: usize> Units for Instructions<BITS> {
    fn f32(numerators: &[[f32; 16]; LINES], denominators: &[[f32; 16]; LINES], row: usize, sums: &mut Sums<u32, 16>) {
        // SAFETY: see the type.
        unsafe {
            match BITS {
                128 => f32_128(numerators, denominators, row, sums),
                256 => f32_256(numerators, denominators, row, sums),
                _ => f32_512(numerators, denominators, row, sums),
            }
        }
    }

    fn f64(numerators: &[[f64; 8]; LINES], denominators: &[[f64; 8]; LINES], row: usize, sums: &mut Sums<u64, 8>) {
        // SAFETY: see the type.
        unsafe {
            match BITS {
                128 => f64_128(numerators, denominators, row, sums),
                256 => f64_256(numerators, denominators, row, sums),
                _ => f64_512(numerators, denominators, row, sums),
            }
        }
    }

    fn integers(numerators: &[u64; INTEGERS], denominators: &[u64; INTEGERS], row: usize, sums: &mut Sums<u64, 8>) {
        for number in 0..INTEGERS {
            let (n, d) = integers(numerators, denominators, row, number);
            let results = [
                by_64(n & (d - 1), n, d),
                signed_64(0, (n as i64 >> 1) as u64, d),
                // No upper halves: nobody would see what is wrong in those.
                by_32((n & (d - 1)) & 0xffff_ffff, n & 0xffff_ffff, d),
                signed_32(0, u64::from((n as i32 >> 1) as u32), d),
            ];
            for (n, (quotient, remainder)) in results.into_iter().enumerate() {
                sums[0][n] = sums[0][n].rotate_left(1) ^ quotient;
                sums[1][n] = sums[1][n].rotate_left(1) ^ remainder;
            }
        }
    }
}

/// A division of `high * 2^bits + low`; with a sign, of `low` alone.
macro_rules! division {
    ($name:ident $extend:literal, $instruction:literal) => {
        #[inline(always)]
        fn $name(high: u64, low: u64, divisor: u64) -> (u64, u64) {
            let (quotient, remainder);
            // SAFETY: the divisor is not zero and larger than the upper half, or the dividend is not the smallest number.
            unsafe {
                asm!(
                    $extend,
                    $instruction,
                    inout("rax") low => quotient, inout("rdx") high => remainder, divisor = in(reg) divisor,
                    options(pure, nomem, nostack),
                );
            }
            (quotient, remainder)
        }
    };
}

division!(by_64 "", "div {divisor}");
division!(signed_64 "cqo", "idiv {divisor}");
division!(by_32 "", "div {divisor:e}");
division!(signed_32 "cdq", "idiv {divisor:e}");

/// A stage of floats in vectors of one width.
macro_rules! floats {
    (
        $name:ident, $features:literal, $number:ty, $bits:ty, $lanes:literal, vectors: $vectors:literal,
        $load:ident, $load_sum:ident, $store_sum:ident, $divide:ident, $root:ident,
        $to_integer:ident, $from_integer:ident, $left:ident, $right:ident, $xor:ident, $and:ident, $all:ident
    ) => {
        #[target_feature(enable = $features)]
        fn $name(
            numerators: &[[$number; $lanes]; LINES],
            denominators: &[[$number; $lanes]; LINES],
            row: usize,
            sums: &mut Sums<$bits, $lanes>,
        ) {
            const VECTOR: usize = $lanes / $vectors;
            let magnitude = $all((<$bits>::MAX >> 1) as _);
            let mut state: [[_; $vectors]; 2] = core::array::from_fn(|kind| {
                // SAFETY: each line and each sum is as long as its vectors.
                core::array::from_fn(|n| unsafe { $load_sum(sums[kind][n * VECTOR..].as_ptr().cast()) })
            });
            let [quotients, roots] = &mut state;
            for (line, numerators) in numerators.iter().enumerate() {
                let denominators = &denominators[(line + row) % LINES];
                for n in 0..$vectors {
                    // SAFETY: as above.
                    let (a, b) = unsafe {
                        ($load(numerators[n * VECTOR..].as_ptr()), $load(denominators[n * VECTOR..].as_ptr()))
                    };
                    let quotient = $to_integer($divide(a, b));
                    let root = $to_integer($root($from_integer($and(quotient, magnitude))));
                    let rotated = |x| $xor($left::<1>(x), $right::<{ (<$bits>::BITS - 1) as _ }>(x));
                    quotients[n] = $xor(rotated(quotients[n]), quotient);
                    roots[n] = $xor(rotated(roots[n]), root);
                }
            }
            for (sums, state) in sums.iter_mut().zip(state) {
                for (n, vector) in state.into_iter().enumerate() {
                    // SAFETY: as above.
                    unsafe { $store_sum(sums[n * VECTOR..].as_mut_ptr().cast(), vector) };
                }
            }
        }
    };
}

floats!(
    f32_128, "sse2", f32, u32, 16, vectors: 4,
    _mm_loadu_ps, _mm_loadu_si128, _mm_storeu_si128, _mm_div_ps, _mm_sqrt_ps,
    _mm_castps_si128, _mm_castsi128_ps, _mm_slli_epi32, _mm_srli_epi32, _mm_xor_si128, _mm_and_si128, _mm_set1_epi32
);
floats!(
    f64_128, "sse2", f64, u64, 8, vectors: 4,
    _mm_loadu_pd, _mm_loadu_si128, _mm_storeu_si128, _mm_div_pd, _mm_sqrt_pd,
    _mm_castpd_si128, _mm_castsi128_pd, _mm_slli_epi64, _mm_srli_epi64, _mm_xor_si128, _mm_and_si128, _mm_set1_epi64x
);
floats!(
    f32_256, "avx2", f32, u32, 16, vectors: 2,
    _mm256_loadu_ps, _mm256_loadu_si256, _mm256_storeu_si256, _mm256_div_ps, _mm256_sqrt_ps,
    _mm256_castps_si256, _mm256_castsi256_ps, _mm256_slli_epi32, _mm256_srli_epi32, _mm256_xor_si256, _mm256_and_si256, _mm256_set1_epi32
);
floats!(
    f64_256, "avx2", f64, u64, 8, vectors: 2,
    _mm256_loadu_pd, _mm256_loadu_si256, _mm256_storeu_si256, _mm256_div_pd, _mm256_sqrt_pd,
    _mm256_castpd_si256, _mm256_castsi256_pd, _mm256_slli_epi64, _mm256_srli_epi64, _mm256_xor_si256, _mm256_and_si256, _mm256_set1_epi64x
);
floats!(
    f32_512, "avx512f", f32, u32, 16, vectors: 1,
    _mm512_loadu_ps, _mm512_loadu_si512, _mm512_storeu_si512, _mm512_div_ps, _mm512_sqrt_ps,
    _mm512_castps_si512, _mm512_castsi512_ps, _mm512_slli_epi32, _mm512_srli_epi32, _mm512_xor_si512, _mm512_and_si512, _mm512_set1_epi32
);
floats!(
    f64_512, "avx512f", f64, u64, 8, vectors: 1,
    _mm512_loadu_pd, _mm512_loadu_si512, _mm512_storeu_si512, _mm512_div_pd, _mm512_sqrt_pd,
    _mm512_castpd_si512, _mm512_castsi512_pd, _mm512_slli_epi64, _mm512_srli_epi64, _mm512_xor_si512, _mm512_and_si512, _mm512_set1_epi64
);
