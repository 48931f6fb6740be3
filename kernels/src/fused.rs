//! The references' fused multiply-adds, in whole numbers: a register of floats would hold one in its lowest lane, and nobody would see
//! what goes wrong in the others.

/// `a * b + c`, rounded once, of the bits of a type of float. The product is exact in a wide whole number; what is shifted out of the
/// smaller addend leaves its mark in the lowest bit, far below where the sum is rounded (the "jamming" of SoftFloat).
macro_rules! multiply_add {
    ($name:ident, $float:ty: $bits:ty, in $wide:ty) => {
        pub(crate) fn $name(a: $bits, b: $bits, c: $bits) -> $bits {
            const FRACTION: u32 = <$float>::MANTISSA_DIGITS - 1;
            const SIGN: $bits = 1 << (<$bits>::BITS - 1);
            const ONE: $bits = 1 << FRACTION;
            const INFINITE: i32 = 2 * <$float>::MAX_EXP - 1;
            /// The exponent of a float whose significand is taken as a whole number, when the bits say zero.
            const BIAS: i32 = <$float>::MAX_EXP - 1 + FRACTION as i32;
            /// So far a product may be shifted up, and an addend, that their sum, and half of what it drops, have room.
            const ROOM_ABOVE_PRODUCT: i32 = (<$wide>::BITS - 2 * <$float>::MANTISSA_DIGITS - 2) as i32;
            const ROOM_ABOVE_ADDEND: i32 = (<$wide>::BITS - <$float>::MANTISSA_DIGITS - 2) as i32;

            let field = |bits: $bits| (bits >> FRACTION) as i32 & INFINITE;
            let is_zero = |bits: $bits| bits & !SIGN == 0;
            if field(a) == INFINITE || field(b) == INFINITE {
                let [a, b, c] = [a, b, c].map(<$float>::from_bits);
                return (a * b + c).to_bits();
            }
            if field(c) == INFINITE {
                return c;
            }
            if is_zero(a) || is_zero(b) {
                return if is_zero(c) { (a ^ b) & c } else { c };
            }
            // Denormals have the exponent of the smallest normal numbers, without the one above their fractions.
            let exponent_of = |bits: $bits| field(bits).max(1);
            let whole = |bits: $bits| <$wide>::from(bits & (ONE - 1) | if field(bits) == 0 { 0 } else { ONE });
            // Both addends as multiples of two to the power of `exponent`.
            let (product, addend) = (whole(a) * whole(b), whole(c));
            let exponent = exponent_of(a) + exponent_of(b) - 2 * BIAS;
            let by = exponent_of(c) - BIAS - exponent;
            let at = |number: $wide, by: i32| match by {
                0.. => number << by,
                _ if by > -(<$wide>::BITS as i32) => number >> -by | <$wide>::from(number & ((1 << -by) - 1) != 0),
                _ => <$wide>::from(number != 0),
            };
            let (product, addend, exponent) = match by {
                0..=ROOM_ABOVE_ADDEND => (product, addend << by, exponent),
                ..0 => {
                    (product << ROOM_ABOVE_PRODUCT, at(addend, by + ROOM_ABOVE_PRODUCT), exponent - ROOM_ABOVE_PRODUCT)
                }
                _ => (
                    at(product, ROOM_ABOVE_ADDEND - by),
                    addend << ROOM_ABOVE_ADDEND,
                    exponent + by - ROOM_ABOVE_ADDEND,
                ),
            };
            let (sign, sum) = match (a ^ b ^ c) & SIGN {
                0 => (c, product + addend),
                _ if product >= addend => (!c, product - addend),
                _ => (c, addend - product),
            };
            if sum == 0 {
                return 0;
            }
            // What is more than the significand has, and what is below the smallest denormal.
            let longer = (<$wide>::BITS - <$float>::MANTISSA_DIGITS) as i32 - sum.leading_zeros() as i32;
            let dropped = longer.max(1 - BIAS - exponent);
            let exponent = exponent + dropped + BIAS;
            let rounded = if dropped > 0 {
                // To the nearest, and if there are two to the even one.
                let even = sum >> dropped & 1;
                (sum + (1 << (dropped - 1)) - 1 + even) >> dropped
            } else {
                sum << -dropped
            };
            sign & SIGN
                | match exponent {
                    // The one above the fraction goes to the exponent, and so does a bit more.
                    ..INFINITE => (((exponent - 1) as $bits) << FRACTION) + rounded as $bits,
                    _ => <$float>::INFINITY.to_bits(),
                }
        }
    };
}
multiply_add!(multiply_add_f32, f32: u32, in u64);
multiply_add!(multiply_add_f64, f64: u64, in u128);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    /// Against the machine's own, by its instruction or the C library's code: of any bits at all, of numbers whose exponents differ by
    /// little, and of denormals.
    macro_rules! is_rounded_once {
        ($name:ident, $multiply_add:ident, $float:ty: $bits:ty, near: $near:expr, apart: $apart:expr) => {
            #[test]
            fn $name() {
                const FRACTION: u32 = <$float>::MANTISSA_DIGITS - 1;
                let fraction: $bits = (1 << FRACTION) - 1;
                let sign: $bits = 1 << (<$bits>::BITS - 1);
                let mut rng = Rng::new(6);
                let power = |(low, high): (usize, usize), rng: &mut Rng| (rng.within(low, high) as $bits) << FRACTION;
                let any = |rng: &mut Rng| {
                    let bits = rng.next() as $bits;
                    let near = bits & (sign | fraction) | power($near, rng);
                    let few = near & !(fraction >> rng.within(0, FRACTION as usize));
                    let tiny = bits & (sign | fraction) | power((0, 2), rng);
                    <$float>::from_bits([bits, near, near, few, few, few, tiny, bits & sign][rng.within(0, 7)])
                };
                let (mut finite, mut denormal) = (0, 0);
                let mut check = |a: $float, b: $float, c: $float| {
                    let exact = a.mul_add(b, c);
                    let found = <$float>::from_bits($multiply_add(a.to_bits(), b.to_bits(), c.to_bits()));
                    let same = exact.to_bits() == found.to_bits() || exact.is_nan() && found.is_nan();
                    assert!(same, "{a:e} {b:e} {c:e}: {found:e} is not {exact:e}");
                    finite += u32::from(exact.is_finite());
                    denormal += u32::from(exact.is_subnormal());
                };
                for _ in 0..1_000_000 {
                    let [a, b, c] = core::array::from_fn(|_| any(&mut rng));
                    let product = a * b;
                    // Sums that nearly cancel or do, ties, and addends of every size beside the product.
                    let near = -product * (1.0 + rng.within(0, 15) as $float * <$float>::EPSILON);
                    let apart = product * <$float>::from_bits(power($apart, &mut rng));
                    for c in [c, -product, near, apart, -apart, a, 0.0, -0.0] {
                        check(a, b, c);
                    }
                    // Products that end among the denormals, or at them.
                    check(a, c, <$float>::MIN_POSITIVE);
                    check(a, <$float>::MIN_POSITIVE / b, any(&mut rng));
                }
                // A tie at the end of the range, and what is on either side of it.
                let ulp = <$float>::MAX - <$float>::from_bits(<$float>::MAX.to_bits() - 1);
                for part in [0.25, 0.5, 0.75] {
                    check(<$float>::MAX, 1.0, ulp * part);
                    check(<$float>::MAX, -1.0, -ulp * part);
                }
                assert!(finite > 6_000_000 && denormal > 300_000, "{finite} {denormal}");
            }
        };
    }
    is_rounded_once!(of_f32_it_is_rounded_once, multiply_add_f32, f32: u32, near: (95, 140), apart: (75, 180));
    is_rounded_once!(of_f64_it_is_rounded_once, multiply_add_f64, f64: u64, near: (960, 1090), apart: (900, 1150));

    /// What `libm` 0.2.16 rounds twice or to the wrong side: results that are denormal or at their edge, and a product of which a bit is
    /// 64 zeros below the next.
    #[test]
    fn marks_far_below_count() {
        let f32 = |a, b, c| multiply_add_f32(a, b, c);
        assert_eq!(f32(0x19ff_e002, 0x1a00_1001, 0x8080_0000), 0x807f_ffff);
        assert_eq!(f32(0x9700_0800, 0x1cff_f001, 0x0001_0002), 0x0001_0001);
        let f64 = |a: f64, b: f64, c: f64| f64::from_bits(multiply_add_f64(a.to_bits(), b.to_bits(), c.to_bits()));
        let two = |exponent: i32| f64::from_bits(((exponent + 1023) as u64) << 52);
        let (a, b) = (two(51) - two(26) + 1.0, two(51) + two(26) + 1.0);
        assert_eq!(f64(a, b, two(155)), two(155) + two(103));
        assert_eq!(f64(a * two(-589), b * two(-588), -two(-1022)).to_bits(), 0x800f_ffff_ffff_ffff);
    }
}
