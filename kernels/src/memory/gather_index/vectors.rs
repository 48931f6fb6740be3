//! The instructions themselves. Indexes are the upper bits of what they are made of, so many as the tables have entries for.

use core::arch::{asm, x86_64::*};

use super::{ADDEND, Gathers, MULTIPLIER, SCATTERED, SCATTERED_BITS, State, Tables};

/// In 256 bits, which gather and do not scatter; dispatch has seen to it that there are such.
pub(super) struct Avx2;

impl Gathers for Avx2 {
    fn gather_32(tables: &Tables<'_>, steps: usize, state: &mut State) {
        // SAFETY: see the type.
        unsafe { avx2::gather_32(tables, steps, state) }
    }

    fn gather_64(tables: &Tables<'_>, steps: usize, state: &mut State) {
        // SAFETY: see the type.
        unsafe { avx2::gather_64(tables, steps, state) }
    }

    fn masked(tables: &Tables<'_>, steps: usize, state: &mut State) {
        // SAFETY: see the type.
        unsafe { avx2::masked(tables, steps, state) }
    }

    fn scatter(scattered: &mut [u32; SCATTERED], steps: usize, state: &mut State) {
        // SAFETY: see the type.
        unsafe { avx2::scatter(scattered, steps, state) }
    }
}

/// In 512 bits; dispatch has seen to it that there are such.
pub(super) struct Avx512;

impl Gathers for Avx512 {
    fn gather_32(tables: &Tables<'_>, steps: usize, state: &mut State) {
        // SAFETY: see the type.
        unsafe { avx512::gather_32(tables, steps, state) }
    }

    fn gather_64(tables: &Tables<'_>, steps: usize, state: &mut State) {
        // SAFETY: see the type.
        unsafe { avx512::gather_64(tables, steps, state) }
    }

    fn masked(tables: &Tables<'_>, steps: usize, state: &mut State) {
        // SAFETY: see the type.
        unsafe { avx512::masked(tables, steps, state) }
    }

    fn scatter(scattered: &mut [u32; SCATTERED], steps: usize, state: &mut State) {
        // SAFETY: see the type.
        unsafe { avx512::scatter(scattered, steps, state) }
    }
}

mod avx2 {
    use super::*;

    type Vectors = [__m256i; 8];

