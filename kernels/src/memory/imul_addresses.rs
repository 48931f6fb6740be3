//! `imul-addresses`: integer products that become addresses that feed loads. The table holds an odd multiple of each index under
//! a key, so that a wrong address loads a wrong word. Every state steps by `x = x * M + table[i]`, with i taken from the upper
//! bits of `x * M` or from the upper half of `x * entries`; both keep all bits of x in play, and what differs once stays
//! different.
//!
//! Stages: "chain", one chain that waits for every load; "streams", eight of them at once; "strides", `table[(row * s + column *
//! t) mod entries]`, the products made anew for every element as array libraries do.

use crate::{
    buffer::Buffer,
    gemm::no_such_variant,
    goldens,
    isa::{Isa, Token},
    kernel::{Golden, Size, Variant},
    rng::Rng,
    staged::{Call, Staged},
};

/// States that step side by side.
const STREAMS: usize = 8;
/// Words before the table: the streams' starts, the chain's, the two strides and the rows' accumulators' start.
const HEAD: usize = 16;
/// Steps between two words of output.
const PERIOD: usize = 64;
/// Elements of a row of "strides".
const COLUMNS: usize = 128;
const MULTIPLIER: u64 = 0xd134_2543_de82_ef95;

#[derive(Default)]
pub(crate) struct ImulAddresses {
    /// The table has two to this power entries.
    bits: u32,
    /// Words that the chain leaves.
    chain: usize,
    /// Words that each stream leaves.
    streams: usize,
    rows: usize,
}

/// The input, taken apart.
struct Table<'a> {
    head: &'a [u64],
    words: &'a [u64],
    bits: u32,
}

impl Staged for ImulAddresses {
    type Word = u64;
    const NAME: &'static str = "imul-addresses";
    const SUMMARY: &'static str = "integer products as addresses of loads, chained and side by side";
    const VARIANTS: &'static [Variant] = &[Variant::of(Isa::X64), Variant::of(Isa::Scalar)];
    const GOLDENS: &'static [Golden] = goldens::IMUL_ADDRESSES;
    const STAGES: &'static [&'static str] = &["chain", "streams", "strides"];
    const TYPE: &'static str = "uint64";

    fn generate(&mut self, size: Size, rng: &mut Rng, input: &mut Buffer<u8>) {
        *self = match size {
            // 16 KiB to 1 MiB, so that each level of the caches answers.
            Size::Golden => Self { bits: [11, 13, 15, 17][rng.within(0, 3)], chain: 1024, streams: 512, rows: 512 },
            Size::Fresh => Self {
                bits: rng.within(1, 13) as u32,
                chain: rng.within(2, 120),
                streams: rng.within(2, 60),
                rows: rng.within(2, 50),
            },
        };
        input.resize((HEAD + (1 << self.bits)) * 8);
        let (head, table) = bytemuck::cast_slice_mut::<_, u64>(input).split_at_mut(HEAD);
        rng.fill(bytemuck::cast_slice_mut(head));
        let (odd, key) = (rng.next() | 1, rng.next());
        for (word, i) in table.iter_mut().zip(0u64..) {
            *word = i.wrapping_mul(odd) ^ key;
        }
    }

    fn sizes(&self) -> [usize; 2] {
        [self.chain, self.rows]
    }

    fn shape(&self, stage: usize) -> [usize; 2] {
        match stage {
            0 => [self.chain, 1],
            1 => [self.streams, STREAMS],
            _ => [self.rows, 1],
        }
    }

    fn operations(&self) -> u64 {
        // A product, an addition and a load count three.
        3 * ((self.chain + self.streams * STREAMS) * PERIOD + self.rows * COLUMNS) as u64
    }

    fn run(&mut self, token: Token, input: &[u8], call: &mut Call<'_, u64>) {
        let (head, words) = bytemuck::cast_slice::<_, u64>(input).split_at(HEAD);
        let table = Table { head, words, bits: self.bits };
        match token {
            Token::Scalar => self.stages::<Plain>(&table, call),
            #[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
            Token::X64(_) => self.stages::<assembly::Assembly>(&table, call),
            token => no_such_variant(Self::NAME, token),
        }
    }
}

impl ImulAddresses {
    fn stages<S: Steps>(&self, table: &Table<'_>, call: &mut Call<'_, u64>) {
        let part = call.enter(0, self.chain);
        call.halves(self.chain, &mut [table.head[STREAMS]], |words, state| {
            for word in &mut part[words] {
                for _ in 0..PERIOD {
                    state[0] = S::upper_bits(table, state[0]);
                }
                *word = state[0];
            }
        });
        let part = call.enter(1, self.streams * STREAMS);
        let mut states: [u64; STREAMS] = table.head[..STREAMS].try_into().expect("so many");
        call.halves(self.streams, &mut states, |words, states| {
            let states: &mut [u64; STREAMS] = states.try_into().expect("the same");
            for left in &mut part.as_chunks_mut::<STREAMS>().0[words] {
                for _ in 0..PERIOD {
                    for pair in states.as_chunks_mut::<2>().0 {
                        *pair = [S::upper_bits(table, pair[0]), S::upper_half(table, pair[1])];
                    }
                }
                *left = *states;
            }
        });
        let part = call.enter(2, self.rows);
        call.halves(self.rows, &mut [table.head[STREAMS + 1]], |rows, start| {
            for row in rows {
                part[row] =
                    (0..COLUMNS as u64).fold(start[0], |sum, column| S::strided(table, sum, row as u64, column));
            }
        });
    }
}

