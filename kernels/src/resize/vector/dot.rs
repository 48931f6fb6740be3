//! Four bytes a lane times four weights, summed: in two sums of 16 bits by 8 or three sums of signed bytes, none of which
//! overflows. Put together at the end: the lower ones lose what will be rounded away, which the sums of rows keep, and the highest
//! nothing, so that no bit of any can be wrong unseen. Of what they are put together to a sum is kept as well, because it is clipped.

macro_rules! dot_words {
    ($name:ident, $wide:ident, $features:literal) => {
        pub(super) mod $name {
            use super::super::wide::$wide::*;
            use crate::resize::{coefficients::PRECISION, scalar::DROPPED, tables::Split};

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

            /// Without the bits that are dropped first.
            #[inline]
            #[target_feature(enable = $features)]
            pub(in super::super) fn upper([low, high]: Sums) -> V {
                drop_low::<{ (DROPPED - 8) as _ }>(add(high, drop_low::<8>(low)))
            }

            #[inline]
            #[target_feature(enable = $features)]
            pub(in super::super) fn rounded(upper: V) -> V {
                drop_low::<{ (PRECISION - DROPPED) as _ }>(upper)
            }

            #[inline]
            #[target_feature(enable = $features)]
            pub(in super::super) fn add_sums([low, high]: Sums, [other_low, other_high]: Sums) -> Sums {
                [add(low, other_low), add(high, other_high)]
            }

            /// Of all lanes.
            #[inline]
            #[target_feature(enable = $features)]
            pub(in super::super) fn total([low, high]: Sums) -> u32 {
                sum(low).wrapping_add(sum(high) << 8)
            }
        }
    };
}

macro_rules! dot_bytes {
    ($name:ident, $wide:ident, $features:literal, $dot:ident) => {
        pub(super) mod $name {
            use core::arch::x86_64::$dot;

            use super::super::wide::$wide::*;
            use crate::resize::{coefficients::PRECISION, scalar::DROPPED, tables::Split};

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

            /// Without the bits that are dropped first.
            #[inline]
            #[target_feature(enable = $features)]
            pub(in super::super) fn upper([low, middle, high]: Sums) -> V {
                add(high, drop_low::<{ (DROPPED - 8) as _ }>(add(middle, drop_low::<8>(low))))
            }

            #[inline]
            #[target_feature(enable = $features)]
            pub(in super::super) fn rounded(upper: V) -> V {
                drop_low::<{ (PRECISION - DROPPED) as _ }>(upper)
            }

            #[inline]
            #[target_feature(enable = $features)]
            pub(in super::super) fn add_sums(sums: Sums, others: Sums) -> Sums {
                [add(sums[0], others[0]), add(sums[1], others[1]), add(sums[2], others[2])]
            }

            /// Of all lanes.
            #[inline]
            #[target_feature(enable = $features)]
            pub(in super::super) fn total([low, middle, high]: Sums) -> u32 {
                sum(low).wrapping_add(sum(middle) << 8).wrapping_add(sum(high) << 16)
            }
        }
    };
}

dot_words!(sse41, x128, "sse4.1");
dot_words!(avx2, x256, "avx2,fma");
dot_words!(avx512, x512, "avx512f,avx512bw");
dot_bytes!(avx_vnni, x256, "avx2,fma,avxvnni", _mm256_dpbusd_avx_epi32);
dot_bytes!(avx512_vnni, x512, "avx512f,avx512bw,avx512vnni", _mm512_dpbusd_epi32);
#[cfg(test)]
dot_bytes!(evex_vnni, x256, "avx2,fma,avx512vnni,avx512vl", _mm256_dpbusd_epi32);
