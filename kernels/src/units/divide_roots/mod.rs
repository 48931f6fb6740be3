//! `divide-roots`: quotients and square roots of f32 and f64, and divisions of integers of 64 and 32 bits with and without sign,
//! against long division and extraction of roots, digit by digit, rounded to nearest. Every quotient, root and
//! remainder goes in full into an accumulator, `acc = rotate(acc, 1) ^ bits`, of its lane.
//!
//! Each row of output pairs the numerators with the denominators in another way. The root is that of the quotient without its sign.
//! All numbers are normal, and all results are.

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

/// Lines of 64 bytes of each operand of a stage.
const LINES: usize = 128;
/// Words of a row of each stage: an accumulator of 64 bytes for the quotients, one for the roots (the remainders).
const COLUMNS: usize = 16;
/// Integers of each operand.
const INTEGERS: usize = 256;

/// Accumulators of a stage: of quotients, then of roots.
type Sums<T, const N: usize> = [[T; N]; 2];

#[derive(Default)]
pub(crate) struct DivideRoots {
    rows: [usize; 3],
}

impl Staged for DivideRoots {
    type Word = u64;
    const NAME: &'static str = "divide-roots";
    const SUMMARY: &'static str = "quotients and square roots of f32 and f64, divisions of integers";
    const VARIANTS: &'static [Variant] =
        &[Variant::of(Isa::Avx512F), Variant::of(Isa::Avx2Fma), Variant::of(Isa::X64), Variant::of(Isa::Scalar)];
    const GOLDENS: &'static [Golden] = goldens::DIVIDE_ROOTS;
    const STAGES: &'static [&'static str] = &["f32", "f64", "integers"];
    const TYPE: &'static str = "uint64";

    fn generate(&mut self, size: Size, rng: &mut Rng, input: &mut Buffer<u8>) {
        self.rows = match size {
            Size::Golden => [96, 96, 48],
            Size::Fresh => core::array::from_fn(|_| rng.within(2, 5)),
        };
        input.resize((2 * 2 * LINES * 64) + 2 * INTEGERS * 8);
        rng.fill(input);
        let (singles, rest) = input.split_at_mut(2 * LINES * 64);
        let (doubles, integers) = rest.split_at_mut(2 * LINES * 64);
        for bits in bytemuck::cast_slice_mut::<_, u32>(singles) {
            // 24 bits are of the fraction, with those it is made of; exponents from -31 to 32.
            let fraction = fraction(u64::from(*bits) << 41 | rng.next() >> 23) >> 41;
            *bits = *bits & 1 << 31 | ((*bits >> 24 & 0x3f) + 96) << 23 | fraction as u32;
        }
        for bits in bytemuck::cast_slice_mut::<_, u64>(doubles) {
            // Exponents from -255 to 256.
            *bits = *bits & 1 << 63 | ((*bits >> 53 & 0x1ff) + 768) << 52 | fraction(rng.next()) >> 12;
        }
        for word in bytemuck::cast_slice_mut::<_, u64>(integers) {
            // Of every length.
            *word >>= rng.next() % 64;
        }
    }

    fn sizes(&self) -> [usize; 2] {
        [self.rows[0] << 32 | self.rows[1] << 16 | self.rows[2], 0]
    }

    fn shape(&self, stage: usize) -> [usize; 2] {
        [self.rows[stage], COLUMNS]
    }

    fn operations(&self) -> u64 {
        // Quotients and roots.
        (self.rows[0] * LINES * 16 * 2 + self.rows[1] * LINES * 8 * 2 + self.rows[2] * INTEGERS * 4) as u64
    }

    fn run(&mut self, token: Token, input: &[u8], call: &mut Call<'_, u64>) {
        match token {
            Token::Scalar => self.stages::<reference::Digits>(input, call),
            #[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
            Token::X64(_) => self.stages::<vectors::Instructions<128>>(input, call),
            #[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
            Token::Avx2Fma(_) => self.stages::<vectors::Instructions<256>>(input, call),
            #[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
            Token::Avx512F(_) => self.stages::<vectors::Instructions<512>>(input, call),
            token => no_such_variant(Self::NAME, token),
        }
    }
}

/// A fraction of one of several kinds from random bits: any, with long runs of ones, of few ones, of few digits.
fn fraction(random: u64) -> u64 {
    let ones = random | random << 13 | random << 29;
    match random & 3 {
        0 => ones | random >> 7,
        1 => random & random.rotate_left(17) & random.rotate_left(39),
        2 => random & !0 << 52,
        _ => random,
    }
}

/// The divisor of a kernel of integers is never zero, and no signed dividend is the smallest number.
fn integers(numerators: &[u64; INTEGERS], denominators: &[u64; INTEGERS], row: usize, n: usize) -> (u64, u64) {
    (numerators[n], denominators[(n + row) % INTEGERS] | 1)
}

