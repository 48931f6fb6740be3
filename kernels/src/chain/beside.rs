//! Chains beside vector work, and vector work alone: what a core's clock is while its vector units are busy.
//!
//! A round of either chain has independent multiply-adds in its shadow: 12 beside 24 cycles of [`super::add_xor`], 16 beside eight
//! multiplications of [`super::imul`]. Neither is more than a core with one multiplier of that width does meanwhile, so that both
//! chains are as long as they are alone. Where they are not (a sibling keeps the units busy) they are held up in another
//! proportion.

use crate::isa::Token;

/// Pairs in a round of [`add_xor`].
pub const ROUND_PAIRS: u64 = 12;
/// Multiplications in a round of [`imul`].
pub const ROUND_IMULS: u64 = 8;
/// Multiply-adds of a round of [`products`].
#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
const ROUND_PRODUCTS: u64 = 24;

/// Lanes of 32 bits in the widest vectors of an instruction set; `None` where no multiply-add of ours fits.
#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
pub fn lanes(token: Token) -> Option<u64> {
    match token {
        Token::Avx512F(_)
        | Token::Avx512Vnni(_)
        | Token::Avx512Bf16(_)
        | Token::Avx512Vaes(_)
        | Token::Avx512Fp16(_) => Some(16),
        Token::Avx2Fma(_)
        | Token::Avx2F16c(_)
        | Token::AvxNeConvert(_)
        | Token::AvxVnni(_)
        | Token::AvxVnniInt8(_)
        | Token::Vaes(_) => Some(8),
        Token::Scalar | Token::X64(_) | Token::Sse41(_) | Token::Sse42(_) | Token::AesNi(_) | Token::ShaNi(_) => None,
    }
}

/// The same, of a build without vector code.
#[cfg(not(all(target_arch = "x86_64", not(feature = "scalar-only"))))]
pub fn lanes(_: Token) -> Option<u64> {
    None
}

/// What came of a chain and of the vector work beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The chain's.
    pub chain: u64,
    /// The accumulators' bits, folded by exclusive or: the same in every lane. Narrow vectors are there twice.
    pub lanes: [u32; 16],
}

/// `rounds` of [`super::add_xor`] beside vector work of that instruction set's width; `b` and `c` must not be zero.
#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
pub fn add_xor(token: Token, rounds: u64, b: u64, c: u64) -> Option<Answer> {
    let rounds = rounds.max(1);
    // SAFETY: a token of that width proves AVX-512 F, or AVX2 and FMA.
    lanes(token)
        .map(|lanes| unsafe { if lanes == 16 { zmm::add_xor(rounds, b, c) } else { ymm::add_xor(rounds, b, c) } })
}

/// `rounds` of [`super::imul`] beside vector work of that instruction set's width.
#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
pub fn imul(token: Token, rounds: u64, x: u64) -> Option<Answer> {
    let rounds = rounds.max(1);
    // SAFETY: a token of that width proves AVX-512 F, or AVX2 and FMA.
    lanes(token).map(|lanes| unsafe { if lanes == 16 { zmm::imul(rounds, x) } else { ymm::imul(rounds, x) } })
}

/// The same, of a build without vector code.
#[cfg(not(all(target_arch = "x86_64", not(feature = "scalar-only"))))]
pub fn add_xor(_: Token, _: u64, _: u64, _: u64) -> Option<Answer> {
    None
}

/// The same, of a build without vector code.
#[cfg(not(all(target_arch = "x86_64", not(feature = "scalar-only"))))]
pub fn imul(_: Token, _: u64, _: u64) -> Option<Answer> {
    None
}

/// `rounds` of independent multiply-adds of that instruction set's width and nothing else; how many vectors they were.
#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
pub fn products(token: Token, rounds: u64) -> Option<u64> {
    let rounds = rounds.max(1);
    // SAFETY: a token of that width proves AVX-512 F, or AVX2 and FMA.
    lanes(token).map(|lanes| unsafe {
        if lanes == 16 {
            zmm::alone(rounds)
        } else {
            ymm::alone(rounds)
        };
        rounds * ROUND_PRODUCTS
    })
}

/// The same, of a build without vector code.
#[cfg(not(all(target_arch = "x86_64", not(feature = "scalar-only"))))]
pub fn products(_: Token, _: u64) -> Option<u64> {
    None
}

/// What the lanes of [`add_xor`]'s vectors come to. For constants, as [`super::add_xor_expected`].
#[cfg(any(feature = "std", test))]
pub const fn add_xor_lanes(rounds: u64) -> u32 {
    folded(rounds, 12)
}

/// What the lanes of [`imul`]'s vectors come to. For constants, as [`super::imul_expected`].
#[cfg(any(feature = "std", test))]
pub const fn imul_lanes(rounds: u64) -> u32 {
    folded(2 * rounds, 8)
}

/// So many multiply-adds with each of the first `taking` accumulators.
#[cfg(any(feature = "std", test))]
const fn folded(each: u64, taking: usize) -> u32 {
    let (mut fold, mut a) = (0, 0);
    while a < 12 {
        let (mut number, mut n) = (NUMBERS[a], 0);
        while a < taking && n < each {
            number = number.mul_add(NUMBERS[12], NUMBERS[13]);
            n += 1;
        }
        fold ^= number.to_bits();
        a += 1;
    }
    fold
}

/// Twelve accumulators, the factor and the summand. A factor of almost -1 makes each accumulator change sides with every
/// product: bits that toggle, and no number ever denormal.
#[cfg(any(feature = "std", test, all(target_arch = "x86_64", not(feature = "scalar-only"))))]
static NUMBERS: [f32; 14] = [1.1, 0.3, 1.7, 0.7, 1.3, 0.1, 1.9, 0.9, 1.5, 0.5, 1.2, 0.6, -0.999_999_94, 1.618_034];

