//! `crypto-units`: AES rounds, products without carry and CRC-32C, each by its own instruction, against bit-by-bit arithmetic that
//! shares nothing with it.
//!
//! Stages: "aes", 32 blocks through rounds that encrypt and decrypt by turns, with ten keys expanded anew each turn, all of
//! which can be undone; "clmul", eight blocks folded as checksums are, `x = lower * k ^ upper * l ^ data`; "crc32", four checksums
//! of words of each width.

mod reference;
#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
mod vectors;

use crate::{
    buffer::Buffer,
    gemm::no_such_variant,
    goldens,
    isa::{Isa, Token},
    kernel::{Golden, Size, Variant},
    rng::Rng,
    staged::{Call, Staged},
};

/// 128 bits.
type Block = [u8; 16];
/// Blocks of "aes".
const BLOCKS: usize = 32;
/// Expansions of the key in a turn.
const KEYS: usize = 10;
/// Blocks of "clmul".
const FOLDED: usize = 8;
/// Checksums of "crc32".
const STREAMS: usize = 4;
/// Bytes of one of each of the words that "crc32" takes: 8, 4, 2 and 1.
const CHUNK: usize = 15;
/// Bytes that "clmul" and "crc32" take in, over and over.
const DATA: usize = 8192;
/// Turns, folds and chunks between two rows of output.
const PERIODS: [usize; 3] = [100, 500, 400];

/// The state of "aes": the blocks, and the key.
type Aes = [Block; BLOCKS + 1];

#[derive(Default)]
pub(crate) struct CryptoUnits {
    /// Of each stage.
    rows: [usize; 3],
    /// So many times fewer turns, folds and chunks a row.
    shorter: usize,
}

impl Staged for CryptoUnits {
    type Word = u64;
    const NAME: &'static str = "crypto-units";
    const SUMMARY: &'static str = "AES rounds and keys, products without carry, CRC-32C";
    const VARIANTS: &'static [Variant] =
        &[Variant::of(Isa::Avx512Vaes), Variant::of(Isa::Vaes), Variant::of(Isa::AesNi), Variant::of(Isa::Scalar)];
    const GOLDENS: &'static [Golden] = goldens::CRYPTO_UNITS;
    const STAGES: &'static [&'static str] = &["aes", "clmul", "crc32"];
    const TYPE: &'static str = "uint64";

    fn generate(&mut self, size: Size, rng: &mut Rng, input: &mut Buffer<u8>) {
        *self = match size {
            Size::Golden => Self { rows: [30, 30, 30], shorter: 1 },
            Size::Fresh => Self { rows: core::array::from_fn(|_| rng.within(2, 6)), shorter: 5 },
        };
        input.resize(size_of::<Aes>() + (FOLDED + 1) * 16 + STREAMS * 8 + DATA);
        rng.fill(input);
    }

    fn sizes(&self) -> [usize; 2] {
        [self.rows[0] << 32 | self.rows[1] << 16 | self.rows[2], self.shorter]
    }

    fn shape(&self, stage: usize) -> [usize; 2] {
        [self.rows[stage], [2 * (BLOCKS + 1), 2 * FOLDED, STREAMS][stage]]
    }

    fn operations(&self) -> u64 {
        // Rounds, products and steps of checksums.
        let each = [(BLOCKS + 2) * KEYS, 2 * FOLDED, 4 * STREAMS];
        (0..3).map(|stage| (self.rows[stage] * self.period(stage) * each[stage]) as u64).sum()
    }

    fn run(&mut self, token: Token, input: &[u8], call: &mut Call<'_, u64>) {
        match token {
            Token::Scalar => self.stages::<reference::Bits>(input, call),
            #[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
            Token::AesNi(_) => self.stages::<vectors::Instructions<128>>(input, call),
            #[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
            Token::Vaes(_) => self.stages::<vectors::Instructions<256>>(input, call),
            #[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
            Token::Avx512Vaes(_) => self.stages::<vectors::Instructions<512>>(input, call),
            token => no_such_variant(Self::NAME, token),
        }
    }
}

/// The units.
trait Units {
    /// So many turns. A turn: the keys 1 to 10 are each expanded from the one before, k = p ^ t with p the running xor of its
    /// doublewords and t = AESKEYGENASSIST(key, n); each block is xored with the key from before, then goes through AESENC with
    /// the odd keys and AESDEC with the mixed (AESIMC) even keys in order, the last two by AESENCLAST and AESDECLAST, which
    /// takes its key unmixed. Key 10 is the next turn's first.
    fn aes(turns: usize, state: &mut Aes);
    /// So many folds, of which `first` were done before: block b of fold n takes in block 8n + b of the data, over and over; in
    /// odd folds its halves change their places.
    fn clmul(constants: [u64; 2], data: &[u8; DATA], first: usize, folds: usize, state: &mut [Block; FOLDED]);
    /// So many chunks, of which `first` were done before: stream s takes in, from byte 15n + 2011s of the data modulo
    /// 8192 - 16, 8, 4, 2 and 1 bytes.
    fn crc32(data: &[u8; DATA], first: usize, chunks: usize, states: &mut [u32; STREAMS]);
}

