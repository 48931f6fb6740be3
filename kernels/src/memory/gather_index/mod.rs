//! `gather-index`: gathers from tables that hold the index of each entry, so that a wrong index shows, and scatters. What is
//! gathered goes into the state that the next indexes are made of. Each step first makes `x = x * M + A` of every lane (the lanes of
//! 64 bits are shifted and xored) and takes the upper bits as the index; what is xored into x after that leaves these bits as they are or
//! turns them all, and which of the two can be told from the result, so that all steps can be undone, and what differs once stays different.
//!
//! Stages: "gather-32"; "gather-64", with indexes of 64 bits, from entries `i + (not i) * 2^32`; "masked", floats (never computed
//! with), which are the complements of their indexes, gathered in the lanes whose lowest bit is one, while the others take the index
//! itself, the states turned by 15 bits before each step; "scatter", a gather from a small table and a scatter of the state to the
//! same places, the last lane winning, the table a part of the output.

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

/// Words of the state: four vectors of 512 bits.
const WORDS: usize = 64;
type State = [u32; WORDS];
/// Steps between two rows of output.
const PERIOD: usize = 32;
/// Entries of the table that is scattered to: two to the power of this.
const SCATTERED_BITS: u32 = 10;
const SCATTERED: usize = 1 << SCATTERED_BITS;
const MULTIPLIER: u32 = 0x2c9b_4d35;
const ADDEND: u32 = 0x6e62_4eb7;

#[derive(Default)]
pub(crate) struct GatherIndex {
    /// The tables have two to this power entries; at most 16.
    bits: u32,
    rows: [usize; 4],
}

impl Staged for GatherIndex {
    type Word = u32;
    const NAME: &'static str = "gather-index";
    const SUMMARY: &'static str = "gathers from tables of their own indexes, masked gathers, scatters";
    const VARIANTS: &'static [Variant] =
        &[Variant::of(Isa::Avx512F), Variant::of(Isa::Avx2Fma), Variant::of(Isa::Scalar)];
    const GOLDENS: &'static [Golden] = goldens::GATHER_INDEX;
    const STAGES: &'static [&'static str] = &["gather-32", "gather-64", "masked", "scatter"];
    const TYPE: &'static str = "uint32";

    fn generate(&mut self, size: Size, rng: &mut Rng, input: &mut Buffer<u8>) {
        *self = match size {
            Size::Golden => Self { bits: [10, 12, 14, 16][rng.within(0, 3)], rows: [96; 4] },
            Size::Fresh => Self { bits: rng.within(4, 12) as u32, rows: core::array::from_fn(|_| rng.within(2, 8)) },
        };
        let entries = 1 << self.bits;
        input.resize(size_of::<State>() + SCATTERED * 4 + entries * (4 + 8));
        let (random, tables) = input.split_at_mut(size_of::<State>() + SCATTERED * 4);
        rng.fill(random);
        let (narrow, wide) = tables.split_at_mut(entries * 4);
        for (entry, i) in bytemuck::cast_slice_mut::<_, u32>(narrow).iter_mut().zip(0..) {
            *entry = i;
        }
        for (entry, i) in bytemuck::cast_slice_mut::<_, u64>(wide).iter_mut().zip(0u32..) {
            *entry = u64::from(i) | u64::from(!i) << 32;
        }
    }

    fn sizes(&self) -> [usize; 2] {
        [self.rows[0] << 16 | self.rows[1], self.rows[2] << 16 | self.rows[3]]
    }

    fn shape(&self, stage: usize) -> [usize; 2] {
        [self.rows[stage] + if stage == 3 { SCATTERED / WORDS } else { 0 }, WORDS]
    }

    fn operations(&self) -> u64 {
        // Lanes gathered and scattered.
        ((self.rows[0] + self.rows[1] / 2 + self.rows[2] + 2 * self.rows[3]) * PERIOD * WORDS) as u64
    }

    fn run(&mut self, token: Token, input: &[u8], call: &mut Call<'_, u32>) {
        match token {
            Token::Scalar => self.stages::<reference::Lanes>(input, call),
            #[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
            Token::Avx2Fma(_) => self.stages::<vectors::Avx2>(input, call),
            #[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
            Token::Avx512F(_) => self.stages::<vectors::Avx512>(input, call),
            token => no_such_variant(Self::NAME, token),
        }
    }
}