/// One loop: twelve numbers and two constants in vectors, then `n` rounds of its body.
#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
macro_rules! rounds {
    ($register:literal, $bytes:literal, $fold:literal, $n:ident: [$($body:expr),+], [$($operands:tt)*], [$($written:tt)+]) => {{
        let mut lanes = [0u32; 16];
        // SAFETY: reads the numbers and writes the lanes, both of which it stays within; all else that is written is declared.
        unsafe {
            asm!(
                ".irp a, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11",
                concat!("vbroadcastss ", $register, "\\a, [{numbers} + \\a * 4]"),
                ".endr",
                concat!("vbroadcastss ", $register, "14, [{numbers} + 48]"),
                concat!("vbroadcastss ", $register, "15, [{numbers} + 52]"),
                "2:",
                $($body,)+
                "dec {n}",
                "jnz 2b",
                ".irp a, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11",
                concat!($fold, " ", $register, "0, ", $register, "0, ", $register, "\\a"),
                ".endr",
                concat!("vmovups [{lanes}], ", $register, "0"),
                concat!("vmovups [{lanes} + 64 - ", $bytes, "], ", $register, "0"),
                "vzeroupper",
                n = inout(reg) $n => _,
                numbers = in(reg) NUMBERS.as_ptr(),
                lanes = in(reg) lanes.as_mut_ptr(),
                $($operands)*
                $($written)+
                options(nostack),
            );
        }
        lanes
    }};
}

/// The loops in vectors of one width.
#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
macro_rules! loops {
    ($name:ident, $features:literal, $register:literal, $bytes:literal, $fold:literal, written: [$($written:tt)+]) => {
        mod $name {
            use core::arch::asm;

            use super::{Answer, NUMBERS};

            /// # Safety
            /// Takes the features; there is at least one round.
            #[target_feature(enable = $features)]
            pub(super) unsafe fn add_xor(n: u64, b: u64, c: u64) -> Answer {
                let mut chain = b ^ c;
                let lanes = rounds!($register, $bytes, $fold, n: [
                    ".irp a, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11",
                    "add {r}, {b}",
                    "xor {r}, {c}",
                    concat!("vfmadd213ps ", $register, "\\a, ", $register, "14, ", $register, "15"),
                    ".endr"
                ], [r = inout(reg) chain, b = in(reg) b, c = in(reg) c,], [$($written)+]);
                Answer { chain, lanes }
            }

            /// # Safety
            /// Takes the features; there is at least one round.
            #[target_feature(enable = $features)]
            pub(super) unsafe fn imul(n: u64, x: u64) -> Answer {
                let mut chain = x | 1;
                let lanes = rounds!($register, $bytes, $fold, n: [
                    ".irp a, 0, 1, 2, 3, 4, 5, 6, 7",
                    "imul {r}, {x}",
                    concat!("vfmadd213ps ", $register, "\\a, ", $register, "14, ", $register, "15"),
                    concat!("vfmadd213ps ", $register, "\\a, ", $register, "14, ", $register, "15"),
                    ".endr"
                ], [r = inout(reg) chain, x = in(reg) x | 1,], [$($written)+]);
                Answer { chain, lanes }
            }

            /// # Safety
            /// Takes the features; there is at least one round.
            #[target_feature(enable = $features)]
            pub(super) unsafe fn alone(n: u64) {
                rounds!($register, $bytes, $fold, n: [
                    ".irp a, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11",
                    concat!("vfmadd213ps ", $register, "\\a, ", $register, "14, ", $register, "15"),
                    ".endr"
                ], [], [$($written)+]);
            }
        }
    };
}

#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
loops!(
    zmm, "avx512f", "zmm", "64", "vpxord",
    written: [
        out("zmm0") _, out("zmm1") _, out("zmm2") _, out("zmm3") _, out("zmm4") _, out("zmm5") _, out("zmm6") _, out("zmm7") _, out("zmm8") _, out("zmm9") _, out("zmm10") _, out("zmm11") _, out("zmm12") _, out("zmm13") _, out("zmm14") _, out("zmm15") _,
    ]
);
#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
loops!(
    ymm, "avx2,fma", "ymm", "32", "vpxor",
    written: [
        out("ymm0") _, out("ymm1") _, out("ymm2") _, out("ymm3") _, out("ymm4") _, out("ymm5") _, out("ymm6") _, out("ymm7") _, out("ymm8") _, out("ymm9") _, out("ymm10") _, out("ymm11") _, out("ymm12") _, out("ymm13") _, out("ymm14") _, out("ymm15") _,
    ]
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::Isa;

    #[test]
    fn vector_work_beside_it_changes_nothing_of_the_chain() {
        let (b, c) = (0x9e37_79b9, 0x85eb_ca6b);
        for token in Isa::ALL.iter().filter_map(|isa| isa.token()) {
            for rounds in [1, 2, 57] {
                let expected = |chain, lane| lanes(token).map(|_| Answer { chain, lanes: [lane; 16] });
                let sums = super::super::add_xor_expected(rounds * ROUND_PAIRS, b, c);
                assert_eq!(add_xor(token, rounds, b, c), expected(sums, add_xor_lanes(rounds)), "{token:?} {rounds}");
                let products = super::super::imul_expected(rounds * ROUND_IMULS, b);
                assert_eq!(imul(token, rounds, b), expected(products, imul_lanes(rounds)), "{token:?} {rounds}");
            }
            assert_eq!(products(token, 3), lanes(token).map(|_| 72));
        }
        assert_eq!((lanes(Token::Scalar), products(Token::Scalar, 3)), (None, None));
    }
}
