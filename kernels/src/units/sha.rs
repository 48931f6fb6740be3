//! `sha-units`: the rounds of SHA-256 and SHA-1 by their instructions, against the standards' plain arithmetic. Each stage chains
//! the compression of blocks of data, so that what differs once stays different.

use crate::{
    buffer::Buffer,
    gemm::no_such_variant,
    goldens,
    isa::{Isa, Token},
    kernel::{Golden, Size, Variant},
    rng::Rng,
    staged::{Call, Staged},
};

/// 64 bytes, as words of 32 bits.
type Block = [u32; 16];
/// Blocks that are taken in, over and over.
const BLOCKS: usize = 128;
/// Blocks between two rows of output.
const PERIOD: usize = 32;

#[derive(Default)]
pub(crate) struct ShaUnits {
    rows: usize,
}

impl Staged for ShaUnits {
    type Word = u32;
    const NAME: &'static str = "sha-units";
    const SUMMARY: &'static str = "the rounds of SHA-256 and SHA-1";
    const VARIANTS: &'static [Variant] = &[Variant::of(Isa::ShaNi), Variant::of(Isa::Scalar)];
    const GOLDENS: &'static [Golden] = goldens::SHA_UNITS;
    const STAGES: &'static [&'static str] = &["sha256", "sha1"];
    const TYPE: &'static str = "uint32";

    fn generate(&mut self, size: Size, rng: &mut Rng, input: &mut Buffer<u8>) {
        self.rows = match size {
            Size::Golden => 96,
            Size::Fresh => rng.within(2, 8),
        };
        input.resize(32 + 32 + BLOCKS * size_of::<Block>());
        rng.fill(input);
    }

    fn sizes(&self) -> [usize; 2] {
        [self.rows, 0]
    }

    fn shape(&self, stage: usize) -> [usize; 2] {
        [self.rows, [8, 5][stage]]
    }

    fn operations(&self) -> u64 {
        // Rounds.
        (self.rows * PERIOD * (64 + 80)) as u64
    }

    fn run(&mut self, token: Token, input: &[u8], call: &mut Call<'_, u32>) {
        let (sha256, sha1): (Compress<8>, Compress<5>) = match token {
            Token::Scalar => (sha256, sha1),
            #[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
            Token::ShaNi(_) => (
                // SAFETY: the token proves that this CPU and OS have the instructions.
                |state, block| unsafe { instructions::sha256(state, block) },
                // SAFETY: as above.
                |state, block| unsafe { instructions::sha1(state, block) },
            ),
            token => no_such_variant(Self::NAME, token),
        };
        let words: &[u32] = bytemuck::cast_slice(input);
        let (start, data) = words.split_at(16);
        let data: &[Block; BLOCKS] = data.as_chunks().0.try_into().expect("so many");
        self.chain(0, sha256, &start[..8], data, call);
        self.chain(1, sha1, &start[8..13], data, call);
    }
}

/// Takes a block into a state.
type Compress<const N: usize> = fn(&mut [u32; N], &Block);

impl ShaUnits {
    fn chain<const N: usize>(
        &self,
        stage: usize,
        compress: Compress<N>,
        start: &[u32],
        data: &[Block; BLOCKS],
        call: &mut Call<'_, u32>,
    ) {
        let part = call.enter(stage, self.rows * N);
        let mut state: [u32; N] = start.try_into().expect("so many");
        call.halves(self.rows, &mut state, |rows, state| {
            let state: &mut [u32; N] = state.try_into().expect("the same");
            for row in rows {
                for n in 0..PERIOD {
                    compress(state, &data[(row * PERIOD + n) % BLOCKS]);
                }
                part[row * N..][..N].copy_from_slice(&state[..]);
            }
        });
    }
}

/// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
const K256: [u32; 64] = {
    /// Whether x^3 <= p * 2^96, for x below 2^36.
    const fn below(x: u128, prime: u128) -> bool {
        x * x * x <= prime << 96
    }
    let (mut table, mut found, mut number) = ([0; 64], 0, 2);
    while found < 64 {
        let (mut prime, mut divisor) = (true, 2);
        while divisor * divisor <= number {
            prime = prime && number % divisor != 0;
            divisor += 1;
        }
        if prime {
            let (mut root, mut bit) = (0, 1 << 35);
            while bit > 0 {
                if below(root | bit, number) {
                    root |= bit;
                }
                bit >>= 1;
            }
            table[found] = root as u32;
            found += 1;
        }
        number += 1;
    }
    table
};