/// The units.
trait Units {
    /// Line n of the numerators by line n + `row` of the denominators, modulo their number.
    fn f32(numerators: &[[f32; 16]; LINES], denominators: &[[f32; 16]; LINES], row: usize, sums: &mut Sums<u32, 16>);
    /// Likewise.
    fn f64(numerators: &[[f64; 8]; LINES], denominators: &[[f64; 8]; LINES], row: usize, sums: &mut Sums<u64, 8>);
    /// Of n and d, without sign and with: `(n & d - 1) * 2^64 + n` by d, half n by d, and the same of the lower 32 bits.
    /// Quotients go into sums 0 to 3 in this order, remainders likewise.
    fn integers(numerators: &[u64; INTEGERS], denominators: &[u64; INTEGERS], row: usize, sums: &mut Sums<u64, 8>);
}

impl DivideRoots {
    fn stages<U: Units>(&self, input: &[u8], call: &mut Call<'_, u64>) {
        let (singles, rest) = input.split_at(2 * LINES * 64);
        let (doubles, integers) = rest.split_at(2 * LINES * 64);
        let [singles, doubles, integers] =
            [singles, doubles, integers].map(|operands| operands.split_at(operands.len() / 2));
        self.stage(0, call, U::f32, lines(singles.0), lines(singles.1));
        self.stage(1, call, U::f64, lines(doubles.0), lines(doubles.1));
        self.stage(2, call, U::integers, numbers(integers.0), numbers(integers.1));
    }

    fn stage<O: ?Sized, T: bytemuck::Pod, const N: usize>(
        &self,
        stage: usize,
        call: &mut Call<'_, u64>,
        work: fn(&O, &O, usize, &mut Sums<T, N>),
        numerators: &O,
        denominators: &O,
    ) {
        let part = call.enter(stage, self.rows[stage] * COLUMNS);
        call.halves(self.rows[stage], [[T::zeroed(); N]; 2].as_flattened_mut(), |rows, sums| {
            let sums: &mut Sums<T, N> = sums.as_chunks_mut().0.try_into().expect("the same");
            for row in rows {
                work(numerators, denominators, row, sums);
                part[row * COLUMNS..][..COLUMNS].copy_from_slice(bytemuck::cast_slice(sums.as_flattened()));
            }
        });
    }
}

fn lines<T: bytemuck::Pod, const N: usize>(bytes: &[u8]) -> &[[T; N]; LINES] {
    bytemuck::cast_slice::<_, T>(bytes).as_chunks().0.try_into().expect("so many lines")
}

fn numbers(bytes: &[u8]) -> &[u64; INTEGERS] {
    bytemuck::cast_slice(bytes).try_into().expect("so many")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_agree_and_faults_show_in_their_stage() {
        crate::staged::tests::holds::<DivideRoots>();
    }

    /// The reference's arithmetic is libm's (soft floats) for roots and this CPU's for quotients, those of few digits included.
    #[test]
    fn the_reference_rounds_correctly() {
        let mut rng = Rng::new(8);
        for n in 0..200_000u64 {
            let (a, b) = (rng.next(), rng.next());
            let few = if n % 2 == 0 { !0 } else { !0 << 40 };
            let (a, b) = ((a & few) >> 12 | ((a & 0xff) + 900) << 52, (b & few) >> 12 | ((b & 0xff) + 900) << 52);
            let (x, y) = (f64::from_bits(a), f64::from_bits(b));
            assert_eq!(reference::divide::<53>(a, b), (x / y).to_bits(), "{x:e} / {y:e}");
            assert_eq!(reference::root::<53>(a), libm::sqrt(x).to_bits(), "{x:e}");
            let (x, y) = (x as f32, y as f32);
            let (a, b) = (u64::from(x.to_bits()), u64::from(y.to_bits()));
            if (x / y).is_normal() && x.is_normal() && y.is_normal() {
                assert_eq!(reference::divide::<24>(a, b) as u32, (x / y).to_bits(), "{x:e} / {y:e}");
                assert_eq!(reference::root::<24>(a) as u32, libm::sqrtf(x).to_bits(), "{x:e}");
            }
        }
    }

    #[test]
    fn integers_divide_as_they_do() {
        let mut rng = Rng::new(9);
        for _ in 0..10_000 {
            let (n, d) = (rng.next() >> (rng.next() % 64), rng.next() >> (rng.next() % 64) | 1);
            assert_eq!(reference::long_division(0, n, d, 64), (n / d, n % d));
            let high = n & (d - 1);
            let wide = u128::from(high) << 64 | u128::from(n);
            let right = ((wide / u128::from(d)) as u64, (wide % u128::from(d)) as u64);
            assert_eq!(reference::long_division(high, n, d, 64), right);
        }
    }
}