/// The tables.
struct Tables<'a> {
    bits: u32,
    narrow: &'a [u32],
    wide: &'a [u64],
}

/// The stages, so many steps of each.
trait Gathers {
    fn gather_32(tables: &Tables<'_>, steps: usize, state: &mut State);
    fn gather_64(tables: &Tables<'_>, steps: usize, state: &mut State);
    fn masked(tables: &Tables<'_>, steps: usize, state: &mut State);
    fn scatter(scattered: &mut [u32; SCATTERED], steps: usize, state: &mut State);
}

impl GatherIndex {
    fn stages<G: Gathers>(&self, input: &[u8], call: &mut Call<'_, u32>) {
        let words: &[u32] = bytemuck::cast_slice(input);
        let (start, rest) = words.split_at(WORDS);
        let (scattered, rest) = rest.split_at(SCATTERED);
        let (narrow, wide) = rest.split_at(1 << self.bits);
        let tables = Tables { bits: self.bits, narrow, wide: bytemuck::cast_slice(wide) };
        assert_eq!((tables.narrow.len(), tables.wide.len()), (1 << self.bits, 1 << self.bits));
        let stages: [fn(&Tables<'_>, usize, &mut State); 3] = [G::gather_32, G::gather_64, G::masked];
        for (stage, work) in stages.into_iter().enumerate() {
            let part = call.enter(stage, self.rows[stage] * WORDS);
            self.rows(stage, start, call, part, |state| work(&tables, PERIOD, state));
        }
        let (table, part) = call.enter(3, SCATTERED + self.rows[3] * WORDS).split_at_mut(SCATTERED);
        table.copy_from_slice(scattered);
        let table: &mut [u32; SCATTERED] = table.try_into().expect("so many");
        self.rows(3, start, call, part, |state| G::scatter(table, PERIOD, state));
    }

    fn rows(
        &self,
        stage: usize,
        start: &[u32],
        call: &Call<'_, u32>,
        part: &mut [u32],
        mut work: impl FnMut(&mut State),
    ) {
        let mut state: State = start.try_into().expect("so many");
        call.halves(self.rows[stage], &mut state, |rows, state| {
            let state: &mut State = state.try_into().expect("the same");
            for row in rows {
                work(state);
                part[row * WORDS..][..WORDS].copy_from_slice(state);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_agree_and_faults_show_in_their_stage() {
        crate::staged::tests::holds::<GatherIndex>();
    }

    /// Whatever bit of the state or of a table that is read differs, the states differ.
    #[test]
    fn no_flip_vanishes() {
        let mut start: State = [0; WORDS];
        Rng::new(12).fill(bytemuck::cast_slice_mut(&mut start));
        let narrow: [u32; 16] = core::array::from_fn(|n| n as u32);
        let wide: [u64; 16] = core::array::from_fn(|n| n as u64 | u64::from(!n as u32) << 32);
        type Work = fn(&Tables<'_>, usize, &mut State);
        // With the halves of the wide table that each reads.
        let stages: [(Work, &[u32]); 3] = [
            (reference::Lanes::gather_32, &[]),
            (reference::Lanes::gather_64, &[0, 1]),
            (reference::Lanes::masked, &[1]),
        ];
        for (work, halves) in stages {
            let after = |mut state: State, narrow: &[u32], wide: &[u64]| {
                work(&Tables { bits: 4, narrow, wide }, 20, &mut state);
                state
            };
            let right = after(start, &narrow, &wide);
            for bit in 0..32 * WORDS {
                let mut wrong = start;
                wrong[bit / 32] ^= 1 << (bit % 32);
                assert!(after(wrong, &narrow, &wide) != right, "bit {bit}");
            }
            for (entry, bit) in (0..16).flat_map(|entry| (0..32).map(move |bit| (entry, bit))) {
                if halves.is_empty() {
                    let mut wrong = narrow;
                    wrong[entry] ^= 1 << bit;
                    assert!(after(start, &wrong, &wide) != right, "entry {entry}, bit {bit}");
                }
                for half in halves {
                    let mut wrong = wide;
                    wrong[entry] ^= 1 << (32 * half + bit);
                    assert!(after(start, &narrow, &wrong) != right, "entry {entry}, half {half}, bit {bit}");
                }
            }
        }
    }
}