/// FIPS 180-4, 6.2.2; the block's words are big-endian bytes.
fn sha256(state: &mut [u32; 8], block: &Block) {
    let mut w = [0u32; 64];
    for t in 0..64 {
        w[t] = if t < 16 {
            block[t].swap_bytes()
        } else {
            let (x, y) = (w[t - 15], w[t - 2]);
            let x = x.rotate_right(7) ^ x.rotate_right(18) ^ x >> 3;
            let y = y.rotate_right(17) ^ y.rotate_right(19) ^ y >> 10;
            y.wrapping_add(w[t - 7]).wrapping_add(x).wrapping_add(w[t - 16])
        };
    }
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    for t in 0..64 {
        let sum = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let first = h.wrapping_add(sum).wrapping_add(e & f ^ !e & g).wrapping_add(K256[t]).wrapping_add(w[t]);
        let sum = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let second = sum.wrapping_add(a & b ^ a & c ^ b & c);
        (h, g, f, e, d, c, b, a) = (g, f, e, d.wrapping_add(first), c, b, a, first.wrapping_add(second));
    }
    for (state, word) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *state = state.wrapping_add(word);
    }
}

/// The rounds of SHA-1 that have one constant and one function.
fn rounds(working: &mut [u32; 5], w: &[u32; 20], k: u32, f: impl Fn(u32, u32, u32) -> u32) {
    let [mut a, mut b, mut c, mut d, mut e] = *working;
    for w in w {
        let sum = a.rotate_left(5).wrapping_add(f(b, c, d)).wrapping_add(e).wrapping_add(k).wrapping_add(*w);
        (e, d, c, b, a) = (d, c, b.rotate_left(30), a, sum);
    }
    *working = [a, b, c, d, e];
}

/// FIPS 180-4, 6.1.2.
fn sha1(state: &mut [u32; 5], block: &Block) {
    let mut w = [0u32; 80];
    for t in 0..80 {
        w[t] =
            if t < 16 { block[t].swap_bytes() } else { (w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16]).rotate_left(1) };
    }
    let mut working = *state;
    let [first, second, third, fourth] = w.as_chunks::<20>().0 else { unreachable!("80 words") };
    rounds(&mut working, first, 0x5a82_7999, |b, c, d| b & c ^ !b & d);
    rounds(&mut working, second, 0x6ed9_eba1, |b, c, d| b ^ c ^ d);
    rounds(&mut working, third, 0x8f1b_bcdc, |b, c, d| b & c ^ b & d ^ c & d);
    rounds(&mut working, fourth, 0xca62_c1d6, |b, c, d| b ^ c ^ d);
    for (state, word) in state.iter_mut().zip(working) {
        *state = state.wrapping_add(word);
    }
}

#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
mod instructions {
    use core::arch::x86_64::*;

    use super::{Block, K256};

    #[inline]
    #[target_feature(enable = "sha,sse4.1")]
    fn load(words: &[u32]) -> __m128i {
        assert!(words.len() >= 4);
        // SAFETY: long enough.
        unsafe { _mm_loadu_si128(words.as_ptr().cast()) }
    }

    #[inline]
    #[target_feature(enable = "sha,sse4.1")]
    fn store(words: &mut [u32], vector: __m128i) {
        assert!(words.len() >= 4);
        // SAFETY: long enough.
        unsafe { _mm_storeu_si128(words.as_mut_ptr().cast(), vector) };
    }