/// Where the chunk of that number begins.
fn chunk_at(number: usize, stream: usize) -> usize {
    (number * CHUNK + stream * 2011) % (DATA - 16)
}

fn word(bytes: &[u8], n: usize) -> u64 {
    u64::from_le_bytes(bytes[8 * n..][..8].try_into().expect("eight"))
}

impl CryptoUnits {
    fn stages<U: Units>(&self, input: &[u8], call: &mut Call<'_, u64>) {
        let (blocks, rest) = input.split_at(size_of::<Aes>());
        let (folded, rest) = rest.split_at(FOLDED * 16);
        let (constants, rest) = rest.split_at(16);
        let (streams, data) = rest.split_at(STREAMS * 8);
        let data: &[u8; DATA] = data.try_into().expect("so many");

        self.stage::<{ BLOCKS + 1 }>(0, blocks, call, |_, turns, state| U::aes(turns, state));
        let mut constants: [u64; 2] = core::array::from_fn(|n| word(constants, n));
        constants.iter_mut().for_each(|constant| *constant |= 1 << 63 | 1);
        self.stage::<FOLDED>(1, folded, call, |first, folds, state| {
            U::clmul(constants, data, first, folds, state);
        });
        let period = self.period(2);
        let part = call.enter(2, self.rows[2] * STREAMS);
        let mut states: [u32; STREAMS] = core::array::from_fn(|n| word(streams, n) as u32);
        call.halves(self.rows[2], &mut states, |rows, states| {
            let states: &mut [u32; STREAMS] = states.try_into().expect("the same");
            for row in rows {
                U::crc32(data, row * period, period, states);
                part[row * STREAMS..][..STREAMS].copy_from_slice(&states.map(u64::from));
            }
        });
    }

    fn period(&self, stage: usize) -> usize {
        PERIODS[stage] / self.shorter
    }

    /// A stage of blocks: `work` is given the number of steps done, the number to do, and the state.
    fn stage<const N: usize>(
        &self,
        stage: usize,
        start: &[u8],
        call: &mut Call<'_, u64>,
        work: impl Fn(usize, usize, &mut [Block; N]),
    ) {
        let period = self.period(stage);
        let part = call.enter(stage, self.rows[stage] * 2 * N);
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(part);
        let mut state = [Block::default(); N];
        state.as_flattened_mut().copy_from_slice(start);
        call.halves(self.rows[stage], state.as_flattened_mut(), |rows, state| {
            let state: &mut [Block; N] = state.as_chunks_mut::<16>().0.try_into().expect("the same");
            for row in rows {
                work(row * period, period, state);
                bytes[row * 16 * N..][..16 * N].copy_from_slice(state.as_flattened());
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_agree_and_faults_show_in_their_stage() {
        crate::staged::tests::holds::<CryptoUnits>();
    }

    /// Whatever bit of a state differs, the states differ after the work.
    #[test]
    fn no_flip_vanishes() {
        fn survives<S: Copy + PartialEq>(start: S, bits: usize, flip: fn(&mut S, usize), work: impl Fn(&mut S)) {
            let after = |mut state: S| {
                work(&mut state);
                state
            };
            let right = after(start);
            for bit in 0..bits {
                let mut wrong = start;
                flip(&mut wrong, bit);
                assert!(after(wrong) != right, "bit {bit}");
            }
        }
        fn flip<const N: usize>(blocks: &mut [Block; N], bit: usize) {
            blocks[bit / 128][bit % 128 / 8] ^= 1 << (bit % 8);
        }
        let mut data = [0; DATA];
        Rng::new(4).fill(&mut data);
        let blocks = data.as_chunks::<16>().0;
        let aes: Aes = *blocks.first_chunk().expect("enough");
        survives(aes, 128 * aes.len(), flip, |state| reference::Bits::aes(2, state));
        let constants = [word(&data, 7) | 1 << 63 | 1, word(&data, 8) | 1 << 63 | 1];
        let folded: [Block; FOLDED] = *blocks.last_chunk().expect("enough");
        survives(folded, 128 * FOLDED, flip, |state| reference::Bits::clmul(constants, &data, 1, 3, state));
        let flip = |states: &mut [u32; STREAMS], bit: usize| states[bit / 32] ^= 1 << (bit % 32);
        survives([1, 2, 3, 4], 32 * STREAMS, flip, |state| reference::Bits::crc32(&data, 1, 3, state));
    }

    /// The reference is the standards': the example of FIPS-197, appendix C.1, and the check value of CRC-32C.
    #[test]
    fn the_reference_knows_the_standards_examples() {
        let key: Block = core::array::from_fn(|n| n as u8);
        let plain: Block = core::array::from_fn(|n| 0x11 * n as u8);
        let cipher = reference::encrypt_aes_128(&key, &plain);
        assert_eq!(u128::from_be_bytes(cipher), 0x69c4_e0d8_6a7b_0430_d8cd_b780_70b4_c55a);
        let mut data = [0; DATA];
        data[..9].copy_from_slice(b"123456789");
        assert_eq!(!reference::crc32c(!0, &data[..9]), 0xe306_9283);
    }
}
