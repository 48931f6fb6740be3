//! The scalar reference: digit by digit, with additions and shifts alone.

use super::{INTEGERS, LINES, Sums, Units, integers};

/// The reference.
pub(super) struct Digits;

impl Units for Digits {
    fn f32(numerators: &[[f32; 16]; LINES], denominators: &[[f32; 16]; LINES], row: usize, sums: &mut Sums<u32, 16>) {
        for (n, line) in numerators.iter().enumerate() {
            for (lane, (a, b)) in line.iter().zip(&denominators[(n + row) % LINES]).enumerate() {
                let quotient = divide::<24>(a.to_bits().into(), b.to_bits().into()) as u32;
                let root = root::<24>((quotient & !0 >> 1).into()) as u32;
                sums[0][lane] = sums[0][lane].rotate_left(1) ^ quotient;
                sums[1][lane] = sums[1][lane].rotate_left(1) ^ root;
            }
        }
    }

    fn f64(numerators: &[[f64; 8]; LINES], denominators: &[[f64; 8]; LINES], row: usize, sums: &mut Sums<u64, 8>) {
        for (n, line) in numerators.iter().enumerate() {
            for (lane, (a, b)) in line.iter().zip(&denominators[(n + row) % LINES]).enumerate() {
                let quotient = divide::<53>(a.to_bits(), b.to_bits());
                sums[0][lane] = sums[0][lane].rotate_left(1) ^ quotient;
                sums[1][lane] = sums[1][lane].rotate_left(1) ^ root::<53>(quotient & !0 >> 1);
            }
        }
    }

    fn integers(numerators: &[u64; INTEGERS], denominators: &[u64; INTEGERS], row: usize, sums: &mut Sums<u64, 8>) {
        for number in 0..INTEGERS {
            let (n, d) = integers(numerators, denominators, row, number);
            let results = [
                long_division(n & (d - 1), n, d, 64),
                signed(n as i64 >> 1, d as i64, 64),
                {
                    let (n, d) = (n & 0xffff_ffff, d & 0xffff_ffff);
                    long_division(n & (d - 1), n, d, 32)
                },
                {
                    let (quotient, remainder) = signed((n as i32 >> 1).into(), (d as i32).into(), 32);
                    (quotient & 0xffff_ffff, remainder & 0xffff_ffff)
                },
            ];
            for (n, (quotient, remainder)) in results.into_iter().enumerate() {
                sums[0][n] = sums[0][n].rotate_left(1) ^ quotient;
                sums[1][n] = sums[1][n].rotate_left(1) ^ remainder;
            }
        }
    }
}

/// Quotient and remainder of `high * 2^bits + low` by a larger number than `high`.
pub(super) fn long_division(high: u64, low: u64, divisor: u64, bits: u32) -> (u64, u64) {
    let (mut remainder, mut quotient) = (high, 0);
    for bit in (0..bits).rev() {
        let carry = remainder >> 63;
        remainder = remainder << 1 | low >> bit & 1;
        quotient <<= 1;
        if carry == 1 || remainder >= divisor {
            remainder = remainder.wrapping_sub(divisor);
            quotient |= 1;
        }
    }
    (quotient, remainder)
}

/// Rounds towards zero; the remainder has the dividend's sign.
fn signed(n: i64, d: i64, bits: u32) -> (u64, u64) {
    let (quotient, remainder) = long_division(0, n.unsigned_abs(), d.unsigned_abs(), bits);
    let with_sign = |value: u64, negative: bool| if negative { value.wrapping_neg() } else { value };
    (with_sign(quotient, (n < 0) != (d < 0)), with_sign(remainder, n < 0))
}

/// Bits of an exponent of numbers whose fraction has `P` digits, the first not stored: 24 or 53.
const fn exponent_bits(p: u32) -> u32 {
    if p == 24 { 8 } else { 11 }
}

/// Digits with the first, and the exponent as stored.
fn parts<const P: u32>(bits: u64) -> (u64, i64) {
    let stored = 1 << (P - 1);
    (bits & (stored - 1) | stored, (bits >> (P - 1) & ((1 << exponent_bits(P)) - 1)) as i64)
}

/// Packs `P` digits and one more, rounding it to nearest. There are no ties: if nothing followed an odd last digit, the product
/// with the divisor, or the square, would have more than `P` digits.
fn round<const P: u32>(digits: u64, exponent: i64) -> u64 {
    // The first digit adds one to the exponent, and so does a carry out of all of them.
    (((exponent - 1) as u64) << (P - 1)).wrapping_add((digits >> 1) + (digits & 1))
}

/// The quotient of two normal numbers, which must be normal.
pub(super) fn divide<const P: u32>(a: u64, b: u64) -> u64 {
    let bias = (1 << (exponent_bits(P) - 1)) - 1;
    let ((mut remainder, ea), (divisor, eb)) = (parts::<P>(a), parts::<P>(b));
    let mut exponent = ea - eb + bias;
    if remainder < divisor {
        remainder <<= 1;
        exponent -= 1;
    }
    let mut digits = 0;
    for _ in 0..=P {
        digits <<= 1;
        if remainder >= divisor {
            remainder -= divisor;
            digits |= 1;
        }
        remainder <<= 1;
    }
    let sign = (a ^ b) & 1 << (P - 1 + exponent_bits(P));
    sign | round::<P>(digits, exponent)
}

/// The square root of a positive normal number.
pub(super) fn root<const P: u32>(bits: u64) -> u64 {
    let bias = (1 << (exponent_bits(P) - 1)) - 1;
    let (digits, stored) = parts::<P>(bits);
    let exponent = stored - bias;
    // Twice as many digits as the root shall have, under an even exponent.
    let radicand = u128::from(digits) << (P + 1) << (exponent & 1);
    let (mut remainder, mut root) = (0u64, 0u64);
    for pair in (0..=P).rev() {
        remainder = remainder << 2 | (radicand >> (2 * pair)) as u64 & 3;
        let trial = root << 2 | 1;
        root <<= 1;
        if remainder >= trial {
            remainder -= trial;
            root |= 1;
        }
    }
    round::<P>(root, (exponent >> 1) + bias)
}