/// The steps; `x * M` modulo 2^64 is called y.
trait Steps {
    /// `y + table[y >> (64 - bits)]`.
    fn upper_bits(table: &Table<'_>, x: u64) -> u64;
    /// `y + table[x * entries >> 64]`.
    fn upper_half(table: &Table<'_>, x: u64) -> u64;
    /// `(sum ^ a) * M + table[a mod entries]` with a the row and the column times their strides.
    fn strided(table: &Table<'_>, sum: u64, row: u64, column: u64) -> u64;
}

impl Table<'_> {
    fn strides(&self) -> (u64, u64) {
        (self.head[STREAMS + 2], self.head[STREAMS + 3])
    }
}

/// The reference.
struct Plain;

impl Steps for Plain {
    #[inline(always)]
    fn upper_bits(table: &Table<'_>, x: u64) -> u64 {
        let y = x.wrapping_mul(MULTIPLIER);
        y.wrapping_add(table.words[(y >> (64 - table.bits)) as usize])
    }

    #[inline(always)]
    fn upper_half(table: &Table<'_>, x: u64) -> u64 {
        let entry = ((u128::from(x) * table.words.len() as u128) >> 64) as usize;
        x.wrapping_mul(MULTIPLIER).wrapping_add(table.words[entry])
    }

    #[inline(always)]
    fn strided(table: &Table<'_>, sum: u64, row: u64, column: u64) -> u64 {
        let (s, t) = table.strides();
        let at = row.wrapping_mul(s).wrapping_add(column.wrapping_mul(t));
        let word = table.words[at as usize % table.words.len()];
        (sum ^ at).wrapping_mul(MULTIPLIER).wrapping_add(word)
    }
}

#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
mod assembly {
    use core::arch::asm;

    use super::*;

    /// The very instructions: the product is the address, with no check between them that could hide a wrong one.
    pub(super) struct Assembly;

    impl Steps for Assembly {
        #[inline(always)]
        fn upper_bits(table: &Table<'_>, x: u64) -> u64 {
            let mut x = x;
            // SAFETY: the table has two to the power of `bits` words, and so many bits are left of the index.
            unsafe {
                asm!(
                    "imul {x}, {multiplier}",
                    "mov {at}, {x}",
                    "shr {at}, cl",
                    "add {x}, [{table} + {at} * 8]",
                    x = inout(reg) x, multiplier = in(reg) MULTIPLIER, at = out(reg) _,
                    in("cl") (64 - table.bits) as u8, table = in(reg) table.words.as_ptr(),
                    options(pure, readonly, nostack),
                );
            }
            x
        }

        #[inline(always)]
        fn upper_half(table: &Table<'_>, x: u64) -> u64 {
            let mut x = x;
            // Both halves of the product together are the state again, so that no bit of either can be wrong unseen.
            // SAFETY: the upper half of a product with the length of the table is below that length.
            unsafe {
                asm!(
                    "mul {entries}",
                    "shrd rax, rdx, cl",
                    "imul rax, {multiplier}",
                    "add rax, [{table} + rdx * 8]",
                    inout("rax") x, multiplier = in(reg) MULTIPLIER, entries = in(reg) table.words.len(),
                    in("cl") table.bits as u8, table = in(reg) table.words.as_ptr(), out("rdx") _,
                    options(pure, readonly, nostack),
                );
            }
            x
        }

        #[inline(always)]
        fn strided(table: &Table<'_>, sum: u64, row: u64, column: u64) -> u64 {
            let (s, t) = table.strides();
            let mut sum = sum;
            // SAFETY: the mask is the length of the table, a power of two, less one.
            unsafe {
                asm!(
                    "imul {row}, {s}",
                    "imul {column}, {t}",
                    "add {row}, {column}",
                    "xor {sum}, {row}",
                    "imul {sum}, {multiplier}",
                    "and {row}, {mask}",
                    "add {sum}, [{table} + {row} * 8]",
                    sum = inout(reg) sum, row = inout(reg) row => _, column = inout(reg) column => _,
                    s = in(reg) s, t = in(reg) t, multiplier = in(reg) MULTIPLIER,
                    mask = in(reg) table.words.len() - 1, table = in(reg) table.words.as_ptr(),
                    options(pure, readonly, nostack),
                );
            }
            sum
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_agree_and_faults_show_in_their_stage() {
        crate::staged::tests::holds::<ImulAddresses>();
    }

    #[test]
    fn every_address_loads_a_word_of_its_own() {
        let (mut work, mut input) = (ImulAddresses::default(), Buffer::default());
        work.generate(Size::Golden, &mut Rng::new(5), &mut input);
        let mut words = bytemuck::cast_slice::<_, u64>(&input)[HEAD..].to_vec();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), 1 << work.bits);
    }

    /// Whatever bit of a state differs, the states differ after the step, by whatever step.
    #[test]
    fn no_flip_vanishes_in_a_step() {
        let (mut work, mut input) = (ImulAddresses::default(), Buffer::default());
        for seed in 0..20 {
            work.generate(Size::Fresh, &mut Rng::new(seed), &mut input);
            let (head, words) = bytemuck::cast_slice::<_, u64>(&input).split_at(HEAD);
            let table = Table { head, words, bits: work.bits };
            for bit in 0..64 {
                let (x, wrong) = (head[0], head[0] ^ 1 << bit);
                assert_ne!(Plain::upper_bits(&table, x), Plain::upper_bits(&table, wrong));
                assert_ne!(Plain::upper_half(&table, x), Plain::upper_half(&table, wrong));
                assert_ne!(Plain::strided(&table, x, 3, 5), Plain::strided(&table, wrong, 3, 5));
            }
        }
    }
}
