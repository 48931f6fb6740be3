//! Four bytes a lane times four weights, summed: in two sums of 16-bit halves or three sums of signed bytes, which are put
//! together at the end. All of it is exact modulo 2^32.

macro_rules! dot_words {
    ($name:ident, $wide:ident, $features:literal) => {
        pub(super) mod $name {
            use super::super::wide::$wide::*;
            use crate::resize::tables::Split;

            pub(in super::super) const PLANES: usize = Split::Words.planes();
            pub(in super::super) type Sums = [V; 2];

            #[inline]
            #[target_feature(enable = $features)]
            pub(in super::super) fn begin(first: V) -> Sums {
                [first, zero()]
            }

            #[inline]
            #[target_feature(enable = $features)]
            pub(in super::super) fn add_taps([low, high]: Sums, bytes: V, weights: [V; PLANES]) -> Sums {
                let (even, odd) = (even_bytes(bytes), odd_bytes(bytes));
                let low = add_products(add_products(low, even, weights[0]), odd, weights[1]);
                let high = add_products(add_products(high, even, weights[2]), odd, weights[3]);
                [low, high]
            }

            #[inline]
            #[target_feature(enable = $features)]
            pub(in super::super) fn total([low, high]: Sums) -> V {
                add(shift_by_word(high), low)
            }
        }
    };
}

macro_rules! dot_bytes {
    ($name:ident, $wide:ident, $features:literal, $dot:ident, $shift:ident) => {
        pub(super) mod $name {
            use core::arch::x86_64::{$dot, $shift};

            use super::super::wide::$wide::*;
            use crate::resize::tables::Split;

            pub(in super::super) const PLANES: usize = Split::Bytes.planes();
            pub(in super::super) type Sums = [V; 3];

            #[inline]
            #[target_feature(enable = $features)]
            pub(in super::super) fn begin(first: V) -> Sums {
                [first, zero(), zero()]
            }

            #[inline]
            #[target_feature(enable = $features)]
            pub(in super::super) fn add_taps(sums: Sums, bytes: V, weights: [V; PLANES]) -> Sums {
                let [low, middle, high] = sums;
                [$dot(low, bytes, weights[0]), $dot(middle, bytes, weights[1]), $dot(high, bytes, weights[2])]
            }

            #[inline]
            #[target_feature(enable = $features)]
            pub(in super::super) fn total([low, middle, high]: Sums) -> V {
                add(add(shift_by_word(high), $shift::<8>(middle)), low)
            }
        }
    };
}

dot_words!(sse41, x128, "sse4.1");
dot_words!(avx2, x256, "avx2,fma");
dot_words!(avx512, x512, "avx512f,avx512bw");
dot_bytes!(avx_vnni, x256, "avx2,fma,avxvnni", _mm256_dpbusd_avx_epi32, _mm256_slli_epi32);
dot_bytes!(avx512_vnni, x512, "avx512f,avx512bw,avx512vnni", _mm512_dpbusd_epi32, _mm512_slli_epi32);
#[cfg(test)]
dot_bytes!(evex_vnni, x256, "avx2,fma,avx512vnni,avx512vl", _mm256_dpbusd_epi32, _mm256_slli_epi32);
