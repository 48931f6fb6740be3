//! Vectors of 32-bit lanes in 128, 256 and 512 bits under the same names. *Quarters* are four lanes, 128 bits: byte shuffles
//! and packs work within them.

macro_rules! wide {
    (
        $(#[$doc:meta])*
        $name:ident, $features:literal, $vector:ident, $lanes:literal,
        load: $load:ident, store: $store:ident, splat: $splat:ident, zero: $zero:ident, add: $add:ident, and: $and:ident,
        sra: $sra:ident by $bits:ident, shift_words: $srli16:ident, madd: $madd:ident, shuffle: $shuffle:ident,
        packs: $packs:ident, packus: $packus:ident,
        windows: |$at:ident, $offsets:ident| $windows:expr,
        permute: |$lanes_in:ident, $index:ident| $permute:expr,
    ) => {
        $(#[$doc])*
        pub(super) mod $name {
            use core::arch::x86_64::*;

            pub(in super::super) type V = $vector;
            pub(in super::super) const LANES: usize = $lanes;

            /// # Safety
            /// There is a vector at `from`.
            #[inline]
            #[target_feature(enable = $features)]
            pub(in super::super) unsafe fn load(from: *const u32) -> V {
                // SAFETY: the caller's promise; no alignment is needed.
                unsafe { $load(from.cast()) }
            }

            /// # Safety
            /// There is room for a vector at `to`.
            #[inline]
            #[target_feature(enable = $features)]
            pub(in super::super) unsafe fn store(to: *mut u32, v: V) {
                // SAFETY: the caller's promise; no alignment is needed.
                unsafe { $store(to.cast(), v) }
            }

            /// For each quarter the sixteen bytes at its offset from `at`.
            ///
            /// # Safety
            /// There are as many offsets as quarters, and sixteen bytes at each.
            #[inline]
            #[target_feature(enable = $features)]
            pub(in super::super) unsafe fn windows($at: *const u8, $offsets: *const u32) -> V {
                // SAFETY: the caller's promise; no alignment is needed.
                unsafe { $windows }
            }

            #[inline]
            #[target_feature(enable = $features)]
            pub(in super::super) fn splat(word: u32) -> V {
                $splat(word as i32)
            }

            #[inline]
            #[target_feature(enable = $features)]
            pub(in super::super) fn zero() -> V {
                $zero()
            }

            #[inline]
            #[target_feature(enable = $features)]
            pub(in super::super) fn add(a: V, b: V) -> V {
                $add(a, b)
            }

            /// Bytes 0 and 2 of each lane as words.
            #[inline]
            #[target_feature(enable = $features)]
            pub(in super::super) fn even_bytes(v: V) -> V {
                $and(v, $splat(0x00ff_00ff))
            }

            /// Bytes 1 and 3 of each lane as words.
            #[inline]
            #[target_feature(enable = $features)]
            pub(in super::super) fn odd_bytes(v: V) -> V {
                $srli16::<8>(v)
            }

            /// `sum` and the lanes' two products of words.
            #[inline]
            #[target_feature(enable = $features)]
            pub(in super::super) fn add_products(sum: V, a: V, b: V) -> V {
                $add(sum, $madd(a, b))
            }

            /// Bytes picked within each quarter.
            #[inline]
            #[target_feature(enable = $features)]
            pub(in super::super) fn pick(v: V, picks: V) -> V {
                $shuffle(v, picks)
            }

            /// Lanes to bytes: a quarter holds the four of `a`, of `b`, of `c`, of `d`.
            #[inline]
            #[target_feature(enable = $features)]
            pub(in super::super) fn pack([a, b, c, d]: [V; 4]) -> V {
                $packus($packs(a, b), $packs(c, d))
            }

            /// Lanes without so many of their lowest bits.
            #[inline]
            #[target_feature(enable = $features)]
            pub(in super::super) fn drop_low<const BITS: $bits>(v: V) -> V {
                $sra::<BITS>(v)
            }

            /// Lane by lane the one of that number, across quarters.
            #[inline]
            #[target_feature(enable = $features)]
            pub(in super::super) fn permute($lanes_in: V, $index: V) -> V {
                $permute
            }

            /// The wrapping sum of the lanes.
            #[inline]
            #[target_feature(enable = $features)]
            pub(in super::super) fn sum(v: V) -> u32 {
                let mut lanes = [0; LANES];
                // SAFETY: the array is as wide as the vector.
                unsafe { store(lanes.as_mut_ptr(), v) };
                lanes.iter().fold(0, |sum: u32, lane| sum.wrapping_add(*lane))
            }
        }
    };
}

wide! {
    x128, "sse4.1", __m128i, 4,
    load: _mm_loadu_si128, store: _mm_storeu_si128, splat: _mm_set1_epi32, zero: _mm_setzero_si128, add: _mm_add_epi32,
    and: _mm_and_si128, sra: _mm_srai_epi32 by i32, shift_words: _mm_srli_epi16,
    madd: _mm_madd_epi16, shuffle: _mm_shuffle_epi8, packs: _mm_packs_epi32, packus: _mm_packus_epi16,
    windows: |at, offsets| _mm_loadu_si128(at.add(*offsets as usize).cast()),
    // One quarter is all there is, and what is idle in it comes last.
    permute: |v, _index| v,
}

wide! {
    x256, "avx2", __m256i, 8,
    load: _mm256_loadu_si256, store: _mm256_storeu_si256, splat: _mm256_set1_epi32, zero: _mm256_setzero_si256,
    add: _mm256_add_epi32, and: _mm256_and_si256, sra: _mm256_srai_epi32 by i32, shift_words: _mm256_srli_epi16,
    madd: _mm256_madd_epi16, shuffle: _mm256_shuffle_epi8, packs: _mm256_packs_epi32,
    packus: _mm256_packus_epi16,
    windows: |at, offsets| {
        let quarter = |n: usize| _mm_loadu_si128(at.add(*offsets.add(n) as usize).cast());
        _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(quarter(0)), quarter(1))
    },
    permute: |v, index| _mm256_permutevar8x32_epi32(v, index),
}

wide! {
    x512, "avx512f,avx512bw", __m512i, 16,
    load: _mm512_loadu_si512, store: _mm512_storeu_si512, splat: _mm512_set1_epi32, zero: _mm512_setzero_si512,
    add: _mm512_add_epi32, and: _mm512_and_si512, sra: _mm512_srai_epi32 by u32, shift_words: _mm512_srli_epi16,
    madd: _mm512_madd_epi16, shuffle: _mm512_shuffle_epi8, packs: _mm512_packs_epi32,
    packus: _mm512_packus_epi16,
    windows: |at, offsets| {
        let quarter = |n: usize| _mm_loadu_si128(at.add(*offsets.add(n) as usize).cast());
        let low = _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(quarter(0)), quarter(1));
        let high = _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(quarter(2)), quarter(3));
        _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high)
    },
    permute: |v, index| _mm512_permutexvar_epi32(index, v),
}
