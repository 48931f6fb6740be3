//! The references' fused multiply-adds.

/// `a * b + c`, rounded once; all finite. The product is exact in f64, and of the sum what it lost is known exactly (Knuth's
/// TwoSum); rounded to odd by that, the sum has one rounding left, to f32 (Boldo and Melquiond 2008, "Emulation of a FMA and
/// correctly rounded sums"). Without a branch, so that the compiler makes vectors of it.
pub(crate) fn multiply_add(a: f32, b: f32, c: f32) -> f32 {
    let (product, c) = (f64::from(a) * f64::from(b), f64::from(c));
    let sum = product + c;
    let of_c = sum - product;
    let lost = (product - (sum - of_c)) + (c - of_c);
    let bits = sum.to_bits();
    let towards = if (lost > 0.0) == (sum > 0.0) { bits.wrapping_add(1) } else { bits.wrapping_sub(1) };
    let odd = if lost != 0.0 && bits & 1 == 0 { towards } else { bits };
    f64::from_bits(odd) as f32
}

/// Bits of an f64's significand that are kept.
const FRACTION: u32 = 52;
/// The exponent of an f64 whose significand is taken as a whole number, when the bits say zero.
const BIAS: i32 = 1075;
/// So far a product of 106 bits may be shifted up, and an addend of 53, that their sum stays below 128 bits.
const ROOM_ABOVE_PRODUCT: i32 = 21;
const ROOM_ABOVE_ADDEND: i32 = 74;

/// The same of the bits of f64, in whole numbers: a register of floats would hold one in its lower half, and nobody would see what goes
/// wrong in the upper. The product is exact in 106 bits; what is shifted out of the smaller addend leaves its mark in the lowest bit, far
/// below where the sum is rounded (the "jamming" of SoftFloat). What is zero, denormal or not finite, or becomes so, is left to `libm`.
pub(crate) fn multiply_add_f64(a: u64, b: u64, c: u64) -> u64 {
    let numbers = [a, b, c];
    let by_libm = || {
        let [a, b, c] = numbers.map(f64::from_bits);
        libm::fma(a, b, c).to_bits()
    };
    let [exponent_a, exponent_b, exponent_c] = numbers.map(|bits| (bits >> FRACTION & 0x7ff) as i32);
    if [exponent_a, exponent_b, exponent_c].iter().any(|exponent| matches!(exponent, 0 | 0x7ff)) {
        return by_libm();
    }
    let [whole_a, whole_b, whole_c] = numbers.map(|bits| u128::from(bits & ((1 << FRACTION) - 1) | 1 << FRACTION));
    // Both addends as multiples of two to the power of `exponent`.
    let product = whole_a * whole_b;
    let exponent = exponent_a + exponent_b - 2 * BIAS;
    let by = exponent_c - BIAS - exponent;
    let (product, addend, exponent) = match by {
        ..0 => (product << ROOM_ABOVE_PRODUCT, at(whole_c, by + ROOM_ABOVE_PRODUCT), exponent - ROOM_ABOVE_PRODUCT),
        0..=ROOM_ABOVE_ADDEND => (product, whole_c << by, exponent),
        _ => (at(product, ROOM_ABOVE_ADDEND - by), whole_c << ROOM_ABOVE_ADDEND, exponent + by - ROOM_ABOVE_ADDEND),
    };
    let (is_negative, of_c) = ((a ^ b) >> 63, c >> 63);
    let (is_negative, sum) = match is_negative == of_c {
        true => (is_negative, product + addend),
        false if product >= addend => (is_negative, product - addend),
        false => (of_c, addend - product),
    };
    if sum == 0 {
        return 0;
    }
    let length = (u128::BITS - sum.leading_zeros()) as i32;
    let dropped = length - FRACTION as i32 - 1;
    let mut exponent = exponent + dropped + BIAS;
    let whole = if dropped > 0 {
        // To the nearest, and if there are two to the even one, which may have a bit more.
        let (kept, rest, half) = ((sum >> dropped) as u64, sum & ((1 << dropped) - 1), 1 << (dropped - 1));
        let rounded = kept + u64::from(rest > half || rest == half && kept & 1 == 1);
        let carry = rounded >> (FRACTION + 1);
        exponent += carry as i32;
        rounded >> carry
    } else {
        (sum << -dropped) as u64
    };
    match exponent {
        1..0x7ff => is_negative << 63 | (exponent as u64) << FRACTION | whole & ((1 << FRACTION) - 1),
        _ => by_libm(),
    }
}

/// Shifted up by so much, or down, where what is lost leaves a mark in the lowest bit.
fn at(number: u128, by: i32) -> u128 {
    match by {
        0.. => number << by,
        -127..0 => number >> -by | u128::from(number & ((1 << -by) - 1) != 0),
        _ => u128::from(number != 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn it_is_rounded_once() {
        let mut rng = Rng::new(5);
        let mut checked = 0;
        for _ in 0..1_000_000 {
            let (x, y) = (rng.next(), rng.next());
            let any = [x as u32, (x >> 32) as u32, y as u32].map(f32::from_bits);
            // Sums that nearly cancel, ties, and sums far smaller than what is added to them.
            let near = |by: f32| -(any[0] * any[1]) * (1.0 + by * f32::EPSILON);
            let [a, b, _] = any;
            for c in [any[2], near(0.0), near((y >> 60) as f32), a * 16_777_216.0, b] {
                let exact = libm::fmaf(a, b, c);
                if a.is_finite() && b.is_finite() && c.is_finite() {
                    assert_eq!(multiply_add(a, b, c).to_bits(), exact.to_bits(), "{a:e} {b:e} {c:e}");
                    checked += 1;
                }
            }
        }
        assert!(checked > 4_000_000, "{checked}");
    }

    #[test]
    fn of_f64_it_is_rounded_once() {
        let mut rng = Rng::new(6);
        // Any bits at all, and numbers whose exponents differ by little.
        let any = |bits: u64, rng: &mut Rng| {
            let near = bits & 0x800f_ffff_ffff_ffff | (rng.within(960, 1090) as u64) << FRACTION;
            [bits, near & !(u64::MAX >> rng.within(0, 63) & 0xfff_ffff_ffff), near].map(f64::from_bits)
                [rng.within(0, 2)]
        };
        for _ in 0..1_000_000 {
            let [a, b, c] = core::array::from_fn(|_| any(rng.next(), &mut rng));
            let product = a * b;
            // Sums that nearly cancel or do, ties, and addends of every size beside the product.
            let near = -product * (1.0 + rng.within(0, 15) as f64 * f64::EPSILON);
            let apart = product * f64::from_bits((rng.within(900, 1150) as u64) << FRACTION);
            for c in [c, -product, near, apart, -apart, libm::fma(-a, b, product), a, 0.0] {
                let exact = libm::fma(a, b, c);
                let found = f64::from_bits(multiply_add_f64(a.to_bits(), b.to_bits(), c.to_bits()));
                let same = exact.to_bits() == found.to_bits() || exact.is_nan() && found.is_nan();
                assert!(same, "{a:e} {b:e} {c:e}: {found:e} is not {exact:e}");
            }
        }
    }
}
