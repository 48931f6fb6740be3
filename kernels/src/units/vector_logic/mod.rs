//! `vector-logic`: and, or, xor, and-not and ternary logic, shifts, shuffles, permutations, packs, blends, compares and masks. A
//! block is eight rows of 256 bits and 32 bits of masks; 512 bits take two blocks at once, 128 bits take half a row after
//! another.
//!
//! No step destroys anything: it permutes a row, or rearranges two rows into each other, or adds a function of other rows to one
//! row (`a ^= b & c`), and so can be undone. A bit that flips in a row, or in the result of any instruction, is still there at the
//! end. The order of steps is that of `turn!`, whose instructions are written out, lest a compiler choose others.

mod reference;
#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
mod vectors;

use crate::{
    buffer::Buffer,
    goldens,
    isa::{Isa, Token},
    kernel::{Golden, Size, Variant},
    rng::Rng,
    staged::{Call, Staged},
};

const ROWS: usize = 8;
/// Words of a row of a pair of blocks.
const WORDS: usize = 8;
/// Words of a pair of blocks, the last of which holds both blocks' masks.
const PAIR: usize = ROWS * WORDS + 1;
type Pair = [u64; PAIR];
const TURNS: usize = 2000;
const PAIRS: usize = 16;
/// Steps of a turn, each of which counts one operation for each 32 bits of a row.
const STEPS: usize = 48;

/// The bytes of 128 bits, shuffled.
const BYTES: [u8; 16] = [6, 11, 0, 13, 3, 8, 15, 1, 10, 5, 12, 2, 7, 14, 4, 9];
/// The words of 32 bits of a block, permuted.
const DWORDS: [u32; 8] = [5, 2, 7, 0, 3, 6, 1, 4];

/// One turn, in terms of functions of whole rows that are in scope where it is expanded.
macro_rules! turn {
    ($r:ident, $masks:ident) => {{
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *$r;
        a = xor(a, and(b, c));
        b = xor(b, or(c, d));
        c = xor(c, and_not(d, e));
        d = shuffle_bytes_fixed(d);
        e = xor(e, shuffle_bytes(f, g));
        f = add_d(f, shift_left_d::<7>(g));
        g = xor(g, shift_right_q::<11>(h));
        h = sub_q(h, shift_right_signed_w::<3>(a));
        a = xor(a, shift_left_w::<5>(b));
        b = xor(b, shift_right_signed_d::<9>(c));
        c = xor(c, shift_left_each_d(d, e));
        d = xor(d, shift_right_each_q(e, f));
        e = xor(e, shift_right_signed_each_d(f, g));
        (f, g) = (unpack_low_b(f, g), unpack_high_b(f, g));
        (g, h) = (unpack_low_w(g, h), unpack_high_w(g, h));
        (h, a) = (unpack_low_d(h, a), unpack_high_d(h, a));
        (a, b) = (unpack_low_q(a, b), unpack_high_q(a, b));
        c = rotate_bytes::<5>(c);
        d = shuffle_d::<0x39>(d);
        e = shuffle_low_w::<0x1b>(e);
        f = shuffle_high_w::<0x93>(f);
        (g, h) = (blend_bytes(g, h, a), blend_bytes(h, g, a));
        (a, b) = (blend_words(a, b), blend_words(b, a));
        c = add_d(c, where_greater_d(d, e, f));
        d = xor(d, where_equal_b(e, f, g));
        e = add_d(e, where_greater_q(f, g, h));
        f = xor(f, pack_w(g, h));
        g = xor(g, pack_d(h, a));
        h = permute_d(h);
        a = permute_q::<0x93>(a);
        b = swap_halves(b);
        c = xor(c, shuffle_two_d::<0x8d>(d, e));
        d = xor(d, least_b(e, f));
        e = xor(e, greatest_w(f, g));
        add_masks($masks, a);
        c = ternary::<0x96>(c, d, e);
        // f where e has a one, g elsewhere; what two or three of f, g and h have.
        d = xor(d, ternary::<0xca>(e, f, g));
        e = xor(e, ternary::<0xe8>(f, g, h));
        *$r = [b, c, d, e, f, g, h, a];
    }};
}
use turn;

#[derive(Default)]
pub(crate) struct VectorLogic {
    pairs: usize,
    turns: usize,
}

impl Staged for VectorLogic {
    type Word = u64;
    const NAME: &'static str = "vector-logic";
    const SUMMARY: &'static str = "vector logic, shifts, shuffles, permutes, packs, blends, compares and masks";
    const VARIANTS: &'static [Variant] =
        &[Variant::of(Isa::Avx512F), Variant::of(Isa::Avx2Fma), Variant::of(Isa::Sse42), Variant::of(Isa::Scalar)];
    const GOLDENS: &'static [Golden] = goldens::VECTOR_LOGIC;
    const STAGES: &'static [&'static str] = &["turns"];
    const TYPE: &'static str = "uint64";

    fn generate(&mut self, size: Size, rng: &mut Rng, input: &mut Buffer<u8>) {
        *self = match size {
            Size::Golden => Self { pairs: PAIRS, turns: TURNS },
            Size::Fresh => Self { pairs: rng.within(1, 8), turns: rng.within(2, 300) },
        };
        input.resize(self.pairs * size_of::<Pair>());
        rng.fill(input);
    }

    fn sizes(&self) -> [usize; 2] {
        [self.pairs, self.turns]
    }

    fn shape(&self, _: usize) -> [usize; 2] {
        [self.pairs, PAIR]
    }

    fn operations(&self) -> u64 {
        (self.pairs * self.turns * STEPS * 2 * WORDS) as u64
    }

    fn run(&mut self, token: Token, input: &[u8], call: &mut Call<'_, u64>) {
        let part = call.enter(0, self.pairs * PAIR);
        part.copy_from_slice(bytemuck::cast_slice(input));
        call.halves(self.turns, part, |turns, part| {
            let pairs = part.as_chunks_mut::<PAIR>().0;
            match token {
                Token::Scalar => reference::turns(pairs, turns.len()),
                #[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
                token => vectors::turns(token, pairs, turns.len()),
                #[cfg(not(all(target_arch = "x86_64", not(feature = "scalar-only"))))]
                token => crate::gemm::no_such_variant(Self::NAME, token),
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_agree_and_faults_show() {
        crate::staged::tests::holds::<VectorLogic>();
    }

    /// Whatever bit of the state differs, the states differ after some turns.
    #[test]
    fn no_flip_vanishes() {
        let mut start = [0; PAIR];
        Rng::new(17).fill(bytemuck::cast_slice_mut(&mut start));
        let after = |mut pair: Pair| {
            reference::turns(core::slice::from_mut(&mut pair), 3);
            pair
        };
        let right = after(start);
        for bit in 0..64 * PAIR {
            let mut wrong = start;
            wrong[bit / 64] ^= 1 << (bit % 64);
            assert!(after(wrong) != right, "bit {bit}");
        }
    }
}