    #[inline]
    #[target_feature(enable = "avx2")]
    fn load(state: &State) -> Vectors {
        // SAFETY: eight vectors of eight words are the state.
        core::array::from_fn(|n| unsafe { _mm256_loadu_si256(state[8 * n..].as_ptr().cast()) })
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn store(state: &mut State, vectors: Vectors) {
        for (n, vector) in vectors.into_iter().enumerate() {
            // SAFETY: as above.
            unsafe { _mm256_storeu_si256(state[8 * n..].as_mut_ptr().cast(), vector) };
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn next(x: __m256i) -> __m256i {
        let product = _mm256_mullo_epi32(x, _mm256_set1_epi32(MULTIPLIER as i32));
        _mm256_add_epi32(product, _mm256_set1_epi32(ADDEND as i32))
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn gather_32(tables: &Tables<'_>, steps: usize, state: &mut State) {
        let mut vectors = load(state);
        let shift = _mm_cvtsi32_si128(32 - tables.bits as i32);
        for _ in 0..steps {
            for x in &mut vectors {
                let y = next(*x);
                // SAFETY: the upper bits of a lane are below the length of the table.
                let entries =
                    unsafe { _mm256_i32gather_epi32::<4>(tables.narrow.as_ptr().cast(), _mm256_srl_epi32(y, shift)) };
                *x = _mm256_xor_si256(y, entries);
            }
        }
        store(state, vectors);
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn gather_64(tables: &Tables<'_>, steps: usize, state: &mut State) {
        let mut vectors = load(state);
        let shift = _mm_cvtsi32_si128(64 - tables.bits as i32);
        for _ in 0..steps {
            for x in &mut vectors {
                let y = _mm256_xor_si256(*x, _mm256_slli_epi64::<13>(*x));
                let y = _mm256_xor_si256(y, _mm256_srli_epi64::<7>(y));
                let y = _mm256_xor_si256(y, _mm256_slli_epi64::<17>(y));
                // SAFETY: the upper bits of a lane are below the length of the table.
                let entries =
                    unsafe { _mm256_i64gather_epi64::<8>(tables.wide.as_ptr().cast(), _mm256_srl_epi64(y, shift)) };
                *x = _mm256_xor_si256(y, entries);
            }
        }
        store(state, vectors);
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn masked(tables: &Tables<'_>, steps: usize, state: &mut State) {
        let mut vectors = load(state);
        let shift = _mm_cvtsi32_si128(32 - tables.bits as i32);
        for _ in 0..steps {
            for x in &mut vectors {
                let y = next(_mm256_xor_si256(_mm256_slli_epi32::<15>(*x), _mm256_srli_epi32::<17>(*x)));
                let mask = _mm256_castsi256_ps(_mm256_slli_epi32::<31>(y));
                let at = _mm256_srl_epi32(y, shift);
                // SAFETY: the upper bits of a lane are below the length of the table, of whose entries this takes the upper halves.
                let entries = unsafe {
                    let upper = tables.wide.as_ptr().cast::<f32>().add(1);
                    _mm256_mask_i32gather_ps::<8>(_mm256_castsi256_ps(at), upper, at, mask)
                };
                *x = _mm256_xor_si256(y, _mm256_castps_si256(entries));
            }
        }
        store(state, vectors);
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn scatter(scattered: &mut [u32; SCATTERED], steps: usize, state: &mut State) {
        const SHIFT: i32 = 32 - SCATTERED_BITS as i32;
        let mut vectors = load(state);
        for _ in 0..steps {
            // 16 lanes read before any of them writes.
            for pair in vectors.as_chunks_mut::<2>().0 {
                let y = pair.map(|x| next(x));
                let places = y.map(|y| _mm256_srli_epi32::<SHIFT>(y));
                // SAFETY: so many upper bits are below the length of the table.
                let old = places.map(|at| unsafe { _mm256_i32gather_epi32::<4>(scattered.as_ptr().cast(), at) });
                let (mut words, mut at) = ([0u32; 16], [0u32; 16]);
                for n in 0..2 {
                    // SAFETY: two vectors of eight words each.
                    unsafe {
                        _mm256_storeu_si256(words[8 * n..].as_mut_ptr().cast(), y[n]);
                        _mm256_storeu_si256(at[8 * n..].as_mut_ptr().cast(), places[n]);
                    }
                }
                for (at, word) in at.into_iter().zip(words) {
                    scattered[at as usize] = word;
                }
                for n in 0..2 {
                    let turned = _mm256_xor_si256(_mm256_slli_epi32::<9>(y[n]), _mm256_srli_epi32::<23>(y[n]));
                    pair[n] = _mm256_add_epi32(turned, old[n]);
                }
            }
        }
        store(state, vectors);
    }
}

mod avx512 {
    use super::*;

    type Vectors = [__m512i; 4];

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn load(state: &State) -> Vectors {
        // SAFETY: four vectors of sixteen words are the state.
        core::array::from_fn(|n| unsafe { _mm512_loadu_si512(state[16 * n..].as_ptr().cast()) })
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn store(state: &mut State, vectors: Vectors) {
        for (n, vector) in vectors.into_iter().enumerate() {
            // SAFETY: as above.
            unsafe { _mm512_storeu_si512(state[16 * n..].as_mut_ptr().cast(), vector) };
        }
    }

    macro_rules! gather {
        ($name:ident, $entry:ty, $instruction:literal) => {
            /// The entries at these indexes. Not by the intrinsics, which zero what a gather overwrites: nobody would see what is
            /// wrong in those zeros. (In 256 bits there is as much of that in the mask, of which only signs count.)
            ///
            /// # Safety
            /// All indexes are below the length of the table.
            #[inline]
            #[target_feature(enable = "avx512f")]
            unsafe fn $name(table: &[$entry], at: __m512i) -> __m512i {
                let entries;
                // SAFETY: the caller's promise.
                unsafe {
                    asm!(
                        "kxnorw {all}, {all}, {all}",
                        concat!($instruction, " {entries} {{{all}}}, [{table} + {size}*{at}]"),
                        all = out(kreg) _, entries = out(zmm_reg) entries, at = in(zmm_reg) at,
                        table = in(reg) table.as_ptr(), size = const size_of::<$entry>(),
                        options(pure, readonly, nostack, preserves_flags),
                    );
                }
                entries
            }
        };
    }
    gather!(words, u32, "vpgatherdd");
    gather!(quadwords, u64, "vpgatherqq");

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn next(x: __m512i) -> __m512i {
        let product = _mm512_mullo_epi32(x, _mm512_set1_epi32(MULTIPLIER as i32));
        _mm512_add_epi32(product, _mm512_set1_epi32(ADDEND as i32))
    }

    #[target_feature(enable = "avx512f")]
    pub(super) fn gather_32(tables: &Tables<'_>, steps: usize, state: &mut State) {
        let mut vectors = load(state);
        let shift = _mm_cvtsi32_si128(32 - tables.bits as i32);
        for _ in 0..steps {
            for x in &mut vectors {
                let y = next(*x);
                // SAFETY: the upper bits of a lane are below the length of the table.
                let entries = unsafe { words(tables.narrow, _mm512_srl_epi32(y, shift)) };
                *x = _mm512_xor_si512(y, entries);
            }
        }
        store(state, vectors);
    }

    #[target_feature(enable = "avx512f")]
    pub(super) fn gather_64(tables: &Tables<'_>, steps: usize, state: &mut State) {
        let mut vectors = load(state);
        let shift = _mm_cvtsi32_si128(64 - tables.bits as i32);
        for _ in 0..steps {
            for x in &mut vectors {
                let y = _mm512_xor_si512(*x, _mm512_slli_epi64::<13>(*x));
                let y = _mm512_xor_si512(y, _mm512_srli_epi64::<7>(y));
                let y = _mm512_xor_si512(y, _mm512_slli_epi64::<17>(y));
                // SAFETY: the upper bits of a lane are below the length of the table.
                let entries = unsafe { quadwords(tables.wide, _mm512_srl_epi64(y, shift)) };
                *x = _mm512_xor_si512(y, entries);
            }
        }
        store(state, vectors);
    }

    #[target_feature(enable = "avx512f")]
    pub(super) fn masked(tables: &Tables<'_>, steps: usize, state: &mut State) {
        let mut vectors = load(state);
        let shift = _mm_cvtsi32_si128(32 - tables.bits as i32);
        for _ in 0..steps {
            for x in &mut vectors {
                let y = next(_mm512_rol_epi32::<15>(*x));
                let mask = _mm512_test_epi32_mask(y, _mm512_set1_epi32(1));
                let at = _mm512_srl_epi32(y, shift);
                // SAFETY: the upper bits of a lane are below the length of the table, of whose entries this takes the upper halves.
                let entries = unsafe {
                    let upper = tables.wide.as_ptr().cast::<f32>().add(1);
                    _mm512_mask_i32gather_ps::<8>(_mm512_castsi512_ps(at), mask, at, upper)
                };
                *x = _mm512_xor_si512(y, _mm512_castps_si512(entries));
            }
        }
        store(state, vectors);
    }

    #[target_feature(enable = "avx512f")]
    pub(super) fn scatter(scattered: &mut [u32; SCATTERED], steps: usize, state: &mut State) {
        let mut vectors = load(state);
        for _ in 0..steps {
            for x in &mut vectors {
                let y = next(*x);
                let places = _mm512_srli_epi32::<{ 32 - SCATTERED_BITS }>(y);
                // SAFETY: so many upper bits are below the length of the table.
                let old = unsafe {
                    let old = words(scattered, places);
                    _mm512_i32scatter_epi32::<4>(scattered.as_mut_ptr().cast(), places, y);
                    old
                };
                *x = _mm512_add_epi32(_mm512_rol_epi32::<9>(y), old);
            }
        }
        store(state, vectors);
    }
}