    #[target_feature(enable = "sha,sse4.1")]
    pub(super) fn sha256(state: &mut [u32; 8], block: &Block) {
        let swap = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
        let mut w: [__m128i; 4] = core::array::from_fn(|n| _mm_shuffle_epi8(load(&block[4 * n..]), swap));
        // The instructions keep A, B, E and F together, and C, D, G and H.
        let (abcd, efgh) = (_mm_shuffle_epi32::<0xb1>(load(&state[..])), _mm_shuffle_epi32::<0x1b>(load(&state[4..])));
        let (abef, cdgh) = (_mm_alignr_epi8::<8>(abcd, efgh), _mm_blend_epi16::<0xf0>(efgh, abcd));
        let (mut x, mut y) = (abef, cdgh);
        for four in 0..16 {
            let sum = _mm_add_epi32(w[four % 4], load(&K256[4 * four..]));
            y = _mm_sha256rnds2_epu32(y, x, sum);
            x = _mm_sha256rnds2_epu32(x, y, _mm_shuffle_epi32::<0x0e>(sum));
            // Of words that no round takes nobody would see that they are wrong.
            if four < 12 {
                let (next, third, last) = (w[(four + 1) % 4], w[(four + 2) % 4], w[(four + 3) % 4]);
                let partial = _mm_sha256msg1_epu32(w[four % 4], next);
                w[four % 4] = _mm_sha256msg2_epu32(_mm_add_epi32(partial, _mm_alignr_epi8::<4>(last, third)), last);
            }
        }
        let feba = _mm_shuffle_epi32::<0x1b>(_mm_add_epi32(x, abef));
        let dchg = _mm_shuffle_epi32::<0xb1>(_mm_add_epi32(y, cdgh));
        store(&mut state[..], _mm_blend_epi16::<0xf0>(feba, dchg));
        store(&mut state[4..], _mm_alignr_epi8::<8>(dchg, feba));
    }

    #[target_feature(enable = "sha,sse4.1")]
    pub(super) fn sha1(state: &mut [u32; 5], block: &Block) {
        let swap = _mm_set_epi64x(0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f);
        let mut w: [__m128i; 4] = core::array::from_fn(|n| _mm_shuffle_epi8(load(&block[4 * n..]), swap));
        let abcd = _mm_shuffle_epi32::<0x1b>(load(&state[..]));
        let e = _mm_set_epi32(state[4] as i32, 0, 0, 0);
        let (mut x, mut before) = (abcd, e);
        macro_rules! rounds {
            ($fours:expr, $function:literal) => {
                for four in $fours {
                    let sum = if four == 0 { _mm_add_epi32(e, w[0]) } else { _mm_sha1nexte_epu32(before, w[four % 4]) };
                    before = x;
                    x = _mm_sha1rnds4_epu32::<$function>(x, sum);
                    if four < 16 {
                        let (next, third, last) = (w[(four + 1) % 4], w[(four + 2) % 4], w[(four + 3) % 4]);
                        let partial = _mm_xor_si128(_mm_sha1msg1_epu32(w[four % 4], next), third);
                        w[four % 4] = _mm_sha1msg2_epu32(partial, last);
                    }
                }
            };
        }
        rounds!(0..5, 0);
        rounds!(5..10, 1);
        rounds!(10..15, 2);
        rounds!(15..20, 3);
        state[4] = _mm_extract_epi32::<3>(_mm_sha1nexte_epu32(before, e)) as u32;
        store(&mut state[..], _mm_shuffle_epi32::<0x1b>(_mm_add_epi32(x, abcd)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_agree_and_faults_show_in_their_stage() {
        crate::staged::tests::holds::<ShaUnits>();
    }

    /// The standards' digests of "abc", which is one block.
    #[test]
    fn the_reference_knows_the_standards_examples() {
        let mut block = Block::default();
        (block[0], block[15]) = (u32::from_le_bytes(*b"abc\x80"), 24u32.swap_bytes());
        let mut state =
            [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];
        sha256(&mut state, &block);
        assert_eq!((state[0], state[7]), (0xba78_16bf, 0xf200_15ad));
        let mut state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
        sha1(&mut state, &block);
        assert_eq!((state[0], state[4]), (0xa999_3e36, 0x9cd0_d89d));
    }

    /// Whatever bit of a state differs, the states differ after a block.
    #[test]
    fn no_flip_vanishes() {
        fn survives<const N: usize>(compress: Compress<N>) {
            let after = |mut state: [u32; N]| {
                compress(&mut state, &[7; 16]);
                state
            };
            for bit in 0..32 * N {
                let mut wrong = [9; N];
                wrong[bit / 32] ^= 1 << (bit % 32);
                assert_ne!(after(wrong), after([9; N]), "bit {bit}");
            }
        }
        survives(sha256);
        survives(sha1);
    }
}
